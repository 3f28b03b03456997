package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// This file holds the words that every form uses for the result of an investigation.

const (
	notEstablished = "Not established."
	noPastCause    = "no cause found"
	noEvidence     = "no evidence is cited"
	noAnswer       = "it has no answer"
	callsNotKnown  = "its AWS calls are not known; the tool's log lists those that were sent"
)

// confidence returns the record's confidence, or Unknown if the record's value is not one of the known degrees.
func confidence(rec *investigation.Record) investigation.Confidence {
	return investigation.ParseConfidence(string(rec.Report.Confidence))
}

// severity returns the record's severity, or SeverityUnknown if the record's value is not one of the known degrees.
func severity(rec *investigation.Record) investigation.Severity {
	return investigation.ParseSeverity(string(rec.Report.Severity))
}

// confidenceOf returns the remark of the section "Root cause".
func confidenceOf(rec *investigation.Record) string { return string(confidence(rec)) }

// confidenceIn returns the confidence of a finding.
func confidenceIn(finding investigation.Finding) string {
	return string(investigation.ParseConfidence(string(finding.Confidence)))
}

// tag returns the severity as a prefix of a title.
func tag(rec *investigation.Record) string {
	if severity(rec) == investigation.SeverityUnknown {
		return "[ALARM] "
	}
	return fmt.Sprintf("[%s] ", strings.ToUpper(string(severity(rec))))
}

// verdict returns the result in a few words, for subjects, titles, and badges.
func verdict(rec *investigation.Record) string {
	switch {
	case rec.Outcome == investigation.OutcomeFallback:
		return "needs a human"
	case confidence(rec) == investigation.Unknown:
		return "cause not found"
	}
	return "cause " + string(confidence(rec))
}

// verdictLine returns the result as the first line of a text.
func verdictLine(rec *investigation.Record) string {
	line := ""
	if severity(rec) != investigation.SeverityUnknown {
		line = "Severity " + string(severity(rec)) + ". "
	}
	if rec.Outcome == investigation.OutcomeFallback {
		return line + "Needs a human: no conclusion was reached."
	}
	switch confidence(rec) {
	case investigation.Confirmed:
		return line + "Cause confirmed by evidence."
	case investigation.Likely:
		return line + "Cause likely, not proven."
	}
	return line + "Cause not established."
}

// outcomeLine explains an outcome.
func outcomeLine(outcome investigation.Outcome) string {
	switch outcome {
	case investigation.OutcomeCompleted:
		return "completed: the model concluded by itself"
	case investigation.OutcomeConcluded:
		return "concluded: a limit was near, so the model concluded from what it had"
	case investigation.OutcomeFallback:
		return "fallback: no model reached a conclusion"
	}
	return ""
}

// doubt returns a sentence that explains why the confidence was lowered, or "" if it was not.
func doubt(rec *investigation.Record) string {
	if rec.Report.Downgraded == "" {
		return ""
	}
	return "Doubt: " + rec.Report.Downgraded + "."
}

// notes returns the remarks that a reader needs to understand the result. If no model concluded, they include why
// each model failed; otherwise the failed models are listed in "About this investigation".
func notes(rec *investigation.Record) []string {
	var list []string
	if rec.Outcome == investigation.OutcomeFallback {
		for _, f := range rec.Fallbacks {
			list = append(list, f.Why)
		}
	}
	if rec.OutcomeWhy != "" {
		list = append(list, rec.OutcomeWhy)
	}
	return list
}

// fallbackSummary summarizes an investigation without a conclusion.
func fallbackSummary(rec *investigation.Record) string {
	return fmt.Sprintf("The alarm went to %s and no conclusion could be reached automatically. Its reason: %s",
		rec.Alarm.State, cmp.Or(rec.Alarm.Reason, "not given"))
}

// unverified returns why a finding is not verified.
func unverified(finding investigation.Finding) string { return cmp.Or(finding.Problem, noEvidence) }

// more returns the last entry of a list that leaves out n entries.
func more(n int) string { return fmt.Sprintf("and %d more", n) }
