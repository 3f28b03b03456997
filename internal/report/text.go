// Package report renders an investigation: as mail, as text, as a page, as JSON and as a chat card. It is
// pure: a record and links in, bytes out. Every text in a record is untrusted.
package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// columns is the width of the plain text.
const columns = 70

// Subject is the mail's subject: ASCII, without control characters, under 100 characters. The alarm's
// name comes before what was found, since filters and threads go by it.
func Subject(rec *investigation.Record) string {
	return subject(tag(rec), ascii(plain(rec.Alarm.Name)), ": "+verdict(rec))
}

// subject fits the alarm's name between what must not be cut.
func subject(before, name, after string) string {
	if room := config.MaxSubject - len(before) - len(after); len(name) > room {
		name = name[:room-3] + "..."
	}
	return before + name + after
}

func tag(rec *investigation.Record) string {
	if severity(rec) == investigation.SeverityUnknown {
		return "[ALARM] "
	}
	return fmt.Sprintf("[%s] ", strings.ToUpper(string(severity(rec))))
}

func verdict(rec *investigation.Record) string {
	switch {
	case rec.Outcome == investigation.OutcomeFallback:
		return "needs a human"
	case confidence(rec) == investigation.Unknown:
		return "cause not found"
	}
	return "cause " + string(confidence(rec))
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

// confidence and severity are one of their words, whatever the record holds.
func confidence(rec *investigation.Record) investigation.Confidence {
	switch c := rec.Report.Confidence; c {
	case investigation.Confirmed, investigation.Likely:
		return c
	}
	return investigation.Unknown
}

func severity(rec *investigation.Record) investigation.Severity {
	switch s := rec.Report.Severity; s {
	case investigation.SeverityCritical, investigation.SeverityHigh, investigation.SeverityMedium, investigation.SeverityLow:
		return s
	}
	return investigation.SeverityUnknown
}

// section is a part of the text.
type section struct {
	title string
	body  string
	keep  bool // never left out: what the reader needs first, and the links
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

// Text is the whole report as plain text.
func Text(rec *investigation.Record, links Links) string {
	rec = cleaned(rec)
	var b strings.Builder
	for _, s := range append(sections(rec, links), audit(rec)) {
		b.WriteString(s.String())
	}
	return b.String()
}

// Notification is the mail: the report without the audit trail, at most maxBytes long. Long sections are
// shortened first, then the last ones are left out; both is said, and where the whole report is.
func Notification(rec *investigation.Record, links Links, maxBytes int) string {
	all := sections(cleaned(rec), links)
	if text := join(all, ""); len(text) <= maxBytes {
		return text
	}
	var left []string
	for {
		text := join(shortened(all, maxBytes-maxSaid, left, links))
		last := lastLoose(all)
		if len(text) <= maxBytes || last < 0 {
			return cut(text, maxBytes)
		}
		left = append(left, strings.ToLower(all[last].title))
		all = slices.Delete(all, last, last+1)
	}
}

// maxSaid is what saying what is missing takes, in bytes.
const maxSaid = 600

// leastSection is the least of a section that is worth showing, in bytes.
const leastSection = 400

func join(all []section, end string) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.String())
	}
	return b.String() + end
}

// lastLoose is the index of the last section that may be left out, or -1.
func lastLoose(all []section) int {
	for i := len(all) - 1; i >= 0; i-- {
		if !all[i].keep && all[i].body != "" {
			return i
		}
	}
	return -1
}

// shortened cuts the longest sections so that all fit, as far as no section gets too short to be of use.
func shortened(all []section, room int, left []string, links Links) (out []section, said string) {
	sizes := make([]int, len(all))
	for i, s := range all {
		sizes[i] = len(s.String())
	}
	limit := max(levelled(sizes, room), leastSection)
	var short []string
	for _, s := range all {
		if over := len(s.String()) - limit; over > 0 {
			s.body = cutLines(s.body, len(s.body)-over)
			short = append(short, strings.ToLower(first(s.title, "the verdict")))
		}
		out = append(out, s)
	}
	var lines []string
	if len(short) > 0 {
		lines = append(lines, "Shortened for this message: "+strings.Join(short, ", ")+".")
	}
	if len(left) > 0 {
		slices.Reverse(left)
		lines = append(lines, "Left out of this message for its length: "+strings.Join(left, ", ")+".")
		slices.Reverse(left)
	}
	if first(links.Report, links.ReportText) != "" {
		lines = append(lines, "The stored report has all of it.")
	}
	return out, wrap(strings.Join(lines, " "), "") + "\n"
}

