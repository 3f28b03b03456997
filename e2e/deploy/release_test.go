package deploy

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// release makes the release once for all tests. Its functions are for this machine's processor; those of real releases are
// for arm64.
var release = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(moto.Root(), ".build", "release")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	cmd := exec.Command("bash", "scripts/release.sh", "HEAD", dir, architecture)
	cmd.Dir = moto.Root()
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("scripts/release.sh: %w: %s", err, output)
	}
	return dir, nil
})

func TestRelease_ContainsSourcesMaterialsAndChecksums(t *testing.T) {
	t.Parallel()
	root := moto.Root()
	dir, err := release()
	require.NoError(t, err)

	run(t, dir, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, strings.Split(strings.TrimSpace(string(sums)), "\n"), len(files)-1, "each file has a checksum")
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	assert.Equal(t, []string{"SHA256SUMS", "alarmtriage-HEAD-command.cdx.json", "alarmtriage-HEAD-layer.zip", "alarmtriage-HEAD-member.json", "alarmtriage-HEAD-orchestrator.zip", "alarmtriage-HEAD-template.json",
		"alarmtriage-HEAD-tool.zip", "alarmtriage-HEAD.cdx.json", "alarmtriage-HEAD.zip"}, names)

	sources, err := zip.OpenReader(filepath.Join(dir, "alarmtriage-HEAD.zip"))
	require.NoError(t, err)
	defer sources.Close()
	_, err = sources.Open("alarmtriage-HEAD/go.mod")
	assert.NoError(t, err)

	library := materialsOf(t, filepath.Join(dir, "alarmtriage-HEAD.cdx.json"))
	for _, program := range []string{".", "./lambdas/orchestrator", "./lambdas/tool"} {
		assertMaterials(t, library, root, program)
	}
	command := materialsOf(t, filepath.Join(dir, "alarmtriage-HEAD-command.cdx.json"))
	assertMaterials(t, command, filepath.Join(root, "cmd", "alarmtriage"), ".")
	assert.Equal(t, "HEAD", command["github.com/cloudwatch-alarm-triage/alarmtriage"])
	assert.NotContains(t, command, "github.com/aws/jsii-runtime-go", "the command has no constructs")
}

// materialsOf returns the versions of the modules that an SBOM lists.
func materialsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var materials struct {
		BomFormat  string
		Components []struct{ Name, Version string }
	}
	require.NoError(t, json.Unmarshal(text, &materials))
	assert.Equal(t, "CycloneDX", materials.BomFormat)
	versions := map[string]string{}
	for _, component := range materials.Components {
		versions[component.Name] = component.Version
	}
	return versions
}

// assertMaterials checks that an SBOM lists all modules of a program, with their versions.
func assertMaterials(t *testing.T, versions map[string]string, dir, program string) {
	t.Helper()
	modules := run(t, dir, nil, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", program)
	for _, module := range strings.Split(strings.TrimSpace(modules), "\n") {
		if path, version, found := strings.Cut(module, " "); found {
			assert.Equal(t, version, versions[path], "%s, of %s", path, program)
		}
	}
}
