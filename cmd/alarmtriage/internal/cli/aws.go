package cli

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// AWS loads the user's AWS settings: profile, Region, and credentials, as the AWS CLI does. The SDK's variables, such as
// AWS_ENDPOINT_URL_BEDROCK_RUNTIME, apply. It fails if there are no credentials, or no Region.
func (a *App) AWS(ctx context.Context) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if a.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.Profile))
	}
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("the AWS settings cannot be loaded (%v)", err),
			Remedy: "check --profile, and the file ~/.aws/config", Err: err}
	}
	if loaded.Region == "" {
		return aws.Config{}, &Problem{Code: AWSRefused, What: "no AWS Region is set", Remedy: "add --region, or set AWS_REGION"}
	}
	if !regionName.MatchString(loaded.Region) {
		return aws.Config{}, &Problem{Code: Usage, What: fmt.Sprintf("%q is not the name of an AWS Region", loaded.Region), Remedy: "write it as in us-east-1"}
	}
	if a.Getenv("AWS_BEARER_TOKEN_BEDROCK") != "" { // Bedrock needs no other credentials
		return loaded, nil
	}
	if _, err := loaded.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("there are no AWS credentials (%s)", awsapi.Brief(err)),
			Remedy: "log in, for example with `aws sso login`, or choose another --profile", Err: err}
	}
	return loaded, nil
}

// Identity is whose credentials the command uses.
type Identity struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
}

// Identity asks AWS whose credentials these are. It fails if there are none, or if they are not valid.
func (a *App) Identity(ctx context.Context, loaded aws.Config) (Identity, error) {
	found, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, &Problem{Code: AWSRefused, What: fmt.Sprintf("AWS does not accept the credentials (%s)", awsapi.Brief(err)),
			Remedy: "log in, for example with `aws sso login`, or choose another --profile", Err: err}
	}
	return Identity{Account: aws.ToString(found.Account), ARN: aws.ToString(found.Arn)}, nil
}
