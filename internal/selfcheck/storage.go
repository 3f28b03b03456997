package selfcheck

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
)

const (
	// checkID is the name of the item and of the object that a self-check writes. It differs from every
	// alarm's ARN and every investigation's id.
	checkID = "selfcheck"

	// keepItem is how long the item is kept.
	keepItem = 24 * time.Hour

	// attrChecked is the item's attribute with the time of the last self-check, in milliseconds since 1970.
	attrChecked = "checked_at"
)

// content is the content of the object that a self-check writes. It is constant, since two self-checks may
// run at the same time.
var content = []byte(`{"self_check":true}`)

// table checks that the table accepts a conditional write and returns it.
func (c *Checker) table(ctx context.Context) Check {
	key := map[string]types.AttributeValue{config.TableKey: &types.AttributeValueMemberS{Value: checkID}}
	now := c.Now()
	_, err := c.DynamoDB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &c.Config.Table,
		Key:                 key,
		UpdateExpression:    aws.String("SET " + attrChecked + " = :now, " + config.TableTTL + " = :expires"),
		ConditionExpression: aws.String("attribute_not_exists(" + attrChecked + ") OR " + attrChecked + " <= :now"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":now": number(now.UnixMilli()), ":expires": number(now.Add(keepItem).Unix()),
		},
	})
	// The condition is false if another self-check wrote later. The table works then too.
	if _, conditionFailed := awsapi.ConditionFailed(err); err != nil && !conditionFailed {
		found := failed("The table does not accept a claim", err)
		if awsapi.CodeOf(err) == "ValidationException" {
			found.Remedy = "The partition key of InvestigationsTable must be the string " + config.TableKey + ", without a sort key."
		}
		return found
	}
	out, err := c.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &c.Config.Table, Key: key, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return failed("The table cannot be read", err)
	}
	if _, isThere := out.Item[attrChecked]; !isThere {
		return problem("The table does not return the item that was written.", "Check the table's resource policy and its replication.")
	}
	return fine("The table accepts claims and returns them.")
}

// killSwitch checks that nobody left the kill switch on.
func (c *Checker) killSwitch(ctx context.Context) Check {
	s, err := dedupe.New(c.DynamoDB, c.Config.Table, c.Config.Window, c.Now).ReadSwitch(ctx)
	switch {
	case err != nil:
		return skipped("The table cannot be read. Alarms are then investigated as if the kill switch was off.")
	case s.Off == dedupe.OffNothing:
		return fine("The kill switch is off.")
	}
	detail := "The kill switch is on. Alarms are reported with the evidence only, and no model is asked."
	if s.Off == dedupe.OffAll {
		detail = "The kill switch is on. Alarms are reported without a model and without evidence."
	}
	return warning(strings.TrimSpace(detail+" "+s.Why()), "When it is no longer needed: "+config.SwitchOnCommand(c.Region, c.Config.Table))
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// bucket checks that the bucket accepts a checkpoint and returns it. A lifecycle rule removes the object
// after a day.
func (c *Checker) bucket(ctx context.Context) Check {
	if err := c.Store.SaveCheckpoint(ctx, checkID, content); err != nil {
		return failed("The bucket does not accept an object", err)
	}
	got, err := c.Store.LoadCheckpoint(ctx, checkID)
	if err != nil {
		return failed("The bucket does not return an object", err)
	}
	if string(got) != string(content) {
		return problem("The bucket does not return the object that was written.",
			"Check the bucket's lifecycle rules, and whether something else writes below "+config.CheckpointsPrefix+".")
	}
	return fine("The bucket accepts reports and returns checkpoints.")
}

// maxInstructions bounds the part of the instructions that is read, in bytes.
const maxInstructions = 1 << 10

// instructions checks that the instructions can be read. Investigations work without them.
func (c *Checker) instructions(ctx context.Context) Check {
	text, err := c.Store.Text(ctx, c.Config.InstructionsURI, maxInstructions)
	if err != nil {
		found := failed("The instructions cannot be read, and investigations do not use them", err)
		found.State = StateWarning
		if awsapi.Classify(err) == awsapi.ClassNotFound {
			found.Remedy = "Put the object back, or change InstructionsFile or InstructionsObject and deploy."
		}
		return found
	}
	if strings.TrimSpace(text) == "" {
		return warning("The instructions are empty.", "Write them, or remove InstructionsFile or InstructionsObject.")
	}
	return fine("The instructions can be read.")
}
