package alarmtriage

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
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

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// AlarmTriage investigates CloudWatch alarms. [NewAlarmTriage] creates one.
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
	reportsKey           awskms.IKey             // nil if the bucket has no key, or its key is not known
	keyProblems          problems                // keys whose use can't be granted
	dashboard            awscloudwatch.Dashboard // nil without the prop Dashboard
	selfAlarms           []awscloudwatch.AlarmBase
	targets              []target                 // topics that it and its self-alarms send to
	reportTopics         map[string]awssns.ITopic // those of its reports, by the prop; they may be nil
	notifyRecovery       bool
	mayConfirm           bool // the orchestrator may ask CloudWatch about alarms
	members              config.Members
	memberSets           memberSets          // empty without the prop Members
	memberBus            awsevents.IEventBus // nil without the prop Members
	memberBusName        string
	reads                AlarmTriageProps // the props that grant the tool its reads

	vpc             awsec2.IVpc // nil without the prop Vpc
	endpoints       []newEndpoint
	securityGroups  []awsec2.ISecurityGroup
	hasGateways     bool        // S3 and DynamoDB are reached through gateway endpoints, because of CreateVpcEndpoints
	routeTables     []string    // IDs of those that its gateway endpoints are added to
	addedRules      []groupRule // that it added for existing endpoints
	path            string      // of the construct
	orchestratorARN *string     // a token
	names           []string    // of its resources, as alarmjs.Identify returns them
	machine         machine
	place           place // where its physical names must be unique

	attachments map[string]*attachment // by the path of the alarm
	attached    []*attachment          // the same, in order
	all         []*attachAll           // one for each call of AttachAll
	rules       []ruleSource           // of AttachEventRule
	alarmTopics []topicSource          // of AttachTopic
	hasSources  bool                   // there is an event rule or a topic
	permissions []string               // paths of the permissions to invoke the orchestrator that AlarmTriage itself creates
	accounts    []string               // of AccountNames, sorted
	hasRunbooks bool
	isolated    bool // the functions' subnets have no route to the internet

	needed         []service // those whose endpoints the app must define, because the subnets are isolated
	functionTables []string  // IDs of the route tables of isolated subnets of the functions

	notifying        [][]alarmjs.Notifying // as topicAlarms returns it
	sentToDefaultBus *bool                 // as receivesOnDefaultBus returns it
	senders          map[string][]string   // as sendersTo returns them, by the ARN of the target, as alarmjs.Identify returns it

	app    *appState
	shared map[*AlarmTriage][]string // paths of alarms that another AlarmTriage had before
	uses   map[string][]string       // by the path of another stack: resources of it that AlarmTriage uses
	reach  map[awscdk.Stack]string   // why alarms of a stack can't be attached; empty if they can
	latest awscdk.Stack              // the last one whose alarms can be attached
	cycles map[awscdk.Stack]bool     // stacks that can't depend on AlarmTriage's stack
}

// NewAlarmTriage adds an AlarmTriage to scope. If props has mistakes, it panics once and lists all of them.
func NewAlarmTriage(scope constructs.Construct, id *string, props *AlarmTriageProps) *AlarmTriage {
	return newAlarmTriage(scope, id, props, time.Now())
}

