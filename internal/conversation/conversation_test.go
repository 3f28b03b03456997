package conversation_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

var tools = []conversation.Tool{{Name: "look", Description: "Looks.", Schema: map[string]any{
	"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}}, "required": []string{"at"},
}}}

// newModel returns a model that answers anything, and a client of it that does not retry.
func newModel(t *testing.T) (*model.Server, *bedrockruntime.Client) {
	t.Helper()
	zero := 0
	server, err := model.Start(model.Script{Steps: []model.Step{{Text: "ok"}}, Loop: &zero})
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return server, bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer: aws.NopRetryer{},
	})
}

func text(s string) types.ContentBlock { return &types.ContentBlockMemberText{Value: s} }

func use(id, name string, input any) types.ContentBlock {
	return &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: &id, Name: &name, Input: document.NewLazyDocument(input)}}
}

func thought(s, signature string) types.ContentBlock {
	b := types.ReasoningTextBlock{Text: &s}
	if signature != "" {
		b.Signature = &signature
	}
	return &types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberReasoningText{Value: b}}
}

func says(blocks ...types.ContentBlock) types.Message {
	return types.Message{Role: types.ConversationRoleAssistant, Content: blocks}
}

// The next request is valid for any answer of a model and any reaction to it.
func TestConversation_AnySequenceOfAnswersMakesValidRequests(t *testing.T) {
	_, client := newModel(t)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := &conversation.Conversation{TextTools: seed%7 == 0, Caching: conversation.Caching(seed % 4)}
		modelID := []string{"some.model", "us.anthropic.claude-sonnet-5-5", "us.amazon.nova-2-lite-v1:0"}[seed%3]
		if seed%3 == 2 {
			c.Caching, c.CachedMost = max(c.Caching, conversation.CacheAfterText), 20_000
		}
		c.Say("opening")
		for step := range 25 {
			var blocks []types.ContentBlock
			for range random.IntN(4) {
				switch random.IntN(6) {
				case 0:
					blocks = append(blocks, text("  \n"))
				case 1:
					blocks = append(blocks, text("I look."))
				case 2:
					blocks = append(blocks, use("same-id", "look", map[string]any{"at": 1}))
				case 3:
					blocks = append(blocks, use(strings.Repeat("ü", 70), "bad name! "+strings.Repeat("x", 80), "no object"))
				case 4:
					blocks = append(blocks, thought("hm", "")) // unsigned: must not be sent back
				case 5:
					blocks = append(blocks, &types.UnknownUnionMember{Tag: "hologram"})
				}
			}
			turn, _, ok := c.Accept(says(blocks...))
			switch random.IntN(4) {
			case 0:
				c.Say("Go on.")
			case 1:
				c.Answer(nil)
				c.Say(" ")
			default:
				var results []conversation.Result
				for i, u := range turn.Uses() {
					if i%2 == 0 {
						results = append(results, conversation.Result{ID: u.ID, Text: strings.Repeat(" ", i)})
					}
				}
				c.Answer(append(results, conversation.Result{ID: "unknown", Text: "x"}))
			}
			if !ok || len(turn.Uses()) == 0 {
				c.Say(fmt.Sprintf("Step %d.", step))
			}
			if random.IntN(8) == 0 {
				c.Compact(random.IntN(3), "Shortened.")
			}
			_, err := client.Converse(t.Context(), c.Request(modelID, "You are tested.", tools))
			require.NoError(t, err, "seed %d, step %d", seed, step)
		}
	}
}

func TestConversation_PreservesSignedReasoningAndNumbers(t *testing.T) {
	server, client := newModel(t)
	require.NoError(t, server.Play(model.Script{Steps: []model.Step{
		{Content: json.RawMessage(`[
			{"reasoningContent": {"reasoningText": {"text": "First\n the logs…", "signature": "c2ln"}}},
			{"reasoningContent": {"redactedContent": "AAEC"}},
			{"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": "x", "big": 12345678901234567890, "exact": 0.1, "deep": [1, {"n": 2e3}]}}}]`)},
		{Text: "done"},
	}}))
	c := &conversation.Conversation{}
	c.Say("opening")
	out, err := client.Converse(t.Context(), c.Request("m", "s", tools))
	require.NoError(t, err)
	_, warnings, ok := c.Accept(out.Output.(*types.ConverseOutputMemberMessage).Value)
	require.True(t, ok)
	assert.Empty(t, warnings)
	c.Answer([]conversation.Result{{ID: "t1", Text: "seen"}})

	// Through a checkpoint.
	saved, err := json.Marshal(c)
	require.NoError(t, err)
	restored := &conversation.Conversation{}
	require.NoError(t, json.Unmarshal(saved, restored))
	_, err = client.Converse(t.Context(), restored.Request("m", "s", tools))
	require.NoError(t, err, "the model accepts its own reasoning")

	sent := string(server.Requests()[1].Request.Raw)
	for _, want := range []string{`12345678901234567890`, `0.1`, `2e3`, `"AAEC"`} {
		assert.Contains(t, sent, want)
	}
}

func TestRequest_KeepsThePrefixOfTheRequestBefore(t *testing.T) {
	server, client := newModel(t)
	c := &conversation.Conversation{}
	c.Say(strings.Repeat("A long opening. ", 500))
	for i := range 4 {
		_, err := client.Converse(t.Context(), c.Request("m", "s", tools))
		require.NoError(t, err)
		_, _, ok := c.Accept(says(use(fmt.Sprintf("t%d", i), "look", map[string]any{"at": "x", "b": "y", "a": "z"})))
		require.True(t, ok)
		c.Answer([]conversation.Result{{ID: fmt.Sprintf("t%d", i), Text: strings.Repeat("seen ", 300)}})
	}
	requests := server.Requests()
	assert.Zero(t, requests[0].Usage.CacheReadInputTokens)
	for i := 1; i < len(requests); i++ {
		before := requests[i-1].Usage
		assert.Equal(t, before.CacheReadInputTokens+before.CacheWriteInputTokens, requests[i].Usage.CacheReadInputTokens, "request %d reads everything that the previous one cached", i)
	}
}

func TestCompact_KeepsTheOpeningAndTheLastExchanges(t *testing.T) {
	c := &conversation.Conversation{}
	c.Say("opening")
	for i := range 5 {
		c.Accept(says(use(fmt.Sprintf("t%d", i), "look", map[string]any{})))
		c.Answer([]conversation.Result{{ID: fmt.Sprintf("t%d", i), Text: fmt.Sprintf("result %d", i)}})
	}
	require.True(t, c.Compact(2, "digest"))
	kept, err := json.Marshal(c)
	require.NoError(t, err)
	for _, want := range []string{"opening", "digest", "result 3", "result 4"} {
		assert.Contains(t, string(kept), want)
	}
	assert.NotContains(t, string(kept), "result 2")
	assert.False(t, c.Compact(2, "digest"), "nothing is left to remove")
}
