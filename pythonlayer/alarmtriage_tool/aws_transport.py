"""Connects botocore to AWS from a process that has neither a network nor credentials.

`URLLib3Session.send` is replaced. Each request goes, as a whole, over a local socket to the broker in the
supervisor. The broker checks the request, signs it with the function's credentials, sends it, and streams the
answer back. It reads the Region and the service from the dummy signature that botocore made.

    control socket   one byte and one descriptor: a new connection (a socketpair made here)
    request          u32 length | JSON {"m": method, "u": url, "h": [[name, value]..], "n": body length} | body
    answer           u32 length | JSON {"s": status, "h": [[name, value]..]} | chunks: i32 n | n bytes
                     n = 0 ends the body; n < 0 is an error text of -n bytes
    failure          u32 length | JSON {"e": text, "k": "refused" | "connect" | "timeout"}

The Go types are requestHead and answerHead in internal/broker/exchange.go. This module protects nothing: it
only speaks the protocol. The broker decides which requests pass.
"""

import io
import json
import os
import socket
import struct
import threading
from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, Tuple

import botocore.auth
import botocore.httpsession
import botocore.regions
import botocore.signers
import urllib3.response
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    EndpointConnectionError,
    MissingDependencyException,
    ReadTimeoutError,
    UnknownSignatureVersionError,
)

from . import place

_MAX_HEADER = 1 << 20
_MAX_BODY = 16 << 20  # of a request; the broker closes the connection beyond these limits
_BUFFER = 1 << 15
_BODY_BLOCK = 1 << 18

_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder().decode
_pack_size, _unpack_size = struct.Struct("<I").pack, struct.Struct("<i").unpack

_original_signing_context = botocore.regions.EndpointRulesetResolver.auth_schemes_to_signing_ctx


class RequestRefused(BotoCoreError):
    """The broker did not send the request. botocore does not retry this."""

    fmt = "{reason}"


class AnswerInterrupted(ReadTimeoutError):
    """The broker did not receive or pass on the whole answer. botocore retries the request as after a timeout."""

    fmt = "The answer of {endpoint_url} ended early: {error}"


class _Connection:
    """A connection for one request at a time. Reads are buffered: a short answer takes one system call."""

    def __init__(self, end: socket.socket) -> None:
        self.send, self._close = end.sendall, end.close
        reader = end.makefile("rb", _BUFFER)
        self.read, self.readinto, self._close_reader = reader.read, reader.readinto1, reader.close

    def exactly(self, size: int, url: str) -> bytes:
        """Reads that many bytes."""
        try:
            data = self.read(size)
        except OSError:
            data = b""
        if len(data) < size:
            raise ConnectionClosedError(endpoint_url=url)
        return data

    def close(self) -> None:
        """Closes both directions."""
        self._close_reader()
        self._close()


class _Channel:
    """The socket to the broker, and the idle connections."""

    def __init__(self) -> None:
        self._control = -1
        self._free: List[_Connection] = []
        self._lock = threading.Lock()

    def open(self, control: int) -> None:
        self._control = control

    def take(self) -> _Connection:
        with self._lock:
            if self._free:
                return self._free.pop()
        if self._control < 0:
            raise RequestRefused(reason="AWS cannot be reached while the sandbox is starting")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=os.dup(self._control)) as control:
                socket.send_fds(control, [b"C"], [theirs.fileno()])
        finally:
            theirs.close()
        return _Connection(ours)

    def give_back(self, connection: _Connection) -> None:
        with self._lock:
            self._free.append(connection)


_channel = _Channel()


