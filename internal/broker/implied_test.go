package broker

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/assert"
)

const metricsURL = "https://monitoring.us-east-1.amazonaws.com"

func metricsForm(name, refusal string, parameters url.Values) forgedRequest {
	return forgedRequest{Name: name, Service: "monitoring", Method: "POST", URL: metricsURL + "/", Body: parameters.Encode(), Refusal: refusal,
		Headers: [][2]string{{"Content-Type", typeForm}}}
}

func widgetRequest(name, refusal, widget string) forgedRequest {
	return metricsForm(name, refusal, url.Values{"Action": {"GetMetricWidgetImage"}, "MetricWidget": {widget}})
}

func metricMath(name, refusal, expression string) forgedRequest {
	return metricsForm(name, refusal, url.Values{"Action": {"GetMetricData"}, "MetricDataQueries.member.1.Id": {"e"},
		"MetricDataQueries.member.1.Expression": {expression}})
}

func metricsJSON(name, refusal, body string) forgedRequest {
	request := jsonRequest(name, "monitoring", "GraniteServiceVersion20100801.GetMetricData", body, refusal)
	request.Headers[0][1] = typeJSON + "1.0"
	return request
}

func metricsCBOR(name, refusal, expression string) forgedRequest {
	body := cbor.Map{"MetricDataQueries": cbor.List{cbor.Map{"Id": cbor.String("e"), "Expression": cbor.String(expression)}}}
	return forgedRequest{Name: name, Service: "monitoring", Method: "POST", URL: metricsURL + "/service/GraniteServiceVersion20100801/operation/GetMetricData",
		Body: string(cbor.Encode(body)), Refusal: refusal, Headers: [][2]string{{"Content-Type", typeCBOR}, {"Smithy-Protocol", "rpc-v2-cbor"}}}
}

// CloudWatch invokes the function in its own name, so the role's permissions do not count.
func TestImplied_MetricMathDoesNotInvokeFunctions(t *testing.T) {
	const refused = "implies lambda:InvokeFunction"
	assertForged(t, nil, []forgedRequest{
		metricMath("form", refused, `LAMBDA("connector", "DROP TABLE orders")`),
		metricMath("lower case", refused, `lambda("connector")`),
		metricMath("blanks", refused, "1 + Lambda \t\n(\"connector\")"),
		metricMath("invisible characters", refused, "LAMBDA\u00a0\u200b(\"connector\")"),
		metricMath("invisible characters in the name", refused, "LAM\u200bBDA(\"connector\")"),
		metricMath("wide characters", refused, "\uff2cAMBDA\uff08\"connector\"\uff09"),
		metricMath("after a number", refused, `2LAMBDA("connector")`),
		metricsJSON("list", refused, `{"MetricDataQueries":[{"Id":"e","Expression":["LAMBDA(\"connector\")"]}]}`),
		metricMath("comment", refused, `LAMBDA/* a */("connector")`),
		metricMath("nested call", refused, `FILL(LAMBDA("connector"), 0)`),
		metricsJSON("JSON", refused, `{"MetricDataQueries":[{"Id":"e","Expression":"LAMBDA(\"connector\")"}]}`),
		metricsJSON("escaped JSON", refused, `{"MetricDataQueries":[{"Id":"e","\u0045xpression":"L\u0041MBDA(\"connector\")"}]}`),
		metricsJSON("repeated name", refused, `{"MetricDataQueries":[{"Id":"e","Expression":"LAMBDA(\"connector\")","Expression":"m1"}]}`),
		metricsJSON("repeated list", refused, `{"MetricDataQueries":[{"Id":"e","Expression":"LAMBDA(\"c\")"}],"MetricDataQueries":[]}`),
		metricsCBOR("CBOR", refused, `LAMBDA("connector")`),
		widgetRequest("widget", refused, `{"metrics":[[{"expression":"LAMBDA(\"connector\")"}]]}`),
		widgetRequest("escaped widget", refused, `{"metrics":[[{"expr\u0065ssion":"\u004cambda(\"connector\")"}]]}`),
		widgetRequest("widget with an alarm", "could invoke a function", `{"annotations":{"\u0061larms":["arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"]}}`),
		widgetRequest("widget that is not JSON", "MetricWidget is not JSON", `{'metrics':[[{'expression':'LAMBDA("connector")'}]]}`),
		widgetRequest("widget with two values", "MetricWidget is not JSON", `{}{"metrics":[[{"expression":"LAMBDA(\"connector\")"}]]}`),

		metricMath("namespace in a search", "", `SEARCH('{AWS/Lambda,FunctionName} MetricName="Errors"', 'Sum', 300)`),
		metricMath("namespace in a query", "", `SELECT SUM(Errors) FROM SCHEMA("AWS/Lambda", FunctionName) GROUP BY FunctionName`),
		metricMath("names of metrics", "", `lambda_errors / (lambda_calls + 1)`),
		widgetRequest("threshold", "", `{"metrics":[["AWS/EC2","CPUUtilization"]],"annotations":{"horizontal":[{"label":"alarms","value":1}]}}`),
		widgetRequest("label", "", `{"metrics":[["AWS/Lambda","Errors",{"label":"Lambda (errors)"}]]}`),
		metricsCBOR("CBOR without it", "", `m1 / m2`),
	})
}

