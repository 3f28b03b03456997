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
)

// alarmPrincipal is the service principal that invokes functions for alarms (CloudWatch User Guide, "Invoke
// a Lambda function from an alarm").
const alarmPrincipal = "lambda.alarms.cloudwatch.amazonaws.com"

// maxAlarmActions is CloudWatch's limit on actions per alarm state ("CloudWatch service quotas").
const maxAlarmActions = 5

// alarmAction makes an alarm invoke the orchestrator. It does not add a permission: one permission covers
// all alarms of the account, because the function's resource policy has at most 20 KB.
type alarmAction struct {
	triage  *AlarmTriage
	checked bool // the triage itself adds the action, and has checked and recorded the alarm
}

// Bind implements [awscloudwatch.IAlarmAction].
func (a *alarmAction) Bind(_ constructs.Construct, alarm awscloudwatch.IAlarm) *awscloudwatch.AlarmActionConfig {
	if !a.checked {
		a.triage.bind(a.triage.candidate(alarm))
	}
	return &awscloudwatch.AlarmActionConfig{AlarmActionArn: a.triage.orchestratorARN}
}

// AlarmAction returns an alarm action that starts an investigation. Use it for alarms that are defined
// elsewhere in your code: `alarm.AddAlarmAction(triage.AlarmAction())`. The same value may be used for any
// number of alarms.
func (t *AlarmTriage) AlarmAction() awscloudwatch.IAlarmAction {
	return &alarmAction{triage: t}
}

