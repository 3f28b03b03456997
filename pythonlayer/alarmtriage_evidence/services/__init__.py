"""The first looks per service: what its runbook asks before anything else.

Each collector is one module with these members:

    KIND      what its resources are called, such as "Lambda function"
    READS     the IAM actions of its looks
    COST      what its looks cost, in one phrase
    targets   returns the names of its resources in a metric, by namespace or dimensions
    LOOKS     functions of the context and one name, which return observations; each fails on its own
    functions optional: returns the Lambda functions behind a resource, such as its consumers; some of them are looked at, too
    uses      optional: returns names of what a resource uses, such as a load balancer's target groups
    names     optional: returns further names of a resource for CloudTrail, each with the Region of its events or None
    addresses optional: returns its ARN or URL, with which requests can name it; CloudTrail does not list all events by name

All looks of all resources run at the same time. `performance_insights` has no resources of its own; `rds` uses its looks.
"""

import re
from types import ModuleType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from alarmtriage_tool import trail

from ..context import DETAIL, Context, Metric, Observation
from . import (
    account, api_gateway, auto_scaling, cloudfront, dynamodb, ec2, ecs, elasticache, event_rules, kinesis, lambda_functions,
    load_balancers, log_metric_filters, rds, s3, sns, sqs, step_functions,
)

COLLECTORS: Tuple[ModuleType, ...] = (
    account, api_gateway, auto_scaling, cloudfront, dynamodb, ec2, ecs, elasticache, event_rules, kinesis, lambda_functions,
    load_balancers, log_metric_filters, rds, s3, sns, sqs, step_functions,
)

# The service of each collector. In its events, a name means a resource of that service: a function and a table can both be "orders".
_SOURCES: Dict[ModuleType, str] = {
    auto_scaling: "autoscaling", dynamodb: "dynamodb", ecs: "ecs", elasticache: "elasticache", event_rules: "events", kinesis: "kinesis",
    lambda_functions: "lambda", rds: "rds", s3: "s3", sns: "sns", sqs: "sqs", step_functions: "states",
}
# Services whose events name only resources of the same service. Those of Auto Scaling also name the tables and services that it scales.
_OTHERS = frozenset((*_SOURCES.values(), "batch", "codebuild", "codepipeline", "ecr", "firehose", "glue", "secretsmanager")) - {"autoscaling"}
MAX_TARGETS = 12  # resources of one alarm
MAX_FUNCTIONS = 2  # functions behind a resource that are looked at
Look = Tuple[str, Callable[[], Iterator[Observation]]]


def targets(ctx: Context, metrics: Iterable[Metric]) -> List[Tuple[ModuleType, str]]:
    """Returns the resources of the metrics with their collectors, each once. Resources of other accounts are not read."""
    found: List[Tuple[ModuleType, str]] = []
    others = set()
    for metric in metrics:
        named = [(collector, name) for collector in COLLECTORS for name in collector.targets(metric)]
        if metric.account and ctx.own_account and metric.account != ctx.own_account:
            kinds = [f"{collector.KIND} {name}" for collector, name in named] or [f"the resource of metric {metric.namespace} {metric.name}".rstrip()]
            others.update(f"{kind} of account {metric.account}" for kind in kinds)
        else:
            found += [one for one in named if one not in found]
    for other in sorted(others):
        ctx.note_other(other)
    for collector, name in found[MAX_TARGETS:]:
        ctx.note(f"{collector.KIND} {name}: not read, because only {MAX_TARGETS} resources of an alarm are", DETAIL)
    return found[:MAX_TARGETS]


def looks(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]]) -> Iterator[Look]:
    """Returns the looks at these resources and at the account, each with its name."""
    for collector, name in [*wanted, (account, "")]:
        for look in collector.LOOKS:
            yield (f"{look.__name__.replace('_', ' ')} of {collector.KIND} {name}".rstrip(),
                   lambda look=look, name=name: look(ctx, name))
    for collector, name in wanted:
        for position in range(MAX_FUNCTIONS if hasattr(collector, "functions") else 0):
            for look in lambda_functions.HOP_LOOKS:
                yield (f"{look.__name__.replace('_', ' ')} of a function behind {collector.KIND} {name}",
                       lambda look=look, resource=(collector, name), position=position: _behind(ctx, wanted, resource, position, look))


