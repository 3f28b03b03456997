"""AWS Health, which moto lacks: DescribeEvents of an account with a support plan.

A PUT of JSON to /alarmtriage/health replaces an account's events ("events", in the format of DescribeEvents) and says whether
it has a support plan that includes the API ("supportPlan"). Its "account" is 123456789012 by default; other accounts have no such
plan until they have been PUT. As AWS does, DescribeEvents refuses an account without such a
plan, and requests that are not signed for a Region of the Health API.
"""

import json
from typing import Any

import accounts
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

HEALTH_REGIONS = ("us-east-1", "us-east-2", "cn-northwest-1", "us-gov-west-1")
_health: dict[str, dict[str, Any]] = {accounts.DEFAULT: {"supportPlan": True, "events": []}}
_dispatch = DomainDispatcherApplication.__call__

# The filters of DescribeEvents that select by one value of an event.
_FILTERS = {"eventStatusCodes": "statusCode", "eventTypeCategories": "eventTypeCategory", "regions": "region", "services": "service",
            "eventTypeCodes": "eventTypeCode", "eventArns": "arn"}


def _refusal(code: str, message: str) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": code, "message": message}


def describe_events(request: dict[str, Any], region: str, account: str) -> tuple[int, dict[str, Any]]:
    size, start = request.get("maxResults", 100), request.get("nextToken", "0000")
    wanted = request.get("filter") or {}
    if region not in HEALTH_REGIONS:
        return _refusal("InvalidSignatureException", f"Credential should be scoped to a valid region, not {region!r}.")
    health = _health.get(account) or {}
    if not health.get("supportPlan"):
        return _refusal("SubscriptionRequiredException", "")
    if not isinstance(size, int) or not 1 <= size <= 100:
        return _refusal("ValidationException", "maxResults must be from 1 to 100")
    if not start.isdigit():
        return _refusal("InvalidPaginationToken", "The specified pagination token is not valid")
    unknown = set(wanted) - set(_FILTERS)
    if unknown:
        return _refusal("ValidationException", f"the stand-in does not know the filters {sorted(unknown)}")
    found = [e for e in health["events"] if all(e.get(_FILTERS[name]) in values for name, values in wanted.items())]
    found.sort(key=lambda e: e.get("lastUpdatedTime", 0), reverse=True)
    end = int(start) + size
    return 200, {"events": found[int(start):end], **({"nextToken": f"{end:04}"} if end < len(found) else {})}


def _answer(environ: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or "{}")
    if environ["PATH_INFO"] == "/alarmtriage/health":
        account = body.pop("account", accounts.DEFAULT)
        _health[account] = {"supportPlan": True, "events": [], **_health.get(account, {}), **body}
        return 200, {}
    operation = environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2]
    if operation != "DescribeEvents":
        return _refusal("UnknownOperationException", f"the stand-in for AWS Health has no {operation}")
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return describe_events(body, scope[2] if len(scope) > 2 else "", accounts.of(environ))


def dispatch(self: DomainDispatcherApplication, environ: dict[str, Any], start_response: Any) -> Any:
    if environ.get("PATH_INFO") != "/alarmtriage/health" and not environ.get("HTTP_X_AMZ_TARGET", "").startswith("AWSHealth_"):
        return _dispatch(self, environ, start_response)
    status, answer = _answer(environ)
    start_response(f"{status} {'OK' if status == 200 else 'Bad Request'}", [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(answer).encode()]


DomainDispatcherApplication.__call__ = dispatch  # type: ignore[method-assign]
