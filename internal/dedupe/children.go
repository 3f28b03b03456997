package dedupe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

const (
	// MaxChildren is how many triggering alarms of a composite alarm are covered.
	MaxChildren = 50

	// parallelChildren is how many of their items are written at the same time.
	parallelChildren = 8

	// togetherFor is how old the investigation of a child may be to cover its parent too. An older one does
	// not explain why the composite alarm fires now.
	togetherFor = 15 * time.Minute

	// deliveryTakes is how long a delivery takes at most, with a reserve. One that began earlier was killed.
	deliveryTakes = 2 * time.Minute
)

// elsewhere describes the investigations that explain a composite alarm: those of all its triggering alarms.
type elsewhere struct {
	of    string    // ARN of one of these alarms; empty: the composite alarm has its own investigation
	began time.Time // when the earliest of the investigations began
}

// coverChildren takes the leases of the alarms that triggered a composite alarm, which makes their next
// events duplicates of this investigation. If all of them are already being investigated, it returns these
// investigations, since the composite alarm adds nothing new. An alarm that is not in the list, or beyond
// MaxChildren, may be the news.
func (t *Table) coverChildren(
	ctx context.Context, parent *alarmevent.Alarm, c *Claim, leaseUntil time.Time,
) (by elsewhere, err error) {
	children := parent.Children[:min(len(parent.Children), MaxChildren)]
	covered := make([]bool, len(children))
	began := make([]time.Time, len(children))
	var group errgroup.Group
	group.SetLimit(parallelChildren)
	for i, child := range children {
		group.Go(func() error {
			var err error
			covered[i], began[i], err = t.cover(ctx, child, parent, c, leaseUntil)
			covered[i] = covered[i] || err != nil // the write may have succeeded without an answer
			return err
		})
	}
	err = group.Wait()
	all := len(parent.Children) <= MaxChildren && parent.MoreChildren == 0
	for i, child := range children {
		if covered[i] {
			c.Covers = append(c.Covers, child)
		}
		if !began[i].IsZero() && (by.of == "" || began[i].Before(by.began)) {
			by = elsewhere{of: child, began: began[i]}
		}
		all = all && !began[i].IsZero()
	}
	if err != nil { // those that are covered are settled or freed with the claim all the same
		return elsewhere{}, fmt.Errorf("cover the triggering alarms: %w", err)
	}
	if !all || len(c.Covers) > 0 || c.Resumed {
		return elsewhere{}, nil
	}
	return by, nil
}

// cover tries to take the lease of one child. covered reports whether it did. began is when another investigation began, if it
// holds the lease, or began less than togetherFor ago and was reported; otherwise it is zero. The investigation of a child
// whose report is finished and not delivered, because that failed or the invocation was killed, does not count: the child's retry
// delivers the report, and if there is none, perhaps nobody will ever read it. One that may still give way itself does not count either:
// the rules of composite alarms can contain each other, and each of two could give way to the other. One that nobody works on is only taken over when its
// window is over: a hand-over or a retry of it may wait, and it can be about another transition than the one that triggered the parent.
func (t *Table) cover(
	ctx context.Context, child string, parent *alarmevent.Alarm, c *Claim, leaseUntil time.Time,
) (covered bool, began time.Time, err error) {
	now := t.now()
	in := t.freshStart(child, alarmevent.NameInARN(child), c.Owner, c.ID, transitionOf(parent, c.Owner), now, leaseUntil, false)
	in.UpdateExpression = aws.String("SET #state = :running, alarm_name = :name, lease_owner = :owner, lease_until = :until, " +
		"attempt = :one, investigation_id = :id, started_at = :started, window_until = :window, transition = :transition, " +
		"hand_overs = :zero, expires_at = :expires, owners = :owners, undecided = :undecided, covered_by = :parent " +
		"REMOVE former_owner, report_uri, recovery_of, follow_up_owner, recoveries, parked, report_stored, notification_sent, delivering")
	in.ConditionExpression = aws.String("attribute_not_exists(#state) OR " +
		"(#state = :done AND window_until <= :now AND (attribute_not_exists(covered_by) OR started_at <= :recently)) OR " +
		"(attribute_not_exists(parked) AND attribute_not_exists(delivering) AND " +
		"((#state = :running AND (lease_owner = :owner OR covered_by = :parent)) OR " +
		"((#state = :freed OR (#state = :running AND lease_until <= :now)) AND (attribute_exists(covered_by) OR window_until <= :now))))")
	v := in.ExpressionAttributeValues
	v[":one"], v[":parent"] = whole(c.Attempt), text(parent.ARN)
	v[":started"], v[":window"] = millis(c.StartedAt), millis(c.StartedAt.Add(t.window)) // a retry or a hand-over begins no other window
	v[":done"], v[":freed"], v[":recently"] = text(stateDone), text(stateFreed), millis(now.Add(-togetherFor))
	_, err = t.db.UpdateItem(ctx, in)
	if err == nil {
		return true, time.Time{}, nil
	}
	old, failed := awsapi.ConditionFailed(err)
	if !failed {
		return false, time.Time{}, err
	}
	i := item(old)
	if len(i) == 0 {
		if i, err = t.read(ctx, child); err != nil {
			return false, time.Time{}, err
		}
	}
	isParked := len(i.bytes(attrParked)) > 0
	isRunning := i.text(attrState) == stateRunning && !isParked && !i.isDeliveryOver(now) && !i.flag(attrUndecided) && i.time(attrUntil).After(now)
	if isRunning {
		isLeft, err := t.isLeft(ctx, i)
		if err != nil {
			return false, time.Time{}, err
		}
		isRunning = !isLeft
	}
	isReported := i.text(attrState) == stateDone && i.time(attrStarted).After(now.Add(-togetherFor))
	if isRunning || isReported {
		return false, i.time(attrStarted), nil
	}
	return false, time.Time{}, nil
}

