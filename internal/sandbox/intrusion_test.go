package sandbox

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// intrusion is code that tries to affect another process, or to leave something for a later call.
type intrusion struct {
	name string
	// code is hostile code that has removed the audit hook. %ZYGOTE% and %SUPERVISOR% are process IDs.
	code    string
	full    string    // in the output where the kernel accepts the filters; default: refusedByKernel
	refused string    // in the output where it refuses them
	trace   traceKind // that the supervisor must notice where the kernel refuses the filters
	// plain is Python that tries the same without removing the audit hook. The error must contain words.
	plain, words string
	after        string // a later call; its output must be afterWant
	afterWant    string
	file         string // that the kernel must have
}

// traceAny is any trace: what the supervisor notices first depends on its open files.
const traceAny traceKind = "any"

// intrusionSeconds is a time limit that no intrusion reaches, on a busy machine either.
const intrusionSeconds = 20

// intrude is the code that intrusions share.
const intrude = disarm + `
import platform
amd64 = platform.machine() == "x86_64"
me = os.getpid()
def limit(pid, kind, value): return native("prlimit", pid, kind, (ctypes.c_ulong * 2)(value, value), None)
def call(numbers, *args):
    if numbers[not amd64] < 0: return "Operation not permitted"
    return native("syscall", ctypes.c_long(numbers[not amd64]), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
libc.shmat.restype, libc.shmat.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
def own(pid, signal, wait=0.2):
    r, w = os.pipe()
    done = native("fcntl", r, 8, pid), native("fcntl", r, 10, signal), native("fcntl", r, 4, 0o24000)
    os.write(w, b"x"); time.sleep(wait)
    return done
def sibling(then):
    pid = libc.syscall(ctypes.c_long(56 if amd64 else 220), ctypes.c_long(0x8000 | 17), 0, 0, 0, 0)
    if pid == 0:
        try: then()
        finally: os._exit(0)
    print("sibling", "started" if pid > 0 else os.strerror(ctypes.get_errno()), flush=True)
    time.sleep(0.3)
`

// persistentRing is the keyring of the user that the kernel keeps for days.
const persistentRing = `
import platform
keyctl = ctypes.c_long(250 if platform.machine() == "x86_64" else 219)
ring = libc.syscall(keyctl, 22, -1, -2, 0, 0)
`

// nest makes directories that no path reaches, and that need more descriptors than a process may open.
const nest = `
def nest(levels):
    fd = os.open(".", os.O_RDONLY)
    for n in range(levels):
        os.mkdir("d", dir_fd=fd)
        fd, last = os.open("d", os.O_RDONLY, dir_fd=fd), fd
        os.close(last)
nest(1500)
`

// nestMany creates ten directories in each of many directories whose paths are too long for the kernel.
const nestMany = `
fd = os.open(".", os.O_RDONLY)
for n in range(10**6):
    for k in range(10): os.mkdir(f"{k}{'d' * 20}", dir_fd=fd)
    fd, last = os.open("0" + "d" * 20, os.O_RDONLY, dir_fd=fd), fd
    os.close(last)
`

