"""The collection as a whole: what it says about reads that are partial, about other accounts, and about hostile texts."""

import contextlib
import io
import json
import signal
import threading
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Tuple
from unittest import mock

from alarmtriage_evidence import alarms, bounds, collect, collector, queries, series
from alarmtriage_evidence.context import MAX_NOTES, Context, Observation, Onset
from alarmtriage_evidence.services import api_gateway, lambda_functions, load_balancers, log_metric_filters

from .fake_aws import ACCOUNT, FIRED, FakeAWS, context, error, look, metric

OTHER = "222222222222"


def collected(answers: Dict[str, Any], **alarm: Any) -> Tuple[Dict[str, Any], str, FakeAWS]:
    """Returns the result of a collection, its text, and the requests. It runs hours after the transition, or now if the alarm has another time."""
    aws = FakeAWS(answers)
    context(aws)
    printed = io.StringIO()

    def later(alarm_input: Dict[str, Any], now: datetime, seconds: float) -> Context:
        is_old = "time" not in alarm and now > FIRED + timedelta(days=1)
        return Context(alarm_input, FIRED + timedelta(hours=12) if is_old else now, seconds)

    with contextlib.redirect_stdout(printed), mock.patch.object(collector, "Context", later):
        found = collect({
            "name": "a", "arn": f"arn:aws:cloudwatch:eu-west-1:{alarm.get('account', ACCOUNT)}:alarm:a", "kind": "metric", "region": "eu-west-1",
            "partition": "aws", "account": ACCOUNT, "own_account": ACCOUNT, "own_names": [], "time": FIRED.timestamp(), "seconds": 10,
            "children": [], "fallback": {"AlarmName": "a", "Metrics": []}, **alarm})
    return found, printed.getvalue(), aws


def lambda_alarm(**query: Any) -> Dict[str, Any]:
    stat = {"Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "orders"}]},
            "Period": 60, "Stat": "Sum"}
    return {"AlarmName": "a", "Metrics": [{"Id": "m1", "ReturnData": True, "MetricStat": stat, **query}]}


class Accounts(unittest.TestCase):
    def test_expressions_that_search_metrics_are_not_run_for_an_alarm_of_another_account(self) -> None:
        for expression in ('SELECT MAX(Errors) FROM "AWS/Lambda"', "SUM(SEARCH('{AWS/Lambda} Errors', 'Sum', 60))"):
            found, _, aws = collected({}, account=OTHER, fallback={"AlarmName": "a", "Metrics": [{"Id": "q", "Expression": expression}]})
            self.assertNotIn("cloudwatch.get_metric_data", [name for name, _ in aws.requests])
            self.assertTrue(any(p.startswith("series: q searches") for p in found["problems"]), found["problems"])

    def test_child_alarms_and_log_lines_of_another_account_are_reported_as_missing(self) -> None:
        for alarm, want in (({"kind": "composite", "children": ["orders"]}, "child alarms: not read, because"),
                            ({"kind": "log", "query": {"text": "fields @message", "log_groups": ["g"]}}, "log_lines: the alarm's query was not run, because")):
            found, _, aws = collected({}, account=OTHER, **alarm)
            self.assertEqual([], aws.requests)
            self.assertTrue(any(problem.startswith(want) for problem in found["problems"]), found["problems"])

    def test_lines_of_a_query_that_did_not_complete_are_reported(self) -> None:
        ctx = context(FakeAWS({"logs.get_query_results": {"status": "Timeout", "results": [[{"field": "@message", "value": "x"}]]}}))
        self.assertEqual(["x"], queries.log_lines(ctx, {"text": "q", "log_groups": ["g"], "start_offset": 0, "end_offset": 0}, [(1.0, 2, "id")]))
        self.assertEqual(["log_lines: the alarm's query ended with status Timeout, so there may be more lines"], ctx.notes)

    def test_a_promql_query_is_not_run_for_an_alarm_of_another_account(self) -> None:
        ctx = context(FakeAWS({}), account=OTHER)
        with self.assertRaisesRegex(LookupError, "was not run"):
            series.of_promql(ctx, {"text": "up > 1", "interval": 60})

    def test_a_log_group_of_another_account_is_no_function_of_this_one(self) -> None:
        group = f"arn:aws:logs:eu-west-1:{OTHER}:log-group:/aws/lambda/orders"
        found, _, aws = collected({}, kind="log", query={"text": "fields @message", "log_groups": [group]})
        self.assertNotIn("lambda.get_function_configuration", [name for name, _ in aws.requests])
        self.assertIn(f"Lambda function orders of account {OTHER}: not read, because this code reads account {ACCOUNT}", found["problems"])

    def test_what_another_account_has_of_an_alarm_is_reported_as_not_read(self) -> None:
        stat = {"Metric": {"Namespace": "AWS/Firehose", "MetricName": "Age", "Dimensions": [{"Name": "DeliveryStreamName", "Value": "logs"}]}, "Period": 60, "Stat": "Sum"}
        group = f"arn:aws:logs:eu-west-1:{OTHER}:log-group:/app/orders:*"
        for alarm, want in (({"fallback": {"AlarmName": "a", "Metrics": [{"Id": "m1", "AccountId": OTHER, "MetricStat": stat}]}}, "the resource of metric AWS/Firehose Age"),
                            ({"fallback": lambda_alarm(AccountId=OTHER)}, "Lambda function orders"),
                            ({"kind": "log", "query": {"text": "fields @message", "log_groups": [group]}}, "what writes log group /app/orders")):
            found, text, _ = collected({"cloudtrail.lookup_events": {"Events": []}}, **alarm)
            self.assertIn(f"{want} of account {OTHER}: not read, because this code reads account {ACCOUNT}", found["problems"])
            self.assertFalse(found["trail"]["complete"], want)
            self.assertIn("none in what was read, which is not all", text)
        self.assertTrue(collected({"cloudtrail.lookup_events": {"Events": []}}, fallback=lambda_alarm())[0]["trail"]["complete"])

    def test_changes_of_a_resource_of_the_same_name_are_not_those_of_the_alarm(self) -> None:
        event = {"EventId": "1", "EventName": "UpdateFunctionCode", "EventTime": FIRED - timedelta(minutes=5), "Resources": [{"ResourceName": "orders"}]}
        found, _, _ = collected({"cloudtrail.lookup_events": {"Events": [event]}}, fallback=lambda_alarm(AccountId=OTHER))
        self.assertEqual([False], [change["own"] for change in found["changes"]])

    def test_a_contributor_of_a_query_for_another_account_is_not_looked_up_in_this_one(self) -> None:
        query = 'SELECT MAX(Errors) FROM SCHEMA("AWS/Lambda", FunctionName) {}GROUP BY FunctionName'
        for condition, more, want in (
            (f"WHERE AWS.AccountId = '{OTHER}' ", {}, True), ("", {"AccountId": OTHER}, True), ("", {}, False),
            (f"WHERE AWS.AccountId IN ('{OTHER}') ", {}, True), (f"WHERE AWS.AccountId IN ('{OTHER}', '{ACCOUNT}') ", {}, False),
            (f"WHERE AWS.AccountId = '{ACCOUNT}' ", {}, False), (f"WHERE AWS.AccountId != '{OTHER}' ", {}, False),
        ):
            source = {"AlarmName": "a", "Metrics": [{"Id": "q", "Expression": query.format(condition), "Period": 60, **more}]}
            found, _, aws = collected({}, fallback=source, contributor={"FunctionName": "orders"})
            with self.subTest(condition=condition, more=more):
                self.assertEqual(want, f"Lambda function orders of account {OTHER}: not read, because this code reads account {ACCOUNT}" in found["problems"])
                self.assertEqual(not want, any(name.startswith("lambda.") for name, _ in aws.requests))

    def test_child_alarms_of_other_accounts_are_not_read(self) -> None:
        ctx = context(FakeAWS({}), children=[f"arn:aws:cloudwatch:eu-west-1:{OTHER}:alarm:orders"])
        self.assertEqual([], alarms.children(ctx, {}))
        self.assertIn("child alarms: 1 of other accounts or Regions were not read", ctx.notes[0])


