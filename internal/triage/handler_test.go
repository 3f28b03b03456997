package triage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

func TestHandle_StoresReportAndNotifies(t *testing.T) {
	b := newHarness(t)
	b.CardTopic = notify.New(&b.SNS, cardARN)
	b.Config.EventBus = "bus"
	result := b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))

	assert.Regexp(t, "^[0-9a-f]{12}$", result.ID)
	assert.Equal(t, investigation.OutcomeCompleted, result.Outcome)
	assert.Regexp(t, `^s3://reports-bucket/reports/\d{4}/\d\d/\d\d/\d{6}-orders-errors-[0-9a-f]{12}\.txt$`, result.ReportURI)
	base := strings.TrimSuffix(strings.TrimPrefix(result.ReportURI, "s3://"+bucket+"/"), ".txt")
	for _, form := range []string{".txt", ".html", ".json", "-conversation.json"} {
		assert.NotEmpty(t, b.S3.Object(bucket, base+form), form)
	}
	require.Len(t, b.notifications(), 1)
	assert.Contains(t, b.notifications()[0], "cause: the role lost dynamodb:GetItem")
	assert.Contains(t, b.notifications()[0], result.ReportURI)
	attributes := b.SNS.Published(topicARN)[0].MessageAttributes
	assert.Equal(t, "confirmed", *attributes["confidence"].StringValue)
	assert.Len(t, b.SNS.Published(cardARN), 1)
	assert.Contains(t, b.state(ordersARN), "done")

	require.Len(t, b.Events.Put(), 1)
	var detail map[string]any
	require.NoError(t, json.Unmarshal([]byte(*b.Events.Put()[0].Entries[0].Detail), &detail))
	assert.Equal(t, result.ReportURI, detail["report_uri"])
	assert.Equal(t, "confirmed", detail["report"].(map[string]any)["confidence"])

	for name, want := range map[string]float64{
		emf.Investigations: 1, emf.Completed: 1, emf.Fallback: 0, emf.Rounds: 1, emf.ToolCalls: 2, emf.InputTokens: 1000,
		emf.CostUSD: 0.25, emf.Redactions: 2, emf.BrokerRefusals: 1, emf.Duplicates: 0,
	} {
		assert.Equal(t, want, b.metric(t, name), name)
	}
}

func TestHandle_InvestigatesSameTransitionFromAllPathsOnce(t *testing.T) {
	b := newHarnessAtTransition(t)
	paths := []string{fixture(t, "action-metric"), fixture(t, "eventbridge-metric"), fixture(t, "sns-metric")}
	var mu sync.Mutex
	count := map[triage.Status]int{}
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			answer, err := b.invoke(t, fmt.Sprintf("request-%d", i), paths[i%3])
			mu.Lock()
			defer mu.Unlock()
			if assert.NoError(t, err) {
				count[answer.Results[0].Status]++
			}
		})
	}
	wg.Wait()
	assert.Equal(t, map[triage.Status]int{triage.StatusInvestigated: 1, triage.StatusDuplicate: 299}, count)
	assert.Equal(t, 1, b.agent.calls)
	assert.Len(t, b.notifications(), 1)
	assert.Equal(t, 299.0, b.metric(t, emf.Duplicates))
}

func TestHandle_SkipsOtherStatesMutedAndSuppressedAlarms(t *testing.T) {
	tests := []struct {
		fixture, want string
	}{
		{"action-ok", "not ALARM"},
		{"eventbridge-insufficient-data", "INSUFFICIENT_DATA"},
		{"eventbridge-muted", "muted by arn:"},
		{"eventbridge-suppressed", "suppressed (Alarm)"},
		{"eventbridge-configuration-change", "Configuration Change"},
	}
	for _, tt := range tests {
		t.Run(tt.fixture, func(t *testing.T) {
			b := newHarness(t)
			answer, err := b.invoke(t, "request-1", fixture(t, tt.fixture))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusSkipped, answer.Results[0].Status)
			assert.Contains(t, answer.Results[0].Reason, tt.want)
			assert.Zero(t, b.agent.calls)
			assert.Empty(t, b.notifications())
			assert.Equal(t, 1.0, b.metric(t, emf.Skipped))
		})
	}
}

