package alarmevent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// ErrIgnored reports a valid event that is not a state change of an alarm, such as a CloudWatch Alarm
// Configuration Change. It needs no action.
var ErrIgnored = errors.New("not a state change of an alarm")

// EventSource is the source of EventBridge's events about alarms.
const EventSource = "aws.cloudwatch"

// Detail types of EventBridge's events about alarms.
const (
	DetailTypeStateChange            = "CloudWatch Alarm State Change"
	DetailTypeContributorStateChange = "CloudWatch Alarm Contributor State Change"
	DetailTypeConfigurationChange    = "CloudWatch Alarm Configuration Change"
)

// Parse parses the payload of an invocation: an alarm action, an EventBridge event, or SNS records. Each SNS
// record contains an alarm notification, an alarm action, or an EventBridge event. The error is [ErrIgnored]
// for events about alarms that are not state changes.
func Parse(raw []byte) ([]Alarm, error) { return Parser{}.Parse(raw) }

// Parser parses events. The zero value is ready for use.
type Parser struct {
	// Redact replaces the secrets in a text, which may be a JSON document, and returns their number. It is
	// called before texts are truncated, since half a secret would not be recognized. Nil: nothing is
	// redacted.
	Redact func(text string) (clean string, secrets int)
}

// delivery is how an event was delivered.
type delivery struct {
	source Source                          // empty: derived from the format of the event
	topic  string                          // ARN of the SNS topic or subscription
	redact func(text string) (string, int) // [Parser.Redact]
}

// Parse is like the function [Parse], with redaction.
func (p Parser) Parse(raw []byte) ([]Alarm, error) {
	alarms, err := parse(raw, delivery{redact: p.Redact})
	for i := range alarms {
		alarms[i].tidy(p.Redact)
	}
	return alarms, p.redacted(raw, err)
}

// redacted returns the error of an event without the secrets of the event, which the error quotes in part.
func (p Parser) redacted(raw []byte, err error) error {
	if err == nil || p.Redact == nil {
		return err
	}
	clean, _ := p.Redact(string(raw))
	if _, again := parse([]byte(clean), delivery{}); again != nil {
		return again
	}
	text, _ := p.Redact(err.Error())
	return errors.New(text)
}

func parse(raw []byte, via delivery) ([]Alarm, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("the event must be a JSON object that CloudWatch sends for alarms: %w", err)
	}
	e := object(v)
	if e == nil {
		return nil, fmt.Errorf("the event must be a JSON object that CloudWatch sends for alarms, got a %T", v)
	}
	detailType, detail := e.text("detail-type"), object(e.get("detail"))
	switch {
	case len(list(e.get("Records"))) > 0:
		if via.source == SourceSNS { // one message could otherwise report any number of alarms
			return nil, errors.New("an SNS message must contain the event of one alarm, got SNS records")
		}
		return parseRecords(list(e.get("Records")), via.redact)
	case detailType == DetailTypeConfigurationChange:
		return nil, fmt.Errorf("%w: it is a %q event", ErrIgnored, detailType)
	case isStateChange(e, detailType, detail):
		via.source = cmp.Or(via.source, eventSource(e))
		return asList(parseState(e, detail, via))
	case e.get("alarmData") != nil:
		via.source = cmp.Or(via.source, SourceAction)
		return asList(parseState(e, object(e.get("alarmData")), via))
	case e.text("AlarmName") != "" && e.text("NewStateValue") != "":
		return asList(parseNotification(e, via))
	}
	return nil, fmt.Errorf("unknown event: expected an alarm action (with alarmData), "+
		"an EventBridge event %q, or an SNS alarm notification%s", DetailTypeStateChange, hint(e, detailType))
}

// eventSource returns the source of an EventBridge event. EventBridge reserves sources that begin with "aws."
// for AWS, so a custom event cannot have CloudWatch's.
func eventSource(e members) Source {
	if e.text("source") == EventSource {
		return SourceEventBridge
	}
	return SourceCustomEvent
}

