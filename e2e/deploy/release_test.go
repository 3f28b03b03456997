package deploy

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

func TestRelease_ContainsSourcesMaterialsAndChecksums(t *testing.T) {
	root, dir := moto.Root(), t.TempDir()
	run(t, root, nil, "bash", "scripts/release.sh", "HEAD", dir)

	run(t, dir, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, strings.Split(strings.TrimSpace(string(sums)), "\n"), len(files)-1, "each file has a checksum")

	sources, err := zip.OpenReader(filepath.Join(dir, "alarmtriage-HEAD.zip"))
	require.NoError(t, err)
	defer sources.Close()
	_, err = sources.Open("alarmtriage-HEAD/go.mod")
	assert.NoError(t, err)

	text, err := os.ReadFile(filepath.Join(dir, "alarmtriage-HEAD.cdx.json"))
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
	for _, program := range []string{".", "./lambdas/orchestrator", "./lambdas/tool"} {
		modules := run(t, root, nil, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", program)
		for _, module := range strings.Split(strings.TrimSpace(modules), "\n") {
			if path, version, found := strings.Cut(module, " "); found {
				assert.Equal(t, version, versions[path], "%s, of %s", path, program)
			}
		}
	}
}
