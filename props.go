package alarmtriage

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
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

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
)

// LogLevel is how much both functions log.
type LogLevel string

// The log levels.
const (
	LogLevel_ERROR LogLevel = "ERROR"
	LogLevel_INFO  LogLevel = "INFO"
	LogLevel_DEBUG LogLevel = "DEBUG"
)

// ToolPermissions is what the tool's role is built from; the built-in denies apply to each.
type ToolPermissions string

// The kinds of tool roles.
const (
	// AWS's managed policy ReadOnlyAccess: every service, and what AWS adds to it.
	ToolPermissions_READ_ONLY_ACCESS ToolPermissions = "READ_ONLY_ACCESS"
	// The reads of this library's own list: the state, changes, metrics and logs of the services that
	// alarms usually are about, and nothing that AWS adds later.
	ToolPermissions_ALLOW_LIST ToolPermissions = "ALLOW_LIST"
)

// ReportsAccessLogs says where S3 writes the access log of the report bucket.
type ReportsAccessLogs struct {
	// The bucket that receives the log. Required.
	Bucket awss3.IBucket
	// The prefix of the log's keys. Default: none.
	Prefix *string
}

// Guardrail is a Bedrock guardrail which every model call passes.
type Guardrail struct {
	// Id or ARN of the guardrail. Required.
	GuardrailId *string
	// Its version: a number, or DRAFT. Required.
	GuardrailVersion *string
}

// InstructionsObject is a text in S3.
type InstructionsObject struct {
	// Its bucket. Required.
	Bucket awss3.IBucket
	// Its key. Required.
	Key *string
}

// Runbooks is where the runbooks of single alarms lie.
type Runbooks struct {
	// Their bucket. Required.
	Bucket awss3.IBucket
	// What all their keys begin with, such as `runbooks/`. Only what lies below it can be read.
	// Default: none, the whole bucket.
	Prefix *string
}

// ModelPrice is in US dollars per million tokens.
type ModelPrice struct {
	// Tokens sent to the model. Required.
	Input *float64
	// Tokens that it answers with. Required.
	Output *float64
	// Tokens read from the prompt cache. Default: 0.
	CacheRead *float64
	// Tokens written to the prompt cache. Default: 0.
	CacheWrite *float64
}

