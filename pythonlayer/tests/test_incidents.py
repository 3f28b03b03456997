"""Whole collections at staged incidents: the fact that gives the cause away must be in a report that no model wrote.

Such a report lists the changes of the alarm's own resources and the observations of at least weight 30, the most relevant
first, at most 12 (internal/report/looks.go).
"""

import contextlib
import io
import json
import unittest
from datetime import timedelta
from typing import Any, Dict, List

import alarmtriage_evidence
from alarmtriage_evidence import collector
from alarmtriage_tool import cloudwatch

from . import fake_aws
from .fake_aws import ACCOUNT, FIRED, FakeAWS

MINUTES = timedelta(minutes=1)
REGION = "eu-west-1:123456789012"
OWN_CHANGE, LEAST, MOST = 92, 30, 12


def change(event: str, source: str, minutes: int, resource: str, **parameters: Any) -> Dict[str, Any]:
    return {"EventId": event + resource, "EventName": event, "EventSource": source, "ReadOnly": "false", "Username": "sam",
            "EventTime": FIRED - minutes * MINUTES, "Resources": [{"ResourceName": resource}],
            "CloudTrailEvent": json.dumps({"requestParameters": parameters})}


def trail(*events: Dict[str, Any]) -> Any:
    def answer(request: Dict[str, Any]) -> Dict[str, Any]:
        attribute = request["LookupAttributes"][0]
        found = [e for e in events if attribute["AttributeKey"] == "ReadOnly" or attribute["AttributeValue"] == e["Resources"][0]["ResourceName"]]
        return {"Events": found}
    return answer


FUNCTION = {"FunctionName": "orders", "Role": "arn:aws:iam::123456789012:role/orders-role", "Timeout": 3, "MemorySize": 128, "Runtime": "python3.13",
            "LastModified": "2026-05-01T00:00:00.000+0000", "State": "Active", "LastUpdateStatus": "Successful"}


def log(message: str) -> Any:
    return lambda request: {"events": [{"timestamp": int(FIRED.timestamp() * 1000), "message": message}] * 20
                            if request["endTime"] > FIRED.timestamp() * 1000 else []}


