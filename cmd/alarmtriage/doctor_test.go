package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// doctorRegion is a Region in which no other test has alarms.
const doctorRegion = "eu-west-1"

// newDeployedBench returns a bench in whose Region an AlarmTriage is deployed: a stack in moto, whose functions are the
// real ones on a host.
func newDeployedBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, model.Script{Steps: []model.Step{{Text: "OK"}, {Text: "OK"}, {Text: "OK"}, {Text: "OK"}}})
	region := cloud.In(doctorRegion)
	env := config.Orchestrator{
		ModelID: "eu.amazon.nova-2-lite-v1:0", ToolFunction: "shop-tool", ToolTimeout: 30 * time.Second, Table: "shop-investigations",
		ReportsBucket: "shop-reports", TopicARN: "arn:aws:sns:" + doctorRegion + ":" + moto.Account + ":shop-oncall", Window: time.Hour,
		MaxRounds: 10, MaxQueryCostUSD: 1, Redact: true,
	}.Environment()
	variables, err := json.Marshal(env)
	require.NoError(t, err)
	python, err := moto.Tool("python")
	require.NoError(t, err)
	deploy := exec.Command(python, filepath.Join("testdata", "doctor.py"), "shop", string(variables))
	deploy.Env = append(os.Environ(), region.Environ()...)
	out, err := deploy.CombinedOutput()
	require.NoError(t, err, string(out))

	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"modelDetails": {"modelLifecycle": {"status": "ACTIVE", "startOfLifeTime": "2025-12-02T00:00:00Z"}}}`))
	}))
	t.Cleanup(control.Close)
	host, err := lambdahost.New(lambdahost.Options{Region: doctorRegion, Fallback: cloud.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	directory := t.TempDir()
	tool, err := realtool.Build(directory)
	require.NoError(t, err)
	require.NoError(t, host.Add(tool.Function("shop-tool", cloud.URL)))
	orchestrator := filepath.Join(directory, "orchestrator")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", orchestrator, "./lambdas/orchestrator")
	build.Dir = moto.Root()
	out, err = build.CombinedOutput()
	require.NoError(t, err, string(out))
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_ENDPOINT_URL_LAMBDA": host.URL(), "AWS_ENDPOINT_URL_BEDROCK": control.URL,
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": b.model.URL, "AWS_REGION": doctorRegion,
		"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
	} {
		env[name] = value
	}
	require.NoError(t, host.Add(lambdahost.Function{Name: "shop-orchestrator", Command: []string{orchestrator}, Timeout: time.Minute, Env: env}))
	b.set("AWS_ENDPOINT_URL_LAMBDA="+host.URL(), "AWS_REGION="+doctorRegion, "AWS_DEFAULT_REGION="+doctorRegion)
	return b
}

// stage replaces the staged answers of moto.
func stage(t *testing.T, answers ...map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"answers": answers})
	require.NoError(t, err)
	response, err := http.Post(cloud.URL+"/alarmtriage/world", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// Answers of operations that moto does not have.
func driftOf(status string, differences ...map[string]any) map[string]any {
	return map[string]any{"call": "cloudformation.detect_stack_resource_drift", "answer": map[string]any{"StackResourceDrift": map[string]any{
		"StackId": "shop", "LogicalResourceId": "Role", "ResourceType": "AWS::IAM::Role", "StackResourceDriftStatus": status,
		"PropertyDifferences": append([]map[string]any{}, differences...), "Timestamp": "2026-11-26T00:00:00Z",
	}}}
}

func accountSettings(total, unreserved int) map[string]any {
	return map[string]any{"call": "lambda.get_account_settings", "answer": map[string]any{"AccountLimit": map[string]any{
		"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": unreserved}}}
}

func modelQuotas(value float64) map[string]any {
	return map[string]any{"call": "service-quotas.list_service_quotas", "answer": map[string]any{"Quotas": []any{
		map[string]any{"QuotaName": "Cross-region model inference tokens per minute for Amazon Nova 2 Lite", "QuotaCode": "L-1234", "Value": value, "Adjustable": true},
		map[string]any{"QuotaName": "On-demand model inference tokens per minute for Amazon Nova 2 Lite", "QuotaCode": "L-0", "Value": 0},
		map[string]any{"QuotaName": "Cross-region model inference tokens per minute for Amazon Nova 2 Lite Omni", "QuotaCode": "L-0", "Value": 0},
	}}}
}

// The command examines a stack whose functions are the real ones. Operations that moto lacks have staged answers.
func TestDoctor_ReportsWhatNeedsAttentionWithRemedies(t *testing.T) {
	b := newDeployedBench(t)
	stage(t, driftOf("IN_SYNC"), accountSettings(1000, 900), modelQuotas(4_000_000))
	python, err := moto.Tool("python")
	require.NoError(t, err)
	boto := func(code string) {
		t.Helper()
		cmd := exec.Command(python, "-c", "import boto3; "+code)
		cmd.Env = append(os.Environ(), cloud.In(doctorRegion).Environ()...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}

	one := b.run("doctor")
	require.Equal(t, 7, one.code, one.stdout+one.stderr)
	assert.Contains(t, one.stderr, "1 of ", "the alarm whose actions are disabled")
	assert.Contains(t, one.stdout, "aws cloudwatch enable-alarm-actions --region eu-west-1 --alarm-names 'it'\\''s-quiet'")

	boto(`c = boto3.client("cloudwatch"); old = c.describe_alarms(AlarmNames=["it's-quiet"])["MetricAlarms"][0]
