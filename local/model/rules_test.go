package model_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	sonnet   = "us.anthropic.claude-sonnet-5-5"
	opus     = "us.anthropic.claude-opus-5-5"
	haiku55  = "us.anthropic.claude-haiku-5-5"
	haiku45  = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
	sonnet46 = "us.anthropic.claude-sonnet-4-6"
	opus48   = "us.anthropic.claude-opus-4-8"
	nova2    = "us.amazon.nova-2-lite-v1:0"
	novaPro  = "us.amazon.nova-pro-v1:0"
	luna     = "us.openai.gpt-6-luna"
	qwen     = "qwen.qwen3-235b-a22b-2507-v1:0"
	mistral  = "mistral.mistral-large-3-675b-instruct"
	deepseek = "us.deepseek.v3.2"
	llama    = "us.meta.llama3-3-70b-instruct-v1:0"
)

// reply is an answer of the stand-in.
type reply struct {
	status int
	kind   string // X-Amzn-Errortype
	body   string
}

// message returns the text of an error.
func (r reply) message() string {
	var e struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal([]byte(r.body), &e) // answers have none
	return e.Message
}

// askModel sends a request, signed for the Region unless that is empty.
func askModel(t *testing.T, server *model.Server, modelID, region, body string) reply {
	t.Helper()
	address := server.URL + "/model/" + url.PathEscape(modelID) + "/converse"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	require.NoError(t, err)
	if region != "" {
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/"+region+
			"/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(text)}
}

// alwaysOK returns a script that answers every request.
func alwaysOK() model.Script {
	zero := 0
	return model.Script{Steps: []model.Step{{Text: "ok"}}, Loop: &zero}
}

// rule is one request with its expected answer.
type rule struct {
	name, model, body string
	wantType          string // empty: accepted
	wantText          string // in the error
}

var statusOf = map[string]int{
	"": 200, "ValidationException": 400, "AccessDeniedException": 403, "ResourceNotFoundException": 404, "ThrottlingException": 429,
}

func (r rule) check(t *testing.T, got reply) {
	t.Helper()
	assert.Equal(t, statusOf[r.wantType], got.status, got.body)
	assert.Equal(t, r.wantType, got.kind, got.body)
	assert.Contains(t, got.message(), r.wantText)
}

func checkRules(t *testing.T, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.model+" "+r.name, func(t *testing.T) {
			server := start(t, alwaysOK())
			r.check(t, askModel(t, server, r.model, "us-east-1", r.body))
		})
	}
}

const (
	point = `{"cachePoint": {"type": "default"}}`
	call  = `{"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]}`
	seen  = `{"toolResult": {"toolUseId": "t1", "content": [{"text": "seen"}]}}`
	words = `{"text": "Go on."}`
)

// results returns a conversation with a tool whose last message has these blocks.
func results(blocks ...string) string {
	return `{"messages": [` + opening + "," + call + `, {"role": "user", "content": [` + strings.Join(blocks, ",") + `]}]` + toolConfig + `}`
}

func user(more string) string { return `{"messages": [` + opening + `]` + more + `}` }

func TestCheckpoints_EachFamilyAcceptsThemInItsPlaces(t *testing.T) {
	const (
		inSystem   = `, "system": [{"text": "You look."}, ` + point + `]`
		extraneous = "The model returned the following errors: Malformed input request: #/%s: extraneous key [cachePoint] is not permitted, please reformat your input and try again."
		noCaching  = "You invoked an unsupported model or your request did not allow prompt caching"
	)
	inTools := user(strings.Replace(toolConfig, `}}}]}`, `}}}, `+point+`]}`, 1))
	validation, denied := "ValidationException", "AccessDeniedException"
	checkRules(t, []rule{
		{"after a result", nova2, results(seen, point), validation, fmt.Sprintf(extraneous, "messages/2/content/0")},
		{"after a result", novaPro, results(seen, point), validation, fmt.Sprintf(extraneous, "messages/2/content/0")},
		{"after text and a result", nova2, results(words, seen, point), validation, fmt.Sprintf(extraneous, "messages/2/content/1")},
		{"after a result and text", nova2, results(seen, words, point), "", ""},
		{"after a result and text", novaPro, results(seen, words, point), "", ""},
		{"in the system prompt", nova2, user(inSystem), "", ""},
		{"in the tools", nova2, inTools, validation, fmt.Sprintf(extraneous, "toolConfig/tools/0")},
		{"of an unlisted Nova", "us.amazon.nova-3-pro-v1:0", results(seen, point), validation, "extraneous key [cachePoint]"},

		{"after a result", sonnet, results(seen, point), "", ""},
		{"in the tools", sonnet, inTools, "", ""},
		{"after reasoning", sonnet, `{"messages": [` + opening + `, {"role": "assistant", "content": [{"text": "a"}, {"reasoningContent": {"redactedContent": "c2ln"}}, ` + point + `, {"text": "b"}]}, ` + opening + `]}`,
			validation, "Cache point cannot be inserted after reasoning block."},

		{"in the system prompt", qwen, user(inSystem), denied, noCaching},
		{"after a result", mistral, results(seen, words, point), denied, noCaching},
		{"after a result", deepseek, results(seen, words, point), denied, noCaching},
		{"in the tools", luna, inTools, denied, noCaching},
		{"of an unlisted Qwen", "qwen.qwen4-coder", user(inSystem), denied, noCaching},
		{"without checkpoints", qwen, results(seen, words), "", ""},
		{"of an unknown model", "some.model", results(seen, point), "", ""},
	})
}

