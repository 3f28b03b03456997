// Package faults_test runs the real orchestrator on the local stand-ins and makes everything around it fail.
// Each fault must end in a notification, a stored report, and a settled or freed claim, or in a failed
// invocation that Lambda retries.
package faults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const cause = "The orders role lost dynamodb:GetItem."

// look returns a step in which the model runs code.
func look(command string) model.Step {
	return model.Step{Tools: []model.ToolUse{{Name: "python_executor", Input: map[string]any{"command": command}}}}
}

// submit returns the step in which the model submits its report. The quote occurs in the stub tool's answer.
func submit() model.Step {
	return model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{
		"summary": "Orders fail.", "root_cause": cause, "confidence": "confirmed", "severity": "high", "impact": "No orders.",
		"findings": []any{map[string]any{
			"statement": "The function is denied.", "confidence": "confirmed",
			"evidence": []any{map[string]any{"call": 1, "quote": "orders-role may not dynamodb:GetItem"}},
		}},
		"immediate_actions": []any{map[string]any{"text": "Give the grant back."}},
		"prevention":        []any{"Review role changes."}, "monitoring": []any{"Alarm on AccessDenied."}, "not_seen": []any{},
	}}}}
}

// failing returns a step in which the service returns an error.
func failing(kind, message string) model.Step {
	return model.Step{Error: &model.Error{Type: kind, Message: message}}
}

func script(steps ...model.Step) model.Script { return model.Script{Steps: steps} }

// forever returns a script that repeats the last step.
func forever(steps ...model.Step) model.Script {
	last := len(steps) - 1
	return model.Script{Steps: steps, Loop: &last}
}

// row is one fault and its expected result.
type row struct {
	name    string
	options options
	breakIt func(w *world)

	wantCause    bool     // the notification names the model's root cause
	wantText     []string // the notification contains these texts; case is ignored
	wantMessages int      // number of notifications; default 1; -1: none
	wantNoReport bool
	wantClaim    string // default done
	wantFailed   bool   // the event ends in the on-failure destination
}

// eachAttempt is the number of notifications if each attempt sends one. Without table and bucket, no attempt
// knows what the earlier ones sent, and a repeated notification is better than none.
const eachAttempt = 3

// Bedrock's messages for models that the account cannot use.
const (
	endOfLife     = "This model version has reached the end of its life. Please refer to the AWS documentation for more details."
	legacy        = "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days. Please upgrade to an active model on Amazon Bedrock"
	formMissing   = "Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model. If you have already filled out the form, try again in 15 minutes."
	notSubscribed = "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."
)

// unavailable lists models that cannot be asked, with the text that the engineer reads about each.
var unavailable = []struct {
	name string
	step model.Step
	text string
}{
	{"retired", failing("ResourceNotFoundException", endOfLife), "Bedrock no longer serves this model version"},
	{"legacy", failing("ResourceNotFoundException", legacy), "close to its end of life"},
	{"without the use case form", failing("ResourceNotFoundException", formMissing), "requires a use case form"},
	{"without a subscription", failing("AccessDeniedException", notSubscribed), "no AWS Marketplace subscription"},
	{"out of its daily quota", failing("ThrottlingException", "Too many tokens per day, please wait before trying again."), "daily quota"},
	{"not in the Region", failing("ValidationException", "The provided model identifier is invalid."), "not offered under this ID in this Region"},
	{"without a profile", failing("ValidationException", "Invocation of model ID anthropic.claude-sonnet-5-5 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."), "inference profile"},
	{"denied by policy", failing("AccessDeniedException", accessDenied), "lacks the grant for bedrock:InvokeModel"},
	{"declining", model.Step{Text: "I can't help with this.", StopReason: "refusal"}, "declined to answer"},
}

// unavailableRows returns two rows for each unavailable model: one in which it is the only model, and one in
// which another model continues.
func unavailableRows() []row {
	var rows []row
	for _, u := range unavailable {
		rows = append(rows,
			row{name: "only model: " + u.name, options: options{script: forever(u.step)}, wantText: []string{"needs a human", u.text}},
			row{name: "first model: " + u.name, wantCause: true, wantText: []string{u.text, "Model: us.amazon.nova-lite-v1:0"}, options: options{
				env: map[string]string{config.EnvFallbackModelIDs: "us.amazon.nova-lite-v1:0"}, script: script(u.step, look("print(1)"), submit()),
			}})
	}
	return rows
}

const accessDenied = "User: arn:aws:sts::123456789012:assumed-role/triage/f is not authorized to perform: bedrock:InvokeModel on resource: " +
	"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0 because no identity-based policy allows the bedrock:InvokeModel action"

const deniedBySCP = "User: arn:aws:sts::123456789012:assumed-role/triage/f is not authorized to perform: bedrock:InvokeModel on resource: " +
	"arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-2-lite-v1:0 with an explicit deny in a service control policy"

