"""Lambda: configuration and state, invocations, throttling, the account's concurrency, error lines, versions and aliases, and event sources."""

import re

from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from ..context import BEFORE, Context, Items, Metric, Observation, figure, rounded, stamp
from ..difference import changed, changed_others, changed_variables
from ..looks import LOG_READS, Measured, keys_of, log_errors, measure, minutes, most_weight, observed, recent, rose, stack_events

KIND = "Lambda function"
READS = (
    "lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency", "lambda:ListVersionsByFunction", "lambda:ListAliases",
    "lambda:ListEventSourceMappings", "lambda:GetAccountSettings", "cloudwatch:GetMetricData", *LOG_READS,
    "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents",
)
THROTTLED_COST = "three more and a query of Metrics Insights"
COST = f"six metrics of GetMetricData; if it is throttled, {THROTTLED_COST}"
# Of the looks at a function behind another resource, without cloudwatch:GetMetricData, which the resource's own looks need.
HOP_READS = ("lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency", "lambda:GetAccountSettings", "lambda:ListAliases", *LOG_READS)
HOP_COST = "*functions*"  # a row of the table in docs/evidence.md
MAX_VERSIONS = 200  # with the unpublished one
MAX_UNLISTED = 2  # versions beyond these that aliases use
UNUSED = 60  # most weight of a change of the unpublished version if aliases use others

MAX_HEAVY = 5  # functions with the most concurrent executions
_NUMBERS = (
    ("invocations", "Invocations", "Sum", 50), ("errors", "Errors", "Sum", 60), ("throttles", "Throttles", "Sum", 85),
    ("longest duration in ms", "Duration", "Maximum", 50), ("concurrent executions", "ConcurrentExecutions", "Maximum", 40),
    ("iterator age in ms", "IteratorAge", "Maximum", 50))
_HOP_NUMBERS = ("invocations", "errors", "throttles", "longest duration in ms")
_ACCOUNT_NUMBERS = (
    ("concurrent executions of all functions", "ConcurrentExecutions", "Maximum", 80),
    ("concurrent executions without reserved concurrency", "UnreservedConcurrentExecutions", "Maximum", 80),
    ("throttles of all functions", "Throttles", "Sum", 60))
# Values of environment variables that name no resource.
_WORDS = frozenset(("true", "false", "none", "null", "trace", "debug", "info", "warn", "warning", "error", "prod", "production", "stage", "staging",
                    "dev", "development", "test", "json", "text", "utc", "default"))
# Settings whose values are not shown.
_OTHERS = ("FileSystemConfigs", "DeadLetterConfig", "TracingConfig", "ImageConfigResponse")
_STREAM = re.compile(r"\d{4}/\d\d/\d\d/([\w-]*)\[")
_ARN = re.compile(r"arn:[\w-]+:lambda:([\w-]+):(\d+):function:([\w-]+)")


def targets(metric: Metric) -> List[str]:
    if metric.is_of("AWS/Lambda"):
        name = metric.dimension("FunctionName", "function_name", "Function")
        return [name.split(":function:")[-1].split(":")[0]] if name and "/" not in name else []  # without an alias
    return []


def names(ctx: Context, name: str) -> List[Tuple[Optional[str], str]]:
    role = _configuration(ctx, name)["Role"].split("/")[-1]
    return [(None, name), (ctx.home, role)]


