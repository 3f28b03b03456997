"""A boto3 with canned answers in the formats that AWS documents, for operations that moto does not implement."""
import datetime as dt
import json
import sys
import types

from alarmtriage_tool import cloudwatch

MOMENT = dt.datetime(2026, 8, 4, 12, 36, tzinfo=dt.timezone.utc)
calls = []
refused = set()  # operations that are denied
kept = set()     # ids of query executions whose results have not expired
overrides = {}   # functions of a request and its Region that answer an operation

QUERY = {"QueryString": "filter @message like /ERROR/", "LogGroupIdentifiers": ["/aws/lambda/orders", "arn:aws:logs:eu-west-1:123456789012:log-group:shop:*"],
         "AggregationExpression": "count(*) by host", "ScheduleConfiguration": {"ScheduleExpression": "rate(5 minutes)", "StartTimeOffset": 300}}
REASON_DATA = json.dumps({"version": "1.0", "threshold": 100.0, "queryResultsToEvaluate": 2, "queryResultsToAlarm": 2, "results": [
    {"queryResultId": "run-2", "status": "COMPLETE", "timestamp": "2026-08-04T12:35:00.000+0000", "value": 142.0},
    {"queryResultId": "run-1", "status": "COMPLETE", "timestamp": "2026-08-04T12:30:00.000+0000", "value": 120.0}]})
LINES = [[{"field": "@timestamp", "value": "2026-08-04 12:34:01.000"}, {"field": "@message", "value": "ERROR no stock\n"}, {"field": "@ptr", "value": "p"}],
         [{"field": "host", "value": "a"}, {"field": "code", "value": "500"}, {"field": "@ptr", "value": "p"}]]


def describe_log_alarms(region=None, **request):
    calls.append(("cloudwatch", region, "describe_log_alarms", request))
    if "describe_log_alarms" in refused:
        raise RuntimeError("ValidationError: AlarmTypes")
    if request.get("StateValue"):
        return {"LogAlarms": [{"AlarmName": "other-errors", "AlarmArn": "arn:o", "StateValue": "ALARM", "StateReason": "r",
                               "StateUpdatedTimestamp": MOMENT + dt.timedelta(minutes=1)}] if kept else []}
    return {"LogAlarms": [{"AlarmName": n, "ScheduledQueryConfiguration": QUERY, "Threshold": 100.0, "StateReasonData": REASON_DATA}
                          for n in request["AlarmNames"] if n == "log-errors"]}


def promql(query, start=None, end=None, step=None, time=None, region=None):
    calls.append(("monitoring", region, "promql", {"query": query, "step": step, "start": start, "end": end}))
    if "promql " + query in refused:
        raise RuntimeError("An error occurred (bad_data): parse error")
    at = MOMENT.timestamp()
    return {"resultType": "matrix", "warnings": ["result truncated"], "result": [
        {"metric": {"host": h}, "values": [[at - 60, "1"], [at, v]]} for h, v in (("a", "7"), ("b", "90.5"), ("c", "NaN"))]}


class Client:
    def __init__(self, service, region):
        self.service, self.region = service, region

    def __getattr__(self, operation):
        def call(**request):
            calls.append((self.service, self.region, operation, request))
            if operation in overrides:
                return overrides[operation](request, self.region)
            return answer(self.service, self.region, operation, request)
        return call


