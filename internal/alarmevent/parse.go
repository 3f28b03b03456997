package alarmevent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ErrIgnored marks an event that is well formed but is not a state change of an alarm, such as a
// CloudWatch Alarm Configuration Change. There is nothing to do about it.
var ErrIgnored = errors.New("not a state change of an alarm")

// EventSource is the source of EventBridge's events about alarms.
const EventSource = "aws.cloudwatch"

// Detail types of EventBridge's events about alarms.
const (
	DetailTypeStateChange            = "CloudWatch Alarm State Change"
	DetailTypeContributorStateChange = "CloudWatch Alarm Contributor State Change"
	DetailTypeConfigurationChange    = "CloudWatch Alarm Configuration Change"
)

// maxNesting is how many envelopes an event may have around it (an EventBridge event that a rule sent
// to an SNS topic has two).
const maxNesting = 3

// Parse reads an invocation's payload: an alarm action, an EventBridge event, or SNS records of
// either or of SNS's own alarm message. The error says what was expected; it is [ErrIgnored] for
// events about alarms that are not state changes.
func Parse(raw []byte) ([]Alarm, error) { return Parser{}.Parse(raw) }

// Parser reads events. The zero value is ready for use.
type Parser struct {
	// Redact takes the secrets out of a text, which may be a JSON document, and returns how many there were. It is
	// called before texts are cut to size, since half a secret is no longer recognized. Nil: nothing is redacted.
	Redact func(text string) (clean string, secrets int)
}

// delivery is how an event came.
type delivery struct {
	source  Source // empty: as the event's shape says
	topic   string // ARN of the SNS topic or subscription
	nesting int    // envelopes that may follow
}

// Parse is [Parse] with the parser's settings.
func (p Parser) Parse(raw []byte) ([]Alarm, error) {
	alarms, err := parse(raw, delivery{nesting: maxNesting})
	for i := range alarms {
		alarms[i].tidy(p.Redact)
	}
	return alarms, err
}

func parse(raw []byte, via delivery) ([]Alarm, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("the event is not a JSON object that CloudWatch sends for alarms: %w", err)
	}
	e := object(v)
	if e == nil {
		return nil, fmt.Errorf("the event is not a JSON object that CloudWatch sends for alarms, but a %T", v)
	}
	detailType, detail := e.text("detail-type"), object(e.get("detail"))
	switch {
	case len(list(e.get("Records"))) > 0:
		if via.nesting <= 1 {
			return nil, errors.New("the event is wrapped in too many SNS messages")
		}
		return parseRecords(list(e.get("Records")), via.nesting-1)
	case detailType == DetailTypeConfigurationChange:
		return nil, fmt.Errorf("%w: it is a %q event", ErrIgnored, detailType)
	case isStateChange(e, detailType, detail):
		return one(parseState(e, detail, cmp.Or(via.source, SourceEventBridge)))
	case e.get("alarmData") != nil:
		return one(parseState(e, object(e.get("alarmData")), cmp.Or(via.source, SourceAction)))
	case e.text("AlarmName") != "" && e.text("NewStateValue") != "":
		return one(parseNotification(e, via.topic))
	}
	return nil, fmt.Errorf("the event is none of those that are understood: an alarm action (with alarmData), "+
		"an EventBridge event %q, or an SNS alarm notification%s", DetailTypeStateChange, hint(e, detailType))
}

// isStateChange reports whether an EventBridge event is a state change of an alarm: by its type, or, for a type
// that CloudWatch may have added since, by what it holds.
func isStateChange(e members, detailType string, detail members) bool {
	if detailType == DetailTypeStateChange || detailType == DetailTypeContributorStateChange {
		return true
	}
	return detailType != "" && e.text("source") == EventSource &&
		detail.text("alarmName") != "" && object(detail.get("state")).text("value") != ""
}

// hint names what was there instead, so that a wrong trigger is found from the message alone.
func hint(e members, detailType string) string {
	if detailType != "" {
		return fmt.Sprintf("; it has the detail-type %.100q", detailType)
	}
	return fmt.Sprintf("; its keys are %.200q", strings.Join(slices.Sorted(maps.Keys(e)), ", "))
}

func one(alarm Alarm, err error) ([]Alarm, error) {
	if err != nil {
		return nil, err
	}
	return []Alarm{alarm}, nil
}

