// Package provenance determines which parts of a tool call's output AWS returned to that call. Code can print
// anything, so a quote of the output proves something only if AWS answered it.
//
// The broker records the exchanges of a call in a [Recorder]. After the call, [Recorder.Judge] compares the
// answers with the output and returns positions in the output, never text. [Text.Find] locates a quote in an
// output.
//
//	normalize.go  texts in the form in which all encodings are equal
//	words.go      the words of a text
//	scan.go       the fields and values of an answer in JSON, XML, or CBOR
//	match.go      the words of an answer, by record
//	runs.go       words that follow each other in the output and in an answer
//	combine.go    values of one record that follow each other in the output
//	find.go       quotes
package provenance

import (
	"bytes"
	"hash/maphash"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Limits of one tool call.
const (
	maxBodies   = 16 << 20 // bytes of answers that are kept
	maxAsked    = 64 << 10 // bytes of each request that are kept
	maxAllAsked = 1 << 20  // bytes of all requests
	maxSpans    = 1000     // parts of an output
	minSpan     = 6        // bytes of a part; shorter quotes prove nothing
)

// Exchange is one request that was sent to AWS, and its answer.
type Exchange struct {
	URL     string
	Request []byte // the request's body
	Status  int    // HTTP status of the answer
	Answer  []byte // the beginning of the answer's body; the recorder keeps it
	Cut     bool   // whether the answer has more
}

// Recorder keeps the exchanges of one tool call.
type Recorder struct {
	mu        sync.Mutex
	bodies    [][]byte
	size      int
	requests  []string
	asked     int
	succeeded int
	cut       bool
}

// Record keeps an exchange.
func (r *Recorder) Record(e Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Status >= 200 && e.Status < 300 {
		r.succeeded++
	}
	r.cut = r.cut || e.Cut
	request := e.URL + "\n" + string(e.Request[:min(len(e.Request), maxAsked)])
	if r.asked+len(request) > maxAllAsked || r.size+len(e.Answer) > maxBodies {
		r.cut = true // an answer counts only if what was asked is known
		return
	}
	r.requests, r.asked = append(r.requests, request), r.asked+len(request)
	if len(e.Answer) > 0 {
		r.bodies, r.size = append(r.bodies, e.Answer), r.size+len(e.Answer)
	}
}

// Forget drops the exchanges.
func (r *Recorder) Forget() { r.take() }

func (r *Recorder) take() (bodies [][]byte, requests []string, succeeded int, cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bodies, requests, succeeded, cut = r.bodies, r.requests, r.succeeded, r.cut
	r.bodies, r.requests, r.size, r.asked, r.succeeded, r.cut = nil, nil, 0, 0, 0, false
	return bodies, requests, succeeded, cut
}

// Judge returns which parts of an output occur in the recorded answers, and forgets the exchanges. What it has not
// compared by a time is not part of the result. The zero time is no limit.
func (r *Recorder) Judge(output string, until time.Time) *toolcall.Observed {
	bodies, requests, succeeded, cut := r.take()
	observed := &toolcall.Observed{Answers: succeeded, Partial: cut, Spans: []toolcall.Span{}}
	if succeeded == 0 || len(bodies) == 0 || output == "" {
		return observed
	}
	m := newMatcher(output, newAsked(requests))
	m.until = until
	compared := map[uint64]bool{}
	for _, body := range bodies {
		if len(bodies) > 1 { // polling repeats answers
			sum := maphash.Bytes(seed, body)
			if compared[sum] {
				continue
			}
			compared[sum] = true
		}
		if m.compare(body); m.partial {
			break
		}
	}
	observed.Partial = observed.Partial || m.partial
	observed.Spans = m.spans()
	own := m.sharing()
	for _, request := range requests {
		for _, text := range readings(request) {
			own.interrupt()
			own.add(Normal(text), isName)
		}
	}
	own.endGroup(false)
	observed.Asked = own.spans()
	return observed
}

var seed = maphash.MakeSeed()

// spans returns the parts that were found.
func (m *matcher) spans() []toolcall.Span {
	list := []toolcall.Span{}
	end := int32(0)
	for i, to := range m.reach {
		if to <= end {
			continue
		}
		end = to
		first, last := m.words[i], m.words[to-1]
		span := toolcall.Span{From: int(m.normal.from[first.from]), To: int(m.normal.to[last.to-1])}
		if span.To-span.From < minSpan {
			continue
		}
		if len(list) == maxSpans {
			m.partial = true
			break
		}
		list = append(list, span)
	}
	return list
}

// asked is what the code sent to AWS. Some operations repeat it in their answers.
type asked struct {
	raw    string // all requests
	text   string // the words of all requests, separated by blanks
	words  map[string]bool
	labels map[string]bool // texts for which requests asked as labels of their answers, in the normal form
}

func newAsked(requests []string) asked {
	a := asked{raw: strings.Join(requests, "\n"), words: map[string]bool{}, labels: map[string]bool{}}
	var b strings.Builder
	for _, request := range requests {
		a.addLabels(request)
		for _, text := range readings(request) {
			b.WriteString(joinedWords(Normal(text)))
		}
	}
	a.text = b.String()
	for _, w := range strings.Fields(a.text) {
		a.words[w] = true
	}
	return a
}

// minParts is the number of parts of a name that could be a sentence, such as access-denied-for-eve.
const minParts = 3

// mayBeEcho reports whether a name in an answer can be text that the code invented: the code sent it, it has
// several parts, and no ARN or address in the answer contains it. A bucket's list repeats the prefix that was
// asked for.
func (a asked) mayBeEcho(plain string, body []byte) bool {
	if !a.words[plain] {
		return false
	}
	parts := strings.FieldsFunc(plain, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	if len(parts) < minParts {
		return false
	}
	for _, mark := range []string{":", "/"} {
		if bytes.Contains(body, []byte(mark+plain)) && !strings.Contains(a.raw, mark+plain) {
			return false
		}
	}
	return true
}

// addLabels adds the labels that a request names: GetMetricData repeats them.
func (a asked) addLabels(request string) {
	_, body, _ := strings.Cut(request, "\n")
	scanBody([]byte(body), &requestReader{labels: a.labels})
	if form, err := url.ParseQuery(body); err == nil {
		for name, values := range form {
			if strings.HasSuffix(name, ".Label") {
				a.labels[plainOf(values[0])] = true
			}
		}
	}
}

// requestReader collects the texts of a request, and the values of fields with the name Label.
type requestReader struct {
	labels  map[string]bool // may be nil
	texts   strings.Builder
	isLabel bool
}

func (r *requestReader) enter(bool)  { r.isLabel = false }
func (r *requestReader) enterEntry() { r.isLabel = false }
func (r *requestReader) leave()      { r.isLabel = false }

func (r *requestReader) name(name string) {
	r.isLabel = name == "Label"
	r.texts.WriteString(name + "\n")
}

func (r *requestReader) value(text string) {
	if r.isLabel && r.labels != nil {
		r.labels[plainOf(text)] = true
	}
	r.texts.WriteString(text + "\n")
}

// readings returns what a request may mean: as it is, decoded as a form or an address, and the texts of its
// body.
func readings(request string) []string {
	list := []string{request}
	if plain, err := url.QueryUnescape(request); err == nil && plain != request {
		list = append(list, plain)
	}
	_, body, _ := strings.Cut(request, "\n")
	var r requestReader
	scanBody([]byte(body), &r)
	return append(list, r.texts.String())
}

// joinedWords returns the words of a normal text, each between blanks.
func joinedWords(plain string) string {
	var b strings.Builder
	b.WriteByte(' ')
	eachWord(plain, func(w word) bool {
		b.WriteString(w.text)
		b.WriteByte(' ')
		return true
	})
	return b.String()
}

// contains reports whether a value of several words is part of a request.
func (a asked) contains(plain string) bool {
	if len(a.words) == 0 || strings.IndexByte(plain, ' ') < 0 {
		return false
	}
	list := make([]string, 1, 16)
	isKnown := true
	eachWord(plain, func(w word) bool {
		list = append(list, w.text)
		isKnown = a.words[w.text]
		return isKnown
	})
	return isKnown && len(list) > 2 && strings.Contains(a.text, strings.Join(append(list, ""), " "))
}
