"""Shortens the evidence until the tool can return it as JSON. It would return a longer result as text, without parts."""

import json
from typing import Any, Dict

from alarmtriage_tool.words import beginning

from . import changes
from .context import Context

MAX_RESULT = 115_000  # bytes of the result as JSON; the tool returns at most 128 KiB
MAX_FIELD = 12_000  # bytes of one field of the definition; CloudWatch allows an AlarmRule of 10,240 characters
MAX_TEXT = 1000  # characters of one text in a list; the orchestrator reads no more
MIN_POINTS = 30  # datapoints of each series that are kept as long as there is something else to leave out
_LISTS = ("observations", "changes", "log_lines", "related", "history", "contributors")  # the most relevant or newest first


def shorten(ctx: Context, evidence: Dict[str, Any]) -> None:
    """Shortens the largest part again and again until the evidence is small enough. Its first problems say how much is left out."""
    lengths = {name: len(evidence.get(name) or []) for name in (*_LISTS, "series")}
    notes: Dict[str, str] = {}
    for field, value in list((evidence.get("definition") or {}).items()):
        if _size(value) > MAX_FIELD:
            del evidence["definition"][field]
            notes[field] = f"definition: {field} is too long to be returned"
    for name in lengths:
        if evidence.get(name):
            evidence[name] = _clipped(evidence[name])
    while _size(evidence) + 100 * len(notes) > MAX_RESULT:
        sizes = {name: _size(evidence[name]) for name in lengths if evidence.get(name)}
        if not sizes:
            break
        largest = max(sizes, key=lambda name: sizes[name])
        points = max((len(series[side]) for series in evidence.get("series") or [] for side in ("points", "lower", "upper") if series.get(side)), default=0)
        if largest == "series" and points > MIN_POINTS:
            most = max(points // 2, MIN_POINTS)
            for series in evidence["series"]:
                series.update((side, series[side][-most:]) for side in ("points", "lower", "upper") if series.get(side))
            notes["points"] = f"series: only the newest {most} datapoints of each are returned, because there are too many"
        else:
            most = len(evidence[largest]) * 3 // 4
            evidence[largest] = changes.first(ctx, evidence[largest], most) if largest == "changes" else evidence[largest][:most]
            notes[largest] = f"{largest}: only {len(evidence[largest])} of {lengths[largest]} are returned, because they are too long"
    if notes:
        ctx.notes[:0] = notes.values()
        evidence["problems"] = ctx.problems()


def _clipped(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else beginning(value, MAX_TEXT - 1) + "…"
    if isinstance(value, list):
        return [_clipped(one) for one in value]
    if isinstance(value, dict):
        return {key: _clipped(one) for key, one in value.items()}
    return value


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
