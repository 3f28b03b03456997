"""Environments and deployments of AppConfig, which moto lacks. It also lists applications.

A deployment is DEPLOYING, then BAKING, then COMPLETE, as the duration and the bake time of its strategy say. As in AWS, an
environment has at most one deployment that is not complete, and a deployment needs a configuration profile and a version.
"""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from moto.appconfig import urls
from moto.appconfig.models import Application
from moto.appconfig.responses import AppConfigResponse
from moto.core.exceptions import JsonRESTError
from moto.moto_api._internal import mock_random

# Strategies that each account has: name, minutes of the deployment and of the bake time, growth in percent and its type.
PREDEFINED = {
    "AppConfig.AllAtOnce": (0, 10, 100.0, "LINEAR"),
    "AppConfig.Linear50PercentEvery30Seconds": (1, 1, 50.0, "LINEAR"),
    "AppConfig.Canary10Percent20Minutes": (20, 10, 10.0, "EXPONENTIAL"),
}
_own_strategies: dict[str, tuple[int, int, float, str]] = {}


class NotFound(JsonRESTError):
    code = 404

    def __init__(self, what: str) -> None:
        super().__init__("ResourceNotFoundException", f"{what} not found")


def _page(response: AppConfigResponse, items: list[dict[str, Any]]) -> str:
    """Returns one page of a listing, as MaxResults (50 at most, which is the default) and NextToken select it."""
    size, start = int(response._get_param("max_results") or 50), str(response._get_param("next_token") or "0")
    if not 1 <= size <= 50 or not start.isdigit() or int(start) > len(items):
        raise JsonRESTError("BadRequestException", "MaxResults or NextToken is not valid")
    end = int(start) + size
    more = {"NextToken": str(end)} if end < len(items) else {}
    return json.dumps({"Items": items[int(start):end], **more})


def _application(response: AppConfigResponse) -> Application:
    wanted = response._get_param("ApplicationId")
    if wanted not in response.appconfig_backend.applications:
        raise NotFound("Application")
    return response.appconfig_backend.applications[wanted]


def _environment(response: AppConfigResponse) -> dict[str, Any]:
    for environment in getattr(_application(response), "environments", []):
        if environment["Id"] == response._get_param("EnvironmentId"):
            return environment
    raise NotFound("Environment")


def _shown(deployment: dict[str, Any]) -> dict[str, Any]:
    """Returns a deployment with its present state, which follows from the time since it began."""
    minutes, bake = deployment["DeploymentDurationInMinutes"], deployment["FinalBakeTimeInMinutes"]
    began = datetime.fromisoformat(deployment["StartedAt"])
    passed = (datetime.now(timezone.utc) - began) / timedelta(minutes=1)
    if passed >= minutes + bake:
        done = (began + timedelta(minutes=minutes + bake)).isoformat()
        return {**deployment, "State": "COMPLETE", "PercentageComplete": 100.0, "CompletedAt": done}
    share = 100.0 if passed >= minutes else max(1.0, 100.0 * passed / minutes)
    return {**deployment, "State": "BAKING" if passed >= minutes else "DEPLOYING", "PercentageComplete": share}


def list_applications(self: AppConfigResponse) -> str:
    return _page(self, [{k: v for k, v in app.to_json().items() if v is not None} for app in self.appconfig_backend.applications.values()])


def create_environment(self: AppConfigResponse) -> tuple[int, dict[str, str], str]:
    app = _application(self)
    made = {"ApplicationId": app.id, "Id": mock_random.get_random_hex(7), "Name": self._get_param("Name"), "State": "READY_FOR_DEPLOYMENT"}
    app.environments = [*getattr(app, "environments", []), {**made, "deployments": []}]  # type: ignore[attr-defined]
    return 201, {}, json.dumps(made)


def list_environments(self: AppConfigResponse) -> str:
    shown = []
    for environment in getattr(_application(self), "environments", []):
        busy = any(_shown(d)["State"] != "COMPLETE" for d in environment["deployments"])
        shown.append({**{k: v for k, v in environment.items() if k != "deployments"}, "State": "DEPLOYING" if busy else "READY_FOR_DEPLOYMENT"})
    return _page(self, shown)


def create_deployment_strategy(self: AppConfigResponse) -> tuple[int, dict[str, str], str]:
    made = {"Id": mock_random.get_random_hex(7), "Name": self._get_param("Name"),
            "DeploymentDurationInMinutes": int(self._get_param("DeploymentDurationInMinutes")),
            "FinalBakeTimeInMinutes": int(self._get_param("FinalBakeTimeInMinutes") or 0),
            "GrowthFactor": float(self._get_param("GrowthFactor")), "GrowthType": self._get_param("GrowthType") or "LINEAR"}
    _own_strategies[made["Id"]] = (made["DeploymentDurationInMinutes"], made["FinalBakeTimeInMinutes"], made["GrowthFactor"], made["GrowthType"])
    return 201, {}, json.dumps(made)


def start_deployment(self: AppConfigResponse) -> tuple[int, dict[str, str], str]:
    app, environment = _application(self), _environment(self)
    strategy = {**PREDEFINED, **_own_strategies}.get(self._get_param("DeploymentStrategyId"))
    profile = app.config_profiles.get(self._get_param("ConfigurationProfileId"))
    version = str(self._get_param("ConfigurationVersion"))
    if strategy is None:
        raise NotFound("DeploymentStrategy")
    if profile is None:
        raise NotFound("ConfigurationProfile")
    if profile.location_uri == "hosted" and (not version.isdigit() or int(version) not in profile.config_versions):
        raise NotFound("HostedConfigurationVersion")
    deployments = environment["deployments"]
    if any(_shown(d)["State"] != "COMPLETE" for d in deployments):
        conflict = JsonRESTError("ConflictException", "A deployment of this environment is in progress")
        conflict.code = 409
        raise conflict
    stamp = self.headers.get("X-Event-Time")
    began = datetime.fromtimestamp(float(stamp), timezone.utc) if stamp else datetime.now(timezone.utc)
    minutes, bake, factor, growth = strategy
    deployments.append({
        "DeploymentNumber": len(deployments) + 1, "ConfigurationName": profile.name, "ConfigurationVersion": version,
        "DeploymentDurationInMinutes": minutes, "FinalBakeTimeInMinutes": bake, "GrowthFactor": factor, "GrowthType": growth,
        "StartedAt": began.isoformat(),
    })
    ids = {"ApplicationId": app.id, "EnvironmentId": environment["Id"], "ConfigurationProfileId": profile.id}
    return 201, {}, json.dumps({**_shown(deployments[-1]), **ids})


def list_deployments(self: AppConfigResponse) -> str:
    return _page(self, [_shown(d) for d in reversed(_environment(self)["deployments"])])


for _operation in (list_applications, create_environment, list_environments, create_deployment_strategy, start_deployment, list_deployments):
    setattr(AppConfigResponse, _operation.__name__, _operation)
for _path in ("/applications/(?P<app_id>[^/]+)/environments$", "/deploymentstrategies$",
              "/applications/(?P<app_id>[^/]+)/environments/(?P<env_id>[^/]+)/deployments$"):
    urls.url_paths["{0}" + _path] = AppConfigResponse.dispatch
