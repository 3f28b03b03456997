package alarmtriage

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// ruleSource is an event rule of AttachEventRule or of a member.
type ruleSource struct {
	path   string
	props  *EventRuleProps
	bus    string // as busOf returns it
	member bool   // it belongs to a member, and selects only alarms of the member's account
}

// topicSource is a topic of AttachTopic.
type topicSource struct {
	topic    awssns.ITopic
	prefixes *[]*string
}

// warnOfSharedSources adds warnings if AlarmTriage and another one, which the app created before, investigate the same alarms.
// Alarms that are attached to both cause a separate warning, shared-alarm.
func (t *AlarmTriage) warnOfSharedSources(other *AlarmTriage) {
	const effect = "both investigate them, send reports, and cost money. Select different alarms, for example with "
	if sameARN("dynamodb", t.table, other.table, t.table.TableArn(), other.table.TableArn()) {
		t.warn("shared-table", "the table %s is also the InvestigationsTable of AlarmTriage %s: only one of the two investigates an alarm that starts both, "+
			"and both count its investigations. Pass another table, or omit InvestigationsTable", *t.table.Node().Path(), other.path)
	}
	rules, otherRules := t.allRules(), other.allRules()
	for _, rule := range rules {
		for _, otherRule := range otherRules {
			if rule.bus == otherRule.bus && rule.props.overlaps(otherRule.props) {
				t.warn("shared-source", "the rule %s selects alarms that the rule %s of AlarmTriage %s selects, too: %s%s", rule.path, otherRule.path,
					other.path, effect, exceptProps(rule, otherRule))
			}
		}
	}
	for _, pair := range []struct {
		owner    *AlarmTriage
		rules    []ruleSource
		attached *AlarmTriage
	}{{t, rules, other}, {other, otherRules, t}} {
		for _, rule := range pair.rules {
			if alarms := pair.attached.selectedBy(rule); len(alarms) > 0 {
				t.warn("shared-source", "the rule %s of AlarmTriage %s selects alarms that are attached to AlarmTriage %s (%s): %s%s", rule.path,
					pair.owner.path, pair.attached.path, listed(alarms), effect, exceptProps(rule))
			}
		}
	}
	for _, source := range t.alarmTopics {
		for _, otherSource := range other.alarmTopics {
			if sameTopic(source.topic, otherSource.topic) && prefixesOverlap(source.prefixes, nil, otherSource.prefixes, nil) {
				t.warn("shared-source", "the topic %s is also attached to AlarmTriage %s: both investigate its alarms, send reports, and cost money. "+
					"Attach it to one of the two, or select different alarms with NamePrefixes", *source.topic.Node().Path(), other.path)
			}
		}
	}
}

// exceptProps names the props with which rules exclude alarms by name.
func exceptProps(rules ...ruleSource) string {
	var props []string
	for _, rule := range rules {
		prop := "ExceptNamePrefixes"
		if rule.member {
			prop = "ExceptAlarmNamePrefixes of the AlarmTriageMember"
		}
		if !slices.Contains(props, prop) {
			props = append(props, prop)
		}
	}
	return strings.Join(props, " or ")
}

// warnOfReportTopics adds a warning if a topic of AttachTopic receives the reports of another AlarmTriage. A filter of names
// drops messages that are no alarm notifications.
func (t *AlarmTriage) warnOfReportTopics(other *AlarmTriage) {
	for _, source := range t.alarmTopics {
		for prop, topic := range other.reportTopics {
			if source.prefixes == nil && sameTopic(source.topic, topic) {
				t.warn("report-topic", "AttachTopic got the topic %s, which is the %s of AlarmTriage %s: each of its messages invokes this AlarmTriage, "+
					"which fails because the message is no alarm notification. Pass the topic that the alarms notify, or NamePrefixes, with which "+
					"other messages are dropped", *source.topic.Node().Path(), prop, other.path)
			}
		}
	}
}