// AlarmTriageProps configures an AlarmTriage. Only NotificationTopic is required.
type AlarmTriageProps struct {
	// The topic that receives the reports. Required.
	NotificationTopic awssns.ITopic

	// The model that is asked first: an id (`openai.gpt-oss-120b-1:0`), the id of an inference profile
	// (`us.amazon.nova-2-lite-v1:0`, `global.…`), or the ARN of a profile or of a custom, imported or
	// provisioned model. A token that is an attribute whose name ends with Arn is used as an ARN, and any other
	// token, such as a parameter, as an id. Default: Claude Sonnet 5.5, through the inference profile that fits the
	// Region, also in stacks whose Region is not known at synth.
	BedrockModelId *string
	// The models that are asked, in this order, when the one before can't be used: access is missing, the model is
	// retired, or its quota is used up. At most 4; an empty list turns falling back off. Default: a model that
	// needs no subscription, Nova 2 Lite where the Region has it.
	FallbackModelIds *[]*string
	// Let the orchestrator's role subscribe the account, through Bedrock alone, to those of these models that are sold
	// through AWS Marketplace, such as Claude. Bedrock does so at the first call of such a model in an account, with
	// the caller's permissions. Default: false; somebody else calls the model once, or it is never subscribed to.
	AllowModelSubscriptions *bool
	// A guardrail for every model call. Default: none.
	Guardrail *Guardrail
	// Further text for the model: what an engineer new to your system should know. At most 2,000
	// characters, and with ModelPrices, FallbackModelIds and RedactPatterns 2,500 bytes. Default: none.
	Instructions *string
	// Path of a text file with more of it, such as runbooks; it is deployed with the stack, and its first
	// 64 KB are read at each investigation. Not together with InstructionsObject. Default: none.
	InstructionsFile *string
	// The same as an object in S3, which changes without a deployment. Default: none.
	InstructionsObject *InstructionsObject
	// Runbooks of single alarms. An alarm names its own by the tag `runbook`, or by a line `runbook: KEY` of
	// its description, where KEY is the key below Prefix or the whole s3:// URI. Its first 64 KB are read at
	// each investigation of that alarm. Default: none.
	Runbooks *Runbooks
	// Prices by the beginning of a model's id, for the estimated cost in reports and for MaxCostUsd.
	// Default: a built-in table of list prices.
	ModelPrices *map[string]*ModelPrice

	// How long one invocation of the orchestrator may take; a longer investigation goes on in another.
	// 60 to 900 seconds. Default: 900 seconds.
	OrchestratorTimeout awscdk.Duration
	// Memory of the orchestrator in MB, 128 to 10,240. Default: 1024.
	OrchestratorMemorySize *float64
	// How long one run of the model's code may take. 10 to 900 seconds. Default: 60 seconds.
	ToolTimeout awscdk.Duration
	// Memory of the tool in MB, 512 to 10,240. Default: 2048.
	ToolMemorySize *float64
	// Reserved concurrency of the tool. 1 or more. Default: unreserved.
	ToolReservedConcurrentExecutions *float64
	// How many investigations may run at the same time; further events wait in Lambda's queue.
	// 1 or more. Default: unreserved.
	MaxConcurrentInvestigations *float64
	// Further layers of the tool, for Python packages that its code may import. Default: none.
	ToolLayers *[]awslambda.ILayerVersion
	// Processor architecture of both functions. Default: arm64.
	Architecture awslambda.Architecture

	// One investigation per alarm and window. 1 minute to 7 days. Default: 1 hour.
	InvestigationWindow awscdk.Duration
	// Model rounds of one investigation, 1 to 100. Default: 100.
	MaxRounds *float64
	// Input and output tokens of one investigation, 10,000 or more. Default: no limit but MaxRounds.
	MaxTokens *float64
	// Estimated price of one investigation in US dollars, more than 0. Each model must have a known price: the
	// built-in one, or one in ModelPrices. Default: no limit but MaxRounds.
	MaxCostUsd *float64

	// Put before every physical name, with a hyphen. Letters, digits and hyphens, at most 20; with ResourceSuffix at
	// most 35, for the name of the report bucket.
	// Default: none; without prefix and suffix CloudFormation makes the names.
	ResourcePrefix *string
	// Put behind every physical name, with a hyphen. Letters, digits and hyphens, at most 20.
	// Default: none.
	ResourceSuffix *string
	// Tags of every resource. Default: none.
	Tags *map[string]*string

	// A bucket of your own for the reports. Of an imported one, give the key as ReportsEncryptionKey.
	// It should be versioned, and have a lifecycle rule that expires `reports/checkpoints/` after a day.
	// Not together with ReportsAccessLogs and ReportsRetention, which are properties of that bucket.
	// Default: a new one.
	ReportsBucket awss3.IBucket
	// A table of your own for the claims. Of an imported one, give the key as TableEncryptionKey. Its
	// partition key must be the string `pk`, and its TTL attribute should be `expires_at`. Default: a new one.
	InvestigationsTable awsdynamodb.ITable
	// Access log of the report bucket. Default: off.
	ReportsAccessLogs *ReportsAccessLogs
	// How long reports are kept, current and noncurrent versions. Whole days, 1 or more.
	// Default: for ever.
	ReportsRetention awscdk.Duration
	// What happens to table and bucket when the stack goes. Default: RETAIN.
	RemovalPolicy awscdk.RemovalPolicy

	// How much the functions log. Default: LogLevel_INFO.
	LogLevel LogLevel
	// How long their logs are kept. It can't be combined with LogClass DELIVERY. Default: one week.
	LogRetention awslogs.RetentionDays
	// The class of both log groups. Under INFREQUENT_ACCESS and DELIVERY CloudWatch makes no metrics of what
	// the orchestrator logs: the Metric… methods find nothing, and Dashboard and SelfAlarmTopic are refused.
	// Under DELIVERY CloudWatch keeps logs for about a day and can't search them: add subscription filters to
	// OrchestratorLogGroup and ToolLogGroup, which send them to S3 or Firehose.
	// It can't change once the log groups exist. Default: STANDARD.
	LogClass awslogs.LogGroupClass
	// X-Ray tracing of both functions. Default: DISABLED.
	Tracing awslambda.Tracing

	// The key of the report bucket. Default: SSE-S3.
	ReportsEncryptionKey awskms.IKey
	// The key of the table. Default: owned by AWS.
	TableEncryptionKey awskms.IKey
	// The key of NotificationTopic and ChatCardTopic, where they are encrypted with your own: the
	// orchestrator is granted its use. Default: none.
	TopicEncryptionKey awskms.IKey
	// The key of both log groups; its key policy must let CloudWatch Logs use it.
	// Default: owned by AWS.
	LogsEncryptionKey awskms.IKey

	// The VPC of both functions. Default: none.
	Vpc awsec2.IVpc
	// Where in Vpc. Default: its private subnets.
	VpcSubnets *awsec2.SubnetSelection
	// Security groups of both functions in Vpc. Default: a new one each.
	SecurityGroups *[]awsec2.ISecurityGroup

	// Create the VPC endpoints that the functions need where Vpc has no way to the internet: S3 and DynamoDB
	// as gateways; Bedrock, Lambda, SNS, STS, CloudWatch, CloudWatch Logs and CloudTrail as interfaces, and
	// EventBridge and X-Ray where the props use them. Only the functions can reach the interfaces. A second
	// endpoint of a service in the same VPC makes the deployment fail. Default: false.
	CreateVpcEndpoints *bool
	// Further services that the tool is to reach through endpoints of CreateVpcEndpoints, such as those that
	// your alarms are about. Default: none.
	VpcEndpointServices *[]awsec2.InterfaceVpcEndpointAwsService

	// What the tool's role is built from. Default: ToolPermissions_READ_ONLY_ACCESS.
	ToolPermissions ToolPermissions
	// IAM actions taken from the tool on top of the built-in denies. With ToolAllowedActions and RedactPatterns at
	// most 3,800 bytes. Default: none.
	ToolDeniedActions *[]*string
	// IAM actions given to the tool on top of ToolPermissions, by its role and by the broker, which passes
	// nothing but reads otherwise; a deny still wins. Default: none.
	ToolAllowedActions *[]*string
	// Let the tool read directories of people (Cognito users, identity store …). Default: false.
	ToolAllowPersonalData *bool
	// Let the tool read source code and artefacts (CodeCommit, Lambda packages …). Default: false.
	ToolAllowSourceCode *bool
	// Let the tool read console output, command output and database logs. Default: false.
	ToolAllowHostOutput *bool
	// Replace secrets in all that the tool answers and in the events of alarms. Default: true.
	RedactSecrets *bool
	// Regular expressions (RE2) of further secrets. Default: none.
	RedactPatterns *[]*string
	// Boundary of both roles. Default: none.
	PermissionsBoundary awsiam.IManagedPolicy

	// A topic that receives each report as a custom notification of Amazon Q Developer in chat
	// applications, for Slack and Teams. Default: none.
	ChatCardTopic awssns.ITopic
	// Also tell the topics when an investigated alarm is OK again. Default: false.
	NotifyRecovery *bool
	// A bus that receives an event when an investigation ends. Default: none.
	CompletionEventBus awsevents.IEventBus
	// Receives events whose investigation failed for good. Default: none.
	OnFailureQueue awssqs.IQueue

	// Check once a week that models, tool, table, bucket, and topics work, and notify NotificationTopic when
	// something is or will be wrong. Default: true.
	SelfCheck *bool
	// When SelfCheck runs. Default: on Mondays at 06:00 UTC.
	SelfCheckSchedule awsevents.Schedule
	// Add a CloudWatch dashboard of investigations, duration, cost and failures. Default: false.
	Dashboard *bool
	// A topic for alarms that watch the triage itself: failed and throttled invocations, lost events,
	// investigations without a conclusion, reports not stored or sent, and many refused requests. They are
	// never investigated, by this or another AlarmTriage. Give a topic that no AlarmTriage is attached to. CloudWatch
	// is let use its key, if CDK knows it; the policy of an imported key you complete yourself.
	// Default: none, no such alarms.
	SelfAlarmTopic awssns.ITopic
}

