package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Bounds of what is said of an alarm's own definition.
const (
	maxMeasured     = 5
	maxMeasuredText = 400 // characters
)

// alarmFacts is what the alarm watches and whose it is.
func alarmFacts(rec *investigation.Record) []fact {
	a := &rec.Alarm
	var list []fact
	for _, metric := range a.Metrics[:min(len(a.Metrics), maxMeasured)] {
		list = append(list, fact{"Measures", measured(metric)})
	}
	if more := len(a.Metrics) - maxMeasured; more > 0 {
		list = append(list, fact{"Measures", fmt.Sprintf("and %d more", more)})
	}
	list = append(list, queryFacts(rec)...)
	list = append(list, fact{"Rule", a.Rule}, fact{"Tags", pairs(a.Tags)})
	for i := range list {
		list[i].Value = clip(plain(list[i].Value), maxMeasuredText)
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
}

// queryFacts is what a log or PromQL alarm evaluates, as it is defined or else as its event says.
func queryFacts(rec *investigation.Record) []fact {
	q := rec.Evidence.Query
	if q == nil {
		q = rec.Alarm.Query
	}
	var list []fact
	if q != nil {
		list = []fact{{"Query", q.Text}, {"Log groups", strings.Join(q.LogGroups, ", ")}, {"Aggregated by", q.Aggregation}, {"Runs", q.Schedule}}
	}
	switch a := rec.Alarm; {
	case a.Kind == alarmevent.KindUnknown:
		list = append(list, fact{"Configuration", a.Configuration})
	case (a.Kind == alarmevent.KindLog) && a.Threshold != nil:
		list = append(list, fact{"Threshold", strings.TrimSpace(fmt.Sprintf("%s %g", a.Comparison, *a.Threshold))})
	}
	return list
}

// Bounds of the log lines that are shown; the JSON has all of them.
const (
	maxShownLines = 10
	maxShownLine  = 300 // characters
)

// matchingLines are the log lines that match a log alarm's query: those that were collected, or else the event's.
func matchingLines(rec *investigation.Record) []string {
	lines := rec.Evidence.LogLines
	if len(lines) == 0 {
		lines = rec.Alarm.LogLines
	}
	var shown []string
	for _, line := range lines[:min(len(lines), maxShownLines)] {
		shown = append(shown, clip(plain(line), maxShownLine))
	}
	if more := len(lines) - maxShownLines; more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return shown
}

// measured is a metric in a line, such as "AWS/Lambda Errors (FunctionName=orders), Sum per 1 min".
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

func pairs(values map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return strings.Join(list, ", ")
}
