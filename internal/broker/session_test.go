package broker

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

const (
	realKey    = "ASIAREAL000000000000"
	realSecret = "real-secret"
	dummyScope = "AWS4-HMAC-SHA256 Credential=" + DummyAccessKey + "/20260102/eu-west-1/%s/aws4_request, SignedHeaders=host, Signature=00"
)

// dial starts a session and returns a connection to it, created as the sandboxed code does.
func dial(t *testing.T, endpoint string) (net.Conn, *Session) {
	t.Helper()
	return dialWith(t, Options{Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token"), Endpoints: []string{endpoint}})
}

func dialWith(t testing.TB, o Options) (net.Conn, *Session) {
	t.Helper()
	b, err := New(o)
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	connect, _ := serve(t, session)
	return connect(), session
}

// serve serves a session. connect returns a new connection to it, created as the sandboxed code does; end
// ends the session as the sandbox does.
func serve(t testing.TB, session *Session) (connect func() net.Conn, end func()) {
	t.Helper()
	control, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(control[0], true))
	ours := os.NewFile(uintptr(control[0]), "control")
	served := make(chan struct{})
	go func() { session.Serve(context.Background(), ours); close(served) }()
	end = sync.OnceFunc(func() {
		unix.Close(control[1])
		<-served
		ours.Close()
	})
	t.Cleanup(func() { end() })
	return func() net.Conn {
		stream, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Sendmsg(control[1], []byte("C"), unix.UnixRights(stream[1]), nil, 0))
		unix.Close(stream[1])
		file := os.NewFile(uintptr(stream[0]), "connection")
		connection, err := net.FileConn(file)
		require.NoError(t, err)
		file.Close()
		t.Cleanup(func() { connection.Close() })
		return connection
	}, end
}

// The code has the sockets that it passes, too, and can make them blocking. A session with both ends of a pair must end anyway.
func TestServe_EndsIfTheCodeMakesItsConnectionsBlocking(t *testing.T) {
	b, err := New(Options{Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token")})
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	control, served := startServing(t, session)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	for _, end := range pair {
		require.NoError(t, unix.Sendmsg(control, []byte("C"), unix.UnixRights(end), nil, 0))
	}
	require.Eventually(t, func() bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.open == len(pair)
	}, 10*time.Second, time.Millisecond)
	for _, end := range pair {
		require.NoError(t, unix.SetNonblock(end, false))
		_, err := unix.Write(end, []byte{0})
		require.NoError(t, err)
	}
	for _, end := range pair {
		require.Eventually(t, func() bool { // then the session waits for the rest of a request
			unread, err := unix.IoctlGetInt(end, unix.TIOCINQ)
			return err == nil && unread == 0
		}, 10*time.Second, time.Millisecond)
	}
	for _, fd := range []int{pair[0], pair[1], control} {
		unix.Close(fd)
	}
	select {
	case <-served:
	case <-time.After(10 * time.Second):
		t.Fatal("the session does not end")
	}
}

// A message without bytes can carry descriptors, which must not stay open: a file would keep its space after it was removed.
func TestServe_KeepsNoDescriptorOfAnEmptyMessage(t *testing.T) {
	b, err := New(Options{Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token")})
	require.NoError(t, err)
	control, served := startServing(t, b.NewSession(toolcall.DefaultQueryLimitUSD))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	rights := unix.UnixRights(int(write.Fd()), int(write.Fd()))
	message := unix.Msghdr{Control: &rights[0], Controllen: uint64(len(rights))}
	_, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(control), uintptr(unsafe.Pointer(&message)), 0) // unix.Sendmsg would add a byte
	require.Zero(t, errno)
	write.Close()
	unix.Close(control)
	<-served
	require.NoError(t, read.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = read.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF, "nobody has the other end of the pipe")
}

// startServing serves a session, and returns the code's end of its control socket.
func startServing(t *testing.T, session *Session) (control int, served <-chan struct{}) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(pair[0], true))
	ours := os.NewFile(uintptr(pair[0]), "control")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer ours.Close()
		session.Serve(context.Background(), ours)
	}()
	return pair[1], done
}

