"""Runs the code of one call in a child process, and answers with one JSON object.

The child holds nothing worth stealing. The answer is written with functions that were bound before the code
ran, so patching modules does not affect it. If the code destroys even those, the supervisor reports that the
call ended without a result. This does not protect the answer's content, which the code may forge.

The fields of the request and of the answer are declared in internal/sandbox/protocol.go.
"""

import gc
import io
import json
import linecache
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from . import confine, dates, modules, place, source, values

MAX_ERROR = 64_000  # characters of an error text; the supervisor, which redacts it, shows less
MAX_FRAMES = 2_000  # the last frames of a traceback that are formatted, twice as many as Python permits by default
ALARM_REPEAT = 0.1  # seconds after which an ignored time limit ends the process
THREAD_MARGIN = 0.5  # seconds of the time limit that are left for the result after waiting for threads
THREAD_POLL = 0.1  # seconds between two looks at them: a pool starts a thread before it lists it as its own

# Kinds of failure that the supervisor reports too. All others are named after their exception class.
TIME_LIMIT = "TimeLimit"
MEMORY_LIMIT = "MemoryLimit"

_GARBAGE = 20_000  # objects before a collection: calls are short, and parsing allocates many objects

_encode = json.JSONEncoder(ensure_ascii=True).encode


class TimeLimit(BaseException):
    """The call's time is up. It is not an Exception because the code may catch those."""


class AlarmClock(BaseException):
    """An alarm of the code rang for which it has no handler. Elsewhere, this ends the process."""


class Descriptors(NamedTuple):
    """The files of one call, as received from the supervisor."""

    request: int
    stdout: int
    stderr: int
    result: int
    broker: int


class Request(NamedTuple):
    """A call from the supervisor. Times are in seconds, sizes in bytes."""

    code: str
    seconds: float
    memory: int
    memory_hard: int
    file_size: int
    processes: int
    directory: str
    account: str
    own: str
    region: str
    problem: str
    others: List[str]


class _Exit:
    """Ends a call. It has private references to everything that it uses."""

    def __init__(self, result: int) -> None:
        self._result = result
        self._write, self._close, self._leave = os.write, os.close, os._exit
        self._encode, self._flushes = _encode, [sys.stdout.flush, sys.stderr.flush]
        self._disarm = lambda set=signal.setitimer, which=signal.ITIMER_REAL: set(which, 0)

    def __call__(self, answer: Dict[str, Any]) -> None:
        """Flushes and closes the output, which ends it for its reader, then answers and ends the process."""
        for name in ("stdout", "stderr"):  # while the time limit holds, because the code may have replaced them
            try:
                getattr(sys, name).flush()
            except BaseException:
                pass
        self._disarm()
        for flush in self._flushes:
            try:
                flush()
            except BaseException:
                pass
        for fd in (1, 2):
            try:
                self._close(fd)
            except OSError:
                pass
        try:
            data = self._encode(answer).encode("ascii")
            while data:
                data = data[self._write(self._result, data):]
        finally:
            self._leave(0)


class Stage:
    """A process that is ready for a call: everything that does not depend on the call exists already."""

    def __init__(self, bound: Dict[str, Any]) -> None:
        """Takes the names that are bound without import, and opens streams on the standard descriptors."""
        self._bound = bound
        sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
        _open_output()

    def rehearse(self) -> None:
        """Runs a line of code before the call arrives, which copies the pages that every call writes to."""
        request = Request(**json.loads(_encode({**dict.fromkeys(Request._fields, 0), "code": "result = 1 + 1"})))
        _encode(_execute(request, self._bound, _Clock(0)))
        linecache.cache.pop(source.FILENAME, None)

    def run(self, fds: Descriptors, attach: Callable[[int], None]) -> None:
        """Runs the call with these files, then ends the process."""
        for fd, target in ((fds.stdout, 1), (fds.stderr, 2)):
            os.dup2(fd, target)
            os.close(fd)
        _open_output()  # again: a stream remembers whether its file can seek, which these pipes cannot
        leave = _Exit(fds.result)
        attach(fds.broker)
        request = _receive(fds.request)
        _enter(request)
        gc.set_threshold(_GARBAGE)
        gc.enable()
        clock = _arm(request.seconds, leave)
        try:
            answer = _execute(request, self._bound, clock)
        except TimeLimit:
            answer = _failure(TIME_LIMIT, clock.text())
        except BaseException as error:
            answer = _failure("HarnessError", f"the sandbox could not finish the call: {error!r}")
        leave(answer)


