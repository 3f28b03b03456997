// Package triage is the story of an alarm: it claims the alarm, has it investigated, stores and sends
// the report, and settles the claim. Whatever fails on the way, a human is told, or the invocation
// fails so that Lambda tries again.
package triage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// Investigator fills the record: rounds, report, outcome and usage. resume is what Checkpoint got last,
// or nil. It returns nil whenever the record can be rendered.
type Investigator interface {
	Investigate(ctx context.Context, limits investigation.Limits, rec *investigation.Record, resume []byte) error
}

// Renderer makes the report's forms. An empty ReportURI of the record means that nothing was stored.
type Renderer interface {
	Subject(rec *investigation.Record) string
	Notification(rec *investigation.Record, keys store.Keys, maxBytes int) string
	Text(rec *investigation.Record, keys store.Keys) string
	HTML(rec *investigation.Record, keys store.Keys) ([]byte, error)
	JSON(rec *investigation.Record) ([]byte, error)
	Card(rec *investigation.Record, keys store.Keys) ([]byte, error)
}

// Handler handles the orchestrator's invocations.
type Handler struct {
	Config       config.Orchestrator
	FunctionName string           // the orchestrator's own, for the hand-over
	Region       string           // the orchestrator's own; alarms may come from others
	Redactor     *redact.Redactor // of events; nil: nothing is redacted
	Tool         evidence.Tool
	Investigator Investigator
	Renderer     Renderer
	Table        *dedupe.Table
	Store        *store.Store
	Topic        *notify.Topic
	CardTopic    *notify.Topic // nil: no chat card
	SelfCheck    SelfChecker
	Lambda       awsapi.Lambda
	EventBridge  awsapi.EventBridge
	Metrics      *emf.Writer
	Now          func() time.Time
	Log          *slog.Logger
}

// Status is what was done about one alarm.
type Status string

// What may be done about an alarm.
const (
	StatusInvestigated Status = "investigated"
	StatusDuplicate    Status = "duplicate"
	StatusSkipped      Status = "skipped"
	StatusHandedOver   Status = "handed over"
	StatusRecovered    Status = "recovery notified"
)

// Result is what was done about one alarm, and why.
type Result struct {
	Alarm     string                `json:"alarm,omitempty"`
	Status    Status                `json:"status"`
	Reason    string                `json:"reason,omitempty"`
	ID        string                `json:"investigation_id,omitempty"`
	Outcome   investigation.Outcome `json:"outcome,omitempty"`
	ReportURI string                `json:"report_uri,omitempty"`
}

// Answer is what the orchestrator answers to an invocation.
type Answer struct {
	Results   []Result          `json:"results"`
	SelfCheck *selfcheck.Report `json:"self_check,omitempty"` // of an order to check the triage itself
}

// Handle handles one invocation. owner is the request id, which Lambda keeps when it tries again. The
// error lists every alarm that could not be dealt with; trying again goes on with those alone.
func (h *Handler) Handle(ctx context.Context, owner string, raw []byte) (Answer, error) {
	if order, ok := parseHandOver(raw); ok {
		result, err := h.handleAlarm(ctx, &order.Alarm, order.Token, order.ID)
		return Answer{Results: []Result{result}}, err
	}
	if isSelfCheck(raw) {
		return h.selfCheck(ctx, owner)
	}
	alarms, err := h.parse(raw)
	answer := Answer{Results: []Result{}}
	switch {
	case errors.Is(err, alarmevent.ErrIgnored) && len(alarms) == 0:
		h.emit(map[string]float64{emf.Skipped: 1})
		h.Log.Info("event skipped", "reason", err.Error())
		return Answer{Results: []Result{{Status: StatusSkipped, Reason: err.Error()}}}, nil
	case err != nil:
		h.emit(map[string]float64{emf.UnknownEvents: 1})
	}
	problems := []error{err}
	for i := range alarms {
		result, err := h.handleAlarm(ctx, &alarms[i], owner, investigationID(&alarms[i], owner))
		if err != nil {
			err = fmt.Errorf("alarm %q: %w", alarms[i].Name, err)
			h.emit(map[string]float64{emf.Failed: 1})
		} else {
			answer.Results = append(answer.Results, result)
		}
		problems = append(problems, err)
	}
	return answer, errors.Join(problems...)
}

// maxRedaction bounds the search for secrets in an event. Texts that are not looked through by then are withheld.
const maxRedaction = 15 * time.Second

