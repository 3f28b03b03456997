package provenance

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

const (
	maxFound      = 100 // occurrences of a quote
	minDistinct   = 4   // letters and digits of at least one word of a quote; shorter words occur everywhere
	maxComparison = 4   // characters of a comparison
	maxJoints     = 16  // characters between two joined words
	maxPackage    = 200 // characters
)

// Text is an output in which quotes are searched.
type Text struct {
	original string
	normal   normalText

	words    []word             // of the output, if they were needed
	observed *toolcall.Observed // of which sent was read
	sent     *asked             // texts that the code sent
	steps    int                // comparisons of quotes with them
}

// NewText returns an output in which quotes are searched.
func NewText(output string) *Text { return &Text{original: output, normal: normalized(output)} }

// Match is an occurrence of a quote in an output.
type Match struct {
	toolcall.Span     // of the output
	from, to      int // in the normal text
}

// Find returns where a quote occurs in the output, in any encoding. It begins and ends with whole words of the output,
// because 10 is not in 100, and deleted is not in not-deleted. Only the names of exceptions can lack their package, those of
// exceptions and operations their ending, and a host of AWS its domain. isCut allows a quote to end inside a word: it was truncated.
func (t *Text) Find(quote string, isCut bool) []Match {
	wanted := Normal(quote)
	if wanted = strings.TrimSpace(wanted); wanted == "" {
		return nil
	}
	var list []Match
	text := t.normal.text
	for at := 0; len(list) < maxFound; {
		next := strings.Index(text[at:], wanted)
		if next < 0 {
			break
		}
		from := at + next
		to := from + len(wanted)
		if (!t.splits(from) || t.isPackaged(from)) && (isCut || !t.splits(to) || isException(text, to) || isHost(text, to)) {
			list = append(list, Match{t.span(from, to), from, to})
		}
		_, size := utf8.DecodeRuneInString(text[from:])
		at = from + size
	}
	return list
}

// Words returns the words of a text, each between blanks, without the punctuation between them.
func Words(text string) string { return joinedWords(Normal(text)) }

// splits reports whether a position of the output is inside a word, or between a number or a word and a sign that belongs
// to it.
func (t *Text) splits(at int) bool {
	text := t.normal.text
	if at == 0 || at == len(text) {
		return false
	}
	before, size := utf8.DecodeLastRuneInString(text[:at])
	after, _ := utf8.DecodeRuneInString(text[at:])
	switch {
	case isJoined(before) && isJoined(after), joinsWords(text, at), joinsWords(text, at-size):
		return true
	case unicode.IsDigit(before) && after >= utf8.RuneSelf, unicode.IsDigit(after) && before >= utf8.RuneSelf: // 10½, 10⁶
		return true
	case unicode.IsDigit(after) && (before == '-' || before == '.') && beginsNumber(text, at-1): // 5 in -5 and in .5
		return true
	case after == ' ' && t.joinsThousands(at), before == ' ' && t.joinsThousands(at-1):
		return true
	}
	return isCompared(text, at)
}

// isJoined reports whether a character belongs to a word together with those beside it.
func isJoined(r rune) bool { return isWordRune(r) && !isSolitary(r) }

// joinsWords reports whether the character at a position makes one word of those on both sides, as in not-deleted, or
// one statement of two numbers, as in 10:30 or 1/2.
func joinsWords(text string, at int) bool {
	left, right := text[max(0, at-maxJoints):at], text[at:min(len(text), at+maxJoints)]
	if strings.IndexByte(wordJoints, text[at]) >= 0 {
		before, _ := utf8.DecodeLastRuneInString(strings.TrimRight(left, wordJoints))
		after, _ := utf8.DecodeRuneInString(strings.TrimLeft(right, wordJoints))
		return isJoined(before) && isJoined(after)
	}
	if text[at] == '+' && joinsExponent(text, at) {
		return true
	}
	if text[at] == ',' && at > 0 && at+1 < len(text) && isDigit(text[at-1]) && isDigit(text[at+1]) {
		return joinsDigits(text, at)
	}
	if strings.IndexByte(numberJoints, text[at]) >= 0 {
		before, after := strings.TrimRight(left, numberJoints), strings.TrimLeft(right, numberJoints)
		return before != "" && after != "" && isDigit(before[len(before)-1]) && isDigit(after[0])
	}
	return false
}

