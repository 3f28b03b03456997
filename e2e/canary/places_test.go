package canary_test

// place is a place in an account that can hold a secret, and the code that tries to read it.
type place struct {
	name    string
	plant   string // Python that puts `secret` there
	read    string // Python expression that a model would use
	shows   string // text that the answer must contain, which proves that the read succeeded; empty if it is refused
	refused string // operation that the answer reports as refused
}

// shown are places that investigations need to read. The code receives the value, and the secret is redacted
// from the answer.
var shown = []place{
	{name: "function environment", plant: `boto3.client("lambda").create_function(FunctionName="orders", Runtime="python3.13", Handler="app.handler", Role=role(),
    Code={"ZipFile": archive()}, Environment={"Variables": {"STAGE": secret, "DB_PASSWORD": secret, "TABLE": "orders-table", "DB_HOST": "db-7.internal", "POOL_SIZE": "5"}})`,
		read: `boto3.client("lambda").get_function_configuration(FunctionName="orders")`, shows: "db-7.internal"},
	{name: "function environments of a list", plant: `boto3.client("lambda").create_function(FunctionName="listed", Runtime="python3.13", Handler="app.handler", Role=role(),
    Code={"ZipFile": archive()}, Environment={"Variables": {"CONFIG": secret}})`,
		read: `[f for page in boto3.client("lambda").get_paginator("list_functions").paginate() for f in page["Functions"]]`, shows: "listed"},
	{name: "task definition, environment", plant: `boto3.client("ecs").register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "nginx", "memory": 128,
    "environment": [{"name": "STAGE", "value": secret}, {"name": "dbPassword", "value": secret}], "secrets": [{"name": "TOKEN", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/token"}]}])`,
		read: `boto3.client("ecs").describe_task_definition(taskDefinition="web")["taskDefinition"]`, shows: "nginx"},
	{name: "user data of an instance", plant: `boto3.client("ec2").run_instances(ImageId=image(), MinCount=1, MaxCount=1, UserData="#!/bin/bash\nexport TOKEN=" + secret)`,
		read:  `[boto3.client("ec2").describe_instance_attribute(InstanceId=i["InstanceId"], Attribute="userData") for r in boto3.client("ec2").describe_instances()["Reservations"] for i in r["Instances"]]`,
		shows: "i-"},
	{name: "user data through boto3.resource", plant: `boto3.client("ec2").run_instances(ImageId=image(), MinCount=1, MaxCount=1, UserData="#!/bin/bash\ncurl -u admin:" + secret + " https://x")`,
		read:  `[i.describe_attribute(Attribute="userData") for i in boto3.resource("ec2").instances.all()]`,
		shows: "i-"},
	{name: "launch template", plant: `boto3.client("ec2").create_launch_template(LaunchTemplateName="workers", LaunchTemplateData={"InstanceType": "t3.small",
    "UserData": base64.b64encode(("#!/bin/bash\nexport TOKEN=" + secret).encode()).decode()})`,
		read: `boto3.client("ec2").describe_launch_template_versions(LaunchTemplateName="workers")["LaunchTemplateVersions"]`, shows: "t3.small"},
	{name: "launch configuration", plant: `boto3.client("autoscaling").create_launch_configuration(LaunchConfigurationName="lc", ImageId=image(), InstanceType="t3.small",
    UserData="#!/bin/bash\nexport TOKEN=" + secret)`,
		read: `boto3.client("autoscaling").describe_launch_configurations()["LaunchConfigurations"]`, shows: "t3.small"},
	{name: "VPN configuration", plant: `ec2 = boto3.client("ec2")
gateway = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.9", BgpAsn=65000)["CustomerGateway"]["CustomerGatewayId"]
vpc = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
made = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=gateway, VpnGatewayId=vpc)["VpnConnection"]
secret = re.search(r"<pre_shared_key>([^<]+)<", made["CustomerGatewayConfiguration"]).group(1)`,
		read: `boto3.client("ec2").describe_vpn_connections()["VpnConnections"]`, shows: "ipsec.1"},
	{name: "stack parameter and output", plant: `boto3.client("cloudformation").create_stack(StackName="stack", Parameters=[{"ParameterKey": "DbPassword", "ParameterValue": secret}],
    TemplateBody=json.dumps({"Parameters": {"DbPassword": {"Type": "String"}}, "Resources": {"Q": {"Type": "AWS::SQS::Queue"}},
                             "Outputs": {"ApiKey": {"Value": {"Ref": "DbPassword"}}}}))`,
		read: `boto3.client("cloudformation").describe_stacks(StackName="stack")["Stacks"]`, shows: "CREATE_COMPLETE"},
	{name: "build project", plant: `boto3.client("codebuild").create_project(name="build", source={"type": "S3", "location": "b/k"}, artifacts={"type": "NO_ARTIFACTS"}, serviceRole=role(),
    environment={"type": "LINUX_CONTAINER", "image": "img:1", "computeType": "BUILD_GENERAL1_SMALL",
                 "environmentVariables": [{"name": "STAGE", "value": secret, "type": "PLAINTEXT"}]})`,
		read: `boto3.client("codebuild").batch_get_projects(names=["build"])["projects"]`, shows: "img:1"},
	{name: "batch job definition", plant: `boto3.client("batch").register_job_definition(jobDefinitionName="nightly", type="container",
    containerProperties={"image": "img:2", "vcpus": 1, "memory": 128, "command": ["run", "--password", secret], "environment": [{"name": "stage", "value": secret}]})`,
		read: `boto3.client("batch").describe_job_definitions()["jobDefinitions"]`, shows: "img:2"},
	{name: "Glue job arguments", plant: `boto3.client("glue").create_job(Name="etl", Role=role(), Command={"Name": "glueetl", "ScriptLocation": "s3://b/k"},
    DefaultArguments={"--db_password": secret, "--conn": "postgres://etl:" + secret + "@db.example:5432/x"})`,
		read: `boto3.client("glue").get_job(JobName="etl")["Job"]`, shows: "glueetl"},
	{name: "cluster step", plant: `boto3.client("emr").run_job_flow(Name="nightly", Instances={"MasterInstanceType": "m5.large", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}, JobFlowRole="r", ServiceRole="r",
    Steps=[{"Name": "load", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["sqoop", "--password", secret]}}])`,
		read: `[boto3.client("emr").list_steps(ClusterId=c["Id"])["Steps"] for c in boto3.client("emr").list_clusters()["Clusters"]]`, shows: "command-runner.jar"},
	{name: "state machine input", plant: `sfn = boto3.client("stepfunctions")
machine = sfn.create_state_machine(name="flow", roleArn=role(), definition=json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}))["stateMachineArn"]
sfn.start_execution(stateMachineArn=machine, name="run", input=json.dumps({"order": 7, "api_key": secret}))`,
		read: `boto3.client("stepfunctions").describe_execution(executionArn="arn:aws:states:us-east-1:123456789012:execution:flow:run")`, shows: "execution:flow:run"},
	{name: "tags of a function", plant: `boto3.client("lambda").create_function(FunctionName="tagged", Runtime="python3.13", Handler="app.handler", Role=role(),
    Code={"ZipFile": archive()}, Tags={"password": secret, "team": "checkout"})`,
		read: `boto3.client("lambda").list_tags(Resource="arn:aws:lambda:us-east-1:123456789012:function:tagged")["Tags"]`, shows: "checkout"},
}

