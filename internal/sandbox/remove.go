package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// MaxFiles is the number of files and directories that a call may create. Removing that many takes less than a
// second.
const MaxFiles = 20_000

// errTooSlow means that files remain because removing them takes too long.
var errTooSlow = errors.New("removing the files of a call takes too long")

// removeAll removes a file, or a directory with everything in it, until the deadline. Modes that forbid it,
// and directories nested so deeply that no path or set of descriptors reaches them, do not stop it: it moves
// the directories that it finds to the top and removes them there.
func removeAll(path string, deadline time.Time) error {
	if err := unix.Unlink(path); err == nil || err == unix.ENOENT {
		return nil
	}
	for moved := 0; ; {
		directories, err := removeDirectory(path, path, &moved, deadline)
		if err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if len(directories) == 0 {
			return nil
		}
		for _, name := range directories {
			if _, err := removeDirectory(filepath.Join(path, name), path, &moved, deadline); err != nil {
				return fmt.Errorf("remove %s in %s: %w", name, path, err)
			}
		}
	}
}

// removeDirectory removes a directory, unless it is the top one and has subdirectories. Then it returns their
// names. It moves the subdirectories of other directories to the top.
func removeDirectory(path, top string, moved *int, deadline time.Time) (directories []string, err error) {
	for {
		if err := unix.Rmdir(path); err == nil || err == unix.ENOENT {
			return nil, nil
		} else if err != unix.ENOTEMPTY && err != unix.EEXIST {
			return nil, err
		}
		if err := openMode(path); err != nil {
			return nil, err
		}
		directories, err := removeFiles(path, deadline)
		if err != nil {
			return nil, err
		}
		if path == top {
			if len(directories) > 0 {
				return directories, nil
			}
			continue
		}
		for _, name := range directories {
			if err := moveUp(filepath.Join(path, name), top, moved); err != nil {
				return nil, err
			}
		}
	}
}

// moveUp moves a directory to the top, under a name that is free there.
func moveUp(path, top string, moved *int) error {
	if unix.Rmdir(path) == nil {
		return nil
	}
	// Moving a directory changes its entry "..", so the directory must be writable.
	if err := openMode(path); err != nil {
		return err
	}
	for {
		*moved++
		target := filepath.Join(top, "moved-"+strconv.Itoa(*moved))
		if _, err := os.Lstat(target); errors.Is(err, os.ErrNotExist) {
			return unix.Rename(path, target)
		}
	}
}

// openMode makes a directory readable and writable for its owner.
func openMode(path string) error {
	if err := os.Chmod(path, 0o700); err != nil {
		return fmt.Errorf("open up %s: %w", path, err)
	}
	return nil
}

// batch is how many entries of a directory are read at a time.
const batch = 1024

// removeFiles removes everything in a directory but its subdirectories, whose names it returns.
func removeFiles(path string, deadline time.Time) (directories []string, err error) {
	open, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	fd := int(open.Fd())
	for {
		entries, readErr := open.Readdirnames(batch)
		if time.Now().After(deadline) {
			return nil, errTooSlow
		}
		for _, name := range entries {
			switch err := unix.Unlinkat(fd, name, 0); err {
			case nil, unix.ENOENT:
			case unix.EISDIR, unix.EPERM:
				directories = append(directories, name)
			default:
				return nil, err
			}
		}
		if readErr != nil || len(entries) == 0 {
			return directories, nil
		}
	}
}

// hasMoreFiles reports whether more than most files and directories are below the paths. A directory that
// cannot be read counts as more, because it can hide any number.
func hasMoreFiles(paths []string, most int) bool {
	count := 0
	for _, path := range paths {
		err := filepath.WalkDir(path, func(_ string, _ os.DirEntry, err error) error {
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if count++; count > most {
				return filepath.SkipAll
			}
			return nil
		})
		if err != nil || count > most {
			return true
		}
	}
	return false
}

// usedInodes returns the number of files on the file system of a path, or 0 if it does not count them.
func usedInodes(path string) int64 {
	var stat unix.Statfs_t
	if unix.Statfs(path, &stat) != nil || stat.Files == 0 {
		return 0
	}
	return int64(stat.Files - stat.Ffree)
}
