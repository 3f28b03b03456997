package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// stateChange returns the event of EventBridge about an alarm that changed its state some time after the transition of
// the fixtures. triggers are elements of triggeringAlarms.
func stateChange(name, state string, after time.Duration, rule string, triggers ...any) string {
	at := transition.Add(after)
	body := fields{"alarmName": name, "state": fields{"value": state, "reason": "r", "timestamp": at.Format("2006-01-02T15:04:05.000-0700")}}
	if rule != "" {
		reasonData, _ := json.Marshal(fields{"triggeringAlarms": triggers})
		body["state"].(fields)["reasonData"] = string(reasonData)
		body["configuration"] = fields{"alarmRule": rule}
	}
	raw, _ := json.Marshal(fields{
		"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "account": "123456789012", "region": "us-east-1",
		"time": at.Format(time.RFC3339), "resources": []string{arnPrefix + name}, "detail": body,
	})
	return string(raw)
}

// trigger returns an element of triggeringAlarms.
func trigger(name, state string) fields {
	return fields{"arn": arnPrefix + name, "state": fields{"value": state}}
}

func triggers(state string, names ...string) []any {
	var all []any
	for _, name := range names {
		all = append(all, trigger(name, state))
	}
	return all
}

// mustBeDuplicate runs an invocation whose alarm must be a duplicate.
func (b *harness) mustBeDuplicate(t *testing.T, owner, event string) triage.Result {
	t.Helper()
	answer, err := b.invoke(t, owner, event)
	require.NoError(t, err)
	require.Len(t, answer.Results, 1)
	require.Equal(t, triage.StatusDuplicate, answer.Results[0].Status, answer.Results[0].Reason)
	return answer.Results[0]
}

func TestComposite_OnlyTriggersInAlarmAreCovered(t *testing.T) {
	tests := []struct {
		name, event string
	}{
		{"OK", stateChange("p", "ALARM", 0, "ALARM(a) AND OK(b)", trigger("a", "ALARM"), trigger("b", "OK"))},
		{"INSUFFICIENT_DATA", stateChange("p", "ALARM", 0, "ALARM(a) AND INSUFFICIENT_DATA(b)", trigger("a", "ALARM"), trigger("b", "INSUFFICIENT_DATA"))},
		{"NOT ALARM", stateChange("p", "ALARM", 0, "ALARM(a) AND NOT ALARM(b)", trigger("b", "OK"), trigger("a", "ALARM"))},
		{"state as text", stateChange("p", "ALARM", 0, "ALARM(a) AND OK(b)", trigger("a", "ALARM"), fields{"arn": arnPrefix + "b", "state": "ok"})},
		{"broken reason data", strings.Replace(stateChange("p", "ALARM", 0, "ALARM(a) AND OK(b)", trigger("a", "ALARM"), trigger("b", "OK")),
			`}]}`, `}`, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.mustInvestigate(t, "p", tt.event)
			b.mustBeDuplicate(t, "a", stateChange("a", "ALARM", 0, ""))
			b.clock.advance(15 * time.Minute)
			b.mustInvestigate(t, "b", stateChange("b", "ALARM", 15*time.Minute, ""))
			assert.Len(t, b.notifications(), 2)
		})
	}
}

// Whoever may set the state of an alarm (cloudwatch:SetAlarmState) chooses its reasonData.
func TestComposite_OnlyTriggersInTheRuleAreCovered(t *testing.T) {
	victim := trigger("payments", "ALARM")
	metric := stateChange("mine", "ALARM", 0, "ALARM(x)", victim)
	tests := []struct{ name, event string }{
		{"another alarm in the rule", stateChange("mine", "ALARM", 0, "ALARM(orders)", victim)},
		{"a part of a name in the rule", stateChange("mine", "ALARM", 0, `ALARM("payments eu") OR ALARM(payment)`, victim)},
		{"a metric alarm", strings.Replace(metric, `{"alarmRule":"ALARM(x)"}`, `{"metrics":[{"id":"m1"}]}`, 1)},
		{"no configuration", strings.Replace(metric, `{"alarmRule":"ALARM(x)"}`, `null`, 1)},
		{"broken reason data", strings.Replace(stateChange("mine", "ALARM", 0, "ALARM(orders)", victim), `}]}`, `}`, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.mustInvestigate(t, "mine", tt.event)
			b.mustInvestigate(t, "victim", stateChange("payments", "ALARM", time.Minute, ""))
		})
	}
}

func TestComposite_OfAMessageDoesNotCoverAnAlarmThatFiredLater(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.clock.advance(30 * time.Minute)
	b.Watch.Put(compositeAlarm("p", "ALARM(a) OR ALARM(b)", transition, transition),
		metricAlarm("a", types.StateValueAlarm, transition.Add(-time.Second)), metricAlarm("b", types.StateValueAlarm, transition.Add(30*time.Minute)))
	b.mustInvestigate(t, "p", notification("p", fields{"AlarmRule": "ALARM(a) OR ALARM(b)", "TriggeringChildren": triggering("a", "b"), "Trigger": nil}))
	b.mustInvestigate(t, "b", stateChange("b", "ALARM", 30*time.Minute, ""))
	b.mustBeDuplicate(t, "a", stateChange("a", "ALARM", -time.Second, ""))
}

