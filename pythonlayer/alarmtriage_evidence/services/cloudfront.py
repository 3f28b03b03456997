"""CloudFront: the distribution's state and last change, origins, certificate, and errors, in us-east-1."""

from typing import Iterator, List

from ..context import Context, Metric, Observation
from ..looks import metrics, recent

KIND = "CloudFront distribution"
READS = ("cloudfront:GetDistribution", "cloudfront:ListInvalidations", "cloudwatch:GetMetricData")
COST = "four metrics of GetMetricData"


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("DistributionId")
    return [name] if name else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = ctx.client("cloudfront").get_distribution(Id=name)["Distribution"], f"{KIND} {name}"
    config = found.get("DistributionConfig") or {}
    yield from recent(ctx, about, f"its configuration was last changed (status {found.get('Status')})", found.get("LastModifiedTime"))
    if not config.get("Enabled", True):
        yield Observation(about, "configuration", "it is disabled", 95)
    for origin in (config.get("Origins") or {}).get("Items") or []:
        yield Observation(about, "dependency", f"origin {origin.get('DomainName')}{origin.get('OriginPath') or ''}", 40)
    certificate = config.get("ViewerCertificate") or {}
    yield Observation(about, "configuration", f"certificate {certificate.get('ACMCertificateArn') or certificate.get('IAMCertificateId') or 'of CloudFront'}, "
                                              f"web ACL {config.get('WebACLId') or 'none'}", 30)


def invalidations(ctx: Context, name: str) -> Iterator[Observation]:
    listed = (ctx.client("cloudfront").list_invalidations(DistributionId=name, MaxItems="10").get("InvalidationList") or {}).get("Items") or []
    for found in listed:
        yield from recent(ctx, f"{KIND} {name}", f"invalidation {found.get('Id')} ({found.get('Status')}) was created", found.get("CreateTime"), 75)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/CloudFront", {"DistributionId": name, "Region": "Global"}, (
        ("requests", "Requests", "Sum", 50), ("highest share of client errors in percent", "4xxErrorRate", "Maximum", 60),
        ("highest share of server errors in percent", "5xxErrorRate", "Maximum", 75), ("bytes downloaded", "BytesDownloaded", "Sum", 40)))


LOOKS = (state, invalidations, numbers)
