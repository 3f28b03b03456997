package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Request is a Converse request in its wire format, with the members that the stand-in reads.
type Request struct {
	ModelID         string          `json:"-"`
	Messages        []Message       `json:"messages"`
	System          []Block         `json:"system"`
	ToolConfig      *ToolConfig     `json:"toolConfig"`
	InferenceConfig map[string]any  `json:"inferenceConfig"`
	Guardrail       map[string]any  `json:"guardrailConfig"`
	Additional      json.RawMessage `json:"additionalModelRequestFields"`
	ResponsePaths   []string        `json:"additionalModelResponseFieldPaths"`
	Raw             []byte          `json:"-"`

	before []prefix // the result of prefixes, once computed
}

// Message is one turn.
type Message struct {
	Role    string  `json:"role"`
	Content []Block `json:"content"`
}

// Block is one content block: exactly one of its fields is set.
type Block struct {
	Text       *string          `json:"text,omitempty"`
	ToolUse    *ToolUseBlock    `json:"toolUse,omitempty"`
	ToolResult *ToolResultBlock `json:"toolResult,omitempty"`
	Reasoning  json.RawMessage  `json:"reasoningContent,omitempty"`
	CachePoint *CachePoint      `json:"cachePoint,omitempty"`
}

// CachePoint marks the end of a prefix to cache.
type CachePoint struct {
	Type string `json:"type"`
}

// ToolUseBlock is a tool call by the model.
type ToolUseBlock struct {
	ToolUseID string          `json:"toolUseId"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
}

// ToolResultBlock is the result of a tool call.
type ToolResultBlock struct {
	ToolUseID string        `json:"toolUseId"`
	Status    string        `json:"status,omitempty"`
	Content   []ResultBlock `json:"content"`
}

// ResultBlock is a part of a tool result.
type ResultBlock struct {
	Text *string         `json:"text,omitempty"`
	JSON json.RawMessage `json:"json,omitempty"`
}

// ToolConfig lists the tools that the model may call.
type ToolConfig struct {
	Tools []struct {
		ToolSpec *struct {
			Name        string `json:"name"`
			Description string `json:"description"`
			InputSchema struct {
				JSON json.RawMessage `json:"json"`
			} `json:"inputSchema"`
		} `json:"toolSpec,omitempty"`
		CachePoint *CachePoint `json:"cachePoint,omitempty"`
	} `json:"tools"`
	ToolChoice map[string]json.RawMessage `json:"toolChoice,omitempty"`
}

var (
	toolName  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	toolUseID = regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,64}$`)
)

const maxCachePoints = 4