def configuration(ctx: Context, name: str) -> Iterator[Observation]:
    found, used, about = _configuration(ctx, name), _used_version(ctx, name), f"{KIND} {name}"
    of = " of its unpublished version, which no alias uses," if used else ""
    yield from recent(ctx, about, f"code or configuration{of} was last modified", _time(found.get("LastModified")), UNUSED if used else 90)
    found = used or found
    if found.get("State") not in (None, "Active"):
        yield Observation(about, "health", f"its state is {found['State']}: {found.get('StateReason') or 'no reason given'}", 90)
    if found.get("LastUpdateStatus") not in (None, "Successful"):
        reason = found.get("LastUpdateStatusReason") or "no reason given"
        yield Observation(about, "health", f"its last update is {found['LastUpdateStatus']}: {reason}", 90)
    problem = (found.get("Environment") or {}).get("Error") or {}
    if "AccessDenied" in str(problem.get("ErrorCode")):
        # Lambda decrypts them with the permissions of whoever asks, and the triage has none.
        ctx.note(f"environment variables of {about}: {problem.get('Message')}")
    elif problem:
        yield Observation(about, "health", f"its environment variables cannot be decrypted: {problem.get('ErrorCode')}: {problem.get('Message')}", 93)
    if problem:
        yield from keys_of(ctx, about, [str(found.get("KMSKeyArn"))], "which encrypts its environment variables")
    version = f"version {found.get('Version')}, which an alias uses: " if used else ""
    parts = [f"{version}timeout {found.get('Timeout')} s", f"memory {found.get('MemorySize')} MB", str(found.get("Runtime") or "image")]
    if found.get("VpcConfig", {}).get("SubnetIds"):
        parts.append(f"in VPC {found['VpcConfig'].get('VpcId')}")
    if found.get("Layers"):
        names = [":".join(str(layer.get("Arn")).split(":")[-2:]) for layer in found["Layers"]]
        parts.append(f"layers {' and '.join(names)}")
    yield Observation(about, "configuration", f"{', '.join(parts)}, role {found.get('Role')}, last modified {found.get('LastModified')}", 20)


def _used_version(ctx: Context, name: str) -> Mapping[str, Any]:
    """Returns the configuration of the newest version that an alias uses, if the unpublished one differs and no alias uses that."""
    try:
        aliases = _aliases(ctx, name)
        used = _used(aliases)
        newest = max((version for version in used if version.isdigit()), key=int, default="")
        if not newest or "$LATEST" in used or not aliases.is_complete:
            return {}
        found = _version(ctx, name, newest)
    except Exception as error:
        ctx.note(f"versions that aliases of {KIND} {name} use: {error}")
        return {}
    latest = _configuration(ctx, name)
    modified, published = _time(latest.get("LastModified")), _time(found.get("LastModified"))
    return found if modified and published and published < modified and differences(found, latest) else {}


def _used(aliases: List[Mapping[str, Any]]) -> List[str]:
    """Returns the versions that aliases use, also those that receive a part of the invocations."""
    found = [str(version) for alias in aliases
             for version in (alias.get("FunctionVersion"), *((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}))]
    return list(dict.fromkeys(found))


def _version(ctx: Context, name: str, version: str) -> Mapping[str, Any]:
    return ctx.once(("lambda", name, version), lambda: ctx.client("lambda").get_function_configuration(FunctionName=name, Qualifier=version))


def _aliases(ctx: Context, name: str) -> Items:
    return ctx.once(("lambda-aliases", name), lambda: ctx.pages(f"aliases of {name}", ctx.client("lambda").list_aliases, "Aliases", 50, FunctionName=name))


def concurrency(ctx: Context, name: str) -> Iterator[Observation]:
    reserved = ctx.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    if reserved is not None:
        text = "its reserved concurrency is 0, so no invocation can run" if reserved == 0 else f"its reserved concurrency is {reserved}"
        yield Observation(f"{KIND} {name}", "limit", text, 95 if reserved == 0 else 40)


def invocations(ctx: Context, name: str) -> Iterator[Observation]:
    yield from observed(ctx, f"{KIND} {name}", _NUMBERS, _numbers(ctx, name))
    yield from failing_share(ctx, name)


def failing_share(ctx: Context, name: str) -> Iterator[Observation]:
    """Returns which share of the invocations fails. If it did not change, more traffic made more errors."""
    found, covered = _numbers(ctx, name)
    if all(found["invocations"]) and found["errors"][1]:
        before, after = (min(100, 100 * (failed or 0) / count) for failed, count in zip(found["errors"], found["invocations"]))  # type: ignore[operator]
        start, onset, _ = ctx.windows()
        yield Observation(f"{KIND} {name}", "health", f"share of invocations that fail: {rounded(after, 6)} percent from {stamp(onset)} to {stamp(covered)}, "
                                                      f"{rounded(before, 6)} percent in the {minutes(start, onset)} minutes before",
                          62 if rose(ctx, before, after) else 58 if before else 40)


