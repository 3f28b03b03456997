"""The whole account: deployments of CodeDeploy, CodePipeline, and AppConfig, and events of AWS Health.

These looks run once for each alarm. They do not know whether a deployment concerns the alarm's resources.
"""

from typing import Iterator, List

from ..context import BEFORE, Context, Metric, Observation, stamp
from ..looks import recent

KIND = "the account"
READS = ("codedeploy:ListDeployments", "codedeploy:BatchGetDeployments", "codepipeline:ListPipelines", "codepipeline:ListPipelineExecutions",
         "appconfig:ListApplications", "appconfig:ListEnvironments", "appconfig:ListDeployments", "health:DescribeEvents")
COST = "nothing"
MAX_PIPELINES = 15
MAX_APPLICATIONS = 5
_HEALTH_HOMES = {"aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}  # Regions of the AWS Health API


def targets(metric: Metric) -> List[str]:
    return []


def codedeploy_deployments(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("codedeploy")
    ids = client.list_deployments(createTimeRange={"start": ctx.fired_at - BEFORE, "end": ctx.fired_at}).get("deployments") or []
    if len(ids) > 25:
        ctx.note(f"CodeDeploy: only 25 of {len(ids)} deployments were read")
    for found in client.batch_get_deployments(deploymentIds=ids[:25]).get("deploymentsInfo") or [] if ids else []:
        yield from recent(ctx, "CodeDeploy", f"deployment {found.get('deploymentId')} of {found.get('applicationName')} to "
                                             f"{found.get('deploymentGroupName')} ({found.get('status')}) began", found.get("createTime"), 75)


def codepipeline_executions(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("codepipeline")
    listed = ctx.pages("pipelines", client.list_pipelines, "pipelines", 1000)
    listed.sort(key=lambda p: stamp(p.get("updated")) or "", reverse=True)
    if len(listed) > MAX_PIPELINES:
        ctx.note(f"CodePipeline: the executions of {MAX_PIPELINES} of {len(listed)} pipelines were read")
    for pipeline in listed[:MAX_PIPELINES]:
        for run in client.list_pipeline_executions(pipelineName=pipeline["name"], maxResults=5).get("pipelineExecutionSummaries") or []:
            yield from recent(ctx, "CodePipeline", f"pipeline {pipeline['name']} ({run.get('status')}) began", run.get("startTime"), 70)


def appconfig_deployments(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("appconfig")
    for application in ctx.pages("AppConfig applications", client.list_applications, "Items", MAX_APPLICATIONS):
        for environment in client.list_environments(ApplicationId=application["Id"]).get("Items") or []:
            found = client.list_deployments(ApplicationId=application["Id"], EnvironmentId=environment["Id"], MaxResults=5)
            for run in found.get("Items") or []:
                yield from recent(ctx, "AppConfig", f"{application.get('Name')}/{environment.get('Name')}: version {run.get('ConfigurationVersion')} "
                                                    f"of {run.get('ConfigurationName')} ({run.get('State')}) began", run.get("StartedAt"), 80)


def health_events(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("health", _HEALTH_HOMES.get(ctx.alarm.get("partition") or "aws", "us-east-1"))
    try:
        found = client.describe_events(filter={"eventStatusCodes": ["open"], "eventTypeCategories": ["issue"],
                                               "regions": [ctx.region, "global"]}, maxResults=20).get("events") or []
    except Exception as error:
        if "SubscriptionRequired" in str(error):
            ctx.note("AWS Health: its API needs a Business or Enterprise support plan")
            return
        raise
    for event in found:
        yield Observation("AWS Health", "health", f"open issue {event.get('eventTypeCode')} of {event.get('service')} in {event.get('region')} "
                                                  f"since {stamp(event.get('startTime'))}", 88)


LOOKS = (codedeploy_deployments, codepipeline_executions, appconfig_deployments, health_events)
