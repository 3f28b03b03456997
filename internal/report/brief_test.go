package report_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// atNight returns the record of an alarm of a named account with an owner, which is still in ALARM.
func atNight(t *testing.T) *investigation.Record {
	rec := sample(t)
	rec.AccountName = "prod"
	rec.Alarm.Tags = map[string]string{"Owner": "payments team, @payments-oncall", "runbook": "https://wiki.example/runbooks/orders"}
	rec.AtDelivery = &investigation.AtDelivery{State: alarmevent.StateAlarm, Since: rec.Alarm.Time, At: rec.Alarm.Time.Add(4 * time.Minute)}
	return rec
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	require.NoError(t, err)
	return location
}

func TestNotification_FirstLinesAreWhatIsNeededAtNight(t *testing.T) {
	rec := atNight(t)
	links := linksOf(rec)
	head, _, _ := strings.Cut(report.Notification(rec, links, 1<<20), "\n\n")
	assert.Equal(t, []string{
		"Severity high. Cause confirmed by evidence. Account prod (123456789012), us-east-1.",
		"What changed: 03:07 UTC PutRolePolicy by sam (4 min 20 s before)",
		"Alarm: order-service-errors, ALARM at 2026-01-15 03:12:00 UTC",
		"State: still in ALARM at 03:16 UTC",
		"Report: " + links.Report,
		"Owner: payments team, @payments-oncall",
		"Runbook: https://wiki.example/runbooks/orders",
		"An AI model wrote this report. Its commands were not run: check each of them before you run it.",
	}, strings.Split(head, "\n"))
	assert.Equal(t, head, report.Text(rec, links)[:len(head)], "the stored text begins like the notification")

	rec.AccountName, rec.Alarm.Tags, rec.AtDelivery = "", nil, nil
	head, _, _ = strings.Cut(report.Notification(rec, report.Links{}, 1<<20), "\n\n")
	assert.Contains(t, head, " Account 123456789012, us-east-1.\n")
	assert.NotRegexp(t, `(?m)^(State|Report|Owner|Runbook):`, head)
}

func TestSubject_NamesAccountAndRegion(t *testing.T) {
	for _, c := range []struct{ name, account, alarm, want string }{
		{"account with a name", "prod", "order-service-errors", "[HIGH] [prod] order-service-errors: cause confirmed (123456789012 us-east-1)"},
		{"account without a name", "", "order-service-errors", "[HIGH] order-service-errors: cause confirmed (123456789012 us-east-1)"},
		{"long alarm", "prod", strings.Repeat("a", 255), "[HIGH] [prod] " + strings.Repeat("a", 40) + "...: cause confirmed (123456789012 us-east-1)"},
		{"long account", strings.Repeat("p", 60), "orders", "[HIGH] [ppppppppppppppppp...] orders: cause confirmed (123456789012 us-east-1)"},
		{"both are long", strings.Repeat("p", 60), strings.Repeat("a", 255), "[HIGH] [ppppppppppppppppp...] " + strings.Repeat("a", 24) + "...: cause confirmed (123456789012 us-east-1)"},
		{"account in another script", "本番", "orders", "[HIGH] [??] orders: cause confirmed (123456789012 us-east-1)"},
		{"brackets in the account", "x] [LOW", "orders", "[HIGH] [x) (LOW] orders: cause confirmed (123456789012 us-east-1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := sample(t)
			rec.AccountName, rec.Alarm.Name = c.account, c.alarm
			assert.Equal(t, c.want, report.Subject(rec))
		})
	}
	rec := sample(t)
	rec.AccountName, rec.Alarm.Name, rec.Alarm.Region, rec.Alarm.Unconfirmed = strings.Repeat("p", 60), strings.Repeat("a", 255), "ap-southeast-1", "forged"
	rec.Report.Severity = investigation.SeverityCritical
	got := report.Subject(rec)
	assert.Regexp(t, `^\[CRITICAL\] a{17,}\.\.\.: event not confirmed, cause confirmed \(123456789012 ap-southeast-1\)$`, got,
		"severity, verdict, account ID, and Region stay whole; the account's name goes before the alarm's")
	assert.LessOrEqual(t, len(got), 99)
}

