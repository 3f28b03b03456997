package report_test

import (
	"encoding/json"
	"flag"
	"html"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

var update = flag.Bool("update", false, "rewrite the outline in docs/report.md")

func TestOutline_IsDocumented(t *testing.T) {
	const page, begin, end = "../../docs/report.md", "<!-- outline -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s has no %s", page, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %s", page, end)
	got := before + begin + report.OutlineTable() + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
		return
	}
	assert.Equal(t, got, string(text), "run `go test ./internal/report -update`")
}

// full returns a record that has every section.
func full(t *testing.T) *investigation.Record {
	rec := logRecord(t)
	whole := sample(t)
	rec.Outcome, rec.Report = whole.Outcome, whole.Report
	rec.Report.FreeText, rec.Report.NotSeen = "I think that it is the pool.", []string{"The callers."}
	rec.Report.RuledOut = []investigation.Refuted{
		{Hypothesis: "The table throttles.", Reason: "It is on demand.", Verified: true, Evidence: []investigation.Citation{{Call: 4, Quote: "status ACTIVE", Found: true}}},
		{Hypothesis: "A deployment broke it.", Problem: "no evidence is cited"},
	}
	rec.Together = []investigation.Related{{Name: "payments-errors", State: string(alarmevent.StateAlarm)}}
	rec.Evidence.Related = rec.Together
	rec.Evidence.Seen = []investigation.Observation{{About: "SQS queue orders", Topic: "health", Text: "4200 messages are waiting", Weight: 60}}
	rec.SeenBefore = []investigation.Past{{Time: rec.Alarm.Time.AddDate(0, 0, -6), Cause: "The same.", Feedback: &investigation.Feedback{Verdict: investigation.FeedbackRight}}}
	return rec
}

// textTitles returns the headings of a text.
func textTitles(text string) []string {
	var titles []string
	for _, found := range regexp.MustCompile(`(?m)(?:\A|\n)\n■ ([A-Z][A-Z' ]+?)(?: \([a-zA-Z ]+\))?$`).FindAllStringSubmatch(text, -1) {
		titles = append(titles, found[1])
	}
	return titles
}

func upper(titles []string) []string {
	out := make([]string, len(titles))
	for i, title := range titles {
		out[i] = strings.ToUpper(title)
	}
	return out
}

func TestOutline_EveryFormFollowsIt(t *testing.T) {
	rec := full(t)
	notification, text, page := report.Titles(rec, linksOf(rec))
	require.Len(t, text, 21, "the record has every section of the text")
	require.Len(t, page, 21, "the record has every section of the page")
	assert.Equal(t, upper(notification), textTitles(report.Notification(rec, linksOf(rec), 1<<20)))
	assert.Equal(t, upper(text), textTitles(report.Text(rec, linksOf(rec))))

	rendered, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	var shown []string
	for _, found := range regexp.MustCompile(`<h2>([^<]*?) ?(?:<span|</h2>)|<section aria-label="([^"]*)">`).FindAllStringSubmatch(string(rendered), -1) {
		shown = append(shown, html.UnescapeString(found[1]+found[2]))
	}
	assert.Equal(t, page, shown)
	metric := func(titles []string) string { return titles[slices.Index(titles, "The metric")-1] }
	assert.Equal(t, "The alarm", metric(page))
	assert.Equal(t, "The alarm", metric(notification))

	raw, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	var card struct{ Content struct{ Description string } }
	require.NoError(t, json.Unmarshal(raw, &card))
	assert.Regexp(t, `(?s)^\*Account:\* .*\n\*What changed:\* .*\n\*Executive summary:\* The order service.*\n\*Root cause \(confirmed\):\* .*\n\*Impact assessment:\* .*\n\*What was ruled out:\* .*\n\*Seen before:\* .*\nAn AI model wrote .*\nReport: .*\nAlarm: `,
		card.Content.Description)
}

func TestOutline_EntryIsAllThatANewSectionNeeds(t *testing.T) {
	t.Cleanup(report.WithSection("Blast radius", "Two **shops** cannot sell.", "Links"))
	rec := sample(t)
	rec.Report.RuledOut = nil // the card shows it between this section and the links
	notification, text, page := report.Titles(rec, linksOf(rec))
	for form, titles := range map[string][]string{"notification": notification, "text": text, "page": page} {
		assert.Equal(t, "Blast radius", titles[slices.Index(titles, "Links")-1], form)
	}
	body := "\n\n■ BLAST RADIUS\n  Two shops cannot sell.\n\n■ LINKS\n"
	assert.Contains(t, report.Text(rec, linksOf(rec)), body)
	assert.Contains(t, report.Notification(rec, linksOf(rec), 1<<20), body)
	rendered, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(rendered), "<section><h2>Blast radius</h2><div class=\"prose\"><p>Two <strong>shops</strong> cannot sell.</p></div></section>")
	raw, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	assert.Contains(t, string(raw), `\n*Blast radius:* Two shops cannot sell.\nAn AI model wrote this report.`)
}

func TestVerdict_IsTheSameInEveryForm(t *testing.T) {
	rec := sample(t)
	rec.Report.RootCause, rec.Report.Confidence = "", investigation.Unknown
	rec.Report.Downgraded = "no finding is verified"
	page, err := report.HTML(rec, linksOf(rec))
	require.NoError(t, err)
	raw, err := report.Card(rec, linksOf(rec))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"notification": report.Notification(rec, linksOf(rec), 1<<20), "text": report.Text(rec, linksOf(rec)),
		"page": string(page), "card": string(raw),
	} {
		assert.Contains(t, text, "Not established.", name)
		assert.Contains(t, text, "Doubt: no finding is verified.", name)
	}
	assert.Contains(t, report.Subject(rec), "cause not found")
	assert.Contains(t, string(page), "cause not found")
	assert.Contains(t, string(raw), "cause not found")
}

func TestOutline_EverySectionOfTheCardShowsThere(t *testing.T) {
	rec := full(t)
	rec.OutcomeWhy = "The budget was nearly used."
	assert.Empty(t, report.SilentOnCard(rec, linksOf(rec)), "a kind of content that embeds notOnCard must not be in a section of the card")
}
