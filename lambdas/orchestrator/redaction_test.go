package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// refusingModel records its requests and denies them. The report then consists of event and evidence.
type refusingModel struct {
	mu    sync.Mutex
	asked bytes.Buffer
}

func (m *refusingModel) Converse(_ context.Context, in *bedrockruntime.ConverseInput, _ ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := json.NewEncoder(&m.asked).Encode(map[string]any{"messages": in.Messages, "system": in.System}); err != nil {
		return nil, err
	}
	return nil, errors.New("AccessDeniedException: no access to the model")
}

// recordingTool records the code that it receives.
type recordingTool struct{ commands strings.Builder }

func (r *recordingTool) Run(_ context.Context, request toolcall.Request) (toolcall.Answer, error) {
	r.commands.WriteString(request.Command)
	return toolcall.Answer{Success: true, Output: "{}", Result: json.RawMessage(`{}`)}, nil
}

const (
	leaked   = "hunter2-canary"
	ticket   = "INC-4711"
	findings = "arn:aws:sns:us-east-1:123456789012:findings"
	cards    = "arn:aws:sns:us-east-1:123456789012:cards"
)

// outputsWith investigates the event of a log alarm and returns the outputs that contain a text.
func outputsWith(t *testing.T, cfg config.Orchestrator, text string) (found []string, notification string) {
	t.Helper()
	event, err := os.ReadFile("../../internal/alarmevent/testdata/sns-log.json")
	require.NoError(t, err)
	event = bytes.Replace(event, []byte("ERROR no stock"), []byte("ERROR no stock, ticket "+ticket), 1)
	redactor, err := newRedactor(cfg)
	require.NoError(t, err)
	var (
		db                awsapitest.DynamoDB
		s3                awsapitest.S3
		topics            awsapitest.SNS
		bus               awsapitest.EventBridge
		self              awsapitest.Lambda
		model             refusingModel
		tool              recordingTool
		logs, metricLines bytes.Buffer
	)
	cfg.ModelID, cfg.MaxRounds, cfg.EventBus = "amazon.nova-pro-v1:0", 3, "bus"
	h := triage.Handler{
		Config: cfg, FunctionName: "triage-handler", Redactor: redactor, Tool: &tool,
		Investigator: agent.Options{Model: &model, Tool: &tool, Models: cfg.ModelIDs(), MaxRounds: cfg.MaxRounds},
		Renderer:     report.NewRenderer(report.Home{Region: "us-east-1", Bucket: "reports"}),
		Table:        dedupe.New(&db, "investigations", time.Hour, time.Now), Store: store.New(&s3, "reports"),
		Topic: notify.New(&topics, findings), CardTopic: notify.New(&topics, cards), Lambda: &self, EventBridge: &bus,
		Metrics: emf.New(&metricLines, "triage-handler", "INFO", time.Now), Now: time.Now, Log: slog.New(slog.NewJSONHandler(&logs, nil)),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	answer, err := h.Handle(ctx, "request-1", event)
	require.NoError(t, err)
	require.Equal(t, triage.StatusInvestigated, answer.Results[0].Status)

	outputs := map[string]string{
		"the model's request": model.asked.String(), "the tool's code": tool.commands.String(), "the log": logs.String(),
		"metrics": metricLines.String(), "the table": fmt.Sprintf("%+v", db.Item("arn:aws:cloudwatch:us-east-1:123456789012:alarm:log-errors")),
		"the notification": *topics.Published(findings)[0].Message, "the card": *topics.Published(cards)[0].Message,
		"the completion event": *bus.Put()[0].Entries[0].Detail,
	}
	for _, key := range s3.Keys("") {
		outputs["the object "+key] = string(s3.Object("reports", strings.TrimPrefix(key, "reports/")))
	}
	require.Greater(t, len(outputs), 11, "reports and checkpoints are among them")
	for name, output := range outputs {
		require.NotEmpty(t, output, name)
		if strings.Contains(output, text) {
			found = append(found, name)
		}
	}
	return found, outputs["the notification"]
}

func TestRedaction_RemovesSecretsOfLogLinesFromAllOutputs(t *testing.T) {
	for _, text := range []string{leaked, ticket} {
		found, notification := outputsWith(t, config.Orchestrator{Redact: true, RedactPatterns: `["INC-[0-9]+"]`}, text)
		assert.Empty(t, found)
		assert.Contains(t, notification, "password=[redacted: secret]", "the rest of the line is shown")
		assert.Contains(t, notification, "[redacted: custom pattern]")
	}
}

// Without this test, the test above would also pass if the lines were lost.
func TestRedaction_TurnedOffShowsLogLines(t *testing.T) {
	found, _ := outputsWith(t, config.Orchestrator{Redact: false}, leaked)
	assert.Contains(t, found, "the model's request")
	assert.Contains(t, found, "the notification")
}

func TestNewRedactor_NamesInvalidPattern(t *testing.T) {
	_, err := newRedactor(config.Orchestrator{Redact: true, RedactPatterns: `["("]`})
	assert.ErrorContains(t, err, "is not a regular expression (RE2)")
	_, err = newRedactor(config.Orchestrator{Redact: true, RedactPatterns: `(`})
	assert.ErrorContains(t, err, config.EnvRedactPatterns+" must be a JSON array")
}
