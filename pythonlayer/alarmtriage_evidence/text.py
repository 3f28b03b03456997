"""Writes the evidence as text for the model: the most relevant first, each line short enough to quote."""

import json
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Mapping

from alarmtriage_tool.words import beginning

from . import changes
from .context import Context, rounded

MAX_TEXT = 15_000  # characters of the whole text; the model reads at least this much without asking for more
MAX_LINE = 800  # characters of one line
SHOWN_POINTS = 30  # lines of each series
SHOWN_RUNS = 15  # of these, the newest values, if there are more
SHOWN_SPANS = 15  # of these, spans of older values
SHOWN_GAPS = 5  # of each series, the newest
SHOWN_CHANGES = 25
SHOWN_HISTORY = 12
SHOWN_OBSERVATIONS = 40

# Fields of an alarm's definition that say nothing about its meaning, or that are shown elsewhere.
_LEFT_OUT = frozenset((
    "AlarmArn", "AlarmName", "StateReasonData", "StateReason", "StateUpdatedTimestamp", "ResponseMetadata",
    "AlarmConfigurationUpdatedTimestamp", "StateTransitionedTimestamp", "OKActions", "InsufficientDataActions",
))


def of(ctx: Context, evidence: Mapping[str, Any]) -> str:
    """Returns the text. If it is too long, whole lines at its end are left out, and the last line says how many."""
    lines = [_one_line(line) for line in _lines(ctx, evidence)]
    size, kept = 0, 0
    for line in lines:
        size += len(line) + 1
        if size > MAX_TEXT:
            break
        kept += 1
    if kept < len(lines):
        lines[kept:] = [f"({len(lines) - kept} more lines are only in the JSON result of this call)"]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    """Returns a line of the text. Its data cannot begin another line, which could look like a line of this module."""
    blank = "\n" if isinstance(text, _Heading) else ""
    return blank + beginning(" ".join(text.split()), MAX_LINE)


class _Heading(str):
    """A line after a blank one."""


def _lines(ctx: Context, evidence: Mapping[str, Any]) -> Iterator[str]:
    yield f"It is {evidence['collected_at']}. The code runs in account {ctx.own_account or 'of the triage'}, Region {ctx.region}."
    if evidence.get("recovered"):
        yield f"The alarm has been in state {evidence['definition']['StateValue']}{' again' if evidence['definition']['StateValue'] == 'OK' else ''} since {evidence['recovered']}."
    if evidence.get("onset"):
        yield (f"The alarm's metric left its usual range or breached the threshold first at {evidence['onset']} (the onset). Looks compare the time "
               "before the onset with the time after it.")
    if evidence.get("observations"):
        yield _Heading("OBSERVATIONS (what was seen, not what caused the alarm; the most relevant first)")
        for seen in evidence["observations"][:SHOWN_OBSERVATIONS]:
            yield f"- {seen['about']}: {seen['text']}"
        yield from _more(evidence["observations"], SHOWN_OBSERVATIONS)
    yield from _changes(ctx, evidence)
    for series in evidence.get("series") or []:
        yield from _series(series)
    if evidence.get("log_lines"):
        yield _Heading("LOG LINES THAT MATCH THE ALARM'S QUERY")
        yield from (f"| {line}" for line in evidence["log_lines"])  # a line alone could look like a heading
    if evidence.get("contributors"):
        yield _Heading("CONTRIBUTORS (time series in ALARM)")
        yield from (json.dumps(c) for c in evidence["contributors"])
    yield from _related(evidence.get("related") or [])
    if evidence.get("history"):
        yield _Heading("HISTORY OF THE ALARM (newest first)")
        for item in evidence["history"][:SHOWN_HISTORY]:
            yield f"{item['time']} {item['summary']}"
        yield from _more(evidence["history"], SHOWN_HISTORY)
    if evidence.get("problems"):
        yield _Heading("WHAT COULD NOT BE SEEN")
        yield from (f"- {problem}" for problem in evidence["problems"])
    if evidence.get("definition"):
        yield _Heading("DEFINITION OF THE ALARM")
        for name, value in evidence["definition"].items():
            if name not in _LEFT_OUT and value not in (None, "", [], {}):
                yield f"{name}: {value if isinstance(value, str) else json.dumps(value)}"
    if evidence.get("query"):
        yield _Heading("QUERY OF THE ALARM")
        yield json.dumps(evidence["query"])


