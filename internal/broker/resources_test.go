package broker

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResources_RequestsThatNameADeniedOneAreRefused(t *testing.T) {
	const refused = "ToolDeniedResources"
	denied := []string{
		"arn:aws:logs:*:*:log-group:/shop/payments*", "arn:aws:logs:us-east-1:123456789012:log-group:audit:*",
		"arn:aws:sqs:us-east-1:123456789012:orders", "arn:aws:dynamodb:us-east-1:123456789012:table/customers",
		"arn:aws:lambda:us-east-1:123456789012:function:checkout", "arn:aws:s3:::vault", "arn:aws:s3:::vault/*",
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:secret-?", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*-x",
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:alarm", "arn:aws:cloudfront::123456789012:realtime-log-config/secret",
	}
	logs := func(name, operation, body, refusal string) forgedRequest {
		return jsonRequest(name, "logs", "Logs_20140328."+operation, body, refusal).at(logsURL)
	}
	get := func(name, service, address, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: service, Method: "GET", URL: address, Refusal: refusal}
	}
	functions := lambdaURL + "/2015-03-31/functions/"
	alarms := func(name string, body []byte, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "monitoring", Method: "POST", Body: string(body), Refusal: refusal,
			URL:     "https://monitoring.us-east-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/DescribeAlarmHistory",
			Headers: [][2]string{{"Content-Type", typeCBOR}, {"Smithy-Protocol", "rpc-v2-cbor"}}}
	}
	const queueURL = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
	queue := func(name, address, refusal string) forgedRequest {
		return jsonRequest("the URL of a queue: "+name, "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"`+address+`"}`, refusal)
	}
	tagged := append([]byte{0xa1}, append(cbor.Encode(cbor.String("AlarmName")), append([]byte{0xc0}, cbor.Encode(cbor.String("old-x"))...)...)...)
	wildTwice := append([]byte{0xa2}, append(encodedMember("AlarmName", "old-x"), encodedMember("AlarmName", "other")...)...)
	twice := append([]byte{0xa2}, append(encodedMember("AlarmName", "secret-1"), encodedMember("AlarmName", "other")...)...)
	logConfig := func(name, fields, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "cloudfront", Method: "POST", URL: "https://cloudfront.amazonaws.com/2020-05-31/get-realtime-log-config",
			Body: `<GetRealtimeLogConfigRequest xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">` + fields + `</GetRealtimeLogConfigRequest>`, Refusal: refusal}
	}
	tests := []forgedRequest{
		logs("a log group by name", "FilterLogEvents", `{"logGroupName":"/shop/payments-eu"}`, refused),
		logs("… in escapes", "FilterLogEvents", `{"logGroupName":"/shop/p\u0061yments"}`, refused),
		logs("… in another case", "FilterLogEvents", `{"logGroupName":"AUDIT"}`, refused),
		logs("… with blanks", "FilterLogEvents", `{"logGroupName":" audit "}`, refused),
		logs("… by ARN", "FilterLogEvents", `{"logGroupIdentifier":"arn:aws:logs:us-east-1:123456789012:log-group:audit"}`, refused),
		logs("… by ARN with streams", "GetLogEvents", `{"logGroupIdentifier":"arn:aws:logs:us-east-1:123456789012:log-group:audit:*","logStreamName":"s"}`, refused),
		logs("… in a list", "StartQuery", `{"logGroupNames":["other","audit"],"startTime":1,"endTime":2,"queryString":"fields @message"}`, refused),
		logs("… first of two members", "FilterLogEvents", `{"logGroupName":"audit","logGroupName":"other"}`, refused),
		logs("… selected by a query", "StartQuery", `{"startTime":1,"endTime":2,"queryString":"SOURCE logGroups(namePrefix: ['aud']) | fields @message"}`, refused),
		logs("… selected by a query in wide letters", "StartQuery", `{"startTime":1,"endTime":2,"queryString":"ＳＯＵＲＣＥ logGroups(namePrefix: ['aud']) | fields @message"}`, refused),
		logs("… selected by a query after a comment", "StartQuery", `{"startTime":1,"endTime":2,"queryString":"# all\nsource logGroups()"}`, refused),
		logs("… selected by the first of two queries", "StartQuery", `{"queryString":"SOURCE logGroups()","queryString":"fields @message"}`, refused),
		logs("… selected in a parameter that nobody knows yet", "StartQuery", `{"queryString":"fields @message","parts":["SOURCE logGroups()"]}`, refused),
		logs("… among the samples of anomalies", "ListAnomalies", `{}`, refused),
		logs("… among the samples of one detector", "ListAnomalies", `{"anomalyDetectorArn":"arn:aws:logs:us-east-1:123456789012:anomaly-detector:a-1"}`, refused),
		logs("… by a pointer to a line", "GetLogRecord", `{"logRecordPointer":"CikKJQohMTExMTIyMjIzMzMzOmF1ZGl0EAIS"}`, refused),
		logs("detectors have no lines", "ListLogAnomalyDetectors", `{}`, ""),
		logs("… selected by SQL", "StartQuery", "{\"queryLanguage\":\"SQL\",\"queryString\":\"SELECT `@message` FROM `/shop/payments-eu`\"}", refused),
		logs("… joined by SQL", "StartQuery", "{\"queryLanguage\":\"SQL\",\"logGroupName\":\"/a\",\"queryString\":\"SELECT B.`@message` FROM `/a` A JOIN `audit` B ON A.x = B.x\"}", refused),
		logs("… selected by SQL in a function", "StartQuery", "{\"queryLanguage\":\"sql\",\"queryString\":\"SELECT `@message` FROM `logGroups(logGroupIdentifier: ['audit'])`\"}", refused),
		logs("… joined by PPL", "StartQuery", "{\"queryLanguage\":\"PPL\",\"logGroupName\":\"/a\",\"queryString\":\"fields x | join on a=b `audit`\"}", refused),
		logs("… in a language that nobody knows yet", "StartQuery", `{"queryLanguage":"XQL","logGroupName":"/a","queryString":"x"}`, refused),
		logs("… the language in escapes", "StartQuery", `{"query\u004canguage":"S\u0051L","logGroupName":"/a","queryString":"x"}`, refused),
		logs("… the first of two languages", "StartQuery", `{"queryLanguage":"SQL","queryLanguage":"CWLI","logGroupName":"/a","queryString":"x"}`, refused),
		logs("… a language in a list", "StartQuery", `{"queryLanguage":["SQL"],"logGroupName":"/a","queryString":"x"}`, refused),
		jsonRequest("a queue by URL", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/123456789012/orders"}`, refused),
		jsonRequest("a queue by URL, encoded", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/123456789012/o%72ders"}`, refused),
		jsonRequest("a queue by URL, encoded twice", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/123456789012/o%2572ders"}`, refused),
		jsonRequest("a table by name", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"customers"}`, refused),
		jsonRequest("a table by ARN", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"arn:aws:dynamodb:us-east-1:123456789012:table/customers"}`, refused),
		queue("a query behind it", queueURL+"?a=b", refused),
		queue("a fragment behind it", queueURL+"#a", refused),
		queue("a parameter behind it", queueURL+";a", refused),
		queue("a slash behind it", queueURL+"/", refused),
		queue("no scheme", "sqs.us-east-1.amazonaws.com/123456789012/orders", refused),
		queue("no host", "/123456789012/orders", refused),
		queue("the account and the name", "123456789012/orders", refused),
		queue("backslashes", `https:\\\\sqs.us-east-1.amazonaws.com\\123456789012\\orders`, refused),
		queue("another queue", queueURL+"-2", ""),
		get("a function by name", "lambda", functions+"checkout/configuration", refused),
		get("a function with a version", "lambda", functions+"checkout%3A7/configuration", refused),
		get("a function by the end of its ARN", "lambda", functions+"123456789012%3Afunction%3Acheckout/configuration", refused),
		get("a function with its account", "lambda", functions+"123456789012%3Acheckout/configuration", refused),
		get("a function with its account and version", "lambda", functions+"123456789012:checkout:7/configuration", refused),
		get("a function with its Region and account", "lambda", functions+"us-east-1:123456789012:checkout/configuration", refused),
		get("a function in a parameter", "lambda", lambdaURL+"/2015-03-31/event-source-mappings/?FunctionName=123456789012:checkout", refused),
		get("a function, encoded", "lambda", functions+"check%6fut/configuration", refused),
		get("a function, encoded twice", "lambda", functions+"check%256fut/configuration", refused),
		get("a bucket in the path", "s3", "https://s3.us-east-1.amazonaws.com/vault?policy", refused),
		get("a bucket in the host", "s3", "https://vault.s3.us-east-1.amazonaws.com/?policy", refused),
		alarms("CBOR", mapOf(map[string]string{"AlarmName": "secret-1"}), refused),
		alarms("CBOR: the first of two members", twice, refused),
		alarms("CBOR: the first of two members by a wildcard", wildTwice, refused),
		alarms("CBOR: a text with a tag", tagged, refused),
		alarms("CBOR: not valid", []byte{0xff}, "cannot be read"),
		logConfig("XML", `<Name>secret</Name>`, refused),
		logConfig("XML: an entity", `<Name>s&#101;cret</Name>`, refused),
		logConfig("XML: a comment", `<Name>sec<!-- a -->ret</Name>`, refused),
		logConfig("XML: CDATA", `<Name>sec<![CDATA[ret]]></Name>`, refused),
		logConfig("XML: an ARN", `<ARN>arn:aws:cloudfront::123456789012:realtime-log-config/secret</ARN>`, refused),
		logConfig("XML: an attribute", `<Name value="secret"/>`, refused),
		logConfig("XML: not valid", `<Name>secret`, "cannot be read"),
		logConfig("XML: another name", `<Name>secret2</Name>`, ""),
		formRequest("a form", "monitoring", "Action=DescribeAlarmHistory&Version=2010-08-01&AlarmName="+url.QueryEscape("secret-7"), refused),

		logs("another log group", "FilterLogEvents", `{"logGroupName":"/shop/orders"}`, ""),
		logs("a log group whose name begins with a denied one", "FilterLogEvents", `{"logGroupName":"audit-trail"}`, ""),
		logs("a query in Insights' own language", "StartQuery", `{"queryLanguage":"CWLI","logGroupName":"/a","queryString":"fields @message"}`, ""),
		logs("a query without a language", "StartQuery", `{"queryLanguage":null,"logGroupName":"/a","queryString":"fields @message"}`, ""),
		logs("a list of queries in SQL", "DescribeQueries", `{"queryLanguage":"SQL"}`, ""),
		logs("the list of log groups", "DescribeLogGroups", `{}`, ""),
		logs("a log group with the name of the command", "FilterLogEvents", `{"logGroupName":"/aws/lambda/data-source-sync"}`, ""),
		logs("… in a query", "StartQuery", `{"logGroupName":"/aws/lambda/data-source-sync","queryString":"fields @message"}`, ""),
		logs("… in a list of a query", "StartQuery", `{"logGroupIdentifiers":["/a","/source"],"queryString":"fields @message"}`, ""),
		logs("a filter for a field with the name of the command", "FilterLogEvents", `{"logGroupName":"/a","filterPattern":"{ $.source = \"aws.ec2\" }"}`, ""),
		logs("a stream with the name of the command", "GetLogEvents", `{"logGroupName":"/a","logStreamName":"source/1"}`, ""),
		jsonRequest("a table with the name of a denied queue", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"orders"}`, ""),
		get("another function", "lambda", functions+"checkout-2/configuration", ""),
		get("another bucket", "s3", "https://s3.us-east-1.amazonaws.com/vault2?policy", ""),
		alarms("CBOR: another alarm", mapOf(map[string]string{"AlarmName": "other"}), ""),
		formRequest("a form: another alarm", "monitoring", "Action=DescribeAlarmHistory&Version=2010-08-01&AlarmName=secret-77", ""),
	}
	assertForged(t, func(o *Options) { o.DeniedResources = denied }, tests)
}

// The end of an ARN can have more parts than a type and a name.
func TestResources_NamesInLongARNsAreRefused(t *testing.T) {
	const refused = "ToolDeniedResources"
	form := func(service, action string, fields ...string) forgedRequest {
		body := "Action=" + action
		for i := 0; i < len(fields); i += 2 {
			body += "&" + fields[i] + "=" + url.QueryEscape(fields[i+1])
		}
		return formRequest(action+" "+strings.Join(fields, " "), service, body, "")
	}
	get := func(service, address string) forgedRequest {
		return forgedRequest{Name: address, Service: service, Method: "GET", URL: address}
	}
	target := func(service, target, body string) forgedRequest {
		return jsonRequest(target+" "+body, service, target, body, "")
	}
	const anywhere, ecs, events = "arn:aws:%:us-east-1:123456789012:", "AmazonEC2ContainerServiceV20141113.", "AWSEvents."
	const loadBalancer = "loadbalancer/app/orders-lb/50dc6c495c0c9188"
	const health = "AWSHealth_20160804."
	for _, test := range []struct {
		name, service, resource string
		refused, passes         []forgedRequest
	}{
		{"a group", "autoscaling", "autoScalingGroup:*:autoScalingGroupName/orders-asg",
			[]forgedRequest{form("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", "orders-asg"),
				form("autoscaling", "DescribeScalingActivities", "AutoScalingGroupName", "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:1b2c:autoScalingGroupName/orders-asg")},
			[]forgedRequest{form("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", "orders-asg-2"), form("autoscaling", "DescribeAutoScalingGroups")}},
		{"a group behind a wildcard", "autoscaling", "autoScalingGroup*/orders-*",
			[]forgedRequest{form("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", "orders-asg")},
			[]forgedRequest{form("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", "payments")}},
		{"a group behind a wildcard without a separator", "autoscaling", "autoScalingGroup*orders-asg",
			[]forgedRequest{form("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", "orders-asg")},
			[]forgedRequest{form("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", "payments")}},
		{"a load balancer", "elasticloadbalancing", "loadbalancer/app/orders-lb/*",
			[]forgedRequest{form("elasticloadbalancing", "DescribeLoadBalancers", "Names.member.1", "orders-lb"), form("elasticloadbalancing", "DescribeListeners", "LoadBalancerArn", "arn:aws:elasticloadbalancing:us-east-1:123456789012:"+loadBalancer)},
			[]forgedRequest{form("elasticloadbalancing", "DescribeLoadBalancers", "Names.member.1", "orders-lb2"), form("elasticloadbalancing", "DescribeLoadBalancers", "Names.member.1", "app")}},
		{"a load balancer with its ID", "elasticloadbalancing", loadBalancer,
			[]forgedRequest{form("elasticloadbalancing", "DescribeLoadBalancers", "Names.member.1", "orders-lb")}, nil},
		{"a load balancer of any type", "elasticloadbalancing", "loadbalancer/*/orders-lb/*",
			[]forgedRequest{form("elasticloadbalancing", "DescribeLoadBalancers", "Names.member.1", "orders-lb")}, nil},
		{"a target group", "elasticloadbalancing", "targetgroup/orders-tg/73e2d6bc24d8a067",
			[]forgedRequest{form("elasticloadbalancing", "DescribeTargetGroups", "Names.member.1", "orders-tg")}, nil},
		{"a service", "ecs", "service/prod/orders-svc",
			[]forgedRequest{target("ecs", ecs+"DescribeServices", `{"cluster":"prod","services":["orders-svc"]}`),
				target("ecs", ecs+"DescribeServices", `{"cluster":"prod","services":["arn:aws:ecs:us-east-1:123456789012:service/orders-svc"]}`),
				target("ecs", ecs+"DescribeServices", `{"cluster":"prod","services":["service/orders-svc"]}`)},
			[]forgedRequest{target("ecs", ecs+"DescribeServices", `{"cluster":"prod","services":["service/orders-svc-2"]}`), target("ecs", ecs+"DescribeServices", `{"cluster":"prod","services":["payments-svc"]}`), target("ecs", ecs+"DescribeClusters", `{"clusters":["prod"]}`)}},
		{"a service of any cluster", "ecs", "service/*/orders-svc",
			[]forgedRequest{target("ecs", ecs+"DescribeServices", `{"services":["orders-svc"]}`)}, nil},
		{"all services of a cluster", "ecs", "service/prod/*",
			[]forgedRequest{target("ecs", ecs+"DescribeServices", `{"cluster":"prod","services":["orders-svc"]}`)},
			[]forgedRequest{target("ecs", ecs+"DescribeServices", `{"cluster":"test","services":["orders-svc"]}`)}},
		{"a task definition with its revision", "ecs", "task-definition/orders:7",
			[]forgedRequest{target("ecs", ecs+"DescribeTaskDefinition", `{"taskDefinition":"orders:7"}`), target("ecs", ecs+"DescribeTaskDefinition", `{"taskDefinition":"arn:aws:ecs:us-east-1:123456789012:task-definition/orders:9"}`), target("ecs", ecs+"DescribeTaskDefinition", `{"taskDefinition":"orders"}`)},
			[]forgedRequest{target("ecs", ecs+"DescribeTaskDefinition", `{"taskDefinition":"payments:7"}`)}},
		{"a role with a path", "iam", "role/service-role/orders-role",
			[]forgedRequest{formRequest("role", "iam", "Action=GetRole&Version=2010-05-08&RoleName=orders-role", "").at("https://iam.amazonaws.com/")},
			[]forgedRequest{formRequest("other role", "iam", "Action=GetRole&Version=2010-05-08&RoleName=service-role", "").at("https://iam.amazonaws.com/")}},
		{"a rule of a bus", "events", "rule/bus/orders-rule",
			[]forgedRequest{target("events", events+"DescribeRule", `{"Name":"orders-rule","EventBusName":"bus"}`)},
			[]forgedRequest{target("events", events+"DescribeRule", `{"Name":"payments-rule","EventBusName":"bus"}`)}},
		{"a rule of a partner's bus, whose name has slashes", "events", "rule/aws.partner/example.com/a1/orders-rule",
			[]forgedRequest{target("events", events+"DescribeRule", `{"Name":"orders-rule","EventBusName":"aws.partner/example.com/a1"}`)},
			[]forgedRequest{target("events", events+"DescribeRule", `{"Name":"payments-rule","EventBusName":"aws.partner/example.com/a1"}`)}},
		{"a log stream", "logs", "log-group:orders:log-stream:web/1",
			[]forgedRequest{target("logs", "Logs_20140328.GetLogEvents", `{"logGroupName":"orders","logStreamName":"web/1"}`)},
			[]forgedRequest{target("logs", "Logs_20140328.GetLogEvents", `{"logGroupName":"orders","logStreamName":"web/2"}`)}},
		{"a log stream of a group whose name has slashes", "logs", "log-group:/aws/lambda/orders:log-stream:2026/11/*",
			[]forgedRequest{target("logs", "Logs_20140328.GetLogEvents", `{"logGroupName":"/aws/lambda/orders","logStreamName":"2026/11/27/a1"}`),
				target("logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/aws/lambda/orders","logStreamNames":["2026/10/1","2026/11/1"]}`)},
			[]forgedRequest{target("logs", "Logs_20140328.GetLogEvents", `{"logGroupName":"/aws/lambda/orders","logStreamName":"2026/10/27/a1"}`),
				target("logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/aws/lambda/orders"}`)}},
		{"all log streams of a group", "logs", "log-group:/aws/lambda/orders:log-stream:*",
			[]forgedRequest{target("logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/aws/lambda/orders"}`)},
			[]forgedRequest{target("logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/aws/lambda/payments"}`)}},
		{"an event of AWS Health, whose format has a wildcard", "health", "event/EC2/AWS_EC2_STOP/AWS_EC2_STOP_1a2b",
			[]forgedRequest{target("health", health+"DescribeEventDetails", `{"eventArns":["arn:aws:health:us-east-1::event/EC2/AWS_EC2_STOP/AWS_EC2_STOP_1a2b"]}`),
				target("health", health+"DescribeEvents", `{"filter":{"eventTypeCodes":["AWS_EC2_STOP"]}}`)},
			[]forgedRequest{target("health", health+"DescribeEvents", `{"filter":{"services":["EC2"]}}`)}},
		{"a stack", "cloudformation", "stack/orders-stack/1a2b",
			[]forgedRequest{form("cloudformation", "DescribeStacks", "StackName", "orders-stack"), form("cloudformation", "DescribeStacks", "StackName", "1a2b")},
			[]forgedRequest{form("cloudformation", "DescribeStacks", "StackName", "orders-stack-2")}},
		{"a stack with any ID", "cloudformation", "stack/orders-*/*",
			[]forgedRequest{form("cloudformation", "DescribeStacks", "StackName", "orders-stack")}, []forgedRequest{form("cloudformation", "DescribeStacks", "StackName", "stack")}},
		{"a group of nodes", "eks", "nodegroup/prod/orders-ng/*",
			[]forgedRequest{get("eks", "https://eks.us-east-1.amazonaws.com/clusters/prod/node-groups/orders-ng")},
			[]forgedRequest{get("eks", "https://eks.us-east-1.amazonaws.com/clusters/prod/node-groups/other-ng"), get("eks", "https://eks.us-east-1.amazonaws.com/clusters/prod")}},
		{"a group of deployments", "codedeploy", "deploymentgroup:app/orders-dg",
			[]forgedRequest{target("codedeploy", "CodeDeploy_20141006.GetDeploymentGroup", `{"applicationName":"app","deploymentGroupName":"orders-dg"}`)},
			[]forgedRequest{target("codedeploy", "CodeDeploy_20141006.GetApplication", `{"applicationName":"app"}`)}},
		{"a secret with the end of its name", "secretsmanager", "secret:orders/key-AbCdEf",
			[]forgedRequest{target("secretsmanager", "secretsmanager.DescribeSecret", `{"SecretId":"orders/key"}`)},
			[]forgedRequest{target("secretsmanager", "secretsmanager.DescribeSecret", `{"SecretId":"payments/key"}`)}},
		{"a secret with wildcards for the end of its name", "secretsmanager", "secret:orders/key-??????",
			[]forgedRequest{target("secretsmanager", "secretsmanager.DescribeSecret", `{"SecretId":"orders/key"}`)}, nil},
		{"a parameter with a path", "ssm", "parameter/shop/key",
			[]forgedRequest{target("ssm", "AmazonSSM.ListTagsForResource", `{"ResourceType":"Parameter","ResourceId":"/shop/key"}`)},
			[]forgedRequest{target("ssm", "AmazonSSM.ListTagsForResource", `{"ResourceType":"Parameter","ResourceId":"/shop/other"}`)}},
		{"a resource whose format is not known", "ecs", "new-thing/prod/orders-new",
			[]forgedRequest{target("ecs", ecs+"DescribeServices", `{"services":["orders-new"]}`), target("ecs", ecs+"DescribeClusters", `{"clusters":["prod"]}`)},
			[]forgedRequest{target("ecs", ecs+"DescribeClusters", `{"clusters":["new-thing"]}`)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.refused {
				test.refused[i].Refusal = refused
			}
			denied := []string{strings.Replace(anywhere, "%", test.service, 1) + test.resource}
			assertForged(t, func(o *Options) { o.DeniedResources = denied }, append(test.refused, test.passes...))
		})
	}
}

// Some services have another name in ARNs than in IAM actions.
func TestResources_OfServicesWithTwoNamesAreRefused(t *testing.T) {
	json11 := func(service, target, body, refusal string) forgedRequest {
		return jsonRequest(target+" "+body, service, target, body, refusal)
	}
	get := func(service, address, refusal string) forgedRequest {
		return forgedRequest{Name: address, Service: service, Method: "GET", URL: address, Refusal: refusal}
	}
	const refused = "ToolDeniedResources"
	const portfolios, recovery = "AWS242ServiceCatalogService.DescribePortfolio", "https://route53-recovery-control-config.us-west-2.amazonaws.com/controlpanel/"
	const bucket, points = "https://s3express-control.us-east-1.amazonaws.com/orders--use1-az4--x-s3?policy", "https://123456789012.s3-control.us-east-1.amazonaws.com/v20180820/accesspointforobjectlambda/"
	for arn, requests := range map[string][]forgedRequest{
		"arn:aws:catalog:us-east-1:123456789012:portfolio/port-abc": {
			json11("servicecatalog", portfolios, `{"Id":"port-abc"}`, refused), json11("servicecatalog", portfolios, `{"Id":"port-abd"}`, "")},
		"arn:aws:opensearch:us-east-1:123456789012:application/a1b2": {
			get("es", "https://es.us-east-1.amazonaws.com/2021-01-01/opensearch/application/a1b2", refused),
			get("es", "https://es.us-east-1.amazonaws.com/2021-01-01/opensearch/application/a1b3", "")},
		"arn:aws:route53-recovery-control::123456789012:controlpanel/c1": {
			get("route53-recovery-control-config", recovery+"arn%3Aaws%3Aroute53-recovery-control%3A%3A123456789012%3Acontrolpanel%2Fc1", refused),
			get("route53-recovery-control-config", recovery+"arn%3Aaws%3Aroute53-recovery-control%3A%3A123456789012%3Acontrolpanel%2Fc2", "")},
		"arn:aws:s3express:us-east-1:123456789012:bucket/orders--use1-az4--x-s3": {
			get("s3express", bucket, refused), get("s3express", strings.Replace(bucket, "orders", "other", 1), "")},
		"arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/orders": {
			get("s3", points+"orders/configuration", refused), get("s3", points+"other/configuration", "")},
	} {
		assertForged(t, func(o *Options) { o.DeniedResources = []string{arn} }, requests)
	}
}

// The names of services are those of the tables: each service of an ARN has operations, or is listed with those that it has.
func TestResources_ServicesWithTwoNamesAreInTheTables(t *testing.T) {
	prefixes := map[string]bool{}
	for id := range theTables().blocks {
		prefixes[theTables().service(id).prefix] = true
	}
	for service, others := range actionsOf {
		assert.Contains(t, theTables().arns, service)
		assert.False(t, prefixes[service], "%s is also an IAM prefix", service)
		for _, other := range others {
			assert.True(t, prefixes[other], "%s has operations", other)
		}
	}
}

// The results of somebody else's query can be those of a denied log group.
func TestResources_OnlyResultsOfOwnQueriesPass(t *testing.T) {
	const refused = "results of queries that it has started itself"
	results := func(name, body, refusal string) forgedRequest {
		return jsonRequest(name, "logs", "Logs_20140328.GetQueryResults", body, refusal).at(logsURL)
	}
	for name, change := range map[string]func(*Options){
		"a denied log group": func(o *Options) { o.DeniedResources = []string{"arn:aws:logs:*:*:log-group:audit"} },
		"queries are denied": func(o *Options) { o.DeniedActions = []string{"logs:Start*"} },
		"both": func(o *Options) {
			o.DeniedResources, o.DeniedActions = []string{"arn:aws:logs:*:*:log-group:audit"}, []string{"logs:StartQuery"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			assertForged(t, change, []forgedRequest{
				results("another query", `{"queryId":"q"}`, refused), results("escaped", `{"\u0071ueryId":"\u0071"}`, refused),
				results("another case", `{"QUERYID":"q"}`, refused), results("a list", `{"queryId":["q"]}`, refused),
				results("the first of two", `{"queryId":"q","queryId":""}`, refused),
			})
		})
	}
	assertForged(t, func(o *Options) { o.DeniedResources = []string{"arn:aws:s3:::vault"} }, []forgedRequest{results("no log group is denied", `{"queryId":"q"}`, "")})

	o := toAWS(&sink{answer: func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".StartQuery") {
			return answerOf(http.StatusOK, `{"queryId":"mine"}`)
		}
		return answerOf(http.StatusOK, `{"status":"Complete","results":[]}`)
	}})
	o.DeniedResources = []string{"arn:aws:logs:*:*:log-group:audit"}
	b, err := New(o)
	require.NoError(t, err)
	send := func(test forgedRequest) answerHead { // in a separate call
		connect, end := serve(t, b.NewSession(1))
		defer end()
		headers := append(test.Headers, authorization(DummyAccessKey, test.Service))
		answer, _ := ask(t, connect(), requestHead{Method: test.Method, URL: test.URL, Headers: headers}, test.Body)
		return answer
	}
	own := results("", `{"queryId":"mine"}`, "")
	assert.Contains(t, send(own).Error, refused, "before the query was started")
	require.Empty(t, send(logQueryText("", "fields @message", "").at(logsURL)).Error)
	assert.Empty(t, send(own).Error)
}

func TestResources_RulesInMetricMathAreRefused(t *testing.T) {
	const refused = `deny the resource "callers" (ToolDeniedResources)`
	deny := func(o *Options) { o.DeniedResources = []string{"arn:aws:cloudwatch:*:*:insight-rule/callers"} }
	assertForged(t, deny, []forgedRequest{
		metricMath("form", refused, `INSIGHT_RULE_METRIC('callers', 'UniqueContributors')`),
		metricMath("double quotes", refused, `1 + insight_rule_metric ("callers", Sum)`),
		metricsJSON("JSON", refused, `{"MetricDataQueries":[{"Id":"e","Expression":"INSIGHT_RULE_METRIC(\"callers\", 'Sum')"}]}`),
		metricsCBOR("CBOR", refused, `FILL(INSIGHT_RULE_METRIC('callers', 'Sum'), 0)`),
		widgetRequest("widget", refused, `{"metrics":[[{"expression":"INSIGHT_RULE_METRIC(\"c\u0061llers\", 'Sum')"}]]}`),
		widgetRequest("widget of the rule", refused, `{"insightRule":{"ruleName":"callers"}}`),
		metricMath("another rule", "", `INSIGHT_RULE_METRIC('other', 'Sum')`),
		metricMath("a metric", "", `SEARCH('MetricName="callers"', 'Sum')`),
		widgetRequest("another widget", "", `{"metrics":[["App","Latency"]],"title":"of callers"}`),
	})
}

func TestResources_LinesOfAnyLogGroupPassWithoutADeniedOne(t *testing.T) {
	assertForged(t, func(o *Options) { o.DeniedResources = []string{"arn:aws:s3:::vault"} }, []forgedRequest{
		jsonRequest("no log group is denied", "logs", "Logs_20140328.ListAnomalies", `{}`, "").at(logsURL),
		jsonRequest("a pointer to a line", "logs", "Logs_20140328.GetLogRecord", `{"logRecordPointer":"CikK"}`, "").at(logsURL),
	})
}

// Without a denied log group, a query may be in any language.
func TestResources_OtherLanguagesPassWithoutADeniedLogGroup(t *testing.T) {
	assertForged(t, func(o *Options) { o.DeniedResources = []string{"arn:aws:s3:::vault"} }, []forgedRequest{
		jsonRequest("SQL", "logs", "Logs_20140328.StartQuery", "{\"queryLanguage\":\"SQL\",\"queryString\":\"SELECT `@message` FROM `/a`\"}", "").at(logsURL),
	})
}

// The wildcard for everything leaves names and lists to IAM.
func TestResources_AWildcardForEverythingRefusesARNs(t *testing.T) {
	assertForged(t, func(o *Options) { o.DeniedResources = []string{"arn:aws:dynamodb:*:*:table/*", "not an ARN"} }, []forgedRequest{
		jsonRequest("an ARN", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"arn:aws:dynamodb:us-east-1:123456789012:table/t"}`, "ToolDeniedResources"),
		jsonRequest("a name", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"t"}`, ""),
		jsonRequest("a list", "dynamodb", "DynamoDB_20120810.ListTables", `{}`, ""),
	})
}

// All resources of a service include the lists of them.
func TestResources_AWildcardForAServiceRefusesIt(t *testing.T) {
	for _, arn := range []string{"arn:aws:s3:::*", "arn:aws:s3:::*/*", "arn:aws:sqs:*:*:*", "arn:aws:dynamodb:us-east-1:123456789012:**"} {
		service := strings.Split(arn, ":")[2]
		refusal := func(of string) string {
			if of == service {
				return "deny all resources of " + service + " (ToolDeniedResources)"
			}
			return ""
		}
		assertForged(t, func(o *Options) { o.DeniedResources = []string{arn} }, []forgedRequest{
			{Name: arn + ": the buckets", Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/", Refusal: refusal("s3")},
			{Name: arn + ": a bucket", Service: "s3", Method: "GET", URL: "https://vault.s3.us-east-1.amazonaws.com/?policy", Refusal: refusal("s3")},
			jsonRequest(arn+": the queues", "sqs", "AmazonSQS.ListQueues", `{}`, refusal("sqs")),
			jsonRequest(arn+": a table", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"t"}`, refusal("dynamodb")),
		})
	}
}

