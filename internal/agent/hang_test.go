package agent_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// calling returns an answer that calls a tool.
func calling(name string, input map[string]any) *bedrockruntime.ConverseOutput {
	use := types.ToolUseBlock{ToolUseId: aws.String("use_1"), Name: aws.String(name), Input: document.NewLazyDocument(input)}
	message := types.Message{Role: types.ConversationRoleAssistant, Content: []types.ContentBlock{&types.ContentBlockMemberToolUse{Value: use}}}
	return &bedrockruntime.ConverseOutput{StopReason: types.StopReasonToolUse, Output: &types.ConverseOutputMemberMessage{Value: message}}
}

// waits sleeps, or returns the error of the context when it ends first.
func waits(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The first model never answers, however long an invocation may last: Bedrock keeps the requests open, or throttles them.
func TestRun_NextModelIsAskedIfAModelNeverAnswers(t *testing.T) {
	open := func(ctx context.Context) error { return waits(ctx, 24*time.Hour) }
	throttled := func(context.Context) error {
		return &types.ThrottlingException{Message: aws.String("Too many requests")}
	}
	for _, tt := range []struct {
		name    string
		fails   func(context.Context) error
		seconds []int // of an invocation
		want    string
	}{
		{"hangs", open, []int{45, 200, 280, 320, 500, 610, 860}, "did not answer in time"},
		{"throttled", throttled, []int{45, 80, 860}, "ThrottlingException"},
	} {
		for _, seconds := range tt.seconds {
			t.Run(fmt.Sprintf("%s, invocations of %d s", tt.name, seconds), func(t *testing.T) {
				askTwoModels(t, time.Duration(seconds)*time.Second, tt.fails, tt.want)
			})
		}
	}
}

// askTwoModels investigates with a first model that fails, and checks that the second one writes the report.
func askTwoModels(t *testing.T, invocation time.Duration, fails func(context.Context) error, want string) {
	synctest.Test(t, func(t *testing.T) {
		models := &awsapitest.Model{Answer: func(ctx context.Context, in *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
			if *in.ModelId == sonnet {
				return nil, fails(ctx)
			}
			return calling("submit_report", reportInput("the disk is full", 1, "disk usage 100 %")), waits(ctx, 10*time.Second)
		}}
		var saved []byte
		var rec *investigation.Record
		var err error
		for number := range 4 {
			rec = record("{}")
			ctx, cancel := context.WithTimeout(t.Context(), invocation)
			err = agent.Run(ctx, agent.Options{
				Model: models, Tool: &fakeTool{output: "disk usage 100 %"}, Models: []string{sonnet, novaLite}, MaxRounds: 100,
				Random: func() float64 { return 1 },
				Limits: investigation.Limits{
					ConcludeAt: time.Now().Add(invocation * 3 / 4), MayHandOver: number < 3,
					Checkpoint: func(_ context.Context, state []byte) error { saved = state; return nil },
				},
			}, rec, saved)
			cancel()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, investigation.ErrHandOver)
		}
		require.NoError(t, err)
		assert.Equal(t, "the disk is full", rec.Report.RootCause, rec.OutcomeWhy)
		require.Len(t, rec.Fallbacks, 1)
		assert.Equal(t, sonnet, rec.Fallbacks[0].Model)
		assert.Equal(t, investigation.CauseUnavailable, rec.Fallbacks[0].Cause)
		assert.Contains(t, rec.Fallbacks[0].Why, want)
	})
}

// slowTool needs some time for each call.
type slowTool struct {
	takes time.Duration
	calls int
}

func (s *slowTool) Run(ctx context.Context, _ toolcall.Request) (toolcall.Answer, error) {
	s.calls++
	return toolcall.Answer{Success: true, Output: "disk usage 100 %"}, waits(ctx, s.takes)
}

// No other invocation can conclude, and a tool call begins shortly before the model has to, or would begin after that.
func TestRun_ToolCallsLeaveTheTimeForTheConclusion(t *testing.T) {
	for _, seconds := range []int{94, 120, 500} {
		t.Run(fmt.Sprintf("calls of %d s", seconds), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				concludeAt := time.Now().Add(200 * time.Second)
				quick := &awsapitest.Model{Answer: func(ctx context.Context, _ *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
					if time.Now().Before(concludeAt) {
						return calling("python_executor", map[string]any{"command": fmt.Sprintf("print(%d)", time.Now().Unix())}), waits(ctx, 5*time.Second)
					}
					return calling("submit_report", reportInput("the disk is full", 1, "disk usage 100 %")), waits(ctx, 60*time.Second)
				}}
				ctx, cancel := context.WithTimeout(t.Context(), 290*time.Second)
				defer cancel()
				rec, tool := record("{}"), &slowTool{takes: time.Duration(seconds) * time.Second}
				require.NoError(t, agent.Run(ctx, agent.Options{
					Model: quick, Tool: tool, Models: []string{sonnet}, MaxRounds: 100, Limits: investigation.Limits{ConcludeAt: concludeAt},
				}, rec, nil))
				assert.Equal(t, investigation.OutcomeConcluded, rec.Outcome, rec.OutcomeWhy)
				assert.Equal(t, "the disk is full", rec.Report.RootCause)
				assert.LessOrEqual(t, tool.calls, 2, "no call begins when the model has to conclude")
			})
		})
	}
}