def work_done(ctx: Context, name: str) -> Iterator[Observation]:
    """Returns the numbers of a function behind another resource, without those that are zero; that there are no errors is one."""
    found, covered = _numbers(ctx, name)
    shown = [one for one in _NUMBERS if one[0] == "errors" or one[0] in _HOP_NUMBERS and any(found[one[0]])]
    yield from observed(ctx, f"{KIND} {name}", shown, (found, covered))
    yield from failing_share(ctx, name)


def account_concurrency(ctx: Context, name: str) -> Iterator[Observation]:
    """Compares the executions of all functions with the account's limit if the function is throttled."""
    if not _is_throttled(ctx, name):
        return
    limits = ctx.once("lambda-account", ctx.client("lambda").get_account_settings).get("AccountLimit") or {}
    limit = limits.get("ConcurrentExecutions")
    measured = ctx.once("lambda-account-numbers", lambda: measure(ctx, "AWS/Lambda", {}, _ACCOUNT_NUMBERS))
    highest = measured[0][_ACCOUNT_NUMBERS[0][0]][1]
    about = f"Lambda in {ctx.region}"
    text = f"the account's limit is {limit} concurrent executions, {limits.get('UnreservedConcurrentExecutions')} of which no function has reserved"
    if limit and highest is not None:
        text += f"; at most {figure(highest)} were used after the onset"
    yield Observation(about, "limit", text, 91 if limit and highest is not None and highest >= 0.9 * limit else 45)
    yield from observed(ctx, about, _ACCOUNT_NUMBERS, measured)


def heaviest_functions(ctx: Context, name: str) -> Iterator[Observation]:
    """Returns the functions with the most concurrent executions if the function is throttled."""
    if not _is_throttled(ctx, name):
        return
    heavy = ctx.once("lambda-heavy", lambda: _heaviest(ctx))
    if heavy:
        _, onset, _ = ctx.windows()
        ranked = sorted(heavy.items(), key=lambda item: -item[1])
        yield Observation(f"Lambda in {ctx.region}", "limit", f"the functions with the most concurrent executions since {stamp(onset)}: " + ", ".join(
            f"{function} {figure(count)}" for function, count in ranked[:MAX_HEAVY]), 84)


