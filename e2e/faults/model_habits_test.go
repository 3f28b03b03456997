package faults_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// answered returns a row whose model first gives unusual answers and then investigates. The report must name the
// cause nevertheless.
func answered(name, modelID string, unusual ...model.Step) row {
	return row{name: name, wantCause: true, options: options{
		env: map[string]string{config.EnvModelID: modelID}, script: script(append(unusual, look("print(1)"), submit())...),
	}}
}

func httpAnswer(status int, contentType, body string) model.Step {
	return model.Step{HTTP: &model.HTTP{Status: status, ContentType: contentType, Body: body}}
}

// transportRows returns rows with answers of a proxy or a load balancer, and with incomplete answers.
func transportRows() []row {
	const nova, page = "us.amazon.nova-2-lite-v1:0", "<html><body>Bad Gateway</body></html>"
	truncated := model.Step{HTTP: &model.HTTP{Status: 200, ContentType: "application/json", Body: `{"output": {"mess`}}
	short := model.Step{HTTP: &model.HTTP{Status: 200, ContentType: "application/json", Body: `{"output"`, MissingBytes: 400}}
	return []row{
		answered("503 without a type", nova, model.Step{Error: &model.Error{Type: "ServiceUnavailableException", Message: "Service Unavailable", Untyped: true}}),
		answered("429 without a type", nova, model.Step{Error: &model.Error{Type: "ThrottlingException", Message: "Too many requests", Untyped: true}}),
		answered("502 with an HTML page", nova, httpAnswer(502, "text/html", page)),
		answered("503 without a body", nova, httpAnswer(503, "", "")),
		answered("529 overloaded", nova, httpAnswer(529, "application/json", `{"error":{"type":"overloaded_error"}}`)),
		answered("200 with truncated JSON", nova, truncated),
		answered("200 shorter than its length", nova, short),
		{name: "502 with an HTML page every time", options: options{lifetime: 8 * time.Second, script: forever(httpAnswer(502, "text/html", page))},
			wantText: []string{"needs a human", "HTTP status 502", "AWS Health Dashboard"}},
	}
}

// habitRows returns rows with the typical behavior and errors of one family of models.
func habitRows() []row {
	const sonnet, nova = "us.anthropic.claude-sonnet-5-5", "us.amazon.nova-2-lite-v1:0"
	refused := func(message string) model.Step { return failing("ValidationException", message) }
	text := func(call string) model.Step { return model.Step{Text: call} }
	thought := look("print(0)")
	thought.Reasoning = &model.Reasoning{Text: "The role first.", Signature: "c2lnbmF0dXJl"}
	written, err := json.Marshal(submit().Tools[0].Input)
	if err != nil {
		panic(err)
	}
	return []row{
		answered("Nova's error for a full context window", nova, look("print(0)"), look("print(2)"),
			refused("Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.")),
		answered("a limit on output tokens", sonnet, refused("max_tokens: 32768 > 8192, which is the maximum allowed number of output tokens")),
		{name: "no system prompt", wantCause: true, options: options{script: model.Script{RejectSystem: true, Steps: []model.Step{look("print(1)"), submit()}}}},
		answered("no effort", sonnet, refused("output_config: Extra inputs are not permitted")),
		answered("reasoning bound to another conversation", sonnet, thought, refused("messages.1.content.0: `signature` in `thinking` block is bound to a different conversation")),
		answered("thinking that leaves no room for an answer", sonnet, model.Step{Text: "…", ThinkTokens: 40_000}),
		answered("thinking tags before the call", nova, model.Step{Text: "<thinking>The pool, I think.</thinking>", Tools: look("print(1)").Tools}),
		answered("a channel token in the tool's name", nova, model.Step{Tools: []model.ToolUse{{Name: "python_executor<|channel|>commentary", Input: map[string]any{"command": "print(1)"}}}}),
		answered("an invoke block as text", nova, text("<invoke name=\"python_executor\"><parameter name=\"command\">print(1)</parameter></invoke>")),
		{name: "a report written as a call in text", wantCause: true, options: options{script: script(look("print(1)"),
			text("<tool_call>{\"name\": \"submit_report\", \"arguments\": "+string(written)+"}</tool_call>"))}},
		{name: "only call markup", options: options{script: forever(text("<tool_call><function=submit_report>"))}, wantText: []string{"needs a human"}},
		{name: "only a refusal in prose", options: options{script: forever(text("I can't help with this."))}, wantText: []string{"needs a human", "refused to investigate"}},
	}
}

func TestModel_TransportErrorsAreRetried(t *testing.T)       { run(t, transportRows()) }
func TestModel_HabitsOfEachFamilyLeadToAReport(t *testing.T) { run(t, habitRows()) }
