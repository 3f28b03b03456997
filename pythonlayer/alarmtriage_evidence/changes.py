"""Changes that CloudTrail recorded before the alarm, without the routine events that hide them."""

import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from alarmtriage_tool import trail

from .context import BEFORE, Context, stamp

MAX_CHANGES = 40
MAX_NAMES = 4  # resources that are looked up by name
MAX_PAGES = 8  # of 50 events, of the lookup for all writes
MAX_NAME_PAGES = 2  # of a lookup for one resource
SECONDS = 10.0  # time for all lookups
AFTER = timedelta(minutes=1)  # events up to this long after the transition are read

def changes(ctx: Context, names: Sequence[Tuple[Optional[str], str]]) -> Dict[str, Any]:
    """Returns the changes before the alarm, and how much of the period was read.

    `names` are the alarm's own resources, each with the Region of its events or None. Their events come first.
    """
    started = time.monotonic()
    events: Dict[str, Dict[str, Any]] = {}
    failures: List[str] = []
    wanted: List[Tuple[Optional[str], Dict[str, str], int]] = [
        (region, {"AttributeKey": "ResourceName", "AttributeValue": name}, MAX_NAME_PAGES) for region, name in names[:MAX_NAMES]]
    wanted.append((None, {"AttributeKey": "ReadOnly", "AttributeValue": "false"}, MAX_PAGES))
    own = {name for _, name in names}
    routine: Counter = Counter()
    back_to: Optional[datetime] = None
    read = 0
    for region, attribute, most_pages in wanted:
        is_general = attribute["AttributeKey"] == "ReadOnly"
        try:
            seconds = min(started + SECONDS - time.monotonic(), ctx.remaining() - 2)
            found, complete = trail.lookup(
                ctx.client("cloudtrail", region), attribute, ctx.fired_at - BEFORE, min(ctx.now, ctx.fired_at + AFTER), most_pages,
                seconds, lambda region=region: ctx.pace(region or ctx.region))
        except Exception as error:
            failures.append(f"{type(error).__name__}: {str(error)[:200]}")
            continue
        read += len(found)
        if not complete:
            oldest = min((e["EventTime"] for e in found if e.get("EventTime")), default=None)
            if is_general:
                back_to = oldest
                ctx.note(f"changes: of the {_hours(BEFORE)} before the alarm, CloudTrail was read back to {stamp(oldest)} only "
                         f"({len(found)} write events); earlier changes are not listed")
            else:
                ctx.note(f"changes: of the events of {attribute['AttributeValue']}, only those since {stamp(oldest)} were read")
        for event in found:
            if str(event.get("ReadOnly", "")).lower() == "true":
                continue
            key = event.get("EventId") or repr(event)
            if key in events:
                continue
            change = trail.change_of(event, own)
            if change["own"] or not _is_routine(ctx, change):
                events[key] = change
            else:
                routine[str(change["event"])] += 1
    if failures:
        ctx.note(f"changes: {len(failures)} of {len(wanted)} CloudTrail lookups failed: {failures[0]}")
    ranked = sorted(events.values(), key=lambda c: c["time"] or "", reverse=True)
    ranked.sort(key=lambda c: not c["own"])
    if len(ranked) > MAX_CHANGES:
        ctx.note(f"changes: {len(ranked) - MAX_CHANGES} more were read but are not listed")
    return {"list": ranked[:MAX_CHANGES], "from": stamp(back_to or ctx.fired_at - BEFORE), "complete": back_to is None and not failures,
            "read": read, "routine": dict(routine.most_common(10))}


def _is_routine(ctx: Context, change: Mapping[str, Any]) -> bool:
    """Reports whether an event is routine or was caused by the triage itself."""
    return change["event"] in trail.ROUTINE or change.get("user") in (ctx.alarm.get("own_names") or [])


def _hours(period: timedelta) -> str:
    return f"{period.total_seconds() / 3600:g} hours"