func TestImplied_SettingsDenyWhatMetricMathReads(t *testing.T) {
	deny := func(o *Options) { o.DeniedActions = []string{"pi:*", "cloudwatch:GetInsightRuleReport"} }
	databases := `DB_PERF_INSIGHTS('RDS', 'db-ABC', 'os.cpuUtilization.user.avg')`
	rule := `INSIGHT_RULE_METRIC("callers", UniqueContributors)`
	assertForged(t, nil, []forgedRequest{metricMath("databases", "", databases), metricMath("rule", "", rule)})
	assertForged(t, deny, []forgedRequest{
		metricMath("databases", "implies pi:GetResourceMetrics", databases),
		metricMath("rule", "implies cloudwatch:GetInsightRuleReport", rule),
	})
}

func logsJSON(name, operation, body, refusal string) forgedRequest {
	return jsonRequest(name, "logs", "Logs_20140328."+operation, body, refusal)
}

func logQueryText(name, query, refusal string) forgedRequest {
	return logsJSON(name, "StartQuery", `{"logGroupName":"g","startTime":0,"endTime":1,"queryString":`+quoted(query)+`}`, refusal)
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(text) + `"`
}

func TestImplied_LogQueriesReadNeitherTablesNorMaskedData(t *testing.T) {
	const tables, masked = "implies logs:GetLookupTable", "implies logs:Unmask"
	assertForged(t, nil, []forgedRequest{
		logQueryText("table", "fields user_id | lookup customers id as user_id OUTPUT email", tables),
		logQueryText("table at the beginning", "LOOKUP customers id OUTPUT email", tables),
		logQueryText("table after a comment", "fields a | # c\n lookup customers id OUTPUT email", tables),
		logQueryText("table after a comment that a carriage return ends", "fields a | # c\r lookup customers id OUTPUT email", tables),
		logQueryText("table after a comment that a line separator ends", "fields a | # c\u2028lookup customers id OUTPUT email", tables),
		logQueryText("table after a comment with a carriage return", "fields a | # c\r d\n lookup customers id OUTPUT email", tables),
		logQueryText("unmask after a comment", "fields unmask# c\r(@message)", masked),
		logQueryText("table in a subquery", "filter user_id in (lookup customers id OUTPUT email | fields email)", tables),
		logQueryText("table in a subquery on several lines", "filter user_id in (\n\tlookup customers id)", tables),
		logQueryText("table in a subquery after a comment", "filter user_id in ( /* c */ lookup customers id)", tables),
		logQueryText("table in a join", "join type=left left=a right=b where a.id=b.id (LOOKUP customers id)", tables),
		logsJSON("table in a subsearch of PPL", "StartQuery", `{"queryLanguage":"PPL","queryString":"where id in [ lookup customers id ]"}`, tables),
		logQueryText("table without blanks", "fields a|lookup\tcustomers id OUTPUT email", tables),
		logsJSON("table in escaped JSON", "StartQuery", `{"queryString":"fields a","\u0071ueryString":"fields a | loo\u006bup customers id OUTPUT e"}`, tables),
		logQueryText("unmask", "fields unmask(@message)", masked),
		logQueryText("unmask with blanks", "fields UNMASK (@message)", masked),
		logsJSON("unmasked events", "FilterLogEvents", `{"logGroupName":"g","unmask":true}`, masked),
		logsJSON("unmasked events, repeated", "GetLogEvents", `{"logGroupName":"g","unmask":true,"unmask":false}`, masked),
		logsJSON("unmasked events as text", "GetLogEvents", `{"logGroupName":"g","\u0075nmask":"true"}`, masked),
		logsJSON("unmasked record", "GetLogRecord", `{"logRecordPointer":"p","unmask":1}`, masked),

		logsJSON("masked events", "FilterLogEvents", `{"logGroupName":"g","unmask":false}`, ""),
		logQueryText("the words in a filter", `filter @message like /DNS lookup failed/ or @message like "unmask"`, ""),
		logQueryText("a field", "fields lookup_ms, host_lookup | sort lookup_ms desc", ""),
	})
}

