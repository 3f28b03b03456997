package agent

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// minQuote is the minimum length of a quote, in bytes without white space.
const minQuote = 6

// check verifies each finding: every quote must be in the output of the tool call that it cites. An
// unverified finding is never confirmed, and neither is a root cause without a confirmed finding.
func check(report *investigation.Report, rec *investigation.Record) {
	var verified, confirmed int
	for i := range report.Findings {
		finding := &report.Findings[i]
		finding.Verified, finding.Problem = len(finding.Evidence) > 0, ""
		if len(finding.Evidence) == 0 {
			finding.Problem = "no evidence is cited"
		}
		for j := range finding.Evidence {
			problem := checkCitation(&finding.Evidence[j], rec)
			if problem != "" {
				finding.Verified, finding.Problem = false, problem
			}
		}
		if !finding.Verified && finding.Confidence == investigation.Confirmed {
			finding.Confidence = investigation.Likely
		}
		if finding.Verified {
			verified++
			if finding.Confidence == investigation.Confirmed {
				confirmed++
			}
		}
	}
	if report.FreeText != "" {
		report.Confidence = investigation.Unknown
		return
	}
	switch {
	case verified == 0 && report.Confidence != investigation.Unknown:
		report.Downgraded = fmt.Sprintf("the model called the cause %s, but none of its findings is verified",
			report.Confidence)
		report.Confidence = investigation.Unknown
	case confirmed == 0 && report.Confidence == investigation.Confirmed:
		report.Downgraded = "the model called the cause confirmed, but no verified finding is confirmed"
		report.Confidence = investigation.Likely
	}
}

// checkCitation returns why a citation proves nothing, or "" if its quote was found. A run of white
// space counts as one blank, because models wrap lines.
func checkCitation(c *investigation.Citation, rec *investigation.Record) (problem string) {
	c.Found = false
	call := rec.Call(c.Call)
	if call == nil || call.Answer == nil {
		return fmt.Sprintf("tool call %d does not exist or has no output", c.Call)
	}
	output, quote := call.Answer.Text(), collapseSpace(c.Quote)
	switch {
	case len(strings.ReplaceAll(quote, " ", "")) < minQuote:
		return "the quote is too short to prove anything"
	case !strings.Contains(collapseSpace(output), quote) && !strings.Contains(collapseSpace(printable(output)), quote):
		return fmt.Sprintf("the quote is not in the output of tool call %d", c.Call)
	case c.Call != 0 && strings.Contains(collapseSpace(printable(call.Command)), quote):
		// Code that prints its own text proves nothing about AWS. The code of call 0, the evidence, is not the
		// model's.
		return fmt.Sprintf("the quote is part of the code of tool call %d, not of an answer from AWS", c.Call)
	}
	c.Found = true
	return ""
}

// collapseSpace replaces each run of white space by one blank and removes it at both ends.
func collapseSpace(text string) string { return strings.Join(strings.Fields(text), " ") }

// listMisquotes lists the quotes that were not found, for the model.
func listMisquotes(report investigation.Report, rec *investigation.Record) string {
	var b strings.Builder
	for i, finding := range report.Findings {
		for j := range finding.Evidence {
			citation := finding.Evidence[j]
			if problem := checkCitation(&citation, rec); problem != "" {
				fmt.Fprintf(&b, "- finding %d, quote %q: %s\n", i+1, truncate.Bytes(citation.Quote, 120), problem)
			}
		}
	}
	return b.String()
}

// maxNotSeen limits the entries of notSeen.
const maxNotSeen = 40

// notSeen lists what the investigation could not read, each once: AWS calls without data, truncated output,
// answers that were not searched for secrets, and failed tool calls. It depends on typed fields only, because code can print and note any text.
func notSeen(rec *investigation.Record) []investigation.NotSeen {
	var list []investigation.NotSeen
	known := map[string]bool{}
	add := func(what, why string, call int) {
		if key := what + "\x00" + why; !known[key] && len(list) < maxNotSeen {
			known[key] = true
			what, why = clean(what, maxSentence), clean(why, maxSentence)
			list = append(list, investigation.NotSeen{What: what, Why: why, Call: call})
		}
	}
	for call := range rec.Calls() {
		if call.Answer == nil {
			add(fmt.Sprintf("tool call %d", call.Number), call.Problem, call.Number)
			continue
		}
		for _, request := range call.Answer.AWSCalls {
			if why := whyNoData(request); why != "" {
				add(request.Service+":"+request.Operation, why, call.Number)
			}
		}
		if n := call.Answer.AWSCallsCut; n > 0 {
			add(fmt.Sprintf("%d more AWS calls of tool call %d", n, call.Number), "not listed", call.Number)
		}
		for _, part := range call.Answer.Truncated {
			what := fmt.Sprintf("%d bytes of the %s of tool call %d", part.LeftOut, part.Part, call.Number)
			add(what, "truncated: too long", call.Number)
		}
		if call.Answer.SearchGap != nil {
			what := fmt.Sprintf("secrets that the output of tool call %d may show", call.Number)
			add(what, "not all AWS answers were searched for secrets", call.Number)
		}
	}
	return list
}

// whyNoData returns why an AWS call returned no data, or "" if it did or if its parameters were wrong.
func whyNoData(call toolcall.AWSCall) string {
	code := strings.ToLower(call.ErrorCode)
	switch {
	case call.Refused != "":
		return "refused: " + call.Refused
	case call.Status == http.StatusForbidden,
		strings.Contains(code, "accessdenied"), strings.Contains(code, "unauthorized"):
		return "access denied"
	case call.Status == http.StatusTooManyRequests, strings.Contains(code, "throttl"):
		return "throttled"
	case call.Status == 0:
		return "no answer"
	}
	return ""
}