var intrusions = []intrusion{
	// Limits of other processes.
	{name: "limits: descriptors of the zygote", code: `print(limit(%ZYGOTE%, 7, 4))`, refused: "done", trace: traceLimit,
		plain: `import resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (4, 4))`, words: "changing the limits"},
	{name: "limits: descriptors of the supervisor", code: `print(limit(%SUPERVISOR%, 7, 3))`, refused: "", trace: traceAny,
		plain: `import resource; resource.prlimit(%SUPERVISOR%, resource.RLIMIT_NOFILE, (3, 3))`, words: "changing the limits"},
	{name: "limits: a few descriptors of the supervisor", code: `print(limit(%SUPERVISOR%, 7, 900))`, refused: "done", trace: traceLimit},
	{name: "limits: time and file size of the zygote", code: `print(limit(%ZYGOTE%, 0, 1000), limit(%ZYGOTE%, 1, 1 << 20))`, refused: "done done", trace: traceLimit,
		plain: `import resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))`, words: "changing the limits"},
	{name: "limits: memory of the zygote", code: `print(limit(%ZYGOTE%, 9, 400 << 20))`, refused: "done", trace: traceLimit,
		plain: `import resource; resource.prlimit(os.getppid(), resource.RLIMIT_AS, (400 << 20, 400 << 20))`, words: "changing the limits",
		after: `print(len(bytearray(300 << 20)) >> 20)`, afterWant: "300"},
	{name: "limits: stack, core, and locks of the zygote", code: `print([limit(%ZYGOTE%, kind, 1 << 20) for kind in (3, 4, 8)][0])`, refused: "done", trace: traceLimit},
	{name: "limits: reading those of the zygote", code: `print(native("prlimit", %ZYGOTE%, 7, None, (ctypes.c_ulong * 2)()))`, refused: "done",
		plain: `import resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)`, words: "changing the limits"},

	// Scheduling.
	{name: "scheduling: the idle class for the zygote", code: `print(native("sched_setscheduler", %ZYGOTE%, 5, ctypes.byref(ctypes.c_int(0))))`, refused: "done", trace: traceScheduling,
		plain: `os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))`, words: "changing the limits, priority, scheduling"},
	{name: "scheduling: the batch class for the supervisor", code: `print(native("sched_setscheduler", %SUPERVISOR%, 3, ctypes.byref(ctypes.c_int(0))))`, refused: "done", trace: traceScheduling},
	{name: "scheduling: one processor for the zygote", code: `print(native("sched_setaffinity", %ZYGOTE%, 8, ctypes.byref(ctypes.c_ulong(1))))`, refused: "done", trace: traceScheduling,
		plain: `os.sched_setaffinity(os.getppid(), {0})`, words: "changing the limits, priority, scheduling"},
	{name: "scheduling: priority of the zygote", code: `print(native("setpriority", 0, %ZYGOTE%, 19))`, refused: "done", trace: traceScheduling,
		plain: `os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)`, words: "changing the limits, priority, scheduling"},
	{name: "scheduling: priority of all processes of the user", code: `print(native("setpriority", 2, 0, 19))`, refused: "done", trace: traceScheduling,
		plain: `os.setpriority(os.PRIO_USER, 0, 19)`, words: "changing the limits, priority, scheduling"},
	{name: "scheduling: input and output of the supervisor", code: `print(call((251, 30), 1, %SUPERVISOR%, 3 << 13))`, refused: "done", trace: traceScheduling},
	{name: "scheduling: attributes of the zygote", code: `
attr = struct.pack("IIQiIQQQII", 56, 3, 0, 19, 0, 0, 0, 0, 0, 0)
print(call((314, 274), %ZYGOTE%, ctypes.create_string_buffer(attr), 0))`, refused: "done", trace: traceScheduling},
	{name: "scheduling: a flag of the supervisor", code: `
attr = struct.pack("IIQiIQQQII", 56, 0, 1, 0, 0, 0, 0, 0, 0, 0)
print(call((314, 274), %SUPERVISOR%, ctypes.create_string_buffer(attr), 0))`, refused: "done", trace: traceScheduling},
	{name: "scheduling: the group of the session", code: `
try: print("done", os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "echo 1 > /proc/self/autogroup"], {}), 0)[1])
except OSError as error: print(error.strerror)`, refused: "done 0", trace: traceScheduling, file: "/proc/self/autogroup"},

	// Signals.
	{name: "signals: killing the zygote as the owner of a descriptor", code: `print(*own(%ZYGOTE%, 9)[:2])`, trace: traceZygote,
		plain: `import fcntl; r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())`, words: "can affect other processes"},
	{name: "signals: stopping the zygote as the owner of a descriptor", code: `print(*own(%ZYGOTE%, 19)[:2])`, trace: traceZygote,
		plain: `import fcntl; r, w = os.pipe(); fcntl.fcntl(r, 10, 19)`, words: "can affect other processes"},
	{name: "signals: owner by structure", code: `r, w = os.pipe(); print(native("fcntl", r, 15, (ctypes.c_int * 2)(1, %ZYGOTE%)))`, refused: "done",
		plain: `import fcntl; fcntl.fcntl(os.pipe()[0], 15, bytes(8))`, words: "can affect other processes"},
	{name: "signals: owner by ioctl", code: `r, w = socket.socketpair(); print(native("ioctl", r.fileno(), 0x8901, ctypes.byref(ctypes.c_int(%ZYGOTE%))), native("ioctl", r.fileno(), 0x8902, ctypes.byref(ctypes.c_int(%ZYGOTE%))))`, refused: "done done",
		plain: `import fcntl, socket; fcntl.ioctl(socket.socketpair()[0], 0x8901, bytes(4))`, words: "can affect other processes"},
	{name: "signals: leases and notifications of files", code: `f = open("f", "w"); print(native("fcntl", f.fileno(), 1024, 1), native("fcntl", os.open(".", 0), 1026, 1))`, refused: "done done",
		plain: `import fcntl; fcntl.fcntl(open("f", "w"), 1024, 1)`, words: "can affect other processes"},
	{name: "signals: kill in all forms", code: `print(*[call(n, *a) for n, a in (((62, 129), (%ZYGOTE%, 0)), ((200, 130), (%ZYGOTE%, 0)), ((234, 131), (%ZYGOTE%, %ZYGOTE%, 0)))])`, refused: "done done done"},
	{name: "signals: stopping the zygote", code: `print(native("kill", %ZYGOTE%, 19)); time.sleep(0.1)`, refused: "done", trace: traceZygote},
	{name: "signals: real-time signals and those to groups", code: `
print(call((129, 138), %ZYGOTE%, 10, ctypes.create_string_buffer(struct.pack("iii", 10, 0, -1), 128)), native("kill", -me - 1, 0))
time.sleep(0.3)`, trace: traceZygote},

	// Memory and descriptors of other processes.
	{name: "memory: of the zygote", code: `
print(call((311, 271), %ZYGOTE%, ctypes.create_string_buffer(64), 1, ctypes.create_string_buffer(64), 1, 0), call((256, 238), %ZYGOTE%, 8, ctypes.byref(ctypes.c_ulong(1)), ctypes.byref(ctypes.c_ulong(1))))`, refused: refusedByKernel},
	{name: "memory: pages and advice by process", code: `print(call((279, 239), %ZYGOTE%, 0, 0, 0, 0, 0), call((440, 440), 3, 0, 0, 0, 0))`},
	{name: "memory: a list of locks of another process", code: `p = ctypes.c_void_p(); n = ctypes.c_size_t(); print(call((274, 100), %ZYGOTE%, ctypes.byref(p), ctypes.byref(n)))`, refused: refusedByKernel},
	{name: "memory: descriptors by process", code: `print(call((312, 272), %ZYGOTE%, me, 0, 0, 0))`, refused: refusedByKernel},

	// Processes that outlive the call.
	{name: "processes: a sibling", code: `sibling(lambda: (libc.setsid(), time.sleep(20)))`, refused: "started", trace: traceProcess,
		plain: `os.fork()`, words: "threads for parallel work (concurrent.futures.ThreadPoolExecutor)"},
	{name: "processes: a sibling that takes files of later calls", code: `
scratch = os.path.dirname(os.getcwd())
def spoil():
    libc.setsid(); os.closerange(0, 256)
    end = time.time() + 20
    while time.time() < end:
        for d in os.listdir(scratch):
            for f in os.listdir(os.path.join(scratch, d)): open(os.path.join(scratch, d, f), "w").write("replaced")
        time.sleep(0.01)
sibling(spoil)`, refused: "started", trace: traceProcess,
		after: `open("log.txt", "w").write("mine"); time.sleep(0.3); print(open("log.txt").read())`, afterWant: "mine"},
	{name: "processes: a sibling that forks", code: `
def breed():
    libc.setsid()
    for _ in range(4): libc.fork()
    time.sleep(20)
sibling(breed)`, refused: "started", trace: traceProcess},
	{name: "processes: a sibling that waits for the next call", code: `
def wait():
    libc.setsid(); os.closerange(0, 256); parent = os.getppid()
    while os.getppid() == parent: time.sleep(0.001)
sibling(wait)`, refused: "started", trace: traceProcess},
	{name: "processes: a sibling whose first thread has ended", code: `
def remain():
    libc.setsid()
    threading.Thread(target=time.sleep, args=(20,)).start()
    libc.syscall(ctypes.c_long(60 if amd64 else 93), 0)
sibling(remain)`, refused: "started", trace: traceProcess},
	{name: "processes: flags of clone", code: `
for flags in (0x800000 | 17, 0x80000000 | 17, 0x8000 | 0x800000 | 17):
    pid = libc.syscall(ctypes.c_long(56 if amd64 else 220), ctypes.c_long(flags), 0, 0, 0, 0)
    if pid == 0: libc.setsid(); time.sleep(20); os._exit(0)
    print("done" if pid > 0 else os.strerror(ctypes.get_errno()), flush=True)
time.sleep(0.1)`, refused: "done\ndone\ndone", trace: traceProcess},
	{name: "processes: a process that shares this one's memory", code: `
print(call((58, -1), ) if amd64 and %FULL% else "Operation not permitted done")`, refused: "done"},
	{name: "processes: a program in the background", code: `
try: os.posix_spawn("/bin/sleep", ["sleep", "20"], {}, setsid=True); print("done")
except OSError as e: print(e)`, refused: "done", trace: traceProcess,
		plain: `import multiprocessing; multiprocessing.get_context("spawn").Process(target=print).start()`, words: "ThreadPoolExecutor"},

	// Objects that outlive a process.
	{name: "shared: System V memory", code: `
i = libc.shmget(os.getuid() + 1, 4096, 0o1600); print("done" if i >= 0 else os.strerror(ctypes.get_errno()))
if i >= 0: ctypes.memmove(libc.shmat(i, None, 0), b"left", 4)`, refused: "done", trace: traceShared,
		after: disarm + `print("left", libc.shmget(os.getuid() + 1, 4096, 0o600) >= 0)`, afterWant: "left False"},
	{name: "shared: System V memory over the memory limit", code: `
for n in range(14):
    i = libc.shmget(0, 50 << 20, 0o1600)
    if i < 0: print(os.strerror(ctypes.get_errno())); break
    p = libc.shmat(i, None, 0); ctypes.memset(p, 1, 50 << 20); libc.shmdt(p); time.sleep(0.05)
else: print("held")`, refused: "MemoryLimit", trace: traceShared},
	{name: "shared: a System V queue", code: `
i = libc.msgget(os.getuid() + 1, 0o1600); print("done" if i >= 0 else os.strerror(ctypes.get_errno()))
libc.msgsnd(i, ctypes.create_string_buffer(struct.pack("l", 1) + b"left in a queue"), 16, 0)`, refused: "done", trace: traceShared,
		after: disarm + `print("left", libc.msgget(os.getuid() + 1, 0o600) >= 0)`, afterWant: "left False"},
	{name: "shared: System V semaphores", code: `print(native("semget", os.getuid() + 1, 3, 0o1600))`, refused: "done", trace: traceShared,
		after: disarm + `print("left", libc.semget(os.getuid() + 1, 3, 0o600) >= 0)`, afterWant: "left False"},
	{name: "shared: a POSIX queue", code: `
libc.mq_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
print("left" if libc.mq_open(b"/alarmtriage-test", 0o102, 0o600, None) >= 0 else os.strerror(ctypes.get_errno()))`, refused: "Too many open files"},
	{name: "shared: POSIX memory", code: `
try:
    fd = os.open("/dev/shm/alarmtriage-test-%SUPERVISOR%", os.O_CREAT | os.O_RDWR, 0o600); os.write(fd, b"left"); print("done")
except OSError as e: print("Operation not permitted", e)`, refused: "done", trace: traceShared,
		plain: `from multiprocessing import shared_memory; shared_memory.SharedMemory(create=True, size=4096)`, words: "that processes share are not available here"},
	{name: "shared: POSIX memory by the module below", code: `print("Operation not permitted done")`, refused: "done",
		plain: `import _posixshmem; _posixshmem.shm_open("/left", os.O_CREAT | os.O_RDWR, 0o600)`, words: "that processes share are not available here"},
	{name: "shared: POSIX memory by the module, imported again", code: `print("Operation not permitted done")`, refused: "done",
		plain: `del sys.modules["_posixshmem"]; import _posixshmem`, words: "that processes share are not available here"},
	{name: "shared: semaphores", code: `print("Operation not permitted done")`, refused: "done",
		plain: `import multiprocessing; multiprocessing.Lock()`, words: "use threads (concurrent.futures.ThreadPoolExecutor)"},
	{name: "shared: a pool of processes", code: `print("Operation not permitted done")`, refused: "done",
		plain: "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as pool: print(list(pool.map(str, range(3))))",
		words: "use threads (concurrent.futures.ThreadPoolExecutor)"},
	{name: "shared: a key of the user", code: `print(call((248, 217), b"user", b"left", b"data", 4, -4))`, refused: "done", trace: traceShared},
	{name: "shared: a key of the session", code: `print(call((248, 217), b"user", b"left2", b"data", 4, -5))`, refused: "done", trace: traceShared},
	{name: "shared: a key that outlives the user's sessions", code: persistentRing + `
print(call((248, 217), b"user", b"left3", b"data", 4, ring if ring > 0 else -4))`, refused: "done", trace: traceShared,
		after: disarm + persistentRing + `
print("left", libc.syscall(keyctl, 10, ring, b"user", b"left3", 0) >= 0)`, afterWant: "left False"},

	{name: "shared: memory without a file", code: `
import mmap
try: m = mmap.mmap(-1, 3 << 30)
except OSError as e: print(e)
else:
    block = bytes(1 << 25)
    for at in range(0, len(m), len(block)): m[at:at + len(block)] = block`, refused: "MemoryLimit",
		plain: `import mmap; mmap.mmap(-1, 4096)`, words: "use bytearray"},
	{name: "shared: memory without a file and without the first thread", code: `
import mmap, threading
def fill():
    try: m = mmap.mmap(-1, 1 << 30)
    except OSError as e:
        print(e, flush=True)
        os._exit(0)
    time.sleep(0.1)
    block = bytes(1 << 25)
    for at in range(0, len(m), len(block)): m[at:at + len(block)] = block
    os._exit(0)
threading.Thread(target=fill).start()
libc.syscall(ctypes.c_long(60 if amd64 else 93), 0)`, refused: "MemoryLimit"},

	// Sockets.
	{name: "sockets: a listening socket in a sibling", code: `
def listen():
    s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); time.sleep(20)
sibling(listen)`, refused: "started", trace: traceAny},
	{name: "sockets: a socket during the call", code: `
print(native("socket", 2, 1, 0))
try: s = socket.create_server(("127.0.0.1", 0)); time.sleep(0.4)
except OSError as e: print(e)`, refused: "done", trace: traceSocket},
	{name: "sockets: a datagram pair, which can send to other addresses", code: `print(native("socketpair", 1, 2, 0, (ctypes.c_int * 2)()))`, refused: "done"},

	// Files.
	{name: "files: directories nested deeply", code: nest + `print("Operation not permitted done")`, refused: "done",
		plain: nest + "raise ValueError('nested')", words: "nested"},
	{name: "files: the scratch directory closed to later calls", code: `
os.chmod(os.path.dirname(os.getcwd()), 0o500); print("Operation not permitted done")`, refused: "done"},
	{name: "files: directories and files without permissions", code: `
os.makedirs("a/b/c"); open("a/b/c/f", "w"); os.makedirs("a/b/moved-1"); open("a/b/moved-1/x", "w"); os.mkdir("moved-1")
for p in ("a/b/c/f", "a/b/c", "a/b", "a"): os.chmod(p, 0)
print("Operation not permitted done")`, refused: "done"},
	{name: "files: names that look like options and line breaks", code: `
for name in ("-rf", "a\nb", "\\", "*", " ", "a" * 255): os.mkdir(name); open(name + "/" + name, "w").close()
print("Operation not permitted done")`, refused: "done"},
}

