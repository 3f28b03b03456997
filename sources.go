package alarmtriage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// AlarmFilter says which alarms are meant. A nil filter means all.
type AlarmFilter struct {
	// Only alarms whose name begins with one of these. Default: every name.
	NamePrefixes *[]*string
	// Never alarms whose name begins with one of these. Default: none.
	ExceptNamePrefixes *[]*string
}

// AttachAll lets every alarm below scope (a stack, a stage, the app) start an investigation, also those
// that are defined later. The triage's own alarms are left out. A filter's prefixes are compared with the
// alarm's name, or with the construct's id where CloudFormation makes the name. Each alarm that was attached
// gets an annotation that says so, which the CDK CLI prints, and a warning where it is of another account or
// Region. CDK leads no aspect into a stage below scope. It panics with what is wrong in filter.
func (t *AlarmTriage) AttachAll(scope constructs.IConstruct, filter *AlarmFilter) {
	if mistakes := filter.mistakes(); len(mistakes) > 0 {
		panic(fmt.Sprintf("alarmtriage: %s", strings.Join(mistakes, "\nalarmtriage: ")))
	}
	awscdk.Aspects_Of(scope).Add(&attachAll{triage: t, filter: filter}, nil)
}

// attachAll is the aspect behind AttachAll.
type attachAll struct {
	triage *AlarmTriage
	filter *AlarmFilter
}

// Visit implements [awscdk.IAspect].
func (a *attachAll) Visit(node constructs.IConstruct) {
	_, isAlarm := node.(awscloudwatch.AlarmBase)
	resource, isResource := node.(alarmResource)
	if !isAlarm && !(isResource && standsAlone(resource)) {
		return
	}
	path := *node.Node().Path()
	// An aspect may visit a node again, and some alarms are attached by hand.
	if a.triage.isAttached(path) || a.triage.owns(path) || !a.filter.matches(alarmName(node)) {
		return
	}
	if problem := a.triage.outOfReach(node); problem != "" {
		awscdk.Annotations_Of(node).AddWarningV2(jsii.String("alarmtriage:out-of-reach"),
			jsii.Sprintf("alarmtriage: not attached to AlarmTriage %s: %s", *a.triage.Node().Path(), problem), nil)
		return
	}
	a.triage.attachAny(node)
	awscdk.Annotations_Of(node).AddInfoV2(jsii.String("alarmtriage:attached"),
		jsii.Sprintf("alarmtriage: attached to AlarmTriage %s", *a.triage.Node().Path()))
}

// standsAlone tells whether an alarm's resource has no alarm construct around it: such a construct is attached itself.
func standsAlone(resource alarmResource) bool {
	_, within := resource.Node().Scope().(awscloudwatch.AlarmBase)
	return !within
}

// alarmName is the name that the alarm was given, or the id of its construct.
func alarmName(alarm constructs.IConstruct) string {
	if resource := resourceOf(alarm); resource != nil {
		if name := resource.AlarmName(); name != nil && !unresolved(name) {
			return *name
		}
	}
	return *alarm.Node().Id()
}

// mistakes lists all that is wrong with the filter, which may be nil.
func (f *AlarmFilter) mistakes() []string {
	var l problems
	if f != nil && f.NamePrefixes != nil && isEmptyList(f.NamePrefixes) {
		l.add("AlarmFilter.NamePrefixes must hold texts, and at least one; leave it out for all")
	}
	if f != nil && f.ExceptNamePrefixes != nil && isEmptyList(f.ExceptNamePrefixes) {
		l.add("AlarmFilter.ExceptNamePrefixes must hold texts, and at least one; leave it out for none")
	}
	return l
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

// EventRuleProps says which alarms of an account an EventBridge rule sends to the triage.
type EventRuleProps struct {
	// The bus that the events come to: the account's default one, or one that other accounts and Regions
	// send their alarm events to. Default: the default bus.
	EventBus awsevents.IEventBus
	// Only alarms whose name begins with one of these. Default: every alarm.
	NamePrefixes *[]*string
	// Never alarms whose name begins with one of these. Default: none.
	ExceptNamePrefixes *[]*string
	// Only alarms with all of these tags; under each key the values of which one must match. CloudWatch puts
	// tags only into the events of alarms whose tag propagation is on. Default: with any tags, or none.
	Tags *map[string]*[]*string
	// Only alarms of these accounts, 12 digits each. Default: every account that the bus takes events from.
	Accounts *[]*string
	// Only alarms of these Regions. Default: every Region that the bus takes events from.
	Regions *[]*string
}

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// mistakes lists all that is wrong with the props.
func (p *EventRuleProps) mistakes() []string {
	var l problems
	for prop, list := range map[string]*[]*string{"NamePrefixes": p.NamePrefixes, "Accounts": p.Accounts, "Regions": p.Regions} {
		if list != nil && isEmptyList(list) {
			l.add("EventRuleProps.%s must hold texts, and at least one; leave it out for all", prop)
		}
	}
	if p.ExceptNamePrefixes != nil && isEmptyList(p.ExceptNamePrefixes) {
		l.add("EventRuleProps.ExceptNamePrefixes must hold texts, and at least one; leave it out for none")
	}
	if p.Accounts != nil {
		for _, account := range *p.Accounts {
			if account != nil && !unresolved(account) && !accountPattern.MatchString(deref(account)) {
				l.add("EventRuleProps.Accounts must hold accounts of 12 digits, got %q", deref(account))
			}
		}
	}
	if p.Tags != nil {
		for key, values := range *p.Tags {
			if key == "" || values == nil || len(*values) == 0 || slices.Contains(*values, nil) {
				l.add("EventRuleProps.Tags must give at least one value for each key, got none for %q", key)
			}
		}
	}
	slices.Sort(l)
	return l
}

// isEmptyList tells whether a list holds no texts, or empty ones.
func isEmptyList(list *[]*string) bool {
	return len(*list) == 0 || slices.ContainsFunc(*list, func(s *string) bool { return deref(s) == "" })
}

// AttachEventRule adds an EventBridge rule under the given id that starts an investigation for alarms
// which this app does not define. Muted alarms and suppressed composite ones are in such events too; the
// orchestrator leaves them alone, as it does all alarms of SelfAlarmTopic. props may be nil: every alarm of
// the default bus. It panics once, with every mistake in props.
func (t *AlarmTriage) AttachEventRule(id *string, props *EventRuleProps) awsevents.Rule {
	if props == nil {
		props = &EventRuleProps{}
	}
	if mistakes := props.mistakes(); len(mistakes) > 0 {
		panic(fmt.Sprintf("alarmtriage: %s", strings.Join(mistakes, "\nalarmtriage: ")))
	}
	states := jsii.Strings("ALARM")
	if t.notifyRecovery {
		states = jsii.Strings("ALARM", "OK")
	}
	names, alarms := props.namePatterns()
	detail := map[string]any{"state": map[string]any{"value": states}, "alarmName": names}
	if props.Tags != nil {
		tags := map[string]any{}
		for key, values := range *props.Tags {
			tags[key] = values
		}
		detail["alarmTags"] = tags
	}
	return awsevents.NewRule(t, id, &awsevents.RuleProps{
		Description: jsii.String("Alarms that are to be investigated"),
		EventBus:    props.EventBus,
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings(alarmevent.EventSource),
			DetailType: jsii.Strings(alarmevent.DetailTypeStateChange, alarmevent.DetailTypeContributorStateChange),
			Account:    props.Accounts,
			Region:     props.Regions,
			Resources:  alarms,
			Detail:     &detail,
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(t.orchestrator, nil)},
	})
}

