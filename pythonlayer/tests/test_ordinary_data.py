"""Statements of looks about ordinary answers of AWS."""

import re
import unittest
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from unittest import mock

from alarmtriage_evidence import alarms, looks, queries
from alarmtriage_evidence.context import Context, Metric, Onset
from alarmtriage_evidence.services import (
    api_gateway, auto_scaling, dynamodb, ec2, ecs, elasticache, event_rules, lambda_functions, load_balancers, log_metric_filters,
    performance_insights, rds, s3, sns, sqs, step_functions)
from alarmtriage_tool import logs

NOW = datetime(2026, 1, 15, 12, 16, tzinfo=timezone.utc)


def context(fired=NOW, fallback=None, **clients):
    ctx = Context({"region": "us-east-1", "account": "1", "own_account": "1", "time": fired.timestamp(), "fallback": fallback or {}}, NOW, 20)
    ctx.client = lambda service, region=None: clients[service]
    return ctx


def texts(look):
    return [seen.text for seen in look]


def first_page(key, items, token="NextToken"):
    """Returns an operation whose second page is throttled."""
    def read(**request):
        if {"Marker", "NextToken", "nextToken"} & request.keys():
            raise RuntimeError("Rate exceeded")
        return {key: items, token: "2"}
    return read


class PartialListings(unittest.TestCase):
    """A look states nothing about the items of a listing that were not read."""

    def test_failed_deliveries_are_at_least_those_that_were_read(self):
        line = {"message": '{"delivery": {"destination": "arn:aws:sqs:us-east-1:1:q", "statusCode": 400, "providerResponse": "denied"}}'}
        client = SimpleNamespace(filter_log_events=first_page("events", [line] * 3, "nextToken"))
        self.assertTrue(texts(sns.failures(context(logs=client), "orders"))[0].startswith("at least 3 failed deliveries"))
        client.filter_log_events = lambda **k: {"events": [line] * 3}
        self.assertTrue(texts(sns.failures(context(logs=client), "orders"))[0].startswith("3 failed deliveries"))

    def test_unpublished_version_is_not_compared_with_one_long_before(self):
        def version(name, when, memory):
            return {"Version": name, "LastModified": when.isoformat(), "MemorySize": memory}
        listed = [version("$LATEST", NOW - timedelta(minutes=20), 512), version("1", NOW - timedelta(days=90), 128)]
        client = SimpleNamespace(list_versions_by_function=first_page("Versions", listed, "NextMarker"), list_aliases=lambda **k: {"Aliases": []})
        self.assertEqual(texts(lambda_functions.versions(context(**{"lambda": client}), "orders")), [])
        client.list_versions_by_function = lambda **k: {"Versions": listed}
        self.assertIn("MemorySize 512 (before: 128)", texts(lambda_functions.versions(context(**{"lambda": client}), "orders"))[0])

    def test_version_that_an_unread_alias_may_use(self):
        latest = {"Version": "$LATEST", "LastModified": (NOW - timedelta(minutes=20)).isoformat(), "CodeSha256": "new"}
        old = {"Version": "7", "LastModified": (NOW - timedelta(days=9)).isoformat(), "CodeSha256": "old"}
        aliases = [{"Name": "test", "FunctionVersion": "7"}]
        client = SimpleNamespace(list_aliases=first_page("Aliases", aliases, "NextMarker"),
                                 get_function_configuration=lambda **k: old if "Qualifier" in k else latest)
        self.assertNotIn("no alias uses", texts(lambda_functions.configuration(context(**{"lambda": client}), "orders"))[0])
        client.list_aliases = lambda **k: {"Aliases": aliases}
        self.assertIn("no alias uses", texts(lambda_functions.configuration(context(**{"lambda": client}), "orders"))[0])

    def test_queue_and_rule_with_empty_pages(self):
        pages = SimpleNamespace(list_event_source_mappings=lambda **k: {"EventSourceMappings": [], "NextMarker": k.get("Marker", "") + "x"})
        self.assertEqual(texts(sqs.consumers(context(**{"lambda": pages}), "orders")), [])
        rule = SimpleNamespace(list_targets_by_rule=first_page("Targets", []))
        self.assertEqual(texts(event_rules.rule_targets(context(events=rule), "nightly")), [])

    def test_load_of_a_database(self):
        instance = {"PerformanceInsightsEnabled": True, "Engine": "postgres", "DbiResourceId": "db-1"}
        ctx = context()
        start, onset, _ = ctx.windows()
        series = [{"DataPoints": [{"Timestamp": start, "Value": 1.5}]}]
        client = SimpleNamespace(get_resource_metrics=first_page("MetricList", series))
        ctx.client = lambda service, region=None: client
        self.assertEqual(texts(performance_insights.load(ctx, "DB", instance)), [])

        def keys(name, load):
            return [{"Dimensions": {"db.wait_event.name": name}, "Total": load}]
        before = first_page("Keys", keys("CPU", 3.0))
        client.describe_dimension_keys = lambda **k: {"Keys": keys("IO", 4.0)} if k["StartTime"] == onset else before(**k)
        self.assertIn("IO 4 (at most 3)", texts(performance_insights.wait_events(ctx, "DB", instance))[0])


