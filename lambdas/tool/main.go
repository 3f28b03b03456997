// The tool function: runs a model's Python code in a sandbox and answers with what it printed.
//
// It is deployed behind AWS_LAMBDA_EXEC_WRAPPER on Lambda's own Python runtime, which starts it with
// the path of the interpreter as its first argument. Package sandbox holds how it works.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	settings "github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lambdalog"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/sandbox"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Names of environment variables that Lambda or a local host sets, besides those of package config.
const (
	envLayer  = "ALARMTRIAGE_LAYER" // directory that holds python/alarmtriage_tool; default /opt, where Lambda mounts layers
	envMemory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
)

const (
	lambdaTask  = "/var/task/" // where Lambda unpacks functions, and nobody else does
	ownMemoryMB = 160          // of the function's memory, kept from a call: supervisor and zygote
	leastMemory = 128
	usualMemory = 768 // of a call, when the function's memory is not known

	sendingTime    = 200 * time.Millisecond // of the invocation, kept for an answer that is ready
	leastRedaction = 100 * time.Millisecond // however late it is: usual answers take less
)

// warmServices are those that investigations of alarms ask first. Each costs memory; ec2's model is
// the largest.
var warmServices = []string{"logs", "cloudwatch", "cloudtrail", "lambda", "dynamodb", "sqs", "ec2"}

func main() {
	log := lambdalog.New()
	if len(os.Args) > 1 {
		if err := sandbox.Seal(options(os.Args[1], os.Getenv, os.Environ())); err != nil {
			log.Warn("supervisor stays readable", "error", err)
		}
	}
	handle, err := newHandler(context.Background(), os.Args, os.Getenv, os.Environ(), log)
	if err != nil {
		log.Error("tool cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(handle)
}

type handler func(context.Context, toolcall.Request) (toolcall.Answer, error)

func newHandler(ctx context.Context, args []string, getenv func(string) string, environ []string, log *slog.Logger) (handler, error) {
	if len(args) < 2 {
		return nil, errors.New("no Python interpreter was given: this program belongs into AWS_LAMBDA_EXEC_WRAPPER of a Python function")
	}
	o := options(args[1], getenv, environ)
	o.Log = log
	set := settings.ParseTool(getenv)
	clean, observe, err := newRedactor(set)
	if err != nil {
		return nil, err
	}
	aws, err := newBroker(ctx, set, environ, observe, log)
	if err != nil {
		return nil, err
	}
	o.NewSession = func() sandbox.Session { return aws.NewSession() }
	python, err := sandbox.New(ctx, o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
		if request.Status {
			return statusAnswer(python), nil
		}
		answer, err := python.Run(ctx, request.Command)
		if err != nil {
			return toolcall.Answer{}, err
		}
		clean(ctx, &answer)
		return answer, nil
	}, nil
}

// newRedactor returns what takes secrets out of an answer, and what learns them from AWS's answers before. Both
// do nothing when that was asked for. Calls run one at a time, so that what was learned is of the call.
func newRedactor(s settings.Tool) (clean func(context.Context, *toolcall.Answer), observe func(body []byte), err error) {
	if !s.Redact {
		return func(context.Context, *toolcall.Answer) {}, nil, nil
	}
	patterns, err := settings.Patterns(s.RedactPatterns)
	if err != nil {
		return nil, nil, err
	}
	redactor, err := redact.New(patterns)
	if err != nil {
		return nil, nil, err
	}
	memory := &redact.Memory{}
	return func(ctx context.Context, answer *toolcall.Answer) {
		bounded := redactor.Until(redactionEnd(ctx, time.Now()))
		memory.Knowing(bounded).Answer(answer)
	}, memory.Observe, nil
}

// redactionEnd is when an answer must have been looked through for it to be sent within the invocation's time.
func redactionEnd(ctx context.Context, now time.Time) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	end := deadline.Add(-sendingTime)
	if least := now.Add(leastRedaction); end.Before(least) {
		return least
	}
	return end
}

// newBroker takes the function's credentials from its environment, where only this process reads them.
func newBroker(ctx context.Context, set settings.Tool, environ []string, observe func(body []byte), log *slog.Logger) (*broker.Broker, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the function's AWS settings: %w", err)
	}
	return broker.New(broker.Options{
		Credentials:    loaded.Credentials,
		Endpoints:      endpoints(environ),
		Observe:        observe,
		Log:            log,
		AllowedActions: set.AllowedActions,
		DeniedActions:  set.DeniedActions,
		OpenReads:      set.OpenReads,
	})
}

// endpoints are those that the SDKs' standard variables name in place of AWS's own.
func endpoints(environ []string) []string {
	var urls []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL") && value != "" {
			urls = append(urls, value)
		}
	}
	return urls
}

func statusAnswer(python *sandbox.Supervisor) toolcall.Answer {
	status := python.Status()
	return toolcall.Answer{
		Success:  true,
		Result:   json.RawMessage("null"),
		Notes:    []string{},
		AWSCalls: []toolcall.AWSCall{},
		Status:   &status,
	}
}

func options(interpreter string, getenv func(string) string, environ []string) sandbox.Options {
	sealed, binary := sandbox.Sealed(getenv)
	inLambda := strings.HasPrefix(binary, lambdaTask)
	layer := getenv(envLayer)
	if layer == "" {
		layer = "/opt"
	}
	return sandbox.Options{
		Interpreter: interpreter,
		Layer:       layer,
		SearchPath:  searchPath(layer, getenv("PYTHONPATH")),
		Scratch:     strings.TrimSuffix(os.TempDir(), "/"),
		Environment: environ,
		Sealed:      sealed,
		Begun:       sandbox.Begun(getenv),
		MemoryMB:    callMemory(getenv(envMemory)),
		Warm:        warmServices,
		OwnUser:     inLambda,
		OwnScratch:  inLambda,
		Reap:        true,
		Stderr:      os.Stderr,
	}
}

// searchPath adds the layers' packages and what the runtime brings to Python's isolated mode.
func searchPath(layer, pythonPath string) []string {
	paths := []string{filepath.Join(layer, "python")}
	for _, path := range filepath.SplitList(pythonPath) {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

func callMemory(functionMB string) int {
	total, err := strconv.Atoi(functionMB)
	if err != nil {
		return usualMemory
	}
	return max(total-ownMemoryMB, leastMemory)
}