// parse reads an event. Log lines may ride in it, so that it is redacted as the tool's output is, before anything
// else sees it.
func (h *Handler) parse(raw []byte) ([]alarmevent.Alarm, error) {
	if h.Redactor == nil {
		return alarmevent.Parse(raw)
	}
	redactor := h.Redactor.Until(time.Now().Add(maxRedaction)) // the redactor's own clock
	return alarmevent.Parser{Redact: redactor.Document}.Parse(raw)
}

// handle decides what is to be done about one alarm, and does it. id is its investigation's, if that is
// new.
func (h *Handler) handleAlarm(ctx context.Context, alarm *alarmevent.Alarm, owner, id string) (Result, error) {
	if alarm.State == alarmevent.StateOK && h.Config.NotifyRecovery {
		return h.notifyRecovery(ctx, alarm)
	}
	if reason := skipReason(alarm); reason != "" {
		h.emit(map[string]float64{emf.Skipped: 1})
		h.Log.Info("alarm skipped", "alarm", alarm.Name, "reason", reason)
		return Result{Alarm: alarm.Name, Status: StatusSkipped, Reason: reason}, nil
	}
	r, duplicate := h.begin(ctx, alarm, owner, id)
	if duplicate != nil {
		return h.duplicate(ctx, alarm, owner, duplicate), nil
	}
	return r.proceed(ctx)
}

// skipReason says why an alarm needs no investigation, or nothing.
func skipReason(alarm *alarmevent.Alarm) string {
	switch {
	case alarm.State != alarmevent.StateAlarm:
		return fmt.Sprintf("the alarm's state is %s, not ALARM", alarm.State)
	case strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix):
		return "the alarm watches an AlarmTriage itself, whose failing would start ever more investigations"
	case alarm.MutedBy != "":
		return "the alarm is muted by " + alarm.MutedBy
	case alarm.SuppressedBy != "":
		return fmt.Sprintf("the alarm's actions are suppressed (%s) %s", alarm.SuppressedBy, alarm.SuppressedWhy)
	}
	return ""
}

// begin claims the alarm. If the table is not reachable the alarm is investigated all the same: better
// twice than never.
func (h *Handler) begin(ctx context.Context, alarm *alarmevent.Alarm, owner, id string) (*attempt, *dedupe.Duplicate) {
	r := &attempt{Handler: h, alarm: alarm, owner: owner, budget: budgetOf(ctx, h.Now())}
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	claim, duplicate, err := h.Table.Claim(quick, alarm, owner, id, r.budget.deadline.Add(leaseGrace))
	if duplicate != nil {
		return nil, duplicate
	}
	if claim != nil {
		r.claim, id = claim, claim.ID
	}
	r.log = h.Log.With("investigation_id", id, "alarm", alarm.Name)
	r.rec = h.newRecord(alarm, id)
	if err != nil {
		h.emit(map[string]float64{emf.LeaseFailures: 1})
		r.log.Error("claim incomplete, investigating all the same", "error", err, "advice", awsapi.Advice(err))
	}
	if claim != nil {
		r.rec.StartedAt, r.rec.SeenBefore = claim.StartedAt, claim.Past
	}
	if err := h.Table.Fired(quick, alarm); err != nil {
		r.log.Warn("other alarms will not learn of this one", "error", err)
	}
	return r, nil
}

func (h *Handler) newRecord(alarm *alarmevent.Alarm, id string) *investigation.Record {
	return &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: id, Alarm: *alarm, StartedAt: h.Now().UTC(), Model: h.Config.ModelID,
	}
}

// duplicate counts an event whose alarm is or was just investigated.
func (h *Handler) duplicate(ctx context.Context, alarm *alarmevent.Alarm, owner string, d *dedupe.Duplicate) Result {
	quick, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	if err := errors.Join(h.Table.CountRepeat(quick, alarm, owner), h.Table.Fired(quick, alarm)); err != nil {
		h.Log.Warn("repeated event not counted", "alarm", alarm.Name, "error", err)
	}
	h.emit(map[string]float64{emf.Duplicates: 1})
	reason := "it was investigated within the window"
	switch {
	case d.CoveredBy != "":
		reason = "it is investigated together with " + d.CoveredBy
	case d.Running:
		reason = "it is being investigated"
	}
	h.Log.Info("duplicate event", "alarm", alarm.Name, "investigation_id", d.ID, "reason", reason)
	return Result{Alarm: alarm.Name, Status: StatusDuplicate, Reason: reason, ID: d.ID, ReportURI: d.ReportURI}
}
