package alarmevent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

func TestParse_LogAlarmFromEveryPath(t *testing.T) {
	for _, shape := range []string{"action", "eventbridge", "sns"} {
		t.Run(shape, func(t *testing.T) {
			a := parseOne(t, shape+"-log")
			assert.Equal(t, alarmevent.KindLog, a.Kind)
			assert.Equal(t, "arn:aws:cloudwatch:us-east-1:123456789012:alarm:log-errors", a.ARN)
			assert.True(t, metricTime.Equal(a.Time), "got %v", a.Time)
			assert.Equal(t, "Too many errors", a.Description)
			assert.Equal(t, &alarmevent.Query{Text: "filter @message like /ERROR/", LogGroups: []string{"/aws/lambda/orders"},
				Aggregation: "count(*)", Schedule: "rate(5 minutes)", StartOffset: 300}, a.Query)
			require.NotNil(t, a.Threshold)
			assert.Equal(t, 100.0, *a.Threshold)
			assert.Equal(t, "GreaterThanThreshold", a.Comparison)
			assert.Contains(t, a.ReasonData, "queryResultsToEvaluate")
			assert.Contains(t, a.Configuration, "filter @message like /ERROR/", "the configuration is kept as it was sent")
			assert.Empty(t, a.NotUnderstood)
		})
	}
	a := parseOne(t, "sns-log")
	assert.Equal(t, []string{"2026-08-04T12:34:01.000Z ERROR login of shop failed, password=hunter2-canary", "ERROR no stock"}, a.LogLines)
	assert.Equal(t, &alarmevent.Contributor{ID: "a1b2c3d4e5f6g7h8", Attributes: map[string]string{"endpoint": "/api/orders"}}, a.Contributor)
	assert.JSONEq(t, `{"LogsInsightsLink":"https://console.aws.amazon.com/cloudwatch/home#logsV2"}`, a.Unrecognized, "log lines are not repeated here")
}

func TestParse_PromQLAlarmFromEveryPath(t *testing.T) {
	for _, shape := range []string{"action", "eventbridge", "sns"} {
		a := parseOne(t, shape+"-promql")
		assert.Equal(t, alarmevent.KindPromQL, a.Kind, shape)
		assert.Equal(t, &alarmevent.Query{Text: "avg(latency) > 0.5", Interval: 60, Pending: 300}, a.Query, shape)
		assert.Contains(t, a.Configuration, "avg(latency)", shape)
		assert.Empty(t, a.NotUnderstood, shape)
	}
}

func TestParse_KeepsConfigurationOfUnknownAlarm(t *testing.T) {
	a := parseOne(t, "action-unknown")
	assert.Equal(t, alarmevent.KindUnknown, a.Kind)
	assert.JSONEq(t, `{"description":"d","traceQuery":{"expression":"p99(duration)","window":60}}`, a.Configuration)
	assert.JSONEq(t, `{"evaluationDetail":{"traces":[1,2]}}`, a.Unrecognized)
	require.Len(t, a.NotUnderstood, 1)
	assert.Contains(t, a.NotUnderstood[0], "unknown kind of alarm")

	for _, shape := range []string{"action-metric", "eventbridge-math", "sns-anomaly", "action-composite", "eventbridge-contributor", "sns-percentile"} {
		known := parseOne(t, shape)
		assert.Empty(t, known.Configuration, shape)
		assert.Empty(t, known.Unrecognized, shape)
		assert.Empty(t, known.NotUnderstood, shape)
	}
}

func TestParse_DocumentedSampleOfLogAlarm(t *testing.T) {
	// "Log alarms" in the CloudWatch User Guide shows a message without its query and its ARN.
	message := `{"AlarmName":"HighErrorCount","NewStateValue":"ALARM","NewStateReason":"Threshold Crossed","NewStateReasonData":
		{"version":"1.0","queryDate":"2026-06-10T12:15:30.000+0000","threshold":100.0,"queryResultsToEvaluate":5,"queryResultsToAlarm":3,"results":[]},
		"StateChangeTime":"2026-06-10T12:15:30.000+0000","OldStateValue":"OK"}`
	a := one(t, record(message, "arn:aws:sns:eu-west-1:123456789012:alarms"))
	assert.Equal(t, alarmevent.KindLog, a.Kind)
	assert.Equal(t, "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:HighErrorCount", a.ARN)
	assert.Equal(t, 100.0, *a.Threshold)
	assert.Len(t, a.NotUnderstood, 2, "%v", a.NotUnderstood)
}

