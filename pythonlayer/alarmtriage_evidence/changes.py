"""Changes that CloudTrail recorded before the alarm, without the routine events that hide them."""

import re
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from alarmtriage_tool import trail
from alarmtriage_tool.words import beginning

from .context import BEFORE, Context, stamp

MAX_CHANGES = 40
MAX_NAMES = 4  # resources that are looked up by name
MAX_PAGES = 8  # of 50 events, of the lookup for all writes
MAX_NAME_PAGES = 2  # of a lookup for one resource
MAX_ROUTINE = 10  # routine events that are counted by name
MAX_MENTIONED = 1000  # characters of the texts in an event that are searched for names of other resources
NAME_SECONDS = 8.0  # time to wait for names
SECONDS = 10.0  # time for all lookups
AFTER = timedelta(minutes=1)  # events up to this long after the transition are read

MAX_GLOBAL_PAGES = 4  # of 50 events, of the lookup for the writes of global services

# Services whose resources belong to no Region. Their events are in one Region.
GLOBAL = frozenset(f"{service}.amazonaws.com" for service in ("iam", "route53", "cloudfront", "organizations", "waf", "shield"))

_WRITES = {"AttributeKey": "ReadOnly", "AttributeValue": "false"}


class _Lookup:
    """One lookup in CloudTrail, which begins at once."""

    def __init__(self, ctx: Context, pool: ThreadPoolExecutor, until: float, region: Optional[str], attribute: Dict[str, str], most_pages: int) -> None:
        self.region, self.attribute = region, attribute
        self._ctx = ctx
        self._read: List[Dict[str, Any]] = []  # events of the pages that were answered
        self._answer = pool.submit(self._ask, until, most_pages)

    def _ask(self, until: float, most_pages: int) -> Tuple[List[Dict[str, Any]], bool]:
        ctx, seconds = self._ctx, min(until - time.monotonic(), self._ctx.remaining() - 2)
        return trail.lookup(ctx.client("cloudtrail", self.region), self.attribute, ctx.fired_at - BEFORE, min(ctx.now, ctx.fired_at + AFTER),
                            most_pages, seconds, lambda: ctx.pace(self.region or ctx.region), self._read)

    def events(self) -> Tuple[List[Dict[str, Any]], bool]:
        """Returns the events, newest first, and whether these are all of the period. If a page is not answered in time, those of earlier ones count."""
        try:
            return self._answer.result(timeout=max(0.0, self._ctx.remaining() - 1))
        except TimeoutError:
            if not self._read:
                raise
            return list(self._read), False


