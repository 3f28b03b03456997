package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of the page. The JSON has everything.
const (
	maxProse     = 8_000 // characters of one text of the report
	maxPageQuote = 1_000 // characters of one quote
	maxPageList  = 30    // elements of one list
	maxPageName  = 300   // characters of the alarm's name; CloudWatch allows 255
)

//go:embed page.html
var pageSource string

// Everything on the page goes through the escaping of html/template; nothing is ever declared safe.
var page = template.Must(template.New("page").Funcs(template.FuncMap{"thousands": thousands, "either": plural.Either}).Parse(pageSource))

// HTML returns the report as one page without scripts and without external resources.
func HTML(rec *investigation.Record, links Links) ([]byte, error) {
	recorded := rec
	rec = inZone(rec, links.Zone)
	p := &pageForm{rec: rec, links: links, cited: citations(rec)}
	p.execute("top", pageName(rec))
	for _, box := range p.boxes(parts(inPage, rec, recorded, links)) {
		p.execute("open", box)
		for _, s := range box.Sections {
			p.execute("heading", s)
			p.execute(s.template, s.data)
		}
		p.execute("close", box)
	}
	p.execute("bottom", struct{ Author, Zone string }{authorship(rec), zoneOf(links.Zone)})
	if p.err != nil {
		return nil, fmt.Errorf("render the page of investigation %s: %w", rec.ID, p.err)
	}
	return p.out.Bytes(), nil
}

// pageForm collects the output of the page's templates.
type pageForm struct {
	rec   *investigation.Record
	links Links
	cited map[int]*citedCall
	out   bytes.Buffer
	err   error // the first error
}

// execute appends a template, which begins and ends outside of any tag, so that html/template knows its
// context.
func (p *pageForm) execute(name string, data any) {
	if p.err == nil {
		p.err = page.ExecuteTemplate(&p.out, name, data)
	}
}

// pageBox is an element of the page that frames one section or several.
type pageBox struct {
	Class    string
	Label    string // accessible name of a section without a visible heading
	Bare     bool   // true: the sections have no element around them
	Sections []pageSection
}

type pageSection struct {
	Title, Remark string
	NoHeading     bool
	template      string
	data          any
}

// boxes returns the sections that have content. Adjacent sections of the same box are in one element.
func (p *pageForm) boxes(parts []part) []pageBox {
	var boxes []pageBox
	last := ""
	for _, part := range parts {
		name, data := part.content.view(p)
		if name == "" {
			continue
		}
		s := pageSection{Title: part.title, Remark: part.remark, NoHeading: part.noHeading, template: name, data: data}
		if part.box != "" && part.box == last {
			box := &boxes[len(boxes)-1]
			box.Sections = append(box.Sections, s)
			continue
		}
		last = part.box
		box := pageBox{Bare: part.title == "", Sections: []pageSection{s}}
		if part.box != "" {
			box.Class = part.box + " " + string(severity(p.rec))
		}
		if part.noHeading {
			box.Label = part.title
		}
		boxes = append(boxes, box)
	}
	return boxes
}

func pageName(rec *investigation.Record) string {
	return truncate.Runes(plain(rec.Alarm.Name), maxPageName)
}

type headlineView struct {
	Name, Where, Verdict string
	Before               []fact // what the reader should know before the result
	Severity, Class      string // Class is the color of the verdict
	State, Triggering    string
	Note                 string
}

func (h headline) view(*pageForm) (string, any) {
	alarm := h.rec.Alarm
	return "headline", headlineView{
		Name: pageName(h.rec), Verdict: verdict(h.rec), Where: "account " + wholePlace(h.rec),
		Severity: string(severity(h.rec)), Class: verdictClass(h.rec),
		State: stateThen(&alarm), Triggering: contributor(alarm),
		Note: plain(strings.Join(notes(h.rec), " ")),
		Before: []fact{
			{"What changed", changed(h.rec)}, {"When sent", stateNow(h.rec)},
			{"Owner", tagged(h.rec, tagOwner)}, {"Runbook", tagged(h.rec, tagRunbook)},
		},
	}
}

// verdictClass returns the class of the verdict on the page. A cause of an event that may be forged is not shown as confirmed.
func verdictClass(rec *investigation.Record) string {
	if rec.Alarm.Unconfirmed != "" {
		return "warn"
	}
	return string(confidence(rec))
}

