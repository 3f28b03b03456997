package report_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

func TestCard_StepsKeepTheirLimit(t *testing.T) {
	const labeled = "sudo curl -k -o x -H @f http://169.254.169.254/ | sh; aws iam delete-user --user-name $X --endpoint-url http://x > y < z; \u0430ws $("
	longest := 0
	for _, text := range []string{"Do it.", strings.Repeat("word ", 60)} {
		for length := 0; length < 480; length += 5 {
			rec := sample(t)
			rec.Report.Actions = nil
			for range 6 {
				rec.Report.Actions = append(rec.Report.Actions, investigation.Action{Text: text, Command: "aws s3 ls " + strings.Repeat("a", length)})
			}
			rec.Report.Actions[4-length%2*3].Command = labeled + strings.Repeat(" x", length%7)
			raw, err := report.Card(rec, linksOf(rec))
			for _, step := range cardOf(t, raw, err).Content.NextSteps {
				longest = max(longest, utf8.RuneCountInString(step))
			}
		}
	}
	assert.LessOrEqual(t, longest, 500)
	assert.Greater(t, longest, 490)
}

func TestCard_TitleKeepsItsLimitWhateverIsEscaped(t *testing.T) {
	rec := sample(t)
	rec.AccountName, rec.Alarm.Name, rec.Alarm.Unconfirmed = strings.Repeat("R&D ", 16), strings.Repeat("a&b", 85), "forged"
	rec.Report.Severity = investigation.SeverityCritical
	raw, err := report.Card(rec, linksOf(rec))
	assert.LessOrEqual(t, utf8.RuneCountInString(cardOf(t, raw, err).Content.Title), 250)
	again := recovery(rec)
	again.AccountName = rec.AccountName
	raw, err = again.Card()
	assert.LessOrEqual(t, utf8.RuneCountInString(cardOf(t, raw, err).Content.Title), 250)
	raw, err = answered(rec).Card()
	assert.LessOrEqual(t, utf8.RuneCountInString(cardOf(t, raw, err).Content.Title), 250)
}

func TestAnswered_CardKeepsItsLimitWithALongLink(t *testing.T) {
	rec := sample(t)
	a := answered(rec)
	long := strings.Repeat("word ", 400)
	a.Answer.Question, a.Answer.Text, a.Answer.Downgraded, a.Answer.Model = long[:1900], long, long, strings.Repeat("m", 200)
	a.Answer.Findings = nil
	for range 4 {
		a.Answer.Findings = append(a.Answer.Findings, investigation.Finding{Statement: long, Confidence: investigation.Confirmed})
	}
	a.Answer.URI = "s3://reports/reports/2026/01/15/031200-orders-0123456789ab/answers/1.txt"
	a.Home.Account, a.Home.ConsoleURL = "123456789012", "https://portal.example/"+strings.Repeat("p", 280)+"?a={account}&u={url}"
	raw, err := a.Card()
	description := cardOf(t, raw, err).Content.Description
	assert.LessOrEqual(t, utf8.RuneCountInString(description), 2500)
	assert.Contains(t, description, "\nAn AI model wrote this answer. Model: ")
	assert.Contains(t, description, "\nAnswer with its evidence: https://portal.example/")
}

func TestCard_NameCannotImitateTheTitle(t *testing.T) {
	for name, want := range map[string]string{
		"orders: cause confirmed": `[HIGH] "orders: cause confirmed": cause confirmed`, "orders — x": `[HIGH] "orders — x": cause confirmed`,
		"orders： x": `[HIGH] "orders： x": cause confirmed`, `x" y`: `[HIGH] "x' y": cause confirmed`, "CPU of orders": "[HIGH] CPU of orders: cause confirmed",
	} {
		rec := sample(t)
		rec.Alarm.Name, rec.AccountName = name, ""
		raw, err := report.Card(rec, linksOf(rec))
		assert.Equal(t, want, cardOf(t, raw, err).Content.Title)
	}
	r := recovery(sample(t))
	r.Alarm.Name = "orders: x"
	raw, err := r.Card()
	assert.Contains(t, cardOf(t, raw, err).Content.Title, `"orders: x"`)
}

// Two backticks begin a code span that only two others end, so it would contain the labels between them.
func TestCard_BlankCodeIsNoCode(t *testing.T) {
	rec := sample(t)
	rec.Report.Summary, rec.Report.Impact = "a ` ` b", "`` ``` ` \u3000 ` c"
	raw, err := report.Card(rec, linksOf(rec))
	description := cardOf(t, raw, err).Content.Description
	assert.NotContains(t, description, "``")
	assert.Contains(t, description, "*Executive summary:* a b\n")
}

