"""Deploys an AlarmTriage as a stack, with alarms that start investigations in different ways.

Arguments: the name of the stack, and the environment of the orchestrator as JSON.
"""

import json
import sys

import boto3

stack, environment = sys.argv[1], json.loads(sys.argv[2])
region = boto3.session.Session().region_name
account = boto3.client("sts").get_caller_identity()["Account"]
trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def function(name, variables):
    return {"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": name, "Runtime": "python3.13", "Handler": "index.handler", "Code": {"ZipFile": "pass"},
        "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Environment": {"Variables": variables}}}


key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
topic = f"arn:aws:sns:{region}:{account}:{stack}-oncall"
template = {"Resources": {
    "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": stack + "-role", "AssumeRolePolicyDocument": trust}},
    "Reports": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": environment["REPORTS_BUCKET"], "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}]}}},
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": environment["INVESTIGATIONS_TABLE"], "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}},
    "Orchestrator": function(stack + "-orchestrator", environment),
    "Tool": function(environment["TOOL_FUNCTION"], {"REDACT": "true"}),
    "Other": function(stack + "-other", {"TABLE": "orders"}),
}}
boto3.client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps(template))
for name in ("orchestrator", "tool"):
    boto3.client("logs").create_log_group(logGroupName=f"/aws/lambda/{stack}-{name}")
boto3.client("lambda").create_alias(FunctionName=stack + "-orchestrator", Name="live", FunctionVersion="$LATEST")
for qualifier in ({}, {"Qualifier": "live"}):
    boto3.client("lambda").add_permission(
        FunctionName=stack + "-orchestrator", StatementId="alarms", Action="lambda:InvokeFunction",
        Principal="lambda.alarms.cloudwatch.amazonaws.com", SourceAccount=account, **qualifier)

sns = boto3.client("sns")
sns.create_topic(Name=stack + "-oncall")
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{region}:{account}:inbox")
orchestrator = f"arn:aws:lambda:{region}:{account}:function:{stack}-orchestrator"
alarms = sns.create_topic(Name=stack + "-alarms")["TopicArn"]
sns.subscribe(TopicArn=alarms, Protocol="lambda", Endpoint=orchestrator)
filtered = sns.create_topic(Name=stack + "-filtered")["TopicArn"]
sns.subscribe(TopicArn=filtered, Protocol="lambda", Endpoint=orchestrator, Attributes={  # as NamePrefixes of AttachTopic
    "FilterPolicy": json.dumps({"AlarmName": [{"prefix": "prod-"}, {"prefix": "stage-"}]}), "FilterPolicyScope": "MessageBody"})
other = sns.create_topic(Name=stack + "-other")["TopicArn"]

events = boto3.client("events")
events.put_rule(Name=stack, EventPattern=json.dumps({
    "source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"],
    "detail": {"alarmName": [{"prefix": "payments-"}], "state": {"value": ["ALARM"]}}}))
events.put_targets(Rule=stack, Targets=[{"Id": "1", "Arn": orchestrator}])

cloudwatch = boto3.client("cloudwatch")
for name, actions, enabled in [
    ("orders-errors", [orchestrator], True), ("orders-latency", [orchestrator + ":live"], True),
    ("orders-lag", [orchestrator + ":gone"], True), ("stock-errors", [alarms], True),
    ("payments-errors", [other], True), ("mail-errors", [other], True), ("it's-quiet", [orchestrator], False),
    ("prod-errors", [filtered], True), ("dev-errors", [filtered], True),
    ("alarmtriage-self-failures", [other], True),
]:
    cloudwatch.put_metric_alarm(
        AlarmName=name, AlarmActions=actions, ActionsEnabled=enabled, Namespace="Shop", MetricName="Errors", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold")
