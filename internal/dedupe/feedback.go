package dedupe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// ErrNotRemembered reports that an alarm's item does not list an investigation.
var ErrNotRemembered = errors.New("the alarm's memory does not list this investigation")

// PutFeedback records what a human reported about an investigation in the memory of its alarm. It replaces an earlier
// feedback about the same investigation. If the memory does not list the investigation, PutFeedback returns
// [ErrNotRemembered].
func (t *Table) PutFeedback(ctx context.Context, arn, id string, f investigation.Feedback) error {
	i, err := t.read(ctx, arn)
	if err != nil {
		return err
	}
	past := i.past()
	if !slices.ContainsFunc(past, func(p investigation.Past) bool { return p.ID == id }) {
		return ErrNotRemembered
	}
	in := &dynamodb.UpdateItemInput{
		TableName:                &t.name,
		Key:                      key(arn),
		UpdateExpression:         aws.String("SET #feedback = :feedback, expires_at = :expires"),
		ConditionExpression:      aws.String("attribute_exists(past)"),
		ExpressionAttributeNames: map[string]string{"#feedback": attrFeedback + id},
		ExpressionAttributeValues: values{
			":feedback": feedbackValue(f), ":expires": t.expiry(t.now()),
		},
	}
	if stale := i.staleFeedback(past); len(stale) > 0 {
		*in.UpdateExpression += " REMOVE " + strings.TrimPrefix(placeholders(stale, in.ExpressionAttributeNames), ", ")
	}
	_, err = t.db.UpdateItem(ctx, in)
	if _, failed := awsapi.ConditionFailed(err); failed { // the item expired in the meantime
		return ErrNotRemembered
	}
	if err != nil {
		return fmt.Errorf("record the feedback in table %s: %w", t.name, err)
	}
	return nil
}

// placeholders adds names of attributes to those of an expression. It returns their placeholders, each after a comma.
func placeholders(attributes []string, names map[string]string) string {
	var list strings.Builder
	for n, attribute := range attributes {
		name := fmt.Sprintf("#stale%d", n)
		names[name] = attribute
		list.WriteString(", " + name)
	}
	return list.String()
}

// feedback returns what a human reported about an investigation, or nil.
func (i item) feedback(id string) *investigation.Feedback {
	m, ok := i[attrFeedback+id].(*types.AttributeValueMemberM)
	if !ok {
		return nil
	}
	f := item(m.Value)
	return &investigation.Feedback{
		Verdict: investigation.FeedbackVerdict(f.text("verdict")), Cause: f.text("cause"), By: f.text("by"), At: f.time("at"),
	}
}

func feedbackValue(f investigation.Feedback) types.AttributeValue {
	return &types.AttributeValueMemberM{Value: values{
		"verdict": text(string(f.Verdict)), "cause": text(f.Cause), "by": text(f.By), "at": millis(f.At),
	}}
}

// staleFeedback returns the attributes with feedback about investigations that are no longer among the past ones.
func (i item) staleFeedback(past []investigation.Past) []string {
	var stale []string
	for attribute := range i {
		id, isFeedback := strings.CutPrefix(attribute, attrFeedback)
		if isFeedback && !slices.ContainsFunc(past, func(p investigation.Past) bool { return p.ID == id }) {
			stale = append(stale, attribute)
		}
	}
	slices.Sort(stale)
	return stale
}
