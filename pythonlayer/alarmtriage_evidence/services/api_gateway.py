"""API Gateway, REST and HTTP APIs: the stage and its deployment, throttling, integrations, errors, and access logs."""

from typing import Any, Iterator, List, Mapping, Optional, Tuple

from ..context import Context, Metric, Observation
from ..looks import log_errors, metrics, recent
from . import lambda_functions

KIND = "API"
READS = ("apigateway:GET", "cloudwatch:GetMetricData", *lambda_functions.HOP_READS)
COST = f"five metrics of GetMetricData, and {lambda_functions.HOP_COST}"
MAX_APIS = 500
MAX_INTEGRATIONS = 10
MAX_STAGES = 3  # if the alarm names none


def targets(metric: Metric) -> List[str]:
    """Returns "name stage" of REST APIs and "id stage" of HTTP and WebSocket APIs."""
    if metric.namespace != "AWS/ApiGateway":
        return []
    name, stage = metric.dimension("ApiName", "ApiId"), metric.dimension("Stage")
    return [f"{name} {stage}".strip()] if name else []


def stage(ctx: Context, name: str) -> Iterator[Observation]:
    api, about = _api(ctx, name), f"{KIND} {name}"
    if api is None:
        raise LookupError(f"no API {_parts(ctx, name)[0]} is among those of {ctx.region} that were read")
    stages = _stages(ctx, api, name)
    if not stages:
        stage_name = _parts(ctx, name)[1]
        raise LookupError(f"{f'no stage {stage_name}' if stage_name else 'no stage'} is among those of API {api['id']} that were read")
    for found in stages:
        label = found.get("stageName") or found.get("StageName")
        deployment = found.get("deploymentId") or found.get("DeploymentId")  # a stage of an HTTP API may have none
        yield from recent(ctx, about, f"stage {label} was last changed{f' (deployment {deployment})' if deployment else ''}",
                          found.get("lastUpdatedDate") or found.get("LastUpdatedDate"))
        limits = found.get("methodSettings") or {**(found.get("DefaultRouteSettings") or {}), **(found.get("RouteSettings") or {})}
        yield Observation(about, "limit", f"stage {label}: {_throttling(limits)}", 30)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    api, (first, at) = _api(ctx, name), _parts(ctx, name)
    rest = api is None or api["kind"] == "rest"
    dimensions = {"ApiName" if rest else "ApiId": first, **({"Stage": at} if at else {})}
    wanted = (("requests", "Count", "Sum", 50), ("client errors", "4XXError" if rest else "4xx", "Sum", 55),
              ("server errors", "5XXError" if rest else "5xx", "Sum", 65), ("highest latency in ms", "Latency", "Maximum", 50),
              ("highest integration latency in ms", "IntegrationLatency", "Maximum", 55))
    yield from metrics(ctx, f"{KIND} {name}", "AWS/ApiGateway", dimensions, wanted)


def integrations(ctx: Context, name: str) -> Iterator[Observation]:
    found = _integrations(ctx, name)
    if len(found) > MAX_INTEGRATIONS:
        ctx.note(f"integrations of {name}: only {MAX_INTEGRATIONS} of {len(found)} are listed")
    for uri in found[:MAX_INTEGRATIONS]:
        function = lambda_functions.name_of(ctx, uri)  # if it belongs to another account or Region, the URI says to which
        yield Observation(f"{KIND} {name}", "dependency", f"it calls {'Lambda function ' + function if function else uri}", 35)


def functions(ctx: Context, name: str) -> List[str]:
    return [lambda_functions.name_of(ctx, uri) for uri in _integrations(ctx, name)]


def _integrations(ctx: Context, name: str) -> List[str]:
    """Returns the URIs of all integrations, sorted."""
    api = _api(ctx, name)
    return ctx.once(("integrations", name), lambda: _read_integrations(ctx, api, name)) if api else []


def _read_integrations(ctx: Context, api: Mapping[str, Any], name: str) -> List[str]:
    seen = set()
    if api["kind"] == "rest":
        client = ctx.client("apigateway")
        for resource in ctx.pages(f"resources of {name}", client.get_resources, "items", 200, restApiId=api["id"], limit=200, embed=["methods"]):
            for method in (resource.get("resourceMethods") or {}).values():
                seen.add((method.get("methodIntegration") or {}).get("uri"))
    else:
        client = ctx.client("apigatewayv2")
        for integration in ctx.pages(f"integrations of {name}", client.get_integrations, "Items", 100, ApiId=api["id"]):
            seen.add(integration.get("IntegrationUri"))
    return sorted(filter(None, seen))


