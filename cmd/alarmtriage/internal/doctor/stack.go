package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/deployment"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
)

// identityTypes are the types of resources that define what the functions may do.
var identityTypes = []string{"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}

// drift asks CloudFormation whether the roles and policies of the stack are as they were deployed.
func (d *Doctor) drift(ctx context.Context) []selfcheck.Check {
	resources := d.found.Resources
	if resources == nil {
		var err error
		if resources, err = d.stackOf(ctx); err != nil {
			return one(skipped(fmt.Sprintf("The stack of the function %s is not known (%s), so the roles were not compared with it.",
				d.found.Function, awsapi.Answer(err)), "Add --stack with the name of its stack."))
		}
	}
	var checked int
	var modified, unknown []string
	var denied error
	stack := "" // of the last role or policy that was changed
	for _, resource := range resources {
		if !slices.Contains(identityTypes, resource.Type) {
			continue
		}
		out, err := d.stacks.DetectStackResourceDrift(ctx, &cloudformation.DetectStackResourceDriftInput{
			StackName: &resource.Stack, LogicalResourceId: &resource.LogicalID})
		switch {
		case err != nil && awsapi.Classify(err) == awsapi.ClassDenied: // those of another stack may not be
			denied = err
			continue
		case err != nil || out.StackResourceDrift == nil:
			unknown = append(unknown, resource.Physical)
			continue
		}
		switch out.StackResourceDrift.StackResourceDriftStatus {
		case cfntypes.StackResourceDriftStatusInSync:
			checked++
		case cfntypes.StackResourceDriftStatusModified, cfntypes.StackResourceDriftStatusDeleted:
			modified, stack = append(modified, describeDrift(resource, out.StackResourceDrift)), resource.Stack
		default:
			unknown = append(unknown, resource.Physical)
		}
	}
	switch {
	case len(modified) > 0:
		return one(problem("Roles or policies are not as they were deployed: "+strings.Join(modified, "; ")+".",
			fmt.Sprintf("Undo the change in IAM, or let CloudFormation undo it: aws cloudformation create-change-set --region %[1]s --stack-name %[2]s "+
				"--change-set-name revert-drift --deployment-mode REVERT_DRIFT --use-previous-template%[3]s --capabilities CAPABILITY_NAMED_IAM (and, if its changes are "+
				"right, aws cloudformation execute-change-set --region %[1]s --stack-name %[2]s --change-set-name revert-drift)", d.region, stack,
				d.sameParameters(ctx, stack))))
	case denied != nil:
		return one(unread("CloudFormation cannot compare all roles with the stack", denied))
	case checked == 0:
		return one(skipped(fmt.Sprintf("CloudFormation compared none of the roles and policies: %s.", names(unknown)), ""))
	}
	check := fine("%s as deployed.", plural.Either(checked, "role or policy is", "roles and policies are"))
	if len(unknown) > 0 {
		check.Notes = []string{fmt.Sprintf("CloudFormation could not compare: %s.", names(unknown))}
	}
	return one(check)
}

// sameParameters returns the option of the AWS CLI that keeps the parameters of a stack, which a change set otherwise sets to their
// defaults. It is empty if the stack has none, or if they cannot be read.
func (d *Doctor) sameParameters(ctx context.Context, stack string) string {
	out, err := d.stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil || len(out.Stacks) == 0 || len(out.Stacks[0].Parameters) == 0 {
		return ""
	}
	option := " --parameters"
	for _, parameter := range out.Stacks[0].Parameters {
		option += fmt.Sprintf(" ParameterKey=%s,UsePreviousValue=true", aws.ToString(parameter.ParameterKey))
	}
	return option
}

// describeDrift names a changed resource and what is different.
func describeDrift(resource deployment.Resource, drift *cfntypes.StackResourceDrift) string {
	if drift.StackResourceDriftStatus == cfntypes.StackResourceDriftStatusDeleted {
		return resource.Physical + " was deleted"
	}
	var differences []string
	for _, one := range drift.PropertyDifferences {
		differences = append(differences, fmt.Sprintf("%s %s: deployed %s, now %s", strings.ToLower(string(one.DifferenceType)), aws.ToString(one.PropertyPath),
			clip(aws.ToString(one.ExpectedValue)), clip(aws.ToString(one.ActualValue))))
	}
	return fmt.Sprintf("%s (%s)", resource.Physical, strings.Join(differences, ", "))
}

// stackOf returns the resources of the stack that the orchestrator belongs to.
func (d *Doctor) stackOf(ctx context.Context) ([]deployment.Resource, error) {
	out, err := d.stacks.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{PhysicalResourceId: &d.found.Function})
	if err != nil {
		return nil, err
	}
	if len(out.StackResources) == 0 {
		return nil, fmt.Errorf("no stack has it")
	}
	return deployment.Resources(ctx, d.stacks, aws.ToString(out.StackResources[0].StackName))
}

