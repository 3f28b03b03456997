package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"golang.org/x/sync/errgroup"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
)

// parallel is how many requests of one check run at the same time.
const parallel = 8

// Alarms lists the alarms of the account and Region by whether they start investigations. Alarms that watch an AlarmTriage
// are in no list.
type Alarms struct {
	ByAction []string `json:"by_action"` // with the orchestrator as an action
	ByTopic  []string `json:"by_topic"`  // that notify a topic to which the orchestrator is subscribed
	ByRule   []string `json:"by_rule"`   // whose events a rule of EventBridge sends to the orchestrator
	Without  []string `json:"without"`   // that start no investigation, without those of Scaling
	Disabled []string `json:"disabled"`  // with an action or topic that starts investigations, but whose actions are disabled
	Unknown  []string `json:"unknown"`   // that notify a topic whose subscriptions cannot be read, and start no investigation in another way
	Refused  []string `json:"refused"`   // with the orchestrator as an action, whose resource policy does not let them invoke it
	Scaling  []string `json:"scaling"`   // whose only actions are scaling policies; those in ByRule still start investigations

	hasOthers    bool   // alarms of other accounts or Regions start investigations, too, and are in no list
	busesDenied  bool   // rules of event buses that AWS denied to read can start investigations of alarms in Without
	policyUnread error  // why it is not known whether the orchestrator's policy lets the alarms in ByAction invoke it
	allow        string // the commands that let the alarms in Refused invoke the orchestrator
}

// scalingPolicy matches the ARN of a scaling policy, of EC2 Auto Scaling and of Application Auto Scaling.
var scalingPolicy = regexp.MustCompile(`^arn:[^:]+:autoscaling:[^:]*:[^:]*:scalingPolicy:`)

// alarm is an alarm of the account.
type alarm struct {
	name, arn string
	actions   []string
	enabled   bool
	sends     *cwtypes.AlarmTagsPropagation // which of its tags events contain; nil: none
}

// isSent reports whether the events of an alarm contain its tag with this key.
func (a alarm) isSent(key string) bool {
	s := a.sends
	return s != nil && aws.ToBool(s.Enabled) && !slices.Contains(s.ExcludedTagKeys, key) &&
		(len(s.IncludedTagKeys) == 0 || slices.Contains(s.IncludedTagKeys, key))
}

// onlyScales reports whether an alarm has actions, and all of them are scaling policies.
func (a alarm) onlyScales() bool {
	return len(a.actions) > 0 && !slices.ContainsFunc(a.actions, func(action string) bool { return !scalingPolicy.MatchString(action) })
}

