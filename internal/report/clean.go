package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Untrusted text is cleaned once, in a copy of the whole record, so no form can forget a field.

// cleaned returns a deep copy of rec. Its texts have no characters that a terminal, a mail program, or a browser
// would interpret, and none that deceive a reader: see [lines]. HTML and the syntax of chat are escaped later. Commands
// for the engineer keep every character, because package command escapes them and states what they do.
func cleaned(rec *investigation.Record) *investigation.Record {
	return inZone(rec, nil)
}

// inZone is cleaned, with all times in a time zone, in which [moment] shows them. Nil: UTC.
func inZone(rec *investigation.Record, zone *time.Location) *investigation.Record {
	if zone == nil {
		zone = time.UTC
	}
	copied := mapped(rec, mapper{lines, func(t time.Time) time.Time { return t.In(zone) }})
	for i := range copied.Report.Actions {
		copied.Report.Actions[i].Command = rec.Report.Actions[i].Command
	}
	return copied
}

// isClean reports whether [plain] changes nothing in a text.
func isClean(text string) bool { return plain(text) == text }

// Limits of characters that are harmless in small numbers.
const (
	maxMarksOnLetter = 4 // combining marks on one letter; Vietnamese has two, Hebrew and Tibetan have more
)

// lines cleans text of several lines. It keeps tabs and normalizes line breaks. It escapes characters that are
// invisible, change the direction of text, or imitate other letters: see [needsEscape], [escapeImitations], and
// [defangAddresses]. Ordinary text of any language stays as it is.
func lines(text string) string {
	if isPrintableASCII(text) {
		return defangAddresses(text)
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	var b strings.Builder
	b.Grow(len(text))
	all := []rune(text)
	marks := 0      // combining marks since the last other character
	base := rune(0) // last character that is no mark
	imitates := false
	for i, r := range all {
		if r >= ' ' && r <= '~' || r == '\n' || r == '\t' || isEastAsian(r) {
			marks, base = 0, r
			b.WriteRune(r)
			continue
		}
		imitates = imitates || imitatesLatin(r)
		if !unicode.Is(unicode.M, r) {
			base = r
		}
		if isMark(r) && !isVariation(r) && !isInvisible(r) && !enclosesNothing(r, base) {
			if marks++; marks <= maxMarksOnLetter {
				b.WriteRune(r)
			} else if i+1 == len(all) || !isMark(all[i+1]) {
				fmt.Fprintf(&b, "[%d more marks]", marks-maxMarksOnLetter)
			}
			continue
		}
		marks = 0
		switch {
		case r == '\r', r == '\v', r == '\f', r == '\u0085', r == '\u2028', r == '\u2029':
			b.WriteByte('\n')
		case enclosesNothing(r, base), needsEscape(all, i):
			b.WriteString(command.Escape(r))
		case r == '\u3000' && i > 0 && all[i-1] != r: // an ordinary blank in Chinese and Japanese
			b.WriteRune(r)
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	if text = b.String(); imitates {
		text = escapeImitations(text)
	}
	return defangAddresses(text)
}

func isPrintableASCII(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

func isMark(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) }

// isEastAsian reports whether r is an ordinary character of Chinese, Japanese, or Korean, which need no checks.
func isEastAsian(r rune) bool {
	return r >= 'ぁ' && r <= '\u3096' || r >= 'ァ' && r <= 'ヿ' || r >= '一' && r <= '\u9FFF' || r >= '가' && r <= '힣' || r == '、' || r == '。'
}

// isInvisible reports whether r is a letter, a mark, or an unassigned character that is shown as nothing or as a blank.
// With controls, formats, and variation selectors, these are all of Unicode's Default_Ignorable_Code_Point, and more.
func isInvisible(r rune) bool {
	switch r {
	case '\u2800', '\uFFFC', '\U00013440', '\U00016FE4', '\U0001D159':
		return true
	}
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// needsEscape reports whether the character at a position of a text is invisible, changes the direction of text, or is a
// letter for formulas that imitates bold or slanted text. Joiners and variation selectors stay where scripts and emoji
// need them.
func needsEscape(text []rune, i int) bool {
	r := text[i]
	before, after := rune(0), rune(0)
	if i > 0 {
		before = text[i-1]
	}
	if i+1 < len(text) {
		after = text[i+1]
	}
	switch {
	case r == '\u200C' || r == '\u200D': // emoji and several scripts need them
		return !isJoinable(before) || !isJoinable(after)
	case r == '\uFE0E' || r == '\uFE0F':
		return !unicode.In(before, unicode.So, unicode.Sm, unicode.Sk, unicode.Po) && !unicode.IsDigit(before) && before != 'ℹ' && before != '〰'
	case r >= '\U000E0100' && r <= '\U000E01EF':
		return !unicode.Is(unicode.Han, before)
	case isVariation(r):
		return true
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Bidi_Control, unicode.Noncharacter_Code_Point):
		return true
	case r >= '\U0001F3FB' && r <= '\U0001F3FF': // a color of skin is a square unless it changes an emoji
		return !unicode.Is(unicode.So, before) && before != '\uFE0F'
	case unicode.Is(ofFormulas, r), imitatesMark(r), isSolitaryTriangle(r, before, after):
		return true
	}
	return isInvisible(r)
}

// imitatesMark reports whether r is one of the marks with which code begins its lines, or looks like one.
func imitatesMark(r rune) bool { return unicode.In(r, marks, namedMarks) }

// isSolitaryTriangle reports whether a letter of Canadian Aboriginal alphabets that looks like a triangle is in no word of them.
func isSolitaryTriangle(r, before, after rune) bool {
	switch r {
	case '\u1401', '\u1403', '\u1405', '\u140A':
		return !unicode.Is(unicode.Canadian_Aboriginal, before) && !unicode.Is(unicode.Canadian_Aboriginal, after)
	}
	return false
}

// enclosesNothing reports whether r is a mark that encloses the last character that is no mark, as in a square, and that
// character is no letter or digit, such as a blank. Then the mark is shown alone.
func enclosesNothing(r, base rune) bool {
	return r >= '\u20DD' && r <= '\u20E4' && (isInvisible(base) || !unicode.IsLetter(base) && !unicode.IsDigit(base))
}

// marks are the squares, blocks, triangles, and thick bars of Unicode, filled or not, in addition to those whose names say so.
// Circles, diamonds, thin lines, and letters such as U+53E3 and U+0394 are not among them.
var marks = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x220E, Hi: 0x220E, Stride: 1}, // end of proof
		{Lo: 0x22BF, Hi: 0x22BF, Stride: 1},
		{Lo: 0x2337, Hi: 0x2338, Stride: 1}, // APL's narrow squares
		{Lo: 0x2395, Hi: 0x2395, Stride: 1},
		{Lo: 0x23CF, Hi: 0x23CF, Stride: 1}, // keys of players
		{Lo: 0x23E9, Hi: 0x23EF, Stride: 1},
		{Lo: 0x23F4, Hi: 0x23F9, Stride: 1},
		{Lo: 0x23FD, Hi: 0x23FD, Stride: 1}, // heavy bars, also of boxes
		{Lo: 0x2503, Hi: 0x2507, Stride: 4},
		{Lo: 0x250B, Hi: 0x250B, Stride: 1},
		{Lo: 0x254F, Hi: 0x254F, Stride: 1},
		{Lo: 0x2579, Hi: 0x257B, Stride: 2},
		{Lo: 0x257D, Hi: 0x257F, Stride: 2},
		{Lo: 0x2580, Hi: 0x259F, Stride: 1}, // block elements
		{Lo: 0x25A0, Hi: 0x25C5, Stride: 1}, // geometric shapes
		{Lo: 0x25D8, Hi: 0x25DB, Stride: 1},
		{Lo: 0x25E2, Hi: 0x25E5, Stride: 1},
		{Lo: 0x25E7, Hi: 0x25EE, Stride: 1},
		{Lo: 0x25F0, Hi: 0x25F3, Stride: 1},
		{Lo: 0x25F8, Hi: 0x25FF, Stride: 1},
		{Lo: 0x26DB, Hi: 0x26DB, Stride: 1},
		{Lo: 0x26DE, Hi: 0x26FE, Stride: 0x20},
		{Lo: 0x274F, Hi: 0x2752, Stride: 1}, // dingbats
		{Lo: 0x2758, Hi: 0x275A, Stride: 1},
		{Lo: 0x29C4, Hi: 0x29CD, Stride: 1}, // operators
		{Lo: 0x29E8, Hi: 0x29E9, Stride: 1},
		{Lo: 0x29EE, Hi: 0x29EF, Stride: 1},
		{Lo: 0x2B12, Hi: 0x2B15, Stride: 1}, // symbols and arrows
		{Lo: 0x2B1A, Hi: 0x2B1E, Stride: 1},
		{Lo: 0x2B98, Hi: 0x2B9F, Stride: 1},
		{Lo: 0x2BC0, Hi: 0x2BC0, Stride: 1},
		{Lo: 0x2BC5, Hi: 0x2BC8, Stride: 1},
		{Lo: 0xFFED, Hi: 0xFFED, Stride: 1}, // half width
	},
	R32: []unicode.Range32{
		{Lo: 0x1CC00, Hi: 0x1CCFF, Stride: 1}, // legacy computing, supplement
		{Lo: 0x1CD00, Hi: 0x1CEBF, Stride: 1},
		{Lo: 0x1F02B, Hi: 0x1F02B, Stride: 1}, // backs of tiles and cards
		{Lo: 0x1F0A0, Hi: 0x1F0A0, Stride: 1},
		{Lo: 0x1F532, Hi: 0x1F533, Stride: 1}, // pictographs
		{Lo: 0x1F53A, Hi: 0x1F53D, Stride: 1},
		{Lo: 0x1F6C6, Hi: 0x1F6C6, Stride: 1},
		{Lo: 0x1F780, Hi: 0x1F783, Stride: 1}, // geometric shapes, extended
		{Lo: 0x1F78A, Hi: 0x1F793, Stride: 1},
		{Lo: 0x1F7E5, Hi: 0x1F7EB, Stride: 1},
		{Lo: 0x1F890, Hi: 0x1F893, Stride: 1}, // arrowheads
		{Lo: 0x1FB00, Hi: 0x1FBEF, Stride: 1}, // legacy computing
	},
}

