"""A boto3 whose answers are staged, and whose requests and answers must match botocore's models.

A collector that calls an operation that does not exist, leaves out a required parameter, or reads an answer whose members
AWS does not have, fails here as it would fail in an account.
"""

import pathlib
import sys
import types
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from alarmtriage_evidence.context import Context, Metric, Observation

FIRED = datetime(2026, 8, 4, 12, 36, tzinfo=timezone.utc)
ACCOUNT = "123456789012"
Answer = Union[Dict[str, Any], Callable[[Dict[str, Any]], Dict[str, Any]], Exception]

_session = botocore.session.Session()
_models: Dict[str, Any] = {}
_actions: Dict[Tuple[str, str], str] = {}


def action(service: str, operation: str) -> str:
    """Returns the IAM action of an operation, from the broker's table."""
    if not _actions:
        table = pathlib.Path(__file__).parents[2] / "internal" / "broker" / "tables" / "operations.txt"
        prefix = name = ""
        for line in table.read_text().splitlines():
            fields = line.split("\t")
            if line.startswith("@"):
                name, prefix = fields[0][1:], fields[2]
            elif len(fields) > 1:
                _actions[(name, fields[0])] = f"{prefix}:{fields[2] if len(fields) > 2 and fields[2] else fields[0]}"
    return _actions[(service, operation)]


def error(code: str, message: str = "staged", operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class FakeAWS:
    """Staged answers by "service.operation", such as "sqs.get_queue_url", or by "service.operation in region"."""

    def __init__(self, answers: Dict[str, Answer]) -> None:
        self.answers = answers
        self.called: Set[Tuple[str, str]] = set()  # service and operation as botocore names it
        self.requests: List[Tuple[str, Dict[str, Any]]] = []

    def client(self, service: str, region_name: Optional[str] = None, config: Any = None) -> "_Client":
        return _Client(self, service, region_name)

    def metrics(self, values: Dict[str, Tuple[Optional[float], Optional[float]]]) -> None:
        """Stages GetMetricData: for each metric a value before and after the onset."""

        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            results = []
            for query in request["MetricDataQueries"]:
                before, after = values.get(query["MetricStat"]["Metric"]["MetricName"], (None, None))
                points = [(FIRED - timedelta(minutes=20), before), (FIRED, after)]
                shown = [(at, value) for at, value in points if value is not None]
                results.append({"Id": query["Id"], "Label": "x", "StatusCode": "Complete",
                                "Timestamps": [at for at, _ in shown], "Values": [float(value) for _, value in shown]})
            return {"MetricDataResults": results}

        self.answers["cloudwatch.get_metric_data"] = answer


class _Client:
    def __init__(self, aws: FakeAWS, service: str, region: Optional[str]) -> None:
        self._aws, self._service, self._region = aws, service, region
        if service not in _models:
            _models[service] = _session.get_service_model(service)
        self._operations = {xform_name(name): name for name in _models[service].operation_names}

    def __getattr__(self, name: str) -> Callable[..., Dict[str, Any]]:
        if name not in self._operations:
            raise AttributeError(f"{self._service} has no operation {name}")
        operation = _models[self._service].operation_model(self._operations[name])

        def call(**request: Any) -> Dict[str, Any]:
            self._aws.called.add((self._service, operation.name))
            self._aws.requests.append((f"{self._service}.{name}", request))
            _check(request, operation.input_shape, f"request of {self._service}.{name}")
            everywhere = self._aws.answers.get(f"{self._service}.{name}")
            answer = self._aws.answers.get(f"{self._service}.{name} in {self._region}", everywhere)
            if answer is None:
                raise error("AccessDeniedException", f"{name} is not staged", operation.name)
            if isinstance(answer, Exception):
                raise answer
            answer = answer(request) if callable(answer) else answer
            _check(answer, operation.output_shape, f"staged answer of {self._service}.{name}")
            return answer

        return call


def _check(value: Dict[str, Any], shape: Any, what: str) -> None:
    if shape is None:
        return
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        # The validator also asks for required members, which a staged answer may leave out.
        wrong = [line for line in report.generate_report().splitlines()
                 if not (what.startswith("staged") and line.startswith("Missing required parameter"))]
        if wrong:
            raise AssertionError(f"{what}: {'; '.join(wrong)}")


def stage(aws: FakeAWS) -> None:
    """Replaces boto3 until the tests of the running module have ended."""
    real = sys.modules.get("boto3")
    sys.modules["boto3"] = types.SimpleNamespace(client=aws.client)  # type: ignore[assignment]
    unittest.addModuleCleanup(lambda: sys.modules.update(boto3=real) if real else sys.modules.pop("boto3", None))


def context(aws: FakeAWS, **alarm: Any) -> Context:
    """Returns a context of an alarm that fired at FIRED and evaluates one period of one minute."""
    stage(aws)
    source = {"Metrics": [], "EvaluationPeriods": 1, "Period": 60}
    made = Context({"name": "a", "region": "eu-west-1", "partition": "aws", "account": ACCOUNT, "own_account": ACCOUNT,
                    "time": FIRED.timestamp(), "fallback": source, **alarm}, FIRED + timedelta(minutes=5), 20)
    return made


def metric(namespace: str, name: str = "", **dimensions: str) -> Metric:
    return Metric(namespace, name, tuple(sorted(dimensions.items())), ACCOUNT)


def look(collector: types.ModuleType, ctx: Context, name: str) -> Tuple[List[Observation], Dict[str, Exception]]:
    """Runs all looks of a collector and returns what they saw, the most relevant first, and the looks that failed."""
    seen: List[Observation] = []
    failed: Dict[str, Exception] = {}
    for one in collector.LOOKS:
        try:
            seen += list(one(ctx, name))
        except AssertionError:
            raise
        except Exception as problem:
            failed[one.__name__] = problem
    return sorted(seen, key=lambda o: -o.weight), failed
