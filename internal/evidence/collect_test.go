package evidence_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// python runs the snippet with plain boto3, like the tool but without a sandbox.
type python struct {
	t       testing.TB
	environ []string
	prelude string // code that runs before the snippet
}

// plainBoto3 makes the layer's packages importable, as the tool does, and imports what the tool provides to every call.
var plainBoto3 = fmt.Sprintf("import sys; sys.path.append(%q)\nimport boto3, json\n", filepath.Join(moto.Root(), "pythonlayer"))

func (p python) Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	printed, result, found := bytes.Cut(p.execute(ctx, request.Command+"\nprint('\\0' + json.dumps(result))"), []byte{0})
	require.True(p.t, found)
	return toolcall.Answer{Success: true, Stdout: string(printed), Result: result}, nil
}

func (p python) execute(ctx context.Context, code string) []byte {
	p.t.Helper()
	readLayer(p.t)
	interpreter, err := moto.Tool("python")
	require.NoError(p.t, err)
	cmd := exec.CommandContext(ctx, interpreter, "-c", p.prelude+code)
	cmd.Env = append(os.Environ(), p.environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(p.t, cmd.Run(), "%s", &stderr)
	return bytes.TrimSpace(stdout.Bytes())
}

// readLayer reads the Python code that the tests run, so that `go test` runs them again when it changes.
func readLayer(t testing.TB) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(filepath.Join(moto.Root(), "pythonlayer"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".py") {
			_, err = os.ReadFile(path)
		}
		return err
	}))
}

// setup creates two alarms on a metric that rose, both in ALARM.
const setup = `
from datetime import datetime, timedelta, timezone
cw = boto3.client("cloudwatch", region_name="us-east-1")
now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
dimensions = [{"Name": "FunctionName", "Value": "orders"}]
for i, value in enumerate([0, 0, 4, 5]):
    cw.put_metric_data(Namespace="Shop", MetricData=[{
        "MetricName": "Errors", "Dimensions": dimensions, "Value": value, "Timestamp": now + timedelta(minutes=i - 4)}])
for name in ["orders-errors", "payments-errors"]:
    cw.put_metric_alarm(AlarmName=name, Namespace="Shop", MetricName="Errors", Dimensions=dimensions, Statistic="Sum", Period=60,
                        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold")
    cw.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="it rose")
`

// fired creates the alarms in moto and returns one of them as its event describes it.
func fired(p python) *alarmevent.Alarm {
	p.t.Helper()
	p.execute(p.t.Context(), setup)
	now := time.Now().UTC().Truncate(time.Minute)
	threshold := 1.0
	return &alarmevent.Alarm{
		Name: "orders-errors", ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-errors", Region: moto.Region, Partition: "aws",
		Kind: alarmevent.KindMetric, State: alarmevent.StateAlarm, Time: now, Threshold: &threshold,
		Metrics: []alarmevent.Metric{{ID: "m1", Namespace: "Shop", Name: "Errors", Dimensions: map[string]string{"FunctionName": "orders"}, Period: 60, Stat: "Sum", ReturnData: true}},
	}
}

func collect(t *testing.T, tool evidence.Tool, alarm *alarmevent.Alarm) investigation.Evidence {
	t.Helper()
	return evidence.Collect(t.Context(), tool, 0.25, alarm, evidence.Triage{Account: "123456789012"}, time.Now, slog.New(slog.DiscardHandler))
}

