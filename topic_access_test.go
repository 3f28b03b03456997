package alarmtriage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
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
		"a role by its ARN":            {true, allow(awsiam.NewArnPrincipal(jsii.String("arn:aws:iam::111122223333:role/publisher")), "sns:Publish"), true},
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
			assert.Equal(t, want("no self-alarm is delivered"), found(t, func(topic awssns.Topic) {
				triageNamed(topic.Stack(), "Triage", func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = topic }).AttachAlarms(newAlarm(topic.Stack(), "One"))
			}))
		})
		t.Run(name+", of AttachTopic", func(t *testing.T) {
			assert.Equal(t, want("1 alarm that notifies it starts no investigation through AttachTopic (Test/One)"), found(t, func(topic awssns.Topic) {
				triageNamed(topic.Stack(), "Triage", nil).AttachTopic(topic, nil)
				newAlarm(topic.Stack(), "One").AddAlarmAction(awscloudwatchactions.NewSnsAction(topic))
			}))
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
