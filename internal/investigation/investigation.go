// Package investigation holds the one value that an investigation is: what set it off, what was
// looked at, what was found, what it cost. The stages fill it, the report renders it, the bucket keeps
// it. It knows nothing of AWS clients.
package investigation

import (
	"encoding/json"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// SchemaVersion is the version of Record's JSON. Fields are only added within a major version.
const SchemaVersion = "1.0"

// Outcome is how an investigation ended.
type Outcome string

// How an investigation ends.
const (
	OutcomeCompleted Outcome = "completed" // the model concluded by itself
	OutcomeConcluded Outcome = "concluded" // a limit was near; the model concluded from what it had
	OutcomeFallback  Outcome = "fallback"  // no conclusion of a model; evidence and manual steps only
)

// Record is one investigation.
type Record struct {
	SchemaVersion string           `json:"schema_version"`
	ID            string           `json:"id"` // also in every log line
	Alarm         alarmevent.Alarm `json:"alarm"`
	StartedAt     time.Time        `json:"started_at"`
	EndedAt       time.Time        `json:"ended_at"`
	Outcome       Outcome          `json:"outcome"`
	OutcomeWhy    string           `json:"outcome_why,omitempty"` // for a human: which limit, which error, what to do about it
	Model         string           `json:"model"`
	Evidence      Evidence         `json:"evidence"`
	Rounds        []Round          `json:"rounds"`
	Report        Report           `json:"report"`
	NotSeen       []NotSeen        `json:"not_seen,omitempty"` // what code noticed could not be seen
	Usage         Usage            `json:"usage"`
	Repeats       int              `json:"repeats"` // further events of this alarm within the window so far
	Together      []Related        `json:"fired_together,omitempty"`
	SeenBefore    []Past           `json:"seen_before,omitempty"`
	Resumed       int              `json:"resumed,omitempty"`    // how often it went on from a checkpoint
	ReportURI     string           `json:"report_uri,omitempty"` // s3://bucket/key of the report's text
}

// Evidence is what was collected before any model was asked. It is tool call number 0.
type Evidence struct {
	Call       *ToolCall       `json:"call,omitempty"`       // the fixed tool call; nil when the tool could not be reached
	Problem    string          `json:"problem,omitempty"`    // why there is none, or why it is incomplete
	Definition json.RawMessage `json:"definition,omitempty"` // the alarm as DescribeAlarms returned it
	History    []HistoryItem   `json:"history,omitempty"`
	Series     []Series        `json:"series,omitempty"`
	Related    []Related       `json:"related,omitempty"` // other alarms in ALARM
	Changes    []Change        `json:"changes,omitempty"` // CloudTrail write events, newest first
}

// HistoryItem is one line of the alarm's history.
type HistoryItem struct {
	Time    time.Time `json:"time"`
	Type    string    `json:"type"` // StateUpdate, ConfigurationUpdate, Action
	Summary string    `json:"summary"`
}

// Series is one metric around the transition.
type Series struct {
	ID        string   `json:"id"`
	Label     string   `json:"label"`
	Unit      string   `json:"unit,omitempty"`
	Period    int      `json:"period"` // seconds
	Stat      string   `json:"stat,omitempty"`
	Points    []Point  `json:"points"` // oldest first
	Threshold *float64 `json:"threshold,omitempty"`
	Lower     []Point  `json:"lower,omitempty"` // anomaly band
	Upper     []Point  `json:"upper,omitempty"`
}

// Point is one datapoint.
type Point struct {
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
}

// Related is another alarm that was in ALARM or fired at about the same time.
type Related struct {
	Name   string    `json:"name"`
	ARN    string    `json:"arn,omitempty"`
	State  string    `json:"state,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// Change is one write that CloudTrail recorded before the alarm.
type Change struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"`  // such as PutRolePolicy
	Source    string    `json:"source"` // such as iam.amazonaws.com
	User      string    `json:"user,omitempty"`
	Resources []string  `json:"resources,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// Round is one question to the model and all that came of it.
type Round struct {
	Number     int        `json:"number"` // from 1
	StartedAt  time.Time  `json:"started_at"`
	DurationMS int64      `json:"duration_ms"` // of the model call
	Text       string     `json:"text,omitempty"`
	Reasoning  string     `json:"reasoning,omitempty"`
	StopReason string     `json:"stop_reason"`
	Calls      []ToolCall `json:"calls,omitempty"`
	Usage      Usage      `json:"usage"`
	Note       string     `json:"note,omitempty"` // what the loop did about it: retried, sent back, compacted
}

// ToolCall is one execution of Python. Findings cite it by its number.
type ToolCall struct {
	Number     int              `json:"number"` // 0 is the fixed evidence call; then counted over the whole investigation
	ToolUseID  string           `json:"tool_use_id,omitempty"`
	Name       string           `json:"name"`
	Command    string           `json:"command"`
	Answer     *toolcall.Answer `json:"answer,omitempty"`
	Problem    string           `json:"problem,omitempty"` // why there is no answer, in words for the model
	StartedAt  time.Time        `json:"started_at"`
	DurationMS int64            `json:"duration_ms"`
	Cached     int              `json:"cached,omitempty"` // number of the identical earlier call whose answer was given again
}

// Confidence is how sure a statement is.
type Confidence string

// The three degrees of confidence.
const (
	Confirmed Confidence = "confirmed"
	Likely    Confidence = "likely"
	Unknown   Confidence = "unknown"
)

// Severity is how bad the impact is.
type Severity string

// The degrees of severity.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high"
	SeverityMedium   Severity = "medium"
	SeverityLow      Severity = "low"
	SeverityUnknown  Severity = "unknown"
)

// Report is what submit_report brought, after code has checked it.
type Report struct {
	Summary    string     `json:"summary"` // executive summary
	RootCause  string     `json:"root_cause"`
	Confidence Confidence `json:"confidence"`
	Severity   Severity   `json:"severity"`
	Impact     string     `json:"impact"`
	Findings   []Finding  `json:"findings"`
	Actions    []Action   `json:"immediate_actions"`
	Prevention []string   `json:"prevention"`
	Monitoring []string   `json:"monitoring"`
	NotSeen    []string   `json:"not_seen"`             // as the model states it
	FreeText   string     `json:"free_text,omitempty"`  // the model answered in prose instead; unchecked
	Downgraded string     `json:"downgraded,omitempty"` // why code lowered the confidence
}

// Finding is one statement with the evidence it stands on.
type Finding struct {
	Statement  string     `json:"statement"`
	Confidence Confidence `json:"confidence"`
	Time       time.Time  `json:"time,omitzero"` // when what it states happened, for the timeline
	Evidence   []Citation `json:"evidence"`
	Verified   bool       `json:"verified"`          // at least one citation, and every one of them stands
	Problem    string     `json:"problem,omitempty"` // why it is not verified
}

// Citation is a verbatim quote from a tool call's output.
type Citation struct {
	Call  int    `json:"call"`
	Quote string `json:"quote"`
	Found bool   `json:"found"`
}

// Action is something to do, with the command for it where there is one.
type Action struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
}

// NotSeen is something that the investigation could not look at.
type NotSeen struct {
	What string `json:"what"` // such as "logs:FilterLogEvents"
	Why  string `json:"why"`  // such as "AccessDeniedException"
	Call int    `json:"call"` // tool call number
}

// Past is an earlier investigation of the same alarm.
type Past struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Outcome   Outcome   `json:"outcome"`
	Cause     string    `json:"cause"`
	ReportURI string    `json:"report_uri"`
}

// Usage counts what was used. Token numbers are the model's own.
type Usage struct {
	ModelCalls       int     `json:"model_calls"`
	ToolCalls        int     `json:"tool_calls"`
	InputTokens      int     `json:"input_tokens"` // not served from the cache
	OutputTokens     int     `json:"output_tokens"`
	CacheReadTokens  int     `json:"cache_read_tokens"`
	CacheWriteTokens int     `json:"cache_write_tokens"`
	CostUSD          float64 `json:"cost_usd"`
	PriceKnown       bool    `json:"price_known"` // false: no price for this model, CostUSD means nothing
}
