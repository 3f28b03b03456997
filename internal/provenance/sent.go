package provenance

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

const (
	maxAskedSteps = 20 << 20 // comparisons of words of the output with requests, which take about 0.1 s
	minRun        = 2        // words of a text; a single word, such as the name of a function, is not a text
	minParts      = 3        // parts of a name or a path that could be a sentence, such as access-denied-for-eve
	minPathWords  = 4        // words of a path or a list without blanks that could be a sentence, such as deleted/by/eve/today
)

// asked is what the code sent to AWS, in this call and in earlier ones. Some operations repeat it in their answers.
type asked struct {
	raw     string              // all requests
	words   []string            // of all requests, in lower case, with a break after each text
	at      map[string][]int32  // by word: where it occurs in words
	of      map[string][2]int32 // by request: its part of words
	singles map[string]bool     // parameters of one word, in lower case
	labels  map[string]bool     // texts for which requests asked as labels of their answers, in lower case
	labeled map[string]bool     // requests that ask for a label
	ids     map[string][]string // by request: its values named Id, in lower case
	likely  [256]uint32         // by first byte: the lengths of words of ASCII, as bits
}

// textBreak separates texts in the list of words.
const textBreak = ""

func newAsked(earlier, requests []string) asked {
	a := asked{
		at: map[string][]int32{}, of: map[string][2]int32{}, singles: map[string]bool{}, labels: map[string]bool{},
		labeled: map[string]bool{}, ids: map[string][]string{},
	}
	a.raw = strings.Join(requests, "\n")
	for _, list := range [][]string{earlier, requests} {
		for _, request := range list {
			if _, isKnown := a.of[request]; !isKnown {
				a.add(request)
			}
		}
	}
	return a
}

// add adds the texts of a request: as it is, decoded as a form or an address, and the values in its body.
func (a *asked) add(request string) {
	first := int32(len(a.words))
	a.addText(request)
	if plain, err := url.QueryUnescape(request); err == nil && plain != request {
		a.addText(plain)
	}
	address, body, _ := strings.Cut(request, "\n")
	var r requestReader
	scanBody([]byte(body), &r)
	for _, text := range r.texts {
		a.addValue(request, text.name, text.value)
	}
	a.addSplit(request, body)
	if parsed, err := url.Parse(address); err == nil {
		a.addForm(request, parsed.RawQuery)
		for part := range strings.SplitSeq(parsed.Path, "/") {
			a.addValue(request, "", part)
		}
		host := parsed.Hostname()
		if end := strings.LastIndex(host, ".s3"); end > 0 { // names of buckets can contain it, too
			a.addValue(request, "", host[:end])
		}
	}
	a.addForm(request, body)
	a.of[request] = [2]int32{first, int32(len(a.words))}
}

// addSplit adds the texts of a body in XML that comments, CDATA, or other elements split. Services read each of them as one text.
func (a *asked) addSplit(request, body string) {
	if !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n\ufeff"), "<") {
		return
	}
	type element struct {
		name  string
		parts []string
	}
	var open []element
	decoder := xml.NewDecoder(strings.NewReader(strings.TrimLeft(body, "\ufeff")))
	for {
		token, err := decoder.Token()
		if err != nil {
			return // the end, or what the broker does not send
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, element{name: token.Name.Local})
		case xml.CharData:
			if last := len(open) - 1; last >= 0 {
				open[last].parts = append(open[last].parts, string(token))
			}
		case xml.EndElement:
			last := len(open) - 1
			if len(open[last].parts) > 1 {
				a.addValue(request, open[last].name, strings.Join(open[last].parts, ""))
			}
			open = open[:last]
		}
	}
}

func (a *asked) addForm(request, text string) {
	if form, err := url.ParseQuery(text); err == nil {
		for name, values := range form {
			for _, value := range values {
				a.addValue(request, name[strings.LastIndexByte(name, '.')+1:], value)
			}
		}
	}
}

// addValue adds a value that a request has under a name.
func (a *asked) addValue(request, name, value string) {
	plain := strings.ToLower(Normal(value))
	if words := wordsOf(plain); len(words) == 1 {
		a.singles[words[0]] = true
	}
	switch {
	case strings.EqualFold(name, "Label"):
		a.labels[plain], a.labeled[request] = true, true
	case strings.EqualFold(name, "Id"):
		a.ids[request] = append(a.ids[request], plain)
	}
	a.addText(value)
}

