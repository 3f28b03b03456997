package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// BenchmarkInvestigation replays investigations of 5, 15, and 40 rounds with the request rules of Claude and of Nova. It
// reports the number of requests, how many of them the service refused, the tokens that were sent, the tokens that the
// cache did not serve, and the time that the loop takes between rounds.
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

// replay runs one investigation of that many rounds and returns its requests.
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

// replayed sums up the requests of several replays.
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
