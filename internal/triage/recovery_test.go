package triage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// While a service is down, all attempts of an alarm fail. The alarm's return to OK must not be all that people learn about it.
func TestRecovery_DeliversParkedReportFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(b *harness) *awsapitest.Fault
		sent  int // notifications of the report before the recovery
	}{
		{"SNS was down", func(b *harness) *awsapitest.Fault { return &b.SNS.Fault }, 0},
		{"S3 was down", func(b *harness) *awsapitest.Fault { return &b.S3.Fault }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			b.Config.NotifyRecovery = true
			tt.fault(b).Fail(awsapitest.ErrDown, -1)
			for range 3 {
				_, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
				require.Error(t, err)
			}
			require.Len(t, b.notifications(), tt.sent)
			tt.fault(b).Fail(nil, 0)

			answer, err := b.invoke(t, "request-2", fixture(t, "action-ok"))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusRecovered, answer.Results[0].Status)
			require.Len(t, b.notifications(), 2)
			assert.Contains(t, b.notifications()[0], "cause: the role lost dynamodb:GetItem")
			assert.Contains(t, b.notifications()[1], "is OK again")
			assert.Contains(t, b.notifications()[1], "s3://"+bucket+"/reports/", "the recovery names the report")
			assert.Equal(t, 1, b.reports())
			assert.Contains(t, b.state(ordersARN), "done")
			assert.EqualValues(t, 1, b.metric(t, emf.Investigations))
			assert.Equal(t, 1, b.agent.calls)

			again, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, again.Results[0].Status, "a late retry of the alarm")
		})
	}
}

// The notification of a recovery does not wait for a bucket that is unavailable for long, because people have the report.
func TestRecovery_IsNotifiedWhileParkedReportCannotBeStored(t *testing.T) {
	b := newHarness(t)
	b.Config.NotifyRecovery = true
	b.S3.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
	require.Error(t, err)
	answer, err := b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusRecovered, answer.Results[0].Status)
	assert.Contains(t, b.state(ordersARN), "freed")

	b.S3.Fail(nil, 0)
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric")) // Lambda's retry of the alarm
	assert.Equal(t, 1, b.reports())
	assert.Len(t, b.notifications(), 2, "the report is not sent again")
	assert.Equal(t, 1, b.agent.calls)
}

// If neither can be sent, the retry sends both, the report first.
func TestRecovery_RetryDeliversParkedReportAndThenTheRecovery(t *testing.T) {
	b := newHarness(t)
	b.Config.NotifyRecovery = true
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
	require.Error(t, err)
	_, err = b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	_, err = b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.NoError(t, err)
	require.Len(t, b.notifications(), 2)
	assert.Contains(t, b.notifications()[0], "cause:")
	assert.Contains(t, b.notifications()[1], "is OK again")
}

func TestRecovery_CardThatIsNotSentIsCounted(t *testing.T) {
	b := newHarness(t)
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	var cards awsapitest.SNS
	cards.Fail(awsapitest.ErrDown, -1)
	b.CardTopic = notify.New(&cards, cardARN)
	_, err := b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.NoError(t, err)
	assert.Len(t, b.notifications(), 2)
	assert.EqualValues(t, 1, b.metric(t, emf.NotificationFailures))
}

// failingOnce is a table that fails one write: it is lost, or its answer is. Something happens before a recovery is recorded.
type failingOnce struct {
	awsapi.DynamoDB
	expression string // beginning of the write's update expression
	isDone     bool   // only the answer is lost
	before     func()
}

func (f *failingOnce) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if before := f.before; before != nil && strings.HasPrefix(*in.UpdateExpression, "SET recovery_of") {
		f.before = nil
		before()
	}
	if f.expression == "" || !strings.HasPrefix(*in.UpdateExpression, f.expression) {
		return f.DynamoDB.UpdateItem(ctx, in, o...)
	}
	f.expression = ""
	if f.isDone {
		_, _ = f.DynamoDB.UpdateItem(ctx, in, o...)
	}
	return nil, awsapitest.ErrDown
}

