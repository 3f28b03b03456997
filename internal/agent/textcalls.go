package agent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// maxMarks limits the marks of calls that are examined in one answer. It bounds the time of reading it.
const maxMarks = 100

// toolUses returns the calls of an answer: the native ones, or else those that the model wrote as text.
// asText reports whether they have to be answered as text. An incomplete answer has no calls, because the
// last one could be half a call.
func (r *run) toolUses(turn conversation.Turn, round *investigation.Round) (uses []conversation.Use, asText bool) {
	if native := turn.Uses(); len(native) > 0 {
		recordThoughts(round, native)
		return native, false
	}
	switch types.StopReason(round.StopReason) {
	case types.StopReasonMaxTokens, types.StopReasonModelContextWindowExceeded:
		return nil, false
	}
	found := readCalls(round.Text, r.isShown)
	uses = found.calls
	if found.unread {
		uses = append(uses, conversation.Use{Name: unreadable, Input: json.RawMessage(`{}`)})
	}
	for i := range uses {
		uses[i].ID = fmt.Sprintf("text_%d", i+1)
	}
	recordThoughts(round, uses)
	return uses, true
}

// minShown is the minimum length in bytes of a text that isShown compares. A shorter text may occur in an output by
// chance.
const minShown = 24

// isShown reports whether a text is part of the data that the model has read, such as a log line. A call in such a
// text is not the model's call.
func (r *run) isShown(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) < minShown {
		return false
	}
	escaped, _ := asJSON(text)
	html, _ := json.Marshal(text)
	forms := []string{text, string(escaped[1 : len(escaped)-1]), string(html[1 : len(html)-1])}
	isIn := func(shown string) bool {
		for _, form := range forms {
			if strings.Contains(shown, form) {
				return true
			}
		}
		return false
	}
	if isIn(r.task.opening(r.rec, r.Members)) {
		return true
	}
	for number := range r.state.Calls + 1 {
		if call := r.rec.Call(number); call != nil && call.Answer != nil && isIn(call.Answer.Text()) {
			return true
		}
	}
	return false
}

// callsAsText holds the calls that readCalls found in an answer.
type callsAsText struct {
	calls  []conversation.Use
	unread bool // the answer has markup of a call that could not be read
}

// readCalls finds the calls that an answer contains as text. It first looks for markup that has no other use,
// then for forms that could also be examples, then for code that the model shows instead of running it. A
// call inside a sentence, in quotes, or for which isData is true is only mentioned and not returned. isData
// may be nil.
func readCalls(text string, isData func(string) bool) callsAsText {
	scan := callScan{text: text, isData: isData}
	scan.run(markedForms)
	if scan.unread = scan.unread || scan.leavesMarkup(); len(scan.calls) > 0 || scan.unread {
		return scan.callsAsText
	}
	scan.run(plainForms)
	if len(scan.calls) == 0 && !scan.unread {
		scan.readFencedPython()
	}
	return scan.callsAsText
}

// form is one way in which models write calls as text.
type form struct {
	begins *regexp.Regexp
	// read parses the calls that follow a match of begins. groups are the submatches. length is the number of
	// bytes of rest that the calls take. No calls with ok true mean that the match was only a wrapper.
	read func(rest string, groups []string) (calls []conversation.Use, length int, ok bool)
}

// callScan scans a text from left to right.
type callScan struct {
	callsAsText
	text   string
	isData func(string) bool
	spans  []callSpan
}

// callSpan is a part of the text that was parsed as calls.
type callSpan struct {
	begin, end int
	mention    bool // the answer only mentions these calls
}

