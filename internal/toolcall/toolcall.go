// Package toolcall is the wire format of the tool function: what the orchestrator (or a person with
// `aws lambda invoke`) sends, and what comes back.
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
	Status  bool   `json:"status,omitempty"` // true: do not run anything, answer with Status
}

// Answer is what the tool says of one call. A failed snippet is an answer with Success false, never
// a function error.
type Answer struct {
	Success       bool            `json:"success"`                 // whether the code ran to its end
	Output        string          `json:"output"`                  // what a reader wants: stdout, stderr, result or error, in this order
	Result        json.RawMessage `json:"result"`                  // JSON value of `result` or of the last expression; null when there is none
	Stdout        string          `json:"stdout"`                  // head and tail kept when long; the cut is said in the text
	Stderr        string          `json:"stderr"`                  // likewise
	Error         string          `json:"error,omitempty"`         // what went wrong and what to do, with the snippet's traceback
	ErrorType     string          `json:"error_type,omitempty"`    // Python class name, or TimeLimit, MemoryLimit, OutputLimit, Crashed
	ExecutionTime float64         `json:"execution_time"`          // seconds
	Truncated     []Truncation    `json:"truncated,omitempty"`     // what does not hold all that the code gave; set by the supervisor alone
	Notes         []string        `json:"notes"`                   // for a reader; the code may forge them
	AWSCalls      []AWSCall       `json:"aws_calls"`               // the audit trail, in order of completion
	AWSCallsCut   int             `json:"aws_calls_cut,omitempty"` // calls beyond those listed
	Redactions    int             `json:"redactions"`              // secrets replaced in this answer
	Refusals      int             `json:"refusals"`                // requests the broker refused
	Status        *Status         `json:"status,omitempty"`
}

// Truncation is a part of an answer that was too long.
type Truncation struct {
	Part    string `json:"part"`     // stdout, stderr, or result
	LeftOut int64  `json:"left_out"` // bytes
}

// AWSCall is one request that the code made of AWS.
type AWSCall struct {
	Service    string `json:"service"`              // IAM prefix or endpoint prefix, such as "logs"
	Operation  string `json:"operation"`            // such as "FilterLogEvents"
	Region     string `json:"region"`               // such as eu-central-1
	Status     int    `json:"status"`               // HTTP status; 0: never answered
	DurationMS int64  `json:"duration_ms"`          // milliseconds until the answer was complete
	ErrorCode  string `json:"error_code,omitempty"` // such as "AccessDeniedException"
	Refused    string `json:"refused,omitempty"`    // why the broker did not send it
}

// LayerActive is the state of a layer that is in force. All other states explain why it is not.
const LayerActive = "active"

// Status says which layers of the sandbox are active in this environment.
type Status struct {
	Python string            `json:"python"` // version of the interpreter
	Boto3  string            `json:"boto3"`  // its version
	Layers map[string]string `json:"layers"` // such as "seccomp": "active" or "seccomp": "refused: operation not permitted"
	Limits map[string]string `json:"limits"` // by name, with their units
}

// Text is what the call brought, in the order in which it is read; findings are checked against it, and
// reports quote from it.
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