// parseRecords keeps the alarms of the records that are understood, next to the errors of the rest.
func parseRecords(records []any, nesting int) ([]Alarm, error) {
	var alarms []Alarm
	var problems []error
	for i, r := range records {
		record := object(r)
		sns := object(record.get("Sns"))
		message := sns.text("Message")
		if message == "" {
			problems = append(problems, fmt.Errorf("record %d has no SNS message", i))
			continue
		}
		topic := cmp.Or(sns.text("TopicArn"), record.text("EventSubscriptionArn"))
		found, err := parse([]byte(message), delivery{source: SourceSNS, topic: topic, nesting: nesting})
		if err != nil {
			problems = append(problems, fmt.Errorf("SNS record %d: %w", i, err))
			continue
		}
		alarms = append(alarms, found...)
	}
	return alarms, errors.Join(problems...)
}

// Members of the events that are read, or that say nothing about the alarm's cause.
var (
	envelopeMembers = []string{"version", "id", "source", "detail-type", "alarmArn", "accountId", "account", "time", "region",
		"resources", "alarmData", "detail", "alarmTags", "alarmTagsStatus"}
	bodyMembers = []string{"alarmName", "alarmArn", "state", "previousState", "configuration", "muteDetail", "alarmContributor",
		"alarmTags", "alarmTagsStatus", "operation"}
	stateMembers = []string{"value", "reason", "reasonData", "timestamp", "actionsSuppressedBy", "actionsSuppressedReason"}
	snsMembers   = []string{"AlarmName", "AlarmDescription", "AWSAccountId", "AlarmConfigurationUpdatedTimestamp", "NewStateValue",
		"NewStateReason", "NewStateReasonData", "StateChangeTime", "Region", "AlarmArn", "OldStateValue", "OKActions", "AlarmActions",
		"InsufficientDataActions", "Trigger", "AlarmRule", "TriggeringChildren", "AlarmTags", "AlarmTagsStatus",
		"AlarmContributorId", "AlarmContributorAttributes"}
)

// parseState reads alarmData of an alarm action or detail of an EventBridge event; they are alike.
func parseState(e, body members, source Source) (Alarm, error) {
	var r reader
	state, previous := object(body.get("state")), object(body.get("previousState"))
	configuration := object(body.get("configuration"))
	a := Alarm{
		Name:          body.text("alarmName"),
		ARN:           firstAlarmARN(append([]any{e.get("alarmArn"), body.get("alarmArn")}, list(e.get("resources"))...)),
		Account:       account(e.text("accountId", "account")),
		Region:        e.text("region"),
		Description:   configuration.text("description"),
		Source:        source,
		State:         stateOf(state.get("value")),
		PreviousState: stateOf(previous.get("value")),
		Reason:        state.text("reason"),
		Time:          r.firstTime("state.timestamp", state.get("timestamp"), e.get("time")),
		Rule:          configuration.text("alarmRule"),
		SuppressedBy:  state.text("actionsSuppressedBy"),
		SuppressedWhy: state.text("actionsSuppressedReason"),
		ReasonData:    state.text("reasonData"),
	}
	for _, tags := range []any{e.get("alarmTags"), body.get("alarmTags"), configuration.get("alarmTags")} {
		if a.Tags = pairs(tags); len(a.Tags) > 0 {
			break
		}
	}
	a.Metrics = r.metrics(configuration.get("metrics"))
	if mute := body.get("muteDetail"); mute != nil {
		if a.MutedBy = object(mute).text("mutedByArn"); a.MutedBy == "" {
			a.MutedBy = "a mute rule"
		}
	}
	if c := object(body.get("alarmContributor")); c != nil {
		a.Contributor = &Contributor{ID: c.text("id"), Attributes: pairs(c.get("attributes"))}
	}
	rest := unrecognized(body, bodyMembers)
	if inState := unrecognized(state, stateMembers); len(inState) > 0 {
		rest["state"] = map[string]any(inState)
	}
	if source == SourceAction {
		maps.Copy(rest, unrecognized(e, envelopeMembers))
	}
	r.readReasonData(&a)
	r.readConfiguration(&a, body.get("configuration"))
	r.readRest(&a, rest)
	return r.complete(a)
}

// metrics reads the queries of a metric alarm and leaves out those that are none.
func (r *reader) metrics(v any) []Metric {
	var out []Metric
	for _, element := range list(v) {
		m := object(element)
		if m == nil {
			r.note("metrics", "%.60q is not a metric query", textOf(element))
			continue
		}
		out = append(out, r.metric(m))
	}
	return out
}

