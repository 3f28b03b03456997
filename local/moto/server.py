"""moto's server with three operations that investigations and tests need and moto lacks: the history of an alarm
(cloudwatch:DescribeAlarmHistory), the writes in an account (cloudtrail:LookupEvents), and composite alarms
(cloudwatch:PutCompositeAlarm).

The first two return what happened in this server: the alarm's state changes and the write requests that it received. The
header X-Event-Time (seconds since 1970) of a request sets the time of its event, which the demo uses to create a
past; with X-Event-Silent it is not recorded.

Other files add more: accounts.py accounts and the roles that they assume, appconfig.py and health.py operations, insights.py
queries and filter patterns of logs, and world.py staged answers.

It also corrects faults of moto: CloudFormation loses the layers of an updated function, CloudFormation cannot delete
a role that has policies, CloudFormation deletes what RetainExceptOnCreate keeps, CloudFormation keeps the elements of lists that a condition omits, GetTopicAttributes always
returns zero subscriptions, an update of a function does not change its LastModified, an update of a table does not
record when its capacity changed, ListMetrics repeats metrics, a rule cannot refer to the event bus of its stack, and
TestEventPattern has no result.
"""

import gc
import json
import re
import threading
import uuid
from datetime import datetime, timezone
from typing import Any

# moto keeps millions of objects. A collection after every 700 new ones takes as long as everything else that the server does.
gc.set_threshold(100_000, 50, 100)

import world  # first: it replaces moto's clock
import accounts
import appconfig  # noqa: F401
import health  # noqa: F401
import insights
import metrics  # noqa: F401  # it replaces moto's metrics
import moto.core.utils
from botocore.utils import parse_timestamp
from moto.awslambda import models as lambda_models
from moto.awslambda.models import LambdaFunction
from moto.cloudformation import parsing
from moto.cloudtrail.responses import CloudTrailResponse
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, BaseResponse
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time_millis
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.responses import DynamoHandler
from moto.events.models import EventBus, EventPattern
from moto.events.responses import EventsHandler
from moto.iam.models import Role, iam_backends
from moto.logs.models import LogsBackend
from moto.logs.responses import LogsResponse
from moto.logs import models as logs_models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main
from moto.sns.models import Topic
from moto.utilities.utils import get_partition

# Prefixes of actions that CloudTrail does not list as management writes: reads, and writes of data.
UNLISTED = ("Get", "List", "Describe", "Head", "Lookup", "Filter", "Query", "Scan", "Batch", "Search", "PutLogEvents", "PutMetricData",
            "Assume", "Send", "Receive", "Invoke", "PutItem", "UpdateItem", "DeleteItem", "PutEvents")
