"""Converts any Python value to JSON without trusting the value's own methods."""

import base64
import collections
import datetime
import decimal
import json
import math
from typing import Any, Dict, Set, Tuple

from .words import beginning

MAX_DEPTH = 40
MAX_ITEMS = 200_000  # values in one result; one text replaces the rest
MAX_TEXT = 500_000  # characters of a result that are sent; one can take 12 bytes in the message, which may have 8 MB
MAX_REPR = 2_000  # characters of the repr of one value that is not JSON

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_SERIES = frozenset((collections.deque, range, type({}.keys()), type({}.values()), type({}.items())))  # shown as lists


class _Walk:
    def __init__(self) -> None:
        self.items = 0
        self.open: Set[int] = set()


def to_json(value: Any) -> str:
    """Returns the value as JSON text. A value that JSON cannot express becomes its `str` or `repr`."""
    return _encode(_plain(value, 0, _Walk()))


def to_short_json(value: Any) -> Tuple[str, int]:
    """Returns the value as JSON text, and how many bytes of it are left out because it is too long to send.

    A long value becomes a string with its beginning and its end. The supervisor shortens it further.
    """
    text = to_json(value)
    shown = value if type(value) is str else text
    if len(shown) <= MAX_TEXT:
        return text, 0
    half = MAX_TEXT // 2
    end = len(shown) - half
    blocks = (shown[at : min(at + MAX_TEXT, end)] for at in range(half, end, MAX_TEXT))  # a copy of all could exceed the memory
    return _encode(shown[:half] + shown[-half:]), sum(len(block.encode("utf-8", "surrogatepass")) for block in blocks)


def _plain(value: Any, depth: int, walk: _Walk) -> Any:
    walk.items += 1
    if walk.items > MAX_ITEMS:
        return "… truncated: too many values"
    kind = type(value)
    if value is None or kind is bool or kind is int and -(2**63) <= value < 2**63:
        return value
    if kind is str:
        return value
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else shown(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return _text(bytes(value))
    if isinstance(value, (dict, list, tuple, set, frozenset)) or kind in _SERIES:
        return _container(value, depth, walk)
    return shown(value)


def _container(value: Any, depth: int, walk: _Walk) -> Any:
    if id(value) in walk.open:
        return "… truncated: contains itself"
    if depth >= MAX_DEPTH:
        return "… truncated: nested too deeply"
    walk.open.add(id(value))
    try:
        if isinstance(value, dict):
            return _fields(value, depth, walk)
        items = []
        for item in _ordered(value):
            items.append(_plain(item, depth + 1, walk))
            if walk.items > MAX_ITEMS:
                break
        return items
    finally:
        walk.open.discard(id(value))


def _fields(value: Any, depth: int, walk: _Walk) -> Any:
    """Returns a dictionary with texts as keys. Keys that have the same text, such as 1 and "1", get their types too."""
    fields: Dict[str, Any] = {}
    for k, v in dict.items(value):
        name = _key(k)
        while name in fields:
            name = f"{name} ({type(k).__name__})"
        fields[name] = _plain(v, depth + 1, walk)
        if walk.items > MAX_ITEMS:
            break
    return fields


def _ordered(value: Any) -> Any:
    if not isinstance(value, (set, frozenset)):
        return value
    try:
        return sorted(value)
    except Exception:
        return list(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if type(key) is int:
        return shown(key)  # JSON's encoder fails on one that is too long for Python to write
    if key is None or isinstance(key, (bool, int, float)):
        return _encode(key) if not isinstance(key, float) or math.isfinite(key) else repr(key)
    if isinstance(key, (datetime.datetime, datetime.date)):
        return key.isoformat()
    return shown(key)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode("ascii")


def shown(value: Any) -> str:
    """Returns the value's repr, truncated, or a text if the repr fails."""
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: its repr failed with {type(error).__name__}>"
    if not isinstance(text, str):
        return f"<{type(value).__name__}>"
    return text if len(text) <= MAX_REPR else beginning(text, MAX_REPR) + f"… truncated: {len(text)} characters in total"
