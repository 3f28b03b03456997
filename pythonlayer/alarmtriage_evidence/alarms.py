"""The alarm itself: its definition, its history, its child alarms, and other alarms in ALARM."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Dict, List, Mapping

from alarmtriage_tool import cloudwatch
from alarmtriage_tool.words import beginning

from .context import Context, stamp

MAX_HISTORY = 100
MAX_RELATED = 30  # newest alarms in ALARM that are listed
MAX_IN_ALARM = 1000  # alarms in ALARM that are read, to find the newest
MAX_CHILDREN = 60  # alarms of a composite alarm, over all levels
MAX_LEVELS = 4  # of composite alarms within composite alarms
MAX_CONTRIBUTORS = 30
_TYPES = ["MetricAlarm", "CompositeAlarm"]

# The alarms in an AlarmRule: AT_LEAST(2, ALARM, (a, "b (prod)", c)), whose number can be a percentage and whose state can
# follow NOT, or the state of one alarm, as in ALARM("orders-errors (prod)") or ALARM(arn:aws:cloudwatch:...). A backslash
# escapes the next character between quotation marks. No part of the expression can match a text in two ways.
_RULE = re.compile(r"""
    \bAT_LEAST\s*\(\s*[0-9.]+\s*(?:%\s*)?,\s*(?:NOT\s+)?(?:ALARM|OK|INSUFFICIENT_DATA)\s*,\s*\(((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'()])*)\)
    |\b(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"((?:[^"\\]|\\.)*)"\s*|'([^']*)'\s*|([^\s"'()][^"'()]*))\)
    """, re.DOTALL | re.VERBOSE)
_LISTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"',][^"',]*)""", re.DOTALL)
MAX_RULE = 20_000  # characters of an AlarmRule that are searched; CloudWatch allows 10,240


def definition(ctx: Context) -> Dict[str, Any]:
    """Returns the alarm as DescribeAlarms returns it. An alarm of the same name in another account is not it."""
    alarm = ctx.alarm
    if ctx.is_foreign:
        raise LookupError(f"not read, because the alarm is in account {ctx.account} and this code reads account {ctx.own_account}")
    alarms: List[Dict[str, Any]] = []
    if alarm["kind"] != "log":
        found = ctx.client("cloudwatch").describe_alarms(AlarmNames=[alarm["name"]], AlarmTypes=_TYPES)
        alarms = (found.get("MetricAlarms") or []) + (found.get("CompositeAlarms") or [])
    if not alarms and alarm["kind"] in ("log", "unknown"):
        alarms = cloudwatch.describe_log_alarms(region=ctx.region, AlarmNames=[alarm["name"]])["LogAlarms"]
    if not alarms:
        raise LookupError(f"no alarm of this name in {ctx.region} of this account")
    arn = alarms[0].get("AlarmArn")
    if arn and alarm.get("arn") and arn.split(":")[4] != alarm["arn"].split(":")[4]:
        raise LookupError(f"the alarm of this name in this account is another one: {arn}")
    return alarms[0]


def history(ctx: Context) -> List[Dict[str, Any]]:
    """Returns the alarm's history, newest first. That of a past transition ends a day after it."""
    kinds = {"log": [["LogAlarm"]], "unknown": [_TYPES, ["LogAlarm"]]}
    until = ctx.fired_at + timedelta(days=1)
    end = {"EndDate": until} if until < ctx.now else {}
    items: List[Any] = []
    for types in kinds.get(ctx.alarm["kind"], [_TYPES]):
        try:
            items += ctx.pages("history", ctx.client("cloudwatch").describe_alarm_history, "AlarmHistoryItems", MAX_HISTORY,
                               newest_first="Timestamp", AlarmName=ctx.alarm["name"], AlarmTypes=types, MaxRecords=MAX_HISTORY, **end)
        except Exception as error:
            if not items:
                raise
            ctx.note(f"history: that of {types[0]} was not read ({_described(error)})")
    return [{"time": stamp(i.get("Timestamp")), "type": i.get("HistoryItemType"),
             "summary": beginning(i.get("HistorySummary") or "", 300)} for i in items]