def _behind(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]], resource: Tuple[ModuleType, str], position: int, look: Any) -> Iterator[Observation]:
    """Returns what a look sees of one of the functions behind a resource, unless the alarm itself is about that function."""
    found = functions(ctx, *resource)
    if position < len(found) and (lambda_functions, found[position]) not in wanted:
        yield from look(ctx, found[position])


def functions(ctx: Context, collector: ModuleType, name: str) -> List[str]:
    """Returns the Lambda functions behind a resource that are looked at."""
    try:
        found = [function for function in dict.fromkeys(collector.functions(ctx, name)) if function]
    except Exception:
        return []  # the look that needs the same answer reports the error
    if len(found) > MAX_FUNCTIONS:
        ctx.note(f"{collector.KIND} {name}: of the {len(found)} functions behind it, only {' and '.join(found[:MAX_FUNCTIONS])} were looked at")
    return found[:MAX_FUNCTIONS]


def related(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]]) -> Set[str]:
    """Returns names of resources that the alarm's resources call or use: functions behind them, and what these functions name."""
    behind = [function for collector, name in wanted if hasattr(collector, "functions") for function in functions(ctx, collector, name)]
    found = set(behind)
    for collector, name in wanted:
        if hasattr(collector, "uses") and collector is not lambda_functions:
            try:
                found |= collector.uses(ctx, name)
            except Exception:
                pass  # the look that needs the same answer reports the error
    for function in [*behind, *(name for collector, name in wanted if collector is lambda_functions)]:
        try:
            found |= lambda_functions.uses(ctx, function)
        except Exception:
            pass  # the look that needs the same answer reports the error
    return found


def names(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]]) -> List[Tuple[Optional[str], str]]:
    """Returns the names under which CloudTrail lists events of these resources."""
    found: List[Tuple[Optional[str], str]] = []
    for collector, name in wanted:
        found.append((None, name))
        if hasattr(collector, "names"):
            try:
                found += collector.names(ctx, name)
            except Exception:
                ctx.knows_names = False  # the look that needs the same answer reports the error
    return list(dict.fromkeys(found))


def addresses(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]]) -> Set[str]:
    """Returns the ARNs and URLs of these resources that requests can contain in the place of their names."""
    found: Set[str] = set()
    for collector, name in wanted:
        if hasattr(collector, "addresses"):
            try:
                found |= set(collector.addresses(ctx, name))
            except Exception:
                ctx.knows_names = False  # the look that needs the same answer reports the error
    return found


def is_other(wanted: Sequence[Tuple[ModuleType, str]], event: Mapping[str, Any], namespaces: Iterable[str] = ()) -> bool:
    """Reports whether an event with the name of one of these resources is about a resource of another service, ECS cluster, or event bus.

    If no collector knows the resources, the namespaces of the alarm's metrics show whose they are.
    """
    service, texts = str(event.get("EventSource")).split(".")[0], trail.texts_of(event)
    last = {re.split("[/:]", text)[-1] for text in texts}
    named = [collector for collector, name in wanted if re.split("[ /:]", name)[-1] in last]
    own = {_SOURCES.get(collector) for collector in named or [collector for collector, _ in wanted]}
    if not wanted:
        own = {name.split("/")[1].lower() for name in namespaces if name.startswith("AWS/")}
    elif service == "ecs" and service in own:
        cluster = _cluster_of(trail.parameters_of(event))
        return bool(cluster) and cluster not in {name.split(" ")[0] for collector, name in wanted if collector is ecs}
    elif service == "events" and service in own:
        return not event_rules.is_about(trail.parameters_of(event), [name for collector, name in wanted if collector is event_rules])
    if not own or None in own or service in own or service not in _OTHERS:
        return False
    return not any(text.startswith("arn:") and text.split(":", 3)[2:3] == [one] for text in texts for one in own)


def _cluster_of(parameters: Mapping[str, Any]) -> str:
    """Returns the name of the ECS cluster that a request is about, or an empty text. A request that only names a service is about the cluster "default"."""
    if parameters.get("cluster"):
        return str(parameters["cluster"]).split("/")[-1]
    service = str(parameters.get("service") or parameters.get("serviceName") or "arn:")
    return "" if service.startswith("arn:") else "default"
