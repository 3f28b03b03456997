"""Loads the world of an incident into the stand-in for AWS and prints the alarm's event as JSON.

    python load.py load URL DIRECTORY [--at SECONDS]
    python load.py read DIRECTORY...

read only prints incidents, with their truths and oracles, as JSON. A directory has incident.yaml, truth.yaml, and oracle.yaml
(docs/evals.md describes the format). --at is the time of the alarm's transition, in seconds
since 1970; the default is three minutes ago. Times in an incident are relative to the transition: "-4m", "+30s", "-2h".
In texts, ${-4m} is such a time in ISO 8601 and ${-4m|FORMAT} in one of FORMATS.
"""

import argparse
import gc
import io
import json
import pathlib
import random
import re
import sys
import urllib.error
import urllib.request
import uuid
import zipfile
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterator, List, Tuple

import yaml

ACCOUNT = "123456789012"
LONG_AGO = "-30d"  # when resources were created, unless the incident says otherwise
METRIC_BATCH, LOG_BATCH = 500, 5000
BETWEEN_LINES = timedelta(milliseconds=9)  # of one request
MOST_LINES = 20_000
OFFSET = re.compile(r"([+-])(\d+(?:\.\d+)?)(s|m|h|d)")
PLACE = re.compile(r"\$\{([^}]*)\}")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FORMATS: Dict[str, Callable[[datetime], str]] = {
    "iso": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"), "ms": lambda t: str(int(t.timestamp() * 1000)), "s": lambda t: str(int(t.timestamp())),
    "iso-ms": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z", "lambda": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
    "clf": lambda t: t.strftime("%d/%b/%Y:%H:%M:%S +0000"), "log": lambda t: t.strftime("%Y-%m-%d %H:%M:%S,") + f"{t.microsecond // 1000:03d}",
    "time": lambda t: t.strftime("%H:%M:%S"), "day": lambda t: t.strftime("%Y-%m-%d"), "path": lambda t: t.strftime("%Y/%m/%d"),
}
INCIDENT_KEYS = {"title", "kind", "region", "sources", "timeline", "alarm", "world", "comment"}
WORLD_KEYS = {"setup", "metrics", "logs", "trail", "answers"}
METRIC_KEYS = {"namespace", "name", "dimensions", "unit", "period", "values", "comment"}
LOG_KEYS = {"group", "stream", "lines", "retention"}
LINE_KEYS = {"text", "texts", "at", "from", "to", "every", "count"}
CALL_KEYS = {"call", "with", "at", "by", "silent", "as", "comment"}


class Wrong(Exception):
    """The incident is wrong."""


def known(entry: Dict[str, Any], keys: "set[str]", where: str) -> Dict[str, Any]:
    if not isinstance(entry, dict):
        raise Wrong(f"{where}: expected a mapping, got {entry!r}")
    if set(entry) - keys:
        raise Wrong(f"{where}: unknown keys {sorted(set(entry) - keys)}; known are {sorted(keys)}")
    return entry


