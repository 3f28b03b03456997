package provenance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
)

// redact stands for the redaction of the tool: it replaces one password and one token.
func redact(text string) string {
	return strings.NewReplacer("Zq8sV2kL w9xT7pQ", "[redacted: password]", "ghp_token", "[redacted: GitHub token]").Replace(text)
}

// quoted reports whether AWS answered an output after some exchanges.
func quoted(t *testing.T, output string, exchanges ...provenance.Exchange) bool {
	t.Helper()
	r := provenance.Recorder{Redact: redact}
	for _, e := range exchanges {
		r.Record(e)
	}
	return isConfirmed(t, output, output, r.Judge(output, time.Time{}))
}

func TestJudge_AMarkStandsOnlyForASecretOfTheAnswer(t *testing.T) {
	const token = "[redacted: GitHub token]"
	line := func(message string) provenance.Exchange {
		return exchange(`{"filterPattern":""}`, `{"events":[{"message":"`+message+`"}]}`)
	}
	for _, test := range []struct{ name, answer, output string }{
		{"one word", "orders service is not healthy: 10 errors", "orders service is " + token + " healthy"},
		{"many words", "database backup ok; temporary file deleted by cron job, mail sent to eve", "database " + token + " deleted by " + token + " eve"},
		{"another order", "database backup ok; temporary file deleted by cron job, mail sent to eve", "eve " + token + " deleted by " + token + " database"},
		{"a word beside a secret", "orders token ghp_token is not valid here", "orders token " + token + " valid here"},
		{"a secret at another place", "orders service is not healthy ghp_token", "orders service is " + token + " healthy"},
		{"no words between", "orders service healthy", "orders " + token + " service healthy"},
		{"a mark in the answer itself", "orders service is [redacted: x y] healthy", "orders service is [redacted: x y] healthy (" + token + ")healthy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.False(t, quoted(t, test.output, line(test.answer)))
		})
	}
	for _, honest := range []string{
		"login failed for app with password=[redacted: password] on orders-db",
		`"message": "login failed for app with password=[redacted: password] on orders-db"`,
	} {
		assert.True(t, quoted(t, honest, line("login failed for app with password=Zq8sV2kL w9xT7pQ on orders-db")), honest)
	}
	const fields = "Name orders-db Password [redacted: password] Port 5432"
	assert.True(t, quoted(t, fields, exchange(`{}`, `{"Name":"orders-db","Password":"Zq8sV2kL w9xT7pQ","Port":5432}`)))
}

func TestJudge_ARunDoesNotCrossRecordsUnseen(t *testing.T) {
	const functions = `{"Functions":[{"State":"Failed","FunctionName":"payments"},{"State":"Active","FunctionName":"orders"}],"NextMarker":"later-page"}`
	const inString = `{"Document":"{\"a\":[{\"State\":\"Failed\",\"FunctionName\":\"payments\"},{\"State\":\"Active\",\"FunctionName\":\"orders\"}]}"}`
	for _, test := range []struct{ name, answer, output string }{
		{"functions", functions, "payments: State Active"},
		{"functions in brackets", functions, "[payments] [State: Active]"},
		{"JSON in a string", inString, "payments: State Active"},
		{"XML", `<R><TargetHealthDescriptions><member><TargetHealth><State>healthy</State></TargetHealth><Target><Port>80</Port><Id>i-0aaa</Id></Target></member>` +
			`<member><TargetHealth><State>unhealthy</State></TargetHealth><Target><Id>i-0bbb</Id></Target></member></TargetHealthDescriptions></R>`,
			"i-0aaa TargetHealth State: unhealthy"},
		{"siblings of XML", `<R><X><Name>payments</Name></X><X><State>broken-1</State><Name>orders</Name></X></R>`, "payments: State broken-1"},
		{"rows", `{"results":[[{"field":"status","value":"200"},{"field":"service","value":"orders-service"}],[{"field":"status","value":"500"}]]}`,
			"orders-service value: status 500"},
		{"a record and what follows the list", functions, "orders NextMarker later-page"},
		{"three records", `{"a":[{"Name":"payments"},{"Port":"5432"},{"State":"broken-1"}]}`, "payments Port 5432 State broken-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.False(t, quoted(t, test.output, exchange(`{}`, test.answer)))
		})
	}
	for _, answer := range []string{functions, inString} {
		for _, honest := range []string{
			`"FunctionName": "payments"}, {"State": "Active", "FunctionName": "orders"`,
			"'FunctionName': 'payments'},\n {'State': 'Active'", `State Failed FunctionName payments`,
		} {
			assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
		}
	}
}

