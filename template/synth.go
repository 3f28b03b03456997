package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// stackName replaces the name of the user's stack, which is only known at deployment. CDK puts the name into the names of
// self-alarms.
const stackName = "STACKNAME"

// stackID is the id of the stack. It is part of some logical ids.
const stackID = "AlarmTriage"

// full is the folder of the stack in which every option is on.
const full = "full"

// deployment is a stack with the construct.
type deployment struct {
	stack    awscdk.Stack
	props    *alarmtriage.AlarmTriageProps
	values   map[string]awscdk.CfnParameter
	prefixes []int // indexes of the prefixes of AlarmNamePrefixes
	later    []func(*alarmtriage.AlarmTriage)
}

// after calls f once the construct is created.
func (d *deployment) after(f func(*alarmtriage.AlarmTriage)) { d.later = append(d.later, f) }

// namePrefixes returns the prefixes of AlarmNamePrefixes, in their order.
func (d *deployment) namePrefixes() *[]*string {
	var prefixes []*string
	for _, index := range slices.Sorted(slices.Values(d.prefixes)) {
		prefixes = append(prefixes, awscdk.Token_AsString(item(alarmNamePrefixes, index, maxNamePrefixes), nil))
	}
	return &prefixes
}

// override sets a property of the CloudFormation resource of a construct.
func override(construct constructs.IConstruct, property string, value any) {
	construct.Node().DefaultChild().(awscdk.CfnResource).AddPropertyOverride(jsii.String(property), value)
}

// outputsOf returns the values that users of the template need.
func outputsOf(triage *alarmtriage.AlarmTriage) map[string]*string {
	return map[string]*string{
		"OrchestratorArn":      triage.Orchestrator().FunctionArn(),
		"OrchestratorName":     triage.Orchestrator().FunctionName(),
		"OrchestratorRoleArn":  triage.OrchestratorRole().RoleArn(),
		"OrchestratorLogGroup": triage.OrchestratorLogGroup().LogGroupName(),
		"ToolName":             triage.Tool().FunctionName(),
		"ToolRoleArn":          triage.ToolRole().RoleArn(),
		"ToolLogGroup":         triage.ToolLogGroup().LogGroupName(),
		"ReportsBucket":        triage.ReportsBucket().BucketName(),
		"InvestigationsTable":  triage.InvestigationsTable().TableName(),
	}
}

// synthesizeStack writes the stack with the given options to a folder.
func synthesizeStack(folder string, architecture awslambda.Architecture, build bool, on []option) {
	bundled := []string{}
	if build {
		bundled = append(bundled, stackID)
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &folder, Context: &map[string]any{"aws:cdk:bundling-stacks": bundled}})
	d := &deployment{props: &alarmtriage.AlarmTriageProps{Architecture: architecture}, values: map[string]awscdk.CfnParameter{}}
	d.stack = awscdk.NewStack(app, jsii.String(stackID), &awscdk.StackProps{
		StackName: jsii.String(stackName), AnalyticsReporting: jsii.Bool(false),
		Synthesizer: awscdk.NewCliCredentialsStackSynthesizer(nil), // the template needs no bootstrapped account
	})
	for _, p := range parameters() {
		d.values[p.name] = p.construct(d.stack)
		if p.set != nil && !p.optional {
			p.set(d, d.values[p.name])
		}
	}
	for _, o := range on {
		o.turnOn(d)
	}
	triage := alarmtriage.NewAlarmTriage(d.stack, jsii.String("Triage"), d.props)
	for _, f := range d.later {
		f(triage)
	}
	for name, value := range outputsOf(triage) {
		awscdk.NewCfnOutput(d.stack, jsii.String(name), &awscdk.CfnOutputProps{Value: value})
	}
	app.Synth(nil)
}

// synthesize writes cloud assemblies into folders of a directory: one with every option, and one without each of them. It
// builds the functions if build is true.
func synthesize(dir string, architecture awslambda.Architecture, build bool) {
	all := options()
	synthesizeStack(filepath.Join(dir, full), architecture, build, all)
	for _, o := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(other option) bool {
			return other.condition == o.condition || other.within == o.condition
		})
		synthesizeStack(filepath.Join(dir, o.condition), architecture, false, others)
	}
}

// template is a CloudFormation template.
type template map[string]any

func readTemplate(assembly string) (template, error) {
	text, err := os.ReadFile(filepath.Join(assembly, stackID+".template.json"))
	if err != nil {
		return nil, err
	}
	var t template
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("read %s: %w", assembly, err)
	}
	for _, resource := range t.resources() {
		properties, _ := resource["Properties"].(map[string]any)
		if resource["Type"] == "AWS::CloudWatch::Alarm" {
			properties["AlarmName"] = withStackName(properties["AlarmName"])
		}
	}
	return t, nil
}

// resources returns the resources of a template by their logical ids.
func (t template) resources() map[string]map[string]any {
	resources := map[string]map[string]any{}
	section, _ := t["Resources"].(map[string]any)
	for id, resource := range section {
		resources[id], _ = resource.(map[string]any)
	}
	return resources
}

// withStackName replaces the placeholder of the stack's name in the name of an alarm.
func withStackName(name any) any {
	const lower = "stackname"
	parts := []any{name}
	call, _ := name.(map[string]any)
	if join, isJoin := call["Fn::Join"].([]any); isJoin {
		parts, _ = join[1].([]any)
	}
	var replaced []any
	for _, part := range parts {
		text, isText := part.(string)
		before, after, found := strings.Cut(text, lower)
		if !isText || !found {
			replaced = append(replaced, part)
			continue
		}
		replaced = append(replaced, before, ref("AWS::StackName"), after)
	}
	return fn("Join", "", replaced)
}
