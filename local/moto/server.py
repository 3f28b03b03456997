"""moto's server with three operations that investigations and tests need and moto lacks: the history of an alarm
(cloudwatch:DescribeAlarmHistory), the writes in an account (cloudtrail:LookupEvents), and composite alarms
(cloudwatch:PutCompositeAlarm).

The first two return what happened in this server: the alarm's state changes and the write requests that it received. The
header X-Event-Time (seconds since 1970) of a request sets the time of its event, which the demo uses to create a
past.

appconfig.py and health.py, which run in the same program before this file, add more operations.

It also corrects four faults of moto: CloudFormation loses the layers of an updated function, CloudFormation cannot
delete a role that has policies, CloudFormation keeps the elements of lists that a condition omits, and GetTopicAttributes
always returns zero subscriptions.
"""

import json
import threading
import uuid
from datetime import datetime, timezone
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.cloudformation import parsing
from moto.cloudtrail.responses import CloudTrailResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, BaseResponse
from moto.iam.models import Role, iam_backends
from moto.server import main
from moto.sns.models import Topic
from moto.utilities.utils import get_partition

# Prefixes of actions that CloudTrail does not list as management writes: reads, and writes of data.
UNLISTED = ("Get", "List", "Describe", "Head", "Lookup", "Filter", "Query", "Scan", "Batch", "Search", "PutLogEvents", "PutMetricData",
            "Assume", "Send", "Receive", "Publish", "Invoke", "PutItem", "UpdateItem", "DeleteItem", "PutEvents")
MAX_EVENTS = 1000

_events: list[dict[str, Any]] = []
_lock = threading.Lock()
_call_action = BaseResponse.call_action
_layers_data = LambdaFunction._get_layers_data
_delete_role = Role.delete_from_cloudformation_json
_clean_json = parsing.clean_json


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


def _record(response: BaseResponse) -> None:
    action = response._get_action() or ""
    service = response.service_name or ""
    if not action or action.startswith(UNLISTED) or service in ("s3", "sqs", "sns", "sts", "cloudformation", "ssm"):
        return
    try:
        parameters = dict(response._get_params())
    except Exception:
        parameters = {}
    stamp = response.headers.get("X-Event-Time")
    at = datetime.fromtimestamp(float(stamp), timezone.utc) if stamp else datetime.now(timezone.utc)
    user = _user(response)
    event = {
        "EventId": str(uuid.uuid4()), "EventName": action, "ReadOnly": "false", "EventTime": at.timestamp(),
        "EventSource": {"cloudwatch": "monitoring"}.get(service, service) + ".amazonaws.com", "Username": user,
        "Resources": [{"ResourceName": name} for name in _names(parameters)],
        "CloudTrailEvent": json.dumps({
            "eventName": action, "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "awsRegion": response.region,
            "userIdentity": {"type": "IAMUser", "userName": user}, "requestParameters": parameters,
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


def lookup_events(self: CloudTrailResponse) -> str:
    start, end = self._get_param("StartTime"), self._get_param("EndTime")
    wanted = {a["AttributeKey"]: a["AttributeValue"] for a in self._get_param("LookupAttributes", [])}
    with _lock:
        events = list(reversed(_events))

    def fits(event: dict[str, Any]) -> bool:
        if start and event["EventTime"] < float(start) or end and event["EventTime"] >= float(end) + 1:  # times have whole seconds
            return False
        names = [r["ResourceName"] for r in event["Resources"]]
        return all(
            value in names if key == "ResourceName" else str(event.get(key, "")).lower() == value.lower()
            for key, value in wanted.items()
        )

    found = sorted(filter(fits, events), key=lambda e: e["EventTime"], reverse=True)
    return json.dumps({"Events": found[: int(self._get_param("MaxResults") or 50)]})


def describe_alarm_history(self: CloudWatchResponse) -> ActionResult:
    items = []
    for alarm in self.cloudwatch_backend.get_alarms_by_alarm_names([self._get_param("AlarmName")]):
        states = [(h[1], h[3], h[4]) for h in alarm.history]
        states.append((alarm.state_reason, alarm.state_value, alarm.state_updated_timestamp))
        for before, (reason, value, at) in zip([None, *states], states):
            if before is not None and before[1] == value:
                continue
            items.append({
                "AlarmName": alarm.name, "AlarmType": "MetricAlarm", "Timestamp": at, "HistoryItemType": "StateUpdate",
                "HistorySummary": f"Alarm updated from {before[1] if before else 'INSUFFICIENT_DATA'} to {value}",
                "HistoryData": json.dumps({"newState": {"stateValue": value, "stateReason": reason}}),
            })
    return ActionResult({"AlarmHistoryItems": items[::-1][: int(self._get_param("MaxRecords") or 100)]})


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


def subscriptions_confirmed(topic: Topic) -> int:
    return sum(1 for subscription in topic.sns_backend.subscriptions.values() if subscription.topic is topic)


Topic.subscriptions_confimed = property(subscriptions_confirmed, lambda topic, count: None)  # type: ignore[assignment]
LambdaFunction._get_layers_data = layers_data  # type: ignore[method-assign]
parsing.clean_json = clean_json
Role.delete_from_cloudformation_json = classmethod(delete_role)  # type: ignore[assignment]
CloudTrailResponse.lookup_events = lookup_events  # type: ignore[attr-defined]
CloudWatchResponse.describe_alarm_history = describe_alarm_history  # type: ignore[attr-defined]
CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm  # type: ignore[attr-defined]  # it reads AlarmRule
BaseResponse.call_action = call_action  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
