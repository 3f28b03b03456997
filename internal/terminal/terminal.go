// Package terminal removes terminal control sequences and control characters from text. Log lines are full of colors,
// which hide secrets from redaction and split the words that a report quotes. Other sequences move the cursor, change
// the title, or make links, by which text can pretend to be something else.
package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	escape = '\x1b'
	bell   = '\a'
	firstC = '\u0080' // the first control character of the set C1
	lastC  = '\u009f'

	// Control strings, such as titles and links, are removed with their contents up to this number of bytes. Of a longer
	// one, or one without an end in the same line, only the beginning is removed: a log line must not be able to hide
	// what comes after it.
	maxString = 4096

	maxIntermediates = 2 // bytes between the parameters and the last byte of a sequence
)

// Plain returns text without control sequences and control characters. Only tabs and line breaks stay: CR, CR LF, VT, FF,
// and NEL become LF. Bytes that are not UTF-8 become U+FFFD. Plain(Plain(text)) is Plain(text).
//
// It reads the text once, as ECMA-48 and ECMA-35 define sequences: escape sequences, control sequences, and control
// strings, each introduced by ESC or by one character of C1. What is left of a sequence without an end stays as text.
func Plain(text string) string {
	if isPlain(text) {
		return text
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	var b strings.Builder
	b.Grow(len(text))
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case r == '\r' && strings.HasPrefix(text[at+size:], "\n"):
			at += size
		case r == '\r', r == '\v', r == '\f', r == '\u0085':
			b.WriteByte('\n')
			at += size
		case r == escape:
			at += size + escapeLength(text[at+size:])
		case isControl(r):
			at += size
			if r >= firstC {
				at += introducedLength(r-firstC+'@', text[at:])
			}
		default:
			b.WriteString(text[at : at+size])
			at += size
		}
	}
	return b.String()
}

// isPlain reports whether text is valid and has no control characters, which almost all texts are.
func isPlain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= ' ' && c < '\x7f', c == '\n', c == '\t':
		case c < utf8.RuneSelf:
			return false
		case c == 0xC2 && i+1 < len(text) && text[i+1] < 0xA0: // C1 in UTF-8
			return false
		}
	}
	return utf8.ValidString(text)
}

func isControl(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || r >= '\x7f' && r <= lastC
}

// escapeLength returns the length of an escape sequence after ESC. A lone ESC is a sequence without a rest.
func escapeLength(rest string) int {
	intermediates := count(rest, maxIntermediates, isIntermediate)
	if intermediates == len(rest) {
		return 0
	}
	final := rest[intermediates]
	switch {
	case final < '0' || final > '~':
		return 0
	case intermediates == 0 && final >= '@' && final <= '_':
		return 1 + introducedLength(rune(final), rest[1:])
	}
	return intermediates + 1
}

// introducedLength returns the length of what follows ESC and a byte, or the character of C1 with the same meaning.
func introducedLength(introducer rune, rest string) int {
	switch introducer {
	case '[': // CSI
		return sequenceLength(rest)
	case 'P', 'X', ']', '^', '_': // DCS, SOS, OSC, PM, APC
		return stringLength(rest)
	}
	return 0
}

// sequenceLength returns the length of parameters, intermediates, and the last byte of a control sequence, or 0 if the
// last byte is missing.
func sequenceLength(rest string) int {
	n := count(rest, len(rest), func(c byte) bool { return c >= '0' && c <= '?' })
	n += count(rest[n:], maxIntermediates, isIntermediate)
	if n < len(rest) && rest[n] >= '@' && rest[n] <= '~' {
		return n + 1
	}
	return 0
}

// isIntermediate reports whether c can precede the last byte of a sequence. The quotation mark is left out, because it
// ends strings in JSON, and so is the slash, which begins paths.
func isIntermediate(c byte) bool { return c >= ' ' && c < '/' && c != '"' }

func count(text string, most int, is func(byte) bool) int {
	n := 0
	for n < len(text) && n < most && is(text[n]) {
		n++
	}
	return n
}

// stringLength returns the length of a control string with its terminator, which is ST or BEL, or 0 if it has no end. A
// line break or another sequence ends it without a terminator.
func stringLength(rest string) int {
	for at, r := range rest {
		switch {
		case at > maxString || r == '\n' || r == '\r':
			return 0
		case r == bell:
			return at + 1
		case r == '\u009c':
			return at + len("\u009c")
		case r == escape && strings.HasPrefix(rest[at+1:], `\`):
			return at + 2
		case r == escape, isControl(r) && r >= firstC:
			return 0
		}
	}
	return 0
}

// PlainJSON returns a JSON value whose strings are plain as [Plain] defines it, and which is otherwise unchanged.
func PlainJSON(encoded string) string {
	var b strings.Builder
	done := 0
	for at := 0; at < len(encoded); at++ {
		if encoded[at] != '"' {
			continue
		}
		end := endOfString(encoded, at)
		if plain, changed := plainString(encoded[at:end]); changed {
			b.WriteString(encoded[done:at])
			b.WriteString(plain)
			done = end
		}
		at = end - 1
	}
	if done == 0 {
		return encoded
	}
	return b.String() + encoded[done:]
}

// endOfString returns the end of the string in JSON that begins at a position.
func endOfString(encoded string, start int) int {
	for at := start + 1; at < len(encoded); at++ {
		switch encoded[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(encoded)
}

// hasEscapedControl reports whether a string of JSON may contain an escaped control character.
func hasEscapedControl(encoded string) bool {
	return strings.Contains(encoded, `\u00`) || strings.Contains(encoded, `\r`) || strings.Contains(encoded, `\b`) || strings.Contains(encoded, `\f`)
}

// plainString returns a string of JSON without control characters, and reports whether it had any.
func plainString(encoded string) (plain string, changed bool) {
	if isPlain(encoded) && !hasEscapedControl(encoded) {
		return encoded, false
	}
	var text string
	if json.Unmarshal([]byte(encoded), &text) != nil {
		return encoded, false
	}
	plain = Plain(text)
	if plain == text {
		return encoded, false
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(plain) != nil {
		return encoded, false
	}
	return strings.TrimSuffix(b.String(), "\n"), true
}
