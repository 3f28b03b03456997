package broker

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Session serves and records the AWS requests of one tool call.
type Session struct {
	broker  *Broker
	account string // of the function's role; set by Begin
	reads   string // the account that the code reads unless it names another one; set by Begin
	alarm   string // the account of the alarm, member or not; set by Begin if it is known
	assumed assumed

	partition string // of the function's role, whose hosts requests may reach; empty: it is not known; set by Serve

	mu       sync.Mutex
	calls    []toolcall.AWSCall // at most maxListed
	unlisted int                // requests beyond those
	refusals int
	requests int   // that passed the checks
	received int64 // bytes of answers
	open     int   // connections
	problems []toolcall.UnreadableAccount
	named    map[string]bool // members that requests named, at most maxReadMembers
	hosts    map[string]bool // that requests were sent to, at most maxKeptHosts and one
	ended    bool            // no more requests are sent

	sending sync.WaitGroup // requests that passed the checks and have not been recorded yet

	bill    *bill
	queries *logQueries
}

// NewSession returns the session of a new tool call, for whose requests AWS may charge queryLimitUSD. It reads the account of
// the function's role, unless Begin names another one.
func (b *Broker) NewSession(queryLimitUSD float64) *Session {
	s := &Session{broker: b, named: map[string]bool{}, hosts: map[string]bool{}, bill: newBill(queryLimitUSD, b.guard.alternative)}
	s.queries = newLogQueries(s)
	return s
}

// Place is where the code of a tool call reads.
type Place struct {
	Account string   // that clients read unless the code names another one; empty: the account of the tool is not known
	Own     string   // the account of the tool
	Problem string   // why Account cannot be read; empty: it can
	Others  []string // other accounts that the code may name; anyAccount: those of the organization, which IAM decides
}

// anyAccount in Place.Others stands for each account of the organization.
const anyAccount = "*"

// KnownRegion returns a name if a Region can have it, otherwise an empty text.
func KnownRegion(name string) string {
	if name == "" || !theTables().isRegion(name) {
		return ""
	}
	return name
}

// Begin chooses the account that the code reads: the one of the alarm if it is a member, otherwise that of the tool. It assumes
// the member's role, so that the code knows whether it can read the account. It must be called before Serve.
func (s *Session) Begin(ctx context.Context, alarmAccount string) Place {
	s.account = s.broker.account(ctx)
	s.reads = s.account
	at := Place{Own: s.account, Others: s.broker.members.others()}
	if accountID().MatchString(alarmAccount) {
		s.alarm = alarmAccount
	}
	if s.alarm != "" && s.alarm != s.account && s.broker.members.Includes(alarmAccount) {
		s.reads = alarmAccount
		_, at.Problem = s.member(ctx, alarmAccount)
	}
	at.Account = s.reads
	return at
}

// Serve answers the connections that arrive on the control socket, a SOCK_SEQPACKET socket, until the socket
// is shut down or ctx ends. It returns after the last request that was sent. It reports whether everything has ended: the code
// can send requests whose checks take long, for which Serve does not wait. They are not sent.
func (s *Session) Serve(ctx context.Context, control *os.File) (allEnded bool) {
	if s.account == "" { // nobody called Begin, or the account is unknown
		s.account = s.broker.account(ctx)
	}
	s.reads = cmp.Or(s.reads, s.account)
	s.partition = s.broker.partition(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var connections sync.WaitGroup
	defer s.closeIdle()
	defer s.queries.finish(ctx)
	defer func() { allEnded = s.endRequests(&connections) }()
	defer cancel()
	socket, err := control.SyscallConn()
	if err != nil {
		return
	}
	for {
		connection, err := receive(socket)
		if err != nil {
			return
		}
		if connection == nil {
			continue
		}
		if !s.openConnection() {
			connection.Close()
			continue
		}
		connections.Go(func() {
			defer s.closeConnection()
			stop := context.AfterFunc(ctx, func() { shut(connection) })
			defer stop()
			defer connection.Close()
			s.serveConnection(ctx, connection)
		})
	}
}

// checkWait is the time in which the checks of requests must end after a call. Usually they take less than a millisecond.
const checkWait = 200 * time.Millisecond

// endRequests waits until no request is being sent, and checkWait for the connections. It reports whether all are closed.
func (s *Session) endRequests(connections *sync.WaitGroup) bool {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.sending.Wait()
	closed := make(chan struct{})
	go func() { connections.Wait(); close(closed) }()
	select {
	case <-closed:
		return true
	case <-time.After(checkWait):
		return false
	}
}

// callEnded is why a request is not sent whose checks did not end within the tool call.
const callEnded = "the tool call ended before the request was checked"

// beginSending reports whether a request may be sent. Then the caller must call sending.Done after it has recorded it.
func (s *Session) beginSending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.sending.Add(1)
	return true
}

