package dedupe

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// keepDay is how long the item of a day is kept: longer than any investigation that began on that day.
const keepDay = 3 * 24 * time.Hour

// dayKey returns the key of the item with the investigations that began on the UTC day of t.
func dayKey(t time.Time) string { return "day#" + t.UTC().Format(time.DateOnly) }

// CountInvestigation adds an investigation to those that began on the UTC day of started, unless that day
// already has most of them. It reports whether the investigation is among them. An investigation counts
// once, no matter how often it is retried or continued. The item holds the ids and not only their number, so
// that one atomic update decides.
func (t *Table) CountInvestigation(ctx context.Context, id string, started time.Time, most int) (within bool, err error) {
	_, err = t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key(dayKey(started)),
		UpdateExpression:         aws.String("ADD #ids :entry SET #expires = :expires"),
		ConditionExpression:      aws.String("attribute_not_exists(#ids) OR size(#ids) < :most OR contains(#ids, :id)"),
		ExpressionAttributeNames: map[string]string{"#ids": attrDayEntries, "#expires": config.TableTTL},
		ExpressionAttributeValues: values{
			":entry": set(id), ":id": text(id), ":most": whole(int64(most)), ":expires": whole(started.Add(keepDay).Unix()),
		},
	})
	if _, full := awsapi.ConditionFailed(err); full {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("count the investigation in table %s: %w", t.name, err)
	}
	return true, nil
}
