package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withoutHook is the layer with the audit hook taken out: what an attacker has who found a way around it.
// Everything else is as it is deployed.
func withoutHook(t *testing.T, python stagedPython) stagedPython {
	t.Helper()
	root := publicDirectory(t)
	to := filepath.Join(root, "python", "alarmtriage_tool")
	linkTree(t, filepath.Join(python.layer, "python", "alarmtriage_tool"), to)
	require.NoError(t, os.RemoveAll(filepath.Join(to, "__pycache__")))
	guard, err := os.ReadFile(filepath.Join(to, "guard.py"))
	require.NoError(t, err)
	head, _, found := strings.Cut(string(guard), "    for module, name in _UNAUDITED:")
	require.True(t, found, "guard.install looks different now")
	_, rest, found := strings.Cut(string(guard), "    sys.addaudithook(_hook())")
	require.True(t, found, "guard.install looks different now")
	require.NoError(t, os.Remove(filepath.Join(to, "guard.py"))) // it is a second name of the real one
	require.NoError(t, os.WriteFile(filepath.Join(to, "guard.py"), []byte(head+"    return"+rest), 0o644))
	python.layer = root
	return python
}

// native is the start of code that speaks to the kernel past Python.
const native = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    ctypes.set_errno(0)
    answer = getattr(libc, name)(*args)
    return "done" if answer >= 0 else os.strerror(ctypes.get_errno())
def others():
    return [pid for pid in range(1, 2 * os.getpid()) if pid != os.getpid() and os.path.exists("/proc/%d" % pid)]
def family():
    seen, pid = [], os.getppid()
    while pid > 1 and len(seen) < 3:
        seen.append(pid)
        try:
            pid = int(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pid -= 1
    return seen
`

// nativeAbuse is what native code tries once nothing in Python is in its way.
type nativeAbuse struct {
	name     string
	code     string
	says     string // in the full configuration
	prevents bool   // also where the kernel takes no filter
}

var nativeAbuses = []nativeAbuse{
	{name: "credentials: files of the supervisor and the zygote", prevents: true, says: "found []", code: `
found = []
for pid in family():
    for file in ("environ", "mem", "fd", "maps", "cwd/x"):
        fd = libc.open(("/proc/%d/%s" % (pid, file)).encode(), 0)
        data = ctypes.create_string_buffer(65536)
        if fd >= 0 and libc.read(fd, data, 65536) > 0:
            found.append((pid, file))
print("found", found)`},
	{name: "credentials: memory of the zygote and the supervisor", prevents: true, says: "found []", code: `
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
data = ctypes.create_string_buffer(64)
mine, theirs = Part(ctypes.addressof(data), 64), Part(0xc000000000, 64)
found = [pid for pid in family() if libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) > 0]
print("found", found)`},
	{name: "credentials: tracing the zygote and the supervisor", prevents: true, says: "attached []", code: `
print("attached", [pid for pid in family() if libc.ptrace(16, pid, None, None) == 0])`},
	{name: "credentials: a copy of a descriptor of the supervisor", prevents: true, says: "copied []", code: `
copied = []
for pid in family():
    handle = libc.syscall(434, pid, 0)
    copied += [fd for fd in range(32) if handle >= 0 and libc.syscall(438, handle, fd, 0) >= 0]
print("copied", copied)`},
	{name: "credentials: own memory, all of it", prevents: true, says: "searched", code: `
import gc
from botocore.credentials import Credentials
print("searched", [c.secret_key for c in gc.get_objects() if isinstance(c, Credentials)])`},
	{name: "network: a socket", says: "Operation not permitted", code: `print(call("socket", 2, 1, 0))`},
	{name: "network: a datagram socket", says: "Operation not permitted", code: `print(call("socket", 2, 2, 0))`},
	{name: "network: a raw socket", prevents: true, says: "Operation not permitted", code: `print(call("socket", 2, 3, 1))`},
	{name: "network: a local socket by name", says: "Operation not permitted", code: `print(call("socket", 1, 1, 0))`},
	{name: "network: a socket by the second table of numbers", says: "not permitted", code: `
import platform
number = 0x40000000 | 41 if platform.machine() == "x86_64" else 198
ctypes.set_errno(0)
print(libc.syscall(number, 2, 1, 0), os.strerror(ctypes.get_errno()))`},
	{name: "network: io_uring", says: "-1", code: `print(libc.syscall(425, 8, ctypes.create_string_buffer(120)))`},
	{name: "network: the socket module", says: "PermissionError", code: `
import _socket
try:
    _socket.socket(2, 1).connect(("127.0.0.1", 1))
except OSError as error:
    print(type(error).__name__)`},
	{name: "processes: fork", says: "refused", code: `
try:
    child = os.fork()
    if child == 0:
        os.setsid()
        import time
        time.sleep(30)
    print("forked")
except OSError:
    print("refused")`},
	{name: "processes: vfork and exec", says: "refused", code: `
try:
    os.posix_spawn("/bin/sleep", ["sleep", "30"], {})
    print("spawned")
except OSError:
    print("refused")`},
	{name: "processes: another program in its place", says: "not permitted", code: `print(call("execv", b"/bin/true", (ctypes.c_char_p * 2)(b"true", None)))`},
	{name: "processes: a program in memory", says: "-1", code: `print(libc.memfd_create(b"x", 0))`},
	{name: "processes: a signal to the zygote", says: "Operation not permitted", code: `print(call("kill", os.getppid(), 0))`},
	{name: "processes: a new namespace", prevents: true, says: "-1", code: `print(libc.unshare(0x10000000))`},
	{name: "processes: a debugger's view of the kernel", prevents: true, says: "-1", code: `print(libc.syscall(321 if sys.platform == "linux" else 0, 0, None, 0))`},
	{name: "disk: a file elsewhere", says: "left []", code: `
left = []
for path in (b"/var/tmp/alarmtriage-left", b"/dev/shm/alarmtriage-left"):
    fd = libc.open(path, 0o1101, 0o600)
    if fd >= 0:
        left.append(path)
        libc.unlink(path)
print("left", left)`},
	{name: "disk: the harness", prevents: true, says: "written []", code: `
import alarmtriage_tool.runner
print("written", [path for path in [alarmtriage_tool.runner.__file__] if libc.open(path.encode(), 1) >= 0])`},
	{name: "memory: more than its limit by native means", prevents: true, says: "refused", code: `
libc.mmap.restype = ctypes.c_void_p
libc.malloc.restype = ctypes.c_void_p
print("got it" if libc.malloc(ctypes.c_size_t(8 << 30)) else "refused")`},
}

// The audit hook gives good error texts and protects nothing by itself. This is what holds without it.
func TestWhatHoldsWithoutTheAuditHook(t *testing.T) {
	for _, python := range pythons(t) {
		bare := withoutHook(t, python)
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				t.Parallel()
				w := startWorker(t, bare, configuration.role)
				require.Contains(t, w.run("import ctypes\nctypes.CDLL(None).getpid() == os.getpid()", 10).Output, "true", "the hook is off")
				for _, abuse := range nativeAbuses {
					t.Run(abuse.name, func(t *testing.T) {
						w.t = t
						answer := w.run(native+abuse.code, 6) // and no answer holds what was planted: see ask
						require.NotEqual(t, "HarnessLost", answer.ErrorType, answer.Error)
						if abuse.prevents || configuration.role == roleWorker {
							assert.Contains(t, answer.Output, abuse.says)
						}
						w.mustWork()
						w.mustBeClean()
					})
				}
				w.t = t
			})
		}
	}
}
