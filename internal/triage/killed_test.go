package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// process is the life of one invocation: it counts the requests to AWS and may be killed at one of them. After that, every
// goroutine of the invocation ends at its next request.
type process struct {
	death
	mu    sync.Mutex
	calls int
	dead  bool
}

// death is when a process is killed.
type death struct {
	at    int // number of the request; 0: it is not killed
	after bool
}

type processKey struct{}

// step ends the goroutine if the process is dead, or if it is killed now.
func (p *process) step(after bool) {
	p.mu.Lock()
	if !after {
		p.calls++
	}
	if p.at == p.calls && p.after == after {
		p.dead = true
	}
	dead := p.dead
	p.mu.Unlock()
	if dead {
		runtime.Goexit()
	}
}

// during makes a request of the process in ctx.
func during[T any](ctx context.Context, request func() (T, error)) (T, error) {
	p := ctx.Value(processKey{}).(*process)
	p.step(false)
	out, err := request()
	p.step(true)
	return out, err
}

type (
	mortalDB     struct{ *awsapitest.DynamoDB }
	mortalS3     struct{ *awsapitest.S3 }
	mortalSNS    struct{ *awsapitest.SNS }
	mortalLambda struct{ *awsapitest.Lambda }
)

func (m mortalDB) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return during(ctx, func() (*dynamodb.GetItemOutput, error) { return m.DynamoDB.GetItem(ctx, in) })
}

func (m mortalDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return during(ctx, func() (*dynamodb.UpdateItemOutput, error) { return m.DynamoDB.UpdateItem(ctx, in) })
}

func (m mortalS3) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return during(ctx, func() (*s3.GetObjectOutput, error) { return m.S3.GetObject(ctx, in) })
}

func (m mortalS3) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return during(ctx, func() (*s3.PutObjectOutput, error) { return m.S3.PutObject(ctx, in) })
}

func (m mortalSNS) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	return during(ctx, func() (*sns.PublishOutput, error) { return m.SNS.Publish(ctx, in) })
}

func (m mortalLambda) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return during(ctx, func() (*lambda.InvokeOutput, error) { return m.Lambda.Invoke(ctx, in) })
}

// queue is Lambda's queue of asynchronous events for one orchestrator. It invokes each event at most three times, and
// the hand-overs that it starts.
type queue struct {
	*harness
	started  int // invocations
	overs    int // hand-overs that were queued
	waiting  []queued
	failed   []string // owners of events whose three attempts failed
	killIn   int      // number of the invocation that is killed; 0: none
	kill     death    // how
	requests []int    // by invocation
	finished bool     // the first investigation has a report when another event arrives
}

type queued struct {
	owner, event string
	attempts     int
}

func newQueue(t *testing.T, window time.Duration) *queue {
	q := &queue{harness: newHarnessAtTransition(t)}
	q.Config.Window = window
	q.Table = dedupe.New(mortalDB{&q.DB}, "investigations", window, q.clock.now)
	q.Store = store.New(mortalS3{&q.S3}, bucket)
	q.Topic = notify.New(mortalSNS{&q.SNS}, topicARN)
	q.Lambda = mortalLambda{&q.Self}
	return q
}

// send queues an event.
func (q *queue) send(owner, event string) {
	q.waiting = append(q.waiting, queued{owner: owner, event: event})
}

// runOne runs the first event of the queue. A failed or killed attempt is queued again.
func (q *queue) runOne() {
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.started++
	p := &process{}
	if q.started == q.killIn {
		p.death = q.kill
	}
	succeeded := false
	var wg sync.WaitGroup
	wg.Go(func() {
		ctx := context.WithValue(shifted{context.Background(), q.clock.now().Add(lifetime)}, processKey{}, p)
		_, err := q.Handle(shifted{ctx, q.clock.now().Add(lifetime)}, next.owner, []byte(next.event))
		succeeded = err == nil
	})
	wg.Wait()
	p.mu.Lock() // the goroutine that saves checkpoints may outlive a killed invocation, until its next request
	q.requests = append(q.requests, p.calls)
	p.mu.Unlock()
	for _, in := range q.Self.Events()[q.overs:] {
		q.overs++
		q.send(fmt.Sprint("fresh-", q.overs), string(in.Payload))
	}
	if succeeded {
		return
	}
	next.attempts++
	if next.attempts == 3 {
		q.failed = append(q.failed, next.owner)
		return
	}
	q.waiting = append(q.waiting, next)
}