func ask(t *testing.T, c net.Conn, head requestHead, body string) (answerHead, string) {
	t.Helper()
	head.Body = len(body)
	encoded, err := json.Marshal(head)
	require.NoError(t, err)
	_, err = c.Write(append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(encoded))), encoded...), body...))
	require.NoError(t, err)
	var size uint32
	require.NoError(t, binary.Read(c, binary.LittleEndian, &size))
	buffer := make([]byte, size)
	_, err = io.ReadFull(c, buffer)
	require.NoError(t, err)
	var answer answerHead
	require.NoError(t, json.Unmarshal(buffer, &answer))
	if answer.Error != "" {
		return answer, ""
	}
	var got strings.Builder
	for {
		var chunk int32
		require.NoError(t, binary.Read(c, binary.LittleEndian, &chunk))
		if chunk <= 0 {
			return answer, got.String()
		}
		_, err := io.CopyN(&got, c, int64(chunk))
		require.NoError(t, err)
	}
}

// signature returns the signature of the request that arrived and the one that AWS would compute for it,
// joined by "=". It follows AWS's documentation and uses no code of the SDK.
func signature(r *http.Request, body string, path string) string {
	fields := map[string]string{}
	for _, part := range strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.SplitN(fields["Credential"], "/", 2)[1]
	headers := ""
	for _, name := range strings.Split(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = r.Header.Get("Content-Length")
		}
		headers += name + ":" + value + "\n"
	}
	sum := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
	canonical := strings.Join([]string{r.Method, path, r.URL.RawQuery, headers, fields["SignedHeaders"], sum(body)}, "\n")
	key := []byte("AWS4" + realSecret)
	for _, text := range append(strings.Split(scope, "/"),
		"AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scope+"\n"+sum(canonical)) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		key = mac.Sum(nil)
	}
	return fields["Signature"] + "=" + hex.EncodeToString(key)
}

func TestExchange_ReplacesDummySignature(t *testing.T) {
	logs := [][2]string{{"X-Amz-Target", "Logs_20140328.DescribeLogGroups"}, {"Content-Type", "application/x-amz-json-1.1"}}
	for _, c := range []struct {
		name, service, method, path, canonical, query, body string
		headers                                             [][2]string
		operation                                           string
	}{
		{"a JSON protocol", "logs", "POST", "/", "/", "", `{"limit":1}`, logs, "DescribeLogGroups"},
		{"a path that is escaped twice", "lambda", "GET", "/2015-03-31/functions/arn%3Aaws%3Ax/configuration", "/2015-03-31/functions/arn%253Aaws%253Ax/configuration", "", "", nil, "GetFunctionConfiguration"},
		{"an S3 key, which is escaped once", "s3", "GET", "/bucket/a%20b%2B~%C3%A9", "/bucket/a%20b%2B~%C3%A9", "acl=", "", nil, "GetObjectAcl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = signature(r, string(body), c.canonical)
				assert.Contains(t, r.Header.Get("Authorization"), "Credential="+realKey+"/")
				assert.Equal(t, "real-token", r.Header.Get("X-Amz-Security-Token"))
				assert.Equal(t, c.path, r.URL.EscapedPath())
				assert.Equal(t, c.query, r.URL.RawQuery)
				io.WriteString(w, "answer")
			}))
			defer server.Close()
			connection, session := dial(t, server.URL)

			address := server.URL + c.path
			if c.query != "" {
				address += "?" + c.query
			}
			answer, body := ask(t, connection, requestHead{Method: c.method, URL: address,
				Headers: append(c.headers, [2]string{"Authorization", strings.Replace(dummyScope, "%s", c.service, 1)})}, c.body)

			assert.Equal(t, http.StatusOK, answer.Status)
			assert.Equal(t, "answer", body)
			sent, computed, _ := strings.Cut(got, "=")
			assert.Equal(t, computed, sent)
			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5e9, 1e6)
			calls, _, _ := session.Audit()
			assert.Equal(t, c.operation, calls[0].Operation)
			assert.Equal(t, c.service, calls[0].Service)
		})
	}
}

func TestExchange_RefusalKeepsConnectionUsable(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException:http://internal")
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	connection, session := dial(t, server.URL)

	refused, _ := ask(t, connection, requestHead{Method: "GET", URL: "https://evil.example/"}, "")
	assert.Equal(t, kindRefused, refused.Kind)
	assert.Contains(t, refused.Error, `"evil.example" is not an AWS API endpoint`)
	answer, _ := ask(t, connection, requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
	assert.Equal(t, http.StatusForbidden, answer.Status)

	require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 2 }, 5e9, 1e6)
	calls, unlisted, refusals := session.Audit()
	assert.Zero(t, unlisted)
	assert.Equal(t, 1, refusals)
	assert.NotEmpty(t, calls[0].Refused)
	assert.Equal(t, "AccessDeniedException", calls[1].ErrorCode)
}