// isStateChange reports whether an EventBridge event is a state change of an alarm. An event of an unknown
// detail type counts if it names an alarm and its state, since CloudWatch may add types.
func isStateChange(e members, detailType string, detail members) bool {
	if detailType == DetailTypeStateChange || detailType == DetailTypeContributorStateChange {
		return true
	}
	return detailType != "" && e.text("source") == EventSource &&
		detail.text("alarmName") != "" && object(detail.get("state")).text("value") != ""
}

// hint describes the event for an error, which helps to find the wrong trigger.
func hint(e members, detailType string) string {
	if detailType != "" {
		return fmt.Sprintf("; got the detail-type %.100q", detailType)
	}
	return fmt.Sprintf("; got the keys %.200q", strings.Join(slices.Sorted(maps.Keys(e)), ", "))
}

// asList returns the alarm as a list of one, or the error.
func asList(alarm Alarm, err error) ([]Alarm, error) {
	if err != nil {
		return nil, err
	}
	return []Alarm{alarm}, nil
}

// parseRecords returns the alarms of the valid records, and the errors of the others. [ErrIgnored] is only among them if no
// record has an alarm or another error.
func parseRecords(records []any, redact func(string) (string, int)) ([]Alarm, error) {
	var alarms []Alarm
	var problems, ignored []error
	for i, r := range records {
		record := object(r)
		sns := object(record.get("Sns"))
		message := sns.text("Message")
		if message == "" {
			problems = append(problems, fmt.Errorf("record %d has no SNS message", i))
			continue
		}
		topic := cmp.Or(sns.text("TopicArn"), record.text("EventSubscriptionArn"))
		found, err := parse([]byte(message), delivery{source: SourceSNS, topic: topic, redact: redact})
		if err == nil {
			err = checkFiltered([]byte(message), found)
		}
		switch {
		case errors.Is(err, ErrIgnored):
			ignored = append(ignored, fmt.Errorf("SNS record %d: %w", i, err))
		case err != nil:
			problems = append(problems, fmt.Errorf("SNS record %d: %w", i, err))
		default:
			alarms = append(alarms, found...)
		}
	}
	if len(alarms) == 0 && len(problems) == 0 {
		problems = ignored
	}
	return alarms, errors.Join(problems...)
}

// checkFiltered returns an error if the filter policy of a subscription (NamePrefixes of AttachTopic) can have read
// another name than that of the alarm: it reads AlarmName on the first level of a message. CloudWatch's message has
// the field once, and an event has none there.
func checkFiltered(message []byte, alarms []Alarm) error {
	seen := 0
	decoder := json.NewDecoder(bytes.NewReader(message))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil // an event within a JSON text, which no filter policy can read
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil // unreachable: the message was parsed
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil // unreachable, likewise
		}
		if name != "AlarmName" {
			continue
		}
		seen++
		for i := range alarms {
			text, isText := value.(string)
			if seen > 1 || !isText || strings.TrimSpace(text) != strings.TrimSpace(alarms[i].Name) {
				return fmt.Errorf("the message does not identify its alarm: its AlarmName is %.255q, but it is about the alarm %.255q",
					textOf(value), alarms[i].Name)
			}
		}
	}
	return nil
}

// Fields of events that are parsed, or that do not help to find the cause of an alarm.
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

