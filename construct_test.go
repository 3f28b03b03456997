package alarmtriage_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

var update = flag.Bool("update", false, "rewrite the golden templates in testdata")

// newStack returns a stack whose synth builds nothing.
func newStack() awscdk.Stack { return newStackIn("eu-west-1") }

// newStackIn returns a stack in a Region. If the Region is empty, the stack's environment is not known at
// synth.
func newStackIn(region string) awscdk.Stack {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	if region == "" {
		return awscdk.NewStack(app, jsii.String("Test"), nil)
	}
	return awscdk.NewStack(app, jsii.String("Test"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(region)},
	})
}

func newTriage(stack awscdk.Stack, change func(*alarmtriage.AlarmTriageProps)) *alarmtriage.AlarmTriage {
	props := &alarmtriage.AlarmTriageProps{NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil)}
	if change != nil {
		change(props)
	}
	return alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), props)
}

func newAlarm(stack awscdk.Stack, id string) awscloudwatch.Alarm {
	return awscloudwatch.NewAlarm(stack, jsii.String(id), &awscloudwatch.AlarmProps{
		Metric:            awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String(id)}),
		Threshold:         jsii.Number(1),
		EvaluationPeriods: jsii.Number(1),
	})
}

func synth(stack awscdk.Stack) assertions.Template { return assertions.Template_FromStack(stack, nil) }

func object(pairs ...any) *map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return &m
}

func like(pairs ...any) assertions.Matcher { return assertions.Match_ObjectLike(object(pairs...)) }

// panicOf returns the message of f's panic. It fails the test if f returns.
func panicOf(t *testing.T, f func()) (message string) {
	t.Helper()
	defer func() {
		v := recover()
		require.NotNil(t, v, "did not panic")
		message = fmt.Sprint(v)
	}()
	f()
	return ""
}

func TestDefaults_MatchTheReadme(t *testing.T) {
	stack := newStack()
	newTriage(stack, nil)
	template := synth(stack)

	template.ResourceCountIs(jsii.String("AWS::Lambda::Function"), jsii.Number(2))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like(
		"Runtime", "provided.al2023", "Handler", "bootstrap", "Timeout", 900, "MemorySize", 1024, "Architectures", []string{"arm64"},
		"Environment", like("Variables", like("MODEL_ID", "eu.anthropic.claude-sonnet-5-5", "FALLBACK_MODEL_IDS", "eu.amazon.nova-2-lite-v1:0", "INVESTIGATION_WINDOW_SECONDS", "3600", "MAX_ROUNDS", "100"))))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like(
		"Runtime", "python3.13", "Timeout", 60, "MemorySize", 2048,
		"Environment", like("Variables", like("AWS_LAMBDA_EXEC_WRAPPER", "/var/task/alarmtriage-tool", "REDACT", "true"))))
	template.HasResourceProperties(jsii.String("AWS::DynamoDB::Table"), like(
		"BillingMode", "PAY_PER_REQUEST", "TimeToLiveSpecification", like("Enabled", true),
		"PointInTimeRecoverySpecification", like("PointInTimeRecoveryEnabled", true)))
	template.HasResourceProperties(jsii.String("AWS::S3::Bucket"), like(
		"VersioningConfiguration", like("Status", "Enabled"),
		"PublicAccessBlockConfiguration", like("BlockPublicAcls", true, "BlockPublicPolicy", true, "IgnorePublicAcls", true, "RestrictPublicBuckets", true)))
	template.HasResourceProperties(jsii.String("AWS::S3::BucketPolicy"), like("PolicyDocument", like("Statement", assertions.Match_ArrayWith(&[]any{
		like("Effect", "Deny", "Action", "s3:*", "Condition", like("Bool", like("aws:SecureTransport", "false")))}))))
	template.ResourceCountIs(jsii.String("AWS::Logs::LogGroup"), jsii.Number(2))
	template.AllResourcesProperties(jsii.String("AWS::Logs::LogGroup"), like("RetentionInDays", 7))
}

func TestAttachAlarms_ShareOnePermission(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	composite := awscloudwatch.NewCompositeAlarm(stack, jsii.String("Any"), &awscloudwatch.CompositeAlarmProps{
		AlarmRule: awscloudwatch.AlarmRule_FromString(jsii.String("ALARM(x)")),
	})
	triage.AttachAlarms(newAlarm(stack, "One"), newAlarm(stack, "Two"), composite)
	newAlarm(stack, "Three").AddAlarmAction(triage.AlarmAction())
	template := synth(stack)

	assert.Len(t, *template.FindResources(jsii.String("AWS::Lambda::Permission"), object("Properties", like("Principal", "lambda.alarms.cloudwatch.amazonaws.com"))), 1)
	template.ResourceCountIs(jsii.String("AWS::Lambda::Permission"), jsii.Number(2)) // one for all alarms, and one for the self-check
	template.HasResourceProperties(jsii.String("AWS::Lambda::Permission"), like(
		"Principal", "lambda.alarms.cloudwatch.amazonaws.com", "SourceAccount", "111122223333"))
	target := []any{map[string]any{"Fn::GetAtt": []any{"TriageOrchestratorAAEB3CE1", "Arn"}}}
	template.AllResourcesProperties(jsii.String("AWS::CloudWatch::Alarm"), like("AlarmActions", target, "OKActions", assertions.Match_Absent()))
	template.HasResourceProperties(jsii.String("AWS::CloudWatch::CompositeAlarm"), like("AlarmActions", target))
}

