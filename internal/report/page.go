package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// What the page shows. The JSON beside it has all.
const (
	foldedBytes  = 160_000 // of code, outputs and reasoning together, as HTML
	leastFolded  = 240     // of each of them, however many there are
	foldedRows   = 400     // of AWS calls together
	leastRows    = 3       // of each tool call
	maxProse     = 8_000   // characters of one text of the report
	maxPageQuote = 1_000   // characters of one quote
	maxPageList  = 30      // elements of one list
	aroundQuote  = 120     // bytes of an output that are kept on either side of a quote
	maxMarks     = 20      // quotes that are marked in one output
	maxMark      = 2_000   // bytes of one marked quote
	maxPageName  = 300     // characters of the alarm's name, which CloudWatch lets have 255
	maxBrief     = 90      // characters that tell a round or a call from the others
)

//go:embed page.html
var pageSource string

// Everything in the page goes through the escaping of html/template; nothing is ever declared safe.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"thousands": thousands,
	"list":      func(title string, lines []string) listView { return listView{title, lines} },
}).Parse(pageSource))

// HTML is the report as one page without scripts and without anything from elsewhere.
func HTML(rec *investigation.Record, links Links) ([]byte, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, viewOf(cleaned(rec), links)); err != nil {
		return nil, fmt.Errorf("render the page of investigation %s: %w", rec.ID, err)
	}
	return b.Bytes(), nil
}

// pageView is the page's content in the order of the template.
type pageView struct {
	Name, Where, Verdict           string
	Severity, Confidence           string
	State, Since, Reason           string
	Description, Contributor, Note string
	Links                          Links
	Summary, Cause, Impact, Prose  []block
	Doubt                          string
	Steps                          []stepView
	AlarmFacts                     []fact
	Charts                         []chartView
	Timeline                       []happening
	Farther                        []happening // from the alarm, folded
	TimelineLeft                   int         // that are not shown
	Findings                       []findingView
	NotSeen, Together, Related     []string
	LogLines                       []string // that match a log alarm's query
	SeenBefore                     []pastView
	Prevention, Monitoring         []string
	Calls                          []callView // before the first round
	Rounds                         []roundView
	Clipped                        int // texts that are not shown whole
	Facts                          []fact
}

type listView struct {
	Title string
	Lines []string
}

type stepView struct {
	Text    []span
	Command string
}

type findingView struct {
	Number     int
	Statement  []span
	Confidence string
	Time       string
	Problem    string // why it is not verified
	Quotes     []quoteView
}

type quoteView struct {
	Call  int
	Text  string
	Href  string // where the quote stands, or the call if it is not shown there
	Found bool
}

type pastView struct{ When, Outcome, Cause, URI, Link string }

type roundView struct {
	Number          int
	Took, Note      string
	Tokens, Brief   string // Brief: how what the model said begins
	Cited           bool
	Reasoning, Text []segment
	Calls           []callView
}

type callView struct {
	Number   int
	Brief    string // the first line of its code
	Took     string
	Cited    bool
	Cached   int
	Problem  string
	Command  []segment
	Output   []segment
	Notes    []string
	Requests []requestView
	RowsLeft int
}

type requestView struct {
	What, Region, Outcome string
	MS                    int64
}

func viewOf(rec *investigation.Record, links Links) *pageView {
	r := rec.Report
	v := &pageView{
		Name: clip(plain(rec.Alarm.Name), maxPageName), Verdict: verdict(rec), Where: "account " + rec.Alarm.Account + ", " + rec.Alarm.Region,
		Severity: string(severity(rec)), Confidence: string(confidence(rec)),
		State: string(rec.Alarm.State), Since: moment(rec.Alarm.Time), Reason: plain(rec.Alarm.Reason),
		Description: clip(plain(rec.Alarm.Description), maxPageQuote), Contributor: contributor(rec.Alarm), Note: unmarked(strings.Join(notes(rec), "\n\n")),
		Links: links, Summary: pageProse(first(r.Summary, fallbackSummary(rec))), Cause: pageProse(r.RootCause),
		Impact: pageProse(r.Impact), Prose: pageProse(r.FreeText), Doubt: unmarked(r.Downgraded),
		AlarmFacts: alarmFacts(rec), Charts: charts(rec), NotSeen: pageList(notSeen(rec)), LogLines: matchingLines(rec),
		Together: pageLines(rec.Together, relatedLine), Related: pageLines(rec.Evidence.Related, relatedLine),
		Prevention: pageList(r.Prevention), Monitoring: pageList(r.Monitoring), Facts: facts(rec),
	}
	v.Timeline, v.Farther, v.TimelineLeft = timeline(rec)
	for _, action := range steps(rec)[:min(len(steps(rec)), maxPageList)] {
		v.Steps = append(v.Steps, stepView{inline(clip(plain(action.Text), maxPageQuote)), clip(strings.TrimSpace(action.Command), maxProse)})
	}
	for _, past := range rec.SeenBefore[:min(len(rec.SeenBefore), maxPageList)] {
		v.SeenBefore = append(v.SeenBefore, pastView{moment(past.Time), string(past.Outcome),
			clip(unmarked(first(past.Cause, "no cause found")), maxPageQuote), past.ReportURI, linksForURI(&rec.Alarm, links.Region, past.ReportURI).Report})
	}
	cited := citations(rec)
	v.Findings = findingViews(r.Findings, cited)
	v.investigated(rec, cited)
	return v
}

