package report

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of the quotes that the page marks in an output.
const (
	aroundQuote = 120   // bytes of the output that are kept on either side of a quote
	maxMarks    = 20    // quotes that are marked in one output
	maxMark     = 2_000 // bytes of one marked quote
)

// mark is a range of an output, in bytes: a quote, or a part that an excerpt keeps.
type mark struct {
	from, to int
	id       string // of the quote's element on the page; empty for a part
}

// segment is a piece of a text on the page: text, a marked quote, or a gap.
type segment struct {
	Text string
	ID   string // of a marked quote; empty: plain text
	Left int    // characters omitted at this gap
}

// excerpt returns the parts of text that fit into about limit bytes of HTML: its marks with their
// surroundings, its beginning, and its end. whole reports whether nothing was omitted.
func excerpt(text string, marks []mark, limit int) (segments []segment, whole bool) {
	if text == "" {
		return nil, true
	}
	keep := []mark{{from: 0, to: len(text)}}
	if escapedLen(text) > limit {
		keep = windows(text, marks, limit)
	}
	at := 0
	gap := func(to int) {
		if to > at {
			segments = append(segments, segment{Left: utf8.RuneCountInString(text[at:to])})
			whole = false
		}
	}
	whole = true
	for _, window := range keep {
		gap(window.from)
		segments = append(segments, splitAtMarks(text, marks, window)...)
		at = window.to
	}
	gap(len(text))
	return segments, whole
}

// windows returns the parts of text that are kept, in order and without overlap.
func windows(text string, marks []mark, limit int) []mark {
	var list []mark
	for _, m := range marks {
		w := mark{
			from: truncate.Before(text, m.from-aroundQuote),
			to:   truncate.Before(text, m.to+aroundQuote),
		}
		limit -= escapedLen(text[w.from:w.to])
		list = append(list, w)
	}
	if limit > 0 {
		head := prefixLen(text, limit*2/3)
		list = append(list, mark{to: head}, mark{from: suffixStart(text, limit/3), to: len(text)})
	}
	slices.SortFunc(list, func(a, b mark) int { return a.from - b.from })
	var merged []mark
	for _, w := range list {
		if last := len(merged) - 1; last >= 0 && w.from <= merged[last].to {
			merged[last].to = max(merged[last].to, w.to)
			continue
		}
		merged = append(merged, w)
	}
	return merged
}

// splitAtMarks returns the segments of a window.
func splitAtMarks(text string, marks []mark, window mark) []segment {
	var out []segment
	at := window.from
	for _, m := range marks {
		if m.from < at || m.to > window.to {
			continue
		}
		if m.from > at {
			out = append(out, segment{Text: text[at:m.from]})
		}
		out = append(out, segment{Text: text[m.from:m.to], ID: m.id})
		at = m.to
	}
	if at < window.to {
		out = append(out, segment{Text: text[at:window.to]})
	}
	return out
}

// escapedLen returns the length of text as html/template writes it, in bytes.
func escapedLen(text string) int {
	n := len(text)
	for i := range len(text) {
		n += escapeCost(text[i])
	}
	return n
}

func escapeCost(b byte) int {
	switch b {
	case '&', '"', '\'', '+':
		return 4
	case '<', '>':
		return 3
	}
	return 0
}

// prefixLen returns the length of the longest prefix of text that takes at most limit bytes of HTML.
func prefixLen(text string, limit int) int {
	for i := range len(text) {
		if limit -= 1 + escapeCost(text[i]); limit < 0 {
			return truncate.Before(text, i)
		}
	}
	return len(text)
}

// suffixStart returns the start of the longest suffix of text that takes at most limit bytes of HTML.
func suffixStart(text string, limit int) int {
	for i := len(text) - 1; i >= 0; i-- {
		if limit -= 1 + escapeCost(text[i]); limit < 0 {
			return truncate.After(text, i+1)
		}
	}
	return 0
}

// citedCall is a tool call that statements quote.
type citedCall struct {
	number int
	marks  []mark
	ids    map[string]string // ids of page elements with quotes, by the quote's own id
}

// Beginnings of the ids of quotes, by the section that has them.
const (
	quoteOfFinding  = "quote"
	quoteOfRuledOut = "against"
)

// quoteID returns the id of a quote, by the indexes of its statement and of the quote in it.
func quoteID(section string, statement, citation int) string {
	return fmt.Sprintf("%s-%d-%d", section, statement+1, citation+1)
}

// href returns the link to a quote, or to the tool call if the page does not show the quote.
func (c *citedCall) href(quote string) string {
	if id := c.ids[quote]; id != "" {
		return "#" + id
	}
	return fmt.Sprintf("#call-%d", c.number)
}

// citations locates each quote in the output of its tool call.
func citations(rec *investigation.Record) map[int]*citedCall {
	outputs := map[int]string{}
	shown := map[int]int{} // by tool call: the one whose output the page shows
	for call := range rec.Calls() {
		if call.Answer != nil {
			outputs[call.Number] = call.Answer.Text()
		}
		shown[call.Number] = cmp.Or(call.Cached, call.Number)
	}
	cited := map[int]*citedCall{}
	type quoted struct {
		id       string
		citation investigation.Citation
	}
	var quotes []quoted
	add := func(section string, statement int, evidence []investigation.Citation) {
		for j, citation := range evidence[:min(len(evidence), maxPageList)] {
			if _, exists := outputs[citation.Call]; exists && citation.Found {
				quotes = append(quotes, quoted{quoteID(section, statement, j), citation})
			}
		}
	}
	for i, finding := range rec.Report.Findings[:min(len(rec.Report.Findings), maxPageList)] {
		add(quoteOfFinding, i, finding.Evidence)
	}
	for i, refuted := range rec.Report.RuledOut[:min(len(rec.Report.RuledOut), maxPageList)] {
		add(quoteOfRuledOut, i, refuted.Evidence)
	}
	slices.SortStableFunc(quotes, func(a, b quoted) int { return a.citation.Call - b.citation.Call })
	var output *searchable // of the last call: that of all calls would need much memory
	for i, q := range quotes {
		if i == 0 || q.citation.Call != quotes[i-1].citation.Call {
			output = &searchable{text: outputs[q.citation.Call]}
		}
		number := shown[q.citation.Call]
		call := cited[number]
		if call == nil {
			call = &citedCall{number: number, ids: map[string]string{}}
			cited[number] = call
		}
		cited[q.citation.Call] = call
		if from, to, ok := output.locate(q.citation.Quote); ok {
			end := truncate.Before(output.text, min(to, from+maxMark))
			call.ids[q.id] = call.place(mark{from: from, to: end, id: q.id})
		}
	}
	return cited
}

// place adds a mark and returns the id to link to. If an earlier mark overlaps it, that is the earlier mark's id. If
// the output already has maxMarks marks, it is empty.
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

// searchable is an output in which quotes are located.
type searchable struct {
	text   string
	normal *provenance.Text // nil: not needed yet
}

// locate finds a quote in an output, in any encoding, if possible where it begins and ends with whole words.
func (s *searchable) locate(quote string) (from, to int, ok bool) {
	if s.normal == nil {
		s.normal = provenance.NewText(s.text)
	}
	for _, isCut := range []bool{false, true} {
		if found := s.normal.Find(quote, isCut); len(found) > 0 {
			return found[0].From, found[0].To, true
		}
	}
	return 0, 0, false
}
