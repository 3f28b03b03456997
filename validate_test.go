package alarmtriage_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

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
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestLogClass_DeliveryRejectsLogRetention(t *testing.T) {
	message := panicOf(t, func() {
		newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) {
			p.LogClass, p.LogRetention = awslogs.LogGroupClass_DELIVERY, awslogs.RetentionDays_ONE_MONTH
		})
	})
	assert.Contains(t, message, `LogRetention can't be combined with LogClass DELIVERY, whose retention CloudWatch sets itself, got "ONE_MONTH"`)
	assert.Contains(t, message, "omit LogRetention, or use LogClass STANDARD or INFREQUENT_ACCESS")
}

func TestValidate_ReportsAllProblemsAtOnce(t *testing.T) {
	stack := newStack()
	message := panicOf(t, func() {
		alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
			InvestigationWindow: awscdk.Duration_Days(jsii.Number(8)),
			ToolMemorySize:      jsii.Number(64),
			ResourcePrefix:      jsii.String("no spaces"),
			LogLevel:            "LOUD",
			MaxRounds:           jsii.Number(101),
			MaxCostUsd:          jsii.Number(-1),
			MaxQueryCostUsd:     jsii.Number(0),

			MaxInvestigationsPerDay: jsii.Number(10_001),
			RedactPatterns:          jsii.Strings("("),
			ToolDeniedActions:       jsii.Strings("everything"),
			ToolAllowedAccounts:     jsii.Strings("my-account"),
			ToolDeniedResources:     jsii.Strings("payments"),
			ReportsAccessLogs:       &alarmtriage.ReportsAccessLogs{},
			ReportsBucket:           awss3.Bucket_FromBucketName(stack, jsii.String("Bucket"), jsii.String("reports")),
			ReportsRetention:        awscdk.Duration_Days(jsii.Number(1)),
			Runbooks:                &alarmtriage.Runbooks{Prefix: jsii.String("/runbooks")},
			CreateVpcEndpoints:      jsii.Bool(true),
			ToolPermissions:         "ALL",
			LogClass:                awslogs.LogGroupClass_INFREQUENT_ACCESS,
			Dashboard:               jsii.Bool(true),
		})
	})
	for _, want := range []string{
		"NotificationTopic is required",
		"InvestigationWindow must be between 1 minute and 7 days, got 8 days",
		"ToolMemorySize must be a whole number between 512 and 10240, got 64",
		`ResourcePrefix must be 1 to 20 letters, digits, and inner hyphens, got "no spaces"`,
		`LogLevel must be one of ERROR, INFO, DEBUG, got "LOUD"`,
		"MaxRounds must be a whole number between 1 and 100, got 101",
		"MaxCostUsd must be more than 0, got -1",
		"MaxQueryCostUsd must be more than 0, got 0",
		"MaxInvestigationsPerDay must be a whole number between 0 and 10000, got 10001",
		"RedactPatterns must contain RE2 regular expressions",
		`ToolDeniedActions must contain IAM actions such as "s3:GetBucketPolicy", got "everything"`,
		`ToolAllowedAccounts must contain account IDs with 12 digits such as "123456789012", got "my-account"`,
		`ToolDeniedResources must contain ARNs such as "arn:aws:logs:*:*:log-group:payments-*", whose service has no wildcard, got "payments"`,
		"ReportsAccessLogs must have a Bucket",
		"ReportsAccessLogs can't be combined with ReportsBucket",
		"ReportsRetention can't be combined with ReportsBucket",
		"Runbooks must have a Bucket",
		`Runbooks.Prefix must end with / and not begin with it, got "/runbooks"`,
		"CreateVpcEndpoints needs Vpc",
		`ToolPermissions must be one of READ_ONLY_ACCESS, ALLOW_LIST, got "ALL"`,
		`Dashboard and SelfAlarmTopic need LogClass STANDARD, because other classes have no metrics, got "INFREQUENT_ACCESS"`,
	} {
		assert.Contains(t, message, want)
	}
}

