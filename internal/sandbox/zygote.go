package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	startTimeout = 30 * time.Second // until a zygote must be ready
	takeTimeout  = 10 * time.Second // until a zygote must have a child for a call
	stateTimeout = time.Second      // until a child must have told its state, for Status
	maxMessage   = 64 << 10         // bytes of one message of the zygote
	dummySecret  = "broker"         // signs nothing: the broker replaces the signatures
)

// startup is the program of the zygote. Its own exceptions go to the function's log as JSON lines of the level ERROR,
// because Lambda counts text as INFO and drops it at the log level ERROR.
const startup = `
import gc, sys
gc.disable()

def report(kind, error, trace):
    import datetime, json, traceback
    line = {
        "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "level": "ERROR",
        "message": "the tool's Python failed",
        "error": "".join(traceback.format_exception(kind, error, trace)),
    }
    print(json.dumps(line), file=sys.stderr)

sys.excepthook = report
sys.path.insert(0, sys.argv[1])
from alarmtriage_tool import zygote
zygote.main()
`

// errZygoteGone says that the zygote ended or broke the protocol.
var errZygoteGone = errors.New("the warm Python process ended")

// event is a message of the zygote; pythonlayer/alarmtriage_tool/zygote.py describes them.
type event struct {
	T      string `json:"t"`
	PID    int    `json:"pid"`
	Status int    `json:"status"`
	MaxRSS int64  `json:"maxrss"` // KB
	Python string `json:"python"`
	Boto3  string `json:"boto3"`

	channel *os.File // of a spare
}

// zygote is the warm Python process and the socket to it.
type zygote struct {
	process *os.Process
	control *os.File
	layers  map[string]string
	log     *slog.Logger
	ready   event
	gone    chan struct{} // closed when the control socket ended
	spared  chan struct{} // holds something when there may be a new spare

	mu      sync.Mutex
	spare   *spare // the next call's child; nil: used
	last    *spare // that was forked
	exits   map[int]syscall.WaitStatus
	waiting map[int]chan struct{}
}

// spare is a child that waits for its call, and the socket to it.
type spare struct {
	pid     int
	channel *os.File
	known   chan struct{} // closed when it told the state of its system call filter, or ended
	state   string
}

