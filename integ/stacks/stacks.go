// Package stacks provides the stack of the integration tests in several variants. It has an AlarmTriage, an
// alarm, and a topic.
package stacks

import (
	"runtime"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Name is the stack's name.
const Name = "TriageInteg"

// variants returns functions that change the stack's props, by the name of the variant.
func variants() map[string]func(awscdk.Stack, *alarmtriage.AlarmTriageProps) {
	return map[string]func(awscdk.Stack, *alarmtriage.AlarmTriageProps){
		"default": func(awscdk.Stack, *alarmtriage.AlarmTriageProps) {},
		"changed": changed,
		"named": func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ResourcePrefix, p.ResourceSuffix = jsii.String("prod"), jsii.String("us-east-1")
		},
		"encrypted": encrypted,
		"watched":   watched,
		"isolated":  isolated,
		"listed": func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST
		},
		"members": func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Members = &alarmtriage.Members{Accounts: jsii.Strings(MemberAccount)}
		},
	}
}

// changed is deployed over the variant default. The update must not replace any resource with data.
func changed(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
	p.BedrockModelId = jsii.String("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
	p.Instructions = jsii.String("The shop is busiest at noon.")
	p.OrchestratorTimeout = awscdk.Duration_Seconds(jsii.Number(600))
	p.OrchestratorMemorySize, p.ToolMemorySize = jsii.Number(2048), jsii.Number(3008)
	p.InvestigationWindow = awscdk.Duration_Hours(jsii.Number(6))
	p.ReportsRetention = awscdk.Duration_Days(jsii.Number(30))
	p.LogLevel = alarmtriage.LogLevel_DEBUG
	p.MaxCostUsd = jsii.Number(2)
	p.ToolAllowHostOutput = jsii.Bool(true)
	p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), &awssqs.QueueProps{EnforceSSL: jsii.Bool(true)})
}

// encrypted uses one key for everything that is stored and sent.
func encrypted(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
	key := awskms.NewKey(stack, jsii.String("Key"), &awskms.KeyProps{EnableKeyRotation: jsii.Bool(true)})
	p.NotificationTopic = awssns.NewTopic(stack, jsii.String("Pager"), &awssns.TopicProps{MasterKey: key, EnforceSSL: jsii.Bool(true)})
	p.ReportsEncryptionKey, p.TableEncryptionKey, p.LogsEncryptionKey = key, key, key
	p.LogRetention = awslogs.RetentionDays_THREE_MONTHS
	p.Tracing = awslambda.Tracing_ACTIVE
	p.ReportsAccessLogs = &alarmtriage.ReportsAccessLogs{Prefix: jsii.String("triage/"), Bucket: awss3.NewBucket(stack, jsii.String("AccessLogs"), &awss3.BucketProps{
		EnforceSSL: jsii.Bool(true), BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
	})}
}

// watched has a dashboard, self-alarms, and completion events.
func watched(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
	p.Dashboard = jsii.Bool(true)
	p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), &awssqs.QueueProps{EnforceSSL: jsii.Bool(true)})
	p.CompletionEventBus = awsevents.NewEventBus(stack, jsii.String("Bus"), nil)
	p.NotifyRecovery = jsii.Bool(true)
}

// isolated runs in a VPC without a route to the internet.
func isolated(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{
		MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("triage"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}},
	})
	vpc.AddFlowLog(jsii.String("Flow"), nil)
	p.Vpc, p.VpcSubnets = vpc, &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
	p.CreateVpcEndpoints = jsii.Bool(true)
	p.VpcEndpointServices = &[]awsec2.InterfaceVpcEndpointAwsService{awsec2.InterfaceVpcEndpointAwsService_ECS(), awsec2.InterfaceVpcEndpointAwsService_RDS()}
}

// MemberAccount is the member account of the variant members.
const MemberAccount = "444455556666"

// NewMember adds the stack of the member account of an AlarmTriage in a central account to app.
func NewMember(app awscdk.App, central, region string) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String(Name+"Member"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String(MemberAccount), Region: &region},
	})
	alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{CentralAccount: &central})
	return stack
}

// Variants returns the names of the variants, sorted.
func Variants() []string {
	var names []string
	for name := range variants() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// New adds the stack of a variant to app. If region is empty, the stack is not bound to a Region. New
// panics if the variant does not exist.
func New(app awscdk.App, variant, region string) (awscdk.Stack, *alarmtriage.AlarmTriage) {
	props := &awscdk.StackProps{}
	if region != "" {
		props.Env = &awscdk.Environment{Region: &region}
	}
	return newStack(awscdk.NewStack(app, jsii.String(Name), props), variant)
}

func newStack(stack awscdk.Stack, variant string) (awscdk.Stack, *alarmtriage.AlarmTriage) {
	props := &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)}),
		Architecture:      awslambda.Architecture_ARM_64(),
	}
	if runtime.GOARCH == "amd64" {
		props.Architecture = awslambda.Architecture_X86_64()
	}
	variants()[variant](stack, props)
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), props)
	triage.AttachAlarms(awscloudwatch.NewAlarm(stack, jsii.String("Failures"), &awscloudwatch.AlarmProps{
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String(Name), MetricName: jsii.String("Failures"), Period: awscdk.Duration_Minutes(jsii.Number(1)),
		}),
		Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1), TreatMissingData: awscloudwatch.TreatMissingData_NOT_BREACHING,
	}))
	return stack, triage
}
