"""Creates the resources, log lines, and alarm that the twelve calls read."""

import io
import json
import zipfile
from datetime import datetime, timedelta, timezone

import boto3

now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
logs = boto3.client("logs")
where = {"logGroupName": "/aws/lambda/orders", "logStreamName": now.strftime("%Y/%m/%d/[$LATEST]4f1c7a")}
logs.create_log_group(logGroupName=where["logGroupName"])
logs.create_log_stream(**where)
denied = "[ERROR] AccessDeniedException: orders-role is not authorized to perform: dynamodb:GetItem on orders"
logs.put_log_events(**where, logEvents=[
    {"timestamp": int((now - timedelta(seconds=300 - n)).timestamp() * 1000), "message": denied} for n in range(200)])

iam = boto3.client("iam")
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
iam.create_role(RoleName="orders-role", AssumeRolePolicyDocument=json.dumps(trust))
iam.put_role_policy(RoleName="orders-role", PolicyName="orders", PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": "*"}]}))

code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("app.py", "def handler(event, context): pass\n")
boto3.client("lambda").create_function(
    FunctionName="orders", Runtime="python3.13", Role="arn:aws:iam::123456789012:role/orders-role", Handler="app.handler",
    Timeout=3, MemorySize=128, Code={"ZipFile": code.getvalue()})
boto3.client("dynamodb").create_table(
    TableName="orders", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
boto3.client("sqs").create_queue(QueueName="orders-dlq")

dimensions = [{"Name": "FunctionName", "Value": "orders"}]
watch = boto3.client("cloudwatch")
watch.put_metric_data(Namespace="AWS/Lambda", MetricData=[
    {"MetricName": "Errors", "Unit": "Count", "Dimensions": dimensions, "Timestamp": now - timedelta(minutes=m), "Value": 7.0 if m < 5 else 0.0}
    for m in range(40)])
watch.put_metric_alarm(
    AlarmName="orders-errors", AlarmDescription="Orders fail.", Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum",
    Dimensions=dimensions, Period=60, EvaluationPeriods=3, Threshold=5.0, ComparisonOperator="GreaterThanThreshold")
watch.set_alarm_state(AlarmName="orders-errors", StateValue="ALARM", StateReason="Threshold Crossed: 7.0 was greater than 5.0")
