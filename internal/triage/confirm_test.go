package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// fields are the fields of an SNS message.
type fields map[string]any

// notification returns the message that CloudWatch publishes when the alarm goes to ALARM at the time of the
// fixtures, with other values for some fields.
func notification(name string, changes fields) string {
	message := fields{
		"AlarmName": name, "AlarmArn": arnPrefix + name, "AWSAccountId": "123456789012", "NewStateValue": "ALARM",
		"NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-08-04T12:36:15.490+0000", "Region": "US East (N. Virginia)",
		"Trigger": fields{"MetricName": "Errors", "Namespace": "AWS/Lambda", "Statistic": "SUM", "Period": 60, "Threshold": 0},
	}
	for key, value := range changes {
		message[key] = value
	}
	return published(message)
}

// published returns the event of a message that was published to a topic.
func published(message any) string {
	text, _ := json.Marshal(message)
	raw, _ := json.Marshal(fields{"Records": []any{fields{"EventSource": "aws:sns", "Sns": fields{
		"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:123456789012:alarms", "Message": string(text)}}}})
	return string(raw)
}

// triggering returns the field that lists the alarms that triggered a composite alarm.
func triggering(names ...string) []any {
	var children []any
	for _, name := range names {
		children = append(children, fields{"Arn": arnPrefix + name})
	}
	return children
}

func compositeAlarm(name, rule string, changed, updated time.Time) types.CompositeAlarm {
	return types.CompositeAlarm{
		ActionsSuppressor: aws.String("deployment"), AlarmName: &name, AlarmArn: aws.String(arnPrefix + name), AlarmRule: &rule, StateValue: types.StateValueAlarm,
		StateTransitionedTimestamp: &changed, StateUpdatedTimestamp: &updated,
	}
}

// direct returns the alarm action of the same transition.
func direct(name string) string {
	return strings.ReplaceAll(action(name, 0), "2026-08-04T12:00:00.000+0000", "2026-08-04T12:36:15.490+0000")
}

// record returns the record that the JSON form of an investigation's report contains.
func (b *harness) record(t *testing.T, result triage.Result) investigation.Record {
	t.Helper()
	key := strings.TrimSuffix(strings.TrimPrefix(result.ReportURI, "s3://"+bucket+"/"), ".txt") + ".json"
	var rec investigation.Record
	require.NoError(t, json.Unmarshal(b.S3.Object(bucket, key), &rec))
	return rec
}

