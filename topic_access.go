package alarmtriage

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// warnOfClosedTopics adds a warning for each topic of the app whose policies do not let CloudWatch publish: SelfAlarmTopic, topics of
// AttachTopic that alarms of the app notify, and other ones to which no statement lets anybody publish. SNS gives each topic a policy
// that lets the services of its account publish. The first statement of the app replaces it, such as that of EnforceSSL.
func (t *AlarmTriage) warnOfClosedTopics() {
	for _, target := range t.targets {
		if target.prop == "SelfAlarmTopic" {
			t.warnOfClosed(target.topic, "no self-alarm is delivered")
		}
	}
	for i, alarms := range t.topicAlarms() {
		if topic := t.alarmTopics[i].topic; len(alarms) == 0 && !slices.ContainsFunc(t.statementsOf(topic), allowsPublish) {
			t.warnOfClosed(topic, "alarms outside of the app that notify it start no investigation through AttachTopic")
		}
		paths := pathsOf(alarms, func(a alarmjs.Notifying) bool { return a.Alarm && !t.isAttached(a.Path) && !t.selectsNotifying(a) })
		if n := len(paths); n > 0 {
			t.warnOfClosed(t.alarmTopics[i].topic, counted(n, "alarm")+agreeing(n, " that notifies it starts", " that notify it start")+
				" no investigation through AttachTopic ("+listed(paths)+")")
		}
	}
}

// warnOfClosed adds a warning if the app has policies of a topic, and none of them lets CloudWatch publish.
func (t *AlarmTriage) warnOfClosed(topic awssns.ITopic, effect string) {
	if hasPolicy, admits := t.policiesOf(topic); hasPolicy && !admits {
		t.warn("closed-topic", "the policy of the topic %s does not let CloudWatch publish, so %s: statements of the app, such as that of EnforceSSL, replace "+
			"SNS's default policy, which does. Add a statement with AddToResourcePolicy that allows sns:Publish to the service "+
			"cloudwatch.amazonaws.com, with the condition aws:SourceAccount", *topic.Node().Path(), effect)
	}
}

// allowSelfAlarms lets CloudWatch publish to SelfAlarmTopic if the topic has a policy of CDK's that does not. A first statement would
// replace SNS's default policy, which does. allowFromHere completes the policies of topics in other accounts.
func (t *AlarmTriage) allowSelfAlarms(topic awssns.ITopic) {
	if topic.Node().TryFindChild(jsii.String("Policy")) == nil {
		return
	}
	here, places := alarmjs.Places(t, []constructs.IConstruct{topic})
	if hasPolicy, admits := t.policiesOf(topic); !hasPolicy || admits || elsewhere(here.Account, places[0].Account) {
		return
	}
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("AlarmTriageSelfAlarms"), Actions: jsii.Strings("sns:Publish"), Resources: &[]*string{topic.TopicArn()},
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Stack_Of(topic).Account()}},
	}))
}

// policiesOf reports whether the app has policies of a topic that it defines, and whether one of them may let CloudWatch publish.
func (t *AlarmTriage) policiesOf(topic awssns.ITopic) (hasPolicy, admits bool) {
	statements := t.statementsOf(topic)
	return len(statements) > 0, slices.ContainsFunc(statements, func(statement map[string]any) bool {
		return mayAdmitCloudWatch(statement, accountOf(awscdk.Stack_Of(topic)))
	})
}

// statementsOf returns the statements of the app's policies of a topic that the app defines.
func (t *AlarmTriage) statementsOf(topic awssns.ITopic) (statements []map[string]any) {
	if topic.Node().DefaultChild() == nil { // it is imported
		return nil
	}
	own := resourceOf(alarmjs.Identify(topic, topic.TopicArn())[0])
	for _, policy := range alarmjs.TopicPolicies(t) {
		if slices.ContainsFunc(policy.Topics, func(arn string) bool { return resourceOf(arn) == own }) {
			statements = append(statements, policy.Statements...)
		}
	}
	return statements
}

// mayAdmitCloudWatch reports whether a statement of a topic's policy may let CloudWatch publish. account is that of the topic; empty
// if it is not known at synth. Only conditions that no service fulfills are judged.
func mayAdmitCloudWatch(statement map[string]any, account string) bool {
	if !allowsPublish(statement) || excludesServices(statement) {
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
		return !isText || !namesIdentity(text) && !namesOtherAccount(text, account)
	})
}

// identityKeys are the condition keys that requests of services lack.
var identityKeys = []string{"aws:principalorgid", "aws:principalorgpaths", "aws:principalarn"}

// identityOperators are the operators that need the key of a condition to exist.
var identityOperators = regexp.MustCompile(`^(?:ForAnyValue:)?(?:StringEquals(?:IgnoreCase)?|StringLike|ArnEquals|ArnLike)$`)

// excludesServices reports whether a statement has a condition that only identities of an account fulfill, such as those of an
// organization.
func excludesServices(statement map[string]any) bool {
	conditions, _ := statement["Condition"].(map[string]any)
	for operator, condition := range conditions {
		keys, _ := condition.(map[string]any)
		for key := range keys {
			if identityOperators.MatchString(operator) && slices.Contains(identityKeys, strings.ToLower(key)) {
				return true
			}
		}
	}
	return false
}

