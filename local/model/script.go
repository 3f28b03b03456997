// Package model stands in for Amazon Bedrock: a server that speaks Converse, answers from a script, and
// validates every request as strictly as the service does, so that a wrong conversation fails in a test
// instead of in production.
//
// A script is JSON:
//
//	{"steps": [
//	  {"text": "Let me look.", "tools": [{"name": "python_executor", "input": {"command": "print(1)"}}]},
//	  {"error": {"type": "ThrottlingException"}},
//	  {"expect": ["1"], "tools": [{"name": "submit_report", "input": {"summary": "it printed ${find:\\d}"}}]}
//	]}
//
// Every request of a conversation takes the next step; conversations are told apart by the text of their
// first user message. In texts and inputs `${find:REGEXP}` stands for what the expression (or its first
// group) matches first in the user messages so far, tool results included: that is how a script quotes
// evidence that it could not know beforehand.
//
// The stand-in simulates an account, and it refuses what Bedrock refuses for the model that a request names
// (docs/local.md lists the rules). Several models can have scripts of their own, each with its own steps:
//
//	{"account": {"formMissing": true, "retires": {"amazon.nova-2-lite": "2026-11-26"}},
//	 "models": {"us.anthropic.claude-sonnet-5-5": {"steps": [...]}, "amazon.nova-2-lite": {"steps": [...]}}}
package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Script is what the model says.
type Script struct {
	Steps []Step `json:"steps"`
	// After the last step begin again with step Loop (counted from 0); without it a further request is
	// an error.
	Loop *int `json:"loop,omitempty"`
	// Features of a request that the model refuses, in addition to those that the model is known to refuse.
	RejectCachePoints bool `json:"rejectCachePoints,omitempty"`
	RejectTools       bool `json:"rejectTools,omitempty"`
	RejectSystem      bool `json:"rejectSystem,omitempty"`
	// ContextWindow is the tokens that the window holds; longer requests are refused as too long. 0: the
	// window of the model, or no limit if the model is not known.
	ContextWindow int `json:"contextWindow,omitempty"`
	// MinimumCachePrefix is the tokens below which a prefix is not cached. 0: the model's minimum, or 1,024.
	MinimumCachePrefix int `json:"minimumCachePrefix,omitempty"`

	// Account calls the models. Only at the top of a script.
	Account Account `json:"account,omitzero"`
	// Models is scripts by model id, or by the beginning of one (see [Account]): requests to these models
	// take their steps, and no others, from there. A conversation goes through each script on its own. Only
	// at the top of a script.
	Models map[string]Script `json:"models,omitempty"`
}

// of is the script of a model, and the name that it has in the script. The longest name wins.
func (s Script) of(modelID string) (string, Script) {
	if name, script, found := mostSpecific(s.Models, modelID); found {
		return name, script
	}
	return "", s
}

// Step is one answer, or one error.
type Step struct {
	Comment string `json:"comment,omitempty"`
	// Regular expressions that the last user message must match, else the request is refused with what
	// was expected.
	Expect []string `json:"expect,omitempty"`

	Reasoning *Reasoning      `json:"reasoning,omitempty"`
	Text      string          `json:"text,omitempty"`
	Tools     []ToolUse       `json:"tools,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"` // content blocks as Converse has them, instead of the three above
	// Default: tool_use where there are tools, else end_turn.
	StopReason string `json:"stopReason,omitempty"`
	Usage      *Usage `json:"usage,omitempty"` // default: counted from the request
	// ThinkTokens is how much the model thinks before it answers. Thinking counts as output: where it leaves
	// no room for the answer, the answer is reasoning only and ends with max_tokens.
	ThinkTokens int `json:"thinkTokens,omitempty"`
	// ResponseFields is additionalModelResponseFields, such as stop_details. The answer has the fields that
	// the request asks for.
	ResponseFields map[string]json.RawMessage `json:"additionalModelResponseFields,omitempty"`

	Error   *Error `json:"error,omitempty"`
	Reset   bool   `json:"reset,omitempty"`   // close the connection without an answer
	DelayMS int    `json:"delayMs,omitempty"` // wait before answering
	Raw     string `json:"raw,omitempty"`     // answer with this body, status 200, and the type of JSON
	HTTP    *HTTP  `json:"http,omitempty"`    // answer with exactly this
}

// HTTP is an answer that no model made: of a proxy, of a load balancer, or half of one.
type HTTP struct {
	Status      int    `json:"status"`
	ContentType string `json:"contentType,omitempty"`
	Body        string `json:"body,omitempty"`
	ErrorType   string `json:"errorType,omitempty"` // X-Amzn-Errortype; empty: not sent
	// MissingBytes is how much longer Content-Length says the body is before the connection closes.
	MissingBytes int `json:"missingBytes,omitempty"`
}

