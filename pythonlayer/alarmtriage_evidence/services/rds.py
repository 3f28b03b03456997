"""RDS and Aurora: state, events, storage, connections, pending maintenance, parameter changes, the cluster, and Performance Insights."""

from typing import Any, Iterator, List, Mapping, Set, Tuple

from ..context import BEFORE, Context, Metric, Observation
from ..looks import metrics, recent, stack_events
from . import performance_insights

KIND = "DB instance"
READS = ("rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeEvents", "rds:DescribePendingMaintenanceActions",
         *performance_insights.READS,
         "cloudwatch:GetMetricData", "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents")
COST = "eight metrics of GetMetricData, and five requests of Performance Insights for each instance"

MAX_INSTANCES = 2  # of a cluster whose load is read
MAX_EVENTS = 10  # of an instance, and of its cluster
_LOUD = frozenset(("failover", "failure", "low storage", "availability", "configuration change", "recovery"))  # categories of events that matter most


def targets(metric: Metric) -> List[str]:
    """Returns the name of an instance, or "cluster NAME" for a metric of a whole cluster."""
    if metric.namespace not in ("AWS/RDS", "AWS/DocDB", "AWS/Neptune"):
        return []
    instance, cluster = metric.dimension("DBInstanceIdentifier"), metric.dimension("DBClusterIdentifier")
    return [instance] if instance else [f"cluster {cluster}"] if cluster else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    about = f"{KIND} {name}"
    if _cluster_name(ctx, name):
        cluster = _cluster(ctx, _cluster_name(ctx, name))
        members = ", ".join(f"{m['DBInstanceIdentifier']} ({'writer' if m.get('IsClusterWriter') else 'reader'})" for m in cluster.get("DBClusterMembers") or [])
        yield Observation(about, "health", f"cluster {cluster.get('DBClusterIdentifier')} is {cluster.get('Status')} with {members or 'no members'}; engine "
                                           f"{cluster.get('Engine')} {cluster.get('EngineVersion')}", 20 if cluster.get("Status") == "available" else 90)
    if name.startswith("cluster "):
        return
    found = _instance(ctx, name)
    status = found.get("DBInstanceStatus")
    yield Observation(about, "health", f"its status is {status}", 20 if status in ("available", "backing-up") else 90)
    pending = {k: v for k, v in (found.get("PendingModifiedValues") or {}).items() if v not in (None, "", [], {}) and "Password" not in k}
    if pending:
        # In other states, such as modifying, upgrading, and rebooting, AWS may be applying them.
        when = "wait for the next maintenance window" if status in ("available", "storage-full", "stopped") else "are pending or being applied"
        yield Observation(about, "configuration", f"modifications {when}: {', '.join(sorted(pending))}", 55)
    for group in found.get("DBParameterGroups") or []:
        if group.get("ParameterApplyStatus") not in ("in-sync", None):
            yield Observation(about, "configuration", f"parameter group {group.get('DBParameterGroupName')} is {group.get('ParameterApplyStatus')}", 60)
    own = (f"storage {found.get('AllocatedStorage')} GB {found.get('StorageType')}, IOPS {found.get('Iops') or 'by size'}, "
           f"{'Multi-AZ' if found.get('MultiAZ') else 'one zone'}")
    if found.get("Engine") in ("docdb", "neptune") or str(found.get("Engine")).startswith("aurora"):  # 1 GB and one zone say nothing there
        own = "storage of its cluster"
    yield Observation(about, "configuration", f"class {found.get('DBInstanceClass')}, engine {found.get('Engine')} {found.get('EngineVersion')}, "
                                              f"{own}, certificate {found.get('CACertificateIdentifier')}", 25)


def events(ctx: Context, name: str) -> Iterator[Observation]:
    client, sources = ctx.client("rds"), []
    if not name.startswith("cluster "):
        sources.append(("db-instance", name))
    if _cluster_name(ctx, name):
        sources.append(("db-cluster", _cluster_name(ctx, name)))
    for kind, source in sources:
        found = ctx.pages(f"events of {source}", client.describe_events, "Events", 100, SourceType=kind, SourceIdentifier=source,
                          StartTime=ctx.fired_at - BEFORE, EndTime=ctx.fired_at)
        dated = [event for event in found if event.get("Date")]
        for event in sorted(dated, key=lambda event: (_is_loud(event), event["Date"]))[-MAX_EVENTS:]:
            yield from recent(ctx, f"{KIND} {name}", f"event: {event.get('Message')}", event.get("Date"), 90 if _is_loud(event) else 60)


