package broker

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/assert"
)

func TestResources_RequestsThatNameADeniedOneAreRefused(t *testing.T) {
	const refused = "ToolDeniedResources"
	denied := []string{
		"arn:aws:logs:*:*:log-group:/shop/payments*", "arn:aws:logs:us-east-1:123456789012:log-group:audit:*",
		"arn:aws:sqs:us-east-1:123456789012:orders", "arn:aws:dynamodb:us-east-1:123456789012:table/customers",
		"arn:aws:lambda:us-east-1:123456789012:function:checkout", "arn:aws:s3:::vault", "arn:aws:s3:::vault/*",
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:secret-?",
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
	twice := append([]byte{0xa2}, append(encodedMember("AlarmName", "secret-1"), encodedMember("AlarmName", "other")...)...)
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
		formRequest("a form", "monitoring", "Action=DescribeAlarmHistory&Version=2010-08-01&AlarmName="+url.QueryEscape("secret-7"), refused),

		logs("another log group", "FilterLogEvents", `{"logGroupName":"/shop/orders"}`, ""),
		logs("a log group whose name begins with a denied one", "FilterLogEvents", `{"logGroupName":"audit-trail"}`, ""),
		logs("a query in Insights' own language", "StartQuery", `{"queryLanguage":"CWLI","logGroupName":"/a","queryString":"fields @message"}`, ""),
		logs("a query without a language", "StartQuery", `{"queryLanguage":null,"logGroupName":"/a","queryString":"fields @message"}`, ""),
		logs("a list of queries in SQL", "DescribeQueries", `{"queryLanguage":"SQL"}`, ""),
		logs("the list of log groups", "DescribeLogGroups", `{}`, ""),
		jsonRequest("a table with the name of a denied queue", "dynamodb", "DynamoDB_20120810.DescribeTable", `{"TableName":"orders"}`, ""),
		get("another function", "lambda", functions+"checkout-2/configuration", ""),
		get("another bucket", "s3", "https://s3.us-east-1.amazonaws.com/vault2?policy", ""),
		alarms("CBOR: another alarm", mapOf(map[string]string{"AlarmName": "other"}), ""),
		formRequest("a form: another alarm", "monitoring", "Action=DescribeAlarmHistory&Version=2010-08-01&AlarmName=secret-77", ""),
	}
	assertForged(t, func(o *Options) { o.DeniedResources = denied }, tests)
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
		jsonRequest("a list", "dynamodb", "DynamoDB_20120810.ListTables", `{}`, ""),
	})
}

// Each value is compared with each denied resource, so their number has a limit.
func TestResources_LooksAtABoundedNumberOfValues(t *testing.T) {
	request := &http.Request{URL: &url.URL{Scheme: "https", Host: "s3.us-east-1.amazonaws.com", Path: strings.Repeat("/a", 400_000)}}
	assert.Less(t, len(valuesOf(request, nil, place{})), (maxDecodings+1)*maxSegments+2)
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
