package alarmtriage

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
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

// publisherCheck is the aspect that looks at the finished policy of a topic.
type publisherCheck struct {
	triage *AlarmTriage
	topic  awssns.ITopic
}

// Visit implements [awscdk.IAspect].
func (c *publisherCheck) Visit(node constructs.IConstruct) {
	policy, isPolicy := node.(awssns.CfnTopicPolicy)
	if !isPolicy {
		return
	}
	document, _ := awscdk.Stack_Of(policy).Resolve(policy.PolicyDocument()).(map[string]any)
	for _, s := range listOf(document["Statement"]) {
		statement, _ := s.(map[string]any)
		if !admitsAnyone(statement) {
			continue
		}
		awscdk.Annotations_Of(c.topic).AddWarningV2(jsii.String("alarmtriage:open-topic"), jsii.Sprintf(
			"alarmtriage: the topic's policy lets principals of every account publish, and each of them can start "+
				"investigations of AlarmTriage %s: only admit cloudwatch.amazonaws.com with the condition aws:SourceAccount",
			*c.triage.Node().Path()), nil)
		return
	}
}

// admitsAnyone reports whether a statement of a topic's policy visibly lets principals of every account publish: it
// has no condition, and admits either every principal or CloudWatch, which every account can cause to publish.
func admitsAnyone(statement map[string]any) bool {
	if statement["Effect"] != "Allow" || statement["Condition"] != nil {
		return false
	}
	publish := false
	for _, action := range listOf(statement["Action"]) {
		name, _ := action.(string)
		switch strings.ToLower(name) {
		case "*", "sns:*", "sns:publish", "sns:p*", "sns:pub*":
			publish = true
		}
	}
	if !publish {
		return false
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

// listOf returns the elements of a list in a policy, in which a single value needs no list.
func listOf(v any) []any {
	if list, isList := v.([]any); isList {
		return list
	}
	return []any{v}
}
