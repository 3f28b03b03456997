package triage

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// decide sets EvidenceOnly and the reason if no model may be asked, and returns what is switched off.
func (r *attempt) decide(ctx context.Context) dedupe.Off {
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	off := r.switchedOff(quick)
	r.background.Go(func() { r.noticeWaiting(ctx) })
	if off != dedupe.OffNothing {
		return off
	}
	if r.alarm.Confirmation() != alarmevent.Confirmed {
		r.admit(ctx, quick)
		return off
	}
	if reached := r.reachedLimit(quick); reached != dedupe.LimitNone {
		r.rec.EvidenceOnly = true
		why := r.rec.OutcomeWhy + untilMidnight
		r.background.Go(func() { r.notice(ctx, reached, r.rec.StartedAt, why) })
	}
	return off
}

// admit sets EvidenceOnly and the reason if too many investigations of events that are not confirmed, or only as updates, began
// on the day of this one. Updates of an alarm repeat, and whoever may publish to a topic can report each of them. If the table
// is unavailable, a model investigates.
func (r *attempt) admit(ctx, quick context.Context) {
	admitted, err := r.Table.AdmitUnconfirmed(quick, r.rec.ID, r.rec.StartedAt)
	switch {
	case err != nil:
		r.tableFailed(r.log, "unconfirmed event not counted, investigating anyway", err)
	case !admitted:
		r.rec.EvidenceOnly = true
		began := fmt.Sprintf("%d investigations of events that CloudWatch did not confirm, or only as updates, already began on %s (UTC)",
			dedupe.MaxUnconfirmedPerDay, r.rec.StartedAt.UTC().Format(time.DateOnly))
		r.rec.OutcomeWhy = "No model was asked: " + began + ", so somebody may be publishing forged events. Check the policy of the topic."
		at := r.rec.StartedAt
		r.background.Go(func() {
			r.notice(ctx, dedupe.LimitUnconfirmed, at, began+". Others are reported with the evidence only. Somebody may be publishing "+
				"forged events: check the policies of the topics of AttachTopic.")
		})
	}
}

// readSwitch returns the state of the kill switch. If the table is unavailable, the switch is off.
func (h *Handler) readSwitch(ctx context.Context, log *slog.Logger) dedupe.Switch {
	s, err := h.Table.ReadSwitch(ctx)
	if err != nil {
		h.tableFailed(log, "kill switch not read, investigating anyway", err)
		return dedupe.Switch{}
	}
	return s
}

// readSwitch returns the state of the kill switch, and remembers it for this attempt.
func (r *attempt) readSwitch(ctx context.Context) dedupe.Switch {
	s := r.Handler.readSwitch(ctx, r.log)
	r.off = &s.Off
	return s
}

// isAllOff reports whether the kill switch also stops the reads. An attempt that only delivers has not read the switch yet.
func (r *attempt) isAllOff(ctx context.Context) bool {
	if r.off == nil {
		r.readSwitch(ctx)
	}
	return *r.off == dedupe.OffAll
}

// switchedOff reads the kill switch, and sets EvidenceOnly and the reason if it is on. A retry may have the evidence of an
// earlier attempt. If the table is unavailable, the alarm is investigated.
func (r *attempt) switchedOff(ctx context.Context) dedupe.Off {
	s := r.readSwitch(ctx)
	if s.Off == dedupe.OffNothing {
		return s.Off
	}
	r.rec.EvidenceOnly = true
	r.rec.OutcomeWhy = "The kill switch is on: " + r.notAsked() + "."
	if r.rec.Evidence.IsEmpty() && (s.Off == dedupe.OffAll || r.resumed) {
		r.rec.OutcomeWhy = "The kill switch is on: " + r.notAsked() + ", and no evidence was collected."
	}
	r.rec.OutcomeWhy = joined(r.rec.OutcomeWhy, s.Why())
	return s.Off
}

// notAsked says that no model was asked, or not again if an earlier attempt whose checkpoint was not read had asked one.
func (r *attempt) notAsked() string {
	if r.rec.Usage.ModelCalls > 0 {
		return "no model was asked again"
	}
	return "no model was asked"
}