def contributors(ctx: Context) -> List[Dict[str, Any]]:
    """Returns the time series that put an alarm on several of them into ALARM."""
    found = ctx.pages("contributors", ctx.client("cloudwatch").describe_alarm_contributors, "AlarmContributors",
                      MAX_CONTRIBUTORS, AlarmName=ctx.alarm["name"])
    return [{"attributes": c.get("ContributorAttributes"), "reason": beginning(c.get("StateReason") or "", 200),
             "since": stamp(c.get("StateTransitionedTimestamp"))} for c in found]


def related(ctx: Context) -> List[Dict[str, Any]]:
    """Returns other alarms in ALARM, those first that entered it last."""
    describe = ctx.client("cloudwatch").describe_alarms
    pool = ThreadPoolExecutor(3)
    asked = [(what, pool.submit(ctx.pages, what, call, key, MAX_IN_ALARM, StateValue="ALARM", MaxRecords=100, **request))
             for what, call, key, request in (
                 ("alarms in ALARM (MetricAlarm)", describe, "MetricAlarms", {"AlarmTypes": ["MetricAlarm"]}),
                 ("alarms in ALARM (CompositeAlarm)", describe, "CompositeAlarms", {"AlarmTypes": ["CompositeAlarm"]}),
                 ("log alarms in ALARM", cloudwatch.describe_log_alarms, "LogAlarms", {"region": ctx.region}))]
    pool.shutdown(wait=False)
    listed: List[Dict[str, Any]] = []
    failed: Dict[str, List[str]] = {}  # listings, by why they were not read
    for what, listing in asked:
        try:
            listed += listing.result(timeout=max(0.0, ctx.remaining() - 1))
        except TimeoutError:
            failed.setdefault("not read in time", []).append(what)
        except Exception as error:
            failed.setdefault(_described(error), []).append(what)
    for why, kinds in failed.items():
        ctx.note(f"{', '.join(kinds)}: {why}")
    others = [a for a in listed if a["AlarmName"] != ctx.alarm["name"]]
    since = {id(a): stamp(a.get("StateTransitionedTimestamp") or a.get("StateUpdatedTimestamp")) for a in others}
    others.sort(key=lambda a: since[id(a)] or "", reverse=True)
    if len(others) > MAX_RELATED:
        ctx.note(f"alarms in ALARM: only the newest {MAX_RELATED} of {len(others)} are listed")
    return [{"name": a["AlarmName"], "arn": a.get("AlarmArn"), "state": a.get("StateValue"), "since": since[id(a)],
             "reason": beginning(a.get("StateReason") or "", 200)} for a in others[:MAX_RELATED]]


