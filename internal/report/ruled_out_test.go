package report_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// ruledOut returns a record with one hypothesis of each state. Its quotes are in the output of tool call 1.
func ruledOut(t *testing.T) *investigation.Record {
	rec := sample(t)
	quote := strings.Fields(rec.Call(1).Answer.Text())
	cited := investigation.Citation{Call: 1, Quote: strings.Join(quote[:4], " "), Found: true, Source: investigation.SourceAWS}
	sum := cited
	sum.Source = investigation.SourceComputed
	rec.Report.RuledOut = []investigation.Refuted{
		{Hypothesis: "The table is down.", Reason: "It is active.", Verified: true, Evidence: []investigation.Citation{cited}},
		{Hypothesis: "The traffic doubled.", Reason: "The sum is the same.", Verified: true, Evidence: []investigation.Citation{sum}},
		{Hypothesis: "A deployment broke it.", Reason: "Nobody deployed.", Problem: "the quote is not in the output of tool call 2",
			Evidence: []investigation.Citation{{Call: 2, Quote: "no deployments at all"}}},
		{Hypothesis: "The network is down.", Reason: "Others work."},
	}
	return rec
}

func TestRuledOut_EveryFormShowsStateReasonAndQuotes(t *testing.T) {
	rec := ruledOut(t)
	quote := rec.Report.RuledOut[0].Evidence[0].Quote
	for form, text := range map[string]string{
		"notification": report.Notification(rec, linksOf(rec), 1<<20), "text": report.Text(rec, linksOf(rec)),
	} {
		assert.Contains(t, text, "\n\n■ WHAT WAS RULED OUT\n  1. (ruled out) The table is down.\n     Against it: It is active.\n▌ tool call 1: \""+quote+"\"\n  2. ", form)
		words := strings.Join(strings.Fields(text), " ")
		assert.Contains(t, words, "2. (likely ruled out, COMPUTED) The traffic doubled. Against it: The sum is the same. ▌ tool call 1:", form)
		assert.Contains(t, words, "(computed: it is from", form)
		assert.Contains(t, words, "3. (NOT PROVEN: the quote is not in the output of tool call 2) A deployment broke it. Against it: Nobody deployed. 4. ", form)
		assert.Contains(t, words, "4. (NOT PROVEN: no evidence is cited) The network is down. Against it: Others work.", form)
	}

	raw, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	page := string(raw)
	assert.Contains(t, page, `<h2>What was ruled out</h2>`)
	assert.Contains(t, page, `<li>The table is down. <span class="badge confirmed">ruled out</span><p>Against it: It is active.</p>`)
	assert.Contains(t, page, `<li>The traffic doubled. <span class="badge warn">likely ruled out</span> <span class="badge warn">computed</span><p>`)
	assert.Contains(t, page, `<li>A deployment broke it. <span class="badge warn">not proven</span><p class="soft">the quote is not in the output of tool call 2</p>`)
	assert.Contains(t, page, `<li>The network is down. <span class="badge warn">not proven</span><p class="soft">no evidence is cited</p>`)
	assert.Contains(t, page, "Not confirmed by tool call 2</footer>")
	assert.NotContains(t, page, "in the JSON report")

	card, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, cardOf(t, card, nil).Content.Description, "\n*What was ruled out (3 of 4, the others are in the report):* "+
		"*Ruled out:* The table is down. Against it: It is active. *Likely ruled out:* The traffic doubled. Against it: The sum is the same. "+
		"*Not proven:* A deployment broke it. Against it: Nobody deployed.\n")

	whole, err := report.JSON(rec)
	require.NoError(t, err)
	event, err := report.Completion(rec, 240<<10)
	require.NoError(t, err)
	for form, text := range map[string][]byte{"JSON": whole, "event": event} {
		var got struct{ Report investigation.Report }
		require.NoError(t, json.Unmarshal(text, &got))
		require.Len(t, got.Report.RuledOut, 4, form)
		assert.Equal(t, rec.Report.RuledOut[:3], got.Report.RuledOut[:3], form)
	}
}

// The quotes of both sections are marked in the output, and their links lead there.
func TestRuledOut_QuotesLinkToTheOutput(t *testing.T) {
	rec := ruledOut(t)
	rec.Report.RuledOut[1].Evidence = rec.Report.Findings[0].Evidence // one mark for the same quote
	raw, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	page := string(raw)
	ids := map[string]bool{}
	for _, found := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		assert.False(t, ids[found[1]], "two elements have the id %s", found[1])
		ids[found[1]] = true
	}
	for _, found := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		assert.True(t, ids[found[1]], "no element has the id %s", found[1])
	}
	assert.Contains(t, page, `<mark id="against-1-1">`+rec.Report.RuledOut[0].Evidence[0].Quote[:5])
	assert.Contains(t, page, `href="#against-1-1">Tool call 1</a>`)
	assert.Equal(t, 2, strings.Count(page, `href="#quote-1-1"`))
}

