package alarmtriage

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// alarmPrincipal is the service principal that invokes functions for alarms (CloudWatch User Guide, "Invoke
// a Lambda function from an alarm").
const alarmPrincipal = "lambda.alarms.cloudwatch.amazonaws.com"

// maxAlarmActions is CloudWatch's limit on actions per alarm state ("CloudWatch service quotas").
const maxAlarmActions = 5

// alarmAction makes an alarm invoke the orchestrator. It does not add a permission: one permission covers
// all alarms of the account, because the function's resource policy has at most 20 KB.
type alarmAction struct{ triage *AlarmTriage }

// Bind implements [awscloudwatch.IAlarmAction].
func (a *alarmAction) Bind(_ constructs.Construct, alarm awscloudwatch.IAlarm) *awscloudwatch.AlarmActionConfig {
	a.triage.bind(alarmjs.Describe(alarm)[0])
	return &awscloudwatch.AlarmActionConfig{AlarmActionArn: a.triage.orchestratorARN}
}

// AlarmAction returns an alarm action that starts an investigation. Use it for alarms that are defined
// elsewhere in your code: `alarm.AddAlarmAction(triage.AlarmAction())`, and with NotifyRecovery also
// `alarm.AddOkAction(…)`. The same value may be used for any number of alarms.
func (t *AlarmTriage) AlarmAction() awscloudwatch.IAlarmAction {
	return &alarmAction{triage: t}
}

// bind records an alarm to which the app adds AlarmAction itself. It panics as AttachAlarms does.
func (t *AlarmTriage) bind(alarm alarmjs.Alarm) {
	t.rejectUnattachable(alarm)
	attached := t.remember(alarm)
	attached.byApp++
	if attached.byApp == 1 {
		t.warnOfUselessAlarm(alarm)
	}
}

// Alarms converts a list of alarms of any type, such as []awscloudwatch.Alarm, to the type that AttachAlarms
// takes: `triage.AttachAlarms(alarmtriage.Alarms(list)...)`.
func Alarms[T constructs.IConstruct](alarms []T) []constructs.IConstruct {
	list := make([]constructs.IConstruct, len(alarms))
	for i, alarm := range alarms {
		list[i] = alarm
	}
	return list
}

// AttachAlarms lets each of the alarms start an investigation when it goes to ALARM; with NotifyRecovery
// its return to OK is reported as well. It takes metric, composite, and PromQL alarms (Alarm,
// CompositeAlarm, PromQLAlarm, AnomalyDetectionAlarm) and the plain resources CfnAlarm, CfnCompositeAlarm,
// and CfnLogAlarm; [Alarms] converts lists of them. It panics if an argument is not an alarm, or if an alarm
// belongs to this AlarmTriage itself, is imported, is a generic CfnResource, is in another account or Region, from which alarms can't
// invoke the orchestrator, has actions that are an intrinsic function instead of a list, is in a stack whose account or Region is not known at synth while AlarmTriage's is, or
// is in a stack on which AlarmTriage's stack depends. It adds a warning, and does
// not attach the alarm, if the alarm is a self-alarm of another AlarmTriage.
func (t *AlarmTriage) AttachAlarms(alarms ...constructs.IConstruct) {
	if slices.ContainsFunc(alarms, isNil) {
		panic("alarmtriage: AttachAlarms needs alarms, got nil")
	}
	usual := alarmjs.Condition{Stack: t.latest, NotBelow: t.path, NotNamed: config.SelfAlarmPrefix}
	descriptions, done := alarmjs.AttachIf(usual, alarms, t.orchestratorARN, t.notifyRecovery)
	var attach []constructs.IConstruct
	for _, alarm := range descriptions {
		t.rejectUnattachable(alarm)
		if t.needsAction(alarm.Path) && (t.isAttached(alarm.Path) || !t.warnOfUselessAlarm(alarm)) {
			t.remember(alarm).byAttach = true
			attach = append(attach, alarm.Construct)
		}
	}
	if !done {
		alarmjs.Attach(attach, t.orchestratorARN, t.notifyRecovery)
	}
}

// isNil reports whether an interface is nil or contains a nil pointer.
func isNil[T any](construct T) bool {
	value := reflect.ValueOf(construct)
	return !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil()
}

// attachment is an attached alarm.
type attachment struct {
	alarmjs.Alarm
	byApp    int  // how often the app added AlarmAction itself, to any state
	byAttach bool // AttachAlarms or AttachAll attached it
}

// needsAction reports whether an alarm may lack the action: it is not attached, or the app itself added the action,
// maybe to one state only.
func (t *AlarmTriage) needsAction(path string) bool {
	attached := t.attachments[path]
	return attached == nil || attached.byApp > 0
}

