package alarmtriage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
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

// agreeing returns the words of a message that agree with a number.
func agreeing(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// times returns how often something is there, such as "once" or "3 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
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

// memberSends reports whether a member sends the events of an alarm to any AlarmTriage of the app.
func (a *appState) memberSends(alarm alarmjs.Alarm) bool {
	return slices.ContainsFunc(a.triages, func(t *AlarmTriage) bool {
		_, sends := t.memberOf(alarm)
		return sends
	})
}

// isAttachedToOther reports whether an alarm is attached to another AlarmTriage of the app.
func (t *AlarmTriage) isAttachedToOther(path string) bool {
	owner := t.app.owners[path]
	return owner != nil && owner != t
}

// warnOfUselessAlarm adds a warning if the alarm watches AlarmTriage, or if no AlarmTriage investigates it. It reports
// whether the latter is the case.
func (t *AlarmTriage) warnOfUselessAlarm(alarm alarmjs.Alarm) (useless bool) {
	if strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix) { // its name may end in a token
		awscdk.Annotations_Of(alarm.Construct).AddWarningV2(jsii.String("alarmtriage:self-alarm"), jsii.Sprintf(
			"alarmtriage: not attached to AlarmTriage %s: its name begins with %s, and no AlarmTriage investigates such alarms. "+
				"Notify people with SelfAlarmTopic instead", t.path, config.SelfAlarmPrefix), nil)
		return true
	}
	if t.watchesTriage(alarm) {
		awscdk.Annotations_Of(alarm.Construct).AddWarningV2(jsii.String("alarmtriage:own-metric"), jsii.Sprintf(
			"alarmtriage: it watches AlarmTriage %s, to which it is attached: a failing investigation would start another one. "+
				"Let it notify a topic instead, such as that of SelfAlarmTopic", t.path), nil)
	}
	return false
}

// watchedNamespaces are the namespaces of metrics of AlarmTriage's resources.
var watchedNamespaces = []string{emf.Namespace, "AWS/Lambda", "AWS/DynamoDB", "AWS/SQS", "AWS/S3", "AWS/Logs"}

// watchesTriage reports whether an alarm watches AlarmTriage itself. A composite alarm does if its rule names a self-alarm, or if
// all its alarms in the app do.
func (t *AlarmTriage) watchesTriage(alarm alarmjs.Alarm) bool {
	if alarm.Rule != "" {
		isOther := func(measured any) bool { return !t.namesItself(measured) }
		return t.combinesSelfAlarm(alarm) || len(alarm.Measured) > 0 && !slices.ContainsFunc(alarm.Measured, isOther)
	}
	return (alarm.Namespace == "" || slices.Contains(watchedNamespaces, alarm.Namespace)) && slices.ContainsFunc(alarm.Measured, t.namesItself)
}

// combinesSelfAlarm reports whether the rule of a composite alarm names a self-alarm of AlarmTriage.
func (t *AlarmTriage) combinesSelfAlarm(alarm alarmjs.Alarm) bool {
	return slices.ContainsFunc(t.selfAlarms, func(self awscloudwatch.AlarmBase) bool {
		return strings.Contains(alarm.Rule, *self.AlarmArn()) || strings.Contains(alarm.Rule, *self.AlarmName())
	})
}

// namesItself reports whether dimensions and metrics of an alarm contain the name of one of AlarmTriage's resources.
func (t *AlarmTriage) namesItself(value any) bool {
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, t.namesItself)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), t.namesItself)
	case string: // a dimension, or an expression such as SELECT … WHERE FunctionName = 'name'
		return slices.ContainsFunc(t.names, func(name string) bool {
			return v == name || strings.Contains(v, "'"+name+"'") || strings.Contains(v, `"`+name+`"`)
		})
	}
	return false
}