// levelled is the greatest limit for which the sizes, each cut to it, add up to at most room.
func levelled(sizes []int, room int) int {
	sorted := slices.Clone(sizes)
	slices.Sort(sorted)
	for i, size := range sorted {
		share := room / (len(sorted) - i)
		if size > share {
			return max(0, share)
		}
		room -= size
	}
	return math.MaxInt
}

const cutMark = "[cut here]\n"

// cutLines keeps whole lines of text, up to maxBytes with the mark that says so.
func cutLines(text string, maxBytes int) string {
	kept := text[:runeStart(text, maxBytes-len(cutMark))]
	if end := strings.LastIndexByte(kept, '\n'); end > len(kept)/2 {
		kept = kept[:end]
	}
	return strings.TrimRight(kept, "\n") + "\n" + cutMark
}

// cut is the last resort, for a limit that is too small for anything to be chosen.
func cut(text string, maxBytes int) string {
	if len(text) <= maxBytes {
		return text
	}
	if maxBytes < len(cutMark) {
		return text[:runeStart(text, maxBytes)]
	}
	return text[:runeStart(text, maxBytes-len(cutMark))] + cutMark
}

// runeStart is the greatest start of a character in text that is at most at.
func runeStart(text string, at int) int {
	if at >= len(text) {
		return len(text)
	}
	for at = max(at, 0); at > 0 && !utf8.RuneStart(text[at]); at-- {
	}
	return at
}

