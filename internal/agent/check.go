package agent

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// minQuote is the minimum length of a quote, in bytes without white space.
const minQuote = 6

// check verifies each finding and each refuted hypothesis: every quote must be in the output of the tool call that it
// cites, and AWS must have answered that call. A finding is confirmed only if AWS answered every quote. A root cause is
// confirmed only with such a finding. subject is what the confidence of the report is about.
func check(report *investigation.Report, rec *investigation.Record, subject string) {
	var verified, confirmed, computed int
	problems := newChecker(rec).checkAll(report)
	for i := range report.Findings {
		finding := &report.Findings[i]
		finding.Verified, finding.Problem = isVerified(finding.Evidence, problems)
		isComputed := finding.IsComputed()
		if finding.Confidence == investigation.Confirmed && (!finding.Verified || isComputed) {
			finding.Confidence = investigation.Likely
		}
		if finding.Verified {
			verified++
			if isComputed {
				computed++
			}
			if finding.Confidence == investigation.Confirmed {
				confirmed++
			}
		}
	}
	for i := range report.RuledOut {
		refuted := &report.RuledOut[i]
		refuted.Verified, refuted.Problem = isVerified(refuted.Evidence, problems)
	}
	if report.FreeText != "" {
		report.Confidence = investigation.Unknown
		return
	}
	switch {
	case report.RootCause == "":
		report.Confidence = investigation.Unknown
	case verified == 0 && report.Confidence != investigation.Unknown:
		report.Downgraded = fmt.Sprintf("the model called the %s %s, but none of its findings is verified",
			subject, report.Confidence)
		report.Confidence = investigation.Unknown
	case confirmed == 0 && report.Confidence == investigation.Confirmed && computed > 0:
		report.Downgraded = "the model called the " + subject + " confirmed, but its evidence was computed by code, and " +
			"AWS's answers do not prove it"
		report.Confidence = investigation.Likely
	case confirmed == 0 && report.Confidence == investigation.Confirmed:
		report.Downgraded = "the model called the " + subject + " confirmed, but no verified finding is confirmed"
		report.Confidence = investigation.Likely
	}
}

// checker checks the quotes of a report.
type checker struct {
	rec  *investigation.Record
	last *checkedCall   // whose quotes were checked last
	code map[int]string // by number of the tool call: the words of its code
}

// checkedCall is what a search for quotes needs of one tool call. It takes many times the memory of the output.
type checkedCall struct {
	call   *investigation.ToolCall
	output *provenance.Text
	code   string                 // in its normal form
	longer map[toolcall.Span]bool // parts of the output that AWS answered: whether they are more than a part of the code
}

func newChecker(rec *investigation.Record) *checker {
	return &checker{rec: rec, code: map[int]string{}}
}

// open returns what the search in a call needs. It drops that of the call before.
func (c *checker) open(call *investigation.ToolCall) *checkedCall {
	if c.last == nil || c.last.call != call {
		c.last = nil
		c.last = &checkedCall{
			call: call, output: provenance.NewText(call.Answer.Text()), code: provenance.Normal(call.Command), longer: map[toolcall.Span]bool{},
		}
	}
	return c.last
}

// isInCode reports whether the code contains a text, in any encoding.
func (c *checkedCall) isInCode(text string) bool {
	return strings.Contains(c.code, strings.TrimSpace(provenance.Normal(text)))
}

// isLonger reports whether a part of the output is not only a part of the code.
func (c *checkedCall) isLonger(part toolcall.Span) bool {
	isLonger, isKnown := c.longer[part]
	if !isKnown {
		isLonger = !c.isInCode(c.call.Answer.Text()[part.From:part.To])
		c.longer[part] = isLonger
	}
	return isLonger
}

// checkAll checks the quotes of a report, and returns why some of them prove nothing. It checks those of one call after another.
func (c *checker) checkAll(report *investigation.Report) (problems map[*investigation.Citation]string) {
	var all []*investigation.Citation
	add := func(evidence []investigation.Citation) {
		for i := range evidence {
			all = append(all, &evidence[i])
		}
	}
	for i := range report.Findings {
		add(report.Findings[i].Evidence)
	}
	for i := range report.RuledOut {
		add(report.RuledOut[i].Evidence)
	}
	slices.SortStableFunc(all, func(a, b *investigation.Citation) int { return a.Call - b.Call })
	problems = map[*investigation.Citation]string{}
	for _, cited := range all {
		if problem := c.check(cited); problem != "" {
			problems[cited] = problem
		}
	}
	return problems
}

// isVerified reports whether its evidence verifies a statement and, if it does not, why.
func isVerified(evidence []investigation.Citation, problems map[*investigation.Citation]string) (verified bool, problem string) {
	if len(evidence) == 0 {
		return false, "no evidence is cited"
	}
	for i := range evidence {
		if why := problems[&evidence[i]]; why != "" {
			problem = why
		}
	}
	return problem == "", problem
}