// parseState parses the alarmData of an alarm action or the detail of an EventBridge event, which have the
// same fields.
func parseState(e, body members, via delivery) (Alarm, error) {
	r := reader{redact: via.redact}
	state, previous := object(body.get("state")), r.object("previousState", body.get("previousState"))
	configuration := object(body.get("configuration"))
	a := Alarm{
		Name:          body.text("alarmName"),
		ARN:           firstAlarmARN(append([]any{e.get("alarmArn"), body.get("alarmArn")}, list(e.get("resources"))...)),
		Account:       account(e.text("accountId", "account")),
		Region:        e.text("region"),
		Description:   configuration.text("description"),
		Source:        via.source,
		State:         stateOf(state.get("value")),
		PreviousState: r.previousState("previousState", previous.get("value")),
		Reason:        state.text("reason"),
		Time:          r.firstTime("state.timestamp", state.get("timestamp"), e.get("time")),
		Rule:          configuration.text("alarmRule"),
		ReasonData:    state.text("reasonData"),
	}
	for _, tags := range []any{e.get("alarmTags"), body.get("alarmTags"), configuration.get("alarmTags")} {
		if a.Tags = r.pairs("tags", tags); len(a.Tags) > 0 {
			break
		}
	}
	a.Metrics = r.metrics(configuration.get("metrics"))
	if !isEmpty(state.get("actionsSuppressedBy")) {
		a.SuppressedBy, a.SuppressedWhy = state.text("actionsSuppressedBy"), state.text("actionsSuppressedReason")
	}
	if mute := body.get("muteDetail"); !isEmpty(mute) {
		if a.MutedBy = object(mute).text("mutedByArn"); a.MutedBy == "" {
			a.MutedBy = "a mute rule"
		}
	}
	if given := body.get("alarmContributor"); given != nil || e.text("detail-type") == DetailTypeContributorStateChange {
		c := r.object("alarmContributor", given) // may be nil: the event is about a contributor, even if it does not describe it
		a.Contributor = contributor(c.text("id"), r.pairs("alarmContributor.attributes", c.get("attributes")))
	}
	rest := unrecognized(body, bodyMembers)
	if inState := unrecognized(state, stateMembers); len(inState) > 0 {
		rest["state"] = map[string]any(inState)
	}
	if via.source == SourceAction {
		maps.Copy(rest, unrecognized(e, envelopeMembers))
	}
	r.readReasonData(&a)
	r.readConfiguration(&a, body.get("configuration"))
	r.readRest(&a, rest)
	return r.complete(a)
}

// metrics reads the queries of a metric alarm and skips values that are not queries.
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

// metric reads a query of a metric alarm in the format of the API, EventBridge, or SNS.
func (r *reader) metric(m members) Metric {
	out := Metric{ID: m.text("id"), Expression: m.text("expression"), Label: m.text("label"), ReturnData: true} // AWS's default
	field := "metric " + out.ID
	if out.Account = account(m.text("accountId")); out.Account != "" && !accountID.MatchString(out.Account) {
		r.note(field+" accountId", "%.60q is not the ID of an account", out.Account)
		out.Account = ""
	}
	out.Period = r.whole(field+" period", m.get("period"))
	if returned := m.text("returnData"); strings.EqualFold(returned, "false") {
		out.ReturnData = false
	}
	if stat := r.object(field+" metricStat", m.get("metricStat")); stat != nil {
		of := r.object(field+" metricStat.metric", stat.get("metric"))
		out.Namespace, out.Name = of.text("namespace"), of.text("name", "metricName")
		out.Dimensions = r.pairs(field+" dimensions", of.get("dimensions"))
		out.Period = r.whole(field+" period", stat.get("period"))
		out.Stat, out.Unit = stat.text("stat"), stat.text("unit")
	}
	return out
}

// parseNotification parses the message that CloudWatch publishes to an SNS topic. The message contains the
// display name of the Region, such as "US East (N. Virginia)". The Region therefore comes from the ARN of
// the topic, since an alarm can only notify topics in its Region.
func parseNotification(n members, via delivery) (Alarm, error) {
	r := reader{redact: via.redact}
	a := Alarm{
		Name:          n.text("AlarmName"),
		ARN:           firstAlarmARN([]any{n.get("AlarmArn")}),
		Account:       account(n.text("AWSAccountId")),
		Description:   n.text("AlarmDescription"),
		Source:        SourceSNS,
		State:         stateOf(n.get("NewStateValue")),
		PreviousState: r.previousState("OldStateValue", n.get("OldStateValue")),
		Reason:        n.text("NewStateReason"),
		ReasonData:    n.text("NewStateReasonData"),
		Time:          r.firstTime("StateChangeTime", n.get("StateChangeTime")),
		Rule:          n.text("AlarmRule"),
		Tags:          r.pairs("AlarmTags", n.get("AlarmTags")),
	}
	if id, attributes := n.text("AlarmContributorId"), r.pairs("AlarmContributorAttributes", n.get("AlarmContributorAttributes")); id != "" || len(attributes) > 0 {
		a.Contributor = contributor(id, attributes)
	}
	r.readChildren(&a, n.get("TriggeringChildren"))
	r.readReasonData(&a)
	r.describe(&a, object(n.get("Trigger")))
	r.readConfiguration(&a, n.get("Trigger"))
	r.readRest(&a, unrecognized(n, snsMembers))
	r.completeByTopic(&a, via.topic, n.text("Region"))
	return r.complete(a)
}

