"""SQS: depth and age, configuration, the dead-letter queue, and the consumers."""

import json
from typing import Iterator, List, Mapping

from ..context import Context, Metric, Observation
from ..looks import metrics, stack_events
from . import lambda_functions

KIND = "SQS queue"
READS = ("sqs:GetQueueUrl", "sqs:GetQueueAttributes", "lambda:ListEventSourceMappings", "cloudwatch:GetMetricData",
         "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents", *lambda_functions.HOP_READS)
MAX_IN_FLIGHT = 120_000  # messages; SQS's limit for standard and for FIFO queues
COST = f"six metrics of GetMetricData, and {lambda_functions.HOP_COST}"


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("QueueName")
    return [name] if name and metric.is_of("AWS/SQS") else []


def attributes(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _attributes(ctx, name), f"{KIND} {name}"
    visible, flying, delayed = (int(found.get(key) or 0) for key in (
        "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"))
    yield Observation(about, "health", f"{visible} messages are waiting, {flying} are being processed, and {delayed} are delayed", 60 if visible else 20)
    if flying >= MAX_IN_FLIGHT:
        yield Observation(about, "limit", f"{flying} messages are in flight, which is SQS's limit: no more can be received", 95)
    yield Observation(about, "configuration",
                      f"visibility timeout {found.get('VisibilityTimeout')} s, retention {found.get('MessageRetentionPeriod')} s, delay "
                      f"{found.get('DelaySeconds')} s, redrive policy {found.get('RedrivePolicy') or 'none'}", 25)


def dead_letters(ctx: Context, name: str) -> Iterator[Observation]:
    policy = json.loads(_attributes(ctx, name).get("RedrivePolicy") or "{}")
    dead = str(policy.get("deadLetterTargetArn") or "").split(":")[-1]
    if dead:
        count = int(_attributes(ctx, dead).get("ApproximateNumberOfMessages") or 0)
        yield Observation(f"{KIND} {name}", "dependency", f"its dead-letter queue {dead} has {count} messages; a message is moved after "
                                                          f"{policy.get('maxReceiveCount')} receives", 70 if count else 20)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/SQS", {"QueueName": name}, (
        ("messages sent", "NumberOfMessagesSent", "Sum", 60), ("messages received", "NumberOfMessagesReceived", "Sum", 60),
        ("messages deleted", "NumberOfMessagesDeleted", "Sum", 60), ("empty receives", "NumberOfEmptyReceives", "Sum", 15),
        ("age of the oldest message in s", "ApproximateAgeOfOldestMessage", "Maximum", 60),
        ("messages waiting", "ApproximateNumberOfMessagesVisible", "Maximum", 60)))


def consumers(ctx: Context, name: str) -> Iterator[Observation]:
    about, mappings = f"{KIND} {name}", lambda_functions.mappings_of(ctx, ctx.arn("sqs", name))
    for mapping in mappings:
        function = str(mapping.get("FunctionArn")).split(":function:")[-1]
        healthy = mapping.get("State") in ("Enabled", "Enabling", "Creating", "Updating")
        cap = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency")
        yield Observation(about, "dependency",
                          f"its consumer is Lambda function {function}, and the event source mapping is {mapping.get('State')} "
                          f"({mapping.get('LastProcessingResult') or mapping.get('StateTransitionReason') or 'no result yet'})"
                          f"{f', at most {cap} at a time' if cap else ''}{lambda_functions.settings_of(mapping)}", 30 if healthy else 90)
    if not mappings and mappings.is_complete:
        yield Observation(about, "dependency", "no Lambda function of its account consumes it; its consumer is another program, or there is none", 40)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", _url(ctx, name))


def functions(ctx: Context, name: str) -> List[str]:
    return [lambda_functions.name_of(ctx, m.get("FunctionArn")) for m in lambda_functions.mappings_of(ctx, ctx.arn("sqs", name))]


def addresses(ctx: Context, name: str) -> List[str]:
    url = _url(ctx, name)
    path = "/".join(url.split("/")[-2:])
    # Older SDKs send the other URLs, the last one in us-east-1.
    return [ctx.arn("sqs", name), url, f"https://{ctx.region}.queue.amazonaws.com/{path}", f"https://queue.amazonaws.com/{path}"]


LOOKS = (attributes, dead_letters, numbers, consumers, deployments)


def _url(ctx: Context, name: str) -> str:
    return ctx.once(("sqs-url", name), lambda: ctx.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])


def _attributes(ctx: Context, name: str) -> Mapping[str, str]:
    return ctx.once(("sqs", name), lambda: ctx.client("sqs").get_queue_attributes(QueueUrl=_url(ctx, name), AttributeNames=["All"])["Attributes"])