func TestValidate_BoundsAndReaders(t *testing.T) {
	importedLayer := func(arn string) func(p *alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) {
			p.ToolLayers = &[]awslambda.ILayerVersion{awslambda.LayerVersion_FromLayerVersionArn(p.NotificationTopic.Stack(), jsii.String("Layer"), jsii.String(arn))}
		}
	}
	importedTopic := func(arn string) func(p *alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic = awssns.Topic_FromTopicArn(p.NotificationTopic.Stack(), jsii.String("Imported"), jsii.String(arn))
		}
	}
	selfCheckAt := func(schedule string) func(p *alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) {
			p.SelfCheckSchedule = awsevents.Schedule_Expression(jsii.String(schedule))
		}
	}
	for _, c := range []struct {
		name   string
		change func(p *alarmtriage.AlarmTriageProps)
		want   string // empty: valid
	}{
		{"a schedule with increments", selfCheckAt("cron(*/5 8-17/2 ? JAN,feb-12 MON-FRI 2026-2030)"), ""},
		{"a schedule on the last Friday", selfCheckAt("cron(0/70 6 ? * 6L *)"), ""},
		{"a schedule on the last Friday, by its name", selfCheckAt("cron(0 6 ? * FRIL *)"), ""},
		{"a schedule on the second Monday", selfCheckAt("cron(59 23 ? 12 MON#2 2199)"), ""},
		{"a schedule on the last weekday of the month", selfCheckAt("cron(0 0 LW * ? *)"), ""},
		{"a schedule on the weekday nearest to the 31st", selfCheckAt("cron(0 0 31W 1/3 ? *)"), ""},
		{"a base of the permissions that is a token", func(p *alarmtriage.AlarmTriageProps) {
			p.ToolPermissions = alarmtriage.ToolPermissions(*awscdk.Aws_REGION())
		},
			"ToolPermissions must be one of READ_ONLY_ACCESS, ALLOW_LIST, got a token: it must be known at synth"},
		{"a removal policy that is a token", func(p *alarmtriage.AlarmTriageProps) { p.RemovalPolicy = awscdk.RemovalPolicy(*awscdk.Aws_REGION()) },
			"RemovalPolicy must be one of RETAIN, DESTROY, RETAIN_ON_UPDATE_OR_DELETE, SNAPSHOT, got a token: it must be known at synth"},
		{"a zone", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("America/Argentina/Buenos_Aires") }, ""},
		{"a typo in the zone", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("Europe/Berlim") }, `TimeZone must be an IANA name such as Europe/Berlin, got "Europe/Berlim"`},
		{"an abbreviation", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("CEST") }, `TimeZone must be an IANA name`},
		{"the machine's zone", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("Local") }, `TimeZone must be an IANA name`},
		{"a path", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("../etc/passwd") }, `TimeZone must be an IANA name`},
		{"a zone of the machine", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("posix/Europe/Berlin") }, `TimeZone must be an IANA name`},
		{"the machine's zone as a file", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("localtime") }, `TimeZone must be an IANA name`},
		{"a beginning that S3 reserves", func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = jsii.String("STHREE") },
			`ResourcePrefix must not begin with "sthree-", which S3 reserves for names of buckets, got "STHREE"`},
		{"a beginning that looks like a reserved one", func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = jsii.String("sthreed") }, ""},
		{"a reserved beginning without a new bucket", func(p *alarmtriage.AlarmTriageProps) {
			p.ResourcePrefix = jsii.String("xn--shop")
			p.ReportsBucket = awss3.Bucket_FromBucketName(p.NotificationTopic.Stack(), jsii.String("Bucket"), jsii.String("reports"))
		}, ""},
		{"instructions that no environment can contain", func(p *alarmtriage.AlarmTriageProps) { p.Instructions = jsii.String("a\x00b") },
			"Instructions must be a text in UTF-8 without NUL characters"},
		{"instructions in another encoding", func(p *alarmtriage.AlarmTriageProps) { p.Instructions = jsii.String("M\xfcnchen") },
			"Instructions must be a text in UTF-8 without NUL characters"},
		{"a pattern that only CloudFormation knows", func(p *alarmtriage.AlarmTriageProps) {
			p.RedactPatterns = &[]*string{awscdk.NewCfnParameter(p.NotificationTopic.Stack(), jsii.String("Pattern"), nil).ValueAsString()}
		}, "RedactPatterns must be known at synth"},
		{"instructions with too many bytes", func(p *alarmtriage.AlarmTriageProps) { p.Instructions = jsii.String(strings.Repeat("é", 1200)) },
			"must have at most 2400 bytes together as JSON, because they share the function's environment, got 2402 (Instructions 2402)"},
		{"names that leave no space for texts", func(p *alarmtriage.AlarmTriageProps) {
			stack := p.NotificationTopic.Stack()
			p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Long"), jsii.String("arn:aws:sns:eu-west-1:111122223333:"+strings.Repeat("t", 256)))
			p.ChatCardTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Cards"), jsii.String("arn:aws:sns:eu-west-1:111122223333:"+strings.Repeat("c", 256)))
			p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("docs")),
				Prefix: jsii.String(strings.Repeat("r", 999) + "/")}
			p.Instructions = jsii.String(strings.Repeat("i", 2000))
			p.ConsoleUrl = jsii.String("https://" + strings.Repeat("c", 300) + ".example.com/{account}/{url}")
		}, "bytes as JSON, and Lambda accepts at most 4096: shorten texts or names of props, whose longest variables are INSTRUCTIONS with 2000, RUNBOOKS_URI with 1010, "},
		{"names that leave little space for texts", func(p *alarmtriage.AlarmTriageProps) {
			stack := p.NotificationTopic.Stack()
			p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Long"), jsii.String("arn:aws:sns:eu-west-1:111122223333:"+strings.Repeat("t", 256)))
			p.Instructions = jsii.String(strings.Repeat("&", 395)) // the synth counts six bytes for each
		}, ""},
		{"patterns that nothing applies", func(p *alarmtriage.AlarmTriageProps) {
			p.RedactSecrets, p.RedactPatterns = jsii.Bool(false), jsii.Strings("shop-[0-9]+")
		}, "RedactPatterns can't be combined with RedactSecrets false, with which nothing is replaced: omit one of the two"},
		{"an empty list of patterns without redaction", func(p *alarmtriage.AlarmTriageProps) {
			p.RedactSecrets, p.RedactPatterns = jsii.Bool(false), jsii.Strings()
		}, ""},
		{"an empty guardrail", func(p *alarmtriage.AlarmTriageProps) {
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String(""), GuardrailVersion: jsii.String("1")}
		}, `Guardrail.GuardrailId must be the ID or the ARN of a guardrail, got ""`},
		{"the name of a guardrail", func(p *alarmtriage.AlarmTriageProps) {
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("My guardrail"), GuardrailVersion: jsii.String("1")}
		}, `Guardrail.GuardrailId must be the ID or the ARN of a guardrail, got "My guardrail"`},
		{"the ARN of a guardrail", func(p *alarmtriage.AlarmTriageProps) {
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("arn:aws:bedrock:eu-west-1:111122223333:guardrail/a1b2"), GuardrailVersion: jsii.String("DRAFT")}
		}, ""},
		{"instructions without a key", func(p *alarmtriage.AlarmTriageProps) {
			bucket := awss3.Bucket_FromBucketName(p.NotificationTopic.Stack(), jsii.String("Docs"), jsii.String("docs"))
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket, Key: jsii.String("")}
		}, "InstructionsObject must have Bucket and Key"},
		{"tags that IAM does not distinguish", func(p *alarmtriage.AlarmTriageProps) {
			p.Tags = &map[string]*string{"Team": jsii.String("a"), "team": jsii.String("b"), "cost": jsii.String("c")}
		}, `Tags must have keys that differ in more than upper and lower case, which IAM ignores, got "Team" and "team"`},
		{"an empty tag of a dashboard", func(p *alarmtriage.AlarmTriageProps) {
			p.Tags, p.Dashboard = &map[string]*string{"team": jsii.String("")}, jsii.Bool(true)
		}, `Tags must have values that are not empty if Dashboard or SelfAlarmTopic is set, because CloudFormation rejects such tags of dashboards and alarms, got an empty one for "team"`},
		{"an empty tag of self-alarms", func(p *alarmtriage.AlarmTriageProps) {
			p.Tags, p.SelfAlarmTopic = &map[string]*string{"team": jsii.String("")}, p.NotificationTopic
		}, `Tags must have values that are not empty if Dashboard or SelfAlarmTopic is set`},
		{"an empty tag without them", func(p *alarmtriage.AlarmTriageProps) {
			p.Tags, p.Dashboard = &map[string]*string{"team": jsii.String("")}, jsii.Bool(false)
		}, ""},
		{"too many tags", func(p *alarmtriage.AlarmTriageProps) {
			tags := map[string]*string{}
			for i := range 51 {
				tags[fmt.Sprint("tag", i)] = jsii.String("x")
			}
			p.Tags = &tags
		}, "Tags must have at most 50 tags, which is AWS's limit for a resource, got 51"},
		{"IAM resources without a kind", func(p *alarmtriage.AlarmTriageProps) { p.ToolDeniedResources = jsii.Strings("arn:aws:iam::*:*admin*") },
			`ToolDeniedResources must contain ARNs of IAM whose resource begins with its kind, such as "role/*", got "*admin*" in "arn:aws:iam::*:*admin*"`},
		{"resources with characters that IAM rejects", func(p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedResources = jsii.Strings("arn:aws:s3:::reports/\u00e9tude/*", "arn:"+*awscdk.Aws_PARTITION()+":s3:::reports/\u6a5f\u5bc6/*")
		}, `ToolDeniedResources must contain ARNs with characters of ISO 8859-1 (Latin-1) only, because IAM rejects others in policies, got "arn:{token}:s3:::reports/機密/*": use wildcards for the others`},
		{"resources with Latin characters", func(p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedResources = jsii.Strings("arn:aws:s3:::reports/\u00e9tude/*")
		}, ""},
		{"a key with characters that IAM rejects", func(p *alarmtriage.AlarmTriageProps) {
			bucket := awss3.Bucket_FromBucketName(p.NotificationTopic.Stack(), jsii.String("Docs"), jsii.String("docs"))
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket, Key: jsii.String("\u624b\u9806.md")}
			p.Runbooks = &alarmtriage.Runbooks{Bucket: bucket, Prefix: jsii.String("\u00e9quipe/")}
		}, `InstructionsObject.Key must only contain characters of ISO 8859-1 (Latin-1), because the policy of the orchestrator's role contains it and IAM rejects others, got "手順.md": rename the objects`},
		{"a model with an invisible character", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId = jsii.String("eu.amazon.nova-pro-v1:0\u200b")
		}, `BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN, got "eu.amazon.nova-pro-v1:0\u200b"`},
		{"models with invisible Latin characters", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String("eu.amazon.nova-pro-v1:0\u00a0"), jsii.Strings("eu.amazon.nova\u00ad-lite-v1:0", "eu.amazon.nova-micro-v1:0\r")
		}, `alarmtriage: BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN, got "eu.amazon.nova-pro-v1:0\u00a0": use an ID such as eu.anthropic.claude-sonnet-5-5 (docs/models.md)
alarmtriage: FallbackModelIds must be a model ID, an inference profile ID, or a Bedrock ARN, got "eu.amazon.nova-micro-v1:0\r": use an ID such as eu.anthropic.claude-sonnet-5-5 (docs/models.md)
alarmtriage: FallbackModelIds must be a model ID, an inference profile ID, or a Bedrock ARN, got "eu.amazon.nova\u00ad-lite-v1:0": use an ID such as eu.anthropic.claude-sonnet-5-5 (docs/models.md)`},
		{"an empty zone", func(p *alarmtriage.AlarmTriageProps) { p.TimeZone = jsii.String("") }, `TimeZone must be an IANA name`},
		{"an account that is none", func(p *alarmtriage.AlarmTriageProps) {
			p.AccountNames = &map[string]*string{"prod": jsii.String("123456789012")}
		}, `AccountNames must have account IDs with 12 digits such as "123456789012" as keys, got "prod"`},
		{"a name of two lines", func(p *alarmtriage.AlarmTriageProps) {
			p.AccountNames = &map[string]*string{"111122223333": jsii.String("prod\nx")}
		}, `AccountNames must have names of 1 to 50 printable characters, got "prod\nx" for "111122223333"`},
		{"a long name", func(p *alarmtriage.AlarmTriageProps) {
			p.AccountNames = &map[string]*string{"111122223333": jsii.String(strings.Repeat("x", 51))}
		}, `AccountNames must have names of 1 to 50`},
		{"no name", func(p *alarmtriage.AlarmTriageProps) { p.AccountNames = &map[string]*string{"111122223333": nil} }, `AccountNames must have names of 1 to 50`},
		{"too many names", func(p *alarmtriage.AlarmTriageProps) {
			names := map[string]*string{}
			for i := range 60 {
				names[fmt.Sprintf("1111222233%02d", i)] = jsii.String("account of the payments team")
			}
			p.AccountNames = &names
		}, "AccountNames, ConsoleUrl, and Members must have at most 2400 bytes together"},
		{"negative money", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsdPerDay = jsii.Number(-1) }, "MaxCostUsdPerDay must be at least 0, got -1"},
		{"infinite money", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsdPerDay = jsii.Number(math.Inf(1)) }, "MaxCostUsdPerDay must be at least 0, got +Inf"},
		{"infinite tokens", func(p *alarmtriage.AlarmTriageProps) { p.MaxTokens = jsii.Number(math.Inf(1)) }, "MaxTokens must be a whole number of at least 10000, got +Inf"},
		{"a number that is none", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(math.NaN()) }, "MaxCostUsd must be more than 0, got NaN"},
		{"infinite money for an investigation", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(math.Inf(1)) }, "MaxCostUsd must be more than 0, got +Inf"},
		{"money for a model without a price", func(p *alarmtriage.AlarmTriageProps) {
			p.MaxCostUsdPerDay, p.BedrockModelId = jsii.Number(5), jsii.String("acme.unknown-v1:0")
		}, `MaxCostUsdPerDay needs the price of each model, and the built-in table has none for "acme.unknown-v1:0"`},
		{"no limit of money for a model without a price", func(p *alarmtriage.AlarmTriageProps) {
			p.MaxCostUsdPerDay, p.BedrockModelId = jsii.Number(0), jsii.String("acme.unknown-v1:0")
		}, ""},
		{"a queue instead of a topic", importedTopic("arn:aws:sqs:eu-west-1:111122223333:reports"),
			`NotificationTopic must have an ARN such as "arn:aws:sns:eu-west-1:111122223333:oncall", got "arn:aws:sqs:eu-west-1:111122223333:reports"`},
		{"a subscription instead of a topic", importedTopic("arn:aws:sns:eu-west-1:111122223333:reports:0a1b"), "NotificationTopic must have an ARN such as"},
		{"a topic without an account", importedTopic("arn:aws:sns:eu-west-1::reports"), "NotificationTopic must have an ARN such as"},
		{"a FIFO topic", importedTopic("arn:aws:sns:eu-west-1:111122223333:reports.fifo"), ""},
		{"an index instead of a table", func(p *alarmtriage.AlarmTriageProps) {
			p.InvestigationsTable = awsdynamodb.Table_FromTableArn(p.NotificationTopic.Stack(), jsii.String("Claims"), jsii.String("arn:aws:dynamodb:eu-west-1:111122223333:table/a/index/b"))
		}, `InvestigationsTable must have an ARN such as "arn:aws:dynamodb:eu-west-1:111122223333:table/investigations", got`},
		{"an object instead of a bucket", func(p *alarmtriage.AlarmTriageProps) {
			p.ReportsBucket = awss3.Bucket_FromBucketArn(p.NotificationTopic.Stack(), jsii.String("Bucket"), jsii.String("arn:aws:s3:::reports/2026"))
		}, `ReportsBucket must have an ARN such as "arn:aws:s3:::reports", got "arn:aws:s3:::reports/2026"`},
		{"a rule instead of a bus", func(p *alarmtriage.AlarmTriageProps) {
			p.CompletionEventBus = awsevents.EventBus_FromEventBusArn(p.NotificationTopic.Stack(), jsii.String("Bus"), jsii.String("arn:aws:events:eu-west-1:111122223333:rule/x"))
		}, `CompletionEventBus must have an ARN such as "arn:aws:events:eu-west-1:111122223333:event-bus/triage", got`},
		{"a role instead of a policy", func(p *alarmtriage.AlarmTriageProps) {
			p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(p.NotificationTopic.Stack(), jsii.String("Boundary"), jsii.String("arn:aws:iam::111122223333:role/x"))
		}, `PermissionsBoundary must have an ARN such as "arn:aws:iam::111122223333:policy/boundary", got "arn:aws:iam::111122223333:role/x"`},
		{"a layer without a version", importedLayer("arn:aws:lambda:eu-west-1:111122223333:layer:tools"), `ToolLayers must have an ARN such as "arn:aws:lambda:eu-west-1:111122223333:layer:tools:1", got "arn:aws:lambda:eu-west-1:111122223333:layer:tools"`},
		{"a layer of AWS without a version", importedLayer("arn:aws:lambda:::awslayer:AmazonLinux1803"), ""},
		{"ARNs that CloudFormation and CDK look up", func(p *alarmtriage.AlarmTriageProps) {
			stack := p.NotificationTopic.Stack()
			importedLayer(*awsssm.StringParameter_ValueFromLookup(stack, jsii.String("/tools/layer"), nil, nil))(p)
			p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Boundary"), jsii.String("{{resolve:ssm:/iam/boundary}}"))
			importedTopic("arn:aws:sns:eu-west-1:111122223333:{{resolve:ssm:/oncall/topic}}")(p)
		}, ""},
		{"texts that CloudFormation looks up", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String("{{resolve:ssm:/model}}"), jsii.Strings("arn:aws:bedrock:{{resolve:ssm:/region}}:111122223333:imported-model/a")
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("{{resolve:ssm:/guardrail}}"), GuardrailVersion: jsii.String("{{resolve:ssm:/version}}")}
			p.MaxCostUsd, p.TimeZone, p.ConsoleUrl = jsii.Number(1), jsii.String("{{resolve:ssm:/zone}}"), jsii.String("{{resolve:ssm:/console}}")
			p.ToolAllowedAccounts, p.ToolDeniedResources = jsii.Strings("{{resolve:ssm:/account}}"), jsii.Strings("{{resolve:ssm:/secrets}}")
			p.AccountNames = &map[string]*string{"{{resolve:ssm:/account}}": jsii.String("{{resolve:ssm:/name}}")}
			p.Members = &alarmtriage.Members{OrganizationId: jsii.String("{{resolve:ssm:/organization}}"), ExternalId: jsii.String("{{resolve:ssm:/id}}")}
		}, ""},
		{"a guardrail of a Region that CloudFormation looks up", func(p *alarmtriage.AlarmTriageProps) {
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("arn:aws:bedrock:{{resolve:ssm:/region}}:111122223333:guardrail/a"), GuardrailVersion: jsii.String("1")}
		}, ""},
		{"models that CloudFormation looks up in part", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String("{{resolve:ssm:/model}}*"), jsii.Strings("arn:aws:bedrock:eu-west-1:111122223333:{{resolve:ssm:/model}}")
		}, `alarmtriage: BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN, got "{{resolve:ssm:/model}}*": use an ID such as eu.anthropic.claude-sonnet-5-5 (docs/models.md)
alarmtriage: FallbackModelIds must be a model ID, an inference profile ID, or a Bedrock ARN, got "arn:aws:bedrock:eu-west-1:111122223333:{{resolve:ssm:/model}}"`},
		{"actions that CloudFormation looks up", func(p *alarmtriage.AlarmTriageProps) { p.ToolDeniedActions = jsii.Strings("{{resolve:ssm:/actions}}") },
			`ToolDeniedActions must contain IAM actions such as "s3:GetBucketPolicy", got "{{resolve:ssm:/actions}}"`},
		{"a prefix that CloudFormation looks up", func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = jsii.String("{{resolve:ssm:/p}}") },
			`ResourcePrefix must be 1 to 20 letters, digits, and inner hyphens, got "{{resolve:ssm:/p}}"`},
		{"a pattern that CloudFormation looks up", func(p *alarmtriage.AlarmTriageProps) { p.RedactPatterns = jsii.Strings("{{resolve:ssm:/secret}}") },
			"RedactPatterns must be known at synth"},
		{"an architecture that Lambda does not have", func(p *alarmtriage.AlarmTriageProps) {
			p.Architecture = awslambda.Architecture_Custom(jsii.String("riscv64"), nil)
		}, `Architecture must be one of arm64, x86_64, got "riscv64"`},
		{"half an investigation", func(p *alarmtriage.AlarmTriageProps) { p.MaxConcurrentInvestigations = jsii.Number(0.5) }, "MaxConcurrentInvestigations must be a whole number of at least 0, got 0.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			create := func() { newTriage(newStack(), c.change) }
			if c.want == "" {
				assert.NotPanics(t, create)
				return
			}
			assert.Contains(t, panicOf(t, create), c.want)
		})
	}
}