func (a *asked) addText(text string) {
	before := len(a.words)
	eachWord(Normal(text), func(w word) bool {
		folded := strings.ToLower(w.text)
		if _, isKnown := a.at[folded]; !isKnown {
			a.likely[folded[0]] |= 1 << (len(folded) & 31)
		}
		a.at[folded] = append(a.at[folded], int32(len(a.words)))
		a.words = append(a.words, folded)
		return true
	})
	if len(a.words) > before {
		a.words = append(a.words, textBreak)
	}
}

// requestReader collects the values of a request with their names.
type requestReader struct {
	texts []struct{ name, value string }
	last  string
}

func (r *requestReader) enter(bool)  {}
func (r *requestReader) enterEntry() { r.last = "" }
func (r *requestReader) leave()      { r.last = "" }

func (r *requestReader) name(name string) { r.last = Normal(name) }

func (r *requestReader) value(text string) {
	r.texts = append(r.texts, struct{ name, value string }{r.last, text})
}

func (r *requestReader) number(text string) { r.value(text) }

// fieldsOf returns all values of a field of a request or an answer, wherever it is.
func fieldsOf(body []byte, name string) []string {
	var r requestReader
	scanBody(body, &r)
	var found []string
	for _, text := range r.texts {
		if strings.EqualFold(text.name, name) {
			found = append(found, text.value)
		}
	}
	return found
}

// wordsOf returns the words of a normal text in lower case.
func wordsOf(plain string) []string {
	var list []string
	eachWord(plain, func(w word) bool {
		list = append(list, strings.ToLower(w.text))
		return true
	})
	return list
}

// longest returns the number of words at the beginning of a list that follow each other in a part of the requests, and
// the number of comparisons. It ends after most comparisons, with more than most.
func (a *asked) longest(words []string, part [2]int32, most int) (length, steps int) {
	for _, at := range a.at[words[0]] {
		if steps++; steps > most {
			break
		}
		if at < part[0] || at >= part[1] {
			continue
		}
		n, room := 1, min(len(words), most-steps)
		for n < room && int(at)+n < int(part[1]) && a.words[int(at)+n] == words[n] {
			n++
		}
		steps += n
		if length = max(length, n); length == len(words) {
			break
		}
	}
	return length, steps
}

// all is the part of the words that belongs to all requests.
func (a *asked) all() [2]int32 { return [2]int32{0, int32(len(a.words))} }

// isSent reports whether a value in an answer is only what the code sent, in any case and encoding.
func (m *matcher) isSent(plain, name string) bool {
	if len(m.asked.words) == 0 {
		return false
	}
	if m.isSentText(plain, name) {
		return true
	}
	if strings.IndexByte(plain, '%') < 0 && strings.IndexByte(plain, '+') < 0 {
		return false
	}
	decoded, err := url.QueryUnescape(plain)
	return err == nil && decoded != plain && m.isSentText(Normal(decoded), name)
}

func (m *matcher) isSentText(plain, name string) bool {
	if len(m.asked.labels) > 0 || m.hasIDs {
		if folded := strings.ToLower(plain); m.asked.labels[folded] || m.isChosen(folded, name) {
			return true
		}
	}
	isKnown, count := true, 0
	eachWord(plain, func(w word) bool {
		isKnown, count = m.asked.has(w.text), count+1
		return isKnown
	})
	if !isKnown || count == 0 {
		return false
	}
	if count == 1 {
		return parts(plain) >= minParts && !m.isInAddress(plain)
	}
	if !isProse(plain) && !isPhrase(plain) {
		return false
	}
	words := wordsOf(plain)
	length, steps := m.asked.longest(words, m.asked.all(), maxSteps-m.steps)
	m.spend(steps)
	return m.partial || length == len(words) && (isProse(plain) || !m.isInAddress(plain))
}

// has reports whether a request contains a word.
func (a *asked) has(text string) bool {
	first := text[0]
	if first >= 'A' && first <= 'Z' {
		first += 'a' - 'A'
	}
	isASCII := true
	for i := range len(text) {
		isASCII = isASCII && text[i] < utf8.RuneSelf
	}
	if isASCII && a.likely[first]&(1<<(len(text)&31)) == 0 {
		return false
	}
	_, isKnown := a.at[strings.ToLower(text)]
	return isKnown
}

