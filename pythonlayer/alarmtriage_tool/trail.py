"""Reads the changes that CloudTrail recorded, without the routine events that hide them.

Events are data that anyone with access to the account may have shaped: this module selects and shortens them.
"""

import json
import re
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from . import place
from .dates import Moment, epoch
from .words import beginning

PAGE = 50  # events of one lookup, which is CloudTrail's limit
PAUSE = 0.5  # seconds between lookups; CloudTrail allows two per second
MAX_PAGES = 8  # of one call of `changes`
SECONDS = 12.0  # time for one call of `changes`
MAX_PARAMETERS = 400  # characters of a change's request parameters
PERIOD = timedelta(hours=3)  # default period of `changes`
KEPT = timedelta(days=90)  # how long CloudTrail's event history keeps an event
CLOCK = timedelta(minutes=1)  # a caller may have asked for the time before
_AGENT = re.compile(r"\[?([\w./:+-]{1,60})")  # the name of a client, which the caller chooses, without what could end the field

# What is part of a table or a stream, such as an index and a consumer, and the forms of a function's name that are no ARNs.
_TABLE_OR_STREAM = re.compile(r"^(arn:[\w-]+:(?:dynamodb:[\w-]+:\d+:table|kinesis:[\w-]+:\d+:stream)/[^/]+)/")
_FUNCTION = re.compile(r"^(?:\d{12}:function:)?([\w-]+)(?::[\w$-]+)?$")

# Write events that use a resource and do not change it. There can be thousands of them in an hour.
USES = frozenset((
    "CreateLogStream", "PutLogEvents", "StartExecution", "StartSyncExecution", "StartQuery", "StopQuery", "GenerateDataKey", "Decrypt", "Encrypt",
    "AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML",
))

# Write events that machines record all the time and that do not change how a system works.
ROUTINE = USES | frozenset((
    "UpdateInstanceInformation", "UpdateInstanceAssociationStatus", "PutComplianceItems", "PutInventory", "CreateGrant", "RetireGrant",
    "GetSessionToken", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage", "BatchCheckLayerAvailability",
    "SubmitTaskStateChange", "SubmitContainerStateChange", "SubmitAttachmentStateChanges", "DiscoverPollEndpoint", "RegisterContainerInstance",
    "OpenDataChannel", "CreateControlChannel", "OpenControlChannel", "CreateDataChannel", "ConsoleLogin", "CheckMfa", "SendHeartbeat",
    "UpdateInstanceCustomHealthStatus", "PutEvaluations", "StartSession", "TerminateSession", "ResumeSession",
))


def changes(
    name: Optional[str] = None, start: Optional[Moment] = None, end: Optional[Moment] = None,
    region: Optional[str] = None, account: Optional[str] = None,
) -> Dict[str, Any]:
    """Returns the write events of a resource, or of the whole account if there is no name, newest first.

    `name` is the name of a resource as CloudTrail lists it, such as a function's or a role's (events of IAM are in
    us-east-1). `start` and `end` are datetimes or seconds since 1970; the period defaults to the last 3 hours. Returns
    `changes`, `from` (the start of the period that was read), `complete` (whether all events of the period were read;
    CloudTrail keeps them for 90 days), and `routine` (counts of events that are not listed).
    """
    import boto3

    now = _now()
    until = _moment(end) or now
    since = _moment(start) or until - PERIOD
    attribute = {"AttributeKey": "ResourceName", "AttributeValue": name} if name else {"AttributeKey": "ReadOnly", "AttributeValue": "false"}
    events, complete = lookup(boto3.client("cloudtrail", region_name=region, **place.naming(account)), attribute, since, until, MAX_PAGES, SECONDS,
                              lambda: time.sleep(PAUSE))
    found, routine = [], Counter()
    for event in events:
        if str(event.get("ReadOnly", "")).lower() == "true":
            continue
        change = change_of(event)
        if name or change["event"] not in ROUTINE:
            found.append(change)
        else:
            routine[str(change["event"])] += 1
    oldest = min((e["EventTime"] for e in events if e.get("EventTime")), default=until)  # pages can be empty although more follow
    read_from = min(until, max(since, now - KEPT)) if complete else oldest
    return {"changes": found, "from": stamp(read_from), "complete": complete and now - KEPT <= since + CLOCK, "routine": dict(routine)}


def _now() -> datetime:
    return datetime.now(timezone.utc)


