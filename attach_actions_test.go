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

// CloudFormation gets the properties with their overrides, so these decide whether an alarm starts an investigation.
func TestSynth_WarnsOfPropertyOverrides(t *testing.T) {
	const attached = "/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm"
	const disabled = "/Test/Triage alarmtriage:actions-disabled: alarmtriage: ActionsEnabled is false for 1 alarm that AlarmTriage is attached to, so " +
		"it never starts an investigation: Test/One. Enable the actions, or use AttachEventRule, which does not need actions"
	lost := replaced("1 alarm", "it never starts", "Test/One")
	noOK := "/Test/Triage alarmtriage:no-ok-action: alarmtriage: NotifyRecovery has no effect for 1 alarm, because the app replaced the OK actions after " +
		"AlarmTriage was attached, or with a property override: Test/One. Call SetOkActions before AttachAlarms, add actions instead of " +
		"overriding them, or use AttachEventRule"
	override := func(path string, value any) func(awscloudwatch.CfnAlarm) {
		return func(r awscloudwatch.CfnAlarm) { r.AddPropertyOverride(jsii.String(path), value) }
	}
	for _, tt := range []struct {
		name   string
		change func(awscloudwatch.CfnAlarm)
		want   []string
	}{
		{"ActionsEnabled", override("ActionsEnabled", false), []string{disabled}},
		{"ActionsEnabled, as a text", override("ActionsEnabled", "False"), []string{disabled}},
		{"ActionsEnabled, of a token", func(r awscloudwatch.CfnAlarm) {
			r.SetActionsEnabled(awscdk.Token_AsAny(false))
		}, []string{disabled}},
		{"ActionsEnabled, of a condition", func(r awscloudwatch.CfnAlarm) {
			r.SetActionsEnabled(awscdk.Fn_ConditionIf(jsii.String("Quiet"), false, true))
		}, nil},
		{"ActionsEnabled, which was false", func(r awscloudwatch.CfnAlarm) {
			r.SetActionsEnabled(false)
			override("ActionsEnabled", true)(r)
		}, nil},
		{"AlarmActions", override("AlarmActions", []string{otherAction}), []string{lost}},
		{"the first of AlarmActions", override("AlarmActions.0", otherAction), []string{lost}},
		{"AlarmActions, deleted", func(r awscloudwatch.CfnAlarm) { r.AddPropertyDeletionOverride(jsii.String("AlarmActions")) }, []string{lost}},
		{"OKActions", override("OKActions", []string{otherAction}), []string{noOK}},
		{"SetAlarmActions", func(r awscloudwatch.CfnAlarm) { r.SetAlarmActions(jsii.Strings(otherAction)) }, []string{lost}},
		{"SetOkActions", func(r awscloudwatch.CfnAlarm) { r.SetOkActions(jsii.Strings(otherAction)) }, []string{noOK}},
		{"another property", override("Threshold", 2), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := newStack()
			one := newAlarm(stack, "One")
			newTriage(stack, recovers).AttachAlarms(one)
			tt.change(resourceOf(one))
			assert.ElementsMatch(t, tt.want, messagesOf(stack))
		})
	}
	t.Run("AlarmActions, with AttachAll", func(t *testing.T) {
		stack := newStack()
		override("AlarmActions", []string{otherAction})(resourceOf(newAlarm(stack, "One")))
		newTriage(stack, nil).AttachAll(stack, nil)
		assert.Equal(t, []string{attached, lost}, messagesOf(stack))
	})
	t.Run("AlarmName, with AttachAll", func(t *testing.T) {
		stack := newStack()
		override("AlarmName", "prod-errors")(resourceOf(newAlarm(stack, "One")))
		override("AlarmName", awscdk.Fn_Sub(jsii.String("${AWS::Region}-x"), nil))(resourceOf(newAlarm(stack, "prod-two"))) // nothing of the name is known
		override("AlarmName", "dev-errors")(resourceOf(newAlarm(stack, "prod-three")))
		newTriage(stack, nil).AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-")})
		assert.Equal(t, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 2 alarms; 1 excluded (1 by the filter)"}, messagesOf(stack))
	})
}

