package agent_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// native returns a step with one native call. Its name may be one that is invalid in a request.
func native(t *testing.T, name string, input map[string]any) model.Step {
	t.Helper()
	content, err := json.Marshal([]any{map[string]any{"toolUse": map[string]any{"toolUseId": "u1", "name": name, "input": input}}})
	require.NoError(t, err)
	return model.Step{Content: content, StopReason: "tool_use"}
}

// additions lists what models add to a tool's name.
var additions = []string{
	"%s", "%s<|channel|>commentary", "%s<|channel|>json", "%s<|constrain|>json", "<|python_tag|>%s", "functions.%s", "$%s", "%s ", "\n%s\t",
	"default_api.%s", "functions.%s:0", "%s:12", "%s.run", "%s.call", "tools/%s", "mcp::%s", "commentary to=functions.%s json",
	"functions.%s<|channel|>commentary", "`%s`", "%q", "%s()", "%s,", "%s json", "assistant.functions.%s.execute", "\u200b%s",
}

func TestToolName_IgnoresWhatModelsAdd(t *testing.T) {
	spellings := map[string]func(string) string{
		"as it is": func(name string) string { return name },
		"title": func(name string) string {
			return strings.NewReplacer("p", "P", "e", "E", "s", "S", "r", "R").Replace(name)
		},
		"camel":  func(name string) string { return strings.NewReplacer("_e", "E", "_o", "O", "_r", "R").Replace(name) },
		"hyphen": func(name string) string { return strings.ReplaceAll(name, "_", "-") },
	}
	valid := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	for spelling, spell := range spellings {
		for _, addition := range additions {
			t.Run(spelling+" "+addition, func(t *testing.T) {
				rec, tool := record("nothing"), &fakeTool{output: logLine}
				name := func(tool string) string { return fmt.Sprintf(addition, spell(tool)) }
				server := investigate(t, claude, model.Script{Steps: []model.Step{
					native(t, name("python_executor"), map[string]any{"command": lookAtLogs}),
					native(t, name("read_output"), map[string]any{"call": 1, "offset": 0}),
					native(t, name("submit_report"), reportInput(rootCause, 1, quote)),
				}}, tool, rec)
				assert.Equal(t, []string{lookAtLogs}, tool.ran())
				assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
				assert.Equal(t, investigation.Confirmed, rec.Report.Confidence)
				assert.Equal(t, "python_executor", rec.Rounds[0].Calls[0].Name)
				for _, request := range server.Requests() {
					assert.Empty(t, request.Problems)
					for _, message := range request.Request.Messages {
						for _, block := range message.Content {
							if block.ToolUse != nil {
								assert.Regexp(t, valid, block.ToolUse.Name)
								assert.Contains(t, []string{"python_executor", "read_output"}, block.ToolUse.Name, "the history has the real name")
							}
						}
					}
				}
			})
		}
	}
}

func TestToolName_RejectsOtherNames(t *testing.T) {
	for _, name := range []string{
		"not_python_executor_at_all", "python_executor_v2", "my_python_executor", "python_executors", "python", "executor", "python_executor2",
		"python_executor.delete", "python_executor.list_files", "python_executor/../bash", "bash", "python_executor bash", "submit_report_draft",
		"<|channel|>commentary", "functions", "functions.", "to=functions.bash", "python_executor.functions",
	} {
		t.Run(name, func(t *testing.T) {
			rec, tool := record("nothing"), &fakeTool{output: logLine}
			again := look(lookAtLogs)
			again.Expect = []string{`there is no tool .*; the tools are python_executor, .* and submit_report`}
			server := investigate(t, claude, model.Script{Steps: []model.Step{
				native(t, name, map[string]any{"command": "forbidden()"}), again, submit(rootCause, 1, quote),
			}}, tool, rec)
			assert.Equal(t, []string{lookAtLogs}, tool.ran())
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			for _, request := range server.Requests() {
				assert.Empty(t, request.Problems)
			}
		})
	}
}
