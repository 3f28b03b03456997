package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MaxFiles is the number of files and directories that a call may create. Removing that many takes less than a
// second.
const MaxFiles = 20_000

// errTooSlow means that files remain because removing them takes too long.
var errTooSlow = errors.New("removing the files of a call takes too long")

// removeAll removes a file, or a directory with everything in it, until the deadline. Modes that forbid it do
// not stop it, nor do directories nested so deeply that no path and no set of descriptors reaches them: it
// walks down and up with one descriptor.
func removeAll(path string, deadline time.Time) error {
	if err := unix.Unlink(path); err == nil || err == unix.ENOENT || unix.Rmdir(path) == nil {
		return nil
	}
	err := removeContents(path, deadline)
	if err == nil {
		err = unix.Rmdir(path)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// attributes are what the code can change of the scratch directory, if it belongs to the code's user, and read in a later call.
type attributes struct {
	mode     uint32
	flags    uint32          // that chattr(1) changes
	extended map[string]bool // names of extended attributes
}

const ownerMode = 0o700 // with which the owner of a directory can list and remove what is in it

const maxAttributes = 64 << 10 // bytes of the names of a file's extended attributes, as Linux limits them

func attributesOf(path string) attributes {
	var stat unix.Stat_t
	_ = unix.Stat(path, &stat) // without it, mode is 0 and never restored
	a := attributes{mode: stat.Mode & 0o7777, flags: flagsOf(path), extended: map[string]bool{}}
	buffer := make([]byte, maxAttributes)
	n, _ := unix.Listxattr(path, buffer)
	for name := range strings.SplitSeq(string(buffer[:max(n, 0)]), "\x00") {
		if name != "" {
			a.extended[name] = true
		}
	}
	return a
}

// flagsOf returns the flags of a directory that chattr(1) changes, or 0 if its file system has none.
func flagsOf(path string) (flags uint32) {
	onDirectory(path, func(fd int) { flags, _ = unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS) })
	return flags
}

func onDirectory(path string, do func(fd int)) {
	if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
		do(fd)
		unix.Close(fd)
	}
}

// restore gives the directory its mode, its flags, the current time, and no more extended attributes than at start. It fails if the
// directory belongs to another user, and then the code cannot have changed them.
func (a attributes) restore(path string) {
	now := attributesOf(path)
	a.restoreMode(path)
	if flagsOf(path) != a.flags {
		onDirectory(path, func(fd int) { _ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(a.flags)) })
	}
	for name := range now.extended {
		if !a.extended[name] {
			_ = unix.Removexattr(path, name)
		}
	}
	current := unix.Timespec{Nsec: unix.UTIME_NOW}
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{current, current}, 0)
}

// restoreMode gives the directory its mode. Without it, its files could not be listed.
func (a attributes) restoreMode(path string) {
	var stat unix.Stat_t
	if unix.Stat(path, &stat) == nil && a.mode != 0 && stat.Mode&0o7777 != a.mode {
		_ = unix.Chmod(path, a.mode)
	}
}

// level is a directory on the way from the top to the directory that is being emptied.
type level struct {
	name string   // in the directory above
	left []string // subdirectories that have not been visited
}