// Each intrusion runs with the audit hook, which refuses it in words, and without. Where the kernel accepts the
// filters, they refuse it. Where it does not, the supervisor notices, answers, and is replaced. In every case,
// the next call works, and nothing remains.
func TestIntrusions_AffectOnlyTheirOwnCall(t *testing.T) {
	require.GreaterOrEqual(t, len(intrusions), 40)
	for _, python := range pythons(t) {
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				t.Parallel()
				w := startWorker(t, python, configuration.role)
				w.run("1", 10)
				for _, i := range intrusions {
					t.Run(i.name, func(t *testing.T) {
						w.t = t
						if _, err := os.Stat(i.file); i.file != "" && err != nil {
							skip(t, err.Error())
						}
						if i.plain != "" {
							w.mustRefuseInWords(i)
						}
						w.mustContain(i, configuration.role == roleWorker)
					})
				}
				w.t = t
			})
		}
	}
}

// processIDs replaces the placeholders of an intrusion.
func (w *worker) processIDs(code string) string {
	w.t.Helper()
	zygote := string(w.run("os.getppid()", 10).Result)
	return strings.NewReplacer("%ZYGOTE%", zygote, "%SUPERVISOR%", strconv.Itoa(w.cmd.Process.Pid)).Replace(code)
}

func (w *worker) mustRefuseInWords(i intrusion) {
	w.t.Helper()
	answer := w.run(w.processIDs(i.plain), intrusionSeconds)
	assert.False(w.t, answer.Success, answer.Output)
	assert.Contains(w.t, answer.Error, i.words)
	assert.Empty(w.t, w.spent, w.detail)
	w.mustWork()
}

