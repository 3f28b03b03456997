package main_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

const modelID = "us.anthropic.claude-sonnet-5-5"

// The command and a deployment run the same code, so they write the same report about the same alarm, with the same answers
// of the same model. Only times, durations, ids, and the place of the report and of its log differ.
func TestInvestigate_WritesTheReportOfADeployment(t *testing.T) {
	b := newBench(t, concluding())
	deployed := deployAndFire(t, concluding())

	ran := b.run("investigate", alarmARN, "--model", modelID)
	require.Equal(t, 0, ran.code, ran.stderr)

	for name, want := range deployed.forms {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, comparable(want), comparable(b.file("report."+name)))
		})
	}
	t.Run("what the model reads", func(t *testing.T) {
		asked := b.model.Requests()
		require.Len(t, asked, len(deployed.asked))
		for i := range asked {
			want, err := json.MarshalIndent(deployed.asked[i].Request, "", " ")
			require.NoError(t, err)
			got, err := json.MarshalIndent(asked[i].Request, "", " ")
			require.NoError(t, err)
			assert.Equal(t, comparable(string(want)), comparable(string(got)), "request %d", i+1)
		}
	})
}

// deployment is what a deployment has done about the alarm.
type deployment struct {
	forms map[string]string // of the stored report, by the end of their names
	asked []model.Recorded  // the requests to the model
}

// deployAndFire runs the real functions with the same AWS, and sends them the event of the alarm.
func deployAndFire(t *testing.T, script model.Script) deployment {
	t.Helper()
	ctx, cfg := t.Context(), cloud.Config()
	bucket, table := "reports-same", "investigations-same"
	reports := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := reports.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	_, err = dynamodb.NewFromConfig(cfg).CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: dynamotypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String(config.TableKey), AttributeType: dynamotypes.ScalarAttributeTypeS}},
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String(config.TableKey), KeyType: dynamotypes.KeyTypeHash}},
	})
	require.NoError(t, err)
	topic, err := sns.NewFromConfig(cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("findings-same")})
	require.NoError(t, err)
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })

	dir := t.TempDir()
	orchestrator := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", orchestrator, "./lambdas/orchestrator")
	build.Dir = moto.Root()
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	tool, err := realtool.Build(dir)
	require.NoError(t, err)
	host, err := lambdahost.New(lambdahost.Options{Region: moto.Region, Account: moto.Account, Log: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	require.NoError(t, host.Add(tool.Function("tool", cloud.URL)))
	env := config.Orchestrator{
		ModelID: modelID, ToolFunction: "tool", ToolTimeout: 30 * time.Second, Table: table, ReportsBucket: bucket, TopicARN: *topic.TopicArn,
		Window: time.Hour, MaxRounds: config.MaxRounds, MaxQueryCostUSD: config.DefaultMaxQueryCostUSD, Redact: true,
	}.Environment()
	for _, entry := range cloud.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	env["AWS_ENDPOINT_URL_LAMBDA"], env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = host.URL(), server.URL
	require.NoError(t, host.Add(lambdahost.Function{Name: "orchestrator", Command: []string{orchestrator}, Timeout: time.Minute, Env: env}))

	answer, err := host.Invoke(ctx, "orchestrator", actionEvent(t))
	require.NoError(t, err)
	require.Empty(t, answer.FunctionError, string(answer.Payload))
	found, err := reports.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String(config.ReportsPrefix)})
	require.NoError(t, err)
	forms := map[string]string{}
	for _, object := range found.Contents {
		for _, end := range []string{"txt", "html", "json"} {
			isOther := strings.HasPrefix(*object.Key, config.CheckpointsPrefix) || strings.HasSuffix(*object.Key, "-conversation.json")
			if isOther || !strings.HasSuffix(*object.Key, "."+end) {
				continue
			}
			stored, err := reports.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: object.Key})
			require.NoError(t, err)
			body, err := io.ReadAll(stored.Body)
			require.NoError(t, err)
			forms[end] = string(body)
		}
	}
	require.Len(t, forms, 3)
	return deployment{forms, server.Requests()}
}

