package alarmtriage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// AlarmFilter selects alarms by name. A nil filter selects all.
type AlarmFilter struct {
	// Only alarms whose name begins with one of these prefixes. Default: every name.
	NamePrefixes *[]*string
	// Exclude alarms whose name begins with one of these prefixes. Default: none.
	ExceptNamePrefixes *[]*string
}

// AttachAll lets every alarm below scope (a stack, a stage, or the app) start an investigation, including
// alarms that are defined later. It skips self-alarms of every AlarmTriage, alarms that watch this one, and alarms that only scale
// something, which have no actions but scaling policies. The prefixes of filter are compared with the alarm's name, or with its
// beginning up to the first token, or with the construct's id if nothing of the name is known at synth. A warning lists alarms that
// no AlarmTriage of the app investigates: those of another account or Region, those whose actions are an intrinsic function instead
// of a list, and those that are a generic CfnResource. Another one lists the Stages in scope that contain alarms: CDK does not apply
// aspects across Stage boundaries. The synth fails if alarms are in a stack on which AlarmTriage's stack depends. AttachAll panics if
// scope is nil or in another app, or if filter is invalid.
func (t *AlarmTriage) AttachAll(scope constructs.IConstruct, filter *AlarmFilter) {
	if isNil(scope) {
		panic("alarmtriage: AttachAll needs a scope that contains alarms, such as a stack or the app, got nil")
	}
	if isInOtherApp(scope, t) {
		panic(fmt.Sprintf("alarmtriage: AttachAll needs a scope in the app of AlarmTriage %s, got %s of another app: define both in one app, or use "+
			"AttachEventRule", t.path, cmp.Or(*scope.Node().Path(), "the root")))
	}
	panicOn(filter.problems())
	if filter != nil {
		warnOfWildcards(t, "AttachAll", filter.NamePrefixes, filter.ExceptNamePrefixes)
		warnOfCovered(t, "AttachAll", filter.NamePrefixes, filter.ExceptNamePrefixes)
	}
	all := &attachAll{triage: t, scope: scope, filter: filter, seen: map[string]bool{}, begun: map[string]bool{}, unreachable: map[string]*unreachableAlarms{}}
	t.all = append(t.all, all)
	alarmjs.VisitAll(scope, all.visit, t.orchestratorARN, t.notifyRecovery)
}

// attachAll decides which alarms an AttachAll attaches, and holds the result.
type attachAll struct {
	triage *AlarmTriage
	scope  constructs.IConstruct
	filter *AlarmFilter

	seen        map[string]bool               // paths of visited alarms
	begun       map[string]bool               // prefixes of the filter with which the name of an alarm begins
	matched     int                           // alarms that the filter selects and that are attached
	filtered    []string                      // paths of alarms that the filter excludes
	names       []string                      // names of some of them
	self, own   []string                      // paths of self-alarms, and of alarms that watch this AlarmTriage
	scaling     []string                      // paths of alarms that only scale something
	unreachable map[string]*unreachableAlarms // by stack and problem
	byMember    []string                      // paths of alarms whose events a member sends
	byRule      []string                      // paths of alarms that can't be attached, and that an event rule of the app selects
	byOther     []string                      // paths of alarms whose events a member of another AlarmTriage of the app sends to that one
}

// unreachableAlarms are the alarms of one stack that can't be attached, for the same reason.
type unreachableAlarms struct {
	stack   awscdk.Stack
	problem string
	fatal   bool
	paths   []string
}

// visit reports whether AttachAll attaches an alarm, and records it.
func (a *attachAll) visit(alarm alarmjs.Alarm) bool {
	t := a.triage
	if a.seen[alarm.Path] || t.contains(alarm.Path) {
		return false
	}
	a.seen[alarm.Path] = true
	name := alarmName(alarm)
	a.filter.note(name, a.begun)
	switch {
	case alarm.Stack == nil:
		a.cannotReach(alarm, t.outOfReach(alarm))
	case strings.HasPrefix(name, config.SelfAlarmPrefix):
		a.self = append(a.self, alarm.Path)
	case a.isSentByMember(alarm): // also if the filter excludes it, because the member may have another filter
		a.byMember = append(a.byMember, alarm.Path)
	case !a.filter.matches(name):
		a.filtered = append(a.filtered, alarm.Path)
		if len(a.names) < maxListed {
			a.names = append(a.names, name)
		}
	default:
		return a.attaches(alarm)
	}
	return false
}