func TestAttachAlarms_RejectsOwnAlarms(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	own := awscloudwatch.NewAlarm(triage, jsii.String("Own"), &awscloudwatch.AlarmProps{
		Metric: triage.Orchestrator().MetricErrors(nil), Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1),
	})
	message := panicOf(t, func() { triage.AttachAlarms(own) })
	assert.Contains(t, message, "Test/Triage/Own")
	assert.Contains(t, message, "can't be attached")
}

func TestActionLimit_RejectsSixAlarmActions(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	crowded, fitting := newAlarm(stack, "Crowded"), newAlarm(stack, "Fitting")
	triage.AttachAlarms(crowded, fitting)
	for i := range 5 {
		topic := awscloudwatchactions.NewSnsAction(awssns.NewTopic(stack, jsii.Sprintf("Topic%d", i), nil))
		crowded.AddAlarmAction(topic)
		if i < 4 {
			fitting.AddAlarmAction(topic)
		}
	}
	message := panicOf(t, func() { synth(stack) })
	assert.Contains(t, message, "alarm Test/Crowded has 6 alarm actions, and CloudWatch allows 5")
	assert.NotContains(t, message, "Test/Fitting has")
}

func TestActionLimit_RejectsSixOKActions(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
	crowded := newAlarm(stack, "Crowded")
	for i := range 5 {
		crowded.AddOkAction(awscloudwatchactions.NewSnsAction(awssns.NewTopic(stack, jsii.Sprintf("Topic%d", i), nil)))
	}
	triage.AttachAlarms(crowded)
	assert.Contains(t, panicOf(t, func() { synth(stack) }), "alarm Test/Crowded has 6 OK actions, and CloudWatch allows 5")
}

func TestTokens_ReachTheFunctionsUnchanged(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	stack := awscdk.NewStack(app, jsii.String("Test"), nil) // its account and Region are not known at synth
	number := func(id string) *float64 {
		return awscdk.NewCfnParameter(stack, jsii.String(id), &awscdk.CfnParameterProps{Type: jsii.String("Number")}).ValueAsNumber()
	}
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.MaxRounds, p.MaxTokens, p.MaxCostUsd, p.ToolMemorySize = number("Rounds"), number("Tokens"), number("Cost"), number("Memory")
		p.MaxQueryCostUsd, p.MaxInvestigationsPerDay = number("QueryCost"), number("PerDay")
		p.MaxCostUsdPerDay, p.MaxConcurrentInvestigations = number("CostPerDay"), number("Concurrent")
		p.AccountNames = &map[string]*string{"111122223333": awscdk.NewCfnParameter(stack, jsii.String("Name"), nil).ValueAsString()}
		p.InvestigationWindow, p.ToolTimeout = awscdk.Duration_Seconds(number("Window")), awscdk.Duration_Seconds(number("Timeout"))
		p.ResourcePrefix, p.ResourceSuffix = jsii.String("Prod"), stack.Region()
		p.ToolDeniedActions = &[]*string{awscdk.NewCfnParameter(stack, jsii.String("Denied"), nil).ValueAsString()}
		p.ModelPrices = &map[string]*alarmtriage.ModelPrice{"amazon.": {Input: number("Price"), Output: jsii.Number(2)}}
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
	})
	template := synth(stack)
	ref := func(id string) any { return object("Ref", id) }
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "provided.al2023", "ReservedConcurrentExecutions",
		object("Fn::If", []any{"TriageReservesConcurrencyF4A0AA2F", ref("Concurrent"), ref("AWS::NoValue")}), "Environment", like("Variables", like(
			"MAX_ROUNDS", ref("Rounds"), "MAX_TOKENS", ref("Tokens"), "MAX_COST_USD", ref("Cost"), "TOOL_TIMEOUT_SECONDS", ref("Timeout"),
			"MAX_QUERY_COST_USD", ref("QueryCost"), "MAX_PER_DAY", ref("PerDay"), "MAX_COST_USD_PER_DAY", ref("CostPerDay"),
			"ACCOUNT_NAMES", object("Fn::Join", []any{"", []any{`{"111122223333":"`, ref("Name"), `"}`}}),
			"INVESTIGATION_WINDOW_SECONDS", ref("Window"),
			"MODEL_PRICES", object("Fn::Join", []any{"", []any{`{"amazon.":{"input":`, ref("Price"), `,"output":2}}`}})))))
	zero := object("Fn::Or", []any{object("Fn::Equals", []any{ref("Concurrent"), "0"}), object("Fn::Equals", []any{ref("Concurrent"), "0.0"})})
	template.HasCondition(jsii.String("TriageReservesConcurrencyF4A0AA2F"), object("Fn::Not", []any{zero}))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "python3.13", "MemorySize", ref("Memory"), "Timeout", ref("Timeout"),
		"Environment", like("Variables", like("DENIED_ACTIONS", ref("Denied")))))
	template.HasResourceProperties(jsii.String("AWS::S3::Bucket"), like("BucketName", object("Fn::Join", []any{"", []any{
		"prod-alarm-reports-", ref("AWS::Region"), "-", ref("AWS::AccountId")}})))
	text, err := json.Marshal(template.ToJSON())
	require.NoError(t, err)
	assert.NotContains(t, strings.ToLower(string(text)), "${token[", "CloudFormation cannot resolve a token whose text was changed")
}

