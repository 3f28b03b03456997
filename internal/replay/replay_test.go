package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/replay"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	nova   = "us.amazon.nova-2-lite-v1:0"
)

// client returns a client of a scripted model.
func client(t *testing.T, script model.Script) (*bedrockruntime.Client, *model.Server) {
	t.Helper()
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}), server
}

func prices(t *testing.T) pricing.Table {
	t.Helper()
	table, err := pricing.Parse("")
	require.NoError(t, err)
	return table
}

// printer answers code that prints a text with this text, as AWS answered it.
type printer struct{}

func (printer) Run(_ context.Context, request toolcall.Request) (toolcall.Answer, error) {
	if request.Command == "lost()" {
		return toolcall.Answer{}, &toolcall.LostError{Err: errors.New("the tool did not answer")}
	}
	output := "answer to a call: item count 12345678"
	return toolcall.Answer{Success: true, Output: output, Observed: &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{To: len(output)}}}}, nil
}

// recorded returns the stored record of an investigation by a scripted model.
func recorded(t *testing.T, script model.Script, models ...string) *investigation.Record {
	t.Helper()
	bedrock, _ := client(t, script)
	evidence := "errors began at 12:30 UTC"
	rec := &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: "0123456789ab", StartedAt: time.Date(2026, 8, 4, 12, 37, 0, 0, time.UTC),
		Alarm: alarmevent.Alarm{Name: "orders", ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders", Region: "us-east-1", Account: "123456789012", State: alarmevent.StateAlarm},
		Evidence: investigation.Evidence{Call: &investigation.ToolCall{Name: toolcall.Name, Command: "collect()", Answer: &toolcall.Answer{
			Success: true, Output: evidence, Observed: &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{To: len(evidence)}}},
		}}},
	}
	require.NoError(t, agent.Run(t.Context(), agent.Options{
		Limits: investigation.Limits{Log: slog.New(slog.DiscardHandler)}, Model: bedrock, Tool: printer{}, Models: models, Region: "us-east-1",
		MaxRounds: 20, MaxQueryCostUSD: 1, Prices: prices(t), Sleep: func(context.Context, time.Duration) error { return nil },
	}, rec, nil))
	raw, err := report.JSON(rec)
	require.NoError(t, err)
	stored := &investigation.Record{}
	require.NoError(t, json.Unmarshal(raw, stored))
	return stored
}

func options(t *testing.T) replay.Options {
	return replay.Options{MaxRounds: 20, MaxQueryCostUSD: 1, Prices: prices(t), Now: time.Now}
}

func look(commands ...string) model.Step {
	var step model.Step
	for _, command := range commands {
		step.Tools = append(step.Tools, model.ToolUse{Name: toolcall.Name, Input: map[string]any{"command": command}})
	}
	return step
}

func submit(cause string, call int, quote string) model.Step {
	return model.Step{Text: "I am done.", Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{
		"summary": cause, "root_cause": cause, "confidence": "confirmed", "severity": "low", "impact": "None.",
		"findings":          []any{map[string]any{"statement": cause, "confidence": "confirmed", "evidence": []any{map[string]any{"call": call, "quote": quote}}}},
		"immediate_actions": []any{map[string]any{"text": "Wait."}},
	}}}}
}

func TestRun_RecordedAnswersGiveTheSameReport(t *testing.T) {
	denied := model.Step{Error: &model.Error{Status: 403, Type: "AccessDeniedException", Message: "You don't have access to the model with the specified model ID."}}
	good := submit("Too many items.", 1, "item count 12345678")
	asText := model.Step{Text: "I look.\n<tool_call>{\"name\": \"python_executor\", \"input\": {\"command\": \"print(1)\"}}</tool_call>"}
	unknown, late := model.Step{Tools: []model.ToolUse{{Name: "bash", Input: map[string]any{}}}}, look("print(2)")
	late.Text = "One more look."
	for name, rec := range map[string]*investigation.Record{
		"code after the end": recorded(t, model.Script{Steps: []model.Step{look("print(1)"), unknown, unknown, unknown, late, late, good}}, claude),
		"plain":              recorded(t, model.Script{Steps: []model.Step{look("print(1)"), good}}, claude),
		"parallel and twice": recorded(t, model.Script{Steps: []model.Step{look("print(1)", "print(2)"), look("print(1)"), good}}, claude),
		"lost call":          recorded(t, model.Script{Steps: []model.Step{look("lost()", "print(2)"), submit("Too many.", 2, "item count 12345678")}}, claude),
		"asked to check":     recorded(t, model.Script{Steps: []model.Step{good, look("print(1)"), good}}, claude),
		"returned report":    recorded(t, model.Script{Steps: []model.Step{look("print(1)"), submit("Eve.", 1, "Eve did it"), good}}, claude),
		"never corrected":    recorded(t, model.Script{Steps: []model.Step{look("print(1)"), submit("Eve.", 1, "Eve did it")}, Loop: aws.Int(1)}, claude),
		"prose":              recorded(t, model.Script{Steps: []model.Step{look("print(1)"), {Text: "It is the pool."}}, Loop: aws.Int(1)}, claude),
		"calls as text":      recorded(t, model.Script{Steps: []model.Step{asText, good}}, nova),
		"unknown tool":       recorded(t, model.Script{Steps: []model.Step{{Tools: []model.ToolUse{{Name: "bash", Input: map[string]any{"command": "ls"}}}}, look("print(1)"), good}}, claude),
		"read_output":        recorded(t, model.Script{Steps: []model.Step{{Tools: []model.ToolUse{{Name: "read_output", Input: map[string]any{"call": 0, "offset": 3}}}}, look("print(1)"), good}}, claude),
		"another model": recorded(t, model.Script{Models: map[string]model.Script{
			claude: {Steps: []model.Step{denied}, Loop: new(int)}, nova: {Steps: []model.Step{look("print(1)"), good}},
		}}, claude, nova),
		"another model after a round": recorded(t, model.Script{Models: map[string]model.Script{
			claude: {Steps: []model.Step{look("print(1)"), denied}, Loop: aws.Int(1)}, nova: {Steps: []model.Step{look("print(2)"), good}},
		}}, claude, nova),
		"no model":   recorded(t, model.Script{Steps: []model.Step{look("print(1)"), denied}, Loop: aws.Int(1)}, claude),
		"the sample": sample(t),
	} {
		t.Run(name, func(t *testing.T) {
			before, err := json.Marshal(rec)
			require.NoError(t, err)
			replayed, missed, err := replay.Run(t.Context(), rec, options(t))
			require.NoError(t, err)
			assert.Empty(t, missed)
			want, err := json.Marshal(rec.Report)
			require.NoError(t, err)
			got, err := report.JSON(replayed)
			require.NoError(t, err)
			var stored investigation.Record
			require.NoError(t, json.Unmarshal(got, &stored))
			have, err := json.Marshal(stored.Report)
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(have))
			assert.Equal(t, rec.NotSeen, stored.NotSeen)
			for _, difference := range replay.Compare(rec, replayed) {
				assert.True(t, difference.Same, "%+v", difference)
			}
			after, err := json.Marshal(rec)
			require.NoError(t, err)
			assert.Equal(t, string(before), string(after), "the record stays the same")
		})
	}
}

