package sandbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// escapes are ways in which Python code, without native code, could reach a function that the guard replaces, or change the
// guard's hook. Each calls reached with what it found.
var escapes = []struct{ name, code string }{
	{"a module imported again", `
for name in ("_posixsubprocess", "posix", "_signal"):
    sys.modules.pop(name)
    try: reached(__import__(name))
    except PermissionError as e: print(e)`},
	{"a module imported again by another name", `
for name in ("_posixsubprocess", "posix", "_signal"):
    module = sys.modules.pop(name)
    attempt(lambda: importlib.import_module(name)); attempt(lambda: importlib.reload(module))
    sys.modules[name] = module
    attempt(lambda: importlib.reload(module))
for name in ("subprocess", "os", "signal", "importlib", "importlib._bootstrap"):
    attempt(lambda: importlib.reload(sys.modules[name])); reached(sys.modules.get(name))`},
	{"a name that compares as it likes", `
class Name(str):
    __eq__ = lambda self, other: False
    __hash__ = lambda self: 7
    def rpartition(self, by): return "", "", "harmless"
for name in ("_posixsubprocess", "posix", "_signal"):
    sys.modules.pop(name)
    attempt(lambda: __import__(Name(name))); attempt(lambda: importlib.import_module(Name(name)))
    attempt(lambda: by_loader(Name(name))); attempt(lambda: _imp.create_builtin(importlib.machinery.ModuleSpec(Name(name), None)))`},
	{"the loaders of modules", `
for name in ("_posixsubprocess", "posix", "_signal", "_imp"):
    module = sys.modules.pop(name)
    attempt(lambda: by_loader(name))
    attempt(lambda: module.__spec__.loader.load_module(name)); attempt(lambda: module.__loader__.create_module(module.__spec__))
    attempt(lambda: importlib.util.module_from_spec(module.__spec__))
    attempt(lambda: importlib._bootstrap._load(module.__spec__)); attempt(lambda: importlib._bootstrap._builtin_from_name(name))
    attempt(lambda: importlib.machinery.BuiltinImporter.create_module(module.__spec__))`},
	{"the functions below the loaders", `
for name in ("_posixsubprocess", "posix", "_signal", "_imp"):
    spec = sys.modules[name].__spec__
    attempt(lambda: _imp.create_builtin(spec)); attempt(lambda: _imp.create_dynamic(spec)); attempt(lambda: _imp.exec_builtin(sys.modules[name]))
    fake = types.SimpleNamespace(name="package." + name, origin=spec.origin, loader=None)
    attempt(lambda: _imp.create_dynamic(fake)); attempt(lambda: _imp.create_builtin(fake))
    class Turning:
        names = iter(("math", name, name, name)); origin = spec.origin
        name = property(lambda self: next(self.names))
    attempt(lambda: _imp.create_builtin(Turning())); attempt(lambda: _imp.create_dynamic(Turning()))
again = sys.modules.pop("_imp"); attempt(lambda: __import__("_imp")); reached(again.create_builtin)`},
	{"what the replacements refer to", `
for f in (os.nice, posix.nice, subprocess._fork_exec, _imp.create_builtin, _posixsubprocess.fork_exec):
    for cell in f.__closure__ or (): reached(cell.cell_contents)
    for value in list(f.__globals__.values()) + list(vars(f).values()) + list(f.__defaults__ or ()): reached(value)
    reached(getattr(f, "__wrapped__", None))`},
	{"every loaded module", `
for module in list(sys.modules.values()): reached(module)`},
	{"the garbage collector", `
for look in (gc.get_objects, lambda: gc.get_referrers(guard.__dict__), lambda: gc.get_referents(os.nice)):
    for found in attempt(look) or (): reached(found)`},
	{"another interpreter", `
for name in ("_xxsubinterpreters", "_interpreters"):
    try: interpreters = importlib.import_module(name)
    except (ImportError, PermissionError): continue
    made = attempt(interpreters.create)
    if made is not None: print("REACHED an interpreter", made)`},
	{"the frame of a refusal", `
class Taker: # a read-only view compares what it shows, and joins it
    def __eq__(self, other): other.clear()
    __ror__ = __lt__ = __eq__
def spoil(act):
    try: act()
    except PermissionError as e:
        step = e.__traceback__
        while step:
            values = step.tb_frame.f_locals
            if step.tb_frame.f_code.co_filename.endswith("guard.py"):
                for name, value in list(values.items()):
                    for change in (lambda: value.clear(), lambda: value.update(x=1), lambda: value == Taker(), lambda: value | Taker(), lambda: values.__setitem__(name, frozenset())): attempt(change)
            step = step.tb_next
spoil(lambda: os.system("true")); spoil(lambda: open("/proc/self/environ")); spoil(lambda: socket.socket(socket.AF_INET))
for act in (lambda: os.system("true"), lambda: open("/proc/self/environ"), lambda: socket.socket(socket.AF_INET)):
    try: print("REACHED", act())
    except PermissionError: pass`},
	{"patched functions and names of the guard", `
import posixpath
guard._FORBIDDEN = guard._CLOSED = (); guard.PermissionError = None; builtins.isinstance = lambda *a: True
posixpath.abspath = posixpath.normpath = os.fsdecode = os.fspath = os.getcwd = lambda *a: "/harmless"
class Path:
    __class__ = int
    def __init__(self, *names): self.names = iter(names)
    def __fspath__(self): return next(self.names, "/harmless")
class Text(str):
    def startswith(self, *a): return False
    def lstrip(self, *a): return "harmless"
    __add__ = __radd__ = lambda self, other: "/harmless"
for path in (lambda: "/proc/self/environ", lambda: Path("/proc/version"), lambda: Path(*["/proc/version"] * 3),
        lambda: Text("/proc/version"), lambda: b"//proc/./version"):
    for act in (lambda: open(path()), lambda: io.FileIO(path()), lambda: os.open(path(), 0), lambda: os.listdir(path())):
        try: print("REACHED", act())
        except (PermissionError, TypeError): pass
try: print("REACHED", os.system("true"))
except PermissionError: pass`},
	{"native code from a file of the call", `
import shutil, _posixshmem
of_python = [p for p in sys.path if "dynload" in p][0]
native = [n for n in os.listdir(of_python) if n.startswith("_bisect") or n.startswith("audioop") or n.startswith("_queue")][0]
os.mkdir("m"); shutil.copy(os.path.join(of_python, native), "m/" + native)
name = native.split(".")[0]
sys.modules.pop(name, None); sys.path.insert(0, os.path.abspath("m"))
for path in (os.path.abspath("m/" + native), "m/" + native, of_python + "/../" * 12 + os.path.abspath("m/" + native)):
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    try: print("REACHED native code", loader.create_module(importlib.machinery.ModuleSpec(name, loader, origin=path)))
    except (PermissionError, ImportError) as e: print(e)
try: print("REACHED native code", __import__(name))
except (PermissionError, ImportError) as e: print(e)`},
	{"a network socket of the module below", `
import _socket
try:
    s = _socket.socket(-1, 1); s.listen(); print("REACHED", s.getsockname())
except PermissionError: pass`},
	{"links of the system to directories below the root", `
for top in attempt(lambda: os.listdir("/")) or ():
    for name in attempt(lambda: os.listdir("/" + top)) or ():
        link = "/" + top + "/" + name
        if os.path.islink(link) and os.path.dirname(os.path.realpath(link)) == "/" and os.path.isdir(link):
            print("found", link)
            for path in (link + "/../proc/version", link + "/../proc/self/../version", link + "/.././../proc/1/../version"):
                for act in (lambda: open(path), lambda: os.open(path, 0), lambda: os.listdir(os.path.dirname(path)), lambda: os.chdir(os.path.dirname(path))):
                    try: print("REACHED", path, act())
                    except (PermissionError, FileNotFoundError): pass`},
	{"memory that no file holds", `
import mmap
try: print("REACHED", mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096))
except PermissionError: pass`},
	{"native code of databases and Tcl", `
import sqlite3
try: sqlite3.connect(":memory:").enable_load_extension(True); print("REACHED")
except (PermissionError, AttributeError): pass
try: import _tkinter; print("REACHED", _tkinter)
except (PermissionError, ImportError): pass`},
}