class Partial(unittest.TestCase):
    def test_the_number_of_left_out_lines_is_stated(self) -> None:
        ctx = context(FakeAWS({}))
        for number in range(MAX_NOTES + 5):
            ctx.note(f"part {number}")
        self.assertEqual(MAX_NOTES, len(ctx.problems()))
        self.assertEqual("6 more lines about what was not seen are left out", ctx.problems()[-1])

    def test_contributors_of_a_metrics_insights_alarm_are_read_if_its_event_names_none(self) -> None:
        attributes = {"FunctionName": "orders"}
        answers = {"cloudwatch.describe_alarm_contributors": {"AlarmContributors": [{"ContributorId": "1", "ContributorAttributes": attributes}]}}
        for expression, want in (('SELECT MAX(Errors) FROM "AWS/Lambda" GROUP BY FunctionName', [attributes]), ("m1 * 2", [])):
            found, _, _ = collected(answers, fallback={"AlarmName": "a", "Metrics": [{"Id": "q", "Expression": expression, "Period": 60}]})
            self.assertEqual(want, [one["attributes"] for one in found.get("contributors") or []], expression)

    def test_a_late_definition_is_reported(self) -> None:
        hang = threading.Event()

        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            if "AlarmNames" in request:
                hang.wait(0.3)
            return {"MetricAlarms": [{"AlarmName": "a", "Threshold": 1.0}]}
        with mock.patch.object(collector, "FIRST_SECONDS", 0.05):
            found, _, _ = collected({"cloudwatch.describe_alarms": answer})
        self.assertEqual("a", found["definition"]["AlarmName"])
        self.assertTrue(any(problem.startswith("definition: not read in time") for problem in found["problems"]), found["problems"])

    def test_an_alarm_that_was_changed_after_it_fired_is_reported(self) -> None:
        for after, want in ((-86_400, False), (0, False), (0.9, False), (1, True), (7200, True)):
            found, _, _ = collected({"cloudwatch.describe_alarms": lambda request: {"MetricAlarms": [] if request.get("StateValue") else [
                {"AlarmName": "a", "AlarmConfigurationUpdatedTimestamp": FIRED + timedelta(seconds=after)}]}})
            self.assertEqual(want, any("somebody changed the alarm" in problem for problem in found["problems"]), after)

    def test_parts_that_failed_are_named_if_there_are_too_many_lines(self) -> None:
        names = [f"f{number}" for number in range(12)]
        alarms_of = [{**lambda_alarm()["Metrics"][0], "Id": f"m{number}", "MetricStat": {"Period": 60, "Stat": "Sum", "Metric": {
            "Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": name}]}}}
            for number, name in enumerate(names)]
        pages = iter(range(10_000))

        def lines(request: Dict[str, Any]) -> Dict[str, Any]:  # of which there are always more
            text = "WARN slow" if "WARN" in request["filterPattern"] else "Error: it failed"
            return {"events": [{"message": text, "timestamp": int(FIRED.timestamp() * 1000)}], "nextToken": str(next(pages))}
        found, _, _ = collected({"logs.filter_log_events": lines, "lambda.get_function_configuration": {"FunctionName": "f"},
                                 "cloudwatch.describe_alarm_history": error("AccessDenied")},
                                fallback={"AlarmName": "a", "Metrics": alarms_of})
        self.assertEqual(MAX_NOTES, len(found["problems"]))
        self.assertTrue(any(problem.startswith("history") for problem in found["problems"]), found["problems"])

    def test_a_listing_keeps_what_was_read_before_an_error(self) -> None:
        def pages(**request: Any) -> Dict[str, Any]:
            if "NextToken" in request:
                raise RuntimeError("Rate exceeded")
            return {"Items": [1, 2], "NextToken": "2"}

        ctx = context(FakeAWS({}))
        self.assertEqual([1, 2], ctx.pages("things", pages, "Items", 10))
        self.assertEqual(["things: only the first 2 were read: Rate exceeded"], ctx.notes)

    def test_a_look_keeps_what_it_saw_before_it_failed(self) -> None:
        subscription = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "a@example.com"}
        confirmed = {"SubscriptionArn": "arn:aws:sns:eu-west-1:123456789012:orders:1", "Protocol": "sqs", "Endpoint": "arn:q"}
        stat = {"Metric": {"Namespace": "AWS/SNS", "MetricName": "M", "Dimensions": [{"Name": "TopicName", "Value": "orders"}]}, "Period": 60, "Stat": "Sum"}
        found, _, _ = collected({"sns.list_subscriptions_by_topic": {"Subscriptions": [subscription, confirmed]}},
                                fallback={"AlarmName": "a", "Metrics": [{"Id": "m1", "ReturnData": True, "MetricStat": stat}]})
        self.assertIn("its subscription to email a@example.com is not confirmed", [o["text"] for o in found["observations"]])
        self.assertTrue(any("subscriptions of SNS topic orders" in p and "GetSubscriptionAttributes" in p for p in found["problems"]), found["problems"])

    def test_each_part_that_failed_is_named_with_its_reason(self) -> None:
        names = [f"orders-production-{i}" for i in range(12)]
        metrics = [{"Id": f"m{i}", "MetricStat": {"Metric": {"Namespace": "AWS/SNS", "MetricName": "M", "Dimensions": [{"Name": "TopicName", "Value": name}]},
                                                  "Period": 60, "Stat": "Sum"}} for i, name in enumerate(names)]
        reason = "AccessDenied in GetTopicAttributes: " + "not authorized " * 10
        denied = error("AccessDenied", "not authorized " * 10, "GetTopicAttributes")
        found, _, _ = collected({"sns.get_topic_attributes": denied}, fallback={"AlarmName": "a", "Metrics": metrics})
        lines = [line for line in found["problems"] if reason.strip() in line]
        for name in names:
            self.assertTrue(any(f"attributes of SNS topic {name}" in line for line in lines), name)

    def test_a_part_that_failed_for_two_functions_is_named_once(self) -> None:
        queue = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"
        mappings = [{"FunctionArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{name}"} for name in ("one", "two")]
        found, _, _ = collected({
            "sqs.get_queue_url": {"QueueUrl": "https://sqs/orders"}, "sqs.get_queue_attributes": {"Attributes": {"QueueArn": queue}},
            "lambda.list_event_source_mappings": {"EventSourceMappings": mappings}},
            fallback={"AlarmName": "a", "Namespace": "AWS/SQS", "MetricName": "M", "Dimensions": [{"Name": "QueueName", "Value": "orders"}]})
        self.assertEqual(1, "\n".join(found["problems"]).count("configuration of a function behind SQS queue orders"), found["problems"])

    def test_incomplete_metrics_of_first_looks_are_reported(self) -> None:
        ctx = context(FakeAWS({"cloudwatch.get_metric_data": {"MetricDataResults": [{"Id": "q0", "StatusCode": "InternalError"}]}}))
        ctx.compare("AWS/SQS", {"sent": ("NumberOfMessagesSent", "Sum")}, {"QueueName": "orders"})
        self.assertEqual(["NumberOfMessagesSent of orders is incomplete (InternalError)"], ctx.notes)

    def test_the_numbers_of_an_incomplete_metric_are_left_out(self) -> None:
        result = {"Id": "q0", "Label": "x", "StatusCode": "PartialData", "Timestamps": [FIRED], "Values": [5.0], "Messages": [{"Code": "X", "Value": "too many"}]}
        ctx = context(FakeAWS({"cloudwatch.get_metric_data": {"MetricDataResults": [result]}}))
        self.assertEqual({"sent": (None, None)}, ctx.compare("AWS/SQS", {"sent": ("NumberOfMessagesSent", "Sum")}, {"QueueName": "orders"})[0])
        self.assertEqual(["metrics of AWS/SQS: X: too many", "NumberOfMessagesSent of orders is incomplete (PartialData)"], ctx.notes)

    def test_a_metric_that_cannot_be_read_is_no_series_without_data(self) -> None:
        for status, want in (("Forbidden", 0), ("Complete", 1)):
            answers = {"cloudwatch.get_metric_data": {"MetricDataResults": [{"Id": "m1", "Label": "Errors", "StatusCode": status, "Timestamps": [], "Values": []}]}}
            found, text, _ = collected(answers, account=OTHER, fallback=lambda_alarm())
            self.assertEqual((want, bool(want)), (len(found["series"]), "no data points" in text))
            self.assertEqual(not want, "series: Errors is incomplete (Forbidden)" in found["problems"])

    def test_datapoints_before_a_page_that_fails_are_kept(self) -> None:
        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            if "NextToken" in request and last:
                return {"MetricDataResults": [last]}
            if "NextToken" in request:
                raise error("Throttling", "slow down")
            earlier = [FIRED - timedelta(minutes=i) for i in (60, 59)]
            return {"MetricDataResults": [{"Id": "m1", "Label": "Errors", "StatusCode": "PartialData", "Timestamps": earlier, "Values": [0.0, 5.0]}], "NextToken": "2"}

        alarm = {**lambda_alarm(), "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1.0}
        end = {"Id": "m1", "Label": "Errors", "StatusCode": "InternalError", "Timestamps": [FIRED - timedelta(minutes=58)], "Values": [5.0]}
        for last, values, words in (({}, [0.0, 5.0], ("a page that failed was read", "slow down")), (end, [0.0, 5.0, 5.0], ("Errors is incomplete", "InternalError"))):
            found, _, _ = collected({"cloudwatch.get_metric_data": answer}, account=OTHER, fallback=alarm)
            self.assertEqual([values], [[value for _, value in one["points"]] for one in found["series"]])
            self.assertIsNone(found.get("onset"), "the page that failed has newer datapoints")
            self.assertTrue(any(all(word in problem for word in words) for problem in found["problems"]), found["problems"])

    def test_values_that_are_no_numbers_are_left_out(self) -> None:
        answers = {"cloudwatch.get_metric_data": {"MetricDataResults": [{"Id": "m1", "Label": "Errors", "StatusCode": "Complete", "Timestamps": [FIRED] * 3,
                                                                        "Values": [float("nan"), 5.0, float("inf")]}]}}
        found, _, _ = collected(answers, fallback=lambda_alarm())
        self.assertEqual([[[FIRED.timestamp(), 5.0]]], [one["points"] for one in found["series"]])

    def test_datapoints_that_cloudwatch_keeps_no_longer_are_not_called_absent(self) -> None:
        query = lambda_alarm()["Metrics"][0]
        for period, hours, asked, kept in ((10, 1, True, ""), (10, 2.5, True, "for 3 hours"), (10, 4, False, "for 3 hours"), (60, 4, True, ""),
                                           (60, 24 * 15 + 1, False, "for 15 days"), (60, 24 * 15 - 1, True, "for 15 days"), (300, 24 * 20, True, ""),
                                           (300, 24 * 63 + 1, False, "for 63 days"), (3600, 24 * 70, True, "")):
            with self.subTest(period=period, hours=hours):
                ago = datetime.now(timezone.utc) - timedelta(hours=hours)
                answers = {"cloudwatch.get_metric_data": {"MetricDataResults": [{"Id": "m1", "Label": "Errors", "StatusCode": "Complete"}]}}
                fallback = {"AlarmName": "a", "Metrics": [{**query, "MetricStat": {**query["MetricStat"], "Period": period}}]}
                found, text, aws = collected(answers, fallback=fallback, time=ago.timestamp())
                starts = [request["StartTime"] for name, request in aws.requests if name == "cloudwatch.get_metric_data" and request["MetricDataQueries"][0]["Id"] == "m1"]
                self.assertEqual((asked, asked), (bool(starts), "no data points" in text))
                latest = datetime.now(timezone.utc) + timedelta(seconds=collector.SECONDS)  # when the request can be sent
                oldest = latest - (timedelta(hours=3) if period < 60 else timedelta(days=15) if period < 300 else timedelta(days=63) if period < 3600 else timedelta(days=455))
                self.assertTrue(all(start > oldest and start.timestamp() % period == 0 for start in starts))
                self.assertEqual(bool(kept), any("keeps those of less than" in problem and problem.endswith(kept) for problem in found["problems"]))

    def test_the_evaluated_expression_of_many_queries_is_read(self) -> None:
        def read(request: Dict[str, Any]) -> Dict[str, Any]:
            known = [query["Id"] for query in request["MetricDataQueries"]]
            if "sum" in known and not {f"m{n}" for n in range(10)} <= set(known):
                raise error("ValidationError")
            return {"MetricDataResults": [{"Id": id, "Label": id, "StatusCode": "Complete", "Timestamps": [FIRED], "Values": [5.0]} for id in known]}

        metrics = [{**lambda_alarm()["Metrics"][0], "Id": f"m{n}", "ReturnData": False} for n in range(10)]
        shares = [{"Id": f"e{n}", "Expression": f"m{n} / 2", "ReturnData": False} for n in range(9)]
        evaluated = {"Id": "sum", "Expression": "SUM(METRICS())", "ReturnData": True}
        for listed in ([*metrics, *shares, evaluated], [evaluated, *shares, *metrics]):
            found, _, _ = collected({"cloudwatch.get_metric_data": read}, fallback={"AlarmName": "a", "Metrics": listed, "Threshold": 3.0})
            self.assertEqual(("sum", 3.0, series.MAX_SERIES), (found["series"][0]["id"], found["series"][0]["threshold"], len(found["series"])))
            self.assertIn("series: only 12 of 20 are shown", found["problems"])

    def test_an_incomplete_query_for_the_heaviest_functions_is_noted_and_left_out(self) -> None:
        result = {"Id": "q0", "Label": "orders", "StatusCode": "PartialData", "Timestamps": [FIRED], "Values": [5.0]}
        message = {"Code": "MaxMetricsExceeded", "Value": "too many metrics"}
        ctx = context(FakeAWS({"cloudwatch.get_metric_data": {"MetricDataResults": [result], "Messages": [message]}}))
        self.assertEqual({}, lambda_functions._heaviest(ctx))
        what = "functions with the most concurrent executions"
        self.assertEqual([f"{what}: MaxMetricsExceeded: too many metrics", f"{what}: incomplete (PartialData)"], ctx.notes)

    def test_a_listing_of_the_newest_ends_at_the_searched_period(self) -> None:
        for minutes, notes in ((10, 1), (300, 0)):
            ctx = context(FakeAWS({}))
            items = [{"at": FIRED}, {"at": FIRED - timedelta(minutes=minutes)}]
            ctx.pages("runs", lambda **_: {"Items": items, "NextToken": "more"}, "Items", 2, newest_first="at")
            self.assertEqual(notes, len(ctx.notes), minutes)

    def test_lines_that_were_not_read_are_not_called_absent(self) -> None:
        tokens = iter(range(1000))
        answers = {"logs.filter_log_events": lambda request: {"events": [], "nextToken": str(next(tokens))}}
        found, text, _ = collected(answers, fallback=lambda_alarm())
        self.assertNotIn("no lines that look like errors", text)

    def test_empty_pages_of_cloudtrail_are_no_complete_list(self) -> None:
        tokens = iter(range(1000))
        for fallback in ({}, lambda_alarm()):
            found, _, _ = collected({"cloudtrail.lookup_events": lambda request: {"Events": [], "NextToken": str(next(tokens))}}, fallback=fallback)
            self.assertEqual((False, "2026-08-04T12:36:00Z"), (found["trail"]["complete"], found["trail"]["from"]))
            self.assertTrue(any("CloudTrail was read back to 2026-08-04T12:36:00Z only" in p for p in found["problems"]), found["problems"])

    def test_changes_of_global_services_are_read_where_they_are(self) -> None:
        def event(name: str, service: str) -> Dict[str, Any]:
            return {"EventId": name, "EventName": name, "EventSource": f"{service}.amazonaws.com", "EventTime": FIRED - timedelta(minutes=5)}

        here = {"Events": [event("UpdateService", "ecs")]}
        there = {"Events": [event("PutRolePolicy", "iam"), event("RunInstances", "ec2"), event("ChangeResourceRecordSets", "route53")]}
        found, _, aws = collected({"cloudtrail.lookup_events in eu-west-1": here, "cloudtrail.lookup_events in us-east-1": there})
        self.assertEqual({"UpdateService", "PutRolePolicy", "ChangeResourceRecordSets"}, {change["event"] for change in found["changes"]})
        self.assertEqual(3, found["trail"]["read"])
        self.assertEqual(2, sum(name == "cloudtrail.lookup_events" for name, _ in aws.requests))
        _, _, aws = collected({"cloudtrail.lookup_events": here}, region="us-east-1", arn=f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:a")
        self.assertEqual(1, sum(name == "cloudtrail.lookup_events" for name, _ in aws.requests))

    def test_changes_of_global_services_that_cannot_be_read_are_a_note(self) -> None:
        found, _, _ = collected({"cloudtrail.lookup_events in eu-west-1": {"Events": []}})
        self.assertTrue(found["trail"]["complete"], "in the alarm's Region")
        notes = [problem for problem in found["problems"] if problem.startswith("changes:")]
        self.assertEqual(1, len(notes), notes)
        self.assertTrue(notes[0].startswith("changes: those of IAM and other global services, in us-east-1, were not read: ClientError:"), notes)
        pages = iter(range(1000))
        found, _, _ = collected({"cloudtrail.lookup_events in eu-west-1": {"Events": []},
                                 "cloudtrail.lookup_events in us-east-1": lambda request: {"Events": [], "NextToken": str(next(pages))}})
        self.assertTrue(found["trail"]["complete"])
        self.assertIn("changes: of IAM and other global services, in us-east-1, only those since 2026-08-04T12:36:00Z were read", found["problems"])

    def test_events_of_another_region_that_name_the_functions_role_are_not_listed(self) -> None:
        events = [{"EventId": source, "EventName": f"Change{source}", "EventSource": f"{source}.amazonaws.com", "EventTime": FIRED - timedelta(minutes=5),
                   "Resources": [{"ResourceName": "orders"}, {"ResourceName": "orders-role"}]} for source in ("lambda", "iam")]
        found, _, _ = collected({"lambda.get_function_configuration": {"Role": f"arn:aws:iam::{ACCOUNT}:role/orders-role"},
                                 "cloudtrail.lookup_events in eu-west-1": {"Events": []},
                                 "cloudtrail.lookup_events in us-east-1": {"Events": events}}, fallback=lambda_alarm())
        self.assertEqual([("Changeiam", True)], [(change["event"], change["own"]) for change in found["changes"]])

    def test_repeated_calls_that_failed_or_came_later_do_not_displace_a_change(self) -> None:
        def event(number: int, name: str, minutes: float, parameters: str = "", **detail: Any) -> Dict[str, Any]:
            detail["requestParameters"] = {"functionName": "orders", "description": parameters}
            return {"EventId": str(number), "EventName": name, "EventTime": FIRED - timedelta(minutes=minutes), "CloudTrailEvent": json.dumps(detail)}

        many = range(45)
        for displacing in ([event(n, "UpdateFunctionConfiguration", 1, errorCode="ResourceConflictException") for n in many],
                           [event(n, "PublishVersion", -0.5) for n in many],
                           [event(n, "AddPermission", 1, "x" * 400, errorCode="AccessDenied") for n in range(30)]):
            newest = event(100, "UpdateFunctionCode", 5)
            answers: Dict[str, Any] = {"cloudtrail.lookup_events": {"Events": [*displacing, newest]}}
            found, text, _ = collected(answers, fallback=lambda_alarm(), name="orders")
            self.assertIn(("UpdateFunctionCode", True), [(change["event"], change["own"]) for change in found["changes"]])
            self.assertIn("UpdateFunctionCode", text)
            self.assertEqual(sorted((change["time"] for change in found["changes"]), reverse=True), [change["time"] for change in found["changes"]])

    def test_evidence_that_is_too_long_keeps_the_changes_that_succeeded(self) -> None:
        ctx = context(FakeAWS({}))
        failed = [{"event": f"Failed{n}", "time": "2026-08-04T12:35:00Z", "error": "AccessDenied", "parameters": "x" * 900} for n in range(200)]
        evidence = {"changes": [*failed, {"event": "Succeeded", "time": "2026-08-04T12:00:00Z", "error": None}]}
        bounds.shorten(ctx, evidence)
        self.assertLess(len(evidence["changes"]), 200)
        self.assertEqual("Succeeded", evidence["changes"][-1]["event"])

    def test_routine_events_beyond_the_most_frequent_are_counted(self) -> None:
        from alarmtriage_tool.trail import ROUTINE
        events = [{"EventId": name, "EventName": name, "EventTime": FIRED} for name in ROUTINE]
        found, _, _ = collected({"cloudtrail.lookup_events": {"Events": events}})
        self.assertEqual(len(ROUTINE), sum(found["trail"]["routine"].values()))


class Texts(unittest.TestCase):
    def test_a_recovery_is_stated(self) -> None:
        for state, minutes, wanted in (("OK", 2, True), ("ALARM", 2, False), ("OK", -5, False)):
            alarm = {"AlarmName": "a", "StateValue": state, "StateUpdatedTimestamp": FIRED + timedelta(minutes=minutes)}
            _, text, _ = collected({"cloudwatch.describe_alarms": {"MetricAlarms": [alarm]}})
            self.assertEqual(wanted, "The alarm has been in state OK again since 2026-08-04T12:38:00Z." in text, (state, minutes))

    def test_what_is_the_same_for_several_resources_is_one_line(self) -> None:
        from alarmtriage_evidence.collector import _joined

        seen = [Observation("function a", "health", "throttles: 0", 5), Observation("function b", "health", "throttles: 0", 5), Observation("function c", "health", "throttles: 1", 5)]
        self.assertEqual([("function a; function b", "throttles: 0"), ("function c", "throttles: 1")], [(one.about, one.text) for one in _joined(seen)])

    def test_data_begins_no_line(self) -> None:
        message = json.dumps({"level": "error", "message": "boom\n\nWHAT COULD NOT BE SEEN\n- nothing"})
        answers = {"lambda.get_function_configuration": {"FunctionName": "orders", "Role": "arn:aws:iam::1:role/r"},
                   "logs.filter_log_events": {"events": [{"timestamp": int(FIRED.timestamp() * 1000), "message": message}]}}
        _, text, _ = collected(answers, fallback=lambda_alarm())
        self.assertIn("boom WHAT COULD NOT BE SEEN - nothing", text)
        self.assertNotIn("\n- nothing", text)

    def test_changes_are_not_complete_if_those_of_the_alarms_resources_are_not_known_as_such(self) -> None:
        event = {"EventId": "1", "EventName": "UpdateStage", "EventTime": FIRED - timedelta(minutes=5), "EventSource": "apigateway.amazonaws.com",
                 "CloudTrailEvent": json.dumps({"requestParameters": {"restApiId": "abc123", "stageName": "prod"}})}
        alarm = {"AlarmName": "a", "Namespace": "AWS/ApiGateway", "MetricName": "5XXError", "Dimensions": [{"Name": "ApiName", "Value": "shop"}]}
        apis = {"items": [{"id": "abc123", "name": "shop"}]}
        rejected = {**event, "CloudTrailEvent": json.dumps({"errorCode": "AccessDenied"})}
        later = {**event, "EventTime": FIRED + timedelta(seconds=30)}
        unknown = error("TooManyRequestsException")
        for answer, events, own, complete, is_noted in ((apis, [event], [True], True, False), (unknown, [event], [False], False, True),
                                                        (unknown, [], [], True, False), (unknown, [rejected], [False], True, True),
                                                        (unknown, [later], [False], True, True)):
            found, _, _ = collected({"apigateway.get_rest_apis": answer, "cloudtrail.lookup_events": {"Events": events}}, fallback=alarm)
            self.assertEqual((own, complete), ([change["own"] for change in found["changes"]], found["trail"]["complete"]))
            noted = any("can be listed as those of others" in problem for problem in found["problems"])
            self.assertEqual(is_noted, noted, found["problems"])

    def test_later_changes_that_can_be_those_of_the_alarms_resources_are_after_the_period_of_which_all_are_known(self) -> None:
        def event(name: str, resource: str, minutes: float, **detail: Any) -> Dict[str, Any]:
            return {"EventId": name, "EventName": name, "EventSource": "iam.amazonaws.com", "EventTime": FIRED - timedelta(minutes=minutes),
                    "Resources": [{"ResourceName": resource}], "CloudTrailEvent": json.dumps(detail)}

        own, role = event("UpdateFunctionCode", "orders", 60), event("PutRolePolicy", "orders-role", 4)
        denied, later = event("DeleteRole", "orders-role", 2, errorCode="AccessDenied"), event("AttachRolePolicy", "orders-role", -0.5)
        known = {"Role": f"arn:aws:iam::{ACCOUNT}:role/orders-role"}
        for configuration, events, want in ((error("AccessDeniedException"), [own, role], "2026-08-04T12:32:00Z"),
                                            (error("AccessDeniedException"), [own, role, denied, later], "2026-08-04T12:32:00Z"),
                                            (error("AccessDeniedException"), [own, denied, later], "2026-08-04T09:36:00Z"),
                                            (known, [own, role], "2026-08-04T09:36:00Z")):
            found, text, _ = collected({"lambda.get_function_configuration": configuration, "cloudtrail.lookup_events": {"Events": events}}, fallback=lambda_alarm())
            self.assertEqual(want, found["trail"]["from"], events)
            self.assertIn("CHANGES in CloudTrail since 2026-08-04T09:36:00Z", text, "what was read")

    def test_changes_do_not_wait_for_a_slow_read_of_a_resource(self) -> None:
        slow = threading.Event()
        change = {"EventId": "1", "EventName": "UpdateAlias", "EventTime": FIRED - timedelta(minutes=5), "Resources": [{"ResourceName": "orders"}]}
        try:
            found, _, _ = collected({"lambda.get_function_configuration": lambda request: {} if slow.wait(30) else {}, "cloudtrail.lookup_events": {"Events": [change]}},
                                    fallback=lambda_alarm(), seconds=3)
        finally:
            slow.set()
        self.assertEqual([("UpdateAlias", True)], [(one["event"], one["own"]) for one in found["changes"]])
        self.assertIn("changes: the names of the alarm's resources were not known: not read in time", found["problems"])

    def test_changes_do_not_wait_for_slow_looks_at_many_resources(self) -> None:
        slow = threading.Event()
        change = {"EventId": "1", "EventName": "UpdateAlias", "EventTime": FIRED - timedelta(minutes=5), "Resources": [{"ResourceName": "orders-7"}]}
        queries = [{**lambda_alarm()["Metrics"][0], "Id": f"m{n}"} for n in range(12)]
        for n, query in enumerate(queries):
            query["MetricStat"] = {**query["MetricStat"], "Metric": {**query["MetricStat"]["Metric"], "Dimensions": [{"Name": "FunctionName", "Value": f"orders-{n}"}]}}
        operations = ("get_function_configuration", "get_function_concurrency", "list_aliases", "list_versions_by_function", "list_event_source_mappings")
        try:
            found, _, _ = collected({**{f"lambda.{one}": lambda request: {} if slow.wait(30) else {} for one in operations}, "cloudtrail.lookup_events": {"Events": [change]}},
                                    fallback={"AlarmName": "a", "Metrics": queries}, seconds=3)
        finally:
            slow.set()
        self.assertEqual([("UpdateAlias", True)], [(one["event"], one["own"]) for one in found["changes"]])

    def test_events_that_were_read_before_a_page_that_hangs_are_listed(self) -> None:
        slow = threading.Event()

        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            if "NextToken" in request:
                return {"Events": []} if slow.wait(30) else {}
            name = request["LookupAttributes"][0]["AttributeValue"]
            event = {"EventId": name, "EventName": f"Change{name}", "EventTime": FIRED - timedelta(minutes=5), "EventSource": "lambda.amazonaws.com",
                     "Resources": [{"ResourceName": "orders"}]}
            return {"Events": [event], "NextToken": "2"}

        try:
            found, _, _ = collected({"cloudtrail.lookup_events in eu-west-1": answer, "cloudtrail.lookup_events in us-east-1": {"Events": []}}, fallback=lambda_alarm(), seconds=3)
        finally:
            slow.set()
        self.assertEqual({"Changeorders", "Changefalse"}, {one["event"] for one in found["changes"]})
        self.assertEqual((False, "2026-08-04T12:31:00Z"), (found["trail"]["complete"], found["trail"]["from"]))
        notes = [problem for problem in found["problems"] if problem.startswith("changes:")]
        self.assertIn("changes: of the events of orders, only those since 2026-08-04T12:31:00Z were read", notes)
        self.assertTrue(any("CloudTrail was read back to 2026-08-04T12:31:00Z only" in note for note in notes), notes)
        self.assertFalse(any("lookups failed" in note for note in notes), notes)

    def test_other_alarms_do_not_wait_for_a_slow_read_of_a_kind(self) -> None:
        slow = threading.Event()
        listed = {"MetricAlarms": [{"AlarmName": "payments", "StateValue": "ALARM", "StateTransitionedTimestamp": FIRED}]}

        def late(**request: Any) -> Dict[str, Any]:
            return {} if slow.wait(30) else {}

        try:
            with mock.patch.object(alarms.cloudwatch, "describe_log_alarms", late):
                found, _, _ = collected({"cloudwatch.describe_alarms": lambda request: listed if request["AlarmTypes"] == ["MetricAlarm"] else {}}, seconds=3)
            with_composites, _, _ = collected({"cloudwatch.describe_alarms": lambda request: late() if request["AlarmTypes"] == ["CompositeAlarm"] else listed}, seconds=3)
        finally:
            slow.set()
        for one, kind in ((found, "log alarms in ALARM"), (with_composites, "alarms in ALARM (CompositeAlarm)")):
            self.assertEqual(["payments"], [other["name"] for other in one["related"]])
            self.assertIn(f"{kind}: not read in time", one["problems"])

    def test_other_alarms_remain_if_those_of_a_kind_cannot_be_read(self) -> None:
        of_kind = {"MetricAlarm": {"MetricAlarms": [{"AlarmName": "payments", "StateValue": "ALARM", "StateTransitionedTimestamp": FIRED}]},
                   "CompositeAlarm": {"CompositeAlarms": [{"AlarmName": "shop", "StateValue": "ALARM", "StateTransitionedTimestamp": FIRED}]}}
        for failing, names in ((("MetricAlarm",), ["shop"]), (("CompositeAlarm",), ["payments"]), (("MetricAlarm", "CompositeAlarm"), [])):
            def read(request: Dict[str, Any]) -> Any:
                if request["AlarmTypes"][0] in failing:
                    raise error("Throttling", operation="DescribeAlarms")
                return of_kind[request["AlarmTypes"][0]]

            with self.subTest(failing), mock.patch.object(alarms.cloudwatch, "describe_log_alarms", return_value={}):
                ctx = context(FakeAWS({"cloudwatch.describe_alarms": read}))
                self.assertEqual(names, [one["name"] for one in alarms.related(ctx)])
                self.assertEqual([", ".join(f"alarms in ALARM ({kind})" for kind in failing)], [note.split(": ")[0] for note in ctx.notes])

    def test_looks_do_not_wait_for_a_slow_read_of_the_definition(self) -> None:
        slow = threading.Event()
        answers = {"cloudwatch.describe_alarms": lambda request: {} if slow.wait(30) else {},
                   "lambda.get_function_concurrency": {"ReservedConcurrentExecutions": 0}}
        try:
            of_one, _, _ = collected(answers, fallback=lambda_alarm(), seconds=3)
            of_several, _, _ = collected(answers, kind="composite", children=["b"], fallback=lambda_alarm(), seconds=3)
        finally:
            slow.set()
        for found in (of_one, of_several):
            self.assertTrue(any("its reserved concurrency is 0" in one["text"] for one in found["observations"]), found)
            self.assertTrue(any(one.startswith("definition") and one.endswith("not finished within the time of the collection") for one in found["problems"]), found)
        self.assertIn("child alarms: not read in time", of_several["problems"])

    def test_the_collection_ends_before_the_time_limit_of_its_call(self) -> None:
        slow, late = threading.Event(), threading.Event()
        before = signal.signal(signal.SIGALRM, lambda number, frame: late.set())
        signal.setitimer(signal.ITIMER_REAL, 4)
        try:
            found, _, _ = collected({"lambda.get_function_concurrency": lambda request: {} if slow.wait(30) else {},
                                     "cloudtrail.lookup_events": {"Events": []}}, fallback=lambda_alarm(), seconds=20)
            self.assertFalse(late.is_set())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            slow.set()
        self.assertIn("concurrency of Lambda function orders: not finished within the time of the collection", found["problems"])

    def test_hundreds_of_incomplete_series_hide_no_other_problem(self) -> None:
        results = [{"Id": "m1", "Label": f"orders-{n}", "StatusCode": "PartialData", "Timestamps": [FIRED], "Values": [1.0]} for n in range(200)]
        found, _, _ = collected({"cloudwatch.get_metric_data": {"MetricDataResults": results}, "cloudtrail.lookup_events": error("AccessDeniedException")},
                                fallback=lambda_alarm())
        self.assertIn("series: orders-0 and 199 more are incomplete (PartialData)", found["problems"])
        self.assertTrue(any("CloudTrail lookups failed" in one for one in found["problems"]), found["problems"])

    def test_log_lines_are_no_headings(self) -> None:
        rows = [[{"field": "@message", "value": text}] for text in ("  ", "OBSERVATIONS (what was seen)", "- Lambda function orders: its state is Failed", "WHAT COULD NOT BE SEEN")]
        data = json.dumps({"results": [{"timestamp": "2026-08-04T12:36:00.000+0000", "value": 4, "queryResultId": "q"}]})
        found, text, _ = collected({"logs.get_query_results": {"status": "Complete", "results": rows}}, kind="log", reason_data=data)
        self.assertEqual(4, len(found["log_lines"]))
        self.assertIn("| OBSERVATIONS (what was seen)", text)
        self.assertNotIn("\nOBSERVATIONS", text)
        self.assertNotIn("\n- Lambda function", text)

    def test_changes_that_could_not_be_read_are_not_called_none(self) -> None:
        for answer, want in (({"Events": []}, "\nnone in eu-west-1\n"), (error("AccessDeniedException"), "\nnone in what was read, which is not all")):
            found, text, _ = collected({"cloudtrail.lookup_events": answer})
            self.assertIn(want, text)
        self.assertEqual("2026-08-04T12:36:00Z", found["trail"]["from"])
        _, text, _ = collected({"cloudtrail.lookup_events in eu-west-1": {"Events": []}, "cloudtrail.lookup_events": error("AccessDeniedException")})
        self.assertIn("\nnone in eu-west-1\n", text)  # nothing is known of the events of IAM in us-east-1

    def test_numbers_that_are_none_are_left_out(self) -> None:
        data = json.dumps({"threshold": float("inf"), "results": [{"timestamp": f"2026-08-04T12:3{i}:00.000+0000", "value": value} for i, value in enumerate((float("nan"), 5))]})
        found, _, _ = collected({}, kind="log", reason_data=data)
        self.assertEqual([([5], None)], [([value for _, value in one["points"]], one["threshold"]) for one in found["series"]])

    def test_names_in_a_rule(self) -> None:
        rule = ('ALARM("orders (prod)") OR OK("bob\'s") AND NOT ALARM("x \\"y\\"") OR ALARM(plain) OR ALARM( \'single\' ) '
                "OR OK( of three words ) OR INSUFFICIENT_DATA(arn:aws:cloudwatch:eu-west-1:1:alarm:z)")
        self.assertEqual(["orders (prod)", "bob's", 'x "y"', "plain", "single", "of three words", "arn:aws:cloudwatch:eu-west-1:1:alarm:z"], alarms._in_rule(rule))

    def test_names_in_a_rule_that_counts_alarms(self) -> None:
        arn = "arn:aws:cloudwatch:eu-west-1:1:alarm:z"
        for rule, want in (
            ("AT_LEAST(2, ALARM, (a, b, c))", ["a", "b", "c"]),
            ('AT_LEAST(50%, NOT OK, ("x (prod), y", plain, "q \\"r\\"")) AND ALARM(d)', ["x (prod), y", "plain", 'q "r"', "d"]),
            (f"ALARM(d) OR AT_LEAST( 1 ,INSUFFICIENT_DATA,( {arn} ))", ["d", arn]),
            ("AT_LEAST(1, ALARM, (a,b)) OR (AT_LEAST(60 %, NOT INSUFFICIENT_DATA, (of three words, 'single')) AND NOT OK(e))",
             ["a", "b", "of three words", "single", "e"]),
            ('ALARM("AT_LEAST(2, ALARM, (a, b))")', ["AT_LEAST(2, ALARM, (a, b))"]),
        ):
            with self.subTest(rule):
                self.assertEqual(want, alarms._in_rule(rule))

    def test_children_of_a_rule_that_counts_alarms(self) -> None:
        found = [{"AlarmName": name, "AlarmArn": f"arn:aws:cloudwatch:eu-west-1:1:alarm:{name}"} for name in ("x", "y", "z")]
        aws = FakeAWS({"cloudwatch.describe_alarms": {"MetricAlarms": found}})
        self.assertEqual(["x", "y", "z"], [a["AlarmName"] for a in alarms.children(context(aws), {"AlarmRule": "AT_LEAST(2, ALARM, (x, y, z))"})])

    def test_children_in_alarm_are_looked_at_before_others(self) -> None:
        inner = [f"orders-{n}" for n in range(14)]
        states = {**dict.fromkeys(inner, "OK"), "orders-13": "ALARM", "inner": "ALARM", "recovered": "OK"}

        def read(request: Dict[str, Any]) -> Dict[str, Any]:
            found = [{"AlarmName": name, "StateValue": states[name], **({"AlarmRule": " OR ".join(f"ALARM({one})" for one in inner)} if name == "inner" else {})}
                     for name in request["AlarmNames"]]
            return {"CompositeAlarms": [one for one in found if "AlarmRule" in one], "MetricAlarms": [one for one in found if "AlarmRule" not in one]}

        ctx = context(FakeAWS({"cloudwatch.describe_alarms": read}), children=["inner", "recovered"])
        found = [one["AlarmName"] for one in alarms.children(ctx, {"AlarmRule": "ALARM(inner) OR ALARM(recovered)"})]
        self.assertEqual(["recovered", "orders-13", *inner[:13]], found)

    def test_the_history_of_a_past_transition_is_not_that_of_later_ones(self) -> None:
        for hours, end in ((12, None), (48, FIRED + timedelta(days=1))):
            aws = FakeAWS({"cloudwatch.describe_alarm_history": {"AlarmHistoryItems": []}})
            ctx = context(aws, kind="metric")
            ctx.now = FIRED + timedelta(hours=hours)
            alarms.history(ctx)
            self.assertEqual(end, aws.requests[0][1].get("EndDate"))

    def test_a_child_alarm_that_could_not_be_read_is_not_called_missing(self) -> None:
        for answer, want in (({"return_value": {"LogAlarms": []}}, "child alarms: 1 were not found in this account, such as slow"),
                             ({"side_effect": error("Throttling", operation="DescribeAlarms")}, "child alarms: 1 were not read, because they may be log alarms")):
            ctx = context(FakeAWS({"cloudwatch.describe_alarms": {}}))
            with mock.patch("alarmtriage_tool.cloudwatch.describe_log_alarms", **answer):
                self.assertEqual([], alarms.children(ctx, {"AlarmRule": "ALARM(slow)"}))
            self.assertEqual([want], [note[:len(want)] for note in ctx.notes])

    def test_child_alarms_remain_if_those_below_another_cannot_be_read(self) -> None:
        def read(request: Dict[str, Any]) -> Any:
            if "inner" not in request["AlarmNames"]:
                raise error("Throttling", operation="DescribeAlarms")
            return {"MetricAlarms": [{"AlarmName": "errors"}], "CompositeAlarms": [{"AlarmName": "inner", "AlarmRule": "ALARM(below)"}]}

        ctx = context(FakeAWS({"cloudwatch.describe_alarms": read}))
        self.assertEqual(["errors"], [a["AlarmName"] for a in alarms.children(ctx, {"AlarmRule": "ALARM(errors) OR ALARM(inner)"})])
        self.assertRegex(ctx.notes[0], r"^child alarms: 1 were not read \(ClientError: .*\), such as below$")

    def test_the_history_remains_if_that_of_log_alarms_cannot_be_read(self) -> None:
        def read(request: Dict[str, Any]) -> Any:
            if request["AlarmTypes"] == ["LogAlarm"]:
                raise error("ValidationError", operation="DescribeAlarmHistory")
            return {"AlarmHistoryItems": [{"Timestamp": FIRED, "HistoryItemType": "StateUpdate", "HistorySummary": "to ALARM"}]}

        ctx = context(FakeAWS({"cloudwatch.describe_alarm_history": read}), kind="unknown")
        self.assertEqual(["to ALARM"], [one["summary"] for one in alarms.history(ctx)])
        self.assertRegex(ctx.notes[0], r"^history: that of LogAlarm was not read \(ClientError: ")

    def test_a_child_alarm_with_a_promql_query_is_noted(self) -> None:
        found = [{"AlarmName": "pods", "EvaluationCriteria": {"PromQLCriteria": {"Query": "up == 0"}}}, {"AlarmName": "errors", "MetricName": "Errors"}]
        ctx = context(FakeAWS({"cloudwatch.describe_alarms": {"MetricAlarms": found}}))
        self.assertEqual(["errors"], [a["AlarmName"] for a in alarms.children(ctx, {"AlarmRule": "ALARM(pods) OR ALARM(errors)"})])
        self.assertEqual(["child alarms: the query of PromQL alarm pods was not read"], ctx.notes)

    def test_a_rule_without_alarms_is_noted(self) -> None:
        for rule, noted in (("SOMETHING_NEW[a]", True), ("TRUE", False), ("ALARM(x)", False)):
            ctx = context(FakeAWS({"cloudwatch.describe_alarms": {"MetricAlarms": [{"AlarmName": "x"}]}}))
            alarms.children(ctx, {"AlarmRule": rule})
            self.assertEqual(noted, any("names no alarm" in note for note in ctx.notes), rule)

    def test_a_hostile_event_stops_no_other_part(self) -> None:
        for alarm in ({"time": 1e12}, {"kind": "log", "query": {"text": "x", "log_groups": [], "start_offset": "x"}},
                      {"kind": "log", "reason_data": '{"results": 5}'}, {"fallback": {"AlarmName": "a", "AlarmRule": "ALARM(" * 50_000}},
                      {"fallback": {"Metrics": [{"Id": "m", "MetricStat": {"Metric": {"MetricName": "x", "Dimensions": [{}]}}}]}}):
            found, _, _ = collected({}, **alarm)
            self.assertTrue(found["problems"], alarm)


class Numbers(unittest.TestCase):
    def test_the_lowest_of_minimums_counts(self) -> None:
        result = {"Id": "q0", "Timestamps": [FIRED - timedelta(minutes=20), FIRED, FIRED + timedelta(minutes=1)], "Values": [100.0, 90.0, 0.0]}
        ctx = context(FakeAWS({"cloudwatch.get_metric_data": {"MetricDataResults": [result]}}))
        self.assertEqual({"free": (100, 0)}, ctx.compare("AWS/RDS", {"free": ("FreeStorageSpace", "Minimum")}, {"DBInstanceIdentifier": "db"})[0])

    def test_datapoints_that_cloudwatch_still_has_are_compared(self) -> None:
        for days, period, minute, late in ((1, 60, 36, 8), (14, 60, 36, 8), (16, 300, 36, 8), (16, 300, 59, 0), (70, 3600, 36, 8), (70, 3600, 5, 4), (70, 3600, 55, 3), (70, 3600, 0, 0)):
            with self.subTest(days=days, minute=minute):
                aws = FakeAWS({"cloudwatch.get_metric_data": lambda request: {"MetricDataResults": [
                    {"Id": "q0", "Timestamps": [request["StartTime"], request["EndTime"] - timedelta(seconds=period)], "Values": [2.0, 9.0]}]}})
                ctx = context(aws)
                ctx.fired_at = FIRED.replace(minute=minute)
                ctx.now, ctx.onsets = FIRED + timedelta(days=days), [Onset(ctx.fired_at - timedelta(minutes=late), timedelta(minutes=1))]
                self.assertEqual((2, 9), ctx.compare("AWS/SQS", {"sent": ("NumberOfMessagesSent", "Sum")}, {"QueueName": "orders"})[0]["sent"])
                request = aws.requests[0][1]
                self.assertEqual(period, request["MetricDataQueries"][0]["MetricStat"]["Period"])
                times = [request["StartTime"], ctx.windows()[1], request["EndTime"]]
                self.assertTrue(all(at.timestamp() % period == 0 for at in times), times)
                self.assertLess(times[0], times[1])
                self.assertLess(times[1], times[2])
                self.assertLessEqual(ctx.fired_at + timedelta(minutes=30), times[2], "the half hour after the transition")

    def test_an_unused_target_is_not_healthy(self) -> None:
        aws = FakeAWS({
            "elbv2.describe_target_groups": {"TargetGroups": [{"TargetGroupArn": "t", "TargetGroupName": "shop"}]},
            "elbv2.describe_target_health": {"TargetHealthDescriptions": [
                {"Target": {"Id": "i-1", "Port": 80}, "TargetHealth": {"State": "unused", "Reason": "Target.InvalidState"}}]}})
        seen, _ = look(load_balancers, context(aws), "app/shop/1")
        texts = "\n".join(one.text for one in seen)
        self.assertIn("0 of 1 targets are healthy", texts)
        self.assertIn("target i-1:80 is unused: Target.InvalidState", texts)

    def test_throttling_of_an_api(self) -> None:
        for settings, want in (
            ({"*/*": {"throttlingRateLimit": 0.0}}, "throttled at 0 requests per second, so no request passes"),
            ({"orders/GET": {"throttlingRateLimit": 5.0}}, "no throttling of the whole stage; the account's limits apply; 1 method or route has separate settings"),
            ({"ThrottlingRateLimit": 0.0}, "no throttling of the whole stage; the account's limits apply"),
        ):
            self.assertEqual(want, api_gateway._throttling(settings))


class Names(unittest.TestCase):
    def test_names_with_blanks(self) -> None:
        aws = FakeAWS({})
        ctx = context(aws)
        ctx.metrics = [metric("AWS/ApiGateway", "Count", ApiName="Orders API"), metric("My App", "Failed Orders")]
        self.assertEqual(("Orders API", ""), api_gateway._parts(ctx, "Orders API"))
        self.assertEqual(("Orders API", "prod"), api_gateway._parts(ctx, "Orders API prod"))
        look(log_metric_filters, ctx, "My App Failed Orders")
        self.assertIn(("logs.describe_metric_filters", {"metricName": "Failed Orders", "metricNamespace": "My App"}), aws.requests)