func TestInferenceSettings_FollowTheModel(t *testing.T) {
	temperature, topP := user(`, "inferenceConfig": {"temperature": 0}`), user(`, "inferenceConfig": {"topP": 0.9}`)
	maxTokens := func(n int) string { return user(fmt.Sprintf(`, "inferenceConfig": {"maxTokens": %d}`, n)) }
	validation := "ValidationException"
	checkRules(t, []rule{
		{"temperature", sonnet, temperature, validation, "The model returned the following errors: `temperature` is deprecated for this model."},
		{"topP", opus, topP, validation, "`top_p` is deprecated for this model."},
		{"temperature", opus48, temperature, validation, "`temperature` is deprecated"},
		{"temperature", luna, temperature, validation, "Unsupported parameter: 'temperature'"},
		{"temperature", haiku45, temperature, "", ""},
		{"temperature", sonnet46, temperature, "", ""},
		{"temperature", nova2, temperature, "", ""},
		{"temperature", "us.anthropic.claude-sonnet-7", temperature, "", ""}, // not listed, so not checked

		{"output at its limit", nova2, maxTokens(64_000), "", ""},
		{"output over its limit", nova2, maxTokens(64_001), validation, "The maximum tokens you requested exceeds the model limit of 64000. Try again with a maximum tokens value that is lower than 64000."},
		{"output over its limit", novaPro, maxTokens(10_001), validation, "exceeds the model limit of 10000"},
		{"output at its limit", sonnet, maxTokens(128_000), "", ""},
		{"output over its limit", sonnet, maxTokens(128_001), validation, "exceeds the model limit of 128000"},
		{"output over its limit", llama, maxTokens(8_193), validation, "exceeds the model limit of 8192"},
		{"output over its limit", mistral, maxTokens(9_000), validation, "#/max_tokens: 9000 is not less or equal to 8192"},
		{"output over its limit", qwen, maxTokens(40_000), validation, "The number of output tokens requested (40000) is higher than the limit (32000)"},
		{"output of an unknown model", "some.model", maxTokens(1_000_000), "", ""},
	})
}

