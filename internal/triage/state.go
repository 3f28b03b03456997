package triage

import (
	"context"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

// stateShare and maxState bound the question whether the alarm is still in ALARM: the report must not wait for it.
const (
	stateShare = 0.1
	maxState   = 4 * time.Second
)

// stateNow asks CloudWatch for the alarm's state, for the first lines of the report. The kill switch can forbid that.
func (r *attempt) stateNow(ctx context.Context) *investigation.AtDelivery {
	quick, cancel := r.budget.part(ctx, r.Now(), stateShare, maxState)
	defer cancel()
	if r.isAllOff(quick) {
		return &investigation.AtDelivery{At: r.Now().UTC(), Problem: "CloudWatch was not asked, because the kill switch is on"}
	}
	client, region := r.cloudWatchOf(ctx, r.alarm)
	now := steps.StateNow(quick, client, region, r.alarm, r.Now(), unreachable)
	if now.Problem != "" {
		r.log.Info("state of the alarm at delivery not known", "reason", now.Problem)
	}
	return now
}
