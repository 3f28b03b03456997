package model_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

func start(t *testing.T, script model.Script) *model.Server {
	t.Helper()
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return server
}

func ask(t *testing.T, server *model.Server, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/model/some.model-v1%3A0/converse", strings.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

const toolConfig = `, "toolConfig": {"tools": [{"toolSpec": {"name": "look", "description": "x", "inputSchema": {"json": {"type": "object"}}}}]}`

const opening = `{"role": "user", "content": [{"text": "go"}]}`

func answer(content string) string {
	return `{"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": ` + content + `}}]}`
}

func TestRequests_AreRefusedLikeTheService(t *testing.T) {
	const call = `{"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]}`
	tests := []struct {
		name, messages, more string
		want                 string // in the error; empty: accepted
	}{
		{"valid", opening, "", ""},
		{"valid with tools", opening + "," + call + "," + answer(`[{"text": "seen"}]`), toolConfig, ""},
		{"no message", "", "", "at least one message"},
		{"assistant first", `{"role": "assistant", "content": [{"text": "hi"}]}, ` + opening, "", "must start with a user message"},
		{"two users", opening + "," + opening, "", "roles must alternate"},
		{"blank text", `{"role": "user", "content": [{"text": " \n"}]}`, "", "non-whitespace"},
		{"no content", `{"role": "user", "content": []}`, "", "content is empty"},
		{"ends with the assistant", opening + `, {"role": "assistant", "content": [{"text": "hi"}]}`, "", "must end with a user message"},
		{"unanswered call", opening + "," + call + "," + opening, toolConfig, "Expected toolResult blocks at messages.2.content for the following Ids: t1"},
		{"tool result without a tool use", `{"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}]}}]}`, toolConfig, "exceeds the number of toolUse blocks"},
		{"no toolConfig", opening + "," + call + "," + answer(`[{"text": "seen"}]`), "", "toolConfig field must be defined"},
		{"empty result", opening + "," + call + "," + answer(`[]`), toolConfig, "must not be empty"},
		{"blank result", opening + "," + call + "," + answer(`[{"text": " "}]`), toolConfig, "non-whitespace"},
		{"result is a list", opening + "," + call + "," + answer(`[{"json": [1]}]`), toolConfig, "json must be an object"},
		{"input is a string", opening + `, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": "x"}}]}, ` + answer(`[{"text": "x"}]`), toolConfig, "input must be an object"},
		{"bad tool name", opening + `, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look here", "input": {}}}]}, ` + answer(`[{"text": "x"}]`), toolConfig, "does not match"},
		{"unsigned reasoning", opening + `, {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}]}, ` + opening, "", "without a signature"},
		{"reasoning with an unknown signature", opening + `, {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}]}, ` + opening, "", "Invalid `signature` in `thinking` block"},
		{"schema keys", opening, strings.Replace(toolConfig, `{"type": "object"}`, `{"type": "object", "definitions": {}}`, 1), "type, properties and required only"},
		{"valid settings", opening, `, "inferenceConfig": {"maxTokens": 8192, "temperature": 0}`, ""},
		{"no tokens", opening, `, "inferenceConfig": {"maxTokens": 0}`, "maxTokens must be a whole number of at least 1"},
		{"temperature above 1", opening, `, "inferenceConfig": {"temperature": 1.5}`, "temperature must be from 0 to 1"},
		{"unknown setting", opening, `, "inferenceConfig": {"max_tokens": 5}`, "no member"},
		{"temperature and topP", opening, `, "inferenceConfig": {"temperature": 0, "topP": 1}`, "cannot both be specified"},
		{"temperature and thinking", opening, `, "inferenceConfig": {"temperature": 0}, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}`, "when thinking is enabled"},
		{"thinking without temperature", opening, `, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}`, ""},
		{"thinking and a forced tool", opening, strings.Replace(toolConfig, `"tools":`, `"toolChoice": {"any": {}}, "tools":`, 1) + `, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}`, "forces tool use"},
		{"five checkpoints", `{"role": "user", "content": [{"text": "a"}` + strings.Repeat(`, {"cachePoint": {"type": "default"}}`, 5) + `]}`, "", "maximum of 4 blocks"},
	}
	zero := 0
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := start(t, model.Script{Steps: []model.Step{{Text: "ok"}}, Loop: &zero})
			status, body := ask(t, server, `{"messages": [`+test.messages+`]`+test.more+`}`)
			if test.want == "" {
				assert.Equal(t, 200, status, body)
				return
			}
			assert.Equal(t, 400, status)
			assert.Contains(t, body, test.want)
		})
	}
}

