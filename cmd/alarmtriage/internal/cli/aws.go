package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// AWS loads the user's AWS settings: profile, Region, and credentials, as the AWS CLI does. The SDK's variables, such as
// AWS_ENDPOINT_URL_BEDROCK_RUNTIME, apply. It fails if there are no credentials, or no Region.
func (a *App) AWS(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})} // the SDK would write its own lines between ours
	if a.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.Profile))
	}
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if _, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return aws.Config{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("there is no AWS profile %q", cmp.Or(a.Profile, a.Getenv("AWS_PROFILE"))),
			Remedy: "check --profile, AWS_PROFILE, and the file ~/.aws/config", Err: err}
	}
	if err != nil {
		return aws.Config{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("the AWS settings cannot be loaded (%v)", err),
			Remedy: "check --profile, and the file ~/.aws/config", Err: err}
	}
	if loaded.Region == "" {
		return aws.Config{}, &Problem{Code: AWSRefused, What: "no AWS Region is set", Remedy: "add --region, or set AWS_REGION"}
	}
	if !isRegion(loaded.Region) {
		return aws.Config{}, &Problem{Code: Usage, What: fmt.Sprintf("%q is not the name of an AWS Region", loaded.Region), Remedy: "write it as in us-east-1"}
	}
	if a.Getenv("AWS_BEARER_TOKEN_BEDROCK") != "" { // Bedrock needs no other credentials
		return loaded, nil
	}
	if _, err := loaded.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, &Problem{Code: AWSRefused, What: noCredentials(err),
			Remedy: "log in, for example with `aws sso login`, or choose another --profile", Err: err}
	}
	return loaded, nil
}

// noCredentials returns why there are no credentials. The last place in which the SDK looks is the metadata service of an
// instance: its error only means that there were none in any other place.
func noCredentials(err error) string {
	if _, ok := errors.AsType[*ssocreds.InvalidTokenError](err); ok {
		return "the login of the AWS profile has expired"
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok && operation.ServiceID == "ec2imds" {
		return "there are no AWS credentials"
	}
	return fmt.Sprintf("there are no AWS credentials (%s)", said(err))
}

// said returns what AWS answered, or why it could not be reached.
func said(err error) string { return oneLine(awsapi.Answer(err)) }

// Identity is whose credentials the command uses.
type Identity struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
}

// Identity asks AWS whose credentials these are. It fails if there are none, or if they are not valid.
func (a *App) Identity(ctx context.Context, loaded aws.Config) (Identity, error) {
	found, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	switch class := awsapi.Classify(err); {
	case err == nil:
	case class == awsapi.ClassUnavailable || class == awsapi.ClassTimeout:
		return Identity{}, awsProblem("AWS cannot be asked whose credentials these are", err)
	default:
		return Identity{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("AWS does not accept the credentials (%s)", said(err)),
			Remedy: "log in, for example with `aws sso login`, or choose another --profile", Err: err}
	}
	return Identity{Account: aws.ToString(found.Account), ARN: aws.ToString(found.Arn)}, nil
}
