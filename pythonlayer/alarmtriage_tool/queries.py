"""Functions that save the model's code a few rounds: a Logs Insights query and a metric, each in one call.

They use boto3 like any other code, so the broker decides which requests pass.
"""

import time
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import place
from .dates import Moment, epoch

MAX_GROUPS = 50  # log groups of one query, which is CloudWatch's limit
MAX_POINTS = 500  # of one series
MAX_PAGES = 10  # of a metric
# Age of the start in seconds, and the period in seconds of which the request's must be a multiple if the start is older. Otherwise
# CloudWatch returns no points, and no error.
_COARSER = ((63 * 86400, 3600), (15 * 86400, 300), (3 * 3600, 60))
_PAUSE = 0.5  # seconds between two looks at a running query


def logs_query(
    groups: Union[str, Sequence[str]], query: str, start: Moment, end: Optional[Moment] = None, limit: int = 200,
    seconds: float = 40, region: Optional[str] = None, account: Optional[str] = None,
) -> Dict[str, Any]:
    """Runs a Logs Insights query and waits for it. AWS bills the bytes that it scans: keep the period short.

    `groups` is a name or ARN of a log group, or a list of them; `start` and `end` are datetimes or seconds since 1970. Returns
    `rows` (one dict each), `status` (Complete, or why rows are missing or can be), `matched` (records), and `scanned_bytes`.
    """
    import boto3

    logs = boto3.client("logs", region_name=region, **place.naming(account))
    names = [groups] if isinstance(groups, str) else list(groups)
    if len(names) > MAX_GROUPS:
        raise ValueError(f"{len(names)} log groups: a query can search {MAX_GROUPS}; split it")
    names = [name[:-2] if name.startswith("arn:") and name.endswith(":*") else name for name in names]
    key = "logGroupIdentifiers" if any(name.startswith("arn:") for name in names) else "logGroupNames"
    started = logs.start_query(
        **{key: names}, queryString=query, limit=limit, startTime=int(epoch(start)), endTime=int(epoch(end or time.time())))
    until = time.monotonic() + seconds
    while True:
        answer = logs.get_query_results(queryId=started["queryId"])
        status = answer.get("status") or "Running"
        if status not in ("Scheduled", "Running", "Unknown"):
            break
        if time.monotonic() > until:
            status = f"{status}: not finished within {seconds:g} s, so the rows are incomplete"
            break
        time.sleep(_PAUSE)
    statistics = answer.get("statistics") or {}
    rows = [{cell["field"]: cell.get("value") for cell in row if cell["field"] != "@ptr"} for row in answer.get("results") or []]
    if len(rows) == limit:
        status += f": the limit of {limit} rows was reached, so others can be missing; pass a higher limit, or aggregate more"
    return {
        "rows": rows, "status": status, "matched": int(statistics.get("recordsMatched") or 0), "scanned_bytes": int(statistics.get("bytesScanned") or 0),
    }