// rememberNames stores the names of the functions, of their log groups, of a new table and a new bucket, and of the queue.
func (t *AlarmTriage) rememberNames(p *AlarmTriageProps) {
	names := []*string{t.orchestrator.FunctionName(), t.tool.FunctionName(), t.orchestratorLogGroup.LogGroupName(), t.toolLogGroup.LogGroupName()}
	if p.InvestigationsTable == nil {
		names = append(names, t.table.TableName())
	}
	if p.ReportsBucket == nil {
		names = append(names, t.reports.BucketName())
	}
	if p.OnFailureQueue != nil {
		names = append(names, p.OnFailureQueue.QueueName())
	}
	t.names = alarmjs.Identify(t, names...)
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
	problems = append(problems, t.endpointProblems()...)
	problems = append(problems, t.ruleProblems()...)
	problems = append(problems, t.policyProblems()...)
	if !s.reported {
		s.reported = true
		t.warnOfIsolation()
		t.warnOfPermissions()
		t.reportAttached()
		t.warnOfCheckpoints()
		t.warnOfEgress()
	}
	return jsii.Strings(problems...)
}

// checkActions returns the attached alarms with more actions than CloudWatch allows, or with the same action twice.
func (t *AlarmTriage) checkActions(warn bool) (problems []string) {
	paths := make([]string, len(t.attached))
	for i, a := range t.attached {
		paths[i] = a.Path
	}
	var disabled, onlyOK, onlyAlarm, replaced, replacedOK []string
	found := alarmjs.ActionsOf(t, paths, t.orchestratorARN)
	if warn {
		t.warnOfRunbooks(found)
	}
	for i, actions := range found {
		a := t.attached[i]
		problems = append(problems, t.actionProblems(a.Path, "alarm", actions.Alarm)...)
		if t.notifyRecovery || a.byApp > 0 {
			problems = append(problems, t.actionProblems(a.Path, "OK", actions.OK)...)
		}
		isComplete := !actions.Disabled && actions.Alarm.Own > 0 && (!t.notifyRecovery || actions.OK.Own > 0)
		if isComplete || t.selectsByRule(a.Alarm) { // a rule needs no actions
			continue
		}
		if actions.Disabled {
			disabled = append(disabled, a.Path)
		}
		switch {
		case actions.Alarm.Own == 0 && (a.byAttach || actions.Alarm.Unlisted):
			replaced = append(replaced, a.Path)
		case actions.Alarm.Own == 0:
			onlyOK = append(onlyOK, a.Path)
		case t.notifyRecovery && actions.OK.Own == 0 && (a.byAttach || actions.OK.Unlisted):
			replacedOK = append(replacedOK, a.Path)
		case t.notifyRecovery && actions.OK.Own == 0:
			onlyAlarm = append(onlyAlarm, a.Path)
		}
	}
	for _, list := range [][]string{problems, disabled, onlyOK, onlyAlarm, replaced, replacedOK} {
		slices.Sort(list)
	}
	if warn && len(disabled) > 0 {
		t.warn("actions-disabled", "ActionsEnabled is false for %s that AlarmTriage is attached to, so %s an "+
			"investigation: %s. Enable the actions, or use AttachEventRule, which does not need actions",
			counted(len(disabled), "alarm"), agreeing(len(disabled), "it never starts", "they never start"), listed(disabled))
	}
	if warn && len(onlyOK) > 0 {
		t.warn("no-alarm-action", "AlarmAction was added to %s, but not as an alarm action, so %s an investigation: %s. "+
			"Use AddAlarmAction or AttachAlarms", counted(len(onlyOK), "alarm"), agreeing(len(onlyOK), "it never starts", "they never start"), listed(onlyOK))
	}
	if warn && len(onlyAlarm) > 0 {
		t.warn("no-ok-action", "NotifyRecovery has no effect for %s, because AlarmAction was only added as an alarm action: %s. Use "+
			"AttachAlarms or AttachAll, which also add the OK action, or AddOkAction", counted(len(onlyAlarm), "alarm"), listed(onlyAlarm))
	}
	if warn && len(replaced) > 0 {
		t.warn("no-alarm-action", "the app replaced the alarm actions of %s after AlarmTriage was attached, or with a property override, so %s an "+
			"investigation: %s. Call SetAlarmActions before AttachAlarms, add actions instead of overriding them, or use AttachEventRule",
			counted(len(replaced), "alarm"), agreeing(len(replaced), "it never starts", "they never start"), listed(replaced))
	}
	if warn && len(replacedOK) > 0 {
		t.warn("no-ok-action", "NotifyRecovery has no effect for %s, because the app replaced the OK actions after AlarmTriage was attached, or with a "+
			"property override: %s. Call SetOkActions before AttachAlarms, add actions instead of overriding them, or use AttachEventRule",
			counted(len(replacedOK), "alarm"), listed(replacedOK))
	}
	return problems
}

