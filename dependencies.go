package alarmtriage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// An attached alarm refers to the orchestrator, so the alarm's stack depends on AlarmTriage's stack. If the alarm's
// stack also contains a resource that AlarmTriage uses, such as its topic, the stacks depend on each other. CDK only
// finds that at the end of the synth, and names neither the alarm nor the resource. The functions below declare the
// dependencies as soon as they arise, so that the message can name both.

// dependOnTriage declares that a stack with alarms depends on AlarmTriage's stack. It returns why it can't, or an empty
// string if it can.
func (t *AlarmTriage) dependOnTriage(stack awscdk.Stack) string {
	from, to := topStack(stack), topStack(awscdk.Stack_Of(t))
	cause := addDependency(from, to)
	if from == to {
		from, to = branchOf(stack, awscdk.Stack_Of(t)), awscdk.Stack_Of(t)
		if from == nil || len(t.uses[*from.Node().Path()]) == 0 {
			return ""
		}
	} else if cause == "" {
		return ""
	}
	t.cycles[stack] = true
	there, here := *from.Node().Path(), *to.Node().Path()
	if uses := t.uses[there]; len(uses) > 0 {
		return fmt.Sprintf("its stack %s contains resources that AlarmTriage uses (%s), so stack %s depends on it, and stacks can't depend "+
			"on each other. Define these resources in stack %s or in a third stack, or define AlarmTriage in stack %s, or use "+
			"AttachEventRule, with which alarms do not refer to AlarmTriage", there, listed(uses), here, here, there)
	}
	if isInOtherApp(from, to) {
		return "it belongs to another app than AlarmTriage, whose stacks can't refer to it: define both in one app, or use AttachEventRule"
	}
	if stage := awscdk.Stage_Of(from); stage != awscdk.Stage_Of(to) {
		return fmt.Sprintf("it is in %s and AlarmTriage is in %s, and CDK does not let stacks of one refer to stacks of the other: add an "+
			"AlarmTriage to each Stage that contains alarms, or use AttachEventRule, with which alarms do not refer to AlarmTriage",
			stageName(stage), stageName(awscdk.Stage_Of(to)))
	}
	return fmt.Sprintf("its stack %s can't depend on stack %s, which contains AlarmTriage. Define AlarmTriage in a stack that does not "+
		"depend on stacks with alarms, attach each alarm to one AlarmTriage, or use AttachEventRule, with which alarms do not refer to "+
		"AlarmTriage. CDK's reason: %s", there, here, cause)
}

// use declares that AlarmTriage's stack depends on the stack of a resource, unless the resource is nil or imported. It
// panics if the resource's stack depends on AlarmTriage's stack.
func (t *AlarmTriage) use(as string, resource constructs.IConstruct) {
	if isNil(resource) || resource.Node().DefaultChild() == nil {
		return
	}
	stack, own := awscdk.Stack_Of(resource), awscdk.Stack_Of(t)
	from, to := topStack(own), topStack(stack)
	use := as + " " + *resource.Node().Path()
	if from == to {
		t.useInBranch(as, use, stack)
		return
	}
	if *own.Environment() != *stack.Environment() {
		return
	}
	here, there := *from.Node().Path(), *to.Node().Path()
	if cause := addDependency(from, to); cause != "" {
		if isInOtherApp(from, to) {
			panic(fmt.Sprintf("alarmtriage: AlarmTriage %s can't use %s, which belongs to another app: define both in one app, or import the resource", t.path, use))
		}
		if stage := awscdk.Stage_Of(to); stage != awscdk.Stage_Of(from) {
			panic(fmt.Sprintf("alarmtriage: AlarmTriage %s can't use %s: it is in %s and AlarmTriage is in %s, and CDK does not let stacks of "+
				"one refer to stacks of the other: define both in one Stage, or import the resource", t.path, use, stageName(stage),
				stageName(awscdk.Stage_Of(from))))
		}
		t.rejectUse(use, here, there, "CDK's reason: "+cause, t.attachedIn(func(stack awscdk.Stack) bool { return topStack(stack) == to }))
	}
	t.rememberUse(there, use)
}

// rejectUse panics because AlarmTriage's stack would depend on a stack that depends on it, such as that of attached alarms.
func (t *AlarmTriage) rejectUse(use, here, there, reason string, alarms []string) {
	if len(alarms) > 0 {
		reason = fmt.Sprintf("the attached alarms %s are in stack %s, too", listed(alarms), there)
	}
	panic(fmt.Sprintf("alarmtriage: AlarmTriage %s can't use %s: stack %s would depend on stack %s, and stacks can't depend on each "+
		"other; %s. Define the resource in stack %s or in a third stack, or define AlarmTriage in stack %s, or use AttachEventRule "+
		"for these alarms", t.path, use, here, there, reason, here, there))
}