// mayGiveWay reports whether the claim of the alarm can be settled with [Table.giveWay].
func mayGiveWay(alarm *alarmevent.Alarm) bool {
	return len(alarm.Children) > 0 && KeyOf(alarm) == alarm.ARN
}

// decide records that the claim of a composite alarm does not give way. From then on, those of other composite alarms may give way to it.
func (t *Table) decide(ctx context.Context, c *Claim) error {
	if c.Resumed { // a resumed claim never gives way
		return nil
	}
	return t.change(ctx, c.Key, c, "keep the claim of the composite alarm", "REMOVE undecided", values{})
}

// errReliedOn reports that the claim of a composite alarm may no longer give way.
var errReliedOn = errors.New("another transition of the composite alarm relies on its claim")

// giveWay settles the claim of a composite alarm as covered by the investigation of one of its children. That only
// applies to this transition: its next one may have another cause, so the claim has no window. If the event of another transition
// arrived in the meantime, giveWay returns errReliedOn. The latest of these transitions stays recorded: the event of an earlier one,
// or of the alarm's return to OK before it, may arrive later. Another composite alarm that this one triggers can give way, too, so the
// item has the time at which the investigation of the child began.
func (t *Table) giveWay(ctx context.Context, c *Claim, by elsewhere) error {
	current, err := t.changeIf(ctx, c.Key, c, "settle the composite alarm as covered by a triggering alarm",
		"SET #state = :done, covered_by = :elsewhere, started_at = :began, window_until = :now, gave_way = :transition", "undecided = :true", nil, values{
			":done": text(stateDone), ":elsewhere": text(by.of), ":began": millis(by.began), ":now": millis(t.now()),
			":transition": text(c.latestGivenWay()), ":true": flag(true),
		})
	if errors.Is(err, ErrLost) && current.isHeldBy(c) {
		return errReliedOn
	}
	return err
}

// relyOn prevents that the claim in current gives way, if it is that of another transition and still may: the event of this transition
// becomes a duplicate of it. If the claim was decided in the meantime, relyOn returns [ErrLost]. If that could not be recorded, a claim
// that has ended still has attrUndecided.
func (t *Table) relyOn(ctx context.Context, pk string, current item, transition string) error {
	isUndecided := current.flag(attrUndecided) && current.text(attrState) == stateRunning
	if !isUndecided || isSameTransition(current.text(attrTransition), transition) {
		return nil
	}
	c := &Claim{ID: current.text(attrID), Attempt: current.whole(attrAttempt)}
	_, err := t.changeIf(ctx, pk, c, "rely on the claim of the composite alarm", "REMOVE undecided", "undecided = :true", nil, values{":true": flag(true)})
	return err
}

// gaveWayAfter reports whether the claim of a composite alarm gave way after the time, so that a claim at that time failed.
func (i item) gaveWayAfter(at time.Time) bool {
	return i.text(attrState) == stateDone && i.flag(attrUndecided) && i.text(attrCoveredBy) != "" && i.time(attrWindow).After(at)
}

// latestGivenWay returns the latest transition of the alarm that gave way, if that of c does, too.
func (c *Claim) latestGivenWay() string {
	if !isTransitionTime(c.transition) {
		return c.gaveWay
	}
	return max(c.gaveWay, c.transition)
}

// settleChildren marks the covered alarms as done.
func (t *Table) settleChildren(ctx context.Context, c *Claim, report string) error {
	return t.changeChildren(ctx, c, "SET #state = :done, report_uri = :report",
		func() values { return values{":done": text(stateDone), ":report": text(report)} })
}

// freeChildren gives up the leases of the covered alarms.
func (t *Table) freeChildren(ctx context.Context, c *Claim) error {
	return t.changeChildren(ctx, c, "SET #state = :freed", func() values { return values{":freed": text(stateFreed)} })
}

// changeChildren writes to the items of all covered alarms. v returns new values for each write, because
// [Table.change] adds its own values.
func (t *Table) changeChildren(ctx context.Context, c *Claim, expression string, v func() values) error {
	var group errgroup.Group
	group.SetLimit(parallelChildren)
	for _, child := range c.Covers {
		group.Go(func() error {
			err := t.change(ctx, child, c, "settle a triggering alarm", expression, v())
			if errors.Is(err, ErrLost) || errors.Is(err, errNoItem) {
				return nil // an event of the child began another investigation, or can begin one
			}
			return err
		})
	}
	return group.Wait()
}
