// Package members_test runs the real orchestrator and the real tool against several accounts of moto, which decides
// sts:AssumeRole as AWS does. The accounts have resources of the same names.
package members_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

const (
	central = moto.Account
	member  = "444455556666"
	other   = "777788889999" // another member
	missing = "888899990000" // a member without a role
	foreign = "999999999999" // no member, but its role trusts the tool
	europe  = "eu-central-1"

	memberRole = "alarmtriage-member"
	modelID    = "us.amazon.nova-2-lite-v1:0"
	toolTime   = 30 * time.Second
)

var shared struct {
	cloud        *moto.Server
	host         *lambdahost.Host
	tool         realtool.Tool
	folder       string
	log          logbuffer.Buffer
	transitioned time.Time // of the member's alarm
	composite    time.Time // when the member's composite alarm changed its state
	credentials  map[string]string
}

func TestMain(m *testing.M) {
	code := 1
	if err := start(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
	} else {
		code = m.Run()
	}
	if shared.host != nil {
		shared.host.Close()
	}
	if shared.cloud != nil {
		shared.cloud.Stop()
	}
	os.RemoveAll(shared.folder)
	os.Exit(code)
}

func start() (err error) {
	if shared.folder, err = os.MkdirTemp("", "members"); err != nil {
		return err
	}
	if shared.cloud, err = moto.Start(context.Background()); err != nil {
		return err
	}
	python, err := moto.Tool("python")
	if err != nil {
		return err
	}
	create := exec.Command(python, "accounts.py")
	create.Env, create.Stderr = append(os.Environ(), shared.cloud.Environ()...), os.Stderr
	created, err := create.Output()
	if err != nil {
		return fmt.Errorf("create the accounts: %w", err)
	}
	var facts struct{ Transitioned, Composite time.Time }
	if err := json.Unmarshal(created, &facts); err != nil {
		return err
	}
	shared.transitioned, shared.composite = facts.Transitioned, facts.Composite
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(shared.folder, "bootstrap"), "./lambdas/orchestrator")
	build.Dir = moto.Root()
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the orchestrator: %w\n%s", err, out)
	}
	if shared.host, err = lambdahost.New(lambdahost.Options{Log: &shared.log, Fallback: shared.cloud.URL}); err != nil {
		return err
	}
	if shared.tool, err = realtool.Build(shared.folder); err != nil {
		return err
	}
	shared.credentials, err = shared.cloud.RoleEnvironment(context.Background(), "arn:aws:iam::"+central+":role/triage-tool", "tool")
	if err != nil {
		return err
	}
	for name, members := range map[string]config.Members{"tool": membersOf(false), "tool-of-all": membersOf(true), "tool-alone": {}} {
		if err := addTool(name, shared.cloud.URL, config.Tool{Members: members}); err != nil {
			return err
		}
	}
	return nil
}

// addTool deploys a tool whose requests to AWS go to a URL.
func addTool(name, url string, settings config.Tool) error {
	f := shared.tool.Function(name, url)
	f.Timeout = toolTime
	settings.Redact = true
	for _, env := range []map[string]string{settings.Environment(), shared.credentials} {
		for key, value := range env {
			f.Env[key] = value
		}
	}
	return shared.host.Add(f)
}

func membersOf(others bool) config.Members {
	return config.Members{
		Accounts: []string{member, other, missing}, Role: memberRole, ExternalID: config.DefaultExternalID(central), OtherAccounts: others,
	}
}

// tool is a deployed tool function by its name, as the orchestrator sees it.
type tool string

func (name tool) Run(ctx context.Context, asked toolcall.Request) (answer toolcall.Answer, err error) {
	request, err := json.Marshal(asked)
	if err != nil {
		return answer, err
	}
	got, err := shared.host.Invoke(ctx, string(name), request)
	if err != nil {
		return answer, err
	}
	if got.FunctionError != "" {
		return answer, fmt.Errorf("%s: %s", got.FunctionError, got.Payload)
	}
	return answer, json.Unmarshal(got.Payload, &answer)
}

func (name tool) run(t *testing.T, account, region, code string) toolcall.Answer {
	t.Helper()
	answer, err := name.Run(t.Context(), toolcall.Request{Command: code, Account: account, Region: region})
	require.NoError(t, err)
	return answer
}

const line = `boto3.client("logs").filter_log_events(logGroupName="/aws/lambda/orders", limit=1)["events"][0]["message"]`

