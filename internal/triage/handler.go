// Package triage handles the events of alarms. For each alarm it takes a claim, collects evidence, runs the
// investigation, stores the report, sends the notification, and settles the claim. If a step fails, either
// a human is notified or the invocation fails and Lambda retries it.
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
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// Renderer renders the forms of the report. If the record's ReportURI is empty, the report was not stored.
type Renderer interface {
	steps.Renderer
	Subject(rec *investigation.Record) string
	Notification(rec *investigation.Record, keys report.Keys, maxBytes int) string
	Card(rec *investigation.Record, keys report.Keys) ([]byte, error)
}

// Handler handles the orchestrator's invocations.
type Handler struct {
	Config       config.Orchestrator
	FunctionName string            // of the orchestrator, which invokes itself for a hand-over
	Region       string            // of the orchestrator; alarms can be in other Regions
	AccountNames map[string]string // by account ID
	Zone         *time.Location    // of the readers; nil: UTC
	Redactor     *redact.Redactor  // of events; nil: events are not redacted
	Tool         evidence.Tool
	Investigator steps.Investigator
	Asker        Asker
	Renderer     Renderer
	Table        *dedupe.Table
	Store        *store.Store
	Topic        *notify.Topic
	CardTopic    *notify.Topic // nil: no chat cards
	SelfCheck    SelfChecker
	CloudWatch   awsapi.CloudWatch // confirms events that can be forged, and knows whether the alarm is still in ALARM
	Lambda       awsapi.Lambda
	EventBridge  awsapi.EventBridge
	Metrics      *emf.Writer
	Now          func() time.Time
	Log          *slog.Logger
}

// Status is how the handling of one alarm ended.
type Status string

// The statuses of an alarm.
const (
	StatusInvestigated Status = "investigated"
	StatusDuplicate    Status = "duplicate"
	StatusSkipped      Status = "skipped"
	StatusHandedOver   Status = "handed over"
	StatusRecovered    Status = "recovery notified"
)

// Result reports how the handling of one alarm ended, and why.
type Result struct {
	Alarm     string                `json:"alarm,omitempty"`
	Status    Status                `json:"status"`
	Reason    string                `json:"reason,omitempty"`
	ID        string                `json:"investigation_id,omitempty"`
	Outcome   investigation.Outcome `json:"outcome,omitempty"`
	ReportURI string                `json:"report_uri,omitempty"`
}

// Answer is the orchestrator's response to an invocation.
type Answer struct {
	Results   []Result          `json:"results"`
	SelfCheck *selfcheck.Report `json:"self_check,omitempty"` // the result of a self-check event
	Ask       *AskResult        `json:"ask,omitempty"`        // the result of a question
	Feedback  *FeedbackResult   `json:"feedback,omitempty"`   // the result of a feedback
}