// drain runs the queue until it is empty, a minute per invocation.
func (q *queue) drain() {
	for len(q.waiting) > 0 {
		q.runOne()
		q.clock.advance(time.Minute)
	}
}

// noteFinished notes whether an investigation is finished and not delivered.
func (q *queue) noteFinished() {
	for _, key := range q.S3.Keys("checkpoints/") {
		name := strings.TrimPrefix(key, bucket+"/")
		q.finished = q.finished || strings.HasPrefix(string(q.S3.Object(bucket, name)), `{"stage":"finished"`)
	}
	_, parked := q.DB.Item(arnPrefix + "orders")["parked"]
	q.finished = q.finished || parked
}

// fireAgain sends another transition of the alarm 30 minutes later, before Lambda retries the first one.
func (q *queue) fireAgain(event string) {
	q.noteFinished()
	q.clock.advance(30 * time.Minute)
	q.sendFirst("request-2", event)
	q.drain()
}

// sendFirst queues an event before all others.
func (q *queue) sendFirst(owner, event string) {
	q.waiting = append([]queued{{owner: owner, event: event}}, q.waiting...)
}

// handsOver makes the agent hand over as often as it may, at most times, and then conclude with the time of the transition
// as its cause, so that a test can see which transition a notification is about.
func (q *queue) handsOver(times int) {
	q.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
		if done := len(resume); run.MayHandOver && done < times {
			if err := run.Checkpoint(ctx, []byte(strings.Repeat("x", done+1))); err != nil {
				return err
			}
			return investigation.ErrHandOver
		}
		_ = conclude(rec)
		rec.Report.RootCause = "about " + rec.Alarm.Time.Format(time.TimeOnly)
		return nil
	}
}

func TestKilled_EveryClaimEndsWithANotification(t *testing.T) {
	t1, t2 := stateChange("orders", "ALARM", 0, ""), stateChange("orders", "ALARM", 30*time.Minute, "")
	const about1, about2 = "about 12:36:15", "about 13:06:15"
	for _, tt := range []struct {
		name   string
		window time.Duration
		run    func(q *queue)
		want   []string // causes of which at least one notification is sent
	}{
		{"an alarm", time.Hour, func(q *queue) {
			q.send("request-1", t1)
			q.drain()
		}, []string{about1}},
		{"two hand-overs", time.Hour, func(q *queue) {
			q.handsOver(2)
			q.send("request-1", t1)
			q.drain()
		}, []string{about1}},
		{"a hand-over that fails", time.Hour, func(q *queue) {
			q.handsOver(2)
			q.Self.Fail(awsapitest.Denied("lambda:InvokeFunction"), -1)
			q.send("request-1", t1)
			q.drain()
		}, []string{about1}},
		{"a composite alarm whose report is parked", time.Hour, func(q *queue) {
			q.SNS.Fail(awsapitest.ErrDown, -1)
			q.send("request-1", stateChange("orders", "ALARM", 0, "ALARM(a)", trigger("a", "ALARM")))
			q.runOne()
			q.SNS.Fail(nil, 0)
			q.drain()
			q.send("request-2", stateChange("a", "ALARM", time.Second, "")) // covered
			q.drain()
		}, []string{about1}},
		{"S3 fails once", time.Hour, func(q *queue) {
			q.S3.Fail(awsapitest.ErrDown, -1)
			q.send("request-1", t1)
			q.runOne()
			q.S3.Fail(nil, 0)
			q.drain()
		}, []string{about1}},
		{"SNS fails once, and the alarm fires again after its window", 5 * time.Minute, func(q *queue) {
			q.SNS.Fail(awsapitest.ErrDown, -1)
			q.send("request-1", t1)
			q.runOne()
			q.SNS.Fail(nil, 0)
			q.fireAgain(t2)
		}, []string{about1, about2}},
		{"killed while it delivers, and the alarm fires again after its window", 5 * time.Minute, func(q *queue) {
			q.Topic = notify.New(dyingSNS{&q.SNS}, topicARN)
			q.send("request-1", t1)
			q.runOne()
			q.Topic = notify.New(mortalSNS{&q.SNS}, topicARN)
			q.fireAgain(t2)
		}, []string{about1, about2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := func(killIn int, how death) *queue {
				q := newQueue(t, tt.window)
				q.handsOver(0)
				q.killIn, q.kill = killIn, how
				tt.run(q)
				return q
			}
			check := func(q *queue, how string) {
				bodies := strings.Join(q.notifications(), "\n---\n")
				want := tt.want
				if len(want) > 1 && !q.finished {
					want = want[1:] // the alarm's next transition is investigated instead
				}
				for _, cause := range want {
					assert.Contains(t, bodies, cause, how)
				}
				assert.Empty(t, q.failed, how)
				item := q.DB.Item(arnPrefix + "orders")
				assert.Equal(t, "&{done {}}", fmt.Sprint(item["state"]), how)
				assert.NotContains(t, item, "parked", how)
				assert.GreaterOrEqual(t, q.reports(), len(want), how)
				for i, body := range q.notifications() {
					for _, earlier := range q.notifications()[:i] {
						if cause := causeOf(body); cause == causeOf(earlier) {
							assert.Contains(t, body, "you may already have this report", "%s: %s", how, cause)
						}
					}
				}
			}
			undisturbed := run(0, death{})
			check(undisturbed, "undisturbed")
			assert.Len(t, undisturbed.notifications(), len(tt.want))
			for invocation, requests := range undisturbed.requests {
				for n := 1; n <= requests; n++ {
					for _, after := range []bool{false, true} {
						how := fmt.Sprintf("invocation %d killed at request %d, after: %v", invocation+1, n, after)
						check(run(invocation+1, death{n, after}), how)
					}
				}
			}
		})
	}
}