// isSentByMember reports whether a member of the AlarmTriage sends the events of an alarm.
func (a *attachAll) isSentByMember(alarm alarmjs.Alarm) bool {
	_, sends := a.triage.memberOf(alarm)
	return sends
}

// attaches reports whether AttachAll attaches an alarm that the filter selects.
func (a *attachAll) attaches(alarm alarmjs.Alarm) bool {
	t := a.triage
	if !t.isAttached(alarm.Path) {
		if alarm.OnlyScales {
			a.scaling = append(a.scaling, alarm.Path)
			return false
		}
		if problem := t.outOfReach(alarm); problem != "" {
			if t.app.memberSends(alarm) {
				a.byOther = append(a.byOther, alarm.Path)
			} else {
				a.cannotReach(alarm, problem)
			}
			return false
		}
		if t.watchesTriage(alarm) {
			a.own = append(a.own, alarm.Path)
			return false
		}
	}
	a.matched++
	if !t.needsAction(alarm.Path) {
		return false
	}
	t.remember(alarm).byAttach = true
	return true
}

// cannotReach records an alarm that can't be attached.
func (a *attachAll) cannotReach(alarm alarmjs.Alarm, problem string) {
	stack := awscdk.Stack_Of(alarm.Construct)
	fatal := alarm.Stack != nil && a.triage.cycles[stack] && problem == a.triage.reach[stack]
	if !fatal && a.triage.app.isSelected(alarm) {
		a.byRule = append(a.byRule, alarm.Path)
		return
	}
	key := *stack.Node().Path() + " " + problem
	if a.unreachable[key] == nil {
		a.unreachable[key] = &unreachableAlarms{stack: stack, problem: problem, fatal: fatal}
	}
	a.unreachable[key].paths = append(a.unreachable[key].paths, alarm.Path)
}

// problems returns the alarms that can't be attached because stacks would depend on each other.
func (a *attachAll) problems() (problems []string) {
	for _, key := range slices.Sorted(maps.Keys(a.unreachable)) {
		if u := a.unreachable[key]; u.fatal {
			problems = append(problems, fmt.Sprintf("alarmtriage: AttachAll can't attach %s of stack %s (%s): %s",
				counted(len(u.paths), "alarm"), *u.stack.Node().Path(), listed(u.paths), u.problem))
		}
	}
	return problems
}

// report adds warnings about alarms that are not attached.
func (a *attachAll) report() {
	t, where := a.triage, a.where()
	if own := awscdk.Stage_Of(t); a.isAround(own) {
		t.warn("stage", "AttachAll over %s attaches no alarm, because AlarmTriage is in %s, and CDK does not apply aspects across Stage boundaries: pass this "+
			"Stage to AttachAll, and add another AlarmTriage for alarms that are not in it", where, stageName(own))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(a.unreachable)) {
		u := a.unreachable[key]
		if paths := slices.DeleteFunc(slices.Clone(u.paths), t.isAttachedToOther); !u.fatal && len(paths) > 0 {
			awscdk.Annotations_Of(u.stack).AddWarningV2(jsii.String("alarmtriage:out-of-reach"), jsii.Sprintf(
				"alarmtriage: %s not attached to AlarmTriage %s (%s): %s", isOrAre(len(paths)), t.path, listed(paths), u.problem), nil)
		}
	}
	stages := a.stages()
	if len(stages) > 0 {
		t.warn("stage", "AttachAll over %s does not attach the alarms of %s, because CDK does not apply aspects across Stage "+
			"boundaries: add an AlarmTriage to each Stage, and pass the Stage to its AttachAll", where, listed(stages))
	}
	selected := a.matched > 0 || len(a.unreachable) > 0 || len(a.byMember) > 0 || len(a.byOther) > 0 || len(a.byRule) > 0
	switch unmatched := a.filter.unmatched(a.begun); {
	case selected && len(stages) == 0 && unmatched != "":
		t.warn("unmatched-prefix", "the filter of AttachAll over %s has %s, with which the name of no alarm begins. It compares prefixes with the name "+
			"of an alarm, or with the id of its construct if it has no name: correct or remove them", where, unmatched)
	case selected || len(stages) > 0:
	case len(a.filtered) > 0 && len(a.scaling) == 0:
		t.warn("nothing-matches", "the filter of AttachAll over %s selects %s %s. It compares prefixes with "+
			"the name of an alarm, or with the id of its construct if it has no name: correct NamePrefixes or ExceptNamePrefixes",
			where, agreeing(len(a.filtered), "no alarm. The only one is", "none of its "+counted(len(a.filtered), "alarm")+", such as"), quoted(a.names))
	default:
		why := ""
		if n := len(a.scaling); n > 0 {
			why = fmt.Sprintf(", because %s only %s something", counted(n, "alarm"), agreeing(n, "scales", "scale"))
		}
		t.warn("nothing-found", "AttachAll over %s finds no alarm that it may attach%s: pass the stack or the app that contains the "+
			"alarms, and use AttachEventRule for alarms that this app does not define", where, why)
	}
}

