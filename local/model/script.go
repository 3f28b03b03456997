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
package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Script is what the model says.
type Script struct {
	Steps []Step `json:"steps"`
	// After the last step begin again with step Loop (counted from 0); without it a further request is
	// an error.
	Loop *int `json:"loop,omitempty"`
	// The model's ways: which features of a request it refuses.
	RejectCachePoints bool `json:"rejectCachePoints,omitempty"`
	RejectTools       bool `json:"rejectTools,omitempty"`
	// Tokens that the window holds; longer requests are refused as too long. 0: no limit.
	ContextWindow int `json:"contextWindow,omitempty"`
	// Tokens below which a prefix is not cached. 0: 1024.
	MinimumCachePrefix int `json:"minimumCachePrefix,omitempty"`
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

	Error   *Error `json:"error,omitempty"`
	Reset   bool   `json:"reset,omitempty"`   // close the connection without an answer
	DelayMS int    `json:"delayMs,omitempty"` // wait before answering
	Raw     string `json:"raw,omitempty"`     // answer with this body
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
	Message string `json:"message,omitempty"` //
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
	var problems []error
	for i, step := range s.Steps {
		for _, expression := range step.Expect {
			if _, err := regexp.Compile(expression); err != nil {
				problems = append(problems, fmt.Errorf("step %d: expect: %w", i, err))
			}
		}
		says := step.Text != "" || len(step.Tools) > 0 || step.Content != nil || step.Error != nil || step.Reset || step.Raw != "" || step.StopReason != ""
		if !says {
			problems = append(problems, fmt.Errorf("step %d says nothing: give it text, tools, content, stopReason, raw, error or reset", i))
		}
	}
	if s.Loop != nil && (*s.Loop < 0 || *s.Loop >= len(s.Steps)) {
		problems = append(problems, fmt.Errorf("loop must name one of the %d steps, got %d", len(s.Steps), *s.Loop))
	}
	return errors.Join(problems...)
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
