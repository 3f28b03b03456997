"""Groups log lines by pattern, so that a thousand errors become a handful of lines.

It reads with FilterLogEvents, which costs nothing. Log lines are data that anyone may have written: this module counts
and shortens them, and never acts on them.
"""

import json
import re
import time
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import place
from .dates import Moment, epoch
from .words import beginning

MAX_PAGES = 8  # of FilterLogEvents, for one period
SECONDS = 8.0  # time for one period
PAGE_SECONDS = 1.0  # time for the lines of one page, also if it was answered late
MAX_PATTERNS = 20  # that `log_patterns` returns
MAX_DEPTH = 50  # of the fields that are searched in a line whose level is below that of errors
LINE_START, LINE_END = 16_000, 4_000  # characters at the start and at the end of a long line that are searched for words of errors
MAX_TEXT = 600  # characters of a pattern and of an example: AWS gives the reason at the end of a long denial

# The lines that CloudWatch Logs returns: those with a word that errors have. Any one of these terms is enough.
ERROR_FILTER = (
    '?ERROR ?Error ?error ?EXCEPTION ?Exception ?exception ?FATAL ?Fatal ?fatal ?CRITICAL ?Critical ?critical '
    '?TRACEBACK ?Traceback ?traceback ?PANIC ?Panic ?panic '
    '?"timed out" ?"Timed out" ?"Timed Out" ?"TIMED OUT" ?"time out" ?"Time out" ?TimedOut ?timeout ?Timeout ?TimeOut ?TIMEOUT '
    '?denied ?Denied ?DENIED ?refused ?Refused ?REFUSED '
    '?failed ?Failed ?FAILED ?failure ?Failure ?FAILURE ?"out of memory" ?"Out of memory" ?"Out Of Memory" ?"OUT OF MEMORY" ?OutOfMemory '
    '?FEHLER ?Fehler ?fehler ?FEHLGESCHLAGEN ?Fehlgeschlagen ?fehlgeschlagen ?ERREUR ?Erreur ?erreur ?"échec" ?"Échec" ?"ÉCHEC" '
    '?"échoué" ?"Échoué" ?"ÉCHOUÉ" ?ERRORE ?ERRO ?Erro ?erro ?falha ?Falha ?FALHA ?falhou ?Falhou ?FALHOU ?"falló" ?"Falló" ?"FALLÓ" '
    '?"エラー" ?"失敗" ?"例外" ?"错误" ?"失败" ?"异常" ?"오류" ?"실패"'
)
WARNING_FILTER = "?WARN ?Warn ?warn"
# Added for access logs, where a failed request is a line with a status. is_error then looks at the status.
STATUSES = (*range(500, 512), *range(520, 531))
STATUS_FILTER = " ".join(f"?{status}" for status in STATUSES)
_ACCESS_LOG = re.compile(r"(?i)api-?gateway|access")
_ERROR = re.compile(
    r"(?i)\b(?:errors?|exceptions|fatal|critical|panic|traceback|denied|refused|failed|failures?|timed? ?outs?)\b|Error\b|Exception\b|OutOfMemory|out of memory"
    r"|\b\w*fehlern?\b|\b(?:fehlgeschlagen|erreurs?|échecs?|échouée?s?|error(?:es?|i)|erros?|falhas?|falhou|falló)\b|エラー|失敗|例外|错误|失败|异常|오류|실패")
# A count of no errors. "1,000 errors", "2.0 errors", and "no error handler" are something else.
_NO_ERRORS = re.compile(
    r"(?i)(?<![\w.,])(?:0|no)\s+(?:errors?|failures?|exceptions?|timeouts?)\b(?!\(s\)\w|\s+(?:handl|message|description|detail|code|response|page|budget))")
_NO_FOREIGN_ERRORS = re.compile(
    r"(?i)(?<![\w.,])(?:0|keine?|ohne|aucune?|sans|sin|sem|nessun)\s+(?:\w*fehlern?|erreurs?|échecs?|error(?:es?|i)|erros?|falhas?)\b"
    r"|\b(?:\w*fehlern?|erreurs|échecs|errores|errori|erros|falhas)\s*+[:=]\s*+0(?![\w%]|[.,]\d)"
    r"|(?:エラー|失敗|例外|错误|失败|异常|오류|실패)(?:件数)?[はが]?\s*+[:：=]?\s*+(?:0(?![\d.,])|なし|無し|ありません|无|없음)|(?:没有|无)(?:错误|失败|异常)")
