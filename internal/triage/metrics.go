package triage

import (
	"log/slog"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// measure emits the investigation's metrics.
func (r *attempt) measure() {
	redactions, refusals := countedIn(r.rec)
	redactions += r.rec.Alarm.Redactions
	use := r.rec.Usage
	values := map[string]float64{
		emf.Investigations: 1, emf.Completed: 0, emf.Concluded: 0, emf.Fallback: 0,
		emf.Rounds: float64(len(r.rec.Rounds)), emf.ToolCalls: float64(use.ToolCalls),
		emf.Duration:    float64(r.rec.EndedAt.Sub(r.rec.StartedAt).Milliseconds()),
		emf.InputTokens: float64(use.InputTokens + use.CacheWriteTokens), emf.OutputTokens: float64(use.OutputTokens),
		emf.CacheReadTokens: float64(use.CacheReadTokens),
		emf.Redactions:      float64(redactions), emf.BrokerRefusals: float64(refusals),
		emf.ModelFallbacks: float64(len(r.rec.Fallbacks)), emf.QueryCostUSD: use.QueryCostUSD, emf.EvidenceOnly: 0,
	}
	if r.rec.EvidenceOnly {
		values[emf.EvidenceOnly] = 1
	}
	if use.PriceKnown {
		values[emf.CostUSD] = use.CostUSD
	}
	if r.rec.Resumed > 0 {
		values[emf.Resumed] = 1
	}
	switch r.rec.Outcome {
	case investigation.OutcomeCompleted:
		values[emf.Completed] = 1
	case investigation.OutcomeConcluded:
		values[emf.Concluded] = 1
	default:
		values[emf.Fallback] = 1
	}
	properties := map[string]string{
		"investigation_id": r.rec.ID, "alarm": r.alarm.Name, "outcome": string(r.rec.Outcome), "model": r.rec.Model,
	}
	for _, f := range r.rec.Fallbacks {
		properties["failed_model"], properties["failed_model_cause"] = f.Model, string(f.Cause)
	}
	r.emitWith(values, properties)
}

// countedIn returns the numbers of secrets and of refused requests in the tool calls of a record.
func countedIn(rec *investigation.Record) (redactions, refusals int) {
	for call := range rec.Calls() {
		if call.Answer != nil && call.Cached == 0 {
			redactions += call.Answer.Redactions
			refusals += call.Answer.Refusals
		}
	}
	return redactions, refusals
}

// tableFailed counts and logs that the table could not be read or written. Until it works, alarms can be reported twice, and the limits
// of a day and the kill switch may have no effect.
func (h *Handler) tableFailed(log *slog.Logger, what string, err error) {
	h.emit(map[string]float64{emf.LeaseFailures: 1})
	log.Error(what, "error", err, "advice", awsapi.Advice(err))
}

func (h *Handler) emit(values map[string]float64) {
	h.emitWith(values, nil)
}

func (h *Handler) emitWith(values map[string]float64, properties map[string]string) {
	if err := h.Metrics.Emit(values, properties); err != nil {
		h.Log.Warn("metrics not written", "error", err)
	}
}
