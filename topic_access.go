package alarmtriage

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// warnOfClosedTopics adds a warning for each topic of the app that alarms notify and whose policies do not let CloudWatch publish:
// SelfAlarmTopic, and topics of AttachTopic. SNS gives each topic a policy that lets the services of its account publish. The first
// statement of the app replaces it, such as that of EnforceSSL.
func (t *AlarmTriage) warnOfClosedTopics() {
	for _, target := range t.targets {
		if target.prop == "SelfAlarmTopic" {
			t.warnOfClosed(target.topic, "no self-alarm is delivered")
		}
	}
	for i, alarms := range t.topicAlarms() {
		paths := pathsOf(alarms, func(a alarmjs.Notifying) bool { return a.Alarm && !t.isAttached(a.Path) && !t.selectsNotifying(a) })
		if n := len(paths); n > 0 {
			t.warnOfClosed(t.alarmTopics[i].topic, counted(n, "alarm")+agreeing(n, " that notifies it starts", " that notify it start")+
				" no investigation through AttachTopic ("+listed(paths)+")")
		}
	}
}

// warnOfClosed adds a warning if the app has policies of a topic, and none of them lets CloudWatch publish. The policy of an
// imported topic is not known.
func (t *AlarmTriage) warnOfClosed(topic awssns.ITopic, effect string) {
	if topic.Node().DefaultChild() == nil {
		return
	}
	own, hasPolicy := resourceOf(alarmjs.Identify(topic, topic.TopicArn())[0]), false
	for _, policy := range alarmjs.TopicPolicies(t) {
		if !slices.ContainsFunc(policy.Topics, func(arn string) bool { return resourceOf(arn) == own }) {
			continue
		}
		if slices.ContainsFunc(policy.Statements, mayAdmitCloudWatch) {
			return
		}
		hasPolicy = true
	}
	if hasPolicy {
		t.warn("closed-topic", "the policy of the topic %s does not let CloudWatch publish, so %s: statements of the app, such as that of EnforceSSL, replace "+
			"SNS's default policy, which does. Add a statement with AddToResourcePolicy that allows sns:Publish to the service "+
			"cloudwatch.amazonaws.com, with the condition aws:SourceAccount", *topic.Node().Path(), effect)
	}
}

// mayAdmitCloudWatch reports whether a statement of a topic's policy may let CloudWatch publish. It does not judge conditions.
func mayAdmitCloudWatch(statement map[string]any) bool {
	if !allowsPublish(statement) {
		return false
	}
	if statement["NotPrincipal"] != nil {
		return true
	}
	principals, isMap := statement["Principal"].(map[string]any)
	if !isMap {
		return true // everybody, or an intrinsic function
	}
	services := principals["Service"] != nil && slices.ContainsFunc(listOf(principals["Service"]), func(service any) bool {
		text, isText := service.(string)
		return !isText || strings.HasPrefix(text, "cloudwatch.")
	})
	return services || principals["AWS"] != nil && slices.ContainsFunc(listOf(principals["AWS"]), func(principal any) bool {
		text, isText := principal.(string)
		return !isText || !namesIdentity(text)
	})
}

// namesIdentity reports whether a principal, with identified references, is a role or a user.
func namesIdentity(principal string) bool {
	return strings.Contains(principal, ":role/") || strings.Contains(principal, ":user/") || strings.HasSuffix(principal, ".Arn")
}
