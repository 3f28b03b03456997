package alarms_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/alarms"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

// fake is CloudWatch with one alarm and its history.
type fake struct {
	metric    *types.MetricAlarm
	composite *types.CompositeAlarm
	log       *types.LogAlarm
	history   []types.AlarmHistoryItem
	denied    bool            // the history
	unknown   types.AlarmType // that the Region refuses; empty: none
}

// errUnknownType is the answer of a Region to a request for a type of alarm that it does not know.
var errUnknownType = &smithy.GenericAPIError{Code: "ValidationError", Message: "Value 'LogAlarm' at 'alarmTypes' failed to satisfy constraint"}

// DescribeAlarms returns the alarm, if the request asks for its type. Log alarms are only returned to a request for them
// alone.
func (f *fake) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, kind := range in.AlarmTypes {
		switch {
		case kind == f.unknown:
			return nil, errUnknownType
		case kind == types.AlarmTypeMetricAlarm && f.metric != nil:
			out.MetricAlarms = []types.MetricAlarm{*f.metric}
		case kind == types.AlarmTypeCompositeAlarm && f.composite != nil:
			out.CompositeAlarms = []types.CompositeAlarm{*f.composite}
		case kind == types.AlarmTypeLogAlarm && f.log != nil && len(in.AlarmTypes) == 1:
			out.LogAlarms = []types.LogAlarm{*f.log}
		}
	}
	return out, nil
}

// DescribeAlarmHistory returns the history in two pages.
func (f *fake) DescribeAlarmHistory(_ context.Context, in *cloudwatch.DescribeAlarmHistoryInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmHistoryOutput, error) {
	switch {
	case f.denied:
		return nil, errors.New("AccessDenied")
	case slices.Contains(in.AlarmTypes, f.unknown):
		return nil, errUnknownType
	}
	half := len(f.history) / 2
	if in.NextToken == nil && half > 0 {
		return &cloudwatch.DescribeAlarmHistoryOutput{AlarmHistoryItems: f.history[:half], NextToken: aws.String("more")}, nil
	}
	return &cloudwatch.DescribeAlarmHistoryOutput{AlarmHistoryItems: f.history[half:]}, nil
}

// sample is an event of an alarm action, as AWS documents it or sends it.
type sample struct {
	raw  []byte
	data struct {
		AlarmARN  string `json:"alarmArn"`
		AlarmData struct {
			AlarmName        string
			AlarmContributor struct {
				ID         string
				Attributes map[string]string
			}
			State, PreviousState struct{ Value, Reason, ReasonData, Timestamp string }
		}
	}
}

