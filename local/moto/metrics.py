"""A useful subset of GetMetricData and GetMetricStatistics: percentiles, SEARCH, and arithmetic, which moto lacks.

A metric is the one with exactly the namespace, name, and dimensions of the request; moto ignores some of them. Periods begin
at multiples of their length. In expressions: numbers, IDs, + - * / and parentheses, FILL, SUM, AVG, MIN, MAX, IF, ABS,
METRICS(), and SEARCH as the whole expression. Of Metrics Insights: SELECT of one metric FROM SCHEMA(…), optionally WHERE with one
comparison, GROUP BY, ORDER BY, and LIMIT. What is not simulated is a ValidationError that says so.
"""

import ast
import math
import re
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import CloudWatchBackend, Statistics
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

Key = Tuple[str, str, Tuple[Tuple[str, str], ...]]  # namespace, name, dimensions
Points = Dict[int, float]  # by the seconds since 1970 of the period's begin
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
SEARCH = re.compile(r"""\s*SEARCH\(\s*(['"])(.*)\1\s*,\s*['"](\w+)['"]\s*(?:,\s*(\d+)\s*)?\)\s*""", re.DOTALL)
SELECT = re.compile(
    r"""\s*SELECT\s+(AVG|COUNT|MAX|MIN|SUM)\(\s*"?([^")]+)"?\s*\)\s+FROM\s+SCHEMA\(\s*"?([^",)]+)"?\s*(?:,\s*([^)]*))?\)"""
    r"""(?:\s+WHERE\s+"?(\w+)"?\s*=\s*'([^']*)')?(?:\s+GROUP\s+BY\s+([\w,\s"]+?))?(?:\s+ORDER\s+BY\s+(AVG|COUNT|MAX|MIN|SUM)\(\)\s+(ASC|DESC))?"""
    r"""(?:\s+LIMIT\s+(\d+))?\s*""", re.DOTALL | re.IGNORECASE)
STATISTICS = {"AVG": "Average", "COUNT": "SampleCount", "MAX": "Maximum", "MIN": "Minimum", "SUM": "Sum"}
ALL_SERIES = 500  # of a query without LIMIT
TERM = re.compile(r'(?:(\w+)\s*=\s*)?(?:"([^"]*)"|([^\s"()]+))')
ARITHMETIC: Dict[type, Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b, ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a ** b,
    ast.Gt: lambda a, b: float(a > b), ast.Lt: lambda a, b: float(a < b), ast.GtE: lambda a, b: float(a >= b), ast.LtE: lambda a, b: float(a <= b),
    ast.Eq: lambda a, b: float(a == b), ast.NotEq: lambda a, b: float(a != b),
}
TOTALS: Dict[str, Callable[[List[float]], float]] = {"SUM": sum, "AVG": lambda v: sum(v) / len(v), "MIN": min, "MAX": max}


def key_of(datum: Any) -> Key:
    return datum.namespace, datum.name, tuple(sorted((d.name, d.value) for d in datum.dimensions))


def statistic(name: str, data: List[Any]) -> Optional[float]:
    """Returns a statistic of some data, or None if there is no such statistic."""
    found = PERCENTILE.fullmatch(name)
    if not found:
        value = _statistics_for_type(_with(name, data), name)
        return None if value is None else float(value)
    values = sorted(float(datum.value) if hasattr(datum, "value") else float(datum.max) for datum in data)
    return values[max(0, math.ceil(float(found.group(1)) / 100 * len(values)) - 1)]


def _with(name: str, data: List[Any]) -> Statistics:
    made = Statistics([name], datetime.now(timezone.utc))
    made.metric_data = data
    return made