// encryption checks the keys that encrypt what AlarmTriage stores and sends. Whether the orchestrator may use those of the
// table and the bucket is known from its self-check, which writes to both. For those of topics, IAM is asked.
func (d *Doctor) encryption(ctx context.Context) []selfcheck.Check {
	users := map[string][]string{} // what a key encrypts, by the key
	ofTopics := map[string]bool{}  // keys that the orchestrator uses to send
	var unknown []string
	advice := "" // about one of them
	add := func(what, key string, err error) {
		switch {
		case err != nil:
			unknown = append(unknown, fmt.Sprintf("%s (%s)", what, awsapi.Answer(err)))
			advice = awsapi.CallerAdvice(err)
		case key != "":
			users[key] = append(users[key], what)
		}
	}
	key, err := d.bucketKey(ctx)
	add("the reports bucket", key, err)
	key, err = d.tableKey(ctx)
	add("the table", key, err)
	for _, topic := range []string{d.found.Config.TopicARN, d.found.Config.CardTopicARN} {
		if topic != "" {
			key, err = d.topicKey(ctx, topic)
			add("the topic "+topic[strings.LastIndex(topic, ":")+1:], key, err)
			ofTopics[key] = true
		}
	}
	groups := []string{d.found.LogGroup}
	for _, function := range []string{d.found.Function, d.found.Config.ToolFunction} {
		out, err := d.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
		switch {
		case err != nil && function != d.found.Function:
			add("the environment and the log group of "+function, "", err)
			continue
		case err != nil:
			add("the environment of "+function, "", err)
			continue
		case function != d.found.Function:
			groups = append(groups, logGroupIn(out))
		}
		add("the environment of "+function, aws.ToString(out.KMSKeyArn), nil)
	}
	var checks []selfcheck.Check
	for _, group := range groups {
		key, exists, err := d.logKey(ctx, group)
		add("the log group "+group, key, err)
		if err == nil && !exists { // the roles do not allow to create it again
			check := problem("The log group does not exist, so the function's log is lost, and with it the metrics that it contains.",
				fmt.Sprintf("aws logs create-log-group --region %s --log-group-name %s", d.region, group))
			check.Part = "log group " + group
			checks = append(checks, check)
		}
	}
	for id, uses := range users {
		check := d.key(ctx, id, strings.Join(uses, ", "), ofTopics[id])
		check.Part = "key " + id
		checks = append(checks, check)
	}
	slices.SortFunc(checks, func(a, b selfcheck.Check) int { return strings.Compare(a.Part, b.Part) })
	switch {
	case len(unknown) > 0:
		checks = append(checks, skipped("The keys of these cannot be read: "+strings.Join(unknown, "; ")+".", advice))
	case len(checks) == 0:
		checks = append(checks, fine("AWS's own keys encrypt everything."))
	}
	return checks
}