func TestConfirm_ForgedEventIsInvestigatedAndSuppressesNothing(t *testing.T) {
	eventBridge := func(source string) string {
		raw, _ := json.Marshal(fields{
			"source": source, "detail-type": "CloudWatch Alarm State Change", "account": "123456789012", "region": "us-east-1",
			"time": "2026-08-04T12:36:15Z", "resources": []string{arnPrefix + "orders"},
			"detail": fields{"alarmName": "orders", "state": fields{"value": "ALARM", "reason": "r", "timestamp": "2026-08-04T12:36:15.490+0000"}},
		})
		return string(raw)
	}
	inMessage := func(event string) string { return published(json.RawMessage(event)) }
	tests := []struct {
		name  string
		setUp func(b *harness)
		event string
		// other alarms whose genuine events must be investigated; orders always is one
		alsoGenuine []string
		want        string // part of the reason
	}{
		{"an alarm in another state", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition)) },
			notification("orders", fields{"NewStateReason": "maintenance test"}), nil, "in state OK, not ALARM"},
		{"an alarm without data", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueInsufficientData, transition)) },
			notification("orders", nil), nil, "in state INSUFFICIENT_DATA"},
		{"another time", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Hour)))
		}, notification("orders", nil), nil, "did not change its state at 2026-08-04T12:36:15Z"},
		{"a time two seconds later", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-2*time.Second)))
		}, notification("orders", nil), nil, "did not change its state"},
		{"no time", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) },
			notification("orders", fields{"StateChangeTime": nil}), nil, "no valid time"},
		{"an alarm that does not exist", nil, notification("orders", nil), nil, "no alarm of this name"},
		{"an alarm of another account", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) },
			notification("orders", fields{"AlarmArn": "arn:aws:cloudwatch:us-east-1:999988887777:alarm:orders"}), nil, "another account"},
		{"an alarm of another Region", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) },
			notification("orders", fields{"AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders"}), nil, "in Region eu-west-1"},
		{"an alarm of another partition", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) },
			notification("orders", fields{"AlarmArn": "arn:aws-cn:cloudwatch:us-east-1:123456789012:alarm:orders"}), nil, "another account"},
		{"no ARN, and another account", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) },
			notification("orders", fields{"AlarmArn": nil, "AWSAccountId": "999988887777"}), nil, "another account"},
		{"CloudWatch is down", func(b *harness) { b.Watch.Fail(awsapitest.ErrDown, -1) }, notification("orders", nil), nil,
			"endpoint for CloudWatch (monitoring)"},
		{"CloudWatch throttles the request", func(b *harness) {
			b.Watch.Fail(&smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}, -1)
		}, notification("orders", nil), nil, "CloudWatch throttled the question (describe the alarm: "},
		{"CloudWatch fails", func(b *harness) {
			b.Watch.Fail(&smithy.GenericAPIError{Code: "InternalFailure", Message: "oops", Fault: smithy.FaultServer}, -1)
		}, notification("orders", nil), nil, "CloudWatch answered with an error (describe the alarm: "},
		{"the role lacks the permission", func(b *harness) { b.Watch.Fail(awsapitest.Denied("cloudwatch:DescribeAlarms"), -1) },
			notification("orders", nil), nil, "its role needs cloudwatch:DescribeAlarms"},
		{"the endpoint denies the request", func(b *harness) {
			b.Watch.Fail(awsapitest.Denied("cloudwatch:DescribeAlarms because no VPC endpoint policy allows the cloudwatch:DescribeAlarms action"), -1)
		}, notification("orders", nil), nil, "the VPC endpoint policy blocks cloudwatch:DescribeAlarms"},
		{"only the request for log alarms fails", func(b *harness) { b.CloudWatch = failingLogAlarms{b.CloudWatch} },
			notification("orders", nil), nil, "could not be asked"},
		{"an EventBridge event in the message", nil, inMessage(eventBridge("aws.cloudwatch")), nil, "no alarm of this name"},
		{"an alarm action in the message", nil, inMessage(direct("orders")), nil, "no alarm of this name"},
		{"a custom event of EventBridge", nil, eventBridge("com.example"), nil, "no alarm of this name"},
		{"an event without a source", nil, eventBridge(""), nil, "no alarm of this name"},
		{"a source that only looks like CloudWatch's", nil, eventBridge("AWS.CloudWatch"), nil, "no alarm of this name"},
		{"a composite alarm that does not exist", nil, notification("info-only", fields{"AlarmRule": "ALARM(orders) OR ALARM(payments)",
			"TriggeringChildren": triggering("orders", "payments"), "Trigger": nil}), []string{"payments", "info-only"}, "no alarm of this name"},
		{"a composite alarm in the form of EventBridge", nil, inMessage(strings.ReplaceAll(strings.ReplaceAll(eventBridge("aws.cloudwatch"), `"reason":"r"`,
			`"reason":"r","reasonData":"{\"triggeringAlarms\":[{\"arn\":\"`+arnPrefix+`payments\"}]}"`), "orders", "info-only")), []string{"payments", "info-only"}, "no alarm of this name"},
		{"a metric alarm with triggering alarms", func(b *harness) { b.Watch.Put(metricAlarm("info-only", types.StateValueOk, transition)) },
			notification("info-only", fields{"TriggeringChildren": triggering("orders")}), []string{"info-only"}, "in state OK"},
		{"a composite alarm without a suppressor, at the time of an update", func(b *harness) {
			updated := compositeAlarm("orders", "ALARM(payments)", transition.Add(-time.Minute), transition)
			updated.ActionsSuppressor = nil
			b.Watch.Put(updated, metricAlarm("payments", types.StateValueAlarm, transition))
		}, notification("orders", fields{"TriggeringChildren": triggering("payments"), "AlarmRule": "ALARM(payments)", "Trigger": nil}), []string{"payments"}, "did not change its state"},
		{"a metric alarm at the time of an update", func(b *harness) {
			updated := metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Minute))
			updated.StateUpdatedTimestamp = &transition
			b.Watch.Put(updated)
		}, notification("orders", nil), nil, "did not change its state"},
		{"a transition that is older than the window", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			b.clock.advance(time.Hour)
		}, notification("orders", nil), nil, "longer ago than the investigation window of 1h0m0s"},
		{"a contributor that is not in ALARM", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Minute)))
		}, notification("orders", fields{"AlarmContributorId": "1"}), nil, "did not change its state"},
		{"a contributor with another time", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Minute)))
			b.Watch.PutContributors("orders", types.AlarmContributor{ContributorId: aws.String("1"), StateTransitionedTimestamp: aws.Time(transition.Add(-time.Minute))})
		}, notification("orders", fields{"AlarmContributorId": "1"}), nil, "did not change its state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			if tt.setUp != nil {
				tt.setUp(b)
			}
			forged := b.mustInvestigate(t, "forged", tt.event)
			assert.Contains(t, b.record(t, forged).Alarm.Unconfirmed, tt.want)
			assert.Equal(t, "false", *b.SNS.Published(topicARN)[0].MessageAttributes["confirmed"].StringValue)
			assert.Equal(t, 1.0, b.metric(t, emf.Unconfirmed))
			for i, name := range append(tt.alsoGenuine, "orders") {
				assert.Nil(t, b.DB.Item(arnPrefix+name), "the forged event claims nothing of %s", name)
				genuine := b.mustInvestigate(t, "genuine-"+name, direct(name))
				rec := b.record(t, genuine)
				assert.Empty(t, rec.Alarm.Unconfirmed)
				assert.Empty(t, rec.SeenBefore, "the forged event's cause is not remembered for %s", name)
				assert.Len(t, rec.Together, i, "the forged event is not among the alarms that fired together")
				assert.Zero(t, rec.Repeats)
			}
			assert.Len(t, b.notifications(), 2+len(tt.alsoGenuine))
			again, err := b.invoke(t, "forged-again", tt.event)
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, again.Results[0].Status, "the same forgery is investigated once per window")
		})
	}
}

