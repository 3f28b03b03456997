"""CloudFront: the distribution's state and last change, origins, certificate, and errors, in us-east-1."""

import re
from typing import Any, Iterator, List, Mapping, Set

from ..context import Context, Metric, Observation
from ..looks import metrics, recent

KIND = "CloudFront distribution"
READS = ("cloudfront:GetDistribution", "cloudfront:ListInvalidations", "cloudwatch:GetMetricData")
COST = "four metrics of GetMetricData"
MAX_INVALIDATIONS = 20
_BUCKET = re.compile(r"(.+?)\.s3(?:-website)?[.-][\w.-]*amazonaws\.com")
_API = re.compile(r"(\w+)\.execute-api\.")
_BALANCER = re.compile(r"(?:dualstack\.|internal-)?([\w-]+)-\d+\.[\w-]+\.elb\.amazonaws\.com")


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("DistributionId")
    return [name] if name else []


def state(ctx: Context, name: str) -> Iterator[Observation]:
    found, about = _distribution(ctx, name), f"{KIND} {name}"
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
    def read(**request: Any) -> Mapping[str, Any]:
        found = ctx.client("cloudfront").list_invalidations(**request).get("InvalidationList") or {}
        return {"Items": found.get("Items"), "NextMarker": found.get("NextMarker")}  # its Marker is that of the request

    listed = ctx.pages(f"invalidations of {name}", read, "Items", MAX_INVALIDATIONS, newest_first="CreateTime",
                       DistributionId=name, MaxItems=str(MAX_INVALIDATIONS))
    for found in listed:
        yield from recent(ctx, f"{KIND} {name}", f"invalidation {found.get('Id')} ({found.get('Status')}) was created", found.get("CreateTime"), 75)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    yield from metrics(ctx, f"{KIND} {name}", "AWS/CloudFront", {"DistributionId": name, "Region": "Global"}, (
        ("requests", "Requests", "Sum", 50), ("highest share of client errors in percent", "4xxErrorRate", "Maximum", 60),
        ("highest share of server errors in percent", "5xxErrorRate", "Maximum", 75), ("bytes downloaded", "BytesDownloaded", "Sum", 40)))


LOOKS = (state, invalidations, numbers)


def uses(ctx: Context, name: str) -> Set[str]:
    """Returns the names of the origins' buckets, APIs, and load balancers, and of the functions, the certificate, and the web ACL."""
    config = _distribution(ctx, name).get("DistributionConfig") or {}
    found: Set[str] = set()
    for origin in (config.get("Origins") or {}).get("Items") or []:
        host = str(origin.get("DomainName"))
        for form in (_BUCKET, _API, _BALANCER):
            found |= {match[1] for match in [form.match(host)] if match}
    behaviors = [config.get("DefaultCacheBehavior") or {}, *((config.get("CacheBehaviors") or {}).get("Items") or [])]
    found |= {str(one.get("FunctionARN")).split("/")[-1] for behavior in behaviors for one in (behavior.get("FunctionAssociations") or {}).get("Items") or []}
    found.add(str((config.get("ViewerCertificate") or {}).get("ACMCertificateArn") or "").split("/")[-1])
    found |= set(str(config.get("WebACLId") or "").split("/")[-2:])
    return found - {""}


def _distribution(ctx: Context, name: str) -> Mapping[str, Any]:
    return ctx.once(("distribution", name), lambda: ctx.client("cloudfront").get_distribution(Id=name)["Distribution"])
