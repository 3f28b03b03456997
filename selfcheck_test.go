package alarmtriage_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbedrock"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

func TestSelfCheck_RunsWeeklyByDefault(t *testing.T) {
	stack := newStack()
	newTriage(stack, nil)
	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::Events::Rule"), jsii.Number(1))
	orchestrator := map[string]any{"Fn::GetAtt": []any{"TriageOrchestratorAAEB3CE1", "Arn"}}
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), object(
		"Description", assertions.Match_AnyValue(), "ScheduleExpression", "cron(0 6 ? * MON *)", "State", "ENABLED",
		"Targets", []any{object("Id", assertions.Match_AnyValue(), "Arn", orchestrator, "Input", config.SelfCheckEvent)}))
	rule := assertions.Match_StringLikeRegexp(jsii.String("^TriageSelfCheck"))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Permission"), object("Action", "lambda:InvokeFunction", "FunctionName", orchestrator,
		"Principal", "events.amazonaws.com", "SourceArn", object("Fn::GetAtt", []any{rule, "Arn"})))
	template.ResourceCountIs(jsii.String("AWS::Lambda::Permission"), jsii.Number(2))
}

func TestSelfCheck_CanBeRescheduledAndDisabled(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.SelfCheckSchedule = awsevents.Schedule_Rate(awscdk.Duration_Days(jsii.Number(1)))
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::Events::Rule"), like("ScheduleExpression", "rate(1 day)"))

	stack = newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.SelfCheck = jsii.Bool(false) })
	template := synth(stack)
	template.ResourceCountIs(jsii.String("AWS::Events::Rule"), jsii.Number(0))
	template.ResourceCountIs(jsii.String("AWS::Lambda::Permission"), jsii.Number(1))
	text, err := json.Marshal(template.ToJSON())
	require.NoError(t, err)
	assert.NotContains(t, string(text), "GetTopicAttributes", "unused permissions are not granted")
	assert.NotContains(t, string(text), "bedrock:GetFoundationModel\"")

	message := panicOf(t, func() {
		newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) {
			p.SelfCheck, p.SelfCheckSchedule = jsii.Bool(false), awsevents.Schedule_Rate(awscdk.Duration_Days(jsii.Number(1)))
		})
	})
	assert.Contains(t, message, "SelfCheckSchedule can't be combined with SelfCheck false")
}

func TestSelfCheck_GrantsOnlyTopicsAndFoundationModels(t *testing.T) {
	const region = "arn:${AWS::Partition}:bedrock:eu-west-1::foundation-model/"
	for _, test := range []struct {
		model string
		want  string // empty: no grant
	}{
		{"amazon.nova-pro-v1:0", region + "amazon.nova-pro-v1:0"},
		{"eu.amazon.nova-pro-v1:0", region + "amazon.nova-pro-v1:0"},
		{"global.anthropic.claude-sonnet-5-5", region + "anthropic.claude-sonnet-5-5"},
		{"in.anthropic.claude-sonnet-5", region + "anthropic.claude-sonnet-5"},
		{"arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.amazon.nova-pro-v1:0", region + "amazon.nova-pro-v1:0"},
		{"arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0", region + "amazon.nova-pro-v1:0"},
		{"arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc", ""},
		{"arn:aws:bedrock:eu-west-1:111122223333:custom-model/x/abc", ""},
		{"parameter", ""},
		{"attribute", ""},
	} {
		t.Run(test.model, func(t *testing.T) {
			stack := newStack()
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.FallbackModelIds = jsii.Strings()
				p.BedrockModelId, p.ChatCardTopic = jsii.String(test.model), awssns.NewTopic(stack, jsii.String("Chat"), nil)
				switch test.model {
				case "parameter":
					p.BedrockModelId = awscdk.NewCfnParameter(stack, jsii.String("Model"), nil).ValueAsString()
				case "attribute":
					p.BedrockModelId = awsbedrock.NewCfnApplicationInferenceProfile(stack, jsii.String("Profile"), &awsbedrock.CfnApplicationInferenceProfileProps{
						InferenceProfileName: jsii.String("triage")}).AttrInferenceProfileArn()
				}
			})
			statements := policies(t, stack, "TriageOrchestratorRole")
			var models []string
			for _, s := range filterSid(statements, "ReadModelLifecycle") {
				assert.Equal(t, "bedrock:GetFoundationModel", text(s.Action))
				models = append(models, text(s.Resource))
			}
			assert.Equal(t, test.want, strings.Join(models, " "))
			statements = policies(t, stack, "TriageOrchestratorRole")
			topics := filterSid(statements, "ReadSubscriptionCounts")
			require.Len(t, topics, 1)
			assert.Equal(t, "sns:GetTopicAttributes", text(topics[0].Action))
			assert.Regexp(t, `^\$\{OnCall[0-9A-F]{8}\} \$\{Chat[0-9A-F]{8}\}$`, text(topics[0].Resource))
		})
	}
}
