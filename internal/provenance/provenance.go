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
//	nodes.go      records within records
//	runs.go       words that follow each other in the output and in an answer
//	combine.go    values of one record that follow each other in the output
//	sent.go       texts that the code itself sent to AWS
//	queries.go    queries of Logs Insights whose results contain text of the query
//	find.go       quotes
package provenance

import (
	"hash/maphash"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Limits of one tool call.
const (
	maxBodies   = 16 << 20  // bytes of answers that are kept
	maxAsked    = 256 << 10 // bytes of a request; the answer to a longer one does not count
	maxAllAsked = 1 << 20   // bytes of all requests
	maxSpans    = 1000      // parts of an output
	minSpan     = 6         // bytes of a part; shorter quotes prove nothing
)

// Limits of what is remembered of earlier calls.
const (
	maxEarlier = 256 << 10 // bytes of requests
	maxQueries = 1000      // queries of Logs Insights
)

// Exchange is one request that was sent to AWS, and its answer.
type Exchange struct {
	Operation string // such as "logs:FilterLogEvents"
	URL       string
	Sent      []string // its headers
	Request   []byte   // the request's body
	Status    int      // HTTP status of the answer
	Answer    []byte   // the beginning of the answer's body; the recorder keeps it
	Cut       bool     // whether the answer has more
}

// Recorder keeps the exchanges of one tool call, and what is remembered of the requests of earlier calls: AWS may
// repeat them in its answers.
type Recorder struct {
	// Redact replaces secrets as in the output. If it is nil, no mark of a redacted secret occurs in an answer.
	Redact func(text string) string

	mu        sync.Mutex
	exchanges []exchange
	requests  []string // each once
	size      int      // bytes of answers
	asked     int      // bytes of requests
	succeeded int
	cut       bool

	earlier []string        // requests of earlier calls
	queries map[string]bool // by id of a query of Logs Insights: whether its results can have text of the query
}

// exchange is an answer with the request that it belongs to.
type exchange struct {
	request  string
	answer   []byte
	isError  bool
	isSearch bool     // the request searches texts, which the answer contains
	isResult bool     // of a query of Logs Insights
	queries  []string // IDs of that query; more than one if the request is ambiguous
	hasIDs   bool     // the answer repeats IDs of the request
}

// Record keeps an exchange.
func (r *Recorder) Record(e Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	isError := e.Status < 200 || e.Status >= 300
	if !isError {
		r.succeeded++
	}
	r.cut = r.cut || e.Cut
	request := e.URL + "\n" + string(e.Request)
	if len(request) > maxAsked || r.asked+len(request) > maxAllAsked || r.size+len(e.Answer) > maxBodies {
		r.cut = true // an answer counts only if what was asked is known
		return
	}
	r.remember(request)
	for _, text := range e.Sent {
		if len(text) > maxAsked || r.asked+len(text) > maxAllAsked {
			r.cut = true
			return
		}
		r.remember("\n" + text)
	}
	if isBroken(e.Request) {
		r.cut = true // likewise
		return
	}
	if invents(e, request) {
		return
	}
	kept := exchange{request: request, answer: e.Answer, isError: isError, isSearch: e.Operation == "logs:FilterLogEvents", hasIDs: metricData().MatchString(e.Operation)}
	switch {
	case isError:
	case e.Operation == startQuery:
		r.learnQuery(e)
	case e.Operation == getResults:
		kept.isSearch, kept.isResult, kept.queries = true, true, fieldsOf(e.Request, "queryId")
	}
	if len(e.Answer) > 0 {
		r.exchanges = append(r.exchanges, kept)
		r.size += len(e.Answer)
	}
}

// remember keeps a request: its address, a line break, and its body.
func (r *Recorder) remember(request string) {
	if !slices.Contains(r.requests, request) {
		r.requests, r.asked = append(r.requests, request), r.asked+len(request)
	}
}

// Operations of Logs Insights.
const (
	startQuery = "logs:StartQuery"
	getResults = "logs:GetQueryResults"
)

// metricData matches the operation whose answers have IDs and labels of the request.
var metricData = lazy.Regexp(`^cloudwatch:(.*/)?GetMetricData(/|$)`)

// learnQuery remembers a query of Logs Insights. Its results are the answers to other requests.
func (r *Recorder) learnQuery(e Exchange) {
	queries, language := fieldsOf(e.Request, "queryString"), strings.Join(fieldsOf(e.Request, "queryLanguage"), " ")
	invents := len(queries) == 0
	for _, text := range queries {
		invents = invents || escapedASCII().MatchString(text) || inventsText(text, language)
	}
	for _, id := range fieldsOf(e.Answer, "queryId") {
		if r.queries == nil || len(r.queries) >= maxQueries {
			r.queries = map[string]bool{}
		}
		r.queries[id] = r.queries[id] || invents
	}
}

// escapedASCII matches an escape of JSON that no client needs, which could hide a quote from [inventsText].
var escapedASCII = lazy.Regexp(`\\u00[0-7]`)

// isOfLogs reports whether an answer can only have text of the logs. It is called after the last exchange, because an
// answer is recorded while the code continues.
func (r *Recorder) isOfLogs(e exchange) bool {
	for _, id := range e.queries {
		if invents, isKnown := r.queries[id]; invents || !isKnown {
			return false
		}
	}
	return len(e.queries) > 0
}

// invents reports whether AWS can make the texts in an answer from the request: from a document that it contains, or from
// literals of a query in PromQL, SQL, or a language of graphs.
func invents(e Exchange, request string) bool {
	if promQL().MatchString(e.URL) {
		plain, err := url.QueryUnescape(request)
		return err != nil || madeLabels().MatchString(plain) || stringResult().Match(e.Answer)
	}
	service, names, _ := strings.Cut(e.Operation, ":")
	for name := range strings.SplitSeq(names, "/") { // more than one if the request is ambiguous
		if evaluating().MatchString(name) || service+":"+name != getResults && queryResults().MatchString(service+":"+name) {
			return true
		}
	}
	return false
}

// madeLabels matches the functions and the operator of PromQL whose answers have labels from the query. The case of operators does
// not matter.
var madeLabels = lazy.Regexp(`(?i)label_replace|label_join|count_values|absent`)

// stringResult matches the answer to a PromQL query that consists of a text.
var stringResult = lazy.Regexp(`"resultType"\s*:\s*"string"`)

// evaluating matches operations that evaluate what the request contains, such as a policy, a template, a text, or an
// image, instead of what is in the account. Some do so only with certain parameters.
var evaluating = lazy.Regexp(`^(Analyze|Apply|Assess|BatchDetect|BatchIsAuthorized|Calculate|Chat|Check|Classify|Compare|Contains|Converse|` +
	`Convert|Count|Detect|DiscoverInput|Estimate|Evaluate|Generate|Infer|Invoke|IsAuthorized|Optimize|Parse|Predict|Preview|Probe|Recognize|Render|Rescore|` +
	`ScanSbom|Simulate|Synthesize|Test|Translate|Validate)|` +
	`^(GetContextKeysFor(Custom|Principal)Policy|GetAutoMergingPreview|GetDataflowGraph|GetDiscoveredSchema|GetFlowLogsIntegrationTemplate|GetMapping|GetPlan|GetTemplateSummary|QueryAssistant|RetrieveAndGenerate.*)$`)

// queryResults matches operations that return the results of queries that can select literals. They are denied unless the
// settings allow them.
var queryResults = lazy.Regexp(`:(GetQueryResults(Stream)?|GetStatementResult(V2)?|(Batch)?ExecuteStatement|Execute[A-Za-z]*Query|` +
	`Select(ObjectContent)?)$|^timestream[a-z-]*:Query$`)

// promQL matches the address of a PromQL request.
var promQL = lazy.Regexp(`^https?://[^/]*/api/v1/`)

// Forget drops the exchanges, and remembers their requests.
func (r *Recorder) Forget() { r.take() }

// Succeeded returns the number of requests of the call that AWS answered successfully.
func (r *Recorder) Succeeded() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.succeeded
}