func record(message, topic string) string {
	raw, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{"Message": message, "TopicArn": topic}}}})
	return string(raw)
}

func one(t *testing.T, event string) alarmevent.Alarm {
	t.Helper()
	alarms, err := alarmevent.Parse([]byte(event))
	require.NoError(t, err)
	require.Len(t, alarms, 1)
	return alarms[0]
}

func TestParse_AcceptsAlarmWithUnexpectedField(t *testing.T) {
	without, asText := parseOne(t, "sns-without-alarm-arn"), parseOne(t, "sns-threshold-as-text")
	assert.Equal(t, "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:shop-errors", without.ARN)
	assert.Contains(t, without.NotUnderstood[0], "the ARN of the SNS topic")
	assert.Equal(t, 1.0, *asText.Threshold)

	const sns = `{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":"arn:aws:cloudwatch:eu-west-1:012345678901:alarm:a","Trigger":%s%s}`
	const trigger = `{"MetricName":"Errors","Namespace":"Shop","Statistic":"SUM","Dimensions":%s,"Period":"60","Threshold":%s}`
	const action = `{"alarmArn":%s,"accountId":%s,"region":%s,"alarmData":{"alarmName":"a","state":{"value":"ALARM","timestamp":%s},"configuration":%s}}`
	quoted := func(text string) string { raw, _ := json.Marshal(text); return string(raw) }
	tests := []struct {
		name, event string
		want        func(t *testing.T, a alarmevent.Alarm)
	}{
		{"Trigger as JSON text", fmt.Sprintf(sns, quoted(fmt.Sprintf(trigger, "[]", "1")), ""), func(t *testing.T, a alarmevent.Alarm) {
			assert.Equal(t, "Errors", a.Metrics[0].Name)
			assert.Equal(t, 60, a.Metrics[0].Period)
		}},
		{"an invalid Trigger", fmt.Sprintf(sns, `"soon"`, ""), func(t *testing.T, a alarmevent.Alarm) {
			assert.Equal(t, alarmevent.KindUnknown, a.Kind)
			assert.Equal(t, "soon", a.Configuration)
		}},
		{"an account as a number", fmt.Sprintf(sns, "{}", `,"AWSAccountId":12345678901`), func(t *testing.T, a alarmevent.Alarm) {
			assert.Equal(t, "012345678901", a.Account)
		}},
		{"an account as a number that lost its zero, without an ARN", record(`{"AlarmName":"a","NewStateValue":"ALARM","AWSAccountId":12345678901}`, "arn:aws:sns:eu-west-1:999988887777:t"),
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, "012345678901", a.Account) }},
		{"no account and no ARN", record(`{"AlarmName":"a","NewStateValue":"ALARM"}`, "arn:aws-cn:sns:cn-north-1:999988887777:t"),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, "arn:aws-cn:cloudwatch:cn-north-1:999988887777:alarm:a", a.ARN)
			}},
		{"an ARN that is null", record(`{"AlarmName":"a","NewStateValue":"ALARM","AWSAccountId":"012345678901","AlarmArn":null}`, "arn:aws:sns:eu-west-1:1:t"),
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, "eu-west-1", a.Region) }},
		{"an invalid ARN, and a Region by its code", `{"AlarmName":"a","NewStateValue":"ALARM","AWSAccountId":"012345678901","AlarmArn":"n/a","Region":"eu-west-1"}`,
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, "arn:aws:cloudwatch:eu-west-1:012345678901:alarm:a", a.ARN)
			}},
		{"TriggeringChildren as texts", fmt.Sprintf(sns, "null", `,"AlarmRule":"ALARM(x)","TriggeringChildren":["arn:aws:cloudwatch:eu-west-1:012345678901:alarm:x"]`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, []string{"arn:aws:cloudwatch:eu-west-1:012345678901:alarm:x"}, a.Children)
				assert.Equal(t, alarmevent.KindComposite, a.Kind)
			}},
		{"TriggeringChildren as JSON text", fmt.Sprintf(sns, "null", `,"AlarmRule":"ALARM(x)","TriggeringChildren":"[{\"Arn\":\"arn:aws:cloudwatch:eu-west-1:012345678901:alarm:x\"}]"`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, []string{"arn:aws:cloudwatch:eu-west-1:012345678901:alarm:x"}, a.Children)
			}},
		{"one child instead of a list", fmt.Sprintf(sns, "null", `,"AlarmRule":"ALARM(x)","TriggeringChildren":{"Arn":"arn:aws:cloudwatch:eu-west-1:012345678901:alarm:x"}`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, []string{"arn:aws:cloudwatch:eu-west-1:012345678901:alarm:x"}, a.Children)
			}},
		{"a timestamp as a number", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", "1785846975", "null"),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, time.Date(2026, 8, 4, 12, 36, 15, 0, time.UTC), a.Time)
			}},
		{"a timestamp with a fraction", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", "1785846975.490", "null"),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.WithinDuration(t, metricTime, a.Time, 2*time.Millisecond)
			}},
		{"an invalid timestamp", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", `{"now":true}`, "null"),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.True(t, a.Time.IsZero())
				assert.Contains(t, a.NotUnderstood[0], "state.timestamp")
			}},
		{"dimension values as numbers", fmt.Sprintf(sns, fmt.Sprintf(trigger, `[{"name":"Port","value":443},{"name":"Tls","value":true}]`, "1"), ""),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, map[string]string{"Port": "443", "Tls": "true"}, a.Metrics[0].Dimensions)
			}},
		{"dimensions as an object of numbers", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", "null",
			`{"metrics":[{"id":1,"metricStat":{"metric":{"namespace":"n","name":"m","dimensions":{"Port":443}},"period":"60.0","stat":"Sum"},"returnData":"false"}]}`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, alarmevent.Metric{ID: "1", Namespace: "n", Name: "m", Dimensions: map[string]string{"Port": "443"}, Period: 60, Stat: "Sum"}, a.Metrics[0])
			}},
		{"one invalid metric among others", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", "null", `{"metrics":["x",{"id":"e1","expression":"m1*2"}]}`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, []alarmevent.Metric{{ID: "e1", Expression: "m1*2", ReturnData: true}}, a.Metrics)
				assert.Equal(t, []string{`metrics: "x" is not a metric query`}, a.NotUnderstood)
			}},
		{"dimensions without names", fmt.Sprintf(sns, fmt.Sprintf(trigger, `["f",{"name":"Port","value":443},""]`, "1"), ""),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, map[string]string{"Port": "443"}, a.Metrics[0].Dimensions)
				assert.Equal(t, []string{`Trigger.Dimensions: "f" has no name`}, a.NotUnderstood)
			}},
		{"texts instead of objects", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", "null",
			`{"alarmTags":"team=a","metrics":[{"id":"m1","metricStat":"x"},{"id":"m2","metricStat":{"metric":"Errors"}},{"id":"m3","metricStat":{"metric":{"name":"n","dimensions":7}}}]},`+
				`"previousState":"OK","alarmContributor":"c"`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, []string{
					`previousState: "OK" is not an object`, `tags: "team=a" has no name`, `metric m1 metricStat: "x" is not an object`,
					`metric m2 metricStat.metric: "Errors" is not an object`, `metric m3 dimensions: "7" has no name`, `alarmContributor: "c" is not an object`,
				}, a.NotUnderstood)
			}},
		{"only invalid metrics", fmt.Sprintf(action, `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`, "null", "null", "null", `{"metrics":[7]}`),
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, alarmevent.KindUnknown, a.Kind)
				assert.Equal(t, `{"metrics":[7]}`, a.Configuration)
			}},
		{"a threshold that is not a number", fmt.Sprintf(sns, fmt.Sprintf(trigger, "null", `"high"`), ""), func(t *testing.T, a alarmevent.Alarm) {
			assert.Nil(t, a.Threshold)
			assert.Equal(t, []string{`Trigger.Threshold: "high" is not a number`}, a.NotUnderstood)
		}},
		{"a threshold out of range", fmt.Sprintf(sns, fmt.Sprintf(trigger, "null", "1e999"), ""), func(t *testing.T, a alarmevent.Alarm) {
			assert.Nil(t, a.Threshold)
		}},
		{"a state in lower case", `{"AlarmName":"a","NewStateValue":" alarm ","AlarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"}`,
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, alarmevent.StateAlarm, a.State) }},
		{"a description that is an object", fmt.Sprintf(sns, "{}", `,"AlarmDescription":{"runbook":"x"}`), func(t *testing.T, a alarmevent.Alarm) {
			assert.Equal(t, `{"runbook":"x"}`, a.Description)
		}},
		{"alarmData as JSON text", `{"alarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a","alarmData":` + quoted(`{"alarmName":"a","state":"{\"value\":\"ALARM\"}"}`) + `}`,
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, alarmevent.StateAlarm, a.State) }},
		{"a Message that is an object", `{"Records":[{"Sns":{"Message":{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"}}}]}`,
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, alarmevent.SourceSNS, a.Source) }},
		{"the alarm is not the first resource", `{"detail-type":"CloudWatch Alarm State Change","resources":["arn:aws:sns:eu-west-1:1:t","arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"],"detail":{"state":{"value":"ALARM"}}}`,
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, "a", a.Name) }},
		{"no resources", `{"detail-type":"CloudWatch Alarm State Change","account":"012345678901","region":"eu-west-1","detail":{"alarmName":"a","state":{"value":"ALARM"}}}`,
			func(t *testing.T, a alarmevent.Alarm) {
				assert.Equal(t, "arn:aws:cloudwatch:eu-west-1:012345678901:alarm:a", a.ARN)
			}},
		{"an unknown detail type", `{"source":"aws.cloudwatch","detail-type":"CloudWatch Log Alarm State Change","resources":["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"],"detail":{"alarmName":"a","state":{"value":"ALARM"}}}`,
			func(t *testing.T, a alarmevent.Alarm) { assert.Equal(t, alarmevent.SourceEventBridge, a.Source) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want(t, one(t, tt.event)) })
	}
}

