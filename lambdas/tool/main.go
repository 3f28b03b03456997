// The tool function runs a model's Python code in a sandbox and returns what the code printed.
//
// It is deployed behind AWS_LAMBDA_EXEC_WRAPPER on Lambda's own Python runtime, which starts it with the path
// of the interpreter as its first argument. Package sandbox explains how it works.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	settings "github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lambdalog"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/sandbox"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/tool"
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
	set, err := settings.ParseTool(os.Getenv)
	if err != nil {
		return err
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the function's AWS settings: %w", err)
	}
	handler, err := tool.New(ctx, tool.Options{
		Sandbox: o, Settings: set, Credentials: loaded.Credentials, Account: ownAccount,
		STS: sts.NewFromConfig(loaded), Function: lambdacontext.FunctionName, Partition: ownPartition,
	})
	if err != nil {
		return err
	}
	lambda.Start(handler.Invoke)
	return nil
}

func options(log *slog.Logger) sandbox.Options {
	o := sandbox.LambdaOptions(os.Args[1], os.Getenv, os.Environ())
	o.AccessKey, o.Log = broker.DummyAccessKey, log
	return o
}

// ownAccount returns the account of the invoked function, whose role is in the same account, or an empty string.
func ownAccount(ctx context.Context) string { return functionARN(ctx).AccountID }

// ownPartition returns the partition of the invoked function, its role, and its members, or an empty string.
func ownPartition(ctx context.Context) string { return functionARN(ctx).Partition }

// functionARN returns the ARN of the invoked function, or an empty one.
func functionARN(ctx context.Context) arn.ARN {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return arn.ARN{}
	}
	function, err := arn.Parse(invocation.InvokedFunctionArn)
	if err != nil {
		return arn.ARN{}
	}
	return function
}
