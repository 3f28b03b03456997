"""ElastiCache: state of cluster and replication group, events, memory, evictions, and connections."""

from typing import Any, Iterator, List, Mapping

from ..context import BEFORE, Context, Metric, Observation
from ..looks import metrics, recent

KIND = "cache cluster"
READS = ("elasticache:DescribeCacheClusters", "elasticache:DescribeReplicationGroups", "elasticache:DescribeEvents", "cloudwatch:GetMetricData")
COST = "six metrics of GetMetricData"


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("CacheClusterId")
    return [name] if name and metric.is_of("AWS/ElastiCache") else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _cluster(ctx, name), f"{KIND} {name}"
    status = found.get("CacheClusterStatus")
    yield Observation(about, "health", f"its status is {status}; {found.get('NumCacheNodes')} nodes of {found.get('CacheNodeType')}, engine "
                                       f"{found.get('Engine')} {found.get('EngineVersion')}", 20 if status in ("available", "snapshotting") else 90)
    group = found.get("ReplicationGroupId")
    if group:
        for replicas in ctx.client("elasticache").describe_replication_groups(ReplicationGroupId=group).get("ReplicationGroups") or []:
            fine = replicas.get("Status") == "available"
            yield Observation(about, "health", f"replication group {group} is {replicas.get('Status')}, automatic failover "
                                               f"{replicas.get('AutomaticFailover')}", 20 if fine else 88)


def events(ctx: Context, name: str) -> Iterator[Observation]:
    client, group = ctx.client("elasticache"), _cluster(ctx, name).get("ReplicationGroupId")
    for kind, source in (("cache-cluster", name), ("replication-group", group)):
        if source:
            found = ctx.pages(f"events of {source}", client.describe_events, "Events", 50, SourceType=kind, SourceIdentifier=source,
                              StartTime=ctx.fired_at - BEFORE, EndTime=ctx.fired_at)
            for event in sorted((event for event in found if event.get("Date")), key=lambda event: event["Date"])[-8:]:  # begins with the newest one
                yield from recent(ctx, f"{KIND} {name}", f"event: {event.get('Message')}", event.get("Date"), 82)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/ElastiCache", {"CacheClusterId": name}, (
        ("evictions", "Evictions", "Sum", 75), ("highest memory use in percent", "DatabaseMemoryUsagePercentage", "Maximum", 65),
        ("highest engine CPU in percent", "EngineCPUUtilization", "Maximum", 60), ("most connections", "CurrConnections", "Maximum", 55),
        ("new connections", "NewConnections", "Sum", 50), ("cache misses", "CacheMisses", "Sum", 45)))


LOOKS = (state, events, numbers)


def names(ctx: Context, name: str) -> List[Any]:
    group = _cluster(ctx, name).get("ReplicationGroupId")
    return [(None, group)] if group else []


def addresses(ctx: Context, name: str) -> List[str]:
    return [f"replication-group/{group}" for _, group in names(ctx, name)]  # as auto scaling names it


def _cluster(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("elasticache", name), lambda: ctx.client("elasticache").describe_cache_clusters(CacheClusterId=name)["CacheClusters"][0])
