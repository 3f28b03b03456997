package localtool

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// EnvPython names the Python interpreter to use.
const EnvPython = "ALARMTRIAGE_PYTHON"

// describePython prints what a Python interpreter is, as JSON.
//
//go:embed describe.py
var describePython string

// probeTime is how long an interpreter may take to describe itself.
const probeTime = 20 * time.Second

// python is a Python interpreter that can run the sandbox.
type python struct {
	Interpreter string   `json:"interpreter"` // path of the binary
	Version     string   `json:"version"`     // such as 3.13
	Packages    []string `json:"packages"`    // directories and files of boto3 and its dependencies
	Readable    []string `json:"readable"`    // what Python itself reads
	Problem     string   `json:"problem"`     // why the sandbox cannot use it; may be empty
}

// findPython returns the first interpreter that has boto3. The error has the reason of each that was tried.
func findPython(ctx context.Context, chosen string, getenv func(string) string) (python, error) {
	names := []string{"python3", "python3.13", "python3.12", "python3.11", "python"}
	if chosen == "" {
		chosen = getenv(EnvPython)
	}
	if chosen != "" {
		names = []string{chosen}
	}
	var problems []string
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		found, err := describe(ctx, path, getenv)
		if err == nil {
			return found, nil
		}
		if problem := name + " " + err.Error(); !slices.Contains(problems, problem) {
			problems = append(problems, problem)
		}
	}
	if len(problems) == 0 {
		return python{}, fmt.Errorf("there is no %s on the PATH", names[0])
	}
	return python{}, errors.New(strings.Join(problems, ", "))
}

// describe starts an interpreter outside the sandbox. It must not run a file of the working directory, such as a glob.py of a
// repository that was cloned: it starts in an empty directory, and Python does not search there or in PYTHONPATH.
func describe(ctx context.Context, path string, getenv func(string) string) (python, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	path, err := filepath.Abs(path)
	if err != nil {
		return python{}, fmt.Errorf("cannot be found: %w", err)
	}
	empty, err := os.MkdirTemp("", "alarmtriage-")
	if err != nil {
		return python{}, fmt.Errorf("cannot be started: %w", err)
	}
	defer os.RemoveAll(empty)
	cmd := exec.CommandContext(ctx, path, "-c", describePython)
	cmd.Dir, cmd.Env = empty, probeEnvironment(getenv)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return python{}, fmt.Errorf("does not work (%s)", truncate.Bytes(lines[len(lines)-1], maxMessage))
	}
	var found python
	if err := json.Unmarshal(out, &found); err != nil {
		return python{}, errors.New("does not describe itself")
	}
	if found.Problem != "" {
		return python{}, errors.New(found.Problem)
	}
	return found, nil
}

// findsPython are the variables of the user's environment with which Python and managers of its versions find their own files.
var findsPython = []string{"HOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYENV_ROOT", "PYENV_VERSION", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR"}

// probeEnvironment returns the environment of [describe]: nothing with which Python runs other files, and no secret.
func probeEnvironment(getenv func(string) string) []string {
	separator := string(filepath.ListSeparator)
	private := privateDirectories(getenv)
	env := []string{
		"PYTHONSAFEPATH=1",
		"ALARMTRIAGE_PACKAGES=" + strings.Join(packagePaths(getenv("PYTHONPATH"), private), separator),
		"ALARMTRIAGE_PRIVATE=" + strings.Join(private, separator),
	}
	for _, name := range slices.Concat(passedOn, findsPython) {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// privateDirectories returns the directories whose files the code must not read as a whole: the working directory and the
// home directory.
func privateDirectories(getenv func(string) string) (private []string) {
	if directory, err := os.Getwd(); err == nil {
		private = append(private, directory)
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		private = append(private, home)
	}
	return private
}

// packagePaths returns the directories of PYTHONPATH in which boto3 is looked for: not the private ones, nor those that contain
// one, nor those that are relative to the working directory.
func packagePaths(pythonPath string, private []string) (paths []string) {
	for _, path := range filepath.SplitList(pythonPath) {
		if filepath.IsAbs(path) && !slices.ContainsFunc(private, func(directory string) bool { return contains(path, directory) }) {
			paths = append(paths, path)
		}
	}
	return paths
}

// contains reports whether a directory is another one or contains it.
func contains(outer, inner string) bool {
	relative, err := filepath.Rel(resolved(outer), resolved(inner))
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

// resolved returns a path without symbolic links, if it exists.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// linkPackages makes a directory of links to the packages, and returns it. Python searches there, so that it need not list the
// directories that contain the packages, where other files can be.
func (p python) linkPackages(scratch string) (string, error) {
	links := filepath.Join(scratch, "packages")
	if err := os.Mkdir(links, 0o755); err != nil {
		return "", fmt.Errorf("create a directory for the packages of Python: %w", err)
	}
	for _, path := range p.Packages {
		if err := os.Symlink(path, filepath.Join(links, filepath.Base(path))); err != nil {
			return "", fmt.Errorf("link a package of Python: %w", err)
		}
	}
	return links, nil
}