// bind records an alarm to which the app adds AlarmAction itself. It panics as AttachAlarms does.
func (t *AlarmTriage) bind(c candidate) {
	t.rejectOwn(c.path)
	if problem := t.outOfReach(c); problem != "" {
		panic(t.cannotAttach(c, problem))
	}
	attached := t.remember(c)
	attached.byApp++
	if attached.byApp == 1 {
		t.warnOfUselessAlarm(c)
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
// belongs to this AlarmTriage itself, is imported, is in another account or Region, from which alarms can't
// invoke the orchestrator, or is in a stack on which AlarmTriage's stack depends. It adds a warning, and does
// not attach the alarm, if the alarm is a self-alarm of another AlarmTriage.
func (t *AlarmTriage) AttachAlarms(alarms ...constructs.IConstruct) {
	for _, alarm := range alarms {
		if isNil(alarm) {
			panic("alarmtriage: AttachAlarms needs alarms, got nil")
		}
		c := t.candidate(alarm)
		t.rejectOwn(c.path)
		if problem := t.outOfReach(c); problem != "" {
			panic(t.cannotAttach(c, problem))
		}
		if !t.isAttached(c.path) && t.warnOfUselessAlarm(c) {
			continue
		}
		t.attach(c)
	}
}

// isNil reports whether an interface is nil or contains a nil pointer.
func isNil(construct constructs.IConstruct) bool {
	if construct == nil {
		return true
	}
	value := reflect.ValueOf(construct)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

// candidate is an alarm that may be attached. Each call of CDK is a message to its Node process and back, which counts
// with hundreds of alarms, so it holds what several steps need.
type candidate struct {
	alarm      constructs.IConstruct
	resource   alarmResource // nil if the alarm is imported or not an alarm
	path       string
	stack      awscdk.Stack   // nil if resource is nil
	properties map[string]any // of the resource, with tokens
}

// candidate returns an alarm with its resource and its path. If the alarm is the resource of an alarm construct, it
// returns the construct, whose actions are a token that can't be changed.
func (t *AlarmTriage) candidate(alarm constructs.IConstruct) candidate {
	node := alarm.Node()
	if resource, isResource := alarm.(alarmResource); isResource {
		construct, within := node.Scope().(awscloudwatch.AlarmBase)
		if !within {
			return t.candidateOf(alarm, resource)
		}
		return t.candidateOf(construct, resource)
	}
	resource, _ := node.DefaultChild().(alarmResource)
	return t.candidateOf(alarm, resource)
}

// candidateOf returns an alarm whose resource is known.
func (t *AlarmTriage) candidateOf(alarm constructs.IConstruct, resource alarmResource) candidate {
	if resource == nil {
		return candidate{alarm: alarm, path: *alarm.Node().Path()}
	}
	c := candidate{alarm: alarm, resource: resource, stack: awscdk.Stack_Of(alarm)}
	if construct, isConstruct := alarm.(awscloudwatch.AlarmBase); isConstruct {
		c.path = *construct.ToString() // one call less than its node's path
	} else {
		c.path = *alarm.Node().Path()
	}
	resource.Inspect(t.inspector) // all properties in two calls
	c.properties, _ = (*t.inspector.Attributes())["aws:cdk:cloudformation:props"].(map[string]any)
	return c
}

// isIdentical reports whether an alarm is a plain resource.
func isIdentical(alarm constructs.IConstruct, resource alarmResource) bool {
	plain, isResource := alarm.(alarmResource)
	return isResource && plain == resource
}

// attachment is an attached alarm.
type attachment struct {
	candidate
	byApp int // how often the app added AlarmAction itself, to any state
}

// attach adds the action for ALARM and, with NotifyRecovery, for OK. It does not add an action twice, because
// CloudFormation rejects duplicates.
func (t *AlarmTriage) attach(c candidate) {
	before, known := t.attachments[c.path]
	if known && before.byApp == 0 {
		return
	}
	t.remember(c)
	mayHave := known // the app itself may have added the action to one of the states
	if construct, isConstruct := c.alarm.(awscloudwatch.AlarmBase); isConstruct {
		if !mayHave || !t.hasAction(c.resource.AlarmActions(), c.alarm) {
			construct.AddAlarmAction(t.ownAction)
		}
		if t.notifyRecovery && (!mayHave || !t.hasAction(c.resource.OkActions(), c.alarm)) {
			construct.AddOkAction(t.ownAction)
		}
		return
	}
	c.resource.SetAlarmActions(t.withAction(c.resource.AlarmActions(), c.alarm))
	if t.notifyRecovery {
		c.resource.SetOkActions(t.withAction(c.resource.OkActions(), c.alarm))
	}
}

// withAction returns the actions of a plain resource and the orchestrator.
func (t *AlarmTriage) withAction(actions *[]*string, alarm constructs.IConstruct) *[]*string {
	if actions == nil || len(*actions) == 0 {
		return &[]*string{t.orchestratorARN}
	}
	if t.hasAction(actions, alarm) {
		return actions
	}
	all := append(slices.Clone(*actions), t.orchestratorARN)
	return &all
}

// hasAction reports whether the orchestrator is one of an alarm's actions.
func (t *AlarmTriage) hasAction(actions *[]*string, alarm constructs.IConstruct) bool {
	stack := awscdk.Stack_Of(alarm)
	list, _ := stack.Resolve(actions).([]any)
	orchestrator := stack.Resolve(t.orchestratorARN)
	return slices.ContainsFunc(list, func(action any) bool { return reflect.DeepEqual(action, orchestrator) })
}

// outOfReach returns why an alarm can't invoke the orchestrator, or an empty string if it can.
func (t *AlarmTriage) outOfReach(c candidate) string {
	if c.resource == nil {
		if _, isAlarm := c.alarm.(awscloudwatch.IAlarm); !isAlarm {
			return "it is not an alarm"
		}
		return "it is imported, so its actions can't be changed; use AttachEventRule or AttachTopic"
	}
	return t.stackProblem(c.stack)
}

// stackProblem is stackOutOfReach, once per stack.
func (t *AlarmTriage) stackProblem(stack awscdk.Stack) string {
	if problem, known := t.reach[stack]; known {
		return problem
	}
	problem := t.stackOutOfReach(stack)
	t.reach[stack] = problem
	return problem
}

// stackOutOfReach returns why the alarms of a stack can't invoke the orchestrator, or an empty string if they can.
func (t *AlarmTriage) stackOutOfReach(stack awscdk.Stack) string {
	if here, there := *awscdk.Stack_Of(t).Environment(), *stack.Environment(); here != there {
		return fmt.Sprintf("it is in %s and the orchestrator is in %s; send its events to a bus there and use "+
			"AttachEventRule", there, here)
	}
	return t.dependOnTriage(stack)
}

// cannotAttach returns the message about an alarm that can't be attached.
func (t *AlarmTriage) cannotAttach(c candidate, problem string) string {
	return fmt.Sprintf("alarmtriage: alarm %s can't be attached to AlarmTriage %s: %s", c.path, t.path, problem)
}

// alarmResource is the CloudFormation resource of an alarm: CfnAlarm, CfnCompositeAlarm, or CfnLogAlarm.
type alarmResource interface {
	constructs.IConstruct
	Inspect(inspector awscdk.TreeInspector)
	ActionsEnabled() any
	AlarmActions() *[]*string
	SetAlarmActions(*[]*string)
	OkActions() *[]*string
	SetOkActions(*[]*string)
}

// remember adds an alarm to the attached alarms, unless it is one of them already.
func (t *AlarmTriage) remember(c candidate) *attachment {
	attached, known := t.attachments[c.path]
	if !known {
		attached = &attachment{candidate: c}
		t.attachments[c.path] = attached
		t.attached = append(t.attached, attached)
		t.app.attached(t, c.path)
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
