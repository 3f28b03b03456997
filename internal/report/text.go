package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// The layout of plain text. The first two columns belong to code: the titles of sections, the result, the links, and
// the marks of lines that state what a command does or what a tool answered. Everything that a model or somebody else
// wrote begins in the third column, so it cannot look like them. Prose has one line for each paragraph, because clients
// wrap it to their width. A client may begin a line with any word then. So the lines below the first ones begin with marks
// that are escaped in all other text: see [imitatesMark].
const (
	margin   = "  "   // before each line of a section
	inMargin = "\x00" // begins a line that code writes without margin; no cleaned text contains it

	titleMark = "■ " // before the title of a section, a link, and the lines about rounds and tool calls
	labelMark = "▲ " // before what a command does
	quoteMark = "▌ " // before a quote from a tool call
)

// Text returns the whole report as plain text.
func Text(rec *investigation.Record, links Links) string { return textOf(inText, rec, links) }

// Verdict returns the sections that a chat card has as plain text: the result, the cause, and what to do.
func Verdict(rec *investigation.Record, links Links) string { return textOf(inCard, rec, links) }

func textOf(f form, rec *investigation.Record, links Links) string {
	var b strings.Builder
	for _, p := range parts(f, inZone(rec, links.Zone), rec, links) {
		b.WriteString(textSection(p.title, p.remark, inside(p.content.text())))
	}
	return b.String()
}

// inside returns the body of a section with its margin.
func inside(body string) string {
	var b strings.Builder
	for line := range strings.Lines(body) {
		if own, ok := strings.CutPrefix(line, inMargin); ok {
			line = own
		} else if line != "\n" {
			line = margin + line
		}
		b.WriteString(line)
	}
	return b.String()
}

// textSection returns a section under its heading, or "" if it has no content.
func textSection(title, remark, body string) string {
	if body == "" {
		return ""
	}
	if title == "" {
		return body + "\n"
	}
	heading := titleMark + strings.ToUpper(title)
	if remark != "" {
		heading += " (" + remark + ")"
	}
	return heading + "\n" + body + "\n"
}

func (h headline) text() string {
	text := verdictLine(h.rec)
	if where := place(h.rec); where != "" {
		text += " Account " + where + "."
	}
	text += "\n"
	for _, f := range []fact{
		{"What changed", changed(h.rec)},
		{"Alarm", plain(h.rec.Alarm.Name) + ", " + stateThen(&h.rec.Alarm)},
		{"State", stateNow(h.rec)},
		{"Report", h.report},
		{"Owner", tagged(h.rec, tagOwner)}, {"Runbook", tagged(h.rec, tagRunbook)},
	} {
		if f.Value != "" {
			text += oneLine(f.Name+": "+f.Value) + "\n"
		}
	}
	text += authorship(h.rec) + "\n"
	for _, note := range notes(h.rec) {
		text += "\n" + oneLine("NOTE: "+plain(note)) + "\n"
	}
	return owned(text)
}

func (p prose) text() string { return paragraphs(p.body) + paragraphs(p.doubt) }

func (s steps) text() string {
	var b strings.Builder
	for i, action := range s.actions {
		mark := fmt.Sprintf("%d. ", i+1)
		b.WriteString(oneLine(mark+unmarked(action.text)) + "\n")
		if action.label != "" {
			b.WriteString("\n" + commandText(action.label, action.lines) + "\n")
		}
	}
	return b.String()
}

// commandText returns a command under the statement about what it does.
func commandText(label string, lines []string) string {
	text := owned(labelMark + label + "\n")
	for _, line := range lines {
		text += strings.TrimRight("  "+line, " ") + "\n"
	}
	return text
}

// owned marks lines that code writes into the margin. Each begins with words of code, and untrusted text may follow.
func owned(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(inMargin + line)
	}
	return b.String()
}

func (l linkList) text() string {
	var b strings.Builder
	for _, link := range []struct{ name, url string }{
		{"Alarm", l.links.Alarm}, {"Logs of the investigation", l.links.Logs},
	} {
		if link.url != "" {
			fmt.Fprintf(&b, "%s%s: %s\n", titleMark, link.name, link.url)
		}
	}
	return owned(b.String())
}

