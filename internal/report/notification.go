package report

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of a notification.
const (
	maxRemarks   = 600 // bytes reserved for the list of shortened and dropped sections
	leastSection = 400 // bytes; a shorter section is not useful

	// leastHeadline is the size of the first lines that are never shortened, in bytes.
	leastHeadline = 2000
)

const truncatedMark = "[truncated]\n"

// Limits of the parts of a subject, in characters.
const (
	maxAccountInSubject = 20 // of the account's name
	maxWhereInSubject   = 30 // of the account's ID and the Region
	leastNameInSubject  = 24 // a longer name of an alarm keeps at least these, and the account's name is shortened first
)

// Subject returns the notification's subject: less than 100 characters of printable ASCII, such as "[HIGH] [prod]
// order-service-errors: cause confirmed (123456789012 us-east-1)". The alarm's name precedes the verdict, because mail
// filters and threads depend on it. If the subject is too long, the name of the alarm is shortened, then that of the
// account. Severity, verdict, the ID of the account, and the Region stay whole.
func Subject(rec *investigation.Record) string {
	after := ": " + verdict(rec) + whereInSubject(rec)
	return subject(tag(rec), accountInSubject(rec.AccountName), nameInSubject(rec.Alarm.Name), after)
}

// accountInSubject returns an account's name as ASCII, without brackets.
func accountInSubject(name string) string {
	name = strings.Join(strings.Fields(ascii(plain(name))), " ")
	return truncateASCII(strings.NewReplacer("[", "(", "]", ")").Replace(name), maxAccountInSubject)
}

// whereInSubject returns the account's ID and the Region in parentheses.
func whereInSubject(rec *investigation.Record) string {
	where := strings.Join(strings.Fields(ascii(plain(rec.Alarm.Account+" "+rec.Alarm.Region))), " ")
	if where == "" {
		return ""
	}
	return " (" + truncateASCII(where, maxWhereInSubject) + ")"
}

// truncateASCII shortens text to at most 3 or more characters.
func truncateASCII(text string, most int) string {
	if len(text) > most {
		return text[:most-3] + "..."
	}
	return text
}

// accountTag returns an account's name as a prefix of a title, or "" if there is none.
func accountTag(name string) string {
	if name == "" {
		return ""
	}
	return "[" + name + "] "
}

// nameInSubject returns an alarm's name as ASCII, with single blanks. A name that could be read as a part of the
// subject, such as "[LOW] x: cause confirmed", is quoted.
func nameInSubject(name string) string {
	name = strings.Join(strings.Fields(ascii(plain(name))), " ")
	if strings.Contains(name, ": ") || strings.ContainsAny(name, `[]"`) {
		name = `"` + strings.ReplaceAll(name, `"`, "'") + `"`
	}
	return name
}

// subject fits the names of the account and the alarm between the parts that must stay whole.
func subject(before, account, name, after string) string {
	forAccount := config.MaxSubject - len(before) - len(after) - min(len(name), leastNameInSubject) - len(accountTag("x")) + 1
	if len(account) > forAccount && forAccount < len("x...") {
		account = "" // its ID is in the subject, too
	}
	account = truncateASCII(account, max(forAccount, len("...")))
	before += accountTag(account)
	if room := config.MaxSubject - len(before) - len(after); len(name) > room {
		end := "..."
		if strings.HasPrefix(name, `"`) {
			end += `"`
		}
		name = name[:room-len(end)] + end
	}
	return before + name + after
}

// ascii replaces every character that is not printable ASCII.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// Note returns a remark that is put before a notification: its lines and an empty line. Its first line must begin
// with words of code. The other lines are indented, because they may be the text of an error.
func Note(text string) string {
	var b strings.Builder
	before := ""
	for line := range strings.Lines(lines(text)) {
		b.WriteString(before + oneLine(line) + "\n")
		before = margin
	}
	return b.String() + "\n"
}

// noticePart is a section of a notification as plain text.
type noticePart struct {
	title, remark, body string
	required            bool
}

func (p noticePart) String() string { return textSection(p.title, p.remark, p.body) }

// Notification returns the body of the notification: the report without its rounds, in at most maxBytes. Long
// sections are shortened first, then trailing sections are dropped. The message lists what was shortened or
// dropped, and where the full report is.
func Notification(rec *investigation.Record, links Links, maxBytes int) string {
	var all []noticePart
	for _, p := range parts(inNotification, inZone(rec, links.Zone), rec, links) {
		if body := inside(p.content.text()); body != "" {
			all = append(all, noticePart{p.title, p.remark, body, p.required})
		}
	}
	if text := join(all); len(text) <= maxBytes {
		return text
	}
	stored := cmp.Or(links.Report, links.ReportText) != ""
	var dropped []string // in the order of the report
	for {
		kept, shortened := shorten(all, maxBytes-maxRemarks)
		text := join(kept) + remarks(shortened, dropped, stored)
		last := lastDroppable(all)
		if len(text) <= maxBytes || last < 0 {
			return truncated(text, maxBytes)
		}
		dropped = slices.Insert(dropped, 0, strings.ToLower(all[last].title))
		all = slices.Delete(all, last, last+1)
	}
}

