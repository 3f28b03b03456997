package triage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

const (
	// confirmTime is how long confirming an event may take, with all retries.
	confirmTime = 10 * time.Second

	// maxContributorPages bounds the pages of contributors that are read. CloudWatch alarms have at most 100
	// contributors in ALARM at a time.
	maxContributorPages = 5
)

// confirm asks CloudWatch about an event that somebody else may have written, and records in the event why
// CloudWatch did not confirm it. If CloudWatch confirms it, the event gets the time that CloudWatch recorded, so that its
// own time has no effect, and only those triggering alarms remain that its investigation may cover. A retry keeps
// the verdict of the first attempt, since the claim depends on it. If CloudWatch does not confirm the event, and its transition
// was already investigated, confirm returns that investigation: nothing else of such an event may have an effect, because its
// time can differ from that of the transition.
func (h *Handler) confirm(ctx context.Context, alarm *alarmevent.Alarm, owner string) (copyOf *dedupe.Duplicate) {
	if !alarm.Source.IsForgeable() {
		return nil
	}
	b := budgetOf(ctx, h.Now())
	bounded, cancel := context.WithTimeout(ctx, min(confirmTime, b.evidence))
	defer cancel()
	confirmed, at, reason := h.ask(bounded, alarm)
	alarm.IsUpdate = reason == "" && at.IsUpdate
	if reason == "" {
		alarm.Children = h.confirmedChildren(alarm, confirmed, at.Time)
	}
	alarm.Unconfirmed = reason
	if copyOf := h.keepFirstVerdict(ctx, alarm, owner, b); copyOf != nil {
		return copyOf
	}
	if alarm.Unconfirmed == "" && !at.IsZero() {
		alarm.Time = at.Time
	}
	if alarm.Unconfirmed != "" {
		h.emit(map[string]float64{emf.Unconfirmed: 1})
		h.Log.Warn("event not confirmed by CloudWatch", "alarm", alarm.Name, "arn", alarm.ARN,
			"source", string(alarm.Source), "reason", alarm.Unconfirmed)
	}
	return nil
}

// keepFirstVerdict replaces the verdict with that of an earlier attempt of this invocation. Only alarms are claimed, so
// there is none about an event with another state: it would be that of the alarm's own event. It returns the investigation of
// which an unconfirmed event is a copy, or nil.
func (h *Handler) keepFirstVerdict(ctx context.Context, alarm *alarmevent.Alarm, owner string, b budget) (copyOf *dedupe.Duplicate) {
	if alarm.State != alarmevent.StateAlarm {
		return nil
	}
	quick, cancel := context.WithTimeout(ctx, b.table)
	defer cancel()
	first, copyOf, err := h.Table.FirstVerdict(quick, alarm, owner)
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
	case first == dedupe.VerdictNone && copyOf != nil && alarm.Unconfirmed != "":
		return copyOf
	case first == dedupe.VerdictNone && copyOf != nil:
		alarm.IsUpdate = false
	}
	return nil
}

// ask returns what CloudWatch knows about the alarm and its triggering alarms, by ARN, the time that CloudWatch recorded
// for the event, and why CloudWatch does not confirm it; the reason is empty if it does. It does not confirm a transition
// that is older than the window: the alarm may still be in ALARM, and a repeated or forged message would claim a second
// window, in which the alarm's next transition would be a duplicate. Asking a member runs code, which the kill switch can forbid.
func (h *Handler) ask(ctx context.Context, alarm *alarmevent.Alarm) (alarms map[string]steps.KnownAlarm, at steps.Moment, reason string) {
	client, region := h.cloudWatchOf(ctx, alarm)
	if alarm.Region != region {
		return nil, at, fmt.Sprintf("the alarm is in Region %s, and only alarms of Region %s can be confirmed", alarm.Region, region)
	}
	if _, isMember := client.(memberCloudWatch); isMember && h.readSwitch(ctx, h.Log).Off == dedupe.OffAll {
		return nil, at, fmt.Sprintf("the kill switch is on, so CloudWatch of account %s was not asked", alarm.Account)
	}
	name := alarmevent.NameInARN(alarm.ARN)
	names := []string{name}
	for _, child := range alarm.Children[:min(len(alarm.Children), dedupe.MaxChildren)] {
		names = append(names, alarmevent.NameInARN(child))
	}
	alarms, err := steps.DescribeAlarms(ctx, client, names)
	if err != nil {
		return nil, at, unreachable(err)
	}
	found, ok := alarms[alarm.ARN]
	switch {
	case !ok && steps.HasName(alarms, name):
		return nil, at, "the alarm is in another account, and only alarms of this account can be confirmed"
	case !ok:
		return nil, at, "CloudWatch has no alarm of this name in this account and Region"
	case found.State != string(alarm.State):
		return nil, at, fmt.Sprintf("the alarm is in state %s, not %s", found.State, alarm.State)
	case alarm.Time.IsZero():
		return nil, at, "the event has no valid time"
	}
	if at, ok = nearest(alarm.Time, found.Changed); !ok {
		at, ok = h.contributorChanged(ctx, client, alarm, name)
	}
	if !ok {
		return nil, at, fmt.Sprintf("the alarm did not change its state at %s", alarm.Time.Format(time.RFC3339))
	}
	if alarm.State == alarmevent.StateAlarm && h.Now().Sub(at.Time) > h.Config.Window {
		return nil, at, fmt.Sprintf("the alarm changed its state at %s, which is longer ago than the investigation window of %s",
			at.Format(time.RFC3339), h.Config.Window)
	}
	h.addRest(ctx, client, alarm, alarms)
	return alarms, at, ""
}