// What the report lists as not seen comes from these codes.
func TestExchange_RecordsTheErrorCodeOfEveryProtocol(t *testing.T) {
	inCBOR := func(name string) string {
		return string(cbor.Encode(cbor.Map{"__type": cbor.String(name), "message": cbor.String(strings.Repeat("x", 3000))}))
	}
	for _, c := range []struct {
		name, kind string
		headers    [][2]string
		body, want string
	}{
		{"CBOR", typeCBOR, nil, inCBOR("ThrottlingException"), "ThrottlingException"},
		{"CBOR with a namespace", typeCBOR, nil, inCBOR("com.amazonaws.cloudwatch#AccessDeniedException"), "AccessDeniedException"},
		{"CBOR and the code of a query", typeCBOR, [][2]string{{"X-Amzn-Query-Error", "Throttling;Sender"}}, inCBOR("com.amazonaws.cloudwatch#ThrottlingException"), "Throttling"},
		{"CBOR that is no map", typeCBOR + "; x=y", nil, string(cbor.Encode(cbor.String("__type"))), ""},
		{"CBOR with a sentence as the code", typeCBOR, nil, inCBOR("deleted by eve"), ""},
		{"JSON and the code of a query", "application/x-amz-json-1.0", [][2]string{{"X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender"}}, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}`, "AWS.SimpleQueueService.NonExistentQueue"},
		{"JSON", "application/x-amz-json-1.0", nil, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}`, "QueueDoesNotExist"},
		{"XML", "text/xml", nil, "<Error><Code>AccessDenied</Code></Error>", "AccessDenied"},
		{"a header", typeCBOR, [][2]string{{"X-Amzn-Errortype", "com.amazonaws#AccessDeniedException:http://internal"}}, "", "AccessDeniedException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				for _, header := range c.headers {
					w.Header().Set(header[0], header[1])
				}
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			connection, session := dial(t, server.URL)
			_, _ = ask(t, connection, requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "s3", 1)}}}, "")
			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5e9, 1e6)
			calls, _, _ := session.Audit()
			assert.Equal(t, c.want, calls[0].ErrorCode)
		})
	}
}

// AWS can repeat what the code writes into headers, so an exchange has these texts.
func TestExchange_RecordsTheHeadersOfTheCode(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	defer server.Close()
	recorded := make(chan Exchange, 1)
	c, _ := dialWith(t, Options{
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token"), Endpoints: []string{server.URL},
		Record: func(e Exchange) { recorded <- e },
	})
	answer, _ := ask(t, c, requestHead{Method: "POST", URL: server.URL + "/", Headers: [][2]string{
		authorization(DummyAccessKey, "logs"), {"X-Amz-Target", "Logs_20140328.DescribeLogGroups"}, {"Content-Type", "application/x-amz-json-1.1"},
		{"User-Agent", "orders table was deleted"}, {"Amz-Sdk-Invocation-Id", "3fa85f64-5717-4562-b3fc-2c963f66afa6"}, {"X-Other", "not forwarded"},
	}}, "{}")
	require.Empty(t, answer.Error)
	got := <-recorded
	assert.Equal(t, []string{"Content-Type: application/x-amz-json-1.1", "User-Agent: orders table was deleted",
		"X-Amz-Target: Logs_20140328.DescribeLogGroups"}, got.Sent)
	assert.NotContains(t, strings.Join(got.Sent, "\n"), realKey)
}

// One answer, or many at the same time, could otherwise exceed the limit of a call by any amount.
func TestExchange_AnAnswerEndsAtTheLimitOfTheCall(t *testing.T) {
	const left, more = 3 << 20, 5 << 20
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", left+more))
	}))
	defer server.Close()
	connection, session := dial(t, server.URL)
	session.count(maxReceived - left)
	head := requestHead{Method: "GET", URL: server.URL + "/", Headers: [][2]string{authorization(DummyAccessKey, "s3")}}
	send(t, connection, head, "")
	got := make([]byte, left+maxChunk)
	n, err := io.ReadFull(connection, got) // the broker closes the connection after an answer that it did not forward as a whole
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	got = got[:n]
	assert.Contains(t, string(got), "reached its limit of 1024 MB of AWS answers")
}