func (w *worker) mustContain(i intrusion, full bool) {
	w.t.Helper()
	want, trace, literal := i.refused, i.trace, "False"
	if full {
		want, trace, literal = i.full, "", "True"
		if want == "" {
			want = refusedByKernel
		}
	}
	if os.Getuid() != 0 && (trace == traceShared || trace == traceSocket) {
		trace = "" // these belong to a user, and the user is not the sandbox's own
	}
	answer := w.run(w.processIDs(intrude+strings.ReplaceAll(i.code, "%FULL%", literal)), intrusionSeconds)
	assert.Contains(w.t, answer.Output+answer.ErrorType+answer.Error, want)
	if trace == traceAny {
		assert.NotEmpty(w.t, w.spent)
	} else {
		assert.Equal(w.t, trace, w.spent, w.detail)
		assert.Equal(w.t, trace != "", strings.Contains(strings.Join(answer.Notes, "\n"), noteSpent))
	}
	if i.after != "" {
		assert.Contains(w.t, w.run(i.after, 10).Output, i.afterWant)
	}
	w.mustWork()
	w.mustBeClean()
	_, err := os.Stat(filepath.Join("/dev/shm", "alarmtriage-test-"+strconv.Itoa(w.cmd.Process.Pid)))
	assert.ErrorIs(w.t, err, os.ErrNotExist)
}