func TestHandle_FailsOnUnknownEvent(t *testing.T) {
	b := newHarness(t)
	_, err := b.invoke(t, "request-1", `{"hello":"world"}`)
	require.ErrorContains(t, err, "unknown event: expected an alarm action")
	assert.Equal(t, 1.0, b.metric(t, emf.UnknownEvents))
}

func TestHandle_NotifiesOrRetriesWhileServicesAreDown(t *testing.T) {
	type down struct{ s3, sns, db bool }
	tests := []struct {
		name          string
		down          down
		wantError     bool // the invocation fails and Lambda retries it
		wantNotified  int  // notifications while the services are unavailable
		wantAfter     int  // notifications after the retry
		wantAgentRuns int
	}{
		{"S3", down{s3: true}, true, 1, 1, 1},
		{"SNS", down{sns: true}, true, 0, 1, 1},
		{"DynamoDB", down{db: true}, false, 1, 1, 1},
		{"S3 and SNS", down{s3: true, sns: true}, true, 0, 1, 1},
		{"S3 and DynamoDB", down{s3: true, db: true}, true, 1, 2, 2}, // without the table, the retry cannot know about the first notification: two are better than none
		{"SNS and DynamoDB", down{sns: true, db: true}, true, 0, 1, 1},
		{"all three", down{s3: true, sns: true, db: true}, true, 0, 1, 2},
	}
	for _, tt := range tests {
		for _, how := range []string{"refused", "denied"} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				b := newHarness(t)
				err := awsapitest.ErrDown
				if how == "denied" {
					err = awsapitest.Denied("service:Action")
				}
				setFault := func(times int) {
					if tt.down.s3 {
						b.S3.Fail(err, times)
					}
					if tt.down.sns {
						b.SNS.Fail(err, times)
					}
					if tt.down.db {
						b.DB.Fail(err, times)
					}
				}
				setFault(-1)
				answer, failure := b.invoke(t, "request-1", fixture(t, "action-metric"))
				assert.Equal(t, tt.wantError, failure != nil, "%v", failure)
				assert.Len(t, b.notifications(), tt.wantNotified)
				if !tt.wantError {
					assert.Equal(t, triage.StatusInvestigated, answer.Results[0].Status)
					return
				}
				if tt.wantNotified > 0 {
					assert.Contains(t, b.notifications()[0], "could not be stored")
					note, _, _ := strings.Cut(b.notifications()[0], "\n\n")
					for line := range strings.SplitSeq(note, "\n") {
						assert.Regexp(t, `^(NOTE: |  )`, line, "the text of an error is indented")
					}
					assert.Contains(t, b.notifications()[0], "cause: the role lost dynamodb:GetItem", "the notification still has the findings")
				}
				setFault(0)
				b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
				assert.Len(t, b.notifications(), tt.wantAfter)
				assert.Equal(t, 1, b.reports())
				assert.Equal(t, tt.wantAgentRuns, b.agent.calls, "a finished investigation is not repeated")
				assert.Contains(t, b.state(ordersARN), "done")
			})
		}
	}
}

func TestHandle_BucketThatStaysUnavailableSilencesNoLaterTransition(t *testing.T) {
	b := newHarness(t)
	b.S3.Fail(awsapitest.Denied("s3:PutObject"), -1)
	for i := range 4 {
		for attempt := range 3 {
			_, err := b.invoke(t, fmt.Sprint("request-", i), action("orders-errors", i*7200))
			require.Error(t, err, "the bucket is still unavailable")
			assert.Len(t, b.notifications(), i+1, "attempt %d at transition %d", attempt, i)
		}
		b.clock.advance(2 * time.Hour)
	}
	assert.Equal(t, 4, b.agent.calls, "each transition is investigated once")
	b.S3.Fail(nil, 0)
	b.mustInvestigate(t, "request-3", action("orders-errors", 3*7200))
	assert.Len(t, b.notifications(), 4)
	assert.Equal(t, 1, b.reports())
	past := b.DB.Item(ordersARN)["past"]
	assert.Len(t, past.(*dynamodbtypes.AttributeValueMemberL).Value, 4, "later reports mention all of them")
}

