package alarmtriage_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recommendedFlags returns the feature flags that the pinned CDK recommends for new apps, which `cdk init` writes.
func recommendedFlags(t *testing.T) map[string]any {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-cdk-go/awscdk/v2").Output()
	require.NoError(t, err)
	packages, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "jsii", "aws-cdk-lib-*.tgz"))
	require.NoError(t, err)
	require.Len(t, packages, 1)
	file, err := os.Open(packages[0])
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		require.False(t, errors.Is(err, io.EOF), "no recommended flags in %s", packages[0])
		require.NoError(t, err)
		if header.Name == "package/recommended-feature-flags.json" {
			var flags map[string]any
			require.NoError(t, json.NewDecoder(archive).Decode(&flags))
			return flags
		}
	}
}

// An example is the start of an app, so it has the flags of a new app. Without them, the CDK CLI warns.
func TestExamples_HaveTheRecommendedFeatureFlags(t *testing.T) {
	flags := recommendedFlags(t)
	require.Greater(t, len(flags), 50)
	configs, err := filepath.Glob("examples/*/cdk.json")
	require.NoError(t, err)
	require.NotEmpty(t, configs)
	for _, config := range configs {
		text, err := os.ReadFile(config)
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(text, &got), config)
		if *update {
			got["context"] = flags
			written, err := json.MarshalIndent(got, "", "  ")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(config, append(written, '\n'), 0o644))
			continue
		}
		assert.Equal(t, map[string]any{"app": "go run .", "context": flags}, got, "%s: run `go test . -run TestExamples -update`", config)
	}
}
