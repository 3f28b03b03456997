package deploy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/stack"
)

// Logical ids of the template that users of CfnInclude need.
const (
	orchestratorID = "TriageOrchestratorAAEB3CE1"
	toolID         = "TriageTool627A4E39"
	layerID        = "TriageHarness3DE8E827"
)

// packageNames are the ends of the names of the zip files.
var packageNames = map[string]string{orchestratorID: "orchestrator", toolID: "tool", layerID: "layer"}

// program writes an executable shell script.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/usr/bin/env bash\nset -euo pipefail\n"+script+"\n"), 0o755))
}

// copyExample copies the files of an example that git lists to a temporary folder.
func copyExample(t *testing.T, name string) string {
	t.Helper()
	dir, from := t.TempDir(), filepath.Join(moto.Root(), "examples", name)
	for _, file := range strings.Fields(run(t, from, nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")) {
		content, err := os.ReadFile(filepath.Join(from, file))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), content, 0o644))
	}
	return dir
}

// The commands of the README run as they are, except that a stand-in for the GitHub CLI copies the files of a release that
// this checkout makes.
func TestTemplate_CommandsOfItsExampleDeployATriageThatAnswers(t *testing.T) {
	t.Parallel()
	made, err := release()
	require.NoError(t, err)
	file := func(suffix string) string { return filepath.Join(made, "alarmtriage-HEAD-"+suffix) }
	assertLints(t, file("template.json"))
	assertLints(t, file("member.json"))

	bin := t.TempDir()
	program(t, bin, "gh", `
test "$1 $2 $3 $4" = "release download v0.1.0 --repo" -a "$6" = --pattern -a "$8" = --dir
mkdir "$9" && cp "`+made+`"/$7 "$9"`)
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	dir := copyExample(t, "06-template")
	env := shellFor(t, cloud, map[string]any{})
	for i, entry := range env {
		if path, found := strings.CutPrefix(entry, "PATH="); found {
			env[i] = "PATH=" + bin + string(os.PathListSeparator) + path
		}
	}
	blocks := commandsOf(t, filepath.Join(dir, "README.md"))
	require.Len(t, blocks, 5, "download, deploy, attach, clean up, TypeScript")
	sh := func(block int) string { return run(t, dir, env, "bash", "-euo", "pipefail", "-c", blocks[block]) }

	sh(0)
	sh(1)
	sh(2)
	deployed := deployedFrom(t, cloud, "alarm-triage", file)
	// moto does not speak the protocol with which the Go SDK reads alarms.
	actions := run(t, dir, env, "bash", "-c", `aws cloudwatch describe-alarms --alarm-names checkout-errors --query "MetricAlarms[].AlarmActions[]" --output text`)
	assert.Equal(t, "arn:aws:lambda:us-east-1:"+moto.Account+":function:"+deployed.Find(orchestratorID).Name, strings.TrimSpace(actions))

	host := startFunctions(t, cloud, deployed, startModel(t, freshAccount))
	answer := fireIn(t, host, deployed.Find(orchestratorID).Name, cloud.Region)
	require.Len(t, answer.Results, 1)
	assert.Equal(t, triage.StatusInvestigated, answer.Results[0].Status)
	text := storedReport(t, cloud, answer.Results[0].ReportURI)
	assert.Contains(t, text, "The queue is full.")
	assert.Contains(t, text, "Model: us.amazon.nova-2-lite-v1:0", "the second default model, because nobody subscribed to the first")

	assertMemberTemplateDeploys(t, cloud, env, file("member.json"))

	sh(3)
	functions, err := lambda.NewFromConfig(cloud.Config()).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	require.NoError(t, err)
	assert.Empty(t, functions.Functions)

	log := sh(4)
	assert.NotContains(t, log, "feature flags are not configured")
	assert.NotContains(t, log, "W10", "warnings about parameters that conditions make harmless")
	assertIncludes(t, filepath.Join(dir, "cdk", "cdk.out"), file)
}

// assertMemberTemplateDeploys deploys the template of a member, without a bucket, to an account.
func assertMemberTemplateDeploys(t *testing.T, cloud *moto.Server, env []string, file string) {
	t.Helper()
	trust := run(t, filepath.Dir(file), append(env[:len(env):len(env)], cloud.As("444455556666").Environ()...), "bash", "-euo", "pipefail", "-c", `
		aws cloudformation create-stack --stack-name alarm-triage-member --capabilities CAPABILITY_NAMED_IAM > /dev/null \
			--template-body file://`+filepath.Base(file)+` --parameters ParameterKey=CentralAccount,ParameterValue=`+moto.Account+`
		aws iam get-role --role-name alarmtriage-member --query Role.AssumeRolePolicyDocument`)
	assert.JSONEq(t, `{"Version": "2012-10-17", "Statement": [{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
		"Condition": {
			"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/alarmtriage-tool-role"},
			"StringEquals": {"sts:ExternalId": "alarmtriage-123456789012"}}}]}`, trust)
}