// newAlarmTriage is NewAlarmTriage at a given time, which decides which models are retired.
func newAlarmTriage(scope constructs.Construct, id *string, props *AlarmTriageProps, now time.Time) *AlarmTriage {
	panicOn(append(validateScope("NewAlarmTriage", scope, id), validate(scope, props)...))
	p := withOwnElsewhere(scope, withDefaults(props))
	t := &AlarmTriage{
		members: memberSettings(p.Members, *awscdk.Stack_Of(scope).Account()), memberBusName: *memberBusName(p), reads: readsOf(p),
		targets: targetsOf(p), reportTopics: map[string]awssns.ITopic{"NotificationTopic": p.NotificationTopic, "ChatCardTopic": p.ChatCardTopic},
		notifyRecovery: *p.NotifyRecovery, attachments: map[string]*attachment{}, shared: map[*AlarmTriage][]string{},
		vpc: p.Vpc, uses: map[string][]string{}, reach: map[awscdk.Stack]string{}, cycles: map[awscdk.Stack]bool{},
	}
	app := joinApp(scope)
	app.rejectNames(scope, *id, p)
	constructs.NewConstruct_Override(t, scope, id)
	t.path = *t.Node().Path()
	if p.SecurityGroups != nil {
		t.securityGroups = *p.SecurityGroups
	}
	t.join(app, p)
	t.machine = inspectMachine(awscdk.Stack_Of(t))

	// The models come first, because the orchestrator's settings and permissions depend on them.
	t.models = t.chooseModels(p)
	t.annotateModels(now)
	t.annotatePrices(p.ModelPrices)
	t.annotateBudgets(p)

	// Storage for claims, reports, and logs.
	t.table = t.newOrGivenTable(p)
	t.reports = t.newOrGivenBucket(p)
	t.reportsKey = firstKey(p.ReportsEncryptionKey, t.reports.EncryptionKey())
	t.allowLogsKey(p)
	t.toolLogGroup = t.newLogGroup(p, "ToolLogs", "tool-lambda")
	t.orchestratorLogGroup = t.newLogGroup(p, "OrchestratorLogs", "triage-handler")

	// The tool runs the model's code. Its role is denied the storage above.
	t.toolRole = t.newToolRole(p)
	t.allowMembers(p)
	t.tool = t.newTool(p)

	// The orchestrator calls the tool. Its role starts without any permission.
	instructions, runbooks := t.instructions(p), runbooksOf(p)
	t.orchestratorRole = t.newOrchestratorRole(p)
	t.orchestrator = t.newOrchestrator(p, instructions, runbooks)
	t.orchestratorARN = t.orchestrator.FunctionArn()
	t.rememberNames(p)

	// These are all permissions of the orchestrator, except those that CDK adds for Tracing and OnFailureQueue.
	// The permission for the hand-over names the orchestrator, so the function is created first.
	t.allowModels(p)
	t.allowTool()
	t.allowStorage(p)
	t.allowTexts(p, instructions, runbooks)
	t.allowAlarmState()
	t.allowNotifications(p)
	t.allowFromHere(p)
	t.keyProblems = append(t.keyProblems, t.unnamedRole(p)...)
	slices.Sort(t.keyProblems)
	panicOn(t.keyProblems)
	t.allowSelfCheck(p)
	t.allowHandOver()

	// Lambda, not the functions' code, connects the functions to the VPC.
	t.allowNetworkToLambda(p)
	t.connectVpc(p)

	// Every alarm of this account and Region may start the orchestrator, and so may the self-check's schedule and the alarms
	// of member accounts.
	t.allowAlarms()
	t.scheduleSelfCheck(p)
	t.receiveMemberAlarms(p)

	// Optional monitoring of AlarmTriage itself.
	t.addDashboard(p)
	t.addSelfAlarms(p)

	// Checks and tags that need the finished construct tree.
	t.useProps(p)
	t.warnOfLayers(p)
	t.warnOfStorage(p)
	annotateActions(t, p, p.ToolDeniedActions, p.ToolAllowedActions)
	annotateResources(t, p.ToolDeniedResources)
	t.warnOfDeniedTraces(p)
	t.warnOfMemberRole(p.Members)
	t.permissions = permissionsOf(t)
	t.hasRunbooks = p.Runbooks != nil
	if p.AccountNames != nil {
		t.accounts = slices.Sorted(maps.Keys(*p.AccountNames))
	}
	t.Node().AddValidation(&synthCheck{triage: t})
	t.addTags(p)
	return t
}

// lookupPlaceholder begins what CDK returns instead of a parameter that it has not looked up yet.
const lookupPlaceholder = "dummy-value-for-"

