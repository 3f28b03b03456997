package selfcheck

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// confirmLink is what to do about a pending subscription.
const confirmLink = "Confirm the subscription with the link that SNS sent. The link is valid for two days; subscribe again if it has expired."

// What to do about a topic without subscriptions. Only a channel's configuration subscribes to chat cards in a way that people can read.
const (
	addSubscription = "Add a subscription to the topic, and confirm it with the link that SNS sends."
	addChannel      = "Add the topic to the channel's configuration in Amazon Q Developer in chat applications, which subscribes to it."
)

// topic checks that a topic exists and has a confirmed subscription; add is what to do if it has none. Only a real message can
// show whether the topic accepts messages.
func (c *Checker) topic(ctx context.Context, arn, add string) Check {
	out, err := c.Topics.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		return unreadTopic(err)
	}
	confirmed, isKnown := count(out.Attributes, "SubscriptionsConfirmed")
	pending, _ := count(out.Attributes, "SubscriptionsPending")
	found := fine(fmt.Sprintf("The topic has %s.", subscriptions(confirmed, "confirmed")))
	switch {
	case !isKnown: // SNS returns them only to the account that owns the topic
		found = skipped("The topic exists. SNS does not return its subscriptions to this account.")
	case confirmed == 0:
		found = problem("The topic has no confirmed subscription. Nobody receives its messages.", add)
		found.hasNoSubscribers = true
		if pending > 0 {
			found.Detail += fmt.Sprintf(" It has %s.", subscriptions(pending, "pending"))
			found.Remedy = confirmLink
		}
	case pending > 0:
		found = warning(fmt.Sprintf("The topic has %s and %s. Who has not confirmed receives nothing.",
			subscriptions(confirmed, "confirmed"), subscriptions(pending, "pending")), confirmLink)
	}
	if key := out.Attributes["KmsMasterKeyId"]; key != "" {
		found.Notes = append(found.Notes, "The topic is encrypted with "+key+
			". Only a real message can show whether the orchestrator may use that key.")
	}
	return found
}

// unreadTopic returns the check of a topic whose attributes cannot be read. The policy of a topic, in
// particular of another account's topic, may only allow publishing.
func unreadTopic(err error) Check {
	if awsapi.Classify(err) == awsapi.ClassDenied {
		return skipped(sentence("The topic's attributes cannot be read, and its subscriptions are not known: " + awsapi.Answer(err)))
	}
	found := failed("The topic cannot be read", err)
	if awsapi.Classify(err) == awsapi.ClassNotFound {
		found.Detail = "The topic does not exist. Nobody receives its messages."
		found.Remedy = "Create the topic again, or set NotificationTopic or ChatCardTopic to one that exists, and deploy."
		found.hasNoSubscribers = true
	}
	return found
}

// count returns the value of a numeric attribute of a topic. isKnown is false if SNS did not return a number.
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