// alarms reports which alarms start investigations.
func (d *Doctor) alarms(ctx context.Context) (*Alarms, selfcheck.Check) {
	all, err := listAlarms(ctx, d.cloudwatch)
	if err != nil {
		return nil, unread("The alarms cannot be read", err)
	}
	topics, closed, err := d.subscribedTopics(ctx, all)
	if err != nil {
		return nil, unread("The subscriptions of the alarms' topics cannot be read", err)
	}
	direct, err := d.patterns(ctx, nil, d.found.ARN)
	if err != nil {
		return nil, unread("The rules of EventBridge cannot be read", err)
	}
	routes, hasOthers, err := d.routesOfBuses(ctx)
	if err != nil && awsapi.Classify(err) != awsapi.ClassDenied { // most alarms can be judged without the other buses
		return nil, unread("The event buses cannot be read", err)
	}
	routes = append([]route{{direct}}, routes...)
	sorted := &Alarms{ByAction: []string{}, ByTopic: []string{}, ByRule: []string{}, Without: []string{}, Disabled: []string{}, Unknown: []string{},
		Refused: []string{}, Scaling: []string{}, hasOthers: hasOthers || d.found.Config.Members.Role != "", busesDenied: err != nil}
	lists := make([]*[]string, len(all))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, one := range all {
		group.Go(func() error {
			var err error
			lists[i], err = d.listOf(ctx, one, sorted, topics, routes)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, unread("The ways from the alarms to the orchestrator cannot be read", err)
	}
	for i, one := range all {
		if one.onlyScales() {
			sorted.Scaling = append(sorted.Scaling, one.name)
			if lists[i] == &sorted.Without {
				continue
			}
		}
		if lists[i] == &sorted.Without && one.enabled && slices.ContainsFunc(one.actions, func(action string) bool { return slices.Contains(closed, action) }) {
			lists[i] = &sorted.Unknown
		}
		*lists[i] = append(*lists[i], one.name)
	}
	sorted.policyUnread, sorted.allow = d.policyUnread(), d.allowAlarms(all, sorted.Refused)
	return sorted, judgeAlarms(*sorted, d.region)
}

// listOf returns the list to which an alarm belongs.
func (d *Doctor) listOf(ctx context.Context, one alarm, sorted *Alarms, topics map[string][]string, routes []route) (*[]string, error) {
	direct, refused := false, false
	for _, action := range one.actions {
		is, err := d.isOrchestrator(ctx, action)
		switch {
		case err != nil:
			return nil, err
		case !is:
		case d.mayInvoke(ctx, action, one.arn):
			direct = true
		default:
			refused = true
		}
	}
	if direct && one.enabled {
		return &sorted.ByAction, nil
	}
	topic, err := d.passes(ctx, one, topics)
	switch {
	case err != nil:
		return nil, err
	case topic && one.enabled:
		return &sorted.ByTopic, nil
	}
	rule, err := d.takesRoute(ctx, one, routes)
	switch {
	case err != nil:
		return nil, err
	case rule:
		return &sorted.ByRule, nil
	case direct || topic:
		return &sorted.Disabled, nil
	case refused:
		return &sorted.Refused, nil
	}
	return &sorted.Without, nil
}

// judgeAlarms returns the check of the lists.
func judgeAlarms(a Alarms, region string) selfcheck.Check {
	check := judgeStarts(a, region)
	if len(a.Refused) > 0 && len(a.Disabled) > 0 { // otherwise, it is the finding
		check.Notes = append(check.Notes, fmt.Sprintf("The actions of %s are disabled: %s.", plural.Of(len(a.Disabled), "alarm"), names(a.Disabled)))
	}
	if a.policyUnread != nil && (check.State != selfcheck.StateSkipped || len(a.Unknown) > 0) {
		check.Notes = append(check.Notes, unreadPolicy(a.policyUnread))
	}
	if len(a.Without) > 0 {
		check.Notes = append(check.Notes, fmt.Sprintf("%s no investigation: %s.", plural.Either(len(a.Without), "alarm starts", "alarms start"), names(a.Without)))
		if a.busesDenied {
			check.Notes = append(check.Notes, "That is not certain, because AWS denied to read some event buses, whose rules can start investigations, too.")
		}
	}
	if len(a.Unknown) > 0 && check.State != selfcheck.StateSkipped {
		check.Notes = append(check.Notes, unknownStarts(a.Unknown))
	}
	if scaling := a.scalingByRule(); len(scaling) > 0 && (len(a.Disabled) > 0 || len(a.Refused) > 0) { // otherwise, it is the finding
		check.Notes = append(check.Notes, fmt.Sprintf("%s to ALARM when all is well: %s. Exclude them from the rule.",
			plural.Either(len(scaling), "alarm that starts investigations only scales something, and goes", "alarms that start investigations only scale something, and go"),
			names(scaling)))
	}
	if a.hasOthers {
		check.Notes = append(check.Notes, "The alarms of other accounts and Regions are not listed here.")
	}
	return check
}

// unknownStarts says that a topic which cannot be read may start investigations.
func unknownStarts(list []string) string {
	return fmt.Sprintf("It is not known whether %s, because the subscriptions of a topic cannot be read: %s.", plural.Either(len(list), "more does", "more do"), names(list))
}

// unreadPolicy says that some alarms may not be allowed to invoke the function.
func unreadPolicy(err error) string {
	return fmt.Sprintf("Whether the function's resource policy lets alarms invoke it cannot be read (%s).", awsapi.Answer(err))
}

// scalingByRule returns the alarms that only scale something, but start investigations.
func (a Alarms) scalingByRule() []string {
	return slices.DeleteFunc(slices.Clone(a.Scaling), func(name string) bool { return !slices.Contains(a.ByRule, name) })
}

// judgeStarts is judgeAlarms without the notes.
func judgeStarts(a Alarms, region string) selfcheck.Check {
	with := len(a.ByAction) + len(a.ByTopic) + len(a.ByRule)
	scaling := a.scalingByRule()
	total := with + len(a.Without) + len(a.Disabled) + len(a.Unknown) + len(a.Refused)
	detail := fmt.Sprintf("%d of %s start investigations: %d by their action, %d through a topic, %d through a rule.",
		with, plural.Of(total, "alarm"), len(a.ByAction), len(a.ByTopic), len(a.ByRule))
	switch {
	case len(a.Refused) > 0:
		judge := warning
		if with == 0 {
			judge = problem
		}
		return judge(fmt.Sprintf("%s The function's resource policy does not let %s invoke what their actions name, so these never start one: %s.",
			detail, plural.Of(len(a.Refused), "alarm"), names(a.Refused)), a.allow)
	case with == 0 && len(a.Disabled) == 0 && len(a.Unknown) == 0 && a.hasOthers: // a central account may have no alarms
		return fine("%s", detail)
	case total == 0:
		return warning("The account has no alarms in this Region, except those that watch AlarmTriage or only scale something.", "Create an alarm, and attach it with AttachAlarms.")
	case with == 0 && len(a.Disabled) == 0 && len(a.Unknown) == 0 && a.busesDenied:
		return skipped(detail+" Some event buses cannot be read.",
			"Use credentials that allow events:ListEventBuses, events:ListRuleNamesByTarget, and events:DescribeRule.")
	case with == 0 && len(a.Disabled) == 0 && len(a.Unknown) == 0:
		return problem(detail, "Attach alarms with AttachAlarms, AttachAll, AttachTopic, or AttachEventRule, and deploy.")
	case len(a.Disabled) > 0:
		judge := warning
		if with == 0 {
			judge = problem
		}
		return judge(fmt.Sprintf("%s The actions of %s are disabled, so these never start one: %s.", detail, plural.Of(len(a.Disabled), "alarm"), names(a.Disabled)),
			enableActions(a.Disabled, region))
	case len(scaling) > 0:
		return warning(fmt.Sprintf("%s %s to ALARM when all is well: %s.", detail, plural.Either(len(scaling), "of them only scales something, and goes", "of them only scale something, and go"),
			names(scaling)), `Exclude them from the rule, for example with ExceptNamePrefixes and the prefix "TargetTracking-", and deploy.`)
	case len(a.Unknown) > 0:
		return skipped(detail+" "+unknownStarts(a.Unknown),
			"Use credentials of the topic's account that allow sns:ListSubscriptionsByTopic to see whether it invokes the orchestrator.")
	case a.policyUnread != nil:
		return skipped(detail+" "+unreadPolicy(a.policyUnread), awsapi.CallerAdvice(a.policyUnread))
	}
	return fine("%s", detail)
}

// maxEnabled is how many alarms one request may enable.
const maxEnabled = 100

// enableActions returns the commands that enable the actions of alarms.
func enableActions(list []string, region string) string {
	var commands []string
	for part := range slices.Chunk(list, maxEnabled) {
		commands = append(commands, fmt.Sprintf("aws cloudwatch enable-alarm-actions --region %s --alarm-names %s", region, listArgument(part)))
	}
	return strings.Join(commands, " && ")
}

// maxNames is how many names of alarms a sentence lists.
const maxNames = 20

func names(list []string) string {
	if len(list) > maxNames {
		return fmt.Sprintf("%s, and %d more", strings.Join(list[:maxNames], ", "), len(list)-maxNames)
	}
	return strings.Join(list, ", ")
}

// notName matches values that the AWS CLI takes for an option, a file, an address, or JSON.
var notName = regexp.MustCompile(`^(?:-|\s*\[|\w+://)`)

// listArgument returns names as the value of an option of the AWS CLI: as words, or as JSON if it would not take one for a name, or
// if a terminal does not show one as it is.
func listArgument(list []string) string {
	if !slices.ContainsFunc(list, func(name string) bool { return notName.MatchString(name) || !isShown(name) }) {
		return quoted(list)
	}
	var document, shown strings.Builder
	encoder := json.NewEncoder(&document)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(list) // strings can always be encoded
	before := ' '
	for _, r := range strings.TrimSpace(document.String()) {
		if !unicode.IsPrint(r) || r == ' ' && before == ' ' {
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&shown, `\u%04x`, unit)
			}
		} else {
			shown.WriteRune(r)
		}
		before = r
	}
	return quoted([]string{shown.String()})
}

