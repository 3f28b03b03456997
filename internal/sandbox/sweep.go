package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process holds the facts that /proc reports about every process, even about an unreadable one.
type process struct {
	pid, parent, uid, threads int
	zombie, stopped           bool
}

// ended reports whether no thread of the process runs. A process whose first thread ended is a zombie, too.
func (p process) ended() bool { return p.zombie && p.threads == 1 }

// processes lists the processes of one user, or none if they cannot be listed.
func processes(uid int) []process {
	found, _ := listProcesses(uid)
	return found
}

// listProcesses lists the processes of one user. Each is looked at as soon as it is listed, because a process that forks and ends
// all the time would otherwise be gone: process IDs ascend, so the list always comes to the latest one. It fails if this process
// may open no more files, which the code of a call can cause.
func listProcesses(uid int) (found []process, err error) {
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer unix.Close(fd)
	var entries [entriesSize]byte
	var names []string
	for {
		n, err := unix.Getdents(fd, entries[:])
		if n <= 0 || err != nil {
			return found, err
		}
		_, _, names = unix.ParseDirent(entries[:n], -1, names[:0])
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			p, err := lookUp(pid)
			switch {
			case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
				return nil, fmt.Errorf("list processes: %w", err)
			case err == nil && p.uid == uid:
				found = append(found, p)
			}
		}
	}
}

// entriesSize is the size in bytes of a few entries of /proc. The longest name there has fewer than 64 bytes.
const entriesSize = 128

// readProcess reports whether there is a process with this ID, and its facts.
func readProcess(pid int) (process, bool) {
	p, err := lookUp(pid)
	return p, err == nil
}

func lookUp(pid int) (process, error) {
	var buffer [statusSize]byte
	text, err := processStatus(pid, buffer[:])
	if err != nil {
		return process{}, err
	}
	state := field(text, "State:\t")
	return process{
		pid:     pid,
		parent:  number(field(text, "PPid:\t")),
		uid:     number(field(text, "Uid:\t")),
		threads: max(number(field(text, "Threads:\t")), 1),
		zombie:  state == "Z" || state == "X",
		stopped: state == "T" || state == "t",
	}, nil
}

const statusSize = 4096 // bytes of a process's status; the fields used here are in the first 1,024

func processStatus(pid int, buffer []byte) ([]byte, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buffer)
	return buffer[:max(n, 0)], err
}

// usedMemory returns the resident bytes of a process that no file backs, with its page tables, or 0 if the process is gone. Code that
// maps one file many times needs little other memory. A thread that has ended reports none, although the others go on. It can be the
// first one, whose ID is that of the process.
func usedMemory(pid int) int64 {
	if used := memoryOf(pid); used > 0 {
		return used
	}
	used := int64(0)
	for _, thread := range names(fmt.Sprintf("/proc/%d/task", pid)) {
		used = max(used, memoryOf(number(thread)))
	}
	return used
}

// memoryOf is usedMemory as one thread reports it.
func memoryOf(thread int) int64 {
	var buffer [statusSize]byte
	text, err := processStatus(thread, buffer[:])
	if err != nil {
		return 0
	}
	used := int64(0)
	for _, kind := range []string{"RssAnon:\t", "RssShmem:\t", "VmPTE:\t"} {
		used += int64(max(number(field(text, kind)), 0)) << 10
	}
	return used
}

// field returns the first word after a name in a process's status.
func field(text []byte, name string) string {
	at := bytes.Index(text, []byte("\n"+name))
	if at < 0 {
		return ""
	}
	rest := bytes.TrimLeft(text[at+1+len(name):], " ")
	if end := bytes.IndexAny(rest, " \t\n"); end >= 0 {
		rest = rest[:end]
	}
	return string(rest)
}

// number parses text, or returns -1 if it is not a number.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// threads returns the number that the kernel counts toward the limit of processes.
func threads(list []process) int {
	sum := 0
	for _, p := range list {
		sum += p.threads
	}
	return sum
}

// names returns the names of the entries of a directory.
func names(directory string) []string {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	list := make([]string, len(entries))
	for i, entry := range entries {
		list[i] = entry.Name()
	}
	return list
}

const (
	sweepTime    = 2 * time.Second  // for processes that fork while they are killed
	quietLooks   = 5                // without a process, in a row, after code that could fork
	announceWait = time.Second      // for the zygote's announcement of a child that it has just forked
	endWait      = time.Second      // until a killed child must have ended, or a stopped zygote must have stopped
	pollWait     = time.Millisecond // between two looks at processes
	killWait     = pollWait / 10    // likewise, after processes were killed
)

// suspect is a process that a call may have left behind.
type suspect struct {
	process
	forked bool // by the zygote, which has not announced it (yet) as a spare
}