// shut ends a connection, and a read or a write that waits for it. The code can have the same open socket and make it blocking,
// and then closing it here would not end what waits.
func shut(connection net.Conn) {
	if socket, ok := connection.(*net.UnixConn); ok {
		_ = socket.CloseRead()
		_ = socket.CloseWrite()
	}
	connection.Close()
}

// closeIdle closes the connections to AWS after a call that asked many hosts, such as every bucket. Otherwise
// they are kept for the next call.
func (s *Session) closeIdle() {
	s.mu.Lock()
	many := len(s.hosts) > maxKeptHosts
	s.mu.Unlock()
	if transport, ok := s.broker.transport.(*http.Transport); ok && many {
		transport.CloseIdleConnections()
	}
}

// logOfRequest is the message that is logged for each request when it is sent, those of the broker itself included: a request of
// the role in CloudTrail that the log does not list is one of somebody else.
const logOfRequest = "AWS request"

// logSent logs a request when it is sent, so that the log lists it even if the tool's answer is lost.
func (s *Session) logSent(ctx context.Context, call toolcall.AWSCall, host string) {
	about := []any{"service", call.Service, "operation", call.Operation, "region", call.Region}
	if call.AccessKey != "" {
		about = append(about, "access_key", call.AccessKey)
	}
	if call.Account != "" {
		about = append(about, "account", call.Account)
	}
	s.broker.log.InfoContext(ctx, logOfRequest, about...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hosts) <= maxKeptHosts {
		s.hosts[host] = true
	}
}

// openConnection counts a new connection and reports whether it may be served.
func (s *Session) openConnection() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxConnections {
		return false
	}
	s.open++
	return true
}

func (s *Session) closeConnection() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

type rawConn interface {
	Read(func(fd uintptr) bool) error
}

// Audit returns the requests in order of completion, the number of those beyond maxListed, and the number of
// those refused.
func (s *Session) Audit() (calls []toolcall.AWSCall, unlisted, refusals int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]toolcall.AWSCall{}, s.calls...), s.unlisted, s.refusals
}

// Billed returns what AWS bills for the session's requests, and how many Logs Insights queries the broker
// stopped.
func (s *Session) Billed() (queries []toolcall.BilledQueries, stopped int) {
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	return s.bill.billed(), s.queries.stopped
}

// QueriesNotStopped returns how many Logs Insights queries may still run after the session has ended: AWS did not stop them, or
// did not return their IDs.
func (s *Session) QueriesNotStopped() int {
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	return len(s.queries.running) + s.queries.unseen
}

// record adds a request to the audit trail.
func (s *Session) record(call toolcall.AWSCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.Refused != "" {
		s.refusals++
	}
	if len(s.calls) >= maxListed {
		s.unlisted++
		return
	}
	s.calls = append(s.calls, call)
}

// admit counts a request and returns the reason for refusing it, or an empty string.
func (s *Session) admit() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests > maxRequests {
		return fmt.Sprintf("this tool call has reached its limit of %d AWS requests; "+
			"narrow the question and use another call", maxRequests)
	}
	if s.received >= maxReceived {
		return receivedAll
	}
	return ""
}

var receivedAll = fmt.Sprintf("this tool call has reached its limit of %d MB of AWS answers; narrow the question and use another call", maxReceived>>20)

// count adds to the bytes received, and reports whether they are within the limit.
func (s *Session) count(bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += int64(bytes)
	return s.received <= maxReceived
}
