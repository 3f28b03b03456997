package agent_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// Models that answer at random get no conversation that Bedrock refuses, and no report that they submit is lost.
func TestRun_RandomAnswersLoseNoReport(t *testing.T) {
	const output = "disk usage 100 %"
	part := func(parts map[string]any) model.Step {
		return model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: parts}}}
	}
	again := reportInput("see above", 1, output)
	reports := []model.Step{submit("the disk is full", 1, output), submit("the disk is full", 1, "no such quote"), submit("the disk is full", 99, output)}
	others := []model.Step{
		look("print(1)"), look("print(2)", "print(3)"), {Text: "<think>The disk may be full.</think>"}, {StopReason: "end_turn"}, {Text: "The disk", StopReason: "max_tokens"},
		{Text: "Blocked.", StopReason: "content_filtered"}, {Text: "Blocked.", StopReason: "guardrail_intervened"}, {Text: "I can't help with that."},
		{Text: "I can't help with that.", StopReason: "refusal"}, {Text: "I submitted the report above."}, {StopReason: "malformed_tool_use"},
		{Tools: []model.ToolUse{{Name: "launch", Input: map[string]any{}}, {Name: "read_output", Input: map[string]any{"call": -1}}}},
		{Text: `<tool_call>{"name": "python_executor", "input": {"command": "print(4)"}}</tool_call>`}, {Text: "<tool_call>{\"name\":"},
		refusal("ThrottlingException", "Too many requests"), refusal("ModelErrorException", "x"), refusal("ValidationException", "input is too long"),
		part(map[string]any{}), part(map[string]any{"summary": map[string]any{}, "root_cause": 0, "findings": again["findings"]}), part(map[string]any{"findings": again["findings"]}),
		part(map[string]any{"summary": " ", "immediate_actions": []any{nil}}),
	}
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 0))
		var steps []model.Step
		submitted := map[int]bool{}
		for i := range 40 {
			if random.IntN(12) == 0 {
				steps, submitted[i] = append(steps, reports[random.IntN(len(reports))]), true
			} else {
				steps = append(steps, others[random.IntN(len(others))])
			}
		}
		rec := record("{}")
		server, err := run(t, forever(steps...), &fakeTool{output: output}, rec, nil, func(o *agent.Options) {
			twoModels(o)
			o.MaxRounds = 4 + random.IntN(20)
		})
		require.NoError(t, err)
		why := fmt.Sprintf("seed %d: %s %v", seed, rec.OutcomeWhy, rec.Fallbacks)
		assert.NotContains(t, why, "conversation must", "Bedrock would refuse the request")
		for i := range server.Requests() {
			if submitted[i] {
				assert.Equal(t, "the disk is full", rec.Report.RootCause, why)
				assert.NotEmpty(t, rec.Report.Actions, why)
				break
			}
		}
	}
}
