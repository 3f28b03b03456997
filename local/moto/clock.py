"""The time that moto uses: that of the request that a thread handles, if the request has one, otherwise the real time.

Import it before moto, whose modules copy the names of what it replaces.
"""

import datetime
import threading
import time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

request = threading.local()  # at: seconds since 1970, or None

_real, _time = datetime.datetime, time.time


class _Kind(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, _real)

    def __subclasscheck__(cls, other: Any) -> bool:
        return issubclass(other, _real)


class Staged(_real, metaclass=_Kind):
    """datetime.datetime, with another idea of now."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _real.fromtimestamp(seconds(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _real.fromtimestamp(seconds(), datetime.timezone.utc).replace(tzinfo=None)


def seconds() -> float:
    """Returns the time in seconds since 1970."""
    return getattr(request, "at", None) or _time()


def _sign() -> None:
    """Signs a certificate. cryptography, which moto signs messages with, keeps the class of times that it finds first."""
    key, name, now = ed25519.Ed25519PrivateKey.generate(), x509.Name([]), _real.now(datetime.timezone.utc)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    certificate.sign(key, None)


_sign()  # before the next line
datetime.datetime, time.time = Staged, seconds  # type: ignore[misc]