// The message about too many bytes names where they are, and a remedy for each of them.
func TestValidate_NamesTheSizesOfTexts(t *testing.T) {
	accounts, names := []*string{}, map[string]*string{}
	for i := range 40 {
		account := fmt.Sprintf("4444555566%02d", i)
		accounts, names[account] = append(accounts, jsii.String(account)), jsii.Sprintf("team-orders-production-%02d", i)
	}
	create := func(change func(p *alarmtriage.AlarmTriageProps)) string {
		return panicOf(t, func() {
			newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) {
				p.AccountNames = &names
				change(p)
			})
		})
	}
	const most = "Members must have at most 2400 bytes together as JSON, because they share the function's environment, got "
	assert.Contains(t, create(func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf(stringsIn(accounts)...) }),
		most+"2657 (AccountNames 1883, Members 774): use shorter names, or name fewer accounts; or use OrganizationId instead of Members.Accounts")
	assert.Contains(t, create(func(p *alarmtriage.AlarmTriageProps) {
		p.Members, p.Instructions = &alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5")}, jsii.String(strings.Repeat("x", 1900))
	}), "move the instructions to InstructionsFile or InstructionsObject; or use shorter names, or name fewer accounts")
}

func stringsIn(list []*string) (values []string) {
	for _, value := range list {
		values = append(values, *value)
	}
	return values
}