// validate returns the problems for which the service would refuse the request, for any model or for its
// model.
func (r *Request) validate(given reasoning, account Account) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if len(r.Messages) == 0 {
		problem("A conversation must have at least one message")
		return errors.Join(problems...)
	}
	if r.Messages[0].Role != "user" {
		problem("A conversation must start with a user message")
	}
	m := models.Lookup(r.ModelID)
	r.checkInference(problem)
	r.checkModel(m, problem)
	_, usesTools := r.checkTools(problem)
	points := 0
	for _, block := range r.System {
		if block.CachePoint != nil {
			points++
		} else if block.Text == nil || strings.TrimSpace(*block.Text) == "" {
			problem("The text field in the system prompt is blank")
		}
	}
	if r.ToolConfig != nil {
		for _, tool := range r.ToolConfig.Tools {
			if tool.CachePoint != nil {
				points++
			}
		}
	}
	var open []string // tool uses of the turn before
	hasToolBlocks := false
	for i, message := range r.Messages {
		if i > 0 && message.Role == r.Messages[i-1].Role {
			problem("messages.%d: roles must alternate between \"user\" and \"assistant\", but found two of %q", i, message.Role)
		}
		if len(message.Content) == 0 {
			problem("messages.%d: content is empty", i)
		}
		var used, answered []string
		for j, block := range message.Content {
			at := fmt.Sprintf("messages.%d.content.%d", i, j)
			switch {
			case block.Text != nil:
				if strings.TrimSpace(*block.Text) == "" {
					problem("%s: text must contain non-whitespace text", at)
				}
			case block.CachePoint != nil:
				points++
				if block.CachePoint.Type != "default" {
					problem("%s: cachePoint type must be default", at)
				}
				if j == 0 {
					problem("%s: a cachePoint must follow other content", at)
				}
			case block.ToolUse != nil:
				hasToolBlocks = true
				used = append(used, block.ToolUse.ToolUseID)
				r.checkToolUse(at, message.Role, block.ToolUse, problem)
				ownCall := given.ledTo[block.ToolUse.ToolUseID] == models.Parse(r.ModelID).Model
				if ownCall && message.Content[0].Reasoning == nil && !thinksAdaptively(m) {
					problem("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found another block", i)
				}
			case block.ToolResult != nil:
				hasToolBlocks = true
				answered = append(answered, block.ToolResult.ToolUseID)
				checkToolResult(at, message.Role, block.ToolResult, problem)
			case block.Reasoning != nil:
				r.checkReasoning(i, j, given, account, problem)
			default:
				problem("%s: unknown or empty content block", at)
			}
		}
		if message.Role == "user" {
			checkAnswers(i, open, answered, problem)
			open = nil
		} else {
			open = used
			if hasDuplicates(used) {
				problem("messages.%d: toolUse ids must be unique", i)
			}
		}
	}
	if len(open) > 0 {
		problem("Expected toolResult blocks at messages.%d.content for the following Ids: %s", len(r.Messages), strings.Join(open, ", "))
	}
	if r.Messages[len(r.Messages)-1].Role != "user" {
		problem("The conversation must end with a user message")
	}
	if hasToolBlocks && !usesTools {
		problem("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
	}
	if points > maxCachePoints {
		problem("A maximum of %d blocks with cachePoint may be provided. Found %d.", maxCachePoints, points)
	}
	return errors.Join(problems...)
}

func hasDuplicates(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) != len(list)
}

// checkInference reports settings that are out of range or contradict each other.
func (r *Request) checkInference(problem func(string, ...any)) {
	for name, value := range r.InferenceConfig {
		number, isNumber := value.(float64)
		switch name {
		case "maxTokens":
			if !isNumber || number < 1 || number != math.Trunc(number) {
				problem("inferenceConfig.maxTokens must be a whole number of at least 1, got %v", value)
			}
		case "temperature", "topP":
			if !isNumber || number < 0 || number > 1 {
				problem("inferenceConfig.%s must be from 0 to 1, got %v", name, value)
			}
		case "stopSequences":
		default:
			problem("inferenceConfig has no member %q", name)
		}
	}
	_, hasTemperature := r.InferenceConfig["temperature"]
	_, hasTopP := r.InferenceConfig["topP"]
	if hasTemperature && hasTopP {
		problem("temperature and top_p cannot both be specified for this model")
	}
	if r.Additional != nil && json.Unmarshal(r.Additional, &map[string]any{}) != nil {
		problem("additionalModelRequestFields must be an object")
	}
	if thinking := r.additional().Thinking; thinking == nil || thinking.Type == "disabled" {
		return
	}
	if hasTemperature || hasTopP {
		problem("temperature and top_p may not be set when thinking is enabled")
	}
	if r.ToolConfig != nil && (r.ToolConfig.ToolChoice["any"] != nil || r.ToolConfig.ToolChoice["tool"] != nil) {
		problem(forcedTool)
	}
}