func sample(t *testing.T) *investigation.Record {
	t.Helper()
	raw, err := os.ReadFile("../../docs/sample-report/report.json")
	require.NoError(t, err)
	rec := &investigation.Record{}
	require.NoError(t, json.Unmarshal(raw, rec))
	return rec
}

func TestRun_AnotherModelGetsRecordedAnswersOnly(t *testing.T) {
	rec := recorded(t, model.Script{Steps: []model.Step{look("print(1)"), submit("Too many items.", 1, "item count 12345678")}}, claude)
	o := options(t)
	bedrock, server := client(t, model.Script{Steps: []model.Step{
		look("print(1)", "boto3.client('s3')"),
		func() model.Step {
			step := submit("Eve did it.", 2, "item count 12345678")
			step.Expect = []string{"item count 12345678", "not recorded: this is a replay without AWS"}
			return step
		}(),
		submit("Too many items, says another model.", 1, "item count 12345678"),
	}})
	o.Model, o.Models, o.Region = bedrock, []string{nova}, "us-east-1"
	replayed, missed, err := replay.Run(t.Context(), rec, o)
	require.NoError(t, err)
	for _, request := range server.Requests() {
		assert.Empty(t, request.Problems)
	}
	assert.Equal(t, []string{"boto3.client('s3')"}, missed)
	assert.Equal(t, "Too many items, says another model.", replayed.Report.RootCause)
	assert.Equal(t, investigation.Confirmed, replayed.Report.Confidence)
	same := map[string]bool{}
	for _, difference := range replay.Compare(rec, replayed) {
		same[difference.Name] = difference.Same
	}
	assert.Equal(t, map[string]bool{
		"outcome": true, "model": false, "root cause": false, "confidence": true, "severity": true, "verified findings": true,
		"rounds": false, "tool calls": false, "tokens": false, "cost": false,
	}, same)
}

// The model must know whose account plain clients read, as in the recorded investigation.
func TestRun_AlarmOfAMemberStaysOne(t *testing.T) {
	rec := recorded(t, model.Script{Steps: []model.Step{look("print(1)"), submit("Too many items.", 1, "item count 12345678")}}, claude)
	rec.MemberOf = "444455556666"
	o := options(t)
	first := look("print(1)")
	first.Expect = []string{"is a member of the triage, which runs in account 444455556666"}
	bedrock, server := client(t, model.Script{Steps: []model.Step{first, submit("Too many items.", 1, "item count 12345678")}})
	o.Model, o.Models, o.Region = bedrock, []string{nova}, "us-east-1"
	replayed, _, err := replay.Run(t.Context(), rec, o)
	require.NoError(t, err)
	for _, request := range server.Requests() {
		assert.Empty(t, request.Problems)
	}
	assert.Equal(t, rec.MemberOf, replayed.MemberOf)
}

// The record has no time limit, so the replay does not ask the model to conclude.
func TestRun_CodeAfterTheEndOfTheTimeIsRecorded(t *testing.T) {
	rec := recorded(t, model.Script{Steps: []model.Step{look("print(1)"), submit("Too many items.", 1, "item count 12345678")}}, claude)
	late := investigation.Round{Model: claude, StopReason: "tool_use", Other: []investigation.OtherCall{{
		Name: toolcall.Name, Input: `{"command": "print(2)"}`, Answer: "not executed: the time is over; call submit_report now",
	}}}
	rec.Rounds = slices.Insert(rec.Rounds, 1, late)
	replayed, missed, err := replay.Run(t.Context(), rec, options(t))
	require.NoError(t, err)
	assert.Empty(t, missed)
	assert.Equal(t, late.Other[0].Answer, replayed.Call(2).Problem)
	assert.Equal(t, "Too many items.", replayed.Report.RootCause)
}

func TestRun_RecordWithoutRoundsNeedsAModel(t *testing.T) {
	rec := sample(t)
	rec.Rounds = nil
	_, _, err := replay.Run(t.Context(), rec, options(t))
	assert.ErrorContains(t, err, "no answer of a model")
}