func TestExchange_RefusesWhatIsNoRegion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	defer server.Close()
	c, _ := dial(t, server.URL)
	for region, refused := range map[string]bool{
		"us-east-1": false, "us-gov-west-1": false, "cn-north-1": false, "eusc-de-east-1": false, "us-iso-east-1": false, "ap-southeast-5": false, "mx-central-1": false,
		"orders-table-was-deleted-by-eve": true, "us-east-1-was-deleted-1": true, "deleted": true, "us-east": true, "us-east-1a": true, "eu--1": true,
		"eu-9f86d081884c7d65-1": true, "eu-west-83947261508": true, "us-iso-deleted-1": true, "eu-midwest-1": true, "*": true, "EU-WEST-1": true, "eu_west_1": true,
	} {
		answer, _ := ask(t, c, requestHead{Method: "POST", URL: server.URL + "/", Headers: [][2]string{
			{"Authorization", strings.Replace(authorization(DummyAccessKey, "logs")[1], "us-east-1", region, 1)},
			{"X-Amz-Target", "Logs_20140328.DescribeLogGroups"}, {"Content-Type", "application/x-amz-json-1.1"},
		}}, "{}")
		if refused {
			assert.Contains(t, answer.Error, "is not a Region of AWS", region)
		} else {
			assert.Empty(t, answer.Error, region)
		}
	}
}

// heldCredentials are credentials that the broker waits for from the second request on, as it waits for a check that takes long.
type heldCredentials struct {
	asked   atomic.Int32
	release chan struct{}
}

func (c *heldCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	if c.asked.Add(1) > 1 {
		<-c.release
	}
	return aws.Credentials{AccessKeyID: realKey, SecretAccessKey: realSecret}, nil
}

// Code can send requests whose checks take longer than the invocation lasts. The call must be answered nevertheless, with its
// queries stopped.
func TestServe_DoesNotWaitForTheCheckOfARequest(t *testing.T) {
	m := newMeteredAWS(t)
	held := &heldCredentials{release: make(chan struct{})}
	b, err := New(Options{Credentials: held, Endpoints: []string{m.URL}})
	require.NoError(t, err)
	b.logQueryPause = never
	session := b.NewSession(0.25)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(pair[0], true))
	control := os.NewFile(uintptr(pair[0]), "control")
	defer control.Close()
	ended := make(chan bool, 1)
	go func() { ended <- session.Serve(context.Background(), control) }()
	query, checked := connected(t, pair[1]), connected(t, pair[1])
	answer, _ := ask(t, query, startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	send(t, checked, startQuery(m), aQuery)
	require.Eventually(t, func() bool { return held.asked.Load() == 2 }, 10*time.Second, time.Millisecond)
	unix.Close(pair[1])

	select {
	case allEnded := <-ended:
		assert.False(t, allEnded, "the caller learns of the check")
	case <-time.After(20 * time.Second):
		close(held.release)
		require.Fail(t, "the session waits for the check of a request")
	}

	assert.Equal(t, 1, m.count("StopQuery"))
	close(held.release)
	require.Eventually(t, func() bool { return session.connections() == 0 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, 1, m.count("StartQuery"), "a request that was checked too late is not sent")
	calls, _, _ := session.Audit()
	require.Len(t, calls, 2)
	assert.Contains(t, calls[1].Refused, callEnded)
	queries, _ := session.Billed()
	require.Len(t, queries, 1)
	assert.Equal(t, 1, queries[0].Requests, "and costs nothing")
}

// serving returns a session that serves a tool call, the call's socket, and what Serve returns when the socket is closed.
func serving(t *testing.T, b *Broker) (session *Session, code int, ended <-chan bool) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(pair[0], true))
	control := os.NewFile(uintptr(pair[0]), "control")
	t.Cleanup(func() { control.Close() })
	session = b.NewSession(0.25)
	result := make(chan bool, 1)
	go func() { result <- session.Serve(context.Background(), control) }()
	return session, pair[1], result
}

