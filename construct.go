package alarmtriage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// AlarmTriage investigates CloudWatch alarms. Make one with [NewAlarmTriage].
type AlarmTriage struct {
	constructs.Construct
	models               []chosenModel // that the orchestrator asks, in order
	orchestrator         awslambda.Function
	tool                 awslambda.Function
	orchestratorRole     awsiam.Role
	toolRole             awsiam.Role
	orchestratorLogGroup awslogs.LogGroup
	toolLogGroup         awslogs.LogGroup
	table                awsdynamodb.ITable
	reports              awss3.IBucket
	reportsKey           awskms.IKey             // nil: none that is known
	dashboard            awscloudwatch.Dashboard // nil: none
	selfAlarms           []awscloudwatch.AlarmBase
	attached             []constructs.IConstruct // alarms
	topics               []awssns.ITopic         // that it and its own alarms send to
	notifyRecovery       bool
}

// NewAlarmTriage adds an AlarmTriage to scope. It panics once, with every mistake in props, when
// something is wrong with them.
func NewAlarmTriage(scope constructs.Construct, id *string, props *AlarmTriageProps) *AlarmTriage {
	return newAlarmTriage(scope, id, props, time.Now())
}

// newAlarmTriage is NewAlarmTriage at a given time, since the lives of models end.
func newAlarmTriage(scope constructs.Construct, id *string, props *AlarmTriageProps, now time.Time) *AlarmTriage {
	if mistakes := validate(props); len(mistakes) > 0 {
		panic(fmt.Sprintf("alarmtriage: %s", strings.Join(mistakes, "\nalarmtriage: ")))
	}
	p := withDefaults(props)
	t := &AlarmTriage{topics: []awssns.ITopic{p.NotificationTopic}, notifyRecovery: *p.NotifyRecovery}
	if p.ChatCardTopic != nil {
		t.topics = append(t.topics, p.ChatCardTopic)
	}
	if p.SelfAlarmTopic != nil {
		t.topics = append(t.topics, p.SelfAlarmTopic)
	}
	constructs.NewConstruct_Override(t, scope, id)
	t.models = t.chooseModels(p)

	if t.table = p.InvestigationsTable; t.table == nil {
		t.table = t.newTable(p)
	}
	if t.reports = p.ReportsBucket; t.reports == nil {
		t.reports = t.newReportBucket(p)
	}
	t.reportsKey = firstKey(p.ReportsEncryptionKey, t.reports.EncryptionKey())
	t.toolLogGroup = t.newLogGroup(p, "ToolLogs", "tool-lambda")
	t.orchestratorLogGroup = t.newLogGroup(p, "OrchestratorLogs", "triage-handler")
	t.toolRole = newToolRole(t, p, physicalName(p, "tool-role"), t.own(p))
	t.tool = t.newTool(p)
	t.orchestratorRole = t.newOrchestratorRole(p)
	t.orchestrator = t.newOrchestrator(p)
	t.annotateModels(now)
	t.allowHandOver()
	t.allowAlarms()
	t.checkItself(p)
	if p.Vpc != nil {
		t.denyNetworkToCode()
	}
	if *p.CreateVpcEndpoints {
		t.createVpcEndpoints(p)
	} else {
		t.warnOfIsolation(p)
	}
	if *p.Dashboard {
		t.dashboard = t.newDashboard(p)
	}
	if p.SelfAlarmTopic != nil {
		t.watch(p)
	}
	t.Node().AddValidation(&actionLimit{triage: t})
	if p.Tags != nil {
		for key, value := range *p.Tags {
			awscdk.Tags_Of(t).Add(jsii.String(key), value, nil)
		}
	}
	return t
}

// physicalName is prefix-name-suffix, or nil where CloudFormation is to make a name.
func physicalName(p *AlarmTriageProps, name string) *string {
	if p.ResourcePrefix == nil && p.ResourceSuffix == nil {
		return nil
	}
	parts := []string{name}
	if p.ResourcePrefix != nil {
		parts = append([]string{*p.ResourcePrefix}, parts...)
	}
	if p.ResourceSuffix != nil {
		parts = append(parts, *p.ResourceSuffix)
	}
	return jsii.String(strings.Join(parts, "-"))
}

// lowerName is physicalName in lower case. A token stays as it is: it stands for a text that is not known yet.
func lowerName(p *AlarmTriageProps, name string) *string {
	lower := func(affix *string) *string {
		if affix == nil || unresolved(affix) {
			return affix
		}
		return jsii.String(strings.ToLower(*affix))
	}
	return physicalName(&AlarmTriageProps{ResourcePrefix: lower(p.ResourcePrefix), ResourceSuffix: lower(p.ResourceSuffix)}, name)
}

