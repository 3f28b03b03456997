package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// process holds the facts that /proc reports about every process, even about an unreadable one.
type process struct {
	pid, parent, uid, threads int
	zombie                    bool
}

// processes lists the processes of one user.
func processes(uid int) []process {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var found []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok && p.uid == uid {
			found = append(found, p)
		}
	}
	return found
}

func readProcess(pid int) (process, bool) {
	var buffer [statusSize]byte
	text, err := processStatus(pid, buffer[:])
	if err != nil {
		return process{}, false
	}
	state := field(text, "State:\t")
	return process{
		pid:     pid,
		parent:  number(field(text, "PPid:\t")),
		uid:     number(field(text, "Uid:\t")),
		threads: max(number(field(text, "Threads:\t")), 1),
		zombie:  state == "Z" || state == "X",
	}, true
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

// anonymousMemory returns the resident bytes of a process that no file backs, or 0 if the process is gone.
func anonymousMemory(pid int) int64 {
	var buffer [statusSize]byte
	text, err := processStatus(pid, buffer[:])
	if err != nil {
		return 0
	}
	return int64(max(number(field(text, "RssAnon:\t")), 0)+max(number(field(text, "RssShmem:\t")), 0)) << 10
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

// snapshot holds the processes and files that existed before a call.
type snapshot struct {
	processes map[int]bool
	files     map[string]bool
	threads   int
}

func (s *Supervisor) snapshot() snapshot {
	list := processes(os.Getuid())
	before := snapshot{processes: map[int]bool{}, files: map[string]bool{}, threads: threads(list)}
	for _, p := range list {
		before.processes[p.pid] = true
	}
	if s.options.OwnScratch {
		for _, name := range names(s.options.Scratch) {
			before.files[name] = true
		}
	}
	return before
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

// sweep kills the processes that a call left behind and removes its files. A process belongs to the call if
// it descends from the child, if it became an orphan of this process (see Options.Reap), or, with
// Options.OwnUser, if it is new and the zygote did not fork it.
func (s *Supervisor) sweep(z *zygote, child int, before snapshot) {
	for range sweepRounds {
		if s.killLeftovers(z, child, before) == 0 {
			break
		}
	}
	syscall.Kill(-child, syscall.SIGKILL)
	syscall.Kill(child, syscall.SIGKILL)
	if s.options.OwnScratch {
		for _, name := range names(s.options.Scratch) {
			if !before.files[name] {
				removeAll(filepath.Join(s.options.Scratch, name))
			}
		}
	}
}

// sweepRounds bounds how often sweep looks again for processes that fork while it kills them.
const sweepRounds = 20

// killLeftovers kills the processes that belong to a call and returns how many there were.
func (s *Supervisor) killLeftovers(z *zygote, child int, before snapshot) (killed int) {
	list := processes(os.Getuid())
	own, zygotePID := os.Getpid(), z.process.Pid
	below := map[int]bool{child: true}
	for grown := true; grown; {
		grown = false
		for _, p := range list {
			if below[p.parent] && !below[p.pid] {
				below[p.pid], grown = true, true
			}
		}
	}
	for _, p := range list {
		if p.pid == own || p.pid == zygotePID || p.pid == child || p.parent == zygotePID {
			continue
		}
		orphan := s.options.Reap && p.parent == own
		if p.zombie {
			if orphan {
				syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
			}
			continue
		}
		stranger := s.options.OwnUser && !before.processes[p.pid]
		if (orphan || stranger || below[p.pid]) && syscall.Kill(p.pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// removeAll removes a directory, even if the modes of its subdirectories forbid it.
func removeAll(path string) {
	if os.RemoveAll(path) == nil {
		return
	}
	filepath.WalkDir(path, func(name string, entry os.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			os.Chmod(name, 0o700)
		}
		return nil
	})
	os.RemoveAll(path)
}