func TestCollect_AgainstMoto(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	tool := python{t, cloud.Environ(), plainBoto3}
	alarm := fired(tool)

	e := collect(t, tool, alarm)
	assert.Contains(t, string(e.Definition), `"AlarmName": "orders-errors"`)
	assert.Contains(t, e.Problem, "configuration of Lambda function orders, errors of Lambda function orders: ResourceNotFoundException in GetFunctionConfiguration", "the missing function is reported, and the other parts remain")
	require.NotEmpty(t, e.History, e.Problem)
	assert.Contains(t, e.History[0].Summary, "to ALARM")
	require.NotEmpty(t, e.Changes)
	assert.Equal(t, "monitoring.amazonaws.com", e.Changes[0].Source)
	require.NotEmpty(t, e.Series)
	s := e.Series[0]
	assert.Equal(t, 60, s.Period)
	assert.Equal(t, "Sum", s.Stat)
	require.NotNil(t, s.Threshold)
	assert.Equal(t, 1.0, *s.Threshold)
	require.NotEmpty(t, s.Points)
	assert.Equal(t, 5.0, s.Points[len(s.Points)-1].Value, "oldest first")
	require.Len(t, e.Related, 1, "the alarm itself is not related to itself")
	assert.Equal(t, "payments-errors", e.Related[0].Name)
	require.NotNil(t, e.Call)
	assert.Zero(t, e.Call.Number)

	t.Run("an alarm of another account is charted from its event", func(t *testing.T) {
		foreign := *alarm
		foreign.Name = "not here"
		e := collect(t, tool, &foreign)
		assert.Contains(t, e.Problem, "no alarm of this name")
		assert.Empty(t, e.Definition)
		require.NotEmpty(t, e.Series)
		assert.NotEmpty(t, e.Series[0].Points)
	})
	t.Run("a composite alarm is charted from its triggers", func(t *testing.T) {
		composite := *alarm
		composite.Name, composite.Kind, composite.Metrics = "shop-down", alarmevent.KindComposite, nil
		composite.Children = []string{alarm.ARN}
		e := collect(t, tool, &composite)
		require.NotEmpty(t, e.Series)
		assert.Contains(t, e.Series[0].Label, "orders-errors: ")
		assert.NotEmpty(t, e.Series[0].Points)
	})
	t.Run("an alarm's name cannot change the code", func(t *testing.T) {
		hostile := *alarm
		hostile.Name = "注文\"'''\n```\\\u2028); raise SystemExit(1) #🚨"
		e := collect(t, tool, &hostile)
		assert.Contains(t, e.Problem, "no alarm of this name")
		assert.NotContains(t, e.Call.Command, "```")
	})
	t.Run("metrics remain if the service rejects their expression", func(t *testing.T) {
		math := *alarm
		math.Name = "not here either"
		math.Metrics = append([]alarmevent.Metric{{ID: "e1", Expression: "SUM(METRICS()) / 0 +", Label: "rate", ReturnData: true}}, alarm.Metrics...)
		e := collect(t, tool, &math)
		require.NotEmpty(t, e.Series)
		assert.NotEmpty(t, e.Series[len(e.Series)-1].Points)
	})
}

func TestCollect_ReadsDocumentedAnswers(t *testing.T) {
	tool := fakeBoto3(t)
	moment := time.Date(2026, 8, 4, 12, 36, 0, 0, time.UTC)
	e := collect(t, tool, &alarmevent.Alarm{
		Name: "cpu-unusual", Region: "eu-west-1", Partition: "aws", Kind: alarmevent.KindAnomaly, State: alarmevent.StateAlarm, Time: moment,
	})

	require.Len(t, e.Series, 1, "the band belongs to its metric")
	s := e.Series[0]
	assert.Nil(t, s.Threshold)
	assert.Equal(t, []investigation.Point{{Time: moment.Add(-time.Minute), Value: 10}, {Time: moment, Value: 90}}, s.Points)
	assert.Equal(t, []investigation.Point{{Time: moment.Add(-time.Minute), Value: 5}, {Time: moment, Value: 6}}, s.Lower)
	assert.Equal(t, []investigation.Point{{Time: moment.Add(-time.Minute), Value: 20}, {Time: moment, Value: 21}}, s.Upper)

	assert.Equal(t, []investigation.HistoryItem{{Time: moment, Type: "StateUpdate", Summary: "Alarm updated from OK to ALARM"}}, e.History)
	require.Len(t, e.Changes, 2, "reads are not changes")
	assert.Equal(t, []string{"DeleteRolePolicy", "UpdateFunctionCode"}, []string{e.Changes[0].Event, e.Changes[1].Event},
		"those of the alarm's resources first")
	assert.Equal(t, []string{"orders-role"}, e.Changes[0].Resources, "the function's role is looked up where IAM's events are")
	assert.True(t, e.Changes[0].Own)
	assert.Equal(t, "deploy", e.Changes[0].User)
	assert.Contains(t, e.Problem, "1 of 3 CloudTrail lookups failed")

	require.Len(t, e.Related, 30, "bounded")
	assert.Equal(t, "payments 0", e.Related[0].Name)
	assert.LessOrEqual(t, len(e.Related[0].Reason), 200)
}