func (t *AlarmTriage) newTable(p *AlarmTriageProps) awsdynamodb.Table {
	props := &awsdynamodb.TableProps{
		TableName:           physicalName(p, "investigations"),
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String(config.TableKey), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String(config.TableTTL),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		RemovalPolicy: p.RemovalPolicy,
	}
	if p.TableEncryptionKey != nil {
		props.Encryption = awsdynamodb.TableEncryption_CUSTOMER_MANAGED
		props.EncryptionKey = p.TableEncryptionKey
	}
	return awsdynamodb.NewTable(t, jsii.String("Investigations"), props)
}

func (t *AlarmTriage) newReportBucket(p *AlarmTriageProps) awss3.Bucket {
	props := &awss3.BucketProps{
		BucketName:        t.bucketName(p),
		Versioned:         jsii.Bool(true),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:        jsii.Bool(true),
		RemovalPolicy:     p.RemovalPolicy,
		LifecycleRules:    reportLifecycle(p),
	}
	if p.ReportsEncryptionKey != nil {
		props.Encryption = awss3.BucketEncryption_KMS
		props.EncryptionKey = p.ReportsEncryptionKey
		props.BucketKeyEnabled = jsii.Bool(true)
	}
	if logs := p.ReportsAccessLogs; logs != nil {
		props.ServerAccessLogsBucket = logs.Bucket
		props.ServerAccessLogsPrefix = logs.Prefix
	}
	return awss3.NewBucket(t, jsii.String("Reports"), props)
}

// bucketName is {prefix}-alarm-reports-{account}-{region}: bucket names are unique over all accounts.
func (t *AlarmTriage) bucketName(p *AlarmTriageProps) *string {
	name := lowerName(p, "alarm-reports")
	if name == nil {
		return nil
	}
	stack := awscdk.Stack_Of(t)
	if p.ResourceSuffix != nil { // the suffix often is the Region; it stands last anyway
		return jsii.String(fmt.Sprintf("%s-%s", *name, *stack.Account()))
	}
	return jsii.String(fmt.Sprintf("%s-%s-%s", *name, *stack.Account(), *stack.Region()))
}

func reportLifecycle(p *AlarmTriageProps) *[]*awss3.LifecycleRule {
	day := awscdk.Duration_Days(jsii.Number(1))
	rules := []*awss3.LifecycleRule{{
		// The orchestrator never deletes, so that it needs no grant to.
		Id:                          jsii.String("ForgetCheckpoints"),
		Prefix:                      jsii.String(config.CheckpointsPrefix),
		Expiration:                  day,
		NoncurrentVersionExpiration: day,
	}}
	if p.ReportsRetention != nil {
		rules = append(rules, &awss3.LifecycleRule{
			Id:                                  jsii.String("ReportsRetention"),
			Expiration:                          p.ReportsRetention,
			NoncurrentVersionExpiration:         p.ReportsRetention,
			AbortIncompleteMultipartUploadAfter: day,
		})
	}
	return &rules
}

func (t *AlarmTriage) newLogGroup(p *AlarmTriageProps, id, name string) awslogs.LogGroup {
	props := &awslogs.LogGroupProps{
		LogGroupClass: p.LogClass,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	}
	if p.LogClass != awslogs.LogGroupClass_DELIVERY { // CloudWatch sets the retention of that class itself
		props.Retention = p.LogRetention
	}
	if physical := physicalName(p, name); physical != nil {
		props.LogGroupName = jsii.String("/aws/lambda/" + *physical)
	}
	if p.LogsEncryptionKey != nil {
		props.EncryptionKey = p.LogsEncryptionKey
	}
	return awslogs.NewLogGroup(t, jsii.String(id), props)
}

// own lists what the tool may not look at.
func (t *AlarmTriage) own(p *AlarmTriageProps) ownResources {
	own := ownResources{
		data: []*string{t.table.TableArn(), t.reports.BucketArn(), t.reports.ArnForObjects(jsii.String("*")), p.NotificationTopic.TopicArn()},
		logs: []*string{t.orchestratorLogGroup.LogGroupArn(), t.toolLogGroup.LogGroupArn()},
	}
	if p.ChatCardTopic != nil {
		own.data = append(own.data, p.ChatCardTopic.TopicArn())
	}
	return own
}

