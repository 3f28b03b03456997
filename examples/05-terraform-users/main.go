// Command 05-terraform-users is for users of the Terraform module
// terraform-aws-module-cloudwatch-alarm-triage. It shows the prop for each of the module's variables, with a
// value other than the default, and the accessor for each of its outputs.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("MigratedTriage"), nil)

	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		// sns_topic_arn = "arn:aws:sns:us-east-1:111122223333:oncall"
		NotificationTopic: awssns.Topic_FromTopicArn(stack, jsii.String("OnCall"), jsii.String("arn:aws:sns:us-east-1:111122223333:oncall")),
		// bedrock_model_id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
		BedrockModelId: jsii.String("us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
		// lambda_timeout = 600
		OrchestratorTimeout: awscdk.Duration_Seconds(jsii.Number(600)),
		// lambda_memory_size = 512
		OrchestratorMemorySize: jsii.Number(512),
		// tool_lambda_timeout = 120
		ToolTimeout: awscdk.Duration_Seconds(jsii.Number(120)),
		// tool_lambda_memory_size = 1024
		ToolMemorySize: jsii.Number(1024),
		// tool_lambda_reserved_concurrency = 5; omit it if the module had -1
		ToolReservedConcurrentExecutions: jsii.Number(5),
		// investigation_window_hours = 4
		InvestigationWindow: awscdk.Duration_Hours(jsii.Number(4)),
		// resource_prefix = "prod"
		ResourcePrefix: jsii.String("prod"),
		// resource_suffix = "us-east-1"
		ResourceSuffix: jsii.String("us-east-1"),
		// tags = { team = "payments" }
		Tags: &map[string]*string{"team": jsii.String("payments")},
		// reports_bucket_logging = { target_bucket = "access-logs", target_prefix = "triage/" }
		ReportsAccessLogs: &alarmtriage.ReportsAccessLogs{
			Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("AccessLogs"), jsii.String("access-logs")),
			Prefix: jsii.String("triage/"),
		},
		// reports_bucket_lifecycle_days = 90
		ReportsRetention: awscdk.Duration_Days(jsii.Number(90)),
		// log_level = "DEBUG"
		LogLevel: alarmtriage.LogLevel_DEBUG,
	})

	// CDK can't change the policy of an imported bucket, and warns of that. The policy must allow s3:PutObject to the service
	// logging.s3.amazonaws.com (docs/terraform.md).
	awscdk.Annotations_Of(triage.ReportsBucket()).AcknowledgeWarning(jsii.String("@aws-cdk/aws-s3:accessLogsPolicyNotAdded"),
		jsii.String("the policy of access-logs allows s3:PutObject to logging.s3.amazonaws.com"))

	// alarm_actions = [module.alarm_triage.triage_lambda_arn]
	alarm := awscloudwatch.NewAlarm(stack, jsii.String("Errors"), &awscloudwatch.AlarmProps{
		Metric:    awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Errors")}),
		Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1),
	})
	alarm.AddAlarmAction(triage.AlarmAction())

	// The module's outputs: functions, log groups, roles, model, table, and bucket.
	for name, value := range map[string]*string{
		"TriageLambdaArn":      triage.Orchestrator().FunctionArn(),
		"TriageLambdaName":     triage.Orchestrator().FunctionName(),
		"TriageLambdaLogGroup": triage.OrchestratorLogGroup().LogGroupName(),
		"TriageLambdaRoleArn":  triage.OrchestratorRole().RoleArn(),
		"ToolLambdaArn":        triage.Tool().FunctionArn(),
		"ToolLambdaName":       triage.Tool().FunctionName(),
		"ToolLambdaLogGroup":   triage.ToolLogGroup().LogGroupName(),
		"ToolLambdaRoleArn":    triage.ToolRole().RoleArn(),
		"BedrockModelId":       triage.BedrockModelId(),
		"DynamoDbTableName":    triage.InvestigationsTable().TableName(),
		"ReportsBucketName":    triage.ReportsBucket().BucketName(),
		"ReportsBucketArn":     triage.ReportsBucket().BucketArn(),
	} {
		awscdk.NewCfnOutput(stack, jsii.String(name), &awscdk.CfnOutputProps{Value: value})
	}
	app.Synth(nil)
}
