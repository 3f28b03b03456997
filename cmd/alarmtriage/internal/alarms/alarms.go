// Package alarms finds an alarm in the user's account, and describes its transition to ALARM as CloudWatch would have
// reported it to the orchestrator: as the event of an alarm action, which package alarmevent reads.
package alarms

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/typo"
)

// CloudWatch is the part of CloudWatch that this package uses.
type CloudWatch interface {
	DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, opts ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
	DescribeAlarmHistory(ctx context.Context, in *cloudwatch.DescribeAlarmHistoryInput, opts ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmHistoryOutput, error)
}

// NoAlarmError reports that there is no alarm with a name.
type NoAlarmError struct {
	Name    string
	Similar string // the name of an alarm that was probably meant; empty: there is none
}

// Error names the alarm.
func (e *NoAlarmError) Error() string { return fmt.Sprintf("there is no alarm %q", e.Name) }

// NoTransitionError reports that the alarm did not go to ALARM at the time in question.
type NoTransitionError struct {
	Name   string
	State  string    // the alarm's state now
	Before time.Time // the time up to which the history was searched; zero: now
	Last   time.Time // the last transition to ALARM that the history has; zero: none
}

// Error describes the transition that was not found.
func (e *NoTransitionError) Error() string {
	if e.Before.IsZero() {
		return fmt.Sprintf("the alarm %q is in state %s, not ALARM", e.Name, e.State)
	}
	return fmt.Sprintf("the history of the alarm %q has no transition to ALARM before %s", e.Name, e.Before.UTC().Format(time.RFC3339))
}

// maxNames is how many names of alarms are read, to find a similar one or to complete one: as many as one answer has.
const maxNames = 100

// Find returns the alarm with a name, as the event of its transition to ALARM reports it: of the last one, or of the last
// one before a time. parser reads the event.
func Find(ctx context.Context, client CloudWatch, name string, before time.Time, parser alarmevent.Parser) (alarmevent.Alarm, error) {
	found, err := describe(ctx, client, name)
	if err != nil {
		return alarmevent.Alarm{}, err
	}
	if found == nil {
		return alarmevent.Alarm{}, &NoAlarmError{Name: name, Similar: similar(ctx, client, name)}
	}
	last, err := lastTransition(ctx, client, found, before)
	switch {
	case before.IsZero() && found.state != types.StateValueAlarm:
		missing := &NoTransitionError{Name: name, State: string(found.state)}
		if last != nil {
			missing.Last = last.at
		}
		return alarmevent.Alarm{}, missing
	case before.IsZero():
		found.transition = present(found, last)
	case err != nil:
		return alarmevent.Alarm{}, err
	case last == nil:
		return alarmevent.Alarm{}, &NoTransitionError{Name: name, State: string(found.state), Before: before}
	default:
		found.transition = *last
	}
	event, err := json.Marshal(found.event())
	if err != nil {
		return alarmevent.Alarm{}, fmt.Errorf("encode the alarm's event: %w", err)
	}
	alarms, err := parser.Parse(event)
	if err != nil {
		return alarmevent.Alarm{}, fmt.Errorf("read the alarm: %w", err)
	}
	return alarms[0], nil
}

// present returns the transition that the alarm's description reports. The history adds what the description lacks, if it
// knows the transition.
func present(found *described, last *transition) transition {
	now := found.transition
	if last != nil && last.at.Sub(now.at).Abs() < time.Minute {
		now.previous, now.contributor, now.attributes = last.previous, last.contributor, last.attributes
	}
	return now
}

// described is an alarm as CloudWatch describes it.
type described struct {
	arn, name     string
	kind          types.AlarmType
	state         types.StateValue
	configuration map[string]any
	transition    transition
}

// transition is one change of the alarm's state to ALARM.
type transition struct {
	at                 time.Time
	reason, reasonData string
	previous           *previous // nil: not known
	contributor        string
	attributes         map[string]string
}

type previous struct{ state, reason, reasonData string }

// describe returns the alarm with a name, or nil. CloudWatch only returns log alarms to a request for log alarms alone.
func describe(ctx context.Context, client CloudWatch, name string) (*described, error) {
	out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return nil, fmt.Errorf("describe the alarm: %w", err)
	}
	for i := range out.MetricAlarms {
		return ofMetric(&out.MetricAlarms[i]), nil
	}
	for i := range out.CompositeAlarms {
		return ofComposite(&out.CompositeAlarms[i]), nil
	}
	out, err = client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeLogAlarm}})
	switch {
	case err != nil && awsapi.Classify(err) == awsapi.ClassInvalid: // the Region does not know log alarms
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("describe the log alarm: %w", err)
	}
	for i := range out.LogAlarms {
		return ofLog(&out.LogAlarms[i]), nil
	}
	return nil, nil
}