// taken is what a recorder kept of one call.
type taken struct {
	exchanges []exchange
	requests  []string
	earlier   []string // requests of earlier calls
	succeeded int
	cut       bool
}

func (r *Recorder) take() taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := taken{requests: r.requests, earlier: r.earlier, succeeded: r.succeeded, cut: r.cut}
	for _, e := range r.exchanges {
		if !e.isResult || r.isOfLogs(e) {
			call.exchanges = append(call.exchanges, e)
		}
	}
	r.exchanges, r.requests, r.size, r.asked, r.succeeded, r.cut = nil, nil, 0, 0, 0, false
	r.earlier = remembered(call.earlier, call.requests)
	return call
}

// remembered returns the latest requests, each once.
func remembered(earlier, latest []string) []string {
	if len(latest) == 0 {
		return earlier
	}
	var list []string
	size := 0
	for _, requests := range [][]string{latest, earlier} {
		for _, request := range slices.Backward(requests) {
			if size+len(request) > maxEarlier {
				continue
			}
			if !slices.Contains(list, request) {
				list, size = append(list, request), size+len(request)
			}
		}
	}
	slices.Reverse(list)
	return list
}

// Judge returns which parts of an output occur in the recorded answers, and forgets the exchanges. What it has not
// compared by a time is not part of the result. The zero time is no limit.
func (r *Recorder) Judge(output string, until time.Time) *toolcall.Observed {
	call := r.take()
	observed := &toolcall.Observed{Answers: call.succeeded, Partial: call.cut, Spans: []toolcall.Span{}}
	if call.succeeded == 0 || len(call.exchanges) == 0 || output == "" {
		return observed
	}
	if !until.IsZero() && time.Now().After(until) {
		observed.Partial = true
		return observed
	}
	m := newMatcher(output, newAsked(call.earlier, call.requests), r.Redact)
	m.until = until
	m.isQuick = true
	m.compareAll(call.exchanges)
	if m.hasSkipped && !m.partial {
		quick := slices.Clone(m.reach)
		m.isQuick = false
		clear(m.done)
		m.compareAll(call.exchanges)
		if m.partial && len(m.spans()) > maxSpans { // parts of a skipped piece would displace earlier finds
			m.reach = quick
		}
	}
	observed.Spans, observed.Asked = m.limited(m.spans(), m.askedSpans())
	observed.Partial = observed.Partial || m.partial || m.leftOut
	return observed
}