func TestArns_UseThePartitionOfTheStack(t *testing.T) {
	for _, region := range []string{"cn-north-1", "us-gov-west-1", "eusc-de-east-1"} {
		app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
		stack := awscdk.NewStack(app, jsii.String("Test"), &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(region)}})
		triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST
			p.BedrockModelId = jsii.String("us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0")
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("abc"), GuardrailVersion: jsii.String("1")}
			p.Vpc, p.CreateVpcEndpoints = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), jsii.Bool(true)
			p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("docs"))}
			p.SelfAlarmTopic, p.Dashboard = awssns.NewTopic(stack, jsii.String("Platform"), nil), jsii.Bool(true)
			p.OnFailureQueue, p.CompletionEventBus = awssqs.NewQueue(stack, jsii.String("Failed"), nil), awsevents.NewEventBus(stack, jsii.String("Bus"), nil)
			p.ReportsEncryptionKey = awskms.NewKey(stack, jsii.String("Key"), nil)
		})
		triage.AttachAlarms(newAlarm(stack, "One"))
		triage.AttachEventRule(jsii.String("Rule"), nil)
		alarmtriage.NewAlarmTriage(stack, jsii.String("WithReadOnlyAccess"), &alarmtriage.AlarmTriageProps{
			NotificationTopic: awssns.NewTopic(stack, jsii.String("Other"), nil), BedrockModelId: jsii.String("amazon.nova-pro-v1:0")})
		template, err := json.Marshal(synth(stack).ToJSON())
		require.NoError(t, err)
		assert.NotContains(t, string(template), "arn:aws", region)
	}
}

func TestToolLayers_ComeAfterTheHarness(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolLayers = &[]awslambda.ILayerVersion{awslambda.LayerVersion_FromLayerVersionArn(stack, jsii.String("Layer"),
			jsii.String("arn:aws:lambda:eu-west-1:111122223333:layer:pandas:3"))}
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Layers", []any{
		object("Ref", assertions.Match_StringLikeRegexp(jsii.String("^TriageHarness"))), "arn:aws:lambda:eu-west-1:111122223333:layer:pandas:3"}))
}

func TestProps_AreNotModified(t *testing.T) {
	stack := newStack()
	var given *alarmtriage.AlarmTriageProps
	var before alarmtriage.AlarmTriageProps
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolDeniedActions, p.ToolAllowedActions = jsii.Strings("z:Z", "a:A", "a:A"), jsii.Strings("y:Y", "b:B")
		p.Tags = &map[string]*string{"team": jsii.String("payments")}
		given, before = p, *p
	})
	assert.Equal(t, before, *given, "omitted props are still nil")
	assert.Equal(t, jsii.Strings("z:Z", "a:A", "a:A"), given.ToolDeniedActions)
	assert.Equal(t, jsii.Strings("y:Y", "b:B"), given.ToolAllowedActions)
	assert.Equal(t, &map[string]*string{"team": jsii.String("payments")}, given.Tags)
}

