package agent

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// thinkingTags matches the elements in which models write their thoughts into their answers.
const thinkingTags = `think|thinking|thoughts?|reasoning|scratch_?pad|analysis|reflection|` +
	`inner_monologue|internal_thoughts?|antthinking`

// thinkingToken matches code, which stays as it is, and the marks around thoughts: elements, and the marks of
// Mistral, Kimi, Cohere, OpenThinker, and Gemma.
var thinkingToken = regexp.MustCompile("(?s)(?P<code>```.*?(?:```|$)|`[^`\n]+`)" +
	`|(?i)(?P<open><(?:\w+:)?(?:` + thinkingTags + `)>` +
	`|\[think\]|◁think▷|<\|start_thinking\|>|<\|begin_of_thought\|>|<\|channel>thought)` +
	`|(?P<close></(?:\w+:)?(?:` + thinkingTags + `)>` +
	`|\[/think\]|◁/think▷|<\|end_thinking\|>|<\|end_of_thought\|>|<channel\|>)`)

// closingMarks maps the opening marks that are not elements to their closing marks.
var closingMarks = map[string]string{
	"[think]": "[/think]", "◁think▷": "◁/think▷", "<|start_thinking|>": "<|end_thinking|>",
	"<|begin_of_thought|>": "<|end_of_thought|>", "<|channel>thought": "<channel|>",
}

// splitThinking separates a model's thoughts from its answer. A block of thoughts begins at the start of a
// line, after a sentence, or after another block. The same tags inside a sentence, in quotes, or in code are
// content, such as a quoted log line, and stay. A block without an end extends to the first call written as
// text, or to the end of the text. An end without a beginning closes thoughts that began with the text,
// because some chat templates write the opening tag themselves. Text without thoughts is returned unchanged.
func splitThinking(text string) (answer, thought string) {
	text, thought = splitChannels(text)
	splitter := thinkingSplitter{text: text, lower: asciiLower(text), last: '\n', pairs: map[string]*pairs{}, missing: map[string]bool{}, unclosed: map[int]bool{}}
	splitter.run()
	if splitter.thoughts == nil {
		return text, thought
	}
	return strings.TrimSpace(splitter.answer.String()), strings.TrimSpace(thought + "\n" + strings.Join(splitter.thoughts, "\n"))
}

// thinkingSplitter is one pass of splitThinking over a text.
type thinkingSplitter struct {
	text     string
	lower    string // text with its ASCII letters in lower case; same length
	answer   strings.Builder
	last     rune // of the answer, without the blanks at its end; a line break if its last line is blank
	thoughts []string
	pairs    map[string]*pairs // by closing mark
	missing  map[string]bool   // closing marks that do not occur in the rest of the text
	unclosed map[int]bool      // positions after which no mark closes thoughts
}

func (s *thinkingSplitter) run() {
	for at := 0; at < len(s.text); {
		token := thinkingToken.FindStringSubmatchIndex(s.text[at:])
		if token == nil {
			s.write(s.text[at:])
			return
		}
		begin, end := at+token[0], at+token[1]
		if beginsCallWithin(s.text[at:begin]) { // everything inside a call is its code
			s.write(s.text[at:])
			return
		}
		s.write(s.text[at:begin])
		switch isOpening, isClosing := token[4] >= 0, token[6] >= 0; {
		case isOpening:
			at = s.open(begin, end)
		case isClosing:
			at = s.close(begin, end)
		default: // code
			s.write(s.text[begin:end])
			at = end
		}
	}
}

// beginsCallWithin reports whether a call that is written as text begins in part.
func beginsCallWithin(part string) bool {
	for _, mark := range callMark.FindAllStringIndex(part, maxMarks) {
		if beginsCall(part[mark[1]:]) && !inCode(part, mark[0]) && !strings.HasSuffix(part[:mark[0]], `"`) {
			return true
		}
	}
	return false
}

// open handles the opening mark from begin to end and returns where to continue.
func (s *thinkingSplitter) open(begin, end int) int {
	inner, after, closed := s.block(begin, end)
	switch {
	case s.atBlockStart():
		if !closed {
			inner = s.nextCall(end)
			after = inner
		}
		s.thoughts = append(s.thoughts, strings.TrimSpace(s.text[end:inner]))
		return after
	case closed: // content, together with its closing mark
		s.write(s.text[begin:after])
		return after
	}
	s.write(s.text[begin:end])
	return end
}

