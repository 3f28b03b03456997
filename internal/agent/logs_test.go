package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// The log groups have another retention and other readers than the reports.
func TestRun_LogsNothingThatTheModelWrote(t *testing.T) {
	const secret = "Jane Doe"
	say := func(text string) []types.ContentBlock {
		return []types.ContentBlock{&types.ContentBlockMemberText{Value: text}}
	}
	call := func(name, id string, input any) []types.ContentBlock {
		return []types.ContentBlock{&types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
			Name: aws.String(name), ToolUseId: aws.String(id), Input: document.NewLazyDocument(input)}}}
	}
	code := map[string]any{"command": "print('" + secret + "')"}
	answers := [][]types.ContentBlock{
		say("I'm sorry, I can't help with this request about " + secret + "."),
		say("I'm sorry, I can't help with this request about " + secret + "."), // the next model is asked
		call("python_executor<|x|> "+secret, "t1", code),
		call(secret+"!", "t2", code),
		call("python_executor", secret, code),
		call("python_executor", "t4", map[string]any{secret: secret}),
		call("read_output", "t5", map[string]any{"call": secret}),
		call("submit_report", "t6", map[string]any{"summary": secret, "findings": secret}),
		say("<tool_call>{\"name\": \"" + secret + "\", \"arguments\": {\"command\": \"" + secret + "\"}}</tool_call>"),
		say(secret),
		say(""),
	}
	n := 0
	m := &awsapitest.Model{Answer: func(context.Context, *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
		n++
		return &bedrockruntime.ConverseOutput{
			StopReason: types.StopReasonEndTurn, Usage: &types.TokenUsage{},
			Output: &types.ConverseOutputMemberMessage{Value: types.Message{Role: types.ConversationRoleAssistant, Content: answers[(n-1)%len(answers)]}},
		}, nil
	}}
	var logs bytes.Buffer
	rec := record("{}")
	require.NoError(t, agent.Run(t.Context(), agent.Options{
		Limits: investigation.Limits{Log: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		Model:  m, Tool: &fakeTool{output: secret}, Models: []string{claude, nova, claude}, MaxRounds: 2 * len(answers), MaxQueryCostUSD: 1,
	}, rec, nil))
	assert.Greater(t, n, len(answers)-2, "%s", logs.String())
	assert.Contains(t, fmt.Sprint(rec.Rounds), secret)
	assert.Contains(t, logs.String(), "asking another model")
	assert.Contains(t, logs.String(), "changed the model's answer")
	assert.NotContains(t, logs.String(), "Jane")
}