def children(ctx: Context, composite: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Returns the metric alarms below a composite alarm: first those that triggered it, then others in ALARM, because not all are looked at."""
    triggered = {_name(text) for text in ctx.alarm.get("children") or []}
    return sorted(_below(ctx, composite), key=lambda alarm: (alarm["AlarmName"] not in triggered, alarm.get("StateValue") != "ALARM"))


def _below(ctx: Context, composite: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Returns the metric alarms below a composite alarm, in the order in which rules name them."""
    rule = composite.get("AlarmRule") or ""
    in_rule = _in_rule(rule)
    if not in_rule and rule.strip(" ()").upper() not in ("", "TRUE", "FALSE"):
        ctx.note("child alarms: the AlarmRule names no alarm in a form that this code knows")
    mentioned = [*(ctx.alarm.get("children") or []), *in_rule]
    wanted = [_name(text) for text in mentioned if not _is_elsewhere(ctx, text)]
    _note_others(ctx, mentioned)
    known = {ctx.alarm["name"]}
    found: List[Dict[str, Any]] = []
    for _ in range(MAX_LEVELS):
        level = [name for name in dict.fromkeys(wanted) if name and name not in known]
        if not level:
            return found
        rest = MAX_CHILDREN - len(known) + 1
        if len(level) > rest:
            ctx.note(f"child alarms: {len(level) - rest} of the composite alarm's were not read")
            level = level[:rest]
        if not level:
            return found
        known.update(level)
        try:
            answer = ctx.client("cloudwatch").describe_alarms(AlarmNames=level, AlarmTypes=_TYPES, MaxRecords=100)
        except Exception as error:
            if not found:
                raise
            ctx.note(f"child alarms: {len(level)} were not read ({_described(error)}), such as {level[0]}")
            return found
        by_name = {a["AlarmName"]: a for a in (answer.get("MetricAlarms") or []) + (answer.get("CompositeAlarms") or [])}
        missing = [name for name in level if name not in by_name]
        if missing:
            try:
                by_name.update((a["AlarmName"], a) for a in _log_children(ctx, missing))
                missing = [name for name in missing if name not in by_name]
                state = "not found in this account"
            except Exception as error:
                state = f"not read, because they may be log alarms, and these were not returned ({_described(error)})"
            if missing:
                ctx.note(f"child alarms: {len(missing)} were {state}, such as {missing[0]}")
        wanted = []
        for name in level:
            child = by_name.get(name, {})
            if child.get("AlarmRule"):
                inner = _in_rule(child["AlarmRule"])
                wanted += [_name(text) for text in inner if not _is_elsewhere(ctx, text)]
                _note_others(ctx, inner)
            elif child.get("EvaluationCriteria"):
                ctx.note(f"child alarms: the query of PromQL alarm {name} was not read")
            elif child and not child.get("ScheduledQueryConfiguration"):
                found.append(child)
    if [name for name in wanted if name not in known]:
        ctx.note(f"child alarms: composite alarms deeper than {MAX_LEVELS} levels were not read")
    return found


def _log_children(ctx: Context, names: List[str]) -> List[Dict[str, Any]]:
    """Returns the log alarms with these names, whose metrics do not exist. Notes that their queries are not read."""
    found = cloudwatch.describe_log_alarms(region=ctx.region, AlarmNames=names, MaxRecords=100)["LogAlarms"]
    for alarm in found:
        ctx.note(f"child alarms: the query of log alarm {alarm['AlarmName']} was not read")
    return [{**alarm, "ScheduledQueryConfiguration": alarm.get("ScheduledQueryConfiguration") or True} for alarm in found]


def _in_rule(rule: str) -> List[str]:
    """Returns the names and ARNs of the alarms in an AlarmRule, once for each mention, in their order."""
    names: List[str] = []
    for listed, *one in _RULE.findall(rule[:MAX_RULE]):
        for quoted, single, bare in _LISTED.findall(listed) if listed else [one]:
            names.append(re.sub(r"\\(.)", r"\1", quoted) or single or bare.strip())
    return names


def _is_elsewhere(ctx: Context, text: str) -> bool:
    """Reports whether a text is the ARN of an alarm of another account or Region than those that are read."""
    parts = text.split(":", 6)
    return text.startswith("arn:") and len(parts) > 6 and (
        parts[3] != ctx.region or bool(ctx.own_account) and parts[4] != ctx.own_account)


def _note_others(ctx: Context, mentioned: List[str]) -> None:
    others = [text for text in mentioned if _is_elsewhere(ctx, text)]
    if others:
        ctx.note(f"child alarms: {len(others)} of other accounts or Regions were not read, such as {others[0]}")


def _name(text: str) -> str:
    """Returns the name in an alarm's ARN, or the text if it is a name."""
    return text.split(":", 6)[6] if text.startswith("arn:") and text.count(":") >= 6 else text


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {beginning(str(error), 200)}"