func TestKilled_EveryFollowUpIsNotified(t *testing.T) {
	run := func(killIn int, how death) *queue {
		q := newQueue(t, time.Hour)
		q.Config.NotifyRecovery = true
		q.handsOver(0)
		q.killIn, q.kill = killIn, how
		for i, state := range []string{"ALARM", "OK", "ALARM"} {
			q.send(fmt.Sprint("request-", i), stateChange("orders", state, time.Duration(5*i)*time.Minute, ""))
			q.drain()
		}
		return q
	}
	undisturbed := run(0, death{})
	assert.Equal(t, "recovered fires_again", undisturbed.followUps())
	for invocation, requests := range undisturbed.requests[1:] {
		for n := 1; n <= requests; n++ {
			for _, after := range []bool{false, true} {
				q := run(invocation+2, death{n, after})
				how := fmt.Sprintf("invocation %d killed at request %d, after: %v", invocation+2, n, after)
				assert.Contains(t, q.followUps(), "recovered", how)
				assert.Contains(t, q.followUps(), "fires_again", how)
				assert.LessOrEqual(t, len(strings.Fields(q.followUps())), 3, how)
				assert.Empty(t, q.failed, how)
			}
		}
	}
}

// The report of an alarm whose attempts all failed is delivered before its recovery, wherever an invocation is killed.
func TestKilled_ParkedReportIsDeliveredBeforeItsRecovery(t *testing.T) {
	run := func(how death) *queue {
		q := newQueue(t, time.Hour)
		q.Config.NotifyRecovery = true
		q.handsOver(0)
		q.SNS.Fail(awsapitest.ErrDown, -1)
		q.send("request-0", stateChange("orders", "ALARM", 0, ""))
		q.drain()
		require.Len(t, q.failed, 1)
		q.SNS.Fail(nil, 0)
		q.killIn, q.kill = q.started+1, how
		q.send("request-1", stateChange("orders", "OK", 5*time.Minute, ""))
		q.drain()
		return q
	}
	undisturbed := run(death{})
	require.Len(t, undisturbed.notifications(), 2)
	for n := 1; n <= undisturbed.requests[undisturbed.started-1]; n++ {
		for _, after := range []bool{false, true} {
			q := run(death{n, after})
			how := fmt.Sprintf("killed at request %d, after: %v", n, after)
			sent := q.notifications()
			require.GreaterOrEqual(t, len(sent), 2, how)
			assert.LessOrEqual(t, len(sent), 3, how)
			assert.Contains(t, sent[0], "cause: ", how)
			assert.Contains(t, sent[len(sent)-1], "is OK again", how)
			assert.Equal(t, 1, q.reports(), how)
			assert.Contains(t, q.state(arnPrefix+"orders"), "done", how)
			assert.Len(t, q.failed, 1, how)
			assert.Equal(t, 1, q.agent.calls, how)
		}
	}
}

