"""Changes that CloudTrail recorded before the alarm, without the routine events that hide them."""

import json
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .context import BEFORE, Context, stamp

MAX_CHANGES = 40
MAX_NAMES = 4  # resources that are looked up by name
MAX_PAGES = 8  # of 50 events, of the lookup for all writes
MAX_NAME_PAGES = 2  # of a lookup for one resource
PAGE = 50
MAX_PARAMETERS = 400  # characters of a change's request parameters
SECONDS = 10.0  # time for all lookups
AFTER = timedelta(minutes=1)  # events up to this long after the transition are read

# Write events that machines record all the time and that do not change how a system works.
ROUTINE = frozenset((
    "UpdateInstanceInformation", "UpdateInstanceAssociationStatus", "PutComplianceItems", "PutInventory",
    "CreateLogStream", "PutLogEvents", "StartQuery", "StopQuery", "GenerateDataKey", "Decrypt", "Encrypt", "CreateGrant",
    "RetireGrant", "AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetSessionToken", "InitiateLayerUpload",
    "UploadLayerPart", "CompleteLayerUpload", "PutImage", "BatchCheckLayerAvailability", "SubmitTaskStateChange",
    "SubmitContainerStateChange", "SubmitAttachmentStateChanges", "DiscoverPollEndpoint", "RegisterContainerInstance",
    "OpenDataChannel", "CreateControlChannel", "OpenControlChannel", "CreateDataChannel", "ConsoleLogin", "CheckMfa",
    "SendHeartbeat", "UpdateInstanceCustomHealthStatus", "PutEvaluations", "CreateSharedCacheMember", "ReportTaskProgress",
    "StartSession", "TerminateSession", "ResumeSession", "PutCredentials", "BatchPutScheduledUpdateGroupAction",
))


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
            found, complete = _lookup(ctx, region, attribute, most_pages, started + SECONDS)
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
            change = _change(event, own)
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


def _lookup(
    ctx: Context, region: Optional[str], attribute: Mapping[str, str], most_pages: int, until: float
) -> Tuple[List[Dict[str, Any]], bool]:
    """Returns the events with an attribute, newest first, and whether these are all of the period."""
    client = ctx.client("cloudtrail", region)
    request: Dict[str, Any] = {
        "LookupAttributes": [dict(attribute)], "StartTime": ctx.fired_at - BEFORE,
        "EndTime": min(ctx.now, ctx.fired_at + AFTER), "MaxResults": PAGE}
    found: List[Dict[str, Any]] = []
    for _ in range(most_pages):
        ctx.pace(region or ctx.region)
        answer = client.lookup_events(**request)
        found += answer.get("Events") or []
        token = answer.get("NextToken")
        if not token:
            return found, True
        if token == request.get("NextToken") or time.monotonic() > until or ctx.remaining() < 2:
            break
        request["NextToken"] = token
    return found, False


def _change(event: Mapping[str, Any], own: Iterable[str]) -> Dict[str, Any]:
    try:
        detail = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError:
        detail = {}
    if not isinstance(detail, dict):
        detail = {}
    resources = [str(r["ResourceName"]) for r in event.get("Resources") or [] if r.get("ResourceName")]
    parameters = detail.get("requestParameters")
    text = json.dumps(parameters, separators=(",", ":"), default=str) if parameters else ""
    names = set(resources) | {r.rsplit("/", 1)[-1] for r in resources} | {r.rsplit(":", 1)[-1] for r in resources}
    return {"time": stamp(event.get("EventTime")), "event": event.get("EventName"), "source": event.get("EventSource"),
            "user": event.get("Username"), "actor": _actor(detail), "error": detail.get("errorCode"), "resources": resources[:5],
            "parameters": text[:MAX_PARAMETERS] + ("…" if len(text) > MAX_PARAMETERS else ""),
            "own": any(name in names or f'"{name}"' in text for name in own)}


def _actor(detail: Mapping[str, Any]) -> str:
    """Returns who made a change and with what: a role or user, the service that acted for it, and the client."""
    identity = detail.get("userIdentity") or {}
    who = identity.get("invokedBy") or identity.get("arn") or ((identity.get("sessionContext") or {}).get("sessionIssuer") or {}).get("arn")
    agent = str(detail.get("userAgent") or "")
    return " with ".join(part for part in (str(who or ""), agent.split(" ")[0][:60]) if part)[:200]


def _is_routine(ctx: Context, change: Mapping[str, Any]) -> bool:
    """Reports whether an event is routine or was caused by the triage itself."""
    return change["event"] in ROUTINE or change.get("user") in (ctx.alarm.get("own_names") or [])


def _hours(period: timedelta) -> str:
    return f"{period.total_seconds() / 3600:g} hours"
