package alarmtriage_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestSelfAlarms_NotifyTheirTopicAndAreNeverInvestigated(t *testing.T) {
	stack := newStack()
	var platform awssns.ITopic
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		platform = awssns.NewTopic(stack, jsii.String("Platform"), nil)
		p.SelfAlarmTopic, p.OnFailureQueue = platform, awssqs.NewQueue(stack, jsii.String("Failed"), nil)
		p.ResourcePrefix = jsii.String("Prod")
	})
	triage.AttachAll(stack, nil)
	triage.AttachEventRule(jsii.String("Everything"), nil)
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(platform, nil) }), "can't be subscribed to it: pass the alarms' topic to AttachTopic, and a separate topic to SelfAlarmTopic")
	assert.Contains(t, panicOf(t, func() { triage.AttachAlarms(triage.SelfAlarms()[0]) }), "can't be attached to it")
	assert.Len(t, triage.SelfAlarms(), 9)

	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::CloudWatch::Alarm"), jsii.Number(9))
	template.AllResourcesProperties(jsii.String("AWS::CloudWatch::Alarm"), like(
		"AlarmName", assertions.Match_StringLikeRegexp(jsii.String("^alarmtriage-self-.*-prod-[a-z-]+$")),
		"AlarmActions", []any{map[string]any{"Ref": assertions.Match_StringLikeRegexp(jsii.String("Platform"))}}))
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), like("EventPattern", like("detail", like(
		"alarmName", []any{object("anything-but", object("prefix", "alarmtriage-self-"))}))))
}

func TestSelfAlarms_ReachAnEncryptedTopic(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), &awssns.TopicProps{MasterKey: awskms.NewKey(stack, jsii.String("Key"), nil)})
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::KMS::Key"), like("KeyPolicy", like("Statement", assertions.Match_ArrayWith(&[]any{like(
		"Principal", object("Service", "cloudwatch.amazonaws.com"), "Action", []string{"kms:Decrypt", "kms:GenerateDataKey*"}, "Effect", "Allow")}))))
}

func TestDashboard_IsOptional(t *testing.T) {
	stack := newStack()
	assert.Nil(t, newTriage(stack, nil).Dashboard())
	stack = newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Dashboard = jsii.Bool(true) })
	assert.NotNil(t, triage.Dashboard())
	synth(stack).ResourceCountIs(jsii.String("AWS::CloudWatch::Dashboard"), jsii.Number(1))
}

func TestMetrics_MatchThoseOfTheOrchestrator(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	for name, metric := range map[string]awscloudwatch.Metric{
		"Investigations": triage.MetricInvestigations(nil), "InvestigationsFallback": triage.MetricFallbacks(nil), "InvestigationsFailed": triage.MetricFailures(nil),
		"Duplicates": triage.MetricDuplicates(nil), "Rounds": triage.MetricRounds(nil), "ToolCalls": triage.MetricToolCalls(nil), "Duration": triage.MetricDuration(nil),
		"InvestigationsCompleted": triage.MetricCompleted(nil), "InvestigationsConcluded": triage.MetricConcluded(nil),
		"InputTokens": triage.MetricInputTokens(nil), "OutputTokens": triage.MetricOutputTokens(nil),
		"CostUSD": triage.MetricCost(nil), "QueryCostUSD": triage.MetricQueryCost(nil), "InvestigationsEvidenceOnly": triage.MetricEvidenceOnly(nil), "Redactions": triage.MetricRedactions(nil), "BrokerRefusals": triage.MetricBrokerRefusals(nil),
	} {
		assert.Equal(t, name, *metric.MetricName())
		assert.Equal(t, "AlarmTriage", *metric.Namespace())
		assert.Equal(t, map[string]any{"FunctionName": map[string]any{"Ref": "TriageOrchestratorAAEB3CE1"}}, stack.Resolve(metric.Dimensions()), name)
	}
	daily := triage.MetricCost(&awscloudwatch.MetricOptions{Period: awscdk.Duration_Days(jsii.Number(1))})
	assert.Equal(t, 86400.0, *daily.Period().ToSeconds(nil))
	assert.Equal(t, "Sum", *daily.Statistic())
}

// The README promises a method for each metric.
func TestMetrics_EachHasAMethod(t *testing.T) {
	source, err := os.ReadFile("internal/emf/emf.go")
	require.NoError(t, err)
	triage := reflect.ValueOf(newTriage(newStack(), nil))
	var got []string
	for i := range triage.NumMethod() {
		if strings.HasPrefix(triage.Type().Method(i).Name, "Metric") {
			var none *awscloudwatch.MetricOptions
			metric := triage.Method(i).Call([]reflect.Value{reflect.ValueOf(none)})[0].Interface().(awscloudwatch.Metric)
			got = append(got, *metric.MetricName())
		}
	}
	_, names, _ := strings.Cut(string(source), "// Names of the metrics.")
	names, _, _ = strings.Cut(names, "\n)")
	var want []string
	for _, name := range regexp.MustCompile(`(?m)^\t\w+ += "(\w+)"`).FindAllStringSubmatch(names, -1) {
		want = append(want, name[1])
	}
	require.Greater(t, len(want), 25)
	assert.ElementsMatch(t, want, got)
}

