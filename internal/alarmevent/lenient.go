package alarmevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are the formats of times in alarm events, most common first.
var timeLayouts = []string{
	"2006-01-02T15:04:05.999999999-0700", // of alarm actions and SNS: not RFC 3339
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04-0700",
	"2006-01-02T15:04Z07:00",
}

// IsPossibleTime reports whether a time that somebody else wrote can be that of an event: it is after the beginning of 1970,
// and its year has four digits in every time zone. JSON has no other years, so that a record with one could not be saved.
func IsPossibleTime(t time.Time) bool { return t.Unix() > 0 && t.UTC().Year() < 9999 }

// parseTime parses a time. It also accepts the extra spaces of AWS's published samples ("12: 36: 15.490"), and
// seconds or milliseconds since 1970.
func parseTime(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if len(text) > len("2006-01-02") && text[10] == ' ' && strings.Count(text[:10], "-") == 2 {
		text = text[:10] + "T" + text[11:]
	}
	text = strings.ReplaceAll(text, " ", "")
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			if !IsPossibleTime(t) {
				return time.Time{}, false
			}
			return t.UTC(), true
		}
	}
	const latestSeconds, latestMilliseconds = 1e11, 1e14 // as seconds, the former is after the year 5000
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || !(n > 0) || n > latestMilliseconds:
		return time.Time{}, false
	case n > latestSeconds:
		return time.UnixMilli(int64(n)).UTC(), true
	}
	whole := int64(n)
	return time.Unix(whole, int64((n-float64(whole))*1e3)*1e6).UTC(), true
}

// members are the fields of a JSON object.
type members map[string]any

// decode parses one JSON value. Numbers keep their text, which preserves the digits of account ids.
func decode(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("there is more than one JSON value")
	}
	return v, nil
}

// maxUnwraps bounds the nesting of JSON documents as text within JSON.
const maxUnwraps = 3

// unwrapped returns the JSON object or list that a text contains. It returns any other value unchanged.
func unwrapped(v any) any {
	for range maxUnwraps {
		text, isText := v.(string)
		text = strings.TrimSpace(text)
		if !isText || text == "" || text[0] != '{' && text[0] != '[' && text[0] != '"' {
			return v
		}
		inner, err := decode([]byte(text))
		if err != nil {
			return v
		}
		v = inner
	}
	return v
}

// object returns the fields of an object, which may be encoded as JSON text, or nil if v is not an object.
func object(v any) members {
	o, _ := unwrapped(v).(map[string]any)
	return o
}

// isEmpty reports whether a value says nothing: it is missing, false, zero, or has no content.
func isEmpty(v any) bool {
	switch v := unwrapped(v).(type) {
	case nil:
		return true
	case bool:
		return !v
	case json.Number:
		n, err := v.Float64()
		return err == nil && n == 0
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return !slices.ContainsFunc(v, func(element any) bool { return !isEmpty(element) })
	case map[string]any:
		return isEmpty(slices.Collect(maps.Values(v)))
	}
	return false
}

// list returns the elements of a list, which may be encoded as JSON text. A single value is a list of one.
func list(v any) []any {
	switch v := unwrapped(v).(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// get returns the value of the first named field that is present and not null. It prefers an exact match of
// a name, then ignores case, since SNS and EventBridge capitalize the same names differently.
func (m members) get(names ...string) any {
	for _, name := range names {
		if v := m[name]; v != nil {
			return v
		}
	}
	for _, name := range names {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if v := m[key]; v != nil && strings.EqualFold(key, name) {
				return v
			}
		}
	}
	return nil
}

// text returns the text of the first named field that is present.
func (m members) text(names ...string) string { return textOf(m.get(names...)) }

// textOf returns a text unchanged, and any other value as JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// pairs reads an object, or a list of names and values, in the spelling of any service. A value that is not
// a text becomes JSON.
func pairs(v any) map[string]string {
	v = unwrapped(v)
	if o, ok := v.(map[string]any); ok {
		out := make(map[string]string, len(o))
		for name, value := range o {
			out[name] = textOf(value)
		}
		return out
	}
	elements, _ := v.([]any)
	var out map[string]string
	for _, element := range elements {
		pair := object(element)
		if name := pair.text("key", "name"); name != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = pair.text("value")
		}
	}
	return out
}

