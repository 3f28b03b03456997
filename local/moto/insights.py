"""A useful subset of CloudWatch Logs: queries of Logs Insights and the filter patterns of FilterLogEvents.

Insights: fields, display, filter, parse (glob and regular expression), stats (also by bin), sort, limit, dedup; the
operators and functions below. What is not simulated raises Malformed with a text that says so, as the service raises
MalformedQueryException for what it does not know.
"""

import fnmatch
import json
import math
import re
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

Event = Dict[str, Any]  # @timestamp in milliseconds, @message, @logStream, @log, @ingestionTime
Evaluate = Callable[[Event], Any]

DEFAULT_ROWS, MOST_ROWS = 10_000, 10_000
MOST_FIELDS = 200  # of one JSON line; the service discovers as many
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
UNIT_NAMES = {"millisecond": "ms", "second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}
REPORT = re.compile(r"(Duration|Billed Duration|Memory Size|Max Memory Used|Init Duration): ([0-9.]+)")
REPORT_FIELDS = {"Duration": "@duration", "Billed Duration": "@billedDuration", "Memory Size": "@memorySize",
                 "Max Memory Used": "@maxMemoryUsed", "Init Duration": "@initDuration"}
MEGABYTES = ("@memorySize", "@maxMemoryUsed")
REQUEST_ID = re.compile(r"RequestId: ([0-9a-f-]{8,36})|\t([0-9a-f]{8}-[0-9a-f-]{27})\t")
TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<number>\d+(?:\.\d+)?(?:ms|[smhdw]\b)?)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<quoted>`[^`]+`)|(?P<name>@?[A-Za-z_][\w.@\-]*(?:\[\d+\])?)|(?P<sign>!=|<=|>=|=~|[=<>+\-*/%^(),|\[\]])""")


class Malformed(Exception):
    """A query that the service would refuse, or that is not simulated."""


class Token(NamedTuple):
    kind: str
    text: str


def fields_of(event: Event) -> Event:
    """Adds the fields that the service discovers in a line: those of JSON and of Lambda's reports."""
    message = str(event["@message"])
    found: Event = dict(event)
    text = message.strip()
    if text.startswith("{"):
        try:
            _flatten(json.loads(text), "", found)
        except ValueError:
            pass
    if message.startswith(("START ", "END ", "REPORT ")):
        found["@type"] = message.split(" ", 1)[0]
        if message.startswith("REPORT "):
            for name, value in REPORT.findall(message):
                field = REPORT_FIELDS[name]
                found[field] = float(value) * (1_000_000 if field in MEGABYTES else 1)
    request = REQUEST_ID.search(message)
    if request:
        found["@requestId"] = request.group(1) or request.group(2)
    return found


def _flatten(value: Any, prefix: str, into: Event) -> None:
    if len(into) > MOST_FIELDS:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            _flatten(one, f"{prefix}.{key}" if prefix else str(key), into)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _flatten(one, f"{prefix}.{index}", into)
    elif prefix and value is not None:
        into.setdefault(prefix, str(value).lower() if isinstance(value, bool) else value)


def _number(value: Any) -> Optional[float]:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def shown(field: str, value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value == int(value) else format(round(value, 4), "g") if abs(value) < 1e6 else str(round(value, 4))
    return str(value)


def _time(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


class Bin(NamedTuple):
    seconds: float

    def __call__(self, event: Event) -> str:
        width = self.seconds * 1000
        return _time(math.floor(event["@timestamp"] / width) * width)


def _text_function(change: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: None if values[0] is None else change(*(v if isinstance(v, (int, float)) else str(v) for v in values))


def _numeric(change: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        numbers = [_number(v) for v in values]
        return None if None in numbers else change(*numbers)
    return apply


FUNCTIONS: Dict[str, Callable[..., Any]] = {
    "strlen": _text_function(len), "tolower": _text_function(str.lower), "toupper": _text_function(str.upper), "trim": _text_function(str.strip),
    "concat": lambda *v: "".join("" if one is None else shown("", one) for one in v),
    "replace": _text_function(lambda text, old, new: str(text).replace(str(old), str(new))),
    "substr": _text_function(lambda text, start, length=None: text[int(start):] if length is None else text[int(start):int(start) + int(length)]),
    "strcontains": _text_function(lambda text, part: int(str(part) in str(text))),
    "ispresent": lambda v: v is not None, "isempty": lambda v: v is None or v == "", "isblank": lambda v: v is None or not str(v).strip(),
    "coalesce": lambda *v: next((one for one in v if one is not None), None),
    "abs": _numeric(abs), "ceil": _numeric(math.ceil), "floor": _numeric(math.floor), "sqrt": _numeric(math.sqrt), "log": _numeric(math.log),
    "greatest": _numeric(max), "least": _numeric(min), "frommillis": _numeric(_time), "tomillis": _numeric(lambda v: v),
}


def _percentile(values: List[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def _aggregate(name: str, arguments: List[Evaluate], field: Optional[str], percent: float) -> Callable[[List[Event]], Any]:
    value: Evaluate = arguments[0] if arguments else (lambda event: event["@message"])

    def present(events: List[Event]) -> List[Any]:
        return [v for v in map(value, events) if v is not None]

    def numbers(events: List[Event]) -> List[float]:
        return [n for n in map(_number, map(value, events)) if n is not None]

    def of_numbers(compute: Callable[[List[float]], float]) -> Callable[[List[Event]], Any]:
        return lambda events: compute(numbers(events)) if numbers(events) else None

    def first(events: List[Event], last: bool) -> Any:
        ordered = sorted((e for e in events if value(e) is not None), key=lambda e: e["@timestamp"])
        return value(ordered[-1 if last else 0]) if ordered else None

    def deviation(values: List[float]) -> float:
        mean = sum(values) / len(values)
        return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))

    def extreme(choose: Callable[..., Any]) -> Callable[[List[Event]], Any]:
        def apply(events: List[Event]) -> Any:
            values = present(events)
            as_numbers = [_number(v) for v in values]
            return None if not values else choose(as_numbers) if None not in as_numbers else choose(map(str, values))
        return apply

    return {
        "count": lambda events: len(present(events)) if arguments else len(events),
        "count_distinct": lambda events: len(set(map(str, present(events)))),
        "sum": of_numbers(sum), "avg": of_numbers(lambda v: sum(v) / len(v)), "min": extreme(min), "max": extreme(max),
        "median": of_numbers(lambda v: _percentile(v, 50)), "stddev": of_numbers(deviation), "pct": of_numbers(lambda v: _percentile(v, percent)),
        "earliest": lambda events: first(events, False), "latest": lambda events: first(events, True),
    }[name]


AGGREGATES = ("count", "count_distinct", "sum", "avg", "min", "max", "median", "stddev", "pct", "earliest", "latest", "sortsfirst", "sortslast")


class Parser:
    """Parses the expressions of one command."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.tokens = text, 0, []  # type: str, int, List[Token]
        position = 0
        while position < len(text):
            if text[position] == "/" and self._expects_expression():
                end = self._end_of_regex(position)
                self.tokens.append(Token("regex", text[position + 1:end]))
                position = end + 1
                continue
            found = TOKEN.match(text, position)
            if not found:
                raise Malformed(f"unexpected {text[position:position + 20]!r}")
            if found.lastgroup != "space":
                self.tokens.append(Token(str(found.lastgroup), found.group()))
            position = found.end()

    def _expects_expression(self) -> bool:
        return bool(self.tokens) and (self.tokens[-1].text.lower() in ("like", "=~", "parse", "(", ",", "not", "in") or
                                      self.tokens[-1].kind == "name" and self.tokens[0].text.lower() == "parse" or
                                      len(self.tokens) == 1 and self.tokens[0].text.lower() == "parse")

    def _end_of_regex(self, start: int) -> int:
        position, in_class = start + 1, False
        while position < len(self.text):
            character = self.text[position]
            if character == "\\":
                position += 1
            elif character == "[":
                in_class = True
            elif character == "]":
                in_class = False
            elif character == "/" and not in_class:
                return position
            position += 1
        raise Malformed("a regular expression has no end")

    def peek(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "")

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def take(self, *texts: str) -> bool:
        if self.peek().text.lower() in texts and self.peek().kind in ("name", "sign"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise Malformed(f"expected {text!r} before {self.peek().text!r}")

    def end(self) -> None:
        if self.peek().kind != "end":
            raise Malformed(f"unexpected {self.peek().text!r}")

    def name(self) -> str:
        token = self.next()
        if token.kind not in ("name", "quoted"):
            raise Malformed(f"expected a field instead of {token.text!r}")
        return token.text.strip("`")

    # Expressions, the weakest operator first.

    def expression(self) -> Evaluate:
        left = self._conjunction()
        while self.take("or"):
            left = self._joined(left, self._conjunction(), any)
        return left

    @staticmethod
    def _joined(left: Evaluate, right: Evaluate, how: Callable[..., bool]) -> Evaluate:
        return lambda event: how(bool(side(event)) for side in (left, right))

    def _conjunction(self) -> Evaluate:
        left = self._negation()
        while self.take("and"):
            left = self._joined(left, self._negation(), all)
        return left

    def _negation(self) -> Evaluate:
        if self.take("not"):
            inner = self._negation()
            return lambda event: not inner(event)
        return self._comparison()

    def _comparison(self) -> Evaluate:
        left = self._sum()
        if self.take("not"):
            inner = self._matching(left)
            if inner is None:
                raise Malformed("expected like or in after not")
            return lambda event: not inner(event)
        matching = self._matching(left)
        if matching is not None:
            return matching
        sign = self.peek().text
        if sign in ("=", "!=", "<", ">", "<=", ">="):
            self.next()
            return _compared(left, sign, self._sum())
        return left

    def _matching(self, left: Evaluate) -> Optional[Evaluate]:
        if self.take("like", "=~"):
            token = self.next()
            if token.kind == "regex":
                pattern = _regex(token.text)
                return lambda event: left(event) is not None and pattern.search(str(left(event))) is not None
            if token.kind == "text":
                part = _unquoted(token.text)
                return lambda event: left(event) is not None and part in str(left(event))
            raise Malformed("like takes a text or a regular expression")
        if self.take("in"):
            self.expect("[")
            values = [self._sum()]
            while self.take(","):
                values.append(self._sum())
            self.expect("]")
            return lambda event: any(_compared(left, "=", one)(event) for one in values)
        return None

    def _sum(self) -> Evaluate:
        left = self._product()
        while self.peek().text in ("+", "-"):
            left = _computed(left, self.next().text, self._product())
        return left

    def _product(self) -> Evaluate:
        left = self._primary()
        while self.peek().text in ("*", "/", "%", "^") and self.peek().kind == "sign":
            left = _computed(left, self.next().text, self._primary())
        return left

    def _primary(self) -> Evaluate:
        token = self.next()
        if token.kind == "text":
            text = _unquoted(token.text)
            return lambda event: text
        if token.kind == "number":
            number = _number(token.text)
            if number is None:
                raise Malformed(f"unexpected {token.text!r}")
            return lambda event: number
        if token.text == "-":
            inner = self._primary()
            return _computed(lambda event: 0, "-", inner)
        if token.text == "(":
            inner = self.expression()
            self.expect(")")
            return inner
        if token.kind in ("name", "quoted"):
            if token.kind == "name" and self.peek().text == "(":
                return self._call(token.text)
            field = token.text.strip("`")
            return lambda event: event.get(field)
        raise Malformed(f"unexpected {token.text!r}" if token.text else "the query ends too early")

    def _call(self, name: str) -> Evaluate:
        self.expect("(")
        if name.lower() == "bin":
            made: Evaluate = Bin(self._duration())
        elif name.lower() not in FUNCTIONS:
            raise Malformed(f"function {name} is unknown, or the stand-in does not simulate it")
        else:
            arguments = [] if self.peek().text == ")" else [self.expression()]
            while self.take(","):
                arguments.append(self.expression())
            function = FUNCTIONS[name.lower()]
            made = lambda event: function(*(one(event) for one in arguments))  # noqa: E731
        self.expect(")")
        return made

    def _duration(self) -> float:
        token = self.next()
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdw])?", token.text)
        unit = found.group(2) if found else None
        if found and not unit and self.peek().kind == "name":
            unit = UNIT_NAMES.get(self.next().text.lower().rstrip("s"), "")
        if not found or unit not in UNITS or not float(found.group(1)):
            raise Malformed(f"bin takes a period such as 5m, not {token.text!r}")
        return float(found.group(1)) * UNITS[unit]

    def named(self) -> Tuple[str, Evaluate]:
        """Parses an expression with an optional "as name"."""
        start = self.at
        evaluate = self.expression()
        text = self._source(start)
        return (self.name() if self.take("as") else text), evaluate

    def _source(self, start: int) -> str:
        return "".join(t.text if t.text != "," else ", " for t in self.tokens[start:self.at]).strip("`")

    def aggregate(self) -> Tuple[str, Callable[[List[Event]], Any]]:
        start, name = self.at, self.name().lower()
        if name not in AGGREGATES or self.peek().text != "(":
            raise Malformed(f"{name} is no aggregation, or the stand-in does not simulate it")
        self.expect("(")
        arguments: List[Evaluate] = []
        percent = 0.0
        if self.take("*") or self.peek().text == ")":
            pass
        else:
            arguments.append(self.expression())
            if self.take(","):
                percent = _number(self.next().text) or 0
        self.expect(")")
        compute = _aggregate({"sortsfirst": "min", "sortslast": "max"}.get(name, name), arguments, None, percent)
        text = self._source(start)
        return (self.name() if self.take("as") else text), compute


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), text[1:-1])


