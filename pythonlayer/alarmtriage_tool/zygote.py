"""The warm parent of every call: imports once, and forks the child of the next call ahead.

Protocol with the supervisor, over a SOCK_SEQPACKET socket that is descriptor CONTROL_FD:

    supervisor -> {"filter": hex, "pid_slots": [..], "search": [..], "warm": [..]}     once
    zygote     -> {"t": "started"}                                                     Python is up, and imports next
    zygote     -> {"t": "spare", "pid": 7} and a descriptor, the spare's channel       whenever one is forked
    zygote     -> {"t": "ready", "python": "3.13.0", "boto3": "1.40.0"}
    supervisor -> b"7"                                                                 spare 7 is used, has ended, or is gone
    zygote     -> {"t": "exit", "pid": 7, "status": 0, "maxrss": 40960}               for every child

A spare's channel is a SOCK_SEQPACKET socket too. The supervisor gives it the call itself, so that no call
waits for the zygote, which may be busy with making clients:

    spare      -> b"active"                                                            its system call filter
    supervisor -> b"F" with five descriptors: request, stdout, stderr, result, broker

A spare whose channel is closed ends. The zygote never reads a byte that a model or its code wrote.
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
FIRST_CALL_MS = 100  # that the first call is waited for before more is prepared
MAX_MESSAGE = 1 << 20


class Zygote:
    """The loop: fork a spare when the last one is used, else prepare more.

    The garbage collector is off from the start: nothing that is imported is ever garbage.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        hello = json.loads(control.recv(MAX_MESSAGE))
        self._send({"t": "started"})
        sys.path.extend(path for path in hello["search"] if path not in sys.path)
        self._filter = confine.Filter(bytes.fromhex(hello["filter"]), hello["pid_slots"])
        self._bound = modules.load()
        # It imports botocore, which may lie in a directory of the search path.
        from . import aws_transport

        aws_transport.install()
        self._attach = aws_transport.attach
        self._later: List[Callable[[], Any]] = [functools.partial(_make_client, name) for name in hello["warm"]]
        # The first client brings what all have in common, which saves most.
        self._later[1:1] = [modules.load_rest, confine.native] if self._filter.program else [modules.load_rest]
        self._called = False
        self._spare = 0
        self._stale = False  # more was prepared since the spare was forked
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
        self._send({"t": "ready", "python": sys.version.split()[0], "boto3": boto3.__version__})
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll(self._patience())}
            if self._wake in ready:
                self._reap()
            if self._control.fileno() in ready:
                self._replace()
            elif self._later and (self._called or not ready):
                self._prepare()

    def _patience(self) -> Optional[int]:
        """How many milliseconds to wait for a message before preparing more; None: for ever.

        While a call runs, mostly waiting for AWS, there is time. Before the first one there is none: it
        comes as soon as "ready" is said.
        """
        if not self._later:
            return None
        return 0 if self._called else FIRST_CALL_MS

    def _prepare(self) -> None:
        """Does one more thing that saves calls time."""
        self._later.pop(0)()
        self._stale = True
        if not self._later:
            self._fork()

    def _replace(self) -> None:
        """Forks anew, unless the spare is another than the one that the supervisor has used, and up to date."""
        message = self._control.recv(16)
        if not message:
            os._exit(0)
        self._called = True
        if int(message) == self._spare or self._stale:
            self._fork()

    def _fork(self) -> None:
        # What there is now stays: the children's garbage collections shall not touch, and so copy, it.
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
    """Confines itself, waits for its call, runs it. Never returns into the zygote's loop."""
    try:
        keep = channel.fileno()
        confine.detach()
        os.closerange(3, keep)
        os.closerange(keep + 1, 256)
        state = confine.filter_calls(zygote._filter)
        guard.install()
        stage = runner.Stage(zygote._bound)
        channel.send(state.encode())
        if not select.select([channel], [], [], 0)[0]:
            stage.rehearse()
        message, fds, _, _ = socket.recv_fds(channel, 16, 8)
        channel.close()
        if not message or len(fds) != 5:
            os._exit(0)
        sys.excepthook = sys.__excepthook__  # from here on, stderr is the call's and no longer the function's log
        stage.run(runner.Descriptors(*fds), zygote._attach)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the supervisor has no use for this spare
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(70)


def _make_client(service: str) -> None:
    """Loads what clients of a service have in common, by making one."""
    import boto3

    try:
        boto3.client(service)
    except Exception:
        # A service this boto3 does not know, or no region: the call that needs it will say so.
        pass


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