// actionProblems returns what is wrong with the actions of an alarm for one state.
func (t *AlarmTriage) actionProblems(path, state string, actions alarmjs.Count) []string {
	switch {
	case actions.Own > 1:
		return []string{fmt.Sprintf("alarmtriage: the %s actions of alarm %s contain AlarmTriage %s %s, and "+
			"CloudFormation rejects duplicates: attach the alarm with AttachAlarms, or add AlarmAction once, but not both",
			state, path, t.path, times(actions.Own))}
	case actions.All > maxAlarmActions:
		return []string{fmt.Sprintf("alarmtriage: alarm %s has %d %s actions, and CloudWatch "+
			"allows %d: remove one, or notify several targets through one SNS topic", path, actions.All, state, maxAlarmActions)}
	}
	return nil
}

// reportAttached adds the summary of AttachAll, and the warnings about what is not attached or attached elsewhere.
func (t *AlarmTriage) reportAttached() {
	for _, a := range t.all {
		a.report()
	}
	for _, other := range t.app.triages {
		if paths := t.shared[other]; len(paths) > 0 {
			slices.Sort(paths)
			t.warn("shared-alarm", "%s also attached to AlarmTriage %s: both investigate %s, send reports, and cost money. "+
				"Attach an alarm to one of the two, for example with ExceptNamePrefixes of AttachAll: %s",
				isOrAre(len(paths)), other.path, agreeing(len(paths), "it", "them"), listed(paths))
		}
	}
	for i, other := range t.app.triages {
		if other == t {
			continue
		}
		t.warnOfReportTopics(other)
		if i < slices.Index(t.app.triages, t) {
			t.warnOfSharedSources(other)
		}
		t.warnOfSharedTopics(other)
	}
	t.warnOfUnnotifiedRecoveries()
	t.warnOfClosedTopics()
	t.warnOfSubscribers()
	t.warnOfNoSources()
	t.warnOfUnusedNames()
	t.warnOfDefaultBus()
	t.warnOfIsolatedRegions()
	if len(t.all) == 0 {
		return
	}
	if text, investigated := t.summary(); investigated > 0 { // otherwise, a warning or an error says why
		t.inform("attached", "%s", text)
	}
}

func isOrAre(n int) string { return counted(n, "alarm") + agreeing(n, " is", " are") }

// summary describes all attached alarms in one line, and returns the number of alarms of AttachAll that an AlarmTriage of the app
// investigates.
func (t *AlarmTriage) summary() (text string, investigated int) {
	excluded := map[string]bool{}
	var filtered, self, own, scaling, unreachable, byMember, byOther, byRule int
	count := func(paths []string, n *int) {
		for _, path := range paths {
			if !excluded[path] && !t.isAttached(path) { // another AttachAll may have attached it
				excluded[path] = true
				*n++
			}
		}
	}
	for _, a := range t.all {
		count(a.byMember, &byMember)
	}
	members := len(excluded)
	for _, a := range t.all {
		count(a.filtered, &filtered)
		count(a.self, &self)
		count(a.own, &own)
		count(a.scaling, &scaling)
		count(a.byOther, &byOther)
		count(a.byRule, &byRule)
		for _, stack := range a.unreachable {
			for _, path := range stack.paths {
				if t.isAttachedToOther(path) {
					count([]string{path}, &byOther)
				} else {
					count([]string{path}, &unreachable)
				}
			}
		}
	}
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{filtered, "by the filter"}, {self, agreeing(self, "as a self-alarm", "as self-alarms")}, {own, "because " + agreeing(own, "it watches", "they watch") + " this AlarmTriage"}, {scaling, "that only " + agreeing(scaling, "scales", "scale")}, {byRule, "investigated through an event rule"}, {byOther, "investigated by another AlarmTriage"}, {unreachable, "out of reach"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	text = "attached to " + counted(len(t.attached), "alarm")
	if byMember > 0 {
		text += fmt.Sprintf("; %s investigated through AlarmTriageMember", isOrAre(byMember))
	}
	if n := len(excluded) - members; n > 0 {
		text += fmt.Sprintf("; %d excluded (%s)", n, strings.Join(parts, ", "))
	}
	return text, len(t.attached) + byMember + byOther + byRule
}
