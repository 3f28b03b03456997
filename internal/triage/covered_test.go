package triage_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// Every attempt of a composite alarm's investigation takes the leases of the triggering alarms again. Their window began with
// the claim of the first one.
func TestCovered_AlarmIsInvestigatedAfterTheWindowOfTheComposite(t *testing.T) {
	composite := stateChange("shop", "ALARM", 0, "ALARM(orders)", trigger("orders", "ALARM"))
	for name, attempts := range map[string]func(t *testing.T, b *harness){
		"one attempt": func(t *testing.T, b *harness) {
			b.mustInvestigate(t, "1", composite)
			b.clock.advance(50 * time.Minute)
		},
		"a hand-over that waits": func(t *testing.T, b *harness) {
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, _ []byte) error {
				require.NoError(t, run.Checkpoint(ctx, []byte("state")))
				if len(b.Self.Events()) == 0 {
					return investigation.ErrHandOver
				}
				return conclude(rec)
			}
			answer, err := b.invoke(t, "1", composite)
			require.NoError(t, err)
			require.Equal(t, triage.StatusHandedOver, answer.Results[0].Status)
			b.clock.advance(50 * time.Minute)
			b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload))
		},
		"an attempt that was killed": func(t *testing.T, b *harness) {
			b.tool.after = die
			b.invokeAndKill(t, "1", composite)
			b.tool.after = nil
			b.clock.advance(50 * time.Minute)
			b.mustInvestigate(t, "1", composite)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			attempts(t, b)
			b.mustBeDuplicate(t, "2", stateChange("orders", "ALARM", 50*time.Minute, ""))
			b.clock.advance(15 * time.Minute)
			b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 65*time.Minute, ""))
		})
	}
}

// If all attempts of a triggering alarm are killed while they deliver its report, perhaps nobody will ever read it.
func TestCovered_KilledDeliveryDoesNotSuppressTheComposite(t *testing.T) {
	b := newHarnessAtTransition(t)
	topic := b.Topic
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN)
	for range 3 {
		b.invokeAndKill(t, "1", stateChange("orders", "ALARM", 0, ""))
	}
	b.Topic = topic
	b.mustBeDuplicate(t, "2", stateChange("shop", "ALARM", time.Second, "ALARM(orders)", trigger("orders", "ALARM"))) // may still be delivered
	b.clock.advance(3 * time.Minute)
	b.mustInvestigate(t, "3", stateChange("shop", "ALARM", 3*time.Minute, "ALARM(orders)", trigger("orders", "ALARM")))
	assert.Len(t, b.notifications(), 1)
}

// A fresh invocation can wait behind many others for longer than the lease. Its investigation must not end without a report, which
// a composite alarm would not replace: it can fire because of another transition of the alarm.
func TestCovered_CompositeDoesNotEndAnUnfinishedInvestigation(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, _ []byte) error {
		if rec.Alarm.Name == "orders" && len(b.Self.Events()) == 0 {
			require.NoError(t, run.Checkpoint(ctx, []byte("state")))
			return investigation.ErrHandOver
		}
		return conclude(rec)
	}
	answer, err := b.invoke(t, "1", stateChange("orders", "ALARM", 0, ""))
	require.NoError(t, err)
	require.Equal(t, triage.StatusHandedOver, answer.Results[0].Status)
	b.clock.advance(20 * time.Minute)
	b.mustInvestigate(t, "2", stateChange("shop", "ALARM", 20*time.Minute, "ALARM(orders)", trigger("orders", "ALARM")))
	b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload))
	assert.Len(t, b.notifications(), 2)
}

// An investigation whose attempts all failed is resumed by the alarm's next event, which a composite alarm must not prevent. After
// the window, nobody resumes it.
func TestCovered_CompositeCoversAnUnfinishedInvestigationAfterItsWindow(t *testing.T) {
	composite := func(after time.Duration) string {
		return stateChange("shop", "ALARM", after, "ALARM(orders)", trigger("orders", "ALARM"))
	}
	b := newHarnessAtTransition(t)
	b.tool.after = die
	b.invokeAndKill(t, "1", stateChange("orders", "ALARM", 0, ""))
	b.tool.after = nil
	b.clock.advance(20 * time.Minute)
	b.mustInvestigate(t, "2", composite(20*time.Minute))
	b.mustInvestigate(t, "3", stateChange("orders", "ALARM", 20*time.Minute, ""))

	b = newHarnessAtTransition(t)
	b.tool.after = die
	b.invokeAndKill(t, "1", stateChange("orders", "ALARM", 0, ""))
	b.tool.after = nil
	b.clock.advance(time.Hour)
	b.mustInvestigate(t, "2", composite(time.Hour))
	b.mustBeDuplicate(t, "3", stateChange("orders", "ALARM", time.Hour, ""))
}