// outOfReach returns why an alarm can't invoke the orchestrator, or an empty string if it can.
func (t *AlarmTriage) outOfReach(alarm alarmjs.Alarm) string {
	if alarm.Stack == nil {
		if _, isAlarm := alarm.Construct.(awscloudwatch.IAlarm); !isAlarm {
			return "it is not an alarm; use AttachAll for all alarms of a stack, of the app, or below another construct"
		}
		return "it is imported, so its actions can't be changed; use AttachEventRule or AttachTopic"
	}
	if problem := t.memberProblem(alarm); problem != "" {
		return problem
	}
	if alarm.Generic {
		return "it is a generic CfnResource, whose actions AlarmTriage can't add to; use CfnAlarm or AttachEventRule"
	}
	if property := t.unlisted(alarm); property != "" {
		return fmt.Sprintf("its %s are an intrinsic function, to which no action can be added; use the intrinsic function for an "+
			"element of a list, or use AttachEventRule", property)
	}
	return t.stackProblem(alarm.Stack)
}

// memberProblem returns why an alarm is not attached whose account and Region have a member, or an empty string.
func (t *AlarmTriage) memberProblem(alarm alarmjs.Alarm) string {
	member, sends := t.memberOf(alarm)
	switch {
	case member == nil:
		return ""
	case sends:
		return fmt.Sprintf("AlarmTriageMember %s already sends its events, so it is investigated without an action", member.path)
	}
	return fmt.Sprintf("AlarmTriageMember %s sends the events of its account and Region, but maybe not those of this alarm, because of "+
		"AlarmNamePrefixes, ExceptAlarmNamePrefixes, or AlarmTags; let them select this alarm", member.path)
}

// unlisted returns the property to which an action must be added and can't, because it is not a list; empty if there is none.
func (t *AlarmTriage) unlisted(alarm alarmjs.Alarm) string {
	for _, property := range alarm.Unlisted {
		if property == "AlarmActions" || t.notifyRecovery {
			return property
		}
	}
	return ""
}

// stackProblem is stackOutOfReach, once per stack.
func (t *AlarmTriage) stackProblem(stack awscdk.Stack) string {
	if problem, known := t.reach[stack]; known {
		return problem
	}
	problem := t.stackOutOfReach(stack)
	t.reach[stack] = problem
	if problem == "" {
		t.latest = stack
	}
	return problem
}

// stackOutOfReach returns why the alarms of a stack can't invoke the orchestrator, or an empty string if they can.
func (t *AlarmTriage) stackOutOfReach(stack awscdk.Stack) string {
	own := awscdk.Stack_Of(t)
	if here, there := *own.Environment(), *stack.Environment(); here != there {
		if remedy := remedyOfUnknown(placeOfStack(stack), placeOfStack(own)); remedy != "" {
			return remedy
		}
		remedy := ""
		if elsewhere(accountOf(own), accountOf(stack)) {
			remedy = "add its account to Members and create an AlarmTriageMember in its account and Region, with which alarms need no action, or "
		}
		return fmt.Sprintf("it is in %s and the orchestrator is in %s; %ssend its events to a bus there and use "+
			"AttachEventRule", there, here, remedy)
	}
	return t.dependOnTriage(stack)
}

// rejectUnattachable panics if an alarm can't be attached.
func (t *AlarmTriage) rejectUnattachable(alarm alarmjs.Alarm) {
	t.rejectOwn(alarm.Path)
	if problem := t.outOfReach(alarm); problem != "" {
		panic(fmt.Sprintf("alarmtriage: alarm %s can't be attached to AlarmTriage %s: %s", alarm.Path, t.path, problem))
	}
}

// remember adds an alarm to the attached alarms, unless it is one of them already.
func (t *AlarmTriage) remember(alarm alarmjs.Alarm) *attachment {
	attached, known := t.attachments[alarm.Path]
	if !known {
		attached = &attachment{Alarm: alarm}
		t.attachments[alarm.Path] = attached
		t.attached = append(t.attached, attached)
		t.app.attached(t, alarm.Path)
	}
	return attached
}

func (t *AlarmTriage) isAttached(path string) bool { return t.attachments[path] != nil }

// rejectOwn panics if an alarm is within the construct: a failing investigation would start another
// investigation.
func (t *AlarmTriage) rejectOwn(path string) {
	if t.contains(path) {
		panic(fmt.Sprintf("alarmtriage: alarm %s belongs to AlarmTriage %s and can't be attached to it: "+
			"a failing investigation would start more investigations; notify a separate topic instead", path, t.path))
	}
}

// contains reports whether a path is within the construct.
func (t *AlarmTriage) contains(path string) bool { return isWithin(path, t.path) }

// isWithin reports whether a path is that of a construct or of one below it. Everything is below the app, whose path
// is empty.
func isWithin(path, root string) bool {
	return root == "" || path == root || len(path) > len(root) && path[len(root)] == '/' && path[:len(root)] == root
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
