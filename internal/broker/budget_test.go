package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openSession is a session to which a test opens many connections.
type openSession struct {
	t       *testing.T
	control int
	session *Session
	end     func() // ends the session and waits
}

func newOpenSession(t *testing.T, b *Broker) *openSession {
	t.Helper()
	control, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(control[0], true))
	s := &openSession{t: t, control: control[1], session: b.NewSession(0)}
	ours := os.NewFile(uintptr(control[0]), "control")
	served := make(chan struct{})
	go func() { s.session.Serve(context.Background(), ours); close(served) }()
	s.end = sync.OnceFunc(func() {
		unix.Close(control[1])
		<-served
		ours.Close()
	})
	t.Cleanup(s.end)
	return s
}

// connections returns the number of open connections.
func (s *Session) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *openSession) dial() net.Conn {
	s.t.Helper()
	stream, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(s.t, err)
	require.NoError(s.t, unix.Sendmsg(s.control, []byte("C"), unix.UnixRights(stream[1]), nil, 0))
	unix.Close(stream[1])
	file := os.NewFile(uintptr(stream[0]), "connection")
	defer file.Close()
	connection, err := net.FileConn(file)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { connection.Close() })
	return connection
}

// begin sends the head of a request and a part of its body.
func begin(t *testing.T, c net.Conn, head requestHead, part []byte) {
	t.Helper()
	encoded, err := json.Marshal(head)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = c.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(encoded))), encoded...))
	require.NoError(t, err)
	_, _ = c.Write(part) // the broker may have refused the request already
}

// refusal reads the reason for which a request is refused.
func refusal(c net.Conn) string {
	var size uint32
	if binary.Read(c, binary.LittleEndian, &size) != nil {
		return ""
	}
	buffer := make([]byte, size)
	_, _ = io.ReadFull(c, buffer)
	var answer answerHead
	_ = json.Unmarshal(buffer, &answer)
	return answer.Error
}

func staticBroker(t *testing.T, o Options) *Broker {
	t.Helper()
	o.Credentials = credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token")
	b, err := New(o)
	require.NoError(t, err)
	return b
}

func TestSession_BoundsMemoryOfRequestsInFlight(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		name   string
		head   requestHead
		part   int // bytes that are sent of the body, or of the head if there is no body
		refuse string
		most   int // requests that may be held
	}{
		{"bodies that do not end", requestHead{Method: "POST", URL: server.URL + "/", Body: maxBody}, 1 << 10, "more than 32 MB", maxInFlight / maxBody},
		{"bodies that never begin", requestHead{Method: "POST", URL: server.URL + "/", Body: maxBody}, 0, "more than 32 MB", maxInFlight / maxBody},
		{"bodies for another host", requestHead{Method: "POST", URL: "https://evil.example/", Body: maxBody}, 0, "not an AWS API endpoint", 0},
		{"bodies for an address that is not a URL", requestHead{Method: "POST", URL: "http://[", Body: maxBody}, 0, "cannot be sent", 0},
		{"smaller bodies", requestHead{Method: "POST", URL: server.URL + "/", Body: maxBody / 8}, 1 << 10, "more than 32 MB", 8 * maxInFlight / maxBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := staticBroker(t, Options{Endpoints: []string{server.URL}})
			s := newOpenSession(t, b)
			var connections []net.Conn
			for range 60 {
				connection := s.dial()
				connections = append(connections, connection)
				begin(t, connection, c.head, make([]byte, c.part))
			}
			refused := func() (n int) { _, _, n = s.session.Audit(); return n }
			require.Eventually(t, func() bool { return refused() >= 60-c.most }, 20*time.Second, time.Millisecond)
			reasons := 0
			for _, connection := range connections {
				require.NoError(t, connection.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
				if strings.Contains(refusal(connection), c.refuse) {
					reasons++
				}
				connection.Close()
			}
			assert.Equal(t, refused(), reasons)

			require.Eventually(t, func() bool { return s.session.connections() == 0 }, 20*time.Second, time.Millisecond)
			answer, _ := ask(t, s.dial(), requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
			assert.Equal(t, http.StatusOK, answer.Status, "the memory was returned")
			assert.Eventually(t, func() bool { b.inFlight.mu.Lock(); defer b.inFlight.mu.Unlock(); return b.inFlight.left == maxInFlight }, 5*time.Second, time.Millisecond)
		})
	}
}

func TestSession_BoundsMemoryOfHeads(t *testing.T) {
	b := staticBroker(t, Options{})
	s := newOpenSession(t, b)
	for range 60 {
		connection := s.dial()
		_, err := connection.Write(binary.LittleEndian.AppendUint32(nil, maxHeader))
		require.NoError(t, err)
	}
	most := maxInFlight / maxHeader / headCopies
	assert.Eventually(t, func() bool { return s.session.connections() <= most }, 20*time.Second, time.Millisecond)
}

