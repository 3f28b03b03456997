package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// The parts that all tests of the package share: moto's server and the compiled functions.
var (
	cloud        *moto.Server
	orchestrator string // path of the real orchestrator
	stubTool     string // path of a tool function that fails in the way that its variable STUB selects
	worlds       atomic.Int64
)

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "alarmtriage-faults-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	// The tests mostly wait. More tests than processors can therefore run in parallel.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 1, err
	}
	orchestrator, stubTool = filepath.Join(dir, "bootstrap"), filepath.Join(dir, "stubtool")
	if cloud, err = moto.Start(context.Background()); err != nil {
		return 1, err
	}
	defer cloud.Stop()
	return m.Run(), nil
}

// compile builds the functions once.
var compile = sync.OnceValue(func() error {
	for binary, pkg := range map[string]string{orchestrator: "./lambdas/orchestrator", stubTool: "./e2e/faults/stubtool"} {
		build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, pkg)
		build.Dir = moto.Root()
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
})

// modelID is the model that a world asks first.
const modelID = "us.amazon.nova-2-lite-v1:0"

// options are the settings of a world. A zero field selects the default.
type options struct {
	lifetime  time.Duration // of the orchestrator; default 30 s
	env       map[string]string
	tool      string                     // the value of STUB, which selects what the stub tool does; default "answer"
	realTool  func(*lambdahost.Function) // changes the settings of the real tool; nil: the stub tool runs instead
	script    model.Script
	noRetries bool
	reserved  int // reserved concurrency of the orchestrator; 0: none
}

// world is one deployed AlarmTriage: the real orchestrator, with stand-ins into which the test injects faults.
type world struct {
	t                        *testing.T
	host                     *lambdahost.Host
	model                    *model.Server
	s3, sns, dynamodb, tools *proxy
	cloudwatch               *proxy
	table, bucket, topic     string
	queue                    string
	pidFile                  string
	log                      *logbuffer.Buffer
	killed                   atomic.Bool
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	require.NoError(t, compile())
	if o.lifetime == 0 {
		o.lifetime = 30 * time.Second
	}
	n := strconv.FormatInt(worlds.Add(1), 10)
	w := &world{t: t, table: "investigations-" + n, bucket: "reports-" + n, pidFile: filepath.Join(t.TempDir(), "pid"), log: &logbuffer.Buffer{}}
	w.deploy(n)
	w.model = start(t, o.script)
	w.s3, w.sns, w.dynamodb = newProxy(t, cloud.URL), newProxy(t, cloud.URL), newProxy(t, cloud.URL)

	w.cloudwatch = newProxy(t, cloud.URL)

	hostOptions := lambdahost.Options{RetryDelays: []time.Duration{50 * time.Millisecond, 100 * time.Millisecond}, Log: w.log}
	host, err := lambdahost.New(hostOptions)
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	w.host = host
	w.tools = newProxy(t, host.URL())
	retries := 2
	if o.noRetries {
		retries = 0
	}
	tool := lambdahost.Function{Name: "tool", Command: []string{stubTool}, Timeout: 2 * time.Second, Env: map[string]string{"STUB": o.tool}}
	if o.realTool != nil {
		tool = newRealTool(t)
		o.realTool(&tool)
	}
	require.NoError(t, host.Add(tool))
	require.NoError(t, host.Add(lambdahost.Function{
		Name: "orchestrator",
		// The shell writes its process id to a file and then becomes the orchestrator. A test needs the id to
		// kill it.
		Command: []string{"/bin/sh", "-c", `echo $$ > "$0"; exec "$1"`, w.pidFile, orchestrator},
		Timeout: o.lifetime, MaximumRetryAttempts: &retries, ReservedConcurrency: o.reserved, Env: w.environment(o.env),
	}))
	return w
}

func start(t *testing.T, script model.Script) *model.Server {
	t.Helper()
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// deploy creates the resources that the construct creates.
func (w *world) deploy(n string) {
	ctx, cfg := w.t.Context(), cloud.Config()
	_, err := dynamodb.NewFromConfig(cfg).CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &w.table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(config.TableKey), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(config.TableKey), KeyType: types.KeyTypeHash}},
	})
	require.NoError(w.t, err)
	_, err = w.bucketClient().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &w.bucket})
	require.NoError(w.t, err)
	topic, err := sns.NewFromConfig(cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("findings-" + n)})
	require.NoError(w.t, err)
	w.topic = *topic.TopicArn
	queue, err := sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("inbox-" + n)})
	require.NoError(w.t, err)
	w.queue = *queue.QueueUrl
	_, err = sns.NewFromConfig(cfg).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &w.topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + moto.Region + ":" + moto.Account + ":inbox-" + n),
	})
	require.NoError(w.t, err)
}

func (w *world) bucketClient() *s3.Client {
	return s3.NewFromConfig(cloud.Config(), func(o *s3.Options) { o.UsePathStyle = true })
}

