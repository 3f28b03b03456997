"""Runs all parts of the collection at the same time. If one fails or is slow, the others are still collected."""

import json
import re
import signal
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, TypeVar

from alarmtriage_tool.words import beginning

from . import alarms, bounds, queries, series, services, text
from .changes import changes
from .context import FAILED, MAX_NOTE, Context, Metric, Observation, metrics_of, stamp

SECONDS = 20.0  # for the whole collection, unless the orchestrator gives another limit
SPARE = 3.0  # seconds before the call's own time limit, at which all that was read would be lost
FIRST_SECONDS = 6.0  # to wait for a read that others need: the alarm's definition, and its child alarms
WORKERS = 24  # parts at the same time; the broker allows 64 connections
MAX_OBSERVATIONS = 60
_ACCOUNTS = re.compile(r"""(?i)\bAWS\.AccountId["']?\s*(?:=|IN\s*\()((?:["',\s]*\d{12})+)""")  # the condition of a Metrics Insights query
_T = TypeVar("_T")


def collect(alarm: Mapping[str, Any]) -> Dict[str, Any]:
    """Collects the evidence of an alarm, prints it for the model, and returns it for the report.

    `alarm` is the input that internal/evidence in the orchestrator writes.
    """
    ctx = Context(alarm, datetime.now(timezone.utc), _seconds(alarm))
    evidence = _Collection(ctx).run()
    plain = json.loads(json.dumps(evidence, default=_encode))
    bounds.shorten(ctx, plain)
    print(text.of(ctx, plain))
    return plain


def _seconds(alarm: Mapping[str, Any]) -> float:
    """Returns the time limit of the collection in seconds. That of the call, ToolTimeout, can be shorter."""
    wanted = float(alarm.get("seconds") or SECONDS)
    left = signal.getitimer(signal.ITIMER_REAL)[0]  # as the runner set it; 0: no limit
    return min(wanted, left - SPARE) if left else wanted