func TestComposite_GivesWayForOneTransitionOnly(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	first := stateChange("p", "ALARM", time.Second, "ALARM(a) OR ALARM(b)", trigger("a", "ALARM"))
	b.mustBeDuplicate(t, "p1", first)
	b.mustBeDuplicate(t, "p1-again", first)
	b.clock.advance(20 * time.Minute)
	b.mustInvestigate(t, "p2", stateChange("p", "ALARM", 20*time.Minute, "ALARM(a) OR ALARM(b)", trigger("b", "ALARM")))
	b.clock.advance(10 * time.Minute)
	b.mustBeDuplicate(t, "p3", stateChange("p", "ALARM", 30*time.Minute, "ALARM(a) OR ALARM(b)", trigger("b", "ALARM")))
	assert.Len(t, b.notifications(), 2)
}

func TestComposite_OfACompositeThatGaveWayGivesWayToo(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	b.mustBeDuplicate(t, "p", stateChange("p", "ALARM", time.Second, "ALARM(a)", trigger("a", "ALARM")))
	b.mustBeDuplicate(t, "q", stateChange("q", "ALARM", 2*time.Second, "ALARM(p)", trigger("p", "ALARM")))
	b.clock.advance(20 * time.Minute)
	b.mustInvestigate(t, "q2", stateChange("q", "ALARM", 20*time.Minute, "ALARM(p)", trigger("p", "ALARM")))
}

// a is explained, 14 minutes later p by a, and q another 14 minutes later by neither.
func TestComposite_OfACompositeThatGaveWayLongAgoIsInvestigated(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	b.clock.advance(14 * time.Minute)
	b.mustBeDuplicate(t, "p", stateChange("p", "ALARM", 14*time.Minute, "ALARM(a)", trigger("a", "ALARM")))
	b.clock.advance(14 * time.Minute)
	b.mustInvestigate(t, "q", stateChange("q", "ALARM", 28*time.Minute, "ALARM(p)", trigger("p", "ALARM")))
}

func TestComposite_IsInvestigatedIfTheReportOfItsTriggerWasNotDelivered(t *testing.T) {
	for name, down := range map[string]func(b *harness) func(err error, calls int){
		"SNS": func(b *harness) func(error, int) { return b.SNS.Fail },
		"S3":  func(b *harness) func(error, int) { return b.S3.Fail },
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			down(b)(awsapitest.ErrDown, -1)
			_, err := b.invoke(t, "a", stateChange("a", "ALARM", 0, ""))
			require.Error(t, err)
			down(b)(nil, 0)
			sent := len(b.notifications())
			b.mustInvestigate(t, "p", stateChange("p", "ALARM", time.Second, "ALARM(a)", trigger("a", "ALARM")))
			assert.Len(t, b.notifications(), sent+1)
		})
	}
}

func TestComposite_WithMoreTriggersThanAreListedIsInvestigated(t *testing.T) {
	names := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("k%d", i))
		}
		return all
	}
	tests := []struct {
		name     string
		triggers []any
		want     triage.Status
	}{
		{"50", triggers("ALARM", names(50)...), triage.StatusDuplicate},
		{"51", triggers("ALARM", names(51)...), triage.StatusInvestigated},
		{"101", triggers("ALARM", names(101)...), triage.StatusInvestigated},
		{"one that is no alarm", append(triggers("ALARM", names(2)...), "arn:aws:cloudwatch:x"), triage.StatusInvestigated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			for _, name := range names(50) {
				b.mustInvestigate(t, name, stateChange(name, "ALARM", 0, ""))
			}
			rule := "ALARM(" + strings.Join(names(101), ") OR ALARM(") + ")"
			answer, err := b.invoke(t, "p", stateChange("p", "ALARM", time.Second, rule, tt.triggers...))
			require.NoError(t, err)
			assert.Equal(t, tt.want, answer.Results[0].Status)
		})
	}
}

func TestComposite_OfAMessageWithAnUnconfirmedTriggerIsInvestigated(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Watch.Put(compositeAlarm("p", "ALARM(a) OR ALARM(b)", transition, transition), metricAlarm("a", types.StateValueAlarm, transition),
		metricAlarm("b", types.StateValueOk, transition)) // b fired, and is OK again
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	b.mustInvestigate(t, "p", notification("p", fields{"AlarmRule": "ALARM(a) OR ALARM(b)", "TriggeringChildren": triggering("a", "b"), "Trigger": nil}))
}

func TestForged_MessageThatLeavesOutATriggerSilencesNoCompositeAlarm(t *testing.T) {
	const rule = "ALARM(a) AND ALARM(b) OR ALARM(c)"
	explained := func(others ...any) func(t *testing.T) *harness {
		return func(t *testing.T) *harness {
			b := newHarnessAtTransition(t)
			b.Watch.Put(compositeAlarm("p", rule, transition, transition), metricAlarm("a", types.StateValueAlarm, transition))
			b.Watch.Put(others...)
			b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
			return b
		}
	}
	message := notification("p", fields{"AlarmRule": rule, "TriggeringChildren": triggering("a"), "Trigger": nil})
	isOK, firedLater := metricAlarm("c", types.StateValueOk, transition), metricAlarm("c", types.StateValueAlarm, transition.Add(time.Minute))
	t.Run("an alarm of the rule is in ALARM", func(t *testing.T) {
		b := explained(metricAlarm("b", types.StateValueAlarm, transition), isOK)(t)
		b.mustInvestigate(t, "forged", message)
	})
	t.Run("the other alarms of the rule cannot be read", func(t *testing.T) {
		b := explained(metricAlarm("b", types.StateValueOk, transition), isOK)(t)
		b.CloudWatch = failingFor{b.CloudWatch, "b"}
		b.mustInvestigate(t, "forged", message)
	})
	t.Run("the other alarms of the rule have not triggered it", func(t *testing.T) {
		b := explained(metricAlarm("b", types.StateValueOk, transition), firedLater)(t)
		b.mustBeDuplicate(t, "genuine", message)
	})
}

