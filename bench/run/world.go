package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/bench/internal/checkout"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

const (
	modelID       = "us.anthropic.claude-sonnet-4-5-20250929-v1:0" // both versions must know it
	alarmName     = "orders-errors"
	cause         = "AccessDeniedException"
	toolTimeout   = 60 * time.Second
	totalLifetime = 10 * time.Minute
)

//go:embed account.py
var account string

// version is a compiled version of the functions.
type version struct {
	name         string
	orchestrator string // path of the binary
	tool         realtool.Tool
}

// world holds the versions, and the account that all runs investigate.
type world struct {
	settings
	cloud    *moto.Server
	versions []version // the former one first
	runs     int
}

// newWorld compiles the versions, starts moto, and creates the resources that the alarm is about.
func newWorld(ctx context.Context, directory, before string, s settings) (*world, error) {
	w := &world{settings: s}
	if before != "" {
		root := filepath.Join(directory, "before")
		if err := checkout.Write(ctx, before, root); err != nil {
			return nil, err
		}
		if err := w.compile(ctx, "before ("+before+")", root, directory); err != nil {
			return nil, err
		}
	}
	if err := w.compile(ctx, "now", moto.Root(), directory); err != nil {
		return nil, err
	}
	var err error
	if w.cloud, err = moto.Start(ctx); err != nil {
		return nil, err
	}
	python, err := moto.Tool("python")
	if err != nil {
		return nil, err
	}
	fill := exec.CommandContext(ctx, python, "-c", account)
	fill.Env = append(os.Environ(), w.cloud.Environ()...)
	if out, err := fill.CombinedOutput(); err != nil {
		w.close()
		return nil, fmt.Errorf("create the account: %w\n%s", err, out)
	}
	return w, nil
}

// compile adds the functions of a checkout to the versions.
func (w *world) compile(ctx context.Context, name, root, directory string) error {
	into := filepath.Join(directory, fmt.Sprintf("version-%d", len(w.versions)))
	if err := os.Mkdir(into, 0o755); err != nil {
		return err
	}
	v := version{name: name, orchestrator: filepath.Join(into, "orchestrator")}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-o", v.orchestrator, "./lambdas/orchestrator")
	build.Dir = root
	out, err := build.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the orchestrator: %w\n%s", err, out)
	}
	if v.tool, err = realtool.BuildFrom(root, into); err != nil {
		return err
	}
	w.versions = append(w.versions, v)
	return nil
}

func (w *world) close() { w.cloud.Stop() }

// investigate runs one investigation in new environments of both functions, and returns what it spent its time on.
func (w *world) investigate(ctx context.Context, v version, callsPerAnswer int) (times, error) {
	w.runs++
	stood, err := model.Start(script(callsPerAnswer, w.model))
	if err != nil {
		return times{}, err
	}
	defer stood.Close()
	var log bytes.Buffer
	host, err := lambdahost.New(lambdahost.Options{Log: &log})
	if err != nil {
		return times{}, err
	}
	defer host.Close()
	var proxies [3]*proxy
	for i, start := range []func() (*proxy, error){
		func() (*proxy, error) { return startProxy(w.cloud.URL, w.aws) },
		func() (*proxy, error) { return startProxy(w.cloud.URL, w.aws) },
		func() (*proxy, error) { return startInvoke(host.URL(), w.aws) },
	} {
		if proxies[i], err = start(); err != nil {
			return times{}, err
		}
		defer proxies[i].close()
	}
	toOrchestrator, toTool, invoked := proxies[0], proxies[1], proxies[2]
	env, err := w.deploy(ctx)
	if err != nil {
		return times{}, err
	}
	env["AWS_ENDPOINT_URL"] = toOrchestrator.url
	env["AWS_ENDPOINT_URL_LAMBDA"] = invoked.url
	env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = stood.URL
	tool := v.tool.Function("tool", toTool.url)
	tool.Timeout = toolTimeout
	for _, f := range []lambdahost.Function{tool, {
		Name: "orchestrator", Command: []string{v.orchestrator}, Timeout: totalLifetime, MemoryMB: 1024, Env: env,
	}} {
		if err := host.Add(f); err != nil {
			return times{}, err
		}
	}
	whole := span{start: time.Now()}
	answer, err := host.Invoke(ctx, "orchestrator", event())
	whole.end = time.Now()
	if err != nil {
		return times{}, err
	}
	if err := completed(answer); err != nil {
		return times{}, fmt.Errorf("%w\n%s", err, &log)
	}
	var answers []span
	for _, one := range stood.Requests() {
		answers = append(answers, span{start: one.At, end: one.Done})
	}
	t := divide(whole, answers, invoked.recorded())
	t.requests = len(toOrchestrator.recorded())
	if w.verbose {
		for _, one := range toOrchestrator.recorded() {
			fmt.Fprintf(os.Stderr, "%7.2f  %s\n", one.start.Sub(whole.start).Seconds(), one.what)
		}
		for _, one := range toTool.recorded() {
			fmt.Fprintf(os.Stderr, "%7.2f  tool %s, answered after %.2f\n", one.start.Sub(whole.start).Seconds(), one.what, one.end.Sub(one.start).Seconds())
		}
		fmt.Fprintf(os.Stderr, "%s: %+v\n", v.name, t)
	}
	return t, nil
}

