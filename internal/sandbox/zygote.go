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
	spareTimeout = 10 * time.Second // until a zygote must have a child for a call
	stateTimeout = time.Second      // until a child must have reported its filter, for Status
	maxMessage   = 64 << 10         // bytes of one message from the zygote
	maxState     = 256              // bytes of a child's first message
	dummySecret  = "broker"         // signs nothing: the broker replaces the signatures
)

// startup is the zygote's program. It logs its own exceptions as JSON lines of level ERROR, because Lambda
// counts plain text as INFO and drops it at log level ERROR.
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

// errZygoteGone means that the zygote ended or broke the protocol.
var errZygoteGone = errors.New("the warm Python process ended")

// zygote is the warm Python process and the socket to it.
type zygote struct {
	process *os.Process
	control *os.File
	layers  map[string]layer
	log     *slog.Logger
	ready   event
	// condition is that of the process when it was ready, before any call.
	condition condition

	gone   chan struct{} // closed when the control socket is closed
	spared chan struct{} // holds a value when there may be a new spare

	mu      sync.Mutex
	spare   *spare                     // the child of the next call; nil: used
	last    *spare                     // the child that was forked last
	exits   map[int]syscall.WaitStatus // of children that ended, by process ID
	running map[int]chan struct{}      // closed when the child with this process ID ends
}

// spare is a child that waits for its call, and the socket to it.
type spare struct {
	pid      int
	channel  *os.File
	reported chan struct{} // closed when the child reported its system call filter, or ended
	filter   layer         // valid once reported is closed
}

// startZygote adopts the Python that [Seal] started, or else starts one, and waits until it is ready.
func startZygote(ctx context.Context, o Options) (*zygote, error) {
	l, err := parseLaunched(o.Launched)
	if err != nil {
		l, err = launch(o)
	}
	if err != nil {
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	z, err := l.adopt(o)
	if err != nil {
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	if err := z.waitReady(ctx); err != nil {
		z.stop()
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	z.condition = conditionOf(z.process.Pid)
	go z.readEvents()
	return z, nil
}

// visibleVariables are the environment variables that Python code may see. All others, including those with
// the credentials, are visible only in this process.
var visibleVariables = []string{
	"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "AWS_REGION", "AWS_DEFAULT_REGION",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}

// endpointPrefix begins the SDKs' standard variables for endpoints. They contain no secrets.
const endpointPrefix = "AWS_ENDPOINT_URL"

// zygoteEnvironment returns the environment of the zygote: dummy credentials and visibleVariables.
func zygoteEnvironment(accessKey string, environment []string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + dummySecret,
		"HOME=" + os.DevNull, // botocore looks for service models in it, and uses the working directory for a user without one
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_RETRY_MODE=standard",
		"AWS_MAX_ATTEMPTS=3",
		"AWS_REQUEST_CHECKSUM_CALCULATION=when_required", // not in a trailer: the broker refuses bodies in chunks
		"AWS_DISABLE_REQUEST_COMPRESSION=true",           // and compressed ones
		"MALLOC_ARENA_MAX=2",
		"TZ=UTC", // as in Lambda: models assume that times without a zone are in UTC
	}
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(visibleVariables, name) || strings.HasPrefix(name, endpointPrefix) {
			env = append(env, entry)
		}
		// botocore reads only AWS_DEFAULT_REGION. Lambda sets both variables; other hosts may not.
		if region, ok := strings.CutPrefix(entry, "AWS_REGION="); ok {
			env = append([]string{"AWS_DEFAULT_REGION=" + region}, env...)
		}
	}
	return env
}

// waitReady handles events until the zygote is ready.
func (z *zygote) waitReady(ctx context.Context) error {
	deadline := time.Now().Add(startTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := z.control.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("set the deadline of the start: %w", err)
	}
	for z.ready.Type == "" {
		e, err := z.read()
		if err != nil {
			return fmt.Errorf("wait until it is ready: %w", err)
		}
		z.handleEvent(e)
	}
	return z.control.SetReadDeadline(time.Time{})
}

// read waits for one event and the descriptor that comes with it.
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

// channelIn returns the descriptor that came with a message, or nil.
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

// readEvents handles events until the control socket is closed.
func (z *zygote) readEvents() {
	defer close(z.gone)
	for {
		e, err := z.read()
		if err != nil {
			return
		}
		z.handleEvent(e)
	}
}

func (z *zygote) handleEvent(e event) {
	z.mu.Lock()
	defer z.mu.Unlock()
	switch e.Type {
	case eventReady:
		z.ready = e
	case eventSpare:
		if e.channel != nil {
			z.setSpare(&spare{pid: e.PID, channel: e.channel, reported: make(chan struct{})})
		}
	case eventExit:
		z.exits[e.PID] = syscall.WaitStatus(e.Status)
		if done, ok := z.running[e.PID]; ok {
			close(done)
			delete(z.running, e.PID)
		}
	}
}

// setSpare makes a new child the spare of the next call, in place of a stale spare. The caller holds the lock.
func (z *zygote) setSpare(s *spare) {
	if z.spare != nil {
		go z.spare.close()
	}
	z.spare, z.last = s, s
	z.running[s.pid] = make(chan struct{})
	go z.readFilterState(s)
	select {
	case z.spared <- struct{}{}:
	default:
	}
}

// readFilterState waits until a child reports its system call filter.
func (z *zygote) readFilterState(s *spare) {
	defer close(s.reported)
	buffer := make([]byte, maxState)
	n, err := s.channel.Read(buffer)
	if err == nil {
		err = json.Unmarshal(buffer[:n], &s.filter)
	}
	if err != nil {
		s.filter = layer{State: stateUnknown, Reason: "the child ended"}
		return
	}
	if z.layers["seccomp"] == layerActive && s.filter != layerActive {
		z.log.Warn("a call will run without the additional system call filter", "state", s.filter.String())
	}
}

// close closes the channel once the child has reported its filter. A child without a call then ends.
func (s *spare) close() {
	<-s.reported
	s.channel.Close()
}

// isFiltered reports whether the child's system call filter is active.
func (s *spare) isFiltered() bool {
	<-s.reported
	return s.filter == layerActive
}

// confines reports whether a call reaches only its own process and the scratch directory. Without Landlock, the system call filter
// does not know which files are opened: the code can write to /dev/shm, and to the memory of an extension through /proc.
func (z *zygote) confines(filtered bool) bool { return filtered && z.layers["landlock"] == layerActive }

// announced returns the process IDs of the children that the zygote announced and that have not ended.
func (z *zygote) announced() map[int]bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	pids := map[int]bool{}
	for pid := range z.running {
		pids[pid] = true
	}
	return pids
}

// startCall passes the call's files to a child, which it returns.
func (z *zygote) startCall(ctx context.Context, files []*os.File) (*spare, error) {
	fds := make([]int, len(files))
	for i, file := range files {
		fds[i] = int(file.Fd())
		if err := unix.SetNonblock(fds[i], false); err != nil {
			return nil, fmt.Errorf("prepare the call's files: %w", err)
		}
	}
	timeout := time.NewTimer(spareTimeout)
	defer timeout.Stop()
	for {
		s, err := z.waitSpare(ctx, timeout.C)
		if err != nil {
			return nil, err
		}
		err = s.sendFiles(fds)
		go s.close()
		if err == nil {
			return s, nil
		}
		z.requestSpare(s.pid) // this child died while it waited
	}
}

// waitSpare returns the spare child, and waits until there is one.
func (z *zygote) waitSpare(ctx context.Context, timeout <-chan time.Time) (*spare, error) {
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
			return nil, fmt.Errorf("%w: no child for the call within %s", errZygoteGone, spareTimeout)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *spare) sendFiles(fds []int) error {
	conn, err := s.channel.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = conn.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte(callMessage), unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return sendErr != unix.EAGAIN
	})
	return errors.Join(err, sendErr)
}

