package broker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// CloudWatch Logs Insights bills the bytes that a query scans, which AWS only reports while the query runs.
// The broker therefore asks for them itself, stops queries that exceed the limit, and stops what still runs
// when the call ends.
const (
	minLogScan     = 1e9                    // bytes that a query is charged until AWS reports what it scanned
	maxLogQueries  = 8                      // that run at the same time
	logQueryPause  = time.Second            // between two looks at the running queries; AWS allows 5 to 10 a second
	logQueryLook   = 4 * time.Second        // for one look at a query, and for stopping it
	logQueryUnseen = 5 * time.Second        // without statistics, after which a query is stopped
	logQueryFinish = 400 * time.Millisecond // for the last look at the end of a call
	maxQueryAnswer = 64 << 20               // bytes of an answer that are searched for the statistics
	maxQueryID     = 256                    // characters ("StartQuery")
	maxStartAnswer = 64 << 10               // bytes of an answer of StartQuery, which has one id
)

// logQueries are the Logs Insights queries of one call.
type logQueries struct {
	session *Session

	mu       sync.Mutex
	starting int // requests to start a query that are not answered yet
	running  map[string]*logQuery
	largest  int64  // bytes that the largest query scanned
	stopped  int    // queries that the broker stopped
	unseen   int    // queries that AWS may have started, but whose IDs it did not return
	blind    string // why nobody knows what a query scans, after which no other one is started
	watching bool
	done     chan struct{} // closed when the session ends
	watcher  sync.WaitGroup
}

// logQuery is a query that AWS has started.
type logQuery struct {
	id     string
	place  url.URL // endpoint
	charge *charge

	// Guarded by the mutex of logQueries.
	seen    time.Time // when it was started, or AWS last reported what it scanned
	scanned int64     // the most bytes that AWS reported, or unreported

	looking  chan struct{} // holds a value while the broker asks AWS what it has scanned
	stopping sync.Mutex    // held while the broker asks AWS to stop it
}

const unreported = -1 // bytes, if an answer does not name what a query has scanned

// knownQueries are the IDs of the queries that tool calls have started.
type knownQueries struct {
	mu  sync.Mutex
	ids map[string]bool
}

// maxKnownQueries bounds the memory of the IDs. If there are more, all are forgotten.
const maxKnownQueries = 10_000

func (k *knownQueries) add(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil || len(k.ids) >= maxKnownQueries {
		k.ids = map[string]bool{}
	}
	k.ids[id] = true
}

func (k *knownQueries) has(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ids[id]
}

// checkResults returns why the results of a query are refused, or an empty string. IAM does not check of which log groups
// results are. If the settings deny queries or log groups, only results of the tool's own queries pass, which were checked.
func (b *Broker) checkResults(ops []*operation, r *http.Request, body []byte) string {
	denies := matches(b.guard.deniedByUser, startLogQuery) ||
		slices.ContainsFunc(b.denied, func(d deniedResource) bool { return d.service == logsService })
	if !denies || !slices.ContainsFunc(ops, func(op *operation) bool { return op.action == watchLogQuery }) {
		return ""
	}
	input, err := inputOf(r, body)
	if err != nil {
		return refusalOf(ops, "its parameters cannot be read: "+bounded(err.Error()))
	}
	isForeign := func(id string) bool { return id != "" && !b.known.has(id) }
	for _, field := range input.fields {
		if strings.EqualFold(field.name, "queryId") && slices.ContainsFunc(field.value.allTexts(), isForeign) {
			return refusalOf(ops, "the settings of this tool deny logs:StartQuery or some log groups, so it reads only results of queries "+
				"that it has started itself")
		}
	}
	return ""
}

// Values of blind, before "an earlier query".
const (
	notAnswered = "AWS did not answer the start of"
	withoutID   = "AWS did not return the ID of"
	notReported = "AWS did not report how much was scanned by"
	notStopped  = "AWS did not stop"
)

// setBlind keeps the first reason for starting no other query. q.mu is held.
func (q *logQueries) setBlind(why string) { q.blind = cmp.Or(q.blind, why) }

func newLogQueries(s *Session) *logQueries {
	return &logQueries{session: s, running: map[string]*logQuery{}, done: make(chan struct{})}
}

