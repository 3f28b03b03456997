"""ECS: the service's deployments and events, stopped tasks with their reasons, the task definition, and its log groups."""

import re
from datetime import datetime
from typing import Any, Dict, Iterator, List, Mapping, Set, Tuple

from alarmtriage_tool import logs as patterns

from ..context import BEFORE, Context, Metric, Observation, stamp
from ..difference import changed, changed_others, changed_variables
from ..looks import LOG_READS, log_errors, metrics, most_weight, recent, stack_events

KIND = "ECS service"
READS = ("ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition", "ecs:DescribeClusters",
         "cloudwatch:GetMetricData", *LOG_READS, "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents")
COST = "two metrics of GetMetricData"
MAX_EVENTS = 8
MAX_TASKS = 100  # that DescribeTasks returns
MAX_CONTAINERS = 4
# Settings of a task definition and of a container whose values are compared, and those that AWS sets for each revision.
_SETTINGS = ("cpu", "memory", "taskRoleArn", "executionRoleArn", "networkMode")
_OF_REVISION = ("taskDefinitionArn", "revision", "status", "registeredAt", "registeredBy", "deregisteredAt", "requiresAttributes", "compatibilities",
                "containerDefinitions")
_OF_CONTAINER = ("image", "cpu", "memory", "memoryReservation", "command", "entryPoint")
_PLANNED = "Scaling activity initiated by"  # reason of tasks that a deployment or fewer desired tasks stopped
_TASK = re.compile(r" ?\(task [^)]*\)")  # in the text of an event


def targets(metric: Metric) -> List[str]:
    """Returns "cluster service"."""
    cluster, service = metric.dimension("ClusterName"), metric.dimension("ServiceName")
    return [f"{cluster} {service}"] if cluster and service and "EKS" not in metric.namespace else []


