"""The first looks per service, each at a staged incident: what gives the incident away must be among the first observations."""

import json
import unittest
from datetime import timedelta
from types import ModuleType
from typing import Any, Dict, List

from alarmtriage_evidence import services
from alarmtriage_evidence.difference import changed, changed_variables
from alarmtriage_evidence.looks import log_errors
from alarmtriage_evidence.services import (
    account, api_gateway, auto_scaling, cloudfront, dynamodb, ec2, ecs, elasticache, event_rules, kinesis, lambda_functions,
    load_balancers, log_metric_filters, rds, s3, sns, step_functions,
)

from . import fake_aws
from .fake_aws import FIRED, FakeAWS, context, look, metric

MINUTES = timedelta(minutes=1)
REGION = "eu-west-1:123456789012"
NO_STACK = fake_aws.error("ValidationError", "Stack for x does not exist")


class Looks(unittest.TestCase):
    def see(self, collector: ModuleType, name: str, answers: Dict[str, Any], metrics: Dict[str, Any] = {}, **alarm: Any) -> List[str]:
        """Returns the texts of all observations, the most relevant first. No look may fail."""
        aws = FakeAWS({"cloudformation.describe_stack_resources": NO_STACK, **answers})
        aws.metrics(metrics)
        seen, failed = look(collector, context(aws, **alarm), name)
        self.assertEqual({}, failed)
        for service, operation in aws.called:
            self.assertIn(fake_aws.action(service, operation), collector.READS)
        for one in seen:
            self.assertIn(one.topic, ("change", "health", "limit", "errors", "dependency", "configuration"))
            self.assertTrue(0 <= one.weight <= 100 and one.text and "\n" not in one.about, one)
        return [one.text for one in seen]

    def first(self, texts: List[str], *wanted: str, among: int = 5) -> None:
        for text in wanted:
            self.assertTrue(any(text in one for one in texts[:among]), f"{text!r} is not among the first of {json.dumps(texts, indent=1)}")


class SharedLogGroup(unittest.TestCase):
    def test_lines_of_other_functions_do_not_count(self) -> None:
        streams = ("2026/08/04/carts[$LATEST]aa", "2026/08/04/orders[7]bb", "audit")
        for group, where in (("/shop/all", "its streams of /shop/all"), (None, "its streams of /aws/lambda/orders")):
            configuration = {**Lambda.answers["lambda.get_function_configuration"], **({"LoggingConfig": {"LogGroup": group}} if group else {})}
            ctx = context(FakeAWS({"lambda.get_function_configuration": configuration, "logs.filter_log_events": lines_of(*streams)}))
            found = [one.text for one in lambda_functions.errors(ctx, "orders") if "ERROR of" in one.text]
            self.assertEqual(sorted(streams[1:]), sorted(text.rpartition("ERROR of ")[2] for text in found))
            self.assertTrue(all(f"1 log lines in {where} from" in text for text in found), found)

    def test_only_a_log_group_without_lines_of_others_has_no_errors(self) -> None:
        for stream, want in (("2026/08/04/carts[$LATEST]aa", "no lines that look like errors in its streams of /aws/lambda/orders "),
                             ("2026/08/04/[$LATEST]bb", "1 log lines in /aws/lambda/orders ")):
            ctx = context(FakeAWS({"lambda.get_function_configuration": Lambda.answers["lambda.get_function_configuration"], "logs.filter_log_events": lines_of(stream)}))
            self.assertIn(want, "\n".join(one.text for one in lambda_functions.errors(ctx, "orders")))