func (d alarmDetails) text() string {
	a := d.rec.Alarm
	details := []fact{
		{"Name", a.Name}, {"State", stateThen(&a)},
		{"Where", "account " + place(d.rec)}, {"Reason", a.Reason},
		{"Description", a.Description}, {"Triggered by", contributor(a)},
	}
	return facts{facts: append(details, alarmFacts(d.rec)...)}.text()
}

func (f facts) text() string {
	var b strings.Builder
	for _, fact := range f.facts {
		if fact.Value != "" {
			b.WriteString(oneLine(fact.Name+": "+plain(fact.Value)) + "\n")
		}
	}
	return b.String()
}

func (s series) text() string {
	var lines []string
	for _, s := range s.rec.Evidence.Series {
		lines = append(lines, seriesLine(s))
	}
	return list{entries: lines}.text()
}

// seriesLine summarizes a metric.
func seriesLine(s investigation.Series) string {
	s.Label = truncate.Runes(s.Label, maxMeasuredText)
	if len(s.Points) == 0 {
		return fmt.Sprintf("%s: no datapoints around the alarm", s.Label)
	}
	low, high := s.Points[0].Value, s.Points[0].Value
	for _, p := range s.Points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	last := s.Points[len(s.Points)-1]
	line := fmt.Sprintf("%s: %g at %s (from %g to %g over %s of %d s)",
		s.Label, last.Value, moment(last.Time), low, high, plural.Of(len(s.Points), "datapoint"), s.Period)
	if s.Threshold != nil {
		line += fmt.Sprintf(", threshold %g", *s.Threshold)
	}
	return line
}

func (l list) text() string {
	clean := unmarked
	if l.verbatim {
		clean = plain
	}
	entries, left := l.entries, 0
	if l.most > 0 && len(entries) > l.most {
		entries, left = entries[:l.most], len(entries)-l.most
	}
	var b strings.Builder
	for _, entry := range entries {
		if entry = clean(entry); entry != "" {
			b.WriteString(oneLine("- "+entry) + "\n")
		}
	}
	if left > 0 {
		b.WriteString("- " + more(left) + "\n")
	}
	return b.String()
}

// text is empty: plain text has the changes and the findings instead.
func (timeline) text() string { return "" }

// text begins each finding with its state and marks its quotes in the margin, so no statement can imitate either.
func (f findings) text() string {
	var b strings.Builder
	for i, finding := range f.findings {
		state := confidenceIn(finding)
		if !finding.Verified {
			state += ", UNVERIFIED: " + unverified(finding)
		} else if finding.IsComputed() {
			state += ", " + strings.ToUpper(computed)
		}
		mark := fmt.Sprintf("%d. ", i+1)
		b.WriteString(oneLine(mark+"("+plain(state)+") "+unmarked(finding.Statement)) + "\n")
		b.WriteString(quotesText(finding.Evidence))
	}
	return b.String()
}

// quotesText returns the quotes that were found, with a mark in the margin.
func quotesText(evidence []investigation.Citation) string {
	var b strings.Builder
	for _, citation := range evidence {
		if citation.Found {
			quote := fmt.Sprintf("tool call %d: \"%s\"", citation.Call, plain(citation.Quote))
			if source := sourceOf(citation); source != "" {
				quote += " (" + source + ")"
			}
			b.WriteString(owned(quoteMark + oneLine(quote) + "\n"))
		}
	}
	return b.String()
}

// text begins each hypothesis with its state, as that of findings does.
func (r ruledOut) text() string {
	var b strings.Builder
	for i, refuted := range r.refuted {
		state := refutedState(refuted)
		if !refuted.Verified {
			state = strings.ToUpper(state) + ": " + cmp.Or(refuted.Problem, noEvidence)
		} else if refuted.IsComputed() {
			state += ", " + strings.ToUpper(computed)
		}
		mark := fmt.Sprintf("%d. ", i+1)
		b.WriteString(oneLine(mark+"("+plain(state)+") "+unmarked(refuted.Hypothesis)) + "\n")
		if refuted.Reason != "" {
			b.WriteString(strings.Repeat(" ", len(mark)) + oneLine("Against it: "+unmarked(refuted.Reason)) + "\n")
		}
		b.WriteString(quotesText(refuted.Evidence))
	}
	return b.String()
}

func (p past) text() string {
	var entries []string
	for _, earlier := range p.rec.SeenBefore {
		line := moment(earlier.Time) + ": " + pastCause(earlier) + pastFeedback(earlier) + pastRepeats(earlier)
		if earlier.ReportURI != "" {
			line += " (" + earlier.ReportURI + ")"
		}
		entries = append(entries, line)
	}
	return list{entries: entries, most: maxListed, verbatim: true}.text() // without Markdown already
}

