package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// The kinds of content. text.go, page.go, and card.go render each of them.
type (
	// headline is the result in one line, with the notes that the reader needs to understand it.
	headline struct {
		rec    *investigation.Record
		report string // address of the report; plain text has it before the actions
	}

	// prose is text that the model wrote.
	prose struct {
		body  string
		doubt string // why the confidence was lowered; the forms emphasize it
		lead  bool   // whether it is the first text of the report
		basis string // what the cause rests on, if that is not in the body
	}

	// steps are actions in the order in which the engineer should take them.
	steps struct{ actions []action }

	// linkList leads to the forms and to the console.
	linkList struct{ links Links }

	// alarmDetails describes the alarm as CloudWatch reported it.
	alarmDetails struct {
		notOnCard
		rec *investigation.Record
	}

	// series is the alarm's metric: charts on the page, numbers in text.
	series struct {
		notOnCard
		rec *investigation.Record
	}

	// list is a list of short entries.
	list struct {
		notOnCard
		entries  []string
		most     int  // entries that plain text shows; 0: all
		verbatim bool // entries are not Markdown
	}

	// timeline is the incident in order.
	timeline struct {
		notOnCard
		rec *investigation.Record
	}

	// findings are the model's statements with the quotes that support them.
	findings struct {
		notOnCard
		findings []investigation.Finding
	}

	// ruledOut are hypotheses that the model refuted, with the quotes that speak against them.
	ruledOut struct{ refuted []investigation.Refuted }

	// past are earlier investigations of the alarm.
	past struct{ rec *investigation.Record }

	// facts are names with values.
	facts struct {
		notOnCard
		facts []fact
	}

	// rounds is the whole investigation, round by round.
	rounds struct {
		notOnCard
		rec *investigation.Record
	}
)

// fact is a name with its value; an empty value is not shown.
type fact struct{ Name, Value string }

// maxListed is how many entries of a long list plain text shows.
const maxListed = 10

func headlineOf(rec *investigation.Record, links Links) content {
	return headline{rec, cmp.Or(links.Report, links.ReportText)}
}

func summaryOf(rec *investigation.Record, _ Links) content {
	return prose{body: cmp.Or(rec.Report.Summary, fallbackSummary(rec)), lead: true}
}

func causeOf(rec *investigation.Record, _ Links) content {
	cause := prose{body: cmp.Or(rec.Report.RootCause, notEstablished), doubt: doubt(rec)}
	if cause.doubt == "" && confidence(rec) == investigation.Likely && restsOnComputed(rec) {
		cause.basis = evidenceComputed
	}
	return cause
}

func impactOf(rec *investigation.Record, _ Links) content { return prose{body: rec.Report.Impact} }

func freeTextOf(rec *investigation.Record, _ Links) content { return prose{body: rec.Report.FreeText} }

func actionsOf(rec *investigation.Record, links Links) content {
	return steps{actionsFor(rec, links.recorded)}
}

func linksOf(_ *investigation.Record, links Links) content { return linkList{links: links} }

func alarmOf(rec *investigation.Record, _ Links) content { return alarmDetails{rec: rec} }

func metricOf(rec *investigation.Record, _ Links) content { return series{rec: rec} }

func logLinesOf(rec *investigation.Record, _ Links) content {
	return list{entries: matchingLines(rec), verbatim: true}
}

func timelineOf(rec *investigation.Record, _ Links) content { return timeline{rec: rec} }

func findingsOf(rec *investigation.Record, _ Links) content {
	return findings{findings: rec.Report.Findings}
}

func ruledOutOf(rec *investigation.Record, _ Links) content {
	return ruledOut{refuted: rec.Report.RuledOut}
}

// notSeenOf lists what the investigation could not read, as the model states it and as code noticed it.
func notSeenOf(rec *investigation.Record, _ Links) content {
	entries := slices.Clone(rec.Report.NotSeen)
	for _, n := range rec.NotSeen {
		entry := fmt.Sprintf("%s: %s", n.What, n.Why)
		if of := fmt.Sprintf("tool call %d", n.Call); n.Call > 0 && !strings.HasSuffix(n.What, of) {
			entry += " (" + of + ")"
		}
		entries = append(entries, entry)
	}
	for _, problem := range rec.Alarm.NotUnderstood {
		entries = append(entries, "In the alarm's event: "+problem)
	}
	for _, missing := range rec.Evidence.Missing {
		entries = append(entries, "Evidence collected beforehand: "+missing)
	}
	if rec.Evidence.Problem != "" && len(rec.Evidence.Missing) == 0 {
		entries = append(entries, "Evidence collected beforehand: "+rec.Evidence.Problem)
	}
	return list{entries: entries}
}

