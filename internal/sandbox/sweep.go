package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is what /proc says to everybody about a process, readable or not.
type process struct {
	pid, parent, uid, threads int
	zombie                    bool
}

// processes lists the processes of one user.
func processes(uid int) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
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
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return process{}, false
	}
	p := process{pid: pid, threads: 1, uid: -1}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if name == "State" {
			p.zombie = fields[0] == "Z" || fields[0] == "X"
		}
		number, err := strconv.Atoi(fields[0])
		if err != nil {
			continue
		}
		switch name {
		case "PPid":
			p.parent = number
		case "Uid":
			p.uid = number
		case "Threads":
			p.threads = max(number, 1)
		}
	}
	return p, true
}

// threads counts what the kernel counts against the limit of processes.
func threads(list []process) int {
	sum := 0
	for _, p := range list {
		sum += p.threads
	}
	return sum
}

// snapshot is what existed before a call.
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
	if s.options.Dedicated {
		for _, name := range names(s.options.Scratch) {
			before.files[name] = true
		}
	}
	return before
}

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

// sweep ends the processes that a call left behind and removes its files. A process of the call is
// one below its child, one that became an orphan of this process (see Options.Reap), and, where the
// user id is the sandbox's alone, any that was not there before and that the zygote did not fork.
func (s *Supervisor) sweep(z *zygote, child int, before snapshot) {
	for range sweepRounds {
		if s.killLeftovers(z, child, before) == 0 {
			break
		}
	}
	syscall.Kill(-child, syscall.SIGKILL)
	syscall.Kill(child, syscall.SIGKILL)
	if s.options.Dedicated {
		for _, name := range names(s.options.Scratch) {
			if !before.files[name] {
				removeAll(filepath.Join(s.options.Scratch, name))
			}
		}
	}
}

// sweepRounds bounds the hunt for processes that fork while they are hunted.
const sweepRounds = 20

func (s *Supervisor) killLeftovers(z *zygote, child int, before snapshot) (killed int) {
	list := processes(os.Getuid())
	own, zygotePID := os.Getpid(), z.cmd.Process.Pid
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
		stranger := s.options.Dedicated && !before.processes[p.pid]
		if (orphan || stranger || below[p.pid]) && syscall.Kill(p.pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// removeAll removes a directory whatever modes its owner gave it.
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
