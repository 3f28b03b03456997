package alarmtriage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Two AlarmTriages that investigate the same alarms cost twice the money.
func TestSynth_WarnsOfSharedSources(t *testing.T) {
	type rule = alarmtriage.EventRuleProps
	rules := func(a, b *rule) func(awscdk.Stack, *alarmtriage.AlarmTriage, *alarmtriage.AlarmTriage) {
		return func(_ awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			first.AttachEventRule(jsii.String("Rule"), a)
			second.AttachEventRule(jsii.String("Rule"), b)
		}
	}
	names := func(names ...string) *rule { return &rule{NamePrefixes: jsii.Strings(names...)} }
	tags := func(pairs ...string) *rule {
		tags := map[string]*[]*string{}
		for i := 0; i < len(pairs); i += 2 {
			tags[pairs[i]] = jsii.Strings(pairs[i+1])
		}
		return &rule{Tags: &tags}
	}
	const shared = "/S/B alarmtriage:shared-source: alarmtriage: "
	const effect = ": both investigate them, send reports, and cost money. Select different alarms, for example with ExceptNamePrefixes"
	sharedRules := []string{shared + "the rule S/B/Rule selects alarms that the rule S/A/Rule of AlarmTriage S/A selects, too" + effect}
	named := func(stack awscdk.Stack, id, name string) awscloudwatch.Alarm {
		return awscloudwatch.NewAlarm(stack, jsii.String(id), &awscloudwatch.AlarmProps{AlarmName: jsii.String(name), Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1),
			Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Errors")})})
	}
	for _, tt := range []struct {
		name   string
		attach func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage)
		want   []string
	}{
		{"rules for every alarm", rules(nil, nil), sharedRules},
		{"rules for different names", rules(names("orders-"), names("payments-")), nil},
		{"a rule for a part of the names of the other", rules(names("orders-"), names("x", "orders-eu-")), sharedRules},
		{"a rule for all names but those of the other", rules(names("orders-"), &rule{ExceptNamePrefixes: jsii.Strings("orders-")}), nil},
		{"a rule for all names but a part of those of the other", rules(names("orders-"), &rule{ExceptNamePrefixes: jsii.Strings("orders-eu-")}), sharedRules},
		{"rules for different tags", rules(tags("team", "a"), tags("team", "b")), nil},
		{"rules for tags with different keys", rules(tags("team", "a"), tags("stage", "b")), nil},
		{"a rule for more tags", rules(tags("team", "a"), tags("team", "a", "stage", "prod")), sharedRules},
		{"rules for different accounts", rules(&rule{Accounts: jsii.Strings("444455556666")}, &rule{Accounts: jsii.Strings("777788889999")}), []string{
			"/S/A " + foreignAccount("444455556666"), "/S/B " + foreignAccount("777788889999")}},
		{"rules for different Regions", rules(&rule{Regions: jsii.Strings("eu-west-1")}, &rule{Regions: jsii.Strings("us-east-1")}), []string{
			"/S/B alarmtriage:default-bus: alarmtriage: the rule Rule only selects alarms of other Regions (us-east-1), and the default bus only receives them if rules in these Regions send them to it: pass a bus as EventBus to which rules in these Regions send their events"}},
		{"rules on different buses", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			first.AttachEventRule(jsii.String("Rule"), nil)
			second.AttachEventRule(jsii.String("Rule"), &rule{EventBus: awsevents.NewEventBus(stack, jsii.String("Bus"), nil)})
		}, nil},
		{"rules on the default bus, once by its name", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			first.AttachEventRule(jsii.String("Rule"), nil)
			second.AttachEventRule(jsii.String("Rule"), &rule{EventBus: awsevents.EventBus_FromEventBusName(stack, jsii.String("Bus"), jsii.String("default"))})
		}, sharedRules},
		{"rules of two stacks", func(stack awscdk.Stack, first, _ *alarmtriage.AlarmTriage) {
			first.AttachEventRule(jsii.String("Rule"), nil)
			triageNamed(stackIn(stack.Node().Root().(awscdk.App), "Far", "us-east-1"), "Other", nil).AttachEventRule(jsii.String("Rule"), nil)
		}, []string{"/S/B alarmtriage:nothing-attached: alarmtriage: no alarm starts an investigation: use AttachAlarms, AlarmAction, AttachAll, AttachEventRule, or AttachTopic"}},
		{"attached alarms that a rule selects, too", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			first.AttachAlarms(newAlarm(stack, "Generated"), named(stack, "Named", "orders-errors"))
			second.AttachEventRule(jsii.String("Rule"), nil)
		}, []string{shared + "the rule S/B/Rule of AlarmTriage S/B selects alarms that are attached to AlarmTriage S/A (S/Generated, S/Named)" + effect}},
		{"a rule that selects some of the attached alarms of a later AlarmTriage", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			second.AttachAlarms(newAlarm(stack, "Generated"), named(stack, "Named", "orders-errors"))
			first.AttachEventRule(jsii.String("Rule"), names("orders-"))
		}, []string{shared + "the rule S/A/Rule of AlarmTriage S/A selects alarms that are attached to AlarmTriage S/B (S/Named)" + effect}},
		{"attached alarms that a rule does not select", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			first.AttachAlarms(newAlarm(stack, "Generated"), named(stack, "Named", "orders-errors"))
			second.AttachEventRule(jsii.String("Rule"), names("payments-"))
		}, nil},
		{"one topic", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			topic := awssns.NewTopic(stack, jsii.String("Alarms"), nil)
			first.AttachTopic(topic, nil)
			second.AttachTopic(topic, nil)
		}, []string{shared + "the topic S/Alarms is also attached to AlarmTriage S/A: both investigate its alarms, send reports, and cost money. Attach it to one of the two, or select different alarms with NamePrefixes"}},
		{"one topic with different names", func(stack awscdk.Stack, first, second *alarmtriage.AlarmTriage) {
			topic := awssns.NewTopic(stack, jsii.String("Alarms"), nil)
			first.AttachTopic(topic, &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("orders-")})
			second.AttachTopic(topic, &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("payments-")})
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := stackIn(newTestApp(), "S", "eu-west-1")
			first, second := triageNamed(stack, "A", nil), triageNamed(stack, "B", nil)
			tt.attach(stack, first, second)
			want := tt.want
			if want == nil {
				want = []string{}
			}
			assert.Equal(t, want, messagesOf(stack))
		})
	}
}

