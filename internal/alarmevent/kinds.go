package alarmevent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CloudWatch documents the configuration of log and PromQL alarms for its API, but not for its events.
// Their fields are therefore searched by their API names in the whole configuration, and the configuration
// is kept as it was sent.

// commonMembers are fields that the configuration of every kind of alarm has. They do not show what an
// alarm evaluates.
var commonMembers = []string{"description", "alarmname", "alarmarn", "alarmdescription", "alarmtype", "alarmtags", "tags", "timestamp",
	"actionsenabled", "okactions", "alarmactions", "insufficientdataactions", "treatmissingdata"}

// readConfiguration determines the kind of the alarm. If the events of that kind are not documented, it
// reads the fields that it recognizes and keeps the configuration as it was sent.
func (r *reader) readConfiguration(a *Alarm, configuration any) {
	a.Kind = kindOf(a, configuration)
	switch a.Kind {
	case KindLog:
		r.readLogQuery(a, configuration)
	case KindPromQL:
		r.readPromQL(a, configuration)
	case KindUnknown:
		r.note("configuration", "unknown kind of alarm; the configuration is kept as it was sent")
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

// kindOf returns the kind of an alarm. If nothing shows another kind, it is a metric alarm.
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

// isUnknown reports whether a configuration has fields, other than the common ones, that are not recognized.
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
		r.note("configuration", "the event does not contain the query of the log alarm")
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
		r.note("configuration", "the event does not contain the query of the PromQL alarm")
	}
}

// readRest extracts log lines from the unknown fields, and keeps the other unknown fields.
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

// logLines returns the log lines in a field whose name, or the name of a field below it, suggests log lines.
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

// isLogLines reports whether a field's name suggests log lines, rather than their number or a role that
// reads them.
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

// linesOf returns log lines from any format in which AWS lists them: texts, events with a message, or rows
// of fields and values as in Logs Insights.
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

// lineOf returns one log line in any of these formats, with its time in front if the time is known.
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