func TestHandle_RetryResumesKilledInvocation(t *testing.T) {
	tests := []struct {
		name          string
		kill          func(b *harness) (heal func())
		tools         int // evidence calls in the end
		agents        int
		notifications int
	}{
		{"while it collects evidence", func(b *harness) func() {
			b.tool.after = die
			return func() { b.tool.after = nil }
		}, 2, 1, 1},
		{"before the first checkpoint of the agent", func(b *harness) func() {
			b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
				waitFor(func() bool { return len(b.S3.Keys("checkpoints/")) > 0 })
				die()
				return nil
			}
			return func() {
				b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, resume []byte) error {
					assert.Nil(t, resume, "the checkpoint contains no state of the agent")
					return conclude(rec)
				}
			}
		}, 1, 2, 1},
		{"while the report is rendered", func(b *harness) func() {
			b.Renderer = dyingRenderer{b.render}
			return func() { b.Renderer = b.render }
		}, 1, 1, 1},
		{"right after the notification", func(b *harness) func() {
			b.Config.EventBus = "bus"
			b.EventBridge = dyingBus{}
			return func() { b.EventBridge = &b.Events }
		}, 1, 1, 2}, // nothing shows whether the notification was sent: two are better than none
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			heal := tt.kill(b)
			b.invokeAndKill(t, "request-1", fixture(t, "action-metric"))
			heal()
			answer, err := b.invoke(t, "request-2", fixture(t, "eventbridge-metric"))
			require.NoError(t, err)
			assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status, "the lease still runs")
			b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
			assert.Equal(t, tt.tools, b.tool.calls)
			assert.Equal(t, tt.agents, b.agent.calls)
			assert.Len(t, b.notifications(), tt.notifications)
			assert.Equal(t, 1, b.reports(), "the retry writes to the same objects")
			assert.Contains(t, b.notifications()[0], "resumed: ")
			assert.Contains(t, b.state(ordersARN), "done")
		})
	}
}

func TestHandle_CrashWithoutRetryDoesNotSuppressNextAlarm(t *testing.T) {
	b := newHarness(t)
	b.tool.after = die
	b.invokeAndKill(t, "request-1", action("orders-errors", 1))
	b.tool.after = nil
	b.clock.advance(lifetime + 10*time.Second)
	b.mustInvestigate(t, "request-2", action("orders-errors", 1000))
	assert.Len(t, b.notifications(), 1)
}

func TestHandle_RetryResumesAgentFromLastCheckpoint(t *testing.T) {
	b := newHarness(t)
	b.agent.do = func(ctx context.Context, run investigation.Limits, _ *investigation.Record, resume []byte) error {
		assert.Empty(t, resume)
		require.NoError(t, run.Checkpoint(ctx, []byte("round 1")))
		require.NoError(t, run.Checkpoint(ctx, []byte("round 2\nwith two lines")))
		waitFor(func() bool {
			keys := b.S3.Keys("checkpoints/")
			return len(keys) == 1 && strings.Contains(string(b.S3.Object(bucket, strings.TrimPrefix(keys[0], bucket+"/"))), "round 2")
		})
		die()
		return nil
	}
	b.invokeAndKill(t, "request-1", fixture(t, "action-metric"))
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, resume []byte) error {
		assert.Equal(t, "round 2\nwith two lines", string(resume))
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	assert.Equal(t, 1, b.tool.calls, "the evidence is not collected again")
	assert.Contains(t, b.notifications()[0], "resumed: 1")
}

