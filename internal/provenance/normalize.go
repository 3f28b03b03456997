package provenance

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxEntity is the number of bytes of the longest entity of HTML that is recognized, without & and ;.
const maxEntity = 31

// normalText is a text in the form in which all encodings of the same words are equal.
type normalText struct {
	text string
	from []int32 // by byte of text: where its source begins in the original
	to   []int32 // by byte of text: where its source ends in the original
}

// Normal returns a text in the form in which all encodings of the same words are equal. It resolves the
// escapes of JSON, of JSON in JSON, and of Python, and HTML entities. It composes Unicode characters,
// replaces typographic quotes, dashes, and blanks, reduces white space, and removes characters that are not
// visible.
func Normal(text string) string {
	n := normalizer{source: text}
	n.run()
	return string(n.out)
}

// normalized returns the normal form of a text with the positions of the original.
func normalized(text string) normalText {
	n := normalizer{source: text, mapped: true}
	n.run()
	return normalText{text: string(n.out), from: n.from, to: n.to}
}

type normalizer struct {
	source   string
	mapped   bool
	out      []byte
	from, to []int32
	last     rune // that was written last, to which a combining mark may belong
	lastAt   int  // its position in out
}

func (n *normalizer) run() {
	n.out = make([]byte, 0, len(n.source))
	if n.mapped {
		n.from, n.to = make([]int32, 0, len(n.source)), make([]int32, 0, len(n.source))
	}
	for i := 0; i < len(n.source); {
		i = n.next(i)
	}
	if len(n.out) > 0 && n.out[len(n.out)-1] == ' ' {
		n.cut(len(n.out) - 1)
	}
}

// next writes the character that begins at a position of the source and returns the position after it.
func (n *normalizer) next(i int) int {
	c := n.source[i]
	switch {
	case c == '\\':
		return n.escape(i)
	case c == '&':
		return n.entity(i)
	case c < utf8.RuneSelf:
		n.write(rune(c), i, i+1)
		return i + 1
	}
	r, size := utf8.DecodeRuneInString(n.source[i:])
	if r == utf8.RuneError && size == 1 {
		return i + 1
	}
	n.write(r, i, i+size)
	return i + size
}

// escape resolves an escape, of any number of levels.
func (n *normalizer) escape(from int) int {
	i := from
	for i < len(n.source) && n.source[i] == '\\' {
		i++
	}
	if i == len(n.source) {
		n.write('\\', from, i)
		return i
	}
	switch c := n.source[i]; c {
	case 'n', 'r', 't':
		n.write(' ', from, i+1)
		return i + 1
	case '"', '\'', '/':
		n.write(rune(c), from, i+1)
		return i + 1
	case 'u':
		if unit, ok := hexadecimal(n.source, i+1, 4); ok {
			return n.unit(from, i+5, unit)
		}
	case 'U':
		if r, ok := hexadecimal(n.source, i+1, 8); ok && utf8.ValidRune(r) {
			n.write(r, from, i+9)
			return i + 9
		}
	case 'x':
		if end, ok := n.bytes(from, i); ok {
			return end
		}
	}
	n.write('\\', from, i)
	return i
}

// unit writes a UTF-16 code unit, with the second one of a surrogate pair, and returns the position after it.
func (n *normalizer) unit(from, end int, unit rune) int {
	if !utf16.IsSurrogate(unit) {
		n.write(unit, from, end)
		return end
	}
	next := end
	for next < len(n.source) && n.source[next] == '\\' {
		next++
	}
	if next > end && next < len(n.source) && n.source[next] == 'u' {
		if low, ok := hexadecimal(n.source, next+1, 4); ok {
			if r := utf16.DecodeRune(unit, low); r != unicode.ReplacementChar {
				n.write(r, from, next+5)
				return next + 5
			}
		}
	}
	return end // half a pair is no character
}

// bytes writes the bytes that begin with \x at position i, which are UTF-8 or else single characters.
func (n *normalizer) bytes(from, i int) (end int, ok bool) {
	var list []byte
	end = i
	for len(list) < utf8.UTFMax {
		b, found := hexadecimal(n.source, end+1, 2)
		if !found {
			break
		}
		list = append(list, byte(b))
		end += 3
		if utf8.FullRune(list) {
			break
		}
		next := end
		for next < len(n.source) && n.source[next] == '\\' {
			next++
		}
		if next == end || next == len(n.source) || n.source[next] != 'x' {
			break
		}
		end = next
	}
	if len(list) == 0 {
		return 0, false
	}
	if r, size := utf8.DecodeRune(list); r != utf8.RuneError && size == len(list) {
		n.write(r, from, end)
		return end, true
	}
	n.write(rune(list[0]), from, i+3)
	return i + 3, true
}

