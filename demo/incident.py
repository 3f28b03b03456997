"""Breaks the order service of the demo's stack: removes dynamodb:GetItem from its role, and creates the traces that
this would leave in an account: log lines, an error metric, and an alarm with history. Prints the event that CloudWatch
sends to a Lambda function for the alarm."""

import json
import sys
from datetime import datetime, timedelta, timezone

import boto3

CENTRAL = "123456789012"  # the account of the triage
ALARM = "order-service-errors"
DESCRIPTION = "Orders cannot be read. Runbook: check the order service's latest errors."
REASON = "Threshold Crossed: 3 datapoints were greater than the threshold (5.0)."
HEALTHY_FOR, BROKEN_FOR, ERRORS_PER_MINUTE = 40, 4, 7  # minutes, minutes, lines

stack = json.load(sys.stdin)  # function, role, table, region, account
now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
table_arn = f"arn:aws:dynamodb:{stack['region']}:{stack['account']}:table/{stack['table']}"
minutes = [now + timedelta(minutes=m) for m in range(-HEALTHY_FOR, 0)]
broken_since = now - timedelta(minutes=BROKEN_FOR)


def dated(session: boto3.Session, at: datetime) -> None:
    """Makes the stand-in for CloudTrail record the session's writes at this time."""
    stamp = str(at.timestamp())
    session.events.register("before-sign", lambda request, **_: request.headers.add_header("X-Event-Time", stamp))


def remove_permission() -> None:
    statement = {"Effect": "Allow", "Action": ["dynamodb:DescribeTable"], "Resource": table_arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    boto3.client("iam").create_user(UserName="sam")
    key = boto3.client("iam").create_access_key(UserName="sam")["AccessKey"]
    sam = boto3.Session(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    dated(sam, broken_since - timedelta(seconds=20))
    sam.client("iam").put_role_policy(RoleName=stack["role"], PolicyName="orders", PolicyDocument=document)


def write_logs() -> None:
    logs = boto3.client("logs")
    where = {"logGroupName": "/aws/lambda/" + stack["function"], "logStreamName": now.strftime("%Y/%m/%d/[$LATEST]4f1c7a")}
    logs.create_log_group(logGroupName=where["logGroupName"])
    logs.create_log_stream(**where)
    denied = (
        "[ERROR] ClientError: An error occurred (AccessDeniedException) when calling the GetItem operation: "
        f"User: arn:aws:sts::{stack['account']}:assumed-role/{stack['role']}/{stack['function']} is not authorized to "
        f"perform: dynamodb:GetItem on resource: {table_arn} because no identity-based policy allows the dynamodb:GetItem action"
    )
    events = []
    for at in minutes:
        if at < broken_since:
            events.append((at, "REPORT RequestId: 8d0f0001 Duration: 41.20 ms Billed Duration: 42 ms Memory Size: 128 MB"))
        else:
            events += [(at + timedelta(seconds=8 * n), denied) for n in range(ERRORS_PER_MINUTE)]
    # With the present time, because Logs refuses lines that are newer than the time of the request.
    boto3.Session().client("logs").put_log_events(**where, logEvents=[{"timestamp": int(at.timestamp() * 1000), "message": text} for at, text in events])


def write_metric() -> None:
    dimensions = [{"Name": "FunctionName", "Value": stack["function"]}]
    watch = boto3.client("cloudwatch")
    watch.put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {"MetricName": "Errors", "Unit": "Count", "Timestamp": at, "Dimensions": dimensions,
             "Value": ERRORS_PER_MINUTE if at >= broken_since else 0.0}
            for at in minutes
        ],
    )
    watch.put_metric_alarm(
        AlarmName=ALARM, AlarmDescription=DESCRIPTION, Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum",
        Dimensions=dimensions, Period=60, EvaluationPeriods=3, Threshold=5.0, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    for state in ("OK", "ALARM"):
        watch.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason=REASON)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def forwarded(sent: dict) -> dict:
    """Returns the event as EventBridge forwards it from a member's bus."""
    data = sent["alarmData"]
    return {"version": "0", "id": "1", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "account": sent["accountId"],
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "region": sent["region"], "resources": [sent["alarmArn"]], "detail": data}


def event() -> dict:
    metric = {"namespace": "AWS/Lambda", "name": "Errors", "dimensions": {"FunctionName": stack["function"]}}
    reason_data = {"version": "1.0", "queryDate": stamp(now), "statistic": "Sum", "period": 60,
                   "recentDatapoints": [7.0, 7.0, 7.0], "threshold": 5.0}
    return {
        "source": "aws.cloudwatch",
        "alarmArn": f"arn:aws:cloudwatch:{stack['region']}:{stack['account']}:alarm:{ALARM}",
        "accountId": stack["account"], "time": stamp(now), "region": stack["region"],
        "alarmData": {
            "alarmName": ALARM,
            "state": {"value": "ALARM", "reason": REASON, "timestamp": stamp(now), "reasonData": json.dumps(reason_data)},
            "previousState": {"value": "OK", "reason": "Threshold not crossed", "timestamp": stamp(minutes[0])},
            "configuration": {
                "description": DESCRIPTION,
                "metrics": [{"id": "m1", "returnData": True, "metricStat": {"metric": metric, "period": 60, "stat": "Sum"}}],
            },
        },
    }


boto3.setup_default_session()
dated(boto3.DEFAULT_SESSION, now - timedelta(days=7))  # everything except the removed permission is old
remove_permission()
write_logs()
write_metric()
json.dump({"alarm": ALARM, "event": event() if stack["account"] == CENTRAL else forwarded(event())}, sys.stdout)
