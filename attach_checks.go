package alarmtriage

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
)

// maxListed is the number of alarms that a message names.
const maxListed = 5

// listed returns the first texts of a list, and the number of the others.
func listed(texts []string) string {
	if len(texts) <= maxListed {
		return strings.Join(texts, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(texts[:maxListed], ", "), len(texts)-maxListed)
}

// counted returns a number and a noun, such as "1 alarm" or "2 alarms".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// appState is what the AlarmTriages and the AlarmTriageMembers of one app know of each other.
type appState struct {
	triages []*AlarmTriage
	members []*AlarmTriageMember
	owners  map[string]*AlarmTriage // by the path of an alarm: the first AlarmTriage that it was attached to
}

// joinApp returns the state of the app of a construct. The AlarmTriages and AlarmTriageMembers in the construct tree hold
// it, so the package needs no state of its own.
func joinApp(scope constructs.Construct) *appState {
	for _, construct := range *scope.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		switch other := construct.(type) {
		case *AlarmTriage:
			if other.app != nil {
				return other.app
			}
		case *AlarmTriageMember:
			if other.app != nil {
				return other.app
			}
		}
	}
	return &appState{owners: map[string]*AlarmTriage{}}
}

// attached records that an alarm was attached.
func (a *appState) attached(triage *AlarmTriage, path string) {
	if owner := a.owners[path]; owner != nil && owner != triage {
		triage.shared[owner] = append(triage.shared[owner], path)
		return
	}
	a.owners[path] = triage
}

// warnOfUselessAlarm adds a warning if the alarm watches AlarmTriage, or if no AlarmTriage investigates it. It reports
// whether the latter is the case.
func (t *AlarmTriage) warnOfUselessAlarm(c candidate) (useless bool) {
	if isSelfAlarm(c.properties) {
		awscdk.Annotations_Of(c.alarm).AddWarningV2(jsii.String("alarmtriage:self-alarm"), jsii.Sprintf(
			"alarmtriage: not attached to AlarmTriage %s: its name begins with %s, and no AlarmTriage investigates such alarms. "+
				"Notify people with SelfAlarmTopic instead", t.path, config.SelfAlarmPrefix), nil)
		return true
	}
	if t.watchesTriage(c) {
		awscdk.Annotations_Of(c.alarm).AddWarningV2(jsii.String("alarmtriage:own-metric"), jsii.Sprintf(
			"alarmtriage: it watches AlarmTriage %s, to which it is attached: a failing investigation would start another one. "+
				"Let it notify a topic instead, such as that of SelfAlarmTopic", t.path), nil)
	}
	return false
}

// isSelfAlarm reports whether an alarm with these properties is a self-alarm of an AlarmTriage. Its name may end in a
// token.
func isSelfAlarm(properties map[string]any) bool {
	name, _ := properties["alarmName"].(string)
	return strings.HasPrefix(name, config.SelfAlarmPrefix)
}

// watchedNamespaces are the namespaces of metrics of AlarmTriage's resources.
var watchedNamespaces = []string{emf.Namespace, "AWS/Lambda", "AWS/DynamoDB", "AWS/SQS"}

// watchesTriage reports whether an alarm watches AlarmTriage itself.
func (t *AlarmTriage) watchesTriage(c candidate) bool {
	if namespace, isText := c.properties["namespace"].(string); isText {
		return slices.Contains(watchedNamespaces, namespace) && t.namesItself(c.properties["dimensions"])
	}
	if metrics := c.properties["metrics"]; metrics != nil {
		return t.namesItself(awscdk.Stack_Of(c.alarm).Resolve(metrics))
	}
	rule, isComposite := c.properties["alarmRule"].(string)
	return isComposite && slices.ContainsFunc(t.selfAlarms, func(self awscloudwatch.AlarmBase) bool {
		return strings.Contains(rule, *self.AlarmArn()) || strings.Contains(rule, *self.AlarmName())
	})
}

// namesItself reports whether dimensions, or the metrics of an expression, contain the name of one of AlarmTriage's
// resources, as a token or resolved.
func (t *AlarmTriage) namesItself(value any) bool {
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, t.namesItself)
	case map[string]any:
		if slices.ContainsFunc(t.names, func(name resourceName) bool { return reflect.DeepEqual(name.resolved, value) }) {
			return true
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), t.namesItself)
	case string:
		return slices.ContainsFunc(t.names, func(name resourceName) bool { return name.token == v || name.resolved == value })
	}
	return false
}

// resourceName is the name of one of AlarmTriage's resources, which alarms on the resource contain.
type resourceName struct {
	token    string
	resolved any
}

// rememberNames stores the names of the functions, of a new table, and of the queue.
func (t *AlarmTriage) rememberNames(p *AlarmTriageProps) {
	names := []*string{t.orchestrator.FunctionName(), t.tool.FunctionName()}
	if p.InvestigationsTable == nil {
		names = append(names, t.table.TableName())
	}
	if p.OnFailureQueue != nil {
		names = append(names, p.OnFailureQueue.QueueName())
	}
	stack := awscdk.Stack_Of(t)
	for _, name := range names {
		t.names = append(t.names, resourceName{token: *name, resolved: stack.Resolve(name)})
	}
}

// synthCheck reports mistakes that are only visible when all alarms and their actions are defined.
type synthCheck struct {
	triage   *AlarmTriage
	reported bool // the warnings were added; a second synth must not add them again
}

