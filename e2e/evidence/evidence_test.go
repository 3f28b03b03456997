// Package evidence_test runs code in the real tool against moto and lets a scripted model quote its output. Only what
// AWS answered may be called confirmed.
package evidence_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// The states of a quote.
const (
	confirmed = "confirmed" // AWS answered it
	computed  = "computed"  // code made it from what AWS answered
	nothing   = "nothing"   // it proves nothing
)

var account struct {
	cloud  *moto.Server
	host   *lambdahost.Host
	folder string
}

func TestMain(m *testing.M) {
	code := 1
	if err := start(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
	} else {
		code = m.Run()
	}
	if account.host != nil {
		account.host.Close()
	}
	if account.cloud != nil {
		account.cloud.Stop()
	}
	os.RemoveAll(account.folder)
	os.Exit(code)
}

func start() (err error) {
	if account.folder, err = os.MkdirTemp("", "evidence"); err != nil {
		return err
	}
	if account.cloud, err = moto.Start(context.Background()); err != nil {
		return err
	}
	python, err := moto.Tool("python")
	if err != nil {
		return err
	}
	create := exec.Command(python, "account.py")
	create.Env, create.Stderr = append(os.Environ(), account.cloud.Environ()...), os.Stderr
	if err := create.Run(); err != nil {
		return err
	}
	tool, err := realtool.Build(account.folder)
	if err != nil {
		return err
	}
	if account.host, err = lambdahost.New(lambdahost.Options{}); err != nil {
		return err
	}
	return account.host.Add(tool.Function("tool", account.cloud.URL))
}

// invoked is the tool as the orchestrator sees it.
type invoked struct {
	mu      sync.Mutex
	answers []toolcall.Answer
}

func (i *invoked) Run(ctx context.Context, asked toolcall.Request) (answer toolcall.Answer, err error) {
	request, err := json.Marshal(asked)
	if err != nil {
		return answer, err
	}
	got, err := account.host.Invoke(ctx, "tool", request)
	if err != nil {
		return answer, err
	}
	err = json.Unmarshal(got.Payload, &answer)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers = append(i.answers, answer)
	return answer, err
}

// investigate runs code in the tool and submits a report that quotes call number cited. It returns the record.
func investigate(t *testing.T, code string, cited int, quote func(output string) string) *investigation.Record {
	t.Helper()
	tool := &invoked{}
	answer, err := tool.Run(t.Context(), toolcall.Request{Command: code})
	require.NoError(t, err)
	rec := &investigation.Record{Alarm: alarm()}
	if cited == 0 {
		rec.Evidence = evidence.Collect(t.Context(), tool, 0.25, &rec.Alarm, evidence.Triage{}, time.Now, slog.New(slog.DiscardHandler))
		require.NotNil(t, rec.Evidence.Call)
		answer = *rec.Evidence.Call.Answer
	}
	said := quote(answer.Output)
	require.NotEmpty(t, said, answer.Output)
	report := map[string]any{
		"summary": "Orders fail.", "root_cause": "It is the cause.", "confidence": "confirmed", "severity": "high", "impact": "Orders.",
		"findings": []any{map[string]any{"statement": "It is so.", "confidence": "confirmed",
			"evidence": []any{map[string]any{"call": cited, "quote": said}}}},
		"immediate_actions": []any{map[string]any{"text": "Do it."}},
	}
	last := 1
	server, err := model.Start(model.Script{Loop: &last, Steps: []model.Step{
		{Tools: []model.ToolUse{{Name: toolcall.Name, Input: map[string]any{"command": code}}}},
		{Tools: []model.ToolUse{{Name: "submit_report", Input: report}}},
	}})
	require.NoError(t, err)
	defer server.Close()
	prices, err := pricing.Parse("")
	require.NoError(t, err)
	client := bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	require.NoError(t, agent.Run(t.Context(), agent.Options{
		Model: client, Tool: tool, Models: []string{"us.amazon.nova-2-lite-v1:0"}, MaxRounds: 20, MaxQueryCostUSD: 1, Prices: prices,
		Limits: investigation.Limits{ConcludeAt: time.Now().Add(time.Hour), Log: slog.New(slog.DiscardHandler)},
		Sleep:  func(context.Context, time.Duration) error { return nil },
	}, rec, nil))
	require.Len(t, rec.Report.Findings, 1)
	return rec
}

