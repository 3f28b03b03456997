package report

import (
	"slices"
	"unicode/utf8"
)

// mark is a quote within an output, in bytes.
type mark struct {
	from, to int
	id       string
}

// segment is a piece of a text that is shown: as it is, as a marked quote, or as a gap.
type segment struct {
	Text string
	ID   string // of a marked quote
	Left int    // characters that are left out here
}

// shown picks what of text is shown within about limit bytes of HTML: its marks with what surrounds
// them, its beginning, and its end. whole tells that nothing was left out.
func shown(text string, marks []mark, limit int) (segments []segment, whole bool) {
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
		segments = append(segments, marked(text, marks, window)...)
		at = window.to
	}
	gap(len(text))
	return segments, whole
}

// windows are the parts of text that are kept, in order and apart.
func windows(text string, marks []mark, limit int) []mark {
	var list []mark
	for _, m := range marks {
		w := mark{from: runeStart(text, m.from-aroundQuote), to: runeStart(text, m.to+aroundQuote)}
		limit -= escapedLen(text[w.from:w.to])
		list = append(list, w)
	}
	if limit > 0 {
		head := prefixLen(text, limit*2/3)
		list = append(list, mark{to: head}, mark{from: suffixStart(text, limit/3), to: len(text)})
	}
	slices.SortFunc(list, func(a, b mark) int { return a.from - b.from })
	var apart []mark
	for _, w := range list {
		if last := len(apart) - 1; last >= 0 && w.from <= apart[last].to {
			apart[last].to = max(apart[last].to, w.to)
			continue
		}
		apart = append(apart, w)
	}
	return apart
}

// marked splits one window at the marks in it.
func marked(text string, marks []mark, window mark) []segment {
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

// escapedLen is the length of text as html/template writes it, in bytes.
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

// prefixLen is the length of the longest beginning of text that takes at most limit bytes of HTML.
func prefixLen(text string, limit int) int {
	for i := range len(text) {
		if limit -= 1 + escapeCost(text[i]); limit < 0 {
			return runeStart(text, i)
		}
	}
	return len(text)
}

// suffixStart is where the longest such end of text begins.
func suffixStart(text string, limit int) int {
	for i := len(text) - 1; i >= 0; i-- {
		if limit -= 1 + escapeCost(text[i]); limit < 0 {
			for i++; i < len(text) && !utf8.RuneStart(text[i]); i++ {
			}
			return i
		}
	}
	return 0
}