func TestServe_ReportsThatEverythingEnded(t *testing.T) {
	m := newMeteredAWS(t)
	b := staticBroker(t, Options{Endpoints: []string{m.URL}})
	_, code, ended := serving(t, b)
	answer, _ := ask(t, connected(t, code), startQuery(m), aQuery)
	require.Empty(t, answer.Error)
	unix.Close(code)
	assert.True(t, <-ended)
}

// A request can wait for AWS's statistics of the queries that run. The caller would take its check for one that the code made long.
func TestServe_AQueryThatWaitsForStatisticsEndsWithTheCall(t *testing.T) {
	m := newMeteredAWS(t)
	m.hold = make(chan struct{})
	defer close(m.hold)
	b := staticBroker(t, Options{Endpoints: []string{m.URL}})
	b.logQueryPause = time.Millisecond
	session, code, ended := serving(t, b)
	connection := connected(t, code)
	for range maxLogQueries {
		answer, _ := ask(t, connection, startQuery(m), aQuery)
		require.Empty(t, answer.Error)
	}
	require.Eventually(t, func() bool { return m.count("GetQueryResults") == maxLogQueries }, 3*time.Second, time.Millisecond)
	send(t, connection, startQuery(m), aQuery)
	require.Eventually(t, func() bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.requests > maxLogQueries
	}, 3*time.Second, time.Millisecond)
	unix.Close(code)
	assert.True(t, <-ended)
}

// Lambda can freeze the tool between two calls, and AWS then closes the connections that are kept.
func TestExchange_AConnectionThatAWSClosedLosesNoRequest(t *testing.T) {
	type used struct{}
	var billed atomic.Int32
	aws := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetMetricData") {
			billed.Add(1)
		}
		if times := r.Context().Value(used{}).(*atomic.Int32); times.Add(1) > 1 {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, `{"queryId":"q-1"}`)
	}))
	aws.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, used{}, &atomic.Int32{})
	}
	aws.Start()
	defer aws.Close()
	connection, session := dial(t, aws.URL)
	m := &meteredAWS{URL: aws.URL}
	read := meteredRequest(m, "ecs", "AmazonEC2ContainerServiceV20141113.ListClusters")
	metrics := meteredRequest(m, "monitoring", "GraniteServiceVersion20100801.GetMetricData")
	for _, head := range []requestHead{read, read, startQuery(m), metrics, metrics} {
		answer, _ := ask(t, connection, head, aQuery)
		assert.Empty(t, answer.Error)
		assert.Equal(t, http.StatusOK, answer.Status)
	}
	assert.EqualValues(t, 2, billed.Load(), "none is billed twice")
	assert.Equal(t, 1, len(session.queries.list()), "the query is watched")
}

// The code must learn that there is no way to AWS, not that AWS is slow.
func TestExchange_AConnectionThatIsNotOpenedInTimeIsNoTimeoutOfAWS(t *testing.T) {
	o := toAWS(nil)
	for op, kind := range map[string]failureKind{"dial": kindConnect, "read": kindTimeout} {
		o.Transport = &failsToStart{err: &net.OpError{Op: op, Err: os.ErrDeadlineExceeded}}
		connection, _ := dialWith(t, o)
		request := logsRead("", "", authorization(DummyAccessKey, "logs"))
		answer, _ := ask(t, connection, requestHead{Method: request.Method, URL: request.URL, Headers: request.Headers}, request.Body)
		assert.Equal(t, kind, answer.Kind)
	}
}

// A request that AWS has not answered when the tool call ends is not one that found no connection to AWS.
func TestServe_RecordsThatTheCallEndedBeforeAWSAnswered(t *testing.T) {
	received := make(chan struct{})
	aws := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then, the server does not notice that the connection is closed
		close(received)
		<-r.Context().Done()
	}))
	defer aws.Close()
	b := staticBroker(t, Options{Endpoints: []string{aws.URL}})
	session, code, ended := serving(t, b)
	send(t, connected(t, code), meteredRequest(&meteredAWS{URL: aws.URL}, "ecs", "AmazonEC2ContainerServiceV20141113.ListClusters"), "{}")
	<-received
	unix.Close(code)
	assert.True(t, <-ended)
	calls, _, _ := session.Audit()
	require.Len(t, calls, 1)
	assert.Equal(t, toolcall.AWSCall{
		Service: "ecs", Operation: "ListClusters", Region: calls[0].Region, ErrorCode: codeCallEnded, DurationMS: calls[0].DurationMS,
	}, calls[0])
}

