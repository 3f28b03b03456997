package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of the alarm's definition in a report.
const (
	maxMeasured     = 5
	maxMeasuredText = 400 // characters
	maxChildName    = 300
)

// alarmFacts returns what the alarm evaluates, and its tags.
func alarmFacts(rec *investigation.Record) []fact {
	a := &rec.Alarm
	var list []fact
	for _, metric := range a.Metrics[:min(len(a.Metrics), maxMeasured)] {
		list = append(list, fact{"Measures", measured(metric)}, fact{"Measured in", elsewhere(metric, a)})
	}
	if left := len(a.Metrics) - maxMeasured; left > 0 {
		list = append(list, fact{"Measures", more(left)})
	}
	list = append(list, queryFacts(rec)...)
	list = append(list, fact{"Rule", a.Rule}, fact{"Triggered by", children(a)}, fact{"Tags", pairs(a.Tags)})
	for i := range list {
		list[i].Value = truncate.Runes(plain(list[i].Value), maxMeasuredText)
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
}

// stateThen returns the state of the alarm in its event. It can have changed since: see [stateNow].
func stateThen(a *alarmevent.Alarm) string {
	if a.Time.IsZero() {
		return string(a.State) + ", " + moment(a.Time)
	}
	return string(a.State) + " at " + moment(a.Time)
}

// queryFacts returns what a log or PromQL alarm evaluates: from its definition, or else from its event.
func queryFacts(rec *investigation.Record) []fact {
	q := rec.Evidence.Query
	if q == nil {
		q = rec.Alarm.Query
	}
	var list []fact
	if q != nil {
		list = []fact{
			{"Query", q.Text}, {"Log groups", strings.Join(q.LogGroups, ", ")},
			{"Aggregated by", q.Aggregation}, {"Runs", q.Schedule},
		}
	}
	switch a := rec.Alarm; {
	case a.Kind == alarmevent.KindUnknown:
		list = append(list, fact{"Configuration", a.Configuration})
	case a.Kind == alarmevent.KindLog && a.Threshold != nil:
		list = append(list, fact{"Threshold", strings.TrimSpace(fmt.Sprintf("%s %g", a.Comparison, *a.Threshold))})
	}
	return list
}

// Limits of the log lines in a report; the JSON has all of them.
const (
	maxShownLines = 10
	maxShownLine  = 300 // characters
)

// matchingLines returns log lines that match a log alarm's query: the collected ones, or else the event's.
func matchingLines(rec *investigation.Record) []string {
	lines := rec.Evidence.LogLines
	if len(lines) == 0 {
		lines = rec.Alarm.LogLines
	}
	var shown []string
	for _, line := range lines[:min(len(lines), maxShownLines)] {
		shown = append(shown, truncate.Runes(plain(line), maxShownLine))
	}
	if left := len(lines) - maxShownLines; left > 0 {
		shown = append(shown, more(left))
	}
	return shown
}

// measured describes a metric in a line, such as "AWS/Lambda Errors (FunctionName=orders), Sum per 1 min".
func measured(m alarmevent.Metric) string {
	if m.Expression != "" {
		return strings.TrimPrefix(m.ID+" = ", " = ") + m.Expression
	}
	text := strings.TrimSpace(m.Namespace + " " + m.Name)
	if dimensions := pairs(m.Dimensions); dimensions != "" {
		text += " (" + dimensions + ")"
	}
	how := m.Stat
	if m.Period > 0 {
		how = strings.TrimSpace(how + " per " + period(m.Period))
	}
	if how != "" && text != "" {
		text += ", " + how
	}
	return text
}

// elsewhere names the account of a metric that is not in the account of its alarm, or returns "".
func elsewhere(m alarmevent.Metric, a *alarmevent.Alarm) string {
	if m.Account == "" || m.Account == a.Account {
		return ""
	}
	return "account " + m.Account
}

// children names the alarms that triggered a composite alarm, as far as there is room, and counts the others.
func children(a *alarmevent.Alarm) string {
	var names []string
	room := maxMeasuredText - len(", and 1000 more, and perhaps 1000 other alarms")
	for i, arn := range a.Children {
		name := truncate.Runes(plain(investigation.Related{Name: alarmevent.NameInARN(arn), ARN: arn}.NameBeside(a)), maxChildName)
		if room -= utf8.RuneCountInString(name) + len(", "); room < 0 {
			names = append(names, more(len(a.Children)-i))
			break
		}
		names = append(names, name)
	}
	if others := "perhaps " + plural.Of(a.MoreChildren, "other alarm"); a.MoreChildren > 0 && len(names) > 0 {
		names = append(names, "and "+others)
	} else if a.MoreChildren > 0 {
		names = append(names, others)
	}
	return strings.Join(names, ", ")
}

// contributor names the time series that triggered an alarm with several of them. Anybody who writes a log line or a label may choose
// its attributes, and the page shows them before the result.
func contributor(a alarmevent.Alarm) string {
	if a.Contributor == nil {
		return ""
	}
	return truncate.Runes(plain(cmp.Or(pairs(a.Contributor.Attributes), a.Contributor.ID)), maxMeasuredText)
}

func pairs(values map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return strings.Join(list, ", ")
}