// sections is the report in the order in which it is read: what broke and how bad it is, what to do,
// where to look, and only then why all that is so.
func sections(rec *investigation.Record, links Links) []section {
	r := rec.Report
	return []section{
		{body: headline(rec), keep: true},
		{title: "Executive summary", body: paragraphs(first(r.Summary, fallbackSummary(rec))), keep: true},
		{title: "Root cause", body: rootCause(rec), keep: true},
		{title: "Impact assessment", body: paragraphs(r.Impact), keep: true},
		{title: "Immediate actions", body: actions(rec), keep: true},
		{title: "Links", body: linkLines(links), keep: true},
		{title: "The alarm", body: theAlarm(rec), keep: true},
		{title: "Investigation details", body: findings(r.Findings)},
		{title: "In the model's own words (not checked)", body: paragraphs(r.FreeText)},
		{title: "What could not be seen", body: bullets(notSeen(rec))},
		{title: "The metric", body: metrics(rec)},
		{title: "Matching log lines", body: verbatim(matchingLines(rec))},
		{title: "Changes before the alarm", body: changes(rec)},
		{title: "Fired together", body: related(rec.Together)},
		{title: "Also in alarm", body: related(rec.Evidence.Related)},
		{title: "Seen before", body: seenBefore(rec)},
		{title: "Prevention measures", body: bullets(r.Prevention)},
		{title: "Monitoring recommendations", body: bullets(r.Monitoring)},
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

// verdictLine is the whole report in a few words.
func verdictLine(rec *investigation.Record) string {
	var said []string
	if severity(rec) != investigation.SeverityUnknown {
		said = append(said, "Severity "+string(severity(rec))+".")
	}
	switch {
	case rec.Outcome == investigation.OutcomeFallback:
		said = append(said, "Needs a human: no conclusion was reached.")
	default:
		said = append(said, map[investigation.Confidence]string{
			investigation.Confirmed: "Cause confirmed by evidence.", investigation.Likely: "Cause likely, not proven.",
			investigation.Unknown: "Cause not established.",
		}[confidence(rec)])
	}
	return strings.Join(said, " ")
}

func headline(rec *investigation.Record) string {
	text := verdictLine(rec) + "\n" + wrap(plain(rec.Alarm.Name+", "+rec.Alarm.Region+", since "+moment(rec.Alarm.Time)), "") + "\n"
	for _, note := range notes(rec) {
		text += "\n" + wrap("NOTE: "+unmarked(note), "") + "\n"
	}
	return text
}

// notes are what the reader should know of the investigation before its result. If no model concluded, that is
// what each of them lacked; otherwise the models that failed are in the facts at the end.
func notes(rec *investigation.Record) []string {
	var list []string
	if rec.Outcome == investigation.OutcomeFallback {
		for _, f := range rec.Fallbacks {
			list = append(list, f.Why)
		}
	}
	if rec.OutcomeWhy != "" {
		list = append(list, rec.OutcomeWhy)
	}
	return list
}

// modelFacts are the model that answered, and why those before it did not.
func modelFacts(rec *investigation.Record) []fact {
	list := []fact{{"Model", rec.Model}}
	for _, f := range rec.Fallbacks {
		list = append(list, fact{"Model not used", f.Why})
	}
	return list
}

// theAlarm is what CloudWatch said.
func theAlarm(rec *investigation.Record) string {
	a := rec.Alarm
	var b strings.Builder
	lines := []fact{
		{"Name", a.Name}, {"State", string(a.State) + " since " + moment(a.Time)}, {"Where", "account " + a.Account + ", " + a.Region},
		{"Reason", a.Reason}, {"Describes itself as", a.Description}, {"Set off by", contributor(a)},
	}
	for _, line := range append(lines, alarmFacts(rec)...) {
		if line.Value != "" {
			b.WriteString(wrap(line.Name+": "+plain(line.Value), "  ") + "\n")
		}
	}
	return b.String()
}

// contributor names the time series that set off an alarm with several.
func contributor(a alarmevent.Alarm) string {
	if a.Contributor == nil {
		return ""
	}
	return first(pairs(a.Contributor.Attributes), a.Contributor.ID)
}

func fallbackSummary(rec *investigation.Record) string {
	return fmt.Sprintf("The alarm went to %s and no conclusion could be reached automatically. Its reason: %s", rec.Alarm.State, first(rec.Alarm.Reason, "not given"))
}

func rootCause(rec *investigation.Record) string {
	text := paragraphs(first(rec.Report.RootCause, "Not established."))
	if rec.Report.Downgraded != "" {
		text += paragraphs("Doubt: " + rec.Report.Downgraded + ".")
	}
	return text
}

// steps are what to do first. Without any of the model's there are those that always help.
func steps(rec *investigation.Record) []investigation.Action {
	if len(rec.Report.Actions) > 0 {
		return rec.Report.Actions
	}
	return manualSteps(rec)
}

func actions(rec *investigation.Record) string {
	var b strings.Builder
	for i, action := range steps(rec) {
		mark := fmt.Sprintf("%d. ", i+1)
		b.WriteString(wrap(mark+unmarked(action.Text), strings.Repeat(" ", len(mark))) + "\n")
		if command := strings.TrimSpace(action.Command); command != "" {
			// Never folded: it is there to be copied.
			b.WriteString("\n" + indent(command) + "\n\n")
		}
	}
	return b.String()
}

// historyTypes are the types of alarms whose history DescribeAlarmHistory is asked for: it leaves out those not named.
func historyTypes(kind alarmevent.Kind) string {
	switch kind {
	case alarmevent.KindLog:
		return "LogAlarm"
	case alarmevent.KindUnknown:
		return "MetricAlarm CompositeAlarm LogAlarm"
	}
	return "MetricAlarm CompositeAlarm"
}

func manualSteps(rec *investigation.Record) []investigation.Action {
	region := option("--region", rec.Alarm.Region)
	steps := []investigation.Action{
		{Text: "Look at the alarm and its history.", Command: "aws cloudwatch describe-alarm-history " + region + " " + option("--alarm-name", rec.Alarm.Name) + " --alarm-types " + historyTypes(rec.Alarm.Kind) + " --max-records 20"},
		{Text: "Look at what changed in the hour before.", Command: "aws cloudtrail lookup-events " + region + " --lookup-attributes AttributeKey=ReadOnly,AttributeValue=false --max-results 50"},
	}
	for _, metric := range rec.Alarm.Metrics {
		if function := metric.Dimensions["FunctionName"]; function != "" {
			steps = append(steps, investigation.Action{Text: "Read the function's latest errors.", Command: "aws logs tail " + shellQuote("/aws/lambda/"+function) + " " + region + " --since 1h --filter-pattern ERROR"})
			break
		}
	}
	if group := firstLogGroup(rec); group != "" {
		steps = append(steps, investigation.Action{Text: "Read the latest lines of the alarm's log group.", Command: "aws logs tail " + shellQuote(group) + " " + region + " --since 1h"})
	}
	return append(steps, investigation.Action{Text: "Check the health of what the alarm's metric measures, and of what it depends on."})
}

// firstLogGroup is the first log group of a log alarm, as `aws logs tail` takes it: a name, or an ARN without ":*".
func firstLogGroup(rec *investigation.Record) string {
	for _, q := range []*alarmevent.Query{rec.Evidence.Query, rec.Alarm.Query} {
		if q != nil && len(q.LogGroups) > 0 {
			return strings.TrimSuffix(q.LogGroups[0], ":*")
		}
	}
	return ""
}

// option is an option of a command with its value, which may begin like an option itself.
func option(name, value string) string {
	if strings.HasPrefix(value, "-") {
		return name + "=" + shellQuote(value)
	}
	return name + " " + shellQuote(value)
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
			state += ", UNVERIFIED: " + problemOf(finding)
		}
		mark := fmt.Sprintf("%d. ", i+1)
		under := strings.Repeat(" ", len(mark))
		b.WriteString(wrap(mark+unmarked(finding.Statement)+" ("+plain(state)+")", under) + "\n")
		for _, citation := range finding.Evidence {
			if citation.Found {
				b.WriteString(wrap(fmt.Sprintf("%stool call %d: \"%s\"", under, citation.Call, plain(citation.Quote)), under) + "\n")
			}
		}
	}
	return b.String()
}