// where returns the path of the scope, for messages.
func (a *attachAll) where() string {
	if path := *a.scope.Node().Path(); path != "" {
		return path
	}
	return "the app"
}

// isAround reports whether a Stage, or the app, is below the scope.
func (a *attachAll) isAround(stage awscdk.Stage) bool {
	scope, path := *a.scope.Node().Path(), *stage.Node().Path()
	return path != scope && isWithin(path, scope)
}

// stages returns the Stages below the scope with alarms that no AlarmTriage of the app investigates, and the number of these.
func (a *attachAll) stages() (stages []string) {
	t := a.triage
	for _, stage := range alarmjs.Stages(a.scope) {
		alarms := slices.DeleteFunc(stage.Alarms, func(alarm alarmjs.Alarm) bool {
			return strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix) || alarm.OnlyScales || t.app.memberSends(alarm) || t.app.owners[alarm.Path] != nil || t.app.isSelected(alarm)
		})
		if len(alarms) > 0 {
			stages = append(stages, fmt.Sprintf("Stage %s (%s)", stage.Path, counted(len(alarms), "alarm")))
		}
	}
	return stages
}

// tokenMark begins each token in a text.
const tokenMark = "${Token["

// alarmName returns the name of an alarm, or its beginning if the rest is a token, or the id of its construct if nothing of the
// name is known at synth. The name of a self-alarm may end in a token.
func alarmName(alarm alarmjs.Alarm) string {
	if alarm.Beginning != "" && !strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix) {
		return alarm.Beginning
	}
	if alarm.Name != "" && (strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix) || !strings.Contains(alarm.Name, tokenMark)) {
		return alarm.Name
	}
	return path.Base(alarm.Path)
}

// problems returns every problem of the filter, which may be nil.
func (f *AlarmFilter) problems() []string {
	var l problems
	if f != nil {
		l.texts("AlarmFilter.NamePrefixes", f.NamePrefixes, "match every alarm")
		l.texts("AlarmFilter.ExceptNamePrefixes", f.ExceptNamePrefixes, "exclude no alarm")
		l.covered("AlarmFilter.NamePrefixes", f.NamePrefixes, "AlarmFilter.ExceptNamePrefixes", f.ExceptNamePrefixes)
		l.comparable("AlarmFilter.NamePrefixes", f.NamePrefixes)
		l.comparable("AlarmFilter.ExceptNamePrefixes", f.ExceptNamePrefixes)
	}
	return l
}

// comparable checks that prefixes, which AttachAll compares with names at synth, are known then.
func (l *problems) comparable(prop string, list *[]*string) {
	if list == nil || unresolved(list) {
		return
	}
	if slices.ContainsFunc(*list, func(prefix *string) bool { return prefix != nil && unresolved(prefix) }) {
		l.add("%s must contain texts that are known at synth, because AttachAll compares them with the names of alarms then, got a token: use "+
			"AttachEventRule, whose prefixes may be tokens", prop)
	}
}

// note records the prefixes with which the name of an alarm begins.
func (f *AlarmFilter) note(name string, begun map[string]bool) {
	if f == nil {
		return
	}
	for _, prefix := range append(stringsOf(f.NamePrefixes), stringsOf(f.ExceptNamePrefixes)...) {
		if strings.HasPrefix(name, prefix) {
			begun[prefix] = true
		}
	}
}