func TestReasoning_MustPrecedeItsToolCalls(t *testing.T) {
	const (
		signed   = `{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}`
		redacted = `{"reasoningContent": {"redactedContent": "c2ln"}}`
		unsigned = `{"reasoningContent": {"reasoningText": {"text": "hm"}}}`
		use      = `{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}`
	)
	for _, test := range []struct{ name, content, back, want string }{
		{"unchanged", signed + "," + use, signed + "," + use, ""},
		{"redacted, unchanged", redacted + "," + use, redacted + "," + use, ""},
		{"without a signature, omitted", unsigned + "," + use, use, ""},
		{"omitted", signed + "," + use, use, "Expected `thinking` or `redacted_thinking`"},
		{"redacted, omitted", redacted + "," + use, use, "Expected `thinking` or `redacted_thinking`"},
		{"after the tool use", signed + "," + use, use + "," + signed, "Expected `thinking` or `redacted_thinking`"},
		{"changed", signed + "," + use, strings.Replace(signed, "hm", "h", 1) + "," + use, "Invalid `signature` in `thinking` block"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := start(t, model.Script{Steps: []model.Step{{Content: []byte("[" + test.content + "]")}, {Text: "ok"}}})
			status, body := ask(t, server, `{"messages": [`+opening+`]`+toolConfig+`}`)
			require.Equal(t, 200, status, body)
			status, body = ask(t, server, `{"messages": [`+opening+`, {"role": "assistant", "content": [`+test.back+`]}, `+answer(`[{"text": "x"}]`)+`]`+toolConfig+`}`)
			if test.want == "" {
				assert.Equal(t, 200, status, body)
				return
			}
			assert.Equal(t, 400, status)
			assert.Contains(t, body, test.want)
		})
	}
}

func TestScript_QuotesToolResults(t *testing.T) {
	script, err := model.Parse([]byte(`{"steps": [
		{"tools": [{"name": "look", "input": {}}]},
		{"expect": ["usage"], "text": "It says ${find:usage (\\d+)}."},
		{"text": "never"}]}`))
	require.NoError(t, err)
	server := start(t, script)
	status, body := ask(t, server, `{"messages": [{"role": "user", "content": [{"text": "go"}]}]`+toolConfig+`}`)
	require.Equal(t, 200, status, body)
	var out struct {
		Output struct {
			Message json.RawMessage `json:"message"`
		} `json:"output"`
		StopReason string `json:"stopReason"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &out))
	assert.Equal(t, "tool_use", out.StopReason)
	_, body = ask(t, server, `{"messages": [{"role": "user", "content": [{"text": "go"}]}, `+string(out.Output.Message)+
		`, {"role": "user", "content": [{"toolResult": {"toolUseId": "tooluse_0_0", "content": [{"text": "usage 97 %"}]}}]}]`+toolConfig+`}`)
	assert.Contains(t, body, "It says 97.")
}

func TestErrors_HaveTheStatusOfTheService(t *testing.T) {
	server := start(t, model.Script{Steps: []model.Step{{Error: &model.Error{Type: "ThrottlingException"}}, {Error: &model.Error{Type: "ModelErrorException", Message: "odd"}}}})
	for _, want := range []int{429, 424, 400} { // the third is beyond the script
		status, _ := ask(t, server, `{"messages": [{"role": "user", "content": [{"text": "go"}]}]}`)
		assert.Equal(t, want, status)
	}
}

func TestParse_RejectsWrongScriptsAndNamesTheStep(t *testing.T) {
	for script, want := range map[string]string{
		`{"steps": [{}]}`: "step 0 has no answer",
		`{"steps": [{"text": "x", "expect": ["("]}]}`: "step 0: expect",
		`{"steps": [{"text": "x"}], "loop": 3}`:       "loop must name one of the 1 steps",
		`{"steps": [{"text": "x", "sayng": "typo"}]}`: "unknown field",
	} {
		_, err := model.Parse([]byte(script))
		assert.ErrorContains(t, err, want)
	}
}
