package alarmtriage

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// alarmPrincipal is the service principal that invokes functions for alarms (CloudWatch User Guide, "Invoke
// a Lambda function from an alarm").
const alarmPrincipal = "lambda.alarms.cloudwatch.amazonaws.com"

// maxAlarmActions is CloudWatch's limit on actions per alarm state ("CloudWatch service quotas").
const maxAlarmActions = 5

// alarmAction makes an alarm invoke the orchestrator. It does not add a permission: one permission covers
// all alarms of the account, because the function's resource policy has at most 20 KB.
type alarmAction struct {
	triage *AlarmTriage
}

// Bind implements [awscloudwatch.IAlarmAction].
func (a *alarmAction) Bind(_ constructs.Construct, alarm awscloudwatch.IAlarm) *awscloudwatch.AlarmActionConfig {
	a.triage.rejectOwn(alarm)
	a.triage.remember(alarm)
	return &awscloudwatch.AlarmActionConfig{AlarmActionArn: a.triage.orchestrator.FunctionArn()}
}

// AlarmAction returns an alarm action that starts an investigation. Use it for alarms that are defined
// elsewhere in your code: `alarm.AddAlarmAction(triage.AlarmAction())`. The same value may be used for any
// number of alarms.
func (t *AlarmTriage) AlarmAction() awscloudwatch.IAlarmAction {
	return &alarmAction{triage: t}
}

// AttachAlarms lets each of the alarms start an investigation when it goes to ALARM; with NotifyRecovery
// its return to OK is reported as well. It takes metric, composite, and PromQL alarms (Alarm,
// CompositeAlarm, PromQLAlarm, AnomalyDetectionAlarm) and the plain resources CfnAlarm, CfnCompositeAlarm,
// and CfnLogAlarm. It panics if an argument is not an alarm, or if an alarm belongs to this AlarmTriage
// itself, is imported, or is in another account or Region, from which alarms can't invoke the orchestrator.
func (t *AlarmTriage) AttachAlarms(alarms ...constructs.IConstruct) {
	for _, alarm := range alarms {
		if isNil(alarm) {
			panic("alarmtriage: AttachAlarms needs alarms, got nil")
		}
		t.rejectOwn(alarm) // Bind checks this too, but a panic there would leave the call open in jsii's Node process
		if problem := t.outOfReach(alarm); problem != "" {
			panic(fmt.Sprintf("alarmtriage: alarm %s can't be attached to AlarmTriage %s: %s",
				*alarm.Node().Path(), *t.Node().Path(), problem))
		}
		t.attachAny(alarm)
	}
}

