// Package report renders an investigation: as mail, as text, as a page, as JSON and as a chat card. It is
// pure: a record and links in, bytes out. Every text in a record is untrusted.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const (
	columns    = 70 // of the plain text
	maxSubject = 99 // characters: SNS takes less than 100
)

// Subject is the mail's subject: ASCII, without control characters, under 100 characters. The alarm's
// name comes before what was found, since filters and threads go by it.
func Subject(rec *investigation.Record) string {
	verdict := "cause " + string(confidence(rec))
	switch {
	case rec.Outcome == investigation.OutcomeFallback:
		verdict = "needs a human"
	case confidence(rec) == investigation.Unknown:
		verdict = "cause not found"
	}
	prefix := fmt.Sprintf("[%s] ", strings.ToUpper(string(severity(rec))))
	if severity(rec) == investigation.SeverityUnknown {
		prefix = "[ALARM] "
	}
	name := ascii(rec.Alarm.Name)
	room := maxSubject - len(prefix) - len(": ") - len(verdict)
	if len(name) > room {
		name = name[:room-3] + "..."
	}
	return prefix + name + ": " + verdict
}

// ascii replaces what is not printable ASCII.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

func confidence(rec *investigation.Record) investigation.Confidence {
	if rec.Report.Confidence == "" {
		return investigation.Unknown
	}
	return rec.Report.Confidence
}

func severity(rec *investigation.Record) investigation.Severity {
	if rec.Report.Severity == "" {
		return investigation.SeverityUnknown
	}
	return rec.Report.Severity
}

// section is a part of the text that stands or falls as a whole when the text must be cut.
type section struct {
	title string
	body  string
	keep  bool // never cut: what the reader needs first, and the links
}

// Text is the whole report as plain text.
func Text(rec *investigation.Record, links Links) string {
	var b strings.Builder
	for _, s := range append(sections(rec, links), audit(rec)...) {
		b.WriteString(s.String())
	}
	return b.String()
}

// Notification is the mail: the report without the audit trail, at most maxBytes long. Where it is cut,
// it says what was left out and where it stands.
func Notification(rec *investigation.Record, links Links, maxBytes int) string {
	all := sections(rec, links)
	length := 0
	for _, s := range all {
		length += len(s.String())
	}
	var left []string
	for i := len(all) - 1; i >= 0 && length > maxBytes-200; i-- {
		if all[i].keep {
			continue
		}
		length -= len(all[i].String())
		left = append(left, strings.ToLower(all[i].title))
		all = slices.Delete(all, i, i+1)
	}
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.String())
	}
	if len(left) > 0 {
		slices.Reverse(left)
		b.WriteString(wrap("Left out of this message for its length: "+strings.Join(left, ", ")+". The stored report has all of it.", "") + "\n")
	}
	return cut(b.String(), maxBytes)
}

func cut(text string, maxBytes int) string {
	const said = "\n[cut here; the stored report has the rest]\n"
	if len(text) <= maxBytes {
		return text
	}
	end := max(0, maxBytes-len(said))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + said
}

func (s section) String() string {
	if s.body == "" {
		return ""
	}
	if s.title == "" {
		return s.body + "\n"
	}
	return strings.ToUpper(s.title) + "\n" + s.body + "\n"
}

