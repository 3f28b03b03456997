package triage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
)

// world is Lambda and the services that the orchestrator uses, in simulated time. It delivers events, invokes the handler up to
// three times for each, and makes services fail and ends invocations as its conditions allow.
type world struct {
	conditions

	db      awsapitest.DynamoDB
	s3      awsapitest.S3
	events  awsapitest.EventBridge
	metrics logbuffer.Buffer
	log     logbuffer.Buffer
	slots   chan struct{} // one for each concurrent invocation; nil: any number
	work    sync.WaitGroup

	mu          sync.Mutex
	random      *rand.Rand
	alarms      []*simulatedAlarm
	transitions []*simulatedTransition
	deliveries  []*delivery
	outages     map[string]outage
	calm        bool                 // nothing fails any more
	sent        []sentReport         // the notifications that are reports
	began       map[string]time.Time // investigations that asked a model
}

// delivery is one event in Lambda's queue.
type delivery struct {
	of       *simulatedTransition
	path     string
	isForged bool
	owner    string // the invocation's ID, which retries share
	event    []byte
	handOver string // the investigation that it continues

	begins       []time.Time // of the attempts
	results      []triage.Result
	isDeadLetter bool // all attempts failed
}

type sentReport struct {
	At     time.Time
	ID     string
	IsCopy bool // it says that the reader may already have it
	Told   told
}

// told is the body of a simulated report.
type told struct {
	Alarm       string
	Time        time.Time
	Unconfirmed string
	IsUpdate    bool
}

type outage struct {
	fault fault
	until time.Time
}

// fault is how a call fails.
type fault int

const (
	works fault = iota
	unavailable
	denied
	hangs
	loses // the call has an effect, but its answer is lost
	numFaults
)

func (w *world) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64() < p
}

func (w *world) below(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

func (w *world) between(from, to time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return from + time.Duration(w.random.Int64N(int64(to-from)))
}

func (w *world) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

func (w *world) note(format string, args ...any) {
	fmt.Fprintf(&w.log, "%s %s\n", time.Now().UTC().Format("01-02 15:04:05.000"), fmt.Sprintf(format, args...))
}

func (w *world) newOwner() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return "request-" + strconv.Itoa(len(w.deliveries)+1)
}

// deliver puts an event into Lambda's queue.
func (w *world) deliver(d *delivery, delay time.Duration) {
	d.owner = w.newOwner()
	w.mu.Lock()
	w.deliveries = append(w.deliveries, d)
	d.of.deliveries = append(d.of.deliveries, d)
	w.mu.Unlock()
	w.work.Go(func() {
		time.Sleep(delay)
		w.attempt(d)
	})
	if w.isTwice && w.chance(0.05) { // Lambda delivers an event at least once
		w.work.Go(func() {
			time.Sleep(delay + w.between(0, 30*time.Second))
			w.attempt(d)
		})
	}
}

// delay is how long an event waits.
func (w *world) delay() time.Duration {
	if w.isLate && !w.isCalm() {
		switch w.below(10) {
		case 0:
			return w.between(0, 20*time.Minute)
		case 1:
			return w.between(0, 3*time.Hour)
		}
	}
	return w.between(10*time.Millisecond, 2*time.Second)
}

// attempt invokes the function until it succeeds, at most three times, as Lambda does.
func (w *world) attempt(d *delivery) {
	for n := range 3 {
		if w.slots != nil {
			w.slots <- struct{}{}
		}
		succeeded := w.invoke(d, n+1)
		if w.slots != nil {
			<-w.slots
		}
		if succeeded {
			return
		}
		time.Sleep(time.Duration(n+1)*time.Minute + w.between(0, 10*time.Second))
	}
	w.mu.Lock()
	d.isDeadLetter = true
	w.mu.Unlock()
	if w.isRedriven && d.path != "redrive" { // an operator sends the event again
		w.deliver(&delivery{of: d.of, path: "redrive", isForged: d.isForged, event: d.event, handOver: d.handOver}, w.between(20*time.Minute, 4*time.Hour))
	}
}

