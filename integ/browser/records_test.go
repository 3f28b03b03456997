package browser

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// fallback returns the record of an investigation whose model could not be asked.
func fallback(t *testing.T) *investigation.Record {
	rec := sample(t)
	rec.Outcome, rec.Report, rec.Rounds = investigation.OutcomeFallback, investigation.Report{}, nil
	rec.OutcomeWhy = "AccessDeniedException: you don't have access to the model us.amazon.nova-2-lite-v1:0. Request access to it in the Amazon Bedrock console, in this Region, or set BedrockModelId to a model that you have access to."
	rec.Usage = investigation.Usage{}
	return rec
}

// busy returns a long investigation of a composite alarm with everything that a report can contain: big outputs, many
// AWS calls, several metrics, other alarms, a lowered confidence, and refused calls.
func busy(t *testing.T, rounds int) *investigation.Record {
	rec := sample(t)
	rec.Alarm.Name = "prod-checkout-eu-central-1/availability (composite): p99 latency or 5XX errors of checkout-api behind alb/prod-public"
	rec.Alarm.Kind = "composite"
	rec.Outcome = investigation.OutcomeConcluded
	rec.OutcomeWhy = "The function was about to time out, so the model was asked to conclude."
	r := &rec.Report
	r.Severity, r.Confidence = investigation.SeverityCritical, investigation.Likely
	r.Downgraded = "the model called the cause confirmed, and 2 of its 5 findings are unverified"
	r.Findings = append(r.Findings,
		investigation.Finding{Statement: "The connection pool of `checkout-api` was exhausted at the same time.", Confidence: investigation.Likely, Time: rec.Alarm.Time.Add(-3 * time.Minute),
			Problem: "quote not found in the output of tool call 2", Evidence: []investigation.Citation{{Call: 2, Quote: "pool size 10, in use 10, waiting 213"}}},
		investigation.Finding{Statement: "Nobody deployed anything in the hour before.", Confidence: investigation.Unknown, Problem: "no evidence is cited"})
	r.RuledOut = append(r.RuledOut,
		investigation.Refuted{Hypothesis: "`prod-checkout-orders` throttles its readers.", Reason: "It is on demand, and no request was throttled.", Verified: true,
			Evidence: []investigation.Citation{{Call: 1, Quote: "12 error lines in the last hour", Found: true, Source: investigation.SourceComputed}}},
		investigation.Refuted{Hypothesis: "The payment provider rejects **every** call to https://payments.internal:8443/v2/" + strings.Repeat("a", 120), Problem: "no evidence is cited"})
	r.FreeText = "## What I would do next\n- Compare `ConsumedReadCapacityUnits` with the **week before**.\n- Ask the team of the payment provider.\n```\naws cloudwatch get-metric-data --region eu-central-1 --metric-data-queries file://queries.json\n```"
	rec.NotSeen = []investigation.NotSeen{{What: "s3:GetObject of arn:aws:s3:::prod-checkout-config/feature-flags.json", Why: "refused: the tool reads no content of objects", Call: 4}}
	rec.Together = []investigation.Related{{Name: "prod-checkout-5xx", State: "ALARM", Since: rec.Alarm.Time.Add(-time.Minute), Reason: "Threshold Crossed: 2 datapoints [41.0, 37.0] were greater than the threshold (10.0)."}}
	rec.SeenBefore = []investigation.Past{
		{ID: "1", Time: rec.Alarm.Time.AddDate(0, 0, -6), Outcome: investigation.OutcomeCompleted, Cause: "The same policy was changed by hand.", ReportURI: "s3://reports-bucket/reports/2026/01/09/031200-x.txt",
			Feedback: &investigation.Feedback{Verdict: investigation.FeedbackRight, Cause: "Sam changed it to test the backup.", By: "the engineer on call"}},
		{ID: "2", Time: rec.Alarm.Time.AddDate(0, -2, 0), Outcome: investigation.OutcomeFallback, ReportURI: "s3://reports-bucket/reports/2025/11/15/x"},
	}
	for i := range 30 {
		rec.Evidence.Changes = append(rec.Evidence.Changes, investigation.Change{Time: rec.Alarm.Time.Add(-time.Duration(i) * 7 * time.Minute), Event: "UpdateFunctionConfiguration20150331v2",
			Source: "lambda.amazonaws.com", User: "someone.with.a.name@department.example.com", Resources: []string{fmt.Sprintf("checkout-worker-%d", i)}})
	}
	rec.Evidence.Series = append(rec.Evidence.Series, latency(rec.Alarm.Time))
	for i := range 40 {
		rec.Evidence.Seen = append(rec.Evidence.Seen, investigation.Observation{About: "ECS service prod-checkout checkout-api", Topic: "health", Weight: 90 - i,
			Text: "1 of 6 desired tasks are running and 5 are pending; container web: exit code 137 OutOfMemoryError: Container killed due to memory usage"})
	}
	rec.Evidence.Missing = []string{"changes: of the 3 hours before the alarm, CloudTrail was read back to 2026-01-15T02:12:00Z only (400 write events)"}
	for n := len(rec.Rounds); n < rounds; n++ {
		rec.Rounds = append(rec.Rounds, bigRound(rec, n+1))
	}
	last := &rec.Rounds[len(rec.Rounds)-1]
	last.Other = append(last.Other, investigation.OtherCall{Name: "submit_report", Input: `{"summary": "The pool is exhausted."}`,
		Answer: "The report is not accepted yet, because some quotes are not in the outputs of their tool calls."})
	return rec
}

