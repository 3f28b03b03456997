package triage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// fires returns the event with which the alarm goes to ALARM.
func fires(after time.Duration) string { return stateChange("orders", "ALARM", after, "") }

// meanwhile runs a function before the first report is stored, or the first notification is sent.
type meanwhile struct {
	*awsapitest.S3
	*awsapitest.SNS
	do func()
}

func (m *meanwhile) run() {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
}

func (m *meanwhile) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if strings.HasSuffix(*in.Key, ".txt") {
		m.run()
	}
	return m.S3.PutObject(ctx, in, opts...)
}

func (m *meanwhile) Publish(ctx context.Context, in *sns.PublishInput, opts ...func(*sns.Options)) (*sns.PublishOutput, error) {
	m.run()
	return m.SNS.Publish(ctx, in, opts...)
}

// While a transition after the window delivers the report of an earlier one, its copies and other transitions arrive.
func TestEarlier_EventThatArrivesWhileItsReportIsDeliveredSilencesNothing(t *testing.T) {
	for name, other := range map[string]time.Duration{
		"a copy": 2 * time.Hour, "an earlier transition": time.Hour, "a later transition": 2*time.Hour + 2*time.Second,
	} {
		for service, fault := range map[string]func(*harness) *awsapitest.Fault{
			"S3": func(b *harness) *awsapitest.Fault { return &b.S3.Fault }, "SNS": func(b *harness) *awsapitest.Fault { return &b.SNS.Fault },
		} {
			t.Run(name+", after a failure of "+service, func(t *testing.T) {
				b := newHarnessAtTransition(t)
				hook := &meanwhile{S3: &b.S3, SNS: &b.SNS}
				b.Store, b.Topic = store.New(hook, bucket), notify.New(hook, topicARN)
				fault(b).Fail(awsapitest.ErrDown, -1)
				_, err := b.invoke(t, "1", fires(0))
				require.Error(t, err)
				fault(b).Fail(nil, 0)
				b.clock.advance(2 * time.Hour)
				hook.do = func() { b.mustBeDuplicate(t, "2", fires(other)) }
				b.mustInvestigate(t, "3", fires(2*time.Hour))
				assert.Nil(t, hook.do)
				assert.Equal(t, 2, b.agent.calls)
				assert.Len(t, b.notifications(), 2)
				b.mustBeDuplicate(t, "4", fires(2*time.Hour))
			})
		}
	}
}

// The event with which the alarm was OK before that arrives last.
func TestEarlier_EventThatArrivesWhileItsReportIsDeliveredPrecedesNoRecovery(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	hook := &meanwhile{S3: &b.S3, SNS: &b.SNS}
	b.Store, b.Topic = store.New(hook, bucket), notify.New(hook, topicARN)
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "1", fires(0))
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	b.clock.advance(2 * time.Hour)
	hook.do = func() { b.mustBeDuplicate(t, "2", fires(2*time.Hour+4*time.Second)) }
	b.mustInvestigate(t, "3", fires(2*time.Hour))
	b.mustBeSkipped(t, "4", stateChange("orders", "OK", 2*time.Hour+2*time.Second, ""), "no investigation to follow up")
	_, err = b.invoke(t, "5", stateChange("orders", "OK", 2*time.Hour+6*time.Second, ""))
	require.NoError(t, err)
	assert.Equal(t, "recovered", b.followUps())
}

// handsOverFirst lets the first invocation hand over. The fresh invocation waits in a queue.
func (b *harness) handsOverFirst(t *testing.T, owner, event string) triage.Result {
	t.Helper()
	b.agent.do = func(ctx context.Context, run investigation.Limits, _ *investigation.Record, _ []byte) error {
		b.agent.do = nil
		require.NoError(t, run.Checkpoint(ctx, []byte("state")))
		return investigation.ErrHandOver
	}
	answer, err := b.invoke(t, owner, event)
	require.NoError(t, err)
	require.Equal(t, triage.StatusHandedOver, answer.Results[0].Status)
	return answer.Results[0]
}

func TestEarlier_OnlyALaterTransitionDropsAnInvestigationThatWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		event    time.Duration
		goesOn   bool
		finished int // reports after the event
	}{
		"an earlier transition": {-time.Minute, true, 1},
		"the same transition":   {0, true, 1},
		"a later transition":    {2 * time.Hour, false, 1},
	} {
		for _, wait := range []time.Duration{0, 2 * time.Hour} {
			t.Run(fmt.Sprint(name, ", the fresh invocation begins ", wait, " later"), func(t *testing.T) {
				b := newHarnessAtTransition(t)
				waiting := b.handsOverFirst(t, "1", fires(0))
				b.clock.advance(2 * time.Hour)
				ended := b.mustInvestigate(t, "2", fires(tt.event))
				assert.Equal(t, tt.goesOn, ended.ID == waiting.ID)
				assert.Len(t, b.notifications(), tt.finished)
				b.clock.advance(wait)
				b.mustBeDuplicate(t, "the fresh invocation", string(b.Self.Events()[0].Payload))
				b.clock.advance(2*time.Hour - wait)
				b.mustInvestigate(t, "3", fires(4*time.Hour))
			})
		}
	}
}

