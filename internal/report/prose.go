package report

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
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
	headingLine  = regexp.MustCompile(`^#{1,6}\s+(.*?)(?:\s+#+)?\s*$`)
	itemLine     = regexp.MustCompile(`^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)$`)
	quotedLine   = regexp.MustCompile(`^\s*> ?`)
	fenceLine    = regexp.MustCompile("^\\s*(?:(?:[-*•]|\\d{1,3}[.)])\\s+)?(`{3,}|~{3,})\\s*(.*?)\\s*$") // a list item can begin with one
	lateFence    = regexp.MustCompile("^((?:[^`]|`[^`]+`)*(?:[^`\\s]|`[^`]+`))\\s*(`{3,})[\\w+-]*\\s*$")
	languageName = regexp.MustCompile(`^[\w+-]+$`)
	isLanguage   = regexp.MustCompile(`^(?:sh|bash|zsh|shell|console|text|json|ya?ml|toml|python3?|py|javascript|js|typescript|ts|java|sql|hcl|terraform|xml|diff)$`)
	endOfFence   = regexp.MustCompile("^\\s*`{3,}(?:\\s.*)?$")
	ruleLine     = regexp.MustCompile(`^\s*(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$`)

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
	open := "" // the fence of a block of code that has not ended
	endCode := func() {
		if len(code) > 0 {
			blocks = append(blocks, block{Kind: codeBlock, Code: strings.Join(code, "\n")})
		}
		code, open = nil, ""
	}
	all := strings.Split(strings.TrimSpace(lines(text)), "\n")
	ends, left := nextFences(all)
	isQuoted := false // a block of code in a quote
	for i, line := range all {
		if isQuoted && open != "" && !quotedLine.MatchString(line) {
			endCode()
		}
		if inner := unquoted(line); open == "" {
			if isQuoted = inner != line && fenceLine.MatchString(inner); isQuoted {
				line = inner
			}
		} else if isQuoted {
			line = inner
		}
		trimmed := strings.TrimSpace(line)
		fence, late := fenceLine.FindStringSubmatch(line), lateFence.FindStringSubmatch(line)
		switch {
		case open != "" && strings.HasPrefix(trimmed, open):
			rest := strings.TrimLeft(trimmed, open[:1])
			fence := strings.TrimSuffix(trimmed, rest)
			endCode()
			switch rest = strings.TrimSpace(rest); {
			case languageName.MatchString(rest) && fence[0] == '`' && (left[i]%2 == 1 || left[i] > 0 && isLanguage.MatchString(rest)) &&
				endOfFence.MatchString(unquoted(*ends[i])):
				open = fence // a block begins, and the one before it lacks its end
			case rest != "":
				blocks = append(blocks, proseLine(rest))
			}
		case open != "" && strings.HasSuffix(trimmed, open):
			code = append(code, strings.TrimRight(line, " \t"+open[:1]))
			endCode()
		case open != "":
			code = append(code, line)
		case fence != nil && !strings.Contains(fence[2], "`"): // else it is code within the line
			open = fence[1]
			if strings.Contains(fence[2], " ") { // else it is nothing, or the name of a language
				code = append(code, fence[2])
			}
		case late != nil && ends[i] != nil: // else nothing ends the code
			blocks = append(blocks, proseLine(late[1]))
			if quoted := quotedLine.MatchString(line); endOfFence.MatchString(unquoted(*ends[i])) && !(i+1 < len(all) && isFence(all[i+1], quoted)) {
				open, isQuoted = late[2], quoted
			}
		case trimmed == "", ruleLine.MatchString(line):
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

// nextFences returns for each line the next fence at the beginning of a line, in the same quote if the line is in one, and the number
// of fences that follow. A line of a quote continues it, so a fence in a quote ends no code outside of it.
func nextFences(all []string) (ends []*string, left []int) {
	ends, left = make([]*string, len(all)), make([]int, len(all))
	for _, quoted := range []bool{false, true} {
		var next *string
		count := 0
		for i := len(all) - 1; i >= 0; i-- {
			if quotedLine.MatchString(all[i]) == quoted {
				ends[i], left[i] = next, count
			} else if quoted {
				next, count = nil, 0
			}
			if isFence(all[i], quoted) {
				next = &all[i]
				count++
			}
		}
	}
	return ends, left
}

// isFence reports whether a line that is in a quote, or not, begins with a fence.
func isFence(line string, quoted bool) bool {
	return quotedLine.MatchString(line) == quoted && strings.HasPrefix(strings.TrimSpace(unquoted(line)), "```")
}

// unquoted returns a line without the mark of a quote.
func unquoted(line string) string { return quotedLine.ReplaceAllString(line, "") }

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

// sentenceEnd matches the end of a sentence, but not the working directory, and maxHalf bounds half a command.
var sentenceEnd = regexp.MustCompile(`[^\s./]\. `)

const maxHalf = 1000

// cut returns the last block of a text that was cut, without half a command, which would mislead: only its warning stays.
func (b block) cut() block {
	if b.Kind == codeBlock {
		return proseLine(truncate.Ellipsis)
	}
	for i := len(b.Spans) - 1; i >= 0; i-- {
		if !b.Spans[i].Warning {
			continue
		}
		rest := ""
		for _, s := range b.Spans[i+1:] {
			rest += s.Text
		}
		if i+2 == len(b.Spans) && len(rest) < maxHalf && !sentenceEnd.MatchString(rest) {
			b.Spans = append(slices.Clone(b.Spans[:i+1]), span{Text: truncate.Ellipsis})
		}
		break
	}
	return b
}

// isTitle reports whether all words of a block are strong, or it is a heading. The forms do not emphasize it, because it would look
// like a title of the report.
func (b block) isTitle() bool {
	return b.Kind == headingBlock || !slices.ContainsFunc(b.Spans, func(s span) bool { return !s.Strong && strings.ContainsFunc(s.Text, isWordRune) })
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// inline parses code, strong text, and links, and warns of commands that do more than to read. A link keeps its address: a
// reader must see where it leads.
func inline(line string) []span { return warned(marked(line)) }

// marked parses code, strong text, and links.
func marked(line string) []span {
	var spans []span
	add := func(s span) {
		if s.Text != "" {
			spans = append(spans, s)
		}
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
			for _, inner := range marked(group(3)) {
				inner.Strong = true
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

// warned inserts a warning before each command that does more than to read. A command may be spread over several spans.
// Harmless commands get no remark, so that no text can imitate one that calms.
func warned(spans []span) []span {
	var whole strings.Builder
	for _, s := range spans {
		whole.WriteString(s.Text)
	}
	found := command.Find(whole.String())
	var out []span
	add := func(s span, text string) {
		if s.Text = text; text != "" {
			out = append(out, s)
		}
	}
	start := 0
	for _, s := range spans {
		end, last := start+len(s.Text), 0
		effect := command.Effect(0)
		if s.Code {
			effect = command.InCode(s.Text)
		}
		for len(found) > 0 && found[0].At < end {
			if s.Code { // code stays whole
				effect |= found[0].Effect
			} else {
				add(s, s.Text[last:found[0].At-start])
				add(span{Warning: true}, warningOf(found[0].Effect))
				last = found[0].At - start
			}
			found = found[1:]
		}
		add(span{Warning: true}, warningOf(effect))
		add(s, s.Text[last:])
		start = end
	}
	return out
}

// warningOf returns the text of a warning, or "" if there is nothing to warn of.
func warningOf(effect command.Effect) string {
	if effect == 0 {
		return ""
	}
	return "[" + strings.TrimSuffix(effect.String(), ".") + "] "
}

// unmarked returns text as one line without Markdown.
func unmarked(text string) string {
	var b strings.Builder
	for _, s := range inline(plain(text)) {
		b.WriteString(s.Text)
	}
	return defangAddresses(b.String()) // an address can be whole only without its marks
}
