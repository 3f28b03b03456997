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

// AlarmFilter selects alarms by name. A nil filter selects all.
type AlarmFilter struct {
	// Only alarms whose name begins with one of these prefixes. Default: every name.
	NamePrefixes *[]*string
	// Exclude alarms whose name begins with one of these prefixes. Default: none.
	ExceptNamePrefixes *[]*string
}

// AttachAll lets every alarm below scope (a stack, a stage, or the app) start an investigation, including
// alarms that are defined later. It skips AlarmTriage's own alarms. The prefixes of filter are compared
// with the alarm's name, or with the construct's id if CloudFormation generates the name. Each attached
// alarm gets an annotation, which the CDK CLI prints; alarms of another account or Region get a warning
// instead. CDK does not apply aspects across Stage boundaries. AttachAll panics if filter is invalid.
func (t *AlarmTriage) AttachAll(scope constructs.IConstruct, filter *AlarmFilter) {
	panicOn(filter.problems())
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
	if !isAlarm && !(isResource && isPlainResource(resource)) {
		return
	}
	path := *node.Node().Path()
	// An aspect may visit a node twice, and some alarms are attached explicitly.
	if a.triage.isAttached(path) || a.triage.contains(path) || !a.filter.matches(alarmName(node)) {
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

// isPlainResource reports whether an alarm's resource was defined without an alarm construct. The aspect
// visits alarm constructs separately.
func isPlainResource(resource alarmResource) bool {
	_, within := resource.Node().Scope().(awscloudwatch.AlarmBase)
	return !within
}

// alarmName returns the name of an alarm, or the id of its construct if CloudFormation generates the name.
func alarmName(alarm constructs.IConstruct) string {
	if resource := resourceOf(alarm); resource != nil {
		if name := resource.AlarmName(); name != nil && !unresolved(name) {
			return *name
		}
	}
	return *alarm.Node().Id()
}

// problems returns every problem of the filter, which may be nil.
func (f *AlarmFilter) problems() []string {
	var l problems
	if f != nil {
		l.texts("AlarmFilter.NamePrefixes", f.NamePrefixes, "match every alarm")
		l.texts("AlarmFilter.ExceptNamePrefixes", f.ExceptNamePrefixes, "exclude no alarm")
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

// EventRuleProps selects the alarms whose events an EventBridge rule sends to AlarmTriage.
type EventRuleProps struct {
	// The bus that receives the events: the account's default bus, or a bus to which other accounts and
	// Regions send their alarm events. Default: the default bus.
	EventBus awsevents.IEventBus
	// Only alarms whose name begins with one of these prefixes. Default: every alarm.
	NamePrefixes *[]*string
	// Exclude alarms whose name begins with one of these prefixes. Default: none.
	ExceptNamePrefixes *[]*string
	// Only alarms with all of these tags; for each key, one of its values must match. Events only contain
	// tags if the alarm's tag propagation is on. Default: alarms with any tags or none.
	Tags *map[string]*[]*string
	// Only alarms of these accounts, 12 digits each. Default: every account whose events the bus receives.
	Accounts *[]*string
	// Only alarms of these Regions. Default: every Region whose events the bus receives.
	Regions *[]*string
}

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// problems returns every problem of the props, sorted.
func (p *EventRuleProps) problems() []string {
	var l problems
	l.texts("EventRuleProps.NamePrefixes", p.NamePrefixes, "match every alarm")
	l.texts("EventRuleProps.Accounts", p.Accounts, "match every alarm")
	l.texts("EventRuleProps.Regions", p.Regions, "match every alarm")
	l.texts("EventRuleProps.ExceptNamePrefixes", p.ExceptNamePrefixes, "exclude no alarm")
	if p.Accounts != nil {
		for _, account := range *p.Accounts {
			if account != nil && !unresolved(account) && !accountPattern.MatchString(deref(account)) {
				l.add("EventRuleProps.Accounts must contain account IDs of 12 digits, got %q", deref(account))
			}
		}
	}
	if p.Tags != nil {
		for key, values := range *p.Tags {
			if key == "" || values == nil || len(*values) == 0 || slices.Contains(*values, nil) {
				l.add("EventRuleProps.Tags must contain at least one value for each key, got none for %q", key)
			}
		}
	}
	slices.Sort(l)
	return l
}

// texts checks that an optional list is not empty and contains no empty texts. The parameter omitted
// describes the effect of omitting the list, for the error.
func (l *problems) texts(prop string, list *[]*string, omitted string) {
	if list == nil {
		return
	}
	if len(*list) == 0 || slices.ContainsFunc(*list, func(s *string) bool { return deref(s) == "" }) {
		l.add("%s must contain only non-empty texts, and at least one; omit it to %s", prop, omitted)
	}
}

// AttachEventRule adds an EventBridge rule with the given id. The rule starts investigations for alarms
// that this app does not define. It also receives the events of muted alarms, suppressed composite alarms,
// and alarms of SelfAlarmTopic, which the orchestrator skips. If props is nil, the rule matches every alarm
// of the default bus. If props has mistakes, AttachEventRule panics once and lists all of them.
func (t *AlarmTriage) AttachEventRule(id *string, props *EventRuleProps) awsevents.Rule {
	if props == nil {
		props = &EventRuleProps{}
	}
	panicOn(props.problems())
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
		Description: jsii.String("Alarms to investigate"),
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

// namePatterns returns the patterns of an alarm's name and, if those are not enough, of its ARN.
func (p *EventRuleProps) namePatterns() (names []any, alarms *[]*string) {
	if p.NamePrefixes != nil && p.ExceptNamePrefixes == nil {
		for _, prefix := range *p.NamePrefixes {
			names = append(names, map[string]any{"prefix": *prefix})
		}
		return names, nil
	}
	// The orchestrator skips self-alarms too. If the rule excludes them, the orchestrator is not even invoked.
	var except any = config.SelfAlarmPrefix
	if p.ExceptNamePrefixes != nil {
		except = append([]string{config.SelfAlarmPrefix}, stringsOf(p.ExceptNamePrefixes)...)
	}
	names = []any{map[string]any{"anything-but": map[string]any{"prefix": except}}}
	if p.NamePrefixes == nil {
		return names, nil
	}
	// The patterns of one field are alternatives, so "one of these" and "none of those" need two fields.
	// The second is the alarm's ARN, which ends with the name; an event contains it in its resources.
	var matchers []any
	for _, prefix := range *p.NamePrefixes {
		matchers = append(matchers, awsevents.Match_Wildcard(jsii.Sprintf("arn:*:alarm:%s*", wildcardText.Replace(*prefix))))
	}
	return names, awsevents.Match_AnyOf(matchers...)
}

// wildcardText escapes the special characters of EventBridge's wildcard patterns.
var wildcardText = strings.NewReplacer(`\`, `\\`, `*`, `\*`)

// AlarmTopicProps selects alarms that notify an SNS topic.
type AlarmTopicProps struct {
	// Only alarms whose name begins with one of these prefixes. SNS filters by the AlarmName of
	// CloudWatch's notifications, so other messages on the topic are dropped. Default: every alarm.
	NamePrefixes *[]*string
}

// AttachTopic lets the alarms that notify topic start an investigation. If props is nil, all of them do.
// Everybody who may publish to topic can write such a message. The orchestrator therefore asks CloudWatch, for
// which AttachTopic grants cloudwatch:DescribeAlarms, and a message that CloudWatch does not confirm is
// investigated without suppressing any other event. The topic's policy should only admit
// cloudwatch.amazonaws.com with aws:SourceAccount; AttachTopic adds a warning if the policy admits everybody,
// or is not known because topic is imported. AttachTopic panics if topic is a FIFO topic or a topic that
// AlarmTriage sends to, or if props is invalid.
func (t *AlarmTriage) AttachTopic(topic awssns.ITopic, props *AlarmTopicProps) {
	if topic == nil {
		panic("alarmtriage: AttachTopic needs a topic, got nil")
	}
	if *topic.Fifo() {
		panic(fmt.Sprintf("alarmtriage: topic %s is a FIFO topic, to which functions can't subscribe: "+
			"use a standard topic", *topic.Node().Path()))
	}
	for _, target := range t.topics {
		if target == topic || *target.TopicArn() == *topic.TopicArn() {
			panic(fmt.Sprintf("alarmtriage: AlarmTriage %s sends to topic %s and can't be subscribed to it: "+
				"pass the alarms' topic to AttachTopic, and a separate topic to NotificationTopic", *t.Node().Path(), *topic.Node().Path()))
		}
	}
	var subscription *awssnssubscriptions.LambdaSubscriptionProps
	if props != nil && props.NamePrefixes != nil {
		var l problems
		l.texts("AlarmTopicProps.NamePrefixes", props.NamePrefixes, "match every alarm")
		panicOn(l)
		byName := awssns.SubscriptionFilter_StringFilter(&awssns.StringConditions{MatchPrefixes: props.NamePrefixes})
		subscription = &awssnssubscriptions.LambdaSubscriptionProps{
			FilterPolicyWithMessageBody: &map[string]awssns.FilterOrPolicy{"AlarmName": awssns.FilterOrPolicy_Filter(byName)},
		}
	}
	t.allowConfirmation()
	t.warnOfPublishers(topic)
	topic.AddSubscription(awssnssubscriptions.NewLambdaSubscription(t.orchestrator, subscription))
}
