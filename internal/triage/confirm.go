package triage

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
)

const (
	// confirmTime is how long confirming an event may take, with all retries.
	confirmTime = 10 * time.Second

	// maxNames is how many alarms one answer of DescribeAlarms contains; its default is less than an alarm and its children.
	maxNames = 100

	// maxContributorPages bounds the pages of contributors that are read. CloudWatch alarms have at most 100
	// contributors in ALARM at a time.
	maxContributorPages = 5
)

// confirm asks CloudWatch about an event that somebody else may have written, and records in the event why
// CloudWatch did not confirm it. If CloudWatch confirms it, the event gets the time that CloudWatch recorded, so that its
// own time has no effect, and only those triggering alarms remain that its investigation may cover. A retry keeps
// the verdict of the first attempt, since the claim depends on it.
func (h *Handler) confirm(ctx context.Context, alarm *alarmevent.Alarm, owner string) {
	if !alarm.Source.IsForgeable() {
		return
	}
	b := budgetOf(ctx, h.Now())
	bounded, cancel := context.WithTimeout(ctx, min(confirmTime, b.evidence))
	defer cancel()
	confirmed, at, reason := h.ask(bounded, alarm)
	alarm.IsUpdate = reason == "" && at.isUpdate
	if reason == "" {
		alarm.Children = h.confirmedChildren(alarm, confirmed)
	}
	alarm.Unconfirmed = reason
	h.keepFirstVerdict(ctx, alarm, owner, b)
	if alarm.Unconfirmed == "" && !at.IsZero() {
		alarm.Time = at.Time
	}
	if alarm.Unconfirmed != "" {
		h.emit(map[string]float64{emf.Unconfirmed: 1})
		h.Log.Warn("event not confirmed by CloudWatch", "alarm", alarm.Name, "arn", alarm.ARN,
			"source", string(alarm.Source), "reason", alarm.Unconfirmed)
	}
}

// keepFirstVerdict replaces the verdict with that of an earlier attempt of this invocation. Only alarms are claimed, so
// there is none about an event with another state: it would be that of the alarm's own event.
func (h *Handler) keepFirstVerdict(ctx context.Context, alarm *alarmevent.Alarm, owner string, b budget) {
	if alarm.State != alarmevent.StateAlarm {
		return
	}
	quick, cancel := context.WithTimeout(ctx, b.table)
	defer cancel()
	first, err := h.Table.FirstVerdict(quick, alarm, owner)
	switch {
	case err != nil:
		h.Log.Warn("cannot read whether an earlier attempt confirmed the event", "alarm", alarm.Name, "error", err)
	case first == dedupe.VerdictConfirmed && alarm.Unconfirmed != "":
		alarm.Unconfirmed, alarm.IsUpdate, alarm.Children = "", false, nil // what the first attempt covered is not known here
	case first == dedupe.VerdictConfirmed:
		alarm.IsUpdate = false
	case first == dedupe.VerdictUpdate:
		alarm.Unconfirmed, alarm.IsUpdate = "", true
	case first == dedupe.VerdictUnconfirmed && alarm.Unconfirmed == "":
		alarm.Unconfirmed = "CloudWatch did not confirm it when it was first delivered"
	}
}

// known is what CloudWatch knows about an alarm.
type known struct {
	arn     string
	state   string
	changed []moment // when it may have sent its last event
	rule    string   // of a composite alarm
}

// moment is a time at which CloudWatch recorded a change of an alarm.
type moment struct {
	time.Time

	// isUpdate reports that the state was updated, and did not necessarily change. An update repeats while an alarm stays
	// in ALARM, so it must not begin a window: the alarm's next transition would be a duplicate.
	isUpdate bool
}

// ask returns what CloudWatch knows about the alarm and its triggering alarms, by ARN, the time that CloudWatch recorded
// for the event, and why CloudWatch does not confirm it; the reason is empty if it does. It does not confirm a transition
// that is older than the window: the alarm may still be in ALARM, and a repeated or forged message would claim a second
// window, in which the alarm's next transition would be a duplicate.
func (h *Handler) ask(ctx context.Context, alarm *alarmevent.Alarm) (alarms map[string]known, at moment, reason string) {
	if alarm.Region != h.Region {
		return nil, at, fmt.Sprintf("the alarm is in Region %s, and only alarms of Region %s can be confirmed", alarm.Region, h.Region)
	}
	name := alarmevent.NameInARN(alarm.ARN)
	names := []string{name}
	for _, child := range alarm.Children[:min(len(alarm.Children), dedupe.MaxChildren)] {
		names = append(names, alarmevent.NameInARN(child))
	}
	alarms, err := h.describe(ctx, names)
	if err != nil {
		return nil, at, unreachable(err)
	}
	found, ok := alarms[alarm.ARN]
	switch {
	case !ok && hasName(alarms, name):
		return nil, at, "the alarm is in another account, and only alarms of this account can be confirmed"
	case !ok:
		return nil, at, "CloudWatch has no alarm of this name in this account and Region"
	case found.state != string(alarm.State):
		return nil, at, fmt.Sprintf("the alarm is in state %s, not %s", found.state, alarm.State)
	case alarm.Time.IsZero():
		return nil, at, "the event has no valid time"
	}
	if at, ok = nearest(alarm.Time, found.changed); !ok {
		at, ok = h.contributorChanged(ctx, alarm, name)
	}
	if !ok {
		return nil, at, fmt.Sprintf("the alarm did not change its state at %s", alarm.Time.Format(time.RFC3339))
	}
	if alarm.State == alarmevent.StateAlarm && h.Now().Sub(at.Time) > h.Config.Window {
		return nil, at, fmt.Sprintf("the alarm changed its state at %s, which is longer ago than the investigation window of %s",
			at.Format(time.RFC3339), h.Config.Window)
	}
	return alarms, at, ""
}