// Requests for directory buckets are operations of S3, but other requests of S3 name none.
func TestResources_AWildcardForDirectoryBucketsLeavesOtherBuckets(t *testing.T) {
	assertForged(t, func(o *Options) { o.DeniedResources = []string{"arn:aws:s3express:*:*:*"} }, []forgedRequest{
		{Name: "the buckets", Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/"},
		{Name: "a bucket", Service: "s3", Method: "GET", URL: "https://vault.s3.us-east-1.amazonaws.com/?policy"},
		{Name: "a directory bucket", Service: "s3express", Method: "GET",
			URL: "https://s3express-control.us-east-1.amazonaws.com/b--use1-az4--x-s3?policy", Refusal: "deny all resources of s3express"},
	})
}

// Wildcards can match what is in the requests for all resources of a service, such as the name of the operation.
func TestResources_WildcardsDoNotMatchTheProtocol(t *testing.T) {
	const refused = "ToolDeniedResources"
	deny := func(o *Options) {
		o.DeniedResources = []string{"arn:aws:logs:*:*:log-group:*event*", "arn:aws:logs:*:*:log-group:*broker*", "arn:aws:logs:*:*:log-group:*python*",
			"arn:aws:logs:*:*:log-group:*json*", "arn:aws:logs:*:*:log-group:*name*", "arn:aws:rds:*:*:db:*db*", "arn:aws:rds:*:*:db:2014*",
			"arn:aws:s3:::*vault*", "arn:aws:dynamodb:*:*:table/*order*"}
	}
	object := func(name string, header [2]string, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/b/k?acl",
			Headers: [][2]string{header, {"User-Agent", "Boto3/1.43 lang/python#3.13"}}, Refusal: refusal}
	}
	table := func(name, body, refusal string) forgedRequest {
		return jsonRequest("JSON: "+name, "dynamodb", "DynamoDB_20120810.DescribeTable", body, refusal)
	}
	assertForged(t, deny, []forgedRequest{
		jsonRequest("the protocol, the signature, and a parameter", "logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/a"}`, "").at(logsURL),
		jsonRequest("a log group", "logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/a-events"}`, refused).at(logsURL),
		formRequest("a form: the operation and the version", "rds", "Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifier=a", ""),
		formRequest("a form: an instance", "rds", "Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifier=a-db", refused),
		object("a header that is not forwarded", [2]string{"X-Other", "vault"}, ""),
		object("a header of the SDK", [2]string{"Amz-Sdk-Request", "vault"}, ""),
		object("a header that names a bucket", [2]string{"X-Amz-Copy-Source", "vault/k"}, refused),
		table("a parameter", `{"Order":"a"}`, ""),
		table("a parameter after others", `{"a":{"b":[1,{}]},"c":[],"d":null,"Order":true}`, ""),
		table("a value after others", `{"a":{"b":[1,{}]},"c":[],"d":null,"TableName":"orders"}`, refused),
		table("a value after a large number", `{"a":1e999,"TableName":"orders"}`, refused),
		table("a name in a parameter", `{"RequestItems":{"orders":{}}}`, refused),
		table("a name in a list", `[{"orders":1}]`, refused),
		table("a text alone", `"orders"`, refused),
	})
}

// Each value is compared with each denied resource, so their number has a limit.
func TestResources_LooksAtABoundedNumberOfValues(t *testing.T) {
	request := &http.Request{URL: &url.URL{Scheme: "https", Host: "s3.us-east-1.amazonaws.com", Path: strings.Repeat("/a", 400_000)}}
	values, reason := valuesOf(nil, request, nil, place{})
	assert.Empty(t, reason)
	assert.Less(t, len(values), (maxDecodings+1)*maxSegments+2)
	denied := newDeniedResources([]string{"arn:aws:s3:::a*"})
	assert.True(t, denied[0].isNamed(strings.Repeat(" ", 4000)+"a"+strings.Repeat("/a", 400_000)))
}

func mapOf(members map[string]string) []byte {
	values := cbor.Map{}
	for name, value := range members {
		values[name] = cbor.String(value)
	}
	return cbor.Encode(values)
}

func encodedMember(name, value string) []byte {
	return append(cbor.Encode(cbor.String(name)), cbor.Encode(cbor.String(value))...)
}