// environment returns the orchestrator's environment. Its requests go through the proxies of the world.
func (w *world) environment(more map[string]string) map[string]string {
	env := config.Orchestrator{
		ModelID: modelID, ToolFunction: "tool", ToolTimeout: 2 * time.Second, Table: w.table,
		ReportsBucket: w.bucket, TopicARN: w.topic, Window: time.Hour, MaxRounds: 100, MaxQueryCostUSD: 1, Redact: true,
	}.Environment()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		env[name] = "testing"
	}
	env["AWS_ENDPOINT_URL"] = cloud.URL
	env["AWS_ENDPOINT_URL_S3"] = w.s3.url
	env["AWS_ENDPOINT_URL_SNS"] = w.sns.url
	env["AWS_ENDPOINT_URL_DYNAMODB"] = w.dynamodb.url
	env["AWS_REGION"] = moto.Region
	env["AWS_ENDPOINT_URL_CLOUDWATCH"] = w.cloudwatch.url
	env["AWS_ENDPOINT_URL_LAMBDA"] = w.tools.url
	env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = w.model.URL
	for name, value := range more {
		env[name] = value
	}
	return env
}

// fire sends the event as CloudWatch does and waits until it and its retries have ended.
func (w *world) fire(event []byte) {
	w.t.Helper()
	_, err := w.host.InvokeAsync("orchestrator", event)
	require.NoError(w.t, err)
	w.wait()
}

func (w *world) wait() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(w.t, w.host.WaitIdle(ctx))
}

// kill ends the orchestrator's process, as Lambda does when it is out of time or memory.
func (w *world) kill() {
	raw, err := os.ReadFile(w.pidFile)
	if !assert.NoError(w.t, err) {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if assert.NoError(w.t, err) && assert.NoError(w.t, syscall.Kill(pid, syscall.SIGKILL)) {
		w.killed.Store(true)
	}
}

// message is a notification as a subscriber receives it.
type message struct{ Subject, Body string }

// inbox receives and returns the notifications that are in the subscriber's queue.
func (w *world) inbox() []message {
	w.t.Helper()
	client := sqs.NewFromConfig(cloud.Config())
	var found []message
	for {
		out, err := client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &w.queue, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		require.NoError(w.t, err)
		if len(out.Messages) == 0 {
			return found
		}
		for _, m := range out.Messages {
			var envelope struct{ Subject, Message string }
			require.NoError(w.t, json.Unmarshal([]byte(*m.Body), &envelope))
			found = append(found, message{envelope.Subject, envelope.Message})
		}
	}
}

// reports returns the texts of the stored reports by key.
func (w *world) reports() map[string]string {
	w.t.Helper()
	client := w.bucketClient()
	out, err := client.ListObjectsV2(w.t.Context(), &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: aws.String(config.ReportsPrefix)})
	require.NoError(w.t, err)
	texts := map[string]string{}
	for _, object := range out.Contents {
		if !strings.HasSuffix(*object.Key, ".txt") {
			continue
		}
		got, err := client.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: object.Key})
		require.NoError(w.t, err)
		var body bytes.Buffer
		_, err = body.ReadFrom(got.Body)
		require.NoError(w.t, err)
		texts[*object.Key] = body.String()
	}
	return texts
}

// claim returns the state of the alarm's item: running, done, freed, or an empty string.
func (w *world) claim(arn string) string {
	w.t.Helper()
	out, err := dynamodb.NewFromConfig(cloud.Config()).GetItem(w.t.Context(), &dynamodb.GetItemInput{
		TableName: &w.table, Key: map[string]types.AttributeValue{config.TableKey: &types.AttributeValueMemberS{Value: arn}},
	})
	require.NoError(w.t, err)
	if state, ok := out.Item["state"].(*types.AttributeValueMemberS); ok {
		return state.Value
	}
	return ""
}

const alarmARNPrefix = "arn:aws:cloudwatch:" + moto.Region + ":" + moto.Account + ":alarm:"

// event returns the event of an alarm action: the alarm with this name went to ALARM at this second of a
// fixed minute.
func event(name string, second int) []byte {
	stamp := time.Date(2026, 8, 4, 12, 0, 0, 0, time.UTC).Add(time.Duration(second) * time.Second).Format("2006-01-02T15:04:05.000-0700")
	raw, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": alarmARNPrefix + name, "accountId": moto.Account, "region": moto.Region, "time": stamp,
		"alarmData": map[string]any{
			"alarmName": name,
			"state":     map[string]any{"value": "ALARM", "reason": "Threshold Crossed: 4.0 was greater than 0.0", "timestamp": stamp},
			"configuration": map[string]any{"metrics": []any{map[string]any{"id": "m1", "returnData": true, "metricStat": map[string]any{
				"period": 60, "stat": "Sum",
				"metric": map[string]any{"namespace": "AWS/Lambda", "name": "Errors", "dimensions": map[string]string{"FunctionName": "orders"}},
			}}}},
		},
	})
	if err != nil {
		panic(err)
	}
	return raw
}