func hexadecimal(text string, at, digits int) (value rune, ok bool) {
	if at+digits > len(text) {
		return 0, false
	}
	for _, c := range []byte(text[at : at+digits]) {
		value <<= 4
		switch {
		case c >= '0' && c <= '9':
			value |= rune(c - '0')
		case c >= 'a' && c <= 'f':
			value |= rune(c-'a') + 10
		case c >= 'A' && c <= 'F':
			value |= rune(c-'A') + 10
		default:
			return 0, false
		}
	}
	return value, true
}

// entity resolves an entity of HTML or XML, of any number of levels.
func (n *normalizer) entity(from int) int {
	i := from + 1
	for strings.HasPrefix(n.source[i:], "amp;") {
		i += len("amp;")
	}
	end := i
	for end < len(n.source) && end-i <= maxEntity && isEntityByte(n.source[end]) {
		end++
	}
	if end > i && end < len(n.source) && n.source[end] == ';' {
		if plain := html.UnescapeString("&" + n.source[i:end+1]); plain[0] != '&' {
			for _, r := range plain {
				n.write(r, from, end+1)
			}
			return end + 1
		}
	}
	n.write('&', from, i)
	return i
}

func isEntityByte(c byte) bool {
	return c == '#' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// write writes a character of the source in its normal form.
func (n *normalizer) write(r rune, from, to int) {
	if r < utf8.RuneSelf && r > ' ' && r != 0x7f {
		n.put(r, from, to)
		return
	}
	switch {
	case unicode.IsSpace(r):
		if len(n.out) > 0 && n.out[len(n.out)-1] != ' ' {
			n.put(' ', from, to)
		}
		return
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Variation_Selector), r == unicode.ReplacementChar:
		return
	}
	switch r {
	case '‘', '’', '‚', '‛', '′', 'ʼ':
		r = '\''
	case '“', '”', '„', '‟', '″', '«', '»':
		r = '"'
	case '‐', '‑', '‒', '–', '—', '―', '−', '﹣', '－':
		r = '-'
	case '…':
		n.put('.', from, to)
		n.put('.', from, to)
		r = '.'
	}
	if whole, ok := compose(n.last, r); ok && len(n.out) > n.lastAt {
		first := from
		if n.mapped {
			first = int(n.from[n.lastAt])
		}
		n.cut(n.lastAt)
		n.put(whole, first, to)
		return
	}
	n.put(r, from, to)
}

func (n *normalizer) put(r rune, from, to int) {
	before := len(n.out)
	if r < utf8.RuneSelf {
		n.out, n.last, n.lastAt = append(n.out, byte(r)), r, before
		if n.mapped {
			n.from, n.to = append(n.from, int32(from)), append(n.to, int32(to))
		}
		return
	}
	n.out = utf8.AppendRune(n.out, r)
	n.last, n.lastAt = r, before
	if n.mapped {
		for range len(n.out) - before {
			n.from, n.to = append(n.from, int32(from)), append(n.to, int32(to))
		}
	}
}

// cut removes everything from a position of the output on.
func (n *normalizer) cut(at int) {
	n.out = n.out[:at]
	if n.mapped {
		n.from, n.to = n.from[:at], n.to[:at]
	}
}

// Hangul syllables are composed by calculation ("Conjoining Jamo Behavior" of the Unicode Standard, 3.12).
const (
	hangulS, hangulL, hangulV, hangulT = 0xac00, 0x1100, 0x1161, 0x11a7
	hangulVs, hangulTs                 = 21, 28
	hangulLs                           = 19
)

// compose returns the character that a character and the following one are equivalent to.
func compose(first, second rune) (rune, bool) {
	if second < 0x300 {
		return 0, false
	}
	if l, v := first-hangulL, second-hangulV; l >= 0 && l < hangulLs && v >= 0 && v < hangulVs {
		return hangulS + (l*hangulVs+v)*hangulTs, true
	}
	s, t := first-hangulS, second-hangulT
	if s >= 0 && s < hangulLs*hangulVs*hangulTs && s%hangulTs == 0 && t > 0 && t < hangulTs {
		return first + t, true
	}
	whole, ok := compositions()[[2]rune{first, second}]
	return whole, ok
}