LAMBDA = {
    "lambda.get_function_configuration": FUNCTION, "lambda.get_function_concurrency": {}, "lambda.list_versions_by_function": {"Versions": []},
    "lambda.list_aliases": {"Aliases": []}, "lambda.list_event_source_mappings": {"EventSourceMappings": []},
    "logs.filter_log_events": {"events": []},
}
QUEUE = {
    "sqs.get_queue_url": {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"},
    "sqs.get_queue_attributes": {"Attributes": {"QueueArn": f"arn:aws:sqs:{REGION}:orders", "ApproximateNumberOfMessages": "900"}},
    "lambda.list_event_source_mappings": {"EventSourceMappings": [{"FunctionArn": f"arn:aws:lambda:{REGION}:function:worker", "State": "Enabled"}]},
}

# Name, metric (namespace, name, dimensions), staged answers, metrics before and after, and the fact.
INCIDENTS = (
    ("a permission was removed", ("AWS/Lambda", "Errors", {"FunctionName": "orders"}),
     {**LAMBDA, "logs.filter_log_events": log("[ERROR] AccessDeniedException: not authorized to perform: dynamodb:GetItem"),
      "cloudtrail.lookup_events": trail(change("PutRolePolicy", "iam.amazonaws.com", 5, "orders-role", policyName="orders"))},
     {"Errors": (0, 80)}, ["dynamodb:GetItem", "PutRolePolicy"]),
    ("a faulty deployment", ("AWS/Lambda", "Errors", {"FunctionName": "orders"}),
     {**LAMBDA, "lambda.get_function_configuration": {**FUNCTION, "LastModified": "2026-08-04T12:25:00.000+0000"},
      "logs.filter_log_events": log("[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'pricing'")},
     {"Errors": (0, 80)}, ["code or configuration was last modified", "No module named 'pricing'"]),
    ("a timeout that is too short", ("AWS/Lambda", "Errors", {"FunctionName": "orders"}),
     {**LAMBDA, "logs.filter_log_events": log("2026-08-04T12:36:00Z 4f Task timed out after 3.00 seconds"),
      "cloudtrail.lookup_events": trail(change("UpdateFunctionConfiguration20150331v2", "lambda.amazonaws.com", 9, "orders", timeout=3))},
     {"Errors": (0, 80), "Duration": (400, 3000)}, ["Task timed out after 3.00 seconds", '"timeout":3']),
    ("concurrency reserved at zero", ("AWS/Lambda", "Throttles", {"FunctionName": "orders"}),
     {**LAMBDA, "lambda.get_function_concurrency": {"ReservedConcurrentExecutions": 0}}, {"Throttles": (0, 300)},
     ["its reserved concurrency is 0"]),
    ("a consumer was disabled", ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "orders"}),
     {**QUEUE, "lambda.list_event_source_mappings": {"EventSourceMappings": [{
         "FunctionArn": f"arn:aws:lambda:{REGION}:function:worker", "State": "Disabled", "StateTransitionReason": "User action"}]}},
     {"ApproximateAgeOfOldestMessage": (3, 900)}, ["the event source mapping is Disabled"]),
    ("table capacity was lowered", ("AWS/DynamoDB", "ReadThrottleEvents", {"TableName": "orders"}),
     {"dynamodb.describe_table": {"Table": {"TableStatus": "ACTIVE", "ProvisionedThroughput": {
         "ReadCapacityUnits": 1, "WriteCapacityUnits": 1, "LastDecreaseDateTime": FIRED - 12 * MINUTES}}},
      "application-autoscaling.describe_scalable_targets": {"ScalableTargets": []},
      "application-autoscaling.describe_scaling_activities": {"ScalingActivities": []}},
     {"ReadThrottleEvents": (0, 500)}, ["capacity was last decreased", "1 read and 1 write units"]),
    ("targets fail their health check", ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", {"LoadBalancer": "app/shop/1"}),
     {"elbv2.describe_load_balancers": {"LoadBalancers": [{"State": {"Code": "active"}}]},
      "elbv2.describe_target_groups": {"TargetGroups": [{"TargetGroupArn": f"arn:aws:elasticloadbalancing:{REGION}:targetgroup/web/1", "TargetGroupName": "web"}]},
      "elbv2.describe_target_health": {"TargetHealthDescriptions": [{"Target": {"Id": "10.0.0.1"}, "TargetHealth": {
          "State": "unhealthy", "Description": "Health checks failed with these codes: [404]"}}]},
      "elbv2.describe_listeners": {"Listeners": []}}, {"HTTPCode_ELB_5XX_Count": (0, 90)}, ["failed with these codes: [404]"]),
    ("a container runs out of memory", ("AWS/ECS", "CPUUtilization", {"ClusterName": "shop", "ServiceName": "web"}),
     {"ecs.describe_services": {"services": [{"taskDefinition": f"arn:aws:ecs:{REGION}:task-definition/web:9", "runningCount": 1, "desiredCount": 4, "pendingCount": 3,
                                              "status": "ACTIVE", "deployments": [], "events": []}]},
      "ecs.list_tasks": {"taskArns": ["t"]},
      "ecs.describe_tasks": {"tasks": [{"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
                                        "containers": [{"name": "web", "exitCode": 137, "reason": "OutOfMemoryError"}]}]},
      "ecs.describe_task_definition": {"taskDefinition": {"family": "web", "revision": 9, "registeredAt": FIRED - 8 * MINUTES, "containerDefinitions": []}}},
     {}, ["OutOfMemoryError", "task definition web:9 was registered"]),
    ("a database failed over", ("AWS/RDS", "DatabaseConnections", {"DBInstanceIdentifier": "orders-1"}),
     {"rds.describe_db_instances": {"DBInstances": [{"DBInstanceIdentifier": "orders-1", "DBInstanceArn": f"arn:aws:rds:{REGION}:db:orders-1", "DBInstanceStatus": "available"}]},
      "rds.describe_events": {"Events": [{"Message": "Multi-AZ instance failover completed", "Date": FIRED - 4 * MINUTES, "EventCategories": ["failover"]}]},
      "rds.describe_pending_maintenance_actions": {"PendingMaintenanceActions": []}}, {}, ["Multi-AZ instance failover completed"]),
    ("a schedule was disabled", ("AWS/Events", "Invocations", {"RuleName": "nightly"}),
     {"events.describe_rule": {"State": "DISABLED", "ScheduleExpression": "rate(5 minutes)"},
      "events.list_targets_by_rule": {"Targets": [{"Id": "1", "Arn": f"arn:aws:lambda:{REGION}:function:nightly"}]},
      "cloudtrail.lookup_events": trail(change("DisableRule", "events.amazonaws.com", 30, "nightly", name="nightly"))},
     {}, ["it is DISABLED", "DisableRule"]),
)


