package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// A call may kill the supervisor and leave processes behind. They run before the next supervisor starts, which must end
// them before it uses its credentials, whatever they run.
func TestNew_EndsSurvivorsOfAKilledRun(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "run the tests as root: this test ends every process of the user that runs the tool, which otherwise is you")
	}
	const sleep = `["x", "-c", "import time; time.sleep(60)"]`
	for name, code := range map[string]string{
		"a fork":                  `leave(lambda: time.sleep(60))`,
		"a copy of Python":        `shutil.copy(python, "../x"); leave(lambda: os.execve("../x", ` + sleep + `, env))`,
		"a deleted copy":          `shutil.copy(python, "../x"); leave(lambda: (threading.Timer(0.01, os.unlink, ["../x"]).start(), os.execve("../x", ` + sleep + `, env)))`,
		"Python itself":           `leave(lambda: os.execve(python, ` + sleep + `, env))`,
		"a link to Python":        `os.symlink(python, "../x"); leave(lambda: os.execve("../x", ` + sleep + `, env))`,
		"a program of the system": `leave(lambda: os.execve("/bin/sleep", ["sleep", "60"], env))`,
		"a program in memory": `
fd = libc.memfd_create(b"x", 0); os.write(fd, open("/bin/sleep", "rb").read())
leave(lambda: os.execve(f"/proc/self/fd/{fd}", ["sleep", "60"], env))`,
		"threads without the first": `
def remain():
    threading.Thread(target=time.sleep, args=(60,)).start()
    libc.syscall(ctypes.c_long(60 if amd64 else 93), 0)
leave(remain)`,
	} {
		t.Run(name, func(t *testing.T) {
			python := pythons(t)[0]
			spared := publicDirectory(t)
			w := startWorkerWith(t, python, roleRefuse, workerOptions{Spared: []string{spared}})
			extension := w.startExtension(t, spared)
			left := w.mustLeave(`
import shutil
python, env = ` + strconv.Quote(python.interpreter) + `, {**os.environ, "PYTHONHOME": sys.base_prefix}
def leave(then):
    if os.fork() == 0: libc.setsid(); then(); os._exit(0)
` + code)

			w.start()
			w.mustWork()
			for _, pid := range left {
				p, exists := readProcess(pid)
				assert.True(t, !exists || p.ended(), "a process of the killed run")
			}
			running := func() (n int) {
				for _, p := range processes(w.uid) {
					if !p.ended() {
						n++
					}
				}
				return n
			}
			assert.Eventually(t, func() bool { return running() == 5 }, 3*time.Second, time.Millisecond,
				"only supervisor, zygote, spare, and the extension with its child")
			assert.NoError(t, syscall.Kill(extension, 0), "the extension was there before")
		})
	}
}

// The code of a call can execute a program that is spared. Forks of the call's Python are then below that program.
func TestNew_EndsForksOfACallBelowASparedProgram(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "run the tests as root: this test ends every process of the user that runs the tool, which otherwise is you")
	}
	spared := publicDirectory(t)
	w := startWorkerWith(t, pythons(t)[0], roleRefuse, workerOptions{Spared: []string{spared}})
	extension := w.startExtension(t, spared)
	left := w.mustLeave(`
if os.fork() == 0:
    libc.setsid()
    if os.fork() == 0: time.sleep(60); os._exit(0)
    os.execve(` + strconv.Quote(filepath.Join(spared, "extension")) + `, ["x", "-c", "sleep 60; true"], os.environ)
`)
	t.Cleanup(func() {
		for _, p := range processes(w.uid) {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})

	w.start()
	w.mustWork()
	for _, pid := range left {
		program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		assert.NotContains(t, program, "memfd", "the call's Python")
	}
	assert.Len(t, descendants(processes(w.uid), extension), 2, "the extension and the program that it has started")
}

// An extension can start a program that ends during the look. Its end is no trace of a call.
func TestSurvivors_DoNotIncludeAnEndingProgramOfAnExtension(t *testing.T) {
	spared := publicDirectory(t)
	program := filepath.Join(spared, "extension")
	shell, err := filepath.EvalSymlinks("/bin/sh")
	require.NoError(t, err)
	copyFile(t, shell, program)
	extension := exec.Command(program, "-c", "while :; do /bin/true | /bin/true | /bin/true | /bin/true; done")
	extension.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, extension.Start())
	t.Cleanup(func() { syscall.Kill(-extension.Process.Pid, syscall.SIGKILL); extension.Wait() })
	for range 500 {
		tolerated, left, err := survivors{options: Options{Spared: []string{spared}}}.find(-1)
		require.NoError(t, err)
		require.Contains(t, tolerated, extension.Process.Pid)
		for _, pid := range left {
			p, exists := readProcess(pid)
			assert.False(t, exists && p.parent == extension.Process.Pid, "%+v", p)
		}
	}
}

