"""A staged world on top of moto: answers of operations that moto lacks, and the time at which something was done.

POST /alarmtriage/world replaces the staged answers. Its body is JSON:

    {"trail": [{"at": 1780000000, "event": "PutRolePolicy", "source": "iam.amazonaws.com", "user": "sam", "resources": ["orders-role"],
                "parameters": {"policyName": "orders"}, "error": "AccessDenied"}],
     "answers": [{"call": "pi.get_resource_metrics", "when": {"Identifier": "db-*"}, "answer": {...}},
                 {"call": "iam.get_role_policy", "error": {"code": "AccessDenied", "message": "..."}}]}

A call names the client of boto3 and its method; the method may be *. The first answer whose "when" fits is used: each
member that it names must be in the request, a text with * as a pattern. An answer is that of the account 123456789012, unless
"account" names another, and of every Region, unless "region" names one; the same applies to an event of the trail. Answers must fit botocore's model of the
operation, otherwise the whole world is refused. All other requests are moto's. A trail replaces what CloudTrail has
recorded; without one, it stays.

The header X-Event-Time (seconds since 1970) of a request is the time that moto uses while it handles the request. With
it, a resource is created in the past. Staged answers do not apply to such requests.
"""

import clock  # first: modules that are imported later see the staged time

import fnmatch
import io
import json
import re
import traceback
from datetime import timezone
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple
from xml.sax.saxutils import escape

import accounts
import moto.core.utils
from botocore import xform_name
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.serialize import get_serializer_class
from werkzeug.wrappers import Request, Response

PATH = "/alarmtriage/world"
SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
STAR = "*"

_request = clock.request


class Refused(Exception):
    """The world is wrong."""


class Staged:
    """One answer."""

    def __init__(self, entry: Dict[str, Any], service: Any, name: str) -> None:
        self.when = entry.get("when") or {}
        self.operation = service.operation_model(name)
        self.error = entry.get("error")
        self.account, self.region = entry.get("account") or accounts.DEFAULT, entry.get("region") or ""
        self.answer = _typed(entry.get("answer") or {}, self.operation.output_shape)
        self._validate(self.operation.input_shape, self.when, "when", complete=False)
        if self.error is None:
            self._validate(self.operation.output_shape, self.answer, "answer", complete=True)
        elif not self.error.get("code"):
            raise Refused(f"{service.service_name}.{xform_name(name)}: an error needs a code")

    def _validate(self, shape: Any, value: Dict[str, Any], what: str, complete: bool) -> None:
        if shape is None:
            return
        lines = ParamValidator().validate(value, shape).generate_report().splitlines()
        wrong = [line for line in lines if complete or not line.startswith("Missing required parameter")]
        if wrong:
            raise Refused(f"{what} of {self.operation.service_model.service_name}.{xform_name(self.operation.name)}: {'; '.join(wrong)}")

    def fits(self, request: Dict[str, Any], account: str, region: str) -> bool:
        return self.account == account and self.region in ("", region) and _fits(self.when, request)