// Validate implements [constructs.IValidation].
func (s *synthCheck) Validate() *[]*string {
	t := s.triage
	problems := t.checkActions(!s.reported)
	for _, a := range t.all {
		problems = append(problems, a.problems()...)
	}
	if !s.reported {
		s.reported = true
		t.reportAttached()
	}
	return jsii.Strings(problems...)
}

// checkActions returns the attached alarms with more actions than CloudWatch allows, or with the same action twice.
func (t *AlarmTriage) checkActions(warn bool) (problems []string) {
	byStack := map[awscdk.Stack][]*attachment{}
	for _, a := range t.attached {
		byStack[a.stack] = append(byStack[a.stack], a)
	}
	var disabled, onlyOK []string
	for stack, attached := range byStack {
		// One call resolves the actions of all alarms of a stack.
		unresolved := []any{t.orchestratorARN}
		for _, a := range attached {
			var okActions *[]*string
			if t.notifyRecovery || a.byApp > 0 {
				okActions = a.resource.OkActions()
			}
			// CDK drops what resolves to nothing, from lists too, so each alarm is a map.
			unresolved = append(unresolved, map[string]any{"alarm": a.alarmActions(), "OK": okActions})
			if enabled, isBool := a.resource.ActionsEnabled().(bool); isBool && !enabled {
				disabled = append(disabled, a.path)
			}
		}
		resolved, _ := stack.Resolve(unresolved).([]any)
		for i, a := range attached {
			actions, _ := resolved[i+1].(map[string]any)
			own := map[string]int{}
			for _, name := range []string{"alarm", "OK"} {
				list, _ := actions[name].([]any)
				for _, action := range list {
					if reflect.DeepEqual(action, resolved[0]) {
						own[name]++
					}
				}
				if own[name] > 1 {
					problems = append(problems, fmt.Sprintf("alarmtriage: the %s actions of alarm %s contain AlarmTriage %s %d times, and "+
						"CloudFormation rejects duplicates: attach the alarm with AttachAlarms, or add AlarmAction once, but not both",
						name, a.path, t.path, own[name]))
				} else if len(list) > maxAlarmActions {
					problems = append(problems, fmt.Sprintf("alarmtriage: alarm %s has %d %s actions, and CloudWatch "+
						"allows %d: remove one, or notify several targets through one SNS topic", a.path, len(list), name, maxAlarmActions))
				}
			}
			if own["alarm"] == 0 {
				onlyOK = append(onlyOK, a.path)
			}
		}
	}
	slices.Sort(problems)
	slices.Sort(disabled)
	slices.Sort(onlyOK)
	if warn && len(disabled) > 0 {
		t.warn("actions-disabled", "ActionsEnabled is false for %s that AlarmTriage is attached to, so they never start an "+
			"investigation: %s. Enable their actions, or use AttachEventRule, which does not need actions",
			counted(len(disabled), "alarm"), listed(disabled))
	}
	if warn && len(onlyOK) > 0 {
		t.warn("no-alarm-action", "AlarmAction was added to %s, but not as an alarm action, so they never start an "+
			"investigation: %s. Use AddAlarmAction or AttachAlarms", counted(len(onlyOK), "alarm"), listed(onlyOK))
	}
	return problems
}

// alarmActions returns the actions of an attached alarm. Those of a construct are a token for the final list.
func (a *attachment) alarmActions() any {
	if actions := a.properties["alarmActions"]; actions != nil && !isIdentical(a.alarm, a.resource) {
		return actions
	}
	return a.resource.AlarmActions()
}

// reportAttached adds the summary of AttachAll, and the warnings about what is not attached or attached elsewhere.
func (t *AlarmTriage) reportAttached() {
	for _, a := range t.all {
		a.report()
	}
	for _, other := range t.app.triages {
		if paths := t.shared[other]; len(paths) > 0 {
			slices.Sort(paths)
			t.warn("shared-alarm", "%s also attached to AlarmTriage %s: each of both investigates, notifies, and costs "+
				"money. Attach an alarm to one of them, for example with ExceptNamePrefixes of AttachAll: %s",
				isOrAre(len(paths)), other.path, listed(paths))
		}
	}
	if len(t.attached) == 0 && len(t.all) == 0 && !t.hasSources {
		t.warn("nothing-attached", "no alarm starts an investigation: use AttachAlarms, AlarmAction, AttachAll, "+
			"AttachEventRule, or AttachTopic")
	}
	if len(t.all) > 0 && len(t.attached) > 0 {
		t.inform("attached", "%s", t.summary())
	}
}

func isOrAre(n int) string {
	if n == 1 {
		return "1 alarm is"
	}
	return fmt.Sprintf("%d alarms are", n)
}

// summary describes all attached alarms in one line.
func (t *AlarmTriage) summary() string {
	excluded := map[string]bool{}
	var filtered, self, own, unreachable int
	count := func(paths []string, n *int) {
		for _, path := range paths {
			if !excluded[path] && !t.isAttached(path) { // another AttachAll may have attached it
				excluded[path] = true
				*n++
			}
		}
	}
	for _, a := range t.all {
		count(a.filtered, &filtered)
		count(a.self, &self)
		count(a.own, &own)
		for _, stack := range a.unreachable {
			count(stack.paths, &unreachable)
		}
	}
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{filtered, "by the filter"}, {self, "as self-alarms"}, {own, "because they watch this AlarmTriage"}, {unreachable, "out of reach"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	text := "attached to " + counted(len(t.attached), "alarm")
	if len(excluded) > 0 {
		text += fmt.Sprintf("; %d excluded (%s)", len(excluded), strings.Join(parts, ", "))
	}
	return text
}
