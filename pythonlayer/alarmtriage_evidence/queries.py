"""The query of a log or PromQL alarm, the results that the alarm evaluated, and the log lines that match."""

import json
import time
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from alarmtriage_tool.words import beginning

from .context import Context
from .series import moment_of

MAX_LINES = 50  # log lines that match a log alarm's query
MAX_LINE = 500  # characters of one log line
QUERY_SECONDS = 10  # how long to wait for a Logs Insights query
MAX_GROUPS = 50  # log groups of one query, which is CloudWatch's limit


def query(ctx: Context, source: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the query of a log or PromQL alarm from its definition, or else from its event, if CloudWatch confirmed that."""
    sent = ctx.alarm.get("query") or {}  # none if CloudWatch did not confirm the event
    config = source.get("ScheduledQueryConfiguration") or {}
    schedule = config.get("ScheduleConfiguration") or {}
    criteria = (source.get("EvaluationCriteria") or {}).get("PromQLCriteria") or {}
    return {
        "text": config.get("QueryString") or criteria.get("Query") or sent.get("text"),
        "log_groups": config.get("LogGroupIdentifiers") or sent.get("log_groups") or [],
        "aggregation": config.get("AggregationExpression") or sent.get("aggregation"),
        "schedule": schedule.get("ScheduleExpression") or sent.get("schedule"),
        "start_offset": int(schedule.get("StartTimeOffset") or sent.get("start_offset") or 0),
        "end_offset": int(schedule.get("EndTimeOffset") or sent.get("end_offset") or 0),
        "interval": int(source.get("EvaluationInterval") or sent.get("interval") or 0),
        "pending": int(criteria.get("PendingPeriod") or sent.get("pending") or 0),
    }


def reason_data(ctx: Context, source: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the reason data of this transition from the event, or else from the alarm's definition."""
    for text in (ctx.alarm.get("reason_data"), source.get("StateReasonData")):
        try:
            data = json.loads(text or "")
        except ValueError:
            continue
        if isinstance(data, dict):
            return data
    return {}


def runs(data: Mapping[str, Any]) -> List[Tuple[float, Any, Any]]:
    """Returns time, value, and ID of the evaluated executions of a log alarm's query, oldest first."""
    found = []
    results = data.get("results")
    for item in results if isinstance(results, list) else []:
        at = moment_of(item.get("timestamp")) if isinstance(item, dict) else None
        if at is not None:
            found.append((at, item.get("value"), item.get("queryResultId")))
    return sorted(found, key=lambda run: run[0])


def log_lines(ctx: Context, asked: Mapping[str, Any], executions: Sequence[Tuple[float, Any, Any]]) -> List[str]:
    """Returns log lines that match a log alarm's query, from the evaluated execution or a new one."""
    logs = ctx.client("logs")
    # Whoever wrote an event that CloudWatch did not confirm could name an execution of any query.
    evaluated = [] if ctx.alarm.get("unconfirmed") else [execution for _, _, execution in executions]
    for execution in reversed(evaluated):
        try:
            answer = logs.get_query_results(queryId=execution)
        except Exception:
            break  # its results have expired, or the role may not read them
        if answer.get("results"):
            if answer.get("status") not in ("Complete", None):
                ctx.note(f"log_lines: the alarm's query ended with status {answer['status']}, so there may be more lines")
            return _lines(ctx, answer["results"])
    if not asked["text"] or not asked["log_groups"]:
        raise ctx.no_query("its query and log groups")
    if len(asked["log_groups"]) > MAX_GROUPS:
        ctx.note(f"log_lines: only {MAX_GROUPS} of the query's {len(asked['log_groups'])} log groups were searched")
    at = executions[-1][0] if executions else ctx.fired_at.timestamp()
    started = logs.start_query(
        logGroupIdentifiers=[group[:-2] if group.endswith(":*") else group for group in asked["log_groups"][:MAX_GROUPS]],
        queryString=asked["text"], limit=MAX_LINES,
        startTime=int(at - (asked["start_offset"] or 300)), endTime=int(at - asked["end_offset"]) + 1)
    until = time.monotonic() + min(QUERY_SECONDS, ctx.remaining())
    while True:
        answer = logs.get_query_results(queryId=started["queryId"])
        if answer.get("status") not in ("Scheduled", "Running", "Unknown", None):
            break
        if time.monotonic() > until:
            raise TimeoutError(f"the alarm's query did not finish within {QUERY_SECONDS} s")
        time.sleep(0.5)
    if answer["status"] != "Complete":
        raise RuntimeError(f"the alarm's query ended with status {answer['status']}")
    return _lines(ctx, answer.get("results") or [])


def _lines(ctx: Context, rows: Sequence[Sequence[Mapping[str, str]]]) -> List[str]:
    if len(rows) >= MAX_LINES:
        ctx.note(f"log_lines: only the first {MAX_LINES} matching lines were read")
    found = []
    for row in rows[:MAX_LINES]:
        fields = {cell.get("field"): cell.get("value") for cell in row}
        rest = " ".join(f"{name}={value}" for name, value in fields.items() if name not in ("@ptr", "@timestamp"))
        text = fields.get("@message") or rest
        found.append(beginning(f"{fields.get('@timestamp') or ''} {text.rstrip()}".strip(), MAX_LINE))
    return found