// failingLogAlarms fails every request for log alarms.
type failingLogAlarms struct{ awsapi.CloudWatch }

func (f failingLogAlarms) DescribeAlarms(
	ctx context.Context, in *cloudwatch.DescribeAlarmsInput, opts ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	if slices.Contains(in.AlarmTypes, types.AlarmTypeLogAlarm) {
		return nil, awsapitest.ErrDown
	}
	return f.CloudWatch.DescribeAlarms(ctx, in, opts...)
}

func TestConfirm_ConfirmedEventIsTheSameAsADirectOne(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(b *harness)
		event string
		alarm string
	}{
		{"a metric alarm", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) }, notification("orders", nil), "orders"},
		{"a name with blanks, quotes, and colons", func(b *harness) { b.Watch.Put(metricAlarm(`a "b": c/d`, types.StateValueAlarm, transition)) },
			notification(`a "b": c/d`, nil), `a "b": c/d`},
		{"a time that differs by milliseconds", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Truncate(time.Second)))
		}, notification("orders", nil), "orders"},
		{"no ARN", func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition)) },
			notification("orders", fields{"AlarmArn": nil}), "orders"},
		{"an EventBridge event that a rule sent to a topic", nil, fixture(t, "sns-of-eventbridge"), "orders-errors"},
		{"a log alarm", func(b *harness) {
			b.Watch.Put(types.LogAlarm{AlarmName: aws.String("log-errors"), AlarmArn: aws.String(arnPrefix + "log-errors"),
				StateValue: types.StateValueAlarm, StateTransitionedTimestamp: &transition})
		}, fixture(t, "sns-log"), "log-errors"},
		{"a PromQL alarm", func(b *harness) { b.Watch.Put(metricAlarm("latency", types.StateValueAlarm, transition)) }, fixture(t, "sns-promql"), "latency"},
		{"a contributor that changed later than its alarm", func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Hour)))
			b.Watch.PutContributors("orders", types.AlarmContributor{ContributorId: aws.String("other"), StateTransitionedTimestamp: aws.Time(transition.Add(-time.Hour))},
				types.AlarmContributor{ContributorId: aws.String("1"), StateTransitionedTimestamp: &transition})
		}, notification("orders", fields{"AlarmContributorId": "1"}), "orders"},
		{"a contributor whose ID matches a pattern of the user", func(b *harness) {
			b.Redactor, _ = redact.New([]string{`\b[0-9a-f]{16}\b`})
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Hour)))
			b.Watch.PutContributors("orders",
				types.AlarmContributor{ContributorId: aws.String("0123456789abcdef"), StateTransitionedTimestamp: aws.Time(transition.Add(-time.Hour))},
				types.AlarmContributor{ContributorId: aws.String("6d442278dba546f6"), StateTransitionedTimestamp: &transition})
		}, notification("orders", fields{"AlarmContributorId": "6d442278dba546f6"}), "orders"},
		{"a composite alarm after its wait period", func(b *harness) {
			b.Watch.Put(compositeAlarm("down", "ALARM(orders)", transition.Add(-2*time.Minute), transition))
		}, notification("down", fields{"AlarmRule": "ALARM(orders)", "Trigger": nil}), "down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			if tt.setUp != nil {
				tt.setUp(b)
			}
			result := b.mustInvestigate(t, "sns", tt.event)
			assert.Empty(t, b.record(t, result).Alarm.Unconfirmed)
			assert.Equal(t, "true", *b.SNS.Published(topicARN)[0].MessageAttributes["confirmed"].StringValue)
			answer, err := b.invoke(t, "direct", direct(tt.alarm))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
			assert.Len(t, b.notifications(), 1)
			assert.Zero(t, b.metric(t, emf.Unconfirmed))
		})
	}
}