// causeOf returns the line with the cause of a notification.
func causeOf(body string) string {
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasPrefix(line, "cause: ") {
			return line
		}
	}
	return body
}

func TestHandOver_KilledBeforeTheInvocationIsResumedByTheRetry(t *testing.T) {
	for name, lambdaFails := range map[string]bool{"killed before the invocation": false, "killed while it concludes after a failed invocation": true} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.Lambda = dyingLambda{&b.Self, !lambdaFails}
			first := true
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, _ []byte) error {
				if first {
					first = false
					require.NoError(t, run.Checkpoint(ctx, []byte("state")))
					return investigation.ErrHandOver
				}
				if lambdaFails && b.agent.calls == 2 {
					die()
				}
				return conclude(rec)
			}
			if lambdaFails {
				b.Self.Fail(awsapitest.Denied("lambda:InvokeFunction"), -1)
			}
			b.invokeAndKill(t, "request-1", fixture(t, "action-metric"))
			b.clock.advance(time.Minute)
			b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
			assert.Len(t, b.notifications(), 1)
			assert.Equal(t, 1, b.tool.calls, "it resumes from the checkpoint")
		})
	}
}

// The runbook dead-letters of docs/operations.md says how long to wait before an event is sent again.
func TestKilled_DeadLetterIsInvestigatedAfterSixteenMinutes(t *testing.T) {
	for name, handsOver := range map[string]bool{"killed by the tool": false, "killed at the hand-over": true} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			if handsOver {
				b.Lambda = dyingLambda{&b.Self, true}
				b.agent.do = func(ctx context.Context, run investigation.Limits, _ *investigation.Record, _ []byte) error {
					require.NoError(t, run.Checkpoint(ctx, []byte("state")))
					return investigation.ErrHandOver
				}
			} else {
				b.tool.after = die
			}
			for range 3 {
				b.invokeAndKill(t, "request-1", fixture(t, "action-metric"))
				b.clock.advance(time.Minute)
			}
			b.agent.do, b.tool.after = nil, nil
			b.mustBeDuplicate(t, "request-2", fixture(t, "action-metric"))
			b.clock.advance(15 * time.Minute) // with the minute above: 16
			b.mustInvestigate(t, "request-3", fixture(t, "action-metric"))
			assert.Len(t, b.notifications(), 1)
		})
	}
}

// dyingLambda kills the invocation of a hand-over, if dies.
type dyingLambda struct {
	*awsapitest.Lambda
	dies bool
}

func (d dyingLambda) Invoke(ctx context.Context, in *lambda.InvokeInput, o ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if d.dies {
		die()
	}
	return d.Lambda.Invoke(ctx, in, o...)
}

// lostAnswer is a Lambda that accepts each invocation, whose answer is lost.
type lostAnswer struct {
	*awsapitest.Lambda
	begins func(payload []byte) // the fresh invocation, if it begins at once
}

func (l lostAnswer) Invoke(ctx context.Context, in *lambda.InvokeInput, o ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if _, err := l.Lambda.Invoke(ctx, in, o...); err != nil {
		return nil, err
	}
	if l.begins != nil {
		l.begins(in.Payload)
	}
	return nil, awsapitest.ErrDown
}