// failingFor fails every request for an alarm.
type failingFor struct {
	awsapi.CloudWatch
	name string
}

func (f failingFor) DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, o ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	if slices.Contains(in.AlarmNames, f.name) {
		return nil, awsapitest.ErrDown
	}
	return f.CloudWatch.DescribeAlarms(ctx, in, o...)
}

func TestForged_OneMessageReportsOneAlarm(t *testing.T) {
	nested := func(messages ...fields) string {
		var records []any
		for _, message := range messages {
			text, _ := json.Marshal(message)
			records = append(records, fields{"EventSource": "aws:sns", "Sns": fields{"TopicArn": "arn:aws:sns:us-east-1:123456789012:alarms", "Message": string(text)}})
		}
		return published(fields{"Records": records, "AlarmName": "orders", "NewStateValue": "ALARM"})
	}
	message := func(after time.Duration) fields {
		return fields{"AlarmName": "orders", "AlarmArn": arnPrefix + "orders", "NewStateValue": "ALARM", "NewStateReason": "a planned test",
			"StateChangeTime": transition.Add(after).Format(time.RFC3339Nano)}
	}
	b := newHarnessAtTransition(t)
	b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
	for name, event := range map[string]string{
		"two records":  nested(message(-3*time.Hour), message(0)),
		"one record":   nested(message(0)),
		"lower case":   strings.Replace(nested(message(0)), `\"Records\"`, `\"records\"`, 1),
		"text in text": published(nested(message(0))),
	} {
		_, err := b.invoke(t, name, event)
		require.ErrorContains(t, err, "an SNS message must contain the event of one alarm", name)
	}
	assert.Zero(t, b.agent.calls)
	assert.Empty(t, b.notifications())
	result := b.mustInvestigate(t, "genuine", stateChange("orders", "ALARM", 0, ""))
	assert.Equal(t, "r", b.record(t, result).Alarm.Reason)
}

// Records on the first level come from principals that may invoke the function. Even so, one event must not be reported
// with the content of another one.
func TestForged_EventsOfOneInvocationShareNothing(t *testing.T) {
	for name, table := range map[string]error{"with the table": nil, "without the table": awsapitest.ErrDown} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.DB.Fail(table, -1)
			b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition))
			var forged, genuine struct{ Records []any }
			require.NoError(t, json.Unmarshal([]byte(notification("orders", fields{"NewStateReason": "forged", "StateChangeTime": "2026-08-04T09:00:00.000+0000"})), &forged))
			require.NoError(t, json.Unmarshal([]byte(notification("orders", fields{"NewStateReason": "genuine"})), &genuine))
			raw, err := json.Marshal(fields{"Records": append(forged.Records, genuine.Records...)})
			require.NoError(t, err)
			answer, err := b.invoke(t, "request", string(raw))
			require.NoError(t, err)
			require.Len(t, answer.Results, 2)
			assert.NotEqual(t, answer.Results[0].ID, answer.Results[1].ID)
			assert.Equal(t, "forged", b.record(t, answer.Results[0]).Alarm.Reason)
			assert.Equal(t, "genuine", b.record(t, answer.Results[1]).Alarm.Reason)
			assert.Equal(t, 2, b.agent.calls)
			attributes := b.SNS.Published(topicARN)
			assert.Equal(t, "false", *attributes[0].MessageAttributes["confirmed"].StringValue)
			assert.Equal(t, "true", *attributes[1].MessageAttributes["confirmed"].StringValue)
		})
	}
}

func TestForged_CopyOfARepeatUsesNoWindow(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	b.clock.advance(30 * time.Minute)
	b.mustBeDuplicate(t, "2", stateChange("orders", "ALARM", 30*time.Minute, ""))
	b.Watch.Put(metricAlarm("orders", types.StateValueAlarm, transition.Add(30*time.Minute))) // it stays in ALARM
	b.clock.advance(35 * time.Minute)
	b.mustBeDuplicate(t, "message", notification("orders", fields{"StateChangeTime": "2026-08-04T13:06:15.490+0000"}))
	b.mustBeDuplicate(t, "2b", stateChange("orders", "ALARM", 30*time.Minute, "")) // the repeat through another path
	b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 66*time.Minute, ""))
	assert.Len(t, b.notifications(), 2)
}

func TestForged_UpdatesDoNotUseUpTheLimitsOfTheDay(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.MaxPerDay = 2
	for i := range 5 {
		at := transition.Add(time.Duration(i+1) * time.Minute)
		b.clock.advance(time.Minute)
		b.Watch.Put(compositeAlarm("p", "ALARM(a)", transition, at))
		b.mustInvestigate(t, fmt.Sprint("update", i), notification("p", fields{"AlarmRule": "ALARM(a)", "Trigger": nil,
			"StateChangeTime": at.Format("2006-01-02T15:04:05.000-0700")}))
	}
	assert.False(t, b.record(t, b.mustInvestigate(t, "genuine", stateChange("orders", "ALARM", 6*time.Minute, ""))).EvidenceOnly)
	assert.Equal(t, 6, b.agent.calls)
}

