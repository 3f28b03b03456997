package evidence_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
)

func metricAlarm() *alarmevent.Alarm {
	return &alarmevent.Alarm{
		Name: "orders-errors", ARN: "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders-errors", Account: "123456789012",
		Region: "eu-west-1", Partition: "aws", Kind: alarmevent.KindMetric, State: alarmevent.StateAlarm, Time: moment,
		Metrics: []alarmevent.Metric{{ID: "m1", Namespace: "Shop", Name: "Errors", Period: 60, Stat: "Sum", ReturnData: true}},
	}
}

// The triage's own account often has an alarm of the same name: the same stack in each account.
const sameNameHere = `
overrides["describe_alarms"] = lambda request, region: {"MetricAlarms": [
    {"AlarmName": "orders-errors", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders-errors", "MetricName": "Errors",
     "Namespace": "Shop", "Period": 60, "Statistic": "Sum", "Threshold": 50.0, "StateValue": "ALARM", "StateReason": "of the triage's account"}]}
overrides["get_metric_data"] = lambda request, region: {"MetricDataResults": [
    {"Id": q["Id"], "Label": "Errors", "Timestamps": [MOMENT], "Values": [77.0 if q.get("AccountId") == "999988887777" else 0.0]}
    for q in request["MetricDataQueries"]]}
`

func TestCollect_AlarmOfAnotherAccountGetsNothingOfTheTriagesAccount(t *testing.T) {
	alarm := metricAlarm()
	alarm.Account, alarm.ARN = "999988887777", "arn:aws:cloudwatch:eu-west-1:999988887777:alarm:orders-errors"
	e := collect(t, fakeBoto3(t, sameNameHere), alarm)

	assert.Empty(t, e.Definition)
	assert.Empty(t, e.History)
	assert.Empty(t, e.Related)
	assert.Empty(t, e.Changes)
	assert.Empty(t, e.Seen)
	require.Len(t, e.Series, 1)
	assert.Equal(t, 77.0, e.Series[0].Points[0].Value, "the metric is read from the alarm's account")
	assert.Equal(t, "999988887777", e.Series[0].Account)
	assert.Contains(t, strings.Join(e.Missing, "\n"), "account 999988887777: the alarm's definition, history, changes, resources, "+
		"and other alarms were not read, because this code reads account 123456789012")
	assert.Contains(t, e.Call.Answer.Stdout, "The code runs in account 123456789012")
}

func TestCollect_AlarmOfUnknownOwnAccountIsComparedByARN(t *testing.T) {
	alarm := metricAlarm()
	alarm.Account, alarm.ARN = "999988887777", "arn:aws:cloudwatch:eu-west-1:999988887777:alarm:orders-errors"
	e := evidence.Collect(t.Context(), fakeBoto3(t, sameNameHere), 0.25, alarm, evidence.Triage{}, time.Now, slog.New(slog.DiscardHandler))
	assert.Empty(t, e.Definition)
	assert.Contains(t, e.Problem, "the alarm of this name in this account is another one")
}

func TestCollect_MetricOfAnotherAccountIsLabeled(t *testing.T) {
	alarm := metricAlarm()
	alarm.Metrics[0].Account = "999988887777"
	alarm.Metrics[0].Namespace, alarm.Metrics[0].Dimensions = "AWS/Lambda", map[string]string{"FunctionName": "orders"}
	e := collect(t, fakeBoto3(t, sameNameHere, `overrides["describe_alarms"] = lambda request, region: {}`), alarm)
	require.Len(t, e.Series, 1)
	assert.Equal(t, 77.0, e.Series[0].Points[0].Value)
	assert.Equal(t, "999988887777", e.Series[0].Account)
	assert.Empty(t, e.Seen, "the function of the same name in the triage's account is another one")
	assert.Contains(t, e.Problem, "Lambda function orders of account 999988887777: not read")
}

