// Package investigation holds the one value that an investigation is: what set it off, what was
// looked at, what was found, what it cost. The stages fill it, the report renders it, the bucket keeps
// it. It knows nothing of AWS clients.
package investigation

import (
	"encoding/json"
	"errors"
	"iter"
	"strings"
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
	StartedAt     time.Time        `json:"started_at"` // UTC
	EndedAt       time.Time        `json:"ended_at"`   // UTC
	Outcome       Outcome          `json:"outcome"`
	OutcomeWhy    string           `json:"outcome_why,omitempty"` // for a human: which limit, which error, what to do about it
	Model         string           `json:"model"`                 // id or ARN of the Bedrock model that answered last
	Fallbacks     []Fallback       `json:"fallbacks,omitempty"`   // models that were asked before it, in order
	Evidence      Evidence         `json:"evidence"`
	Rounds        []Round          `json:"rounds"` // in order
	Report        Report           `json:"report"`
	NotSeen       []NotSeen        `json:"not_seen,omitempty"` // what code noticed could not be seen
	Usage         Usage            `json:"usage"`
	Repeats       int              `json:"repeats"`                  // further events of this alarm within the window so far
	Together      []Related        `json:"fired_together,omitempty"` // alarms that fired at about the same time
	SeenBefore    []Past           `json:"seen_before,omitempty"`    // earlier investigations of the same alarm, newest first
	Resumed       int              `json:"resumed,omitempty"`        // how often it went on from a checkpoint
	ReportURI     string           `json:"report_uri,omitempty"`     // s3://bucket/key of the report's text
}

// ErrHandOver reports that the investigation goes on in another invocation, from its last checkpoint.
var ErrHandOver = errors.New("the investigation goes on in another invocation")

// Calls returns every tool call, in order; the first is the evidence's, if there is one.
func (r *Record) Calls() iter.Seq[*ToolCall] {
	return func(yield func(*ToolCall) bool) {
		if r.Evidence.Call != nil && !yield(r.Evidence.Call) {
			return
		}
		for i := range r.Rounds {
			for j := range r.Rounds[i].Calls {
				if !yield(&r.Rounds[i].Calls[j]) {
					return
				}
			}
		}
	}
}

// Call returns a tool call by its number, or nil; 0 is the evidence's.
func (r *Record) Call(number int) *ToolCall {
	for call := range r.Calls() {
		if call.Number == number {
			return call
		}
	}
	return nil
}

// Fallback is a model that could not go on with the investigation, so that the next one was asked.
type Fallback struct {
	Model string     `json:"model"` // its id or ARN
	Cause ModelCause `json:"cause"`
	Why   string     `json:"why"` // for a human: what Bedrock answered, and what to do about it
}

// ModelCause is why a model could not be asked.
type ModelCause string

// The causes for which another model is asked.
const (
	CauseRetired      ModelCause = "retired"              // the model's end of life is over
	CauseLegacy       ModelCause = "legacy"               // Legacy, and not used by this account lately
	CauseForm         ModelCause = "form_missing"         // the maker's use case form was not submitted
	CauseSubscription ModelCause = "subscription_missing" // AWS Marketplace
	CauseNotInRegion  ModelCause = "not_in_region"        // or not under this id
	CauseDailyQuota   ModelCause = "daily_quota"          // used up until tomorrow, or zero
	CauseDenied       ModelCause = "denied"               // a permission is missing
	CauseRefused      ModelCause = "refused"              // the model declined to answer
	CauseUnavailable  ModelCause = "unavailable"          // throttled or failing for as long as it could be asked
	CauseOther        ModelCause = "other"
)

// Evidence is what was collected before any model was asked. It is tool call number 0.
type Evidence struct {
	Call       *ToolCall         `json:"call,omitempty"`       // the fixed tool call; nil when the tool could not be reached
	Problem    string            `json:"problem,omitempty"`    // why there is none, or why it is incomplete
	Definition json.RawMessage   `json:"definition,omitempty"` // the alarm as DescribeAlarms returned it
	History    []HistoryItem     `json:"history,omitempty"`    // of the alarm
	Query      *alarmevent.Query `json:"query,omitempty"`      // of a log or PromQL alarm, as it is defined
	LogLines   []string          `json:"log_lines,omitempty"`  // that match a log alarm's query
	Series     []Series          `json:"series,omitempty"`     // what the alarm measures
	Related    []Related         `json:"related,omitempty"`    // other alarms in ALARM
	Changes    []Change          `json:"changes,omitempty"`    // CloudTrail write events, newest first
}