func TestHandOver_WithoutAnAnswerOfLambdaIsDeliveredOnce(t *testing.T) {
	for name, atOnce := range map[string]bool{"the fresh invocation begins first": true, "this invocation takes the lease back": false} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
				if resume == nil {
					require.NoError(t, run.Checkpoint(ctx, []byte("state")))
					return investigation.ErrHandOver
				}
				return conclude(rec)
			}
			l := lostAnswer{Lambda: &b.Self}
			if atOnce {
				l.begins = func(payload []byte) { b.mustInvestigate(t, "fresh", string(payload)) }
			}
			b.Lambda = l
			answer, err := b.invoke(t, "request-1", fixture(t, "action-metric"))
			require.NoError(t, err)
			assert.Equal(t, atOnce, answer.Results[0].Status == triage.StatusDuplicate)
			if !atOnce {
				b.mustBeDuplicate(t, "fresh", string(b.Self.Events()[0].Payload))
			}
			assert.Equal(t, 2, b.agent.calls, "one invocation continues")
			assert.Len(t, b.notifications(), 1)
		})
	}
}

func TestDeliver_ClaimOfAnotherInvestigationIsNotAdopted(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.S3.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "request-1", stateChange("orders", "ALARM", 0, "")) // notified, not stored
	require.Error(t, err)
	b.S3.Fail(nil, 0)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		b.DB.Fail(nil, 0)
		return conclude(rec)
	}
	b.DB.Fail(awsapitest.ErrDown, -1)
	b.clock.advance(30 * time.Minute)
	second := b.mustInvestigate(t, "request-2", stateChange("orders", "ALARM", 30*time.Minute, ""))
	require.Len(t, b.notifications(), 2)
	first := b.mustInvestigate(t, "request-1", stateChange("orders", "ALARM", 0, ""))
	assert.NotEqual(t, first.ID, second.ID)
	assert.Len(t, b.notifications(), 2)
	assert.Equal(t, 2, b.reports())
	var rec investigation.Record
	require.NoError(t, json.Unmarshal(b.S3.Object(bucket, strings.Replace(strings.TrimPrefix(first.ReportURI, "s3://"+bucket+"/"), ".txt", ".json", 1)), &rec))
	assert.True(t, rec.Alarm.Time.Equal(transition))
}

func TestComposite_CoversNoAlarmWhoseReportIsParked(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.SNS.Fail(awsapitest.ErrDown, -1)
	_, err := b.invoke(t, "a", stateChange("a", "ALARM", 0, ""))
	require.Error(t, err)
	b.SNS.Fail(nil, 0)
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN) // the first retry is killed while it delivers
	b.invokeAndKill(t, "a", stateChange("a", "ALARM", 0, ""))
	b.Topic = notify.New(&b.SNS, topicARN)
	b.clock.advance(20 * time.Minute)
	b.mustInvestigate(t, "p", stateChange("p", "ALARM", 20*time.Minute, "ALARM(a)", trigger("a", "ALARM")))
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	assert.Len(t, b.notifications(), 2)
}

type dyingSNS struct{ *awsapitest.SNS }

func (dyingSNS) Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error) {
	die()
	return nil, nil
}

// sentSNS kills the invocation after it published.
type sentSNS struct{ *awsapitest.SNS }

func (s sentSNS) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	_, _ = s.SNS.Publish(ctx, in)
	die()
	return nil, nil
}

// A retry that cannot send the notification either does not know more than the first attempt about whether people have it.
func TestKilled_SecondNotificationAfterAFailedRetrySaysSo(t *testing.T) {
	for name, begin := range map[string]func(b *harness){
		"the table is available": func(*harness) {},
		"the table was unavailable at first": func(b *harness) {
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				b.DB.Fail(awsapitest.ErrDown, -1)
				return conclude(rec)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			begin(b)
			event := stateChange("orders", "ALARM", 0, "")
			b.Topic = notify.New(sentSNS{&b.SNS}, topicARN)
			b.invokeAndKill(t, "1", event)
			b.Topic = notify.New(&b.SNS, topicARN)
			b.DB.Fail(nil, 0)
			b.SNS.Fail(awsapitest.ErrDown, -1)
			_, err := b.invoke(t, "1", event)
			require.Error(t, err)
			b.SNS.Fail(nil, 0)
			b.mustInvestigate(t, "1", event)
			require.Len(t, b.notifications(), 2)
			assert.Contains(t, b.notifications()[1], "you may already have this report")
		})
	}
}