func TestParse_DerivesPartitionFromRegion(t *testing.T) {
	// The broker's table contains the SDKs' list of partitions.
	table, err := os.ReadFile("../broker/tables/endpoints.txt")
	require.NoError(t, err)
	regions := map[string]string{"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1",
		"aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1", "aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-south-1"}
	partitions := 0
	for line := range strings.Lines(string(table)) {
		fields := strings.Split(line, "\t")
		if fields[0] != "partition" {
			continue
		}
		partitions++
		require.Contains(t, regions, fields[1])
		require.Regexp(t, fields[2], regions[fields[1]])
		a := one(t, `{"accountId":"123456789012","region":"`+regions[fields[1]]+`","alarmData":{"alarmName":"a","state":{"value":"ALARM"}}}`)
		assert.Equal(t, fields[1], a.Partition)
		assert.True(t, strings.HasPrefix(a.ARN, "arn:"+fields[1]+":cloudwatch:"), a.ARN)
	}
	assert.Equal(t, len(regions), partitions)
}

func TestParse_LogLinesInEveryFormAndName(t *testing.T) {
	const event = `{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a",%s}`
	for members, want := range map[string][]string{
		`"LogLines":["one","two"]`: {"one", "two"},
		`"LogLines":"one\ntwo\n"`:  {"one", "two"},
		`"LogRecords":"[\"one\"]"`: {"one"},
		`"Notification":{"matchingLogEvents":[{"timestamp":1785846975000,"message":"one\n"}]}`:        {"2026-08-04T12:36:15.000Z one"},
		`"queryLogResults":[[{"field":"host","value":"a"}]]`:                                          {`[{"field":"host","value":"a"}]`},
		`"logLines":{"/aws/lambda/a":["one"],"/aws/lambda/b":["two"]}`:                                {"one", "two"},
		`"logEvents":[7,null,{"Message":"x"}]`:                                                        {"7", "", "x"},
		`"ActionLogLineCount":5,"ActionLogLineRoleArn":"arn:aws:iam::1:role/r","LogGroupNames":["g"]`: nil,
	} {
		assert.Equal(t, want, one(t, fmt.Sprintf(event, members)).LogLines, members)
	}
}