// check sets whether a quote was found and its source. It returns why the quote proves nothing, or "".
func (c *checker) check(cited *investigation.Citation) (problem string) {
	cited.Found, cited.Source = false, ""
	call := c.rec.Call(cited.Call)
	if cited.Call == noCall {
		return "its tool call does not exist: the quote has no number of one"
	}
	if call == nil || call.Answer == nil {
		return fmt.Sprintf("tool call %d does not exist or has no output", cited.Call)
	}
	if len(strings.ReplaceAll(provenance.Normal(cited.Quote), " ", "")) < minQuote {
		return "the quote is too short to prove anything"
	}
	checked := c.open(call)
	found := checked.output.Find(cited.Quote, isCut(cited.Quote))
	switch {
	case len(found) == 0:
		return fmt.Sprintf("the quote is not in the output of tool call %d", cited.Call)
	case call.Number != 0 && checked.isInCode(cited.Quote) && !checked.isWithinAnswer(found):
		// Code that prints its own text proves nothing about AWS. The code of call 0, the evidence, is not the
		// model's.
		return fmt.Sprintf("the quote is part of the code of tool call %d, not of an answer from AWS", cited.Call)
	}
	cited.Found = true
	if !isAnswered(call.Answer) {
		return fmt.Sprintf("tool call %d got no successful answer from AWS, so its output proves nothing", cited.Call)
	}
	cited.Source = investigation.SourceComputed
	if !provenance.IsDistinct(cited.Quote) || c.isInCode(cited) {
		return "" // numbers that occur everywhere, or text that the model's code contains
	}
	for _, place := range found {
		if checked.output.IsObserved(place, call.Answer.Observed) {
			cited.Source = investigation.SourceAWS
			break
		}
	}
	return ""
}

// isWithinAnswer reports whether one of the places of a quote that the code contains is within a longer text that AWS answered
// and the code does not contain, such as a log line that the code searched for by these words.
func (c *checkedCall) isWithinAnswer(found []provenance.Match) bool {
	return slices.ContainsFunc(found, func(place provenance.Match) bool {
		return slices.ContainsFunc(c.output.Around(place, c.call.Answer.Observed), c.isLonger)
	})
}

// isInCode reports whether the code of the call that a quote cites contains its words. For a quote of several words, that
// can also be the code of an earlier call: AWS lists queries that earlier code sent. The code of call 0, the evidence, is
// not the model's.
func (c *checker) isInCode(cited *investigation.Citation) bool {
	quote := provenance.Words(cited.Quote)
	if strings.TrimSpace(quote) == "" {
		return false
	}
	isText := strings.Contains(strings.TrimSpace(quote), " ")
	for call := range c.rec.Calls() {
		if call.Number == 0 || call.Number > cited.Call || call.Number < cited.Call && !isText {
			continue
		}
		code, isKnown := c.code[call.Number]
		if !isKnown {
			code = provenance.Words(call.Command)
			c.code[call.Number] = code
		}
		if strings.Contains(code, quote) {
			return true
		}
	}
	return false
}

// isAnswered reports whether AWS answered at least one request of a call successfully. Answers of older versions of
// the tool have only the list of requests.
func isAnswered(answer *toolcall.Answer) bool {
	if answer.Observed != nil {
		return answer.Observed.Answers > 0
	}
	return slices.ContainsFunc(answer.AWSCalls, func(request toolcall.AWSCall) bool {
		return request.Refused == "" && request.Status >= 200 && request.Status < 300
	})
}

// listMisquotes lists the quotes that prove nothing, for the model.
func listMisquotes(report investigation.Report, rec *investigation.Record) string {
	var b strings.Builder
	problems := newChecker(rec).checkAll(&report)
	add := func(name string, number int, evidence []investigation.Citation) {
		for i := range evidence {
			if problem := problems[&evidence[i]]; problem != "" {
				fmt.Fprintf(&b, "- %s %d, quote %q: %s\n", name, number, truncate.Bytes(evidence[i].Quote, 120), problem)
			}
		}
	}
	for i, finding := range report.Findings {
		add("finding", i+1, finding.Evidence)
	}
	for i, refuted := range report.RuledOut {
		add("ruled_out", i+1, refuted.Evidence)
	}
	return b.String()
}

// maxNotSeen limits the entries of notSeen. If there are more, the last one states how many.
const maxNotSeen = 40

// notSeen lists what the investigation could not read, each once: AWS calls without data, truncated output,
// answers that were not searched for secrets, and failed tool calls. It depends on typed fields only, because code can print and note any text.
func notSeen(rec *investigation.Record) []investigation.NotSeen {
	var list []investigation.NotSeen
	known := map[string]bool{}
	add := func(what, why string, call int) {
		if key := what + "\x00" + why; !known[key] {
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
		for _, account := range call.Answer.Unreadable { // once, and not for each of its requests
			if why := clean(account.Reason, maxSentence); !slices.Contains(rec.Evidence.Missing, account.Reason) {
				add("account "+account.Account, why, call.Number)
			}
		}
		for _, request := range call.Answer.AWSCalls {
			if isUnreadable(call.Answer, request) {
				continue
			}
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
	if rest := len(list) - maxNotSeen + 1; rest > 1 {
		last := list[maxNotSeen-1]
		list = append(list[:maxNotSeen-1], investigation.NotSeen{What: fmt.Sprintf("%d more reads", rest), Why: "not listed, from this call on", Call: last.Call})
	}
	return list
}

// isUnreadable reports whether the broker refused a request because the role of its account cannot be assumed.
func isUnreadable(answer *toolcall.Answer, request toolcall.AWSCall) bool {
	return request.Refused != "" && slices.ContainsFunc(answer.Unreadable, func(u toolcall.UnreadableAccount) bool {
		return u.Account == request.Account
	})
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
