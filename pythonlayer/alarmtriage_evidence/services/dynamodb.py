"""DynamoDB: state, capacity mode and limits, auto scaling, throttling, failed conditional writes, indexes, and the consumers of its stream."""

from datetime import timedelta
from typing import Any, Iterator, List, Mapping

from ..context import Context, Metric, Observation
from ..looks import metrics, recent, stack_events
from . import lambda_functions

KIND = "DynamoDB table"
READS = ("dynamodb:DescribeTable", "application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingActivities",
         "cloudwatch:GetMetricData", "lambda:ListEventSourceMappings", "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents",
         *lambda_functions.HOP_READS)
COST = f"seven metrics of GetMetricData, six more of an index that the alarm is about, and {lambda_functions.HOP_COST}"

MAX_INDEXES = 1  # whose numbers are read
_NUMBERS = (
    ("read capacity units used", "ConsumedReadCapacityUnits", "Sum", 50), ("write capacity units used", "ConsumedWriteCapacityUnits", "Sum", 50),
    ("read throttle events", "ReadThrottleEvents", "Sum", 85), ("write throttle events", "WriteThrottleEvents", "Sum", 85),
    ("provisioned read units", "ProvisionedReadCapacityUnits", "Maximum", 30),
    ("provisioned write units", "ProvisionedWriteCapacityUnits", "Maximum", 30))
_SUSPENDED = (("DynamicScalingOutSuspended", "scaling out"), ("DynamicScalingInSuspended", "scaling in"), ("ScheduledScalingSuspended", "scheduled scaling"))


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("TableName")
    return [name] if name and metric.is_of("AWS/DynamoDB") else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    table, about = _table(ctx, name), f"{KIND} {name}"
    yield Observation(about, "health", f"its status is {table.get('TableStatus')}", 20 if table.get("TableStatus") == "ACTIVE" else 85)
    for index in table.get("GlobalSecondaryIndexes") or []:
        if index.get("IndexStatus") != "ACTIVE":
            yield Observation(about, "health", f"index {index['IndexName']} is {index.get('IndexStatus')}", 80)
        throughput = index.get("ProvisionedThroughput") or {}
        if index.get("IndexName") in _indexes(ctx, name) and throughput.get("WriteCapacityUnits"):
            yield Observation(about, "limit", f"the capacity of index {index['IndexName']} is provisioned: {throughput.get('ReadCapacityUnits')} read and "
                                              f"{throughput['WriteCapacityUnits']} write units", 50)
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode") or "PROVISIONED"
    if mode == "PAY_PER_REQUEST":
        most = table.get("OnDemandThroughput") or {}
        limits = [f"{most[key]} {what} units" for key, what in (("MaxReadRequestUnits", "read"), ("MaxWriteRequestUnits", "write")) if most.get(key, -1) >= 0]
        yield Observation(about, "limit" if limits else "configuration",
                          f"its capacity mode is on-demand{', at most ' + ' and '.join(limits) + ' per second' if limits else ''}", 50 if limits else 25)
    else:
        capacity = table.get("ProvisionedThroughput") or {}
        yield Observation(about, "limit", f"its capacity is provisioned: {capacity.get('ReadCapacityUnits')} read and "
                                          f"{capacity.get('WriteCapacityUnits')} write units", 50)
        yield from recent(ctx, about, "capacity was last increased", capacity.get("LastIncreaseDateTime"), 70)
        yield from recent(ctx, about, "capacity was last decreased", capacity.get("LastDecreaseDateTime"), 90)
    created = table.get("CreationDateTime")
    switched = (table.get("BillingModeSummary") or {}).get("LastUpdateToPayPerRequestDateTime")
    if switched and not (created and switched - created < timedelta(minutes=1)):  # a new table has its first mode since its creation
        yield from recent(ctx, about, "the capacity mode was switched to on-demand", switched)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/DynamoDB", {"TableName": name}, (
        *_NUMBERS, ("failed conditional writes", "ConditionalCheckFailedRequests", "Sum", 40)))
    for index in _indexes(ctx, name)[:MAX_INDEXES]:  # the numbers of the table do not contain its throttling
        yield from metrics(ctx, f"{KIND} {name}, index {index}", "AWS/DynamoDB", {"TableName": name, "GlobalSecondaryIndexName": index}, _NUMBERS)


def scaling(ctx: Context, name: str) -> Iterator[Observation]:
    client, about, resource = ctx.client("application-autoscaling"), f"{KIND} {name}", f"table/{name}"
    for target in ctx.pages(f"scalable targets of {name}", client.describe_scalable_targets, "ScalableTargets", 20,
                            ServiceNamespace="dynamodb", ResourceIds=[resource]):
        dimension = target["ScalableDimension"].split(":")[-1]
        off = [what for key, what in _SUSPENDED if (target.get("SuspendedState") or {}).get(key)]
        limits = f"{dimension} between {target['MinCapacity']} and {target['MaxCapacity']}"
        text = f"auto scaling of {limits} is suspended for {', '.join(off)}" if off else f"auto scaling keeps {limits}"
        yield Observation(about, "limit", text, 80 if off else 45)
    for activity in ctx.pages(f"scaling activities of {name}", client.describe_scaling_activities, "ScalingActivities", 10,
                              newest_first="StartTime", ServiceNamespace="dynamodb", ResourceId=resource, MaxResults=10):
        yield from recent(ctx, about, f"auto scaling: {activity.get('Description')} ({activity.get('StatusCode')})", activity.get("StartTime"), 60)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", name, "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


def consumers(ctx: Context, name: str) -> Iterator[Observation]:
    for mapping in _consumers(ctx, name):
        function, result = str(mapping.get("FunctionArn")).split(":function:")[-1], mapping.get("LastProcessingResult")
        fine = mapping.get("State") == "Enabled" and result in (None, "OK", "No records processed")
        yield Observation(f"{KIND} {name}", "dependency", f"the consumer of its stream is Lambda function {function}: {mapping.get('State')}, "
                                                          f"last result {result}{lambda_functions.settings_of(mapping)}", 30 if fine else 85)


def functions(ctx: Context, name: str) -> List[str]:
    return [lambda_functions.name_of(ctx, mapping.get("FunctionArn")) for mapping in _consumers(ctx, name)]


def addresses(ctx: Context, name: str) -> List[str]:
    scaled = [f"table/{name}", *(f"table/{name}/index/{index}" for index in _indexes(ctx, name))]  # as auto scaling names them
    return [ctx.arn("dynamodb", f"table/{name}"), *scaled]


LOOKS = (state, numbers, scaling, consumers, deployments)


def _consumers(ctx: Context, name: str) -> List[Mapping[str, Any]]:
    """Returns the event source mappings of the table's stream, if it has one."""
    table = _table(ctx, name)
    enabled = (table.get("StreamSpecification") or {}).get("StreamEnabled")
    return lambda_functions.mappings_of(ctx, table["LatestStreamArn"]) if enabled and table.get("LatestStreamArn") else []


def _indexes(ctx: Context, name: str) -> List[str]:
    """Returns the indexes of the table that the alarm is about."""
    found = (metric.dimension("GlobalSecondaryIndexName") for metric in ctx.metrics if metric.dimension("TableName") == name)
    return [index for index in dict.fromkeys(found) if index]


def _table(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("dynamodb", name), lambda: ctx.client("dynamodb").describe_table(TableName=name)["Table"])