func TestCard_ColonsAndDotsOfOtherScriptsAreCode(t *testing.T) {
	for text, want := range map[string]string{
		"1:tada: now": "`1:tada`: now", "2:here: now": "`2:here`: now", "at 10:30 it": "at 10:30 it", "see evil。example now": "see `evil。example` now",
		"see cafe\u0301.com now": "see `cafe\u0301.com` now", "see उदाहरण.भारत now": "see `उदाहरण.भारत` now", "see i❤.ws now": "see `i❤.ws` now", "see 100%.com now": "see `100%.com` now",
		"see 127.0.0.1:80/x now": "see `127.0.0.1:80/x` now", "e.g. 3 of 4 at 10:30:15, v1.2": "e.g. 3 of 4 at 10:30:15, v1.2",
		"see evil．example now": "see `evil．example` now", "終了した。DynamoDBは正常。": "終了した。DynamoDBは正常。",
	} {
		rec := sample(t)
		rec.Report.Summary = text
		raw, err := report.Card(rec, linksOf(rec))
		assert.Contains(t, cardOf(t, raw, err).Content.Description, "*Executive summary:* "+want+"\n", text)
	}
}

func TestSubject_WithoutEvidenceDoesNotPromiseAny(t *testing.T) {
	rec := sample(t)
	rec.EvidenceOnly, rec.Outcome, rec.Report, rec.Evidence = true, investigation.OutcomeFallback, investigation.Report{}, investigation.Evidence{}
	rec.OutcomeWhy = "The kill switch is on: no model was asked, and no evidence was collected."
	raw, err := report.Card(rec, linksOf(rec))
	for _, text := range []string{report.Subject(rec), cardOf(t, raw, err).Content.Title, report.Text(rec, linksOf(rec))} {
		assert.Contains(t, strings.ToLower(text), "not investigated")
		assert.NotContains(t, strings.ToLower(text), "evidence only")
	}
}

func TestProse_CodeWithOddCharactersSaysSo(t *testing.T) {
	rec := sample(t)
	for code, want := range map[string]string{
		"aws ec2 describe-instances --filters \u202ex": "▲ NOT UNDERSTOOD, READ IT CAREFULLY. ODD CHARACTERS, SHOWN ESCAPED. Written by the model",
		"\u0430ws s3 ls":     "▲ NOT UNDERSTOOD, READ IT CAREFULLY. ODD CHARACTERS, SHOWN ESCAPED.",
		"aws s3 ls":          "▲ Reads AWS. Written by the model",
		`aws s3 ls '\u0041'`: "▲ Reads AWS. Written by the model",
	} {
		rec.Report.Summary = "Run:\n```\n" + code + "\n```"
		assert.Contains(t, report.Text(rec, linksOf(rec)), want, "%q", code)
	}
}

// Half a command could do more than the whole one.
func TestNotification_TruncatesNoCommand(t *testing.T) {
	rec := sample(t)
	rec.Report.Actions = nil
	for range 3 {
		rec.Report.Actions = append(rec.Report.Actions, investigation.Action{Text: "Empty it.",
			Command: "aws s3 rm s3://orders-bucket-with-a-long-name/a/long/prefix --recursive \\\n --exclude a --dryrun\n\naws s3 ls s3://x --dryrun"})
	}
	whole := report.Notification(rec, linksOf(rec), 1<<20)
	for limit := 3000; limit < len(whole); limit += 7 {
		text := report.Notification(rec, linksOf(rec), limit)
		assert.Equal(t, strings.Count(text, "aws s3 ls s3://x"), strings.Count(text, "aws s3 rm"), "%d", limit)
		assert.Equal(t, strings.Count(text, "aws s3 ls s3://x --dryrun"), strings.Count(text, "▲ DELETES"), "%d", limit)
	}
	rec.Report.Actions = nil
	const command = "aws s3 rm s3://orders-bucket-with-a-long-name/a/long/prefix --recursive --exclude . --dryrun"
	for room := 270; room < 350; room += 3 {
		rec.Report.RootCause = strings.Repeat("y ", room) + "Run " + command + " now. " + strings.Repeat("word ", 700)
		text := strings.Join(strings.Fields(report.Notification(rec, report.Links{}, 5000)), " ")
		assert.Equal(t, strings.Count(text, command), strings.Count(text, "aws s3 rm"), "%d", room)
	}
	for _, before := range []string{"The log says [ERROR] KeyError: ", "Run " + command + "\n"} {
		rec.Report.RootCause = before + strings.Repeat("and it fails again ", 200)
		text := strings.Join(strings.Fields(report.Notification(rec, report.Links{}, 5000)), " ")
		assert.Contains(t, text, strings.TrimSpace(before[len(before)-10:])+" and it fails again and it fails again", "nothing else is lost")
	}
}

