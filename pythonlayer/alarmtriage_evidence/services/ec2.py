"""EC2: instance state and status checks, scheduled events, CPU, network and EBS traffic, and volumes."""

from typing import Any, Iterator, List, Mapping

from ..context import Context, Metric, Observation, stamp
from ..looks import metrics, recent

KIND = "EC2 instance"
READS = ("ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:DescribeVolumeStatus", "cloudwatch:GetMetricData")
COST = "seven metrics of GetMetricData"
MAX_VOLUMES = 10


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("InstanceId")
    return [name] if name.startswith("i-") else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _instance(ctx, name), f"{KIND} {name}"
    status = (found.get("State") or {}).get("Name")
    reason = (found.get("StateReason") or {}).get("Message")
    yield Observation(about, "health", f"its state is {status}{': ' + reason if reason else ''}", 20 if status == "running" else 90)
    yield from recent(ctx, about, "it was launched", found.get("LaunchTime"), 80)
    yield Observation(about, "configuration", f"type {found.get('InstanceType')}, image {found.get('ImageId')}, zone "
                                              f"{(found.get('Placement') or {}).get('AvailabilityZone')}, subnet {found.get('SubnetId')}", 20)


def status_checks(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("ec2"), f"{KIND} {name}"
    for found in client.describe_instance_status(InstanceIds=[name], IncludeAllInstances=True).get("InstanceStatuses") or []:
        for label, check in (("system", found.get("SystemStatus")), ("instance", found.get("InstanceStatus")), ("attached EBS", found.get("AttachedEbsStatus"))):
            if check:
                yield Observation(about, "health", f"its {label} status check is {check.get('Status')}", 92 if check.get("Status") == "impaired" else 15)
        for event in found.get("Events") or []:
            is_over = str(event.get("Description")).startswith(("[Completed]", "[Canceled]"))
            yield Observation(about, "health", f"scheduled event {event.get('Code')}: {event.get('Description')}, from {stamp(event.get('NotBefore'))}",
                              15 if is_over else 75)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/EC2", {"InstanceId": name}, (
        ("failed status checks", "StatusCheckFailed", "Maximum", 85),))
    # Without detailed monitoring, these have a datapoint for every 5 minutes.
    yield from metrics(ctx, f"{KIND} {name}", "AWS/EC2", {"InstanceId": name}, (
        ("highest CPU use in percent", "CPUUtilization", "Maximum", 60),
        ("lowest CPU credit balance", "CPUCreditBalance", "Minimum", 60), ("bytes received", "NetworkIn", "Sum", 40),
        ("bytes sent", "NetworkOut", "Sum", 40), ("EBS bytes read", "EBSReadBytes", "Sum", 35), ("EBS bytes written", "EBSWriteBytes", "Sum", 35)))


def volumes(ctx: Context, name: str) -> Iterator[Observation]:
    ids = [b["Ebs"]["VolumeId"] for b in _instance(ctx, name).get("BlockDeviceMappings") or [] if b.get("Ebs")]
    if len(ids) > MAX_VOLUMES:
        ctx.note(f"volumes of {name}: only {MAX_VOLUMES} of {len(ids)} were read")
    for found in ctx.client("ec2").describe_volume_status(VolumeIds=ids[:MAX_VOLUMES]).get("VolumeStatuses") or [] if ids else []:
        status = (found.get("VolumeStatus") or {}).get("Status")
        if status != "ok":
            yield Observation(f"{KIND} {name}", "health", f"volume {found.get('VolumeId')} is {status}", 88)


LOOKS = (state, status_checks, numbers, volumes)


def _instance(ctx: Context, name: str) -> Mapping[str, Any]:
    def read() -> Mapping[str, Any]:
        found = ctx.client("ec2").describe_instances(InstanceIds=[name]).get("Reservations") or []
        if not found or not found[0].get("Instances"):
            raise LookupError(f"no instance {name}: it may have been terminated more than an hour ago")
        return found[0]["Instances"][0]

    return ctx.once(("ec2", name), read)
