"""The metrics that the alarm evaluates, around its transition."""

import json
import re
from datetime import datetime, timedelta, timezone
from itertools import islice
from operator import ge, gt, le, lt
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from alarmtriage_tool import cloudwatch

from .context import AROUND, Context, Onset, number, stamp

PERIODS = 180  # before the transition that are read
MAX_POINTS = 240  # of one series
MAX_SERIES = 12  # that are shown
MAX_QUERIES = 20  # of one alarm, which is CloudWatch's limit; any of them can be what another one needs
MAX_PAGES = 5  # of GetMetricData
# Seconds, for how long CloudWatch keeps datapoints of shorter periods, and that in words.
KEPT = ((60, timedelta(hours=3), "a minute for 3 hours"), (300, timedelta(days=15), "five minutes for 15 days"), (3600, timedelta(days=63), "an hour for 63 days"))
# Expressions that find metrics on their own, instead of using those of other queries.
_SEARCHES = re.compile(r"(?i)\b(?:SELECT|SEARCH|INSIGHT_RULE_METRIC|DB_PERF_INSIGHTS|LAMBDA|SERVICE_QUOTA)\b")
LATE_PERIODS = 5  # datapoints before the transition that CloudWatch may not have evaluated yet
MORE_PERIODS = 2  # beyond the evaluation periods, in which CloudWatch looks for datapoints if some are missing; AWS's examples have 5 for 3
MIN_USUAL = 10  # datapoints that show the usual range of a series
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": gt, "GreaterThanOrEqualToThreshold": ge, "LessThanThreshold": lt, "LessThanOrEqualToThreshold": le}
_OPERATORS = {">": "GreaterThanThreshold", ">=": "GreaterThanOrEqualToThreshold", "<": "LessThanThreshold", "<=": "LessThanOrEqualToThreshold"}  # of PromQL
MAX_SPAN = timedelta(hours=24)  # time range of a PromQL query; CloudWatch limits the data scanned per 24 hours