// A finished report is delivered, whichever transition does so. The one that arrives late is then investigated.
func TestEarlier_TransitionThatArrivesLateDeliversALaterReport(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.SNS.Fail(awsapitest.ErrDown, 1)
	_, err := b.invoke(t, "1", fires(0))
	require.Error(t, err)
	b.clock.advance(2 * time.Hour)
	b.mustInvestigate(t, "2", fires(-time.Minute))
	assert.Len(t, b.notifications(), 2)
	assert.Equal(t, 2, b.agent.calls)
}

// brokenKeysDB fails for items whose keys begin with a text, and for updates that contain another one.
type brokenKeysDB struct {
	*awsapitest.DynamoDB
	key, update string
}

func (d brokenKeysDB) isBroken(key map[string]types.AttributeValue) bool {
	return d.key != "" && strings.HasPrefix(key[config.TableKey].(*types.AttributeValueMemberS).Value, d.key)
}

func (d brokenKeysDB) GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if d.isBroken(in.Key) {
		return nil, awsapitest.ErrDown
	}
	return d.DynamoDB.GetItem(ctx, in, opts...)
}

func (d brokenKeysDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if d.isBroken(in.Key) || d.update != "" && strings.Contains(*in.UpdateExpression, d.update) {
		return nil, awsapitest.ErrDown
	}
	return d.DynamoDB.UpdateItem(ctx, in, opts...)
}

// The self-alarm about the table depends on the metric.
func TestTable_FailuresThatMatterAreCounted(t *testing.T) {
	forged := notification("orders-errors", fields{"StateChangeTime": transition.Add(-time.Minute).Format(time.RFC3339Nano)})
	for name, tt := range map[string]struct {
		db     brokenKeysDB
		event  string
		fails  bool // the notification
		counts bool
	}{
		"the limits of the day":         {brokenKeysDB{key: "day#"}, fires(0), false, true},
		"the limit of forged events":    {brokenKeysDB{key: "unconfirmed-day#"}, forged, false, true},
		"the kill switch":               {brokenKeysDB{key: config.SwitchKey}, fires(0), false, true},
		"the claim":                     {brokenKeysDB{key: arnPrefix}, fires(0), false, true},
		"the beginning of the delivery": {brokenKeysDB{update: "delivering = :now"}, fires(0), false, true},
		"the end of the delivery":       {brokenKeysDB{update: ":done"}, fires(0), false, true},
		"a report that waits":           {brokenKeysDB{update: "parked = :parked"}, fires(0), true, true},
		"alarms that fired together":    {brokenKeysDB{key: "fired#"}, fires(0), false, false},
		"nothing":                       {brokenKeysDB{}, fires(0), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.MaxPerDay = 10
			tt.db.DynamoDB = &b.DB
			b.Table = dedupe.New(tt.db, "investigations", time.Hour, b.clock.now)
			if tt.fails {
				b.SNS.Fail(awsapitest.ErrDown, 1)
			}
			_, err := b.invoke(t, "1", tt.event)
			assert.Equal(t, tt.fails, err != nil)
			assert.Equal(t, tt.counts, b.metric(t, "LeaseFailures") > 0)
		})
	}
}

func TestTable_WhatItDidNotShowIsInTheReport(t *testing.T) {
	for name, tt := range map[string]struct {
		key  string // that cannot be read
		want []string
	}{
		"the alarm":                  {arnPrefix, []string{"the alarm's earlier investigations"}},
		"alarms that fired together": {"fired#", []string{"alarms that fired at about the same time"}},
		"nothing":                    {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Table = dedupe.New(brokenKeysDB{DynamoDB: &b.DB, key: tt.key}, "investigations", time.Hour, b.clock.now)
			b.SNS.Fail(awsapitest.ErrDown, 1)
			_, err := b.invoke(t, "1", fires(0))
			require.Error(t, err)
			var what []string
			for _, n := range b.record(t, b.mustInvestigate(t, "1", fires(0))).NotSeen {
				what = append(what, n.What)
			}
			assert.Equal(t, tt.want, what)
		})
	}
}

// The report was parked with the entry.
func TestTable_WhatARetrySeesIsNotMissing(t *testing.T) {
	b := newHarnessAtTransition(t)
	broken := &brokenKeysDB{DynamoDB: &b.DB, key: "fired#"}
	b.Table = dedupe.New(broken, "investigations", time.Hour, b.clock.now)
	b.S3.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "1", fires(0))
	require.Error(t, err)
	b.S3.Fail(nil, 0)
	broken.key = ""
	assert.Empty(t, b.record(t, b.mustInvestigate(t, "1", fires(0))).NotSeen)
}
