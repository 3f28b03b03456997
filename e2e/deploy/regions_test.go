package deploy

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/stacks"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/stack"
)

// freshAccount is an account in which nobody has submitted Anthropic's form or subscribed to a model.
const freshAccount = `{"account": {"formMissing": true, "subscribed": [], "strict": true}, "steps": [
	{"tools": [{"name": "python_executor", "input": {"command": "print(boto3.client('sts').get_caller_identity()['Account'])"}}]},
	{"tools": [{"name": "submit_report", "input": {
		"summary": "Orders fail.", "root_cause": "The queue is full.", "confidence": "unknown", "severity": "high", "impact": "No orders.",
		"findings": [{"statement": "It is the account of the queue.", "confidence": "likely", "evidence": [{"call": 1, "quote": "123456789012"}]}],
		"immediate_actions": [{"text": "Drain the queue."}]}}]}
]}`

func TestDefaults_GiveAFreshAccountAReportInEveryRegion(t *testing.T) {
	const sonnet, nova = "anthropic.claude-sonnet-5-5", "amazon.nova-2-lite-v1:0"
	tests := []struct {
		region string
		bound  bool // whether the stack names its Region
		want   []string
	}{
		{"us-east-1", true, []string{"us." + sonnet, "us." + nova}},
		{"eu-central-1", true, []string{"eu." + sonnet, "eu." + nova}},
		{"ap-northeast-1", true, []string{"global." + sonnet, "jp." + nova}},
		{"ap-southeast-2", true, []string{"global." + sonnet, "global." + nova}},
		{"sa-east-1", true, []string{"global." + sonnet, "mistral.mistral-large-3-675b-instruct"}},
		{"eu-west-2", false, []string{"eu." + sonnet, "global." + nova}},
	}
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	app, err := variants()
	require.NoError(t, err)
	dir := t.TempDir() // one for all Regions: only the first deployment compiles the functions
	for _, tt := range tests {
		name := tt.region
		if !tt.bound {
			name += " in a stack without a Region"
		}
		t.Run(name, func(t *testing.T) {
			t.Setenv("VARIANT", "default")
			t.Setenv("STACK_REGION", map[bool]string{true: tt.region}[tt.bound])
			there := cloud.In(tt.region)
			deployed, err := stack.Deploy(t.Context(), there, app, stacks.Name, dir, io.Discard)
			require.NoError(t, err)
			bedrock := startModel(t, freshAccount)
			host := startFunctions(t, there, deployed, bedrock)

			answer := fireIn(t, host, deployed.Find("TriageOrchestrator").Name, tt.region)
			require.Len(t, answer.Results, 1)
			assert.Equal(t, triage.StatusInvestigated, answer.Results[0].Status)
			text := storedReport(t, there, answer.Results[0].ReportURI)
			assert.Contains(t, text, "The queue is full.")
			assert.Contains(t, text, "Model: "+tt.want[1])
			assert.Contains(t, strings.Join(strings.Fields(text), " "), "Model "+tt.want[0]+" failed: ResourceNotFoundException: Model use case details have not been submitted")
			var asked []string
			for _, request := range bedrock.Requests() {
				asked = append(asked, request.Request.ModelID)
			}
			assert.Equal(t, []string{tt.want[0], tt.want[1], tt.want[1]}, asked)
		})
	}
}

func startModel(t *testing.T, script string) *model.Server {
	t.Helper()
	parsed, err := model.Parse([]byte(script))
	require.NoError(t, err)
	server, err := model.Start(parsed)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// startFunctions starts the deployed functions in their Region.
func startFunctions(t *testing.T, cloud *moto.Server, deployed *stack.Deployment, bedrock *model.Server) *lambdahost.Host {
	t.Helper()
	host, err := lambdahost.New(lambdahost.Options{Region: cloud.Region, Account: moto.Account, Fallback: cloud.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	env := map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_ENDPOINT_URL_LAMBDA": host.URL(), "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.URL,
	}
	for _, prefix := range []string{"TriageOrchestrator", "TriageTool"} {
		function, err := deployed.Find(prefix).Hosted(env, io.Discard)
		require.NoError(t, err)
		require.NoError(t, host.Add(function))
	}
	return host
}

// fireIn invokes the orchestrator as an alarm in that Region does.
func fireIn(t *testing.T, host *lambdahost.Host, function, region string) triage.Answer {
	t.Helper()
	at := time.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
	event, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": "arn:aws:cloudwatch:" + region + ":" + moto.Account + ":alarm:orders",
		"accountId": moto.Account, "region": region, "time": at,
		"alarmData": map[string]any{"alarmName": "orders", "state": map[string]any{"value": "ALARM", "reason": "Threshold Crossed", "timestamp": at}},
	})
	require.NoError(t, err)
	raw, err := host.Invoke(t.Context(), function, event)
	require.NoError(t, err)
	var answer triage.Answer
	require.NoError(t, json.Unmarshal(raw.Payload, &answer), "%s", raw.Payload)
	return answer
}

func storedReport(t *testing.T, cloud *moto.Server, uri string) string {
	t.Helper()
	bucket, key, found := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	require.True(t, found, "uri %q", uri)
	object, err := s3Client(cloud).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(key)})
	require.NoError(t, err)
	defer func() { _ = object.Body.Close() }()
	text, err := io.ReadAll(object.Body)
	require.NoError(t, err)
	return string(text)
}
