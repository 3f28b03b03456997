package agent

import (
	"cmp"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of a report, in characters unless noted. Longer texts are truncated, not rejected.
const (
	maxSentence = 600
	maxText     = 4000
	maxQuote    = 1000
	maxCommand  = 4000 // a longer command is left out: half a command does something else
	maxEntries  = 25   // entries of a list
)

// parseReport reads the input of submit_report. It is lenient about the form. problems lists what is missing.
func parseReport(input json.RawMessage) (report investigation.Report, problems []string) {
	var fields map[string]any
	if err := json.Unmarshal(input, &fields); err != nil {
		return report, []string{"the input must be a JSON object"}
	}
	withoutThinking(fields) // in place
	report = investigation.Report{
		Summary:    statement(fields["summary"], unicode.IsLetter),
		RootCause:  statement(fields["root_cause"], unicode.IsLetter),
		Confidence: investigation.ParseConfidence(stringOf(fields["confidence"])),
		Severity:   investigation.ParseSeverity(stringOf(fields["severity"])),
		Impact:     clean(stringOf(fields["impact"]), maxText),
		Prevention: sentences(fields["prevention"]),
		Monitoring: sentences(fields["monitoring"]),
		NotSeen:    sentences(fields["not_seen"]),
	}
	if isRefusal(report.Summary) {
		report.Summary = ""
	}
	for _, entry := range entries(fields["findings"]) {
		if finding, ok := parseFinding(entry); ok {
			report.Findings = append(report.Findings, finding)
		}
	}
	for _, entry := range entries(fields["ruled_out"]) {
		if refuted, ok := parseRefuted(entry); ok {
			report.RuledOut = append(report.RuledOut, refuted)
		}
	}
	for _, entry := range entries(fields["immediate_actions"]) {
		if action, ok := parseAction(entry); ok {
			report.Actions = append(report.Actions, action)
		}
	}
	for _, part := range []struct {
		problem string
		missing bool
	}{
		{"summary is missing", report.Summary == ""},
		{"root_cause is missing", report.RootCause == ""},
		{"findings are missing", len(report.Findings) == 0},
		{"immediate_actions are missing", len(report.Actions) == 0},
	} {
		if part.missing {
			problems = append(problems, part.problem)
		}
	}
	return report, problems
}

// statement returns a text of a report, or "" if none of its characters says anything: in place of a summary, models write {} or 0.
func statement(value any, says func(rune) bool) string {
	text := clean(stringOf(value), maxText)
	if !strings.ContainsFunc(text, says) {
		return ""
	}
	return text
}

func parseFinding(entry any) (investigation.Finding, bool) {
	fields, ok := entry.(map[string]any)
	if !ok {
		statement := clean(stringOf(entry), maxSentence)
		return investigation.Finding{Statement: statement, Confidence: investigation.Unknown}, statement != ""
	}
	finding := investigation.Finding{
		Statement:  clean(stringOf(fields["statement"]), maxSentence),
		Confidence: investigation.ParseConfidence(stringOf(fields["confidence"])),
	}
	if at, err := time.Parse(time.RFC3339, strings.TrimSpace(stringOf(fields["time"]))); err == nil && alarmevent.IsPossibleTime(at) {
		finding.Time = at.UTC()
	}
	finding.Evidence = parseEvidence(fields["evidence"])
	return finding, finding.Statement != ""
}

func parseRefuted(entry any) (investigation.Refuted, bool) {
	fields, ok := entry.(map[string]any)
	if !ok {
		hypothesis := clean(stringOf(entry), maxSentence)
		return investigation.Refuted{Hypothesis: hypothesis}, hypothesis != ""
	}
	hypothesis := cmp.Or(stringOf(fields["hypothesis"]), stringOf(fields["statement"])) // models repeat the name that findings have
	refuted := investigation.Refuted{
		Hypothesis: clean(hypothesis, maxSentence), Reason: clean(stringOf(fields["reason"]), maxSentence),
		Evidence: parseEvidence(fields["evidence"]),
	}
	return refuted, refuted.Hypothesis != ""
}

// noCall is the number of the tool call of a quote for which the model named none.
const noCall = -1

func parseEvidence(value any) []investigation.Citation {
	var evidence []investigation.Citation
	for _, entry := range entries(value) {
		if fields, ok := entry.(map[string]any); ok {
			evidence = append(evidence, investigation.Citation{
				Call:  max(wholeNumber(fields["call"], noCall), noCall),
				Quote: beginning(tidy(stringOf(fields["quote"])), maxQuote),
			})
		}
	}
	return evidence
}

func parseAction(entry any) (investigation.Action, bool) {
	fields, ok := entry.(map[string]any)
	if !ok {
		text := clean(stringOf(entry), maxSentence)
		return investigation.Action{Text: text}, text != ""
	}
	action := investigation.Action{
		Text: clean(stringOf(fields["text"]), maxSentence), Command: bareCommand(stringOf(fields["command"])),
	}
	if utf8.RuneCountInString(action.Command) > maxCommand {
		action.Text, action.Command = strings.TrimSpace(action.Text+" (The command is too long for a report.)"), ""
	}
	if action.Text == "" {
		action.Text = tidy(action.Command)
	}
	return action, action.Text != ""
}

// fencedCommand matches a command in Markdown's marks for code. A shell would run the text between backticks.
var fencedCommand = regexp.MustCompile("(?s)^(?:```+[a-z]*\\n(.*?)\\n?```+|`([^`]+)`)$")

// bareCommand returns a command that can be copied: without Markdown's marks, and never truncated. It keeps every character: without
// one, the command could do something else, and package command states which are odd.
func bareCommand(text string) string {
	const blanks = " \t\r\n"
	text = strings.Trim(strings.ReplaceAll(text, "\r\n", "\n"), blanks)
	if found := fencedCommand.FindStringSubmatch(text); found != nil {
		text = strings.Trim(found[1]+found[2], blanks)
	}
	return text
}

// entries returns a list, whether value is a list, a list as JSON in a string, or one entry.
func entries(value any) []any {
	if text, ok := value.(string); ok {
		var parsed []any
		if json.Unmarshal([]byte(text), &parsed) == nil {
			value = parsed
		} else if strings.TrimSpace(text) == "" {
			return nil
		}
	}
	many, ok := value.([]any)
	if !ok {
		if value == nil {
			return nil
		}
		many = []any{value}
	}
	return many[:min(len(many), maxEntries)]
}

func sentences(value any) []string {
	var list []string
	for _, entry := range entries(value) {
		if text := clean(stringOf(entry), maxSentence); text != "" {
			list = append(list, text)
		}
	}
	return list
}

func stringOf(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		lines := make([]string, len(v))
		for i, element := range v {
			lines[i] = stringOf(element)
		}
		return strings.Join(lines, "\n")
	default:
		text, _ := json.Marshal(v)
		return string(text)
	}
}