// metric reads a query of a metric alarm as the API, EventBridge, and SNS write it.
func (r *reader) metric(m members) Metric {
	out := Metric{ID: m.text("id"), Expression: m.text("expression"), Label: m.text("label"), ReturnData: true} // AWS's default
	field := "metric " + out.ID
	out.Period = r.whole(field+" period", m.get("period"))
	if returned := m.text("returnData"); strings.EqualFold(returned, "false") {
		out.ReturnData = false
	}
	if stat := object(m.get("metricStat")); stat != nil {
		of := object(stat.get("metric"))
		out.Namespace, out.Name = of.text("namespace"), of.text("name", "metricName")
		out.Dimensions = pairs(of.get("dimensions"))
		out.Period = r.whole(field+" period", stat.get("period"))
		out.Stat, out.Unit = stat.text("stat"), stat.text("unit")
	}
	return out
}

// parseNotification reads the message that CloudWatch publishes to an SNS topic. Its Region is a display
// name ("US East (N. Virginia)"): the topic's ARN knows it better, since an alarm notifies topics of its own Region.
func parseNotification(n members, topic string) (Alarm, error) {
	var r reader
	a := Alarm{
		Name:          n.text("AlarmName"),
		ARN:           firstAlarmARN([]any{n.get("AlarmArn")}),
		Account:       account(n.text("AWSAccountId")),
		Description:   n.text("AlarmDescription"),
		Source:        SourceSNS,
		State:         stateOf(n.get("NewStateValue")),
		PreviousState: stateOf(n.get("OldStateValue")),
		Reason:        n.text("NewStateReason"),
		ReasonData:    n.text("NewStateReasonData"),
		Time:          r.firstTime("StateChangeTime", n.get("StateChangeTime")),
		Rule:          n.text("AlarmRule"),
		Tags:          pairs(n.get("AlarmTags")),
	}
	if id, attributes := n.text("AlarmContributorId"), pairs(n.get("AlarmContributorAttributes")); id != "" || len(attributes) > 0 {
		a.Contributor = &Contributor{ID: id, Attributes: attributes}
	}
	for _, child := range list(n.get("TriggeringChildren")) {
		arn := object(child).text("Arn")
		if arn == "" {
			arn, _ = child.(string)
		}
		if arn != "" {
			a.Children = append(a.Children, arn)
		}
	}
	r.readReasonData(&a)
	r.describe(&a, object(n.get("Trigger")))
	r.readConfiguration(&a, n.get("Trigger"))
	r.readRest(&a, unrecognized(n, snsMembers))
	r.completeByTopic(&a, topic, n.text("Region"))
	return r.complete(a)
}

// describe copies what the notification says of the metric; a threshold next to a band's id is
// CloudWatch's filler.
func (r *reader) describe(a *Alarm, trigger members) {
	a.Comparison = trigger.text("ComparisonOperator")
	if trigger.text("ThresholdMetricId") != "" {
		a.Kind, a.Threshold = KindAnomaly, nil
	} else if threshold := r.float("Trigger.Threshold", trigger.get("Threshold")); threshold != nil {
		a.Threshold = threshold
	}
	a.Metrics = r.metrics(trigger.get("Metrics"))
	if trigger.text("MetricName") != "" {
		a.Metrics = append(a.Metrics, Metric{
			ID: "m1", Namespace: trigger.text("Namespace"), Name: trigger.text("MetricName"), Dimensions: pairs(trigger.get("Dimensions")),
			Period: r.whole("Trigger.Period", trigger.get("Period")), Stat: statOf(trigger), Unit: trigger.text("Unit"), ReturnData: true,
		})
	}
}

// statOf turns the notification's "AVERAGE" into the API's "Average".
func statOf(trigger members) string {
	switch statistic := trigger.text("Statistic"); strings.ToUpper(statistic) {
	case "AVERAGE":
		return "Average"
	case "SUM":
		return "Sum"
	case "MINIMUM":
		return "Minimum"
	case "MAXIMUM":
		return "Maximum"
	case "SAMPLECOUNT", "SAMPLE_COUNT":
		return "SampleCount"
	case "":
		return trigger.text("ExtendedStatistic")
	default:
		return statistic
	}
}

// stateOf returns an alarm state; case and blanks do not count.
func stateOf(v any) State { return State(strings.ToUpper(strings.TrimSpace(textOf(v)))) }

// account returns an account id. One that came as a number may have lost its leading zeros.
func account(id string) string {
	const digits = 12
	id = strings.TrimSpace(id)
	if id != "" && len(id) < digits && strings.Trim(id, "0123456789") == "" {
		return strings.Repeat("0", digits-len(id)) + id
	}
	return id
}

