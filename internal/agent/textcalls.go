package agent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// uses are the calls of an answer: the native ones, else those that the model wrote as text. asText says
// that they are to be answered as text too.
func (r *run) uses(turn conversation.Turn, said bool) (uses []conversation.Use, asText bool) {
	if !said {
		return nil, false
	}
	if uses = turn.Uses(); len(uses) > 0 {
		return uses, false
	}
	return textCalls(turn.Text()), true
}

// The ways in which models write calls when they do not make them: Qwen and Hermes style tags, Llama's
// functions, Llama's and Mistral's marks before JSON, gpt-oss' channels. The JSON that follows is read by
// a decoder, not by the expression.
var callMarks = []*regexp.Regexp{
	regexp.MustCompile(`<tool_call>\s*`),
	regexp.MustCompile(`<function=(?P<name>[A-Za-z0-9_.-]+)>\s*`),
	regexp.MustCompile(`<\|python_tag\|>\s*`),
	regexp.MustCompile(`\[TOOL_CALLS\]\s*(?P<name>[A-Za-z0-9_]+)?(?:\[ARGS\])?\s*`),
	regexp.MustCompile(`to=functions\.(?P<name>[A-Za-z0-9_]+)[^{]*<\|message\|>\s*`),
	regexp.MustCompile("```(?:json|tool_call|tool_code)?\\s*"),
}

// pythonFence is code that a model shows instead of running it.
var pythonFence = regexp.MustCompile("(?s)```(?:python|py|tool_code)\\s*\\n(.*?)```")

// textCalls finds calls that are written as text.
func textCalls(text string) []conversation.Use {
	for _, mark := range callMarks {
		var uses []conversation.Use
		for _, at := range mark.FindAllStringSubmatchIndex(text, -1) {
			name := ""
			if i := mark.SubexpIndex("name"); i > 0 && at[2*i] >= 0 {
				name = text[at[2*i]:at[2*i+1]]
			}
			uses = append(uses, decodeCalls(text[at[1]:], name)...)
		}
		if len(uses) > 0 {
			return numbered(uses)
		}
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") || strings.HasPrefix(strings.TrimSpace(text), "[") {
		if uses := decodeCalls(strings.TrimSpace(text), ""); len(uses) > 0 {
			return numbered(uses)
		}
	}
	var uses []conversation.Use
	for _, found := range pythonFence.FindAllStringSubmatch(text, maxCallsPerRound) {
		if !strings.Contains(found[1], "boto3") && !strings.Contains(found[1], "print") {
			continue // an example in prose, not something to run
		}
		input, _ := json.Marshal(map[string]string{"command": found[1]})
		uses = append(uses, conversation.Use{Name: toolcall.Name, Input: input})
	}
	return numbered(uses)
}

func numbered(uses []conversation.Use) []conversation.Use {
	for i := range uses {
		uses[i].ID = fmt.Sprintf("text_%d", i+1)
	}
	return uses
}

// decodeCalls reads a call, or a list of calls, from the beginning of text. name is the tool's if it
// stood before the JSON; the JSON is its input then.
func decodeCalls(text, name string) []conversation.Use {
	decoder := json.NewDecoder(strings.NewReader(text))
	var value json.RawMessage
	if decoder.Decode(&value) != nil {
		return nil
	}
	if name != "" {
		return []conversation.Use{{Name: strings.TrimPrefix(name, "functions."), Input: value}}
	}
	var many []json.RawMessage
	if json.Unmarshal(value, &many) != nil {
		many = []json.RawMessage{value}
	}
	var uses []conversation.Use
	for _, one := range many {
		if use, ok := decodeCall(one); ok {
			uses = append(uses, use)
		}
	}
	return uses
}

func decodeCall(value json.RawMessage) (conversation.Use, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return conversation.Use{}, false
	}
	if inner, nested := fields["function"]; nested && fields["name"] == nil {
		if use, ok := decodeCall(inner); ok { // OpenAI's shape
			return use, true
		}
	}
	var name string
	for _, key := range []string{"name", "tool", "tool_name", "function"} {
		if json.Unmarshal(fields[key], &name) == nil && name != "" {
			break
		}
	}
	name = strings.TrimPrefix(name, "functions.")
	if name != toolcall.Name && name != readName && name != submitName {
		return conversation.Use{}, false
	}
	for _, key := range []string{"input", "arguments", "parameters", "args"} {
		input, ok := fields[key]
		if !ok {
			continue
		}
		var quoted string // OpenAI's arguments are JSON in a string
		if json.Unmarshal(input, &quoted) == nil && json.Valid([]byte(quoted)) {
			input = json.RawMessage(quoted)
		}
		return conversation.Use{Name: name, Input: input}, true
	}
	return conversation.Use{}, false
}