func join(parts []noticePart) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.String())
	}
	return b.String()
}

// lastDroppable returns the index of the last section that may be dropped, or -1.
func lastDroppable(all []noticePart) int {
	for i := len(all) - 1; i >= 0; i-- {
		if !all[i].required {
			return i
		}
	}
	return -1
}

// shorten truncates the longest sections until all of them fit into room, but none to less than leastSection, and the
// first lines to no less than leastHeadline. It
// returns the titles of the sections that it truncated.
func shorten(all []noticePart, room int) (kept []noticePart, titles []string) {
	sizes := make([]int, len(all))
	for i, p := range all {
		sizes[i] = len(p.String())
	}
	limit := max(fairShare(sizes, room), leastSection)
	forHeadline := max(limit, leastHeadline)
	if len(all) > 0 && all[0].title == "" && sizes[0] > limit { // the first lines are short, and the reader needs all of them
		limit = max(fairShare(sizes[1:], room-min(sizes[0], forHeadline)), leastSection)
	}
	for i, p := range all {
		most := limit
		if p.title == "" {
			most = forHeadline
		}
		if over := sizes[i] - most; over > 0 {
			p.body = truncateLines(p.body, len(p.body)-over)
			titles = append(titles, strings.ToLower(cmp.Or(p.title, "the verdict")))
		}
		kept = append(kept, p)
	}
	return kept, titles
}

// remarks lists the sections that were shortened or dropped.
func remarks(shortened, dropped []string, stored bool) string {
	var sentences []string
	if len(shortened) > 0 {
		sentences = append(sentences, "Shortened in this message: "+strings.Join(shortened, ", ")+".")
	}
	if len(dropped) > 0 {
		sentences = append(sentences, "Omitted from this message: "+strings.Join(dropped, ", ")+".")
	}
	if stored {
		sentences = append(sentences, "The stored report is complete.")
	}
	return strings.Join(sentences, " ") + "\n"
}

// fairShare returns the greatest limit with which everything fits into room, if each size above the limit is reduced
// to it.
func fairShare(sizes []int, room int) int {
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

// truncateLines keeps whole lines of text in at most maxBytes, including the mark at the end. Only a long line of prose
// may be cut: half a command or half an address would mislead.
func truncateLines(text string, maxBytes int) string {
	kept := text[:truncate.Before(text, maxBytes-len(truncatedMark))]
	if end := strings.LastIndexByte(kept, '\n'); end > len(kept)/2 || !isProse(kept[end+1:]) {
		kept = kept[:max(end, 0)]
	}
	if isCommandLine(strings.TrimLeft(text[len(kept):], "\n")) {
		kept = withoutCommand(kept)
	}
	return strings.TrimRight(withoutHalf(kept), " \n") + "\n" + truncatedMark
}

// anyWarning matches a warning of a command, but not [ERROR] of a log.
var anyWarning = regexp.MustCompile(`\[(?:` + strings.Join(command.Phrases(), "|") + `)(?:\. [A-Z, .]+)?\] `)

// withoutHalf returns a text that ends with the warning of the last command in a sentence, if that command may not end in it.
func withoutHalf(text string) string {
	tail := text[max(0, len(text)-maxHalf):]
	warnings := anyWarning.FindAllStringIndex(tail, -1)
	if len(warnings) == 0 {
		return text
	}
	rest := tail[warnings[len(warnings)-1][1]:]
	if strings.Contains(rest, "\n") || sentenceEnd.MatchString(rest) { // each line is a block
		return text
	}
	return strings.TrimSuffix(text, rest)
}

// isCommandLine reports whether a text begins with a line of a command.
func isCommandLine(text string) bool { return strings.HasPrefix(text, margin+margin) }

// withoutCommand returns a text without the command at its end, and without what the command does.
func withoutCommand(text string) string {
	for {
		end := strings.LastIndexByte(text, '\n')
		line := text[end+1:]
		if line != "" && !isCommandLine(line) && !strings.HasPrefix(line, labelMark) {
			return text
		}
		text = text[:max(end, 0)]
		if end < 0 || strings.HasPrefix(line, labelMark) {
			return text
		}
	}
}

// isProse reports whether a line has the indentation of prose, and not that of a command or of a line of code's own.
func isProse(line string) bool {
	return strings.HasPrefix(line, margin) && !strings.HasPrefix(line, margin+margin)
}

// truncated truncates the whole text, for a limit that even the required sections exceed.
func truncated(text string, maxBytes int) string {
	switch {
	case len(text) <= maxBytes:
		return text
	case maxBytes < len(truncatedMark):
		return text[:truncate.Before(text, maxBytes)]
	}
	return text[:truncate.Before(text, maxBytes-len(truncatedMark))] + truncatedMark
}
