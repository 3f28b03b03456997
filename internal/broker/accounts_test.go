package broker

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const foreign = "999999999999"

func jsonRequest(name, service, target, body, refusal string) forgedRequest {
	version := "1.1"
	if service == "states" || service == "dynamodb" || service == "sqs" {
		version = "1.0"
	}
	return forgedRequest{Name: name, Service: service, Method: "POST", URL: "https://" + service + ".us-east-1.amazonaws.com/", Body: body, Refusal: refusal,
		Headers: [][2]string{{"Content-Type", typeJSON + version}, {"X-Amz-Target", target}}}
}

// at returns the request to another URL.
func (r forgedRequest) at(address string) forgedRequest {
	r.URL = address
	return r
}

func formRequest(name, service, body, refusal string) forgedRequest {
	host := service + ".us-east-1"
	if service == "iam" {
		host = service
	}
	return forgedRequest{Name: name, Service: service, Method: "POST", URL: "https://" + host + ".amazonaws.com/", Body: body, Refusal: refusal,
		Headers: [][2]string{{"Content-Type", typeForm}}}
}

func TestAccounts_TargetsInOtherAccountsAreRefused(t *testing.T) {
	const (
		machine = `arn:aws:states:us-east-1:` + foreign + `:stateMachine:m`
		refused = "belongs to the account " + foreign
	)
	functions := lambdaURL + "/2015-03-31/functions/"
	get := func(name, service, address, refusal string, headers ...[2]string) forgedRequest {
		return forgedRequest{Name: name, Service: service, Method: "GET", URL: address, Refusal: refusal, Headers: headers}
	}
	batch := func(name, kind string) forgedRequest {
		request := forgedRequest{Name: name, Service: "batch", Method: "POST", URL: "https://batch.us-east-1.amazonaws.com/v1/describejobs",
			Body: "\n " + `{"jobs":["arn:aws:batch:us-east-1:` + foreign + `:job/j"]}`, Refusal: refused}
		if kind != "" {
			request.Headers = [][2]string{{"Content-Type", kind}}
		}
		return request
	}
	tests := []forgedRequest{
		batch("REST: a body", "application/json"),
		batch("REST: a body without a content type", ""),
		batch("REST: a body as text", "text/plain"),
		batch("REST: a body of bytes", "application/octet-stream"),
		jsonRequest("JSON: an ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"`+machine+`"}`, refused),
		jsonRequest("JSON: an ARN in escapes", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachine\u0041rn":"\u0061rn:aws:states:us-east-1:`+foreign+`:stateMachine:m"}`, refused),
		jsonRequest("JSON: the second of two members", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:m","stateMachineArn":"`+machine+`"}`, refused),
		jsonRequest("JSON: the first of two members", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"`+machine+`","stateMachineArn":"m"}`, refused),
		jsonRequest("JSON: blanks around it", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":" `+machine+` "}`, refused),
		jsonRequest("JSON: a list", "states", "AWSStepFunctions.DescribeStateMachine", `{"x":["a","`+machine+`"]}`, refused),
		jsonRequest("JSON: a nested ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"x":{"roleArn":"`+machine+`"}}`, refused),
		jsonRequest("JSON: a name that can be an ARN", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"arn:aws:dynamodb:us-east-1:`+foreign+`:table/t"}`, refused),
		get("a certificate of IoT in a header", "iot", "https://iot.us-east-1.amazonaws.com/principals/things", refused, [2]string{"x-amzn-principal", "arn:aws:iot:us-east-1:" + foreign + ":cert/c"}),
		{Name: "a certificate of IoT in a body", Service: "iot", Method: "POST", URL: "https://iot.us-east-1.amazonaws.com/effective-policies?thingName=t",
			Body: `{"principal":"arn:aws:iot:us-east-1:` + foreign + `:cert/c"}`, Refusal: refused},
		jsonRequest("JSON: an IP set in the statement of a rule", "wafv2", "AWSWAF_20190729.CheckCapacity",
			`{"Scope":"REGIONAL","Rules":[{"Statement":{"AndStatement":{"Statements":[{"IPSetReferenceStatement":{"ARN":"arn:aws:wafv2:us-east-1:`+foreign+`:regional/ipset/a/b"}}]}}}]}`, refused),
		jsonRequest("JSON: patterns in the statement of a rule", "wafv2", "AWSWAF_20190729.CheckCapacity",
			`{"Scope":"REGIONAL","Rules":[{"Statement":{"RegexPatternSetReferenceStatement":{"ARN":"arn:aws:wafv2:us-east-1:`+foreign+`:regional/regexpatternset/a/b"}}}]}`, refused),
		jsonRequest("JSON: a byte order mark", "states", "AWSStepFunctions.DescribeStateMachine", "\ufeff"+`{}`, "not valid JSON in UTF-8"),
		jsonRequest("JSON: UTF-16", "states", "AWSStepFunctions.DescribeStateMachine", "{\x00}\x00", "not valid JSON in UTF-8"),
		jsonRequest("JSON: two values", "states", "AWSStepFunctions.DescribeStateMachine", `{}{"stateMachineArn":"x"}`, "not valid JSON in UTF-8"),
		jsonRequest("JSON: too deep", "states", "AWSStepFunctions.DescribeStateMachine", strings.Repeat(`{"a":`, 200)+"1"+strings.Repeat("}", 200), "nested too deeply"),
		jsonRequest("JSON: the URL of a queue", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/`+foreign+`/q"}`, refused),
		jsonRequest("JSON: an old URL of a queue", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://queue.amazonaws.com/%39`+foreign[1:]+`/q"}`, refused),
		jsonRequest("JSON: the owner of a queue", "sqs", "AmazonSQS.GetQueueUrl", `{"QueueName":"q","QueueOwnerAWSAccountId":"`+foreign+`"}`, refused),
		jsonRequest("JSON: a catalog", "glue", "AWSGlue.GetDatabases", `{"CatalogId":"`+foreign+`"}`, refused),
		{Name: "JSON: the catalog of a filter of Lake Formation", Service: "lakeformation", Method: "POST", URL: "https://lakeformation.us-east-1.amazonaws.com/ListPermissions",
			Body: `{"Resource":{"DataCellsFilter":{"TableCatalogId":"` + foreign + `","DatabaseName":"d","TableName":"t","Name":"f"}}}`, Refusal: refused},
		{Name: "JSON: the catalog of an expression of Lake Formation", Service: "lakeformation", Method: "POST", URL: "https://lakeformation.us-east-1.amazonaws.com/GetResourceLFTags",
			Body: `{"Resource":{"LFTagExpression":{"CatalogId":"` + foreign + `","Name":"e"}}}`, Refusal: refused},
		jsonRequest("JSON: a catalog in a catalog", "glue", "AWSGlue.GetDatabases", `{"CatalogId":"`+foreign+`:s3tablescatalog"}`, refused),
		jsonRequest("JSON: a key", "kms", "TrentService.DescribeKey", `{"KeyId":"arn:aws:kms:us-east-1:`+foreign+`:key/1"}`, refused),
		jsonRequest("JSON: a key in another partition", "kms", "TrentService.DescribeKey", `{"KeyId":"arn:aws-us-gov:kms:us-gov-west-1:`+foreign+`:key/1"}`, refused),
		formRequest("a form: a topic", "sns", "Action=GetTopicAttributes&Version=2010-03-31&TopicArn="+url.QueryEscape("arn:aws:sns:us-east-1:"+foreign+":t"), refused),
		formRequest("a form: a list", "elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2015-12-01&LoadBalancerArns.member.1="+url.QueryEscape("arn:aws:elasticloadbalancing:us-east-1:"+foreign+":loadbalancer/app/a/1"), refused),
		formRequest("a form: a nested list", "elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2015-12-01&Selection.Arns.member.1="+url.QueryEscape("arn:aws:elasticloadbalancing:us-east-1:"+foreign+":loadbalancer/app/a/1"), refused),
		formRequest("a form: a nested list of accounts", "redshift", "Action=DescribeClusters&Version=2012-12-01&Selection.Accounts.member.2="+foreign, refused),
		get("a path", "lambda", functions+url.PathEscape("arn:aws:lambda:us-east-1:"+foreign+":function:f")+"/configuration", refused),
		get("a path that is encoded twice", "lambda", functions+"arn%253Aaws%253Alambda%253Aus-east-1%253A"+foreign+"%253Afunction%253Af/configuration", refused),
		jsonRequest("JSON: an ARN in a name with a word of filters", "comprehend", "Comprehend_20171127.DescribeDocumentClassifier", `{"DocumentClassifierArn":"arn:aws:comprehend:us-east-1:`+foreign+`:document-classifier/c"}`, refused),
		get("a path with a partial ARN", "lambda", functions+foreign+"%3Afunction%3Af/configuration", refused),
		get("a path with a shorter one", "lambda", functions+foreign+":f/configuration", refused),
		get("a path with an ARN that begins at the Region", "lambda", functions+"us-east-1:"+foreign+":function:f/configuration", refused),
		get("a path with an ARN without a partition", "lambda", functions+"arn::lambda:us-east-1:"+foreign+":function:f/configuration", refused),
		get("a path with an ARN in capitals", "lambda", functions+"ARN:AWS:lambda:us-east-1:"+foreign+":function:f/configuration", refused),
		get("a path with an ARN after a blank", "lambda", functions+"%20arn:aws:lambda:us-east-1:"+foreign+":function:f/configuration", refused),
		get("a path of an account", "glacier", "https://glacier.us-east-1.amazonaws.com/"+foreign+"/vaults", refused),
		get("an encoded path of an account", "glacier", "https://glacier.us-east-1.amazonaws.com/%2539"+foreign[1:]+"/vaults/v", refused),
		jsonRequest("JSON: a number", "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", `{"registryId":`+foreign+`}`, refused).at("https://api.ecr.us-east-1.amazonaws.com/"),
		jsonRequest("JSON: a nested catalog", "glue", "AWSGlue.BatchGetTableOptimizer", `{"entries":[{"catalogId":"`+foreign+`","databaseName":"d","tableName":"t"}]}`, refused),
		get("a path with colons", "lambda", functions+"arn:aws:lambda:us-east-1:"+foreign+":function:f/configuration", refused),
		get("a query", "backup", "https://backup.us-east-1.amazonaws.com/backup-vaults/v?backupVaultAccountId="+foreign, refused),
		get("a host", "s3", "https://"+foreign+".s3-control.us-east-1.amazonaws.com/v20180820/accesspoint", refused, [2]string{"X-Amz-Account-Id", ownAccount}),
		get("a header", "s3", "https://"+ownAccount+".s3-control.us-east-1.amazonaws.com/v20180820/accesspoint", refused, [2]string{"X-Amz-Account-Id", foreign}),
		get("an owner of a bucket", "s3", "https://b.s3.us-east-1.amazonaws.com/?list-type=2", refused, [2]string{"X-Amz-Expected-Bucket-Owner", foreign}),
		get("the owner of a domain", "codeartifact", "https://codeartifact.us-east-1.amazonaws.com/v1/domain?domain=d&domain-owner="+foreign, refused),
	}
	const zero, wide = "\u200b", "９９９９９９９９９９９９"
	function := "arn:aws:lambda:us-east-1:" + foreign + ":function:f"
	queue := func(name, address string) forgedRequest {
		encoded, err := json.Marshal(map[string]string{"QueueUrl": address})
		require.NoError(t, err)
		return jsonRequest("a queue: "+name, "sqs", "AmazonSQS.GetQueueAttributes", string(encoded), refused)
	}
	const host = "sqs.us-east-1.amazonaws.com"
	hidden := func(name, kind, body, refusal string) forgedRequest {
		request := batch("REST: "+name, kind)
		request.Body, request.Refusal = body, refusal
		return request
	}
	const job = "arn:aws:batch:us-east-1:" + foreign + ":job/j"
	header := func(name, header, value string) forgedRequest {
		return get("a header: "+name, "s3", "https://"+ownAccount+".s3-control.us-east-1.amazonaws.com/v20180820/accesspoint", refused,
			[2]string{"X-Amz-Account-Id", ownAccount}, [2]string{header, value})
	}
	tests = append(tests,
		jsonRequest("JSON: a catalog as a number with an exponent", "glue", "AWSGlue.GetDatabases", `{"CatalogId":9.99999999999e11}`, refused),
		jsonRequest("JSON: a catalog with another exponent", "glue", "AWSGlue.GetDatabases", `{"CatalogId":9999999999990e-1}`, refused),
		jsonRequest("JSON: a catalog with a fraction", "glue", "AWSGlue.GetDatabases", `{"CatalogId":`+foreign+`.0}`, refused),
		jsonRequest("JSON: a nested catalog with an exponent", "glue", "AWSGlue.BatchGetTableOptimizer", `{"entries":[{"catalogId":9.99999999999E+11}]}`, refused),
		jsonRequest("JSON: a catalog in full-width digits", "glue", "AWSGlue.GetDatabases", `{"CatalogId":"`+wide+`"}`, refused),
		jsonRequest("JSON: a catalog in Arabic digits", "glue", "AWSGlue.GetDatabases", `{"CatalogId":"٩٩٩٩٩٩٩٩٩٩٩٩"}`, refused),
		jsonRequest("JSON: a catalog after an invisible character", "glue", "AWSGlue.GetDatabases", `{"CatalogId":"\u200b`+foreign+`"}`, refused),
		jsonRequest("JSON: a catalog with a soft hyphen", "glue", "AWSGlue.GetDatabases", `{"CatalogId":"9\u00ad`+foreign[1:]+`"}`, refused),
		jsonRequest("JSON: an invisible character before an ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"`+zero+machine+`"}`, refused),
		jsonRequest("JSON: an invisible character in an ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"a\u2060rn`+machine[3:]+`"}`, refused),
		jsonRequest("JSON: a control character before an ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"\u0001`+machine+`"}`, refused),
		jsonRequest("JSON: an ARN with full-width colons", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"`+strings.ReplaceAll(machine, ":", "：")+`"}`, refused),
		jsonRequest("JSON: an ARN with encoded colons", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"`+strings.ReplaceAll(machine, ":", "%3A")+`"}`, refused),
		jsonRequest("JSON: an ideographic blank before an ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"\u3000`+machine+`"}`, refused),
		queue("encoded digits", "https://"+host+"/%39%39"+foreign[2:]+"/q"),
		queue("encoded twice", "https://"+host+"/%2539"+foreign[1:]+"/q"),
		queue("two slashes", "https://"+host+"//"+foreign+"//q"),
		queue("an encoded slash", "https://"+host+"/"+foreign+"%2Fq"),
		queue("a port", "https://"+host+":443/"+foreign+"/q"),
		queue("a user", "https://"+foreign+"@"+host+"/q"),
		queue("a user and a password", "https://"+foreign+":x@"+host+"/"+ownAccount+"/q"),
		queue("backslashes", `https:\\`+host+`\`+foreign+`\q`),
		queue("no scheme", "//"+host+"/"+foreign+"/q"),
		queue("a path parameter", "https://"+host+"/"+foreign+";x/q"),
		queue("a query", "https://"+host+"/"+ownAccount+"/q?x=/"+foreign+"/q"),
		queue("a fragment", "https://"+host+"/"+foreign+"#/q"),
		queue("a blank in the account", "https://"+host+"/ "+foreign+" /q"),
		queue("a relative path", "https://"+host+"/"+ownAccount+"/../"+foreign+"/q"),
		queue("full-width digits", "https://"+host+"/"+wide+"/q"),
		queue("an invisible character", "https://"+host+"/9"+zero+foreign[1:]+"/q"),
		queue("the account last", "https://"+host+"/q/"+ownAccount+"/"+foreign),
		queue("another account without a queue", "https://"+host+"/"+foreign),
		hidden("a comment before JSON", "application/json", `/**/{"jobs":["`+job+`"]}`, "not valid JSON"),
		hidden("a comment without a content type", "", `/**/{"jobs":["`+job+`"]}`, "not valid JSON"),
		hidden("another comment as text", "text/plain", "//\n"+`{"jobs":["`+job+`"]}`, "not valid JSON"),
		hidden("a comment as bytes", "application/octet-stream", `#x`+"\n"+`{"jobs":["`+job+`"]}`, "not valid JSON"),
		hidden("a vertical tab", "", "\v"+`{"jobs":["`+job+`"]}`, "not valid JSON"),
		hidden("a type with a suffix", "application/vnd.x+json", `)]}'{"jobs":[]}`, "not valid JSON"),
		hidden("YAML", "text/yaml", "jobs:\n- "+job+"\n", refused),
		hidden("YAML without a content type", "", "jobs:\n- "+job+"\n", "not valid JSON"),
		header("capitals", "X-AMZ-SOURCE-ARN", strings.ToUpper(function)),
		header("small letters", "x-amz-source-arn", function),
		header("a partial ARN", "X-Amz-Function", foreign+":function:f"),
		header("a partial ARN with a Region", "X-Amz-Function", "us-east-1:"+foreign+":function:f"),
		header("an encoded ARN", "X-Amz-Function", url.QueryEscape(function)),
		header("a blank before it", "X-Amz-Function", "  "+function),
		get("a path with an invisible character", "lambda", functions+url.PathEscape(zero+function)+"/configuration", refused),
		get("a path with full-width digits", "lambda", functions+url.PathEscape(wide+":function:f")+"/configuration", refused),
		get("a query with an invisible character", "backup", "https://backup.us-east-1.amazonaws.com/backup-vaults/v?backupVaultAccountId=%E2%80%8B"+foreign, refused),
	)
	assertForged(t, nil, tests)
	for i := range tests {
		if tests[i].Refusal == refused {
			tests[i].Refusal = ""
		}
	}
	t.Run("allowed", func(t *testing.T) {
		assertForged(t, func(o *Options) { o.AllowedAccounts = []string{"111122223333", foreign} }, tests)
	})
}

// Botocore has many names for the account of a resource. The tables contain those whose shapes are accounts.
func TestAccounts_MembersForAccountsAreRefusedUnderAnyName(t *testing.T) {
	const account = `"` + foreign + `"`
	rest := func(name, service, path, body string) forgedRequest {
		return forgedRequest{Name: name, Service: service, Method: "POST", URL: "https://" + service + ".us-east-1.amazonaws.com" + path, Body: body,
			Headers: [][2]string{{"Content-Type", "application/json"}}}
	}
	get := func(name, service, address string) forgedRequest {
		return forgedRequest{Name: name, Service: service, Method: "GET", URL: "https://" + service + ".us-east-1.amazonaws.com" + address}
	}
	tests := []forgedRequest{
		rest("capitals", "mgn", "/DescribeSourceServers", `{"accountID":`+account+`}`),
		rest("a staging account", "drs", "/ListExtensibleSourceServers", `{"stagingAccountID":`+account+`}`),
		jsonRequest("a budget", "budgets", "AWSBudgetServiceGateway.DescribeBudgets", `{"AccountId":`+account+`}`, "").at("https://budgets.amazonaws.com/"),
		jsonRequest("a budget by number", "budgets", "AWSBudgetServiceGateway.DescribeBudgets", `{"AccountId":`+foreign+`}`, "").at("https://budgets.amazonaws.com/"),
		formRequest("a form", "redshift", "Action=DescribeEndpointAuthorization&Version=2012-12-01&Account="+foreign, ""),
		formRequest("a partner of another account", "redshift", "Action=DescribePartners&Version=2012-12-01&ClusterIdentifier=c&AccountId="+foreign, ""),
		formRequest("a stack instance", "cloudformation", "Action=DescribeStackInstance&Version=2010-05-15&StackSetName=s&StackInstanceRegion=us-east-1&StackInstanceAccount="+foreign, ""),
		rest("a catalog in a resource", "lakeformation", "/GetResourceLFTags", `{"Resource":{"Catalog":{"Id":`+account+`}}}`),
		rest("a catalog in another resource", "lakeformation", "/ListPermissions", `{"Resource":{"Catalog":{"Id":"`+foreign+`:s3tablescatalog"}}}`),
		jsonRequest("a home Region", "mgh", "AWSMigrationHubMultiAccountService.DescribeHomeRegionControls", `{"Target":{"Type":"ACCOUNT","Id":`+account+`}}`, "").at("https://migrationhub-config.us-east-1.amazonaws.com/"),
		get("a signer", "signer", "/signing-jobs?jobInvoker="+foreign),
		get("a query", "backup", "/backup-jobs/?accountId="+foreign),
		get("a graph of networks", "networkmanager", "/global-networks/g/network-resources?accountId="+foreign),
		rest("a nested account", "iot", "/audit/findings", `{"resourceIdentifier":{"account":`+account+`}}`),
		rest("a list of accounts", "securitylake", "/v1/datalake/sources", `{"accounts":[`+account+`]}`),
	}
	for _, permitted := range []bool{false, true} {
		t.Run(map[bool]string{false: "refused", true: "allowed"}[permitted], func(t *testing.T) {
			for i := range tests {
				tests[i].Refusal = map[bool]string{false: "belongs to the account " + foreign}[permitted]
			}
			assertForged(t, func(o *Options) {
				if permitted {
					o.AllowedAccounts = []string{foreign}
				}
			}, tests)
		})
	}
	for i := range tests { // the own account passes
		tests[i].Refusal = ""
		tests[i].URL, tests[i].Body = strings.ReplaceAll(tests[i].URL, foreign, ownAccount), strings.ReplaceAll(tests[i].Body, foreign, ownAccount)
	}
	assertForged(t, nil, tests)
}

// What ordinary investigations ask for passes: AWS's own resources, filters, free text, and data that other accounts
// share with the account.
func TestAccounts_OrdinaryReadsPass(t *testing.T) {
	const role = `arn:aws:iam::` + foreign + `:role/deployer`
	assertForged(t, nil, []forgedRequest{
		jsonRequest("the own account", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"arn:aws:states:us-east-1:`+ownAccount+`:stateMachine:m"}`, ""),
		jsonRequest("events of another account's role", "cloudtrail", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", `{"LookupAttributes":[{"AttributeKey":"ResourceName","AttributeValue":"`+role+`"}]}`, ""),
		jsonRequest("a filter pattern", "logs", "Logs_20140328.FilterLogEvents", `{"logGroupName":"g","filterPattern":"`+role+`"}`, ""),
		jsonRequest("a query", "logs", "Logs_20140328.StartQuery", `{"logGroupName":"g","startTime":1,"endTime":2,"queryString":"filter @message like /`+role+`/"}`, ""),
		jsonRequest("log groups of a linked account", "logs", "Logs_20140328.DescribeLogGroups", `{"accountIdentifiers":["`+foreign+`"],"includeLinkedAccounts":true}`, ""),
		jsonRequest("a log group of a linked account", "logs", "Logs_20140328.FilterLogEvents", `{"logGroupIdentifier":"arn:aws:logs:us-east-1:`+foreign+`:log-group:g"}`, ""),
		jsonRequest("metrics of a linked account", "monitoring", "GraniteServiceVersion20100801.ListMetrics", `{"OwningAccount":"`+foreign+`"}`, ""),
		jsonRequest("metric data of a linked account", "monitoring", "GraniteServiceVersion20100801.GetMetricData", `{"MetricDataQueries":[{"Id":"a","AccountId":"`+foreign+`"}],"StartTime":1,"EndTime":2}`, ""),
		jsonRequest("a resource of a member account in the aggregator", "config", "StarlingDoveService.GetAggregateResourceConfig", `{"ConfigurationAggregatorName":"a","ResourceIdentifier":{"SourceAccountId":"`+foreign+`","SourceRegion":"us-east-1","ResourceId":"r","ResourceType":"AWS::S3::Bucket"}}`, ""),
		jsonRequest("a filter of a list", "secretsmanager", "secretsmanager.ListSecrets", `{"Filters":[{"Key":"all","Values":["`+role+`"]}]}`, ""),
		jsonRequest("a token", "secretsmanager", "secretsmanager.ListSecrets", `{"NextToken":"`+role+`"}`, ""),
		jsonRequest("a queue of the own account", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/`+ownAccount+`/q","AttributeNames":["All"]}`, ""),
		jsonRequest("a catalog of the own account with an exponent", "glue", "AWSGlue.GetDatabases", `{"CatalogId":1.23456789012e11}`, ""),
		jsonRequest("a queue of the own account at a port", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com:443/`+ownAccount+`/q.fifo"}`, ""),
		jsonRequest("the name of a queue", "sqs", "AmazonSQS.GetQueueUrl", `{"QueueName":"orders-`+foreign+`"}`, ""),
		jsonRequest("a text with a percent sign", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"100 % of `+foreign+`"}`, ""),
		jsonRequest("a queue whose name has 12 digits", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/`+ownAccount+`/`+foreign+`"}`, ""),
		jsonRequest("grants to another account", "kms", "TrentService.ListGrants", `{"KeyId":"k","GranteePrincipal":"`+role+`"}`, ""),
		formRequest("a policy of AWS", "iam", "Action=GetPolicy&Version=2010-05-08&PolicyArn="+url.QueryEscape("arn:aws:iam::aws:policy/ReadOnlyAccess"), ""),
		formRequest("a simulation", "iam", "Action=SimulatePrincipalPolicy&Version=2010-05-08&PolicySourceArn="+url.QueryEscape("arn:aws:iam::"+ownAccount+":role/r")+"&ActionNames.member.1=s3%3AGetObject&ResourceArns.member.1="+url.QueryEscape("arn:aws:sqs:us-east-1:"+foreign+":q")+
			"&ResourceOwner="+url.QueryEscape("arn:aws:iam::"+foreign+":root"), ""),
		formRequest("images of Canonical", "ec2", "Action=DescribeImages&Version=2016-11-15&Owner.1=099720109477", ""),
		formRequest("a snapshot of another owner", "ec2", "Action=DescribeSnapshots&Version=2016-11-15&Owner.1="+foreign, ""),
		formRequest("a filter of a form", "ec2", "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=iam-instance-profile.arn&Filter.1.Value.1="+url.QueryEscape("arn:aws:iam::"+foreign+":instance-profile/p"), ""),
		{Name: "findings about another account", Service: "access-analyzer", Method: "GET", URL: "https://access-analyzer.us-east-1.amazonaws.com/analyzed-resource?analyzerArn=" + url.QueryEscape("arn:aws:access-analyzer:us-east-1:"+ownAccount+":analyzer/a") + "&resourceArn=" + url.QueryEscape("arn:aws:s3:::b")},
		{Name: "an access entry of another account's role", Service: "eks", Method: "GET", URL: "https://eks.us-east-1.amazonaws.com/clusters/c/access-entries/" + url.PathEscape(role)},
		{Name: "an ARN without an account", Service: "apigateway", Method: "GET", URL: "https://apigateway.us-east-1.amazonaws.com/tags/" + url.PathEscape("arn:aws:apigateway:us-east-1::/restapis/a")},
	})
}

func TestAccounts_PathsOfOtherAccountsAreRefused(t *testing.T) {
	for account, refusal := range map[string]string{ownAccount: "", foreign: "belongs to the account " + foreign} {
		get := func(service, host, path string) forgedRequest {
			return forgedRequest{Name: service + path, Service: service, Method: "GET", URL: "https://" + host + ".us-east-1.amazonaws.com" + path, Refusal: refusal}
		}
		assertForged(t, func(o *Options) { o.AllowedActions = []string{"quicksight:Describe*"} }, []forgedRequest{
			get("quicksight", "quicksight", "/accounts/"+account+"/namespaces/default"),
			get("quicksight", "quicksight", "/account/"+account),
			get("fis", "fis", "/experiments/EXP1/targetAccountConfigurations/"+account),
			get("fis", "fis", "/experimentTemplates/EXT1/targetAccountConfigurations/"+account),
			get("iotwireless", "api.iotwireless", "/partner-accounts/"+account+"?partnerType=Sidewalk"),
		})
	}
}

func TestAccounts_UnknownOwnAccountJudgesNothing(t *testing.T) {
	assertForged(t, func(o *Options) { o.Account = nil }, []forgedRequest{
		jsonRequest("an ARN", "states", "AWSStepFunctions.DescribeStateMachine", `{"stateMachineArn":"arn:aws:states:us-east-1:`+foreign+`:stateMachine:m"}`, ""),
	})
}

func TestAccounts_JudgesCBOR(t *testing.T) {
	own, other := "arn:aws:gamelift:us-east-1:"+ownAccount+":fleet/f", "arn:aws:gamelift:us-east-1:"+foreign+":fleet/f"
	send := func(name string, body []byte, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "gamelift", Method: "POST", URL: "https://gamelift.us-east-1.amazonaws.com/service/GameLift/operation/DescribeFleetAttributes",
			Headers: [][2]string{{"Content-Type", typeCBOR}, {"Smithy-Protocol", "rpc-v2-cbor"}}, Body: string(body), Refusal: refusal}
	}
	list := cbor.Map{"FleetIds": cbor.List{cbor.String(own), cbor.String(other)}}
	chunks := append([]byte{0xa1}, append(cbor.Encode(cbor.String("FleetArn")), 0x7f)...) // a text in two chunks
	twice := append([]byte{0xa2}, append(encodedMember("OwnerId", foreign), encodedMember("OwnerId", ownAccount)...)...)
	chunks = append(append(chunks, cbor.Encode(cbor.String(other[:20]))...), append(cbor.Encode(cbor.String(other[20:])), 0xff)...)
	assertForged(t, nil, []forgedRequest{
		send("the own account", cbor.Encode(cbor.Map{"FleetIds": cbor.List{cbor.String(own)}}), ""),
		send("a list", cbor.Encode(list), "belongs to the account "+foreign),
		send("a nested ARN", cbor.Encode(cbor.Map{"A": list}), "belongs to the account "+foreign),
		send("a text in chunks", chunks, "belongs to the account "+foreign),
		send("an owner as a number", cbor.Encode(cbor.Map{"OwnerId": cbor.Uint(999999999999)}), "belongs to the account "+foreign),
		send("a nested owner as a fraction", cbor.Encode(cbor.Map{"A": cbor.List{cbor.Map{"OwnerId": cbor.Float64(999999999999)}}}), "belongs to the account "+foreign),
		send("a filter", cbor.Encode(cbor.Map{"Filters": cbor.List{cbor.Map{"OwnerId": cbor.Uint(999999999999)}}}), ""),
		send("a nested owner", cbor.Encode(cbor.Map{"A": cbor.Map{"OwnerId": cbor.String(foreign)}}), "belongs to the account "+foreign),
		send("the first of two owners", twice, "has a name twice"),
		send("the first of two owners in a list", append([]byte{0xa1}, append(cbor.Encode(cbor.String("A")), append([]byte{0x81}, twice...)...)...), "has a name twice"),
		send("not CBOR", []byte{0xff, 0xff}, "not valid CBOR"),
	})
}

func TestAccounts_JudgesXML(t *testing.T) {
	const refused = "belongs to the account " + foreign
	logConfig := func(name, fields, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "cloudfront", Method: "POST", URL: "https://cloudfront.amazonaws.com/2020-05-31/get-realtime-log-config",
			Body: `<GetRealtimeLogConfigRequest>` + fields + `</GetRealtimeLogConfigRequest>`, Refusal: refusal}
	}
	const arn = "arn:aws:cloudfront::" + foreign + ":realtime-log-config/x"
	assertForged(t, nil, []forgedRequest{
		logConfig("an ARN", "<ARN>"+arn+"</ARN>", refused),
		logConfig("entities", "<ARN>"+strings.Replace(arn, ":", "&#58;", 3)+"</ARN>", refused),
		logConfig("hexadecimal entities", "<ARN>"+strings.Replace(arn, "9", "&#x39;", 2)+"</ARN>", refused),
		logConfig("a comment", "<ARN>"+strings.Replace(arn, "99", "9<!-- -->9", 1)+"</ARN>", refused),
		logConfig("CDATA", "<ARN>"+strings.Replace(arn, "99", "9<![CDATA[9]]>", 1)+"</ARN>", refused),
		logConfig("an instruction", "<ARN>"+strings.Replace(arn, "99", "9<?a b?>9", 1)+"</ARN>", refused),
		logConfig("the first of two", "<ARN>"+arn+"</ARN><ARN>x</ARN>", refused),
		logConfig("an attribute", `<ARN a="`+arn+`"/>`, refused),
		logConfig("a document type", `<!DOCTYPE a [<!ENTITY b "9">]><ARN>&b;</ARN>`, "not valid XML"),
		logConfig("an unknown entity", `<ARN>&b;</ARN>`, "not valid XML"),
		logConfig("too deep", strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200), "nested too deeply"),
		logConfig("not closed", "<ARN>", "not valid XML"),
		logConfig("the own account", "<ARN>arn:aws:cloudfront::"+ownAccount+":realtime-log-config/x</ARN>", ""),
		logConfig("a name", "<Name>x</Name>", ""),
	})
}

// Their check would take many seconds, and with denied resources hundreds of MB of memory.
func TestAccounts_JSONWithTooManyValuesIsRefused(t *testing.T) {
	const size, refusal = 4 << 20, "more than 300000 values"
	clusters := func(name, body string) forgedRequest {
		return jsonRequest(name, "ecs", "AmazonEC2ContainerServiceV20141113.ListClusters", body, refusal)
	}
	tests := []forgedRequest{
		clusters("numbers", `{"a":[`+strings.Repeat("1,", size/2)+`1]}`),
		clusters("texts", `{"a":[`+strings.Repeat(`"%",`, size/4)+`1]}`),
		clusters("members", `{`+strings.Repeat(`"a":{},`, size/7)+`"a":1}`),
		clusters("nested members", `{"a":[`+strings.Repeat(`{"b":1},`, size/8)+`1]}`),
	}
	assertForged(t, nil, tests)
	assertForged(t, func(o *Options) { o.DeniedResources = []string{"arn:aws:ecs:*:*:cluster/c"} }, tests)
}

func TestAccounts_URLsThatAWSFetchesAreRefused(t *testing.T) {
	op := &operation{service: &service{id: "cloudformation", prefix: "cloudformation"}, name: "GetTemplateSummary", action: "cloudformation:GetTemplateSummary"}
	for _, test := range []struct {
		name, kind, body string
		refused          bool
	}{
		{"a template in a bucket", typeForm, "Action=GetTemplateSummary&TemplateURL=" + url.QueryEscape("https://b.s3.amazonaws.com/t"), true},
		{"a template in capitals", typeForm, "Action=GetTemplateSummary&TemplateURL=HTTPS%3A%2F%2Fb%2Ft", true},
		{"a template of S3", typeForm, "Action=GetTemplateSummary&TemplateURL=s3%3A%2F%2Fb%2Ft", true},
		{"a template without a scheme", typeForm, "Action=GetTemplateSummary&TemplateURL=%2F%2Fb%2Ft", true},
		{"a blank before it", typeForm, "Action=GetTemplateSummary&TemplateURL=+https%3A%2F%2Fb%2Ft", true},
		{"a nested URL", json11, `{"inputFiles":[{"fileUrl":"https://evil.example/x"}]}`, true},
		{"a URL in JSON", "application/json", `{"sourceUrl":"http://evil.example/x"}`, true},
		{"a nested URL in a form", typeForm, "Action=GetTemplateSummary&Input.member.1.FileURL=https%3A%2F%2Fevil.example%2Fx", true},
		{"a nested URL in CBOR", typeCBOR, "\xa1\x65input\xa1\x67fileUrl\x6fhttps://e.com/x", true},
		{"a filter of a form", typeForm, "Action=GetTemplateSummary&Filters.member.1.SourceURL=https%3A%2F%2Fevil.example%2Fx", false},
		{"a template itself", typeForm, "Action=GetTemplateSummary&TemplateBody=" + url.QueryEscape(`{"Url": "https://b/t"}`), false},
		{"a filter", json11, `{"Filters":{"SourceUrl":[{"Value":"https://evil.example/x","Comparison":"EQUALS"}]}}`, false},
		{"the URL of a queue", json11, `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/` + ownAccount + `/q"}`, false},
		{"a name", json11, `{"functionUrl":"f"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://cloudformation.us-east-1.amazonaws.com/", strings.NewReader(test.body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", test.kind)
			a := accounts{own: ownAccount}
			reason := a.check(r, []byte(test.body), place{}, []*operation{op}, false)
			assert.Equal(t, test.refused, strings.Contains(reason, "AWS would fetch the URL"), reason)
			assert.Empty(t, a.check(r, []byte(test.body), place{}, []*operation{op}, true), "the settings allow the operation")
		})
	}
}

// S3 checks the owner in every read of a bucket that passes, as botocore's model declares.
func TestExpectOwner_ReadsOfBucketsSupportIt(t *testing.T) {
	declared := map[string]bool{}
	for _, line := range namesOfBotocore(t) {
		if line[0] == "header" && strings.EqualFold(line[1], bucketOwner) {
			declared[line[2]] = true
		}
	}
	g, s, count := newGuard(nil, nil, nil), theTables().service(serviceS3), 0
	for _, routes := range s.routes {
		for _, route := range routes {
			if g.checkOne(route.operation) == "" && len(route.segments) > 0 {
				count++
				assert.True(t, declared["s3:"+route.operation.name], route.operation.name)
			}
		}
	}
	assert.Greater(t, count, 40)
}

func TestExpectOwner_BucketsBelongToTheAccount(t *testing.T) {
	for _, test := range []struct {
		name, url string
		headers   [][2]string
		want      string
	}{
		{"a bucket in the path", "https://s3.us-east-1.amazonaws.com/b?list-type=2", nil, ownAccount},
		{"a bucket in the host", "https://b.s3.us-east-1.amazonaws.com/?list-type=2", nil, ownAccount},
		{"an object", "https://s3.us-east-1.amazonaws.com/b/k?acl", nil, ownAccount},
		{"a key like a way to another bucket", "https://s3.us-east-1.amazonaws.com/d--use1-az4--x-s3/../b?acl", nil, ownAccount},
		{"an escaped way to another bucket", "https://s3.us-east-1.amazonaws.com/d--use1-az4--x-s3%2F..%2Fb?acl", nil, ownAccount},
		{"the own account", "https://s3.us-east-1.amazonaws.com/b?policy", [][2]string{{bucketOwner, ownAccount}}, ownAccount},
		{"a blank owner", "https://s3.us-east-1.amazonaws.com/b?policy", [][2]string{{bucketOwner, " "}}, ownAccount},
		{"any owner", "https://s3.us-east-1.amazonaws.com/b?policy", [][2]string{{bucketOwner, "*"}}, ownAccount},
		{"an allowed account", "https://s3.us-east-1.amazonaws.com/b?policy", [][2]string{{bucketOwner, foreign}}, foreign},
		{"no bucket", "https://s3.us-east-1.amazonaws.com/", nil, ""},
		{"a directory bucket", "https://s3express-control.us-east-1.amazonaws.com/b--use1-az4--x-s3?policy", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			aws := &sink{}
			o := toAWS(aws)
			o.AllowedAccounts = []string{foreign}
			connection, _ := dialWith(t, o)
			service := "s3"
			if strings.Contains(test.url, "s3express") {
				service = "s3express"
			}
			answer, _ := ask(t, connection, requestHead{Method: "GET", URL: test.url, Headers: append(test.headers, authorization(DummyAccessKey, service))}, "")
			require.Empty(t, answer.Error)
			assert.Equal(t, test.want, aws.seen[0].Header.Get(bucketOwner))
			if test.want != "" {
				assert.Contains(t, aws.seen[0].Header.Get("Authorization"), strings.ToLower(bucketOwner), "it is signed")
			}
		})
	}
}
