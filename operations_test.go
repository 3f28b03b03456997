package alarmtriage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestExistingBucketTableAndTopicAreUsedGrantedAndDeniedToTheTool(t *testing.T) {
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
	assert.Contains(t, granted["kms:Decrypt"], "${Key", "the bucket's key is known by CDK")
	assert.Contains(t, granted["kms:GenerateDataKey*"], "${PagerKey", "the topic's key too")
	var denied string
	for _, s := range policies(t, stack, "TriageToolDeniesOwn") {
		denied += text(s.Resource) + " "
	}
	for _, own := range []string{"table/claims", "${Bucket", "${Pager"} {
		assert.Contains(t, denied, own)
	}
}

func TestOnlyTheRunbooksPrefixIsReadable(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("docs")), Prefix: jsii.String("runbooks/")}
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Environment", like("Variables", like("RUNBOOKS_S3_URI", "s3://docs/runbooks/"))))
	var readable []string
	for _, s := range policies(t, stack, "TriageOrchestratorRole") {
		if resource := text(s.Resource); strings.Contains(resource, ":docs") {
			readable = append(readable, text(s.Action)+" "+resource)
		}
	}
	assert.Equal(t, []string{"s3:GetObject arn:${AWS::Partition}:s3:::docs/runbooks/*"}, readable)
}

func TestSelfAlarmsAreToldToTheirTopicAndNeverInvestigated(t *testing.T) {
	stack := newStack()
	var platform awssns.ITopic
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		platform = awssns.NewTopic(stack, jsii.String("Platform"), nil)
		p.SelfAlarmTopic, p.OnFailureQueue = platform, awssqs.NewQueue(stack, jsii.String("Failed"), nil)
		p.ResourcePrefix = jsii.String("Prod")
	})
	triage.AttachAll(stack, nil)
	triage.AttachEventRule(jsii.String("Everything"), nil)
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(platform, nil) }), "can't be subscribed to it")
	assert.Contains(t, panicOf(t, func() { triage.AttachAlarms(triage.SelfAlarms()[0]) }), "can't be attached to it")
	assert.Len(t, triage.SelfAlarms(), 8)

	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::CloudWatch::Alarm"), jsii.Number(8))
	template.AllResourcesProperties(jsii.String("AWS::CloudWatch::Alarm"), like(
		"AlarmName", assertions.Match_StringLikeRegexp(jsii.String("^alarmtriage-self-.*-prod-[a-z-]+$")),
		"AlarmActions", []any{map[string]any{"Ref": assertions.Match_StringLikeRegexp(jsii.String("Platform"))}}))
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), like("EventPattern", like("detail", like(
		"alarmName", []any{object("anything-but", object("prefix", "alarmtriage-self-"))}))))
}

func TestSelfAlarmsGetThroughToAnEncryptedTopic(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), &awssns.TopicProps{MasterKey: awskms.NewKey(stack, jsii.String("Key"), nil)})
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::KMS::Key"), like("KeyPolicy", like("Statement", assertions.Match_ArrayWith(&[]any{like(
		"Principal", object("Service", "cloudwatch.amazonaws.com"), "Action", []string{"kms:Decrypt", "kms:GenerateDataKey*"}, "Effect", "Allow")}))))
}

func TestDashboardIsThereOnRequest(t *testing.T) {
	stack := newStack()
	assert.Nil(t, newTriage(stack, nil).Dashboard())
	stack = newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Dashboard = jsii.Bool(true) })
	assert.NotNil(t, triage.Dashboard())
	synth(stack).ResourceCountIs(jsii.String("AWS::CloudWatch::Dashboard"), jsii.Number(1))
}

func TestVpcEndpointsAreThereOnRequestAndOpenToTheFunctionsAlone(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{NatGateways: jsii.Number(0),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
		p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
		p.CreateVpcEndpoints = jsii.Bool(true)
		p.VpcEndpointServices = &[]awsec2.InterfaceVpcEndpointAwsService{awsec2.InterfaceVpcEndpointAwsService_RDS(), awsec2.InterfaceVpcEndpointAwsService_SNS()}
	})
	template := synth(stack)
	var services []string
	for _, resource := range *template.FindResources(jsii.String("AWS::EC2::VPCEndpoint"), nil) {
		name := text((*resource)["Properties"].(map[string]any)["ServiceName"])
		services = append(services, name[strings.LastIndex(name, ".")+1:])
	}
	assert.ElementsMatch(t, []string{"s3", "dynamodb", "bedrock-runtime", "lambda", "sns", "sts", "logs", "monitoring", "cloudtrail", "rds"}, services)
	// Two functions reach each of eight interfaces.
	template.ResourceCountIs(jsii.String("AWS::EC2::SecurityGroupIngress"), jsii.Number(2*8))
	template.AllResourcesProperties(jsii.String("AWS::EC2::SecurityGroupIngress"), like("FromPort", 443, "ToPort", 443, "SourceSecurityGroupId", assertions.Match_AnyValue()))
}