// attachedIn returns the paths of the attached alarms whose stacks fulfill a condition.
func (t *AlarmTriage) attachedIn(condition func(awscdk.Stack) bool) (paths []string) {
	for _, a := range t.attached {
		if condition(a.Stack) {
			paths = append(paths, a.Path)
		}
	}
	return paths
}

func (t *AlarmTriage) rememberUse(stack, use string) {
	if !slices.Contains(t.uses[stack], use) {
		t.uses[stack] = append(t.uses[stack], use)
	}
}

// usedByOthers are resources on which the orchestrator does not depend, but self-alarms, subscriptions, and rules.
var usedByOthers = []string{"SelfAlarmTopic", "AttachTopic", "EventBus"}

// useInBranch is use for a resource in a stack with the same outermost stack. CloudFormation creates a nested stack as a whole, so
// one that contains a resource of AlarmTriage's can't contain attached alarms.
func (t *AlarmTriage) useInBranch(as, use string, stack awscdk.Stack) {
	own := awscdk.Stack_Of(t)
	branch := branchOf(stack, own)
	if branch == nil || branch.NestedStackParent() == own && slices.Contains(usedByOthers, as) {
		return
	}
	here, there := *own.Node().Path(), *branch.Node().Path()
	if alarms := t.attachedIn(func(other awscdk.Stack) bool { return branchOf(other, own) == branch }); len(alarms) > 0 {
		t.rejectUse(use, here, there, "", alarms)
	}
	t.rememberUse(there, use)
}

// branchOf returns the outermost nested stack that contains a stack, or is it, and does not contain another one; nil if there is
// none. Both have the same outermost stack.
func branchOf(stack, other awscdk.Stack) (branch awscdk.Stack) {
	containing := []awscdk.Stack{}
	for ; other != nil; other = other.NestedStackParent() {
		containing = append(containing, other)
	}
	for ; !slices.Contains(containing, stack); stack = stack.NestedStackParent() {
		branch = stack
	}
	return branch
}

// isNestedIn reports whether a stack is nested in another one, directly or not.
func isNestedIn(stack, outer awscdk.Stack) bool {
	for stack = stack.NestedStackParent(); stack != nil; stack = stack.NestedStackParent() {
		if stack == outer {
			return true
		}
	}
	return false
}

// useProps declares the dependencies on the resources in props.
func (t *AlarmTriage) useProps(p *AlarmTriageProps) {
	for _, given := range givenResources(p) {
		t.use(given.prop, given.resource)
	}
	// The orchestrator's role names the keys of resources, which may be in other stacks than the resources.
	useKey := func(prop string, key awskms.IKey) {
		if !isNil(key) {
			t.use(keyProp(nil, "", prop), key)
		}
	}
	useKey("NotificationTopic", masterKey(p.NotificationTopic))
	useKey("ChatCardTopic", masterKey(p.ChatCardTopic))
	if p.ReportsBucket != nil {
		useKey("ReportsBucket", p.ReportsBucket.EncryptionKey())
	}
	if p.InvestigationsTable != nil {
		useKey("InvestigationsTable", p.InvestigationsTable.EncryptionKey())
	}
	if p.InstructionsObject != nil {
		useKey("InstructionsObject", p.InstructionsObject.Bucket.EncryptionKey())
	}
	if p.Runbooks != nil {
		useKey("Runbooks", p.Runbooks.Bucket.EncryptionKey())
	}
	if !isNil(p.OnFailureQueue) {
		useKey("OnFailureQueue", p.OnFailureQueue.EncryptionMasterKey())
	}
}

// stageName returns the name of a Stage for messages. The app is a Stage, too.
func stageName(stage awscdk.Stage) string {
	if path := *stage.Node().Path(); path != "" {
		return "Stage " + path
	}
	return "the app, outside of all Stages"
}

// topStack returns the outermost stack of a nested stack, or the stack itself. References into and out of nested stacks
// become dependencies of their outermost stacks.
func topStack(stack awscdk.Stack) awscdk.Stack {
	for stack.NestedStackParent() != nil {
		stack = stack.NestedStackParent()
	}
	return stack
}

// isInOtherApp reports whether two constructs belong to different apps.
func isInOtherApp(a, b constructs.IConstruct) bool { return a.Node().Root() != b.Node().Root() }

// addDependency makes a stack depend on another one. It returns the first line of CDK's error if it can't.
func addDependency(from, to awscdk.Stack) (cause string) {
	if from == to {
		return ""
	}
	return errorOf(func() { from.AddStackDependency(to, jsii.String("alarmtriage")) })
}

// errorOf returns the first line of the error with which a call of CDK ends, or an empty string.
func errorOf(call func()) (cause string) {
	defer func() {
		if v := recover(); v != nil {
			cause, _, _ = strings.Cut(fmt.Sprint(v), "\n")
		}
	}()
	call()
	return ""
}
