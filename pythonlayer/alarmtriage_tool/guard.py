"""The audit hook: refuses what a call must not do, with an error that gives the reason.

It answers within microseconds. It is not a security boundary, because native code bypasses it. Where the
kernel accepts the system call filter, the filter prevents the same things. Where it does not, they are harmless
because the process holds no credentials.
"""

import _posixsubprocess
import os
import posix
import signal
import subprocess
import sys
from typing import Any, Callable, Dict, NoReturn, Tuple

_NETWORK = "there is no network here; only AWS API calls through boto3 are possible"
_PROCESS = "starting or signaling processes is not possible here; use Python, and boto3 for AWS"
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

# Functions that raise no audit event but start or signal processes, or allocate memory that no limit counts.
_UNAUDITED = (
    (_posixsubprocess, "fork_exec", _PROCESS), (subprocess, "_fork_exec", _PROCESS), (os, "pidfd_open", _PROCESS),
    (posix, "pidfd_open", _PROCESS), (signal, "pidfd_send_signal", _PROCESS),
    (os, "memfd_create", _MEMORY), (posix, "memfd_create", _MEMORY),
)

_HIDDEN: Tuple[str, ...] = ("/proc/", "/sys/", "/dev/")
_DEVICES = frozenset(("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/full"))
_PATHS = frozenset(("open", "os.listdir", "os.scandir", "os.chdir", "os.readlink", "os.link", "os.symlink"))


def install() -> None:
    """Adds the hook to this process. It cannot be removed."""
    for module, name, text in _UNAUDITED:
        if hasattr(module, name):
            setattr(module, name, _refusing(text))
    sys.addaudithook(_hook())


def _refusing(text: str) -> Callable[..., NoReturn]:
    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise PermissionError(text)

    return refused


def _hook() -> Callable[[str, Tuple[Any, ...]], None]:
    # Bound here because the code may patch modules.
    forbidden, paths, hidden, devices = dict(_FORBIDDEN), _PATHS, _HIDDEN, _DEVICES
    network, native, files = _NETWORK, _NATIVE, _FILES
    absolute, decode = os.path.abspath, os.fsdecode
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
        if event == "socket.__new__":
            if args[1] not in local:
                raise refuse(network)
            return
        if event.startswith("ctypes."):
            raise refuse(native)
        if event == "socket.sendmsg" and args[1] is not None:
            raise refuse(network)

    return hook
