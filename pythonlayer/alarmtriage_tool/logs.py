"""Groups log lines by pattern, so that a thousand errors become a handful of lines.

It reads with FilterLogEvents, which costs nothing. Log lines are data that anyone may have written: this module counts
and shortens them, and never acts on them.
"""

import json
import re
import time
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple, Union

MAX_PAGES = 8  # of FilterLogEvents, for one period
SECONDS = 8.0  # time for one period
MAX_PATTERNS = 20
MAX_TEXT = 300  # characters of a pattern and of an example

# The lines that CloudWatch Logs returns: those with a word that errors have. Any one of these terms is enough.
ERROR_FILTER = (
    '?ERROR ?Error ?error ?Exception ?exception ?FATAL ?Fatal ?fatal ?CRITICAL ?Critical ?Traceback ?panic ?PANIC '
    '?"timed out" ?"Timed out" ?timeout ?Timeout ?denied ?Denied ?refused ?failed ?Failed ?FAILED ?"out of memory" ?OutOfMemory'
)
_ERROR = re.compile(
    r"(?i)\b(?:error|fatal|critical|panic|traceback|denied|refused|failed|failure|timed? ?out)\b|Error\b|Exception\b|OutOfMemory|out of memory")
# A count of no errors. "1,000 errors", "2.0 errors", and "no error handler" are something else.
_NO_ERRORS = re.compile(
    r"(?i)(?<![\w.,])(?:0|no)\s+(?:errors?|failures?|exceptions?|timeouts?)\b(?!\(s\)\w|\s+(?:handl|message|description|detail|code|response|page|budget))")
# A name of errors with an empty value. _is_field says whether it is a field that reports that nothing failed.
_EMPTY = re.compile(
    r"""(?i)(?P<open>\\*["'])?\b(?P<name>errors?|exceptions?|failures?|failed|denied|refused|fatal|critical|panics?|time(?:d[ _-]?)?outs?)"""
    r"""(?P<close>\\*["'])?(?P<sign>\s*[:=]\s*)(?P<value>0(?![\w%]|[.,]\d)|(?:null|none|nil|undefined|false)\b(?![.(\[])|<nil>|\[\]|\{\}|\\*""|\\*''|"""
    r"""\\*["'](?:0|none|null|false)\\*["'])""")
_PLURALS = ("errors", "exceptions", "failures", "panics", "timeouts")
_SIGNS = "{,;|([&?<"  # before a field, and in their closing form behind it
_LAST_WORD = re.compile(r"""([^\s"'=:,;|(){}\[\]]+)[ \t]+$""")

# What differs between two lines of the same pattern, the longest forms first.
_VARIABLE = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b(?=[0-9A-Za-z+/_-]*\d)(?=[0-9A-Za-z+/_-]*[A-Za-z])[0-9A-Za-z+/_-]{20,}={0,2}"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "<id>"),
    (re.compile(r"(?<![A-Za-z])\d+(?:\.\d+)?"), "<n>"),
)
_MESSAGE_KEYS = ("errorMessage", "message", "msg", "error", "err", "exception", "log", "detail", "reason")
_LEVEL_KEYS = ("errorType", "level", "severity", "levelname", "log.level", "lvl")
Moment = Union[datetime, float, int]


def log_patterns(
    group: str, start: Moment, end: Optional[Moment] = None, filter: Optional[str] = None, region: Optional[str] = None,
    client: Any = None,
) -> Dict[str, Any]:
    """Groups the error lines of a log group by pattern.

    `group` is a name or an ARN, `start` and `end` are datetimes or seconds since 1970. `filter` is another filter pattern of
    CloudWatch Logs; with it, all lines that match are grouped. Returns `patterns` (the most frequent first, each with `pattern`, `count`, `first`,
    `last`, and `example`), `lines` (how many were grouped), and `complete`, which is False if there are lines that
    were not read.
    """
    import boto3

    client = client or boto3.client("logs", region_name=region)
    until = time.monotonic() + SECONDS
    by_arn = group.startswith("arn:")
    request: Dict[str, Any] = {
        "logGroupIdentifier" if by_arn else "logGroupName": group[:-2] if by_arn and group.endswith(":*") else group,
        "startTime": int(_seconds(start) * 1000), "endTime": int(_seconds(end or time.time()) * 1000),
        "filterPattern": ERROR_FILTER if filter is None else filter,
    }
    groups: Dict[str, Dict[str, Any]] = {}
    lines, complete = 0, False
    for _ in range(MAX_PAGES):
        answer = client.filter_log_events(**request)
        for event in answer.get("events") or []:
            message = event.get("message") or ""
            if filter is None and not is_error(message):
                continue
            lines += 1
            _add(groups, message, event.get("timestamp") or 0)
        token = answer.get("nextToken")
        if not token or token == request.get("nextToken"):
            complete = True
            break
        if time.monotonic() > until:
            break
        request["nextToken"] = token
    ranked = sorted(groups.values(), key=lambda g: (-g["count"], g["first"]))
    for found in ranked:
        found["first"], found["last"] = _stamp(found["first"]), _stamp(found["last"])
    return {"patterns": ranked[:MAX_PATTERNS], "lines": lines, "complete": complete and len(ranked) <= MAX_PATTERNS}