func TestNewAlarmTriage_WorksInStagesAndNestedStacks(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	stage := awscdk.NewStage(app, jsii.String("Prod"), nil)
	outer := awscdk.NewStack(stage, jsii.String("Shop"), nil) // its account and Region are not known at synth
	nested := awscdk.NewNestedStack(outer, jsii.String("Operations"), nil)
	topic := awssns.NewTopic(outer, jsii.String("OnCall"), nil)
	triage := alarmtriage.NewAlarmTriage(nested, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: topic, SelfAlarmTopic: topic, Dashboard: jsii.Bool(true), ResourcePrefix: jsii.String("shop")})
	triage.AttachAll(stage, nil)
	triage.AttachEventRule(jsii.String("Rule"), nil)
	triage.AttachTopic(awssns.NewTopic(nested, jsii.String("Alarms"), nil), nil)
	newAlarm(outer, "Outside")
	newAlarm(nested, "Inside")
	assert.Equal(t, map[string]int{"Outside": 1}, actionsOf(synth(outer), "AWS::CloudWatch::Alarm"))
	inside := synth(nested)
	names := map[string]bool{}
	for id, alarm := range *inside.FindResources(jsii.String("AWS::CloudWatch::Alarm"), nil) {
		name, _ := (*alarm)["Properties"].(map[string]any)["AlarmName"].(string)
		assert.True(t, strings.HasPrefix(id, "Inside") || strings.HasPrefix(name, "alarmtriage-self-prodshop-operations-triage-"), name)
		names[name] = true
	}
	assert.Len(t, names, 9)
	inside.HasResourceProperties(jsii.String("AWS::Lambda::Permission"), like("Principal", "lambda.alarms.cloudwatch.amazonaws.com",
		"SourceAccount", object("Ref", "AWS::AccountId")))
	inside.HasResourceProperties(jsii.String("AWS::S3::Bucket"), like("BucketName", object("Fn::Join", []any{"", []any{
		"shop-alarm-reports-", object("Ref", "AWS::AccountId"), "-", object("Ref", "AWS::Region")}})))
}

func TestInstructionsFile_IsDeployedAndReadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runbooks.txt")
	require.NoError(t, os.WriteFile(file, []byte("The shop is busiest at noon."), 0o644))
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.InstructionsFile = &file })
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Environment", like("Variables", like("INSTRUCTIONS_URI", assertions.Match_AnyValue()))))
	var granted bool
	for _, s := range policies(t, stack, "TriageOrchestratorRole") {
		granted = granted || text(s.Action) == "s3:GetObject" && strings.Contains(text(s.Resource), ".txt")
	}
	assert.True(t, granted, "the orchestrator may read the file")
}

func TestNames_HavePrefixAndSuffix(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ResourcePrefix, p.ResourceSuffix = jsii.String("prod"), jsii.String("us-east-2")
	})
	template := synth(stack)
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("FunctionName", "prod-triage-handler-us-east-2"))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("FunctionName", "prod-tool-lambda-us-east-2"))
	template.HasResourceProperties(jsii.String("AWS::S3::Bucket"), like("BucketName", "prod-alarm-reports-us-east-2-111122223333"))
}

func TestAccessors_ReturnTheCreatedResources(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String("eu.amazon.nova-pro-v1:0") })
	resources := synth(stack)
	for _, output := range []struct {
		name   string
		value  *string
		kind   string
		prefix string
	}{
		{"orchestrator ARN", triage.Orchestrator().FunctionArn(), "AWS::Lambda::Function", "TriageOrchestrator"},
		{"orchestrator name", triage.Orchestrator().FunctionName(), "AWS::Lambda::Function", "TriageOrchestrator"},
		{"tool ARN", triage.Tool().FunctionArn(), "AWS::Lambda::Function", "TriageTool"},
		{"tool name", triage.Tool().FunctionName(), "AWS::Lambda::Function", "TriageTool"},
		{"orchestrator log group", triage.OrchestratorLogGroup().LogGroupName(), "AWS::Logs::LogGroup", "TriageOrchestratorLogs"},
		{"tool log group", triage.ToolLogGroup().LogGroupName(), "AWS::Logs::LogGroup", "TriageToolLogs"},
		{"orchestrator role", triage.OrchestratorRole().RoleArn(), "AWS::IAM::Role", "TriageOrchestratorRole"},
		{"tool role", triage.ToolRole().RoleArn(), "AWS::IAM::Role", "TriageToolRole"},
		{"table name", triage.InvestigationsTable().TableName(), "AWS::DynamoDB::Table", "TriageInvestigations"},
		{"bucket name", triage.ReportsBucket().BucketName(), "AWS::S3::Bucket", "TriageReports"},
		{"bucket ARN", triage.ReportsBucket().BucketArn(), "AWS::S3::Bucket", "TriageReports"},
	} {
		id := logicalID(t, stack.Resolve(output.value))
		assert.Contains(t, *resources.FindResources(jsii.String(output.kind), nil), id, output.name)
		assert.Regexp(t, "^"+output.prefix+"[0-9A-F]{8}$", id, output.name)
	}
	assert.Equal(t, "eu.amazon.nova-pro-v1:0", *triage.BedrockModelId())
}

// logicalID returns the logical id in a resolved Ref or Fn::GetAtt.
func logicalID(t *testing.T, resolved any) string {
	t.Helper()
	reference, _ := resolved.(map[string]any)
	if id, found := reference["Ref"].(string); found {
		return id
	}
	attribute, _ := reference["Fn::GetAtt"].([]any)
	require.NotEmpty(t, attribute, "%v does not name a resource", resolved)
	return attribute[0].(string)
}

