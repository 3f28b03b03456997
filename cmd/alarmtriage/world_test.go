package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/modproxy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// The parts that all tests share: moto's server with an alarm, and the compiled command.
var (
	cloud   *moto.Server
	program string
)

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "alarmtriage-command-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := flag.Set("test.parallel", "4"); err != nil { // the tests mostly wait
		return 1, err
	}
	if program, err = install(dir); err != nil {
		return 1, err
	}
	if cloud, err = moto.Start(context.Background()); err != nil {
		return 1, err
	}
	defer cloud.Stop()
	return m.Run(), nil
}

// install installs the command as a user does, from a module proxy that has the modules of this checkout. Other modules
// come from the cache of the machine.
func install(dir string) (string, error) {
	proxy := filepath.Join(dir, "proxy")
	if err := modproxy.Write(proxy, moto.Root(), version); err != nil {
		return "", err
	}
	machine, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		return "", err
	}
	cache, others, _ := strings.Cut(strings.TrimSpace(string(machine)), "\n")
	get := exec.Command("go", "install", modproxy.Module+"/"+modproxy.Command+"@latest")
	get.Dir = dir
	get.Env = append(os.Environ(), "GOWORK=off", "GOBIN="+dir, "GOMODCACHE="+filepath.Join(dir, "cache"),
		"GOFLAGS=-modcacherw -trimpath", // the build cache then does not depend on the directory
		"GONOSUMDB="+modproxy.Module+","+modproxy.Module+"/*", "GOPROXY=file://"+proxy+",file://"+cache+"/cache/download,"+others)
	if out, err := get.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", get, err, out)
	}
	return filepath.Join(dir, "alarmtriage"), nil
}

// version is the release that the tests install.
const version = "v0.1.0"

// The alarm of the tests.
const (
	alarmName = "order-service-errors"
	alarmARN  = "arn:aws:cloudwatch:" + moto.Region + ":" + moto.Account + ":alarm:" + alarmName
	reason    = "Threshold Crossed: 3 datapoints were greater than the threshold (5.0)."
	logGroup  = "/aws/lambda/order-service"
	errorLine = "[ERROR] AccessDeniedException: not authorized to perform: dynamodb:GetItem on resource: orders"
)

// incident creates the alarm with its metric and its log lines, once.
var incident = sync.OnceValue(func() error {
	python, err := moto.Tool("python")
	if err != nil {
		return err
	}
	create := exec.Command(python, filepath.Join("testdata", "incident.py"), alarmName, reason, logGroup, errorLine)
	create.Env = append(os.Environ(), cloud.Environ()...)
	if out, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("create the incident: %w\n%s", err, out)
	}
	return nil
})

// readErrors is the code with which the scripted model reads the errors.
const readErrors = `# read the latest error lines of the order service
logs = boto3.client('logs')
events = logs.filter_log_events(logGroupName='` + logGroup + `', filterPattern='ERROR')['events']
print(len(events), 'error lines')
for event in events[:3]:
    print(event['message'])`

// concluding is the script of a model that reads the errors and then submits its report.
func concluding() model.Script {
	return model.Script{Steps: []model.Step{
		{Text: "I read the errors.", Tools: []model.ToolUse{{Name: "python_executor", Input: map[string]any{"command": readErrors}}}},
		{Expect: []string{"7 error lines"}, Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{
			"summary": "The order service fails because it may not read the orders table.", "root_cause": "dynamodb:GetItem is denied.",
			"confidence": "confirmed", "severity": "high", "impact": "No order can be read.",
			"findings": []any{map[string]any{"statement": "The errors are denied reads.", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": 1, "quote": "${find:(not authorized to perform: dynamodb:GetItem)}"}}}},
			"immediate_actions": []any{map[string]any{"text": "Allow dynamodb:GetItem again.",
				"command": "aws iam put-role-policy --role-name orders --policy-name orders --policy-document file://policy.json"}},
		}}}},
	}}
}

// bench is a directory in which the command runs, with a model.
type bench struct {
	t     *testing.T
	dir   string
	model *model.Server
	env   []string
}

func newBench(t *testing.T, script model.Script) *bench {
	t.Helper()
	require.NoError(t, incident())
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	python, err := moto.Tool("python")
	require.NoError(t, err)
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, model: server}
	b.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "ALARMTRIAGE_PYTHON=" + python,
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME=" + server.URL, "AWS_CONFIG_FILE=" + filepath.Join(dir, "config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(dir, "credentials"),
	}, cloud.Environ()...)
	return b
}

// outcome is what a run of the command returned.
type outcome struct {
	code           int
	stdout, stderr string
}

// command returns a run of the command that has not started.
func (b *bench) command(arguments ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	b.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir, cmd.Env = b.dir, b.env
	return cmd
}

func (b *bench) run(arguments ...string) outcome {
	b.t.Helper()
	cmd := b.command(arguments...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		require.NoError(b.t, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// set replaces variables of the environment.
func (b *bench) set(entries ...string) {
	for _, entry := range entries {
		name, _, _ := strings.Cut(entry, "=")
		var kept []string
		for _, old := range b.env {
			if !strings.HasPrefix(old, name+"=") {
				kept = append(kept, old)
			}
		}
		b.env = append(kept, entry)
	}
}

// folder returns the only folder of a report.
func (b *bench) folder() string {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.dir, "alarmtriage-reports", "*"))
	require.NoError(b.t, err)
	require.Len(b.t, found, 1)
	return found[0]
}

func (b *bench) file(name string) string {
	b.t.Helper()
	body, err := os.ReadFile(filepath.Join(b.folder(), name))
	require.NoError(b.t, err)
	return string(body)
}

// decoded returns a JSON object.
func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &object), text)
	return object
}

// program puts a shell script with a name before the other programs on the PATH.
func (b *bench) program(name, script string) {
	b.t.Helper()
	bin := filepath.Join(b.dir, "bin")
	require.NoError(b.t, os.MkdirAll(bin, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	b.set("PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"))
}

// processes returns the processes of the tool that belong to this bench.
func (b *bench) processes() (found []string) {
	paths, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(b.t, err)
	for _, path := range paths {
		if cwd, err := os.Readlink(path); err == nil && strings.HasPrefix(cwd, b.dir) {
			found = append(found, filepath.Dir(path))
		}
	}
	return found
}