func TestJudge_EvaluatingTheCodesTextProvesNothing(t *testing.T) {
	for _, test := range []struct{ operation, url, request, answer, output string }{
		{"iam:SimulateCustomPolicy", "", "PolicyInputList.member.1=x", "<R><EvalDecision>explicitDeny</EvalDecision></R>", "EvalDecision explicitDeny"},
		{"iam:SimulatePrincipalPolicy", "", "PolicyInputList.member.1=x", "<R><EvalDecision>explicitDeny</EvalDecision></R>", "EvalDecision explicitDeny"},
		{"iam:GetContextKeysForCustomPolicy", "", "", "<R><member>aws:deleted-by</member></R>", "aws:deleted-by"},
		{"logs:TestMetricFilter", "", "", `{"matches":[{"extractedValues":{"$a":"midnight","$b":"died"}}]}`, "died midnight"},
		{"logs:TestTransformer", "", "", `{"a":"broker died"}`, "broker died"},
		{"cloudformation:GetTemplateSummary", "", "", `<R><Description>orders table was deleted</Description></R>`, "orders table was deleted"},
		{"cloudformation:ValidateTemplate", "", "", `<R><Description>orders table was deleted</Description></R>`, "orders table was deleted"},
		{"datapipeline:EvaluateExpression", "", "", `{"evaluatedExpression":"orders table was deleted"}`, "orders table was deleted"},
		{"access-analyzer:ValidatePolicy", "", "", `{"findings":[{"findingDetails":"orders is open"}]}`, "orders is open"},
		{"states:ValidateStateMachineDefinition", "", "", `{"diagnostics":[{"message":"orders is open"}]}`, "orders is open"},
		{"verifiedpermissions:IsAuthorized", "", "", `{"decision":"DENY-orders"}`, "decision DENY-orders"},
		{"glue:GetDataflowGraph", "", "", `{"DagNodes":[{"NodeType":"orders was deleted"}]}`, "orders was deleted"},
		{"comprehend:DetectEntities", "", "", `{"Entities":[{"Text":"payments","Type":"PERSON"}]}`, "payments PERSON"},
		{"rekognition:DetectText", "", "", `{"TextDetections":[{"DetectedText":"orders was deleted"}]}`, "orders was deleted"},
		{"schemas:GetDiscoveredSchema", "", "", `{"Content":"{\"title\":\"orders was deleted\"}"}`, "orders was deleted"},
		{"ec2:GetFlowLogsIntegrationTemplate", "", "", `<R><result>orders was deleted</result></R>`, "orders was deleted"},
		{"kinesisanalytics:DiscoverInputSchema", "", "", `{"ParsedInputRecords":[["orders was deleted"]]}`, "orders was deleted"},
		{"inspector-scan:ScanSbom", "", "", `{"sbom":{"name":"orders was deleted"}}`, "orders was deleted"},
		{"customer-profiles:GetAutoMergingPreview", "", "", `{"DomainName":"orders was deleted"}`, "orders was deleted"},
		{"lambda:Invoke/InvokeAsync", "", "", `{"message":"orders was deleted"}`, "orders was deleted"},
		{"neptune-db:ExecuteOpenCypherQuery", "", "", `{"results":[{"x":"orders was deleted"}]}`, "orders was deleted"},
		{"cloudwatch:PromQLQuery", endpoint + "api/v1/query", `query=absent%28up%7Ba%3D%22midnight%22%2Cb%3D%22vanished%22%7D%29`,
			`{"data":{"result":[{"metric":{"a":"midnight","b":"vanished"}}]}}`, "vanished midnight"},
		{"cloudwatch:PromQLQuery", endpoint + "api/v1/query", `query=absent_over_time%28up%7Ba%3D%22midnight%22%2Cb%3D%22vanished%22%7D%5B5m%5D%29`,
			`{"data":{"result":[{"metric":{"a":"midnight","b":"vanished"}}]}}`, "vanished midnight"},
	} {
		e := provenance.Exchange{Operation: test.operation, URL: test.url, Request: []byte(test.request), Status: 200, Answer: []byte(test.answer)}
		assert.False(t, quoted(t, test.output, other, e), test.operation)
		e.Status = 400
		assert.False(t, quoted(t, test.output, other, e), test.operation+", an error")
	}
	for _, operation := range []string{"cloudwatch:DescribeAlarms", "ec2:DescribeInstances", "logs:DescribeMetricFilters", "iam:GetRolePolicy", "config:GetComplianceDetailsByConfigRule"} {
		assert.True(t, quoted(t, "orders was deleted", provenance.Exchange{Operation: operation, Status: 200, Answer: []byte(`{"a":"orders was deleted"}`)}), operation)
	}
}