// HistoryItem is one line of the alarm's history.
type HistoryItem struct {
	Time    time.Time `json:"time"`    // UTC
	Type    string    `json:"type"`    // StateUpdate, ConfigurationUpdate, Action
	Summary string    `json:"summary"` // CloudWatch's words
}

// Series is one metric around the transition.
type Series struct {
	ID        string   `json:"id"`                  // of the metric query
	Label     string   `json:"label"`               // as a reader knows it
	Unit      string   `json:"unit,omitempty"`      // CloudWatch's name of it, such as Bytes
	Period    int      `json:"period"`              // seconds
	Stat      string   `json:"stat,omitempty"`      // such as Sum or p99
	Points    []Point  `json:"points"`              // oldest first
	Threshold *float64 `json:"threshold,omitempty"` // the alarm's, in the series' unit
	Lower     []Point  `json:"lower,omitempty"`     // anomaly band
	Upper     []Point  `json:"upper,omitempty"`     // anomaly band
}

// Point is one datapoint.
type Point struct {
	Time  time.Time `json:"time"`  // beginning of the period, UTC
	Value float64   `json:"value"` // in the series' unit
}

// Related is another alarm that was in ALARM or fired at about the same time.
type Related struct {
	Name   string    `json:"name"`             // of the alarm
	ARN    string    `json:"arn,omitempty"`    // of the alarm
	State  string    `json:"state,omitempty"`  // OK, ALARM or INSUFFICIENT_DATA
	Since  time.Time `json:"since,omitzero"`   // UTC
	Reason string    `json:"reason,omitempty"` // CloudWatch's words
}

// Change is one write that CloudTrail recorded before the alarm.
type Change struct {
	Time      time.Time `json:"time"`                // UTC
	Event     string    `json:"event"`               // such as PutRolePolicy
	Source    string    `json:"source"`              // such as iam.amazonaws.com
	User      string    `json:"user,omitempty"`      // who did it, as CloudTrail names them
	Resources []string  `json:"resources,omitempty"` // names or ARNs of what was changed
	Error     string    `json:"error,omitempty"`     // error code of a change that was refused
}

// Round is one question to the model and all that came of it.
type Round struct {
	Number     int        `json:"number"`              // from 1
	Model      string     `json:"model,omitempty"`     // id or ARN of the model that was asked
	StartedAt  time.Time  `json:"started_at"`          // UTC
	DurationMS int64      `json:"duration_ms"`         // of the model call
	Text       string     `json:"text,omitempty"`      // what the model said
	Reasoning  string     `json:"reasoning,omitempty"` // what the model thought, where it shows that
	StopReason string     `json:"stop_reason"`         // Bedrock's
	Calls      []ToolCall `json:"calls,omitempty"`     // tool calls, in order
	Usage      Usage      `json:"usage"`
	Note       string     `json:"note,omitempty"` // what the loop did about it: retried, sent back, compacted
}

// ToolCall is one execution of Python. Findings cite it by its number.
type ToolCall struct {
	Number     int              `json:"number"`                // 0 is the fixed evidence call; then counted over the whole investigation
	ToolUseID  string           `json:"tool_use_id,omitempty"` // Bedrock's
	Name       string           `json:"name"`                  // of the tool
	Command    string           `json:"command"`               // the Python code
	Answer     *toolcall.Answer `json:"answer,omitempty"`
	Problem    string           `json:"problem,omitempty"` // why there is no answer, in words for the model
	StartedAt  time.Time        `json:"started_at"`        // UTC
	DurationMS int64            `json:"duration_ms"`       // milliseconds, as the orchestrator saw it
	Cached     int              `json:"cached,omitempty"`  // number of the identical earlier call whose answer was given again
}

// Confidence is how sure a statement is.
type Confidence string

// The three degrees of confidence.
const (
	Confirmed Confidence = "confirmed"
	Likely    Confidence = "likely"
	Unknown   Confidence = "unknown"
)

// ParseConfidence returns the degree that text names, whatever its case; anything else is Unknown.
func ParseConfidence(text string) Confidence {
	switch c := Confidence(strings.ToLower(strings.TrimSpace(text))); c {
	case Confirmed, Likely:
		return c
	}
	return Unknown
}

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

