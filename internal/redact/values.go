package redact

import (
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// quoted reads a quoted value: between quotes with any number of backslashes, or percent-encoded. It returns the
// inside and the end of the whole, or end 0. A value without a closing quote ends with its line.
func (s *scanner) quoted(at int) (from, to, end int) {
	text := s.text
	if at+1 < len(text) && strings.IndexByte("bruf@$NE", text[at]) >= 0 && (text[at+1] == '\'' || text[at+1] == '"') {
		at++ // a prefix of a literal in Python or SQL
	}
	i := at
	for i < len(text) && text[i] == '\\' && i-at < maxEscapes {
		i++
	}
	for _, mark := range []string{"&quot;", "%22"} {
		if i == at && strings.HasPrefix(text[at:], mark) {
			from = at + len(mark)
			rest := text[from:min(len(text), from+maxQuoted)]
			if n := strings.Index(rest, mark); n >= 0 && !strings.Contains(rest[:n], "\n") {
				return from, from + n, from + n + len(mark)
			}
			length := bareLength(rest)
			length = len(strings.TrimRight(rest[:length], `\`)) // of an escaped quote
			return from, from + length, from + length
		}
	}
	if i >= len(text) || text[i] != '"' && text[i] != '\'' {
		return 0, 0, 0
	}
	from = i + 1
	if triple := strings.Repeat(text[i:from], 3); i == at && strings.HasPrefix(text[i:], triple) { // a literal of Python or TOML
		from = i + len(triple)
		if n := strings.Index(text[from:min(len(text), from+maxQuoted)], triple); n > 0 && isOneValue(text[from:from+n]) {
			s.ahead -= n
			return from, from + n, from + n + len(triple)
		}
		from = i + 1
	}
	to, end = closing(text, from, text[i], i-at)
	s.ahead -= end - from
	if name := lastName(text[from:to]); name >= 0 {
		return from, from + name, from + name
	}
	return from, to, end
}

// lastName returns where the name of another secret and an operator begin with which a value in quotes ends, or -1. Its last quote then
// opens the other value: somebody wrote the first one, as in password="x api_key = "value".
func lastName(value string) int {
	value = strings.TrimRight(value, " ")
	if value == "" || strings.IndexByte("=:>", value[len(value)-1]) < 0 {
		return -1
	}
	start := max(0, len(value)-maxName)
	if found := otherName().FindStringSubmatchIndex(value[start:]); found != nil && classify(value[start+found[2]:start+found[3]]) >= ambiguous {
		return start + found[2]
	}
	return -1
}

var otherName = lazy.Regexp(`[\s,;{(&]([A-Za-z_-][\w.-]+) ?(?:=>?|:=?|->)$`)

// quotedWithin is quoted for a value that ends with what a quote closes that was opened before it: '{"password": "'. Otherwise a quote that
// somebody wrote into a log would hide the following texts.
func (s *scanner) quotedWithin(at int) (from, to, end int) {
	from, to, end = s.quoted(at)
	if end == 0 {
		return from, to, end
	}
	around := s.around(at)
	if !around.isQuoted() {
		return from, to, end
	}
	if s.text[at] != '\\' && !isQuote(s.text[at]) { // a prefix of a literal
		at++
	}
	if around.closes(s.text, at) && !isOneWord(s.text[from:to]) {
		return from, from, from
	}
	s.ahead -= to - from
	if close := around.firstClose(s.text, from, to); close >= 0 {
		return from, close, close
	}
	return from, to, end
}

// isOneWord reports whether what is between two quotes is a word with letters and digits, and not what is between two texts in a list.
func isOneWord(value string) bool {
	return hasLetterAndDigit(value) && !strings.ContainsAny(value, " \t\n\"'`")
}

// closing finds the closing quote of a value that a quote with a number of backslashes opened. Quotes with more
// backslashes belong to the value, unless the backslashes do.
func closing(text string, from int, quote byte, escapes int) (to, end int) {
	slashes := 0
	last := min(len(text), from+maxQuoted)
	for at := from; at < last; at++ {
		switch c := text[at]; {
		case c == '\\':
			slashes++
			continue
		case c == quote && escapes == 0 && slashes == 0 && at > from && at+1 < last && text[at+1] == quote: // doubled
			at++
		case c == quote && (slashes < escapes || slashes%(2*escapes+2) == escapes):
			return at - min(slashes, escapes), at + 1
		case c == '\n':
			return at, at
		}
		slashes = 0
	}
	return last, last
}

// bareEnd returns the end of an unquoted value.
func (s *scanner) bareEnd(kind sensitivity, at int, encoded bool) int {
	text, most := s.text, len(s.text)
	if kind == unsure {
		most = min(most, at+maxBare)
	}
	end := at
	for ; end < most && !endsValue[text[end]]; end++ {
		switch text[end] {
		case '\\':
			if end+1 < len(text) && strings.IndexByte(`nrt"'\`, text[end+1]) >= 0 {
				s.ahead -= end - at
				return end
			}
		case '%':
			if hasFold(text[end:], "%26") || hasFold(text[end:], "%22") || hasFold(text[end:], "%27") ||
				encoded && (hasFold(text[end:], "%2c") || hasFold(text[end:], "%7d")) {
				s.ahead -= end - at
				return end
			}
		}
	}
	s.ahead -= end - at
	for end > at+1 && (text[end-1] == ']' || text[end-1] == '>' || text[end-1] == '`') {
		end--
	}
	return end
}

// bareLength returns the length of an unquoted value at the start of a text.
func bareLength(text string) int {
	for i := range len(text) {
		if endsValue[text[i]] {
			return i
		}
	}
	return len(text)
}

// indent returns the number of blanks, and of signs of lists, before the first name of the line.
func (s *scanner) indent(at int) int {
	line := strings.LastIndexByte(s.text[:at], '\n') + 1
	s.ahead -= at - line
	indent := 0
	for line+indent < at && (strings.IndexByte(" \t", s.text[line+indent]) >= 0 || strings.HasPrefix(s.text[line+indent:], "- ")) {
		indent++
	}
	return indent
}

func lineEnd(text string, at int) int {
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(text)
}

// hasFold reports whether a text starts with a prefix in lower case, ignoring case.
func hasFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// skipBlanks returns the position of the first character that is not a blank of the same line.
func skipBlanks(text string, at int) int {
	for end := at + maxBlanks; at < len(text) && at < end && (text[at] == ' ' || text[at] == '\t'); {
		at++
	}
	return at
}

func skipSpace(text string, at int) int {
	for end := at + 4*maxBlanks; at < len(text) && at < end && isSpace[text[at]]; {
		at++
	}
	return at
}

var (
	inName    = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
	isSpace   = bytesOf("\t\n\f\r ")
	endsValue = bytesOf("\t\n\f\r \"',;&{}()[<|")
)

func bytesOf(text string) (set [256]bool) {
	for i := range len(text) {
		set[text[i]] = true
	}
	return set
}
