"""EC2 Auto Scaling groups: size and health, scaling activities, and suspended processes."""

from typing import Any, Iterator, List, Mapping

from ..context import Context, Metric, Observation
from ..looks import recent, stack_events

KIND = "Auto Scaling group"
READS = ("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities", "cloudformation:DescribeStackResources",
         "cloudformation:DescribeStackEvents")
COST = "nothing"
MAX_ACTIVITIES = 10


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("AutoScalingGroupName")
    return [name] if name else []


def size(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _group(ctx, name), f"{KIND} {name}"
    instances = found.get("Instances") or []
    sick = [i for i in instances if i.get("HealthStatus") != "Healthy" or i.get("LifecycleState") != "InService"]
    # With weights, the sizes are units, of which an instance has several.
    is_weighted = any(i.get("WeightedCapacity") for i in instances)
    healthy = sum(int(i.get("WeightedCapacity") or 1) for i in instances if i not in sick)
    desired, least, most = (found.get(key) for key in ("DesiredCapacity", "MinSize", "MaxSize"))
    yield Observation(about, "health", f"{healthy} of {desired} desired {'units of capacity' if is_weighted else 'instances'} are healthy and in service (minimum {least}, "
                                       f"maximum {most})", 85 if sick or healthy < (desired or 0) else 20)
    for instance in sick[:5]:
        yield Observation(about, "health", f"instance {instance.get('InstanceId')} is {instance.get('HealthStatus')} and {instance.get('LifecycleState')}", 75)
    if desired and desired == most:
        yield Observation(about, "limit", f"it has reached its maximum size of {most}", 80)
    stopped = [p.get("ProcessName") for p in found.get("SuspendedProcesses") or []]
    if stopped:
        yield Observation(about, "limit", f"suspended processes: {', '.join(filter(None, stopped))}", 80)


def activities(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("autoscaling"), f"{KIND} {name}"
    for found in ctx.pages(f"scaling activities of {name}", client.describe_scaling_activities, "Activities", MAX_ACTIVITIES,
                           newest_first="StartTime", AutoScalingGroupName=name, MaxRecords=MAX_ACTIVITIES):
        failed = found.get("StatusCode") in ("Failed", "Cancelled")
        message = f": {found['StatusMessage']}" if failed and found.get("StatusMessage") else ""
        yield from recent(ctx, about, f"{found.get('Description')} ({found.get('StatusCode')}){message}", found.get("StartTime"), 88 if failed else 70)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", name, "AWS::AutoScaling::AutoScalingGroup")


LOOKS = (size, activities, deployments)


def _group(ctx: Context, name: str) -> Mapping[str, Any]:
    found = ctx.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name]).get("AutoScalingGroups") or []
    if not found:
        raise LookupError(f"no Auto Scaling group {name}")
    return found[0]