def is_error(message: str) -> bool:
    """Reports whether a log line reports an error."""
    return bool(_ERROR.search(_EMPTY.sub(lambda found: "" if _is_field(found) else found[0], _NO_ERRORS.sub("", message))))


def _is_field(found: "re.Match[str]") -> bool:
    """Reports whether a name and its empty value report that nothing failed.

    In "error=null" and "failed: 0", they do. In "Connection failed: null" and "Error: undefined", the name ends a sentence or is a
    type of exceptions, and the value is a message that the code did not set.
    """
    before, after = found.string[: found.start()], found.string[found.end() :].lstrip(" \t")
    if found["open"] and found["close"] or found["name"].lower() in _PLURALS:
        return True
    if found["sign"] == "=":
        return True
    word = _LAST_WORD.search(before)
    if found["value"] == "0":  # a count: "records failed: 0", but not "connection failed: 0"
        return found["name"].lower() not in ("error", "exception") and (word is None or word[1][-1] == "s" or not word[1][-1].isalpha()) \
            or _is_between(before, after)
    return _is_between(before, after)


def _is_between(before: str, after: str) -> bool:
    """Reports whether a name and its value are one of several fields, or a line of a formatted object."""
    before = before.rstrip(" \t")
    return bool(before) and before[-1] in _SIGNS and (not after or after[0] in ",;|)]}&>" or after[0] in "\r\n") \
        or (not before or before[-1] == "\n") and after[:1] == ","


def summary_of(message: str) -> str:
    """Returns the part of a log line that says what happened: level and message of JSON, or the first and last line of a trace."""
    text = message.strip()
    start = text.find("{")
    if 0 <= start <= 120 and text.endswith("}"):
        try:
            fields = json.loads(text[start:])
        except (ValueError, RecursionError):  # a line may nest more deeply than Python parses
            fields = None
        if isinstance(fields, dict):
            found = _from_fields(fields)
            if found:
                return found[:MAX_TEXT]
    parts = [line.strip() for line in re.split(r"[\n\r\u00a0]+", text) if line.strip()]
    if not parts:
        return ""
    if len(parts) > 1 and ("Traceback" in text or "[ERROR]" in parts[0]) and _ERROR.search(parts[-1]) and parts[-1] != parts[0]:
        return f"{parts[0][:140]} … {parts[-1]}"[:MAX_TEXT]
    return parts[0][:MAX_TEXT]


def pattern_of(summary: str) -> str:
    """Returns a line with marks in the place of times, IDs, addresses, and numbers."""
    for form, mark in _VARIABLE:
        summary = form.sub(mark, summary)
    return " ".join(summary.split())


def _from_fields(fields: Dict[str, Any], depth: int = 0) -> str:
    words: List[str] = []
    for keys in (_LEVEL_KEYS, _MESSAGE_KEYS):
        for key in keys:
            value = fields.get(key)
            if isinstance(value, dict) and depth < 3:
                value = _from_fields(value, depth + 1)
            if isinstance(value, str) and value.strip() and value not in words:
                words.append(value.strip())
                break
    return " ".join(words)


def _add(groups: Dict[str, Dict[str, Any]], message: str, at: int) -> None:
    example = summary_of(message)
    pattern = pattern_of(example)
    found = groups.get(pattern)
    if found is None:
        found = groups[pattern] = {"pattern": pattern, "count": 0, "first": at, "last": at, "example": example}
    found["count"] += 1
    found["first"], found["last"] = min(found["first"], at), max(found["last"], at)


def _seconds(moment: Moment) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def _stamp(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
