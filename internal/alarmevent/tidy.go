package alarmevent

import (
	"encoding/json"
	"fmt"
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

// tidy redacts the texts of an alarm, then truncates them. The alarm's name and ARN, and the names of
// metrics, stay unchanged, since they identify the alarm.
func (a *Alarm) tidy(redact func(string) (string, int)) {
	t := tidier{redact: redact}
	a.Description, a.Reason, a.SuppressedWhy = t.text(a.Description, maxText), t.text(a.Reason, maxText), t.text(a.SuppressedWhy, maxText)
	a.Rule = t.text(a.Rule, maxQuery)
	a.ReasonData = t.text(a.ReasonData, maxDocument)
	a.Configuration, a.Unrecognized = t.text(a.Configuration, maxDocument), t.text(a.Unrecognized, maxDocument)
	if more := len(a.Children) - maxListed; more > 0 {
		a.Children, a.MoreChildren = a.Children[:maxListed], a.MoreChildren+more
	}
	a.Tags = t.pairs(a.Tags)
	if a.Contributor != nil {
		a.Contributor.Attributes = t.pairs(a.Contributor.Attributes)
	}
	a.Metrics = a.Metrics[:min(len(a.Metrics), maxListed)]
	for i := range a.Metrics {
		m := &a.Metrics[i]
		m.Expression, m.Label, m.Dimensions = t.text(m.Expression, maxQuery), t.text(m.Label, maxText), t.pairs(m.Dimensions)
	}
	if q := a.Query; q != nil {
		q.Text, q.Aggregation = t.text(q.Text, maxQuery), t.text(q.Aggregation, maxQuery)
		q.Schedule = t.text(q.Schedule, maxText)
		q.LogGroups = t.texts(q.LogGroups)
	}
	lines := len(a.LogLines)
	a.LogLines = t.lines(a.LogLines)
	if left := lines - len(a.LogLines); left > 0 {
		a.NotUnderstood = append(a.NotUnderstood, fmt.Sprintf("log lines: %d of %d are omitted", left, lines))
	}
	a.NotUnderstood = t.texts(a.NotUnderstood[:min(len(a.NotUnderstood), maxNotUnderstood)])
	a.Redactions = t.count
}

type tidier struct {
	redact func(string) (string, int)
	count  int
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
func (t *tidier) pairs(values map[string]string) map[string]string {
	if len(values) == 0 {
		return values
	}
	document, err := json.Marshal(values)
	if err != nil {
		return nil
	}
	var clean map[string]string
	if json.Unmarshal([]byte(t.clean(string(document))), &clean) != nil {
		return nil // all pairs are withheld
	}
	for name, value := range clean {
		clean[name] = shorten(value, maxText)
	}
	return clean
}

// lines redacts all lines together, since a private key spans several lines, and then each line, since a
// line may be a JSON document.
func (t *tidier) lines(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	lines = strings.Split(t.clean(strings.Join(lines, "\n")), "\n")
	size := 0
	for i, line := range lines {
		lines[i] = shorten(strings.ReplaceAll(t.clean(line), "\n", " "), maxLine)
		if size += len(lines[i]); i >= maxLines || size > maxLineBytes {
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