// describe reads the trigger of a notification. If it names an anomaly band, its threshold is only a
// placeholder.
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
			ID: "m1", Namespace: trigger.text("Namespace"), Name: trigger.text("MetricName"), Dimensions: r.pairs("Trigger.Dimensions", trigger.get("Dimensions")),
			Period: r.whole("Trigger.Period", trigger.get("Period")), Stat: statOf(trigger), Unit: trigger.text("Unit"), ReturnData: true,
		})
	}
}

// statOf returns a statistic as the API names it: "Average" for the notification's "AVERAGE".
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

// stateOf returns an alarm state. It ignores case and surrounding spaces.
func stateOf(v any) State { return State(strings.ToUpper(strings.TrimSpace(textOf(v)))) }

// previousState reads the state before the transition. It is empty if it is not one of CloudWatch's.
func (r *reader) previousState(field string, v any) State {
	switch state := stateOf(v); state {
	case "", StateOK, StateAlarm, StateInsufficientData:
		return state
	default:
		r.note(field, "%.60q is not a state of an alarm", string(state))
		return ""
	}
}

// contributor returns a contributor. Its attributes are not nil, since they are an object in a record, even without fields.
func contributor(id string, attributes map[string]string) *Contributor {
	if attributes == nil {
		attributes = map[string]string{}
	}
	return &Contributor{ID: id, Attributes: attributes}
}

// account returns an account id. It restores leading zeros that are lost if the id was sent as a number.
func account(id string) string {
	const digits = 12
	id = strings.TrimSpace(id)
	if id != "" && len(id) < digits && strings.Trim(id, "0123456789") == "" {
		return strings.Repeat("0", digits-len(id)) + id
	}
	return id
}

// firstAlarmARN returns the first valid ARN of an alarm. If there is none, it returns the first text, for
// the error. The name of an alarm may end with blanks, so they belong to the ARN.
func firstAlarmARN(candidates []any) string {
	first := ""
	for _, candidate := range candidates {
		text := strings.TrimLeftFunc(textOf(candidate), unicode.IsSpace)
		if _, ok := partsOf(text); ok {
			return text
		}
		if first == "" {
			first = text
		}
	}
	return first
}

// arnParts are the parts of an ARN.
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

// completeByTopic takes missing fields of a notification without an alarm ARN from the ARN of the topic.
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
		r.note("AlarmArn", "%.60q is not the ARN of an alarm; derived from the alarm's name and the ARN of the SNS topic", a.ARN)
	case regionCode.MatchString(region):
		a.Region = region
	}
}

