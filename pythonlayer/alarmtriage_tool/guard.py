"""The audit hook: refuses what a call must not do, with an error that gives the reason.

It answers within microseconds. It is not a security boundary: native code bypasses it, and so can code that writes
to the interpreter's memory, for example with ctypes or crafted bytecode, or that runs in the middle of the hook, such as a signal
handler, and changes its variables, which Python 3.13 permits. Where the kernel accepts the system call filter, the
filter prevents the same things. Where it does not, the process still holds no credentials, and the supervisor
replaces the environment if a call left a trace in it.

Simpler ways around the hook must not exist:

* The hook uses only constants and its own immutable defaults, because an exception that it raises shows its frame.
* Functions that raise no audit event are replaced, and the originals cannot be created again: `import` of their modules
  is refused, and `_imp.create_builtin` returns only modules that exist.
* The garbage collector does not list objects, and native modules come only from the directories of `sys.path`.
"""

import _imp
import _posixsubprocess
import _signal
import importlib
import os
import posix
import signal
import subprocess
import sys
import warnings
from typing import Any, Callable, NoReturn, Tuple

_NETWORK = "there is no network here; only AWS API calls through boto3 are possible"
_PROCESS = (
    "starting or signaling processes is not possible here; use Python, boto3 for AWS, and threads for parallel work"
    " (concurrent.futures.ThreadPoolExecutor)"
)
_SHARED = (
    "memory, locks, and queues that processes share are not available here, so multiprocessing and"
    " ProcessPoolExecutor do not work; use threads (concurrent.futures.ThreadPoolExecutor)"
)
_OTHERS = "changing the limits, priority, scheduling, group, or namespace of a process is not possible here"
_DESCRIPTOR = "this command on a file descriptor is not available here, because it can affect other processes"
_NATIVE = "native code cannot be loaded here; ctypes is disabled"
_MEMORY = "in-memory files cannot be created here; write to the working directory, or use BytesIO"
_UNNAMED = "memory without a file cannot be mapped here; use bytearray, or map a file in the working directory"
_INTERPRETER = "other interpreters are not available here; use functions and threads"
_OBJECTS = "objects of the interpreter cannot be listed here (gc.get_objects, get_referrers, get_referents)"
_FILES = "/proc, /sys, and /dev are not readable here; write files in the working directory"

# Groups of names, each with the reason for refusing them. They are not dictionaries, because even a read-only view of a dictionary
# passes the dictionary itself to an object that it is compared with.
_Groups = Tuple[Tuple["frozenset[str]", str], ...]

_FORBIDDEN: _Groups = (
    (
        frozenset((
            "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
            "socket.gethostbyaddr", "socket.getnameinfo", "socket.getservbyname", "socket.sethostname",
            "http.client.connect", "urllib.Request", "ftplib.connect", "smtplib.connect", "poplib.connect",
            "imaplib.open", "telnetlib.Telnet.open", "nntplib.connect", "webbrowser.open",
        )),
        _NETWORK,
    ),
    (
        frozenset((
            "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
            "os.kill", "os.killpg", "pty.spawn", "signal.pthread_kill",
        )),
        _PROCESS,
    ),
    (frozenset(("gc.get_objects", "gc.get_referrers", "gc.get_referents")), _OBJECTS),
    (frozenset(("cpython.PyInterpreterState_New",)), _INTERPRETER),
    (frozenset(("sqlite3.enable_load_extension", "sqlite3.load_extension")), _NATIVE),
)

# Functions that raise no audit event but start, signal, or change processes, or allocate memory that no limit
# counts.
_UNAUDITED: Tuple[Tuple[Any, str, str], ...] = (
    (_posixsubprocess, "fork_exec", _PROCESS), (subprocess, "_fork_exec", _PROCESS),
    *((module, "pidfd_send_signal", _PROCESS) for module in (signal, _signal)),
    *((module, name, text) for module in (os, posix) for names, text in (
        (("pidfd_open", "vfork", "fork1"), _PROCESS),
        (("sched_setaffinity", "sched_setscheduler", "sched_setparam", "setpriority", "nice", "setsid", "setpgid",
          "setpgrp", "unshare", "setns", "login_tty", "tcsetpgrp"), _OTHERS),
        (("memfd_create",), _MEMORY),
    ) for name in names),
)

