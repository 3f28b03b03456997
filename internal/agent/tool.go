package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// maxCallsPerRound is how many calls of one answer are executed.
const maxCallsPerRound = 16

// tools lists what the model may call in an investigation. Calls of one answer run in this order: code first, because a report may cite
// the code of its own answer. The list is part of the cached prefix and never changes within an investigation. To add
// a tool, write its value and its executor in a separate file and list it here.
var tools = []tool{pythonExecutor, readOutput, submitReport}

// tool is one tool that the model may call.
type tool struct {
	conversation.Tool // name, description, and schema, which the model sees
	executor
	aliases map[string]string // other names that models give the parameters, with the names in the schema
}

// executor is the behavior of a tool. It is an interface and not a function because behavior refers back to
// [tools], which Go would reject as an initialization cycle.
type executor interface {
	// execute runs the calls of one answer and returns an outcome for each of them, in the order of the calls.
	execute(ctx context.Context, r *run, round *investigation.Round, calls []conversation.Use) []outcome
}

// outcome is the result of one call.
type outcome struct {
	text     string // for the model
	failed   bool
	progress bool // the call advanced the investigation
	done     bool // the call ended the investigation
}

// oneByOne runs one call after another until one of them ends the investigation.
func oneByOne(calls []conversation.Use, execute func(input json.RawMessage) outcome) []outcome {
	outcomes := make([]outcome, len(calls))
	for i, call := range calls {
		if outcomes[i] = execute(call.Input); outcomes[i].done {
			break
		}
	}
	return outcomes
}

// runTools runs the calls of one answer and sends their outcomes to the model. done reports whether one of them
// ended the investigation.
func (r *run) runTools(
	ctx context.Context, round *investigation.Round, uses []conversation.Use, asText bool,
) (done bool) {
	outcomes := make([]outcome, len(uses))
	batches := map[string][]int{} // indexes of uses, by tool
	opened := make([]conversation.Use, len(uses))
	for i, use := range uses {
		opened[i] = use
		known, ok := r.task.offered(use.Name)
		if i >= maxCallsPerRound {
			text := fmt.Sprintf("not executed: at most %d calls in one answer", maxCallsPerRound)
			outcomes[i] = outcome{text: text, failed: true}
			continue
		}
		if !ok {
			outcomes[i] = outcome{text: r.unknownTool(use.Name), failed: true}
			continue
		}
		input, complaint := known.openInput(use.Input)
		if complaint != "" {
			outcomes[i] = outcome{text: complaint, failed: true}
			continue
		}
		opened[i].Input = input
		batches[use.Name] = append(batches[use.Name], i)
	}
	for _, tool := range r.task.tools {
		batch := batches[tool.Name]
		if len(batch) == 0 {
			continue
		}
		calls := make([]conversation.Use, len(batch))
		for n, i := range batch {
			calls[n] = opened[i]
		}
		for n, result := range tool.execute(ctx, r, round, calls) {
			outcomes[batch[n]] = result
		}
	}
	recordOther(round, uses, outcomes)
	r.keepOther(round.Other)
	return r.answerCalls(uses, outcomes, asText)
}

// maxRecorded limits the input and the answer of a call in [investigation.Round.Other], in bytes.
const maxRecorded = 64 << 10

// recordOther adds the calls that ran no Python to the round, so that the record is the whole conversation.
func recordOther(round *investigation.Round, uses []conversation.Use, outcomes []outcome) {
	for i, use := range uses {
		if !hasRun(round, use) {
			round.Other = append(round.Other, investigation.OtherCall{
				Name: use.Name, Input: truncate.Bytes(string(use.Input), maxRecorded), Answer: truncate.Bytes(outcomes[i].text, maxRecorded),
			})
		}
	}
}

// hasRun reports whether the round has the call as an execution of Python. One that was answered without it, such as after the
// model was asked to conclude, is not among them.
func hasRun(round *investigation.Round, use conversation.Use) bool {
	return use.Name == pythonName && slices.ContainsFunc(round.Calls, func(call investigation.ToolCall) bool {
		return call.ToolUseID == use.ID
	})
}

// answerCalls adds the outcomes to the conversation and counts an answer that advanced nothing as a strike.
func (r *run) answerCalls(uses []conversation.Use, outcomes []outcome, asText bool) (done bool) {
	progress := false
	results := make([]conversation.Result, len(uses))
	for i, o := range outcomes {
		results[i] = conversation.Result{ID: uses[i].ID, Text: o.text, Error: o.failed}
		progress = progress || o.progress
		done = done || o.done
	}
	if progress || done {
		r.state.Strikes = 0
	} else {
		r.state.Strikes++
	}
	if !asText {
		r.state.Talk.Answer(results)
		return done
	}
	for _, result := range results {
		r.state.Talk.Say(result.Text)
	}
	return done
}

// findTool returns the tool of that exact name, whatever the task.
func findTool(name string) (found tool, ok bool) {
	for _, tool := range allTools {
		if tool.Name == name {
			return tool, true
		}
	}
	return tool{}, false
}

// toolNames lists the names of tools.
func toolNames(tools []tool) []string {
	names := make([]string, len(tools))
	for i, tool := range tools {
		names[i] = tool.Name
	}
	return names
}

// properties returns the parameters in a tool's schema.
func (t tool) properties() map[string]any {
	properties, _ := t.Schema["properties"].(map[string]any)
	return properties
}

// required returns the names of the parameters that a call must have.
func (t tool) required() []string {
	required, _ := t.Schema["required"].([]string)
	return required
}

// onlyParameter returns the required parameter of a tool that has exactly one, or "".
func (t tool) onlyParameter() string {
	if required := t.required(); len(required) == 1 {
		return required[0]
	}
	return ""
}

// unreadable is the name in a [conversation.Use] for a call that was written as text and could not be parsed.
const unreadable = ""

// unknownTool answers a call that names no tool.
func (r *run) unknownTool(name string) string {
	if name != unreadable {
		names := toolNames(r.task.tools)
		last := len(names) - 1
		return fmt.Sprintf("there is no tool %q; the tools are %s and %s",
			name, strings.Join(names[:last], ", "), names[last])
	}
	correction := "Your answer contains the markup of a tool call that could not be read, so that call was not run."
	if !r.state.Talk.TextTools {
		correction += " Call the tools through the tool use interface instead of writing calls as text. " +
			"If you can only write text, use exactly this form:"
	} else {
		correction += " Use exactly this form, with valid JSON, as the last thing in your answer:"
	}
	return correction + "\n<tool_call>{\"name\": \"<tool>\", \"input\": {…}}</tool_call>"
}

// schema returns the JSON schema of an object. Its list of required properties may be empty, but is never null.
func schema(properties map[string]any, required ...string) map[string]any {
	return map[string]any{"type": "object", "properties": properties, "required": append([]string{}, required...)}
}

func text(description string) map[string]any {
	if description == "" {
		return map[string]any{"type": "string"}
	}
	return map[string]any{"type": "string", "description": description}
}

func integer(description string) map[string]any {
	return map[string]any{"type": "integer", "description": description}
}

func oneOf[T ~string](description string, values ...T) map[string]any {
	return map[string]any{"type": "string", "enum": values, "description": description}
}

func list(description string, items map[string]any) map[string]any {
	return map[string]any{"type": "array", "description": description, "items": items}
}