// namePatterns are what an alarm's name, and where that isn't enough its ARN, must match.
func (p *EventRuleProps) namePatterns() (names []any, alarms *[]*string) {
	if p.NamePrefixes != nil && p.ExceptNamePrefixes == nil {
		for _, prefix := range *p.NamePrefixes {
			names = append(names, map[string]any{"prefix": *prefix})
		}
		return names, nil
	}
	// The orchestrator leaves the self-alarms alone too; here they don't even cost an invocation.
	var except any = config.SelfAlarmPrefix
	if p.ExceptNamePrefixes != nil {
		except = append([]string{config.SelfAlarmPrefix}, texts(p.ExceptNamePrefixes)...)
	}
	names = []any{map[string]any{"anything-but": map[string]any{"prefix": except}}}
	if p.NamePrefixes == nil {
		return names, nil
	}
	// The patterns of one field are alternatives, so that "one of these" and "none of those" need two fields:
	// an event holds the alarm's ARN, which ends with the name, among its resources.
	var matchers []any
	for _, prefix := range *p.NamePrefixes {
		matchers = append(matchers, awsevents.Match_Wildcard(jsii.Sprintf("arn:*:alarm:%s*", wildcardText.Replace(*prefix))))
	}
	return names, awsevents.Match_AnyOf(matchers...)
}

// wildcardText escapes what has a meaning in EventBridge's wildcard patterns.
var wildcardText = strings.NewReplacer(`\`, `\\`, `*`, `\*`)

// AlarmTopicProps says which of the alarms that notify an SNS topic start an investigation.
type AlarmTopicProps struct {
	// Only alarms whose name begins with one of these; SNS filters by the AlarmName of CloudWatch's own
	// notifications, so that nothing else on the topic passes. Default: every alarm.
	NamePrefixes *[]*string
}

// AttachTopic lets the alarms that notify topic start an investigation. props may be nil: all of them. It
// panics when topic is one that the triage itself sends to, or with what is wrong in props.
func (t *AlarmTriage) AttachTopic(topic awssns.ITopic, props *AlarmTopicProps) {
	if topic == nil {
		panic("alarmtriage: AttachTopic needs a topic, got nil")
	}
	if *topic.Fifo() {
		panic(fmt.Sprintf("alarmtriage: topic %s is a FIFO topic, to which no function can be subscribed: give a standard one", *topic.Node().Path()))
	}
	for _, own := range t.topics {
		if own == topic || *own.TopicArn() == *topic.TopicArn() {
			panic(fmt.Sprintf("alarmtriage: AlarmTriage %s sends its reports to topic %s and can't be subscribed to it: "+
				"give the alarms' topic, or one of its own to NotificationTopic", *t.Node().Path(), *topic.Node().Path()))
		}
	}
	var subscription *awssnssubscriptions.LambdaSubscriptionProps
	if props != nil && props.NamePrefixes != nil {
		if isEmptyList(props.NamePrefixes) {
			panic("alarmtriage: AlarmTopicProps.NamePrefixes must hold texts, and at least one; leave it out for all")
		}
		byName := awssns.SubscriptionFilter_StringFilter(&awssns.StringConditions{MatchPrefixes: props.NamePrefixes})
		subscription = &awssnssubscriptions.LambdaSubscriptionProps{
			FilterPolicyWithMessageBody: &map[string]awssns.FilterOrPolicy{"AlarmName": awssns.FilterOrPolicy_Filter(byName)},
		}
	}
	topic.AddSubscription(awssnssubscriptions.NewLambdaSubscription(t.orchestrator, subscription))
}
