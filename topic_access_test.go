package alarmtriage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awschatbot"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Statements of the app replace SNS's default policy of a topic, which lets CloudWatch publish.
func TestTopics_WarnsIfCloudWatchMayNotPublish(t *testing.T) {
	allow := func(principal awsiam.IPrincipal, actions ...string) func(awssns.Topic) {
		return func(topic awssns.Topic) {
			topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions: jsii.Strings(actions...), Principals: &[]awsiam.IPrincipal{principal}, Resources: &[]*string{topic.TopicArn()},
				Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": "111122223333"}}}))
		}
	}
	service := func(name string) awsiam.IPrincipal {
		return awsiam.NewServicePrincipal(jsii.String(name+".amazonaws.com"), nil)
	}
	for name, tt := range map[string]struct {
		enforceSSL bool
		change     func(awssns.Topic)
		want       bool
	}{
		"no policy":                    {false, func(awssns.Topic) {}, false},
		"EnforceSSL":                   {true, func(awssns.Topic) {}, true},
		"EnforceSSL and CloudWatch":    {true, allow(service("cloudwatch"), "sns:Publish"), false},
		"CloudWatch, by a wildcard":    {false, allow(service("cloudwatch"), "sns:Pub*"), false},
		"CloudWatch may only read":     {false, allow(service("cloudwatch"), "sns:GetTopicAttributes"), true},
		"another service":              {false, allow(service("budgets"), "sns:Publish"), true},
		"another service of AWS later": {true, allow(service("events"), "sns:Publish"), true},
		"everybody of the account":     {true, allow(awsiam.NewAnyPrincipal(), "sns:Publish"), false},
		"the account":                  {true, allow(awsiam.NewAccountRootPrincipal(), "sns:Publish"), false},
		"another account":              {false, func(topic awssns.Topic) { topic.GrantPublish(awsiam.NewAccountPrincipal("444455556666")) }, true},
		"another account by its ID":    {false, allow(awsiam.NewArnPrincipal(jsii.String("444455556666")), "sns:Publish"), true},
		"an organization":              {false, allow(awsiam.NewOrganizationPrincipal(jsii.String("o-a1b2c3d4e5")), "sns:Publish"), true},
		"not an organization": {false, allow(awsiam.NewPrincipalWithConditions(awsiam.NewAnyPrincipal(), &map[string]any{
			"StringEqualsIfExists": map[string]any{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}, "StringNotEquals": map[string]any{"aws:PrincipalArn": "x"}}), "sns:Publish"), false},
		"a role by its ARN": {true, allow(awsiam.NewArnPrincipal(jsii.String("arn:aws:iam::111122223333:role/publisher")), "sns:Publish"), true},
		"a role of the app": {false, func(topic awssns.Topic) {
			allow(awsiam.NewRole(topic.Stack(), jsii.String("Role"), &awsiam.RoleProps{AssumedBy: service("lambda")}), "sns:Publish")(topic)
		}, true},
		"a policy of another topic": {false, func(topic awssns.Topic) {
			awssns.NewTopic(topic.Stack(), jsii.String("Other"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
		}, false},
	} {
		found := func(t *testing.T, use func(awssns.Topic)) (closed []string) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			topic := awssns.NewTopic(stack, jsii.String("Topic"), &awssns.TopicProps{EnforceSSL: jsii.Bool(tt.enforceSSL)})
			use(topic)
			tt.change(topic) // after AlarmTriage
			for _, message := range messagesOf(stack) {
				if strings.Contains(message, "closed-topic") {
					closed = append(closed, message)
				}
			}
			return closed
		}
		const begin, end = "/Test/Triage alarmtriage:closed-topic: alarmtriage: the policy of the topic Test/Topic does not let CloudWatch publish, so ",
			": statements of the app, such as that of EnforceSSL, replace SNS's default policy, which does. Add a statement with AddToResourcePolicy that allows " +
				"sns:Publish to the service cloudwatch.amazonaws.com, with the condition aws:SourceAccount"
		want := func(effect string) []string {
			if !tt.want {
				return nil
			}
			return []string{begin + effect + end}
		}
		t.Run(name+", of SelfAlarmTopic", func(t *testing.T) {
			want := want("no self-alarm is delivered")
			if tt.enforceSSL { // AlarmTriage has completed the policy
				want = nil
			}
			assert.Equal(t, want, found(t, func(topic awssns.Topic) {
				triageNamed(topic.Stack(), "Triage", func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = topic }).AttachAlarms(newAlarm(topic.Stack(), "One"))
			}))
		})
		t.Run(name+", of AttachTopic", func(t *testing.T) {
			assert.Equal(t, want("1 alarm that notifies it starts no investigation through AttachTopic (Test/One)"), found(t, func(topic awssns.Topic) {
				triageNamed(topic.Stack(), "Triage", nil).AttachTopic(topic, nil)
				newAlarm(topic.Stack(), "One").AddAlarmAction(awscloudwatchactions.NewSnsAction(topic))
			}))
		})
		t.Run(name+", of AttachTopic, with alarms outside of the app", func(t *testing.T) {
			var want []string
			if name == "EnforceSSL" || name == "CloudWatch may only read" { // otherwise, a publisher may pass the alarms on
				want = []string{begin + "alarms outside of the app that notify it start no investigation through AttachTopic" + end}
			}
			assert.Equal(t, want, found(t, func(topic awssns.Topic) { triageNamed(topic.Stack(), "Triage", nil).AttachTopic(topic, nil) }))
		})
		t.Run(name+", of AttachTopic, and AttachAlarms", func(t *testing.T) {
			assert.Empty(t, found(t, func(topic awssns.Topic) {
				triage := triageNamed(topic.Stack(), "Triage", nil)
				triage.AttachTopic(topic, nil)
				alarm := newAlarm(topic.Stack(), "One")
				alarm.AddAlarmAction(awscloudwatchactions.NewSnsAction(topic))
				triage.AttachAlarms(alarm)
			}))
		})
		t.Run(name+", of NotificationTopic", func(t *testing.T) { // the orchestrator's role has the permission
			assert.Empty(t, found(t, func(topic awssns.Topic) {
				triageNamed(topic.Stack(), "Triage", func(p *alarmtriage.AlarmTriageProps) { p.NotificationTopic = topic }).AttachAlarms(newAlarm(topic.Stack(), "One"))
			}))
		})
	}
}

