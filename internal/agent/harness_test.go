package agent_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	nova   = "us.amazon.nova-2-lite-v1:0"
	claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
)

// fakeTool answers every command with the same output and records the commands.
type fakeTool struct {
	output string
	change func(*toolcall.Answer) // of the answer; may be nil

	mu       sync.Mutex
	commands []string
	limits   []float64                                                    // for billed queries, by command
	answer   func(command string, limit float64) (toolcall.Answer, error) // nil: output
}

func (f *fakeTool) Run(_ context.Context, request toolcall.Request) (toolcall.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, request.Command)
	f.limits = append(f.limits, *request.QueryLimitUSD)
	if f.answer != nil {
		return f.answer(request.Command, *request.QueryLimitUSD)
	}
	answer := toolcall.Answer{
		Success: true, Output: f.output, Stdout: f.output, Notes: []string{}, AWSCalls: []toolcall.AWSCall{}, Observed: answered(f.output),
	}
	if f.change != nil {
		f.change(&answer)
	}
	return answer, nil
}

// answered describes an output all of which AWS answered.
func answered(output string) *toolcall.Observed {
	return &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{To: len(output)}}}
}

func (f *fakeTool) ran() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...)
}

// investigate runs an investigation of rec by the scripted model, through the SDK's own client.
func investigate(t testing.TB, modelID string, script model.Script, tool *fakeTool, rec *investigation.Record) *model.Server {
	t.Helper()
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	client := bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	prices, err := pricing.Parse("")
	require.NoError(t, err)
	require.NoError(t, agent.Run(t.Context(), agent.Options{
		Model: client, Tool: tool, Models: []string{modelID}, MaxRounds: 100, Prices: prices,
		Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour), Log: slog.New(slog.DiscardHandler)},
		Sleep:  func(context.Context, time.Duration) error { return nil },
	}, rec, nil))
	return server
}

// record returns an investigation whose evidence has this output.
func record(evidence string) *investigation.Record {
	return &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: "0123456789ab",
		Alarm: alarmevent.Alarm{
			Name: "orders-errors", ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-errors", Account: "123456789012",
			Region: "us-east-1", Kind: alarmevent.KindMetric, State: alarmevent.StateAlarm, Reason: "Threshold Crossed",
			Time: time.Date(2026, 8, 4, 12, 36, 15, 0, time.UTC),
		},
		Evidence: investigation.Evidence{Call: &investigation.ToolCall{
			Name: toolcall.Name, Command: "collect()", Answer: &toolcall.Answer{Success: true, Output: evidence, Observed: answered(evidence)},
		}},
	}
}

func look(commands ...string) model.Step {
	var step model.Step
	for _, command := range commands {
		step.Tools = append(step.Tools, model.ToolUse{Name: toolcall.Name, Input: map[string]any{"command": command}})
	}
	return step
}

// submit returns a step that submits a confirmed cause with one finding that cites the quote.
func submit(rootCause string, call int, quote string) model.Step {
	return model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: reportInput(rootCause, call, quote)}}}
}

func reportInput(rootCause string, call int, quote string) map[string]any {
	return map[string]any{
		"summary": "Orders: " + rootCause, "root_cause": rootCause, "confidence": "confirmed", "severity": "low", "impact": "None.",
		"findings": []any{map[string]any{
			"statement": rootCause, "confidence": "confirmed", "evidence": []any{map[string]any{"call": call, "quote": quote}},
		}},
		"immediate_actions": []any{map[string]any{"text": "Do what the evidence says."}},
	}
}

func forever(steps ...model.Step) model.Script {
	last := len(steps) - 1
	return model.Script{Steps: steps, Loop: &last}
}

func asJSON(t testing.TB, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	return string(raw)
}
