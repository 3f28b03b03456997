package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Environment variables by which a sealed process knows itself. They are read by the binary's main
// through [Sealed] and never reach Python.
const (
	envSealed = "ALARMTRIAGE_SEALED" // "yes", or why sealing failed
	envBinary = "ALARMTRIAGE_BINARY" // path of the readable binary
	envBegun  = "ALARMTRIAGE_BEGUN"  // the Python that was started before, as JSON of begun
)

// Seal starts Python, which takes longest, and meanwhile replaces the running program by a copy of
// itself that may be executed but not read: the kernel then makes the process undumpable, and
// /proc/PID/environ and mem are closed to other processes of the same user. It needs no prctl. No code of
// a call runs before that. It returns when the process is sealed already, or could not be sealed;
// [Sealed] tells which, and [Begun] what [Options] need to go on with that Python.
func Seal(o Options) error {
	if os.Getenv(envSealed) != "" {
		return nil
	}
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own binary: %w", err)
	}
	os.Setenv(envBinary, path)
	if b, err := begin(o); err == nil { // else New tries again, and says why not
		b.awaitStart()
		if err := b.outlive(); err != nil {
			return err
		}
	}
	err = execUnreadable(path, os.Args, append(os.Environ(), envSealed+"=yes"))
	os.Setenv(envSealed, "refused: "+err.Error())
	return err
}

// mostStart bounds the wait for Python's first message. It takes a third of that.
const mostStart = 100 // milliseconds

// awaitStart waits until Python is up. Copying a program while the kernel loads another one slows that
// down; beside Python's imports it is free. The message stays for whoever adopts the process.
func (b begun) awaitStart() {
	unix.Poll([]unix.PollFd{{Fd: int32(b.Control), Events: unix.POLLIN}}, mostStart)
}

// outlive leaves what was begun to the program that this process becomes.
func (b begun) outlive() error {
	encoded, err := json.Marshal(b)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(b.Control), unix.F_SETFD, 0)
	}
	if err != nil {
		b.abandon()
		return fmt.Errorf("keep the Python that was started: %w", err)
	}
	return os.Setenv(envBegun, string(encoded))
}

// Begun is what [Seal] has started.
func Begun(getenv func(string) string) string { return getenv(envBegun) }

// Sealed says whether this process is unreadable to others ("active", or why not), and where the
// readable binary lies.
func Sealed(getenv func(string) string) (state, binary string) {
	switch state = getenv(envSealed); state {
	case "":
		return "off", ""
	case "yes":
		return "active", getenv(envBinary)
	}
	return state, getenv(envBinary)
}

// execUnreadable replaces this process by a copy of the program at path that nobody can read.
func execUnreadable(path string, argv, env []string) error {
	copied, release, err := unreadableCopy(path)
	defer release()
	if err != nil {
		return err
	}
	return fmt.Errorf("execute the unreadable copy of %s: %w", path, syscall.Exec(copied, argv, env))
}

// farDescriptor is above the descriptors that the runtime shuffles when it starts a process.
const farDescriptor = 200

// unreadableCopy copies the program into memory with mode 0111, and returns a path to execute, which
// holds until it is released.
func unreadableCopy(path string) (copied string, release func(), err error) {
	release = func() {}
	source, err := os.Open(path)
	if err != nil {
		return "", release, fmt.Errorf("copy the program: %w", err)
	}
	defer source.Close()
	if err := requireELF(source); err != nil {
		return "", release, err
	}
	fd, err := unix.MemfdCreate("alarmtriage", unix.MFD_CLOEXEC)
	if err != nil {
		return "", release, fmt.Errorf("create a memory file: %w", err)
	}
	target := os.NewFile(uintptr(fd), "memfd")
	defer target.Close()
	if _, err := io.Copy(target, source); err != nil {
		return "", release, fmt.Errorf("copy %s into memory: %w", path, err)
	}
	if err := target.Chmod(0o111); err != nil {
		return "", release, fmt.Errorf("make the copy of %s unreadable: %w", path, err)
	}
	// A descriptor that is open for writing makes exec fail with ETXTBSY: open it anew, for exec only.
	opened, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", release, fmt.Errorf("open the copy of %s: %w", path, err)
	}
	defer unix.Close(opened)
	far, err := unix.FcntlInt(uintptr(opened), unix.F_DUPFD_CLOEXEC, farDescriptor)
	if err != nil {
		return "", release, fmt.Errorf("keep the copy of %s: %w", path, err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", far), func() { unix.Close(far) }, nil
}

var errNotELF = errors.New("the program is a script, not a binary")

func requireELF(file *os.File) error {
	magic := make([]byte, 4)
	if _, err := file.ReadAt(magic, 0); err != nil || string(magic) != "\x7fELF" {
		return errNotELF
	}
	return nil
}
