"""Looks that collectors of several services share."""

from typing import Iterator, Optional

from alarmtriage_tool import logs

from .context import Context, Observation, stamp

MAX_PATTERNS = 5  # of one log group


def log_errors(ctx: Context, about: str, group: str) -> Iterator[Observation]:
    """Returns the error lines of a log group around the transition, grouped by pattern, compared with the time before."""
    start, onset, end = ctx.windows()
    client = ctx.client("logs")
    after = logs.log_patterns(group, onset, end, client=client)
    before = logs.log_patterns(group, start, onset, client=client)
    for period, found in (("after", after), ("before", before)):
        if not found["complete"]:
            ctx.note(f"log lines of {group}: not all error lines {period} {stamp(onset)} were read")
    earlier = {p["pattern"]: p["count"] for p in before["patterns"]}
    minutes = int((onset - start).total_seconds() / 60)
    for found in after["patterns"][:MAX_PATTERNS]:
        count = earlier.get(found["pattern"], 0)
        if count and found["count"] <= 2 * count:
            weight = 35
        else:
            weight = 85 if not count else 65
        yield Observation(about, "errors",
                          f"{found['count']} log lines in {group} from {found['first']} to {found['last']}, {count or 'none'} in the "
                          f"{minutes} minutes before: {found['example']}", weight)
    if not after["patterns"] and not before["patterns"]:
        yield Observation(about, "errors", f"no error lines in {group} around the transition", 15)


def numbers(
    ctx: Context, about: str, topic: str, label: str, before: Optional[float], after: Optional[float], weight: int
) -> Iterator[Observation]:
    """Returns a number before and after the onset. It counts more if it rose from nothing or doubled."""
    if before is None and after is None:
        return
    start, onset, end = ctx.windows()
    new = after or 0
    old = before or 0
    if not new and not old:
        weight = 5
    elif new <= 2 * old:
        weight = min(weight, 30)
    yield Observation(about, topic, f"{label}: {_text(after)} from {stamp(onset)} to {stamp(end)}, {_text(before)} in the "
                                    f"{int((onset - start).total_seconds() / 60)} minutes before", weight)


def recent(ctx: Context, about: str, what: str, when: Optional[object], weight: int = 90) -> Iterator[Observation]:
    """Returns a change if it happened within the period that is searched for changes, up to the transition."""
    from datetime import datetime, timezone

    from .context import BEFORE

    if not isinstance(when, datetime):
        return
    when = when.astimezone(timezone.utc)
    if ctx.fired_at - BEFORE <= when <= ctx.fired_at:
        minutes = int((ctx.fired_at - when).total_seconds() / 60)
        yield Observation(about, "change", f"{what} at {stamp(when)}, {minutes} minutes before the alarm", weight, when)


def _text(value: Optional[float]) -> str:
    return "no data" if value is None else f"{value:g}"