def lookup(
    client: Any, attribute: Mapping[str, str], start: datetime, end: datetime, most_pages: int, seconds: float, pace: Callable[[], None],
    found: Optional[List[Dict[str, Any]]] = None,
) -> Tuple[List[Dict[str, Any]], bool]:
    """Returns the events with an attribute, newest first, and whether these are all of the period. `pace` waits before each page.

    A caller who may not wait for the last page can pass `found`, to which the events of each page are added.
    """
    until = time.monotonic() + seconds
    request: Dict[str, Any] = {"LookupAttributes": [dict(attribute)], "StartTime": start, "EndTime": end, "MaxResults": PAGE}
    found = [] if found is None else found
    for page in range(most_pages):
        pace()
        try:
            answer = client.lookup_events(**request)
        except Exception:
            if page == 0:
                raise
            break  # CloudTrail often throttles; the newest events have been read
        found += answer.get("Events") or []
        token = answer.get("NextToken")
        if not token:
            return found, True
        if token == request.get("NextToken") or time.monotonic() > until:
            break
        request["NextToken"] = token
    return found, False


def change_of(event: Mapping[str, Any], own: Iterable[str] = ()) -> Dict[str, Any]:
    """Returns what matters of an event. `own` are names of resources; the change says whether it touches one of them."""
    detail = _detail(event)
    resources = _resources(event)
    parameters = detail.get("requestParameters")
    text = json.dumps(parameters, separators=(",", ":"), default=str) if parameters else ""
    names = set(resources) | {r.rsplit("/", 1)[-1] for r in resources} | {r.rsplit(":", 1)[-1] for r in resources} | set(_values(parameters))
    names |= {owner for text in list(names) for owner in _owners(str(event.get("EventSource")), text)}
    return {"time": stamp(event.get("EventTime")), "event": event.get("EventName"), "source": event.get("EventSource"),
            "user": event.get("Username"), "actor": _actor(detail), "error": str(detail.get("errorCode") or "") or None, "resources": resources[:5],
            "parameters": beginning(text, MAX_PARAMETERS) + ("…" if len(text) > MAX_PARAMETERS else ""),
            "own": any(name in names for name in own)}


def _owners(source: str, text: str) -> Iterator[str]:
    """Returns the resource that a text in an event of a service belongs to, such as the topic of a subscription and the function of an alias."""
    if text.startswith("arn:"):
        parts = text.split(":")
        yield from (":".join(parts[:count]) for count in (6, 7) if len(parts) > count)
        yield from _TABLE_OR_STREAM.findall(text)
    elif source == "lambda.amazonaws.com":
        yield from _FUNCTION.findall(text)
    elif source in ("autoscaling.amazonaws.com", "application-autoscaling.amazonaws.com") and text.startswith("function:"):
        yield ":".join(text.split(":")[:2])  # without the alias
    elif source in ("rds.amazonaws.com", "elasticache.amazonaws.com"):
        yield text.lower()  # the case of their names does not matter


def texts_of(event: Mapping[str, Any]) -> List[str]:
    """Returns the names of an event's resources and the texts in its request parameters, without names of fields and without tags."""
    return [*_resources(event), *_values(parameters_of(event))]


def parameters_of(event: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the request parameters of an event."""
    found = _detail(event).get("requestParameters")
    return found if isinstance(found, dict) else {}


def _detail(event: Mapping[str, Any]) -> Dict[str, Any]:
    try:
        detail = json.loads(event.get("CloudTrailEvent") or "{}")
    except (ValueError, RecursionError):  # parameters may nest more deeply than Python parses
        return {}
    return detail if isinstance(detail, dict) else {}


def _resources(event: Mapping[str, Any]) -> List[str]:
    return [str(r["ResourceName"]) for r in event.get("Resources") or [] if r.get("ResourceName")]


def _values(parameters: Any) -> List[str]:
    """Returns the texts in request parameters. A tag names no resource, unless it says which one it belongs to."""
    found: List[str] = []
    rest: List[Tuple[Any, bool]] = [(parameters, False)]  # with whether it is part of tags
    while rest:
        value, is_tag = rest.pop()
        if isinstance(value, dict):
            for key, one in reversed(value.items()):
                is_owner = str(key).lower().startswith("resource")
                rest.append((one, not is_owner and (is_tag or str(key).lower().startswith("tag"))))
        elif isinstance(value, list):
            rest += [(one, is_tag) for one in reversed(value)]
        elif isinstance(value, str) and not is_tag:
            found.append(value)
    return found


def stamp(when: Optional[datetime]) -> Optional[str]:
    """Returns a time as RFC 3339 in UTC."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def _member(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns a member that is an object, or an empty one."""
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _actor(detail: Mapping[str, Any]) -> str:
    """Returns who made a change and with what: a role or user, the service that acted for it, and the client."""
    identity = _member(detail, "userIdentity")
    issuer = _member(_member(identity, "sessionContext"), "sessionIssuer")
    who = identity.get("invokedBy") or identity.get("arn") or issuer.get("arn")
    agent = _AGENT.match(str(detail.get("userAgent") or ""))
    return " with ".join(part for part in (str(who or ""), agent[1] if agent else "") if part)[:200]


def _moment(value: Optional[Moment]) -> Optional[datetime]:
    return None if value is None else datetime.fromtimestamp(epoch(value), timezone.utc)