// fakeBoto3 runs the snippet on canned answers, after lines of Python that change them.
func fakeBoto3(t testing.TB, changes ...string) python {
	t.Helper()
	fake, err := os.ReadFile("testdata/fake_boto3.py")
	require.NoError(t, err)
	return python{t: t, prelude: plainBoto3 + string(fake) + "\nimport json\n" + strings.Join(changes, "\n") + "\n"}
}

var moment = time.Date(2026, 8, 4, 12, 36, 0, 0, time.UTC)

func logAlarm() *alarmevent.Alarm {
	return &alarmevent.Alarm{Name: "log-errors", Region: "eu-west-1", Partition: "aws", Kind: alarmevent.KindLog, State: alarmevent.StateAlarm, Time: moment}
}

func TestCollect_LogAlarmQueryResultsAndLines(t *testing.T) {
	e := collect(t, fakeBoto3(t), logAlarm())

	assert.Contains(t, string(e.Definition), "filter @message like /ERROR/")
	assert.Equal(t, &alarmevent.Query{
		Text: "filter @message like /ERROR/", LogGroups: []string{"/aws/lambda/orders", "arn:aws:logs:eu-west-1:123456789012:log-group:shop:*"},
		Aggregation: "count(*) by host", Schedule: "rate(5 minutes)", StartOffset: 300}, e.Query)
	require.Len(t, e.Series, 1, e.Problem)
	assert.Equal(t, []investigation.Point{{Time: moment.Add(-6 * time.Minute), Value: 120}, {Time: moment.Add(-time.Minute), Value: 142}}, e.Series[0].Points)
	assert.Equal(t, 300, e.Series[0].Period)
	assert.Equal(t, 100.0, *e.Series[0].Threshold)
	assert.Equal(t, []string{"2026-08-04 12:34:01.000 ERROR no stock", "host=a code=500"}, e.LogLines)
	require.Len(t, e.History, 1)
	assert.Contains(t, string(e.Call.Answer.Result), `"contributors": [{"attributes": {"host": "b"}`)
	assert.Len(t, e.Changes, 2, "the function of the log group is looked up")
}

func TestCollect_LogAlarmUsesResultsOfEvaluatedQuery(t *testing.T) {
	e := collect(t, fakeBoto3(t, `kept.add("run-2")`, `refused.add("start_query")`), logAlarm())
	assert.Len(t, e.LogLines, 2)
	assert.NotContains(t, e.Problem, "log_lines")
	require.NotEmpty(t, e.Related)
	assert.Equal(t, "other-errors", e.Related[0].Name, "log alarms in ALARM are related too")
}

func TestCollect_LogAlarmWithLinesInEventRunsNoQuery(t *testing.T) {
	alarm := logAlarm()
	alarm.LogLines = []string{"ERROR"}
	e := collect(t, fakeBoto3(t, `refused.update(["start_query", "get_query_results"])`), alarm)
	assert.Empty(t, e.LogLines)
	assert.NotContains(t, e.Problem, "log_lines")
}

func TestCollect_LogAlarmReportsEachRefusedPart(t *testing.T) {
	alarm := logAlarm()
	alarm.Query = &alarmevent.Query{Text: "filter x", LogGroups: []string{"/shop"}, Aggregation: "count(*)"}
	alarm.ReasonData = `{"threshold": 5, "results": [{"timestamp": "2026-08-04T12:35:00.000+0000", "value": 9}]}`
	e := collect(t, fakeBoto3(t, `refused.update(["describe_log_alarms", "describe_alarm_contributors", "describe_alarm_history"])`), alarm)
	for _, part := range []string{"definition: RuntimeError", "history: RuntimeError", "contributors: RuntimeError", "log alarms in ALARM: RuntimeError"} {
		assert.Contains(t, e.Problem, part)
	}
	assert.Equal(t, "filter x", e.Query.Text, "the event's query replaces the definition's")
	require.Len(t, e.Series, 1)
	assert.Equal(t, 9.0, e.Series[0].Points[0].Value)
	assert.Equal(t, 5.0, *e.Series[0].Threshold)
	assert.Len(t, e.LogLines, 2)
	assert.NotEmpty(t, e.Related, "other alarms are still listed")

	bare := logAlarm()
	e = collect(t, fakeBoto3(t, `refused.add("describe_log_alarms")`), bare)
	assert.Contains(t, e.Problem, "log_lines: LookupError: neither the event nor the alarm's definition contains its query")
}