// invoke runs one attempt, and reports whether Lambda counts it as successful.
func (w *world) invoke(d *delivery, attempt int) bool {
	i := &invocation{world: w, of: d, deadline: time.Now().Add(w.timeout)}
	if w.isKilled && !w.isCalm() && w.chance(0.15) {
		i.endsAt = 1 + w.below(60)
	}
	w.mu.Lock()
	d.begins = append(d.begins, time.Now())
	w.mu.Unlock()
	ctx, cancel := context.WithDeadline(context.Background(), i.deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: d.owner})
	handler := w.handler(i, attempt)
	var answer triage.Answer
	var err error
	returned := false
	var run sync.WaitGroup
	run.Go(func() {
		answer, err = handler.Handle(ctx, d.owner, d.event)
		returned = true
	})
	run.Wait()
	isDead := i.kill()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !returned || isDead:
		w.note("KILLED %s attempt %d", d.owner, attempt)
		return false
	case err != nil:
		w.note("FAILED %s attempt %d: %v", d.owner, attempt, err)
		return false
	}
	w.note("ENDED %s attempt %d: %+v", d.owner, attempt, answer.Results)
	d.results = append(d.results, answer.Results...)
	return true
}

func (w *world) handler(i *invocation, attempt int) *triage.Handler {
	return &triage.Handler{
		Config: config.Orchestrator{
			ModelID: "model", ToolFunction: "tool", Window: w.window, NotifyRecovery: w.recovery, MaxPerDay: w.maxPerDay,
			ReportsBucket: bucket, Table: "investigations", EventBus: "bus",
		},
		FunctionName: "triage-handler",
		Region:       "us-east-1",
		Tool:         i,
		Investigator: i,
		Renderer:     &tellingRenderer{},
		Table:        dedupe.New(i, "investigations", w.window, time.Now),
		Store:        store.New(i, bucket),
		Topic:        notify.New(i, topicARN),
		CloudWatch:   i,
		Lambda:       i,
		EventBridge:  i,
		Metrics:      emf.New(&w.metrics, "triage-handler", "", time.Now),
		Now:          time.Now,
		Log:          slog.New(slog.NewTextHandler(&w.log, nil)).With("owner", i.of.owner, "attempt", attempt),
	}
}

// tellingRenderer renders what the checks of a history need.
type tellingRenderer struct{ fakeRenderer }

func (tellingRenderer) Notification(rec *investigation.Record, _ report.Keys, _ int) string {
	text, _ := json.Marshal(told{rec.Alarm.Name, rec.Alarm.Time, rec.Alarm.Unconfirmed, rec.Alarm.IsUpdate})
	return string(text)
}

// invocation is one attempt with its clients of AWS. When it is dead, each call ends its goroutine.
type invocation struct {
	*world
	of       *delivery
	deadline time.Time
	endsAt   int // number of the call at which Lambda ends it; 0: none

	state sync.Mutex
	calls int
	dead  bool
}

// kill makes the rest of the invocation end, and reports whether it was already dead.
func (i *invocation) kill() (was bool) {
	i.state.Lock()
	defer i.state.Unlock()
	was, i.dead = i.dead, true
	return was
}

func (i *invocation) die() {
	i.kill()
	runtime.Goexit()
}

// wait ends the goroutine if the invocation ends first.
func (i *invocation) wait(ctx context.Context, d time.Duration) error {
	lives := time.Until(i.deadline)
	select {
	case <-ctx.Done():
	case <-time.After(min(d, max(lives, 0))):
	}
	i.state.Lock()
	dead := i.dead
	i.state.Unlock()
	if dead || !time.Now().Before(i.deadline) {
		i.die()
	}
	return ctx.Err()
}

