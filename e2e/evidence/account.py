"""Creates the resources and the log lines that the tests read."""

import io
import json
import zipfile
from datetime import datetime, timedelta, timezone

import boto3

ROLE = "orders-role"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": ["dynamodb:DescribeTable"], "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/orders"},
        {"Sid": "Logs", "Effect": "Deny", "Action": "logs:DeleteLogGroup", "Resource": "*"},
    ],
}
START = (datetime.now(timezone.utc) - timedelta(minutes=20)).replace(second=15, microsecond=123000)
INNER = json.dumps({"level": "WARN", "detail": 'retry 3 of 5 <timeout> & "quoted"'})
MESSAGES = [
    "2026-11-25T12:36:15.123Z\t8d0f0001\tERROR\tAccessDeniedException: orders-role is not authorized to perform: dynamodb:GetItem on orders-table",
    "REPORT RequestId: 8d0f0001\tDuration: 3000.12 ms\tBilled Duration: 3001 ms\tMemory Size: 128 MB\tMax Memory Used: 127 MB\t",
    json.dumps({"level": "ERROR", "error": "pool exhausted", "pool": {"size": 10, "waiting": 57}, "msg": "Zertifikat für orders.intern ist abgelaufen"}, ensure_ascii=False),
    "証明書の有効期限が切れました orders.intern",
    json.dumps({"message": INNER}),
    "connexion refuse\u0301e par l\u2019ho\u0302te \u2013 “fin” du service",
    "Traceback (most recent call last):\n  File \"/var/task/app.py\", line 12, in handler\n    charge(order)\nValueError: amount must not be 100",
    "the cause is not the database, the pool of user-service is healthy",
    "access denied for user bob",
    "request from role checkout succeeded",
    "login failed for app with password=Zq8sV2kLw9xT7pQ on orders-db",
]

logs = boto3.client("logs")
where = {"logGroupName": "/aws/lambda/orders", "logStreamName": "2026/11/25/[$LATEST]4f1c7a"}
logs.create_log_group(logGroupName=where["logGroupName"])
logs.create_log_stream(**where)
logs.put_log_events(**where, logEvents=[
    {"timestamp": int(START.timestamp() * 1000) + 1000 * n, "message": m} for n, m in enumerate(MESSAGES)])

iam = boto3.client("iam")
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
iam.put_role_policy(RoleName=ROLE, PolicyName="orders", PolicyDocument=json.dumps(POLICY))

code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("app.py", "def handler(event, context): pass\n")
boto3.client("lambda").create_function(
    FunctionName="orders", Runtime="python3.13", Role="arn:aws:iam::123456789012:role/" + ROLE, Handler="app.handler",
    Timeout=3, MemorySize=128, Code={"ZipFile": code.getvalue()})

boto3.client("dynamodb").create_table(
    TableName="orders", BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 7},
    KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}, {"AttributeName": "created", "KeyType": "RANGE"}],
    AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}, {"AttributeName": "created", "AttributeType": "N"}])

watch = boto3.client("cloudwatch")
for name, threshold in (("orders-errors", 5.0), ("orders-latency", 250.0)):
    watch.put_metric_alarm(
        AlarmName=name, AlarmDescription=f"Description of {name}", Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum",
        Dimensions=[{"Name": "FunctionName", "Value": "orders"}], Period=60, EvaluationPeriods=3, Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching")
watch.set_alarm_state(AlarmName="orders-errors", StateValue="ALARM", StateReason="Threshold Crossed: 3 datapoints were greater than 5.0")
watch.put_metric_data(Namespace="AWS/Lambda", MetricData=[
    {"MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "orders"}], "Value": value, "Unit": "Count",
     "Timestamp": START.replace(second=0, microsecond=0) + timedelta(minutes=minute)} for minute, value in ((0, 0.0), (1, 12.0), (2, 57.5))])

sqs = boto3.client("sqs")
sqs.create_queue(QueueName="orders-dlq", Attributes={"VisibilityTimeout": "45", "MessageRetentionPeriod": "86400"})
boto3.client("s3").create_bucket(Bucket="orders-bucket")
boto3.client("sns").create_topic(Name="orders-topic")
boto3.client("ec2").create_security_group(GroupName="orders-sg", Description="opens port 8443 to the partner network")
