package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// traceKind is a way in which a call affected something other than itself.
type traceKind string

const (
	traceProcess    traceKind = "process"    // the call left a process behind
	traceZygote     traceKind = "zygote"     // the zygote was stopped or killed
	traceLimit      traceKind = "limit"      // a limit of the supervisor or the zygote was changed
	traceScheduling traceKind = "scheduling" // the scheduling of the supervisor or the zygote was changed
	traceSocket     traceKind = "socket"     // a network socket that is not the supervisor's
	traceShared     traceKind = "shared"     // shared memory, a queue, a semaphore, or a key was left behind
	traceDescriptor traceKind = "descriptor" // the supervisor has too many open descriptors
	traceFiles      traceKind = "files"      // files could not be removed in time
	traceRequest    traceKind = "request"    // a request of the call is still being checked
	traceHarness    traceKind = "harness"    // the sandbox itself failed
)

// SpentError means that a call left a trace, so that this process must exit after its answer. AWS Lambda then
// starts a new one.
type SpentError struct {
	Kind   traceKind
	Detail string
}

// Error describes the trace.
func (e *SpentError) Error() string {
	return fmt.Sprintf("a call affected more than itself (%s: %s); this environment must be replaced", e.Kind, e.Detail)
}

// limitKinds is the number of resource limits of a process (RLIM_NLIMITS).
const limitKinds = 16

// condition is what another process of the same user can change in a process.
type condition struct {
	limits     [limitKinds]unix.Rlimit
	scheduling scheduling
	group      string // name and niceness of the group of tasks of the process's session
}

// scheduling is the part of a condition that each thread has.
type scheduling struct {
	attributes unix.SchedAttr
	io         uintptr
	processors unix.CPUSet
}

// conditionOf returns the condition of a process. What the kernel does not report remains zero.
func conditionOf(pid int) condition {
	group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", pid))
	c := condition{scheduling: schedulingOf(pid), group: string(group)}
	for kind := range c.limits {
		_ = unix.Prlimit(pid, kind, nil, &c.limits[kind])
	}
	return c
}

// ioWhoProcess is IOPRIO_WHO_PROCESS of ioprio_get(2).
const ioWhoProcess = 1

func schedulingOf(thread int) scheduling {
	var s scheduling
	if attributes, err := unix.SchedGetAttr(thread, 0); err == nil {
		s.attributes = *attributes
	}
	s.io, _, _ = unix.RawSyscall(unix.SYS_IOPRIO_GET, ioWhoProcess, uintptr(thread), 0)
	_ = unix.SchedGetaffinity(thread, &s.processors)
	return s
}

// compare returns the trace of a change in a process since its condition was c, or nil.
func (c condition) compare(name string, pid int) *SpentError {
	now := conditionOf(pid)
	for kind, limit := range c.limits {
		if now.limits[kind] != limit {
			return &SpentError{traceLimit, fmt.Sprintf("resource limit %d of the %s", kind, name)}
		}
	}
	if now.group != c.group {
		return &SpentError{traceScheduling, "the group of the " + name}
	}
	for _, thread := range names(fmt.Sprintf("/proc/%d/task", pid)) {
		id, err := strconv.Atoi(thread)
		if err != nil {
			continue
		}
		if schedulingOf(id) != c.scheduling && syscall.Kill(id, 0) != syscall.ESRCH {
			return &SpentError{traceScheduling, "a thread of the " + name}
		}
	}
	return nil
}

const ownDescriptors = "/proc/self/fd"

