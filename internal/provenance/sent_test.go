package provenance_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

const endpoint = "https://monitoring.us-east-1.amazonaws.com/"

// exchange returns a successful exchange.
func exchange(request, answer string) provenance.Exchange {
	e := provenance.Exchange{Operation: "cloudwatch:DescribeAlarms", URL: endpoint, Request: []byte(request), Status: 200, Answer: []byte(answer)}
	for name, operation := range map[string]string{"queryString": "StartQuery", "queryId": "GetQueryResults", "filterPattern": "FilterLogEvents"} {
		if strings.Contains(request, `"`+name+`"`) {
			e.Operation = "logs:" + operation
		}
	}
	if strings.HasPrefix(request, "query=") {
		e.Operation, e.URL = "cloudwatch:PromQLQuery", endpoint+"api/v1/query"
	}
	return e
}

// failed returns the exchange of a request that AWS rejected.
func failed(request, answer string) provenance.Exchange {
	e := exchange(request, answer)
	e.Status = 400
	return e
}

// isConfirmed reports whether AWS answered a quote of an output.
func isConfirmed(t *testing.T, output, quote string, observed *toolcall.Observed) bool {
	t.Helper()
	text := provenance.NewText(output)
	found := text.Find(quote, false)
	require.NotEmpty(t, found, quote)
	for _, place := range found {
		if text.IsObserved(place, observed) {
			return true
		}
	}
	return false
}

// other is a harmless exchange, so that the call has a successful answer.
var other = exchange(`{}`, `{"Account":"123456789012"}`)

