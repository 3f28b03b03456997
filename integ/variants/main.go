// Command variants is the app of the integration tests: one stack of an AlarmTriage, an alarm and a topic,
// in the variant that the environment variable VARIANT names, and bound to the Region that STACK_REGION names, if any.
// It deploys to a real account as well:
//
//	VARIANT=default cdk deploy --app 'go run ./integ/variants'
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/stacks"
)

func main() {
	defer jsii.Close()
	variant := os.Getenv("VARIANT")
	if !slices.Contains(stacks.Variants(), variant) {
		fmt.Fprintf(os.Stderr, "VARIANT must be one of %v, got %q\n", stacks.Variants(), variant)
		os.Exit(1)
	}
	app := awscdk.NewApp(nil)
	stack, triage := stacks.New(app, variant, os.Getenv("STACK_REGION"))
	for name, value := range map[string]*string{
		"Table": triage.InvestigationsTable().TableName(), "Bucket": triage.ReportsBucket().BucketName(),
		"Orchestrator": triage.Orchestrator().FunctionName(), "Tool": triage.Tool().FunctionName(),
	} {
		awscdk.NewCfnOutput(stack, jsii.String("Out"+name), &awscdk.CfnOutputProps{Value: value})
	}
	app.Synth(nil)
}