func TestJudge_TheBucketOfAnAddressIsSent(t *testing.T) {
	const answer = "<ListBucketResult><Name>payments</Name><StartAfter>failed</StartAfter><MaxKeys>57</MaxKeys><Contents><Key>logs.txt</Key></Contents></ListBucketResult>"
	for _, address := range []string{"https://s3.us-east-1.amazonaws.com/payments", "https://payments.s3.us-east-1.amazonaws.com/", "https://payments.s3-fips.us-east-1.amazonaws.com/"} {
		list := provenance.Exchange{Operation: "s3:ListObjectsV2", URL: address + "?list-type=2&max-keys=57&start-after=failed", Status: 200, Answer: []byte(answer)}
		assert.False(t, quoted(t, "payments failed 57", list), address)
		assert.True(t, quoted(t, "payments logs.txt", list), address)
	}
	list := provenance.Exchange{
		Operation: "s3:ListObjectsV2", URL: "https://payments.s3files.s3.us-east-1.amazonaws.com/?list-type=2&max-keys=57&start-after=failed", Status: 200,
		Answer: []byte(strings.Replace(answer, "payments", "payments.s3files", 1)),
	}
	assert.False(t, quoted(t, "payments.s3files failed 57", list))
}

func TestJudge_HeadersAreSent(t *testing.T) {
	sent := func(text string) provenance.Exchange {
		e := other
		e.Sent = []string{text}
		return e
	}
	for _, test := range []struct{ name, sent, answer, output string }{
		{"a name in a header", "X-Amz-Expected-Bucket-Owner: orders-table-was-deleted-by-eve", "<Error><Message>the owner 'orders-table-was-deleted-by-eve' is wrong</Message></Error>",
			"the owner 'orders-table-was-deleted-by-eve' is wrong"},
		{"a header", "X-Amz-Optional-Object-Attributes: orders table was deleted by eve", "<Error><ArgumentValue>orders table was deleted by eve</ArgumentValue></Error>",
			"ArgumentValue orders table was deleted by eve"},
		{"the name of a header", "X-Amz-Orders-Table-Was-Deleted: 1", "<Error><Header>x-amz-orders-table-was-deleted</Header></Error>", "x-amz-orders-table-was-deleted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := sent(test.sent)
			e.Status, e.Answer = 400, []byte(test.answer)
			assert.False(t, quoted(t, test.output, other, e))
		})
	}
	var r provenance.Recorder
	r.Record(sent("User-Agent: Boto3/1.40 orders table was deleted by eve"))
	r.Forget()
	const agent = "orders table was deleted by eve"
	r.Record(exchange(`{}`, `{"Events":[{"CloudTrailEvent":"{\"userAgent\":\"`+agent+`\"}"}]}`))
	assert.False(t, isConfirmed(t, agent, agent, r.Judge(agent, time.Time{})), "the user agent of an earlier call")
}

