package agent_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	logLine    = "12:36 AccessDeniedException: orders-role may not dynamodb:GetItem"
	quote      = "orders-role may not dynamodb:GetItem"
	rootCause  = "the role lost dynamodb:GetItem"
	lookAtLogs = "print(logs())"
)

// written returns a step with a call that a model without native tool use writes as text.
func written(format string, name string, input map[string]any) model.Step {
	raw, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	return model.Step{Text: fmt.Sprintf(format, name, raw)}
}

func TestRun_EveryModelFamilySubmitsAReport(t *testing.T) {
	lookInput := map[string]any{"command": lookAtLogs}
	report := reportInput(rootCause, 1, quote)
	inText := func(format string) model.Script {
		return model.Script{Steps: []model.Step{written(format, "python_executor", lookInput), written(format, "submit_report", report)}}
	}
	thinking := func(step model.Step, text, signature string) model.Step {
		step.Reasoning = &model.Reasoning{Text: text, Signature: signature}
		return step
	}
	redacted := look(lookAtLogs)
	redacted.Reasoning = &model.Reasoning{Redacted: "c2VjcmV0IHRob3VnaHRz"}
	unsigned := look(lookAtLogs)
	unsigned.Reasoning = &model.Reasoning{Text: "hm"}
	tests := []struct {
		name, modelID string
		script        model.Script
	}{
		{"Nova: text next to the call", nova, model.Script{Steps: []model.Step{
			{Text: "<thinking>I look at the logs.</thinking>", Tools: look(lookAtLogs).Tools}, submit(rootCause, 1, quote)}}},
		{"Claude without thinking", claude, model.Script{Steps: []model.Step{look(lookAtLogs), submit(rootCause, 1, quote)}}},
		{"Claude with thinking", claude, model.Script{Steps: []model.Step{
			thinking(look(lookAtLogs), "Let me see.\n  ünïcode ", "c2lnbmF0dXJl=="), thinking(submit(rootCause, 1, quote), "Clear.", "b3RoZXI=")}}},
		{"Claude with redacted thinking", claude, model.Script{Steps: []model.Step{redacted, submit(rootCause, 1, quote)}}},
		{"reasoning without a signature", "us.deepseek.v3-v1:0", model.Script{Steps: []model.Step{unsigned, submit(rootCause, 1, quote)}}},
		{"Llama: JSON after its tag", "us.meta.llama3-3-70b-instruct-v1:0", inText(`<|python_tag|>{"name": "%s", "parameters": %s}`)},
		{"Llama: functions", "us.meta.llama3-1-405b-instruct-v1:0", inText(`<function=%s>%s</function>`)},
		{"Mistral: a list after its mark", "mistral.mistral-large-2407-v1:0", inText(`[TOOL_CALLS] [{"name": "%s", "arguments": %s}]`)},
		{"gpt-oss: channels", "openai.gpt-oss-120b-1:0", inText(`<|channel|>commentary to=functions.%s <|constrain|>json<|message|>%s<|call|>`)},
		{"Qwen: tags", "qwen.qwen3-235b-a22b-2507-v1:0", inText("I call it.\n<tool_call>\n{\"name\": \"%s\", \"arguments\": %s}\n</tool_call>")},
		{"a fence of JSON", "some.new-model", inText("Here it is:\n```json\n{\"name\": \"%s\", \"input\": %s}\n```")},
		{"bare JSON", "some.new-model", inText(`{"name": "%s", "parameters": %s}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec, tool := record("nothing"), &fakeTool{output: logLine}
			server := investigate(t, tt.modelID, tt.script, tool, rec)
			assert.Equal(t, []string{lookAtLogs}, tool.ran())
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Equal(t, rootCause, rec.Report.RootCause)
			assert.Equal(t, investigation.Confirmed, rec.Report.Confidence)
			for _, request := range server.Requests() {
				assert.Empty(t, request.Problems, "the service would have refused a request")
			}
		})
	}
}

func TestRequest_LeavesOutToolsAndCacheCheckpointsIfRefused(t *testing.T) {
	t.Run("cache checkpoints", func(t *testing.T) {
		script := forever(look(lookAtLogs), submit(rootCause, 1, quote))
		script.RejectCachePoints = true
		rec := record("nothing")
		investigate(t, claude, script, &fakeTool{output: logLine}, rec)
		assert.Equal(t, rootCause, rec.Report.RootCause)
	})
	t.Run("tools", func(t *testing.T) {
		script := model.Script{RejectTools: true, Steps: []model.Step{
			written("<tool_call>{\"name\": %q, \"input\": %s}</tool_call>", "python_executor", map[string]any{"command": lookAtLogs}),
			written("<tool_call>{\"name\": %q, \"input\": %s}</tool_call>", "submit_report", reportInput(rootCause, 1, quote)),
		}}
		rec := record("nothing")
		investigate(t, "amazon.titan-text-premier-v1:0", script, &fakeTool{output: logLine}, rec)
		assert.Equal(t, rootCause, rec.Report.RootCause)
	})
}

func TestRun_AsksOnceForACheckIfNoCodeRan(t *testing.T) {
	rec, tool := record("nothing"), &fakeTool{output: logLine}
	investigate(t, claude, model.Script{Steps: []model.Step{
		{Text: "It is probably the network."}, look(lookAtLogs), submit(rootCause, 1, quote),
	}}, tool, rec)
	assert.Len(t, tool.ran(), 1)
	assert.Equal(t, rootCause, rec.Report.RootCause)
}

func TestRun_ProseBecomesAnUncheckedReport(t *testing.T) {
	rec := record("nothing")
	investigate(t, claude, forever(model.Step{Text: "The network was down, I am sure of it."}), &fakeTool{}, rec)
	assert.Contains(t, rec.Report.FreeText, "The network was down")
	assert.NotEqual(t, investigation.Confirmed, rec.Report.Confidence)
}

func TestRun_UsesARejectedReportIfTheModelFailsLater(t *testing.T) {
	rec := record("nothing")
	failed := model.Step{Error: &model.Error{Type: "AccessDeniedException", Message: "not authorized to perform: bedrock:InvokeModel"}}
	investigate(t, claude, forever(look("print(1)"), submit(rootCause, 1, "a quote from nowhere"), failed), &fakeTool{output: logLine}, rec)
	assert.Equal(t, rootCause, rec.Report.RootCause)
	assert.Equal(t, investigation.OutcomeConcluded, rec.Outcome)
	assert.Contains(t, rec.OutcomeWhy, "returned for correction")
	assert.Contains(t, rec.OutcomeWhy, "bedrock:InvokeModel")
	assert.Equal(t, investigation.Unknown, rec.Report.Confidence, "none of its quotes was found")
	require.Len(t, rec.Report.Findings, 1)
	assert.False(t, rec.Report.Findings[0].Verified)
}

func TestRunTools_AnswersAllCallsInOrder(t *testing.T) {
	rec, tool := record("nothing"), &fakeTool{output: logLine}
	server := investigate(t, claude, model.Script{Steps: []model.Step{look("a()", "b()", "c()"), submit(rootCause, 2, quote)}}, tool, rec)
	assert.ElementsMatch(t, []string{"a()", "b()", "c()"}, tool.ran())
	messages := server.Requests()[1].Request.Messages
	var answered []string
	for _, block := range messages[len(messages)-1].Content {
		if block.ToolResult != nil {
			answered = append(answered, block.ToolResult.ToolUseID)
		}
	}
	require.Len(t, answered, 3)
	require.Len(t, rec.Rounds[0].Calls, 3)
	for i, call := range rec.Rounds[0].Calls {
		assert.Equal(t, call.ToolUseID, answered[i])
		assert.Equal(t, i+1, call.Number)
	}
}

func TestRunTools_IdenticalCallReusesTheAnswer(t *testing.T) {
	rec, tool := record("nothing"), &fakeTool{output: logLine}
	investigate(t, claude, model.Script{Steps: []model.Step{look(lookAtLogs), look(lookAtLogs), submit(rootCause, 1, quote)}}, tool, rec)
	assert.Len(t, tool.ran(), 1)
	assert.Equal(t, 1, rec.Rounds[1].Calls[0].Cached)
}
