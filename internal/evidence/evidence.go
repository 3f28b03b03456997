// Package evidence collects the data that an engineer would look at first: the alarm's definition and
// history, its metric around the transition, other alarms in ALARM, recent changes, and first looks at the
// alarm's resources. It makes one fixed tool call before any model is asked. If no model answers, the report
// consists of this evidence.
//
// The collecting code is the Python package alarmtriage_evidence in the tool function's layer. [Command] starts it.
package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// CallName is the name of the fixed tool call in the record.
const CallName = toolcall.Name

// Tool runs Python.
type Tool interface {
	Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error)
}

// Triage describes the triage itself, so that it can tell its own account and calls from those of others.
type Triage struct {
	Account string   // account in which the tool reads; empty if it is not known
	Names   []string // names under which CloudTrail lists the calls of the triage's functions
}

// seconds is the time limit of the collection. Evidence that takes longer delays the model more than it helps.
const seconds = 20

// Collect returns the evidence. AWS may charge queryLimitUSD for its queries. It never fails: Problem
// describes the parts that could not be collected.
func Collect(
	ctx context.Context, tool Tool, queryLimitUSD float64, alarm *alarmevent.Alarm, own Triage, now func() time.Time,
	log *slog.Logger,
) investigation.Evidence {
	call := &investigation.ToolCall{
		Number: 0, Name: CallName, Command: Command(alarm, own), StartedAt: now().UTC(), QueryLimitUSD: queryLimitUSD,
	}
	answer, err := tool.Run(ctx, toolcall.Request{
		Command: call.Command, Account: alarm.Account, Region: alarm.Region, QueryLimitUSD: &queryLimitUSD,
	})
	call.DurationMS = now().Sub(call.StartedAt).Milliseconds()
	if err != nil {
		log.Warn("evidence not collected", "error", err)
		call.Problem, call.Lost = err.Error(), toolcall.IsLost(err)
		return fromEvent(alarm, investigation.Evidence{Call: call, Problem: err.Error()})
	}
	call.Answer = &answer
	return fromEvent(alarm, read(call))
}

// Command returns the Python code that collects the evidence of alarm.
func Command(alarm *alarmevent.Alarm, own Triage) string {
	input := map[string]any{
		"name": alarm.Name, "arn": alarm.ARN, "account": alarm.Account, "region": alarm.Region, "partition": alarm.Partition,
		"own_account": own.Account, "own_names": append([]string{}, own.Names...), "seconds": seconds, "time": 0,
		"children": append([]string{}, alarm.Children...), "fallback": fallback(alarm),
		"kind": alarm.Kind, "query": alarm.Query, "reason_data": alarm.ReasonData,
		"has_lines": len(alarm.LogLines) > 0, "contributor": nil, "unconfirmed": alarm.Unconfirmed != "",
	}
	if alarm.Unconfirmed != "" { // AWS bills what a query scans, and anybody may have written this one
		input["query"] = nil
	}
	if alarm.Contributor != nil {
		input["contributor"] = alarm.Contributor.Attributes
	}
	if !alarm.Time.IsZero() {
		input["time"] = alarm.Time.Unix()
	}
	raw, err := json.Marshal(input)
	if err != nil {
		raw = []byte("{}") // unreachable: encoding strings and numbers never fails
	}
	return "from alarmtriage_evidence import collect\n\nresult = collect(json.loads(" + pythonString(string(raw)) + "))\n"
}

// pythonString returns text as a Python string literal, which has the syntax of JSON. It escapes backticks,
// since three of them would look like the end of a Markdown code block.
func pythonString(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return `"{}"`
	}
	return strings.ReplaceAll(string(quoted), "`", `\u0060`)
}

// fallback returns the definition of the alarm, as far as the event contains it, in the format of
// DescribeAlarms. It is used if DescribeAlarms does not return the alarm, which may be deleted or belong to
// another account. Expressions of an event that CloudWatch did not confirm are left out if they find data on their own, as
// queries do: SELECT …, SEARCH('…'), LAMBDA('…').
func fallback(alarm *alarmevent.Alarm) map[string]any {
	queries := make([]any, 0, len(alarm.Metrics))
	band := ""
	for _, m := range alarm.Metrics {
		if alarm.Unconfirmed != "" && findsDataItself(m.Expression) {
			continue
		}
		query := map[string]any{"Id": m.ID, "ReturnData": m.ReturnData}
		if m.Label != "" {
			query["Label"] = m.Label
		}
		if m.Account != "" {
			query["AccountId"] = m.Account
		}
		if m.Expression != "" {
			query["Expression"] = m.Expression
			if m.Period > 0 {
				query["Period"] = m.Period
			}
			if strings.HasPrefix(strings.TrimSpace(m.Expression), "ANOMALY_DETECTION_BAND") {
				band = m.ID
			}
		} else {
			query["MetricStat"] = metricStat(m)
		}
		queries = append(queries, query)
	}
	out := map[string]any{"AlarmName": alarm.Name, "Metrics": queries}
	if band != "" {
		out["ThresholdMetricId"] = band
	}
	if alarm.Threshold != nil {
		out["Threshold"] = *alarm.Threshold
	}
	if alarm.Comparison != "" {
		out["ComparisonOperator"] = alarm.Comparison
	}
	if alarm.Rule != "" {
		out["AlarmRule"] = alarm.Rule
	}
	return out
}

// findsDataItself reports whether an expression of metric math contains more than ids of other metrics, numbers, and functions.
func findsDataItself(expression string) bool {
	return strings.ContainsAny(expression, `'"`) || strings.Contains(strings.ToUpper(expression), "SELECT")
}

func metricStat(m alarmevent.Metric) map[string]any {
	dimensions := make([]map[string]string, 0, len(m.Dimensions))
	for name, value := range m.Dimensions {
		dimensions = append(dimensions, map[string]string{"Name": name, "Value": value})
	}
	stat := map[string]any{
		"Metric": map[string]any{"Namespace": m.Namespace, "MetricName": m.Name, "Dimensions": dimensions},
		"Period": max(m.Period, 1),
		"Stat":   m.Stat,
	}
	if m.Unit != "" {
		stat["Unit"] = m.Unit
	}
	return stat
}

// fromEvent adds the threshold of the event, if none was collected.
func fromEvent(alarm *alarmevent.Alarm, e investigation.Evidence) investigation.Evidence {
	if alarm.Threshold != nil && len(e.Series) > 0 && e.Series[0].Threshold == nil && len(e.Series[0].Upper) == 0 &&
		alarm.Kind == alarmevent.KindMetric && isEvaluated(alarm, e.Series[0].ID) {
		e.Series[0].Threshold = alarm.Threshold
	}
	return e
}

// isEvaluated reports whether a series is what the alarm compares with its threshold. If its expression could not be read, the
// series are only those of the metrics in it.
func isEvaluated(alarm *alarmevent.Alarm, id string) bool {
	return len(alarm.Metrics) < 2 || slices.ContainsFunc(alarm.Metrics, func(m alarmevent.Metric) bool { return m.ID == id && m.ReturnData })
}

// joinProblems returns one text about the missing parts.
func joinProblems(problems []string) string {
	if len(problems) == 0 {
		return ""
	}
	return fmt.Sprintf("incomplete: %s", strings.Join(problems, "; "))
}
