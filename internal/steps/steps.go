// Package steps has the steps of an investigation that need no table, no bucket, and no topic: collecting the evidence,
// asking the model, and rendering the report. The orchestrator adds claims, checkpoints, and delivery to them (package
// triage). The command alarmtriage runs them on the user's machine.
package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// Investigator asks a model to investigate, and fills the record's rounds, report, outcome, and usage. resume
// is the state that [investigation.Limits.Checkpoint] received last, or nil. Investigate returns nil whenever
// the record can be rendered, and [investigation.ErrHandOver] if a fresh invocation should continue from the
// last checkpoint.
type Investigator interface {
	Investigate(ctx context.Context, limits investigation.Limits, rec *investigation.Record, resume []byte) error
}

// NewRecord returns the record of an investigation that begins now.
func NewRecord(alarm *alarmevent.Alarm, id, model, accountName string, now time.Time) *investigation.Record {
	return &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: id, Alarm: *alarm, StartedAt: now.UTC(), Model: model, AccountName: accountName,
	}
}

// RunbookHeading precedes the text of a runbook in what the model reads.
const RunbookHeading = "The team's runbook for this alarm:\n"

// evidenceOnlyQueryUSD is what AWS may charge for the evidence of an alarm that no model investigates, in US dollars. It
// is enough for the metrics of any alarm, or for a query of Logs Insights that scans 2 GB.
const evidenceOnlyQueryUSD = 0.01

// CollectEvidence adds the evidence to the record. AWS may charge maxQueryUSD for all queries of the investigation.
func CollectEvidence(
	ctx context.Context, tool evidence.Tool, maxQueryUSD float64, rec *investigation.Record, own evidence.Triage, now func() time.Time,
	log *slog.Logger,
) {
	limit := rec.QueryLimitUSD(maxQueryUSD, 1)
	if rec.EvidenceOnly {
		limit = min(limit, evidenceOnlyQueryUSD)
	}
	rec.Evidence = evidence.Collect(ctx, tool, limit, &rec.Alarm, own, now, log)
	log.Info("evidence collected", "problem", rec.Evidence.Problem,
		"series", len(rec.Evidence.Series), "changes", len(rec.Evidence.Changes))
}

// AskModel lets the investigator investigate, and turns a panic into an error: a bug in the agent must not suppress an
// alarm.
func AskModel(
	ctx context.Context, investigator Investigator, limits investigation.Limits, rec *investigation.Record, resume []byte,
) (err error) {
	defer func() {
		if v := recover(); v != nil {
			limits.Log.Error("agent panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the agent failed: %v", v)
		}
	}()
	return investigator.Investigate(ctx, limits, rec, resume)
}

// FallBack prepares the record for rendering without a conclusion. outOfTime is what the reader learns if the time ran out.
func FallBack(rec *investigation.Record, err error, outOfTime string) {
	rec.Outcome = investigation.OutcomeFallback
	if rec.OutcomeWhy != "" {
		return
	}
	rec.OutcomeWhy = awsapi.Brief(err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		rec.OutcomeWhy = outOfTime
	}
}

// End adds to the record what is only known at the end of the investigation.
func End(rec *investigation.Record, now time.Time) {
	if rec.EndedAt.IsZero() {
		rec.EndedAt = now.UTC()
	}
	rec.Usage.QueryCostUSD = max(rec.Usage.QueryCostUSD, rec.QueryCostUSD()) // a parked record may have lost its rounds
}

// Renderer renders the forms of the report that are files. If the record's ReportURI is empty, the report was not stored.
type Renderer interface {
	Text(rec *investigation.Record, keys report.Keys) string
	HTML(rec *investigation.Record, keys report.Keys) ([]byte, error)
	JSON(rec *investigation.Record) ([]byte, error)
}

// Form is one form of the report, or the conversation with the model.
type Form struct {
	Key         string // one of the keys
	ContentType string
	Body        []byte
}

// Forms renders the report and the conversation. A form that cannot be rendered is left out; the text always exists.
func Forms(renderer Renderer, rec *investigation.Record, keys report.Keys, log *slog.Logger) []Form {
	text, err := Guarded(func() ([]byte, error) { return []byte(renderer.Text(rec, keys)), nil })
	if err != nil {
		log.Error("text of the report not rendered, storing the bare facts", "error", err)
		text = []byte(BareFacts(rec))
	}
	forms := []Form{{Key: keys.Text, ContentType: "text/plain; charset=utf-8", Body: text}}
	for _, other := range []struct {
		key, contentType string
		render           func() ([]byte, error)
	}{
		{keys.HTML, "text/html; charset=utf-8", func() ([]byte, error) { return renderer.HTML(rec, keys) }},
		{keys.JSON, "application/json", func() ([]byte, error) { return renderer.JSON(rec) }},
		{keys.Conversation, "application/json", func() ([]byte, error) { return conversation(rec) }},
	} {
		body, err := Guarded(other.render)
		if err != nil {
			log.Error("form of the report not rendered", "key", other.key, "error", err)
			continue
		}
		forms = append(forms, Form{Key: other.key, ContentType: other.contentType, Body: body})
	}
	return forms
}

// conversation returns the whole investigation, round by round, as JSON.
func conversation(rec *investigation.Record) ([]byte, error) {
	return json.MarshalIndent(struct {
		ID       string                  `json:"id"`
		Model    string                  `json:"model"`
		Evidence *investigation.ToolCall `json:"evidence_call"`
		Rounds   []investigation.Round   `json:"rounds"`
	}{rec.ID, rec.Model, rec.Evidence.Call, rec.Rounds}, "", "  ")
}

// Guarded calls render and turns a panic into an error.
func Guarded(render func() ([]byte, error)) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("renderer panicked: %v", v)
		}
	}()
	return render()
}

// BareFacts returns a minimal report, for the case that the renderer panics. Its texts are untrusted, so they are quoted
// on one line each.
func BareFacts(rec *investigation.Record) string {
	return fmt.Sprintf("Alarm %q of account %q in %q went to %q at %s.\nReason: %q\n\nSummary: %q\nRoot cause: %q\n\nInvestigation %q, outcome %q: %q\n",
		rec.Alarm.Name, rec.Alarm.Account, rec.Alarm.Region, rec.Alarm.State, rec.Alarm.Time.Format(time.RFC3339), rec.Alarm.Reason,
		rec.Report.Summary, rec.Report.RootCause, rec.ID, rec.Outcome, rec.OutcomeWhy)
}