// ofFormulas are the letters and digits of formulas, which imitate bold or slanted text, and the sign of kelvin.
var ofFormulas = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x2102, Hi: 0x2102, Stride: 1}, {Lo: 0x210A, Hi: 0x2113, Stride: 1}, {Lo: 0x2115, Hi: 0x2115, Stride: 1},
		{Lo: 0x2119, Hi: 0x211D, Stride: 1}, {Lo: 0x2124, Hi: 0x2128, Stride: 4}, {Lo: 0x212A, Hi: 0x212A, Stride: 1},
		{Lo: 0x212C, Hi: 0x212D, Stride: 1}, {Lo: 0x212F, Hi: 0x2131, Stride: 1}, {Lo: 0x2133, Hi: 0x2134, Stride: 1},
		{Lo: 0x213C, Hi: 0x213F, Stride: 1}, {Lo: 0x2145, Hi: 0x2149, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1D400, Hi: 0x1D7FF, Stride: 1}},
}

func isVariation(r rune) bool { return unicode.Is(unicode.Variation_Selector, r) }

// isJoinable reports whether a joiner beside r can have an effect.
func isJoinable(r rune) bool {
	return r > unicode.MaxLatin1 && !unicode.Is(unicode.Latin, r) && !unicode.In(r, unicode.Zs, unicode.Cf)
}