// requestSpare tells the zygote that a child is used, has ended, or is gone. The zygote then forks the next
// one, unless it has an unused one that is not stale.
func (z *zygote) requestSpare(pid int) {
	// readEvents notices if the zygote is gone.
	_, _ = z.control.Write(strconv.AppendInt(nil, int64(pid), 10))
}

// discardSpare kills the child that waits for the next call. The zygote forks another one.
func (z *zygote) discardSpare() {
	z.mu.Lock()
	s := z.spare
	z.spare = nil
	z.mu.Unlock()
	if s == nil {
		return
	}
	syscall.Kill(s.pid, syscall.SIGKILL)
	go s.close()
	z.requestSpare(s.pid)
}

// ended returns a channel that is closed when a child has ended.
func (z *zygote) ended(pid int) <-chan struct{} {
	z.mu.Lock()
	defer z.mu.Unlock()
	if done, running := z.running[pid]; running {
		return done
	}
	done := make(chan struct{})
	close(done)
	return done
}

// waitExit waits until the child ends or ctx is done. It returns how the child ended, and false if that is
// unknown.
func (z *zygote) waitExit(ctx context.Context, pid int) (syscall.WaitStatus, bool) {
	select {
	case <-z.ended(pid):
	case <-z.gone:
	case <-ctx.Done():
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	status, known := z.exits[pid]
	return status, known
}

// clearExits forgets how earlier children ended.
func (z *zygote) clearExits() {
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.exits)
}

// isAlive reports whether the control socket is open.
func (z *zygote) isAlive() bool {
	select {
	case <-z.gone:
		return false
	default:
		return true
	}
}

// stop kills the zygote and its children, and waits until they have ended. What still runs when this process exits would look like
// code of a call at the next start.
func (z *zygote) stop() {
	children := map[int]bool{}
	if z.process.Signal(syscall.SIGSTOP) == nil { // it must not fork meanwhile
		waitUntil(z.process.Pid, func(p process) bool { return p.stopped || p.zombie })
		children = descendants(processes(os.Getuid()), z.process.Pid)
		delete(children, z.process.Pid)
	}
	for pid := range children {
		syscall.Kill(pid, syscall.SIGKILL)
	}
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
	for pid := range children {
		waitEnded(pid)
	}
}

// callFilter returns the system call filter of the child that was forked last.
func (z *zygote) callFilter() layer {
	z.mu.Lock()
	last := z.last
	z.mu.Unlock()
	switch {
	case z.layers["seccomp"] != layerActive:
		return z.layers["seccomp"] // without the zygote's filter, children get none either
	case last == nil:
		return layer{State: stateOff}
	}
	select {
	case <-last.reported:
		return last.filter
	case <-time.After(stateTimeout):
		return layer{State: stateUnknown, Reason: "the child has not reported it yet"}
	}
}
