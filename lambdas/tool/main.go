// The tool function runs a model's Python code in a sandbox and returns what the code printed.
//
// It is deployed behind AWS_LAMBDA_EXEC_WRAPPER on Lambda's own Python runtime, which starts it with the path
// of the interpreter as its first argument. Package sandbox explains how it works.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	settings "github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lambdalog"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/sandbox"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func main() {
	log := lambdalog.New()
	if err := run(context.Background(), log); err != nil {
		log.Error("tool cannot start", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	if len(os.Args) < 2 {
		return errors.New("no Python interpreter path given; " +
			"start this program through AWS_LAMBDA_EXEC_WRAPPER on a Python runtime")
	}
	if err := sandbox.Seal(options(log)); err != nil {
		log.Warn("other processes can read the supervisor's environment", "error", err)
	}
	o := options(log) // read again, because Seal recorded its result in the environment
	handle, err := newHandler(ctx, o, settings.ParseTool(os.Getenv))
	if err != nil {
		return err
	}
	lambda.Start(handle)
	return nil
}

func options(log *slog.Logger) sandbox.Options {
	o := sandbox.LambdaOptions(os.Args[1], os.Getenv, os.Environ())
	o.AccessKey, o.Log = broker.DummyAccessKey, log
	return o
}

type handler func(context.Context, toolcall.Request) (toolcall.Answer, error)

func newHandler(ctx context.Context, o sandbox.Options, set settings.Tool) (handler, error) {
	clean, observe, err := newRedactor(set)
	if err != nil {
		return nil, err
	}
	aws, err := newBroker(ctx, set, observe, o)
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

// newRedactor returns a function that redacts an answer and one that learns secrets from the bodies of AWS's
// answers. If redaction is turned off, both do nothing. Calls run one at a time, so everything learned
// belongs to the call.
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
		bounded := redactor.Until(redact.Deadline(ctx, time.Now()))
		memory.Knowing(bounded).Answer(answer)
	}, memory.Observe, nil
}

// newBroker returns the broker with the function's credentials, which only this process reads.
func newBroker(ctx context.Context, set settings.Tool, observe func(body []byte), o sandbox.Options) (*broker.Broker, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the function's AWS settings: %w", err)
	}
	return broker.New(broker.Options{
		Credentials:    loaded.Credentials,
		Endpoints:      broker.EndpointsIn(o.Environment),
		Observe:        observe,
		Log:            o.Log,
		AllowedActions: set.AllowedActions,
		DeniedActions:  set.DeniedActions,
		OpenReads:      set.OpenReads,

		Account:         ownAccount,
		AllowedAccounts: set.AllowedAccounts,
	})
}

// ownAccount returns the account of the invoked function, whose role is in the same account, or an empty string.
func ownAccount(ctx context.Context) string {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return ""
	}
	function, err := arn.Parse(invocation.InvokedFunctionArn)
	if err != nil {
		return ""
	}
	return function.AccountID
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