// Bounds of the props.
const (
	maxPrefixLength       = 20 // characters; a function's name has 64 in all
	maxAffixesLength      = 35 // characters of prefix and suffix; a bucket's name has 63 in all
	maxInstructionsLength = 2000
	minMaxTokens          = 10_000

	// A Lambda function's environment has 4,096 bytes as JSON ("Lambda quotas"); these are what the other variables
	// leave over of it, each at its longest.
	maxOrchestratorTexts = 2500
	maxToolTexts         = 3800
)

// withDefaults returns a copy of props with every default filled in.
func withDefaults(props *AlarmTriageProps) *AlarmTriageProps {
	p := *props
	fill(&p.OrchestratorMemorySize, 1024)
	fill(&p.ToolMemorySize, 2048)
	fill(&p.MaxRounds, config.MaxRounds)
	fill(&p.NotifyRecovery, false)
	fill(&p.RedactSecrets, true)
	fill(&p.CreateVpcEndpoints, false)
	fill(&p.Dashboard, false)
	fill(&p.SelfCheck, true)
	if p.SelfCheckSchedule == nil {
		p.SelfCheckSchedule = weekly()
	}
	if p.OrchestratorTimeout == nil {
		p.OrchestratorTimeout = awscdk.Duration_Seconds(jsii.Number(900))
	}
	if p.ToolTimeout == nil {
		p.ToolTimeout = awscdk.Duration_Seconds(jsii.Number(60))
	}
	if p.InvestigationWindow == nil {
		p.InvestigationWindow = awscdk.Duration_Hours(jsii.Number(1))
	}
	if p.Architecture == nil {
		p.Architecture = awslambda.Architecture_ARM_64()
	}
	if p.LogLevel == "" {
		p.LogLevel = LogLevel_INFO
	}
	if p.LogRetention == "" {
		p.LogRetention = awslogs.RetentionDays_ONE_WEEK
	}
	if p.Tracing == "" {
		p.Tracing = awslambda.Tracing_DISABLED
	}
	if p.ToolPermissions == "" {
		p.ToolPermissions = ToolPermissions_READ_ONLY_ACCESS
	}
	if p.RemovalPolicy == "" {
		p.RemovalPolicy = awscdk.RemovalPolicy_RETAIN
	}
	return &p
}

