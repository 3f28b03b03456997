"""The warm parent of every call: imports once, forks a child ahead, hands it the next call.

Protocol with the supervisor, over a SOCK_SEQPACKET socket that is descriptor CONTROL_FD:

    supervisor -> {"filter": hex, "pid_slots": [..], "search": [..], "warm": [..]}     once
    zygote     -> {"t": "ready", "python": "3.13.0", "boto3": "1.40.0", "layers": {..}}
    zygote     -> {"t": "spare", "pid": 7, "seccomp": "active"}                       whenever one is forked
    supervisor -> b"F" with five descriptors: request, stdout, stderr, result, broker
    zygote     -> {"t": "took", "pid": 7}
    zygote     -> {"t": "exit", "pid": 7, "status": 0, "maxrss": 40960}               for every child

The zygote never reads a byte that a model or its code wrote.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any, Dict, List, NoReturn, Optional

from . import confine, guard, modules, runner

CONTROL_FD = 3
FIRST_CALL_MS = 100  # that the first call is waited for before clients are made
MAX_MESSAGE = 1 << 20


class Zygote:
    """The loop: hand over calls first, then keep a spare child, then warm more clients."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        hello = json.loads(control.recv(MAX_MESSAGE))
        sys.path.extend(path for path in hello["search"] if path not in sys.path)
        gc.disable()
        self._filter = confine.Filter(bytes.fromhex(hello["filter"]), hello["pid_slots"])
        self._bound = modules.load()
        # It imports botocore, which may lie in a directory of the search path.
        from . import aws_transport

        aws_transport.install()
        self._attach = aws_transport.attach
        self._to_warm: List[str] = list(hello["warm"])
        self._spare: Optional[Spare] = None
        self._wake, wake_in = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_in, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)

    def serve(self) -> NoReturn:
        """Works until the supervisor closes its end."""
        import boto3

        _share_loader()
        self._fork()
        layers = json.loads(os.environ.pop("ALARMTRIAGE_LAYERS", "{}"))
        self._send(
            {"t": "ready", "python": sys.version.split()[0], "boto3": boto3.__version__, "layers": layers}
        )
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll(self._patience())}
            if self._wake in ready:
                self._reap()
            if self._control.fileno() in ready:
                self._hand_over()
            elif self._to_warm:
                self._warm()
            elif self._spare is None:
                self._fork()

    def _patience(self) -> Optional[int]:
        """How many milliseconds to wait for a call before doing something else; None: for ever."""
        if not self._to_warm:
            return 0 if self._spare is None else None
        # While a call runs, mostly waiting for AWS, there is time. Before the first one there is none:
        # it comes as soon as "ready" is said.
        return 0 if self._spare is None else FIRST_CALL_MS

    def _warm(self) -> None:
        """Makes one more client, and a new spare once the last one is made."""
        import boto3

        try:
            boto3.client(self._to_warm.pop(0))
        except Exception:
            # A service this boto3 does not know, or no region: the call that needs it will say so.
            pass
        if not self._to_warm:
            self._retire()
            gc.collect()
            gc.freeze()

    def _hand_over(self) -> None:
        message, fds, _, _ = socket.recv_fds(self._control, 16, 8)
        if not message:
            os._exit(0)
        if self._spare is None:
            self._fork()
        spare, self._spare = self._spare, None
        try:
            socket.send_fds(spare.channel, [b"F"], fds)
        except OSError:
            # It died between two calls. The supervisor learns of its exit and of this one's failure.
            pass
        finally:
            spare.channel.close()
            for fd in fds:
                os.close(fd)
        self._send({"t": "took", "pid": spare.pid})

    def _retire(self) -> None:
        if self._spare is not None:
            self._spare.channel.close()
            self._spare = None

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            _child(self, theirs)
        theirs.close()
        state = ours.recv(256)
        self._spare = Spare(pid, ours)
        self._send({"t": "spare", "pid": pid, "seccomp": state.decode("utf-8", "replace") or "died"})

    def _reap(self) -> None:
        try:
            os.read(self._wake, 512)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._spare is not None and self._spare.pid == pid:
                self._retire()
            self._send({"t": "exit", "pid": pid, "status": status, "maxrss": usage.ru_maxrss})

    def _send(self, message: Dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            os._exit(0)


class Spare:
    """A child that waits for a call."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel


def _child(zygote: Zygote, channel: socket.socket) -> NoReturn:
    """Confines itself, waits for its call, runs it. Never returns into the zygote's loop."""
    try:
        keep = channel.fileno()
        confine.detach()
        os.closerange(3, keep)
        os.closerange(keep + 1, 256)
        state = confine.filter_calls(zygote._filter)
        guard.install()
        channel.send(state.encode())
        message, fds, _, _ = socket.recv_fds(channel, 16, 8)
        channel.close()
        if not message or len(fds) != 5:
            os._exit(0)
        runner.run(runner.Descriptors(*fds), zygote._bound, zygote._attach)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(70)


def _share_loader() -> None:
    """Lets every botocore session of this process share one loader: 100 ms become 18."""
    import botocore.loaders
    import botocore.session

    loader = botocore.loaders.create_loader(os.environ.get("AWS_DATA_PATH"))
    shared = lambda search_path_string=None: loader  # noqa: E731
    botocore.loaders.create_loader = shared
    botocore.session.create_loader = shared


def main() -> NoReturn:
    """Runs with the control socket as descriptor CONTROL_FD and this package's parent in sys.path."""
    control = socket.socket(fileno=CONTROL_FD)
    Zygote(control).serve()