func alarm() alarmevent.Alarm {
	return alarmevent.Alarm{
		Name: "orders-errors", ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-errors", Account: moto.Account, Region: moto.Region,
		Kind: alarmevent.KindMetric, State: alarmevent.StateAlarm, Time: time.Now().UTC(),
	}
}

// state returns the state of the only finding and checks that everything in the record agrees with it.
func state(t *testing.T, rec *investigation.Record) string {
	t.Helper()
	finding := rec.Report.Findings[0]
	cited := finding.Evidence[0]
	switch {
	case cited.Source == investigation.SourceAWS:
		assert.True(t, finding.Verified && cited.Found)
		assert.Equal(t, investigation.Confirmed, finding.Confidence)
		assert.Equal(t, investigation.Confirmed, rec.Report.Confidence)
		return confirmed
	case cited.Source == investigation.SourceComputed:
		assert.True(t, finding.Verified && cited.Found && finding.IsComputed())
		assert.Equal(t, investigation.Likely, finding.Confidence)
		assert.Equal(t, investigation.Likely, rec.Report.Confidence)
		assert.Contains(t, rec.Report.Downgraded, "computed")
		return computed
	}
	assert.False(t, finding.Verified)
	assert.NotEmpty(t, finding.Problem)
	assert.Equal(t, investigation.Unknown, rec.Report.Confidence)
	return nothing
}

// line returns the first line of an output that matches a pattern, or its first group.
func line(pattern string) func(string) string {
	return func(output string) string {
		for l := range strings.Lines(output) {
			if found := regexp.MustCompile(pattern).FindStringSubmatch(l); found != nil {
				return strings.TrimSpace(found[len(found)-1])
			}
		}
		return ""
	}
}

func literal(text string) func(string) string { return func(string) string { return text } }

// Parts of code.
const (
	events = "events = boto3.client('logs').filter_log_events(logGroupName='/aws/lambda/orders')['events']\n"
	who    = "boto3.client('sts').get_caller_identity()\n"
	fn     = "fn = boto3.client('lambda').get_function_configuration(FunctionName='orders')\n"
	alarms = "alarms = boto3.client('cloudwatch').describe_alarms()['MetricAlarms']\n"
	table  = "table = boto3.client('dynamodb').describe_table(TableName='orders')['Table']\n"
	policy = "document = boto3.client('iam').get_role_policy(RoleName='orders-role', PolicyName='orders')['PolicyDocument']\n"
	queue  = "sqs = boto3.client('sqs')\nurl = sqs.list_queues()['QueueUrls'][0]\nattributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=['All'])['Attributes']\n"
	groups = "groups = boto3.client('ec2').describe_security_groups()['SecurityGroups']\n"
	// Whole minutes, because moto counts periods from the start of the range, and the code runs more than once.
	metrics = "minute = datetime.utcnow().replace(second=0, microsecond=0)\n" +
		"data = boto3.client('cloudwatch').get_metric_data(MetricDataQueries=[{'Id': 'm1', 'MetricStat': {'Metric': {'Namespace': 'AWS/Lambda', 'MetricName': 'Errors', 'Dimensions': [{'Name': 'FunctionName', 'Value': 'orders'}]}, 'Period': 60, 'Stat': 'Sum'}}], StartTime=minute - timedelta(hours=2), EndTime=minute + timedelta(minutes=1))\n"
)

// insights returns code that runs a query of Logs Insights.
func insights(query string) string {
	return "logs = boto3.client('logs')\nq = logs.start_query(logGroupName='/aws/lambda/orders', startTime=int(time.time()) - 7200, endTime=int(time.time()) + 60, queryString=" +
		query + ")['queryId']\nrows = logs.get_query_results(queryId=q)['results']\nfor r in rows: print(*[c['value'] for c in r if c['field'] != '@ptr'])\n"
}

type testCase struct {
	name  string
	code  string
	quote func(output string) string
	want  string
}

func check(t *testing.T, cases []testCase) {
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			rec := investigate(t, test.code, 1, test.quote)
			got := state(t, rec)
			if !assert.Equal(t, test.want, got, rec.Report.Findings[0].Problem) {
				answer := rec.Rounds[0].Calls[0].Answer
				t.Logf("quote: %s\noutput: %s", rec.Report.Findings[0].Evidence[0].Quote, answer.Output)
				for _, span := range answer.Observed.Spans {
					t.Logf("observed: %q", answer.Output[span.From:span.To])
				}
			}
		})
	}
}