func modelRows() []row {
	answered := func(name string, first ...model.Step) row {
		return row{name: name, wantCause: true, options: options{script: script(append(first, look("print(1)"), submit())...)}}
	}
	return []row{
		answered("no fault"),
		answered("throttled twice", failing("ThrottlingException", "Too many tokens, please wait"), failing("ThrottlingException", "")),
		answered("timed out once", failing("ModelTimeoutException", "")),
		answered("unavailable once", failing("ServiceUnavailableException", "")),
		answered("internal error once", failing("InternalServerException", "")),
		answered("not ready once", failing("ModelNotReadyException", "")),
		answered("connection reset once", model.Step{Reset: true}),
		answered("malformed tool use", model.Step{StopReason: "malformed_tool_use", Text: "oops"}),
		answered("malformed output", model.Step{StopReason: "malformed_model_output", Text: "oops"}),
		answered("unknown tool", model.Step{Tools: []model.ToolUse{{Name: "bash", Input: map[string]any{"command": "ls"}}}}),
		answered("blank content", model.Step{Content: []byte(`[{"text": " \n"}]`), StopReason: "end_turn"}),
		answered("no content", model.Step{Content: []byte(`[]`), StopReason: "end_turn"}),
		answered("stop reason max_tokens", model.Step{Text: "I was about to", StopReason: "max_tokens"}),
		answered("answer without any tool call", model.Step{Text: "Probably the network."}),
		{name: "always throttled", options: options{lifetime: 8 * time.Second, script: forever(failing("ThrottlingException", "Too many requests"))},
			wantText: []string{"throttl"}},
		{name: "always unavailable", options: options{lifetime: 8 * time.Second, script: forever(failing("ServiceUnavailableException", ""))},
			wantText: []string{"ServiceUnavailable"}},
		{name: "connection always reset", options: options{lifetime: 8 * time.Second, script: forever(model.Step{Reset: true})},
			wantText: []string{"could not be asked"}},
		{name: "no answer", options: options{lifetime: 12 * time.Second, script: forever(model.Step{Text: "late", DelayMS: 60000})},
			wantText: []string{"time"}},
		{name: "access denied", options: options{script: forever(failing("AccessDeniedException", accessDenied))},
			wantText: []string{"bedrock:InvokeModel"}},
		{name: "denied by a service control policy in another Region", options: options{script: forever(failing("AccessDeniedException", deniedBySCP))},
			wantText: []string{"service control policy", "us-west-2"}},
		{name: "not in the Region", options: options{script: forever(failing("ResourceNotFoundException", "Could not resolve the foundation model"))},
			wantText: []string{"us.amazon.nova-2-lite-v1:0"}},
		{name: "invalid model id", options: options{script: forever(failing("ValidationException", "The provided model identifier is invalid."))},
			wantText: []string{"model identifier is invalid"}},
		{name: "quota exceeded", options: options{script: forever(failing("ServiceQuotaExceededException", "quota"))},
			wantText: []string{"quota"}},
		{name: "guardrail", options: options{script: forever(look("print(1)"), model.Step{StopReason: "guardrail_intervened", Text: "Blocked."})},
			wantText: []string{"guardrail"}},
		{name: "content filter", options: options{script: forever(look("print(1)"), model.Step{StopReason: "content_filtered", Text: "Blocked."})},
			wantText: []string{"filter"}},
		{name: "context window exceeded", options: options{script: forever(look("print(1)"), model.Step{StopReason: "model_context_window_exceeded", Text: "x"})},
			wantText: []string{"outcome"}},
		{name: "100 rounds used", options: options{lifetime: 60 * time.Second, script: forever(look("print(1)"))}, wantText: []string{"round"}},
		{name: "token budget used", options: options{env: map[string]string{config.EnvMaxTokens: "20000"}, script: forever(model.Step{
			Tools: look("print(1)").Tools, Usage: &model.Usage{InputTokens: 9000, OutputTokens: 100, TotalTokens: 9100}})}, wantText: []string{"20000 tokens"}},
		{name: "cost budget used", options: options{env: map[string]string{config.EnvMaxCostUSD: "0.05"}, script: forever(model.Step{
			Tools: look("print(1)").Tools, Usage: &model.Usage{InputTokens: 9000, OutputTokens: 100, TotalTokens: 9100}})}, wantText: []string{"$0.05"}},
	}
}

func toolRows() []row {
	looks := script(look("print(1)"), look("print(2)"), submit())
	return []row{
		{name: "the tool crashes", options: options{tool: "crash", script: looks}, wantText: []string{"crashed"}},
		{name: "the tool times out", options: options{tool: "hang", script: looks}, wantText: []string{"timed out"}},
		{name: "the tool's answer is too large", options: options{tool: "flood", script: looks}, wantText: []string{"6 MB"}},
		{name: "the tool always crashes", options: options{tool: "always crash", script: looks}, wantText: []string{"crashed"}},
		{name: "the tool is throttled", options: options{lifetime: 40 * time.Second, script: looks}, wantText: []string{"throttled"},
			breakIt: func(w *world) { w.tools.fail(throttled, -1) }},
		{name: "the tool may not be invoked", options: options{script: looks}, wantText: []string{"AccessDenied"},
			breakIt: func(w *world) { w.tools.fail(denied, -1) }},
	}
}