// Handle handles one invocation. owner is the request id, which Lambda keeps when it retries. The error
// lists every alarm that could not be handled. A retry continues with those alarms only.
func (h *Handler) Handle(ctx context.Context, owner string, raw []byte) (Answer, error) {
	if order, ok := parseHandOver(raw); ok {
		result, err := h.handleAlarm(ctx, &order.Alarm, order.Token, order.ID, order.Spent)
		if err != nil {
			h.emit(map[string]float64{emf.Failed: 1})
		}
		return Answer{Results: []Result{result}}, err
	}
	if order, ok := parseOrder(raw); ok { // it has no other members, such as that of a self-check
		return h.follow(ctx, owner, order)
	}
	if ok, silent := isSelfCheck(raw); ok {
		return h.selfCheck(ctx, owner, silent)
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
		result, err := h.handleEvent(ctx, &alarms[i], owner)
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

// maxRedaction bounds the search for secrets in an event. Text that was not searched by then is withheld.
const maxRedaction = 15 * time.Second

// parse reads an event. An event can contain log lines. It is therefore redacted like the tool's output,
// before any other code reads it.
func (h *Handler) parse(raw []byte) ([]alarmevent.Alarm, error) {
	if h.Redactor == nil {
		return alarmevent.Parse(raw)
	}
	redactor := h.Redactor.Until(time.Now().Add(maxRedaction)) // not h.Now: the redactor uses the real clock
	return alarmevent.Parser{Redact: redactor.Document}.Parse(raw)
}

// handleEvent handles the event of one alarm. An event that can be forged is confirmed first, unless it is
// skipped: skipping it changes nothing, so a forged event cannot skip another one.
func (h *Handler) handleEvent(ctx context.Context, alarm *alarmevent.Alarm, owner string) (Result, error) {
	recovery := alarm.State == alarmevent.StateOK && h.Config.NotifyRecovery
	if reason := skipReason(alarm, recovery); reason != "" {
		return h.skip(alarm, reason), nil
	}
	copyOf := h.confirm(ctx, alarm, owner)
	switch {
	case copyOf != nil:
		return h.answerDuplicate(alarm, copyOf, ""), nil
	case recovery && alarm.Unconfirmed != "":
		return h.skip(alarm, "the alarm's recovery is not confirmed: "+alarm.Unconfirmed), nil
	case recovery:
		return h.notifyRecovery(ctx, alarm, owner)
	}
	return h.handleAlarm(ctx, alarm, owner, investigationID(alarm, owner), investigation.Usage{})
}

func (h *Handler) skip(alarm *alarmevent.Alarm, reason string) Result {
	h.emit(map[string]float64{emf.Skipped: 1})
	h.Log.Info("alarm skipped", "alarm", alarm.Name, "reason", reason)
	return Result{Alarm: alarm.Name, Status: StatusSkipped, Reason: reason}
}

// handleAlarm handles one alarm. id is the id of its investigation, if a new one begins. If the claim is that of an earlier
// transition, that investigation is ended first. spent is what the investigation used before a hand-over.
func (h *Handler) handleAlarm(
	ctx context.Context, alarm *alarmevent.Alarm, owner, id string, spent investigation.Usage,
) (Result, error) {
	r, duplicate := h.begin(ctx, alarm, owner, id)
	if r != nil && r.isForEarlier() {
		if err := r.endEarlier(ctx); err != nil {
			return Result{}, err
		}
		if r, duplicate = h.begin(ctx, alarm, owner, id); r != nil && r.isForEarlier() {
			r.background.Wait()
			return Result{}, errors.New("an earlier investigation of the alarm could not be ended: the retry tries again")
		}
	}
	if duplicate != nil {
		return h.duplicate(ctx, alarm, owner, duplicate)
	}
	r.spent = spent
	result, err := r.proceed(ctx)
	if r.claim != nil && r.claim.IsRepeat { // what follows a repeat does not depend on who delivers the report
		_, followUp := h.notifyFiredAgain(ctx, alarm, owner)
		err = errors.Join(err, followUp)
	}
	return result, err
}

// skipReason returns why an event is skipped, or "" if it is not. A recovery is only an exception to the reason that the alarm
// is not in ALARM: a muted alarm notifies nobody when it fires again, so its recovery would be the last word. Contributors
// change their states while the alarm as a whole stays in ALARM.
func skipReason(alarm *alarmevent.Alarm, recovery bool) string {
	switch {
	case alarm.State != alarmevent.StateAlarm && !recovery:
		return fmt.Sprintf("the alarm's state is %s, not ALARM", alarm.State)
	case strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix):
		return "the alarm monitors AlarmTriage itself, and investigating it could loop"
	case alarm.MutedBy != "":
		return "the alarm is muted by " + alarm.MutedBy
	case alarm.SuppressedBy != "":
		return strings.TrimSpace(fmt.Sprintf("the alarm's actions are suppressed (%s) %s", alarm.SuppressedBy, alarm.SuppressedWhy))
	case recovery && alarm.Contributor != nil:
		return "a contributor of the alarm is OK again, which does not mean that the alarm is"
	}
	return ""
}

// begin claims the alarm. If the table is unavailable, the alarm is investigated without a claim: two
// investigations are better than none.
func (h *Handler) begin(
	ctx context.Context, alarm *alarmevent.Alarm, owner, id string,
) (*attempt, *dedupe.Duplicate) {
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
	r.rec = steps.NewRecord(alarm, id, h.Config.ModelID, h.AccountNames[alarm.Account], h.Now())
	r.rec.MemberOf = h.memberOf(ctx, alarm)
	r.rec.Function = h.FunctionName
	if err != nil {
		h.tableFailed(r.log, "claim incomplete, investigating anyway", err)
	}
	if claim != nil {
		r.rec.StartedAt, r.rec.SeenBefore = claim.StartedAt, claim.Past
	}
	r.fired = make(chan struct{})
	r.background.Go(func() { r.recordFired(ctx) })
	return r, nil
}

// duplicate counts an event whose alarm is being investigated, or was investigated within the window. If people were
// notified that the alarm is OK again, they are also notified that it fires again.
func (h *Handler) duplicate(ctx context.Context, alarm *alarmevent.Alarm, owner string, d *dedupe.Duplicate) (Result, error) {
	quick, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	var err error
	switch {
	case d.IsEnding:
		err = h.Table.RecordFired(quick, alarm)
	case !d.IsCopy:
		err = h.Table.CountRepeat(quick, alarm, d.ID, owner)
	}
	if err != nil && h.Config.NotifyRecovery {
		return Result{}, err // a recovery whose event arrives late must find the repeat, or it would be the last word
	} else if err != nil {
		h.Log.Warn("repeated event not counted", "alarm", alarm.Name, "error", err)
	}
	if err := h.Table.Fired(quick, alarm); err != nil {
		h.Log.Warn("alarm not recorded for correlation with other alarms", "alarm", alarm.Name, "error", err)
	}
	again, err := h.notifyFiredAgain(ctx, alarm, owner)
	if err != nil {
		return Result{}, err
	}
	remark := ""
	if again {
		remark = ", and people were notified that it fires again"
	}
	return h.answerDuplicate(alarm, d, remark), nil
}

// answerDuplicate returns the result of a duplicate event. remark is added to the reason.
func (h *Handler) answerDuplicate(alarm *alarmevent.Alarm, d *dedupe.Duplicate, remark string) Result {
	h.emit(map[string]float64{emf.Duplicates: 1})
	reason := "the alarm, or this transition of it, was already investigated"
	switch {
	case d.CoveredBy != "":
		reason = "the alarm is investigated together with " + d.CoveredBy
	case d.Running:
		reason = "the alarm is being investigated"
	}
	reason += remark
	h.Log.Info("duplicate event", "alarm", alarm.Name, "investigation_id", d.ID, "reason", reason)
	return Result{Alarm: alarm.Name, Status: StatusDuplicate, Reason: reason, ID: d.ID, ReportURI: d.ReportURI}
}