// deployedFrom returns the deployed functions, with the code of zip files. The functions must have that code.
func deployedFrom(t *testing.T, cloud *moto.Server, name string, file func(string) string) *stack.Deployment {
	t.Helper()
	resources, err := cloudformation.NewFromConfig(cloud.Config()).DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &name})
	require.NoError(t, err)
	functions := lambda.NewFromConfig(cloud.Config())
	d := &stack.Deployment{Name: name, Dir: t.TempDir()}
	unzip := func(id, dir string) []byte {
		packed, err := os.ReadFile(file(packageNames[id] + ".zip"))
		require.NoError(t, err)
		require.NoError(t, stack.Unzip(packed, dir))
		return packed
	}
	for _, resource := range resources.StackResources {
		id := aws.ToString(resource.LogicalResourceId)
		if aws.ToString(resource.ResourceType) != "AWS::Lambda::Function" {
			continue
		}
		config, err := functions.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: resource.PhysicalResourceId})
		require.NoError(t, err)
		f := stack.Function{
			LogicalID: id, Name: aws.ToString(config.FunctionName), Runtime: string(config.Runtime), Handler: aws.ToString(config.Handler),
			Dir: filepath.Join(d.Dir, id, "task"), Layers: filepath.Join(d.Dir, id, "opt"), Env: config.Environment.Variables,
			Timeout: time.Duration(aws.ToInt32(config.Timeout)) * time.Second, MemoryMB: int(aws.ToInt32(config.MemorySize)),
		}
		f.Env["AWS_LAMBDA_LOG_FORMAT"], f.Env["AWS_LAMBDA_LOG_LEVEL"] = "JSON", "INFO"
		sum := sha256.Sum256(unzip(id, f.Dir))
		assert.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), aws.ToString(config.CodeSha256), "the code of %s", id)
		for range config.Layers {
			unzip(layerID, f.Layers)
		}
		d.Functions = append(d.Functions, f)
	}
	require.Len(t, d.Functions, 2)
	return d
}

// assertIncludes checks that the assembly of the app in TypeScript contains the template, with the code as assets.
func assertIncludes(t *testing.T, assembly string, file func(string) string) {
	t.Helper()
	var released struct{ Resources assembled }
	text, err := os.ReadFile(file("template.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &released))
	resources := read(t, assembly, "TypeScriptTriage")
	for id, resource := range released.Resources {
		assert.Equal(t, resource.Type, resources[id].Type, id)
	}
	assert.Equal(t, len(released.Resources)+2, len(resources)-resources.count("AWS::CDK::Metadata"), "and a topic and an alarm")
	for id, name := range packageNames {
		code, _ := resources[id].Properties["Code"].(map[string]any)
		if id == layerID {
			code, _ = resources[id].Properties["Content"].(map[string]any)
		}
		key, _ := code["S3Key"].(string)
		staged, err := os.ReadFile(filepath.Join(assembly, "asset."+key))
		require.NoError(t, err)
		packed, err := os.ReadFile(file(name + ".zip"))
		require.NoError(t, err)
		assert.Equal(t, sha256.Sum256(packed), sha256.Sum256(staged), "the code of %s", id)
	}
	variables := resources[orchestratorID].Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
	assert.Equal(t, "50", variables["MAX_PER_DAY"])
	topic, _ := variables["NOTIFICATION_TOPIC_ARN"].(map[string]any)
	assert.Equal(t, "AWS::SNS::Topic", resources[topic["Ref"].(string)].Type)
	for _, alarm := range resources.properties(metricAlarm) {
		if dimensions, _ := json.Marshal(alarm["Dimensions"]); strings.Contains(string(dimensions), `"checkout"`) {
			assert.Equal(t, []any{map[string]any{"Fn::GetAtt": []any{orchestratorID, "Arn"}}}, alarm["AlarmActions"])
			return
		}
	}
	assert.Fail(t, "no alarm of the app")
}

func TestExamples_EachReadmeHasATest(t *testing.T) {
	readmes, err := filepath.Glob(filepath.Join(moto.Root(), "examples", "*", "README.md"))
	require.NoError(t, err)
	for _, readme := range readmes {
		dir := filepath.Dir(readme)
		if filepath.Base(dir) != "06-template" { // which the test above runs
			assert.FileExists(t, filepath.Join(dir, "main.go"), "TestExamples_CommandsOfTheirReadmesWork runs examples with a main.go")
		}
	}
}

func TestTemplate_NestsInAnotherTemplate(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(moto.Root(), "docs", "template.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```yaml\n")
	require.True(t, found)
	yaml, _, _ := strings.Cut(rest, "```")
	file := filepath.Join(t.TempDir(), "nested.template.yaml")
	require.NoError(t, os.WriteFile(file, []byte(yaml), 0o644))
	assertLints(t, file)
}