MAX_EVENTS = 1000
GLOBAL = ("iam", "cloudfront", "route53", "organizations")  # services whose events are in us-east-1
# CloudTrail adds the version of Lambda's API to the names of its events, and "v2" to these.
LAMBDA_V2 = ("UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "RemovePermission", "TagResource", "UntagResource")
VERSION = re.compile(r"^/(\d{4})-(\d\d)-(\d\d)/")
# Members that CloudTrail does not record, because they are secret or large, and members whose keys are the caller's own.
HIDDEN = ("Environment", "ZipFile", "SecretString", "SecretBinary")
CAPACITIES = ("ReadCapacityUnits", "WriteCapacityUnits")
MAPS = ("Tags", "tags", "Attributes")

_events: list[dict[str, Any]] = []
_world = world.World()
_lock = threading.Lock()
_write_lock = threading.RLock()
_call_action = BaseResponse.call_action
_layers_data = LambdaFunction._get_layers_data
_update_table = DynamoDBBackend.update_table
_delete_role = Role.delete_from_cloudformation_json
_clean_json = parsing.clean_json
_delete_resources = parsing.ResourceMap.delete


def _names(parameters: Any) -> list[str]:
    """Returns the names of resources in a request, found by the keys that AWS uses for names."""
    if not isinstance(parameters, dict):
        return []
    return [str(v) for k, v in parameters.items() if k.lower().endswith(("name", "arn", "id")) and isinstance(v, str) and v]


def _user(response: BaseResponse) -> str:
    try:
        key = response.get_access_key()
        user = iam_backends[response.current_account]["aws"].get_user_from_access_key_id(key)
        return user.name if user else key
    except Exception:
        return "unknown"


def _event_name(response: BaseResponse, action: str) -> str:
    version = VERSION.match(response.path or "") if response.service_name == "awslambda" else None
    return action + "".join(version.groups()) + ("v2" if action in LAMBDA_V2 else "") if version else action


def recorded(value: Any) -> Any:
    """Returns request parameters as CloudTrail records them: names begin in lower case, and secrets are left out."""
    if isinstance(value, list):
        return [recorded(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key[:1].lower() + key[1:]: {} if key in HIDDEN else one if key in MAPS else recorded(one) for key, one in value.items()}


def _record(response: BaseResponse) -> None:
    action = response._get_action() or ""
    service = response.service_name or ""
    if response.headers.get("X-Event-Silent"):
        return
    if not action or action.startswith(UNLISTED) or service in ("s3", "sqs", "sns", "sts", "cloudformation", "ssm"):
        return
    service = {"awslambda": "lambda"}.get(service, service)
    try:
        parameters = _world.parsed(service) or dict(response._get_params())
    except Exception:
        parameters = {}
    stamp = response.headers.get("X-Event-Time")
    at = datetime.fromtimestamp(float(stamp), timezone.utc) if stamp else datetime.now(timezone.utc)
    user = _user(response)
    name = _event_name(response, action)
    home = "us-east-1" if service in GLOBAL else response.region
    event = {
        "account": response.current_account, "region": home,
        "EventId": str(uuid.uuid4()), "EventName": name, "ReadOnly": "false", "EventTime": at.timestamp(),
        "EventSource": {"cloudwatch": "monitoring"}.get(service, service) + ".amazonaws.com", "Username": user,
        "Resources": [{"ResourceName": name} for name in _names(parameters)],
        "CloudTrailEvent": json.dumps({
            "eventName": name, "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "awsRegion": home,
            "recipientAccountId": response.current_account,
            "userIdentity": {"type": "IAMUser", "userName": user}, "requestParameters": recorded(parameters),
        }, default=str),
    }
    with _lock:
        _events.append(event)
        del _events[:-MAX_EVENTS]


def call_action(self: BaseResponse) -> Any:
    answer = _call_action(self)
    if isinstance(answer, tuple) and isinstance(answer[0], int) and answer[0] < 300:
        _record(self)
    return answer


def stage_trail(new: dict[str, Any]) -> None:
    if "trail" not in new:
        return
    events = []
    for entry in new["trail"] or []:
        at = datetime.fromtimestamp(float(entry["at"]), timezone.utc)
        details = {
            "eventName": entry["event"], "eventSource": entry["source"], "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "userIdentity": entry.get("identity") or {"type": "IAMUser", "userName": entry.get("user", "")},
            "requestParameters": entry.get("parameters"), "responseElements": entry.get("response"),
        }
        if entry.get("error"):
            details |= {"errorCode": entry["error"], "errorMessage": entry.get("message", "")}
        events.append({
            "account": entry.get("account") or accounts.DEFAULT, "region": entry.get("region") or "",
            "EventId": str(uuid.uuid4()), "EventName": entry["event"], "ReadOnly": "true" if entry.get("read") else "false",
            "EventTime": at.timestamp(), "EventSource": entry["source"], "Username": entry.get("user", ""),
            "Resources": [{"ResourceName": name} for name in entry.get("resources", [])], "CloudTrailEvent": json.dumps(details),
        })
    with _lock:
        _events[:] = events


def lookup_events(self: CloudTrailResponse) -> str:
    start, end = self._get_param("StartTime"), self._get_param("EndTime")
    wanted = {a["AttributeKey"]: a["AttributeValue"] for a in self._get_param("LookupAttributes", [])}
    with _lock:
        events = list(reversed(_events))

    def fits(event: dict[str, Any]) -> bool:
        if event["account"] != self.current_account or event["region"] not in ("", self.region):
            return False
        if start and event["EventTime"] < float(start) or end and event["EventTime"] >= float(end) + 1:  # times have whole seconds
            return False
        names = [r["ResourceName"] for r in event["Resources"]]
        return all(
            value in names if key == "ResourceName" else str(event.get(key, "")).lower() == value.lower()
            for key, value in wanted.items()
        )

    found = sorted(filter(fits, events), key=lambda e: e["EventTime"], reverse=True)[: int(self._get_param("MaxResults") or 50)]
    return json.dumps({"Events": [{k: v for k, v in e.items() if k not in ("account", "region")} for e in found]})


def _moment(value: Any) -> Any:
    """Returns a time of a request or of moto with its zone, or None."""
    if not value:
        return None
    at = value if isinstance(value, datetime) else parse_timestamp(value)
    return at.replace(tzinfo=at.tzinfo or timezone.utc)


def describe_alarm_history(self: CloudWatchResponse) -> ActionResult:
    items = []
    start, end = (_moment(self._get_param(name)) for name in ("StartDate", "EndDate"))
    for alarm in self.cloudwatch_backend.get_alarms_by_alarm_names([self._get_param("AlarmName")]):
        states = [(h[1], h[3], h[4]) for h in alarm.history]
        states.append((alarm.state_reason, alarm.state_value, alarm.state_updated_timestamp))
        for before, (reason, value, at) in zip([None, *states], states):
            if before is not None and before[1] == value:
                continue
            moment = _moment(at)
            if start and moment < start or end and moment > end:
                continue
            data: dict[str, Any] = {"version": "1.0", "newState": {"stateValue": value, "stateReason": reason}}
            if before is not None:
                data["oldState"] = {"stateValue": before[1], "stateReason": before[0]}
            items.append({
                "AlarmName": alarm.name, "AlarmType": "MetricAlarm", "Timestamp": at, "HistoryItemType": "StateUpdate",
                "HistorySummary": f"Alarm updated from {before[1] if before else 'INSUFFICIENT_DATA'} to {value}",
                "HistoryData": json.dumps(data),
            })
    if self._get_param("HistoryItemType") not in (None, "StateUpdate"):
        items = []
    if self._get_param("ScanBy") != "TimestampAscending":
        items.reverse()
    return ActionResult({"AlarmHistoryItems": items[: int(self._get_param("MaxRecords") or 100)]})


def get_filtered_metrics(self: CloudWatchBackend, metric_name: str, namespace: str, dimensions: list[dict[str, str]]) -> list[Any]:
    """Returns each metric once. moto returns those of several dimensions, or of none, once for each of their points."""
    found: dict[Any, Any] = {}
    for datum in self.get_all_metrics():
        if datum.filter(namespace=namespace, name=metric_name, dimensions=dimensions):
            found.setdefault((datum.namespace, datum.name, frozenset((d.name, d.value) for d in datum.dimensions)), datum)
    return list(found.values())


class Matches:
    """Takes the place of moto's filter patterns, which fit every line when they are not simple."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def matches(self, message: str) -> bool:
        try:
            return insights.pattern_matches(self._pattern, message)
        except insights.Malformed as problem:
            raise JsonRESTError("InvalidParameterException", str(problem)) from problem


def _rows(query: str, log_groups: list[Any], start_time: int, end_time: int) -> tuple[list[Any], dict[str, float]]:
    """Runs a query of Logs Insights. start_time and end_time are in seconds, and both belong to the range."""
    events = []
    size = 0
    for group in log_groups:
        for name, stream in group.streams.items():
            for event in stream.events:
                if start_time * 1000 <= event.timestamp < (end_time + 1) * 1000:
                    size += len(event.message) + 26
                    events.append({"@timestamp": event.timestamp, "@message": event.message, "@logStream": name, "@log": group.name,
                                   "@ingestionTime": event.ingestion_time, "@ptr": str(event.event_id)})
    rows = insights.Query(query).run(events)
    return rows, {"recordsMatched": float(len(rows)), "recordsScanned": float(len(events)), "bytesScanned": float(size)}


class Executed:
    """Takes the place of moto's query."""

    def __init__(self, query_id: str, start_time: int, end_time: int, query: str, log_groups: list[Any]) -> None:
        try:
            rows, self.statistics = _rows(query, log_groups, start_time, end_time)
        except insights.Malformed as problem:
            raise JsonRESTError("MalformedQueryException", str(problem)) from problem
        self.query_id, self.query, self.status, self.create_time = query_id, query, "Complete", unix_time_millis()
        self.log_group_names, self.results = [group.name for group in log_groups], rows

    def to_json(self, log_group_name: str) -> dict[str, Any]:
        return {"queryId": self.query_id, "queryString": self.query, "status": self.status, "createTime": self.create_time,
                "logGroupName": log_group_name}

    def to_result_json(self) -> dict[str, Any]:
        shown = [[{"field": field, "value": value} for field, value in row] for row in self.results]
        return {"queryLanguage": "CWLI", "results": shown, "statistics": self.statistics, "status": self.status}


def test_event_pattern(self: EventsHandler) -> str:
    """Answers whether a pattern fits an event. moto has the comparison but not the operation."""
    event = json.loads(self._get_param("Event") or "")
    missing = [name for name in ("id", "account", "source", "time", "region", "resources", "detail-type") if name not in event]
    if missing:
        raise JsonRESTError("ValidationException", f"Event is not valid. Reason: mandatory fields are missing: {missing}")
    return json.dumps({"Result": bool(EventPattern.load(self._get_param("EventPattern")).matches_event(event))})


_start_query = LogsResponse.start_query


def start_query(self: LogsResponse) -> str:
    """Takes ARNs and identifiers of log groups as well as their names."""
    identifiers = self._get_param("logGroupIdentifiers")
    if identifiers:
        names = [one.split(":log-group:")[-1].removesuffix(":*") for one in identifiers]
        query_id = self.logs_backend.start_query(names, self._get_int_param("startTime"), self._get_int_param("endTime"), self._get_param("queryString"))
        return json.dumps({"queryId": query_id})
    return _start_query(self)


def get_query_results(self: LogsBackend, query_id: str) -> Any:
    if query_id not in self.queries:
        raise JsonRESTError("ResourceNotFoundException", "The specified query does not exist.")
    return self.queries[query_id]


def _lambda_time() -> str:
    return moto.core.utils.utcnow().strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def modified(change: Any) -> Any:
    """Makes an update of a function set the time of its last modification."""
    def update(self: LambdaFunction, request: dict[str, Any]) -> dict[str, Any]:
        self.last_modified = _lambda_time()
        return dict(change(self, request), LastModified=self.last_modified)
    return update


def layers_data(self: LambdaFunction, layers: list[Any]) -> Any:
    return _layers_data(self, [getattr(layer, "arn", layer) for layer in layers])


def delete_role(cls: type[Role], name: str, template: dict[str, Any], account_id: str, region: str) -> None:
    backend = iam_backends[account_id][get_partition(region)]
    for arn in list(backend.get_role(name).managed_policies):
        backend.detach_role_policy(arn, name)
    _delete_role(name, template, account_id, region)


def clean_json(value: Any, resources: Any) -> Any:
    """Resolves a part of a template. An element whose Fn::If is AWS::NoValue does not exist."""
    if not isinstance(value, list):
        return _clean_json(value, resources)
    resolved = [(element, clean_json(element, resources)) for element in value]
    return [result for element, result in resolved if not (result is None and isinstance(element, dict) and "Fn::If" in element)]


def delete_resources(self: parsing.ResourceMap) -> None:
    """Deletes a stack's resources, except those that the stack keeps."""
    for resource in self._resource_json_map.values():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            resource["DeletionPolicy"] = "Retain"
    _delete_resources(self)


def update_table(self: DynamoDBBackend, name: str, **changes: Any) -> Any:
    """Keeps the times at which the capacity of a table was raised and lowered."""
    before = dict(self.get_table(name).throughput or {})
    table = _update_table(self, name, **changes)
    new = changes.get("throughput")
    if new:
        kept = {key: before[key] for key in ("LastIncreaseDateTime", "LastDecreaseDateTime", "NumberOfDecreasesToday") if key in before}
        raised, lowered = (any(sign * (int(new.get(unit, 0)) - int(before.get(unit, 0))) > 0 for unit in CAPACITIES) for sign in (1, -1))
        now = moto.core.utils.unix_time()
        kept |= {"LastIncreaseDateTime": now} if raised else {}
        kept |= {"LastDecreaseDateTime": now, "NumberOfDecreasesToday": int(kept.get("NumberOfDecreasesToday", 0)) + 1} if lowered else {}
        table.throughput = {"NumberOfDecreasesToday": 0, **new, **kept}
    return table


def one_at_a_time(write: Any) -> Any:
    """Returns a write of DynamoDB that is atomic. moto's server has threads, and moto checks the condition before it writes."""

    def locked(self: DynamoHandler) -> Any:
        with _write_lock:
            return write(self)

    return locked


def subscriptions_confirmed(topic: Topic) -> int:
    return sum(1 for subscription in topic.sns_backend.subscriptions.values() if subscription.topic is topic)


EventBus.physical_resource_id = property(lambda bus: bus.name)  # type: ignore[attr-defined]
Topic.subscriptions_confimed = property(subscriptions_confirmed, lambda topic, count: None)  # type: ignore[assignment]
lambda_models.iso_8601_datetime_with_nanoseconds = _lambda_time  # type: ignore[attr-defined]  # the format of the service
LambdaFunction.update_configuration = modified(LambdaFunction.update_configuration)  # type: ignore[method-assign]
LambdaFunction.update_function_code = modified(LambdaFunction.update_function_code)  # type: ignore[method-assign]
LambdaFunction._get_layers_data = layers_data  # type: ignore[method-assign]
parsing.clean_json = clean_json
parsing.ResourceMap.delete = delete_resources  # type: ignore[method-assign]
Role.delete_from_cloudformation_json = classmethod(delete_role)  # type: ignore[assignment]
CloudTrailResponse.lookup_events = lookup_events  # type: ignore[attr-defined]
CloudWatchResponse.describe_alarm_history = describe_alarm_history  # type: ignore[attr-defined]
CloudWatchBackend.get_filtered_metrics = get_filtered_metrics  # type: ignore[method-assign]
CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm  # type: ignore[attr-defined]  # it reads AlarmRule
DynamoDBBackend.update_table = update_table  # type: ignore[method-assign]
for _name in ("update_item", "put_item", "delete_item", "transact_write_items"):
    setattr(DynamoHandler, _name, one_at_a_time(getattr(DynamoHandler, _name)))
EventsHandler.test_event_pattern = test_event_pattern  # type: ignore[assignment,method-assign]
LogsResponse.start_query = start_query  # type: ignore[method-assign]
LogsBackend.get_query_results = get_query_results  # type: ignore[method-assign]
logs_models.LogQuery = Executed  # type: ignore[misc]
logs_models.EventMessageFilter = Matches  # type: ignore[assignment,misc]
DomainDispatcherApplication.__call__ = world.around(DomainDispatcherApplication.__call__, _world, stage_trail)  # type: ignore[method-assign]
DomainDispatcherApplication.__call__ = accounts.around(DomainDispatcherApplication.__call__)  # type: ignore[method-assign]
BaseResponse.call_action = call_action  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
