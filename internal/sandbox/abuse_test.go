package sandbox

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// abuse is a snippet that attempts something forbidden, and the expected outcome.
type abuse struct {
	name    string
	code    string
	seconds float64 // 0: 6
	success bool
	kind    string                                // ErrorType; empty: any
	output  string                                // in the output
	check   func(t *testing.T, a toolcall.Answer) // additional checks
}

const leak = `
def hunt():
    import os
    found = []
    pid = os.getpid()
    for pid in [os.getpid(), os.getppid()] + list(range(1, 400)):
        for name in ("environ", "mem", "maps", "cmdline"):
            try:
                fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
                found.append((pid, name, os.read(fd, 4096)))
            except OSError:
                pass
    return found
`

var abuses = []abuse{
	// Credentials.
	{name: "credentials: environment holds only the dummy", code: `print(dict(os.environ))`, success: true, output: broker.DummyAccessKey},
	{name: "credentials: boto3 knows only the dummy", code: `c = boto3.Session().get_credentials().get_frozen_credentials()
print(c.access_key, c.secret_key, c.token)`, success: true, output: broker.DummyAccessKey + " broker None"},
	{name: "credentials: parent's environment", code: `open(f"/proc/{os.getppid()}/environ").read()`, kind: "PermissionError", output: "not readable here"},
	{name: "credentials: own environment block", code: `open("/proc/self/environ").read()`, kind: "PermissionError"},
	{name: "credentials: parent's memory", code: `open(f"/proc/{os.getppid()}/mem", "rb")`, kind: "PermissionError"},
	{name: "credentials: every process's files", code: leak + "print(hunt())", success: true, output: "[]"},
	{name: "credentials: proc behind a symbolic link", code: `os.symlink("/proc", "p")
open("p/self/environ").read()`, kind: "PermissionError"},
	{name: "credentials: proc behind a link to the root directory", code: `os.symlink("/", "r")
open("r/proc/self/status").read()`, kind: "PermissionError"},
	{name: "credentials: proc behind a relative link", code: `os.mkdir("a"); os.symlink("../../../../../../proc", "a/p")
open("a/p/self/status").read()`, kind: "PermissionError"},
	{name: "credentials: proc below a descriptor of the root directory", code: `os.open("proc/self/status", os.O_RDONLY, dir_fd=os.open("/", os.O_RDONLY))`, kind: "PermissionError"},
	{name: "credentials: proc below a descriptor", code: `os.makedirs("a/b/c/d/e"); fd = os.open("a", os.O_RDONLY); os.chdir("a/b/c/d/e")
os.open("../../../../../proc/self/status", os.O_RDONLY, dir_fd=fd)`, kind: "PermissionError"},
	{name: "credentials: the root directory below a descriptor", code: `os.makedirs("a/b/c/d/e"); fd = os.open("a", os.O_RDONLY); os.chdir("a/b/c/d/e")
os.open("../../../..", os.O_RDONLY, dir_fd=fd)`, kind: "PermissionError"},
	{name: "credentials: proc behind a relative path", code: `open("../../../../../../proc/self/environ").read()`, kind: "PermissionError"},
	{name: "credentials: proc as bytes", code: `open(b"/proc/self/environ").read()`, kind: "PermissionError"},
	{name: "credentials: proc with two slashes", code: `open("//proc/self/environ").read()`, kind: "PermissionError"},
	{name: "credentials: listing processes", code: `print(os.listdir("/proc"))`, kind: "PermissionError"},
	{name: "credentials: objects of the interpreter", code: `import gc
gc.get_objects()`, kind: "PermissionError", output: "cannot be listed here"},
	{name: "credentials: globals of the harness", code: disarm + `
print([o for o in gc.get_objects() if isinstance(o, dict) and "AWS_SECRET_ACCESS_KEY" in o and "planted" in str(o.get("AWS_SECRET_ACCESS_KEY"))])`, success: true, output: "[]"},
	{name: "credentials: instance metadata", code: `from botocore.utils import InstanceMetadataFetcher
print(InstanceMetadataFetcher().retrieve_iam_role_credentials())`, success: true, output: "{}"},
	{name: "credentials: shared credentials file", code: `print(boto3.Session().available_profiles)`, success: true, output: "[]"},

	// Network.
	{name: "network: urlopen", code: `import urllib.request
urllib.request.urlopen("http://example.com")`, kind: "PermissionError", output: "only AWS API calls through boto3"},
	{name: "network: raw socket", code: `import socket
socket.socket().connect(("1.1.1.1", 80))`, kind: "PermissionError", output: "no network"},
	{name: "network: name resolution", code: `import socket
socket.getaddrinfo("secret.example.com", 80)`, kind: "PermissionError"},
	{name: "network: http.client", code: `import http.client
http.client.HTTPConnection("example.com").request("GET", "/")`, kind: "PermissionError"},
	{name: "network: the Runtime API", code: `import socket
socket.create_connection(("169.254.100.1", 9001), 1)`, kind: "PermissionError"},
	{name: "network: listening socket", code: `import socket
socket.create_server(("127.0.0.1", 0))`, kind: "PermissionError"},
	{name: "network: datagram", code: `import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("1.1.1.1", 53))`, kind: "PermissionError"},
	{name: "network: local socket of another process", code: `import socket
socket.socket(socket.AF_UNIX).connect("/var/run/anything.sock")`, kind: "PermissionError"},
	{name: "network: urllib3", code: `import urllib3
urllib3.PoolManager(retries=False).request("GET", "http://1.1.1.1")`, output: "no network"},
	{name: "network: asyncio", code: `import asyncio
asyncio.run(asyncio.open_connection("1.1.1.1", 80))`, kind: "PermissionError"},

	{name: "network: boto3 at a foreign host", code: `boto3.client("logs", endpoint_url="https://evil.example.com").describe_log_groups()`, kind: "RequestRefused", output: "not an AWS API endpoint"},
	{name: "network: boto3 at a host name of an EC2 instance", code: `boto3.client("logs", endpoint_url="https://ec2-1-2-3-4.compute-1.amazonaws.com").describe_log_groups()`, kind: "RequestRefused"},
	{name: "network: boto3 at a private API", code: `boto3.client("logs", endpoint_url="https://abc.execute-api.eu-west-1.amazonaws.com").describe_log_groups()`, kind: "RequestRefused"},
	{name: "network: boto3 without encryption", code: `boto3.client("logs", endpoint_url="http://logs.eu-west-1.amazonaws.com").describe_log_groups()`, kind: "RequestRefused"},
	{name: "network: boto3 at another port", code: `boto3.client("logs", endpoint_url="https://logs.eu-west-1.amazonaws.com:8443").describe_log_groups()`, kind: "RequestRefused"},
	{name: "network: boto3 at a host name that only ends like AWS", code: `boto3.client("logs", endpoint_url="https://evilamazonaws.com").describe_log_groups()`, kind: "RequestRefused"},
	{name: "network: boto3 at a URL with a user name", code: `boto3.client("logs", endpoint_url="https://logs.amazonaws.com@evil.example.com").describe_log_groups()`},
	{name: "network: the metadata service through the broker", code: `from botocore.httpsession import URLLib3Session
from botocore.awsrequest import AWSRequest
URLLib3Session().send(AWSRequest("GET", "http://169.254.169.254/latest/meta-data/").prepare())`, kind: "RequestRefused"},
	{name: "network: SigV4a at a Multi-Region Access Point", code: `boto3.client("s3").list_objects_v2(Bucket="arn:aws:s3::111122223333:accesspoint:mfzwi23gnjvgw.mrap")`, kind: "RequestRefused", output: "SigV4a"},
	{name: "network: service that accepts only SigV4a", code: `boto3.client("cloudfront-keyvaluestore").list_keys(KvsARN="arn:aws:cloudfront::111122223333:key-value-store/2b4a3a9e-0d5b-4c24-9b6c-5a2b0a9c9a5e")`, kind: "RequestRefused", output: "SigV4a"},
	{name: "network: presigned URL", code: `boto3.client("s3").generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})`, kind: "RequestRefused", output: "presigned"},

	// Processes.
	{name: "processes: subprocess", code: `import subprocess
subprocess.run(["id"])`, kind: "PermissionError", output: "starting or signaling processes"},
	{name: "processes: os.system", code: `os.system("id")`, kind: "PermissionError"},
	{name: "processes: os.popen", code: `os.popen("id").read()`, kind: "PermissionError"},
	{name: "processes: fork", code: `os.fork()`, kind: "PermissionError"},
	{name: "processes: fork bomb", code: `while True:
    try: os.fork()
    except OSError: break
print("stopped")`, success: true, output: "stopped"},
	{name: "processes: exec", code: `os.execv("/bin/sh", ["sh"])`, kind: "PermissionError"},
	{name: "processes: posix_spawn", code: `os.posix_spawn("/bin/sh", ["sh"], {})`, kind: "PermissionError"},
	{name: "processes: fork_exec without subprocess", code: `import _posixsubprocess
_posixsubprocess.fork_exec()`, kind: "PermissionError"},
	{name: "processes: multiprocessing", code: `import multiprocessing
multiprocessing.get_context("fork").Process(target=print).start()`, kind: "PermissionError"},
	{name: "processes: kill the parent", code: `os.kill(os.getppid(), 9)`, kind: "PermissionError"},
	{name: "processes: kill everything", code: `os.kill(-1, 9)`, kind: "PermissionError"},
	{name: "processes: kill through a pidfd", code: `import signal
signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)`, kind: "PermissionError"},
	{name: "processes: kill itself", code: `import signal
print("before")
signal.raise_signal(9)`, kind: "Crashed", output: "before"},
	{name: "processes: abort", code: `os.abort()`, kind: "Crashed", output: "aborted"},
	{name: "processes: ctypes", code: `import ctypes
ctypes.CDLL(None).getpid()`, kind: "PermissionError", output: "native code"},
	{name: "processes: segmentation fault", code: `import ctypes
ctypes.string_at(0)`},
	{name: "processes: thread bomb", code: `import threading, time
n = 0
try:
    while n < 5000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
except RuntimeError:
    print("stopped below 5000")`, success: true, output: "stopped below 5000"},
	{name: "processes: a thread left behind", code: `import threading, time
threading.Thread(target=lambda: time.sleep(600)).start()
result = "left"`, seconds: 2, success: true, output: "left", check: func(t *testing.T, a toolcall.Answer) {
		assert.Contains(t, strings.Join(a.Notes, "\n"), "threads of the code still ran")
	}},
	{name: "processes: a job of a pool left behind", code: `pool = ThreadPoolExecutor(1)
pool.submit(time.sleep, 600)
pool.shutdown(wait=False)
result = "left"`, success: true, output: "left", check: func(t *testing.T, a toolcall.Answer) { assert.Empty(t, a.Notes) }},
	{name: "processes: a thread that has used a pool", code: `import threading
pool = ThreadPoolExecutor(2)
def read():
    time.sleep(0.1)
    print(list(pool.map(str, [1, 2])))
threading.Thread(target=read).start()`, success: true, output: "['1', '2']", check: func(t *testing.T, a toolcall.Answer) { assert.Empty(t, a.Notes) }},
	{name: "processes: ptrace of the parent", code: `import ctypes
ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)`, kind: "PermissionError"},

	// Memory.
	{name: "memory: one block", code: `x = [0] * 10**10`, kind: "MemoryLimit", output: "at line 1"},
	{name: "memory: many blocks", code: `x = []
while True: x.append(bytearray(10**7))`, kind: "MemoryLimit", output: "at line 2"},
	{name: "memory: many small objects", code: `x = []
while True: x.append(object())`, seconds: 20},
	{name: "memory: anonymous shared mapping", code: `import mmap
print("begun", flush=True)
m = mmap.mmap(-1, 3 << 30)
for at in range(0, len(m), 4096): m[at] = 1`, kind: "PermissionError", output: "use bytearray"},
	{name: "memory: page tables", code: `import mmap
size, page, maps = 64 << 20, 2 << 20, []
with open("f", "wb") as f: f.truncate(size)
while len(maps) < 8000:
    fd = os.open("f", os.O_RDONLY)
    for _ in range(50): maps.append(mmap.mmap(fd, size, prot=mmap.PROT_READ))
    for one in range(256): # each mapping has one
        try:
            if os.path.sameopenfile(fd, one) and one != fd: os.close(one)
        except OSError: pass
    os.close(fd)
    for m in maps[-50:]:
        for at in range(0, size, page): m[at]
print("held")`, kind: "MemoryLimit", seconds: 30},
	{name: "memory: in-memory files", code: `import posix
for module in (os, posix):
    try: module.memfd_create("x")
    except PermissionError as error: print(error)`, success: true, output: "in-memory files cannot be created here"},
	{name: "memory: a string that doubles", code: `s = "x"
while True: s += s`, kind: "MemoryLimit"},
	{name: "memory: recursion without a limit", code: `sys.setrecursionlimit(10**9)
def f(): f()
f()`, seconds: 10},
	{name: "memory: recursion", code: `def f(): f()
f()`, kind: "RecursionError"},
	{name: "memory: recursion with a higher limit", code: `sys.setrecursionlimit(5_000)
def f(): f()
f()`, kind: "RecursionError", output: "Previous line repeated 1997 more times"},
	{name: "memory: recursion of a library with a higher limit", code: `import copy
sys.setrecursionlimit(7_000)
nested = []
for _ in range(7_000): nested = [nested]
copy.deepcopy(nested)`, kind: "RecursionError", output: "at line 5"},
	{name: "memory: code that is nested too deeply", code: `text = "Parser stack overflowed - Python source too complex to parse"
if sys.version_info < (3, 13): raise MemoryError(text) # which has no text in earlier versions
eval("-" * 10**5 + "1")`, kind: "MemoryError", output: "too complex to parse"},
	{name: "memory: an error that has no text", code: `class E:
    def __str__(self): raise ValueError
raise MemoryError(E())`, kind: "MemoryLimit"},
	{name: "memory: lifting the limit", code: `import resource
resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))`, kind: "ValueError"},
	{name: "memory: parsing a very large number", code: `int("9" * 10**6)`, kind: "ValueError"},

	// Time.
	{name: "time: endless loop", code: `print("begun")
while True: pass`, seconds: 2, kind: "TimeLimit", output: "at line 2"},
	{name: "time: endless loop that swallows everything", code: `while True:
    try:
        while True: pass
    except BaseException: pass`, seconds: 2, kind: "TimeLimit"},
	{name: "time: sleep", code: `time.sleep(3600)`, seconds: 2, kind: "TimeLimit", output: "at line 1"},
	{name: "time: an alarm of the code", code: `import signal
signal.setitimer(signal.ITIMER_REAL, 0.1)
while True: pass`, kind: "AlarmClock", output: "line 3"},
	{name: "time: an alarm of the code that has a handler", code: `import signal
def ring(*_): raise ValueError("mine")
signal.signal(signal.SIGALRM, ring)
signal.alarm(1)
while True: pass`, kind: "ValueError", output: "mine"},
	{name: "time: alarms of the code that are swallowed", code: `import signal
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
try: time.sleep(3600)
except BaseException as error: print(type(error).__name__)
while True: pass`, seconds: 2, kind: "TimeLimit", output: "AlarmClock\nError: time limit of"},
	{name: "time: sleep with signals blocked", code: `import signal
signal.setitimer(signal.ITIMER_REAL, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
print("begun", flush=True)
time.sleep(3600)`, seconds: 2, kind: "TimeLimit", output: "begun"},
	{name: "time: catastrophic regular expression", code: `re.match(r"(a+)+$", "a" * 50 + "b")`, seconds: 2, kind: "TimeLimit"},
	{name: "time: uninterruptible arithmetic", code: `x = 9 ** 9 ** 9`, seconds: 2},
	{name: "time: a thread that hangs", code: `import threading
t = threading.Thread(target=lambda: time.sleep(3600)); t.start(); t.join()`, seconds: 2, kind: "TimeLimit"},
	{name: "time: an exit handler that hangs", code: `import atexit
atexit.register(time.sleep, 3600)
result = 1`, success: true, output: "1"},
	{name: "time: a destructor that hangs", code: `class D:
    def __del__(self): time.sleep(3600)
d = D()
result = 2`, success: true, output: "2"},

	// Output.
	{name: "output: flood", code: `while True: print("x" * 1000)`, kind: "OutputLimit"},
	{name: "output: flood on stderr", code: `while True: sys.stderr.write("x" * 1000)`, kind: "OutputLimit"},
	{name: "output: flood through os.write", code: `while True: os.write(1, b"x" * 65536)`, kind: "OutputLimit"},
	{name: "output: head and tail kept", code: `print("first"); print("m" * 10**6); print("last")`, success: true, output: "bytes left out",
		check: func(t *testing.T, a toolcall.Answer) {
			assert.True(t, strings.HasPrefix(a.Stdout, "first\n"))
			assert.True(t, strings.HasSuffix(a.Stdout, "last\n"))
			assert.Less(t, len(a.Stdout), 3*KeptOutput)
		}},
	{name: "output: large result", code: `result = "first" + "r" * 20_000_000 + "last"`, success: true, check: func(t *testing.T, a toolcall.Answer) {
		assert.Less(t, len(a.Output), 2*MaxResult)
		assert.True(t, strings.HasPrefix(a.Output, "first"))
		assert.True(t, strings.HasSuffix(a.Output, "last"))
		require.Len(t, a.Truncated, 1)
		assert.InDelta(t, 20_000_000-MaxResult, a.Truncated[0].LeftOut, 1000)
	}},
	{name: "output: large result of four-byte characters", code: `result = "\U0001F600" * 3_000_000`, success: true,
		check: func(t *testing.T, a toolcall.Answer) {
			assert.Less(t, len(a.Output), 2*MaxResult)
			require.Len(t, a.Truncated, 1)
			assert.InDelta(t, 12_000_000-MaxResult, a.Truncated[0].LeftOut, 1000)
			assert.Contains(t, strings.Join(a.Notes, "\n"), "of its 12000000 bytes are missing")
		}},
	{name: "output: large result of quotes", code: `result = ['"' * 50] * 200_000`, success: true,
		check: func(t *testing.T, a toolcall.Answer) {
			assert.Less(t, len(a.Output), 2*MaxResult)
			assert.Len(t, a.Truncated, 1)
		}},
	{name: "output: large result within the message limit", code: `result = "r" * 2_000_000`, success: true,
		check: func(t *testing.T, a toolcall.Answer) { assert.Less(t, len(a.Result), 2*MaxResult) }},
	{name: "output: not UTF-8", code: `sys.stdout.buffer.write(b"\xff\xfe ok"); sys.stdout.flush()`, success: true, output: " ok"},
	{name: "output: lone surrogate", code: `print("\ud800 ok"); result = "\ud800"`, success: true, output: " ok"},
	{name: "output: large error", code: `raise ValueError("e" * 10**6)`, kind: "ValueError",
		check: func(t *testing.T, a toolcall.Answer) { assert.Less(t, len(a.Error), 40_000) }},
	{name: "output: closed stdout", code: `sys.stdout.close(); result = 3`, success: true, output: "3"},
	{name: "output: stdout replaced", code: `sys.stdout = None; result = 4`, success: true, output: "4"},

	// Disk.
	{name: "disk: one large file", code: `f = open("big", "wb")
while True: f.write(b"x" * 10**6)`, kind: "OSError", output: "File too large"},
	{name: "disk: file outside the working directory", code: `open(os.path.join(os.path.dirname(os.getcwd()), "left"), "w").write("x")
result = "written"`},
	{name: "disk: many files in many directories", code: `for i in range(40):
    os.makedirs(f"d{i}/e/f")
    for j in range(50):
        open(f"d{i}/e/f/{j}", "w").write("x" * 100)
print(sum(len(files) for _, _, files in os.walk(".")))`, success: true, output: "2000", seconds: 15},
	{name: "disk: directory without permissions", code: `os.makedirs("a/b"); open("a/b/c", "w"); os.chmod("a/b", 0); os.chmod("a", 0)`, success: true},
	{name: "disk: overwriting the harness", code: `import alarmtriage_tool.runner as r
open(r.__file__, "a")`},
	{name: "disk: devices", code: `open("/dev/mem", "rb")`, kind: "PermissionError"},

	// Protocol.
	{name: "protocol: os._exit", code: `print("said", flush=True); os._exit(3)`, kind: "Crashed", output: "exit status 3"},
	{name: "protocol: all file descriptors closed", code: `os.closerange(0, 256); result = 1`, kind: "Crashed"},
	{name: "protocol: garbage in the result", code: `for fd in range(3, 256):
    try: os.write(fd, b"garbage")
    except OSError: pass`, kind: "Crashed"},
	{name: "protocol: two results", code: `for fd in range(3, 256):
    try: os.write(fd, b'{"ok": true, "result": "1", "notes": []}')
    except OSError: pass`, kind: "Crashed"},
	{name: "protocol: forged result of another shape", code: `for fd in range(3, 256):
    try: os.write(fd, b'{"ok": true, "status": "admin"}')
    except OSError: pass
os._exit(0)`, kind: "Crashed"},
	{name: "protocol: result that is not JSON", code: `for fd in range(3, 256):
    try: os.write(fd, b'{"ok": true, "result": "{{", "notes": []}')
    except OSError: pass
os._exit(0)`, kind: "Crashed"},
	{name: "protocol: forged notes of 7 MB", code: `data = json.dumps({"ok": True, "result": "1", "kind": "", "error": "", "notes": ["n" * 7_000_000]}).encode()
for fd in range(3, 256):
    try:
        while data: data = data[os.write(fd, data):]
    except OSError: pass
os._exit(0)`, success: true, check: func(t *testing.T, a toolcall.Answer) {
		require.Len(t, a.Notes, 1)
		assert.Less(t, len(a.Notes[0]), 2*maxNote)
	}},
	{name: "protocol: refused requests with very long URLs", code: `from botocore.httpsession import URLLib3Session
from botocore.awsrequest import AWSRequest
for url in ("https://" + "a." * 300_000 + "example.com/", "https://sts.amazonaws.com/" + "b" * 600_000, "ftp://" + "%" * 500_000):
    try: URLLib3Session().send(AWSRequest("GET", url).prepare())
    except Exception as error: print(len(str(error)) < 5_000)`, success: true, check: func(t *testing.T, a toolcall.Answer) {
		assert.Equal(t, "True\nTrue\nTrue\n", a.Stdout)
		require.Len(t, a.AWSCalls, 3)
		for _, call := range a.AWSCalls {
			assert.NotEmpty(t, call.Refused)
			assert.Less(t, len(call.Refused), 2_000)
		}
	}},
	{name: "protocol: repr that fails", code: `class R:
    def __repr__(self): raise RuntimeError("no")
result = R()`, success: true, output: "its repr failed"},
	{name: "protocol: repr that exits", code: `class R:
    def __repr__(self): os._exit(9)
result = R()`, kind: "Crashed"},
	{name: "protocol: exception whose text fails", code: `class E(Exception):
    def __str__(self): raise RuntimeError("no")
raise E()`, kind: "E"},
	{name: "protocol: exception that does not derive from Exception", code: `raise BaseException("odd")`, kind: "BaseException", output: "odd"},
	{name: "protocol: sys.exit with a code", code: `print("kept"); sys.exit(1)`, kind: "SystemExit", output: "kept"},
	{name: "protocol: sys.exit without a code", code: `print("kept"); sys.exit()`, success: true, output: "kept"},
	{name: "protocol: result that contains itself", code: `result = []; result.append(result)`, success: true, output: "contains itself"},
	{name: "protocol: result with NaN and odd keys", code: `result = {(1, 2): float("nan"), None: float("inf")}`, success: true, output: "nan"},
	{name: "protocol: input", code: `input()`, kind: "EOFError"},
	{name: "protocol: null byte in the code", code: "print(1)\x00", kind: "SyntaxError"},
	{name: "protocol: code nested too deeply", code: strings.Repeat("(", 5000) + strings.Repeat(")", 5000)},

	// State: nextCall checks that no change carried over.
	{name: "state: patched json", code: `json.dumps = None; json.JSONEncoder.encode = None; result = {"a": 1}`, success: true, output: `"a"`},
	{name: "state: patched os", code: `os.write = os._exit = os.close = None; result = 5`, success: true, output: "5"},
	{name: "state: patched builtins", code: `import builtins
builtins.print = builtins.isinstance = builtins.len = None; result = 6`},
	{name: "state: patched traceback", code: `traceback.TracebackException = None; 1/0`, kind: "ZeroDivisionError"},
	{name: "state: module attribute", code: `collections.leak = 1; result = collections.leak`, success: true, output: "1"},
	{name: "state: environment and path", code: `os.environ["LEAK"] = "1"; sys.path.insert(0, "/leak"); result = 1`, success: true},
	{name: "state: working directory", code: `os.chdir("/"); result = os.getcwd()`, success: true, output: "/"},
	{name: "state: global names", code: `leaked_name = 1; global_leak = 2; result = 1`, success: true},
	{name: "state: another audit hook", code: `sys.addaudithook(lambda *a: None); result = 1`, success: true},
	{name: "state: profile function", code: `sys.setprofile(lambda *a: 1/0); result = 1`},

	// Imports.
	{name: "imports: a missing module that is used", code: "import no_such_library\nno_such_library.array([1])", kind: "ModuleNotFoundError", output: "Available without import"},
	{name: "imports: a missing module that is not used", code: "import no_such_library as pd\nresult = 1", success: true, output: "1"},
	{name: "imports: a missing module in a try", code: "try:\n    import no_such_library\nexcept ImportError:\n    print('as expected')", success: true, output: "as expected"},
	{name: "imports: harness internals", code: "from alarmtriage_tool import zygote\nprint(zygote.CONTROL_FD)", success: true},
	{name: "imports: reloading a patched module", code: "import importlib, signal\nimportlib.reload(signal)\nsignal.raise_signal(0)\nresult = 1"},
	{name: "imports: a module from the working directory", code: "open('json2.py', 'w').write('x = 1')\nsys.path.append(os.getcwd())\nimport json2\nresult = json2.x", success: true, output: "1"},
}

