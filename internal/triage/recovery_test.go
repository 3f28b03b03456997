package triage_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
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
