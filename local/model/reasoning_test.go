package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	signedThought = `{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}`
	usesLook      = `{"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1, "b": [2]}}}`
	systemPrompt  = `, "system": [{"text": "You look."}]`
)

// thinking is a script in which the model thinks, calls its tool once, and then answers every request.
func thinking(t *testing.T, account string) *model.Server {
	t.Helper()
	script, err := model.Parse([]byte(`{"account": ` + account + `, "loop": 1, "steps": [{"content": [` + signedThought + "," + usesLook + `]}, {"text": "ok"}]}`))
	require.NoError(t, err)
	return start(t, script)
}

// second returns the second request of a conversation.
func second(first, turn, more string) string {
	return `{"messages": [` + first + `, {"role": "assistant", "content": [` + turn + `]}, {"role": "user", "content": [` + seen + `]}]` + more + `}`
}

const boundElsewhere = "Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the block, or set"

func TestReasoning_OfClaude55IsBoundToItsConversation(t *testing.T) {
	const digest = `{"role": "user", "content": [{"text": "go"}, {"text": "Tool calls 1 to 4 found nothing."}]}`
	turn := signedThought + "," + usesLook
	dropping := `, "additionalModelRequestFields": {"anthropic_beta": ["thinking-binding-controls-2026-08-01"], "thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}}`
	otherTool := strings.Replace(toolConfig, `"description": "x"`, `"description": "y"`, 1)
	tests := []struct {
		name, model, body, account string
		want                       string // empty: accepted
	}{
		{"unchanged", sonnet, second(opening, turn, systemPrompt+toolConfig), `{}`, ""},
		{"unchanged except for checkpoints", sonnet, second(strings.Replace(opening, `}]`, `}, `+point+`]`, 1), turn,
			`, "system": [{"text": "You look."}, `+point+`]`+toolConfig), `{}`, ""},
		{"unchanged except for the order of keys", sonnet, second(opening, signedThought+`, {"toolUse": {"name": "look", "input": {"b": [2], "a": 1}, "toolUseId": "t1"}}`,
			toolConfig+systemPrompt), `{}`, ""},
		{"another system prompt", sonnet, second(opening, turn, `, "system": [{"text": "You look well."}]`+toolConfig), `{}`, "The `system` prompt differs"},
		{"no system prompt", sonnet, second(opening, turn, toolConfig), `{}`, "The `system` prompt differs"},
		{"another tool", sonnet, second(opening, turn, systemPrompt+otherTool), `{}`, "The `tools` differ"},
		{"an earlier message has changed, as after compaction", sonnet, second(digest, turn, systemPrompt+toolConfig), `{}`, "An earlier message differs"},
		{"an earlier message has changed, without the reasoning", sonnet, second(digest, usesLook, systemPrompt+toolConfig), `{}`, ""},
		{"an earlier message has changed, with drop_block", sonnet, second(digest, turn, systemPrompt+toolConfig+dropping), `{}`, ""},
		{"an earlier message has changed, in an old account", sonnet, second(digest, turn, systemPrompt+toolConfig), `{"created": "2026-08-30"}`, ""},
		{"an earlier message has changed, in a new account", sonnet, second(digest, turn, systemPrompt+toolConfig), `{"created": "2026-08-31"}`, "An earlier message differs"},
		{"an earlier message has changed", haiku55, second(digest, turn, systemPrompt+toolConfig), `{}`, "An earlier message differs"},
		{"an earlier message has changed, model without binding", opus48, second(digest, turn, systemPrompt+toolConfig), `{}`, ""},
		{"an earlier message has changed, unknown model", "some.model", second(digest, turn, systemPrompt+toolConfig), `{}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.model+": "+tt.name, func(t *testing.T) {
			server := thinking(t, tt.account)
			first := askModel(t, server, tt.model, "us-east-1", user(systemPrompt+toolConfig))
			require.Equal(t, 200, first.status, first.body)
			got := askModel(t, server, tt.model, "us-east-1", tt.body)
			if tt.want == "" {
				assert.Equal(t, 200, got.status, got.body)
				return
			}
			want := rule{wantType: "ValidationException", wantText: boundElsewhere}
			want.check(t, got)
			assert.Contains(t, got.body, "messages.1.content.0: ")
			assert.Contains(t, got.body, tt.want)
		})
	}
}

// A block of the second answer is also bound to the first answer and its reasoning.
func TestReasoning_LaterBlocksAreBoundToEarlierOnes(t *testing.T) {
	const again = `{"reasoningContent": {"reasoningText": {"text": "so", "signature": "YWdhaW4="}}}`
	script, err := model.Parse([]byte(`{"steps": [{"content": [` + signedThought + "," + usesLook + `]}, {"content": [` + again + `, {"text": "I look."}]}, {"text": "ok"}]}`))
	require.NoError(t, err)
	third := func(first, second string) string {
		return `{"messages": [` + opening + `, {"role": "assistant", "content": [` + first + `]}, {"role": "user", "content": [` + seen + `]}, ` +
			`{"role": "assistant", "content": [` + second + `{"text": "I look."}]}, ` + opening + `]` + toolConfig + `}`
	}
	for _, tt := range []struct{ name, body, want string }{
		{"both kept", third(signedThought+","+usesLook, again+","), ""},
		{"both omitted", third(usesLook, ""), ""},
		{"later one omitted", third(signedThought+","+usesLook, ""), ""},
		{"earlier one omitted", third(usesLook, again+","), boundElsewhere},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := start(t, script)
			require.Equal(t, 200, askModel(t, server, sonnet, "", user(toolConfig)).status)
			require.Equal(t, 200, askModel(t, server, sonnet, "", second(opening, signedThought+","+usesLook, toolConfig)).status)
			r := rule{wantText: tt.want}
			if tt.want != "" {
				r.wantType = "ValidationException"
			}
			r.check(t, askModel(t, server, sonnet, "", tt.body))
		})
	}
}

func TestReasoning_OfAnotherModelIsRefused(t *testing.T) {
	turn := signedThought + "," + usesLook
	invalid := rule{wantType: "ValidationException", wantText: "messages.1.content.0: Invalid `signature` in `thinking` block"}
	for _, tt := range []struct {
		name, first, second, turn string
		want                      rule
	}{
		{"the same model", sonnet, sonnet, turn, rule{}},
		{"the same model through another profile", sonnet, "global.anthropic.claude-sonnet-5-5", turn, rule{}},
		{"another Claude", sonnet, opus, turn, invalid},
		{"an older Claude", sonnet, haiku45, turn, invalid},
		{"Nova", sonnet, nova2, turn, rule{wantType: "ValidationException", wantText: "User messages cannot contain reasoning content. Please remove the reasoning content and try again."}},
		{"another Claude, without the reasoning", sonnet, haiku45, usesLook, rule{}},
		{"Nova, without the reasoning", sonnet, nova2, usesLook, rule{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := thinking(t, `{}`)
			require.Equal(t, 200, askModel(t, server, tt.first, "us-east-1", user(toolConfig)).status)
			tt.want.check(t, askModel(t, server, tt.second, "us-east-1", second(opening, tt.turn, toolConfig)))
		})
	}
}

func TestReasoning_TurnOfOnlyReasoningIsPrefill(t *testing.T) {
	body := `{"messages": [` + opening + `, {"role": "assistant", "content": [` + signedThought + `]}, ` + opening + `]}`
	for modelID, want := range map[string]rule{
		sonnet:  {wantType: "ValidationException", wantText: "This model does not support assistant message prefill."},
		haiku45: {},
	} {
		server := start(t, model.Script{Steps: []model.Step{{Content: json.RawMessage(`[` + signedThought + `]`)}, {Text: "ok"}}})
		require.Equal(t, 200, askModel(t, server, modelID, "us-east-1", user("")).status)
		want.check(t, askModel(t, server, modelID, "us-east-1", body))
	}
}
