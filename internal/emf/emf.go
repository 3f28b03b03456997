// Package emf writes metrics in CloudWatch's embedded metric format: JSON lines in the function's log from
// which CloudWatch extracts the metrics. It calls no API.
package emf

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Namespace is the namespace of all metrics.
const Namespace = "AlarmTriage"

// Dimension is the one dimension of all metrics: the orchestrator's function name.
const Dimension = "FunctionName"

// Names of the metrics. Their unit is Count unless the comment names another one.
const (
	Investigations       = "Investigations"             // investigations that ended with a delivered report
	Completed            = "InvestigationsCompleted"    // investigations that the model concluded by itself
	Concluded            = "InvestigationsConcluded"    // investigations that the model concluded because a limit was near, or without a corrected report
	Fallback             = "InvestigationsFallback"     // investigations that no model concluded
	EvidenceOnly         = "InvestigationsEvidenceOnly" // of those, investigations for which no model was asked
	Failed               = "InvestigationsFailed"       // failed attempts at an alarm, which Lambda retries
	Duplicates           = "Duplicates"                 // events of alarms that are being, or were already, investigated
	Skipped              = "Skipped"                    // events in other states, muted, or suppressed
	Unconfirmed          = "UnconfirmedEvents"          // events that can be forged and that CloudWatch did not confirm
	UnknownEvents        = "UnknownEvents"              // events that are not understood
	ModelFallbacks       = "ModelFallbacks"             // models of one investigation that could not continue it
	HandOvers            = "HandOvers"                  // hand-overs to a fresh invocation
	Resumed              = "Resumed"                    // investigations that resumed from a checkpoint
	Rounds               = "Rounds"                     // rounds of one investigation
	ToolCalls            = "ToolCalls"                  // tool calls of one investigation
	Duration             = "Duration"                   // duration of one investigation, in milliseconds
	InputTokens          = "InputTokens"
	OutputTokens         = "OutputTokens"
	CacheReadTokens      = "CacheReadTokens"
	CostUSD              = "CostUSD"      // estimated cost of the model, no unit
	QueryCostUSD         = "QueryCostUSD" // estimated cost of queries that AWS bills by use, no unit
	Redactions           = "Redactions"
	BrokerRefusals       = "BrokerRefusals"
	StoreFailures        = "StoreFailures"        // reports that could not be stored
	NotificationFailures = "NotificationFailures" // notifications that could not be sent
	LeaseFailures        = "LeaseFailures"        // failures of the table that concern claims, limits, the kill switch, or feedback
	SelfCheckProblems    = "SelfCheckProblems"    // problems and warnings that one self-check found
)

var units = map[string]string{Duration: "Milliseconds", CostUSD: "None", QueryCostUSD: "None"}

// Members of each line in addition to those of the format. Lambda filters log lines by them.
const (
	levelMember     = "level"
	timestampMember = "timestamp" // Lambda ignores the level of a line that has no RFC 3339 timestamp
)

// Writer writes metrics of one function.
type Writer struct {
	mu       sync.Mutex
	out      io.Writer
	function string
	level    string
	now      func() time.Time
}

// New returns a Writer that writes to out, which is the function's standard output in Lambda. logLevel is
// the function's application log level, or "".
func New(out io.Writer, function, logLevel string, now func() time.Time) *Writer {
	return &Writer{out: out, function: function, level: lineLevel(logLevel), now: now}
}

// lineLevel returns the level of the metric lines: the lowest level that Lambda keeps at logLevel, but at least
// INFO.
func lineLevel(logLevel string) string {
	switch logLevel {
	case "WARN", "ERROR", "FATAL":
		return logLevel
	default:
		return "INFO"
	}
}

type directive struct {
	Timestamp int64    `json:"Timestamp"` // milliseconds since 1970
	Metrics   []metric `json:"CloudWatchMetrics"`
}

type metric struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// Emit writes the values as one line. properties can be searched in the log but are not metrics.
func (w *Writer) Emit(values map[string]float64, properties map[string]string) error {
	line := map[string]any{Dimension: w.function}
	for name, value := range properties {
		line[name] = value
	}
	set := metric{Namespace: Namespace, Dimensions: [][]string{{Dimension}}}
	for name, value := range values {
		line[name] = value
		unit := units[name]
		if unit == "" {
			unit = "Count"
		}
		set.Metrics = append(set.Metrics, definition{Name: name, Unit: unit})
	}
	slices.SortFunc(set.Metrics, func(a, b definition) int { return strings.Compare(a.Name, b.Name) })
	now := w.now()
	line[levelMember], line[timestampMember] = w.level, now.UTC().Format(time.RFC3339Nano)
	line["_aws"] = directive{Timestamp: now.UnixMilli(), Metrics: []metric{set}}
	raw, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode metrics: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.out.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}
