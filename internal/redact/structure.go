package redact

import (
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// maxOpen is the number of quotes and brackets that are remembered. Only hostile lines open more.
const maxOpen = 64

// opener is a quote or a bracket that has not been closed.
type opener struct {
	sign    byte
	slashes int // before a quote
}

// structure contains the quotes and brackets of a line that are open at a position.
type structure struct {
	at      int // position up to which the text was read
	slashes int // before this position
	open    []opener
}

// read reads the text up to a position.
func (o *structure) read(text string, to int) {
	for ; o.at < to; o.at++ {
		c := text[o.at]
		if c == '\\' {
			o.slashes++
			continue
		}
		if isStructure[c] {
			o.sign(text, c)
		}
		o.slashes = 0
	}
}

// skip reads the text up to a position and leaves out the part up to another one, a secret, whose signs open nothing.
func (o *structure) skip(text string, from, to int) {
	if o.at <= from {
		o.read(text, from)
		o.at, o.slashes = to, 0
	}
}

// sign handles one quote, bracket, or end of a line.
func (o *structure) sign(text string, c byte) {
	switch c {
	case '\n':
		o.open = o.open[:0]
	case '"', '\'', '`':
		if i := o.closesQuote(text, o.at, o.slashes); i >= 0 {
			o.open = o.open[:i]
		} else if opensQuote(text, o.at-o.slashes) {
			o.push(opener{c, o.slashes})
		}
	case '(', '[', '{':
		o.push(opener{sign: c})
	case '<':
		if o.at+1 < len(text) && isLetter(text[o.at+1]) {
			o.push(opener{sign: c})
		}
	default:
		if i := o.closesBracket(c); i >= 0 {
			o.open = o.open[:i]
		}
	}
}

func (o *structure) push(sign opener) {
	if len(o.open) < maxOpen {
		o.open = append(o.open, sign)
	}
}

// isQuoted reports whether a quote is open.
func (o *structure) isQuoted() bool {
	for _, sign := range o.open {
		if isQuote(sign.sign) {
			return true
		}
	}
	return false
}

// closesQuote returns the number of the quote that the quote at a position closes, or -1. A letter follows an apostrophe.
func (o *structure) closesQuote(text string, at, slashes int) int {
	if at+1 < len(text) && isAlphanumeric(text[at+1]) {
		return -1
	}
	for i := len(o.open) - 1; i >= 0; i-- {
		if e := o.open[i].slashes; o.open[i].sign == text[at] && slashes%(2*e+2) == e {
			return i
		}
	}
	return -1
}

// closes reports whether a quote, or the backslashes before it, at a position close one that is open. The next byte must be one that can follow
// a text in a list. Before another sign, the quote can belong to a password, or open one that begins with the sign.
func (o *structure) closes(text string, at int) bool {
	slashes := len(text[at:]) - len(strings.TrimLeft(text[at:], `\`))
	quote := at + slashes
	if quote >= len(text) || !isQuote(text[quote]) || quote+1 < len(text) && !followsText[text[quote+1]] {
		return false
	}
	closed := o.closesQuote(text, quote, slashes)
	if closed >= 0 && o.hasOther(closed) { // Python writes a backslash in such a text as two
		closed = o.closesQuote(text, quote, slashes/2)
	}
	return closed >= 0
}

// hasOther reports whether an open quote is in a text in quotes of another kind.
func (o *structure) hasOther(quote int) bool {
	return slices.ContainsFunc(o.open[:quote], func(outer opener) bool {
		return isQuote(outer.sign) && outer.sign != o.open[quote].sign
	})
}

// firstClose returns where the first quote of a part of a text that closes one that is open begins, with its backslashes, or -1.
func (o *structure) firstClose(text string, from, to int) int {
	if !o.isQuoted() {
		return -1
	}
	for i := from; i < to; i++ {
		if c := text[i]; c != '\\' && !isQuote(c) {
			continue
		}
		if o.closes(text, i) {
			return i
		}
		for i+1 < to && text[i] == '\\' {
			i++
		}
	}
	return -1
}

// closesBracket returns the number of the bracket that a bracket closes in the same quotes, or -1.
func (o *structure) closesBracket(c byte) int {
	for i := len(o.open) - 1; i >= 0 && !isQuote(o.open[i].sign); i-- {
		if o.open[i].sign == openingOf(c) {
			return i
		}
	}
	return -1
}

func openingOf(closing byte) byte {
	switch closing {
	case ')':
		return '('
	case ']':
		return '['
	case '}':
		return '{'
	}
	return '<'
}

// opensQuote reports whether a quote can open a text: no word comes before it, except for a prefix, as in Python and SQL.
func opensQuote(text string, at int) bool {
	if at == 0 || !isAlphanumeric(text[at-1]) {
		return true
	}
	return strings.IndexByte("bruBRUfFNE", text[at-1]) >= 0 && (at == 1 || !isAlphanumeric(text[at-2]))
}

func isQuote(c byte) bool        { return c == '"' || c == '\'' || c == '`' }
func isAlphanumeric(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

var (
	followsText  = bytesOf("\t\n\f\r \\\"'`,;:)]}")
	isStructure  = bytesOf("\n\"'`()[]{}<>")
	betweenWords = bytesOf("\t\n\f\r \"'`()[]{}<>&;,|")
	maybeEnd     = bytesOf("\t\n\f\r \\\"'`()[]{}<>&;,|%")
)

// around returns the structure at a position after the name that the scanner looks at.
func (s *scanner) around(at int) structure {
	s.line.read(s.text, s.name)
	inner := structure{at: s.line.at, slashes: s.line.slashes, open: append(make([]opener, 0, len(s.line.open)+4), s.line.open...)}
	if at > inner.at {
		s.ahead -= at - inner.at
		inner.read(s.text, at)
	}
	return inner
}

// valueEnd returns the end of an unquoted value whose beginning is a secret. It ends with a blank or the line, at a sign
// that closes what was open before it, and at a separator only if another name follows, because passwords contain all signs.
func (s *scanner) valueEnd(at int, encoded bool) int {
	end := s.endOf(at, encoded)
	s.ahead -= end - at
	if end > at+1 && (s.text[end-1] == ',' || s.text[end-1] == ';') {
		end--
	}
	return end
}

func (s *scanner) endOf(at int, encoded bool) int {
	text := s.text
	before := s.around(at)
	inside := structure{} // opened in the value
	for end := at; end < len(text); end++ {
		c := text[end]
		if !maybeEnd[c] {
			continue
		}
		rest := text[end:]
		switch c {
		case '(', '[', '{':
			if strings.HasPrefix(rest, strings.TrimSpace(markStart)) {
				return end
			}
			inside.push(opener{sign: c})
		case ')', ']', '}', '>':
			if i := inside.closesBracket(c); i >= 0 {
				inside.open = inside.open[:i]
			} else if before.closesBracket(c) >= 0 && (c == '>' || len(rest) == 1 || !isAlphanumeric(rest[1])) {
				return end
			}
		case '"', '\'', '`':
			if before.closesQuote(text, end, 0) >= 0 {
				return end
			}
		case '\\':
			slashes := len(rest) - len(strings.TrimLeft(rest, `\`))
			next := end + slashes
			if next < len(text) && (isQuote(text[next]) && before.closesQuote(text, next, slashes) >= 0 ||
				strings.IndexByte("nrt", text[next]) >= 0 && before.isQuoted()) {
				return end
			}
			end = next - 1
			if next < len(text) && isQuote(text[next]) { // a part of the value
				end = next
			}
		case '<':
			if wholeTag().MatchString(rest[:min(len(rest), maxName)]) {
				return end
			}
		case '&':
			if entity().MatchString(rest[:min(len(rest), len("&quot;"))]) || parameter().MatchString(rest[:min(len(rest), maxName)]) {
				return end
			}
		case ';', ',', '|':
			rest = rest[:min(len(rest), maxName)]
			if member().MatchString(rest) || len(before.open) > 0 && entry().MatchString(rest) {
				return end
			}
		case '%':
			if hasFold(rest, "%26") && encodedParameter().MatchString(rest[:min(len(rest), maxName)]) ||
				(hasFold(rest, "%22") || hasFold(rest, "%27")) && (encoded || len(rest) == 3 || !isAlphanumeric(rest[3])) ||
				encoded && (hasFold(rest, "%2c") || hasFold(rest, "%7d")) {
				return end
			}
		default: // a blank
			return end
		}
	}
	return len(text)
}

var (
	// The forms of what follows a value without a blank.
	wholeTag         = lazy.Regexp(`^</?[A-Za-z][\w:.-]*/?>`)
	entity           = lazy.Regexp(`^&(?:quot|lt|gt|#34|#39);`)
	parameter        = lazy.Regexp(`^&(?:amp;)?[A-Za-z_][\w.\[\]-]*=`)
	encodedParameter = lazy.Regexp(`^%26[A-Za-z_][\w.-]*(?:=|%3[dD])`)
	member           = lazy.Regexp(`^[;,|](?:[A-Za-z_][\w.-]+|[A-Z][A-Za-z]*(?: [A-Z][A-Za-z]*){1,3}) ?=`)
	entry            = lazy.Regexp(`^[;,]\\*["']?[A-Za-z_][\w.-]*\\*["']?:`)
)

// isCode reports whether a name in code is called or indexed: the bracket after it is closed, or its line ends in it.
func (s *scanner) isCode(at, end int) bool {
	text, name := s.text, s.text[at:end]
	if end == len(text) || text[end] != '(' && text[end] != '[' || isDigit(text[at]) {
		return false
	}
	if !isPath(strings.Map(withoutDigits, name)) || numbersIn(name) > 1 && !strings.ContainsAny(name, "_.") {
		return false
	}
	line := strings.TrimRight(text[end:min(lineEnd(text, end), end+maxBare)], " \t\r")
	var inner structure
	s.ahead -= len(line)
	for i := range len(line) {
		switch c := line[i]; c {
		case '(', '[', '{':
			inner.push(opener{sign: c})
		case ')', ']', '}':
			if open := inner.closesBracket(c); open > 0 {
				inner.open = inner.open[:open]
			} else if open == 0 {
				rest, _, _ := strings.Cut(line[i+1:], " ")
				return !s.goesOn(end+i+1) && (rest == "" || strings.IndexByte(".)]}[(", rest[0]) >= 0 || escapedBreak().MatchString(rest) || consistsOfWords(rest))
			}
		}
	}
	return strings.IndexByte("([{,", line[len(line)-1]) >= 0 && consistsOfWords(line)
}

// escapedBreak matches the end of a line of code in JSON or XML.
var escapedBreak = lazy.Regexp(`^(?:\\+[nr]|&#)`)

// numbersIn returns the number of groups of digits.
func numbersIn(name string) int {
	count := 0
	for i := range len(name) {
		if isDigit(name[i]) && (i == 0 || !isDigit(name[i-1])) {
			count++
		}
	}
	return count
}

// looksPunctuated reports whether a value with signs of code or of a structure is a secret, although the part before the first
// of these signs is not: no part of it is a word, a name in code, or a number.
func (k sensitivity) looksPunctuated(value string, loose bool) bool {
	value = strings.TrimLeft(value, "([{<")
	if k == harmless || k == unsure || len(value) < minValue || isHarmlessValue(value) {
		return false
	}
	if (loose || k != certain) && (len(value) < minSecret || !hasLetterAndDigit(value) && !isIrregular(value)) {
		return false
	}
	return !consistsOfWords(value)
}

// minSigns is the number of different signs in a password without digits. Words and code have fewer.
const minSigns = 4

// isIrregular reports whether a text has capitals, other letters, and many signs.
func isIrregular(text string) bool {
	var seen [256]bool
	signs, upper, lower := 0, false, false
	for i := range len(text) {
		c := text[i]
		upper, lower = upper || isUpper(c), lower || isLower(c)
		if !isAlphanumeric(c) && !seen[c] {
			signs++
		}
		seen[c] = true
	}
	return upper && lower && signs >= minSigns
}

// hasJumbledPart reports whether a text has a part between signs that is no name.
func hasJumbledPart(text string) bool {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < 0x80 && !isAlphanumeric(byte(r)) }) {
		if isJumbled(part) && hasDigit(part) {
			return true
		}
	}
	return false
}

// hasMixedPart reports whether a text has a part between slashes that no path has: capitals, small letters, and a digit before
// one of them.
func hasMixedPart(text string) bool {
	for part := range strings.SplitSeq(text, "/") {
		if isMixed(part) && isName(part) && !strings.ContainsAny(part, "-._") && isMixedOrder().MatchString(part) {
			return true
		}
	}
	return false
}

var isMixedOrder = lazy.Regexp(`[0-9][A-Za-z]+`)

// consistsOfWords reports whether the parts of a text between signs are words, names in code, or numbers.
func consistsOfWords(text string) bool {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < 0x80 && betweenWords[byte(r)] }) {
		if (!isPath(part) || isJumbled(part)) && !isNumber(part) && !isHarmlessValue(part) && !nameOfSecret().MatchString(part) {
			return false
		}
	}
	return true
}
