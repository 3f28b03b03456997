package triage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

const (
	firstModel   = "us.anthropic.claude-sonnet-5-5"
	secondModel  = "global.amazon.nova-2-lite-v1:0"
	toolFunction = "arn:aws:lambda:us-east-1:123456789012:function:tool"
)

// checkHarness is a harness in which every part works, until a test breaks it.
type checkHarness struct {
	*harness
	model      awsapitest.Model
	failing    map[string]error // errors of models that do not answer
	answer     *bedrockruntime.ConverseOutput
	lifecycles map[string]awsapi.ModelLifecycle
	lifeErr    error
	lambda     awsapitest.Lambda
	functions  awsapitest.Fault // of the dry run
	tool       func(request toolcall.Request) (payload []byte, functionError string)
	topics     awsapitest.Topics
	db         awsapitest.DynamoDB
	s3         awsapitest.S3
	checker    *selfcheck.Checker
	pauses     []time.Duration
}

// Lifecycle implements [selfcheck.Lifecycles].
func (b *checkHarness) Lifecycle(_ context.Context, id string) (awsapi.ModelLifecycle, error) {
	return b.lifecycles[id], b.lifeErr
}

const healthyProbe = `{"python": "3.13.9", "boto3": "1.42.2", "unreachable": "", "broken": {}, "packages": 2}`

func newCheckHarness(t *testing.T) *checkHarness {
	t.Helper()
	b := &checkHarness{harness: newHarness(t), failing: map[string]error{}, lifecycles: map[string]awsapi.ModelLifecycle{}}
	b.answer = &bedrockruntime.ConverseOutput{StopReason: types.StopReasonEndTurn}
	b.model.Answer = func(ctx context.Context, in *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
		if err := b.failing[*in.ModelId]; err != nil {
			return nil, err
		}
		return b.answer, ctx.Err()
	}
	b.tool = func(request toolcall.Request) ([]byte, string) {
		if request.Status {
			return encoded(t, toolcall.Answer{Success: true, Status: &toolcall.Status{Layers: map[string]string{"seccomp": "active"}}}), ""
		}
		return encoded(t, toolcall.Answer{Success: true, Result: json.RawMessage(healthyProbe)}), ""
	}
	b.lambda.Answer = func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if in.InvocationType == lambdatypes.InvocationTypeDryRun {
			assert.Equal(t, "triage-handler", *in.FunctionName)
			return &lambda.InvokeOutput{StatusCode: 204}, b.functions.Hit(ctx)
		}
		assert.Equal(t, toolFunction, *in.FunctionName)
		var request toolcall.Request
		require.NoError(t, json.Unmarshal(in.Payload, &request))
		out := &lambda.InvokeOutput{StatusCode: 200}
		var failure string
		if out.Payload, failure = b.tool(request); failure != "" {
			out.FunctionError = &failure
		}
		return out, nil
	}
	b.topics.Attributes = map[string]map[string]string{
		topicARN: {"SubscriptionsConfirmed": "1", "SubscriptionsPending": "0"},
		cardARN:  {"SubscriptionsConfirmed": "1", "SubscriptionsPending": "0"},
	}
	b.Region = "us-east-1"
	b.checker = &selfcheck.Checker{
		Config: config.Orchestrator{
			ModelID: firstModel, FallbackModelIDs: []string{secondModel}, ToolFunction: toolFunction,
			Table: "investigations", ReportsBucket: bucket, TopicARN: topicARN,
		},
		FunctionName: "triage-handler", Region: "us-east-1", Model: &b.model, Lifecycles: b, Lambda: &b.lambda, DynamoDB: &b.db,
		Store: store.New(&b.s3, bucket), Topics: &b.topics, Now: b.clock.now,
		Pause: func(_ context.Context, d time.Duration) error {
			b.pauses = append(b.pauses, d)
			return nil
		},
	}
	b.SelfCheck = b.checker
	return b
}

