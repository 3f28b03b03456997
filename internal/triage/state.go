package triage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// stateShare and maxState bound the question whether the alarm is still in ALARM: the report must not wait for it.
const (
	stateShare = 0.1
	maxState   = 4 * time.Second
)

// stateNow asks CloudWatch for the alarm's state, for the first lines of the report.
func (r *attempt) stateNow(ctx context.Context) *investigation.AtDelivery {
	now := &investigation.AtDelivery{At: r.Now().UTC()}
	quick, cancel := r.budget.part(ctx, r.Now(), stateShare, maxState)
	defer cancel()
	found, err := r.describeNow(quick)
	if err != nil {
		now.Problem = err.Error()
		r.log.Info("state of the alarm at delivery not known", "reason", now.Problem)
		return now
	}
	now.State = alarmevent.State(found.state)
	if len(found.changed) > 0 {
		now.Since = found.changed[0].UTC()
	}
	return now
}

// describeNow returns what CloudWatch knows about the alarm, or why that is not known, in words for the reader.
func (r *attempt) describeNow(ctx context.Context) (known, error) {
	if r.alarm.Region != r.Region {
		return known{}, fmt.Errorf("the alarm is in Region %s, and AlarmTriage runs in %s", r.alarm.Region, r.Region)
	}
	name := alarmevent.NameInARN(r.alarm.ARN)
	alarms, err := r.describe(ctx, []string{name})
	if err != nil {
		return known{}, errors.New(unreachable(err))
	}
	found, ok := alarms[r.alarm.ARN]
	if !ok {
		return known{}, errors.New("CloudWatch has no such alarm in the account and Region of AlarmTriage")
	}
	return found, nil
}
