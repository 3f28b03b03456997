package dedupe

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// keepDay is how long the item of a day is kept: longer than any investigation that began on that day.
const keepDay = 3 * 24 * time.Hour

// ReservedUSD is what an investigation counts until its cost is known, in US dollars. It is also the cost of one whose
// model has no known price, or that never ends.
const ReservedUSD = 0.25

// Limit is a limit of the investigations of one UTC day.
type Limit string

// The limits of a day.
const (
	LimitNone           Limit = ""
	LimitInvestigations Limit = "investigations" // how many began
	LimitCost           Limit = "cost"           // what they cost
	LimitConcurrency    Limit = "concurrency"    // how many ran at the same time; others waited
	LimitUnconfirmed    Limit = "unconfirmed"    // how many were about events that CloudWatch did not confirm
)

// Day holds the limits of one UTC day. Zero: no limit.
type Day struct {
	Investigations int
	CostUSD        float64
}

// dayKey returns the key of the item with the investigations that began on the UTC day of t.
func dayKey(t time.Time) string { return "day#" + t.UTC().Format(time.DateOnly) }

// CountInvestigation adds an investigation to those that began on the UTC day of started, unless a limit of that day is
// reached, which it returns. An investigation counts once, no matter how often it is retried or continued. Its cost counts as
// [ReservedUSD] until [Table.CountCost]. The item holds the ids and not only their number, so that one atomic update
// decides. For one that an earlier attempt counted, the limit of the cost is reached if the others used it up in the meantime: its
// retry may have waited behind them.
func (t *Table) CountInvestigation(ctx context.Context, id string, started time.Time, day Day) (reached Limit, err error) {
	conditions := []string{"(attribute_not_exists(#ids) OR NOT contains(#ids, :id))"}
	in := &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key(dayKey(started)),
		UpdateExpression:         aws.String("ADD #ids :entry, #spent :reserved SET #expires = :expires"),
		ExpressionAttributeNames: map[string]string{"#ids": attrDayEntries, "#spent": attrDaySpent, "#expires": config.TableTTL},
		ExpressionAttributeValues: values{
			":entry": set(id), ":id": text(id), ":reserved": whole(micros(ReservedUSD)), ":expires": whole(started.Add(keepDay).Unix()),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if day.Investigations > 0 {
		conditions = append(conditions, "(attribute_not_exists(#ids) OR size(#ids) < :most)")
		in.ExpressionAttributeValues[":most"] = whole(int64(day.Investigations))
	}
	if day.CostUSD > 0 {
		conditions = append(conditions, "(attribute_not_exists(#spent) OR #spent < :limit)")
		in.ExpressionAttributeValues[":limit"] = whole(micros(day.CostUSD))
	}
	in.ConditionExpression = aws.String(strings.Join(conditions, " AND "))
	_, err = t.db.UpdateItem(ctx, in)
	old, failed := awsapi.ConditionFailed(err)
	switch {
	case err == nil:
		return LimitNone, nil
	case !failed:
		return LimitNone, fmt.Errorf("count the investigation in table %s: %w", t.name, err)
	}
	ids := item(old).set(attrDayEntries)
	switch {
	case slices.Contains(ids, id): // an earlier attempt counted it
		if day.CostUSD > 0 && item(old).spentByOthers(id) >= micros(day.CostUSD) {
			return LimitCost, nil
		}
		return LimitNone, nil
	case day.Investigations > 0 && len(ids) >= day.Investigations:
		return LimitInvestigations, nil
	}
	return LimitCost, nil
}

// spentByOthers returns what the investigations of a day count without the one with this id, in millionths of a US dollar.
func (i item) spentByOthers(id string) int64 {
	own := micros(ReservedUSD)
	if i[attrDayCost+id] != nil {
		own = i.whole(attrDayCost + id)
	}
	return i.whole(attrDaySpent) - own
}

// countAttempts is how often CountCost tries if another attempt of the same investigation counts at the same time.
const countAttempts = 3

// CountCost replaces what an investigation counts with usd, in US dollars: what it cost so far, or in the end. Each of its
// attempts can call it any number of times; a lower amount than before changes nothing.
func (t *Table) CountCost(ctx context.Context, id string, started time.Time, usd float64) error {
	for range countAttempts {
		day, err := t.read(ctx, dayKey(started))
		if err != nil {
			return err
		}
		isCounted := slices.Contains(day.set(attrDaySettled), id) // by an older version
		if isCounted || !slices.Contains(day.set(attrDayEntries), id) {
			return nil
		}
		in := &dynamodb.UpdateItemInput{
			TableName:                 &t.name,
			Key:                       key(dayKey(started)),
			UpdateExpression:          aws.String("SET #cost = :cost ADD #spent :difference"),
			ConditionExpression:       aws.String("attribute_not_exists(#cost)"),
			ExpressionAttributeNames:  map[string]string{"#cost": attrDayCost + id, "#spent": attrDaySpent},
			ExpressionAttributeValues: values{":cost": whole(micros(usd)), ":difference": whole(micros(usd) - micros(ReservedUSD))},
		}
		if day[attrDayCost+id] != nil {
			was := day.whole(attrDayCost + id)
			if micros(usd) <= was {
				return nil
			}
			in.ConditionExpression = aws.String("#cost = :was")
			in.ExpressionAttributeValues[":was"], in.ExpressionAttributeValues[":difference"] = whole(was), whole(micros(usd)-was)
		}
		_, err = t.db.UpdateItem(ctx, in)
		if err == nil {
			return nil
		}
		if _, failed := awsapi.ConditionFailed(err); !failed {
			return fmt.Errorf("count the cost of the investigation in table %s: %w", t.name, err)
		}
	}
	return fmt.Errorf("count the cost of the investigation in table %s: other attempts count it at the same time", t.name)
}

// CostReached reports whether the investigations that began on the UTC day of started reached the limit of its cost.
func (t *Table) CostReached(ctx context.Context, started time.Time, day Day) (bool, error) {
	i, err := t.read(ctx, dayKey(started))
	return day.CostUSD > 0 && i.whole(attrDaySpent) >= micros(day.CostUSD), err
}

// micros returns an amount of US dollars in millionths.
func micros(usd float64) int64 { return int64(math.Round(usd * 1e6)) }

// FirstOfDay records that a limit was reached on the UTC day of at. It reports whether that was not recorded before, so
// that exactly one notification is sent. If the answer to the write is lost, the SDK sends the write again, which fails: the item then
// has the name that this call gave to its write.
func (t *Table) FirstOfDay(ctx context.Context, limit Limit, at time.Time) (first bool, err error) {
	write := rand.Text()
	_, err = t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key(dayKey(at)),
		UpdateExpression:         aws.String("ADD #notified :entry SET #expires = :expires, #write = :write"),
		ConditionExpression:      aws.String("attribute_not_exists(#notified) OR NOT contains(#notified, :limit)"),
		ExpressionAttributeNames: map[string]string{"#notified": attrDayNotified, "#expires": config.TableTTL, "#write": attrDayWrite + string(limit)},
		ExpressionAttributeValues: values{
			":entry": set(string(limit)), ":limit": text(string(limit)), ":expires": whole(at.Add(keepDay).Unix()), ":write": text(write),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if old, failed := awsapi.ConditionFailed(err); failed {
		return item(old).text(attrDayWrite+string(limit)) == write, nil
	}
	if err != nil {
		return false, fmt.Errorf("record the limit in table %s: %w", t.name, err)
	}
	return true, nil
}

// ForgetFirst reverts FirstOfDay after its notification could not be sent.
func (t *Table) ForgetFirst(ctx context.Context, limit Limit, at time.Time) error {
	_, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &t.name,
		Key:                       key(dayKey(at)),
		UpdateExpression:          aws.String("DELETE #notified :entry"),
		ExpressionAttributeNames:  map[string]string{"#notified": attrDayNotified},
		ExpressionAttributeValues: values{":entry": set(string(limit))},
	})
	if err != nil {
		return fmt.Errorf("revert the limit in table %s: %w", t.name, err)
	}
	return nil
}
