package triage

import (
	"cmp"
	"context"
	"strconv"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

// notify publishes the notification, and then begins to publish the chat card. Only an error of the notification is returned.
func (r *attempt) notify(ctx context.Context, keys report.Keys, storeErr error) error {
	bounded, cancel := r.budget.part(ctx, r.Now(), notifyShare, maxNotify)
	defer cancel()
	if err := r.Topic.Publish(bounded, r.notification(keys, storeErr)); err != nil {
		r.emit(map[string]float64{emf.NotificationFailures: 1})
		r.log.Error("notification not sent", "error", err, "advice", awsapi.Advice(err))
		return err
	}
	r.background.Go(func() { r.sendCard(ctx, keys) })
	return nil
}

// copyNote warns of a possible second notification: if an attempt ends between publishing and recording
// that it published, the next attempt cannot know whether the notification was sent.
const copyNote = "NOTE: you may already have this report. An earlier send was interrupted before it could be recorded."

// notification returns the notification. If something went wrong, it begins with notes about that.
func (r *attempt) notification(keys report.Keys, storeErr error) notify.Notification {
	note := ""
	if r.maybeCopy {
		note = report.Note(copyNote)
	}
	if storeErr != nil {
		note += report.Note("NOTE: the full report could not be stored. Storing is retried. " +
			awsapi.Advice(storeErr) + "\n" + awsapi.Brief(storeErr))
	}
	body, err := steps.Guarded(func() ([]byte, error) {
		return []byte(r.Renderer.Notification(r.rec, keys, notify.MaxBody-len(note))), nil
	})
	if err != nil {
		r.log.Error("notification not rendered, sending the bare facts", "error", err)
		body = []byte(steps.BareFacts(r.rec))
	}
	subject, err := steps.Guarded(func() ([]byte, error) { return []byte(r.Renderer.Subject(r.rec)), nil })
	if err != nil {
		subject = []byte("Alarm in account " + r.alarm.Account + ", " + r.alarm.Region + ": " + r.alarm.Name)
	}
	return notify.Notification{
		Subject:    string(subject),
		Body:       note + string(body),
		Attributes: r.attributes(),
		Group:      r.alarm.ARN,
		ID:         r.rec.ID,
	}
}

// attributes returns the attributes of the notification, for the filter policies of subscribers. A report without a
// conclusion has the severity and the confidence unknown, because a filter skips notifications without the attribute.
func (r *attempt) attributes() map[string]string {
	return map[string]string{
		"investigation_id": r.rec.ID,
		"outcome":          string(r.rec.Outcome),
		"severity":         string(cmp.Or(r.rec.Report.Severity, investigation.SeverityUnknown)),
		"confidence":       string(cmp.Or(r.rec.Report.Confidence, investigation.Unknown)),
		"account":          r.alarm.Account,
		"account_name":     r.rec.AccountName,
		"region":           r.alarm.Region,
		"confirmed":        strconv.FormatBool(r.alarm.Unconfirmed == ""),
	}
}

func (r *attempt) sendCard(ctx context.Context, keys report.Keys) {
	if r.CardTopic == nil {
		return
	}
	bounded, cancel := r.budget.part(ctx, r.Now(), notifyShare, maxNotify)
	defer cancel()
	card, err := steps.Guarded(func() ([]byte, error) { return r.Renderer.Card(r.rec, keys) })
	if err == nil {
		err = r.CardTopic.Publish(bounded, notify.Notification{Body: string(card), Attributes: r.attributes(), Group: r.alarm.ARN, ID: r.rec.ID + "/card"})
	}
	if err != nil {
		r.emit(map[string]float64{emf.NotificationFailures: 1})
		r.log.Error("chat card not sent", "error", err)
	}
}