func TestHandOver_ContinuesAtMostThreeTimes(t *testing.T) {
	b := newHarnessAtTransition(t)
	rounds := 0
	b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
		if rounds > 0 {
			assert.Equal(t, fmt.Sprint("state ", rounds), string(resume))
		}
		rounds++
		require.NoError(t, run.Checkpoint(ctx, fmt.Append(nil, "state ", rounds)))
		if run.MayHandOver {
			return investigation.ErrHandOver
		}
		return conclude(rec)
	}
	answer, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
	require.NoError(t, err)
	for i := 1; i <= 3; i++ {
		assert.Equal(t, triage.StatusHandedOver, answer.Results[0].Status)
		require.Len(t, b.Self.Events(), i)
		in := b.Self.Events()[i-1]
		assert.Equal(t, "triage-handler", *in.FunctionName, "it only invokes itself")
		late, err := b.invoke(t, "another", fixture(t, "sns-metric"))
		require.NoError(t, err)
		assert.Equal(t, triage.StatusDuplicate, late.Results[0].Status)
		answer, err = b.invoke(t, fmt.Sprint("fresh-", i), string(in.Payload))
		require.NoError(t, err)
	}
	assert.Equal(t, triage.StatusInvestigated, answer.Results[0].Status)
	assert.Equal(t, 4, rounds)
	assert.Len(t, b.notifications(), 1)
	assert.Equal(t, 1, b.tool.calls)
	again, err := b.invoke(t, "fresh-3", string(b.Self.Events()[2].Payload))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusDuplicate, again.Results[0].Status, "a hand-over that is delivered twice does nothing")
}

func TestHandle_CountsEachFailedAttemptAtAnAlarm(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.handsOverFor(0.1)
	_, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
	require.NoError(t, err)
	handOver := string(b.Self.Events()[0].Payload)
	b.SNS.Fail(awsapitest.ErrDown, -1)
	for i := range 2 { // an attempt and its retry
		_, err := b.invoke(t, "fresh", handOver)
		require.Error(t, err)
		assert.InDelta(t, i+1, b.metric(t, emf.Failed), 0)
	}
	_, err = b.invoke(t, "request-2", action("other", 1))
	require.NoError(t, err, "it hands over")
	_, err = b.invoke(t, "fresh-2", string(b.Self.Events()[1].Payload))
	require.Error(t, err)
	assert.InDelta(t, 3, b.metric(t, emf.Failed), 0)
	b.SNS.Fail(nil, 0)
	b.mustInvestigate(t, "fresh", handOver)
	assert.InDelta(t, 3, b.metric(t, emf.Failed), 0)

	_, err = b.invoke(t, "request-3", `{"unknown": true}`)
	require.Error(t, err)
	assert.InDelta(t, 3, b.metric(t, emf.Failed), 0, "an event that is not understood has its own metric")
	assert.InDelta(t, 1, b.metric(t, emf.UnknownEvents), 0)
}

func TestHandOver_FailureConcludesInSameInvocation(t *testing.T) {
	for name, breakIt := range map[string]func(*harness){
		"no invocation": func(b *harness) { b.Self.Fail(awsapitest.Denied("lambda:InvokeFunction"), -1) },
		"no checkpoint": func(b *harness) { b.S3.Fail(awsapitest.ErrDown, 3) },
		"not accepted":  func(b *harness) { b.Self.Status = 200 },
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			breakIt(b)
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
				if run.MayHandOver {
					waitFor(func() bool { return b.S3.Calls() > 1 })
					require.NoError(t, run.Checkpoint(ctx, []byte("state")))
					return investigation.ErrHandOver
				}
				assert.Equal(t, "state", string(resume))
				assert.False(t, run.ConcludeAt.After(b.clock.now()))
				return conclude(rec)
			}
			b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
			assert.Len(t, b.notifications(), 1)
			assert.Empty(t, b.Self.Events())
			assert.Contains(t, b.state(ordersARN), "done")
		})
	}
}