// withheld are places whose value is the secret itself: the broker refuses to read them.
var withheld = []place{
	{name: "parameter", plant: `boto3.client("ssm").put_parameter(Name="/db/url", Type="String", Value=secret)`,
		read: `boto3.client("ssm").get_parameter(Name="/db/url")`, refused: "ssm:GetParameter"},
	{name: "parameters by path", plant: `boto3.client("ssm").put_parameter(Name="/db/path", Type="String", Value=secret)`,
		read: `list(boto3.client("ssm").get_paginator("get_parameters_by_path").paginate(Path="/db"))`, refused: "ssm:GetParametersByPath"},
	{name: "parameter history", plant: `boto3.client("ssm").put_parameter(Name="/db/old", Type="String", Value=secret)`,
		read: `boto3.client("ssm").get_parameter_history(Name="/db/old")`, refused: "ssm:GetParameterHistory"},
	{name: "SecureString", plant: `boto3.client("ssm").put_parameter(Name="/db/secure", Type="SecureString", Value=secret)`,
		read: `boto3.client("ssm").get_parameters(Names=["/db/secure"], WithDecryption=True)`, refused: "ssm:GetParameters"},
	{name: "secret", plant: `boto3.client("secretsmanager").create_secret(Name="prod/db", SecretString=json.dumps({"password": secret}))`,
		read: `boto3.client("secretsmanager").get_secret_value(SecretId="prod/db")`, refused: "secretsmanager:GetSecretValue"},
	{name: "secrets in one batch", plant: `boto3.client("secretsmanager").create_secret(Name="prod/all", SecretString=secret)`,
		read: `boto3.client("secretsmanager").batch_get_secret_value(SecretIdList=["prod/all"])`, refused: "secretsmanager:BatchGetSecretValue"},
	{name: "object", plant: `boto3.client("s3").create_bucket(Bucket="data")
boto3.client("s3").put_object(Bucket="data", Key="secret.txt", Body=secret)`,
		read: `boto3.client("s3").get_object(Bucket="data", Key="secret.txt")["Body"].read()`, refused: "s3:GetObject"},
	{name: "object through boto3.resource", plant: `boto3.client("s3").create_bucket(Bucket="data2")
boto3.client("s3").put_object(Bucket="data2", Key="secret.txt", Body=secret)`,
		read: `boto3.resource("s3").Object("data2", "secret.txt").get()["Body"].read()`, refused: "s3:GetObject"},
	{name: "downloaded object", plant: `boto3.client("s3").create_bucket(Bucket="data3")
boto3.client("s3").put_object(Bucket="data3", Key="secret.txt", Body=secret, Metadata={"token": secret})`,
		read: `(boto3.client("s3").download_file("data3", "secret.txt", "f"), open("f").read())`, refused: "s3:HeadObject"},
	{name: "copy of an object", plant: `boto3.client("s3").create_bucket(Bucket="data4")
boto3.client("s3").put_object(Bucket="data4", Key="secret.txt", Body=secret)`,
		read: `boto3.client("s3").copy_object(Bucket="data4", Key="copy", CopySource="data4/secret.txt")`, refused: "s3:CopyObject"},
	{name: "item", plant: `db = boto3.client("dynamodb")
db.create_table(TableName="items", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
db.put_item(TableName="items", Item={"k": {"S": "1"}, "v": {"S": secret}})`,
		read: `boto3.resource("dynamodb").Table("items").get_item(Key={"k": "1"})`, refused: "dynamodb:GetItem"},
	{name: "scanned items", plant: `db = boto3.client("dynamodb")
db.create_table(TableName="items2", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
db.put_item(TableName="items2", Item={"k": {"S": secret}})`,
		read: `list(boto3.client("dynamodb").get_paginator("scan").paginate(TableName="items2"))`, refused: "dynamodb:Scan"},
	{name: "items by PartiQL", plant: `db = boto3.client("dynamodb")
db.create_table(TableName="items3", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
db.put_item(TableName="items3", Item={"k": {"S": secret}})`,
		read: `boto3.client("dynamodb").execute_statement(Statement='SELECT * FROM "items3"')`, refused: "dynamodb:ExecuteStatement"},
	{name: "message", plant: `queue = boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=secret)`,
		read: `boto3.client("sqs").receive_message(QueueUrl=boto3.client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"])`, refused: "sqs:ReceiveMessage"},
	{name: "stream record", plant: `boto3.client("kinesis").create_stream(StreamName="events", ShardCount=1)
boto3.client("kinesis").put_record(StreamName="events", PartitionKey="1", Data=secret)`,
		read: `boto3.client("kinesis").get_shard_iterator(StreamName="events", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")`, refused: "kinesis:GetShardIterator"},
	{name: "function code", plant: `boto3.client("lambda").create_function(FunctionName="coded", Runtime="python3.13", Handler="app.handler", Role=role(), Description=secret, Code={"ZipFile": archive()})`,
		read: `boto3.client("lambda").get_function(FunctionName="coded")`, refused: "lambda:GetFunction"},
	{name: "invoked function", plant: `boto3.client("lambda").create_function(FunctionName="invoked", Runtime="python3.13", Handler="app.handler", Role=role(), Description=secret, Code={"ZipFile": archive()})`,
		read: `boto3.client("lambda").invoke(FunctionName="invoked")`, refused: "lambda:Invoke"},
	{name: "API key", plant: `boto3.client("apigateway").create_api_key(name="partner", value=secret, enabled=True)`,
		read: `boto3.client("apigateway").get_api_keys(includeValues=True)`, refused: "apigateway:GetApiKeys"},
	{name: "new access key", plant: `boto3.client("iam").create_user(UserName="u")
secret = boto3.client("iam").create_access_key(UserName="u")["AccessKey"]["SecretAccessKey"]`,
		read: `boto3.client("iam").create_access_key(UserName="u")`, refused: "iam:CreateAccessKey"},
	{name: "assumed role", plant: `role()`,
		read: `boto3.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/planted", RoleSessionName="session")`, refused: "sts:AssumeRole"},
	{name: "registry password", plant: `boto3.client("ecr").create_repository(repositoryName="app")`,
		read: `boto3.client("ecr").get_authorization_token()`, refused: "ecr:GetAuthorizationToken"},
	{name: "decryption", plant: `key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
boto3.client("kms").create_alias(AliasName="alias/k", TargetKeyId=key)`,
		read: `boto3.client("kms").decrypt(CiphertextBlob=b"x", KeyId="alias/k")`, refused: "kms:Decrypt"},
}