// isProse reports whether a text has several words like a sentence, not like a path or an ARN. Punctuation outside ASCII, such as
// a full-width comma, is only in sentences.
func isProse(plain string) bool {
	return strings.ContainsAny(plain, ` ,;|!?()"'~`) || strings.ContainsFunc(plain, func(r rune) bool {
		return r >= utf8.RuneSelf && (unicode.IsPunct(r) || unicode.IsSymbol(r))
	})
}

// isPhrase reports whether a text without blanks has so many words that it could be a sentence. Words are separated by
// anything, or belong to a script that does not separate them. Numbers and identifiers do not count, nor does the beginning
// of an ARN.
func isPhrase(plain string) bool {
	if fields := strings.SplitN(plain, ":", 6); len(fields) == 6 && fields[0] == "arn" {
		plain = fields[5]
	}
	count, letters, others := 0, 0, 0
	end := func() {
		if letters > others {
			count++
		}
		letters, others = 0, 0
	}
	for _, r := range plain {
		switch {
		case isSolitary(r):
			end()
			count++
		case unicode.IsLetter(r) || unicode.IsMark(r):
			letters++
		case unicode.IsDigit(r):
			others++
		default:
			end()
		}
	}
	end()
	return count >= minPathWords
}

// parts returns the number of parts of a name.
func parts(plain string) int {
	return len(strings.FieldsFunc(plain, func(r rune) bool { return r == '-' || r == '_' || r == '.' }))
}

// isChosen reports whether the code may have chosen a value of an answer: the ID of a metric, or a label if the request has
// one. CloudWatch fills in a label's parts, such as ${LAST}, and appends dimensions to the label of a search, so what the
// code sent can be a part of a word. The label of an expression without a label is its ID.
func (m *matcher) isChosen(folded, name string) bool {
	switch name {
	case "Label":
		return m.isLabeled || m.hasIDs && slices.Contains(m.requestIDs, folded)
	case "Id":
		return m.hasIDs
	}
	return false
}

// isInAddress reports whether an ARN, an address, or a path in the answer contains a name and begins with something that the
// code did not send. Then the name exists: a bucket's list repeats the prefix that was asked for, but not in an address.
func (m *matcher) isInAddress(plain string) bool {
	name := strings.Trim(strings.ToLower(plain), "/")
	if isKnown, ok := m.addresses[name]; ok {
		return isKnown
	}
	if m.folded == nil {
		m.addresses = map[string]bool{}
		m.folded = bytes.ToLower(m.body)
		m.foldedAsked = strings.ToLower(m.asked.raw)
	}
	m.spend(len(m.body) / 256)
	found := false
	for at := 0; name != "" && !found && !m.partial; {
		next := bytes.Index(m.folded[at:], []byte(name))
		if next < 0 {
			break
		}
		at += next
		before := m.folded[max(0, at-maxName):at]
		begin := bytes.LastIndexAny(before, " \t\r\n\"'`<>,;=()[]{}") + 1
		head := string(before[begin:])
		isBelow := strings.HasSuffix(head, "/") || strings.HasSuffix(head, ":")
		if isBelow && strings.Trim(head, "/:") != "" {
			m.spend(1 + len(m.foldedAsked)/256)
			found = !strings.Contains(m.foldedAsked, head+name)
		}
		at++
		m.steps++
	}
	m.addresses[name] = found
	return found
}

// part is a part of a value that the code did not send, with the first word after it.
type part struct{ text, next string }

// unsent returns the parts of a value without the texts that its request contained, or false if there are none: prose,
// and in an error also paths and names that could be sentences.
func (m *matcher) unsent(plain string) (parts []part, isCut bool) {
	if m.isSearch && !m.isError || m.own[0] == m.own[1] || !m.isError && !isProse(plain) {
		return nil, false
	}
	if !m.mayHaveSent(plain) {
		return nil, false
	}
	var words []word
	var folded []string
	eachWord(plain, func(w word) bool {
		words, folded = append(words, w), append(folded, strings.ToLower(w.text))
		return true
	})
	begin := 0
	for i := 0; i < len(words) && !m.partial; {
		length, steps := m.asked.longest(folded[i:], m.own, maxSteps-m.steps)
		m.spend(steps)
		isText := length >= minParts && m.isError
		if length >= minRun && !isText {
			text := plain[words[i].from:words[i+length-1].to]
			isText = isProse(text) || isPhrase(text) && !m.isInAddress(text)
		}
		if isText || length == 1 && m.isError && isSentence(words[i].text) {
			parts, isCut = append(parts, part{plain[begin:words[i].from], plain[words[i].from:words[i].to]}), true
			begin = words[i+length-1].to
		}
		i += max(1, length)
	}
	if m.partial {
		return nil, true
	}
	if !isCut {
		return nil, false
	}
	return append(parts, part{plain[begin:], ""}), true
}