def metric(
    namespace: str, name: str, dimensions: Union[Mapping[str, str], Sequence[Mapping[str, str]], None] = None, start: Optional[Moment] = None,
    end: Optional[Moment] = None, stat: str = "Average", period: int = 60, region: Optional[str] = None, account: Optional[str] = None,
) -> List[Dict[str, Any]]:
    """Reads a metric. Returns one entry per series with `label`, `points` ([time, value], oldest first, the newest 500), and
    `status` (Complete, or why points are missing, and whether another series has the same label).

    Without `dimensions`, it searches the metric under all dimensions and returns each series with its label resolved. Pass an empty dict for
    a metric that has none. A list of {"Name": …, "Value": …}, as CloudWatch has it, is taken as well. `start` defaults to 3 hours before `end`.
    CloudWatch has no fine points of long ago: `period` becomes a multiple of a minute if `start` is more than 3 hours ago, which the default
    is, of 5 minutes after 15 days, and of an hour after 63 days.
    `account` is the owner of the metric; the metrics of accounts that are not read come from CloudWatch's links between accounts.
    """
    import boto3

    account = f"{account:012d}" if isinstance(account, int) else account
    is_read = place.reads(account)
    if dimensions is not None and not isinstance(dimensions, Mapping):
        dimensions = {pair["Name"]: pair["Value"] for pair in dimensions}
    until = epoch(end or time.time())
    since = epoch(start) if start is not None else until - 3 * 3600
    period = available(period, since)
    query: Dict[str, Any] = {"Id": "m1", "ReturnData": True}
    if account and not is_read:
        query["AccountId"] = account
    if dimensions is None:
        text = f'MetricName="{_quoted(name)}" Namespace="{_quoted(namespace)}"'.replace("'", "")
        query["Expression"] = f"SEARCH('{text}', '{stat}', {period})"
    else:
        query["MetricStat"] = {"Period": period, "Stat": stat, "Metric": {
            "Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()]}}
    request: Dict[str, Any] = {
        "MetricDataQueries": [query], "StartTime": datetime.fromtimestamp(since, timezone.utc),
        "EndTime": datetime.fromtimestamp(until, timezone.utc) + timedelta(seconds=1), "ScanBy": "TimestampAscending"}
    messages: Dict[str, None] = {}  # such as that a search matches more series than CloudWatch returns
    client = boto3.client("cloudwatch", region_name=region, **place.naming(account if is_read else None))
    found: Dict[Tuple[str, int], Dict[str, Any]] = {}
    for page in range(MAX_PAGES):
        answer = client.get_metric_data(**request)
        last: Dict[str, int] = {}  # by label, which of its series the page had last
        messages.update(dict.fromkeys(_told(answer)))
        for result in answer.get("MetricDataResults") or []:
            label = result.get("Label") or name
            points = [[at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), value]
                      for at, value in zip(result.get("Timestamps") or [], result.get("Values") or [])]
            # A page has each series once, and its points are later than those of earlier pages.
            last[label] = last.get(label, 0) + 1
            while not _continues(points, found.get((label, last[label]))):
                last[label] += 1
            series = found.setdefault((label, last[label]), {"label": label, "points": []})
            series["points"] += points
            series["status"] = (result.get("StatusCode") or "Complete") + "".join(_told(result))
        if not answer.get("NextToken"):
            break
        request["NextToken"] = answer["NextToken"]
    else:
        for series in found.values():
            series["status"] += f": only the first {MAX_PAGES} pages were read, so newer points can be missing"
    if messages and not found:
        found[name, 1] = {"label": name, "points": [], "status": "Incomplete"}
    for (label, _), series in found.items():
        series["status"] += "".join(messages)
        if (label, 2) in found:
            series["status"] += ": another series, with other dimensions or of another account, has the same label"
            if page > 0:
                series["status"] += ", and some points can be those of the other one"
        if len(series["points"]) > MAX_POINTS:
            series["status"] += f": only the newest {MAX_POINTS} of {len(series['points'])} points are listed; use a longer period or less time"
            series["points"] = series["points"][-MAX_POINTS:]
    return list(found.values())


def _told(answer: Mapping[str, Any]) -> List[str]:
    """Returns the messages of an answer or of one of its series, such as that the data of an account may not be read."""
    return [f": {message.get('Code')}: {message.get('Value')}" for message in answer.get("Messages") or []]


def _continues(points: List[Any], series: Optional[Mapping[str, Any]]) -> bool:
    """Reports whether points can be the next ones of a series, or the first ones if there is none."""
    return not series or not points or not series["points"] or series["points"][-1][0] < points[0][0]


def available(period: float, since: float, now: Optional[float] = None) -> int:
    """Returns the period, or the next longer one for which CloudWatch has points since a time."""
    age = (time.time() if now is None else now) - since
    step = next((step for oldest, step in _COARSER if age > oldest), 1)
    return -(-int(period) // step) * step


def _quoted(text: str) -> str:
    return text.replace('"', "")