func ofMetric(a *types.MetricAlarm) *described {
	d := &described{
		arn: aws.ToString(a.AlarmArn), name: aws.ToString(a.AlarmName), kind: types.AlarmTypeMetricAlarm, state: a.StateValue,
		transition:    transition{at: first(a.StateTransitionedTimestamp, a.StateUpdatedTimestamp), reason: aws.ToString(a.StateReason), reasonData: aws.ToString(a.StateReasonData)},
		configuration: map[string]any{"description": aws.ToString(a.AlarmDescription)},
	}
	if criteria, ok := a.EvaluationCriteria.(*types.EvaluationCriteriaMemberPromQLCriteria); ok {
		d.configuration["evaluationCriteria"] = map[string]any{"promQLCriteria": without(map[string]any{
			"query": aws.ToString(criteria.Value.Query), "pendingPeriod": number(criteria.Value.PendingPeriod),
			"recoveryPeriod": number(criteria.Value.RecoveryPeriod),
		})}
		d.configuration["evaluationInterval"] = number(a.EvaluationInterval)
		without(d.configuration)
		return d
	}
	if a.MetricName != nil {
		stat := string(a.Statistic)
		if stat == "" {
			stat = aws.ToString(a.ExtendedStatistic)
		}
		d.configuration["metrics"] = []any{map[string]any{"id": "m1", "returnData": true, "metricStat": metricStat(
			&types.Metric{Namespace: a.Namespace, MetricName: a.MetricName, Dimensions: a.Dimensions}, a.Period, stat, string(a.Unit))}}
		return d
	}
	metrics := []any{}
	for _, query := range a.Metrics {
		metrics = append(metrics, metricQuery(query))
	}
	d.configuration["metrics"] = metrics
	return d
}

func metricQuery(query types.MetricDataQuery) map[string]any {
	entry := without(map[string]any{
		"id": aws.ToString(query.Id), "expression": aws.ToString(query.Expression), "label": aws.ToString(query.Label),
		"accountId": aws.ToString(query.AccountId), "period": number(query.Period),
	})
	entry["returnData"] = query.ReturnData == nil || *query.ReturnData
	if query.MetricStat != nil {
		entry["metricStat"] = metricStat(query.MetricStat.Metric, query.MetricStat.Period, aws.ToString(query.MetricStat.Stat), string(query.MetricStat.Unit))
	}
	return entry
}

func metricStat(metric *types.Metric, period *int32, stat, unit string) map[string]any {
	of := map[string]any{}
	if metric != nil {
		dimensions := map[string]string{}
		for _, dimension := range metric.Dimensions {
			dimensions[aws.ToString(dimension.Name)] = aws.ToString(dimension.Value)
		}
		of = map[string]any{"namespace": aws.ToString(metric.Namespace), "name": aws.ToString(metric.MetricName), "dimensions": dimensions}
	}
	return without(map[string]any{"metric": of, "period": number(period), "stat": stat, "unit": unit})
}

func ofComposite(a *types.CompositeAlarm) *described {
	return &described{
		arn: aws.ToString(a.AlarmArn), name: aws.ToString(a.AlarmName), kind: types.AlarmTypeCompositeAlarm, state: a.StateValue,
		transition:    transition{at: first(a.StateTransitionedTimestamp, a.StateUpdatedTimestamp), reason: aws.ToString(a.StateReason), reasonData: aws.ToString(a.StateReasonData)},
		configuration: map[string]any{"description": aws.ToString(a.AlarmDescription), "alarmRule": aws.ToString(a.AlarmRule)},
	}
}