func read(t *testing.T, name string) sample {
	t.Helper()
	var s sample
	var err error
	s.raw, err = os.ReadFile(filepath.Join("..", "..", "..", "..", "internal", "alarmevent", "testdata", "action-"+name+".json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(s.raw, &s.data))
	return s
}

func (s sample) at(t *testing.T) *time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", s.data.AlarmData.State.Timestamp)
	require.NoError(t, err)
	return &at
}

// transition is the history of the event's transition, with the members that the API Reference documents.
func (s sample) transition(t *testing.T) types.AlarmHistoryItem {
	t.Helper()
	state := func(value, reason, data string) map[string]any {
		m := map[string]any{"stateValue": value, "stateReason": reason}
		if data != "" {
			m["stateReasonData"] = json.RawMessage(data)
		}
		return m
	}
	now, before := s.data.AlarmData.State, s.data.AlarmData.PreviousState
	members := map[string]any{"version": "1.0", "newState": state(now.Value, now.Reason, now.ReasonData)}
	if before.Value != "" {
		members["oldState"] = state(before.Value, before.Reason, before.ReasonData)
	}
	data, err := json.Marshal(members)
	require.NoError(t, err)
	item := types.AlarmHistoryItem{Timestamp: s.at(t), HistoryItemType: types.HistoryItemTypeStateUpdate, HistoryData: aws.String(string(data))}
	if contributor := s.data.AlarmData.AlarmContributor; contributor.ID != "" {
		item.AlarmContributorId, item.AlarmContributorAttributes = &contributor.ID, contributor.Attributes
	}
	return item
}

// The alarm that is found is the one that the event of CloudWatch reports.
func TestFind_ReturnsTheAlarmOfItsEvent(t *testing.T) {
	dimension := func(name, value string) []types.Dimension { return []types.Dimension{{Name: &name, Value: &value}} }
	stat := func(namespace, metric string, dimensions []types.Dimension, period int32, unit types.StandardUnit) *types.MetricStat {
		return &types.MetricStat{Metric: &types.Metric{Namespace: &namespace, MetricName: &metric, Dimensions: dimensions}, Period: &period, Stat: aws.String("Sum"), Unit: unit}
	}
	api := []types.Dimension{{Name: aws.String("ApiName"), Value: aws.String("orders")}, {Name: aws.String("Stage"), Value: aws.String("prod")}}
	for name, describe := range map[string]func(s sample, at *time.Time) *fake{
		"metric": func(s sample, at *time.Time) *fake {
			return &fake{metric: &types.MetricAlarm{AlarmDescription: aws.String("Errors of the orders function"), Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Errors"),
				Dimensions: dimension("FunctionName", "orders"), Period: aws.Int32(60), Statistic: types.StatisticSum}}
		},
		"math": func(s sample, at *time.Time) *fake {
			return &fake{metric: &types.MetricAlarm{AlarmDescription: aws.String("Error rate of the orders API"), Metrics: []types.MetricDataQuery{
				{Id: aws.String("e1"), Expression: aws.String("100 * m1 / m2"), Label: aws.String("error rate"), ReturnData: aws.Bool(true)},
				{Id: aws.String("m1"), MetricStat: stat("AWS/ApiGateway", "5XXError", api, 300, ""), ReturnData: aws.Bool(false)},
				{Id: aws.String("m2"), MetricStat: stat("AWS/ApiGateway", "Count", api, 300, "Count"), ReturnData: aws.Bool(false)},
			}}}
		},
		"anomaly": func(s sample, at *time.Time) *fake {
			cpu := stat("AWS/EC2", "CPUUtilization", dimension("InstanceId", "i-0123456789abcdef0"), 60, "")
			cpu.Stat = aws.String("Average")
			return &fake{metric: &types.MetricAlarm{ThresholdMetricId: aws.String("ad1"), Metrics: []types.MetricDataQuery{
				{Id: aws.String("m1"), MetricStat: cpu, ReturnData: aws.Bool(true)},
				{Id: aws.String("ad1"), Expression: aws.String("ANOMALY_DETECTION_BAND(m1, 0.8)"), Label: aws.String("CPUUtilization (expected)"), ReturnData: aws.Bool(true)},
			}}}
		},
		"contributor": func(s sample, at *time.Time) *fake {
			return &fake{metric: &types.MetricAlarm{Metrics: []types.MetricDataQuery{{
				Id: aws.String("q1"), Expression: aws.String(`SELECT SUM(Errors) FROM SCHEMA("AWS/Lambda", FunctionName) GROUP BY FunctionName`),
				Period: aws.Int32(60), Label: aws.String("by function"), ReturnData: aws.Bool(true),
			}}}}
		},
		"promql": func(s sample, at *time.Time) *fake {
			return &fake{metric: &types.MetricAlarm{AlarmDescription: aws.String("Slow"), EvaluationInterval: aws.Int32(60),
				EvaluationCriteria: &types.EvaluationCriteriaMemberPromQLCriteria{Value: types.AlarmPromQLCriteria{
					Query: aws.String("avg(latency) > 0.5"), PendingPeriod: aws.Int32(300), RecoveryPeriod: aws.Int32(600)}}}}
		},
		"composite": func(s sample, at *time.Time) *fake {
			return &fake{composite: &types.CompositeAlarm{AlarmDescription: aws.String("Orders are down"), AlarmRule: aws.String(`ALARM("orders-errors") OR ALARM("orders latency/p99")`)}}
		},
		"log": func(s sample, at *time.Time) *fake {
			return &fake{log: &types.LogAlarm{AlarmDescription: aws.String("Too many errors"), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
				Threshold: aws.Float64(100), QueryResultsToEvaluate: aws.Int32(2), QueryResultsToAlarm: aws.Int32(2),
				ScheduledQueryConfiguration: &types.ScheduledQueryConfiguration{QueryString: aws.String("filter @message like /ERROR/"), LogGroupIdentifiers: []string{"/aws/lambda/orders"},
					AggregationExpression: aws.String("count(*)"), ScheduleConfiguration: &types.ScheduleConfiguration{
						ScheduleExpression: aws.String("rate(5 minutes)"), StartTimeOffset: aws.Int64(300), EndTimeOffset: aws.Int64(0)}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			event := read(t, name)
			parsed, err := alarmevent.Parse(event.raw)
			require.NoError(t, err)
			want := parsed[0]
			client := describe(event, event.at(t))
			present(client, event, event.at(t))
			client.history = []types.AlarmHistoryItem{event.transition(t)}

			for when, before := range map[string]time.Time{"now": {}, "later": event.at(t).Add(time.Hour)} {
				got, err := alarms.Find(t.Context(), client, want.Name, before, alarmevent.Parser{})
				require.NoError(t, err)
				expected := want
				if name == "metric" { // CloudWatch generates the ID of a single metric for the event
					expected.Metrics[0].ID, got.Metrics[0].ID = "", ""
				}
				if name == "log" || name == "promql" { // kept as it was sent, whose order of members is not the same
					assert.JSONEq(t, configuration(t, expected.Configuration), configuration(t, got.Configuration))
					expected.Configuration, got.Configuration = "", ""
				}
				if name == "log" { // the event's reason data has the threshold, too
					expected.Threshold = got.Threshold
				}
				assert.Equal(t, tidied(expected), tidied(got), when)
			}

			client.denied = true
			got, err := alarms.Find(t.Context(), client, want.Name, time.Time{}, alarmevent.Parser{})
			require.NoError(t, err, "the history only adds to what the description says")
			assert.Equal(t, want.Reason, got.Reason)
			_, err = alarms.Find(t.Context(), client, want.Name, *event.at(t), alarmevent.Parser{})
			assert.ErrorContains(t, err, "read the alarm's history: AccessDenied")
		})
	}
}

// configuration returns a configuration without the members that only the API has.
func configuration(t *testing.T, text string) string {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &members))
	delete(members, "threshold")
	encoded, err := json.Marshal(members)
	require.NoError(t, err)
	return string(encoded)
}

// tidied returns an alarm whose reason data is compared as JSON.
func tidied(a alarmevent.Alarm) alarmevent.Alarm {
	var data any
	if json.Unmarshal([]byte(a.ReasonData), &data) == nil {
		encoded, _ := json.Marshal(data)
		a.ReasonData = string(encoded)
	}
	return a
}

// present gives the alarm the name and the state of an event.
func present(f *fake, s sample, at *time.Time) {
	name, arn, state := s.data.AlarmData.AlarmName, s.data.AlarmARN, s.data.AlarmData.State
	reasonData := &state.ReasonData
	if state.ReasonData == "" {
		reasonData = nil
	}
	switch {
	case f.metric != nil:
		f.metric.AlarmName, f.metric.AlarmArn, f.metric.StateValue = &name, &arn, types.StateValueAlarm
		f.metric.StateReason, f.metric.StateReasonData, f.metric.StateTransitionedTimestamp = &state.Reason, reasonData, at
	case f.composite != nil:
		f.composite.AlarmName, f.composite.AlarmArn, f.composite.StateValue = &name, &arn, types.StateValueAlarm
		f.composite.StateReason, f.composite.StateReasonData, f.composite.StateTransitionedTimestamp = &state.Reason, reasonData, at
	default:
		f.log.AlarmName, f.log.AlarmArn, f.log.StateValue = &name, &arn, types.StateValueAlarm
		f.log.StateReason, f.log.StateReasonData, f.log.StateTransitionedTimestamp = &state.Reason, reasonData, at
	}
}

func TestFind_ReturnsTheNearestTransitionBeforeATime(t *testing.T) {
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	item := func(minutes int, value, reason string) types.AlarmHistoryItem {
		return types.AlarmHistoryItem{Timestamp: aws.Time(at.Add(time.Duration(minutes) * time.Minute)), HistoryData: aws.String(
			`{"version":"1.0","oldState":{"stateValue":"OK","stateReason":"fine"},"newState":{"stateValue":"` + value + `","stateReason":"` + reason + `"}}`)}
	}
	client := &fake{
		metric: &types.MetricAlarm{AlarmName: aws.String("a"), AlarmArn: aws.String("arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"), StateValue: types.StateValueOk, MetricName: aws.String("m")},
		history: []types.AlarmHistoryItem{ // newest first
			item(0, "OK", "recovered"), item(-5, "ALARM", "third"), {Timestamp: &at, HistoryData: aws.String("not JSON")}, {},
			item(-10, "OK", "recovered"), item(-20, "ALARM", "second"), item(-30, "ALARM", "first"),
		},
	}
	for name, test := range map[string]struct {
		minutes int
		want    string
	}{
		"after all":             {0, "third"},
		"at a transition":       {-5, "third"},
		"just before one":       {-6, "second"},
		"while it was OK":       {-15, "second"},
		"before the second one": {-25, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := alarms.Find(t.Context(), client, "a", at.Add(time.Duration(test.minutes)*time.Minute), alarmevent.Parser{})
			require.NoError(t, err)
			assert.Equal(t, test.want, found.Reason)
			assert.Equal(t, alarmevent.StateAlarm, found.State)
		})
	}
	_, err := alarms.Find(t.Context(), client, "a", at.Add(-time.Hour), alarmevent.Parser{})
	missing, ok := errors.AsType[*alarms.NoTransitionError](err)
	require.True(t, ok, "%v", err)
	assert.True(t, missing.Last.IsZero())
	_, err = alarms.Find(t.Context(), client, "a", time.Time{}, alarmevent.Parser{})
	missing, ok = errors.AsType[*alarms.NoTransitionError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, at.Add(-5*time.Minute), missing.Last)
}