func TestHandle_DeliversReportWhenAgentFails(t *testing.T) {
	tests := []struct {
		name string
		do   func(ctx context.Context, rec *investigation.Record) error
		want string
	}{
		{"it panics", func(context.Context, *investigation.Record) error { panic("a bug") }, "the agent failed: a bug"},
		{"it fails", func(context.Context, *investigation.Record) error { return errors.New("no such model") }, "no such model"},
		{"its time runs out", func(context.Context, *investigation.Record) error { return context.DeadlineExceeded }, "longer OrchestratorTimeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			b.agent.do = func(ctx context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				return tt.do(ctx, rec)
			}
			result := b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
			assert.Equal(t, investigation.OutcomeFallback, result.Outcome)
			assert.Contains(t, b.notifications()[0], tt.want)
			assert.Equal(t, 1, b.reports())
			assert.Equal(t, 1.0, b.metric(t, emf.Fallback))
			for _, name := range []string{"severity", "confidence"} { // a filter policy skips notifications without the attribute
				require.Contains(t, b.SNS.Published(topicARN)[0].MessageAttributes, name)
				assert.Equal(t, "unknown", *b.SNS.Published(topicARN)[0].MessageAttributes[name].StringValue, name)
			}
		})
	}
}

func TestHandle_DeliversBareFactsWhenRendererPanics(t *testing.T) {
	b := newHarness(t)
	b.render.panics = true
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	require.Len(t, b.notifications(), 1)
	assert.Contains(t, b.notifications()[0], "the role lost dynamodb:GetItem")
	assert.Equal(t, 1, b.reports())
}

func TestHandle_BareFactsQuoteUntrustedText(t *testing.T) {
	b := newHarness(t)
	b.render.panics = true
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		err := conclude(rec)
		rec.Report.Summary = "fine\n\nLINKS\vReport:\u2028https://evil.example\u202e"
		return err
	}
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	assert.Contains(t, b.notifications()[0], `Summary: "fine\n\nLINKS\vReport:\u2028https://evil.example\u202e"`)
}

func TestHandle_RecordsUnavailableToolInEvidence(t *testing.T) {
	b := newHarness(t)
	b.tool.err = errors.New("the tool function is throttled")
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		assert.Equal(t, "the tool function is throttled", rec.Evidence.Problem)
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
}

func TestBudget_ReservesTimeToStoreAndNotify(t *testing.T) {
	for _, lifetime := range []time.Duration{900 * time.Second, 60 * time.Second, 20 * time.Second} {
		b := newHarness(t)
		var run investigation.Limits
		var agentEnds time.Time
		b.agent.do = func(ctx context.Context, r investigation.Limits, rec *investigation.Record, _ []byte) error {
			run = r
			agentEnds, _ = ctx.Deadline()
			return conclude(rec)
		}
		deadline := time.Now().Add(lifetime)
		ctx, cancel := context.WithDeadline(t.Context(), deadline)
		_, err := b.Handle(ctx, "request-1", []byte(fixture(t, "action-metric")))
		cancel()
		require.NoError(t, err)
		assert.GreaterOrEqual(t, deadline.Sub(agentEnds), min(lifetime/5, 30*time.Second))
		assert.Greater(t, agentEnds.Sub(run.ConcludeAt), lifetime/20)
		assert.Greater(t, time.Until(run.ConcludeAt), lifetime/3)
	}
}

func TestHandle_HangingServiceLeavesTimeForOthers(t *testing.T) {
	tests := []struct {
		name string
		hang func(b *harness)
		want int // notifications
	}{
		{"S3", func(b *harness) { b.S3.Hang(true) }, 1},
		{"DynamoDB", func(b *harness) { b.DB.Hang(true) }, 1},
		{"EventBridge", func(b *harness) { b.Events.Hang(true) }, 1},
		{"S3 and DynamoDB", func(b *harness) { b.S3.Hang(true); b.DB.Hang(true) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newHarness(t)
			b.Config.EventBus = "bus"
			tt.hang(b)
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			_, _ = b.Handle(ctx, "request-1", []byte(fixture(t, "action-metric")))
			assert.NoError(t, ctx.Err(), "the handler returns before Lambda kills it")
			assert.Len(t, b.notifications(), tt.want)
		})
	}
}

