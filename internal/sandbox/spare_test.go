package sandbox

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A child that waits for the next call belongs to the same user as the code of this call.
func TestSupervisor_ReplacesAChildThatACallCouldReach(t *testing.T) {
	const change = intrude + `
def waiting():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try: status = dict(line.split(":\t", 1) for line in open(f"/proc/{name}/status") if ":\t" in line)
        except OSError: continue
        if int(status["PPid"]) == os.getppid() and int(name) != me: return int(name)
end = time.time() + 8
while not (pid := waiting()) and time.time() < end: time.sleep(0.01)
time.sleep(0.1)
done = [limit(pid, kind, value) for kind, value in ((7, 12), (1, 100), (0, 1), (8, 0))]
done += [native("setpriority", 0, pid, 19), native("sched_setaffinity", pid, 8, ctypes.byref(ctypes.c_ulong(1)))]
done += [native("sched_setscheduler", pid, 5, ctypes.byref(ctypes.c_int(0)))]
print(bool(pid), *done)`
	const look = `
import resource
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), sorted(os.sched_getaffinity(0)),
    [resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_MEMLOCK)])`
	w := startWorker(t, pythons(t)[0], roleRefuse)
	answer := w.run(change, 20)
	require.Contains(t, answer.Output, "True done done done done done done done\n", answer.Error)
	assert.Empty(t, w.spent, w.detail)
	after := w.run("import os\n"+look, 10)
	require.True(t, after.Success, after.Error)
	assert.Equal(t, w.run("import os\n"+look, 10).Output, after.Output)
	w.mustWork()
	w.mustBeClean()

	const stop = change + `
print(native("kill", pid, 19))`
	w = startWorker(t, pythons(t)[0], roleRefuse)
	require.Contains(t, w.run(stop, 20).Output, "done\n")
	w.mustWork()
	w.mustBeClean()
}

// A process that forks and ends all the time may be missed by one look, and by each signal.
func TestSupervisor_KillsAChainOfProcesses(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "run the tests as root: the tool must have its own user")
	}
	const chain = intrude + `
if libc.fork() == 0:
    libc.setsid(); os.closerange(0, 256)
    end = time.time() + 20
    while time.time() < end:
        if libc.fork(): os._exit(0)
        time.sleep(%PAUSE%)
    os._exit(0)
time.sleep(0.1)
print("started")`
	w := startWorker(t, pythons(t)[0], roleRefuse)
	for _, pause := range []string{"0.0005", "0.002"} {
		answer := w.run(strings.ReplaceAll(chain, "%PAUSE%", pause), 10)
		assert.Contains(t, answer.Output, "started\n", answer.Error)
		assert.Equal(t, traceProcess, w.spent, w.detail)
		w.mustWork()
		w.mustBeClean()
	}
}

// Processes that the code has started keep its files open, and fork until they are killed. The call ends with the code all the same.
func TestSupervisor_AnswersWhileProcessesFork(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "run the tests as root: the tool must have its own user")
	}
	const fork = intrude + `
if libc.fork() == 0:
    end = time.time() + 60
    while time.time() < end: libc.fork()
    os._exit(0)
print("started", flush=True)
`
	w := startWorker(t, pythons(t)[0], roleRefuse)
	answer := w.run(fork+`result = "ended"`, 40)
	assert.JSONEq(t, `"ended"`, string(answer.Result), answer.Error)
	assert.Equal(t, traceProcess, w.spent, w.detail)
	w.mustWork()
	w.mustBeClean()
}