func serviceRows() []row {
	works := func() options {
		return options{lifetime: 20 * time.Second, script: forever(look("print(1)"), submit())}
	}
	var rows []row
	for _, how := range []mode{reset, broken, denied, hanging} {
		permanent := func(name string, breakIt func(w *world), r row) row {
			r.name, r.options, r.breakIt = fmt.Sprintf("%s %s", name, how), works(), breakIt
			if how == hanging {
				r.options.noRetries = true // one attempt is enough, and each takes its whole timeout
				r.wantMessages = min(r.wantMessages, 1)
			}
			return r
		}
		rows = append(rows,
			permanent("S3", func(w *world) { w.s3.fail(how, -1) },
				row{wantCause: true, wantText: []string{"could not be stored"}, wantNoReport: true, wantClaim: "freed", wantFailed: true}),
			permanent("SNS", func(w *world) { w.sns.fail(how, -1) },
				row{wantMessages: -1, wantClaim: "freed", wantFailed: true}),
			permanent("DynamoDB", func(w *world) { w.dynamodb.fail(how, -1) },
				row{wantCause: true, wantClaim: "none"}),
			permanent("S3 and SNS", func(w *world) { w.s3.fail(how, -1); w.sns.fail(how, -1) },
				row{wantMessages: -1, wantNoReport: true, wantClaim: "freed", wantFailed: true}),
			permanent("SNS and DynamoDB", func(w *world) { w.sns.fail(how, -1); w.dynamodb.fail(how, -1) },
				row{wantMessages: -1, wantClaim: "none", wantFailed: true}),
			permanent("S3 and DynamoDB", func(w *world) { w.s3.fail(how, -1); w.dynamodb.fail(how, -1) },
				row{wantCause: true, wantText: []string{"could not be stored"}, wantMessages: eachAttempt, wantNoReport: true, wantClaim: "none", wantFailed: true}),
			permanent("S3, SNS, and DynamoDB", func(w *world) {
				for _, p := range []*proxy{w.s3, w.sns, w.dynamodb} {
					p.fail(how, -1)
				}
			}, row{wantMessages: -1, wantNoReport: true, wantClaim: "none", wantFailed: true}),
		)
	}
	temporary := func(name string, breakIt func(w *world)) row {
		return row{name: name, options: works(), breakIt: breakIt, wantCause: true}
	}
	return append(rows,
		temporary("S3 fails for a while", func(w *world) { w.s3.fail(reset, 12) }),
		temporary("SNS fails for a while", func(w *world) { w.sns.fail(broken, 6) }),
		temporary("DynamoDB fails for a while", func(w *world) { w.dynamodb.fail(throttled, 3) }),
		temporary("S3, SNS, and DynamoDB fail for a while", func(w *world) {
			w.s3.fail(broken, 12)
			w.sns.fail(broken, 6)
			w.dynamodb.fail(broken, 3)
		}),
		temporary("all services are slow", func(w *world) {
			for _, p := range []*proxy{w.s3, w.sns, w.dynamodb} {
				p.slow = 300 * time.Millisecond
			}
		}),
	)
}

func run(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, r.options)
			if r.breakIt != nil {
				r.breakIt(w)
			}
			w.fire(event("orders", 1))
			r.check(t, w)
			if t.Failed() {
				t.Log(w.log)
			}
		})
	}
}

// unwrapped returns a text without the line breaks that limit the length of its lines.
func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }

func (r row) check(t *testing.T, w *world) {
	t.Helper()
	inbox, reports := w.inbox(), w.reports()
	switch {
	case r.wantMessages < 0:
		assert.Empty(t, inbox)
	default:
		require.Len(t, inbox, max(r.wantMessages, 1), "notifications")
		body := inbox[0].Body
		assert.Contains(t, inbox[0].Subject, "orders")
		assert.Contains(t, body, "orders")
		if r.wantCause {
			assert.Contains(t, body, cause)
		}
		for _, text := range r.wantText {
			assert.Contains(t, strings.ToLower(unwrapped(body)), strings.ToLower(text))
		}
	}
	if r.wantNoReport {
		assert.Empty(t, reports)
	} else {
		assert.Len(t, reports, 1, "the report is stored once")
	}
	want := map[string]string{"": "done", "none": ""}[r.wantClaim]
	if r.wantClaim != "" && r.wantClaim != "none" {
		want = r.wantClaim
	}
	assert.Equal(t, want, w.claim(alarmARNPrefix+"orders"))
	if r.wantFailed {
		assert.Len(t, w.host.Failed(), 1, "the event is in the on-failure destination")
	} else {
		assert.Empty(t, w.host.Failed())
	}
}

func TestUnavailableModels_AreReportedWithTheirRemedy(t *testing.T) {
	run(t, unavailableRows())
}

func TestModelFaults_EndInANotification(t *testing.T)                 { run(t, modelRows()) }
func TestToolFaults_EndInANotification(t *testing.T)                  { run(t, toolRows()) }
func TestServiceFaults_EndInANotificationOrAFailedEvent(t *testing.T) { run(t, serviceRows()) }
