"""The warm parent of every call: it imports once, and forks the child of the next call in advance.

It talks to the supervisor over a SOCK_SEQPACKET socket that is descriptor CONTROL_FD. Messages are JSON
unless noted; the package documentation of internal/sandbox shows the same protocol and the states of zygote
and child, and protocol.go there declares the messages as types.

    supervisor -> {"filter": hex, "pid_slots": [..], "search": [..], "warm": [..]}     once
    zygote     -> {"t": "started"}                                                     Python is running; most imports follow
    zygote     -> {"t": "spare", "pid": 7} and a descriptor, the child's channel       for every child
    zygote     -> {"t": "ready", "python": "3.13.0", "boto3": "1.40.0"}                once
    supervisor -> 7                                                                    child 7 is used, has ended, or is gone
    zygote     -> {"t": "exit", "pid": 7, "status": 0, "maxrss": 40960}                for every child

A child waits for its call as a spare. Its channel is a SOCK_SEQPACKET socket too. The supervisor hands the
call directly to the child, because the zygote may be busy creating clients:

    child      -> {"state": "active"}                                                  its system call filter
    supervisor -> b"F" with five descriptors: request, stdout, stderr, result, broker

A spare ends when its channel is closed. The zygote never reads a byte that a model or its code wrote.
"""

import functools
import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence

from . import confine, guard, modules, runner

CONTROL_FD = 3
FIRST_CALL_MS = 100  # idle time before warm-up continues if no call has arrived
MAX_MESSAGE = 1 << 20


class Zygote:
    """Forks a child when the last one is used, and otherwise prepares more for later children, such as clients.

    The garbage collector is off from the start because imported objects never become garbage.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        hello = json.loads(control.recv(MAX_MESSAGE))
        self._send({"t": "started"})
        sys.path.extend(path for path in hello["search"] if path not in sys.path)
        self._filter = confine.Filter(bytes.fromhex(hello["filter"]), hello["pid_slots"])
        self._bound = modules.load()
        # Imported here because botocore may be in a directory of the search path.
        from . import aws_transport, place

        guard.prepare()
        aws_transport.install()
        place.install()
        self._attach = aws_transport.attach
        self._pending: List[Callable[[], Any]] = [functools.partial(_make_client, name) for name in hello["warm"]]
        # The first client loads the code that all clients share, which saves most.
        self._pending[1:1] = [modules.load_rest, confine.native] if self._filter.program else [modules.load_rest]
        self._called = False
        self._spare = 0
        self._stale = False  # whether more was prepared after the spare was forked
        self._wake, wake_in = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_in, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)

    def serve(self) -> NoReturn:
        """Runs until the supervisor closes its end."""
        import boto3

        _share_loader()
        self._fork()
        self._send({"t": "ready", "python": sys.version.split()[0], "boto3": boto3.__version__})
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll(self._poll_timeout())}
            if self._wake in ready:
                self._reap()
            if self._control.fileno() in ready:
                self._handle_request()
            elif self._pending and (self._called or not ready):
                self._prepare()

    def _poll_timeout(self) -> Optional[int]:
        """Returns how many milliseconds to wait for a message before preparing more; None: indefinitely.

        Calls mostly wait for AWS, which leaves time to prepare. The first call arrives right after "ready",
        and preparing then would delay it.
        """
        if not self._pending:
            return None
        return 0 if self._called else FIRST_CALL_MS

    def _prepare(self) -> None:
        """Runs the next pending preparation, which saves time in later calls."""
        self._pending.pop(0)()
        self._stale = True
        if not self._pending:
            self._fork()

    def _handle_request(self) -> None:
        """Forks a child if the supervisor has used the spare or the spare is stale."""
        try:
            message = self._control.recv(16)
        except ConnectionResetError:  # the supervisor ended without reading everything
            message = b""
        if not message:
            os._exit(0)
        self._called = True
        if int(message) == self._spare or self._stale:
            self._fork()

    def _fork(self) -> None:
        """Forks the child of the next call and sends its channel to the supervisor."""
        # Exempts the existing objects from the children's garbage collection, which would copy their pages.
        gc.freeze()
        self._stale = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._spare = os.fork()
        if self._spare == 0:
            _child(self, theirs)
        theirs.close()
        self._send({"t": "spare", "pid": self._spare}, [ours.fileno()])
        ours.close()

    def _reap(self) -> None:
        """Reports the children that have ended."""
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
            self._send({"t": "exit", "pid": pid, "status": status, "maxrss": usage.ru_maxrss})

    def _send(self, message: Dict[str, Any], fds: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], fds)
        except OSError:
            os._exit(0)


def _child(zygote: Zygote, channel: socket.socket) -> NoReturn:
    """Confines itself, waits for its call, and runs it. Never returns to the zygote's loop."""
    try:
        keep = channel.fileno()
        confine.detach()
        os.closerange(3, keep)
        os.closerange(keep + 1, 256)
        layer = confine.filter_calls(zygote._filter)
        guard.install()
        stage = runner.Stage(zygote._bound)
        channel.send(json.dumps(layer).encode())
        if not select.select([channel], [], [], 0)[0]:
            stage.rehearse()
        message, fds, _, _ = socket.recv_fds(channel, 16, 8)
        channel.close()
        if not message or len(fds) != 5:
            os._exit(0)
        sys.excepthook = sys.__excepthook__  # from here on, stderr belongs to the call and not to the function's log
        stage.run(runner.Descriptors(*fds), zygote._attach)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the supervisor closed the channel: it does not need this child
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(70)


def _make_client(service: str) -> None:
    """Creates a client, which loads the service's model for later clients."""
    import boto3

    try:
        boto3.client(service)
    except Exception:
        # This boto3 does not know the service, or there is no Region: the call that needs it reports that.
        pass


def _share_loader() -> None:
    """Makes every botocore session of this process share one loader, which saves about 80 ms per session."""
    import botocore.loaders
    import botocore.session

    loader = botocore.loaders.create_loader(os.environ.get("AWS_DATA_PATH"))
    shared = lambda search_path_string=None: loader  # noqa: E731
    botocore.loaders.create_loader = shared
    botocore.session.create_loader = shared


def main() -> NoReturn:
    """Serves on descriptor CONTROL_FD. This package's parent directory is in sys.path."""
    control = socket.socket(fileno=CONTROL_FD)
    Zygote(control).serve()

