package alarmtriage_test

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// The synth of the examples' stack builds nothing. In an app, use `awscdk.NewStack(app, id, props)`.

func ExampleNewAlarmTriage() {
	stack := newStack()

	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic:   awssns.NewTopic(stack, jsii.String("OnCall"), nil),
		InvestigationWindow: awscdk.Duration_Hours(jsii.Number(4)),
		MaxCostUsd:          jsii.Number(2),
	})

	fmt.Println(*triage.BedrockModelId(), *(*triage.FallbackModelIds())[0])
	// Output: eu.anthropic.claude-sonnet-5-5 eu.amazon.nova-2-lite-v1:0
}

func ExampleAlarmTriageProps_models() {
	stack := newStack()

	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic:       awssns.NewTopic(stack, jsii.String("OnCall"), nil),
		BedrockModelId:          jsii.String("eu.anthropic.claude-haiku-5-5"),
		FallbackModelIds:        jsii.Strings("eu.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0"),
		AllowModelSubscriptions: jsii.Bool(true),
	})

	fmt.Println(*triage.BedrockModelId(), len(*triage.FallbackModelIds()))
	// Output: eu.anthropic.claude-haiku-5-5 2
}

func ExampleAlarmTriage_AttachAlarms() {
	stack := newStack()
	triage := newTriage(stack, nil)

	failures := awscloudwatch.NewAlarm(stack, jsii.String("Failures"), &awscloudwatch.AlarmProps{
		Metric:            awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Failures")}),
		Threshold:         jsii.Number(1),
		EvaluationPeriods: jsii.Number(1),
	})
	anything := awscloudwatch.NewCompositeAlarm(stack, jsii.String("Anything"), &awscloudwatch.CompositeAlarmProps{
		AlarmRule: awscloudwatch.AlarmRule_AnyOf(failures),
	})
	triage.AttachAlarms(failures, anything)
	// Output:
}

func ExampleAlarmTriage_AlarmAction() {
	stack := newStack()
	triage := newTriage(stack, nil)

	newAlarm(stack, "Failures").AddAlarmAction(triage.AlarmAction())
	// Output:
}

func ExampleAlarmTriage_AttachAll() {
	stack := newStack()
	triage := newTriage(stack, nil)

	triage.AttachAll(stack, &alarmtriage.AlarmFilter{
		NamePrefixes:       jsii.Strings("prod-"),
		ExceptNamePrefixes: jsii.Strings("prod-noise-"),
	})
	// Output:
}

func ExampleAlarmTriage_AttachEventRule() {
	stack := newStack()
	triage := newTriage(stack, nil)

	bus := awsevents.NewEventBus(stack, jsii.String("Alarms"), nil)
	triage.AttachEventRule(jsii.String("Members"), &alarmtriage.EventRuleProps{
		EventBus: bus,
		Accounts: jsii.Strings("444455556666"),
		Tags:     &map[string]*[]*string{"team": jsii.Strings("payments", "orders")},
	})
	// Output:
}

func ExampleAlarmTriage_AttachTopic() {
	stack := newStack()
	triage := newTriage(stack, nil)

	triage.AttachTopic(awssns.Topic_FromTopicArn(stack, jsii.String("Alarms"), jsii.String("arn:aws:sns:eu-west-1:111122223333:alarms")),
		&alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("prod-")})
	// Output:
}

func ExampleAlarmTriage_MetricCost() {
	stack := newStack()
	triage := newTriage(stack, nil)

	awscloudwatch.NewAlarm(stack, jsii.String("TriageCost"), &awscloudwatch.AlarmProps{
		Metric:            triage.MetricCost(&awscloudwatch.MetricOptions{Period: awscdk.Duration_Days(jsii.Number(1))}),
		Threshold:         jsii.Number(50),
		EvaluationPeriods: jsii.Number(1),
	})
	// Output:
}

func ExampleAlarmTriage_GrantReadReports() {
	stack := newStack()
	triage := newTriage(stack, nil)

	readers := awsiam.NewRole(stack, jsii.String("Engineers"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	triage.GrantReadReports(readers)
	// Output:
}

func ExampleRunbooks() {
	stack := newStack()

	alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil),
		Runbooks: &alarmtriage.Runbooks{
			Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("team-docs")),
			Prefix: jsii.String("runbooks/"),
		},
	})
	// The alarm names its runbook: s3://team-docs/runbooks/orders.md
	awscloudwatch.NewAlarm(stack, jsii.String("Failures"), &awscloudwatch.AlarmProps{
		AlarmDescription:  jsii.String("Orders fail.\nrunbook: orders.md"),
		Metric:            awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Failures")}),
		Threshold:         jsii.Number(1),
		EvaluationPeriods: jsii.Number(1),
	})
	// Output:
}
