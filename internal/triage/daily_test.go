package triage_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// newDailyHarness returns a harness at noon UTC that investigates most alarms a day.
func newDailyHarness(t *testing.T, most int) *harness {
	b := newHarness(t)
	b.Config.MaxPerDay = most
	now := b.clock.now().UTC()
	b.clock.advance(now.Truncate(24 * time.Hour).Add(36 * time.Hour).Sub(now))
	return b
}

func TestDailyLimit_ReportsFurtherAlarmsWithEvidenceOnly(t *testing.T) {
	b := newDailyHarness(t, 2)
	for i := range 3 {
		result := b.mustInvestigate(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
		assert.Equal(t, i == 2, result.Outcome == investigation.OutcomeFallback)
	}
	assert.Equal(t, 2, b.agent.calls)
	assert.Equal(t, 3, b.tool.calls, "the evidence is collected")
	assert.Equal(t, 3, b.reports())
	require.Len(t, b.notifications(), 3)
	assert.NotContains(t, b.notifications()[1], "MaxInvestigationsPerDay")
	assert.Contains(t, b.notifications()[2], "2 investigations and questions already began on "+b.clock.now().UTC().Format(time.DateOnly)+
		" (UTC), the limit of MaxInvestigationsPerDay, so no model was asked")
	assert.EqualValues(t, 1, b.metric(t, emf.EvidenceOnly))
	assert.EqualValues(t, 3, b.metric(t, emf.Investigations))
	assert.Equal(t, "&{done {}}", b.state("arn:aws:cloudwatch:us-east-1:123456789012:alarm:a2"), "the claim is settled")
}

// A FIFO topic drops a message with the ID of another one for five minutes.
func TestDailyLimit_NoticesOfTwoTriagesDifferOnOneFIFOTopic(t *testing.T) {
	const fifo = topicARN + ".fifo"
	ids := map[string]bool{}
	for _, function := range []string{"shop", "bank"} {
		b := newDailyHarness(t, 1)
		b.FunctionName = function
		b.Topic = notify.New(&b.SNS, fifo)
		for i := range 3 {
			b.mustInvestigate(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
		}
		for _, in := range b.SNS.Published(fifo) {
			if _, isNotice := in.MessageAttributes["limit"]; isNotice {
				ids[*in.MessageDeduplicationId] = true
			}
		}
	}
	assert.Len(t, ids, 2, ids)
}

func TestDailyLimit_ZeroIsNoLimit(t *testing.T) {
	b := newDailyHarness(t, 0)
	for i := range 5 {
		b.mustInvestigate(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
	}
	assert.Equal(t, 5, b.agent.calls)
	assert.Nil(t, b.DB.Item("day#"+b.clock.now().UTC().Format(time.DateOnly)))
}

func TestDailyLimit_CountsAnInvestigationOnce(t *testing.T) {
	for name, interrupt := range map[string]func(b *harness, event string){
		"killed while the evidence was collected": func(b *harness, event string) {
			b.tool.after = func() { b.tool.after = nil; die() }
			b.invokeAndKill(t, "request-1", event)
		},
		"killed while the model was asked": func(b *harness, event string) {
			b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
				b.agent.do = nil
				die()
				return nil
			}
			b.invokeAndKill(t, "request-1", event)
		},
		"not sent": func(b *harness, event string) {
			b.SNS.Fail(awsapitest.ErrDown, 1)
			_, err := b.invoke(t, "request-1", event)
			require.Error(t, err)
		},
		"handed over": func(b *harness, event string) {
			b.agent.do = func(ctx context.Context, run investigation.Limits, _ *investigation.Record, _ []byte) error {
				b.agent.do = nil
				require.NoError(t, run.Checkpoint(ctx, []byte("state")))
				return investigation.ErrHandOver
			}
			_, err := b.invoke(t, "request-1", event)
			require.NoError(t, err)
			answer, err := b.invoke(t, "fresh", string(b.Self.Events()[0].Payload))
			require.NoError(t, err)
			require.Equal(t, investigation.OutcomeCompleted, answer.Results[0].Outcome)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDailyHarness(t, 2)
			event := action("first", 1)
			interrupt(b, event)
			if answer, err := b.invoke(t, "request-1", event); assert.NoError(t, err) && answer.Results[0].Status == triage.StatusInvestigated {
				assert.Equal(t, investigation.OutcomeCompleted, answer.Results[0].Outcome)
			}
			second := b.mustInvestigate(t, "request-2", action("second", 1))
			assert.Equal(t, investigation.OutcomeCompleted, second.Outcome, "the first one was counted once")
			third := b.mustInvestigate(t, "request-3", action("third", 1))
			assert.Equal(t, investigation.OutcomeFallback, third.Outcome)
		})
	}
}

func TestDailyLimit_RetriesOfALimitedInvestigationAskNoModel(t *testing.T) {
	b := newDailyHarness(t, 1)
	b.mustInvestigate(t, "request-1", action("first", 1))
	for _, interrupt := range []func(){
		func() { b.tool.after = func() { b.tool.after = nil; die() } },
		func() { b.SNS.Fail(awsapitest.ErrDown, 1) },
	} {
		event := action("second", 1)
		interrupt()
		done := make(chan struct{})
		go func() { defer close(done); _, _ = b.invoke(t, "request-2", event) }()
		<-done
	}
	b.mustInvestigate(t, "request-2", action("second", 1))
	assert.Equal(t, 1, b.agent.calls)
	assert.Len(t, b.notifications(), 2)
}

func TestDailyLimit_DoesNotCountEventsThatAreNotInvestigated(t *testing.T) {
	b := newDailyHarness(t, 2)
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	for i, event := range []string{fixture(t, "action-metric"), fixture(t, "sns-metric"), fixture(t, "action-ok")} {
		_, err := b.invoke(t, fmt.Sprint("other-", i), event)
		require.NoError(t, err)
	}
	assert.Equal(t, investigation.OutcomeCompleted, b.mustInvestigate(t, "request-2", action("second", 1)).Outcome)
	assert.Equal(t, investigation.OutcomeFallback, b.mustInvestigate(t, "request-3", action("third", 1)).Outcome)
}

func TestDailyLimit_BeginsAgainAtMidnight(t *testing.T) {
	b := newDailyHarness(t, 1)
	b.clock.advance(12*time.Hour - time.Minute) // 23:59 UTC
	b.tool.after = func() { b.tool.after = nil; die() }
	b.invokeAndKill(t, "request-1", action("late", 1))
	b.clock.advance(2 * time.Minute) // 00:01
	b.mustInvestigate(t, "request-1", action("late", 1))
	assert.Equal(t, investigation.OutcomeCompleted, b.mustInvestigate(t, "request-2", action("early", 1)).Outcome,
		"the retry counts on the day on which its investigation began")
	assert.Equal(t, investigation.OutcomeFallback, b.mustInvestigate(t, "request-3", action("next", 1)).Outcome)
}

func TestDailyLimit_UnavailableTableNeverPreventsAnInvestigation(t *testing.T) {
	b := newDailyHarness(t, 1)
	b.mustInvestigate(t, "request-1", action("first", 1))
	b.DB.Fail(awsapitest.ErrDown, -1)
	assert.Equal(t, investigation.OutcomeCompleted, b.mustInvestigate(t, "request-2", action("second", 1)).Outcome)
	assert.Equal(t, 2, b.agent.calls)
}

func TestDailyLimit_HoldsForSimultaneousAlarms(t *testing.T) {
	b := newDailyHarness(t, 5)
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			_, err := b.invoke(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
			assert.NoError(t, err)
		})
	}
	group.Wait()
	assert.Equal(t, 5, b.agent.calls)
	assert.Len(t, b.notifications(), 20)
	limited := 0
	for _, text := range b.notifications() {
		if strings.Contains(text, "MaxInvestigationsPerDay") {
			limited++
		}
	}
	assert.Equal(t, 15, limited)
}

func TestEvidence_MaySpendAQuarterOfTheQueryLimit(t *testing.T) {
	b := newHarness(t)
	b.Config.MaxQueryCostUSD = 2
	b.tool.billed = []toolcall.BilledQueries{{Operation: "logs:StartQuery", Requests: 1, Units: 1e9, Unit: toolcall.UnitBytes, CostUSD: 0.005}}
	b.mustInvestigate(t, "request-1", action("a", 1))
	require.Len(t, b.tool.requests, 1)
	require.NotNil(t, b.tool.requests[0].QueryLimitUSD)
	assert.Equal(t, 0.5, *b.tool.requests[0].QueryLimitUSD)
	assert.InDelta(t, 0.005, b.metric(t, emf.QueryCostUSD), 1e-12)
}