func problemOf(finding investigation.Finding) string {
	return first(finding.Problem, "no evidence is cited")
}

// notSeen is what the investigation could not look at, as the model says and as code noticed.
func notSeen(rec *investigation.Record) []string {
	lines := slices.Clone(rec.Report.NotSeen)
	for _, n := range rec.NotSeen {
		lines = append(lines, fmt.Sprintf("%s: %s (tool call %d)", n.What, n.Why, n.Call))
	}
	for _, odd := range rec.Alarm.NotUnderstood {
		lines = append(lines, "In the alarm's event: "+odd)
	}
	if rec.Evidence.Problem != "" {
		lines = append(lines, "Evidence collected beforehand: "+rec.Evidence.Problem)
	}
	return lines
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
	list := slices.Clone(rec.Evidence.Changes)
	slices.SortStableFunc(list, func(a, b investigation.Change) int { return b.Time.Compare(a.Time) })
	return bullets(listed(list, func(c investigation.Change) string { return moment(c.Time) + " " + changeLine(c) }))
}

func changeLine(c investigation.Change) string {
	line := c.Event + " by " + first(c.User, "unknown")
	if len(c.Resources) > 0 {
		line += ": " + strings.Join(c.Resources, ", ")
	}
	if c.Error != "" {
		line += " (failed: " + c.Error + ")"
	}
	return line
}