// escapeImitations escapes letters of other alphabets within words of Latin letters, such as a Cyrillic letter in aws.
func escapeImitations(text string) string {
	var b strings.Builder
	word := 0
	flush := func(end int) {
		part := text[word:end]
		if mixed := strings.ContainsFunc(part, isLatin) && strings.ContainsFunc(part, imitatesLatin); !mixed {
			b.WriteString(part)
			return
		}
		for _, r := range part {
			if imitatesLatin(r) {
				b.WriteString(command.Escape(r))
			} else {
				b.WriteRune(r)
			}
		}
	}
	for i, r := range text {
		if !unicode.IsLetter(r) && !unicode.Is(unicode.Mn, r) && !imitatesLatin(r) {
			flush(i)
			word = i + utf8.RuneLen(r)
			b.WriteRune(r)
		}
	}
	flush(len(text))
	return b.String()
}

func isLatin(r rune) bool { return r < utf8.RuneSelf && unicode.IsLetter(r) }

// imitatesLatin reports whether r belongs to an alphabet that shares shapes with the Latin one, or is a phonetic letter, a
// small capital, a Roman numeral, or a full-width letter that looks like one of ASCII. The Greek letter mu is a prefix of
// units.
func imitatesLatin(r rune) bool {
	switch {
	case strings.ContainsRune("ɑɡɢɩɪɴʀʏʙʜʟſǃǀƖꜰꜱ", r), r >= '\u1D00' && r <= '\u1D22', r >= '\u2160' && r <= '\u217F',
		r >= '\uFF21' && r <= '\uFF3A', r >= '\uFF41' && r <= '\uFF5A':
		return true
	}
	return r != 'μ' && unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic, unicode.Lisu,
		unicode.Canadian_Aboriginal, unicode.Tifinagh, unicode.Runic, unicode.Old_Italic, unicode.Gothic, unicode.Deseret, unicode.Osage,
		unicode.Carian, unicode.Lycian, unicode.Lydian, unicode.Elbasan, unicode.Warang_Citi, unicode.Miao)
}

