package triage

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// feedbackOrder is the member "feedback" of an event.
type feedbackOrder struct {
	Report  string                        `json:"report"` // S3 URI or key of one of the report's objects
	Verdict investigation.FeedbackVerdict `json:"verdict"`
	Cause   string                        `json:"cause"`
	By      string                        `json:"by"`
}

// FeedbackResult reports what became of a feedback.
type FeedbackResult struct {
	Problem   string                  `json:"problem,omitempty"` // why nothing was recorded
	Alarm     string                  `json:"alarm,omitempty"`
	ID        string                  `json:"investigation_id,omitempty"`
	ReportURI string                  `json:"report_uri,omitempty"`
	Recorded  *investigation.Feedback `json:"recorded,omitempty"` // as later investigations see it
}

// takeFeedback records in the alarm's memory what a human reported about a cause.
func (h *Handler) takeFeedback(ctx context.Context, o order) (*FeedbackResult, error) {
	reject := func(problem string) (*FeedbackResult, error) {
		return &FeedbackResult{Problem: h.rejected("feedback", problem)}, nil
	}
	var sent feedbackOrder
	if err := o.decode(o.Feedback, &sent); err != nil {
		return reject(fmt.Sprintf("the event is not understood: %v. "+
			`Want {"feedback": {"report": "s3://…", "verdict": "right" or "wrong", "cause": "…", "by": "…"}}`, err))
	}
	given := investigation.Feedback{Verdict: sent.Verdict, Cause: sent.Cause, By: sent.By, At: h.Now().UTC()}
	if err := given.Check(); err != nil {
		return reject(err.Error())
	}
	rec, _, problem, err := h.recordOf(ctx, sent.Report)
	if problem != "" || err != nil {
		if err == nil {
			return reject(problem)
		}
		return nil, fmt.Errorf("feedback not recorded: %w", err)
	}
	given = given.Redacted(h.redactText)
	if rec.Alarm.Confirmation() != alarmevent.Confirmed {
		return reject("the alarm's memory does not list investigations of events that CloudWatch did not confirm, so no later report would show the feedback")
	}
	quick, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	switch err := h.Table.PutFeedback(quick, rec.Alarm.ARN, rec.ID, given); {
	case errors.Is(err, dedupe.ErrNotRemembered):
		return reject("the alarm's memory does not list the investigation of this report: it lists the last 10 that ended, for 90 days, so no later report would show the feedback")
	case err != nil:
		h.tableFailed(h.Log.With("alarm", rec.Alarm.Name, "investigation_id", rec.ID), "feedback not recorded", err)
		return nil, fmt.Errorf("feedback not recorded: %w", err)
	}
	h.Log.Info("feedback recorded", "alarm", rec.Alarm.Name, "investigation_id", rec.ID, "verdict", string(given.Verdict))
	return &FeedbackResult{Alarm: rec.Alarm.Name, ID: rec.ID, ReportURI: rec.ReportURI, Recorded: &given}, nil
}