// namesIdentity reports whether a principal, with identified references, is a role or a user.
func namesIdentity(principal string) bool {
	return strings.Contains(principal, ":role/") || strings.Contains(principal, ":user/") || strings.HasSuffix(principal, ".Arn")
}

var accountPrincipal = regexp.MustCompile(`^(?:arn:.*:iam::)?([0-9]{12})(?::root)?$`)

// namesOtherAccount reports whether a principal, with identified references, is certainly another account.
func namesOtherAccount(principal, account string) bool {
	match := accountPrincipal.FindStringSubmatch(principal)
	return match != nil && elsewhere(account, match[1])
}

// CloudFormation's types of the resources that receive notifications.
const (
	slackChannel    = "AWS::Chatbot::SlackChannelConfiguration"
	teamsChannel    = "AWS::Chatbot::MicrosoftTeamsChannelConfiguration"
	topicSubscriber = "AWS::SNS::Subscription"
)

// warnOfSubscribers adds warnings about subscribers of NotificationTopic in the app that certainly do not receive what they are for.
func (t *AlarmTriage) warnOfSubscribers() {
	reports, cards := t.reportTopics["NotificationTopic"], t.reportTopics["ChatCardTopic"]
	isTopic := func(topic awssns.ITopic) func(any) bool {
		if topic == nil {
			return func(any) bool { return false }
		}
		own := resourceOf(alarmjs.Identify(topic, topic.TopicArn())[0])
		return func(arn any) bool { text, _ := arn.(string); return resourceOf(text) == own }
	}
	isReports, isCards := isTopic(reports), isTopic(cards)
	for _, resource := range alarmjs.ResourcesOf(t, slackChannel, teamsChannel, topicSubscriber) {
		p := resource.Properties
		switch {
		case resource.Type == topicSubscriber:
			if policy, _ := p["FilterPolicy"].(map[string]any); p["FilterPolicyScope"] != "MessageBody" && isReports(p["TopicArn"]) {
				t.warnOfFilter(resource.Path, policy)
			}
		case slices.ContainsFunc(listOf(p["SnsTopicArns"]), isReports) && !slices.ContainsFunc(listOf(p["SnsTopicArns"]), isCards):
			t.warn("chat-topic", "the chat channel %s receives NotificationTopic %s, and Amazon Q Developer in chat applications does not show the texts of reports: "+
				"pass another topic as ChatCardTopic, and add it to the topics of the channel", resource.Path, *reports.Node().Path())
		}
	}
}

// attributeValues are the attributes of notifications by which subscriptions filter, with all of their values if these are known
// at synth.
var attributeValues = map[string][]string{
	"severity": textsOf(investigation.SeverityCritical, investigation.SeverityHigh, investigation.SeverityMedium, investigation.SeverityLow,
		investigation.SeverityUnknown),
	"confidence": textsOf(investigation.Confirmed, investigation.Likely, investigation.Unknown),
	"confirmed":  {"true", "false"},
	"outcome": append(textsOf(investigation.OutcomeCompleted, investigation.OutcomeConcluded, investigation.OutcomeFallback),
		"recovered", "fires_again", "self-check", "limit"),
	"limit": nil, "account": nil, "account_name": nil, "region": nil, "investigation_id": nil,
}

// warnOfFilter adds a warning for each attribute or value of a filter policy that no notification has. Other publishers of the
// topic may have other attributes.
func (t *AlarmTriage) warnOfFilter(subscription string, policy map[string]any) {
	const none = "which no notification of AlarmTriage has"
	for _, name := range slices.Sorted(maps.Keys(policy)) {
		if name == "$or" {
			for _, alternative := range listOf(policy[name]) {
				nested, _ := alternative.(map[string]any)
				t.warnOfFilter(subscription, nested)
			}
			continue
		}
		values, isKnown := attributeValues[name]
		if lower := strings.ToLower(name); !isKnown && lower != name {
			if _, isKnown := attributeValues[lower]; isKnown {
				t.warn("filter-value", "the filter policy of the subscription %s has the attribute %q, %s: did you mean %q?", subscription, name, none, lower)
			}
			continue
		}
		if unknown := filterTexts(policy[name], values); len(values) > 0 && len(unknown) > 0 {
			t.warn("filter-value", "the filter policy of the subscription %s has the %s %s, %s: its values are %s", subscription, name, listed(unknown), none,
				strings.Join(values, ", "))
		}
	}
}

// filterTexts returns the exact values of an attribute in a filter policy that are not among the known ones.
func filterTexts(conditions any, known []string) (unknown []string) {
	for _, condition := range listOf(conditions) {
		switch value := condition.(type) {
		case string:
			if !slices.Contains(known, value) {
				unknown = append(unknown, fmt.Sprintf("%q", value))
			}
		case map[string]any:
			if excluded := value["anything-but"]; excluded != nil {
				unknown = append(unknown, filterTexts(excluded, known)...)
			}
		}
	}
	return unknown
}