// schemes are those of addresses that clients turn into links.
var schemes = []string{"https", "http", "ftps", "ftp"}

const (
	endOfHost      = " \t\n/?#<>\"'`()[]{}|" // characters that end the host of an address, for a reader
	endOfAuthority = " \t\n/?#"              // characters that end what is before the path, for a browser
)

// defangAddresses changes addresses that lead to another host than a reader would think, so that no client turns them
// into links: https[:]//aws.amazon.com@evil.example. Characters of a host that are not ASCII are escaped.
func defangAddresses(text string) string {
	var b strings.Builder
	rest := text
	for {
		colon := strings.IndexByte(rest, ':')
		if colon < 0 {
			break
		}
		after := strings.TrimLeft(rest[colon+1:], `/\`)
		slashes := rest[colon+1 : len(rest)-len(after)]
		isAddress := len(slashes) >= 2 && schemeBefore(rest[:colon]) > 0 // else no host is searched: a long text can have a colon everywhere
		host := ""
		if isAddress {
			host = hostOf(after)
		}
		if !isAddress ||
			slashes == "//" && isPrintableASCII(host) && !strings.ContainsAny(host, `\%`) && !strings.Contains(upTo(after, endOfAuthority), "@") {
			b.WriteString(rest[:colon+1])
			rest = rest[colon+1:]
			continue
		}
		b.WriteString(rest[:colon] + "[:]" + slashes)
		for _, r := range host {
			if r > '~' {
				b.WriteString(command.Escape(r))
			} else {
				b.WriteRune(r)
			}
		}
		rest = rest[colon+1+len(slashes)+len(host):]
	}
	if b.Len() == 0 {
		return text
	}
	return b.String() + rest
}

// hostOf returns the host at the beginning of a text, for a reader. It ends before another address, which is read on its own.
func hostOf(text string) string {
	for end := 0; ; end++ {
		next := strings.IndexAny(text[end:], endOfHost+":")
		if next < 0 {
			return text
		}
		if end += next; text[end] != ':' {
			return text[:end]
		}
		if scheme := schemeBefore(text[:end]); scheme > 0 && len(text)-end > 2 && strings.Trim(text[end+1:end+3], `/\`) == "" {
			return text[:end-scheme]
		}
	}
}

// upTo returns the text before the first of some characters.
func upTo(text, end string) string {
	if at := strings.IndexAny(text, end); at >= 0 {
		return text[:at]
	}
	return text
}

// schemeBefore returns the length of the scheme at the end of a text, or 0.
func schemeBefore(text string) int {
	for _, scheme := range schemes {
		if at := len(text) - len(scheme); at >= 0 && strings.EqualFold(text[at:], scheme) {
			return len(scheme)
		}
	}
	return 0
}

// Plain returns untrusted text as one line in which no character deceives a reader, as all forms for people show it.
func Plain(text string) string { return plain(text) }

// plain cleans text and joins it into one line.
func plain(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, lines(text)), " ")
}

// mapStrings returns a deep copy of v with text applied to every string, including map keys. No slice and
// no map of the copy is nil: lists are lists in JSON, and objects are objects, never null. Raw JSON and times are unchanged.
func mapStrings[T any](v T, text func(string) string) T {
	return mapped(v, mapper{text, func(t time.Time) time.Time { return t }})
}

// WithoutNulls returns a deep copy of v whose lists and objects are not null in JSON, and whose texts are valid UTF-8.
func WithoutNulls[T any](v T) T {
	return mapStrings(v, func(text string) string { return strings.ToValidUTF8(text, "\uFFFD") })
}

// mapper holds the functions that are applied to the parts of a value.
type mapper struct {
	text func(string) string
	time func(time.Time) time.Time
}

// mapped is [mapStrings], and also changes every time.
func mapped[T any](v T, m mapper) T {
	return m.value(reflect.ValueOf(&v).Elem()).Interface().(T)
}

var (
	rawJSON  = reflect.TypeFor[json.RawMessage]()
	timeType = reflect.TypeFor[time.Time]()
)

func (m mapper) value(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch {
	case v.Type() == rawJSON:
		out.Set(v)
	case v.Type() == timeType:
		out.Set(reflect.ValueOf(m.time(v.Interface().(time.Time))))
	case v.Kind() == reflect.String:
		out.SetString(m.text(v.String()))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(m.value(v.Elem()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(m.value(v.Field(i)))
		}
	case v.Kind() == reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(m.value(v.Index(i)))
		}
	case v.Kind() == reflect.Map:
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(m.value(entries.Key()), m.value(entries.Value()))
		}
	default:
		out.Set(v)
	}
	return out
}
