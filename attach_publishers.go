package alarmtriage

import (
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// allowConfirmation lets the orchestrator ask CloudWatch whether the message of a topic is true, in addition to
// allowAlarmState. AWS does not document the action of DescribeAlarmContributors.
func (t *AlarmTriage) allowConfirmation() {
	if t.mayConfirm {
		return
	}
	t.mayConfirm = true
	t.orchestratorRole.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:       jsii.String("ConfirmAlarms"),
		Actions:   jsii.Strings("cloudwatch:DescribeAlarmContributors"),
		Resources: jsii.Strings("*"),
	}))
}

// warnOfPublishers warns if the topic's policy admits everybody, or if the app does not know the policy.
func (t *AlarmTriage) warnOfPublishers(topic awssns.ITopic) {
	if topic.Node().DefaultChild() == nil { // it is imported
		awscdk.Annotations_Of(topic).AddWarningV2(jsii.String("alarmtriage:topic-policy"), jsii.Sprintf(
			"alarmtriage: the policy of the imported topic is not known here. Everybody whom it lets publish can start "+
				"investigations of AlarmTriage %s, so it should only admit cloudwatch.amazonaws.com with the condition "+
				"aws:SourceAccount", *t.Node().Path()), nil)
		return
	}
	awscdk.Aspects_Of(topic).Add(&publisherCheck{triage: t, topic: topic}, nil)
}

// publisherCheck is the aspect that looks at the finished policies of a topic. They can be anywhere in the app.
type publisherCheck struct {
	triage *AlarmTriage
	topic  awssns.ITopic
}

// Visit implements [awscdk.IAspect].
func (c *publisherCheck) Visit(node constructs.IConstruct) {
	if *node.Node().Path() != *c.topic.Node().Path() {
		return
	}
	topic := resourceOf(alarmjs.Identify(c.topic, c.topic.TopicArn())[0])
	ofTopic := func(arn string) bool { return resourceOf(arn) == topic }
	for _, policy := range alarmjs.TopicPolicies(node) {
		if slices.ContainsFunc(policy.Topics, ofTopic) && slices.ContainsFunc(policy.Statements, admitsAnyone) {
			awscdk.Annotations_Of(c.topic).AddWarningV2(jsii.String("alarmtriage:open-topic"), jsii.Sprintf(
				"alarmtriage: the topic's policy lets principals of every account publish, and each of them can start "+
					"investigations of AlarmTriage %s: only admit cloudwatch.amazonaws.com with the condition aws:SourceAccount",
				*c.triage.Node().Path()), nil)
			return
		}
	}
}

// resourceOf returns the path of a topic that an identified ARN refers to, by Ref or by Fn::GetAtt, or the ARN itself.
func resourceOf(arn string) string {
	return strings.TrimSuffix(strings.TrimSuffix(arn, ".Ref"), ".TopicArn")
}

// admitsAnyone reports whether a statement of a topic's policy visibly lets principals of every account publish: it
// has no condition, and admits either every principal, all but some, or CloudWatch, which every account can cause to publish.
func admitsAnyone(statement map[string]any) bool {
	conditions, isMap := statement["Condition"].(map[string]any)
	isLimited := statement["Condition"] != nil && (!isMap || len(conditions) > 0)
	if isLimited || !allowsPublish(statement) {
		return false
	}
	if statement["NotPrincipal"] != nil {
		return true
	}
	principals, _ := statement["Principal"].(map[string]any)
	for _, named := range []any{statement["Principal"], principals["AWS"], principals["Service"]} {
		list := listOf(named)
		if slices.Contains(list, "*") || slices.Contains(list, "cloudwatch.amazonaws.com") {
			return true
		}
	}
	return false
}

// allowsPublish reports whether a statement of a topic's policy allows its principals to publish.
func allowsPublish(statement map[string]any) bool {
	if statement["Effect"] != "Allow" {
		return false
	}
	if excluded := statement["NotAction"]; excluded != nil {
		return !matchesPublish(excluded)
	}
	return matchesPublish(statement["Action"])
}

// matchesPublish reports whether one of the patterns of actions matches sns:Publish.
func matchesPublish(actions any) bool {
	return slices.ContainsFunc(listOf(actions), func(action any) bool {
		pattern, _ := action.(string)
		matches, err := path.Match(strings.ToLower(pattern), "sns:publish") // its * and ? are those of IAM
		return err == nil && matches
	})
}

// listOf returns the elements of a list in a policy, in which a single value needs no list.
func listOf(v any) []any {
	if list, isList := v.([]any); isList {
		return list
	}
	return []any{v}
}