// reachedLimit counts the investigation, or returns the limit of the day that is reached, and records why no model is asked.
// Events that are not confirmed as transitions have a separate limit, so that forged events do not use up these. If the
// table is unavailable, the alarm is investigated.
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
		r.tableFailed(r.log, "investigation not counted, investigating anyway", err)
		return dedupe.LimitNone
	}
	on := r.rec.StartedAt.UTC().Format(time.DateOnly)
	switch reached {
	case dedupe.LimitInvestigations:
		r.rec.OutcomeWhy = fmt.Sprintf("%s already began on %s (UTC), the limit of MaxInvestigationsPerDay, "+
			"so %s. Raise the limit if that many investigations a day are worth their cost.",
			plural.Either(day.Investigations, "investigation or question", "investigations and questions"), on, r.notAsked())
	case dedupe.LimitCost:
		r.rec.OutcomeWhy = fmt.Sprintf("The investigations and questions that began on %s (UTC) cost about $%.2f, the limit of MaxCostUsdPerDay, "+
			"so %s. Raise the limit if investigations are worth more a day.", on, day.CostUSD, r.notAsked())
	}
	return reached
}

// countedUSD returns what usage counts in the cost of a day, in US dollars.
func countedUSD(u investigation.Usage) float64 {
	switch {
	case u.PriceKnown:
		return u.QueryCostUSD + u.CostUSD
	case u.ModelCalls > 0: // the models with a price also cost what is known
		return u.QueryCostUSD + u.CostUSD + dedupe.ReservedUSD
	}
	return u.QueryCostUSD
}

// usage returns what the investigation has used so far, including its queries.
func (r *attempt) usage() investigation.Usage {
	usage := r.rec.Usage
	usage.QueryCostUSD = max(usage.QueryCostUSD, r.rec.QueryCostUSD()) // the record has it only at the end
	return usage
}

// spentUSD returns what the investigation counts in the cost of its day so far, in US dollars.
func (r *attempt) spentUSD() float64 { return countedUSD(r.usage()) }

// countCost adds what the investigation cost, in US dollars, to the day on which it began. One that was not counted at its
// beginning is not counted here either.
func (r *attempt) countCost(ctx context.Context, usd float64) {
	if !r.isCounted() {
		return
	}
	quick, cancel := r.budget.part(ctx, r.Now(), settleShare/2, maxSettle)
	defer cancel()
	if err := r.Table.CountCost(quick, r.rec.ID, r.rec.StartedAt, usd); err != nil {
		r.tableFailed(r.log, "cost of the investigation not counted; it counts as the reserved amount", err)
	}
}

// isCounted reports whether the investigation counts for the limits of its day.
func (r *attempt) isCounted() bool {
	return (r.Config.MaxPerDay > 0 || r.Config.MaxCostUSDPerDay > 0) && r.alarm.Confirmation() == alarmevent.Confirmed
}

// decideAgain is called when an investigation continues after a hand-over, which may have waited for hours, or after a crash.
// It returns why no model may be asked again, or why the model has to conclude; both are empty if the investigation goes on.
func (r *attempt) decideAgain(ctx context.Context) (stop, conclude string) {
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	if s := r.readSwitch(quick); s.Off != dedupe.OffNothing {
		return joined("The kill switch is on: the model was not asked again.", s.Why()), ""
	}
	if !r.isCounted() {
		return "", ""
	}
	reached, err := r.Table.CostReached(quick, r.rec.StartedAt, dedupe.Day{CostUSD: r.Config.MaxCostUSDPerDay})
	switch {
	case err != nil:
		r.tableFailed(r.log, "cost of the day not read, investigating anyway", err)
	case reached:
		why := fmt.Sprintf("the investigations and questions that began on %s (UTC) cost the limit of MaxCostUsdPerDay", r.rec.StartedAt.UTC().Format(time.DateOnly))
		r.background.Go(func() {
			r.notice(ctx, dedupe.LimitCost, r.rec.StartedAt, fmt.Sprintf("The model that investigates the alarm %q was asked to conclude, because %s.", r.alarm.Name, why))
		})
		return "", why
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

// notice sends one notification per day and limit.
func (r *attempt) notice(ctx context.Context, limit dedupe.Limit, at time.Time, why string) {
	r.Handler.notice(ctx, r.budget, r.log, limit, at, why)
}