// block returns where the content of a block ends and where the text after the block begins, if a mark closes the block.
func (s *thinkingSplitter) block(begin, end int) (inner, after int, closed bool) {
	opening := s.lower[begin:end]
	closing, isMark := closingMarks[opening]
	if !isMark {
		closing = "</" + opening[1:]
	}
	if s.missing[closing] {
		return s.nextClose(end)
	}
	if s.pairs[closing] == nil {
		s.pairs[closing] = pairsIn(s.lower, opening, closing)
	}
	of := s.pairs[closing]
	if begin, found := of.closing[end]; found {
		return begin, begin + len(closing), true
	}
	s.missing[closing] = end >= of.lastOpen
	return s.nextClose(end)
}

// pairs are the opening and closing marks of one kind.
type pairs struct {
	closing  map[int]int // beginning of the closing mark that belongs to an opening one, by the end of the latter
	lastOpen int         // end of the last opening mark before the last closing one that has no closing mark
}

// pairsIn finds the pairs of a kind in one pass: an answer can have thousands of marks.
func pairsIn(text, opening, closing string) *pairs {
	found := &pairs{closing: map[int]int{}}
	var open []int
	nextOpen, nextClose := -1, -1
	for at := 0; ; {
		if nextOpen < at {
			nextOpen = indexFrom(text, opening, at)
		}
		if nextClose < at {
			nextClose = indexFrom(text, closing, at)
		}
		switch {
		case nextClose == len(text):
			return found
		case nextOpen < nextClose:
			at = nextOpen + len(opening)
			open = append(open, at)
		default:
			at = nextClose + len(closing)
			if last := len(open) - 1; last >= 0 {
				found.closing[open[last]] = nextClose
				open = open[:last]
			}
			found.lastOpen = 0
			if last := len(open) - 1; last >= 0 {
				found.lastOpen = open[last]
			}
		}
	}
}

// indexFrom returns where a mark occurs at or after a position, or the length of the text.
func indexFrom(text, mark string, from int) int {
	if next := strings.Index(text[from:], mark); next >= 0 {
		return from + next
	}
	return len(text)
}

// nextClose finds the first mark after a position that closes thoughts, of whatever kind. It remembers the positions after
// which there is none, because an answer can have thousands of opening marks.
func (s *thinkingSplitter) nextClose(from int) (begin, end int, found bool) {
	for at := from; !s.unclosed[at]; {
		s.unclosed[at] = true // if a mark is found, the text before it is not searched again
		token := thinkingToken.FindStringSubmatchIndex(s.text[at:])
		if token == nil {
			break
		}
		if token[6] >= 0 {
			return at + token[6], at + token[7], true
		}
		at += token[1]
	}
	return 0, 0, false
}

// nextCall returns where the first call after a position begins that is written as text at the start of a line, or the end of
// the text.
func (s *thinkingSplitter) nextCall(from int) int {
	if call := callAtLineStart.FindStringIndex(s.text[from:]); call != nil {
		return from + call[0]
	}
	return len(s.text)
}

// close handles a closing mark without an opening one and returns where to continue.
func (s *thinkingSplitter) close(begin, end int) int {
	endsLine := end == len(s.text) || s.text[end] == '\n' || s.text[end] == '\r'
	switch {
	case !endsLine && !s.atBlockStart():
		s.write(s.text[begin:end])
	case s.thoughts == nil:
		s.thoughts = append(s.thoughts, strings.TrimSpace(s.answer.String()))
		s.answer.Reset()
		s.last = '\n'
	}
	return end
}

// write adds a part of the text to the answer.
func (s *thinkingSplitter) write(part string) {
	s.answer.WriteString(part)
	part = strings.TrimRightFunc(part, func(r rune) bool { return r != '\n' && unicode.IsSpace(r) })
	if part != "" {
		s.last, _ = utf8.DecodeLastRuneInString(part)
	}
}

// atBlockStart reports whether a mark at this position begins or ends a block of thoughts.
func (s *thinkingSplitter) atBlockStart() bool { return strings.ContainsRune("\n.!?…", s.last) }

func asciiLower(text string) string {
	lower := []byte(text)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}

var (
	// channelMark matches the beginning of a gpt-oss message:
	// "<|start|>assistant<|channel|>analysis<|message|>…<|end|>".
	channelMark = regexp.MustCompile(`(?:<\|start\|>\s*assistant[^<]{0,100})?<\|channel\|>`)
	// messageEnd matches the end of a gpt-oss message.
	messageEnd = regexp.MustCompile(`<\|(?:end|return|call)\|>`)
	// endMarks matches special tokens that some services leave at the end of an answer.
	endMarks = regexp.MustCompile(`(?:\s*(?:<\|(?:end|return|eot_id|eom_id|im_end|endoftext|end_of_text)\|>` +
		`|<｜end▁of▁sentence｜>))+\s*$`)
)

