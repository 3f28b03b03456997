// Package toolcall defines the wire format of the tool function: the request that the orchestrator (or a
// person with `aws lambda invoke`) sends, and the answer.
package toolcall

import (
	"encoding/json"
	"strings"
)

// Name is the tool's name as the model knows it.
const Name = "python_executor"

// Request asks the tool to run one piece of Python, or for its status.
type Request struct {
	Command string `json:"command"`
	Status  bool   `json:"status,omitempty"` // true: run nothing and answer with Status
}

// Answer is the result of one call. Code that fails results in an answer with Success false, never in a
// function error.
type Answer struct {
	Success       bool            `json:"success"`                 // whether the code ran to its end
	Output        string          `json:"output"`                  // for the reader: stdout, stderr, then result or error
	Result        json.RawMessage `json:"result"`                  // JSON value of `result` or of the last expression, or null
	Stdout        string          `json:"stdout"`                  // if too long, its head and tail with a mark between them
	Stderr        string          `json:"stderr"`                  // shortened like stdout
	Error         string          `json:"error,omitempty"`         // what went wrong and what to do, with the code's traceback
	ErrorType     string          `json:"error_type,omitempty"`    // Python class name, or TimeLimit, MemoryLimit, OutputLimit, or Crashed
	ExecutionTime float64         `json:"execution_time"`          // in seconds
	Truncated     []Truncation    `json:"truncated,omitempty"`     // parts that are incomplete; set by the supervisor only
	Notes         []string        `json:"notes"`                   // for the reader; untrusted: code can forge them
	AWSCalls      []AWSCall       `json:"aws_calls"`               // audit trail of requests to AWS, in order of completion
	AWSCallsCut   int             `json:"aws_calls_cut,omitempty"` // number of requests that are not listed
	Redactions    int             `json:"redactions"`              // number of secrets that were redacted in this answer
	Refusals      int             `json:"refusals"`                // number of requests that the broker refused
	Status        *Status         `json:"status,omitempty"`        // only if the request asked for it
}

// Truncation describes a part of an answer that was truncated because it was too long.
type Truncation struct {
	Part    string `json:"part"`     // stdout, stderr, or result
	LeftOut int64  `json:"left_out"` // number of bytes that are missing
}

// AWSCall is one request that the code made to AWS.
type AWSCall struct {
	Service    string `json:"service"`              // IAM prefix or endpoint prefix, such as "logs"
	Operation  string `json:"operation"`            // such as "FilterLogEvents"
	Region     string `json:"region"`               // such as eu-central-1
	Status     int    `json:"status"`               // HTTP status; 0 if AWS did not answer
	DurationMS int64  `json:"duration_ms"`          // time until the answer was complete, in milliseconds
	ErrorCode  string `json:"error_code,omitempty"` // such as "AccessDeniedException"
	Refused    string `json:"refused,omitempty"`    // why the broker did not send the request
	AccessKey  string `json:"access_key,omitempty"` // access key ID that the code signed with; empty: the tool's own role
	Account    string `json:"account,omitempty"`    // account of AccessKey, if it is known
}

// LayerActive is the state of a layer that works. Any other state explains why the layer does not work.
const LayerActive = "active"

// Status reports which layers of the sandbox are active in this environment.
type Status struct {
	Python string            `json:"python"` // version of the interpreter
	Boto3  string            `json:"boto3"`  // version of boto3
	Layers map[string]string `json:"layers"` // such as "seccomp": "active" or "seccomp": "refused: operation not permitted"
	Limits map[string]string `json:"limits"` // limits by name, with their units
}

// Text returns the output of the call in reading order. Findings are checked against it, and reports quote
// from it.
func (a *Answer) Text() string {
	if a.Output != "" {
		return a.Output
	}
	parts := []string{a.Stdout, a.Stderr, a.Error}
	if len(a.Result) > 0 && string(a.Result) != "null" {
		parts = append(parts, string(a.Result))
	}
	if text := strings.TrimSpace(strings.Join(parts, "\n")); text != "" {
		return text
	}
	return "(no output)"
}
