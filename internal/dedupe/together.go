package dedupe

import (
	"context"
	"errors"
	"fmt"
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
	// slot is the length of a time slot. Alarms that fire in the same slot share an item.
	slot = 5 * time.Minute

	// keepSlot is how long the item of a slot is kept.
	keepSlot = 24 * time.Hour

	// maxTogether is how many alarms a slot names. It bounds the size of the item, and with it the cost of
	// each write.
	maxTogether = 100
)

// slotKey returns the key of the item with the alarms that fired in the slot of t.
func slotKey(t time.Time) string {
	return "fired#" + t.UTC().Truncate(slot).Format("2006-01-02T15:04Z")
}

// Fired records that the alarm fired. Investigations of alarms that fire at about the same time read it. An
// unconfirmed event is not recorded: forged events could otherwise fill the slot.
func (t *Table) Fired(ctx context.Context, alarm *alarmevent.Alarm) error {
	if alarm.Unconfirmed != "" {
		return nil
	}
	now := t.now()
	at := alarm.Time
	if at.IsZero() {
		at = now
	}
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key(slotKey(now)),
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

// Together returns the other alarms that fired in this slot or the previous one: each once, latest first.
func (t *Table) Together(ctx context.Context, arn string) ([]investigation.Related, error) {
	now := t.now()
	var this, before item
	var errThis, errBefore error
	var reads sync.WaitGroup
	reads.Go(func() { this, errThis = t.read(ctx, slotKey(now)) })
	reads.Go(func() { before, errBefore = t.read(ctx, slotKey(now.Add(-slot))) })
	reads.Wait()
	latest := map[string]time.Time{}
	for _, entry := range append(this.set(attrSlotEntries), before.set(attrSlotEntries)...) {
		stamp, other, ok := strings.Cut(entry, " ")
		ms, err := strconv.ParseInt(stamp, 10, 64)
		if !ok || err != nil || other == arn {
			continue
		}
		if at := time.UnixMilli(ms).UTC(); at.After(latest[other]) {
			latest[other] = at
		}
	}
	related := make([]investigation.Related, 0, len(latest))
	for other, at := range latest {
		related = append(related, investigation.Related{Name: alarmevent.NameInARN(other), ARN: other, State: string(alarmevent.StateAlarm), Since: at})
	}
	sort.Slice(related, func(i, j int) bool {
		if !related[i].Since.Equal(related[j].Since) {
			return related[i].Since.After(related[j].Since)
		}
		return related[i].ARN < related[j].ARN
	})
	return related, errors.Join(errThis, errBefore)
}