// IAM checks other actions for versions of objects and for directory buckets.
func TestImplied_SettingsDenyWhatIAMChecksInS3(t *testing.T) {
	const objects, directories, denied = "https://s3.us-east-1.amazonaws.com", "https://s3express-control.us-east-1.amazonaws.com", "the settings of this tool deny it"
	get := func(name, service, address, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: service, Method: "GET", URL: address, Refusal: refusal}
	}
	requests := func(refusal string) []forgedRequest {
		return []forgedRequest{
			get("tags of a version", "s3", objects+"/b/k?tagging&versionId=1", refusal),
			get("access list of a version", "s3", objects+"/b/k?versionId=1&acl", refusal),
			get("attributes of a version", "s3", "https://b.s3.us-east-1.amazonaws.com/k?attributes&versionId=1", refusal),
			get("policy of a directory bucket", "s3express", directories+"/b--use1-az4--x-s3?policy", refusal),
			get("directory buckets", "s3express", directories+"/", refusal),
		}
	}
	others := []forgedRequest{
		get("tags of an object", "s3", objects+"/b/k?tagging", ""),
		get("access list of an object", "s3", objects+"/b/k?acl", ""),
		get("policy of a bucket", "s3", objects+"/b?policy", ""),
		get("buckets", "s3", objects+"/", ""),
	}
	assertForged(t, nil, requests(""))
	deny := func(o *Options) { o.DeniedActions = []string{"s3:GetObjectVersion*", "s3express:*"} }
	assertForged(t, deny, append(requests(denied), others...))
	byName := func(o *Options) {
		o.DeniedActions = []string{"s3:GetObjectVersionTagging", "S3:getobjectversionacl", "s3:GetObjectVersionAttributes", "s3express:GetBucketPolicy",
			"s3express:ListAllMyDirectoryBuckets"}
	}
	assertForged(t, byName, append(requests(denied), others...))
}

func TestImplied_ComesFromOperationsOfTheTables(t *testing.T) {
	known := map[string]bool{}
	for id := range theTables().blocks {
		s := theTables().service(id)
		for name := range s.operations {
			known[s.prefix+":"+name] = true
		}
	}
	for name := range impliedBy {
		assert.True(t, known[name], name)
	}
}