# Modules that create objects which outlive a process. They raise no audit events.
_SHARING: Tuple[str, ...] = ("_posixshmem", "_multiprocessing")

# Modules that are not created again, because a new one would have the functions that install replaces, and modules
# with functions that do more than this hook could see. If they are imported already, import statements still work.
_CLOSED: _Groups = (
    (frozenset(_SHARING), _SHARED),
    (frozenset(("posix", "_posixsubprocess", "_signal", "_tkinter")), _PROCESS),  # Tcl starts programs
    # The hook does not see what another interpreter does. Python 3.13 raises no event when it creates one.
    (frozenset(("_interpreters", "_xxsubinterpreters")), _INTERPRETER),
    (
        frozenset((
            "_imp", "_testcapi", "_testlimitedcapi", "_testinternalcapi", "_testclinic", "_testbuffer", "_testmultiphase",
            "_testsinglephase", "_ctypes_test", "_xxtestfuzz",
        )),
        _NATIVE,
    ),
)

# Commands of fcntl and ioctl that pass, as in the system call filter (fcntlCommands and ioctlCommands in
# internal/sandbox/filter_calls.go).
_FCNTL = frozenset((0, 1, 2, 3, 4, 5, 6, 7, 9, 36, 37, 38, 1030, 1032))
_IOCTL = frozenset((0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409))

_HIDDEN: Tuple[str, ...] = ("/proc/", "/sys/", "/dev/")
_DEVICES = frozenset(("/dev/null", "/dev/random", "/dev/urandom", "/dev/full"))
_PATHS = frozenset(("open", "os.listdir", "os.scandir", "os.chdir", "os.readlink", "os.link", "os.symlink"))
_PLAIN = "this function needs the path as a text here: str(path)"
_LINK = "a symbolic link can only lead to a path below its own directory here; use the path itself"