func TestEvidence_HonestQuotesAreConfirmed(t *testing.T) {
	check(t, []testCase{
		{"a log line", events + "for e in events: print(e['message'])", line("AccessDeniedException: .*"), confirmed},
		{"a log line with its time", events + "for e in events: print(datetime.utcfromtimestamp(e['timestamp'] / 1000).isoformat() + 'Z', e['message'])",
			line(".*AccessDeniedException.*"), confirmed},
		{"a time with milliseconds", events + "for e in events: print(datetime.fromtimestamp(e['timestamp'] / 1000, timezone.utc), e['message'])",
			line(".*access denied for user.*"), confirmed},
		{"the time of day", events + "for e in events: print(datetime.utcfromtimestamp(e['timestamp'] / 1000).strftime('%H:%M:%S'), e['message'])",
			line(".*pool of user-service.*"), confirmed},
		{"a truncated log line", events + "for e in events: print(e['message'][:111])", line("AccessDeniedException: .*"), confirmed},
		{"events as JSON", events + "print(json.dumps(events, default=str))", line(`"message": "access denied for user bob"`), confirmed},
		{"an event as Python", events + "print(events[0])", line(`'message': .*orders-table'`), confirmed},
		{"pretty printed events", events + "pprint(events)", line(`'message': 'request from role checkout succeeded'`), confirmed},
		{"a column of a REPORT line", events + "print(re.findall(r'Duration: [0-9.]+ ms', events[1]['message'])[0])", line("Duration: 3000.12 ms"), confirmed},
		{"a line of a stack trace", events + "print(events[6]['message'].splitlines()[-1])", line("ValueError.*"), confirmed},
		{"a whole stack trace", events + "print(events[6]['message'])", literal("line 12, in handler charge(order) ValueError: amount must not be 100"), confirmed},
		{"a line with a secret", events + "print(events[10]['message'])", line("login failed.*"), confirmed},
		{"an event with a secret as JSON", events + "print(json.dumps(events[10]))", line("\"message\": \"login failed.* on orders-db"), confirmed},
		{"fields of a JSON log line", events + "d = json.loads(events[2]['message'])\nprint(d['level'], d['error'], d['pool'])", line("ERROR pool exhausted .*"), confirmed},
		{"the configuration as JSON", fn + "print(json.dumps(fn, default=str, indent=1))", line(`"Timeout": 3,`), confirmed},
		{"fields with their names", fn + "print(f\"Function: {fn['FunctionName']} Timeout: {fn['Timeout']} Memory: {fn['MemorySize']}\")", line("Function.*"), confirmed},
		{"names in lower case", fn + "print('timeout', fn['Timeout'], 'memory', fn['MemorySize'])", line("timeout.*"), confirmed},
		{"the end of an ARN", fn + "print('role', fn['Role'].split('/')[-1])", line("role.*"), confirmed},
		{"a line of a truncated output", events + "for i in range(4000): print(events[i % 11]['message'])", line("AccessDeniedException: .*"), confirmed},
		{"the end of a truncated output", events + "for i in range(4000): print(i, events[i % 11]['message'])\nprint(events[7]['message'])",
			literal("the cause is not the database, the pool of user-service is healthy"), confirmed},
		{"a policy", policy + "print(json.dumps(document))", line(`"Effect": "Allow", "Action": \["dynamodb:DescribeTable"\]`), confirmed},
		{"a statement of a policy", policy + "for s in document['Statement']: print(s['Effect'], s['Action'], s['Resource'])", line("Deny.*"), confirmed},
		{"statements that follow each other", policy + "print(json.dumps(document))", line(`"Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/orders"}, {"Sid": "Logs"`), confirmed},
		{"the state of a table", table + "print('table', table['TableName'], 'status', table['TableStatus'])", line("table.*"), confirmed},
		{"capacity", table + "print(table['ProvisionedThroughput'])", line("'ReadCapacityUnits': 5, 'WriteCapacityUnits': 7"), confirmed},
		{"a row of a table", alarms + "for a in alarms: print(f\"{a['AlarmName']:20}|{a['StateValue']:8}|{a['Threshold']:>8}\")", line("orders-errors .*5.0"), confirmed},
		{"a reason", alarms + "for a in alarms: print(a['AlarmName'], a['StateValue'], '-', a['StateReason'])", line("orders-errors.*"), confirmed},
		{"a datetime as Python", alarms + "print({k: alarms[0][k] for k in ('AlarmName', 'StateUpdatedTimestamp')})", line(".*AlarmName.*"), confirmed},
		{"a datetime as text", alarms + "print(json.dumps(alarms, default=str))", line(`"StateUpdatedTimestamp": "[^"]+"`), confirmed},
		{"datapoints", metrics + "r = data['MetricDataResults'][0]\nfor t, v in zip(r['Timestamps'], r['Values']): print(t.isoformat(), v)", line(".*57.5"), confirmed},
		{"attributes of a queue", queue + "print(attributes)", line("'VisibilityTimeout': '45'"), confirmed},
		{"XML with names in lower case", groups + "for g in groups: print(g['GroupName'], g['Description'])", line("orders-sg.*"), confirmed},
		{"the result", fn + "result = {'FunctionName': fn['FunctionName'], 'MemorySize': fn['MemorySize']}", line(`"FunctionName": "orders", "MemorySize": 128`), confirmed},
		{"what the code asked for, with the answer", fn + "print(json.dumps(fn, default=str))", line(`"FunctionName": "orders", .*"CodeSize": \d+`), confirmed},
		{"a line that the code searched for", "for e in boto3.client('logs').filter_log_events(logGroupName='/aws/lambda/orders', filterPattern='denied')['events']: print(e['message'])",
			literal("access denied for user bob"), confirmed},
		{"a query", insights(`"fields @timestamp, @message | filter @message like 'denied' or @message like /pool exhausted/ | limit 20"`), line(".*access denied for user.*"), confirmed},
		{"an error's own words", who + "try: boto3.client('lambda').get_function_configuration(FunctionName='none')\nexcept Exception as e: print(e.response['Error']['Message'])",
			literal("Function not found: arn:aws:lambda:us-east-1:123456789012:function:none"), confirmed},
		{"a change", "for e in boto3.client('cloudtrail').lookup_events()['Events']: print(e['EventTime'].isoformat(), e['EventName'], e['EventSource'])",
			line(".*PutRolePolicy.*"), confirmed},
	})
}

