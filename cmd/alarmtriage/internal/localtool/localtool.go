// Package localtool is the tool of an investigation that runs on the user's machine. The model's code runs
//
//   - on Linux, in processes beside the command, in the same sandbox and behind the same broker as in a deployment,
//   - elsewhere, in the same processes in a container, or
//   - in a tool function that is deployed.
//
// A process is this program again, as [Serve]. It reads calls from its standard input and writes answers to its standard
// output, in a container as well. The credentials come with each call: they are in no environment and on no command line.
package localtool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolclient"
)

// Limits of a tool call, as in a deployment with the construct's defaults.
const (
	callTime = 60 * time.Second
	memoryMB = 2048

	// deployedTime is the longest timeout that a deployed tool function can have.
	deployedTime = 15 * time.Minute
)

// Options select the place, and configure the tool there.
type Options struct {
	AWS       aws.Config  // whose credentials sign the requests of the code, and its Region
	Account   string      // of the credentials; the code may read only this account
	Partition string      // of the credentials; empty: unknown
	Settings  config.Tool // of the broker and the redaction
	Getenv    func(string) string

	Program   string            // path of this program
	Version   string            // of this program, such as v0.1.0
	Cache     string            // directory for files that later runs use again
	Container bool              // run in a container, even on Linux
	Function  string            // name or ARN of a deployed tool function; empty: none
	Lambda    awsapi.Lambda     // invokes Function
	Python    string            // the Python interpreter to use; empty: it is found
	Say       func(text string) // tells the user what takes long
}

// Tool runs the code of tool calls.
type Tool struct {
	run   func(ctx context.Context, request toolcall.Request) (toolcall.Answer, error)
	close func()

	// Place describes where the code runs, for people: the rest of a sentence that begins with "The code runs".
	Place string
}

// Run executes the command of a request and returns the answer. Its errors are sentences for the model, as those of
// [toolclient.Client.Run].
func (t *Tool) Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	return t.run(ctx, request)
}

// Close ends the processes or the containers.
func (t *Tool) Close() {
	if t.close != nil {
		t.close()
	}
}

// NoPlaceError reports that the code can run nowhere.
type NoPlaceError struct {
	Reasons []string // why each place cannot be used
	Remedy  string
}

// Error lists the reasons.
func (e *NoPlaceError) Error() string {
	return "there is no place to run the model's code: " + strings.Join(e.Reasons, "; ")
}

// Open finds a place, and starts the tool there.
func Open(ctx context.Context, o Options) (*Tool, error) {
	if o.Function != "" {
		return openDeployed(ctx, o)
	}
	var reasons []string
	if !o.Container {
		tool, reason, err := openProcesses(ctx, o)
		if tool != nil || err != nil {
			return tool, err
		}
		if ctx.Err() != nil { // Ctrl-C is no reason for another place
			return nil, ctx.Err()
		}
		reasons = append(reasons, reason)
	}
	tool, reason, err := openContainers(ctx, o)
	if tool != nil || err != nil {
		return tool, err
	}
	return nil, &NoPlaceError{Reasons: append(reasons, reason), Remedy: remedy(o)}
}

// openDeployed checks that the tool function answers, before a model is asked.
func openDeployed(ctx context.Context, o Options) (*Tool, error) {
	client := toolclient.New(o.Lambda, o.Function, deployedTime)
	answer, err := client.Run(ctx, toolcall.Request{Status: true})
	if err == nil && answer.Status == nil {
		err = errors.New("it is not a tool function of AlarmTriage")
	}
	if err != nil {
		remedy := "check the name of the tool function, and that these credentials may invoke it"
		_, noNetwork := errors.AsType[net.Error](err)
		if noNetwork || awsapi.CredentialsRefused(err) || awsapi.Classify(err) == awsapi.ClassThrottled || awsapi.StatusCode(err) >= 500 {
			remedy = awsapi.CallerAdvice(err)
		}
		return nil, &NoPlaceError{Reasons: []string{fmt.Sprintf("the function %s does not answer (%s)", o.Function, awsapi.Answer(err))}, Remedy: remedy}
	}
	return &Tool{run: client.Run, Place: fmt.Sprintf("in the deployed tool function %s, with the credentials of its role (Python %s, boto3 %s)",
		o.Function, answer.Status.Python, answer.Status.Boto3)}, nil
}

// remedy returns what to install, or to use instead.
func remedy(o Options) string {
	const others = "install Docker, Finch, or Podman, or name a deployed tool with --tool-function"
	chosen := cmp.Or(o.Python, o.Getenv(EnvPython))
	switch {
	case runtime.GOOS != "linux" || o.Container:
	case chosen != "":
		return "install boto3 in the folders of that Python (`" + chosen + " -m pip install boto3`), choose another one with --python or " + EnvPython + ", or " + others
	default:
		return "install boto3 for python3 (`python3 -m pip install boto3`, or the package python3-boto3), or " + others
	}
	return others
}

// openProcesses starts the tool in processes on this machine. reason is why it cannot run here.
func openProcesses(ctx context.Context, o Options) (tool *Tool, reason string, err error) {
	if !canServe {
		return nil, "the sandbox needs Linux, and this is " + runtime.GOOS, nil
	}
	python, err := findPython(ctx, o.Python, o.Getenv)
	if err != nil {
		return nil, err.Error(), nil
	}
	layer, err := unpackLayer(o.Cache)
	if err != nil {
		return nil, "", err
	}
	scratch, remove, err := makeScratch(o.Cache)
	if err != nil {
		return nil, "", err
	}
	packages, err := python.linkPackages(scratch)
	if err != nil {
		remove()
		return nil, "", err
	}
	p := newPool(o, func() (command, error) { // calls that run at the same time must not see each other's files
		own, err := os.MkdirTemp(scratch, "process-")
		return command{path: o.Program, arguments: []string{ServeCommand, python.Interpreter}, environment: processEnvironment(o, python, layer, packages, own)}, err
	})
	status, err := p.start(ctx)
	if err != nil {
		p.close()
		remove()
		return nil, fmt.Sprintf("the sandbox did not start with %s (%v)", python.Interpreter, err), ctx.Err()
	}
	if missing := weakLayers(status); len(missing) > 0 {
		p.close()
		remove()
		return nil, fmt.Sprintf("this kernel does not allow %s, without which the code could read your files", strings.Join(missing, " and ")), nil
	}
	return &Tool{
		run:   p.run,
		close: func() { p.close(); remove() },
		Place: fmt.Sprintf("on this machine, in the sandbox (seccomp and Landlock active, Python %s, boto3 %s)", status.Python, status.Boto3),
	}, "", nil
}

// weakLayers returns the layers that protect the user's credentials and files, and that are not active.
func weakLayers(status toolcall.Status) (missing []string) {
	for _, name := range []string{"seccomp", "landlock"} {
		if status.Layers[name] != "active" {
			missing = append(missing, map[string]string{"seccomp": "seccomp", "landlock": "Landlock"}[name])
		}
	}
	return missing
}