func ofLog(a *types.LogAlarm) *described {
	d := &described{
		arn: aws.ToString(a.AlarmArn), name: aws.ToString(a.AlarmName), kind: types.AlarmTypeLogAlarm, state: a.StateValue,
		transition: transition{at: first(a.StateTransitionedTimestamp, a.StateUpdatedTimestamp), reason: aws.ToString(a.StateReason), reasonData: aws.ToString(a.StateReasonData)},
		configuration: without(map[string]any{
			"description": aws.ToString(a.AlarmDescription), "comparisonOperator": string(a.ComparisonOperator),
			"queryResultsToEvaluate": number(a.QueryResultsToEvaluate), "queryResultsToAlarm": number(a.QueryResultsToAlarm),
		}),
	}
	if a.Threshold != nil {
		d.configuration["threshold"] = *a.Threshold
	}
	if query := a.ScheduledQueryConfiguration; query != nil {
		scheduled := map[string]any{
			"queryString": aws.ToString(query.QueryString), "logGroupIdentifiers": query.LogGroupIdentifiers,
			"aggregationExpression": aws.ToString(query.AggregationExpression),
		}
		if schedule := query.ScheduleConfiguration; schedule != nil {
			scheduled["scheduleConfiguration"] = without(map[string]any{
				"scheduleExpression": aws.ToString(schedule.ScheduleExpression),
				"startTimeOffset":    number(schedule.StartTimeOffset), "endTimeOffset": number(schedule.EndTimeOffset),
			})
		}
		d.configuration["scheduledQueryConfiguration"] = scheduled
	}
	return d
}

// event returns the event of an alarm action for the transition.
func (d *described) event() map[string]any {
	region, account := "", ""
	if parts := splitARN(d.arn); parts != nil {
		region, account = parts[3], parts[4]
	}
	at := stamp(d.transition.at)
	data := map[string]any{
		"alarmName":     d.name,
		"configuration": d.configuration,
		"state": without(map[string]any{
			"value": string(types.StateValueAlarm), "reason": d.transition.reason, "reasonData": d.transition.reasonData, "timestamp": at,
		}),
	}
	if before := d.transition.previous; before != nil {
		data["previousState"] = without(map[string]any{"value": before.state, "reason": before.reason, "reasonData": before.reasonData})
	}
	if d.transition.contributor != "" {
		data["alarmContributor"] = map[string]any{"id": d.transition.contributor, "attributes": d.transition.attributes}
	}
	return map[string]any{
		"source": "aws.cloudwatch", "alarmArn": d.arn, "accountId": account, "time": at, "region": region, "alarmData": data,
	}
}

// similar returns the name of an alarm that differs little from a name, or "".
func similar(ctx context.Context, client CloudWatch, name string) string {
	return typo.Nearest(name, names(ctx, client, &cloudwatch.DescribeAlarmsInput{}))
}

// InAlarm returns the names of alarms that are in ALARM and begin with a prefix, or none if CloudWatch does not answer.
func InAlarm(ctx context.Context, client CloudWatch, prefix string) []string {
	in := &cloudwatch.DescribeAlarmsInput{StateValue: types.StateValueAlarm}
	if prefix != "" {
		in.AlarmNamePrefix = &prefix
	}
	return names(ctx, client, in)
}

// names returns the names of the first alarms that a request selects, or none if CloudWatch does not answer. CloudWatch only
// returns log alarms to a request for log alarms alone.
func names(ctx context.Context, client CloudWatch, in *cloudwatch.DescribeAlarmsInput) (found []string) {
	in.AlarmTypes, in.MaxRecords = []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}, aws.Int32(maxNames)
	out, err := client.DescribeAlarms(ctx, in)
	if err != nil {
		return nil
	}
	onlyLogs := *in
	onlyLogs.AlarmTypes = []types.AlarmType{types.AlarmTypeLogAlarm}
	if logs, err := client.DescribeAlarms(ctx, &onlyLogs); err == nil { // a Region may not know log alarms
		out.LogAlarms = logs.LogAlarms
	}
	add := func(name *string, state types.StateValue) {
		if in.StateValue == "" || state == in.StateValue { // simulators of CloudWatch do not combine all filters
			found = append(found, aws.ToString(name))
		}
	}
	for _, a := range out.MetricAlarms {
		add(a.AlarmName, a.StateValue)
	}
	for _, a := range out.CompositeAlarms {
		add(a.AlarmName, a.StateValue)
	}
	for _, a := range out.LogAlarms {
		add(a.AlarmName, a.StateValue)
	}
	return found
}

// without removes members that say nothing.
func without(members map[string]any) map[string]any {
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil || value == "" })
	return members
}

// number returns a number, or nil if there is none.
func number[T int32 | int64](n *T) any {
	if n == nil {
		return nil
	}
	return *n
}

func first(times ...*time.Time) time.Time {
	for _, t := range times {
		if t != nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// stamp returns a time as CloudWatch's events have it.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000-0700") }
