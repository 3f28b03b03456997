package agent

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth limits how deeply values may be nested in a call that is written as text.
const maxDepth = 32

// readValue reads one value at the beginning of text and returns it as JSON, with its length in text. It
// accepts JSON and what models write instead, such as Python literals or JSON with line breaks inside
// strings.
func readValue(text string) (value json.RawMessage, length int, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	if decoder.Decode(&value) == nil {
		return value, int(decoder.InputOffset()), true
	}
	parser := literalParser{text: text}
	parsed, ok := parser.value(0)
	if !ok {
		return nil, 0, false
	}
	value, ok = asJSON(parsed)
	return value, parser.at, ok
}

// asJSON encodes a value without escaping "<". A call can then be compared with the text that it came from.
func asJSON(value any) (json.RawMessage, bool) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return nil, false
	}
	return bytes.TrimSpace(b.Bytes()), true
}

// literalParser reads literals of Python and JSON. If the meaning is in doubt, it fails, because a call must run as
// the model meant it or not at all.
type literalParser struct {
	text string
	at   int
}

func (p *literalParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take skips white space and consumes token if it comes next.
func (p *literalParser) take(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

var (
	literalNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?`)
	literalWord   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)
	literalWords  = map[string]any{"True": true, "true": true, "False": false, "false": false, "None": nil, "null": nil}
)

func (p *literalParser) value(depth int) (any, bool) {
	p.space()
	if depth > maxDepth || p.at >= len(p.text) {
		return nil, false
	}
	switch {
	case p.take("{"):
		return p.object(depth)
	case p.take("["):
		return p.list("]", depth)
	case p.take("("):
		return p.list(")", depth)
	}
	rest := p.text[p.at:]
	if number := literalNumber.FindString(rest); number != "" {
		p.at += len(number)
		return json.Number(number), true
	}
	if word := literalWord.FindString(rest); word != "" && !isStringPrefix(rest[len(word):], word) {
		value, known := literalWords[word]
		p.at += len(word)
		return value, known
	}
	return p.strings()
}

func (p *literalParser) object(depth int) (any, bool) {
	object := map[string]any{}
	for !p.take("}") {
		if len(object) > 0 && !p.take(",") {
			return nil, false
		}
		if p.take("}") { // after a trailing comma
			break
		}
		key, ok := p.value(depth + 1)
		name, isText := key.(string)
		if !ok || !isText || !p.take(":") {
			return nil, false
		}
		if _, twice := object[name]; twice {
			return nil, false
		}
		if object[name], ok = p.value(depth + 1); !ok {
			return nil, false
		}
	}
	return object, true
}

func (p *literalParser) list(closing string, depth int) (any, bool) {
	list := []any{}
	for !p.take(closing) {
		if len(list) > 0 && !p.take(",") {
			return nil, false
		}
		if p.take(closing) {
			break
		}
		value, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		list = append(list, value)
	}
	return list, true
}

// isStringPrefix reports whether word, followed by rest, is the prefix of a raw or Unicode string.
func isStringPrefix(rest, word string) bool {
	return strings.EqualFold(word, "r") || strings.EqualFold(word, "u") && rest != "" && (rest[0] == '"' || rest[0] == '\'')
}

// strings reads one string or several adjacent ones, which Python concatenates.
func (p *literalParser) strings() (any, bool) {
	var whole strings.Builder
	for n := 0; ; n++ {
		p.space()
		raw := false
		if rest := p.text[p.at:]; len(rest) > 1 && (rest[1] == '"' || rest[1] == '\'') && strings.IndexByte("rRuU", rest[0]) >= 0 {
			raw = rest[0] == 'r' || rest[0] == 'R'
			p.at++
		}
		quote := p.quote()
		if quote == "" {
			return whole.String(), n > 0
		}
		part, ok := p.rest(quote, raw)
		if !ok {
			return nil, false
		}
		whole.WriteString(part)
	}
}

// quote consumes the quotation mark that begins a string.
func (p *literalParser) quote() string {
	for _, quote := range []string{`"""`, `'''`, `"`, `'`} {
		if strings.HasPrefix(p.text[p.at:], quote) {
			p.at += len(quote)
			return quote
		}
	}
	return ""
}

// rest reads the rest of a string and its closing quotation mark. Every string may contain line breaks.
func (p *literalParser) rest(quote string, raw bool) (string, bool) {
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case strings.HasPrefix(p.text[p.at:], quote):
			p.at += len(quote)
			return b.String(), true
		case c == '\\' && p.at+1 < len(p.text):
			if raw {
				b.WriteString(p.text[p.at : p.at+2])
				p.at += 2
				continue
			}
			if !p.escape(&b) {
				return "", false
			}
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	return "", false
}

var simpleEscapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': `\`, '\'': "'", '"': `"`, '/': "/",
	'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '\n': ""}

var escapeDigits = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// escape reads an escape sequence.
func (p *literalParser) escape(b *strings.Builder) bool {
	kind := p.text[p.at+1]
	if simple, ok := simpleEscapes[kind]; ok {
		b.WriteString(simple)
		p.at += 2
		return true
	}
	digits, numeric := escapeDigits[kind]
	if !numeric { // Python keeps the backslash of an unknown escape
		b.WriteString(p.text[p.at : p.at+1])
		p.at++
		return true
	}
	r, ok := p.hex(digits)
	if ok && utf16.IsSurrogate(r) && strings.HasPrefix(p.text[p.at:], `\u`) {
		low, isLow := p.hex(4)
		r, ok = utf16.DecodeRune(r, low), isLow
	}
	if !ok || !utf8.ValidRune(r) {
		return false
	}
	b.WriteRune(r)
	return true
}

func (p *literalParser) hex(digits int) (rune, bool) {
	from := p.at + 2
	if from+digits > len(p.text) {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[from:from+digits], 16, 32)
	p.at = from + digits
	return rune(n), err == nil
}

// arguments reads the arguments of a call in Python and its closing parenthesis. first names the parameter of
// an argument without a name; if it is empty, each argument needs a name.
func (p *literalParser) arguments(first string) (map[string]any, bool) {
	given := map[string]any{}
	for !p.take(")") {
		if len(given) > 0 && !p.take(",") {
			return nil, false
		}
		if p.take(")") {
			break
		}
		p.space()
		name := literalWord.FindString(p.text[p.at:])
		after := literalParser{text: p.text, at: p.at + len(name)}
		switch {
		case name != "" && after.take("="):
			p.at = after.at
		case len(given) == 0 && first != "":
			name = first
		default:
			return nil, false
		}
		value, ok := p.value(0)
		if _, twice := given[name]; !ok || twice {
			return nil, false
		}
		given[name] = value
	}
	return given, true
}
