// Package investigation defines [Record], the value that describes one investigation: the alarm that
// triggered it, the evidence, the rounds, the findings, and the cost. Each stage fills in its part, the
// report renders it, and the reports bucket stores it. The package has no AWS clients.
package investigation

import (
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// SchemaVersion is the version of Record's JSON. Fields are only added within a major version.
const SchemaVersion = "1.0"

// Outcome reports how an investigation ended.
type Outcome string

// The outcomes of an investigation.
const (
	OutcomeCompleted Outcome = "completed" // the model submitted its report
	OutcomeConcluded Outcome = "concluded" // the model was asked to conclude early, for example near a limit, or did not correct its report
	OutcomeFallback  Outcome = "fallback"  // no model concluded; the report has the evidence and manual steps only
)

// Record describes one investigation.
type Record struct {
	SchemaVersion string           `json:"schema_version"`
	ID            string           `json:"id"` // also part of every log line
	Alarm         alarmevent.Alarm `json:"alarm"`
	StartedAt     time.Time        `json:"started_at"` // UTC
	EndedAt       time.Time        `json:"ended_at"`   // UTC
	Outcome       Outcome          `json:"outcome"`
	OutcomeWhy    string           `json:"outcome_why,omitempty"`    // for the reader: the limit or error, and what to do
	Model         string           `json:"model"`                    // ID or ARN of the Bedrock model that was asked last; the first one if none was asked
	Fallbacks     []Fallback       `json:"fallbacks,omitempty"`      // models that were asked before it and failed, in order
	EvidenceOnly  bool             `json:"evidence_only,omitempty"`  // no model was asked: a limit of the day was reached, or investigations are switched off
	NoModelAsked  bool             `json:"no_model_asked,omitempty"` // no model was asked, because MaxCostUsd or MaxTokens does not allow one request
	Evidence      Evidence         `json:"evidence"`
	Rounds        []Round          `json:"rounds"` // in order
	Report        Report           `json:"report"`
	NotSeen       []NotSeen        `json:"not_seen,omitempty"` // what the investigation could not read, as recorded by code
	Usage         Usage            `json:"usage"`
	Lost          *Usage           `json:"lost_usage,omitempty"`     // part of usage: of earlier invocations whose checkpoint could not be read
	Repeats       int              `json:"repeats"`                  // at least how often the alarm fired again before the investigation ended; 0 also if that could not be read
	Together      []Related        `json:"fired_together,omitempty"` // alarms that fired at about the same time
	SeenBefore    []Past           `json:"seen_before,omitempty"`    // earlier investigations of the same alarm, oldest first
	Resumed       int              `json:"resumed,omitempty"`        // how often it was resumed from a checkpoint
	ReportURI     string           `json:"report_uri,omitempty"`     // address of the text report: s3://bucket/key
	AccountName   string           `json:"account_name,omitempty"`   // name of the alarm's account, if it has one
	MemberOf      string           `json:"member_of,omitempty"`      // account of the triage, if it reads the alarm's account as one of its members
	AtDelivery    *AtDelivery      `json:"at_delivery,omitempty"`    // the alarm just before the report was stored and sent
	Function      string           `json:"function,omitempty"`       // name of the orchestrator function; absent: it ran on somebody's machine
}

// AtDelivery is what CloudWatch answered about the alarm just before the report was stored and sent.
type AtDelivery struct {
	State   alarmevent.State `json:"state,omitempty"`   // OK, ALARM, or INSUFFICIENT_DATA; empty: not known
	Since   time.Time        `json:"since,omitzero"`    // when the alarm entered this state, UTC
	At      time.Time        `json:"at"`                // when CloudWatch was asked, UTC
	Problem string           `json:"problem,omitempty"` // why the state is not known
}

// ErrHandOver reports that the investigation continues in a fresh invocation, from its last checkpoint.
var ErrHandOver = errors.New("the investigation continues in another invocation")

// ErrUnreadable reports that the state in a checkpoint is not understood, such as that of another version.
var ErrUnreadable = errors.New("it is not understood")

// Calls returns all tool calls in order. The first is the evidence call, if there is one.
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

// Call returns the tool call of that number, or nil. Number 0 is the evidence call.
func (r *Record) Call(number int) *ToolCall {
	for call := range r.Calls() {
		if call.Number == number {
			return call
		}
	}
	return nil
}

// Fallback describes a model that could not continue the investigation. The next model was asked instead.
type Fallback struct {
	Model string     `json:"model"` // its ID or ARN
	Cause ModelCause `json:"cause"`
	Why   string     `json:"why"` // for the reader: what Bedrock answered, and what to do about it
}

// ModelCause classifies why a model could not continue.
type ModelCause string

// The causes for which another model is asked.
const (
	CauseRetired      ModelCause = "retired"              // the model has reached its end of life
	CauseLegacy       ModelCause = "legacy"               // the model is in state Legacy, and the account has not used it recently
	CauseForm         ModelCause = "form_missing"         // the provider's use case form was not submitted
	CauseSubscription ModelCause = "subscription_missing" // the account has no AWS Marketplace subscription to the model
	CauseNotInRegion  ModelCause = "not_in_region"        // the model is not offered in this Region under this ID
	CauseDailyQuota   ModelCause = "daily_quota"          // the daily quota is used up, or zero
	CauseDenied       ModelCause = "denied"               // a permission is missing
	CauseRefused      ModelCause = "refused"              // the model declined to answer
	CauseUnavailable  ModelCause = "unavailable"          // throttled or failing until the retries or the time ran out
	CauseOther        ModelCause = "other"                // none of the above
)

// Evidence holds the data that was collected before the first round. It is tool call number 0.
type Evidence struct {
	Call       *ToolCall         `json:"call,omitempty"`       // the tool call; absent if the tool was unreachable
	Problem    string            `json:"problem,omitempty"`    // why the evidence is missing or incomplete
	Missing    []string          `json:"missing,omitempty"`    // what is missing or incomplete, one line each
	Definition json.RawMessage   `json:"definition,omitempty"` // the alarm as DescribeAlarms returned it
	History    []HistoryItem     `json:"history,omitempty"`    // the alarm's history
	Query      *alarmevent.Query `json:"query,omitempty"`      // the query of a log or PromQL alarm
	LogLines   []string          `json:"log_lines,omitempty"`  // log lines that match a log alarm's query
	Series     []Series          `json:"series,omitempty"`     // the metrics that the alarm evaluates
	Related    []Related         `json:"related,omitempty"`    // other alarms in ALARM
	Changes    []Change          `json:"changes,omitempty"`    // write events from CloudTrail: those of the alarm's resources, then those of what they use, then others; of each, the newest first
	Trail      *Trail            `json:"trail,omitempty"`      // how much of CloudTrail was read
	Seen       []Observation     `json:"seen,omitempty"`       // first looks at the alarm's resources, the most relevant first
}

// IsEmpty reports whether nothing was collected.
func (e *Evidence) IsEmpty() bool {
	return len(e.Definition)+len(e.History)+len(e.LogLines)+len(e.Series)+len(e.Related)+len(e.Changes)+len(e.Seen) == 0 &&
		e.Query == nil && e.Trail == nil
}

// Trail describes which CloudTrail events the changes come from.
type Trail struct {
	From     time.Time      `json:"from"`              // start of the period of which all changes of the alarm's resources are known, UTC
	Complete bool           `json:"complete"`          // whether all write events of the period before the alarm were read, and the changes of the alarm's resources are known among them
	Read     int            `json:"read"`              // number of events
	Routine  map[string]int `json:"routine,omitempty"` // events that are not listed because they are routine, by name
}

// Observation is one fact about a resource of the alarm. It says what was seen, never what caused the alarm.
type Observation struct {
	About  string    `json:"about"`         // the resource, such as "Lambda function orders"
	Topic  string    `json:"topic"`         // change, health, limit, errors, dependency, or configuration
	Text   string    `json:"text"`          // one sentence
	Weight int       `json:"weight"`        // relevance from 0 to 100
	Time   time.Time `json:"time,omitzero"` // when it happened, if it did at one moment; UTC
}

// HistoryItem is one entry of the alarm's history.
type HistoryItem struct {
	Time    time.Time `json:"time"`    // UTC
	Type    string    `json:"type"`    // such as StateUpdate, ConfigurationUpdate, or Action
	Summary string    `json:"summary"` // as CloudWatch words it
}

// Series is one metric around the time of the transition.
type Series struct {
	ID        string   `json:"id"`                  // ID of the metric query
	Label     string   `json:"label"`               // name of the metric for the reader
	Unit      string   `json:"unit,omitempty"`      // CloudWatch's unit, such as Bytes
	Period    int      `json:"period"`              // seconds
	Stat      string   `json:"stat,omitempty"`      // such as Sum or p99
	Account   string   `json:"account,omitempty"`   // account of the metric, if it is not the triage's
	Points    []Point  `json:"points"`              // oldest first
	Threshold *float64 `json:"threshold,omitempty"` // the alarm's threshold, in the unit of the series
	Lower     []Point  `json:"lower,omitempty"`     // lower bound of the anomaly detection band
	Upper     []Point  `json:"upper,omitempty"`     // upper bound of the anomaly detection band
}

// Point is one data point.
type Point struct {
	Time  time.Time `json:"time"`  // start of the period, UTC
	Value float64   `json:"value"` // in the unit of the series
}

// Related is another alarm that was in ALARM or fired at about the same time.
type Related struct {
	Name   string    `json:"name"`             // name of the alarm
	ARN    string    `json:"arn,omitempty"`    // ARN of the alarm
	State  string    `json:"state,omitempty"`  // OK, ALARM, or INSUFFICIENT_DATA
	Since  time.Time `json:"since,omitzero"`   // when it entered this state, UTC
	Reason string    `json:"reason,omitempty"` // as CloudWatch words it
}

// NameBeside returns the name of the alarm for a reader of an investigation of another alarm, with its account and Region if they
// differ: an alarm of the same name may be the investigated one otherwise.
func (r Related) NameBeside(alarm *alarmevent.Alarm) string {
	account, region := alarmevent.PlaceInARN(r.ARN)
	if account == "" || account == alarm.Account && region == alarm.Region {
		return r.Name
	}
	return r.Name + " (account " + account + ", " + region + ")"
}

// Change is one write event that CloudTrail recorded before the alarm.
type Change struct {
	Time       time.Time `json:"time"`                 // UTC
	Event      string    `json:"event"`                // such as PutRolePolicy
	Source     string    `json:"source"`               // such as iam.amazonaws.com
	User       string    `json:"user,omitempty"`       // the caller, as CloudTrail names it
	Actor      string    `json:"actor,omitempty"`      // role, user, or service that made the change, and its client
	Resources  []string  `json:"resources,omitempty"`  // names or ARNs of the changed resources
	Parameters string    `json:"parameters,omitempty"` // beginning of the request parameters as JSON
	Own        bool      `json:"own,omitempty"`        // whether it changed a resource of the alarm
	Error      string    `json:"error,omitempty"`      // error code, if AWS rejected the change
}

// Round is one request to the model, its answer, and the tool calls of that answer.
type Round struct {
	Number     int         `json:"number"`              // from 1
	Model      string      `json:"model,omitempty"`     // ID or ARN of the model that was asked
	StartedAt  time.Time   `json:"started_at"`          // UTC
	DurationMS int64       `json:"duration_ms"`         // duration of the request to the model, in milliseconds
	Text       string      `json:"text,omitempty"`      // text of the answer
	Reasoning  string      `json:"reasoning,omitempty"` // the model's reasoning, if the model returns it
	StopReason string      `json:"stop_reason"`         // Bedrock's stop reason
	Calls      []ToolCall  `json:"calls,omitempty"`     // executions of Python, in order
	Other      []OtherCall `json:"other,omitempty"`     // calls that ran no Python, in order, such as reports that were returned
	Usage      Usage       `json:"usage"`
	Note       string      `json:"note,omitempty"` // how an unusable answer was handled
}

// ToolCall is one execution of Python. Findings cite its number.
type ToolCall struct {
	Number     int              `json:"number"`                // 0 is the evidence call; the others count from 1
	ToolUseID  string           `json:"tool_use_id,omitempty"` // Bedrock's ID of the call
	Name       string           `json:"name"`                  // name of the tool
	Command    string           `json:"command"`               // the Python code
	Answer     *toolcall.Answer `json:"answer,omitempty"`
	Problem    string           `json:"problem,omitempty"` // why there is no answer, as reported to the model
	Lost       bool             `json:"lost,omitempty"`    // the tool may have run the code, and its AWS calls are not known
	StartedAt  time.Time        `json:"started_at"`        // UTC
	DurationMS int64            `json:"duration_ms"`       // in milliseconds, as measured by the orchestrator
	Cached     int              `json:"cached,omitempty"`  // number of the earlier call whose answer was reused

	QueryLimitUSD float64 `json:"query_limit_usd,omitempty"` // what AWS could charge for its queries, in US dollars
}

// perCall is the part of an investigation's limit for billed queries that one tool call may spend: a call
// whose answer is lost counts as if it had spent all that it could.
const perCall = 4

// QueryLimitUSD returns what AWS may charge for the billed queries of each of a number of simultaneous tool
// calls, if it may charge most for those of the whole investigation. Amounts are in US dollars.
func (r *Record) QueryLimitUSD(most float64, calls int) float64 {
	rest := (most - r.QueryCostUSD()) / float64(max(calls, 1))
	return max(0, min(most/perCall, rest))
}

// QueryCostUSD returns the estimated cost of all billed queries in US dollars.
func (r *Record) QueryCostUSD() float64 {
	cost := 0.0
	if r.Lost != nil {
		cost = r.Lost.QueryCostUSD
	}
	for call := range r.Calls() {
		switch {
		case call.Cached > 0:
		case call.Answer != nil:
			cost += call.Answer.QueryCostUSD()
		case call.Lost:
			cost += call.QueryLimitUSD
		}
	}
	return cost
}

// BilledQueries returns the billed queries of all tool calls together, sorted by operation, and the number
// of calls whose queries are not known.
func (r *Record) BilledQueries() (queries []toolcall.BilledQueries, lost int) {
	sums := map[string]toolcall.BilledQueries{}
	for call := range r.Calls() {
		if call.Answer == nil && call.Lost {
			lost++
		}
		if call.Answer == nil || call.Cached > 0 {
			continue
		}
		for _, more := range call.Answer.BilledQueries {
			sum := sums[more.Operation]
			sums[more.Operation] = toolcall.BilledQueries{
				Operation: more.Operation, Unit: more.Unit, Requests: sum.Requests + more.Requests,
				Units: sum.Units + more.Units, CostUSD: sum.CostUSD + more.CostUSD,
			}
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(sums)) {
		queries = append(queries, sums[operation])
	}
	return queries, lost
}

// OtherCall is a call that ran no Python, such as a report that was returned, or code after the model had to conclude.
type OtherCall struct {
	Name   string `json:"name"`   // name of the tool, as the model wrote it
	Input  string `json:"input"`  // JSON as the model wrote it
	Answer string `json:"answer"` // the answer that the model received
}

// Confidence rates how certain a statement is.
type Confidence string

// The three degrees of confidence.
const (
	Confirmed Confidence = "confirmed"
	Likely    Confidence = "likely"
	Unknown   Confidence = "unknown"
)

// ParseConfidence returns the degree that text names, ignoring case, or Unknown.
func ParseConfidence(text string) Confidence {
	switch c := Confidence(strings.ToLower(strings.TrimSpace(text))); c {
	case Confirmed, Likely:
		return c
	}
	return Unknown
}

// Severity rates the impact.
type Severity string

// The degrees of severity.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high"
	SeverityMedium   Severity = "medium"
	SeverityLow      Severity = "low"
	SeverityUnknown  Severity = "unknown"
)

// ParseSeverity returns the degree that text names, ignoring case, or SeverityUnknown.
func ParseSeverity(text string) Severity {
	switch s := Severity(strings.ToLower(strings.TrimSpace(text))); s {
	case SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow:
		return s
	}
	return SeverityUnknown
}

// Report is the model's report after code has checked it.
type Report struct {
	Summary    string     `json:"summary"`              // executive summary
	RootCause  string     `json:"root_cause"`           // empty if no cause was found
	Confidence Confidence `json:"confidence"`           // of the root cause
	Severity   Severity   `json:"severity"`             // of the impact
	Impact     string     `json:"impact"`               // who or what is affected, and how
	Findings   []Finding  `json:"findings"`             // the facts that support the root cause
	RuledOut   []Refuted  `json:"ruled_out"`            // other causes that were tested
	Actions    []Action   `json:"immediate_actions"`    // what to do first, in order
	Prevention []string   `json:"prevention"`           // how to prevent a recurrence
	Monitoring []string   `json:"monitoring"`           // how to detect it earlier
	NotSeen    []string   `json:"not_seen"`             // what the model reports that it could not read
	FreeText   string     `json:"free_text,omitempty"`  // unchecked text of a model that answered in prose, perhaps after its report was returned
	Downgraded string     `json:"downgraded,omitempty"` // why code lowered the confidence
}

// Finding is one statement with its evidence.
type Finding struct {
	Statement  string     `json:"statement"` // one sentence
	Confidence Confidence `json:"confidence"`
	Time       time.Time  `json:"time,omitzero"`     // when it happened, for the timeline
	Evidence   []Citation `json:"evidence"`          // quotes that support it
	Verified   bool       `json:"verified"`          // true if it has evidence and every quote counts as evidence
	Problem    string     `json:"problem,omitempty"` // why it is not verified
}

// IsComputed reports whether the finding depends on a quote that code computed.
func (f *Finding) IsComputed() bool { return isComputed(f.Evidence) }

// Refuted is a possible cause that the model tested and refuted, with the evidence against it. If it is not verified,
// it is not ruled out.
type Refuted struct {
	Hypothesis string     `json:"hypothesis"`        // the possible cause
	Reason     string     `json:"reason"`            // what speaks against it
	Evidence   []Citation `json:"evidence"`          // quotes that speak against it
	Verified   bool       `json:"verified"`          // true if it has evidence and every quote counts as evidence
	Problem    string     `json:"problem,omitempty"` // why it is not verified
}

// IsComputed reports whether the evidence against the hypothesis depends on a quote that code computed.
func (r *Refuted) IsComputed() bool { return isComputed(r.Evidence) }

func isComputed(evidence []Citation) bool {
	return slices.ContainsFunc(evidence, func(c Citation) bool { return c.Source == SourceComputed })
}

// Citation is a verbatim quote from a tool call's output.
type Citation struct {
	Call  int    `json:"call" minimum:"-1"` // number of the tool call; -1 if the model named none
	Quote string `json:"quote"`             // verbatim, except for its encoding, such as escapes, white space, and Unicode forms
	Found bool   `json:"found"`             // whether code found the quote in the output of that call

	// Source is where the quote comes from, if it counts as evidence.
	Source Source `json:"source,omitempty"`
}

// Source is where a quote comes from.
type Source string

// The sources of quotes. A quote from another source, such as text that code made up, is no evidence.
const (
	SourceAWS      Source = "aws"      // AWS answered it in that call
	SourceComputed Source = "computed" // the call's code made it; AWS answered the call, but its answers do not prove this text
)

// Action is one step for the engineer, with a command if there is one.
type Action struct {
	Text    string   `json:"text"`              // one sentence
	Command string   `json:"command,omitempty"` // shell command as the model wrote it, neither checked nor run
	Effects []string `json:"effects,omitempty"` // what code found that the command does, such as reads_aws or deletes
}

// NotSeen is something that the investigation could not read.
type NotSeen struct {
	What string `json:"what"` // such as "logs:FilterLogEvents"
	Why  string `json:"why"`  // such as "access denied"
	Call int    `json:"call"` // number of the tool call; 0: that of the evidence, or the orchestrator itself
}

// Past is an earlier investigation of the same alarm.
type Past struct {
	ID        string    `json:"id"`   // ID of that investigation
	Time      time.Time `json:"time"` // when that investigation started, UTC
	Outcome   Outcome   `json:"outcome"`
	Cause     string    `json:"cause"`      // root cause that was reported
	ReportURI string    `json:"report_uri"` // address of its text report: s3://bucket/key

	Repeats    int        `json:"repeats,omitempty"`    // at least how often the alarm fired again after it, before the next investigation
	Confidence Confidence `json:"confidence,omitempty"` // of the cause, after code checked its quotes; empty: recorded by an older version
	Feedback   *Feedback  `json:"feedback,omitempty"`   // what a human reported about the cause
}

// Verified reports whether that investigation confirmed its cause with quotes from AWS's answers.
func (p Past) Verified() bool { return p.Cause != "" && p.Confidence == Confirmed }

// Usage counts requests, tokens, and cost. Token counts are as the model reports them.
type Usage struct {
	ModelCalls       int     `json:"model_calls"`              // requests that Bedrock answered
	ToolCalls        int     `json:"tool_calls"`               // executions of Python
	InputTokens      int     `json:"input_tokens"`             // input tokens that were neither read from the prompt cache nor written to it
	OutputTokens     int     `json:"output_tokens"`            // tokens that the model wrote
	CacheReadTokens  int     `json:"cache_read_tokens"`        // input tokens served from the prompt cache
	CacheWriteTokens int     `json:"cache_write_tokens"`       // input tokens written to the prompt cache
	CostUSD          float64 `json:"cost_usd"`                 // estimated cost in US dollars
	PriceKnown       bool    `json:"price_known"`              // false: cost_usd is meaningless
	QueryCostUSD     float64 `json:"query_cost_usd,omitempty"` // estimated cost of billed AWS queries; not in cost_usd
}

// Tokens returns the number of tokens of all kinds.
func (u Usage) Tokens() int {
	return u.InputTokens + u.OutputTokens + u.CacheReadTokens + u.CacheWriteTokens
}

// Add adds the usage of another part of the investigation. The price stays known only if both prices are.
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
