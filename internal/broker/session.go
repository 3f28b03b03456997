package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Session is what one tool call may ask of AWS.
type Session struct {
	broker *Broker

	mu       sync.Mutex
	calls    []toolcall.AWSCall
	cut      int
	refusals int
	requests int
	received int64
	open     int
}

// NewSession starts the account of one tool call.
func (b *Broker) NewSession() *Session { return &Session{broker: b} }

// Serve answers the connections that arrive on the control socket, a SOCK_SEQPACKET socket, until it
// is shut down or ctx ends. It returns when all its connections are closed.
func (s *Session) Serve(ctx context.Context, control *os.File) {
	ctx, cancel := context.WithCancel(ctx)
	var connections sync.WaitGroup
	defer connections.Wait()
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
		if !s.enter() {
			connection.Close()
			continue
		}
		connections.Go(func() {
			defer s.leave()
			stop := context.AfterFunc(ctx, func() { connection.Close() })
			defer stop()
			defer connection.Close()
			s.converse(ctx, connection)
		})
	}
}

func (s *Session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxConnections {
		return false
	}
	s.open++
	return true
}

func (s *Session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

type rawConn interface {
	Read(func(fd uintptr) bool) error
}

// receive waits for one descriptor. It returns no connection for a message that carries none, or one
// of another kind than a local stream socket: the sender chooses what it passes.
func receive(control rawConn) (net.Conn, error) {
	var n, rights int
	var readErr error
	buffer, control4 := make([]byte, 16), make([]byte, unix.CmsgSpace(4*8))
	err := control.Read(func(fd uintptr) bool {
		n, rights, _, _, readErr = unix.Recvmsg(int(fd), buffer, control4, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		return !errors.Is(readErr, unix.EAGAIN)
	})
	if err = errors.Join(err, readErr); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, net.ErrClosed
	}
	fds := descriptors(control4[:rights])
	if len(fds) != 1 || !isLocalStream(fds[0]) {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, nil
	}
	file := os.NewFile(uintptr(fds[0]), "connection of the sandbox")
	defer file.Close()
	connection, err := net.FileConn(file)
	if err != nil {
		return nil, nil
	}
	return connection, nil
}

func descriptors(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for _, message := range messages {
		if got, err := unix.ParseUnixRights(&message); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func isLocalStream(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_UNIX {
		return false
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_STREAM
}

// Audit lists the requests in the order of their completion, counts those that the list has no room
// for, and those that were refused.
func (s *Session) Audit() (calls []toolcall.AWSCall, cut, refusals int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]toolcall.AWSCall{}, s.calls...), s.cut, s.refusals
}

func (s *Session) note(call toolcall.AWSCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.Refused != "" {
		s.refusals++
	}
	if len(s.calls) >= maxListed {
		s.cut++
		return
	}
	s.calls = append(s.calls, call)
}

// admit counts a request and says why there may be no more.
func (s *Session) admit() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests > maxRequests {
		return "this tool call has made its 2000 AWS requests; narrow the question and use another call"
	}
	if s.received > maxReceived {
		return "this tool call has received its 1 GB of AWS answers; narrow the question and use another call"
	}
	return ""
}

func (s *Session) count(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += int64(bytes)
}