const seek = `
import builtins, gc, importlib, importlib.machinery, importlib.util, io, os, posix, signal, socket, subprocess, sys, types, _imp, _posixsubprocess, _signal
from alarmtriage_tool import guard
sought = frozenset(name for _, name, _ in guard._UNAUDITED) - {"_fork_exec"} | {"create_builtin"}
native = type(len)
def reached(value):
    members = list(vars(value).values()) if isinstance(value, types.ModuleType) else value.values() if isinstance(value, dict) else [value]
    for f in members:
        if type(f) is native and f.__name__ in sought: print("REACHED", f)
def attempt(f):
    try: value = f()
    except BaseException as e: return print(type(e).__name__)
    reached(value)
    return value
def by_loader(name):
    spec = importlib.util.find_spec(name)
    module = spec.loader.create_module(spec)
    reached(module); spec.loader.exec_module(module)
    return module
`

// The guard is not a boundary, but it must not have simple ways around it.
func TestGuard_HasNoSimpleWayAround(t *testing.T) {
	for _, python := range pythons(t) {
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				w := startWorker(t, python, configuration.role)
				for _, e := range escapes {
					t.Run(e.name, func(t *testing.T) {
						w.t = t
						answer := w.run(seek+e.code+"\nprint('tried')", 10)
						assert.NotContains(t, answer.Output, "REACHED")
						assert.Contains(t, answer.Output, "tried", answer.Error)
						w.mustWork()
					})
				}
				w.t = t
			})
		}
	}
}

// Packages such as numpy and pandas import ctypes, which cannot look up functions here.
func TestGuard_PackagesCanImportCtypes(t *testing.T) {
	for _, python := range pythons(t) {
		for _, configuration := range configurations {
			t.Run(python.name+"/"+configuration.name, func(t *testing.T) {
				w := startWorker(t, python, configuration.role)
				answer := w.run(`
import ctypes
try: ctypes.pythonapi.Py_IncRef; print("found")
except PermissionError as e: print(e)
try: ctypes.CDLL("libc.so.6"); print("found")
except PermissionError as e: print(e)
result = ctypes.sizeof(ctypes.c_int64)`, 10)
				require.True(t, answer.Success, answer.Output)
				assert.Equal(t, "8", string(answer.Result))
				assert.NotContains(t, answer.Stdout, "found")
			})
		}
	}
}

// Code may import every built-in module, also after it removed one from sys.modules.
func TestGuard_BuiltInModulesCanStillBeImported(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			w := startWorker(t, python, roleRefuse)
			answer := w.run(`
import importlib, subprocess, signal
for name in sys.builtin_module_names: importlib.import_module(name)
del sys.modules["math"], sys.modules["itertools"], sys.modules["errno"]
import errno, itertools, math
importlib.reload(subprocess)
import sqlite3, decimal, xml.etree.ElementTree, csv, zoneinfo, lzma, bz2, unicodedata, statistics, cmath, array, mmap
result = [math.floor(2.5), next(itertools.count(7)), errno.ENOENT]`, 10)
			require.True(t, answer.Success, answer.Output+answer.Error)
			assert.Equal(t, "[2,7,2]", string(answer.Result))
		})
	}
}
