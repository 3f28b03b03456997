package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// residentTree returns the memory of a process and its descendants: the proportional set size if this user
// may read it, or the resident set size otherwise.
func residentTree(root int) int {
	sum := 0
	for _, pid := range tree(root) {
		sum += residentKB(pid)
	}
	return sum >> 10
}

// tree returns a process and its descendants.
func tree(root int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parent := map[int]int{}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			parent[pid] = field(filepath.Join("/proc", entry.Name(), "status"), "PPid:")
		}
	}
	var found []int
	for pid := range parent {
		for at := pid; at != 0; at = parent[at] {
			if at == root {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}

// residentKB returns the memory of one process in kB.
func residentKB(pid int) int {
	directory := filepath.Join("/proc", strconv.Itoa(pid))
	if kb := field(filepath.Join(directory, "smaps_rollup"), "Pss:"); kb > 0 {
		return kb
	}
	return field(filepath.Join(directory, "status"), "VmRSS:")
}

// field returns the number that follows a name in a file of /proc.
func field(path, name string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}
