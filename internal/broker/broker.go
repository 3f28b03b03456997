// Package broker is the way to AWS of code that has neither credentials nor a network: it takes
// whole HTTP requests over a local socket, checks where they go and what they ask for, signs them with
// the function's credentials, sends them, and streams the answers back. Every request is listed for the
// report's audit trail.
//
// What a request asks for is told by its bytes and by tables made from botocore's models, not by what the
// code says of it. Only reads pass, and not all of them.
//
// The wire format is described in pythonlayer/alarmtriage_tool/aws_transport.py.
package broker

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// DummyAccessKey is the key id with which the sandboxed code signs; requests that carry another one
// were signed with credentials of the code's own, such as an assumed role's, and stay as they are.
const DummyAccessKey = "AKIABROKER0000000000"

// Limits of one tool call.
const (
	maxConnections = 64       // open at a time
	maxHeader      = 1 << 20  // bytes of a request's head
	maxBody        = 16 << 20 // bytes of a request's body
	maxRequests    = 2000     // requests
	maxReceived    = 1 << 30  // bytes of all answers
	maxListed      = 200      // requests in the audit trail
	maxObserved    = 4 << 20  // bytes of an answer that is observed
)

// Options say for whom the broker speaks and where it may go.
type Options struct {
	Credentials aws.CredentialsProvider
	// Endpoints are URLs that may be reached besides AWS's own, such as local stand-ins.
	Endpoints []string
	// OpenReads are the groups of sensitive reads that may pass.
	OpenReads []toolpolicy.Group
	// AllowedActions are IAM actions, with wildcards, that may pass besides reads; DeniedActions are refused
	// besides the usual ones.
	AllowedActions, DeniedActions []string
	Observe                       func(body []byte) // gets the bodies of answers up to 4 MB; nil: nothing does
	Transport                     http.RoundTripper // nil: one that keeps connections to AWS alive between calls
	Now                           func() time.Time  // nil: time.Now
	Log                           *slog.Logger      // nil: nothing is logged
}

// Broker holds what outlives a tool call: credentials and connections.
type Broker struct {
	credentials aws.CredentialsProvider
	hosts       hosts
	guard       guard
	transport   http.RoundTripper
	observe     func(body []byte)
	signer      *v4.Signer
	now         func() time.Time
	log         *slog.Logger
}

// New makes a broker. Its error names the endpoint that is no URL.
func New(o Options) (*Broker, error) {
	if o.Credentials == nil {
		return nil, errors.New("the broker needs credentials to sign with")
	}
	allowed, err := newHosts(o.Endpoints)
	if err != nil {
		return nil, err
	}
	b := &Broker{credentials: o.Credentials, hosts: allowed, guard: newGuard(o.OpenReads, o.AllowedActions, o.DeniedActions), transport: o.Transport, observe: o.Observe, now: o.Now, log: o.Log, signer: v4.NewSigner()}
	if b.transport == nil {
		b.transport = newTransport()
	}
	go theTables() // while Python starts
	go x509.SystemCertPool()
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b, nil
}

// newTransport returns a transport that hands answers through as they are. Redirects are botocore's
// business, for which reason no http.Client is used.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 func(*http.Request) (*url.URL, error) { return nil, nil },
		DisableCompression:    true,
		ForceAttemptHTTP2:     false,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       5 * time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
	}
}
