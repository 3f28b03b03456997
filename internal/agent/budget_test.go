package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
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

// expensive is a model that writes as much as it may. Its input has as many tokens as the texts of a request suggest.
type expensive struct {
	stop      func(request int) types.StopReason
	written   func(request, most int) int // nil: as much as it may
	surprise  int                         // more input tokens of the request with this number than its size suggests
	surprised int                         // number of that request
	requests  int
}

func (e *expensive) Converse(_ context.Context, in *bedrockruntime.ConverseInput, _ ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	e.requests++
	most := int(*in.InferenceConfig.MaxTokens)
	output := most
	if e.written != nil {
		output = min(most, e.written(e.requests, most))
	}
	size := 0
	for _, message := range in.Messages {
		for _, block := range message.Content {
			switch b := block.(type) {
			case *types.ContentBlockMemberText:
				size += len(b.Value)
			case *types.ContentBlockMemberToolResult:
				size += len(b.Value.Content[0].(*types.ToolResultContentBlockMemberText).Value)
			}
		}
	}
	for _, block := range in.System {
		if text, ok := block.(*types.SystemContentBlockMemberText); ok {
			size += len(text.Value)
		}
	}
	input := size * 2 / 7
	if e.requests == e.surprised {
		input += e.surprise
	}
	stop := e.stop(e.requests)
	content := []types.ContentBlock{&types.ContentBlockMemberText{Value: "still thinking"}}
	if stop == types.StopReasonToolUse {
		content = append(content, &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
			ToolUseId: aws.String(fmt.Sprint("t", e.requests)), Name: aws.String(toolcall.Name),
			Input: document.NewLazyDocument(map[string]any{"command": fmt.Sprint("print(", e.requests, ")")}),
		}})
	}
	return &bedrockruntime.ConverseOutput{
		StopReason: stop, Output: &types.ConverseOutputMemberMessage{Value: types.Message{Role: types.ConversationRoleAssistant, Content: content}},
		Usage: &types.TokenUsage{
			InputTokens: aws.Int32(int32(input)), OutputTokens: aws.Int32(int32(output)), TotalTokens: aws.Int32(int32(input + output)),
		},
	}, nil
}

func TestBudget_IsNeverExceeded(t *testing.T) {
	always := func(reason types.StopReason) func(int) types.StopReason {
		return func(int) types.StopReason { return reason }
	}
	after := func(rounds int, reason types.StopReason) func(int) types.StopReason {
		return func(request int) types.StopReason {
			if request <= rounds {
				return types.StopReasonToolUse
			}
			return reason
		}
	}
	few := func(_, most int) int { return min(300, most) }
	models := map[string]func() *expensive{
		"answers end at the limit of output tokens": func() *expensive { return &expensive{stop: always(types.StopReasonMaxTokens)} },
		"calls of a tool without end":               func() *expensive { return &expensive{stop: always(types.StopReasonToolUse)} },
		"short rounds, then long answers": func() *expensive {
			return &expensive{stop: after(6, types.StopReasonMaxTokens), written: func(request, most int) int {
				if request <= 6 {
					return min(300, most)
				}
				return most
			}}
		},
		"short rounds":      func() *expensive { return &expensive{stop: always(types.StopReasonToolUse), written: few} },
		"malformed answers": func() *expensive { return &expensive{stop: always(types.StopReasonMalformedModelOutput)} },
		"withheld answers":  func() *expensive { return &expensive{stop: always(types.StopReasonContentFiltered)} },
	}
	limits := map[string]func(*agent.Options){
		"$0.05": func(o *agent.Options) { o.MaxCostUSD = 0.05 }, "$0.10": func(o *agent.Options) { o.MaxCostUSD = 0.10 },
		"$0.50": func(o *agent.Options) { o.MaxCostUSD = 0.50 }, "$1": func(o *agent.Options) { o.MaxCostUSD = 1 },
		"10,000 tokens": func(o *agent.Options) { o.MaxTokens = 10_000 }, "40,000 tokens": func(o *agent.Options) { o.MaxTokens = 40_000 },
		"200,000 tokens": func(o *agent.Options) { o.MaxTokens = 200_000 },
	}
	for name, model := range models {
		for limit, set := range limits {
			for _, id := range []string{claude, nova} {
				t.Run(strings.Join([]string{name, limit, id}, ", "), func(t *testing.T) {
					m, rec := model(), record(strings.Repeat("evidence ", 1000))
					o := agent.Options{
						Model: m, Tool: &fakeTool{output: strings.Repeat("disk usage 100 % ", 500)}, Models: []string{id}, MaxRounds: 40,
						Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour)},
					}
					set(&o)
					require.NoError(t, agent.Run(t.Context(), o, rec, nil))
					if o.MaxCostUSD > 0 {
						require.True(t, rec.Usage.PriceKnown || m.requests == 0)
						assert.LessOrEqual(t, rec.Usage.CostUSD, o.MaxCostUSD)
					} else {
						assert.LessOrEqual(t, rec.Usage.Tokens(), o.MaxTokens)
					}
					assert.NotEmpty(t, rec.OutcomeWhy)
					assert.Equal(t, m.requests, rec.Usage.ModelCalls)
				})
			}
		}
	}
}

