package dedupe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// MaxRecoveries is how many recoveries of one investigation are notified. An alarm that changes its state every minute
// would otherwise send two notifications each time.
const MaxRecoveries = 3

// Recovery identifies the investigation of an alarm that is OK again, or that fires again after it was.
type Recovery struct {
	ID        string
	StartedAt time.Time
	ReportURI string
	Number    int // of the recoveries of this investigation; 1 for the first
}

// ClaimParked takes the lease of the alarm until leaseUntil for owner if a finished record is parked there: whoever reports that
// the alarm is OK again delivers it first. It returns nil if there is none, or if another invocation delivers it.
func (t *Table) ClaimParked(ctx context.Context, alarm *alarmevent.Alarm, owner string, leaseUntil time.Time) (*Claim, error) {
	current, err := t.read(ctx, alarm.ARN)
	if err != nil || len(current.bytes(attrParked)) == 0 || !takeable(current, owner, t.now()) {
		return nil, err
	}
	ofAlarm := *alarm
	ofAlarm.IsUpdate = false // whatever the event is, the record belongs to the alarm
	claim, _, err := t.takeOver(ctx, &ofAlarm, current, owner, current.text(attrID), current.text(attrTransition), leaseUntil)
	return claim, err
}

// Recovered records that the alarm is OK again. It returns nil if there is nothing to notify: the alarm was
// not investigated, its recovery was already recorded and it did not fire since, it has fired again since it was OK, it
// recovered [MaxRecoveries] times, or another alarm's investigation covered it, or may still do. Until [Table.FollowedUp], an owner that calls
// it again gets the same recovery: the owner may have been killed before it notified.
func (t *Table) Recovered(ctx context.Context, alarm *alarmevent.Alarm, owner string) (*Recovery, error) {
	at := t.timeOf(alarm)
	isOwn := func(i item) bool { return i.text(attrFollowUp) == owner && i.text(attrRecoveryOf) == i.text(attrID) }
	before, err := t.read(ctx, alarm.ARN)
	switch {
	case err != nil:
		return nil, err
	case before.firedAfter(at) && !isOwn(before): // the write would replace the owner of a later follow-up
		return nil, nil
	}
	out, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:        &t.name,
		Key:              key(alarm.ARN),
		UpdateExpression: aws.String("SET recovery_of = investigation_id, recovered_at = :at, follow_up_owner = :owner ADD recoveries :one"),
		ConditionExpression: aws.String("attribute_exists(investigation_id) AND attribute_not_exists(covered_by) AND " +
			"(attribute_not_exists(recovery_of) OR recovery_of <> investigation_id) AND " +
			"(attribute_not_exists(recoveries) OR recoveries < :max) AND " +
			"(attribute_not_exists(undecided) OR undecided <> :true OR #state <> :running)"),
		ExpressionAttributeNames: map[string]string{"#state": attrState},
		ExpressionAttributeValues: values{
			":at": millis(at), ":one": whole(1), ":max": whole(MaxRecoveries), ":owner": text(owner), ":true": flag(true), ":running": text(stateRunning),
		},
		ReturnValues: types.ReturnValueAllNew,

		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	recovery, of, err := recoveryOf(out, err, "record the recovery", isOwn)
	switch {
	case recovery != nil && of.firedAfter(at): // read with the write, so that no repeat is recorded in between
		return nil, t.ForgetRecovery(ctx, alarm.ARN, owner)
	case recovery == nil && err == nil && len(of) > 0 && of.text(attrRecoveryOf) == of.text(attrID):
		return nil, t.recoveredLater(ctx, alarm.ARN, of.text(attrID), at)
	}
	return recovery, err
}

// recoveredLater records that the alarm was OK again also at a later time than that of the recovery that is recorded. The event with
// which it fired in between may still wait in a queue, and must not be taken for the last one.
func (t *Table) recoveredLater(ctx context.Context, arn, id string, at time.Time) error {
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: key(arn), UpdateExpression: aws.String("SET recovered_at = :at"),
		ConditionExpression:       aws.String("recovery_of = :id AND investigation_id = :id AND recovered_at < :at"),
		ExpressionAttributeValues: values{":at": millis(at), ":id": text(id)},
	})
	if _, failed := awsapi.ConditionFailed(err); failed || err == nil {
		return nil
	}
	return fmt.Errorf("record a later recovery in table %s: %w", t.name, err)
}