// key checks that a key can be used, and, if it is that of a topic, that the orchestrator may use it.
func (d *Doctor) key(ctx context.Context, id, uses string, ofTopic bool) selfcheck.Check {
	out, err := d.keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	switch {
	case err != nil && isNotFound(err):
		return problem(fmt.Sprintf("The key does not exist. It encrypts %s.", uses), "Set the prop to a key that exists, and deploy.")
	case err != nil:
		return unread(fmt.Sprintf("The key of %s cannot be read", uses), err)
	case out.KeyMetadata == nil:
		return skipped("KMS did not return the key's state.", "")
	}
	// KMS does not accept an alias to enable a key.
	state, key := out.KeyMetadata.KeyState, cmp.Or(aws.ToString(out.KeyMetadata.Arn), id)
	switch state {
	case kmstypes.KeyStateEnabled:
		if ofTopic && out.KeyMetadata.KeyManager != kmstypes.KeyManagerTypeAws {
			return d.topicGrant(ctx, key, uses)
		}
		return fine("The key is enabled. It encrypts %s.", uses)
	case kmstypes.KeyStateDisabled:
		return problem(fmt.Sprintf("The key is disabled. It encrypts %s.", uses), fmt.Sprintf("aws kms enable-key --region %s --key-id %s", d.region, key))
	case kmstypes.KeyStatePendingDeletion:
		return problem(fmt.Sprintf("The key will be deleted. It encrypts %s.", uses),
			fmt.Sprintf("aws kms cancel-key-deletion --region %s --key-id %s && aws kms enable-key --region %s --key-id %s", d.region, key, d.region, key))
	}
	return problem(fmt.Sprintf("The key is in the state %s. It encrypts %s.", state, uses), "See the key in the console of KMS.")
}

// topicGrant asks IAM whether the orchestrator may send to a topic that an enabled key encrypts. IAM does not consider the
// key's own policy.
func (d *Doctor) topicGrant(ctx context.Context, key, uses string) selfcheck.Check {
	out, err := d.identities.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &d.found.Role, ActionNames: []string{"kms:GenerateDataKey", "kms:Decrypt"}, ResourceArns: []string{key},
	})
	if err != nil {
		return unread(fmt.Sprintf("The key is enabled. It encrypts %s. Whether the orchestrator may use it cannot be read", uses), err)
	}
	if len(out.EvaluationResults) == 0 {
		return skipped(fmt.Sprintf("The key is enabled. It encrypts %s. IAM did not return whether the orchestrator may use it.", uses), "")
	}
	var denied []string
	for _, result := range out.EvaluationResults {
		if result.EvalDecision != iamtypes.PolicyEvaluationDecisionTypeAllowed {
			denied = append(denied, aws.ToString(result.EvalActionName))
		}
	}
	if len(denied) > 0 {
		return warning(fmt.Sprintf("The key is enabled. It encrypts %s. The policies of the orchestrator's role do not allow %s with it. Unless the policy "+
			"of the key does, the topic refuses all messages.", uses, strings.Join(denied, " and ")),
			"Set the prop TopicEncryptionKey to the key, and deploy.")
	}
	return fine("The key is enabled, and the policies of the orchestrator's role allow its use. It encrypts %s.", uses)
}

func (d *Doctor) bucketKey(ctx context.Context) (string, error) {
	out, err := d.bucket.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &d.found.Config.ReportsBucket})
	if err != nil {
		if strings.Contains(err.Error(), "ServerSideEncryptionConfigurationNotFoundError") {
			return "", nil
		}
		return "", err
	}
	if out.ServerSideEncryptionConfiguration == nil {
		return "", nil
	}
	for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
		if rule.ApplyServerSideEncryptionByDefault != nil && aws.ToString(rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID) != "" {
			return *rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID, nil
		}
	}
	return "", nil
}

func (d *Doctor) tableKey(ctx context.Context) (string, error) {
	out, err := d.table.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &d.found.Config.Table})
	if err != nil || out.Table == nil || out.Table.SSEDescription == nil {
		return "", err
	}
	return aws.ToString(out.Table.SSEDescription.KMSMasterKeyArn), nil
}

func (d *Doctor) topicKey(ctx context.Context, topic string) (string, error) {
	out, err := d.topics.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	if err != nil {
		return "", err
	}
	return out.Attributes["KmsMasterKeyId"], nil
}

func (d *Doctor) logKey(ctx context.Context, group string) (key string, exists bool, err error) {
	out, err := d.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group})
	if err != nil {
		return "", false, err
	}
	for _, one := range out.LogGroups {
		if aws.ToString(one.LogGroupName) == group {
			return aws.ToString(one.KmsKeyId), true, nil
		}
	}
	return "", false, nil
}