func TestWhatChanged_IsTakenFromTheEvidence(t *testing.T) {
	alarm := sample(t).Alarm.Time
	at := func(before time.Duration, event string, own bool) investigation.Change {
		return investigation.Change{Time: alarm.Add(-before), Event: event, User: "sam", Own: own}
	}
	failed := at(time.Minute, "DeleteRole", true)
	failed.Error = "AccessDenied"
	for _, c := range []struct {
		name    string
		changes []investigation.Change
		trail   *investigation.Trail
		want    string
	}{
		{"the newest of the alarm's resources", []investigation.Change{at(9*time.Minute, "PutRolePolicy", true), at(4*time.Minute, "UpdateFunctionCode", true), at(time.Minute, "PutRule", false)},
			nil, "03:08 UTC UpdateFunctionCode by sam (4 min before), and 1 more"},
		{"another resource", []investigation.Change{at(4*time.Minute, "PutRule", false)}, nil,
			"nothing found in us-east-1 on the alarm's own resources; on other resources 03:08 UTC PutRule by sam (4 min before)"},
		{"another resource, and not all was read", []investigation.Change{at(4*time.Minute, "PutRule", false)}, &investigation.Trail{From: alarm.Add(-time.Hour)},
			"nothing found in us-east-1 on the alarm's own resources, but changes may be missing; on other resources 03:08 UTC PutRule by sam (4 min before)"},
		{"of the alarm's resources, and newer ones were not read", []investigation.Change{at(2*time.Hour, "PutRolePolicy", true)}, &investigation.Trail{From: alarm},
			"01:12 UTC PutRolePolicy by sam (2 h before), but changes may be missing"},
		{"of the alarm's resources, and older ones were not read", []investigation.Change{at(time.Hour, "PutRolePolicy", true)}, &investigation.Trail{From: alarm.Add(-2 * time.Hour)},
			"02:12 UTC PutRolePolicy by sam (1 h before)"},
		{"rejected or later", []investigation.Change{failed, at(-time.Minute, "CreateRole", true)}, &investigation.Trail{From: alarm.Add(-3 * time.Hour), Complete: true},
			"nothing that CloudTrail lists in us-east-1 since 00:12 UTC, except calls that failed"},
		{"only routine events", nil, &investigation.Trail{From: alarm.Add(-3 * time.Hour), Complete: true, Routine: map[string]int{"StartSession": 2}},
			"nothing that CloudTrail lists in us-east-1 since 00:12 UTC, except routine events"},
		{"rejected and routine", []investigation.Change{failed}, &investigation.Trail{From: alarm.Add(-3 * time.Hour), Complete: true, Routine: map[string]int{"StartSession": 2}},
			"nothing that CloudTrail lists in us-east-1 since 00:12 UTC, except calls that failed and routine events"},
		{"later ones only", []investigation.Change{at(-time.Minute, "CreateRole", true)}, &investigation.Trail{From: alarm.Add(-3 * time.Hour), Complete: true},
			"nothing that CloudTrail lists in us-east-1 since 00:12 UTC"},
		{"the day before", []investigation.Change{at(4*time.Hour, "PutRolePolicy", true)}, nil, "2026-01-14 23:12 UTC PutRolePolicy by sam (4 h before)"},
		{"not all read", nil, &investigation.Trail{From: alarm.Add(-time.Hour)}, "not known, because changes may be missing"},
		{"not read", nil, nil, "not known, because this report has no data of CloudTrail"},
		{"long untrusted texts", []investigation.Change{{Time: alarm.Add(-time.Minute), Event: "E", User: strings.Repeat("u", 500), Own: true}}, nil,
			"03:11 UTC E by " + strings.Repeat("u", 63) + "… (1 min before)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := sample(t)
			rec.Evidence.Changes, rec.Evidence.Trail = c.changes, c.trail
			rec.Report.RootCause = "The model names another change."
			lines := strings.Split(report.Notification(rec, linksOf(rec), 1<<20), "\n")
			assert.Equal(t, "What changed: "+c.want, lines[1])
		})
	}
}

