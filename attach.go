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

// alarmPrincipal is who invokes a function for an alarm (CloudWatch User Guide, "Invoke a Lambda
// function from an alarm").
const alarmPrincipal = "lambda.alarms.cloudwatch.amazonaws.com"

// maxAlarmActions is CloudWatch's limit of actions per alarm state ("CloudWatch service quotas").
const maxAlarmActions = 5

// alarmAction makes an alarm invoke the orchestrator. The permission for it is not made here: there is one
// for all alarms of the account, as the function's resource policy holds only about 20 KB.
type alarmAction struct {
	triage *AlarmTriage
}

func (a *alarmAction) Bind(_ constructs.Construct, alarm awscloudwatch.IAlarm) *awscloudwatch.AlarmActionConfig {
	a.triage.refuseOwn(alarm)
	a.triage.note(alarm)
	return &awscloudwatch.AlarmActionConfig{AlarmActionArn: a.triage.orchestrator.FunctionArn()}
}

// AlarmAction is the action that makes any alarm start an investigation:
// `alarm.AddAlarmAction(triage.AlarmAction())`. The same value may be used for any number of alarms.
func (t *AlarmTriage) AlarmAction() awscloudwatch.IAlarmAction {
	return &alarmAction{triage: t}
}

// AttachAlarms lets each of the alarms start an investigation when it goes to ALARM; with NotifyRecovery its return to
// OK is reported as well. It takes metric, composite, and PromQL alarms (Alarm, CompositeAlarm, PromQLAlarm,
// AnomalyDetectionAlarm) and the plain resources CfnAlarm, CfnCompositeAlarm, and CfnLogAlarm. It panics when something
// else is given, and when an alarm belongs to this AlarmTriage itself, is imported, or is in another account or Region,
// from where no alarm can invoke the orchestrator.
func (t *AlarmTriage) AttachAlarms(alarms ...constructs.IConstruct) {
	for _, alarm := range alarms {
		if isNil(alarm) {
			panic("alarmtriage: AttachAlarms needs alarms, got nil")
		}
		t.refuseOwn(alarm) // before Bind does: a panic there would leave the call open in the Node process of jsii
		if problem := t.outOfReach(alarm); problem != "" {
			panic(fmt.Sprintf("alarmtriage: alarm %s can't be attached to AlarmTriage %s: %s", *alarm.Node().Path(), *t.Node().Path(), problem))
		}
		t.attachAny(alarm)
	}
}

