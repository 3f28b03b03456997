// Package broker connects sandboxed code, which has neither credentials nor a network, to AWS. It receives
// whole HTTP requests over a local socket, checks their host and operation, signs them with the function's
// credentials, sends them, and streams the answers back. Every request is recorded for the report's audit
// trail.
//
// The broker identifies the operation from the bytes of the request and from tables made from botocore's
// models. It trusts nothing that the code claims about a request. Only reads pass, except for the denied ones
// (see package toolpolicy) and operations that the user allowed.
//
//	hosts.go         which hosts are AWS's own endpoints
//	form.go          which headers, queries, and forms have one meaning
//	paths.go         how servers can read a path
//	identify.go      which operations a request can ask for
//	guard.go         which operations may pass
//	implied.go       which other actions the parameters of a read imply
//	nearest.go       which read a refusal suggests
//	authenticate.go  whose credentials sign a request
//	members.go       the roles of other accounts that the broker assumes
//	accounts.go      whose resources a request may name
//	resources.go     which resources the settings deny
//	xml.go           the texts in a body in XML
//	exchange.go      one request and its answer
//	scrub.go         which credentials are replaced in answers
//	session.go       the requests of one tool call
//	billing.go       what AWS charges for the requests of a call, within a limit
//	metrics.go       how many metrics a request reads
//	logqueries.go    what running Logs Insights queries scan, and whose results may be read
//	budget.go        the memory that requests may take
//
// The wire format is in pythonlayer/alarmtriage_tool/aws_transport.py.
package broker

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// DummyAccessKey is the access key ID that the sandboxed code signs with. The broker signs requests with this ID
// with the credentials of the account that the tool call reads, those with an [AccountKey] with the credentials of that
// account, and requests with the key ID of a role that the code assumed in the same tool call with that role's credentials. It
// refuses all others.
const DummyAccessKey = "AKIABROKER0000000000"

// Limits of one tool call.
const (
	maxConnections = 64       // open at a time
	maxHeader      = 1 << 20  // bytes of a request's head
	maxBody        = 16 << 20 // bytes of a request's body
	maxRequests    = 2000
	maxReceived    = 1 << 30 // bytes of all answers together
	maxListed      = 200     // requests in the audit trail
	maxObserved    = 4 << 20 // bytes of an answer that are observed
)

// Limits of the broker.
const (
	maxInFlight  = 32 << 20         // bytes of all requests that are being received or sent
	maxKept      = 32 << 20         // bytes of all answers that are kept until they are observed and recorded
	maxIdle      = 64               // connections to AWS that are kept open between requests
	maxIdleHost  = 16               // the same, to one host
	maxKeptHosts = 16               // hosts of a tool call, beyond which no connection is kept after it
	idleTime     = 5 * time.Minute  // after which a connection that is not used is closed
	dialTime     = 10 * time.Second // until a connection to AWS must be open
)

// Options configure a broker.
type Options struct {
	Credentials aws.CredentialsProvider
	// Endpoints are URLs that may be reached in addition to AWS's own, such as a local test server.
	Endpoints []string
	// OpenReads are the groups of sensitive reads that may pass.
	OpenReads []toolpolicy.Group
	// AllowedActions are IAM actions, with wildcards, that may pass in addition to reads. DeniedActions are
	// refused in addition to the built-in list.
	AllowedActions, DeniedActions []string
	// DeniedResources are ARNs, with wildcards, of resources that no request may name.
	DeniedResources []string
	// Members are the accounts whose role the broker assumes with STS for requests that name them. Function is the name of
	// the sessions, by which CloudTrail lists them.
	Members  config.Members
	STS      STS // required with Members
	Function string
	// Partition returns the partition of the function's role, such as aws-us-gov, or an empty string if it is unknown. Then, requests
	// may reach the hosts of each partition. It may be nil. The roles of members are in it, or in aws if it is unknown.
	Partition func(context.Context) string
	// Account returns the account of the function's role, or an empty string if it is unknown. Then, the broker does
	// not compare accounts. It may be nil. AllowedAccounts are other accounts whose resources the code may read.
	Account         func(context.Context) string
	AllowedAccounts []string
	// Observe receives the bodies of answers, or their beginnings, which are cut at maxObserved bytes, or earlier if there is no memory
	// for more. It may be nil.
	Observe   func(body []byte, isCut bool)
	Record    func(Exchange)    // receives each exchange with AWS; may be nil
	Transport http.RoundTripper // nil: a transport that keeps connections to AWS open between calls
	Now       func() time.Time  // nil: time.Now
	Log       *slog.Logger      // nil: nothing is logged
}