func TestForged_UpdateOfACompositeAlarmUsesNoWindow(t *testing.T) {
	b := newHarnessAtTransition(t)
	updated := transition.Add(-time.Minute)
	b.Watch.Put(compositeAlarm("p", "ALARM(a)", transition.Add(-72*time.Hour), updated), metricAlarm("a", types.StateValueAlarm, transition.Add(-72*time.Hour)))
	forged := notification("p", fields{"AlarmRule": "ALARM(a)", "Trigger": nil, "StateChangeTime": updated.Format(time.RFC3339Nano), "TriggeringChildren": triggering("a")})
	b.mustInvestigate(t, "forged", forged)
	b.mustBeDuplicate(t, "forged again", forged)
	b.mustInvestigate(t, "genuine", stateChange("p", "ALARM", 20*time.Second, "ALARM(b)", trigger("b", "ALARM")))
	b.mustInvestigate(t, "child", stateChange("a", "ALARM", 30*time.Second, ""))
}

// Everybody can read when an alarm fired: its events, its history, and its reports have the time.
func TestForged_CopiesOfEarlierTransitionsHaveNoEffect(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	first := b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	b.clock.advance(30 * 24 * time.Hour)
	b.mustInvestigate(t, "2", stateChange("orders", "ALARM", 30*24*time.Hour, ""))
	b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition.Add(30*24*time.Hour+time.Minute)))
	_, err := b.invoke(t, "ok", stateChange("orders", "OK", 30*24*time.Hour+time.Minute, ""))
	require.NoError(t, err)
	for i := range 101 { // as many as a slot names, and one more
		for _, after := range []time.Duration{0, 30 * 24 * time.Hour} {
			at := transition.Add(after + time.Duration(i-50)*time.Millisecond)
			result := b.mustBeDuplicate(t, fmt.Sprint("forged", i, after), notification("orders", fields{"StateChangeTime": at.Format(time.RFC3339Nano)}))
			if after == 0 {
				assert.Equal(t, first.ID, result.ID)
			}
		}
	}
	assert.Equal(t, "recovered", b.followUps())
	b.clock.advance(10 * time.Minute) // the genuine event of the second investigation is in an earlier slot
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 30*24*time.Hour+10*time.Minute, ""))
	rec := b.record(t, b.mustInvestigate(t, "b", stateChange("b", "ALARM", 30*24*time.Hour+10*time.Minute, "")))
	require.Len(t, rec.Together, 1)
	assert.Equal(t, "a", rec.Together[0].Name)
	b.clock.advance(2 * time.Hour)
	third := b.record(t, b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 30*24*time.Hour+2*time.Hour, "")))
	require.Len(t, third.SeenBefore, 2)
	for _, p := range third.SeenBefore {
		assert.Zero(t, p.Repeats)
	}
}

func TestHandle_TransitionIsNotInvestigatedAgainAfterALaterOne(t *testing.T) {
	b := newHarnessAtTransition(t)
	first := b.mustInvestigate(t, "1", stateChange("orders-errors", "ALARM", 0, ""))
	b.clock.advance(2 * time.Hour)
	b.mustInvestigate(t, "2", stateChange("orders-errors", "ALARM", 2*time.Hour, ""))
	b.clock.advance(2 * time.Hour)
	for name, event := range map[string]string{
		"rule": stateChange("orders-errors", "ALARM", 0, ""), "action": fixture(t, "action-metric"), "SNS": fixture(t, "sns-metric"),
	} {
		result := b.mustBeDuplicate(t, name, event)
		assert.Equal(t, first.ID, result.ID, name)
		assert.Equal(t, first.ReportURI, result.ReportURI, name)
	}
	assert.Equal(t, 2, b.agent.calls)
}

func TestForged_UpdateKeepsItsVerdictWhenRetried(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Watch.Put(compositeAlarm("p", "ALARM(a)", transition.Add(-72*time.Hour), transition))
	event := notification("p", fields{"AlarmRule": "ALARM(a)", "Trigger": nil})
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "request", event)
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	b.Watch.Put(types.CompositeAlarm{AlarmName: aws.String("p"), AlarmArn: aws.String(arnPrefix + "p"), StateValue: types.StateValueOk})
	b.mustInvestigate(t, "request", event)
	assert.Equal(t, 1, b.agent.calls)
	assert.Equal(t, "<nil>", b.state(arnPrefix+"p"), "the alarm itself is not claimed")
}

// Two paths can deliver an update at the same time. The message of a topic, which anybody may have written, gives way.
func TestHandle_UpdateThatArrivesThroughTwoPathsIsReportedOnce(t *testing.T) {
	message := notification("p", fields{"AlarmRule": "ALARM(a)", "Trigger": nil})
	event := stateChange("p", "ALARM", 0, "ALARM(a)")
	for name, order := range map[string][2]string{"the message first": {message, event}, "the event first": {event, message}} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Watch.Put(compositeAlarm("p", "ALARM(a)", transition.Add(-72*time.Hour), transition))
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				b.agent.do = nil
				_, err := b.invoke(t, "second", order[1])
				require.NoError(t, err)
				return conclude(rec)
			}
			_, err := b.invoke(t, "first", order[0])
			require.NoError(t, err)
			assert.Len(t, b.notifications(), 1)
			assert.Equal(t, 1, b.reports())
			assert.Contains(t, b.state(arnPrefix+"p"), "done")
		})
	}
}