class Statements(unittest.TestCase):
    def test_step_of_a_parallel_branch(self):
        kinds = [("ExecutionStarted", 0, ""), ("ParallelStateEntered", 1, "Process"), ("TaskStateEntered", 2, "Charge"), ("TaskScheduled", 3, ""),
                 ("TaskStateEntered", 2, "Notify"), ("TaskFailed", 4, ""), ("ParallelStateFailed", 6, ""), ("ExecutionFailed", 7, "")]
        events = [{"id": i + 1, "previousEventId": before, "type": kind, **({"stateEnteredEventDetails": {"name": name}} if name else {})}
                  for i, (kind, before, name) in enumerate(kinds)]
        run = {"executionArn": "e", "name": "run-1", "stopDate": NOW - timedelta(minutes=2)}
        client = SimpleNamespace(list_executions=lambda **k: {"executions": [run] if k["statusFilter"] == "FAILED" else []},
                                 describe_execution=lambda **k: {"error": "Declined", "cause": "no"}, get_execution_history=lambda **k: {"events": events[::-1]})
        found = texts(step_functions.failures(context(stepfunctions=client), "arn:aws:states:us-east-1:1:stateMachine:orders"))
        self.assertIn("ended as FAILED in step Charge: Declined", found[0])
        events[-1]["previousEventId"] = 0
        found = texts(step_functions.failures(context(stepfunctions=client), "arn:aws:states:us-east-1:1:stateMachine:orders"))
        self.assertIn("ended as FAILED in step Charge: Declined", found[0])

    def test_rule_for_delete_markers(self):
        rules = [{"ID": "markers", "Status": "Enabled", "Expiration": {"ExpiredObjectDeleteMarker": True}}]
        client = SimpleNamespace(get_bucket_lifecycle_configuration=lambda **k: {"Rules": rules})
        self.assertEqual(texts(s3.lifecycle(context(s3=client), "orders")), [])
        rules.append({"ID": "old", "Status": "Enabled", "Expiration": {"Days": 30}})
        self.assertEqual(texts(s3.lifecycle(context(s3=client), "orders")), ["objects expire by lifecycle rules old"])

    def test_search_has_the_words_of_errors(self):
        terms = re.findall(r'(?<=\?)[^\s"]+|(?<=\?")[^"]+', logs.ERROR_FILTER)  # CloudWatch distinguishes upper and lower case
        for line in ("Communications link failure", "Failure of the upstream", '{"level":"critical"}', "CONNECTION REFUSED", "ACCESS DENIED", "TIMEOUT",
                     "Out of memory: Killed process 1234 (java)", "OUT OF MEMORY", "Request Timed Out", "CONNECTION TIMED OUT", "Time out", "TimedOut",
                     "EXCEPTION in a worker", "Panic: index out of range", "Fehlgeschlagen", "ÉCHEC", "batch ended with 37 errors", "1,000 failures", "3 timeouts", "Falló la conexión", "FALHA", "Falhou", "Se produjeron errores"):
            self.assertTrue(logs.is_error(line), line)
            self.assertTrue(any(term in line for term in terms), line)
        self.assertLessEqual(len(f"{logs.ERROR_FILTER} {logs.STATUS_FILTER}"), 1024)

    def test_group_with_weights(self):
        group = {"DesiredCapacity": 12, "MinSize": 4, "MaxSize": 40, "Instances": [
            {"InstanceId": f"i-{n}", "HealthStatus": "Healthy", "LifecycleState": "InService", "WeightedCapacity": "4"} for n in range(3)]}
        client = SimpleNamespace(describe_auto_scaling_groups=lambda **k: {"AutoScalingGroups": [group]})
        self.assertIn("12 of 12 desired units of capacity are healthy", texts(auto_scaling.size(context(autoscaling=client), "web"))[0])

    def test_routes_with_limits(self):
        stage = {"StageName": "prod", "DefaultRouteSettings": {"DetailedMetricsEnabled": False}, "RouteSettings": {"POST /orders": {"ThrottlingRateLimit": 1.0}}}
        ctx = context(apigateway=SimpleNamespace(get_rest_apis=lambda **k: {"items": []}), apigatewayv2=SimpleNamespace(
            get_apis=lambda **k: {"Items": [{"ApiId": "abc123"}]}, get_stages=lambda **k: {"Items": [stage]}))
        ctx.metrics = [Metric("AWS/ApiGateway", "4xx", (("ApiId", "abc123"), ("Stage", "prod")), "1")]
        self.assertIn("; 1 method or route has separate settings", texts(api_gateway.stage(ctx, "abc123 prod"))[0])

    def test_deleted_stage_is_reported(self):
        client = SimpleNamespace(get_rest_apis=lambda **k: {"items": [{"id": "abc", "name": "shop"}]}, get_stages=lambda **k: {"item": [{"stageName": "dev"}]})
        for name, want in (("shop prod", "no stage prod is among those of API abc that were read"), ("shop dev", None)):
            ctx = context(apigateway=client)
            ctx.metrics = [Metric("AWS/ApiGateway", "5XXError", (("ApiName", "shop"), ("Stage", name.split()[1])), "1")]
            if want:
                with self.assertRaisesRegex(LookupError, want):
                    texts(api_gateway.stage(ctx, name))
            else:
                self.assertIn("stage dev: ", texts(api_gateway.stage(ctx, name))[0])

    def test_tasks_that_a_scaling_activity_stopped_are_no_errors(self):
        tasks = [{"stopCode": "ServiceSchedulerInitiated", "stoppedReason": reason, "stoppedAt": NOW - timedelta(minutes=at), "containers": []} for reason, at in (
            ("Scaling activity initiated by (deployment ecs-svc/1)", 50), ("Scaling activity initiated by (deployment ecs-svc/1)", 40), ("Task failed ELB health checks", 5))]
        client = SimpleNamespace(list_tasks=lambda **k: {"taskArns": ["a"]}, describe_tasks=lambda **k: {"tasks": tasks})
        planned, sick = ecs.stopped_tasks(context(ecs=client), "prod web")
        self.assertEqual(("change", 35), (planned.topic, planned.weight))
        self.assertIn("2 tasks stopped, the last at 2026-01-15T11:36:00Z: ServiceSchedulerInitiated Scaling activity", planned.text)
        self.assertEqual(("errors", 86), (sick.topic, sick.weight))

    def test_tasks_that_are_stopping_have_not_stopped(self):
        for states, want in ((["DEACTIVATING", "RUNNING"], "2 tasks are stopping: "), (["STOPPED", "STOPPING"], "2 tasks stopped, or are stopping (1 of them): ")):
            tasks = [{"lastStatus": state, "stoppedReason": "Task failed ELB health checks"} for state in states]
            client = SimpleNamespace(list_tasks=lambda **k: {"taskArns": ["a"]}, describe_tasks=lambda **k: {"tasks": tasks})
            self.assertEqual([f"{want}Task failed ELB health checks"], texts(ecs.stopped_tasks(context(ecs=client), "prod web")))

    def test_stopped_tasks_that_were_not_all_read(self):
        arns = [f"arn:aws:ecs:us-east-1:1:task/prod/{n}" for n in range(150)]  # in no order
        def list_tasks(**request):
            first = int(request.get("nextToken") or 0)
            end = first + request["maxResults"]
            return {"taskArns": arns[first:end], **({"nextToken": str(end)} if end < len(arns) else {})}
        client = SimpleNamespace(list_tasks=list_tasks, describe_tasks=lambda **k: {"tasks": [
            {"lastStatus": "STOPPED", "stoppedReason": "Essential container in task exited", "stoppedAt": NOW - timedelta(minutes=200 - int(arn.split("/")[-1]))}
            for arn in k["tasks"]]})
        self.assertEqual(["at least 100 tasks stopped, the last of those that were read at 2026-01-15T10:35:00Z: Essential container in task exited"],
                         texts(ecs.stopped_tasks(context(ecs=client), "prod web")))
        arns = arns[50:]
        self.assertEqual(["100 tasks stopped, the last at 2026-01-15T11:25:00Z: Essential container in task exited"], texts(ecs.stopped_tasks(context(ecs=client), "prod web")))

    def test_variable_that_became_a_secret_is_not_removed(self):
        def container(environment, secrets):
            return {"name": "app", "environment": [{"name": name, "value": "x"} for name in environment],
                    "secrets": [{"name": name, "valueFrom": f"arn:aws:ssm:us-east-1:1:parameter/{name}"} for name in secrets]}
        definitions = {"td/web:4": container([], ["DB_HOST", "DB_PASSWORD"]), "web:3": container(["DB_HOST", "DB_PASSWORD"], [])}
        client = SimpleNamespace(describe_services=lambda **k: {"services": [{"taskDefinition": "td/web:4"}]}, describe_task_definition=lambda taskDefinition: {"taskDefinition": {
            "family": "web", "revision": 4, "registeredAt": NOW, "containerDefinitions": [definitions[taskDefinition]]}})
        self.assertEqual(["task definition web:4 differs from web:3: container app: DB_HOST from arn:aws:ssm:us-east-1:1:parameter/DB_HOST (before: x), "
                          "DB_PASSWORD (another value)"], texts(ecs.difference(context(ecs=client), "prod web")))

    def test_variables_that_lambda_does_not_return_are_not_removed(self):
        shown = {"Timeout": 3, "Environment": {"Variables": {"TABLE": "orders", "TOKEN": "x"}}}
        hidden = {"Timeout": 9, "Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt the variables"}}}
        note = "environment variables not compared, because Lambda did not return them"
        self.assertEqual(["Timeout 9 (before: 3)", note], lambda_functions.differences(shown, hidden))
        self.assertEqual(["Timeout 3 (before: 9)", note], lambda_functions.differences(hidden, shown))
        self.assertEqual([], lambda_functions.differences(hidden, hidden))

    def test_suspended_scaling_keeps_no_capacity(self):
        target = {"ScalableDimension": "dynamodb:table:WriteCapacityUnits", "MinCapacity": 5, "MaxCapacity": 50}
        for state, want in ((None, "auto scaling keeps WriteCapacityUnits between 5 and 50"), ({"DynamicScalingOutSuspended": False}, "auto scaling keeps WriteCapacityUnits between 5 and 50"),
                            ({"DynamicScalingOutSuspended": True, "ScheduledScalingSuspended": True},
                             "auto scaling of WriteCapacityUnits between 5 and 50 is suspended for scaling out, scheduled scaling")):
            client = SimpleNamespace(describe_scalable_targets=lambda **k: {"ScalableTargets": [{**target, **({"SuspendedState": state} if state else {})}]},
                                     describe_scaling_activities=lambda **k: {"ScalingActivities": []})
            self.assertEqual([want], texts(dynamodb.scaling(context(**{"application-autoscaling": client}), "orders")))

    def test_function_of_another_account_is_named_with_its_account(self):
        arn = "arn:aws:lambda:us-east-1:2:function:orders"
        client = SimpleNamespace(get_rest_apis=lambda **k: {"items": [{"id": "abc", "name": "shop"}]}, get_resources=lambda **k: {"items": [
            {"resourceMethods": {"GET": {"methodIntegration": {"uri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"}}}}]})
        self.assertIn(arn, texts(api_gateway.integrations(context(apigateway=client), "shop prod"))[0])

    def test_line_at_the_onset_is_not_one_before_it(self):
        line = {"timestamp": int(NOW.replace(minute=5).timestamp() * 1000), "message": "ERROR: no connection"}
        client = SimpleNamespace(filter_log_events=lambda **k: {"events": [line] if k["startTime"] <= line["timestamp"] <= k["endTime"] else []})
        ctx = context(logs=client)
        ctx.onsets = [Onset(NOW.replace(minute=5), timedelta(minutes=1))]
        self.assertIn("1 log lines in g from 2026-01-15T12:05:00Z to 2026-01-15T12:05:00Z, none in the 30 minutes before", texts(looks.log_errors(ctx, "x", "g"))[0])

    def test_last_errors_of_a_program_that_ended_are_seen(self):
        lines = [{"timestamp": int(NOW.replace(minute=minute).timestamp() * 1000), "message": text}
                 for minute, text in ((1, "ERROR: retry"), (3, "ERROR: late"), (4, "FATAL: disk is full"), (4, "FATAL: disk is full"))]
        client = SimpleNamespace(filter_log_events=lambda **k: {"events": [one for one in lines if k["startTime"] <= one["timestamp"] <= k["endTime"]]})
        ctx = context(logs=client)
        ctx.onsets = [Onset(NOW.replace(minute=5), timedelta(minutes=1))]
        self.assertEqual(texts(looks.log_errors(ctx, "x", "g")), [
            "2 log lines in g from 2026-01-15T12:04:00Z to 2026-01-15T12:04:00Z, none from 2026-01-15T12:05:00Z on: FATAL: disk is full",
            "1 log lines in g from 2026-01-15T12:03:00Z to 2026-01-15T12:03:00Z, none from 2026-01-15T12:05:00Z on: ERROR: late"])

    def test_lines_after_the_onset_are_seen_if_those_before_it_cannot_be_read(self):
        def read(**request):
            if request["startTime"] < NOW.replace(minute=5).timestamp() * 1000:
                raise RuntimeError("ThrottlingException")
            return {"events": [{"timestamp": request["startTime"], "message": "ERROR: no connection"}]}
        ctx = context(logs=SimpleNamespace(filter_log_events=read))
        ctx.onsets = [Onset(NOW.replace(minute=5), timedelta(minutes=1))]
        self.assertRegex(texts(looks.log_errors(ctx, "x", "g"))[0], "^1 log lines in g from .*, none of those that were read in the 30 minutes before")
        self.assertIn("log lines of g before 2026-01-15T12:05:00Z: ThrottlingException", ctx.notes)

    def test_number_of_lines_that_were_not_all_read_is_a_least_one(self):
        def read(**request):
            page = int(request.get("nextToken") or 0)
            return {"events": [{"timestamp": request["startTime"] + page, "message": "WARN: ERROR: no connection"}], "nextToken": str(page + 1)}
        found = {"filterName": "f", "logGroupName": "g", "filterPattern": "ERROR", "metricTransformations": [{"metricValue": "1"}]}
        ctx = context(logs=SimpleNamespace(filter_log_events=read, describe_metric_filters=lambda **k: {"metricFilters": [found]}))
        self.assertRegex(texts(looks.log_errors(ctx, "x", "g"))[0], "^at least 8 log lines in g from .*, at least 8 in the 30 minutes before")
        self.assertIn("log lines of g: not all warnings after 2026-01-15T12:10:00Z were read", ctx.notes)
        self.assertRegex(texts(log_metric_filters.matching_lines(ctx, "Shop Errors"))[1], "^at least 8 lines that the alarm's metric counts")
        failure = {"message": '{"delivery": {"destination": "q", "statusCode": 403}}'}
        ctx = context(logs=SimpleNamespace(filter_log_events=lambda **k: {"events": [failure] * 1001}))
        self.assertRegex(texts(sns.failures(ctx, "orders"))[0], "^at least 1000 failed deliveries")

    def test_lines_of_rare_patterns_are_counted_among_many(self):
        def read(**request):
            is_before = request["startTime"] < NOW.replace(minute=10).timestamp() * 1000
            rare = [f"ERROR {name} is unknown" for name in "abcdefghijklmnopqrstuvwxyz" for _ in range(3)]
            texts = [*rare, *["ERROR: no connection"] * (2 if is_before else 6)] if "ERROR" in request["filterPattern"] else []
            return {"events": [{"timestamp": request["startTime"], "message": text} for text in texts]}
        ctx = context(logs=SimpleNamespace(filter_log_events=read))
        self.assertRegex(texts(looks.log_errors(ctx, "x", "g"))[0], "^6 log lines in g from .*, 2 in the 30 minutes before .*: ERROR: no connection$")
        self.assertEqual([], ctx.notes)

    def test_deleted_subscription_is_not_one_to_confirm(self):
        listed = [{"SubscriptionArn": arn, "Protocol": "email", "Endpoint": f"{arn}@example.com"} for arn in ("Deleted", "PendingConfirmation")]
        client = SimpleNamespace(list_subscriptions_by_topic=lambda **k: {"Subscriptions": listed})
        self.assertEqual(texts(sns.subscriptions(context(sns=client), "orders")), [
            "its subscription to email Deleted@example.com was deleted", "its subscription to email PendingConfirmation@example.com is not confirmed"])

    def test_target_group_of_the_alarm_is_read_first(self):
        groups = [{"TargetGroupArn": f"arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/g{n}/{n}", "TargetGroupName": f"g{n}"} for n in range(9)]
        client = SimpleNamespace(describe_target_groups=lambda **k: {"TargetGroups": groups}, describe_target_health=lambda **k: {})
        ctx = context(elbv2=client)
        ctx.metrics = [Metric("AWS/ApplicationELB", "UnHealthyHostCount", (("LoadBalancer", "app/shop/1"), ("TargetGroup", "targetgroup/g7/7")), "1")]
        self.assertIn("target group g7:", texts(load_balancers.target_health(ctx, "app/shop/1"))[0])

    def test_numbers_of_an_index_that_is_throttled(self):
        def read(**request):
            is_index = any(one["Name"] == "GlobalSecondaryIndexName" for one in request["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"])
            return {"MetricDataResults": [{"Id": query["Id"], "Timestamps": [NOW - timedelta(minutes=1)], "Values": [50.0 if is_index else 0.0]} for query in request["MetricDataQueries"]]}
        index = {"IndexName": "by-date", "IndexStatus": "ACTIVE", "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1}}
        table = {"TableStatus": "ACTIVE", "ProvisionedThroughput": {"WriteCapacityUnits": 100}, "GlobalSecondaryIndexes": [index, {**index, "IndexName": "other"}]}
        ctx = context(cloudwatch=SimpleNamespace(get_metric_data=read), dynamodb=SimpleNamespace(describe_table=lambda **k: {"Table": table}))
        ctx.metrics = [Metric("AWS/DynamoDB", "WriteThrottleEvents", (("GlobalSecondaryIndexName", "by-date"), ("TableName", "orders")), "1")]
        found = [f"{seen.about}: {seen.text}" for seen in dynamodb.numbers(ctx, "orders")]
        self.assertTrue(any(text.startswith("DynamoDB table orders, index by-date: write throttle events: 50") for text in found), found)
        self.assertEqual([text for text in texts(dynamodb.state(ctx, "orders")) if text.startswith("the capacity of index")],
                         ["the capacity of index by-date is provisioned: 5 read and 1 write units"])

    def test_what_a_service_uses(self):
        service = {"taskDefinition": "web:3", "networkConfiguration": {"awsvpcConfiguration": {"securityGroups": ["sg-1"]}},
                   "loadBalancers": [{"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/9f2c"}, {"loadBalancerName": "classic"}]}
        definition = {"taskRoleArn": "arn:aws:iam::1:role/app/web-task", "executionRoleArn": "arn:aws:iam::1:role/web-pull"}
        for found, described, want in ((service, definition, {"sg-1", "9f2c", "web-task", "web-pull"}), ({"taskDefinition": "web:3"}, {}, set())):
            client = SimpleNamespace(describe_services=lambda **k: {"services": [found]}, describe_task_definition=lambda **k: {"taskDefinition": described})
            self.assertEqual(ecs.uses(context(ecs=client), "prod web"), want)

    def test_what_a_database_uses(self):
        cluster = {"DBClusterMembers": [{"DBInstanceIdentifier": "orders-1"}], "DBClusterParameterGroup": "cluster-group", "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}]}
        instance = {"DBParameterGroups": [{"DBParameterGroupName": "group"}], "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-2"}]}
        client = SimpleNamespace(describe_db_clusters=lambda **k: {"DBClusters": [cluster]}, describe_db_instances=lambda **k: {"DBInstances": [instance]})
        self.assertEqual(rds.uses(context(rds=client), "cluster orders"), {"orders-1", "cluster-group", "sg-1"})
        self.assertEqual(rds.uses(context(rds=client), "orders"), {"group", "sg-2"})

    def test_newest_events_of_a_cache(self):
        events = [{"Message": f"event {n}", "Date": NOW - timedelta(minutes=n)} for n in range(1, 20)]  # AWS begins with the newest one
        client = SimpleNamespace(describe_cache_clusters=lambda **k: {"CacheClusters": [{}]}, describe_events=lambda **k: {"Events": events})
        found = texts(elasticache.events(context(elasticache=client), "orders"))
        self.assertEqual([text.split(" at ")[0] for text in found], [f"event: event {n}" for n in range(8, 0, -1)])

    def test_failover_before_many_other_events_of_a_database(self):
        events = [{"Message": f"event {n}", "Date": NOW - timedelta(minutes=n), "EventCategories": ["failover" if n == 19 else "backup"]} for n in range(1, 20)]
        client = SimpleNamespace(describe_events=lambda **k: {"Events": events}, describe_db_instances=lambda **k: {"DBInstances": [{}]})
        found = texts(rds.events(context(rds=client), "orders"))
        self.assertEqual({text.split(" at ")[0] for text in found}, {f"event: event {n}" for n in (*range(1, 10), 19)})

    def test_reason_of_a_rollback_before_many_other_events_of_a_stack(self):
        def event(minute, resource, status, reason=""):
            kind = "AWS::CloudFormation::Stack" if resource == "shop" else "AWS::SQS::Queue"
            return {"LogicalResourceId": resource, "PhysicalResourceId": resource, "ResourceType": kind, "ResourceStatus": status, "Timestamp": NOW - timedelta(minutes=minute),
                    **({"ResourceStatusReason": reason} if reason else {})}
        events = [event(1, "shop", "UPDATE_ROLLBACK_COMPLETE"), event(2, "shop", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"), event(3, "orders", "UPDATE_COMPLETE"),
                  event(4, "orders", "UPDATE_IN_PROGRESS"), event(5, "shop", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [carts]."),
                  event(6, "orders", "UPDATE_FAILED", "Resource update cancelled"), event(7, "jobs", "UPDATE_FAILED", "Resource update cancelled"),
                  event(8, "carts", "UPDATE_FAILED", "Invalid value for VisibilityTimeout"), event(9, "shop", "UPDATE_IN_PROGRESS", "User Initiated")]
        client = SimpleNamespace(describe_stack_resources=lambda **k: {"StackResources": [{"StackName": "shop", "PhysicalResourceId": "orders"}]},
                                 describe_stack_events=lambda **k: {"StackEvents": events})
        found = texts(looks.stack_events(context(cloudformation=client), "x", "orders"))
        self.assertEqual(6, len(found))
        self.assertIn("carts UPDATE_FAILED: Invalid value for VisibilityTimeout", found[0])
        failed = [event(60 + n, f"topic-{n}", "CREATE_FAILED", "Rate exceeded") for n in range(8)]
        events = [event(1, "shop", "UPDATE_COMPLETE"), event(2, "orders", "UPDATE_COMPLETE"), event(3, "orders", "UPDATE_IN_PROGRESS"), *failed]
        found = texts(looks.stack_events(context(cloudformation=client), "x", "orders"))
        self.assertEqual(6, len(found))
        self.assertIn("orders UPDATE_COMPLETE", " ".join(found))
        self.assertIn("topic-0 CREATE_FAILED", " ".join(found))

    def test_log_group_in_another_region(self):
        options = {"awslogs-group": "/ecs/web", "awslogs-region": "eu-west-1"}
        ecs_client = SimpleNamespace(describe_services=lambda **k: {"services": [{"taskDefinition": "td/web:3"}]}, describe_task_definition=lambda **k: {
            "taskDefinition": {"containerDefinitions": [{"logConfiguration": {"options": options}}]}})
        ctx = context()
        ctx.client = lambda service, region=None: ecs_client if service == "ecs" else SimpleNamespace(filter_log_events=lambda **k: {
            "events": [{"timestamp": NOW.timestamp() * 1000, "message": f"ERROR in {region}"}] if region == "eu-west-1" else 1 / 0})
        self.assertIn("ERROR in eu-west-1", "\n".join(texts(ecs.logs(ctx, "prod web"))))

    def test_names_of_functions(self):
        for value, want in (("orders", ["orders"]), ("orders:live", ["orders"]), ("arn:aws:lambda:us-east-1:1:function:orders:live", ["orders"]), ("a/b", [])):
            self.assertEqual(lambda_functions.targets(Metric("Shop", "Errors", (("FunctionName", value),), "1")), want)

    def test_service_with_task_sets(self):
        sets = [{"status": "ACTIVE", "taskDefinition": "td/web:3"}, {"status": "PRIMARY", "taskDefinition": "td/web:4", "createdAt": NOW - timedelta(minutes=3)}]
        client = SimpleNamespace(describe_services=lambda **k: {"services": [{"serviceName": "web", "taskSets": sets}]},
                                 describe_task_definition=lambda taskDefinition: {"taskDefinition": {"family": "web", "revision": int(taskDefinition[-1]), "registeredAt": NOW}})
        ctx = context(ecs=client)
        self.assertIn("PRIMARY task set of web:4 (state unknown) was created at 2026-01-15T12:13:00Z", "\n".join(texts(ecs.service(ctx, "prod web"))))
        self.assertIn("task definition web:4 was registered", texts(ecs.task_definition(ctx, "prod web"))[0])

    def test_keys_of_other_accounts_are_not_among_the_first_two(self):
        texts_of_errors = [f"arn:aws:kms:us-east-1:{account}:key/0123456789-{account}" for account in (2, 3, 1)]
        client = SimpleNamespace(describe_key=lambda **k: {"KeyMetadata": {"KeyState": "Disabled"}})
        self.assertEqual(["KMS key 0123456789-1, which its errors name, is Disabled"], texts(looks.keys_of(context(kms=client), "orders", texts_of_errors)))

    def test_query_whose_status_is_not_known_yet(self):
        answers = iter([{"status": "Unknown"}, {"status": "Complete", "results": [[{"field": "@message", "value": "boom"}]]}])
        client = SimpleNamespace(start_query=lambda **k: {"queryId": "1"}, get_query_results=lambda **k: next(answers))
        asked = {"text": "fields @message", "log_groups": ["g"], "start_offset": 300, "end_offset": 0}
        with mock.patch.object(queries.time, "sleep"):
            self.assertEqual(["boom"], queries.log_lines(context(logs=client), asked, []))

    def test_alarms_of_other_accounts_below_a_nested_composite_alarm(self):
        inner = {"AlarmName": "inner", "AlarmRule": "ALARM(arn:aws:cloudwatch:us-east-1:2:alarm:orders)"}
        ctx = context(cloudwatch=SimpleNamespace(describe_alarms=lambda **k: {"CompositeAlarms": [inner]}))
        ctx.alarm = {**ctx.alarm, "name": "outer"}
        self.assertEqual([], alarms.children(ctx, {"AlarmRule": "ALARM(inner)"}))
        self.assertEqual(["child alarms: 1 of other accounts or Regions were not read, such as arn:aws:cloudwatch:us-east-1:2:alarm:orders"], ctx.notes)

    def test_event_that_is_over(self):
        event = {"Code": "system-reboot", "Description": "[Completed] reboot", "NotBefore": NOW - timedelta(days=9)}
        client = SimpleNamespace(describe_instance_status=lambda **k: {"InstanceStatuses": [{"Events": [event]}]})
        found = list(ec2.status_checks(context(ec2=client), "i-1"))[-1]
        self.assertEqual((15, "scheduled event system-reboot: [Completed] reboot, from 2026-01-06T12:16:00Z"), (found.weight, found.text))

    def test_modifications_that_are_being_applied(self):
        instance = {"DBInstanceStatus": "modifying", "PendingModifiedValues": {"DBInstanceClass": "db.r6g.large"}}
        client = SimpleNamespace(describe_db_instances=lambda **k: {"DBInstances": [instance]})
        self.assertIn("modifications are pending or being applied: DBInstanceClass", texts(rds.state(context(rds=client), "orders")))

    def test_rates_of_datapoints_for_five_minutes(self):
        def read(**request):
            results = []
            for query in request["MetricDataQueries"]:
                step = 60 if query["MetricStat"]["Metric"]["MetricName"] == "StatusCheckFailed" else 300
                last = int(NOW.timestamp()) - 120 - step
                times = [t for t in range(int(request["StartTime"].timestamp()) // step * step, last + 1, step) if t >= request["StartTime"].timestamp()]
                results.append({"Id": query["Id"], "Timestamps": [datetime.fromtimestamp(t, timezone.utc) for t in times], "Values": [500.0] * len(times)})
            return {"MetricDataResults": results}
        ctx = context(fired=NOW - timedelta(minutes=5), fallback={"Period": 300, "EvaluationPeriods": 1}, cloudwatch=SimpleNamespace(get_metric_data=read))
        ctx.onsets = [Onset(NOW.replace(minute=5), timedelta(minutes=5))]
        found = next(text for text in texts(ec2.numbers(ctx, "i-1")) if "bytes received" in text)
        self.assertEqual(found.count("(100 per minute)"), 2, found)

    def test_datapoints_that_have_not_arrived_are_not_called_missing(self):
        wanted = (("messages sent", "NumberOfMessagesSent", "Sum", 60),)
        for since, last, want in ((2, 3, "messages sent: no data yet after 2026-01-15T12:14:00Z, 10 in the 30 minutes before"),
                                  (2, 2, "messages sent: 10 (10 per minute) from 2026-01-15T12:14:00Z to 2026-01-15T12:15:00Z, no data in the 30 minutes before"),
                                  (9, 10, "messages sent: no data from 2026-01-15T12:07:00Z to 2026-01-15T12:11:00Z, 10 (0.333 per minute) in the 30 minutes before")):
            result = {"Id": "q0", "Timestamps": [NOW - timedelta(minutes=last)], "Values": [10.0]}
            ctx = context(fired=NOW, cloudwatch=SimpleNamespace(get_metric_data=lambda **k: {"MetricDataResults": [result]}))
            ctx.onsets = [Onset(NOW - timedelta(minutes=since), timedelta(minutes=1))]
            self.assertEqual([want], texts(looks.metrics(ctx, "queue", "AWS/SQS", {"QueueName": "orders"}, wanted)))

    def test_a_datapoint_from_before_the_onset_does_not_cover_the_time_after_it(self):
        def read(**request):  # datapoints for five minutes, the last of which begins before the onset and ends after it
            times = [NOW - timedelta(minutes=ago) for ago in (21, 16, 11)]
            return {"MetricDataResults": [{"Id": query["Id"], "Timestamps": times, "Values": [10.0] * 3} for query in request["MetricDataQueries"]]}
        for since, want in ((3, "no data yet after 2026-01-15T12:13:00Z, 10 in the 30 minutes before"),
                            (10, "no data yet after 2026-01-15T12:06:00Z, 10 in the 30 minutes before"),
                            (11, "10 from 2026-01-15T12:05:00Z to 2026-01-15T12:10:00Z, 10 in the 30 minutes before")):
            ctx = context(fired=NOW, cloudwatch=SimpleNamespace(get_metric_data=read))
            ctx.onsets = [Onset(NOW - timedelta(minutes=since), timedelta(minutes=1))]
            self.assertIn(f"highest CPU use in percent: {want}", texts(ec2.numbers(ctx, "i-1")))
