"""Application and Network Load Balancers: state, target health with its reasons, requests and errors, and listeners."""

from typing import Any, Dict, Iterator, List, Mapping, Set

from ..context import Context, Metric, Observation
from ..looks import metrics, stack_events

KIND = "load balancer"
READS = ("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
         "elasticloadbalancing:DescribeListeners", "cloudwatch:GetMetricData", "cloudformation:DescribeStackResources",
         "cloudformation:DescribeStackEvents")
COST = "seven metrics of GetMetricData"
MAX_GROUPS = 5
MAX_SICK = 8  # reasons of one target group, and targets that are named for one of them


def targets(metric: Metric) -> List[str]:
    """Returns names such as app/shop/50dc6c495c0c9188; for a target group alone, targetgroup/shop/943f017f100becff."""
    name = metric.dimension("LoadBalancer") or metric.dimension("TargetGroup")
    return [name] if name.count("/") == 2 else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    for found in _balancers(ctx, name):
        status = (found.get("State") or {}).get("Code")
        zones = ", ".join(z["ZoneName"] for z in found.get("AvailabilityZones") or [])
        yield Observation(f"{KIND} {name}", "health", f"its state is {status} {(found.get('State') or {}).get('Reason') or ''}".rstrip() +
                          f"; zones {zones}; {found.get('Scheme')}", 20 if status == "active" else 90)


def target_health(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("elbv2"), f"{KIND} {name}"
    own = {metric.dimension("TargetGroup") for metric in ctx.metrics}
    groups = sorted(_groups(ctx, name), key=lambda group: group["TargetGroupArn"].split(":")[-1] not in own)  # that of the alarm first
    for group in groups[:MAX_GROUPS]:
        listed = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"]).get("TargetHealthDescriptions") or []
        if listed and all((t.get("TargetHealth") or {}).get("State") == "unavailable" for t in listed):  # as for Lambda functions by default
            yield Observation(about, "health", f"target group {group['TargetGroupName']}: health checks are off, so the health of its targets ({len(listed)}) "
                                               "is not known", 20)
            continue
        sick = [t for t in listed if (t.get("TargetHealth") or {}).get("State") != "healthy"]
        check = f"health check {group.get('HealthCheckProtocol')} {group.get('HealthCheckPath') or ''} on port {group.get('HealthCheckPort')}"
        weight = 92 if listed and len(sick) == len(listed) else 80 if sick else 20
        yield Observation(about, "health", f"target group {group['TargetGroupName']}: {len(listed) - len(sick)} of {len(listed)} targets are "
                                           f"healthy; {check}", weight if listed else 92)
        reasons: Dict[str, List[str]] = {}
        for target in sick:
            state = target["TargetHealth"]
            reason = f"{state.get('State')}: {state.get('Reason') or ''} {state.get('Description') or ''}".rstrip()
            reasons.setdefault(reason, []).append(f"{target['Target']['Id']}{':' + str(target['Target']['Port']) if target['Target'].get('Port') else ''}")
        for reason, ids in sorted(reasons.items(), key=lambda item: -len(item[1]))[:MAX_SICK]:
            more = f" and {len(ids) - MAX_SICK} more" if len(ids) > MAX_SICK else ""
            text = f"target {ids[0]} is" if len(ids) == 1 else f"{len(ids)} targets, {', '.join(ids[:MAX_SICK])}{more}, are"
            yield Observation(about, "health", f"{text} {reason}", 78)
    if len(groups) > MAX_GROUPS:
        ctx.note(f"target groups of {name}: only {MAX_GROUPS} of {len(groups)} were read")


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    if name.startswith("app/"):
        yield from metrics(ctx, f"{KIND} {name}", "AWS/ApplicationELB", {"LoadBalancer": name}, (
            ("requests", "RequestCount", "Sum", 50), ("server errors of targets", "HTTPCode_Target_5XX_Count", "Sum", 70),
            ("client errors of targets", "HTTPCode_Target_4XX_Count", "Sum", 50),
            ("server errors of the load balancer itself", "HTTPCode_ELB_5XX_Count", "Sum", 75),
            ("highest response time of targets in s", "TargetResponseTime", "Maximum", 60),
            ("connection errors to targets", "TargetConnectionErrorCount", "Sum", 75),
            ("rejected connections", "RejectedConnectionCount", "Sum", 80)))
    elif name.startswith("net/"):
        yield from metrics(ctx, f"{KIND} {name}", "AWS/NetworkELB", {"LoadBalancer": name}, (
            ("new flows", "NewFlowCount", "Sum", 50), ("resets by clients", "TCP_Client_Reset_Count", "Sum", 45),
            ("resets by targets", "TCP_Target_Reset_Count", "Sum", 70), ("resets by the load balancer", "TCP_ELB_Reset_Count", "Sum", 65)))


def listeners(ctx: Context, name: str) -> Iterator[Observation]:
    if name.startswith("targetgroup/"):
        return
    for found in ctx.pages(f"listeners of {name}", ctx.client("elbv2").describe_listeners, "Listeners", 50, LoadBalancerArn=_arn(ctx, name)):
        certificates = ", ".join(c["CertificateArn"].split("/")[-1] for c in found.get("Certificates") or [])
        actions = ", ".join(a.get("Type", "") for a in found.get("DefaultActions") or [])
        yield Observation(f"{KIND} {name}", "configuration", f"listener {found.get('Protocol')} {found.get('Port')}: {actions}"
                                                             f"{', certificate ' + certificates if certificates else ''}", 15)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", _arn(ctx, name))


LOOKS = (state, target_health, numbers, listeners, deployments)


def names(ctx: Context, name: str) -> List[Any]:
    return [(None, _arn(ctx, name))]


def uses(ctx: Context, name: str) -> Set[str]:
    """Returns the IDs of the load balancer, which the ARNs of its listeners and rules contain, of its target groups, and of its security groups."""
    found = {name.split("/")[-1], *(group["TargetGroupArn"].split("/")[-1] for group in _groups(ctx, name))}
    return found | {one for balancer in _balancers(ctx, name) for one in balancer.get("SecurityGroups") or []}


def _balancers(ctx: Context, name: str) -> List[Mapping[str, Any]]:
    if name.startswith("targetgroup/"):
        return []
    return ctx.once(("load-balancer", name), lambda: ctx.client("elbv2").describe_load_balancers(
        LoadBalancerArns=[_arn(ctx, name)]).get("LoadBalancers") or [])


def _arn(ctx: Context, name: str) -> str:
    account = ctx.own_account or ctx.account
    kind = name if name.startswith("targetgroup/") else f"loadbalancer/{name}"
    return f"arn:{ctx.alarm.get('partition') or 'aws'}:elasticloadbalancing:{ctx.region}:{account}:{kind}"


def _groups(ctx: Context, name: str) -> List[Mapping[str, Any]]:
    request = {"TargetGroupArns": [_arn(ctx, name)]} if name.startswith("targetgroup/") else {"LoadBalancerArn": _arn(ctx, name)}
    return ctx.once(("target-groups", name), lambda: ctx.pages(
        f"target groups of {name}", ctx.client("elbv2").describe_target_groups, "TargetGroups", 400, **request))