func TestJudge_TextThatTheCodeSentProvesNothing(t *testing.T) {
	const forged = "pool exhausted on payments database"
	label := func(label string) string {
		return `{"MetricDataQueries":[{"Id":"m1","Label":"` + label + `","MetricStat":{"Metric":{"MetricName":"Errors"},"Period":300}}]}`
	}
	labeled := func(label string) string {
		return `{"MetricDataResults":[{"Id":"m1","Label":"` + label + `","Values":[12.5]}]}`
	}
	insights := func(query string) []provenance.Exchange {
		return []provenance.Exchange{
			exchange(`{"queryString":"`+query+`","logGroupName":"orders"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"x","value":"`+forged+`"},{"field":"@message","value":"ERROR one"}]],"status":"Complete"}`),
		}
	}
	inXML := func(marker string) []provenance.Exchange { // CloudFront repeats it
		marker, hasBOM := strings.CutPrefix(marker, "\ufeff")
		request := "<R><Marker>" + marker + "</Marker></R>"
		if hasBOM {
			request = "\ufeff " + request
		}
		return []provenance.Exchange{{Operation: "cloudfront:ListDistributionsByRealtimeLogConfig", URL: "https://cloudfront.amazonaws.com/2020-05-31/distributionsByRealtimeLogConfig",
			Request: []byte(request), Status: 200, Answer: []byte("<L><Marker>pool-exhausted-on-payments</Marker><Quantity>0</Quantity></L>")}}
	}
	validation := func(echo string) []provenance.Exchange {
		return []provenance.Exchange{other, failed(`{"logGroupName":"`+forged+`"}`,
			`{"__type":"InvalidParameterException","message":"1 validation error detected: Value '`+echo+`' at 'logGroupName' failed to satisfy constraint"}`)}
	}
	for _, test := range []struct {
		name      string
		exchanges []provenance.Exchange
		output    string // and quote, if there is none
		quote     string
	}{
		{"label with a period", []provenance.Exchange{exchange(label(forged+" ${PROP('Period')}"), labeled(forged+" 300"))}, forged + " 300", ""},
		{"label with an account", []provenance.Exchange{exchange(label(forged+" ${PROP('AccountId')}"), labeled(forged+" 123456789012"))}, forged + " 123456789012", ""},
		{"label with a metric", []provenance.Exchange{exchange(label("${PROP('MetricName')}: "+forged), labeled("Errors: "+forged))}, "Errors: " + forged, ""},
		{"label around a value", []provenance.Exchange{exchange(label("pool exhausted ${LAST} on payments"), labeled("pool exhausted 12.5 on payments"))}, "pool exhausted 12.5 on payments", ""},
		{"label of single words", []provenance.Exchange{exchange(label("exhausted ${PROP('AccountId')} payments"), labeled("exhausted 123456789012 payments"))}, "exhausted 123456789012 payments", ""},
		{"label in a form", []provenance.Exchange{exchange("Action=GetMetricData&MetricDataQueries.member.1.Label=pool+exhausted+%24%7BPROP%28%27Region%27%29%7D",
			"<R><Label>pool exhausted us-east-1</Label></R>")}, "pool exhausted us-east-1", ""},
		{"label of a call and its value", []provenance.Exchange{exchange(label(forged+" ${LAST}"), labeled(forged+" 12.5"))}, "m1 " + forged + " 12.5 12.5", forged + " 12.5 12.5"},
		{"validation error", validation(forged), forged + "' at 'logGroupName' failed", ""},
		{"validation error, the echo alone", validation(forged), forged, ""},
		{"validation error in capitals", validation(strings.ToUpper(forged)), strings.ToUpper(forged), ""},
		{"validation error, truncated", validation("pool exhausted on paym"), "Value pool exhausted on paym", "pool exhausted on paym"},
		{"validation error, in part", validation("exhausted on payments"), "Value 'exhausted on payments'", ""},
		{"validation error, escaped", validation("pool%20exhausted%20on%20payments"), "pool%20exhausted%20on%20payments' at 'logGroupName", ""},
		{"validation error, entities", validation("pool&#32;exhausted&nbsp;on payments"), "pool exhausted on payments' at", ""},
		{"error, a name like a sentence", []provenance.Exchange{other, failed(`{"FunctionName":"PoolExhaustedOnPayments"}`, `{"Message":"Function not found: PoolExhaustedOnPayments"}`)},
			"not found: PoolExhaustedOnPayments", ""},
		{"error, a path like a sentence", []provenance.Exchange{other, failed(`{"logGroupName":"pool/exhausted/on/payments"}`, `{"message":"The log group does not exist: pool/exhausted/on/payments"}`)},
			"does not exist: pool/exhausted/on/payments", ""},
		{"error in an answer", []provenance.Exchange{exchange(`{"Expression":"`+forged+`"}`, `{"Messages":[{"Code":"Bad","Value":"The expression '`+forged+`' is not valid"}]}`)},
			"expression '" + forged + "' is not valid", ""},
		{"prefix of a listing", []provenance.Exchange{{URL: "https://b.s3.amazonaws.com/?prefix=pool+exhausted+on+payments&encoding-type=url", Status: 200,
			Answer: []byte("<R><Prefix>pool+exhausted+on+payments</Prefix></R>")}}, "pool+exhausted+on+payments", ""},
		{"two parameters of a listing", []provenance.Exchange{{URL: "https://b.s3.amazonaws.com/?prefix=exhausted&max-keys=1&start-after=payments", Status: 200,
			Answer: []byte("<R><Prefix>exhausted</Prefix><StartAfter>payments</StartAfter></R>")}}, "exhausted payments", ""},
		{"insights, a literal", insights(`fields 'pool exhausted on payments database' as x`), forged, ""},
		{"insights, concat", insights(`fields concat('poo', 'l exha', 'usted on payments database') as x`), forged, ""},
		{"insights, replace", insights(`fields replace(@message, 'ERROR one', 'pool exhausted') as x`), forged, ""},
		{"insights, parse of a literal", insights(`parse 'u=pool exhausted on payments database' 'u=*' as x`), forged, ""},
		{"insights, if", insights(`fields if(strcontains(@message, 'E'), 'pool', 'x') as x`), forged, ""},
		{"insights, after a filter", insights(`filter @message like /'/ | fields coalesce(nothing, 'pool') as x`), forged, ""},
		{"insights, in capitals", insights(`FIELDS CONCAT('poo', 'l') AS x`), forged, ""},
		{"insights, double quotes", insights(`fields concat(\"poo\", \"l\") as x`), forged, ""},
		{"insights, a number", []provenance.Exchange{exchange(`{"queryString":"fields 97.3 as poolusage"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"poolusage","value":"97.3"}]]}`)}, "poolusage 97.3", ""},
		{"insights, SQL", []provenance.Exchange{exchange(`{"queryString":"SELECT 'a' as x FROM orders","queryLanguage":"SQL"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"x","value":"`+forged+`"}]]}`)}, forged, ""},
		{"insights, names of columns", []provenance.Exchange{exchange(`{"queryString":"fields @a as pool, @b as exhausted, @c as payments"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"pool","value":"1"},{"field":"exhausted","value":"2"},{"field":"payments","value":"3"}]]}`)}, "pool exhausted payments", ""},
		{"insights, results that were recorded first", []provenance.Exchange{insights(`fields concat('a', 'b')`)[1], insights(`fields concat('a', 'b')`)[0]}, forged, ""},
		{"insights, results without an ID", []provenance.Exchange{{Operation: "logs:GetQueryResults", URL: endpoint, Status: 200, Answer: []byte(`{"results":[[{"field":"x","value":"` + forged + `"}]]}`)}, other}, forged, ""},
		{"insights, an escaped quote of JSON", insights(`fields concat(\u0027poo\u0027, \u0027l exhausted\u0027) as x`), forged, ""},
		{"insights, an escaped name", []provenance.Exchange{{Operation: "logs:StartQuery", URL: endpoint, Status: 200, Request: []byte(`{"query\u0053tring":"fields concat('a', 'b')"}`),
			Answer: []byte(`{"queryId":"q-1"}`)}, exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"x","value":"`+forged+`"}]]}`)}, forged, ""},
		{"insights, no query", []provenance.Exchange{{Operation: "logs:StartQuery", URL: endpoint, Status: 200, Request: []byte(`{"query":"fields concat('a', 'b')"}`),
			Answer: []byte(`{"queryId":"q-1"}`)}, exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"x","value":"`+forged+`"}]]}`)}, forged, ""},
		{"label with an escaped name", []provenance.Exchange{exchange(`{"MetricDataQueries":[{"Lab\u0065l":"exhausted ${PROP('AccountId')} payments"}]}`,
			labeled("exhausted 123456789012 payments"))}, "exhausted 123456789012 payments", ""},
		{"insights, two queries in a request", []provenance.Exchange{exchange(`{"x":{"queryString":"fields @message"},"queryString":"fields concat('a', 'b')"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"x","value":"`+forged+`"}]]}`)}, forged, ""},
		{"insights, two IDs in a request", []provenance.Exchange{exchange(`{"queryString":"fields @message"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1","queryId":"q-2"}`, `{"results":[[{"field":"x","value":"`+forged+`"}]]}`)}, forged, ""},
		{"insights, a query of an unknown call", []provenance.Exchange{exchange(`{"queryId":"q-9"}`, `{"results":[[{"field":"x","value":"`+forged+`"}]]}`)}, forged, ""},
		{"insights, a regular expression with a quote", insights(`filter @m ~= /'/ | fields concat('poo','l') as x`), forged, ""},
		{"insights, a regular expression with a slash", insights(`filter @m like /[/']/ | fields concat('poo','l') as x`), forged, ""},
		{"insights, an escaped quote", insights(`filter @m = 'a\\' | fields concat(' ','l') as x`), forged, ""},
		{"insights, a comment", insights(`fields @m # 'x\n, concat('poo', 'l') as y`), forged, ""},
		{"insights, groups", insights(`stats count(*) by concat('poo', @m)`), forged, ""},
		{"insights, the function's first text", insights(`fields strcontains('poo', @m) as x`), forged, ""},
		{"insights, a number before by", insights(`stats 97.3 as x by @m`), forged, ""},
		{"CloudTrail Lake", []provenance.Exchange{{Operation: "cloudtrail:GetQueryResults", URL: endpoint, Status: 200, Answer: []byte(`{"QueryResultRows":[[{"x":"` + forged + `"}]]}`)}, other}, forged, ""},
		{"promql, a text with octal escapes", []provenance.Exchange{{URL: "https://monitoring.us-east-1.amazonaws.com/api/v1/query", Status: 200, Request: []byte(`query=%22%5C160ool+exhausted+on+payments%22`),
			Answer: []byte(`{"status":"success","data":{"resultType":"string","result":[1768360320,"` + forged + `"]}}`)}, other}, forged, ""},
		{"promql, label_replace", []provenance.Exchange{exchange("query=label_replace%28up%2C%22x%22%2C%22pool+exh%241%22%2C%22a%22%2C%22%28.%2A%29%22%29",
			`{"data":{"result":[{"metric":{"x":"`+forged+`"}}]}}`)}, forged, ""},
		{"promql, the name of a label", []provenance.Exchange{exchange("query=count_values%28%22pool+exhausted+now%22%2Cup%29",
			`{"data":{"result":[{"metric":{"pool exhausted now":"5"}}]}}`)}, "pool exhausted now 5", ""},
		{"promql, an operator in capital letters", []provenance.Exchange{exchange("query=Count_Values%28%22exhausted%22%2Cup%29",
			`{"data":{"result":[{"metric":{"exhausted":"57 pools"}}]}}`)}, "exhausted: 57 pools", ""},
		{"promql, label_join in an address", []provenance.Exchange{{URL: endpoint + "api/v1/query?query=label%5Fjoin%28up%2C%22x%22%2C%22+pool+%22%2C%22a%22%2C%22b%22%29", Status: 200,
			Answer: []byte(`{"data":{"result":[{"metric":{"x":"` + forged + `"}}]}}`)}}, forged, ""},
		{"a request that is too long", []provenance.Exchange{exchange(`{"x":"`+strings.Repeat("x ", 200_000)+`","Label":"`+forged+`"}`, labeled(forged)), other}, forged, ""},
		{"an expression that looks like a search", []provenance.Exchange{{Operation: "cloudwatch:GetMetricData", URL: endpoint, Status: 200,
			Request: []byte(`{"filterPattern":"x","Expression":"` + forged + `"}`), Answer: []byte(`{"Messages":[{"Value":"The expression '` + forged + `' is not valid"}]}`)}},
			"expression '" + forged + "' is not valid", ""},
		{"error about the name of a session", []provenance.Exchange{exchange(`RoleSessionName=pool-exhausted-on-payments`, `<R/>`), failed(`{}`,
			`{"message":"User: arn:aws:sts::123456789012:assumed-role/x/pool-exhausted-on-payments is not authorized"}`)}, "pool-exhausted-on-payments is not authorized", ""},
		{"a name in XML that a comment splits", inXML("pool-exhausted<!-- x -->-on-payments"), "pool-exhausted-on-payments", ""},
		{"a name in XML that sections split", inXML("<![CDATA[pool-exhau]]><![CDATA[sted-on-payments]]>"), "pool-exhausted-on-payments", ""},
		{"a name in XML that an instruction splits", inXML("pool-exhau<?x y?>sted-on-payments"), "pool-exhausted-on-payments", ""},
		{"a name in XML that an element splits", inXML("pool-exhau<B>x</B>sted-on-payments"), "pool-exhausted-on-payments", ""},
		{"a name in XML of entities that a comment splits", inXML("\ufeffpool-exhau<!---->sted&#45;on-payments"), "pool-exhausted-on-payments", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r provenance.Recorder
			for _, e := range test.exchanges {
				r.Record(e)
			}
			quote := test.quote
			if quote == "" {
				quote = test.output
			}
			assert.False(t, isConfirmed(t, test.output, quote, r.Judge(test.output, time.Time{})))
		})
	}
}