func changesOf(rec *investigation.Record, _ Links) content {
	changes := slices.Clone(rec.Evidence.Changes)
	slices.SortStableFunc(changes, func(a, b investigation.Change) int {
		return cmp.Or(-compareBool(a.Own, b.Own), b.Time.Compare(a.Time))
	})
	var entries []string
	for _, change := range changes {
		if !isAfter(change, rec) {
			entries = append(entries, moment(change.Time)+" "+changeLine(change))
		}
	}
	if t := rec.Evidence.Trail; t != nil && len(t.Routine) > 0 {
		routine := 0
		for _, count := range t.Routine {
			routine += count
		}
		entries = append(entries, "("+plural.Either(routine, "routine event of CloudTrail is", "routine events of CloudTrail are")+" not listed.)")
	}
	return list{entries: entries, most: maxListed, verbatim: true}
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func changeLine(c investigation.Change) string {
	line := c.Event + " by " + cmp.Or(c.User, "unknown")
	if len(c.Resources) > 0 {
		line += ": " + strings.Join(c.Resources, ", ")
	}
	if c.Error != "" {
		line += " (failed: " + c.Error + ")"
	}
	return line
}

func togetherOf(rec *investigation.Record, _ Links) content {
	return relatedList(rec.Together, &rec.Alarm)
}

func alsoInAlarmOf(rec *investigation.Record, _ Links) content {
	return relatedList(rec.Evidence.Related, &rec.Alarm)
}

func relatedList(alarms []investigation.Related, beside *alarmevent.Alarm) list {
	entries := make([]string, len(alarms))
	for i, alarm := range alarms {
		entries[i] = relatedLine(alarm, beside)
	}
	return list{entries: entries, most: maxListed, verbatim: true}
}

func relatedLine(r investigation.Related, beside *alarmevent.Alarm) string {
	line := r.NameBeside(beside)
	if !r.Since.IsZero() {
		line += ", since " + moment(r.Since)
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	return line
}

func seenBeforeOf(rec *investigation.Record, _ Links) content { return past{rec: rec} }

func preventionOf(rec *investigation.Record, _ Links) content {
	return list{entries: rec.Report.Prevention}
}

func monitoringOf(rec *investigation.Record, _ Links) content {
	return list{entries: rec.Report.Monitoring}
}

// aboutOf lists the investigation's outcome and what it used. Cost and duration come last.
func aboutOf(rec *investigation.Record, _ Links) content {
	u := rec.Usage
	about := []fact{{"Investigation", rec.ID}, {"Report as text", rec.ReportURI}, {"Outcome", outcomeLine(rec.Outcome)}, {"Model", askedModel(rec)}}
	for _, f := range rec.Fallbacks {
		about = append(about, fact{"Failed model", f.Why})
	}
	about = append(about,
		fact{"Calls", plural.Of(u.ModelCalls, "model call") + ", " + plural.Of(u.ToolCalls, "tool call")},
		fact{"Tokens", tokens(u)})
	switch {
	case rec.Lost != nil:
		about = append(about, fact{"Started again", "a checkpoint could not be read; this list includes the usage before that"})
	case rec.Resumed > 0:
		about = append(about, fact{"Resumed", plural.Of(rec.Resumed, "time") + " from a checkpoint"})
	}
	if rec.Repeats > 0 {
		about = append(about, fact{"Repeats", "the alarm fired " + plural.Of(rec.Repeats, "more time") + " meanwhile"})
	}
	about = append(about, fact{"AWS queries", queries(rec)}, fact{"Cost", cost(rec)})
	if !rec.EndedAt.IsZero() {
		about = append(about, fact{"Duration", rec.EndedAt.Sub(rec.StartedAt).Round(time.Second).String()})
	}
	return facts{facts: about}
}

// isAsked reports whether a model was asked. Records of older versions do not have NoModelAsked. An earlier invocation can have
// asked one before a limit or the kill switch stopped the investigation, and its checkpoint can be lost.
func isAsked(rec *investigation.Record) bool {
	return rec.Usage.ModelCalls > 0 || !rec.EvidenceOnly && !rec.NoModelAsked && !strings.HasPrefix(rec.OutcomeWhy, "No model was asked: ")
}

// askedModel returns the model that was asked last, or "" if none was asked: the record has the first one then.
func askedModel(rec *investigation.Record) string {
	if !isAsked(rec) {
		return ""
	}
	return rec.Model
}

func tokens(u investigation.Usage) string {
	text := fmt.Sprintf("%s in, %s out", thousands(u.InputTokens+u.CacheWriteTokens), thousands(u.OutputTokens))
	if u.CacheReadTokens > 0 {
		text += fmt.Sprintf(", %s from cache", thousands(u.CacheReadTokens))
	}
	return text
}

func cost(rec *investigation.Record) string {
	u := rec.Usage
	switch {
	case !isAsked(rec):
		return "no model was asked"
	case u.ModelCalls == 0: // no price was looked up
		return "unknown (the model never answered)"
	case u.PriceKnown:
		return fmt.Sprintf("about $%.4f", u.CostUSD)
	}
	return "unknown (no price for this model)"
}

// queries lists what AWS bills by use, or returns "" if it bills nothing.
func queries(rec *investigation.Record) string {
	billed, lost := rec.BilledQueries()
	var parts []string
	for _, q := range billed {
		parts = append(parts, queriesOf(q))
	}
	if lost > 0 {
		parts = append(parts, "those of "+plural.Of(lost, "tool call")+" without an answer, counted with all that they could cost")
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ") + fmt.Sprintf("; about $%.4f", rec.QueryCostUSD())
}

func queriesOf(q toolcall.BilledQueries) string {
	switch {
	case q.Unit == toolcall.UnitBytes:
		name := q.Operation
		if name == "logs:StartQuery" {
			name = "Logs Insights"
		}
		return plural.Either(q.Requests, name+" query", name+" queries") + ", " + byteSize(q.Units) + " scanned"
	case q.Unit == toolcall.UnitRequests:
		return fmt.Sprintf("%d %s", q.Requests, q.Operation)
	}
	return fmt.Sprintf("%d %s, %s %s", q.Requests, q.Operation, thousands(int(q.Units)), string(q.Unit))
}

// byteSize returns a number of bytes in the unit that AWS bills, or a smaller one.
func byteSize(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d kB", (n+999)/1000)
}

func investigationOf(rec *investigation.Record, _ Links) content { return rounds{rec: rec} }