def access_logs(ctx: Context, name: str) -> Iterator[Observation]:
    api = _api(ctx, name)
    for found in _stages(ctx, api, name) if api else []:
        label = found.get("stageName") or found.get("StageName")
        settings = found.get("accessLogSettings") or found.get("AccessLogSettings") or {}
        arn = settings.get("destinationArn") or settings.get("DestinationArn") or ""
        if ":log-group:" in arn:
            yield from log_errors(ctx, f"{KIND} {name}", arn.split(":log-group:")[1].split(":")[0], is_access_log=True)
        elif api["kind"] == "rest" and any(one.get("loggingLevel") in ("ERROR", "INFO") for one in (found.get("methodSettings") or {}).values()):
            yield from log_errors(ctx, f"{KIND} {name}", f"API-Gateway-Execution-Logs_{api['id']}/{label}")
        else:
            missing = "logs" if api["kind"] == "rest" else "access logs"  # a WebSocket API can have execution logs, which are not read
            ctx.note(f"log lines of {KIND} {name}: none were read, because stage {label} has no {missing} in CloudWatch Logs")


LOOKS = (stage, numbers, integrations, access_logs)


def names(ctx: Context, name: str) -> List[Any]:
    api = _api(ctx, name)
    return [(None, api["id"])] if api else []


def _parts(ctx: Context, name: str) -> Tuple[str, str]:
    """Returns the API and the stage of a name that `targets` returned. The name of an API may contain blanks."""
    for metric in ctx.metrics:
        if targets(metric) == [name]:
            return metric.dimension("ApiName", "ApiId"), metric.dimension("Stage")
    api, _, stage = name.rpartition(" ")
    return (api, stage) if api else (stage, "")


def _api(ctx: Context, name: str) -> Optional[Mapping[str, Any]]:
    """Returns the ID and the kind of an API by its name, or by its ID."""
    wanted, _ = _parts(ctx, name)

    def find() -> Optional[Mapping[str, Any]]:
        same = [api["id"] for api in ctx.pages("REST APIs", ctx.client("apigateway").get_rest_apis, "items", MAX_APIS, limit=500)
                if wanted in (api.get("name"), api.get("id"))]
        if len(same) > 1:
            ctx.note(f"API {wanted}: {len(same)} REST APIs have this name, and the metric adds them up; only {same[0]} was looked at")
        if same:
            return {"id": same[0], "kind": "rest"}
        for api in ctx.pages("HTTP APIs", ctx.client("apigatewayv2").get_apis, "Items", MAX_APIS):
            if wanted in (api.get("Name"), api.get("ApiId")):
                return {"id": api["ApiId"], "kind": "http"}
        return None

    return ctx.once(("api", wanted), find)


def _stages(ctx: Context, api: Mapping[str, Any], name: str) -> List[Mapping[str, Any]]:
    _, wanted = _parts(ctx, name)

    def read() -> List[Mapping[str, Any]]:
        if api["kind"] == "rest":
            return ctx.client("apigateway").get_stages(restApiId=api["id"]).get("item") or []
        return ctx.pages(f"stages of {name}", ctx.client("apigatewayv2").get_stages, "Items", 100, ApiId=api["id"])

    listed = ctx.once(("stages", api["id"]), read)
    found = [s for s in listed if not wanted or wanted in (s.get("stageName"), s.get("StageName"))]
    if len(found) > MAX_STAGES:
        ctx.note(f"stages of {name}: only {MAX_STAGES} of {len(found)} were looked at")
    return found[:MAX_STAGES]


def _throttling(settings: Mapping[str, Any]) -> str:
    shared = settings.get("*/*") if isinstance(settings.get("*/*"), dict) else settings
    rate = shared.get("throttlingRateLimit", shared.get("ThrottlingRateLimit"))
    burst = shared.get("throttlingBurstLimit") or shared.get("ThrottlingBurstLimit")
    own = [key for key, value in settings.items() if key != "*/*" and isinstance(value, dict)]
    others = f"; {len(own)} {'method or route has' if len(own) == 1 else 'methods or routes have'} separate settings" if own else ""
    if rate == 0 and "throttlingRateLimit" in shared:  # an HTTP API without a limit has a rate of 0
        return f"throttled at 0 requests per second, so no request passes{others}"
    if not rate or rate < 0:
        return f"no throttling of the whole stage; the account's limits apply{others}"
    return f"throttled at {rate:g} requests per second, burst {burst}{others}"