// listed makes a line of each element, up to maxListed, and says how many more there are.
func listed[T any](list []T, line func(T) string) []string {
	var lines []string
	for _, element := range list[:min(len(list), maxListed)] {
		lines = append(lines, line(element))
	}
	if more := len(list) - maxListed; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

func related(list []investigation.Related) string { return bullets(listed(list, relatedLine)) }

func relatedLine(r investigation.Related) string {
	line := r.Name
	if !r.Since.IsZero() {
		line += ", since " + moment(r.Since)
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	return line
}

func seenBefore(rec *investigation.Record) string {
	return bullets(listed(rec.SeenBefore, func(past investigation.Past) string {
		line := moment(past.Time) + ": " + unmarked(first(past.Cause, "no cause found"))
		if past.ReportURI != "" {
			line += " (" + past.ReportURI + ")"
		}
		return line
	}))
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

// fact is a line of the report's end.
type fact struct{ Name, Value string }

// facts is what the investigation was and what it took; its cost and duration come last.
func facts(rec *investigation.Record) []fact {
	u := rec.Usage
	tokens := fmt.Sprintf("%s in, %s out", thousands(u.InputTokens+u.CacheWriteTokens), thousands(u.OutputTokens))
	if u.CacheReadTokens > 0 {
		tokens += fmt.Sprintf(", %s from cache", thousands(u.CacheReadTokens))
	}
	list := []fact{
		{"Investigation", rec.ID},
		{"Outcome", map[investigation.Outcome]string{
			investigation.OutcomeCompleted: "completed: the model concluded by itself",
			investigation.OutcomeConcluded: "concluded: a limit was near, the model concluded from what it had",
			investigation.OutcomeFallback:  "fallback: no conclusion of a model",
		}[rec.Outcome]},
	}
	list = append(list, modelFacts(rec)...)
	list = append(list, fact{"Looked at", fmt.Sprintf("%d model calls, %d tool calls", u.ModelCalls, u.ToolCalls)}, fact{"Tokens", tokens})
	if rec.Resumed > 0 {
		list = append(list, fact{"Resumed", fmt.Sprintf("%d times from a checkpoint", rec.Resumed)})
	}
	if rec.Repeats > 0 {
		list = append(list, fact{"Repeats", fmt.Sprintf("the alarm fired %d more times meanwhile", rec.Repeats)})
	}
	list = append(list, fact{"Cost", cost(u)})
	if !rec.EndedAt.IsZero() {
		list = append(list, fact{"Duration", rec.EndedAt.Sub(rec.StartedAt).Round(time.Second).String()})
	}
	return list
}

// Note is a remark that stands before a message: its lines, folded as the message's own, and an empty one.
func Note(text string) string {
	var b strings.Builder
	for line := range strings.Lines(lines(text)) {
		b.WriteString(wrap(line, "") + "\n")
	}
	return b.String() + "\n"
}

func cost(u investigation.Usage) string {
	switch {
	case u.ModelCalls == 0: // no price was looked up
		return "none known, since the model gave no answer"
	case u.PriceKnown:
		return fmt.Sprintf("about $%.4f", u.CostUSD)
	}
	return "the price of this model is not known"
}

func about(rec *investigation.Record) string {
	var b strings.Builder
	for _, f := range facts(rec) {
		if f.Value != "" {
			b.WriteString(wrap(f.Name+": "+plain(f.Value), "  ") + "\n")
		}
	}
	return b.String()
}

// thousands groups the digits of a number.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// audit is the investigation round by round, for the stored report.
func audit(rec *investigation.Record) section {
	var b strings.Builder
	if rec.Evidence.Call != nil {
		b.WriteString(auditCall(rec.Evidence.Call))
	}
	for i := range rec.Rounds {
		round := &rec.Rounds[i]
		fmt.Fprintf(&b, "\n=== round %d (%s)\n", round.Number, plain(round.StopReason))
		b.WriteString(paragraphs(round.Text))
		if round.Note != "" {
			b.WriteString(wrap("("+plain(round.Note)+")", "") + "\n")
		}
		for j := range round.Calls {
			b.WriteString(auditCall(&round.Calls[j]))
		}
	}
	return section{title: "The whole investigation", body: b.String()}
}

func auditCall(call *investigation.ToolCall) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n--- tool call %d\n%s\n", call.Number, indent(call.Command))
	switch {
	case call.Cached > 0:
		fmt.Fprintf(&b, "--- answered from tool call %d\n", call.Cached)
	case call.Answer == nil:
		fmt.Fprintf(&b, "--- failed: %s\n", plain(call.Problem))
	default:
		fmt.Fprintf(&b, "--- output (%.1f s)\n%s\n", call.Answer.ExecutionTime, indent(call.Answer.Text()))
		for _, request := range call.Answer.AWSCalls {
			fmt.Fprintf(&b, "    aws: %s\n", plain(requestLine(request)))
		}
		if call.Answer.AWSCallsCut > 0 {
			fmt.Fprintf(&b, "    aws: and %d more\n", call.Answer.AWSCallsCut)
		}
	}
	return b.String()
}

func requestLine(request toolcall.AWSCall) string {
	line := fmt.Sprintf("%s:%s %s %d, %d ms", request.Service, request.Operation, request.Region, request.Status, request.DurationMS)
	if why := first(request.ErrorCode, request.Refused); why != "" {
		line += ", " + why
	}
	return line
}

func indent(text string) string {
	list := strings.Split(strings.TrimRight(lines(text), "\n"), "\n")
	for i, line := range list {
		list[i] = strings.TrimRight("    "+line, " ")
	}
	return strings.Join(list, "\n")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "time not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// verbatim is a list of lines that are shown as they are, but for their white space.
func verbatim(list []string) string {
	var b strings.Builder
	for _, entry := range list {
		if entry = plain(entry); entry != "" {
			b.WriteString(wrap("- "+entry, "  ") + "\n")
		}
	}
	return b.String()
}

func bullets(list []string) string {
	var b strings.Builder
	for _, entry := range list {
		if entry = unmarked(entry); entry != "" {
			b.WriteString(wrap("- "+entry, "  ") + "\n")
		}
	}
	return b.String()
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