func TestState_IsThatAtDelivery(t *testing.T) {
	rec := sample(t)
	at := rec.Alarm.Time
	for want, now := range map[string]*investigation.AtDelivery{
		"still in ALARM at 03:16 UTC":                     {State: "ALARM", Since: at, At: at.Add(4 * time.Minute)},
		"in ALARM at 03:16 UTC, again since 03:14 UTC":    {State: "ALARM", Since: at.Add(2 * time.Minute), At: at.Add(4 * time.Minute)},
		"no longer in ALARM: OK since 03:14 UTC":          {State: "OK", Since: at.Add(2 * time.Minute), At: at.Add(4 * time.Minute)},
		"no longer in ALARM: INSUFFICIENT_DATA":           {State: "INSUFFICIENT_DATA", At: at.Add(4 * time.Minute)},
		"unknown: the alarm is in another account":        {At: at, Problem: "the alarm is in another account"},
		"unknown: CloudWatch was not asked":               {At: at},
		"unknown: the answer is x ROOT CAUSE all is well": {State: "FINE", At: at, Problem: "the answer is x\nROOT CAUSE\nall is well"},
	} {
		rec.AtDelivery = now
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		raw, err := report.Card(rec, linksOf(rec))
		card := cardOf(t, raw, err)
		assert.Contains(t, report.Notification(rec, linksOf(rec), 1<<20), "\nState: "+want+"\n")
		assert.Contains(t, string(page), ": "+want)
		assert.Contains(t, strings.ReplaceAll(card.Content.Description, "`", ""), "*State:* "+want)
		text := report.Text(rec, linksOf(rec))
		assert.Contains(t, text, "\n  State: ALARM at 2026-01-15 03:12:00 UTC\n", "the event's state does not contradict it")
		assert.Contains(t, string(page), "In ALARM at 2026-01-15 03:12:00 UTC,")
		for _, form := range []string{text, string(page), card.Content.Description} {
			assert.NotContains(t, form, "since 2026-01-15 03:12:00", "the alarm may be in ALARM again, or no longer")
		}
	}
	rec.AtDelivery = &investigation.AtDelivery{State: "ALARM", Since: at.Add(2 * time.Minute), At: at.Add(4 * time.Minute)}
	rec.Alarm.Time = time.Time{}
	assert.Regexp(t, `(?m)^State: still in ALARM at .*03:16 UTC$`, report.Notification(rec, linksOf(rec), 1<<20), "the time of the event is not known")
}

func TestForms_OwnerAndRunbookComeFromTags(t *testing.T) {
	rec := atNight(t)
	rec.Alarm.Tags = map[string]string{"owner": "x\nReport: https://evil.example\n<!channel> " + strings.Repeat("y", 300), "Runbook": "https://wiki.example@evil.example/x"}
	text := report.Notification(rec, linksOf(rec), 1<<20)
	assert.Contains(t, text, "\nRunbook: https[:]//wiki.example@evil.example/x\n", "the address leads elsewhere than it seems")
	owner := regexp.MustCompile(`(?m)^Owner: .*$`).FindString(text)
	assert.Len(t, []rune(owner), len("Owner: ")+200)
	assert.NotRegexp(t, `(?m)^Report: https://evil`, text)
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(page), "Owner: x Report: https://evil.example &lt;!channel&gt; yyy")
	assert.NotContains(t, string(page), `href="https://evil`)
	raw, err := report.Card(rec, linksOf(rec))
	card := cardOf(t, raw, err)
	assert.NotContains(t, card.Content.Description, "<!channel>")
}

func TestForms_OfTagsThatDifferInCaseAllShowTheSame(t *testing.T) {
	rec := atNight(t)
	rec.Alarm.Tags = map[string]string{"OWNER": "first", "Owner": "second", "oWner": "third"}
	for range 50 {
		assert.Contains(t, report.Notification(rec, linksOf(rec), 1<<20), "\nOwner: first\n")
	}
}

func TestForms_NameTheAccount(t *testing.T) {
	rec := atNight(t)
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	raw, err := report.Card(rec, linksOf(rec))
	card := cardOf(t, raw, err)
	assert.Equal(t, "[HIGH] [prod] order-service-errors: cause confirmed", card.Content.Title)
	assert.Contains(t, card.Content.Description, "*Account:* prod (123456789012), us-east-1\n")
	assert.Contains(t, string(page), "account prod (123456789012), us-east-1")
	followUp := recovery(rec)
	followUp.AccountName = "prod"
	assert.Equal(t, "RECOVERED: [prod] order-service-errors (123456789012 us-east-1)", followUp.Subject())
	assert.Contains(t, followUp.Text(), "Account prod (123456789012), us-east-1: the alarm order-service-errors is OK again")
	detail, err := report.Completion(rec, 240<<10)
	require.NoError(t, err)
	assert.Contains(t, string(detail), `"account_name":"prod"`)
}