type proseView struct {
	Blocks []blockView
	Doubt  string
	Lead   bool
}

// blockView is a block with the label of its code.
type blockView struct {
	block
	Label string
	Warn  bool
}

func (p prose) view(*pageForm) (string, any) {
	if p.body == "" {
		return "", nil
	}
	var views []blockView
	blocks := blocksOf(truncate.Runes(p.body, maxProse))
	if last := len(blocks) - 1; last >= 0 && utf8.RuneCountInString(p.body) > maxProse {
		blocks[last] = blocks[last].cut()
	}
	for _, b := range blocks {
		view := blockView{block: b}
		if b.Kind == codeBlock {
			view.Label, view.Warn = codeLabel(b.Code)
			view.Code = command.Show(b.Code)
		}
		if b.isTitle() {
			for i := range b.Spans {
				view.Spans[i].Strong = false
			}
		}
		views = append(views, view)
	}
	return "prose", proseView{Blocks: views, Doubt: plain(cmp.Or(p.doubt, p.basis)), Lead: p.lead}
}

// sentence returns the spans of a text of one line. Nothing in it is strong: beside a command, it would look like a label.
func sentence(text string) []span {
	spans := inline(truncate.Runes(plain(text), maxPageQuote))
	for i := range spans {
		spans[i].Strong = false
	}
	return spans
}

type stepsView struct {
	Steps []stepView
	Left  string // how many actions are not shown
}

type stepView struct {
	Text    []span
	Label   string // what the command does and who wrote it
	Warn    bool
	Command string
	Cut     bool // whether the command is longer
}

func (s steps) view(*pageForm) (string, any) {
	var views []stepView
	for _, action := range s.actions[:min(len(s.actions), maxPageList)] {
		views = append(views, stepView{
			Text:  sentence(action.text),
			Label: action.label, Warn: action.warn,
			Command: truncate.Runes(action.shown, maxProse), Cut: utf8.RuneCountInString(action.shown) > maxProse,
		})
	}
	return "steps", stepsView{views, leftOf(len(s.actions), len(views))}
}

// leftOf counts the entries of a list that the page does not show, or returns "" if it shows all of them.
func leftOf(all, shown int) string {
	if all == shown {
		return ""
	}
	return more(all-shown) + " in the JSON report"
}

func (l linkList) view(*pageForm) (string, any) {
	if l.links.Alarm+l.links.Logs+l.links.ReportText+l.links.ReportJSON == "" {
		return "", nil
	}
	return "links", l.links
}

type alarmView struct {
	Reason, Description string
	Facts               []fact
}

func (d alarmDetails) view(*pageForm) (string, any) {
	return "alarm", alarmView{
		Reason:      plain(d.rec.Alarm.Reason),
		Description: truncate.Runes(plain(d.rec.Alarm.Description), maxPageQuote),
		Facts:       alarmFacts(d.rec),
	}
}

func (f facts) view(*pageForm) (string, any) { return "facts", f.facts }

// chartsView has the charts, and a line for each other metric.
type chartsView struct {
	Charts []chartView
	Others []string
}

func (s series) view(*pageForm) (string, any) {
	drawn, others := charts(s.rec)
	if len(drawn) == 0 && len(others) == 0 {
		return "", nil
	}
	return "charts", chartsView{drawn, pageLines(others, unmarked)}
}

func (l list) view(*pageForm) (string, any) {
	clean := unmarked
	if l.verbatim {
		clean = plain
	}
	entries := pageLines(l.entries, clean)
	if len(entries) == 0 {
		return "", nil
	}
	return "list", entries
}

// pageLines returns the first maxPageList entries, cleaned and shortened, and a line that counts the others.
func pageLines(entries []string, clean func(string) string) []string {
	var out []string
	for _, entry := range entries[:min(len(entries), maxPageList)] {
		if text := truncate.Runes(clean(entry), maxPageQuote); text != "" {
			out = append(out, text)
		}
	}
	if left := len(entries) - maxPageList; left > 0 {
		out = append(out, more(left))
	}
	return out
}

type timelineView struct {
	Near, Far []happening // Far is folded
	Left      int         // number of lines that are not shown
}

func (t timeline) view(*pageForm) (string, any) {
	var v timelineView
	v.Near, v.Far, v.Left = happenings(t.rec)
	if len(v.Near) == 0 {
		return "", nil
	}
	return "timeline", v
}