// unmatched lists the prefixes with which the name of no alarm begins; empty if there are none.
func (f *AlarmFilter) unmatched(begun map[string]bool) string {
	if f == nil {
		return ""
	}
	var parts []string
	for _, list := range []struct {
		prop     string
		prefixes *[]*string
	}{{"NamePrefixes", f.NamePrefixes}, {"ExceptNamePrefixes", f.ExceptNamePrefixes}} {
		missing := slices.DeleteFunc(knownTexts(list.prefixes), func(prefix string) bool { return begun[prefix] })
		if len(missing) > 0 {
			parts = append(parts, list.prop+" "+quoted(missing))
		}
	}
	return strings.Join(parts, " and ")
}

// quoted returns the first texts of a list in quotation marks.
func quoted(texts []string) string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = strconv.Quote(text)
	}
	return listed(list)
}

func (f *AlarmFilter) matches(name string) bool {
	if f == nil {
		return true
	}
	return (f.NamePrefixes == nil || hasPrefix(name, f.NamePrefixes)) && !hasPrefix(name, f.ExceptNamePrefixes)
}

func hasPrefix(name string, prefixes *[]*string) bool {
	if prefixes == nil {
		return false
	}
	for _, prefix := range *prefixes {
		if strings.HasPrefix(name, *prefix) {
			return true
		}
	}
	return false
}

