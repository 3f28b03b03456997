package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// carriers are ways in which a call could leave data for the next one: leave leaves it, and find prints what is there.
var carriers = []struct{ name, leave, find string }{
	{"locks of standard input", `
import fcntl, struct
for n in range(0, 3):
    try: fcntl.fcntl(n, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 1000 + n, 1, 0))
    except OSError: pass
    try: fcntl.flock(n, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError: pass`, `
import fcntl, struct
null = os.open("/dev/null", os.O_RDWR)
kind, _, start, _, _ = struct.unpack("hhqqi4x", fcntl.fcntl(null, 36, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)))
if kind != fcntl.F_UNLCK: print("lock", start)
try: fcntl.flock(null, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError as e: print("flock", e)`},
	{"flags of standard input", `
import fcntl
fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)`, `
import fcntl
if fcntl.fcntl(0, fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_APPEND): print("flags")`},
	{"times of the scratch directory", `os.utime("..", ns=(4102444800123456789, 4102444800123456789))`, `
if os.stat("..").st_atime > 4e9: print("time")`},
	{"bits of the scratch directory", `os.chmod("..", 0o3755)`, `
if os.stat("..").st_mode & 0o7000: print("bits")`},
	{"attributes of the scratch directory", `
try: os.setxattr("..", "user.note", b"left")
except OSError: pass`, `
try: print(os.getxattr("..", "user.note"))
except OSError: pass`},
}

// Nothing carries over to the next call.
func TestSupervisor_CallsShareNothing(t *testing.T) {
	for _, python := range pythons(t) {
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				w := startWorker(t, python, configuration.role)
				for _, c := range carriers {
					left := w.run(c.leave, 20)
					require.True(t, left.Success, "%s: %s", c.name, left.Output)
					found := w.run(c.find, 20)
					require.True(t, found.Success, "%s: %s", c.name, found.Output)
					assert.Empty(t, found.Stdout, c.name)
				}
			})
		}
	}
}

// Code that escapes from the audit hook can set flags, such as the one that excludes a directory from dumps.
func TestSupervisor_RestoresFlagsOfTheScratchDirectory(t *testing.T) {
	for _, configuration := range configurations {
		t.Run(configuration.name, func(t *testing.T) {
			w := startWorker(t, pythons(t)[0], configuration.role)
			before := flagsOf(w.scratch)
			// The numbers are FS_IOC_GETFLAGS, FS_NODUMP_FL, and FS_IOC_SETFLAGS.
			left := w.run(disarm+`
import fcntl
fd = os.open("..", os.O_RDONLY)
def change():
    flags = int.from_bytes(fcntl.ioctl(fd, 0x80086601, bytes(8)), "little")
    return fcntl.ioctl(fd, 0x40086602, (flags ^ 0x40).to_bytes(8, "little"))
print(attempt(change))`, 20)
			require.Contains(t, left.Stdout, "disarmed")
			w.run("1", 20)
			assert.Equal(t, before, flagsOf(w.scratch), left.Stdout)
		})
	}
}

// A file of another user in the scratch directory stays, but what the code puts in its place does not.
func TestSupervisor_RemovesWhatReplacesAFileOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "only root can create a file of another user")
	}
	for _, configuration := range configurations {
		t.Run(configuration.name, func(t *testing.T) {
			w := startWorker(t, pythons(t)[0], configuration.role)
			w.stop()
			foreign := filepath.Join(w.scratch, "foreign")
			require.NoError(t, os.Mkdir(foreign, 0o755))
			w.start()
			left := w.run(`print(os.listdir("../foreign"))`, 20)
			require.True(t, left.Success, left.Output)
			assert.DirExists(t, foreign)
			left = w.run(`os.rmdir("../foreign"); os.mkdir("../foreign"); open("../foreign/note", "w").write("left")`, 20)
			require.True(t, left.Success, left.Output)
			found := w.run(`print(os.path.exists("../foreign"))`, 20)
			assert.Equal(t, "False\n", found.Stdout)
		})
	}
}

// The warm Python creates clients while a call runs. It must not take their service models from the call's files, as botocore
// does for a user without a home directory.
func TestSupervisor_WarmPythonReadsNoFilesOfACall(t *testing.T) {
	const service = "sqs"
	w := startWorkerWith(t, pythons(t)[0], roleWorker, workerOptions{Warm: []string{"logs", service}})
	planted := w.run(`
import botocore, gzip
data = os.path.join(os.path.dirname(botocore.__file__), "data", "`+service+`")
path = os.path.join(data, max(os.listdir(data)), "service-2.json.gz")
model = json.loads(gzip.open(path).read())
model["metadata"]["serviceFullName"] = "planted"
os.makedirs("../~/.aws/models/`+service+`/9999-01-01")
with open("../~/.aws/models/`+service+`/9999-01-01/service-2.json", "w") as f: json.dump(model, f)
time.sleep(3)`, 20)
	require.True(t, planted.Success, planted.Output)
	found := w.run(`boto3.client("`+service+`", region_name="eu-west-1").meta.service_model.metadata["serviceFullName"]`, 20)
	require.True(t, found.Success, found.Output)
	assert.NotContains(t, found.Output, "planted")
}