var regionCode = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-\d{1,2}$`)

// complete takes account, Region, and partition from the ARN, which is more reliable than the rest of the
// event: an SNS message contains the Region's display name, and a forwarded event the account of the
// receiver. It rejects an event that does not identify the alarm or its state, and an identity that no alarm
// can have.
func (r *reader) complete(a Alarm) (Alarm, error) {
	part, ok := partsOf(a.ARN)
	if !ok && a.Name != "" && a.Account != "" && a.Region != "" {
		if a.Partition == "" {
			a.Partition = PartitionOf(a.Region)
		}
		a.ARN = fmt.Sprintf("arn:%s:cloudwatch:%s:%s:alarm:%s", a.Partition, a.Region, a.Account, a.Name)
		part, ok = partsOf(a.ARN)
	}
	if !ok {
		return Alarm{}, fmt.Errorf("the event does not identify its alarm: the alarm ARN is %.300q", a.ARN)
	}
	a.Partition, a.Region, a.Account = part.partition, part.region, part.account
	if a.Name == "" {
		a.Name = part.resource
	}
	if err := r.checkIdentity(&a, part); err != nil {
		return Alarm{}, err
	}
	a.Children = r.validChildren(&a)
	switch a.State {
	case StateOK, StateAlarm, StateInsufficientData:
	default:
		return Alarm{}, fmt.Errorf("the state of alarm %q must be ALARM, OK, or INSUFFICIENT_DATA, got %.100q", a.Name, a.State)
	}
	a.NotUnderstood, a.Redactions = r.notUnderstood, r.redactions
	return a, nil
}

// partitions are the partitions other than "aws", with the prefixes of their Regions' names.
var partitions = []struct{ prefix, name string }{
	{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"eusc-", "aws-eusc"},
	{"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"}, {"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"},
}

// PartitionOf returns the partition of a Region.
func PartitionOf(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "aws"
}

// alarmARN finds the ARNs of alarms in reason data that is not valid JSON.
var alarmARN = regexp.MustCompile(`arn:[a-z-]+:cloudwatch:[a-z0-9-]*:\d{12}:alarm:[^"\\]+`)

// readReasonData reads the threshold and the triggering alarms from reasonData, a JSON document within the
// event. Some of AWS's published samples of it are broken. Errors are therefore ignored. Only a composite alarm has triggering
// alarms; a message is confirmed later, with the rule that CloudWatch knows.
func (r *reader) readReasonData(a *Alarm) {
	data := object(a.ReasonData)
	if data == nil {
		if a.Rule != "" && len(a.Children) == 0 {
			a.Children = childrenInText(a.ReasonData)
		}
		return
	}
	a.Threshold = r.float("reasonData.threshold", data.get("threshold"))
	if len(a.Children) > 0 || a.Rule == "" && !a.Source.IsForgeable() {
		return
	}
	r.readChildren(a, data.get("triggeringAlarms"))
}

// readChildren reads the ARNs of the triggering alarms that are in ALARM, or whose state is not given. The list also contains alarms
// in other states, for a rule such as ALARM(a) AND OK(b). They have not fired. One that is not understood may have.
func (r *reader) readChildren(a *Alarm, triggering any) {
	for _, child := range list(triggering) {
		o := object(child)
		arn := o.text("arn")
		if arn == "" {
			arn, _ = child.(string)
		}
		state := o.get("state", "stateValue")
		if inner := object(state); inner != nil {
			state = inner.get("value")
		}
		switch value := stateOf(state); {
		case isEmpty(child), value == StateOK, value == StateInsufficientData:
		case arn != "" && (value == "" || value == StateAlarm):
			a.Children = append(a.Children, arn)
		default:
			r.note("triggering alarms", "%.100q has no ARN, or no state of an alarm", textOf(child))
			a.MoreChildren++
		}
	}
}

// childState finds the state after the ARN of a triggering alarm in reason data that is not valid JSON.
var childState = regexp.MustCompile(`(?i)"value\\*"\s*:\s*\\*"\s*([a-z_]+)`)

// childrenInText is like readChildren for reason data that is not valid JSON.
func childrenInText(reasonData string) []string {
	var children []string
	found := alarmARN.FindAllStringIndex(reasonData, -1)
	for i, at := range found {
		end := len(reasonData)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		state := childState.FindStringSubmatch(reasonData[at[1]:end])
		if state == nil || stateOf(state[1]) == StateAlarm {
			children = append(children, reasonData[at[0]:at[1]])
		}
	}
	return children
}

// unrecognized returns the fields of an object that are not known.
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