func TestAlarmTriage_CanBeScopeTaggedAndDependedOn(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Tags = &map[string]*string{"team": jsii.String("payments")} })
	awscdk.Tags_Of(triage).Add(jsii.String("more"), jsii.String("tags"), nil)
	topic := awssns.NewTopic(triage, jsii.String("Inner"), nil)
	topic.Node().AddDependency(triage)
	synth(stack).HasResourceProperties(jsii.String("AWS::DynamoDB::Table"), like("Tags", assertions.Match_ArrayWith(&[]any{
		object("Key", "more", "Value", "tags"), object("Key", "team", "Value", "payments")})))
}

func TestExistingResources_AreGrantedToTheOrchestratorAndDeniedToTheTool(t *testing.T) {
	stack := newStack()
	key := awskms.NewKey(stack, jsii.String("Key"), nil)
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ReportsBucket = awss3.NewBucket(stack, jsii.String("Bucket"), &awss3.BucketProps{EncryptionKey: key})
		p.InvestigationsTable = awsdynamodb.Table_FromTableName(stack, jsii.String("Table"), jsii.String("claims"))
		p.NotificationTopic = awssns.NewTopic(stack, jsii.String("Pager"), &awssns.TopicProps{MasterKey: awskms.NewKey(stack, jsii.String("PagerKey"), nil)})
	})
	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::S3::Bucket"), jsii.Number(1))
	template.ResourceCountIs(jsii.String("AWS::DynamoDB::Table"), jsii.Number(0))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Environment", like("Variables", like("INVESTIGATIONS_TABLE", "claims"))))

	granted := map[string]string{}
	for _, s := range policies(t, stack, "TriageOrchestratorRole") {
		for _, action := range strings.Fields(text(s.Action)) {
			granted[action] += text(s.Resource) + " "
		}
	}
	assert.Contains(t, granted["dynamodb:UpdateItem"], "table/claims")
	assert.Contains(t, granted["s3:PutObject"], "Bucket")
	assert.Contains(t, granted["kms:Decrypt"], "${Key", "CDK knows the bucket's key")
	assert.Contains(t, granted["kms:GenerateDataKey*"], "${PagerKey", "CDK knows the topic's key")
	var denied string
	for _, s := range policies(t, stack, "TriageToolDeniesOwn") {
		denied += text(s.Resource) + " "
	}
	for _, own := range []string{"table/claims", "${Bucket", "${Pager"} {
		assert.Contains(t, denied, own)
	}
}

func TestRunbooks_OnlyThePrefixIsReadable(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("docs")), Prefix: jsii.String("runbooks/")}
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Environment", like("Variables", like("RUNBOOKS_URI", "s3://docs/runbooks/"))))
	var readable []string
	for _, s := range policies(t, stack, "TriageOrchestratorRole") {
		if resource := text(s.Resource); strings.Contains(resource, ":docs") {
			readable = append(readable, text(s.Action)+" "+resource)
		}
	}
	assert.Equal(t, []string{"s3:GetObject arn:${AWS::Partition}:s3:::docs/runbooks/*"}, readable)
}

func TestFunctions_UseTheSettingsOfTheProps(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
		p.Vpc = vpc
		p.SecurityGroups = &[]awsec2.ISecurityGroup{awsec2.SecurityGroup_FromSecurityGroupId(stack, jsii.String("Group"), jsii.String("sg-0a1b2c3d"), nil)}
		p.OrchestratorTimeout, p.OrchestratorMemorySize = awscdk.Duration_Seconds(jsii.Number(300)), jsii.Number(512)
		p.ToolTimeout, p.ToolMemorySize = awscdk.Duration_Seconds(jsii.Number(90)), jsii.Number(1769)
		p.MaxConcurrentInvestigations, p.ToolReservedConcurrentExecutions = jsii.Number(3), jsii.Number(7)
		p.RedactPatterns = jsii.Strings("shop-[0-9]+")
		p.Tracing = awslambda.Tracing_ACTIVE
		p.Architecture = awslambda.Architecture_X86_64()
		p.LogLevel = alarmtriage.LogLevel_DEBUG
	})
	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::EC2::SecurityGroup"), jsii.Number(0))
	template.AllResourcesProperties(jsii.String("AWS::Lambda::Function"), like(
		"VpcConfig", like("SecurityGroupIds", []string{"sg-0a1b2c3d"}), "TracingConfig", object("Mode", "Active"),
		"Architectures", []string{"x86_64"}, "LoggingConfig", like("ApplicationLogLevel", "DEBUG", "LogFormat", "JSON")))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "provided.al2023",
		"Timeout", 300, "MemorySize", 512, "ReservedConcurrentExecutions", 3,
		"Environment", like("Variables", like("TOOL_TIMEOUT_SECONDS", "90", "REDACT_PATTERNS", `["shop-[0-9]+"]`))))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "python3.13",
		"Timeout", 90, "MemorySize", 1769, "ReservedConcurrentExecutions", 7,
		"Environment", like("Variables", like("REDACT", "true", "REDACT_PATTERNS", `["shop-[0-9]+"]`))))
	unredacted := newStack()
	newTriage(unredacted, func(p *alarmtriage.AlarmTriageProps) { p.RedactSecrets = jsii.Bool(false) })
	synth(unredacted).AllResourcesProperties(jsii.String("AWS::Lambda::Function"), like("Environment", like("Variables", like("REDACT", "false"))))
}

