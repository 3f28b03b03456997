package faults_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mode is how a proxy treats requests.
type mode string

const (
	up        mode = "up"
	reset     mode = "reset"     // the connection breaks
	broken    mode = "broken"    // 503
	denied    mode = "denied"    // IAM denies the request
	throttled mode = "throttled" // 429
	hanging   mode = "hanging"   // there is never an answer
)

// proxy forwards requests to a service and injects faults.
type proxy struct {
	url string

	mu     sync.Mutex
	mode   mode
	left   int // requests until the fault ends; negative: it does not end
	hits   int
	before func(n int) // called before each request is forwarded, with its number
	after  func(n int) // called after it
	slow   time.Duration
	stop   chan struct{}
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	p := &proxy{mode: up, stop: make(chan struct{})}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, forward) }))
	t.Cleanup(func() {
		close(p.stop)
		server.CloseClientConnections()
		server.Close()
	})
	p.url = "http://localhost:" + serverPort(server) // moto recognizes bucket names in hosts below localhost
	return p
}

func serverPort(server *httptest.Server) string {
	u, err := url.Parse(server.URL)
	if err != nil {
		panic(err)
	}
	return u.Port()
}

// fail makes the next requests fail; a negative number means all requests.
func (p *proxy) fail(how mode, requests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.left = how, requests
}

// hook sets the functions to call before and after each request.
func (p *proxy) hook(before, after func(n int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.after = before, after
}

// count returns the number of requests so far.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	p.mu.Lock()
	p.hits++
	n, how, before, after, slow := p.hits, p.mode, p.before, p.after, p.slow
	if p.left > 0 {
		p.left--
		if p.left == 0 {
			p.mode = up
		}
	}
	p.mu.Unlock()
	if slow > 0 {
		time.Sleep(slow) // a slow service is under test
	}
	switch how {
	case reset:
		panic(http.ErrAbortHandler)
	case broken:
		w.WriteHeader(http.StatusServiceUnavailable)
	case denied:
		answerError(w, http.StatusForbidden, "AccessDeniedException", "User: arn:aws:sts::123456789012:assumed-role/triage/x is not authorized to perform: service:Action")
	case throttled:
		answerError(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
	case hanging:
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client has closed the connection
		select {
		case <-r.Context().Done():
		case <-p.stop:
		}
	default:
		if before != nil {
			before(n)
		}
		forward.ServeHTTP(w, r)
		if after != nil {
			after(n)
		}
	}
}

func answerError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"__type":"` + code + `","message":"` + message + `","Message":"` + message + `"}`))
}
