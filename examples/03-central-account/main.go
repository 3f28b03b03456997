// Command 03-central-account deploys one AlarmTriage for many accounts. Each member account sends its alarm
// events to an event bus of the central account, and shares its metrics, logs, and traces with that account.
//
// The model's code can't read other data of the member accounts, such as the configuration of a function,
// because its role belongs to the central account and can't assume other roles. If investigations need such
// data, deploy an AlarmTriage in the member account.
//
// README.md has the commands.
package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsoam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Replace the accounts and the Region with your own.
const (
	central = "111122223333"
	region  = "us-east-1"
)

var members = []string{"444455556666", "777788889999"}

// shared lists the types of resources that the member accounts share with the central account.
var shared = jsii.Strings("AWS::CloudWatch::Metric", "AWS::Logs::LogGroup", "AWS::XRay::Trace")

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	newCentral(app)
	for _, member := range members {
		newMember(app, member)
	}
	app.Synth(nil)
}

func env(account string) *awscdk.StackProps {
	return &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}}
}

// busName is a fixed name, because the stacks of the member accounts can't reference the bus.
const busName = "alarm-triage"

func newCentral(app awscdk.App) {
	stack := awscdk.NewStack(app, jsii.String("CentralTriage"), env(central))
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil),
	})

	bus := awsevents.NewEventBus(stack, jsii.String("Alarms"), &awsevents.EventBusProps{EventBusName: jsii.String(busName)})
	var principals []any
	for _, member := range members {
		id := jsii.String("From" + member)
		bus.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        id,
			Principals: &[]awsiam.IPrincipal{awsiam.NewAccountPrincipal(jsii.String(member))},
			Actions:    jsii.Strings("events:PutEvents"),
			Resources:  &[]*string{bus.EventBusArn()},
		}))
		principals = append(principals, member)
	}
	triage.AttachEventRule(jsii.String("Members"), &alarmtriage.EventRuleProps{EventBus: bus, Accounts: jsii.Strings(members...)})
	triage.AttachEventRule(jsii.String("Own"), nil)

	sink := awsoam.NewCfnSink(stack, jsii.String("Sink"), &awsoam.CfnSinkProps{
		Name: jsii.String("alarm-triage"),
		Policy: map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Effect": "Allow", "Principal": map[string]any{"AWS": principals},
				"Action": []string{"oam:CreateLink", "oam:UpdateLink"}, "Resource": "*",
				"Condition": map[string]any{"ForAllValues:StringEquals": map[string]any{"oam:ResourceTypes": shared}},
			}},
		},
	})
	awscdk.NewCfnOutput(stack, jsii.String("SinkArn"), &awscdk.CfnOutputProps{Value: sink.AttrArn()})
}

func newMember(app awscdk.App, account string) {
	stack := awscdk.NewStack(app, jsii.String("Member-"+account), env(account))
	bus := awsevents.EventBus_FromEventBusArn(stack, jsii.String("Central"),
		jsii.String(fmt.Sprintf("arn:aws:events:%s:%s:event-bus/%s", region, central, busName)))
	awsevents.NewRule(stack, jsii.String("Alarms"), &awsevents.RuleProps{
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings("aws.cloudwatch"),
			DetailType: jsii.Strings("CloudWatch Alarm State Change"),
			Detail:     &map[string]any{"state": map[string]any{"value": jsii.Strings("ALARM")}},
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(bus, nil)},
	})

	// The value is the output SinkArn of CentralTriage.
	sink := awscdk.NewCfnParameter(stack, jsii.String("SinkArn"), &awscdk.CfnParameterProps{
		AllowedPattern: jsii.String("arn:aws[a-z-]*:oam:.*"),
	})
	awsoam.NewCfnLink(stack, jsii.String("Share"), &awsoam.CfnLinkProps{
		SinkIdentifier: sink.ValueAsString(), ResourceTypes: shared, LabelTemplate: jsii.String("$AccountName"),
	})
}