// A composite alarm that covers the alarm may have no conclusion of a model.
func TestHandle_UpdateIsReportedAlthoughACompositeAlarmCoversTheAlarmMeanwhile(t *testing.T) {
	for name, isReported := range map[string]bool{"the update has no other report": false, "its event was reported before": true} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Watch.Put(compositeAlarm("p", "ALARM(a)", transition.Add(-72*time.Hour), transition))
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				b.agent.do = nil
				if isReported {
					b.mustInvestigate(t, "event", stateChange("p", "ALARM", 0, "ALARM(a)", trigger("a", "ALARM")))
					b.clock.advance(2 * time.Hour)
				}
				b.mustInvestigate(t, "site", stateChange("site", "ALARM", 10*time.Second, "ALARM(p)", trigger("p", "ALARM")))
				return conclude(rec)
			}
			_, err := b.invoke(t, "p", notification("p", fields{"AlarmRule": "ALARM(a)", "Trigger": nil}))
			require.NoError(t, err)
			assert.Len(t, b.notifications(), 2)
		})
	}
}

func TestForged_MessageIsAboutTheAlarmThatItsFilterReads(t *testing.T) {
	event := func(top any) string {
		var e fields
		require.NoError(t, json.Unmarshal([]byte(stateChange("staging-x", "ALARM", 0, "")), &e))
		e["AlarmName"], e["NewStateValue"] = top, "ALARM"
		return published(e)
	}
	twice := strings.Replace(notification("staging-x", nil), `{\"AWSAccountId\"`, `{\"AlarmName\":\"prod-x\",\"AWSAccountId\"`, 1)
	require.Contains(t, twice, "prod-x")
	for name, event := range map[string]string{
		"another name": event("prod-x"), "several names": event([]string{"prod-x", "staging-x"}), "an object": event(fields{"x": 1}),
		"two names": twice, "another name of an alarm action": published(json.RawMessage(strings.Replace(direct("staging-x"), `{`, `{"AlarmName":"prod-x",`, 1))),
	} {
		b := newHarnessAtTransition(t)
		b.Watch.Put(metricAlarm("staging-x", types.StateValueAlarm, transition))
		_, err := b.invoke(t, "request", event)
		require.ErrorContains(t, err, "the message does not identify its alarm", name)
		assert.Empty(t, b.notifications(), name)
	}
	b := newHarnessAtTransition(t)
	b.Watch.Put(metricAlarm("staging-x", types.StateValueAlarm, transition))
	b.mustInvestigate(t, "request", event("staging-x"))
}

func TestRepeats_AreMentionedByTheNextReport(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	for i := range 3 {
		b.clock.advance(10 * time.Minute)
		b.mustBeDuplicate(t, fmt.Sprint("repeat", i), stateChange("orders", "ALARM", time.Duration(i+1)*10*time.Minute, ""))
	}
	b.clock.advance(2 * time.Hour)
	second := b.record(t, b.mustInvestigate(t, "2", stateChange("orders", "ALARM", 150*time.Minute, "")))
	require.Len(t, second.SeenBefore, 1)
	assert.Equal(t, 3, second.SeenBefore[0].Repeats)
	assert.Zero(t, second.Repeats)
	b.mustBeDuplicate(t, "repeat", stateChange("orders", "ALARM", 160*time.Minute, ""))
	b.clock.advance(2 * time.Hour)
	third := b.record(t, b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 270*time.Minute, "")))
	require.Len(t, third.SeenBefore, 2)
	assert.Equal(t, []int{3, 1}, []int{third.SeenBefore[0].Repeats, third.SeenBefore[1].Repeats})
}

func TestRepeats_DoNotCountALateCopyOfAnInvestigatedTransition(t *testing.T) {
	b := newHarnessAtTransition(t)
	first, repeat := stateChange("orders", "ALARM", 0, ""), stateChange("orders", "ALARM", 10*time.Minute, "")
	b.mustInvestigate(t, "1", first)
	b.mustBeDuplicate(t, "repeat", repeat)
	b.clock.advance(2 * time.Hour)
	b.mustBeDuplicate(t, "repeat, through another path", repeat)
	b.mustInvestigate(t, "2", stateChange("orders", "ALARM", 2*time.Hour, ""))
	b.mustBeDuplicate(t, "1, through another path", first)
	b.clock.advance(2 * time.Hour)
	third := b.record(t, b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 4*time.Hour, "")))
	require.Len(t, third.SeenBefore, 2)
	assert.Equal(t, []int{1, 0}, []int{third.SeenBefore[0].Repeats, third.SeenBefore[1].Repeats})
}

func TestRepeats_CountATransitionThatDeliversTheReport(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "1", stateChange("orders", "ALARM", 0, ""))
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	b.clock.advance(10 * time.Minute)
	first := b.record(t, b.mustInvestigate(t, "2", stateChange("orders", "ALARM", 10*time.Minute, "")))
	assert.Equal(t, transition, first.Alarm.Time)
	assert.Contains(t, b.notifications()[0], "repeats: 1\n")
	b.mustBeDuplicate(t, "2b", stateChange("orders", "ALARM", 10*time.Minute, ""))
	b.clock.advance(2 * time.Hour)
	second := b.record(t, b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 130*time.Minute, "")))
	require.Len(t, second.SeenBefore, 1)
	assert.Equal(t, 1, second.SeenBefore[0].Repeats)
}