// Each way to name an account and a Region reads that account and Region alone, and the list of requests says so.
func TestTool_ReadsTheAccountAndTheRegionOfTheAlarm(t *testing.T) {
	for _, tt := range []struct {
		name, account, region, code, want string
		in                                string // account of the requests; empty: that of the alarm
		at                                string // Region of the requests; empty: that of the alarm
	}{
		{name: "a plain client", account: member, code: line, want: "MEMBER-LINE"},
		{name: "a plain client in the alarm's Region", account: member, region: europe, code: line, want: "FRANKFURT-LINE"},
		{name: "a client in another Region", account: member, region: europe, at: moto.Region, want: "MEMBER-LINE",
			code: strings.Replace(line, `"logs"`, `"logs", region_name="us-east-1"`, 1)},
		{name: "a client of the tool's account", account: member, in: central, want: "CENTRAL-LINE",
			code: strings.Replace(line, `"logs"`, `"logs", account="`+central+`"`, 1)},
		{name: "a client of the tool's account and another Region", account: member, region: europe, in: central, at: moto.Region, want: "CENTRAL-LINE",
			code: strings.Replace(line, `"logs"`, `"logs", account=`+central+`, region_name="us-east-1"`, 1)},
		{name: "an alarm of the tool's account", account: central, code: line, want: "CENTRAL-LINE"},
		{name: "a session", account: member, region: europe, want: "FRANKFURT-LINE", code: strings.Replace(line, "boto3.client", "session().client", 1)},
		{name: "a session of an account and a Region", account: member, region: europe, in: central, at: moto.Region, want: "CENTRAL-LINE",
			code: strings.Replace(line, "boto3.client", `session(account="`+central+`", region="us-east-1").client`, 1)},
		{name: "a session of boto3", account: member, in: central, want: "CENTRAL-LINE",
			code: strings.Replace(line, "boto3.client", `boto3.Session(account="`+central+`").client`, 1)},
		{name: "a resource", account: member, region: europe, want: "77", code: `m = boto3.resource("cloudwatch").Alarm("orders-errors"); m.state_reason`},
		{name: "a resource of the tool's account", account: member, in: central, want: ": 3.0",
			code: `boto3.resource("cloudwatch", account="` + central + `").Alarm("orders-errors").state_reason`},
		{name: "log_patterns", account: member, region: europe, want: "FRANKFURT-LINE", code: `log_patterns("/aws/lambda/orders", time.time()-3600)`},
		{name: "log_patterns of the tool's account", account: member, in: central, want: "CENTRAL-LINE",
			code: `log_patterns("/aws/lambda/orders", time.time()-3600, account="` + central + `")`},
		{name: "logs_query", account: member, region: europe, want: "FRANKFURT-LINE",
			code: `logs_query("/aws/lambda/orders", "fields @message | limit 1", time.time()-3600)`},
		{name: "logs_query in another Region", account: member, region: europe, at: moto.Region, want: "MEMBER-LINE",
			code: `logs_query("/aws/lambda/orders", "fields @message | limit 1", time.time()-3600, region="us-east-1")`},
		{name: "metric", account: member, region: europe, want: "77.0", code: `metric("AWS/Lambda", "Errors", {"FunctionName": "orders"}, stat="Maximum")`},
		{name: "metric of the tool's account", account: member, in: central, want: "3.0",
			code: `metric("AWS/Lambda", "Errors", {"FunctionName": "orders"}, stat="Maximum", account="` + central + `")`},
		{name: "changes", account: member, region: europe, want: `"awsRegion": "` + europe + `"`,
			code: `print(changes("orders")["changes"]); print('"awsRegion": "' + boto3.client("cloudtrail").meta.region_name + '"')`},
		{name: "the identity", account: member, want: ":assumed-role/" + memberRole + "/", code: `boto3.client("sts").get_caller_identity()["Arn"]`},
		{name: "an unknown Region of an event", account: member, region: "evil.example/x", at: moto.Region, code: line, want: "MEMBER-LINE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.region == "" {
				tt.region = moto.Region
			}
			answer := tool("tool").run(t, tt.account, tt.region, tt.code)
			require.True(t, answer.Success, answer.Output)
			assert.Contains(t, answer.Output, tt.want)
			require.NotEmpty(t, answer.AWSCalls)
			for _, call := range answer.AWSCalls {
				assert.Equal(t, orElse(tt.in, tt.account), call.Account, call.Operation)
				if call.Service != "sts" {
					assert.Equal(t, orElse(tt.at, tt.region), call.Region, call.Operation)
				}
				assert.Empty(t, call.AccessKey)
			}
			for _, marker := range []string{"CENTRAL-LINE", "MEMBER-LINE", "FRANKFURT-LINE", "OTHER-LINE"} {
				if marker != tt.want {
					assert.NotContains(t, answer.Output, marker)
				}
			}
		})
	}
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// What the code does to reach another account or the credentials of one. No request may leave, and no secret may be in the answer.
func TestTool_AbuseOfAccounts(t *testing.T) {
	for _, tt := range []struct {
		name, account, code string
		on                  tool
		want                string // in the output
		sent                bool   // whether a request reaches the alarm's account or that of the tool
	}{
		{name: "an account that is no member", account: member, code: strings.Replace(line, `"logs"`, `"logs", account="`+foreign+`"`, 1), want: "is not a member"},
		{name: "no member, where all members may be read", on: "tool-of-all", account: member,
			code: strings.Replace(line, `"logs"`, `"logs", account="`+foreign+`"`, 1), want: "is not a member"},
		{name: "another member", account: member, code: strings.Replace(line, `"logs"`, `"logs", account="`+other+`"`, 1), want: "reads only the account " + member},
		{name: "a member in an investigation of the tool's account", account: central,
			code: strings.Replace(line, `"logs"`, `"logs", account="`+member+`"`, 1), want: "reads only the account " + central},
		{name: "an account of a tool without members", on: "tool-alone", account: member,
			code: strings.Replace(line, `"logs"`, `"logs", account="`+member+`"`, 1), want: "no Members"},
		{name: "a forged key", account: member, want: "is not a member",
			code: strings.Replace(line, `"logs"`, `"logs", aws_access_key_id="BROKERID`+foreign+`", aws_secret_access_key="x"`, 1)},
		{name: "a forged header and token", account: member, want: "reads only the account " + member, code: `
def forge(request, **_):
    request.headers["Authorization"] = request.headers["Authorization"].replace(b"AKIABROKER0000000000", b"BROKERID` + other + `")
    request.headers["X-Moto-Account-Id"] = request.headers["X-Amz-Account-Id"] = "` + other + `"
client = boto3.client("logs")
client.meta.events.register("before-send", lambda request, **_: forge(request))
client.describe_log_groups()`},
		{name: "a header that names an account", account: member, sent: true, want: "MEMBER-LINE", code: `
client = boto3.client("logs")
client.meta.events.register("before-sign", lambda request, **_: request.headers.add_header("X-Moto-Account-Id", "` + other + `"))
client.filter_log_events(logGroupName="/aws/lambda/orders", limit=1)["events"][0]["message"]`},
		{name: "a nested role", account: member, want: "sts:AssumeRole is refused",
			code: `boto3.client("sts").assume_role(RoleArn="arn:aws:iam::` + other + `:role/` + memberRole + `", RoleSessionName="nested", ExternalId="guessed")`},
		{name: "a role of the tool's account", account: member, want: "sts:AssumeRole is refused",
			code: `boto3.client("sts", account="` + central + `").assume_role(RoleArn="arn:aws:iam::` + other + `:role/` + memberRole + `", RoleSessionName="nested")`},
		{name: "a token of a session", account: member, want: "refused",
			code: `boto3.client("sts").get_session_token()`},
		{name: "a broken account", account: member, want: "12 digits", code: `boto3.client("logs", account="12")`},
		{name: "the ARN of the other account", account: member, want: `account="…"`,
			code: `boto3.client("lambda").get_function_configuration(FunctionName="arn:aws:lambda:us-east-1:` + central + `:function:orders")`},
		{name: "the environment", account: member, want: "seen", code: "print('seen', dict(os.environ))"},
		{name: "the key of a client", account: member, want: "AKIABROKER0000000000", sent: true, code: `
client = boto3.client("logs")
client.describe_log_groups()
print(vars(boto3.DEFAULT_SESSION.get_credentials()), client._request_signer._credentials.access_key)`},
		{name: "memory and files of other processes", account: member, want: "seen", code: `
boto3.client("logs")
import gc
for path in ("/proc/self/environ", "/proc/1/environ", f"/proc/{os.getppid()}/environ", f"/proc/{os.getppid()}/mem"):
    try:
        print(path, open(path, "rb").read(65536))
    except OSError as error:
        print(path, type(error).__name__)
try:
    print([o for o in gc.get_objects() if isinstance(o, str) and o.startswith("ASIA")])
except PermissionError as error:
    print("seen", error)`},
		{name: "an answer of AWS that names the key", account: member, sent: true, want: "seen", code: `
answer = boto3.client("sts").get_caller_identity()
print("seen", answer)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.on = tool(orElse(string(tt.on), "tool"))
			answer := tt.on.run(t, tt.account, moto.Region, tt.code)
			assert.Contains(t, answer.Output, tt.want)
			for name, secret := range secretsOfMembers(t) {
				assert.NotContains(t, answer.Output, secret, name)
			}
			for _, call := range answer.AWSCalls {
				assert.Equal(t, tt.sent, call.Refused == "", "%+v", call)
				if tt.sent {
					assert.Equal(t, tt.account, call.Account)
				}
			}
		})
	}
}

// secretsOfMembers returns what the code must never see: the credentials of the tool, and parts of those of its members. moto
// begins each temporary key with "ASIA".
func secretsOfMembers(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"secret key of the tool": shared.credentials["AWS_SECRET_ACCESS_KEY"], "token of the tool": shared.credentials["AWS_SESSION_TOKEN"],
		"temporary keys": "ASIA", "external id": "alarmtriage-" + central,
	}
}

func TestTool_AllMembersIfTheSettingsAllowIt(t *testing.T) {
	answer := tool("tool-of-all").run(t, member, moto.Region, strings.Replace(line, `"logs"`, `"logs", account="`+other+`"`, 1))
	require.True(t, answer.Success, answer.Output)
	assert.Contains(t, answer.Output, "OTHER-LINE")
	require.Len(t, answer.AWSCalls, 1)
	assert.Equal(t, other, answer.AWSCalls[0].Account)
}

func TestTool_StatusListsTheMembers(t *testing.T) {
	answer, err := tool("tool").Run(t.Context(), toolcall.Request{Status: true})
	require.NoError(t, err)
	members := answer.Status.Members
	require.NotNil(t, members)
	assert.Equal(t, []string{member, other, missing}, members.Accounts)
	require.Len(t, members.Unreadable, 1)
	assert.Equal(t, missing, members.Unreadable[0].Account)
	answer, err = tool("tool-alone").Run(t.Context(), toolcall.Request{Status: true})
	require.NoError(t, err)
	assert.Nil(t, answer.Status.Members)
}

func alarmOf(account, region, name string, kind alarmevent.Kind) *alarmevent.Alarm {
	return &alarmevent.Alarm{
		Name: name, ARN: fmt.Sprintf("arn:aws:cloudwatch:%s:%s:alarm:%s", region, account, name), Account: account, Region: region, Partition: "aws",
		Kind: kind, State: alarmevent.StateAlarm, Time: time.Now().UTC(),
	}
}

func collect(t *testing.T, alarm *alarmevent.Alarm) (investigation.Evidence, string) {
	t.Helper()
	found := evidence.Collect(t.Context(), tool("tool"), 0.25, alarm, evidence.Triage{Account: central, Names: []string{"tool"}}, time.Now,
		slog.New(slog.DiscardHandler))
	require.NotNil(t, found.Call.Answer, found.Problem)
	text, err := json.Marshal(found)
	require.NoError(t, err)
	return found, string(text)
}

// The evidence of each kind of alarm comes from the account and the Region of the alarm alone.
func TestEvidence_ComesFromTheAlarmsAccountAndRegion(t *testing.T) {
	for _, tt := range []struct {
		name, account, region, alarm string
		kind                         alarmevent.Kind
		value                        float64
		marker                       string
	}{
		{"metric alarm of a member", member, moto.Region, "orders-errors", alarmevent.KindMetric, 44, "MEMBER-LINE"},
		{"metric alarm of a member in another Region", member, europe, "orders-errors", alarmevent.KindMetric, 77, "FRANKFURT-LINE"},
		{"composite alarm of a member in another Region", member, europe, "orders-down", alarmevent.KindComposite, 77, "FRANKFURT-LINE"},
		{"metric alarm of the triage's account", central, moto.Region, "orders-errors", alarmevent.KindMetric, 3, "CENTRAL-LINE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, text := collect(t, alarmOf(tt.account, tt.region, tt.alarm, tt.kind))
			require.NotEmpty(t, found.Series, found.Problem)
			points := found.Series[0].Points
			assert.Equal(t, tt.value, points[len(points)-1].Value)
			assert.Contains(t, string(found.Definition), tt.account)
			assert.Contains(t, text, tt.marker)
			assert.Contains(t, found.Call.Answer.Output, "The code runs in account "+tt.account+", Region "+tt.region)
			for _, marker := range []string{"CENTRAL-LINE", "MEMBER-LINE", "FRANKFURT-LINE"} {
				if marker != tt.marker {
					assert.NotContains(t, text, marker)
				}
			}
			require.NotEmpty(t, found.Call.Answer.AWSCalls)
			for _, call := range found.Call.Answer.AWSCalls {
				assert.Equal(t, tt.account, call.Account, call.Operation)
			}
		})
	}
}

// A member without the role is named once, and the alarm is investigated as that of another account. So is the alarm of an
// account that is no member, although its role trusts the tool.
func TestEvidence_OfAccountsThatCannotBeRead(t *testing.T) {
	found, _ := collect(t, alarmOf(missing, moto.Region, "orders-errors", alarmevent.KindMetric))
	named := 0
	for _, problem := range found.Missing {
		if strings.Contains(problem, "arn:aws:iam::"+missing+":role/"+memberRole) {
			named++
			assert.Contains(t, problem, "NewAlarmTriageMember")
		}
	}
	assert.Equal(t, 1, named, "%q", found.Missing)
	require.Len(t, found.Call.Answer.Unreadable, 1)
	assert.NotContains(t, found.Call.Answer.Output, "CENTRAL-LINE")

	answer := tool("tool").run(t, missing, moto.Region, line)
	assert.False(t, answer.Success, "a plain client must not read the tool's own account instead")
	assert.Contains(t, answer.Output, "Deploy NewAlarmTriageMember")

	found, _ = collect(t, alarmOf(foreign, moto.Region, "orders-errors", alarmevent.KindMetric))
	assert.Empty(t, found.Call.Answer.Unreadable)
	for _, call := range found.Call.Answer.AWSCalls {
		assert.Equal(t, central, call.Account)
	}
	assert.Contains(t, fmt.Sprint(found.Missing), "this code reads account "+central)
}

// triage is one deployed orchestrator with its storage.
type triage struct {
	name, table, bucket, queue string
}

func deploy(t *testing.T, name string, steps []model.Step, changes ...func(*config.Orchestrator)) triage {
	t.Helper()
	w := triage{name: name, table: name + "-table", bucket: name + "-reports"}
	cfg := shared.cloud.Config()
	_, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &w.table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(config.TableKey), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(config.TableKey), KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	_, err = w.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &w.bucket})
	require.NoError(t, err)
	topic, err := sns.NewFromConfig(cfg).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	require.NoError(t, err)
	queue, err := sqs.NewFromConfig(cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	require.NoError(t, err)
	w.queue = *queue.QueueUrl
	_, err = sns.NewFromConfig(cfg).Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + moto.Region + ":" + central + ":" + name),
	})
	require.NoError(t, err)
	last := len(steps) - 1
	server, err := model.Start(model.Script{Steps: steps, Loop: &last})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	settings := config.Orchestrator{
		ModelID: modelID, ToolFunction: shared.host.ARN("tool"), ToolTimeout: toolTime, Table: w.table, ReportsBucket: w.bucket, TopicARN: *topic.TopicArn,
		Window: time.Hour, MaxRounds: 10, MaxQueryCostUSD: 1, Redact: true, Members: membersOf(false),
		AccountNames: `{"` + member + `":"orders-prod"}`, ConsoleURL: "https://acme.awsapps.com/start/#/console?account_id={account}&destination={url}",
	}
	for _, change := range changes {
		change(&settings)
	}
	env := settings.Environment()
	for key, value := range map[string]string{
		"AWS_ENDPOINT_URL": shared.cloud.URL, "AWS_ENDPOINT_URL_S3": shared.cloud.URL, "AWS_ENDPOINT_URL_LAMBDA": shared.host.URL(),
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.URL, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "testing",
	} {
		env[key] = value
	}
	none := 0
	require.NoError(t, shared.host.Add(lambdahost.Function{
		Name: name, Command: []string{filepath.Join(shared.folder, "bootstrap")}, Timeout: time.Minute, MaximumRetryAttempts: &none, Env: env,
	}))
	return w
}

func (w triage) s3() *s3.Client {
	return s3.NewFromConfig(shared.cloud.Config(), func(o *s3.Options) { o.UsePathStyle = true })
}

// delivered is what one investigation has stored and sent.
type delivered struct {
	record                    investigation.Record
	subject, body, text, page string
	attributes                map[string]struct{ Value string }
}

// fire sends an event and returns the report.
func (w triage) fire(t *testing.T, event []byte) delivered {
	t.Helper()
	answer, err := shared.host.Invoke(t.Context(), w.name, event)
	require.NoError(t, err)
	require.Empty(t, answer.FunctionError, "%s\n%s", answer.Payload, shared.log.String())
	var result struct {
		Results []struct {
			ReportURI string `json:"report_uri"`
		} `json:"results"`
	}
	require.NoError(t, json.Unmarshal(answer.Payload, &result))
	require.Len(t, result.Results, 1, "%s", answer.Payload)
	key := strings.TrimPrefix(result.Results[0].ReportURI, "s3://"+w.bucket+"/")
	require.NotEmpty(t, key, "%s\n%s", answer.Payload, shared.log.String())
	var d delivered
	d.text = w.object(t, key)
	d.page = w.object(t, strings.TrimSuffix(key, ".txt")+".html")
	require.NoError(t, json.Unmarshal([]byte(w.object(t, strings.TrimSuffix(key, ".txt")+".json")), &d.record))
	out, err := sqs.NewFromConfig(shared.cloud.Config()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.queue})
	require.NoError(t, err)
	require.Len(t, out.Messages, 1)
	var envelope struct {
		Subject, Message  string
		MessageAttributes map[string]struct{ Value string }
	}
	require.NoError(t, json.Unmarshal([]byte(*out.Messages[0].Body), &envelope))
	d.subject, d.body, d.attributes = envelope.Subject, envelope.Message, envelope.MessageAttributes
	return d
}

func (w triage) object(t *testing.T, key string) string {
	t.Helper()
	object, err := w.s3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	require.NoError(t, err)
	defer object.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(object.Body)
	require.NoError(t, err)
	return b.String()
}

// forwarded returns the event of an alarm as EventBridge forwards it from a member's bus.
func forwarded(account, region string) []byte {
	return []byte(fmt.Sprintf(`{"version":"0","id":"1","detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch","account":%q,"time":%q,
		"region":%q,"resources":["arn:aws:cloudwatch:%s:%s:alarm:orders-errors"],"detail":{"alarmName":"orders-errors","state":{"value":"ALARM",
		"reason":"Threshold Crossed","timestamp":%q},"previousState":{"value":"OK"},"configuration":{"metrics":[{"id":"m1","returnData":true,"metricStat":
		{"metric":{"namespace":"AWS/Lambda","name":"Errors","dimensions":{"FunctionName":"orders"}},"period":60,"stat":"Sum"}}]}}}`,
		account, time.Now().UTC().Format(time.RFC3339), region, region, account, time.Now().UTC().Format("2006-01-02T15:04:05.000+0000")))
}

// published returns the event of an alarm as an SNS topic delivers it. Anybody who may publish can write it.
func published(account string, at time.Time) []byte {
	return notification(map[string]any{
		"AlarmName": "orders-errors", "AlarmArn": arnOf(account, "orders-errors"), "AWSAccountId": account,
		"NewStateValue": "ALARM", "NewStateReason": "Threshold Crossed", "StateChangeTime": at.UTC().Format("2006-01-02T15:04:05.000-0700"),
	})
}

func arnOf(account, alarm string) string {
	return "arn:aws:cloudwatch:us-east-1:" + account + ":alarm:" + alarm
}

// notification returns the event that delivers a message of an SNS topic.
func notification(fields map[string]any) []byte {
	message, _ := json.Marshal(fields)
	event, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{
		"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:" + central + ":alarms", "Message": string(message)}}}})
	return event
}

// composite returns the message of the member's composite alarm that the alarms of the same name in accounts triggered.
func composite(accounts ...string) []byte {
	var children []map[string]any
	for _, account := range accounts {
		children = append(children, map[string]any{"Arn": arnOf(account, "orders-errors"), "State": map[string]any{"Value": "ALARM"}})
	}
	return notification(map[string]any{
		"AlarmName": "orders-down", "AlarmArn": arnOf(member, "orders-down"), "AWSAccountId": member, "AlarmRule": `ALARM("anything")`,
		"NewStateValue": "ALARM", "NewStateReason": "a child is in ALARM", "StateChangeTime": shared.composite.UTC().Format("2006-01-02T15:04:05.000-0700"),
		"TriggeringChildren": children,
	})
}

// conclude is a script that reads the function's log and quotes it.
func conclude(code, quote string) []model.Step {
	return []model.Step{
		{Tools: []model.ToolUse{{Name: toolcall.Name, Input: map[string]any{"command": code}}}},
		{Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{
			"summary": "The table does not exist.", "root_cause": "The table does not exist.", "confidence": "confirmed", "severity": "high", "impact": "Orders.",
			"findings": []any{map[string]any{"statement": "The table does not exist.", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": 1, "quote": quote}}}},
			"immediate_actions": []any{map[string]any{"text": "Create the table."}},
		}}}},
	}
}

func TestTriage_AnAlarmOfTheSameNameIsInvestigatedInItsAccountAlone(t *testing.T) {
	w := deploy(t, "same-name", conclude(line, "the table member-orders does not exist"))
	d := w.fire(t, forwarded(member, moto.Region))

	require.Len(t, d.record.Report.Findings, 1)
	assert.True(t, d.record.Report.Findings[0].Verified, "AWS answered the quote")
	assert.Equal(t, investigation.Confirmed, d.record.Report.Findings[0].Confidence)
	assert.Equal(t, central, d.record.MemberOf)
	assert.Contains(t, string(d.record.Evidence.Definition), "of "+member+" in "+moto.Region)
	accounts := map[string]int{}
	for call := range d.record.Calls() {
		for _, request := range call.Answer.AWSCalls {
			accounts[request.Account]++
		}
	}
	assert.Equal(t, []string{member}, keys(accounts))
	for name, text := range map[string]string{"text": d.text, "page": d.page, "notification": d.body} {
		assert.NotContains(t, text, "CENTRAL-LINE", name)
		assert.NotContains(t, text, "central-orders", name)
		assert.Contains(t, text, "orders-prod ("+member+"), us-east-1", name)
		assert.Contains(t, text, "account_id="+member, "the link of the alarm opens its account: "+name)
		assert.Contains(t, text, "account_id="+central, "the links of the report open the triage's account: "+name)
	}
	assert.Contains(t, d.subject, "[orders-prod]")
	assert.Contains(t, d.subject, "("+member+" us-east-1)")
	for name, want := range map[string]string{"account": member, "account_name": "orders-prod", "region": moto.Region, "confirmed": "true"} {
		assert.Equal(t, want, d.attributes[name].Value, name)
	}
	require.NotNil(t, d.record.AtDelivery)
	assert.Equal(t, alarmevent.StateAlarm, d.record.AtDelivery.State, d.record.AtDelivery.Problem)
}

func keys(counts map[string]int) (names []string) {
	for name := range counts {
		names = append(names, name)
	}
	return names
}

func TestTriage_AQuoteOfTheOtherAccountIsNotAttributedToTheAlarms(t *testing.T) {
	w := deploy(t, "quote", conclude(strings.Replace(line, `"logs"`, `"logs", account="`+central+`"`, 1), "the table central-orders does not exist"))
	d := w.fire(t, forwarded(member, moto.Region))
	calls := d.record.Rounds[0].Calls[0].Answer.AWSCalls
	require.Len(t, calls, 1)
	assert.Equal(t, central, calls[0].Account, "the list of requests names the account that answered the quote")
	assert.Contains(t, d.text, "logs:FilterLogEvents us-east-1 200")
	assert.Contains(t, d.text, "account "+central)
}

// An SNS message of a member's alarm is confirmed by the member's CloudWatch. Otherwise, it is investigated as unconfirmed, in
// no other account than a member's.
func TestTriage_ConfirmsMessagesInTheMembersAccount(t *testing.T) {
	steps := conclude(line, "does not exist")
	for _, tt := range []struct {
		name, account string
		at            time.Time
		confirmed     string
		reads         string
	}{
		{"genuine", member, shared.transitioned, "true", member},
		{"another-time", member, shared.transitioned.Add(-20 * time.Minute), "false", member},
		{"no-role", missing, shared.transitioned, "false", central},
		{"no-member", foreign, shared.transitioned, "false", central},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := deploy(t, "sns-"+tt.name, steps)
			d := w.fire(t, published(tt.account, tt.at))
			assert.Equal(t, tt.confirmed, d.attributes["confirmed"].Value, d.record.Alarm.Unconfirmed)
			for _, request := range d.record.Evidence.Call.Answer.AWSCalls {
				assert.Equal(t, tt.reads, request.Account, request.Operation)
			}
			if tt.account == missing {
				assert.Contains(t, d.record.Alarm.Unconfirmed, "Account "+missing+" cannot be read")
				reason := "Deploy NewAlarmTriageMember"
				assert.Contains(t, d.text, reason)
				_, notSeen, _ := strings.Cut(d.text, "could not be seen")
				notSeen, _, _ = strings.Cut(notSeen, "\n\n\n")
				assert.LessOrEqual(t, strings.Count(notSeen[:min(len(notSeen), 3000)], reason), 1, "once, and not for each request:\n%s", notSeen)
			}
		})
	}
}

// RedactPatterns can match what identifies an alarm, such as its account.
func TestTriage_ConfirmsMessagesOfMembersWhoseAccountsAreRedacted(t *testing.T) {
	require.NoError(t, addTool("tool-redacts", shared.cloud.URL, config.Tool{Members: membersOf(false), RedactPatterns: `["\\b\\d{12}\\b", "orders-[a-z]+"]`}))
	redacts := func(o *config.Orchestrator) { o.ToolFunction = shared.host.ARN("tool-redacts") }
	d := deploy(t, "redacts", conclude(line, "does not exist"), redacts).fire(t, published(member, shared.transitioned))
	assert.Equal(t, "true", d.attributes["confirmed"].Value, d.record.Alarm.Unconfirmed)
	require.NotNil(t, d.record.AtDelivery)
	assert.Equal(t, alarmevent.StateAlarm, d.record.AtDelivery.State, d.record.AtDelivery.Problem)

	d = deploy(t, "redacts-composite", conclude(line, "does not exist"), redacts).fire(t, composite(member))
	assert.Equal(t, "true", d.attributes["confirmed"].Value, d.record.Alarm.Unconfirmed)
	assert.Equal(t, []string{arnOf(member, "orders-errors")}, d.record.Alarm.Children, "its rule names the alarm that triggered it")

	changed := shared.transitioned.Add(-5 * time.Minute).Truncate(time.Second)
	contributor := map[string]any{"ContributorId": "orders-web", "ContributorAttributes": map[string]any{}, "StateReason": "x", "StateTransitionedTimestamp": changed.Unix()}
	stage(t, map[string]any{"call": "cloudwatch.describe_alarm_contributors", "account": member, "when": map[string]any{"NextToken": "orders-page"},
		"answer": map[string]any{"AlarmContributors": []any{contributor}}},
		map[string]any{"call": "cloudwatch.describe_alarm_contributors", "account": member,
			"answer": map[string]any{"AlarmContributors": []any{}, "NextToken": "orders-page"}})
	d = deploy(t, "redacts-contributor", conclude(line, "does not exist"), redacts).fire(t, notification(map[string]any{
		"AlarmName": "orders-errors", "AlarmArn": arnOf(member, "orders-errors"), "AWSAccountId": member, "AlarmContributorId": "orders-web",
		"NewStateValue": "ALARM", "NewStateReason": "Threshold Crossed", "StateChangeTime": changed.UTC().Format("2006-01-02T15:04:05.000-0700"),
	}))
	assert.Empty(t, d.record.Alarm.Unconfirmed)
}

// stage replaces the answers of operations that moto does not have, until the test ends.
func stage(t *testing.T, answers ...map[string]any) {
	t.Helper()
	post := func(answers []map[string]any) {
		body, err := json.Marshal(map[string]any{"answers": answers})
		require.NoError(t, err)
		response, err := http.Post(shared.cloud.URL+"/alarmtriage/world", "application/json", bytes.NewReader(body))
		require.NoError(t, err)
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, "%s", answer)
	}
	post(answers)
	t.Cleanup(func() { post([]map[string]any{}) })
}

// The member's CloudWatch confirms a composite alarm with its rule and its triggering alarms. Its investigation covers those of
// the member only: the alarm of the same name in the triage's account is investigated.
func TestTriage_ACompositeAlarmOfAMemberCoversAlarmsOfTheMemberAlone(t *testing.T) {
	w := deploy(t, "composite", conclude(line, "does not exist"))
	d := w.fire(t, composite(member, central))
	assert.Equal(t, "true", d.attributes["confirmed"].Value, d.record.Alarm.Unconfirmed)
	assert.Equal(t, []string{arnOf(member, "orders-errors")}, d.record.Alarm.Children)
	assert.Contains(t, string(d.record.Evidence.Definition), "orders-down")
	for call := range d.record.Calls() {
		for _, request := range call.Answer.AWSCalls {
			assert.Equal(t, member, request.Account, request.Operation)
		}
	}
	assert.NotContains(t, d.text, "CENTRAL-LINE")

	answer, err := shared.host.Invoke(t.Context(), w.name, forwarded(member, moto.Region))
	require.NoError(t, err)
	assert.Contains(t, string(answer.Payload), `"duplicate"`, "the investigation of the composite alarm covers the member's alarm")
	d = w.fire(t, forwarded(central, moto.Region))
	assert.Equal(t, central, d.record.Alarm.Account)
	assert.NotContains(t, d.text, "MEMBER-LINE")
}

// moto has no log alarms, so a server before it answers for them.
func TestTriage_ConfirmsALogAlarmOfAMember(t *testing.T) {
	const name = `orders "down" \ 'ü' %s {x}` // the name is part of the code that the tool runs
	to, err := url.Parse(shared.cloud.URL)
	require.NoError(t, err)
	forward := httputil.NewSingleHostReverseProxy(to)
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var request struct{ AlarmNames, AlarmTypes []string }
		if json.Unmarshal(body, &request) != nil || len(request.AlarmTypes) != 1 || request.AlarmTypes[0] != "LogAlarm" {
			forward.ServeHTTP(w, r)
			return
		}
		assert.Contains(t, r.Header.Get("Authorization"), "/"+europe+"/monitoring/")
		assert.NotContains(t, r.Header.Get("Authorization"), shared.credentials["AWS_ACCESS_KEY_ID"], "a role of the member signs")
		if len(request.AlarmNames) == 0 { // the evidence looks for alarms of the same metrics
			_, _ = io.WriteString(w, "{}")
			return
		}
		asked.Add(1)
		assert.Equal(t, []string{name}, request.AlarmNames)
		at := float64(shared.transitioned.UnixMilli()) / 1000
		_ = json.NewEncoder(w).Encode(map[string]any{"LogAlarms": []any{map[string]any{
			"AlarmName": name, "AlarmArn": "arn:aws:cloudwatch:" + europe + ":" + member + ":alarm:" + name, "StateValue": "ALARM",
			"StateTransitionedTimestamp": at, "StateUpdatedTimestamp": at,
		}}})
	}))
	t.Cleanup(server.Close)
	require.NoError(t, addTool("tool-logs", server.URL, config.Tool{Members: membersOf(false)}))
	for account, confirmed := range map[string]string{member: "true", other: "false"} {
		w := deploy(t, "log-"+account, conclude(line, "does not exist"), func(o *config.Orchestrator) { o.ToolFunction = shared.host.ARN("tool-logs") })
		d := w.fire(t, notification(map[string]any{
			"AlarmName": name, "AlarmArn": "arn:aws:cloudwatch:" + europe + ":" + account + ":alarm:" + name, "AWSAccountId": account,
			"NewStateValue": "ALARM", "NewStateReason": "x", "StateChangeTime": shared.transitioned.UTC().Format("2006-01-02T15:04:05.000-0700"),
		}))
		assert.Equal(t, confirmed, d.attributes["confirmed"].Value, "the answer has the member's alarm, whose ARN decides: %s", d.record.Alarm.Unconfirmed)
		assert.Equal(t, name, d.record.Alarm.Name)
	}
	assert.NotZero(t, asked.Load())
}

func TestSelfCheck_NamesMembersWithoutTheRole(t *testing.T) {
	for _, tt := range []struct {
		name    string
		members config.Members
		state   selfcheck.State
		detail  string
	}{
		{"list", membersOf(false), selfcheck.StateWarning, "arn:aws:iam::" + missing + ":role/" + memberRole},
		{"organization", config.Members{Organization: true, Role: memberRole, ExternalID: "x1"}, selfcheck.StateSkipped, "Only an alarm"},
	} {
		deploy(t, "check-"+tt.name, conclude(line, "x"), func(o *config.Orchestrator) { o.Members = tt.members })
		answer, err := shared.host.Invoke(t.Context(), "check-"+tt.name, []byte(config.SelfCheckEvent))
		require.NoError(t, err)
		var result struct {
			SelfCheck selfcheck.Report `json:"self_check"`
		}
		require.NoError(t, json.Unmarshal(answer.Payload, &result), "%s", answer.Payload)
		found := false
		for _, check := range result.SelfCheck.Checks {
			if check.Part == "members" {
				found = true
				assert.Equal(t, tt.state, check.State, check.Detail)
				assert.Contains(t, check.Detail, tt.detail)
				assert.NotContains(t, check.Detail, other)
			}
		}
		assert.True(t, found, "%s", answer.Payload)
	}
}