func TestMetrics_HaveAccountAndRegionInOtherStacks(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	stackIn := func(id, region string) awscdk.Stack {
		return awscdk.NewStack(app, jsii.String(id), &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(region)}})
	}
	home, elsewhere := stackIn("Home", "eu-west-1"), stackIn("Elsewhere", "us-east-1")
	triage := newTriage(home, func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = jsii.String("shop") })
	awscloudwatch.NewDashboard(elsewhere, jsii.String("All"), nil).AddWidgets(awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Left: &[]awscloudwatch.IMetric{triage.MetricCost(nil)}}))
	body, err := json.Marshal(synth(elsewhere).FindResources(jsii.String("AWS::CloudWatch::Dashboard"), nil))
	require.NoError(t, err)
	assert.Contains(t, string(body), `\"region\":\"eu-west-1\"`)
}

// CloudWatch needs a key whose policy names it (Amazon SNS Developer Guide, "Key management"). The principals of the account may
// use AWS's own key without a grant.
func TestTopics_KeysOfAWSAndImportedKeys(t *testing.T) {
	byName := func(name string) func(awscdk.Stack) awskms.IKey {
		return func(stack awscdk.Stack) awskms.IKey {
			return awskms.Alias_FromAliasName(stack, jsii.String("Key"), jsii.String(name))
		}
	}
	imported := func(stack awscdk.Stack) awskms.IKey { return importedKey(stack, "111122223333", "eu-west-1") }
	ofAWS, unknown := "SelfAlarmTopic Test/Topic is encrypted with AWS's key for SNS", "of SelfAlarmTopic is imported, so its policy is not known here"
	for _, tt := range []struct {
		name, prop string
		key        func(awscdk.Stack) awskms.IKey
		want       string // part of a warning
	}{
		{"AWS's key", "SelfAlarmTopic", byName("alias/aws/sns"), ofAWS},
		{"an imported key", "SelfAlarmTopic", imported, unknown},
		{"an imported alias", "SelfAlarmTopic", byName("alias/given"), unknown},
		{"a key of the app", "SelfAlarmTopic", func(stack awscdk.Stack) awskms.IKey { return awskms.NewKey(stack, jsii.String("Key"), nil) }, ""},
		{"AWS's key, of the resource", "SelfAlarmTopic", nil, ofAWS},
		{"AWS's key for reports", "NotificationTopic", byName("alias/aws/sns"), ""},
		{"AWS's key for cards", "ChatCardTopic", byName("alias/aws/sns"), ""},
	} {
		stack := newStackIn("eu-west-1")
		props := &awssns.TopicProps{}
		if tt.key != nil {
			props.MasterKey = tt.key(stack)
		}
		topic := awssns.NewTopic(stack, jsii.String("Topic"), props)
		if tt.key == nil {
			topic.Node().DefaultChild().(awssns.CfnTopic).SetKmsMasterKeyId(jsii.String("alias/aws/sns"))
		}
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			switch tt.prop {
			case "SelfAlarmTopic":
				p.SelfAlarmTopic = topic
			case "NotificationTopic":
				p.NotificationTopic = topic
			case "ChatCardTopic":
				p.ChatCardTopic = topic
			}
		})
		got := strings.Join(messagesOf(stack), "\n")
		assert.Contains(t, got, tt.want, tt.name)
		assert.Equal(t, tt.want != "", strings.Contains(got, "self-alarm-key"), tt.name)
	}
}

// An imported topic does not know its key. If it also receives the reports, the key of the reports' topic is known.
func TestSelfAlarmTopic_UsesTheKeyOfTheReportsTopic(t *testing.T) {
	const arn = "arn:aws:sns:eu-west-1:111122223333:oncall"
	for _, tt := range []struct {
		name   string
		key    func(awscdk.Stack) awskms.IKey
		self   string // ARN of SelfAlarmTopic
		grants bool
		warns  bool
	}{
		{"a key of the app", func(stack awscdk.Stack) awskms.IKey { return awskms.NewKey(stack, jsii.String("Key"), nil) }, arn, true, false},
		{"an imported key", func(stack awscdk.Stack) awskms.IKey { return importedKey(stack, "111122223333", "eu-west-1") }, arn, false, true},
		{"another topic", func(stack awscdk.Stack) awskms.IKey { return awskms.NewKey(stack, jsii.String("Key"), nil) }, arn + "-self", false, false},
	} {
		stack := newStackIn("eu-west-1")
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Reports"), jsii.String(arn))
			p.SelfAlarmTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Self"), jsii.String(tt.self))
			p.TopicEncryptionKey = tt.key(stack)
		})
		assert.Equal(t, tt.warns, strings.Contains(strings.Join(messagesOf(stack), "\n"), "self-alarm-key"), tt.name)
		template, err := json.Marshal(*assertions.Template_FromStack(stack, nil).FindResources(jsii.String("AWS::KMS::Key"), nil))
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.grants, strings.Contains(string(template), "cloudwatch.amazonaws.com"), tt.name)
	}
}
