package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// times says what one investigation spent its time on.
type times struct {
	model    time.Duration // from each request to the model until its answer
	evidence time.Duration // the tool call before the model is asked
	tool     time.Duration // the tool calls of the model
	opening  time.Duration // the rest until the model is asked
	between  time.Duration // the rest between the model's answers
	delivery time.Duration // the rest after the model's last answer
	requests int           // that the orchestrator sent to AWS, without the model and the tool
}

func (t times) rest() time.Duration { return t.opening + t.between + t.delivery }

// span is one request, from its arrival until its answer.
type span struct {
	what       string
	start, end time.Time
}

// divide divides the time of an investigation. It attributes a moment to the model or the tool if one of them is working.
func divide(whole span, model, tool []span) times {
	first, last := model[0].start, model[len(model)-1].end
	var evidence, calls []span
	for _, one := range tool {
		if one.start.Before(first) {
			evidence = append(evidence, one)
		} else {
			calls = append(calls, one)
		}
	}
	t := times{model: covered(model), evidence: covered(evidence), tool: covered(calls)}
	t.opening = first.Sub(whole.start) - t.evidence
	t.between = last.Sub(first) - t.model - t.tool
	t.delivery = whole.end.Sub(last)
	return t
}

// covered returns the time in which at least one of the spans is open.
func covered(spans []span) time.Duration {
	slices.SortFunc(spans, func(a, b span) int { return a.start.Compare(b.start) })
	var total time.Duration
	var until time.Time
	for _, one := range spans {
		if one.start.After(until) {
			until = one.start
		}
		if one.end.After(until) {
			total += one.end.Sub(until)
			until = one.end
		}
	}
	return total
}

// proxy delays requests and records them.
type proxy struct {
	url   string
	close func()

	mu    sync.Mutex
	spans []span
}

// startProxy starts a proxy in front of AWS. The answers take at least delay, no matter how long the server works.
func startProxy(target string, delay time.Duration) (*proxy, error) {
	return start(target, func(forward func()) {
		wait := time.After(delay)
		forward()
		<-wait
	})
}

// startInvoke starts a proxy in front of the Lambda API, which delays requests and then records how long the function runs.
func startInvoke(target string, delay time.Duration) (*proxy, error) {
	return start(target, func(forward func()) {
		<-time.After(delay)
		forward()
	})
}

func start(target string, delayed func(forward func())) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	p := &proxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder() // the client must not receive any part of the answer before the delay has passed
		what := nameOf(r)
		delayed(func() {
			begin := time.Now()
			forward.ServeHTTP(answer, r)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.spans = append(p.spans, span{what: what, start: begin, end: time.Now()})
		})
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	p.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // moto recognizes bucket names in hosts below localhost
	p.close = server.Close
	return p, nil
}

// nameOf returns the operation of a request, or its method and path if no header names the operation.
func nameOf(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target
	}
	return r.Method + " " + r.URL.Path
}

// recorded returns the requests so far, the earliest first.
func (p *proxy) recorded() []span {
	p.mu.Lock()
	defer p.mu.Unlock()
	spans := slices.Clone(p.spans)
	slices.SortFunc(spans, func(a, b span) int { return a.start.Compare(b.start) })
	return spans
}
