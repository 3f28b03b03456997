package triage

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// maxLimitNotice is how long the notification about a limit may take. The alarm's own report is more important.
const maxLimitNotice = 6 * time.Second

// decide sets EvidenceOnly and the reason if no model may be asked, and returns what is switched off.
func (r *attempt) decide(ctx context.Context) dedupe.Off {
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	off := r.switchedOff(quick)
	if off != dedupe.OffNothing {
		return off
	}
	r.background.Go(func() { r.noticeWaiting(ctx) })
	if r.alarm.Unconfirmed != "" {
		r.admit(ctx, quick)
		return off
	}
	if reached := r.reachedLimit(quick); reached != dedupe.LimitNone {
		r.rec.EvidenceOnly = true
		why := r.rec.OutcomeWhy + " The same applies to all other alarms until midnight UTC."
		r.background.Go(func() { r.notice(ctx, reached, r.rec.StartedAt, why) })
	}
	return off
}

// admit sets EvidenceOnly and the reason if too many unconfirmed events were investigated today. If the table is unavailable,
// a model investigates.
func (r *attempt) admit(ctx, quick context.Context) {
	admitted, err := r.Table.AdmitUnconfirmed(quick, r.rec.ID)
	switch {
	case err != nil:
		r.log.Warn("unconfirmed event not counted", "error", err)
	case !admitted:
		r.rec.EvidenceOnly = true
		r.rec.OutcomeWhy = fmt.Sprintf("No model was asked: %d events that CloudWatch did not confirm were already investigated "+
			"today, so somebody may be publishing forged events. Check the policy of the topic.", dedupe.MaxUnconfirmedPerDay)
		at := r.Now()
		r.background.Go(func() {
			r.notice(ctx, dedupe.LimitUnconfirmed, at, fmt.Sprintf("%d events that CloudWatch did not confirm were investigated today. "+
				"Others are reported with the evidence only. Somebody may be publishing forged events: check the policies of the "+
				"topics of AttachTopic.", dedupe.MaxUnconfirmedPerDay))
		})
	}
}

// switchedOff reads the kill switch. If the table is unavailable, the alarm is investigated.
func (r *attempt) switchedOff(ctx context.Context) dedupe.Off {
	s, err := r.Table.ReadSwitch(ctx)
	if err != nil {
		r.log.Error("kill switch not read, investigating anyway", "error", err, "advice", awsapi.Advice(err))
		return dedupe.OffNothing
	}
	if s.Off == dedupe.OffNothing {
		return s.Off
	}
	r.rec.EvidenceOnly = true
	r.rec.OutcomeWhy = "The kill switch is on: no model was asked."
	if s.Off == dedupe.OffAll {
		r.rec.OutcomeWhy = "The kill switch is on: no model was asked, and no evidence was collected."
	}
	r.rec.OutcomeWhy = joined(r.rec.OutcomeWhy, whyOff(s))
	return s.Off
}

// whyOff returns a sentence with the reason that somebody gave for the kill switch, or "".
func whyOff(s dedupe.Switch) string {
	if s.Reason == "" {
		return ""
	}
	return "The reason that was given: " + strings.TrimSuffix(s.Reason, ".") + "."
}

// reachedLimit counts the investigation, or returns the limit of the day that is reached, and records why no model is asked.
// Unconfirmed events have a limit of their own, so that forged events do not use up these. If the table is unavailable, the
// alarm is investigated.
func (r *attempt) reachedLimit(ctx context.Context) dedupe.Limit {
	day := dedupe.Day{Investigations: r.Config.MaxPerDay, CostUSD: r.Config.MaxCostUSDPerDay}
	if day == (dedupe.Day{}) {
		return dedupe.LimitNone
	}
	if day.Investigations == 0 {
		day.Investigations = config.MaxInvestigationsPerDay // more do not fit into the item of the day
	}
	reached, err := r.Table.CountInvestigation(ctx, r.rec.ID, r.rec.StartedAt, day)
	if err != nil {
		r.log.Error("investigation not counted, investigating anyway", "error", err, "advice", awsapi.Advice(err))
		return dedupe.LimitNone
	}
	on := r.rec.StartedAt.UTC().Format(time.DateOnly)
	switch reached {
	case dedupe.LimitInvestigations:
		r.rec.OutcomeWhy = fmt.Sprintf("%s already began on %s (UTC), the limit of MaxInvestigationsPerDay, "+
			"so no model was asked. Reports have the evidence only. "+
			"Raise the limit if that many investigations a day are worth their cost.", plural(day.Investigations, "investigation"), on)
	case dedupe.LimitCost:
		r.rec.OutcomeWhy = fmt.Sprintf("The investigations that began on %s (UTC) cost about $%.2f, the limit of MaxCostUsdPerDay, "+
			"so no model was asked. Reports have the evidence only. "+
			"Raise the limit if investigations are worth more a day.", on, day.CostUSD)
	}
	return reached
}

// countedUSD returns what usage counts in the cost of a day, in US dollars.
func countedUSD(u investigation.Usage) float64 {
	switch {
	case u.PriceKnown:
		return u.QueryCostUSD + u.CostUSD
	case u.ModelCalls > 0:
		return u.QueryCostUSD + dedupe.ReservedUSD
	}
	return u.QueryCostUSD
}

