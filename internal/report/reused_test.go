package report_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func TestHTML_QuoteOfAReusedAnswerLinksToItsPlace(t *testing.T) {
	answer := &toolcall.Answer{Success: true, Output: `"FunctionName": "orders", "Timeout": 3`}
	rec := &investigation.Record{
		ID: "i", Alarm: alarmevent.Alarm{Name: "orders-errors", State: alarmevent.StateAlarm}, Outcome: investigation.OutcomeCompleted,
		Rounds: []investigation.Round{{Number: 1, Calls: []investigation.ToolCall{
			{Number: 1, Command: "x", Answer: answer}, {Number: 2, Command: "x", Answer: answer, Cached: 1},
		}}},
		Report: investigation.Report{RootCause: "It timed out.", Findings: []investigation.Finding{
			{Statement: "Its timeout is 3 s.", Verified: true, Evidence: []investigation.Citation{{Call: 2, Quote: `"Timeout": 3`, Found: true}}},
		}},
	}
	page, err := report.HTML(rec, report.Links{})
	require.NoError(t, err)
	links := regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		assert.Contains(t, string(page), `id="`+link[1]+`"`)
	}
	assert.Contains(t, string(page), `<mark id="quote-1-1">`)
}

func TestHTML_QuoteLinksToWholeWords(t *testing.T) {
	answer := &toolcall.Answer{Success: true, Output: `"FunctionName": "payments", "Timeout": 30, "FunctionName": "orders", "Timeout": 3`}
	rec := &investigation.Record{
		ID: "i", Alarm: alarmevent.Alarm{Name: "orders-errors", State: alarmevent.StateAlarm}, Outcome: investigation.OutcomeCompleted,
		Rounds: []investigation.Round{{Number: 1, Calls: []investigation.ToolCall{{Number: 1, Command: "x", Answer: answer}}}},
		Report: investigation.Report{RootCause: "It timed out.", Findings: []investigation.Finding{
			{Statement: "Its timeout is 3 s.", Verified: true, Evidence: []investigation.Citation{{Call: 1, Quote: `"Timeout": 3`, Found: true}}},
		}},
	}
	page, err := report.HTML(rec, report.Links{})
	require.NoError(t, err)
	assert.Contains(t, string(page), `&#34;orders&#34;, <mark id="quote-1-1">&#34;Timeout&#34;: 3</mark></pre>`, "30 is another number")
}

func TestSubject_ShortAccountNameGoesBeforeTheAlarmsName(t *testing.T) {
	rec := &investigation.Record{
		Alarm: alarmevent.Alarm{
			Name: "order-service-errors-in-the-last-five-minutes", Account: "123456789012", Region: "ap-southeast-1", Unconfirmed: "it is unknown",
		},
		AccountName: "dev", Outcome: investigation.OutcomeCompleted, Report: investigation.Report{Severity: investigation.SeverityCritical},
	}
	subject := report.Subject(rec)
	assert.NotContains(t, subject, "[dev]", "the alarm's name has less than 24 characters")
	assert.LessOrEqual(t, len(subject), 99)
	rec.Alarm.Unconfirmed = ""
	assert.Contains(t, report.Subject(rec), "[dev] order-service-errors-i", "there is room for both")
}

func TestNotification_ManualStepReadsTheHourBeforeTheAlarm(t *testing.T) {
	rec := &investigation.Record{
		Alarm:   alarmevent.Alarm{Name: "orders-errors", Region: "us-east-1", Time: time.Date(2026, 1, 15, 3, 12, 0, 0, time.UTC)},
		Outcome: investigation.OutcomeFallback,
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(report.Notification(rec, report.Links{}, 100_000), "\\\n", "")), " ")
	assert.Contains(t, text, "--start-time 2026-01-15T02:12:00Z --end-time 2026-01-15T03:12:00Z")
	rec.Alarm.Time = time.Time{}
	assert.NotContains(t, report.Notification(rec, report.Links{}, 100_000), "--start-time", "the time of the alarm is not known")
}
