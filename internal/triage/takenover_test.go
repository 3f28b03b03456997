package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	brt "github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
)

const takenOverModel = "us.anthropic.claude-sonnet-5-5"

// spendingTool spends all that each call may spend.
type spendingTool struct {
	mu    sync.Mutex
	spent float64
	calls int
}

func (t *spendingTool) Run(_ context.Context, r toolcall.Request) (toolcall.Answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	a := toolcall.Answer{Success: true, Output: fmt.Sprint("line ", t.calls), Stdout: fmt.Sprint("line ", t.calls)}
	if r.QueryLimitUSD != nil && *r.QueryLimitUSD > 0 {
		t.spent += *r.QueryLimitUSD
		a.BilledQueries = []toolcall.BilledQueries{{Operation: "logs:StartQuery", Requests: 1, Units: 1, Unit: toolcall.UnitBytes, CostUSD: *r.QueryLimitUSD}}
	}
	return a, nil
}

// takenOverBill is what Bedrock bills.
type takenOverBill struct {
	mu   sync.Mutex
	usd  float64
	asks int
}

type takenOver struct {
	db    *awsapitest.DynamoDB
	s3    *awsapitest.S3
	sns   *awsapitest.SNS
	fn    *awsapitest.Lambda
	tool  *spendingTool
	bill  *takenOverBill
	h     *triage.Handler
	asked func(n int)
}

func newTakenOver(t *testing.T, wait time.Duration, maxCost float64) *takenOver {
	w := &takenOver{db: &awsapitest.DynamoDB{}, s3: &awsapitest.S3{}, sns: &awsapitest.SNS{}, fn: &awsapitest.Lambda{}, tool: &spendingTool{}, bill: &takenOverBill{}}
	prices, err := pricing.Parse("")
	if err != nil {
		t.Fatal(err)
	}
	model := &awsapitest.Model{Answer: func(ctx context.Context, in *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
		w.bill.mu.Lock()
		w.bill.asks++
		n := w.bill.asks
		w.bill.mu.Unlock()
		if w.asked != nil {
			w.asked(n)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		out := min(int32(2000), aws.ToInt32(in.InferenceConfig.MaxTokens))
		w.bill.mu.Lock()
		w.bill.usd += float64(out)*11/1e6 + 6000*2.2/1e6
		w.bill.mu.Unlock()
		return &bedrockruntime.ConverseOutput{
			StopReason: brt.StopReasonToolUse,
			Usage:      &brt.TokenUsage{InputTokens: aws.Int32(6000), OutputTokens: aws.Int32(out), TotalTokens: aws.Int32(6000 + out)},
			Output: &brt.ConverseOutputMemberMessage{Value: brt.Message{Role: brt.ConversationRoleAssistant, Content: []brt.ContentBlock{
				&brt.ContentBlockMemberToolUse{Value: brt.ToolUseBlock{
					ToolUseId: aws.String(fmt.Sprint("u", n)), Name: aws.String("python_executor"),
					Input: document.NewLazyDocument(map[string]any{"command": fmt.Sprint("print(", n, ")")}),
				}},
			}}},
		}, nil
	}}
	cfg := config.Orchestrator{ModelID: takenOverModel, ToolFunction: "arn:aws:lambda:us-east-1:123456789012:function:tool", Table: "t", ReportsBucket: "b",
		TopicARN: "arn:aws:sns:us-east-1:123456789012:oncall", Window: time.Hour, MaxRounds: 100, MaxCostUSD: maxCost, MaxQueryCostUSD: 1,
		MaxPerDay: 200, MaxCostUSDPerDay: 50}
	w.h = &triage.Handler{
		Config: cfg, FunctionName: "orch", Region: "us-east-1", Tool: w.tool,
		Investigator: agent.Options{Model: model, Tool: w.tool, Models: []string{takenOverModel}, Region: "us-east-1", MaxRounds: 100, MaxCostUSD: maxCost,
			MaxQueryCostUSD: 1, Prices: prices},
		Renderer: report.NewRenderer(report.Home{Region: "us-east-1", Bucket: "b"}),
		Table:    dedupe.New(w.db, "t", time.Hour, time.Now), Store: store.New(w.s3, "b"), Topic: notify.New(w.sns, cfg.TopicARN),
		CloudWatch: &awsapitest.CloudWatch{}, Lambda: w.fn, EventBridge: &awsapitest.EventBridge{}, Metrics: emf.New(io.Discard, "orch", "", time.Now),
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	return w
}

func takenOverEvent(at time.Time) []byte {
	raw, _ := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders", "accountId": "123456789012",
		"time": at.Format("2006-01-02T15:04:05.000+0000"), "region": "us-east-1",
		"alarmData": map[string]any{"alarmName": "orders",
			"state":         map[string]any{"value": "ALARM", "reason": "r", "timestamp": at.Format("2006-01-02T15:04:05.000+0000")},
			"previousState": map[string]any{"value": "OK"},
			"configuration": map[string]any{"metrics": []any{map[string]any{"id": "m", "returnData": true, "metricStat": map[string]any{
				"metric": map[string]any{"namespace": "A", "name": "B", "dimensions": map[string]any{}}, "period": 60, "stat": "Sum"}}}}},
	})
	return raw
}

