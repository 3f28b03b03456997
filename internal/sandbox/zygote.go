package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	startTimeout   = 30 * time.Second // until a zygote must be ready
	takeTimeout    = 10 * time.Second // until a zygote must have handed over a call
	maxMessage     = 64 << 10         // bytes of one message of the zygote
	startup        = "import sys; sys.path.insert(0, sys.argv[1]); from alarmtriage_tool import zygote; zygote.main()"
	dummyAccessKey = "AKIABROKER0000000000"
	dummySecret    = "broker"
)

// errZygoteGone says that the zygote ended or broke the protocol.
var errZygoteGone = errors.New("the warm Python process ended")

// event is a message of the zygote; pythonlayer/alarmtriage_tool/zygote.py describes them.
type event struct {
	T       string            `json:"t"`
	PID     int               `json:"pid"`
	Status  int               `json:"status"`
	MaxRSS  int64             `json:"maxrss"` // KB
	Python  string            `json:"python"`
	Boto3   string            `json:"boto3"`
	Seccomp string            `json:"seccomp"`
	Layers  map[string]string `json:"layers"`
}

// zygote is the warm Python process and the socket to it.
type zygote struct {
	cmd     *exec.Cmd
	control *os.File
	ready   event
	took    chan int      // pid of the child that has the call
	gone    chan struct{} // closed when the control socket ended

	mu      sync.Mutex
	spare   int
	seccomp string
	exits   map[int]syscall.WaitStatus
	waiting map[int]chan struct{}
}

// startZygote starts Python and waits until it is ready.
func startZygote(ctx context.Context, o Options) (*zygote, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the zygote's control socket: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "zygote control")
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, fmt.Errorf("set up the zygote's control socket: %w", err)
	}
	z := &zygote{
		cmd:     zygoteCommand(o, theirs),
		control: os.NewFile(uintptr(pair[0]), "control"),
		took:    make(chan int, 1),
		gone:    make(chan struct{}),
		exits:   map[int]syscall.WaitStatus{},
		waiting: map[int]chan struct{}{},
	}
	err = z.cmd.Start()
	theirs.Close() // so that the zygote's end is seen
	if err != nil {
		z.control.Close()
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	if err := z.greet(ctx, o); err != nil {
		z.stop()
		return nil, fmt.Errorf("start Python (%s): %w", o.Interpreter, err)
	}
	go z.listen()
	return z, nil
}

func zygoteCommand(o Options, control *os.File) *exec.Cmd {
	python := []string{o.Interpreter, "-I", "-c", startup, filepath.Join(o.Layer, "python")}
	args := python
	if o.Shim != "" {
		args = append([]string{o.Shim, ShimArgument, o.Scratch}, python...)
	}
	cmd := &exec.Cmd{
		Path:        args[0],
		Args:        args,
		Env:         zygoteEnvironment(o.Environment),
		Dir:         o.Scratch,
		Stderr:      o.Stderr,
		ExtraFiles:  []*os.File{control}, // becomes descriptor 3
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return cmd
}

// kept are the variables that Python code may see. Everything else stays here, credentials first.
var kept = []string{
	"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "AWS_REGION", "AWS_DEFAULT_REGION",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}

// endpointPrefix begins the SDKs' standard variables for other endpoints, which name no secret.
const endpointPrefix = "AWS_ENDPOINT_URL"

func zygoteEnvironment(environment []string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=" + dummyAccessKey,
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

// greet sends the first message and waits for "ready".
func (z *zygote) greet(ctx context.Context, o Options) error {
	code, pids := "", []int{}
	if o.Shim != "" {
		code, pids = hexProgram(childFilter())
	}
	hello, err := json.Marshal(map[string]any{"filter": code, "pid_slots": pids, "search": append([]string{}, o.SearchPath...), "warm": append([]string{}, o.Warm...)})
	if err != nil {
		return fmt.Errorf("encode the first message: %w", err)
	}
	if _, err := z.control.Write(hello); err != nil {
		return fmt.Errorf("send the first message: %w", err)
	}
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

func (z *zygote) read() (event, error) {
	buffer := make([]byte, maxMessage)
	n, err := z.control.Read(buffer)
	if err != nil {
		return event{}, err
	}
	if n == 0 {
		return event{}, io.EOF
	}
	var e event
	if err := json.Unmarshal(buffer[:n], &e); err != nil {
		return event{}, fmt.Errorf("%w: unreadable message: %w", errZygoteGone, err)
	}
	return e, nil
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
		z.spare, z.seccomp = e.PID, e.Seccomp
	case "took":
		z.spare = 0
		z.waiting[e.PID] = make(chan struct{})
		if status, ended := z.exits[e.PID]; ended {
			z.settle(e.PID, status)
		}
		z.took <- e.PID
	case "exit":
		z.settle(e.PID, syscall.WaitStatus(e.Status))
	}
}

func (z *zygote) settle(pid int, status syscall.WaitStatus) {
	z.exits[pid] = status
	if done, ok := z.waiting[pid]; ok {
		close(done)
		delete(z.waiting, pid)
	}
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
	conn, err := z.control.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("hand over the call: %w", err)
	}
	var sendErr error
	err = conn.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte("F"), unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return sendErr != unix.EAGAIN
	})
	if err := errors.Join(err, sendErr); err != nil {
		return 0, fmt.Errorf("%w: hand over the call: %w", errZygoteGone, err)
	}
	timeout := time.NewTimer(takeTimeout)
	defer timeout.Stop()
	select {
	case pid := <-z.took:
		return pid, nil
	case <-z.gone:
		return 0, errZygoteGone
	case <-timeout.C:
		return 0, fmt.Errorf("%w: it did not take the call within %s", errZygoteGone, takeTimeout)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
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

// stop ends the zygote and everything in its process group.
func (z *zygote) stop() {
	z.control.Close()
	if z.cmd.Process == nil {
		return
	}
	syscall.Kill(-z.cmd.Process.Pid, syscall.SIGKILL)
	z.cmd.Process.Kill()
	z.cmd.Wait()
}

// callFilter is the state of the system call filter in the last child that was forked.
func (z *zygote) callFilter() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.seccomp
}
