package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// run investigates with options that change adapts, and returns the model and Run's error.
func run(t *testing.T, script model.Script, tool *fakeTool, rec *investigation.Record, resume []byte, change func(*agent.Options)) (*model.Server, error) {
	t.Helper()
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	prices, err := pricing.Parse("")
	require.NoError(t, err)
	o := agent.Options{
		Model: clientOf(server),
		Tool:  tool, Models: []string{claude}, MaxRounds: 100, Prices: prices,
		Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour), Log: slog.New(slog.DiscardHandler)},
		Sleep:  func(context.Context, time.Duration) error { return nil },
	}
	if change != nil {
		change(&o)
	}
	return server, agent.Run(t.Context(), o, rec, resume)
}

// clientOf returns a client of the scripted model that does not retry.
func clientOf(server *model.Server) *bedrockruntime.Client {
	return bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

// manyLooks returns a script of n rounds with one call each, followed by the report.
func manyLooks(n int) model.Script {
	var steps []model.Step
	for i := range n {
		steps = append(steps, look(fmt.Sprintf("print(%d)", i)))
	}
	return model.Script{Steps: append(steps, submit("the disk is full", 1, "disk usage 100 %"))}
}

func TestRun_LongOutputIsShortenedForTheModelOnly(t *testing.T) {
	long := "head " + strings.Repeat("x", 40_000) + " needle " + strings.Repeat("y", 40_000) + " tail"
	tool := &fakeTool{output: long}
	rec := record("{}")
	server, err := run(t, model.Script{Steps: []model.Step{
		look("print('much')"),
		{Expect: []string{`head x`, `y tail`, `read_output\(call=1, offset=12288\)`},
			Tools: []model.ToolUse{{Name: "read_output", Input: map[string]any{"call": 1, "offset": 40_000}}}},
		{Expect: []string{`needle`}, Tools: []model.ToolUse{{Name: "submit_report", Input: reportInput("found", 1, "needle")}}},
	}}, tool, rec, nil, nil)
	require.NoError(t, err)
	require.Equal(t, long, rec.Rounds[0].Calls[0].Answer.Output)
	assert.NotContains(t, string(server.Requests()[1].Request.Raw), "needle")
	assert.True(t, rec.Report.Findings[0].Verified, "the quote is checked against the whole output")
}

func TestCompact_KeepsRequestsWithinTheWindow(t *testing.T) {
	tool := &fakeTool{output: "disk usage 100 % " + strings.Repeat("log line ", 900)}
	rec := record("{}")
	script := manyLooks(40)
	script.ContextWindow = 32_000
	server, err := run(t, script, tool, rec, nil, func(o *agent.Options) { o.ContextWindow = 32_000 })
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	assert.Len(t, rec.Rounds, 41)
	for i, request := range server.Requests() {
		assert.Equal(t, 200, request.Status, "request %d: %s", i, request.Problems)
	}
	last := server.Requests()[40].Request.Raw
	assert.Contains(t, string(last), "tool call 1: print(0)", "the digest names the removed calls")
	assert.Contains(t, string(last), "Threshold Crossed", "the alarm stays")
}

func TestCompact_RecoversFromASmallerWindowThanAssumed(t *testing.T) {
	tool := &fakeTool{output: "disk usage 100 % " + strings.Repeat("log line ", 900)}
	rec := record("{}")
	script := manyLooks(20)
	script.ContextWindow = 24_000 // the agent assumes 200,000
	_, err := run(t, script, tool, rec, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
}

// An answer that fills the window is incomplete: none of its calls may run, but it is billed.
func TestRun_AnswerBeyondTheWindowIsBilledButNotExecuted(t *testing.T) {
	tool := &fakeTool{output: "disk usage 100 %"}
	rec := record("{}")
	half := look("print('half')")
	half.StopReason = "model_context_window_exceeded"
	prose := model.Step{Text: "The cause is that", StopReason: "model_context_window_exceeded"}
	script := manyLooks(3)
	script.Steps = append(script.Steps[:3:3], half, half, prose, submit("the disk is full", 1, "disk usage 100 %"))
	server, err := run(t, script, tool, rec, nil, nil)
	require.NoError(t, err)

	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	assert.NotContains(t, tool.ran(), "print('half')")
	var input, output int
	for i, request := range server.Requests() {
		require.Equal(t, 200, request.Status, "request %d: %s", i, request.Problems)
		input, output = input+request.Usage.InputTokens, output+request.Usage.OutputTokens
	}
	assert.Equal(t, 7, rec.Usage.ModelCalls)
	assert.Equal(t, input, rec.Usage.InputTokens)
	assert.Equal(t, output, rec.Usage.OutputTokens)
}

func TestCheck_VerifiesQuotesOfUnusualOutputs(t *testing.T) {
	trace := strings.TrimSpace(strings.Repeat("at com.example.orders.OrderService.read(OrderService.java:42)\n\t", 40))
	for _, test := range []struct{ name, output, quote string }{
		{"longer than a report shows", "boom\n" + trace + "\nend", trace},
		{"of 600 characters in Japanese", strings.Repeat("接続できません。", 75), strings.Repeat("接続できません。", 75)},
		{"control characters", "disk\x00 usage\b 100 %\r", "disk\x00 usage\b 100 %"},
		{"control characters that the model leaves out", "disk\x00 usage\b 100 %", "disk usage 100 %"},
		{"marks of direction", "name \u202efdp.exe\u202c denied", "name \u202efdp.exe\u202c denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := record("{}")
			_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), submit("the disk is full", 1, test.quote)}}, &fakeTool{output: test.output}, rec, nil, nil)
			require.NoError(t, err)
			require.Len(t, rec.Report.Findings, 1)
			assert.True(t, rec.Report.Findings[0].Verified, rec.Report.Findings[0].Problem)
			assert.LessOrEqual(t, len([]rune(rec.Report.Findings[0].Evidence[0].Quote)), 1000)
		})
	}
}