def _regex(text: str) -> "re.Pattern[str]":
    flags = 0
    if text.startswith("(?i)"):
        text, flags = text[4:], re.IGNORECASE
    try:
        return re.compile(re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", text).replace("\\/", "/"), flags)
    except re.error as problem:
        raise Malformed(f"regular expression /{text}/: {problem}") from problem


def _compared(left: Evaluate, sign: str, right: Evaluate) -> Evaluate:
    def compare(event: Event) -> bool:
        one, other = left(event), right(event)
        if one is None or other is None:
            return False
        first, second = _number(one), _number(other)
        a, b = (first, second) if first is not None and second is not None else (str(one), str(other))
        return {"=": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[sign]  # type: ignore[operator]
    return compare


def _computed(left: Evaluate, sign: str, right: Evaluate) -> Evaluate:
    def compute(event: Event) -> Optional[float]:
        one, other = _number(left(event)), _number(right(event))
        if one is None or other is None or sign in "/%" and other == 0:
            return None
        return {"+": one + other, "-": one - other, "*": one * other, "/": one / (other or 1), "%": one % (other or 1), "^": one ** other if sign == "^" else 0}[sign]
    return compute


def _commands(query: str) -> List[str]:
    """Splits a query at its pipes, which may also be in texts and regular expressions."""
    parts, current, quote, previous = [], "", "", ""
    position = 0
    while position < len(query):
        character = query[position]
        if quote:
            current += character
            if character == "\\":
                position += 1
                current += query[position:position + 1]
            elif character == quote:
                quote = ""
        elif character in "\"'`" or character == "/" and re.search(r"(\blike|=~|\bparse|\bparse\s+[\w.@`]+)\s*$", current, re.IGNORECASE):
            quote, current = character, current + character
        elif character == "|":
            parts.append(current)
            current = ""
        elif character == "#" and previous in ("", "\n"):
            position = query.find("\n", position)
            if position < 0:
                break
        else:
            current += character
        previous = character
        position += 1
    return [part.strip() for part in [*parts, current] if part.strip()]


class Query:
    """A parsed query. run returns rows: field and value, in the order of the query."""

    def __init__(self, text: str) -> None:
        self._steps: List[Callable[[List[Event]], List[Event]]] = []
        self._shown: Optional[List[str]] = None
        self._most = DEFAULT_ROWS
        self._grouped = False
        handlers = {"fields": self._fields, "display": self._display, "filter": self._filter, "parse": self._parse, "stats": self._stats,
                    "sort": self._sort, "limit": self._limit, "head": self._limit, "dedup": self._dedup}
        if not text.strip():
            raise Malformed("the query is empty")
        for command in _commands(text):
            word, _, rest = command.partition(" ")
            handler = handlers.get(word.lower())
            if handler is None:
                raise Malformed(f"command {word!r} is unknown, or the stand-in does not simulate it")
            handler(rest.strip())

    def _computing(self, rest: str) -> List[str]:
        parser, names = Parser(rest), []
        while True:
            name, evaluate = parser.named()
            names.append(name)
            self._steps.append(lambda events, name=name, evaluate=evaluate: [{**e, name: evaluate(e)} for e in events])  # type: ignore[misc]
            if not parser.take(","):
                break
        parser.end()
        return names

    def _fields(self, rest: str) -> None:
        self._shown = (self._shown or []) + [name for name in self._computing(rest) if name not in (self._shown or [])]

    def _display(self, rest: str) -> None:
        self._shown = self._computing(rest)

    def _filter(self, rest: str) -> None:
        parser = Parser("filter " + rest)
        parser.next()
        condition = parser.expression()
        parser.end()
        self._steps.append(lambda events: [e for e in events if condition(e)])

    def _parse(self, rest: str) -> None:
        parser = Parser("parse " + rest)
        parser.next()
        field = parser.name() if parser.peek().kind in ("name", "quoted") else "@message"
        token = parser.next()
        if token.kind == "regex":
            pattern = _regex(token.text)
            names = list(pattern.groupindex)
            groups: List[Any] = list(names)
        elif token.kind == "text":
            parts = _unquoted(token.text).split("*")
            pattern = re.compile(".*?".join(f"{re.escape(part)}" for part in parts[:1]) +
                                 "".join(f"(.*{'?' if index < len(parts) - 2 or part else ''}){re.escape(part)}" for index, part in enumerate(parts[1:])), re.DOTALL)
            parser.expect("as")
            names = [parser.name()]
            while parser.take(","):
                names.append(parser.name())
            if len(names) != len(parts) - 1:
                raise Malformed(f"parse names {len(names)} fields for {len(parts) - 1} wildcards")
            groups = list(range(1, len(parts)))
        else:
            raise Malformed("parse takes a text with * or a regular expression")
        parser.end()

        def apply(events: List[Event]) -> List[Event]:
            made = []
            for event in events:
                found = pattern.search(str(event.get(field, "")))
                made.append({**event, **{n: found.group(g) for n, g in zip(names, groups)}} if found else event)
            return made
        self._steps.append(apply)
        if self._shown is not None:
            self._shown += names

    def _stats(self, rest: str) -> None:
        parser = Parser(rest)
        computed, keys = [parser.aggregate()], []
        while parser.take(","):
            computed.append(parser.aggregate())
        if parser.take("by"):
            keys.append(parser.named())
            while parser.take(","):
                keys.append(parser.named())
        parser.end()

        def apply(events: List[Event]) -> List[Event]:
            groups: Dict[Tuple[Any, ...], List[Event]] = {}
            for event in events:
                groups.setdefault(tuple(evaluate(event) for _, evaluate in keys), []).append(event)
            if not keys and not groups:
                groups[()] = []
            return [{**{name: value for (name, _), value in zip(keys, key)}, **{name: compute(members) for name, compute in computed}}
                    for key, members in groups.items()]
        self._steps.append(apply)
        self._shown = [name for name, _ in keys] + [name for name, _ in computed]
        self._grouped = True

    def _sort(self, rest: str) -> None:
        parser = Parser(rest)
        keys: List[Tuple[Evaluate, bool]] = []
        while True:
            start = parser.at
            evaluate = parser.expression()
            name = parser._source(start)
            keys.append((lambda event, name=name, evaluate=evaluate: event[name] if name in event else evaluate(event), not parser.take("asc") and parser.take("desc")))  # type: ignore[misc]
            if not parser.take(","):
                break
        parser.end()

        def apply(events: List[Event]) -> List[Event]:
            for evaluate, descending in reversed(keys):
                def order(event: Event, evaluate: Evaluate = evaluate) -> Tuple[int, float, str]:
                    value = evaluate(event)
                    number = _number(value)
                    return (0, 0.0, "") if value is None else (1, number, "") if number is not None else (2, 0.0, str(value))
                events = sorted(events, key=order, reverse=descending)
            return events
        self._steps.append(apply)

    def _limit(self, rest: str) -> None:
        if not rest.isdigit() or not 0 < int(rest) <= MOST_ROWS:
            raise Malformed(f"limit takes a number from 1 to {MOST_ROWS}, not {rest!r}")
        self._most = int(rest)

    def _dedup(self, rest: str) -> None:
        names = self._computing(rest)

        def apply(events: List[Event]) -> List[Event]:
            seen, kept = set(), []
            for event in events:
                key = tuple(event.get(name) for name in names)
                if key not in seen:
                    seen.add(key)
                    kept.append(event)
            return kept
        self._steps.append(apply)

    def run(self, events: List[Event]) -> List[List[Tuple[str, str]]]:
        found = sorted((fields_of(e) for e in events), key=lambda e: -e["@timestamp"])  # the newest first, unless it is sorted
        for step in self._steps:
            found = step(found)
        names = self._shown or ["@timestamp", "@message"]
        rows = []
        for event in found[: self._most]:
            row = [(name, _time(event[name]) if name in ("@timestamp", "@ingestionTime") and isinstance(event[name], (int, float))
                    else shown(name, event[name])) for name in names if event.get(name) is not None]
            if not self._grouped and "@ptr" in event:
                row.append(("@ptr", event["@ptr"]))
            rows.append(row)
        return rows


def pattern_matches(pattern: Optional[str], message: str) -> bool:
    """Reports whether a line fits a filter pattern: terms, "phrases", -excluded, ?any, %regex%, {JSON}, [columns]."""
    pattern = (pattern or "").strip()
    if not pattern:
        return True
    if pattern.startswith("{"):
        return _json_matches(pattern, message)
    if pattern.startswith("["):
        raise Malformed("the stand-in does not simulate filter patterns with columns")
    if pattern.startswith("%") and pattern.endswith("%") and len(pattern) > 1:
        return re.search(pattern[1:-1], message) is not None
    terms = re.findall(r'[?-]?"(?:[^"\\]|\\.)*"|\S+', pattern)
    optional, wanted = [], []
    for term in terms:
        mark, text = (term[0], term[1:]) if term[0] in "?-" else ("", term)
        text = _unquoted(text) if text.startswith('"') else text
        if not text or text[0] in "*(){}":
            raise Malformed(f"Invalid character(s) in term '{term}'")
        if mark == "?":
            optional.append(text in message)
        else:
            wanted.append((text in message) != (mark == "-"))
    return all(wanted) and (not optional or any(optional))


def _json_matches(pattern: str, message: str) -> bool:
    try:
        document = json.loads(message)
    except ValueError:
        return False
    text = pattern.strip()[1:-1].strip()
    for either in re.split(r"\|\|", text):
        if all(_condition(one.strip().strip("()").strip(), document) for one in re.split(r"&&", either)):
            return True
    return False


def _condition(text: str, document: Any) -> bool:
    found = re.fullmatch(r"\$\.?([\w.\[\]\-]+)\s*(=|!=|<=|>=|<|>|IS|NOT EXISTS)\s*(.*)", text)
    if not found:
        raise Malformed(f"Invalid filter pattern: {text}")
    value = document
    for part in re.findall(r"[\w\-]+", found.group(1)):
        value = value.get(part) if isinstance(value, dict) else value[int(part)] if isinstance(value, list) and part.isdigit() and int(part) < len(value) else None
    sign, wanted = found.group(2), found.group(3).strip()
    if sign == "NOT EXISTS":
        return value is None
    if sign == "IS":
        return {"NULL": value is None, "TRUE": value is True, "FALSE": value is False}.get(wanted, False)
    if value is None:
        return False
    number, other = _number(value), _number(wanted.strip('"'))
    if sign in ("<", ">", "<=", ">=") or number is not None and other is not None and not wanted.startswith('"'):
        if number is None or other is None:
            return False
        return {"=": number == other, "!=": number != other, "<": number < other, ">": number > other, "<=": number <= other, ">=": number >= other}[sign]
    equal = fnmatch.fnmatchcase(str(value).lower() if isinstance(value, bool) else str(value), wanted.strip('"'))
    return equal == (sign == "=")