class _Collection:
    """The parts of one collection, some of which wait for the alarm's definition."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="evidence")
        self._failures: Dict[str, List[str]] = {}  # names of parts, by error

    def run(self) -> Dict[str, Any]:
        ctx, alarm = self._ctx, self._ctx.alarm
        kind = alarm["kind"]
        found: Dict[str, Any] = {"collected_at": ctx.now, "account": ctx.own_account}
        early = {"definition": self._start(alarms.definition, ctx)}
        if not ctx.is_foreign:
            early["history"] = self._start(alarms.history, ctx)
            early["related"] = self._start(alarms.related, ctx)
            if kind in ("log", "promql") or alarm.get("contributor"):
                early["contributors"] = self._start(alarms.contributors, ctx)
        definition: Mapping[str, Any] = {}
        if self._is_done(early["definition"]):
            definition = self._take("definition", early.pop("definition"), found) or {}
        else:
            ctx.note("definition: not read in time for the other parts, which know of the alarm only what its event contains")
        source = ctx.source = definition or ctx.source  # that of the event, if the definition is late
        if "contributors" not in early and not ctx.is_foreign and _has_contributors(source):
            early["contributors"] = self._start(alarms.contributors, ctx)
        below: List[Dict[str, Any]] = []
        is_composite = bool(source.get("AlarmRule") or alarm.get("children"))
        if is_composite and ctx.is_foreign:
            ctx.note(f"child alarms: not read, because this code reads account {ctx.own_account}")
        elif is_composite:
            children = self._start(alarms.children, ctx, source)
            if self._is_done(children):
                below = self._take("child alarms", children, {}) or []
            else:
                ctx.note("child alarms: not read in time")
        late = self._try("query and series", lambda: self._start_late(found, source, below), {})
        ctx.series = late.get("series")
        ctx.metrics = self._try("metrics", lambda: self._metrics(source, below, found.get("query")), [])
        wanted = self._try("resources", lambda: services.targets(ctx, ctx.metrics), [])
        looks: List[Tuple[str, List[Observation], "Future[None]"]] = []
        if ctx.unreadable:
            ctx.note(ctx.unreadable)
        if ctx.is_foreign:
            ctx.note(f"account {ctx.account}: the alarm's definition, history, changes, resources, and other alarms were not read, "
                     f"because this code reads account {ctx.own_account}")
        else:
            # Before the looks, which can take all workers if a service is slow.
            late["trail"] = self._start(changes, ctx, lambda: services.names(ctx, wanted) or self._values(source, below),
                                        lambda: services.related(ctx, wanted), lambda event: services.is_other(wanted, event, [metric.namespace for metric in ctx.metrics]),
                                        lambda: services.addresses(ctx, wanted), [name for _, name in wanted])
            looks = [self._start_look(name, look) for name, look in services.looks(ctx, wanted)]
        for name, part in {**early, **late}.items():
            self._take(name, part, found)
        definition = found.get("definition") or {}
        changed = definition.get("StateTransitionedTimestamp") or definition.get("StateUpdatedTimestamp")
        if definition.get("StateValue") not in (None, "ALARM") and isinstance(changed, datetime) and changed > ctx.fired_at:
            found["recovered"] = stamp(changed)
        edited = definition.get("AlarmConfigurationUpdatedTimestamp")
        if isinstance(edited, datetime) and edited >= ctx.fired_at + timedelta(seconds=1):  # the time of the event is in whole seconds
            ctx.note(f"definition: somebody changed the alarm at {stamp(edited)}, after it fired, so the metrics and the threshold can be others than those "
                     "with which it fired")
        found["observations"] = self._observations(looks)
        ctx.windows()
        if ctx.onset:
            found["onset"] = stamp(ctx.onset.at)
        found["changes"] = (found.get("trail") or {}).pop("list", [])
        self._pool.shutdown(wait=False, cancel_futures=True)
        for error, parts in self._failures.items():
            for line in _lines(dict.fromkeys(parts), MAX_NOTE - len(error) - 2):
                ctx.note(f"{line}: {error}", FAILED)
        found["problems"] = ctx.problems()
        return found

    def _start_late(
        self, found: Dict[str, Any], source: Mapping[str, Any], below: List[Dict[str, Any]]
    ) -> Dict[str, "Future[Any]"]:
        """Starts the parts that depend on what the alarm evaluates."""
        ctx, kind = self._ctx, self._ctx.alarm["kind"]
        is_log = kind == "log" or bool(source.get("ScheduledQueryConfiguration"))
        is_promql = kind == "promql" or bool(source.get("EvaluationCriteria"))
        late: Dict[str, "Future[Any]"] = {}
        if is_log or is_promql or kind == "unknown":
            found["query"] = ctx.query = queries.query(ctx, source)
        if is_log:
            data = queries.reason_data(ctx, source)
            executions = queries.runs(data)
            found["series"] = series.of_log_query(executions, found["query"], source.get("Threshold", data.get("threshold")))
            if not ctx.alarm.get("has_lines") and ctx.is_foreign:
                ctx.note(f"log_lines: the alarm's query was not run, because this code reads account {ctx.own_account}")
            elif not ctx.alarm.get("has_lines"):
                late["log_lines"] = self._start(queries.log_lines, ctx, found["query"], executions)
        elif is_promql:
            late["series"] = self._start(series.of_promql, ctx, found["query"])
        elif below:
            late["series"] = self._start(lambda: series.limited(ctx, series.of_children(ctx, below)))
        else:
            late["series"] = self._start(lambda: series.limited(ctx, series.of_metrics(ctx, source)))
        return late

    def _metrics(
        self, source: Mapping[str, Any], below: List[Dict[str, Any]], query: Optional[Mapping[str, Any]]
    ) -> List[Metric]:
        """Returns what the alarm evaluates: its metrics, those of its child alarms, and the functions of its log groups."""
        found: List[Metric] = []
        for definition in [source, self._ctx.alarm.get("fallback") or {}, *below]:
            found += metrics_of(definition, self._ctx.account)
        for group in (query or {}).get("log_groups") or []:
            parts = group.split(":")
            name, owner = (parts[6], parts[4]) if len(parts) > 6 else (group, self._ctx.account)
            if name.startswith("/aws/lambda/"):
                dimension = ("FunctionName", name[len("/aws/lambda/"):])
                found.append(Metric("AWS/Lambda", "", (dimension,), owner))
            elif owner and self._ctx.own_account and owner != self._ctx.own_account:
                self._ctx.note_other(f"what writes log group {name} of account {owner}")
        contributor = self._ctx.alarm.get("contributor") or {}
        if contributor:
            namespaces = [m.namespace for m in found] or _namespaces(source)
            owner = str(contributor.get("AWS.AccountId") or _queried_account(source, self._ctx.account))
            found += [Metric(n, "", tuple(sorted((k, str(v)) for k, v in contributor.items())), owner) for n in namespaces]
        return list(dict.fromkeys(found))

    def _values(self, source: Mapping[str, Any], below: List[Dict[str, Any]]) -> List[Tuple[Optional[str], str]]:
        """Returns the values of all dimensions, for alarms whose resources no collector knows."""
        own = self._ctx.own_account
        values = [value for metric in self._metrics(source, below, None) if not own or metric.account in ("", own)
                  for name, value in metric.dimensions if _is_name(self._ctx, name, value)
                  and (metric.namespace != "ContainerInsights" or name == "ClusterName")]  # the others name resources of Kubernetes
        return [(None, value) for value in dict.fromkeys(values)]

    def _start_look(self, name: str, look: Callable[[], Iterator[Observation]]) -> Tuple[str, List[Observation], "Future[None]"]:
        seen: List[Observation] = []
        return name, seen, self._start(_see, look, seen)

    def _start(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return self._pool.submit(work, *arguments)

    def _try(self, name: str, work: Callable[[], _T], instead: _T) -> _T:
        """Returns what work that reads nothing returns, or `instead` if it fails."""
        try:
            return work()
        except Exception as error:
            self._failed(name, _described(error))
        return instead

    def _is_done(self, part: "Future[Any]") -> bool:
        """Waits for a part that others need, but leaves them most of the time. Reports whether it is done."""
        return bool(wait([part], timeout=min(FIRST_SECONDS, self._ctx.remaining() / 3)).done)

    def _take(self, name: str, part: "Future[Any]", found: Dict[str, Any]) -> Any:
        """Waits for a part and puts its result into `found`. Returns None if it failed or was too slow."""
        try:
            found[name] = part.result(timeout=self._ctx.remaining())
            return found[name]
        except Exception as error:
            is_late = isinstance(error, TimeoutError) and not part.done()
            self._failed(name, "not finished within the time of the collection" if is_late else _described(error))
        return None

    def _failed(self, name: str, error: str) -> None:
        self._failures.setdefault(error, []).append(name)

    def _observations(self, looks: List[Tuple[str, List[Observation], "Future[None]"]]) -> List[Dict[str, Any]]:
        """Returns what the looks saw, the most relevant first. A look that failed counts with what it saw before."""
        for name, _, look in looks:
            self._take(name, look, {})
        ranked = _joined(sorted(dict.fromkeys(o for _, seen, _ in looks for o in list(seen)), key=lambda o: -o.weight))
        if len(ranked) > MAX_OBSERVATIONS:
            self._ctx.note(f"observations: {len(ranked) - MAX_OBSERVATIONS} of little weight are not listed")
        return [{**o._asdict(), "time": stamp(o.time)} for o in ranked[:MAX_OBSERVATIONS]]


def _lines(names: Iterable[str], most: int) -> Iterator[str]:
    """Returns lists of names, each with at most so many characters, or with one name."""
    line = ""
    for name in names:
        if line and len(line) + len(name) + 2 > most:
            yield line
            line = ""
        line = f"{line}, {name}" if line else name
    if line:
        yield line


def _see(look: Callable[[], Iterator[Observation]], seen: List[Observation]) -> None:
    for observation in look():
        seen.append(observation)


def _joined(ranked: List[Observation]) -> List[Observation]:
    """Returns observations in their order. What was seen of several resources in the same words is one observation."""
    groups: Dict[Tuple[str, str], List[Observation]] = {}
    for one in ranked:
        groups.setdefault((one.topic, one.text), []).append(one)
    return [group[0]._replace(about="; ".join(one.about for one in group)) for group in groups.values()]


# Dimensions of AWS's metrics whose values are no names of resources, and values that many events contain.
_NO_NAMES = frozenset(("clientid", "region", "availabilityzone", "rule", "class", "type", "service", "servicename", "currency", "linkedaccount", "operation", "method",
                       "stage", "jobrunid", "protocol", "country", "attack", "label", "statuscode", "instancetype", "enginename", "databaseclass", "targetrole"))
_COMMON = frozenset(("all", "any", "none", "default", "default_action", "total", "other", "true", "false"))


def _is_name(ctx: Context, dimension: str, value: str) -> bool:
    """Reports whether a value of a dimension can be the name of a resource, and not an account, a Region, or a word such as ALL."""
    return dimension.lower() not in _NO_NAMES and value.lower() not in _COMMON and not value.isdigit() and value != ctx.region


def _namespaces(source: Mapping[str, Any]) -> List[str]:
    """Returns the namespaces in the Metrics Insights queries of an alarm."""
    texts = [q.get("Expression") or "" for q in source.get("Metrics") or []]
    return [name for text in texts for name in re.findall(r"""(?i)FROM\s+(?:SCHEMA\()?\s*"([^"]+)\"""", text)]


def _queried_account(source: Mapping[str, Any], own: str) -> str:
    """Returns the account whose metrics the Metrics Insights queries of an alarm find, as far as they name it, or else its own."""
    queries = [q for q in source.get("Metrics") or [] if q.get("Expression")]
    named = [q["AccountId"] for q in queries if q.get("AccountId")]
    named += [account for q in queries for listed in _ACCOUNTS.findall(q["Expression"]) for account in re.findall(r"\d{12}", listed)]
    return own if own in named or not named else str(named[0])


def _has_contributors(source: Mapping[str, Any]) -> bool:
    """Reports whether an alarm evaluates several series of a Metrics Insights query, each of which can be in ALARM."""
    return any(q.get("ReturnData", True) and re.search(r"(?i)\bGROUP\s+BY\b", q.get("Expression") or "") for q in source.get("Metrics") or [])


def _described(error: Exception) -> str:
    """Returns an error in one sentence. boto3's own text names the code twice."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and answer.get("Error"):
        code, message = str(answer["Error"].get("Code")), str(answer["Error"].get("Message"))
        where = f"{'HTTP ' if code.isdigit() else ''}{code} in {getattr(error, 'operation_name', 'a call')}"
        return where if "<" in message[:20] else beginning(f"{where}: {message}", 450)  # a proxy's page says no more than its status
    return f"{type(error).__name__}: {beginning(str(error), 250)}"


def _encode(value: Any) -> Any:
    return stamp(value) if hasattr(value, "astimezone") else str(value)
