package model_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// converseAnswer holds the members of a Converse answer that the tests read.
type converseAnswer struct {
	Output struct {
		Message struct {
			Content []map[string]json.RawMessage `json:"content"`
		} `json:"message"`
	} `json:"output"`
	StopReason string                     `json:"stopReason"`
	Usage      model.Usage                `json:"usage"`
	Fields     map[string]json.RawMessage `json:"additionalModelResponseFields"`
}

func read(t *testing.T, r reply) (answer converseAnswer) {
	t.Helper()
	require.Equal(t, 200, r.status, r.body)
	require.NoError(t, json.Unmarshal([]byte(r.body), &answer))
	return answer
}

func startScript(t *testing.T, text string) *model.Server {
	t.Helper()
	script, err := model.Parse([]byte(text))
	require.NoError(t, err)
	return start(t, script)
}

func TestRefusal_HasTheRequestedDetails(t *testing.T) {
	server := startScript(t, `{"loop": 0, "steps": [{"stopReason": "refusal",
		"additionalModelResponseFields": {"stop_details": {"category": "cyber"}, "other": 1}}]}`)
	answer := read(t, askModel(t, server, sonnet, "", user("")))
	assert.Equal(t, "refusal", answer.StopReason)
	assert.Empty(t, answer.Output.Message.Content)
	assert.Empty(t, answer.Fields)
	answer = read(t, askModel(t, server, sonnet, "", user(`, "additionalModelResponseFieldPaths": ["/stop_details", "/stop_sequence"]`)))
	assert.Equal(t, "refusal", answer.StopReason)
	require.Len(t, answer.Fields, 1)
	assert.JSONEq(t, `{"category": "cyber"}`, string(answer.Fields["stop_details"]))
}

func TestThinking_CountsAsOutput(t *testing.T) {
	const script = `{"steps": [{"thinkTokens": 9000, "text": "The role lost its policy."}]}`
	tests := []struct {
		name, model, more string
		wantStop          string
		wantOutput        int // at least
	}{
		{"enough room", sonnet, `, "inferenceConfig": {"maxTokens": 16000}`, "end_turn", 9_001},
		{"default limit", sonnet, "", "end_turn", 9_001},
		{"no room for the answer", sonnet, `, "inferenceConfig": {"maxTokens": 8192}`, "max_tokens", 8_192},
		{"room for thinking only", sonnet, `, "inferenceConfig": {"maxTokens": 9000}`, "max_tokens", 9_000},
		{"switched off", haiku55, `, "inferenceConfig": {"maxTokens": 8192}, "additionalModelRequestFields": {"thinking": {"type": "disabled"}}`, "end_turn", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := read(t, askModel(t, startScript(t, script), tt.model, "", user(tt.more)))
			assert.Equal(t, tt.wantStop, answer.StopReason)
			assert.GreaterOrEqual(t, answer.Usage.OutputTokens, tt.wantOutput)
			var kinds []string
			for _, block := range answer.Output.Message.Content {
				for kind := range block {
					kinds = append(kinds, kind)
				}
			}
			switch tt.wantStop {
			case "max_tokens":
				assert.Equal(t, []string{"reasoningContent"}, kinds, "the answer contains only reasoning")
				assert.Equal(t, tt.wantOutput, answer.Usage.OutputTokens)
			default:
				assert.Contains(t, kinds, "text")
			}
		})
	}
}

func TestThinking_BlocksOfTheStandInCanBeReturned(t *testing.T) {
	server := startScript(t, `{"steps": [{"thinkTokens": 100, "tools": [{"id": "t1", "name": "look", "input": {}}]}, {"text": "ok"}]}`)
	got := askModel(t, server, sonnet, "", user(toolConfig))
	blocks, err := json.Marshal(read(t, got).Output.Message.Content)
	require.NoError(t, err)
	require.Contains(t, string(blocks), "signature")
	body := `{"messages": [` + opening + `, {"role": "assistant", "content": ` + string(blocks) + `}, {"role": "user", "content": [` + seen + `]}]` + toolConfig + `}`
	assert.Equal(t, 200, askModel(t, server, sonnet, "", body).status)
}