// CloudWatch fills in the parts of a label such as ${LAST}, without a blank if the label has none there. It appends the
// dimensions to the label of a search. So a part of a word of the answer can be the code's.
func TestJudge_LabelsOfTheCodeProveNothing(t *testing.T) {
	type query struct{ id, label, expression, answered string }
	for _, test := range []struct {
		name    string
		queries []query
	}{
		{"a value after a name", []query{{"m1", "payments-of-all-customers-deleted-by-eve${PROP('Period')}s", "", "payments-of-all-customers-deleted-by-eve60s"}}},
		{"a value after prose", []query{{"m1", "queue purged${PROP('Period')}s", "", "queue purged60s"}}},
		{"a value after one word", []query{{"m1", "PaymentsLostByEve${SUM}", "", "PaymentsLostByEve57.0"}}},
		{"a value before one word", []query{{"m1", "${SUM}PaymentsLostByEve", "", "57.0PaymentsLostByEve"}}},
		{"a value within a word", []query{{"m1", "payments${SUM}lost", "", "payments57.0lost"}}},
		{"a dimension within a name", []query{{"m1", "deleted.${PROP('Dim.FunctionName')}.by.eve", "", "deleted.orders.by.eve"}}},
		{"a dimension at the end of a name", []query{{"m1", "deleted-${PROP('Dim.FunctionName')}", "", "deleted-orders"}}},
		{"a dimension without a sign", []query{{"m1", "oops${PROP('Dim.FunctionName')}deleted", "", "oopsordersdeleted"}}},
		{"a mark that is not closed", []query{{"m1", "deleted-${PROP('Dim.FunctionName')", "", "deleted-orders"}}},
		{"a search", []query{{"m1", "payments-deleted-by-eve", "SEARCH('{AWS/Lambda,FunctionName} Errors', 'Sum')", "payments-deleted-by-eve orders"}}},
		{"a search in capitals", []query{{"m1", "purged", "SEARCH('{AWS/Lambda,FunctionName} Errors', 'Sum')", "PURGED-orders"}}},
		{"a label of a group", []query{{"m1", "PaymentsDeletedByEve", "SELECT SUM(Errors) FROM SCHEMA(\"AWS/Lambda\") GROUP BY FunctionName", "PaymentsDeletedByEve orders"}}},
		{"an ID", []query{{"allPaymentsDeletedByEve", "", "m1 * 2", "allPaymentsDeletedByEve"}}},
		{"beside a label that names its field", []query{
			{"m1", "deleted-${PROP('Dim.FunctionName')}", "", "deleted-orders"}, {"m2", "Label", "", "Label"}, {"m3", "Id", "", "Id"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var queries, results []map[string]any
			form, xml := url.Values{"Action": {"GetMetricData"}}, strings.Builder{}
			for i, q := range test.queries {
				one, member := map[string]any{"Id": q.id}, fmt.Sprintf("MetricDataQueries.member.%d.", i+1)
				form.Set(member+"Id", q.id)
				for name, value := range map[string]string{"Label": q.label, "Expression": q.expression} {
					if value != "" {
						one[name] = value
						form.Set(member+name, value)
					}
				}
				queries = append(queries, one)
				results = append(results, map[string]any{"Id": q.id, "Label": q.answered, "StatusCode": "Complete", "Values": []float64{57}})
				fmt.Fprintf(&xml, "<member><Id>%s</Id><Label>%s</Label><StatusCode>Complete</StatusCode><Values><member>57.0</member></Values></member>", q.id, q.answered)
			}
			request, err := json.Marshal(map[string]any{"MetricDataQueries": queries})
			require.NoError(t, err)
			answer, err := json.Marshal(map[string]any{"MetricDataResults": results})
			require.NoError(t, err)
			quote := test.queries[0].answered
			for _, pair := range [][2]string{{string(request), string(answer)}, {form.Encode(), "<R><MetricDataResults>" + xml.String() + "</MetricDataResults></R>"}} {
				e := exchange(pair[0], pair[1])
				e.Operation = "cloudwatch:GetMetricData"
				for _, output := range []string{quote + " Complete 57.0", "Label " + quote + " StatusCode Complete Values 57.0", quote} {
					var r provenance.Recorder
					r.Record(e)
					observed := r.Judge(output, time.Time{})
					assert.False(t, isConfirmed(t, output, output, observed), output)
					assert.False(t, isConfirmed(t, output, quote, observed), output)
				}
			}
		})
	}
}

func TestJudge_LabelsOfCloudWatchStayConfirmed(t *testing.T) {
	e := exchange(`{"MetricDataQueries":[{"Id":"m1","Expression":"SEARCH('{AWS/Lambda,FunctionName} Errors', 'Sum')"}]}`,
		`{"MetricDataResults":[{"Id":"m1","Label":"orders-handler","StatusCode":"Complete","Values":[57.0]}]}`)
	e.Operation = "cloudwatch:GetMetricData"
	var r provenance.Recorder
	r.Record(e)
	const output = "orders-handler Complete 57.0"
	assert.True(t, isConfirmed(t, output, output, r.Judge(output, time.Time{})))
}

func TestJudge_AnswersAboutWhatTheCodeAskedForStayConfirmed(t *testing.T) {
	insights := func(query, results string) []provenance.Exchange {
		return []provenance.Exchange{
			exchange(`{"queryString":"`+query+`","logGroupName":"orders"}`, `{"queryId":"q-1"}`),
			exchange(`{"queryId":"q-1"}`, `{"results":[[`+results+`]],"status":"Complete"}`),
		}
	}
	const line = `{"field":"@message","value":"2026-08-04T12:36:15Z ERROR pool exhausted after 30 s for orders-db"}`
	const events = `{"events":[{"message":"2026-08-04T12:36:15Z ERROR pool exhausted after 30 s for orders-db","logStreamName":"2026/11/25/[$LATEST]abc"}]}`
	for _, test := range []struct {
		name      string
		exchanges []provenance.Exchange
		output    string
	}{
		{"a function", []provenance.Exchange{exchange(`{"FunctionName":"orders"}`, `{"FunctionName":"orders","Timeout":3}`)}, `"FunctionName": "orders", "Timeout": 3`},
		{"a function by its address", []provenance.Exchange{{URL: "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/orders/configuration", Status: 200,
			Answer: []byte(`{"FunctionName":"orders","Timeout":3}`)}}, `"FunctionName": "orders", "Timeout": 3`},
		{"an alarm", []provenance.Exchange{exchange(`{"AlarmNames":["orders errors"]}`,
			`{"MetricAlarms":[{"AlarmName":"orders errors","StateValue":"ALARM","StateReason":"Threshold Crossed"}]}`)}, `"StateValue": "ALARM", "StateReason": "Threshold Crossed"`},
		{"a log group", []provenance.Exchange{exchange(`{"logGroupNamePrefix":"/aws/lambda/orders"}`,
			`{"logGroups":[{"logGroupName":"/aws/lambda/orders","storedBytes":0,"retentionInDays":7}]}`)}, `"logGroupName": "/aws/lambda/orders", "storedBytes": 0, "retentionInDays": 7`},
		{"a statistic", []provenance.Exchange{exchange(`{"MetricName":"CPUUtilization","Statistics":["Average"]}`,
			`{"Label":"CPUUtilization","Datapoints":[{"Average":97.3,"Timestamp":1795609755}]}`)}, "Average: 97.3"},
		{"a log line with the pattern", []provenance.Exchange{exchange(`{"logGroupName":"orders","filterPattern":"\"pool exhausted\""}`, events)}, "ERROR pool exhausted after 30 s for orders-db"},
		{"a log line of another request", []provenance.Exchange{exchange(`{"filterPattern":"\"pool exhausted\""}`, `{"events":[]}`), exchange(`{"logStreamName":"2026/11/25/[$LATEST]abc"}`, events)},
			"ERROR pool exhausted after 30 s for orders-db 2026/11/25/[$LATEST]abc"},
		{"insights, a filter", insights(`fields @timestamp, @message | filter @message like /pool exhausted/ or @message like 'refused' | sort @timestamp desc | limit 20`, line), "ERROR pool exhausted after 30 s"},
		{"insights, parse", insights(`parse @message 'ERROR * after * s' as what, seconds | filter seconds > 3`, `{"field":"what","value":"pool exhausted"},{"field":"seconds","value":"30"},`+line), "ERROR pool exhausted after 30 s"},
		{"insights, parse by expression", insights(`parse @message /\"(?<what>[a-z ]+)\"/`, line), "ERROR pool exhausted after 30 s"},
		{"insights, counts", insights(`stats sum(strcontains(@message, 'ERROR')) as errors, pct(@duration, 99) as p99 by bin(5m)`,
			`{"field":"bin(5m)","value":"2026-11-25 12:25:00.000"},{"field":"errors","value":"57"}`), `bin(5m)': '2026-11-25 12:25:00.000', 'errors': '57`},
		{"insights, arithmetic", insights(`fields @maxMemoryUsed / 1000 / 1000 as used, @type = 'REPORT' as isReport | filter ispresent(used)`, `{"field":"used","value":"127.5"},`+line), "ERROR pool exhausted after 30 s"},
		{"insights, another language", insights(`fields @message | filter @message like 'f\u00fcr'`, line), "ERROR pool exhausted after 30 s"},
		{"insights, lists", insights(`filter status in ['500', '502'] and @m not like 'GET' | fields @message, status in ['500'] as isBad`, line), "ERROR pool exhausted after 30 s"},
		{"insights, reports", insights(`filter @type = 'REPORT' | stats pct(@duration, 95), max(@maxMemoryUsed / 1000 / 1000) as mb by bin(5m)`, `{"field":"mb","value":"127.5"},`+line), "ERROR pool exhausted after 30 s"},
		{"insights, results that were recorded first", []provenance.Exchange{insights(`fields @message`, line)[1], insights(`fields @message`, line)[0]}, "ERROR pool exhausted after 30 s"},
		{"insights, a comment", insights(`# what's wrong\nfields @message`, line), "ERROR pool exhausted after 30 s"},
		{"an error's own words", []provenance.Exchange{other, failed(`{"TableName":"orders"}`, `{"__type":"ResourceNotFoundException","message":"Requested resource not found: Table: orders not found"}`)},
			"Requested resource not found: Table: orders"},
		{"a rejected permission", []provenance.Exchange{other, failed(`{"TableName":"orders"}`,
			`{"message":"User: arn:aws:sts::123456789012:assumed-role/tool/x is not authorized to perform: dynamodb:DescribeTable on resource: arn:aws:dynamodb:us-east-1:123456789012:table/orders"}`)},
			"is not authorized to perform: dynamodb:DescribeTable on resource: arn:aws:dynamodb:us-east-1:123456789012:table/orders"},
		{"an error with an ARN", []provenance.Exchange{exchange(`{"logGroupName":"/aws/lambda/orders"}`, `{"logStreams":[]}`), failed(`{}`,
			`{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:none"}`)}, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:none"},
		{"the value of a labeled metric", []provenance.Exchange{exchange(`{"MetricDataQueries":[{"Id":"m1","Label":"Errors of orders ${LAST}"}]}`,
			`{"MetricDataResults":[{"Id":"m1","Label":"Errors of orders 12.5","StatusCode":"Complete","Values":[12.5]}]}`)}, "StatusCode Complete Values 12.5"},
		{"promql", []provenance.Exchange{exchange("query=rate%28http_requests_total%5B5m%5D%29", `{"data":{"result":[{"metric":{"__name__":"http_requests_total","job":"orders-api"},"value":[1795609755,"12.5"]}]}}`)},
			"orders-api 12.5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r provenance.Recorder
			for _, e := range test.exchanges {
				r.Record(e)
			}
			assert.True(t, isConfirmed(t, test.output, test.output, r.Judge(test.output, time.Time{})))
		})
	}
}

func TestJudge_KnowsTheRequestsOfEarlierCalls(t *testing.T) {
	const forged = "pool exhausted on payments database"
	var r provenance.Recorder
	r.Record(exchange(`{"queryString":"filter @message = '`+forged+`'"}`, `{"queryId":"q-1"}`))
	r.Record(exchange(`{"queryString":"fields concat('poo','l') as x"}`, `{"queryId":"q-2"}`))
	r.Forget()
	r.Record(exchange(`{}`, `{"queries":[{"queryString":"filter @message = '`+forged+`'","status":"Complete"}]}`))
	assert.False(t, isConfirmed(t, forged, forged, r.Judge(forged, time.Time{})), "DescribeQueries lists the query of an earlier call")
	r.Record(exchange(`{"queryId":"q-2"}`, `{"results":[[{"field":"x","value":"another text of the query"}]]}`))
	assert.False(t, isConfirmed(t, "another text", "another text", r.Judge("another text", time.Time{})), "the query of an earlier call")
	r.Record(exchange(`{"queryId":"q-1"}`, `{"results":[[{"field":"@message","value":"ERROR one of many"}]]}`))
	assert.True(t, isConfirmed(t, "ERROR one of many", "ERROR one of many", r.Judge("ERROR one of many", time.Time{})))
}

// Many sent texts in the output must not hide a later one, and a repeated one must not cost a later quote its proof.
func TestJudge_ManySentTexts(t *testing.T) {
	var sent, output strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&sent, "%q,", fmt.Sprintf("sent text%d", i))
		fmt.Fprintf(&output, "sent text%d; ", i)
	}
	const answered = "ERROR no memory in the worker"
	output.WriteString("pool exhausted on payments 300; " + answered)
	var r provenance.Recorder
	r.Record(exchange(`{"a":[`+sent.String()+`],"b":"pool exhausted on payments ${X}"}`, `{"d":["pool exhausted on payments 300","`+answered+`"]}`))
	observed := r.Judge(output.String(), time.Time{})
	assert.True(t, observed.Partial)
	assert.False(t, isConfirmed(t, output.String(), "pool exhausted on payments 300", observed))

	repeated := strings.Repeat("sent text1; pool exhausted on payments; ", 1500) + answered
	r.Record(exchange(`{"a":["sent text1"],"b":"pool exhausted on payments"}`, `{"d":["`+answered+`"]}`))
	observed = r.Judge(repeated, time.Time{})
	assert.True(t, isConfirmed(t, repeated, answered, observed))
	assert.False(t, observed.Partial)
}

