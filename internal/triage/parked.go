package triage

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// maxUnpacked bounds an unpacked parked record, in bytes.
const maxUnpacked = 64 << 20

// Bounds of a record that is shortened to fit into the table.
const (
	maxParkedText   = 1000 // of a text, in characters
	maxParkedList   = 20   // of a list, in entries
	maxParkedQuotes = 5    // of the evidence of one statement
)

// shortening is one step by which a record becomes smaller.
type shortening struct {
	shorten func(*investigation.Record)
	missing string // from the report, for its reader
}

// shortenings are the steps in which a record loses parts until it fits: those that readers miss least come first. The last
// one keeps so little that any record fits, because people must learn at least that the alarm was investigated, and how that
// ended.
var shortenings = []shortening{
	{keepAll, ""},
	{dropStreams, "the model's reasoning"}, // findings keep what they quote
	{dropRounds, "the rounds"},
	{dropEvidence, "the rounds and the evidence"},
	{shortenTexts, "the rounds, the evidence, and the ends of long texts and lists"},
	{keepVerdict, "all but the verdict"},
	{keepOutcome, "all but the alarm and the outcome"},
}

// park compresses a finished record for the table. If the record does not fit into an item, park drops its parts in turn, and
// the record says which are missing. If the report is stored, that has them, and only the notification is sent again.
func park(rec *investigation.Record, isStored bool) ([]byte, error) {
	lost := "This report was too large for the table while it could not be delivered. It has lost %s."
	if isStored {
		lost = "This report was too large for the table while it could not be sent. This notification has lost %s. The stored report is complete."
	}
	small := *rec
	for _, step := range shortenings {
		step.shorten(&small)
		noted := small
		if step.missing != "" {
			noted.OutcomeWhy = joined(small.OutcomeWhy, fmt.Sprintf(lost, step.missing))
		}
		packed, err := pack(&noted)
		if err != nil {
			return nil, err
		}
		if len(packed) <= dedupe.MaxParked {
			return packed, nil
		}
	}
	return nil, fmt.Errorf("park the report: it is larger than %d bytes even without its texts", dedupe.MaxParked)
}

// keepAll drops nothing.
func keepAll(*investigation.Record) {}

// dropStreams drops the model's reasoning, and the stdout, stderr, and result of each tool call. The outputs
// that findings quote remain.
func dropStreams(rec *investigation.Record) {
	rounds := make([]investigation.Round, len(rec.Rounds))
	for i, round := range rec.Rounds {
		round.Reasoning = ""
		calls := make([]investigation.ToolCall, len(round.Calls))
		for j, call := range round.Calls {
			if call.Answer != nil {
				short := *call.Answer
				short.Stdout, short.Stderr, short.Result = "", "", nil
				call.Answer = &short
			}
			calls[j] = call
		}
		round.Calls = calls
		rounds[i] = round
	}
	rec.Rounds = rounds
}

// dropRounds drops all rounds.
func dropRounds(rec *investigation.Record) { rec.Rounds = nil }

// dropEvidence drops the evidence that was collected before the first round.
func dropEvidence(rec *investigation.Record) {
	rec.Evidence = investigation.Evidence{Problem: "too large for the table while the report could not be delivered"}
}

