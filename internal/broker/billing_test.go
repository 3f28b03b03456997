package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// meteredAWS is a stand-in for AWS that runs Logs Insights queries and counts requests by operation.
type meteredAWS struct {
	URL string

	mu      sync.Mutex
	counts  map[string]int
	scans   int64           // bytes that each query has scanned at each look, times the number of looks
	ends    bool            // queries end at the first look
	unknown bool            // AWS does not know the status of running queries
	stopped map[string]bool // by id
	looks   map[string]int64
	release chan struct{} // StartQuery is answered after it is closed; nil: at once
	status  int           // of answers other than those about queries; 0: 200
	answer  string
	denied  string        // the operation that AWS denies
	failing string        // the operation that AWS throttles
	goesOn  bool          // StopQuery is answered, but stops nothing
	hold    chan struct{} // GetQueryResults is answered after it is closed; nil: at once
	held    string        // the query for which hold applies; empty: all
	results []string      // of GetQueryResults, one after the other, the last one repeatedly; nil: what the other fields say
}

func newMeteredAWS(t testing.TB) *meteredAWS {
	m := &meteredAWS{counts: map[string]int{}, stopped: map[string]bool{}, looks: map[string]int64{}, answer: "{}"}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.URL = server.URL
	return m
}

func (m *meteredAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	m.mu.Lock()
	m.counts[operation]++
	m.mu.Unlock()
	if operation == "StartQuery" && m.release != nil {
		<-m.release
	}
	var input struct{ QueryID string }
	_ = json.Unmarshal(body, &input)
	if operation == "GetQueryResults" && m.hold != nil && (m.held == "" || m.held == input.QueryID) {
		select {
		case <-m.hold:
		case <-r.Context().Done():
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.denied != "" && operation == m.denied {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"com.amazonaws.logs#AccessDeniedException","message":"explicit deny"}`)
		return
	}
	if m.failing != "" && operation == m.failing {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"ThrottlingException","message":"Rate exceeded"}`)
		return
	}
	if m.status != 0 {
		w.WriteHeader(m.status)
		return
	}
	switch operation {
	case "StartQuery":
		fmt.Fprintf(w, `{"queryId":"query-%d"}`, m.counts[operation])
	case "GetQueryResults":
		m.looks[input.QueryID]++
		if m.results != nil {
			io.WriteString(w, m.results[min(int(m.looks[input.QueryID]), len(m.results))-1])
			return
		}
		status := "Running"
		if m.unknown {
			status = "Unknown"
		}
		if m.ends {
			status = "Complete"
		}
		if m.stopped[input.QueryID] {
			status = "Cancelled"
		}
		// A log line that imitates the statistics comes first, and a long result separates it from the real
		// ones.
		fmt.Fprintf(w, `{"results":[[{"field":"@message","value":%q}]],"statistics":{"bytesScanned":%d.0,"recordsMatched":1.0},"status":%q}`,
			`{"statistics":{"bytesScanned":0.0},"status":"Complete"}`+strings.Repeat("x", 100_000), m.looks[input.QueryID]*m.scans, status)
	case "StopQuery":
		m.stopped[input.QueryID] = !m.goesOn
		fmt.Fprintf(w, `{"success":%t}`, !m.goesOn)
	default:
		io.WriteString(w, m.answer)
	}
}

func (m *meteredAWS) count(operation string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[operation]
}

// limited returns a session whose requests may cost limit. The broker looks at running queries every pause.
func limited(t testing.TB, m *meteredAWS, limit float64, pause time.Duration) (session *Session, connect func() net.Conn, end func()) {
	b, err := New(Options{
		OpenReads:   []toolpolicy.Group{toolpolicy.BilledReads},
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "token"), Endpoints: []string{m.URL},
		AllowedActions: []string{"ce:*"},
	})
	require.NoError(t, err)
	b.logQueryPause = pause
	session = b.NewSession(limit)
	connect, end = serve(t, session)
	return session, connect, end
}

// never is a pause after which the broker does not look at queries within a test.
const never = time.Hour

func startQuery(m *meteredAWS) requestHead {
	return meteredRequest(m, "logs", "Logs_20140328.StartQuery")
}

func meteredRequest(m *meteredAWS, service, target string) requestHead {
	return requestHead{Method: "POST", URL: m.URL + "/", Headers: [][2]string{
		{"Authorization", fmt.Sprintf(dummyScope, service)}, {"X-Amz-Target", target}, {"Content-Type", "application/x-amz-json-1.1"},
	}}
}

const aQuery = `{"logGroupName":"g","queryString":"fields @message","startTime":0,"endTime":1}`

// send sends a request without waiting for its answer.
func send(t *testing.T, connection net.Conn, head requestHead, body string) {
	t.Helper()
	head.Body = len(body)
	encoded, err := json.Marshal(head)
	require.NoError(t, err)
	_, err = connection.Write(append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(encoded))), encoded...), body...))
	require.NoError(t, err)
}

func TestBilling_ReportsWhatLogsInsightsScanned(t *testing.T) {
	m := newMeteredAWS(t)
	m.scans, m.ends = 12_345_678, true
	session, connect, end := limited(t, m, 0.25, never)
	connection := connect()
	for range 3 {
		answer, _ := ask(t, connection, startQuery(m), aQuery)
		require.Equal(t, http.StatusOK, answer.Status, answer.Error)
	}
	end()
	queries, stopped := session.Billed()
	assert.Zero(t, stopped)
	assert.Zero(t, session.QueriesNotStopped())
	require.Len(t, queries, 1)
	assert.Equal(t, toolcall.BilledQueries{Operation: "logs:StartQuery", Requests: 3, Units: 3 * 12_345_678, Unit: toolcall.UnitBytes,
		CostUSD: queries[0].CostUSD}, queries[0])
	assert.InDelta(t, 3*0.012345678*0.005, queries[0].CostUSD, 1e-12)
	calls, _, _ := session.Audit()
	assert.Len(t, calls, 3, "the audit trail has the requests of the code only")
}