// firstAlarmARN returns the first text that is an alarm's ARN, or else the first that is there, for the error.
func firstAlarmARN(candidates []any) string {
	first := ""
	for _, candidate := range candidates {
		text := strings.TrimSpace(textOf(candidate))
		if _, ok := partsOf(text); ok {
			return text
		}
		if first == "" {
			first = text
		}
	}
	return first
}

// arnParts are what an ARN of any service says.
type arnParts struct{ partition, service, region, account, resource string }

func splitARN(arn string) (arnParts, bool) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" {
		return arnParts{}, false
	}
	return arnParts{part[1], part[2], part[3], part[4], part[5]}, true
}

// partsOf splits an alarm's ARN; resource is the alarm's name.
func partsOf(arn string) (arnParts, bool) {
	p, ok := splitARN(arn)
	name, isAlarm := strings.CutPrefix(p.resource, "alarm:")
	if !ok || !isAlarm || p.service != "cloudwatch" || p.region == "" || p.account == "" || name == "" {
		return arnParts{}, false
	}
	p.resource = name
	return p, true
}

// completeByTopic adds what a notification without an alarm ARN does not say and the topic's ARN knows.
func (r *reader) completeByTopic(a *Alarm, topic, region string) {
	if _, ok := partsOf(a.ARN); ok {
		return
	}
	p, ok := splitARN(topic)
	switch {
	case ok && p.region != "":
		a.Region, a.Partition = p.region, p.partition
		if a.Account == "" {
			a.Account = p.account
		}
		r.note("AlarmArn", "%.60q is no alarm's ARN; made of the alarm's name and the ARN of the SNS topic", a.ARN)
	case regionCode.MatchString(region):
		a.Region = region
	}
}

var regionCode = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-\d{1,2}$`)

// complete derives what the ARN knows better than the rest of the event (an SNS message's region is
// a display name, a forwarded event's account is the receiver's), and refuses an event that does not
// say which alarm went into which state.
func (r *reader) complete(a Alarm) (Alarm, error) {
	part, ok := partsOf(a.ARN)
	if !ok && a.Name != "" && a.Account != "" && a.Region != "" {
		if a.Partition == "" {
			a.Partition = partitionOf(a.Region)
		}
		a.ARN = fmt.Sprintf("arn:%s:cloudwatch:%s:%s:alarm:%s", a.Partition, a.Region, a.Account, a.Name)
		part, ok = partsOf(a.ARN)
	}
	if !ok {
		return Alarm{}, fmt.Errorf("the event does not say which alarm it is about: its alarm ARN is %.300q", a.ARN)
	}
	a.Partition, a.Region, a.Account = part.partition, part.region, part.account
	if a.Name == "" {
		a.Name = part.resource
	}
	switch a.State {
	case StateOK, StateAlarm, StateInsufficientData:
	default:
		return Alarm{}, fmt.Errorf("the state of alarm %q must be ALARM, OK or INSUFFICIENT_DATA, got %.100q", a.Name, a.State)
	}
	a.NotUnderstood = r.odd
	return a, nil
}

// partitions are the partitions besides "aws" by the beginning of their Regions' names.
var partitions = []struct{ prefix, name string }{
	{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"eusc-", "aws-eusc"},
	{"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"}, {"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"},
}

func partitionOf(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "aws"
}

// alarmARN finds ARNs of alarms in reason data that is broken JSON.
var alarmARN = regexp.MustCompile(`arn:[a-z-]+:cloudwatch:[a-z0-9-]*:\d{12}:alarm:[^"\\]+`)

// readReasonData takes threshold and triggering alarms from the inner JSON document. AWS's own samples
// of it are sometimes broken, so nothing here fails.
func (r *reader) readReasonData(a *Alarm) {
	data := object(a.ReasonData)
	if data == nil {
		if a.Rule != "" && len(a.Children) == 0 {
			a.Children = alarmARN.FindAllString(a.ReasonData, -1)
		}
		return
	}
	a.Threshold = r.float("reasonData.threshold", data.get("threshold"))
	if len(a.Children) > 0 {
		return
	}
	for _, child := range list(data.get("triggeringAlarms")) {
		arn := object(child).text("arn")
		if arn == "" {
			arn, _ = child.(string)
		}
		if arn != "" {
			a.Children = append(a.Children, arn)
		}
	}
}

// unrecognized returns the members of an object that are not among the known ones.
func unrecognized(m members, known []string) members {
	rest := members{}
	for key, v := range m {
		if v != nil && !slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, key) }) {
			rest[key] = v
		}
	}
	return rest
}

// encoded returns a value as JSON text.
func encoded(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}
