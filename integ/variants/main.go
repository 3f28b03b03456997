// Command variants is the app of the integration tests: one stack of an AlarmTriage, an alarm and a topic,
// in the variant that the environment variable VARIANT names. It deploys to a real account as well:
//
//	VARIANT=default cdk deploy --app 'go run ./integ/variants'
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// variants change the props of the stack, by name. Deploying "changed" over "default" is an update that
// may replace nothing that holds data.
var variants = map[string]func(awscdk.Stack, *alarmtriage.AlarmTriageProps){
	"default": func(awscdk.Stack, *alarmtriage.AlarmTriageProps) {},
	"changed": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId = jsii.String("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
		p.Instructions = jsii.String("The shop is busiest at noon.")
		p.OrchestratorTimeout = awscdk.Duration_Seconds(jsii.Number(600))
		p.OrchestratorMemorySize, p.ToolMemorySize = jsii.Number(2048), jsii.Number(3008)
		p.InvestigationWindow = awscdk.Duration_Hours(jsii.Number(6))
		p.ReportsRetention = awscdk.Duration_Days(jsii.Number(30))
		p.LogLevel = alarmtriage.LogLevel_DEBUG
		p.MaxCostUsd = jsii.Number(2)
		p.ToolAllowHostOutput = jsii.Bool(true)
		p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), nil)
	},
	"named": func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.ResourcePrefix, p.ResourceSuffix = jsii.String("prod"), jsii.String("us-east-1")
	},
}

func main() {
	defer jsii.Close()
	change, known := variants[os.Getenv("VARIANT")]
	if !known {
		var names []string
		for name := range variants {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "VARIANT must be one of %v, got %q\n", names, os.Getenv("VARIANT"))
		os.Exit(1)
	}
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("TriageInteg"), nil)
	props := &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil),
		Architecture:      awslambda.Architecture_ARM_64(),
	}
	if runtime.GOARCH == "amd64" {
		props.Architecture = awslambda.Architecture_X86_64()
	}
	change(stack, props)
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), props)
	triage.AttachAlarms(awscloudwatch.NewAlarm(stack, jsii.String("Failures"), &awscloudwatch.AlarmProps{
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("TriageInteg"), MetricName: jsii.String("Failures"), Period: awscdk.Duration_Minutes(jsii.Number(1)),
		}),
		Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1), TreatMissingData: awscloudwatch.TreatMissingData_NOT_BREACHING,
	}))
	for name, value := range map[string]*string{
		"Table": triage.InvestigationsTable().TableName(), "Bucket": triage.ReportsBucket().BucketName(),
		"Orchestrator": triage.Orchestrator().FunctionName(), "Tool": triage.Tool().FunctionName(),
	} {
		awscdk.NewCfnOutput(stack, jsii.String("Out"+name), &awscdk.CfnOutputProps{Value: value})
	}
	app.Synth(nil)
}