// panicOn panics with every problem, one per line, if there are any.
func panicOn(problems []string) {
	if len(problems) == 0 {
		return
	}
	text := withoutTokens("alarmtriage: " + strings.Join(problems, "\nalarmtriage: "))
	if strings.Contains(text, lookupPlaceholder) {
		text += fmt.Sprintf("\nalarmtriage: %q begins what CDK returns until it has looked a parameter up, for which the synth must succeed: pass a value of the "+
			"right form as the defaultValue of StringParameter_ValueFromLookup", lookupPlaceholder)
	}
	panic(text)
}

// target is a topic that AlarmTriage or its self-alarms send to, and the prop with the topic.
type target struct {
	prop  string
	topic awssns.ITopic
}

// targetsOf returns the topics that AlarmTriage and its self-alarms send to.
func targetsOf(p *AlarmTriageProps) []target {
	all := []target{{"NotificationTopic", p.NotificationTopic}, {"ChatCardTopic", p.ChatCardTopic}, {"SelfAlarmTopic", p.SelfAlarmTopic}}
	return slices.DeleteFunc(all, func(t target) bool { return t.topic == nil })
}

// addTags tags every resource with the prop Tags.
func (t *AlarmTriage) addTags(p *AlarmTriageProps) {
	if p.Tags == nil {
		return
	}
	for key, value := range *p.Tags {
		awscdk.Tags_Of(t).Add(jsii.String(key), value, nil)
	}
}

// physicalName returns prefix-name-suffix, or nil if CloudFormation generates the name.
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

// lowerName is physicalName in lower case. Tokens are not changed, because their text is not known yet.
func lowerName(p *AlarmTriageProps, name string) *string {
	lower := func(affix *string) *string {
		if affix == nil || unresolved(affix) {
			return affix
		}
		return jsii.String(strings.ToLower(*affix))
	}
	return physicalName(&AlarmTriageProps{ResourcePrefix: lower(p.ResourcePrefix), ResourceSuffix: lower(p.ResourceSuffix)}, name)
}

