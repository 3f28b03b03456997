"""Looks that collectors of several services share."""

import re
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence, Set, Tuple

from alarmtriage_tool import logs

from .context import BEFORE, DETAIL, Context, Observation, figure, stamp

Measured = Tuple[Dict[str, Tuple[Optional[float], Optional[float]]], datetime]
MAX_PATTERNS = 5  # of one log group
EARLY = timedelta(minutes=30)  # a change that is longer before the onset counts less
LONG_BEFORE = 70  # most weight of such a change
AFTER_ONSET = 50  # most weight of a change after the onset, which did not cause it
MAX_ENDED = 2  # patterns of errors of one log group that ended before the onset
MAX_WARNINGS = 2  # patterns of new warnings of one log group
FREQUENT = 5  # warnings of a pattern that are more than chance
MAX_KEYS = 2  # KMS keys that the errors of one log group name
LOG_READS = ("logs:FilterLogEvents", "kms:DescribeKey")  # of `log_errors`
_KEY = re.compile(r"arn:[\w-]+:kms:[\w-]+:\d+:key/[\w-]{10,60}")
MAX_EVENTS = 6  # of a stack that are shown
MAX_RESOURCES = 100  # of a stack that DescribeStackResources returns
MAX_LOGS = timedelta(hours=2)  # period of log lines that is read before the onset, and after it
_MOMENT = timedelta(milliseconds=1)  # a period of FilterLogEvents includes its last millisecond


def log_errors(
    ctx: Context, about: str, group: str, is_access_log: bool = False, region: Optional[str] = None, is_own: Optional[Callable[[str], bool]] = None
) -> Iterator[Observation]:
    """Returns the error lines of a log group around the transition, grouped by pattern, compared with the time before.

    `is_own` reports whether a log stream is one of the resource, if others can write to the log group, too.
    """
    others: Set[str] = set()  # log streams of which lines were left out

    def counts(stream: str) -> bool:
        if is_own is None or is_own(stream):
            return True
        others.add(stream)
        return False

    def where() -> str:
        return f"its streams of {group}" if others else group

    start, onset, end = ctx.windows()
    start, since = max(start, onset - MAX_LOGS), max(onset, end - MAX_LOGS)
    client = ctx.client("logs", region)
    after = logs.error_patterns(group, since, end, client, is_access_log, ctx.remaining(), counts)
    try:
        before = logs.error_patterns(group, start, onset - _MOMENT, client, is_access_log, ctx.remaining(), counts)
    except Exception as error:  # the lines after the onset matter more
        ctx.note(f"log lines of {group} before {stamp(onset)}: {error}")
        before = {"patterns": [], "complete": False}
    for period, found in (("after", after), ("before", before)):
        if not found["complete"]:
            ctx.note(f"log lines of {group}: not all error lines {period} {stamp(onset)} were read", DETAIL)
    if since > onset:
        ctx.note(f"log lines of {group}: those from {stamp(onset)} to {stamp(since)} were not read", DETAIL)
    earlier = {p["pattern"]: p["count"] for p in before["patterns"]}
    for found in after["patterns"][:MAX_PATTERNS]:
        count = earlier.get(found["pattern"], 0)
        weight = 85 if not count and before["complete"] else 75 if rose(ctx, count, found["count"], minutes(since, end) / minutes(start, onset)) else 35
        yield Observation(about, "errors",
                          f"{counted(found['count'], after)} log lines in {where()} from {found['first']} to {found['last']}, {counted(count, before)} in the "
                          f"{minutes(start, onset)} minutes before {stamp(onset)}: {found['example']}", weight)
    if not after["patterns"]:  # a program that ended writes no more, and its last errors say why
        for found in sorted(before["patterns"], key=lambda found: str(found["last"]), reverse=True)[:MAX_ENDED]:
            yield Observation(about, "errors",
                              f"{counted(found['count'], before)} log lines in {where()} from {found['first']} to {found['last']}, {counted(0, after)} from "
                              f"{stamp(since)} on: {found['example']}", 35)
    if not after["patterns"] and not before["patterns"] and after["complete"] and before["complete"]:
        yield Observation(about, "errors", f"no lines that look like errors in {where()} around the transition, by words such as error, failed, and denied", 15)
    yield from keys_of(ctx, about, [found["example"] for found in after["patterns"][:MAX_PATTERNS]])
    yield from _new_warnings(ctx, about, group, client, where, counts)


def counted(count: int, read: Mapping[str, Any]) -> str:
    """Returns how many lines of a pattern there are, as far as all lines of the period were read."""
    if read["complete"]:
        return str(count or "none")
    return f"at least {count}" if count else "none of those that were read"