func TestBilling_RefusesQueriesAboveTheLimit(t *testing.T) {
	m := newMeteredAWS(t)
	m.scans, m.ends = 10e9, true // $0.05 each
	session, connect, _ := limited(t, m, 0.25, never)
	connection := connect()
	var refusal string
	for range 20 {
		if answer, _ := ask(t, connection, startQuery(m), aQuery); answer.Error != "" {
			refusal = answer.Error
		}
	}
	// Queries that ended count with what they scanned. The broker looks when it has to.
	queries, _ := session.Billed()
	require.Len(t, queries, 1)
	assert.Equal(t, m.count("StartQuery"), queries[0].Requests)
	assert.LessOrEqual(t, queries[0].Requests, maxLogQueries, "one look shows what they scanned, and then none is started")
	assert.Contains(t, refusal, "logs:StartQuery is refused: AWS bills it")
	assert.Contains(t, refusal, "of the $0.25 that MaxQueryCostUsd leaves")
	assert.Contains(t, refusal, "bytes scanned")
	assert.Contains(t, refusal, "filter_log_events costs nothing")
}

func TestBilling_RefusalsNameNoReadThatTheSettingsDeny(t *testing.T) {
	deny := func(o *Options) { o.DeniedActions = []string{"logs:FilterLogEvents", "cloudwatch:GetMetricStatistics"} }
	query := logQueryText("a query", "fields @message", "filter_log_events costs nothing")
	metrics := metricMath("metrics", "get_metric_statistics", "SELECT AVG(x)")
	refusedForMoney(t, nil, query, metrics)
	query.Refusal, metrics.Refusal = "range; conclude without it", "range; conclude without it"
	refusedForMoney(t, deny, query, metrics)
}

// refusedForMoney sends requests of calls that may spend nothing.
func refusedForMoney(t *testing.T, change func(*Options), tests ...forgedRequest) {
	t.Helper()
	for _, test := range tests {
		o := toAWS(&sink{})
		if change != nil {
			change(&o)
		}
		b, err := New(o)
		require.NoError(t, err)
		connect, _ := serve(t, b.NewSession(0))
		head := requestHead{Method: test.Method, URL: test.URL, Headers: append(test.Headers, authorization(DummyAccessKey, test.Service))}
		answer, _ := ask(t, connect(), head, test.Body)
		assert.Contains(t, answer.Error, "AWS bills it")
		assert.Contains(t, answer.Error, test.Refusal)
	}
}

func TestBilling_ParallelQueriesCannotExceedTheLimitTogether(t *testing.T) {
	m := newMeteredAWS(t)
	_, connect, end := limited(t, m, 0.0151, never) // three times the charge of a query that has just started
	var group sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for range 40 {
		connection := connect()
		group.Go(func() {
			if answer, _ := ask(t, connection, startQuery(m), aQuery); answer.Error == "" {
				mu.Lock()
				sent++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	assert.Equal(t, 3, sent)
	assert.Equal(t, 3, m.count("StartQuery"))
	end()
}

func TestBilling_LimitsRunningQueries(t *testing.T) {
	m := newMeteredAWS(t)
	_, connect, end := limited(t, m, 100, never)
	connection := connect()
	for range maxLogQueries {
		answer, _ := ask(t, connection, startQuery(m), aQuery)
		require.Empty(t, answer.Error)
	}
	answer, _ := ask(t, connection, startQuery(m), aQuery)
	assert.Contains(t, answer.Error, "8 queries of this tool call are still running")
	m.mu.Lock()
	m.ends = true
	m.mu.Unlock()
	answer, _ = ask(t, connection, startQuery(m), aQuery)
	assert.Empty(t, answer.Error, "the others have ended")
	end()
}

// The code may start a query and never ask for its results.
func TestBilling_StopsQueriesThatExceedTheLimit(t *testing.T) {
	m := newMeteredAWS(t)
	m.scans = 4e9
	session, connect, _ := limited(t, m, 0.10, time.Millisecond) // 20 GB
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { return m.count("StopQuery") == 1 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { _, stopped := session.Billed(); return stopped == 1 }, 5*time.Second, time.Millisecond)
	queries, _ := session.Billed()
	assert.GreaterOrEqual(t, queries[0].Units, int64(20e9), "what was scanned until then is charged")
	answer, _ = ask(t, connect(), startQuery(m), aQuery)
	assert.Contains(t, answer.Error, "MaxQueryCostUsd")
}

func TestBilling_StopsQueriesThatRunWhenTheCallEnds(t *testing.T) {
	m := newMeteredAWS(t)
	m.scans = 5e9
	session, connect, end := limited(t, m, 0.25, never)
	connection := connect()
	for range 2 {
		answer, _ := ask(t, connection, startQuery(m), aQuery)
		require.Empty(t, answer.Error)
	}
	end()
	assert.Equal(t, 2, m.count("StopQuery"))
	queries, stopped := session.Billed()
	assert.Equal(t, 2, stopped)
	assert.GreaterOrEqual(t, queries[0].Units, int64(2*5e9))
}

// Nobody knows what such a query costs, and the denies of a member's role are not in the broker's settings.
func TestBilling_StopsQueriesWhoseStatisticsAreDenied(t *testing.T) {
	m := newMeteredAWS(t)
	m.denied = "GetQueryResults"
	session, connect, _ := limited(t, m, 0.25, time.Millisecond)
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { _, stopped := session.Billed(); return stopped == 1 }, 5*time.Second, time.Millisecond)
	assert.Equal(t, 1, m.count("StopQuery"))
	queries, _ := session.Billed()
	assert.EqualValues(t, minLogScan, queries[0].Units, "what a query is charged when it starts")
}

// The code can use up AWS's limit of requests, so that the broker does not learn what its query scans.
func TestBilling_StopsQueriesWhoseStatisticsFailForLong(t *testing.T) {
	m := newMeteredAWS(t)
	m.failing = "GetQueryResults"
	session, connect, _ := limited(t, m, 0.25, time.Millisecond)
	session.broker.logQueryUnseen = 50 * time.Millisecond
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { _, stopped := session.Billed(); return stopped == 1 }, 5*time.Second, time.Millisecond)
	assert.Equal(t, 1, m.count("StopQuery"))
	assert.Greater(t, m.count("GetQueryResults"), 2, "a single failure does not stop it")
	answer, _ = ask(t, connect(), startQuery(m), aQuery)
	assert.Contains(t, answer.Error, notReported)
	assert.Contains(t, answer.Error, "filter_log_events costs nothing")
}

// A query that nobody can watch or stop is the only one of the call.
func TestBilling_AQueryThatCannotBeStoppedEndsTheQueriesOfACall(t *testing.T) {
	m := newMeteredAWS(t)
	m.failing, m.denied = "GetQueryResults", "StopQuery"
	session, connect, end := limited(t, m, 0.25, time.Millisecond)
	session.broker.logQueryUnseen = 50 * time.Millisecond
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { return m.count("StopQuery") > 1 }, 5*time.Second, time.Millisecond, "the broker tries again")
	answer, _ = ask(t, connect(), startQuery(m), aQuery)
	assert.Contains(t, answer.Error, notStopped)
	assert.Equal(t, 1, m.count("StartQuery"))
	end()
	assert.Equal(t, 1, session.QueriesNotStopped())
}

func TestBilling_AQueryThatGoesOnAfterItsStopIsStoppedAgain(t *testing.T) {
	m := newMeteredAWS(t)
	m.goesOn, m.scans = true, 60e9
	session, connect, _ := limited(t, m, 0.25, time.Millisecond)
	connection := connect()
	answer, _ := ask(t, connection, startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { return m.count("StopQuery") > 1 }, 5*time.Second, time.Millisecond)
	_, stopped := session.Billed()
	assert.Zero(t, stopped)
	answer, _ = ask(t, connection, startQuery(m), aQuery)
	assert.Contains(t, answer.Error, notStopped)
}

// AWS bills what a query scanned, however it ends.
func TestBilling_ChargesWhatWasReportedBeforeTheEnd(t *testing.T) {
	const running = `{"status":"Running","statistics":{"bytesScanned":3.0E10}}`
	for _, c := range []struct {
		name    string
		results []string
		isBlind bool // whether no other query is started
		want    int64
	}{
		{"more at the end", []string{running, `{"status":"Complete","statistics":{"bytesScanned":4.0E10}}`}, false, 40e9},
		{"less at the end", []string{running, `{"status":"Timeout","statistics":{"bytesScanned":0.0}}`}, false, 30e9},
		{"no statistics at the end", []string{running, `{"status":"Failed"}`}, false, 30e9},
		{"less than assumed", []string{`{"status":"Complete","statistics":{"bytesScanned":0.0}}`}, false, 0},
		{"no statistics at all", []string{`{"status":"Running"}`, `{"status":"Complete","results":[]}`}, true, minLogScan},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMeteredAWS(t)
			m.results = c.results
			session, connect, _ := limited(t, m, 1, time.Millisecond)
			connection := connect()
			answer, _ := ask(t, connection, startQuery(m), aQuery)
			require.Empty(t, answer.Error)
			require.Eventually(t, func() bool { return len(session.queries.list()) == 0 }, 5*time.Second, time.Millisecond)
			queries, _ := session.Billed()
			require.Len(t, queries, 1)
			assert.Equal(t, c.want, queries[0].Units)
			answer, _ = ask(t, connection, startQuery(m), aQuery)
			assert.Equal(t, c.isBlind, strings.Contains(answer.Error, notReported), answer.Error)
		})
	}
}