// On a user's machine, the user's files are beside the sandbox. Landlock does not restrict all changes.
func TestSupervisor_FilesOutsideTheScratchDirectoryStayUnchanged(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			w := startWorker(t, python, roleWorker)
			if w.ask(workerRequest{Status: true}).Status.Layers["landlock"] != "active" {
				skip(t, "this kernel has no Landlock")
			}
			home := publicDirectory(t)
			file := filepath.Join(home, "file")
			require.NoError(t, os.WriteFile(file, []byte("precious"), 0o640))
			for _, path := range []string{home, file} {
				require.NoError(t, os.Chown(path, w.uid, w.uid))
			}
			before, err := os.Stat(file)
			require.NoError(t, err)
			// The numbers are those of truncate, chmod, fchmod, chown, and utimensat on amd64. Elsewhere, they are other calls.
			answer := w.run(disarm+`
path = `+strconv.Quote(file)+`
raw = path.encode()
open("own", "w").close()
for f in (lambda: os.truncate(path, 0), lambda: posix.truncate(path, 0), lambda: os.open(path, os.O_RDONLY | os.O_TRUNC),
          lambda: os.open(path, 3 | os.O_TRUNC), lambda: open(path, "w"), lambda: os.chmod(path, 0o777), lambda: posix.chmod(path, 0o777),
          lambda: posix.fchmod(os.open(path, os.O_RDONLY), 0o777), lambda: posix.chown(path, -1, os.getgid()),
          lambda: os.rename(path, "moved"), lambda: os.rename("own", path), lambda: (os.link(path, "linked"), open("linked", "w")),
          lambda: posix.utime(path, (0, 0)), lambda: os.chmod(os.path.dirname(path), 0o777), lambda: posix.chmod(os.path.dirname(path), 0o777),
          lambda: native("truncate", raw, 0), lambda: native("chmod", raw, 0o777), lambda: native("open", raw, os.O_RDONLY | os.O_TRUNC)):
    print(attempt(f))`, 20)
			require.True(t, answer.Success, answer.Output)
			require.Contains(t, answer.Stdout, "disarmed")
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, "precious", string(content))
			after, err := os.Stat(file)
			require.NoError(t, err)
			assert.Equal(t, before.Mode(), after.Mode())
			assert.Equal(t, before.ModTime(), after.ModTime())
			directory, err := os.Stat(home)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o755), directory.Mode().Perm())

			// Code that changes modes and times where it may write goes on.
			answer = w.run(`
import pathlib, shutil, tempfile, tarfile, zipfile
open("a", "w").write("12345"); os.chmod("a", 0o600); os.truncate("a", 3); pathlib.Path("new").touch(); pathlib.Path("a").touch()
shutil.copy("a", "b"); shutil.copy2("a", "c"); os.mkdir("d"); shutil.move("c", "d/c"); shutil.copytree("d", "e")
with tarfile.open("t.tar", "w") as t: t.add("d")
with tarfile.open("t.tar") as t: t.extractall("f", filter="data")
with tempfile.TemporaryDirectory() as x: open(x + "/y", "w").close()
missing = None
try: os.utime("nothing")
except FileNotFoundError: missing = True
shutil.rmtree("e")
result = [open("b").read(), open("d/c").read(), open("f/d/c").read(), os.path.exists("new"), os.path.exists("e"), missing]`, 20)
			require.True(t, answer.Success, answer.Output)
			assert.JSONEq(t, `["123", "123", "123", true, false, true]`, string(answer.Result))
		})
	}
}

// The kernel removes keys some time after they are released. Keys that were still there when the supervisor started must not hide one
// that a call leaves.
func TestSupervisor_NoticesKeysAfterOthersDisappeared(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "only root can give a user keys before the supervisor starts")
	}
	python := pythons(t)[0]
	uid := nextUID.Load() + 1
	holder := exec.Command(python.interpreter, "-S", "-c", fmt.Sprintf(`
import ctypes, platform
libc, add_key, ring = ctypes.CDLL(None), 248 if platform.machine() == "x86_64" else 217, -2
libc.setfsuid(%d) # the user of the key, not of this process, which the supervisor would end
print([libc.syscall(ctypes.c_long(add_key), b"user", b"held%%d" %% n, b"data", ctypes.c_long(4), ctypes.c_long(ring)) for n in range(9)], flush=True)
input()`, uid))
	release, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	serials, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.NotContains(t, serials, "-1")

	w := startWorker(t, python, roleRefuse)
	require.Equal(t, int(uid), w.uid)
	w.run("1", 10) // now the supervisor has started
	before := keys(w.uid)
	_, err = release.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, holder.Wait())
	require.Eventually(t, func() bool { return keys(w.uid) < before }, 10*time.Second, 10*time.Millisecond)
	w.run(intrude+`print(call((248, 217), b"user", b"left", b"data", 4, -4))`, 10)
	assert.Equal(t, traceShared, w.spent, w.detail)
}
