package alarmtriage_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReleaseNotes_AreTheSectionOfTheVersion(t *testing.T) {
	const changelog = "# Changes\n\n## Unreleased\n\n- New.\n\n## 0.2.0\n\n- No date.\n\n## 0.1.1 (2026-12-24)\n\n## 0.1.0 (2026-12-01)\n\nSecurity:\n\n- First.\n"
	tests := []struct {
		name    string
		version string
		problem string
		want    string
	}{
		{name: "a version", version: "v0.1.0", want: "Security:\n\n- First.\n"},
		{name: "a version without a section", version: "v0.3.0", problem: "has no section ## 0.3.0 (DATE)"},
		{name: "a version whose number only begins like one", version: "v0.1", problem: "has no section ## 0.1 (DATE)"},
		{name: "a section without a date", version: "v0.2.0", problem: "the section of 0.2.0 has no date"},
		{name: "an empty section", version: "v0.1.1", problem: "or it is empty"},
		{name: "not a version", version: "Unreleased", problem: "has no date"},
	}
	file := filepath.Join(t.TempDir(), "CHANGELOG.md")
	require.NoError(t, os.WriteFile(file, []byte(changelog), 0o644))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command("bash", "scripts/release_notes.sh", test.version, file)
			var problem strings.Builder
			cmd.Stderr = &problem
			notes, err := cmd.Output()
			if test.problem != "" {
				assert.Error(t, err, "the release stops")
				assert.Contains(t, problem.String(), test.problem)
				return
			}
			require.NoError(t, err, problem.String())
			assert.Equal(t, test.want, string(notes))
		})
	}
}

// A module or a list of packages that Dependabot does not know is never updated.
func TestDependabot_CoversEveryModuleAndPin(t *testing.T) {
	listed, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*go.mod", "*package.json", "*requirements*.txt").Output()
	require.NoError(t, err)
	config, err := os.ReadFile(".github/dependabot.yml")
	require.NoError(t, err)
	covered := map[string]string{}
	for _, update := range regexp.MustCompile(`(?m)package-ecosystem: (\S+)\n +(directory|directories): (.*)$`).FindAllStringSubmatch(string(config), -1) {
		covered[update[1]] = "," + strings.NewReplacer("[", "", "]", "", " ", "").Replace(update[3]) + ","
	}
	ecosystems := map[string]string{"go.mod": "gomod", "package.json": "npm", "requirements-dev.txt": "pip"}
	files := strings.Fields(string(listed))
	require.Greater(t, len(files), 4)
	for _, file := range files {
		dir := "/" + strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), ".")
		assert.Contains(t, covered[ecosystems[filepath.Base(file)]], ","+dir+",", file)
	}
	assert.NotEmpty(t, covered["github-actions"])

	// Tools that workflows and the Makefile run are pinned in tools/go.mod, which Dependabot reads.
	for _, pattern := range []string{".github/workflows/*.yml", "Makefile", "scripts/*.sh"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.NotRegexp(t, `go (run|install) \S+@`, string(text), path)
		}
	}
}

func TestCodeowners_NamePathsThatExist(t *testing.T) {
	text, err := os.ReadFile(".github/CODEOWNERS")
	require.NoError(t, err)
	owned := regexp.MustCompile(`(?m)^/(\S+) +@`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, owned)
	for _, path := range owned {
		_, err := os.Stat(path[1])
		assert.NoError(t, err)
	}
}

// Users download every file of the module. A compiled program was committed once.
func TestRepository_ContainsNoLargeFiles(t *testing.T) {
	listed, err := exec.Command("git", "ls-files", "-z").Output()
	require.NoError(t, err)
	for _, file := range strings.Split(strings.TrimRight(string(listed), "\x00"), "\x00") {
		info, err := os.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, but not yet committed
		}
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), int64(1<<20), "%s is larger than 1 MiB", file)
	}
}
