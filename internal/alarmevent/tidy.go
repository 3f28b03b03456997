package alarmevent

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of an Alarm, which is part of the record and of the model's first message.
const (
	maxText          = 4 << 10  // bytes of one text; CloudWatch's have at most 1,024 characters
	maxQuery         = 10 << 10 // bytes of a query: CloudWatch's limit
	maxDocument      = 16 << 10 // bytes of a JSON document that is kept as it was sent
	maxLines         = 50       // log lines: CloudWatch's limit
	maxLine          = 2 << 10  // bytes of one log line
	maxLineBytes     = 16 << 10 // bytes of all log lines
	maxListed        = 100      // elements of a list
	maxNotUnderstood = 20       // fields that are listed as not understood
)

// unchanged are the fields that identify the alarm or its metrics, and those that only have known values. They are not redacted.
var unchanged = map[string]bool{
	"Alarm.Name": true, "Alarm.ARN": true, "Alarm.Account": true, "Alarm.Region": true, "Alarm.Partition": true, "Alarm.Children": true,
	"Alarm.Kind": true, "Alarm.Source": true, "Alarm.State": true, "Alarm.PreviousState": true,
	"Metric.Account": true, "Metric.Namespace": true, "Metric.Name": true,
}

// longer are the limits in bytes of fields that can be longer than maxText.
var longer = map[string]int{
	"Alarm.Rule": maxQuery, "Alarm.ReasonData": maxDocument, "Alarm.Configuration": maxDocument, "Alarm.Unrecognized": maxDocument,
	"Metric.Expression": maxQuery, "Query.Text": maxQuery, "Query.Aggregation": maxQuery,
}

// tidy redacts the texts of an alarm, then truncates them, so that a field that is added is redacted too. The alarm's name and
// ARN, and the names of metrics, stay unchanged, since they identify the alarm.
func (a *Alarm) tidy(redact func(string) (string, int)) {
	t := tidier{redact: redact}
	if more := len(a.Children) - maxListed; more > 0 {
		a.Children, a.MoreChildren = a.Children[:maxListed], a.MoreChildren+more
	}
	a.LogLines = t.lines(a.LogLines)
	t.omit("metrics", len(a.Metrics)-maxListed, len(a.Metrics))
	a.Metrics = a.Metrics[:min(len(a.Metrics), maxListed)]
	t.omit("fields that were not understood", len(a.NotUnderstood)-maxNotUnderstood, len(a.NotUnderstood))
	notes := a.NotUnderstood[:min(len(a.NotUnderstood), maxNotUnderstood)]
	a.NotUnderstood = nil
	t.fields(reflect.ValueOf(a).Elem())
	a.NotUnderstood = t.texts(append(notes, t.omitted...))
	a.Redactions += t.count
}

// fields redacts and truncates the texts of a struct.
func (t *tidier) fields(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Field(i)
		name := v.Type().Name() + "." + v.Type().Field(i).Name
		switch value := field.Addr().Interface().(type) {
		case *map[string]string:
			*value = t.pairs(v.Type().Field(i).Name, *value)
			continue
		case *[]string:
			if !unchanged[name] && name != "Alarm.LogLines" {
				*value = t.texts(*value)
			}
			continue
		}
		switch {
		case field.Kind() == reflect.String && unchanged[name]:
			field.SetString(shorten(field.String(), maxText))
		case field.Kind() == reflect.String:
			field.SetString(t.text(field.String(), max(maxText, longer[name])))
		case field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct && !field.IsNil():
			t.fields(field.Elem())
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			for at := range field.Len() {
				t.fields(field.Index(at))
			}
		}
	}
}

type tidier struct {
	redact func(string) (string, int)
	count  int

	omitted []string // what of the alarm is left out
}

// omit records that elements of a list are left out.
func (t *tidier) omit(what string, left, all int) {
	if left > 0 {
		t.omitted = append(t.omitted, fmt.Sprintf("%s: %d of %d are omitted", what, left, all))
	}
}

// clean redacts a text and counts the secrets in it.
func (t *tidier) clean(text string) string {
	if t.redact == nil || text == "" {
		return text
	}
	clean, count := t.redact(text)
	t.count += count
	return clean
}

// text redacts a text and then shortens it to most bytes.
func (t *tidier) text(text string, most int) string { return shorten(t.clean(text), most) }

func (t *tidier) texts(list []string) []string {
	list = list[:min(len(list), maxListed)]
	for i, text := range list {
		list[i] = t.text(text, maxText)
	}
	return list
}

// pairs redacts names together with their values, since a name can reveal that its value is a secret.
func (t *tidier) pairs(field string, values map[string]string) map[string]string {
	if len(values) == 0 {
		return values
	}
	document, err := json.Marshal(values)
	if err != nil {
		return map[string]string{}
	}
	var clean map[string]string
	if json.Unmarshal([]byte(t.clean(string(document))), &clean) != nil {
		t.omit(strings.ToLower(field), len(values), len(values))
		return map[string]string{}
	}
	t.omit(strings.ToLower(field), len(clean)-maxListed, len(clean))
	short := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(clean)) {
		if len(short) == maxListed {
			break
		}
		short[shorten(name, maxText)] = shorten(clean[name], maxText)
	}
	return short
}

// lines redacts all lines together, since a private key spans several lines, and then each line, since a
// line may be a JSON document. A message of several lines counts as several, and a private key as one.
func (t *tidier) lines(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	lines = strings.Split(t.clean(strings.Join(lines, "\n")), "\n")
	size := 0
	for i, line := range lines {
		lines[i] = shorten(strings.ReplaceAll(t.clean(line), "\n", " "), maxLine)
		if size += len(lines[i]); i >= maxLines || size > maxLineBytes {
			t.omit("log lines", len(lines)-i, len(lines))
			return lines[:i]
		}
	}
	return lines
}

// shorten keeps the beginning of a text and states how much is missing.
func shorten(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	end := truncate.Before(text, most)
	return fmt.Sprintf("%s … [truncated: %d more bytes]", text[:end], len(text)-end)
}