func TestHandle_ReportsRepeatsAndAlarmsThatFiredTogether(t *testing.T) {
	b := newHarness(t)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		if rec.Alarm.Name == "a" {
			for i := range 5 {
				_, err := b.invoke(t, fmt.Sprint("repeat-", i), action("a", 10+i))
				require.NoError(t, err)
			}
			_, err := b.invoke(t, "other", action("b", 3))
			require.NoError(t, err)
		}
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-1", action("a", 1))
	require.Len(t, b.notifications(), 2)
	assert.Contains(t, b.notifications()[1], "repeats: 5\ntogether: 1\n")
	assert.Contains(t, b.notifications()[0], "together: 1\n", "each notification mentions the other alarm")
}

func TestTogether_DoesNotDependOnHowLongAnythingTakes(t *testing.T) {
	for name, events := range map[string]struct{ first, second time.Duration }{ // processed so long after the transition
		"a long investigation": {0, time.Second},
		"a wait in the queue":  {0, 12 * time.Minute},
		"two waits":            {20 * time.Minute, 90 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				if rec.Alarm.Name == "a" {
					if events.second < time.Minute {
						b.mustInvestigate(t, "b", stateChange("b", "ALARM", time.Second, ""))
					}
					b.clock.advance(11 * time.Minute)
				}
				return conclude(rec)
			}
			b.clock.advance(events.first)
			inA := b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
			b.mustInvestigate(t, "later", stateChange("later", "ALARM", 11*time.Minute, ""))
			names := func(result triage.Result) (names []string) {
				for _, other := range b.record(t, result).Together {
					names = append(names, other.Name)
				}
				return names
			}
			if events.second < time.Minute {
				assert.Equal(t, []string{"b"}, names(inA))
				return
			}
			b.clock.advance(events.second - events.first)
			assert.Equal(t, []string{"a"}, names(b.mustInvestigate(t, "b", stateChange("b", "ALARM", time.Second, ""))))
		})
	}
}

func TestHandle_StormInvestigatesEachAlarmOnce(t *testing.T) {
	b := newHarness(t)
	const alarms, events = 250, 1000
	var wg sync.WaitGroup
	gate := make(chan struct{}, 50)
	for i := range events {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			_, err := b.invoke(t, fmt.Sprint("request-", i), action(fmt.Sprint("alarm-", i%alarms), i/alarms))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Equal(t, alarms, b.agent.calls)
	assert.Len(t, b.notifications(), alarms)
	assert.Equal(t, alarms, b.reports())
	assert.Equal(t, float64(events-alarms), b.metric(t, emf.Duplicates))
}

func TestHandle_InvestigatesCompositeAlarmAndItsTriggersOnce(t *testing.T) {
	b := newHarness(t)
	b.mustInvestigate(t, "request-1", fixture(t, "action-composite"))
	answer, err := b.invoke(t, "request-2", fixture(t, "eventbridge-metric"))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
	assert.Contains(t, answer.Results[0].Reason, "together with arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-down")
	assert.Equal(t, 1, b.agent.calls)
}

func TestHandle_PassesPastInvestigationsToAgent(t *testing.T) {
	b := newHarness(t)
	first := b.mustInvestigate(t, "request-1", action("a", 1))
	b.clock.advance(2 * time.Hour)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		require.Len(t, rec.SeenBefore, 1)
		assert.Equal(t, "the role lost dynamodb:GetItem", rec.SeenBefore[0].Cause)
		assert.Equal(t, first.ID, rec.SeenBefore[0].ID)
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-2", action("a", 7300))
	assert.Contains(t, b.notifications()[1], "before: 1")
}

// A summary is not a cause, and a cause is only remembered with its confidence.
func TestHandle_RemembersOnlyACauseWithItsConfidence(t *testing.T) {
	for _, tt := range []struct {
		name   string
		report investigation.Report
		want   investigation.Past
	}{
		{"confirmed", investigation.Report{Summary: "s", RootCause: " the role\n", Confidence: investigation.Confirmed}, investigation.Past{Cause: "the role", Confidence: investigation.Confirmed}},
		{"likely", investigation.Report{Summary: "s", RootCause: "the role", Confidence: investigation.Likely}, investigation.Past{Cause: "the role", Confidence: investigation.Likely}},
		{"unknown", investigation.Report{Summary: "s", RootCause: "the role", Confidence: investigation.Unknown}, investigation.Past{Cause: "the role", Confidence: investigation.Unknown}},
		{"without a confidence", investigation.Report{RootCause: "the role"}, investigation.Past{Cause: "the role", Confidence: investigation.Unknown}},
		{"with a confidence that does not exist", investigation.Report{RootCause: "the role", Confidence: "certain"}, investigation.Past{Cause: "the role", Confidence: investigation.Unknown}},
		{"only a summary", investigation.Report{Summary: "the pool is exhausted", Confidence: investigation.Unknown}, investigation.Past{Confidence: investigation.Unknown}},
		{"a summary that calls itself confirmed", investigation.Report{Summary: "the pool is exhausted", Confidence: investigation.Confirmed}, investigation.Past{Confidence: investigation.Unknown}},
		{"a blank cause", investigation.Report{Summary: "s", RootCause: " \n", Confidence: investigation.Confirmed}, investigation.Past{Confidence: investigation.Unknown}},
		{"free text", investigation.Report{FreeText: "it is the pool", Summary: "s", Confidence: investigation.Unknown}, investigation.Past{Confidence: investigation.Unknown}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				require.NoError(t, conclude(rec))
				rec.Report = tt.report
				return nil
			}
			b.mustInvestigate(t, "request-1", action("a", 1))
			b.clock.advance(2 * time.Hour)
			var seen []investigation.Past
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				seen = rec.SeenBefore
				return conclude(rec)
			}
			b.mustInvestigate(t, "request-2", action("a", 7300))
			require.Len(t, seen, 1)
			assert.Equal(t, tt.want, investigation.Past{Cause: seen[0].Cause, Confidence: seen[0].Confidence})
		})
	}
}

