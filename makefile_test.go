package alarmtriage_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runMake returns the output of make in a folder.
func runMake(t *testing.T, dir string, arguments ...string) string {
	t.Helper()
	command := exec.Command("make", append([]string{"--no-print-directory"}, arguments...)...)
	command.Dir = dir
	command.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

func TestMake_HelpNamesEveryTarget(t *testing.T) {
	text, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(text)
	require.NotNil(t, phony)
	help := runMake(t, ".", "help")
	for target := range strings.FieldsSeq(string(phony[1])) {
		assert.Regexp(t, `(?m)^make `+target+` +\S+`, help, "a description after ## is missing")
	}
}

// make splits the names of targets, and the shell those of files, at spaces.
func TestMake_TouchesNothingBesideACheckoutWithASpaceInItsPath(t *testing.T) {
	text, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	beside := filepath.Join(t.TempDir(), "my")
	checkout := beside + " clone"
	for name, content := range map[string][]byte{
		filepath.Join(beside, "file"): nil, filepath.Join(checkout, ".build", "file"): nil, filepath.Join(checkout, "Makefile"): text,
		filepath.Join(checkout, "requirements-dev.txt"): nil, filepath.Join(checkout, "package.json"): nil, filepath.Join(checkout, "package-lock.json"): nil,
		filepath.Join(checkout, "scripts", "python.sh"): nil, filepath.Join(checkout, "scripts", "pythons.sh"): nil,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, content, 0o644))
	}
	planned := runMake(t, checkout, "--dry-run", "setup")
	assert.NotContains(t, planned, "warning: ")
	assert.NotRegexp(t, `[^"]`+regexp.QuoteMeta(checkout), planned, "each use is in quotation marks")
	runMake(t, checkout, "clean")
	assert.FileExists(t, filepath.Join(beside, "file"))
	assert.NoDirExists(t, filepath.Join(checkout, ".build"))
}