// killLeftovers kills the processes that a call left behind. It reports how many there were, and whether they ended.
//
// If the call's system call filter was active, the call cannot have made a child of the zygote, and what it left does not
// fork. Otherwise, a child that the zygote has not announced as a spare by a certain time belongs to the call, and one look
// may miss a process that forks and ends all the time.
func (s *Supervisor) killLeftovers(z *zygote, child int, filtered bool, announced time.Time) (killed int, ended bool) {
	needed := quietLooks
	if filtered {
		needed = 1
	}
	found := map[int]bool{} // one process can be killed several times before it has ended
	for quiet, deadline := 0, time.Now().Add(sweepTime); quiet < needed; {
		seen := false
		kills := 0
		suspects, err := s.suspects(z, child)
		if err != nil {
			return len(found) + s.killUnseen(z), false
		}
		for _, p := range suspects {
			switch {
			case p.forked && filtered:
			case p.forked && time.Now().Before(announced):
				seen = true
			default:
				seen = true
				if syscall.Kill(p.pid, syscall.SIGKILL) == nil {
					found[p.pid] = true
					kills++
				}
			}
		}
		if kills > 0 && s.alone {
			killAll() // before they fork again. A supervisor that found processes is replaced, so it needs no zygote
		}
		if quiet++; seen {
			quiet = 0
		}
		if time.Now().After(deadline) {
			return len(found), !seen
		}
		if quiet < needed {
			pause(kills)
		}
	}
	return len(found), true
}

// pause waits until the next look. Killed processes may be forking, so that look is soon.
func pause(kills int) {
	if kills > 0 {
		time.Sleep(killWait)
		return
	}
	time.Sleep(pollWait)
}

// suspects returns the processes that a call may have left behind. The innocent processes are known by their
// IDs: this process, the zygote, the children that the zygote announced, and the processes that existed before
// this one. Another process is suspect if it descends from the call's child or from the zygote, if it became an
// orphan of this process (see Options.Reap), or, with Options.OwnUser, if it has the sandbox's user.
func (s *Supervisor) suspects(z *zygote, child int) (found []suspect, err error) {
	list, err := listProcesses(os.Getuid())
	if err != nil {
		return nil, err
	}
	own, zygotePID := os.Getpid(), z.process.Pid
	innocent := z.announced()
	innocent[own], innocent[zygotePID], innocent[child] = true, true, true
	below := descendants(list, child, zygotePID)
	tolerated := descendants(list, s.tolerated...)
	for _, p := range list {
		if innocent[p.pid] || s.ancestors[p.pid] || tolerated[p.pid] {
			continue
		}
		orphan := s.options.Reap && p.parent == own
		if p.ended() {
			if orphan {
				syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
			}
			continue
		}
		if below[p.pid] || orphan || s.options.OwnUser {
			found = append(found, suspect{process: p, forked: p.parent == zygotePID})
		}
	}
	return found, nil
}

const (
	firstUserPID = 2       // the first process of a system or a container belongs to no call
	maxLastPID   = 1 << 22 // PID_MAX_LIMIT
)

// lastPID returns the highest process ID that the kernel gives.
func lastPID() int {
	text, _ := os.ReadFile("/proc/sys/kernel/pid_max")
	if last := number(strings.TrimSpace(string(text))); last > 0 {
		return last
	}
	return maxLastPID
}

// killUnseen kills every process of the user but the innocent ones, and returns how many it found. One signal for all of them finds
// none. It needs no list of them, which needs files: code without a filter can lower the number of files that this process may open.
func (s *Supervisor) killUnseen(z *zygote) (killed int) {
	if !s.options.OwnUser {
		return 0
	}
	if s.alone {
		killAll()
		return 0
	}
	innocent := z.announced()
	innocent[os.Getpid()], innocent[z.process.Pid] = true, true
	for _, pid := range s.tolerated {
		innocent[pid] = true
	}
	for range quietLooks { // they may fork
		for pid := firstUserPID; pid <= s.lastPID; pid++ {
			if !innocent[pid] && !s.ancestors[pid] && isProcess(pid) && syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
			}
		}
	}
	return killed
}

// killAll kills all processes of the user but this one and process 1. The kernel lets none of them fork meanwhile.
func killAll() { _ = syscall.Kill(-1, syscall.SIGKILL) }

// isAlone reports whether every other process of the user that a signal can reach belongs to the sandbox.
func (s *Supervisor) isAlone() bool {
	if !s.options.OwnUser || len(s.tolerated) > 0 {
		return false
	}
	for pid := range s.ancestors {
		if p, ok := readProcess(pid); pid != 1 && (!ok || p.uid == os.Getuid()) {
			return false
		}
	}
	return true
}