func TestHandle_NotifiesRecoveryOnce(t *testing.T) {
	b := newHarness(t)
	b.Config.NotifyRecovery = true
	b.CardTopic = notify.New(&b.SNS, cardARN)
	skipped, err := b.invoke(t, "request-0", fixture(t, "action-ok"))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusSkipped, skipped.Results[0].Status, "nothing was investigated")

	result := b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	b.SNS.Fail(awsapitest.ErrDown, 1)
	_, err = b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.Error(t, err)
	answer, err := b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusRecovered, answer.Results[0].Status)
	require.Len(t, b.notifications(), 2)
	assert.Contains(t, b.notifications()[1], "is OK again")
	assert.Contains(t, b.notifications()[1], result.ReportURI)
	assert.Len(t, b.SNS.Published(cardARN), 2)
	again, err := b.invoke(t, "request-3", fixture(t, "action-ok"))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusSkipped, again.Results[0].Status)
}

func TestInstructions_MissingObjectDoesNotStopInvestigation(t *testing.T) {
	b := newHarness(t)
	b.Config.Instructions = "Look at the canary first."
	b.Config.InstructionsURI = "s3://runbooks/orders.md"
	result := b.mustInvestigate(t, "request-1", action("a", 1))
	assert.Equal(t, "Look at the canary first.", b.agent.runs[0].Instructions, "the object does not exist")
	if unread := b.record(t, result).NotSeen; assert.Len(t, unread, 1, "the report says that nobody read it") {
		assert.Equal(t, "the instructions s3://runbooks/orders.md", unread[0].What)
		assert.Contains(t, unread[0].Why, "NoSuchKey")
	}
	b.Config.InstructionsURI = "not a URI"
	b.mustInvestigate(t, "request-2", action("b", 1))
	assert.Equal(t, "Look at the canary first.", b.agent.runs[1].Instructions)
}

