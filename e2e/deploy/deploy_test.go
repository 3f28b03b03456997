// Package deploy tests the library as its users use it: the demo, apps outside this repository, and templates
// that CloudFormation's linter checks.
package deploy

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/modproxy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

const modulePath = modproxy.Module

// run runs a program in dir and returns its output. The program must succeed.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s:\n%s", name, strings.Join(args, " "), output)
	return string(output)
}

func TestDemo_FindsTheCause(t *testing.T) {
	settings := []string{"AWS_PROFILE=unknown", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "HTTP_PROXY=http://127.0.0.1:9", "http_proxy=http://127.0.0.1:9"}
	output := run(t, moto.Root(), settings, "go", "run", "./demo")
	for _, want := range []string{
		"The model is SCRIPTED", "round ended 2 (3 tool calls)", "Subject: [HIGH] order-service-errors: cause confirmed",
		"is not authorized to perform: dynamodb:GetItem", "PutRolePolicy by sam", "aws iam put-role-policy", "The report is stored at s3://",
	} {
		assert.Contains(t, output, want)
	}
	assert.NotContains(t, output, "end-of-life", "jsii's warning about the version of Node")
	forms, err := filepath.Glob(filepath.Join(moto.Root(), ".build", "demo", "report", "*"))
	require.NoError(t, err)
	for i, form := range forms {
		text, err := os.ReadFile(form)
		require.NoError(t, err)
		assert.Contains(t, string(text), "order-service-errors", form)
		forms[i] = filepath.Base(form)
	}
	assert.Equal(t, []string{"card.json", "conversation.json", "report.html", "report.json", "report.txt"}, forms)
}

// The demo itself fails if an alarm has no report, or if the limit is not kept.
func TestDemo_ReportsEachAlarmOfAStorm(t *testing.T) {
	output := run(t, moto.Root(), nil, "go", "run", "./demo", "-storm", "8")
	for _, want := range []string{
		"Firing 8 alarms at once", "3 reports with the conclusion of a model:", "Subject: [HIGH] order-service-errors-",
		"5 reports with the evidence only, for which no model was asked:", "evidence only (123456789012 us-east-1)", "… and 2 more",
		"1 notification that the limit of the day is reached:", "Subject: Alarm triage: no more investigations today",
	} {
		assert.Contains(t, output, want)
	}
}

// outsideApp is an app as a user writes it.
const outsideApp = `package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("Outside"), nil)
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil),
	})
	for _, name := range []string{"Errors", "Latency"} {
		triage.AttachAlarms(awscloudwatch.NewAlarm(stack, jsii.String(name), &awscloudwatch.AlarmProps{
			Metric:            awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String(name)}),
			Threshold:         jsii.Number(1),
			EvaluationPeriods: jsii.Number(1),
		}))
	}
	app.Synth(nil)
}
`

// outside publishes this module once for all tests, with a version that no other contents have.
var outside = sync.OnceValues(func() (published, error) {
	p := published{}
	settings, err := exec.Command("go", "env", "GOPROXY", "GOMODCACHE").Output()
	if err != nil {
		return p, fmt.Errorf("go env: %w", err)
	}
	upstream, cache, _ := strings.Cut(strings.TrimSpace(string(settings)), "\n")
	p.cache = cache
	if p.proxy, err = os.MkdirTemp("", "alarmtriage-proxy-"); err != nil {
		return p, err
	}
	if p.version, err = modproxy.TestVersion(moto.Root()); err != nil {
		return p, err
	}
	p.forget()
	cleanUp = func() {
		p.forget()
		_ = os.RemoveAll(p.proxy)
	}
	p.env = []string{"GOPROXY=file://" + p.proxy + "," + upstream, "GONOSUMDB=" + modulePath, "GONOSUMCHECK=1", goFlags("-mod=mod"), "GOWORK=off"}
	return p, modproxy.Write(p.proxy, moto.Root(), p.version)
})

// published is this module in a module proxy that serves the files that git lists.
type published struct {
	proxy, version string
	env            []string // with which Go finds the module
	cache          string   // Go's folder of downloaded modules, which the tests share with this checkout
}

// forget deletes the module under test from the shared folder, which must not keep it.
func (p published) forget() {
	unpacked := filepath.Join(p.cache, modulePath+"@"+p.version)
	_ = filepath.WalkDir(unpacked, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(unpacked)
	_ = os.RemoveAll(filepath.Join(p.cache, "cache", "download", modulePath))
}

// cleanUp deletes what tests share.
var cleanUp = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	cleanUp()
	os.Exit(code)
}

// goFlags returns the setting of the go command's flags in the environment, with one more.
func goFlags(flag string) string { return "GOFLAGS=" + os.Getenv("GOFLAGS") + " " + flag }

// gomodOf returns the go.mod of a user's app.
func gomodOf(version string) []byte {
	return []byte("module example.com/shop\n\ngo 1.26.0\n\nrequire " + modulePath + " " + version + "\n")
}

