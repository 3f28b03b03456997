// Package alarmevent turns every JSON shape in which CloudWatch reports an alarm into one [Alarm].
package alarmevent

import "time"

// State is an alarm state: OK, ALARM or INSUFFICIENT_DATA.
type State string

// The three alarm states.
const (
	StateOK               State = "OK"
	StateAlarm            State = "ALARM"
	StateInsufficientData State = "INSUFFICIENT_DATA"
)

// Kind is what sort of alarm it is.
type Kind string

// The kinds of alarms.
const (
	KindMetric    Kind = "metric"
	KindComposite Kind = "composite"
	KindAnomaly   Kind = "anomaly"
)

// Source is the way on which the event came.
type Source string

// The ways on which an event comes.
const (
	SourceAction      Source = "alarm-action"
	SourceEventBridge Source = "eventbridge"
	SourceSNS         Source = "sns"
)

// Alarm is one state change of one alarm, whichever way it was reported. Every text in it is
// untrusted: whoever may create alarms or metrics chose it.
type Alarm struct {
	Name          string            `json:"name"`
	ARN           string            `json:"arn"`
	Account       string            `json:"account"` // 12 digits
	Region        string            `json:"region"`
	Partition     string            `json:"partition"` // aws, aws-cn, aws-us-gov …
	Description   string            `json:"description,omitempty"`
	Kind          Kind              `json:"kind"`
	Source        Source            `json:"source"`
	State         State             `json:"state"`
	PreviousState State             `json:"previous_state,omitempty"`
	Reason        string            `json:"reason"`
	Time          time.Time         `json:"time"` // of the transition, UTC; zero when the event has none that parses
	Metrics       []Metric          `json:"metrics,omitempty"`
	Threshold     *float64          `json:"threshold,omitempty"`  // from the event or reasonData
	Comparison    string            `json:"comparison,omitempty"` // such as GreaterThanThreshold
	Rule          string            `json:"rule,omitempty"`       // of a composite alarm
	Children      []string          `json:"children,omitempty"`   // ARNs of the alarms that triggered a composite one
	Tags          map[string]string `json:"tags,omitempty"`
	Contributor   *Contributor      `json:"contributor,omitempty"`
	SuppressedBy  string            `json:"suppressed_by,omitempty"` // Alarm, WaitPeriod, ExtensionPeriod
	SuppressedWhy string            `json:"suppressed_why,omitempty"`
	MutedBy       string            `json:"muted_by,omitempty"`    // ARN of the mute rule
	ReasonData    string            `json:"reason_data,omitempty"` // JSON as sent; may be broken
}

// Metric is one query of a metric alarm: a metric or an expression over others.
type Metric struct {
	ID         string            `json:"id,omitempty"`
	Namespace  string            `json:"namespace,omitempty"`
	Name       string            `json:"name,omitempty"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Period     int               `json:"period,omitempty"` // seconds
	Stat       string            `json:"stat,omitempty"`
	Unit       string            `json:"unit,omitempty"`
	Expression string            `json:"expression,omitempty"`
	Label      string            `json:"label,omitempty"`
	ReturnData bool              `json:"return_data"`
}

// Contributor is the time series that set off an alarm with several (Metrics Insights GROUP BY).
type Contributor struct {
	ID         string            `json:"id"`
	Attributes map[string]string `json:"attributes"`
}
