"""Kinesis data streams: state and shards, throttling, iterator age, and consumers."""

from typing import Any, Iterator, List, Mapping

from ..context import Context, Metric, Observation
from ..looks import metrics, stack_events
from . import lambda_functions

KIND = "Kinesis stream"
READS = ("kinesis:DescribeStreamSummary", "kinesis:ListStreamConsumers", "lambda:ListEventSourceMappings", "cloudwatch:GetMetricData",
         "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents", *lambda_functions.HOP_READS)
COST = f"six metrics of GetMetricData, and {lambda_functions.HOP_COST}"


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("StreamName")
    return [name] if name and metric.namespace in ("AWS/Kinesis", "") else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _stream(ctx, name), f"{KIND} {name}"
    status, mode = found.get("StreamStatus"), (found.get("StreamModeDetails") or {}).get("StreamMode")
    yield Observation(about, "health", f"its status is {status}", 20 if status == "ACTIVE" else 85)
    yield Observation(about, "limit", f"{found.get('OpenShardCount')} open shards, mode {mode or 'PROVISIONED'}, retention "
                                      f"{found.get('RetentionPeriodHours')} h, encryption {found.get('EncryptionType')} {found.get('KeyId') or ''}".rstrip(), 45)


def consumers(ctx: Context, name: str) -> Iterator[Observation]:
    about = f"{KIND} {name}"
    shards = _stream(ctx, name).get("OpenShardCount")
    for mapping in _mappings(ctx, name):
        function, result = str(mapping.get("FunctionArn")).split(":function:")[-1], mapping.get("LastProcessingResult")
        fine = mapping.get("State") == "Enabled" and result in (None, "OK", "No records processed")
        factor = mapping.get("ParallelizationFactor")
        most = f", so at most {shards * factor} batches of {shards} shards are processed at a time" if shards and factor else ""
        yield Observation(about, "dependency", f"its consumer is Lambda function {function}: {mapping.get('State')}, last result {result}"
                                               f"{lambda_functions.settings_of(mapping)}{most}", 45 if fine else 88)
    for found in _fan_out(ctx, name):
        yield Observation(about, "dependency", f"enhanced fan-out consumer {found.get('ConsumerName')} is {found.get('ConsumerStatus')}", 30)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/Kinesis", {"StreamName": name}, (
        ("records written", "IncomingRecords", "Sum", 50), ("bytes written", "IncomingBytes", "Sum", 50),
        ("write throttle events", "WriteProvisionedThroughputExceeded", "Sum", 85), ("read throttle events", "ReadProvisionedThroughputExceeded", "Sum", 80),
        ("highest iterator age in ms", "GetRecords.IteratorAgeMilliseconds", "Maximum", 65), ("records read", "GetRecords.Records", "Sum", 50)))


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", name, "AWS::Kinesis::Stream")


def functions(ctx: Context, name: str) -> List[str]:
    return [lambda_functions.name_of(ctx, m.get("FunctionArn")) for m in _mappings(ctx, name)]


def addresses(ctx: Context, name: str) -> List[str]:
    return [ctx.arn("kinesis", f"stream/{name}")]


LOOKS = (state, consumers, numbers, deployments)


def _fan_out(ctx: Context, name: str) -> List[Mapping[str, Any]]:
    return ctx.once(("fan-out", name), lambda: ctx.pages(
        f"enhanced fan-out consumers of {name}", ctx.client("kinesis").list_stream_consumers, "Consumers", 20,
        StreamARN=ctx.arn("kinesis", f"stream/{name}")))


def _mappings(ctx: Context, name: str) -> List[Mapping[str, Any]]:
    """Returns the event source mappings of the stream, and of its enhanced fan-out consumers, each of which is a separate event source."""
    sources = [ctx.arn("kinesis", f"stream/{name}")]
    try:
        sources += [found["ConsumerARN"] for found in _fan_out(ctx, name) if found.get("ConsumerARN")]
    except Exception:
        pass  # the look at the consumers reports the error
    found = [mapping for source in sources for mapping in lambda_functions.mappings_of(ctx, source)]
    return list({mapping.get("UUID") or str(mapping): mapping for mapping in found}.values())


def _stream(ctx: Context, name: str):
    return ctx.once(("kinesis", name), lambda: ctx.client("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"])