// checkTools reports invalid tools. It returns their names, and whether the request has a toolConfig.
func (r *Request) checkTools(problem func(string, ...any)) (names []string, present bool) {
	if r.ToolConfig == nil {
		return nil, false
	}
	for i, tool := range r.ToolConfig.Tools {
		if tool.ToolSpec == nil {
			continue
		}
		names = append(names, tool.ToolSpec.Name)
		if !toolName.MatchString(tool.ToolSpec.Name) {
			problem("toolConfig.tools.%d: name %q does not match %s", i, tool.ToolSpec.Name, toolName)
		}
		var schema map[string]any
		if json.Unmarshal(tool.ToolSpec.InputSchema.JSON, &schema) != nil || schema["type"] != "object" {
			problem("toolConfig.tools.%d: inputSchema.json.type must be object", i)
		}
		for key := range schema {
			if !slices.Contains([]string{"type", "properties", "required"}, key) {
				problem("toolConfig.tools.%d: inputSchema.json must have type, properties and required only, got %q", i, key)
			}
		}
	}
	if len(names) == 0 {
		problem("toolConfig.tools must have at least one toolSpec")
	}
	if hasDuplicates(names) {
		problem("toolConfig.tools: names must be unique")
	}
	for kind := range r.ToolConfig.ToolChoice {
		if !slices.Contains([]string{"auto", "any", "tool"}, kind) {
			problem("toolConfig.toolChoice: unknown member %q", kind)
		}
	}
	return names, len(names) > 0
}

func (r *Request) checkToolUse(at, role string, use *ToolUseBlock, problem func(string, ...any)) {
	if role != "assistant" {
		problem("%s: toolUse blocks can only be in assistant messages", at)
	}
	if !toolUseID.MatchString(use.ToolUseID) {
		problem("%s: toolUseId %q does not match %s", at, use.ToolUseID, toolUseID)
	}
	if !toolName.MatchString(use.Name) {
		problem("%s: name %q does not match %s", at, use.Name, toolName)
	}
	if trimmed := bytes.TrimSpace(use.Input); len(trimmed) == 0 || trimmed[0] != '{' {
		problem("%s: toolUse.input must be an object", at)
	}
}

func checkToolResult(at, role string, result *ToolResultBlock, problem func(string, ...any)) {
	if role != "user" {
		problem("%s: toolResult blocks can only be in user messages", at)
	}
	if len(result.Content) == 0 {
		problem("%s: toolResult content must not be empty", at)
	}
	if result.Status != "" && result.Status != "success" && result.Status != "error" {
		problem("%s: toolResult status must be success or error, got %q", at, result.Status)
	}
	for _, part := range result.Content {
		if part.JSON != nil && bytes.TrimSpace(part.JSON)[0] != '{' {
			problem("%s: toolResult json must be an object", at)
		}
		if part.Text != nil && strings.TrimSpace(*part.Text) == "" {
			problem("%s: toolResult text must contain non-whitespace text", at)
		}
		if part.Text == nil && part.JSON == nil {
			problem("%s: toolResult content must be text or json", at)
		}
	}
}

// checkAnswers reports tool uses without a result, and results without a tool use, in message i.
func checkAnswers(i int, open, answered []string, problem func(string, ...any)) {
	for _, id := range open {
		if !slices.Contains(answered, id) {
			problem("Expected toolResult blocks at messages.%d.content for the following Ids: %s", i, id)
		}
	}
	for _, id := range answered {
		if !slices.Contains(open, id) {
			problem("The number of toolResult blocks at messages.%d.content exceeds the number of toolUse blocks of previous turn (%s).", i, id)
		}
	}
	if hasDuplicates(answered) {
		problem("messages.%d: toolResult ids must be unique", i)
	}
}

// texts returns the texts and tool results of the user messages, newest last.
func (r *Request) texts() []string {
	var texts []string
	for _, message := range r.Messages {
		if message.Role != "user" {
			continue
		}
		var b strings.Builder
		for _, block := range message.Content {
			if block.Text != nil {
				b.WriteString(*block.Text + "\n")
			}
			if block.ToolResult != nil {
				for _, part := range block.ToolResult.Content {
					if part.Text != nil {
						b.WriteString(*part.Text + "\n")
					} else {
						b.Write(part.JSON)
						b.WriteByte('\n')
					}
				}
			}
		}
		texts = append(texts, b.String())
	}
	return texts
}

// firstText returns the first text of the conversation, which identifies it.
func (r *Request) firstText() string {
	for _, message := range r.Messages {
		for _, block := range message.Content {
			if block.Text != nil {
				return *block.Text
			}
		}
	}
	return ""
}
