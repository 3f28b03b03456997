"""Two CloudWatch reads that boto3 lacks: PromQL queries, and log alarms until boto3 supports them.

Both are signed requests made with botocore's own signer and HTTP session, so they pass the broker like every
other request. This module protects nothing: the broker decides which requests pass.
"""

import json
import time
from datetime import datetime, timezone
from typing import Any, Dict, Optional, Tuple
from urllib.parse import urlencode

from . import place
from .dates import epoch

_ATTEMPTS = 3  # for a request that is throttled or fails in the service
_PAUSE = 0.3  # seconds before the second attempt; twice that before the third
_TIMEOUT = (3, 25)  # seconds to connect and to read: a PromQL query may take 20
_TARGET = "GraniteServiceVersion20100801"  # of CloudWatch in AWS's JSON protocol


def promql(
    query: str, start: Any = None, end: Any = None, step: Any = None, time: Any = None, region: Optional[str] = None,
    account: Optional[str] = None,
) -> Dict[str, Any]:
    """Runs a PromQL query in CloudWatch.

    With `start` or `end`, it evaluates the query over a range, otherwise at one time (`time`, or now).

    Times are datetimes or seconds since 1970, `step` is in seconds. Returns Prometheus's `data`
    (`resultType` and `result`), with `warnings` if there are any.
    """
    parameters = {"query": query}
    if start is None and end is None:
        path = "/api/v1/query"
        if time is not None:
            parameters["time"] = _seconds(time)
    else:
        path = "/api/v1/query_range"
        last = datetime.now(timezone.utc) if end is None else end
        first = float(_seconds(last)) - 3600 if start is None else start
        parameters.update(start=_seconds(first), end=_seconds(last), step=str(step or 60))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = _ask("QueryMetrics", path, headers, urlencode(parameters).encode(), region, account)
    data = dict(answer.get("data") or {})
    if answer.get("warnings"):
        data["warnings"] = answer["warnings"]
    return data


def describe_log_alarms(region: Optional[str] = None, account: Optional[str] = None, **request: Any) -> Dict[str, Any]:
    """DescribeAlarms for log alarms, with its parameters. Returns `LogAlarms`, and `NextToken` if there are more."""
    request = {**request, "AlarmTypes": ["LogAlarm"]}
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{_TARGET}.DescribeAlarms"}
    answer = _ask("DescribeAlarms", "/", headers, json.dumps(request).encode(), region, account)
    answer["LogAlarms"] = answer.get("LogAlarms") or []
    for alarm in answer["LogAlarms"]:
        for name, value in alarm.items():
            if name.endswith("Timestamp") and isinstance(value, (int, float)):
                alarm[name] = datetime.fromtimestamp(value, timezone.utc)
    return answer


def _seconds(moment: Any) -> str:
    return moment if isinstance(moment, str) else str(epoch(moment))


def _ask(operation: str, path: str, headers: Dict[str, str], body: bytes, region: Optional[str], account: Optional[str]) -> Dict[str, Any]:
    """Sends a signed POST to CloudWatch and returns its JSON answer, or raises ClientError as boto3 does."""
    from botocore.exceptions import ClientError

    pause = _PAUSE
    for attempt in range(1, _ATTEMPTS + 1):
        status, content = _send(path, headers, body, region, account)
        if (status != 429 and status < 500) or attempt == _ATTEMPTS:
            break
        time.sleep(pause)
        pause *= 2
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict) and answer.get("status") != "error":
        return answer
    answer = answer if isinstance(answer, dict) else {}
    code = str(answer.get("errorType") or answer.get("__type") or f"HTTP {status}").rpartition("#")[2]
    text = answer.get("error") or answer.get("message") or answer.get("Message") or content[:300].decode("utf-8", "replace")
    raise ClientError(
        {"Error": {"Code": code, "Message": str(text)}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


def _send(path: str, headers: Dict[str, str], body: bytes, region: Optional[str], account: Optional[str]) -> Tuple[int, bytes]:
    import boto3
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    session = boto3.Session(region_name=region, **place.naming(account))
    client = session.client("cloudwatch")
    request = AWSRequest("POST", client.meta.endpoint_url.rstrip("/") + path, headers=dict(headers), data=body)
    SigV4Auth(session.get_credentials(), "monitoring", client.meta.region_name).add_auth(request)
    response = URLLib3Session(timeout=_TIMEOUT).send(request.prepare())
    return response.status_code, response.content