// Lambda can deliver an event twice at the same time, with the same request id. Only one of the invocations goes on spending.
func TestInvestigate_StopsWhenACopyOfTheEventTookOver(t *testing.T) {
	const limit = 0.5 // MaxCostUsd; MaxQueryCostUsd is 1
	w := newTakenOver(t, 20*time.Millisecond, limit)
	errorLog := &logbuffer.Buffer{}
	w.h.Log = slog.New(slog.NewTextHandler(errorLog, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	raw := takenOverEvent(time.Now())
	var copies sync.WaitGroup
	var once sync.Once
	w.asked = func(int) {
		once.Do(func() {
			copies.Go(func() {
				_, err := w.h.Handle(ctx, "request", raw)
				assert.NoError(t, err)
			})
		})
	}
	_, err := w.h.Handle(ctx, "request", raw)
	require.NoError(t, err)
	copies.Wait()
	const round = 0.04
	assert.Less(t, w.bill.usd, limit+2*round, "the loser sends at most the round in which it lost the claim, and another one")
	assert.Less(t, w.tool.spent, 1.51)
	assert.Len(t, w.sns.Published(w.h.Config.TopicARN), 1)
	assert.Empty(t, errorLog.String(), "nothing went wrong")
}

func TestInvestigate_ReportsNothingAfterACopyTookOverAlthoughTheTableFails(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context) error{
		"after a round":    func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		"at its hand-over": func(context.Context) error { return investigation.ErrHandOver },
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			event := action("orders", 1)
			var concluded []byte
			b.agent.do = func(ctx context.Context, limits investigation.Limits, _ *investigation.Record, _ []byte) error {
				b.agent.do = nil
				b.mustInvestigate(t, "1", event)
				concluded = b.S3.Object(bucket, b.checkpoint(t))
				require.ErrorIs(t, limits.Checkpoint(ctx, []byte("{}")), dedupe.ErrLost)
				b.DB.Fail(awsapitest.ErrDown, -1)
				return end(ctx)
			}
			b.mustBeDuplicate(t, "1", event)
			assert.Equal(t, 2, b.agent.calls, "the loser asks no model again")
			assert.Len(t, b.notifications(), 1)
			assert.Equal(t, concluded, b.S3.Object(bucket, b.checkpoint(t)))
		})
	}
}

// checkpoint returns the key of the only checkpoint.
func (b *harness) checkpoint(t *testing.T) string {
	t.Helper()
	keys := b.S3.Keys("checkpoints/")
	require.Len(t, keys, 1)
	return strings.TrimPrefix(keys[0], bucket+"/")
}