func TestBilling_StopsQueriesWhoseAnswersHaveNoStatistics(t *testing.T) {
	m := newMeteredAWS(t)
	m.results = []string{`{"status":"Running","results":[]}`}
	session, connect, _ := limited(t, m, 0.25, time.Millisecond)
	session.broker.logQueryUnseen = 50 * time.Millisecond
	connection := connect()
	answer, _ := ask(t, connection, startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { _, stopped := session.Billed(); return stopped == 1 }, 5*time.Second, time.Millisecond)
	answer, _ = ask(t, connection, startQuery(m), aQuery)
	assert.Contains(t, answer.Error, notReported)
}

func TestBilling_QueriesThatWaitNeedNoStatistics(t *testing.T) {
	session, _, _ := limited(t, newMeteredAWS(t), 0.25, never)
	now := time.Now()
	session.broker.now = func() time.Time { return now }
	query := &logQuery{id: "query-1", charge: &charge{}, seen: now, scanned: unreported}
	session.queries.running[query.id] = query
	defer delete(session.queries.running, query.id)
	for _, status := range []string{"Scheduled", "Unknown", "Running"} {
		now = now.Add(time.Minute)
		session.queries.update(query, unreported, status)
		assert.Equal(t, status == "Running", session.queries.isUnseen(query), status)
	}
}

func TestBilling_SlowStatisticsDoNotHideOtherQueries(t *testing.T) {
	m := newMeteredAWS(t)
	m.scans, m.hold, m.held = 30e9, make(chan struct{}), "query-1"
	defer close(m.hold)
	session, connect, _ := limited(t, m, 0.25, 10*time.Millisecond)
	connection := connect()
	for range 2 {
		answer, _ := ask(t, connection, startQuery(m), aQuery)
		require.Empty(t, answer.Error)
	}
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.stopped["query-2"]
	}, 2*time.Second, time.Millisecond, "the first query is looked at for 4 s")
	queries, _ := session.Billed()
	assert.GreaterOrEqual(t, queries[0].Units, int64(30e9))
}

// A query whose ID the broker does not learn cannot be stopped. It is the only one of the call.
func TestBilling_AnUnknownAnswerEndsTheQueriesOfACall(t *testing.T) {
	aws := &sink{answer: func(*http.Request) *http.Response { return answerOf(http.StatusOK, "\xa1gqueryIdaq") }}
	b, err := New(toAWS(aws))
	require.NoError(t, err)
	session := b.NewSession(1)
	connect, _ := serve(t, session)
	connection := connect()
	query := logQueryText("", "fields @message", "")
	head := requestHead{Method: query.Method, URL: query.URL, Headers: append(query.Headers, authorization(DummyAccessKey, "logs"), [2]string{"Accept", "application/cbor"})}
	answer, _ := ask(t, connection, head, query.Body)
	require.Empty(t, answer.Error)
	assert.Empty(t, aws.seen[0].Header.Get("Accept"), "the broker reads JSON")
	answer, _ = ask(t, connection, head, query.Body)
	assert.Contains(t, answer.Error, withoutID)
	assert.Equal(t, 1, session.QueriesNotStopped())
}