def package(version: str) -> bytes:
    """Returns the code of a function. Another version has another hash."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), f"# {version}\ndef handler(event, context): ...\n")
    return packed.getvalue()


def as_json(value: Any, shape: Any) -> Any:
    """Returns a value of a request, in which a mapping is JSON where AWS takes a text, such as a policy."""
    kind = shape.type_name if shape is not None else ""
    if kind == "string" and isinstance(value, dict):
        return json.dumps(value)
    if kind == "structure" and isinstance(value, dict):
        return {name: as_json(one, shape.members.get(name)) for name, one in value.items()}
    if kind == "map" and isinstance(value, dict):
        return {name: as_json(one, shape.value) for name, one in value.items()}
    if kind == "list" and isinstance(value, list):
        return [as_json(one, shape.member) for one in value]
    return value


class World:
    def __init__(self, url: str, directory: pathlib.Path, at: datetime) -> None:
        self.url, self.at = url, at
        self.random = random.Random(directory.name)
        self.incident = known(yaml.safe_load((directory / "incident.yaml").read_text()), INCIDENT_KEYS, "incident.yaml")
        self.region = self.incident.get("region", "us-east-1")
        self.world = known(self.incident.get("world") or {}, WORLD_KEYS, "world")
        self._answers: Dict[str, Any] = {}  # of the calls that have a name
        self._keys: Dict[str, Tuple[str, str]] = {}
        self._sessions: Dict[str, Any] = {}
        self._clients: Dict[Tuple[str, str], Any] = {}
        self._stamp, self._silent = "", False

    # Times and texts

    def time(self, offset: Any) -> datetime:
        text = str(offset).strip()
        if text in ("0", "now", "alarm"):
            return self.at
        total, rest = 0.0, text
        for sign, number, unit in OFFSET.findall(text):
            total += (1 if sign == "+" else -1) * float(number) * UNITS[unit]
            rest = rest.replace(f"{sign}{number}{unit}", "", 1)
        if rest or not OFFSET.search(text):
            raise Wrong(f"{offset!r} is no time such as -4m, +30s, or -1d")
        return self.at + timedelta(seconds=total)

    def text(self, text: str, line: datetime, number: int = 0, request: str = "") -> str:
        def fill(found: "re.Match[str]") -> str:
            name, _, form = found.group(1).partition("|")
            if name == "t" or OFFSET.match(name):
                at = line if name == "t" else self.time(name)
                if form and form not in FORMATS:
                    raise Wrong(f"{found.group()}: the formats of times are {sorted(FORMATS)}")
                return FORMATS[form or "iso"](at)
            kind, _, argument = found.group(1).partition(":")
            if kind == "uuid":
                return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
            if kind == "hex":
                return "".join(self.random.choices("0123456789abcdef", k=int(argument or 8)))
            if kind == "int":
                low, high = argument.split("..")
                return str(self.random.randint(int(low), int(high)))
            if kind == "pick":
                return self.random.choice(argument.split("|"))
            if kind == "n":
                return str(number)
            if kind == "id" and request:
                return request
            if kind == "answer":
                return self.answer(argument)
            if kind in ("account", "region"):
                return {"account": ACCOUNT, "region": self.region}[kind]
            raise Wrong(f"{found.group()} is no time and none of uuid, id (in texts), answer:NAME.MEMBER, hex:N, int:A..B, pick:A|B, n, account, region")
        return PLACE.sub(fill, text)

    def filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value, self.at)
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if isinstance(value, dict):
            return {self.filled(key): self.filled(one) for key, one in value.items()}
        return value

    def answer(self, path: str) -> str:
        value: Any = self._answers
        for member in path.split("."):
            try:
                value = value[int(member)] if isinstance(value, list) else value[member]
            except (KeyError, IndexError, ValueError) as problem:
                raise Wrong(f"${{answer:{path}}}: there is no {problem}") from problem
        return str(value)

    # Requests

    def client(self, service: str, by: str = "") -> Any:
        if (service, by) not in self._clients:
            key, secret = self._key(by) if by else ("testing", "testing")
            import boto3  # slow, and not needed to read
            from botocore.config import Config

            if by not in self._sessions:
                self._sessions[by] = boto3.Session(key, secret, region_name=self.region)
                self._sessions[by].events.register("before-sign", self._dated)
            session = self._sessions[by]
            style = {"addressing_style": "path"}
            self._clients[(service, by)] = session.client(service, endpoint_url=self.url, config=Config(
                retries={"total_max_attempts": 1}, s3=style, disable_request_compression=True))
        return self._clients[(service, by)]

    def _dated(self, request: Any, **_: Any) -> None:
        request.headers["X-Event-Time"] = self._stamp
        if self._silent:
            request.headers["X-Event-Silent"] = "true"

    def _key(self, user: str) -> Tuple[str, str]:
        if user not in self._keys:
            iam = self.client("iam")
            before = self._stamp, self._silent
            self._stamp, self._silent = str(self.time(LONG_AGO).timestamp()), True
            iam.create_user(UserName=user)
            made = iam.create_access_key(UserName=user)["AccessKey"]
            self._stamp, self._silent = before
            self._keys[user] = (made["AccessKeyId"], made["SecretAccessKey"])
        return self._keys[user]

    def call(self, at: Any, service: str, method: str, by: str = "", /, **request: Any) -> Any:
        client = self.client(service, by)
        self._stamp = str(self.time(at).timestamp())
        return getattr(client, method)(**request)

    def post(self, path: str, body: Any) -> None:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST")
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as problem:
            raise Wrong(problem.read().decode(errors="replace")[:2000]) from problem

    # Parts of a world

    def load(self) -> Dict[str, Any]:
        self.post("/moto-api/reset", {})
        defaults = yaml.safe_load((pathlib.Path(__file__).parent / "defaults.yaml").read_text())
        trail = [{**self.filled(entry), "at": self.time(entry.get("at", LONG_AGO)).timestamp()} for entry in self.world.get("trail") or []]
        self.post("/alarmtriage/world", {"trail": trail})
        for number, entry in enumerate(self.world.get("setup") or []):
            self.setup(known(entry, CALL_KEYS, f"setup {number + 1}"))
        answers = self.filled(self.world.get("answers") or [])  # after the setup, whose IDs they may name
        self.post("/alarmtriage/world", {"answers": answers + self.filled(defaults)})
        self._silent = True  # what follows, services do
        for entry in self.world.get("metrics") or []:
            self.metric(known(entry, METRIC_KEYS, "metrics"))
        for entry in self.world.get("logs") or []:
            self.logs(known(entry, LOG_KEYS, "logs"))
        return self.alarm()

    def setup(self, entry: Dict[str, Any]) -> None:
        service, _, method = entry["call"].partition(".")
        request = self.filled(entry.get("with") or {})
        if service == "lambda" and method == "create_function" and "Code" not in request:
            request["Code"] = {"ZipFile": package(method)}
        if service == "lambda" and method == "update_function_code" and not {"ZipFile", "ImageUri", "S3Key"} & set(request):
            request["ZipFile"] = package(f"{method} {entry.get('at')}")
        self._silent = bool(entry.get("silent"))
        try:
            meta = self.client(service, entry.get("by", "")).meta
            request = as_json(request, meta.service_model.operation_model(meta.method_to_api_mapping[method]).input_shape)
            self._answers[entry.get("as", "")] = self.call(entry.get("at", LONG_AGO), service, method, entry.get("by", ""), **request)
        except Exception as problem:
            raise Wrong(f"setup {entry['call']}: {problem}") from problem

    def spans(self, values: List[Dict[str, Any]], where: str) -> Iterator[Tuple[datetime, datetime, Dict[str, Any]]]:
        for number, span in enumerate(values):
            known(span, {"from", "to", "value", "until_value", "noise", "missing", "chance"}, where)
            start = self.time(span["from"])
            end = self.time(span["to"]) if "to" in span else self.time(values[number + 1]["from"]) if number + 1 < len(values) else self.at + timedelta(minutes=2)
            yield start, end, span

    def metric(self, entry: Dict[str, Any]) -> None:
        period = timedelta(seconds=entry.get("period", 60))
        dimensions = [{"Name": k, "Value": str(self.filled(v))} for k, v in (entry.get("dimensions") or {}).items()]
        points = []
        for start, end, span in self.spans(entry["values"], f"metric {entry['name']}"):
            at, whole = start.replace(second=0, microsecond=0), max((end - start).total_seconds(), 1)
            while at < end:
                share = (at - start).total_seconds() / whole
                value = span.get("value", 0) + (span.get("until_value", span.get("value", 0)) - span.get("value", 0)) * share
                noise = span.get("noise", 0)
                value = max(0.0, value + self.random.uniform(-noise, noise)) if noise else float(value)
                skip = span.get("missing") or self.random.random() >= span.get("chance", 1)
                if not skip:
                    whole_number = entry.get("unit", "Count") in ("Count", "Bytes") and float(span.get("value", 0)).is_integer()
                    points.append((at, float(round(value)) if whole_number else round(value, 3)))
                at += period
        for first in range(0, len(points), METRIC_BATCH):
            self.call(0, "cloudwatch", "put_metric_data", Namespace=entry["namespace"], MetricData=[
                {"MetricName": entry["name"], "Unit": entry.get("unit", "Count"), "Timestamp": at, "Dimensions": dimensions, "Value": value}
                for at, value in points[first:first + METRIC_BATCH]])

    def logs(self, entry: Dict[str, Any]) -> None:
        group = self.filled(entry["group"])
        stream = self.filled(entry["stream"]) if "stream" in entry else self.filled("${-1h|day}/[$LATEST]${hex:32}").replace("-", "/", 2)
        where = {"logGroupName": group, "logStreamName": stream}
        existing = self.call(0, "logs", "describe_log_groups", logGroupNamePrefix=group)["logGroups"]
        if not any(one["logGroupName"] == group for one in existing):
            self.call(LONG_AGO, "logs", "create_log_group", logGroupName=group)
        self.call("-1h", "logs", "create_log_stream", **where)
        lines: List[Tuple[datetime, str]] = []
        for line in entry["lines"]:
            known(line, LINE_KEYS, f"line of {group}")
            texts = line.get("texts") or [line["text"]]
            for number, at in enumerate(self.occurrences(line, group)):
                request = self.text("${uuid}", at) if "texts" in line else ""
                for text in texts:
                    lines.append((at, self.text(text.rstrip("\n"), at, number + 1, request)))
                    at += BETWEEN_LINES
        if len(lines) > MOST_LINES:
            raise Wrong(f"{group} has {len(lines)} lines; {MOST_LINES} are enough")
        lines.sort(key=lambda one: one[0])
        for first in range(0, len(lines), LOG_BATCH):
            self.call(0, "logs", "put_log_events", **where, logEvents=[
                {"timestamp": int(at.timestamp() * 1000), "message": text} for at, text in lines[first:first + LOG_BATCH]])

    def occurrences(self, line: Dict[str, Any], group: str) -> List[datetime]:
        if "at" in line:
            return [self.time(one) for one in (line["at"] if isinstance(line["at"], list) else [line["at"]])]
        start, end = self.time(line["from"]), self.time(line.get("to", "+1m"))
        seconds = (end - start).total_seconds()
        if "count" in line:
            return sorted(start + timedelta(seconds=self.random.uniform(0, seconds)) for _ in range(int(line["count"])))
        if "every" not in line:
            raise Wrong(f"line of {group}: at, or from with every or count, is missing: {str(line)[:60]!r}")
        step = (self.time("+" + str(line["every"]).lstrip("+")) - self.at).total_seconds()
        times, at = [], start
        while at < end and len(times) <= MOST_LINES:
            times.append(at + timedelta(seconds=self.random.uniform(0, step * 0.4), milliseconds=0))
            at += timedelta(seconds=step)
        return times

    # The alarm

    def alarm(self) -> Dict[str, Any]:
        spec = dict(self.filled(self.incident["alarm"]))
        reason, before, states = spec.pop("reason", "Threshold Crossed"), spec.pop("before", "OK"), spec.pop("states", None)
        after = spec.pop("after", None)  # such as {"state": "OK", "at": "+2m"}: recovered before anyone looked
        recent = spec.pop("datapoints", [])
        name = spec["AlarmName"]
        for other in spec.pop("others", []):
            state, why = other.pop("state", "OK"), other.pop("reason", "Threshold Crossed")
            at = other.pop("at", "-1m")
            self.put(other)
            if state != "INSUFFICIENT_DATA":
                self.call(at, "cloudwatch", "set_alarm_state", AlarmName=other["AlarmName"], StateValue=state, StateReason=why)
        self.put(spec)
        for at, state in [*(states or [["-2d", before]]), [0, "ALARM"]]:
            self.call(at, "cloudwatch", "set_alarm_state", AlarmName=name, StateValue=state,
                      StateReason=reason if state == "ALARM" else "Threshold Crossed: no datapoints were breaching")
        if after:
            self.call(after["at"], "cloudwatch", "set_alarm_state", AlarmName=name, StateValue=after["state"], StateReason="Threshold Crossed: recovered")
        return self.event(spec, name, reason, before, recent)

    def put(self, spec: Dict[str, Any]) -> None:
        method = "put_composite_alarm" if "AlarmRule" in spec else "put_metric_alarm"
        self.call(LONG_AGO, "cloudwatch", method, **spec)

    def event(self, spec: Dict[str, Any], name: str, reason: str, before: str, recent: List[float]) -> Dict[str, Any]:
        stamp = FORMATS["lambda"](self.at)
        configuration: Dict[str, Any] = {"description": spec.get("AlarmDescription", "")}
        if "AlarmRule" in spec:
            configuration |= {"alarmName": name, "alarmRule": spec["AlarmRule"]}
        elif "Metrics" in spec:
            configuration["metrics"] = [
                {"id": m["Id"], "returnData": m.get("ReturnData", True), "expression": m["Expression"]} if "Expression" in m else
                {"id": m["Id"], "returnData": m.get("ReturnData", True), "metricStat": {
                    "metric": {"namespace": m["MetricStat"]["Metric"]["Namespace"], "name": m["MetricStat"]["Metric"]["MetricName"],
                               "dimensions": {d["Name"]: d["Value"] for d in m["MetricStat"]["Metric"].get("Dimensions", [])}},
                    "period": m["MetricStat"]["Period"], "stat": m["MetricStat"]["Stat"]}} for m in spec["Metrics"]]
        else:
            metric = {"namespace": spec["Namespace"], "name": spec["MetricName"], "dimensions": {d["Name"]: d["Value"] for d in spec.get("Dimensions", [])}}
            configuration["metrics"] = [{"id": "m1", "returnData": True, "metricStat": {
                "metric": metric, "period": spec["Period"], "stat": spec.get("Statistic") or spec.get("ExtendedStatistic")}}]
        state: Dict[str, Any] = {"value": "ALARM", "reason": reason, "timestamp": stamp}
        if recent:
            state["reasonData"] = json.dumps({"version": "1.0", "queryDate": stamp, "statistic": spec.get("Statistic", "Sum"), "period": spec.get("Period", 60),
                                              "recentDatapoints": recent, "threshold": spec.get("Threshold", 0)})
        return {
            "source": "aws.cloudwatch", "alarmArn": f"arn:aws:cloudwatch:{self.region}:{ACCOUNT}:alarm:{name}", "accountId": ACCOUNT,
            "time": stamp, "region": self.region,
            "alarmData": {"alarmName": name, "state": state, "previousState": {
                "value": before, "reason": "Threshold not crossed", "timestamp": FORMATS["lambda"](self.at - timedelta(days=2))}, "configuration": configuration},
        }


TRUTH_KEYS = {"cause", "not_cause", "facts", "forbidden", "confidence", "herrings", "unknowable", "secrets", "obeyed", "comment"}
CLAIM_KEYS = {"match", "why", "example"}


def claims(entries: Any, where: str) -> List[Dict[str, str]]:
    """Returns a list of claims: an expression, and why it matters. A text is an expression."""
    read = []
    for entry in entries or []:
        claim = {"match": entry} if isinstance(entry, str) else known(entry, CLAIM_KEYS, where)
        read.append(claim)
    return read


def read(directory: pathlib.Path) -> Dict[str, Any]:
    """Returns what an incident's directory says, without its world."""
    incident = known(yaml.safe_load((directory / "incident.yaml").read_text()), INCIDENT_KEYS, "incident.yaml")
    truth = known(yaml.safe_load((directory / "truth.yaml").read_text()), TRUTH_KEYS, "truth.yaml")
    for key in ("cause", "not_cause", "facts", "forbidden", "herrings", "unknowable", "obeyed"):
        truth[key] = claims(truth.get(key), f"truth.yaml: {key}")
    if not truth.get("confidence"):
        raise Wrong("truth.yaml: confidence lists what may be claimed, such as [confirmed, likely]")
    for name in ("title", "kind", "timeline", "alarm"):
        if not incident.get(name):
            raise Wrong(f"incident.yaml: {name} is missing")
    oracle = directory / "oracle.yaml"
    return {"name": directory.name, "title": incident["title"], "kind": incident["kind"], "sources": incident.get("sources") or [],
            "region": incident.get("region", "us-east-1"), "timeline": incident["timeline"], "truth": truth,
            "oracle": yaml.safe_load(oracle.read_text()) if oracle.exists() else None}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    loading = commands.add_parser("load")
    loading.add_argument("url")
    loading.add_argument("directories", type=pathlib.Path, nargs=1)
    loading.add_argument("--at", type=float)
    commands.add_parser("read").add_argument("directories", type=pathlib.Path, nargs="+")
    arguments = parser.parse_args()
    directory = arguments.directories[0]
    try:
        if arguments.command == "read":
            found = []
            for directory in arguments.directories:
                found.append(read(directory.resolve()))
            json.dump(found, sys.stdout)
            return 0
        at = datetime.fromtimestamp(arguments.at, timezone.utc) if arguments.at else datetime.now(timezone.utc) - timedelta(minutes=3)
        json.dump(World(arguments.url.rstrip("/"), directory.resolve(), at.replace(second=0, microsecond=0)).load(), sys.stdout)
        return 0
    except (Wrong, OSError, yaml.YAMLError, KeyError) as problem:
        print(f"{directory}: {f'{problem} is missing' if isinstance(problem, KeyError) else problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    gc.disable()  # the process ends soon
    sys.exit(main())
