"""Creates in moto what the tests investigate: an alarm in ALARM with its metric and log lines, and an alarm that is OK
again. boto3 is used because moto supports its protocols best."""

import sys
from datetime import datetime, timedelta, timezone

import boto3

ALARM, REASON, GROUP, LINE = sys.argv[1:]
now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
watch, logs = boto3.client("cloudwatch"), boto3.client("logs")
dimensions = [{"Name": "FunctionName", "Value": "order-service"}]

watch.put_metric_data(Namespace="AWS/Lambda", MetricData=[
    {"MetricName": "Errors", "Unit": "Count", "Dimensions": dimensions, "Timestamp": now + timedelta(minutes=minute),
     "Value": 7.0 if minute >= -4 else 0.0}
    for minute in range(-20, 0)
])
for name, states in ((ALARM, ("OK", "ALARM")), ("quiet", ("OK", "ALARM", "OK"))):
    watch.put_metric_alarm(
        AlarmName=name, AlarmDescription="Orders cannot be read.", Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum",
        Dimensions=dimensions, Period=60, EvaluationPeriods=3, Threshold=5.0, ComparisonOperator="GreaterThanThreshold",
    )
    for state in states:
        watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=REASON)

logs.create_log_group(logGroupName=GROUP)
logs.create_log_stream(logGroupName=GROUP, logStreamName="2026/11/26/[$LATEST]4f1c7a")
logs.put_log_events(logGroupName=GROUP, logStreamName="2026/11/26/[$LATEST]4f1c7a", logEvents=[
    {"message": LINE, "timestamp": int((now + timedelta(seconds=n - 10)).timestamp() * 1000)} for n in range(7)
])
