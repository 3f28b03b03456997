// Package alarmevent parses every JSON format in which CloudWatch reports an alarm into one [Alarm].
package alarmevent

import "time"

// State is an alarm state: OK, ALARM, or INSUFFICIENT_DATA.
type State string

// The three alarm states.
const (
	StateOK               State = "OK"
	StateAlarm            State = "ALARM"
	StateInsufficientData State = "INSUFFICIENT_DATA"
)

// Kind is the type of an alarm.
type Kind string

// The kinds of alarms.
const (
	KindMetric    Kind = "metric"
	KindComposite Kind = "composite"
	KindAnomaly   Kind = "anomaly"
	KindLog       Kind = "log"     // a scheduled Logs Insights query
	KindPromQL    Kind = "promql"  // a PromQL query over OpenTelemetry metrics
	KindUnknown   Kind = "unknown" // its configuration is not recognized
)

// Source is how the event was delivered.
type Source string

// The sources of events.
const (
	SourceAction      Source = "alarm-action"
	SourceEventBridge Source = "eventbridge"
	SourceSNS         Source = "sns"
	SourceCustomEvent Source = "custom-event" // an EventBridge event that does not come from CloudWatch
)

// IsForgeable reports whether somebody other than CloudWatch can have written an event of this source.
// Everybody who may publish to the topic can write an SNS message, and everybody who may put events on a bus
// can write a custom event. Only CloudWatch can send an event whose source begins with "aws.", and only
// principals that may invoke the orchestrator can write an alarm action.
func (s Source) IsForgeable() bool { return s != SourceAction && s != SourceEventBridge }

// Alarm is one state change of one alarm. Every text in it is untrusted: anybody who may create alarms or
// metrics can choose it.
type Alarm struct {
	Name          string            `json:"name"`                  // 1 to 255 characters
	ARN           string            `json:"arn"`                   // of the alarm
	Account       string            `json:"account"`               // 12 digits
	Region        string            `json:"region"`                // such as eu-central-1
	Partition     string            `json:"partition"`             // of AWS, such as aws or aws-us-gov
	Description   string            `json:"description,omitempty"` // of the alarm
	Kind          Kind              `json:"kind"`
	Source        Source            `json:"source"`
	State         State             `json:"state"`
	PreviousState State             `json:"previous_state,omitempty"`
	Reason        string            `json:"reason"`                  // as CloudWatch words it
	Time          time.Time         `json:"time"`                    // of the transition, UTC; zero if the event has no valid time
	Metrics       []Metric          `json:"metrics,omitempty"`       // that the alarm evaluates; none for a composite alarm
	Threshold     *float64          `json:"threshold,omitempty"`     // from the event or reasonData
	Comparison    string            `json:"comparison,omitempty"`    // such as GreaterThanThreshold
	Rule          string            `json:"rule,omitempty"`          // of a composite alarm
	Children      []string          `json:"children,omitempty"`      // ARNs of the alarms in ALARM that triggered a composite alarm
	MoreChildren  int               `json:"more_children,omitempty"` // number of others that may have triggered it; they are not covered
	Tags          map[string]string `json:"tags,omitempty"`          // if the event contains them
	Contributor   *Contributor      `json:"contributor,omitempty"`
	SuppressedBy  string            `json:"suppressed_by,omitempty"`  // Alarm, WaitPeriod, ExtensionPeriod
	SuppressedWhy string            `json:"suppressed_why,omitempty"` // as CloudWatch words it
	MutedBy       string            `json:"muted_by,omitempty"`       // ARN of the mute rule
	ReasonData    string            `json:"reason_data,omitempty"`    // JSON as sent; may be broken
	Query         *Query            `json:"query,omitempty"`          // of a log or PromQL alarm
	LogLines      []string          `json:"log_lines,omitempty"`      // matching log lines that the event contains
	Configuration string            `json:"configuration,omitempty"`  // JSON as sent, of a log, PromQL, or unknown alarm
	Unrecognized  string            `json:"unrecognized,omitempty"`   // JSON object with the unknown fields of the event
	NotUnderstood []string          `json:"not_understood,omitempty"` // fields that could not be read, and the values used instead
	Redactions    int               `json:"redactions,omitempty"`     // number of secrets that were redacted
	Unconfirmed   string            `json:"unconfirmed,omitempty"`    // why CloudWatch did not confirm a forgeable event; empty: it did, or the event is not forgeable
	IsUpdate      bool              `json:"is_update,omitempty"`      // CloudWatch confirmed an update of the alarm at the time of a forgeable event, not a transition
}

// Confirmation is what of an alarm's event is certain.
type Confirmation string

// The confirmations.
const (
	Confirmed       Confirmation = "confirmed"   // CloudWatch confirmed the transition, or only CloudWatch can have written the event
	ConfirmedUpdate Confirmation = "update"      // CloudWatch confirmed an update of the alarm at that time
	NotConfirmed    Confirmation = "unconfirmed" // CloudWatch did not confirm the event
)

// Confirmation returns what of the event is certain.
func (a *Alarm) Confirmation() Confirmation {
	switch {
	case a.Unconfirmed != "":
		return NotConfirmed
	case a.IsUpdate:
		return ConfirmedUpdate
	}
	return Confirmed
}

// Query is what a log or PromQL alarm evaluates.
type Query struct {
	Text        string   `json:"text,omitempty"`         // Logs Insights or PromQL
	LogGroups   []string `json:"log_groups,omitempty"`   // names or ARNs
	Aggregation string   `json:"aggregation,omitempty"`  // of a log alarm, such as count(*) by host
	Schedule    string   `json:"schedule,omitempty"`     // of a log alarm, such as rate(5 minutes)
	StartOffset int      `json:"start_offset,omitempty"` // seconds before each run at which its window begins
	EndOffset   int      `json:"end_offset,omitempty"`   // seconds before each run at which its window ends
	Interval    int      `json:"interval,omitempty"`     // seconds between evaluations of a PromQL alarm
	Pending     int      `json:"pending,omitempty"`      // seconds that a PromQL contributor breaches before ALARM
}

// Metric is one query of a metric alarm: a metric, or an expression that uses the results of other queries.
type Metric struct {
	ID         string            `json:"id,omitempty"`         // of the query
	Account    string            `json:"account,omitempty"`    // account of the metric, if the event names one
	Namespace  string            `json:"namespace,omitempty"`  // such as AWS/Lambda
	Name       string            `json:"name,omitempty"`       // such as Errors
	Dimensions map[string]string `json:"dimensions,omitempty"` // by name
	Period     int               `json:"period,omitempty"`     // seconds
	Stat       string            `json:"stat,omitempty"`       // such as Sum or p99
	Unit       string            `json:"unit,omitempty"`       // as CloudWatch names it, such as Bytes
	Expression string            `json:"expression,omitempty"` // metric math over other queries
	Label      string            `json:"label,omitempty"`      // for readers
	ReturnData bool              `json:"return_data"`          // whether the alarm evaluates this query
}

// Contributor is the time series that triggered an alarm that evaluates several (Metrics Insights GROUP BY).
type Contributor struct {
	ID         string            `json:"id"`         // from CloudWatch
	Attributes map[string]string `json:"attributes"` // values of the GROUP BY fields, by name
}