// churn answers lookups of all writes with pages of routine events. The deployment is on a later page.
const churn = `
def churn(request, region):
    if request["LookupAttributes"][0]["AttributeKey"] != "ReadOnly":
        return {"Events": []}
    page = int(request.get("NextToken") or 0)
    events = [{"EventId": "%d-%d" % (page, i), "EventName": "UpdateInstanceInformation", "EventSource": "ssm.amazonaws.com", "ReadOnly": "false",
               "EventTime": MOMENT - dt.timedelta(minutes=5 * page, seconds=i)} for i in range(50)]
    if page == 2:
        events[7] = {"EventId": "deploy", "EventName": "UpdateFunctionCode20150331v2", "EventSource": "lambda.amazonaws.com", "ReadOnly": "false",
                     "EventTime": MOMENT - dt.timedelta(minutes=12), "Username": "deploy", "CloudTrailEvent": json.dumps({
                         "userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/ci/deploy"}, "userAgent": "aws-cli/2.31 x",
                         "requestParameters": {"functionName": "orders", "publish": True}})}
    return {"Events": events, **({"NextToken": str(page + 1)} if page + 1 < PAGES else {})}
overrides["lookup_events"] = churn
`

func TestCollect_ReadsCloudTrailPastRoutineEvents(t *testing.T) {
	e := collect(t, fakeBoto3(t, churn, "PAGES = 4"), metricAlarm())
	require.Len(t, e.Changes, 1)
	assert.Equal(t, "UpdateFunctionCode20150331v2", e.Changes[0].Event)
	assert.Equal(t, "arn:aws:sts::123456789012:assumed-role/ci/deploy with aws-cli/2.31", e.Changes[0].Actor)
	assert.JSONEq(t, `{"functionName": "orders", "publish": true}`, e.Changes[0].Parameters)
	require.NotNil(t, e.Trail)
	assert.True(t, e.Trail.Complete)
	assert.Equal(t, map[string]int{"UpdateInstanceInformation": 199}, e.Trail.Routine)
	assert.NotContains(t, e.Problem, "changes:")
	assert.Contains(t, e.Call.Answer.Stdout, "routine events that are not listed: 199 UpdateInstanceInformation")

	e = collect(t, fakeBoto3(t, churn, "PAGES = 1000"), metricAlarm())
	require.Len(t, e.Changes, 1)
	assert.False(t, e.Trail.Complete)
	assert.Contains(t, e.Problem, "changes: of the 3 hours before the alarm, CloudTrail was read back to 2026-08-04T12:00:11Z only (400 write events)")
	assert.Equal(t, moment.Add(-36*time.Minute+11*time.Second), e.Trail.From)
}

func TestCollect_OwnCallsOfTheTriageAreNoChanges(t *testing.T) {
	e := evidence.Collect(t.Context(), fakeBoto3(t, `overrides["lookup_events"] = lambda request, region: {"Events": [
    {"EventId": "1", "EventName": "CreateThing", "EventSource": "x.amazonaws.com", "ReadOnly": "false", "EventTime": MOMENT, "Username": "triage-tool"},
    {"EventId": "2", "EventName": "CreateThing", "EventSource": "x.amazonaws.com", "ReadOnly": "false", "EventTime": MOMENT, "Username": "eve"}]}`),
		0.25, metricAlarm(), evidence.Triage{Account: "123456789012", Names: []string{"triage-tool"}}, time.Now, slog.New(slog.DiscardHandler))
	require.Len(t, e.Changes, 1)
	assert.Equal(t, "eve", e.Changes[0].User)
}

func TestCollect_SeriesOfOneQueryAreKeptApart(t *testing.T) {
	e := collect(t, fakeBoto3(t, `
times = [MOMENT - dt.timedelta(minutes=m) for m in (3, 2, 1)]
overrides["describe_alarms"] = lambda request, region: {"MetricAlarms": [{"AlarmName": "orders-errors", "Threshold": 90.0,
    "ComparisonOperator": "GreaterThanThreshold", "Metrics": [{"Id": "q1", "ReturnData": True, "Period": 60,
    "Expression": 'SELECT MAX(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId) GROUP BY InstanceId'}]}]}
overrides["get_metric_data"] = lambda request, region: {"MetricDataResults": [
    {"Id": "q1", "Label": "i-0aaa", "Timestamps": times, "Values": [12.0, 11.0, 17.0], "StatusCode": "Complete"},
    {"Id": "q1", "Label": "i-0bbb", "Timestamps": times, "Values": [5.0, 5.0, 97.3], "StatusCode": "Complete"},
    {"Id": "q1", "Label": "i-0ccc", "Timestamps": times, "Values": [40.0, 41.0, 42.0], "StatusCode": "Complete"}]}`), metricAlarm())
	require.Len(t, e.Series, 3, e.Problem)
	assert.Equal(t, []string{"i-0bbb", "i-0ccc", "i-0aaa"}, []string{e.Series[0].Label, e.Series[1].Label, e.Series[2].Label},
		"the one that breaches comes first")
	assert.Len(t, e.Series[0].Points, 3)
	assert.Equal(t, 90.0, *e.Series[0].Threshold)
	assert.Len(t, map[string]bool{e.Series[0].ID: true, e.Series[1].ID: true, e.Series[2].ID: true}, 3, "ids differ")
}

