"""What a child gives up before it sees a call: its group, signals, limits, and system calls.

Resource limits need no permission and always hold. The system call filter is assembled by the
supervisor, loaded where the kernel accepts one, and reported either way.
"""

import os
import resource
import signal
import struct
from typing import Any, List, NamedTuple

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

# Room above the soft memory limit in which a MemoryError can still be reported.
MEMORY_HEADROOM = 64 << 20


class Filter(NamedTuple):
    """A seccomp program: the instructions, and which of them compare with the child's own pid."""

    program: bytes
    pid_slots: List[int]


def detach() -> None:
    """Makes the child its own process group and takes back what the zygote did to signals."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def native() -> Any:
    """The module that loads the filter. It takes a few milliseconds to import: once, in the zygote."""
    import ctypes

    return ctypes


def filter_calls(program: Filter) -> str:
    """Loads the filter into this process; returns "active" or why it is not."""
    if not program.program:
        return "off"
    ctypes = native()
    code = bytearray(program.program)
    for slot in program.pid_slots:
        struct.pack_into("=I", code, slot * 8 + 4, os.getpid())
    raw = (ctypes.c_char * len(code)).from_buffer(code)

    class Program(ctypes.Structure):  # type: ignore[misc, name-defined]
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return "refused: " + os.strerror(ctypes.get_errno()).lower()
    wanted = Program(len(code) // 8, ctypes.addressof(raw))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(wanted), 0, 0) != 0:
        return "refused: " + os.strerror(ctypes.get_errno()).lower()
    return "active"


def limit(memory: int, file_size: int, processes: int) -> None:
    """Sets the limits of a call, in bytes and processes; zero leaves one as it is.

    The memory limit is on data, not on address space: thread stacks and malloc's arenas are
    reservations that cost nothing.
    """
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory + MEMORY_HEADROOM))
    if file_size:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def lift_memory() -> None:
    """Raises the memory limit to its hard value, so that running out of memory can be reported."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
