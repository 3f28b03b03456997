package dedupe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const (
	// slot is the length of a time slot. Alarms that fire in the same slot share an item. It is also how far from each other
	// alarms fire together.
	slot = 5 * time.Minute

	// keepSlot is how long the item of a slot is kept after the last alarm was added.
	keepSlot = 24 * time.Hour

	// maxTogether is how many alarms a slot names, and how many a report lists. It bounds the size of the item, with it the cost of
	// each write, and what the model reads.
	maxTogether = 100
)

// slotKey returns the key of the item with the alarms that fired in the slot of t.
func slotKey(t time.Time) string {
	return "fired#" + t.UTC().Truncate(slot).Format("2006-01-02T15:04Z")
}

// Fired records that the alarm fired. Investigations of alarms that fire at about the same time read it. An
// unconfirmed event is not recorded: forged events could otherwise fill the slot. Nor is an update: the alarm fired earlier.
func (t *Table) Fired(ctx context.Context, alarm *alarmevent.Alarm) error {
	if alarm.Confirmation() != alarmevent.Confirmed {
		return nil
	}
	now, at := t.now(), t.firedAt(alarm)
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key(slotKey(at)),
		UpdateExpression:         aws.String("ADD #alarms :entry SET #expires = :expires"),
		ConditionExpression:      aws.String("attribute_not_exists(#alarms) OR size(#alarms) < :max"),
		ExpressionAttributeNames: map[string]string{"#alarms": attrSlotEntries, "#expires": config.TableTTL},
		ExpressionAttributeValues: values{
			":entry":   set(strconv.FormatInt(at.UnixMilli(), 10) + " " + alarm.ARN),
			":expires": whole(now.Add(keepSlot).Unix()),
			":max":     whole(maxTogether),
		},
	})
	if _, full := awsapi.ConditionFailed(err); full || err == nil {
		return nil
	}
	return fmt.Errorf("record that the alarm fired in table %s: %w", t.name, err)
}

// firedAt returns when the alarm fired: the time of its event, which may have waited for hours. The time of an unconfirmed event
// may be forged.
func (t *Table) firedAt(alarm *alarmevent.Alarm) time.Time {
	if alarm.Unconfirmed != "" || alarm.Time.IsZero() {
		return t.now()
	}
	return alarm.Time
}

// Together returns the other alarms that fired within [slot] of the alarm, at most [maxTogether], the nearest: each once, latest
// first. Alarms whose events still wait in Lambda's queue are not known.
func (t *Table) Together(ctx context.Context, alarm *alarmevent.Alarm) ([]investigation.Related, error) {
	fired := t.firedAt(alarm)
	var slots [3]item // the one before, that of the alarm, and the one after
	var problems [3]error
	var reads sync.WaitGroup
	for i := range slots {
		reads.Go(func() { slots[i], problems[i] = t.read(ctx, slotKey(fired.Add(time.Duration(i-1)*slot))) })
	}
	reads.Wait()
	latest := map[string]time.Time{}
	for _, in := range slots {
		for _, entry := range in.set(attrSlotEntries) {
			stamp, other, ok := strings.Cut(entry, " ")
			ms, err := strconv.ParseInt(stamp, 10, 64)
			if !ok || err != nil || other == alarm.ARN {
				continue
			}
			if at := time.UnixMilli(ms).UTC(); at.Sub(fired).Abs() <= slot && at.After(latest[other]) {
				latest[other] = at
			}
		}
	}
	related := make([]investigation.Related, 0, len(latest))
	for other, at := range latest {
		related = append(related, investigation.Related{Name: alarmevent.NameInARN(other), ARN: other, State: string(alarmevent.StateAlarm), Since: at})
	}
	slices.SortFunc(related, func(a, b investigation.Related) int {
		return cmp.Or(cmp.Compare(a.Since.Sub(fired).Abs(), b.Since.Sub(fired).Abs()), cmp.Compare(a.ARN, b.ARN))
	})
	related = related[:min(len(related), maxTogether)]
	sort.Slice(related, func(i, j int) bool {
		if !related[i].Since.Equal(related[j].Since) {
			return related[i].Since.After(related[j].Since)
		}
		return related[i].ARN < related[j].ARN
	})
	return related, errors.Join(problems[:]...)
}
