package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// JSON returns the record as JSON, with every field. schema/report.schema.json describes it.
func JSON(rec *investigation.Record) ([]byte, error) {
	labeled := *rec
	labeled.Report = forPrograms(rec.Report)
	text, err := encodeJSON(labeled, "  ")
	if err != nil {
		return nil, fmt.Errorf("encode investigation %s: %w", rec.ID, err)
	}
	return text, nil
}

// forPrograms returns a copy of a report in which code states what each command does. Degrees that no model chose are
// unknown, because the schemas know no empty ones.
func forPrograms(r investigation.Report) investigation.Report {
	r.Severity, r.Confidence = cmp.Or(r.Severity, investigation.SeverityUnknown), cmp.Or(r.Confidence, investigation.Unknown)
	r.Actions = withEffects(r.Actions)
	return r
}

// withEffects returns a copy of actions in which code states what each command does.
func withEffects(actions []investigation.Action) []investigation.Action {
	labeled := slices.Clone(actions)
	for i := range labeled {
		labeled[i].Effects = command.Classify(labeled[i].Command).Names()
	}
	return labeled
}

// encodeJSON encodes v with empty lists instead of null.
func encodeJSON[T any](v T, indent string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(WithoutNulls(v)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// completion is the detail of a completion event: the record without its rounds and evidence, which are in
// the bucket. schema/completion.schema.json describes it.
type completion struct {
	SchemaVersion string                   `json:"schema_version"`
	ID            string                   `json:"id"` // ID of the investigation
	Alarm         completionAlarm          `json:"alarm"`
	StartedAt     time.Time                `json:"started_at"` // UTC
	EndedAt       time.Time                `json:"ended_at"`   // UTC
	Outcome       investigation.Outcome    `json:"outcome"`
	OutcomeWhy    string                   `json:"outcome_why,omitempty"`   // for the reader: the limit or error, and what to do
	Model         string                   `json:"model"`                   // ID or ARN of the Bedrock model that was asked last; the first one if none was asked
	Fallbacks     []investigation.Fallback `json:"fallbacks,omitempty"`     // models that were asked before it and failed, in order
	EvidenceOnly  bool                     `json:"evidence_only,omitempty"` // no model was asked, or an earlier attempt asked one and its answers are lost: a limit of the day was reached, or investigations are switched off
	Report        investigation.Report     `json:"report"`
	NotSeen       []investigation.NotSeen  `json:"not_seen,omitempty"` // what the investigation could not read, as recorded by code
	Usage         investigation.Usage      `json:"usage"`
	Repeats       int                      `json:"repeats"`    // at least how often the alarm fired again before the investigation ended; 0 also if that could not be read
	ReportURI     string                   `json:"report_uri"` // address of the report's text, s3://bucket/key; empty: no report is stored
}

type completionAlarm struct {
	Name    string `json:"name"`    // 1 to 255 characters
	ARN     string `json:"arn"`     // ARN of the alarm
	Account string `json:"account"` // 12 digits

	AccountName string `json:"account_name,omitempty"` // name of the account, if it has one

	Region string    `json:"region"` // such as eu-central-1
	Kind   string    `json:"kind"`   // metric, composite, anomaly, log, promql, or unknown
	Reason string    `json:"reason"` // as CloudWatch reported it
	Time   time.Time `json:"time"`   // time of the transition, UTC

	Unconfirmed string `json:"unconfirmed,omitempty"` // why CloudWatch did not confirm a forgeable event; empty: it did, or the event is not forgeable
}

// maxEventText is the length of a shortened text in an event, in characters.
const maxEventText = 1000

// Completion returns the detail of the completion event in at most maxBytes. If it is too long, Completion drops the
// findings and what was ruled out. If that is not enough, it keeps only the verdict with shortened texts, and finally no
// texts.
func Completion(rec *investigation.Record, maxBytes int) ([]byte, error) {
	c := completion{
		SchemaVersion: rec.SchemaVersion, ID: rec.ID,
		Alarm: completionAlarm{
			Name: rec.Alarm.Name, ARN: rec.Alarm.ARN, Account: rec.Alarm.Account, AccountName: rec.AccountName,
			Region: rec.Alarm.Region,
			Kind:   string(rec.Alarm.Kind), Reason: rec.Alarm.Reason, Time: rec.Alarm.Time, Unconfirmed: rec.Alarm.Unconfirmed,
		},
		StartedAt: rec.StartedAt, EndedAt: rec.EndedAt, Outcome: rec.Outcome, OutcomeWhy: rec.OutcomeWhy,
		Model: rec.Model, Fallbacks: rec.Fallbacks, EvidenceOnly: rec.EvidenceOnly, Report: forPrograms(rec.Report), NotSeen: rec.NotSeen, Usage: rec.Usage,
		Repeats: rec.Repeats, ReportURI: rec.ReportURI,
	}
	for _, shorten := range []func(){
		func() {},
		func() { c.Report.Findings, c.Report.RuledOut, c.Report.NotSeen, c.NotSeen = nil, nil, nil, nil },
		func() {
			c.Report = verdictOnly(c.Report)
			c.Alarm.Reason = truncate.Runes(c.Alarm.Reason, maxEventText)
			c.OutcomeWhy = truncate.Runes(c.OutcomeWhy, maxEventText)
			c.Alarm.Unconfirmed = truncate.Runes(c.Alarm.Unconfirmed, maxEventText)
			c.Fallbacks = withoutReasons(c.Fallbacks)
		},
		func() {
			c.Report = investigation.Report{Confidence: c.Report.Confidence, Severity: c.Report.Severity}
			c.Alarm.Reason, c.OutcomeWhy = "", ""
		},
	} {
		shorten()
		detail, err := encodeJSON(c, "")
		if err != nil {
			return nil, fmt.Errorf("encode the completion event: %w", err)
		}
		if detail = bytes.TrimSpace(detail); len(detail) <= maxBytes {
			return detail, nil
		}
	}
	return nil, fmt.Errorf("the completion event is larger than %d bytes", maxBytes)
}

// withoutReasons keeps the cause of each failed model and drops the explanation.
func withoutReasons(fallbacks []investigation.Fallback) []investigation.Fallback {
	short := make([]investigation.Fallback, len(fallbacks))
	for i, f := range fallbacks {
		short[i] = investigation.Fallback{Model: f.Model, Cause: f.Cause}
	}
	return short
}

// verdictOnly keeps what broke, why, and what is affected. It drops the actions, because a shortened
// command is useless.
func verdictOnly(r investigation.Report) investigation.Report {
	return investigation.Report{
		Confidence: r.Confidence, Severity: r.Severity, Summary: truncate.Runes(r.Summary, maxEventText),
		RootCause: truncate.Runes(r.RootCause, maxEventText), Impact: truncate.Runes(r.Impact, maxEventText),
	}
}