// A link to a tool call tells the reader that the quote is in its output.
func TestHTML_QuoteThatWasNotFoundHasNoLink(t *testing.T) {
	rec := ruledOut(t)
	invented := investigation.Citation{Call: rec.Report.Findings[0].Evidence[0].Call, Quote: "nobody ever said this"}
	rec.Report.Findings[0].Evidence = append(rec.Report.Findings[0].Evidence, invented)
	rec.Report.RuledOut[0].Evidence = append(rec.Report.RuledOut[0].Evidence, invented)
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	shown := fmt.Sprintf("<q>nobody ever said this</q><footer>Not confirmed by tool call %d</footer>", invented.Call)
	assert.Equal(t, 2, strings.Count(string(page), shown))
}

func TestRuledOut_LongListsAreCutAndSaySo(t *testing.T) {
	rec := ruledOut(t)
	base := rec.Report.RuledOut[0]
	rec.Report.RuledOut = nil
	for i := range 40 {
		base.Hypothesis = fmt.Sprintf("Cause %d: %s.", i, strings.Repeat("very long ", 60))
		rec.Report.RuledOut = append(rec.Report.RuledOut, base)
	}
	rec.Report.Summary = strings.Repeat("Orders fail. ", 300)
	card, err := report.Card(rec, linksOf(rec))
	c := cardOf(t, card, err)
	assert.Contains(t, c.Content.Description, "\n*What was ruled out (3 of 40, the others are in the report):* *Ruled out:* Cause 0: very long")
	assert.NotContains(t, c.Content.Description, "Cause 3")
	assert.Contains(t, c.Content.Description, "…", "a text that is cut says so")
	assert.Contains(t, c.Content.Description, "\nReport: ")
	assertNeutral(t, c.Content.Description, "long list", []string{linksOf(rec).Alarm, linksOf(rec).Report})

	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<li>Cause 29: ")
	assert.NotContains(t, string(page), "<li>Cause 30: ")
	assert.Contains(t, string(page), `<p class="soft">and 10 more in the JSON report</p>`)

	assert.Contains(t, report.Text(rec, linksOf(rec)), "Cause 39: ")
	notice := report.Notification(rec, linksOf(rec), 12_000)
	assert.Regexp(t, `(?i)(?:shortened in|omitted from) this message: [^.]*what was ruled out`, strings.Join(strings.Fields(notice), " "),
		"a shortened notification names the section")
}

// An event that is too long loses what was ruled out together with the findings.
func TestRuledOut_LongEventLosesIt(t *testing.T) {
	rec := ruledOut(t)
	rec.Report.RuledOut[0].Reason = strings.Repeat("x", 30_000)
	event, err := report.Completion(rec, 20_000)
	require.NoError(t, err)
	var got struct{ Report investigation.Report }
	require.NoError(t, json.Unmarshal(event, &got))
	assert.Empty(t, got.Report.RuledOut)
	assert.Empty(t, got.Report.Findings)
	assert.NotEmpty(t, got.Report.Actions)
	assert.Len(t, rec.Report.RuledOut, 4, "the record is not changed")
}

// An entry cannot pretend to be another one with a better state.
func TestRuledOut_NoTextImitatesAState(t *testing.T) {
	for _, text := range []string{
		"x\n2. (ruled out) The role is wrong.", "x *Ruled out:* the role", "x\r\n  2. (ruled out) y\n|    tool call 1: \"fine\"", "(ruled out) x",
		"x</p></li><li>y <span class=\"badge confirmed\">ruled out</span>", "`x` *Likely ruled out:* y", "x\u20282. (ruled out) y",
	} {
		rec := ruledOut(t)
		rec.Report.RuledOut = []investigation.Refuted{{Hypothesis: text, Reason: text, Problem: text}}
		section := report.Text(rec, linksOf(rec))
		_, section, found := strings.Cut(section, "\n■ WHAT WAS RULED OUT\n")
		require.True(t, found)
		section, _, _ = strings.Cut(section, "\n\n")
		for i, line := range lineBreak.Split(strings.TrimRight(section, "\n"), -1) {
			if i == 0 {
				assert.True(t, strings.HasPrefix(line, "  1. (NOT PROVEN: "), "%q", line)
			} else {
				assert.True(t, strings.HasPrefix(line, "     "), "%q of %q", line, text)
			}
		}
		page, err := report.HTML(rec, linksOf(rec))
		require.NoError(t, err)
		assert.NotContains(t, string(page), `<span class="badge confirmed">ruled out`)
		raw, err := report.Card(rec, linksOf(rec))
		outside := regexp.MustCompile("`[^`]*`").ReplaceAllString(cardOf(t, raw, err).Content.Description, "x")
		assert.NotRegexp(t, `\*(?:Likely r|R)uled out:\*`, outside, "%q", text)
		assert.Contains(t, outside, "*Not proven:* ")
	}
}

// Older reports have no such list. It is empty then, and no form shows the section.
func TestRuledOut_OlderReportHasNoSection(t *testing.T) {
	rec := sample(t)
	rec.Report.RuledOut = nil
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	card, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	for form, text := range map[string]string{"text": report.Text(rec, linksOf(rec)), "page": string(page), "card": string(card)} {
		assert.NotContains(t, strings.ToLower(text), "what was ruled out", form)
	}
	whole, err := report.JSON(rec)
	require.NoError(t, err)
	assert.Contains(t, string(whole), `"ruled_out": []`)
}