// admit charges a query before it is started, or returns the reason for refusing it. The next query is
// assumed to scan as much as the largest one so far.
func (q *logQueries) admit(ctx context.Context, c *charge) string {
	reason := q.tryAdmit(c)
	if reason != "" && q.look(ctx) { // some of the running queries may have ended
		reason = q.tryAdmit(c)
	}
	return reason
}

func (q *logQueries) tryAdmit(c *charge) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.blind != "" {
		return fmt.Sprintf("logs:StartQuery is refused: %s an earlier query of this tool call, so the broker cannot limit what another one costs; %s",
			q.blind, q.session.bill.alternative(startLogQuery))
	}
	if len(q.running)+q.starting >= maxLogQueries {
		return fmt.Sprintf("logs:StartQuery is refused: %d queries of this tool call are still running; "+
			"read their results before you start another one", maxLogQueries)
	}
	c.units = max(minLogScan, q.largest)
	if reason := c.add(); reason != "" {
		return reason
	}
	q.starting++
	return ""
}

// start sends a request to start a query. The session may end in the meantime: a query that AWS starts must
// be known, so that it can be stopped.
func (q *logQueries) start(request *http.Request, c *charge) (*http.Response, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(request.Context()))
	defer cancel()
	stop := context.AfterFunc(request.Context(), func() { time.AfterFunc(logQueryFinish, cancel) })
	defer stop()
	response, err := q.session.broker.sendOnce(request.WithContext(ctx))
	if err != nil {
		q.lost(c, notAnswered, err)
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxStartAnswer))
	response.Body.Close()
	if err != nil {
		q.lost(c, notAnswered, err)
		return nil, err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	switch {
	case response.StatusCode >= http.StatusInternalServerError:
		q.lost(c, fmt.Sprintf("AWS answered with status %d to the start of", response.StatusCode), nil)
		q.failed(c, false)
	case response.StatusCode >= http.StatusBadRequest:
		q.failed(c, true)
	default:
		q.started(request.Context(), c, *request.URL, answer)
	}
	return response, nil
}

// lost records that a request to start a query has no answer, or an error of the server. AWS may have started the query, which
// nobody can watch without its ID. why is a value of blind.
func (q *logQueries) lost(c *charge, why string, err error) {
	if isUnsent(err) {
		return // AWS did not receive the request
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.setBlind(why)
	q.unseen++
	q.session.broker.log.Warn("Logs Insights query may run without being watched", "charged_bytes", c.units, "why", why, "error", err)
}

// started records a query that AWS has started.
func (q *logQueries) started(ctx context.Context, c *charge, place url.URL, answer []byte) {
	var body struct {
		QueryID string `json:"queryId"`
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.starting--
	known := json.Unmarshal(answer, &body) == nil && body.QueryID != "" && len(body.QueryID) <= maxQueryID
	if !known {
		q.setBlind(withoutID)
		q.unseen++
		q.session.broker.log.Warn("Logs Insights query is not watched", "charged_bytes", c.units)
		return
	}
	q.session.broker.known.add(body.QueryID)
	q.running[body.QueryID] = &logQuery{id: body.QueryID, place: place, charge: c, seen: q.session.broker.now(), scanned: unreported,
		looking: make(chan struct{}, 1)}
	if !q.watching {
		q.watching = true
		q.watcher.Go(func() { q.watch(context.WithoutCancel(ctx)) })
	}
}

// failed records that a query was not started. refund is true if AWS refused the request.
func (q *logQueries) failed(c *charge, refund bool) {
	q.mu.Lock()
	q.starting--
	q.mu.Unlock()
	if refund {
		c.refund()
	}
}

// watch looks at the running queries until the session ends. A slow answer about one does not delay the others.
func (q *logQueries) watch(ctx context.Context) {
	pause := time.NewTicker(q.session.broker.logQueryPause)
	defer pause.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-q.done:
			cancel()
		case <-stop:
		}
	}()
	var visits sync.WaitGroup
	defer visits.Wait()
	for {
		select {
		case <-q.done:
			return
		case <-pause.C:
			for _, query := range q.list() {
				visits.Go(func() { q.visit(ctx, query) })
			}
		}
	}
}