// compareAll compares the output with all answers, or with those before the limit of comparisons.
func (m *matcher) compareAll(exchanges []exchange) {
	compared := map[uint64]bool{}
	for _, e := range exchanges {
		if len(exchanges) > 1 { // polling repeats answers
			sum := maphash.Bytes(seed, e.answer) ^ maphash.String(seed, e.request)*31
			if compared[sum] {
				continue
			}
			compared[sum] = true
		}
		if m.compare(e); m.partial {
			return
		}
	}
}

// limited returns at most [maxSpans] parts of each kind. A part counts as answered only if it is known which parts of it
// the code sent.
func (m *matcher) limited(answered, sent []toolcall.Span) (spans, asked []toolcall.Span) {
	if len(sent) > maxSpans {
		m.askedTo, sent = min(m.askedTo, sent[maxSpans].From), sent[:maxSpans]
	}
	for i, part := range answered {
		if part.To > m.askedTo || i == maxSpans {
			m.partial = true
			return answered[:i], sent
		}
	}
	return answered, sent
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
		if span := m.span(int32(i), to); span.To-span.From >= minSpan {
			list = append(list, span)
		}
	}
	return list
}

// span returns the part of the output that some of its words cover.
func (m *matcher) span(from, to int32) toolcall.Span {
	first, last := m.words[from], m.words[to-1]
	return toolcall.Span{From: int(m.normal.from[first.from]), To: int(m.normal.to[last.to-1])}
}