// firstNumber matches the first whole number in a text such as "call 3", "[tool call 1]", or "1.0".
var firstNumber = regexp.MustCompile(`\d{1,9}`)

func wholeNumber(value any, otherwise int) int {
	switch v := value.(type) {
	case float64:
		if math.Abs(v) <= math.MaxInt32 {
			return int(v)
		}
	case string:
		if n, err := strconv.Atoi(firstNumber.FindString(v)); err == nil {
			return n
		}
	}
	return otherwise
}

// cutMark ends a text of a report that was truncated, so that each form shows that there was more.
const cutMark = " [truncated]"

// clean returns a text of a report in at most max characters.
func clean(text string, max int) string {
	text = tidy(text)
	if utf8.RuneCountInString(text) <= max {
		return text
	}
	return withoutOpenCode(truncate.Runes(text, max-len(cutMark))) + cutMark
}

// codeBegin matches a line with which a block of code begins in Markdown, whose mark can follow text.
var codeBegin = regexp.MustCompile("^(?:\\s*(?:(?:[-*•]|\\d{1,3}[.)])\\s+)?(`{3,}|~{3,})[^`]*|[^`]*[^`\\s]\\s*(`{3,})[\\w+-]*\\s*)$")

// codeLanguage matches a mark with a language, which never ends a block of code. A title can follow it.
var codeLanguage = regexp.MustCompile("^(?:`{3,}|~{3,})[A-Za-z][^`]*$")

// withoutOpenCode returns a truncated text without a block of code at its end that lacks its own end: half a command does something
// else. If the block is most of the text, only its mark is left out, because models write a whole text in a block.
func withoutOpenCode(text string) string {
	open, begin, code, at := "", 0, 0, 0
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if open != "" {
			if isBegin := codeLanguage.MatchString(trimmed); !isBegin && strings.HasPrefix(trimmed, open) || strings.HasSuffix(trimmed, open) {
				open = ""
			}
		} else if found := codeBegin.FindStringSubmatch(strings.TrimRight(line, "\n")); found != nil {
			open, begin = found[1]+found[2], at
			if found[2] != "" {
				begin += strings.LastIndex(line, found[2])
			}
			code = at + strings.Index(line, open) + len(open)
		}
		at += len(line)
	}
	before := strings.TrimSpace(text[:begin])
	switch {
	case open == "":
		return text
	case len(before) >= len(text)/2:
		return before + "\n" + truncate.Ellipsis
	}
	rest := text[code:]
	if language, lines, ok := strings.Cut(rest, "\n"); ok && !strings.Contains(strings.TrimSpace(language), " ") {
		rest = lines
	}
	return withoutOpenCode(strings.TrimSpace(before + "\n" + rest)) // the block can have one
}

// tidy removes the characters that no text of a report may contain, and surrounding white space.
func tidy(text string) string {
	return strings.TrimSpace(printable(strings.ReplaceAll(text, "\r\n", "\n")))
}

// beginning returns at most max characters of a quote, without an ellipsis: the beginning of a quote is a
// quote, too. It ends before a word, because a part of a word can mean something else.
func beginning(quote string, max int) string {
	runes := []rune(quote)
	if len(runes) <= max {
		return quote
	}
	end := max
	for end > max/2 && !unicode.IsSpace(runes[end]) {
		end--
	}
	if !unicode.IsSpace(runes[end]) {
		end = max
	}
	return strings.TrimSpace(string(runes[:end]))
}

// isCut reports whether a quote may have been shortened inside a word, because it has no blanks.
func isCut(quote string) bool {
	runes := []rune(quote)
	return len(runes) >= maxQuote && !slices.ContainsFunc(runes[maxQuote/2:], unicode.IsSpace)
}

// printable returns text without control characters except line breaks and tabs, and without marks that
// change the direction of text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// reportFromProse returns a report that consists of the text of an answer. It says that nothing was checked.
func reportFromProse(prose string) investigation.Report {
	prose = clean(prose, 4*maxText)
	if prose == "" {
		return investigation.Report{Confidence: investigation.Unknown, Severity: investigation.SeverityUnknown}
	}
	summary, _, _ := strings.Cut(prose, "\n\n")
	return investigation.Report{
		Summary:    clean(summary, maxSentence),
		Confidence: investigation.Unknown,
		Severity:   investigation.SeverityUnknown,
		FreeText:   prose,
		Downgraded: "the model answered in prose instead of submitting a report, which could not be checked",
	}
}