// EventRuleProps selects the alarms whose events an EventBridge rule sends to AlarmTriage.
type EventRuleProps struct {
	// The bus that receives the events, such as one to which other accounts and Regions send them. Default: the
	// account's default bus.
	EventBus awsevents.IEventBus
	// Only alarms whose name begins with one of these prefixes. Default: every alarm.
	NamePrefixes *[]*string
	// Exclude alarms whose name begins with one of these prefixes. If NamePrefixes is set, too, a text after `:alarm:`
	// in a name also counts as its beginning. Default: none.
	ExceptNamePrefixes *[]*string
	// Only alarms with all of these tags; for each key, one of its values must match. Needs tag propagation. Default:
	// alarms with any tags or none.
	Tags *map[string]*[]*string
	// Only alarms of these accounts, 12 digits each. Default: every account whose events the bus receives.
	Accounts *[]*string
	// Only alarms of these Regions. Default: every Region whose events the bus receives.
	Regions *[]*string
}

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]+(?:-[a-z]+)+-[0-9]+$`)
)

// problems returns every problem of the props, sorted.
func (p *EventRuleProps) problems() []string {
	var l problems
	l.alarms("EventRuleProps.NamePrefixes", p.NamePrefixes, "EventRuleProps.ExceptNamePrefixes", p.ExceptNamePrefixes, "EventRuleProps.Tags", p.Tags)
	l.texts("EventRuleProps.Accounts", p.Accounts, "match every alarm")
	l.texts("EventRuleProps.Regions", p.Regions, "match every alarm")
	if p.Accounts != nil && !unresolved(p.Accounts) {
		for _, account := range *p.Accounts {
			if account != nil && !unresolved(account) && !accountPattern.MatchString(deref(account)) {
				l.add("EventRuleProps.Accounts must contain account IDs of 12 digits, got %q", deref(account))
			}
		}
	}
	if p.Regions != nil && !unresolved(p.Regions) {
		for _, region := range *p.Regions {
			if region != nil && !unresolved(region) && !regionPattern.MatchString(deref(region)) {
				l.add("EventRuleProps.Regions must contain Regions such as \"eu-west-1\", got %q", deref(region))
			}
		}
	}
	slices.Sort(l)
	return l
}

// alarms checks the props that select alarms by name and tags.
func (l *problems) alarms(namesProp string, names *[]*string, exceptProp string, except *[]*string, tagsProp string, tags *map[string]*[]*string) {
	l.texts(namesProp, names, "match every alarm")
	l.texts(exceptProp, except, "exclude no alarm")
	l.covered(namesProp, names, exceptProp, except)
	if tags == nil {
		return
	}
	if len(*tags) == 0 { // EventBridge rejects empty objects
		l.add("%s must contain at least one key; omit it to match alarms with any tags or none", tagsProp)
	}
	for key, values := range *tags {
		if values != nil && !l.isKnownList(fmt.Sprintf("%s[%q]", tagsProp, key), values) {
			continue
		}
		if key == "" || values == nil || len(*values) == 0 || slices.Contains(*values, nil) {
			l.add("%s must contain at least one value for each key, got none for %q", tagsProp, key)
		}
	}
}

// covered checks that prefixes select alarms that an AlarmTriage investigates, and that the exceptions leave some of them.
func (l *problems) covered(namesProp string, names *[]*string, exceptProp string, except *[]*string) {
	for _, prefix := range knownTexts(withoutNil(names)) {
		if strings.HasPrefix(prefix, config.SelfAlarmPrefix) {
			l.add("%s must not select self-alarms, which no AlarmTriage investigates, got %q: notify people with SelfAlarmTopic", namesProp, prefix)
		}
	}
	covered := coveredPrefixes(names, except)
	isOpen := func(prefix string) bool { return covered[prefix] == "" }
	if len(covered) > 0 && !slices.ContainsFunc(stringsOf(withoutNil(names)), isOpen) {
		exceptions := slices.Compact(slices.Sorted(maps.Values(covered)))
		l.add("%s must leave some of the alarms that %s selects, got %s, which excludes all of them: correct one of both", exceptProp, namesProp, quoted(exceptions))
	}
}

// coveredPrefixes returns the prefixes of which an exception excludes every alarm, with the exception.
func coveredPrefixes(names, except *[]*string) map[string]string {
	covered := map[string]string{}
	for _, prefix := range knownTexts(withoutNil(names)) {
		for _, exception := range knownTexts(withoutNil(except)) {
			if exception != "" && strings.HasPrefix(prefix, exception) {
				covered[prefix] = exception
			}
		}
	}
	return covered
}

// warnOfCovered adds a warning for each prefix of which an exception excludes every alarm.
func warnOfCovered(c constructs.Construct, method string, names, except *[]*string) {
	covered := coveredPrefixes(names, except)
	for _, prefix := range slices.Sorted(maps.Keys(covered)) {
		warn(c, "unmatched-prefix", "%s got the prefix %q, which selects no alarm, because the exception %q excludes all of them: correct one of both",
			method, prefix, covered[prefix])
	}
}

// texts checks that an optional list is not empty and contains no empty texts. The parameter omitted
// describes the effect of omitting the list, for the error.
func (l *problems) texts(prop string, list *[]*string, omitted string) {
	if list == nil || !l.isKnownList(prop, list) {
		return
	}
	if len(*list) == 0 || slices.ContainsFunc(*list, func(s *string) bool { return deref(s) == "" }) {
		l.add("%s must contain only non-empty texts, and at least one; omit it to %s", prop, omitted)
	}
}

// warnOfWildcards adds a warning if prefixes look like patterns. Names of alarms may contain asterisks, but rarely do.
func warnOfWildcards(c constructs.Construct, method string, lists ...*[]*string) {
	for _, list := range lists {
		for _, prefix := range stringsOf(list) {
			if strings.HasSuffix(prefix, "*") && !unresolved(prefix) {
				warn(c, "wildcard-prefix", "%s got the prefix %q, which selects names that contain an asterisk there: every prefix matches all "+
					"names that begin with it, so omit the asterisk, or acknowledge this warning", method, prefix)
			}
		}
	}
}

// AttachEventRule adds an EventBridge rule with the given id. The rule starts investigations for alarms
// that this app does not define. Exclude alarms of scaling policies, such as those whose names begin with
// TargetTracking-. It also receives the events of muted alarms and suppressed composite alarms, which the
// orchestrator skips. If props is nil, the rule matches every alarm of the default bus, except self-alarms. If
// props has mistakes, AttachEventRule panics once and lists all of them.
func (t *AlarmTriage) AttachEventRule(id *string, props *EventRuleProps) awsevents.Rule {
	if deref(id) == "" {
		panic("alarmtriage: AttachEventRule needs an id, which is unique within AlarmTriage, got none")
	}
	if props == nil {
		props = &EventRuleProps{}
	}
	l := problems(props.problems())
	l.places(t, withoutNilResources([]given{{"EventRuleProps.EventBus", props.EventBus, samePlace}}))
	if props.EventBus != nil {
		l.arnOf("EventRuleProps.EventBus", *props.EventBus.EventBusArn(), busForm, regionOf(t))
	}
	slices.Sort(l)
	panicOn(l)
	if t.Node().TryFindChild(id) != nil {
		panic(fmt.Sprintf("alarmtriage: AttachEventRule needs an id that is unique within AlarmTriage %s, got %q, which exists: choose another one",
			t.path, *id))
	}
	warnOfWildcards(t, "AttachEventRule", props.NamePrefixes, props.ExceptNamePrefixes)
	warnOfCovered(t, "AttachEventRule", props.NamePrefixes, props.ExceptNamePrefixes)
	t.hasSources = true
	t.use("EventBus", props.EventBus)
	states := jsii.Strings("ALARM")
	if t.notifyRecovery {
		states = jsii.Strings("ALARM", "OK")
	}
	pattern, wildcards := props.pattern(states)
	rule := awsevents.NewRule(t, id, &awsevents.RuleProps{
		Description:  jsii.String("Alarms to investigate"),
		EventBus:     props.EventBus,
		EventPattern: pattern,
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(t.orchestrator, nil)},
	})
	t.rules = append(t.rules, ruleSource{path: t.path + "/" + *id, props: props})
	warnOfPattern(rule, "NamePrefixes", "ExceptNamePrefixes", "call AttachEventRule several times", wildcards)
	return rule
}

// pattern returns the event pattern of the alarms that go to one of the states, and the number of its patterns with
// wildcards.
func (p *EventRuleProps) pattern(states *[]*string) (*awsevents.EventPattern, int) {
	names, alarms, wildcards := p.namePatterns()
	detail := map[string]any{"state": map[string]any{"value": states}, "alarmName": names}
	if p.Tags != nil {
		tags := map[string]any{}
		for key, values := range *p.Tags {
			tags[key] = values
		}
		detail["alarmTags"] = tags
	}
	return &awsevents.EventPattern{
		Source:     jsii.Strings(alarmevent.EventSource),
		DetailType: jsii.Strings(alarmevent.DetailTypeStateChange, alarmevent.DetailTypeContributorStateChange),
		Account:    p.Accounts,
		Region:     p.Regions,
		Resources:  alarms,
		Detail:     &detail,
	}, wildcards
}

const (
	maxPatternLength = 2048 // characters of an event pattern ("Amazon EventBridge quotas"; it can be raised)

	// EventBridge rejects rules that are "too complex" and does not document the limit. Rules with three patterns of two
	// wildcards each were accepted, those with four were not (vals-ai/Valkyrie, pull request 278).
	maxWildcardPatterns = 3
)

// warnOfPattern warns if EventBridge probably rejects the pattern of a rule. The props names and except select alarms, and split
// is how the prefixes can be distributed to several rules; empty if they can't.
func warnOfPattern(rule awsevents.Rule, names, except, split string, wildcards int) {
	resource := rule.Node().DefaultChild().(awsevents.CfnRule)
	or := func(format string, args ...any) string {
		if split == "" {
			return ""
		}
		return ", or " + split + ", with " + fmt.Sprintf(format, args...)
	}
	if length := patternLength(awscdk.Stack_Of(rule).Resolve(resource.EventPattern())); length > maxPatternLength {
		awscdk.Annotations_Of(rule).AddWarningV2(jsii.String("alarmtriage:long-pattern"), jsii.Sprintf("alarmtriage: the event pattern has %d "+
			"characters, and EventBridge accepts %d unless the account's quota is higher: use fewer or shorter prefixes%s", length, maxPatternLength,
			or("a part of the prefixes each")), nil)
	}
	if wildcards > maxWildcardPatterns {
		awscdk.Annotations_Of(rule).AddWarningV2(jsii.String("alarmtriage:complex-pattern"), jsii.Sprintf("alarmtriage: %s and "+
			"%s together need %d wildcard patterns, and EventBridge rejects rules with too many of them; %d are accepted: omit "+
			"%s, use fewer %s%s", names, except, wildcards, maxWildcardPatterns, except, names, or("at most %d prefixes each", maxWildcardPatterns)), nil)
	}
}

// patternLength returns the number of characters of an event pattern as CloudFormation sends it. If it contains tokens,
// the number is an estimate.
func patternLength(pattern any) int {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(pattern) != nil { // a resolved pattern is plain JSON
		return 0
	}
	return utf8.RuneCountInString(strings.TrimSuffix(text.String(), "\n"))
}

// namePatterns returns the patterns of an alarm's name and, if those are not enough, of its ARN, and the number of
// patterns with wildcards.
func (p *EventRuleProps) namePatterns() (names []any, alarms *[]*string, wildcards int) {
	prefixes, except := stringsOf(p.NamePrefixes), stringsOf(p.ExceptNamePrefixes)
	if p.NamePrefixes == nil {
		// The orchestrator skips self-alarms too. If the rule excludes them, the orchestrator is not even invoked.
		var excluded any = config.SelfAlarmPrefix
		if len(except) > 0 {
			excluded = append([]string{config.SelfAlarmPrefix}, except...)
		}
		return []any{map[string]any{"anything-but": map[string]any{"prefix": excluded}}}, nil, 0
	}
	// An exception that begins with none of the prefixes excludes nothing.
	except = slices.DeleteFunc(except, func(exception string) bool {
		return !slices.ContainsFunc(prefixes, func(prefix string) bool { return mayBegin(exception, prefix) || mayBegin(prefix, exception) })
	})
	for _, prefix := range prefixes {
		names = append(names, map[string]any{"prefix": prefix})
	}
	// The patterns of one field are alternatives, so "one of these" and "none of those" need two fields. The second is
	// the alarm's ARN, which ends with the name; an event contains it in its resources. Its patterns need wildcards, of
	// which EventBridge accepts few, so the shorter list goes there.
	ofARN := func(prefix string) *string { return jsii.Sprintf("arn:*:alarm:%s*", wildcardText.Replace(prefix)) }
	switch {
	case len(except) == 0:
		return names, nil, 0
	case len(except) < len(prefixes):
		patterns := make([]*string, len(except))
		for i, exception := range except {
			patterns[i] = ofARN(exception)
		}
		return names, awsevents.Match_AnythingButWildcard(patterns...), len(except)
	}
	var matchers []any
	for _, prefix := range prefixes {
		matchers = append(matchers, awsevents.Match_Wildcard(ofARN(prefix)))
	}
	except = append([]string{config.SelfAlarmPrefix}, except...)
	return []any{map[string]any{"anything-but": map[string]any{"prefix": except}}}, awsevents.Match_AnyOf(matchers...), len(prefixes)
}

// mayBegin reports whether a text begins with a prefix, or may begin with it because one of both is a token.
func mayBegin(text, prefix string) bool {
	return strings.HasPrefix(text, prefix) || unresolved(text) || unresolved(prefix)
}

// wildcardText escapes the special characters of EventBridge's wildcard patterns.
var wildcardText = strings.NewReplacer(`\`, `\\`, `*`, `\*`)

// maxFilterValues is SNS's limit of the values in a filter policy ("Filter policy constraints").
const maxFilterValues = 150

// AlarmTopicProps selects alarms that notify an SNS topic.
type AlarmTopicProps struct {
	// Only alarms whose name begins with one of these prefixes, at most 150. Default: every alarm.
	NamePrefixes *[]*string
}

// AttachTopic lets the alarms that notify topic start an investigation. If props is nil, all of them do. With
// NotifyRecovery, the alarms must also notify topic when they return to OK (AddOkAction).
// Everybody who may publish to topic can write such a message. The orchestrator therefore asks CloudWatch, for
// which AttachTopic grants cloudwatch:DescribeAlarmContributors, and a message that CloudWatch does not confirm
// suppresses no other event. The topic's policy should only admit
// cloudwatch.amazonaws.com with aws:SourceAccount; AttachTopic adds a warning if the policy admits everybody,
// or is not known because topic is imported, and another warning if topic is in another account or Region, whose
// alarms CloudWatch does not confirm. AttachTopic panics if topic is a FIFO topic, a topic that AlarmTriage sends
// to, or one to which AlarmTriage's stack can't refer, or if props is invalid.
func (t *AlarmTriage) AttachTopic(topic awssns.ITopic, props *AlarmTopicProps) {
	if isNil(topic) {
		panic("alarmtriage: AttachTopic needs a topic, got nil")
	}
	if *topic.Fifo() {
		panic(fmt.Sprintf("alarmtriage: topic %s is a FIFO topic, to which functions can't subscribe: "+
			"use a standard topic", *topic.Node().Path()))
	}
	for _, target := range t.targets {
		if sameTopic(target.topic, topic) {
			panic(fmt.Sprintf("alarmtriage: AlarmTriage %s sends to topic %s and can't be subscribed to it: "+
				"pass the alarms' topic to AttachTopic, and a separate topic to %s", *t.Node().Path(), *topic.Node().Path(), target.prop))
		}
	}
	if slices.ContainsFunc(t.alarmTopics, func(other topicSource) bool { return sameTopic(other.topic, topic) }) {
		panic(fmt.Sprintf("alarmtriage: topic %s is attached to AlarmTriage %s already: call AttachTopic once, with all NamePrefixes",
			*topic.Node().Path(), t.path))
	}
	var l problems
	l.arnOf("the topic of AttachTopic", *topic.TopicArn(), topicForm, regionOf(t))
	panicOn(l)
	var subscription *awssnssubscriptions.LambdaSubscriptionProps
	if props != nil && props.NamePrefixes != nil {
		l.texts("AlarmTopicProps.NamePrefixes", props.NamePrefixes, "match every alarm")
		l.covered("AlarmTopicProps.NamePrefixes", props.NamePrefixes, "", nil)
		if n := len(*props.NamePrefixes); n > maxFilterValues {
			l.add("AlarmTopicProps.NamePrefixes must contain at most %d prefixes, which is SNS's limit of a filter policy, got %d", maxFilterValues, n)
		}
		panicOn(l)
		warnOfWildcards(t, "AttachTopic", props.NamePrefixes)
		byName := awssns.SubscriptionFilter_StringFilter(&awssns.StringConditions{MatchPrefixes: props.NamePrefixes})
		subscription = &awssnssubscriptions.LambdaSubscriptionProps{
			FilterPolicyWithMessageBody: &map[string]awssns.FilterOrPolicy{"AlarmName": awssns.FilterOrPolicy_Filter(byName)},
		}
	}
	t.warnOfPlace(topic)
	t.use("AttachTopic", topic)
	t.hasSources = true
	source := topicSource{topic: topic}
	if props != nil {
		source.prefixes = props.NamePrefixes
	}
	t.alarmTopics = append(t.alarmTopics, source)
	t.allowConfirmation()
	t.warnOfPublishers(topic)
	topic.AddSubscription(&alarmSubscription{triage: t, props: subscription})
}

// alarmSubscription is CDK's LambdaSubscription of the orchestrator, which has the id of the topic's construct, except if the
// orchestrator has a construct with this id, such as the subscription of the topic of another stack, or if the topic is in a
// stack that contains AlarmTriage's nested stack, which CDK would make depend on it.
type alarmSubscription struct {
	triage *AlarmTriage
	props  *awssnssubscriptions.LambdaSubscriptionProps // may be nil
}

// Bind implements [awssns.ITopicSubscription].
func (s *alarmSubscription) Bind(topic awssns.ITopic) *awssns.TopicSubscriptionConfig {
	function, unique := s.triage.orchestrator, awscdk.Names_NodeUniqueId(topic.Node())
	id := topic.Node().Id()
	if function.Node().TryFindChild(id) != nil {
		id = unique
	}
	if !isNestedIn(awscdk.Stack_Of(s.triage), awscdk.Stack_Of(topic)) {
		config := awssnssubscriptions.NewLambdaSubscription(function, s.props).Bind(topic)
		config.SubscriberId = id
		return config
	}
	function.AddPermission(jsii.String("AllowInvoke:"+*unique), &awslambda.Permission{
		SourceArn: topic.TopicArn(), Principal: awsiam.NewServicePrincipal(jsii.String("sns.amazonaws.com"), nil),
	})
	config := &awssns.TopicSubscriptionConfig{
		SubscriberScope: function, SubscriberId: id, Endpoint: function.FunctionArn(), Protocol: awssns.SubscriptionProtocol_LAMBDA,
	}
	if s.props != nil {
		config.FilterPolicyWithMessageBody = s.props.FilterPolicyWithMessageBody
	}
	return config
}