func TestBudget_OneUnforeseenInputIsTheMostThatExceedsIt(t *testing.T) {
	const surprise = 60_000
	for _, request := range []int{1, 3, 8} {
		m := &expensive{stop: func(int) types.StopReason { return types.StopReasonToolUse }, surprise: surprise, surprised: request}
		rec := record("{}")
		require.NoError(t, agent.Run(t.Context(), agent.Options{
			Model: m, Tool: &fakeTool{output: "x"}, Models: []string{claude}, MaxRounds: 40, MaxTokens: 100_000,
			Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour)},
		}, rec, nil))
		assert.LessOrEqual(t, rec.Usage.Tokens(), 100_000+surprise)
	}
}

func TestBudget_WithoutRoomForOneRequestNoModelIsAsked(t *testing.T) {
	for _, c := range []struct {
		earlier investigation.Usage // of an invocation whose checkpoint could not be read
		none    bool
		want    string
	}{
		{investigation.Usage{}, true, "No model was asked: the budget of $0.00001 does not allow one request"},
		{investigation.Usage{ModelCalls: 3, CostUSD: 0.00001, PriceKnown: true}, false,
			"The investigation ended without a conclusion of the model: the budget of $0.00001 does not allow another request"},
	} {
		m, rec := &expensive{stop: func(int) types.StopReason { return types.StopReasonToolUse }}, record("{}")
		rec.Usage = c.earlier
		require.NoError(t, agent.Run(t.Context(), agent.Options{
			Model: m, Tool: &fakeTool{}, Models: []string{claude}, MaxRounds: 40, MaxCostUSD: 0.00001,
			Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour)},
		}, rec, nil))
		assert.Zero(t, m.requests)
		assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
		assert.Equal(t, c.none, rec.NoModelAsked)
		assert.Contains(t, rec.OutcomeWhy, c.want)
	}
}

func TestBudget_WithoutRoomForTheNextModelTheFirstOneWasAsked(t *testing.T) {
	m, rec := &awsapitest.Model{Answer: func(context.Context, *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
		return nil, awsapitest.Denied("bedrock:InvokeModel")
	}}, record("{}")
	require.NoError(t, agent.Run(t.Context(), agent.Options{
		Model: m, Tool: &fakeTool{}, Models: []string{"us.amazon.nova-2-lite-v1:0", "us.anthropic.claude-opus-4-1-20250805-v1:0"}, MaxRounds: 40, MaxCostUSD: 0.05,
		Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour)},
	}, rec, nil))
	assert.Len(t, m.Asked(), 1)
	assert.False(t, rec.NoModelAsked)
	assert.Contains(t, rec.OutcomeWhy, "The investigation ended without a conclusion of the model: the budget of $0.05 does not allow another request")
}

func TestRun_ConcludesAtOnceOrAsksNoModelIfALimitSaysSo(t *testing.T) {
	options := func(m agent.Options) agent.Options {
		m.Tool, m.Models, m.MaxRounds = &fakeTool{output: "x"}, []string{claude}, 40
		return m
	}
	var state []byte
	m := &expensive{stop: func(int) types.StopReason { return types.StopReasonToolUse }}
	require.NoError(t, agent.Run(t.Context(), options(agent.Options{Model: m, Limits: investigation.Limits{Checkpoint: func(_ context.Context, s []byte) error {
		if state == nil {
			state = s
		}
		return nil
	}}}), record("{}"), nil))

	asked := m.requests
	rec := record("{}")
	require.NoError(t, agent.Run(t.Context(), options(agent.Options{Model: m, Limits: investigation.Limits{Stop: "The kill switch is on."}}), rec, state))
	assert.Equal(t, asked, m.requests)
	assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
	assert.Contains(t, rec.OutcomeWhy, "The kill switch is on.")
	assert.Len(t, rec.Rounds, 1, "the report has the rounds before")

	rec = record("{}")
	require.NoError(t, agent.Run(t.Context(), options(agent.Options{Model: m, Limits: investigation.Limits{
		Conclude: "the money of the day is spent", MayHandOver: true}}), rec, state))
	assert.LessOrEqual(t, m.requests, asked+3, "a conclusion may be asked for again")
	raw, err := json.Marshal(rec)
	require.NoError(t, err)
	assert.Contains(t, string(raw), "the money of the day is spent")
}

func TestBudget_KeepsTheDraftIfNoConclusionIsPossible(t *testing.T) {
	m := &expensive{stop: func(int) types.StopReason { return types.StopReasonMaxTokens }}
	rec := record("{}")
	require.NoError(t, agent.Run(t.Context(), agent.Options{
		Model: m, Tool: &fakeTool{}, Models: []string{claude}, MaxRounds: 40, MaxTokens: 20_000,
		Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour)},
	}, rec, nil))
	assert.Equal(t, "still thinking", rec.Report.FreeText, "%+v", rec.Report)
	assert.Contains(t, rec.OutcomeWhy, "does not allow another request")
	raw, err := json.Marshal(rec)
	require.NoError(t, err)
	assert.Contains(t, string(raw), "budget of 20000 tokens")
}