func TestCollect_PromQLAlarmSeriesWithThreshold(t *testing.T) {
	alarm := &alarmevent.Alarm{Name: "promql-latency", Region: "eu-west-1", Partition: "aws", Kind: alarmevent.KindPromQL, State: alarmevent.StateAlarm, Time: moment}
	e := collect(t, fakeBoto3(t), alarm)
	assert.Equal(t, &alarmevent.Query{Text: `avg by (host) (latency{service="shop"}) > 80`, LogGroups: []string{}, Interval: 30, Pending: 300}, e.Query)
	require.Len(t, e.Series, 3, e.Problem)
	assert.Equal(t, "host=b", e.Series[0].Label, "the highest first")
	assert.Equal(t, []investigation.Point{{Time: moment.Add(-time.Minute), Value: 1}, {Time: moment, Value: 90.5}}, e.Series[0].Points)
	assert.Equal(t, 80.0, *e.Series[0].Threshold)
	assert.Len(t, e.Series[2].Points, 1, "NaN is skipped")
	assert.Contains(t, e.Problem, "PromQL: result truncated")

	alarm.Contributor = &alarmevent.Contributor{ID: "1", Attributes: map[string]string{"host": "a"}}
	assert.Equal(t, "host=a", collect(t, fakeBoto3(t), alarm).Series[0].Label, "the contributor of the event first")

	e = collect(t, fakeBoto3(t, `refused.add('promql avg by (host) (latency{service="shop"})')`), alarm)
	assert.Contains(t, e.Problem, "PromQL without its comparison: ")
	require.Len(t, e.Series, 3)
	assert.Nil(t, e.Series[0].Threshold)

	gone := *alarm
	gone.Name, gone.Query = "new-kind", nil
	assert.Contains(t, collect(t, fakeBoto3(t), &gone).Problem, "series: LookupError: neither the event nor the alarm's definition contains the PromQL query")
	gone.Query = &alarmevent.Query{Text: "up < 1"}
	assert.NotEmpty(t, collect(t, fakeBoto3(t), &gone).Series, "the event's query replaces the definition's")
}

func TestCollect_UnconfirmedEventRunsNoQueryOfItsOwn(t *testing.T) {
	const forbidden = `refused.update(["start_query", 'promql up'])`
	forged := logAlarm()
	forged.Name, forged.Unconfirmed = "log-errors-2", "CloudWatch has no alarm of this name in this account and Region"
	forged.Query = &alarmevent.Query{Text: "fields @message", LogGroups: []string{"/shop"}, StartOffset: 365 * 86400}
	e := collect(t, fakeBoto3(t, forbidden), forged)
	assert.Contains(t, e.Problem, "log_lines: LookupError: the alarm's definition does not contain its query and log groups, and a query of an "+
		"event that CloudWatch did not confirm is not run")
	assert.NotContains(t, e.Call.Command, "fields @message")
	forged.Kind, forged.Query = alarmevent.KindPromQL, &alarmevent.Query{Text: "up"}
	assert.Contains(t, collect(t, fakeBoto3(t, forbidden), forged).Problem, "a query of an event that CloudWatch did not confirm is not run")

	genuine := logAlarm() // its definition is in CloudWatch
	genuine.Unconfirmed, genuine.Query = "the alarm is in state OK, not ALARM", forged.Query
	e = collect(t, fakeBoto3(t), genuine)
	assert.Len(t, e.LogLines, 2)
	assert.Equal(t, "filter @message like /ERROR/", e.Query.Text)
}

func TestCollect_UnconfirmedEventNamesNoQueryExecution(t *testing.T) {
	alarm := logAlarm()
	alarm.ReasonData = `{"results": [{"timestamp": "2026-08-04T12:35:00.000+0000", "value": 9, "queryResultId": "of another query"}]}`
	const kept = `kept.add("of another query"); refused.add("start_query")`
	assert.Len(t, collect(t, fakeBoto3(t, kept), alarm).LogLines, 2, "CloudWatch evaluated the execution")

	alarm.Unconfirmed = "the alarm is in state OK, not ALARM"
	e := collect(t, fakeBoto3(t, kept), alarm)
	assert.Empty(t, e.LogLines)
	assert.Contains(t, e.Problem, "log_lines: ")
	assert.Len(t, collect(t, fakeBoto3(t, `kept.add("of another query")`), alarm).LogLines, 2, "the alarm's own query is run")
}