def series(data: Iterable[Any], stat: str, period: int) -> Points:
    """Returns a statistic for each period that has data."""
    groups: Dict[int, List[Any]] = {}
    for datum in data:
        groups.setdefault(int(datum.timestamp.replace(tzinfo=datum.timestamp.tzinfo or timezone.utc).timestamp()) // period * period, []).append(datum)
    made = {}
    for at, group in groups.items():
        value = statistic(stat, group)
        if value is None:
            raise ValidationError(f"The statistic {stat} is unknown, or the stand-in does not simulate it.")
        made[at] = value
    return made


def searched(text: str, key: Key) -> bool:
    """Reports whether a metric fits the text of a SEARCH. {Namespace,Dimension,…} demands exactly these dimensions."""
    namespace, name, dimensions = key
    schema = re.search(r"\{([^}]*)\}", text)
    if schema:
        parts = [part.strip().strip('"') for part in schema.group(1).split(",")]
        if parts[0] != namespace or sorted(parts[1:]) != sorted(n for n, _ in dimensions):
            return False
        text = text.replace(schema.group(), "")
    fields = {"MetricName": name, "Namespace": namespace, **dict(dimensions)}
    words = " ".join(f"{k} {v}" for k, v in fields.items()).lower()
    for field, quoted, bare in TERM.findall(text):
        value = quoted or bare
        if not field and value in ("AND", "OR", "NOT"):
            if value != "AND":
                raise ValidationError(f"The stand-in does not simulate {value} in SEARCH.")
        elif field and (fields.get(field) != quoted if quoted else bare.lower() not in str(fields.get(field, "")).lower()):
            return False
        elif not field and value.lower() not in words:
            return False
    return True


class Computed:
    """Evaluates an expression on the series of a request."""

    def __init__(self, by_id: Dict[str, Points]) -> None:
        self._by_id = by_id

    def points(self, expression: str) -> Points:
        try:
            value = self._value(ast.parse(expression.strip(), mode="eval").body)
        except SyntaxError as problem:
            raise ValidationError(f"The stand-in cannot read the expression {expression!r}.") from problem
        return value if isinstance(value, dict) else {}

    def _value(self, node: Any) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._both(ast.Mult, -1.0, self._value(node.operand))
        if isinstance(node, ast.Name) and node.id in self._by_id:
            return self._by_id[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return self._both(type(node.op), self._value(node.left), self._value(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in ARITHMETIC:
            return self._both(type(node.ops[0]), self._value(node.left), self._value(node.comparators[0]))
        if isinstance(node, ast.List):
            return [self._value(one) for one in node.elts]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id.upper(), [self._value(one) for one in node.args if not isinstance(one, ast.Name) or one.id != "REPEAT"])
        raise ValidationError(f"The stand-in does not simulate {ast.unparse(node)!r} in an expression.")

    def _both(self, operator: type, left: Any, right: Any) -> Any:
        if isinstance(left, float) and isinstance(right, float):
            return ARITHMETIC[operator](left, right)
        times = sorted(set(left if isinstance(left, dict) else right) & set(right if isinstance(right, dict) else left))
        made = {}
        for at in times:
            a, b = (side[at] if isinstance(side, dict) else side for side in (left, right))
            if operator is not ast.Div or b:
                made[at] = ARITHMETIC[operator](a, b)
        return made

    def _call(self, name: str, arguments: List[Any]) -> Any:
        if name == "METRICS" and not arguments:
            return list(self._by_id.values())
        if name == "ABS" and len(arguments) == 1:
            return {at: abs(v) for at, v in arguments[0].items()}
        if name == "IF" and len(arguments) == 3:
            def side(value: Any, at: int) -> Optional[float]:
                return value.get(at) if isinstance(value, dict) else value
            chosen = {at: side(arguments[1] if v else arguments[2], at) for at, v in arguments[0].items()}
            return {at: v for at, v in chosen.items() if v is not None}
        if name == "FILL" and len(arguments) == 2 and isinstance(arguments[1], float):
            times = {at for points in self._by_id.values() for at in points}
            return {**{at: arguments[1] for at in times}, **arguments[0]}
        if name in TOTALS and len(arguments) == 1:
            if isinstance(arguments[0], dict):
                return TOTALS[name](list(arguments[0].values())) if arguments[0] else {}
            listed = [one for one in arguments[0] if isinstance(one, dict)]
            return {at: TOTALS[name]([one[at] for one in listed if at in one]) for at in sorted({at for one in listed for at in one})}
        raise ValidationError(f"The stand-in does not simulate {name} with {len(arguments)} arguments in an expression.")


def _names(text: Optional[str]) -> List[str]:
    return sorted(name.strip().strip('"') for name in (text or "").split(",") if name.strip())


def selected(text: str, data: Dict[Key, List[Any]], period: int, label: str) -> List[Tuple[str, Points]]:
    """Runs a query of Metrics Insights and returns its series with their labels."""
    found = SELECT.fullmatch(text)
    if not found:
        raise ValidationError("The query of Metrics Insights is malformed, or the stand-in does not simulate it.")
    function, name, namespace, schema, where, wanted, groups, order, direction, limit = found.groups()
    keys = _names(groups)
    together: Dict[Tuple[str, ...], List[Any]] = {}
    for (space, metric, dimensions), points in data.items():
        values = dict(dimensions)
        if space != namespace.strip() or metric != name.strip() or schema is not None and sorted(values) != _names(schema):
            continue
        if where and values.get(where) != wanted or any(key not in values for key in keys):
            continue
        together.setdefault(tuple(values[key] for key in keys), []).extend(points)
    made = [(" ".join(values) or label, series(points, STATISTICS[function.upper()], period)) for values, points in together.items()]
    total = TOTALS.get((order or "MAX").upper(), len)
    made.sort(key=lambda one: total(list(one[1].values())), reverse=(direction or "DESC").upper() == "DESC")
    return made[: int(limit or ALL_SERIES)]


def get_metric_data(
    self: CloudWatchBackend, queries: List[Dict[str, Any]], start_time: datetime, end_time: datetime, scan_by: str = "TimestampAscending"
) -> List[Dict[str, Any]]:
    if start_time >= end_time:
        raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
    data: Dict[Key, List[Any]] = {}
    for datum in self.get_all_metrics():
        if start_time <= datum.timestamp < end_time:
            data.setdefault(key_of(datum), []).append(datum)
    by_id: Dict[str, Points] = {}
    answers: Dict[str, List[Tuple[str, Points]]] = {}
    for query in queries:
        if "MetricStat" in query:
            stat = query["MetricStat"]
            metric = stat["Metric"]
            key = (metric["Namespace"], metric["MetricName"], tuple(sorted((d["Name"], d["Value"]) for d in metric.get("Dimensions") or [])))
            chosen = [datum for datum in data.get(key, []) if not stat.get("Unit") or datum.unit == stat["Unit"]]
            by_id[query["Id"]] = series(chosen, stat["Stat"], int(stat["Period"]))
            answers[query["Id"]] = [(query.get("Label") or f"{metric['MetricName']} {stat['Stat']}", by_id[query["Id"]])]
    waiting = [query for query in queries if "Expression" in query]
    while waiting:
        query = waiting.pop(0)
        text = query["Expression"]
        if text.strip().upper().startswith("SELECT"):
            answers[query["Id"]] = selected(text, data, int(query.get("Period") or 60), query.get("Label") or query["Id"])
            continue
        found = SEARCH.fullmatch(text)
        if found:
            fitting = sorted(key for key in data if searched(found.group(2), key))
            period = int(found.group(4) or query.get("Period") or 60)
            several = len({key[0] for key in fitting}) > 1
            answers[query["Id"]] = [
                (" ".join([*([key[0]] if several else []), *(value for _, value in key[2]), key[1]]), series(data[key], found.group(3), period))
                for key in fitting]
            continue
        others = {other["Id"] for other in waiting}
        if others & set(re.findall(r"\b[a-z]\w*\b", text)):
            waiting.append(query)  # an expression that depends on a later one
            continue
        by_id[query["Id"]] = Computed(by_id).points(text)
        answers[query["Id"]] = [(query.get("Label") or query["Id"], by_id[query["Id"]])]
    made = []
    for query in queries:
        for label, points in answers[query["Id"]] if query.get("ReturnData", True) else []:
            times = sorted(points, reverse=scan_by != "TimestampAscending")
            made.append({"id": query["Id"], "label": label, "values": [points[at] for at in times],
                         "timestamps": [datetime.fromtimestamp(at, timezone.utc) for at in times], "status_code": "Complete"})
    return made


def get_metric_statistics(self: CloudWatchResponse) -> ActionResult:
    start, end, period = self._get_param("StartTime"), self._get_param("EndTime"), self._get_int_param("Period")
    plain, extended = self._get_param("Statistics") or [], self._get_param("ExtendedStatistics") or []
    if not plain and not extended:
        raise ValidationError("At least one of the parameters Statistics and ExtendedStatistics is required.")
    if start >= end:
        raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
    name, unit = self._get_param("MetricName"), self._get_param("Unit")
    key = (self._get_param("Namespace"), name, tuple(sorted((d["Name"], d["Value"]) for d in self._get_param("Dimensions") or [])))
    chosen = [datum for datum in self.cloudwatch_backend.get_all_metrics()
              if start <= datum.timestamp < end and key_of(datum) == key and (not unit or datum.unit == unit)]
    points: Dict[int, Dict[str, Any]] = {}
    for stat in [*plain, *extended]:
        for at, value in series(chosen, stat, period).items():
            point = points.setdefault(at, {"Timestamp": datetime.fromtimestamp(at, timezone.utc), "Unit": chosen[0].unit})
            if stat in plain:
                point[stat] = value
            else:
                point.setdefault("ExtendedStatistics", {})[stat] = value
    return ActionResult({"Label": name, "Datapoints": list(points.values())})


_statistics_for_type = Statistics.get_statistics_for_type
CloudWatchBackend.get_metric_data = get_metric_data  # type: ignore[method-assign,assignment]
CloudWatchResponse.get_metric_statistics = get_metric_statistics  # type: ignore[method-assign]