func TestValidate_BoundsDeniedResources(t *testing.T) {
	arn := "arn:aws:logs:*:*:log-group:" + strings.Repeat("a", 2800)
	message := panicOf(t, func() {
		newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) { p.ToolDeniedResources = jsii.Strings(arn) })
	})
	assert.Contains(t, message, "ToolDeniedResources must have at most 2300 bytes as JSON, because the role's policy contains each of them three times, got 2831")

	arn = "arn:aws:logs:*:*:log-group:" + strings.Repeat("<", 500) // 6 bytes each as JSON
	message = panicOf(t, func() {
		newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedResources, p.RedactPatterns = jsii.Strings(arn), jsii.Strings(strings.Repeat("x", 900))
		})
	})
	assert.Contains(t, message, "RedactPatterns, and Members must have at most 3800 bytes together as JSON")
}

func TestChatCardTopic_ReceivesNothingElse(t *testing.T) {
	stack := newStack()
	imported := func(id string) awssns.ITopic {
		return awssns.Topic_FromTopicArn(stack, jsii.String(id), jsii.String("arn:aws:sns:eu-west-1:111122223333:cards"))
	}
	message := panicOf(t, func() {
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic, p.ChatCardTopic, p.SelfAlarmTopic = imported("A"), imported("B"), imported("C")
		})
	})
	assert.Contains(t, message, "ChatCardTopic must not be the NotificationTopic, whose subscribers would receive cards as JSON: create a topic for cards")
	assert.Contains(t, message, "SelfAlarmTopic must not be the ChatCardTopic, which only accepts chat cards")
	newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = p.NotificationTopic })

	fifo := func(set func(p *alarmtriage.AlarmTriageProps, topic awssns.ITopic)) {
		stack := newStack()
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			set(p, awssns.NewTopic(stack, jsii.String("Fifo"), &awssns.TopicProps{Fifo: jsii.Bool(true)}))
		})
	}
	fifo(func(p *alarmtriage.AlarmTriageProps, topic awssns.ITopic) { p.NotificationTopic = topic }) // a queue may be subscribed
	assert.Contains(t, panicOf(t, func() {
		fifo(func(p *alarmtriage.AlarmTriageProps, topic awssns.ITopic) { p.ChatCardTopic = topic })
	}), "ChatCardTopic must be a standard topic: FIFO topics only deliver to queues")
}

