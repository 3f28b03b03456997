// Command 04-vpc-and-kms shows an AlarmTriage in a network without a route to the internet, with data that is
// encrypted with your own key. Both functions run in isolated subnets and reach AWS through VPC endpoints that
// only they can use. One key encrypts bucket, table, topic, and logs. The tool's role is based on the allow
// list. Both roles have a permissions boundary.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("PrivateTriage"), nil)

	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{
		MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("triage"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}},
	})

	key := awskms.NewKey(stack, jsii.String("Key"), &awskms.KeyProps{EnableKeyRotation: jsii.Bool(true)})

	// The boundary keeps the roles from changing permissions and from assuming other roles, even if somebody
	// attaches more policies to them.
	boundary := awsiam.NewManagedPolicy(stack, jsii.String("Boundary"), &awsiam.ManagedPolicyProps{
		Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("*"), Resources: jsii.Strings("*")}),
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Effect: awsiam.Effect_DENY, Resources: jsii.Strings("*"),
				Actions: jsii.Strings("iam:Add*", "iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:Pass*", "iam:Put*", "iam:Remove*", "iam:Set*", "iam:Update*", "sts:Assume*"),
			}),
		},
	})

	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), &awssns.TopicProps{MasterKey: key}),

		Vpc:                vpc,
		VpcSubnets:         &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
		CreateVpcEndpoints: jsii.Bool(true),
		// The model's code must be able to read the services that the alarms are about.
		VpcEndpointServices: &[]awsec2.InterfaceVpcEndpointAwsService{
			awsec2.InterfaceVpcEndpointAwsService_ECS(), awsec2.InterfaceVpcEndpointAwsService_RDS(), awsec2.InterfaceVpcEndpointAwsService_SQS(),
		},

		ReportsEncryptionKey: key,
		TableEncryptionKey:   key,
		TopicEncryptionKey:   key,
		LogsEncryptionKey:    key,
		LogRetention:         awslogs.RetentionDays_THREE_MONTHS,
		Tracing:              awslambda.Tracing_ACTIVE,

		ToolPermissions:     alarmtriage.ToolPermissions_ALLOW_LIST,
		PermissionsBoundary: boundary,
	})

	triage.AttachAlarms(awscloudwatch.NewAlarm(stack, jsii.String("Backlog"), &awscloudwatch.AlarmProps{
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/SQS"), MetricName: jsii.String("ApproximateAgeOfOldestMessage"),
			DimensionsMap: &map[string]*string{"QueueName": jsii.String("orders")}, Statistic: jsii.String("Maximum"),
		}),
		Threshold: jsii.Number(300), EvaluationPeriods: jsii.Number(3),
	}))
	app.Synth(nil)
}