func (r rounds) text() string {
	var b strings.Builder
	if r.rec.Evidence.Call != nil {
		b.WriteString(callText(r.rec.Evidence.Call))
	}
	for i := range r.rec.Rounds {
		round := &r.rec.Rounds[i]
		b.WriteString("\n" + owned(titleMark+oneLine(fmt.Sprintf("round %d (%s)", round.Number, plain(round.StopReason)))+"\n"))
		b.WriteString(paragraphs(round.Text))
		if round.Note != "" {
			b.WriteString(oneLine("("+plain(round.Note)+")") + "\n")
		}
		for j := range round.Calls {
			b.WriteString(callText(&round.Calls[j]))
		}
		for _, other := range round.Other {
			b.WriteString("\n" + owned(titleMark+"call that ran no code\n") + indent(other.Name+"\n"+other.Input) + "\n")
			b.WriteString(owned(titleMark+"answer\n") + indent(other.Answer) + "\n")
		}
	}
	return b.String()
}

// collectorNote replaces the code of the tool call that collects the evidence, which is the same in all investigations.
const collectorNote = "(the collector of evidence, which is a part of alarmtriage; the JSON report has its input)"

func callText(call *investigation.ToolCall) string {
	var b strings.Builder
	own := func(format string, args ...any) {
		b.WriteString(owned(titleMark + oneLine(fmt.Sprintf(format, args...)) + "\n"))
	}
	b.WriteString("\n")
	own("tool call %d", call.Number)
	if call.Number == 0 {
		b.WriteString(indent(collectorNote) + "\n")
	} else {
		b.WriteString(indent(call.Command) + "\n")
	}
	switch {
	case call.Cached > 0:
		own("answered from tool call %d", call.Cached)
	case call.Answer == nil:
		own("failed: %s", plain(cmp.Or(call.Problem, noAnswer)))
		if call.Lost {
			own("aws: %s", callsNotKnown)
		}
	default:
		own("output (%.1f s)", call.Answer.ExecutionTime)
		b.WriteString(indent(call.Answer.Text()) + "\n")
		for _, request := range call.Answer.AWSCalls {
			own("aws: %s", plain(requestLine(request)))
		}
		if call.Answer.AWSCallsCut > 0 {
			own("aws: %s", more(call.Answer.AWSCallsCut))
		}
	}
	return b.String()
}

// requestLine describes an AWS call in one line.
func requestLine(request toolcall.AWSCall) string {
	line := fmt.Sprintf("%s:%s %s %d, %d ms",
		request.Service, request.Operation, request.Region, request.Status, request.DurationMS) + otherSigner(request)
	if why := cmp.Or(request.ErrorCode, request.Refused); why != "" {
		line += ", " + why
	}
	return line
}

// otherSigner describes the credentials of an AWS call that the tool's own role did not sign, or its account if the tool reads
// several.
func otherSigner(request toolcall.AWSCall) string {
	switch {
	case request.AccessKey == "" && request.Account == "":
		return ""
	case request.AccessKey == "":
		return ", account " + request.Account
	case request.Account == "":
		return ", access key " + request.AccessKey
	}
	return ", access key " + request.AccessKey + " of account " + request.Account
}

// paragraphs returns prose as plain text with one line for each paragraph, without Markdown.
func paragraphs(text string) string {
	var b strings.Builder
	for _, part := range blocksOf(text) {
		var line strings.Builder
		for _, s := range part.Spans {
			line.WriteString(s.Text)
		}
		text := oneLine(defangAddresses(line.String())) // an address can be whole only without its marks
		switch part.Kind {
		case codeBlock:
			label, _ := codeLabel(part.Code)
			b.WriteString(commandText(label, command.Fold(part.Code, commandWidth)))
		case itemBlock:
			b.WriteString(oneLine(part.Mark+" "+text) + "\n")
		default:
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

func indent(text string) string {
	list := strings.Split(strings.TrimRight(lines(text), "\n"), "\n")
	for i, line := range list {
		list[i] = strings.TrimRight("  "+line, " ")
	}
	return strings.Join(list, "\n")
}

// oneLine returns text with single blanks between its words.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// thousands groups the digits of a number.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