func TestConfirm_CompositeAlarmCoversOnlyConfirmedChildren(t *testing.T) {
	b := newHarnessAtTransition(t)
	const rule = `(ALARM(orders) OR ALARM("payments (eu)") OR ALARM(` + arnPrefix + `stock)) AND NOT ALARM(maintenance)`
	b.Watch.Put(
		compositeAlarm("down", rule, transition, transition),
		metricAlarm("orders", types.StateValueAlarm, transition),
		metricAlarm("payments (eu)", types.StateValueAlarm, transition),
		metricAlarm("stock", types.StateValueAlarm, transition),
		metricAlarm("maintenance", types.StateValueOk, transition),
		metricAlarm("mail", types.StateValueAlarm, transition), // in ALARM, but not in the rule
		metricAlarm("order", types.StateValueAlarm, transition),
	)
	children := append(triggering("orders", "payments (eu)", "stock", "maintenance", "mail", "order", "missing", "down"),
		fields{"Arn": "arn:aws:cloudwatch:us-east-1:999988887777:alarm:orders"}, fields{"Arn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders"},
		fields{"Arn": "fired#2026-08-04T01:00Z"}, fields{"Arn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + strings.Repeat("x", 3000)})
	result := b.mustInvestigate(t, "sns", notification("down", fields{"AlarmRule": "ALARM(mail) OR ALARM(order)", "TriggeringChildren": children, "Trigger": nil}))
	rec := b.record(t, result)
	assert.Empty(t, rec.Alarm.Unconfirmed)
	assert.Equal(t, []string{arnPrefix + "orders", arnPrefix + "payments (eu)", arnPrefix + "stock"}, rec.Alarm.Children)
	assert.Contains(t, strings.Join(rec.Alarm.NotUnderstood, "\n"), arnPrefix+`mail", which is therefore investigated on its own`)
	for _, covered := range []string{"orders", "payments (eu)", "stock"} {
		answer, err := b.invoke(t, "child-"+covered, direct(covered))
		require.NoError(t, err)
		assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status, covered)
	}
	for _, other := range []string{"maintenance", "mail", "order", "missing"} {
		b.mustInvestigate(t, "child-"+other, direct(other))
	}
	assert.Nil(t, b.DB.Item("fired#2026-08-04T01:00Z"))
	answer, err := b.invoke(t, "composite", direct("down"))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status, "the composite alarm keeps its own claim")
}

func TestConfirm_FloodOfForgedEventsIsBounded(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.MaxQueryCostUSD = 1
	for i := range 40 {
		_, err := b.invoke(t, fmt.Sprint("repeat-", i), notification("orders", nil))
		require.NoError(t, err)
		_, err = b.invoke(t, fmt.Sprint("timeless-", i), notification("orders", fields{"StateChangeTime": nil}))
		require.NoError(t, err)
	}
	assert.Equal(t, 2, b.agent.calls, "a repeated message is investigated once")
	for i := range 40 { // one alarm, other times
		_, err := b.invoke(t, fmt.Sprint("time-", i), notification("orders", fields{"StateChangeTime": fmt.Sprintf("2026-08-04T13:%02d:00.000+0000", i)}))
		require.NoError(t, err)
	}
	for i := range 30 { // other alarms
		_, err := b.invoke(t, fmt.Sprint("flood-", i), notification(fmt.Sprint("made-up-", i), nil))
		require.NoError(t, err)
	}
	assert.Equal(t, dedupe.MaxUnconfirmedPerDay, b.agent.calls)
	last := b.notifications()[len(b.notifications())-1]
	assert.Contains(t, last, "No model was asked: 50 investigations of events that CloudWatch did not confirm")
	assert.Equal(t, 2+40+30, len(b.notifications()), "each of them has a report, although no model was asked")
	require.Len(t, b.tool.requests, 2+40+30)
	assert.InDelta(t, 0.25, *b.tool.requests[49].QueryLimitUSD, 1e-9)
	for _, request := range b.tool.requests[50:] {
		assert.InDelta(t, 0.01, *request.QueryLimitUSD, 1e-9, "its queries may cost as little as those beyond another limit")
	}
	b.mustInvestigate(t, "genuine", direct("orders"))
	assert.Equal(t, dedupe.MaxUnconfirmedPerDay+1, b.agent.calls, "the flood does not affect a genuine alarm")
	b.clock.advance(24 * time.Hour)
	b.mustInvestigate(t, "next-day", notification("made-up-later", nil))
	assert.Equal(t, dedupe.MaxUnconfirmedPerDay+2, b.agent.calls)
}

func TestConfirm_RetryAfterMidnightCountsOnce(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
		b.agent.do = nil
		die()
		return nil
	}
	b.invokeAndKill(t, "request-1", notification("made-up", nil))
	b.clock.advance(24 * time.Hour)
	b.mustInvestigate(t, "request-1", notification("made-up", nil))
	assert.NotNil(t, b.DB.Item("unconfirmed-day#2026-08-04"))
	assert.Nil(t, b.DB.Item("unconfirmed-day#2026-08-05"))
}

func TestConfirm_RepeatedMessageDoesNotClaimASecondWindow(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
	b.mustInvestigate(t, "genuine", notification("orders", nil))
	b.clock.advance(65 * time.Minute) // the alarm is still in ALARM, and the window is over
	for i, second := range []string{"15.490", "15.491", "16.400", "14.600"} {
		_, err := b.invoke(t, fmt.Sprint("forged-", i), notification("orders", fields{"StateChangeTime": "2026-08-04T12:36:" + second + "+0000"}))
		require.NoError(t, err)
	}
	b.mustInvestigate(t, "next transition", strings.ReplaceAll(direct("orders"), "12:36:15", "13:42:00"))
}

