// Package deployment finds the AlarmTriage that is deployed in an account and Region:
//
//	found, err := deployment.Find(ctx, clients, deployment.Choice{Stack: "Shop"})
package deployment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// maxNesting is how many levels of nested stacks are searched.
const maxNesting = 4

// Lambda is the part of Lambda that finds functions.
type Lambda interface {
	ListFunctions(ctx context.Context, in *lambda.ListFunctionsInput, opts ...func(*lambda.Options)) (*lambda.ListFunctionsOutput, error)
	GetFunctionConfiguration(ctx context.Context, in *lambda.GetFunctionConfigurationInput, opts ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
}

// CloudFormation is the part of CloudFormation that finds the resources of a stack.
type CloudFormation interface {
	ListStackResources(ctx context.Context, in *cloudformation.ListStackResourcesInput, opts ...func(*cloudformation.Options)) (*cloudformation.ListStackResourcesOutput, error)
}

// Choice selects one AlarmTriage. Without a choice, there must be only one.
type Choice struct {
	Stack    string // name or ID of the CloudFormation stack
	Function string // name or ARN of the orchestrator function
}

// Deployment is a deployed AlarmTriage.
type Deployment struct {
	Function string // name of the orchestrator function
	ARN      string // of the orchestrator function
	Role     string // ARN of the orchestrator's role
	LogGroup string // of the orchestrator function
	Config   config.Orchestrator
	// Resources are those of the stack and its nested stacks. They are only known if the choice names a stack.
	Resources []Resource
}

// Resource is a resource of a stack.
type Resource struct {
	Stack     string // ID or name of the stack
	LogicalID string
	Physical  string // physical ID
	Type      string // such as AWS::IAM::Role
}

// NotFoundError reports that there is no AlarmTriage.
type NotFoundError struct{ Where string }

// Error implements error.
func (e *NotFoundError) Error() string { return "there is no AlarmTriage " + e.Where }

// AmbiguousError reports that a choice fits several.
type AmbiguousError struct{ Functions []string }

// Error implements error.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("there are %d of AlarmTriage, with the orchestrators %s", len(e.Functions), strings.Join(e.Functions, ", "))
}

// Find returns the AlarmTriage that the choice selects. The error is a [*NotFoundError], an [*AmbiguousError], or that of a
// request to AWS.
func Find(ctx context.Context, functions Lambda, stacks CloudFormation, choice Choice) (*Deployment, error) {
	var resources []Resource
	if choice.Stack != "" {
		var err error
		resources, err = Resources(ctx, stacks, choice.Stack)
		switch class := awsapi.Classify(err); {
		case err != nil && (class == awsapi.ClassInvalid || class == awsapi.ClassNotFound): // CloudFormation rejects a name that no stack has
			return nil, &NotFoundError{Where: fmt.Sprintf("in the stack %s, because there is no such stack", choice.Stack)}
		case err != nil:
			return nil, err
		}
	}
	var found []*Deployment
	var err error
	where := "in this account and Region"
	switch {
	case choice.Function != "":
		where = fmt.Sprintf("with the orchestrator %s", choice.Function)
		if found, err = read(ctx, functions, []string{choice.Function}); err != nil && awsapi.Classify(err) == awsapi.ClassNotFound {
			err = nil // and nothing is found
		}
	case choice.Stack != "":
		where = "in the stack " + choice.Stack
		found, err = read(ctx, functions, physical(resources, "AWS::Lambda::Function"))
	default:
		found, err = list(ctx, functions)
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, &NotFoundError{Where: where}
	case len(found) > 1:
		ambiguous := &AmbiguousError{}
		for _, one := range found {
			ambiguous.Functions = append(ambiguous.Functions, one.Function)
		}
		slices.Sort(ambiguous.Functions)
		return nil, ambiguous
	}
	found[0].Resources = resources
	return found[0], nil
}

