// The quick start as a complete app: a topic, an alarm, and the AlarmTriage between them.
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
	stack := awscdk.NewStack(app, jsii.String("BasicTriage"), nil)

	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String("oncall@example.com"), nil))

	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: topic,
	})

	failures := awscloudwatch.NewAlarm(stack, jsii.String("CheckoutErrors"), &awscloudwatch.AlarmProps{
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace:     jsii.String("AWS/Lambda"),
			MetricName:    jsii.String("Errors"),
			DimensionsMap: &map[string]*string{"FunctionName": jsii.String("checkout")},
			Statistic:     jsii.String("Sum"),
			Period:        awscdk.Duration_Minutes(jsii.Number(1)),
		}),
		Threshold:         jsii.Number(1),
		EvaluationPeriods: jsii.Number(1),
		TreatMissingData:  awscloudwatch.TreatMissingData_NOT_BREACHING,
	})
	triage.AttachAlarms(failures)

	awscdk.NewCfnOutput(stack, jsii.String("ReportsBucket"), &awscdk.CfnOutputProps{Value: triage.ReportsBucket().BucketName()})
	app.Synth(nil)
}
