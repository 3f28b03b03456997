package alarmevent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CloudWatch documents the configuration of log and PromQL alarms for its API, not for its events. The fields are
// therefore found by their names in the API wherever they are, and the whole configuration is kept as it was sent.

// commonMembers are fields of a configuration that every kind of alarm has. They do not tell what an alarm evaluates.
var commonMembers = []string{"description", "alarmname", "alarmarn", "alarmdescription", "alarmtype", "alarmtags", "tags", "timestamp",
	"actionsenabled", "okactions", "alarmactions", "insufficientdataactions", "treatmissingdata"}

// readConfiguration finds out what kind of alarm it is. Of a kind whose events are not documented it reads what it
// recognizes and keeps the configuration as it was sent.
func (r *reader) readConfiguration(a *Alarm, configuration any) {
	a.Kind = kindOf(a, configuration)
	switch a.Kind {
	case KindLog:
		r.readLogQuery(a, configuration)
	case KindPromQL:
		r.readPromQL(a, configuration)
	case KindUnknown:
		r.note("configuration", "its kind of alarm is not known; it is kept as it was sent")
	default:
		return
	}
	if configuration != nil {
		a.Configuration = encoded(configuration)
	}
	if a.Threshold == nil {
		a.Threshold = r.float("threshold", find(configuration, "threshold"))
	}
	a.Comparison = cmp.Or(a.Comparison, textOf(find(configuration, "comparisonoperator")))
}

func kindOf(a *Alarm, configuration any) Kind {
	switch {
	case a.Kind != "":
		return a.Kind
	case a.Rule != "" || len(a.Children) > 0:
		return KindComposite
	case isPromQL(configuration):
		return KindPromQL
	case isLogAlarm(a, configuration):
		return KindLog
	}
	for _, m := range a.Metrics {
		if strings.HasPrefix(strings.TrimSpace(m.Expression), "ANOMALY_DETECTION_BAND") {
			return KindAnomaly
		}
	}
	if len(a.Metrics) == 0 && isUnknown(configuration) {
		return KindUnknown
	}
	return KindMetric
}

func isPromQL(configuration any) bool {
	return find(configuration, "promqlcriteria", "promqlquery", "promql") != nil
}

func isLogAlarm(a *Alarm, configuration any) bool {
	if find(configuration, "scheduledqueryconfiguration", "aggregationexpression", "loggroupidentifiers") != nil {
		return true
	}
	if strings.EqualFold(textOf(find(configuration, "alarmtype")), "LogAlarm") {
		return true
	}
	return len(a.Metrics) == 0 && object(a.ReasonData).get("queryResultsToEvaluate") != nil
}

// isUnknown reports whether a configuration says what the alarm evaluates, in a way that is not recognized.
func isUnknown(configuration any) bool {
	o := object(configuration)
	if o == nil {
		return strings.TrimSpace(textOf(configuration)) != ""
	}
	for key, v := range o {
		if v != nil && !slices.Contains(commonMembers, folded(key)) && len(list(v)) > 0 {
			return true
		}
	}
	return false
}

func (r *reader) readLogQuery(a *Alarm, configuration any) {
	a.Query = &Query{
		Text:        textOf(find(configuration, "querystring", "query")),
		LogGroups:   texts(find(configuration, "loggroupidentifiers", "loggroups", "loggroupnames", "loggroupname")),
		Aggregation: textOf(find(configuration, "aggregationexpression")),
		Schedule:    textOf(find(configuration, "scheduleexpression")),
		StartOffset: r.whole("StartTimeOffset", find(configuration, "starttimeoffset")),
		EndOffset:   r.whole("EndTimeOffset", find(configuration, "endtimeoffset")),
	}
	if a.Query.Text == "" {
		r.note("configuration", "the event does not hold the log alarm's query")
	}
}

func (r *reader) readPromQL(a *Alarm, configuration any) {
	criteria := find(configuration, "promqlcriteria", "promqlquery", "promql")
	text, isText := criteria.(string)
	if !isText || object(criteria) != nil {
		text = textOf(find(criteria, "query", "querystring", "expression"))
	}
	a.Query = &Query{
		Text:     text,
		Interval: r.whole("EvaluationInterval", find(configuration, "evaluationinterval")),
		Pending:  r.whole("PendingPeriod", find(configuration, "pendingperiod")),
	}
	if text == "" {
		r.note("configuration", "the event does not hold the PromQL alarm's query")
	}
}

// readRest takes the log lines out of the members that were not recognized, and keeps the others.
func (r *reader) readRest(a *Alarm, rest members) {
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		if lines := logLines(key, rest[key], maxDepth); len(lines) > 0 {
			a.LogLines = append(a.LogLines, lines...)
			delete(rest, key)
		}
	}
	if a.Kind == KindLog && len(a.LogLines) == 0 {
		if a.LogLines = logLines("", object(a.Configuration), maxDepth); len(a.LogLines) == 0 {
			a.LogLines = logLines("", object(a.ReasonData), maxDepth)
		}
	}
	if len(rest) > 0 {
		a.Unrecognized = encoded(map[string]any(rest))
	}
}

// logLines returns the lines of a member that is named like log lines, or of such a member below it.
func logLines(name string, v any, depth int) []string {
	if isLogLines(folded(name)) {
		return linesOf(v)
	}
	if depth == 0 {
		return nil
	}
	switch v := unwrapped(v).(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if lines := logLines(key, v[key], depth-1); len(lines) > 0 {
				return lines
			}
		}
	case members:
		return logLines(name, map[string]any(v), depth)
	}
	return nil
}

// isLogLines reports whether a field has a name for log lines, and not one for their number or for a role that reads them.
func isLogLines(name string) bool {
	for _, end := range []string{"count", "arn", "role", "group", "groups", "id", "ids", "identifiers", "limit"} {
		if strings.HasSuffix(name, end) {
			return false
		}
	}
	for _, part := range []string{"logline", "logrecord", "logevent", "logmessage", "matchinglog", "logresult", "samplelog"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return name == "logs"
}

// linesOf returns log lines in any of the forms in which AWS lists them: texts, events with a message, and rows of
// fields and values as Logs Insights has them.
func linesOf(v any) []string {
	var out []string
	v = unwrapped(v)
	if o, ok := v.(map[string]any); ok && members(o).get("@message", "message") == nil {
		for _, key := range slices.Sorted(maps.Keys(o)) {
			out = append(out, linesOf(o[key])...)
		}
		return out
	}
	for _, element := range list(v) {
		if text, isText := element.(string); isText && object(element) == nil {
			out = append(out, strings.Split(strings.TrimRight(text, "\n"), "\n")...)
			continue
		}
		out = append(out, lineOf(element))
	}
	return out
}

func lineOf(v any) string {
	fields := map[string]string{}
	if row, isRow := unwrapped(v).([]any); isRow {
		for _, cell := range row {
			if c := object(cell); c.text("field") != "" {
				fields[c.text("field")] = c.text("value")
			}
		}
	} else if o := object(v); o != nil {
		for key, value := range o {
			fields[strings.ToLower(key)] = textOf(value)
		}
	}
	message := cmp.Or(fields["@message"], fields["message"])
	if message == "" {
		return textOf(v)
	}
	for _, stamp := range []string{fields["@timestamp"], fields["timestamp"]} {
		if t, ok := parseTime(stamp); ok {
			return fmt.Sprintf("%s %s", t.Format("2006-01-02T15:04:05.000Z"), strings.TrimRight(message, "\n"))
		}
	}
	return strings.TrimRight(message, "\n")
}
