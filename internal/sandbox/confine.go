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

// launched is a zygote that was started and received its first message. Nobody has read its events yet. It
// survives the exec in [Seal].
type launched struct {
	PID     int              `json:"pid"`
	Control int              `json:"control"` // descriptor
	Layers  map[string]layer `json:"layers"`
}

// launch starts Python, confined as far as the kernel allows, and sends it the first message.
func launch(o Options) (launched, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return launched{}, fmt.Errorf("make the control socket: %w", err)
	}
	zygoteEnd := os.NewFile(uintptr(pair[1]), "zygote control")
	defer zygoteEnd.Close() // while this process holds it open, nothing shows that the zygote ended
	l := launched{Control: pair[0]}
	if l.PID, l.Layers, err = startConfined(o, zygoteEnd); err != nil {
		unix.Close(pair[0])
		return launched{}, err
	}
	if err := l.sendHello(o); err != nil {
		l.kill()
		return launched{}, err
	}
	return l, nil
}

// sendHello sends the first message. Python needs it early: it imports from the search path.
func (l launched) sendHello(o Options) error {
	first := hello{PIDSlots: []int{}, Search: append([]string{}, o.SearchPath...), Warm: append([]string{}, o.Warm...)}
	if l.Layers["seccomp"] == layerActive {
		first.Filter, first.PIDSlots = hexProgram(childFilter())
	}
	encoded, err := json.Marshal(first)
	if err != nil {
		return fmt.Errorf("encode the first message: %w", err)
	}
	if _, err := unix.Write(l.Control, encoded); err != nil {
		return fmt.Errorf("send the first message: %w", err)
	}
	return nil
}

// kill ends a zygote that no supervisor adopted.
func (l launched) kill() {
	unix.Close(l.Control)
	syscall.Kill(l.PID, syscall.SIGKILL)
	syscall.Wait4(l.PID, nil, 0, nil)
}

// adopt makes the process the zygote of this supervisor.
func (l launched) adopt(o Options) (*zygote, error) {
	unix.CloseOnExec(l.Control)
	process, err := os.FindProcess(l.PID)
	if err == nil {
		err = unix.SetNonblock(l.Control, true)
	}
	if err != nil {
		l.kill()
		return nil, fmt.Errorf("set up the control socket: %w", err)
	}
	return &zygote{
		process: process,
		control: os.NewFile(uintptr(l.Control), "control"),
		layers:  l.Layers,
		log:     o.Log,
		gone:    make(chan struct{}),
		spared:  make(chan struct{}, 1),
		exits:   map[int]syscall.WaitStatus{},
		running: map[int]chan struct{}{},
	}, nil
}

var errNotLaunched = errors.New("Seal did not launch Python")

// parseLaunched reads the text that [Seal] left in the environment.
func parseLaunched(text string) (launched, error) {
	var l launched
	if text == "" {
		return l, errNotLaunched
	}
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return l, fmt.Errorf("parse %s: %w", envLaunched, err)
	}
	// The environment may have been copied to a process that did not launch Python.
	if _, err := unix.FcntlInt(uintptr(l.Control), unix.F_GETFD, 0); err != nil || syscall.Kill(l.PID, 0) != nil {
		return l, errNotLaunched
	}
	return l, nil
}

// startConfined starts Python from a locked OS thread that has already installed seccomp and Landlock. Both
// are per thread and irreversible, so the thread is never unlocked and exits with its goroutine. The
// alternative, a launcher binary, would add an exec to every cold start.
func startConfined(o Options, control *os.File) (pid int, layers map[string]layer, err error) {
	done := make(chan struct{})
	runtime.LockOSThread() // the goroutine below then gets another thread, never the main one
	defer runtime.UnlockOSThread()
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, and Go creates no threads from a locked one
		pid, layers, err = confineAndStart(o, control)
	}()
	<-done
	return pid, layers, err
}

func confineAndStart(o Options, control *os.File) (int, map[string]layer, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	stderr := null
	if o.Stderr != nil {
		stderr = o.Stderr
	}
	layers := map[string]layer{"zygote unreadable": layerActive}
	program, release, err := unreadableCopy(o.Interpreter)
	if err != nil {
		layers["zygote unreadable"], program = layerOf(err), o.Interpreter
	}
	defer release()
	layers["seccomp"] = layerOf(loadFilter(zygoteFilter()))
	layers["landlock"] = layerOf(landlock(o.Scratch, o.Readable))
	pid, err := syscall.ForkExec(program, []string{o.Interpreter, "-I", "-c", startup, LayerPath(o.Layer)}, &syscall.ProcAttr{
		Dir:   o.Scratch,
		Env:   zygoteEnvironment(o.AccessKey, o.Environment),
		Files: []uintptr{null.Fd(), null.Fd(), stderr.Fd(), control.Fd()}, // control becomes descriptor 3
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("execute %s: %w", o.Interpreter, err)
	}
	return pid, layers, nil
}

func noNewPrivileges() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

func loadFilter(p *program) error {
	if err := noNewPrivileges(); err != nil {
		return err
	}
	code := p.bytes()
	filter := unix.SockFprog{Len: uint16(len(p.code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
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

// landlock restricts this thread: it may read the readable paths, or everywhere except in the kernel's own file systems if
// there are none, and write only in scratch. It uses the access rights of the first version, which every kernel with
// Landlock supports, and, if the kernel has it, the right to move files between directories.
func landlock(scratch string, readable []string) error {
	if err := noNewPrivileges(); err != nil {
		return err
	}
	write := uint64(landlockWrite)
	if landlockVersion() >= landlockVersionOfRefer {
		write |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: landlockRead | write}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules.Handled_access_fs), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	if len(readable) == 0 {
		var err error
		if readable, err = everywhere(scratch); err != nil {
			return err
		}
	}
	if err := allowReading(int(ruleset), readable); err != nil {
		return err
	}
	for path, access := range map[string]uint64{scratch: landlockRead | write, "/dev/null": landlockFile,
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

// landlockVersionOfRefer is the first version that lets a rule permit moves and links between directories. Earlier ones refuse them.
const landlockVersionOfRefer = 2

// landlockVersion returns the kernel's version of Landlock, or 0 without it.
func landlockVersion() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// everywhere returns every top-level path except those of the kernel's own file systems and the scratch directory.
func everywhere(scratch string) (paths []string, err error) {
	entries, err := os.ReadDir("/")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		path := filepath.Join("/", entry.Name())
		if path == "/proc" || path == "/sys" || path == "/dev" || path == scratch {
			continue
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// allowReading allows reading the paths and everything below them. Paths that do not exist are skipped.
func allowReading(ruleset int, paths []string) error {
	for _, path := range paths {
		access := uint64(landlockRead)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			access = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE // the interpreter can be one of them
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