// isNil reports whether an interface is nil or contains a nil pointer.
func isNil(alarm constructs.IConstruct) bool {
	if alarm == nil {
		return true
	}
	value := reflect.ValueOf(alarm)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

// attachAny attaches an alarm construct or a plain CloudFormation resource.
func (t *AlarmTriage) attachAny(alarm constructs.IConstruct) {
	if construct, isConstruct := alarm.(awscloudwatch.AlarmBase); isConstruct {
		t.attach(construct)
		return
	}
	t.attachResource(resourceOf(alarm))
}

// attach adds the action for ALARM and, with NotifyRecovery, for OK. It does not add an action twice, because
// CloudFormation rejects duplicates.
func (t *AlarmTriage) attach(alarm awscloudwatch.AlarmBase) {
	resource := resourceOf(alarm)
	if !t.hasAction(resource.AlarmActions(), alarm) {
		alarm.AddAlarmAction(t.AlarmAction())
	}
	if t.notifyRecovery && !t.hasAction(resource.OkActions(), alarm) {
		alarm.AddOkAction(t.AlarmAction())
	}
}

// hasAction reports whether the orchestrator is one of an alarm's actions.
func (t *AlarmTriage) hasAction(actions *[]*string, alarm constructs.IConstruct) bool {
	stack := awscdk.Stack_Of(alarm)
	list, _ := stack.Resolve(actions).([]any)
	orchestrator := stack.Resolve(t.orchestrator.FunctionArn())
	return slices.ContainsFunc(list, func(action any) bool { return reflect.DeepEqual(action, orchestrator) })
}

// attachResource is attach for an alarm that was defined as its CloudFormation resource.
func (t *AlarmTriage) attachResource(alarm alarmResource) {
	t.remember(alarm)
	with := func(actions *[]*string) *[]*string {
		if t.hasAction(actions, alarm) {
			return actions
		}
		var all []*string
		if actions != nil {
			all = slices.Clone(*actions)
		}
		all = append(all, t.orchestrator.FunctionArn())
		return &all
	}
	alarm.SetAlarmActions(with(alarm.AlarmActions()))
	if t.notifyRecovery {
		alarm.SetOkActions(with(alarm.OkActions()))
	}
}

// outOfReach returns why an alarm can't invoke the orchestrator, or an empty string if it can.
func (t *AlarmTriage) outOfReach(alarm constructs.IConstruct) string {
	if _, isAlarm := alarm.(awscloudwatch.IAlarm); !isAlarm && resourceOf(alarm) == nil {
		return "it is not an alarm"
	}
	if resourceOf(alarm) == nil {
		return "it is imported, so its actions can't be changed; use AttachEventRule or AttachTopic"
	}
	if here, there := *awscdk.Stack_Of(t).Environment(), *awscdk.Stack_Of(alarm).Environment(); here != there {
		return fmt.Sprintf("it is in %s and the orchestrator is in %s; send its events to a bus there and use "+
			"AttachEventRule", there, here)
	}
	return ""
}

// alarmResource is the CloudFormation resource of an alarm: CfnAlarm, CfnCompositeAlarm, or CfnLogAlarm.
type alarmResource interface {
	constructs.IConstruct
	AlarmName() *string
	AlarmActions() *[]*string
	SetAlarmActions(*[]*string)
	OkActions() *[]*string
	SetOkActions(*[]*string)
}

// resourceOf returns the CloudFormation resource of an alarm, or nil if the alarm is imported or not an alarm.
func resourceOf(alarm constructs.IConstruct) alarmResource {
	if resource, isResource := alarm.(alarmResource); isResource {
		return resource
	}
	resource, _ := alarm.Node().DefaultChild().(alarmResource)
	return resource
}

// remember adds an alarm to the list of attached alarms, unless it is in the list already.
func (t *AlarmTriage) remember(alarm constructs.IConstruct) {
	if !t.isAttached(*alarm.Node().Path()) {
		t.attached = append(t.attached, alarm)
	}
}

func (t *AlarmTriage) isAttached(path string) bool {
	return slices.ContainsFunc(t.attached, func(alarm constructs.IConstruct) bool { return *alarm.Node().Path() == path })
}

// rejectOwn panics if an alarm is within the construct: a failing investigation would start another
// investigation.
func (t *AlarmTriage) rejectOwn(alarm constructs.IConstruct) {
	if path := *alarm.Node().Path(); t.contains(path) {
		panic(fmt.Sprintf("alarmtriage: alarm %s belongs to AlarmTriage %s and can't be attached to it: "+
			"a failing investigation would start more investigations; notify a separate topic instead",
			path, *t.Node().Path()))
	}
}

// contains reports whether a path is within the construct.
func (t *AlarmTriage) contains(path string) bool {
	root := *t.Node().Path()
	return path == root || strings.HasPrefix(path, root+"/")
}

// actionLimit reports attached alarms with more actions per state than CloudWatch allows, once all actions
// are defined.
type actionLimit struct {
	triage *AlarmTriage
}

// Validate implements [constructs.IValidation].
func (l *actionLimit) Validate() *[]*string {
	problems := []*string{}
	for _, alarm := range l.triage.attached {
		resource := resourceOf(alarm)
		if resource == nil { // it is imported, so its actions are not known
			continue
		}
		for _, state := range []struct {
			name    string
			actions *[]*string
		}{{"alarm", resource.AlarmActions()}, {"OK", resource.OkActions()}} {
			list, _ := awscdk.Stack_Of(alarm).Resolve(state.actions).([]any)
			if len(list) > maxAlarmActions {
				problems = append(problems, jsii.Sprintf("alarmtriage: alarm %s has %d %s actions, and CloudWatch "+
					"allows %d: remove one, or notify several targets through one SNS topic",
					*alarm.Node().Path(), len(list), state.name, maxAlarmActions))
			}
		}
	}
	return &problems
}

// allowAlarms adds one permission for every alarm of the account and Region.
func (t *AlarmTriage) allowAlarms() {
	stack := awscdk.Stack_Of(t)
	t.orchestrator.AddPermission(jsii.String("AlarmPermission"), &awslambda.Permission{
		Scope:         t, // the function's scope contains ids that users choose, those of topic subscriptions
		Principal:     awsiam.NewServicePrincipal(jsii.String(alarmPrincipal), nil),
		SourceAccount: stack.Account(),
		SourceArn: stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("cloudwatch"), Resource: jsii.String("alarm"), ResourceName: jsii.String("*"),
			ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
		}),
	})
}