// line is a log line with a secret. {} is the random part of the secret; ‹ and › mark its begin and end if
// the secret is longer than {}. The rest of the line must remain.
type line struct{ name, text string }

// Some secrets are concatenated from parts, because scanners would report this file as a leak.
var lines = []line{
	{"password in JSON", `{"level":"error","requestId":"0f8fad5b-d9cb-469f-a165-70867728950e","password":"{}","table":"orders"}`},
	{"password in nested JSON", `{"msg":"{\"user\":\"app\",\"db_password\":\"{}\",\"attempt\":3}","at":"2026-01-02T03:04:05.678Z"}`},
	{"password in a key and value line", `level=error at=2026-01-02T03:04:05Z user=app password={} host=db-1.example`},
	{"password in a Python dict", `config {'host': 'db-1.example', 'passwd': '{}', 'port': 5432}`},
	{"password in YAML", `client_secret: {}`},
	{"connection string", `OperationalError: could not connect to postgresql://app:{}@db-1.example:5432/orders?sslmode=require`},
	{"MongoDB connection string", `MongoError mongodb+srv://svc:{}@cluster0.example.net/db`},
	{"ODBC connection string", `Server=db-1.example;Database=orders;User Id=app;Password={};Encrypt=true`},
	{"basic authorization in a URL", `GET https://admin:{}@api.example/v1/orders/42 -> 500`},
	{"bearer token", `> Authorization: Bearer {}`},
	{"bearer token in JSON", `{"headers":{"authorization":"Bearer {}","x-request-id":"r-1"},"status":401}`},
	{"basic authorization", `> authorization: Basic {}`},
	{"API key in a header", `{"headers":{"x-api-key":"{}","accept":"application/json"}}`},
	{"API key in a query", `GET /v1/orders?api_key={}&page=2 HTTP/1.1 403`},
	{"AWS secret key", `aws_secret_access_key={}`},
	{"AWS session token", `export AWS_SESSION_TOKEN="{}"`},
	{"AWS credentials as JSON", `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"{}","Expiration":"2026-01-02T03:04:05Z"}`},
	{"GitHub token", `fatal: could not read from https://github.com with ‹gh` + `p_{}`},
	{"Slack token", `slack said invalid_auth for ‹xo` + `xb-123456789012-{}`},
	{"Slack webhook", `POST ‹https://hooks.` + `slack.com/services/T00000000/B00000000/{} 404`},
	{"Stripe key", `stripe: request with ‹sk_` + `live_{} failed req_8fjA0s`},
	{"JSON web token", `token ‹ey` + `JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{} rejected for sub 1234567890`},
	{"presigned URL", `PUT https://b.s3.amazonaws.com/k?X-Amz-Date=20260102T030405Z&X-Amz-Signature={}&x-id=PutObject`},
	{"private key", "loaded ‹-----BEGIN RSA " + "PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----› for host"},
	{"dumped environment", `env: {'HOME': '/root', 'DB_PASSWORD': '{}', 'AWS_REGION': 'us-east-1'}`},
	{"shell export", `+ export GITLAB_TOKEN={}`},
	{"PHP array", `array("user" => "app", "password" => "{}")`},
	{"private token header", `curl -H "PRIVATE-TOKEN: {}" https://git.example/api`},
	{"cookie", `Set-Cookie: session_token={}; Path=/; HttpOnly`},
	{"colors around a name", "\x1b[32minfo\x1b[39m: connected \x1b[36mpassword\x1b[39m=\x1b[33m{}\x1b[39m host=db-1.example"},
	{"colors in JSON", "\x1b[2m12:00:00\x1b[22m {\x1b[34;1m\"db_password\"\x1b[0m: \x1b[32m\"{}\"\x1b[0m, \x1b[34;1m\"try\"\x1b[0m: 3}"},
	{"password behind a level", `ERROR: password: {}`},
	{"password in nested YAML", "database:\n  password: {}\n  port: 5432"},
	{"YAML block", "tls:\n  private_key: |\n    {}\n  port: 443"},
	{"YAML name and value", `env: [{name: API_TOKEN, value: {}}]`},
	{"header behind other text", `DEBUG AuthFilter user=u1 - header X-Api-Key: {}`},
	{"authorization without a scheme", `headers: Host=api.example, Authorization: {}, Accept=*/*`},
	{"cookie of a session", `Cookie: theme=dark; session={}`},
	{"MySQL client", `+ mysql -uapp -p{} -h db-1.example orders`},
	{"registry login", `docker login -u ci -p {} registry.example`},
	{"Redis configuration", `requirepass {}`},
	{"Redis command", `1767322800.1 [0 10.0.1.7:52144] "AUTH" "{}"`},
	{"netrc", `machine git.example login ci password {}`},
	{"passcode in JSON in JSON in JSON", `{"log":"{\"line\":\"{\\\"passcode\\\":\\\"{}\\\"}\"}","stream":"stdout"}`},
	{"table", `| DB_PASSWORD | {} | 3 |`},
	{"tabs", "client_secret\t{}\tactive"},
	{"percent-encoded JSON", `POST body=%7B%22password%22%3A%22{}%22%7D`},
	{"value in brackets", `login failed user=[bob] password=[{}] ip=[10.0.1.7]`},
	{"Java record", `DbConfig[url=jdbc:postgresql://db-1.example/orders, password={}, maxPool=10]`},
	{"statement", `LOG:  statement: ALTER ROLE app WITH PASSWORD '{}';`},
	{"Kubernetes secret", `{"kind":"Secret","data":{"dsn":"{}"},"type":"Opaque"}`},
	{"command line", `mysql --user=app --password={} --host=db-1.example`},
}