func TestSelfAlarmTopic_CompletesThePolicyOfTheApp(t *testing.T) {
	cloudWatch := like("Effect", "Allow", "Action", "sns:Publish", "Principal", object("Service", "cloudwatch.amazonaws.com"),
		"Condition", object("StringEquals", object("aws:SourceAccount", "111122223333")))
	stack := stackIn(newTestApp(), "Test", "eu-west-1")
	topic := awssns.NewTopic(stack, jsii.String("Platform"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	for _, id := range []string{"A", "B"} {
		triageNamed(stack, id, func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = topic })
	}
	synth(stack).HasResourceProperties(jsii.String("AWS::SNS::TopicPolicy"), like("PolicyDocument", like("Statement", []any{
		like("Effect", "Deny"), cloudWatch})))

	stack = stackIn(newTestApp(), "Test", "eu-west-1")
	topic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
	topic.GrantPublish(awsiam.NewAccountPrincipal("444455556666"))
	triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = topic })
	synth(stack).HasResourceProperties(jsii.String("AWS::SNS::TopicPolicy"), like("PolicyDocument", like("Statement", []any{
		like("Effect", "Allow", "Principal", object("AWS", assertions.Match_AnyValue())), cloudWatch})))

	stack = stackIn(newTestApp(), "Test", "eu-west-1")
	triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
	})
	synth(stack).ResourceCountIs(jsii.String("AWS::SNS::TopicPolicy"), jsii.Number(0))
}