def _new_warnings(
    ctx: Context, about: str, group: str, client: Any, where: Callable[[], str], is_own: Callable[[str], bool]
) -> Iterator[Observation]:
    """Returns the warnings of a log group that began after the onset."""
    start, onset, end = ctx.windows()
    start, since = max(start, onset - MAX_LOGS), max(onset, end - MAX_LOGS)
    after = logs.warning_patterns(group, since, end, client, ctx.remaining(), is_own)
    if not after["complete"]:
        ctx.note(f"log lines of {group}: not all warnings after {stamp(onset)} were read", DETAIL)
    if not after["patterns"]:
        return
    before = logs.warning_patterns(group, start, onset - _MOMENT, client, ctx.remaining(), is_own)
    if not before["complete"]:  # what was not read may have them
        ctx.note(f"log lines of {group}: not all warnings before {stamp(onset)} were read, so it is not known which are new", DETAIL)
        return
    earlier = {found["pattern"] for found in before["patterns"]}
    new = [found for found in after["patterns"] if found["pattern"] not in earlier]
    for found in new[:MAX_WARNINGS]:
        yield Observation(about, "errors", f"{counted(found['count'], after)} new warnings in {where()} from {found['first']} to {found['last']}, none in the "
                                           f"{minutes(start, onset)} minutes before {stamp(onset)}: {found['example']}", 65 if found["count"] >= FREQUENT else 30)


def keys_of(ctx: Context, about: str, texts: Sequence[str], why: str = "which its errors name") -> Iterator[Observation]:
    """Returns the states of the KMS keys that texts name. Keys of other accounts and Regions are not read, nor those that are denied."""
    named = [found for text in texts for found in _KEY.findall(text)]

    def is_own(arn: str) -> bool:
        _, _, _, region, account, *_ = arn.split(":")
        return region == ctx.region and (not ctx.own_account or account == ctx.own_account)
    for arn in [arn for arn in dict.fromkeys(named) if is_own(arn)][:MAX_KEYS]:
        try:
            key = ctx.once(("kms", arn), lambda: ctx.client("kms").describe_key(KeyId=arn)["KeyMetadata"])
        except Exception as error:
            ctx.note(f"state of KMS key {arn}: {error}")
            continue
        state = key.get("KeyState")
        until = f", to be deleted at {stamp(key['DeletionDate'])}" if key.get("DeletionDate") else ""
        yield Observation(about, "dependency", f"KMS key {arn.split('/')[-1]}, {why}, is {state}{until}", 35 if state == "Enabled" else 88)


def numbers(
    ctx: Context, about: str, topic: str, label: str, before: Optional[float], after: Optional[float], weight: int,
    is_total: bool = False, covered: Optional[datetime] = None,
) -> Iterator[Observation]:
    """Returns a number of `Context.compare` before and after the onset. It counts less unless it doubled or fell by half.

    The periods differ in length, so totals are compared per minute. `covered` is the end of the minutes that have data.
    """
    if before is None and after is None:
        return
    start, onset, end = ctx.windows()
    end = covered or end
    if after is None and end <= onset:
        yield Observation(about, topic, f"{label}: no data yet after {stamp(onset)}, {_text(before)} in the {minutes(start, onset)} minutes before", min(weight, 15))
        return
    new, old = after or 0, before or 0
    scale = minutes(onset, end) / minutes(start, onset) if is_total else 1
    if not new and not old:
        weight = 5
    elif not rose(ctx, old, new, scale):
        weight = min(weight, 55 if 2 * new < old * scale else 30)
    rates = ("", "")
    if is_total:
        rates = tuple("" if value is None else f" ({figure(float(f'{value / length:.3g}'))} per minute)"
                      for value, length in ((after, minutes(onset, end)), (before, minutes(start, onset))))
    yield Observation(about, topic, f"{label}: {_text(after)}{rates[0]} from {stamp(onset)} to {stamp(end)}, {_text(before)}{rates[1]} "
                                    f"in the {minutes(start, onset)} minutes before", weight)


def metrics(
    ctx: Context, about: str, namespace: str, dimensions: Mapping[str, str], wanted: Sequence[Tuple[str, str, str, int]]
) -> Iterator[Observation]:
    """Returns metrics before and after the onset. Each of `wanted` is a label, a metric, its statistic, and a weight."""
    yield from observed(ctx, about, wanted, measure(ctx, namespace, dimensions, wanted))


def measure(ctx: Context, namespace: str, dimensions: Mapping[str, str], wanted: Sequence[Tuple[str, str, str, int]]) -> Measured:
    """Returns the numbers of `metrics` by their labels, and the end of the minutes that they cover."""
    return ctx.compare(namespace, {label: (metric, stat) for label, metric, stat, _ in wanted}, dimensions)