func TestCollect_IncompleteMetricsAreReported(t *testing.T) {
	for state, want := range map[string]string{
		`"StatusCode": "PartialData"`:   "series: Errors is incomplete (PartialData)",
		`"StatusCode": "InternalError"`: "series: Errors is incomplete (InternalError)",
		`"StatusCode": "Forbidden", "Messages": [{"Code": "ArithmeticError", "Value": "by 0"}]`: "series: Errors is incomplete (Forbidden: ArithmeticError: by 0)",
		`"Messages": [{"Code": "MaxMetricsExceeded", "Value": "only a part"}]`:                  "series: Errors is incomplete (Complete: MaxMetricsExceeded: only a part)",
	} {
		e := collect(t, fakeBoto3(t, fmt.Sprintf(`overrides["get_metric_data"] = lambda request, region: {"MetricDataResults": [
    {"Id": "m1", "Label": "Errors", "Timestamps": [], "Values": [], %s}]}`, state)), metricAlarm())
		assert.Contains(t, e.Missing, want)
	}
	e := collect(t, fakeBoto3(t, `overrides["get_metric_data"] = lambda request, region: {"MetricDataResults": [
    {"Id": "m1", "Timestamps": [MOMENT], "Values": [1.0], "StatusCode": "PartialData" if not request.get("NextToken") else "Complete"}],
    "Messages": [{"Code": "SomeProblem", "Value": "incomplete"}], **({} if request.get("NextToken") else {"NextToken": "2"})}`), metricAlarm())
	assert.Contains(t, e.Missing, "series: SomeProblem: incomplete")
	assert.NotContains(t, e.Problem, "PartialData", "the second page completes the first")

	e = collect(t, fakeBoto3(t, `overrides["get_metric_data"] = lambda request, region: {"NextToken": "more", "MetricDataResults": [
    {"Id": "m1", "Timestamps": [MOMENT], "Values": [1.0], "StatusCode": "Complete"}]}`), metricAlarm())
	assert.Contains(t, e.Problem, "series: only the first 5 pages of the alarm's metrics were read")
}

// inAlarm answers with alarms in ALARM, 100 on each page, the newest on the last one.
const inAlarm = `
overrides["describe_alarms"] = lambda request, region: (lambda start: {
    ("MetricAlarms" if request["AlarmTypes"] == ["MetricAlarm"] else "CompositeAlarms"): [
        {"AlarmName": "zz-%03d" % i, "AlarmArn": "arn:x%d" % i, "StateValue": "ALARM",
         "StateTransitionedTimestamp": MOMENT - dt.timedelta(days=1 if i < 100 else 0, minutes=i)}
        for i in range(start, min(start + 100, COUNT))] if request["AlarmTypes"] == ["MetricAlarm"] else [],
    **({"NextToken": str(start + 100)} if request["AlarmTypes"] == ["MetricAlarm"] and start + 100 < COUNT else {})})(int(request.get("NextToken") or 0))
`

func TestCollect_NewestOfManyAlarmsInAlarmAreListed(t *testing.T) {
	e := collect(t, fakeBoto3(t, inAlarm, "COUNT = 130"), metricAlarm())
	require.Len(t, e.Related, 30)
	assert.Equal(t, "zz-100", e.Related[0].Name)
	assert.Contains(t, e.Missing, "alarms in ALARM: only the newest 30 of 130 are listed")

	e = collect(t, fakeBoto3(t, inAlarm, "COUNT = 5000"), metricAlarm())
	assert.Contains(t, e.Missing, "alarms in ALARM (MetricAlarm): only the first 1000 were read, and there are more")
}

