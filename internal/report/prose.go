package report

import (
	"regexp"
	"strings"
)

// Models are asked for plain text but still write Markdown. This file parses the subset that they use, to
// keep its marks out of every form.

type blockKind string

const (
	paragraphBlock blockKind = "p"
	itemBlock      blockKind = "li"
	headingBlock   blockKind = "h"
	codeBlock      blockKind = "pre"
)

// block is a paragraph, list item, heading, or piece of code.
type block struct {
	Kind  blockKind
	Mark  string // for an item: "-", or its number with a period
	Spans []span // for all kinds but code
	Code  string // for code
}

// span is a run of text.
type span struct {
	Text         string
	Code, Strong bool
}

var (
	headingLine = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	itemLine    = regexp.MustCompile(`^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)$`)
	ruleLine    = regexp.MustCompile(`^\s*(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$`)
	inlineMark  = regexp.MustCompile("`+([^`]+)`+|\\*\\*([^*]+)\\*\\*|__([^_]+)__|\\[([^\\[\\]]+)\\]\\((https?://[^\\s)]+)\\)")
)

// blocksOf splits text into blocks. Each line is a block, because models break lines on purpose.
func blocksOf(text string) []block {
	var blocks []block
	var code []string
	fenced := false
	endCode := func() {
		if len(code) > 0 {
			blocks = append(blocks, block{Kind: codeBlock, Code: strings.Join(code, "\n")})
		}
		code, fenced = nil, false
	}
	for _, line := range strings.Split(strings.TrimSpace(lines(text)), "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			wasFenced := fenced
			endCode()
			fenced = !wasFenced
		case fenced:
			code = append(code, line)
		case strings.TrimSpace(line) == "", ruleLine.MatchString(line):
		default:
			blocks = append(blocks, proseLine(line))
		}
	}
	endCode()
	return blocks
}

func proseLine(line string) block {
	if found := headingLine.FindStringSubmatch(line); found != nil {
		return block{Kind: headingBlock, Spans: inline(found[1])}
	}
	if found := itemLine.FindStringSubmatch(line); found != nil {
		mark := "-"
		if found[1] != "" {
			mark = found[1] + "."
		}
		return block{Kind: itemBlock, Mark: mark, Spans: inline(found[2])}
	}
	return block{Kind: paragraphBlock, Spans: inline(strings.TrimSpace(line))}
}

// inline parses code, strong text, and links. A link keeps its address: a reader must see where it leads.
func inline(line string) []span {
	var spans []span
	add := func(s span) {
		if s.Text != "" {
			spans = append(spans, s)
		}
	}
	last := 0
	for _, at := range inlineMark.FindAllStringSubmatchIndex(line, -1) {
		add(span{Text: line[last:at[0]]})
		group := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return line[at[2*i]:at[2*i+1]]
		}
		switch {
		case group(1) != "":
			add(span{Text: group(1), Code: true})
		case group(2)+group(3) != "":
			add(span{Text: group(2) + group(3), Strong: true})
		default:
			add(span{Text: group(4) + " (" + group(5) + ")"})
		}
		last = at[1]
	}
	add(span{Text: line[last:]})
	return spans
}

// unmarked returns text as one line without Markdown.
func unmarked(text string) string {
	var b strings.Builder
	for _, s := range inline(plain(text)) {
		b.WriteString(s.Text)
	}
	return b.String()
}
