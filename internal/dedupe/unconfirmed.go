package dedupe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

const (
	// MaxUnconfirmedPerDay is how many investigations of unconfirmed events may ask a model in one day (UTC).
	// It bounds what a flood of forged events can cost: an event that names another alarm or another time has
	// another claim.
	MaxUnconfirmedPerDay = 50
)

// KeyOf returns the key of the item with the claim of an event. It is the alarm's ARN if the event is confirmed or
// cannot be forged. An unconfirmed event only claims the transition that it reports, so that it can make nothing
// a duplicate but itself: nobody can know the time of a genuine transition in advance. The same applies to the event of
// an update: everybody can read when an alarm that stays in ALARM was last updated.
func KeyOf(alarm *alarmevent.Alarm) string {
	switch alarm.Confirmation() {
	case alarmevent.NotConfirmed:
		return unconfirmedKey(alarm)
	case alarmevent.ConfirmedUpdate:
		return updateKey(alarm)
	}
	return alarm.ARN
}

// updatePrefix begins the keys of updates.
const updatePrefix = "update#"

func updateKey(alarm *alarmevent.Alarm) string {
	return updatePrefix + alarm.ARN + "#" + transitionOf(alarm, "nobody") // CloudWatch confirmed its time
}

// checkOvertaken returns [ErrLost] if c is the claim of an update whose event CloudWatch also sent in a way that cannot be forged: the
// claim of that event, or what it is a repeat of, has the alarm's item, or is one of its past ones. An investigation of another alarm
// that covers this one is begun later, and this one goes on.
func (t *Table) checkOvertaken(ctx context.Context, c *Claim) error {
	of, isUpdate := strings.CutPrefix(c.Key, updatePrefix)
	if !isUpdate {
		return nil
	}
	i, err := t.read(ctx, strings.TrimSuffix(of, "#"+c.transition))
	if err != nil {
		return err
	}
	copyOf := i.pastOf(c.transition, "")
	if i.text(attrCoveredBy) == "" {
		copyOf = i.copyOf(c.transition, t.now())
	}
	if copyOf != nil {
		return fmt.Errorf("check the claim of the alarm: %w", ErrLost)
	}
	return nil
}

func unconfirmedKey(alarm *alarmevent.Alarm) string {
	return "unconfirmed#" + alarm.ARN + "#" + transitionOf(alarm, "nobody") // CloudWatch's events have a time
}

// Verdict is whether an event was confirmed when it was first delivered.
type Verdict int

// The verdicts.
const (
	VerdictNone        Verdict = iota // the event has no claim
	VerdictConfirmed                  // it holds, or held, the claim of its alarm
	VerdictUnconfirmed                // it holds, or held, the claim of an unconfirmed event
	VerdictUpdate                     // it holds, or held, the claim of an update
)

// FirstVerdict returns how an earlier attempt of owner claimed the alarm. A retry must find the claim of the
// first attempt, although CloudWatch may answer differently in the meantime. So must an event that somebody sends again because
// all attempts failed: if the investigation of its transition is unfinished and nobody works on it, the event continues it. copyOf
// is the investigation of the same transition that another event began, if it runs or is one of the last ones of the alarm: the
// event is a copy that arrived late or through another path.
func (t *Table) FirstVerdict(ctx context.Context, alarm *alarmevent.Alarm, owner string) (v Verdict, copyOf *Duplicate, err error) {
	isAbandoned := false
	for _, at := range []struct {
		key     string
		verdict Verdict
	}{{alarm.ARN, VerdictConfirmed}, {unconfirmedKey(alarm), VerdictUnconfirmed}, {updateKey(alarm), VerdictUpdate}} {
		i, err := t.read(ctx, at.key)
		if err != nil {
			return VerdictNone, nil, err
		}
		if i.hasOwner(owner) && i.text(attrCoveredBy) == "" {
			return at.verdict, nil, nil
		}
		if at.verdict == VerdictConfirmed {
			copyOf = i.copyOf(transitionOf(alarm, owner), t.now())
			isAbandoned = i.text(attrCoveredBy) == "" && takeable(i, owner, t.now()) && isSameTransition(i.text(attrTransition), transitionOf(alarm, owner))
		}
	}
	if isAbandoned {
		return VerdictConfirmed, nil, nil
	}
	return VerdictNone, copyOf, nil
}

// copyOf returns the investigation of the transition, if it runs, or is one of the alarm's last ones.
func (i item) copyOf(transition string, now time.Time) *Duplicate {
	settled := i.text(attrState) == stateDone || i.text(attrState) == stateRunning && i.time(attrUntil).After(now)
	if settled && (isSameTransition(i.text(attrTransition), transition) || i.isRepeat(i.text(attrID), transition)) {
		return duplicateOf(values(i))
	}
	return i.investigated(transition, "")
}

// AdmitUnconfirmed reports whether the investigation of an unconfirmed event may ask a model, which at most
// [MaxUnconfirmedPerDay] of those that began on the UTC day of started may. The result is the same for each attempt of an
// investigation.
func (t *Table) AdmitUnconfirmed(ctx context.Context, id string, started time.Time) (bool, error) {
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key("unconfirmed-day#" + started.UTC().Format(time.DateOnly)),
		UpdateExpression:         aws.String("ADD #ids :id SET #expires = :expires"),
		ConditionExpression:      aws.String("attribute_not_exists(#ids) OR size(#ids) < :max"),
		ExpressionAttributeNames: map[string]string{"#ids": attrDayIDs, "#expires": config.TableTTL},
		ExpressionAttributeValues: values{
			":id": set(id), ":expires": whole(started.Add(keepDay).Unix()), ":max": whole(MaxUnconfirmedPerDay),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return true, nil
	}
	if full, failed := awsapi.ConditionFailed(err); failed {
		return slices.Contains(item(full).set(attrDayIDs), id), nil
	}
	return false, fmt.Errorf("count the unconfirmed event in table %s: %w", t.name, err)
}
