package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// active is the state of a layer that holds.
const active = "active"

// begun is a zygote that was started and told what to do, but not yet heard of. It survives [Seal].
type begun struct {
	PID     int               `json:"pid"`
	Control int               `json:"control"` // descriptor
	Layers  map[string]string `json:"layers"`
}

// begin starts Python and sends it the first message. Python is confined as far as the kernel lets us.
func begin(o Options) (begun, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return begun{}, fmt.Errorf("make the control socket: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "zygote control")
	defer theirs.Close() // so that the zygote's end is seen
	b := begun{Control: pair[0]}
	if b.PID, b.Layers, err = startConfined(o, theirs); err != nil {
		unix.Close(pair[0])
		return begun{}, err
	}
	if err := b.tell(o); err != nil {
		b.abandon()
		return begun{}, err
	}
	return b, nil
}

// tell sends the first message, so that Python imports what it can meanwhile.
func (b begun) tell(o Options) error {
	code, pids := "", []int{}
	if b.Layers["seccomp"] == active {
		code, pids = hexProgram(childFilter())
	}
	hello, err := json.Marshal(map[string]any{"filter": code, "pid_slots": pids, "search": append([]string{}, o.SearchPath...), "warm": append([]string{}, o.Warm...)})
	if err != nil {
		return fmt.Errorf("encode the first message: %w", err)
	}
	if _, err := unix.Write(b.Control, hello); err != nil {
		return fmt.Errorf("send the first message: %w", err)
	}
	return nil
}

func (b begun) abandon() {
	unix.Close(b.Control)
	syscall.Kill(b.PID, syscall.SIGKILL)
	syscall.Wait4(b.PID, nil, 0, nil)
}

// adopt makes the process a zygote of this supervisor.
func (b begun) adopt(o Options) (*zygote, error) {
	unix.CloseOnExec(b.Control)
	process, err := os.FindProcess(b.PID)
	if err == nil {
		err = unix.SetNonblock(b.Control, true)
	}
	if err != nil {
		b.abandon()
		return nil, fmt.Errorf("set up the control socket: %w", err)
	}
	return &zygote{
		process: process,
		control: os.NewFile(uintptr(b.Control), "control"),
		layers:  b.Layers,
		log:     o.Log,
		gone:    make(chan struct{}),
		spared:  make(chan struct{}, 1),
		exits:   map[int]syscall.WaitStatus{},
		waiting: map[int]chan struct{}{},
	}, nil
}

var errNotBegun = errors.New("no Python was begun")

// parseBegun reads what [Seal] has left in the environment.
func parseBegun(text string) (begun, error) {
	var b begun
	if text == "" {
		return b, errNotBegun
	}
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return b, fmt.Errorf("read what was begun: %w", err)
	}
	// An environment may be copied to a process that has begun nothing.
	if _, err := unix.FcntlInt(uintptr(b.Control), unix.F_GETFD, 0); err != nil || syscall.Kill(b.PID, 0) != nil {
		return b, errNotBegun
	}
	return b, nil
}

// startConfined starts Python from a thread that has given up what Python must not have, which nothing can
// be given back to: it ends with its goroutine. To confine another process than oneself otherwise takes a
// program in between, and the time to start it.
func startConfined(o Options, control *os.File) (pid int, layers map[string]string, err error) {
	done := make(chan struct{})
	runtime.LockOSThread() // so that another thread is taken, and not the main one at start
	defer runtime.UnlockOSThread()
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good; Go makes no new thread from it
		pid, layers, err = confineAndStart(o, control)
	}()
	<-done
	return pid, layers, err
}

func confineAndStart(o Options, control *os.File) (int, map[string]string, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	errors := null
	if o.Stderr != nil {
		errors = o.Stderr
	}
	layers := map[string]string{"zygote unreadable": active}
	program, release, err := unreadableCopy(o.Interpreter)
	if err != nil {
		layers["zygote unreadable"], program = "refused: "+err.Error(), o.Interpreter
	}
	defer release()
	layers["seccomp"] = state(loadFilter(zygoteFilter()))
	layers["landlock"] = state(landlock(o.Scratch))
	pid, err := syscall.ForkExec(program, []string{o.Interpreter, "-I", "-c", startup, LayerPath(o.Layer)}, &syscall.ProcAttr{
		Dir:   o.Scratch,
		Env:   zygoteEnvironment(o.AccessKey, o.Environment),
		Files: []uintptr{null.Fd(), null.Fd(), errors.Fd(), control.Fd()}, // control becomes descriptor 3
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("execute %s: %w", o.Interpreter, err)
	}
	return pid, layers, nil
}

func state(err error) string {
	if err == nil {
		return active
	}
	return "refused: " + err.Error()
}

func noNewPrivileges() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

func loadFilter(p *program) error {
	if err := noNewPrivileges(); err != nil {
		return err
	}
	code := p.bytes()
	wanted := unix.SockFprog{Len: uint16(len(p.code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&wanted)), 0, 0)
	runtime.KeepAlive(code)
	return err
}

const (
	landlockRead  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	landlockFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
)

// landlock leaves reading everywhere but in the kernel's own file systems, and writing in scratch.
// It uses the rules of the first version, which every kernel with Landlock has.
func landlock(scratch string) error {
	if err := noNewPrivileges(); err != nil {
		return err
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: landlockRead | landlockWrite}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules.Handled_access_fs), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	if err := allowReading(int(ruleset), scratch); err != nil {
		return err
	}
	for path, access := range map[string]uint64{scratch: landlockRead | landlockWrite, "/dev/null": landlockFile,
		"/dev/urandom": unix.LANDLOCK_ACCESS_FS_READ_FILE} {
		if err := allow(int(ruleset), path, access); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// allowReading allows every top-level directory except those in which the kernel speaks.
func allowReading(ruleset int, scratch string) error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join("/", entry.Name())
		if path == "/proc" || path == "/sys" || path == "/dev" || path == scratch {
			continue
		}
		access := uint64(landlockRead)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			access = unix.LANDLOCK_ACCESS_FS_READ_FILE
		}
		if err := allow(ruleset, path, access); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	return nil
}

func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allow %s: %w", path, errno)
	}
	return nil
}