func TestForms_ShowNoCommandOfProseInPart(t *testing.T) {
	rec := sample(t)
	const command = "aws s3 rm s3://orders-bucket-with-a-long-name/a/long/prefix --recursive --exclude . --dryrun"
	for room := 0; room < 120; room += 7 {
		rec.Report.Impact = strings.Repeat("w ", 200) + strings.Repeat("x", room) + " Run " + command + " " + strings.Repeat("word ", 600)
		rec.Report.Summary = strings.Repeat("w ", 200) + strings.Repeat("x", room) + " `" + command + "` " + strings.Repeat("word ", 600)
		rec.Report.RootCause = strings.Repeat("w ", 150) + strings.Repeat("x", room) + "\n```\n" + command + "\n```\n" + strings.Repeat("word ", 600)
		raw, err := report.Card(rec, linksOf(rec))
		forms := map[string]string{"card": strings.ReplaceAll(cardOf(t, raw, err).Content.Description, "`", "")}
		for _, marked := range []string{"\n```\n" + command + "\n```\nend", "\n> ```\n> " + command + "\n> ```\nend", "Run " + command + " now", "`" + command + "` now"} {
			rec.Report.FreeText = strings.Repeat("w ", 3950) + strings.Repeat("x", room) + marked
			page, err := report.HTML(rec, linksOf(rec))
			require.NoError(t, err)
			forms["page "+marked] = string(page)
		}
		for form, text := range forms {
			assert.Equal(t, strings.Count(text, command), strings.Count(text, "aws s3 rm"), "%s %d", form, room)
		}
	}
}

func TestCard_ShowsNoCommandOfProseInPart(t *testing.T) {
	rec := sample(t)
	const command = "aws s3 rm s3://orders-bucket-with-a-long-name/a/long/prefix --recursive --exclude . --dryrun"
	long := strings.Repeat("word ", 300)
	rec.Report.Summary, rec.Report.RootCause = long, long
	for room := 30; room < 90; room++ {
		for _, c := range []struct{ text, begin string }{{command, "aws s3 rm"}, {"AWS_PROFILE=shop aws iam delete-user --user-name eve", "AWS_PROFILE"}} {
			rec.Report.Impact = strings.Repeat("w ", 200) + strings.Repeat("x", room) + " Run " + c.text + " " + long
			raw, err := report.Card(rec, linksOf(rec))
			text := strings.ReplaceAll(cardOf(t, raw, err).Content.Description, "`", "")
			assert.Equal(t, strings.Count(text, c.text), strings.Count(text, c.begin), "%d %s", room, c.text)
		}
	}
	rec.Report.Impact = long
	rec.Report.RuledOut = []investigation.Refuted{{Hypothesis: "Somebody ran " + command}, {Hypothesis: "A deployment"}, {Hypothesis: rec.Report.Impact, Reason: rec.Report.Impact}}
	raw, err := report.Card(rec, linksOf(rec))
	assert.Contains(t, cardOf(t, raw, err).Content.Description, "A deployment", "the label of the next entry ends a command")
	rec.Report.RuledOut = nil
	for _, code := range []string{"./cleanup.sh --all", "# first\n./cleanup.sh"} {
		rec.Report.Impact = "```\n" + code + "\n```\nThen the table was empty" + strings.Repeat(" word", 600)
		raw, err := report.Card(rec, linksOf(rec))
		assert.Contains(t, cardOf(t, raw, err).Content.Description, "Then the table was empty", "%s: a block of code ends a command", code)
	}
}

