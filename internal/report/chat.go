package report

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Slack and Teams share no escape for their marks: Slack knows no backslash, and it shows entities other than &amp;,
// &lt;, and &gt; as they are. Both show a code span as it is. So each word that contains a mark, an address, or anything
// else that a client could interpret becomes a code span, and names such as __init__.py or prod__orders stay whole. A
// client without code spans shows the backticks; there, a link still needs brackets that touch, which chatCode separates.

// chat returns untrusted text as one line that has no formatting or links in chat and mentions nobody.
func chat(text string) string { return chatSpans([]span{{Text: plain(text)}}) }

// chatProse returns a model's prose, which may contain Markdown, in the same way.
func chatProse(text string) string {
	var spans []span
	for _, part := range blocksOf(text) {
		if part.Kind == codeBlock {
			label, _ := codeLabel(part.Code)
			code := span{Text: command.Show(part.Code), Code: true}
			if code.Text != oneLine(code.Text) || garbledInChat.MatchString(code.Text) {
				code = span{Text: " (the code is not shown here)"}
			}
			spans = append(spans, span{Text: " [" + strings.TrimSuffix(label, ".") + "] ", Warning: true}, code)
		}
		if part.Kind == itemBlock {
			spans = append(spans, span{Text: " " + part.Mark})
		}
		spans = append(append(spans, span{Text: " "}), part.Spans...)
	}
	return chatSpans(spans)
}

// chatSpans returns one line. Only warnings are bold, because code writes them.
func chatSpans(spans []span) string {
	var b strings.Builder
	var code []string // words of a code span that is not written yet
	write := func(text string) {
		if last, _ := utf8.DecodeLastRuneInString(b.String()); b.Len() > 0 && !unicode.IsSpace(last) {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	flush := func() {
		if len(code) > 0 {
			write(chatCode(strings.Join(code, " ")))
			code = nil
		}
	}
	glued := false // whether the last span ended without a blank
	for _, s := range spans {
		text := s.Text
		switch {
		case s.Warning:
			flush()
			write("*" + escapeChat(strings.TrimSpace(text)) + "*")
			glued = false
			continue
		case s.Code && strings.TrimSpace(text) == "": // two backticks would begin a longer code span
			glued = false
			continue
		case s.Code:
			flush()
			write(chatCode(strings.Join(strings.Fields(text), " ")))
			glued = true
			continue
		}
		words := strings.Fields(text)
		for i, word := range words {
			first := b.Len() == 0 && len(code) == 0
			before, core, after := trimPunctuation(word)
			switch {
			case i == 0 && glued && isPunctuation(word) && !strings.HasPrefix(text, " "):
				flush()
				b.WriteString(escapeChat(word)) // such as the comma after a code span
			case needsCode(core) || first && beginsBlock.MatchString(word):
				if before != "" {
					flush()
				}
				if first && beginsBlock.MatchString(word) {
					before, core, after = "", word, ""
				}
				code = append(code, core)
				if before != "" {
					write(before)
					b.WriteString(chatCode(core))
					code = nil
				}
				if after != "" {
					flush()
					b.WriteString(after)
				}
			default:
				flush()
				write(escapeChat(word))
			}
		}
		if len(words) > 0 {
			glued = !strings.HasSuffix(text, " ")
		}
	}
	flush()
	return strings.TrimSpace(b.String())
}

// chatCode returns text as a code span, without backticks in it.
func chatCode(text string) string {
	text = strings.NewReplacer("`", "'", "](", "]\u200B(", "][", "]\u200B[", "]:", "]\u200B:").Replace(text)
	return "`" + escapeChat(neutralizeMentions(text)) + "`"
}

var (
	// marks of the clients, and what they make links, mentions, and emoji of.
	chatMarks = regexp.MustCompile("[*_~`\\[\\]<>|\\\\@#{}^]|://|^//|(?i:^www\\.)|[^\\s.]\\.[\\pL\\pM\\pN-]{2,}|[A-Za-z0-9][\u2024\u3002\uFF0E\uFF61][A-Za-z]{2,}|:\\d+/|:[^\\s\\d]|[^\\d]:[^\\s]|^:|--")

	// beginsBlock matches a word that begins a heading, a list, a quote, or a table at the beginning of a line.
	beginsBlock = regexp.MustCompile(`^(?:\d+[.)]|[^\pL\pN"'(]+)$`)
)

// needsCode reports whether a client could interpret a part of a word.
func needsCode(word string) bool { return chatMarks.MatchString(word) }

// trimPunctuation separates the punctuation around a word.
func trimPunctuation(word string) (before, core, after string) {
	core = strings.TrimLeft(word, `("'`)
	before = word[:len(word)-len(core)]
	trimmed := strings.TrimRight(core, `.,;:!?"')`)
	if strings.Contains(trimmed, "(") {
		trimmed = strings.TrimRight(core, `.,;:!?"'`)
	}
	return before, trimmed, core[len(trimmed):]
}

func isPunctuation(word string) bool { return strings.Trim(word, `.,;:!?"')`) == "" }

// cutChat shortens text for chat to at most max characters. It ends neither in an entity nor in an open code span.
func cutChat(text string, max int) string {
	if utf8.RuneCountInString(text) <= max {
		return text
	}
	short := strings.TrimSuffix(truncate.Runes(text, max-1), truncate.Ellipsis)
	if at := strings.LastIndexByte(short, '&'); at >= 0 && !strings.Contains(short[at:], ";") {
		short = short[:at]
	}
	code, bold := -1, -1 // where an open code span or warning begins
	warned := -1         // where a warning ends that no label of code follows
	for i := range len(short) {
		switch {
		case short[i] == '`' && code < 0:
			code = i
		case short[i] == '`':
			code = -1
		case short[i] == '*' && code < 0 && bold < 0:
			bold = i
		case short[i] == '*' && code < 0:
			if warned = -1; short[i-1] == ']' {
				warned = i + 1
			}
			bold = -1
		}
	}
	switch {
	case bold >= 0:
		return short[:bold] + truncate.Ellipsis
	case warned >= 0 && !isWholeCommand(short[:warned], strings.TrimSpace(short[warned:])): // half a command would mislead: only its warning stays
		return short[:warned] + " " + truncate.Ellipsis
	case code >= 0 && code == len(short)-1:
		return short[:code] + truncate.Ellipsis
	case code >= 0:
		return short + truncate.Ellipsis + "`"
	}
	return short + truncate.Ellipsis
}

// isWholeCommand reports whether the command at the beginning of a text in chat ends in it: with its code span, or with a sentence. A
// code span whose words all need one can also be the beginning of a command in a sentence, but not after the label of a block of code.
func isWholeCommand(label, text string) bool {
	rest, isCode := strings.CutPrefix(text, "`")
	code, _, isClosed := strings.Cut(rest, "`")
	if strings.HasSuffix(label, strings.TrimSuffix(byModel, ".")+"]*") {
		return text != "" && (isClosed || !isCode)
	}
	isCode = isCode && isClosed && slices.ContainsFunc(strings.Fields(html.UnescapeString(code)), func(word string) bool { return !needsCode(word) })
	return isCode || sentenceEnd.MatchString(text)
}

func escapeChat(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// neutralizeMentions separates an @ from the name after it, which could be a person, a group, or a channel.
func neutralizeMentions(text string) string {
	var b strings.Builder
	var last rune
	for _, r := range text {
		if last == '@' && (unicode.IsLetter(r) || r == '!') {
			b.WriteRune('\u200B')
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}