# A name of errors with an empty value. _is_field says whether it is a field that reports that nothing failed.
_EMPTY = re.compile(
    r"""(?i)(?P<open>\\{0,8}["'])?\b(?P<name>errors?|exceptions?|failures?|failed|denied|refused|fatal|critical|panics?|time(?:d[ _-]?)?outs?)"""
    r"""(?P<close>\\*["'])?(?P<sign>\s*[:=]\s*)(?P<value>0(?![\w%]|[.,]\d)|(?:null|none|nil|undefined|false)\b(?![.(\[])|<nil>|\[\]|\{\}|\\*""|\\*''|"""
    r"""\\*["'](?:0|none|null|false)\\*["'])""")
_PLURALS = ("errors", "exceptions", "failures", "panics", "timeouts")
_SIGNS = "{,;|([&?<"  # before a field, and in their closing form behind it
_END_OF_WORD = re.compile(r"""[^\s"'=:,;|(){}\[\]]""")

# A control sequence, such as a color, also escaped as in JSON. It hides the word and the name beside it. The supervisor removes it
# from the output, but not without its numbers, in whose place a pattern has marks.
_CONTROL = re.compile(r"(?:\x1b|\\{1,8}(?:u001[bB]|x1[bB]|033))\[[0-?]*[ -/]*[@-~]")
# What differs between two lines of the same pattern, the longest forms first.
_VARIABLE = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b(?=[0-9A-Za-z+/_-]*\d)(?=[0-9A-Za-z+/_-]*[A-Za-z])[0-9A-Za-z+/_-]{20,}={0,2}"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "<id>"),
    (re.compile(r"(?<=/)[A-Za-z]{1,8}[-_]?\d{3,}(?=[/\s?\"]|$)"), "<id>"),  # in the path of a request
    (re.compile(r"(?<![A-Za-z])\d+(?:\.\d+)?"), "<n>"),
)
# The status of a request: in the common log format after the quoted request, in CSV after the protocol, in XML an element, in JSON
# and in pairs such as status=502 a field.
_STATUS_IN_TEXT = re.compile(r'(?:HTTP/\d(?:\.\d)?(?:"? |"?,"?)|<status>'
                             r"""|\b(?!(?i:exit))\w*(?i:status(?:_?code)?)[=:] ?["']?)(5\d\d)(?=[\s,;|"'<)\]}]|\.?(?:\s|$))""")
_STATUS_KEYS = ("status", "statusCode", "status_code", "responseStatus", "http.status_code", "elb_status_code", "integrationStatus")
_REQUEST_KEYS = ("httpMethod", "method", "routeKey", "resourcePath", "path", "uri")
# A level below that of errors, at the beginning of a line or after the time and the ID that Lambda writes, and its names in JSON.
_LOW_LEVEL = re.compile(r"^(?:\S+[\t ]+){0,3}\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?)\]?(?=[\s:|-]|$)")
_WARNING = re.compile(r"(?<![\w-])(?:WARN(?:ING|UNG)?|\[?[Ww]arn(?:ing)?\]?:)(?![\w-])")
_LOW_LEVELS = frozenset(("trace", "debug", "info", "information", "notice", "warn", "warning"))
# A quoted text. If it has several words, somebody else may have written it.
_QUOTED = re.compile(r'"[^"]*"')
# What Lambda's Python runtime writes between the level and the message.
_LAMBDA_PREFIX = re.compile(r"^(\[[A-Z]+\])\t\d{4}-\d\d-\d\dT\S+\t[0-9a-f-]{36}\t")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?::\s|$)")
_MESSAGE_KEYS = ("errorMessage", "message", "msg", "error", "err", "exception", "log", "detail", "reason")
_LEVEL_KEYS = ("errorType", "level", "severity", "levelname", "log.level", "lvl")


