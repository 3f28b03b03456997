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
	KindLog       Kind = "log"     // a scheduled Logs Insights query
	KindPromQL    Kind = "promql"  // a PromQL query over OpenTelemetry metrics
	KindUnknown   Kind = "unknown" // its configuration is none of the above
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
	Name          string            `json:"name"`                  // 1 to 255 characters
	ARN           string            `json:"arn"`                   // of the alarm
	Account       string            `json:"account"`               // 12 digits
	Region        string            `json:"region"`                // such as eu-central-1
	Partition     string            `json:"partition"`             // aws, aws-cn, aws-us-gov …
	Description   string            `json:"description,omitempty"` // the alarm's own
	Kind          Kind              `json:"kind"`
	Source        Source            `json:"source"`
	State         State             `json:"state"`
	PreviousState State             `json:"previous_state,omitempty"`
	Reason        string            `json:"reason"`               // CloudWatch's words
	Time          time.Time         `json:"time"`                 // of the transition, UTC; zero when the event has none that parses
	Metrics       []Metric          `json:"metrics,omitempty"`    // what it measures; none for a composite alarm
	Threshold     *float64          `json:"threshold,omitempty"`  // from the event or reasonData
	Comparison    string            `json:"comparison,omitempty"` // such as GreaterThanThreshold
	Rule          string            `json:"rule,omitempty"`       // of a composite alarm
	Children      []string          `json:"children,omitempty"`   // ARNs of the alarms that triggered a composite one
	Tags          map[string]string `json:"tags,omitempty"`       // where the event carries them
	Contributor   *Contributor      `json:"contributor,omitempty"`
	SuppressedBy  string            `json:"suppressed_by,omitempty"`  // Alarm, WaitPeriod, ExtensionPeriod
	SuppressedWhy string            `json:"suppressed_why,omitempty"` // CloudWatch's words
	MutedBy       string            `json:"muted_by,omitempty"`       // ARN of the mute rule
	ReasonData    string            `json:"reason_data,omitempty"`    // JSON as sent; may be broken
	Query         *Query            `json:"query,omitempty"`          // of a log or PromQL alarm
	LogLines      []string          `json:"log_lines,omitempty"`      // matching log lines that the event carries
	Configuration string            `json:"configuration,omitempty"`  // JSON as sent, of a log, PromQL, or unknown alarm
	Unrecognized  string            `json:"unrecognized,omitempty"`   // JSON object of the event's members that were not recognized
	NotUnderstood []string          `json:"not_understood,omitempty"` // fields whose values could not be read, and what was assumed
	Redactions    int               `json:"redactions,omitempty"`     // secrets replaced in the texts above
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

// Metric is one query of a metric alarm: a metric or an expression over others.
type Metric struct {
	ID         string            `json:"id,omitempty"`         // of the query
	Namespace  string            `json:"namespace,omitempty"`  // such as AWS/Lambda
	Name       string            `json:"name,omitempty"`       // such as Errors
	Dimensions map[string]string `json:"dimensions,omitempty"` // by name
	Period     int               `json:"period,omitempty"`     // seconds
	Stat       string            `json:"stat,omitempty"`       // such as Sum or p99
	Unit       string            `json:"unit,omitempty"`       // CloudWatch's name of it, such as Bytes
	Expression string            `json:"expression,omitempty"` // metric math over other queries
	Label      string            `json:"label,omitempty"`      // as a reader knows it
	ReturnData bool              `json:"return_data"`          // whether the alarm judges this one
}

// Contributor is the time series that set off an alarm with several (Metrics Insights GROUP BY).
type Contributor struct {
	ID         string            `json:"id"`         // CloudWatch's
	Attributes map[string]string `json:"attributes"` // values of the GROUP BY, by name
}
