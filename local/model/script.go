// Package model simulates Amazon Bedrock: a server that implements Converse, answers from a script, and
// validates every request as strictly as the service does. A wrong conversation then fails in a test instead
// of in production.
//
// A script is JSON:
//
//	{"steps": [
//	  {"text": "Let me look.", "tools": [{"name": "python_executor", "input": {"command": "print(1)"}}]},
//	  {"error": {"type": "ThrottlingException"}},
//	  {"expect": ["1"], "tools": [{"name": "submit_report", "input": {"summary": "it printed ${find:\\d}"}}]}
//	]}
//
// Every request of a conversation takes the next step. The text of the first user message identifies a
// conversation. In texts and inputs, `${find:REGEXP}` is replaced by the first match of the expression, or of
// its first group, in the user messages so far, including tool results. With it, a script quotes evidence
// that its author could not know.
//
// The stand-in simulates an account, and it refuses what Bedrock refuses for the model that a request names
// (Account has its settings). Each of several models can have its own script with its own steps:
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

// Script lists the answers of the model.
type Script struct {
	Steps []Step `json:"steps"`
	// Loop is the step, counted from 0, with which the script continues after the last step. Without it, one
	// more request is an error.
	Loop *int `json:"loop,omitempty"`
	// Features of a request that the model refuses, in addition to those that the model is known to refuse.
	RejectCachePoints bool `json:"rejectCachePoints,omitempty"`
	RejectTools       bool `json:"rejectTools,omitempty"`
	RejectSystem      bool `json:"rejectSystem,omitempty"`
	// ContextWindow is the size of the window in tokens. Longer requests are refused. 0: the window of the
	// model, or no limit if the catalog does not list the model.
	ContextWindow int `json:"contextWindow,omitempty"`
	// MinimumCachePrefix is the shortest prefix that is cached, in tokens. 0: the model's minimum, or 1,024.
	MinimumCachePrefix int `json:"minimumCachePrefix,omitempty"`

	// Account is the account that calls the models. Only at the top level of a script.
	Account Account `json:"account,omitzero"`
	// Models holds scripts by model id, or by the first words of one (see [Account]). Requests to these
	// models use only the steps of their script. Each conversation counts its steps separately for each
	// script. Only at the top level of a script.
	Models map[string]Script `json:"models,omitempty"`
}

// of returns the script of a model and its name in Models. The longest name wins.
func (s Script) of(modelID string) (string, Script) {
	if name, script, found := mostSpecific(s.Models, modelID); found {
		return name, script
	}
	return "", s
}

// Step is one answer, or one error.
type Step struct {
	Comment string `json:"comment,omitempty"`
	// Expect lists regular expressions that the last user message must match. Otherwise the request is
	// refused, with the expression in the message.
	Expect []string `json:"expect,omitempty"`

	Reasoning *Reasoning      `json:"reasoning,omitempty"`
	Text      string          `json:"text,omitempty"`
	Tools     []ToolUse       `json:"tools,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"` // content blocks in Converse's format, instead of the three above
	// Default: tool_use if there are tools, otherwise end_turn.
	StopReason string `json:"stopReason,omitempty"`
	Usage      *Usage `json:"usage,omitempty"` // default: counted from the request
	// ThinkTokens is the number of tokens that the model thinks before it answers. Thinking counts as output:
	// if it leaves no room for the answer, the answer consists of reasoning and ends with max_tokens.
	ThinkTokens int `json:"thinkTokens,omitempty"`
	// ResponseFields holds additionalModelResponseFields, such as stop_details. The answer contains those
	// that the request asks for.
	ResponseFields map[string]json.RawMessage `json:"additionalModelResponseFields,omitempty"`

	Error   *Error `json:"error,omitempty"`
	Reset   bool   `json:"reset,omitempty"`   // close the connection without an answer
	DelayMS int    `json:"delayMs,omitempty"` // wait before answering
	Raw     string `json:"raw,omitempty"`     // answer with this body, status 200, and the content type of JSON
	HTTP    *HTTP  `json:"http,omitempty"`    // answer with this response
}

// HTTP is an answer that does not come from a model but from a proxy or a load balancer, or an incomplete
// answer.
type HTTP struct {
	Status      int    `json:"status"`
	ContentType string `json:"contentType,omitempty"`
	Body        string `json:"body,omitempty"`
	ErrorType   string `json:"errorType,omitempty"` // X-Amzn-Errortype; empty: not sent
	// MissingBytes is the number of bytes by which Content-Length exceeds the body. The connection closes
	// after the body.
	MissingBytes int `json:"missingBytes,omitempty"`
}

// Reasoning is a thinking block. The model requires it back unchanged.
type Reasoning struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  string `json:"redacted,omitempty"` // base64
}

// ToolUse is one call of a tool.
type ToolUse struct {
	ID    string         `json:"id,omitempty"` // default: built from the number of the request
	Name  string         `json:"name"`
	Input map[string]any `json:"input"`
}

// Usage counts tokens.
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
	Status  int    `json:"status,omitempty"`  // default: the usual status of the type
	Message string `json:"message,omitempty"` // default: names the type
	Untyped bool   `json:"untyped,omitempty"` // the response does not name the type
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

// Parse reads a script. Its error names the wrong step.
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
			problems = append(problems, fmt.Errorf("models.%s: models and account are only allowed at the top level of the script", name))
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
				"%sstep %d has no answer: set text, tools, content, stopReason, thinkTokens, raw, http, error or reset", where, i))
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

// answers reports whether the step defines an answer.
func (s Step) answers() bool {
	hasContent := s.Text != "" || len(s.Tools) > 0 || s.Content != nil || s.StopReason != "" || s.ThinkTokens > 0
	return hasContent || s.Error != nil || s.Reset || s.Raw != "" || s.HTTP != nil
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
			problem = fmt.Errorf("the script refers to %s, which matches no message so far", found)
			return found
		}
		return match[len(match)-1]
	})
	return filled, problem
}
