package alarmtriage

import (
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
)

// LogLevel is the log level of both functions.
type LogLevel string

// The log levels.
const (
	LogLevel_ERROR LogLevel = "ERROR"
	LogLevel_INFO  LogLevel = "INFO"
	LogLevel_DEBUG LogLevel = "DEBUG"
)

// ToolPermissions is the base of the tool's permissions. The built-in denies apply to every base.
type ToolPermissions string

// The bases of the tool's permissions.
const (
	// AWS's managed policy ReadOnlyAccess. It covers every service. AWS adds actions to it from time to time.
	ToolPermissions_READ_ONLY_ACCESS ToolPermissions = "READ_ONLY_ACCESS"
	// This library's own list of reads: state, changes, metrics, and logs of the services that alarms are
	// usually about. It does not include actions that AWS adds later.
	ToolPermissions_ALLOW_LIST ToolPermissions = "ALLOW_LIST"
)

// ReportsAccessLogs is the destination of the access log of the reports bucket.
type ReportsAccessLogs struct {
	// The bucket that receives the log. Required.
	Bucket awss3.IBucket
	// The prefix of the log's keys. Default: none.
	Prefix *string
}

// Guardrail is a Bedrock guardrail that is applied to every model call.
type Guardrail struct {
	// The ID or ARN of the guardrail. Required.
	GuardrailId *string
	// The version of the guardrail: a number, or DRAFT. Required.
	GuardrailVersion *string
}

// InstructionsObject is an S3 object with instructions.
type InstructionsObject struct {
	// The bucket of the object. Required.
	Bucket awss3.IBucket
	// The key of the object. Required.
	Key *string
}

// Runbooks is the location of the runbooks of individual alarms.
type Runbooks struct {
	// The bucket of the runbooks. Required.
	Bucket awss3.IBucket
	// The common prefix of their keys, such as `runbooks/`. Only objects below it can be read.
	// Default: none; the whole bucket can be read.
	Prefix *string
}

// ModelPrice is the price of a model in US dollars per million tokens.
type ModelPrice struct {
	// Tokens sent to the model. Required.
	Input *float64
	// Tokens of the model's answers. Required.
	Output *float64
	// Tokens read from the prompt cache. Default: 0.
	CacheRead *float64
	// Tokens written to the prompt cache. Default: 0.
	CacheWrite *float64
}