// Actions that the app sets on the resource of an alarm construct replace those of the construct.
func TestAttach_AddsToActionsOfTheResource(t *testing.T) {
	for name, attach := range map[string]func(*alarmtriage.AlarmTriage, awscdk.Stack, awscloudwatch.Alarm){
		"AttachAlarms": func(triage *alarmtriage.AlarmTriage, _ awscdk.Stack, one awscloudwatch.Alarm) {
			triage.AttachAlarms(one)
		},
		"AttachAll": func(triage *alarmtriage.AlarmTriage, stack awscdk.Stack, _ awscloudwatch.Alarm) {
			triage.AttachAll(stack, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			stack := newStack()
			one := newAlarm(stack, "One")
			resourceOf(one).SetAlarmActions(jsii.Strings(otherAction))
			attach(newTriage(stack, nil), stack, one)
			actions := actionsIn(stack, *stack.GetLogicalId(resourceOf(one)), "AlarmActions").([]any)
			assert.Len(t, actions, 2)
			assert.Equal(t, otherAction, actions[0])
		})
	}
}

func TestAttach_LeavesActionsThatAnOverrideReplaces(t *testing.T) {
	stack := newStack()
	plain, alarm, topics := newPlainAlarm(stack, "Plain"), newAlarm(stack, "Alarm"), topicsIn(stack)
	for _, resource := range []awscloudwatch.CfnAlarm{plain, resourceOf(alarm)} {
		resource.SetAlarmActions(topics.ValueAsList())
		resource.AddPropertyOverride(jsii.String("AlarmActions"), []string{otherAction})
	}
	newTriage(stack, nil).AttachAlarms(plain, alarm)
	assert.Equal(t, []string{replaced("2 alarms", "they never start", "Test/Alarm, Test/Plain")}, messagesOf(stack))
}

// A generic CfnResource has no property for actions, so AlarmTriage does not add one.
func TestAttach_ReportsGenericResources(t *testing.T) {
	generic := func(scope awscdk.Stack, id string, name any) awscdk.CfnResource {
		return awscdk.NewCfnResource(scope, jsii.String(id), &awscdk.CfnResourceProps{Type: jsii.String("AWS::CloudWatch::Alarm"),
			Properties: &map[string]any{"AlarmName": name, "EvaluationPeriods": 1}})
	}
	const problem = "it is a generic CfnResource, whose actions AlarmTriage can't add to; use CfnAlarm or AttachEventRule"
	stack := newStack()
	triage := newTriage(stack, nil)
	first := generic(stack, "Generic", "prod-generic")
	generic(stack, "Excluded", "dev-generic")
	generic(stack, "prod-token", awscdk.Fn_Sub(jsii.String("${AWS::Region}-x"), nil))
	generic(stack, "Own", "alarmtriage-self-x")
	generic(stack, "prod-override", "dev-x").AddPropertyOverride(jsii.String("AlarmName"), "prod-x")
	newAlarm(stack, "prod-z")
	assert.PanicsWithValue(t, "alarmtriage: alarm Test/Generic can't be attached to AlarmTriage Test/Triage: "+problem, func() { triage.AttachAlarms(first) })
	triage.AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-")})
	assert.Equal(t, []string{
		"/Test alarmtriage:out-of-reach: alarmtriage: 3 alarms are not attached to AlarmTriage Test/Triage (Test/Generic, Test/prod-token, Test/prod-override): " + problem,
		"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 5 excluded (1 by the filter, 1 as a self-alarm, 3 out of reach)",
	}, messagesOf(stack))
	t.Run("in a Stage", func(t *testing.T) {
		stack := newStack()
		generic(stackIn(awscdk.NewStage(stack, jsii.String("Prod"), nil), "Shop", "eu-west-1"), "Generic", "x")
		newTriage(stack, nil).AttachAll(stack, nil)
		assert.Contains(t, messagesOf(stack)[0], "does not attach the alarms of Stage Test/Prod (1 alarm)")
	})
}
