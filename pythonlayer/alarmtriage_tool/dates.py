"""A `datetime` that is module and class at once.

Models mix `datetime.now()`, `datetime.datetime.now()`, and `datetime.timedelta(hours=1)` in one program. The
name bound here supports all three. Calling it creates real datetimes. No instance of it ever exists, so
arithmetic, pickling, and serialization work as usual.
"""

import datetime as _module
from typing import Any, Union

_MODULE_NAMES = frozenset(
    name
    for name in ("datetime", "date", "time", "timedelta", "timezone", "tzinfo", "MINYEAR", "MAXYEAR", "UTC")
    if hasattr(_module, name)
)


class _Hybrid(type(_module.datetime)):  # type: ignore[misc]
    """Looks names up in the module first, then in the class."""

    def __getattribute__(cls, name: str) -> Any:
        if name in _MODULE_NAMES:
            return getattr(_module, name)
        if name in ("__mro__", "__bases__", "__dict__", "__class__", "__or__", "__ror__"):
            return type.__getattribute__(cls, name)
        return getattr(_module.datetime, name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _module.datetime(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _module.datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _module.datetime)

    def __eq__(cls, other: Any) -> bool:
        return other is cls or other is _module.datetime

    def __hash__(cls) -> int:
        return hash(_module.datetime)

    def __repr__(cls) -> str:
        return repr(_module.datetime)


Datetime = _Hybrid("datetime", (_module.datetime,), {"__module__": "datetime", "__slots__": ()})
"""Bound to the name `datetime` in the code of a call."""

RealDatetime = _module.datetime
"""Bound instead if the code derives from `datetime` or compares it by identity."""

RealModule = _module

Moment = Union[_module.datetime, float, int]
_MOST_SECONDS = 10**11  # before the year 5138


def epoch(moment: Moment) -> float:
    """Returns a time as seconds since 1970. A number that is too large for that is in milliseconds, as CloudWatch Logs has times."""
    if isinstance(moment, _module.datetime):
        return moment.timestamp()
    number = float(moment)
    return number / 1000 if number > _MOST_SECONDS else number