class _Body(io.RawIOBase):
    """The body of an answer, with the interface of urllib3 that botocore uses."""

    def __init__(self, connection: _Connection, url: str) -> None:
        self._connection: Optional[_Connection] = connection
        self._url = url
        self._left = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._connection is None or not len(buffer):
            return 0
        if self._left == 0 and not self._next_chunk():
            return 0
        try:
            count = self._connection.readinto(memoryview(buffer)[: self._left])
        except OSError:
            count = 0
        if count == 0:
            self.close()
            raise ConnectionClosedError(endpoint_url=self._url)
        self._left -= count
        return count

    def _next_chunk(self) -> bool:
        connection = self._connection
        assert connection is not None
        size = _size(connection, self._url)
        if size > 0:
            self._left = size
            return True
        if size < 0:
            error = _broken(connection, size, self._url)
            self.close()
            raise error
        self._connection = None
        _channel.give_back(connection)
        return False

    def close(self) -> None:
        """Closes the connection if its answer was not read to the end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        super().close()


def install() -> None:
    """Sends every botocore request of this process and its children through the broker."""
    botocore.httpsession.URLLib3Session.__init__ = _make_session
    botocore.httpsession.URLLib3Session.send = _send
    botocore.httpsession.URLLib3Session.close = lambda self: None
    botocore.signers.RequestSigner.generate_presigned_url = _no_presigning
    botocore.signers.S3PostPresigner.generate_presigned_post = _no_presigning
    signer = botocore.auth.SigV4Auth
    signer.canonical_request = _unless_dummy(signer.canonical_request, "")
    signer.signature = _unless_dummy(signer.signature, "0" * 64)
    for name in [name for name in botocore.auth.AUTH_TYPE_MAPS if "v4a" in name]:
        del botocore.auth.AUTH_TYPE_MAPS[name]  # botocore adds these if awscrt is installed
    botocore.regions.EndpointRulesetResolver.auth_schemes_to_signing_ctx = _signing_context


def attach(control: int) -> None:
    """Connects this process to the broker behind a SOCK_SEQPACKET descriptor."""
    _channel.open(control)


def _make_session(self: Any, *args: Any, **kwargs: Any) -> None:
    """Creates a session without loading certificates, which takes 30 ms and is not needed here."""


def _unless_dummy(method: Callable[..., str], instead: str) -> Callable[..., str]:
    """Skips the computation of signatures that the broker replaces; the broker reads only their scope."""
    dummy = os.environ.get("AWS_ACCESS_KEY_ID")

    def unless_dummy(self: Any, *args: Any, **kwargs: Any) -> str:
        key = self.credentials.access_key
        return instead if key == dummy or key.startswith(place.KEY_PREFIX) else method(self, *args, **kwargs)

    return unless_dummy


def _no_presigning(*args: Any, **kwargs: Any) -> NoReturn:
    raise RequestRefused(
        reason="presigned URLs cannot be created here: this code has no credentials to sign with. Call the API instead."
    )


def _signing_context(self: Any, auth_schemes: List[Dict[str, Any]]) -> Tuple[str, Dict[str, Any]]:
    """Explains the failure if an endpoint accepts only SigV4a signatures."""
    try:
        return _original_signing_context(self, auth_schemes)
    except (MissingDependencyException, UnknownSignatureVersionError):
        raise RequestRefused(
            reason="this endpoint accepts only SigV4a signatures, which cannot be created here: this code has no credentials"
            " to sign with. Use an endpoint of one Region, such as the bucket behind a Multi-Region Access Point."
        ) from None


def _send(self: Any, request: Any) -> AWSResponse:
    url = request.url
    connection = _channel.take()
    try:
        _write_request(connection, request)
        head = _read_head(connection, url)
    except BaseException:
        connection.close()
        raise
    if "e" in head:
        _channel.give_back(connection)
        raise _failure(head, url)
    headers = _headers(head["h"])
    if request.stream_output:
        return _streamed(connection, request, head, headers)
    response = AWSResponse(url, head["s"], headers, _Read())
    response._content = _content(connection, url)
    return response


def _streamed(connection: _Connection, request: Any, head: Dict[str, Any], headers: Any) -> AWSResponse:
    """Returns an answer whose body the caller reads. It is not decoded, as in botocore."""
    body = _Body(connection, request.url)
    is_events = headers.get("Content-Type", "").startswith("application/vnd.amazon.eventstream")
    raw = urllib3.response.HTTPResponse(
        body=body if is_events else io.BufferedReader(body),  # a buffer would wait until it is full
        headers=head["h"],
        status=head["s"],
        preload_content=False,
        decode_content=False,
        request_method=request.method,
    )
    return AWSResponse(request.url, head["s"], headers, raw)


def _headers(pairs: List[Tuple[str, str]]) -> Dict[str, str]:
    """Returns the headers by name. Values of a repeated header are joined, as urllib3 does."""
    headers: Dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class _Read(io.BytesIO):
    """The raw stream of an answer whose body was already read completely. It is empty."""

    def stream(self, amt: int = 1 << 16, decode_content: Optional[bool] = None) -> Iterator[bytes]:
        """Yields nothing, as urllib3's response does at its end."""
        return iter(())


def _content(connection: _Connection, url: str) -> bytes:
    """Reads a whole body. Most have one chunk."""
    chunks: List[bytes] = []
    try:
        while (size := _size(connection, url)) > 0:
            chunks.append(connection.exactly(size, url))
        if size < 0:
            raise _broken(connection, size, url)
    except BaseException:
        connection.close()
        raise
    _channel.give_back(connection)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _size(connection: _Connection, url: str) -> int:
    """Reads the length of the next part."""
    (size,) = _unpack_size(connection.exactly(4, url))
    return size


def _broken(connection: _Connection, size: int, url: str) -> BotoCoreError:
    """Reads the error text that ended a body early and returns the exception for it."""
    return AnswerInterrupted(endpoint_url=url, error=connection.exactly(-size, url).decode("utf-8", "replace"))


def _write_request(connection: _Connection, request: Any) -> None:
    headers = [[_text(name), _text(value)] for name, value in request.headers.items()]
    body = _whole(request.body)
    head = _encode({"m": request.method, "u": request.url, "h": headers, "n": len(body)}).encode()
    for part, size, limit in (("body", len(body), _MAX_BODY), ("URL and headers", len(head), _MAX_HEADER)):
        if size > limit:
            reason = f"a request with {size} bytes of {part} is not possible here; the limit is {limit >> 20} MB"
            raise RequestRefused(reason=reason)
    try:
        connection.send(b"".join((_pack_size(len(head)), head, body)))
    except OSError:
        # The broker may have refused the request before all of it was sent; its answer gives the reason.
        pass


def _whole(body: Any) -> bytes:
    """Returns a whole request body, which may be a file or an iterable."""
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode("utf-8")
    if hasattr(body, "read"):
        blocks = iter(lambda: body.read(_BODY_BLOCK) or b"", b"")
        return b"".join(block.encode("utf-8") if isinstance(block, str) else block for block in blocks)
    return b"".join(body)


def _read_head(connection: _Connection, url: str) -> Dict[str, Any]:
    size = _size(connection, url)
    if not 0 <= size <= _MAX_HEADER:
        raise ConnectionClosedError(endpoint_url=url)
    return _decode(connection.exactly(size, url).decode("utf-8"))


def _failure(head: Dict[str, Any], url: str) -> BotoCoreError:
    """Returns the exception for a request that has no answer."""
    if head.get("k") == "connect":
        return EndpointConnectionError(endpoint_url=url, error=head["e"])
    if head.get("k") == "timeout":
        return ReadTimeoutError(endpoint_url=url, error=head["e"])
    return RequestRefused(reason=head["e"])


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
