"""Creates one resource of each kind that the first looks know, and runs the looks at it with real clients.

Prints one JSON object: for each case what was seen, which looks failed, and what was noted as not seen. `invalid` lists the
answers of the stand-in's own operations that do not match botocore's models, and requests that it should have refused.
"""

import io
import json
import sys
import time
import urllib.request
import zipfile
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List

import boto3
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from alarmtriage_evidence import services
from alarmtriage_evidence.context import Context, Metric

REGION, ACCOUNT = "us-east-1", "123456789012"
OWN_SERVICES = ("appconfig", "health")  # which local/moto adds to moto
ARN = f"arn:aws:%s:{REGION}:{ACCOUNT}:%s"
cases: Dict[str, Metric] = {}
invalid: List[str] = []


def case(name: str, namespace: str, metric: str = "M", **dimensions: str) -> None:
    cases[name] = Metric(namespace, metric, tuple(sorted(dimensions.items())), ACCOUNT)


def check(http_response: Any, parsed: Dict[str, Any], model: Any, **_: Any) -> None:
    if http_response.status_code < 300 and model.service_model.service_name in OWN_SERVICES:
        answer = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
        report = ParamValidator().validate(answer, model.output_shape)
        if report.has_errors():
            invalid.append(f"{model.name}: {report.generate_report()}")


def refused(code: str, call: Callable[..., Any], **request: Any) -> None:
    """Requires that the stand-in refuses a request, as AWS does."""
    try:
        call(**request)
        invalid.append(f"{call.__name__} did not refuse {request}")
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            invalid.append(f"{call.__name__}: {error}, want {code}")


def package() -> bytes:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): pass\n")
    return code.getvalue()


def errors(group: str, *messages: str) -> None:
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[
        {"timestamp": int(time.time() * 1000) - 1000, "message": message} for message in messages])


def create_messaging() -> None:
    sqs, sns, function = boto3.client("sqs"), boto3.client("sns"), boto3.client("lambda")
    dead = sqs.create_queue(QueueName="orders-dlq")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="poison")
    policy = json.dumps({"deadLetterTargetArn": ARN % ("sqs", "orders-dlq"), "maxReceiveCount": 3})
    sqs.create_queue(QueueName="orders", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "45"})
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = boto3.client("iam").create_role(RoleName="orders", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    function.create_function(FunctionName="orders", Runtime="python3.13", Role=role, Handler="app.handler", Timeout=3, Code={"ZipFile": package()})
    function.publish_version(FunctionName="orders")
    function.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
    function.put_function_concurrency(FunctionName="orders", ReservedConcurrentExecutions=0)
    function.create_event_source_mapping(FunctionName="orders", EventSourceArn=ARN % ("sqs", "orders"), Enabled=False)
    errors("/aws/lambda/orders", "[ERROR] KeyError: 'sku'", "[ERROR] KeyError: 'sku'")
    boto3.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[
        {"MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "orders"}], "Value": value, "Timestamp": time.time() - age}
        for value, age in ((1, 1200), (4, 2), (5, 1))])
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN % ("sqs", "orders"), Attributes={"FilterPolicy": '{"kind": ["order"]}'})
    case("lambda", "AWS/Lambda", FunctionName="orders")
    case("sqs", "AWS/SQS", QueueName="orders")
    case("sns", "AWS/SNS", TopicName="orders")