keys = ("AlarmName", "AlarmActions", "Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator")
c.put_metric_alarm(**{key: old[key] for key in keys}, ActionsEnabled=True)  # moto has no EnableAlarmActions`)
	healthy := b.run("doctor", "--stack", "shop")
	require.Equal(t, 0, healthy.code, healthy.stdout+healthy.stderr)
	for _, want := range []string{
		"shop-orchestrator in account " + moto.Account + ", eu-west-1",
		"ok      model eu.amazon.nova-2-lite-v1:0", "ok      table shop-investigations", "ok      bucket shop-reports", "ok      sandbox",
		"6 of 9 alarms start investigations: 3 by their action, 2 through a topic, 1 through a rule.",
		"3 alarms start no investigation: dev-errors, mail-errors, orders-lag.",
		"1 confirmed subscription: sqs arn:aws:sqs:", "The account may run 1000 functions at the same time", "1 role or policy is as deployed.",
		"The key is enabled. It encrypts the reports bucket.",
		"Cross-region model inference tokens per minute for Amazon Nova 2 Lite: 4000000.", "None of the 1 quota is zero.",
	} {
		assert.Contains(t, healthy.stdout, want)
	}
	assert.NotContains(t, healthy.stdout, "alarmtriage-self-failures")

	boto(`boto3.client("lambda").put_function_concurrency(FunctionName="shop-tool", ReservedConcurrentExecutions=0)`)
	stage(t, accountSettings(50, 50), modelQuotas(0),
		driftOf("MODIFIED", map[string]any{"PropertyPath": "/ManagedPolicyArns/0", "ExpectedValue": "null",
			"ActualValue": "arn:aws:iam::aws:policy/AdministratorAccess", "DifferenceType": "ADD"}),
		map[string]any{"call": "kms.describe_key", "answer": map[string]any{"KeyMetadata": map[string]any{"KeyId": "k", "KeyState": "PendingDeletion"}}},
		map[string]any{"call": "sns.list_subscriptions_by_topic", "when": map[string]any{"TopicArn": "*shop-oncall"}, "answer": map[string]any{
			"Subscriptions": []any{map[string]any{"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "oncall@example.com"}}}})
	broken := b.run("doctor", "--stack", "shop", "--json")
	require.Equal(t, 7, broken.code, broken.stderr)
	var report struct {
		Checks []struct{ Part, State, Detail, Remedy string }
		Alarms struct {
			ByAction []string `json:"by_action"`
			Without  []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(broken.stdout), &report))
	assert.Equal(t, []string{"it's-quiet", "orders-errors", "orders-latency"}, report.Alarms.ByAction)
	assert.Equal(t, []string{"dev-errors", "mail-errors", "orders-lag"}, report.Alarms.Without,
		"the topic of dev-errors is filtered by name, and the alias of orders-lag does not exist")
	found := map[string][3]string{}
	for _, check := range report.Checks {
		found[strings.Fields(check.Part)[0]+" "+check.State] = [3]string{check.Part, check.Detail, check.Remedy}
	}
	for key, want := range map[string][2]string{
		"roles problem":         {"shop-role (add /ManagedPolicyArns/0: deployed null, now arn:aws:iam::aws:policy/AdministratorAccess)", "--deployment-mode REVERT_DRIFT"},
		"concurrency problem":   {"The reserved concurrency of shop-tool is 0", "aws lambda delete-function-concurrency --region eu-west-1 --function-name shop-tool"},
		"subscriptions warning": {"1 subscription is not confirmed", "--protocol email --notification-endpoint 'oncall@example.com'"},
		"key problem":           {"The key will be deleted. It encrypts the reports bucket.", "aws kms cancel-key-deletion --region eu-west-1"},
		"Bedrock warning":       {"tokens per minute for Amazon Nova 2 Lite\" is 0", "--service-code bedrock --quota-code L-1234"},
	} {
		require.Contains(t, found, key, broken.stdout)
		assert.Contains(t, found[key][1], want[0])
		assert.Contains(t, found[key][2], want[1])
	}

	t.Run("the key of a topic that the orchestrator may not use", func(t *testing.T) {
		boto(`key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
boto3.client("sns").set_topic_attributes(TopicArn="arn:aws:sns:eu-west-1:` + moto.Account + `:shop-oncall", AttributeName="KmsMasterKeyId", AttributeValue=key)`)
		for decision, want := range map[string]string{
			"allowed":      "The key is enabled, and the policies of the orchestrator's role allow its use. It encrypts the topic shop-oncall.",
			"implicitDeny": "The policies of the orchestrator's role do not allow kms:GenerateDataKey and kms:Decrypt with it.",
		} {
			var results []any
			for _, action := range []string{"kms:GenerateDataKey", "kms:Decrypt"} {
				results = append(results, map[string]any{"EvalActionName": action, "EvalResourceName": "*", "EvalDecision": decision})
			}
			stage(t, map[string]any{"call": "iam.simulate_principal_policy", "when": map[string]any{"PolicySourceArn": "arn:aws:iam::*:role/shop-role"},
				"answer": map[string]any{"EvaluationResults": results}})
			assert.Contains(t, b.run("doctor", "--stack", "shop").stdout, want)
		}
		stage(t, map[string]any{"call": "iam.simulate_principal_policy", "error": map[string]any{"code": "AccessDenied", "message": "no"}})
		assert.Contains(t, b.run("doctor", "--stack", "shop").stdout, "Whether the orchestrator may use it cannot be read")
	})
	t.Run("what cannot be read is skipped, not healthy", func(t *testing.T) {
		stage(t, map[string]any{"call": "kms.describe_key", "error": map[string]any{"code": "AccessDeniedException", "message": "no"}})
		denied := b.run("doctor", "--function", "shop-orchestrator")
		assert.Contains(t, denied.stdout, "The key of the reports bucket cannot be read")
		assert.Contains(t, denied.stdout, "skipped Bedrock quotas", "moto has no Service Quotas of Bedrock")
	})
	t.Run("the alias of the orchestrator", func(t *testing.T) {
		alias := b.run("doctor", "--function", "shop-orchestrator:live")
		assert.Contains(t, alias.stdout, "6 of 9 alarms start investigations: 3 by their action")
	})
	t.Run("a function that is no orchestrator", func(t *testing.T) {
		other := b.run("doctor", "--function", "shop-other")
		assert.Equal(t, 5, other.code)
		assert.Contains(t, other.stderr, "there is no AlarmTriage with the orchestrator shop-other")
	})
	t.Run("a Region without one", func(t *testing.T) {
		none := b.run("doctor", "--region", "eu-west-3")
		assert.Equal(t, 5, none.code)
		assert.Contains(t, none.stderr, "there is no AlarmTriage in this account and Region (eu-west-3): check --region")
	})
}
