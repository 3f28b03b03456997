"""Creates the same resources, with other contents, in the account of the triage and in other accounts."""

import io
import json
import os
import sys
import zipfile
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3

CENTRAL, MEMBER, OTHER, FOREIGN = "123456789012", "444455556666", "777788889999", "999999999999"
TOOL = f"arn:aws:iam::{CENTRAL}:role/triage-tool"
ROLE = "alarmtriage-member"
# The contents by account and Region: the line that the function logged, the function's memory, and the points of its metric.
PLACES = (
    (CENTRAL, "us-east-1", "ERROR CENTRAL-LINE the table central-orders does not exist", 128, 3.0),
    (MEMBER, "us-east-1", "ERROR MEMBER-LINE the table member-orders does not exist", 256, 44.0),
    (MEMBER, "eu-central-1", "ERROR FRANKFURT-LINE the table frankfurt-orders does not exist", 512, 77.0),
    (OTHER, "us-east-1", "ERROR OTHER-LINE", 128, 5.0),
)
NOW = datetime.now(timezone.utc).replace(second=0, microsecond=0)


def client(service: str, account: str, region: str = "us-east-1") -> Any:
    return boto3.client(service, region_name=region, aws_access_key_id=f"AKIAROOT{account}", aws_secret_access_key="any", aws_session_token=None)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def trust(principal: dict[str, str], condition: dict[str, Any]) -> str:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **({"Condition": condition} if condition else {})})


iam = client("iam", CENTRAL)
iam.create_role(RoleName="triage-tool", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}, {}))
iam.put_role_policy(RoleName="triage-tool", PolicyName="members", PolicyDocument=document(
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [f"arn:aws:iam::{account}:role/{ROLE}" for account in (MEMBER, OTHER, "888899990000")]}))
for account, condition in ((MEMBER, {"StringEquals": {"sts:ExternalId": f"alarmtriage-{CENTRAL}"}}),
                           (OTHER, {"StringEquals": {"sts:ExternalId": f"alarmtriage-{CENTRAL}"}}), (FOREIGN, {})):
    client("iam", account).create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust({"AWS": TOOL}, condition))

code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("app.py", "def handler(event, context): pass\n")
for account, region, line, memory, points in PLACES:
    try:
        client("iam", account).create_role(RoleName="orders-role", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}, {}))
    except client("iam", account).exceptions.EntityAlreadyExistsException:
        pass
    client("lambda", account, region).create_function(
        FunctionName="orders", Runtime="python3.13", Role=f"arn:aws:iam::{account}:role/orders-role", Handler="app.handler", Timeout=3,
        MemorySize=memory, Code={"ZipFile": code.getvalue()})
    logs = client("logs", account, region)
    where = {"logGroupName": "/aws/lambda/orders", "logStreamName": "2026/11/26/[$LATEST]1"}
    logs.create_log_group(logGroupName=where["logGroupName"])
    logs.create_log_stream(**where)
    logs.put_log_events(**where, logEvents=[
        {"timestamp": int((NOW - timedelta(minutes=n)).timestamp() * 1000), "message": line} for n in range(4, 0, -1)])
    watch = client("cloudwatch", account, region)
    watch.put_metric_data(Namespace="AWS/Lambda", MetricData=[
        {"MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "orders"}], "Timestamp": NOW - timedelta(minutes=n),
         "Value": points if n < 5 else 0.0} for n in range(1, 30)])
    watch.put_metric_alarm(
        AlarmName="orders-errors", AlarmDescription=f"of {account} in {region}", Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum",
        Dimensions=[{"Name": "FunctionName", "Value": "orders"}], Period=60, EvaluationPeriods=1, Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold")
    watch.put_composite_alarm(AlarmName="orders-down", AlarmRule='ALARM("orders-errors")')
    for name in ("orders-errors", "orders-down"):
        watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=f"Threshold Crossed: {points}")

alarm = client("cloudwatch", MEMBER).describe_alarms(AlarmNames=["orders-errors"])["MetricAlarms"][0]
composite = client("cloudwatch", MEMBER).describe_alarms(AlarmNames=["orders-down"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]
json.dump({"transitioned": alarm["StateUpdatedTimestamp"].isoformat(), "composite": composite["StateUpdatedTimestamp"].isoformat()}, sys.stdout)
assert os.environ["AWS_ENDPOINT_URL"].startswith("http://localhost"), "only the stand-in has such keys"