// isShown reports whether a line on a terminal contains a name as it is: without other spaces than single ones of ASCII, and
// without characters that are not printable.
func isShown(name string) bool {
	return !strings.Contains(name, "  ") && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// quoted returns names as arguments of a shell command.
func quoted(list []string) string {
	arguments := make([]string, len(list))
	for i, name := range list {
		arguments[i] = "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return strings.Join(arguments, " ")
}

// listAlarms returns all alarms, except those that watch an AlarmTriage. CloudWatch only returns log alarms to a request for
// log alarms alone.
func listAlarms(ctx context.Context, client cloudwatch.DescribeAlarmsAPIClient) ([]alarm, error) {
	all, err := listTypes(ctx, client, cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm)
	if err != nil {
		return nil, err
	}
	logs, err := listTypes(ctx, client, cwtypes.AlarmTypeLogAlarm)
	if err != nil && awsapi.Classify(err) != awsapi.ClassInvalid { // otherwise, the Region does not know log alarms
		return nil, err
	}
	all = slices.DeleteFunc(append(all, logs...), func(one alarm) bool { return strings.HasPrefix(one.name, config.SelfAlarmPrefix) })
	slices.SortFunc(all, func(a, b alarm) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func listTypes(ctx context.Context, client cloudwatch.DescribeAlarmsAPIClient, kinds ...cwtypes.AlarmType) ([]alarm, error) {
	var all []alarm
	pages := cloudwatch.NewDescribeAlarmsPaginator(client, &cloudwatch.DescribeAlarmsInput{AlarmTypes: kinds, MaxRecords: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		add := func(name, arn *string, actions []string, enabled *bool, configuration *cwtypes.ActionConfiguration) {
			one := alarm{name: aws.ToString(name), arn: aws.ToString(arn), actions: actions, enabled: aws.ToBool(enabled)}
			if configuration != nil {
				one.sends = configuration.AlarmTagsPropagation
			}
			all = append(all, one)
		}
		if slices.Contains(kinds, cwtypes.AlarmTypeMetricAlarm) { // an API that does not know log alarms may return others
			for _, one := range page.MetricAlarms {
				add(one.AlarmName, one.AlarmArn, one.AlarmActions, one.ActionsEnabled, one.ActionConfiguration)
			}
			for _, one := range page.CompositeAlarms {
				add(one.AlarmName, one.AlarmArn, one.AlarmActions, one.ActionsEnabled, one.ActionConfiguration)
			}
		}
		for _, one := range page.LogAlarms {
			add(one.AlarmName, one.AlarmArn, one.AlarmActions, one.ActionsEnabled, one.ActionConfiguration)
		}
	}
	return all, nil
}

// isOrchestrator reports whether an action is the orchestrator, or a version or an alias of it that exists.
func (d *Doctor) isOrchestrator(ctx context.Context, action string) (bool, error) {
	qualifier, isQualified := strings.CutPrefix(action, d.found.ARN+":")
	if !isQualified {
		return action == d.found.ARN, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if exists, known := d.qualifiers[qualifier]; known {
		return exists, nil
	}
	_, err := d.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &d.found.ARN, Qualifier: &qualifier})
	if err != nil && !isNotFound(err) && awsapi.Classify(err) != awsapi.ClassInvalid { // a qualifier that no version can have
		return false, err
	}
	d.qualifiers[qualifier] = err == nil
	return err == nil, nil
}

// noFilter is the filter policy of a subscription that has none.
const noFilter = ""

// subscribedTopics returns those topics of the alarms to which the orchestrator is subscribed, with the filter policies of its
// subscriptions as patterns of EventBridge, which has the same operators, and the topics whose subscriptions it may not read.
func (d *Doctor) subscribedTopics(ctx context.Context, all []alarm) (found map[string][]string, closed []string, err error) {
	found = map[string][]string{}
	for _, one := range all {
		for _, action := range one.actions {
			if _, known := found[action]; known || !strings.Contains(action, ":sns:") {
				continue
			}
			subscriptions, err := d.listSubscriptions(ctx, action)
			switch {
			case err != nil && awsapi.Classify(err) == awsapi.ClassDenied:
				closed = append(closed, action)
			case err != nil && !isNotFound(err):
				return nil, nil, err
			}
			found[action] = nil
			for _, s := range subscriptions {
				if s.pending {
					continue
				}
				switch is, err := d.isOrchestrator(ctx, s.endpoint); {
				case err != nil:
					return nil, nil, err
				case !is:
					continue
				}
				filter, err := d.filterOf(ctx, s.arn)
				if err != nil {
					return nil, nil, err
				}
				found[action] = append(found[action], filter)
			}
		}
	}
	return found, closed, nil
}

// filterOf returns the filter policy of a subscription as a pattern of an event whose detail is the message, or [noFilter]. One
// that filters by attributes is compared with a message without any, since CloudWatch sends none.
func (d *Doctor) filterOf(ctx context.Context, subscription string) (string, error) {
	out, err := d.topics.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &subscription})
	if err != nil {
		return "", err
	}
	policy := out.Attributes["FilterPolicy"]
	if policy == "" || policy == "{}" {
		return noFilter, nil
	}
	member := "attributes"
	if out.Attributes["FilterPolicyScope"] == "MessageBody" {
		member = "body"
	}
	return `{"detail": {"` + member + `": ` + policy + `}}`, nil
}

// passes reports whether the message of an alarm reaches the orchestrator through one of the topics that the alarm notifies.
func (d *Doctor) passes(ctx context.Context, one alarm, topics map[string][]string) (bool, error) {
	event, err := d.envelope(one, map[string]any{"attributes": map[string]any{}, "body": map[string]any{
		"AlarmName": one.name, "AlarmArn": one.arn, "AWSAccountId": d.account, "NewStateValue": "ALARM",
	}})
	if err != nil {
		return false, err
	}
	for _, action := range one.actions {
		for _, filter := range topics[action] {
			if filter == noFilter {
				return true, nil
			}
			out, err := d.rules.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{EventPattern: &filter, Event: &event})
			if err != nil || out.Result {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// subscription is a subscription of a topic.
type subscription struct {
	arn, protocol, endpoint string
	pending                 bool
}

func (d *Doctor) listSubscriptions(ctx context.Context, topic string) ([]subscription, error) {
	var found []subscription
	pages := sns.NewListSubscriptionsByTopicPaginator(d.topics, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range page.Subscriptions {
			arn := aws.ToString(one.SubscriptionArn)
			if arn == "Deleted" { // somebody has left it, and SNS lists it for some days
				continue
			}
			found = append(found, subscription{arn, aws.ToString(one.Protocol), aws.ToString(one.Endpoint), !strings.HasPrefix(arn, "arn:")})
		}
	}
	return found, nil
}

// route is a way of an event to the orchestrator: for each bus on it, the event patterns of the rules that pass the event on.
type route [][]string

// routesOfBuses returns the routes through another bus, to which a rule of the default bus sends events. It reports whether such a
// bus may also bring alarms of other accounts and Regions, because a rule of it invokes the orchestrator. If AWS denies to read the
// rules of a bus, it returns the error with what it read of the others.
func (d *Doctor) routesOfBuses(ctx context.Context) (routes []route, exist bool, err error) {
	var denied error
	in := &eventbridge.ListEventBusesInput{}
	for {
		page, err := d.rules.ListEventBuses(ctx, in)
		if err != nil {
			return routes, exist, err
		}
		for _, bus := range page.EventBuses {
			if aws.ToString(bus.Name) == "default" {
				continue
			}
			last, err := d.patterns(ctx, bus.Name, d.found.ARN)
			switch {
			case err != nil && awsapi.Classify(err) == awsapi.ClassDenied:
				denied = err
				continue
			case err != nil:
				return routes, exist, err
			case len(last) == 0:
				continue
			}
			exist = true
			first, err := d.patterns(ctx, nil, aws.ToString(bus.Arn))
			if err != nil {
				return routes, exist, err
			}
			routes = append(routes, route{first, last})
		}
		if page.NextToken == nil {
			return routes, exist, denied
		}
		in.NextToken = page.NextToken
	}
}

// patterns returns the event patterns of the enabled rules of a bus that have a target. A bus that is nil is the default one.
func (d *Doctor) patterns(ctx context.Context, bus *string, target string) ([]string, error) {
	var patterns []string
	in := &eventbridge.ListRuleNamesByTargetInput{TargetArn: &target, EventBusName: bus}
	for {
		page, err := d.rules.ListRuleNamesByTarget(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, name := range page.RuleNames {
			rule, err := d.rules.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: bus})
			if err != nil {
				return nil, err
			}
			if pattern := aws.ToString(rule.EventPattern); pattern != "" && rule.State != ebtypes.RuleStateDisabled {
				patterns = append(patterns, pattern)
			}
		}
		if page.NextToken == nil {
			return patterns, nil
		}
		in.NextToken = page.NextToken
	}
}

// takesRoute reports whether the event of an alarm takes one of the routes.
func (d *Doctor) takesRoute(ctx context.Context, one alarm, routes []route) (bool, error) {
	for _, buses := range routes {
		passes := true
		for _, patterns := range buses {
			var err error
			if passes, err = d.matches(ctx, one, patterns); err != nil {
				return false, err
			}
			if !passes {
				break
			}
		}
		if passes {
			return true, nil
		}
	}
	return false, nil
}

// matches asks EventBridge whether one of the patterns fits the event of an alarm.
func (d *Doctor) matches(ctx context.Context, one alarm, patterns []string) (bool, error) {
	for _, pattern := range patterns {
		event, err := d.event(ctx, one, one.sends != nil && strings.Contains(pattern, `"alarmTags"`))
		if err != nil {
			return false, err
		}
		out, err := d.rules.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{EventPattern: &pattern, Event: &event})
		if err != nil {
			return false, err
		}
		if out.Result {
			return true, nil
		}
	}
	return false, nil
}

// event returns the event with which CloudWatch reports that the alarm went from OK to ALARM. Only the members that patterns
// usually select are there.
func (d *Doctor) event(ctx context.Context, one alarm, withTags bool) (string, error) {
	detail := map[string]any{"alarmName": one.name, "state": map[string]any{"value": "ALARM"}, "previousState": map[string]any{"value": "OK"}}
	if withTags {
		out, err := d.cloudwatch.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: &one.arn})
		if err != nil {
			return "", err
		}
		tags := map[string]string{}
		for _, tag := range out.Tags {
			if key := aws.ToString(tag.Key); one.isSent(key) {
				tags[key] = aws.ToString(tag.Value)
			}
		}
		detail["alarmTags"] = tags
	}
	return d.envelope(one, detail)
}

// envelope returns an event about an alarm.
func (d *Doctor) envelope(one alarm, detail map[string]any) (string, error) {
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": "00000000-0000-0000-0000-000000000000", "source": alarmevent.EventSource,
		"detail-type": alarmevent.DetailTypeStateChange, "account": d.account, "region": d.region,
		"time": time.Now().UTC().Format(time.RFC3339), "resources": []string{one.arn}, "detail": detail,
	})
	return string(event), err
}

