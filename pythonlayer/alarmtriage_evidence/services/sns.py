"""SNS: deliveries, failures with their reasons if delivery logging is on, subscriptions, and their dead-letter queues."""

import json
import re
from typing import Any, Dict, Iterator, List, Set

from alarmtriage_tool import logs
from alarmtriage_tool.words import beginning

from ..context import Context, Metric, Observation, stamp
from ..looks import MAX_LOGS, keys_of, metrics, stack_events
from . import lambda_functions

KIND = "SNS topic"
READS = ("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes", "cloudwatch:GetMetricData",
         "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents", *lambda_functions.HOP_READS)
COST = f"four metrics of GetMetricData, and {lambda_functions.HOP_COST}"
MAX_SUBSCRIPTIONS = 10
MAX_FAILURES = 1000  # log lines of failed deliveries
MAX_REASONS = 3
MAX_REASON = 600  # characters of one


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("TopicName")
    return [name] if name and metric.is_of("AWS/SNS") else []


def attributes(ctx: Context, name: str) -> Iterator[Observation]:
    found = ctx.client("sns").get_topic_attributes(TopicArn=_arn(ctx, name)).get("Attributes") or {}
    pending = int(found.get("SubscriptionsPending") or 0)
    yield Observation(f"{KIND} {name}", "configuration", f"{found.get('SubscriptionsConfirmed')} confirmed and {pending} pending "
                                                         f"subscriptions, encryption key {found.get('KmsMasterKeyId') or 'none'}", 50 if pending else 20)


def subscriptions(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("sns"), f"{KIND} {name}"
    for found in _subscriptions(ctx, name):
        to = f"{found.get('Protocol')} {_shown(found.get('Endpoint'))}"
        if not str(found.get("SubscriptionArn")).startswith("arn:"):
            is_deleted = found.get("SubscriptionArn") == "Deleted"
            yield Observation(about, "dependency", f"its subscription to {to} {'was deleted' if is_deleted else 'is not confirmed'}", 60)
            continue
        detail = client.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"]).get("Attributes") or {}
        policy = json.loads(detail.get("RedrivePolicy") or "{}")
        dead = str(policy.get("deadLetterTargetArn") or "").split(":")[-1]
        yield Observation(about, "dependency", f"it delivers to {to}{', with a filter policy' if detail.get('FilterPolicy') else ''}, "
                                               f"{'dead letters go to ' + dead if dead else 'without a dead-letter queue'}", 30)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/SNS", {"TopicName": name}, (
        ("messages published", "NumberOfMessagesPublished", "Sum", 50), ("deliveries", "NumberOfNotificationsDelivered", "Sum", 50),
        ("failed deliveries", "NumberOfNotificationsFailed", "Sum", 80),
        ("messages moved to dead-letter queues", "NumberOfNotificationsRedrivenToDlq", "Sum", 70)))


def failures(ctx: Context, name: str) -> Iterator[Observation]:
    """Returns why deliveries failed, from the log group that SNS writes if delivery logging is on."""
    _, onset, end = ctx.windows()
    since = max(onset, end - MAX_LOGS)
    group = f"sns/{ctx.region}/{ctx.own_account or ctx.account}/{name}/Failure"
    try:
        events = ctx.pages(f"log lines of {group}", ctx.client("logs").filter_log_events, "events", MAX_FAILURES, logGroupName=group,
                           startTime=int(since.timestamp() * 1000), endTime=int(end.timestamp() * 1000))
    except Exception as error:
        if "ResourceNotFound" in str(getattr(error, "response", "")):
            return  # delivery logging is off, or nothing has failed yet
        raise
    reasons: Dict[str, List[str]] = {}  # by pattern, because each answer has IDs of its own
    for event in events:
        try:
            delivery = json.loads(event.get("message") or "{}").get("delivery") or {}
            reason = f"to {_shown(delivery.get('destination'))}: {delivery.get('statusCode')} {delivery.get('providerResponse')}"
        except (ValueError, AttributeError):
            continue
        reasons.setdefault(logs.pattern_of(beginning(reason, MAX_REASON)), []).append(reason)
    about = f"{KIND} {name}"
    least = "" if events.is_complete else "at least "
    ranked = sorted(reasons.values(), key=lambda found: -len(found))[:MAX_REASONS]
    for found in ranked:
        yield Observation(about, "errors", f"{least}{len(found)} failed deliveries since {stamp(since)} {beginning(found[0], MAX_REASON)}", 87)
    yield from keys_of(ctx, about, [found[0] for found in ranked])


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", _arn(ctx, name))


def functions(ctx: Context, name: str) -> List[str]:
    return [lambda_functions.name_of(ctx, found.get("Endpoint")) for found in _subscriptions(ctx, name)]


def uses(ctx: Context, name: str) -> Set[str]:
    """Returns the names of the queues, functions, and streams that it delivers to."""
    return {str(found["Endpoint"]).split(":")[-1] for found in _subscriptions(ctx, name) if str(found.get("Endpoint")).startswith("arn:")}


def addresses(ctx: Context, name: str) -> List[str]:
    return [_arn(ctx, name)]


LOOKS = (attributes, subscriptions, numbers, failures, deployments)


def _shown(endpoint: Any) -> str:
    """Returns where a topic delivers to. Of an address only the host: the rest of a webhook's address is its secret."""
    address = re.match(r"(https?://)(?:[^/@]*@)?([^/?#]+)", str(endpoint))
    return f"{address[1]}{address[2]}/…" if address else str(endpoint)


def _subscriptions(ctx: Context, name: str) -> List[Any]:
    return ctx.once(("sns-subscriptions", name), lambda: ctx.pages(
        f"subscriptions of {name}", ctx.client("sns").list_subscriptions_by_topic, "Subscriptions", MAX_SUBSCRIPTIONS, TopicArn=_arn(ctx, name)))


def _arn(ctx: Context, name: str) -> str:
    account = ctx.own_account or ctx.account
    return f"arn:{ctx.alarm.get('partition') or 'aws'}:sns:{ctx.region}:{account}:{name}"
