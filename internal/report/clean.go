package report

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Untrusted text is cleaned once, on a copy of the whole record, so that no form can forget a field.

// cleaned is a deep copy of rec whose texts hold nothing that a terminal, a mail program or a browser
// acts upon before it is escaped: see [lines].
func cleaned(rec *investigation.Record) *investigation.Record { return remade(rec, lines) }

// lines cleans text of several lines: it keeps line breaks and tabs, and takes out control characters,
// marks that turn the direction of text, invisible characters and what is not UTF-8.
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

// plain cleans text and makes one line of it.
func plain(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, lines(text)), " ")
}

// remade is a deep copy of v in which every string has gone through text, map keys included, and no
// slice is nil: lists are lists in JSON, never null. Raw JSON and times stay as they are.
func remade[T any](v T, text func(string) string) T {
	return remake(reflect.ValueOf(&v).Elem(), text).Interface().(T)
}

var (
	rawJSON  = reflect.TypeFor[json.RawMessage]()
	timeType = reflect.TypeFor[time.Time]()
)

func remake(v reflect.Value, text func(string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch {
	case v.Type() == rawJSON, v.Type() == timeType:
		out.Set(v)
	case v.Kind() == reflect.String:
		out.SetString(text(v.String()))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(remake(v.Elem(), text))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(remake(v.Field(i), text))
		}
	case v.Kind() == reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(remake(v.Index(i), text))
		}
	case v.Kind() == reflect.Map && !v.IsNil():
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(remake(entries.Key(), text), remake(entries.Value(), text))
		}
	default:
		out.Set(v)
	}
	return out
}