// mayHaveSent reports whether a value has words that requests contained and that could be a text together.
func (m *matcher) mayHaveSent(plain string) bool {
	isFound, before := false, false
	eachWord(plain, func(w word) bool {
		isKnown := m.asked.has(w.text)
		isFound = isKnown && (before || m.isError && isSentence(w.text))
		before = isKnown
		return !isFound
	})
	return isFound
}

// isSentence reports whether a word has several parts, such as access-denied-for-eve or AccessDeniedForEve.
func isSentence(text string) bool {
	parts := 0
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		parts++
		before := rune(0)
		for _, r := range part {
			if unicode.IsUpper(r) && unicode.IsLower(before) {
				parts++
			}
			before = r
		}
	}
	return parts >= minParts
}

// askedSpans returns where the output has texts that the code sent, each text once: texts of several words, and
// parameters of one word.
func (m *matcher) askedSpans() []toolcall.Span {
	m.askedTo = len(m.output)
	if len(m.asked.words) == 0 {
		return nil
	}
	folded := make([]string, len(m.words))
	for i := range m.words {
		folded[i] = strings.ToLower(m.words[i].text)
	}
	var list []toolcall.Span
	listed := map[string]bool{}
	steps, end := 0, int32(0)
	for i := range folded {
		from := int32(i)
		if len(m.asked.at[folded[i]]) == 0 {
			continue
		}
		length, n := m.asked.longest(folded[i:], m.asked.all(), maxAskedSteps-steps)
		if steps += n; steps > maxAskedSteps {
			m.askedTo = m.span(from, from+1).From
			m.partial = true
			break
		}
		to := from + int32(length)
		if to <= end || length < minRun && !m.asked.singles[folded[i]] {
			continue
		}
		end = to
		if text := strings.Join(folded[from:to], " "); !listed[text] {
			listed[text] = true
			list = append(list, m.span(from, to))
		}
	}
	return list
}

// sentTexts returns the texts that the code sent, from parts of the output.
func (t *Text) sentTexts(observed *toolcall.Observed) *asked {
	if t.observed == observed && t.sent != nil {
		return t.sent
	}
	t.observed, t.sent = observed, &asked{at: map[string][]int32{}, singles: map[string]bool{}}
	for _, part := range observed.Asked {
		if part.From < 0 || part.From >= part.To || part.To > len(t.original) {
			continue
		}
		text := t.original[part.From:part.To]
		t.sent.addText(text)
		if words := wordsOf(Normal(text)); len(words) == 1 {
			t.sent.singles[words[0]] = true
		}
	}
	return t.sent
}

// maxQuoteSteps bounds the comparisons of all quotes of an output with the texts that the code sent, which take about 0.2 s.
const maxQuoteSteps = 16 << 20

// isSent reports whether nothing of a quote carries it but text that the code sent: without texts of several words,
// there is no distinct word left, or without all parameters, no word at all.
func (t *Text) isSent(quote Match, observed *toolcall.Observed) bool {
	sent := t.sentTexts(observed)
	if len(sent.words) == 0 {
		return false
	}
	text := t.normal.text[quote.from:quote.to]
	var words []word
	var folded []string
	eachOutputWord(text, func(from, to int) bool { return isMark(t.original, t.normal, quote.from+from, quote.from+to) }, func(w word) bool {
		words, folded = append(words, w), append(folded, strings.ToLower(w.text))
		return true
	})
	var own strings.Builder // without texts of several words
	hasText, hasRest := false, false
	for i := 0; i < len(words); {
		length, n := sent.longest(folded[i:], sent.all(), max(0, maxQuoteSteps-t.steps))
		if t.steps += n; t.steps > maxQuoteSteps {
			return true
		}
		if length >= minRun {
			hasText = true
			i += length
			continue
		}
		if words[i].text != redactedWord {
			own.WriteString(text[words[i].from:words[i].to] + " ")
			hasRest = hasRest || length == 0 || !sent.singles[folded[i]]
		}
		i++
	}
	return !hasRest || hasText && !IsDistinct(own.String())
}
