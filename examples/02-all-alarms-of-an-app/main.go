// Command 02-all-alarms-of-an-app attaches all alarms of an app, including those that its teams add later,
// except AlarmTriage's own alarms and alarms whose name begins with noise-.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)

	platform := awscdk.NewStack(app, jsii.String("AppTriage"), nil)
	triage := alarmtriage.NewAlarmTriage(platform, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(platform, jsii.String("OnCall"), nil),
		NotifyRecovery:    jsii.Bool(true),
		// The team that operates AlarmTriage is notified here if AlarmTriage itself fails.
		SelfAlarmTopic: awssns.NewTopic(platform, jsii.String("PlatformTeam"), nil),
		OnFailureQueue: awssqs.NewQueue(platform, jsii.String("NotInvestigated"), nil),
		Dashboard:      jsii.Bool(true),
	})
	triage.AttachAll(app, &alarmtriage.AlarmFilter{ExceptNamePrefixes: jsii.Strings("noise-")})

	orders := awscdk.NewStack(app, jsii.String("Orders"), nil)
	failures := newAlarm(orders, "OrderFailures", "Failures")
	slowness := newAlarm(orders, "OrderSlowness", "Duration")
	awscloudwatch.NewCompositeAlarm(orders, jsii.String("OrdersDegraded"), &awscloudwatch.CompositeAlarmProps{
		AlarmRule: awscloudwatch.AlarmRule_AnyOf(failures, slowness),
	})

	payments := awscdk.NewStack(app, jsii.String("Payments"), nil)
	newAlarm(payments, "PaymentFailures", "Failures")
	awscloudwatch.NewAlarm(payments, jsii.String("Retries"), &awscloudwatch.AlarmProps{
		AlarmName: jsii.String("noise-payment-retries"), // not attached
		Metric:    metric("Retries"), Threshold: jsii.Number(100), EvaluationPeriods: jsii.Number(3),
	})
	app.Synth(nil)
}

func metric(name string) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String(name)})
}

func newAlarm(stack awscdk.Stack, id, name string) awscloudwatch.Alarm {
	return awscloudwatch.NewAlarm(stack, jsii.String(id), &awscloudwatch.AlarmProps{
		Metric: metric(name), Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1),
	})
}