func TestIsolatedSubnetsWithoutEndpointsAreWarnedOf(t *testing.T) {
	annotations := func(kind awsec2.SubnetType, change func(*alarmtriage.AlarmTriageProps)) assertions.Annotations {
		stack := newStack()
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{
				SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: kind}, {Name: jsii.String("out"), SubnetType: awsec2.SubnetType_PUBLIC}}})
			p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: kind}
			p.BedrockModelId = jsii.String("eu.amazon.nova-pro-v1:0")
			if change != nil {
				change(p)
			}
		})
		return assertions.Annotations_FromStack(stack)
	}
	everywhere, anything := jsii.String("*"), assertions.Match_AnyValue()
	annotations(awsec2.SubnetType_PRIVATE_ISOLATED, nil).HasWarning(jsii.String("/Test/Triage"), assertions.Match_StringLikeRegexp(
		jsii.String("must have endpoints of s3, dynamodb, bedrock-runtime, lambda, sns, sts, logs, monitoring, cloudtrail")))
	annotations(awsec2.SubnetType_PRIVATE_ISOLATED, func(p *alarmtriage.AlarmTriageProps) { p.CreateVpcEndpoints = jsii.Bool(true) }).HasNoWarning(everywhere, anything)
	annotations(awsec2.SubnetType_PRIVATE_WITH_EGRESS, nil).HasNoWarning(everywhere, anything)
}

func TestEventRuleTakesTagsAndReportsMistakes(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	team := &map[string]*[]*string{"team": jsii.Strings("payments", "orders")}
	triage.AttachEventRule(jsii.String("Tagged"), &alarmtriage.EventRuleProps{Tags: team})
	message := panicOf(t, func() {
		triage.AttachEventRule(jsii.String("Wrong"), &alarmtriage.EventRuleProps{
			Accounts: jsii.Strings("12"), NamePrefixes: jsii.Strings(""), ExceptNamePrefixes: &[]*string{}, Tags: &map[string]*[]*string{"team": {}}})
	})
	for _, want := range []string{
		`EventRuleProps.Accounts must hold accounts of 12 digits, got "12"`, "EventRuleProps.NamePrefixes must hold texts",
		"EventRuleProps.ExceptNamePrefixes must hold texts", `none for "team"`,
	} {
		assert.Contains(t, message, want)
	}
	synth(stack).HasResourceProperties(jsii.String("AWS::Events::Rule"), like("EventPattern", like("detail", like(
		"alarmTags", object("team", []string{"payments", "orders"})))))
}

func TestFunctionsTakeTheirSizeTimeAndPlaceFromTheProps(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
		p.Vpc = vpc
		p.SecurityGroups = &[]awsec2.ISecurityGroup{awsec2.SecurityGroup_FromSecurityGroupId(stack, jsii.String("Group"), jsii.String("sg-0a1b2c3d"), nil)}
		p.OrchestratorTimeout, p.OrchestratorMemorySize = awscdk.Duration_Seconds(jsii.Number(300)), jsii.Number(512)
		p.ToolTimeout, p.ToolMemorySize = awscdk.Duration_Seconds(jsii.Number(90)), jsii.Number(1769)
		p.MaxConcurrentInvestigations, p.ToolReservedConcurrentExecutions = jsii.Number(3), jsii.Number(7)
		p.RedactSecrets = jsii.Bool(false)
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
		"Environment", like("Variables", like("TOOL_TIMEOUT_SECONDS", "90", "REDACT", "false", "REDACT_PATTERNS", `["shop-[0-9]+"]`))))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "python3.13",
		"Timeout", 90, "MemorySize", 1769, "ReservedConcurrentExecutions", 7,
		"Environment", like("Variables", like("REDACT", "false", "REDACT_PATTERNS", `["shop-[0-9]+"]`))))
}

func TestLogClassIsThatOfBothLogGroups(t *testing.T) {
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

func TestLogClass_DeliveryRefusesARetention(t *testing.T) {
	message := panicOf(t, func() {
		newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) {
			p.LogClass, p.LogRetention = awslogs.LogGroupClass_DELIVERY, awslogs.RetentionDays_ONE_MONTH
		})
	})
	assert.Contains(t, message, `LogRetention can't be combined with LogClass DELIVERY, whose retention CloudWatch sets itself, got "ONE_MONTH"`)
	assert.Contains(t, message, "leave out LogRetention, or use LogClass STANDARD or INFREQUENT_ACCESS")
}

func TestTwoTriagesLiveInOneStack(t *testing.T) {
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
	assert.Len(t, names, 14, "each alarm has a name of its own")
}