func TestRecovery_OfAnAlarmThatAlreadyFiresAgainIsNotNotifiedByARetry(t *testing.T) {
	for name, table := range map[string]*failingOnce{
		"the record of the recovery stays":        {expression: "REMOVE recovery_of"},
		"the answer to that record's end is lost": {expression: "REMOVE recovery_of", isDone: true},
		"the recovery is not recorded":            {expression: "SET recovery_of"},
		"the answer to the record of it is lost":  {expression: "SET recovery_of", isDone: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			table.DynamoDB = &b.DB
			b.Table = dedupe.New(table, "investigations", time.Hour, b.clock.now)
			b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
			table.before = func() { b.mustBeDuplicate(t, "3", stateChange("orders", "ALARM", 10*time.Minute, "")) }
			late := stateChange("orders", "OK", 5*time.Minute, "")
			_, err := b.invoke(t, "2", late)
			require.Error(t, err)
			b.mustBeSkipped(t, "2", late, "no investigation to follow up")
			assert.Empty(t, b.followUps())
			_, err = b.invoke(t, "4", stateChange("orders", "OK", 15*time.Minute, ""))
			require.NoError(t, err)
			assert.Equal(t, "recovered", b.followUps(), "the next recovery is notified")
		})
	}
}

func TestRecovery_LateEventDoesNotHideThatTheAlarmFiresAgain(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	_, err := b.invoke(t, "2", stateChange("orders", "OK", 5*time.Minute, ""))
	require.NoError(t, err)
	topic, again := b.Topic, stateChange("orders", "ALARM", 10*time.Minute, "")
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN)
	b.invokeAndKill(t, "3", again)
	b.Topic = topic
	b.mustBeSkipped(t, "2b", stateChange("orders", "OK", 5*time.Minute, ""), "no investigation to follow up") // through another path
	b.mustBeDuplicate(t, "3", again)
	assert.Equal(t, "recovered fires_again", b.followUps())
}

// stalling is a topic on which something happens before the first notification of a recovery is published.
type stalling struct {
	awsapi.SNS
	before func() error
}

func (s *stalling) Publish(ctx context.Context, in *sns.PublishInput, o ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if before := s.before; before != nil && *in.MessageAttributes["outcome"].StringValue == "recovered" {
		s.before = nil
		if err := before(); err != nil {
			return nil, err
		}
	}
	return s.SNS.Publish(ctx, in, o...)
}

func TestRecovery_SlowNotificationIsNotTheLastWord(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name      string
		meanwhile []string // states, 10 s after each other
		err       error    // of the slow notification
		next      string   // state of the next event, a minute later
		want      string
	}{
		{"the alarm fires again", []string{"ALARM"}, nil, "", "fires_again recovered fires_again"},
		{"the alarm fires again and is OK again", []string{"ALARM", "OK"}, nil, "ALARM", "fires_again recovered recovered fires_again"},
		{"the notification fails", nil, awsapitest.ErrDown, "ALARM", "recovered fires_again"},
		{"the notification fails, the alarm fires again", []string{"ALARM"}, awsapitest.ErrDown, "OK", "fires_again recovered"},
		{"the notification fails, the alarm fires again and is OK again", []string{"ALARM", "OK"}, awsapitest.ErrDown, "ALARM", "fires_again recovered fires_again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.NotifyRecovery = true
			send := func(owner, state string, after time.Duration) error {
				_, err := b.invoke(t, owner, stateChange("orders", state, after, ""))
				return err
			}
			topic := &stalling{SNS: &b.SNS}
			b.Topic = notify.New(topic, topicARN)
			require.NoError(t, send("1", "ALARM", 0))
			topic.before = func() error {
				for i, state := range tt.meanwhile {
					require.NoError(t, send(fmt.Sprint("meanwhile ", i), state, time.Minute+time.Duration(i+1)*10*s))
				}
				return tt.err
			}
			err := send("2", "OK", time.Minute)
			assert.ErrorIs(t, err, tt.err)
			if err != nil {
				require.NoError(t, send("2", "OK", time.Minute), "Lambda's retry")
			}
			if tt.next != "" {
				require.NoError(t, send("3", tt.next, 2*time.Minute))
			}
			assert.Equal(t, tt.want, b.followUps())
		})
	}
}