// The reports of one AlarmTriage are no alarm notifications, so another one that receives them fails.
func TestAttachTopic_WarnsOfTheReportsOfAnother(t *testing.T) {
	stack := stackIn(newTestApp(), "S", "eu-west-1")
	reports, cards := awssns.NewTopic(stack, jsii.String("Reports"), nil), awssns.NewTopic(stack, jsii.String("Cards"), nil)
	reader := triageNamed(stack, "Reader", nil)
	reader.AttachTopic(reports, nil)
	reader.AttachTopic(cards, &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("orders-")}) // SNS drops the cards
	triageNamed(stack, "Writer", func(p *alarmtriage.AlarmTriageProps) { p.NotificationTopic, p.ChatCardTopic = reports, cards }).
		AttachAlarms(newAlarm(stack, "One"))
	assert.Equal(t, []string{"/S/Reader alarmtriage:report-topic: alarmtriage: AttachTopic got the topic S/Reports, which is the NotificationTopic of AlarmTriage " +
		"S/Writer: each of its messages invokes this AlarmTriage, which fails because the message is no alarm notification. Pass the topic that the alarms " +
		"notify, or NamePrefixes, with which other messages are dropped"}, messagesOf(stack))
}

// The ARN of an imported topic may be an intrinsic function, and each call of its function in CDK creates another token.
func TestAttachTopic_RecognizesTopicsWhoseARNIsAToken(t *testing.T) {
	value := func(name string) func(awscdk.Stack) *string {
		return func(awscdk.Stack) *string { return awscdk.Fn_ImportValue(jsii.String(name)) }
	}
	arn := func(name string) func(awscdk.Stack) *string {
		return func(awscdk.Stack) *string {
			return jsii.Sprintf("arn:aws:sns:eu-west-1:111122223333:%s", *awscdk.Fn_ImportValue(jsii.String(name)))
		}
	}
	local := func(name string) func(awscdk.Stack) *string {
		return func(stack awscdk.Stack) *string {
			return stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("sns"), Resource: jsii.String(name)})
		}
	}
	for _, tt := range []struct {
		name           string
		target, source func(awscdk.Stack) *string
		same           bool
	}{
		{"an import", value("A"), value("A"), true},
		{"two imports", value("A"), value("B"), false},
		{"an import in a text", arn("A"), arn("A"), true},
		{"two imports in a text", arn("A"), arn("B"), false},
		{"a formatted ARN", local("a"), local("a"), true},
		{"two formatted ARNs", local("a"), local("b"), false},
		{"an import and an ARN", value("A"), local("a"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := newStack()
			imported := func(id string, arn *string) awssns.ITopic {
				return awssns.Topic_FromTopicArn(stack, jsii.String(id), arn)
			}
			triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotificationTopic = imported("Target", tt.target(stack)) })
			attach := func() { triage.AttachTopic(imported("Source", tt.source(stack)), nil) }
			if !tt.same {
				assert.NotPanics(t, attach)
				return
			}
			assert.PanicsWithValue(t, "alarmtriage: AlarmTriage Test/Triage sends to topic Test/Source and can't be subscribed to it: "+
				"pass the alarms' topic to AttachTopic, and a separate topic to NotificationTopic", attach)
		})
	}
}