// visit looks at a running query, unless the last visit still does. It stops the query if AWS has not reported what it scans for
// some time, and all queries if the limit is exceeded.
func (q *logQueries) visit(ctx context.Context, query *logQuery) {
	if q.isUnseen(query) {
		q.session.broker.log.Warn("Logs Insights query is stopped, because its statistics cannot be read", "query", query.id)
		q.stop(ctx, query)
		return
	}
	select {
	case query.looking <- struct{}{}:
	default:
		return
	}
	q.lookAt(ctx, query)
	<-query.looking
	if q.session.bill.exceeded() {
		q.stopAll(ctx)
	}
}

// isUnseen reports whether AWS has not reported what a query scans for some time.
func (q *logQueries) isUnseen(query *logQuery) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.session.broker.now().Sub(query.seen) > q.session.broker.logQueryUnseen
}

// finish takes a last look at the running queries and stops those that did not end. The look takes half of the time at most,
// so that a slow answer does not prevent the stop.
func (q *logQueries) finish(ctx context.Context) {
	close(q.done)
	q.watcher.Wait()
	if len(q.list()) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logQueryFinish)
	defer cancel()
	looking, looked := context.WithTimeout(ctx, logQueryFinish/2)
	defer looked()
	q.look(looking)
	q.stopAll(ctx)
}

// list returns the running queries.
func (q *logQueries) list() []*logQuery {
	q.mu.Lock()
	defer q.mu.Unlock()
	queries := make([]*logQuery, 0, len(q.running))
	for _, query := range q.running {
		queries = append(queries, query)
	}
	return queries
}

// look asks AWS what the running queries have scanned. It reports whether one of them has ended.
func (q *logQueries) look(ctx context.Context) (ended bool) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, query := range q.list() {
		group.Go(func() {
			select {
			case query.looking <- struct{}{}:
				defer func() { <-query.looking }()
			case <-ctx.Done():
				return
			}
			if q.lookAt(ctx, query) {
				mu.Lock()
				ended = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return ended
}

// lookAt asks AWS what a running query has scanned, and reports whether it has ended. It stops a query whose statistics AWS
// refuses, because nobody could limit what it costs. The caller has filled query.looking.
func (q *logQueries) lookAt(ctx context.Context, query *logQuery) (ended bool) {
	looking, cancel := context.WithTimeout(ctx, logQueryLook)
	defer cancel()
	scanned, status, err := q.session.broker.statistics(looking, query)
	switch {
	case errors.Is(err, errStatisticsDenied):
		q.session.broker.log.Warn("Logs Insights query is stopped", "query", query.id, "error", err)
		q.stop(ctx, query)
		return false
	case err != nil:
		q.session.broker.log.Debug("statistics of a Logs Insights query not read", "error", err)
		return false
	}
	return q.update(query, scanned, status)
}

// update charges what a query has scanned, or unreported. It reports whether the query has ended.
func (q *logQueries) update(query *logQuery, scanned int64, status string) (ended bool) {
	isWaiting := status == "Scheduled" || status == "Unknown"
	ended = status != "Running" && !isWaiting
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, running := q.running[query.id]; !running {
		return ended
	}
	if scanned != unreported || isWaiting {
		query.seen = q.session.broker.now()
	}
	query.scanned = max(query.scanned, scanned)
	q.largest = max(q.largest, query.scanned)
	switch {
	case ended && query.scanned == unreported:
		q.setBlind(notReported) // the query stays charged as assumed
	case ended || query.scanned > query.charge.units:
		query.charge.change(query.scanned)
	}
	if ended {
		delete(q.running, query.id)
	}
	return ended
}

// stopAll stops the running queries.
func (q *logQueries) stopAll(ctx context.Context) {
	var group sync.WaitGroup
	for _, query := range q.list() {
		group.Go(func() { q.stop(ctx, query) })
	}
	group.Wait()
}

// stop stops a query, unless somebody else does. A query that cannot be stopped keeps running.
func (q *logQueries) stop(ctx context.Context, query *logQuery) {
	if !query.stopping.TryLock() {
		return
	}
	defer query.stopping.Unlock()
	if !q.isRunning(query) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logQueryLook)
	defer cancel()
	err := q.session.broker.stopQuery(ctx, query)
	// AWS rejects the request if the query has ended in the meantime.
	scanned, status, lookErr := q.session.broker.statistics(ctx, query)
	if lookErr == nil && q.update(query, scanned, status) && err != nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.setBlind(notStopped)
		q.session.broker.log.Warn("Logs Insights query not stopped", "query", query.id, "error", err)
		return
	}
	delete(q.running, query.id)
	q.stopped++
	if lookErr != nil || query.scanned == unreported {
		q.setBlind(notReported)
	}
}

// isRunning reports whether a query is not known to have ended.
func (q *logQueries) isRunning(query *logQuery) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, running := q.running[query.id]
	return running
}

