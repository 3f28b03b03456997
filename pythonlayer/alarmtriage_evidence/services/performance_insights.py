"""Performance Insights of one DB instance: its load, wait events, and SQL statements, before the onset and after it.

Statements are read as digests, in which the database has replaced the literals. Databases keep some of them, such as the
password of CREATE USER, so a statement ends here at its first quoted text. The supervisor redacts the rest like any output.
"""

import re
from datetime import datetime
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

from alarmtriage_tool.words import beginning

from ..context import Context, Items, Observation, stamp
from ..looks import minutes, numbers, rose

READS = ("pi:GetResourceMetrics", "pi:DescribeDimensionKeys")

MAX_WAITS = 5
MAX_STATEMENTS = 3
MAX_STATEMENT = 250  # characters
MOST_KEYS = 25  # that Performance Insights returns of one dimension
HIGH_LOAD = 0.5  # average active sessions; what adds less is seldom why a database is slow

_METRIC = "db.load.avg"  # in average active sessions
# Begins a text in SQL, or ends before a password of Oracle.
_QUOTE = re.compile(r"'|\$(?:[A-Za-z_]\w*)?\$|(?i:\bidentified(?:\s|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)++by\b\s*(?=\S))")
_DOUBLE_QUOTE = re.compile(r"['\"]")  # of engines in which double quotes can begin a text
_DOUBLE_QUOTING = ("mysql", "mariadb", "sqlserver")


class _Key(NamedTuple):
    """One wait event or statement with its load before and after the onset."""

    dimensions: Mapping[str, str]
    after: float
    before: Optional[float]  # None: it was not among the keys with the most load
    bound: float  # its load before was at most this

    def dimension(self, suffix: str) -> str:
        """Returns the value of a dimension by the end of its name, which begins with the engine's name of the group."""
        return next((value for name, value in sorted(self.dimensions.items()) if name.endswith(suffix)), "")

    def earlier(self) -> str:
        if self.before is not None:
            return f"{self.before:.3g}"
        return f"at most {self.bound:.3g}" if self.bound else "none"


def load(ctx: Context, about: str, instance: Mapping[str, Any]) -> Iterator[Observation]:
    if not instance.get("PerformanceInsightsEnabled"):
        if instance.get("Engine") != "neptune":
            yield Observation(about, "configuration", "Performance Insights is off, so its load by SQL statement and wait event is not known", 15)
        return
    found = _load(ctx, about, instance)
    if not found.is_complete:
        return
    _, onset, _ = ctx.windows()
    halves: Dict[bool, List[float]] = {False: [], True: []}
    for at, value in found:
        halves[at >= onset].append(value)
    before, after = (sum(half) / len(half) if half else None for half in (halves[False], halves[True]))
    yield from numbers(ctx, about, "health", "database load in average active sessions", before, after, 70, covered=_covered(ctx, about, instance))


def _load(ctx: Context, about: str, instance: Mapping[str, Any]) -> Items:
    """Returns the datapoints of the load, each with the start of its minute."""
    def read() -> Items:
        start, _, end = ctx.windows()
        found = ctx.pages(f"load of {about}", ctx.client("pi").get_resource_metrics, "MetricList", MOST_KEYS, **_request(instance),
                          MetricQueries=[{"Metric": _METRIC}], StartTime=start, EndTime=end, PeriodInSeconds=60, PeriodAlignment="START_TIME")
        points = [(point["Timestamp"], point["Value"]) for series in found for point in series.get("DataPoints") or [] if point.get("Value") is not None]
        return Items(points, found.is_complete)
    return ctx.once(("pi", instance["DbiResourceId"]), read)


def _covered(ctx: Context, about: str, instance: Mapping[str, Any]) -> datetime:
    """Returns the end of the time that has data, which arrives late. If the load could not be read, it is not known to be late."""
    try:
        found = _load(ctx, about, instance)
    except Exception:
        return ctx.windows()[2]  # the look at the load reports the error
    return ctx.covered(max((at for at, _ in found), default=None)) if found.is_complete else ctx.windows()[2]