// actionEvent is the event of an alarm action, as CloudWatch documents it, for the alarm of the tests.
func actionEvent(t *testing.T) []byte {
	t.Helper()
	described, err := awsapi.NewCloudWatch(cloud.Config()).DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{alarmName}})
	require.NoError(t, err)
	at := described.MetricAlarms[0].StateUpdatedTimestamp.UTC().Format("2006-01-02T15:04:05.000-0700")
	event, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": alarmARN, "accountId": moto.Account, "time": at, "region": moto.Region,
		"alarmData": map[string]any{
			"alarmName":     alarmName,
			"state":         map[string]any{"value": "ALARM", "reason": reason, "timestamp": at},
			"previousState": map[string]any{"value": "OK", "reason": reason},
			"configuration": map[string]any{
				"description": "Orders cannot be read.",
				"metrics": []any{map[string]any{"id": "m1", "returnData": true, "metricStat": map[string]any{
					"metric": map[string]any{"namespace": "AWS/Lambda", "name": "Errors", "dimensions": map[string]any{"FunctionName": "order-service"}},
					"period": 60, "stat": "Sum",
				}}},
			},
		},
	})
	require.NoError(t, err)
	return event
}

// differing are the parts of a report that differ from run to run, or that name the place of the report and of its log.
var differing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\n *"report_uri": "[^"]*",`), ""},
	{regexp.MustCompile(` *Report as text: s3://[^\n]*\n|<dt>Report as text</dt><dd>s3://[^<]*</dd>`), ""},
	{regexp.MustCompile(`,\n *"function": "[^"]*"`), ""},
	{regexp.MustCompile(`"id": "[0-9a-f]{12}"`), `"id": ""`},
	{regexp.MustCompile(`Report: https://[^\n]*/reports-same[^\n]*\n`), ""},
	{regexp.MustCompile(`(■ |<li><a href="[^"]*">)Logs of the investigation(: [^\n]*\n|</a></li>\n?)`), ""},
	{regexp.MustCompile(`<li><a href="[^"]*/reports-same\?[^"]*">Report as (text|JSON)</a></li>\n?`), ""},
	{regexp.MustCompile(`(Investigation: |<dt>Investigation</dt><dd>)[0-9a-f]{12}`), "${1}ID"},
	{regexp.MustCompile(`own_names(\\*(?:"|&#34;)):\[[^\]]*\]`), "own_names$1:[]"}, // of the deployed functions
	{regexp.MustCompile(`"(collected_at|time|started_at|ended_at|at)": "[^"]*"`), `"$1": ""`},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z|\+00:?00)?`), "TIME"},
	{regexp.MustCompile(`(still in ALARM at) \d\d:\d\d UTC`), "$1 TIME"}, // each report is sent at its own time
	{regexp.MustCompile(`<time>[\d:]+</time>`), "<time></time>"},
	{regexp.MustCompile(`"(duration_ms|execution_time)": [\d.]+`), `"$1": 0`},
	{regexp.MustCompile(`\d+(\.\d+)? ?(ms|s)\b`), "DURATION"},
	{regexp.MustCompile(`\d+ min( DURATION)? after`), "DURATION after"}, // on a slow machine
}

// callsOf finds a list of AWS calls, which has the order of their completion: in the text, on the page, and in JSON.
var callsOf = regexp.MustCompile(`(?:■ aws: [^\n]*\n)+|(?:<tr>\s*<td>[a-z0-9-]+:[A-Z]\w+</td>(?s:.*?)</tr>\s*)+|"aws_calls": \[(?s:.*?)\n *\]`)

// call finds one of them.
var call = regexp.MustCompile(`■ aws: [^\n]*\n|(?s)<tr>.*?</tr>|\{[^}]*\}`)

// comparable returns a report without what differs.
func comparable(text string) string {
	for _, d := range differing {
		text = d.pattern.ReplaceAllString(text, d.with)
	}
	return callsOf.ReplaceAllStringFunc(text, func(list string) string {
		calls := call.FindAllString(list, -1)
		for i := range calls {
			calls[i] = regexp.MustCompile(`<td>\d+</td>\s*</tr>`).ReplaceAllString(calls[i], "<td>DURATION</td></tr>")
		}
		slices.Sort(calls)
		return strings.Join(calls, "\n")
	})
}