// What is alive when the process exits would look like code of a call at the next start.
func TestSupervisor_LeavesNoProcessWhenItIsClosed(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			warm := []string{"logs", "ec2", "cloudwatch"} // after a call, the zygote is busy with them
			s, err := New(t.Context(), Options{
				Interpreter: python.interpreter, Layer: python.layer, SearchPath: python.search, AccessKey: broker.DummyAccessKey,
				Scratch: publicDirectory(t), Environment: os.Environ(), Warm: warm, NewSession: func() Session { return idleSession{} },
			})
			require.NoError(t, err)
			_, err = s.Run(t.Context(), "1", Place{})
			require.NoError(t, err)
			zygote := s.zygote.process.Pid
			started := descendants(processes(os.Getuid()), zygote)
			for range 50 { // the zygote forks the next child
				maps.Copy(started, descendants(processes(os.Getuid()), zygote))
			}

			s.Close()
			require.Greater(t, len(started), 1)
			for pid := range started {
				p, exists := readProcess(pid)
				assert.True(t, !exists || p.ended(), "process %d", pid)
			}
		})
	}
}

// idleSession is a session of a call without requests.
type idleSession struct{}

func (idleSession) Serve(ctx context.Context, control *os.File) (allEnded bool) {
	_, _ = control.Read(make([]byte, 1))
	return true
}

func (idleSession) Audit() (calls []toolcall.AWSCall, unlisted, refusals int) { return nil, 0, 0 }

// startExtension starts a shell in a directory of spared programs as the worker's user. The shell has a child.
func (w *worker) startExtension(t *testing.T, spared string) (pid int) {
	t.Helper()
	program := filepath.Join(spared, "extension")
	shell, err := filepath.EvalSymlinks("/bin/sh")
	require.NoError(t, err)
	copyFile(t, shell, program)
	cmd := exec.Command(program, "-c", "sleep 60; true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)}}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	require.Eventually(t, func() bool {
		return len(descendants(processes(w.uid), cmd.Process.Pid)) == 2
	}, 5*time.Second, time.Millisecond)
	return cmd.Process.Pid
}

// Code without a filter can take the supervisor's right to open files, without which it cannot list processes. It must still
// kill what the call left before it answers.
func TestSupervisor_KillsProcessesThatItCannotList(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "run the tests as root: the supervisor kills what it cannot list only if it has its own user")
	}
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			w := startWorker(t, python, roleRefuse)
			answer := w.run(w.processIDs(intrude+`
def stay():
    libc.setsid(); os.closerange(0, 256)
    limit(%SUPERVISOR%, 7, 3)
    time.sleep(60)
sibling(stay)
result = me`), 20)
			require.True(t, answer.Success, answer.Output)
			assert.NotEmpty(t, w.spent)
			assert.Eventually(t, func() bool {
				return !slices.ContainsFunc(processes(w.uid), func(p process) bool { return !p.ended() })
			}, 2*time.Second, time.Millisecond, "a process of the call lives on")
			w.mustWork()
			w.mustBeClean()
		})
	}
}

// mustLeave kills the supervisor while code runs that has started another process, which must still run. It returns the
// process IDs of what runs.
func (w *worker) mustLeave(code string) (left []int) {
	t := w.t
	t.Helper()
	w.run("1", 10)
	before := processes(w.uid)
	encoded, err := json.Marshal(workerRequest{Seconds: 50, Command: intrude + code + `
time.sleep(0.3)
open("../ready", "w").close(); time.sleep(60)`})
	require.NoError(t, err)
	_, err = w.in.Write(append(encoded, '\n'))
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(w.scratch, "ready")); return err == nil }, 30*time.Second, time.Millisecond)
	require.NoError(t, w.cmd.Process.Kill())
	w.stop()
	require.Eventually(t, func() bool {
		left = nil
		for _, p := range processes(w.uid) {
			if !p.ended() && !slices.ContainsFunc(before, func(b process) bool { return b.pid == p.pid }) {
				left = append(left, p.pid)
			}
		}
		return len(left) > 0
	}, 5*time.Second, time.Millisecond, "a process must survive")
	return left
}

func TestSparedPrograms_IncludeTheSystemForScripts(t *testing.T) {
	extensions := t.TempDir()
	assert.Equal(t, lambdaPrograms, sparedPrograms(filepath.Join(extensions, "missing")))
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(extensions, "agent")))
	assert.Equal(t, lambdaPrograms, sparedPrograms(extensions))
	require.NoError(t, os.WriteFile(filepath.Join(extensions, "script"), []byte("#!/bin/sh\n"), 0o755))
	assert.Contains(t, sparedPrograms(extensions), "/usr")
}