// The partition of a formatted ARN is a token in most stacks.
func TestAttachTopic_RecognizesTopicsWhosePartitionIsAToken(t *testing.T) {
	stack := newStackIn("eu-west-1")
	topic := func(id, name string, isFormatted bool) awssns.ITopic {
		arn := "arn:aws:sns:eu-west-1:111122223333:" + name
		if isFormatted {
			arn = *stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("sns"), Resource: jsii.String(name)})
		}
		return awssns.Topic_FromTopicArn(stack, jsii.String(id), &arn)
	}
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotificationTopic = topic("Reports", "reports", false) })
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(topic("Same", "reports", true), nil) }), "sends to topic Test/Same")
	triage.AttachTopic(topic("Alarms", "alarms", true), nil)
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(topic("AlarmsAgain", "alarms", false), nil) }), "topic Test/AlarmsAgain is attached to AlarmTriage")
	triage.AttachTopic(topic("Others", "others", false), nil)
}

// A topic of the app with a name can also be imported by its ARN.
func TestAttachTopic_RecognizesTopicsByTheirName(t *testing.T) {
	stack := newStackIn("eu-west-1")
	topic := func(name string) awssns.ITopic {
		return awssns.NewTopic(stack, jsii.String("Topic"+name), &awssns.TopicProps{TopicName: jsii.String(name)})
	}
	imported := func(name string) awssns.ITopic {
		return awssns.Topic_FromTopicArn(stack, jsii.String("Imported"+name), jsii.String("arn:aws:sns:eu-west-1:111122223333:"+name))
	}
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotificationTopic = topic("reports") })
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(imported("reports"), nil) }), "sends to topic Test/Importedreports")
	triage.AttachTopic(imported("alarms"), nil)
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(topic("alarms"), nil) }), "topic Test/Topicalarms is attached to AlarmTriage")
	triage.AttachTopic(topic("others"), nil)
}

