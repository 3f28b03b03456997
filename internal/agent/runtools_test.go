package agent_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// A model may run code and submit its report in one answer, in any order. The report cites the code.
func TestRunTools_ReportCitesCodeOfItsOwnAnswer(t *testing.T) {
	report := submit("the disk is full", 2, "disk usage 100 %").Tools[0]
	code := look("print('second')").Tools[0]
	for _, c := range []struct {
		name string
		uses []model.ToolUse
	}{
		{"code first", []model.ToolUse{code, report}},
		{"report first", []model.ToolUse{report, code}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, tool := record("{}"), &fakeTool{output: "disk usage 100 %"}
			_, err := run(t, model.Script{Steps: []model.Step{look("print('first')"), {Tools: c.uses}}}, tool, rec, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{"print('first')", "print('second')"}, tool.ran())
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Equal(t, investigation.Confirmed, rec.Report.Confidence)
			assert.True(t, rec.Report.Findings[0].Verified, rec.Report.Findings[0].Problem)
			assert.Len(t, rec.Rounds, 2)
		})
	}
}

func TestRunTools_ReportCitesCodeOfItsOwnAnswerAsText(t *testing.T) {
	const form = "<tool_call>{\"name\": \"%s\", \"input\": %s}</tool_call>\n"
	code := fmt.Sprintf(form, "python_executor", `{"command": "print('disk')"}`)
	report := fmt.Sprintf(form, "submit_report", asJSON(t, reportInput("the disk is full", 1, "disk usage 100 %")))
	rec := record("{}")
	_, err := run(t, model.Script{Steps: []model.Step{{Text: code + report}}}, &fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	assert.True(t, rec.Report.Findings[0].Verified, rec.Report.Findings[0].Problem)
	assert.Len(t, rec.Rounds, 1)
}

// The record has reports that were returned and parts of outputs that were read, with the answers that the model received.
func TestRunTools_RecordsCallsThatRunNoPython(t *testing.T) {
	rec := record("{}")
	read := model.Step{Tools: []model.ToolUse{{Name: "read_output", Input: map[string]any{"call": 1, "offset": 5}}}}
	_, err := run(t, model.Script{Steps: []model.Step{
		look("print(1)"), read, submit("the disk is full", 1, "not in the output"), submit("the disk is full", 1, "disk usage 100 %"),
	}}, &fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	require.NoError(t, err)
	require.Len(t, rec.Rounds, 4)
	assert.Empty(t, rec.Rounds[0].Other)
	assert.Contains(t, rec.Rounds[1].Other[0].Answer, "bytes 5 to 16 of 16")
	assert.Equal(t, "submit_report", rec.Rounds[2].Other[0].Name)
	assert.Contains(t, rec.Rounds[2].Other[0].Input, "not in the output")
	assert.Contains(t, rec.Rounds[2].Other[0].Answer, "The report is not accepted yet")
	assert.Equal(t, "accepted", rec.Rounds[3].Other[0].Answer)
}

func TestRunTools_ReadOutputSeesCodeOfItsOwnAnswer(t *testing.T) {
	read := model.ToolUse{Name: "read_output", Input: map[string]any{"call": 1, "offset": 5}}
	conclusion := submit("the disk is full", 1, "disk usage 100 %")
	conclusion.Expect = []string{`tool call 1, bytes 5 to 16 of 16`}
	rec := record("{}")
	_, err := run(t, model.Script{Steps: []model.Step{{Tools: []model.ToolUse{read, look("print(1)").Tools[0]}}, conclusion}},
		&fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
}

// A tool that answers nothing, such as one that the orchestrator may not invoke, would otherwise be called in all rounds.
func TestRunTools_ToolWithoutAnswersEndsTheRounds(t *testing.T) {
	for every, want := range map[int]int{100: 5, 5: 19} { // requests for anything but a conclusion
		rec, first, calls := record("{}"), 0, 0
		tool := &fakeTool{answer: func(string, float64) (toolcall.Answer, error) {
			if calls++; calls%every == 0 {
				return toolcall.Answer{Output: "NameError"}, nil // code that failed is an answer, too
			}
			return toolcall.Answer{}, errors.New("the tool function cannot be invoked; conclude without it")
		}}
		server, err := run(t, model.Script{Steps: []model.Step{look("print(1)")}, Loop: &first}, tool, rec, nil,
			func(o *agent.Options) { o.MaxRounds = 20 })
		require.NoError(t, err)
		assert.Len(t, server.Requests(), want+3, "three requests for a conclusion")
		assert.Equal(t, every == 100, strings.Contains(rec.OutcomeWhy, "because the tool answered no call in 5 rounds"), rec.OutcomeWhy)
	}
}

// A call without code is no progress. A call that fails is: the model can correct its code.
func TestRunTools_CallsWithoutCodeAreNoProgress(t *testing.T) {
	python := func(input map[string]any) model.Step {
		return model.Step{Tools: []model.ToolUse{{Name: "python_executor", Input: input}}}
	}
	for name, tt := range map[string]struct {
		step model.Step
		want int // requests for anything but a conclusion
	}{
		"no command":      {python(map[string]any{}), 3},
		"an empty one":    {python(map[string]any{"command": " \n"}), 3},
		"no text":         {python(map[string]any{"command": 5}), 3},
		"code that fails": {python(map[string]any{"command": "1/0"}), 9},
		"one with code": {model.Step{Tools: []model.ToolUse{
			{Name: "python_executor", Input: map[string]any{}}, {Name: "python_executor", Input: map[string]any{"command": "print(1)"}},
		}}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			rec, first := record("{}"), 0
			server, err := run(t, model.Script{Steps: []model.Step{tt.step}, Loop: &first}, &fakeTool{output: "1"}, rec, nil,
				func(o *agent.Options) { o.MaxRounds = 10 })
			require.NoError(t, err)
			assert.Len(t, server.Requests(), tt.want+3, "three requests for a conclusion")
			if tt.want == 3 {
				assert.Contains(t, rec.OutcomeWhy, "the model's answers no longer advance the investigation")
			}
		})
	}
}
