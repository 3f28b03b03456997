package agent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// A model that prints as much as it can must not use up the orchestrator's memory, or make a checkpoint that cannot be read.
func TestKept_LargeOutputsEndTheInvestigation(t *testing.T) {
	var commands []string
	for i := range 12 {
		commands = append(commands, fmt.Sprintf("print(%d)", i))
	}
	billed := toolcall.BilledQueries{Operation: "logs:StartQuery", Requests: 1, CostUSD: 0.01}
	tool := &fakeTool{output: strings.Repeat("<", 300<<10), change: func(a *toolcall.Answer) {
		a.AWSCalls = []toolcall.AWSCall{{Service: "logs", Operation: "StartQuery", Status: 200}}
		a.BilledQueries = []toolcall.BilledQueries{billed}
		a.Stdout, a.Truncated = a.Output, []toolcall.Truncation{{Part: "stdout", LeftOut: 1000}}
	}}
	rec := record("evidence")
	investigate(t, claude, forever(look(commands...), submit("a full disk", 1, "<<<<<<<<<<")), tool, rec)
	assert.Less(t, len(asJSON(t, rec)), 34<<20)
	assert.Equal(t, investigation.OutcomeConcluded, rec.Outcome)
	assert.Contains(t, rec.OutcomeWhy, "32 MB, the most that an investigation keeps")
	require.Len(t, rec.Rounds, 2)
	calls := rec.Rounds[0].Calls
	require.Len(t, calls, 12)
	assert.Equal(t, tool.output, calls[0].Answer.Output)
	last := calls[11].Answer
	assert.False(t, last.Success)
	assert.Contains(t, last.Text(), "the output is not kept")
	assert.Equal(t, []toolcall.Truncation{{Part: "stdout", LeftOut: 1000 + 300<<10}}, last.Truncated)
	assert.Len(t, last.AWSCalls, 1)
	assert.InDelta(t, 12*billed.CostUSD, rec.QueryCostUSD(), 1e-9, "what AWS bills counts all the same")
	assert.NotEmpty(t, rec.NotSeen)
}

// A question about an investigation that kept much can still run code.
func TestAsk_OutputsOfTheInvestigationDoNotCountAsKept(t *testing.T) {
	rec := finished()
	rec.Rounds[0].Calls[0].Answer.Output = strings.Repeat("x", 33<<20)
	steps := []model.Step{look("print(3)"), submitAnswer("The disk.", 3, "disk usage 100 %")}
	answer, _ := ask(t, model.Script{Steps: steps}, &fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	assert.Equal(t, investigation.OutcomeCompleted, answer.Outcome, answer.OutcomeWhy)
	assert.Equal(t, "disk usage 100 %", answer.Rounds[0].Calls[0].Answer.Output)
}