// startZygote starts Python, unless that was begun already, and waits until it is ready.
func startZygote(ctx context.Context, o Options) (*zygote, error) {
	b, err := parseBegun(o.Begun)
	if err != nil {
		b, err = begin(o)
	}
	if err != nil {
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	z, err := b.adopt(o)
	if err != nil {
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	if err := z.greet(ctx); err != nil {
		z.stop()
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	go z.listen()
	return z, nil
}

// kept are the variables that Python code may see. Everything else stays here, credentials first.
var kept = []string{
	"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "AWS_REGION", "AWS_DEFAULT_REGION",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}

// endpointPrefix begins the SDKs' standard variables for other endpoints, which name no secret.
const endpointPrefix = "AWS_ENDPOINT_URL"

// zygoteEnvironment returns the environment of the zygote: dummy credentials and the variables in kept.
func zygoteEnvironment(accessKey string, environment []string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + dummySecret,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_RETRY_MODE=standard",
		"AWS_MAX_ATTEMPTS=3",
		"MALLOC_ARENA_MAX=2",
	}
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(kept, name) || strings.HasPrefix(name, endpointPrefix) {
			env = append(env, entry)
		}
		// botocore reads the other name only; Lambda sets both, other hosts may not.
		if region, ok := strings.CutPrefix(entry, "AWS_REGION="); ok {
			env = append([]string{"AWS_DEFAULT_REGION=" + region}, env...)
		}
	}
	return env
}

// greet waits for "ready".
func (z *zygote) greet(ctx context.Context) error {
	deadline := time.Now().Add(startTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := z.control.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("bound the start: %w", err)
	}
	for z.ready.T == "" {
		e, err := z.read()
		if err != nil {
			return fmt.Errorf("wait for it to be ready: %w", err)
		}
		z.note(e)
	}
	return z.control.SetReadDeadline(time.Time{})
}

// read waits for one message and the descriptor that comes with it.
func (z *zygote) read() (event, error) {
	conn, err := z.control.SyscallConn()
	if err != nil {
		return event{}, err
	}
	buffer, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	var n, rightsN int
	var readErr error
	err = conn.Read(func(fd uintptr) bool {
		n, rightsN, _, _, readErr = unix.Recvmsg(int(fd), buffer, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		return !errors.Is(readErr, unix.EAGAIN)
	})
	if err := errors.Join(err, readErr); err != nil {
		return event{}, err
	}
	if n == 0 {
		return event{}, io.EOF
	}
	channel, err := channelIn(rights[:rightsN])
	if err != nil {
		return event{}, fmt.Errorf("%w: %w", errZygoteGone, err)
	}
	e := event{}
	if err := json.Unmarshal(buffer[:n], &e); err != nil {
		return event{}, fmt.Errorf("%w: unreadable message: %w", errZygoteGone, err)
	}
	e.channel = channel
	return e, nil
}

// channelIn is the descriptor that came with a message, if one did.
func channelIn(rights []byte) (*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("unreadable control message: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("unreadable descriptors: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, fmt.Errorf("set up a descriptor: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "channel of a spare"), nil
}

func (z *zygote) listen() {
	defer close(z.gone)
	for {
		e, err := z.read()
		if err != nil {
			return
		}
		z.note(e)
	}
}

func (z *zygote) note(e event) {
	z.mu.Lock()
	defer z.mu.Unlock()
	switch e.T {
	case "ready":
		z.ready = e
	case "spare":
		if e.channel != nil {
			z.keep(&spare{pid: e.PID, channel: e.channel, known: make(chan struct{})})
		}
	case "exit":
		status := syscall.WaitStatus(e.Status)
		z.exits[e.PID] = status
		if done, ok := z.waiting[e.PID]; ok {
			close(done)
			delete(z.waiting, e.PID)
		}
	}
}

// keep makes a new child the next call's, in place of one that is older and knows less.
func (z *zygote) keep(s *spare) {
	if z.spare != nil {
		go z.spare.release()
	}
	z.spare, z.last = s, s
	z.waiting[s.pid] = make(chan struct{})
	go z.learn(s)
	select {
	case z.spared <- struct{}{}:
	default:
	}
}

// learn waits for the state of a child's system call filter.
func (z *zygote) learn(s *spare) {
	defer close(s.known)
	buffer := make([]byte, 256)
	n, err := s.channel.Read(buffer)
	if err != nil || n == 0 {
		s.state = "died"
		return
	}
	s.state = strings.ToValidUTF8(string(buffer[:n]), "\uFFFD")
	if z.layers["seccomp"] == active && s.state != active {
		z.log.Warn("a call will run without a system call filter of its own", "state", s.state)
	}
}

// release closes the channel once the child has said what it says on it; a child without a call ends then.
func (s *spare) release() {
	<-s.known
	s.channel.Close()
}

// handOver gives the call's files to a child and returns the child's process id.
func (z *zygote) handOver(ctx context.Context, files []*os.File) (int, error) {
	fds := make([]int, len(files))
	for i, file := range files {
		fds[i] = int(file.Fd())
		if err := unix.SetNonblock(fds[i], false); err != nil {
			return 0, fmt.Errorf("hand over the call: %w", err)
		}
	}
	timeout := time.NewTimer(takeTimeout)
	defer timeout.Stop()
	for {
		s, err := z.take(ctx, timeout.C)
		if err != nil {
			return 0, err
		}
		err = s.give(fds)
		go s.release()
		if err == nil {
			return s.pid, nil
		}
		z.replace(s.pid) // it died while it waited
	}
}

// take waits for a child.
func (z *zygote) take(ctx context.Context, timeout <-chan time.Time) (*spare, error) {
	for {
		z.mu.Lock()
		s := z.spare
		z.spare = nil
		z.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-z.spared:
		case <-z.gone:
			return nil, errZygoteGone
		case <-timeout:
			return nil, fmt.Errorf("%w: it had no child for the call within %s", errZygoteGone, takeTimeout)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *spare) give(fds []int) error {
	conn, err := s.channel.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = conn.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte("F"), unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return sendErr != unix.EAGAIN
	})
	return errors.Join(err, sendErr)
}

// replace tells the zygote that a child is used, has ended, or is gone, so that it forks the next unless it
// has a good one.
func (z *zygote) replace(pid int) {
	// A zygote that is gone is noticed by its reader.
	_, _ = z.control.Write(strconv.AppendInt(nil, int64(pid), 10))
}

// exited waits until the child has ended, but no longer than the context, and tells how it ended.
func (z *zygote) exited(ctx context.Context, pid int) (syscall.WaitStatus, bool) {
	z.mu.Lock()
	done, running := z.waiting[pid]
	z.mu.Unlock()
	if running {
		select {
		case <-done:
		case <-z.gone:
		case <-ctx.Done():
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	status, known := z.exits[pid]
	return status, known
}

// forget drops what is known of ended children.
func (z *zygote) forget() {
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.exits)
}

func (z *zygote) alive() bool {
	select {
	case <-z.gone:
		return false
	default:
		return true
	}
}

// stop ends the zygote and everything in its process group, and its spare child.
func (z *zygote) stop() {
	z.control.Close()
	z.mu.Lock()
	if z.spare != nil {
		z.spare.channel.Close()
		z.spare = nil
	}
	z.mu.Unlock()
	syscall.Kill(-z.process.Pid, syscall.SIGKILL)
	z.process.Kill()
	z.process.Wait()
}

// callFilter is the state of the system call filter in the last child that was forked.
func (z *zygote) callFilter() string {
	z.mu.Lock()
	last := z.last
	z.mu.Unlock()
	switch {
	case z.layers["seccomp"] != active:
		return z.layers["seccomp"] // the zygote sends it none
	case last == nil:
		return "off"
	}
	select {
	case <-last.known:
		return last.state
	case <-time.After(stateTimeout):
		return "unknown: the child has not told yet"
	}
}
