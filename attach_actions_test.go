package alarmtriage_test

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/cloudformationinclude"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

const otherAction = "arn:aws:sns:eu-west-1:111122223333:other"

// resourceOf returns the resource of an alarm.
func resourceOf(alarm awscloudwatch.Alarm) awscloudwatch.CfnAlarm {
	return alarm.Node().DefaultChild().(awscloudwatch.CfnAlarm)
}

func newPlainAlarm(stack awscdk.Stack, id string) awscloudwatch.CfnAlarm {
	return awscloudwatch.NewCfnAlarm(stack, jsii.String(id), &awscloudwatch.CfnAlarmProps{
		ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1), Threshold: jsii.Number(1),
		Namespace: jsii.String("Shop"), MetricName: jsii.String("Errors"), Period: jsii.Number(60), Statistic: jsii.String("Sum")})
}

// topicsIn adds a parameter that contains a list of topics.
func topicsIn(stack awscdk.Stack) awscdk.CfnParameter {
	return awscdk.NewCfnParameter(stack, jsii.String("Topics"), &awscdk.CfnParameterProps{Type: jsii.String("CommaDelimitedList")})
}

func recovers(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) }

// actionsIn returns a property of the only alarm with a name, in the template of a stack.
func actionsIn(stack awscdk.Stack, id, property string) any {
	resource := (*synth(stack).ToJSON())["Resources"].(map[string]any)[id]
	return resource.(map[string]any)["Properties"].(map[string]any)[property]
}

// CloudFormation's functions may return a list that is not known at synth, so nothing can be added to it.
func TestAttachAll_DoesNotAttachAlarmsWhoseActionsAreAnIntrinsicFunction(t *testing.T) {
	const notAttached = "/Test alarmtriage:out-of-reach: alarmtriage: 1 alarm is not attached to AlarmTriage Test/Triage (Test/Inc/IncludedAlarm): "
	const alarms = "its AlarmActions are an intrinsic function, to which no action can be added; use the intrinsic function for an element of a list, or use AttachEventRule"
	const oks = "its OKActions are an intrinsic function, to which no action can be added; use the intrinsic function for an element of a list, or use AttachEventRule"
	summary := []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm"}
	for _, tt := range []struct {
		name, file string
		recovery   bool
		want       []string
	}{
		{"Fn::If", "if.json", false, []string{notAttached + alarms}},
		{"Ref", "ref.json", false, []string{notAttached + alarms}},
		{"Fn::If of OK actions", "ok.json", false, summary},
		{"Fn::If of OK actions, with NotifyRecovery", "ok.json", true, []string{notAttached + oks}},
		{"Fn::If in a list", "element.json", true, summary},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := newStack()
			triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(tt.recovery) })
			triage.AttachAll(stack, nil)
			cloudformationinclude.NewCfnInclude(stack, jsii.String("Inc"), &cloudformationinclude.CfnIncludeProps{
				TemplateFile: jsii.String("testdata/actions/" + tt.file)})
			assert.Equal(t, tt.want, messagesOf(stack))
			if tt.file == "ref.json" {
				assert.Equal(t, map[string]any{"Ref": "Topics"}, actionsIn(stack, "IncludedAlarm", "AlarmActions"), "they stay as they are")
			}
		})
	}
}

func TestAttachAlarms_RejectsAlarmsWhoseActionsAreAnIntrinsicFunction(t *testing.T) {
	const problem = " can't be attached to AlarmTriage Test/Triage: its AlarmActions are an intrinsic function, to which no action can be added; " +
		"use the intrinsic function for an element of a list, or use AttachEventRule"
	for _, first := range []bool{true, false} { // the first alarm of a stack is described in Go, the others are attached by Node
		stack := newStack()
		triage := newTriage(stack, nil)
		if !first {
			triage.AttachAlarms(newAlarm(stack, "First"))
		}
		plain, alarm, topics := newPlainAlarm(stack, "Plain"), newAlarm(stack, "Alarm"), topicsIn(stack)
		plain.SetAlarmActions(topics.ValueAsList())
		resourceOf(alarm).SetAlarmActions(topics.ValueAsList())
		assert.PanicsWithValue(t, "alarmtriage: alarm Test/Plain"+problem, func() { triage.AttachAlarms(plain) })
		assert.PanicsWithValue(t, "alarmtriage: alarm Test/Alarm"+problem, func() { triage.AttachAlarms(alarm) })
		assert.Panics(t, func() { alarm.AddAlarmAction(triage.AlarmAction()) })
		assert.Equal(t, map[string]any{"Ref": "Topics"}, actionsIn(stack, "Plain", "AlarmActions"))
	}
}

func TestSynth_WarnsOfActionsThatBecameAnIntrinsicFunction(t *testing.T) {
	stack := newStack()
	plain, one := newPlainAlarm(stack, "Plain"), newAlarm(stack, "One")
	triage := newTriage(stack, nil)
	triage.AttachAlarms(plain)
	one.AddAlarmAction(triage.AlarmAction())
	topics := topicsIn(stack)
	plain.SetAlarmActions(topics.ValueAsList())
	resourceOf(one).SetAlarmActions(topics.ValueAsList())
	assert.Equal(t, []string{replaced("2 alarms", "they never start", "Test/One, Test/Plain")}, messagesOf(stack))
}

// replaced is the warning about alarms whose actions the app replaced.
func replaced(alarms, never, paths string) string {
	return "/Test/Triage alarmtriage:no-alarm-action: alarmtriage: the app replaced the alarm actions of " + alarms + " after AlarmTriage was attached, or with a " +
		"property override, so " + never + " an investigation: " + paths + ". Call SetAlarmActions before AttachAlarms, add actions instead of " +
		"overriding them, or use AttachEventRule"
}
