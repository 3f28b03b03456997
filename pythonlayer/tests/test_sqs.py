"""The first looks at SQS queues."""

import json
import unittest
from datetime import timedelta

from alarmtriage_evidence.services import sqs

from . import fake_aws
from .fake_aws import FIRED, FakeAWS, context, look, metric

ARN = "arn:aws:sqs:eu-west-1:123456789012:"


def stuck() -> FakeAWS:
    """A queue whose consumer was disabled, with messages in its dead-letter queue."""
    def attributes(request):
        name = request["QueueUrl"].split("/")[-1]
        if name == "orders-dead":
            return {"Attributes": {"ApproximateNumberOfMessages": "7", "QueueArn": ARN + name}}
        return {"Attributes": {
            "ApproximateNumberOfMessages": "4200", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "DelaySeconds": "0", "QueueArn": ARN + name,
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": ARN + "orders-dead", "maxReceiveCount": 3})}}

    aws = FakeAWS({
        "sqs.get_queue_url": lambda request: {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/" + request["QueueName"]},
        "sqs.get_queue_attributes": attributes,
        "lambda.list_event_source_mappings": {"EventSourceMappings": [{
            "FunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:worker", "State": "Disabled", "StateTransitionReason": "User action"}]},
        "cloudformation.describe_stack_resources": {"StackResources": [{
            "StackName": "shop", "PhysicalResourceId": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "LogicalResourceId": "Orders",
            "ResourceType": "AWS::SQS::Queue", "ResourceStatus": "UPDATE_COMPLETE", "Timestamp": FIRED}]},
        "cloudformation.describe_stack_events": {"StackEvents": [{
            "StackId": "s", "EventId": "e", "StackName": "shop", "LogicalResourceId": "shop", "ResourceType": "AWS::CloudFormation::Stack",
            "ResourceStatus": "UPDATE_COMPLETE", "Timestamp": FIRED - timedelta(minutes=14)}]},
    })
    aws.metrics({"NumberOfMessagesSent": (300, 60), "NumberOfMessagesDeleted": (300, 0), "ApproximateAgeOfOldestMessage": (4, 840)})
    return aws


class Queues(unittest.TestCase):
    def test_requests_of_older_sdks_name_it_with_another_url(self) -> None:
        addresses = sqs.addresses(context(stuck()), "orders")
        self.assertIn("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", addresses)
        self.assertIn("https://eu-west-1.queue.amazonaws.com/123456789012/orders", addresses)

    def test_a_disabled_consumer_comes_first(self) -> None:
        aws = stuck()
        seen, failed = look(sqs, context(aws), "orders")
        self.assertEqual({}, failed)
        self.assertIn("its consumer is Lambda function worker, and the event source mapping is Disabled (User action)", seen[0].text)
        texts = "\n".join(o.text for o in seen)
        self.assertIn("CloudFormation stack shop: shop UPDATE_COMPLETE at 2026-08-04T12:22:00Z, 14 minutes before the alarm", texts)
        self.assertIn("dead-letter queue orders-dead has 7 messages; a message is moved after 3 receives", texts)
        self.assertIn("4200 messages are waiting", texts)
        self.assertIn("age of the oldest message in s: 840", texts)

    def test_a_queue_without_consumer_or_stack_is_no_error(self) -> None:
        aws = stuck()
        aws.answers["lambda.list_event_source_mappings"] = {"EventSourceMappings": []}
        aws.answers["cloudformation.describe_stack_resources"] = fake_aws.error("ValidationError", "Stack for x does not exist")
        seen, failed = look(sqs, context(aws), "orders")
        self.assertEqual({}, failed)
        self.assertIn("no Lambda function of its account consumes it", "\n".join(o.text for o in seen))

    def test_each_look_fails_alone(self) -> None:
        aws = stuck()
        aws.answers["lambda.list_event_source_mappings"] = fake_aws.error("AccessDeniedException")
        seen, failed = look(sqs, context(aws), "orders")
        self.assertEqual(["consumers"], list(failed))
        self.assertTrue(seen)

    def test_targets(self) -> None:
        self.assertEqual(["orders"], sqs.targets(metric("AWS/SQS", QueueName="orders")))
        self.assertEqual(["orders"], sqs.targets(metric("Shop", QueueName="orders")), "a custom metric with a known dimension")
        self.assertEqual([], sqs.targets(metric("AWS/Lambda", FunctionName="orders")))