func TestModelFields_FollowTheModel(t *testing.T) {
	fields := func(json string) string { return user(`, "additionalModelRequestFields": ` + json) }
	forced := func(more string) string {
		return user(strings.Replace(toolConfig, `"tools":`, `"toolChoice": {"any": {}}, "tools":`, 1) + more)
	}
	const claudeEffort, gptEffort = `{"output_config": {"effort": "medium"}}`, `{"reasoning": {"effort": "medium"}}`
	const novaEffort = `{"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}`
	validation := "ValidationException"
	checkRules(t, []rule{
		{"effort", sonnet, fields(claudeEffort), "", ""},
		{"unknown effort", sonnet, fields(`{"output_config": {"effort": "huge"}}`), validation, "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh', 'max'"},
		{"effort", haiku45, fields(claudeEffort), validation, "This model does not support the effort parameter."},
		{"GPT's effort", sonnet, fields(gptEffort), validation, "reasoning: Extra inputs are not permitted"},
		{"unknown field", sonnet, fields(`{"effort": "medium"}`), validation, "effort: Extra inputs are not permitted"},
		{"effort", luna, fields(gptEffort), "", ""},
		{"Claude's effort", luna, fields(claudeEffort), validation, "extraneous key [output_config] is not permitted"},
		{"unknown effort", luna, fields(`{"reasoning": {"effort": "huge"}}`), validation, "reasoning.effort: Input should be"},
		{"Claude's effort", nova2, fields(claudeEffort), validation, "Malformed input request: #: extraneous key [output_config] is not permitted, please reformat your input and try again."},
		{"effort", nova2, fields(novaEffort), "", ""},
		{"effort of a model without thinking", novaPro, fields(novaEffort), validation, "the provided reasoning config value is invalid"},
		{"Claude's effort", qwen, fields(claudeEffort), validation, "extraneous key [output_config]"},
		{"field of the model", qwen, fields(`{"enable_thinking": false}`), "", ""},
		{"any field of an unknown model", "some.model", fields(claudeEffort), "", ""},

		{"thinking budget", sonnet, fields(`{"thinking": {"type": "enabled", "budget_tokens": 1024}}`), validation, `"thinking.type.enabled" is not supported for this model.`},
		{"thinking budget", haiku45, fields(`{"thinking": {"type": "enabled", "budget_tokens": 1024}}`), "", ""},
		{"thinking off", sonnet, fields(`{"thinking": {"type": "disabled"}}`), validation, `"thinking.type.disabled" is not supported`},
		{"thinking off", haiku55, fields(`{"thinking": {"type": "disabled"}}`), "", ""},
		{"top_k", sonnet, fields(`{"top_k": 5}`), validation, "`top_k` is deprecated"},
		{"top_k", haiku45, fields(`{"top_k": 5}`), "", ""},
		{"forced tool", sonnet, forced(""), validation, "Thinking may not be enabled when tool_choice forces tool use."},
		{"forced tool, thinking off", haiku55, forced(`, "additionalModelRequestFields": {"thinking": {"type": "disabled"}}`), "", ""},
		{"forced tool", haiku45, forced(""), "", ""},
	})
}

func TestWindow_OverflowUsesTheWordingOfTheFamily(t *testing.T) {
	small := func(modelID, want string) {
		t.Run(modelID, func(t *testing.T) {
			script := alwaysOK()
			script.ContextWindow = 1_000
			server := start(t, script)
			assert.Equal(t, 200, askModel(t, server, modelID, "", user("")).status)
			long := `{"messages": [{"role": "user", "content": [{"text": "` + strings.Repeat("x", 4_000) + `"}]}]}`
			rule{wantType: "ValidationException", wantText: want}.check(t, askModel(t, server, modelID, "", long))
		})
	}
	small(nova2, "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.")
	small(sonnet, "Input is too long for requested model.")
	small(qwen, "This model's maximum context length is 1000 tokens. Please reduce the length of the prompt")
	small("some.model", "Input is too long for requested model.")
}

func TestWindow_FollowsTheModel(t *testing.T) {
	words := func(bytes int) string {
		return `{"messages": [{"role": "user", "content": [{"text": "` + strings.Repeat("x", bytes) + `"}]}]}`
	}
	validation := "ValidationException"
	for _, r := range []rule{
		{"holds 190,000 tokens", haiku45, words(760_000), "", ""},
		{"refuses 210,000 tokens", haiku45, words(840_000), validation, "Input is too long for requested model."},
		{"holds 210,000 tokens", sonnet, words(840_000), "", ""},
		{"refuses 310,000 tokens", novaPro, words(1_240_000), validation, "Input Tokens Exceeded"},
		{"holds 310,000 tokens", nova2, words(1_240_000), "", ""},
		{"refuses more than 25 MiB of text", sonnet, words(25<<20 + 1), validation, "too many total text bytes: 26214401 > 26214400"},
	} {
		t.Run(r.model+" "+r.name, func(t *testing.T) { r.check(t, askModel(t, start(t, alwaysOK()), r.model, "", r.body)) })
	}
}

func TestScript_RefusesSystemPrompts(t *testing.T) {
	script := alwaysOK()
	script.RejectSystem = true
	server := start(t, script)
	assert.Equal(t, 200, askModel(t, server, "some.model", "", user("")).status)
	rule{wantType: "ValidationException", wantText: "This model doesn't support system messages."}.
		check(t, askModel(t, server, "some.model", "", user(`, "system": [{"text": "You look."}]`)))
}