// The time of a message may differ from CloudWatch's by less than a second, which must change nothing: neither when the
// message is too old, nor which transition it claims.
func TestConfirm_ForgedTimeHasNoEffect(t *testing.T) {
	at := func(d time.Duration) string {
		return notification("orders", fields{"StateChangeTime": transition.Add(d).Format("2006-01-02T15:04:05.000-0700")})
	}
	for name, d := range map[string]time.Duration{"later": 900 * time.Millisecond, "earlier": -900 * time.Millisecond, "1 ms later": time.Millisecond, "999 ms later": 999 * time.Millisecond} {
		t.Run("first, "+name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			forged := b.mustInvestigate(t, "forged", at(d))
			assert.Empty(t, b.record(t, forged).Alarm.Unconfirmed)
			assert.Equal(t, transition, b.record(t, forged).Alarm.Time, "the report has CloudWatch's time")
			for _, event := range []string{notification("orders", nil), direct("orders"), at(-d)} {
				answer, err := b.invoke(t, "copy"+event, event)
				require.NoError(t, err)
				assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
			}
			assert.NotContains(t, b.DB.Item(arnPrefix+"orders"), "repeat_times", "no copy is another transition")
			b.clock.advance(2 * time.Hour)
			answer, err := b.invoke(t, "direct, hours later", direct("orders"))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
			b.mustInvestigate(t, "next transition", strings.ReplaceAll(direct("orders"), "12:36:15", "14:42:00"))
		})
		t.Run("at the end of the window, "+name, func(t *testing.T) {
			b := newHarness(t)
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			b.clock.advance(time.Until(transition.Add(10 * time.Millisecond)))
			b.mustInvestigate(t, "genuine", notification("orders", nil))
			b.clock.advance(-b.clock.now().Sub(transition.Add(time.Hour + 500*time.Millisecond))) // its window is over
			_, err := b.invoke(t, "forged", at(d))
			require.NoError(t, err)
			next := b.mustInvestigate(t, "next transition", strings.ReplaceAll(direct("orders"), "12:36:15", "13:36:16"))
			assert.Empty(t, b.record(t, next).Alarm.Unconfirmed)
		})
		t.Run("after the window, without an investigation, "+name, func(t *testing.T) {
			b := newHarness(t)
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			b.clock.advance(time.Until(transition.Add(time.Hour + 500*time.Millisecond)))
			forged := b.mustInvestigate(t, "forged", at(d))
			assert.Contains(t, b.record(t, forged).Alarm.Unconfirmed, "longer ago than the investigation window")
			assert.Nil(t, b.DB.Item(arnPrefix+"orders"))
		})
	}
}

// The same for the other times that CloudWatch records.
func TestConfirm_ReportHasTheTimeThatCloudWatchRecorded(t *testing.T) {
	forged := transition.Add(700 * time.Millisecond).Format("2006-01-02T15:04:05.000-0700")
	for name, test := range map[string]struct {
		setUp   func(b *harness)
		changes fields
	}{
		"a contributor": {func(b *harness) {
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(-time.Hour)))
			b.Watch.PutContributors("orders", types.AlarmContributor{ContributorId: aws.String("1"), StateTransitionedTimestamp: &transition})
		}, fields{"AlarmContributorId": "1"}},
		"a composite alarm after its wait period": {func(b *harness) {
			b.Watch.Put(compositeAlarm("orders", "ALARM(x)", transition.Add(-2*time.Minute), transition))
		}, fields{"AlarmRule": "ALARM(x)", "Trigger": nil}},
		"a composite alarm whose two times are close": {func(b *harness) {
			b.Watch.Put(compositeAlarm("orders", "ALARM(x)", transition.Add(-100*time.Millisecond), transition))
		}, fields{"AlarmRule": "ALARM(x)", "Trigger": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			test.setUp(b)
			test.changes["StateChangeTime"] = forged
			rec := b.record(t, b.mustInvestigate(t, "forged", notification("orders", test.changes)))
			assert.Empty(t, rec.Alarm.Unconfirmed)
			assert.Equal(t, transition, rec.Alarm.Time)
		})
	}
}

func TestConfirm_RetryOfAForgedTimeKeepsTheClaim(t *testing.T) {
	for name, later := range map[string]func(b *harness){
		"the same":                  func(*harness) {},
		"the alarm is OK again":     func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition.Add(time.Minute))) },
		"CloudWatch is unreachable": func(b *harness) { b.Watch.Fail(awsapitest.ErrDown, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			b.SNS.Fail(awsapitest.ErrDown, -1)
			event := notification("orders", fields{"StateChangeTime": "2026-08-04T12:36:16.000+0000"})
			_, err := b.invoke(t, "request-1", event)
			require.Error(t, err)
			b.SNS.Fail(nil, 0)
			later(b)
			b.mustInvestigate(t, "request-1", event)
			assert.Equal(t, 1, b.agent.calls, "the retry only delivers the report")
			answer, err := b.invoke(t, "direct", direct("orders"))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
		})
	}
}