// Reasoning is a thinking block. The model demands it back unchanged.
type Reasoning struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  string `json:"redacted,omitempty"` // base64
}

// ToolUse is one call of a tool.
type ToolUse struct {
	ID    string         `json:"id,omitempty"` // default: made from the number of the request
	Name  string         `json:"name"`
	Input map[string]any `json:"input"`
}

// Usage is in tokens.
type Usage struct {
	InputTokens           int `json:"inputTokens"`
	OutputTokens          int `json:"outputTokens"`
	TotalTokens           int `json:"totalTokens"`
	CacheReadInputTokens  int `json:"cacheReadInputTokens,omitempty"`
	CacheWriteInputTokens int `json:"cacheWriteInputTokens,omitempty"`
}

// Error is an error of the service.
type Error struct {
	Type    string `json:"type"`              // such as ThrottlingException
	Status  int    `json:"status,omitempty"`  // default: the one of that type
	Message string `json:"message,omitempty"` // default: names the type
	Untyped bool   `json:"untyped,omitempty"` // the answer does not name its type
}

var errorStatus = map[string]int{
	"ThrottlingException":           429,
	"ModelNotReadyException":        429,
	"ModelTimeoutException":         408,
	"ServiceUnavailableException":   503,
	"InternalServerException":       500,
	"ModelErrorException":           424,
	"ServiceQuotaExceededException": 400,
	"ValidationException":           400,
	"AccessDeniedException":         403,
	"ResourceNotFoundException":     404,
}

func (e *Error) status() int {
	if e.Status != 0 {
		return e.Status
	}
	if status, known := errorStatus[e.Type]; known {
		return status
	}
	return 500
}

// Parse reads a script. The error names the step that is wrong.
func Parse(text []byte) (Script, error) {
	var s Script
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Script{}, err
	}
	return s, s.check()
}

func (s Script) check() error {
	problems := s.checkSteps("")
	for name, script := range s.Models {
		problems = append(problems, script.checkSteps("models."+name+": ")...)
		if len(script.Models) > 0 || !reflect.ValueOf(script.Account).IsZero() {
			problems = append(problems, fmt.Errorf("models.%s: models and account belong to the top of the script", name))
		}
	}
	return errors.Join(problems...)
}

func (s Script) checkSteps(where string) (problems []error) {
	for i, step := range s.Steps {
		for _, expression := range step.Expect {
			if _, err := regexp.Compile(expression); err != nil {
				problems = append(problems, fmt.Errorf("%sstep %d: expect: %w", where, i, err))
			}
		}
		if !step.answers() {
			problems = append(problems, fmt.Errorf(
				"%sstep %d says nothing: give it text, tools, content, stopReason, thinkTokens, raw, http, error or reset", where, i))
		}
		if h := step.HTTP; h != nil && (h.Status < 200 || h.Status > 599 || h.MissingBytes < 0) {
			problems = append(problems, fmt.Errorf("%sstep %d: http needs a status from 200 to 599 and no negative missingBytes", where, i))
		}
	}
	if s.Loop != nil && (*s.Loop < 0 || *s.Loop >= len(s.Steps)) {
		problems = append(problems, fmt.Errorf("%sloop must name one of the %d steps, got %d", where, len(s.Steps), *s.Loop))
	}
	return problems
}

// answers reports whether the step leads to any answer.
func (s Step) answers() bool {
	says := s.Text != "" || len(s.Tools) > 0 || s.Content != nil || s.StopReason != "" || s.ThinkTokens > 0
	return says || s.Error != nil || s.Reset || s.Raw != "" || s.HTTP != nil
}

var reference = regexp.MustCompile(`\$\{find:((?:[^{}]|\{[0-9,]*\})+)\}`)

// fill replaces references in every string of a JSON value.
func fill(value any, seen string) (any, error) {
	switch v := value.(type) {
	case string:
		return fillText(v, seen)
	case []any:
		for i := range v {
			filled, err := fill(v[i], seen)
			if err != nil {
				return nil, err
			}
			v[i] = filled
		}
	case map[string]any:
		for key := range v {
			filled, err := fill(v[key], seen)
			if err != nil {
				return nil, err
			}
			v[key] = filled
		}
	}
	return value, nil
}

func fillText(text, seen string) (string, error) {
	var problem error
	filled := reference.ReplaceAllStringFunc(text, func(found string) string {
		expression, err := regexp.Compile(reference.FindStringSubmatch(found)[1])
		if err != nil {
			problem = err
			return found
		}
		match := expression.FindStringSubmatch(seen)
		if match == nil {
			problem = fmt.Errorf("the script refers to %s, which no message so far has", found)
			return found
		}
		return match[len(match)-1]
	})
	return filled, problem
}