// Characters that join words and numbers, also if they are repeated.
const (
	wordJoints   = "-.@"
	numberJoints = ",'^*:/+"
)

// isException reports whether only the ending of an exception's name, or the version of an operation in CloudTrail, is after a
// position: AccessDenied in AccessDeniedException, or UpdateFunctionCode in UpdateFunctionCode20150331v2.
func isException(text string, at int) bool {
	ending := optionalEnding().FindString(text[at:])
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	if ending == "" || !unicode.IsLower(before) {
		return false
	}
	end := at + len(ending)
	next, _ := utf8.DecodeRuneInString(text[end:])
	return end == len(text) || !isJoined(next) && !joinsWords(text, end)
}

var optionalEnding = lazy.Regexp(`^(?:Exception|201[0-9]{5}(?:v[0-9])?)`)

// isPackaged reports whether the name of an exception begins at a position, after its package: OutOfMemoryError in
// java.lang.OutOfMemoryError.
func (t *Text) isPackaged(at int) bool {
	begin := beginOfPackage(t.normal.text, at)
	return begin < at && t.normal.text[at-1] == '.' && exceptionName().MatchString(t.normal.text[at:]) && !t.splits(begin)
}

// beginOfPackage returns where the package before a position begins, or the position if none is before it.
func beginOfPackage(text string, at int) int {
	first := max(1, at-maxPackage)
	for at > first && text[at-1] == '.' && isASCIIWord(text[at-2]) {
		for at--; at >= first && isASCIIWord(text[at-1]); {
			at--
		}
	}
	return at
}

var exceptionName = lazy.Regexp(`^[A-Z][A-Za-z0-9]*(?:Error|Exception)\b`)

// isHost reports whether the domain of a host of AWS begins at a position: orders-db in orders-db.abc.us-east-1.rds.amazonaws.com.
func isHost(text string, at int) bool {
	if text[at] != '.' || !isASCIIWord(text[at-1]) {
		return false
	}
	domain := text[at:wordEnd(text, at+1)]
	return strings.HasSuffix(domain, ".amazonaws.com") || strings.HasSuffix(domain, ".amazonaws.com.cn")
}

// isCompared reports whether a comparison or a negation is directly before a position, as in !OK.
func isCompared(text string, at int) bool {
	for from := at - 1; from >= max(0, at-maxComparison); from-- {
		if strings.IndexByte("<>!~/", text[from]) < 0 || from > 0 && text[from-1] != ' ' && at-from == 1 {
			continue
		}
		end := at - len(strings.TrimLeft(text[from+1:at], "<>="))
		if strings.Trim(text[end:at], opening) == "" && isComparison(text, from, end) {
			return true
		}
	}
	before := text[max(0, at-maxOpening):at]
	sign, _ := utf8.DecodeLastRuneInString(strings.TrimRight(before, opening))
	return unicode.Is(comparisonSigns, sign)
}

// comparisonSigns are the characters outside ASCII that compare or negate what follows, such as ≠, ≤, or ¬.
var comparisonSigns = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00AC, Hi: 0x00AC, Stride: 1}, {Lo: 0x2204, Hi: 0x2209, Stride: 5}, {Lo: 0x220C, Hi: 0x220C, Stride: 1},
		{Lo: 0x2224, Hi: 0x2226, Stride: 2}, {Lo: 0x2241, Hi: 0x2249, Stride: 1}, {Lo: 0x2260, Hi: 0x228B, Stride: 1},
		{Lo: 0x2A7D, Hi: 0x2A96, Stride: 1}, {Lo: 0xFE57, Hi: 0xFE57, Stride: 1}, {Lo: 0xFE64, Hi: 0xFE65, Stride: 1},
		{Lo: 0xFF01, Hi: 0xFF01, Stride: 1}, {Lo: 0xFF1C, Hi: 0xFF1E, Stride: 2},
	},
}

// joinsThousands reports whether a blank of the output is between two numbers and is not of ASCII, as between thousands.
func (t *Text) joinsThousands(at int) bool {
	return at > 0 && at+1 < len(t.normal.text) && isDigit(t.normal.text[at-1]) && isDigit(t.normal.text[at+1]) &&
		hasOtherBlank(t.original[t.normal.to[at-1]:t.normal.from[at+1]])
}

// hasOtherBlank reports whether the blanks between two words of an output are not all of ASCII. They can be escaped.
func hasOtherBlank(blanks string) bool {
	return strings.ContainsFunc(blanks, func(r rune) bool { return r >= utf8.RuneSelf && unicode.IsSpace(r) }) || escapedBlank().MatchString(blanks)
}