def log_patterns(
    group: str, start: Moment, end: Optional[Moment] = None, filter: Optional[str] = None, region: Optional[str] = None,
    client: Any = None, account: Optional[str] = None,
) -> Dict[str, Any]:
    """Groups the error lines of a log group by pattern.

    `group` is a name or an ARN, `start` and `end` are datetimes or seconds since 1970. `filter` is another filter pattern of
    CloudWatch Logs; with it, all lines that match are grouped. `region` and `account` default to those of the alarm. Returns `patterns` (the most frequent first, each with `pattern`, `count`, `first`,
    `last`, and `example`), `lines` (how many were grouped), and `complete`, which is False if there are lines that
    were not read.
    """
    import boto3

    client = client or boto3.client("logs", region_name=region, **place.naming(account))
    found = error_patterns(group, start, end, client) if filter is None else matching_patterns(group, start, end, filter, client)
    is_cut = len(found["patterns"]) > MAX_PATTERNS
    return {**found, "patterns": found["patterns"][:MAX_PATTERNS], "complete": found["complete"] and not is_cut}


def matching_patterns(group: str, start: Moment, end: Optional[Moment], filter: str, client: Any, seconds: float = SECONDS) -> Dict[str, Any]:
    """Groups the lines of a log group that match a filter pattern, as `log_patterns` does. Returns all patterns."""
    return _grouped(client, group, start, end, filter, lambda message: True, seconds)


def error_patterns(
    group: str, start: Moment, end: Optional[Moment], client: Any, is_access_log: bool = False, seconds: float = SECONDS,
    is_own: Optional[Callable[[str], bool]] = None,
) -> Dict[str, Any]:
    """Groups the error lines of a log group, as `log_patterns` does. Returns all patterns. The name of an access log does not always show that it is one.

    `is_own` reports whether the lines of a log stream, of which it gets the name, count.
    """
    searched = f"{ERROR_FILTER} {STATUS_FILTER}" if is_access_log or _ACCESS_LOG.search(group) else ERROR_FILTER
    return _grouped(client, group, start, end, searched, is_error, seconds, is_own)


def warning_patterns(
    group: str, start: Moment, end: Optional[Moment], client: Any, seconds: float = SECONDS, is_own: Optional[Callable[[str], bool]] = None
) -> Dict[str, Any]:
    """Groups the warnings of a log group that report no error, as `log_patterns` groups the error lines."""
    return _grouped(client, group, start, end, WARNING_FILTER, lambda message: is_warning(message) and not is_error(message), seconds, is_own)


def _grouped(
    client: Any, group: str, start: Moment, end: Optional[Moment], filter: str, is_wanted: Callable[[str], bool], seconds: float,
    is_own: Optional[Callable[[str], bool]] = None,
) -> Dict[str, Any]:
    until = time.monotonic() + min(seconds, SECONDS)
    by_arn = group.startswith("arn:")
    request: Dict[str, Any] = {
        "logGroupIdentifier" if by_arn else "logGroupName": group[:-2] if by_arn and group.endswith(":*") else group,
        "startTime": int(epoch(start) * 1000), "endTime": int(epoch(end or time.time()) * 1000), "filterPattern": filter,
    }
    groups: Dict[str, Dict[str, Any]] = {}
    lines, complete = 0, False
    for page in range(MAX_PAGES):
        try:
            answer = client.filter_log_events(**request)
        except Exception:
            if page == 0:
                raise
            break  # what was read before counts
        is_late = False
        latest = max(until, time.monotonic() + PAGE_SECONDS)
        for event in answer.get("events") or []:
            is_late = time.monotonic() > latest
            if is_late:
                break
            if is_own and not is_own(event.get("logStreamName") or ""):
                continue
            message = _CONTROL.sub("", event.get("message") or "")
            if not is_wanted(message):
                continue
            lines += 1
            _add(groups, message, event.get("timestamp") or 0)
        token = answer.get("nextToken")
        if not is_late and (not token or token == request.get("nextToken")):
            complete = True
            break
        if time.monotonic() > until:
            break
        request["nextToken"] = token
    ranked = sorted(groups.values(), key=lambda g: (-g["count"], g["first"]))
    for found in ranked:
        found["first"], found["last"] = _stamp(found["first"]), _stamp(found["last"])
    return {"patterns": ranked, "lines": lines, "complete": complete}


