package agent

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const submitName = "submit_report"

// maxRejectedReports is how many reports are returned to the model for correction.
const maxRejectedReports = 2

// citation is the schema of one piece of evidence.
var citation = schema(map[string]any{
	"call":  integer("Number of the tool call; 0 is the evidence collected before you started."),
	"quote": text("Verbatim part of that call's output, 10 to 300 characters of one line."),
}, "call", "quote")

// submitReport ends the investigation with a report.
var submitReport = tool{
	Tool: conversation.Tool{
		Name: submitName,
		Description: "Submit the report to the engineer on call and end the investigation. " +
			"Every finding needs evidence: the number of a tool call and a quote copied character by character " +
			"from its output. Quotes are checked; a finding whose quote is not found is marked as unverified, and one " +
			"whose quote is not in AWS's answers, such as a sum or a sentence of your code, as computed. " +
			"The same applies to ruled_out.",
		Schema: schema(map[string]any{
			"summary":    text("Executive summary, 2 to 4 sentences of plain text: what broke, why, how bad."),
			"root_cause": text("The cause, as precisely as the evidence allows. If it is unknown, say what is known."),
			"confidence": oneOf("How certain the root cause is. confirmed: the evidence leaves no other explanation.",
				investigation.Confirmed, investigation.Likely, investigation.Unknown),
			"severity": oneOf("How bad the impact is.",
				investigation.SeverityCritical, investigation.SeverityHigh, investigation.SeverityMedium,
				investigation.SeverityLow, investigation.SeverityUnknown),
			"impact": text("Who or what is affected, since when, how much."),
			"findings": list("What was found, the most important first.", schema(map[string]any{
				"statement": text("One fact."),
				"confidence": oneOf("How certain it is.",
					investigation.Confirmed, investigation.Likely, investigation.Unknown),
				"time":     text("When it happened, if known: RFC 3339 in UTC."),
				"evidence": list("Quotes that prove it.", citation),
			}, "statement", "confidence", "evidence")),
			"ruled_out": list("Other causes that you tested and refuted.", schema(map[string]any{
				"hypothesis": text("The possible cause, one sentence."),
				"reason":     text("What speaks against it, one sentence."),
				"evidence":   list("Quotes that speak against it.", citation),
			}, "hypothesis", "reason", "evidence")),
			"immediate_actions": list("What to do now, the first step first.", schema(map[string]any{
				"text":    text("What to do and why."),
				"command": text("A command to copy, such as an AWS CLI call, if there is one."),
			}, "text")),
			"prevention": list("How to prevent a recurrence.", text("")),
			"monitoring": list("What to monitor or alarm on.", text("")),
			"not_seen":   list("What you could not check and why, such as access denied, so that nobody assumes that it is healthy. It needs no quote.", text("")),
		}, "summary", "root_cause", "confidence", "severity", "impact", "findings", "immediate_actions"),
	},
	executor: submission{},
}

// submission executes [submitReport]: it ends the investigation or returns the report to the model for
// correction.
type submission struct{}

func (submission) execute(_ context.Context, r *run, _ *investigation.Round, calls []conversation.Use) []outcome {
	outcomes := make([]outcome, len(calls))
	for i := 0; i < len(calls); i++ {
		if r.isFinal() { // else a report that is not complete is returned
			for best := i + r.mostComplete(calls[i:]); i < best; i++ {
				outcomes[i] = outcome{text: "not used: a later " + r.task.noun + " of the same answer is more complete"}
			}
		}
		if outcomes[i] = r.acceptReport(calls[i].Input); outcomes[i].done {
			break
		}
	}
	return outcomes
}

// mostComplete returns the index of the first report that lacks the fewest parts. One that is not accepted counts least.
func (r *run) mostComplete(calls []conversation.Use) (best int) {
	const unacceptable = 100
	fewest := 0
	for i, call := range calls {
		report, problems := r.task.parse(call.Input)
		lacks := len(problems)
		if saysNothing(report) {
			lacks += unacceptable
		}
		if i == 0 || lacks < fewest {
			best, fewest = i, lacks
		}
	}
	return best
}

// isFinal reports whether no report is returned any more because parts are missing or quotes prove nothing.
func (r *run) isFinal() bool {
	return r.state.Concluding != "" || r.state.Rejected >= maxRejectedReports
}

// saysNothing reports whether a report is never accepted, because it has neither a summary nor a cause.
func saysNothing(report investigation.Report) bool {
	return report.Summary == "" && report.RootCause == ""
}

func (r *run) acceptReport(input json.RawMessage) outcome {
	if complaint := r.submit(input); complaint != "" {
		return outcome{text: complaint}
	}
	return outcome{text: "accepted", done: true}
}

// submit checks a report. It returns why the report is rejected, for the model, or "" if it was accepted.
func (r *run) submit(input json.RawMessage) (complaint string) {
	report, problems := r.task.parse(input)
	final := r.isFinal()
	report, problems = r.withReturned(input, report, problems, final)
	if !r.ranCode() && !r.state.AskedToCheck && !final {
		r.state.AskedToCheck = true
		return checkFirstPrompt
	}
	if len(problems) > 0 && (!final || saysNothing(report)) {
		r.state.Rejected++
		return "The " + r.task.noun + " is not accepted: " + strings.Join(problems, "; ") + ". Submit the complete " + r.task.noun + " again."
	}
	if wrong := listMisquotes(report, r.rec); wrong != "" && !final {
		r.state.Rejected++
		return "The " + r.task.noun + " is not accepted yet, because some quotes prove nothing:\n" +
			wrong + "Copy each quote character by character from an output that shows what AWS answered, check again, " +
			"or leave the statement out. What was denied or failed belongs into not_seen, without a quote. " +
			"Then submit the whole " + r.task.noun + " again."
	}
	r.finish(report)
	return ""
}

// recordThoughts adds the thoughts in submitted reports and answers to the round. Their parsers remove them.
func recordThoughts(round *investigation.Round, uses []conversation.Use) {
	for _, use := range uses {
		if use.Name == submitName || use.Name == answerName {
			round.Reasoning = joinParagraphs(round.Reasoning, thoughtsIn(use.Input))
		}
	}
}

// thoughtsIn returns the thoughts in the texts of a report.
func thoughtsIn(input json.RawMessage) string {
	var value any
	if json.Unmarshal(input, &value) != nil {
		return ""
	}
	_, thought := withoutThinking(value)
	return thought
}