// subscriptions checks that people receive the notifications.
func (d *Doctor) subscriptions(ctx context.Context) []selfcheck.Check {
	var checks []selfcheck.Check
	for _, topic := range []string{d.found.Config.TopicARN, d.found.Config.CardTopicARN} {
		if topic == "" {
			continue
		}
		check := d.subscriptionsOf(ctx, topic)
		check.Part = "subscriptions of " + topic[strings.LastIndex(topic, ":")+1:]
		checks = append(checks, check)
	}
	return checks
}

// chatEndpoint is that of Amazon Q Developer in chat applications, which shows chat cards, and not the texts of reports.
const chatEndpoint = "https://global.sns-api.chatbot.amazonaws.com"

func (d *Doctor) subscriptionsOf(ctx context.Context, topic string) selfcheck.Check {
	all, err := d.listSubscriptions(ctx, topic)
	if err != nil {
		return unread("The subscriptions cannot be read", err)
	}
	subscribe := func(protocol, endpoint string) string {
		return fmt.Sprintf("aws sns subscribe --region %s --topic-arn %s --protocol %s --notification-endpoint %s", d.region, topic, protocol, endpoint)
	}
	var pending, confirmed, filtered, unknown, chats []string
	var again string
	for _, one := range all {
		text := one.protocol + " " + one.endpoint
		switch {
		case one.pending:
			pending = append(pending, text)
			again = subscribe(one.protocol, quoted([]string{one.endpoint}))
			continue
		case topic != d.found.Config.CardTopicARN && strings.HasPrefix(one.endpoint, chatEndpoint):
			chats = append(chats, text)
			continue
		}
		confirmed = append(confirmed, text)
		switch filter, err := d.filterOf(ctx, one.arn); {
		case err != nil:
			unknown = append(unknown, text)
		case filter != noFilter:
			filtered = append(filtered, text)
		}
	}
	check := fine("%s: %s.", plural.Of(len(confirmed), "confirmed subscription"), names(confirmed))
	switch {
	case len(pending) > 0:
		check = warning(fmt.Sprintf("%s not confirmed, so nobody receives notifications through it: %s. Confirmed: %d.",
			plural.Either(len(pending), "subscription is", "subscriptions are"), names(pending), len(confirmed)),
			"Confirm it with the link that SNS sent. The link is valid for two days; then, send another one: "+again)
	case len(confirmed) == 0 && topic == d.found.Config.CardTopicARN: // people can't read its messages
		check = problem("The topic of the chat cards has no subscription. No channel receives them.",
			"Add the topic to the channel's configuration in Amazon Q Developer in chat applications, which subscribes to it.")
	case len(confirmed) == 0 && len(chats) > 0:
		check = problem("Only chat channels subscribe to the topic, and Amazon Q Developer does not show the texts of reports. Nobody reads them.",
			"Set the prop ChatCardTopic to another topic, add it to the channel's configuration, and subscribe people to this one: "+subscribe("email", "ADDRESS"))
	case len(confirmed) == 0:
		check = problem("The topic has no subscription. Nobody receives its messages.", subscribe("email", "ADDRESS"))
	case len(filtered) == len(confirmed) && topic != d.found.Config.CardTopicARN: // a channel need not show each card
		check = warning(fmt.Sprintf("%s: %s. Each has a filter policy, so a message that all of them exclude reaches nobody.",
			plural.Of(len(confirmed), "confirmed subscription"), names(confirmed)), "Keep one subscription without a filter policy.")
	case len(filtered)+len(unknown) == len(confirmed) && len(unknown) > 0 && topic != d.found.Config.CardTopicARN:
		check = skipped(fmt.Sprintf("%s: %s. Whether one has no filter policy cannot be read.", plural.Of(len(confirmed), "confirmed subscription"), names(confirmed)),
			"Use credentials of the subscriptions' account that allow sns:GetSubscriptionAttributes.")
	case len(filtered) > 0:
		check.Notes = append(check.Notes, fmt.Sprintf("With a filter policy: %s.", names(filtered)))
	}
	if len(chats) > 0 && len(confirmed) > 0 {
		check.Notes = append(check.Notes, fmt.Sprintf("Amazon Q Developer does not show the texts of reports: %s.", names(chats)))
	}
	if len(unknown) > 0 {
		check.Notes = append(check.Notes, fmt.Sprintf("Whether these have a filter policy cannot be read: %s.", names(unknown)))
	}
	return check
}
