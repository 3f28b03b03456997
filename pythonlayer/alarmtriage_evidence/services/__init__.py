"""The first looks per service: what its runbook asks before anything else.

Each collector is one module with these members:

    KIND      what its resources are called, such as "Lambda function"
    READS     the IAM actions of its looks
    COST      what its looks cost, in one phrase
    targets   returns the names of its resources in a metric, by namespace or dimensions
    LOOKS     functions of the context and one name, which return observations; each fails on its own
    names     optional: returns further names of a resource for CloudTrail, each with the Region of its events or None

All looks of all resources run at the same time. `performance_insights` has no resources of its own; `rds` uses its looks.
"""

from types import ModuleType
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..context import Context, Metric, Observation
from . import (
    account, api_gateway, auto_scaling, cloudfront, dynamodb, ec2, ecs, elasticache, event_rules, kinesis, lambda_functions,
    load_balancers, log_metric_filters, rds, s3, sns, sqs, step_functions,
)

COLLECTORS: Tuple[ModuleType, ...] = (
    account, api_gateway, auto_scaling, cloudfront, dynamodb, ec2, ecs, elasticache, event_rules, kinesis, lambda_functions,
    load_balancers, log_metric_filters, rds, s3, sns, sqs, step_functions,
)

MAX_TARGETS = 12  # resources of one alarm
Look = Tuple[str, Callable[[], Iterator[Observation]]]


def targets(ctx: Context, metrics: Iterable[Metric]) -> List[Tuple[ModuleType, str]]:
    """Returns the resources of the metrics with their collectors, each once. Resources of other accounts are not read."""
    found: List[Tuple[ModuleType, str]] = []
    others = set()
    for metric in metrics:
        for collector in COLLECTORS:
            for name in collector.targets(metric):
                if metric.account and ctx.own_account and metric.account != ctx.own_account:
                    others.add(f"{collector.KIND} {name} of account {metric.account}")
                elif (collector, name) not in found:
                    found.append((collector, name))
    for other in sorted(others):
        ctx.note(f"{other}: not read, because this code reads account {ctx.own_account}")
    for collector, name in found[MAX_TARGETS:]:
        ctx.note(f"{collector.KIND} {name}: not read, because only {MAX_TARGETS} resources of an alarm are")
    return found[:MAX_TARGETS]


def looks(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]]) -> Iterator[Look]:
    """Returns the looks at these resources and at the account, each with its name."""
    for collector, name in [*wanted, (account, "")]:
        for look in collector.LOOKS:
            yield (f"{look.__name__.replace('_', ' ')} of {collector.KIND} {name}".rstrip(),
                   lambda look=look, name=name: look(ctx, name))


def names(ctx: Context, wanted: Sequence[Tuple[ModuleType, str]]) -> List[Tuple[Optional[str], str]]:
    """Returns the names under which CloudTrail lists events of these resources."""
    found: List[Tuple[Optional[str], str]] = []
    for collector, name in wanted:
        found.append((None, name))
        if hasattr(collector, "names"):
            try:
                found += collector.names(ctx, name)
            except Exception:
                pass  # the look that needs the same answer reports the error
    return list(dict.fromkeys(found))