// unreachable returns why CloudWatch could not be asked, and what to do.
func unreachable(err error) string {
	advice := "CloudWatch could not be asked; a VPC needs an endpoint for CloudWatch (monitoring), which CreateVpcEndpoints creates"
	if awsapi.Classify(err) == awsapi.ClassDenied {
		advice = "the orchestrator may not ask CloudWatch: its role needs cloudwatch:DescribeAlarms"
	}
	return fmt.Sprintf("%s (%s)", advice, awsapi.Brief(err))
}

func hasName(alarms map[string]known, name string) bool {
	for arn := range alarms {
		if alarmevent.NameInARN(arn) == name {
			return true
		}
	}
	return false
}

// nearest returns the time that is the same as that of an event, within [dedupe.SameTransition], or false.
// It is that of an update only if it is not also the time of a transition.
func nearest(event time.Time, times []moment) (at moment, ok bool) {
	isUpdate := true
	for _, t := range times {
		d := event.Sub(t.Time).Abs()
		if d > dedupe.SameTransition {
			continue
		}
		isUpdate = isUpdate && t.isUpdate
		if !ok || d < event.Sub(at.Time).Abs() {
			at, ok = moment{Time: t.UTC()}, true
		}
	}
	at.isUpdate = ok && isUpdate
	return at, ok
}

// describe returns the alarms of this account and Region that have one of the names, by ARN. CloudWatch only
// returns log alarms to a request for log alarms alone.
func (h *Handler) describe(ctx context.Context, names []string) (map[string]known, error) {
	out, err := h.CloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: names, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
		MaxRecords: aws.Int32(maxNames),
	})
	if err != nil {
		return nil, fmt.Errorf("describe the alarm: %w", err)
	}
	alarms := map[string]known{}
	for _, a := range out.MetricAlarms {
		put(alarms, a.AlarmArn, a.StateValue, nil, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, false)
	}
	for _, a := range out.CompositeAlarms { // after the wait period of a suppressor, the alarm sends the event of an update
		put(alarms, a.AlarmArn, a.StateValue, a.AlarmRule, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, a.ActionsSuppressor != nil)
	}
	var missing []string
	for _, name := range names {
		if !hasName(alarms, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return alarms, nil
	}
	out, err = h.CloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: missing, AlarmTypes: []types.AlarmType{types.AlarmTypeLogAlarm}, MaxRecords: aws.Int32(maxNames),
	})
	switch {
	case err == nil:
		for _, a := range out.LogAlarms {
			put(alarms, a.AlarmArn, a.StateValue, nil, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, false)
		}
	case missing[0] == names[0] && awsapi.Classify(err) != awsapi.ClassInvalid: // a Region may not know log alarms
		return nil, fmt.Errorf("describe the log alarm: %w", err)
	}
	return alarms, nil
}

// put adds an alarm. Its last event has the time of its transition, which CloudWatch always returns; simulators of
// CloudWatch return the time of the update instead. If the alarm also sends events of updates, the time can be that of the
// last update.
func put(alarms map[string]known, arn *string, state types.StateValue, rule *string, transitioned, updated *time.Time, sendsUpdates bool) {
	k := known{arn: aws.ToString(arn), state: string(state), rule: aws.ToString(rule)}
	if t := cmp.Or(transitioned, updated); t != nil {
		k.changed = append(k.changed, moment{Time: *t})
	}
	if updated != nil && sendsUpdates {
		k.changed = append(k.changed, moment{Time: *updated, isUpdate: true})
	}
	alarms[k.arn] = k
}

// contributorChanged returns when the contributor that the event names changed its state, if that is the time of the event.
// This time differs from that of the alarm.
func (h *Handler) contributorChanged(ctx context.Context, alarm *alarmevent.Alarm, name string) (at moment, ok bool) {
	if alarm.Contributor == nil || alarm.Contributor.ID == "" || alarm.State != alarmevent.StateAlarm {
		return at, false
	}
	in := &cloudwatch.DescribeAlarmContributorsInput{AlarmName: &name}
	for range maxContributorPages {
		out, err := h.CloudWatch.DescribeAlarmContributors(ctx, in)
		if err != nil {
			h.Log.Warn("contributors of the alarm not read", "alarm", name, "error", err, "advice", awsapi.Advice(err))
			return at, false
		}
		for _, c := range out.AlarmContributors {
			if aws.ToString(c.ContributorId) == alarm.Contributor.ID && c.StateTransitionedTimestamp != nil {
				return nearest(alarm.Time, []moment{{Time: *c.StateTransitionedTimestamp}})
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return at, false
		}
	}
	return at, false
}

// confirmedChildren returns the triggering alarms that the investigation may cover: they are in ALARM, and the
// rule of the composite alarm contains them. The others are investigated on their own when they fire.
func (h *Handler) confirmedChildren(alarm *alarmevent.Alarm, alarms map[string]known) []string {
	inRule := alarmevent.NamesInRule(alarms[alarm.ARN].rule)
	var confirmed []string
	for _, child := range alarm.Children {
		inAlarm := alarms[child].state == string(alarmevent.StateAlarm)
		if inAlarm && (inRule[child] || inRule[alarmevent.NameInARN(child)]) {
			confirmed = append(confirmed, child)
			continue
		}
		alarm.MoreChildren++
		alarm.NotUnderstood = append(alarm.NotUnderstood, fmt.Sprintf(
			"triggering alarms: CloudWatch does not confirm %.300q, which is therefore investigated on its own when it fires", child))
	}
	return confirmed
}