def is_error(message: str) -> bool:
    """Reports whether a log line reports an error: in its words, or by a status of 500 to 599 in an access log.

    In a line whose level is below that of errors, quoted texts of several words do not count, because customers may have
    written them. In JSON, these are the values of all fields but those of a message.
    """
    fields = _fields_of(message.strip())
    if _failed_status(message, fields):
        return True
    text = message
    if _LOW_LEVEL.search(message):
        text = _unquoted(message)
    elif fields is not None and any(str(fields.get(key)).lower() in _LOW_LEVELS for key in _LEVEL_KEYS):
        text = json.dumps({key: _without_quotes(key, value) for key, value in fields.items()}, ensure_ascii=False)
    if len(text) > LINE_START + LINE_END:  # a line can have 1 MB, and a search lets no other part of the collection run
        text = f"{text[:LINE_START]}\n{text[-LINE_END:]}"
    return bool(_ERROR.search(_EMPTY.sub(lambda found: "" if _is_field(found) else found[0], _NO_FOREIGN_ERRORS.sub("", _NO_ERRORS.sub("", text)))))


def is_warning(message: str) -> bool:
    """Reports whether the level of a log line is that of warnings."""
    fields = _fields_of(message.strip())
    if fields is not None:
        return any(str(fields.get(key)).lower() in ("warn", "warning") for key in _LEVEL_KEYS)
    return bool(_WARNING.search(message[:120]))


def _unquoted(text: str) -> str:
    return _QUOTED.sub(lambda found: '"…"' if " " in found[0].strip('" ') else found[0], text)


def _without_quotes(key: str, value: Any, depth: int = 1) -> Any:
    if isinstance(value, dict):
        return {inner: _without_quotes(inner, one, depth + 1) for inner, one in value.items()} if depth < MAX_DEPTH else "…"
    if not isinstance(value, str):
        return _shallow(value, depth)
    if key in _MESSAGE_KEYS:
        return _unquoted(value)
    return "…" if " " in value.strip() else value


def _shallow(value: Any, depth: int) -> Any:
    """Returns a copy of a value in which dictionaries and lists at MAX_DEPTH are replaced by "…"."""
    if not isinstance(value, (dict, list)):
        return value
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {key: _shallow(one, depth + 1) for key, one in value.items()}
    return [_shallow(one, depth + 1) for one in value]


def _fields_of(text: str) -> Optional[Dict[str, Any]]:
    """Returns the JSON object of a line, also after a short prefix, or None."""
    start = text.find("{")
    if not (0 <= start <= 120 and text.endswith("}")):
        return None
    try:
        fields = json.loads(text[start:])
    except (ValueError, RecursionError):  # a line may nest more deeply than Python parses
        return None
    return fields if isinstance(fields, dict) else None


def _failed_status(message: str, fields: Optional[Dict[str, Any]]) -> str:
    """Returns the status of 500 to 599 that a line of an access log reports, or an empty text."""
    if fields is None:
        found = _STATUS_IN_TEXT.search(message)
        return found[1] if found else ""
    values = (str(fields[key]) for key in _STATUS_KEYS if isinstance(fields.get(key), (int, str)))
    return next((value for value in values if re.fullmatch(r"5\d\d", value)), "")


def _is_field(found: "re.Match[str]") -> bool:
    """Reports whether a name and its empty value report that nothing failed.

    In "error=null" and "failed: 0", they do. In "Connection failed: null" and "Error: undefined", the name ends a sentence or is a
    type of exceptions, and the value is a message that the code did not set.
    """
    if found["open"] and found["close"] or found["name"].lower() in _PLURALS:
        return True
    if found["sign"] == "=":
        return True
    before, after, is_apart = _around(found)
    if found["value"] == "0":  # a count: "records failed: 0", but not "connection failed: 0"
        follows_word = is_apart and _END_OF_WORD.match(before)
        if found["name"].lower() not in ("error", "exception") and (not follows_word or before == "s" or not before.isalpha()):
            return True
    return _is_between(before, after)