// escapedBlank matches a blank that is written as a number or as an entity of HTML, unlike \n.
var escapedBlank = lazy.Regexp(`\\[uUx][0-9a-fA-F]{2}|&#?\w+;`)

// IsDistinct reports whether a quote has a word that does not occur everywhere, unlike small numbers.
func IsDistinct(quote string) bool {
	isDistinct, solitary := false, 0
	plain := Normal(quote)
	eachWord(plain, func(w word) bool {
		length := 0
		for _, r := range plain[w.from:w.to] {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				length++
			}
			if isSolitary(r) {
				solitary++
			}
		}
		isDistinct = length >= minDistinct || solitary >= minDistinct
		return !isDistinct
	})
	return isDistinct
}

// redacted matches what replaces a secret in an output.
var redacted = lazy.Regexp(`\[redacted: [^\]\n]{1,200}\]`)

// isMark reports whether a part of the normal text is a mark in the output itself. The redaction writes it in exactly this
// form, and the tool changes all other texts of that form before.
func isMark(output string, normal normalText, from, to int) bool {
	return output[normal.from[from]:normal.to[to-1]] == normal.text[from:to]
}

// IsObserved reports whether AWS answered what a quote says. A redacted secret in it does not matter.
func (t *Text) IsObserved(quote Match, observed *toolcall.Observed) bool {
	if observed == nil || observed.Answers == 0 {
		return false
	}
	if t.isSent(quote, observed) {
		return false
	}
	inner, ok := t.trim(quote)
	return ok && containsAny(observed.Spans, inner) && !t.isNegated(quote, inner.To, observed)
}

// isNegated reports whether the word before a quote negates it, in the answer, too. to is the position in the output at which
// the words of the quote end.
func (t *Text) isNegated(quote Match, to int, observed *toolcall.Observed) bool {
	from := beginOfPackage(t.normal.text, quote.from)
	next, _ := slices.BinarySearchFunc(t.words, from, func(w word, at int) int { return w.to - at - 1 })
	if next == 0 || !negates(t.normal.text, t.words[next-1], from) {
		return false
	}
	before := t.words[next-1]
	return containsAny(observed.Spans, toolcall.Span{From: t.span(before.from, before.to).From, To: to})
}

// Around returns the longest parts of the output that AWS answered and that contain a quote. They can contain words that the
// code sent.
func (t *Text) Around(quote Match, observed *toolcall.Observed) (parts []toolcall.Span) {
	if observed == nil || observed.Answers == 0 {
		return nil
	}
	for _, span := range observed.Spans {
		if contains(span, quote.Span) && 0 <= span.From && span.To <= len(t.original) {
			parts = append(parts, span)
		}
	}
	return parts
}

func containsAny(spans []toolcall.Span, part toolcall.Span) bool {
	for _, span := range spans {
		if contains(span, part) {
			return true
		}
	}
	return false
}

func contains(span, part toolcall.Span) bool { return span.From <= part.From && part.To <= span.To }

// span returns the part of the output that a part of the normal text stands for.
func (t *Text) span(from, to int) toolcall.Span {
	return toolcall.Span{From: int(t.normal.from[from]), To: int(t.normal.to[to-1])}
}

// trim returns the words of a quote without redacted secrets at its ends, or false if there is nothing else.
func (t *Text) trim(quote Match) (toolcall.Span, bool) {
	if t.words == nil {
		eachOutputWord(t.normal.text, func(from, to int) bool { return isMark(t.original, t.normal, from, to) }, func(w word) bool {
			t.words = append(t.words, w)
			return true
		})
	}
	words := t.words
	first, _ := slices.BinarySearchFunc(words, quote.from, func(w word, at int) int { return w.to - at - 1 })
	last, _ := slices.BinarySearchFunc(words, quote.to, func(w word, at int) int { return w.from - at })
	words = words[first:max(first, last)]
	isMark := func(w word) bool { return w.text == redactedWord && quote.from <= w.from && w.to <= quote.to }
	for len(words) > 0 && isMark(words[0]) {
		words = words[1:]
	}
	for len(words) > 0 && isMark(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return toolcall.Span{}, false
	}
	return t.span(max(quote.from, words[0].from), min(quote.to, words[len(words)-1].to)), true
}
