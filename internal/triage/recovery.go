package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
)

// recover tells once per investigation that its alarm is OK again.
func (h *Handler) recover(ctx context.Context, alarm *alarmevent.Alarm) (Result, error) {
	quick, cancel := context.WithTimeout(ctx, 2*tableTime+maxNotify)
	defer cancel()
	recovery, err := h.Table.Recovered(quick, alarm.ARN)
	if err != nil {
		return Result{}, err
	}
	if recovery == nil {
		h.emit(map[string]float64{emf.Skipped: 1})
		return Result{Alarm: alarm.Name, Status: StatusSkipped, Reason: "the alarm is OK, and there is no investigation to follow up"}, nil
	}
	bounded, stop := context.WithTimeout(ctx, maxNotify)
	defer stop()
	if err := h.Topic.Publish(bounded, recoveryMessage(alarm, recovery)); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("recovery not notified", "alarm", alarm.Name, "error", err, "advice", awsapi.Advice(err))
		return Result{}, errors.Join(err, h.Table.ForgetRecovery(quick, alarm.ARN))
	}
	h.sendRecoveryCard(bounded, alarm, recovery)
	h.Log.Info("recovery notified", "alarm", alarm.Name, "investigation_id", recovery.ID)
	return Result{Alarm: alarm.Name, Status: StatusRecovered, ID: recovery.ID, ReportURI: recovery.ReportURI}, nil
}

func recoveryMessage(alarm *alarmevent.Alarm, r *dedupe.Recovery) notify.Message {
	return notify.Message{
		Subject:    "RECOVERED: " + alarm.Name,
		Body:       recoveryText(alarm, r),
		Attributes: map[string]string{"investigation_id": r.ID, "outcome": "recovered", "account": alarm.Account, "region": alarm.Region},
		Group:      alarm.ARN,
		ID:         r.ID + "/recovered",
	}
}

func recoveryText(alarm *alarmevent.Alarm, r *dedupe.Recovery) string {
	text := fmt.Sprintf("The alarm %s is OK again", alarm.Name)
	if !alarm.Time.IsZero() {
		text += fmt.Sprintf(" since %s, %s after its investigation began",
			alarm.Time.Format("2006-01-02 15:04:05 UTC"), alarm.Time.Sub(r.StartedAt).Round(time.Second))
	}
	text += ".\n\n" + alarm.Reason + "\n\nInvestigation " + r.ID + "\n"
	if r.ReportURI != "" {
		text += "Report: " + r.ReportURI + "\n"
	}
	return text
}

// sendRecoveryCard puts the follow-up into the thread of the investigation's card.
func (h *Handler) sendRecoveryCard(ctx context.Context, alarm *alarmevent.Alarm, r *dedupe.Recovery) {
	if h.CardTopic == nil {
		return
	}
	card, err := json.Marshal(map[string]any{
		"version": "1.0", "source": "custom", "id": r.ID + "-recovered",
		"content":  map[string]any{"textType": "client-markdown", "title": "Recovered: " + alarm.Name, "description": recoveryText(alarm, r)},
		"metadata": map[string]any{"threadId": alarm.ARN, "summary": alarm.Name + " is OK again"},
	})
	if err == nil {
		err = h.CardTopic.Publish(ctx, notify.Message{Body: string(card), Group: alarm.ARN, ID: r.ID + "/recovered-card"})
	}
	if err != nil {
		h.Log.Error("recovery card not sent", "alarm", alarm.Name, "error", err)
	}
}