def answer(service, region, operation, request):
    if operation in refused:
        raise RuntimeError("AccessDenied: " + operation)
    if operation == "start_query":
        return {"queryId": "again"}
    if operation == "get_query_results":
        if request["queryId"] != "again" and request["queryId"] not in kept:
            raise RuntimeError("ResourceNotFoundException")
        running = sum(c[2] == "get_query_results" and c[3]["queryId"] == "again" for c in calls) == 1
        return {"status": "Running"} if running and request["queryId"] == "again" else {"status": "Complete", "results": LINES}
    if operation == "describe_alarm_contributors":
        return {"AlarmContributors": [{"ContributorAttributes": {"host": "b"}, "StateReason": "over", "StateTransitionedTimestamp": MOMENT}]}
    if operation == "describe_alarms" and "promql-latency" in request.get("AlarmNames", []):
        return {"MetricAlarms": [{"AlarmName": "promql-latency", "EvaluationInterval": 30, "EvaluationCriteria": {"PromQLCriteria": {
            "Query": 'avg by (host) (latency{service="shop"}) > 80', "PendingPeriod": 300}}}]}
    if operation == "describe_alarms" and set(request.get("AlarmNames", [])) & {"log-errors", "new-kind"}:
        return {"MetricAlarms": [], "CompositeAlarms": []}  # CloudWatch's answer for a log alarm
    if operation == "describe_alarms":
        if request.get("StateValue"):
            return {"MetricAlarms": [
                {"AlarmName": "payments %d" % i, "AlarmArn": "arn:p%d" % i, "StateValue": "ALARM",
                 "StateReason": "x" * 999, "StateUpdatedTimestamp": MOMENT - dt.timedelta(minutes=i)} for i in range(60)]}
        return {"MetricAlarms": [{
            "AlarmName": "cpu-unusual", "ThresholdMetricId": "ad1", "ComparisonOperator": "GreaterThanUpperThreshold",
            "AlarmConfigurationUpdatedTimestamp": MOMENT, "Metrics": [
                {"Id": "m1", "ReturnData": True, "MetricStat": {"Period": 60, "Stat": "Average", "Metric": {
                    "Namespace": "AWS/Lambda", "MetricName": "Duration", "Dimensions": [{"Name": "FunctionName", "Value": "orders"}]}}},
                {"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)", "Label": "expected", "ReturnData": True}]}]}
    if operation == "describe_alarm_history":
        if request.get("AlarmName") == "log-errors" and "LogAlarm" not in request["AlarmTypes"]:
            return {"AlarmHistoryItems": []}
        if not {"CompositeAlarm", "LogAlarm"} & set(request.get("AlarmTypes", ["MetricAlarm"])):
            return {"AlarmHistoryItems": []}  # CloudWatch's answer for a composite alarm
        return {"AlarmHistoryItems": [{"AlarmName": "cpu-unusual", "Timestamp": MOMENT, "HistoryItemType": "StateUpdate",
                                       "HistorySummary": "Alarm updated from OK to ALARM"}]}
    if operation == "get_metric_data":
        times = [MOMENT - dt.timedelta(minutes=1), MOMENT]
        return {"MetricDataResults": [
            {"Id": "m1", "Label": "Duration", "Timestamps": times, "Values": [10.0, 90.0]},
            {"Id": "ad1", "Label": "expected", "Timestamps": times, "Values": [20.0, 21.0]},
            {"Id": "ad1", "Label": "expected", "Timestamps": times, "Values": [5.0, 6.0]}]}
    if operation == "get_function_configuration":
        return {"Role": "arn:aws:iam::123456789012:role/service/orders-role"}
    if operation == "lookup_events":
        attribute = request["LookupAttributes"][0]
        if attribute["AttributeValue"] == "orders-role" and region == "us-east-1":
            return {"Events": [{
                "EventId": "1", "EventName": "DeleteRolePolicy", "EventSource": "iam.amazonaws.com", "ReadOnly": "false",
                "EventTime": MOMENT - dt.timedelta(minutes=4), "Username": "deploy", "Resources": [{"ResourceName": "orders-role"}],
                "CloudTrailEvent": json.dumps({"errorCode": "none"})}]}
        if attribute["AttributeKey"] == "ReadOnly":
            return {"Events": [
                {"EventId": "2", "EventName": "UpdateFunctionCode", "EventSource": "lambda.amazonaws.com", "ReadOnly": "false",
                 "EventTime": MOMENT - dt.timedelta(minutes=2), "CloudTrailEvent": "{broken"},
                {"EventId": "3", "EventName": "DescribeStacks", "ReadOnly": "true", "EventTime": MOMENT}]}
        raise RuntimeError("ThrottlingException: Rate exceeded")
    raise RuntimeError("AccessDenied: " + operation)


boto3 = types.SimpleNamespace(client=lambda service, region_name=None, config=None: Client(service, region_name))
sys.modules["boto3"] = boto3
cloudwatch.describe_log_alarms, cloudwatch.promql = describe_log_alarms, promql


def _settled():
    """Lets a collection about MOMENT run half a day later: CloudWatch keeps datapoints of a minute for 15 days."""
    from alarmtriage_evidence import collector, context

    def made(alarm, now, seconds):
        return context.Context(alarm, MOMENT + dt.timedelta(hours=12) if alarm.get("time") == MOMENT.timestamp() else now, seconds)
    collector.Context = made


_settled()