class Incidents(unittest.TestCase):
    def setUp(self) -> None:
        real = cloudwatch.describe_log_alarms
        cloudwatch.describe_log_alarms = lambda **_: {"LogAlarms": []}
        self.addCleanup(setattr, cloudwatch, "describe_log_alarms", real)

        class Clock(collector.datetime):  # type: ignore[name-defined,misc]
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return FIRED + 5 * MINUTES

        clock = collector.datetime
        collector.datetime = Clock
        self.addCleanup(setattr, collector, "datetime", clock)

    def listed(self, metric: Any, answers: Dict[str, Any], metrics: Dict[str, Any]) -> List[str]:
        """Returns the lines of a report that no model wrote."""
        namespace, name, dimensions = metric
        pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        aws = FakeAWS({
            "cloudformation.describe_stack_resources": fake_aws.error("ValidationError", "Stack for x does not exist"),
            "cloudtrail.lookup_events": {"Events": []}, "cloudwatch.describe_alarm_history": {"AlarmHistoryItems": []},
            "cloudwatch.describe_alarms": lambda request: {"MetricAlarms": [{
                "AlarmName": "a", "AlarmArn": f"arn:aws:cloudwatch:{REGION}:alarm:a", "Namespace": namespace, "MetricName": name, "Dimensions": pairs,
                "Period": 60, "EvaluationPeriods": 1, "Statistic": "Sum", "Threshold": 1.0}] if request.get("AlarmNames") else []},
            **answers})
        aws.metrics({name: (0, 1), **metrics})
        fake_aws.context(aws)  # puts the fake in the place of boto3
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            found = alarmtriage_evidence.collect({
                "name": "a", "arn": f"arn:aws:cloudwatch:{REGION}:alarm:a", "kind": "metric", "region": "eu-west-1", "partition": "aws", "account": ACCOUNT,
                "own_account": ACCOUNT, "own_names": [], "time": FIRED.timestamp(), "children": [], "fallback": {}, "query": None, "reason_data": "",
                "has_lines": True, "contributor": None, "seconds": 20})
        self.assertLess(len(printed.getvalue()), 16_000)
        lines = [(OWN_CHANGE, f"{c['event']} {c['parameters']}") for c in found["changes"] if c["own"]]
        lines += [(o["weight"], f"{o['about']}: {o['text']}") for o in found["observations"] if o["weight"] >= LEAST]
        return [text for _, text in sorted(lines, key=lambda line: -line[0])[:MOST]]

    def test_the_report_without_a_model_contains_the_fact(self) -> None:
        for name, metric, answers, metrics, facts in INCIDENTS:
            with self.subTest(name):
                lines = self.listed(metric, answers, metrics)
                for fact in facts:
                    self.assertTrue(any(fact in line for line in lines), f"{fact!r} is not in {json.dumps(lines, indent=1)}")
