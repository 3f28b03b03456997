package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// answerTimeout is how long AWS may take to answer one attempt of a call, except for the models and functions.
const answerTimeout = 15 * time.Second

// AWS loads the user's AWS settings: profile, Region, and credentials, as the AWS CLI does. The SDK's variables, such as
// AWS_ENDPOINT_URL_BEDROCK_RUNTIME, apply. It fails if there are no credentials, or no Region.
func (a *App) AWS(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}),                                               // the SDK would write its own lines between ours
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(answerTimeout)), // the SDK would wait forever
	}
	if a.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.Profile))
	}
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok { // it may be the source of another profile
		return aws.Config{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("there is no AWS profile %q", cmp.Or(missing.Profile, a.Profile, a.Getenv("AWS_PROFILE"))),
			Remedy: "check --profile, AWS_PROFILE, and the file ~/.aws/config", Err: err}
	}
	if _, ok := errors.AsType[config.AssumeRoleTokenProviderNotSetError](err); ok {
		return aws.Config{}, &Problem{Code: AWSRefused, What: "the AWS profile needs a code of an MFA device",
			Remedy: "log in with `aws configure export-credentials --profile NAME --format env`, run the lines that it prints, and omit --profile", Err: err}
	}
	if err != nil {
		return aws.Config{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("the AWS settings cannot be loaded (%v)", err),
			Remedy: "check --profile, the file ~/.aws/config, and the variables that begin with AWS_", Err: err}
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
	return loaded, checkCredentials(ctx, loaded)
}

// checkCredentials fails if there are no credentials, or if AWS, which issues some of them, cannot be reached or does not issue them.
func checkCredentials(ctx context.Context, loaded aws.Config) error {
	_, err := loaded.Credentials.Retrieve(ctx)
	if err == nil {
		return nil
	}
	what := "there are no AWS credentials"
	_, noLogin := errors.AsType[*ssocreds.InvalidTokenError](err)
	_, noNetwork := errors.AsType[net.Error](err)
	_, noFile := errors.AsType[*fs.PathError](err) // such as that of a login that never was, which the system reports with a net.Error
	switch {
	case noLogin:
		what = "the login of the AWS profile has expired"
	case fromMetadata(err):
	case noNetwork && !noFile, awsapi.Classify(err) == awsapi.ClassThrottled, awsapi.StatusCode(err) >= 500, awsapi.CodeOf(err) == "AccessDenied":
		return awsProblem("the AWS credentials cannot be requested", err)
	default:
		what = fmt.Sprintf("%s (%s)", what, said(err))
	}
	return &Problem{Code: AWSRefused, What: what, Remedy: "log in, for example with `aws sso login`, or choose another --profile", Err: err}
}

// fromMetadata reports whether an error is that of the metadata service of an instance. The SDK looks there last, so this error only
// means that there are no credentials in any other place.
func fromMetadata(err error) bool {
	operation, ok := errors.AsType[*smithy.OperationError](err)
	return ok && (operation.ServiceID == "ec2imds" || fromMetadata(operation.Err))
}

// said returns what AWS answered, or why it could not be reached.
func said(err error) string { return oneLine(awsapi.Answer(err)) }

// Identity is whose credentials the command uses.
type Identity struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
}

// partition returns the partition in which the credentials are valid, or an empty string if it is unknown.
func (i Identity) partition() string {
	of, _ := arn.Parse(i.ARN)
	return of.Partition
}

// Identity asks AWS whose credentials these are. It fails if there are none, or if they are not valid.
func (a *App) Identity(ctx context.Context, loaded aws.Config) (Identity, error) {
	if err := checkCredentials(ctx, loaded); err != nil { // App.AWS accepts the token of Bedrock instead
		return Identity{}, err
	}
	found, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	switch class := awsapi.Classify(err); {
	case err == nil:
	case class == awsapi.ClassUnavailable || class == awsapi.ClassTimeout || class == awsapi.ClassThrottled:
		return Identity{}, awsProblem("AWS cannot be asked whose credentials these are", err)
	default:
		remedy := "log in, for example with `aws sso login`, or choose another --profile"
		if awsapi.CodeOf(err) == "InvalidClientTokenId" {
			remedy += ", or another --region if the account has not enabled this one"
		}
		return Identity{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("AWS does not accept the credentials (%s)", said(err)), Remedy: remedy, Err: err}
	}
	return Identity{Account: aws.ToString(found.Account), ARN: aws.ToString(found.Arn)}, nil
}