func TestValidate_ReportsProblemsInListsNamesAndSizes(t *testing.T) {
	stack := newStack()
	var many []string
	for i := range 120 {
		many = append(many, fmt.Sprintf("someservice:DescribeThingNumber%d", i))
	}
	message := panicOf(t, func() {
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Tags = &map[string]*string{"team": nil}
			p.ToolLayers = &[]awslambda.ILayerVersion{nil}
			p.Vpc, p.SecurityGroups = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), &[]awsec2.ISecurityGroup{nil}
			p.ToolAllowedActions, p.ToolDeniedActions = &[]*string{nil}, jsii.Strings(many...)
			p.RedactPatterns = &[]*string{nil}
			p.ModelPrices = &map[string]*alarmtriage.ModelPrice{"a": nil, "b": {Input: jsii.Number(1), Output: jsii.Number(1), CacheRead: jsii.Number(-1)}}
			p.Instructions = jsii.String(strings.Repeat("ア", 1000)) // 3 bytes each
			p.ResourcePrefix, p.ResourceSuffix = jsii.String("a-prefix-of-twenty-1"), jsii.String("a-suffix-of-16-c")
			p.InvestigationWindow = awscdk.Duration_Millis(jsii.Number(90_500))
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("abc"), GuardrailVersion: jsii.String("latest")}
			p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), &awssqs.QueueProps{Fifo: jsii.Bool(true)})
		})
	})
	for _, want := range []string{
		`Tags must have values, got none for "team"`, "ToolLayers must contain layers", "SecurityGroups must contain security groups",
		"ToolAllowedActions must contain IAM actions", "RedactPatterns must contain RE2 regular expressions",
		`ModelPrices must have Input and Output for "a"`, `ModelPrices must be at least 0, got -1 for "b"`,
		"Instructions, ModelPrices, FallbackModelIds, RedactPatterns, AccountNames, ConsoleUrl, and Members must have at most 2400 bytes together", "ToolAllowedActions, ToolDeniedActions, ToolDeniedResources, ToolAllowedAccounts, RedactPatterns, and Members must have at most 3800 bytes",
		"ResourcePrefix and ResourceSuffix must have at most 35 characters together, because a bucket's name contains both, got 36",
		"InvestigationWindow must be a whole number of seconds, got 90.5 seconds", `Guardrail.GuardrailVersion must be a number or DRAFT, got "latest"`,
		"OnFailureQueue must be a standard queue",
	} {
		assert.Contains(t, message, want)
	}
}