// call makes up to three attempts of a request, as the SDK does.
func call[T any](ctx context.Context, i *invocation, service string, effect func() (T, error)) (result T, err error) {
	for range 3 {
		i.state.Lock()
		i.calls++
		ends := i.dead || i.calls == i.endsAt
		i.state.Unlock()
		if ends {
			if i.chance(0.5) { // it had been sent
				_, _ = effect()
			}
			i.die()
		}
		if canceled := i.wait(ctx, i.between(2*time.Millisecond, 60*time.Millisecond)); canceled != nil {
			return result, canceled
		}
		switch i.faultOf(service) {
		case works:
			return effect()
		case denied:
			return result, awsapitest.Denied("service:Action")
		case hangs:
			if canceled := i.wait(ctx, 6*time.Second); canceled != nil {
				return result, canceled
			}
		case loses:
			_, _ = effect()
		}
		err = awsapitest.ErrDown
		if canceled := i.wait(ctx, i.between(50*time.Millisecond, time.Second)); canceled != nil {
			return result, canceled
		}
	}
	return result, err
}

func (w *world) faultOf(service string) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.outages[service]; time.Now().Before(o.until) {
		return o.fault
	}
	if !w.calm && slices.Contains(w.failing, service) && w.random.Float64() < 0.02 {
		return fault(1 + w.random.IntN(int(numFaults)-1))
	}
	return works
}

func (i *invocation) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return call(ctx, i, "dynamodb", func() (*dynamodb.GetItemOutput, error) { return i.db.GetItem(context.Background(), in) })
}

func (i *invocation) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return call(ctx, i, "dynamodb", func() (*dynamodb.UpdateItemOutput, error) { return i.db.UpdateItem(context.Background(), in) })
}

func (i *invocation) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return call(ctx, i, "s3", func() (*s3.GetObjectOutput, error) { return i.s3.GetObject(context.Background(), in) })
}

func (i *invocation) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	return call(ctx, i, "s3", func() (*s3.PutObjectOutput, error) {
		again := *in
		again.Body = bytes.NewReader(body)
		return i.s3.PutObject(context.Background(), &again)
	})
}

func (i *invocation) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	return call(ctx, i, "sns", func() (*sns.PublishOutput, error) {
		text := aws.ToString(in.Message)
		if begin := strings.Index(text, "{"); begin >= 0 {
			r := sentReport{At: time.Now(), ID: aws.ToString(in.MessageAttributes["investigation_id"].StringValue)}
			r.IsCopy = strings.Contains(text[:begin], "you may already have this report")
			if json.Unmarshal([]byte(text[begin:]), &r.Told) == nil {
				i.note("SENT by %s: %+v", i.of.owner, r)
				i.mu.Lock()
				i.sent = append(i.sent, r)
				i.mu.Unlock()
			}
		}
		return &sns.PublishOutput{MessageId: aws.String("message")}, nil
	})
}

func (i *invocation) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	return call(ctx, i, "events", func() (*eventbridge.PutEventsOutput, error) { return i.events.PutEvents(context.Background(), in) })
}

// Invoke takes a hand-over.
func (i *invocation) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return call(ctx, i, "lambda", func() (*lambda.InvokeOutput, error) {
		var event struct {
			HandOver struct {
				ID string `json:"investigation_id"`
			} `json:"alarmtriageHandOver"`
		}
		if err := json.Unmarshal(in.Payload, &event); err != nil {
			return nil, err
		}
		i.deliver(&delivery{of: i.of.of, path: "hand-over", isForged: i.of.isForged, event: in.Payload, handOver: event.HandOver.ID}, i.delay())
		return &lambda.InvokeOutput{StatusCode: 202}, nil
	})
}

func (i *invocation) DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	return call(ctx, i, "cloudwatch", func() (*cloudwatch.DescribeAlarmsOutput, error) { return i.describe(in), nil })
}

func (i *invocation) DescribeAlarmContributors(context.Context, *cloudwatch.DescribeAlarmContributorsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmContributorsOutput, error) {
	return &cloudwatch.DescribeAlarmContributorsOutput{}, nil
}

