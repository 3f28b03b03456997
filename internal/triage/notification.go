package triage

import (
	"context"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// notify publishes the report, and the chat card beside it. Only the former decides.
func (r *attempt) notify(ctx context.Context, keys store.Keys, storeErr error) error {
	bounded, cancel := r.budget.part(ctx, r.Now(), notifyShare, maxNotify)
	defer cancel()
	if err := r.Topic.Publish(bounded, r.message(keys, storeErr)); err != nil {
		r.emit(map[string]float64{emf.NotificationFailures: 1})
		r.log.Error("notification not sent", "error", err, "advice", awsapi.Advice(err))
		return err
	}
	r.sendCard(bounded, keys)
	return nil
}

// copyNote tells the reader of a repeated message that it is one: between the publication and the note of it
// nobody can tell whether it went out.
const copyNote = "NOTE: this may be a second copy: an earlier attempt to send it ended before it could be noted down."

func (r *attempt) message(keys store.Keys, storeErr error) notify.Message {
	note := ""
	if r.maybeCopy {
		note = report.Note(copyNote)
	}
	if storeErr != nil {
		note += report.Note("NOTE: the full report could not be stored and is tried again. " + awsapi.Advice(storeErr) + "\n" + awsapi.Brief(storeErr))
	}
	body, err := guarded(func() ([]byte, error) {
		return []byte(r.Renderer.Notification(r.rec, keys, notify.MaxBody-len(note))), nil
	})
	if err != nil {
		r.log.Error("the notification is only the bare facts", "error", err)
		body = []byte(bareFacts(r.rec))
	}
	subject, err := guarded(func() ([]byte, error) { return []byte(r.Renderer.Subject(r.rec)), nil })
	if err != nil {
		subject = []byte("Alarm: " + r.alarm.Name)
	}
	return notify.Message{
		Subject:    string(subject),
		Body:       note + string(body),
		Attributes: r.attributes(),
		Group:      r.alarm.ARN,
		ID:         r.rec.ID,
	}
}

// attributes let subscribers filter.
func (r *attempt) attributes() map[string]string {
	return map[string]string{
		"investigation_id": r.rec.ID,
		"outcome":          string(r.rec.Outcome),
		"severity":         string(r.rec.Report.Severity),
		"confidence":       string(r.rec.Report.Confidence),
		"account":          r.alarm.Account,
		"region":           r.alarm.Region,
	}
}

func (r *attempt) sendCard(ctx context.Context, keys store.Keys) {
	if r.CardTopic == nil {
		return
	}
	card, err := guarded(func() ([]byte, error) { return r.Renderer.Card(r.rec, keys) })
	if err == nil {
		err = r.CardTopic.Publish(ctx, notify.Message{Body: string(card), Group: r.alarm.ARN, ID: r.rec.ID + "/card"})
	}
	if err != nil {
		r.emit(map[string]float64{emf.NotificationFailures: 1})
		r.log.Error("chat card not sent", "error", err)
	}
}