// AlarmTriageProps configures an [AlarmTriage]. Only NotificationTopic is required.
type AlarmTriageProps struct {
	// The topic that receives the reports. Required.
	NotificationTopic awssns.ITopic

	// Models

	// The model that is asked first: a model ID (`openai.gpt-oss-120b-1:0`), the ID of an inference profile
	// (`us.amazon.nova-2-lite-v1:0`, `global.…`), or the ARN of an inference profile or of a custom, imported,
	// or provisioned model. If the value is a token, a Fn::GetAtt whose attribute ends in "Arn" is treated as
	// an ARN; any other token, such as a parameter, is treated as an ID. Default: Claude Sonnet 5.5 (4.5 in
	// GovCloud), through the inference profile that fits the Region, even if the stack's Region is not known
	// at synth.
	BedrockModelId *string
	// The models that are asked, in this order, if the previous one can't be used, for example because access
	// is missing, the model is retired, its quota is used up, or it declines to answer. At most 4. An empty
	// list disables the model fallback. Default: one model that needs no subscription, which is Nova 2 Lite in
	// most Regions; none if BedrockModelId has its ID.
	FallbackModelIds *[]*string
	// Let the orchestrator's role subscribe the account to models that are sold through AWS Marketplace, such
	// as Claude. This applies to BedrockModelId and FallbackModelIds. Bedrock subscribes the account at its
	// first call of such a model, with the caller's permissions; the role can't subscribe in any other way.
	// Default: false; somebody with these permissions must call the model once.
	AllowModelSubscriptions *bool
	// A Bedrock guardrail that is applied to every model call. Default: none.
	Guardrail *Guardrail
	// Prices in US dollars per million tokens, by the beginning of a model's ID without its inference profile, for the
	// estimated cost in reports and for MaxCostUsd and MaxCostUsdPerDay. The fields of a ModelPrice are Input and Output
	// (both required), CacheRead, and CacheWrite. Default: a built-in table of list prices.
	ModelPrices *map[string]*ModelPrice

	// Instructions and runbooks

	// Facts that an engineer new to your system needs; the model reads them. At most 2,000 characters, and at
	// most 2,400 bytes as JSON together with ModelPrices, FallbackModelIds, RedactPatterns, AccountNames,
	// ConsoleUrl, and Members. Default: none.
	Instructions *string
	// Path of a text file with more instructions, in UTF-8, with at most 64 KB. It is deployed with the stack, and read
	// at each investigation. Can't be combined with InstructionsObject. Default: none.
	InstructionsFile *string
	// S3 object with more instructions, which can change without a deployment. Its first 64 KB are read at
	// each investigation. Can't be combined with InstructionsFile. Default: none.
	InstructionsObject *InstructionsObject
	// Runbooks of individual alarms. An alarm names its runbook with the tag `runbook`, or with a line
	// `runbook: KEY` in its description, where KEY is the key, with or without Prefix, or a whole s3:// URI. The first
	// 64 KB of the runbook are read at each investigation of that alarm. Default: none.
	Runbooks *Runbooks

	// Limits

	// One investigation per alarm and window. 1 minute to 7 days. Default: 1 hour.
	InvestigationWindow awscdk.Duration
	// The most rounds of one investigation. In the last one, the model is asked to conclude, which may take two more rounds.
	// 1 to 100. Default: 100.
	MaxRounds *float64
	// The most tokens of one investigation: input, also from the prompt cache, and output. The input of one request
	// can exceed it by what it has more than projected. An investigation with one round needs about 35,000 tokens with
	// Claude Sonnet 5.5; below that, the model concludes without reading anything, or is not asked (docs/cost.md). 10,000 or
	// more. Default: no limit except MaxRounds.
	MaxTokens *float64
	// The highest estimated cost of the models of one investigation in US dollars. One request can exceed it if its input
	// has more tokens than projected. An investigation with one round needs about $0.15 with Claude Sonnet 5.5; below that,
	// the model concludes without reading anything, or is not asked (docs/cost.md). More than 0. Each model must have a known
	// price, either built in or in ModelPrices. Default: no limit except MaxRounds.
	MaxCostUsd *float64
	// What AWS may charge for the queries of one investigation, in US dollars at the prices of US East
	// (N. Virginia): Logs Insights ($0.005 per GB scanned), GetMetricData ($0.01 per 1,000 metrics), and the
	// other reads in docs/broker.md. A single run of the model's code may spend a quarter of it. More than 0;
	// below $0.02, no Logs Insights query can run. Default: 1, which is 200 GB of logs.
	MaxQueryCostUsd *float64
	// The most investigations that may begin on one UTC day, in addition to 50 of events that CloudWatch did not
	// confirm. Alarms beyond it are reported with the collected evidence only, and no model is asked. 0 to 10,000; 0 means no limit, or 10,000 with MaxCostUsdPerDay.
	// Default: 200.
	MaxInvestigationsPerDay *float64
	// What the investigations that begin on one UTC day may cost in US dollars, for models and billed queries, without
	// those of events that CloudWatch did not confirm (at most 50). A running investigation counts as $0.25. Alarms beyond the limit are reported with the collected evidence only. 0 or
	// more; 0 means no limit. If you set it, each model must have a known price, either built in or in ModelPrices.
	// Default: 50; an investigation whose model has no known price counts as $0.25.
	MaxCostUsdPerDay *float64
	// The most investigations that may run at the same time; other events wait in Lambda's queue for at most 6 hours,
	// and the reports state how long. It is the orchestrator's reserved concurrency. If the account's quota of
	// concurrent executions is less than 110, AWS rejects the default: pass 0, or have the quota raised. 0 or more; 0
	// means unreserved. Default: 10.
	MaxConcurrentInvestigations *float64

	// Functions

	// Timeout of one invocation of the orchestrator; a longer investigation is handed over to another
	// invocation. 60 to 900 seconds. Default: 900 seconds.
	OrchestratorTimeout awscdk.Duration
	// Memory of the orchestrator in MB. 128 to 10,240. Default: 1024.
	OrchestratorMemorySize *float64
	// Timeout of one run of the model's code. The orchestrator waits for a run for at most OrchestratorTimeout less a quarter of it,
	// or less 40 seconds if that is shorter, so a longer ToolTimeout has no effect. 10 to 900 seconds. Default: 60 seconds.
	ToolTimeout awscdk.Duration
	// Memory of the tool in MB. 512 to 10,240. Default: 2048.
	ToolMemorySize *float64
	// Reserved concurrency of the tool. 1 or more. Default: unreserved.
	ToolReservedConcurrentExecutions *float64
	// Layers with Python packages that the model's code may import. At most 4. Default: none.
	ToolLayers *[]awslambda.ILayerVersion
	// Processor architecture of both functions. Default: arm64.
	Architecture awslambda.Architecture

	// Names and tags

	// Prefix of every physical name, followed by a hyphen. At most 20 letters, digits, and hyphens; at most 35
	// together with ResourceSuffix, because bucket names have at most 63 characters. Names of roles and
	// dashboards are unique in an account, so a deployment to several Regions also needs ResourceSuffix.
	// Default: none; without prefix and suffix, CloudFormation generates the names.
	ResourcePrefix *string
	// Suffix of every physical name, preceded by a hyphen. At most 20 letters, digits, and hyphens.
	// Default: none.
	ResourceSuffix *string
	// Tags of the resources that CDK can tag. At most 50, whose keys differ in more than case. Default: none.
	Tags *map[string]*string

	// Storage

	// Use this bucket for reports. If it is imported and encrypted, pass its key as ReportsEncryptionKey.
	// It should be versioned, and have a lifecycle rule that expires `reports/checkpoints/` after one day.
	// Can't be combined with ReportsAccessLogs and ReportsRetention, which are properties of that bucket.
	// Default: a new bucket.
	ReportsBucket awss3.IBucket
	// Use this table for claims. If it is imported and encrypted, pass its key as TableEncryptionKey. Its
	// partition key must be the string `pk`, without a sort key, and its TTL attribute should be `expires_at`.
	// No other AlarmTriage may use it. Default: a new table.
	InvestigationsTable awsdynamodb.ITable
	// Access log of the reports bucket. If the bucket that receives the log is imported, CDK warns that it can't change that bucket's
	// policy: add a statement there that allows `s3:PutObject` to the service logging.s3.amazonaws.com, and acknowledge the warning
	// `@aws-cdk/aws-s3:accessLogsPolicyNotAdded` on ReportsBucket(). Default: off.
	ReportsAccessLogs *ReportsAccessLogs
	// How long reports are kept. S3 deletes the versions of an expired, overwritten, or deleted report about a day later. A
	// whole number of days, 1 or more. Default: indefinitely.
	ReportsRetention awscdk.Duration
	// Removal policy of table and bucket, which have no snapshots: not SNAPSHOT. Default: RETAIN.
	RemovalPolicy awscdk.RemovalPolicy

	// Logs and traces

	// Log level of both functions. Default: LogLevel_INFO.
	LogLevel LogLevel
	// Retention of both log groups. Can't be combined with LogClass DELIVERY. Default: one week.
	LogRetention awslogs.RetentionDays
	// Class of both log groups. With INFREQUENT_ACCESS and DELIVERY, CloudWatch creates no metrics from the
	// orchestrator's log: the Metric… methods return metrics without data, and Dashboard and SelfAlarmTopic
	// are rejected. With DELIVERY, CloudWatch keeps logs for about a day and can't search them: add
	// subscription filters to OrchestratorLogGroup and ToolLogGroup, which send them to S3 or Firehose. The
	// class of an existing log group can't change. Default: STANDARD.
	LogClass awslogs.LogGroupClass
	// X-Ray tracing of both functions. Default: DISABLED.
	Tracing awslambda.Tracing

	// Encryption

	// Key of the reports bucket. Default: SSE-S3.
	ReportsEncryptionKey awskms.IKey
	// Key of the table. Default: owned by AWS.
	TableEncryptionKey awskms.IKey
	// Key of NotificationTopic and ChatCardTopic, if they are encrypted with a customer managed key. The
	// orchestrator is granted the use of the key. Default: the topics' keys, if CDK knows them.
	TopicEncryptionKey awskms.IKey
	// Key of both log groups. If the app defines the key, CloudWatch Logs is granted the use of the key; update
	// the policy of an imported key yourself. Default: owned by AWS.
	LogsEncryptionKey awskms.IKey

	// Network

	// VPC of both functions. Default: none.
	Vpc awsec2.IVpc
	// Subnets of Vpc for both functions. Default: its private subnets.
	VpcSubnets *awsec2.SubnetSelection
	// Security groups of both functions in Vpc. Default: a new one for each function.
	SecurityGroups *[]awsec2.ISecurityGroup
	// Create the VPC endpoints that the functions need if Vpc has no route to the internet: gateway
	// endpoints for S3 and DynamoDB; interface endpoints for Bedrock, Lambda, SNS, STS, CloudWatch,
	// CloudWatch Logs, and CloudTrail, and for EventBridge and X-Ray if the props use them. Only the
	// functions' security groups can reach the interface endpoints. Endpoints of these services that the app has defined for Vpc
	// before are used instead, and their security groups get rules for the functions. If the VPC has one that
	// the app does not define, the deployment fails. Default: false.
	CreateVpcEndpoints *bool
	// More services for which CreateVpcEndpoints creates endpoints, such as those that your alarms are about.
	// Default: none.
	VpcEndpointServices *[]awsec2.InterfaceVpcEndpointAwsService

	// Permissions

	// Base of the tool's permissions. Default: ToolPermissions_READ_ONLY_ACCESS.
	ToolPermissions ToolPermissions
	// IAM actions that the tool is denied in addition to the built-in denies. At most 3,800 bytes as JSON
	// together with ToolDeniedResources, ToolAllowedActions, ToolAllowedAccounts, RedactPatterns, and Members.
	// Default: none.
	ToolDeniedActions *[]*string
	// ARNs of resources that the tool must not read, such as a log group with customers' data. `*` and `?` are
	// wildcards. The role is denied every read of these resources and what is below them, and the broker
	// refuses requests of their services that name them. Resources of another type need ARNs too, such as the
	// executions of a state machine. Lists, often with whole configurations, metrics, CloudTrail, and other services
	// still contain them. At most 2,300 bytes as JSON. Default: none.
	ToolDeniedResources *[]*string
	// IAM actions that the tool is allowed in addition to ToolPermissions, by its role and by the broker,
	// which otherwise forwards only reads. Denies override them. Default: none.
	ToolAllowedActions *[]*string
	// IDs of other accounts whose resources the tool may read, such as those of roles that it may assume. Without
	// them, the broker refuses requests for buckets, queues, and ARNs of other accounts. Default: none.
	ToolAllowedAccounts *[]*string
	// Let the tool read directories of people, such as Cognito users and the identity store. Default: false.
	ToolAllowPersonalData *bool
	// Let the tool read source code and artifacts, such as CodeCommit and Lambda packages. Default: false.
	ToolAllowSourceCode *bool
	// Let the tool read console output, command output, and database logs. Default: false.
	ToolAllowHostOutput *bool
	// Let the tool make reads that AWS bills per request or that start a job, such as those of Cost Explorer and
	// the detection of drift. Default: false.
	ToolAllowBilledReads *bool
	// Replace secrets in the tool's answers and in the events of alarms. Default: true.
	RedactSecrets *bool
	// Regular expressions (RE2) of more secrets, whose matches are also replaced. They must be known at synth. Default: none.
	RedactPatterns *[]*string
	// Permissions boundary of both roles. Default: none.
	PermissionsBoundary awsiam.IManagedPolicy

	// Other accounts

	// Accounts whose alarms are investigated with the data of these accounts. Each deploys an AlarmTriageMember.
	// Default: none; only this account is read.
	Members *Members

	// Notifications

	// A topic that receives each report as a custom notification of Amazon Q Developer in chat
	// applications, for Slack and Teams. It must not be NotificationTopic. Default: none.
	ChatCardTopic awssns.ITopic
	// Names of accounts by their IDs, such as "123456789012": "prod", for subjects and first lines. At most 50 characters
	// each; they share the 2,400 bytes of Instructions. Default: none; reports show the ID only.
	AccountNames *map[string]*string
	// Template of the links to the AWS console, such as the start URL of IAM Identity Center, which signs people in to the
	// alarm's account: `https://example.awsapps.com/start/#/console?account_id={account}&role_name=ReadOnly&destination={url}`.
	// `{account}` is the account's ID, and `{url}` the encoded address in the console. It shares the 2,400 bytes of Instructions.
	// Default: the addresses in the console, which open in the account that the reader is signed in to.
	ConsoleUrl *string
	// IANA name of your time zone, such as `Europe/Berlin`. Reports show times in this zone, with UTC in parentheses;
	// programs and the texts of AWS and of the model keep UTC. Default: UTC.
	TimeZone *string
	// Also notify the topics when an investigated alarm returns to OK, and when it fires again after that within its
	// window; at most three times each. Alarms of AttachTopic must also notify the topic when they return to OK
	// (AddOkAction). Default: false.
	NotifyRecovery *bool
	// A bus that receives an event when an investigation ends. Default: none.
	CompletionEventBus awsevents.IEventBus
	// A queue that receives events whose investigation failed after all retries. Default: none.
	OnFailureQueue awssqs.IQueue

	// Monitoring of AlarmTriage itself

	// Check once a week that models, tool, table, bucket, and topics work, and notify NotificationTopic if
	// something does not work or will soon stop working. Default: true.
	SelfCheck *bool
	// Schedule of the self-check. Default: Mondays at 06:00 UTC.
	SelfCheckSchedule awsevents.Schedule
	// Create a CloudWatch dashboard of investigations, their duration and cost, and failures. Default: false.
	Dashboard *bool
	// A topic for alarms on AlarmTriage itself: failed and throttled invocations, lost events, investigations
	// without a conclusion, reports that could not be stored or sent, and many refused requests. No
	// AlarmTriage investigates them. Choose a topic that no AlarmTriage is attached to. If the app defines the
	// topic's key, CloudWatch is granted the use of the key; update the policy of an imported key yourself.
	// Default: none; no such alarms.
	SelfAlarmTopic awssns.ITopic
}

// withDefaults returns a copy of props with every default filled in.
func withDefaults(props *AlarmTriageProps) *AlarmTriageProps {
	p := *props
	fill(&p.OrchestratorMemorySize, 1024)
	fill(&p.ToolMemorySize, 2048)
	fill(&p.MaxRounds, config.MaxRounds)
	fill(&p.MaxQueryCostUsd, config.DefaultMaxQueryCostUSD)
	fill(&p.MaxInvestigationsPerDay, config.DefaultMaxInvestigationsPerDay)
	fill(&p.MaxCostUsdPerDay, config.DefaultMaxCostUSDPerDay)
	fill(&p.MaxConcurrentInvestigations, config.DefaultMaxConcurrent)
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

// fill sets an optional field to value if it is nil.
func fill[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// isTrue reports whether an optional prop is true.
func isTrue(prop *bool) bool { return prop != nil && *prop }

// deref returns the text of an optional prop; empty if it is nil.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// durationOf converts a resolved duration. The functions' settings hold whole seconds.
func durationOf(d awscdk.Duration) time.Duration {
	return time.Duration(*d.ToSeconds(nil)) * time.Second
}
