"""The Lambda functions behind a resource, the account's concurrency, and the changes of what they use."""

import json
import unittest
from datetime import timedelta
from typing import Any, Dict, List, Tuple

from alarmtriage_evidence import services
from alarmtriage_evidence.changes import changes
from alarmtriage_evidence.services import api_gateway, dynamodb, event_rules, kinesis, lambda_functions, sns, sqs

from . import fake_aws
from .fake_aws import FIRED, FakeAWS, context, look

REGION = "eu-west-1:123456789012"
MINUTE = timedelta(minutes=1)


def function(name: str, account: str = REGION) -> str:
    return f"arn:aws:lambda:{account}:function:{name}"


def mappings(*names: str, **more: Any) -> Dict[str, Any]:
    return {"EventSourceMappings": [{"FunctionArn": function(name), "State": "Enabled", **more} for name in names]}


ERRORS = {
    "lambda.get_function_configuration": lambda request: {
        "FunctionName": request["FunctionName"], "Role": "arn:aws:iam::123456789012:role/r", "Environment": {"Variables": {"TABLE": "carts", "RETRIES": "3"}}},
    "lambda.get_function_concurrency": {},
    "lambda.list_aliases": {"Aliases": []},
    "logs.filter_log_events": lambda request: {"events": [{"timestamp": int(FIRED.timestamp() * 1000), "message": f"[ERROR] KeyError: {request['logGroupName']}"}]
                                               if request["endTime"] > FIRED.timestamp() * 1000 else []},
}
RESOURCES = (
    (sqs, "orders", {"lambda.list_event_source_mappings": mappings("worker")}),
    (kinesis, "clicks", {"lambda.list_event_source_mappings": mappings("worker")}),
    (dynamodb, "orders", {"dynamodb.describe_table": {"Table": {"StreamSpecification": {"StreamEnabled": True}, "LatestStreamArn": f"arn:aws:dynamodb:{REGION}:table/orders/stream/1"}},
                          "lambda.list_event_source_mappings": mappings("worker")}),
    (sns, "orders", {"sns.list_subscriptions_by_topic": {"Subscriptions": [
        {"Protocol": "email", "Endpoint": "a@example.com", "SubscriptionArn": "x"}, {"Protocol": "lambda", "Endpoint": function("worker"), "SubscriptionArn": "y"}]}}),
    (event_rules, "nightly", {"events.list_targets_by_rule": {"Targets": [{"Id": "1", "Arn": function("worker")}, {"Id": "2", "Arn": f"arn:aws:sqs:{REGION}:q"}]}}),
    (api_gateway, "shop prod", {
        "apigateway.get_rest_apis": {"items": [{"id": "abc", "name": "shop"}]},
        "apigateway.get_resources": {"items": [{"resourceMethods": {"GET": {"methodIntegration": {
            "uri": f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function('worker')}:live/invocations"}}}}]}}),
)


def behind(answers: Dict[str, Any], metrics: Dict[str, Any], *wanted: Tuple[Any, str]) -> Tuple[List[str], Any, FakeAWS]:
    """Returns what the looks at functions behind resources see."""
    aws = FakeAWS({**ERRORS, **answers})
    aws.metrics(metrics)
    ctx = context(aws)
    seen = [one for name, run in services.looks(ctx, wanted) if " of a function behind " in name for one in run()]
    return [f"{one.about}: {one.text}" for one in sorted(seen, key=lambda one: -one.weight)], ctx, aws


class Behind(unittest.TestCase):
    def test_errors_and_duration_of_the_function_are_read(self) -> None:
        for collector, name, answers in RESOURCES:
            with self.subTest(collector.KIND):
                seen, ctx, aws = behind(answers, {"Errors": (0, 40), "Duration": (100, 900), "Invocations": (30, 3), "IteratorAge": (1, 2)}, (collector, name))
                text = "\n".join(seen)
                self.assertTrue(seen[0].startswith("Lambda function worker: 1 log lines in /aws/lambda/worker"), text)
                self.assertIn("Lambda function worker: errors: 40", text)
                self.assertIn("Lambda function worker: longest duration in ms: 900", text)
                self.assertNotIn("throttles", text)
                for service, operation in aws.called:
                    self.assertIn(fake_aws.action(service, operation), collector.READS)
                self.assertEqual({"worker", "carts"}, services.related(ctx, [(collector, name)]))

    def test_the_functions_of_an_enhanced_fan_out_consumer_are_read(self) -> None:
        stream = f"arn:aws:kinesis:{REGION}:stream/clicks"
        consumer = {"ConsumerName": "fast", "ConsumerARN": f"{stream}/consumer/fast:1700000000", "ConsumerStatus": "ACTIVE"}

        def listed(request: Dict[str, Any]) -> Dict[str, Any]:
            return mappings("worker" if "consumer" in request["EventSourceArn"] else "slow", UUID=request["EventSourceArn"])

        answers = {"kinesis.list_stream_consumers": {"Consumers": [consumer]}, "lambda.list_event_source_mappings": listed,
                   "kinesis.describe_stream_summary": {"StreamDescriptionSummary": {"OpenShardCount": 2, "StreamStatus": "ACTIVE"}}}
        ctx = context(FakeAWS({**ERRORS, **answers}))
        self.assertEqual(["slow", "worker"], kinesis.functions(ctx, "clicks"))
        self.assertIn("its consumer is Lambda function worker: Enabled", "\n".join(one.text for one in kinesis.consumers(ctx, "clicks")))

    def test_only_two_functions_are_read(self) -> None:
        seen, ctx, _ = behind({"lambda.list_event_source_mappings": mappings("a", "b", "b", "c")}, {}, (sqs, "orders"))
        self.assertEqual({"Lambda function a", "Lambda function b"}, {one.split(":")[0] for one in seen})
        self.assertEqual(["SQS queue orders: of the 3 functions behind it, only a and b were looked at"], ctx.notes)

    def test_what_is_not_read(self) -> None:
        for account in ("eu-west-1:999988887777", "us-east-1:123456789012"):
            found = {"EventSourceMappings": [{"FunctionArn": function("worker", account), "State": "Enabled"}]}
            self.assertEqual([], behind({"lambda.list_event_source_mappings": found}, {}, (sqs, "orders"))[0], account)
        self.assertEqual([], behind({"lambda.list_event_source_mappings": fake_aws.error("AccessDeniedException")}, {}, (sqs, "orders"))[0])
        seen, _, _ = behind({"lambda.list_event_source_mappings": mappings("worker")}, {}, (sqs, "orders"), (lambda_functions, "worker"))
        self.assertEqual([], seen, "the alarm's own function is read once")
        table = {"dynamodb.describe_table": {"Table": {"StreamSpecification": {"StreamEnabled": False}, "LatestStreamArn": "x"}}}
        self.assertEqual([], behind(table, {}, (dynamodb, "orders"))[0], "a stream that was turned off")

    def test_settings_of_a_mapping_are_shown(self) -> None:
        aws = FakeAWS({"kinesis.describe_stream_summary": {"StreamDescriptionSummary": {"OpenShardCount": 2, "StreamStatus": "ACTIVE"}},
                       "kinesis.list_stream_consumers": {"Consumers": []},
                       "lambda.list_event_source_mappings": mappings("worker", BatchSize=500, ParallelizationFactor=1, LastProcessingResult="OK",
                                                                     FilterCriteria={"Filters": [{"Pattern": "{}"}]})})
        texts = "\n".join(one.text for one in look(kinesis, context(aws), "clicks")[0])
        self.assertIn("Enabled, last result OK, batch size 500, parallelization factor 1, with a filter, so at most 2 batches of 2 shards are processed at a time", texts)


class Throttling(unittest.TestCase):
    answers = {**ERRORS, "lambda.get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 100, "UnreservedConcurrentExecutions": 90}},
               "lambda.list_versions_by_function": {"Versions": []}, "lambda.list_aliases": {"Aliases": []},
               "lambda.list_event_source_mappings": {"EventSourceMappings": []}, "cloudformation.describe_stack_resources": {"StackResources": []}}

    def see(self, throttles: Any, concurrent: float) -> Tuple[List[Any], FakeAWS]:
        aws = FakeAWS(dict(self.answers))
        values = {"Throttles": (0, throttles), "ConcurrentExecutions": (1, concurrent), "UnreservedConcurrentExecutions": (1, concurrent)}
        aws.metrics(values)
        plain = aws.answers["cloudwatch.get_metric_data"]

        def metric(request: Dict[str, Any]) -> Dict[str, Any]:
            if "Expression" in request["MetricDataQueries"][0]:
                return {"MetricDataResults": [{"Id": "q0", "Label": label, "Timestamps": [FIRED], "Values": [value]} for label, value in (("orders", 1.0), ("reports", 98.0))]}
            return plain(request)  # type: ignore[operator]

        aws.answers["cloudwatch.get_metric_data"] = metric
        seen, failed = look(lambda_functions, context(aws), "orders")
        self.assertEqual({}, failed)
        return seen, aws

    def test_the_accounts_limit_comes_first_if_it_is_reached(self) -> None:
        seen, aws = self.see(300, 100)
        self.assertEqual("the account's limit is 100 concurrent executions, 90 of which no function has reserved; at most 100 were used after the onset", seen[0].text)
        self.assertIn("the functions with the most concurrent executions since 2026-08-04T12:34:00Z: reports 98, orders 1", [one.text for one in seen])
        for service, operation in aws.called:
            self.assertIn(fake_aws.action(service, operation), lambda_functions.READS)

    def test_a_limit_that_is_far_away_counts_little(self) -> None:
        seen, _ = self.see(300, 20)
        self.assertEqual([45], [one.weight for one in seen if "the account's limit" in one.text])

    def test_without_throttles_the_account_is_not_read(self) -> None:
        for throttles in (0, None):
            _, aws = self.see(throttles, 100)
            self.assertNotIn(("lambda", "GetAccountSettings"), aws.called)


class Related(unittest.TestCase):
    def test_changes_of_what_the_resources_use_come_after_their_own(self) -> None:
        def event(name: str, resource: str, minutes: int) -> Dict[str, Any]:
            return {"EventId": name, "EventName": name, "EventSource": "x", "ReadOnly": "false", "EventTime": FIRED - minutes * MINUTE,
                    "Resources": [{"ResourceName": resource}], "CloudTrailEvent": json.dumps({"requestParameters": {"name": resource}})}

        events = [event("PutRule", "nightly-carts", 1), event("UpdateTable", f"arn:aws:dynamodb:{REGION}:table/carts", 2),
                  event("UpdateFunctionCode", "worker", 3), event("SetQueueAttributes", "orders", 9),
                  {**event("RevokeSecurityGroupEgress", "sg-1", 4), "Resources": []}]
        aws = FakeAWS({"cloudtrail.lookup_events": {"Events": events}})
        found = changes(context(aws, own_names=[]), lambda: [(None, "orders")], lambda: {"worker", "carts", "sg-1"})["list"]
        self.assertEqual([("SetQueueAttributes", True, False), ("UpdateTable", False, True), ("UpdateFunctionCode", False, True),
                          ("RevokeSecurityGroupEgress", False, True), ("PutRule", False, False)],
                         [(c["event"], c["own"], c["related"]) for c in found])

    def test_settings_in_the_environment_name_no_resource(self) -> None:
        variables = {"STAGE": "prod", "LOG_LEVEL": "INFO", "DEBUG": "false", "REGION": "eu-west-1", "TABLE": "carts"}
        aws = FakeAWS({"lambda.get_function_configuration": {"FunctionName": "orders", "Environment": {"Variables": variables}}})
        self.assertEqual({"carts"}, lambda_functions.uses(context(aws), "orders") - {""})