func TestParse_MarksTruncatedTexts(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	lines, err := json.Marshal(append(slicesOf("line ", 60), long))
	require.NoError(t, err)
	a := one(t, `{"alarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a","more":"`+long+`","alarmData":{"logLines":`+string(lines)+`,"state":{"value":"ALARM","reason":"`+long+
		`","reasonData":"`+long+`"},"configuration":{"description":"`+long+`","traceQuery":"`+long+`"}}}`)
	raw, err := json.Marshal(a)
	require.NoError(t, err)
	assert.Less(t, len(raw), 100_000)
	for _, text := range []string{a.Reason, a.ReasonData, a.Description, a.Configuration, a.Unrecognized} {
		assert.Regexp(t, `… \[truncated: \d+ more bytes\]$`, text)
	}
	assert.Len(t, a.LogLines, 50)
	assert.Contains(t, strings.Join(a.NotUnderstood, "\n"), "log lines: 11 of 61 are omitted")
}

func slicesOf(text string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(text, i)
	}
	return list
}

// Secrets can be anywhere in an event. The fields that identify the alarm are not redacted.
func TestParser_RedactsEveryTextBeforeTruncation(t *testing.T) {
	redactor, err := redact.New([]string{"INC-[0-9]+"})
	require.NoError(t, err)
	const secret = "hunter2-canary"
	text := `password=` + secret
	event := map[string]any{
		"alarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a", "extra": map[string]any{"password": secret},
		"alarmTags": map[string]any{"password": secret, "team": "shop"},
		"alarmData": map[string]any{
			"alarmName": "a", "alarmContributor": map[string]any{"id": "1", "attributes": map[string]any{"apiKey": secret}},
			"state":    map[string]any{"value": "ALARM", "reason": text, "reasonData": `{"password":"` + secret + `"}`, "timestamp": text},
			"logLines": []any{text, `{"level":"error","db":{"password":"` + secret + `"}}`, "ticket INC-4711", "-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEA" + strings.Repeat("x", 60), "-----END RSA PRIVATE KEY-----"},
			"configuration": map[string]any{"description": text, "scheduledQueryConfiguration": map[string]any{
				"queryString": "filter x | " + text, "logGroupIdentifiers": []string{"/shop"}, "aggregationExpression": "count(*)", "secretString": secret},
				"padding": strings.Repeat("a ", maxDocumentForTest) + text},
		},
	}
	raw, err := json.Marshal(event)
	require.NoError(t, err)
	alarms, err := alarmevent.Parser{Redact: redactor.Document}.Parse(raw)
	require.NoError(t, err)
	encoded, err := json.Marshal(alarms[0])
	require.NoError(t, err)
	for _, leak := range []string{secret, "INC-4711", "MIIEowIBAAKCAQEA"} {
		assert.False(t, strings.Contains(string(encoded), leak), leak)
	}
	a := alarms[0]
	assert.Equal(t, "shop", a.Tags["team"])
	assert.Equal(t, []string{"/shop"}, a.Query.LogGroups)
	assert.Greater(t, a.Redactions, 8)
	assert.Equal(t, "a", a.Name)

	plain, err := alarmevent.Parse(raw)
	require.NoError(t, err)
	assert.Contains(t, plain[0].LogLines[0], secret, "without a redactor nothing is changed")
	assert.Zero(t, plain[0].Redactions)
}

const maxDocumentForTest = 16 << 10
