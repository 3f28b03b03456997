package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// attachApp uses each way to attach alarms, as a user's app would.
const attachApp = `package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func alarm(stack awscdk.Stack, id string) awscloudwatch.Alarm {
	return awscloudwatch.NewAlarm(stack, jsii.String(id), &awscloudwatch.AlarmProps{
		Metric:            awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String(id)}),
		Threshold:         jsii.Number(1),
		EvaluationPeriods: jsii.Number(1),
	})
}

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("Attach"), nil)
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil),
	})
	metric := alarm(stack, "ByHand")
	composite := awscloudwatch.NewCompositeAlarm(stack, jsii.String("Composite"), &awscloudwatch.CompositeAlarmProps{
		AlarmRule: awscloudwatch.AlarmRule_AnyOf(metric),
	})
	triage.AttachAlarms(metric, composite)
	alarm(stack, "ByAction").AddAlarmAction(triage.AlarmAction())

	other := awscdk.NewStack(app, jsii.String("Attach2"), nil)
	triage.AttachAll(other, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("ByAspect")})
	alarm(other, "ByAspect")
	alarm(other, "NotMeant")

	triage.AttachEventRule(jsii.String("ByRule"), &alarmtriage.EventRuleProps{
		NamePrefixes: jsii.Strings("legacy-"), ExceptNamePrefixes: jsii.Strings("legacy-noise-"),
		Tags: &map[string]*[]*string{"team": jsii.Strings("shop")},
	})
	triage.AttachTopic(awssns.NewTopic(stack, jsii.String("ByTopic"), nil), &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("prod-")})
	app.Synth(nil)
}
`

// assembled is the template of a stack in a cloud assembly.
type assembled map[string]struct {
	Type       string
	Properties map[string]any
}

func read(t *testing.T, assembly, stack string) assembled {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(assembly, stack+".template.json"))
	require.NoError(t, err)
	var template struct{ Resources assembled }
	require.NoError(t, json.Unmarshal(text, &template))
	return template.Resources
}

// count returns the number of resources of a type.
func (a assembled) count(kind string) int {
	n := 0
	for _, resource := range a {
		if resource.Type == kind {
			n++
		}
	}
	return n
}

// properties returns the properties of each resource of a type.
func (a assembled) properties(kind string) []map[string]any {
	var found []map[string]any
	for _, resource := range a {
		if resource.Type == kind {
			found = append(found, resource.Properties)
		}
	}
	return found
}

// attached returns the number of alarms of a type that start investigations.
func (a assembled) attached(kind string) int {
	n := 0
	for _, resource := range a {
		actions, err := json.Marshal(resource.Properties["AlarmActions"])
		if err == nil && resource.Type == kind && strings.Contains(string(actions), "TriageOrchestrator") {
			n++
		}
	}
	return n
}

const (
	metricAlarm    = "AWS::CloudWatch::Alarm"
	compositeAlarm = "AWS::CloudWatch::CompositeAlarm"
)

// plainApp is a CDK app without this library.
const plainApp = `package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	awssns.NewTopic(awscdk.NewStack(app, jsii.String("Plain"), nil), jsii.String("Topic"), nil)
	app.Synth(nil)
}
`

// required returns the modules that a go.mod requires.
func required(t *testing.T, dir string) []string {
	t.Helper()
	file := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	parsed, err := modfile.Parse(file, text, nil)
	require.NoError(t, err)
	var modules []string
	for _, module := range parsed.Require {
		modules = append(modules, module.Mod.Path)
	}
	return modules
}

// assertLeanGraph checks that an app requires only this module and the modules that every CDK app requires:
// none of the Lambda functions' dependencies, which their own build resolves, and none of this module's test
// dependencies.
func assertLeanGraph(t *testing.T, env []string, app string) {
	t.Helper()
	const cdk = "github.com/aws/aws-cdk-go/awscdk/v2"
	plain, version := t.TempDir(), strings.TrimSpace(run(t, moto.Root(), nil, "go", "list", "-m", "-f", "{{.Version}}", cdk))
	require.NoError(t, os.WriteFile(filepath.Join(plain, "main.go"), []byte(plainApp), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(plain, "go.mod"), []byte("module example.com/plain\n\ngo 1.26.0\n\nrequire "+cdk+" "+version+"\n"), 0o644))
	run(t, plain, env, "go", "mod", "tidy")
	assert.ElementsMatch(t, append(required(t, plain), modulePath), required(t, app))
}

