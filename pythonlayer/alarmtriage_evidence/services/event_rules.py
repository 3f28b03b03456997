"""EventBridge rules: state and pattern, targets, their roles and dead-letter queues, and failed invocations."""

from typing import Any, Iterable, Iterator, List, Mapping, Tuple

from ..context import Context, Items, Metric, Observation
from ..looks import metrics, stack_events
from . import lambda_functions

KIND = "EventBridge rule"
READS = ("events:DescribeRule", "events:ListTargetsByRule", "cloudwatch:GetMetricData", "cloudformation:DescribeStackResources",
         "cloudformation:DescribeStackEvents", *lambda_functions.HOP_READS)
COST = f"four metrics of GetMetricData, and {lambda_functions.HOP_COST}"


def targets(metric: Metric) -> List[str]:
    """Returns "bus rule", or the rule alone on the default bus."""
    rule, bus = metric.dimension("RuleName"), metric.dimension("EventBusName")
    return [f"{bus} {rule}".strip()] if rule and metric.namespace == "AWS/Events" else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    bus, rule = _parts(name)
    found, about = ctx.client("events").describe_rule(Name=rule, EventBusName=bus), f"{KIND} {name}"
    enabled = str(found.get("State")).startswith("ENABLED")
    what = found.get("ScheduleExpression") or f"pattern {found.get('EventPattern')}"
    yield Observation(about, "health" if enabled else "configuration", f"it is {found.get('State')}; {what}", 25 if enabled else 92)


def rule_targets(ctx: Context, name: str) -> Iterator[Observation]:
    listed = _targets(ctx, name)
    if not listed and listed.is_complete:
        yield Observation(f"{KIND} {name}", "configuration", "it has no target", 90)
    for found in listed:
        dead = (found.get("DeadLetterConfig") or {}).get("Arn")
        yield Observation(f"{KIND} {name}", "dependency", f"target {found.get('Arn')}, role {found.get('RoleArn') or 'none'}, "
                                                          f"{'dead letters go to ' + dead if dead else 'without a dead-letter queue'}", 40)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    bus, rule = _parts(name)
    dimensions = {"RuleName": rule} if bus == "default" else {"EventBusName": bus, "RuleName": rule}
    yield from metrics(ctx, f"{KIND} {name}", "AWS/Events", dimensions, (
        ("matched events", "TriggeredRules", "Sum", 50), ("invocations of targets", "Invocations", "Sum", 50),
        ("failed invocations", "FailedInvocations", "Sum", 85), ("throttled invocations", "ThrottledRules", "Sum", 80)))


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    bus, rule = _parts(name)
    yield from stack_events(ctx, f"{KIND} {name}", rule if bus == "default" else f"{bus}|{rule}", "AWS::Events::Rule")


def functions(ctx: Context, name: str) -> List[str]:
    return [lambda_functions.name_of(ctx, found.get("Arn")) for found in _targets(ctx, name)]


def addresses(ctx: Context, name: str) -> List[str]:
    bus, rule = _parts(name)
    return [ctx.arn("events", f"rule/{rule}" if bus == "default" else f"rule/{bus}/{rule}")]


LOOKS = (state, rule_targets, numbers, deployments)


def names(ctx: Context, name: str) -> List[Any]:
    return [(None, _parts(name)[1])]


def is_about(parameters: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Reports whether a request is about one of these rules, as far as it names one without its ARN. A rule of another bus can have the same name."""
    rule = str(parameters.get("rule") or parameters.get("name") or "arn:")
    bus = str(parameters.get("eventBusName") or "default").split(":event-bus/")[-1]  # the names of partners' buses contain slashes
    return rule.startswith("arn:") or (bus, rule) in map(_parts, names)


def _targets(ctx: Context, name: str) -> Items:
    bus, rule = _parts(name)
    return ctx.once(("event-targets", name), lambda: ctx.pages(
        f"targets of {name}", ctx.client("events").list_targets_by_rule, "Targets", 100, Rule=rule, EventBusName=bus))


def _parts(name: str) -> Tuple[str, str]:
    bus, _, rule = name.rpartition(" ")
    return bus or "default", rule
