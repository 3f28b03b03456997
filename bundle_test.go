package alarmtriage

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pyc that is checked by a time stamp is stale in the zip file, and each cold start compiles anew. One
// that is unchecked must be made of the very source beside it.
func TestTheLayerIsCompiledSoThatTheZipFileKeepsItValid(t *testing.T) {
	python := "python3"
	if listed := filepath.SplitList(os.Getenv("ALARMTRIAGE_PYTHONS")); len(listed) > 0 {
		python = listed[len(listed)-1]
	}
	out := t.TempDir()
	(&pythonLayer{python: python}).TryBundle(jsii.String(out), nil)

	sources, err := filepath.Glob(filepath.Join(out, "python", "alarmtriage_tool", "*.py"))
	require.NoError(t, err)
	require.Greater(t, len(sources), 5)
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".py")
		compiled, err := filepath.Glob(filepath.Join(filepath.Dir(source), "__pycache__", name+".cpython-*.pyc"))
		require.NoError(t, err)
		require.Len(t, compiled, 1, "%s has no compiled form in the asset", name)
		pyc, err := os.ReadFile(compiled[0])
		require.NoError(t, err)
		// PEP 552: magic number, flags, then the hash of the source; flag 1 is a hash, flag 2 its check.
		require.Greater(t, len(pyc), 16)
		assert.Equal(t, uint32(1), binary.LittleEndian.Uint32(pyc[4:8]), "%s must be unchecked-hash", name)
		hash, err := exec.Command(python, "-I", "-c", "import importlib.util, sys; sys.stdout.buffer.write(importlib.util.source_hash(open(sys.argv[1], 'rb').read()))", source).Output()
		require.NoError(t, err)
		assert.Equal(t, hash, pyc[8:16], "%s was compiled from another source", name)
		assert.True(t, bytes.Contains(pyc, []byte("/opt/python/alarmtriage_tool/"+name+".py")), "%s must name the file as Lambda sees it", name)
	}
}
