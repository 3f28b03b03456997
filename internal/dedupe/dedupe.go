// Package dedupe ensures that an alarm is investigated once per window, no matter how often and through
// which paths its event is delivered, and that a crash never suppresses an alarm.
//
// A claim is one conditional write of a lease, not a "seen" marker. The life cycle of an item:
//
//	(none) ──Claim──> running ──Settle──> done ──window over, new transition──> running
//	                   │  ▲
//	                   │  ├─ same owner, former owner, or lease expired: Claim resumes
//	                   │  └─ HandOver: the fresh invocation owns the lease, this one is the former owner
//	                   └──Free, Park──> freed ──Claim──> running, resumes
//
// The window begins with the first claim of an investigation. If another transition takes over after the window, the claim
// is marked as [Claim.Earlier]: its report is delivered if it is finished (parked, or in a checkpoint), and the investigation
// is dropped with [Table.Abandon] otherwise. Either way, the transition then begins its own.
//
// Who may take over, and what happens to a process that is killed between two writes:
//
//	running, lease valid    its owner (Lambda retries with the same request id)
//	  waits for a hand-over the fresh invocation, or the former owner; whoever is first raises the attempt and is then the
//	                        only owner, so that the other one is a duplicate
//	  delivered, not settled after the window, every other transition
//	running, lease expired  every event of the alarm
//	freed, with or without  every event of the alarm
//	  a parked record
//	done                    nobody; another transition begins anew after the window
//
// Events that CloudWatch did not confirm have separate items, so that a forged event never makes another
// one a duplicate; see unconfirmed.go.
//
// Every claim and takeover raises the attempt number. An attempt that lost its lease can therefore no
// longer write: its writes return [ErrLost].
package dedupe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const (
	// keepFor is how long an alarm's item, with its past investigations, is kept after the last of them.
	keepFor = 90 * 24 * time.Hour

	// maxPast is how many past investigations of an alarm are kept.
	maxPast = 10

	// maxCause bounds a past investigation's cause, in characters.
	maxCause = 500

	// maxOwners is how many owners of an investigation are remembered for [Table.FirstVerdict]. While reports cannot be sent,
	// each event of a restless alarm becomes one.
	maxOwners = 100

	// takeOverAttempts is how often an invocation takes over a claim if the answers to its writes are lost.
	takeOverAttempts = 3

	// maxRepeats is how many repeats are counted.
	maxRepeats = 500

	// SameTransition is how far the times of events about one transition may be from each other, and from the time
	// that CloudWatch records for it: less than a second.
	SameTransition = time.Second - time.Millisecond

	// MaxParked bounds a parked record, in bytes. DynamoDB's limit for an item is 400 kB.
	MaxParked = 300 << 10
)

// ErrLost reports that another invocation took over the investigation or finished it.
var ErrLost = errors.New("another invocation has this investigation")

// errNoItem reports that the table has no item of the alarm, so that no other invocation has its investigation either.
var errNoItem = errors.New("there is no item of the alarm")

// Table is the investigations table.
type Table struct {
	db     awsapi.DynamoDB
	name   string
	window time.Duration
	now    func() time.Time
}

// New returns the Table with this name.
func New(db awsapi.DynamoDB, name string, window time.Duration, now func() time.Time) *Table {
	return &Table{db: db, name: name, window: window, now: now}
}

// Claim is the right to investigate an alarm.
type Claim struct {
	Key       string // of the alarm's item
	ID        string // of the investigation
	Owner     string
	Attempt   int64 // 1 for the first
	StartedAt time.Time
	Resumed   bool // an earlier attempt did not finish; it may have saved a checkpoint
	HandOvers int
	Parked    []byte // the finished record, if only its delivery is missing
	Stored    bool   // the parked record's report is in the bucket
	Notified  bool   // the parked record's notification was sent
	Past      []investigation.Past
	stale     []string // attributes with feedback about investigations that are no longer in Past
	repeats   []string // elements of [attrRepeats] since earlier investigations, which the last one of Past counts
	Covers    []string // ARNs of the triggering alarms that the claim of a composite alarm covers

	// Earlier reports that the investigation is that of an earlier transition, whose window is over. Only a finished report
	// is delivered. The caller then claims the alarm again.
	Earlier bool

	// IsRepeat reports that the investigation is that of an earlier transition within the window. The one that claims it is only
	// a repeat.
	IsRepeat bool

	// MaybeSent reports that an earlier attempt began to deliver a report, and did not record whether it sent a notification.
	MaybeSent bool

	transition  string            // that is investigated
	gaveWay     string            // [attrGaveWay]
	transitions map[string]string // of Past, by the id of the investigation
}