func TestBounds_HaveDefaultsThatCanBeTurnedOff(t *testing.T) {
	for _, c := range []struct {
		name       string
		change     func(p *alarmtriage.AlarmTriageProps)
		concurrent any
		variables  []any
	}{
		{"default", nil, 10, []any{"MAX_PER_DAY", "200", "MAX_COST_USD_PER_DAY", "50"}},
		{"other limits", func(p *alarmtriage.AlarmTriageProps) {
			p.MaxConcurrentInvestigations, p.MaxCostUsdPerDay = jsii.Number(25), jsii.Number(12.5)
		}, 25, []any{"MAX_COST_USD_PER_DAY", "12.5"}},
		{"no limits", func(p *alarmtriage.AlarmTriageProps) {
			p.MaxConcurrentInvestigations, p.MaxCostUsdPerDay, p.MaxInvestigationsPerDay = jsii.Number(0), jsii.Number(0), jsii.Number(0)
		}, assertions.Match_Absent(), []any{"MAX_PER_DAY", "0", "MAX_COST_USD_PER_DAY", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stack := newStack()
			newTriage(stack, c.change)
			synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "provided.al2023",
				"ReservedConcurrentExecutions", c.concurrent, "Environment", like("Variables", like(c.variables...))))
		})
	}
}

func TestReaders_AreInTheEnvironment(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.AccountNames = &map[string]*string{"111122223333": jsii.String("prod"), "444455556666": jsii.String("Prüfung & Test")}
		p.TimeZone = jsii.String("Europe/Berlin")
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "provided.al2023", "Environment", like("Variables", like(
		"TIME_ZONE", "Europe/Berlin", "ACCOUNT_NAMES", "{\"111122223333\":\"prod\",\"444455556666\":\"Prüfung \\u0026 Test\"}"))))
}

func TestLogClass_AppliesToBothLogGroups(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.LogClass = "INFREQUENT_ACCESS" })
	synth(stack).AllResourcesProperties(jsii.String("AWS::Logs::LogGroup"), like("LogGroupClass", "INFREQUENT_ACCESS"))
}

func TestLogClass_DeliveryHasNoRetention(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.LogClass = awslogs.LogGroupClass_DELIVERY })
	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::Logs::LogGroup"), jsii.Number(2))
	template.AllResourcesProperties(jsii.String("AWS::Logs::LogGroup"),
		like("LogGroupClass", "DELIVERY", "RetentionInDays", assertions.Match_Absent()))
}

func TestNewAlarmTriage_WorksTwiceInOneStack(t *testing.T) {
	stack := newStack()
	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	for _, id := range []string{"Payments", "Orders"} {
		alarmtriage.NewAlarmTriage(stack, jsii.String(id), &alarmtriage.AlarmTriageProps{
			NotificationTopic: topic, SelfAlarmTopic: topic, Dashboard: jsii.Bool(true)}).AttachEventRule(jsii.String("All"), nil)
	}
	names := map[any]bool{}
	for _, alarm := range *synth(stack).FindResources(jsii.String("AWS::CloudWatch::Alarm"), nil) {
		names[(*alarm)["Properties"].(map[string]any)["AlarmName"]] = true
	}
	assert.Len(t, names, 16, "each alarm needs a unique name")
}

func TestGrantReadReports_IncludesTheKey(t *testing.T) {
	for _, name := range []string{"new bucket", "imported bucket"} {
		t.Run(name, func(t *testing.T) {
			stack := newStack()
			const arn = "arn:aws:kms:eu-west-1:111122223333:key/abc"
			triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.ReportsEncryptionKey = awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String(arn))
				if name == "imported bucket" {
					p.ReportsBucket = awss3.Bucket_FromBucketName(stack, jsii.String("Bucket"), jsii.String("reports"))
				}
			})
			triage.GrantReadReports(awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()}))
			granted := map[string]string{}
			for _, s := range policies(t, stack, "ReaderDefaultPolicy") {
				for _, action := range strings.Fields(text(s.Action)) {
					granted[action] = text(s.Resource)
				}
			}
			assert.Equal(t, arn, granted["kms:Decrypt"])
		})
	}
}