// functionProps is what both functions have in common.
func (t *AlarmTriage) functionProps(p *AlarmTriageProps, name string) *awslambda.FunctionProps {
	return &awslambda.FunctionProps{
		FunctionName:          physicalName(p, name),
		Architecture:          p.Architecture,
		LoggingFormat:         awslambda.LoggingFormat_JSON,
		ApplicationLogLevelV2: awslambda.ApplicationLogLevel(p.LogLevel),
		SystemLogLevelV2:      awslambda.SystemLogLevel_INFO,
		Tracing:               p.Tracing,
		Vpc:                   p.Vpc,
		VpcSubnets:            p.VpcSubnets,
		SecurityGroups:        p.SecurityGroups,
	}
}

func goarch(architecture awslambda.Architecture) string {
	if *architecture.Name() == *awslambda.Architecture_X86_64().Name() {
		return "amd64"
	}
	return "arm64"
}

// toolExecutable is the tool's Go program in its package.
const toolExecutable = "alarmtriage-tool"

func (t *AlarmTriage) newTool(p *AlarmTriageProps) awslambda.Function {
	layers := []awslambda.ILayerVersion{awslambda.NewLayerVersion(t, jsii.String("Harness"), &awslambda.LayerVersionProps{
		Description:        jsii.String("Runs the Python of alarmtriage's model"),
		Code:               newPythonLayer().code(),
		CompatibleRuntimes: &[]awslambda.Runtime{awslambda.Runtime_PYTHON_3_13()},
	})}
	if p.ToolLayers != nil {
		layers = append(layers, *p.ToolLayers...)
	}
	env := toolSettings(p).Environment()
	env["AWS_LAMBDA_EXEC_WRAPPER"] = "/var/task/" + toolExecutable

	props := t.functionProps(p, "tool-lambda")
	props.Description = jsii.String("Runs the read-only Python of an investigating model, sandboxed")
	props.Runtime = awslambda.Runtime_PYTHON_3_13()
	props.Handler = jsii.String("alarmtriage_tool.handler") // never called: the wrapper is the runtime client
	props.Code = (&goLambda{pkg: "lambdas/tool", executable: toolExecutable, goarch: goarch(p.Architecture)}).code()
	props.Layers = &layers
	props.Role = t.toolRole
	props.LogGroup = t.toolLogGroup
	props.Timeout = p.ToolTimeout
	props.MemorySize = p.ToolMemorySize
	props.ReservedConcurrentExecutions = p.ToolReservedConcurrentExecutions
	props.Environment = environment(env)
	return awslambda.NewFunction(t, jsii.String("Tool"), props)
}

// toolSettings is what the tool is told: the broker in it refuses the same reads as the role.
func toolSettings(p *AlarmTriageProps) config.Tool {
	return config.Tool{
		Redact:         *p.RedactSecrets,
		RedactPatterns: jsonOf(p.RedactPatterns),
		OpenReads:      openReads(p),
		AllowedActions: texts(p.ToolAllowedActions),
		DeniedActions:  texts(p.ToolDeniedActions),
	}
}

// texts are the strings of a list prop.
func texts(list *[]*string) []string {
	if list == nil {
		return nil
	}
	values := make([]string, len(*list))
	for i, value := range *list {
		values[i] = *value
	}
	return values
}

func (t *AlarmTriage) newOrchestratorRole(p *AlarmTriageProps) awsiam.Role {
	role := awsiam.NewRole(t, jsii.String("OrchestratorRole"), &awsiam.RoleProps{
		RoleName:            physicalName(p, "triage-role"),
		Description:         jsii.String("Claims alarms, asks the model, runs the tool, stores and sends reports"),
		AssumedBy:           awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		PermissionsBoundary: p.PermissionsBoundary,
	})
	t.grantOrchestrator(p, role)
	t.grantKeys(role, p)
	allowNetwork(role, p)
	for _, grant := range []struct {
		role awsiam.Role
		logs awslogs.LogGroup
	}{{role, t.orchestratorLogGroup}, {t.toolRole, t.toolLogGroup}} {
		grant.logs.GrantWrite(grant.role)
	}
	return role
}