func pageProse(text string) []block { return prose(clip(text, maxProse)) }

func pageList(list []string) []string { return pageLines(list, unmarked) }

// pageLines is a list as far as anybody reads it.
func pageLines[T any](list []T, line func(T) string) []string {
	var out []string
	for _, element := range list[:min(len(list), maxPageList)] {
		if text := clip(plain(line(element)), maxPageQuote); text != "" {
			out = append(out, text)
		}
	}
	if more := len(list) - maxPageList; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

func findingViews(list []investigation.Finding, cited map[int]*citedCall) []findingView {
	var views []findingView
	for i, finding := range list[:min(len(list), maxPageList)] {
		view := findingView{Number: i + 1, Statement: inline(clip(plain(finding.Statement), maxPageQuote)), Confidence: string(finding.Confidence)}
		switch finding.Confidence {
		case investigation.Confirmed, investigation.Likely:
		default:
			view.Confidence = string(investigation.Unknown)
		}
		if !finding.Time.IsZero() {
			view.Time = moment(finding.Time)
		}
		if !finding.Verified {
			view.Problem = clip(plain(problemOf(finding)), maxPageQuote)
		}
		for j, citation := range finding.Evidence[:min(len(finding.Evidence), maxPageList)] {
			quote := quoteView{Call: citation.Call, Text: clip(plain(citation.Quote), maxPageQuote), Found: citation.Found}
			if call := cited[citation.Call]; call != nil {
				quote.Href = call.href(i, j)
			}
			view.Quotes = append(view.Quotes, quote)
		}
		views = append(views, view)
	}
	return views
}

// citedCall is a tool call that findings quote.
type citedCall struct {
	number int
	marks  []mark
	ids    map[[2]int]string // by finding and citation
}

func (c *citedCall) href(finding, citation int) string {
	if id := c.ids[[2]int{finding, citation}]; id != "" {
		return "#" + id
	}
	return fmt.Sprintf("#call-%d", c.number)
}

// citations finds where each quote stands in its call's output.
func citations(rec *investigation.Record) map[int]*citedCall {
	outputs := map[int]string{}
	for _, call := range allCalls(rec) {
		if call.Answer != nil {
			outputs[call.Number] = call.Answer.Text()
		}
	}
	cited := map[int]*citedCall{}
	for i, finding := range rec.Report.Findings[:min(len(rec.Report.Findings), maxPageList)] {
		for j, citation := range finding.Evidence[:min(len(finding.Evidence), maxPageList)] {
			text, exists := outputs[citation.Call]
			if !exists || !citation.Found {
				continue
			}
			call := cited[citation.Call]
			if call == nil {
				call = &citedCall{number: citation.Call, ids: map[[2]int]string{}}
				cited[citation.Call] = call
			}
			if from, to, ok := locate(text, citation.Quote); ok {
				call.ids[[2]int{i, j}] = call.place(mark{from: from, to: runeStart(text, min(to, from+maxMark)), id: fmt.Sprintf("quote-%d-%d", i+1, j+1)})
			}
		}
	}
	return cited
}

// place adds a mark and returns the id to link to: that of an earlier mark where the two overlap, or
// nothing when there are enough marks.
func (c *citedCall) place(m mark) string {
	for _, other := range c.marks {
		if m.from < other.to && other.from < m.to {
			return other.id
		}
	}
	if len(c.marks) == maxMarks {
		return ""
	}
	c.marks = append(c.marks, m)
	slices.SortFunc(c.marks, func(a, b mark) int { return a.from - b.from })
	return m.id
}

// locate finds a quote in an output, in which white space counts as one blank.
func locate(text, quote string) (from, to int, ok bool) {
	quote = strings.TrimSpace(quote)
	if quote == "" {
		return 0, 0, false
	}
	if at := strings.Index(text, quote); at >= 0 {
		return at, at + len(quote), true
	}
	words := strings.Fields(quote)
	for i, word := range words {
		words[i] = regexp.QuoteMeta(word)
	}
	folded, err := regexp.Compile(strings.Join(words, `\s+`))
	if err != nil {
		return 0, 0, false // longer than a pattern may be: the link leads to the call
	}
	at := folded.FindStringIndex(text)
	if at == nil {
		return 0, 0, false
	}
	return at[0], at[1], true
}

func allCalls(rec *investigation.Record) []*investigation.ToolCall {
	var calls []*investigation.ToolCall
	if rec.Evidence.Call != nil {
		calls = append(calls, rec.Evidence.Call)
	}
	for i := range rec.Rounds {
		for j := range rec.Rounds[i].Calls {
			calls = append(calls, &rec.Rounds[i].Calls[j])
		}
	}
	return calls
}

// investigated fills in the rounds. The more there is, the less of each is shown.
func (v *pageView) investigated(rec *investigation.Record, cited map[int]*citedCall) {
	var texts, rows []int
	size := func(text string) { texts = append(texts, escapedLen(text)) }
	for _, call := range allCalls(rec) {
		size(call.Command)
		if call.Answer != nil && call.Cached == 0 {
			size(call.Answer.Text())
			rows = append(rows, len(call.Answer.AWSCalls))
		}
	}
	for _, round := range rec.Rounds {
		size(round.Reasoning)
		size(round.Text)
	}
	f := folder{
		limit: max(levelled(texts, foldedBytes), leastFolded),
		rows:  max(levelled(rows, foldedRows), leastRows),
		cited: cited,
	}
	if rec.Evidence.Call != nil {
		v.Calls = append(v.Calls, f.call(rec.Evidence.Call))
	}
	for i := range rec.Rounds {
		v.Rounds = append(v.Rounds, f.round(&rec.Rounds[i]))
	}
	v.Clipped = f.clipped
}

// folder makes the views of what is folded in, within its limits.
type folder struct {
	limit   int // of one text, in bytes of HTML
	rows    int // of one list of AWS calls
	cited   map[int]*citedCall
	clipped int
}

func (f *folder) show(text string, marks []mark) []segment {
	segments, whole := shown(text, marks, f.limit)
	if !whole {
		f.clipped++
	}
	return segments
}

func (f *folder) round(round *investigation.Round) roundView {
	view := roundView{
		Number: round.Number, Took: seconds(round.DurationMS), Note: clip(plain(round.Note), maxPageQuote),
		Reasoning: f.show(round.Reasoning, nil), Text: f.show(round.Text, nil), Brief: clip(unmarked(round.Text), maxBrief),
	}
	if u := round.Usage; u.InputTokens+u.OutputTokens+u.CacheReadTokens+u.CacheWriteTokens > 0 {
		view.Tokens = fmt.Sprintf("%s tokens in, %s out", thousands(u.InputTokens+u.CacheReadTokens+u.CacheWriteTokens), thousands(u.OutputTokens))
	}
	for i := range round.Calls {
		call := f.call(&round.Calls[i])
		view.Cited = view.Cited || call.Cited
		view.Calls = append(view.Calls, call)
	}
	return view
}

func (f *folder) call(call *investigation.ToolCall) callView {
	view := callView{Number: call.Number, Brief: brief(call), Took: seconds(call.DurationMS), Cached: call.Cached, Command: f.show(call.Command, nil)}
	var marks []mark
	if cited := f.cited[call.Number]; cited != nil {
		view.Cited, marks = true, cited.marks
	}
	switch {
	case call.Answer == nil:
		view.Problem = clip(plain(first(call.Problem, "it has no answer")), maxPageQuote)
	case call.Cached > 0:
	default:
		view.Output = f.show(call.Answer.Text(), marks)
		view.Notes = pageList(call.Answer.Notes)
		requests := call.Answer.AWSCalls
		view.RowsLeft = call.Answer.AWSCallsCut + max(0, len(requests)-f.rows)
		for _, request := range requests[:min(len(requests), f.rows)] {
			view.Requests = append(view.Requests, viewRequest(request))
		}
	}
	return view
}

// brief tells calls apart at a glance.
func brief(call *investigation.ToolCall) string {
	if call.Number == 0 {
		return "evidence collected before any model was asked"
	}
	for _, line := range strings.Split(call.Command, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "import ") && !strings.HasPrefix(line, "from ") {
			return clip(plain(line), maxBrief)
		}
	}
	return ""
}

func viewRequest(request toolcall.AWSCall) requestView {
	view := requestView{What: plain(request.Service + ":" + request.Operation), Region: plain(request.Region), MS: request.DurationMS}
	switch {
	case request.Refused != "":
		view.Outcome = "refused: " + clip(plain(request.Refused), 200)
	case request.Status == 0:
		view.Outcome = strings.TrimSpace("no answer " + plain(request.ErrorCode))
	default:
		view.Outcome = strings.TrimSpace(fmt.Sprintf("%d %s", request.Status, clip(plain(request.ErrorCode), 100)))
	}
	return view
}

func seconds(ms int64) string {
	switch {
	case ms <= 0:
		return ""
	case ms < 100:
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}