func (t *AlarmTriage) newOrGivenTable(p *AlarmTriageProps) awsdynamodb.ITable {
	if p.InvestigationsTable != nil {
		return p.InvestigationsTable
	}
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

func (t *AlarmTriage) newOrGivenBucket(p *AlarmTriageProps) awss3.IBucket {
	if p.ReportsBucket != nil {
		return p.ReportsBucket
	}
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

// warnOfStorage warns if a table or a bucket of the app lacks what it should have. Imported ones are not known.
func (t *AlarmTriage) warnOfStorage(p *AlarmTriageProps) {
	field := func(properties any, name string) any {
		if properties == nil {
			return nil
		}
		fields, _ := awscdk.Stack_Of(t).Resolve(properties).(map[string]any)
		return fields[name]
	}
	if p.InvestigationsTable != nil {
		var ttl any
		known := true
		switch resource := p.InvestigationsTable.Node().DefaultChild().(type) {
		case awsdynamodb.CfnTable:
			ttl = resource.TimeToLiveSpecification()
		case awsdynamodb.CfnGlobalTable:
			ttl = resource.TimeToLiveSpecification()
		default:
			known = false
		}
		if known && (field(ttl, "attributeName") != config.TableTTL || field(ttl, "enabled") == false) {
			t.warn("table-ttl", "InvestigationsTable %s does not delete old items: set its TimeToLiveAttribute to %q",
				*p.InvestigationsTable.Node().Path(), config.TableTTL)
		}
	}
	if p.ReportsAccessLogs != nil && !isNil(p.ReportsAccessLogs.Bucket) {
		t.warnOfAccessLogKey(p.ReportsAccessLogs.Bucket)
	}
	if p.ReportsBucket == nil {
		return
	}
	if bucket, isResource := p.ReportsBucket.Node().DefaultChild().(awss3.CfnBucket); isResource {
		if field(bucket.VersioningConfiguration(), "status") != "Enabled" {
			t.warn("bucket-versions", "ReportsBucket %s has no versions, so a report that is overwritten or deleted is lost: set its prop Versioned",
				*p.ReportsBucket.Node().Path())
		}
	}
}

// warnOfAccessLogKey warns if S3 can't deliver access logs to a bucket of the app ("Enabling Amazon S3 server access logging").
func (t *AlarmTriage) warnOfAccessLogKey(logs awss3.IBucket) {
	bucket, isResource := logs.Node().DefaultChild().(awss3.CfnBucket)
	if !isResource {
		return
	}
	encryption, _ := alarmjs.Properties(bucket)["BucketEncryption"].(map[string]any)
	rules, _ := encryption["ServerSideEncryptionConfiguration"].([]any)
	usesKMS := func(rule any) bool {
		fields, _ := rule.(map[string]any)
		byDefault, _ := fields["ServerSideEncryptionByDefault"].(map[string]any)
		algorithm, _ := byDefault["SSEAlgorithm"].(string)
		return strings.HasPrefix(algorithm, "aws:kms")
	}
	if slices.ContainsFunc(rules, usesKMS) {
		t.warn("access-log-key", "the bucket %s of ReportsAccessLogs is encrypted with KMS, and S3 only delivers access logs to buckets with SSE-S3: use "+
			"BucketEncryption S3_MANAGED for it", *logs.Node().Path())
	}
}

// warnOfCheckpoints warns if a bucket of the app keeps checkpoints. The app may add lifecycle rules after AlarmTriage.
func (t *AlarmTriage) warnOfCheckpoints() {
	bucket, isResource := t.reports.Node().DefaultChild().(awss3.CfnBucket)
	if !isResource || t.contains(*t.reports.Node().Path()) {
		return
	}
	properties := alarmjs.Properties(bucket)
	lifecycle, _ := properties["LifecycleConfiguration"].(map[string]any)
	versioning, _ := properties["VersioningConfiguration"].(map[string]any)
	rules, _ := lifecycle["Rules"].([]any)
	expired := ""
	switch {
	case !slices.ContainsFunc(rules, expiresCheckpoints("ExpirationInDays", "ExpirationDate")):
		expired = config.CheckpointsPrefix
	case versioning["Status"] == "Enabled" &&
		!slices.ContainsFunc(rules, expiresCheckpoints("NoncurrentVersionExpiration", "NoncurrentVersionExpirationInDays")):
		expired = "the versions of " + config.CheckpointsPrefix
	default:
		return
	}
	t.warn("bucket-checkpoints", "ReportsBucket %s has no lifecycle rule that expires %s, so the checkpoints of all investigations, which contain "+
		"their conversations, are kept: add a rule with the Prefix %s, and one day as Expiration and NoncurrentVersionExpiration",
		*t.reports.Node().Path(), expired, config.CheckpointsPrefix)
}

// expiresCheckpoints returns a function that reports whether a lifecycle rule of a bucket expires all checkpoints by one of some
// properties, whenever it does.
func expiresCheckpoints(by ...string) func(rule any) bool {
	return func(rule any) bool {
		fields, _ := rule.(map[string]any)
		for _, filter := range []string{"TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan"} {
			if fields[filter] != nil {
				return false
			}
		}
		prefix, _ := fields["Prefix"].(string)
		return fields["Status"] == "Enabled" && strings.HasPrefix(config.CheckpointsPrefix, prefix) &&
			slices.ContainsFunc(by, func(property string) bool { return fields[property] != nil })
	}
}

// bucketName returns {prefix}-alarm-reports-{account}-{region}, or
// {prefix}-alarm-reports-{suffix}-{account}, or nil if CloudFormation generates the name. Bucket names are
// unique across all accounts.
func (t *AlarmTriage) bucketName(p *AlarmTriageProps) *string {
	name := lowerName(p, "alarm-reports")
	if name == nil {
		return nil
	}
	stack := awscdk.Stack_Of(t)
	if p.ResourceSuffix != nil { // the suffix replaces the Region, because it often is the Region
		return jsii.String(fmt.Sprintf("%s-%s", *name, *stack.Account()))
	}
	return jsii.String(fmt.Sprintf("%s-%s-%s", *name, *stack.Account(), *stack.Region()))
}

func reportLifecycle(p *AlarmTriageProps) *[]*awss3.LifecycleRule {
	day := awscdk.Duration_Days(jsii.Number(1))
	rules := []*awss3.LifecycleRule{{
		// This rule deletes checkpoints, so the orchestrator needs no permission to delete objects.
		Id:                          jsii.String("ForgetCheckpoints"),
		Prefix:                      jsii.String(config.CheckpointsPrefix),
		Expiration:                  day,
		NoncurrentVersionExpiration: day,
	}}
	if p.ReportsRetention != nil {
		rules = append(rules, &awss3.LifecycleRule{
			Id:                                  jsii.String("ReportsRetention"),
			Expiration:                          p.ReportsRetention,
			NoncurrentVersionExpiration:         day, // after that of the current version: the data is not kept twice as long
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

// functionProps returns the properties that both functions have in common.
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

// toolExecutable is the file name of the tool's Go program in its deployment package.
const toolExecutable = "alarmtriage-tool"

// toolRuntime returns the tool's runtime, which the layers must support.
func toolRuntime() awslambda.Runtime { return awslambda.Runtime_PYTHON_3_13() }

// warnOfLayers warns about layers that are not for the functions' architecture. Lambda accepts them, and what they contain
// may not depend on it.
func (t *AlarmTriage) warnOfLayers(p *AlarmTriageProps) {
	if p.ToolLayers == nil {
		return
	}
	for _, layer := range *p.ToolLayers {
		t.warnOfLayerFolder(layer)
		resource, isResource := layer.Node().DefaultChild().(awslambda.CfnLayerVersion)
		if !isResource || resource.CompatibleArchitectures() == nil {
			continue
		}
		if names := stringsOf(resource.CompatibleArchitectures()); !slices.Contains(names, *p.Architecture.Name()) {
			t.warn("layer-architecture", "CompatibleArchitectures of the layer %s are %s, and the functions' Architecture is %s: native code in "+
				"the layer can't be loaded. Build the layer for this architecture, or set Architecture", *layer.Node().Path(),
				listed(names), *p.Architecture.Name())
		}
	}
}

// warnOfLayerFolder warns about a layer that is a folder of the app and lacks the folder from which Python imports packages.
// A folder that a bundling would change is only known if the bundling runs.
func (t *AlarmTriage) warnOfLayerFolder(layer awslambda.ILayerVersion) {
	asset, isAsset := layer.Node().TryFindChild(jsii.String("Code")).(awss3assets.Asset)
	if !isAsset || *asset.IsFile() || !*awscdk.Stack_Of(layer).BundlingRequired() {
		return
	}
	folder := *asset.AssetPath()
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(*awscdk.Stage_Of(layer).Outdir(), folder)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return
	}
	if _, err := os.Stat(filepath.Join(folder, "python")); errors.Is(err, fs.ErrNotExist) {
		t.warn("layer-folder", "the layer %s has no folder python, from which Python imports the packages of a layer: move the packages into a folder of this "+
			"name, and pass the folder that contains it", *layer.Node().Path())
	}
}

func (t *AlarmTriage) newTool(p *AlarmTriageProps) awslambda.Function {
	layers := []awslambda.ILayerVersion{awslambda.NewLayerVersion(t, jsii.String("Harness"), &awslambda.LayerVersionProps{
		Description:        jsii.String("Runs the Python of alarmtriage's model"),
		Code:               (&pythonLayer{python: t.machine.python()}).code(),
		CompatibleRuntimes: &[]awslambda.Runtime{toolRuntime()},
	})}
	if p.ToolLayers != nil {
		layers = append(layers, *p.ToolLayers...)
	}
	settings := toolSettings(p)
	settings.Members = t.members
	env := settings.Environment()
	env["AWS_LAMBDA_EXEC_WRAPPER"] = "/var/task/" + toolExecutable

	props := t.functionProps(p, "tool-lambda")
	props.Description = jsii.String("Runs the read-only Python of an investigating model, sandboxed")
	props.Runtime = toolRuntime()
	props.Handler = jsii.String("alarmtriage_tool.handler") // never called: the wrapper is the runtime client
	props.Code = (&goLambda{pkg: "lambdas/tool", executable: toolExecutable, goarch: goarch(p.Architecture)}).code(t.machine.toolchain())
	props.Layers = &layers
	props.Role = t.toolRole
	props.LogGroup = t.toolLogGroup
	props.Timeout = p.ToolTimeout
	props.MemorySize = p.ToolMemorySize
	props.ReservedConcurrentExecutions = p.ToolReservedConcurrentExecutions
	props.Environment = environment("tool", env)
	return awslambda.NewFunction(t, jsii.String("Tool"), props)
}

// toolSettings returns the tool's configuration. Its broker refuses the same reads that its role denies, except those of
// AlarmTriage's own resources.
func toolSettings(p *AlarmTriageProps) config.Tool {
	return config.Tool{
		Redact:         *p.RedactSecrets,
		RedactPatterns: jsonOf(p.RedactPatterns),
		OpenReads:      openReads(p),
		AllowedActions: stringsOf(p.ToolAllowedActions),
		DeniedActions:  stringsOf(p.ToolDeniedActions),

		AllowedAccounts: stringsOf(p.ToolAllowedAccounts),
		DeniedResources: stringsOf(p.ToolDeniedResources),
	}
}

// stringsOf returns the strings of a list prop.
func stringsOf(list *[]*string) []string {
	if list == nil {
		return nil
	}
	values := make([]string, len(*list))
	for i, value := range *list {
		values[i] = *value
	}
	return values
}

func (t *AlarmTriage) newOrchestrator(p *AlarmTriageProps, instructions, runbooks *s3Texts) awslambda.Function {
	settings := config.Orchestrator{
		ModelID:       t.models[0].id,
		ToolFunction:  *t.tool.FunctionArn(),
		ToolTimeout:   durationOf(p.ToolTimeout),
		Table:         *t.table.TableName(),
		ReportsBucket: *t.reports.BucketName(),
		TopicARN:      *p.NotificationTopic.TopicArn(),
		Window:        durationOf(p.InvestigationWindow),
		MaxRounds:     int(*p.MaxRounds),
		MaxPerDay:     int(*p.MaxInvestigationsPerDay),
		Instructions:  deref(p.Instructions),
	}
	for _, m := range t.models[1:] {
		settings.FallbackModelIDs = append(settings.FallbackModelIDs, m.id)
	}
	settings.MaxQueryCostUSD = *p.MaxQueryCostUsd
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
	settings.InstructionsURI = instructions.uri()
	settings.RunbooksURI = runbooks.uri()
	settings.Prices = pricesJSON(awscdk.Stack_Of(t), p.ModelPrices)
	settings.AccountNames, settings.TimeZone = t.accountNames(p.AccountNames), deref(p.TimeZone)
	settings.MaxCostUSDPerDay = *p.MaxCostUsdPerDay
	settings.ConsoleURL, settings.Members = deref(p.ConsoleUrl), t.members

	props := t.functionProps(p, "triage-handler")
	props.Description = jsii.String("Investigates CloudWatch alarms with an AI model and reports what it found")
	props.Runtime = awslambda.Runtime_PROVIDED_AL2023()
	props.Handler = jsii.String("bootstrap")
	props.Code = (&goLambda{pkg: "lambdas/orchestrator", executable: "bootstrap", goarch: goarch(p.Architecture)}).code(t.machine.toolchain())
	props.Role = t.orchestratorRole
	props.LogGroup = t.orchestratorLogGroup
	props.Timeout = p.OrchestratorTimeout
	props.MemorySize = p.OrchestratorMemorySize
	props.ReservedConcurrentExecutions = t.reservedConcurrency(p.MaxConcurrentInvestigations)
	env := settings.Environment()
	for name, value := range unresolvedNumbers(p) {
		env[name] = value
	}
	props.Environment = environment("orchestrator", env)
	// A long investigation is handed over to another invocation. The orchestrator limits the number of
	// hand-overs far below the 16 at which Lambda's recursive loop detection stops a function.
	props.RetryAttempts = jsii.Number(2)
	if p.OnFailureQueue != nil {
		props.OnFailure = awslambdadestinations.NewSqsDestination(t.failureQueue(p))
	}
	return awslambda.NewFunction(t, jsii.String("Orchestrator"), props)
}

// reservedConcurrency returns the orchestrator's reserved concurrency. Lambda never starts a function whose reserved concurrency
// is 0, so a value that only CloudFormation knows, such as a parameter, needs a condition, which compares texts. A parameter may also be
// 0.0.
func (t *AlarmTriage) reservedConcurrency(most *float64) *float64 {
	switch {
	case unresolved(most):
		value := awscdk.Tokenization_StringifyNumber(most)
		reserves := awscdk.NewCfnCondition(t, jsii.String("ReservesConcurrency"), &awscdk.CfnConditionProps{
			Expression: awscdk.Fn_ConditionNot(awscdk.Fn_ConditionOr(awscdk.Fn_ConditionEquals(value, jsii.String("0")),
				awscdk.Fn_ConditionEquals(value, jsii.String("0.0")))),
		})
		return awscdk.Token_AsNumber(awscdk.Fn_ConditionIf(reserves.LogicalId(), most, awscdk.Aws_NO_VALUE()))
	case *most > 0:
		return most
	default:
		return nil
	}
}

// unresolvedNumbers returns the orchestrator's environment variables whose values only CloudFormation knows,
// such as parameters. The token of a number is a meaningless number, so no code may calculate with it.
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
	put(config.EnvMaxQueryCostUSD, p.MaxQueryCostUsd)
	put(config.EnvMaxPerDay, p.MaxInvestigationsPerDay)
	put(config.EnvMaxCostUSDPerDay, p.MaxCostUsdPerDay)
	put(config.EnvToolTimeout, p.ToolTimeout.ToSeconds(nil))
	put(config.EnvWindow, p.InvestigationWindow.ToSeconds(nil))
	return env
}

// s3Texts are texts in S3 that the orchestrator reads.
type s3Texts struct {
	bucket awss3.IBucket
	key    string // of one object, or a prefix
	prefix bool
}

// uri returns the s3:// URI of the texts; empty if there are none.
func (s *s3Texts) uri() string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("s3://%s/%s", *s.bucket.BucketName(), s.key)
}

// instructions returns the object of InstructionsFile or InstructionsObject, or nil without either.
func (t *AlarmTriage) instructions(p *AlarmTriageProps) *s3Texts {
	switch {
	case p.InstructionsFile != nil:
		asset := awss3assets.NewAsset(t, jsii.String("Instructions"), &awss3assets.AssetProps{Path: p.InstructionsFile})
		return &s3Texts{bucket: asset.Bucket(), key: *asset.S3ObjectKey()}
	case p.InstructionsObject != nil:
		return &s3Texts{bucket: p.InstructionsObject.Bucket, key: *p.InstructionsObject.Key}
	default:
		return nil
	}
}

// runbooksOf returns the prefix of the prop Runbooks, or nil without it.
func runbooksOf(p *AlarmTriageProps) *s3Texts {
	if p.Runbooks == nil {
		return nil
	}
	return &s3Texts{bucket: p.Runbooks.Bucket, key: deref(p.Runbooks.Prefix), prefix: true}
}

// pricesJSON returns the prop ModelPrices as the orchestrator reads it.
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
	if err != nil { // NaN and infinity are the only numbers that do not marshal
		panic(fmt.Sprintf("alarmtriage: ModelPrices: %v", err))
	}
	return string(text)
}

// accountNames returns the prop AccountNames as the orchestrator reads it.
func (t *AlarmTriage) accountNames(names *map[string]*string) string {
	if names == nil || len(*names) == 0 {
		return ""
	}
	for id, name := range *names {
		if unresolved(id) || unresolved(name) {
			return *awscdk.Stack_Of(t).ToJsonString(names, nil)
		}
	}
	return namesJSON(names)
}

// namesJSON returns names of accounts as JSON, or "" without any.
func namesJSON(names *map[string]*string) string {
	if names == nil || len(*names) == 0 {
		return ""
	}
	text, err := json.Marshal(*names)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(text)
}

// maxEnvironment is the number of bytes that a function's environment has at most, as JSON ("Lambda quotas").
const maxEnvironment = 4096

// environment returns the environment of a function. It panics if the environment is certainly too long, because names are longer
// than the budgets of the texts assume. Tokens count as nothing.
func environment(function string, env map[string]string) *map[string]*string {
	values := make(map[string]*string, len(env))
	known := map[string]string{}
	for name, value := range env {
		known[name] = tokens.ReplaceAllString(value, "")
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(known); err != nil { // strings always marshal
		panic(err)
	}
	if size := text.Len() - len("\n"); size > maxEnvironment {
		names := slices.Collect(maps.Keys(known))
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(known[b])-len(known[a]), strings.Compare(a, b)) })
		for i, name := range names {
			names[i] = fmt.Sprintf("%s with %d", name, len(known[name]))
		}
		panic(fmt.Sprintf("alarmtriage: the environment of the %s has at least %d bytes as JSON, and Lambda accepts at most %d: shorten texts or names of "+
			"props, whose longest variables are %s", function, size, maxEnvironment, strings.Join(names[:min(len(names), 5)], ", ")))
	}
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

// Orchestrator returns the function that alarms invoke. Do not pass it to CDK's alarm actions, subscriptions, and rule targets:
// AlarmAction, AttachTopic, and AttachEventRule also check the alarms, and grant what the orchestrator needs for them.
func (t *AlarmTriage) Orchestrator() awslambda.IFunction { return t.orchestrator }

// Tool returns the function that runs the model's Python.
func (t *AlarmTriage) Tool() awslambda.IFunction { return t.tool }

// OrchestratorLogGroup returns the log group of the orchestrator.
func (t *AlarmTriage) OrchestratorLogGroup() awslogs.ILogGroup { return t.orchestratorLogGroup }

// ToolLogGroup returns the log group of the tool.
func (t *AlarmTriage) ToolLogGroup() awslogs.ILogGroup { return t.toolLogGroup }

// OrchestratorRole returns the role of the orchestrator.
func (t *AlarmTriage) OrchestratorRole() awsiam.IRole { return t.orchestratorRole }

// ToolRole returns the role of the tool, under which the model's code runs. Use ToolAllowedActions to allow more
// actions: permissions that are added to the role do not change which requests the broker forwards, but code that evades
// the broker can use them, except those that the built-in denies cover.
func (t *AlarmTriage) ToolRole() awsiam.IRole { return t.toolRole }

// InvestigationsTable returns the table with the claims of running and recent investigations.
func (t *AlarmTriage) InvestigationsTable() awsdynamodb.ITable { return t.table }

// ReportsBucket returns the bucket with the reports, whose keys begin with `reports/YYYY/MM/DD/`.
func (t *AlarmTriage) ReportsBucket() awss3.IBucket { return t.reports }

// GrantReadReports lets grantee read and decrypt the stored reports, but not the checkpoints of running
// investigations.
func (t *AlarmTriage) GrantReadReports(grantee awsiam.IGrantable) awsiam.Grant {
	if isNil(grantee) {
		panic("alarmtriage: GrantReadReports needs a grantee, such as a role or a function, got nil")
	}
	grant := t.reports.GrantRead(grantee, jsii.String(config.ReportsPrefix+"2*")) // years 2000 to 2999
	if t.reportsKey != nil && t.reports.EncryptionKey() == nil {
		// CDK does not know the key of an imported bucket.
		return grant.Combine(t.reportsKey.GrantDecrypt(grantee))
	}
	return grant
}

// Dashboard returns the dashboard of the prop Dashboard, or nil without it.
func (t *AlarmTriage) Dashboard() awscloudwatch.Dashboard { return t.dashboard }

// SelfAlarms returns the alarms of the prop SelfAlarmTopic; none without it.
func (t *AlarmTriage) SelfAlarms() []awscloudwatch.AlarmBase { return slices.Clone(t.selfAlarms) }