def _receive(fd: int) -> Request:
    """Reads the request until its pipe is closed."""
    chunks: List[bytes] = []
    while chunk := os.read(fd, 1 << 20):
        chunks.append(chunk)
    os.close(fd)
    return Request(**json.loads(b"".join(chunks)))


def _enter(request: Request) -> None:
    """Enters the working directory of the call and sets the call's limits."""
    os.chdir(request.directory)
    place.enter(request.account, request.own, request.region, request.problem, request.others)
    os.environ["TMPDIR"] = os.environ["HOME"] = tempfile.tempdir = request.directory
    confine.limit(request.memory, request.memory_hard, request.file_size, request.processes)


def _open_output() -> None:
    sys.stdout = sys.__stdout__ = _stream(1)
    sys.stderr = sys.__stderr__ = _stream(2)


def _stream(fd: int) -> io.TextIOWrapper:
    raw = open(fd, "wb", buffering=65536, closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


class _Clock:
    """The time limit of a call, and the line at which the limit stopped it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self.line = 0

    def text(self) -> str:
        where = ""
        if self.line > 0:
            code = linecache.getline(source.FILENAME, self.line).strip()
            where = f" at line {self.line}: {code[:200]}"
        return (
            f"time limit of {self.seconds:.1f} s reached{where}. Do less in one call: narrow the time range, "
            "set limits, stop paginators early, or split the work over several calls."
        )


def _arm(seconds: float, leave: _Exit) -> _Clock:
    """Raises TimeLimit in the main thread at the limit. If the code swallows it, the next alarm ends the process."""
    clock = _Clock(seconds)
    filename = source.FILENAME
    now, set_timer, end = time.monotonic, signal.setitimer, clock.end

    def on_alarm(signum: int, frame: Optional[types.FrameType]) -> None:
        left = end - now()
        if left > 0:  # the code has replaced the timer
            set_timer(signal.ITIMER_REAL, left, ALARM_REPEAT)
            raise AlarmClock("an alarm that the code set (signal.alarm or signal.setitimer) rang, and the code has no handler for SIGALRM")
        first = not clock.line
        while frame is not None and frame.f_code.co_filename != filename:
            frame = frame.f_back
        if first:
            clock.line = frame.f_lineno if frame is not None else -1
            raise TimeLimit()
        leave(_failure(TIME_LIMIT, clock.text()))

    signal.signal(signal.SIGALRM, on_alarm)
    set_timer(signal.ITIMER_REAL, seconds, ALARM_REPEAT)
    return clock


def _execute(request: Request, bound: Dict[str, Any], clock: _Clock) -> Dict[str, Any]:
    """Runs the code and returns the answer."""
    failed = _Failures(clock, request.memory)
    try:
        prepared = source.prepare(request.code)
    except source.EmptyCode as error:
        return _failure("EmptyCode", str(error))
    except BaseException as error:
        return failed(error, [])
    namespace = _namespace(prepared, bound)
    lines = io.StringIO(prepared.text, newline=None).readlines()  # as Python counts lines
    linecache.cache[source.FILENAME] = (len(prepared.text), None, lines, source.FILENAME)
    last = None
    try:
        exec(prepared.body, namespace)
        if prepared.last is not None:
            last = eval(prepared.last, namespace)
        notes = [*prepared.notes, *_wait_for_threads(clock)]
        value = namespace["result"] if "result" in namespace else last
        text, left_out = values.to_short_json(value)
    except SystemExit as error:
        try:
            return _exited(error, namespace, prepared.notes, clock)
        except BaseException as second:
            return failed(second, prepared.notes)
    except BaseException as error:
        return failed(error, prepared.notes)
    return {"ok": True, "result": text, "left_out": left_out, "notes": notes}


def _wait_for_threads(clock: _Clock) -> List[str]:
    """Waits for the threads that the code started, as Python does at its end, and returns a note if some still run.

    It does not wait for daemons, nor for pools: code that reads the results of their jobs waits itself, and the collection of
    evidence leaves slow jobs behind.
    """
    if threading.active_count() == 1:
        return []
    pooled = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
    main = threading.main_thread()
    while running := [t for t in threading.enumerate() if t is not main and not t.daemon and t not in pooled]:
        left = clock.end - THREAD_MARGIN - time.monotonic()
        if left <= 0:
            return ["threads of the code still ran when its time was nearly over, so what they would have done later is missing"]
        running[0].join(min(left, THREAD_POLL))
    return []


def _namespace(prepared: source.Prepared, bound: Dict[str, Any]) -> Dict[str, Any]:
    """Returns the namespace of a fresh `__main__`, which dataclasses and pickle need."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    namespace = main.__dict__
    namespace.update(bound)
    namespace["__builtins__"] = __builtins__
    if prepared.real_datetime:
        namespace["datetime"] = dates.RealDatetime
    forms = {"hybrid": dates.Datetime, "module": dates.RealModule}
    missing, hybrid = source.HELPERS
    namespace[missing] = modules.import_late
    namespace[hybrid] = forms.__getitem__
    return namespace


def _exited(error: SystemExit, namespace: Dict[str, Any], notes: List[str], clock: _Clock) -> Dict[str, Any]:
    code = error.code
    if code is None or code == 0:
        notes = [*notes, *_wait_for_threads(clock)]
        text, left_out = values.to_short_json(namespace.get("result"))
        return {"ok": True, "result": text, "left_out": left_out, "notes": notes}
    detail = code if isinstance(code, str) else f"exit code {values.shown(code)}"
    return _failure("SystemExit", f"the code exited with {detail}", notes)


class _Failures:
    """Describes the exception that ended the code. It has references to everything that it needs."""

    def __init__(self, clock: _Clock, memory: int) -> None:
        self._clock, self._memory = clock, memory
        self._lift = confine.lift_memory
        self._format = traceback.TracebackException

    def __call__(self, error: BaseException, notes: List[str]) -> Dict[str, Any]:
        if isinstance(error, TimeLimit):
            return _failure(TIME_LIMIT, self._clock.text(), notes)
        if isinstance(error, MemoryError) and not _is_too_nested(error):
            self._lift()
            where = _line(error)
            return _failure(
                MEMORY_LIMIT,
                f"memory limit of {self._memory >> 20} MB reached{where}. Keep less in memory: process pages as "
                "they arrive instead of collecting them.",
                notes,
            )
        return _failure(type(error).__name__, self._traceback(error), [*notes, *_hints(error)])

    def _traceback(self, error: BaseException) -> str:
        """Returns the traceback without the frames of the harness."""
        try:
            exception = self._format.from_exception(error, limit=-MAX_FRAMES)
        except BaseException as second:
            return f"{type(error).__name__}{_line(error)} (formatting it failed with {type(second).__name__})"
        left: List[Optional[traceback.TracebackException]] = [exception]
        while left:
            one = left.pop()
            if one is not None:
                one.stack[:] = [frame for frame in one.stack if frame.filename == source.FILENAME]
                left += [one.__cause__, one.__context__, *(one.exceptions or ())]
        where = "" if exception.stack else _line(error)  # the last frames can be those of a library
        try:
            return "".join(exception.format()).rstrip("\n") + where
        except BaseException as second:
            return f"{type(error).__name__} (formatting it failed with {type(second).__name__})"


def _hints(error: BaseException) -> List[str]:
    """Returns what helps the model with an error that Python's message does not explain."""
    name = getattr(error, "name", None)
    if type(error) is NameError and isinstance(name, str) and name.isidentifier():
        return [f"{name} is not defined in this call: variables, functions, and imports of earlier calls do not exist"]
    if type(error) is RuntimeError and error.args == ("can't start new thread",):
        return ["each thread counts 8 MB of the call's memory: use fewer, such as ThreadPoolExecutor(max_workers=16)"]
    return []


def _is_too_nested(error: MemoryError) -> bool:
    """Reports whether Python's parser raised the error because a text is nested too deeply, with memory left."""
    return type(error) is MemoryError and any(type(text) is str and text.startswith("Parser stack overflowed") for text in error.args)


def _line(error: BaseException) -> str:
    """Returns the last line of the model's code in the traceback, as the end of a sentence."""
    found, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == source.FILENAME:
            found = step.tb_lineno
        step = step.tb_next
    return f" at line {found}: {linecache.getline(source.FILENAME, found).strip()[:200]}" if found else ""


def _failure(kind: str, text: str, notes: Optional[List[str]] = None) -> Dict[str, Any]:
    if len(text) > MAX_ERROR:
        half = MAX_ERROR // 2
        text = f"{text[:half]}\n… {len(text) - MAX_ERROR} characters left out …\n{text[-half:]}"
    return {"ok": False, "kind": kind, "error": text, "notes": notes or []}