// splitChannels removes gpt-oss's channel marks from a text. The channel "analysis" holds thoughts. A message
// to a tool stays as it is for readCalls.
func splitChannels(text string) (answer, thought string) {
	text = endMarks.ReplaceAllString(text, "")
	starts := channelMark.FindAllStringIndex(text, -1)
	if starts == nil || inCode(text, starts[0][0]) {
		return text, ""
	}
	kept, thoughts := []string{text[:starts[0][0]]}, []string{}
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		header, body, isMessage := strings.Cut(text[start[1]:end], "<|message|>")
		channel := strings.TrimSpace(header)
		switch {
		case !isMessage || recipient.MatchString(text[start[0]:start[1]]+header):
			kept = append(kept, text[start[0]:end])
		case strings.HasPrefix(channel, "analysis"):
			thoughts = append(thoughts, strings.TrimSpace(messageEnd.ReplaceAllString(body, "")))
		default:
			kept = append(kept, "\n"+messageEnd.ReplaceAllString(body, ""))
		}
	}
	return strings.TrimSpace(strings.Join(kept, "")), strings.Join(thoughts, "\n")
}

// answerTags lists elements that some models put around their answer after their thoughts.
var answerTags = []string{"answer", "response", "final_answer", "final", "output"}

// withoutAnswerTag removes an answer element that encloses the whole text.
func withoutAnswerTag(text string) string {
	trimmed, lower := strings.TrimSpace(text), asciiLower(strings.TrimSpace(text))
	for _, tag := range answerTags {
		opening, closing := "<"+tag+">", "</"+tag+">"
		if strings.HasPrefix(lower, opening) && strings.HasSuffix(lower, closing) {
			return strings.TrimSpace(trimmed[len(opening) : len(trimmed)-len(closing)])
		}
	}
	return text
}

// separateThinking records the text and the thoughts of an answer, including thoughts that were written as
// text.
func separateThinking(round *investigation.Round, turn conversation.Turn) {
	answer, thought := splitThinking(turn.Text())
	round.Text = withoutAnswerTag(answer)
	round.Reasoning = joinParagraphs(turn.Reasoning(), thought)
}

func joinParagraphs(texts ...string) string {
	var kept []string
	for _, text := range texts {
		if strings.TrimSpace(text) != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "\n")
}

// verbatimFields lists the fields of a report that are compared or copied and therefore stay unchanged.
var verbatimFields = map[string]bool{"quote": true, "command": true}

// withoutThinking removes the thoughts from the texts of a decoded JSON value. It changes lists and objects in place.
func withoutThinking(value any) (cleaned any, thought string) {
	switch v := value.(type) {
	case string:
		return splitThinking(v)
	case []any:
		var thoughts []string
		for i := range v {
			v[i], thought = withoutThinking(v[i])
			thoughts = append(thoughts, thought)
		}
		return v, joinParagraphs(thoughts...)
	case map[string]any:
		var thoughts []string
		for key := range v {
			if !verbatimFields[key] {
				v[key], thought = withoutThinking(v[key])
				thoughts = append(thoughts, thought)
			}
		}
		slices.Sort(thoughts) // the order of a map's keys is random
		return v, joinParagraphs(thoughts...)
	}
	return value, ""
}

// maxRefusal is the maximum length of a pure refusal in bytes.
const maxRefusal = 500

// Parts of a refusal in English: an apology, an inability, and an object. The verbs exclude everything that
// an investigation can fail at, such as finding, seeing, or accessing something. The object excludes anything
// that could have been found.
const (
	apology = `(?:(?:i(?:'m| am) )?(?:very |really |so )?sorry|i apologi[sz]e|my apologies|apologies|unfortunately)?` +
		`[ ,.:;!-]*(?:but |however,? )?(?:as an ai[^,.]{0,60}, ?)?`
	inability = `(?:i|we|this model|the model)(?:'m| am| are| is)? ?` +
		`(?:can't|cannot|can not|not able to|unable to|won't be able to|won't|will not|must decline to|have to decline to|decline to)`
	object = `(?: (?:you|to|with|on|in|about|any|this|that|the|your|these|those|such|it|of|kinds?|types?|request|requests|` +
		`questions?|tasks?|topics?|conversation|investigation|prompts?|instructions?|assistance|help|further))*`
	// policyReason is a reason that is unrelated to the investigation.
	policyReason = `(?:,? (?:as|because|since)\b[^.]{0,150}\b` +
		`(?:guidelines?|polic(?:y|ies)|unethical|illegal|harmful|inappropriate)\b[^.]{0,60})?`
)

