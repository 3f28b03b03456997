"""What the collection states about ordinary data of AWS that is easily misread."""

import contextlib
import io
import json
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Mapping
from unittest import mock

from alarmtriage_evidence import collect, series

from .fake_aws import ACCOUNT, FIRED, FakeAWS, context, stage

NOW = datetime.now(timezone.utc).replace(microsecond=0)
RECENT = NOW - timedelta(minutes=3)  # time of the transition for the whole collection, which reads the clock


def definition(namespace: str, metric: str, dimensions: Mapping[str, str], **other: Any) -> Dict[str, Any]:
    return {"AlarmName": "a", "StateValue": "ALARM", "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "Namespace": namespace,
            "MetricName": metric, "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()], "Period": 60, "Statistic": "Sum", **other}


def event(name: str, source: str, parameters: Mapping[str, Any]) -> Dict[str, Any]:
    return {"EventId": name, "EventName": name, "EventSource": f"{source}.amazonaws.com", "EventTime": RECENT - timedelta(minutes=20), "ReadOnly": "false",
            "Username": "sam", "Resources": [], "CloudTrailEvent": json.dumps({"requestParameters": parameters})}


def collected(alarm: Dict[str, Any], answers: Dict[str, Any], kind: str = "metric") -> Dict[str, Any]:
    """Returns the evidence of an alarm in eu-west-1."""
    aws = FakeAWS({"cloudwatch.describe_alarms": {"MetricAlarms": [alarm]}, "cloudwatch.describe_alarm_history": {}, "cloudtrail.lookup_events": {},
                   "cloudwatch.get_metric_data": {"MetricDataResults": []}, **answers})
    stage(aws)
    with mock.patch("alarmtriage_tool.cloudwatch.describe_log_alarms", return_value={"LogAlarms": []}), contextlib.redirect_stdout(io.StringIO()):
        return collect({"name": "a", "arn": f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:a", "account": ACCOUNT, "own_account": ACCOUNT,
                        "region": "eu-west-1", "time": RECENT.timestamp(), "kind": kind})


def texts(found: Mapping[str, Any]) -> List[str]:
    return [seen["text"] for seen in found["observations"]]


class Statements(unittest.TestCase):
    def test_an_expression_has_the_period_of_its_metrics(self) -> None:
        stat = {"Metric": {"Namespace": "Shop", "MetricName": "Errors"}, "Period": 300, "Stat": "Sum"}
        alarm = {"EvaluationPeriods": 3, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "Metrics": [
            {"Id": "rate", "Expression": "100*m1/300"}, {"Id": "m1", "MetricStat": stat, "ReturnData": False}]}
        answer = {"MetricDataResults": [{"Id": "rate", "Timestamps": [FIRED - timedelta(minutes=5)], "Values": [9.0]}]}
        ctx = context(FakeAWS({"cloudwatch.get_metric_data": answer}))
        self.assertEqual([300], [found["period"] for found in series.of_metrics(ctx, alarm)])

    def test_a_child_in_alarm_for_hours_is_not_the_onset(self) -> None:
        first = RECENT.replace(minute=RECENT.minute // 5 * 5, second=0) - timedelta(hours=14)
        times = [first + timedelta(minutes=5 * i) for i in range(168)]  # until 5 minutes before the transition
        old = definition("Shop", "Old", {}, AlarmName="old", Period=300, StateTransitionedTimestamp=RECENT - timedelta(hours=9))
        new = definition("Shop", "New", {}, AlarmName="new", Period=300, StateTransitionedTimestamp=RECENT)
        values = {"Old": [1.0] * 60 + [9.0] * 108, "New": [1.0] * 167 + [9.0]}
        composite = {"AlarmName": "a", "StateValue": "ALARM", "AlarmRule": "ALARM(old) AND ALARM(new)"}

        def alarms(request: Dict[str, Any]) -> Dict[str, Any]:
            names = request.get("AlarmNames", [])
            return {"CompositeAlarms": [composite]} if "a" in names else {"MetricAlarms": [one for one in (old, new) if one["AlarmName"] in names]}

        def data(request: Dict[str, Any]) -> Dict[str, Any]:
            name = request["MetricDataQueries"][0]["MetricStat"]["Metric"]["MetricName"]
            return {"MetricDataResults": [{"Id": "m1", "Timestamps": times, "Values": values[name]}] if name in values else []}
        found = collected({}, {"cloudwatch.describe_alarms": alarms, "cloudwatch.get_metric_data": data}, kind="composite")
        self.assertEqual(times[-1].strftime("%Y-%m-%dT%H:%M:00Z"), found["onset"])
        composite["AlarmRule"] = "ALARM(new) AND NOT ALARM(old)"
        old.update(StateValue="OK", StateTransitionedTimestamp=RECENT + timedelta(milliseconds=500))  # the event's time has no fraction
        found = collected({}, {"cloudwatch.describe_alarms": alarms, "cloudwatch.get_metric_data": data}, kind="composite")
        self.assertEqual(times[-1].strftime("%Y-%m-%dT%H:%M:00Z"), found["onset"], "a child that was not in ALARM")

    def test_values_that_are_no_names_make_no_change_own(self) -> None:
        for namespace, dimensions, parameters in (
            ("AWS/ES", {"ClientId": ACCOUNT, "DomainName": "search"}, {"functionName": "other", "sourceAccount": ACCOUNT}),
            ("AWS/WAFV2", {"Region": "eu-west-1", "Rule": "ALL", "WebACL": "shop"}, {"region": "eu-west-1", "scope": "ALL"}),
            ("AWS/RDS", {"ProxyName": "orders", "TargetGroup": "default", "TargetRole": "READ_WRITE"}, {"groupName": "default"}),
            ("AWS/EC2", {"InstanceType": "t3.micro"}, {"instanceType": "t3.micro"}),
        ):
            with self.subTest(namespace):
                change = event("AddPermission", "lambda", parameters)
                found = collected(definition(namespace, "Count", dimensions), {"cloudtrail.lookup_events": {"Events": [change]}})
                self.assertEqual([False], [one["own"] for one in found["changes"]])
        named = event("UpdateDomainConfig", "es", {"domainName": "search"})
        found = collected(definition("AWS/ES", "Count", {"ClientId": ACCOUNT, "DomainName": "search"}), {"cloudtrail.lookup_events": {"Events": [named]}})
        self.assertEqual([True], [one["own"] for one in found["changes"]])

    def test_resources_of_aws_metrics_without_its_prefix_are_own(self) -> None:
        for namespace, dimensions, source, parameters in (
            ("CloudWatchSynthetics", {"CanaryName": "checkout"}, "synthetics", {"name": "checkout"}),
            ("ContainerInsights", {"ClusterName": "shop", "Namespace": "payments", "PodName": "api"}, "eks", {"name": "shop"}),
            ("AWS/Redshift-Serverless", {"Namespace": "shop"}, "redshift-serverless", {"namespaceName": "shop"}),
            ("Glue", {"JobName": "nightly", "JobRunId": "ALL", "Type": "count"}, "glue", {"jobName": "nightly"}),
        ):
            self.assertEqual(["Change"], self.own_changes(definition(namespace, "X", dimensions), event("Change", source, parameters)), namespace)
        pods = definition("ContainerInsights", "X", {"ClusterName": "shop", "Namespace": "payments", "PodName": "api"})
        for value in ("payments", "api"):
            self.assertEqual([], self.own_changes(pods, event("Change", "kafka", {"name": value})), value)

    def own_changes(self, alarm: Dict[str, Any], *events: Dict[str, Any], **answers: Any) -> List[str]:
        found = collected(alarm, {"cloudtrail.lookup_events": {"Events": list(events)}, **answers})
        return [change["event"] for change in found["changes"] if change["own"]]

    def test_names_of_parameters_and_tags_make_no_change_own(self) -> None:
        table = definition("AWS/DynamoDB", "ThrottledRequests", {"TableName": "items"})
        instances = {"instancesSet": {"items": [{"instanceId": "i-1"}]}}
        self.assertEqual([], self.own_changes(table, event("TerminateInstances", "ec2", instances)))
        for tags in ({"tagSet": [{"key": "app", "value": "items"}]}, {"tags": {"app": "items"}}, {"tagSpecificationSet": {"items": [{"tags": [{"value": "items"}]}]}}):
            self.assertEqual([], self.own_changes(table, event("CreateTags", "ec2", tags)), tags)
        self.assertEqual(["UpdateTable"], self.own_changes(table, event("UpdateTable", "dynamodb", {"tableName": "items"})))
        group = definition("AWS/EC2", "CPUUtilization", {"AutoScalingGroupName": "web"})
        tagged = {"tags": [{"resourceId": "web", "resourceType": "auto-scaling-group", "key": "a", "value": "b"}]}
        self.assertEqual(["CreateOrUpdateTags"], self.own_changes(group, event("CreateOrUpdateTags", "autoscaling", tagged)))

    def test_resources_of_the_same_name_in_another_service_or_cluster_are_not_own(self) -> None:
        function = definition("AWS/Lambda", "Errors", {"FunctionName": "orders"})
        self.assertEqual(["UpdateFunctionCode"], self.own_changes(
            function, event("DeleteTable", "dynamodb", {"tableName": "orders"}), event("UpdateFunctionCode", "lambda", {"functionName": "orders"})))
        queue = definition("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "orders"})
        machine = {**event("UpdateStateMachine", "states", {}), "Resources": [{"ResourceName": f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:orders"}]}
        self.assertEqual([], self.own_changes(function, machine))
        mapping = {**event("CreateEventSourceMapping", "lambda", {}), "Resources": [{"ResourceName": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"}]}
        self.assertEqual(["CreateEventSourceMapping"], self.own_changes(queue, mapping))
        service = definition("AWS/ECS", "CPUUtilization", {"ClusterName": "prod", "ServiceName": "web"})
        for cluster, own in (("staging", []), ("prod", ["UpdateService"]), (f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod", ["UpdateService"])):
            self.assertEqual(own, self.own_changes(service, event("UpdateService", "ecs", {"cluster": cluster, "service": "web"})), cluster)
        for change in (event("UpdateService", "ecs", {"service": "web"}), event("CreateService", "ecs", {"serviceName": "web"})):
            self.assertEqual([], self.own_changes(service, change), "a request without a cluster is about the cluster default")
            self.assertEqual([change["EventName"]], self.own_changes(definition("AWS/ECS", "X", {"ClusterName": "default", "ServiceName": "web"}), change))

    def test_rules_of_the_same_name_on_another_event_bus_are_not_own(self) -> None:
        for bus, parameters, is_own in (
            ("shop", {"name": "orders", "eventBusName": "shop"}, True), ("shop", {"rule": "orders", "eventBusName": f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/shop"}, True),
            ("shop", {"rule": "orders"}, False), ("shop", {"name": "orders", "eventBusName": "mail"}, False), ("", {"name": "orders"}, True), ("", {"rule": "orders", "eventBusName": "shop"}, False),
            ("shop", {"resourceARN": f"arn:aws:events:eu-west-1:{ACCOUNT}:rule/shop/orders"}, True),
            *(("aws.partner/shop.example/7", {"rule": "orders", "eventBusName": bus}, is_own) for bus, is_own in (
                ("aws.partner/shop.example/7", True), (f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/aws.partner/shop.example/7", True), ("aws.partner/mail.example/7", False))),
        ):
            with self.subTest(bus=bus, parameters=parameters):
                rule = definition("AWS/Events", "FailedInvocations", {"RuleName": "orders", **({"EventBusName": bus} if bus else {})})
                self.assertEqual(["Change"] if is_own else [], self.own_changes(rule, event("Change", "events", parameters)))

    def test_resources_that_no_collector_knows_are_of_the_service_of_their_metrics(self) -> None:
        stream = definition("AWS/Firehose", "DeliveryToS3.Success", {"DeliveryStreamName": "orders"})
        self.assertEqual(["UpdateDestination"], self.own_changes(
            stream, event("UpdateFunctionCode", "lambda", {"functionName": "orders"}), event("UpdateDestination", "firehose", {"deliveryStreamName": "orders"})))
        for namespace in ("AWS/ECS", "AWS/ECS/ManagedScaling"):
            cluster = definition(namespace, "CPUReservation", {"ClusterName": "prod"})
            self.assertEqual(["UpdateService"], self.own_changes(cluster, event("UpdateService", "ecs", {"cluster": "prod", "service": "web"})), namespace)

    def test_each_name_is_that_of_a_resource_of_its_own_service(self) -> None:
        machine = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:orders"
        code = event("UpdateFunctionCode", "lambda", {"functionName": "orders", "s3Bucket": "artifacts"})
        for namespace, dimensions in (
            ("AWS/States", {"StateMachineArn": machine}), ("AWS/S3", {"BucketName": "artifacts"}), ("AWS/EC2", {"AutoScalingGroupName": "orders"}),
            ("AWS/States", {"StateMachineArn": machine.replace("orders", "artifacts")}),
        ):
            self.assertEqual([], self.own_changes(definition(namespace, "X", dimensions), code), dimensions)
        self.assertEqual([], self.own_changes(definition("Shop", "Declines", {"FunctionName": "orders"}), event("UpdateTable", "dynamodb", {"tableName": "orders"})))
        self.assertEqual(["UpdateFunctionCode"], self.own_changes(definition("Shop", "Declines", {"FunctionName": "orders"}), code))
        self.assertEqual([], self.own_changes(definition("AWS/Lambda", "Errors", {"FunctionName": "orders"}), event("PutImage", "ecr", {"repositoryName": "orders"})))
        for namespace, dimensions, source, parameters in (
            ("AWS/States", {"StateMachineArn": machine}, "states", {"stateMachineArn": machine}), ("AWS/States", {"StateMachineArn": machine}, "states", {"name": "orders"}),
            ("AWS/S3", {"BucketName": "orders"}, "s3", {"bucketName": "orders"}),
            ("AWS/EC2", {"AutoScalingGroupName": "orders"}, "autoscaling", {"autoScalingGroupName": "orders"}),
            ("AWS/EC2", {"InstanceId": "i-1"}, "autoscaling", {"instanceId": "i-1"}),
            ("AWS/EC2", {"InstanceId": "i-1"}, "lambda", {"environment": "i-1"}),
        ):
            self.assertEqual(["Change"], self.own_changes(definition(namespace, "X", dimensions), event("Change", source, parameters)), dimensions)

    def test_resources_that_requests_name_by_arn_or_url_are_own(self) -> None:
        def arn(rest: str) -> str:
            return f"arn:aws:{rest.replace(':', f':eu-west-1:{ACCOUNT}:', 1)}"

        url = f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/orders"
        answers = {"sqs.get_queue_url": {"QueueUrl": url}, "rds.describe_db_instances": {"DBInstances": [{"DBClusterIdentifier": "shop"}]}, "ecs.describe_services": {"services": [{"serviceArn": arn("ecs:service/prod/web")}]},
                   "elasticache.describe_cache_clusters": {"CacheClusters": [{"ReplicationGroupId": "sessions"}]}}
        for namespace, dimensions, source, parameters in (
            ("AWS/SQS", {"QueueName": "orders"}, "sqs", {"queueUrl": url}),
            ("AWS/SQS", {"QueueName": "orders"}, "lambda", {"eventSourceArn": arn("sqs:orders")}),
            ("AWS/RDS", {"DBInstanceIdentifier": "orders"}, "rds", {"resourceIdentifier": arn("rds:db:orders")}),
            ("AWS/RDS", {"DBInstanceIdentifier": "orders"}, "rds", {"resourceName": arn("rds:cluster:shop")}),
            ("AWS/RDS", {"DBClusterIdentifier": "shop"}, "rds", {"resourceName": arn("rds:cluster:shop")}),
            ("AWS/DynamoDB", {"TableName": "orders", "GlobalSecondaryIndexName": "by-day"}, "autoscaling", {"resourceId": "table/orders/index/by-day"}),
            ("AWS/SNS", {"TopicName": "orders"}, "sns", {"topicArn": arn("sns:orders")}),
            ("AWS/Lambda", {"FunctionName": "orders"}, "lambda", {"functionName": arn("lambda:function:orders")}),
            ("AWS/DynamoDB", {"TableName": "orders"}, "dynamodb", {"tableName": arn("dynamodb:table/orders")}),
            ("AWS/DynamoDB", {"TableName": "orders"}, "autoscaling", {"resourceId": "table/orders", "maxCapacity": 5}),
            ("AWS/ECS", {"ClusterName": "prod", "ServiceName": "web"}, "autoscaling", {"resourceId": "service/prod/web", "maxCapacity": 5}),
            ("AWS/Lambda", {"FunctionName": "orders"}, "autoscaling", {"resourceId": "function:orders:live", "maxCapacity": 5}),
            ("AWS/RDS", {"DBInstanceIdentifier": "orders"}, "autoscaling", {"resourceId": "cluster:shop", "maxCapacity": 5}),
            ("AWS/ElastiCache", {"CacheClusterId": "sessions-001"}, "autoscaling", {"resourceId": "replication-group/sessions", "maxCapacity": 5}),
            ("AWS/Kinesis", {"StreamName": "orders"}, "kinesis", {"streamARN": arn("kinesis:stream/orders")}),
            ("AWS/ECS", {"ClusterName": "prod", "ServiceName": "web"}, "ecs", {"cluster": "prod", "service": arn("ecs:service/prod/web")}),
            # A part of the resource, or its name in another form.
            ("AWS/SNS", {"TopicName": "orders"}, "sns", {"subscriptionArn": arn("sns:orders:7d1f0c52"), "attributeName": "FilterPolicy"}),
            ("AWS/States", {"StateMachineArn": arn("states:stateMachine:orders")}, "states", {"stateMachineAliasArn": arn("states:stateMachine:orders:live")}),
            ("AWS/DynamoDB", {"TableName": "orders"}, "dynamodb", {"resourceArn": arn("dynamodb:table/orders/index/by-day")}),
            ("AWS/Kinesis", {"StreamName": "orders"}, "kinesis", {"consumerARN": arn("kinesis:stream/orders/consumer/mail:7")}),
            ("AWS/RDS", {"DBInstanceIdentifier": "orders"}, "rds", {"dBInstanceIdentifier": "Orders"}),
            ("AWS/ElastiCache", {"CacheClusterId": "orders"}, "elasticache", {"cacheClusterId": "Orders"}),
            *(("AWS/Lambda", {"FunctionName": "orders"}, "lambda", {"functionName": name})
              for name in (arn("lambda:function:orders:live"), f"{ACCOUNT}:function:orders", f"{ACCOUNT}:function:orders:live", "orders:live")),
        ):
            with self.subTest(parameters):
                self.assertEqual(["Change"], self.own_changes(definition(namespace, "X", dimensions), event("Change", source, parameters), **answers))
        for namespace, dimensions, source, parameters in (
            ("AWS/SNS", {"TopicName": "orders"}, "sns", {"subscriptionArn": arn("sns:orders-2:7d1f0c52")}),
            ("AWS/DynamoDB", {"TableName": "orders"}, "dynamodb", {"resourceArn": arn("dynamodb:table/orders-2/index/by-day")}),
            ("AWS/Lambda", {"FunctionName": "orders"}, "lambda", {"functionName": f"{ACCOUNT}:function:orders-2:orders"}),
            *(("AWS/Lambda", {"FunctionName": name}, "autoscaling", {"resourceId": "function:orders-2:orders"}) for name in ("orders", "function")),
            ("AWS/RDS", {"DBInstanceIdentifier": "orders"}, "autoscaling", {"resourceId": "cluster:shop-2"}),
        ):
            with self.subTest(parameters):
                self.assertEqual([], self.own_changes(definition(namespace, "X", dimensions), event("Change", source, parameters), **answers))

    def test_use_of_a_resource_is_no_change_of_it(self) -> None:
        arn = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:orders"
        starts = [{**event("StartExecution", "states", {"stateMachineArn": arn}), "EventId": str(i), "EventTime": RECENT - timedelta(seconds=i)} for i in range(50)]
        change = event("UpdateStateMachine", "states", {"stateMachineArn": arn})
        found = collected(definition("AWS/States", "ExecutionsFailed", {"StateMachineArn": arn}), {"cloudtrail.lookup_events": {"Events": [*starts, change]}})
        self.assertEqual(["UpdateStateMachine"], [one["event"] for one in found["changes"]])
        self.assertEqual({"StartExecution": 50}, found["trail"]["routine"])
        found = collected(definition("AWS/SQS", "X", {"QueueName": "orders"}), {"cloudtrail.lookup_events": {"Events": [*starts, change]}})
        self.assertEqual((["UpdateStateMachine"], {"StartExecution": 50}), ([one["event"] for one in found["changes"]], found["trail"]["routine"]))
        stream = event("CreateLogStream", "logs", {"logGroupName": "/aws/lambda/orders", "logStreamName": "x"})
        filters = {"metricFilters": [{"filterName": "f", "filterPattern": "ERROR", "logGroupName": "/aws/lambda/orders"}]}
        self.assertEqual([], self.own_changes(definition("App", "Errors", {}), stream, **{"logs.describe_metric_filters": filters}))

    def test_a_long_result_keeps_all_its_parts(self) -> None:
        names = [f"child-{i}" for i in range(12)]
        composite = {"AlarmName": "a", "StateValue": "ALARM", "AlarmRule": " OR ".join(f"ALARM({name})" for name in names)}
        others = [{**definition("AWS/SQS", "X", {}), "AlarmName": f"other-{i}", "StateReason": "r " * 300} for i in range(30)]

        def alarms(request: Dict[str, Any]) -> Dict[str, Any]:
            if request.get("AlarmNames") == ["a"]:
                return {"CompositeAlarms": [composite]}
            children = [{**definition("AWS/SQS", name, {"QueueName": name}), "AlarmName": name} for name in request.get("AlarmNames") or []]
            return {"MetricAlarms": children or (others if request["AlarmTypes"] == ["MetricAlarm"] else [])}

        def data(request: Dict[str, Any]) -> Dict[str, Any]:
            times = [RECENT - timedelta(minutes=i) for i in range(200)]
            return {"MetricDataResults": [{"Id": query["Id"], "Timestamps": times, "Values": [1 / (i + 3) for i in range(200)]} for query in request["MetricDataQueries"]]}
        events = [{**event("UpdateService", "ecs", {"x": "y z " * 200}), "EventId": str(i), "Resources": [{"ResourceName": "r" * 60}]} for i in range(40)]
        rules = {"ID": "r" * 255, "Status": "Enabled", "Expiration": {"Days": 1}}
        found = collected({}, {"cloudwatch.describe_alarms": alarms, "cloudwatch.get_metric_data": data, "cloudtrail.lookup_events": {"Events": events}}, kind="composite")
        self.assertLess(len(json.dumps(found)), 128 << 10)
        self.assertEqual((12, 40, 30), tuple(len(found[part]) for part in ("series", "changes", "related")))
        self.assertIn("series: only the newest 100 datapoints of each are returned, because there are too many", found["problems"])
        bucket = definition("AWS/S3", "4xxErrors", {"BucketName": "orders", "FilterId": "x"})
        found = collected(bucket, {"s3.get_bucket_lifecycle_configuration": {"Rules": [rules] * 1000}})
        self.assertTrue(all(len(text) <= 1000 for text in texts(found)))
        bucket["Dimensions"] = [{"Name": str(i), "Value": "v" * 1000} for i in range(30)]
        found = collected(bucket, {})
        self.assertIn("definition: Dimensions is too long to be returned", found["problems"])

    def test_targets_without_health_checks_are_not_unhealthy(self) -> None:
        group = {"TargetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/fn/9", "TargetGroupName": "fn", "HealthCheckEnabled": False}
        state = {"State": "unavailable", "Reason": "Target.HealthCheckDisabled"}
        found = collected(definition("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", {"LoadBalancer": "app/shop/50dc"}), {
            "elbv2.describe_target_groups": {"TargetGroups": [group]},
            "elbv2.describe_target_health": {"TargetHealthDescriptions": [{"Target": {"Id": "arn:aws:lambda:fn"}, "TargetHealth": state}]}})
        self.assertEqual(["target group fn: health checks are off, so the health of its targets (1) is not known"],
                         [text for text in texts(found) if "target" in text])

    def test_a_fifo_queue_has_the_limit_of_a_standard_queue(self) -> None:
        for flying, full in ((25_000, False), (120_000, True)):
            found = collected(definition("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "orders.fifo"}), {
                "sqs.get_queue_url": {"QueueUrl": "https://sqs/orders.fifo"},
                "sqs.get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessagesNotVisible": str(flying)}}})
            self.assertEqual(full, any("SQS's limit" in text for text in texts(found)), flying)

    def test_document_databases_have_metrics_of_their_own(self) -> None:
        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            own = [q["Id"] for q in request["MetricDataQueries"] if q["MetricStat"]["Metric"]["Namespace"] == "AWS/DocDB"]
            return {"MetricDataResults": [{"Id": id, "Timestamps": [RECENT - timedelta(minutes=1)], "Values": [99.0]} for id in own]}
        instance = {"DBInstanceIdentifier": "db", "Engine": "docdb", "EngineVersion": "5.0", "AllocatedStorage": 1, "StorageType": "standard", "MultiAZ": False}
        found = collected(definition("AWS/DocDB", "CPUUtilization", {"DBInstanceIdentifier": "db"}), {
            "rds.describe_db_instances": {"DBInstances": [instance]}, "cloudwatch.get_metric_data": answer})
        self.assertTrue(any(text.startswith("highest CPU use in percent: 99") for text in texts(found)), texts(found))
        self.assertFalse([text for text in texts(found) if "1 GB" in text or "one zone" in text])

    def test_a_metric_with_dimensions_counts_only_some_of_the_lines(self) -> None:
        line = {"timestamp": int((RECENT - timedelta(minutes=1)).timestamp() * 1000), "message": '{"level": "ERROR", "service": "payments", "message": "refused"}'}
        found = collected(definition("Shop", "Errors", {"Service": "orders"}), {
            "logs.describe_metric_filters": {"metricFilters": [{"filterName": "errors", "filterPattern": "ERROR", "logGroupName": "/shop"}]},
            "logs.filter_log_events": {"events": [line]}})
        self.assertIn("1 lines that match the metric filter; of these, the alarm's metric counts those with Service=orders, from", " ".join(texts(found)))

    def test_a_long_execution_that_failed_is_seen_behind_newer_ones(self) -> None:
        arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:etl"
        ended = [(f"short{i}", timedelta(hours=4), timedelta(hours=3, minutes=50)) for i in range(3)] + [("nightly", timedelta(hours=6), timedelta(minutes=2))]
        listed = [{"executionArn": arn, "stateMachineArn": arn, "name": name, "status": "FAILED", "startDate": RECENT - began, "stopDate": RECENT - end}
                  for name, began, end in ended]  # those that began last come first

        def executions(request: Dict[str, Any]) -> Dict[str, Any]:
            first = int(request.get("nextToken", 0))
            shown = listed[first:first + request["maxResults"]] if request["statusFilter"] == "FAILED" else []
            rest = first + len(shown) < len(listed) and shown
            return {"executions": shown, **({"nextToken": str(first + len(shown))} if rest else {})}
        found = collected(definition("AWS/States", "ExecutionsFailed", {"StateMachineArn": arn}), {
            "stepfunctions.list_executions": executions, "stepfunctions.describe_execution": {"error": "Boom", "cause": "x"},
            "stepfunctions.get_execution_history": {"events": []}})
        self.assertTrue([text for text in texts(found) if text.startswith("execution nightly ended as FAILED: Boom")], texts(found))

    def test_apis_of_the_same_name_are_noted(self) -> None:
        found = collected(definition("AWS/ApiGateway", "5XXError", {"ApiName": "Api"}), {
            "apigateway.get_rest_apis": {"items": [{"id": "aaa", "name": "Api"}, {"id": "bbb", "name": "Api"}]}, "apigateway.get_stages": {}})
        self.assertIn("API Api: 2 REST APIs have this name, and the metric adds them up; only aaa was looked at", found["problems"])

    def test_the_address_of_a_webhook_is_not_shown(self) -> None:
        key = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
        delivery = {"destination": f"https://a:b@events.pagerduty.com/{key}", "statusCode": 500}
        found = collected(definition("AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": "pages"}), {
            "sns.list_subscriptions_by_topic": {"Subscriptions": [
                {"Protocol": "https", "Endpoint": f"https://events.pagerduty.com/integration/{key}/enqueue", "SubscriptionArn": "arn:aws:sns:x"}]},
            "sns.get_subscription_attributes": {"Attributes": {}},
            "logs.filter_log_events": {"events": [{"message": json.dumps({"delivery": delivery})}]}})
        self.assertNotIn(key, json.dumps(found))
        self.assertIn("it delivers to https https://events.pagerduty.com/…, without a dead-letter queue", texts(found))


if __name__ == "__main__":
    unittest.main()
