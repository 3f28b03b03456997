package triage

import (
	"context"
	"errors"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// notifyRecovery notifies, once per investigation, that the alarm is OK again.
func (h *Handler) notifyRecovery(ctx context.Context, alarm *alarmevent.Alarm) (Result, error) {
	quick, cancel := context.WithTimeout(ctx, 2*tableTime+maxNotify)
	defer cancel()
	recovery, err := h.Table.Recovered(quick, alarm.ARN)
	if err != nil {
		return Result{}, err
	}
	if recovery == nil {
		h.emit(map[string]float64{emf.Skipped: 1})
		return Result{
			Alarm: alarm.Name, Status: StatusSkipped,
			Reason: "the alarm is OK, and there is no investigation to follow up",
		}, nil
	}
	bounded, stop := context.WithTimeout(ctx, maxNotify)
	defer stop()
	if err := h.Topic.Publish(bounded, h.recoveryNotification(alarm, recovery)); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("recovery not notified", "alarm", alarm.Name, "error", err, "advice", awsapi.Advice(err))
		return Result{}, errors.Join(err, h.Table.ForgetRecovery(quick, alarm.ARN))
	}
	h.sendRecoveryCard(bounded, alarm, recovery)
	h.Log.Info("recovery notified", "alarm", alarm.Name, "investigation_id", recovery.ID)
	return Result{Alarm: alarm.Name, Status: StatusRecovered, ID: recovery.ID, ReportURI: recovery.ReportURI}, nil
}

func (h *Handler) recoveryNotification(alarm *alarmevent.Alarm, r *dedupe.Recovery) notify.Notification {
	followUp := h.followUpOf(alarm, r)
	return notify.Notification{
		Subject:    followUp.Subject(),
		Body:       followUp.Text(),
		Attributes: map[string]string{"investigation_id": r.ID, "outcome": "recovered", "account": alarm.Account, "region": alarm.Region},
		Group:      alarm.ARN,
		ID:         r.ID + "/recovered",
	}
}

func (h *Handler) followUpOf(alarm *alarmevent.Alarm, r *dedupe.Recovery) report.Recovery {
	return report.Recovery{
		Alarm: alarm, AccountName: h.AccountNames[alarm.Account], Zone: h.Zone, Region: h.Region, Investigation: r.ID, StartedAt: r.StartedAt, ReportURI: r.ReportURI,
	}
}

// sendRecoveryCard sends the follow-up to the thread of the investigation's card.
func (h *Handler) sendRecoveryCard(ctx context.Context, alarm *alarmevent.Alarm, r *dedupe.Recovery) {
	if h.CardTopic == nil {
		return
	}
	card, err := h.followUpOf(alarm, r).Card()
	if err == nil {
		err = h.CardTopic.Publish(ctx, notify.Notification{Body: string(card), Group: alarm.ARN, ID: r.ID + "/recovered-card"})
	}
	if err != nil {
		h.Log.Error("recovery card not sent", "alarm", alarm.Name, "error", err)
	}
}