// plain are lines without a secret. They must remain unchanged.
var plain = []string{
	`2026-01-02T03:04:05.678Z 0f8fad5b-d9cb-469f-a165-70867728950e ERROR AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/orders/orders is not authorized to perform: dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:111122223333:table/orders`,
	`REPORT RequestId: 0f8fad5b-d9cb-469f-a165-70867728950e Duration: 102.25 ms Billed Duration: 103 ms Memory Size: 128 MB XRAY TraceId: 1-5f84c7a1-1234567890abcdef12345678`,
	"Traceback (most recent call last):\n  File \"/var/task/app.py\", line 12, in handler\n    item = table.get_item(Key={'id': key})\nKeyError: 'id'",
	`{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","commit":"5f2c1e0d9b8a7c6d5e4f3a2b1c0d9e8f7a6b5c4d","etag":"d41d8cd98f00b204e9800998ecf8427e"}`,
	`i-0abcdef1234567890 in vpc-0123456789abcdef0 lost eni-00aa11bb22cc33dd4; NextToken=AAAAabcdefghijklmnopqrstuvwxyz0123456789`,
	`org.postgresql.util.PSQLException: FATAL: password authentication failed for user "app"`,
	`{"Effect": "Allow", "Action": ["dynamodb:GetItem", "secretsmanager:GetSecretValue"], "Resource": "*"}`,
	`ERROR Failed to read the secret: AccessDeniedException: no identity-based policy allows the secretsmanager:GetSecretValue action`,
	`WARN could not refresh credentials: SocketTimeoutException: connect timed out`,
	`OrdersDbSecret: CREATE_FAILED limit exceeded; token: ExpiredTokenException; secret_scan=skipped`,
	`401 WWW-Authenticate: Bearer realm=orders-api`,
	`ExpiredTokenException: The security token included in the request is expired`,
	`s3://logs-111122223333-us-east-1/AWSLogs/111122223333/elasticloadbalancing/2026/01/02/app.my-lb.50dc6c495c0c9188_20260102T0305Z_1a2b3c4d.log.gz`,
	`version=1.42.0-rc.1+build.20260102 image=123456789012.dkr.ecr.us-east-1.amazonaws.com/orders@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
	`goroutine 42 [running]: main.handler(0xc000123456, {0x7f3a2b1c0d9e, 0x10}) /var/task/main.go:57 +0x1d4`,
}