func (t *AlarmTriage) newOrchestrator(p *AlarmTriageProps) awslambda.Function {
	settings := config.Orchestrator{
		ModelID:       t.models[0].id,
		ToolFunction:  *t.tool.FunctionArn(),
		ToolTimeout:   durationOf(p.ToolTimeout),
		Table:         *t.table.TableName(),
		ReportsBucket: *t.reports.BucketName(),
		TopicARN:      *p.NotificationTopic.TopicArn(),
		Window:        durationOf(p.InvestigationWindow),
		MaxRounds:     int(*p.MaxRounds),
		Instructions:  deref(p.Instructions),
	}
	for _, m := range t.models[1:] {
		settings.FallbackModelIDs = append(settings.FallbackModelIDs, m.id)
	}
	settings.NotifyRecovery = *p.NotifyRecovery
	settings.Redact, settings.RedactPatterns = *p.RedactSecrets, jsonOf(p.RedactPatterns)
	if p.ChatCardTopic != nil {
		settings.CardTopicARN = *p.ChatCardTopic.TopicArn()
	}
	if p.MaxTokens != nil {
		settings.MaxTokens = int(*p.MaxTokens)
	}
	if p.MaxCostUsd != nil {
		settings.MaxCostUSD = *p.MaxCostUsd
	}
	if p.Guardrail != nil {
		settings.GuardrailID, settings.GuardrailVersion = *p.Guardrail.GuardrailId, *p.Guardrail.GuardrailVersion
	}
	if p.CompletionEventBus != nil {
		settings.EventBus = *p.CompletionEventBus.EventBusArn()
	}

	settings.InstructionsURI = t.instructionsURI(p)
	settings.RunbooksURI = t.runbooksURI(p)
	settings.Prices = pricesJSON(awscdk.Stack_Of(t), p.ModelPrices)

	props := t.functionProps(p, "triage-handler")
	props.Description = jsii.String("Investigates CloudWatch alarms with an AI model and reports what it found")
	props.Runtime = awslambda.Runtime_PROVIDED_AL2023()
	props.Handler = jsii.String("bootstrap")
	props.Code = (&goLambda{pkg: "lambdas/orchestrator", executable: "bootstrap", goarch: goarch(p.Architecture)}).code()
	props.Role = t.orchestratorRole
	props.LogGroup = t.orchestratorLogGroup
	props.Timeout = p.OrchestratorTimeout
	props.MemorySize = p.OrchestratorMemorySize
	props.ReservedConcurrentExecutions = p.MaxConcurrentInvestigations
	env := settings.Environment()
	for name, value := range unresolvedNumbers(p) {
		env[name] = value
	}
	props.Environment = environment(env)
	// A long investigation hands over to itself, which Lambda's loop detection would stop after 16 times;
	// the orchestrator bounds the number itself, far below.
	props.RetryAttempts = jsii.Number(2)
	if p.OnFailureQueue != nil {
		props.OnFailure = awslambdadestinations.NewSqsDestination(p.OnFailureQueue)
	}
	return awslambda.NewFunction(t, jsii.String("Orchestrator"), props)
}

// unresolvedNumbers are the orchestrator's variables whose values only CloudFormation knows, such as those of
// parameters. A token of a number is a number without a meaning, so that it must not be computed with.
func unresolvedNumbers(p *AlarmTriageProps) map[string]string {
	env := map[string]string{}
	put := func(name string, value *float64) {
		if value != nil && unresolved(value) {
			env[name] = *awscdk.Tokenization_StringifyNumber(value)
		}
	}
	put(config.EnvMaxRounds, p.MaxRounds)
	put(config.EnvMaxTokens, p.MaxTokens)
	put(config.EnvMaxCostUSD, p.MaxCostUsd)
	put(config.EnvToolTimeout, p.ToolTimeout.ToSeconds(nil))
	put(config.EnvWindow, p.InvestigationWindow.ToSeconds(nil))
	return env
}

// instructionsURI is where the orchestrator reads more instructions, which it is granted to; empty: nowhere.
func (t *AlarmTriage) instructionsURI(p *AlarmTriageProps) string {
	var bucket awss3.IBucket
	var key *string
	switch {
	case p.InstructionsFile != nil:
		asset := awss3assets.NewAsset(t, jsii.String("Instructions"), &awss3assets.AssetProps{Path: p.InstructionsFile})
		bucket, key = asset.Bucket(), asset.S3ObjectKey()
	case p.InstructionsObject != nil:
		bucket, key = p.InstructionsObject.Bucket, p.InstructionsObject.Key
	default:
		return ""
	}
	t.grantObjects(bucket, "ReadInstructions", *key)
	return fmt.Sprintf("s3://%s/%s", *bucket.BucketName(), *key)
}