// stopQuery asks AWS to stop a query. It fails if AWS answers that it did not stop it.
func (b *Broker) stopQuery(ctx context.Context, query *logQuery) error {
	answer, err := b.askLogs(ctx, query, "StopQuery")
	if err != nil {
		return err
	}
	defer answer.Close()
	body := struct{ Success bool }{Success: true} // if the answer does not say it
	if err := json.NewDecoder(io.LimitReader(answer, maxBeginning)).Decode(&body); err != nil {
		return fmt.Errorf("read the answer of StopQuery: %w", err)
	}
	if !body.Success {
		return errors.New("CloudWatch Logs answers that it did not stop the query")
	}
	return nil
}

// askLogs sends a request about a query with the credentials that started it. The caller closes the answer.
func (b *Broker) askLogs(ctx context.Context, query *logQuery, operation string) (io.ReadCloser, error) {
	body, err := json.Marshal(map[string]string{"queryId": query.id})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, query.place.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	if err := b.sign(ctx, request, query.charge.scope, query.charge.signer.credentials, body); err != nil {
		return nil, err
	}
	about := []any{"service", logsService, "operation", operation, "region", query.charge.scope.region, "by", "broker"}
	if signer := query.charge.signer; signer.isMember {
		about = append(about, "account", signer.account)
	}
	b.log.InfoContext(ctx, logOfRequest, about...)
	answer, err := b.roundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("ask CloudWatch Logs for %s: %w", operation, err)
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBeginning))
		code := errorCode(answer.Header, body)
		if code == accessDenied && operation == getQueryResults {
			return nil, errStatisticsDenied
		}
		return nil, fmt.Errorf("ask CloudWatch Logs for %s: status %d %s", operation, answer.StatusCode, code)
	}
	return answer.Body, nil
}

const (
	getQueryResults = "GetQueryResults"
	accessDenied    = "AccessDeniedException"
)

var errStatisticsDenied = errors.New("the role may not read what the query scans (logs:GetQueryResults)")

// The statistics in an answer of GetQueryResults. A log line in the same answer cannot imitate them, because
// the quotes of a text are escaped in JSON.
var (
	bytesScanned = lazy.Regexp(`"bytesScanned"\s*:\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)[,}\s]`)
	queryStatus  = lazy.Regexp(`"status"\s*:\s*"([A-Za-z]+)"`)
)

// statistics returns the bytes that a query has scanned, or unreported, and its status.
func (b *Broker) statistics(ctx context.Context, query *logQuery) (scanned int64, status string, err error) {
	answer, err := b.askLogs(ctx, query, getQueryResults)
	if err != nil {
		return 0, "", err
	}
	defer answer.Close()
	scanned = unreported
	const overlap = 128 // bytes, more than one of the patterns can match
	buffer, kept := make([]byte, bufferSize), 0
	for total := 0; total < maxQueryAnswer; {
		n, readErr := answer.Read(buffer[kept:])
		total += n
		seen := buffer[:kept+n]
		for _, found := range bytesScanned().FindAllSubmatch(seen, -1) {
			if value, err := strconv.ParseFloat(string(found[1]), 64); err == nil {
				scanned = max(scanned, int64(value))
			}
		}
		if found := queryStatus().FindSubmatch(seen); found != nil {
			status = string(found[1])
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return 0, "", fmt.Errorf("read the statistics of a query: %w", readErr)
		}
		kept = copy(buffer, seen[max(0, len(seen)-overlap):])
	}
	if status == "" {
		return 0, "", fmt.Errorf("the answer about a query has no status")
	}
	return scanned, status, nil
}