// Resources returns the resources of a stack and of the stacks that it nests.
func Resources(ctx context.Context, stacks CloudFormation, stack string) ([]Resource, error) {
	return resourcesOf(ctx, stacks, stack, 0)
}

func resourcesOf(ctx context.Context, stacks CloudFormation, stack string, depth int) ([]Resource, error) {
	var resources []Resource
	pages := cloudformation.NewListStackResourcesPaginator(stacks, &cloudformation.ListStackResourcesInput{StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the resources of the stack %s: %w", stack, err)
		}
		for _, summary := range page.StackResourceSummaries {
			resource := Resource{Stack: stack, LogicalID: aws.ToString(summary.LogicalResourceId),
				Physical: aws.ToString(summary.PhysicalResourceId), Type: aws.ToString(summary.ResourceType)}
			if resource.Type != "AWS::CloudFormation::Stack" || resource.Physical == "" || depth == maxNesting {
				resources = append(resources, resource)
				continue
			}
			nested, err := resourcesOf(ctx, stacks, resource.Physical, depth+1)
			if err != nil {
				return nil, err
			}
			resources = append(resources, nested...)
		}
	}
	return resources, nil
}

func physical(resources []Resource, kind string) []string {
	var ids []string
	for _, resource := range resources {
		if resource.Type == kind && resource.Physical != "" {
			ids = append(ids, resource.Physical)
		}
	}
	return ids
}

// read returns the orchestrators among functions.
func read(ctx context.Context, functions Lambda, names []string) ([]*Deployment, error) {
	var found []*Deployment
	for _, name := range names {
		out, err := functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
		if err != nil {
			return nil, fmt.Errorf("read the function %s: %w", name, err)
		}
		one, err := newDeployment(&lambdatypes.FunctionConfiguration{FunctionName: out.FunctionName, FunctionArn: out.FunctionArn,
			Role: out.Role, Environment: out.Environment, LoggingConfig: out.LoggingConfig})
		if err != nil {
			return nil, err
		}
		if one != nil {
			found = append(found, one)
		}
	}
	return found, nil
}

// list returns all orchestrators of the account and Region.
func list(ctx context.Context, functions Lambda) ([]*Deployment, error) {
	var found []*Deployment
	pages := lambda.NewListFunctionsPaginator(functions, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the functions: %w", err)
		}
		for i := range page.Functions {
			one, err := newDeployment(&page.Functions[i])
			if err != nil {
				return nil, err
			}
			if one != nil {
				found = append(found, one)
			}
		}
	}
	return found, nil
}

// newDeployment returns the deployment of an orchestrator, or nil for another function.
func newDeployment(function *lambdatypes.FunctionConfiguration) (*Deployment, error) {
	if function.Environment == nil || !isOrchestrator(function.Environment.Variables) {
		return nil, nil
	}
	variables := function.Environment.Variables
	name := aws.ToString(function.FunctionName)
	settings, err := config.ParseOrchestrator(func(variable string) string { return variables[variable] })
	if err != nil {
		return nil, fmt.Errorf("read the settings of the function %s: %w", name, err)
	}
	arn := aws.ToString(function.FunctionArn)
	if end := strings.LastIndex(arn, ":function:"+name+":"); end >= 0 { // that of the version or alias that the choice names
		arn = arn[:end] + ":function:" + name
	}
	found := &Deployment{Function: name, ARN: arn, Role: aws.ToString(function.Role), Config: settings,
		LogGroup: "/aws/lambda/" + name}
	if function.LoggingConfig != nil && aws.ToString(function.LoggingConfig.LogGroup) != "" {
		found.LogGroup = *function.LoggingConfig.LogGroup
	}
	return found, nil
}

// isOrchestrator reports whether a function with this environment is the orchestrator of an AlarmTriage.
func isOrchestrator(variables map[string]string) bool {
	for _, name := range []string{config.EnvToolFunction, config.EnvTable, config.EnvReportsBucket, config.EnvTopicARN} {
		if variables[name] == "" {
			return false
		}
	}
	return true
}