// A part of a word or a number can mean something else.
func TestCheck_LongQuotesEndWithWholeWords(t *testing.T) {
	line := strings.Repeat("waited ", 142) + "1050000 ms for eve" // the 1,000th character is in the number
	for quote, isFound := range map[string]bool{line: true, line[:1000]: false} {
		rec := record("{}")
		_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), submit("it waited", 1, quote)}}, &fakeTool{output: line}, rec, nil, nil)
		require.NoError(t, err)
		assert.Equal(t, isFound, rec.Report.Findings[0].Evidence[0].Found, len(quote))
	}
}

func TestSubmitReport_RejectionNamesAllMissingParts(t *testing.T) {
	empty := model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{}}}}
	again := submit("the disk is full", 1, "disk usage 100 %")
	again.Expect = []string{"not accepted: summary is missing; root_cause is missing; findings are missing; immediate_actions are missing"}
	rec := record("{}")
	_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), empty, again}}, &fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
}

func TestRun_ResumesFromACheckpoint(t *testing.T) {
	tool := &fakeTool{output: "disk usage 100 %"}
	first := record("{}")
	var saved []byte
	rounds := 0
	_, err := run(t, manyLooks(10), tool, first, nil, func(o *agent.Options) {
		clock := time.Now()
		o.Now = func() time.Time { return clock.Add(time.Duration(rounds) * time.Minute) }
		o.ConcludeAt, o.MayHandOver = clock.Add(4*time.Minute), true
		o.Checkpoint = func(_ context.Context, state []byte) error {
			rounds++
			saved = append([]byte(nil), state...)
			return nil
		}
	})
	require.ErrorIs(t, err, investigation.ErrHandOver)
	require.Len(t, tool.ran(), 4)

	script := manyLooks(10)
	script.Steps = script.Steps[4:]
	second := &investigation.Record{ID: first.ID, Alarm: first.Alarm}
	second.Alarm.Time = first.Alarm.Time.Add(20 * time.Minute) // a later transition continues the investigation
	_, err = run(t, script, tool, second, saved, nil)
	require.NoError(t, err)
	assert.Equal(t, first.Alarm, second.Alarm, "the report is about the transition that was investigated")
	assert.Len(t, tool.ran(), 10, "no finished call ran again")
	assert.Len(t, second.Rounds, 11)
	assert.Equal(t, 10, second.Usage.ToolCalls)
	assert.True(t, second.Report.Findings[0].Verified, "a quote from before the hand-over is verified")
}

