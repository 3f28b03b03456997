package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// invoke sends an event to the deployed orchestrator, waits, and returns a member of its answer.
func (a *App) invoke(ctx context.Context, loaded aws.Config, function, member string, fields any, into any) error {
	payload, err := json.Marshal(map[string]any{member: fields})
	if err != nil {
		return err
	}
	client := awsapi.From(loaded, deployedToolTime, false).Lambda
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload}, func(o *lambda.Options) {
		o.Retryer = aws.NopRetryer{} // a question must not be asked twice
	})
	if err != nil && awsapi.Classify(err) == awsapi.ClassNotFound {
		return &Problem{Code: NotFound, What: fmt.Sprintf("there is no function %s (%s)", function, loaded.Region), Remedy: "check --function, --region, and --profile", Err: err}
	}
	if err != nil {
		return awsProblem(fmt.Sprintf("the function %s cannot be invoked", function), err)
	}
	if out.FunctionError != nil {
		var failure struct{ ErrorMessage string }
		_ = json.Unmarshal(out.Payload, &failure)
		return &Problem{Code: Failed, What: fmt.Sprintf("the function %s failed (%s)", function, truncate.OneLine(failure.ErrorMessage, 500)),
			Remedy: "see its log"}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(out.Payload, &members); err != nil || members[member] == nil {
		return &Problem{Code: Failed, What: fmt.Sprintf("the function %s does not answer as an orchestrator of this version", function),
			Remedy: "check --function, or deploy the current version of alarmtriage"}
	}
	if err := json.Unmarshal(members[member], into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", function, err)
	}
	return nil
}

// functionName matches the name of a function in the own account. A record could also hold the ARN of somebody else's.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// orchestratorOf returns the function that investigated a report in a bucket: the one of the flag, or the one that the record
// names. A record can come from anyone who may write to the bucket, so the command only invokes a function that the record
// names if it is an orchestrator that stores its reports in this bucket.
func (a *App) orchestratorOf(ctx context.Context, r *reference, flag string) (string, error) {
	name := r.rec.Function
	switch {
	case flag != "":
		return flag, nil
	case !functionName.MatchString(name):
		return "", &Problem{Code: Usage, What: "the record does not name the orchestrator function", Remedy: "add --function NAME"}
	}
	found, err := findDeployment(ctx, r.aws, choiceFlags{function: name})
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if code := codeOf(err); code == NotFound || err == nil && found.Config.ReportsBucket != r.bucket {
		return "", &Problem{Code: NotFound, What: fmt.Sprintf("the record names the function %s, which is not an orchestrator that stores reports in %s", name, r.bucket),
			Remedy: "add --function NAME", Err: err}
	}
	if err != nil {
		return "", &Problem{Code: codeOf(err), What: fmt.Sprintf("it is not known whether the function %s, which the record names, stores its reports in %s (%s)",
			name, r.bucket, awsapi.Answer(errors.Unwrap(err))), Remedy: "add --function NAME", Err: err}
	}
	return name, nil
}