// latency is a metric with an anomaly band, a day long.
func latency(until time.Time) investigation.Series {
	s := investigation.Series{ID: "ad1", Label: "TargetResponseTime app/prod-public/50dc6c495c0c9188 p99", Unit: "Seconds", Period: 300, Stat: "p99"}
	for i := range 288 {
		at := until.Add(time.Duration(i-288) * 5 * time.Minute)
		usual := 0.21 + 0.05*math.Sin(float64(i)/40)
		value := usual + 0.01*math.Sin(float64(i)*1.7)
		if i > 270 {
			value *= 1 + float64(i-270)/3
		}
		s.Points = append(s.Points, investigation.Point{Time: at, Value: value})
		s.Lower = append(s.Lower, investigation.Point{Time: at, Value: usual - 0.04})
		s.Upper = append(s.Upper, investigation.Point{Time: at, Value: usual + 0.04})
	}
	return s
}

// bigRound returns a round with large calls and large answers.
func bigRound(rec *investigation.Record, number int) investigation.Round {
	round := investigation.Round{
		Number: number, StartedAt: rec.StartedAt.Add(time.Duration(number) * 20 * time.Second), DurationMS: 8_412, StopReason: "tool_use",
		Reasoning: strings.Repeat("The latency rises where the connections are exhausted, so I compare the pool with the traffic. ", 12),
		Text:      "I compare the connections of the database with the requests to the load balancer.",
		Usage:     investigation.Usage{ModelCalls: 1, ToolCalls: 3, InputTokens: 4_210, OutputTokens: 812, CacheReadTokens: 88_311},
	}
	if number%7 == 0 {
		round.Note = "Bedrock throttled the call twice; it was sent again after 3.1 s."
	}
	for i := range 3 {
		call := investigation.ToolCall{
			Number: 100*number + i, Name: toolcall.Name, StartedAt: round.StartedAt, DurationMS: 2_310,
			Command: fmt.Sprintf("logs = boto3.client('logs', region_name='eu-central-1')\nfor page in logs.get_paginator('filter_log_events').paginate(logGroupName='/ecs/checkout-api-%d', filterPattern='?ERROR ?WARN'):\n", number) +
				strings.Repeat("    for event in page['events']:\n        print(event['timestamp'], event['message'])\n", 8),
		}
		answer := &toolcall.Answer{Success: true, ExecutionTime: 2.3, Notes: []string{"import boto3 was removed: boto3 is already imported"}}
		var b strings.Builder
		for line := range 220 {
			fmt.Fprintf(&b, "2026-01-15T03:%02d:%02dZ ERROR [checkout-api] {\"trace\":\"1-67%06x-%012x\",\"msg\":\"upstream timed out & retried <3 times>\",\"upstream\":\"payments.internal:8443\"}\n", line/60, line%60, line*7919, number*line)
		}
		answer.Output = b.String()
		for n := range 40 {
			answer.AWSCalls = append(answer.AWSCalls, toolcall.AWSCall{Service: "logs", Operation: "FilterLogEvents", Region: "eu-central-1", Status: 200, DurationMS: int64(40 + n)})
		}
		answer.AWSCalls[0] = toolcall.AWSCall{Service: "s3", Operation: "GetObject", Region: "eu-central-1", Refused: "content of objects is not read"}
		answer.AWSCalls[1] = toolcall.AWSCall{Service: "secretsmanager", Operation: "GetSecretValue", Region: "eu-central-1", Status: 400, ErrorCode: "AccessDeniedException", DurationMS: 31}
		call.Answer = answer
		round.Calls = append(round.Calls, call)
	}
	round.Calls[1].Answer, round.Calls[1].Problem = nil, "The tool function was killed for its memory. Ask for less at once."
	round.Calls[2].Answer, round.Calls[2].Cached = nil, round.Calls[0].Number
	return round
}

// odd returns a record with extreme metrics: enormous, tiny, or negative values, a single one, or many days of them.
func odd(t *testing.T, charts ...investigation.Series) *investigation.Record {
	rec := sample(t)
	rec.Evidence.Series = charts
	for i := range rec.Evidence.Series {
		s := &rec.Evidence.Series[i]
		for j := range s.Points {
			s.Points[j].Time = rec.Alarm.Time.Add(time.Duration(j-len(s.Points)) * time.Duration(s.Period) * time.Second)
		}
	}
	return rec
}

func values(list ...float64) []investigation.Point {
	points := make([]investigation.Point, len(list))
	for i, v := range list {
		points[i].Value = v
	}
	return points
}

// oddSeries returns enough series for two reports, because a report shows four charts.
func oddSeries() []investigation.Series {
	limit := func(v float64) *float64 { return &v }
	week := make([]float64, 168)
	for i := range week {
		week[i] = -40 + 30*math.Sin(float64(i)/20)
	}
	return []investigation.Series{
		{Label: "enormous", Period: 60, Points: values(math.MaxFloat64, -math.MaxFloat64, 1), Threshold: limit(-1)},
		{Label: "tiny", Period: 60, Points: values(5e-324, 0, 3e-310), Threshold: limit(1e-310)},
		{Label: "all the same", Period: 60, Points: values(0, 0, 0), Threshold: limit(0)},
		{Label: "one", Period: 86400, Points: values(1234567.891), Threshold: limit(1e6)},
		{Label: "a week", Unit: "Bytes/Second", Stat: "p99.99", Period: 3600, Points: values(week...), Threshold: limit(-60)},
		{Label: "years", Period: 30 * 86400, Points: values(week[:40]...)},
		{Label: "seconds", Period: 1, Points: values(9999, 10000, 10001, 10002, 9.9995e5, 3e9, 7), Threshold: limit(1)},
		{Label: "nearly the threshold", Period: 300, Points: values(99.93, 99.95, 99.94, 99.2, 99.1), Threshold: limit(99.9)},
	}
}
