package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

const notConfirmed = "CloudWatch did not confirm this event"

// alarms creates alarms in moto, where all tests share one account.
type alarms struct {
	*testing.T
	client *cloudwatch.Client
	suffix string
}

func newAlarms(t *testing.T) alarms {
	return alarms{t, awsapi.NewCloudWatch(cloud.Config()), fmt.Sprint("-", worlds.Add(1))}
}

// metric creates a metric alarm and returns its name.
func (a alarms) metric(name string) string {
	a.Helper()
	name += a.suffix
	_, err := a.client.PutMetricAlarm(a.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Errors"), Statistic: types.StatisticSum,
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
	})
	require.NoError(a, err)
	return name
}

// composite creates a composite alarm and returns its name.
func (a alarms) composite(name, rule string) string {
	a.Helper()
	name += a.suffix
	_, err := a.client.PutCompositeAlarm(a.Context(), &cloudwatch.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: &rule,
		ActionsEnabled: aws.Bool(true), AlarmDescription: aws.String("d"), AlarmActions: []string{}, OKActions: []string{}, InsufficientDataActions: []string{}})
	require.NoError(a, err)
	return name
}

// set changes the state of an alarm and returns the time that CloudWatch records for it.
func (a alarms) set(name string, state types.StateValue) time.Time {
	a.Helper()
	_, err := a.client.SetAlarmState(a.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: &name, StateValue: state, StateReason: aws.String("test")})
	require.NoError(a, err)
	out, err := a.client.DescribeAlarms(a.Context(), &cloudwatch.DescribeAlarmsInput{
		AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}})
	require.NoError(a, err)
	for _, alarm := range out.MetricAlarms {
		return *alarm.StateUpdatedTimestamp
	}
	require.NotEmpty(a, out.CompositeAlarms)
	return *out.CompositeAlarms[0].StateUpdatedTimestamp
}

// published returns the event of a message that was published to a topic, in the form of CloudWatch's.
func published(name, state string, at time.Time, children ...string) []byte {
	fields := map[string]any{
		"AlarmName": name, "AlarmArn": alarmARNPrefix + name, "AWSAccountId": moto.Account, "NewStateValue": state,
		"NewStateReason": "Threshold Crossed", "StateChangeTime": at.UTC().Format("2006-01-02T15:04:05.000-0700"),
	}
	if len(children) > 0 {
		var triggering []any
		for _, child := range children {
			triggering = append(triggering, map[string]any{"Arn": alarmARNPrefix + child})
		}
		fields["TriggeringChildren"], fields["AlarmRule"] = triggering, "ALARM("+strings.Join(children, ") OR ALARM(")+")"
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	raw, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{
		"Type": "Notification", "TopicArn": "arn:aws:sns:" + moto.Region + ":" + moto.Account + ":alarms", "Message": string(text)}}}})
	if err != nil {
		panic(err)
	}
	return raw
}

func TestForged_MessagesDoNotSilenceGenuineAlarms(t *testing.T) {
	w, a := newWorld(t, options{script: forever(look("print(1)"), submit())}), newAlarms(t)
	orders, payments, stock := a.metric("orders"), a.metric("payments"), a.metric("stock")
	down := a.composite("down", "ALARM("+stock+")")
	at := time.Now()
	forged := [][]byte{published("info-only", "ALARM", at, orders, payments, stock), published(orders, "ALARM", at)}

	fired := func(want string, raw []byte) {
		t.Helper()
		w.fire(raw)
		inbox := w.inbox()
		require.Len(t, inbox, 1)
		assert.Contains(t, inbox[0].Subject, want)
		assert.Equal(t, strings.Contains(inbox[0].Subject, "event not confirmed"),
			strings.Contains(strings.Join(strings.Fields(inbox[0].Body), " "), notConfirmed), inbox[0].Body)
	}
	fired("info-only: event not confirmed", published("info-only", "ALARM", at, orders, payments, stock))
	fired(down+": event not confirmed", published(down, "ALARM", at, orders, payments, stock))
	fired(orders+": event not confirmed", published(orders, "ALARM", at))

	at = a.set(orders, types.StateValueAlarm)
	fired(orders+": cause", published(orders, "ALARM", at))
	fired(payments+": cause", event(payments, 1))

	a.set(stock, types.StateValueAlarm)
	at = a.set(down, types.StateValueAlarm)
	fired(down+": cause", published(down, "ALARM", at, orders, payments, stock))
	w.fire(event(stock, 1))
	assert.Empty(t, w.inbox(), "the confirmed composite alarm covers the alarm that its rule contains")

	for _, raw := range forged {
		w.fire(raw)
	}
	assert.Empty(t, w.inbox(), "the same messages are investigated once")
	assert.Empty(t, w.host.Failed())
	assert.Len(t, w.reports(), 6)
}

func TestForged_RecoveryIsNotNotified(t *testing.T) {
	w := newWorld(t, options{script: forever(look("print(1)"), submit()), env: map[string]string{config.EnvNotifyRecovery: "true"}})
	a := newAlarms(t)
	orders := a.metric("orders")
	w.fire(published(orders, "ALARM", a.set(orders, types.StateValueAlarm)))
	require.Len(t, w.inbox(), 1)
	w.fire(published(orders, "OK", time.Now()))
	assert.Empty(t, w.inbox())
	w.fire(published(orders, "OK", a.set(orders, types.StateValueOk)))
	assert.Len(t, w.inbox(), 1)

	w.fire(published(orders, "ALARM", a.set(orders, types.StateValueAlarm)))
	again := w.inbox()
	require.Len(t, again, 1)
	assert.Contains(t, again[0].Subject, "FIRES AGAIN: "+orders)
}

func TestForged_ImpossibleIdentityEndsInTheFailureDestination(t *testing.T) {
	w := newWorld(t, options{script: forever(look("print(1)"), submit())})
	raw := strings.ReplaceAll(string(published("orders", "ALARM", time.Now())), ":alarm:orders", ":alarm:payments")
	w.fire([]byte(raw))
	assert.Empty(t, w.inbox())
	assert.Len(t, w.host.Failed(), 1)
}

func TestFaults_CloudWatchIsUnavailable(t *testing.T) {
	for _, how := range []mode{reset, broken, denied, throttled, hanging} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w, a := newWorld(t, options{script: forever(look("print(1)"), submit())}), newAlarms(t)
			orders := a.metric("orders")
			at := a.set(orders, types.StateValueAlarm)
			w.cloudwatch.fail(how, -1)
			w.fire(published(orders, "ALARM", at))
			inbox := w.inbox()
			require.Len(t, inbox, 1)
			assert.Contains(t, strings.Join(strings.Fields(inbox[0].Body), " "), notConfirmed)
			w.cloudwatch.fail(up, 0)
			w.fire(published(orders, "ALARM", at))
			assert.Len(t, w.inbox(), 1, "the alarm itself was not claimed")
			assert.Equal(t, "done", w.claim(alarmARNPrefix+orders))
		})
	}
}