// nextCall is the normal call that follows every abuse. It must work and find no trace of the abuse.
const nextCall = `import threading
assert "LEAK" not in os.environ and "/leak" not in sys.path
assert not hasattr(collections, "leak") and "leaked_name" not in globals()
assert os.listdir(".") == [], os.listdir(".")
print("printed")
result = {"sum": sum(json.loads("[1, 2, 3]")), "threads": threading.active_count(), "year": datetime.now().year > 2000}`

func TestSupervisor_AbuseAffectsOnlyItsOwnCall(t *testing.T) {
	require.GreaterOrEqual(t, len(abuses), 60)
	for _, python := range pythons(t) {
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				t.Parallel() // most cases wait until a deadline
				w := startWorker(t, python, configuration.role)
				w.run("1", 10) // warms the sandbox up
				for _, abuse := range abuses {
					t.Run(abuse.name, func(t *testing.T) {
						w.t = t
						w.mustEndAsExpected(abuse)
						w.mustWork()
						w.mustBeClean()
					})
				}
				w.t = t
			})
		}
	}
}

// mustEndAsExpected runs an abuse and checks its outcome.
func (w *worker) mustEndAsExpected(a abuse) {
	w.t.Helper()
	seconds := a.seconds
	if seconds == 0 {
		seconds = 6
	}
	start := time.Now()
	answer := w.run(a.code, seconds)
	assert.Less(w.t, time.Since(start).Seconds(), seconds+1)
	require.NotEqual(w.t, "HarnessLost", answer.ErrorType, answer.Error)
	if a.success || a.kind != "" {
		assert.Equal(w.t, a.success, answer.Success, answer.Output)
	}
	if a.kind != "" {
		assert.Equal(w.t, a.kind, answer.ErrorType, answer.Output)
	}
	assert.Contains(w.t, answer.Output, a.output)
	assert.Equal(w.t, answer.Success, answer.Error == "")
	if a.check != nil {
		a.check(w.t, answer)
	}
}