// isNil reports whether an interface holds nothing, or a nil pointer of some alarm's type.
func isNil(alarm constructs.IConstruct) bool {
	if alarm == nil {
		return true
	}
	value := reflect.ValueOf(alarm)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

// attachAny attaches an alarm that is a construct, or one that is no more than its CloudFormation resource.
func (t *AlarmTriage) attachAny(alarm constructs.IConstruct) {
	if construct, isConstruct := alarm.(awscloudwatch.AlarmBase); isConstruct {
		t.attach(construct)
		return
	}
	t.attachResource(resourceOf(alarm))
}

// attach adds the action for ALARM and, where recoveries are told, for OK; not a second time, as CloudFormation takes
// no action twice.
func (t *AlarmTriage) attach(alarm awscloudwatch.AlarmBase) {
	resource := resourceOf(alarm)
	if !t.isAmong(resource.AlarmActions(), alarm) {
		alarm.AddAlarmAction(t.AlarmAction())
	}
	if t.notifyRecovery && !t.isAmong(resource.OkActions(), alarm) {
		alarm.AddOkAction(t.AlarmAction())
	}
}

// isAmong tells whether the orchestrator is one of an alarm's actions.
func (t *AlarmTriage) isAmong(actions *[]*string, alarm constructs.IConstruct) bool {
	stack := awscdk.Stack_Of(alarm)
	list, _ := stack.Resolve(actions).([]any)
	own := stack.Resolve(t.orchestrator.FunctionArn())
	return slices.ContainsFunc(list, func(action any) bool { return reflect.DeepEqual(action, own) })
}

// attachResource is attach for an alarm that was defined as its CloudFormation resource.
func (t *AlarmTriage) attachResource(alarm alarmResource) {
	t.note(alarm)
	with := func(actions *[]*string) *[]*string {
		if t.isAmong(actions, alarm) {
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

// outOfReach says why an action of this app can't make an alarm invoke the orchestrator; empty: it can.
func (t *AlarmTriage) outOfReach(alarm constructs.IConstruct) string {
	if _, isAlarm := alarm.(awscloudwatch.IAlarm); !isAlarm && resourceOf(alarm) == nil {
		return "it is not an alarm"
	}
	if resourceOf(alarm) == nil {
		return "it is imported, and what is imported can't be changed; use AttachEventRule or AttachTopic"
	}
	if here, there := *awscdk.Stack_Of(t).Environment(), *awscdk.Stack_Of(alarm).Environment(); here != there {
		return fmt.Sprintf("it lies in %s and the orchestrator in %s; send its events to a bus there and use AttachEventRule", there, here)
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

// resourceOf is the resource that an alarm is or consists of; nil: it is imported, or no alarm.
func resourceOf(alarm constructs.IConstruct) alarmResource {
	if resource, isResource := alarm.(alarmResource); isResource {
		return resource
	}
	resource, _ := alarm.Node().DefaultChild().(alarmResource)
	return resource
}

// note remembers an attached alarm, once.
func (t *AlarmTriage) note(alarm constructs.IConstruct) {
	if !t.isAttached(*alarm.Node().Path()) {
		t.attached = append(t.attached, alarm)
	}
}

func (t *AlarmTriage) isAttached(path string) bool {
	return slices.ContainsFunc(t.attached, func(alarm constructs.IConstruct) bool { return *alarm.Node().Path() == path })
}

// refuseOwn panics for an alarm that lies within the construct: it would investigate its own failure
// to investigate.
func (t *AlarmTriage) refuseOwn(alarm constructs.IConstruct) {
	own, path := *t.Node().Path(), *alarm.Node().Path()
	if t.owns(path) {
		panic(fmt.Sprintf("alarmtriage: alarm %s belongs to AlarmTriage %s and can't be attached to it: "+
			"a failing investigation would start further ones; send it to a topic of its own instead", path, own))
	}
}

// owns says whether a path lies within the construct.
func (t *AlarmTriage) owns(path string) bool {
	own := *t.Node().Path()
	return path == own || strings.HasPrefix(path, own+"/")
}

// actionLimit finds, once all is defined, attached alarms with more actions of a state than CloudWatch takes.
type actionLimit struct {
	triage *AlarmTriage
}

// Validate implements [constructs.IValidation].
func (l *actionLimit) Validate() *[]*string {
	problems := []*string{}
	for _, alarm := range l.triage.attached {
		resource := resourceOf(alarm)
		if resource == nil { // an imported one has no actions here
			continue
		}
		for _, state := range []struct {
			name    string
			actions *[]*string
		}{{"alarm", resource.AlarmActions()}, {"OK", resource.OkActions()}} {
			list, _ := awscdk.Stack_Of(alarm).Resolve(state.actions).([]any)
			if len(list) > maxAlarmActions {
				problems = append(problems, jsii.Sprintf("alarmtriage: alarm %s has %d %s actions, and CloudWatch takes %d: "+
					"remove one, or send several targets through one SNS topic", *alarm.Node().Path(), len(list), state.name, maxAlarmActions))
			}
		}
	}
	return &problems
}

// allowAlarms adds the one permission for every alarm of the account and Region.
func (t *AlarmTriage) allowAlarms() {
	stack := awscdk.Stack_Of(t)
	t.orchestrator.AddPermission(jsii.String("AlarmPermission"), &awslambda.Permission{
		Scope:         t, // subscriptions of topics put their ids, which users choose, into the function
		Principal:     awsiam.NewServicePrincipal(jsii.String(alarmPrincipal), nil),
		SourceAccount: stack.Account(),
		SourceArn: stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("cloudwatch"), Resource: jsii.String("alarm"), ResourceName: jsii.String("*"),
			ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
		}),
	})
}