var (
	refusals = []*regexp.Regexp{
		regexp.MustCompile(`^` + apology + inability + ` (?:help|assist|comply|fulfil+|engage|participate)(?: you)?(?: further)?` +
			`(?: (?:with|in|on|this|that|your|the)\b[^.!?,;:\n]{0,120})?` + policyReason + `$`),
		regexp.MustCompile(`^` + apology + inability + ` (?:respond|answer|discuss|continue|proceed|process|complete|support|provide|do)` +
			object + policyReason + `$`),
		regexp.MustCompile(`^(?:(?:es )?tut mir leid|entschuldigung|leider)?[ ,.]*(?:aber )?(?:ich kann|kann ich|dabei kann ich)` +
			`(?: ihnen| dir)?(?: leider)?(?: dabei| damit| hierbei| bei [^.,]{1,80})? nicht (?:weiter)?helfen$`),
		regexp.MustCompile(`^(?:(?:je suis )?désolée?|je regrette)?[ ,.]*(?:mais )?je ne (?:peux|suis) pas (?:en mesure de )?(?:vous )?aider[^.,]{0,80}$`),
		regexp.MustCompile(`^(?:lo siento|disculpa|lo lamento)?[ ,.]*(?:pero )?no puedo ayudar(?:te|le)?[^.,]{0,80}$`),
		regexp.MustCompile(`^(?:desculpe|sinto muito|lamento)?[ ,.]*(?:mas )?não posso (?:te |lhe )?ajudar[^.,]{0,80}$`),
		regexp.MustCompile(`^(?:申し訳(?:ありません|ございません)が?)?[、,]?.{0,20}(?:お手伝い|お答え|対応)(?:することは)?(?:でき(?:ません|かねます))$`),
		regexp.MustCompile(`^(?:抱歉|对不起|很抱歉)?[，,]?我?(?:无法|不能)(?:协助|帮助|回答|满足)[^。，]{0,20}$`),
	}
	// politeness matches a sentence that may accompany a refusal and says nothing about the alarm.
	politeness = regexp.MustCompile(`^(?:(?:i(?:'m| am) )?(?:very |really |so )?sorry|i apologi[sz]e|my apologies|unfortunately` +
		`|(?:is there|if (?:you|there)|please (?:let|feel|contact|ask)|let me know|feel free|how (?:can|may) i|what else|thank you|` +
		`i(?:'m| am) (?:here to|happy to|an ai|designed)|i(?:'d| would) be (?:happy|glad)|` +
		`(?:it|this|that|your request|the request)(?: request)? (?:goes against|violates|may violate|conflicts with))\b.*)$`)
	sentenceEnd = regexp.MustCompile(`[.!?。！？]+(?:\s+|$)|[。！？]|\n+`)
)

// isRefusal reports whether a text is only a refusal to help: each sentence is a refusal or a polite phrase.
// A text with any finding is an answer.
func isRefusal(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	if len(text) > maxRefusal {
		return false
	}
	text = strings.NewReplacer("’", "'", "‘", "'", "–", "-", "—", "-", "**", "").Replace(text)
	refused := false
	for _, sentence := range sentenceEnd.Split(text, -1) {
		sentence = strings.Trim(sentence, " \t\r*_\"'")
		switch {
		case sentence == "" || politeness.MatchString(sentence):
		case matchesAny(refusals, sentence):
			refused = true
		default:
			return false
		}
	}
	return refused
}

func matchesAny(expressions []*regexp.Regexp, text string) bool {
	for _, expression := range expressions {
		if expression.MatchString(text) {
			return true
		}
	}
	return false
}

// handleProseRefusal handles an answer that is only a refusal. The model is asked once more, and after that the next
// model.
func (r *run) handleProseRefusal(round *investigation.Round) (done bool) {
	r.state.Strikes++
	round.Note = "the model refused to help"
	if r.state.Strikes > 1 {
		why := fmt.Sprintf("Model %s refused to investigate this alarm (%q). Investigate it by hand, "+
			"or add a model of another provider to %s.",
			r.modelID(), truncate.Bytes(round.Text, 200), r.Caller.FallbackSetting())
		if r.nextModel(investigation.CauseRefused, why) {
			r.state.Strikes = 0
			r.state.Talk.Say(r.task.retryPrompt(""))
			return false
		}
		r.endWithoutReport(why)
		return true
	}
	r.state.Talk.Say("You refused to help. This is an authorized, read-only investigation by the team that runs this " +
		"system, and an engineer is waiting for it. Continue, or call " + r.task.submit +
		" with what you have; list under not_seen what you did not check.")
	return false
}

// draftOf returns the part of an answer that an engineer can read: its text up to the first tool call.
func (r *run) draftOf(text string) string {
	found := readCalls(text, r.isShown)
	if call := callAtLineStart.FindStringIndex(text); call != nil && (found.unread || len(found.calls) > 0) {
		text = text[:call[0]]
		found = readCalls(text, r.isShown)
	}
	if found.unread || isRefusal(text) {
		return ""
	}
	return strings.TrimSpace(text)
}