func (s *callScan) run(forms []form) {
	matches := make([][][]int, len(forms))
	for i, form := range forms {
		matches[i] = form.begins.FindAllStringSubmatchIndex(s.text, maxMarks+1)
	}
	for at, marks := 0, 0; ; marks++ {
		first := -1
		for i := range forms {
			for len(matches[i]) > 0 && matches[i][0][0] < at {
				matches[i] = matches[i][1:]
			}
			if len(matches[i]) > 0 && (first < 0 || matches[i][0][0] < matches[first][0][0]) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		if marks == maxMarks {
			s.unread = true
			return
		}
		at = s.read(forms[first], matches[first][0])
		matches[first] = matches[first][1:]
		if s.unread { // the rest could be part of the call that could not be read
			return
		}
	}
}

// read parses the calls at a match of a form and returns where to continue.
func (s *callScan) read(form form, match []int) int {
	groups := make([]string, len(match)/2)
	for i := range groups {
		if match[2*i] >= 0 {
			groups[i] = s.text[match[2*i]:match[2*i+1]]
		}
	}
	calls, length, ok := form.read(s.text[match[1]:], groups)
	if !ok || len(calls) == 0 {
		s.unread = !ok && !s.isMention(match[0], match[1], beginsCall(s.text[match[1]:]))
		return match[0]
	}
	span := callSpan{begin: match[0], end: match[1] + length}
	if span.mention = s.isMention(span.begin, span.end, false); !span.mention {
		s.calls = append(s.calls, calls...)
	}
	s.spans = append(s.spans, span)
	return span.end
}

// tag matches one mark of a chat template or one tag of an element.
var tag = regexp.MustCompile(`<[^<>]*>|\[/?[A-Z_]+\]`)

// isMention reports whether the markup from begin to end is only mentioned: in inline code, in quotes, in a
// quoted line, inside a sentence, or copied from the data. isBroken means that the markup begins a call that
// could not be read; the rest of its line then belongs to that call.
func (s *callScan) isMention(begin, end int, isBroken bool) bool {
	line := strings.LastIndexByte(s.text[:begin], '\n') + 1
	if len(s.spans) > 0 {
		line = max(line, min(begin, s.spans[len(s.spans)-1].end))
	}
	before, after := s.text[line:begin], s.text[end:]
	after, _, _ = strings.Cut(after, "\n")
	if next := callMark.FindStringIndex(after); next != nil {
		after = after[:next[0]]
	}
	quoted := strings.HasSuffix(before, `"`) || strings.HasSuffix(before, "'") || strings.HasSuffix(before, "“") ||
		strings.HasPrefix(strings.TrimSpace(before), ">")
	inCode := inCode(s.text, begin) && (strings.TrimSpace(before) != "`" || strings.TrimSpace(after) != "`")
	inSentence := !isBroken && !strings.HasPrefix(s.text[begin:], "<|") && !strings.HasPrefix(s.text[begin:], "<｜") &&
		!strings.Contains(strings.TrimSpace(s.text[begin:end]), "\n") && hasWords(before) && hasWords(after)
	return quoted || inCode || inSentence || s.isData != nil && s.isData(s.markup(begin, end))
}

// beginsCall reports whether a mark that is followed by text begins a call: a tool, an input, or another mark
// comes next.
func beginsCall(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	if text == "" || strings.ContainsAny(text[:1], "{[<") {
		return true
	}
	_, isTool := toolNamed(leadingWord.FindString(text))
	return isTool
}

var leadingWord = regexp.MustCompile(`^` + toolNamePart)

var fenceMark = regexp.MustCompile("^[ \\t]*```[a-z_]*\\s*")

// markup returns the text from begin to end or to the end of the first line, whichever is longer, for
// comparison with the data. A mark alone is too short to compare. The fence around it is left out, because
// the model wrote it.
func (s *callScan) markup(begin, end int) string {
	text := s.text[begin:end]
	if line, _, _ := strings.Cut(s.text[begin:], "\n"); len(line) > len(text) {
		text = line
	}
	return fenceMark.ReplaceAllString(text, "")
}

// hasWords reports whether a text has letters or digits outside of tags.
func hasWords(text string) bool {
	return strings.ContainsFunc(tag.ReplaceAllString(text, ""), func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	})
}

// inCode reports whether a position is between backticks on its line. The marks of a fence do not count.
func inCode(text string, at int) bool {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	return strings.Count(strings.ReplaceAll(line, "```", ""), "`")%2 == 1
}

// leavesMarkup reports whether markup of calls remains outside the calls that were parsed.
func (s *callScan) leavesMarkup() bool {
	const read = "\x00" // replaces a parsed call
	var rest strings.Builder
	at := 0
	for _, span := range s.spans {
		rest.WriteString(s.text[at:span.begin])
		if !span.mention {
			rest.WriteString(read)
		}
		at = span.end
	}
	rest.WriteString(s.text[at:])
	left := callScan{text: rest.String(), isData: s.isData}
	if len(s.calls) > 0 {
		left.text = emptyWrapper.ReplaceAllString(left.text, read)
	}
	marks := callMark.FindAllStringIndex(left.text, maxMarks)
	for _, mark := range marks {
		if !left.isMention(mark[0], mark[1], beginsCall(left.text[mark[1]:])) {
			return true
		}
	}
	return len(marks) == 0 && len(s.spans) == 0 && closingMark.MatchString(left.text)
}

// pythonFence matches code that a model shows instead of running it.
var pythonFence = regexp.MustCompile("(?s)```(?:python|py|tool_code)\\s*\\n(.*?)```")

// readFencedPython turns the code that an answer shows into calls.
func (s *callScan) readFencedPython() {
	for _, found := range pythonFence.FindAllStringSubmatch(s.text, maxCallsPerRound) {
		call, ok := codeCall(found[1])
		if ok && (s.isData == nil || !s.isData(found[1])) {
			s.calls = append(s.calls, call)
		}
	}
}
