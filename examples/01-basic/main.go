// Command 01-basic is the quick start as a complete app: two alarms, a topic, and an AlarmTriage.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	newStack(app)
	app.Synth(nil)
}

// newStack adds the stack to app. It is a function so that main_test.go can call it.
func newStack(app awscdk.App) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String("BasicTriage"), nil)

	checkoutErrors := newAlarm(stack, "CheckoutErrors", "Errors", "Sum", 1)
	checkoutLatency := newAlarm(stack, "CheckoutLatency", "Duration", "p99", 3000)

	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String("oncall@example.com"), nil))

	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: topic,
	})
	triage.AttachAlarms(checkoutErrors, checkoutLatency)

	awscdk.NewCfnOutput(stack, jsii.String("ReportsBucket"), &awscdk.CfnOutputProps{Value: triage.ReportsBucket().BucketName()})
	return stack
}

// newAlarm adds an alarm on a metric of the function checkout.
func newAlarm(stack awscdk.Stack, id, metric, statistic string, threshold float64) awscloudwatch.Alarm {
	return awscloudwatch.NewAlarm(stack, jsii.String(id), &awscloudwatch.AlarmProps{
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace:     jsii.String("AWS/Lambda"),
			MetricName:    jsii.String(metric),
			DimensionsMap: &map[string]*string{"FunctionName": jsii.String("checkout")},
			Statistic:     jsii.String(statistic),
			Period:        awscdk.Duration_Minutes(jsii.Number(1)),
		}),
		Threshold:         jsii.Number(threshold),
		EvaluationPeriods: jsii.Number(1),
		TreatMissingData:  awscloudwatch.TreatMissingData_NOT_BREACHING,
	})
}