// isProcess reports whether an ID is that of a process of this user. The ID of a thread would kill its process, too.
func isProcess(id int) bool { return unix.Tgkill(id, id, 0) == nil }

// descendants returns the process IDs and those of all processes below them.
func descendants(list []process, pids ...int) map[int]bool {
	below := map[int]bool{}
	for _, pid := range pids {
		below[pid] = true
	}
	for grown := true; grown; {
		grown = false
		for _, p := range list {
			if below[p.parent] && !below[p.pid] {
				below[p.pid], grown = true, true
			}
		}
	}
	return below
}

// waitEnded waits until a killed child has ended. A process that has not ended may still write files.
func waitEnded(pid int) bool { return waitUntil(pid, process.ended) }

// waitUntil waits until a process is in a state, or gone.
func waitUntil(pid int, isIn func(process) bool) bool {
	for deadline := time.Now().Add(endWait); time.Now().Before(deadline); time.Sleep(pollWait) {
		if p, ok := readProcess(pid); !ok || isIn(p) {
			return true
		}
	}
	return false
}

// findAncestors records this process's ancestors.
func findAncestors() map[int]bool {
	ancestors := map[int]bool{}
	for pid := os.Getppid(); pid > 0 && !ancestors[pid]; {
		ancestors[pid] = true
		p, ok := readProcess(pid)
		if !ok {
			break
		}
		pid = p.parent
	}
	return ancestors
}

// errSurvivors means that code of an earlier call is still running and could answer for a later one.
var errSurvivors = errors.New("processes of an earlier call do not end")

// survivors are the processes of an earlier run of this function. Lambda may keep the environment when the function exits.
type survivors struct {
	options   Options
	ancestors map[int]bool // process IDs of this process's ancestors
}

// end kills the survivors. It returns the process IDs of the user's other processes, which it tolerates, and how many it
// killed.
func (s survivors) end() (tolerated []int, killed int, err error) {
	if !s.options.OwnUser {
		return nil, 0, nil
	}
	own := os.Getpid()
	found, needed := map[int]bool{}, 1
	for quiet, deadline := 0, time.Now().Add(sweepTime); quiet < needed; {
		var left []int
		if tolerated, left, err = s.find(own); err != nil {
			return tolerated, len(found), err
		}
		quiet++
		for _, pid := range left {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				found[pid], quiet, needed = true, 0, quietLooks // they may fork
			}
		}
		if quiet < needed {
			if time.Now().After(deadline) {
				return tolerated, len(found), errSurvivors
			}
			pause(len(left))
		}
	}
	return tolerated, len(found), nil
}

// find returns the user's processes that are not below this one: those that it tolerates, without what they have started, and
// those that an earlier call may have left.
func (s survivors) find(own int) (tolerated, left []int, err error) {
	list, err := listProcesses(os.Getuid())
	if err != nil {
		return nil, nil, err
	}
	ours := descendants(list, own) // with the zygote, if Seal started it
	interpreter, _ := os.Stat(s.options.Interpreter)
	for _, p := range list {
		if ours[p.pid] || s.ancestors[p.pid] || p.ended() {
			continue
		}
		if isSpared(p.pid, s.options.Spared, interpreter) {
			tolerated = append(tolerated, p.pid)
			continue
		}
		left = append(left, p.pid)
	}
	// What an extension has started runs below it. So do the forks of a call's Python if their parent executes a spared program.
	below, programs := descendants(list, tolerated...), slices.Concat(s.options.Spared, systemPrograms)
	return tolerated, slices.DeleteFunc(left, func(pid int) bool {
		return below[pid] && (isSpared(pid, programs, interpreter) || isEnding(pid))
	}), nil
}

// isEnding reports whether a process has no thread that still runs a program.
func isEnding(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	p, exists := readProcess(pid)
	return errors.Is(err, os.ErrNotExist) && (!exists || p.threads == 1) // the first thread can end before the others
}

// isSpared reports whether a process runs a program in one of the directories, and not Python. The code of a call runs in
// unreadable copies of Python and can start every program, but it cannot write in these directories.
func isSpared(pid int, directories []string, interpreter os.FileInfo) bool {
	link := fmt.Sprintf("/proc/%d/exe", pid)
	path, err := os.Readlink(link)
	if err != nil || !slices.ContainsFunc(directories, func(d string) bool { return strings.HasPrefix(path, d+"/") }) {
		return false
	}
	program, err := os.Stat(link)
	if err != nil {
		return false
	}
	named, err := os.Lstat(path) // another file if the path is deleted or belongs to another namespace
	return err == nil && os.SameFile(program, named) && (interpreter == nil || !os.SameFile(program, interpreter))
}