def create_stores() -> None:
    boto3.client("dynamodb").create_table(
        TableName="orders", BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 7},
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    boto3.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb", ResourceId="table/orders", ScalableDimension="dynamodb:table:ReadCapacityUnits", MinCapacity=5, MaxCapacity=50)
    case("dynamodb", "AWS/DynamoDB", TableName="orders")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="orders")
    s3.put_bucket_encryption(Bucket="orders", ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/orders"}}]})
    s3.put_bucket_notification_configuration(Bucket="orders", NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": ARN % ("sqs", "orders"), "Events": ["s3:ObjectCreated:*"]}]})
    s3.put_bucket_lifecycle_configuration(Bucket="orders", LifecycleConfiguration={
        "Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}]})
    case("s3", "AWS/S3", BucketName="orders", FilterId="all")
    s3.create_bucket(Bucket="bare")
    case("s3 without settings", "AWS/S3", BucketName="bare", FilterId="all")
    rds = boto3.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="orders", DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20,
                           MasterUsername="root", MasterUserPassword="not-a-secret")
    rds.create_db_cluster(DBClusterIdentifier="shop", Engine="aurora-postgresql", MasterUsername="root", MasterUserPassword="not-a-secret")
    rds.create_db_instance(DBInstanceIdentifier="writer", DBClusterIdentifier="shop", DBInstanceClass="db.r6g.large", Engine="aurora-postgresql")
    case("rds", "AWS/RDS", DBInstanceIdentifier="orders")
    case("aurora instance", "AWS/RDS", DBInstanceIdentifier="writer")
    case("aurora cluster", "AWS/RDS", DBClusterIdentifier="shop")
    boto3.client("elasticache").create_cache_cluster(CacheClusterId="orders", Engine="redis", CacheNodeType="cache.t3.micro", NumCacheNodes=1)
    case("elasticache", "AWS/ElastiCache", CacheClusterId="orders")
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="orders", ShardCount=2)
    kinesis.register_stream_consumer(StreamARN=ARN % ("kinesis", "stream/orders"), ConsumerName="billing")
    case("kinesis", "AWS/Kinesis", StreamName="orders")


def create_compute() -> None:
    ec2, scaling = boto3.client("ec2"), boto3.client("autoscaling")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"][:2]]
    instance = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    case("ec2", "AWS/EC2", InstanceId=instance)
    stopped = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    case("ec2 that was stopped", "AWS/EC2", InstanceId=stopped)
    scaling.create_launch_configuration(LaunchConfigurationName="orders", ImageId=image, InstanceType="t3.micro")
    scaling.create_auto_scaling_group(AutoScalingGroupName="orders", LaunchConfigurationName="orders", MinSize=1, MaxSize=2, DesiredCapacity=2,
                                      VPCZoneIdentifier=subnets[0])
    scaling.suspend_processes(AutoScalingGroupName="orders", ScalingProcesses=["Launch"])
    case("auto scaling", "AWS/AutoScaling", AutoScalingGroupName="orders")
    elb, vpc = boto3.client("elbv2"), ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    balancer = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="shop", Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath="/health")["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": stopped, "Port": 80}])
    ec2.stop_instances(InstanceIds=[stopped])
    case("load balancer", "AWS/ApplicationELB", LoadBalancer=balancer.partition("loadbalancer/")[2])
    case("target group", "AWS/ApplicationELB", TargetGroup=group.rpartition(":")[2])
    ecs = boto3.client("ecs")
    errors("/ecs/orders", "FATAL: cannot connect to the database")
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(family="orders", containerDefinitions=[{
        "name": "app", "image": "orders:7", "memory": 256, "cpu": 128,
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/orders", "awslogs-region": REGION}}}])
    ecs.create_service(cluster="shop", serviceName="orders", taskDefinition="orders", desiredCount=2)
    case("ecs", "AWS/ECS", ClusterName="shop", ServiceName="orders")


def create_interfaces() -> None:
    rest, http = boto3.client("apigateway"), boto3.client("apigatewayv2")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{ARN % ('lambda', 'function:orders')}/invocations"
    api = rest.create_rest_api(name="shop api")["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    rest.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    rest.create_deployment(restApiId=api, stageName="prod")
    rest.update_stage(restApiId=api, stageName="prod", patchOperations=[
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "10"}, {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "5"}])
    case("rest api", "AWS/ApiGateway", ApiName="shop api", Stage="prod")
    web = http.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    http.create_integration(ApiId=web, IntegrationType="AWS_PROXY", IntegrationUri=ARN % ("lambda", "function:orders"), PayloadFormatVersion="2.0")
    errors("/web/requests", "FATAL: no route")
    http.create_stage(ApiId=web, StageName="live", DefaultRouteSettings={"ThrottlingRateLimit": 20, "ThrottlingBurstLimit": 4},
                      AccessLogSettings={"DestinationArn": ARN % ("logs", "log-group:/web/requests"), "Format": "$context.status"})
    case("http api", "AWS/ApiGateway", ApiId=web, Stage="live")
    distribution = boto3.client("cloudfront").create_distribution(DistributionConfig={
        "CallerReference": "1", "Comment": "", "Enabled": False, "Origins": {"Quantity": 1, "Items": [
            {"Id": "o", "DomainName": "orders.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "MinTTL": 0, "ForwardedValues": {
            "QueryString": False, "Cookies": {"Forward": "none"}}}})["Distribution"]["Id"]
    boto3.client("cloudfront").create_invalidation(DistributionId=distribution, InvalidationBatch={
        "Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"})
    case("cloudfront", "AWS/CloudFront", DistributionId=distribution, Region="Global")
    events = boto3.client("events")
    events.create_event_bus(Name="shop")
    for bus, name in (("default", "nightly"), ("shop", "placed")):
        events.put_rule(Name=name, EventBusName=bus, State="DISABLED", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="placed", EventBusName="shop", Targets=[
        {"Id": "1", "Arn": ARN % ("sqs", "orders"), "DeadLetterConfig": {"Arn": ARN % ("sqs", "orders-dlq")}}])
    case("rule without target", "AWS/Events", RuleName="nightly")
    case("rule of a bus", "AWS/Events", RuleName="placed", EventBusName="shop")
    machine = boto3.client("stepfunctions").create_state_machine(
        name="orders", roleArn=f"arn:aws:iam::{ACCOUNT}:role/orders", definition='{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}')
    case("step functions", "AWS/States", StateMachineArn=machine["stateMachineArn"])
    errors("shop", "payment declined by bank", "payment declined by bank", "ERROR no stock")
    boto3.client("logs").put_metric_filter(logGroupName="shop", filterName="declined", filterPattern="declined", metricTransformations=[
        {"metricName": "Declined", "metricNamespace": "Shop", "metricValue": "1"}])
    case("log metric", "Shop", "Declined")


def create_deployments() -> None:
    config = boto3.client("appconfig")
    app = config.create_application(Name="shop")["Id"]
    profile = config.create_configuration_profile(ApplicationId=app, Name="flags", LocationUri="hosted")["Id"]
    config.create_hosted_configuration_version(ApplicationId=app, ConfigurationProfileId=profile, Content=b"{}", ContentType="application/json")
    environment = config.create_environment(ApplicationId=app, Name="prod")["Id"]
    order = {"ApplicationId": app, "EnvironmentId": environment, "ConfigurationProfileId": profile, "ConfigurationVersion": "1"}
    config.start_deployment(DeploymentStrategyId="AppConfig.AllAtOnce", **order)
    for code, change in (("ConflictException", {}), ("ResourceNotFoundException", {"ConfigurationVersion": "2"}),
                         ("ResourceNotFoundException", {"EnvironmentId": "abcdef0"})):
        refused(code, config.start_deployment, DeploymentStrategyId="AppConfig.AllAtOnce", **{**order, **change})
    refused("BadRequestException", config.list_applications, NextToken="no token")
    deploy = boto3.client("codedeploy")
    deploy.create_application(applicationName="shop", computePlatform="Lambda")
    deploy.create_deployment_group(applicationName="shop", deploymentGroupName="prod", serviceRoleArn=f"arn:aws:iam::{ACCOUNT}:role/orders")
    deploy.create_deployment(applicationName="shop", deploymentGroupName="prod")
    issue = {"arn": f"arn:aws:health:{REGION}::event/LAMBDA/AWS_LAMBDA_OPERATIONAL_ISSUE/AWS_LAMBDA_1", "service": "LAMBDA", "region": REGION,
             "eventTypeCode": "AWS_LAMBDA_OPERATIONAL_ISSUE", "eventTypeCategory": "issue", "statusCode": "open", "startTime": time.time() - 600}
    health(True, [issue, {**issue, "statusCode": "closed", "eventTypeCode": "AWS_LAMBDA_PAST"}, {**issue, "region": "eu-west-1", "eventTypeCode": "AWS_ELSEWHERE"}])
    refused("InvalidSignatureException", boto3.client("health", region_name="eu-west-1").describe_events)
    refused("ValidationException", boto3.client("health").describe_events, filter={"entityValues": ["orders"]})
    case("account", "Shop", "Unknown")


def health(plan: bool, events: List[Dict[str, Any]]) -> None:
    body = json.dumps({"supportPlan": plan, "events": events}).encode()
    urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/alarmtriage/health", data=body, method="PUT")).close()


def look(metric: Metric) -> Dict[str, Any]:
    now = datetime.now(timezone.utc)
    ctx = Context({"name": "a", "region": REGION, "partition": "aws", "account": ACCOUNT, "own_account": ACCOUNT, "time": now.timestamp() + 1,
                   "fallback": {"Metrics": [], "EvaluationPeriods": 5, "Period": 60}}, now, 20)
    ctx.metrics = [metric]
    wanted = services.targets(ctx, ctx.metrics)
    seen: List[str] = []
    failed: Dict[str, str] = {}
    looks = list(services.looks(ctx, wanted))
    own = looks[:-len(services.account.LOOKS)] or looks  # the looks at the account are tested in another case
    for name, one in own if wanted and metric != cases["account"] else looks:
        try:
            for observation in one():
                seen.append(f"{observation.about}: {observation.text}")
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return {"seen": seen, "failed": failed, "notes": ctx.problems(), "names": [name for _, name in services.names(ctx, wanted)]}


boto3.setup_default_session()
boto3.DEFAULT_SESSION.events.register("after-call", check)
for create in (create_messaging, create_stores, create_compute, create_interfaces, create_deployments):
    create()
found = {name: look(metric) for name, metric in cases.items()}
health(False, [])
found["account without a support plan"] = look(cases["account"])
json.dump({"cases": found, "invalid": invalid}, sys.stdout)