func TestConfirm_CopyOfInvestigatedTransitionIsADuplicate(t *testing.T) {
	for name, later := range map[string]func(b *harness){
		"the alarm is OK again":     func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition.Add(time.Minute))) },
		"CloudWatch is unreachable": func(b *harness) { b.Watch.Fail(awsapitest.ErrDown, -1) },
		"hours later":               func(b *harness) { b.clock.advance(5 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.mustInvestigate(t, "direct", direct("orders"))
			later(b)
			answer, err := b.invoke(t, "sns", notification("orders", nil))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
			assert.Len(t, b.notifications(), 1)
			assert.Nil(t, b.DB.Item(unconfirmedKey("orders")))
		})
	}
}

func TestConfirm_SkippedEventDoesNotSkipAnotherOne(t *testing.T) {
	for name, forged := range map[string]string{
		"muted": published(fields{"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "resources": []string{arnPrefix + "orders"},
			"detail": fields{"alarmName": "orders", "muteDetail": fields{"mutedByArn": "x"}, "state": fields{"value": "ALARM", "timestamp": "2026-08-04T12:36:15.490+0000"}}}),
		"suppressed": published(fields{"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "resources": []string{arnPrefix + "orders"},
			"detail": fields{"alarmName": "orders", "state": fields{"value": "ALARM", "actionsSuppressedBy": "Alarm", "timestamp": "2026-08-04T12:36:15.490+0000"}}}),
		"OK":                notification("orders", fields{"NewStateValue": "OK"}),
		"INSUFFICIENT_DATA": notification("orders", fields{"NewStateValue": "INSUFFICIENT_DATA"}),
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			answer, err := b.invoke(t, "forged", forged)
			require.NoError(t, err)
			assert.Equal(t, triage.StatusSkipped, answer.Results[0].Status)
			assert.Nil(t, b.DB.Item(arnPrefix+"orders"))
			b.mustInvestigate(t, "genuine", notification("orders", nil))
			_, err = b.invoke(t, "forged again", forged)
			require.NoError(t, err)
			assert.Contains(t, b.state(arnPrefix+"orders"), "done")
		})
	}
}

func TestConfirm_ForgedRecoveryIsNotNotified(t *testing.T) {
	ok := notification("orders", fields{"NewStateValue": "OK", "OldStateValue": "ALARM", "StateChangeTime": "2026-08-04T12:46:15.490+0000"})
	later := transition.Add(10 * time.Minute)
	for name, setUp := range map[string]func(b *harness){
		"still in ALARM":  func(b *harness) {},
		"at another time": func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueOk, later.Add(time.Minute))) },
		"unreachable":     func(b *harness) { b.Watch.Fail(awsapitest.ErrDown, -1) },
		"denied":          func(b *harness) { b.Watch.Fail(awsapitest.Denied("cloudwatch:DescribeAlarms"), -1) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			b.mustInvestigate(t, "alarm", notification("orders", nil))
			setUp(b)
			answer, err := b.invoke(t, "forged", ok)
			require.NoError(t, err)
			assert.Equal(t, triage.StatusSkipped, answer.Results[0].Status)
			assert.Contains(t, answer.Results[0].Reason, "recovery is not confirmed")
			assert.Len(t, b.notifications(), 1)
			assert.NotContains(t, b.DB.Item(arnPrefix+"orders"), "recovery_of")

			b.Watch.Fail(nil, 0)
			b.Watch.Put(metricAlarm("orders", types.StateValueOk, later))
			answer, err = b.invoke(t, "genuine", ok)
			require.NoError(t, err)
			assert.Equal(t, triage.StatusRecovered, answer.Results[0].Status, answer.Results[0].Reason)
		})
	}
}

// An OK message with the time of the alarm's own transition must not inherit the verdict about the alarm.
func TestConfirm_ForgedRecoveryAtTheTimeOfTheAlarmIsNotNotified(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
	b.mustInvestigate(t, "alarm", notification("orders", nil))
	for _, owner := range []string{"forged", "alarm"} {
		answer, err := b.invoke(t, owner, notification("orders", fields{"NewStateValue": "OK", "OldStateValue": "ALARM"}))
		require.NoError(t, err)
		assert.Equal(t, triage.StatusSkipped, answer.Results[0].Status, answer.Results[0].Reason)
	}
	assert.Len(t, b.notifications(), 1)
}