func TestEvidence_EncodingsOfOneTextAreTheSame(t *testing.T) {
	check(t, []testCase{
		{"escapes of JSON", events + "print(json.dumps([e['message'] for e in events]))", literal("Zertifikat für orders.intern ist abgelaufen"), confirmed},
		{"Japanese as escapes", events + "print(json.dumps([e['message'] for e in events]))", literal("証明書の有効期限が切れました"), confirmed},
		{"JSON in JSON", events + "print(json.dumps(events))", literal(`{"level": "ERROR", "error": "pool exhausted", "pool": {"size": 10, "waiting": 57}`), confirmed},
		{"JSON in JSON in JSON", events + "print(json.dumps({'all': json.dumps(events)}))", literal(`"detail": "retry 3 of 5 <timeout> & "quoted""`), confirmed},
		{"a repr", events + "print([e['message'] for e in events])", literal("Traceback (most recent call last): File \"/var/task/app.py\", line 12"), confirmed},
		{"bytes", events + "print(events[2]['message'].encode())", literal("Zertifikat für orders.intern ist abgelaufen"), confirmed},
		{"composed characters", events + "print(events[5]['message'])", literal("connexion refusée par l'hôte - \"fin\" du service"), confirmed},
		{"HTML", events + "import html\nprint(html.escape(events[4]['message']))", literal(`retry 3 of 5 <timeout> &`), confirmed},
		{"HTML twice", events + "import html\nprint(html.escape(html.escape(events[4]['message'])))", literal(`retry 3 of 5 <timeout> &`), confirmed},
		{"wrapped lines", events + "import textwrap\nprint(textwrap.fill(events[7]['message'], 20))", literal("not the database, the pool of user-service"), confirmed},
		{"invisible characters in the quote", events + "print(events[7]['message'])", literal("the pool of\u200b user-service\u00a0is healthy"), confirmed},
		{"slashes", events + "print(json.dumps(fn := events[6]['message']).replace('/', '\\\\/'))", literal("/var/task/app.py"), confirmed},
	})
}

