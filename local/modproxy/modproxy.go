// Package modproxy is a stand-in for Go's module proxy: a directory with the modules of this checkout as a release would
// publish them, for GOPROXY=file://DIR. With it, `go install …@v0.1.0` works before there is a release.
package modproxy

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// Module is the path of the root module.
const Module = "github.com/cloudwatch-alarm-triage/alarmtriage"

// Command is the path of the module of the command, relative to Module and to the checkout.
const Command = "cmd/alarmtriage"

// Write writes the root module and the module of the command into a directory, with the files of the checkout at root that
// git knows or would add.
func Write(directory, root, version string) error {
	for _, subdirectory := range []string{"", Command} {
		if err := writeModule(directory, root, subdirectory, version); err != nil {
			return fmt.Errorf("module %s: %w", filepath.Join(Module, subdirectory), err)
		}
	}
	return nil
}

// TestVersion returns a version of the root module that no other contents have, so that a cache never has another module of
// this version.
func TestVersion(root string) (string, error) {
	files, err := filesOf(root)
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path())))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(digest, "%s %d %s\n", f.Path(), len(content), content)
	}
	return fmt.Sprintf("v0.0.1-test.h%x", digest.Sum(nil)[:8]), nil
}

func writeModule(directory, root, subdirectory, version string) error {
	path := strings.TrimSuffix(Module+"/"+subdirectory, "/")
	source := filepath.Join(root, subdirectory)
	target := filepath.Join(directory, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"list": []byte(version + "\n"), version + ".info": info, version + ".mod": mod} {
		if err := os.WriteFile(filepath.Join(target, name), content, 0o644); err != nil {
			return err
		}
	}
	files, err := filesOf(source)
	if err != nil {
		return err
	}
	archive, err := os.Create(filepath.Join(target, version+".zip"))
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := zip.Create(archive, module.Version{Path: path, Version: version}, files); err != nil {
		return err
	}
	return archive.Close()
}

// filesOf returns the files of a directory that a commit would contain. Package zip leaves out those of nested modules.
func filesOf(source string) (files []zip.File, err error) {
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = source
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of the checkout: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		f := file{name: name, path: filepath.Join(source, filepath.FromSlash(name))}
		if stat, err := os.Lstat(f.path); err == nil && stat.Mode().IsRegular() { // a deleted file is still listed
			files = append(files, f)
		}
	}
	return files, nil
}

// file implements zip.File.
type file struct{ name, path string }

// Path returns the path in the module.
func (f file) Path() string { return f.name }

// Lstat describes the file.
func (f file) Lstat() (os.FileInfo, error) { return os.Lstat(f.path) }

// Open opens the file.
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.path) }
