package selfcheck

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// topic checks that a topic is there and has a confirmed subscription. Whether it accepts a message shows only when
// one is sent.
func (c *Checker) topic(ctx context.Context, arn string) Check {
	out, err := c.Topics.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		return unreadTopic(err)
	}
	confirmed, isKnown := count(out.Attributes, "SubscriptionsConfirmed")
	pending, _ := count(out.Attributes, "SubscriptionsPending")
	found := fine(fmt.Sprintf("The topic has %s.", subscriptions(confirmed, "confirmed")))
	switch {
	case !isKnown: // SNS returns them to the account of the topic only
		found = skipped("The topic is there. SNS does not return its subscriptions to this account.")
	case confirmed == 0:
		found = problem("The topic has no confirmed subscription, so that nobody receives reports.",
			"Subscribe somebody to the topic, and confirm the subscription with the link that SNS sends.")
		found.unheard = true
		if pending > 0 {
			found.Detail += fmt.Sprintf(" It has %s.", subscriptions(pending, "pending"))
			found.Remedy = "Confirm the subscription with the link that SNS sent. " +
				"The link is valid for two days; subscribe again if it has expired."
		}
	case pending > 0:
		note := fmt.Sprintf("The topic has %s. Their subscribers receive nothing until they confirm.", subscriptions(pending, "pending"))
		found.Notes = append(found.Notes, note)
	}
	if key := out.Attributes["KmsMasterKeyId"]; key != "" {
		found.Notes = append(found.Notes, "The topic is encrypted with "+key+
			". Whether the orchestrator may use that key shows only when it sends a message.")
	}
	return found
}

// unreadTopic is the check of a topic whose attributes cannot be read. A topic's policy may allow no more than to
// publish, as that of another account's topic usually does.
func unreadTopic(err error) Check {
	if awsapi.Classify(err) == awsapi.ClassDenied {
		return skipped(sentence("The topic's attributes cannot be read, so that its subscriptions are not known: " + awsapi.Brief(err)))
	}
	found := failed("The topic cannot be read", err)
	if awsapi.Classify(err) == awsapi.ClassNotFound {
		found.Detail = "The topic does not exist, so that nobody receives reports."
		found.Remedy = "Create the topic again, or set NotificationTopic or ChatCardTopic to one that exists, and deploy."
		found.unheard = true
	}
	return found
}

// count reads a number among a topic's attributes.
func count(attributes map[string]string, name string) (n int, isKnown bool) {
	n, err := strconv.Atoi(attributes[name])
	return n, err == nil
}

func subscriptions(n int, state string) string {
	if n == 1 {
		return "1 " + state + " subscription"
	}
	return strconv.Itoa(n) + " " + state + " subscriptions"
}
