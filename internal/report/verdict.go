package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// This file holds the words that every form uses for the result of an investigation.

const (
	notEstablished   = "Not established."
	noPastCause      = "no cause found"
	noEvidence       = "no evidence is cited"
	noAnswer         = "it has no answer"
	computed         = "computed"
	evidenceComputed = "Its evidence is computed by code."
	computedWhy      = "it is from code, and AWS's answers do not prove it"
	isRuledOut       = "ruled out"
	isNotProven      = "not proven"
	callsNotKnown    = "its AWS calls are not known; the tool's log lists those that were sent"
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
	if rec.Alarm.Unconfirmed != "" {
		return "event not confirmed, " + result(rec)
	}
	return result(rec)
}

// result is verdict without a remark about the event.
func result(rec *investigation.Record) string {
	switch {
	case rec.EvidenceOnly && rec.Evidence.IsEmpty():
		return "not investigated"
	case rec.EvidenceOnly:
		return "evidence only"
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
	asked := "no model was asked"
	if isAsked(rec) { // by an earlier attempt
		asked = "the answers of a model are lost"
	}
	if rec.EvidenceOnly && rec.Evidence.IsEmpty() {
		return line + "Not investigated: " + asked + ", and there is no evidence."
	}
	if rec.EvidenceOnly {
		return line + "Evidence only: " + asked + "."
	}
	if rec.Outcome == investigation.OutcomeFallback {
		return line + "Needs a human: no conclusion was reached."
	}
	switch confidence(rec) {
	case investigation.Confirmed:
		return line + "Cause confirmed by evidence."
	case investigation.Likely:
		line += "Cause likely, not proven."
		if restsOnComputed(rec) {
			line += " " + evidenceComputed
		}
		return line
	}
	return line + "Cause not established."
}

// outcomeLine explains an outcome.
func outcomeLine(outcome investigation.Outcome) string {
	switch outcome {
	case investigation.OutcomeCompleted:
		return "completed: the model concluded by itself"
	case investigation.OutcomeConcluded:
		return "concluded: the model concluded near a limit, or did not submit a corrected report"
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
	if why := rec.Alarm.Unconfirmed; why != "" {
		list = append(list, "CloudWatch did not confirm this event: "+strings.TrimSuffix(why, ".")+". Somebody other than "+
			"CloudWatch may have written it, with everything that it says about the alarm. Look at the alarm in the console before you act.")
	}
	if rec.Outcome == investigation.OutcomeFallback {
		for _, f := range rec.Fallbacks {
			list = append(list, f.Why)
		}
	}
	if rec.OutcomeWhy != "" {
		list = append(list, rec.OutcomeWhy)
	}
	if rec.EvidenceOnly && isAsked(rec) {
		list = append(list, "An earlier attempt asked a model, but the answers are lost.")
	}
	if waited := Waited(rec); waited > 0 {
		list = append(list, fmt.Sprintf("The investigation began %d min after the alarm, usually because its event waited until others "+
			"had ended (MaxConcurrentInvestigations).", int(waited.Minutes())))
	}
	return list
}

// Bounds of the time between the alarm and its investigation that is reported.
const (
	leastWait = 5 * time.Minute
	mostWait  = 7 * time.Hour // Lambda keeps events for 6 hours; older ones were sent again by somebody
)

// Waited returns how long the alarm's event waited, or 0 if it did not wait long or that is not known: the time of an event
// that is not confirmed may be forged, a composite alarm can suppress its actions for a while, and somebody who starts an
// investigation with the command chooses when.
func Waited(rec *investigation.Record) time.Duration {
	waited := rec.StartedAt.Sub(rec.Alarm.Time)
	if rec.Function == "" || rec.Alarm.Time.IsZero() || rec.Alarm.Unconfirmed != "" || rec.Alarm.Kind == alarmevent.KindComposite ||
		waited < leastWait || waited > mostWait {
		return 0
	}
	return waited
}

// fallbackSummary summarizes an investigation without a summary of the model.
func fallbackSummary(rec *investigation.Record) string {
	if rec.EvidenceOnly {
		has := "this report has the evidence that was collected"
		if rec.Evidence.IsEmpty() {
			has = "this report has no evidence"
		}
		return fmt.Sprintf("The alarm went to %s. No model investigated it; %s. Its reason: %s",
			rec.Alarm.State, has, cmp.Or(rec.Alarm.Reason, "not given")) + seenFirst(rec)
	}
	if rec.Report.RootCause != "" {
		return fmt.Sprintf("The model wrote no summary. The alarm went to %s. Its reason: %s", rec.Alarm.State, cmp.Or(rec.Alarm.Reason, "not given"))
	}
	return fmt.Sprintf("The alarm went to %s and no conclusion could be reached automatically. Its reason: %s",
		rec.Alarm.State, cmp.Or(rec.Alarm.Reason, "not given")) + seenFirst(rec)
}

// seenFirst returns the most relevant observation as a paragraph, or "" if there is none.
func seenFirst(rec *investigation.Record) string {
	seen := relevant(rec)
	if len(seen) == 0 || seen[0].Weight < minShownWeight {
		return ""
	}
	return "\n\nSeen first, not necessarily the cause: " + truncate.Runes(observationLine(seen[0]), maxSeenFirst)
}

// restsOnComputed reports whether every verified finding depends on a quote that code computed.
func restsOnComputed(rec *investigation.Record) bool {
	verified := 0
	for _, finding := range rec.Report.Findings {
		if finding.Verified {
			if verified++; !finding.IsComputed() {
				return false
			}
		}
	}
	return verified > 0
}

// sourceOf returns a remark about where a quote comes from, or "" if AWS answered it.
func sourceOf(citation investigation.Citation) string {
	if citation.Source == investigation.SourceComputed {
		return computed + ": " + computedWhy
	}
	return ""
}

// judgment returns what a human reported about the cause of an earlier investigation, or "".
func judgment(earlier investigation.Past) string {
	if earlier.Feedback == nil {
		return ""
	}
	switch earlier.Feedback.Verdict {
	case investigation.FeedbackRight:
		return "confirmed by a human"
	case investigation.FeedbackWrong:
		return "wrong according to a human"
	}
	return "" // written by a version that knows more verdicts
}

// pastCause returns the cause of an earlier investigation, and first whether a human or that investigation confirmed it. The cause
// is in quotes, so that it cannot look like a clause about what a human reported.
func pastCause(earlier investigation.Past) string {
	cause := oneLine(unmarked(earlier.Cause))
	if cause != "" {
		cause = `"` + inQuotes(cause) + `"`
	}
	switch {
	case earlier.Cause == "" && judgment(earlier) == "":
		return noPastCause
	case judgment(earlier) != "":
		return judgment(earlier) + ": " + cmp.Or(cause, noPastCause)
	case earlier.Verified():
		return "confirmed then: " + cause
	}
	return "not verified: " + cause
}

// pastFeedback returns a clause with the words of the human who judged an earlier investigation, or "". They are in quotes,
// because they are untrusted, too.
func pastFeedback(earlier investigation.Past) string {
	if judgment(earlier) == "" {
		return ""
	}
	var text string
	if cause := oneLine(unmarked(earlier.Feedback.Cause)); cause != "" {
		text = `; the cause in the human's words: "` + inQuotes(cause) + `"`
	}
	if by := oneLine(unmarked(earlier.Feedback.By)); by != "" {
		text += `; reported by "` + inQuotes(by) + `"`
	}
	return text
}

// inQuotes returns a text that is shown between quotes. Its own quotes would end it, so they become apostrophes.
func inQuotes(text string) string { return strings.ReplaceAll(text, `"`, "'") }

// pastRepeats returns a clause about how often the alarm fired after an earlier investigation, or "".
func pastRepeats(earlier investigation.Past) string {
	switch earlier.Repeats {
	case 0:
		return ""
	case 1:
		return "; the alarm fired once more before the next investigation"
	}
	return fmt.Sprintf("; the alarm fired %d more times before the next investigation", earlier.Repeats)
}

// unverified returns why a finding is not verified.
func unverified(finding investigation.Finding) string { return cmp.Or(finding.Problem, noEvidence) }

// refutedState returns whether a hypothesis is ruled out.
func refutedState(refuted investigation.Refuted) string {
	switch {
	case !refuted.Verified:
		return isNotProven
	case refuted.IsComputed():
		return "likely " + isRuledOut
	}
	return isRuledOut
}

// more returns the last entry of a list that leaves out n entries.
func more(n int) string { return fmt.Sprintf("and %d more", n) }