func TestGrantReadReports_ExcludesCheckpoints(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	reader := awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	triage.GrantReadReports(reader)
	for _, s := range policies(t, stack, "ReaderDefaultPolicy") {
		assert.Contains(t, text(s.Resource), "/reports/2*")
		assert.NotContains(t, text(s.Resource), "/reports/*")
	}
}

// anywhere is the variant whose stack has no account and Region at synth.
const anywhere = "anywhere"

// newVariantStack returns an empty stack for a variant.
func newVariantStack(name string) awscdk.Stack {
	if name == anywhere {
		return newStackIn("")
	}
	return newStack()
}

// goldenVariants are the stacks whose templates are in testdata.
var goldenVariants = []struct {
	name   string
	change func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps)
}{
	{"default", func(awscdk.Stack, *alarmtriage.AlarmTriageProps) {}},
	{anywhere, func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.AllowModelSubscriptions = jsii.Bool(true) }},
	{"named", func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.ResourcePrefix, p.ResourceSuffix = jsii.String("prod"), jsii.String("eu")
	}},
	{"everything", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		key := awskms.NewKey(stack, jsii.String("Key"), nil)
		p.BedrockModelId = jsii.String("global.anthropic.claude-sonnet-4-5-20250929-v1:0")
		p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("abc123"), GuardrailVersion: jsii.String("1")}
		p.Instructions = jsii.String("The shop is busiest at noon.")
		p.Architecture = awslambda.Architecture_X86_64()
		p.MaxConcurrentInvestigations, p.ToolReservedConcurrentExecutions = jsii.Number(5), jsii.Number(20)
		p.MaxTokens, p.MaxCostUsd, p.MaxRounds = jsii.Number(500_000), jsii.Number(2.5), jsii.Number(40)
		p.MaxQueryCostUsd, p.MaxInvestigationsPerDay = jsii.Number(0.5), jsii.Number(50)
		p.ReportsAccessLogs = &alarmtriage.ReportsAccessLogs{Bucket: awss3.NewBucket(stack, jsii.String("Logs"), nil), Prefix: jsii.String("triage/")}
		p.ReportsRetention = awscdk.Duration_Days(jsii.Number(90))
		p.ReportsEncryptionKey, p.TableEncryptionKey, p.TopicEncryptionKey, p.LogsEncryptionKey = key, key, key, key
		p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Boundary"), jsii.String("arn:aws:iam::111122223333:policy/boundary"))
		p.ToolAllowHostOutput, p.ToolAllowBilledReads, p.ToolDeniedActions = jsii.Bool(true), jsii.Bool(true), jsii.Strings("iam:ListUsers")
		p.ToolAllowedAccounts = jsii.Strings("444455556666")
		p.ToolDeniedResources = jsii.Strings("arn:aws:logs:*:*:log-group:payments-*")
		p.RemovalPolicy = awscdk.RemovalPolicy_DESTROY
		p.NotifyRecovery = jsii.Bool(true)
		p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Runbooks"), jsii.String("runbooks")), Key: jsii.String("triage.txt")}
		p.ModelPrices = &map[string]*alarmtriage.ModelPrice{"anthropic.claude-sonnet-4": {Input: jsii.Number(3.3), Output: jsii.Number(16.5)}}
		p.ChatCardTopic = awssns.NewTopic(stack, jsii.String("Chat"), &awssns.TopicProps{MasterKey: key})
		p.Tracing = awslambda.Tracing_ACTIVE
	}},
	{"existing", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		key := awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/abc"))
		p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Pager"), jsii.String("arn:aws:sns:eu-west-1:111122223333:pager"))
		p.ReportsBucket = awss3.NewBucket(stack, jsii.String("Bucket"), &awss3.BucketProps{Encryption: awss3.BucketEncryption_KMS})
		p.InvestigationsTable = awsdynamodb.Table_FromTableAttributes(stack, jsii.String("Table"), &awsdynamodb.TableAttributes{
			TableName: jsii.String("claims"), EncryptionKey: key})
		p.TopicEncryptionKey = key
		p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("docs")), Prefix: jsii.String("runbooks/")}
		p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST
		p.LogClass = awslogs.LogGroupClass_INFREQUENT_ACCESS
	}},
	{"watched", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.Dashboard = jsii.Bool(true)
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
		p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), nil)
		p.CompletionEventBus = awsevents.NewEventBus(stack, jsii.String("Bus"), nil)
	}},
	{"members", func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.Members = &alarmtriage.Members{Accounts: jsii.Strings("444455556666", "777788889999")}
		p.ConsoleUrl = jsii.String("https://example.awsapps.com/start/#/console?account_id={account}&role_name=ReadOnly&destination={url}")
	}},
	{"isolated", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.Vpc = awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Vpc"), &awsec2.VpcAttributes{
			VpcId: jsii.String("vpc-0a1b2c3d"), AvailabilityZones: jsii.Strings("eu-west-1a", "eu-west-1b"), VpcCidrBlock: jsii.String("10.0.0.0/16"),
			IsolatedSubnetIds: jsii.Strings("subnet-0a1b2c3d", "subnet-1a2b3c4d"), IsolatedSubnetRouteTableIds: jsii.Strings("rtb-0a1b2c3d", "rtb-1a2b3c4d"),
		})
		p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
		p.CreateVpcEndpoints = jsii.Bool(true)
		p.VpcEndpointServices = &[]awsec2.InterfaceVpcEndpointAwsService{
			awsec2.InterfaceVpcEndpointAwsService_ECS(), awsec2.InterfaceVpcEndpointAwsService_LAMBDA()}
		p.Tracing = awslambda.Tracing_ACTIVE
	}},
}