func TestForms_SayThatTheEvidenceIsComputed(t *testing.T) {
	rec := sample(t)
	computed := investigation.Finding{Statement: "s", Confidence: investigation.Likely, Verified: true,
		Evidence: []investigation.Citation{{Call: 1, Quote: "total 4711", Found: true, Source: investigation.SourceComputed}}}
	rec.Report.Confidence, rec.Report.RootCause, rec.Report.Findings = investigation.Likely, "The pool is exhausted.", []investigation.Finding{computed}
	raw, err := report.Card(rec, linksOf(rec))
	assert.Contains(t, cardOf(t, raw, err).Content.Description, "*Root cause (likely):* The pool is exhausted.\nIts evidence is computed by code.\n")
	page, err := report.HTML(rec, linksOf(rec))
	assert.NoError(t, err)
	assert.Contains(t, string(page), "<p class=\"warn\">Its evidence is computed by code.</p>")
	rec.Report.Findings[0].Evidence[0].Source = investigation.SourceAWS
	raw, err = report.Card(rec, linksOf(rec))
	assert.NotContains(t, cardOf(t, raw, err).Content.Description, "computed")
}

func TestCard_SaysWhyTheConfidenceWasLowered_AfterALongText(t *testing.T) {
	for name, change := range map[string]func(rec *investigation.Record) string{
		"doubt": func(rec *investigation.Record) string {
			rec.Report.Downgraded = "the model called the root cause confirmed, but no verified finding is confirmed"
			return "\nDoubt: the model called the root cause confirmed, but no verified finding is confirmed.\n"
		},
		"computed": func(rec *investigation.Record) string {
			for i := range rec.Report.Findings {
				for j := range rec.Report.Findings[i].Evidence {
					rec.Report.Findings[i].Evidence[j].Source = investigation.SourceComputed
				}
			}
			return "\nIts evidence is computed by code.\n"
		},
	} {
		rec := sample(t)
		long := strings.Repeat("The role lost a permission. ", 60)
		rec.Report.Summary, rec.Report.RootCause, rec.Report.Impact, rec.Report.Confidence = long, long, long, investigation.Likely
		want := change(rec)
		raw, err := report.Card(rec, linksOf(rec))
		assert.Contains(t, cardOf(t, raw, err).Content.Description, want, name)
	}
}

func TestCard_ShowsBlocksOfCodeAsCommands(t *testing.T) {
	for _, c := range []struct{ name, code, want string }{
		{"a command", "aws s3 rm s3://b/x", "*[DELETES OR STOPS. Written by the model, not checked, not run]* `aws s3 rm s3://b/x`"},
		{"letters that are not ASCII", "aws s3 rm s3://b/\u0430\u0440",
			"*[ODD CHARACTERS, SHOWN ESCAPED. DELETES OR STOPS. Written by the model, not checked, not run]* `aws s3 rm s3://b/\\u0430\\u0440`"},
		{"several lines", "aws sts get-caller-identity\naws s3 rm s3://b/x",
			"*[DELETES OR STOPS. SEVERAL COMMANDS. Written by the model, not checked, not run]* (the code is not shown here)"},
		{"blanks that chat would join", "aws logs tail 'a  b'", "*[Reads AWS. Written by the model, not checked, not run]* (the code is not shown here)"},
		{"a backtick", "echo `rm x`",
			"*[NOT UNDERSTOOD, READ IT CAREFULLY. DELETES OR STOPS. NOT AN AWS COMMAND. Written by the model, not checked, not run]* (the code is not shown here)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := sample(t)
			rec.Report.RootCause = "Run:\n```sh\n" + c.code + "\n```"
			raw, err := report.Card(rec, linksOf(rec))
			assert.Contains(t, cardOf(t, raw, err).Content.Description, "Run: "+c.want+"\n")
		})
	}
}

func TestCard_SharesAThreadWhateverTheNameContains(t *testing.T) {
	for _, name := range []string{"\U0001F7E5 orders", "\u25B6 orders", "orders\u00A0prod", "\u0410larm", "https://a@orders.example"} {
		rec := sample(t)
		rec.Alarm.Name = name
		rec.Alarm.ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + name
		raw, err := report.Card(rec, linksOf(rec))
		thread := cardOf(t, raw, err).Metadata.ThreadID
		raw, err = recovery(rec).Card()
		assert.Equal(t, thread, cardOf(t, raw, err).Metadata.ThreadID, name)
		raw, err = answered(rec).Card()
		assert.Equal(t, thread, cardOf(t, raw, err).Metadata.ThreadID, name)
	}
}

func TestCard_HasNoEmptyKeyword(t *testing.T) {
	rec := sample(t)
	rec.Alarm.Metrics = []alarmevent.Metric{{Namespace: ""}, {Namespace: " \n"}, {Namespace: "Orders"}}
	raw, err := report.Card(rec, linksOf(rec))
	assert.Equal(t, []string{"severity high", "cause confirmed", "Orders"}, cardOf(t, raw, err).Content.Keywords)
}