func TestCommand_UnconfirmedEventHasNoExpressionThatFindsDataItself(t *testing.T) {
	a := alarmevent.Alarm{Name: "a", Kind: alarmevent.KindMetric, Metrics: []alarmevent.Metric{
		{ID: "m1", Namespace: "N", Name: "Named", Stat: "Sum", Period: 60},
		{ID: "e1", Expression: "m1 * 100", ReturnData: true},
		{ID: "e2", Expression: "SEARCH('{N,D} everything', 'Sum', 60)"},
		{ID: "e3", Expression: `SELECT SUM(x) FROM "everything"`},
		{ID: "e4", Expression: `select max(everything) from N`},
		{ID: "e5", Expression: `LAMBDA("everything")`},
	}}
	assert.Equal(t, 4, strings.Count(evidence.Command(&a, evidence.Triage{}), "everything"))
	a.Unconfirmed = "it has no valid time"
	command := evidence.Command(&a, evidence.Triage{})
	assert.NotContains(t, command, "everything")
	assert.Contains(t, command, "m1 * 100")
	assert.Contains(t, command, "Named")
}

func TestCollect_PromQLRemovesOnlyFinalComparisonWithNumber(t *testing.T) {
	for query, want := range map[string]string{
		`avg(up) > 1`: `avg(up)`, `x<=-1.5e3`: `x`, `(a / b) >= 0.5`: `(a / b)`, "sum(x)\n > 3": `sum(x)`,
		`a > 1 and b > 2`: `a > 1 and b > 2`, `(a > 1)`: `(a > 1)`, `a > b`: `a > b`, `a == 1`: `a == 1`, `a > bool 1`: `a > bool 1`,
		`rate(x[5m])`: `rate(x[5m])`, `a{p=~"x>1"} or b > 1`: `a{p=~"x>1"} or b > 1`, `count(a > 2) > 3`: `count(a > 2) > 3`,
	} {
		alarm := &alarmevent.Alarm{Name: "new-kind", Region: "eu-west-1", Kind: alarmevent.KindPromQL, Time: moment, Query: &alarmevent.Query{Text: query}}
		asked := fakeBoto3(t).execute(t.Context(),
			evidence.Command(alarm, evidence.Triage{})+"\nprint('\\0' + next(c[3]['query'] for c in calls if c[2] == 'promql'))")
		assert.Equal(t, want, string(asked[bytes.IndexByte(asked, 0)+1:]), query)
	}
}

func TestCollect_SearchesUnknownAlarmAmongLogAlarms(t *testing.T) {
	alarm := logAlarm()
	alarm.Kind = alarmevent.KindUnknown
	e := collect(t, fakeBoto3(t), alarm)
	assert.Contains(t, string(e.Definition), "ScheduledQueryConfiguration")
	assert.Len(t, e.Series, 1)
	assert.NotNil(t, e.Query)
}

func TestCollect_OtherAlarmsRemainIfLogAlarmsFail(t *testing.T) {
	alarm := &alarmevent.Alarm{Name: "cpu-unusual", Region: "eu-west-1", Partition: "aws", Kind: alarmevent.KindAnomaly, State: alarmevent.StateAlarm, Time: moment}
	e := collect(t, fakeBoto3(t, `refused.add("describe_log_alarms")`), alarm)
	assert.Contains(t, e.Problem, "log alarms in ALARM: RuntimeError: ValidationError")
	assert.Len(t, e.Related, 30)
	assert.NotEmpty(t, e.Definition)
}