func TestConfirm_RetryKeepsTheFirstVerdict(t *testing.T) {
	for name, changed := range map[string]struct{ before, after types.StateValue }{
		"confirmed, then not": {types.StateValueAlarm, types.StateValueOk},
		"not, then confirmed": {types.StateValueOk, types.StateValueAlarm},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Watch.Put(metricAlarm("orders", changed.before, transition))
			b.SNS.Fail(awsapitest.ErrDown, -1)
			_, err := b.invoke(t, "request-1", notification("orders", nil))
			require.Error(t, err)
			b.SNS.Fail(nil, 0)
			b.Watch.Put(metricAlarm("orders", changed.after, transition))
			b.mustInvestigate(t, "request-1", notification("orders", nil))
			assert.Equal(t, 1, b.agent.calls, "the retry only delivers the report")
			assert.Len(t, b.notifications(), 1)
			key := arnPrefix + "orders"
			if changed.before == types.StateValueOk {
				assert.Nil(t, b.DB.Item(key))
				key = unconfirmedKey("orders")
			}
			assert.Contains(t, b.state(key), "done")
		})
	}
}

// The alarm fires again while it is investigated, and returns to OK before the message about that is read.
func TestConfirm_CopyOfARepeatOfARunningInvestigationIsADuplicate(t *testing.T) {
	b := newHarnessAtTransition(t)
	again := transition.Add(30 * time.Second)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		b.agent.do = nil
		b.mustBeDuplicate(t, "request-2", stateChange("orders-errors", "ALARM", 30*time.Second, ""))
		b.Watch.Put(metricAlarm("orders-errors", types.StateValueOk, again.Add(10*time.Second)))
		b.mustBeDuplicate(t, "request-3", notification("orders-errors", fields{"StateChangeTime": again.Format("2006-01-02T15:04:05.000-0700")}))
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-1", stateChange("orders-errors", "ALARM", 0, ""))
	assert.Len(t, b.notifications(), 1)
}

// A message takes over the alarm to deliver the report of an earlier transition, and that fails.
func TestConfirm_RetryThatFirstDeliversAnEarlierReportKeepsTheVerdict(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.SNS.Fail(awsapitest.ErrDown, 4)
	for range 3 {
		_, err := b.invoke(t, "request-1", notification("orders-errors", nil))
		require.Error(t, err)
	}
	b.clock.advance(2 * time.Hour)
	again := transition.Add(2 * time.Hour)
	b.Watch.Put(metricAlarm("orders-errors", types.StateValueAlarm, again))
	event := notification("orders-errors", fields{"StateChangeTime": again.Format("2006-01-02T15:04:05.000-0700")})
	_, err := b.invoke(t, "request-2", event)
	require.Error(t, err)
	b.Watch.Put(metricAlarm("orders-errors", types.StateValueOk, again.Add(time.Minute)))
	b.mustInvestigate(t, "request-2", event)
	sent := b.SNS.Published(topicARN)
	require.Len(t, sent, 2, "the earlier report, and that of the message")
	for _, in := range sent {
		assert.Equal(t, "true", *in.MessageAttributes["confirmed"].StringValue)
	}
}

// unconfirmedKey returns the key of the claim of an unconfirmed event with the time of the fixtures.
func unconfirmedKey(name string) string {
	return "unconfirmed#" + arnPrefix + name + "#2026-08-04T12:36:15.490Z"
}

func TestConfirm_MessageThatIsSentAgainContinuesItsInvestigation(t *testing.T) {
	for name, fail := range map[string]func(b *harness){
		"the report could not be sent": func(b *harness) {
			b.SNS.Fail(awsapitest.Denied("kms:GenerateDataKey"), -1)
			for range 3 {
				_, err := b.invoke(t, "first", notification("orders-errors", nil))
				require.Error(t, err)
			}
			b.SNS.Fail(nil, 0)
		},
		"the invocation was killed": func(b *harness) {
			b.tool.after = die
			b.invokeAndKill(t, "first", notification("orders-errors", nil))
			b.tool.after = nil
			b.clock.advance(lifetime + 10*time.Second)
		},
	} {
		for when, wait := range map[string]time.Duration{"within the window": 10 * time.Minute, "after the window": 10 * time.Hour} {
			t.Run(name+", "+when, func(t *testing.T) {
				b := newHarnessAtTransition(t)
				fail(b)
				b.clock.advance(wait)
				b.Watch.Put(metricAlarm("orders-errors", types.StateValueOk, transition.Add(5*time.Minute)))
				rec := b.record(t, b.mustInvestigate(t, "again", notification("orders-errors", nil)))
				assert.Empty(t, rec.Alarm.Unconfirmed)
				assert.Equal(t, 1, b.agent.calls)
				require.Len(t, b.notifications(), 1)
				assert.Contains(t, b.state(ordersARN), "done")
				b.mustBeDuplicate(t, "and again", notification("orders-errors", nil))
				other := notification("orders-errors", fields{"StateChangeTime": "2026-08-04T12:30:00.000+0000"})
				assert.NotEmpty(t, b.record(t, b.mustInvestigate(t, "forged", other)).Alarm.Unconfirmed, "another time is still not confirmed")
			})
		}
	}
}