// Each bucket has a separate host. Looking at all buckets of an account must not use up the descriptors.
func TestSession_BoundsIdleConnections(t *testing.T) {
	var mu sync.Mutex
	open, most := map[net.Conn]bool{}, 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if open[c] = true; state == http.StateClosed {
			delete(open, c)
		}
		most = max(most, len(open))
	}
	server.Start()
	t.Cleanup(server.Close)
	transport := newTransport()
	transport.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	b := staticBroker(t, Options{Transport: transport})
	for _, c := range []struct {
		name    string
		buckets int
		kept    bool
	}{{"a thousand buckets", 1000, false}, {"a few buckets", maxKeptHosts / 2, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := newOpenSession(t, b)
			connection := s.dial()
			for n := range c.buckets {
				answer, _ := ask(t, connection, requestHead{Method: "GET", URL: fmt.Sprintf("https://bucket-%d.s3.eu-west-1.amazonaws.com/?location=", n),
					Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
				require.Equal(t, http.StatusOK, answer.Status, answer.Error)
			}
			connection.Close()
			s.end()
			count := func() int { mu.Lock(); defer mu.Unlock(); return len(open) }
			if c.kept {
				assert.Equal(t, c.buckets, count(), "the next call uses them again")
			} else {
				assert.Eventually(t, func() bool { return count() == 0 }, 10*time.Second, time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			assert.LessOrEqual(t, most, maxIdle+8, "a closed connection is noticed a little later")
		})
	}
}

// logBuffer is a log that several goroutines write.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The log lists a request before AWS answers it, so that the list survives the process. It does not contain what
// the code sent.
func TestExchange_LogsRequestBeforeItIsSent(t *testing.T) {
	logged := &logBuffer{}
	var atArrival string
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { atArrival = logged.String() }))
	t.Cleanup(server.Close)
	b := staticBroker(t, Options{Endpoints: []string{server.URL}, Log: slog.New(slog.NewJSONHandler(logged, nil))})
	connection := newOpenSession(t, b).dial()

	answer, _ := ask(t, connection, requestHead{Method: "GET", URL: server.URL + "/secret-name?acl=", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
	require.Equal(t, http.StatusOK, answer.Status)
	refused, _ := ask(t, connection, requestHead{Method: "PUT", URL: server.URL + "/secret-name", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
	require.NotEmpty(t, refused.Error)

	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(atArrival), &line), "one line: %s", atArrival)
	assert.Equal(t, []any{"INFO", "AWS request", "s3", "GetBucketAcl", "eu-west-1"},
		[]any{line["level"], line["msg"], line["service"], line["operation"], line["region"]})
	assert.Equal(t, atArrival, logged.String(), "a request that was not sent is not logged as sent")
	assert.NotContains(t, logged.String(), "secret-name")
}

// Code can begin many long answers at the same time and wait before it reads more of them.
func TestSession_BoundsMemoryOfAnswers(t *testing.T) {
	const answers, length = 40, 3 << 20
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(bytes.Repeat([]byte("x"), length))
	}))
	t.Cleanup(server.Close)
	var mu sync.Mutex
	observed, cut := 0, 0
	b := staticBroker(t, Options{Endpoints: []string{server.URL}, Observe: func(body []byte, isCut bool) {
		mu.Lock()
		defer mu.Unlock()
		if observed += len(body); isCut {
			cut++
		}
	}})
	s := newOpenSession(t, b)
	var connections []net.Conn
	for range answers {
		connection := s.dial()
		connections = append(connections, connection)
		begin(t, connection, requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, nil)
	}
	left := func() int { b.kept.mu.Lock(); defer b.kept.mu.Unlock(); return b.kept.left }
	// The last bytes stay unread: the broker keeps what it has forwarded.
	var reading sync.WaitGroup
	for _, connection := range connections {
		reading.Go(func() { io.CopyN(io.Discard, connection, length-(256<<10)) })
	}
	reading.Wait()
	require.Less(t, left(), maxKept/2)
	for _, connection := range connections {
		connection.Close()
	}
	require.Eventually(t, func() bool { return s.session.connections() == 0 }, 20*time.Second, time.Millisecond)
	assert.Equal(t, maxKept, left(), "the memory was returned")
	assert.LessOrEqual(t, observed, maxKept+answers*maxBeginning)
	assert.GreaterOrEqual(t, cut, answers-maxKept/length-1, "answers without memory are marked as cut")

	observed, cut = 0, 0
	_, body := ask(t, s.dial(), requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
	assert.Len(t, body, length)
	s.end()
	assert.Equal(t, length, observed)
	assert.Zero(t, cut)
}

func TestSession_KeepsTheCodeOfAnErrorWithoutMemory(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<Error><Code>SlowDown</Code><Message>%s</Message></Error>", strings.Repeat("x", 100<<10))
	}))
	t.Cleanup(server.Close)
	isCut := false
	b := staticBroker(t, Options{Endpoints: []string{server.URL}, Observe: func(_ []byte, cut bool) { isCut = cut }})
	require.True(t, b.kept.take(maxKept))
	s := newOpenSession(t, b)
	ask(t, s.dial(), requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
	s.end()
	calls, _, _ := s.session.Audit()
	require.Len(t, calls, 1)
	assert.Equal(t, "SlowDown", calls[0].ErrorCode)
	assert.True(t, isCut)
}
