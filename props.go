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
	// The ID or ARN of the guardrail. A dynamic reference is treated as an ID. Required.
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

	// The model that is asked first: the ID of a model (`openai.gpt-oss-120b-1:0`) or of an inference profile
	// (`us.amazon.nova-2-lite-v1:0`), or the ARN of an inference profile or of a custom, imported, or provisioned
	// model. A token or a dynamic reference is treated as an ID, except a Fn::GetAtt whose attribute ends in "Arn".
	// Default: Claude Sonnet 5.5 (4.5 in GovCloud), through the inference profile that fits the Region.
	BedrockModelId *string
	// The models that are asked, in this order, if the previous one can't be used. At most 4; an empty list means
	// none. Default: one model that needs no subscription, Nova 2 Lite in most Regions; none if BedrockModelId has its
	// ID.
	FallbackModelIds *[]*string
	// Let the orchestrator subscribe the account to models that are sold through AWS Marketplace, such as Claude, at
	// their first call. Default: false; somebody with these permissions must call the model once.
	AllowModelSubscriptions *bool
	// A Bedrock guardrail for every model call: GuardrailId (an ID or ARN) and GuardrailVersion (a number, or DRAFT).
	// Default: none.
	Guardrail *Guardrail
	// Prices in US dollars per million tokens (Input and Output, both required, CacheRead, CacheWrite), by the
	// beginning of a model's ID without its inference profile. Default: a built-in table of list prices.
	ModelPrices *map[string]*ModelPrice

	// Instructions and runbooks

	// Facts that an engineer new to your system needs; the model reads them. At most 2,000 characters, and 2,400 bytes
	// as JSON together with texts of other props. Default: none.
	Instructions *string
	// Path of a UTF-8 text file with more instructions, at most 64 KB. Default: none.
	InstructionsFile *string
	// S3 object (Bucket, Key) with more instructions, of which the first 64 KB are read. Default: none.
	InstructionsObject *InstructionsObject
	// Runbooks that alarms name by tag or description: Bucket, and Prefix, which must end with a slash (default: the whole
	// bucket can be read). The first 64 KB are read. Default: none.
	Runbooks *Runbooks

	// Limits

	// One investigation per alarm and window. 1 minute to 7 days. Default: 1 hour.
	InvestigationWindow awscdk.Duration
	// The most rounds of one investigation, except a few for the conclusion. 1 to 100. Default: 100.
	MaxRounds *float64
	// The most tokens of one investigation, input and output, with exceptions (docs/cost.md). 10,000 or more; with Claude
	// Sonnet 5.5, set at least 35,000. Default: no limit except MaxRounds.
	MaxTokens *float64
	// The highest estimated model cost of one investigation, in US dollars, with exceptions (docs/cost.md). More than 0;
	// with Claude Sonnet 5.5, set at least $0.15. Each model needs a known price. Default: no limit except MaxRounds.
	MaxCostUsd *float64
	// What AWS may charge for the queries of one investigation (docs/broker.md), in US dollars at the prices of US
	// East (N. Virginia). One run of code may spend a quarter of it. More than 0; below $0.02, no Logs Insights query
	// can run. Default: 1, which is 200 GB of logs.
	MaxQueryCostUsd *float64
	// The most investigations that begin on one UTC day, in addition to 50 of unconfirmed events. Beyond it, no model
	// is asked, and reports have the evidence only. 0 to 10,000; 0 means no limit, or 10,000 with MaxCostUsdPerDay.
	// Default: 200.
	MaxInvestigationsPerDay *float64
	// What the investigations that begin on one UTC day may cost in US dollars, for models and billed queries
	// (docs/cost.md). Beyond it, no model is asked. 0 or more; 0 means no limit. If you set it, each model needs a
	// known price. Default: 50; an investigation by a model without one counts as $0.25.
	MaxCostUsdPerDay *float64
	// The most investigations that run at the same time; other events wait in Lambda's queue for at most 6 hours. It
	// is reserved concurrency: AWS rejects the default if the account's quota is less than 110 (pass 0, or have it
	// raised). 0 or more; 0 means unreserved. Default: 10.
	MaxConcurrentInvestigations *float64

	// Functions

	// Timeout of one invocation of the orchestrator; another one continues a longer investigation. 60 to 900 seconds.
	// Default: 900 seconds.
	OrchestratorTimeout awscdk.Duration
	// Memory of the orchestrator in MB. 128 to 10,240. Default: 1024.
	OrchestratorMemorySize *float64
	// Timeout of one run of the model's code; OrchestratorTimeout can shorten it. 10 to 900 seconds. Default: 60
	// seconds.
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

	// Prefix of the names of functions, roles, table, bucket, bus, and dashboard, followed by a hyphen. At most 20
	// letters, digits, and hyphens. Each Region of an account needs another prefix or suffix. Default: none; without
	// both, CloudFormation generates the names, except those of the tool's role and the bus with Members.
	ResourcePrefix *string
	// Suffix of the same names, preceded by a hyphen; the account ID follows it in the bucket's. At most 20 letters,
	// digits, and hyphens. Default: none.
	ResourceSuffix *string
	// Tags of the resources that CDK can tag. At most 50. Default: none.
	Tags *map[string]*string

	// Storage

	// Use this bucket for reports. It should be versioned, and have a lifecycle rule that expires `reports/checkpoints/`
	// and its versions after one day. Default: a new bucket.
	ReportsBucket awss3.IBucket
	// Use this table for claims. Its partition key must be the string `pk`, without a sort key, and its TTL attribute
	// should be `expires_at`. No other AlarmTriage may use it. Default: a new table.
	InvestigationsTable awsdynamodb.ITable
	// Access log of the reports bucket: Bucket, and Prefix of the log's keys (default: none). If Bucket is imported,
	// complete its policy (docs/terraform.md), and acknowledge CDK's warning on ReportsBucket(). Default: off.
	ReportsAccessLogs *ReportsAccessLogs
	// How long reports are kept. S3 deletes the versions of an expired, overwritten, or deleted report one to three
	// days later. A whole number of days, 1 or more. Default: indefinitely.
	ReportsRetention awscdk.Duration
	// Removal policy of table and bucket. Not SNAPSHOT. Default: RETAIN_ON_UPDATE_OR_DELETE, which keeps them, except
	// if the deployment that created them is rolled back.
	RemovalPolicy awscdk.RemovalPolicy

	// Logs and traces

	// Log level of both functions: ERROR, INFO, or DEBUG. Default: LogLevel_INFO.
	LogLevel LogLevel
	// Retention of both log groups. Default: one week.
	LogRetention awslogs.RetentionDays
	// Class of both log groups, which can't change later. INFREQUENT_ACCESS and DELIVERY have no metrics. DELIVERY keeps
	// logs for about a day, without search: add subscription filters. Default: STANDARD.
	LogClass awslogs.LogGroupClass
	// X-Ray tracing of both functions. Default: DISABLED.
	Tracing awslambda.Tracing

	// Encryption

	// Key of the reports bucket. Default: SSE-S3.
	ReportsEncryptionKey awskms.IKey
	// Key of the table. Default: owned by AWS.
	TableEncryptionKey awskms.IKey
	// Customer managed key with which NotificationTopic or ChatCardTopic is encrypted; the orchestrator may use it.
	// Default: the topics' keys, if CDK knows them.
	TopicEncryptionKey awskms.IKey
	// Key of both log groups. Default: owned by AWS.
	LogsEncryptionKey awskms.IKey

	// Network

	// VPC of both functions. Default: none.
	Vpc awsec2.IVpc
	// Subnets of Vpc for both functions. Default: its private subnets.
	VpcSubnets *awsec2.SubnetSelection
	// Security groups of both functions in Vpc. Default: a new one for each function.
	SecurityGroups *[]awsec2.ISecurityGroup
	// Create the VPC endpoints that the functions need if Vpc has no route to the internet. New interface endpoints
	// only admit the functions' security groups. With existing ones that the app did not define before, the deployment
	// fails. Default: false.
	CreateVpcEndpoints *bool
	// More services for CreateVpcEndpoints. Default: none.
	VpcEndpointServices *[]awsec2.InterfaceVpcEndpointAwsService

	// Permissions

	// Base of the tool's permissions: AWS's managed policy ReadOnlyAccess, to which AWS adds actions, or
	// ToolPermissions_ALLOW_LIST, a list of this library. Default: ToolPermissions_READ_ONLY_ACCESS.
	ToolPermissions ToolPermissions
	// More IAM actions that the tool is denied. Default: none.
	ToolDeniedActions *[]*string
	// ARNs of resources that the tool must not read, with the wildcards `*` and `?`. Resources below them are denied,
	// too; lists, metrics, CloudTrail, and other services can still contain their data (docs/recipes.md). At most
	// 2,300 bytes as JSON. Default: none.
	ToolDeniedResources *[]*string
	// IAM actions that the role and the broker allow in addition to ToolPermissions. Denies override them. Default:
	// none.
	ToolAllowedActions *[]*string
	// IDs of other accounts whose resources the tool may read. Default: none.
	ToolAllowedAccounts *[]*string
	// Let the tool read directories of people, such as Cognito users and the identity store. Default: false.
	ToolAllowPersonalData *bool
	// Let the tool read source code and artifacts, such as CodeCommit and Lambda packages. Default: false.
	ToolAllowSourceCode *bool
	// Let the tool read console output, command output, and database logs. Default: false.
	ToolAllowHostOutput *bool
	// Let the tool make reads that AWS bills per request or that start a job, such as Cost Explorer and drift
	// detection. Default: false.
	ToolAllowBilledReads *bool
	// Replace recognized secrets in the tool's answers and in alarm events; others can pass (docs/broker.md). Default:
	// true.
	RedactSecrets *bool
	// Regular expressions (RE2) of more secrets to replace, without tokens. Default: none.
	RedactPatterns *[]*string
	// Permissions boundary of both roles. Default: none.
	PermissionsBoundary awsiam.IManagedPolicy

	// Other accounts

	// Accounts whose alarms are investigated with their data. Each deploys an AlarmTriageMember. Default: none; only
	// this account is read.
	Members *Members

	// Notifications

	// A topic, other than NotificationTopic, that receives each report as a card for Amazon Q Developer in chat
	// applications (Slack, Teams). Default: none.
	ChatCardTopic awssns.ITopic
	// Names of accounts by their IDs, such as "123456789012": "prod". At most 50 characters each. Default: none; reports
	// show the ID.
	AccountNames *map[string]*string
	// Template of the links to the AWS console, such as that of IAM Identity Center:
	// `https://example.awsapps.com/start/#/console?account_id={account}&role_name=ReadOnly&destination={url}`. Default:
	// plain addresses, which open in the account that the reader is signed in to.
	ConsoleUrl *string
	// IANA name of your time zone, such as `Europe/Berlin`, for the times of reports; programs and quoted texts keep
	// UTC. Default: UTC.
	TimeZone *string
	// Also notify the topics when an investigated alarm returns to OK, and when it fires again within its window; at
	// most three times each. Default: false.
	NotifyRecovery *bool
	// A bus that receives an event when an investigation ends. Default: none.
	CompletionEventBus awsevents.IEventBus
	// A queue that receives events whose investigation failed after all retries. Default: none.
	OnFailureQueue awssqs.IQueue

	// Monitoring of AlarmTriage itself

	// Check once a week that models, tool, table, bucket, and topics work, and notify NotificationTopic of problems.
	// Default: true.
	SelfCheck *bool
	// Schedule of the self-check. Default: Mondays at 06:00 UTC.
	SelfCheckSchedule awsevents.Schedule
	// Create a CloudWatch dashboard of AlarmTriage. Default: false.
	Dashboard *bool
	// A topic for alarms on AlarmTriage itself, such as failed invocations. Choose one that no AlarmTriage is attached
	// to. Default: none; no such alarms.
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
		p.RemovalPolicy = awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE
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