func TestEvidence_ComputedTextIsLabeled(t *testing.T) {
	check(t, []testCase{
		{"a sum", metrics + "print('total errors:', sum(data['MetricDataResults'][0]['Values']))", literal("total errors: 69.5"), computed},
		{"a count", events + "print(len(events), 'lines in the log group')", literal("11 lines in the log group"), computed},
		{"a sentence about a policy", policy + "print('the policy allows', document['Statement'][0]['Action'])", line("the policy allows.*"), computed},
		{"values of two answers", fn + table + "print(fn['Timeout'], table['TableStatus'], fn['MemorySize'])", literal("3 ACTIVE 128"), computed},
	})
}

func TestEvidence_ForgedQuotesAreNeverConfirmed(t *testing.T) {
	const forged = "AccessDenied for role checkout by user eve"
	check(t, []testCase{
		// The calls ask AWS nothing.
		{"split literal", `print("AccessDenied for role " + "checkout by user eve")`, literal(forged), nothing},
		{"literal", `print("AccessDenied for role checkout by user eve")`, literal(forged), nothing},
		{"reversed", `print("eve resu yb tuokcehc elor rof deineDsseccA"[::-1])`, literal(forged), nothing},
		{"hexadecimal", `print(bytes.fromhex("41636365737344656e69656420666f7220726f6c6520636865636b6f7574206279207573657220657665").decode())`, literal(forged), nothing},
		{"a list", `print(*["AccessDenied", "for", "role", "checkout", "by", "user", "eve"])`, literal(forged), nothing},
		{"base64", `print(base64.b64decode("QWNjZXNzRGVuaWVkIGZvciByb2xlIGNoZWNrb3V0IGJ5IHVzZXIgZXZl").decode())`, literal(forged), nothing},
		{"as the result", `result = " ".join(["AccessDenied", "for", "role", "checkout", "by", "user", "eve"])`, literal(forged), nothing},
		{"in an exception", `raise RuntimeError("AccessDenied for role " + "checkout by user eve")`, literal(forged), nothing},
		{"a forged answer", `print(json.dumps({"observed": {"answers": 1, "spans": [{"from": 0, "to": 999}]}, "text": "AccessDenied for role " + "checkout by user eve"}))`, literal(forged), nothing},
		{"after a refused request", "try: boto3.client('sqs').create_queue(QueueName='q')\nexcept Exception as e: pass\nprint('AccessDenied for role ' + 'checkout by user eve')", literal(forged), nothing},
		{"after a failed request", "try: boto3.client('lambda').get_function(FunctionName='none')\nexcept Exception as e: pass\nprint('AccessDenied for role ' + 'checkout by user eve')", literal(forged), nothing},
		{"JSON without AWS", "print(json.dumps({'message': 'Zertifikat f' + chr(252) + 'r orders.intern ist abgelaufen'}))", literal("Zertifikat für orders.intern ist abgelaufen"), nothing},
		// The calls ask AWS something else.
		{"after an unrelated request", who + `print("AccessDenied for role " + "checkout by user eve")`, literal(forged), computed},
		{"reversed after an unrelated request", who + `print("eve resu yb tuokcehc elor rof deineDsseccA"[::-1])`, literal(forged), computed},
		{"words of several log lines", events + "w = ' '.join(e['message'] for e in events).split()\nprint('access denied for', 'role', 'check' + 'out')", literal("access denied for role checkout"), computed},
		{"pieces of two records", events + "print(events[8]['message'][:17], events[9]['message'][13:26])", literal("access denied for role checkout"), computed},
		{"values of two records", alarms + "print(alarms[0]['AlarmName'], alarms[1]['Threshold'])", literal("orders-errors 250.0"), computed},
		{"a dropped negation", events + "print(events[7]['message'].replace('not ', ''))", literal("the cause is the database, the pool of user-service is healthy"), computed},
		{"a dropped negation within a line", events + "print(events[6]['message'].replace(' not', ''))", literal("ValueError: amount must be 100"), computed},
		{"a changed number", events + "print(events[6]['message'].replace('100', '10'))", literal("amount must not be 10"), computed},
		{"a number that was cut", events + "print(events[6]['message'][:-1])", literal("amount must not be 10"), computed},
		{"the value of another field", fn + "print('Timeout:', fn['MemorySize'])", literal("Timeout: 128"), computed},
		{"the action of another statement", policy + "print(document['Statement'][1]['Effect'], document['Statement'][0]['Action'])", line("Deny.*"), computed},
		{"the label of a metric", strings.Replace(metrics, "'Id': 'm1'", "'Label': 'AccessDenied for role ' + 'checkout by user eve', 'Id': 'm1'", 1) +
			"print(data['MetricDataResults'][0]['Label'])", literal(forged), computed},
		{"a label with a value", strings.Replace(metrics, "'Id': 'm1'", "'Label': 'AccessDenied for role ' + 'checkout by user eve', 'Id': 'm1'", 1) +
			"print(data['MetricDataResults'][0]['Label'], data['MetricDataResults'][0]['Values'][0])", line("AccessDenied.*"), computed},
		{"an error that repeats the request", who + "try: boto3.client('logs').filter_log_events(logGroupName='AccessDenied for role ' + 'checkout by user eve')\nexcept Exception as e: pass\nprint('AccessDenied for role ' + 'checkout by user eve')",
			literal(forged), computed},
		{"a label that is one word", strings.Replace(metrics, "'Id': 'm1'", "'Label': 'AccessDenied-' + 'for-role-checkout', 'Id': 'm1'", 1) +
			"print(data['MetricDataResults'][0]['Label'], data['MetricDataResults'][0]['Values'][0])", line("AccessDenied.*"), computed},
		{"a prefix that the answer repeats", "r = boto3.client('s3').list_objects_v2(Bucket='orders-bucket', Prefix='AccessDenied-' + 'for-role-checkout')\nprint(r['Name'], r['Prefix'])",
			line("orders-bucket.*"), computed},
		{"a prefix as a sentence", "r = boto3.client('s3').list_objects_v2(Bucket='orders-bucket', Prefix='AccessDenied for role ' + 'checkout by user eve')\nprint(r['Prefix'], r['Name'])",
			line("AccessDenied.*"), computed},
		{"an error around the request", who + "try: boto3.client('dynamodb').describe_table(TableName='AccessDenied for role ' + 'checkout by user eve')\nexcept Exception as e: print(e.response['Error']['Message'])",
			line(".*AccessDenied for role.*"), computed},
		{"a part of the request in an error", who + "try: boto3.client('logs').describe_log_streams(logGroupName='AccessDenied for role ' + 'checkout by user eve')\nexcept Exception as e: print('AccessDenied for role ' + 'checkout', '-', e.response['Error']['Message'])",
			literal("AccessDenied for role checkout"), computed},
		{"a query with a literal", insights(`"fields @message, conc" + "at('access denied', ' for user bob') as x | limit 20"`), literal("access denied for user bob"), computed},
		{"the list of queries", insights(`"fields @message | filter @message = 'AccessDenied for role " + "checkout by user eve'"`) +
			"print([x['queryString'] for x in logs.describe_queries(logGroupName='/aws/lambda/orders')['queries']])", literal(forged), computed},
		{"two parameters that an answer repeats", "r = boto3.client('s3').list_objects_v2(Bucket='orders-bucket', Prefix='exhausted'[:9], StartAfter='checkout'[:8])\nprint(r['Prefix'], r['StartAfter'])",
			literal("exhausted checkout"), computed},
		{"a pattern that a filter tests", who + "try: print(boto3.client('logs').test_metric_filter(filterPattern='', logEventMessages=['AccessDenied for role ' + 'checkout by user eve'])['matches'])\nexcept Exception as e: pass\nprint('AccessDenied for role ' + 'checkout by user eve')",
			literal(forged), computed},
		{"characters of an answer", events + "s = ''.join(sorted({c for e in events for c in e['message']}))\nprint(''.join(s[s.index(c)] for c in ['p', 'o', 'o', 'l', ' ', 'i', 's', ' ', 'f', 'u', 'l', 'l']))", literal("pool is full"), computed},
		{"words of one line in another order", events + "w = events[7]['message'].split()\nprint(w[5], *w[1:3], *w[0:1], w[1])", line("cause.*|database.*|.*is.*"), computed},
		{"a line without its middle", events + "m = events[0]['message']\nprint(m[:30], m[-60:])", line(".*dynamodb:GetItem.*"), computed},
		{"swapped numbers of a line", events + "print(events[1]['message'].replace('128', 'x').replace('127', '128').replace('x', '127'))", line("REPORT.*"), computed},
		{"a changed id", events + "print(events[0]['message'].replace('8d0f0001', '8d0f0007'))", line(".*8d0f0007.*"), computed},
		{"a raised count", table + "print('ReadCapacityUnits', table['ProvisionedThroughput']['ReadCapacityUnits'] * 10)", literal("ReadCapacityUnits 50"), computed},
		{"another time", events + "print(datetime.utcfromtimestamp(events[0]['timestamp'] / 1000 + 60).isoformat(), events[0]['message'])", line(".*AccessDenied.*"), computed},
		{"an action of two actions", policy + "a = document['Statement'][0]['Action'][0].split(':')[0], document['Statement'][1]['Action'].split(':')[1]\nprint(':'.join(a))", literal("dynamodb:DeleteLogGroup"), computed},
		{"pieces around a mark", events + "print(events[8]['message'][:17], '[redacted: ' + 'secret]', events[9]['message'][13:])", literal("access denied for (redacted: secret] role checkout succeeded"), computed},
		{"a mark of the redaction", events + "print('access [redacted: secret] to the pool of user-service')", literal("access [redacted: secret] to the pool of user-service"), nothing},
		{"a token instead of a word", events + "w = events[7]['message'].split()\nprint(*w[:3], 'ghp' + '_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8', *w[4:6])",
			line("the cause is \\[redacted: .*database.*"), computed},
		{"a secret between words", events + "w = re.search('password=(.*) on', events[10]['message'])[1]\nprint('the cause is', w, 'the database, the pool')",
			line("the cause is .*database.*"), computed},
		{"a sentence in the user agent", "from botocore.config import Config\nwho = boto3.client('sts', config=Config(user_agent_extra='AccessDenied for role ' + 'checkout by user eve'))\n" +
			"print(who.get_caller_identity()['Account'], 'AccessDenied for role ' + 'checkout by user eve')", line(".*AccessDenied.*"), computed},
		{"numbers", metrics + "print(12, 57.5, 12)", literal("12 57.5 12"), computed},
		{"numbers that are not in the code", metrics + "v = data['MetricDataResults'][0]['Values']\nprint(v[2], v[1], v[0], v[2])", literal("0.0 12.0 57.5 0.0"), computed},
		{"values that the code contains", alarms + "print('orders-errors', 'ALARM', 5.0)", literal("orders-errors ALARM 5.0"), computed},
		// The quotes differ from the output.
		{"a longer number in the output", events + "print(events[6]['message'])", literal("amount must not be 10"), nothing},
		{"a word of another meaning", events + "print(events[0]['message'].replace('not authorized', 'unauthorized'))", literal("authorized to perform: dynamodb:GetItem"), nothing},
		{"another id", events + "print(events[0]['message'])", literal("8d0f0002 ERROR AccessDeniedException"), nothing},
		{"a negation that the quote lacks", events + "print(events[0]['message'])", literal("orders-role is authorized to perform"), nothing},
		{"an ellipsis", events + "print(events[0]['message'])", literal("AccessDeniedException: … dynamodb:GetItem"), nothing},
	})
}

func TestEvidence_OutputOfTheCollectorIsJudgedAlike(t *testing.T) {
	for _, test := range []struct {
		name, pattern string
		want          string
	}{
		{"the alarm's definition", `"AlarmDescription": "Description of orders-errors"`, confirmed},
		{"the alarm's reason", `"StateReason": "Threshold Crossed: 3 datapoints were greater than 5.0"`, confirmed},
		{"the alarm's history", `"summary": "[^"]+"`, confirmed},
		{"an item of the history", `"time": "[^"]+", "type": "[^"]+", "summary": "[^"]+"`, confirmed},
		{"a change", `"event": "PutRolePolicy", "source": "[^"]+"`, confirmed},
		{"a datapoint", `\[1[0-9.]+, 57.5\]`, confirmed},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := investigate(t, who, 0, line(test.pattern))
			if !assert.Equal(t, test.want, state(t, rec), rec.Report.Findings[0].Problem) {
				answer := rec.Evidence.Call.Answer
				t.Logf("quote: %s\noutput: %s", rec.Report.Findings[0].Evidence[0].Quote, answer.Output)
				for _, span := range answer.Observed.Spans {
					t.Logf("observed: %q", answer.Output[span.From:span.To])
				}
			}
		})
	}
}
