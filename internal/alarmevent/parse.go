package alarmevent

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// ErrIgnored marks an event that is well formed but is not a state change of an alarm, such as a
// CloudWatch Alarm Configuration Change. There is nothing to do about it.
var ErrIgnored = errors.New("not a state change of an alarm")

// EventBridge's names of the events about alarms.
const (
	detailStateChange       = "CloudWatch Alarm State Change"
	detailContributorChange = "CloudWatch Alarm Contributor State Change"
	detailConfigChange      = "CloudWatch Alarm Configuration Change"
)

// maxNesting is how many envelopes may lie around an event (an EventBridge event that a rule sent
// to an SNS topic has two).
const maxNesting = 3

// envelope is what tells the three shapes apart.
type envelope struct {
	Records    []record        `json:"Records"`
	DetailType string          `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
	AlarmData  json.RawMessage `json:"alarmData"`
	AlarmARN   string          `json:"alarmArn"`
	AccountID  string          `json:"accountId"`
	Account    string          `json:"account"`
	Region     string          `json:"region"`
	Time       string          `json:"time"`
	Resources  []string        `json:"resources"`
	AlarmTags  tags            `json:"alarmTags"`

	// Only an SNS alarm message has these at its top.
	AlarmName     string `json:"AlarmName"`
	NewStateValue string `json:"NewStateValue"`
}

type record struct {
	SNS *struct {
		Message string `json:"Message"`
	} `json:"Sns"`
}

// Parse reads an invocation's payload: an alarm action, an EventBridge event, or SNS records of
// either or of SNS's own alarm message. The error says what was expected; it is [ErrIgnored] for
// events about alarms that are not state changes.
func Parse(raw []byte) ([]Alarm, error) {
	return parse(raw, "", maxNesting)
}

func parse(raw []byte, via Source, nesting int) ([]Alarm, error) {
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("the event is not a JSON object that CloudWatch sends for alarms: %w", err)
	}
	switch {
	case len(e.Records) > 0:
		if nesting <= 1 {
			return nil, errors.New("the event is wrapped in too many SNS messages")
		}
		return parseRecords(e.Records, nesting-1)
	case e.DetailType == detailConfigChange:
		return nil, fmt.Errorf("%w: it is a %q event", ErrIgnored, e.DetailType)
	case e.DetailType == detailStateChange, e.DetailType == detailContributorChange:
		return one(parseState(e, e.Detail, or(via, SourceEventBridge)))
	case len(e.AlarmData) > 0:
		return one(parseState(e, e.AlarmData, or(via, SourceAction)))
	case e.AlarmName != "" && e.NewStateValue != "":
		return one(parseNotification(raw))
	}
	return nil, fmt.Errorf("the event is none of those that are understood: an alarm action (with alarmData), "+
		"an EventBridge event %q, or an SNS alarm notification%s", detailStateChange, hint(raw, e.DetailType))
}

// hint names what was there instead, so that a wrong trigger is found from the message alone.
func hint(raw []byte, detailType string) string {
	if detailType != "" {
		return fmt.Sprintf("; it has the detail-type %.100q", detailType)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return fmt.Sprintf("; its keys are %.200q", strings.Join(keys, ", "))
}

func one(alarm Alarm, err error) ([]Alarm, error) {
	if err != nil {
		return nil, err
	}
	return []Alarm{alarm}, nil
}

func or(given, otherwise Source) Source {
	if given != "" {
		return given
	}
	return otherwise
}

// parseRecords keeps the alarms of the records that are understood, next to the errors of the rest.
func parseRecords(records []record, nesting int) ([]Alarm, error) {
	var alarms []Alarm
	var problems []error
	for i, r := range records {
		if r.SNS == nil || r.SNS.Message == "" {
			problems = append(problems, fmt.Errorf("record %d has no SNS message", i))
			continue
		}
		found, err := parse([]byte(r.SNS.Message), SourceSNS, nesting)
		if err != nil {
			problems = append(problems, fmt.Errorf("SNS record %d: %w", i, err))
			continue
		}
		alarms = append(alarms, found...)
	}
	return alarms, errors.Join(problems...)
}

// stateChange is alarmData of an alarm action and detail of an EventBridge event; they are alike.
type stateChange struct {
	AlarmName     string        `json:"alarmName"`
	State         state         `json:"state"`
	PreviousState state         `json:"previousState"`
	Configuration configuration `json:"configuration"`
	MuteDetail    *struct {
		MutedByARN string `json:"mutedByArn"`
	} `json:"muteDetail"`
	AlarmTags   tags `json:"alarmTags"`
	Contributor *struct {
		ID         string `json:"id"`
		Attributes tags   `json:"attributes"`
	} `json:"alarmContributor"`
}

type state struct {
	Value         string          `json:"value"`
	Reason        string          `json:"reason"`
	ReasonData    json.RawMessage `json:"reasonData"`
	Timestamp     string          `json:"timestamp"`
	SuppressedBy  string          `json:"actionsSuppressedBy"`
	SuppressedWhy string          `json:"actionsSuppressedReason"`
}

type configuration struct {
	Description string   `json:"description"`
	AlarmRule   string   `json:"alarmRule"`
	Metrics     []metric `json:"metrics"`
	AlarmTags   tags     `json:"alarmTags"`
}

type metric struct {
	ID         string      `json:"id"`
	MetricStat *metricStat `json:"metricStat"`
	Expression string      `json:"expression"`
	Label      string      `json:"label"`
	Period     number      `json:"period"`
	ReturnData *bool       `json:"returnData"`
}

type metricStat struct {
	Metric struct {
		Namespace  string     `json:"namespace"`
		Name       string     `json:"name"`
		MetricName string     `json:"metricName"` // SNS's word for it
		Dimensions dimensions `json:"dimensions"`
	} `json:"metric"`
	Period number `json:"period"`
	Stat   string `json:"stat"`
	Unit   string `json:"unit"`
}

func parseState(e envelope, body json.RawMessage, source Source) (Alarm, error) {
	var s stateChange
	if err := json.Unmarshal(body, &s); err != nil {
		return Alarm{}, fmt.Errorf("read the alarm's data: %w", err)
	}
	arn := e.AlarmARN
	if arn == "" && len(e.Resources) > 0 {
		arn = e.Resources[0]
	}
	a := Alarm{
		Name:          s.AlarmName,
		ARN:           arn,
		Account:       e.AccountID + e.Account, // an event has one of them
		Region:        e.Region,
		Description:   s.Configuration.Description,
		Source:        source,
		State:         State(s.State.Value),
		PreviousState: State(s.PreviousState.Value),
		Reason:        s.State.Reason,
		Time:          firstTime(s.State.Timestamp, e.Time),
		Rule:          s.Configuration.AlarmRule,
		SuppressedBy:  s.State.SuppressedBy,
		SuppressedWhy: s.State.SuppressedWhy,
		Tags:          firstTags(e.AlarmTags, s.AlarmTags, s.Configuration.AlarmTags),
		ReasonData:    textOf(s.State.ReasonData),
	}
	for _, m := range s.Configuration.Metrics {
		a.Metrics = append(a.Metrics, m.metric())
	}
	if s.MuteDetail != nil {
		a.MutedBy = s.MuteDetail.MutedByARN
		if a.MutedBy == "" {
			a.MutedBy = "a mute rule"
		}
	}
	if s.Contributor != nil {
		a.Contributor = &Contributor{ID: s.Contributor.ID, Attributes: s.Contributor.Attributes}
	}
	a.readReasonData()
	return a, a.complete()
}

func (m metric) metric() Metric {
	out := Metric{ID: m.ID, Expression: m.Expression, Label: m.Label, Period: int(m.Period)}
	out.ReturnData = m.ReturnData == nil || *m.ReturnData // AWS's default is true
	if m.MetricStat != nil {
		out.Namespace = m.MetricStat.Metric.Namespace
		out.Name = m.MetricStat.Metric.Name + m.MetricStat.Metric.MetricName // a shape has one of them
		out.Dimensions = m.MetricStat.Metric.Dimensions
		out.Period = int(m.MetricStat.Period)
		out.Stat = m.MetricStat.Stat
		out.Unit = m.MetricStat.Unit
	}
	return out
}

// notification is the message that CloudWatch publishes to an SNS topic. Its Region is a display
// name ("US East (N. Virginia)") and is not used.
type notification struct {
	AlarmName        string   `json:"AlarmName"`
	AlarmDescription string   `json:"AlarmDescription"`
	AWSAccountID     string   `json:"AWSAccountId"`
	NewStateValue    string   `json:"NewStateValue"`
	NewStateReason   string   `json:"NewStateReason"`
	StateChangeTime  string   `json:"StateChangeTime"`
	AlarmARN         string   `json:"AlarmArn"`
	OldStateValue    string   `json:"OldStateValue"`
	Trigger          *trigger `json:"Trigger"`
	AlarmRule        string   `json:"AlarmRule"`
	AlarmTags        tags     `json:"AlarmTags"`
	Children         []struct {
		ARN string `json:"Arn"`
	} `json:"TriggeringChildren"`
}

type trigger struct {
	MetricName         string     `json:"MetricName"`
	Namespace          string     `json:"Namespace"`
	StatisticType      string     `json:"StatisticType"`
	Statistic          string     `json:"Statistic"`
	ExtendedStatistic  string     `json:"ExtendedStatistic"`
	Unit               string     `json:"Unit"`
	Dimensions         dimensions `json:"Dimensions"`
	Period             number     `json:"Period"`
	ComparisonOperator string     `json:"ComparisonOperator"`
	Threshold          *float64   `json:"Threshold"`
	ThresholdMetricID  string     `json:"ThresholdMetricId"`
	Metrics            []metric   `json:"Metrics"`
}

func parseNotification(raw []byte) (Alarm, error) {
	var n notification
	if err := json.Unmarshal(raw, &n); err != nil {
		return Alarm{}, fmt.Errorf("read the SNS alarm notification: %w", err)
	}
	a := Alarm{
		Name:          n.AlarmName,
		ARN:           n.AlarmARN,
		Account:       n.AWSAccountID,
		Description:   n.AlarmDescription,
		Source:        SourceSNS,
		State:         State(n.NewStateValue),
		PreviousState: State(n.OldStateValue),
		Reason:        n.NewStateReason,
		Time:          firstTime(n.StateChangeTime),
		Rule:          n.AlarmRule,
		Tags:          n.AlarmTags,
	}
	for _, child := range n.Children {
		if child.ARN != "" {
			a.Children = append(a.Children, child.ARN)
		}
	}
	if n.Trigger != nil {
		n.Trigger.describe(&a)
	}
	return a, a.complete()
}

// describe copies what the notification says of the metric; a threshold next to a band's id is
// CloudWatch's filler.
func (t *trigger) describe(a *Alarm) {
	a.Comparison = t.ComparisonOperator
	if t.ThresholdMetricID == "" {
		a.Threshold = t.Threshold
	} else {
		a.Kind = KindAnomaly
	}
	for _, m := range t.Metrics {
		a.Metrics = append(a.Metrics, m.metric())
	}
	if t.MetricName != "" {
		a.Metrics = append(a.Metrics, Metric{
			ID: "m1", Namespace: t.Namespace, Name: t.MetricName, Dimensions: t.Dimensions,
			Period: int(t.Period), Stat: t.stat(), Unit: t.Unit, ReturnData: true,
		})
	}
}

// stat turns the notification's "AVERAGE" into the API's "Average".
func (t *trigger) stat() string {
	switch strings.ToUpper(t.Statistic) {
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
		return t.ExtendedStatistic
	}
	return t.Statistic
}

// complete derives what the ARN knows better than the rest of the event (an SNS message's region is
// a display name, a forwarded event's account is the receiver's), and refuses an event that does not
// say which alarm went into which state.
func (a *Alarm) complete() error {
	if a.ARN == "" && a.Name != "" && a.Account != "" && a.Region != "" {
		a.ARN = fmt.Sprintf("arn:%s:cloudwatch:%s:%s:alarm:%s", partitionOf(a.Region), a.Region, a.Account, a.Name)
	}
	part := strings.SplitN(a.ARN, ":", 7)
	if len(part) != 7 || part[0] != "arn" || part[2] != "cloudwatch" || part[5] != "alarm" || part[6] == "" {
		return fmt.Errorf("the event does not say which alarm it is about: its alarm ARN is %.300q", a.ARN)
	}
	a.Partition, a.Region, a.Account = part[1], part[3], part[4]
	if a.Name == "" {
		a.Name = part[6]
	}
	switch a.State {
	case StateOK, StateAlarm, StateInsufficientData:
	default:
		return fmt.Errorf("the state of alarm %q must be ALARM, OK or INSUFFICIENT_DATA, got %.100q", a.Name, a.State)
	}
	a.Kind = a.kind()
	return nil
}

func (a *Alarm) kind() Kind {
	switch {
	case a.Kind != "":
		return a.Kind
	case a.Rule != "" || len(a.Children) > 0:
		return KindComposite
	}
	for _, m := range a.Metrics {
		if strings.HasPrefix(strings.TrimSpace(m.Expression), "ANOMALY_DETECTION_BAND") {
			return KindAnomaly
		}
	}
	return KindMetric
}

func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// alarmARN finds ARNs of alarms in reason data that is broken JSON.
var alarmARN = regexp.MustCompile(`arn:[a-z-]+:cloudwatch:[a-z0-9-]*:\d{12}:alarm:[^"\\]+`)

// readReasonData takes threshold and triggering alarms from the inner JSON document. AWS's own samples
// of it are sometimes broken, so nothing here fails.
func (a *Alarm) readReasonData() {
	var data struct {
		Threshold        *float64 `json:"threshold"`
		TriggeringAlarms []struct {
			ARN string `json:"arn"`
		} `json:"triggeringAlarms"`
	}
	if json.Unmarshal([]byte(a.ReasonData), &data) == nil {
		a.Threshold = data.Threshold
		for _, child := range data.TriggeringAlarms {
			if child.ARN != "" {
				a.Children = append(a.Children, child.ARN)
			}
		}
		return
	}
	if a.Rule != "" {
		a.Children = alarmARN.FindAllString(a.ReasonData, -1)
	}
}
