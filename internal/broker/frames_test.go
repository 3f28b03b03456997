package broker

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder is an endpoint that records the requests that arrive.
type recorder struct {
	mu   sync.Mutex
	seen []*http.Request
	body []string
}

func (r *recorder) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.body = append(r.seen, request), append(r.body, string(body))
}

func TestReadRequest_MalformedFrameEndsOnlyItsConnection(t *testing.T) {
	length := func(n uint32, rest string) string { return string(binary.LittleEndian.AppendUint32(nil, n)) + rest }
	for name, frame := range map[string]string{
		"a head of 4 GB":         length(0xffffffff, "{}"),
		"a head above its limit": length(maxHeader+1, strings.Repeat(" ", 100)),
		"an empty head":          length(0, ""),
		"not JSON":               length(4, "nope"),
		"JSON of another kind":   length(2, "[]"),
		"a truncated head":       length(38, `{"m":"GET","u":"http://x/","h":[],"n":-1}`[:38]),
		"a negative body":        length(uint32(len(`{"n":-5}`)), `{"n":-5}`),
		"a body above its limit": length(uint32(len(`{"n":99999999999}`)), `{"n":99999999999}`),
		"plain HTTP":             "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("x", 100),
	} {
		t.Run(name, func(t *testing.T) {
			connection, session := dial(t, "http://localhost:1")
			require.NoError(t, connection.SetDeadline(time.Now().Add(5*time.Second)))
			_, err := connection.Write([]byte(frame))
			require.NoError(t, err)
			if half, ok := connection.(interface{ CloseWrite() error }); ok {
				require.NoError(t, half.CloseWrite())
			}
			rest, err := io.ReadAll(connection)
			assert.NoError(t, err)
			assert.Empty(t, rest)
			calls, _, _ := session.Audit()
			assert.Empty(t, calls, "no request was recorded")
		})
	}
}

// Whatever the code writes into method, URL, and headers, the broker sends one well-formed request or none.
func TestExchange_PreventsRequestSmuggling(t *testing.T) {
	endpoint := &recorder{}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	signed := [2]string{"Authorization", strings.Replace(dummyScope, "%s", "logs", 1)}
	target := [2]string{"X-Amz-Target", "Logs_20140328.DescribeLogGroups"}
	kind := [2]string{"Content-Type", json11}
	second := "\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Logs_20140328.DeleteLogGroup\r\nContent-Length: 2\r\n\r\n{}"
	for name, head := range map[string]requestHead{
		"a line break in a header":         {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"X-Note", "a" + second}}},
		"a line break in a header's name":  {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"X-Note: a" + second, "b"}}},
		"a line break in the method":       {Method: "POST / HTTP/1.1" + second, URL: "/", Headers: [][2]string{signed, target, kind}},
		"a line break in the path":         {Method: "POST", URL: "/" + second, Headers: [][2]string{signed, target, kind}},
		"another length":                   {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"Content-Length", "0"}}},
		"chunks":                           {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"Transfer-Encoding", "chunked"}}},
		"chunks in mixed case":             {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"tRANSFER-eNCODING", "chunked"}}},
		"another host":                     {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"Host", "sts.amazonaws.com"}}},
		"another protocol":                 {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"Connection", "Upgrade"}, {"Upgrade", "h2c"}}},
		"a second target in odd case":      {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"x-amz-target", "Logs_20140328.DeleteLogGroup"}}},
		"a body that looks like a request": {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind}},
		"a session token":                  {Method: "POST", URL: "/", Headers: [][2]string{signed, target, kind, {"X-Amz-Security-Token", "mine"}}},
	} {
		t.Run(name, func(t *testing.T) {
			connection, _ := dialWith(t, Options{Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token"), Endpoints: []string{server.URL}})
			require.NoError(t, connection.SetDeadline(time.Now().Add(10*time.Second)))
			endpoint.seen, endpoint.body = nil, nil
			head.URL = server.URL + head.URL
			body := "{}" + second
			ask(t, connection, head, body)
			endpoint.mu.Lock()
			defer endpoint.mu.Unlock()
			if strings.Contains(name, "line break") || strings.Contains(name, "second target") {
				assert.Empty(t, endpoint.seen)
			} else {
				assert.Len(t, endpoint.seen, 1)
			}
			for i, got := range endpoint.seen {
				assert.Equal(t, body, endpoint.body[i], "the whole body arrived")
				assert.Equal(t, strings.TrimPrefix(server.URL, "http://"), got.Host)
				assert.Equal(t, []string{"Logs_20140328.DescribeLogGroups"}, got.Header.Values("X-Amz-Target"))
				assert.Empty(t, got.TransferEncoding)
				assert.Empty(t, got.Header.Get("Upgrade"))
				assert.Equal(t, []string{"real-token"}, got.Header.Values("X-Amz-Security-Token"))
			}
		})
	}
}
