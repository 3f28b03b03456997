package alarmtriage

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The functions are built for Lambda from their own go.mod, regardless of the Go settings of the user's app.
func TestGoLambda_IgnoresTheUsersGoSettings(t *testing.T) {
	for name, value := range map[string]string{
		"GOFLAGS": "-mod=vendor -tags=other", "GOWORK": filepath.Join(t.TempDir(), "go.work"), "GO111MODULE": "off", "GOTOOLCHAIN": "local",
		"GOOS": "windows", "GOARCH": "386", "CGO_ENABLED": "1", "GOAMD64": "v3", "GOARM64": "v9.0",
	} {
		t.Setenv(name, value)
	}
	assert.Regexp(t, "^go1", toolchain())
	for architecture, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64} {
		out := filepath.Join(t.TempDir(), "asset") // CDK creates it before
		require.NoError(t, os.Mkdir(out, 0o755))
		lambda := &goLambda{pkg: "lambdas/tool", executable: "tool", goarch: architecture}
		require.NoError(t, lambda.build(out))
		program, err := elf.Open(filepath.Join(out, "tool"))
		require.NoError(t, err)
		assert.Equal(t, machine, program.Machine)
		info, err := buildinfo.ReadFile(filepath.Join(out, "tool"))
		require.NoError(t, err)
		settings := map[string]string{}
		for _, setting := range info.Settings {
			settings[setting.Key] = setting.Value
		}
		assert.Equal(t, "linux", settings["GOOS"])
		assert.Equal(t, "0", settings["CGO_ENABLED"])
		assert.Equal(t, lambdaTags, settings["-tags"])
		assert.Contains(t, []string{"v1", "v8.0", ""}, settings["GO"+strings.ToUpper(architecture)], "it must run on every processor of Lambda")
		require.NoError(t, program.Close())
	}
}

func TestToolchain_ReportsMissingGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	defer func() { assert.Contains(t, fmt.Sprint(recover()), "Go must be on the PATH") }()
	toolchain()
}

func TestToolchain_ReportsWhyGoFails(t *testing.T) {
	t.Setenv("GOEXPERIMENT", "unheardof")
	defer func() { assert.Contains(t, fmt.Sprint(recover()), "unknown GOEXPERIMENT unheardof") }()
	toolchain()
}

func TestInBackground_PanicsWhereTheResultIsUsed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	missing := inBackground(toolchain)
	for range 2 { // each function asks for the version
		assert.Panics(t, func() { missing() })
	}
	assert.Equal(t, 1, inBackground(func() int { return 1 })())
}

func TestFindPython_TakesOnlyTheVersionOfTheRuntime(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	assert.Equal(t, interpreter{}, findPython(), "there is none")
	candidate := func(name, script string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	candidate("python3.13", "echo 'no such version' >&2; exit 127") // as the shims of version managers do
	candidate("python3", "echo 3.130.1")
	assert.Equal(t, interpreter{}, findPython())
	candidate("python", "echo 3.13.7")
	assert.Equal(t, interpreter{path: filepath.Join(dir, "python"), version: "3.13.7"}, findPython())
}

// Lambda runs the functions as a user who does not own the files of the packages.
func TestTryBundle_EveryUserCanReadThePackage(t *testing.T) {
	before := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(before) })
	for name, bundler := range map[string]awscdk.ILocalBundling{
		"tool":  &goLambda{pkg: "lambdas/tool", executable: "tool", goarch: "arm64"},
		"layer": &pythonLayer{python: interpreter{path: "python3"}},
	} {
		out := t.TempDir()
		bundler.TryBundle(jsii.String(out), nil)
		require.NoError(t, filepath.WalkDir(out, func(file string, entry fs.DirEntry, err error) error {
			require.NoError(t, err)
			info, err := entry.Info()
			require.NoError(t, err)
			want := fs.FileMode(0o644)
			if entry.IsDir() || name == "tool" {
				want = 0o755
			}
			assert.Equal(t, want, info.Mode().Perm(), file)
			return nil
		}))
	}
}

// A compiled file with a time stamp is stale in the zip file, so each cold start would compile the source
// again. A compiled file that Python does not check must come from exactly the source next to it.
func TestPythonLayer_CompiledCodeIsValidInTheZipFile(t *testing.T) {
	python := "python3"
	if listed := filepath.SplitList(os.Getenv("ALARMTRIAGE_PYTHONS")); len(listed) > 0 {
		python = listed[len(listed)-1]
	}
	out := t.TempDir()
	(&pythonLayer{python: interpreter{path: python}}).TryBundle(jsii.String(out), nil)

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