def observed(ctx: Context, about: str, wanted: Sequence[Tuple[str, str, str, int]], measured: Measured) -> Iterator[Observation]:
    """Returns what `measure` returned as observations."""
    found, covered = measured
    for label, _, stat, weight in wanted:
        topic = "limit" if "throttle" in label or "provisioned" in label else "health"
        yield from numbers(ctx, about, topic, label, *found[label], weight, stat in ("Sum", "SampleCount"), covered)


def stack_events(ctx: Context, about: str, physical_id: str, *types: str) -> Iterator[Observation]:
    """Returns what CloudFormation did to the stack of a resource before the alarm. A resource without a stack is no error.

    `types` are the types of resources in CloudFormation that `physical_id` can have, if others can have the same one.
    """
    def is_it(found: Mapping[str, Any]) -> bool:
        return found.get("PhysicalResourceId") == physical_id and (not types or found.get("ResourceType") in (None, *types))

    client = ctx.client("cloudformation")
    try:
        resources = client.describe_stack_resources(PhysicalResourceId=physical_id).get("StackResources") or []
    except Exception as error:
        if "does not exist" in str(error):
            return
        raise
    own = [r for r in resources if is_it(r)]
    if not own and len(resources) >= MAX_RESOURCES and not any(r.get("PhysicalResourceId") == physical_id for r in resources):
        own = resources  # all are of the resource's stack, which has more
    for stack in list(dict.fromkeys(r["StackName"] for r in own))[:1]:
        events = ctx.once(("stack", stack), lambda: ctx.pages(
            f"events of stack {stack}", client.describe_stack_events, "StackEvents", 1000, newest_first="Timestamp", StackName=stack))
        shown = 0
        causes = [event for event in events if _is_cause(event)][:MAX_EVENTS // 2]
        for event in causes + [event for event in events if event not in causes]:  # the newest
            is_own = is_it(event)
            failed = "FAILED" in (event.get("ResourceStatus") or "") or "ROLLBACK" in (event.get("ResourceStatus") or "")
            whole = event.get("ResourceType") == "AWS::CloudFormation::Stack"
            if (is_own or failed or whole) and shown < MAX_EVENTS:
                reason = f": {event['ResourceStatusReason']}" if event.get("ResourceStatusReason") else ""
                for seen in recent(ctx, about, f"CloudFormation stack {stack}: {event.get('LogicalResourceId')} "
                                               f"{event.get('ResourceStatus')}{reason}", event.get("Timestamp"), 92 if failed or is_own else 85):
                    shown += 1
                    yield seen


def _is_cause(event: Mapping[str, Any]) -> bool:
    """Reports whether an event of a stack says why a deployment failed. Failures of other resources follow, which were only cancelled."""
    reason = event.get("ResourceStatusReason") or ""
    return "FAILED" in (event.get("ResourceStatus") or "") and reason != "" and "cancelled" not in reason


def recent(ctx: Context, about: str, what: str, when: Any, weight: int = 90) -> Iterator[Observation]:
    """Returns a change if it happened within the period that is searched for changes, up to the transition.

    It says whether the change was before the onset. What was changed after it, or long before it, counts less than the errors.
    """
    if not isinstance(when, datetime):
        return
    when = when.astimezone(timezone.utc)
    if ctx.fired_at - BEFORE <= when <= ctx.fired_at:
        ago = int((ctx.fired_at - when).total_seconds() / 60)
        order, most = _order(ctx, when)
        relation = f", {order} the onset at {stamp(ctx.onset.at)}" if ctx.onset else ""
        yield Observation(about, "change", f"{what} at {stamp(when)}, {ago} minutes before the alarm{relation}", min(weight, most), when)


def most_weight(ctx: Context, when: datetime) -> int:
    """Returns the most weight of a change: one after the onset, or long before it, counts less than new errors."""
    return _order(ctx, when)[1]


def _order(ctx: Context, when: datetime) -> Tuple[str, int]:
    """Returns whether a change was before the onset, in its period, or after it, and the most weight of such a change."""
    ctx.windows()
    if ctx.onset is None:
        return "", 100
    if when < ctx.onset.at:
        return "before", LONG_BEFORE if when < ctx.onset.at - EARLY else 100
    return ("in the same period as", 100) if when < ctx.onset.at + ctx.onset.period else ("after", AFTER_ONSET)


def rose(ctx: Context, before: float, after: float, scale: float = 1) -> bool:
    """Reports whether a number more than doubled at the onset. Totals are compared per minute: `scale` is the ratio of the periods."""
    return after > 2 * before * scale


def minutes(start: datetime, end: datetime) -> int:
    return max(1, round((end - start).total_seconds() / 60))


def _text(value: Optional[float]) -> str:
    return "no data" if value is None else figure(value)