// Exchange is a request that was sent to AWS, and its answer. The receiver may keep it.
type Exchange struct {
	Operation string // as in the list of AWS calls, such as "logs:FilterLogEvents"
	URL       string
	Sent      []string // the headers that the code wrote, such as "User-Agent: Boto3"
	Request   []byte   // the request's body
	Status    int
	Answer    []byte // the body of the answer, up to maxObserved
	Cut       bool   // whether Answer is incomplete
}

// Broker holds the credentials and connections that all tool calls share.
type Broker struct {
	credentials aws.CredentialsProvider
	hosts       hosts
	guard       guard
	denied      []deniedResource
	known       knownQueries
	account     func(context.Context) string
	partition   func(context.Context) string
	allowed     []string // accounts
	members     *members
	transport   http.RoundTripper
	unkept      func() http.RoundTripper // without kept connections, which AWS may have closed: for billed requests, which are not repeated
	inFlight    *budget
	kept        *budget
	turns       chan struct{} // holds a value for each long request that is being checked
	observe     func(body []byte, isCut bool)
	recordAll   func(Exchange)
	signer      *v4.Signer
	now         func() time.Time
	log         *slog.Logger

	logQueryPause  time.Duration // between two looks at running queries
	logQueryUnseen time.Duration // without statistics, after which a query is stopped
}

// New returns a broker. It fails if an endpoint is not a URL.
func New(o Options) (*Broker, error) {
	if o.Credentials == nil {
		return nil, errors.New("the broker needs credentials to sign with")
	}
	allowed, err := newHosts(o.Endpoints)
	if err != nil {
		return nil, err
	}
	if o.Members.Role != "" && o.STS == nil {
		return nil, errors.New("the broker needs STS to assume the roles of members")
	}
	b := &Broker{
		credentials: o.Credentials,
		hosts:       allowed,
		guard:       newGuard(o.OpenReads, o.AllowedActions, o.DeniedActions),
		denied:      newDeniedResources(o.DeniedResources),
		account:     o.Account,
		partition:   o.Partition,
		allowed:     o.AllowedAccounts,
		transport:   o.Transport,
		inFlight:    &budget{left: maxInFlight},
		kept:        &budget{left: maxKept},
		turns:       make(chan struct{}, maxChecked),
		observe:     o.Observe,
		recordAll:   o.Record,
		signer:      v4.NewSigner(),
		now:         o.Now,
		log:         o.Log,

		logQueryPause:  logQueryPause,
		logQueryUnseen: logQueryUnseen,
	}
	if b.transport == nil {
		b.transport = newTransport()
	}
	b.unkept = sync.OnceValue(func() http.RoundTripper {
		kept, ok := b.transport.(*http.Transport)
		if !ok {
			return b.transport
		}
		unkept := kept.Clone()
		unkept.DisableKeepAlives = true
		return unkept
	})
	go theTables() // parse them while Python starts
	go x509.SystemCertPool()
	if b.account == nil {
		b.account = func(context.Context) string { return "" }
	}
	if b.partition == nil {
		b.partition = func(context.Context) string { return "" }
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.members = newMembers(o.Members, o.STS, o.Function, b.now, b.log)
	return b, nil
}

// newTransport returns a transport that passes answers on unchanged. It is used without an http.Client
// because botocore handles redirects.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 func(*http.Request) (*url.URL, error) { return nil, nil },
		DialContext:           (&net.Dialer{Timeout: dialTime}).DialContext,
		DisableCompression:    true,
		ForceAttemptHTTP2:     false,
		MaxIdleConns:          maxIdle,
		MaxIdleConnsPerHost:   maxIdleHost,
		IdleConnTimeout:       idleTime,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
	}
}