func TestRepeats_DoNotCountTheTransitionThatTriggeredACompositeAlarm(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	b.clock.advance(2 * time.Hour)
	b.mustInvestigate(t, "p", stateChange("p", "ALARM", 2*time.Hour+10*time.Second, "ALARM(a)", trigger("a", "ALARM")))
	b.mustBeDuplicate(t, "a2", stateChange("a", "ALARM", 2*time.Hour, ""))
	b.mustBeDuplicate(t, "a3", stateChange("a", "ALARM", 2*time.Hour+time.Minute, ""))
	b.clock.advance(2 * time.Hour)
	rec := b.record(t, b.mustInvestigate(t, "a4", stateChange("a", "ALARM", 4*time.Hour, "")))
	require.Len(t, rec.SeenBefore, 1)
	assert.Equal(t, 1, rec.SeenBefore[0].Repeats)
}

func TestRepeats_SurviveThatTheAlarmIsCoveredOrGivesWay(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	b.mustInvestigate(t, "p", stateChange("p", "ALARM", time.Second, "ALARM(c)", trigger("c", "ALARM")))
	b.mustBeDuplicate(t, "a2", stateChange("a", "ALARM", 10*time.Minute, ""))
	b.mustBeDuplicate(t, "p2", stateChange("p", "ALARM", 10*time.Minute, "ALARM(c)", trigger("c", "ALARM")))
	b.clock.advance(2 * time.Hour)
	b.mustInvestigate(t, "q", stateChange("q", "ALARM", 2*time.Hour, "ALARM(a)", trigger("a", "ALARM")))  // covers a
	b.mustBeDuplicate(t, "p3", stateChange("p", "ALARM", 2*time.Hour, "ALARM(a)", trigger("a", "ALARM"))) // gives way
	b.clock.advance(2 * time.Hour)
	for _, name := range []string{"a", "p"} {
		rec := b.record(t, b.mustInvestigate(t, name+"4", stateChange(name, "ALARM", 4*time.Hour, "")))
		require.Len(t, rec.SeenBefore, 1, name)
		assert.Equal(t, 1, rec.SeenBefore[0].Repeats, name)
	}
}

// subjects returns the kinds of the follow-ups that were sent.
func (b *harness) followUps() string {
	var kinds []string
	for _, in := range b.SNS.Published(topicARN) {
		if outcome := *in.MessageAttributes["outcome"].StringValue; outcome == "recovered" || outcome == "fires_again" {
			kinds = append(kinds, outcome)
		}
	}
	return strings.Join(kinds, " ")
}

func TestRecovery_IsNeverTheLastWordWhileTheAlarmFires(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	send := func(owner, state string, after time.Duration) {
		t.Helper()
		_, err := b.invoke(t, owner, stateChange("orders", state, after, ""))
		require.NoError(t, err)
	}
	send("1", "ALARM", 0)
	send("2", "OK", 5*time.Minute)
	send("1b", "ALARM", 0) // the first event through another path
	assert.Equal(t, "recovered", b.followUps())
	send("3", "ALARM", 10*time.Minute)
	send("3b", "ALARM", 10*time.Minute)
	assert.Equal(t, "recovered fires_again", b.followUps())
	send("4", "OK", 15*time.Minute)
	send("5", "ALARM", 16*time.Minute)
	send("6", "OK", 17*time.Minute)
	send("7", "ALARM", 18*time.Minute)
	assert.Equal(t, "recovered fires_again recovered fires_again recovered fires_again", b.followUps())
	published := b.SNS.Published(topicARN)
	assert.Contains(t, *published[len(published)-1].Message, "You are not notified of its next recovery within the window")
	send("8", "OK", 19*time.Minute)
	send("9", "ALARM", 20*time.Minute)
	assert.Equal(t, "recovered fires_again recovered fires_again recovered fires_again", b.followUps())
}

// Events that wait in a queue arrive in any order. The letters are the states, with the minutes of their transitions.
func TestRecovery_LastWordIsTheLatestState(t *testing.T) {
	for order, want := range map[string]string{
		"A0 O3 O5 A4":             "recovered",
		"A0 O3 O5 O5 A4":          "recovered",
		"A0 O3 O5 A4 A6":          "recovered fires_again",
		"A0 O3 O5 A6 A4":          "recovered fires_again",
		"A0 O5 O3 A4":             "recovered",
		"A0 O5 O3 A4 A6":          "recovered fires_again",
		"A0 O3 A4 O5 A2":          "recovered fires_again recovered",
		"A0 O1 A2 O3 O5 O7 A6 A4": "recovered fires_again recovered",
	} {
		t.Run(order, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			for i, event := range strings.Fields(order) {
				state := map[byte]string{'A': "ALARM", 'O': "OK"}[event[0]]
				_, err := b.invoke(t, fmt.Sprint(i), stateChange("orders", state, time.Duration(event[1]-'0')*time.Minute, ""))
				require.NoError(t, err)
			}
			assert.Equal(t, want, b.followUps())
		})
	}
}

func TestRecovery_OfAnAlarmThatAlreadyFiresAgainIsNotNotified(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	for owner, event := range []string{
		stateChange("orders", "ALARM", 0, ""), stateChange("orders", "ALARM", 10*time.Minute, ""), stateChange("orders", "OK", 5*time.Minute, ""),
	} {
		_, err := b.invoke(t, fmt.Sprint(owner), event)
		require.NoError(t, err)
	}
	assert.Empty(t, b.followUps())
}