// runbooksURI is below which alarms name their runbooks, which the orchestrator is granted to read; empty:
// nowhere.
func (t *AlarmTriage) runbooksURI(p *AlarmTriageProps) string {
	if p.Runbooks == nil {
		return ""
	}
	prefix := deref(p.Runbooks.Prefix)
	t.grantObjects(p.Runbooks.Bucket, "ReadRunbooks", prefix+"*")
	return fmt.Sprintf("s3://%s/%s", *p.Runbooks.Bucket.BucketName(), prefix)
}

// grantObjects lets the orchestrator read objects, and nothing else that CDK's own grant would give: that
// opens the bucket's configuration and lists too.
func (t *AlarmTriage) grantObjects(bucket awss3.IBucket, sid, keys string) {
	t.orchestratorRole.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(sid), Actions: jsii.Strings("s3:GetObject"), Resources: &[]*string{bucket.ArnForObjects(jsii.String(keys))},
	}))
	if key := bucket.EncryptionKey(); key != nil {
		key.GrantDecrypt(t.orchestratorRole)
	}
}

// pricesJSON is the override of the price table as the orchestrator reads it.
func pricesJSON(stack awscdk.Stack, prices *map[string]*ModelPrice) string {
	if prices == nil || len(*prices) == 0 {
		return ""
	}
	table, hasTokens := map[string]map[string]float64{}, false
	for model, price := range *prices {
		entry := map[string]float64{"input": *price.Input, "output": *price.Output}
		if price.CacheRead != nil {
			entry["cache_read"] = *price.CacheRead
		}
		if price.CacheWrite != nil {
			entry["cache_write"] = *price.CacheWrite
		}
		table[model] = entry
		for _, value := range entry {
			hasTokens = hasTokens || unresolved(value)
		}
	}
	if hasTokens {
		return *stack.ToJsonString(table, nil)
	}
	text, err := json.Marshal(table)
	if err != nil { // numbers always marshal, but NaN, which is no price
		panic(fmt.Sprintf("alarmtriage: ModelPrices: %v", err))
	}
	return string(text)
}

// allowHandOver lets the orchestrator invoke itself. The policy is one of its own, since the function
// depends on its role's default policy and can't be named in it.
func (t *AlarmTriage) allowHandOver() {
	awsiam.NewPolicy(t, jsii.String("HandOver"), &awsiam.PolicyProps{
		Roles: &[]awsiam.IRole{t.orchestratorRole},
		Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:       jsii.String("HandOver"),
			Actions:   jsii.Strings("lambda:InvokeFunction"),
			Resources: &[]*string{t.orchestrator.FunctionArn()},
		})},
	})
}

func environment(env map[string]string) *map[string]*string {
	values := make(map[string]*string, len(env))
	for name, value := range env {
		values[name] = jsii.String(value)
	}
	return &values
}

func jsonOf(list *[]*string) string {
	if list == nil || len(*list) == 0 {
		return ""
	}
	text, err := json.Marshal(*list)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(text)
}

// Orchestrator is the function that alarms invoke.
func (t *AlarmTriage) Orchestrator() awslambda.IFunction { return t.orchestrator }

// Tool is the function that runs the model's Python.
func (t *AlarmTriage) Tool() awslambda.IFunction { return t.tool }

// OrchestratorLogGroup holds the orchestrator's log.
func (t *AlarmTriage) OrchestratorLogGroup() awslogs.ILogGroup { return t.orchestratorLogGroup }

// ToolLogGroup holds the tool's log.
func (t *AlarmTriage) ToolLogGroup() awslogs.ILogGroup { return t.toolLogGroup }

// OrchestratorRole is the role of the orchestrator.
func (t *AlarmTriage) OrchestratorRole() awsiam.IRole { return t.orchestratorRole }

// ToolRole is the role that the model's code acts under. What is added to it can be read by the model;
// the built-in denies still win.
func (t *AlarmTriage) ToolRole() awsiam.IRole { return t.toolRole }

// InvestigationsTable holds the claims of running and recent investigations.
func (t *AlarmTriage) InvestigationsTable() awsdynamodb.ITable { return t.table }

// ReportsBucket holds the reports, under `reports/YYYY/MM/DD/`.
func (t *AlarmTriage) ReportsBucket() awss3.IBucket { return t.reports }

// Dashboard is the dashboard of the prop Dashboard, or nil without it.
func (t *AlarmTriage) Dashboard() awscloudwatch.Dashboard { return t.dashboard }

// SelfAlarms are the alarms of the prop SelfAlarmTopic, none without it.
func (t *AlarmTriage) SelfAlarms() []awscloudwatch.AlarmBase { return slices.Clone(t.selfAlarms) }
