// Package toolcall defines the wire format of the tool function: the request that the orchestrator (or a
// person with `aws lambda invoke`) sends, and the answer.
package toolcall

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Name is the tool's name as the model knows it.
const Name = "python_executor"

// A secret in an answer is replaced with a mark: MarkStart, the kind of the secret, and MarkEnd.
const (
	MarkStart = "[redacted: "
	MarkEnd   = "]"
)

// DefaultQueryLimitUSD is what AWS may charge for the queries of a call whose request names no limit, such
// as one that a person sends, in US dollars: a quarter of the default of the prop MaxQueryCostUsd.
const DefaultQueryLimitUSD = 0.25

// Request asks the tool to run one piece of Python, or for its status. Account and Region are those of the alarm. The
// orchestrator takes them from the event, never from the model.
type Request struct {
	Command       string   `json:"command"`
	Account       string   `json:"account,omitempty"`         // whose data the code reads if it is a member; otherwise the tool's own
	Region        string   `json:"region,omitempty"`          // default of the code's clients; empty: that of the tool
	Status        bool     `json:"status,omitempty"`          // true: run nothing and answer with Status
	QueryLimitUSD *float64 `json:"query_limit_usd,omitempty"` // for BilledQueries of the call; nil: DefaultQueryLimitUSD
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
	ErrorType     string          `json:"error_type,omitempty"`    // Python class name, or TimeLimit, MemoryLimit, OutputLimit, FileLimit, or Crashed
	ExecutionTime float64         `json:"execution_time"`          // in seconds
	Truncated     []Truncation    `json:"truncated,omitempty"`     // parts that are incomplete; set by the supervisor only
	Notes         []string        `json:"notes"`                   // for the reader; untrusted: code can forge them
	AWSCalls      []AWSCall       `json:"aws_calls"`               // audit trail of requests to AWS, in order of completion
	AWSCallsCut   int             `json:"aws_calls_cut,omitempty"` // number of requests that are not listed
	Redactions    int             `json:"redactions"`              // number of secrets that were redacted in this answer
	SearchGap     *SearchGap      `json:"search_gap,omitempty"`    // what was not searched for secrets; set by the redaction only
	Refusals      int             `json:"refusals"`                // number of requests that the broker refused
	Observed      *Observed       `json:"observed,omitempty"`      // what AWS returned of the output; set by the supervisor only
	Status        *Status         `json:"status,omitempty"`        // only if the request asked for it

	BilledQueries []BilledQueries `json:"billed_queries,omitempty"` // what AWS bills, counted by the broker

	Unreadable []UnreadableAccount `json:"unreadable_accounts,omitempty"` // members whose role cannot be assumed; set by the broker
}

// UnreadableAccount is a member whose role the broker could not assume.
type UnreadableAccount struct {
	Account string `json:"account"` // 12 digits
	Role    string `json:"role"`    // ARN
	Reason  string `json:"reason"`  // one sentence: what failed, and what to do
}

// BilledQueries counts the requests for one operation that AWS bills by use.
type BilledQueries struct {
	Operation string  `json:"operation"` // such as "logs:StartQuery"
	Requests  int     `json:"requests"`  // number of requests that AWS accepted
	Units     int64   `json:"units"`     // what AWS bills; an upper bound if AWS does not report it
	Unit      Unit    `json:"unit"`
	CostUSD   float64 `json:"cost_usd"` // units times the list price of US East (N. Virginia), in US dollars
}

// Unit is what AWS bills.
type Unit string

// The units of [BilledQueries].
const (
	UnitBytes    Unit = "bytes scanned"
	UnitMetrics  Unit = "metrics"
	UnitTraces   Unit = "traces"
	UnitRequests Unit = "requests"
)

// QueryCostUSD returns the estimated cost of the call's billed queries in US dollars.
func (a *Answer) QueryCostUSD() float64 {
	cost := 0.0
	for _, queries := range a.BilledQueries {
		cost += queries.CostUSD
	}
	return cost
}

// Observed describes which parts of an output occur in AWS's answers to the call. The supervisor compares the output
// with the answers that it forwarded.
type Observed struct {
	Answers int    `json:"answers"`           // number of requests that AWS answered successfully
	Spans   []Span `json:"spans"`             // parts of the output that occur in the answers, in order; they may overlap
	Asked   []Span `json:"asked,omitempty"`   // texts of the output that the code itself sent to AWS, each once
	Partial bool   `json:"partial,omitempty"` // the answers or the output are too long to compare completely
}

// Span is a part of an output.
type Span struct {
	From int `json:"from"` // offset of its first byte
	To   int `json:"to"`   // offset of the byte after it
}

// Truncation describes a part of an answer that was truncated because it was too long.
type Truncation struct {
	Part    string `json:"part"`     // one of stdout, stderr, and result
	LeftOut int64  `json:"left_out"` // number of bytes that are missing
}

// SearchGap describes what the redaction could not search. The output may show secrets that are in it.
type SearchGap struct {
	Answers int `json:"answers"` // answers of AWS that were not searched completely for secrets
	Secrets int `json:"secrets"` // secrets in AWS's answers that were too many to look for in the output
}

// String describes the gap for a reader.
func (g SearchGap) String() string {
	return fmt.Sprintf("not all AWS answers were searched for secrets: %d answers were too long or too many, "+
		"and %d secrets in them were too many to look for in the output", g.Answers, g.Secrets)
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
	AccessKey  string `json:"access_key,omitempty"` // access key ID that the code signed with; empty: the tool's or a member's role
	Account    string `json:"account,omitempty"`    // account of the role that signed, if it is known; empty: the tool's own
}

// LostError means that the tool may have run the code but did not answer, so that its AWS calls are not known.
type LostError struct{ Err error }

// Error returns the text of the wrapped error.
func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *LostError) Unwrap() error { return e.Err }

// IsLost reports whether an error is a [LostError].
func IsLost(err error) bool {
	var lost *LostError
	return errors.As(err, &lost)
}

// LayerActive is the state of a layer that works. Any other state explains why the layer does not work.
const LayerActive = "active"

// Status reports which layers of the sandbox are active in this environment.
type Status struct {
	Python string            `json:"python"` // version of the interpreter
	Boto3  string            `json:"boto3"`  // version of boto3
	Layers map[string]string `json:"layers"` // such as "seccomp": "active" or "seccomp": "refused: operation not permitted"
	Limits map[string]string `json:"limits"` // limits by name, with their units

	Members *MembersStatus `json:"members,omitempty"` // nil: the tool reads only its own account
}

// MembersStatus describes the other accounts that the tool may read.
type MembersStatus struct {
	Accounts     []string            `json:"accounts,omitempty"`     // IDs; empty if Organization
	Organization bool                `json:"organization,omitempty"` // accounts of the organization, which IAM decides
	Role         string              `json:"role"`                   // name of the role in each account
	Unreadable   []UnreadableAccount `json:"unreadable,omitempty"`   // Accounts whose role could not be assumed just now
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