func TestCollect_LongHistoryIsReported(t *testing.T) {
	e := collect(t, fakeBoto3(t, `overrides["describe_alarm_history"] = lambda request, region: {"NextToken": "x", "AlarmHistoryItems": [
    {"Timestamp": MOMENT, "HistoryItemType": "StateUpdate", "HistorySummary": "s%d" % i} for i in range(request["MaxRecords"])]}`), metricAlarm())
	assert.Len(t, e.History, 100)
	assert.Contains(t, e.Missing, "history: only the first 100 were read, and there are more")
}

// composites answers with a composite alarm whose rule nests other composites, and with metric alarms.
const composites = `
def composite(name, rule):
    return {"AlarmName": name, "AlarmRule": rule, "StateValue": "ALARM"}
RULES = {"top": 'ALARM("middle") AND NOT OK(arn:aws:cloudwatch:eu-west-1:123456789012:alarm:right one)', "middle": "(ALARM(left) OR ALARM('gone'))"}
def described(request, region):
    names = request.get("AlarmNames", [])
    return {"CompositeAlarms": [composite(n, RULES[n]) for n in names if n in RULES],
            "MetricAlarms": [{"AlarmName": n, "MetricName": "Errors", "Namespace": "Shop", "Period": 60, "Statistic": "Sum", "Threshold": 1.0}
                             for n in names if n in ("left", "right one") or n.startswith("wide")]}
overrides["describe_alarms"] = described
overrides["get_metric_data"] = lambda request, region: {"MetricDataResults": [
    {"Id": "m1", "Label": "Errors", "Timestamps": [MOMENT], "Values": [5.0]}]}
`

func TestCollect_CompositeAlarmShowsMetricsOfAllLevels(t *testing.T) {
	alarm := metricAlarm()
	alarm.Name, alarm.Kind, alarm.Metrics = "top", alarmevent.KindComposite, nil
	alarm.ARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:top"
	e := collect(t, fakeBoto3(t, composites), alarm)
	labels := make([]string, len(e.Series))
	for i, s := range e.Series {
		labels[i] = s.Label
	}
	assert.Equal(t, []string{"right one: Errors", "left: Errors"}, labels, e.Problem)
	assert.Contains(t, e.Missing, "child alarms: 1 were not found in this account, such as gone")

	e = collect(t, fakeBoto3(t, composites, `RULES["top"] = " OR ".join('ALARM("wide%d")' % i for i in range(90))`), alarm)
	assert.Contains(t, e.Missing, "child alarms: 30 of the composite alarm's were not read")
	assert.Contains(t, e.Problem, "child alarms were not read")
	assert.LessOrEqual(t, len(e.Series), 12)

	e = collect(t, fakeBoto3(t, composites, `RULES["middle"] = "ALARM(top) OR ALARM(middle)"`), alarm)
	assert.Len(t, e.Series, 1, "composites that name each other end")
}

func TestCollect_SlowPartDoesNotHoldUpTheOthers(t *testing.T) {
	e := collect(t, fakeBoto3(t, `
import time, alarmtriage_evidence.collector as collector
real = collector.Context
collector.Context = lambda alarm, now, seconds: real(alarm, now, 1.5)
def slow(request, region):
    time.sleep(3)
    return {"AlarmHistoryItems": []}
overrides["describe_alarm_history"] = slow`), metricAlarm())
	assert.Contains(t, e.Missing, "history: not finished within the time of the collection")
	assert.NotEmpty(t, e.Definition)
	assert.NotEmpty(t, e.Series)
}

func TestCollect_TextForTheModelNamesTimesAndIsBounded(t *testing.T) {
	e := collect(t, fakeBoto3(t, inAlarm, "COUNT = 130", churn, "PAGES = 4"), metricAlarm())
	text := e.Call.Answer.Stdout
	assert.LessOrEqual(t, len(text), 16_000)
	assert.Regexp(t, `^It is \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\. `, text, "the current time")
	assert.Contains(t, text, "2026-08-04T12:36:00Z 90", "points have times")
	assert.Contains(t, text, "2026-08-04T12:24:00Z lambda.amazonaws.com UpdateFunctionCode20150331v2 (arn:aws:sts::123456789012:assumed-role/ci/deploy, aws-cli/2.31)")
	for _, line := range strings.Split(text, "\n") {
		assert.LessOrEqual(t, len(line), 500)
	}
	assert.NotContains(t, text, "StateReasonData")
}
