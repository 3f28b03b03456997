"""Custom metrics that CloudWatch Logs counts from log lines: the filter, and the lines that it counted."""

from typing import Any, Iterator, List, Mapping

from alarmtriage_tool import logs

from ..context import Context, Metric, Observation, stamp
from ..looks import MAX_LOGS, counted, log_errors
from . import lambda_functions

KIND = "log metric"
READS = ("logs:DescribeMetricFilters", "cloudwatch:GetMetricData", *lambda_functions.HOP_READS)
COST = lambda_functions.HOP_COST
MAX_GROUPS = 3
MAX_EXAMPLES = 5
_OF_AWS = frozenset(("CloudWatchSynthetics", "ContainerInsights", "ECS/ContainerInsights", "Glue", "LambdaInsights"))  # without AWS's prefix


def targets(metric: Metric) -> List[str]:
    """Returns namespace and name of a metric that is not one of AWS's own."""
    if metric.name and metric.namespace and not metric.namespace.startswith("AWS/") and metric.namespace not in _OF_AWS:
        return [f"{metric.namespace} {metric.name}"]
    return []


def matching_lines(ctx: Context, name: str) -> Iterator[Observation]:
    """Returns the lines that the metric filter counted around the transition, grouped by pattern."""
    _, onset, end = ctx.windows()
    for found in _filters(ctx, name):
        group, pattern = found["logGroupName"], found.get("filterPattern") or ""
        about = f"log group {group}"
        measured = [one["metricValue"] for one in found.get("metricTransformations") or [] if str(one.get("metricValue")).startswith("$")]
        work = f"reads {' and '.join(measured)} of" if measured else "counts"
        selected = f", of those with {found['fieldSelectionCriteria']}" if found.get("fieldSelectionCriteria") else ""
        transformed = ", after the log group's transformer changed them" if found.get("applyOnTransformedLogs") else ""
        yield Observation(about, "configuration", f"metric filter {found['filterName']} {work} lines that match {pattern or 'anything'}{selected}{transformed}", 20)
        since = max(onset, end - MAX_LOGS)
        read = logs.matching_patterns(group, since, end, pattern, ctx.client("logs"), ctx.remaining())
        if not read["complete"] or since > onset:
            ctx.note(f"log lines of {group}: not all matching lines after {stamp(onset)} were read")
        what = f"lines that the alarm's metric {'reads' if measured else 'counts'}"
        if selected or transformed:  # FilterLogEvents neither selects fields nor transforms lines
            what = "lines that match the pattern of the metric filter, which may not be those of the alarm's metric"
        if dimensions := next((m.dimensions for m in ctx.metrics if targets(m) == [name] and m.dimensions), ()):
            what = (f"lines that match the {'pattern of the ' if selected or transformed else ''}metric filter; of these, the alarm's metric "
                    f"{'reads' if measured else 'counts'} those with {', '.join(f'{key}={value}' for key, value in dimensions)}")
        for line in read["patterns"][:MAX_EXAMPLES]:
            yield Observation(about, "errors", f"{counted(line['count'], read)} {what}, from {line['first']} to {line['last']}: {line['example']}", 86)


def other_errors(ctx: Context, name: str) -> Iterator[Observation]:
    for found in _filters(ctx, name):
        yield from log_errors(ctx, f"log group {found['logGroupName']}", found["logGroupName"])


def functions(ctx: Context, name: str) -> List[str]:
    """Returns the functions that write to the log groups."""
    prefix = "/aws/lambda/"
    return [found["logGroupName"][len(prefix):] for found in _filters(ctx, name) if found["logGroupName"].startswith(prefix)]


LOOKS = (matching_lines, other_errors)


def names(ctx: Context, name: str) -> List[Any]:
    return [(None, found["logGroupName"]) for found in _filters(ctx, name)]


def addresses(ctx: Context, name: str) -> List[str]:
    return [ctx.arn("logs", f"log-group:{found['logGroupName']}{end}") for found in _filters(ctx, name) for end in ("", ":*")]


def _filters(ctx: Context, name: str) -> List[Mapping[str, Any]]:
    namespace, metric = next(((m.namespace, m.name) for m in ctx.metrics if targets(m) == [name]), name.rpartition(" ")[::2])
    filters = ctx.once(("metric-filter", name), lambda: ctx.pages(
        f"metric filters of {name}", ctx.client("logs").describe_metric_filters, "metricFilters", 50,
        metricName=metric, metricNamespace=namespace))
    if len(filters) > MAX_GROUPS:
        ctx.note(f"metric filters of {name}: only {MAX_GROUPS} of {len(filters)} were followed")
    return filters[:MAX_GROUPS]