// The kernel has one table for each protocol of the internet, and code chooses the protocol.
func TestNetworkTables_IncludeThoseOfTheKernel(t *testing.T) {
	for _, name := range names("/proc/net") {
		text, err := os.ReadFile(filepath.Join("/proc/net", name))
		header, _, _ := strings.Cut(string(text), "\n")
		if err == nil && strings.Contains(header, "local_address") && strings.Contains(header, "inode") {
			assert.Contains(t, networkTables, name)
		}
	}
}

// Lambda may keep an environment whose process was killed, with its /tmp. The next process must not find what the
// last call left there.
func TestNew_RemovesWhatAKilledRunLeft(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "run the tests as root: this test ends every process of the user that runs the tool, which otherwise is you")
	}
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			w := startWorker(t, python, roleRefuse)
			code := intrude + `
def stay():
    libc.setsid(); os.closerange(0, 256); time.sleep(60)
sibling(stay)
libc.shmget(os.getuid() + 1, 4096, 0o1600); libc.semget(os.getuid() + 2, 1, 0o1600)
os.makedirs("../left/a/b"); open("../left/a/b/c", "w").close()
open("../ready", "w").close()
time.sleep(60)`
			encoded, err := json.Marshal(workerRequest{Command: code, Seconds: 50})
			require.NoError(t, err)
			_, err = w.in.Write(append(encoded, '\n'))
			require.NoError(t, err)
			require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(w.scratch, "ready")); return err == nil }, 30*time.Second, time.Millisecond)
			require.NotEmpty(t, sharedObjects(w.uid))
			require.NoError(t, w.cmd.Process.Kill())
			w.stop()
			require.NotEmpty(t, processes(w.uid), "the sibling lives on")

			w.start()
			w.mustWork()
			w.mustBeClean()
			assert.Empty(t, sharedObjects(w.uid))
		})
	}
}