func TestJudge_NumbersAreComparedByValue(t *testing.T) {
	const answer = `{"Label":"FreeStorageSpace","Datapoints":[{"Average":1500000000.0,"Unit":"Bytes","StateValue":"OK","errors":10,"requests":500,"power":6,"Threshold":-7.5}]}`
	for _, forged := range []string{
		"Average: 1500000000999 Bytes", "Average: 1500000001 Bytes", "Average: 2017-07-14 02:40:00 Bytes", "Average: 1500000.0 Bytes", "Average 02:40:00 Bytes",
		"errors: 10,500", "errors: 10'500", "errors: 10’500", "errors: 10·500", "errors: 10\u202f500", "errors: 10\u00a0500", "errors: 10\u2009500", "errors: 10⁶", "errors: 10½", "errors: 10①", "errors: 10^6 power", "errors: 10**6",
		"errors: 10*6", "errors: 10,5", "errors ~-10.0", "errors $-10", "errors −10", "errors ⁻10", "errors .10", "errors: -.10", "errors --10", "errors: 10٫5",
		"Threshold: 7.5 Bytes", "StateValue ≠ OK", "StateValue ¬OK", "StateValue !OK", "StateValue <> OK", "StateValue ~= OK", "StateValue /= OK", "StateValue !== OK",
		"StateValue =!= OK", "errors ≥ 10.0", "errors =< 10.0", "errors <-7.5", "errors: 10‰", "errors: 10∞", "errors: 10‱", "StateValue ❌ OK", "errors: 10 → 500", "errors: ≈10",
		"≥ 10.0 requests", "≠ OK errors", "errors: 10 ½",
	} {
		assert.NotContains(t, parts(forged, answer), forged, forged)
		if text := provenance.NewText(forged); len(text.Find(forged, false)) > 0 {
			assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
		}
	}
	for _, honest := range []string{
		"Average: 1500000000 Bytes", "Average: 1.5e9 Bytes", "Average: 1500000000.0 Bytes", "errors: 10, requests: 500", "errors=10.0", "errors: 10 requests: 500",
		"[Threshold] -7.5", "Threshold (-7.5)", "Threshold: $-7.5", "StateValue == OK", "StateValue=OK", "StateValue -> OK", "errors 10/500", "errors: 10%",
	} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	const line = `{"events":[{"message":"took 10,500 ms ≥ 10 ms, ½ of 1'000 → slow","timestamp":1795609755123,"size":1795609755}]}`
	for _, honest := range []string{"took 10,500 ms ≥ 10 ms, ½ of 1'000 → slow", "2026-11-25 12:29:15.123 took 10,500 ms", "timestamp 1795609755123 12:29:15"} {
		assert.True(t, quoted(t, honest, exchange(`{}`, line)), honest)
	}
	for _, forged := range []string{"size 2026-11-25 12:29:15", "T1795609755 took", "room C44955 took", "size 1795609755123", "took 10500 ms", "took 10 500 ms"} {
		assert.False(t, quoted(t, forged, exchange(`{}`, line)), forged)
	}
}

func TestJudge_ASentenceNeedsNoBlanks(t *testing.T) {
	list := func(prefix string) provenance.Exchange {
		return exchange(`{"Prefix":"`+prefix+`"}`, `{"Prefix":"`+prefix+`","KeyCount":0,"Name":"orders-bucket"}`)
	}
	words := []string{"alpha", "payments", "queue", "got", "purged", "by", "mallory"}
	for _, separator := range []string{"/", "·", "=", "→", ":", "-", "_", ".", "&", "#", "|", "\u3000", "%2F", "+", "*", "1/", "/1/"} {
		prefix := strings.Join(words, separator)
		assert.False(t, quoted(t, prefix+" KeyCount: 0", list(prefix)), separator)
	}
	for _, prefix := range []string{"订单数据库已被删除", "alpha-payments/queue-purged", "/alpha/payments/was/purged/", "データベースは停止", "arn:aws:s3:::alpha/payments/was/purged"} {
		assert.False(t, quoted(t, prefix+" KeyCount: 0", list(prefix)), prefix)
	}
	assert.False(t, quoted(t, "the prefix alpha/payments/was/purged is empty", exchange(`{"Prefix":"alpha/payments/was/purged"}`,
		`{"Message":"the prefix alpha/payments/was/purged is empty"}`)), "inside a sentence")
	const group, balancer = "/aws/ecs/prod/orders-service", "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/orders/50dc6c495c0c9188"
	for _, honest := range []struct{ output, request, answer string }{
		{"logGroupName " + group + " storedBytes 0", `{"logGroupName":"` + group + `"}`,
			`{"logGroups":[{"logGroupName":"` + group + `","storedBytes":0,"arn":"arn:aws:logs:us-east-1:123456789012:log-group:` + group + `:*"}]}`},
		{"logGroupName /aws/lambda/orders storedBytes 0", `{"logGroupName":"/aws/lambda/orders"}`, `{"logGroups":[{"logGroupName":"/aws/lambda/orders","storedBytes":0}]}`},
		{balancer + " active-1", `{"LoadBalancerArns":["` + balancer + `"]}`, `{"LoadBalancers":[{"LoadBalancerArn":"` + balancer + `","State":"active-1"}]}`},
		{"logs/prod/orders/app/2026-11-25.log Size 10", `{"Prefix":"logs/prod/orders/app/"}`, `{"Contents":[{"Key":"logs/prod/orders/app/2026-11-25.log","Size":10}]}`},
	} {
		assert.True(t, quoted(t, honest.output, exchange(honest.request, honest.answer)), honest.output)
	}
}