// Requests that repeat the same words as often as possible must not take long either.
func TestJudge_RepeatedRequestsAreBounded(t *testing.T) {
	var r provenance.Recorder
	text := strings.Repeat("a b ", 50_000)
	for i := range 4 {
		r.Record(exchange(fmt.Sprintf(`{"n":%d,"a":%q}`, i, text), fmt.Sprintf(`{"n":%d,"b":[%q,%q]}`, i, strings.Repeat("a b ", 100_000)+"c", "pool exhausted")))
	}
	output := text + "pool exhausted"
	observed := r.Judge(output, time.Time{})
	assert.True(t, observed.Partial)
	assert.False(t, isConfirmed(t, output, "a b a b", observed))
}

// Many quotes, each of which an output has many times, must not take long together.
func TestIsObserved_ManyQuotesAreBounded(t *testing.T) {
	output := strings.Repeat("error timeout ", 20_000)
	observed := &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{To: len(output)}}}
	for i := range 1000 {
		observed.Asked = append(observed.Asked, toolcall.Span{From: 98 * i, To: 98 * (i + 1)})
	}
	began := time.Now()
	text := provenance.NewText(output)
	for range 30 {
		for _, place := range text.Find(strings.Repeat("error timeout ", 70), false) {
			assert.False(t, text.IsObserved(place, observed))
		}
	}
	assert.Less(t, time.Since(began), 10*time.Second)
}