// FiredAgain records that an alarm of which a recovery was notified fires again within its window. It returns nil if there
// is nothing to notify. After it, [Table.Recovered] records the next recovery. An owner that calls it again gets the same
// recovery, as from [Table.Recovered].
func (t *Table) FiredAgain(ctx context.Context, alarm *alarmevent.Alarm, owner string) (*Recovery, error) {
	out, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &t.name,
		Key:                       key(alarm.ARN),
		UpdateExpression:          aws.String("SET follow_up_owner = :owner REMOVE recovery_of"),
		ConditionExpression:       aws.String("recovery_of = investigation_id AND recovered_at < :at"),
		ExpressionAttributeValues: values{":at": millis(t.timeOf(alarm)), ":owner": text(owner)},
		ReturnValues:              types.ReturnValueAllNew,

		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	recovery, _, err := recoveryOf(out, err, "record that the alarm fires again", func(i item) bool {
		return i.text(attrFollowUp) == owner && i.text(attrRecoveryOf) == ""
	})
	return recovery, err
}

// FollowedUp records that people were notified of what [Table.Recovered] or [Table.FiredAgain] recorded for owner about the
// investigation with this id. firesAgain reports whether the alarm fired again in the meantime, and was not OK since.
func (t *Table) FollowedUp(ctx context.Context, arn, id, owner string) (firesAgain bool, err error) {
	_, err = t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: key(arn), UpdateExpression: aws.String("REMOVE follow_up_owner"),
		ConditionExpression: aws.String("follow_up_owner = :owner"), ExpressionAttributeValues: values{":owner": text(owner)},

		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if old, failed := awsapi.ConditionFailed(err); failed { // a later follow-up has begun
		i := item(old)
		return i.text(attrID) == id && i.text(attrRecoveryOf) == "", nil
	}
	if err != nil {
		return false, fmt.Errorf("record the follow-up in table %s: %w", t.name, err)
	}
	return false, nil
}

// recoveryOf returns the recovery of a write, or that of an earlier attempt if isRetry says so about the item, and the item.
func recoveryOf(out *dynamodb.UpdateItemOutput, err error, what string, isRetry func(item) bool) (r *Recovery, i item, problem error) {
	if old, failed := awsapi.ConditionFailed(err); failed {
		if i = item(old); !isRetry(i) {
			return nil, i, nil
		}
	} else if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	} else {
		i = item(out.Attributes)
	}
	return &Recovery{
		ID: i.text(attrID), StartedAt: i.time(attrStarted), ReportURI: i.text(attrReport), Number: int(i.whole(attrRecoveries)),
	}, i, nil
}

// timeOf returns the time of the alarm's event, or the current time if the event has none.
func (t *Table) timeOf(alarm *alarmevent.Alarm) time.Time {
	if alarm.Time.IsZero() {
		return t.now()
	}
	return alarm.Time
}

// firedAfter reports whether a known transition of the alarm is of a later time. Events that waited in a queue arrive in any order,
// so it need not be that of the last investigation.
func (i item) firedAfter(at time.Time) bool {
	known := append(slices.Collect(maps.Values(i.pastTransitions())), i.text(attrTransition), i.text(attrGaveWay))
	for _, repeat := range i.set(attrRepeats) {
		known = append(known, transitionOfRepeat(repeat))
	}
	of := at.UTC().Format(transitionFormat)
	return slices.ContainsFunc(known, func(transition string) bool { return isTransitionTime(transition) && transition > of })
}

func isTransitionTime(transition string) bool {
	_, err := time.Parse(transitionFormat, transition)
	return err == nil
}

// ForgetRecovery reverts Recovered after its notification could not be sent.
func (t *Table) ForgetRecovery(ctx context.Context, arn, owner string) error {
	return t.revert(ctx, arn, owner, "REMOVE recovery_of, follow_up_owner ADD recoveries :minusOne", values{":minusOne": whole(-1)})
}

// ForgetFiredAgain reverts FiredAgain after its notification could not be sent.
func (t *Table) ForgetFiredAgain(ctx context.Context, arn, owner string) error {
	return t.revert(ctx, arn, owner, "SET recovery_of = investigation_id REMOVE follow_up_owner", values{})
}

// revert reverts what owner recorded, unless a later follow-up of the alarm has begun: that one stays.
func (t *Table) revert(ctx context.Context, arn, owner, expression string, v values) error {
	v[":owner"] = text(owner)
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: key(arn), UpdateExpression: &expression,
		ConditionExpression: aws.String("follow_up_owner = :owner"), ExpressionAttributeValues: v,
	})
	if _, failed := awsapi.ConditionFailed(err); failed || err == nil {
		return nil
	}
	return fmt.Errorf("revert the follow-up in table %s: %w", t.name, err)
}