func TestReadme_QuickStartIsTheBasicExample(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(moto.Root(), "README.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found)
	code, _, _ := strings.Cut(rest, "\n```")
	example, err := os.ReadFile(filepath.Join(moto.Root(), "examples", "01-basic", "main.go"))
	require.NoError(t, err)
	var indented []string
	for line := range strings.SplitSeq(code, "\n") {
		if line != "" {
			line = "\t" + line
		}
		indented = append(indented, line)
	}
	assert.Contains(t, string(example), strings.Join(indented, "\n"))
}

func TestExamples_SynthesizeOutsideThisRepository(t *testing.T) {
	t.Parallel()
	module, err := outside()
	require.NoError(t, err)
	env := slices.Clip(module.env) // so that append copies
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), gomodOf(module.version), 0o644))
	put := func(name string, source []byte) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "main.go"), source, 0o644))
	}
	examples, err := filepath.Glob(filepath.Join(moto.Root(), "examples", "*", "main.go"))
	require.NoError(t, err)
	for _, example := range examples {
		source, err := os.ReadFile(example)
		require.NoError(t, err)
		put(filepath.Base(filepath.Dir(example)), source)
	}
	put("attach", []byte(attachApp))
	run(t, dir, env, "go", "mod", "tidy")
	assertLeanGraph(t, env, dir)
	programs := filepath.Join(dir, "bin")
	run(t, dir, env, "go", "build", "-o", programs+"/", "./...")

	checks := map[string]func(t *testing.T, assembly string){
		"01-basic": func(t *testing.T, assembly string) {
			assert.Equal(t, 2, read(t, assembly, "BasicTriage").attached(metricAlarm))
		},
		"02-all-alarms-of-an-app": func(t *testing.T, assembly string) {
			triage := read(t, assembly, "AppTriage")
			assert.Equal(t, 9, triage.count(metricAlarm))
			assert.Zero(t, triage.attached(metricAlarm), "its own alarms are not investigated")
			assert.Equal(t, 1, triage.count("AWS::CloudWatch::Dashboard"))
			orders, payments := read(t, assembly, "Orders"), read(t, assembly, "Payments")
			assert.Equal(t, []int{2, 1, 1}, []int{orders.count(metricAlarm), orders.count(compositeAlarm), payments.count(metricAlarm) - 1})
			for _, stack := range []assembled{orders, payments} {
				for id, resource := range stack {
					actions, _ := resource.Properties["AlarmActions"].([]any)
					want := 1
					if resource.Properties["AlarmName"] == "noise-payment-retries" {
						want = 0
					}
					assert.Len(t, actions, want, id)
				}
			}
		},
		"03-central-account": func(t *testing.T, assembly string) {
			central := read(t, assembly, "CentralTriage")
			assert.Equal(t, 3, central.count("AWS::Events::Rule"), "two rules for alarms, one for the self-check")
			assert.Equal(t, 1, central.count("AWS::Events::EventBus"))
			allows, _ := json.Marshal(central.properties("AWS::Events::EventBusPolicy"))
			assumes, _ := json.Marshal(central.properties("AWS::IAM::ManagedPolicy"))
			for _, account := range []string{"444455556666", "777788889999"} {
				assert.Contains(t, string(allows), ":iam::"+account+":root")
				assert.Contains(t, string(assumes), ":iam::"+account+":role/alarmtriage-member")
				member := read(t, assembly, "Member-"+account)
				assert.Equal(t, 1, member.count("AWS::Events::Rule"))
				sends, _ := json.Marshal(member.properties("AWS::Events::Rule"))
				assert.Contains(t, string(sends), ":events:us-east-1:111122223333:event-bus/alarmtriage-member-alarms")
				assert.Contains(t, string(sends), `"RoleArn"`, "a bus in another account accepts events only from a role")
				trusts, _ := json.Marshal(member.properties("AWS::IAM::Role"))
				assert.Contains(t, string(trusts), ":iam::111122223333:role/alarmtriage-tool-role")
			}
		},
		"04-vpc-and-kms": func(t *testing.T, assembly string) {
			stack := read(t, assembly, "PrivateTriage")
			assert.Equal(t, 13, stack.count("AWS::EC2::VPCEndpoint"))
			assert.Equal(t, 1, stack.attached(metricAlarm))
		},
		"05-terraform-users": func(t *testing.T, assembly string) {
			stack := read(t, assembly, "MigratedTriage")
			assert.Equal(t, 1, stack.attached(metricAlarm))
			names := []any{}
			for _, resource := range stack {
				if resource.Type == "AWS::Lambda::Function" {
					names = append(names, resource.Properties["FunctionName"])
				}
			}
			assert.ElementsMatch(t, []any{"prod-triage-handler-us-east-1", "prod-tool-lambda-us-east-1"}, names)
		},
		"07-recipes": func(t *testing.T, assembly string) {
			stack := read(t, assembly, "TriageRecipes")
			assert.Equal(t, 5, stack.count("AWS::Events::ApiDestination"))
			assert.Equal(t, 7, stack.count("AWS::Events::Rule"), "five for reports, one for alarms, one for the self-check")
		},
		"attach": func(t *testing.T, assembly string) {
			first, second := read(t, assembly, "Attach"), read(t, assembly, "Attach2")
			assert.Equal(t, 2, first.attached(metricAlarm))
			assert.Equal(t, 1, first.attached(compositeAlarm))
			assert.Equal(t, 2, first.count("AWS::Events::Rule"), "one rule for alarms, one for the self-check")
			assert.Equal(t, 1, first.count("AWS::SNS::Subscription"))
			attached := 0
			for _, resource := range second {
				if resource.Properties["AlarmActions"] != nil {
					attached++
				}
			}
			assert.Equal(t, 1, attached, "the alarm that passes the filter")
		},
	}
	require.Len(t, checks, len(examples)+1, "each example has a check")
	strict := `{"@aws-cdk/core:validateAgainstDefaultRules": true, "@aws-cdk/core:strictCfnValidateErrors": true}`
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			assembly := filepath.Join(dir, name, "cdk.out")
			run(t, filepath.Join(dir, name), append(env, "CDK_OUTDIR="+assembly, "CDK_CONTEXT_JSON="+strict, "CDK_VALIDATION=true"), filepath.Join(programs, name))
			check(t, assembly)
		})
	}
	assertLints(t, filepath.Join(dir, "*", "cdk.out", "*.template.json"))
}