func TestHTTP_PlaysAnswersOfProxiesAndGateways(t *testing.T) {
	tests := []struct {
		name, step string
		want       reply
		wantKind   string // Content-Type
		wantCut    bool
	}{
		{"HTML of a proxy", `{"http": {"status": 502, "contentType": "text/html", "body": "<html>Bad Gateway</html>"}}`,
			reply{502, "", "<html>Bad Gateway</html>"}, "text/html", false},
		{"empty response", `{"http": {"status": 503}}`, reply{503, "", ""}, "", false},
		{"non-standard HTTP status", `{"http": {"status": 529, "contentType": "application/json", "body": "{}"}}`, reply{529, "", "{}"}, "application/json", false},
		{"error without a type", `{"error": {"type": "ThrottlingException", "message": "slow down", "untyped": true}}`,
			reply{429, "", `{"message":"slow down"}` + "\n"}, "application/json", false},
		{"error with a type", `{"error": {"type": "UnknownError", "status": 503, "message": "Service Unavailable"}}`,
			reply{503, "UnknownError", `{"message":"Service Unavailable"}` + "\n"}, "application/json", false},
		{"type without a message", `{"http": {"status": 500, "errorType": "InternalFailure", "body": "{}"}}`, reply{500, "InternalFailure", "{}"}, "", false},
		{"incomplete JSON", `{"raw": "{\"output\":{\"mess"}`, reply{200, "", `{"output":{"mess`}, "application/json", false},
		{"shorter than Content-Length", `{"http": {"status": 200, "contentType": "application/json", "body": "{\"output\":", "missingBytes": 50}}`,
			reply{200, "", `{"output":`}, "application/json", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := startScript(t, `{"steps": [`+tt.step+`, {"text": "ok"}]}`)
			resp, err := http.Post(server.URL+"/model/m/converse", "application/json", strings.NewReader(user("")))
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			assert.Equal(t, tt.wantCut, err != nil, "%v", err)
			if tt.wantCut {
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
			assert.Equal(t, tt.want, reply{resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(body)})
			assert.Equal(t, tt.wantKind, resp.Header.Get("Content-Type"))
			assert.Equal(t, 200, askModel(t, server, "m", "", user("")).status, "the next request gets the next step")
		})
	}
}

func TestModels_HaveTheirOwnSteps(t *testing.T) {
	server := startScript(t, `{
		"steps": [{"text": "for all others"}],
		"models": {
			"us.anthropic.claude-sonnet-5-5": {"steps": [{"text": "sonnet 1"}, {"error": {"type": "ThrottlingException"}}, {"text": "sonnet 2"}]},
			"amazon.nova-2-lite": {"steps": [{"text": "lite 1"}, {"text": "lite 2"}]},
			"amazon": {"steps": [{"text": "some Nova"}], "loop": 0, "contextWindow": 500}
		}}`)
	for _, ask := range []struct {
		model, want string
		status      int
	}{
		{sonnet, "sonnet 1", 200}, {sonnet, "ThrottlingException", 429}, {nova2, "lite 1", 200}, {novaPro, "some Nova", 200},
		{opus, "for all others", 200}, {sonnet, "sonnet 2", 200}, {nova2, "lite 2", 200}, {novaPro, "some Nova", 200},
		{nova2, "the script has 2 steps", 400}, {opus, "the script has 1 steps", 400},
	} {
		got := askModel(t, server, ask.model, "us-east-1", user(""))
		assert.Equal(t, ask.status, got.status, got.body)
		assert.Contains(t, got.body, ask.want)
	}
	long := `{"messages": [{"role": "user", "content": [{"text": "` + strings.Repeat("x", 4_000) + `"}]}]}`
	assert.Equal(t, 400, askModel(t, server, novaPro, "us-east-1", long).status, "each model has its own window")
	assert.Equal(t, 200, askModel(t, server, nova2, "us-east-1", long).status)
}