// removeContents empties a directory.
func removeContents(path string, deadline time.Time) error {
	fd, err := openDirectory(unix.AT_FDCWD, path)
	if err != nil {
		return err
	}
	defer func() { unix.Close(fd) }()
	move := func(to string) error {
		next, err := openDirectory(fd, to)
		if err != nil {
			return err
		}
		unix.Close(fd)
		fd = next
		return nil
	}
	top, err := removeFiles(fd, deadline)
	if err != nil {
		return err
	}
	stack := []level{{left: top}}
	for {
		here := &stack[len(stack)-1]
		switch {
		case len(here.left) > 0:
			name := here.left[0]
			here.left = here.left[1:]
			if unix.Unlinkat(fd, name, unix.AT_REMOVEDIR) == nil {
				continue
			}
			if err := move(name); err != nil {
				return err
			}
			directories, err := removeFiles(fd, deadline)
			if err != nil {
				return err
			}
			stack = append(stack, level{name, directories})
		case len(stack) == 1:
			return nil
		default:
			name := here.name
			if err := move(".."); err != nil {
				return err
			}
			if err := unix.Unlinkat(fd, name, unix.AT_REMOVEDIR); err != nil {
				return fmt.Errorf("remove the directory %q: %w", name, err)
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// openDirectory opens a directory below another one and makes it readable and writable for its owner.
func openDirectory(at int, name string) (int, error) {
	if err := unix.Fchmodat(at, name, ownerMode, 0); err != nil {
		return -1, fmt.Errorf("change the mode of %q: %w", name, err)
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %q: %w", name, err)
	}
	return fd, nil
}

// batch is how many bytes of a directory's entries are read at a time.
const batch = 64 << 10

// removeFiles removes everything in a directory but its subdirectories, whose names it returns. Removing
// entries while they are read can hide others, so it reads the directory until only subdirectories are left.
func removeFiles(fd int, deadline time.Time) (directories []string, err error) {
	buffer := make([]byte, batch)
	for {
		removed := false
		directories = directories[:0]
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return nil, err
		}
		for {
			n, err := unix.Getdents(fd, buffer)
			if err != nil {
				return nil, err
			}
			if n == 0 {
				break
			}
			if time.Now().After(deadline) {
				return nil, errTooSlow
			}
			var entries []string
			for rest := buffer[:n]; len(rest) > 0; {
				var consumed int
				consumed, _, entries = unix.ParseDirent(rest, -1, entries)
				rest = rest[consumed:]
			}
			for _, name := range entries {
				switch err := unix.Unlinkat(fd, name, 0); err {
				case nil:
					removed = true
				case unix.EISDIR, unix.EPERM:
					directories = append(directories, name)
				case unix.ENOENT:
				default:
					return nil, fmt.Errorf("remove %q: %w", name, err)
				}
			}
		}
		if !removed {
			return directories, nil
		}
	}
}

// Limits of counting files.
const (
	maxRelative = 1_000 // bytes of a path below a directory that is kept open; the kernel takes 4,096
	maxKeptOpen = 256   // directories, because the supervisor needs descriptors too
	countBatch  = 1_000 // entries of a directory that are read at a time
)

// fileCount is the number of files and directories below some paths.
type fileCount struct {
	files    int
	most     int  // counting ends beyond it
	hidden   bool // some could not be counted, or were moved meanwhile
	keptOpen int
}

// countFiles counts the files and directories of the paths, and everything below them, up to one more than most. The code
// can move them meanwhile, so it never walks up. If directories are nested too deeply to count what is in them, they count as
// too many.
func countFiles(paths []string, most int) (count int, hidden bool) {
	c := fileCount{most: most}
	for _, path := range paths {
		c.files++
		c.below(unix.AT_FDCWD, path)
	}
	return c.files, c.hidden
}

// below counts what is below a path, which is relative to a directory.
func (c *fileCount) below(at int, path string) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(at, path, flags, 0)
	if err == unix.EACCES {
		permit(at, path)
		fd, err = unix.Openat(at, path, flags, 0)
	}
	if err != nil {
		c.hidden = c.hidden || err != unix.ENOTDIR && err != unix.ELOOP
		return
	}
	directory := os.NewFile(uintptr(fd), path)
	defer directory.Close()
	var names []string
	for c.files <= c.most {
		entries, err := directory.ReadDir(countBatch)
		c.files += len(entries)
		for _, entry := range entries {
			if entry.IsDir() {
				names = append(names, entry.Name())
			}
		}
		if err != nil {
			c.hidden = c.hidden || err != io.EOF
			break
		}
	}
	if len(path) > maxRelative {
		if c.keptOpen == maxKeptOpen {
			if len(names) > 0 {
				c.files = c.most + 1
			}
			return
		}
		c.keptOpen++
		defer func() { c.keptOpen-- }()
		at, path = fd, ""
	} else {
		directory.Close()
		path += "/"
	}
	for _, name := range names {
		if c.files > c.most {
			return
		}
		c.below(at, path+name)
	}
}

// permit makes a directory readable and writable for its owner. It follows no link, which the code may put there.
func permit(at int, path string) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(at, path, &how)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Chmod(fmt.Sprintf("%s/%d", ownDescriptors, fd), ownerMode)
}

// usedInodes returns the number of files on the file system of a path, or 0 if it does not count them.
func usedInodes(path string) int64 {
	var stat unix.Statfs_t
	if unix.Statfs(path, &stat) != nil || stat.Files == 0 {
		return 0
	}
	return int64(stat.Files - stat.Ffree)
}
