package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
)

const (
	topicARN = "arn:aws:sns:us-east-1:123456789012:findings"
	cardARN  = "arn:aws:sns:us-east-1:123456789012:cards"
	bucket   = "reports-bucket"
)

// harness is an orchestrator with fakes of all services and a scripted agent.
type harness struct {
	triage.Handler
	DB     awsapitest.DynamoDB
	S3     awsapitest.S3
	SNS    awsapitest.SNS
	Events awsapitest.EventBridge
	Self   awsapitest.Lambda
	Watch  awsapitest.CloudWatch
	tool   *fakeTool
	agent  *fakeAgent
	render *fakeRenderer
	out    *logbuffer.Buffer
	clock  *clock
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	b := &harness{tool: &fakeTool{}, agent: &fakeAgent{}, render: &fakeRenderer{}, out: &logbuffer.Buffer{}, clock: &clock{}}
	b.Watch.Put(metricAlarm("orders-errors", types.StateValueAlarm, transition)) // the alarm of most fixtures
	b.Handler = triage.Handler{
		Config:       config.Orchestrator{ModelID: "model", Window: time.Hour},
		FunctionName: "triage-handler",
		Region:       "us-east-1",
		Tool:         b.tool,
		Investigator: b.agent,
		Renderer:     b.render,
		Table:        dedupe.New(&b.DB, "investigations", time.Hour, b.clock.now),
		Store:        store.New(&b.S3, bucket),
		Topic:        notify.New(&b.SNS, topicARN),
		CloudWatch:   &b.Watch,
		Lambda:       &b.Self,
		EventBridge:  &b.Events,
		Metrics:      emf.New(b.out, "triage-handler", "", b.clock.now),
		Now:          b.clock.now,
		Log:          slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	return b
}

// transition is the time of the transition in the fixtures of package alarmevent.
var transition = time.Date(2026, 8, 4, 12, 36, 15, 490e6, time.UTC)

// newHarnessAtTransition returns a harness whose time is a minute after the transition of the fixtures, since
// CloudWatch only confirms recent ones.
func newHarnessAtTransition(t *testing.T) *harness {
	b := newHarness(t)
	b.clock.advance(time.Until(transition.Add(time.Minute)))
	return b
}

// metricAlarm returns an alarm of the account and Region of the fixtures as CloudWatch describes it.
func metricAlarm(name string, state types.StateValue, changed time.Time) types.MetricAlarm {
	return types.MetricAlarm{
		AlarmName: &name, AlarmArn: aws.String(arnPrefix + name), StateValue: state,
		StateTransitionedTimestamp: &changed, StateUpdatedTimestamp: &changed,
	}
}

// invoke runs one attempt of one invocation.
func (b *harness) invoke(t *testing.T, owner, event string) (triage.Answer, error) {
	t.Helper()
	return b.Handle(shifted{context.Background(), b.clock.now().Add(lifetime)}, owner, []byte(event))
}

// lifetime is how long an invocation may take.
const lifetime = 900 * time.Second

// shifted is a context whose deadline is a time of the harness's clock.
type shifted struct {
	context.Context
	deadline time.Time
}

func (s shifted) Deadline() (time.Time, bool) { return s.deadline, true }

// mustInvestigate runs an invocation that must end with one investigated alarm.
func (b *harness) mustInvestigate(t *testing.T, owner, event string) triage.Result {
	t.Helper()
	answer, err := b.invoke(t, owner, event)
	require.NoError(t, err)
	require.Len(t, answer.Results, 1)
	require.Equal(t, triage.StatusInvestigated, answer.Results[0].Status, answer.Results[0].Reason)
	return answer.Results[0]
}

// state returns the state of the claim in the table.
func (b *harness) state(arn string) string {
	return fmt.Sprint(b.DB.Item(arn)["state"])
}

// reports returns the number of reports in the bucket.
func (b *harness) reports() int { return len(b.S3.Keys(".txt")) }

// notifications returns the bodies of the notifications, except those about limits.
func (b *harness) notifications() []string {
	var bodies []string
	for _, in := range b.SNS.Published(topicARN) {
		if _, isNotice := in.MessageAttributes["limit"]; !isNotice {
			bodies = append(bodies, *in.Message)
		}
	}
	return bodies
}

// notices returns the notifications about limits.
func (b *harness) notices() []*sns.PublishInput {
	var found []*sns.PublishInput
	for _, in := range b.SNS.Published(topicARN) {
		if _, isNotice := in.MessageAttributes["limit"]; isNotice {
			found = append(found, in)
		}
	}
	return found
}

// metric returns the sum of a metric over all lines.
func (b *harness) metric(t *testing.T, name string) float64 {
	t.Helper()
	total := 0.0
	for line := range strings.SplitSeq(strings.TrimSpace(b.out.String()), "\n") {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		if value, ok := fields[name].(float64); ok {
			total += value
		}
	}
	return total
}

// clock is the real clock, which tests can advance.
type clock struct {
	mu    sync.Mutex
	shift time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift += d
}

type fakeTool struct {
	mu       sync.Mutex
	calls    int
	requests []toolcall.Request
	billed   []toolcall.BilledQueries
	err      error
	after    func() // runs after each call and may kill the invocation
}

func (f *fakeTool) Run(_ context.Context, request toolcall.Request) (toolcall.Answer, error) {
	f.mu.Lock()
	f.calls++
	f.requests = append(f.requests, request)
	f.mu.Unlock()
	if f.after != nil {
		f.after()
	}
	return toolcall.Answer{Success: true, Result: json.RawMessage(`{"definition":{"AlarmName":"orders-errors"}}`), Redactions: 2, Refusals: 1, BilledQueries: f.billed}, f.err
}

// fakeAgent concludes with a cause, or calls do.
type fakeAgent struct {
	mu    sync.Mutex
	calls int
	runs  []investigation.Limits
	do    func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error
}

func (f *fakeAgent) Investigate(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
	f.mu.Lock()
	f.calls++
	f.runs = append(f.runs, run)
	do := f.do
	f.mu.Unlock()
	if do != nil {
		return do(ctx, run, rec, resume)
	}
	return conclude(rec)
}

func conclude(rec *investigation.Record) error {
	rec.Outcome = investigation.OutcomeCompleted
	rec.Report = investigation.Report{Summary: "Orders fail", RootCause: "the role lost dynamodb:GetItem", Confidence: investigation.Confirmed}
	rec.Usage = investigation.Usage{ModelCalls: 3, ToolCalls: 2, InputTokens: 600, CacheWriteTokens: 400, OutputTokens: 100, CostUSD: 0.25, PriceKnown: true}
	rec.Rounds = append(rec.Rounds, investigation.Round{Number: 1})
	return nil
}

type fakeRenderer struct {
	panics bool
	body   string
}

func (f *fakeRenderer) text(rec *investigation.Record) string {
	if f.panics {
		panic("a bug")
	}
	return fmt.Sprintf("%s\ncause: %s\noutcome: %s %s\nrepeats: %d\ntogether: %d\nbefore: %d\nresumed: %d\nreport: %s\n%s",
		rec.Alarm.Name, rec.Report.RootCause, rec.Outcome, rec.OutcomeWhy, rec.Repeats, len(rec.Together), len(rec.SeenBefore),
		rec.Resumed, rec.ReportURI, f.body)
}

func (f *fakeRenderer) Subject(rec *investigation.Record) string {
	if f.panics {
		panic("a bug")
	}
	return "ALARM " + rec.Alarm.Name
}

func (f *fakeRenderer) Notification(rec *investigation.Record, _ report.Keys, _ int) string {
	return f.text(rec)
}
func (f *fakeRenderer) Text(rec *investigation.Record, _ report.Keys) string { return f.text(rec) }
func (f *fakeRenderer) HTML(rec *investigation.Record, _ report.Keys) ([]byte, error) {
	return []byte(f.text(rec)), nil
}
func (f *fakeRenderer) JSON(rec *investigation.Record) ([]byte, error) { return json.Marshal(rec) }
func (f *fakeRenderer) Card(rec *investigation.Record, _ report.Keys) ([]byte, error) {
	return []byte(`{"version":"1.0","title":"` + rec.Alarm.Name + `"}`), nil
}

// fixture returns an event from the test data of package alarmevent.
func fixture(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "alarmevent", "testdata", name+".json"))
	require.NoError(t, err)
	return string(raw)
}

const (
	arnPrefix = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
	ordersARN = arnPrefix + "orders-errors"
)

// invokeAndKill runs an invocation that ends early: its goroutine stops where die is called.
func (b *harness) invokeAndKill(t *testing.T, owner, event string) {
	t.Helper()
	finished := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = b.invoke(t, owner, event)
		finished = true
	})
	wg.Wait()
	assert.False(t, finished, "the invocation should have been killed")
}

// die ends the goroutine of the invocation, which simulates that Lambda kills it.
func die() { runtime.Goexit() }

// action returns the event of an alarm action: the alarm went to ALARM transition seconds after a fixed time.
func action(name string, transition int) string {
	arn := "arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + name
	stamp := time.Date(2026, 8, 4, 12, 0, 0, 0, time.UTC).Add(time.Duration(transition) * time.Second).Format("2006-01-02T15:04:05.000-0700")
	raw, _ := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": arn, "accountId": "123456789012", "region": "us-east-1", "time": stamp,
		"alarmData": map[string]any{"alarmName": name, "state": map[string]any{"value": "ALARM", "reason": "r", "timestamp": stamp}},
	})
	return string(raw)
}