// Directories that cannot be read, or whose paths are too long, are not many files.
func TestSupervisor_CountsOnlyFilesThatExist(t *testing.T) {
	for name, code := range map[string]string{
		"a directory without permissions": `os.mkdir("x", 0)`,
		"a directory that can be entered only": `
os.mkdir("x"); open("x/f", "w").close(); os.chmod("x", 0o100)`,
		"a directory without permissions outside the working directory": `os.mkdir("../x", 0)`,
		"long names, each in the last": `
fd = os.open(".", os.O_RDONLY)
for n in range(600):
    os.mkdir("d" * 200, dir_fd=fd)
    fd, last = os.open("d" * 200, os.O_RDONLY, dir_fd=fd), fd
    os.close(last)`,
		"as many files as are allowed": `
for n in range(20000): os.close(os.open(str(n), os.O_CREAT | os.O_WRONLY))`,
		"many files in a directory that cannot be read": `
os.mkdir("x")
for n in range(2000): os.close(os.open(f"x/{n}", os.O_CREAT | os.O_WRONLY))
os.chmod("x", 0o300)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the cases mostly wait, and create too few files to disturb each other
			for _, configuration := range configurations {
				w := startWorker(t, pythons(t)[0], configuration.role)
				answer := w.run(code+"\nimport time; time.sleep(2.5); print('done')", 50)
				assert.Empty(t, answer.ErrorType, answer.Error)
				assert.Equal(t, "done", strings.TrimSpace(answer.Output))
				w.mustWork()
				w.mustBeClean()
			}
		})
	}
}

// A call may create no more files than can be removed quickly. Its answer does not wait for their removal.
func TestSupervisor_LimitsFiles(t *testing.T) {
	server := httptest.NewServer(&fakeAWS{})
	t.Cleanup(server.Close)
	for name, code := range map[string]string{
		"in many directories": `
for n in range(10**6):
    if n % 2000 == 0: d = f"d{n // 2000}"; os.mkdir(d)
    os.close(os.open(f"{d}/{n}", os.O_CREAT | os.O_WRONLY))`,
		"outside the working directory": `
for n in range(10**6): os.close(os.open(f"../left-{n}", os.O_CREAT | os.O_WRONLY))`,
		"links to one file": `
open("f", "w").close()
for n in range(10**6): os.symlink("f", str(n))`,
		"directories, each in the last": nestMany,
		"links in a directory that cannot be read": `
os.mkdir("x", 0o300)
for n in range(10**6):
    if n % 10000 == 0: f = f"x/f{n}"; open(f, "w").close()
    os.link(f, f"x/{n}")`,
		"outside, where no files can be listed": `
os.chmod("..", 0o300)
for n in range(10**6): os.close(os.open(f"../left-{n}", os.O_CREAT | os.O_WRONLY))`,
		"below a directory that moves all the time": `
os.makedirs("a0/b/c"); d = os.open("a0/b/c", os.O_RDONLY)
for n in range(10**6):
    os.close(os.open(str(n), os.O_CREAT | os.O_WRONLY, dir_fd=d))
    os.rename(f"a{n}", f"a{n + 1}")`,
		"in a directory that cannot be read": `
os.mkdir("x"); os.chmod("x", 0o300)
for n in range(10**6): os.close(os.open(f"x/{n}", os.O_CREAT | os.O_WRONLY))`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, configuration := range configurations {
				w := startWorker(t, pythons(t)[0], configuration.role, server.URL)
				answer := w.run("boto3.client('sts').get_caller_identity()\n"+code, 200)
				assert.Equal(t, string(kindFileLimit), answer.ErrorType, answer.Output)
				assert.Contains(t, answer.Error, "creating more than 20000 files")
				assert.Len(t, answer.AWSCalls, 1)
				if w.spent != "" { // the machine was too busy
					assert.Equal(t, traceFiles, w.spent, w.detail)
				}
				w.mustWork()
				w.mustBeClean()
			}
		})
	}
}

// Code can move a directory between the time when it is listed and the time when it is counted.
func TestCountFiles_DirectoryThatIsGoneHidesFiles(t *testing.T) {
	here := t.TempDir()
	count, hidden := countFiles([]string{here}, MaxFiles)
	assert.Equal(t, 1, count)
	assert.False(t, hidden)
	_, hidden = countFiles([]string{here, filepath.Join(here, "moved")}, MaxFiles)
	assert.True(t, hidden)
}

// However the code forges its result, the answer fits into Lambda's limit of 6 MB, and lists the AWS requests.
func TestSupervisor_LimitsForgedAnswers(t *testing.T) {
	server := httptest.NewServer(&fakeAWS{})
	t.Cleanup(server.Close)
	const forge = `
def forge(**fields):
    data = json.dumps({"ok": True, "result": "1", "kind": "", "error": "", "notes": [], **fields}).encode()
    for fd in range(3, 256):
        try:
            d = data
            while d: d = d[os.write(fd, d):]
        except OSError: pass
    os._exit(0)
boto3.client("sts").get_caller_identity()
`
	for name, code := range map[string]string{
		"control characters": `
sys.stdout.write("\x01" * (130 << 10)); sys.stderr.write("\x01" * (130 << 10)); sys.stdout.flush(); sys.stderr.flush()
forge(result=json.dumps("\x01" * 21000), notes=["\x01" * 2000] * 50)`,
		"characters that HTML escapes": `
sys.stdout.write("<" * (140 << 10)); sys.stderr.write("<" * (140 << 10)); sys.stdout.flush(); sys.stderr.flush()
forge(result=json.dumps("<" * (127 << 10)), notes=["<" * 2000] * 50)`,
		"refused requests with long hosts": `
from botocore.httpsession import URLLib3Session
from botocore.awsrequest import AWSRequest
for n in range(210):
    try: URLLib3Session().send(AWSRequest("GET", "https://" + "\x01<" * 600 + str(n)).prepare())
    except Exception: pass
forge(result=json.dumps("<" * (127 << 10)))`,
		"lists in lists":          `forge(result="[" * 9990 + "]" * 9990)`,
		"very many lists":         `forge(result="[" * 100000 + "]" * 100000)`,
		"a kind and error alone":  `forge(ok=False, kind="<" * (1 << 20), error="\x00" * (6 << 20))`,
		"many notes":              `forge(notes=["<" * 100] * 50000)`,
		"fields that are unknown": `forge(aws_calls=[{"service": "s3"}])`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, configuration := range configurations {
				w := startWorker(t, pythons(t)[0], configuration.role, server.URL)
				answer := w.run(forge+code, 15)
				encoded, err := json.Marshal(answer)
				require.NoError(t, err)
				assert.Less(t, len(encoded), 6_000_000)
				require.NotEmpty(t, answer.AWSCalls)
				assert.Equal(t, "GetCallerIdentity", answer.AWSCalls[0].Operation)
				w.mustWork()
			}
		})
	}
}

// The kernel refuses a filter that is too long, or that jumps behind its end.
func TestChildFilter_FitsKernelAndJumps(t *testing.T) {
	code := childFilter().code
	assert.Less(t, len(code), 4096, "BPF_MAXINSNS")
	for at, c := range code {
		if c.Code == unix.BPF_JMP|unix.BPF_JA {
			assert.Less(t, at+1+int(c.K), len(code))
		} else if c.Code&0x07 == unix.BPF_JMP {
			assert.Less(t, at+1+int(max(c.Jt, c.Jf)), len(code))
		}
	}
}

// run interprets a filter for one system call and returns its answer.
func (p *program) run(number uint32, arguments ...uint32) uint32 {
	words := map[uint32]uint32{offsetNumber: number, offsetArch: nativeArch}
	for i, argument := range arguments {
		words[offsetArg0+8*uint32(i)] = argument
	}
	var accumulator uint32
	for at := 0; ; at++ {
		c := p.code[at]
		jump := func(is bool) {
			if is {
				at += int(c.Jt)
			} else {
				at += int(c.Jf)
			}
		}
		switch c.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			accumulator = words[c.K]
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			accumulator &= c.K
		case unix.BPF_JMP | unix.BPF_JA:
			at += int(c.K)
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(accumulator == c.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(accumulator >= c.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump(accumulator&c.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return c.K
		default:
			panic("instruction " + strconv.Itoa(int(c.Code)))
		}
	}
}

func TestChildFilter_AllowsOnlyListedCalls(t *testing.T) {
	const self = 4711
	p := childFilter()
	for _, slot := range p.pids {
		p.code[slot].K = self
	}
	allowed := map[uint32]bool{}
	for _, list := range [][]uint32{allowedCalls, legacyCalls} {
		for _, number := range list {
			assert.False(t, allowed[number], "twice: %d", number)
			allowed[number] = true
			assert.EqualValues(t, answerAllow, p.run(number, 1, 2, 3), number)
		}
	}
	judged := map[uint32]bool{unix.SYS_PRLIMIT64: true, unix.SYS_FCNTL: true, unix.SYS_IOCTL: true, unix.SYS_PRCTL: true,
		unix.SYS_SOCKETPAIR: true, unix.SYS_CLONE: true, unix.SYS_MMAP: true}
	for number, flags := range openCalls {
		judged[number] = true
		for _, c := range []struct{ flags, want uint32 }{
			{unix.O_RDONLY, answerAllow}, {unix.O_WRONLY | unix.O_TRUNC | unix.O_CREAT, answerAllow}, {unix.O_RDWR | unix.O_TRUNC, answerAllow},
			{unix.O_RDONLY | unix.O_TRUNC, answerEPERM}, {unix.O_RDONLY | unix.O_TRUNC | unix.O_CLOEXEC, answerEPERM}, {unix.O_ACCMODE | unix.O_TRUNC, answerEPERM},
			{unix.O_ACCMODE, answerEPERM}, {unix.O_ACCMODE | unix.O_CREAT | unix.O_CLOEXEC, answerEPERM},
		} {
			arguments := make([]uint32, flags+1)
			arguments[flags] = c.flags
			assert.Equal(t, c.want, p.run(number, arguments...), "%d with %#o", number, c.flags)
		}
	}
	for _, number := range ownProcessCalls {
		judged[number] = true
		assert.EqualValues(t, answerAllow, p.run(number, self), number)
		assert.EqualValues(t, answerEPERM, p.run(number, 0), number)
		assert.EqualValues(t, answerEPERM, p.run(number, self+1), number)
	}
	for number := uint32(0); number < 700; number++ {
		switch {
		case allowed[number] || judged[number]:
		case number >= firstSharedNumber:
			assert.EqualValues(t, answerNoSys, p.run(number, self), number)
		default:
			assert.EqualValues(t, answerEPERM, p.run(number, self), number)
		}
		assert.EqualValues(t, answerEPERM, p.run(number|x32Bit, self), number)
	}
	threadsOfGlibc := uint32(0x3d0f00)
	for _, c := range []struct {
		name      string
		number    uint32
		arguments []uint32
		want      uint32
	}{
		{"own limits", unix.SYS_PRLIMIT64, []uint32{0, 7}, answerAllow},
		{"own limits by process ID", unix.SYS_PRLIMIT64, []uint32{self, 7}, answerAllow},
		{"limits of another process", unix.SYS_PRLIMIT64, []uint32{1, 7}, answerEPERM},
		{"threads", unix.SYS_CLONE, []uint32{threadsOfGlibc}, answerAllow},
		{"threads of musl", unix.SYS_CLONE, []uint32{0x7d0f00}, answerAllow},
		{"a process", unix.SYS_CLONE, []uint32{17}, answerEPERM},
		{"a sibling", unix.SYS_CLONE, []uint32{unix.CLONE_PARENT | 17}, answerEPERM},
		{"a thread and a sibling", unix.SYS_CLONE, []uint32{threadsOfGlibc | unix.CLONE_PARENT}, answerEPERM},
		{"a thread in a namespace", unix.SYS_CLONE, []uint32{threadsOfGlibc | unix.CLONE_NEWUSER}, answerEPERM},
		{"a traced thread", unix.SYS_CLONE, []uint32{threadsOfGlibc | unix.CLONE_PTRACE}, answerEPERM},
		{"vfork by clone", unix.SYS_CLONE, []uint32{unix.CLONE_VM | unix.CLONE_VFORK | 17}, answerEPERM},
		{"a stream pair", unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_STREAM | unix.SOCK_CLOEXEC}, answerAllow},
		{"a datagram pair", unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC}, answerEPERM},
		{"a raw pair", unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_RAW}, answerEPERM},
		{"a network pair", unix.SYS_SOCKETPAIR, []uint32{unix.AF_TIPC, unix.SOCK_STREAM}, answerEPERM},
		{"duplicating a descriptor", unix.SYS_FCNTL, []uint32{3, unix.F_DUPFD_CLOEXEC}, answerAllow},
		{"F_SETOWN", unix.SYS_FCNTL, []uint32{3, unix.F_SETOWN}, answerEPERM},
		{"F_SETOWN_EX", unix.SYS_FCNTL, []uint32{3, unix.F_SETOWN_EX}, answerEPERM},
		{"F_SETSIG", unix.SYS_FCNTL, []uint32{3, unix.F_SETSIG}, answerEPERM},
		{"F_SETLEASE", unix.SYS_FCNTL, []uint32{3, unix.F_SETLEASE}, answerEPERM},
		{"FIOSETOWN", unix.SYS_IOCTL, []uint32{3, 0x8901}, answerEPERM},
		{"TIOCSTI", unix.SYS_IOCTL, []uint32{3, unix.TIOCSTI}, answerEPERM},
		{"memory of the process", unix.SYS_MMAP, []uint32{0, 4096, 3, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS}, answerAllow},
		{"a shared file", unix.SYS_MMAP, []uint32{0, 4096, 3, unix.MAP_SHARED}, answerAllow},
		{"shared memory without a file", unix.SYS_MMAP, []uint32{0, 4096, 3, unix.MAP_SHARED | unix.MAP_ANONYMOUS | unix.MAP_POPULATE}, answerEPERM},
		{"the same, checked", unix.SYS_MMAP, []uint32{0, 4096, 3, unix.MAP_SHARED_VALIDATE | unix.MAP_ANONYMOUS}, answerEPERM},
		{"names of threads", unix.SYS_PRCTL, []uint32{unix.PR_SET_NAME}, answerAllow},
		{"becoming traceable", unix.SYS_PRCTL, []uint32{unix.PR_SET_DUMPABLE}, answerEPERM},
	} {
		assert.EqualValues(t, c.want, p.run(c.number, c.arguments...), c.name)
	}
}