// The events of a member's alarms are on the default bus of its account and Region.
func TestSynth_WarnsOfSharedSourcesOfMembers(t *testing.T) {
	const shared = "/S/B alarmtriage:shared-source: alarmtriage: "
	const effect = ": both investigate them, send reports, and cost money. Select different alarms, for example with "
	const ofMember = "ExceptAlarmNamePrefixes of the AlarmTriageMember"
	membersOfAccount := func(p *alarmtriage.AlarmTriageProps) {
		p.Members = &alarmtriage.Members{Accounts: jsii.Strings(memberAccount), RoleName: p.ResourcePrefix}
	}
	named := func(name string) func(*alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = &name; membersOfAccount(p) }
	}
	memberOf := func(app awscdk.App, id, region string, triage *alarmtriage.AlarmTriage, names ...string) {
		newMember(stackOf(app, id, memberAccount, region), func(p *alarmtriage.AlarmTriageMemberProps) {
			p.Triage, p.CentralAccount = triage, nil
			if names != nil {
				p.AlarmNamePrefixes = jsii.Strings(names...)
			}
		})
	}
	t.Run("two AlarmTriages with members in one account", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			region string
			names  [2][]string
			want   []string
		}{
			{"and Region", "us-east-1", [2][]string{}, []string{shared + "the rule Y/Member/Rule selects alarms that the rule X/Member/Rule of AlarmTriage S/A selects, too" + effect + ofMember}},
			{"and other Regions", "us-west-2", [2][]string{}, nil},
			{"with different names", "us-east-1", [2][]string{{"orders-"}, {"payments-"}}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				app := newTestApp()
				stack := stackIn(app, "S", "eu-west-1")
				first, second := triageNamed(stack, "A", named("one")), triageNamed(stack, "B", named("two"))
				memberOf(app, "X", "us-east-1", first, tt.names[0]...)
				memberOf(app, "Y", tt.region, second, tt.names[1]...)
				assert.ElementsMatch(t, tt.want, messagesOf(stack))
			})
		}
	})
	for _, tt := range []struct {
		name   string
		region string // of the AlarmTriage in the member's account
		attach func(stack awscdk.Stack, own *alarmtriage.AlarmTriage)
		want   string
	}{
		{"an AlarmTriage in the member's account with attached alarms", "us-east-1", func(stack awscdk.Stack, own *alarmtriage.AlarmTriage) { own.AttachAll(stack, nil) },
			"the rule X/Member/Rule of AlarmTriage S/A selects alarms that are attached to AlarmTriage Own/B (Own/One)" + effect + ofMember},
		{"an AlarmTriage in the member's account with a rule", "us-east-1", func(_ awscdk.Stack, own *alarmtriage.AlarmTriage) { own.AttachEventRule(jsii.String("Rule"), nil) },
			"the rule Own/B/Rule selects alarms that the rule X/Member/Rule of AlarmTriage S/A selects, too" + effect + "ExceptNamePrefixes or " + ofMember},
		{"an AlarmTriage in another Region of the member's account", "us-west-2", func(stack awscdk.Stack, own *alarmtriage.AlarmTriage) { own.AttachAll(stack, nil) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			central := triageNamed(stackIn(app, "S", "eu-west-1"), "A", named("one"))
			memberOf(app, "X", "us-east-1", central)
			stack := stackOf(app, "Own", memberAccount, tt.region)
			own := triageNamed(stack, "B", nil)
			newAlarm(stack, "One")
			tt.attach(stack, own)
			var found []string
			for _, message := range messagesOf(stack) {
				if strings.Contains(message, "shared-source") {
					found = append(found, message)
				}
			}
			if tt.want == "" {
				assert.Empty(t, found)
				return
			}
			assert.Equal(t, []string{"/Own/B alarmtriage:shared-source: alarmtriage: " + tt.want}, found)
		})
	}
}

// foreignAccount returns the warning about a rule of the default bus that selects only alarms of another account.
func foreignAccount(account string) string {
	return "alarmtriage:default-bus: alarmtriage: the rule Rule only selects alarms of other accounts (" + account + "), and the default bus only receives them if these accounts send them to it: " +
		"set the prop Members, with an AlarmTriageMember in each account, or pass a bus as EventBus that receives their events"
}
