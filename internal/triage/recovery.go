package triage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// notifyRecovery notifies that an investigated alarm is OK again. If its report could not be delivered, it delivers that first:
// the alarm may not go to ALARM again for a long time.
func (h *Handler) notifyRecovery(ctx context.Context, alarm *alarmevent.Alarm, owner string) (Result, error) {
	if err := h.deliverParked(ctx, alarm, owner); err != nil {
		return Result{}, err
	}
	quick, cancel := context.WithTimeout(ctx, 2*tableTime+maxNotify)
	defer cancel()
	recovery, err := h.Table.Recovered(quick, alarm, owner)
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
	if err := h.Topic.Publish(bounded, h.followUpNotification(alarm, recovery, recovered)); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("recovery not notified", "alarm", alarm.Name, "error", err, "advice", awsapi.Advice(err))
		return Result{}, errors.Join(err, h.Table.ForgetRecovery(quick, alarm.ARN, owner))
	}
	h.sendFollowUpCard(bounded, alarm, recovery, recovered)
	if overtaken := h.recordFollowUp(quick, alarm, recovery, owner); overtaken {
		h.repeatFiresAgain(ctx, alarm, recovery)
	}
	h.Log.Info("recovery notified", "alarm", alarm.Name, "investigation_id", recovery.ID)
	return Result{Alarm: alarm.Name, Status: StatusRecovered, ID: recovery.ID, ReportURI: recovery.ReportURI}, nil
}

// deliverParked delivers the parked report of an alarm, if there is one. A report that people have, and that still cannot be
// stored, stays parked and does not delay what follows.
func (h *Handler) deliverParked(ctx context.Context, alarm *alarmevent.Alarm, owner string) error {
	r := &attempt{Handler: h, owner: owner, budget: budgetOf(ctx, h.Now())}
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	claim, err := h.Table.ClaimParked(quick, alarm, owner, r.leaseUntil())
	if err != nil || claim == nil {
		return err
	}
	r.claim, r.maybeCopy, r.log = claim, claim.MaybeSent, h.Log.With("investigation_id", claim.ID, "alarm", alarm.Name)
	if r.rec, err = unpark(claim.Parked); err != nil {
		r.log.Warn("parked report cannot be read; the alarm's next transition is investigated", "error", err)
		return h.Table.Free(quick, claim, claim.Stored, claim.Notified)
	}
	r.alarm = &r.rec.Alarm
	defer r.background.Wait()
	if _, err = r.deliver(ctx, nil); err != nil && claim.Notified {
		r.log.Warn("parked report still not stored", "error", err)
		return nil
	}
	return err
}

// notifyFiredAgain notifies that an alarm fires again after a notification that it is OK. Otherwise that would be the last
// word until its window is over. again reports whether it did.
func (h *Handler) notifyFiredAgain(ctx context.Context, alarm *alarmevent.Alarm, owner string) (again bool, err error) {
	if !h.Config.NotifyRecovery || alarm.Confirmation() != alarmevent.Confirmed {
		return false, nil
	}
	quick, cancel := context.WithTimeout(ctx, 2*tableTime+maxNotify)
	defer cancel()
	recovery, err := h.Table.FiredAgain(quick, alarm, owner)
	if err != nil || recovery == nil {
		return false, err
	}
	bounded, stop := context.WithTimeout(ctx, maxNotify)
	defer stop()
	if err := h.Topic.Publish(bounded, h.followUpNotification(alarm, recovery, firesAgain)); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("not notified that the alarm fires again", "alarm", alarm.Name, "error", err, "advice", awsapi.Advice(err))
		return false, errors.Join(err, h.Table.ForgetFiredAgain(quick, alarm.ARN, owner))
	}
	h.sendFollowUpCard(bounded, alarm, recovery, firesAgain)
	h.recordFollowUp(quick, alarm, recovery, owner)
	return true, nil
}