// Duplicate describes the investigation because of which an alarm could not be claimed.
type Duplicate struct {
	ID        string // of the investigation of the alarm
	Running   bool   // false: done within the window
	CoveredBy string // ARN of the other alarm whose investigation covers this one
	ReportURI string

	// IsCopy reports that the transition itself is known: it was investigated, covered, or counted as a repeat. It is therefore no
	// new repeat.
	IsCopy bool

	// IsEnding reports that another invocation only ends the investigation, whose window is over, and then begins that of a later
	// transition. The event is therefore no repeat of it; see [Table.RecordFired].
	IsEnding bool
}

// Claim tries to take the lease of the alarm until leaseUntil for owner, which must be the same for each
// retry of one delivery. id is the id of the investigation if a new one begins. A claim of one transition, see
// [KeyOf], covers no other alarm. The results are:
//
//   - a claim
//   - a claim and an error: the alarms that triggered a composite alarm could not be claimed with it
//   - a duplicate: the alarm is being investigated, or was within the window
//   - only an error: the table is unavailable
func (t *Table) Claim(
	ctx context.Context, alarm *alarmevent.Alarm, owner, id string, leaseUntil time.Time,
) (*Claim, *Duplicate, error) {
	if duplicate := t.claimedAsUpdate(ctx, alarm, owner, id); duplicate != nil {
		return nil, duplicate, nil
	}
	claim, duplicate, err := t.claimOne(ctx, alarm, owner, id, leaseUntil, anyInvestigation)
	if claim == nil || claim.Earlier || len(alarm.Children) == 0 || claim.Key != alarm.ARN {
		return claim, duplicate, err
	}
	by, err := t.coverChildren(ctx, alarm, claim, leaseUntil)
	if err != nil || by.of == "" {
		return claim, nil, errors.Join(err, t.decide(ctx, claim))
	}
	switch err := t.giveWay(ctx, claim, by); {
	case errors.Is(err, errReliedOn):
		return claim, nil, nil
	case err != nil && !errors.Is(err, ErrLost): // lost: its answer was, and the SDK repeated it
		return claim, nil, err
	}
	return nil, &Duplicate{ID: claim.ID, Running: true, CoveredBy: by.of}, nil
}

// ClaimOwn is like [Table.Claim] for an investigation that is finished and was not claimed at its start: it takes over no other
// investigation than id, and it does not give way to that of a triggering alarm. It returns nil if there is nothing to claim.
func (t *Table) ClaimOwn(
	ctx context.Context, alarm *alarmevent.Alarm, owner, id string, leaseUntil time.Time,
) (*Claim, error) {
	claim, _, err := t.claimOne(ctx, alarm, owner, id, leaseUntil, ownInvestigation)
	if claim != nil && claim.Key == alarm.ARN {
		_, err = t.coverChildren(ctx, alarm, claim, leaseUntil)
	}
	return claim, err
}

// What a claim may take over.
const (
	anyInvestigation = false
	ownInvestigation = true // only the one with the id of the claim
)

// claimedAsUpdate returns the investigation of an event that a message reported first, as an update of the alarm,
// or nil. Metric alarms send no events of updates. If the table is unavailable, there is none. Whoever may publish to a topic can
// report an update first, within the limit of unconfirmed events. An event that only CloudWatch can have written is therefore only a
// duplicate of it if a model reached a conclusion. The event that began or took over an unfinished investigation must end that.
func (t *Table) claimedAsUpdate(ctx context.Context, alarm *alarmevent.Alarm, owner, id string) *Duplicate {
	if len(alarm.Metrics) > 0 || KeyOf(alarm) != alarm.ARN || alarm.Time.IsZero() {
		return nil
	}
	i, err := t.read(ctx, updateKey(alarm))
	isRunning := i.text(attrState) == stateRunning && i.time(attrUntil).After(t.now())
	if err != nil || !isRunning && i.text(attrState) != stateDone {
		return nil
	}
	if !alarm.Source.IsForgeable() && (isRunning || !i.isConcluded()) {
		return nil
	}
	own, err := t.read(ctx, alarm.ARN)
	if err != nil || own.mustBeEnded(transitionOf(alarm, owner), owner, id) {
		return nil
	}
	return duplicateOf(values(i))
}

// mustBeEnded reports whether the item has an unfinished investigation of its alarm that the event of the transition, or owner,
// began or took over. An investigation of another alarm that covers this one is ended by its own event.
func (i item) mustBeEnded(transition, owner, id string) bool {
	if i.text(attrState) == stateDone || i.text(attrCoveredBy) != "" {
		return false
	}
	return i.isUnfinished(transition, id) || i.hasOwner(owner)
}

// isConcluded reports whether a model reached a conclusion in the last investigation that ended.
func (i item) isConcluded() bool {
	past := i.past()
	return len(past) > 0 && past[len(past)-1].Outcome != investigation.OutcomeFallback
}

