package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
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

// fakeTool answers every command with the same output, and keeps the commands.
type fakeTool struct {
	output string

	mu       sync.Mutex
	commands []string
}

func (f *fakeTool) Run(_ context.Context, command string) (toolcall.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, command)
	return toolcall.Answer{Success: true, Output: f.output, Stdout: f.output, Notes: []string{}, AWSCalls: []toolcall.AWSCall{}}, nil
}

func (f *fakeTool) ran() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...)
}

// investigate lets the scripted model investigate rec through the SDK's own client.
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

// record is an investigation that has its evidence, with this output.
func record(evidence string) *investigation.Record {
	return &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: "0123456789ab",
		Alarm: alarmevent.Alarm{
			Name: "orders-errors", ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-errors", Account: "123456789012",
			Region: "us-east-1", Kind: alarmevent.KindMetric, State: alarmevent.StateAlarm, Reason: "Threshold Crossed",
			Time: time.Date(2026, 8, 4, 12, 36, 15, 0, time.UTC),
		},
		Evidence: investigation.Evidence{Call: &investigation.ToolCall{
			Name: toolcall.Name, Command: "collect()", Answer: &toolcall.Answer{Success: true, Output: evidence},
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

// submit concludes, sure of itself, with one finding that cites this quote.
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

// BenchmarkInvestigation replays investigations of 5, 15 and 40 rounds under the rules of Claude and of Nova. It
// reports what they cost: requests, those of them that the service refused, tokens sent, the part of them that
// the cache did not serve, and what the loop itself takes between rounds.
func BenchmarkInvestigation(b *testing.B) {
	for _, modelID := range []string{"us.anthropic.claude-sonnet-5-5", "us.amazon.nova-2-lite-v1:0"} {
		for _, rounds := range []int{5, 15, 40} {
			b.Run(fmt.Sprintf("%s/%d rounds", modelID, rounds), func(b *testing.B) {
				var total replayed
				for b.Loop() {
					total.add(replay(b, modelID, rounds))
				}
				total.report(b)
			})
		}
	}
}

// replay is one investigation of so many rounds, and the requests that it made.
func replay(b *testing.B, modelID string, rounds int) []model.Recorded {
	b.Helper()
	steps := make([]model.Step, 0, rounds)
	for i := range rounds - 1 {
		steps = append(steps, look(fmt.Sprintf("print(boto3.client('logs').filter_log_events(startTime=%d))", i)))
	}
	steps = append(steps, submit("the role lost dynamodb:GetItem", 1, "AccessDeniedException on GetItem"))
	tool := &fakeTool{output: strings.Repeat("2026-08-04T12:36:00Z ERROR AccessDeniedException on GetItem by orders-role\n", 40)}
	rec := record(strings.Repeat("[1785844560, 4.0], ", 400))
	server := investigate(b, modelID, model.Script{Steps: steps}, tool, rec)
	require.Equal(b, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	return server.Requests()
}

// replayed sums up replays.
type replayed struct {
	requests, refused, sent, uncached float64
	between                           time.Duration
	gaps                              int
}

func (r *replayed) add(requests []model.Recorded) {
	r.requests += float64(len(requests))
	for i, request := range requests {
		use := request.Usage
		r.sent += float64(use.InputTokens + use.CacheReadInputTokens + use.CacheWriteInputTokens)
		r.uncached += float64(use.InputTokens + use.CacheWriteInputTokens)
		if request.Status != 200 {
			r.refused++
		}
		if i > 0 {
			r.between += request.At.Sub(requests[i-1].Done)
			r.gaps++
		}
	}
}

func (r *replayed) report(b *testing.B) {
	n := float64(b.N)
	b.ReportMetric(r.requests/n, "requests")
	b.ReportMetric(r.refused/n, "refused")
	b.ReportMetric(r.sent/n, "tokens-sent")
	b.ReportMetric(r.uncached/n, "tokens-uncached")
	b.ReportMetric(100*(1-r.uncached/r.sent), "%-from-cache")
	b.ReportMetric(float64(r.between.Microseconds())/float64(r.gaps)/1000, "ms-between-rounds")
}

func asJSON(t testing.TB, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	return string(raw)
}