func TestFind_RegionNeedNotKnowLogAlarms(t *testing.T) {
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	client := &fake{
		metric: &types.MetricAlarm{AlarmName: aws.String("a"), AlarmArn: aws.String("arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:a"), StateValue: types.StateValueAlarm,
			StateTransitionedTimestamp: &at, MetricName: aws.String("m")},
		history: []types.AlarmHistoryItem{{Timestamp: &at, HistoryData: aws.String(
			`{"version":"1.0","oldState":{"stateValue":"OK","stateReason":"fine"},"newState":{"stateValue":"ALARM","stateReason":"high"}}`)}},
		unknown: types.AlarmTypeLogAlarm,
	}
	for name, before := range map[string]time.Time{"now": {}, "later": at.Add(time.Hour)} {
		found, err := alarms.Find(t.Context(), client, "a", before, alarmevent.Parser{})
		require.NoError(t, err, name)
		assert.Equal(t, alarmevent.StateOK, found.PreviousState, name)
	}
	client.metric = nil
	_, err := alarms.Find(t.Context(), client, "a", time.Time{}, alarmevent.Parser{})
	_, missing := errors.AsType[*alarms.NoAlarmError](err)
	assert.True(t, missing, "%v", err)
}

func TestInAlarm_CompletesEveryKindOfAlarm(t *testing.T) {
	client := &fake{
		metric:    &types.MetricAlarm{AlarmName: aws.String("metric"), StateValue: types.StateValueAlarm},
		composite: &types.CompositeAlarm{AlarmName: aws.String("composite"), StateValue: types.StateValueAlarm},
		log:       &types.LogAlarm{AlarmName: aws.String("log"), StateValue: types.StateValueAlarm},
	}
	assert.Equal(t, []string{"metric", "composite", "log"}, alarms.InAlarm(t.Context(), client, ""))
}

func TestParseName_ReadsNamesAndARNs(t *testing.T) {
	for text, want := range map[string]alarms.Name{
		"orders":               {Name: "orders"},
		"a name: with / signs": {Name: "a name: with / signs"},
		"arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:a:b c": {Name: "a:b c", Region: "cn-north-1", Account: "123456789012"},
	} {
		got, err := alarms.ParseName(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "arn:", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:", "arn:aws:sns:us-east-1:123456789012:topic"} {
		_, err := alarms.ParseName(text)
		assert.Error(t, err, text)
	}
}