def _changes(ctx: Context, evidence: Mapping[str, Any]) -> Iterator[str]:
    trail = evidence.get("trail")
    if trail is None:
        return
    until = ctx.fired_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield _Heading(f"CHANGES in CloudTrail since {ctx.changes_from} (write events; those of the alarm's own resources first, then those of what they call or use)")
    listed = evidence.get("changes") or []
    if not listed:
        yield f"none in {ctx.region}" if trail.get("complete") else "none in what was read, which is not all (see WHAT COULD NOT BE SEEN)"
    for change in changes.first(ctx, listed, SHOWN_CHANGES):
        late = " AFTER THE ALARM" if (change["time"] or "") > until else ""
        # No word between the parts: a quote of them is then what AWS answered.
        who = (change.get("actor") or change.get("user") or "unknown").replace(" with ", ", ")
        failed = f" failed: {change['error']}" if change.get("error") else ""
        own = " [own resource]" if change.get("own") else " [related resource]" if change.get("related") else ""
        yield f"{change['time']}{late}{own} {change['source']} {change['event']} ({who}){failed} {change.get('parameters') or ''}"
    yield from _more(listed, SHOWN_CHANGES)
    if trail.get("routine"):
        counts = ", ".join(f"{count} {name}" for name, count in trail["routine"].items())
        yield f"routine events that are not listed: {counts}"


def _series(series: Mapping[str, Any]) -> Iterator[str]:
    """Returns one line for each run of equal values, so that a long flat line is short. A period without data ends a run."""
    points = series.get("points") or []
    limit = f", threshold {_exact(series['threshold'])}" if series.get("threshold") is not None else ""
    account = f", of account {series['account']}" if series.get("account") else ""
    yield _Heading(f"METRIC {series['label']} ({series.get('stat') or 'value'} per {series['period']} s{limit}{account}; {len(points)} points)")
    if not points:
        yield "no data points around the alarm"
        return
    longest = 1.5 * (series.get("period") or 60)  # time between two points without a gap
    gaps = [(before, after) for (before, _), (after, _) in zip(points, points[1:]) if after - before > longest]
    if gaps:
        more = f", and {len(gaps) - SHOWN_GAPS} earlier gaps" if len(gaps) > SHOWN_GAPS else ""
        yield f"no data between {' and between '.join(f'{_clock(before)} and {_clock(after)}' for before, after in gaps[-SHOWN_GAPS:])}{more}"
    runs: List[List[Any]] = []  # first time, last time, value
    for at, value in points:
        if runs and runs[-1][2] == value and at - runs[-1][1] <= longest:
            runs[-1][1] = at
        else:
            runs.append([at, at, value])
    if len(runs) > SHOWN_POINTS:
        values = [value for _, value in points]
        yield f"lowest {_exact(min(values))}, highest {_exact(max(values))}; the older values in spans, with the lowest and highest of each:"
        yield from _spans(points, runs[-SHOWN_RUNS][0])
        runs = runs[-SHOWN_RUNS:]
    for first, last, value in runs:
        yield f"{_span(first, last)} {_exact(value)}"


def _spans(points: List[Any], until: float) -> Iterator[str]:
    """Returns the points before a time in a few spans of the same length, so that the beginning of a rise is visible."""
    older = [point for point in points if point[0] < until]
    size = max(1, -(-len(older) // SHOWN_SPANS))
    shown: List[List[Any]] = []  # first time, last time, values
    for begin in range(0, len(older), size):
        group = older[begin:begin + size]
        low, high = (_exact(choose(value for _, value in group)) for choose in (min, max))
        text = low if low == high else f"{low} to {high}"
        if shown and shown[-1][2] == text:
            shown[-1][1] = group[-1][0]
        else:
            shown.append([group[0][0], group[-1][0], text])
    for first, last, text in shown:
        yield f"{_span(first, last)}: {text}"


def _exact(value: float) -> str:
    """Returns a value with so many digits that it differs from a threshold that it does not reach: 99.996 percent are not 100, and 1999.7 ms are not 2000."""
    return rounded(value, 8)


def _span(first: float, last: float) -> str:
    return f"{_clock(first)}{'' if first == last else ' to ' + _clock(last)}"


def _related(related: List[Dict[str, Any]]) -> Iterator[str]:
    if related:
        yield _Heading("OTHER ALARMS IN ALARM (newest first)")
        for other in related:
            yield f"- {other['name']} since {other['since']}: {other['reason']}"


def _more(listed: List[Any], shown: int) -> Iterator[str]:
    if len(listed) > shown:
        yield f"({len(listed) - shown} more are only in the JSON result of this call)"


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