// claimOne claims the alarm without the alarms that triggered it.
func (t *Table) claimOne(
	ctx context.Context, alarm *alarmevent.Alarm, owner, id string, leaseUntil time.Time, onlyOwn bool,
) (*Claim, *Duplicate, error) {
	now := t.now()
	transition := transitionOf(alarm, owner)
	if before, err := t.read(ctx, KeyOf(alarm)); err != nil {
		return nil, nil, err
	} else if duplicate := before.investigated(transition, id); duplicate != nil && !before.isUnfinished(transition, id) {
		duplicate.IsCopy = true
		return nil, duplicate, nil
	} else if before.hasReplaced(owner, id, transition) {
		return nil, &Duplicate{ID: before.text(attrID), ReportURI: before.text(attrReport), IsCopy: true}, nil
	}
	fresh := t.freshStart(KeyOf(alarm), alarm.Name, owner, id, transition, now, leaseUntil, !onlyOwn && mayGiveWay(alarm))
	fresh.ConditionExpression = aws.String("attribute_not_exists(#state) OR " +
		"(#state = :done AND window_until <= :now AND " + isOtherTransition + " AND lease_owner <> :owner)")
	fresh.ExpressionAttributeValues[":done"] = text(stateDone)
	addTransition(fresh.ExpressionAttributeValues, transition)
	out, err := t.db.UpdateItem(ctx, fresh)
	if err == nil && !isAnswered(out) {
		err = errors.New("the answer has no item, so it is not from DynamoDB: check the endpoints and proxies on the way to DynamoDB")
	}
	if err == nil {
		return claimOf(KeyOf(alarm), out.Attributes, false), nil, nil
	}
	old, failed := awsapi.ConditionFailed(err)
	if !failed {
		return nil, nil, fmt.Errorf("claim the alarm in table %s: %w", t.name, err)
	}
	current := item(old)
	if len(current) == 0 {
		if current, err = t.read(ctx, KeyOf(alarm)); err == nil && len(current) == 0 { // a duplicate of nothing would be silent
			err = fmt.Errorf("claim the alarm in table %s: %w", t.name, errNoItem)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	isFree := takeable(current, owner, now)
	if !isFree && !current.time(attrWindow).After(now) && !current.isKnown(transition) {
		if isFree, err = t.isLeft(ctx, current); err != nil {
			return nil, nil, err
		}
	}
	if !isFree || onlyOwn && current.text(attrID) != id {
		err := t.relyOn(ctx, KeyOf(alarm), current, transition)
		switch {
		case errors.Is(err, ErrLost), current.gaveWayAfter(now) && !isSameTransition(current.text(attrTransition), transition):
			return t.claimOne(ctx, alarm, owner, id, leaseUntil, onlyOwn)
		case err != nil:
			return nil, nil, err
		}
		return nil, duplicateOf(current), nil
	}
	return t.takeOver(ctx, alarm, current, owner, id, transition, leaseUntil)
}

// hasReplaced reports whether owner was handed the investigation with this id, and that of a later transition dropped it and has ended.
// Begun again, the old one would begin a window in which the alarm's next transition is a repeat of it.
func (i item) hasReplaced(owner, id, transition string) bool {
	of := i.text(attrTransition)
	return strings.HasPrefix(owner, id+"/") && i.text(attrID) != id && i.text(attrState) == stateDone &&
		isTransitionTime(transition) && isTransitionTime(of) && transition < of
}

// isUnfinished reports whether the item has the alarm's own investigation with this id, or of this transition, and it has not ended.
// It must end even if a copy of its event was counted as a repeat of the investigation before it. An investigation of another alarm
// that covers this one is ended by its own event, and its transition can have almost the time of one that was investigated before.
func (i item) isUnfinished(transition, id string) bool {
	return i.text(attrState) != stateDone && i.text(attrCoveredBy) == "" &&
		(i.text(attrID) == id || isSameTransition(i.text(attrTransition), transition))
}

// investigated returns the finished investigation of the transition, or with this id, if it is one of the alarm's past ones.
// The repeats of the last one belong to it: if their events arrive again after its window, they begin no other window. The same
// applies to the transitions before a composite alarm whose investigation covered the alarm: their events can wait for hours.
func (i item) investigated(transition, id string) *Duplicate {
	if i.wasCovered(transition) {
		return duplicateOf(values(i))
	}
	return i.pastOf(transition, id)
}

// pastOf returns the one of the alarm's past investigations that is of the transition, or has this id, or counted it as a repeat.
func (i item) pastOf(transition, id string) *Duplicate {
	transitions := i.pastTransitions()
	for _, p := range i.past() {
		if p.ID == id || isSameTransition(transitions[p.ID], transition) || i.isRepeat(p.ID, transition) {
			return &Duplicate{ID: p.ID, ReportURI: p.ReportURI}
		}
	}
	return nil
}

// wasCovered reports whether a composite alarm covered the alarm when the composite alarm fired, at the time of the transition or
// after it, and was reported, or whether the transition was counted as a repeat of that. The item of a composite alarm that gave
// way has no report.
func (i item) wasCovered(transition string) bool {
	if i.text(attrState) != stateDone || i.text(attrCoveredBy) == "" || i.text(attrReport) == "" {
		return false
	}
	return i.isKnown(transition)
}

// isRepeat reports whether the transition was counted as a repeat of the investigation with this id.
func (i item) isRepeat(id, transition string) bool {
	return slices.ContainsFunc(i.repeats(func(of string) bool { return of == id }), func(repeat string) bool {
		return isSameTransition(strings.TrimPrefix(repeat, repeatOf(id, "")), transition)
	})
}

// freshStart returns the write that begins a new investigation. isUndecided reports whether it may still give way to another one.
// The caller adds the condition.
func (t *Table) freshStart(
	pk, name, owner, id, transition string, now, leaseUntil time.Time, isUndecided bool,
) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		TableName: &t.name,
		Key:       key(pk),
		UpdateExpression: aws.String("SET #state = :running, alarm_name = :name, lease_owner = :owner, lease_until = :until, " +
			"attempt = :one, investigation_id = :id, started_at = :now, window_until = :window, transition = :transition, " +
			"hand_overs = :zero, expires_at = :expires, owners = :owners, undecided = :undecided " +
			"REMOVE former_owner, parked, report_stored, notification_sent, delivering, report_uri, covered_by, recovery_of, follow_up_owner, recoveries"),
		ExpressionAttributeNames: map[string]string{"#state": attrState},
		ExpressionAttributeValues: values{
			":running": text(stateRunning), ":name": text(name), ":owner": text(owner), ":until": millis(leaseUntil),
			":one": whole(1), ":zero": whole(0), ":id": text(id), ":now": millis(now),
			":window": millis(now.Add(t.window)), ":transition": text(transition), ":expires": t.expiry(now), ":owners": set(owner),
			":undecided": flag(isUndecided),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// takeable reports whether the item's claim was freed, has expired, or belongs to owner. While a hand-over waits for the
// fresh invocation, it also belongs to the invocation that handed over: that one may have been killed before it started the
// fresh one, and then only Lambda's retry of it continues the investigation.
func takeable(i item, owner string, now time.Time) bool {
	switch i.text(attrState) {
	case stateFreed:
		return true
	case stateRunning:
		return i.isOwner(owner) || i.text(attrOwner) == ownerOfEarlier(owner) || !i.time(attrUntil).After(now)
	}
	return false
}

// isLeft reports whether the lease of the item is valid although no invocation works on its investigation: the report was delivered,
// and that could not be recorded. The item of an alarm that a composite alarm covers is settled with that of the composite alarm, so
// it is left if the composite alarm's item does not have the investigation any more.
func (t *Table) isLeft(ctx context.Context, i item) (bool, error) {
	if i.text(attrState) != stateRunning {
		return false, nil
	}
	if parent := i.text(attrCoveredBy); parent != "" {
		of, err := t.read(ctx, parent)
		if err != nil {
			return false, err
		}
		if of.text(attrID) != i.text(attrID) || of.text(attrState) != stateRunning {
			return true, nil
		}
		i = of
	}
	return i.whole(attrDeliverer) == i.whole(attrAttempt) && i.isDeliveryOver(t.now()), nil
}

// isDeliveryOver reports whether a delivery began that must have ended, with success or because its invocation was killed.
func (i item) isDeliveryOver(now time.Time) bool {
	began := i.time(attrDelivering)
	return !began.IsZero() && !began.After(now.Add(-deliveryTakes))
}

// isKnown reports whether the transition is that of the item's investigation, or before it if a composite alarm covers the alarm, or
// was counted as a repeat.
func (i item) isKnown(transition string) bool {
	of := i.text(attrTransition)
	isBefore := i.text(attrCoveredBy) != "" && isTransitionTime(transition) && isTransitionTime(of) && transition < of
	return isBefore || isSameTransition(transition, of) || i.isRepeat(i.text(attrID), transition)
}

// isOwner reports whether owner holds the lease, or handed it over to an invocation that has not begun.
func (i item) isOwner(owner string) bool {
	return owner != "" && (i.text(attrOwner) == owner || i.text(attrFormerOwner) == owner)
}

// hasOwner reports whether owner is, or was, an owner of the investigation, or only ends it.
func (i item) hasOwner(owner string) bool {
	return i.isOwner(owner) || i.text(attrOwner) == ownerOfEarlier(owner) || slices.Contains(i.set(attrOwners), owner)
}

// ownerOfEarlier returns the owner of an earlier transition's investigation that owner only ends. It differs from owner, so
// that owner can then claim its own transition.
func ownerOfEarlier(owner string) string { return owner + earlierSuffix }

const earlierSuffix = " for an earlier transition"

// isEnding reports whether an invocation only ends the item's investigation.
func (i item) isEnding() bool {
	return i.text(attrState) == stateRunning && strings.HasSuffix(i.text(attrOwner), earlierSuffix)
}

// takeOver resumes the investigation in current. If the answer to the write is lost, the SDK sends the write again, which fails
// because the item has changed. takeOver then takes over from its own write. Otherwise, the invocation would be a duplicate of
// itself, and nobody would continue the investigation.
func (t *Table) takeOver(
	ctx context.Context, alarm *alarmevent.Alarm, current item, owner, id, transition string, leaseUntil time.Time,
) (*Claim, *Duplicate, error) {
	for range takeOverAttempts {
		claim, changed, err := t.takeOverOnce(ctx, alarm, current, owner, id, transition, leaseUntil)
		if claim != nil || err != nil {
			return claim, nil, err
		}
		if len(changed) == 0 {
			return nil, nil, fmt.Errorf("take over the alarm in table %s: %w", t.name, errNoItem)
		}
		holder := changed.text(attrOwner)
		if isOwn := holder == owner || holder == ownerOfEarlier(owner); !isOwn || !takeable(changed, owner, t.now()) {
			if err := t.relyOn(ctx, KeyOf(alarm), changed, transition); err != nil {
				return nil, nil, err
			}
			return nil, duplicateOf(values(changed)), nil
		}
		current = changed
	}
	return nil, nil, fmt.Errorf("take over the alarm in table %s: other attempts of the same event change it at the same time", t.name)
}

// takeOverOnce resumes the investigation in current. It begins a new one if that investigation belongs to another alarm. If it
// belongs to another transition whose window is over, the claim is only good for ending it; see [Claim.Earlier]. If the item is
// no longer current, takeOverOnce returns the changed one.
func (t *Table) takeOverOnce(
	ctx context.Context, alarm *alarmevent.Alarm, current item, owner, id, transition string, leaseUntil time.Time,
) (claim *Claim, changed item, err error) {
	now := t.now()
	resume := current.text(attrCoveredBy) == ""
	isOther := resume && !isSameTransition(current.text(attrTransition), transition) &&
		(isTransitionTime(transition) || !current.isOwner(owner)) // without a time, a hand-over reports the transition with another owner
	earlier := isOther && !current.isOwner(owner) && !now.Before(current.time(attrWindow)) && !current.mustGoOn(transition)
	var in *dynamodb.UpdateItemInput
	if resume {
		holder := owner
		if earlier {
			holder = ownerOfEarlier(owner)
		}
		in = &dynamodb.UpdateItemInput{
			TableName: &t.name,
			Key:       key(KeyOf(alarm)),
			UpdateExpression: aws.String("SET #state = :running, lease_owner = :owner, lease_until = :until, expires_at = :expires " +
				"REMOVE former_owner, undecided ADD attempt :one"),
			ExpressionAttributeNames: map[string]string{"#state": attrState},
			ExpressionAttributeValues: values{
				":running": text(stateRunning), ":owner": text(holder), ":until": millis(leaseUntil),
				":one": whole(1), ":expires": t.expiry(now),
			},
			ReturnValues: types.ReturnValueAllNew,
		}
		if !earlier && len(current.set(attrOwners)) < maxOwners {
			*in.UpdateExpression += ", owners :owners" // to ADD
			in.ExpressionAttributeValues[":owners"] = set(owner)
		}
		if isOther && !earlier && len(current.set(attrRepeats)) < maxRepeats {
			*in.UpdateExpression += ", repeat_times :repeat" // to ADD, likewise
			in.ExpressionAttributeValues[":repeat"] = set(repeatOf(current.text(attrID), transition))
		}
	} else {
		in = t.freshStart(KeyOf(alarm), alarm.Name, owner, id, transition, now, leaseUntil, mayGiveWay(alarm))
	}
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	in.ConditionExpression = aws.String("investigation_id = :oldID AND attempt = :oldAttempt AND " +
		"#state = :oldState AND lease_owner = :oldOwner")
	in.ExpressionAttributeValues[":oldID"] = text(current.text(attrID))
	in.ExpressionAttributeValues[":oldAttempt"] = whole(current.whole(attrAttempt))
	in.ExpressionAttributeValues[":oldState"] = text(current.text(attrState))
	in.ExpressionAttributeValues[":oldOwner"] = text(current.text(attrOwner))
	out, err := t.db.UpdateItem(ctx, in)
	if err == nil && isAnswered(out) {
		claim := claimOf(KeyOf(alarm), out.Attributes, resume)
		claim.Earlier, claim.IsRepeat = earlier, isOther && !earlier
		return claim, nil, nil
	}
	if err == nil {
		changed, err = t.read(ctx, KeyOf(alarm))
		return nil, changed, err
	}
	if old, failed := awsapi.ConditionFailed(err); failed {
		if changed = item(old); len(changed) == 0 {
			changed, err = t.read(ctx, KeyOf(alarm))
			return nil, changed, err
		}
		return nil, changed, nil
	}
	return nil, nil, fmt.Errorf("take over the alarm in table %s: %w", t.name, err)
}

// mustGoOn reports whether the item has an unfinished investigation of a later transition. The event of the given one waited for
// longer than the window, so it continues that investigation instead of dropping it.
func (i item) mustGoOn(transition string) bool {
	of := i.text(attrTransition)
	return len(i.bytes(attrParked)) == 0 && isTransitionTime(transition) && isTransitionTime(of) && transition < of
}

// transitionOf returns an identifier of the state change that is the same for every path of delivery.
func transitionOf(alarm *alarmevent.Alarm, owner string) string {
	if alarm.Time.IsZero() {
		return "unknown, delivered to " + owner
	}
	return alarm.Time.UTC().Format(transitionFormat)
}

// transitionFormat is the format of a transition's identifier, whose order is that of the times.
const transitionFormat = "2006-01-02T15:04:05.000Z"

// isOtherTransition is the condition that an item has another transition; see [addTransition].
const isOtherTransition = "(transition < :earliest OR transition > :latest)"

// addTransition adds the values of [isOtherTransition]. The events of one transition may have slightly different times.
func addTransition(v values, transition string) {
	earliest, latest := transition, transition
	if at, err := time.Parse(transitionFormat, transition); err == nil {
		earliest, latest = at.Add(-SameTransition).Format(transitionFormat), at.Add(SameTransition).Format(transitionFormat)
	}
	v[":earliest"], v[":latest"] = text(earliest), text(latest)
}

// isSameTransition reports whether two identifiers are those of the same transition.
func isSameTransition(a, b string) bool {
	if a == b {
		return true
	}
	atA, errA := time.Parse(transitionFormat, a)
	atB, errB := time.Parse(transitionFormat, b)
	return errA == nil && errB == nil && atA.Sub(atB).Abs() <= SameTransition
}

// isAnswered reports whether the answer to a write has the item. With one of a proxy that does not, the claim would seem to be that of
// another invocation, and nobody would report the alarm.
func isAnswered(out *dynamodb.UpdateItemOutput) bool { return item(out.Attributes).text(attrID) != "" }

func claimOf(pk string, attributes values, resumed bool) *Claim {
	i := item(attributes)
	past, repeats := i.past(), i.repeats(func(id string) bool { return id != i.text(attrID) })
	if last := len(past) - 1; last >= 0 {
		past[last].Repeats += len(repeats)
	}
	return &Claim{
		Key: pk, ID: i.text(attrID), Owner: i.text(attrOwner), Attempt: i.whole(attrAttempt), StartedAt: i.time(attrStarted),
		Resumed: resumed, HandOvers: int(i.whole(attrHandOvers)), Past: past, stale: i.staleFeedback(past), repeats: repeats,
		Parked: i.bytes(attrParked), Stored: i.flag(attrStored), Notified: i.flag(attrNotified),
		MaybeSent: !i.time(attrDelivering).IsZero() && !i.flag(attrNotified), transition: i.text(attrTransition), transitions: i.pastTransitions(),
		gaveWay: i.text(attrGaveWay),
	}
}

func duplicateOf(attributes values) *Duplicate {
	i := item(attributes)
	return &Duplicate{
		ID: i.text(attrID), Running: i.text(attrState) == stateRunning,
		CoveredBy: i.text(attrCoveredBy), ReportURI: i.text(attrReport), IsEnding: i.isEnding(),
	}
}

func (t *Table) expiry(now time.Time) types.AttributeValue {
	return whole(now.Add(t.window + keepFor).Unix())
}

func (t *Table) read(ctx context.Context, pk string) (item, error) {
	out, err := t.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key(pk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", t.name, err)
	}
	return item(out.Item), nil
}

// change writes to an item on condition that c still holds its claim. It returns [ErrLost] if another invocation does, and
// errNoItem if there is no item: somebody deleted it, or replaced the table.
func (t *Table) change(ctx context.Context, pk string, c *Claim, what, expression string, v values) error {
	_, err := t.changeIf(ctx, pk, c, what, expression, "", nil, v)
	return err
}

// changeIf is like change with one more condition, if it is not empty. If only that one is false, it returns [ErrLost], too. names are
// those of attributes in the expression. current is the item that was not changed.
func (t *Table) changeIf(
	ctx context.Context, pk string, c *Claim, what, expression, extra string, names map[string]string, v values,
) (current item, err error) {
	condition := "investigation_id = :id AND attempt = :attempt AND #state = :wasRunning"
	if extra != "" {
		condition += " AND " + extra
	}
	v[":id"], v[":attempt"], v[":wasRunning"] = text(c.ID), whole(c.Attempt), text(stateRunning)
	allNames := map[string]string{"#state": attrState}
	maps.Copy(allNames, names)
	_, err = t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &t.name,
		Key:                       key(pk),
		UpdateExpression:          &expression,
		ConditionExpression:       &condition,
		ExpressionAttributeNames:  allNames,
		ExpressionAttributeValues: v,

		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	old, failed := awsapi.ConditionFailed(err)
	switch {
	case err == nil:
		return nil, nil
	case !failed:
		return nil, fmt.Errorf("%s in table %s: %w", what, t.name, err)
	}
	if current = item(old); len(current) == 0 {
		if current, err = t.read(ctx, pk); err == nil && len(current) == 0 {
			return nil, fmt.Errorf("%s in table %s: %w", what, t.name, errNoItem)
		}
	}
	return current, fmt.Errorf("%s: %w", what, ErrLost)
}

// isHeldBy reports whether c holds the claim of the item.
func (i item) isHeldBy(c *Claim) bool {
	return i.text(attrID) == c.ID && i.whole(attrAttempt) == c.Attempt && i.text(attrState) == stateRunning
}

// Confirm returns [ErrLost] if c no longer holds the claim. It is called right before a delivery, which it records: from then
// on, a composite alarm does not take the lease. A finished investigation is therefore confirmed before its checkpoint is saved.
func (t *Table) Confirm(ctx context.Context, c *Claim) error {
	if err := t.checkOvertaken(ctx, c); errors.Is(err, ErrLost) {
		return err
	}
	return t.change(ctx, c.Key, c, "confirm the claim", "SET delivering = :now, delivering_attempt = :attempt", values{":now": millis(t.now())})
}

// Holds returns [ErrLost] if c no longer holds the claim. Unlike [Table.Confirm], it changes nothing.
func (t *Table) Holds(ctx context.Context, c *Claim) error {
	i, err := t.read(ctx, c.Key)
	if err != nil {
		return err
	}
	if len(i) > 0 && !i.isHeldBy(c) {
		return fmt.Errorf("check the claim: %w", ErrLost)
	}
	return t.checkOvertaken(ctx, c)
}

// Settle finishes the claim: it marks the investigation as done and adds it to the alarm's past. The feedback about an investigation
// that is no longer in the past is removed.
func (t *Table) Settle(ctx context.Context, c *Claim, done investigation.Past) error {
	done.Cause = truncate.Runes(done.Cause, maxCause)
	past := append(append([]investigation.Past{}, c.Past...), done)
	past = past[max(0, len(past)-maxPast):]
	stale := slices.Clone(c.stale)
	for _, forgotten := range c.Past[:max(0, len(c.Past)+1-maxPast)] {
		if attribute := attrFeedback + forgotten.ID; !slices.Contains(stale, attribute) { // DynamoDB rejects a second removal
			stale = append(stale, attribute)
		}
	}
	names := map[string]string{}
	expression, rest := "SET #state = :done, past = :past, report_uri = :report, expires_at = :expires",
		" REMOVE parked, report_stored, notification_sent, delivering"+placeholders(stale, names)
	transitions := maps.Clone(c.transitions)
	transitions[done.ID] = c.transition
	v := values{
		":done": text(stateDone), ":past": pastValue(past, transitions), ":report": text(done.ReportURI), ":expires": t.expiry(t.now()),
	}
	latest := ""
	for _, repeat := range c.repeats { // past counts them from now on
		latest = max(latest, transitionOfRepeat(repeat))
	}
	if len(c.repeats) > 0 {
		rest += " DELETE repeat_times :counted"
		v[":counted"] = set(c.repeats...)
	}
	isRecorded := latest == ""
	var err error
	if !isRecorded {
		v[":latest"] = text(latest)
		var current item
		current, err = t.changeIf(ctx, c.Key, c, "settle the claim", expression+", gave_way = :latest"+rest,
			"(attribute_not_exists(gave_way) OR gave_way < :latest)", names, v)
		isRecorded = errors.Is(err, ErrLost) && current.isHeldBy(c) // that one, or a later one
		delete(v, ":latest")
	}
	if isRecorded {
		_, err = t.changeIf(ctx, c.Key, c, "settle the claim", expression+rest, "", names, v)
	}
	return errors.Join(err, t.settleChildren(ctx, c, done.ReportURI))
}

// Abandon drops an unfinished investigation of an earlier transition, so that another one can begin.
func (t *Table) Abandon(ctx context.Context, c *Claim) error {
	return t.change(ctx, c.Key, c, "drop the earlier investigation", "SET #state = :done", values{":done": text(stateDone)})
}

// Free gives up the claim. A retry or the next event can then resume the investigation immediately. What of its report was
// delivered stays recorded.
func (t *Table) Free(ctx context.Context, c *Claim, stored, notified bool) error {
	err := t.change(ctx, c.Key, c, "free the claim", "SET #state = :freed, report_stored = :stored, notification_sent = :notified",
		values{":freed": text(stateFreed), ":stored": flag(stored), ":notified": flag(notified)})
	return errors.Join(err, t.freeChildren(ctx, c))
}

// Park gives up the claim and keeps the finished record whose delivery failed. The retry then delivers the
// record without another investigation. record must not be longer than [MaxParked]. If an attempt before that of c may have sent the
// notification, that stays recorded.
func (t *Table) Park(ctx context.Context, c *Claim, record []byte, stored, notified bool) error {
	expression := "SET #state = :freed, report_stored = :stored, notification_sent = :notified, parked = :parked"
	if !c.MaybeSent {
		expression += " REMOVE delivering"
	}
	v := values{":freed": text(stateFreed), ":stored": flag(stored), ":notified": flag(notified),
		":parked": &types.AttributeValueMemberB{Value: record}}
	return errors.Join(t.change(ctx, c.Key, c, "park the report", expression, v), t.freeChildren(ctx, c))
}

// HandOver passes the lease to owner, a fresh invocation, and counts the hand-over. Until that invocation begins, the owner
// of c may resume its claim: it may be killed before it starts the fresh invocation.
func (t *Table) HandOver(ctx context.Context, c *Claim, owner string, leaseUntil time.Time) error {
	return t.change(ctx, c.Key, c, "hand over the claim",
		"SET lease_owner = :owner, lease_until = :until, former_owner = :former ADD hand_overs :one, owners :owners",
		values{":owner": text(owner), ":former": text(c.Owner), ":until": millis(leaseUntil), ":one": whole(1), ":owners": set(owner)})
}

// TakeBack reverts a hand-over whose fresh invocation was not started. The hand-over stays counted, so that the next one has
// another owner: Lambda may have accepted the invocation whose answer was lost. If the fresh invocation has begun, TakeBack
// returns [ErrLost].
func (t *Table) TakeBack(ctx context.Context, c *Claim, leaseUntil time.Time) error {
	return t.change(ctx, c.Key, c, "take back the claim", "SET lease_owner = :owner, lease_until = :until REMOVE former_owner",
		values{":owner": text(c.Owner), ":until": millis(leaseUntil)})
}

// CountRepeat records another event of an alarm whose investigation has this id. Each transition is counted once, except
// the one that is investigated, which is not counted. If a composite alarm covers the alarm, that is the last transition before
// the one of the composite alarm.
func (t *Table) CountRepeat(ctx context.Context, alarm *alarmevent.Alarm, id, owner string) error {
	transition := transitionOf(alarm, owner)
	v := values{":set": set(repeatOf(id, transition)), ":max": whole(maxRepeats)}
	addTransition(v, transition)
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:        &t.name,
		Key:              key(KeyOf(alarm)),
		UpdateExpression: aws.String("ADD repeat_times :set"),
		ConditionExpression: aws.String(isOtherTransition + " AND (attribute_not_exists(covered_by) OR transition < :earliest) AND " +
			"(attribute_not_exists(repeat_times) OR size(repeat_times) < :max)"),
		ExpressionAttributeValues: v,
	})
	if _, failed := awsapi.ConditionFailed(err); failed || err == nil {
		return nil
	}
	return fmt.Errorf("count the repeated event in table %s: %w", t.name, err)
}

// RecordFired records the transition of an event that is a duplicate of an investigation which is only ended: a recovery before it,
// whose event arrives later, is not the last word. Unlike [Table.CountRepeat], it makes no other event of the transition a duplicate.
func (t *Table) RecordFired(ctx context.Context, alarm *alarmevent.Alarm) error {
	if alarm.Time.IsZero() {
		return nil
	}
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: key(KeyOf(alarm)), UpdateExpression: aws.String("SET gave_way = :transition"),
		ConditionExpression:       aws.String("attribute_exists(investigation_id) AND (attribute_not_exists(gave_way) OR gave_way < :transition)"),
		ExpressionAttributeValues: values{":transition": text(transitionOf(alarm, ""))},
	})
	if _, failed := awsapi.ConditionFailed(err); failed || err == nil {
		return nil
	}
	return fmt.Errorf("record that the alarm fired in table %s: %w", t.name, err)
}

// repeatOf returns the element of [attrRepeats] for a transition during the window of an investigation.
func repeatOf(id, transition string) string { return id + " " + transition }

// transitionOfRepeat returns the transition of an element of [attrRepeats], or "" if it has no time.
func transitionOfRepeat(repeat string) string {
	if _, transition, _ := strings.Cut(repeat, " "); isTransitionTime(transition) {
		return transition
	}
	return ""
}

// Repeats returns how many other transitions of the alarm were recorded since its claim.
func (t *Table) Repeats(ctx context.Context, alarm *alarmevent.Alarm) (int, error) {
	i, err := t.read(ctx, KeyOf(alarm))
	if err != nil {
		return 0, err
	}
	return len(i.repeats(func(id string) bool { return id == i.text(attrID) })), nil
}