def wait_events(ctx: Context, about: str, instance: Mapping[str, Any]) -> Iterator[Observation]:
    found = _top(ctx, about, instance, "db.wait_state" if _is_docdb(instance) else "db.wait_event", MAX_WAITS)
    if not found:
        return
    start, onset, _ = ctx.windows()
    end = _covered(ctx, about, instance)
    waits = ", ".join(f"{key.dimension('.name') or 'unknown'} {key.after:.3g} ({key.earlier()})" for key in found)
    yield Observation(about, "health", f"top wait events in average active sessions from {stamp(onset)} to {stamp(end)}, and in the "
                                       f"{minutes(start, onset)} minutes before: {waits}", max(_weight(ctx, key) for key in found))


def sql_statements(ctx: Context, about: str, instance: Mapping[str, Any]) -> Iterator[Observation]:
    start, onset, _ = ctx.windows()
    for key in _top(ctx, about, instance, "db.query_tokenized" if _is_docdb(instance) else "db.sql_tokenized", MAX_STATEMENTS):
        end = _covered(ctx, about, instance)
        yield Observation(about, "health", f"SQL digest {key.dimension('.db_id') or key.dimension('.id')}: {key.after:.3g} average active sessions from "
                                           f"{stamp(onset)} to {stamp(end)}, {key.earlier()} in the {minutes(start, onset)} minutes before: "
                                           f"{_shown(key.dimension('.statement'), instance)}", _weight(ctx, key))


def _top(ctx: Context, about: str, instance: Mapping[str, Any], group: str, most: int) -> List[_Key]:
    """Returns the keys of a group with the most load after the onset."""
    if not instance.get("PerformanceInsightsEnabled"):
        return []
    start, onset, _ = ctx.windows()
    end = _covered(ctx, about, instance)
    if end <= onset:  # no data yet, as the look at the load says
        return []

    def read(begin: Any, until: Any, limit: int) -> Items:
        return ctx.pages(f"{group} of {about}", ctx.client("pi").describe_dimension_keys, "Keys", limit, **_request(instance),
                         Metric=_METRIC, GroupBy={"Group": group, "Limit": limit}, StartTime=begin, EndTime=until, PeriodInSeconds=60)
    after = read(onset, end, most)
    if not after:
        return []
    before = read(start, onset, MOST_KEYS)
    bound = min(key.get("Total") or 0.0 for key in before) if before and (len(before) == MOST_KEYS or not before.is_complete) else 0.0
    earlier = {_identity(key): key.get("Total") or 0.0 for key in before}
    found = [_Key(key.get("Dimensions") or {}, key.get("Total") or 0.0, earlier.get(_identity(key)), bound) for key in after]
    return sorted((key for key in found if key.after), key=lambda key: -key.after)


def _identity(key: Mapping[str, Any]) -> str:
    """Returns what identifies a key: the hash of a statement, or the name of a wait event."""
    found = _Key(key.get("Dimensions") or {}, 0, None, 0)
    return found.dimension(".id") or found.dimension(".name")


def _weight(ctx: Context, key: _Key) -> int:
    is_new = rose(ctx, key.bound if key.before is None else key.before, key.after)
    return 30 if key.after < HIGH_LOAD else 78 if is_new else 40


def _request(instance: Mapping[str, Any]) -> Dict[str, str]:
    return {"ServiceType": "DOCDB" if _is_docdb(instance) else "RDS", "Identifier": instance["DbiResourceId"]}


def _is_docdb(instance: Mapping[str, Any]) -> bool:
    return instance.get("Engine") == "docdb"


def _shown(statement: str, instance: Mapping[str, Any]) -> str:
    """Returns a statement on one line, up to its first quoted text."""
    engine = str(instance.get("Engine"))
    text = " ".join(statement.split())
    quote = None if _is_docdb(instance) else (_DOUBLE_QUOTE if any(name in engine for name in _DOUBLE_QUOTING) else _QUOTE).search(text)
    if quote:
        text = text[:quote.start() if quote[0][0] in "'\"$" else quote.end()] + "…"
    return text if len(text) <= MAX_STATEMENT else beginning(text, MAX_STATEMENT - 1) + "…"
