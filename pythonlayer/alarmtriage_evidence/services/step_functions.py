"""Step Functions: state and last change of the state machine, failed executions with their causes, and numbers."""

from typing import Any, Iterator, List

from alarmtriage_tool.words import beginning

from ..context import BEFORE, Context, Metric, Observation
from ..looks import metrics, recent, stack_events

KIND = "state machine"
READS = ("states:DescribeStateMachine", "states:ListExecutions", "states:DescribeExecution", "states:GetExecutionHistory", "cloudwatch:GetMetricData",
         "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents")
COST = "five metrics of GetMetricData"
MAX_LISTED = 100  # executions of each status
MAX_FAILED = 3  # executions whose failing step is read


def targets(metric: Metric) -> List[str]:
    arn = metric.dimension("StateMachineArn")
    return [arn] if arn.startswith("arn:") else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = ctx.client("stepfunctions").describe_state_machine(stateMachineArn=name), _about(name)
    yield from recent(ctx, about, "it was created or replaced", found.get("creationDate"))
    yield Observation(about, "configuration", f"its status is {found.get('status')}, type {found.get('type')}, role {found.get('roleArn')}", 20)


def failures(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("stepfunctions"), _about(name)
    for status in ("FAILED", "TIMED_OUT"):
        listed = ctx.pages(f"{status} executions of {_about(name)}", client.list_executions, "executions", MAX_LISTED,
                           stateMachineArn=name, statusFilter=status, maxResults=MAX_LISTED)  # those that began last come first
        ended = sorted((one for one in listed if ctx.fired_at - BEFORE <= one["stopDate"] <= ctx.fired_at), key=lambda one: one["stopDate"], reverse=True)
        if len(ended) > MAX_FAILED:
            ctx.note(f"{status} executions of {_about(name)}: only {MAX_FAILED} of {len(ended)} were read")
        for found in ended[:MAX_FAILED]:
            detail = client.describe_execution(executionArn=found["executionArn"])
            step = ""
            for event in client.get_execution_history(executionArn=found["executionArn"], reverseOrder=True, maxResults=20).get("events") or []:
                if (event.get("stateEnteredEventDetails") or {}).get("name"):
                    step = f" in step {event['stateEnteredEventDetails']['name']}"
                    break
            yield from recent(ctx, about, f"execution {found.get('name')} ended as {status}{step}: {detail.get('error') or 'no error name'}: "
                                          f"{beginning(detail.get('cause') or '', 250)}", found.get("stopDate"), 88)


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