// countCost adds what the investigation cost to the day on which it began. At a hand-over, which isFinal is not, it counts at
// least the reserved amount.
func (r *attempt) countCost(ctx context.Context, isFinal bool) {
	if !r.isCounted() || r.rec.EvidenceOnly {
		return
	}
	usage := r.rec.Usage
	usage.QueryCostUSD = r.rec.QueryCostUSD() // the usage has it only at the end
	usd := countedUSD(usage)
	if !isFinal && usd <= dedupe.ReservedUSD {
		return
	}
	quick, cancel := r.budget.part(ctx, r.Now(), settleShare/2, maxSettle)
	defer cancel()
	if err := r.Table.CountCost(quick, r.rec.ID, r.rec.StartedAt, usd); err != nil {
		r.log.Error("cost of the investigation not counted; it counts as the reserved amount", "error", err, "advice", awsapi.Advice(err))
	}
}

// isCounted reports whether the investigation counts for the limits of its day.
func (r *attempt) isCounted() bool {
	return (r.Config.MaxPerDay > 0 || r.Config.MaxCostUSDPerDay > 0) && r.alarm.Unconfirmed == ""
}

// decideAgain is called when an investigation continues after a hand-over, which may have waited for hours, or after a crash.
// It returns why no model may be asked again, or why the model has to conclude; both are empty if the investigation goes on.
func (r *attempt) decideAgain(ctx context.Context) (stop, conclude string) {
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	if s, err := r.Table.ReadSwitch(quick); err != nil {
		r.log.Error("kill switch not read, investigating anyway", "error", err, "advice", awsapi.Advice(err))
	} else if s.Off != dedupe.OffNothing {
		return joined("The kill switch is on: the model was not asked again.", whyOff(s)), ""
	}
	if !r.isCounted() {
		return "", ""
	}
	reached, err := r.Table.CostReached(quick, r.rec.StartedAt, dedupe.Day{CostUSD: r.Config.MaxCostUSDPerDay})
	switch {
	case err != nil:
		r.log.Error("cost of the day not read, investigating anyway", "error", err, "advice", awsapi.Advice(err))
	case reached:
		return "", fmt.Sprintf("the investigations that began on %s (UTC) cost the limit of MaxCostUsdPerDay", r.rec.StartedAt.UTC().Format(time.DateOnly))
	}
	return "", ""
}

// noticeWaiting notifies once a day if the event of this investigation waited. Code cannot see the queue, so it goes by the
// time since the alarm's transition.
func (r *attempt) noticeWaiting(ctx context.Context) {
	isFirst := r.claim != nil && r.claim.Attempt <= 1 && r.claim.HandOvers == 0
	if waited := report.Waited(r.rec); waited > 0 && isFirst {
		r.notice(ctx, dedupe.LimitConcurrency, r.rec.StartedAt, fmt.Sprintf("The investigation of the alarm %q began %s after the alarm. "+
			"Events of alarms wait while as many investigations run as MaxConcurrentInvestigations allows. Lambda keeps them "+
			"for at most 6 hours, and then sends them to OnFailureQueue, if there is one. Each report states how long its event waited.",
			r.alarm.Name, waited.Round(time.Minute)))
	}
}

// notice sends one notification per day and limit. A failure is only logged, since each report states its limit, too.
func (r *attempt) notice(ctx context.Context, limit dedupe.Limit, at time.Time, why string) {
	quick, cancel := context.WithTimeout(ctx, min(r.budget.table, maxLimitNotice))
	defer cancel()
	first, err := r.Table.FirstOfDay(quick, limit, at)
	if err != nil || !first {
		if err != nil {
			r.log.Warn("limit not recorded, and not notified", "limit", string(limit), "error", err)
		}
		return
	}
	if err := r.Topic.Publish(quick, r.limitNotification(limit, at, why)); err != nil {
		r.emit(map[string]float64{emf.NotificationFailures: 1})
		r.log.Error("limit not notified", "limit", string(limit), "error", err, "advice", awsapi.Advice(err))
		again, stop := r.budget.part(ctx, r.Now(), stateShare, tableTime)
		defer stop()
		if err := r.Table.ForgetFirst(again, limit, at); err != nil {
			r.log.Warn("limit stays recorded without a notification", "limit", string(limit), "error", err)
		}
	}
}

func (r *attempt) limitNotification(limit dedupe.Limit, at time.Time, why string) notify.Notification {
	day := at.UTC().Format(time.DateOnly)
	var b strings.Builder
	b.WriteString(report.Note(fmt.Sprintf("Alarm triage %s in %s reached a limit on %s (UTC). This is the only notification about it on this day.",
		r.FunctionName, r.Region, day)))
	b.WriteString(report.Note("What happened: " + why))
	b.WriteString("To stop asking models for all alarms at once, without a deployment (reports then have the evidence only):\n\n    " +
		config.SwitchOffCommand(r.Region, r.Config.Table, config.SwitchModel) + "\n\nTo end that:\n\n    " + config.SwitchOnCommand(r.Region, r.Config.Table) + "\n")
	return notify.Notification{
		Subject:    fmt.Sprintf("Alarm triage: %s (%s)", limitTitles[limit], cmp.Or(r.FunctionName, r.Region)),
		Body:       b.String(),
		Attributes: map[string]string{"outcome": "limit", "limit": string(limit), "region": r.Region},
		Group:      "limit",
		ID:         day + "/" + string(limit),
	}
}

// limitTitles name the limits in subjects.
var limitTitles = map[dedupe.Limit]string{
	dedupe.LimitInvestigations: "no more investigations today",
	dedupe.LimitCost:           "the day's money is spent",
	dedupe.LimitConcurrency:    "alarms are waiting",
	dedupe.LimitUnconfirmed:    "many unconfirmed events",
}