// completed returns an error if the model did not conclude with a confirmed cause.
func completed(answer lambdahost.Answer) error {
	var result struct {
		Results []struct{ Outcome string }
	}
	if answer.FunctionError == "" && json.Unmarshal(answer.Payload, &result) == nil &&
		len(result.Results) == 1 && result.Results[0].Outcome == "completed" {
		return nil
	}
	return fmt.Errorf("the investigation did not complete: %s", answer.Payload)
}

// deploy creates new resources of the kinds that the construct creates, with all optional ones, and returns the
// orchestrator's environment.
func (w *world) deploy(ctx context.Context) (map[string]string, error) {
	cfg, name := w.cloud.Config(), fmt.Sprintf("run-%d", w.runs)
	_, err := dynamodb.NewFromConfig(cfg).CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(config.TableKey), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(config.TableKey), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		return nil, err
	}
	bucket := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := bucket.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return nil, err
	}
	for _, key := range []string{"instructions.md", "runbooks/orders.md"} {
		text := bytes.NewReader([]byte("Check the role first."))
		if _, err := bucket.PutObject(ctx, &s3.PutObjectInput{Bucket: &name, Key: &key, Body: text}); err != nil {
			return nil, err
		}
	}
	var topics [2]string
	for i, kind := range []string{"-findings", "-cards"} {
		created, err := sns.NewFromConfig(cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(name + kind)})
		if err != nil {
			return nil, err
		}
		topics[i] = *created.TopicArn
	}
	env := config.Orchestrator{
		ModelID: modelID, ToolFunction: "tool", ToolTimeout: toolTimeout, Table: name, ReportsBucket: name,
		TopicARN: topics[0], CardTopicARN: topics[1], EventBus: "default", Window: time.Hour, MaxRounds: config.MaxRounds,
		MaxQueryCostUSD: config.DefaultMaxQueryCostUSD, MaxPerDay: config.DefaultMaxInvestigationsPerDay, Redact: true,
		InstructionsURI: "s3://" + name + "/instructions.md", RunbooksURI: "s3://" + name + "/runbooks/",
	}.Environment()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		env[name] = "testing"
	}
	env["AWS_REGION"] = moto.Region
	return env, nil
}

// event returns the event of the alarm as CloudWatch sends it to a function.
func event() []byte {
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
	raw, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": "arn:aws:cloudwatch:" + moto.Region + ":" + moto.Account + ":alarm:" + alarmName,
		"accountId": moto.Account, "region": moto.Region, "time": stamp,
		"alarmData": map[string]any{
			"alarmName": alarmName,
			"state":     map[string]any{"value": "ALARM", "reason": "Threshold Crossed: 7.0 was greater than 5.0", "timestamp": stamp},
			"configuration": map[string]any{
				"description": "Orders fail.\nrunbook: orders.md",
				"metrics": []any{map[string]any{"id": "m1", "returnData": true, "metricStat": map[string]any{
					"period": 60, "stat": "Sum",
					"metric": map[string]any{"namespace": "AWS/Lambda", "name": "Errors", "dimensions": map[string]string{"FunctionName": "orders"}},
				}}},
			},
		},
	})
	if err != nil {
		panic(err) // it consists of strings
	}
	return raw
}