// Run is the tool.
func (i *invocation) Run(ctx context.Context, _ toolcall.Request) (toolcall.Answer, error) {
	if err := i.wait(ctx, i.between(time.Second, 15*time.Second)); err != nil {
		return toolcall.Answer{}, err
	}
	return toolcall.Answer{Success: true, Result: json.RawMessage(`{}`)}, nil
}

// progress is the state of a simulated investigation.
type progress struct {
	Round, Rounds int
	Record        *investigation.Record
}

// Investigate takes some rounds, each of which takes some time. It keeps its state after each, and hands over when it is out of time.
func (i *invocation) Investigate(ctx context.Context, limits investigation.Limits, rec *investigation.Record, resume []byte) error {
	i.mu.Lock()
	if _, again := i.began[rec.ID]; !again && limits.Stop == "" {
		i.began[rec.ID] = rec.StartedAt
	}
	i.mu.Unlock()
	p := progress{Rounds: 1 + i.below(5), Record: rec}
	if i.isLong && i.chance(0.3) {
		p.Rounds = 10 + i.below(20)
	}
	if resume != nil {
		p.Record = nil
		if err := json.Unmarshal(resume, &p); err != nil || i.chance(0.02) {
			return investigation.ErrUnreadable
		}
		*rec, p.Record = *p.Record, rec
	}
	if limits.Stop != "" {
		rec.Outcome, rec.OutcomeWhy = investigation.OutcomeFallback, limits.Stop
		return nil
	}
	for ; p.Round < p.Rounds; p.Round++ {
		isLate := time.Now().After(limits.ConcludeAt)
		if isLate && limits.MayHandOver && limits.Conclude == "" {
			return investigation.ErrHandOver
		}
		if isLate || limits.Conclude != "" {
			rec.Outcome = investigation.OutcomeConcluded
			return nil
		}
		if limits.Kept != nil {
			limits.Kept(ctx)
		}
		if err := i.wait(ctx, i.between(3*time.Second, 70*time.Second)); err != nil {
			return err
		}
		if len(i.failing) > 0 && i.chance(0.01) {
			return errors.New("the model failed")
		}
		rec.Usage.ModelCalls++
		rec.Rounds = append(rec.Rounds, investigation.Round{Number: len(rec.Rounds) + 1})
		kept, err := json.Marshal(progress{p.Round + 1, p.Rounds, rec})
		if err != nil {
			return err
		}
		if limits.Checkpoint != nil {
			_ = limits.Checkpoint(ctx, kept)
		}
	}
	rec.Outcome = investigation.OutcomeCompleted
	rec.Report = investigation.Report{Summary: "Orders fail", RootCause: "the role lost dynamodb:GetItem", Confidence: investigation.Likely}
	return nil
}

// describe returns the alarms as they are now.
func (w *world) describe(in *cloudwatch.DescribeAlarmsInput) *cloudwatch.DescribeAlarmsOutput {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, a := range w.alarms {
		if !slices.Contains(in.AlarmNames, a.name) || a.changed.IsZero() {
			continue
		}
		updated := a.changed
		if a.updated.After(updated) {
			updated = a.updated
		}
		if a.isComposite() && slices.Contains(in.AlarmTypes, types.AlarmTypeCompositeAlarm) {
			alarm := types.CompositeAlarm{
				AlarmName: &a.name, AlarmArn: aws.String(arnPrefix + a.name), AlarmRule: aws.String(a.rule()), StateValue: types.StateValue(a.state),
				StateTransitionedTimestamp: aws.Time(a.changed), StateUpdatedTimestamp: &updated,
			}
			if a.isSuppressed {
				alarm.ActionsSuppressor = aws.String("deployment")
			}
			out.CompositeAlarms = append(out.CompositeAlarms, alarm)
		}
		if !a.isComposite() && slices.Contains(in.AlarmTypes, types.AlarmTypeMetricAlarm) {
			out.MetricAlarms = append(out.MetricAlarms, metricAlarm(a.name, types.StateValue(a.state), a.changed))
		}
	}
	return out
}