def changes(
    ctx: Context, named: Callable[[], Sequence[Tuple[Optional[str], str]]], related: Callable[[], Set[str]] = set,
    is_other: Callable[[Mapping[str, Any]], bool] = lambda event: False, addresses: Callable[[], Set[str]] = set,
    plain: Sequence[str] = (),
) -> Dict[str, Any]:
    """Returns the changes before the alarm, and how much of the period was read.

    `named` returns the names of the alarm's own resources, each with the Region of its events or None. Their events come
    first. `related` returns the names of resources that these call or use, whose events come next. `is_other` reports whether an
    event with one of the names is about another resource. `addresses` returns the ARNs and URLs of the alarm's resources. The
    lookups for all writes, and for those of global services, do not wait for the names. `plain` are the names if `named` takes
    too long.
    """
    until = time.monotonic() + SECONDS
    listed: List[Dict[str, Any]] = []
    seen: Set[str] = set()  # IDs of events, which several lookups can find
    failures: List[str] = []
    pool = ThreadPoolExecutor(MAX_NAMES + 5, thread_name_prefix="trail")
    general = _Lookup(ctx, pool, until, None, _WRITES, MAX_PAGES)
    elsewhere = [_Lookup(ctx, pool, until, ctx.home, _WRITES, MAX_GLOBAL_PAGES)] if ctx.home != ctx.region else []
    asked = [pool.submit(work) for work in (named, related, addresses)]
    latest = time.monotonic() + min(NAME_SECONDS, ctx.remaining() / 2)
    names = _in_time(ctx, "names of the alarm's resources", asked[0], latest)
    if names is None:
        names, ctx.knows_names = [(None, name) for name in plain], False
    wanted = [_Lookup(ctx, pool, until, region, {"AttributeKey": "ResourceName", "AttributeValue": name}, MAX_NAME_PAGES)
              for region, name in names[:MAX_NAMES]]
    used = _in_time(ctx, "names of what the alarm's resources use", asked[1], latest) or set()
    found_addresses = _in_time(ctx, "addresses of the alarm's resources", asked[2], latest)
    if found_addresses is None:
        found_addresses, ctx.knows_names = set(), False
    own = {name for _, name in names} | found_addresses
    pool.shutdown(wait=False)
    routine: Counter = Counter()
    back_to: Optional[datetime] = None  # None: all write events of the period were read, or their lookup failed
    failed_at: Optional[datetime] = None  # if the lookup for all writes failed, nothing is known to be complete
    read = 0
    for lookup in [*wanted, general, *elsewhere]:
        region, attribute = lookup.region, lookup.attribute
        is_general = attribute is _WRITES and region is None
        is_elsewhere = region not in (None, ctx.region)
        is_global = attribute is _WRITES and is_elsewhere
        try:
            found, complete = lookup.events()
        except Exception as error:
            if is_global:
                ctx.note(f"changes: those of IAM and other global services, in {region}, were not read: {_described(error)}")
                continue
            if is_general:
                failed_at = ctx.fired_at
            failures.append(_described(error))
            continue
        if not complete:
            oldest = min((e["EventTime"] for e in found if e.get("EventTime")), default=None)
            since = stamp(oldest or ctx.fired_at)  # pages can be empty although more follow
            if is_general:
                back_to = oldest or ctx.fired_at
                ctx.note(f"changes: of the {_hours(BEFORE)} before the alarm, CloudTrail was read back to {since} only "
                         f"({len(found)} write events); earlier changes are not listed")
            elif is_global:
                ctx.note(f"changes: of IAM and other global services, in {region}, only those since {since} were read")
            else:
                ctx.note(f"changes: of the events of {attribute['AttributeValue']}, only those since {since} were read")
        if is_elsewhere:  # roles belong to no Region: events of another Region name them as well
            found = [event for event in found if event.get("EventSource") in GLOBAL]
        read += len(found)
        for event in found:
            if str(event.get("ReadOnly", "")).lower() == "true":
                continue
            key = event.get("EventId") or repr(event)
            if key in seen:
                continue
            seen.add(key)
            change = trail.change_of(event, own)
            change["own"] = change["own"] and not is_other(event)
            mentioned = re.split(r"[/:\s\"]", " ".join(trail.texts_of(event))[:MAX_MENTIONED])
            change["related"] = not change["own"] and not used.isdisjoint(mentioned)
            if not _is_routine(ctx, change):
                listed.append(change)
            else:
                routine[str(change["event"])] += 1
    if failures:
        ctx.note(f"changes: {len(failures)} of {len(wanted) + 1} CloudTrail lookups failed: {failures[0]}")
    if back_to is not None and len(names) > MAX_NAMES:
        ctx.note(f"changes: only {MAX_NAMES} of the alarm's {len(names)} resources were looked up by name")
    newest_other: Optional[str] = None  # time of the newest change that can be one of the alarm's resources
    if not ctx.knows_names and not all(change["own"] for change in listed):
        ctx.note("changes: those of the alarm's resources can be listed as those of others, because not all names of the resources are known")
        newest_other = _newest_other(ctx, listed)
    ranked = sorted(listed, key=lambda c: c["time"] or "", reverse=True)
    ranked.sort(key=lambda c: (not c["own"], not c["related"]))
    if len(ranked) > MAX_CHANGES:
        ctx.note(f"changes: {len(ranked) - MAX_CHANGES} more were read but are not listed")
    ctx.changes_from = known_from = stamp(back_to or failed_at or ctx.fired_at - BEFORE) or ""
    is_complete = back_to is None and not failures and ctx.reads_all and newest_other is None
    return {"list": first(ctx, ranked, MAX_CHANGES), "from": max(known_from, newest_other or ""), "complete": is_complete,
            "read": read, "routine": _counts(routine)}


def _newest_other(ctx: Context, listed: Sequence[Mapping[str, Any]]) -> Optional[str]:
    """Returns the time of the newest successful change before the alarm that is not known to be one of its resources, or None."""
    fired_at = stamp(ctx.fired_at) or ""
    times = [str(change.get("time") or "") for change in listed if not change["own"] and not change.get("error")]
    return max((at for at in times if at <= fired_at), default=None)


def first(ctx: Context, ranked: Sequence[Dict[str, Any]], most: int) -> List[Dict[str, Any]]:
    """Returns the first changes. Calls that failed or followed the alarm are left out before others: anybody can repeat such a call."""
    fired_at = stamp(ctx.fired_at) or ""
    last = sorted(range(len(ranked)), key=lambda i: bool(ranked[i].get("error")) or (ranked[i].get("time") or "") > fired_at)
    return [ranked[i] for i in sorted(last[:most])]


def _in_time(ctx: Context, what: str, asked: "Future[Any]", latest: float) -> Any:
    """Returns the answer, or None and a note if the read fails or takes too long: the changes matter more than these names."""
    try:
        return asked.result(timeout=max(0.0, latest - time.monotonic()))
    except Exception as error:
        ctx.note(f"changes: the {what} were not known: {_described(error)}")
        return None


def _described(error: Exception) -> str:
    is_late = isinstance(error, TimeoutError) and not str(error)  # that of a wait
    return "not read in time" if is_late else f"{type(error).__name__}: {beginning(str(error), 200)}"


def _counts(routine: Mapping[str, int]) -> Dict[str, int]:
    """Returns the most frequent routine events, and how many others there are."""
    ranked = Counter(routine).most_common()
    shown = dict(ranked[:MAX_ROUTINE - 1])
    rest = ranked[MAX_ROUTINE - 1:]
    return {**shown, **({"others": sum(count for _, count in rest)} if len(rest) > 1 else dict(rest))}


def _is_routine(ctx: Context, change: Mapping[str, Any]) -> bool:
    """Reports whether an event is routine or was caused by the triage itself. An event of the alarm's own resources is routine if it uses them."""
    if change["own"]:
        return change["event"] in trail.USES
    return change["event"] in trail.ROUTINE or change.get("user") in (ctx.alarm.get("own_names") or [])


def _hours(period: timedelta) -> str:
    return f"{period.total_seconds() / 3600:g} hours"