// failsToStart is an AWS that closes the connection without an answer, accepts none, or answers with a status.
type failsToStart struct {
	err      error // nil: it answers
	status   int
	requests int
}

func (a *failsToStart) RoundTrip(*http.Request) (*http.Response, error) {
	a.requests++
	if a.err != nil {
		return nil, a.err
	}
	return answerOf(a.status, `{"__type":"ServiceUnavailableException"}`), nil
}

// AWS may have started a query whose start it did not answer, or to which its servers failed. Nobody can watch or stop it, so it is the only one of the call.
func TestBilling_AMissingAnswerEndsTheQueriesOfACall(t *testing.T) {
	lost := &failsToStart{err: &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}}
	unreachable := &failsToStart{err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
	unavailable, failed := &failsToStart{status: http.StatusServiceUnavailable}, &failsToStart{status: http.StatusInternalServerError}
	throttled := &failsToStart{status: http.StatusBadRequest}
	for aws, requests := range map[*failsToStart]int{lost: 1, unreachable: 2, unavailable: 1, failed: 1, throttled: 2} {
		o := toAWS(nil)
		o.Transport = aws
		b, err := New(o)
		require.NoError(t, err)
		session := b.NewSession(1)
		connect, _ := serve(t, session)
		connection := connect()
		query := logQueryText("", "fields @message", "")
		head := requestHead{Method: query.Method, URL: query.URL, Headers: append(query.Headers, authorization(DummyAccessKey, "logs"))}
		ask(t, connection, head, query.Body)
		answer, _ := ask(t, connection, head, query.Body)
		assert.Equal(t, requests, aws.requests)
		queries, _ := session.Billed()
		assert.Equal(t, requests == 1, len(queries) == 1)
		assert.Len(t, queries, session.QueriesNotStopped(), "a query that AWS may have started may still run")
		if aws.status >= http.StatusInternalServerError {
			assert.Contains(t, answer.Error, fmt.Sprintf("AWS answered with status %d to the start of an earlier query of this tool call, so", aws.status))
		}
	}
}

// A firewall, or a proxy whose certificate is not trusted, ends the handshake.
func TestBilling_ARequestWithoutAConnectionCostsNothing(t *testing.T) {
	m := &meteredAWS{}
	server := httptest.NewUnstartedServer(m)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	m.URL = server.URL
	connection, session := dial(t, m.URL)
	metrics := meteredRequest(m, "monitoring", "GraniteServiceVersion20100801.GetMetricData")
	for _, head := range []requestHead{startQuery(m), startQuery(m), metrics} {
		answer, _ := ask(t, connection, head, aQuery)
		assert.Equal(t, kindConnect, answer.Kind, answer.Error)
	}
	queries, _ := session.Billed()
	assert.Empty(t, queries)
	assert.Zero(t, session.QueriesNotStopped())
}

// AWS does not answer what the query scanned before the time at the end of the call is over.
func TestBilling_SlowStatisticsDoNotPreventTheStop(t *testing.T) {
	m := newMeteredAWS(t)
	m.hold = make(chan struct{})
	defer close(m.hold)
	_, connect, end := limited(t, m, 0.25, never)
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	end()
	assert.Equal(t, 1, m.count("StopQuery"))
}

// The code closes its connection without reading the answer and ends.
func TestBilling_StopsQueriesWhoseAnswerNobodyReads(t *testing.T) {
	m := newMeteredAWS(t)
	session, connect, end := limited(t, m, 0.25, never)
	connection := connect()
	send(t, connection, startQuery(m), aQuery)
	require.Eventually(t, func() bool { return m.count("StartQuery") == 1 }, 5*time.Second, time.Millisecond)
	connection.Close()
	end()
	assert.Equal(t, 1, m.count("StopQuery"))
	_, stopped := session.Billed()
	assert.Equal(t, 1, stopped)
}

// People compare the log with CloudTrail. A request of the role that the log does not list would look like one of a thief.
func TestBilling_LogsTheRequestsOfTheBroker(t *testing.T) {
	m := newMeteredAWS(t)
	logged := &logBuffer{}
	b := staticBroker(t, Options{Endpoints: []string{m.URL}, Log: slog.New(slog.NewJSONHandler(logged, nil))})
	b.logQueryPause = time.Millisecond
	connect, end := serve(t, b.NewSession(0.25))
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { return m.count("GetQueryResults") > 1 }, 5*time.Second, time.Millisecond)
	end()
	listed := map[string]int{}
	for text := range strings.Lines(logged.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line), text)
		if line["msg"] == logOfRequest {
			listed[line["operation"].(string)]++
			assert.Equal(t, line["operation"] != "StartQuery", line["by"] == "broker", text)
			assert.Equal(t, []any{"logs", "eu-west-1"}, []any{line["service"], line["region"]}, text)
		}
	}
	for _, operation := range []string{"StartQuery", "GetQueryResults", "StopQuery"} {
		assert.GreaterOrEqual(t, listed[operation], m.count(operation), operation) // one may be canceled before it arrives
		assert.Positive(t, m.count(operation), operation)
	}
}

// The call ends before AWS has answered that it started the query.
func TestBilling_StopsQueriesThatStartWhenTheCallEnds(t *testing.T) {
	m := newMeteredAWS(t)
	m.release = make(chan struct{})
	_, connect, end := limited(t, m, 0.25, never)
	connection := connect()
	send(t, connection, startQuery(m), aQuery)
	require.Eventually(t, func() bool { return m.count("StartQuery") == 1 }, 5*time.Second, time.Millisecond)
	ended := make(chan struct{})
	go func() { defer close(ended); end() }()
	_, err := connection.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the session closes its connections")
	close(m.release)
	<-ended
	assert.Equal(t, 1, m.count("StopQuery"))
}