func TestHandle_LongNamesAndReportsFitAllLimits(t *testing.T) {
	b := newHarness(t)
	b.render.body = strings.Repeat("日本語のログ行\n", 60000)
	name := strings.Repeat("🚨注文/é ", 42) + "🚨注文" // 255 characters
	b.mustInvestigate(t, "request-1", action(name, 1))
	in := b.SNS.Published(topicARN)[0]
	assert.Less(t, len(*in.Subject), 100)
	assert.Regexp(t, `^[ -~]+$`, *in.Subject)
	size := len(*in.Message)
	for name, value := range in.MessageAttributes {
		size += len(name) + len(*value.DataType) + len(*value.StringValue)
	}
	assert.LessOrEqual(t, size, notify.MaxMessage)
	assert.True(t, utf8.ValidString(*in.Message))
	for _, key := range b.S3.Keys("") {
		assert.Regexp(t, `^[A-Za-z0-9/._-]+$`, key)
		assert.Less(t, len(key), 300)
	}
}

type dyingRenderer struct{ triage.Renderer }

func (dyingRenderer) Subject(*investigation.Record) string { die(); return "" }

func waitFor(condition func() bool) {
	for end := time.Now().Add(5 * time.Second); !condition() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

type dyingBus struct{}

func (dyingBus) PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	die()
	return nil, nil
}

// Names of alarms may differ only in blanks, case, or the form of a character. Each alarm has its own window.
func TestHandle_AlarmsWithSimilarNamesAreDifferent(t *testing.T) {
	names := []string{"orders", "orders ", "orders  ", " orders", "orders\u00a0", "orders\u3000", "Orders", "orders.", "or ders", "or  ders", "é", "e\u0301"}
	sns := func(name string) string {
		return notification(name, fields{"StateChangeTime": "2026-08-04T12:36:15.490+0000"})
	}
	withoutARN := func(name string) string { return notification(name, fields{"AlarmArn": nil}) }
	eventBridge := func(name string) string {
		raw, _ := json.Marshal(fields{"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "resources": []string{arnPrefix + name},
			"detail": fields{"alarmName": name, "state": fields{"value": "ALARM", "timestamp": "2026-08-04T12:36:15.490+0000"}}})
		return string(raw)
	}
	for form, event := range map[string]func(string) string{"alarm action": direct, "SNS": sns, "SNS without ARN": withoutARN, "EventBridge": eventBridge} {
		t.Run(form, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			for i, name := range names {
				b.Watch.Put(metricAlarm(name, types.StateValueAlarm, transition))
				rec := b.record(t, b.mustInvestigate(t, fmt.Sprint(form, i), event(name)))
				assert.Equal(t, name, rec.Alarm.Name)
				assert.Equal(t, arnPrefix+name, rec.Alarm.ARN)
				assert.Empty(t, rec.Alarm.Unconfirmed)
				assert.Len(t, rec.Together, i, "the other alarms fired at the same time")
				assert.Contains(t, b.state(arnPrefix+name), "done")
				answer, err := b.invoke(t, fmt.Sprint(form, i, "again"), event(name))
				require.NoError(t, err)
				assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
			}
			assert.Len(t, b.notifications(), len(names))
		})
	}
}

// The alarms that triggered a composite alarm are identified as exactly.
func TestHandle_CompositeAlarmCoversExactlyItsChildren(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Watch.Put(compositeAlarm("down", `ALARM("orders ") OR ALARM(payments)`, transition, transition),
		metricAlarm("orders", types.StateValueAlarm, transition), metricAlarm("orders ", types.StateValueAlarm, transition), metricAlarm("payments", types.StateValueAlarm, transition))
	rec := b.record(t, b.mustInvestigate(t, "composite", notification("down", fields{"AlarmRule": "x", "Trigger": nil, "TriggeringChildren": triggering("orders", "orders ", "payments ", "payments")})))
	assert.Equal(t, []string{arnPrefix + "orders ", arnPrefix + "payments"}, rec.Alarm.Children)
	b.mustInvestigate(t, "another alarm", direct("orders"))
	answer, err := b.invoke(t, "covered", direct("orders "))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusDuplicate, answer.Results[0].Status)
}
