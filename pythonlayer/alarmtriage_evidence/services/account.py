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
_HEALTH_HOMES = {"aws-cn": "cn-northwest-1"}  # Regions of the AWS Health API that are not the home of other global services


def targets(metric: Metric) -> List[str]:
    return []


def codedeploy_deployments(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("codedeploy")
    ids = ctx.pages("CodeDeploy deployments", client.list_deployments, "deployments", 25,
                    createTimeRange={"start": ctx.fired_at - BEFORE, "end": ctx.fired_at})
    for found in client.batch_get_deployments(deploymentIds=ids).get("deploymentsInfo") or [] if ids else []:
        yield from recent(ctx, "CodeDeploy", f"deployment {found.get('deploymentId')} of {found.get('applicationName')} to "
                                             f"{found.get('deploymentGroupName')} ({found.get('status')}) was created", found.get("createTime"), 75)


def codepipeline_executions(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("codepipeline")
    listed = ctx.pages("pipelines", client.list_pipelines, "pipelines", 1000)
    listed.sort(key=lambda p: stamp(p.get("updated")) or "", reverse=True)
    if len(listed) > MAX_PIPELINES:
        ctx.note(f"CodePipeline: the executions of {MAX_PIPELINES} of {len(listed)} pipelines were read")
    for pipeline in listed[:MAX_PIPELINES]:
        for run in ctx.pages(f"executions of pipeline {pipeline['name']}", client.list_pipeline_executions, "pipelineExecutionSummaries", 5,
                             newest_first="startTime", pipelineName=pipeline["name"], maxResults=5):
            yield from recent(ctx, "CodePipeline", f"pipeline {pipeline['name']} ({run.get('status')}) began", run.get("startTime"), 70)


def appconfig_deployments(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("appconfig")
    for application in ctx.pages("AppConfig applications", client.list_applications, "Items", MAX_APPLICATIONS):
        for environment in ctx.pages("AppConfig environments", client.list_environments, "Items", 20, ApplicationId=application["Id"]):
            listed = ctx.pages("AppConfig deployments", client.list_deployments, "Items", 5, newest_first="StartedAt",
                               ApplicationId=application["Id"], EnvironmentId=environment["Id"], MaxResults=5)
            for run in listed:
                yield from recent(ctx, "AppConfig", f"{application.get('Name')}/{environment.get('Name')}: version {run.get('ConfigurationVersion')} "
                                                    f"of {run.get('ConfigurationName')} ({run.get('State')}) began", run.get("StartedAt"), 80)


def health_events(ctx: Context, name: str) -> Iterator[Observation]:
    client = ctx.client("health", _HEALTH_HOMES.get(ctx.alarm.get("partition") or "aws", ctx.home))
    try:
        found = ctx.pages("AWS Health events", client.describe_events, "events", 20, maxResults=20, filter={
            "eventStatusCodes": ["open"], "eventTypeCategories": ["issue"], "regions": [ctx.region, "global"]})
    except Exception as error:
        if "SubscriptionRequired" in str(error):
            ctx.note("AWS Health: its API needs a Business or Enterprise support plan")
            return
        raise
    for event in found:
        yield Observation("AWS Health", "health", f"open issue {event.get('eventTypeCode')} of {event.get('service')} in {event.get('region')} "
                                                  f"since {stamp(event.get('startTime'))}", 88)


LOOKS = (codedeploy_deployments, codepipeline_executions, appconfig_deployments, health_events)