func fill[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

var (
	affixPattern     = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)
	guardrailVersion = regexp.MustCompile(`^([1-9][0-9]*|DRAFT)$`)
	actionPattern    = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z0-9*?]+$`)
)

// problems collects what is wrong with the props, each as "Prop must …, got …".
type problems []string

func (l *problems) add(format string, args ...any) {
	*l = append(*l, fmt.Sprintf(format, args...))
}

func (l *problems) number(prop string, value *float64, low, high float64) {
	if value == nil || unresolved(value) {
		return
	}
	if *value != float64(int64(*value)) || *value < low || *value > high {
		if high == unbounded {
			l.add("%s must be a whole number of at least %v, got %v", prop, low, *value)
			return
		}
		l.add("%s must be a whole number between %v and %v, got %v", prop, low, high, *value)
	}
}

// unbounded is the upper bound of numbers that have none of their own.
const unbounded = 1 << 40

func (l *problems) seconds(prop string, value awscdk.Duration, low, high float64, bounds string) {
	if value == nil || *value.IsUnresolved() {
		return
	}
	seconds := *value.ToSeconds(&awscdk.TimeConversionOptions{Integral: jsii.Bool(false)})
	if seconds < low || seconds > high {
		l.add("%s must be between %s, got %s", prop, bounds, *value.ToHumanString())
	} else if seconds != float64(int64(seconds)) {
		l.add("%s must be a whole number of seconds, got %s", prop, *value.ToHumanString())
	}
}

func (l *problems) oneOf(prop, value string, allowed ...string) {
	if value != "" && !unresolved(value) && !slices.Contains(allowed, value) {
		l.add("%s must be one of %s, got %q", prop, strings.Join(allowed, ", "), value)
	}
}

func unresolved(value any) bool { return *awscdk.Token_IsUnresolved(value) }

// validate lists all that is wrong with the props as the user gave them.
func validate(props *AlarmTriageProps) []string {
	var l problems
	if props == nil {
		return []string{"props are missing: AlarmTriageProps needs at least NotificationTopic"}
	}
	if props.NotificationTopic == nil {
		l.add("NotificationTopic is required: the awssns.ITopic that receives the reports")
	}
	l.models(props)
	l.seconds("OrchestratorTimeout", props.OrchestratorTimeout, 60, 900, "60 and 900 seconds")
	l.seconds("ToolTimeout", props.ToolTimeout, 10, 900, "10 and 900 seconds")
	l.seconds("InvestigationWindow", props.InvestigationWindow, 60, 7*24*3600, "1 minute and 7 days")
	l.number("OrchestratorMemorySize", props.OrchestratorMemorySize, 128, 10240)
	l.number("ToolMemorySize", props.ToolMemorySize, 512, 10240)
	l.number("ToolReservedConcurrentExecutions", props.ToolReservedConcurrentExecutions, 1, unbounded)
	l.number("MaxConcurrentInvestigations", props.MaxConcurrentInvestigations, 1, unbounded)
	l.number("MaxRounds", props.MaxRounds, 1, config.MaxRounds)
	l.number("MaxTokens", props.MaxTokens, minMaxTokens, unbounded)
	if usd := props.MaxCostUsd; usd != nil && !unresolved(usd) && !(*usd > 0) {
		l.add("MaxCostUsd must be more than 0, got %v", *usd)
	}
	if d := props.ReportsRetention; d != nil && !*d.IsUnresolved() {
		days := *d.ToDays(&awscdk.TimeConversionOptions{Integral: jsii.Bool(false)})
		if days < 1 || days != float64(int64(days)) {
			l.add("ReportsRetention must be a whole number of days of at least 1, got %s", *d.ToHumanString())
		}
	}
	for prop, value := range map[string]*string{"ResourcePrefix": props.ResourcePrefix, "ResourceSuffix": props.ResourceSuffix} {
		if value != nil && !unresolved(value) && (len(*value) > maxPrefixLength || !affixPattern.MatchString(*value)) {
			l.add("%s must be 1 to %d letters, digits and inner hyphens, got %q", prop, maxPrefixLength, *value)
		}
	}
	if prefix, suffix := props.ResourcePrefix, props.ResourceSuffix; props.ReportsBucket == nil && prefix != nil && suffix != nil &&
		!unresolved(prefix) && !unresolved(suffix) && len(*prefix)+len(*suffix) > maxAffixesLength {
		l.add("ResourcePrefix and ResourceSuffix must have at most %d characters together, as they are in a bucket's name, got %d", maxAffixesLength, len(*prefix)+len(*suffix))
	}
	if text := props.Instructions; text != nil && !unresolved(text) && len([]rune(*text)) > maxInstructionsLength {
		l.add("Instructions must have at most %d characters, got %d", maxInstructionsLength, len([]rune(*text)))
	}
	if props.InstructionsFile != nil && props.InstructionsObject != nil {
		l.add("InstructionsFile and InstructionsObject can't be given together")
	}
	if file := props.InstructionsFile; file != nil {
		if info, err := os.Stat(*file); err != nil || info.IsDir() {
			l.add("InstructionsFile must be the path of a text file, got %q", *file)
		}
	}
	if o := props.InstructionsObject; o != nil && (o.Bucket == nil || o.Key == nil) {
		l.add("InstructionsObject must have Bucket and Key")
	}
	if props.ModelPrices != nil {
		for model, price := range *props.ModelPrices {
			if price == nil || price.Input == nil || price.Output == nil {
				l.add("ModelPrices must give Input and Output for %q", model)
				continue
			}
			for _, value := range []*float64{price.Input, price.Output, price.CacheRead, price.CacheWrite} {
				if value != nil && !unresolved(value) && !(*value >= 0) {
					l.add("ModelPrices must be at least 0, got %v for %q", *value, model)
				}
			}
		}
	}
	l.oneOf("ToolPermissions", string(props.ToolPermissions), string(ToolPermissions_READ_ONLY_ACCESS), string(ToolPermissions_ALLOW_LIST))
	l.oneOf("LogLevel", string(props.LogLevel), "ERROR", "INFO", "DEBUG")
	if g := props.Guardrail; g != nil && (g.GuardrailId == nil || g.GuardrailVersion == nil) {
		l.add("Guardrail must have GuardrailId and GuardrailVersion")
	} else if g != nil && !unresolved(g.GuardrailVersion) && !guardrailVersion.MatchString(*g.GuardrailVersion) {
		l.add("Guardrail.GuardrailVersion must be a number or DRAFT, got %q", *g.GuardrailVersion)
	}
	if a := props.ReportsAccessLogs; a != nil && a.Bucket == nil {
		l.add("ReportsAccessLogs must have a Bucket")
	}
	l.existing(props)
	l.operations(props)
	l.entries(props)
	l.sizes(props)
	if props.Vpc == nil && (props.VpcSubnets != nil || props.SecurityGroups != nil) {
		l.add("VpcSubnets and SecurityGroups need Vpc")
	}
	for prop, list := range map[string]*[]*string{"ToolDeniedActions": props.ToolDeniedActions, "ToolAllowedActions": props.ToolAllowedActions} {
		if list == nil {
			continue
		}
		for _, action := range *list {
			if action == nil || !unresolved(action) && !actionPattern.MatchString(*action) {
				l.add("%s must hold IAM actions such as \"s3:GetBucketPolicy\", got %q", prop, deref(action))
			}
		}
	}
	if props.RedactPatterns != nil {
		for _, pattern := range *props.RedactPatterns {
			if _, err := regexp.Compile(deref(pattern)); err != nil || deref(pattern) == "" {
				l.add("RedactPatterns must hold RE2 regular expressions, got %q: %v", deref(pattern), err)
			}
		}
	}
	slices.Sort(l)
	return l
}

// models finds what is wrong with the models and with what is said about their prices.
func (l *problems) models(props *AlarmTriageProps) {
	var ids []string
	add := func(prop string, id *string) {
		switch {
		case id == nil || !unresolved(id) && !isModelName(*id):
			l.add("%s must be a model id, an inference profile id or an ARN of Bedrock, got %q", prop, deref(id))
		case slices.Contains(ids, *id):
			l.add("%s must name each model once, got %q twice", prop, *id)
		default:
			ids = append(ids, *id)
		}
	}
	if props.BedrockModelId != nil {
		add("BedrockModelId", props.BedrockModelId)
	}
	if list := props.FallbackModelIds; list != nil {
		switch {
		case unresolved(list):
			l.add("FallbackModelIds must be a list of a length that is known at synth, since the role names each model, got a token: " +
				"its elements may be tokens")
		case len(*list) >= maxModels:
			l.add("FallbackModelIds must hold at most %d models, got %d", maxModels-1, len(*list))
		default:
			for _, id := range *list {
				add("FallbackModelIds", id)
			}
		}
	}
	if props.MaxCostUsd == nil {
		return
	}
	prices := priceKeys(props.ModelPrices)
	for _, id := range ids {
		if _, known := prices.Lookup(id); !known && !unresolved(id) {
			l.add("MaxCostUsd needs the price of each model, and the built-in table has none for %q: add it to ModelPrices, or set "+
				"MaxTokens instead", id)
		}
	}
}

// isModelName reports whether a text can name a model. Commas separate the models in the function's environment.
func isModelName(id string) bool {
	return id != "" && !strings.ContainsAny(id, ", \t\n") && (!strings.HasPrefix(id, "arn:") || bedrockARN.MatchString(id))
}

// priceKeys returns a table that knows the same models as the orchestrator's. The user's prices in it are 0, since some may
// be tokens.
func priceKeys(prices *map[string]*ModelPrice) pricing.Table {
	override := map[string]struct{}{}
	if prices != nil {
		for model := range *prices {
			override[model] = struct{}{}
		}
	}
	text, err := json.Marshal(override)
	if err != nil { // names always marshal
		panic(err)
	}
	table, err := pricing.Parse(string(text))
	if err != nil {
		panic(fmt.Sprintf("alarmtriage: ModelPrices: %v", err))
	}
	return table
}

// existing finds what contradicts resources that the user brings.
func (l *problems) existing(props *AlarmTriageProps) {
	if props.ReportsBucket != nil && props.ReportsAccessLogs != nil {
		l.add("ReportsAccessLogs can't be given together with ReportsBucket: set the access log on that bucket")
	}
	if props.ReportsBucket != nil && props.ReportsRetention != nil {
		l.add("ReportsRetention can't be given together with ReportsBucket: set a lifecycle rule on that bucket")
	}
	if r := props.Runbooks; r != nil {
		if r.Bucket == nil {
			l.add("Runbooks must have a Bucket")
		}
		if prefix := r.Prefix; prefix != nil && !unresolved(prefix) && (*prefix == "" || strings.HasPrefix(*prefix, "/") || !strings.HasSuffix(*prefix, "/")) {
			l.add("Runbooks.Prefix must end with / and not begin with it, got %q", *prefix)
		}
	}
}

// operations finds what contradicts the props of network, logs and watching.
func (l *problems) operations(props *AlarmTriageProps) {
	isTrue := func(prop *bool) bool { return prop != nil && *prop }
	if isTrue(props.CreateVpcEndpoints) && props.Vpc == nil {
		l.add("CreateVpcEndpoints needs Vpc")
	}
	if props.VpcEndpointServices != nil && !isTrue(props.CreateVpcEndpoints) {
		l.add("VpcEndpointServices needs CreateVpcEndpoints")
	}
	if props.VpcEndpointServices != nil && slices.Contains(*props.VpcEndpointServices, nil) {
		l.add("VpcEndpointServices must hold services, got nil")
	}
	if props.SelfCheckSchedule != nil && props.SelfCheck != nil && !*props.SelfCheck {
		l.add("SelfCheckSchedule can't be given together with SelfCheck false")
	}
	l.oneOf("LogClass", string(props.LogClass), string(awslogs.LogGroupClass_STANDARD), string(awslogs.LogGroupClass_INFREQUENT_ACCESS), string(awslogs.LogGroupClass_DELIVERY))
	if props.LogClass != "" && props.LogClass != awslogs.LogGroupClass_STANDARD && (isTrue(props.Dashboard) || props.SelfAlarmTopic != nil) {
		l.add("Dashboard and SelfAlarmTopic need LogClass STANDARD, since other classes have no metrics, got %q", string(props.LogClass))
	}
	if props.LogClass == awslogs.LogGroupClass_DELIVERY && props.LogRetention != "" {
		l.add("LogRetention can't be combined with LogClass DELIVERY, whose retention CloudWatch sets itself, got %q: "+
			"leave out LogRetention, or use LogClass STANDARD or INFREQUENT_ACCESS", string(props.LogRetention))
	}
	if queue := props.OnFailureQueue; queue != nil && *queue.Fifo() {
		l.add("OnFailureQueue must be a standard queue: Lambda sends nothing to FIFO queues")
	}
	if topic := props.SelfAlarmTopic; topic != nil && topic == props.ChatCardTopic {
		l.add("SelfAlarmTopic must be another topic than ChatCardTopic, which takes chat cards alone")
	}
}

// entries finds lists and maps that hold nothing where something must be.
func (l *problems) entries(props *AlarmTriageProps) {
	if props.Tags != nil {
		for key, value := range *props.Tags {
			if value == nil {
				l.add("Tags must have values, got none for %q", key)
			}
		}
	}
	if props.ToolLayers != nil && slices.Contains(*props.ToolLayers, nil) {
		l.add("ToolLayers must hold layers, got nil")
	}
	if props.SecurityGroups != nil && slices.Contains(*props.SecurityGroups, nil) {
		l.add("SecurityGroups must hold security groups, got nil")
	}
}

// sizes finds texts that don't fit into the environments of the functions, which only the deployment would tell.
func (l *problems) sizes(props *AlarmTriageProps) {
	if size := jsonSize(props.Instructions, props.ModelPrices, props.FallbackModelIds, props.RedactPatterns); size > maxOrchestratorTexts {
		l.add("Instructions, ModelPrices, FallbackModelIds and RedactPatterns must have at most %d bytes together, as JSON, since the function's environment takes no more, got %d: "+
			"put longer ones into InstructionsFile or InstructionsObject", maxOrchestratorTexts, size)
	}
	if size := jsonSize(props.ToolAllowedActions, props.ToolDeniedActions, props.RedactPatterns); size > maxToolTexts {
		l.add("ToolAllowedActions, ToolDeniedActions and RedactPatterns must have at most %d bytes together, as JSON, since the function's environment "+
			"takes no more, got %d: name several actions by one with *", maxToolTexts, size)
	}
}

// jsonSize is how many bytes props take as JSON, 0 for those that are not given.
func jsonSize(props ...any) int {
	size := 0
	for _, prop := range props {
		if text, err := json.Marshal(prop); err == nil && string(text) != "null" {
			size += len(text)
		}
	}
	return size
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// durationOf converts a resolved duration; whole seconds are all that the Lambda functions are told.
func durationOf(d awscdk.Duration) time.Duration {
	return time.Duration(*d.ToSeconds(nil)) * time.Second
}