// ParseSeverity returns the degree that text names, whatever its case; anything else is SeverityUnknown.
func ParseSeverity(text string) Severity {
	switch s := Severity(strings.ToLower(strings.TrimSpace(text))); s {
	case SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow:
		return s
	}
	return SeverityUnknown
}

// Report is what submit_report brought, after code has checked it.
type Report struct {
	Summary    string     `json:"summary"`    // executive summary
	RootCause  string     `json:"root_cause"` // empty: none was found
	Confidence Confidence `json:"confidence"`
	Severity   Severity   `json:"severity"`
	Impact     string     `json:"impact"`               // who or what is affected, and how
	Findings   []Finding  `json:"findings"`             // what the cause stands on
	Actions    []Action   `json:"immediate_actions"`    // what to do first, in order
	Prevention []string   `json:"prevention"`           // so that it does not happen again
	Monitoring []string   `json:"monitoring"`           // so that it is seen earlier
	NotSeen    []string   `json:"not_seen"`             // as the model states it
	FreeText   string     `json:"free_text,omitempty"`  // the model answered in prose instead; unchecked
	Downgraded string     `json:"downgraded,omitempty"` // why code lowered the confidence
}

// Finding is one statement with the evidence it stands on.
type Finding struct {
	Statement  string     `json:"statement"` // one sentence
	Confidence Confidence `json:"confidence"`
	Time       time.Time  `json:"time,omitzero"`     // when what it states happened, for the timeline
	Evidence   []Citation `json:"evidence"`          // quotes that it stands on
	Verified   bool       `json:"verified"`          // at least one citation, and every one of them stands
	Problem    string     `json:"problem,omitempty"` // why it is not verified
}

// Citation is a verbatim quote from a tool call's output.
type Citation struct {
	Call  int    `json:"call"`  // tool call number
	Quote string `json:"quote"` // verbatim, white space counts as one blank
	Found bool   `json:"found"` // whether it stands in the output of that call
}

// Action is something to do, with the command for it where there is one.
type Action struct {
	Text    string `json:"text"`              // one sentence
	Command string `json:"command,omitempty"` // to copy into a shell
}

// NotSeen is something that the investigation could not look at.
type NotSeen struct {
	What string `json:"what"` // such as "logs:FilterLogEvents"
	Why  string `json:"why"`  // such as "AccessDeniedException"
	Call int    `json:"call"` // tool call number
}

// Past is an earlier investigation of the same alarm.
type Past struct {
	ID        string    `json:"id"`   // of that investigation
	Time      time.Time `json:"time"` // of its transition, UTC
	Outcome   Outcome   `json:"outcome"`
	Cause     string    `json:"cause"`      // root cause as it was reported
	ReportURI string    `json:"report_uri"` // s3://bucket/key of its report's text
}

// Usage counts what was used. Token numbers are the model's own.
type Usage struct {
	ModelCalls       int     `json:"model_calls"`        // requests to Bedrock
	ToolCalls        int     `json:"tool_calls"`         // executions of Python
	InputTokens      int     `json:"input_tokens"`       // not served from the cache
	OutputTokens     int     `json:"output_tokens"`      // of the model
	CacheReadTokens  int     `json:"cache_read_tokens"`  // input served from the prompt cache
	CacheWriteTokens int     `json:"cache_write_tokens"` // input written to the prompt cache
	CostUSD          float64 `json:"cost_usd"`           // estimated price in US dollars
	PriceKnown       bool    `json:"price_known"`        // false: no price for this model or no answer of it, CostUSD means nothing
}

// Tokens returns how many tokens of all kinds were used.
func (u Usage) Tokens() int {
	return u.InputTokens + u.OutputTokens + u.CacheReadTokens + u.CacheWriteTokens
}

// Add adds what another part of the investigation used. The price is known if both are.
func (u *Usage) Add(more Usage) {
	u.PriceKnown = more.PriceKnown && (u.PriceKnown || u.ModelCalls == 0)
	u.ModelCalls += more.ModelCalls
	u.ToolCalls += more.ToolCalls
	u.InputTokens += more.InputTokens
	u.OutputTokens += more.OutputTokens
	u.CacheReadTokens += more.CacheReadTokens
	u.CacheWriteTokens += more.CacheWriteTokens
	u.CostUSD += more.CostUSD
}
