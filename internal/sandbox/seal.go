package sandbox

import (
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
)

// Seal replaces the running program by a copy of itself that may be executed but not read: the
// kernel then makes the process undumpable, and /proc/PID/environ and mem are closed to other
// processes of the same user. It needs no prctl. It returns when the process is sealed already, or
// could not be sealed; [Sealed] tells which.
func Seal() error {
	if os.Getenv(envSealed) != "" {
		return nil
	}
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own binary: %w", err)
	}
	err = execUnreadable(path, os.Args, append(os.Environ(), envSealed+"=yes", envBinary+"="+path))
	os.Setenv(envSealed, "refused: "+err.Error())
	os.Setenv(envBinary, path)
	return err
}

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
	copied, err := unreadableCopy(path)
	if err != nil {
		return err
	}
	return fmt.Errorf("execute the unreadable copy of %s: %w", path, syscall.Exec(copied, argv, env))
}

// unreadableCopy copies the program into memory with mode 0111, and returns a path to execute.
func unreadableCopy(path string) (string, error) {
	source, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("copy the program: %w", err)
	}
	defer source.Close()
	if err := requireELF(source); err != nil {
		return "", err
	}
	fd, err := unix.MemfdCreate("alarmtriage", unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("create a memory file: %w", err)
	}
	target := os.NewFile(uintptr(fd), "memfd")
	if _, err := io.Copy(target, source); err != nil {
		return "", fmt.Errorf("copy %s into memory: %w", path, err)
	}
	if err := target.Chmod(0o111); err != nil {
		return "", fmt.Errorf("make the copy of %s unreadable: %w", path, err)
	}
	// A descriptor that is open for writing makes exec fail with ETXTBSY: open it anew, for exec only.
	readable := fmt.Sprintf("/proc/self/fd/%d", fd)
	exec, err := unix.Open(readable, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open the copy of %s: %w", path, err)
	}
	if err := target.Close(); err != nil {
		return "", fmt.Errorf("close the copy of %s: %w", path, err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", exec), nil
}

var errNotELF = errors.New("the program is a script, not a binary")

func requireELF(file *os.File) error {
	magic := make([]byte, 4)
	if _, err := file.ReadAt(magic, 0); err != nil || string(magic) != "\x7fELF" {
		return errNotELF
	}
	return nil
}