def _fits(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_fits(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and all(any(_fits(one, other) for other in found) for one in wanted)
    if isinstance(wanted, str) and isinstance(found, str):
        return fnmatch.fnmatchcase(found, wanted) if STAR in wanted else found == wanted
    return bool(wanted == found)


def _typed(value: Any, shape: Any) -> Any:
    """Gives a value of JSON the types that botocore's model demands."""
    kind = getattr(shape, "type_name", "")
    if kind == "structure" and isinstance(value, dict):
        return {key: _typed(one, shape.members.get(key)) for key, one in value.items()}
    if kind == "list" and isinstance(value, list):
        return [_typed(one, shape.member) for one in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _typed(one, shape.value) for key, one in value.items()}
    if kind == "timestamp" and isinstance(value, (str, int, float)):
        return parse_timestamp(value)
    if kind == "blob" and isinstance(value, str):
        return value.encode()
    if kind in ("float", "double") and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


class Service:
    """Finds the operation that a request asks for."""

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self.model = moto.core.utils.get_service_model(name)
        except Exception as problem:
            raise Refused(f"{name}: boto3 has no such client") from problem
        self.signs_as = {self.model.signing_name, self.model.endpoint_prefix}
        self.operations = {xform_name(operation): operation for operation in self.model.operation_names}
        self.paths: List[Tuple[str, re.Pattern[str], str, Dict[str, List[str]]]] = []
        if str(self.model.protocol).startswith("rest"):
            for operation in self.model.operation_names:
                http = self.model.operation_model(operation).http
                path, _, query = http["requestUri"].partition("?")
                self.paths.append((http["method"], _path_pattern(path), operation, {part.partition("=")[0]: [] for part in query.split("&") if part}))
            self.paths.sort(key=lambda entry: (-len(entry[3]), entry[1].pattern.count("(?P<"), -len(entry[1].pattern)))

    def operation(self, request: Request) -> Tuple[Optional[str], Dict[str, str]]:
        target = request.headers.get("X-Amz-Target", "")
        if target:
            prefix, _, name = target.rpartition(".")
            mine = prefix == self.model.metadata.get("targetPrefix")
            return (name, {}) if mine and name in self.model.operation_names else (None, {})
        action = request.values.get("Action")
        if action:
            mine = request.values.get("Version", self.model.api_version) == self.model.api_version
            return (action, {}) if mine and action in self.model.operation_names else (None, {})
        for method, path, name, query in self.paths:
            found = path.fullmatch(request.path)
            if method == request.method and found and all(key in request.args for key in query):
                return name, {_unescaped(key): value for key, value in found.groupdict().items()}
        return None, {}


def _escaped(name: str) -> str:
    return name.replace("-", "__dash__").replace(".", "__dot__")


def _unescaped(name: str) -> str:
    return name.replace("__dash__", "-").replace("__dot__", ".")


def _path_pattern(path: str) -> "re.Pattern[str]":
    parts = re.split(r"\{([^}]+)\}", path.rstrip("/") or "/")
    pattern = ""
    for index, part in enumerate(parts):
        if index % 2 == 0:
            pattern += re.escape(part)
        elif part.endswith("+"):
            pattern += f"(?P<{_escaped(part[:-1])}>.+)"
        else:
            pattern += f"(?P<{_escaped(part)}>[^/]+)"
    return re.compile(pattern + "/?")


class World:
    def __init__(self) -> None:
        self._services: Dict[str, Service] = {}
        self._answers: Dict[Tuple[str, str], List[Staged]] = {}

    def stage(self, world: Dict[str, Any]) -> None:
        """Replaces the staged answers, or raises Refused and changes nothing."""
        services, answers = dict(self._services), {}
        for entry in world.get("answers") or []:
            unknown = set(entry) - {"call", "when", "answer", "error", "comment", "account", "region"}
            if unknown:
                raise Refused(f"{entry.get('call')}: unknown keys {sorted(unknown)}")
            name, _, method = str(entry.get("call", "")).partition(".")
            service = services.get(name) or Service(name)
            services[name] = service
            names = service.operations.values() if method == STAR else [service.operations.get(method)]
            for operation in names:
                if operation is None:
                    raise Refused(f"{name}.{method}: boto3 has no such method")
                answers.setdefault((name, operation), []).append(Staged(entry, service.model, operation))
        self._services, self._answers = services, answers

    def answer(self, request: Request) -> Optional[Response]:
        """Returns the staged answer to a request, or None if the request is moto's."""
        signed = SCOPE.search(request.headers.get("Authorization", ""))
        if not signed:
            return None
        for service in list(self._services.values()):
            if signed.group(2) not in service.signs_as:
                continue
            name, path = service.operation(request)
            staged = self._answers.get((service.name, name or ""))
            if name and staged:
                mine = [one for one in staged if one.fits(_members(service, name, request, path), accounts.of(request.environ), signed.group(1))]
                return self._serialized(service, name, mine[0], request) if mine else None
        return None

    def parsed(self, name: str) -> Dict[str, Any]:
        """Returns the members of the request that this thread handles, or {} if they are unknown. name is that of boto3's client."""
        request = getattr(_request, "received", None)
        service = self._services.setdefault(name, Service(name))
        operation, path = service.operation(request) if request else (None, {})
        return _members(service, operation, request, path) if operation and request else {}

    def _serialized(self, service: Service, name: str, one: Staged, request: Request) -> Response:
        protocol = determine_request_protocol(service.model, request.content_type)
        if one.error is not None:
            return _error(protocol, one.error["code"], one.error.get("message", ""), one.error.get("status", 400))
        made = get_serializer_class(service.name, protocol)(service.model.operation_model(name)).serialize(one.answer)
        return Response(made["body"], made["status_code"], made["headers"])


def _members(service: Service, name: str, request: Request, path: Dict[str, str]) -> Dict[str, Any]:
    protocol = determine_request_protocol(service.model, request.content_type)
    return dict(PROTOCOL_PARSERS[protocol](service.model.operation_model(name)).parse({
        "method": request.method, "values": request.values, "headers": request.headers, "body": request.get_data(),
        "url_path": request.path, "url_params": path,
    }))


def _error(protocol: str, code: str, message: str, status: int) -> Response:
    if "json" in protocol:
        body = json.dumps({"__type": code, "message": message, "Message": message})
        return Response(body, status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code})
    inner = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    body = {"ec2": f"<Response><Errors>{inner}</Errors><RequestID>staged</RequestID></Response>",
            "query": f"<ErrorResponse>{inner}<RequestId>staged</RequestId></ErrorResponse>"}.get(protocol, inner)
    return Response(body, status, {"Content-Type": "text/xml"})


def _is_page(status: str, body: Iterable[bytes]) -> bool:
    """Reports whether a response is the page with which Flask answers what moto lacks. boto3 would repeat the request."""
    start = b"".join(body)[:40] if isinstance(body, (list, tuple)) else b""
    return status[:3] in ("404", "405", "500") and start.lstrip().lower().startswith(b"<!doctype html")


def around(
    application: Callable[..., Iterable[bytes]], world: World, staged: Callable[[Dict[str, Any]], None],
) -> Callable[..., Iterable[bytes]]:
    """Returns moto's application with a world on top of it. staged is called with each new world."""

    def serve(*arguments: Any) -> Iterable[bytes]:
        environ, start_response = arguments[-2:]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if environ.get("CONTENT_LENGTH") else None
        if body is not None:
            environ["wsgi.input"] = io.BytesIO(body)
        request = Request(dict(environ, **{"wsgi.input": io.BytesIO(body or b"")}))
        if request.path == PATH and request.method == "POST":
            try:
                new = json.loads(body or b"{}")
                world.stage(new)
                staged(new)
                response = Response("{}", 200)
            except (Refused, ValueError) as problem:
                response = Response(str(problem), 400)
            return response(environ, start_response)
        stamp = environ.get("HTTP_X_EVENT_TIME")
        answered = None if stamp else world.answer(request)  # what creates the past must reach moto
        if answered is not None:
            return answered(environ, start_response)
        _request.at, _request.received = float(stamp) if stamp else None, request
        begun: List[Any] = []
        try:
            body = list(application(*arguments[:-1], lambda *start: begun.append(start)))
        except (AttributeError, NotImplementedError):  # moto has no such service or operation
            traceback.print_exc()
            begun, body = [], []
        if not begun or _is_page(begun[-1][0], body):
            protocol = "query" if request.values.get("Action") else "json"
            return _error(protocol, "NotSimulated", "The stand-in for AWS does not have this operation. AWS has it.", 501)(environ, start_response)
        start_response(*begun[-1])
        return body

    def timed(*arguments: Any) -> Iterable[bytes]:
        try:
            return serve(*arguments)
        finally:
            _request.at = _request.received = None

    return timed