def _is_loud(event: Mapping[str, Any]) -> bool:
    return not _LOUD.isdisjoint(event.get("EventCategories") or [])


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    dimensions = {"DBClusterIdentifier": name.split(" ")[1]} if name.startswith("cluster ") else {"DBInstanceIdentifier": name}
    namespace = next((metric.namespace for metric in ctx.metrics if name in targets(metric)), "AWS/RDS")
    yield from metrics(ctx, f"{KIND} {name}", namespace, dimensions, (
        ("highest CPU use in percent", "CPUUtilization", "Maximum", 60), ("most connections", "DatabaseConnections", "Maximum", 60),
        ("least free storage in bytes", "FreeStorageSpace", "Minimum", 60), ("least free memory in bytes", "FreeableMemory", "Minimum", 50),
        ("highest read latency in s", "ReadLatency", "Maximum", 55), ("highest write latency in s", "WriteLatency", "Maximum", 55),
        ("highest disk queue", "DiskQueueDepth", "Maximum", 50), ("highest replica lag in s", "ReplicaLag", "Maximum", 60)))


def maintenance(ctx: Context, name: str) -> Iterator[Observation]:
    if name.startswith("cluster "):
        return
    arn = _instance(ctx, name).get("DBInstanceArn")
    for found in ctx.client("rds").describe_pending_maintenance_actions(ResourceIdentifier=arn).get("PendingMaintenanceActions") or []:
        for action in found.get("PendingMaintenanceActionDetails") or []:
            yield Observation(f"{KIND} {name}", "configuration", f"pending maintenance: {action.get('Action')} ({action.get('Description')}), "
                                                                 f"{action.get('OptInStatus') or 'no date'}", 40)


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    kind = "DBCluster" if name.startswith("cluster ") else "DBInstance"
    yield from stack_events(ctx, f"{KIND} {name}", name.split(" ")[-1], *(f"AWS::{service}::{kind}" for service in ("RDS", "DocDB", "Neptune")))


def load(ctx: Context, name: str) -> Iterator[Observation]:
    for about, instance in _instances(ctx, name):
        yield from performance_insights.load(ctx, about, instance)


def wait_events(ctx: Context, name: str) -> Iterator[Observation]:
    for about, instance in _instances(ctx, name):
        yield from performance_insights.wait_events(ctx, about, instance)


def sql_statements(ctx: Context, name: str) -> Iterator[Observation]:
    for about, instance in _instances(ctx, name):
        yield from performance_insights.sql_statements(ctx, about, instance)


LOOKS = (state, events, numbers, maintenance, deployments, load, wait_events, sql_statements)


def names(ctx: Context, name: str) -> List[Any]:
    cluster = _cluster_name(ctx, name)
    return [(None, name.split(" ")[-1])] + ([(None, cluster)] if cluster else [])


def addresses(ctx: Context, name: str) -> List[str]:
    cluster = f"cluster:{_cluster_name(ctx, name)}"  # as auto scaling names it
    found = [ctx.arn("rds", cluster), cluster] if _cluster_name(ctx, name) else []
    return found if name.startswith("cluster ") else [*found, ctx.arn("rds", f"db:{name}")]


def uses(ctx: Context, name: str) -> Set[str]:
    """Returns the names of the cluster's instances, and of parameter groups and security groups."""
    cluster = _cluster(ctx, _cluster_name(ctx, name)) if _cluster_name(ctx, name) else {}
    instance = {} if name.startswith("cluster ") else _instance(ctx, name)
    found = {member.get("DBInstanceIdentifier") for member in cluster.get("DBClusterMembers") or []} | {cluster.get("DBClusterParameterGroup")}
    found |= {group.get("DBParameterGroupName") for group in instance.get("DBParameterGroups") or []}
    found |= {group.get("VpcSecurityGroupId") for one in (cluster, instance) for group in one.get("VpcSecurityGroups") or []}
    return {one for one in found if one}


def _instance(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("rds", name), lambda: ctx.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def _instances(ctx: Context, name: str) -> List[Tuple[str, Mapping[str, Any]]]:
    """Returns the instance, or of a cluster the writer and the first reader, each with what observations call it."""
    if not name.startswith("cluster "):
        return [(f"{KIND} {name}", _instance(ctx, name))]
    members = [m["DBInstanceIdentifier"] for m in sorted(_cluster(ctx, _cluster_name(ctx, name)).get("DBClusterMembers") or [],
                                                         key=lambda m: not m.get("IsClusterWriter"))]
    if len(members) > MAX_INSTANCES:
        ctx.note(f"load of {name}: read for {MAX_INSTANCES} of {len(members)} instances: {', '.join(members[:MAX_INSTANCES])}")
    return [(f"{KIND} {member}", _instance(ctx, member)) for member in members[:MAX_INSTANCES]]


def _cluster(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("rds-cluster", name), lambda: ctx.client("rds").describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0])


def _cluster_name(ctx: Context, name: str) -> str:
    return name.split(" ")[1] if name.startswith("cluster ") else _instance(ctx, name).get("DBClusterIdentifier") or ""
