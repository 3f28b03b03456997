package alarmevent

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are the forms in which AWS writes times in alarm events, most common first.
var timeLayouts = []string{
	"2006-01-02T15:04:05.999999999-0700", // of alarm actions and SNS: not RFC 3339
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04-0700",
	"2006-01-02T15:04Z07:00",
}

// firstTime returns the first text that is a time, in UTC; zero when none is.
func firstTime(texts ...string) time.Time {
	for _, text := range texts {
		if t, ok := parseTime(text); ok {
			return t
		}
	}
	return time.Time{}
}

// parseTime also accepts the stray blanks of published samples ("12: 36: 15.490") and seconds or
// milliseconds since 1970.
func parseTime(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if len(text) > len("2006-01-02") && text[10] == ' ' && strings.Count(text[:10], "-") == 2 {
		text = text[:10] + "T" + text[11:]
	}
	text = strings.ReplaceAll(text, " ", "")
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n <= 0:
		return time.Time{}, false
	case n > 1e11: // milliseconds: as seconds this would be after the year 5000
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}

// textOf returns a JSON document that an event holds either as a string or in place.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if bytes.Equal(raw, []byte("null")) {
		return ""
	}
	return string(raw)
}

// pair is a name and a value as AWS lists them, whichever case and word the service chose.
type pair struct {
	Key   string `json:"key"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// pairs reads an object or a list of pairs; anything else is nothing.
func pairs(raw []byte) map[string]string {
	var object map[string]any
	if json.Unmarshal(raw, &object) == nil {
		out := make(map[string]string, len(object))
		for name, value := range object {
			if text, ok := value.(string); ok {
				out[name] = text
			}
		}
		return out
	}
	var list []pair
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, p := range list {
		out[p.Key+p.Name] = p.Value
	}
	return out
}

type tags map[string]string

// UnmarshalJSON accepts an object and a list of pairs.
func (t *tags) UnmarshalJSON(raw []byte) error {
	*t = pairs(raw)
	return nil
}

type dimensions map[string]string

// UnmarshalJSON accepts an object and a list of pairs.
func (d *dimensions) UnmarshalJSON(raw []byte) error {
	*d = pairs(raw)
	return nil
}

func firstTags(sets ...tags) map[string]string {
	for _, set := range sets {
		if len(set) > 0 {
			return set
		}
	}
	return nil
}

type number int

// UnmarshalJSON accepts 60, 60.0 and "60".
func (n *number) UnmarshalJSON(raw []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err == nil {
		*n = number(f)
	}
	return nil
}
