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

// Environment variables that [Seal] sets for the program that it executes. They never reach Python.
const (
	envSealed   = "ALARMTRIAGE_SEALED"   // sealedYes, or why sealing failed
	envBinary   = "ALARMTRIAGE_BINARY"   // path of the readable binary
	envLaunched = "ALARMTRIAGE_LAUNCHED" // JSON of launched

	sealedYes = "yes"
)

// Seal starts Python, which takes longest, and meanwhile replaces the running program with a copy of itself
// that may be executed but not read. The kernel makes such a process undumpable and closes its
// /proc/PID/environ and mem to other processes of the same user. This needs no prctl. No call runs before the
// program has been replaced. Before that, Seal kills what an earlier run of this function left behind, because it could read
// the environment of this process. If there was anything, Python starts only after the program has been replaced.
//
// Seal does not return if it succeeds: the copy starts from the beginning and calls Seal again, which then
// returns nil. [Sealed] reports the state. [Launched] returns the Python that Seal started, for [Options].
func Seal(o Options) error {
	if os.Getenv(envSealed) != "" {
		return nil
	}
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("locate this executable: %w", err)
	}
	os.Setenv(envBinary, path)
	_, killed, err := survivors{o, findAncestors()}.end()
	if killed == 0 && err == nil {
		if err := launchAcrossExec(o); err != nil {
			return err
		}
	}
	if o.Log != nil {
		warnOfSurvivors(o.Log, killed)
	}
	err = execUnreadable(path, os.Args, append(os.Environ(), envSealed+"="+sealedYes))
	os.Setenv(envSealed, layerOf(err).String())
	return err
}

// launchAcrossExec starts Python for the next program. If Python cannot start, New tries again and reports the error.
func launchAcrossExec(o Options) error {
	l, err := launch(o)
	if err != nil {
		return nil
	}
	l.waitStarted()
	return l.keepAcrossExec()
}

// maxStartMS bounds the wait for Python's first message, which usually takes a third of that.
const maxStartMS = 100

// waitStarted waits until Python is running. Copying the binary while the kernel loads Python slows both
// down; copying it while Python imports its modules costs nothing. The message stays in the socket for the
// supervisor that adopts the process.
func (l launched) waitStarted() {
	unix.Poll([]unix.PollFd{{Fd: int32(l.Control), Events: unix.POLLIN}}, maxStartMS)
}

// keepAcrossExec keeps the control socket open in the next program and describes the zygote in the
// environment.
func (l launched) keepAcrossExec() error {
	encoded, err := json.Marshal(l)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(l.Control), unix.F_SETFD, 0)
	}
	if err != nil {
		l.kill()
		return fmt.Errorf("keep the control socket across exec: %w", err)
	}
	return os.Setenv(envLaunched, string(encoded))
}

// Launched returns the zygote that [Seal] started, or an empty string.
func Launched(getenv func(string) string) string { return getenv(envLaunched) }

// Sealed returns whether this process is unreadable to other processes ("active", "off", or why it was
// refused) and the path of the readable binary.
func Sealed(getenv func(string) string) (state, binary string) {
	switch state = getenv(envSealed); state {
	case "":
		return string(stateOff), ""
	case sealedYes:
		return string(stateActive), getenv(envBinary)
	}
	return state, getenv(envBinary)
}

// execUnreadable replaces the program of this process with an unreadable copy of the program at path.
func execUnreadable(path string, argv, env []string) error {
	copied, release, err := unreadableCopy(path)
	defer release()
	if err != nil {
		return err
	}
	return fmt.Errorf("execute the unreadable copy of %s: %w", path, syscall.Exec(copied, argv, env))
}

// farDescriptor is above the descriptors that the Go runtime reorders when it starts a process.
const farDescriptor = 200

// unreadableCopy copies the program into memory with mode 0111 and returns a path to execute, which is valid
// until release is called.
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
	// exec fails with ETXTBSY while a descriptor is open for writing. Open the file again, for exec only.
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
