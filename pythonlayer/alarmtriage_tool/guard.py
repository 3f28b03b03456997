"""The audit hook: refuses what a call must not do, with an error that gives the reason.

It answers within microseconds. It is not a security boundary, because native code bypasses it. Where the
kernel accepts the system call filter, the filter prevents the same things. Where it does not, the process still
holds no credentials, and the supervisor replaces the environment if a call left a trace in it.
"""

import _posixsubprocess
import os
import posix
import signal
import subprocess
import sys
from typing import Any, Callable, Dict, NoReturn, Tuple

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
_FILES = "this path is not readable here; only the working directory, /tmp, and Python's own files are"

_FORBIDDEN: Dict[str, str] = {
    **dict.fromkeys(
        (
            "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
            "socket.gethostbyaddr", "socket.getnameinfo", "socket.getservbyname", "socket.sethostname",
            "http.client.connect", "urllib.Request", "ftplib.connect", "smtplib.connect", "poplib.connect",
            "imaplib.open", "telnetlib.Telnet.open", "nntplib.connect", "webbrowser.open",
        ),
        _NETWORK,
    ),
    **dict.fromkeys(
        (
            "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
            "os.kill", "os.killpg", "pty.spawn", "signal.pthread_kill",
        ),
        _PROCESS,
    ),
}

# Functions that raise no audit event but start, signal, or change processes, or allocate memory that no limit
# counts.
_UNAUDITED: Tuple[Tuple[Any, str, str], ...] = (
    (_posixsubprocess, "fork_exec", _PROCESS), (subprocess, "_fork_exec", _PROCESS),
    (signal, "pidfd_send_signal", _PROCESS),
    *((module, name, text) for module in (os, posix) for names, text in (
        (("pidfd_open", "vfork", "fork1"), _PROCESS),
        (("sched_setaffinity", "sched_setscheduler", "sched_setparam", "setpriority", "nice", "setsid", "setpgid",
          "setpgrp", "unshare", "setns", "login_tty", "tcsetpgrp"), _OTHERS),
        (("memfd_create",), _MEMORY),
    ) for name in names),
)

# Modules that create objects which outlive a process. They raise no audit events. boto3 has imported them, but the
# code may import them again.
_SHARING = frozenset(("_posixshmem", "_multiprocessing"))

# Commands of fcntl and ioctl that pass, as in the system call filter (fcntlCommands and ioctlCommands in
# internal/sandbox/filter_calls.go).
_FCNTL = frozenset((0, 1, 2, 3, 4, 5, 6, 7, 9, 36, 37, 38, 1030, 1032))
_IOCTL = frozenset((0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409))

_HIDDEN: Tuple[str, ...] = ("/proc/", "/sys/", "/dev/")
_DEVICES = frozenset(("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/full"))
_PATHS = frozenset(("open", "os.listdir", "os.scandir", "os.chdir", "os.readlink", "os.link", "os.symlink"))


def install() -> None:
    """Adds the hook to this process. It cannot be removed."""
    for module, name, text in _UNAUDITED:
        if hasattr(module, name):
            setattr(module, name, _refusing(text))
    for name in _SHARING & sys.modules.keys():
        _close(sys.modules[name])
    sys.addaudithook(_hook())


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


def _hook() -> Callable[[str, Tuple[Any, ...]], None]:
    # Bound here because the code may patch modules.
    forbidden, paths, hidden, devices = dict(_FORBIDDEN), _PATHS, _HIDDEN, _DEVICES
    network, native, files = _NETWORK, _NATIVE, _FILES
    sharing, shared, others, descriptor = _SHARING, _SHARED, _OTHERS, _DESCRIPTOR
    commands = {"fcntl.fcntl": _FCNTL, "fcntl.ioctl": _IOCTL}
    absolute, decode, own = os.path.abspath, os.fsdecode, frozenset((0, os.getpid()))
    # -1 is the family of a socket made from an existing descriptor, such as a connection to the broker.
    refuse, is_a, local = PermissionError, isinstance, frozenset((1, -1))

    def hook(event: str, args: Tuple[Any, ...]) -> None:
        if event in forbidden:
            raise refuse(forbidden[event])
        if event in paths:
            path = args[0]
            if path is None or is_a(path, int):
                return
            name = "/" + absolute(decode(path)).lstrip("/")
            if name not in devices and (name + "/").startswith(hidden):
                raise refuse(f"{name}: {files}")
            return
        if event == "import":
            if args[0] in sharing:
                raise refuse(shared)
            return
        if event in commands:
            if args[1] & 0xFFFFFFFF not in commands[event]:
                raise refuse(descriptor)
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
            raise refuse(native)
        if event == "socket.sendmsg" and args[1] is not None:
            raise refuse(network)

    return hook