def service(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _service(ctx, name), f"{KIND} {name}"
    running, desired, pending = (found.get(key) for key in ("runningCount", "desiredCount", "pendingCount"))
    yield Observation(about, "health", f"{running} of {desired} desired tasks are running and {pending} are pending; its status is "
                                       f"{found.get('status')}", 20 if running == desired and found.get("status") == "ACTIVE" else 88)
    for deployment in found.get("deployments") or []:
        revision = str(deployment.get("taskDefinition")).split("/")[-1]
        state = f"{deployment.get('status')} deployment of {revision} ({deployment.get('rolloutState') or 'state unknown'}"
        reason = deployment.get("rolloutStateReason")
        failed = deployment.get("failedTasks") or 0
        text = f"{state}{': ' + reason if reason else ''}), {failed} failed tasks"
        yield from recent(ctx, about, f"{text} began", deployment.get("createdAt"), 92)
        if deployment.get("rolloutState") == "FAILED" or failed:
            yield Observation(about, "health", text, 90)
    for one in found.get("taskSets") or []:
        revision = str(one.get("taskDefinition")).split("/")[-1]
        yield from recent(ctx, about, f"{one.get('status')} task set of {revision} ({one.get('stabilityStatus') or 'state unknown'}) was created", one.get("createdAt"), 92)
    events: Dict[str, List[Observation]] = {}  # by pattern, the newest first
    for event in found.get("events") or []:
        message = event.get("message") or ""
        steady = "has reached a steady state" in message
        for seen in recent(ctx, about, f"service event: {message}", event.get("createdAt"), 20 if steady else 72):
            events.setdefault(_TASK.sub("", patterns.pattern_of(message)), []).append(seen)
    for group in list(events.values())[:MAX_EVENTS]:
        newest, oldest = group[0], group[-1]
        more = f" ({len(group)} such events since {stamp(oldest.time)})" if len(group) > 1 else ""
        yield newest._replace(text=newest.text + more, weight=max(one.weight for one in group))


def stopped_tasks(ctx: Context, name: str) -> Iterator[Observation]:
    client, (cluster, wanted), about = ctx.client("ecs"), name.split(" ", 1), f"{KIND} {name}"
    arns = ctx.pages(f"stopped tasks of {name}", client.list_tasks, "taskArns", MAX_TASKS, cluster=cluster, serviceName=wanted,
                     desiredStatus="STOPPED", maxResults=MAX_TASKS)
    tasks = client.describe_tasks(cluster=cluster, tasks=arns).get("tasks") or [] if arns else []
    least = "" if arns.is_complete else "at least "
    reasons: dict = {}
    for task in tasks:
        exits = "; ".join(f"container {c.get('name')}: {'exit code ' + str(c['exitCode']) if c.get('exitCode') is not None else ''} "
                          f"{c.get('reason') or ''}".strip() for c in task.get("containers") or [] if c.get("exitCode") or c.get("reason"))
        reason = f"{task.get('stopCode') or ''} {task.get('stoppedReason') or ''}".strip()
        reasons.setdefault(f"{reason}{' (' + exits + ')' if exits else ''}", []).append(task)
    for reason, group in sorted(reasons.items(), key=lambda item: -len(item[1]))[:5]:
        times = [task["stoppedAt"] for task in group if task.get("stoppedAt")]
        last = "the last" if arns.is_complete else "the last of those that were read"  # the listing has no order
        until = f", {last} at {stamp(max(times))}" if times else ""
        is_planned = all(str(task.get("stoppedReason")).startswith(_PLANNED) for task in group)
        stopping = sum(task.get("lastStatus") not in ("STOPPED", None) for task in group)
        what = "are stopping" if stopping == len(group) else f"stopped{until}{f', or are stopping ({stopping} of them)' if stopping else ''}"
        yield Observation(about, "change" if is_planned else "errors", f"{least}{len(group)} tasks {what}: {reason}", 35 if is_planned else 86)


def task_definition(ctx: Context, name: str) -> Iterator[Observation]:
    found = _definition(ctx, name)
    about = f"{KIND} {name}"
    yield from recent(ctx, about, f"task definition {found.get('family')}:{found.get('revision')} was registered", found.get("registeredAt"))
    for container in (found.get("containerDefinitions") or [])[:MAX_CONTAINERS]:
        memory = container.get("memory") or container.get("memoryReservation") or found.get("memory")
        yield Observation(about, "configuration", f"container {container.get('name')} runs {container.get('image')} with {memory} MB of memory, CPU "
                                                  f"{container.get('cpu') or found.get('cpu')}", 25)


def difference(ctx: Context, name: str) -> Iterator[Observation]:
    """Returns how a new task definition differs from the one before."""
    after = _definition(ctx, name)
    registered, revision = after.get("registeredAt"), int(after.get("revision") or 0)
    if revision < 2 or not isinstance(registered, datetime) or not ctx.fired_at - BEFORE <= registered <= ctx.fired_at:
        return
    running = [str(one.get("taskDefinition")) for one in _service(ctx, name).get("deployments") or []]
    earlier = next((arn for arn in running if arn != after.get("taskDefinitionArn")), f"{after.get('family')}:{revision - 1}")
    before = ctx.client("ecs").describe_task_definition(taskDefinition=earlier)["taskDefinition"]
    found = [text for key in _SETTINGS for text in changed(key, before.get(key), after.get(key))]
    found += changed_others(before, after, (*_SETTINGS, *_OF_REVISION))
    old = {container.get("name"): container for container in before.get("containerDefinitions") or []}
    for container in after.get("containerDefinitions") or []:
        other = old.pop(container.get("name"), {})
        parts = [text for key in _OF_CONTAINER for text in changed(key, other.get(key), container.get(key))]
        parts += changed_variables(_variables(other), _variables(container))
        parts += changed_others(other, container, ("name", "environment", "secrets", *_OF_CONTAINER))
        if parts:
            found.append(f"container {container.get('name')}: {', '.join(parts)}")
    found += [f"container {name} (removed)" for name in old]
    if found:
        yield Observation(f"{KIND} {name}", "change", f"task definition {after.get('family')}:{revision} differs from "
                                                      f"{str(earlier).split('/')[-1]}: {'; '.join(found)}",
                          min(91, most_weight(ctx, registered)), registered)


def _variables(container: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the environment variables of a container. If the value is that of a secret or a parameter, only its source is known."""
    plain = {one["name"]: one.get("value") for one in container.get("environment") or []}
    return {**plain, **{one["name"]: f"from {one.get('valueFrom')}" for one in container.get("secrets") or []}}


def logs(ctx: Context, name: str) -> Iterator[Observation]:
    found: Dict[Tuple[str, str], List[str]] = {}  # beginnings of the names of the containers' streams, which are prefix/container/task
    others: List[str] = []  # containers that log elsewhere, or nowhere
    for container in _definition(ctx, name).get("containerDefinitions") or []:
        options = (container.get("logConfiguration") or {}).get("options") or {}
        if options.get("awslogs-group"):
            prefix = options.get("awslogs-stream-prefix")
            found.setdefault((options["awslogs-group"], options.get("awslogs-region") or ctx.region), []).append(
                f"{prefix}/{container.get('name')}/" if prefix else "")
        else:
            others.append(str(container.get("name")))
    groups = list(found)
    if others:
        ctx.note(f"log lines of {KIND} {name}: those of container {' and '.join(others)} were not read, because the log driver is not awslogs")
    if len(groups) > MAX_CONTAINERS:
        ctx.note(f"log groups of {KIND} {name}: only {MAX_CONTAINERS} of {len(groups)} were read: {', '.join(group for group, _ in groups[:MAX_CONTAINERS])}")
    for group, region in groups[:MAX_CONTAINERS]:
        own = tuple(found[group, region])
        yield from log_errors(ctx, f"{KIND} {name}", group, region=region, is_own=None if "" in own else lambda stream: not stream or stream.startswith(own))


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    cluster, wanted = name.split(" ", 1)
    yield from metrics(ctx, f"{KIND} {name}", "AWS/ECS", {"ClusterName": cluster, "ServiceName": wanted}, (
        ("highest CPU use in percent", "CPUUtilization", "Maximum", 55), ("highest memory use in percent", "MemoryUtilization", "Maximum", 60)))


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", _service(ctx, name).get("serviceArn") or "")


def addresses(ctx: Context, name: str) -> List[str]:
    return [str(_service(ctx, name).get("serviceArn") or name), f"service/{name.replace(' ', '/')}"]  # the latter of its auto scaling


LOOKS = (service, stopped_tasks, task_definition, difference, logs, numbers, deployments)


def names(ctx: Context, name: str) -> List[Any]:
    return [(None, name.split(" ", 1)[1])]


def uses(ctx: Context, name: str) -> Set[str]:
    """Returns the service's security groups, the IDs of its target groups, and the roles of its tasks."""
    service, definition = _service(ctx, name), _definition(ctx, name)
    found = set(((service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}).get("securityGroups") or [])
    found |= {str(balancer.get("targetGroupArn") or "").split("/")[-1] for balancer in service.get("loadBalancers") or []}
    found |= {str(definition.get(role) or "").split("/")[-1] for role in ("taskRoleArn", "executionRoleArn")}
    return found - {""}


def _service(ctx: Context, name: str) -> Mapping[str, Any]:
    def read() -> Mapping[str, Any]:
        cluster, wanted = name.split(" ", 1)
        found = ctx.client("ecs").describe_services(cluster=cluster, services=[wanted]).get("services") or []
        if not found:
            raise LookupError(f"no ECS service {wanted} in cluster {cluster}")
        return found[0]

    return ctx.once(("ecs", name), read)


def _definition(ctx: Context, name: str) -> Mapping[str, Any]:
    found = _service(ctx, name)  # another deployment controller than that of ECS uses task sets
    sets = sorted(found.get("taskSets") or [], key=lambda one: one.get("status") != "PRIMARY")
    arn = next((one["taskDefinition"] for one in sets if one.get("taskDefinition")), found.get("taskDefinition"))
    if not arn:
        raise LookupError(f"ECS service {name} has no task definition and no task set")
    return ctx.once(("task-definition", arn), lambda: ctx.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"])
