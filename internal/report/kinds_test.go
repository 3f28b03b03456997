package report_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// logRecord returns an investigation of a log alarm without a conclusion.
func logRecord(t *testing.T) *investigation.Record {
	rec := sample(t)
	threshold := 100.0
	rec.Alarm.Kind, rec.Alarm.Metrics, rec.Alarm.Threshold, rec.Alarm.Comparison = alarmevent.KindLog, nil, &threshold, "GreaterThanThreshold"
	rec.Alarm.Query = &alarmevent.Query{Text: "filter @message like /EVENT/"}
	rec.Alarm.NotUnderstood = []string{"state.timestamp: \"soon\" is not a time"}
	rec.Evidence.Query = &alarmevent.Query{Text: "filter @message like /ERROR/", LogGroups: []string{"arn:aws:logs:us-east-1:1:log-group:/shop/it's:*"},
		Aggregation: "count(*) by host", Schedule: "rate(5 minutes)"}
	for i := range 12 {
		rec.Evidence.LogLines = append(rec.Evidence.LogLines, fmt.Sprintf("ERROR no stock %d <b>x</b>", i))
	}
	rec.Outcome, rec.Report = investigation.OutcomeFallback, investigation.Report{}
	return rec
}

func TestLogAlarm_EveryFormShowsQueryAndLines(t *testing.T) {
	rec := logRecord(t)
	text := unfolded(report.Notification(rec, linksOf(rec), 200_000))
	for _, want := range []string{
		"Query: filter @message like /ERROR/", "Aggregated by: count(*) by host", "Runs: rate(5 minutes)", "Threshold: GreaterThanThreshold 100",
		"MATCHING LOG LINES\n  - ERROR no stock 0 <b>x</b>\n", "  - and 2 more\n", "In the alarm's event: state.timestamp: \"soon\" is not a time",
		"--alarm-types LogAlarm --max-records 20", `aws logs tail 'arn:aws:logs:us-east-1:1:log-group:/shop/it'\''s' --region us-east-1 --since 2026-01-15T02:12:00Z`,
	} {
		assert.Contains(t, text, want)
	}
	rec.Evidence.Query.LogGroups[0] = "arn:aws:logs:us-east-1:123456789012:log-group:/shop/it's:*"
	assert.Contains(t, unfolded(report.Notification(rec, linksOf(rec), 200_000)), `aws logs tail '/shop/it'\''s' --region us-east-1 --since 2026-01-15T02:12:00Z`,
		"not every version of the AWS CLI accepts an ARN")
	assert.NotContains(t, text, "EVENT", "the definition's query is preferred to the event's")
	assert.NotContains(t, text, "no stock 10")

	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<h2>Matching log lines</h2><ul><li>ERROR no stock 0 &lt;b&gt;x&lt;/b&gt;</li>")
	assert.Contains(t, string(page), "<dt>Query</dt><dd>filter @message like /ERROR/</dd>")

	whole, err := report.JSON(rec)
	require.NoError(t, err)
	var again investigation.Record
	require.NoError(t, json.Unmarshal(whole, &again))
	assert.Equal(t, rec.Evidence.LogLines, again.Evidence.LogLines)

	card, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(card), `"log alarm"`)
}

func TestLogAlarm_UsesTheEventsLinesIfNoneWereCollected(t *testing.T) {
	rec := logRecord(t)
	rec.Evidence.LogLines, rec.Evidence.Query, rec.Alarm.LogLines = nil, nil, []string{"ERROR from the event\x1b[2J\u202e", strings.Repeat("x", 5000)}
	text := report.Text(rec, linksOf(rec))
	assert.Contains(t, text, `- ERROR from the event\u001B[2J\u202E`+"\n")
	assert.Contains(t, text, "Query: filter @message like /EVENT/")
	assert.NotContains(t, text, strings.Repeat("x", 301))
	assertClean(t, text)
}

func TestAlarmDetails_ShowPromQLAndUnknownConfigurations(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Kind, rec.Alarm.Query = alarmevent.KindPromQL, &alarmevent.Query{Text: "avg(latency) > 0.5"}
	assert.Contains(t, report.Text(rec, linksOf(rec)), "Query: avg(latency) > 0.5")
	card, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(card), `"PromQL alarm"`)

	rec.Alarm.Kind, rec.Alarm.Query, rec.Alarm.Configuration = alarmevent.KindUnknown, nil, `{"traceQuery":"p99"}`
	assert.Contains(t, report.Text(rec, linksOf(rec)), `Configuration: {"traceQuery":"p99"}`)
	detail, err := report.Completion(rec, 100_000)
	require.NoError(t, err)
	assert.Contains(t, string(detail), `"kind":"unknown"`)
}