// A request in CBOR can split a text anywhere, also within a character. One that cannot be read completely proves nothing.
func TestJudge_RequestsInCBORAreReadCompletelyOrProveNothing(t *testing.T) {
	const forged = "the users table was purged by éve today"
	text := func(text string) string { return string([]byte{0x78, byte(len(text))}) + text }
	chunks := func(size int) string {
		var b strings.Builder
		b.WriteByte(0x7f)
		for at := 0; at < len(forged); at += size {
			b.WriteString(text(forged[at:min(len(forged), at+size)]))
		}
		return b.String() + "\xff"
	}
	split := strings.Index(forged, "é") + 1 // within the character
	answer := "\xa2\x65Title" + text(forged) + "\x69AlarmName" + text("orders-errors is in ALARM")
	for name, request := range map[string]struct {
		body    string
		isWhole bool
	}{
		"one text":                  {"\xa1\x66Prefix" + text(forged), true},
		"chunks":                    {"\xa1\x66Prefix" + chunks(5), true},
		"chunks in a character":     {"\xa1\x66Prefix" + chunks(split), true},
		"a label in chunks":         {"\xa1\x65Label" + chunks(split), true},
		"chunks of one byte":        {"\xbf\x65Label" + chunks(1) + "\xff", true},
		"a text that is cut":        {"\xa1\x66Prefix\x78\x60" + forged, false},
		"chunks without an end":     {"\xa1\x66Prefix" + strings.TrimSuffix(chunks(5), "\xff"), false},
		"chunks with a number":      {"\xa1\x66Prefix\x7f" + text("a") + "\x01\xff", false},
		"a character that is cut":   {"\xa1\x66Prefix\x61\xc3", false},
		"another key than a text":   {"\xa2\x01\x02\x66Prefix" + text(forged), false},
		"more than one value":       {"\xa0\xa0", false},
		"a map without its end":     {"\xa3\x61a\x01", false},
		"a compressed part":         {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xab", false},
		"a list that is not closed": {"\xa1\x61a\x9f\x01", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &provenance.Recorder{}
			r.Record(other)
			r.Record(exchange(request.body, answer))
			output := forged + "\norders-errors is in ALARM"
			observed := r.Judge(output, time.Time{})
			assert.False(t, request.isWhole && isConfirmed(t, output, forged, observed))
			assert.Equal(t, request.isWhole, isConfirmed(t, output, "orders-errors is in ALARM", observed))
			assert.Equal(t, !request.isWhole, observed.Partial)
		})
	}
}
