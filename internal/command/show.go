package command

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits of blanks in a command. Longer runs could push the rest of a command out of sight.
const (
	maxBlanks = 3  // between words
	maxIndent = 16 // at the beginning of a line, which may be code or a document
	maxEmpty  = 1  // empty lines in a row
)

// Folded marks the end of a line that was broken for the eye: the break is not part of the command.
const Folded = " ↵"

// Show returns a command without characters that deceive a reader. Letters that are not ASCII, control characters, and
// invisible characters become escapes such as \u0430, which no shell interprets. Long runs of blanks and of line breaks
// are counted instead: [300 blanks].
func Show(text string) string {
	shown, _ := show(text)
	return shown
}

// show also reports whether anything was escaped.
func show(text string) (shown string, disguised bool) {
	text = trimmed(text)
	var b strings.Builder
	for at := 0; at < len(text); {
		run := runLength(text[at:])
		switch blank := text[at] == ' ' || text[at] == '\t'; {
		case blank && (run > maxIndent || run > maxBlanks && at > 0 && text[at-1] != '\n'):
			fmt.Fprintf(&b, " [%d blanks] ", run)
			at, disguised = at+run, true
		case blank && at > 0 && text[at-1] != '\n' && strings.IndexByte(text[at:at+run], '\t') >= 0: // a shell completes the word before a tab
			b.WriteString(strings.ReplaceAll(text[at:at+run], "\t", Escape('\t')))
			at, disguised = at+run, true
		case blank:
			b.WriteString(text[at : at+run])
			at += run
		case text[at] == '\n':
			end, breaks := lineBreaks(text, at)
			if breaks > maxEmpty+1 {
				fmt.Fprintf(&b, " [%d line breaks]", breaks)
				disguised, breaks = true, 1
			}
			b.WriteString(strings.Repeat("\n", breaks))
			at = end
		default:
			r, size := utf8.DecodeRuneInString(text[at:])
			if r < ' ' || r > '~' {
				b.WriteString(Escape(r))
				disguised = true
			} else {
				b.WriteRune(r)
			}
			at += size
		}
	}
	return b.String(), disguised
}

// trimmed returns valid UTF-8 without surrounding white space. Only what a shell takes for white space counts.
func trimmed(text string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), " \t\r\n")
}

// runLength counts the blanks and tabs at the beginning of text.
func runLength(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }

// lineBreaks returns the end of the lines at a position that are empty, and the number of line breaks.
func lineBreaks(text string, at int) (end, breaks int) {
	for at < len(text) && text[at] == '\n' {
		breaks++
		at++
		end = at
		at += runLength(text[at:])
	}
	return end, breaks
}

// Escape returns a character as ASCII.
func Escape(r rune) string {
	if r > 0xFFFF {
		return fmt.Sprintf(`\U%08X`, r)
	}
	return fmt.Sprintf(`\u%04X`, r)
}

// Fold returns a shown command as lines of at most width characters. If the command was understood, the lines are
// still the same command: they are continued with a backslash, and a word that is longer than a line stays whole.
// Otherwise, every line that is too long is broken and ends with [Folded].
func Fold(text string, width int) []string {
	shown, disguised := show(text)
	out, ok := parse(shown)
	if disguised || !ok || out.odd {
		return foldAnywhere(shown, width)
	}
	canBreak := map[int]bool{}
	for _, at := range out.blanks {
		canBreak[at] = true
	}
	var lines []string
	offset := 0
	for _, line := range strings.Split(shown, "\n") {
		lines = append(lines, foldAtBlanks(line, width, func(at int) bool { return canBreak[offset+at] })...)
		offset += len(line) + 1
	}
	return lines
}

// continuation ends a line that the next line continues.
const continuation = " \\"

// foldAtBlanks breaks one line at blanks for which canBreak holds, if possible before an option or a pipe.
func foldAtBlanks(line string, width int, canBreak func(at int) bool) []string {
	var lines []string
	indent := ""
	for start := 0; ; {
		room := width - len(indent)
		if len(line)-start <= room {
			return append(lines, indent+line[start:])
		}
		best, atOption := -1, false
		for at := start + 1; at < len(line); at++ {
			if !canBreak(at) || line[at-1] == ' ' {
				continue
			}
			fits := at-start+len(continuation) <= room
			if !fits && best >= 0 {
				break
			}
			next := at + runLength(line[at:])
			option := next < len(line) && (line[next] == '-' || line[next] == '|' || line[next] == '&')
			if option || !atOption || at-start > room*3/4 && best-start < room/3 {
				best, atOption = at, option
			}
			if !fits {
				break
			}
		}
		if best < 0 || strings.TrimSpace(line[best:]) == "" || strings.TrimSpace(line[best:]) == `\` {
			return append(lines, indent+line[start:])
		}
		lines = append(lines, indent+line[start:best]+continuation)
		start = best + runLength(line[best:])
		indent = "  "
	}
}

var escapeAtEnd = regexp.MustCompile(`\\(?:u[0-9A-F]{0,4}|U[0-9A-F]{0,8})?$`)

// foldAnywhere breaks lines at any character.
func foldAnywhere(text string, width int) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		for len(line) > width {
			cut := width - len([]rune(Folded))
			if at := strings.LastIndexByte(line[:cut], ' '); at > cut/2 {
				cut = at
			} else if at := escapeAtEnd.FindStringIndex(line[:cut]); at != nil && at[0] > 0 {
				cut = at[0]
			}
			lines = append(lines, line[:cut]+Folded)
			line = line[cut:]
		}
		lines = append(lines, line)
	}
	return lines
}