// Each subscriber of these apps gets other notifications than its author expects, or none.
func TestTopics_WarnsOfSubscribersThatReceiveNothing(t *testing.T) {
	channel := func(topics ...awssns.ITopic) {
		awschatbot.NewSlackChannelConfiguration(awscdk.Stack_Of(topics[0]), jsii.String("Slack"), &awschatbot.SlackChannelConfigurationProps{
			SlackChannelConfigurationName: jsii.String("oncall"), SlackWorkspaceId: jsii.String("T0123ABCD"), SlackChannelId: jsii.String("C0123ABCD"),
			NotificationTopics: &topics})
	}
	teams := func(topic awssns.ITopic) {
		awschatbot.NewCfnMicrosoftTeamsChannelConfiguration(awscdk.Stack_Of(topic), jsii.String("Teams"), &awschatbot.CfnMicrosoftTeamsChannelConfigurationProps{
			ConfigurationName: jsii.String("oncall"), IamRoleArn: jsii.String("arn:aws:iam::111122223333:role/chat"), TeamId: jsii.String("1"),
			TeamsChannelId: jsii.String("1"), TeamsTenantId: jsii.String("1"), SnsTopicArns: &[]*string{topic.TopicArn()}})
	}
	filtered := func(policy map[string]any) func(reports, _ awssns.ITopic) {
		return func(reports, _ awssns.ITopic) {
			awssns.NewCfnSubscription(awscdk.Stack_Of(reports), jsii.String("Pager"), &awssns.CfnSubscriptionProps{
				TopicArn: reports.TopicArn(), Protocol: jsii.String("sms"), Endpoint: jsii.String("+15555550100"), FilterPolicy: policy})
		}
	}
	list := func(values ...any) []any { return values }
	const (
		chat  = "alarmtriage:chat-topic"
		value = "alarmtriage:filter-value"
	)
	for name, tt := range map[string]struct {
		cards     bool
		subscribe func(reports, cards awssns.ITopic)
		want      string
	}{
		"Slack on cards":                    {true, func(_, cards awssns.ITopic) { channel(cards) }, ""},
		"Slack on both":                     {true, func(reports, cards awssns.ITopic) { channel(reports, cards) }, ""},
		"Slack on reports":                  {false, func(reports, _ awssns.ITopic) { channel(reports) }, chat},
		"Slack on reports instead of cards": {true, func(reports, _ awssns.ITopic) { channel(reports) }, chat},
		"Teams on reports":                  {false, func(reports, _ awssns.ITopic) { teams(reports) }, chat},
		"Teams on another topic": {false, func(reports, _ awssns.ITopic) {
			teams(awssns.NewTopic(awscdk.Stack_Of(reports), jsii.String("Other"), nil))
		}, ""},
		"a severity":                        {false, filtered(map[string]any{"severity": list("critical", "high", "unknown")}), ""},
		"a severity in upper case":          {false, filtered(map[string]any{"severity": list("high", "CRITICAL")}), value},
		"a severity that does not exist":    {false, filtered(map[string]any{"severity": list("P1")}), value},
		"an operator":                       {false, filtered(map[string]any{"severity": list(map[string]any{"equals-ignore-case": "HIGH"}, map[string]any{"exists": false})}), ""},
		"a severity to exclude, misspelled": {false, filtered(map[string]any{"severity": list(map[string]any{"anything-but": list("Low")})}), value},
		"a severity to exclude":             {false, filtered(map[string]any{"severity": list(map[string]any{"anything-but": list("low", "medium")})}), ""},
		"an outcome":                        {false, filtered(map[string]any{"outcome": list("fallback", "limit", "self-check", "fires_again")}), ""},
		"outcomes of investigations":        {false, filtered(map[string]any{"outcome": list("completed", "concluded", "recovered")}), ""},
		"an outcome that does not exist":    {false, filtered(map[string]any{"outcome": list("failed")}), value},
		"a confidence that does not exist":  {false, filtered(map[string]any{"confidence": list("high")}), value},
		"an attribute in upper case":        {false, filtered(map[string]any{"Severity": list("high")}), value},
		"an attribute of another publisher": {false, filtered(map[string]any{"team": list("payments")}), ""},
		"an account":                        {false, filtered(map[string]any{"account": list("111122223333")}), ""},
		"one of several, misspelled":        {false, filtered(map[string]any{"$or": list(map[string]any{"account": list("1")}, map[string]any{"severity": list("High")})}), value},
		"a body of messages":                {false, func(reports, _ awssns.ITopic) { filteredBody(reports) }, ""},
		"a severity, of a subscription of L2": {false, func(reports, _ awssns.ITopic) {
			reports.AddSubscription(awssnssubscriptions.NewSmsSubscription(jsii.String("+15555550100"), &awssnssubscriptions.SmsSubscriptionProps{
				FilterPolicy: &map[string]awssns.SubscriptionFilter{"severity": awssns.SubscriptionFilter_StringFilter(&awssns.StringConditions{Allowlist: jsii.Strings("HIGH")})}}))
		}, value},
	} {
		t.Run(name, func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			reports, cards := awssns.NewTopic(stack, jsii.String("Reports"), nil), awssns.NewTopic(stack, jsii.String("Cards"), nil)
			tt.subscribe(reports, cards)
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.NotificationTopic = reports
				if tt.cards {
					p.ChatCardTopic = cards
				}
			}).AttachAlarms(newAlarm(stack, "One"))
			var ids []string
			for _, message := range messagesOf(stack) {
				ids = append(ids, strings.Split(message, ": ")[0])
			}
			if tt.want == "" {
				assert.Empty(t, ids)
			} else {
				assert.Equal(t, []string{"/Test/Triage " + tt.want}, ids)
			}
		})
	}
}

// filteredBody adds a subscription that filters by the body of messages.
func filteredBody(topic awssns.ITopic) {
	awssns.NewCfnSubscription(awscdk.Stack_Of(topic), jsii.String("Queue"), &awssns.CfnSubscriptionProps{
		TopicArn: topic.TopicArn(), Protocol: jsii.String("sqs"), Endpoint: jsii.String("arn:aws:sqs:eu-west-1:111122223333:q"),
		FilterPolicyScope: jsii.String("MessageBody"), FilterPolicy: map[string]any{"severity": []any{"P1"}}})
}