// connected returns a connection to the session of a control socket, created as the sandboxed code does.
func connected(t *testing.T, control int) net.Conn {
	t.Helper()
	return (&openSession{t: t, control: control}).dial()
}

// The checks of a request end with the call, whatever they look at.
func TestPrepare_EndsWithTheCall(t *testing.T) {
	list := func(element string) string { return "[" + strings.Repeat(element+",", 1000) + element + "]" }
	for _, c := range []struct {
		name string
		head requestHead
		body string
	}{
		{"numbers", meteredRequest(&meteredAWS{}, "ecs", "AmazonEC2ContainerServiceV20141113.DescribeTasks"), list("1e308")},
		{"texts", meteredRequest(&meteredAWS{}, "ecs", "AmazonEC2ContainerServiceV20141113.DescribeTasks"), list(`"a"`)},
		{"a long request", meteredRequest(&meteredAWS{}, "ecs", "AmazonEC2ContainerServiceV20141113.DescribeTasks"), list(strings.Repeat("1", 100))},
		{"readings of a path", requestHead{Method: "GET", URL: "/b%2525252561", Headers: [][2]string{{"Authorization", fmt.Sprintf(dummyScope, "s3")}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := staticBroker(t, Options{Account: func(context.Context) string { return "123456789012" }})
			session := b.NewSession(0)
			session.Begin(t.Context(), "")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			c.head.URL = map[bool]string{true: "https://s3.eu-west-1.amazonaws.com", false: "https://ecs.eu-west-1.amazonaws.com"}[c.head.Method == "GET"] + c.head.URL
			for range maxChecked { // others are being checked
				b.turns <- struct{}{}
			}
			c.head.Body = len(c.body)
			_, _, reason := session.prepareInTurn(ctx, c.head, []byte(c.body))
			assert.Contains(t, reason, callEnded)
		})
	}
}

// The code can send many requests at the same time whose checks take long. They must not delay the broker's looks at running
// queries, which limit what they cost.
func TestPrepare_RequestsOfSomeKilobytesTakeTurns(t *testing.T) {
	b := staticBroker(t, Options{})
	for range maxChecked {
		b.turns <- struct{}{}
	}
	session := b.NewSession(0)
	session.Begin(t.Context(), "")
	read := func(ctx context.Context, path string) string {
		head := requestHead{Method: "GET", URL: "https://s3.eu-west-1.amazonaws.com" + path + "?acl", Headers: [][2]string{{"Authorization", fmt.Sprintf(dummyScope, "s3")}}}
		_, _, reason := session.prepareInTurn(ctx, head, nil)
		return reason
	}
	assert.Empty(t, read(t.Context(), "/bucket/key"), "a usual request does not wait")
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.Equal(t, callEnded, read(short, "/bucket/"+strings.Repeat("a", 3000)))
}

// One byte of a body can be a value, which takes much more memory than its byte.
func TestExchange_ManyValuesTakeLittleMemory(t *testing.T) {
	const values = 8 << 20
	cborList := append(binary.BigEndian.AppendUint32([]byte{0x9a}, values), bytes.Repeat([]byte{0xa0}, values)...)
	for _, c := range []struct {
		name, url, service string
		headers            [][2]string
		body               string
	}{
		{"CBOR", "https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/DescribeAlarms", "monitoring",
			[][2]string{{"Content-Type", typeCBOR}, {"Smithy-Protocol", "rpc-v2-cbor"}}, string(cborList)},
		{"XML elements", "https://cloudfront.amazonaws.com/2020-05-31/distributionsByRealtimeLogConfig", "cloudfront",
			[][2]string{{"Content-Type", "application/xml"}}, "<a>" + strings.Repeat("<b/>", values/4) + "</a>"},
		{"XML attributes", "https://cloudfront.amazonaws.com/2020-05-31/distributionsByRealtimeLogConfig", "cloudfront",
			[][2]string{{"Content-Type", "application/xml"}}, "<a" + strings.Repeat(` b=""`, values/5) + "/>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := staticBroker(t, Options{Account: func(context.Context) string { return "123456789012" }})
			session := b.NewSession(0)
			session.Begin(t.Context(), "")
			head := requestHead{Method: "POST", URL: c.url, Headers: append(c.headers, [2]string{"Authorization", fmt.Sprintf(dummyScope, c.service)}), Body: len(c.body)}
			body := []byte(c.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, reason := session.prepareInTurn(t.Context(), head, body)
			runtime.ReadMemStats(&after)
			assert.Contains(t, reason, "the request's body is not valid")
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20))
		})
	}
}