func TestRecovery_IsFollowedUpIfARepeatDeliversTheReport(t *testing.T) {
	for name, down := range map[string]func(b *harness) func(error, int){
		"SNS": func(b *harness) func(error, int) { return b.SNS.Fail },
		"S3":  func(b *harness) func(error, int) { return b.S3.Fail }, // it stays unavailable
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			down(b)(awsapitest.ErrDown, -1)
			_, err := b.invoke(t, "1", stateChange("orders", "ALARM", 0, ""))
			require.Error(t, err)
			b.SNS.Fail(nil, 0)
			_, err = b.invoke(t, "2", stateChange("orders", "OK", 5*time.Minute, ""))
			require.NoError(t, err)
			_, err = b.invoke(t, "3", stateChange("orders", "ALARM", 10*time.Minute, ""))
			assert.Equal(t, name == "S3", err != nil)
			assert.Equal(t, "recovered fires_again", b.followUps())
			_, err = b.invoke(t, "2b", stateChange("orders", "OK", 5*time.Minute, ""))
			require.NoError(t, err)
			assert.Equal(t, "recovered fires_again", b.followUps(), "the first recovery is over")
			_, err = b.invoke(t, "4", stateChange("orders", "OK", 15*time.Minute, ""))
			require.NoError(t, err)
			assert.Equal(t, "recovered fires_again recovered", b.followUps())
		})
	}
}

// uncounting is a table that loses the write of a repeat.
type uncounting struct{ awsapi.DynamoDB }

func (u uncounting) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if strings.HasPrefix(*in.UpdateExpression, "ADD repeat_times") {
		return nil, awsapitest.ErrDown
	}
	return u.DynamoDB.UpdateItem(ctx, in, o...)
}

func TestRecovery_RepeatThatIsNotCountedIsRetried(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	table := b.Table
	b.Table = dedupe.New(uncounting{&b.DB}, "investigations", time.Hour, b.clock.now)
	_, err := b.invoke(t, "2", stateChange("orders", "ALARM", 10*time.Minute, ""))
	require.Error(t, err)
	b.Table = table
	b.mustBeDuplicate(t, "2", stateChange("orders", "ALARM", 10*time.Minute, ""))
	_, err = b.invoke(t, "3", stateChange("orders", "OK", 5*time.Minute, "")) // late
	require.NoError(t, err)
	assert.Empty(t, b.followUps())
}

func TestRecovery_FiringAgainIsRetriedUntilItIsNotified(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	_, err := b.invoke(t, "2", stateChange("orders", "OK", time.Minute, ""))
	require.NoError(t, err)
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err = b.invoke(t, "3", stateChange("orders", "ALARM", 2*time.Minute, ""))
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	b.mustBeDuplicate(t, "3", stateChange("orders", "ALARM", 2*time.Minute, ""))
	assert.Equal(t, "recovered fires_again", b.followUps())
}

// with returns an event with additional fields in a member, such as "detail" or "detail.state".
func with(t *testing.T, event, member string, more fields) string {
	t.Helper()
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(event), &e))
	in := e
	for name := range strings.SplitSeq(member, ".") {
		in = in[name].(map[string]any)
	}
	maps.Copy(in, more)
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	return string(raw)
}

// okAction returns the event of an alarm action for a return to OK.
func okAction(name string, after time.Duration) string {
	seconds := transition.Add(after).Sub(time.Date(2026, 8, 4, 12, 0, 0, 0, time.UTC)) / time.Second
	return strings.Replace(action(name, int(seconds)), `"value":"ALARM"`, `"value":"OK"`, 1)
}

// mustBeSkipped runs an invocation whose alarm must be skipped for a reason.
func (b *harness) mustBeSkipped(t *testing.T, owner, event, reason string) {
	t.Helper()
	answer, err := b.invoke(t, owner, event)
	require.NoError(t, err)
	require.Len(t, answer.Results, 1)
	require.Equal(t, triage.StatusSkipped, answer.Results[0].Status, answer.Results[0].Reason)
	require.Contains(t, answer.Results[0].Reason, reason)
}

func TestRecovery_OfAContributorIsNotThatOfTheAlarm(t *testing.T) {
	const five = 5 * time.Minute
	contributor := fields{"alarmContributor": fields{"id": "aa", "attributes": fields{"InstanceId": "i-1"}}}
	ofContributor := func(event string) string {
		return strings.Replace(event, "CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change", 1)
	}
	for name, event := range map[string]string{
		"EventBridge":                          with(t, ofContributor(stateChange("orders", "OK", five, "")), "detail", contributor),
		"EventBridge, not described":           ofContributor(stateChange("orders", "OK", five, "")),
		"alarm action":                         with(t, okAction("orders", five), "alarmData", contributor),
		"alarm action, without an id":          with(t, okAction("orders", five), "alarmData", fields{"alarmContributor": fields{}}),
		"alarm action, only an id":             with(t, okAction("orders", five), "alarmData", fields{"alarmContributor": "aa"}),
		"SNS":                                  notification("orders", fields{"NewStateValue": "OK", "AlarmContributorId": "aa", "StateChangeTime": "2026-08-04T12:41:15.490+0000"}),
		"SNS, a message of EventBridge's rule": published(json.RawMessage(with(t, ofContributor(stateChange("orders", "OK", five, "")), "detail", contributor))),
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
			b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition.Add(five)))
			b.mustBeSkipped(t, "2", event, "a contributor of the alarm is OK again")
			assert.Empty(t, b.followUps())
			_, err := b.invoke(t, "3", stateChange("orders", "OK", 30*time.Minute, ""))
			require.NoError(t, err)
			assert.Equal(t, "recovered", b.followUps(), "the recovery of the alarm itself")
		})
	}
}