func TestKilled_RetryStillReportsThatTheInstructionsWereNotRead(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.InstructionsURI = "s3://docs/gone.txt"
	event := stateChange("orders", "ALARM", 0, "")
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN)
	b.invokeAndKill(t, "1", event)
	b.Topic = notify.New(&b.SNS, topicARN)
	unread := b.record(t, b.mustInvestigate(t, "1", event)).NotSeen
	require.Len(t, unread, 1)
	assert.Equal(t, "the instructions s3://docs/gone.txt", unread[0].What)
}

// namesTheAlarm makes the agent conclude with the name of the alarm as its cause.
func (b *harness) namesTheAlarm() {
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		err := conclude(rec)
		rec.Report.RootCause = "about " + rec.Alarm.Name
		return err
	}
}

func TestKilled_CompositeAlarmDropsNoFinishedReport(t *testing.T) {
	for name, triggers := range map[string][]any{
		"one alarm triggered it":  {trigger("orders", "ALARM")},
		"two alarms triggered it": {trigger("orders", "ALARM"), trigger("stock", "ALARM")},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(how death) *queue {
				q := newQueue(t, time.Hour)
				q.namesTheAlarm()
				q.killIn, q.kill = 1, how
				q.send("request-1", stateChange("orders", "ALARM", 0, ""))
				q.runOne()
				q.noteFinished()
				q.clock.advance(16 * time.Minute) // the lease has expired
				q.sendFirst("request-2", stateChange("p", "ALARM", 16*time.Minute, "ALARM(orders) OR ALARM(stock)", triggers...))
				q.drain()
				return q
			}
			undisturbed := run(death{})
			for n := 1; n <= undisturbed.requests[0]; n++ {
				for _, after := range []bool{false, true} {
					q := run(death{n, after})
					how := fmt.Sprintf("killed at request %d, after: %v, finished: %v", n, after, q.finished)
					bodies := strings.Join(q.notifications(), "\n---\n")
					assert.Regexp(t, "about (orders|p)\n", bodies, how)
					if q.finished {
						assert.Contains(t, bodies, "about orders\n", how)
					}
					assert.Empty(t, q.failed, how)
					assert.Equal(t, "&{done {}}", q.state(arnPrefix+"orders"), how)
				}
			}
		})
	}
}

func TestComposite_BeyondTheLimitOfTheDayDropsNoFinishedReport(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.Config.MaxPerDay = 1
	b.namesTheAlarm()
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN)
	b.invokeAndKill(t, "a", stateChange("a", "ALARM", 0, ""))
	b.Topic = notify.New(&b.SNS, topicARN)
	b.clock.advance(15*time.Minute + 10*time.Second)
	composite := b.mustInvestigate(t, "p", stateChange("p", "ALARM", 15*time.Minute, "ALARM(a)", trigger("a", "ALARM")))
	assert.Equal(t, investigation.OutcomeFallback, composite.Outcome)
	b.mustInvestigate(t, "a", stateChange("a", "ALARM", 0, ""))
	require.Len(t, b.notifications(), 2)
	assert.Contains(t, b.notifications()[1], "about a\n")
}

func TestComposite_AnotherOneTakesNoAlarmFromAFinishedOne(t *testing.T) {
	b := newHarnessAtTransition(t)
	b.namesTheAlarm()
	first := stateChange("p1", "ALARM", 0, "ALARM(a)", trigger("a", "ALARM"))
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN)
	b.invokeAndKill(t, "p1", first)
	b.Topic = notify.New(&b.SNS, topicARN)
	b.clock.advance(16 * time.Minute)
	b.mustInvestigate(t, "p2", stateChange("p2", "ALARM", 16*time.Minute, "ALARM(p1) AND ALARM(a)", trigger("p1", "ALARM"), trigger("a", "ALARM")))
	b.mustInvestigate(t, "p1", first)
	require.Len(t, b.notifications(), 2)
	assert.Contains(t, b.notifications()[1], "about p1\n")
}