// renamedHint explains a failure: CloudFormation identifies a resource only by its logical id.
const renamedHint = "a logical id is missing or has another type: CloudFormation would replace that resource in every deployed stack, " +
	"and a new table or bucket is empty. Keep the id of the construct. If it must go, say so in CHANGELOG.md as a " +
	"breaking change, raise the major version, and run `go test . -run LogicalIds -update`"

func TestLogicalIds_DoNotChange(t *testing.T) {
	const golden = "testdata/logical-ids.json"
	got := map[string]map[string]string{}
	for _, variant := range goldenVariants {
		stack := newVariantStack(variant.name)
		triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { variant.change(stack, p) })
		triage.AttachEventRule(jsii.String("Rule"), nil)
		ids := map[string]string{}
		for id, resource := range (*synth(stack).ToJSON())["Resources"].(map[string]any) {
			if kind := resource.(map[string]any)["Type"].(string); strings.HasPrefix(id, "Triage") {
				ids[id] = kind
			}
		}
		got[variant.name] = ids
	}
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(golden, append(text, '\n'), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err, "make it with `go test . -update`")
	var want map[string]map[string]string
	require.NoError(t, json.Unmarshal(text, &want))
	for variant, ids := range want {
		for id, kind := range ids {
			assert.Equal(t, kind, got[variant][id], "variant %s, %s: %s", variant, id, renamedHint)
		}
	}
	for _, variant := range goldenVariants {
		assert.Len(t, want[variant.name], len(got[variant.name]), "variant %s has new resources: add them with `go test . -update`", variant.name)
	}
}

var assetHash = regexp.MustCompile(`[0-9a-f]{64}`)

// sensitiveReads returns the statements that deny the tool sensitive reads, in the order of their policies.
func sensitiveReads(template map[string]any) []map[string]any {
	resources := template["Resources"].(map[string]any)
	var found []map[string]any
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		properties, _ := resources[id].(map[string]any)["Properties"].(map[string]any)
		document, _ := properties["PolicyDocument"].(map[string]any)
		statements, _ := document["Statement"].([]any)
		for _, statement := range statements {
			if s := statement.(map[string]any); s["Sid"] == "SensitiveReads" {
				found = append(found, s)
			}
		}
	}
	return found
}

// deniedReads returns the actions that a template denies the tool.
func deniedReads(template map[string]any) map[any]bool {
	denied := map[any]bool{}
	for _, statement := range sensitiveReads(template) {
		for _, action := range statement["Action"].([]any) {
			denied[action] = true
		}
	}
	return denied
}

// collapseDenies replaces the default denies of a template with a marker, so that a new default deny changes
// only the golden file of the default variant. Actions that the variant's props add remain.
func collapseDenies(template map[string]any, defaults map[any]bool) {
	const marker = "(the default denies, see default.template.json)"
	var added []any
	statements := sensitiveReads(template)
	for _, statement := range statements {
		for _, action := range statement["Action"].([]any) {
			if !defaults[action] {
				added = append(added, action)
			}
		}
		statement["Action"] = []any{marker}
	}
	statements[0]["Action"] = append([]any{marker}, added...)
}

func TestTemplates_MatchTheGoldenFiles(t *testing.T) {
	plain := newStack()
	newTriage(plain, nil)
	defaultDenies := deniedReads(*synth(plain).ToJSON())
	for _, variant := range goldenVariants {
		t.Run(variant.name, func(t *testing.T) {
			stack := newVariantStack(variant.name)
			triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { variant.change(stack, p) })
			triage.AttachAlarms(newAlarm(stack, "One"), newAlarm(stack, "Two"))
			template := *synth(stack).ToJSON()
			if variant.name != "default" {
				collapseDenies(template, defaultDenies)
			}
			text, err := json.MarshalIndent(template, "", "  ")
			require.NoError(t, err)
			got := assetHash.ReplaceAllString(string(text), "HASH") + "\n"
			golden := filepath.Join("testdata", variant.name+".template.json")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "make it with `go test . -update`")
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the template changed (-want +got); look at it, then run `go test . -update`:\n%s", diff)
			}
		})
	}
}