// ownSockets returns the sockets of this process by inode.
func ownSockets() map[string]bool {
	sockets := map[string]bool{}
	for _, name := range names(ownDescriptors) {
		target, err := os.Readlink(filepath.Join(ownDescriptors, name))
		if inode, found := strings.CutPrefix(target, "socket:["); err == nil && found {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return sockets
}

// maxMoreDescriptors is how many descriptors this process may open beyond those at start, for connections to
// AWS. Lambda allows 1,024 in total.
const maxMoreDescriptors = 256

// networkTables list the sockets of a network namespace.
var networkTables = []string{"tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6"}

// strangeSockets returns the inodes of network sockets that belong to a user but not to this process.
func strangeSockets(uid int) map[string]bool {
	found := map[string]bool{}
	for _, table := range networkTables {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(text) {
			fields := strings.Fields(string(line))
			if len(fields) > 9 && fields[7] == strconv.Itoa(uid) && fields[9] != "0" {
				found[fields[9]] = true
			}
		}
	}
	if len(found) == 0 {
		return found
	}
	own := ownSockets()
	if len(own) == 0 {
		return nil // this process has at least its sockets to the zygote: they cannot be read
	}
	for inode := range own {
		delete(found, inode)
	}
	return found
}

// usesNetwork reports whether a process of the user other than this one has a network socket. A socket of this
// process may be closed between two looks, so a socket counts only if it is found twice.
func usesNetwork(uid int) bool {
	first := strangeSockets(uid)
	if len(first) == 0 {
		return false
	}
	for inode := range strangeSockets(uid) {
		if first[inode] {
			return true
		}
	}
	return false
}

// sharedObject is a System V object: shared memory, a message queue, or a set of semaphores.
type sharedObject struct {
	id       int
	resident int64 // bytes in memory
	remove   func(id int) error
}

// sharedTables describe the files in /proc/sysvipc. A line has the ID of an object in its second column.
var sharedTables = []struct {
	name            string
	owner, resident int // columns; resident 0: none
	remove          func(id int) error
}{
	{"shm", 7, 14, func(id int) error { _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); return err }},
	{"msg", 7, 0, func(id int) error { return controlShared(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0) }},
	{"sem", 4, 0, func(id int) error { return controlShared(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID) }},
}

func controlShared(call uintptr, id int, second, third uintptr) error {
	if _, _, errno := unix.Syscall6(call, uintptr(id), second, third, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// sharedObjects returns the System V objects of a user.
func sharedObjects(uid int) []sharedObject {
	var found []sharedObject
	for _, table := range sharedTables {
		text, err := os.ReadFile("/proc/sysvipc/" + table.name)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(text) {
			fields := strings.Fields(string(line))
			if len(fields) <= max(table.owner+2, table.resident) ||
				number(fields[table.owner]) != uid && number(fields[table.owner+2]) != uid { // owner and creator
				continue
			}
			object := sharedObject{id: number(fields[1]), remove: table.remove}
			if table.resident > 0 {
				object.resident, _ = strconv.ParseInt(fields[table.resident], 10, 64)
			}
			found = append(found, object)
		}
	}
	return found
}

// sharedDirectories hold POSIX shared memory and semaphores, and message queues.
var sharedDirectories = []string{"/dev/shm", "/dev/mqueue"}

// sharedFiles returns the user's files in sharedDirectories and their size in bytes.
func sharedFiles(uid int) (paths []string, size int64) {
	for _, directory := range sharedDirectories {
		for _, name := range names(directory) {
			var stat unix.Stat_t
			path := filepath.Join(directory, name)
			if unix.Lstat(path, &stat) == nil && int(stat.Uid) == uid {
				paths = append(paths, path)
				size += stat.Blocks * 512 // st_blocks counts units of 512 bytes
			}
		}
	}
	return paths, size
}

// keys returns the number of the kernel's keys that a user owns, as /proc/key-users reports it.
func keys(uid int) int {
	text, err := os.ReadFile("/proc/key-users")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if owner, rest, found := strings.Cut(strings.TrimSpace(string(line)), ":"); found && owner == strconv.Itoa(uid) {
			if fields := strings.Fields(rest); len(fields) > 2 {
				count, _, _ := strings.Cut(fields[2], "/")
				return max(number(count), 0)
			}
		}
	}
	return 0
}

// keyrings of this user, of the user's session, and of this session, which outlive a process.
var keyrings = []int{unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_USER_SESSION_KEYRING, unix.KEY_SPEC_SESSION_KEYRING}

// removeShared removes the shared objects that a call left behind and reports whether there were any.
func (s *Supervisor) removeShared() bool {
	uid, left := os.Getuid(), false
	for _, object := range sharedObjects(uid) {
		left = true
		_ = object.remove(object.id)
	}
	files, _ := sharedFiles(uid)
	for _, path := range files {
		left = true
		_ = removeAll(path, time.Now().Add(cleanTime))
	}
	if keys(uid) > s.keys {
		left = true
		clearKeys()
	}
	return left
}

// clearKeys removes the keys that outlive a process. Those in the user's persistent keyring also outlive the user's sessions.
func clearKeys() {
	rings := slices.Clone(keyrings)
	const ownUser, linkedTo = -1, unix.KEY_SPEC_PROCESS_KEYRING
	if persistent, err := unix.KeyctlInt(unix.KEYCTL_GET_PERSISTENT, ownUser, linkedTo, 0, 0); err == nil {
		rings = append(rings, persistent, linkedTo)
	}
	for _, ring := range rings {
		_, _ = unix.KeyctlInt(unix.KEYCTL_CLEAR, ring, 0, 0, 0)
	}
}

// sharedMemory returns the bytes in shared objects of the user, which belong to no process.
func (s *Supervisor) sharedMemory() int64 {
	uid := os.Getuid()
	_, size := sharedFiles(uid)
	for _, object := range sharedObjects(uid) {
		size += object.resident
	}
	return size
}