// Who asks about a report, or sends feedback, needs its address.
func TestNotification_ContainsTheAddressOfTheReport(t *testing.T) {
	rec := sample(t)
	require.NotEmpty(t, rec.ReportURI)
	assert.Contains(t, report.Notification(rec, linksOf(rec), 1<<20), "\n  Report as text: "+rec.ReportURI+"\n")
	rec.ReportURI = ""
	assert.NotContains(t, report.Notification(rec, report.Links{}, 1<<20), "Report as text", "it is not stored")
}

func TestForms_StateThatAModelWroteTheReport(t *testing.T) {
	rec := sample(t)
	raw, err := report.Card(rec, linksOf(rec))
	card := cardOf(t, raw, err)
	const by = "An AI model wrote this report. Its commands were not run"
	assert.Contains(t, card.Content.Description, by)
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(page), by)
	assert.Contains(t, report.Notification(rec, linksOf(rec), 1000), by, "even if the notification is very short")
	long := strings.Repeat("word ", 2000)
	rec.Report.Summary, rec.Report.RootCause, rec.Report.Impact = long, long, long
	raw, err = report.Card(rec, linksOf(rec))
	assert.Contains(t, cardOf(t, raw, err).Content.Description, by, "even if the card is full")
	rec.Outcome, rec.Report = investigation.OutcomeFallback, investigation.Report{}
	assert.Contains(t, report.Notification(rec, linksOf(rec), 1<<20), "\nNo AI model reached a conclusion. The commands in this report are general ones and were not run.\n")
}

func TestForms_StateThatAModelWroteTheProseOfAReportWithoutAConclusion(t *testing.T) {
	const prose = "Restore the policy: `aws iam put-role-policy --role-name app`"
	const by = "An AI model wrote the summary, but reached no conclusion. Its commands were not run: check each of them before you run it."
	for name, written := range map[string]investigation.Report{
		"summary and prose": {Summary: prose, FreeText: prose},
		"summary only":      {Summary: prose}, // of a record that was shortened for the table
	} {
		t.Run(name, func(t *testing.T) {
			rec := sample(t)
			rec.Outcome, rec.Report = investigation.OutcomeFallback, written
			raw, err := report.Card(rec, linksOf(rec))
			page, pageErr := report.HTML(rec, linksOf(rec))
			require.NoError(t, pageErr)
			for _, form := range []string{
				report.Notification(rec, linksOf(rec), 1<<20), report.Text(rec, linksOf(rec)), cardOf(t, raw, err).Content.Description, string(page),
			} {
				assert.Contains(t, form, by)
				assert.NotContains(t, form, "general ones")
			}
		})
	}
}