def _around(found: "re.Match[str]") -> Tuple[str, str, bool]:
    """Returns the characters around a match, without blanks and empty at an end of the text, and whether there are blanks before it.

    It copies no part of the text: a line may have very many matches.
    """
    text, start, end = found.string, found.start(), found.end()
    while start and text[start - 1] in " \t":
        start -= 1
    while end < len(text) and text[end] in " \t":
        end += 1
    return text[max(start - 1, 0) : start], text[end : end + 1], start < found.start()


def _is_between(before: str, after: str) -> bool:
    """Reports whether a name and its value are one of several fields, or a line of a formatted object."""
    return bool(before) and before in _SIGNS and (not after or after in ",;|)]}&>\r\n") or before in ("", "\n") and after == ","


def summary_of(message: str) -> str:
    """Returns the part of a log line that says what happened.

    This is the level and message of JSON, the status and request of an access log in JSON, or the first line. If a traceback of Python
    follows, its last line is added, unless the first line is the exception, as Lambda writes it.
    """
    text = message.strip()
    fields = _fields_of(text)
    if fields is not None:
        status = _failed_status(text, fields)
        found = _request_of(status, fields) if status else _from_fields(fields)
        if found:
            return beginning(found, MAX_TEXT)
    parts = [line.strip() for line in re.split(r"[\n\r\u00a0]+", text) if line.strip()]
    if not parts:
        return ""
    first = _LAMBDA_PREFIX.sub(r"\1 ", parts[0])
    last = _exception_of(text)
    if last and last not in first:
        return beginning(f"{beginning(first, max(140, MAX_TEXT - len(last) - 3))} … {last}", MAX_TEXT)
    return beginning(first, MAX_TEXT)


def _exception_of(text: str) -> str:
    """Returns the exception at the end of Python's last traceback in a text: the first line after it that is not indented."""
    _, found, trace = text.rpartition("Traceback (most recent call last):")
    lines = [line for line in re.split(r"[\n\r]+", trace) if line.strip()]
    ends = (line.strip() for line in lines if line[0] not in " \t\u00a0")
    end = next(ends, "") if found else ""
    return end if _EXCEPTION.search(end) and not re.match(r"(?:raise|return|await|File|During|The)\b", end) else ""


def _request_of(status: str, fields: Dict[str, Any]) -> str:
    """Returns status, request, and errors of an access log's line in JSON."""
    request = [str(fields[key]) for key in _REQUEST_KEYS if isinstance(fields.get(key), str) and fields[key] not in ("", "-")]
    errors = [f"{key} {value}" for key, value in fields.items()
              if re.search(r"(?i)error|message|reason", key) and isinstance(value, str) and value not in ("", "-")]
    return " ".join([f"status {status}", *dict.fromkeys(request), *errors])


def pattern_of(summary: str) -> str:
    """Returns a line with marks in the place of times, IDs, addresses, and numbers."""
    for form, mark in _VARIABLE:
        summary = form.sub(mark, summary)
    return " ".join(summary.split())


def _from_fields(fields: Dict[str, Any], depth: int = 0) -> str:
    words: List[str] = []
    for keys in (_LEVEL_KEYS, _MESSAGE_KEYS):
        values = [fields[key] for key in keys if fields.get(key)]
        texts = (_from_fields(value, depth + 1) if isinstance(value, dict) and depth < 3 else value for value in values)
        word = next((text.strip() for text in texts if isinstance(text, str) and text.strip() and text not in words), "")
        # An object or a list is only shown whole if no field has a text: an exception beside it says more.
        whole = (json.dumps(_shallow(value, 1), ensure_ascii=False) for value in values if isinstance(value, (dict, list)))
        words.append(word or next(whole, ""))
    return " ".join(word for word in words if word)


def _add(groups: Dict[str, Dict[str, Any]], message: str, at: int) -> None:
    example = summary_of(message)
    pattern = pattern_of(example)
    found = groups.get(pattern)
    if found is None:
        found = groups[pattern] = {"pattern": pattern, "count": 0, "first": at, "last": at, "example": example}
    found["count"] += 1
    found["first"], found["last"] = min(found["first"], at), max(found["last"], at)


def _stamp(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