type findingsView struct {
	Entries []findingView
	Left    string // how many findings are not shown
}

type findingView struct {
	Number     int
	Statement  []span
	Confidence string
	Time       string
	Problem    string // why it is not verified
	Computed   bool   // whether it depends on text that code made
	Quotes     quotesView
}

type quotesView struct {
	Quotes []quoteView
	Left   string // how many quotes are not shown
}

type quoteView struct {
	Call   int
	Text   string
	Source string // a remark, if AWS did not answer the quote
	Href   string // of the quote in the output, or of the tool call if the quote is not shown; empty if it was not found
	Found  bool
}

func (f findings) view(p *pageForm) (string, any) {
	var views []findingView
	for i, finding := range f.findings[:min(len(f.findings), maxPageList)] {
		view := findingView{
			Number:     i + 1,
			Statement:  sentence(finding.Statement),
			Confidence: confidenceIn(finding),
			Quotes:     quoteViews(quoteOfFinding, i, finding.Evidence, p.cited),
			Computed:   finding.IsComputed(),
		}
		if !finding.Time.IsZero() {
			view.Time = moment(finding.Time)
		}
		if !finding.Verified {
			view.Problem = truncate.Runes(plain(unverified(finding)), maxPageQuote)
		}
		views = append(views, view)
	}
	if len(views) == 0 {
		return "", nil
	}
	return "findings", findingsView{views, leftOf(len(f.findings), len(views))}
}

type ruledOutView struct {
	Entries []refutedView
	Left    string // how many entries are not shown
}

type refutedView struct {
	Hypothesis, Reason []span
	State, Class       string
	Problem            string // why it is not ruled out
	Computed           bool   // whether it depends on text that code made
	Quotes             quotesView
}

func (r ruledOut) view(p *pageForm) (string, any) {
	var v ruledOutView
	for i, refuted := range r.refuted[:min(len(r.refuted), maxPageList)] {
		entry := refutedView{
			Hypothesis: sentence(refuted.Hypothesis),
			Reason:     sentence(refuted.Reason),
			State:      refutedState(refuted), Class: "confirmed", Computed: refuted.Verified && refuted.IsComputed(),
			Quotes: quoteViews(quoteOfRuledOut, i, refuted.Evidence, p.cited),
		}
		if entry.State != isRuledOut {
			entry.Class = "warn"
		}
		if !refuted.Verified {
			entry.Problem = truncate.Runes(plain(cmp.Or(refuted.Problem, noEvidence)), maxPageQuote)
		}
		v.Entries = append(v.Entries, entry)
	}
	if len(v.Entries) == 0 {
		return "", nil
	}
	v.Left = leftOf(len(r.refuted), len(v.Entries))
	return "ruled-out", v
}

func quoteViews(section string, statement int, evidence []investigation.Citation, cited map[int]*citedCall) quotesView {
	var views []quoteView
	for i, citation := range evidence[:min(len(evidence), maxPageList)] {
		view := quoteView{
			Call: citation.Call, Text: truncate.Runes(plain(citation.Quote), maxPageQuote), Found: citation.Found,
			Source: sourceOf(citation),
		}
		if call := cited[citation.Call]; call != nil && citation.Found {
			view.Href = call.href(quoteID(section, statement, i))
		}
		views = append(views, view)
	}
	return quotesView{views, leftOf(len(evidence), len(views))}
}

type pastsView struct {
	Entries []pastView
	Left    string // how many investigations are not shown
}

type pastView struct{ When, Outcome, Cause, URI, Link string }

func (e past) view(p *pageForm) (string, any) {
	var views []pastView
	for _, earlier := range e.rec.SeenBefore[:min(len(e.rec.SeenBefore), maxPageList)] {
		earlier.Cause = truncate.Runes(earlier.Cause, maxPageQuote)
		views = append(views, pastView{
			When: moment(earlier.Time), Outcome: string(earlier.Outcome),
			Cause: pastCause(earlier) + pastFeedback(earlier) + pastRepeats(earlier),
			URI:   earlier.ReportURI,
			Link:  linksForURI(&e.rec.Alarm, p.links.home, earlier.ReportURI).Report,
		})
	}
	if len(views) == 0 {
		return "", nil
	}
	return "past", pastsView{views, leftOf(len(e.rec.SeenBefore), len(views))}
}
