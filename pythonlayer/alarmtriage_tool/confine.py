"""Confines a child before it receives a call: process group, signals, limits, and system calls.

Resource limits need no permission and always hold. The supervisor assembles the system call filter. It is
loaded if the kernel accepts it, and its state is reported either way.
"""

import os
import resource
import signal
import struct
from typing import Any, Callable, Dict, List, NamedTuple

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


class Filter(NamedTuple):
    """A seccomp program, and the indices of the instructions that compare with the child's own process ID."""

    program: bytes
    pid_slots: List[int]


def detach() -> None:
    """Makes the child its own process group, resets the signal handlers of the zygote, and opens its own standard input.

    A file that zygote and children share would carry locks and flags to the next call.
    """
    os.setpgid(0, 0)
    own = os.open(os.devnull, os.O_RDONLY)
    os.dup2(own, 0)
    os.close(own)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def native() -> Any:
    """Returns the module that loads the filter. The zygote imports it once, which takes a few milliseconds."""
    import ctypes

    return ctypes


def filter_calls(program: Filter) -> Dict[str, str]:
    """Loads the filter into this process and returns its state, as the type `layer` of the supervisor reads it."""
    if not program.program:
        return {"state": "off"}
    ctypes = native()
    code = bytearray(program.program)
    for slot in program.pid_slots:
        struct.pack_into("=I", code, slot * 8 + 4, os.getpid())
    raw = (ctypes.c_char * len(code)).from_buffer(code)

    class Program(ctypes.Structure):  # type: ignore[misc, name-defined]
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return _refused(ctypes.get_errno())
    wanted = Program(len(code) // 8, ctypes.addressof(raw))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(wanted), 0, 0) != 0:
        return _refused(ctypes.get_errno())
    _accept_refusals()
    return {"state": "active"}


# Functions whose system calls the filter refuses, because they also work on files outside the scratch directory.
_CHANGES = ("chmod", "fchmod", "chown", "fchown", "lchown", "utime")


def _accept_refusals() -> None:
    """Lets code go on that changes modes, owners, or times of files, as copying and unpacking do. Nothing is changed."""
    for name in _CHANGES:
        change, replaced = getattr(os, name), _without_effect(name)
        setattr(os, name, replaced)
        for supports in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
            if change in supports:
                supports.add(replaced)
    setattr(os, "truncate", _truncate)


def _without_effect(name: str) -> Callable[..., None]:
    def unchanged(path: Any, *args: Any, dir_fd: Any = None, follow_symlinks: bool = name != "lchown", **kwargs: Any) -> None:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)  # raises if there is no such file

    unchanged.__name__ = unchanged.__qualname__ = name
    return unchanged


def _truncate(path: Any, length: int) -> None:
    """Changes the size of a file by a descriptor, for which the file must be opened for writing."""
    if isinstance(path, int):
        os.ftruncate(path, length)
        return
    with open(path, "r+b", buffering=0) as file:
        os.ftruncate(file.fileno(), length)


def _refused(errno: int) -> Dict[str, str]:
    return {"state": "refused", "reason": os.strerror(errno).lower()}


def limit(memory: int, memory_hard: int, file_size: int, processes: int) -> None:
    """Sets the limits of a call, in bytes and processes; zero leaves a limit unchanged.

    The memory limit applies to data, not to address space, because thread stacks and malloc's arenas reserve
    address space that they never use. Between `memory` and `memory_hard` a MemoryError can still be reported.
    """
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory_hard))
    if file_size:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_MSGQUEUE, (0, 0))  # POSIX message queues outlive the process
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def lift_memory() -> None:
    """Raises the memory limit to its hard value, which leaves room to report a MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
