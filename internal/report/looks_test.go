package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// unanswered returns an investigation whose models did not answer, with what the evidence shows.
func unanswered(t testing.TB) *investigation.Record {
	rec := sample(t)
	rec.Outcome, rec.OutcomeWhy, rec.Report = investigation.OutcomeFallback, "no model could be asked", investigation.Report{}
	rec.Evidence.Changes = []investigation.Change{
		{Time: rec.Alarm.Time.Add(-4 * time.Minute), Event: "PutRolePolicy", User: "sam", Parameters: `{"policyName":"orders"}`, Own: true},
		{Time: rec.Alarm.Time.Add(-2 * time.Minute), Event: "CreateBucket", User: "eve"},
		{Time: rec.Alarm.Time.Add(time.Minute), Event: "PutRolePolicy", User: "late", Own: true},
	}
	rec.Evidence.Seen = []investigation.Observation{
		{About: "Lambda function orders", Topic: "errors", Weight: 85, Text: "21 log lines: not authorized to perform: dynamodb:GetItem"},
		{About: "Lambda function orders", Topic: "configuration", Weight: 20, Text: "timeout 3 s"},
	}
	rec.Evidence.Missing = []string{"history: access denied", "changes: read back to 12:00 only"}
	rec.Evidence.Problem = "incomplete: history: access denied; changes: read back to 12:00 only"
	return rec
}

func TestSeen_ReportWithoutConclusionReadsObservationsByRelevance(t *testing.T) {
	rec := unanswered(t)
	text := strings.Join(strings.Fields(report.Notification(rec, linksOf(rec), 1<<20)), " ")
	change := strings.Index(text, `PutRolePolicy by sam, parameters {"policyName":"orders"}`)
	errors := strings.LastIndex(text, "not authorized to perform: dynamodb:GetItem")
	require.Positive(t, change)
	assert.Greater(t, errors, change, "what changed comes before what failed")
	assert.Less(t, errors, strings.Index(text, "LINKS"))
	assert.Contains(t, text, "Seen first, not necessarily the cause: CloudTrail:")
	assert.NotContains(t, text, "timeout 3 s", "plain state is not relevant")
	assert.NotContains(t, text, "by late", "a change after the alarm is not before it")
	for _, line := range []string{"history: access denied", "changes: read back to 12:00 only"} {
		assert.Contains(t, text, "- Evidence collected beforehand: "+line)
	}
	raw, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(raw), "Seen first, not necessarily the cause")
}

func TestSeen_RepeatedCallsThatFailedDisplaceNothing(t *testing.T) {
	rec := unanswered(t)
	for range 20 {
		rec.Evidence.Changes = append(rec.Evidence.Changes, investigation.Change{
			Time: rec.Alarm.Time.Add(-time.Minute), Event: "UpdateFunctionCode", User: "eve", Own: true, Error: "AccessDenied",
		})
	}
	text := strings.Join(strings.Fields(report.Notification(rec, linksOf(rec), 1<<20)), " ")
	seen := text[strings.Index(text, "WHAT WAS SEEN"):strings.Index(text, "LINKS")]
	failed := strings.Index(seen, "UpdateFunctionCode by eve (failed: AccessDenied)")
	require.Positive(t, failed)
	for _, before := range []string{"PutRolePolicy by sam", "not authorized to perform: dynamodb:GetItem"} {
		at := strings.Index(seen, before)
		assert.Positive(t, at, before)
		assert.Less(t, at, failed, before)
	}
}

func TestSeen_ReportWithConclusionHasFirstLooksInItsLongForms(t *testing.T) {
	rec := unanswered(t)
	rec.Outcome, rec.Report = investigation.OutcomeCompleted, sample(t).Report
	assert.NotContains(t, report.Notification(rec, linksOf(rec), 1<<20), "WHAT WAS SEEN")
	text := report.Text(rec, linksOf(rec))
	assert.NotContains(t, text, "WHAT WAS SEEN")
	assert.Contains(t, text, "FIRST LOOKS")
	assert.Contains(t, text, "timeout 3 s")
}

func TestActions_AGeneralStepHasNoCommandForANameThatWouldNotArrive(t *testing.T) {
	for name, hasCommand := range map[string]bool{
		"orders": true, "Bestellungen – Fehler über 5 %": true, "注文エラー🚨": true, `C:\new\users`: true, "orders ": true, "注文\u3000エラー": true,
		`a\u043e`:  true,
		"🔺 orders": false, "orders \u202e": false, "\u043erders": false, // shown with escapes
		"orders\u00a0down": false, "orders\u2009p99": false, "orders\tdown": false, // shown with blanks
		"https://orders@example.com down": false, "x\u0301\u0301\u0301\u0301\u0301\u0301": false, // shown changed
		"file:///etc/passwd": false, "http://example.com": false, // replaced by the AWS CLI
	} {
		rec := unanswered(t)
		rec.Alarm.Name = name
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		raw, err := report.Card(rec, linksOf(rec))
		require.NoError(t, err)
		if !hasCommand {
			assert.NotContains(t, string(raw), "aws cloudwatch describe-alarm-history", "%q", name)
		}
		for _, text := range []string{report.Text(rec, linksOf(rec)), report.Notification(rec, linksOf(rec), 1<<20), string(page)} {
			assert.Equal(t, hasCommand, strings.Contains(text, "aws cloudwatch describe-alarm-history"), "%q", name)
			assert.Contains(t, text, "Look at the alarm and its history.", "%q", name)
			assert.Contains(t, text, "aws cloudtrail lookup-events", "%q", name)
		}
	}
}