def errors(ctx: Context, name: str) -> Iterator[Observation]:
    group = (_configuration(ctx, name).get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    yield from log_errors(ctx, f"{KIND} {name}", group, is_own=lambda stream: _writer(stream) in ("", name))


def _writer(stream: str) -> str:
    """Returns the function in the name of a log stream, such as 2026/08/04/orders[$LATEST]0f9d, which several functions have if they share a log group."""
    found = _STREAM.match(stream)
    return found[1] if found else ""


def versions(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("lambda"), f"{KIND} {name}"
    listed = ctx.pages(f"versions of {name}", client.list_versions_by_function, "Versions", MAX_VERSIONS, FunctionName=name)
    aliases = _aliases(ctx, name)
    used = _used(aliases)
    known = {str(version.get("Version")) for version in listed}
    if not listed.is_complete:  # the listing begins with the oldest ones
        for version in [one for one in used if one.isdigit() and one not in known][:MAX_UNLISTED]:
            try:
                listed += [{**_version(ctx, name, wanted), "Version": wanted} for wanted in (version, str(int(version) - 1))]
            except Exception as error:  # a version before it may have been deleted, and one of the oldest is not comparable
                ctx.note(f"version {version} of {about} was not compared with the one before: {error}")
    for version in listed:
        if version.get("Version") != "$LATEST":
            yield from recent(ctx, about, f"version {version['Version']} was published", _time(version.get("LastModified")))
    compared = used or (["$LATEST"] if aliases.is_complete else [])
    if not listed.is_complete:  # the published version before it may not be known
        compared = [version for version in compared if version != "$LATEST"]
    yield from _differences(ctx, about, listed, compared)
    for alias in aliases:
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        shared = "".join(f", {figure(100 * share)}% to version {version}" for version, share in weights.items())
        yield Observation(about, "configuration", f"alias {alias['Name']} is version {alias['FunctionVersion']}{shared}", 50 if shared else 20)


def _differences(ctx: Context, about: str, listed: List[Mapping[str, Any]], compared: List[str]) -> Iterator[Observation]:
    """Returns how versions differ from the published one before, if they changed lately."""
    by_name = {str(version["Version"]): version for version in listed if version.get("Version")}
    published = sorted((name for name in by_name if name.isdigit()), key=int)
    for name in compared:
        changed = _time(by_name.get(name, {}).get("LastModified"))
        earlier = [other for other in published if name == "$LATEST" or int(other) < int(name)]
        if not earlier or changed is None or not ctx.fired_at - BEFORE <= changed <= ctx.fired_at:
            continue
        found = differences(by_name[earlier[-1]], by_name[name])
        if found:
            yield Observation(about, "change", f"version {name} differs from version {earlier[-1]}: {', '.join(found)}",
                              min(87, most_weight(ctx, changed)), changed)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """Returns in which settings two versions of a function differ."""
    found = ["code"] if before.get("CodeSha256") != after.get("CodeSha256") else []
    for key in ("Runtime", "Architectures", "Handler", "Timeout", "MemorySize", "Role", "KMSKeyArn", "LoggingConfig"):
        found += changed(key, before.get(key), after.get(key))
    for key, of in (("Layers", lambda one: [":".join(str(layer.get("Arn")).split(":")[-2:]) for layer in one.get("Layers") or []]),
                    ("EphemeralStorage", lambda one: (one.get("EphemeralStorage") or {}).get("Size")),
                    ("SecurityGroupIds", lambda one: (one.get("VpcConfig") or {}).get("SecurityGroupIds")),
                    ("SubnetIds", lambda one: (one.get("VpcConfig") or {}).get("SubnetIds"))):
        found += changed(key, of(before) or None, of(after) or None)
    found += changed_others(*({key: one[key] for key in _OTHERS if one.get(key)} for one in (before, after)), ())
    environments = [one.get("Environment") or {} for one in (before, after)]
    if any(one.get("Error") for one in environments):  # Lambda does not return the variables that it cannot decrypt for the caller
        return [*found, "environment variables not compared, because Lambda did not return them"] if found else []
    return found + changed_variables(*(one.get("Variables") or {} for one in environments))


def event_sources(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("lambda")
    for mapping in ctx.once(("lambda-sources", name), lambda: ctx.pages(
            f"event sources of {name}", client.list_event_source_mappings, "EventSourceMappings", 20, FunctionName=name)):
        source = mapping.get("EventSourceArn") or mapping.get("SelfManagedEventSource") or "an event source"
        result = mapping.get("LastProcessingResult")
        healthy = mapping.get("State") in (None, "Enabled", "Enabling", "Creating", "Updating")
        text = f"its event source {source} is {mapping.get('State')}{settings_of(mapping)}"
        if mapping.get("StateTransitionReason") and not healthy:
            text += f" ({mapping['StateTransitionReason']})"
        if result and result not in ("OK", "No records processed"):
            yield Observation(f"{KIND} {name}", "dependency", f"{text}; last result: {result}", 80)
        else:
            yield Observation(f"{KIND} {name}", "dependency", text, 20 if healthy else 85)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", name, "AWS::Lambda::Function")


def addresses(ctx: Context, name: str) -> List[str]:
    return [ctx.arn("lambda", f"function:{name}"), f"function:{name}"]  # the latter of its auto scaling


LOOKS = (configuration, concurrency, invocations, account_concurrency, heaviest_functions, errors, versions, event_sources, deployments)
HOP_LOOKS = (configuration, concurrency, work_done, account_concurrency, heaviest_functions, errors)  # at a function behind another resource


def name_of(ctx: Context, text: Any) -> str:
    """Returns the name of the function whose ARN a text contains, or an empty text. Functions of other accounts and Regions are not read."""
    found = _ARN.search(str(text or ""))
    if not found or found[1] != ctx.region or ctx.own_account and found[2] != ctx.own_account:
        return ""
    return found[3]


def mappings_of(ctx: Context, arn: str) -> Items:
    """Returns the event source mappings of a queue or stream."""
    return ctx.once(("mappings", arn), lambda: ctx.pages(
        f"consumers of {arn.split(':')[-1]}", ctx.client("lambda").list_event_source_mappings, "EventSourceMappings", 20, EventSourceArn=arn))


def settings_of(mapping: Mapping[str, Any]) -> str:
    """Returns the settings of an event source mapping that limit how fast it is processed."""
    parts = [f"{what} {mapping[key]}{unit}" for key, what, unit in (
        ("BatchSize", "batch size", ""), ("MaximumBatchingWindowInSeconds", "batching window", " s"),
        ("ParallelizationFactor", "parallelization factor", ""), ("TumblingWindowInSeconds", "tumbling window", " s"),
    ) if mapping.get(key)]
    if (mapping.get("FilterCriteria") or {}).get("Filters"):
        parts.append("with a filter")
    return "".join(f", {part}" for part in parts)


def uses(ctx: Context, name: str) -> Set[str]:
    """Returns names of what the function uses: those in its environment, such as its table, its security groups, its key, and its layers."""
    values = ((_configuration(ctx, name).get("Environment") or {}).get("Variables") or {}).values()
    configuration = _configuration(ctx, name)
    settings = [*((configuration.get("VpcConfig") or {}).get("SecurityGroupIds") or []), configuration.get("KMSKeyArn") or "",
                *(str(layer.get("Arn")).rpartition(":")[0] for layer in configuration.get("Layers") or [])]
    found = {str(value).rstrip("/").split("/")[-1].split(":")[-1] for value in [*values, *settings]}
    return {value for value in found if len(value) > 2 and not value.isdigit() and value.lower() not in _WORDS and value != ctx.region}


def _configuration(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("lambda", name), lambda: ctx.client("lambda").get_function_configuration(FunctionName=name))


def _numbers(ctx: Context, name: str) -> Measured:
    return ctx.once(("lambda-numbers", name), lambda: measure(ctx, "AWS/Lambda", {"FunctionName": name}, _NUMBERS))


def _is_throttled(ctx: Context, name: str) -> bool:
    return bool(_numbers(ctx, name)[0]["throttles"][1])


def _heaviest(ctx: Context) -> Dict[str, float]:
    """Returns the highest number of concurrent executions of some functions after the onset, or none if not all could be read."""
    _, onset, end = ctx.windows()
    query = ('SELECT MAX(ConcurrentExecutions) FROM SCHEMA("AWS/Lambda", FunctionName) GROUP BY FunctionName ORDER BY MAX() DESC '
             f'LIMIT {MAX_HEAVY}')
    what = "functions with the most concurrent executions"
    results, states = ctx.metric_data(what, MetricDataQueries=[{"Id": "q0", "Expression": query, "Period": 60}], StartTime=onset, EndTime=end)
    for status in states.values():
        ctx.note(f"{what}: incomplete ({status})")
    if states:
        return {}
    found: Dict[str, float] = {}
    for result in results:
        label = result.get("Label") or ""
        found[label] = max([found.get(label, 0.0), *(result.get("Values") or [])])
    return {label: count for label, count in found.items() if label not in ("", "q0") and count}


def _time(text: Any) -> Optional[datetime]:
    try:
        return datetime.fromisoformat(text).astimezone(timezone.utc)
    except (TypeError, ValueError):
        return None