func TestCollect_InvalidPartDoesNotAffectOthers(t *testing.T) {
	tests := []struct {
		name, result string
		check        func(t *testing.T, e investigation.Evidence)
	}{
		{"not JSON", `nonsense`, func(t *testing.T, e investigation.Evidence) { assert.Contains(t, e.Problem, "not a JSON object") }},
		{"a list", `[]`, func(t *testing.T, e investigation.Evidence) { assert.Contains(t, e.Problem, "not a JSON object") }},
		{"null", `null`, func(t *testing.T, e investigation.Evidence) { assert.Empty(t, e.Series) }},
		{"parts of other types", `{"series": 7, "history": {"a": 1}, "related": [1, {"name": "b"}], "changes": null, "definition": "x"}`,
			func(t *testing.T, e investigation.Evidence) {
				assert.Contains(t, e.Problem, "series: not understood")
				assert.Contains(t, e.Problem, "history: not understood")
				assert.Contains(t, e.Problem, "related: 1 of 2 not understood")
				require.Len(t, e.Related, 1)
				assert.Equal(t, "b", e.Related[0].Name)
				assert.Empty(t, e.Definition)
			}},
		{"an item of another type among many problems", `{"series": [{"id": "m1", "points": [[60, "nan"]]}], "log_lines": ["", "b", 7], "problems": [` + strings.Repeat(`"a",`, 39) + `"2 more"]}`,
			func(t *testing.T, e investigation.Evidence) {
				assert.Contains(t, e.Missing, "series: 1 of 1 not understood")
				assert.Contains(t, e.Missing, "log_lines: 1 of 3 not understood")
				assert.Equal(t, "2 more", e.Missing[len(e.Missing)-1])
				assert.Equal(t, []string{"b"}, e.LogLines)
			}},
		{"points out of order", `{"series": [{"id": "m1", "points": [[120, 2], [60, 1], [1, 2, 3], [], [1e300, 1]]}]}`,
			func(t *testing.T, e investigation.Evidence) {
				require.Len(t, e.Series, 1)
				assert.Equal(t, []investigation.Point{{Time: time.Unix(60, 0).UTC(), Value: 1}, {Time: time.Unix(120, 0).UTC(), Value: 2}}, e.Series[0].Points)
			}},
		{"too many problems", `{"problems": [` + strings.Repeat(`"a",`, 500) + `"a"]}`, func(t *testing.T, e investigation.Evidence) { assert.Len(t, e.Missing, 40) }},
		{"too many items", `{"related": [` + strings.Repeat(`{"name": "`+strings.Repeat("é", 2000)+`"},`, 500) + `{"name": "last"}]}`,
			func(t *testing.T, e investigation.Evidence) {
				assert.Len(t, e.Related, 100)
				assert.LessOrEqual(t, len(e.Related[0].Name), 1010)
				assert.True(t, utf8.ValidString(e.Related[0].Name))
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := collect(t, canned{toolcall.Answer{Success: true, Result: []byte(tt.result)}}, &alarmevent.Alarm{Name: "a"})
			tt.check(t, e)
		})
	}
}

func TestCollect_ReportsFailedCollection(t *testing.T) {
	e := collect(t, canned{toolcall.Answer{Error: "time limit of 60 s", ErrorType: "TimeLimit"}}, &alarmevent.Alarm{Name: "a"})
	assert.Contains(t, e.Problem, "time limit of 60 s")
	require.NotNil(t, e.Call)
	assert.Equal(t, "TimeLimit", e.Call.Answer.ErrorType)
}

// canned always returns the same answer.
func TestCollect_TimesThatJSONCannotHoldAreUnknown(t *testing.T) {
	const late = `"9999-12-31T23:59:59-23:00"`
	result := `{"history": [{"time": ` + late + `, "type": "StateUpdate", "summary": "s"}], "related": [{"name": "a", "since": ` + late + `}],
		"observations": [{"about": "a", "text": "t", "time": ` + late + `}], "trail": {"from": ` + late + `}, "changes": [{"time": ` + late + `, "event": "E"}]}`
	e := evidence.Collect(t.Context(), canned{toolcall.Answer{Success: true, Result: json.RawMessage(result)}}, 1, logAlarm(), evidence.Triage{}, time.Now,
		slog.New(slog.DiscardHandler))
	require.Len(t, e.History, 1)
	assert.Zero(t, e.History[0].Time)
	_, err := json.Marshal(e)
	assert.NoError(t, err)
}

type canned struct{ answer toolcall.Answer }

func (c canned) Run(context.Context, toolcall.Request) (toolcall.Answer, error) { return c.answer, nil }