// addRest adds the other alarms in the rule of a composite alarm to those that CloudWatch knows. A message can leave out a triggering
// alarm, and the event of the composite alarm must not be a duplicate because of the ones that it names. If the others cannot be
// read, one of them may be such an alarm.
func (h *Handler) addRest(ctx context.Context, client awsapi.CloudWatch, alarm *alarmevent.Alarm, alarms map[string]steps.KnownAlarm) {
	if len(alarm.Children) == 0 {
		return
	}
	var names []string
	for inRule := range alarmevent.NamesInRule(alarms[alarm.ARN].Rule) {
		if name := alarmevent.NameInARN(inRule); !steps.HasName(alarms, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	most := min(len(names), steps.MaxNames)
	rest, err := steps.DescribeAlarms(ctx, client, names[:most])
	if err != nil || most < len(names) {
		h.Log.Warn("alarms in the rule of the composite alarm not read", "alarm", alarm.Name, "names", len(names), "read", len(rest), "error", err)
		alarm.MoreChildren++
	}
	maps.Copy(alarms, rest)
}

// unreachable returns why CloudWatch could not be asked, and what to do.
func unreachable(err error) string {
	if member := (*memberError)(nil); errors.As(err, &member) {
		return member.Error()
	}
	advice := "CloudWatch could not be asked; a VPC needs an endpoint for CloudWatch (monitoring), which CreateVpcEndpoints creates"
	var api smithy.APIError
	policy := awsapi.BlockedBy(err.Error())
	switch class := awsapi.Classify(err); {
	case class == awsapi.ClassDenied && policy != "":
		advice = "the orchestrator may not ask CloudWatch: the " + policy + " blocks cloudwatch:DescribeAlarms"
	case class == awsapi.ClassDenied:
		advice = "the orchestrator may not ask CloudWatch: its role needs cloudwatch:DescribeAlarms"
	case class == awsapi.ClassThrottled:
		advice = "CloudWatch throttled the question"
	case errors.As(err, &api), awsapi.StatusCode(err) > 0:
		advice = "CloudWatch answered with an error"
	}
	return fmt.Sprintf("%s (%s)", advice, awsapi.Brief(err))
}

// nearest returns the time that is the same as that of an event, within [dedupe.SameTransition], or false.
// It is that of an update only if it is not also the time of a transition.
func nearest(event time.Time, times []steps.Moment) (at steps.Moment, ok bool) {
	isUpdate := true
	for _, t := range times {
		d := event.Sub(t.Time).Abs()
		if d > dedupe.SameTransition {
			continue
		}
		isUpdate = isUpdate && t.IsUpdate
		if !ok || d < event.Sub(at.Time).Abs() {
			at, ok = steps.Moment{Time: t.UTC()}, true
		}
	}
	at.IsUpdate = ok && isUpdate
	return at, ok
}

// contributorChanged returns when the contributor that the event names changed its state, if that is the time of the event.
// This time differs from that of the alarm.
func (h *Handler) contributorChanged(ctx context.Context, client awsapi.CloudWatch, alarm *alarmevent.Alarm, name string) (at steps.Moment, ok bool) {
	if alarm.Contributor == nil || alarm.Contributor.ID == "" || alarm.State != alarmevent.StateAlarm {
		return at, false
	}
	in := &cloudwatch.DescribeAlarmContributorsInput{AlarmName: &name}
	for range maxContributorPages {
		out, err := client.DescribeAlarmContributors(ctx, in)
		if err != nil {
			h.Log.Warn("contributors of the alarm not read", "alarm", name, "error", err, "advice", awsapi.Advice(err))
			return at, false
		}
		for _, c := range out.AlarmContributors {
			if c.StateTransitionedTimestamp == nil || !h.isContributor(alarm, aws.ToString(c.ContributorId)) {
				continue
			}
			if at, ok = nearest(alarm.Time, []steps.Moment{{Time: *c.StateTransitionedTimestamp}}); ok {
				return at, true
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return at, false
		}
	}
	return at, false
}

// isContributor reports whether the event of an alarm names the contributor with this ID. A pattern of the user can match IDs: the
// event then has what replaced it.
func (h *Handler) isContributor(alarm *alarmevent.Alarm, id string) bool {
	return id == alarm.Contributor.ID || h.redactText(id) == alarm.Contributor.ID
}

// confirmedChildren returns the triggering alarms that the investigation may cover: they are in ALARM since the composite alarm
// fired, and its rule contains them. The others are investigated on their own when they fire.
func (h *Handler) confirmedChildren(alarm *alarmevent.Alarm, alarms map[string]steps.KnownAlarm, fired time.Time) []string {
	inRule := alarmevent.NamesInRule(alarms[alarm.ARN].Rule)
	var confirmed []string
	for _, child := range alarm.Children {
		if inAlarmBy(alarms[child], fired) && (inRule[child] || inRule[alarmevent.NameInARN(child)]) {
			confirmed = append(confirmed, child)
			continue
		}
		alarm.MoreChildren++
		alarm.NotUnderstood = append(alarm.NotUnderstood, fmt.Sprintf(
			"triggering alarms: CloudWatch does not confirm %.300q, which is therefore investigated on its own when it fires", child))
	}
	for arn, known := range alarms {
		isOther := arn != alarm.ARN && !slices.Contains(alarm.Children, arn) && (inRule[arn] || inRule[alarmevent.NameInARN(arn)])
		if isOther && inAlarmBy(known, fired) { // the message does not name it
			alarm.MoreChildren++
		}
	}
	return confirmed
}

// inAlarmBy reports whether an alarm is in ALARM since a composite alarm fired, or longer.
func inAlarmBy(known steps.KnownAlarm, fired time.Time) bool {
	return known.State == string(alarmevent.StateAlarm) && known.ChangedBy(fired.Add(dedupe.SameTransition))
}