// sections is the report in the order in which it is read.
func sections(rec *investigation.Record, links Links) []section {
	r := rec.Report
	return []section{
		{body: headline(rec), keep: true},
		{title: "Executive summary", body: paragraph(first(r.Summary, fallbackSummary(rec))), keep: true},
		{title: "Do first", body: actions(r.Actions, rec, links), keep: true},
		{title: "Root cause", body: rootCause(rec), keep: true},
		{title: "Impact assessment", body: paragraph(r.Impact)},
		{title: "Investigation details", body: findings(r.Findings)},
		{title: "In the model's own words (not checked)", body: paragraph(r.FreeText)},
		{title: "What could not be seen", body: notSeen(rec)},
		{title: "The metric", body: metrics(rec)},
		{title: "Changes before the alarm", body: changes(rec)},
		{title: "Fired together", body: related(rec.Together)},
		{title: "Seen before", body: seenBefore(rec)},
		{title: "Prevention measures", body: bullets(r.Prevention)},
		{title: "Monitoring recommendations", body: bullets(r.Monitoring)},
		{title: "Links", body: linkLines(links), keep: true},
		{title: "About this investigation", body: about(rec), keep: true},
	}
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func headline(rec *investigation.Record) string {
	var b strings.Builder
	b.WriteString(wrap("Alarm: "+plain(rec.Alarm.Name), "       ") + "\n")
	fmt.Fprintf(&b, "Since: %s\n", moment(rec.Alarm.Time))
	fmt.Fprintf(&b, "Where: account %s, %s\n", plain(rec.Alarm.Account), plain(rec.Alarm.Region))
	fmt.Fprintf(&b, "Cause: %s\n", map[investigation.Confidence]string{
		investigation.Confirmed: "confirmed by evidence", investigation.Likely: "likely, not proven", investigation.Unknown: "not established",
	}[confidence(rec)])
	fmt.Fprintf(&b, "Severity: %s\n", severity(rec))
	if rec.OutcomeWhy != "" {
		b.WriteString("\n" + wrap("NOTE: "+plain(rec.OutcomeWhy), "") + "\n")
	}
	return b.String()
}

func fallbackSummary(rec *investigation.Record) string {
	return fmt.Sprintf("The alarm went to %s and no conclusion could be reached automatically. Its reason: %s", rec.Alarm.State, first(rec.Alarm.Reason, "not given"))
}

func rootCause(rec *investigation.Record) string {
	var b strings.Builder
	cause := rec.Report.RootCause
	if cause == "" {
		cause = "Not established."
	}
	b.WriteString(paragraph(cause))
	if rec.Report.Downgraded != "" {
		b.WriteString(paragraph("Doubt: " + rec.Report.Downgraded + "."))
	}
	return b.String()
}

// actions are the first steps. Without any of the model's there are those that always help.
func actions(list []investigation.Action, rec *investigation.Record, links Links) string {
	if len(list) == 0 {
		list = manualSteps(rec)
	}
	var b strings.Builder
	for i, action := range list {
		b.WriteString(wrap(fmt.Sprintf("%d. %s", i+1, plain(action.Text)), "   ") + "\n")
		if action.Command != "" {
			// Never wrapped: it is there to be copied.
			b.WriteString("\n    " + strings.ReplaceAll(strings.TrimSpace(action.Command), "\n", "\n    ") + "\n\n")
		}
	}
	return b.String()
}

func manualSteps(rec *investigation.Record) []investigation.Action {
	region, name := shellQuote(rec.Alarm.Region), shellQuote(rec.Alarm.Name)
	steps := []investigation.Action{
		{Text: "Look at the alarm and its history.", Command: "aws cloudwatch describe-alarm-history --region " + region + " --alarm-name " + name + " --max-records 20"},
		{Text: "Look at what changed in the hour before.", Command: "aws cloudtrail lookup-events --region " + region + " --lookup-attributes AttributeKey=ReadOnly,AttributeValue=false --max-results 50"},
	}
	for _, metric := range rec.Alarm.Metrics {
		if function := metric.Dimensions["FunctionName"]; function != "" {
			steps = append(steps, investigation.Action{Text: "Read the function's latest errors.", Command: "aws logs tail --region " + region + " " + shellQuote("/aws/lambda/"+function) + " --since 1h --filter-pattern ERROR"})
			break
		}
	}
	return append(steps, investigation.Action{Text: "Check the health of what the alarm's metric measures, and of what it depends on."})
}

// shellQuote makes text one word of a shell, whatever is in it.
func shellQuote(text string) string {
	safe := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r == '/' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(plain(text), "'", `'\''`) + "'"
}

func findings(list []investigation.Finding) string {
	var b strings.Builder
	for i, finding := range list {
		state := string(finding.Confidence)
		if !finding.Verified {
			state += ", UNVERIFIED: " + first(finding.Problem, "no evidence is cited")
		}
		b.WriteString(wrap(fmt.Sprintf("%d. %s (%s)", i+1, plain(finding.Statement), plain(state)), "   ") + "\n")
		for _, citation := range finding.Evidence {
			if citation.Found {
				b.WriteString(wrap(fmt.Sprintf("   tool call %d: \"%s\"", citation.Call, plain(citation.Quote)), "   ") + "\n")
			}
		}
	}
	return b.String()
}

func notSeen(rec *investigation.Record) string {
	lines := slices.Clone(rec.Report.NotSeen)
	for _, n := range rec.NotSeen {
		lines = append(lines, fmt.Sprintf("%s: %s (tool call %d)", n.What, n.Why, n.Call))
	}
	if rec.Evidence.Problem != "" {
		lines = append(lines, "Evidence collected beforehand: "+rec.Evidence.Problem)
	}
	return bullets(lines)
}

func metrics(rec *investigation.Record) string {
	var lines []string
	for _, s := range rec.Evidence.Series {
		if len(s.Points) == 0 {
			lines = append(lines, fmt.Sprintf("%s: no datapoints around the alarm", s.Label))
			continue
		}
		low, high := s.Points[0].Value, s.Points[0].Value
		for _, p := range s.Points {
			low, high = min(low, p.Value), max(high, p.Value)
		}
		last := s.Points[len(s.Points)-1]
		line := fmt.Sprintf("%s: %g at %s (from %g to %g over %d datapoints of %d s)", s.Label, last.Value, moment(last.Time), low, high, len(s.Points), s.Period)
		if s.Threshold != nil {
			line += fmt.Sprintf(", threshold %g", *s.Threshold)
		}
		lines = append(lines, line)
	}
	return bullets(lines)
}

// maxListed bounds lists that nobody reads to their end.
const maxListed = 10

func changes(rec *investigation.Record) string {
	var lines []string
	for i, c := range rec.Evidence.Changes {
		if i == maxListed {
			lines = append(lines, fmt.Sprintf("… and %d more", len(rec.Evidence.Changes)-maxListed))
			break
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s by %s %s", moment(c.Time), c.Event, first(c.User, "unknown"), strings.Join(c.Resources, ", "))))
	}
	return bullets(lines)
}

func related(list []investigation.Related) string {
	var lines []string
	for _, r := range list {
		lines = append(lines, strings.TrimSpace(r.Name+" "+r.Reason))
	}
	return bullets(lines)
}

func seenBefore(rec *investigation.Record) string {
	var lines []string
	for _, past := range rec.SeenBefore {
		lines = append(lines, fmt.Sprintf("%s: %s", moment(past.Time), first(past.Cause, "no cause found")))
	}
	return bullets(lines)
}

func linkLines(links Links) string {
	var b strings.Builder
	for _, l := range []struct{ name, url string }{{"Report", first(links.Report, links.ReportText)}, {"Alarm", links.Alarm}, {"Logs of the investigation", links.Logs}} {
		if l.url != "" {
			fmt.Fprintf(&b, "%s:\n%s\n", l.name, l.url)
		}
	}
	return b.String()
}

func about(rec *investigation.Record) string {
	u := rec.Usage
	tokens := fmt.Sprintf("%d in, %d out", u.InputTokens+u.CacheWriteTokens, u.OutputTokens)
	if u.CacheReadTokens > 0 {
		tokens += fmt.Sprintf(", %d from cache", u.CacheReadTokens)
	}
	price := "price of this model not known"
	if u.PriceKnown {
		price = fmt.Sprintf("about $%.4f", u.CostUSD)
	}
	lines := []string{
		"Outcome: " + string(rec.Outcome),
		"Model: " + rec.Model,
		fmt.Sprintf("Model calls: %d, tool calls: %d", u.ModelCalls, u.ToolCalls),
		fmt.Sprintf("Tokens: %s (%s)", tokens, price),
		"Duration: " + rec.EndedAt.Sub(rec.StartedAt).Round(time.Second).String(),
		"Region: " + rec.Alarm.Region + ", account: " + rec.Alarm.Account,
		"Investigation: " + rec.ID,
	}
	if rec.EndedAt.IsZero() {
		lines = slices.Delete(lines, 4, 5)
	}
	if rec.Repeats > 0 {
		lines = append(lines, fmt.Sprintf("The alarm fired %d more times meanwhile.", rec.Repeats))
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(wrap(plain(line), "") + "\n")
	}
	return b.String()
}

// audit is the investigation round by round, for the stored report.
func audit(rec *investigation.Record) []section {
	var b strings.Builder
	write := func(call *investigation.ToolCall) {
		fmt.Fprintf(&b, "\n--- tool call %d\n%s\n", call.Number, indent(call.Command))
		switch {
		case call.Cached > 0:
			fmt.Fprintf(&b, "--- answered from tool call %d\n", call.Cached)
		case call.Answer == nil:
			fmt.Fprintf(&b, "--- failed: %s\n", plain(call.Problem))
		default:
			fmt.Fprintf(&b, "--- output (%.1f s)\n%s\n", call.Answer.ExecutionTime, indent(call.Answer.Output))
			for _, request := range call.Answer.AWSCalls {
				fmt.Fprintf(&b, "    aws: %s:%s %s %d %d ms %s%s\n", plain(request.Service), plain(request.Operation), plain(request.Region), request.Status, request.DurationMS, plain(request.ErrorCode), plain(request.Refused))
			}
		}
	}
	if rec.Evidence.Call != nil {
		write(rec.Evidence.Call)
	}
	for i := range rec.Rounds {
		round := &rec.Rounds[i]
		fmt.Fprintf(&b, "\n=== round %d (%s)\n", round.Number, round.StopReason)
		if round.Text != "" {
			b.WriteString(paragraph(round.Text))
		}
		if round.Note != "" {
			fmt.Fprintf(&b, "(%s)\n", round.Note)
		}
		for j := range round.Calls {
			write(&round.Calls[j])
		}
	}
	return []section{{title: "The whole investigation", body: b.String()}}
}

func indent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = "    " + plain(line)
	}
	return strings.Join(lines, "\n")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "time not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func bullets(list []string) string {
	var b strings.Builder
	for _, entry := range list {
		if entry = plain(entry); entry != "" {
			b.WriteString(wrap("- "+entry, "  ") + "\n")
		}
	}
	return b.String()
}

func paragraph(text string) string {
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	var b strings.Builder
	for _, line := range strings.Split(text, "\n") {
		b.WriteString(wrap(plain(line), "") + "\n")
	}
	return b.String()
}

// plain takes out line breaks, control characters and marks that turn the direction of text: one line
// of untrusted text stays one line.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.TrimRight(text, " ")
}

// wrap folds text at blanks; further lines begin with indent. A word longer than a line stays whole, as
// it is an ARN or an address.
func wrap(text, indent string) string {
	lead := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var b strings.Builder
	line := lead
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line)
	return b.String()
}