func TestLimits_MakeTheModelConclude(t *testing.T) {
	tests := []struct {
		name   string
		change func(*agent.Options)
		want   string
	}{
		{"rounds", func(o *agent.Options) { o.MaxRounds = 5 }, "all 5 rounds are used"},
		{"tokens", func(o *agent.Options) { o.MaxTokens = 30_000 }, "budget of 30000 tokens"},
		{"money", func(o *agent.Options) { o.MaxCostUSD = 0.10 }, "budget of $0.10"},
		{"time", func(o *agent.Options) { o.ConcludeAt = time.Now().Add(-time.Second) }, "time limit of this investigation"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			zero := 0
			// A model that only concludes when it is asked to.
			script := model.Script{Steps: []model.Step{{Tools: []model.ToolUse{{Name: "python_executor", Input: map[string]any{"command": "print(1)"}}}}}, Loop: &zero}
			rec := record("{}")
			_, err := run(t, script, &fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) {
				test.change(o)
				o.Model = &concluding{Model: o.Model}
			})
			require.NoError(t, err)
			assert.Equal(t, investigation.OutcomeConcluded, rec.Outcome)
			assert.Contains(t, rec.OutcomeWhy, test.want, "%+v", rec.Rounds)
			assert.Equal(t, "the disk is full", rec.Report.RootCause)
		})
	}
}

// concluding submits a report as soon as the conversation asks it to conclude.
type concluding struct {
	agent.Model
}

func (c *concluding) Converse(ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	asked := false
	for _, message := range in.Messages {
		for _, block := range message.Content {
			text, ok := block.(*types.ContentBlockMemberText)
			asked = asked || ok && strings.Contains(text.Value, "must end now")
		}
	}
	if !asked {
		return c.Model.Converse(ctx, in, opts...)
	}
	return &bedrockruntime.ConverseOutput{StopReason: types.StopReasonToolUse, Output: &types.ConverseOutputMemberMessage{Value: types.Message{
		Role: types.ConversationRoleAssistant,
		Content: []types.ContentBlock{&types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
			ToolUseId: aws.String("last"), Name: aws.String("submit_report"), Input: document.NewLazyDocument(reportInput("the disk is full", 0, "evidence")),
		}}},
	}}}, nil
}

func TestRun_ReturnsTheErrorOfACanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := agent.Run(ctx, agent.Options{
		Model: failing{}, Tool: &fakeTool{}, Models: []string{claude}, MaxRounds: 10,
		Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour)},
	}, record("{}"), nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRun_RepliesToTheAnswerAtTheEndOfACheckpoint(t *testing.T) {
	const saved = `{"record": {}, "state": {"talk": {"turns": [{"user": true, "blocks": [{"text": "Investigate."}]}, {"blocks": [{"text": "<think>The disk may be full.</think>"}]}]}}}`
	rec := record("{}")
	_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}}, &fakeTool{output: "disk usage 100 %"}, rec, []byte(saved), nil)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
}

func TestRun_RejectsABrokenCheckpoint(t *testing.T) {
	for _, state := range []string{`not JSON`, `{}`, `{"record": null, "state": null}`, `{"record": {}, "state": {"talk": {"turns": "old"}}}`, `{"state": {"talk": {"turns": []}}}`} {
		err := agent.Run(t.Context(), agent.Options{Model: failing{}, Tool: &fakeTool{}, Models: []string{claude}, MaxRounds: 10}, record("{}"), []byte(state))
		assert.ErrorContains(t, err, "read the checkpoint of investigation 0123456789ab", state)
		assert.ErrorIs(t, err, investigation.ErrUnreadable, state)
	}
}

type failing struct{}

func (failing) Converse(ctx context.Context, _ *bedrockruntime.ConverseInput, _ ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("connection refused")
}
