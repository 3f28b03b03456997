package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// deploy starts the real orchestrator with this name for a bucket, and returns its table and its host.
func deploy(t *testing.T, b *bench, name, bucket string) (*dedupe.Table, *lambdahost.Host) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-o", binary, "./lambdas/orchestrator")
	build.Dir = moto.Root()
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	host, err := lambdahost.New(lambdahost.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	env := config.Orchestrator{
		ModelID: "us.amazon.nova-2-lite-v1:0", ToolFunction: "tool", ToolTimeout: 2 * time.Second, Table: name, ReportsBucket: bucket,
		TopicARN: "arn:aws:sns:us-east-1:123456789012:findings", Window: time.Hour, MaxRounds: 10, MaxQueryCostUSD: 1, Redact: true,
	}.Environment()
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": moto.Region, "AWS_ENDPOINT_URL": cloud.URL,
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": b.model.URL, "PATH": os.Getenv("PATH"),
	} {
		env[key] = value
	}
	require.NoError(t, host.Add(lambdahost.Function{Name: name, Command: []string{binary}, Timeout: 30 * time.Second, Env: env}))
	b.set("AWS_ENDPOINT_URL_LAMBDA=" + host.URL())
	client := dynamodb.NewFromConfig(cloud.Config())
	_, err = client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(config.TableKey), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(config.TableKey), KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	return dedupe.New(client, name, time.Nanosecond, time.Now), host
}

func TestDeployed_AnswersQuestionsAndTakesFeedback(t *testing.T) {
	t.Parallel()
	b := investigated(t, answering())
	const function, bucket = "triage-orchestrator", "reports-of-deployed"
	table, host := deploy(t, b, function, bucket)
	uri := stored(t, b, bucket, function)
	var rec investigation.Record
	require.NoError(t, json.Unmarshal([]byte(b.file("report.json")), &rec))
	claim, _, err := table.Claim(t.Context(), &rec.Alarm, "request-1", rec.ID, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.NoError(t, table.Settle(t.Context(), claim, investigation.Past{ID: rec.ID, Time: rec.StartedAt, Cause: rec.Report.RootCause}))

	quoting := answering()
	quoting.Steps = quoting.Steps[1:]
	quoting.Steps[0].Expect = nil
	quoting.Steps[0].Tools[0].Input["findings"].([]any)[0].(map[string]any)["evidence"].([]any)[0].(map[string]any)["call"] = 1
	require.NoError(t, b.model.Play(quoting))
	ran := b.run("ask", "--function", function, uri, "Which tables are affected?")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stdout, "■ ANSWER (confirmed)\n  Only the table of orders.")
	assert.Contains(t, ran.stderr, "/answers/1.txt")

	ran = b.run("feedback", uri, "--wrong", "--cause", "The certificate had expired.", "--by", "Ana")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stdout, "Recorded by "+function+".")
	later := rec.Alarm
	later.Time = later.Time.Add(time.Hour)
	claim, _, err = table.Claim(t.Context(), &later, "request-2", "0123456789ab", time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, claim.Past, 1)
	assert.Equal(t, "The certificate had expired.", claim.Past[0].Feedback.Cause)

	require.NoError(t, host.Add(lambdahost.Function{Name: "payments", Command: []string{"false"}, Timeout: time.Second}))
	for _, tt := range []struct {
		want      string
		code      int
		arguments []string
	}{
		{"there is no function nobody", 5, []string{"feedback", uri, "--right", "--function", "nobody"}},
		{"names the function " + function + ", which is not an orchestrator that stores reports in reports-of-a-stranger: add --function NAME", 5,
			[]string{"feedback", stored(t, b, "reports-of-a-stranger", function), "--right"}},
		{"names the function payments, which is not an orchestrator", 5, []string{"feedback", stored(t, b, "reports-with-another-function", "payments"), "--right"}},
		{"does not exist", 5, []string{"ask", "--function", function, "s3://" + bucket + "/reports/2026/08/04/123600-orders-0123456789ab.txt", "Why?"}},
		{"is not in the reports bucket", 2, []string{"ask", "--function", function, "s3://other/reports/2026/08/04/x.txt", "Why?"}},
	} {
		ran := b.run(tt.arguments...)
		assert.Equal(t, tt.code, ran.code, ran.stderr)
		assert.Contains(t, ran.stderr, tt.want)
	}
}

func TestFeedback_RecordThatNamesNoOrchestratorNeedsTheFlag(t *testing.T) {
	t.Parallel()
	b := investigated(t, concluding())
	for bucket, function := range map[string]string{
		"reports-without-function": "", "reports-of-others": "arn:aws:lambda:us-east-1:999999999999:function:other",
	} {
		ran := b.run("feedback", stored(t, b, bucket, function), "--right")
		assert.Equal(t, 2, ran.code)
		assert.Contains(t, ran.stderr, "the record does not name the orchestrator function: add --function NAME")
	}
}
