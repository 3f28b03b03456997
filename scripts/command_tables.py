"""Generates the tables by which package command tells reads of AWS from changes.

    python scripts/command_tables.py OUT

reads internal/broker/tables/operations.txt, the groups of sensitive actions in internal/toolpolicy/denied.go and
e2e/permissions/sensitive.json, and the models of botocore, and writes two files into the directory OUT. reads.txt has one line per service and kind of read. An operation that is in no line is not known to be a read:

    R SERVICE NAME ...    reads
    S SERVICE NAME ...    reads that return credentials, secrets, or links that grant access
    M SERVICE NAME ...    reads whose answer often contains secrets: environment variables, code, and output of hosts

operations.txt has one line per operation of the AWS CLI whose name does not tell its effect:

    W NAME    a name that sounds like a read, but the operation changes something in at least one service
    P NAME    the operation changes permissions in at least one service
    F SERVICE NAME    the AWS CLI writes the answer to the file that its last argument names

The names of the first two kinds do not carry a service, so a name counts as a change if it is one in any service. The last
kind comes from the models of botocore.
"""

import collections
import fnmatch
import json
import pathlib
import re
import sys
from typing import Dict, Iterator, List, Set, Tuple

import botocore.session
from botocore import xform_name
from botocore.model import Shape

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The verbs that internal/command/aws.go takes for reads.
READS = ("describe-", "list-", "get-", "batch-get-", "batch-describe-", "search-", "query", "count-", "scan", "lookup-",
         "check-", "select-", "simulate-", "preview-", "head-", "filter-", "estimate-", "view-")


# Names of services in the AWS CLI that differ from botocore's.
CLI_NAMES = {"s3": "s3api", "codedeploy": "deploy", "config": "configservice"}
# Log lines, events, and traces are texts of programs, which may contain anything. They get no warning of secrets.
TEXTS_OF_PROGRAMS = ("logs:", "cloudtrail:", "xray:")
# Names of members with their types that hold environment variables, user data, and commands.
VARIABLES = re.compile(r"(?i)(?:runtime|default)?(?:environment(?:variables|overrides|vars)?|stagevariables|envvars|variables)=(?:map|list)"
                       r"|(?:userdata|buildspec|startupscript|startcommand|buildcommand)=(?:string|blob|structure)")


def main() -> None:
    levels: Dict[str, Set[str]] = collections.defaultdict(set)
    for _, name, level, _ in operations():
        levels[name].add(level)
    lines = []
    for name, found in sorted(levels.items()):
        if name.startswith(READS):
            # IAM counts some reads of policies as permissions management.
            if "W" in found:
                lines.append(f"W {name}\n")
        elif "P" in found:
            lines.append(f"P {name}\n")
    out = pathlib.Path(sys.argv[1])
    (out / "operations.txt").write_text("".join(lines + streams()))
    (out / "reads.txt").write_text("".join(reads()))


def operations() -> Iterator[Tuple[str, str, str, str]]:
    """Yields the service, the name, the level, and the IAM action of each operation, the first two as in the AWS CLI."""
    service = prefix = ""
    for line in (ROOT / "internal" / "broker" / "tables" / "operations.txt").read_text().splitlines():
        if not line:
            continue
        fields = line.split("\t")
        if line.startswith("@"):
            service, prefix = fields[0][1:], fields[2]
            service = CLI_NAMES.get(service, service)
            continue
        name, level, action = fields[0], fields[1], (fields + [""])[2] or fields[0]
        yield service, xform_name(name, "-"), level, action if ":" in action else f"{prefix}:{action}"


def reads() -> List[str]:
    """Returns the lines of reads.txt."""
    groups = sensitive_actions()
    variables = shows_variables()
    found: Dict[Tuple[str, str], List[str]] = collections.defaultdict(list)
    for service, name, level, action in operations():
        group = next((group for group, actions in groups.items() if any(fnmatch.fnmatchcase(action, a) for a in actions)), "")
        if not name.startswith(READS) or level not in "RLOP!":
            continue
        if level == "!" or group in ("credentialReads", "neverReads"):
            kind = "S"
        elif group == "sideEffects":
            continue
        elif group in ("codeReads", "hostReads", "F") and not action.startswith(TEXTS_OF_PROGRAMS) or (service, name) in variables:
            kind = "M"
        else:
            kind = "R"
        found[service, kind].append(name)
    return [f"{kind} {service} {' '.join(sorted(names))}\n" for (service, kind), names in sorted(found.items())]


def sensitive_actions() -> Dict[str, List[str]]:
    """Returns the groups of denied.go, and group F of sensitive.json: what is allowed although it often has secrets."""
    text = (ROOT / "internal" / "toolpolicy" / "denied.go").read_text()
    groups = {}
    for name, body in re.findall(r"^var (\w+) = Actions\{\n(.*?)^\}", text, re.M | re.S):
        entries = re.findall(r'"([\w-]+)":\s+\{([^}]*)\}', body)
        groups[name] = [f"{service}:{action}" for service, actions in entries for action in re.findall(r'"([^"]+)"', actions)]
    for title, actions in json.loads((ROOT / "e2e" / "permissions" / "sensitive.json").read_text()).items():
        if title.startswith("F "):
            # The paths of API Gateway's API share one action. The models of botocore tell them apart.
            groups["F"] = [action for action in actions if action != "apigateway:GET"]
    if not {"credentialReads", "neverReads", "sideEffects", "codeReads", "hostReads", "F"} <= set(groups):
        sys.exit("the groups of sensitive actions have other names now; change this script")
    return groups


def shows_variables() -> Set[Tuple[str, str]]:
    """Returns the operations whose answer has variables of an environment, user data, or commands of a build."""
    session = botocore.session.get_session()
    found = set()
    for service in session.get_available_services():
        model = session.get_service_model(service)
        for name in model.operation_names:
            output = model.operation_model(name).output_shape
            if output is not None and any(VARIABLES.fullmatch(member) for member in members(output, set())):
                found.add((CLI_NAMES.get(service, service), xform_name(name, "-")))
    return found


def members(shape: Shape, seen: Set[str]) -> Iterator[str]:
    """Yields the names of all members of a shape. A member Environment without a structure has variables."""
    if shape.name in seen:
        return
    seen.add(shape.name)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield f"{name}={member.type_name}"
            yield from members(member, seen)
    elif shape.type_name == "list":
        yield from members(shape.member, seen)
    elif shape.type_name == "map":
        yield from members(shape.value, seen)


def streams() -> List[str]:
    """Returns the operations whose answer is a stream, which the AWS CLI always writes to a file."""
    session = botocore.session.get_session()
    found = []
    for service in session.get_available_services():
        model = session.get_service_model(service)
        for name in model.operation_names:
            if model.operation_model(name).has_streaming_output:
                found.append(f"F {'s3api' if service == 's3' else service} {xform_name(name, '-')}\n")
    return sorted(found)


if __name__ == "__main__":
    main()