// busOf identifies the bus of a rule. Stacks whose environment is not known at synth have different default buses.
func (t *AlarmTriage) busOf(props *EventRuleProps) string {
	if !props.onDefaultBus() {
		return *props.EventBus.EventBusArn()
	}
	return placeID(awscdk.Stack_Of(t))
}

// onDefaultBus reports whether a rule is on the default bus of its account and Region.
func (p *EventRuleProps) onDefaultBus() bool {
	return p.EventBus == nil || *p.EventBus.EventBusName() == "default"
}

// allRules returns the event rules that send alarms to AlarmTriage: its own, and those of its members.
func (t *AlarmTriage) allRules() (rules []ruleSource) {
	for _, rule := range t.rules {
		rule.bus = t.busOf(rule.props)
		rules = append(rules, rule)
	}
	for _, m := range t.app.members {
		if m.isOf(t) {
			rules = append(rules, ruleSource{path: *m.rule.Node().Path(), props: m.alarms, bus: m.placeID, member: true})
		}
	}
	return rules
}

// placeID identifies the account and Region of a stack. If one of them is not known at synth, it identifies the stack.
func placeID(stack awscdk.Stack) string {
	if unresolved(stack.Account()) || unresolved(stack.Region()) {
		return *stack.Node().Path()
	}
	return *stack.Environment()
}

