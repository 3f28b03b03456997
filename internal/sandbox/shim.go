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

// ShimArgument is the first argument with which the binary runs itself as the shim.
const ShimArgument = "sandbox-shim"

// envLayers carries what the shim achieved to the zygote, as JSON of layer names to states.
const envLayers = "ALARMTRIAGE_LAYERS"

// active is the state of a layer that holds.
const active = "active"

// Shim confines the process as far as the kernel lets it and becomes the program in args:
// scratch directory, interpreter, arguments. It only returns on failure.
func Shim(args []string) error {
	if len(args) < 2 {
		return errors.New("the shim needs a scratch directory and a program")
	}
	scratch, argv := args[0], args[1:]
	// Filters and rules belong to a thread; the one that calls exec is the one that stays.
	runtime.LockOSThread()
	layers := map[string]string{"zygote unreadable": active}
	copied, err := unreadableCopy(argv[0])
	if err != nil {
		layers["zygote unreadable"], copied = "refused: "+err.Error(), argv[0]
	}
	layers["seccomp"] = state(loadFilter(zygoteFilter()))
	layers["landlock"] = state(landlock(scratch))
	encoded, err := json.Marshal(layers)
	if err != nil {
		return fmt.Errorf("encode the layers: %w", err)
	}
	env := append(os.Environ(), envLayers+"="+string(encoded))
	return fmt.Errorf("execute %s: %w", argv[0], syscall.Exec(copied, argv, env))
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