func TestBilling_ExpectsAQueryToScanAsMuchAsTheLargest(t *testing.T) {
	m := newMeteredAWS(t)
	m.scans, m.ends = 10e9, true // $0.05
	session, connect, _ := limited(t, m, 0.06, time.Millisecond)
	connection := connect()
	answer, _ := ask(t, connection, startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	require.Eventually(t, func() bool { queries, _ := session.Billed(); return queries[0].Units == 10e9 }, 5*time.Second, time.Millisecond)
	answer, _ = ask(t, connection, startQuery(m), aQuery)
	assert.Contains(t, answer.Error, "this request could cost $0.05 (10000000000 bytes scanned), and this tool call has used $0.05 of the $0.06")
}

// The broker asks in the Region of the query and signs for it.
func TestBilling_WatchesQueriesOfOtherRegions(t *testing.T) {
	m := newMeteredAWS(t)
	var mu sync.Mutex
	regions := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope, _ := parseScope(r.Header.Get("Authorization"))
		mu.Lock()
		regions[scope.region+" "+scope.service+" "+scope.key]++
		mu.Unlock()
		m.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.URL = server.URL
	_, connect, end := limited(t, m, 0.25, never)
	connection := connect()
	for _, region := range []string{"eu-west-1", "ap-southeast-2"} {
		head := startQuery(m)
		head.Headers[0][1] = strings.Replace(head.Headers[0][1], "eu-west-1", region, 1)
		answer, _ := ask(t, connection, head, aQuery)
		require.Empty(t, answer.Error)
	}
	end()
	assert.Equal(t, map[string]int{"eu-west-1 logs " + realKey: 4, "ap-southeast-2 logs " + realKey: 4}, regions, "start, look, stop, look")
}

func TestBilling_ChargesNothingThatAWSRejects(t *testing.T) {
	for _, c := range []struct {
		status, requests, queries int // a query that may run is the only one
	}{{http.StatusBadRequest, 0, 0}, {http.StatusTooManyRequests, 0, 0}, {http.StatusInternalServerError, 3, 1}, {http.StatusServiceUnavailable, 3, 1}} {
		m := newMeteredAWS(t)
		m.status = c.status
		session, connect, end := limited(t, m, 0.25, never)
		connection := connect()
		for range 3 {
			ask(t, connection, startQuery(m), aQuery)
			ask(t, connection, meteredRequest(m, "ce", "AWSInsightsIndexService.GetCostAndUsage"), "{}")
		}
		end()
		billed := map[string]int{"ce:GetCostAndUsage": 0, startLogQuery: 0}
		queries, _ := session.Billed()
		for _, line := range queries {
			billed[line.Operation] = line.Requests
		}
		assert.Equal(t, map[string]int{"ce:GetCostAndUsage": c.requests, startLogQuery: c.queries}, billed, c.status)
	}
}

func TestBilling_CountsRequestsOfCostExplorer(t *testing.T) {
	m := newMeteredAWS(t)
	session, connect, _ := limited(t, m, 0.25, never)
	connection := connect()
	refused := 0
	for range 40 { // pages and retries are requests, too
		if answer, _ := ask(t, connection, meteredRequest(m, "ce", "AWSInsightsIndexService.GetCostAndUsage"), "{}"); answer.Error != "" {
			refused++
		}
	}
	assert.Equal(t, 25, m.count("GetCostAndUsage"))
	assert.Equal(t, 15, refused)
	queries, _ := session.Billed()
	assert.Equal(t, []toolcall.BilledQueries{{Operation: "ce:GetCostAndUsage", Requests: 25, Units: 25, Unit: toolcall.UnitRequests, CostUSD: queries[0].CostUSD}}, queries)
}

func TestBilling_ChargesTracesThatXRayScanned(t *testing.T) {
	m := newMeteredAWS(t)
	m.answer = `{"TraceSummaries":[{"Annotations":{"TracesProcessedCount":[]},"Http":{"HttpURL":"\"TracesProcessedCount\":0"}}],"TracesProcessedCount":123}`
	session, connect, _ := limited(t, m, 0.25, never)
	answer, _ := ask(t, connect(), requestHead{Method: "POST", URL: m.URL + "/TraceSummaries", Headers: [][2]string{
		{"Authorization", fmt.Sprintf(dummyScope, "xray")}, {"Content-Type", "application/json"}}}, "{}")
	require.Equal(t, http.StatusOK, answer.Status, answer.Error)
	require.Eventually(t, func() bool {
		queries, _ := session.Billed()
		return len(queries) == 1 && queries[0].Units == 123
	}, 5*time.Second, time.Millisecond)
}

func TestBilling_ChargesTracesThatXRayCountsAfterALongAnswer(t *testing.T) {
	for name, isRead := range map[string]bool{"the code reads the answer": true, "the code reads no answer": false} {
		t.Run(name, func(t *testing.T) {
			m := newMeteredAWS(t)
			m.answer = `{"TraceSummaries":[{"Id":"` + strings.Repeat("1", 1<<20) + `"}],"TracesProcessedCount":600000,"NextToken":"n"}`
			session, connect, _ := limited(t, m, 0.25, never)
			page := requestHead{Method: "POST", URL: m.URL + "/TraceSummaries", Headers: [][2]string{
				{"Authorization", fmt.Sprintf(dummyScope, "xray")}, {"Content-Type", "application/json"}}}
			connection := connect()
			send(t, connection, page, "{}")
			if isRead {
				go func() { _, _ = io.Copy(io.Discard, connection) }()
			} else {
				connection.Close()
			}
			require.Eventually(t, func() bool {
				queries, _ := session.Billed()
				return len(queries) == 1 && queries[0].Units == 600_000
			}, 5*time.Second, time.Millisecond)
			answer, _ := ask(t, connect(), page, "{}")
			assert.Contains(t, answer.Error, "xray:GetTraceSummaries is refused: AWS bills it")
		})
	}
}

func TestBilling_CountsPromQLQueriesButNotNames(t *testing.T) {
	m := newMeteredAWS(t)
	session, connect, _ := limited(t, m, 0.012, never)
	connection := connect()
	read := func(path string) answerHead {
		answer, _ := ask(t, connection, requestHead{Method: "GET", URL: m.URL + path, Headers: [][2]string{
			{"Authorization", fmt.Sprintf(dummyScope, "monitoring")}}}, "")
		return answer
	}
	for range 3 {
		assert.Empty(t, read("/api/v1/labels").Error)
	}
	assert.Empty(t, read("/api/v1/query?query=up").Error)
	assert.Empty(t, read("/api/v1/query_range?query=up&start=0&end=1&step=1").Error)
	assert.Contains(t, read("/api/v1/query?query=up").Error, "cloudwatch:QueryMetrics is refused: AWS bills it")
	queries, _ := session.Billed()
	require.Len(t, queries, 1)
	assert.EqualValues(t, 2*maxPromQLMetrics, queries[0].Units)
}

func TestBilling_ZeroRefusesOnlyWhatIsBilled(t *testing.T) {
	m := newMeteredAWS(t)
	session, connect, _ := limited(t, m, 0, never)
	connection := connect()
	answer, _ := ask(t, connection, meteredRequest(m, "logs", "Logs_20140328.FilterLogEvents"), "{}")
	assert.Empty(t, answer.Error)
	answer, _ = ask(t, connection, startQuery(m), aQuery)
	assert.Contains(t, answer.Error, "of the $0.00 that MaxQueryCostUsd leaves")
	queries, _ := session.Billed()
	assert.Empty(t, queries)
}

func TestBilling_ReadsAnswersThatTheCodeAsksToCompress(t *testing.T) {
	var encodings []string
	m := newMeteredAWS(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encodings = append(encodings, r.Header.Get("Accept-Encoding"))
		m.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.URL = server.URL
	_, connect, end := limited(t, m, 0.25, never)
	head := startQuery(m)
	head.Headers = append(head.Headers, [2]string{"Accept-Encoding", "gzip"})
	answer, _ := ask(t, connect(), head, aQuery)
	require.Empty(t, answer.Error)
	end()
	assert.Equal(t, []string{"", "", "", ""}, encodings, "start, look, stop, look")
	assert.Equal(t, 1, m.count("StopQuery"))
}

// botocore writes a GetMetricData request in each of CloudWatch's protocols.
const writeGetMetricData = `
import base64, json
import botocore.session, botocore.serialize
model = botocore.session.get_session().get_service_model("cloudwatch")
operation = model.operation_model("GetMetricData")
for protocol in ["smithy-rpc-v2-cbor", "json", "query"]:
    if protocol not in model.metadata.get("protocols", [model.metadata["protocol"]]):
        continue
    for case in CASES:
        serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
        request = serializer.serialize_to_request({"MetricDataQueries": case, "StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-02T00:00:00Z"}, operation)
        body = request["body"]
        if isinstance(body, dict):
            import urllib.parse
            body = urllib.parse.urlencode(body)
        if isinstance(body, str):
            body = body.encode()
        print(json.dumps({"protocol": protocol, "path": request["url_path"], "headers": dict(request["headers"]), "body": base64.b64encode(body).decode()}))
`

func TestBilling_CountsMetricsInEveryProtocol(t *testing.T) {
	stat := map[string]any{"Id": "m", "MetricStat": map[string]any{"Metric": map[string]any{"Namespace": "AWS/EC2", "MetricName": "CPUUtilization",
		"Dimensions": []any{map[string]any{"Name": "Operation", "Value": "SELECT"}, map[string]any{"Name": "Page", "Value": "Search (new)"}}}, "Period": 60, "Stat": "Average"}}
	expression := func(text string) map[string]any { return map[string]any{"Id": "e", "Expression": text} }
	var many []any
	for i := range 500 {
		one := map[string]any{}
		for name, value := range stat {
			one[name] = value
		}
		one["Id"] = fmt.Sprint("m", i)
		many = append(many, one)
	}
	cases := [][]any{
		{stat},
		many,
		{stat, expression("m * 2")},
		{expression(`SEARCH('{AWS/EC2,InstanceId} MetricName="CPUUtilization"', 'Average', 300)`)},
		{expression(`SUM([search ('a', 'Sum', 60), SEARCH('b','Sum',60)])`)},
		{expression(`SELECT AVG(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId) GROUP BY InstanceId`)},
	}
	want := []int64{1, 500, 2, 501, 1001, 10_001}
	encoded, err := json.Marshal(cases)
	require.NoError(t, err)
	python, err := moto.Tool("python")
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), python, "-c", "import json\nCASES = json.loads('''"+strings.ReplaceAll(string(encoded), `\`, `\\`)+"''')\n"+writeGetMetricData)
	out, err := command.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Zero(t, len(lines)%len(cases))
	require.GreaterOrEqual(t, len(lines), 3*len(cases), "CBOR, JSON, and query")
	for i, line := range lines {
		var written struct {
			Protocol, Path string
			Headers        map[string]string
			Body           []byte
		}
		require.NoError(t, json.Unmarshal([]byte(line), &written))
		m := newMeteredAWS(t)
		session, connect, _ := limited(t, m, 1, never)
		head := requestHead{Method: "POST", URL: m.URL + written.Path, Headers: [][2]string{{"Authorization", fmt.Sprintf(dummyScope, "monitoring")}}}
		for name, value := range written.Headers {
			head.Headers = append(head.Headers, [2]string{name, value})
		}
		if written.Protocol == "query" && written.Headers["Content-Type"] == "" {
			head.Headers = append(head.Headers, [2]string{"Content-Type", form})
		}
		answer, _ := ask(t, connect(), head, string(written.Body))
		require.Empty(t, answer.Error, written.Protocol)
		queries, _ := session.Billed()
		require.Len(t, queries, 1, written.Protocol)
		assert.Equal(t, want[i%len(cases)], queries[0].Units, "%s, case %d", written.Protocol, i%len(cases))
		assert.InDelta(t, float64(want[i%len(cases)])*0.00001, queries[0].CostUSD, 1e-9)
	}
}

func TestMetricsRequested_CountsWhateverAServerMayRead(t *testing.T) {
	post := func(header, value string) *http.Request {
		r := httptest.NewRequest("POST", "https://monitoring.eu-west-1.amazonaws.com/", nil)
		r.Header.Set(header, value)
		return r
	}
	target := post("X-Amz-Target", "GraniteServiceVersion20100801.GetMetricData")
	cbor := post("Smithy-Protocol", "rpc-v2-cbor")
	formed := post("Content-Type", form)
	for _, c := range []struct {
		name    string
		request *http.Request
		body    string
		want    int64
		reason  string
	}{
		{"no queries", target, `{}`, 0, ""},
		{"the list twice", target, `{"MetricDataQueries":[{},{}],"MetricDataQueries":[{}]}`, 3, ""},
		{"another case", target, `{"metricdataqueries":[{},{}]}`, 2, ""},
		{"an expression twice", target, `{"MetricDataQueries":[{"Expression":"1","Expression":"SEARCH('x')"}]}`, 501, ""},
		{"an escaped expression", target, `{"MetricDataQueries":[{"Expression":"\u0053EARCH('x')"}]}`, 501, ""},
		{"two values", target, `{"MetricDataQueries":[]}{"MetricDataQueries":[{}]}`, 0, "more than one JSON value"},
		{"half a value", target, `{"MetricDataQueries":[`, 0, "cannot be counted"},
		{"too deep", target, `{"MetricDataQueries":` + strings.Repeat("[", 100), 0, "32 levels"},
		{"too many", target, `{"MetricDataQueries":[` + strings.Repeat("0,", 400_000) + "0]}", 0, "300000 values"},
		{"CBOR of indefinite length", cbor, "\xbf\x71MetricDataQueries\x9f\xbf\x6aExpression\x7f\x63SEA\x66RCH('x\x62')\xff\xff\xff\xff", 501, ""},
		{"CBOR that ends early", cbor, "\xbf\x71MetricDataQueries\x9f", 0, "cannot be counted"},
		{"CBOR with a long length", cbor, "\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", 0, "cannot be counted"},
		{"CBOR, two values", cbor, "\xa0\xa0", 0, "more than one CBOR value"},
		{"empty CBOR", cbor, "", 0, "cannot be counted"},
		{"a form with gaps", formed, url.Values{"Action": {"GetMetricData"}, "MetricDataQueries.member.1.Id": {"a"}, "MetricDataQueries.member.1.Label": {"x"},
			"MetricDataQueries.member.900.Expression": {"SEARCH('x')"}, "metricDataQueries.member.7.Id": {"b"}}.Encode(), 503, ""},
		{"a form without a word before the numbers", formed, "Action=GetMetricData&MetricDataQueries.1.Id=a&MetricDataQueries.2.Id=b", 2, ""},
		{"a form with other words before the numbers", formed, "Action=GetMetricData&MetricDataQueries.Member.1.Id=a&MetricDataQueries.Member.2.Id=b" +
			"&MetricDataQueries.entry.1.Id=c&MetricDataQueries.entry.2.MetricStat.Stat=Sum&MetricDataQueries.entry.2.Id=d", 4, ""},
		{"a form with a repeated expression", formed, "Action=GetMetricData&MetricDataQueries.member.1.Expression=1&MetricDataQueries.member.1.Expression=SELECT", 10_001, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			metrics, reason := metricsRequested(c.request, []byte(c.body))
			assert.Equal(t, c.want, metrics)
			assert.Contains(t, reason, c.reason)
			assert.Equal(t, c.reason == "", reason == "")
		})
	}
}

// What is not plainly metric math counts as a search.
func TestMetricsRequested_CountsEveryFormOfSearches(t *testing.T) {
	r := httptest.NewRequest("POST", "https://monitoring.eu-west-1.amazonaws.com/", nil)
	r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801.GetMetricData")
	for expression, want := range map[string]int64{
		"m1": 1, "errors / invocations * 100": 1, "SUM(METRICS())": 1, "RATE(m1) * PERIOD(m1)": 1, "IF(m1 > 3 AND m2 != 0, m1, 0)": 1,
		"ANOMALY_DETECTION_BAND(m1, 2)": 1, `FILL(m1, REPEAT)`: 1, `SERVICE_QUOTA(m1)`: 1, "1.5e3 + .5 - -m1": 1, "researchRate + selected": 1,
		`INSIGHT_RULE_METRIC("my-rule", 'UniqueContributors')`: 1, `DB_PERF_INSIGHTS('RDS', 'db-ABC', 'db.load.avg')`: 1, "(m1+m2)\n/2": 1,
		"SORT([m1, m2], AVG, DESC, 3)": 1, "fill(m1,0)": 1, "": 1,

		"1SEARCH('x')": 501, "_SEARCH('x')": 501, "SEARCH_('x')": 501, "SEARCH2('x')": 501, "xSearch ('x')": 501, "mySEARCH('x')": 501,
		"ＳＥＡＲＣＨ('x')": 501, "ＳＥＬＥＣＴ AVG(x)": 10_001, "SE/**/ARCH('x')": 501, "SE\u200bARCH('x')": 501, "SEARCH/**/('x')": 501, "SE-- \nLECT": 10_001,
		"S\u00adEARCH('x')": 501, "/* SEARCH */ m1": 501, "'SEARCH'": 501, "FOO(m1)": 501, "m1 ? 2": 501, "M1 * 2": 501, "m1; m2": 501, "m1 + é": 501,
		"\"it's\"": 501, "m1 + `SEARCH`": 501, "SUM(SEARCH('a') + _SEARCH('b'))": 1001, "(select(x))": 10_001, "𝐒𝐄𝐀𝐑𝐂𝐇('x')": 501, "m1 \\x53EARCH": 501,
		`SEARCH('{AWS/ES,DomainName} MetricName="SearchLatency"', 'Average')`: 501, `SEARCH('{App,Größe} MetricName="SearchLatency"')`: 1001,
	} {
		body, err := json.Marshal(map[string]any{"MetricDataQueries": []any{map[string]any{"Id": "e", "Expression": expression}}})
		require.NoError(t, err)
		metrics, reason := metricsRequested(r, body)
		assert.Empty(t, reason)
		assert.Equal(t, want, metrics, expression)
	}
	metrics, _ := metricsRequested(r, []byte(`{"MetricDataQueries":[{"Expression":{"x":[["SEARCH('x')"]]}}]}`))
	assert.Equal(t, int64(501), metrics, "in another value")
}

func TestSession_QueryWithUnknownStatusIsStopped(t *testing.T) {
	m := newMeteredAWS(t)
	m.unknown, m.scans = true, 2e9
	session, connect, end := limited(t, m, 0.25, never)
	answer, _ := ask(t, connect(), startQuery(m), aQuery)
	require.Empty(t, answer.Error)

	end()

	assert.Equal(t, 1, m.count("StopQuery"))
	billed, stopped := session.Billed()
	require.Len(t, billed, 1)
	assert.GreaterOrEqual(t, billed[0].Units, int64(2e9))
	assert.Equal(t, 1, stopped)
}

func TestListed_CountsIDs(t *testing.T) {
	count := listed("TraceIds", 5)
	for body, want := range map[string]int64{
		`{}`: 5, `{"TraceIds":["a"]}`: 5, `{"traceIds":["a","b","c","d","e","f","g"]}`: 7,
		`{"TraceIds":["a"],"TraceIds":["a","b","c","d","e","f"]}`: 6,
	} {
		units, reason := count(nil, []byte(body))
		assert.Empty(t, reason)
		assert.Equal(t, want, units, body)
	}
	_, reason := count(nil, []byte("{"))
	assert.Contains(t, reason, "cannot be counted")
}

func TestTariffOf_ChargesAnalysesButNotTheirDescriptions(t *testing.T) {
	for _, tt := range []struct {
		service, operation string
		price              float64 // 0: free
	}{
		{"comprehend", "DetectEntities", 0.125},
		{"comprehend", "BatchDetectSentiment", 0.125},
		{"comprehend", "ListEntityRecognizers", 0},
		{"comprehend", "DescribeEndpoint", 0},
		{"rekognition", "DetectLabels", 0.001},
		{"rekognition", "GetCelebrityInfo", 0.001},
		{"rekognition", "ListCollections", 0},
		{"rekognition", "DescribeProjects", 0},
		{"devops-guru", "ListInsights", 0.00004},
		{"devops-guru", "DescribeInsight", 0.00004},
	} {
		op := theTables().service(tt.service).operations[tt.operation]
		require.NotNil(t, op, tt.operation)
		found, isBilled := tariffOf(op)
		assert.Equal(t, tt.price > 0, isBilled, tt.operation)
		assert.InDelta(t, tt.price, found.price, 1e-9, tt.operation)
	}
}

func TestMetricsOfWidget_CountsMetricsAndSearches(t *testing.T) {
	r := httptest.NewRequest("POST", "https://monitoring.eu-west-1.amazonaws.com/", nil)
	for _, c := range []struct {
		widget string
		want   int64
	}{
		{`{"metrics":[["AWS/EC2","CPUUtilization"],["AWS/EC2","NetworkIn"]]}`, 2},
		{`{"metrics":[[{"expression":"SEARCH('{AWS/EC2}', 'Average', 300)"}]]}`, 501},
		{`{"metrics":[["App","Latency","Operation","SELECT"]]}`, 1},
		{`{"view":"timeSeries"}`, 1},
		{`not a widget`, 500},
	} {
		metrics, reason := metricsOfWidget(r, []byte(url.Values{"Action": {"GetMetricWidgetImage"}, "MetricWidget": {c.widget}}.Encode()))
		assert.Empty(t, reason)
		assert.Equal(t, c.want, metrics, c.widget)
	}
}

// ToolAllowBilledReads opens these reads, and the limit of a call must apply to each of them.
func TestTariffs_EachBilledReadHasOne(t *testing.T) {
	free := map[string]string{
		"cloudformation:DetectStackDrift": "it starts a job", "cloudformation:DetectStackResourceDrift": "it starts a job",
		"cloudformation:DetectStackSetDrift": "it starts a job", "ds:VerifyTrust": "it starts a job",
		"iam:GenerateOrganizationsAccessReport": "it starts a job", "iam:GenerateServiceLastAccessedDetails": "it starts a job",
		"servicediscovery:DiscoverInstances": "$0.000001", "servicediscovery:DiscoverInstancesRevision": "$0.000001",
	}
	patterns, found := lower(toolpolicy.DeniedOnly(toolpolicy.BilledReads)), 0
	for id := range theTables().blocks {
		for _, op := range theTables().service(id).operations {
			if !matches(patterns, op.action) {
				continue
			}
			found++
			_, billed := tariffOf(op)
			assert.NotEqual(t, billed, free[op.action] != "", "%s has a tariff, or a reason why not", op.action)
		}
	}
	assert.Greater(t, found, 80)
}

func TestBilling_CountsReadsOfOtherGroupsAndServices(t *testing.T) {
	permissions := func(operation, body string) forgedRequest {
		request := jsonRequest(operation, "verifiedpermissions", "VerifiedPermissions."+operation, body, "could cost $0.00")
		request.Headers[0][1] = typeJSON + "1.0"
		return request
	}
	operations := func(name string) forgedRequest { return jsonRequest(name, "ssm", "AmazonSSM."+name, "{}", "") }
	refusedForMoney(t, nil, operations("GetOpsItem"), operations("DescribeOpsItems"), operations("GetOpsSummary"))
	refusedForMoney(t, nil, jsonRequest("portfolios", "servicecatalog", "AWS242ServiceCatalogService.ListPortfolios", "{}", "could cost $0.0007"))
	refusedForMoney(t, nil, permissions("ListPolicies", `{"policyStoreId":"p"}`), permissions("BatchGetPolicy", `{"requests":[{},{}]}`))
	refusedForMoney(t, func(o *Options) { o.OpenReads = []toolpolicy.Group{toolpolicy.BilledReads} }, permissions("BatchIsAuthorized", `{}`))
	refusedForMoney(t, func(o *Options) { o.OpenReads = []toolpolicy.Group{toolpolicy.HostOutput} },
		jsonRequest("live tail", "logs", "Logs_20140328.StartLiveTail", `{"logGroupIdentifiers":["g"]}`, "could cost $0.15").at("https://stream-logs.us-east-1.amazonaws.com/"))
}

func TestTariffs_NameOperationsOfTheTables(t *testing.T) {
	known := map[string]bool{"cloudwatch:QueryMetrics": true}
	for id := range theTables().blocks {
		s := theTables().service(id)
		known[s.prefix+":*"] = true
		for name := range s.operations {
			known[s.prefix+":"+name] = true
		}
	}
	for name := range tariffs {
		assert.True(t, known[name], name)
	}
}