func TestForms_ShowTimesInTheZoneOfTheReaders(t *testing.T) {
	for _, c := range []struct{ zone, moment, change string }{
		{"Europe/Berlin", "2026-01-15 04:12:00 CET (03:12:00 UTC)", "04:07 CET (03:07 UTC)"},
		{"America/Los_Angeles", "2026-01-14 19:12:00 PST (2026-01-15 03:12:00 UTC)", "19:07 PST (2026-01-15 03:07 UTC)"},
		{"America/Sao_Paulo", "2026-01-15 00:12:00 UTC-03 (03:12:00 UTC)", "00:07 UTC-03 (03:07 UTC)"},
		{"Asia/Kolkata", "2026-01-15 08:42:00 IST (03:12:00 UTC)", "08:37 IST (03:07 UTC)"},
		{"UTC", "2026-01-15 03:12:00 UTC", "03:07 UTC"},
	} {
		t.Run(c.zone, func(t *testing.T) {
			rec := atNight(t)
			links := linksOf(rec)
			links.Zone = zone(t, c.zone)
			text := report.Notification(rec, links, 1<<20)
			assert.Contains(t, text, "\nAlarm: order-service-errors, ALARM at "+c.moment+"\n")
			assert.Contains(t, text, "\nWhat changed: "+c.change+" PutRolePolicy by sam (4 min 20 s before)\n")
			page, err := report.HTML(rec, links)
			require.NoError(t, err)
			assert.Contains(t, string(page), "In ALARM at "+c.moment)
			abbreviation := strings.Fields(c.change)[1]
			assert.Contains(t, string(page), "Times are "+abbreviation+".", "the chart")
			assert.Contains(t, string(page), `<h2>Timeline <span class="soft">(`+abbreviation+`)</span>`)
			raw, err := report.Card(rec, links)
			assert.Contains(t, cardOf(t, raw, err).Content.Description, "\n*Alarm at:* "+c.moment+"\n*What changed:* "+c.change)
			json, err := report.JSON(rec)
			require.NoError(t, err)
			assert.Contains(t, string(json), `"time": "2026-01-15T03:12:00Z"`, "programs read UTC")
		})
	}
	summer := sample(t)
	summer.Alarm.Time = time.Date(2026, 7, 4, 1, 12, 0, 0, time.UTC)
	links := linksOf(summer)
	links.Zone = zone(t, "Europe/Berlin")
	assert.Contains(t, report.Notification(summer, links, 1<<20), "ALARM at 2026-07-04 03:12:00 CEST (01:12:00 UTC)")
}

func TestText_LeavesOutTheCollectorsSource(t *testing.T) {
	rec := sample(t)
	require.Contains(t, rec.Evidence.Call.Command, "collect(")
	text := report.Text(rec, linksOf(rec))
	assert.NotContains(t, text, "collect(json")
	assert.Contains(t, text, "■ tool call 0\n    (the collector of evidence, which is a part of alarmtriage; the JSON report has its input)\n■ output")
	assert.Contains(t, text, "logs = boto3.client('logs')", "the model's own code stays")
}

// In the night in which clocks change, times after the change are in another zone than those before it.
func TestHTML_TimesAreInTheirZonesWhenClocksChange(t *testing.T) {
	at := time.Date(2026, 10, 25, 0, 50, 0, 0, time.UTC) // 02:50 CEST
	rec := sample(t)
	rec.Alarm.Time, rec.StartedAt, rec.EndedAt = at, at.Add(time.Minute), at.Add(20*time.Minute)
	rec.Evidence.Related, rec.Together, rec.Evidence.History = nil, nil, nil
	rec.Evidence.Changes = []investigation.Change{{Time: at.Add(-time.Minute), Event: "PutRolePolicy", User: "sam"}}
	rec.Report.Findings = nil
	rec.Evidence.Series = []investigation.Series{{Label: "errors", Period: 300, Points: []investigation.Point{{Time: at, Value: 1}, {Time: at.Add(20 * time.Minute), Value: 2}}}}
	links := linksOf(rec)
	links.Zone = zone(t, "Europe/Berlin")
	page, err := report.HTML(rec, links)
	require.NoError(t, err)
	assert.Contains(t, string(page), `<h2>Timeline <span class="soft">(CEST)</span>`)
	for _, shown := range []string{"<time>02:49:00", "<time>02:51:00", "<time>02:10:00 CET", "Times are CEST, then CET."} {
		assert.Contains(t, string(page), shown)
	}
	assert.NotContains(t, string(page), "02:51:00 CE")

	rec.Alarm.Time = time.Time{}
	page, err = report.HTML(rec, links)
	require.NoError(t, err)
	assert.NotContains(t, string(page), "LMT")
	assert.Contains(t, string(page), `<h2>Timeline <span class="soft">(CEST)</span>`)
}

func TestNotification_WaitIsOnlyThatOfAnEvent(t *testing.T) {
	rec := atNight(t)
	rec.StartedAt = rec.Alarm.Time.Add(20 * time.Minute)
	rec.Function = "alarm-triage"
	assert.Contains(t, report.Text(rec, linksOf(rec)), "The investigation began 20 min after the alarm, usually because its event waited")
	rec.Function = "" // somebody started it later with the command
	assert.NotContains(t, report.Text(rec, linksOf(rec)), "waited")
}