// recordFollowUp records that a follow-up was notified. Without the record, a retry would notify it again. It reports whether the
// alarm fired again in the meantime.
func (h *Handler) recordFollowUp(ctx context.Context, alarm *alarmevent.Alarm, r *dedupe.Recovery, owner string) (overtaken bool) {
	overtaken, err := h.Table.FollowedUp(ctx, alarm.ARN, r.ID, owner)
	if err != nil {
		h.Log.Warn("follow-up not recorded", "alarm", alarm.Name, "error", err)
	}
	return overtaken
}

// repeatFiresAgain notifies again that an alarm fires again. Another invocation did, perhaps before a slow notification of the
// recovery was sent, which would then be the last word.
func (h *Handler) repeatFiresAgain(ctx context.Context, alarm *alarmevent.Alarm, r *dedupe.Recovery) {
	bounded, stop := context.WithTimeout(ctx, maxNotify)
	defer stop()
	again := *alarm
	again.State, again.Time, again.Reason = alarmevent.StateAlarm, time.Time{}, "" // those of the other event are not known here
	n := h.followUpNotification(&again, r, firesAgain)
	n.ID += "/after-recovery"
	if err := h.Topic.Publish(bounded, n); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("not notified again that the alarm fires again", "alarm", alarm.Name, "error", err, "advice", awsapi.Advice(err))
		return
	}
	h.sendFollowUpCard(bounded, &again, r, firesAgain)
}

// Outcomes of follow-ups, which are attributes of their notifications.
const (
	recovered  = "recovered"
	firesAgain = "fires_again"
)

func (h *Handler) followUpNotification(alarm *alarmevent.Alarm, r *dedupe.Recovery, outcome string) notify.Notification {
	followUp := h.followUpOf(alarm, r, outcome)
	return notify.Notification{
		Subject:    followUp.Subject(),
		Body:       followUp.Text(),
		Attributes: h.followUpAttributes(alarm, r, outcome),
		Group:      alarm.ARN,
		ID:         followUpID(r, outcome),
	}
}

func (h *Handler) followUpAttributes(alarm *alarmevent.Alarm, r *dedupe.Recovery, outcome string) map[string]string {
	return map[string]string{"investigation_id": r.ID, "outcome": outcome, "account": alarm.Account, "account_name": h.AccountNames[alarm.Account],
		"region": alarm.Region}
}

// followUpID returns an id that differs for each follow-up, since a FIFO topic drops a message with the id of an earlier one.
func followUpID(r *dedupe.Recovery, outcome string) string {
	return fmt.Sprintf("%s/%s/%d", r.ID, outcome, r.Number)
}

// home returns where the triage runs, for the links of follow-ups.
func (h *Handler) home() report.Home {
	return report.Home{Region: h.Region, Zone: h.Zone, Account: h.Config.Account(), ConsoleURL: h.Config.ConsoleURL}
}

func (h *Handler) followUpOf(alarm *alarmevent.Alarm, r *dedupe.Recovery, outcome string) report.Recovery {
	return report.Recovery{
		Alarm: alarm, AccountName: h.AccountNames[alarm.Account], Home: h.home(), Investigation: r.ID, StartedAt: r.StartedAt,
		ReportURI: r.ReportURI, FiresAgain: outcome == firesAgain, IsLast: r.Number >= dedupe.MaxRecoveries,
	}
}

// sendFollowUpCard sends the follow-up to the thread of the investigation's card.
func (h *Handler) sendFollowUpCard(ctx context.Context, alarm *alarmevent.Alarm, r *dedupe.Recovery, outcome string) {
	if h.CardTopic == nil {
		return
	}
	card, err := h.followUpOf(alarm, r, outcome).Card()
	if err == nil {
		err = h.CardTopic.Publish(ctx, notify.Notification{
			Body: string(card), Attributes: h.followUpAttributes(alarm, r, outcome), Group: alarm.ARN, ID: followUpID(r, outcome) + "/card",
		})
	}
	if err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("card of the follow-up not sent", "alarm", alarm.Name, "error", err, "advice", awsapi.Advice(err))
	}
}
