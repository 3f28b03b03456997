"""boto3 with canned answers in the shapes that AWS documents, for what moto does not do."""
import datetime as dt
import json
import types

MOMENT = dt.datetime(2026, 8, 4, 12, 36, tzinfo=dt.timezone.utc)
calls = []


class Client:
    def __init__(self, service, region):
        self.service, self.region = service, region

    def __getattr__(self, operation):
        def call(**request):
            calls.append((self.service, self.region, operation, request))
            return answer(self.service, self.region, operation, request)
        return call


def answer(service, region, operation, request):
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
        if "CompositeAlarm" not in request.get("AlarmTypes", ["MetricAlarm"]):
            return {"AlarmHistoryItems": []}  # as CloudWatch answers of a composite alarm
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