func TestUsage_CacheFollowsTheModel(t *testing.T) {
	tests := []struct {
		name, model  string
		prefixTokens int
		wantCached   bool
	}{
		{"Claude, above its minimum", sonnet, 550, true},
		{"Claude, below its minimum", sonnet, 450, false},
		{"Claude, long", sonnet, 150_000, true},
		{"Haiku 4.5, above its minimum", haiku45, 4_200, true},
		{"Haiku 4.5, below its minimum", haiku45, 3_900, false},
		{"Nova, above its minimum", nova2, 1_100, true},
		{"Nova, below its minimum", nova2, 900, false},
		{"Nova, below its maximum", nova2, 19_900, true},
		{"Nova, above its maximum", nova2, 20_100, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := start(t, alwaysOK())
			body := user(`, "system": [{"text": "` + strings.Repeat("x", 4*tt.prefixTokens) + `"}, ` + point + `]`)
			first := read(t, askModel(t, server, tt.model, "us-east-1", body)).Usage
			again := read(t, askModel(t, server, tt.model, "us-east-1", body)).Usage
			if !tt.wantCached {
				assert.Zero(t, first.CacheWriteInputTokens+again.CacheReadInputTokens+again.CacheWriteInputTokens)
				return
			}
			assert.Greater(t, first.CacheWriteInputTokens, tt.prefixTokens)
			assert.Zero(t, first.CacheReadInputTokens)
			assert.Equal(t, first.CacheWriteInputTokens, again.CacheReadInputTokens)
			assert.Zero(t, again.CacheWriteInputTokens)
		})
	}
}

func TestUsage_TooLongPrefixKeepsTheEarlierCheckpoint(t *testing.T) {
	server := start(t, alwaysOK())
	system := `, "system": [{"text": "` + strings.Repeat("x", 8_000) + `"}, ` + point + `]`
	body := `{"messages": [{"role": "user", "content": [{"text": "` + strings.Repeat("y", 100_000) + `"}, ` + point + `]}]` + system + `}`
	askModel(t, server, nova2, "us-east-1", body)
	usage := read(t, askModel(t, server, nova2, "us-east-1", body)).Usage
	assert.InDelta(t, 2_000, usage.CacheReadInputTokens, 20)
	assert.InDelta(t, 25_000, usage.InputTokens, 20)
	assert.Zero(t, usage.CacheWriteInputTokens)
}

func TestParse_ScriptsOfSeveralModelsAreChecked(t *testing.T) {
	for script, want := range map[string]string{
		`{"models": {"amazon": {"steps": [{}]}}}`:                               "models.amazon: step 0 has no answer",
		`{"models": {"amazon": {"steps": [], "loop": 0}}}`:                      "models.amazon: loop must name one of the 0 steps",
		`{"models": {"amazon": {"models": {"x": {"steps": []}}}}}`:              "models.amazon: models and account are only allowed at the top level",
		`{"models": {"amazon": {"account": {"strict": true}}}}`:                 "models.amazon: models and account are only allowed at the top level",
		`{"steps": [{"http": {"status": 99}}]}`:                                 "step 0: http needs a status from 200 to 599",
		`{"steps": [{"http": {"status": 200, "missingBytes": -1}}]}`:            "step 0: http needs a status",
		`{"steps": [{"text": "x"}], "account": {"today": "tomorrow"}}`:          "tomorrow",
		`{"steps": [{"text": "x"}], "account": {"retires": {"amazon": "now"}}}`: "now",
	} {
		_, err := model.Parse([]byte(script))
		assert.ErrorContains(t, err, want, script)
	}
}

// People copy the script of the demo.
func TestParse_ReadsTheScriptOfTheDemo(t *testing.T) {
	text, err := os.ReadFile("../../demo/script.json")
	require.NoError(t, err)
	_, err = model.Parse(text)
	require.NoError(t, err)
}