// shortenTexts shortens all texts and lists of the report and of the alarm's event. It drops long commands, because a
// shortened one is useless, or does something else.
func shortenTexts(rec *investigation.Record) {
	r := &rec.Report
	for _, text := range []*string{&r.Summary, &r.RootCause, &r.Impact, &r.FreeText, &r.Downgraded, &rec.OutcomeWhy} {
		*text = shortText(*text)
	}
	r.Findings = first(r.Findings, func(f investigation.Finding) investigation.Finding {
		f.Statement, f.Problem, f.Evidence = shortText(f.Statement), shortText(f.Problem), firstQuotes(f.Evidence)
		return f
	})
	r.RuledOut = first(r.RuledOut, func(f investigation.Refuted) investigation.Refuted {
		f.Hypothesis, f.Reason = shortText(f.Hypothesis), shortText(f.Reason)
		f.Problem, f.Evidence = shortText(f.Problem), firstQuotes(f.Evidence)
		return f
	})
	r.Actions = first(r.Actions, func(a investigation.Action) investigation.Action {
		a.Text, a.Effects = shortText(a.Text), nil // the renderer finds the effects again
		if len(a.Command) > maxParkedText {
			a.Command = ""
		}
		return a
	})
	r.Prevention, r.Monitoring, r.NotSeen = first(r.Prevention, shortText), first(r.Monitoring, shortText), first(r.NotSeen, shortText)
	rec.NotSeen = first(rec.NotSeen, func(n investigation.NotSeen) investigation.NotSeen {
		n.What, n.Why = shortText(n.What), shortText(n.Why)
		return n
	})
	rec.Fallbacks = first(rec.Fallbacks, func(f investigation.Fallback) investigation.Fallback {
		f.Why = shortText(f.Why)
		return f
	})
	a := &rec.Alarm
	for _, text := range []*string{&a.Description, &a.Reason, &a.Rule, &a.SuppressedWhy, &a.Unconfirmed} {
		*text = shortText(*text)
	}
	a.ReasonData, a.Configuration, a.Unrecognized, a.Query, a.Tags, a.LogLines, a.Contributor = "", "", "", nil, nil, nil, nil
	a.NotUnderstood = first(a.NotUnderstood, shortText)
}

// keepVerdict keeps the summary, the causes, and the impact, with shortened texts.
func keepVerdict(rec *investigation.Record) {
	r := rec.Report
	rec.Report = investigation.Report{
		Confidence: r.Confidence, Severity: r.Severity, Summary: r.Summary, RootCause: r.RootCause, Impact: r.Impact, Downgraded: r.Downgraded,
	}
	rec.NotSeen, rec.Together, rec.SeenBefore = nil, nil, nil
	rec.Alarm.Metrics, rec.Alarm.Children, rec.Alarm.NotUnderstood = nil, nil, nil
}

// keepOutcome keeps which alarm was investigated, and how that ended.
func keepOutcome(rec *investigation.Record) {
	a := rec.Alarm
	*rec = investigation.Record{
		SchemaVersion: rec.SchemaVersion, ID: rec.ID, StartedAt: rec.StartedAt, EndedAt: rec.EndedAt, Outcome: rec.Outcome, Model: rec.Model,
		EvidenceOnly: rec.EvidenceOnly, NoModelAsked: rec.NoModelAsked, Evidence: rec.Evidence, Usage: rec.Usage, Lost: rec.Lost, Repeats: rec.Repeats, Resumed: rec.Resumed,
		ReportURI: rec.ReportURI, AccountName: rec.AccountName, MemberOf: rec.MemberOf, Function: rec.Function,
		Report: investigation.Report{Confidence: rec.Report.Confidence, Severity: rec.Report.Severity},
		Alarm: alarmevent.Alarm{
			Name: a.Name, ARN: a.ARN, Account: a.Account, Region: a.Region, Partition: a.Partition, Kind: a.Kind, Source: a.Source,
			State: a.State, PreviousState: a.PreviousState, Time: a.Time, Unconfirmed: a.Unconfirmed, IsUpdate: a.IsUpdate,
		},
	}
}

// first returns the first entries of a list, each of which is shortened.
func first[T any](list []T, shorten func(T) T) []T {
	short := make([]T, 0, min(len(list), maxParkedList))
	for _, entry := range list[:min(len(list), maxParkedList)] {
		short = append(short, shorten(entry))
	}
	return short
}

func shortText(text string) string { return truncate.Runes(text, maxParkedText) }

// firstQuotes returns the first quotes that are not too long. A shortened quote is none.
func firstQuotes(all []investigation.Citation) []investigation.Citation {
	var short []investigation.Citation
	for _, c := range all {
		if len(short) < maxParkedQuotes && len(c.Quote) <= maxParkedText {
			short = append(short, c)
		}
	}
	return short
}

func pack(rec *investigation.Record) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(rec); err != nil {
		return nil, fmt.Errorf("pack the report: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack the report: %w", err)
	}
	return packed.Bytes(), nil
}

// unpark returns the record that park compressed.
func unpark(packed []byte) (*investigation.Record, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack the parked report: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("unpack the parked report: %w", err)
	}
	var rec investigation.Record
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, fmt.Errorf("unpack the parked report: %w", err)
	}
	return &rec, nil
}