func TestJudge_ACutWordMustBeLong(t *testing.T) {
	const answer = `{"events":[{"message":"the orders database is not responding late, the nightly job finished errorless"}]}`
	for _, cut := range []string{"the orders database is not re", "the orders database is not respo", "the nightly job finished error"} {
		assert.False(t, quoted(t, cut, exchange(`{"filterPattern":""}`, answer)), cut)
	}
	assert.True(t, quoted(t, "the orders database is not respondi", exchange(`{"filterPattern":""}`, answer)))
	assert.True(t, quoted(t, "the orders database is not", exchange(`{"filterPattern":""}`, answer)))
}

// A number after a time and a comma is a value, as in a line of CSV, and not a fraction of the second.
func TestJudge_WhatFollowsATimeIsCompared(t *testing.T) {
	const answer = `{"MetricDataResults":[{"Id":"m1","Label":"Errors","Timestamps":[1768446720,1768446780],"Values":[3,4],"StatusCode":"Complete"}]}`
	for _, forged := range []string{
		"Errors 2026-01-15 03:12:00,99999", "Errors 2026-01-15T03:12:00,57", "Errors 03:12:00,999", "Errors,2026-01-15 03:12:00,123", "Errors 2026-01-15T03:12:00Z,57",
		"Errors 2026-01-15 03:12:00,99999 Z", "Errors 2026-01-17 12:24:00 +5712", "Errors 2026-01-15 04:51:00 +0099", "Errors 2026-01-15T02:12:00-0060",
	} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
	}
	for between := byte(' '); between < 0x7f; between++ {
		for _, forged := range []string{"867", "8675", "867530", "0060", "867 Z", "867 +0100"} {
			for _, at := range []string{"2026-01-15 03:12:00", "2026-01-15T03:12:00Z", "03:12:00", "2026-01-15 03:12"} {
				isFraction := between == '.' || between == ',' && strings.HasPrefix(at, "2026-01-15 03:12:00") && strings.Contains(forged, " ")
				if forged = "Errors " + at + string(between) + forged; !isFraction {
					assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
				}
			}
		}
	}
	for _, honest := range []string{
		"Errors 2026-01-15 03:12:00,3", "Errors,2026-01-15T03:12:00,3", "Errors 2026-01-15 03:12:00.123", "Errors 2026-01-15 04:12:00 +0100",
		"Errors 2026-01-15T17:12:00+14:00", "Errors 2026-01-15 04:12:00,123 +0100", "Errors 2026-01-15T03:12:00,123456Z",
	} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	const line = `{"events":[{"message":"2026-01-15 05:12:00,123 +0200 [main] orders failed at 03:12:01,456"}]}`
	for _, honest := range []string{"2026-01-15 05:12:00,123 +0200 [main] orders failed at 03:12:01,456", "2026-01-15T03:12:00Z [main] orders failed"} {
		assert.True(t, quoted(t, honest, exchange(`{}`, line)), honest)
	}
	assert.False(t, quoted(t, "2026-01-15T05:12:00Z [main] orders failed", exchange(`{}`, line)))
	assert.False(t, quoted(t, "orders failed at 03:12:01,457", exchange(`{}`, line)))
}

func TestJudge_PunctuationOutsideASCIIMakesASentence(t *testing.T) {
	for _, separator := range []string{"，", "、", "；", "！", "：", "（", "・", "·", "。", "،", "।", "→", "⁄", "¦"} {
		prefix := "purged" + separator + "mallory"
		assert.False(t, quoted(t, "ordersteam "+prefix, exchange(`{"Prefix":"`+prefix+`"}`, `{"Prefix":"`+prefix+`","KeyCount":0,"Owner":"ordersteam"}`)), separator)
	}
}

func TestJudge_EscapedBlanksBetweenDigits(t *testing.T) {
	const answer = `{"events":[{"errors":10,"requests":500,"service":"orders"}]}`
	for _, forged := range []string{`orders 10\u00a0500`, `orders 10\\u202f500`, `orders 10&nbsp;500`, `orders 10&#8239;500`, "orders 10 \u00a0500"} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
		assert.Empty(t, provenance.NewText(forged).Find("orders 10", false), forged)
	}
	for _, honest := range []string{`orders 10\n500`, `orders 10\t500`, "orders 10 500", "orders 10\r\n500"} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	assert.False(t, quoted(t, "orders 10,500", exchange(`{}`, answer)))
	const line = `{"instances":[{"id":"i-0abc1","errors":57,"since":"2026-01-15T03:12:00Z","zone":"us-east-1"}]}`
	for _, honest := range []string{"i-0abc1,57,2026-01-15 03:12:00", "us-east-1,57"} {
		assert.True(t, quoted(t, honest, exchange(`{}`, line)), honest)
	}
}