// One byte of a text can be a value, too: in a list in JSON, a name in metric math, or a number in the URL of a queue.
func TestPrepare_ManyValuesInTextsTakeLittleMemory(t *testing.T) {
	const size = 2 << 20
	lists := `"[` + strings.Repeat("0,", 1000) + `0]",`
	expressions := strings.Repeat(`{"Expression":`, 20) + "[" + strings.Repeat(`"",`, 250_000) + `""]` + strings.Repeat("}", 20)
	for _, c := range []struct {
		name, service, target, body, denied, reason string
		most                                        uint64 // MB that are allocated
	}{
		{"expressions in expressions", "monitoring", "GraniteServiceVersion20100801.GetMetricData", `{"MetricDataQueries":[` + expressions + `]}`, "", "", 400},
		{"numbers in the URL of a queue", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"` + strings.Repeat("1/", size/2) + `"}`, "", "", 60},
		{"escapes of which one is not valid", "sqs", "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"` + strings.Repeat("%2541", size/5) + `%"}`, "", "", 25},
		{"lists in texts", "logs", "Logs_20140328.DescribeLogGroups", `{"names":[` + strings.Repeat(lists, size/len(lists)) + `0]}`,
			"arn:aws:logs:*:*:log-group:vault", "more than 300000 values", 150},
		{"quotes in metric math", "monitoring", "GraniteServiceVersion20100801.DescribeAlarms",
			`{"AlarmNames":["INSIGHT_RULE_METRIC(` + strings.Repeat(`'a`, size/2) + `"]}`, "arn:aws:cloudwatch:*:*:alarm:vault", "more than 300000 values", 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := staticBroker(t, Options{Account: func(context.Context) string { return "123456789012" }, DeniedResources: []string{c.denied}})
			session := b.NewSession(1)
			session.Begin(t.Context(), "")
			head := meteredRequest(&meteredAWS{}, c.service, c.target)
			head.URL, head.Body = "https://"+c.service+".eu-west-1.amazonaws.com/", len(c.body)
			body := []byte(c.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, reason := session.prepareInTurn(t.Context(), head, body)
			runtime.ReadMemStats(&after)
			assert.Contains(t, reason, c.reason)
			assert.Equal(t, c.reason == "", reason == "", reason)
			assert.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, c.most)
		})
	}
}

func TestPrepare_RefusesVeryLongExpressions(t *testing.T) {
	b := staticBroker(t, Options{})
	for target, body := range map[string]string{
		"GraniteServiceVersion20100801.GetMetricData": `{"MetricDataQueries":[{"Id":"a","Expression":"%s"}]}`,
		"Logs_20140328.StartQuery":                    `{"logGroupName":"g","startTime":1,"endTime":2,"queryString":"%s"}`,
	} {
		service := map[bool]string{true: "logs", false: "monitoring"}[strings.HasPrefix(target, "Logs")]
		head := meteredRequest(&meteredAWS{}, service, target)
		head.URL = "https://" + service + ".eu-west-1.amazonaws.com/"
		for length, want := range map[int]bool{10_000: false, maxSearchedBody + 1: true} {
			text := fmt.Sprintf(body, strings.Repeat("a", length))
			head.Body = len(text)
			_, _, reason := b.NewSession(1).prepareInTurn(t.Context(), head, []byte(text))
			assert.Equal(t, want, strings.Contains(reason, "256 KB"), "%s with %d bytes: %s", target, length, reason)
		}
	}
}

func TestAmbiguousQuery_LimitsTheParameters(t *testing.T) {
	assert.Empty(t, ambiguousQuery("a=1"+strings.Repeat("&a=1", maxParameters-1)))
	assert.Contains(t, ambiguousQuery("a=1"+strings.Repeat("&a=1", maxParameters)), "more than 500 parameters")
}