// adviceOfDenial returns the remedy of a model whose invocation is denied, without its line breaks.
func adviceOfDenial(model string) string {
	advice := modelerror.Advice(awsapitest.Denied("bedrock:InvokeModel"), model, "us-east-1", modelerror.Orchestrator)
	return strings.Join(strings.Fields(advice), " ")
}

func putting(bucket, key, text string) *s3.PutObjectInput {
	return &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)}
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	return raw
}

// check runs a self-check that must not fail.
func (b *checkHarness) check(t *testing.T) selfcheck.Report {
	t.Helper()
	answer, err := b.invoke(t, "request-1", config.SelfCheckEvent)
	require.NoError(t, err)
	require.NotNil(t, answer.SelfCheck)
	return *answer.SelfCheck
}

// onlyNotification returns the body of the only notification, without line breaks.
func (b *checkHarness) onlyNotification(t *testing.T) string {
	t.Helper()
	require.Len(t, b.notifications(), 1)
	return strings.Join(strings.Fields(b.notifications()[0]), " ")
}

func TestSelfCheck_SendsNothingWhenEverythingWorks(t *testing.T) {
	b := newCheckHarness(t)
	b.checker.Config.CardTopicARN, b.checker.Config.EventBus = cardARN, "bus"
	b.checker.Config.InstructionsURI = "s3://" + bucket + "/instructions.txt"
	_, err := b.s3.PutObject(t.Context(), putting(bucket, "instructions.txt", "Orders come from the shop."))
	require.NoError(t, err)
	answer, err := b.invoke(t, "request-1", ` { "selfCheck" : true } `)
	require.NoError(t, err)

	got := map[string]selfcheck.State{}
	for _, check := range answer.SelfCheck.Checks {
		got[check.Part] = check.State
		assert.NotEmpty(t, check.Detail, check.Part)
	}
	assert.Equal(t, map[string]selfcheck.State{
		"model " + firstModel: "ok", "model " + secondModel: "ok", "life cycle of model " + firstModel: "ok", "life cycle of model " + secondModel: "ok",
		"tool " + toolFunction: "ok", "hand-over": "ok", "table investigations": "ok", "kill switch": "ok", "bucket " + bucket: "ok", "notification topic " + topicARN: "ok",
		"chat card topic " + cardARN: "ok", "instructions s3://" + bucket + "/instructions.txt": "ok", "event bus bus": "skipped",
	}, got)
	assert.Empty(t, b.notifications())
	assert.Empty(t, b.SNS.Published(cardARN))
	assert.Empty(t, answer.Results)
	text, err := json.Marshal(answer)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"results":[],"self_check":{"checked_at":`)

	assert.Zero(t, b.agent.calls, "no investigation is started")
	assert.Zero(t, b.DB.Calls(), "no claim is made")
	assert.Empty(t, b.lambda.Events(), "nothing is handed over")
	assert.NotEmpty(t, b.db.Item("selfcheck"))
	assert.Equal(t, []string{bucket + "/reports/checkpoints/selfcheck.json"}, b.s3.Keys("reports/"))
	lines := strings.Split(strings.TrimSpace(b.out.String()), "\n")
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0], `"`+emf.SelfCheckProblems+`":0`)
}

// Whoever starts a silent self-check reads its answer. The weekly one must not be silenced by anything but the event.
func TestSelfCheck_SilentOneOnlyAnswers(t *testing.T) {
	for event, silent := range map[string]bool{
		config.SilentSelfCheckEvent: true, config.SelfCheckEvent: false, `{"selfCheck":true,"notify":true}`: false, `{"selfCheck":true,"notify":null}`: false,
	} {
		b := newCheckHarness(t)
		b.failing[firstModel], b.failing[secondModel] = awsapitest.ErrDown, awsapitest.ErrDown
		answer, err := b.invoke(t, "request-1", event)
		require.NoError(t, err)
		require.NotEmpty(t, answer.SelfCheck.Findings(), event)
		assert.Equal(t, silent, len(b.notifications()) == 0, event)
		assert.Equal(t, silent, !strings.Contains(b.out.String(), emf.SelfCheckProblems), "its metric would start a self-alarm: %s", event)
	}
}

func TestSelfCheck_AsksModelsForFewTokensThroughGuardrail(t *testing.T) {
	b := newCheckHarness(t)
	b.checker.Config.GuardrailID, b.checker.Config.GuardrailVersion = "guard", "3"
	b.answer.StopReason = types.StopReasonMaxTokens // reasoning used up the tokens
	b.check(t)
	require.Len(t, b.model.Asked(), 2)
	for _, in := range b.model.Asked() {
		assert.Equal(t, int32(16), *in.InferenceConfig.MaxTokens)
		assert.Nil(t, in.InferenceConfig.Temperature, "several models refuse it")
		assert.Nil(t, in.ToolConfig)
		assert.Equal(t, "guard 3", *in.GuardrailConfig.GuardrailIdentifier+" "+*in.GuardrailConfig.GuardrailVersion)
	}
	assert.Empty(t, b.notifications())
}

func TestSelfCheck_NotifiesEachBrokenPartWithRemedy(t *testing.T) {
	in := func(d time.Duration) awsapi.ModelLifecycle {
		return awsapi.ModelLifecycle{EndOfLife: time.Now().Add(d)}
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		name    string
		breakIt func(b *checkHarness)
		part    string
		want    []string
	}{
		{"the first model is denied", func(b *checkHarness) { b.failing[firstModel] = awsapitest.Denied("bedrock:InvokeModel") }, "model " + firstModel,
			[]string{"WARNING", "not authorized to perform: bedrock:InvokeModel", "investigations use " + secondModel, adviceOfDenial(firstModel)}},
		{"the fallback is denied", func(b *checkHarness) { b.failing[secondModel] = awsapitest.Denied("bedrock:InvokeModel") }, "model " + secondModel,
			[]string{"WARNING", "It is a fallback; " + firstModel + " answers.", adviceOfDenial(secondModel)}},
		{"the guardrail blocks everything", func(b *checkHarness) {
			b.checker.Config.GuardrailID = "guard"
			b.answer.StopReason = types.StopReasonGuardrailIntervened
		}, "model " + firstModel, []string{"PROBLEM", "Guardrail guard blocks a harmless question", "Relax the guardrail"}},
		{"a model retires in 59 days", func(b *checkHarness) { b.lifecycles["anthropic.claude-sonnet-5-5"] = in(59*day + time.Hour) }, "life cycle of model " + firstModel,
			[]string{"WARNING", "retires on", "in 59 days", "Set BedrockModelId or FallbackModelIds"}},
		{"a model has retired", func(b *checkHarness) { b.lifecycles["amazon.nova-2-lite-v1:0"] = in(-day) }, "life cycle of model " + secondModel,
			[]string{"reached its end of life on"}},
		{"a model is Legacy", func(b *checkHarness) {
			life := in(200 * day)
			life.Legacy, life.ExtendedAccess = true, time.Now().Add(100*day)
			b.lifecycles["anthropic.claude-sonnet-5-5"] = life
		}, "life cycle of model " + firstModel, []string{"The model is Legacy", "Its end of life is", "may cost more from"}},
		{"the catalog knows that a model has retired", func(b *checkHarness) {
			b.checker.Config.ModelID, b.lifeErr = "us.amazon.nova-premier-v1:0", awsapitest.Denied("bedrock:GetFoundationModel")
		}, "life cycle of model us.amazon.nova-premier-v1:0", []string{"reached its end of life on 2026-09-14"}},
		{"the tool is denied", func(b *checkHarness) { b.failTool(awsapitest.Denied("lambda:InvokeFunction")) }, "tool " + toolFunction,
			[]string{"The tool function cannot be invoked", "Grant lambda:InvokeFunction"}},
		{"the tool is gone", func(b *checkHarness) { b.failTool(&lambdatypes.ResourceNotFoundException{}) }, "tool " + toolFunction, []string{"Create it with the same name"}},
		{"the tool is throttled", func(b *checkHarness) { b.failTool(&lambdatypes.TooManyRequestsException{}) }, "tool " + toolFunction,
			[]string{"Raise ToolReservedConcurrentExecutions"}},
		{"the tool cannot use its key", func(b *checkHarness) { b.failTool(&lambdatypes.KMSAccessDeniedException{}) }, "tool " + toolFunction,
			[]string{"The tool function cannot be invoked", "the function's role"}},
		{"the tool crashes", func(b *checkHarness) {
			b.tool = func(toolcall.Request) ([]byte, string) {
				return []byte(`{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}`), "Unhandled"
			}
		}, "tool " + toolFunction, []string{"The tool function fails", "exit status 1", "See the tool's log group"}},
		{"the tool answers something else", func(b *checkHarness) {
			b.tool = func(toolcall.Request) ([]byte, string) { return []byte(`[]`), "" }
		}, "tool " + toolFunction, []string{"The tool's answer cannot be read"}},
		{"the probe does not run", func(b *checkHarness) {
			b.probe(toolcall.Answer{Error: "No module named 'alarmtriage_tool'", ErrorType: "ModuleNotFoundError"})
		}, "tool " + toolFunction, []string{"The tool cannot run Python", "No module named 'alarmtriage_tool'"}},
		{"the probe returns nothing", func(b *checkHarness) { b.probe(toolcall.Answer{Success: true, Result: json.RawMessage("null")}) }, "tool " + toolFunction,
			[]string{"returns an unexpected result"}},
		{"the probe does not reach AWS", func(b *checkHarness) {
			b.probe(probeAnswer("unreachable", `"ConnectTimeoutError: monitoring.us-east-1.amazonaws.com"`))
		}, "tool " + toolFunction, []string{"The tool's code cannot read CloudWatch", "ConnectTimeoutError", "reach the endpoint `monitoring`"}},
		{"a package is for another architecture", func(b *checkHarness) {
			b.probe(probeAnswer("broken", `{"numpy": "ImportError: invalid ELF header"}`))
		}, "tool " + toolFunction, []string{"WARNING", "numpy (ImportError: invalid ELF header)", "Build the layer for Python 3.13.9"}},
		{"a subscription is pending in addition to a confirmed one", func(b *checkHarness) {
			b.topics.Attributes[topicARN] = map[string]string{"SubscriptionsConfirmed": "1", "SubscriptionsPending": "2"}
		}, "notification topic " + topicARN, []string{"WARNING", "1 confirmed subscription and 2 pending subscriptions", "Confirm the subscription"}},
		{"the hand-over is denied", func(b *checkHarness) { b.functions.Fail(awsapitest.Denied("lambda:InvokeFunction"), -1) }, "hand-over",
			[]string{"The orchestrator cannot invoke itself", "Grant lambda:InvokeFunction"}},
		{"the table is denied", func(b *checkHarness) { b.db.Fail(awsapitest.Denied("dynamodb:UpdateItem"), -1) }, "table investigations",
			[]string{"The table does not accept a claim", "Grant dynamodb:UpdateItem"}},
		{"the table has another key", func(b *checkHarness) {
			b.db.Fail(&smithy.GenericAPIError{Code: "ValidationException", Message: "The provided key element does not match the schema"}, -1)
		}, "table investigations", []string{"must be the string pk"}},
		{"the table's key is disabled", func(b *checkHarness) { b.db.Fail(&smithy.GenericAPIError{Code: "KMSInvalidStateException"}, -1) }, "table investigations",
			[]string{"The table does not accept a claim", "check that it exists and is enabled"}},
		{"the table does not answer", func(b *checkHarness) { b.db.Fail(awsapitest.ErrDown, -1) }, "table investigations",
			[]string{"connection refused", "See the AWS Health Dashboard"}},
		{"the bucket is gone", func(b *checkHarness) { b.s3.Fail(&smithy.GenericAPIError{Code: "NoSuchBucket"}, -1) }, "bucket " + bucket,
			[]string{"The bucket does not accept an object", "Create it with the same name"}},
		{"the bucket's key is denied", func(b *checkHarness) {
			b.s3.Fail(&smithy.GenericAPIError{Code: "AccessDenied", Message: "User: x is not authorized to perform: kms:GenerateDataKey on resource: y"}, -1)
		}, "bucket " + bucket, []string{"Grant kms:GenerateDataKey"}},
		{"the table loses the item", func(b *checkHarness) { b.checker.DynamoDB = forgetfulTable{&b.db} }, "table investigations",
			[]string{"The table does not return the item that was written"}},
		{"the bucket loses the object", func(b *checkHarness) { b.checker.Store = store.New(forgetfulBucket{&b.s3}, bucket) }, "bucket " + bucket,
			[]string{"The bucket does not return the object that was written"}},
		{"the instructions are empty", func(b *checkHarness) {
			b.checker.Config.InstructionsURI = "s3://docs/empty.txt"
			if _, err := b.s3.PutObject(context.Background(), putting("docs", "empty.txt", " \n")); err != nil {
				panic(err)
			}
		}, "instructions s3://docs/empty.txt", []string{"WARNING", "The instructions are empty"}},
		{"the instructions are gone", func(b *checkHarness) { b.checker.Config.InstructionsURI = "s3://docs/gone.txt" }, "instructions s3://docs/gone.txt",
			[]string{"WARNING", "The instructions cannot be read", "Put the object back"}},
		{"the card topic has no subscription", func(b *checkHarness) {
			b.checker.Config.CardTopicARN = cardARN
			b.topics.Attributes[cardARN] = map[string]string{"SubscriptionsConfirmed": "0", "SubscriptionsPending": "0"}
		}, "chat card topic " + cardARN, []string{"no confirmed subscription", "Add the topic to the channel's configuration"}},
		{"the card topic is gone", func(b *checkHarness) {
			b.checker.Config.CardTopicARN = cardARN
			delete(b.topics.Attributes, cardARN)
		}, "chat card topic " + cardARN, []string{"The topic does not exist", "Create the topic again"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newCheckHarness(t)
			test.breakIt(b)
			checked := b.check(t)
			message := b.onlyNotification(t)
			assert.Contains(t, message, test.part)
			for _, want := range test.want {
				assert.Contains(t, message, want)
			}
			assert.Contains(t, message, "What to do: ")
			assert.Positive(t, b.metric(t, emf.SelfCheckProblems))
			assert.Empty(t, b.SNS.Published(cardARN), "cards are only sent for alarms")
			found := slices.IndexFunc(checked.Findings(), func(c selfcheck.Check) bool { return c.Part == test.part })
			require.GreaterOrEqual(t, found, 0)
			assert.NotEmpty(t, checked.Findings()[found].Remedy)
		})
	}
}

// forgetfulTable accepts writes and returns nothing.
type forgetfulTable struct{ *awsapitest.DynamoDB }

func (forgetfulTable) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{}, nil
}

// forgetfulBucket accepts objects and returns none.
type forgetfulBucket struct{ *awsapitest.S3 }

func (forgetfulBucket) GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return nil, &s3types.NoSuchKey{}
}

// failTool makes each invocation of the tool fail.
func (b *checkHarness) failTool(err error) {
	works := b.lambda.Answer
	b.lambda.Answer = func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if *in.FunctionName == toolFunction {
			return nil, err
		}
		return works(ctx, in)
	}
}

// probe replaces what the tool answers to the probe.
func (b *checkHarness) probe(answer toolcall.Answer) {
	works := b.tool
	b.tool = func(request toolcall.Request) ([]byte, string) {
		if request.Status {
			return works(request)
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		return raw, ""
	}
}

// probeAnswer is a healthy answer with one field changed.
func probeAnswer(field, value string) toolcall.Answer {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(healthyProbe), &fields); err != nil {
		panic(err)
	}
	fields[field] = json.RawMessage(value)
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return toolcall.Answer{Success: true, Result: raw}
}

func TestSelfCheck_CombinesFindingsInOneNotification(t *testing.T) {
	b := newCheckHarness(t)
	b.failing[firstModel], b.failing[secondModel] = awsapitest.Denied("bedrock:InvokeModel"), errors.New("odd")
	b.db.Fail(awsapitest.ErrDown, -1)
	b.lifecycles["amazon.nova-2-lite-v1:0"] = awsapi.ModelLifecycle{Legacy: true}
	checked := b.check(t)
	assert.Len(t, checked.Findings(), 4)
	message := b.onlyNotification(t)
	for _, want := range []string{"found 4 problems", "PROBLEM: model " + firstModel, "PROBLEM: model " + secondModel, "PROBLEM: table investigations",
		"WARNING: life cycle of model " + secondModel, "Checked and OK: life cycle of model " + firstModel, `'{"selfCheck":true}'`, "--region us-east-1", "--cli-read-timeout 0"} {
		assert.Contains(t, message, want)
	}
	assert.NotContains(t, message, "WARNING: model", "no model answers")
	assert.Less(t, strings.Index(message, "PROBLEM: table"), strings.Index(message, "WARNING"), "problems come first")
	published := b.SNS.Published(topicARN)[0]
	assert.Equal(t, "Alarm triage self-check: 4 problems (triage-handler)", *published.Subject)
	assert.Equal(t, "self-check", *published.MessageAttributes["outcome"].StringValue)
	assert.Equal(t, 4.0, b.metric(t, emf.SelfCheckProblems))
	assert.Zero(t, b.metric(t, emf.Failed))
	assert.Zero(t, b.metric(t, emf.Investigations))
}

func TestSelfCheck_SendsNothingWhenNoActionIsNeeded(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(b *checkHarness)
		part   string
		state  selfcheck.State
		text   string // in the detail or the notes
	}{
		{"a model retires in 61 days", func(b *checkHarness) {
			b.lifecycles["anthropic.claude-sonnet-5-5"] = awsapi.ModelLifecycle{EndOfLife: time.Now().Add(61 * 24 * time.Hour)}
		}, "life cycle of model " + firstModel, "ok", "Active until"},
		{"the life cycle is denied", func(b *checkHarness) { b.lifeErr = awsapitest.Denied("bedrock:GetFoundationModel") },
			"life cycle of model " + firstModel, "ok", "alarmtriage's catalog of 2026-"},
		{"the life cycle is denied, and the catalog does not know the model", func(b *checkHarness) {
			b.checker.Config.ModelID, b.lifeErr = "us.newcomer.model-1", awsapitest.Denied("bedrock:GetFoundationModel")
		}, "life cycle of model us.newcomer.model-1", "skipped", "does not know the model"},
		{"an application profile", func(b *checkHarness) {
			b.checker.Config.ModelID = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
		}, "life cycle of model arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "skipped", "an application-inference-profile"},
		{"a custom model", func(b *checkHarness) {
			b.checker.Config.ModelID = "arn:aws:bedrock:us-east-1:123456789012:custom-model/x/abc"
		}, "life cycle of model arn:aws:bedrock:us-east-1:123456789012:custom-model/x/abc", "skipped", "a custom-model"},
		{"an encrypted topic", func(b *checkHarness) { b.topics.Attributes[topicARN]["KmsMasterKeyId"] = "alias/ours" },
			"notification topic " + topicARN, "ok", "encrypted with alias/ours"},
		{"a topic of another account", func(b *checkHarness) { b.topics.Fail(&smithy.GenericAPIError{Code: "AuthorizationError"}, -1) },
			"notification topic " + topicARN, "skipped", "cannot be read"},
		{"a topic whose subscriptions are not returned", func(b *checkHarness) { b.topics.Attributes[topicARN] = map[string]string{} },
			"notification topic " + topicARN, "skipped", "does not return its subscriptions"},
		{"a layer of the sandbox that the kernel refuses", func(b *checkHarness) {
			works := b.tool
			b.tool = func(request toolcall.Request) ([]byte, string) {
				if !request.Status {
					return works(request)
				}
				return []byte(`{"success": true, "status": {"layers": {"seccomp": "refused: not permitted", "landlock": "active"}}}`), ""
			}
		}, "tool " + toolFunction, "ok", "not in force: seccomp (refused: not permitted)."},
		{"packages that were not tried", func(b *checkHarness) { b.probe(probeAnswer("untried", "3")) },
			"tool " + toolFunction, "ok", "3 packages were not tried"},
		{"another self-check wrote later", func(b *checkHarness) {
			later := b.clock.now().Add(time.Hour)
			other := *b.checker
			other.Now = func() time.Time { return later }
			other.Run(context.Background(), time.Minute)
		}, "table investigations", "ok", "accepts claims"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newCheckHarness(t)
			test.change(b)
			checked := b.check(t)
			assert.Empty(t, b.notifications())
			assert.Empty(t, checked.Findings())
			i := slices.IndexFunc(checked.Checks, func(c selfcheck.Check) bool { return c.Part == test.part })
			require.GreaterOrEqual(t, i, 0)
			assert.Equal(t, test.state, checked.Checks[i].State)
			assert.Contains(t, checked.Checks[i].Detail+strings.Join(checked.Checks[i].Notes, " "), test.text)
		})
	}
}

func TestSelfCheck_RetriesTransientModelErrors(t *testing.T) {
	throttled := &types.ThrottlingException{Message: aws.String("Too many requests")}
	for _, test := range []struct {
		name  string
		err   error
		times int
		state selfcheck.State
		asked int
	}{
		{"throttled twice", throttled, 2, "ok", 3},
		{"no connection twice", awsapitest.ErrDown, 2, "ok", 3},
		{"always throttled", throttled, 99, "warning", 3},
		{"denied", awsapitest.Denied("bedrock:InvokeModel"), 99, "problem", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newCheckHarness(t)
			b.checker.Config.FallbackModelIDs = nil
			var fault awsapitest.Fault
			fault.Fail(test.err, test.times)
			b.model.Answer = func(ctx context.Context, _ *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
				return b.answer, fault.Hit(ctx)
			}
			checked := b.check(t)
			assert.Equal(t, test.state, checked.Checks[0].State)
			assert.Len(t, b.model.Asked(), test.asked)
			if test.asked == 3 {
				assert.Equal(t, []time.Duration{2 * time.Second, 4 * time.Second}, b.pauses)
			}
		})
	}
}

func TestSelfCheck_FailsWhenNotificationReachesNobody(t *testing.T) {
	for _, test := range []struct {
		name          string
		breakIt       func(b *checkHarness)
		notifications int
		want          []string
	}{
		{"publishing fails", func(b *checkHarness) {
			b.SNS.Fail(awsapitest.Denied("sns:Publish"), -1)
			b.db.Fail(awsapitest.ErrDown, -1)
		}, 0, []string{"could not be sent", "sns:Publish", "table investigations", "See the AWS Health Dashboard"}},
		{"no subscription", func(b *checkHarness) { b.topics.Attributes[topicARN]["SubscriptionsConfirmed"] = "0" }, 1,
			[]string{"nobody receives the notification", "no confirmed subscription", "Add a subscription"}},
		{"only a pending subscription", func(b *checkHarness) {
			b.topics.Attributes[topicARN] = map[string]string{"SubscriptionsConfirmed": "0", "SubscriptionsPending": "1"}
		}, 1, []string{"It has 1 pending subscription.", "Confirm the subscription"}},
		{"no topic", func(b *checkHarness) { delete(b.topics.Attributes, topicARN) }, 1, []string{"The topic does not exist"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newCheckHarness(t)
			test.breakIt(b)
			answer, err := b.invoke(t, "request-1", config.SelfCheckEvent)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Len(t, b.notifications(), test.notifications)
			assert.NotNil(t, answer.SelfCheck)
			assert.Equal(t, float64(1-test.notifications), b.metric(t, emf.NotificationFailures))
		})
	}
}

func TestSelfCheck_RetriesUseSameDeduplicationID(t *testing.T) {
	b := newCheckHarness(t)
	const fifo = topicARN + ".fifo"
	b.Topic = notify.New(&b.SNS, fifo)
	b.db.Fail(awsapitest.ErrDown, -1)
	for range 2 {
		b.check(t)
	}
	published := b.SNS.Published(fifo)
	require.Len(t, published, 2)
	assert.Equal(t, *published[0].MessageDeduplicationId, *published[1].MessageDeduplicationId)
	assert.Equal(t, "self-check", *published[0].MessageGroupId)
}

func TestSelfCheck_ReportsPanickingAndHangingChecks(t *testing.T) {
	b := newCheckHarness(t)
	release := make(chan struct{})
	defer close(release)
	b.model.Answer = func(_ context.Context, in *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error) {
		if *in.ModelId == firstModel {
			panic("a bug")
		}
		<-release // ignores its context
		return b.answer, nil
	}
	b.db.Hang(true) // until its context ends
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	answer, err := b.Handle(ctx, "request-1", []byte(config.SelfCheckEvent))
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "there was time left to notify")
	message := b.onlyNotification(t)
	for _, want := range []string{"found 3 problems", "The check itself failed: a bug.", "Please report it", "The check did not end within", "The table does not accept a claim"} {
		assert.Contains(t, message, want)
	}
	for _, check := range answer.SelfCheck.Checks[2:] {
		inTable := strings.HasPrefix(check.Part, "table") || check.Part == "kill switch"
		assert.Equal(t, !inTable, check.State == "ok", check.Part)
	}
}

func TestSelfCheck_StartsOnlyOnSelfCheckEvent(t *testing.T) {
	for _, event := range []string{`{"selfCheck": false}`, `{"selfCheck": "true"}`, `{"selfCheck": 1}`, `[{"selfCheck": true}]`, `{"detail": {"selfCheck": true}}`, `true`} {
		b := newCheckHarness(t)
		answer, err := b.invoke(t, "request-1", event)
		assert.Error(t, err, event)
		assert.Nil(t, answer.SelfCheck, event)
		assert.Empty(t, b.model.Asked(), event)
	}
	b := newCheckHarness(t)
	alarm := strings.Replace(fixture(t, "action-metric"), `"alarmData"`, `"more": {"selfCheck": true}, "alarmData"`, 1)
	assert.Equal(t, triage.StatusInvestigated, b.mustInvestigate(t, "request-1", alarm).Status)
	assert.Empty(t, b.model.Asked())
}

func TestSelfCheck_NotificationIsPlainText(t *testing.T) {
	b := newCheckHarness(t)
	b.failing[firstModel] = fmt.Errorf("a long\x1b[31m story\u202e %s", strings.Repeat("of words ", 100))
	b.check(t)
	require.Len(t, b.notifications(), 1)
	assert.NotContains(t, b.notifications()[0], "\x1b")
	assert.NotContains(t, b.notifications()[0], "\u202e")
	for line := range strings.Lines(b.notifications()[0]) {
		assert.Regexp(t, `^(\n|  |[A-Z])`, line, "the texts of others are indented")
	}
}