def prepare() -> None:
    """Imports the built-in modules, because after install they cannot be created. The zygote calls it once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them are deprecated
        for name in sys.builtin_module_names:
            try:
                importlib.import_module(name)
            except Exception:  # one that this system does not support
                pass


def install() -> None:
    """Adds the hook to this process. It cannot be removed."""
    for module, name, text in _UNAUDITED:
        if hasattr(module, name):
            setattr(module, name, _refusing(text))
    for name in _SHARING:
        if name in sys.modules:
            _close(sys.modules[name])
    setattr(_imp, "create_builtin", _existing())
    sys.addaudithook(_hook())


def _existing() -> Callable[[Any], Any]:
    """Returns a replacement of `_imp.create_builtin`, which needs no reference to the original."""
    modules = {name: sys.modules[name] for name in sys.builtin_module_names if name in sys.modules}

    def create_builtin(spec: Any) -> Any:
        if spec.name in modules:
            return modules[spec.name]
        raise ImportError(f"the built-in module {spec.name} is not available here", name=spec.name)

    return create_builtin


def _close(module: Any) -> None:
    """Replaces the functions and classes of a module that creates shared objects."""
    for name in ("shm_open", "shm_unlink", "sem_unlink"):
        if hasattr(module, name):
            setattr(module, name, _refusing(_SHARED))
    if hasattr(module, "SemLock"):
        most = module.SemLock.SEM_VALUE_MAX  # multiprocessing reads it when it is imported
        module.SemLock = type("SemLock", (), {"SEM_VALUE_MAX": most, "__new__": _refusing(_SHARED)})


def _refusing(text: str) -> Callable[..., NoReturn]:
    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise PermissionError(text)

    return refused


def _names(groups: _Groups) -> "frozenset[str]":
    return frozenset().union(*(names for names, _ in groups))


def _hook() -> Callable[..., None]:
    # A path of sys.path that is relative, or "", would be the working directory.
    roots = tuple({os.path.abspath(path) + "/" for path in sys.path if os.path.isabs(path)})

    # The defaults are bound here because the code may patch modules. They are not closure variables because those, and
    # every mutable object, could be changed through the frame of an exception that this function raises.
    def hook(
        event: str,
        args: Tuple[Any, ...],
        forbidden: frozenset[str] = _names(_FORBIDDEN),
        forbidden_groups: _Groups = _FORBIDDEN,
        closed: frozenset[str] = _names(_CLOSED),
        closed_groups: _Groups = _CLOSED,
        paths: frozenset[str] = _PATHS,
        hidden: Tuple[str, ...] = _HIDDEN,
        devices: frozenset[str] = _DEVICES,
        fcntl: frozenset[int] = _FCNTL,
        ioctl: frozenset[int] = _IOCTL,
        own: frozenset[int] = frozenset((0, os.getpid())),
        local: frozenset[int] = frozenset((1,)),
        roots: Tuple[str, ...] = roots,
        network: str = _NETWORK,
        native: str = _NATIVE,
        others: str = _OTHERS,
        descriptor: str = _DESCRIPTOR,
        unnamed: str = _UNNAMED,
        files: str = _FILES,
        link: str = _LINK,
        plain: str = _PLAIN,
        # Functions of C: those of os.path call others that the code could replace.
        normal: Callable[[str], str] = getattr(posix, "_path_normpath", os.path.normpath),
        directory: Callable[[], str] = os.getcwd,
        encode: Callable[..., bytes] = str.encode,
        decode: Callable[..., str] = bytes.decode,
        refuse: Callable[[str], PermissionError] = PermissionError,
        derives: Callable[[type, Any], bool] = issubclass,
        kind: Callable[[Any], type] = type,
        text: type = str,
        octets: type = bytes,
        number: type = int,
    ) -> None:
        if event in forbidden:
            for names, reason in forbidden_groups:
                if event in names:
                    raise refuse(reason)
        if event in paths:
            path = args[0]
            if path is None or derives(kind(path), number):
                return
            if kind(path) is not text:
                # Another object was asked for its path before, and could give the hook a different one.
                if not derives(kind(path), (text, octets)):
                    raise refuse(plain)
                if derives(kind(path), text):
                    path = encode(path, "utf-8", "surrogateescape")
                path = decode(path, "utf-8", "surrogateescape")
            leaves = "/.." in "/" + path
            if event == "os.symlink" and (leaves or path.startswith("/")):
                raise refuse(link)
            found = ["/" + normal(path if path.startswith("/") else directory() + "/" + path).lstrip("/")]
            # Below the descriptor of another directory (dir_fd), which the event does not show, the path could lead through the
            # root directory, of which the code gets no descriptor. So could each .. behind a link of the system, such as /var/run.
            by_descriptor = event == "os.readlink" or event == "open" and args[1] is None
            rest = "/" + path if leaves else ""
            while "/.." in rest:
                rest = rest.partition("/..")[2]
                found.append("/" + normal("/" + rest).lstrip("/"))
            for name in found:
                if name not in devices and (name + "/").startswith(hidden) or by_descriptor and name == "/":
                    raise refuse(f"{name}: {files}")
            return
        if event == "import":
            module, path = args[0], args[1]
            # A class derived from str could compare as it likes.
            if kind(module) is not text or path is not None and kind(path) is not text:
                raise refuse(native)
            module = module.rpartition(".")[2]
            if module in closed:
                for names, reason in closed_groups:
                    if module in names:
                        raise refuse(reason)
            if path is not None and (not path.startswith(roots) or "/.." in path):
                raise refuse(native)
            return
        if event == "fcntl.fcntl" or event == "fcntl.ioctl":
            if args[1] & 0xFFFFFFFF not in (fcntl if event == "fcntl.fcntl" else ioctl):
                raise refuse(descriptor)
            return
        if event == "mmap.__new__":
            if args[0] == -1:
                raise refuse(unnamed)
            return
        if event == "resource.prlimit":
            if args[0] not in own:
                raise refuse(others)
            return
        if event == "socket.__new__":
            if args[1] not in local:
                raise refuse(network)
            return
        if event.startswith("ctypes."):
            # The import of ctypes, which packages such as pandas need, opens the program itself. It cannot look up functions.
            if event != "ctypes.dlopen" or args[0] is not None:
                raise refuse(native)
            return
        if event == "socket.sendmsg" and args[1] is not None:
            raise refuse(network)

    return hook
