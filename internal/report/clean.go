package report

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Untrusted text is cleaned once, in a copy of the whole record, so no form can forget a field.

// cleaned returns a deep copy of rec. Its texts have no characters that a terminal, a mail program, or a browser
// would interpret: see [lines]. HTML and the syntax of chat are escaped later.
func cleaned(rec *investigation.Record) *investigation.Record { return mapStrings(rec, lines) }

// lines cleans text of several lines: it keeps line breaks and tabs, removes control characters, marks that change the
// direction of text, and invisible characters, and replaces invalid UTF-8.
func lines(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		const joiner, nonJoiner = '\u200D', '\u200C' // emoji and several scripts need them
		switch {
		case r == '\n', r == '\t', r == joiner, r == nonJoiner:
			return r
		case r == '\r', r == '\u2028', r == '\u2029':
			return '\n'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, text)
}

// plain cleans text and joins it into one line.
func plain(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, lines(text)), " ")
}

// mapStrings returns a deep copy of v with text applied to every string, including map keys. No slice of
// the copy is nil: lists are lists in JSON, never null. Raw JSON and times are unchanged.
func mapStrings[T any](v T, text func(string) string) T {
	return mapValue(reflect.ValueOf(&v).Elem(), text).Interface().(T)
}

var (
	rawJSON  = reflect.TypeFor[json.RawMessage]()
	timeType = reflect.TypeFor[time.Time]()
)

func mapValue(v reflect.Value, text func(string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch {
	case v.Type() == rawJSON, v.Type() == timeType:
		out.Set(v)
	case v.Kind() == reflect.String:
		out.SetString(text(v.String()))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(mapValue(v.Elem(), text))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(mapValue(v.Field(i), text))
		}
	case v.Kind() == reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(mapValue(v.Index(i), text))
		}
	case v.Kind() == reflect.Map && !v.IsNil():
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(mapValue(entries.Key(), text), mapValue(entries.Value(), text))
		}
	default:
		out.Set(v)
	}
	return out
}