func TestConfirm_ForgedEventDoesNotSuppressOneThatCannotBeConfirmedEither(t *testing.T) {
	for name, setUp := range map[string]func(b *harness){
		"CloudWatch is unreachable": func(b *harness) { b.Watch.Fail(awsapitest.ErrDown, -1) },
		"an alarm that is OK again": func(b *harness) { b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition.Add(time.Minute))) },
		"another account":           func(*harness) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			setUp(b)
			b.mustInvestigate(t, "forged", notification("orders", fields{"StateChangeTime": "2026-08-04T12:36:10.000+0000"}))
			b.mustInvestigate(t, "forged, without a time", notification("orders", fields{"StateChangeTime": nil}))
			genuine := b.mustInvestigate(t, "genuine", notification("orders", nil))
			assert.Empty(t, b.record(t, genuine).SeenBefore)
			assert.Len(t, b.notifications(), 3)
		})
	}
}

func TestConfirm_HandOverKeepsTheVerdict(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, _ []byte) error {
		require.NoError(t, run.Checkpoint(ctx, []byte("state")))
		if len(b.Self.Events()) == 0 {
			return investigation.ErrHandOver
		}
		return conclude(rec)
	}
	answer, err := b.invoke(t, "request-1", notification("orders", nil))
	require.NoError(t, err)
	require.Equal(t, triage.StatusHandedOver, answer.Results[0].Status)
	b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
	result := b.mustInvestigate(t, "request-2", string(b.Self.Events()[0].Payload))
	assert.Nil(t, b.DB.Item(arnPrefix+"orders"))
	assert.Contains(t, b.state(unconfirmedKey("orders")), "done")
	assert.NotEmpty(t, result.ReportURI)

	b.mustInvestigate(t, "request-3", published(fields{"alarmtriageHandOver": fields{"token": "t", "investigation_id": "i"},
		"AlarmName": "other", "NewStateValue": "ALARM", "AlarmArn": arnPrefix + "other", "StateChangeTime": "2026-08-04T12:36:15.490+0000"}))
	assert.NotNil(t, b.DB.Item(unconfirmedKey("other")), "a message cannot be a hand-over")
}

func TestConfirm_RejectsImpossibleIdentities(t *testing.T) {
	for name, changes := range map[string]fields{
		"another alarm's ARN":           {"AlarmArn": arnPrefix + "payments"},
		"a self-alarm's name":           {"AlarmName": "alarmtriage-self-x"},
		"an account of 11 digits":       {"AlarmArn": "arn:aws:cloudwatch:us-east-1:12345678901:alarm:orders"},
		"an account of letters":         {"AlarmArn": "arn:aws:cloudwatch:us-east-1:12345678901x:alarm:orders"},
		"no Region":                     {"AlarmArn": "arn:aws:cloudwatch:US EAST:123456789012:alarm:orders"},
		"a Region with a slash":         {"AlarmArn": "arn:aws:cloudwatch:us-east-1/../x:123456789012:alarm:orders"},
		"another partition":             {"AlarmArn": "arn:evil:cloudwatch:us-east-1:123456789012:alarm:orders"},
		"a partition of 2,000 bytes":    {"AlarmArn": "arn:aws" + strings.Repeat("-a", 1000) + ":cloudwatch:us-east-1:123456789012:alarm:orders"},
		"a name of 256 characters":      {"AlarmName": strings.Repeat("x", 256), "AlarmArn": arnPrefix + strings.Repeat("x", 256)},
		"an ARN of 3,000 bytes":         {"AlarmName": strings.Repeat("x", 3000), "AlarmArn": arnPrefix + strings.Repeat("x", 3000)},
		"a line break in the name":      {"AlarmName": "a\nb", "AlarmArn": arnPrefix + "a\nb"},
		"a terminal escape in the name": {"AlarmName": "a\x1b[2J", "AlarmArn": arnPrefix + "a\x1b[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			_, err := b.invoke(t, "forged", notification("orders", changes))
			require.ErrorContains(t, err, "SNS record 0: the event does not identify its alarm", "the invocation fails, so that Lambda retries and then reports the event")
			assert.Equal(t, 1.0, b.metric(t, emf.UnknownEvents))
			assert.Empty(t, b.Watch.Asked())
			b.mustInvestigate(t, "genuine", direct("orders"))
		})
	}
}

func TestConfirm_OneAnswerHasTheAlarmAndAllItsChildren(t *testing.T) {
	b := newHarnessAtTransition(t)
	_, err := b.invoke(t, "forged", notification("orders", nil))
	require.NoError(t, err)
	require.NotEmpty(t, b.Watch.Asked())
	for _, asked := range b.Watch.Asked() {
		assert.EqualValues(t, 100, *asked.MaxRecords, "the default is less than an alarm and 50 children")
	}
}