def of_metrics(ctx: Context, source: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Returns the metrics of an alarm in the format of DescribeAlarms. Omits expressions if one of them fails."""
    wanted = _queries(ctx, source)
    if not wanted:
        return []
    try:
        results, cut = _fetch(ctx, wanted)
    except Exception as error:
        plain = [q for q in wanted if q.get("MetricStat")]
        if not plain or len(plain) == len(wanted):
            raise
        ctx.note(f"expressions of the metric: {str(error)[:300]}")
        results, cut = _fetch(ctx, plain)
    return _series(ctx, source, wanted, results, cut)


def _queries(ctx: Context, source: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Returns the GetMetricData queries of an alarm. Metrics of another account name that account."""
    if source.get("Metrics"):
        if len(source["Metrics"]) > MAX_QUERIES:
            ctx.note(f"series: only {MAX_QUERIES} of the alarm's {len(source['Metrics'])} queries were read")
        wanted = json.loads(json.dumps(source["Metrics"][:MAX_QUERIES]))
        for query in wanted:
            query["ReturnData"] = True
    elif source.get("MetricName"):
        stat = {"Metric": {"Namespace": source["Namespace"], "MetricName": source["MetricName"],
                           "Dimensions": source.get("Dimensions", [])},
                "Period": source.get("Period") or 60,
                "Stat": source.get("Statistic") or source.get("ExtendedStatistic") or "Average"}
        if source.get("Unit"):
            stat["Unit"] = source["Unit"]
        wanted = [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]
    else:
        return []
    if ctx.is_foreign:
        searching = [q for q in wanted if _SEARCHES.search(q.get("Expression") or "")]
        if searching:  # no request can say whose metrics such an expression searches
            ctx.note(f"series: {', '.join(q['Id'] for q in searching)} searches the metrics of account {ctx.account} and was not read, "
                     f"because this code reads account {ctx.own_account}")
            wanted = [q for q in wanted if q not in searching]
        for query in wanted:
            if query.get("MetricStat"):
                query.setdefault("AccountId", ctx.account)
    return wanted


def _fetch(ctx: Context, wanted: List[Dict[str, Any]]) -> Tuple[List[Dict[str, Any]], Optional[datetime]]:
    """Returns the results of the queries, and their start if CloudWatch no longer has the datapoints before it. Notes what the service could not read."""
    periods = [q.get("MetricStat", {}).get("Period") or q.get("Period") or 60 for q in wanted]
    step = timedelta(seconds=max(periods + [1]))
    span = min(max(step * PERIODS, timedelta(hours=1)), timedelta(days=14))
    start = _aligned(ctx.fired_at - span, step)
    end = min(ctx.now + step, ctx.fired_at + max(step * 10, timedelta(minutes=30)))
    shortest = min([period for period in (q.get("MetricStat", {}).get("Period") or q.get("Period") for q in wanted) if period], default=60)
    cut: Optional[datetime] = None
    for seconds, kept, words in KEPT:
        oldest = ctx.now - kept + timedelta(minutes=1)  # still within this time when CloudWatch gets the request
        if shortest < seconds and start < oldest:
            start = cut = _aligned(oldest, step) + step
            ctx.note(f"series: datapoints before {stamp(start)} were not read, because CloudWatch keeps those of less than {words}")
            if start >= end:
                return [], cut
    request: Dict[str, Any] = {"MetricDataQueries": wanted, "StartTime": start, "ScanBy": "TimestampAscending", "EndTime": end}
    results: List[Dict[str, Any]] = []
    states: Dict[Tuple[str, str], str] = {}
    for page in range(MAX_PAGES):
        try:
            answer = ctx.client("cloudwatch").get_metric_data(**request)
        except Exception as error:
            if page == 0:
                raise
            ctx.note(f"series: of the alarm's metrics, only what precedes a page that failed was read: {error}")
            break
        results += answer.get("MetricDataResults") or []
        for message in answer.get("Messages") or []:
            ctx.note(f"series: {message.get('Code')}: {message.get('Value')}")
        for result in answer.get("MetricDataResults") or []:
            told = "; ".join(f"{m.get('Code')}: {m.get('Value')}" for m in result.get("Messages") or [])
            states[(result["Id"], result.get("Label") or "")] = f"{result.get('StatusCode') or 'Complete'}{': ' if told else ''}{told}"
        if not answer.get("NextToken"):
            break
        request["NextToken"] = answer["NextToken"]
    else:
        ctx.note(f"series: only the first {MAX_PAGES} pages of the alarm's metrics were read")
    incomplete: Dict[str, List[str]] = {}  # labels, by state
    for (id, label), state in states.items():
        if state != "Complete":
            incomplete.setdefault(state, []).append(label or id)
    for state, labels in incomplete.items():  # one line for all of a query's, which can be hundreds
        more = f" and {len(labels) - 1} more are" if len(labels) > 1 else " is"
        ctx.note(f"series: {labels[0]}{more} incomplete ({state})")
    # A result without data because CloudWatch could not read it, such as that of a metric of another account, is no series without data.
    return [r for r in results if r.get("Timestamps") or states[(r["Id"], r.get("Label") or "")].startswith("Complete")], cut


def _aligned(at: datetime, step: timedelta) -> datetime:
    """Returns the start of a time's period. CloudWatch counts the periods of a request from its start, and those of an alarm from the full hour or day."""
    return datetime.fromtimestamp(at.timestamp() // step.total_seconds() * step.total_seconds(), timezone.utc)


def _series(
    ctx: Context, source: Mapping[str, Any], wanted: List[Dict[str, Any]], results: List[Dict[str, Any]], cut: Optional[datetime]
) -> List[Dict[str, Any]]:
    band = source.get("ThresholdMetricId")
    evaluated = next((q["Id"] for q in (source.get("Metrics") or []) if q.get("ReturnData", True) and q["Id"] != band), "m1")
    by_id = {q["Id"]: q for q in wanted}
    # CloudWatch evaluates an expression without a period with the period of its metrics.
    shared = max((q["MetricStat"].get("Period") or 0 for q in wanted if q.get("MetricStat")), default=0) or 60
    found: Dict[Tuple[str, str], Dict[str, Any]] = {}
    states: Dict[Tuple[str, str], str] = {}  # on the last page that was read
    bounds: Dict[float, List[float]] = {}
    for result in results:
        points = [[t.timestamp(), v] for t, v in zip(result.get("Timestamps", []), result.get("Values", [])) if number(v)]
        if result["Id"] == band:
            for at, value in points:
                bounds.setdefault(at, []).append(value)
            continue
        query = by_id.get(result["Id"], {})
        stat = query.get("MetricStat", {})
        label = result.get("Label") or query.get("Label") or stat.get("Metric", {}).get("MetricName") or result["Id"]
        series = found.setdefault((result["Id"], label), {
            "id": result["Id"], "label": label, "unit": stat.get("Unit"), "stat": stat.get("Stat"),
            "period": stat.get("Period") or query.get("Period") or shared, "points": [],
            "account": query.get("AccountId") if query.get("AccountId") != ctx.own_account else None})
        series["points"] += points
        states[result["Id"], label] = result.get("StatusCode") or ""
    several: Dict[str, int] = {}
    for series in found.values():
        series["points"] = sorted(series["points"])[-MAX_POINTS:]
        if series["id"] == evaluated:
            if number(source.get("Threshold")) and not band:
                series["threshold"] = source["Threshold"]
            if bounds:
                times = sorted(bounds)[-MAX_POINTS:]
                series["lower"] = [[t, min(bounds[t])] for t in times]
                series["upper"] = [[t, max(bounds[t])] for t in times]
    below = "LessThan" in (source.get("ComparisonOperator") or "")
    shown = [series for series in found.values() if series["id"] == evaluated]
    blamed = [series for series in shown if _is_blamed(ctx, series["label"])] if len(shown) > 1 else shown
    ranked = sorted(found.values(), key=lambda s: (s["id"] != evaluated, s not in blamed, _distance(s, below)))
    for series in ranked:
        has_newest = states[series["id"], series["label"]] in ("", "Complete")  # else later pages have them
        if series in blamed and has_newest:  # another one can have been in ALARM for hours
            first = onset_of(series, source, ctx.fired_at, cut)
            if first is not None:
                ctx.onsets.append(Onset(first, timedelta(seconds=series["period"])))
    for series in ranked:  # a query with GROUP BY or SEARCH has several series
        several[series["id"]] = several.get(series["id"], 0) + 1
        if several[series["id"]] > 1:
            series["id"] += f"_{several[series['id']]}"
    return ranked


def onset_of(series: Mapping[str, Any], source: Mapping[str, Any], fired_at: datetime, cut: Optional[datetime] = None) -> Optional[datetime]:
    """Returns when the alarm's condition began, or None if the series does not show it. CloudWatch no longer has the datapoints before `cut`.

    This is the first breaching datapoint of the run that led to the transition, or an earlier one, if the series left its range
    of the time before already then: a queue's age rises for a while until it exceeds the threshold.
    """
    breaches = _condition(series, source)
    period = int(series.get("period") or 60)
    values = {int(at // period): value for at, value in series["points"] if at <= fired_at.timestamp()}
    if breaches is None or not values:
        return None
    first, newest = min(values), int(fired_at.timestamp() // period)
    treatment = source.get("TreatMissingData")
    count = int(source.get("EvaluationPeriods") or 1)
    enough = min(int(source.get("DatapointsToAlarm") or count), count)
    run: Optional[int] = None
    evaluated: Dict[int, bool] = {}  # by period, whether it breaches, the newest first
    found, pauses, gap = 0, 0, 0
    for at in range(newest, first - 1, -1):
        if at not in values and (treatment != "breaching" or at == newest):
            gap += 1  # no data says neither, nor does a period that has not ended
            if run is not None and gap > count:
                break
            continue
        gap = 0
        evaluated[at] = at not in values or breaches(values[at], at)
        if not evaluated[at]:
            pauses += 1
            if pauses > count - enough and (run is not None or newest - at > 2 * count + LATE_PERIODS):
                break
            continue
        found += 1
        window = [one for one in islice(reversed(evaluated), count) if treatment != "notBreaching" or one - at < count + MORE_PERIODS]
        if sum(evaluated[one] for one in window) >= enough or found < enough:
            run, pauses = at, 0
        elif run not in window:
            break  # it and the datapoints after it did not put the alarm into ALARM
    # A metric of errors often has no datapoint before the first error, and missing ones do not breach.
    is_first = treatment == "notBreaching" and newest - first < PERIODS // 2 and len(series["points"]) < MAX_POINTS and (
        cut is None or first - int(cut.timestamp() // period) > count)
    if run is None or run <= first and not is_first:
        return None  # nothing breaches, or everything does since the beginning of the series
    return datetime.fromtimestamp(_excursion(values, run, source) * period, timezone.utc)


def _condition(series: Mapping[str, Any], source: Mapping[str, Any]) -> Optional[Callable[[float, int], bool]]:
    """Returns what reports whether the value of a period breaches, or None if the alarm's condition is not known."""
    operator, threshold = source.get("ComparisonOperator") or "", series.get("threshold")
    period = int(series.get("period") or 60)
    lower, upper = ({int(at // period): value for at, value in series.get(side) or []} for side in ("lower", "upper"))
    if lower or upper:
        is_low, is_high = "LessThan" in operator, "GreaterThan" in operator
        return lambda value, at: is_low and value < lower.get(at, value) or is_high and value > upper.get(at, value)
    if not number(threshold):
        return None
    compare = _COMPARISONS.get(operator)
    return (lambda value, _: compare(value, threshold)) if compare else None


def _excursion(values: Mapping[int, float], run: int, source: Mapping[str, Any]) -> int:
    """Returns the period in which a series left the range of the time before, on the side of the threshold.

    If that range rose or fell, such as that of requests in the morning, it goes on to do so, at up to twice the speed.
    """
    earlier = sorted(at for at in values if at < run)
    usual = earlier[:len(earlier) // 2]
    if len(usual) < MIN_USUAL:
        return run
    below = "LessThan" in (source.get("ComparisonOperator") or "") and "GreaterThan" not in (source.get("ComparisonOperator") or "")
    sign = -1 if below else 1
    half = len(usual) // 2
    first, second = ([sign * values[at] for at in part] for part in (usual[:half], usual[half:]))
    highest = max(first + second)
    rise = max(min(max(second) - max(first), _middle(second) - _middle(first)), 0)  # one high value is no trend
    drift = 2 * rise / (usual[-1] - usual[half - 1])
    steps = [after - before for before, after in zip(earlier, earlier[1:])]
    longest = max(int(source.get("EvaluationPeriods") or 1) + 1, _middle(steps))  # between two datapoints of one excursion
    for at in reversed(earlier):
        if run - at > longest or sign * values[at] <= highest + drift * max(at - usual[-1], 0):
            break
        run = at
    return run


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _is_blamed(ctx: Context, label: str) -> bool:
    """Reports whether a series of a query is the one that the event is about, or may be. Its label contains the values of its dimensions."""
    values = [str(value) for key, value in (ctx.alarm.get("contributor") or {}).items() if not key.startswith("AWS.")]
    return all(re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", label) for value in values)


def _distance(series: Mapping[str, Any], below: bool) -> float:
    """Orders the series of one query: the one that is farthest on the wrong side of the threshold comes first."""
    values = [value for _, value in series["points"]]
    if not values:
        return float("inf")
    return min(values) if below else -max(values)


def of_children(ctx: Context, alarms: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Returns the metrics of a composite alarm's child alarms."""
    found: List[Dict[str, Any]] = []
    fresh: List[Onset] = []  # onsets of alarms that did not change their states long before the composite alarm
    for position, source in enumerate(alarms):
        if len(found) >= MAX_SERIES:
            ctx.note(f"series: the metrics of {len(alarms) - position} child alarms were not read")
            break
        known = len(ctx.onsets)
        try:
            listed = of_metrics(ctx, source)
        except Exception as error:
            ctx.note(f"series of {source['AlarmName']}: {type(error).__name__}: {str(error)[:200]}")
            continue
        for series in listed:
            series["id"] = f"{series['id']}_{position + 1}"
            series["label"] = f"{source['AlarmName']}: {series['label']}"
            found.append(series)
        changed = source.get("StateTransitionedTimestamp")
        if isinstance(changed, datetime) and (source.get("StateValue") == "ALARM") != (changed < ctx.fired_at + timedelta(seconds=1)):
            del ctx.onsets[known:]  # it was not in ALARM at the transition, as in NOT ALARM(deploying), or it went to ALARM later
            continue
        if not isinstance(changed, datetime) or changed >= ctx.fired_at - AROUND:
            fresh += ctx.onsets[known:]
    if fresh:  # an alarm that has been in ALARM for hours did not cause this transition
        ctx.onsets[:] = fresh
    return found


def limited(ctx: Context, found: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Returns the first series, and notes how many are left out."""
    if len(found) > MAX_SERIES:
        ctx.note(f"series: only {MAX_SERIES} of {len(found)} are shown")
    return found[:MAX_SERIES]


def of_promql(ctx: Context, asked: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Returns the series of a PromQL query, those first that triggered the alarm."""
    if not asked["text"]:
        raise ctx.no_query("the PromQL query")
    if ctx.is_foreign:
        raise LookupError(f"the PromQL query was not run, because the alarm is in account {ctx.account} and this code reads account "
                          f"{ctx.own_account}")
    step = max(asked["interval"], 60)
    span = min(max(timedelta(seconds=step) * PERIODS, timedelta(hours=1)), MAX_SPAN)
    shown, operator, threshold = comparison(asked["text"])
    last = min(ctx.now, ctx.fired_at + max(timedelta(seconds=step) * 10, timedelta(minutes=30)))
    start = datetime.fromtimestamp((ctx.fired_at - span).timestamp() // step * step, timezone.utc)
    window = {"start": start, "end": last, "step": step, "region": ctx.region}
    try:
        data = cloudwatch.promql(shown, **window)
    except Exception as error:
        if shown == asked["text"]:
            raise
        ctx.note(f"PromQL without its comparison: {str(error)[:200]}")
        threshold, data = None, cloudwatch.promql(asked["text"], **window)
    for warning in data.get("warnings") or []:
        ctx.note(f"PromQL: {str(warning)[:200]}")
    blamed = ctx.alarm.get("contributor") or {}
    found = []
    for result in data.get("result") or []:
        labels = result.get("metric") or {}
        points = [[float(at), float(value)] for at, value in result.get("values") or []]
        points = [p for p in points if p[1] == p[1] and abs(p[1]) != float("inf")]
        own = bool(blamed) and all(labels.get(k) == v for k, v in blamed.items())
        found.append((not own, -max([p[1] for p in points], default=0), labels, points))
    found.sort(key=lambda f: f[:2])
    listed = [
        {"id": f"promql_{i + 1}", "unit": None, "period": step, "stat": None, "points": points[-MAX_POINTS:], "threshold": threshold,
         "label": ", ".join(f"{k}={v}" for k, v in sorted(labels.items())) or shown[:200]}
        for i, (_, _, labels, points) in enumerate(found)]
    for (is_other, *_), one in zip(found, listed):
        first = None if blamed and is_other else onset_of(one, {"ComparisonOperator": operator}, ctx.fired_at)
        if first is not None:
            ctx.onsets.append(Onset(first, timedelta(seconds=one["period"])))
    return limited(ctx, listed)


def comparison(text: str) -> Tuple[str, str, Optional[float]]:
    """Splits a PromQL query into the expression that the alarm evaluates, and the operator and the number of its final comparison."""
    parts = re.match(r"(?s)^(.*\S)\s*(>=|<=|>|<)\s*(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*$", text)
    if not parts or "#" in text or re.search(r"(?i)\b(and|or|unless)\b", parts[1]) or re.search(r"[<>]|[=!]=\s*$", parts[1]):
        return text, "", None
    for opening, closing in ("()", "{}", "[]"):
        if parts[1].count(opening) != parts[1].count(closing):
            return text, "", None
    try:
        return parts[1], _OPERATORS[parts[2]], float(parts[3])
    except ValueError:
        return text, "", None


def of_log_query(runs: Sequence[Tuple[float, Any, Any]], asked: Mapping[str, Any], threshold: Any) -> List[Dict[str, Any]]:
    """Returns the results of the evaluated executions of a log alarm's query as one series."""
    points = [[at, value] for at, value, _ in runs if number(value)]
    if not points:
        return []
    gaps = [b[0] - a[0] for a, b in zip(points, points[1:]) if b[0] > a[0]]
    return [{"id": "query", "label": asked["aggregation"] or "result of the alarm's query", "unit": None,
             "period": int(min(gaps)) if gaps else 60, "stat": None, "points": points[-MAX_POINTS:],
             "threshold": threshold if number(threshold) else None}]


def moment_of(text: Any) -> Optional[float]:
    """Returns the time of a log alarm's execution in seconds since 1970, or None."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    except (TypeError, ValueError):
        return None
