"""S3 buckets: policy status, encryption, notifications, and request numbers where request metrics are on."""

from typing import Iterator, List

from ..context import Context, Metric, Observation
from ..looks import metrics, stack_events

KIND = "S3 bucket"
READS = ("s3:GetBucketPolicyStatus", "s3:GetEncryptionConfiguration", "s3:GetBucketNotification",
         "s3:GetLifecycleConfiguration", "cloudwatch:GetMetricData", "cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents")
COST = "five metrics of GetMetricData, and four S3 requests"


def targets(metric: Metric) -> List[str]:
    name = metric.dimension("BucketName")
    return [name] if name and metric.is_of("AWS/S3") else []


def encryption(ctx: Context, name: str) -> Iterator[Observation]:
    try:
        found = ctx.client("s3").get_bucket_encryption(Bucket=name).get("ServerSideEncryptionConfiguration") or {}
    except Exception as error:
        if "ServerSideEncryptionConfigurationNotFound" in str(error):
            return
        raise
    for rule in found.get("Rules") or []:
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        yield Observation(f"{KIND} {name}", "configuration", f"default encryption {default.get('SSEAlgorithm')} "
                                                             f"{default.get('KMSMasterKeyID') or ''}".rstrip(), 25)


def policy(ctx: Context, name: str) -> Iterator[Observation]:
    client, about = ctx.client("s3"), f"{KIND} {name}"
    try:
        public = (client.get_bucket_policy_status(Bucket=name).get("PolicyStatus") or {}).get("IsPublic")
    except Exception as error:
        if "NoSuchBucketPolicy" not in str(error):
            raise
        yield Observation(about, "configuration", "it has no bucket policy", 30)
        return
    yield Observation(about, "configuration", f"its bucket policy is {'public' if public else 'not public'}", 60 if public else 15)


def notifications(ctx: Context, name: str) -> Iterator[Observation]:
    found = ctx.client("s3").get_bucket_notification_configuration(Bucket=name)
    for key, label in (("LambdaFunctionConfigurations", "LambdaFunctionArn"), ("QueueConfigurations", "QueueArn"), ("TopicConfigurations", "TopicArn")):
        for item in found.get(key) or []:
            yield Observation(f"{KIND} {name}", "dependency", f"it notifies {item.get(label)} of {', '.join(item.get('Events') or [])}", 35)


def lifecycle(ctx: Context, name: str) -> Iterator[Observation]:
    try:
        rules = ctx.client("s3").get_bucket_lifecycle_configuration(Bucket=name).get("Rules") or []
    except Exception as error:
        if "NoSuchLifecycleConfiguration" in str(error):
            return
        raise
    expiring = [r.get("ID") or "unnamed" for r in rules if r.get("Status") == "Enabled"
                and not {"Days", "Date"}.isdisjoint(r.get("Expiration") or {})]  # not those that only remove delete markers
    if expiring:
        yield Observation(f"{KIND} {name}", "configuration", f"objects expire by lifecycle rules {', '.join(expiring)}", 35)


def numbers(ctx: Context, name: str) -> Iterator[Observation]:
    request_filter = next((dict(m.dimensions).get("FilterId") for m in ctx.metrics if m.dimension("BucketName") == name and m.dimension("FilterId")), "EntireBucket")
    yield from metrics(ctx, f"{KIND} {name}", "AWS/S3", {"BucketName": name, "FilterId": request_filter}, (
        ("requests", "AllRequests", "Sum", 50), ("client errors", "4xxErrors", "Sum", 65), ("server errors", "5xxErrors", "Sum", 75),
        ("highest first byte latency in ms", "FirstByteLatency", "Maximum", 55), ("bytes downloaded", "BytesDownloaded", "Sum", 40)))


def deployments(ctx: Context, name: str) -> Iterator[Observation]:
    yield from stack_events(ctx, f"{KIND} {name}", name, "AWS::S3::Bucket")


LOOKS = (encryption, policy, notifications, lifecycle, numbers, deployments)