func (w *worker) mustWork() {
	w.t.Helper()
	answer := w.run(nextCall, 10)
	require.True(w.t, answer.Success, answer.Output)
	assert.JSONEq(w.t, `{"sum": 6, "threads": 1, "year": true}`, string(answer.Result))
	assert.Equal(w.t, "printed\n", answer.Stdout)
	assert.Empty(w.t, answer.Stderr)
}

// mustBeClean requires that the calls left no process and no file behind.
func (w *worker) mustBeClean() {
	w.t.Helper()
	assert.Eventually(w.t, func() bool { return len(names(w.scratch)) == 0 }, 2*time.Second, 5*time.Millisecond,
		"files left: %v", names(w.scratch))
	if os.Getuid() != 0 {
		return // other processes of the same user cannot be distinguished
	}
	running := func() (n int) {
		for _, p := range processes(w.uid) {
			if !p.zombie {
				n++
			}
		}
		return n
	}
	// Supervisor, zygote, and the spare child.
	assert.Eventually(w.t, func() bool { return running() == 3 }, 3*time.Second, 5*time.Millisecond, "processes left")
}

func TestStatus_ReportsLayers(t *testing.T) {
	python := pythons(t)[0]
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			w := startWorker(t, python, c.role)
			layers := w.ask(workerRequest{Status: true}).Status.Layers
			for _, always := range []string{"no credentials", "audit hook", "resource limits", "supervisor unreadable", "zygote unreadable"} {
				assert.Equal(t, string(stateActive), layers[always], always)
			}
			for _, granted := range []string{"seccomp", "seccomp in calls"} {
				if c.role == roleRefuse {
					assert.Equal(t, "refused: operation not permitted", layers[granted], granted)
				} else {
					assert.Equal(t, string(stateActive), layers[granted], granted)
				}
			}
		})
	}
}

func TestSupervisor_RestartsDeadZygote(t *testing.T) {
	python := pythons(t)[0]
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			w := startWorker(t, python, c.role)
			pid, err := strconv.Atoi(string(w.run("os.getppid()", 10).Result))
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			require.Eventually(t, func() bool {
				p, ok := readProcess(pid)
				return !ok || p.zombie
			}, 5*time.Second, time.Millisecond)
			assert.Eventually(t, func() bool { return w.run("1+1", 20).Success }, 10*time.Second, time.Millisecond)
		})
	}
}