// texts returns the elements of a list as texts, without empty ones.
func texts(v any) []string {
	var out []string
	for _, element := range list(v) {
		if text := strings.TrimSpace(textOf(element)); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// maxDepth is how deep a configuration is searched for a field.
const maxDepth = 5

// find returns the first field with one of the names in v or below it, nearest first. Names are in lower
// case. The case and the separators of a field's name are ignored.
func find(v any, names ...string) any {
	level := []any{v}
	for range maxDepth {
		var below []any
		for _, v := range level {
			v = unwrapped(v)
			if elements, ok := v.([]any); ok {
				below = append(below, elements...)
				continue
			}
			o, _ := v.(map[string]any)
			keys := slices.Sorted(maps.Keys(o))
			for _, name := range names {
				for _, key := range keys {
					if o[key] != nil && folded(key) == name {
						return o[key]
					}
				}
			}
			for _, key := range keys {
				below = append(below, o[key])
			}
		}
		level = below
	}
	return nil
}

// folded returns a field's name in lower case without separators.
func folded(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", "@", "").Replace(name))
}

// reader reads fields and records those whose values it could not use.
type reader struct {
	redact        func(text string) (clean string, secrets int) // [Parser.Redact]
	notUnderstood []string
	redactions    int // number of secrets in texts that notUnderstood quotes
}

// note records that a field was not understood. It redacts the texts that the format truncates.
func (r *reader) note(field, format string, args ...any) {
	for i, arg := range args {
		isListed := len(r.notUnderstood) < maxNotUnderstood
		if text, isText := arg.(string); isText && isListed && r.redact != nil {
			clean, secrets := r.redact(text)
			args[i], r.redactions = clean, r.redactions+secrets
		}
	}
	r.notUnderstood = append(r.notUnderstood, field+": "+fmt.Sprintf(format, args...))
}

// object is like the function [object], and records a value that is none.
func (r *reader) object(field string, v any) members {
	o := object(v)
	if text := textOf(v); o == nil && text != "" {
		r.note(field, "%.60q is not an object", text)
	}
	return o
}

// pairs is like the function [pairs], and records what has no name.
func (r *reader) pairs(field string, v any) map[string]string {
	if _, isObject := unwrapped(v).(map[string]any); !isObject {
		for _, element := range list(v) {
			if text := textOf(element); text != "" && object(element).text("key", "name") == "" {
				r.note(field, "%.60q has no name", text)
			}
		}
	}
	return pairs(v)
}

// number reads a number, which may be encoded as text.
func (r *reader) number(field string, v any) (float64, bool) {
	if v == nil {
		return 0, false
	}
	text := strings.TrimSpace(strings.ReplaceAll(textOf(v), ",", ""))
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != f || f > 1e300 || f < -1e300 { // JSON has no infinities
		r.note(field, "%.60q is not a number", textOf(v))
		return 0, false
	}
	return f, true
}

// whole reads a whole number that is not negative, such as seconds.
func (r *reader) whole(field string, v any) int {
	const most = 1 << 31
	f, ok := r.number(field, v)
	if f < 0 || f > most {
		r.note(field, "%g is out of range", f)
		return 0
	}
	if !ok {
		return 0
	}
	return int(f)
}

// float reads a number, or returns nil if there is none.
func (r *reader) float(field string, v any) *float64 {
	if f, ok := r.number(field, v); ok {
		return &f
	}
	return nil
}

// firstTime returns the first valid time, in UTC, or the zero time if there is none.
func (r *reader) firstTime(field string, values ...any) time.Time {
	for _, v := range values {
		text := textOf(v)
		if t, ok := parseTime(text); ok {
			return t
		}
		if text != "" {
			r.note(field, "%.60q is not a time", text)
		}
	}
	return time.Time{}
}
