package redact

import (
	"html"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A secret can be written in many ways: escaped as a literal of JSON, Python, or a shell, percent-encoded, or with HTML
// entities, and each of them several times. The redaction therefore decodes the text instead of listing what a secret can
// look like, and looks for secrets in each decoded form. A view maps what it finds to the original text.

// maxDecodings is how often a text is decoded: JSON in JSON in JSON has three levels of escapes.
const maxDecodings = 4

// view is a decoded form of a text.
type view struct {
	text  string
	parts []part // in order; bytes between two parts are those of the text that was decoded
	from  *view  // the text that was decoded; nil: this is the original
	depth int    // how often the original was decoded
	dump  bool   // what is found extends to the end of its line, which repeats it as characters
}

// part is a piece of a view that replaces an escape.
type part struct {
	at, end         int32 // in the view
	source, through int32 // in the text that was decoded
}

// original returns the bytes of the original text from which the bytes between two positions were decoded.
func (v *view) original(from, to int) (int, int) {
	for ; v.from != nil; v = v.from {
		from, to = v.source(from, false), v.source(to, true)
		if v.dump {
			to = lineEnd(v.from.text, to)
		}
	}
	return from, to
}

// escapes is a set of kinds of escapes.
type escapes byte

const (
	backslashes escapes = 1 << iota // literals of programs
	marks                           // percent-encoding and HTML entities
	characters                      // whether \xe9 is a character, as in a literal of text, or a byte
)

// maxViews bounds the forms of a text whose kinds of escapes are mixed.
const maxViews = 20

// viewsOf returns the text itself and its decoded forms. Where kinds of escapes are mixed, each kind is also decoded alone,
// because the others can be part of a secret.
func viewsOf(text string) []*view {
	views := []*view{{text: text}}
	if !strings.ContainsAny(text, "\\%&") && !strings.Contains(text, "'\n") && !strings.Contains(text, "\"\n") {
		return views
	}
	known := map[string]bool{text: true}
	add := func(v *view) {
		if v != nil && len(views) < maxViews && !known[v.text] {
			known[v.text] = true
			views = append(views, v)
		}
	}
	for v, n := views[0], 0; v != nil && n < maxDecodings; n++ { // before the mixed forms, which can exceed the limit
		v, _ = v.decode(backslashes | marks)
		add(v)
	}
	for i := 0; i < len(views); i++ {
		v := views[i]
		if v.depth == maxDecodings {
			continue
		}
		decoded, seen := v.decode(backslashes | marks)
		add(decoded)
		if seen&characters != 0 {
			other, _ := v.decode(backslashes | marks | characters)
			add(other)
		}
		if seen&backslashes != 0 && seen&marks != 0 {
			for _, kind := range []escapes{backslashes, marks} {
				other, _ := v.decode(kind)
				add(other)
			}
		}
	}
	return views
}

// source returns the position in the decoded text. Inside a part, it is the part's start, or its end.
func (v *view) source(at int, isEnd bool) int {
	i := sort.Search(len(v.parts), func(i int) bool { return int(v.parts[i].at) > at || isEnd && int(v.parts[i].at) == at })
	if i == 0 {
		return at
	}
	p := v.parts[i-1]
	switch {
	case at >= int(p.end):
		return int(p.through) + at - int(p.end)
	case isEnd:
		return int(p.through)
	}
	return int(p.source)
}

// maybeEscape are the bytes with which escapes begin, and quotes, between which Python breaks a long literal.
var maybeEscape = bytesOf(`\%&'"`)

// decode returns the text with the escapes of some kinds decoded once, or nil if it has none. seen are the kinds of escapes
// in the text, and characters if reading them as characters makes a difference.
func (v *view) decode(kinds escapes) (decoded *view, seen escapes) {
	text, done := v.text, 0
	var b strings.Builder
	var parts []part
	for at := 0; at < len(text); {
		if !maybeEscape[text[at]] {
			at++
			continue
		}
		kind := marks
		if text[at] != '%' && text[at] != '&' {
			kind = backslashes
		}
		if kinds&kind == 0 {
			at++
			continue
		}
		size, r, isByte := escapeAt(text, at)
		if size == 0 {
			at++
			continue
		}
		seen |= kind
		if parts == nil {
			b.Grow(len(text))
			parts = make([]part, 0, strings.Count(text, `\`)+strings.Count(text, "%")+strings.Count(text, "&"))
		}
		b.WriteString(text[done:at])
		start := b.Len()
		switch {
		case isByte && r >= utf8.RuneSelf:
			if kinds&characters == 0 {
				seen |= characters
				b.WriteByte(byte(r))
				break
			}
			b.WriteRune(r)
		case r >= 0:
			b.WriteRune(r)
		}
		at += size
		done = at
		parts = append(parts, part{int32(start), int32(b.Len()), int32(at - size), int32(at)})
	}
	if parts == nil {
		return nil, 0
	}
	b.WriteString(text[done:])
	return &view{text: b.String(), parts: parts, from: v, depth: v.depth + 1}, seen
}

// escapeAt returns the length of the escape at a position, or 0, and the character for which it stands: -1 if it stands for
// nothing. isByte reports whether the escape can also stand for one byte.
func escapeAt(text string, at int) (size int, r rune, isByte bool) {
	rest := text[at:]
	if len(rest) < 2 {
		return 0, 0, false
	}
	switch rest[0] {
	case '%':
		if value, n := digits(rest[1:], 16, 2); n == 2 {
			return 3, value, true
		}
	case '&':
		end := strings.IndexByte(rest[:min(len(rest), 12)], ';')
		if end < 2 || rest[:end] == "&#" {
			return 0, 0, false
		}
		if number, isNumber := strings.CutPrefix(rest[1:end], "#"); isNumber {
			base := rune(10)
			if number[0]|0x20 == 'x' {
				base, number = 16, number[1:]
			}
			if value, n := digits(number, base, 7); n > 0 && n == len(number) && value <= utf8.MaxRune {
				return end + 1, value, false
			}
			return 0, 0, false
		}
		decoded := html.UnescapeString(rest[:end+1])
		if r, n := utf8.DecodeRuneInString(decoded); n == len(decoded) {
			return end + 1, r, false
		}
	case '\\':
		return backslash(rest)
	case '\'', '"': // 'abc'⏎ 'def', also of bytes
		if rest[1] != '\n' {
			return 0, 0, false
		}
		next := skipSpace(text, at+1)
		if next < len(text) && text[next] == 'b' {
			next++
		}
		if next < len(text) && text[next] == rest[0] {
			return next + 1 - at, -1, false
		}
	}
	return 0, 0, false
}

// backslash returns the escape at the start of a text that begins with a backslash.
func backslash(text string) (size int, r rune, isByte bool) {
	switch c := text[1]; c {
	case 'n':
		return 2, '\n', false
	case 'r':
		return 2, '\r', false
	case 't':
		return 2, '\t', false
	case 'b':
		return 2, '\b', false
	case 'f':
		return 2, '\f', false
	case 'v':
		return 2, '\v', false
	case 'a':
		return 2, '\a', false
	case 'e': // of shells
		return 2, 0x1b, false
	case 'x':
		if value, n := digits(text[2:], 16, 2); n == 2 {
			return 4, value, true
		}
	case 'u', 'U':
		most := map[byte]int{'u': 4, 'U': 8}[c]
		value, n := digits(text[2:], 16, most)
		if n == most && utf16.IsSurrogate(value) && strings.HasPrefix(text[6:], `\u`) {
			if low, n := digits(text[8:], 16, 4); n == 4 {
				if pair := utf16.DecodeRune(value, low); pair != utf8.RuneError {
					return 12, pair, false
				}
			}
		}
		if n == most && value <= utf8.MaxRune {
			return 2 + most, value, false
		}
		if strings.HasPrefix(text, `\u{`) { // of JavaScript and Rust
			if value, n := digits(text[3:], 16, 6); n > 0 && len(text) > 3+n && text[3+n] == '}' {
				return 4 + n, value, false
			}
		}
	default:
		if value, n := digits(text[1:], 8, 3); n > 0 && value <= 0xff {
			return 1 + n, value, true
		}
		if c < utf8.RuneSelf && !isLetter(c) && !isDigit(c) && c != '\n' {
			return 2, rune(c), false
		}
	}
	return 0, 0, false
}

// digits reads at most most digits at the start of a text.
func digits(text string, base rune, most int) (value rune, n int) {
	for n < most && n < len(text) {
		var digit rune
		switch c := rune(text[n]); {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			digit = c | 0x20 - 'a' + 10
		default:
			digit = base
		}
		if digit >= base || value > utf8.MaxRune {
			break
		}
		value, n = value*base+digit, n+1
	}
	return value, n
}

const minGroup = 4 // characters of a group of base64

// compact returns the text without the separators in encoded data, or nil if it has none: the line breaks in base64, and
// the signs between groups of base64 and of hexadecimal digits.
func (v *view) compact() *view {
	text := v.text
	c := cutter{text: text}
	for at := 0; at < len(text); at++ {
		if !inEncoded[text[at]] {
			continue
		}
		start := at
		for at < len(text) && inEncoded[text[at]] {
			at++
		}
		end, lines := at, false
		for end < len(text) && separates[text[end]] {
			lines = lines || text[end] == '\n'
			end++
		}
		for lines && end < len(text) && startsLine[text[end]] {
			end++
		}
		if end == at || end == len(text) || !inEncoded[text[end]] {
			continue
		}
		if size := at - start; lines && size >= minGroup || size%minGroup == 0 && size <= 4*minGroup || isHexGroup(text[start:at]) {
			c.cut(at, end)
		}
		at = end - 1
	}
	return c.view(v)
}

// cutter builds a view of a text without some of its parts.
type cutter struct {
	text  string
	b     strings.Builder
	parts []part
	done  int // bytes of the text that are in b
}

// cut leaves out the bytes between two positions.
func (c *cutter) cut(from, to int) {
	if c.parts == nil {
		c.b.Grow(len(c.text))
		c.parts = make([]part, 0, 64)
	}
	c.b.WriteString(c.text[c.done:from])
	at := int32(c.b.Len())
	c.parts = append(c.parts, part{at, at, int32(from), int32(to)})
	c.done = to
}

// view returns the view, or nil if nothing was cut.
func (c *cutter) view(of *view) *view {
	if c.parts == nil {
		return nil
	}
	c.b.WriteString(c.text[c.done:])
	return &view{text: c.b.String(), parts: c.parts, from: of, depth: of.depth}
}

// numbers returns the bytes that are written as numbers in the text, such as 0x5a, 0x6b or 90, 107, or nil if there are none.
func (v *view) numbers() *view {
	text := v.text
	var b strings.Builder
	var parts, run []part
	var list []byte
	done := 0
	flush := func() {
		if len(list) >= minSecret {
			for i := range run {
				b.WriteString(text[done:run[i].source])
				run[i].at = int32(b.Len())
				b.WriteByte(list[i])
				run[i].end = int32(b.Len())
				done = int(run[i].through)
			}
			parts = append(parts, run...)
		}
		run, list = run[:0], list[:0]
	}
	for at := 0; at < len(text); {
		if !isDigit(text[at]) || at > 0 && inName[text[at-1]] {
			at++
			continue
		}
		base, from := rune(10), at
		if text[at] == '0' && at+1 < len(text) && text[at+1]|0x20 == 'x' {
			base, from = 16, at+2
		}
		value, n := digits(text[from:], base, 3)
		end := from + n
		if n == 0 || value > 0xff || end < len(text) && inName[text[end]] {
			at = end + 1
			continue
		}
		if len(run) > 0 {
			last := int(run[len(run)-1].through)
			if at-last > maxBlanks || strings.Trim(text[last:at], " \t\r\n,;'\"") != "" {
				flush()
			} else { // the signs between two numbers belong to the second
				at = last
			}
		}
		run, list = append(run, part{source: int32(at), through: int32(end)}), append(list, byte(value))
		at = end
	}
	if flush(); parts == nil {
		return nil
	}
	b.WriteString(text[done:])
	return &view{text: b.String(), parts: parts, from: v, depth: v.depth}
}

// dumps returns the hexadecimal digits in the lines of hexadecimal dumps, as xxd and hexdump -C print them, without the
// offsets and the characters, or nil if there are none.
func (v *view) dumps() *view {
	text := v.text
	c := cutter{text: text}
	end := -1 // of the groups of the line before, if it belongs to a dump
	for line := 0; line < len(text); {
		stop := lineEnd(text, line)
		from, to := dumped(text[line:stop])
		if to == 0 {
			end = -1
		} else {
			from, to = line+from, line+to
			if end >= 0 {
				c.cut(end, from)
			}
			for at := from; at < to; at++ {
				gap := at
				for at < to && !isHex[text[at]] {
					at++
				}
				if at > gap {
					c.cut(gap, at)
				}
			}
			end = to
		}
		line = stop + 1
	}
	found := c.view(v)
	if found != nil {
		found.dump = true
	}
	return found
}

const (
	minOffset = 4  // digits of the offset of a line in a dump
	lineBytes = 16 // bytes in a line of a dump
)

// dumped returns where the groups of hexadecimal digits of a line in a dump begin and end, or 0.
func dumped(line string) (from, to int) {
	at := len(line) - len(strings.TrimLeft(line, " \t"))
	start := at
	for at < len(line) && isHex[line[at]] {
		at++
	}
	if at-start < minOffset || at-start > lineBytes || at == len(line) {
		return 0, 0
	}
	if line[at] == ':' {
		at++
	}
	from = skipBlanks(line, at)
	if from == at {
		return 0, 0
	}
	size := 0
	for at = from; at < len(line); {
		group := at
		for at < len(line) && isHex[line[at]] {
			at++
		}
		if n := at - group; n == 0 || n%2 != 0 || n > lineBytes || at < len(line) && line[at] != ' ' {
			break
		}
		size, to = size+(at-group)/2, at
		if next := skipBlanks(line, at); next-at > 2 || next-at == 2 && size != lineBytes/2 {
			break
		} else {
			at = next
		}
	}
	return from, to
}

// isHexGroup reports whether a text is one of the groups in which hexadecimal digits are written.
func isHexGroup(text string) bool {
	for i := range len(text) {
		if !isHex[text[i]] {
			return false
		}
	}
	return len(text) > 0 && len(text)%2 == 0 && len(text) <= lineBytes
}

func withoutSeparators(r rune) rune {
	if r < utf8.RuneSelf && separates[r] {
		return -1
	}
	return r
}

var (
	separates  = bytesOf(" \t\r\n:,-")
	startsLine = bytesOf(" \t>|")
	isHex      = bytesOf("0123456789abcdefABCDEF")
	inEncoded  = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=")
)