// selectedBy returns the paths of attached alarms that a rule of another AlarmTriage selects. It omits alarms of which only
// CloudFormation knows whether the rule selects them.
func (t *AlarmTriage) selectedBy(rule ruleSource) (paths []string) {
	p := rule.props
	if len(t.attached) == 0 || p.Accounts != nil && !rule.member || p.Regions != nil || placeID(awscdk.Stack_Of(t)) != rule.bus {
		return nil
	}
	for _, alarm := range t.attached {
		if p.selects(alarm.Alarm) {
			paths = append(paths, alarm.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// isSelected reports whether an event rule of an AlarmTriage of the app certainly selects an alarm, so that it needs no action.
func (a *appState) isSelected(alarm alarmjs.Alarm) bool {
	return slices.ContainsFunc(a.triages, func(t *AlarmTriage) bool { return t.selectsByRule(alarm) })
}

// selectsByRule reports whether an event rule of AlarmTriage certainly selects an alarm. The default bus has the events of the
// account and Region that it is in. If the app sends events there, it also has those of other accounts and Regions that the rule
// names. Another bus has the events of the accounts and Regions that the rule names, and those that rules of the app send to it.
func (t *AlarmTriage) selectsByRule(alarm alarmjs.Alarm) bool {
	if len(t.rules) == 0 || strings.HasPrefix(alarm.Name, config.SelfAlarmPrefix) {
		return false
	}
	place, name := placeOfAlarm(alarm)
	alarm.Name = name
	return t.selectsAt(place, alarm)
}

// selectsAt is selectsByRule for an alarm at a place, as placeID identifies it, with its name.
func (t *AlarmTriage) selectsAt(place string, alarm alarmjs.Alarm) bool {
	account, region, _ := strings.Cut(strings.TrimPrefix(place, "aws://"), "/")
	names := func(list *[]*string, own string) bool { return list != nil && slices.Contains(stringsOf(list), own) }
	return slices.ContainsFunc(t.rules, func(rule ruleSource) bool {
		p := rule.props
		byAccount, byRegion := names(p.Accounts, account), names(p.Regions, region)
		if t.memberBus != nil && p.EventBus == t.memberBus { // only members send events to it
			return false
		}
		if !p.selects(alarm) || !byAccount && p.Accounts != nil || !byRegion && p.Regions != nil {
			return false
		}
		if t.busOf(p) == place {
			return true
		}
		isNamed := (byAccount || byRegion) && (byAccount || !elsewhere(account, accountOf(t))) && (byRegion || !elsewhere(region, regionOf(t)))
		if p.onDefaultBus() {
			return isNamed && t.receivesOnDefaultBus()
		}
		return isNamed || slices.Contains(t.sendersTo(p.EventBus), place)
	})
}

// placeOfAlarm returns the place of an alarm, as placeID does, and its name. Those of an imported alarm are in its ARN.
func placeOfAlarm(alarm alarmjs.Alarm) (place, name string) {
	if alarm.Stack != nil {
		return placeID(alarm.Stack), alarm.Name
	}
	imported, isAlarm := alarm.Construct.(awscloudwatch.IAlarm)
	if !isAlarm {
		return "", ""
	}
	const region, account, last, all = 3, 4, 6, 7
	parts := strings.SplitN(*imported.AlarmArn(), ":", all)
	if len(parts) < all || unresolved(parts[account]) || unresolved(parts[region]) {
		return placeID(awscdk.Stack_Of(imported)), ""
	}
	return "aws://" + parts[account] + "/" + parts[region], parts[last]
}

// selects reports whether a rule certainly selects an alarm of its bus by name and tags. Only CloudFormation knows some names.
func (p *EventRuleProps) selects(alarm alarmjs.Alarm) bool {
	if p.Tags != nil {
		return false
	}
	if p.NamePrefixes == nil && p.ExceptNamePrefixes == nil {
		return true
	}
	filter := AlarmFilter{p.NamePrefixes, p.ExceptNamePrefixes}
	if begin := alarm.Beginning; begin != "" { // an exception may begin with more than what is known
		return filter.matches(begin) && !slices.ContainsFunc(stringsOf(p.ExceptNamePrefixes), func(e string) bool { return mayBegin(e, begin) })
	}
	return alarm.Name != "" && !strings.Contains(alarm.Name, tokenMark) && filter.matches(alarm.Name)
}

// overlaps reports whether there are alarms that both rules certainly select, if they are on the same bus.
func (p *EventRuleProps) overlaps(other *EventRuleProps) bool {
	return textsOverlap(p.Accounts, other.Accounts) && textsOverlap(p.Regions, other.Regions) && tagsOverlap(p.Tags, other.Tags) &&
		prefixesOverlap(p.NamePrefixes, p.ExceptNamePrefixes, other.NamePrefixes, other.ExceptNamePrefixes)
}

// textsOverlap reports whether two lists have a text in common. A list that is nil contains every text.
func textsOverlap(a, b *[]*string) bool {
	return a == nil || b == nil || slices.ContainsFunc(stringsOf(a), func(text string) bool { return slices.Contains(stringsOf(b), text) })
}

// tagsOverlap reports whether there are alarms with the tags that both rules need. Rules with different keys need not have
// alarms in common.
func tagsOverlap(a, b *map[string]*[]*string) bool {
	if a == nil || b == nil {
		return true
	}
	if len(*a) > len(*b) {
		a, b = b, a
	}
	for key, values := range *a {
		others, both := (*b)[key]
		if !both || !textsOverlap(values, others) {
			return false
		}
	}
	return true
}

// prefixesOverlap reports whether there are names that begin with one of the prefixes of each side, and with none of the
// exceptions. Prefixes that are nil select every name.
func prefixesOverlap(prefixes, except, otherPrefixes, otherExcept *[]*string) bool {
	every := &[]*string{new(string)}
	if prefixes == nil {
		prefixes = every
	}
	if otherPrefixes == nil {
		otherPrefixes = every
	}
	for _, prefix := range stringsOf(prefixes) {
		for _, other := range stringsOf(otherPrefixes) {
			longer := prefix
			if len(other) > len(prefix) {
				longer = other
			}
			if strings.HasPrefix(longer, prefix) && strings.HasPrefix(longer, other) && !hasPrefix(longer, except) && !hasPrefix(longer, otherExcept) {
				return true
			}
		}
	}
	return false
}