class Lambda(Looks):
    answers = {
        "lambda.get_function_configuration": {
            "FunctionName": "orders", "Role": f"arn:aws:iam::123456789012:role/orders-role", "Timeout": 3, "MemorySize": 128, "Runtime": "python3.13",
            "LastModified": "2026-08-04T12:20:00.000+0000", "State": "Active", "LastUpdateStatus": "Successful"},
        "lambda.get_function_concurrency": {},
        "lambda.list_versions_by_function": {"Versions": [{"Version": "$LATEST"}, {"Version": "7", "LastModified": "2026-08-04T12:21:00.000+0000"}]},
        "lambda.list_aliases": {"Aliases": [{"Name": "live", "FunctionVersion": "7", "RoutingConfig": {"AdditionalVersionWeights": {"6": 0.1}}}]},
        "lambda.list_event_source_mappings": {"EventSourceMappings": [{
            "EventSourceArn": f"arn:aws:sqs:{REGION}:orders", "State": "Disabled", "StateTransitionReason": "User initiated"}]},
        "logs.filter_log_events": lambda request: {"events": [
            {"timestamp": int(FIRED.timestamp() * 1000), "message": "[ERROR] KeyError: 'sku'\nTraceback (most recent call last):\nKeyError: 'sku'"}]
            if request["endTime"] > FIRED.timestamp() * 1000 else []},
    }

    def test_a_deployment_and_new_errors_come_first(self) -> None:
        texts = self.see(lambda_functions, "orders", self.answers, {"Errors": (1, 90), "Invocations": (300, 100), "Throttles": (0, 0)})
        self.first(texts, "code or configuration was last modified at 2026-08-04T12:20:00Z, 16 minutes before the alarm",
                   "version 7 was published", "1 log lines in /aws/lambda/orders", "its event source arn:aws:sqs:eu-west-1:123456789012:orders is Disabled")
        self.assertIn("alias live is version 7, 10% to version 6", "\n".join(texts))

    def test_versions_are_compared(self) -> None:
        versions = [
            {"Version": "$LATEST"},
            {"Version": "9", "LastModified": "2026-08-01T00:00:00.000+0000", "CodeSha256": "a", "Timeout": 3, "Environment": {"Variables": {
                "CONFIG": "a" * 300, "POOL": "4", "DB_PASSWORD": "hunter2", "URL": "postgres://app:hunter2@db/x", "OLD": "1"}}},
            {"Version": "10", "LastModified": "2026-08-04T12:21:00.000+0000", "CodeSha256": "b", "Timeout": 3, "Layers": [{"Arn": f"arn:aws:lambda:{REGION}:layer:trust:7"}],
             "Environment": {"Variables": {"CONFIG": "b" * 201, "POOL": "25", "DB_PASSWORD": "hunter3", "URL": "postgres://app:hunter3@db/x"}}}]
        answers = {**self.answers, "lambda.list_versions_by_function": {"Versions": versions}, "lambda.list_aliases": {"Aliases": [{"Name": "live", "FunctionVersion": "10"}]}}
        texts = self.see(lambda_functions, "orders", answers, {})
        self.first(texts, "version 10 differs from version 9: code, Layers trust:7 (before: not set), "
                          "CONFIG a text of 201 characters (before: a text of 300 characters), POOL 25 (before: 4), DB_PASSWORD (another value), URL (another value), "
                          "OLD not set (before: 1)")
        self.assertNotIn("hunter", "\n".join(texts))
        for change, alias in (({"LastModified": "2026-08-01T00:00:00.000+0000"}, "10"), ({}, "9")):  # long ago, and not in use
            other = [versions[0], versions[1], {**versions[2], **change}]
            answers.update({"lambda.list_versions_by_function": {"Versions": other}, "lambda.list_aliases": {"Aliases": [{"Name": "live", "FunctionVersion": alias}]}})
            self.assertNotIn("differs from", "\n".join(self.see(lambda_functions, "orders", answers, {})))

    def test_no_value_of_a_variable_with_the_name_of_a_secret_is_shown(self) -> None:
        names = ("DB_PW", "DBPW2", "MYSQL_PSWD", "APP_PSW", "GITHUB_PAT", "SENHA", "KENNWORT", "PSK_OLD", "JWT", "WEBHOOK", "CONNECTION_STRING", "ConnString", "HMAC", "SAS",
                 "ADMIN_LOGIN", "DB_PW_BACKUP", "dbPwOld", "DB_PW_BASE64", "db_pw2_text_old", "SessionData1", "ALERTS_WEBHOOK_URL", "webhookUrl2", "WEBHOOK_URIS_OLD",
                 "WEBHOOKS_URL", "SLACK_WEBHOOK_ENDPOINT", "WALLET_MNEMONIC", "OTP_SEED", "SEED_PHRASE", "CLAVE", "DB_MDP",
                 "STRIPE_SK", "STRIPE_SK_LIVE", "SK", "SQLCONNSTR_DB", "CONN_STR", "CONTRASEÑA", "HASH_PEPPER", "VAULT_UNSEAL")
        for name in names:
            self.assertEqual([f"{name} (another value)"], changed_variables({name: "horse"}, {name: "swordfish"}))
        for name in ("MAX_CONNECTIONS", "MAX_SPEED", "SEED_NODES", "TASK", "MAX_DISK", "X_SKU"):
            self.assertEqual([f"{name} 2 (before: 1)"], changed_variables({name: "1"}, {name: "2"}))

    def test_the_options_of_a_changed_command_stay_before_their_values(self) -> None:
        self.assertEqual(['command ["run", "--db-password", "b"] (before: ["run", "--db-password", "a"])'],
                         changed("command", ["run", "--db-password", "a"], ["run", "--db-password", "b"]))

    def test_the_stack_of_a_resource_is_found_if_it_has_more_than_a_hundred(self) -> None:
        resources = [{"StackName": "shop", "PhysicalResourceId": f"r{i}"} for i in range(100)]
        event = {"PhysicalResourceId": "orders", "LogicalResourceId": "Orders", "ResourceStatus": "UPDATE_COMPLETE", "Timestamp": FIRED - 5 * MINUTES}
        answers = {**self.answers, "cloudformation.describe_stack_resources": {"StackResources": resources},
                   "cloudformation.describe_stack_events": {"StackEvents": [event]}}
        self.assertIn("CloudFormation stack shop: Orders UPDATE_COMPLETE at 2026-08-04T12:31:00Z", "\n".join(self.see(lambda_functions, "orders", answers)))
        answers["cloudformation.describe_stack_resources"] = {"StackResources": resources[:99]}
        self.assertNotIn("stack shop", "\n".join(self.see(lambda_functions, "orders", answers)))

    def test_the_stack_of_a_table_with_the_name_of_the_function_is_another_one(self) -> None:
        for kind, is_own in (("AWS::DynamoDB::Table", False), ("AWS::Lambda::Function", True)):
            event = {"PhysicalResourceId": "orders", "LogicalResourceId": "Orders", "ResourceType": kind, "ResourceStatus": "UPDATE_COMPLETE", "Timestamp": FIRED - 5 * MINUTES}
            answers = {**self.answers, "cloudformation.describe_stack_events": {"StackEvents": [event]}, "cloudformation.describe_stack_resources": {
                "StackResources": [{"StackName": "data", "PhysicalResourceId": "orders", "ResourceType": kind}]}}
            self.assertEqual(is_own, "stack data" in "\n".join(self.see(lambda_functions, "orders", answers)), kind)

    def test_the_unpublished_version_is_compared_if_there_is_no_alias(self) -> None:
        answers = {**self.answers, "lambda.list_aliases": {"Aliases": []}, "lambda.list_versions_by_function": {"Versions": [
            {"Version": "$LATEST", "LastModified": "2026-08-04T12:20:00.000+0000", "MemorySize": 128}, {"Version": "7", "MemorySize": 512}]}}
        self.first(self.see(lambda_functions, "orders", answers, {}), "version $LATEST differs from version 7: MemorySize 128 (before: 512)")

    def test_settings_without_readable_values_are_compared(self) -> None:
        answers = {**self.answers, "lambda.list_aliases": {"Aliases": []}, "lambda.list_versions_by_function": {"Versions": [
            {"Version": "$LATEST", "LastModified": "2026-08-04T12:20:00.000+0000", "Architectures": ["arm64"], "EphemeralStorage": {"Size": 512},
             "ImageConfigResponse": {"ImageConfig": {"Command": ["app.new"]}}, "TracingConfig": {"Mode": "PassThrough"}},
            {"Version": "7", "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 1024}, "TracingConfig": {"Mode": "PassThrough"}}]}}
        self.first(self.see(lambda_functions, "orders", answers, {}), "version $LATEST differs from version 7: Architectures arm64 (before: x86_64), "
                                                                      "EphemeralStorage 512 (before: 1024), ImageConfigResponse (new)")

    def test_a_version_that_an_alias_uses_is_described_if_the_unpublished_one_is_newer(self) -> None:
        latest = {"FunctionName": "orders", "Version": "$LATEST", "LastModified": "2026-08-04T12:20:00.000+0000", "Role": "r", "Timeout": 3, "MemorySize": 128}
        for change, is_newer in (({"LastModified": "2026-08-01T00:00:00.000+0000", "Timeout": 30}, True), ({"LastModified": "2026-08-01T00:00:00.000+0000"}, False),
                                 ({"LastModified": "2026-08-04T12:21:00.000+0000", "Timeout": 30}, False)):
            answers = {**self.answers, "lambda.get_function_configuration": lambda request: {**latest, "Version": "7", **change} if request.get("Qualifier") == "7" else latest}
            texts = "\n".join(self.see(lambda_functions, "orders", answers))
            self.assertEqual(is_newer, "code or configuration of its unpublished version, which no alias uses, was last modified" in texts, change)
            self.assertEqual(is_newer, "version 7, which an alias uses: timeout 30 s" in texts, change)
        answers["lambda.list_aliases"] = {"Aliases": [{"Name": "live", "FunctionVersion": "$LATEST"}]}
        self.assertNotIn("unpublished", "\n".join(self.see(lambda_functions, "orders", answers)))

    def test_a_version_that_receives_a_part_of_the_invocations_is_compared(self) -> None:
        versions = [{"Version": "4", "Timeout": 30, "LastModified": "2026-08-01T00:00:00.000+0000"}, {"Version": "5", "Timeout": 3, "LastModified": "2026-08-04T12:30:00.000+0000"}]
        answers = {**self.answers, "lambda.list_aliases": {"Aliases": [{"Name": "live", "FunctionVersion": "4", "RoutingConfig": {"AdditionalVersionWeights": {"5": 0.1}}}]}}
        for listed in ({"Versions": versions}, {"Versions": [{"Version": f"{1000 + i}"} for i in range(200)], "NextMarker": "200"}):  # of many versions, the listing lacks the newest
            answers["lambda.list_versions_by_function"] = listed
            answers["lambda.get_function_configuration"] = lambda request: next(
                (one for one in versions if one["Version"] == request.get("Qualifier")), {"FunctionName": "orders", "Role": "r"})
            texts = self.see(lambda_functions, "orders", answers)
            self.assertIn("version 5 differs from version 4: Timeout 3 (before: 30)", texts)
            self.assertTrue(any(text.startswith("version 5 was published at 2026-08-04T12:30:00Z") for text in texts), texts)

    def test_a_version_is_not_compared_with_one_of_the_oldest(self) -> None:
        def read(request: Dict[str, Any]) -> Dict[str, Any]:
            if request.get("Qualifier") == "1152":
                raise fake_aws.error("ResourceNotFoundException")
            return {"FunctionName": "orders", "Timeout": 3, "Role": "r", "LastModified": "2026-08-04T12:30:00.000+0000"}

        answers = {**self.answers, "lambda.list_aliases": {"Aliases": [{"Name": "live", "FunctionVersion": "1153"}]}, "lambda.get_function_configuration": read,
                   "lambda.list_versions_by_function": {"Versions": [{**read({}), "Version": "$LATEST"}, *({"Version": f"{i}", "Timeout": 9} for i in range(1, 200))],
                                                        "NextMarker": "200"}}
        for aliases in ([{"Name": "live", "FunctionVersion": "1153"}], [], [{"Name": "live", "FunctionVersion": "$LATEST"}]):
            answers["lambda.list_aliases"] = {"Aliases": aliases}
            self.assertNotIn("differs from version", "\n".join(self.see(lambda_functions, "orders", answers)), aliases)
        del answers["lambda.list_versions_by_function"]["NextMarker"]  # these are all versions
        self.assertIn("version $LATEST differs from version 199: Timeout 3 (before: 9)", "\n".join(self.see(lambda_functions, "orders", answers)))

    def test_variables_that_cannot_be_decrypted_come_first(self) -> None:
        key = f"arn:aws:kms:{REGION}:key/7d1f0c52-3f0e-4c56-9a44-5d2b8f1e6a90"
        configuration = {**self.answers["lambda.get_function_configuration"], "KMSKeyArn": key, "Layers": [{"Arn": f"arn:aws:lambda:{REGION}:layer:trust:7"}],
                         "Environment": {"Error": {"ErrorCode": "KMSDisabledException", "Message": "Lambda was unable to decrypt the environment variables"}}}
        answers = {**self.answers, "lambda.get_function_configuration": configuration, "kms.describe_key": {"KeyMetadata": {"KeyId": key, "KeyState": "Disabled"}}}
        texts = self.see(lambda_functions, "orders", answers, {})
        self.first(texts, "its environment variables cannot be decrypted: KMSDisabledException: Lambda was unable to decrypt",
                   "KMS key 7d1f0c52-3f0e-4c56-9a44-5d2b8f1e6a90, which encrypts its environment variables, is Disabled")
        self.assertIn("layers trust:7", "\n".join(texts))
        self.assertEqual({"trust", "7d1f0c52-3f0e-4c56-9a44-5d2b8f1e6a90"}, lambda_functions.uses(context(FakeAWS(answers)), "orders"))

    def test_variables_that_only_the_triage_cannot_decrypt_are_not_seen(self) -> None:
        configuration = {**self.answers["lambda.get_function_configuration"], "KMSKeyArn": f"arn:aws:kms:{REGION}:key/7d1f0c52-3f0e",
                         "Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": "not authorized to perform: kms:Decrypt"}}}
        ctx = context(FakeAWS({**self.answers, "lambda.get_function_configuration": configuration}))
        texts = [one.text for one in lambda_functions.configuration(ctx, "orders")]
        self.assertEqual([], [text for text in texts if "decrypt" in text or "KMS" in text])
        self.assertIn("timeout 3 s, memory 128 MB", texts[-1])
        self.assertEqual(["environment variables of Lambda function orders: not authorized to perform: kms:Decrypt",
                          f"state of KMS key arn:aws:kms:{REGION}:key/7d1f0c52-3f0e: An error occurred (AccessDeniedException) when calling the DescribeKey operation: "
                          "describe_key is not staged"], ctx.notes)

    def test_a_key_that_an_error_names(self) -> None:
        def see(key: str, state: str) -> str:
            lines = {"events": [{"timestamp": int(FIRED.timestamp() * 1000), "message": f"[ERROR] DisabledException: arn:aws:kms:{key} is disabled."}]}
            answers = {**self.answers, "logs.filter_log_events": lines, "kms.describe_key": {"KeyMetadata": {"KeyId": "k", "KeyState": state, "DeletionDate": FIRED}}}
            return "\n".join(self.see(lambda_functions, "orders", answers, {}))

        self.assertIn("KMS key 1234567890-ab, which its errors name, is PendingDeletion, to be deleted at 2026-08-04T12:36:00Z",
                      see(f"{REGION}:key/1234567890-ab", "PendingDeletion"))
        for other in ("eu-west-1:999988887777:key/1234567890-ab", "us-east-1:123456789012:key/1234567890-ab"):
            self.assertNotIn("KMS key", see(other, "Disabled"))

    def test_new_warnings_are_observed(self) -> None:
        def lines(request: Dict[str, Any]) -> Dict[str, Any]:
            texts = ["WARN queue is full", "WARN slow"] if request["endTime"] > FIRED.timestamp() * 1000 else ["WARN slow"]
            return {"events": [{"timestamp": request["startTime"], "message": text} for text in texts]}

        texts = self.see(lambda_functions, "orders", {**self.answers, "logs.filter_log_events": lines}, {})
        self.assertEqual(["1 new warnings in /aws/lambda/orders from 2026-08-04T12:34:00Z to 2026-08-04T12:34:00Z, none in the 30 minutes before "
                          "2026-08-04T12:34:00Z: WARN queue is full"], [text for text in texts if "warnings" in text])

    def test_it_is_noted_if_it_is_not_known_which_warnings_are_new(self) -> None:
        def lines(request: Dict[str, Any]) -> Dict[str, Any]:
            is_earlier = request["endTime"] < FIRED.timestamp() * 1000
            return {"events": [{"timestamp": request["startTime"], "message": "WARN slow"}], **({"nextToken": request.get("nextToken", "") + "x"} if is_earlier else {})}

        ctx = context(FakeAWS({"logs.filter_log_events": lines}))
        self.assertNotIn("new warnings", " ".join(one.text for one in log_errors(ctx, "function", "/aws/lambda/orders")))
        self.assertIn("log lines of /aws/lambda/orders: not all warnings before 2026-08-04T12:34:00Z were read, so it is not known which are new", ctx.notes)

    def test_the_share_of_failing_invocations_tells_traffic_from_errors(self) -> None:
        for metrics, wanted in (
            ({"Invocations": (300, 60), "Errors": (3, 0.6)}, "share of invocations that fail: 1 percent from 2026-08-04T12:34:00Z to 2026-08-04T12:37:00Z, 1 percent in"),
            ({"Invocations": (300, 60), "Errors": (None, 30)}, "share of invocations that fail: 50 percent from 2026-08-04T12:34:00Z to 2026-08-04T12:37:00Z, 0 percent in"),
            ({"Invocations": (300, 60), "Errors": (3, 61)}, "share of invocations that fail: 100 percent from"),  # a late datapoint
            ({"Invocations": (None, 60), "Errors": (None, 30)}, ""), ({"Invocations": (300, 60), "Errors": (3, 0)}, ""),
        ):
            texts = self.see(lambda_functions, "orders", self.answers, metrics)
            self.assertEqual([wanted] if wanted else [], [text[:len(wanted)] for text in texts if "share of" in text])

    def test_a_reserved_concurrency_of_zero_comes_first(self) -> None:
        texts = self.see(lambda_functions, "orders", {**self.answers, "lambda.get_function_concurrency": {"ReservedConcurrentExecutions": 0}})
        self.first(texts, "its reserved concurrency is 0, so no invocation can run", among=1)

    def test_a_failed_update_is_reported(self) -> None:
        configuration = {**self.answers["lambda.get_function_configuration"], "State": "Failed", "StateReason": "image not found",
                         "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "KMS key is disabled"}
        texts = self.see(lambda_functions, "orders", {**self.answers, "lambda.get_function_configuration": configuration})
        self.first(texts, "its state is Failed: image not found", "its last update is Failed: KMS key is disabled")

    def test_the_time_of_a_change_is_read_in_every_form_of_iso_8601(self) -> None:
        for text in ("2026-08-04T12:20:00.000+0000", "2026-08-04T12:20:00Z", "2026-08-04T12:20:00.123456789Z", "2026-08-04T14:20:00.5+02:00"):
            configuration = {**self.answers["lambda.get_function_configuration"], "LastModified": text}
            texts = self.see(lambda_functions, "orders", {**self.answers, "lambda.get_function_configuration": configuration})
            self.first(texts, "code or configuration was last modified at 2026-08-04T12:20:00Z")

    def test_its_role_is_a_name_for_cloudtrail(self) -> None:
        ctx = context(FakeAWS(dict(self.answers)), partition="aws-us-gov")
        self.assertEqual([(None, "orders"), ("us-gov-west-1", "orders-role")], lambda_functions.names(ctx, "orders"))


class DynamoDB(Looks):
    def test_a_decreased_capacity_comes_first(self) -> None:
        texts = self.see(dynamodb, "orders", {
            "dynamodb.describe_table": {"Table": {"TableStatus": "ACTIVE", "ProvisionedThroughput": {
                "ReadCapacityUnits": 5, "WriteCapacityUnits": 5, "LastDecreaseDateTime": FIRED - 9 * MINUTES},
                "GlobalSecondaryIndexes": [{"IndexName": "by-day", "IndexStatus": "CREATING"}]}},
            "application-autoscaling.describe_scalable_targets": {"ScalableTargets": [{
                "ScalableDimension": "dynamodb:table:ReadCapacityUnits", "MinCapacity": 5, "MaxCapacity": 5}]},
            "application-autoscaling.describe_scaling_activities": {"ScalingActivities": []},
        }, {"ReadThrottleEvents": (0, 800)})
        self.first(texts, "capacity was last decreased at 2026-08-04T12:27:00Z", "read throttle events: 800", "index by-day is CREATING")
        self.assertIn("auto scaling keeps ReadCapacityUnits between 5 and 5", "\n".join(texts))


    def test_an_on_demand_table(self) -> None:
        summary = {"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": FIRED - 9 * MINUTES}
        for more, want, switched in (
            ({"CreationDateTime": FIRED - 9 * MINUTES}, "its capacity mode is on-demand", False),  # a new table has its first mode since its creation
            ({"CreationDateTime": FIRED - 900 * MINUTES, "OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}}, "its capacity mode is on-demand", True),
            ({"OnDemandThroughput": {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": -1}}, "its capacity mode is on-demand, at most 5 read units per second", True),
            ({"OnDemandThroughput": {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 7}},
             "its capacity mode is on-demand, at most 5 read units and 7 write units per second", True),
        ):
            ctx = context(FakeAWS({"dynamodb.describe_table": {"Table": {"TableStatus": "ACTIVE", "BillingModeSummary": summary, **more}}}))
            texts = [one.text for one in dynamodb.state(ctx, "orders")]
            self.assertIn(want, texts)
            self.assertEqual(switched, any("was switched to on-demand" in text for text in texts), more)


class SNS(Looks):
    def test_failed_deliveries_and_pending_subscriptions(self) -> None:
        texts = self.see(sns, "orders", {
            "sns.get_topic_attributes": {"Attributes": {"SubscriptionsConfirmed": "1", "SubscriptionsPending": "1", "KmsMasterKeyId": "alias/shop"}},
            "sns.list_subscriptions_by_topic": {"Subscriptions": [
                {"SubscriptionArn": f"arn:aws:sns:{REGION}:orders:1", "Protocol": "sqs", "Endpoint": f"arn:aws:sqs:{REGION}:orders"},
                {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "a@example.com"}]},
            "sns.get_subscription_attributes": {"Attributes": {"FilterPolicy": "{}"}},
            "logs.filter_log_events": lambda request: {"events": [{"message": json.dumps({"delivery": {
                "destination": f"arn:aws:sqs:{REGION}:orders", "statusCode": 400, "providerResponse":
                    f"KMS.AccessDeniedException: no kms:Decrypt; Request ID: c7acfc5e-b5fa-41a8-9385-6a17a6e2dfc{i}"}, "status": "FAILURE"})} for i in range(3)] + [
                {"message": "[1]"}, {"message": "no JSON"}] if request["logGroupName"] == "sns/eu-west-1/123456789012/orders/Failure" else []},
        }, {"NumberOfNotificationsFailed": (0, 40)})
        self.first(texts, "3 failed deliveries since 2026-08-04T12:34:00Z to arn:aws:sqs:eu-west-1:123456789012:orders: 400 KMS.AccessDeniedException: no kms:Decrypt; Request ID: c7ac",
                   "failed deliveries: 40", "its subscription to email a@example.com is not confirmed")
        self.assertIn("with a filter policy, without a dead-letter queue", "\n".join(texts))

    def test_a_topic_without_delivery_logging(self) -> None:
        aws = FakeAWS({"logs.filter_log_events": fake_aws.error("ResourceNotFoundException", "The specified log group does not exist.")})
        self.assertEqual([], list(sns.failures(context(aws), "orders")))

    def test_what_it_delivers_to_is_related(self) -> None:
        endpoints = (f"arn:aws:sqs:{REGION}:billing", f"arn:aws:lambda:{REGION}:function:mailer", "https://example.com/hook", "a@example.com")
        aws = FakeAWS({"sns.list_subscriptions_by_topic": {"Subscriptions": [{"SubscriptionArn": "s", "Endpoint": one} for one in endpoints]},
                       "lambda.get_function_configuration": {"Role": "r"}})
        self.assertEqual({"billing", "mailer"}, services.related(context(aws), [(sns, "orders")]))


class APIGateway(Looks):
    rest = {
        "apigateway.get_rest_apis": {"items": [{"id": "abc", "name": "shop"}]},
        "apigateway.get_stages": {"item": [{"stageName": "prod", "deploymentId": "d1", "lastUpdatedDate": FIRED - 5 * MINUTES,
                                            "methodSettings": {"*/*": {"throttlingRateLimit": 10.0, "throttlingBurstLimit": 5, "loggingLevel": "ERROR"}}}]},
        "apigateway.get_resources": {"items": [{"resourceMethods": {"GET": {"methodIntegration": {
            "uri": f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:function:orders/invocations"}}}}]},
        "logs.filter_log_events": {"events": []},
    }

    def test_a_changed_stage_and_its_throttling(self) -> None:
        texts = self.see(api_gateway, "shop prod", self.rest, {"5XXError": (1, 70), "Count": (500, 100)})
        self.first(texts, "stage prod was last changed (deployment d1) at 2026-08-04T12:31:00Z", "server errors: 70")
        self.assertIn("stage prod: throttled at 10 requests per second, burst 5", "\n".join(texts))
        self.assertIn("it calls Lambda function orders", "\n".join(texts))
        self.assertIn("no lines that look like errors in API-Gateway-Execution-Logs_abc/prod", "\n".join(texts))

    def test_access_logs_are_searched_by_their_status_whatever_their_name(self) -> None:
        line = '10.0.0.7 - - [04/Aug/2026:12:36:01 +0000] "GET /orders HTTP/1.1" 529 41'
        stage = {**self.rest["apigateway.get_stages"]["item"][0], "accessLogSettings": {"destinationArn": f"arn:aws:logs:{REGION}:log-group:orders-prod"}}

        def events(request: Dict[str, Any]) -> Dict[str, Any]:
            found = "?529" in request["filterPattern"].split() and request["endTime"] > FIRED.timestamp() * 1000
            return {"events": [{"timestamp": int(FIRED.timestamp() * 1000), "message": line}] if found else []}
        texts = self.see(api_gateway, "shop prod", {**self.rest, "apigateway.get_stages": {"item": [stage]}, "logs.filter_log_events": events})
        self.assertIn("1 log lines in orders-prod", "\n".join(texts))

    def test_execution_logs_of_one_method_are_read(self) -> None:
        aws = FakeAWS({"apigateway.get_rest_apis": {"items": [{"id": "a1", "name": "shop"}]}, "logs.filter_log_events": {"events": []},
                       "apigateway.get_stages": {"item": [{"stageName": "prod", "methodSettings": {"*/*": {"loggingLevel": "OFF"}, "orders/GET": {"loggingLevel": "ERROR"}}}]}})
        list(api_gateway.access_logs(context(aws), "shop prod"))
        self.assertIn("API-Gateway-Execution-Logs_a1/prod", [request.get("logGroupName") for _, request in aws.requests])

    def test_a_websocket_api_with_execution_logs_is_not_called_one_without_logs(self) -> None:
        ctx = context(FakeAWS({"apigateway.get_rest_apis": {}, "apigatewayv2.get_apis": {"Items": [{"ApiId": "w1", "Name": "chat"}]},
                               "apigatewayv2.get_stages": {"Items": [{"StageName": "live", "DefaultRouteSettings": {"LoggingLevel": "INFO"}}]}}))
        self.assertEqual([], list(api_gateway.access_logs(ctx, "w1 live")))
        self.assertEqual(["log lines of API w1 live: none were read, because stage live has no access logs in CloudWatch Logs"], ctx.notes)

    def test_stages_and_integrations_that_are_left_out_are_noted(self) -> None:
        stages = {"item": [{**self.rest["apigateway.get_stages"]["item"][0], "stageName": f"s{i}"} for i in range(4)]}
        methods = {str(i): {"methodIntegration": {"uri": f"http://10.0.0.{i}/"}} for i in range(11)}
        aws = FakeAWS({**self.rest, "apigateway.get_stages": stages, "apigateway.get_resources": {"items": [{"resourceMethods": methods}]}})
        ctx = context(aws)
        look(api_gateway, ctx, "shop")
        self.assertIn("stages of shop: only 3 of 4 were looked at", ctx.problems())
        self.assertIn("integrations of shop: only 10 of 11 are listed", ctx.problems())

    def test_an_http_api_is_found_by_its_id(self) -> None:
        texts = self.see(api_gateway, "xyz", {
            "apigateway.get_rest_apis": {"items": []},
            "apigatewayv2.get_apis": {"Items": [{"ApiId": "xyz", "Name": "shop", "ProtocolType": "HTTP", "RouteSelectionExpression": "x"}]},
            "apigatewayv2.get_stages": {"Items": [{"StageName": "$default", "LastUpdatedDate": FIRED - 5 * MINUTES, "DeploymentId": "d2"}]},
            "apigatewayv2.get_integrations": {"Items": [{"IntegrationUri": "http://10.0.0.1/"}]},
        }, {"5xx": (0, 9)})
        self.first(texts, "stage $default was last changed (deployment d2)", "server errors: 9")
        self.assertIn("it calls http://10.0.0.1/", "\n".join(texts))


class LoadBalancers(Looks):
    def test_unhealthy_targets_come_first_with_their_reason(self) -> None:
        texts = self.see(load_balancers, "app/shop/50dc6c495c0c9188", {
            "elbv2.describe_load_balancers": {"LoadBalancers": [{"State": {"Code": "active"}, "Scheme": "internal", "AvailabilityZones": [{"ZoneName": "eu-west-1a"}]}]},
            "elbv2.describe_target_groups": {"TargetGroups": [{"TargetGroupArn": f"arn:aws:elasticloadbalancing:{REGION}:targetgroup/web/1", "TargetGroupName": "web",
                                                               "HealthCheckProtocol": "HTTP", "HealthCheckPath": "/healthz", "HealthCheckPort": "traffic-port"}]},
            "elbv2.describe_target_health": {"TargetHealthDescriptions": [
                {"Target": {"Id": "10.0.1.7", "Port": 8080}, "TargetHealth": {"State": "unhealthy", "Reason": "Target.ResponseCodeMismatch",
                                                                              "Description": "Health checks failed with these codes: [503]"}}] + [
                {"Target": {"Id": f"10.0.2.{i}", "Port": 8080}, "TargetHealth": {"State": "unhealthy", "Reason": "Target.Timeout"}} for i in range(9)]},
            "elbv2.describe_listeners": {"Listeners": [{"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": "arn:aws:acm:x:1:certificate/c"}],
                                                        "DefaultActions": [{"Type": "forward"}]}]},
        }, {"HTTPCode_ELB_5XX_Count": (0, 300)})
        self.first(texts, "9 targets, 10.0.2.0:8080, 10.0.2.1:8080, 10.0.2.2:8080, 10.0.2.3:8080, 10.0.2.4:8080, 10.0.2.5:8080, 10.0.2.6:8080, 10.0.2.7:8080 and 1 more, "
                          "are unhealthy: Target.Timeout")
        self.first(texts, "target group web: 0 of 10 targets are healthy; health check HTTP /healthz on port traffic-port",
                   "target 10.0.1.7:8080 is unhealthy: Target.ResponseCodeMismatch Health checks failed with these codes: [503]",
                   "server errors of the load balancer itself: 300")

    def test_it_uses_listeners_target_and_security_groups(self) -> None:
        arn = f"arn:aws:elasticloadbalancing:{REGION}:targetgroup/web/943f017f100becff"
        aws = FakeAWS({"elbv2.describe_load_balancers": {"LoadBalancers": [{"SecurityGroups": ["sg-1"]}]}, "elbv2.describe_target_groups": {"TargetGroups": [{"TargetGroupArn": arn}]}})
        self.assertEqual({"50dc6c495c0c9188", "943f017f100becff", "sg-1"}, services.related(context(aws), [(load_balancers, "app/shop/50dc6c495c0c9188")]))

    def test_targets_are_load_balancers_and_lone_target_groups(self) -> None:
        self.assertEqual(["app/a/1"], load_balancers.targets(metric("AWS/ApplicationELB", LoadBalancer="app/a/1", TargetGroup="targetgroup/b/2")))
        self.assertEqual(["targetgroup/b/2"], load_balancers.targets(metric("AWS/ApplicationELB", TargetGroup="targetgroup/b/2")))
        self.assertEqual([], load_balancers.targets(metric("AWS/ELB", LoadBalancerName="classic")))


class ECS(Looks):
    def test_a_new_task_definition_whose_containers_stop(self) -> None:
        texts = self.see(ecs, "shop web", {
            "ecs.describe_services": {"services": [{
                "serviceArn": f"arn:aws:ecs:{REGION}:service/shop/web", "status": "ACTIVE", "runningCount": 0, "desiredCount": 3, "pendingCount": 3,
                "taskDefinition": f"arn:aws:ecs:{REGION}:task-definition/web:12",
                "deployments": [{"status": "ACTIVE", "taskDefinition": f"arn:aws:ecs:{REGION}:task-definition/web:10"}, {"status": "PRIMARY", "taskDefinition": f"arn:aws:ecs:{REGION}:task-definition/web:12", "rolloutState": "IN_PROGRESS",
                                 "failedTasks": 9, "createdAt": FIRED - 8 * MINUTES}],
                "events": [{"message": "(service web) is unable to consistently start tasks successfully.", "createdAt": FIRED - 2 * MINUTES}] + [
                    {"message": f"(service web) has started {i} tasks: {'(task 0abc) ' * i}.", "createdAt": FIRED - (i + 3) * MINUTES} for i in range(1, 10)]}]},
            "ecs.list_tasks": {"taskArns": ["t1", "t2"]},
            "ecs.describe_tasks": {"tasks": [{"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
                                              "containers": [{"name": "web", "exitCode": 137, "reason": "OutOfMemoryError: Container killed"}]}] * 2},
            "ecs.describe_task_definition": lambda request: {"taskDefinition": {
                "family": "web", "revision": 12, "registeredAt": FIRED - 9 * MINUTES, "taskDefinitionArn": f"arn:aws:ecs:{REGION}:task-definition/web:12", "containerDefinitions": [
                    {"name": "web", "image": "shop/web:2.0", "memory": 512 if request["taskDefinition"].endswith(":10") else 128, "cpu": 256,
                     "environment": [{"name": "CACHE", "value": "on" if request["taskDefinition"].endswith(":10") else "off"}, {"name": "API_TOKEN", "value": request["taskDefinition"]}],
                     "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/web"}}}]}},
            "logs.filter_log_events": {"events": []},
        }, {"MemoryUtilization": (40, 100)})
        self.first(texts, "task definition web:12 differs from web:10: container web: memory 128 (before: 512), CACHE off (before: on), API_TOKEN (another value)",
                   "PRIMARY deployment of web:12 (IN_PROGRESS), 9 failed tasks began at 2026-08-04T12:28:00Z",
                   "0 of 3 desired tasks are running", "task definition web:12 was registered", "container web: exit code 137 OutOfMemoryError", among=7)
        self.assertIn("container web runs shop/web:2.0 with 128 MB of memory, CPU 256", "\n".join(texts))
        started = [text for text in texts if "has started" in text]
        self.assertEqual(1, len(started), started)
        self.assertTrue(started[0].startswith("service event: (service web) has started 1 tasks: (task 0abc) . at 2026-08-04T12:32:00Z"), started)
        self.assertTrue(started[0].endswith(" (9 such events since 2026-08-04T12:24:00Z)"), started)

    def test_every_difference_of_a_task_definition_is_named(self) -> None:
        old = {"family": "web", "revision": 6, "taskDefinitionArn": "td/web:6", "status": "INACTIVE", "volumes": [], "containerDefinitions": [
            {"name": "web", "image": "web:1", "essential": True, "portMappings": [{"containerPort": 8080}], "user": "app"}, {"name": "proxy", "image": "envoy:1"}]}
        new = {"family": "web", "revision": 7, "taskDefinitionArn": "td/web:7", "status": "ACTIVE", "registeredAt": FIRED - 9 * MINUTES, "pidMode": "task", "containerDefinitions": [
            {"name": "web", "image": "web:1", "essential": False, "portMappings": [{"containerPort": 80}], "healthCheck": {"command": ["CMD", "new"]}, "mountPoints": []}]}
        texts = self.see(ecs, "shop web", {
            "ecs.describe_services": {"services": [{"status": "ACTIVE", "taskDefinition": "td/web:7"}]}, "ecs.list_tasks": {"taskArns": []},
            "ecs.describe_task_definition": lambda request: {"taskDefinition": new if request["taskDefinition"].endswith("7") else old}})
        self.assertIn("task definition web:7 differs from web:6: pidMode (new); container web: essential (another value), portMappings (another value), "
                      "user (removed), healthCheck (new); container proxy (removed)", texts)

    def test_a_deleted_service_is_not_healthy(self) -> None:
        ctx = context(FakeAWS({"ecs.describe_services": {"services": [{"status": "INACTIVE", "runningCount": 0, "desiredCount": 0, "pendingCount": 0}]}}))
        self.assertEqual([("0 of 0 desired tasks are running and 0 are pending; its status is INACTIVE", 88)],
                         [(one.text, one.weight) for one in ecs.service(ctx, "shop web")])


class EC2(Looks):
    def test_an_impaired_instance(self) -> None:
        texts = self.see(ec2, "i-0abc", {
            "ec2.describe_instances": {"Reservations": [{"Instances": [{"State": {"Name": "running"}, "InstanceType": "t3.micro", "LaunchTime": FIRED - 10 * MINUTES,
                                                                        "BlockDeviceMappings": [{"Ebs": {"VolumeId": "vol-1"}}]}]}]},
            "ec2.describe_instance_status": {"InstanceStatuses": [{"SystemStatus": {"Status": "impaired"}, "InstanceStatus": {"Status": "ok"},
                                                                   "Events": [{"Code": "system-reboot", "Description": "scheduled reboot", "NotBefore": FIRED}]}]},
            "ec2.describe_volume_status": {"VolumeStatuses": [{"VolumeId": "vol-1", "VolumeStatus": {"Status": "impaired"}}]},
        }, {"StatusCheckFailed": (0, 1)})
        self.first(texts, "its system status check is impaired", "volume vol-1 is impaired", "it was launched at 2026-08-04T12:26:00Z", "system-reboot")


    def test_volumes_that_the_instance_does_not_reach(self) -> None:
        ctx = context(FakeAWS({"ec2.describe_instance_status": {"InstanceStatuses": [
            {"SystemStatus": {"Status": "ok"}, "InstanceStatus": {"Status": "ok"}, "AttachedEbsStatus": {"Status": "impaired"}}]}}))
        self.assertEqual([("its system status check is ok", 15), ("its instance status check is ok", 15), ("its attached EBS status check is impaired", 92)],
                         [(one.text, one.weight) for one in ec2.status_checks(ctx, "i-1")])


class AutoScaling(Looks):
    def test_a_group_at_its_maximum_that_cannot_launch(self) -> None:
        texts = self.see(auto_scaling, "web", {
            "autoscaling.describe_auto_scaling_groups": {"AutoScalingGroups": [{
                "DesiredCapacity": 4, "MinSize": 1, "MaxSize": 4, "SuspendedProcesses": [{"ProcessName": "ReplaceUnhealthy"}],
                "Instances": [{"InstanceId": "i-1", "HealthStatus": "Unhealthy", "LifecycleState": "InService"}]}]},
            "autoscaling.describe_scaling_activities": {"Activities": [{
                "ActivityId": "1", "AutoScalingGroupName": "web", "Cause": "c", "Description": "Launching a new EC2 instance", "StatusCode": "Failed",
                "StatusMessage": "We currently do not have sufficient t3.micro capacity", "StartTime": FIRED - 3 * MINUTES}]},
        })
        self.first(texts, "Launching a new EC2 instance (Failed): We currently do not have sufficient t3.micro capacity", "0 of 4 desired instances",
                   "it has reached its maximum size of 4", "suspended processes: ReplaceUnhealthy")


class RDS(Looks):
    answers = {
        "rds.describe_db_instances": {"DBInstances": [{
            "DBInstanceIdentifier": "orders-1", "DBInstanceArn": f"arn:aws:rds:{REGION}:db:orders-1", "DBInstanceStatus": "storage-full",
            "DBInstanceClass": "db.t3.medium", "Engine": "aurora-postgresql", "EngineVersion": "16.4", "AllocatedStorage": 20, "DBClusterIdentifier": "orders",
            "PendingModifiedValues": {"DBInstanceClass": "db.t3.large", "MasterUserPassword": "x"},
            "DBParameterGroups": [{"DBParameterGroupName": "pg", "ParameterApplyStatus": "pending-reboot"}]}]},
        "rds.describe_db_clusters": {"DBClusters": [{"DBClusterIdentifier": "orders", "Status": "failing-over", "Engine": "aurora-postgresql",
                                                     "DBClusterMembers": [{"DBInstanceIdentifier": "orders-1", "IsClusterWriter": True}]}]},
        "rds.describe_events": {"Events": [{"Message": "Completed failover to DB instance: orders-2", "Date": FIRED - 6 * MINUTES, "EventCategories": ["failover"]}]},
        "rds.describe_pending_maintenance_actions": {"PendingMaintenanceActions": []},
    }

    def test_a_failover_and_a_full_disk(self) -> None:
        texts = self.see(rds, "orders-1", self.answers, {"DatabaseConnections": (20, 400)})
        self.first(texts, "its status is storage-full", "event: Completed failover to DB instance: orders-2 at 2026-08-04T12:30:00Z", "cluster orders is failing-over")
        self.assertIn("modifications wait for the next maintenance window: DBInstanceClass", "\n".join(texts))
        self.assertNotIn("Password", "\n".join(texts))

    def test_modifications_that_turn_something_off(self) -> None:
        pending = {"MultiAZ": False, "BackupRetentionPeriod": 0, "ProcessorFeatures": []}
        ctx = context(FakeAWS({"rds.describe_db_instances": {"DBInstances": [{"DBInstanceStatus": "available", "Engine": "mysql", "PendingModifiedValues": pending}]}}))
        self.assertIn("modifications wait for the next maintenance window: BackupRetentionPeriod, MultiAZ", [one.text for one in rds.state(ctx, "orders")])

    def test_modifications_that_may_be_in_progress_do_not_wait(self) -> None:
        instance = self.answers["rds.describe_db_instances"]["DBInstances"][0]
        for status in ("modifying", "upgrading", "rebooting", "storage-config-upgrade"):
            answers = {**self.answers, "rds.describe_db_instances": {"DBInstances": [{**instance, "DBInstanceStatus": status}]}}
            texts = [one for one in self.see(rds, "orders-1", answers) if "DBInstanceClass" in one]
            self.assertEqual(["modifications are pending or being applied: DBInstanceClass"], texts, status)

    def test_a_metric_of_a_cluster(self) -> None:
        self.assertEqual(["cluster orders"], rds.targets(metric("AWS/RDS", DBClusterIdentifier="orders", Role="WRITER")))
        texts = self.see(rds, "cluster orders", self.answers)
        self.first(texts, "cluster orders is failing-over with orders-1 (writer)")


class ElastiCache(Looks):
    def test_evictions_and_a_failover(self) -> None:
        texts = self.see(elasticache, "cart-001", {
            "elasticache.describe_cache_clusters": {"CacheClusters": [{"CacheClusterStatus": "available", "NumCacheNodes": 1, "CacheNodeType": "cache.t3.micro",
                                                                       "Engine": "redis", "EngineVersion": "7.1", "ReplicationGroupId": "cart"}]},
            "elasticache.describe_replication_groups": {"ReplicationGroups": [{"Status": "modifying", "AutomaticFailover": "enabled"}]},
            "elasticache.describe_events": {"Events": [{"Message": "Failover from master node cart-001 to cart-002 completed", "Date": FIRED - 3 * MINUTES}]},
        }, {"Evictions": (0, 5000), "DatabaseMemoryUsagePercentage": (40, 100)})
        self.first(texts, "replication group cart is modifying", "event: Failover from master node", "evictions: 5000", "highest memory use in percent: 100")


class StepFunctions(Looks):
    def test_a_failed_execution_names_its_step(self) -> None:
        arn = f"arn:aws:states:{REGION}:stateMachine:fulfil"
        texts = self.see(step_functions, arn, {
            "stepfunctions.describe_state_machine": {"stateMachineArn": arn, "name": "fulfil", "definition": "{}", "status": "ACTIVE", "type": "STANDARD",
                                                     "roleArn": "arn:aws:iam::123456789012:role/fulfil", "creationDate": FIRED - timedelta(days=9)},
            "stepfunctions.list_executions": lambda request: {"executions": [{
                "executionArn": "e1", "stateMachineArn": arn, "name": "order-7", "status": "FAILED", "startDate": FIRED, "stopDate": FIRED - MINUTES}]
                if request["statusFilter"] == "FAILED" else []},
            "stepfunctions.describe_execution": {"error": "States.Permissions", "cause": "not authorized to perform: lambda:InvokeFunction"},
            "stepfunctions.get_execution_history": {"events": [{"id": 2, "timestamp": FIRED, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "Charge"}}]},
        }, {"ExecutionsFailed": (0, 12)})
        self.first(texts, "execution order-7 ended as FAILED in step Charge: States.Permissions: not authorized to perform: lambda:InvokeFunction",
                   "failed executions: 12")


    def test_an_express_state_machine_shows_what_it_logs(self) -> None:
        arn = f"arn:aws:states:{REGION}:123456789012:stateMachine:fulfil"

        def machine(logging: Dict[str, Any]) -> Dict[str, Any]:
            return {
                "stepfunctions.describe_state_machine": {
                    "stateMachineArn": arn, "name": "fulfil", "definition": "{}", "status": "ACTIVE", "type": "EXPRESS",
                    "roleArn": "arn:aws:iam::123456789012:role/fulfil", "creationDate": FIRED - timedelta(days=9), "loggingConfiguration": logging},
                "stepfunctions.list_executions": fake_aws.error("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine"),
                "logs.filter_log_events": lambda request: {"events": [
                    {"timestamp": request["startTime"], "logStreamName": f"states/{owner}/2026-08-04-12-30/aa",
                     "message": json.dumps({"id": "5", "type": "ExecutionFailed", "details": {"cause": f"no stock at {owner}", "error": "OutOfStock"}})}
                    for owner in ("fulfil", "refund")]},
            }

        logs = {"level": "ERROR", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": f"arn:aws:logs:{REGION}:123456789012:log-group:/states/shop:*"}}]}
        texts = self.see(step_functions, arn, machine(logs))
        self.first(texts, "log lines in its streams of /states/shop", "no stock at fulfil")
        self.assertNotIn("refund", "\n".join(texts))
        for silent in ({}, {**logs, "level": "OFF"}, {"level": "ALL", "destinations": []}):
            ctx = context(FakeAWS(machine(silent)))
            self.assertEqual([], list(step_functions.failures(ctx, arn)))
            self.assertIn("failed executions of state machine fulfil: it is an express state machine without logs, so nothing records them", ctx.notes)


class Kinesis(Looks):
    def test_throttled_writes_and_a_consumer_that_fails(self) -> None:
        texts = self.see(kinesis, "clicks", {
            "kinesis.describe_stream_summary": {"StreamDescriptionSummary": {
                "StreamName": "clicks", "StreamARN": f"arn:aws:kinesis:{REGION}:stream/clicks", "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
                "OpenShardCount": 1, "EncryptionType": "NONE", "StreamModeDetails": {"StreamMode": "PROVISIONED"}}},
            "kinesis.list_stream_consumers": {"Consumers": []},
            "lambda.list_event_source_mappings": {"EventSourceMappings": [{
                "FunctionArn": f"arn:aws:lambda:{REGION}:function:clicks", "State": "Enabled", "LastProcessingResult": "PROBLEM: Function call failed"}]},
        }, {"WriteProvisionedThroughputExceeded": (0, 700), "GetRecords.IteratorAgeMilliseconds": (10, 90000)})
        self.first(texts, "its consumer is Lambda function clicks: Enabled, last result PROBLEM: Function call failed", "write throttle events: 700",
                   "highest iterator age in ms: 90000", "1 open shards")

    def test_a_consumer_is_seen_if_those_with_enhanced_fan_out_cannot_be_listed(self) -> None:
        aws = FakeAWS({"kinesis.describe_stream_summary": {"StreamDescriptionSummary": {"OpenShardCount": 1}},
                       "kinesis.list_stream_consumers": fake_aws.error("LimitExceededException"),
                       "lambda.list_event_source_mappings": {"EventSourceMappings": [{"FunctionArn": f"arn:aws:lambda:{REGION}:function:clicks", "State": "Disabled"}]}})
        seen = kinesis.consumers(context(aws), "clicks")
        self.assertEqual("its consumer is Lambda function clicks: Disabled, last result None", next(seen).text)
        with self.assertRaisesRegex(Exception, "LimitExceededException"):
            next(seen)


class EventRules(Looks):
    def test_a_disabled_rule(self) -> None:
        texts = self.see(event_rules, "nightly", {
            "events.describe_rule": {"State": "DISABLED", "ScheduleExpression": "rate(1 day)"},
            "events.list_targets_by_rule": {"Targets": [{"Id": "1", "Arn": f"arn:aws:lambda:{REGION}:function:nightly"}]},
        }, {"FailedInvocations": (0, 3)})
        self.first(texts, "it is DISABLED; rate(1 day)", "failed invocations: 3", "without a dead-letter queue")
        self.assertEqual(["bus nightly"], event_rules.targets(metric("AWS/Events", RuleName="nightly", EventBusName="bus")))


class S3(Looks):
    def test_errors_and_configuration(self) -> None:
        texts = self.see(s3, "orders", {
            "s3.get_bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key-1"}}]}},
            "s3.get_bucket_policy_status": fake_aws.error("NoSuchBucketPolicy", "NoSuchBucketPolicy"),
            "s3.get_bucket_notification_configuration": {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "arn:f", "Events": ["s3:ObjectCreated:*"]}]},
            "s3.get_bucket_lifecycle_configuration": {"Rules": [{"ID": "old", "Status": "Enabled", "Expiration": {"Days": 1}}]},
        }, {"4xxErrors": (0, 80)})
        self.first(texts, "client errors: 80", "it has no bucket policy", "objects expire by lifecycle rules old", "it notifies arn:f of s3:ObjectCreated:*")


    def test_a_bucket_without_settings_of_its_own(self) -> None:
        absent = {f"s3.{operation}": fake_aws.error(code, code) for operation, code in (
            ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"), ("get_bucket_policy_status", "NoSuchBucketPolicy"),
            ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"))}
        texts = self.see(s3, "orders", {**absent, "s3.get_bucket_notification_configuration": {}})
        self.first(texts, "it has no bucket policy")


class ECSLogs(unittest.TestCase):
    def test_log_groups_that_are_not_read_are_noted(self) -> None:
        for count, notes in ((4, []), (6, ["log groups of ECS service shop web: only 4 of 6 were read: /ecs/0, /ecs/1, /ecs/2, /ecs/3"])):
            containers = [{"name": f"c{i}", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": f"/ecs/{i}"}}} for i in range(count)]
            ctx = context(FakeAWS({
                "ecs.describe_services": {"services": [{"serviceName": "web", "taskDefinition": "web:1"}]}, "logs.filter_log_events": {"events": []},
                "ecs.describe_task_definition": {"taskDefinition": {"family": "web", "revision": 1, "containerDefinitions": containers}}}))
            list(ecs.logs(ctx, "shop web"))
            self.assertEqual(notes, ctx.notes)


    def texts(self, options: Dict[str, str], *streams: str) -> str:
        container = {"name": "app", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", **options}}}
        ctx = context(FakeAWS({
            "ecs.describe_services": {"services": [{"serviceName": "web", "taskDefinition": "web:1"}]}, "logs.filter_log_events": lines_of(*streams),
            "ecs.describe_task_definition": {"taskDefinition": {"family": "web", "revision": 1, "containerDefinitions": [container]}}}))
        return "\n".join(one.text for one in ecs.logs(ctx, "shop web"))

    def test_logs_elsewhere_are_noted(self) -> None:
        ctx = context(FakeAWS({
            "ecs.describe_services": {"services": [{"taskDefinition": "td/web:1"}]}, "apigateway.get_rest_apis": {"items": [{"id": "a1", "name": "shop"}]},
            "apigateway.get_stages": {"item": [{"stageName": "prod", "accessLogSettings": {"destinationArn": "arn:aws:firehose:eu-west-1:1:deliverystream/x"}}]},
            "ecs.describe_task_definition": {"taskDefinition": {"containerDefinitions": [{"name": "web", "logConfiguration": {"logDriver": "awsfirelens"}}]}}}))
        self.assertEqual([], [*ecs.logs(ctx, "shop web"), *api_gateway.access_logs(ctx, "shop prod")])
        self.assertEqual(["log lines of ECS service shop web: those of container web were not read, because the log driver is not awslogs",
                          "log lines of API shop prod: none were read, because stage prod has no logs in CloudWatch Logs"], ctx.notes)

    def test_a_container_that_logs_elsewhere_is_noted_beside_its_log_router(self) -> None:
        containers = [{"name": "web", "logConfiguration": {"logDriver": "awsfirelens"}},
                      {"name": "log_router", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "firelens"}}}]
        ctx = context(FakeAWS({"ecs.describe_services": {"services": [{"taskDefinition": "td/web:1"}]}, "logs.filter_log_events": {"events": []},
                               "ecs.describe_task_definition": {"taskDefinition": {"containerDefinitions": containers}}}))
        self.assertEqual(["no lines that look like errors in firelens around the transition, by words such as error, failed, and denied"],
                         [one.text for one in ecs.logs(ctx, "shop web")])
        self.assertEqual(["log lines of ECS service shop web: those of container web were not read, because the log driver is not awslogs"], ctx.notes)

    def test_lines_of_other_services_in_the_same_log_group_do_not_count(self) -> None:
        other, own = "worker/app/" + "a" * 32, "web/app/" + "b" * 32
        found = self.texts({"awslogs-stream-prefix": "web"}, other, own)
        self.assertIn("1 log lines in its streams of /ecs/shop from", found)
        self.assertIn(own, found)
        self.assertNotIn(other, found)
        self.assertIn("1 new warnings in its streams of /ecs/shop from", found)
        self.assertIn("no lines that look like errors in its streams of /ecs/shop", self.texts({"awslogs-stream-prefix": "web"}, other))
        self.assertIn("1 log lines in /ecs/shop from", self.texts({}, "b" * 32), "without a prefix, the name of a stream shows no service")


def lines_of(*streams: str) -> Any:
    """Returns the answer of FilterLogEvents that has an error and a warning of each of these log streams after the onset."""
    def answer(request: Dict[str, Any]) -> Dict[str, Any]:
        if request["endTime"] <= FIRED.timestamp() * 1000:
            return {"events": []}
        level = "WARN" if request["filterPattern"].startswith("?WARN") else "ERROR"
        return {"events": [{"timestamp": int(FIRED.timestamp() * 1000), "logStreamName": stream, "message": f"{level} of {stream}"} for stream in streams]}

    return answer


class CloudFront(Looks):
    def test_a_change_and_server_errors(self) -> None:
        empty = {"Quantity": 0}
        texts = self.see(cloudfront, "E123", {
            "cloudfront.get_distribution": {"Distribution": {"Id": "E123", "ARN": "arn", "Status": "InProgress", "LastModifiedTime": FIRED - 4 * MINUTES,
                                                             "InProgressInvalidationBatches": 0, "DomainName": "d.cloudfront.net", "DistributionConfig": {
                "CallerReference": "c", "Comment": "", "Enabled": True, "WebACLId": "acl", "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "shop.s3.amazonaws.com"}]},
                "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only"}, "Aliases": empty}}},
            "cloudfront.list_invalidations": {"InvalidationList": {"Marker": "", "MaxItems": 10, "IsTruncated": False, "Quantity": 1, "Items": [
                {"Id": "I1", "CreateTime": FIRED - 3 * MINUTES, "Status": "Completed"}]}},
        }, {"5xxErrorRate": (0, 60)})
        self.first(texts, "its configuration was last changed (status InProgress) at 2026-08-04T12:32:00Z", "highest share of server errors in percent: 60",
                   "invalidation I1 (Completed) was created", "origin shop.s3.amazonaws.com")

    def test_invalidations_are_read_back_to_the_searched_period(self) -> None:
        def listed(request: Dict[str, Any]) -> Dict[str, Any]:
            first, size = int(request.get("Marker") or 0), int(request["MaxItems"])
            rest = {"IsTruncated": True, "NextMarker": str(first + size)} if first + size < count else {"IsTruncated": False}
            return {"InvalidationList": {"Marker": str(first), "MaxItems": size, "Quantity": size, **rest, "Items": [
                {"Id": f"I{i}", "CreateTime": FIRED - i * distance, "Status": "Completed"} for i in range(first, min(first + size, count))]}}

        for count, distance, seen, notes in ((15, MINUTES, 15, []), (50, 20 * MINUTES, 10, []),
                                             (50, MINUTES, 20, ["invalidations of E123: only the first 20 were read, and there are more"])):
            ctx = context(FakeAWS({"cloudfront.list_invalidations": listed}))
            self.assertEqual(seen, len(list(cloudfront.invalidations(ctx, "E123"))))
            self.assertEqual(notes, ctx.notes)

    def test_what_it_uses(self) -> None:
        hosts = ("shop.images.s3.eu-west-1.amazonaws.com", "site.s3-website-us-east-1.amazonaws.com", "plain.s3.amazonaws.com", "a1b2c3.execute-api.eu-west-1.amazonaws.com",
                 "web-1234567.eu-west-1.elb.amazonaws.com", "api.example.com")
        aws = FakeAWS({"cloudfront.get_distribution": {"Distribution": {"DistributionConfig": {
            "Origins": {"Quantity": len(hosts), "Items": [{"DomainName": host} for host in hosts]}, "WebACLId": "arn:aws:wafv2:us-east-1:1:global/webacl/site-waf/5a2f",
            "ViewerCertificate": {"ACMCertificateArn": "arn:aws:acm:us-east-1:1:certificate/c-1"},
            "DefaultCacheBehavior": {"FunctionAssociations": {"Quantity": 1, "Items": [{"FunctionARN": "arn:aws:cloudfront::1:function/add-headers"}]}}}}}})
        self.assertEqual({"shop.images", "site", "plain", "a1b2c3", "web", "site-waf", "5a2f", "c-1", "add-headers"}, services.related(context(aws), [(cloudfront, "E123")]))


class LogMetrics(Looks):
    def test_the_lines_that_the_metric_counts(self) -> None:
        texts = self.see(log_metric_filters, "Shop Declines", {
            "logs.describe_metric_filters": {"metricFilters": [{"filterName": "declines", "filterPattern": "DECLINED", "logGroupName": "/shop/payments"}]},
            "logs.filter_log_events": lambda request: {"events": [{"timestamp": request["startTime"], "message": "DECLINED card 4711 by issuer: expired certificate"}] * 3
                                                       if request["filterPattern"] == "DECLINED" else []},
        })
        self.first(texts, "3 lines that the alarm's metric counts", "metric filter declines counts lines that match DECLINED")
        self.assertIn("expired certificate", texts[0])
        self.assertEqual([], log_metric_filters.targets(metric("AWS/Lambda", "Errors", FunctionName="orders")))
        self.assertEqual(["Shop Declines"], log_metric_filters.targets(metric("Shop", "Declines")))

    def test_a_filter_that_does_not_count_matching_lines(self) -> None:
        for more, first, second in (
            ({"metricTransformations": [{"metricName": "Wait", "metricNamespace": "Shop", "metricValue": "$.ms"}]},
             "1 lines that the alarm's metric reads", "metric filter f reads $.ms of lines that match { $.ms = * }"),
            ({"metricTransformations": [{"metricName": "Wait", "metricNamespace": "Shop", "metricValue": "1"}]},
             "1 lines that the alarm's metric counts", "metric filter f counts lines that match { $.ms = * }"),
            ({"applyOnTransformedLogs": True}, "1 lines that match the pattern of the metric filter, which may not be those of the alarm's metric",
             "metric filter f counts lines that match { $.ms = * }, after the log group's transformer changed them"),
            ({"fieldSelectionCriteria": '@aws.account = "1"'}, "1 lines that match the pattern of the metric filter, which may not be those of the alarm's metric",
             'metric filter f counts lines that match { $.ms = * }, of those with @aws.account = "1"'),
        ):
            texts = self.see(log_metric_filters, "Shop Wait", {
                "logs.describe_metric_filters": {"metricFilters": [{"filterName": "f", "filterPattern": "{ $.ms = * }", "logGroupName": "/shop", **more}]},
                "logs.filter_log_events": lambda request: {"events": [{"timestamp": request["startTime"], "message": '{"ms": 5}'}] if "$" in request["filterPattern"] else []}})
            self.first(texts, first)
            self.assertIn(second, texts)


class Account(Looks):
    answers = {
        "codedeploy.list_deployments": {"deployments": ["d-1"]},
        "codedeploy.batch_get_deployments": {"deploymentsInfo": [{"deploymentId": "d-1", "applicationName": "shop", "deploymentGroupName": "prod",
                                                                 "status": "InProgress", "createTime": FIRED - 4 * MINUTES}]},
        "codepipeline.list_pipelines": {"pipelines": [{"name": "shop", "updated": FIRED}]},
        "codepipeline.list_pipeline_executions": {"pipelineExecutionSummaries": [{"status": "Succeeded", "startTime": FIRED - 20 * MINUTES}]},
        "appconfig.list_applications": {"Items": [{"Id": "a1", "Name": "shop"}]},
        "appconfig.list_environments": {"Items": [{"Id": "e1", "Name": "prod"}]},
        "appconfig.list_deployments": {"Items": [{"ConfigurationName": "flags", "ConfigurationVersion": "9", "State": "COMPLETE", "StartedAt": FIRED - 7 * MINUTES}]},
        "health.describe_events": {"events": [{"service": "LAMBDA", "eventTypeCode": "AWS_LAMBDA_OPERATIONAL_ISSUE", "region": "eu-west-1", "startTime": FIRED}]},
    }

    def test_deployments_and_health_events(self) -> None:
        texts = self.see(account, "", self.answers)
        self.first(texts, "open issue AWS_LAMBDA_OPERATIONAL_ISSUE of LAMBDA in eu-west-1", "shop/prod: version 9 of flags (COMPLETE) began",
                   "deployment d-1 of shop to prod (InProgress) was created", "pipeline shop (Succeeded) began")

    def test_aws_health_is_asked_in_the_partition_of_the_alarm(self) -> None:
        issue = self.answers["health.describe_events"]
        for partition, region, home in (
            ("aws", "eu-west-1", "us-east-1"), ("aws-us-gov", "us-gov-east-1", "us-gov-west-1"), ("aws-cn", "cn-north-1", "cn-northwest-1"),
            ("aws-eusc", "eusc-de-east-1", "eusc-de-east-1"), ("aws-iso", "us-iso-west-1", "us-iso-west-1"),
        ):
            staged = {name: answer for name, answer in self.answers.items() if name != "health.describe_events"}
            texts = self.see(account, "", {**staged, f"health.describe_events in {home}": issue}, partition=partition, region=region)
            self.first(texts, "open issue AWS_LAMBDA_OPERATIONAL_ISSUE")

    def test_an_account_without_support_plan_is_noted(self) -> None:
        aws = FakeAWS({**self.answers, "health.describe_events": fake_aws.error("SubscriptionRequiredException", "SubscriptionRequired")})
        ctx = context(aws)
        _, failed = look(account, ctx, "")
        self.assertEqual({}, failed)
        self.assertEqual(["AWS Health: its API needs a Business or Enterprise support plan"], ctx.notes)


class Registry(unittest.TestCase):
    def test_each_collector_documents_itself(self) -> None:
        for collector in services.COLLECTORS:
            self.assertTrue(collector.KIND and collector.READS and collector.COST and collector.LOOKS and collector.__doc__, collector)
            self.assertTrue(callable(collector.targets))

    def test_a_resource_of_another_account_is_not_read(self) -> None:
        ctx = context(FakeAWS({}))
        foreign = metric("AWS/SQS", QueueName="orders")._replace(account="999988887777")
        self.assertEqual([], services.targets(ctx, [foreign]))
        self.assertIn("SQS queue orders of account 999988887777: not read", ctx.notes[0])

    def test_a_dimension_of_another_service_of_aws_names_no_resource_of_a_collector(self) -> None:
        for namespace, dimensions in (
            ("AWS/Cassandra", {"Keyspace": "shop", "TableName": "orders"}), ("AWS/Timestream", {"DatabaseName": "shop", "TableName": "orders"}),
            ("AWS/Connect", {"InstanceId": "c0ffee", "MetricGroup": "Queue", "QueueName": "orders"}), ("AWS/S3-Outposts", {"BucketName": "orders"}),
            ("AWS/Other", {"TopicName": "orders"}), ("AWS/Other", {"CacheClusterId": "orders"}), ("AWS/Other", {"FunctionName": "orders"}),
        ):
            self.assertEqual([], services.targets(context(FakeAWS({})), [metric(namespace, **dimensions)]), namespace)
        for collector, dimension in ((dynamodb, "TableName"), (sns, "TopicName"), (s3, "BucketName"), (elasticache, "CacheClusterId")):
            self.assertEqual(["orders"], collector.targets(metric("Shop", **{dimension: "orders"})), "a custom metric")

    def test_events_name_resources_by_their_arns(self) -> None:
        ctx = context(FakeAWS({"logs.describe_metric_filters": {"metricFilters": [{"logGroupName": "/app"}]}}))
        arn = f"arn:aws:{{}}:{REGION}:{{}}"
        self.assertEqual({arn.format("events", "rule/nightly"), arn.format("events", "rule/shop/nightly"), arn.format("logs", "log-group:/app"),
                          arn.format("logs", "log-group:/app:*")},
                         services.addresses(ctx, [(event_rules, "nightly"), (event_rules, "shop nightly"), (log_metric_filters, "Shop Orders")]))

    def test_events_of_the_replication_group_are_those_of_a_cache(self) -> None:
        ctx = context(FakeAWS({"elasticache.describe_cache_clusters": {"CacheClusters": [{"ReplicationGroupId": "sessions"}]}}))
        self.assertEqual([(None, "sessions-001"), (None, "sessions")], services.names(ctx, [(elasticache, "sessions-001")]))

    def test_many_resources_are_bounded(self) -> None:
        ctx = context(FakeAWS({}))
        found = services.targets(ctx, [metric("AWS/SQS", QueueName=f"q{i}") for i in range(40)])
        self.assertEqual(services.MAX_TARGETS, len(found))
        self.assertEqual(40 - services.MAX_TARGETS, len(ctx.notes))