func TestApp_OutsideThisRepositorySynthesizes(t *testing.T) {
	t.Parallel()
	module, err := outside()
	require.NoError(t, err)
	tests := []struct {
		name   string
		vendor bool
		flags  []string
	}{
		{"module proxy", false, []string{"-mod=mod"}},
		{"vendor folder and -trimpath", true, []string{"-mod=vendor", "-trimpath"}}, // in one: each could compile all of CDK again
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(outsideApp), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), gomodOf(module.version), 0o644))
			run(t, dir, module.env, "go", "mod", "tidy")
			if test.vendor {
				run(t, dir, module.env, "go", "mod", "vendor")
			}
			app := filepath.Join(dir, "app")
			run(t, dir, append(slices.Clone(module.env), goFlags("")), "go", append(append([]string{"build"}, test.flags...), "-o", app, ".")...)
			// The synth inherits the app's GOFLAGS, as it does under the cdk command line.
			output := run(t, dir, append(slices.Clone(module.env), "GOFLAGS="+test.flags[0], "CDK_OUTDIR="+filepath.Join(dir, "cdk.out")), app)
			assert.Contains(t, output, "alarmtriage: built lambdas/tool")
			assertDeployable(t, filepath.Join(dir, "cdk.out"), "Outside")

			first := builtFiles(t, filepath.Join(dir, "cdk.out"))
			again := run(t, dir, append(slices.Clone(module.env), "CDK_OUTDIR="+filepath.Join(dir, "cdk.out"), "CDK_VALIDATION=false"), app)
			assert.NotContains(t, again, "alarmtriage: building", "without a change, nothing is built")
			assert.Equal(t, first, builtFiles(t, filepath.Join(dir, "cdk.out")), "the second synth must not write the functions and the layer again")
		})
	}
}

// builtFiles returns the files of an assembly's assets with their modification times.
func builtFiles(t *testing.T, assembly string) map[string]time.Time {
	t.Helper()
	files := map[string]time.Time{}
	require.NoError(t, filepath.WalkDir(assembly, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(path, filepath.Join(assembly, "asset.")) {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			files[path] = info.ModTime()
		}
		return err
	}))
	require.NotEmpty(t, files)
	return files
}

// assertDeployable checks that a cloud assembly has two attached alarms and the assets of both functions.
func assertDeployable(t *testing.T, assembly, stackName string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(assembly, stackName+".template.json"))
	require.NoError(t, err)
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct{ AlarmActions []any }
		}
	}
	require.NoError(t, json.Unmarshal(text, &template))
	attached, permissions := 0, 0
	for _, resource := range template.Resources {
		switch resource.Type {
		case "AWS::CloudWatch::Alarm":
			attached += len(resource.Properties.AlarmActions)
		case "AWS::Lambda::Permission":
			permissions++
		}
	}
	assert.Equal(t, 2, attached, "attached alarms")
	assert.Equal(t, 2, permissions, "one permission for all alarms and one for the self-check")
	for _, want := range []string{"bootstrap", "alarmtriage-tool", "python/alarmtriage_tool/zygote.py"} {
		found, err := filepath.Glob(filepath.Join(assembly, "asset.*", want))
		require.NoError(t, err)
		require.Len(t, found, 1, want)
		if info, err := os.Stat(found[0]); assert.NoError(t, err) && !strings.HasSuffix(want, ".py") {
			assert.NotZero(t, info.Mode()&0o111, "%s must be executable", want)
		}
	}
}

// ignoredChecks are warnings that the construct does not cause: CDK adds a DependsOn to each GetAtt of a role
// (W3005) and an access control to a bucket that receives access logs (W3045), and cfn-lint's list of IAM
// actions is incomplete (W3037).
var ignoredChecks = []string{"W3005", "W3037", "W3045"}

// assertLints checks templates with cfn-lint.
func assertLints(t *testing.T, pattern string) {
	t.Helper()
	python, err := moto.Tool("python")
	require.NoError(t, err)
	templates, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, templates)
	arguments := []string{"-c", "from cfnlint.runner import main; main()"}
	for _, ignored := range ignoredChecks {
		arguments = append(arguments, "--ignore-checks", ignored)
	}
	output := run(t, moto.Root(), nil, python, append(append(arguments, "-t"), templates...)...)
	assert.Empty(t, strings.TrimSpace(output))
}

func TestTemplates_PassCfnLint(t *testing.T) {
	assertLints(t, filepath.Join(moto.Root(), "testdata", "*.template.json"))
}

func TestModuleZip_HoldsTheFilesThatSynthNeeds(t *testing.T) {
	module, err := outside()
	require.NoError(t, err)
	archive, err := zip.OpenReader(filepath.Join(module.proxy, modulePath, "@v", module.version+".zip"))
	require.NoError(t, err)
	defer archive.Close()
	names := map[string]bool{}
	for _, file := range archive.File {
		names[strings.TrimPrefix(file.Name, modulePath+"@"+module.version+"/")] = true
	}
	for _, want := range []string{"go.mod", "go.sum", "lambdas/tool/main.go", "pythonlayer/pythonlayer.go", "pythonlayer/alarmtriage_tool/__init__.py", "pythonlayer/alarmtriage_evidence/collector.py"} {
		assert.True(t, names[want], want)
	}
}