func TestRecovery_OfASilencedAlarmIsNotNotified(t *testing.T) {
	mute := fields{"muteDetail": fields{"mutedByArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:night"}}
	suppressed := fields{"actionsSuppressedBy": "ExtensionPeriod"}
	for _, c := range []struct {
		name, reason string
		silence      func(event string) string
	}{
		{"muted", "muted by arn:", func(event string) string { return with(t, event, "detail", mute) }},
		{"muted, without a rule", "muted by a mute rule", func(event string) string {
			return with(t, event, "detail", fields{"muteDetail": fields{"until": "2026-08-05"}})
		}},
		{"suppressed", "suppressed (ExtensionPeriod)", func(event string) string { return with(t, event, "detail.state", suppressed) }},
		{"muted, in a message", "muted by arn:", func(event string) string { return published(json.RawMessage(with(t, event, "detail", mute))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
			b.Watch.Put(metricAlarm("orders", types.StateValueOk, transition.Add(5*time.Minute)))
			b.mustBeSkipped(t, "2", c.silence(stateChange("orders", "OK", 5*time.Minute, "")), c.reason)
			b.mustBeSkipped(t, "3", c.silence(stateChange("orders", "ALARM", 10*time.Minute, "")), c.reason)
			assert.Empty(t, b.followUps(), "nobody was notified that the alarm is OK")

			send := func(owner, state string, after time.Duration) {
				_, err := b.invoke(t, owner, stateChange("orders", state, after, ""))
				require.NoError(t, err)
			}
			send("4", "OK", 15*time.Minute) // no longer silenced
			b.mustBeSkipped(t, "5", c.silence(stateChange("orders", "ALARM", 20*time.Minute, "")), c.reason)
			assert.Equal(t, "recovered", b.followUps(), "who silences an alarm is not notified that it fires again")
			send("6", "ALARM", 25*time.Minute)
			assert.Equal(t, "recovered fires_again", b.followUps())
		})
	}
}

func TestSkip_NamesTheStateIfRecoveriesAreNotNotified(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustBeSkipped(t, "1", with(t, stateChange("orders", "OK", 0, ""), "detail", fields{"muteDetail": fields{"mutedByArn": "x"}}), "state is OK, not ALARM")
	b.Config.NotifyRecovery = true
	b.mustBeSkipped(t, "2", stateChange("orders", "INSUFFICIENT_DATA", 0, ""), "state is INSUFFICIENT_DATA, not ALARM")
	b.mustBeSkipped(t, "3", stateChange("alarmtriage-self-x", "OK", 0, ""), "monitors AlarmTriage itself")
}

// In a storm, the events of the alarms below a composite alarm can wait in Lambda's queue for longer than the window.
func TestComposite_EventsOfCoveredTransitionsCanArriveLate(t *testing.T) {
	b := newHarnessAtTransition(t)
	parent := b.mustInvestigate(t, "parent", stateChange("p", "ALARM", 0, "ALARM(a) OR ALARM(b)", triggers("ALARM", "a", "b")...))
	b.mustBeDuplicate(t, "a", stateChange("a", "ALARM", -20*time.Second, ""))
	b.clock.advance(30 * time.Minute)
	b.mustBeDuplicate(t, "a fires again", stateChange("a", "ALARM", 30*time.Minute, ""))
	b.clock.advance(3 * time.Hour)
	b.mustBeDuplicate(t, "the same", stateChange("a", "ALARM", 30*time.Minute, ""))
	assert.Equal(t, parent.ID, b.mustBeDuplicate(t, "a, again", stateChange("a", "ALARM", -20*time.Second, "")).ID)
	late := b.mustBeDuplicate(t, "b, for the first time", stateChange("b", "ALARM", -10*time.Second, ""))
	assert.Equal(t, parent.ID, late.ID)
	assert.Equal(t, parent.ReportURI, late.ReportURI)
	late = b.mustBeDuplicate(t, "b, through a topic", notification("b", fields{"StateChangeTime": transition.Add(-10 * time.Second).Format(time.RFC3339Nano)}))
	assert.Equal(t, parent.ID, late.ID)
	b.mustInvestigate(t, "b, at another time", stateChange("b", "ALARM", 2*time.Hour, ""))
	b.mustInvestigate(t, "a, at another time", stateChange("a", "ALARM", time.Second, ""))
}

// Nobody has a report about the alarms below a composite alarm whose own report could not be delivered.
func TestComposite_LateEventsAreInvestigatedIfItsReportWasNotDelivered(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "parent", stateChange("p", "ALARM", 0, "ALARM(a)", trigger("a", "ALARM")))
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	b.clock.advance(3 * time.Hour)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", -20*time.Second, ""))
}

// A composite alarm that gave way is not covered by the report of another investigation, except for that transition.
func TestComposite_OlderTransitionOfOneThatGaveWayIsInvestigated(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	b.mustBeDuplicate(t, "parent", stateChange("p", "ALARM", 10*time.Second, "ALARM(a)", trigger("a", "ALARM")))
	b.mustInvestigate(t, "parent, before", stateChange("p", "ALARM", -time.Hour, "ALARM(b)", trigger("b", "ALARM")))
}