func TestRemovalPolicy_RejectsSnapshots(t *testing.T) {
	withPolicy := func(policy awscdk.RemovalPolicy) func() {
		return func() { newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) { p.RemovalPolicy = policy }) }
	}
	assert.Contains(t, panicOf(t, withPolicy(awscdk.RemovalPolicy_SNAPSHOT)),
		`alarmtriage: RemovalPolicy must be RETAIN_ON_UPDATE_OR_DELETE, RETAIN, or DESTROY, because CloudFormation takes no snapshots of tables and buckets, got "SNAPSHOT"`)
	for _, policy := range []awscdk.RemovalPolicy{
		"", awscdk.RemovalPolicy_RETAIN, awscdk.RemovalPolicy_DESTROY, awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE,
	} {
		assert.NotPanics(t, withPolicy(policy), policy)
	}
}

// CDK knows the keys of resources that the app defines, so another key would neither encrypt them nor open them.
func TestValidate_KeysOfOwnResources(t *testing.T) {
	create := func(change func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey)) func() {
		return func() {
			stack := newStack()
			key := awskms.NewKey(stack, jsii.String("Key"), nil)
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.ReportsEncryptionKey, p.TableEncryptionKey = key, key
				change(stack, p, key)
			})
		}
	}
	bucket := func(stack awscdk.Stack, key awskms.IKey) awss3.IBucket {
		return awss3.NewBucket(stack, jsii.String("Bucket"), &awss3.BucketProps{EncryptionKey: key})
	}
	table := func(stack awscdk.Stack, key awskms.IKey) awsdynamodb.ITable {
		return awsdynamodb.NewTable(stack, jsii.String("Table"), &awsdynamodb.TableProps{EncryptionKey: key,
			PartitionKey: &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING}})
	}
	other := func(stack awscdk.Stack) awskms.IKey { return awskms.NewKey(stack, jsii.String("Other"), nil) }
	message := panicOf(t, create(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, _ awskms.IKey) {
		p.ReportsBucket, p.InvestigationsTable = bucket(stack, nil), table(stack, other(stack))
	}))
	assert.Equal(t, "alarmtriage: ReportsEncryptionKey must be the key of ReportsBucket, got Test/Key, and Test/Bucket has no such key: omit it, or set it as the key of "+
		"that resource\nalarmtriage: TableEncryptionKey must be the key of InvestigationsTable, got Test/Key, and its key is Test/Other: omit it, or set it as the key of "+
		"that resource", message)
	topic := func(stack awscdk.Stack, id string, key awskms.IKey) awssns.Topic {
		return awssns.NewTopic(stack, jsii.String(id), &awssns.TopicProps{MasterKey: key})
	}
	message = panicOf(t, create(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
		p.TopicEncryptionKey, p.ChatCardTopic = key, topic(stack, "Cards", other(stack))
	}))
	assert.Equal(t, "alarmtriage: TopicEncryptionKey must be the key of NotificationTopic or ChatCardTopic, got Test/Key, and Test/OnCall has no key, and "+
		"Test/Cards has the key Test/Other: omit it, or set it as the MasterKey of the topic", message)
	for name, change := range map[string]func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey){
		"the key of one topic": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.TopicEncryptionKey, p.ChatCardTopic = key, topic(stack, "Cards", key)
		},
		"an imported topic": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.TopicEncryptionKey = key
			p.ChatCardTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Cards"), jsii.String("arn:aws:sns:eu-west-1:111122223333:cards"))
		},
		"an imported key": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.TopicEncryptionKey, p.NotificationTopic = importedKey(stack, "111122223333", "eu-west-1"), topic(stack, "Encrypted", key)
		},
		"a topic with an override": func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.TopicEncryptionKey = key
			p.NotificationTopic.Node().DefaultChild().(awssns.CfnTopic).AddPropertyOverride(jsii.String("KmsMasterKeyId"), key.KeyId())
		},
		"a topic whose key CDK does not know": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.TopicEncryptionKey = key
			p.NotificationTopic.Node().DefaultChild().(awssns.CfnTopic).SetKmsMasterKeyId(key.KeyId())
		},
		"the same key": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.ReportsBucket, p.InvestigationsTable = bucket(stack, key), table(stack, key)
		},
		"new resources": func(awscdk.Stack, *alarmtriage.AlarmTriageProps, awskms.IKey) {},
		"an alias": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.ReportsBucket = bucket(stack, awskms.NewAlias(stack, jsii.String("Alias"), &awskms.AliasProps{AliasName: jsii.String("alias/reports"), TargetKey: key}))
		},
		"imported resources": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, _ awskms.IKey) {
			p.ReportsBucket = awss3.Bucket_FromBucketName(stack, jsii.String("Bucket"), jsii.String("reports"))
			p.InvestigationsTable = awsdynamodb.Table_FromTableName(stack, jsii.String("Table"), jsii.String("claims"))
		},
	} {
		assert.NotPanics(t, create(change), name)
	}
}
