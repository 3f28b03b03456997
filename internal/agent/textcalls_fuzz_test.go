package agent_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
)

// Wherever an answer ends, its call is run completely or not at all, and it never becomes the report.
func TestTextCalls_IncompleteCallIsNeitherRunNorReported(t *testing.T) {
	for _, form := range textForms {
		code := awkward
		if form.name == "line breaks in JSON's strings" { // this form also turns the code's own \\n into a line break
			code = "import boto3\nprint(1)"
		}
		text := form.write("python_executor", map[string]any{"command": code})
		t.Run(form.name, func(t *testing.T) {
			for end := range text {
				calls, unread := agent.ReadCalls(text[:end])
				for _, call := range calls {
					var input map[string]string
					require.NoError(t, json.Unmarshal(call.Input, &input), "%s", call.Input)
					require.Equal(t, map[string]string{"command": code}, input, "of the first %d bytes", end)
				}
				if strings.Contains(text[:end], "boto3") {
					require.True(t, unread || len(calls) > 0, "the first %d bytes count as an answer: %s", end, text[:end])
				}
			}
		})
	}
}

// hostile lists texts that would make a careless parser slow.
var hostile = map[string]string{
	"wrappers":      "<tool_call>",
	"elements":      "<function=python_executor>",
	"parameters":    "<function=python_executor><parameter=command>a</parameter>b",
	"values":        "<tool_call>{\"name\": ",
	"lists":         "[TOOL_CALLS][",
	"thoughts":      "<think>",
	"ends":          "</think>",
	"mixed":         "<think></thinking>",
	"sentences":     "a <think> ",
	"kinds":         "a <think> a <thinking> a [think] a <|channel>thought ",
	"beside code":   "`a`<think>",
	"closed code":   "a <think> `</thinking>` ",
	"before calls":  "\n<think>\n<tool_call> a",
	"fences":        "```json\n{",
	"quotes":        "`<think>` \"",
	"channels":      "<|channel|>analysis<|message|>",
	"names":         "python_executor\n",
	"python":        "python_executor(command=\"a\", ",
	"tokens":        "<|tool_call_begin|>functions.python_executor:0",
	"closing marks": "<function=python_executor><parameter=command>" + strings.Repeat("</parameter>x", 50),
}

// A parser with quadratic time would not finish these.
func TestTextCalls_ParsesHostileTextInBoundedTime(t *testing.T) {
	const size = 400_000 // bytes, more than any answer has
	for name, part := range hostile {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(part, size/len(part))
			answer, _ := agent.SplitThinking(text)
			calls, _ := agent.ReadCalls(answer)
			assert.LessOrEqual(t, len(calls), 32*agent.MaxMarks)
		})
	}
	t.Run("a closing mark in code after many opening ones", func(t *testing.T) {
		text := strings.Repeat("a <think> ", size/10) + "`</think>`"
		answer, thought := agent.SplitThinking(text)
		assert.Equal(t, text, answer)
		assert.Empty(t, thought)
	})
}

func FuzzReadCalls(f *testing.F) {
	for _, form := range textForms {
		f.Add(form.write("python_executor", map[string]any{"command": awkward}))
	}
	for _, text := range unreadableCalls {
		f.Add(text)
	}
	for _, part := range hostile {
		f.Add(strings.Repeat(part, 3))
	}
	f.Fuzz(func(t *testing.T, text string) {
		answer, thought := agent.SplitThinking(text)
		if thought == "" && utf8.ValidString(text) {
			assert.LessOrEqual(t, len(answer), len(text))
		}
		again, _ := agent.SplitThinking(answer)
		assert.LessOrEqual(t, len(again), len(answer))
		calls, unread := agent.ReadCalls(answer)
		assert.LessOrEqual(t, len(calls), 32*agent.MaxMarks)
		for _, call := range calls {
			assert.True(t, json.Valid(call.Input), "input of %s: %q", call.Name, call.Input)
			assert.NotEmpty(t, call.Name)
		}
		sameCalls, sameUnread := agent.ReadCalls(answer)
		assert.Equal(t, calls, sameCalls)
		assert.Equal(t, unread, sameUnread)
	})
}
