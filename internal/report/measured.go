package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

// Bounds of what is said of an alarm's own definition.
const (
	maxMeasured     = 5
	maxMeasuredText = 400 // characters
)

// alarmFacts is what the alarm watches and whose it is.
func alarmFacts(a *alarmevent.Alarm) []fact {
	var list []fact
	for _, metric := range a.Metrics[:min(len(a.Metrics), maxMeasured)] {
		list = append(list, fact{"Measures", measured(metric)})
	}
	if more := len(a.Metrics) - maxMeasured; more > 0 {
		list = append(list, fact{"Measures", fmt.Sprintf("and %d more", more)})
	}
	list = append(list, fact{"Rule", a.Rule}, fact{"Tags", pairs(a.Tags)})
	for i := range list {
		list[i].Value = clip(plain(list[i].Value), maxMeasuredText)
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
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
