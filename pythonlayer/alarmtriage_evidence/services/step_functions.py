"""Step Functions: state of the state machine, failed executions with their causes (error lines if it is an express one), and numbers."""

from typing import Any, Iterator, List, Mapping, Optional

from alarmtriage_tool.words import beginning
from botocore.exceptions import ClientError

from ..context import BEFORE, Context, Metric, Observation
from ..looks import LOG_READS, log_errors, metrics, recent, stack_events

KIND = "state machine"
READS = ("states:DescribeStateMachine", "states:ListExecutions", "states:DescribeExecution", "states:GetExecutionHistory", "cloudwatch:GetMetricData",
         *LOG_READS, "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents")
COST = "five metrics of GetMetricData"
MAX_LISTED = 100  # executions of each status
MAX_FAILED = 3  # executions whose failing step is read
MAX_EVENTS = 50  # of such an execution, the newest


def targets(metric: Metric) -> List[str]:
    arn = metric.dimension("StateMachineArn")
    return [arn] if arn.startswith("arn:") else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = ctx.client("stepfunctions").describe_state_machine(stateMachineArn=name), _about(name)
    yield from recent(ctx, about, "it was created or replaced", found.get("creationDate"))
    yield Observation(about, "configuration", f"its status is {found.get('status')}, type {found.get('type')}, role {found.get('roleArn')}", 20)


def failures(ctx: Context, name: str) -> Iterator[Observation]:
    try:
        yield from _listed(ctx, name)
    except ClientError as error:
        if error.response["Error"].get("Code") != "StateMachineTypeNotSupported":
            raise
        yield from _logged(ctx, name)  # it is an express one


def _listed(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("stepfunctions"), _about(name)
    for status in ("FAILED", "TIMED_OUT"):
        listed = ctx.pages(f"{status} executions of {_about(name)}", client.list_executions, "executions", MAX_LISTED,
                           stateMachineArn=name, statusFilter=status, maxResults=MAX_LISTED)  # those that began last come first
        ended = sorted((one for one in listed if ctx.fired_at - BEFORE <= one["stopDate"] <= ctx.fired_at), key=lambda one: one["stopDate"], reverse=True)
        if len(ended) > MAX_FAILED:
            ctx.note(f"{status} executions of {_about(name)}: only {MAX_FAILED} of {len(ended)} were read")
        for found in ended[:MAX_FAILED]:
            detail = client.describe_execution(executionArn=found["executionArn"])
            step = _last_step(client.get_execution_history(executionArn=found["executionArn"], reverseOrder=True, maxResults=MAX_EVENTS).get("events") or [])
            yield from recent(ctx, about, f"execution {found.get('name')} ended as {status}{' in step ' + step if step else ''}: {detail.get('error') or 'no error name'}: "
                                          f"{beginning(detail.get('cause') or '', 250)}", found.get("stopDate"), 88)


def _logged(ctx: Context, name: str) -> Iterator[Observation]:
    about, own = _about(name), f"states/{name.split(':')[-1]}/"
    logging = ctx.client("stepfunctions").describe_state_machine(stateMachineArn=name).get("loggingConfiguration") or {}
    groups = [(destination.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn") or "" for destination in logging.get("destinations") or []]
    if logging.get("level", "OFF") == "OFF" or not any(":log-group:" in group for group in groups):
        ctx.note(f"failed executions of {about}: it is an express state machine without logs, so nothing records them")
        return
    for group in groups:
        if ":log-group:" in group:
            yield from log_errors(ctx, about, group.split(":log-group:")[1].split(":")[0], is_own=lambda stream: not stream.startswith("states/") or stream.startswith(own))


def _last_step(events: List[Mapping[str, Any]]) -> str:
    """Returns the step that led to the end of an execution, from its newest events. Other branches of a parallel or map state may have entered a step later."""
    earlier = {event.get("id"): event for event in events}
    # The newest event may have no previous one. The failure before it leads to the step, too.
    for event in events[:1] + [event for event in events[1:] if str(event.get("type")).endswith(("Failed", "TimedOut", "Aborted"))][:1]:
        following: Optional[Mapping[str, Any]] = event
        while following:
            name = (following.get("stateEnteredEventDetails") or {}).get("name")
            if name:
                return str(name)
            following = earlier.pop(following.get("previousEventId"), None)
    return ""


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, _about(name), "AWS/States", {"StateMachineArn": name}, (
        ("started executions", "ExecutionsStarted", "Sum", 50), ("failed executions", "ExecutionsFailed", "Sum", 65),
        ("timed out executions", "ExecutionsTimedOut", "Sum", 70), ("throttled events", "ExecutionThrottled", "Sum", 80),
        ("longest execution in ms", "ExecutionTime", "Maximum", 50)))


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, _about(name), name)


LOOKS = (state, failures, numbers, deployments)


def names(ctx: Context, name: str) -> List[Any]:
    return [(None, name.split(":")[-1])]


def _about(arn: str) -> str:
    return f"{KIND} {arn.split(':')[-1]}"
