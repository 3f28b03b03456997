package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
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
	Warning      bool // written by code: what the command after it does
}

var (
	headingLine = regexp.MustCompile(`^#{1,6}\s+(.*?)(?:\s+#+)?\s*$`)
	itemLine    = regexp.MustCompile(`^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)$`)
	ruleLine    = regexp.MustCompile(`^\s*(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$`)

	// Code, strong text, and links. Strong text begins and ends as words do, and a link's text consists of words, because
	// text that is no Markdown contains the same marks: f(**kwargs), 2 ** 4, **/*.go, __init__.py, [a-z](https://…).
	inlineMark = regexp.MustCompile("`+([^`]+)`+" + `|(^|[\s("'])\*\*([\pL\pN"'($][^*]*[\pL\pN.!?:;,)%"'` + "`" + `]|[\pL\pN])\*\*($|[\s.,;:!?)"'])` +
		`|\[([\pL\pN]+(?: [\pL\pN]+)*)\]\((https?://[^\s()]+)\)`)
	minLinkText = 3 // letters; a shorter one may be a set of characters in a regular expression
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
	if text = strings.TrimSpace(text); len(blocks) == 0 && text != "" { // a text of marks alone is shown as it is
		blocks = []block{{Kind: paragraphBlock, Spans: []span{{Text: plain(text)}}}}
	}
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

// isTitle reports whether all of a block is strong or a heading. The forms do not emphasize it, because it would look
// like a title of the report.
func (b block) isTitle() bool {
	return b.Kind == headingBlock || !slices.ContainsFunc(b.Spans, func(s span) bool { return !s.Strong && strings.TrimSpace(s.Text) != "" })
}

// inline parses code, strong text, and links, and warns of commands that change something. A link keeps its address: a
// reader must see where it leads.
func inline(line string) []span {
	var spans []span
	add := func(s span) {
		if s.Text == "" {
			return
		}
		if !s.Code {
			spans = append(spans, warned(s)...)
			return
		}
		if warning := warningOf(s.Text); warning != "" {
			spans = append(spans, span{Text: warning, Warning: true})
		}
		spans = append(spans, s)
	}
	for strings.ContainsAny(line, "`*[") {
		at := inlineMark.FindStringSubmatchIndex(line)
		if at == nil {
			break
		}
		group := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return line[at[2*i]:at[2*i+1]]
		}
		end := at[1]
		switch {
		case group(1) != "":
			add(span{Text: line[:at[0]]})
			add(span{Text: group(1), Code: true})
		case group(3) != "":
			add(span{Text: line[:at[0]] + group(2)})
			for _, inner := range inline(group(3)) {
				inner.Strong = !inner.Warning
				spans = append(spans, inner)
			}
			end = at[2*4] // what follows may begin the next mark
		case len(group(5)) < minLinkText:
			add(span{Text: line[:end]})
		default:
			add(span{Text: line[:at[0]] + group(5) + " (" + group(6) + ")"})
		}
		line = line[end:]
	}
	add(span{Text: line})
	return spans
}

// commandInProse matches a command of the AWS CLI, and a pipe from a download, in a sentence.
var commandInProse = regexp.MustCompile(`\baws(?: +--?[a-z][a-z-]*(?:[= ][\w./:-]+)?)* +[a-z][a-z0-9-]* +[a-z][a-z0-9-]*\b|\b(?:curl|wget) [^|;]*\| *(?:\w+ )*\S+`)

// warned splits text before each command that changes something.
func warned(s span) []span {
	if !strings.Contains(s.Text, "aws ") && !strings.Contains(s.Text, "curl ") && !strings.Contains(s.Text, "wget ") {
		return []span{s}
	}
	var spans []span
	add := func(text string) {
		if text != "" {
			spans = append(spans, span{Text: text, Strong: s.Strong})
		}
	}
	last := 0
	for _, at := range commandInProse.FindAllStringIndex(s.Text, -1) {
		if warning := warningOf(s.Text[at[0]:at[1]]); warning != "" {
			add(s.Text[last:at[0]])
			spans = append(spans, span{Text: warning, Warning: true})
			last = at[0]
		}
	}
	add(s.Text[last:])
	return spans
}

// warningOf returns a warning before a command in a sentence, or "" if the text is no command or changes nothing.
// Harmless commands get no remark, so that no text can imitate one that calms.
func warningOf(text string) string {
	if !commandInProse.MatchString(text) && !startsWithProgram.MatchString(text) {
		return ""
	}
	if effect := command.Classify(text) & command.Dangerous; effect != 0 {
		return "[" + strings.TrimSuffix(effect.String(), ".") + "] "
	}
	return ""
}

// startsWithProgram matches code that is a command with arguments.
var startsWithProgram = regexp.MustCompile(`^\s*(?:sudo|aws|curl|wget|kubectl|terraform|tofu|cdk|sam|helm|eksctl|rm|bash|sh|python3?|docker|git) \S`)

// unmarked returns text as one line without Markdown.
func unmarked(text string) string {
	var b strings.Builder
	for _, s := range inline(plain(text)) {
		b.WriteString(s.Text)
	}
	return b.String()
}
