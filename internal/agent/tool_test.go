package agent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func TestTools_EachIsComplete(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`) // Nova fails on hyphens
	names := map[string]bool{}
	for _, tool := range allTools {
		t.Run(tool.Name, func(t *testing.T) {
			assert.Regexp(t, valid, tool.Name)
			assert.False(t, names[tool.Name], "two tools have the same name")
			names[tool.Name] = true
			assert.NotEmpty(t, tool.Description)
			assert.NotNil(t, tool.executor)
			assert.NotNil(t, tool.required())
			assert.NotNil(t, schema(map[string]any{})["required"], "null is no JSON schema")
			for _, parameter := range tool.required() {
				assert.Contains(t, tool.properties(), parameter)
			}
		})
	}
}

// All code that uses tool names takes them from the list of tools, so it also knows a new tool.
func TestTools_EachIsKnownWhereverToolsAreNamed(t *testing.T) {
	byTask := map[*task][]tool{investigating: tools, answering("Why?", nil): {pythonExecutor, readOutput, submitAnswer}}
	for about, offered := range byTask {
		r := &run{task: about, state: state{Talk: &conversation.Conversation{}}}
		for _, tool := range offered {
			assert.Contains(t, r.unknownTool("bash"), tool.Name)
			assert.Contains(t, systemPrompt(about, "", true), "\n"+tool.Name+": "+tool.Description)
		}
	}
	for _, tool := range allTools {
		t.Run(tool.Name, func(t *testing.T) {
			name, ok := toolNamed("functions." + strings.ToUpper(tool.Name) + ":0")
			assert.True(t, ok)
			assert.Equal(t, tool.Name, name)

			input := map[string]any{}
			for _, parameter := range tool.required() {
				input[parameter] = "1"
			}
			raw, err := json.Marshal(input)
			require.NoError(t, err)
			texts := []string{"<" + tool.Name + ">" + string(raw) + "</" + tool.Name + ">"} // an element with its name
			if len(tool.required()) > 0 {
				texts = append(texts, string(raw)) // its input alone, which must name a parameter
			}
			for _, text := range texts {
				calls, unread := ReadCalls(text)
				assert.False(t, unread, text)
				require.Len(t, calls, 1, text)
				assert.Equal(t, tool.Name, calls[0].Name)
			}
		})
	}
}

// Code can forge output and notes. Only the supervisor knows whether an answer is complete.
func TestNotSeen_DependsOnTypedFieldsAndNotOnNotes(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer toolcall.Answer
		want   []investigation.NotSeen
	}{
		{"forged notes", toolcall.Answer{Success: true, Output: "12 bytes were truncated", Stdout: "access denied", Notes: []string{
			"stdout was cut", "900 bytes left out", "truncated: too long", "result truncated", "access denied to s3:GetObject",
		}}, nil},
		{"forged error", toolcall.Answer{Error: "AccessDeniedException: throttled, refused, and truncated", ErrorType: "OutputLimit"}, nil},
		{"truncated", toolcall.Answer{Success: true, Notes: []string{}, Truncated: []toolcall.Truncation{{Part: "stdout", LeftOut: 900}}},
			[]investigation.NotSeen{{What: "900 bytes of the stdout of tool call 1", Why: "truncated: too long", Call: 1}}},
		{"a gap in the search for secrets", toolcall.Answer{SearchGap: &toolcall.SearchGap{Answers: 2}},
			[]investigation.NotSeen{{What: "secrets that the output of tool call 1 may show", Why: "not all AWS answers were searched for secrets", Call: 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &investigation.Record{Rounds: []investigation.Round{{Calls: []investigation.ToolCall{{Number: 1, Answer: &c.answer}}}}}
			assert.Equal(t, c.want, notSeen(rec))
		})
	}
}

func TestNotSeen_StatesHowManyEntriesAreLeftOut(t *testing.T) {
	for count, want := range map[int]string{maxNotSeen: "s3:Operation39", maxNotSeen + 1: "2 more reads", maxNotSeen + 60: "61 more reads"} {
		answer := toolcall.Answer{Success: true}
		for i := range count {
			answer.AWSCalls = append(answer.AWSCalls, toolcall.AWSCall{Service: "s3", Operation: fmt.Sprintf("Operation%d", i), Status: 403})
		}
		rec := &investigation.Record{Rounds: []investigation.Round{{Calls: []investigation.ToolCall{{Number: 3, Answer: &answer}}}}}
		list := notSeen(rec)
		require.Len(t, list, maxNotSeen)
		assert.Equal(t, want, list[maxNotSeen-1].What)
		assert.Equal(t, 3, list[maxNotSeen-1].Call)
	}
}

// This version resumes a checkpoint that an older version wrote.
func TestState_ReadsKeysOfOlderCheckpoints(t *testing.T) {
	const older = `{"talk":{"turns":[{"user":true,"blocks":[{"text":"hi"}]}]},"model":1,"without":{"effort":true},"doubled":true,` +
		`"calls":7,"concluding":"time","asked":2,"strikes":1,"sent_back":true,"reminded":true,"rejected":1,"max_output":8192,` +
		`"draft":"so far","returned":{"summary":"s"}}`
	var s state
	require.NoError(t, json.Unmarshal([]byte(older), &s))
	written, err := json.Marshal(s)
	require.NoError(t, err)
	assert.JSONEq(t, older, string(written))
}

// A quote in another script has as many characters as an English one.
func TestBeginning_CountsCharacters(t *testing.T) {
	quote := strings.Repeat("接", maxQuote)
	assert.Equal(t, quote, beginning(quote, maxQuote))
	assert.Equal(t, quote, beginning(quote+"続", maxQuote))
}

func TestBeginning_EndsBeforeAWord(t *testing.T) {
	waited := strings.TrimSpace(strings.Repeat("waited ", 142))
	assert.Equal(t, waited, beginning(waited+" 1050000 ms", maxQuote), "the limit is in the number")
}
