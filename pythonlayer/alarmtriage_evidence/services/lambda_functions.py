"""Lambda: configuration and state, invocations, throttling, error lines, versions and aliases, and event sources."""

from datetime import datetime, timezone
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from ..context import Context, Metric, Observation
from ..looks import log_errors, metrics, recent, stack_events

KIND = "Lambda function"
READS = (
    "lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency", "lambda:ListVersionsByFunction", "lambda:ListAliases",
    "lambda:ListEventSourceMappings", "cloudwatch:GetMetricData", "logs:FilterLogEvents",
    "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents",
)
COST = "six metrics of GetMetricData"
MAX_VERSIONS = 200

_HOMES = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}  # Regions of IAM's events


def targets(metric: Metric) -> List[str]:
    if metric.namespace == "AWS/Lambda" or not metric.namespace.startswith("AWS/"):
        name = metric.dimension("FunctionName", "function_name", "Function")
        return [name.split(":")[0]] if name and "/" not in name else []
    return []


def names(ctx: Context, name: str) -> List[Tuple[Optional[str], str]]:
    role = _configuration(ctx, name)["Role"].split("/")[-1]
    home = _HOMES.get(ctx.alarm.get("partition") or "aws", "us-east-1")
    return [(None, name), (home, role)]


def configuration(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _configuration(ctx, name), f"{KIND} {name}"
    modified = _time(found.get("LastModified"))
    yield from recent(ctx, about, "code or configuration was last modified", modified)
    if found.get("State") not in (None, "Active"):
        yield Observation(about, "health", f"its state is {found['State']}: {found.get('StateReason') or 'no reason given'}", 90)
    if found.get("LastUpdateStatus") not in (None, "Successful"):
        reason = found.get("LastUpdateStatusReason") or "no reason given"
        yield Observation(about, "health", f"its last update is {found['LastUpdateStatus']}: {reason}", 90)
    parts = [f"timeout {found.get('Timeout')} s", f"memory {found.get('MemorySize')} MB", str(found.get("Runtime") or "image")]
    if found.get("VpcConfig", {}).get("SubnetIds"):
        parts.append(f"in VPC {found['VpcConfig'].get('VpcId')}")
    if found.get("Layers"):
        parts.append(f"{len(found['Layers'])} layers")
    yield Observation(about, "configuration", f"{', '.join(parts)}, role {found.get('Role')}, last modified {found.get('LastModified')}", 20)


def concurrency(ctx: Context, name: str) -> Iterator[Observation]:
    reserved = ctx.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    if reserved is not None:
        text = "its reserved concurrency is 0, so no invocation can run" if reserved == 0 else f"its reserved concurrency is {reserved}"
        yield Observation(f"{KIND} {name}", "limit", text, 95 if reserved == 0 else 40)


def invocations(ctx: Context, name: str) -> Iterator[Observation]:
    about = f"{KIND} {name}"
    yield from metrics(ctx, about, "AWS/Lambda", {"FunctionName": name}, (
        ("invocations", "Invocations", "Sum", 50), ("errors", "Errors", "Sum", 60), ("throttles", "Throttles", "Sum", 85),
        ("longest duration in ms", "Duration", "Maximum", 50), ("concurrent executions", "ConcurrentExecutions", "Maximum", 40),
        ("iterator age in ms", "IteratorAge", "Maximum", 50)))


def errors(ctx: Context, name: str) -> Iterator[Observation]:
    group = (_configuration(ctx, name).get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    yield from log_errors(ctx, f"{KIND} {name}", group)


def versions(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("lambda"), f"{KIND} {name}"
    listed = ctx.pages(f"versions of {name}", client.list_versions_by_function, "Versions", MAX_VERSIONS, FunctionName=name)
    for version in listed:
        if version.get("Version") != "$LATEST":
            yield from recent(ctx, about, f"version {version['Version']} was published", _time(version.get("LastModified")))
    for alias in ctx.pages(f"aliases of {name}", client.list_aliases, "Aliases", 50, FunctionName=name):
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        shared = "".join(f", {share:.0%} to version {version}" for version, share in weights.items())
        yield Observation(about, "configuration", f"alias {alias['Name']} is version {alias['FunctionVersion']}{shared}", 50 if shared else 20)


def event_sources(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("lambda")
    for mapping in ctx.pages(f"event sources of {name}", client.list_event_source_mappings, "EventSourceMappings", 20, FunctionName=name):
        source = mapping.get("EventSourceArn") or mapping.get("SelfManagedEventSource") or "an event source"
        result = mapping.get("LastProcessingResult")
        healthy = mapping.get("State") in (None, "Enabled", "Enabling", "Creating", "Updating")
        text = f"its event source {source} is {mapping.get('State')}"
        if mapping.get("StateTransitionReason") and not healthy:
            text += f" ({mapping['StateTransitionReason']})"
        if result and result not in ("OK", "No records processed"):
            yield Observation(f"{KIND} {name}", "dependency", f"{text}; last result: {result}", 80)
        else:
            yield Observation(f"{KIND} {name}", "dependency", text, 20 if healthy else 85)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", name)


LOOKS = (configuration, concurrency, invocations, errors, versions, event_sources, deployments)


def _configuration(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("lambda", name), lambda: ctx.client("lambda").get_function_configuration(FunctionName=name))


def _time(text: Any) -> Optional[datetime]:
    try:
        return datetime.fromisoformat(text).astimezone(timezone.utc)
    except (TypeError, ValueError):
        return None
