package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// nosy is code that looks for files of a project, and for those that containers and servers have in the system's folders.
const nosy = `def attempt(what, call):
    try: print(what, "done", call())
    except BaseException as problem: print(what, "refused:", type(problem).__name__, problem)
attempt("file", lambda: open(PROJECT + "/.env").read())
attempt("link", lambda: open(PROJECT + "/vendor/jmespath.py").read())
attempt("folder", lambda: os.listdir(PROJECT))
attempt("vendor", lambda: os.listdir(PROJECT + "/vendor"))
attempt("beside", lambda: open(PROJECT + "/vendor/token").read())
attempt("usr", lambda: os.listdir("/usr"))
attempt("src", lambda: os.listdir("/usr/src"))
attempt("share", lambda: os.listdir("/usr/share"))
attempt("settings", lambda: os.listdir("/usr/local/etc"))
attempt("keys", lambda: os.listdir("/etc/ssl/private"))
attempt("ssl", lambda: os.listdir("/etc/ssl"))
attempt("pki", lambda: os.listdir("/etc/pki"))`

// A project can have its own boto3, because `pip install -t .` puts it beside the other files, and can be a clone of a
// repository that somebody else wrote.
func TestInvestigate_AProjectIsNeitherReadNorRun(t *testing.T) {
	t.Parallel()
	python, err := moto.Tool("python")
	require.NoError(t, err)
	listed, err := exec.Command(python, "-c", "import boto3, botocore, dateutil, jmespath, s3transfer, six, urllib3, os\n"+
		"print(*[os.path.dirname(m.__file__) for m in (boto3, botocore, dateutil, jmespath, s3transfer, urllib3)], six.__file__, sep='\\n')").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(listed))
	for _, test := range []struct {
		name    string
		project func(t *testing.T, project string)
		paths   string // PYTHONPATH
	}{
		{"one vendored module", func(t *testing.T, project string) { link(t, project, packages[6]) }, ""},
		{"all vendored packages", func(t *testing.T, project string) { link(t, project, packages...) }, ""},
		{"vendored packages on the path", func(t *testing.T, project string) { link(t, project, packages...) }, "PROJECT"},
		{"vendored packages on a relative path", func(t *testing.T, project string) { link(t, project, packages...) }, "."},
		{"vendored packages in a folder on the path", func(t *testing.T, project string) { link(t, filepath.Join(project, "vendor"), packages...) }, "PROJECT/vendor"},
		{"a link that is named as a package", func(t *testing.T, project string) {
			require.NoError(t, os.Symlink(filepath.Join(project, ".env"), filepath.Join(project, "vendor", "jmespath.py")))
		}, "PROJECT/vendor"},
		{"a folder around the project on the path", func(*testing.T, string) {}, "/:PROJECT/.."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			project := t.TempDir()
			script := hostileScript(project)
			script.Steps[0].Tools[0].Input = map[string]any{"command": "PROJECT = '" + project + "'\n" + nosy}
			b := newBench(t, script)
			ran := filepath.Join(b.dir, "ran")
			for _, name := range []string{"glob", "json", "ssl", "sysconfig", "sitecustomize", "usercustomize", "encodings", "importlib"} {
				writeFile(t, filepath.Join(project, name+".py"), "import os\nopen("+`"`+ran+`"`+", 'a').write(__file__ + str(os.environ))\nraise SystemExit('hijacked')\n")
			}
			writeFile(t, filepath.Join(project, ".env"), "TOKEN=canary-file")
			writeFile(t, filepath.Join(project, "vendor", "token"), "canary-token")
			test.project(t, project)
			b.set("AWS_SECRET_ACCESS_KEY=canary-secret", "PYTHONPATH="+strings.ReplaceAll(test.paths, "PROJECT", project))
			command := b.command("investigate", alarmName, "--out", filepath.Join(b.dir, "alarmtriage-reports", "one"))
			command.Dir = project

			output, err := command.CombinedOutput()

			require.NoError(t, err, string(output))
			assert.Contains(t, string(output), "Code: runs on this machine, in the sandbox")
			assert.NoFileExists(t, ran)
			conversation := b.file("conversation.json")
			for _, what := range []string{"file", "link", "folder", "vendor", "beside", "usr", "src", "share", "settings", "keys", "ssl", "pki"} {
				assert.Contains(t, conversation, what+" refused: ")
				assert.NotContains(t, conversation, what+" done")
			}
			assert.NotContains(t, conversation, "canary-")
		})
	}
}

// link makes links to packages in a folder.
func link(t *testing.T, folder string, packages ...string) {
	t.Helper()
	for _, path := range packages {
		require.NoError(t, os.Symlink(path, filepath.Join(folder, filepath.Base(path))))
	}
}

func writeFile(t *testing.T, path, body string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
}

// The packages can be anywhere, as long as they are not beside the user's own files.
func TestInvestigate_FindsTheUsersPackages(t *testing.T) {
	t.Parallel()
	python, err := moto.Tool("python")
	require.NoError(t, err)
	described, err := exec.Command(python, "-c", "import boto3, os, sys; print(os.path.realpath(sys._base_executable)); print(os.path.dirname(os.path.dirname(boto3.__file__)))").Output()
	require.NoError(t, err)
	base, site, _ := strings.Cut(strings.TrimSpace(string(described)), "\n")
	for name, set := range map[string]func(b *bench){
		"on the path": func(b *bench) { b.set("ALARMTRIAGE_PYTHON="+base, "PYTHONPATH=:relative:"+site) },
		"in a relative environment": func(b *bench) {
			require.NoError(t, os.Symlink(filepath.Dir(filepath.Dir(python)), filepath.Join(b.dir, "venv")))
			b.set("ALARMTRIAGE_PYTHON=./venv/bin/python")
		},
		"of the user": func(b *bench) {
			folder, err := exec.Command(base, "-c", "import site, sys; print(site.getusersitepackages())").Output()
			require.NoError(t, err)
			home := filepath.Join(b.dir, "user")
			relative, err := filepath.Rel(os.Getenv("HOME"), strings.TrimSpace(string(folder)))
			require.NoError(t, err)
			target := filepath.Join(home, relative)
			require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o755))
			require.NoError(t, os.Symlink(site, target))
			b.set("HOME="+home, "ALARMTRIAGE_PYTHON="+base)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, concluding())
			set(b)
			ran := b.run("investigate", alarmName)
			require.Equal(t, 0, ran.code, ran.stderr)
			assert.Contains(t, b.file("report.txt"), "7 error lines")
		})
	}
}
