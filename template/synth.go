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

// full is the folder of the stack in which every option is on.
const full = "full"

// design describes a template that this program writes.
type design struct {
	stackID     string // part of some logical ids
	file        string // the end of the name of the template's file
	indent      string // of each level of the template's text
	description string
	groups      []string // of parameters, in the order of the console
	parameters  []parameter
	options     []option // an option comes before the one that it is within

	// create creates the construct and returns the outputs.
	create func(d *deployment) map[string]*string
}

// deployment is a stack with a construct.
type deployment struct {
	stack    awscdk.Stack
	props    *alarmtriage.AlarmTriageProps       // of an AlarmTriage
	member   *alarmtriage.AlarmTriageMemberProps // of an AlarmTriageMember
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
func (d design) synthesizeStack(folder string, architecture awslambda.Architecture, build bool, on []option) {
	bundled := []string{}
	if build {
		bundled = append(bundled, d.stackID)
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &folder, Context: &map[string]any{"aws:cdk:bundling-stacks": bundled}})
	deployed := &deployment{
		props:  &alarmtriage.AlarmTriageProps{Architecture: architecture, MaxConcurrentInvestigations: jsii.Number(0)},
		member: &alarmtriage.AlarmTriageMemberProps{CreateRole: jsii.Bool(false)},
		values: map[string]awscdk.CfnParameter{},
	}
	deployed.stack = awscdk.NewStack(app, jsii.String(d.stackID), &awscdk.StackProps{
		StackName: jsii.String(stackName), AnalyticsReporting: jsii.Bool(false),
		Synthesizer: awscdk.NewCliCredentialsStackSynthesizer(nil), // the template needs no bootstrapped account
	})
	for _, p := range d.parameters {
		deployed.values[p.name] = p.construct(deployed.stack)
		if p.set != nil && !p.optional {
			p.set(deployed, deployed.values[p.name])
		}
	}
	for _, o := range on {
		o.turnOn(deployed)
	}
	for name, value := range d.create(deployed) {
		awscdk.NewCfnOutput(deployed.stack, jsii.String(name), &awscdk.CfnOutputProps{Value: value})
	}
	app.Synth(nil)
}

// synthesize writes cloud assemblies into folders of a directory: one with every option, and one without each of them. It
// builds the functions if build is true.
func (d design) synthesize(dir string, architecture awslambda.Architecture, build bool) {
	d.synthesizeStack(filepath.Join(dir, full), architecture, build, d.options)
	for _, o := range d.options {
		others := slices.DeleteFunc(slices.Clone(d.options), func(other option) bool {
			return other.condition == o.condition || other.within == o.condition
		})
		d.synthesizeStack(filepath.Join(dir, o.condition), architecture, false, others)
	}
}

// template is a CloudFormation template.
type template map[string]any

func (d design) readTemplate(assembly string) (template, error) {
	text, err := os.ReadFile(filepath.Join(assembly, d.stackID+".template.json"))
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
