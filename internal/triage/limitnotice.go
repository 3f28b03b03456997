package triage

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// maxLimitNotice is how long the notification about a limit may take. The alarm's own report is more important.
const maxLimitNotice = 6 * time.Second

// untilMidnight ends the explanation of a limit of the day that no model may exceed.
const untilMidnight = " The same applies to all other alarms and questions until midnight UTC."

// notice sends one notification per day and limit. A failure is only logged, since each report or answer states its limit, too.
func (h *Handler) notice(ctx context.Context, b budget, log *slog.Logger, limit dedupe.Limit, at time.Time, why string) {
	quick, cancel := context.WithTimeout(ctx, min(b.table, maxLimitNotice))
	defer cancel()
	first, err := h.Table.FirstOfDay(quick, limit, at)
	if err != nil || !first {
		if err != nil {
			log.Warn("limit not recorded, and not notified", "limit", string(limit), "error", err)
		}
		return
	}
	if err := h.Topic.Publish(quick, h.limitNotification(limit, at, why)); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		log.Error("limit not notified", "limit", string(limit), "error", err, "advice", awsapi.Advice(err))
		again, stop := b.part(ctx, h.Now(), stateShare, tableTime)
		defer stop()
		if err := h.Table.ForgetFirst(again, limit, at); err != nil {
			log.Warn("limit stays recorded without a notification", "limit", string(limit), "error", err)
		}
	}
}

func (h *Handler) limitNotification(limit dedupe.Limit, at time.Time, why string) notify.Notification {
	day := at.UTC().Format(time.DateOnly)
	var b strings.Builder
	b.WriteString(report.Note(fmt.Sprintf("Alarm triage %s in %s reached a limit on %s (UTC). This is the only notification about it on this day.",
		h.FunctionName, h.Region, day)))
	b.WriteString(report.Note("What happened: " + why))
	if limit == dedupe.LimitInvestigations || limit == dedupe.LimitCost {
		b.WriteString(report.Note("Until this day ends, reports have the evidence only."))
	}
	b.WriteString("To stop asking models for all alarms at once, without a deployment (reports then have the evidence only):\n\n    " +
		config.SwitchOffCommand(h.Region, h.Config.Table, config.SwitchModel) + "\n\nTo end that:\n\n    " + config.SwitchOnCommand(h.Region, h.Config.Table) + "\n")
	return notify.Notification{
		Subject:    fmt.Sprintf("Alarm triage: %s (%s)", limitTitles[limit], cmp.Or(h.FunctionName, h.Region)),
		Body:       b.String(),
		Attributes: map[string]string{"outcome": "limit", "limit": string(limit), "region": h.Region},
		Group:      "limit",
		ID:         strings.Join([]string{h.Region, h.FunctionName, day, string(limit)}, "/"), // several triages can share a FIFO topic
	}
}

// limitTitles name the limits in subjects.
var limitTitles = map[dedupe.Limit]string{
	dedupe.LimitInvestigations: "no more investigations today",
	dedupe.LimitCost:           "the day's money is spent",
	dedupe.LimitConcurrency:    "alarms are waiting",
	dedupe.LimitUnconfirmed:    "many unconfirmed events",
}
