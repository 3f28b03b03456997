package report

import (
	"regexp"
	"strings"
)

// Models are asked for plain text and write Markdown all the same. Prose understands the little of it
// that they use, so that no form shows its litter.

type blockKind string

const (
	paragraphBlock blockKind = "p"
	itemBlock      blockKind = "li"
	headingBlock   blockKind = "h"
	codeBlock      blockKind = "pre"
)

// block is one paragraph, list item, heading or piece of code.
type block struct {
	Kind  blockKind
	Mark  string // of an item: "-", or its number with a period
	Spans []span // of all but code
	Code  string // of code
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

// prose splits text into blocks. Each of its lines is a block, since those who break lines mean it.
func prose(text string) []block {
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

// inline finds code, strong text and links. A link shows its address: a reader must see where it leads.
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

// unmarked is one line of text without Markdown.
func unmarked(text string) string {
	var b strings.Builder
	for _, s := range inline(plain(text)) {
		b.WriteString(s.Text)
	}
	return b.String()
}

// paragraphs is prose as plain text, folded.
func paragraphs(text string) string {
	var b strings.Builder
	for _, part := range prose(text) {
		if part.Kind == codeBlock {
			b.WriteString(indent(part.Code) + "\n")
			continue
		}
		var line strings.Builder
		for _, s := range part.Spans {
			line.WriteString(s.Text)
		}
		if part.Kind == itemBlock {
			b.WriteString(wrap(part.Mark+" "+line.String(), strings.Repeat(" ", len(part.Mark)+1)) + "\n")
			continue
		}
		b.WriteString(wrap(line.String(), "") + "\n")
	}
	return b.String()
}
