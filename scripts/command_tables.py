"""Generates the tables by which package command tells reads of AWS from changes.

    python scripts/command_tables.py OUT

reads internal/broker/tables/operations.txt, the groups of sensitive actions in internal/toolpolicy/denied.go and
e2e/permissions/sensitive.json, the reviewed members of answers in internal/broker/testdata/reviewed.json, and the models
of botocore, and writes two files into the directory OUT. reads.txt has one line per service and kind of operation. An
operation that is in no line of R, S, or M is not known to be a read:

    R SERVICE NAME ...    reads
    S SERVICE NAME ...    reads that return credentials, secrets, or links that grant access
    M SERVICE NAME ...    reads whose answer often contains secrets: environment variables, code, and output of hosts
    C SERVICE NAME ...    other operations that return credentials, secrets, or links that grant access

An operation returns such a thing if its IAM action is denied for that reason, or if its model says so: see shows_secrets.

operations.txt has one line per operation of the AWS CLI whose name does not tell its effect:

    W NAME    a name that sounds like a read, but the operation changes something in at least one service
    P NAME    the operation changes permissions in at least one service
    F SERVICE NAME    the AWS CLI writes the answer to the file that its last argument names
    B SERVICE NAME OPTION    the value of this option names a file whose content the AWS CLI sends

The names of the first two kinds do not carry a service, so a name counts as a change if it is one in any service. The other
kinds come from the models of botocore.
"""

import collections
import fnmatch
import json
import pathlib
import re
import sys
from typing import Any, Dict, Iterator, List, Set, Tuple

import botocore.session
import judge_operations
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import Shape

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The verbs that internal/command/aws.go takes for reads.
READS = ("describe-", "list-", "get-", "batch-get-", "batch-describe-", "search", "query", "count-", "scan", "lookup-",
         "check-", "select-", "simulate-", "preview-", "head-", "filter-", "estimate-", "view-", "download-", "admin-get-", "admin-list-")


# Names of services in the AWS CLI that differ from botocore's.
CLI_NAMES = {"s3": "s3api", "codedeploy": "deploy", "config": "configservice"}
# Log lines, events, and traces are texts of programs, which may contain anything. They get no warning of secrets.
TEXTS_OF_PROGRAMS = ("logs:", "cloudtrail:", "xray:")
# Names of members with their types that hold environment variables, settings like them, user data, and commands.
VARIABLES = re.compile(r"(?i)(?:runtime|default|container|additional)?(?:environment(?:variables|overrides|vars)?|stagevariables|envvars|variables)=(?:map|list)"
                       r"|(?:airflowconfigurationoptions|(?:origin|target)connectorconfiguration)=map"
                       r"|(?:userdata|buildspec|startupscript|startcommand|buildcommand)=(?:string|blob|structure)")
# Names of members with their types that hold code, wherever they occur.
CODE = re.compile(r"(?:dockerfileTemplateData|appTemplateBody|recipe|PythonScript|ScalaCode|initializationScript|attackScript|ApplicationCode|TextContent"
                  r"|PipelineDefinition|WorkflowDefinition|mappingTemplate|(?:request|response)MappingTemplate|PayloadData)=(?:string|blob)"
                  r"|(?:[Rr]equest|[Rr]esponse)Templates=map")
# Members that hold code or settings, and whose names mean something else elsewhere, such as the code of an error.
CODE_OF_SHAPES = {
    "amp": {"AlertManagerDefinitionDescription.data"},
    "appsync": {"Resolver.code"},
    "bedrock-agent": {"InlineCodeFlowNodeConfiguration.code"},
    "bedrock-agent-runtime": {"CodeInterpreterInvocationInput.code", "GetExecutionFlowSnapshotResponse.definition"},
    "cloudformation": {"TypeConfigurationDetails.Configuration"},
    "codeguru-security": {"CodeLine.content", "SuggestedFix.code"},
    "connect": {"ContactFlow.Content", "ContactFlowModule.Content"},
    "glue": {"Statement.Code"},
    "imagebuilder": {"Component.data", "GetMarketplaceResourceResponse.data", "Workflow.data"},
    "iot": {"DescribeJobTemplateResponse.document", "DescribeManagedJobTemplateResponse.document", "GetJobDocumentResponse.document"},
    "mq": {"DescribeConfigurationRevisionResponse.Data"},
    "omics": {"GetRunResponse.definition", "GetWorkflowResponse.definition", "GetWorkflowVersionResponse.definition"},
    "ssm": {"PatchSource.Configuration"},
    "stepfunctions": {"DescribeStateMachineForExecutionOutput.definition"},
}
# Names of members that scripts/judge_operations.py takes for secrets or links, but that grant no access: tokens that select
# a part of an answer, identifiers, names of fields, DNS records, certificates, and addresses that the customer chose.
NO_ACCESS = re.compile(
    r"\b(?:block|chunk|feedback|configuration|checkpoint|sync session|next message|work unit|term|syntax|dkim|verification|"
    r"copy product|portfolio share|retrieval|registration|preview|task) tokens?$|\bcertificate\b|\bselection expression$|"
    r"\btoken (?:reference|url parameters map)$|\bstring key$|\bxpath$|\bredirect location$|\btarget locations url$"
)
REVISION = re.compile(r"(?i)identifier (?:for|of) the current revision")
# Members that are sensitive, by the model, and whose names say that they grant access.
GRANTS_ACCESS = re.compile(r"\b(?:connection string|activation code|specific key|embed url|authorization url|o auth authorization url)$")
KEY_SHAPE = re.compile(r"(?i)key")
ADDRESS = re.compile(r"^(?:Get|Create|Generate).*(?:Ur[il]|UR[IL])s?$")
# Texts of links that grant access, most of them for some time.
SIGNED = re.compile(r"(?i)pre-?signed|signed url|temporary (?:download )?ur[il]|expire|valid for|download")
# The reasons in reviewed.json of members that can hold a secret or a link that grants access.
CAN_HOLD = ("investigations need it; it can hold a secret, which the redaction has to recognize",
            "investigations need it; it can be a signed link, whose signature the redaction has to recognize")
# Those that AWS returns masked or not at all, or only until a cluster outside of AWS is connected.
MASKED = re.compile(r"(?:Master|Admin)\w*Password$|\.ClientSecret$|\.SharedSecret$|\.activationCode$")

# Reads of the same settings, parameters, or arguments as a sibling of kind M, in members without a name that says so: the
# recorded configuration of any resource, the parameters and outputs of stacks and of their templates, the properties
# of their resources, the arguments of jobs.
SIBLINGS = {
    "appconfig": {"get-configuration"},
    "appconfigdata": {"get-latest-configuration"},
    "cloudformation": {"describe-change-set", "describe-events", "describe-stack-events", "describe-stack-instance", "describe-stack-resource",
                       "describe-stack-resource-drifts", "get-template-summary", "list-stack-instance-resource-drifts"},
    "configservice": {"batch-get-aggregate-resource-config", "batch-get-resource-config", "get-aggregate-resource-config",
                      "get-resource-config-history", "select-aggregate-resource-config", "select-resource-config"},
    "glue": {"get-job-run", "get-job-runs", "get-workflow", "get-workflow-run", "get-workflow-runs", "batch-get-workflows",
             "get-trigger", "get-triggers", "batch-get-triggers", "get-blueprint-run", "get-blueprint-runs"},
    "emr": {"list-bootstrap-actions", "list-steps"},
    "gamelift": {"describe-runtime-configuration"},
    "servicecatalog": {"describe-record", "get-provisioned-product-outputs"},
}


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
    secrets, may_hold = shows_secrets()
    found: Dict[Tuple[str, str], List[str]] = collections.defaultdict(list)
    for service, name, level, action in operations():
        group = next((group for group, actions in groups.items() if any(fnmatch.fnmatchcase(action, a) for a in actions)), "")
        if not name.startswith(READS) or level not in "RLOP!":
            if (service, name) in secrets:
                found[service, "C"].append(name)
            continue
        if level == "!" or group in ("credentialReads", "neverReads") or (service, name) in secrets:
            kind = "S"
        elif group == "sideEffects":
            continue
        elif group in ("codeReads", "hostReads", "F") and not action.startswith(TEXTS_OF_PROGRAMS) or (service, name) in variables | may_hold \
                or name in SIBLINGS.get(service, ()):
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


def shows_secrets() -> Tuple[Set[Tuple[str, str]], Set[Tuple[str, str]]]:
    """Returns the operations whose answer has secrets or links that grant access, and those whose answer may hold some.

    The names of members, their sensitive trait, and the documentation of members and operations decide. A member that
    somebody reviewed for the broker is only judged by its review, unless its documentation mentions a signed URL.
    """
    reviewed = json.loads((ROOT / "internal" / "broker" / "testdata" / "reviewed.json").read_text())
    if not set(CAN_HOLD) <= set(reviewed):
        sys.exit("reviewed.json has other reasons for members that can hold a secret now; change this script")
    loader = Loader()
    secrets, may_hold = set(), set()
    for service in loader.list_available_services("service-2"):
        model = loader.load_service_model(service, "service-2")
        harmless = {subject for services in reviewed.values() for subject in services.get(service, "").split()}
        holding = {subject for reason in CAN_HOLD for subject in reviewed[reason].get(service, "").split() if not MASKED.search(subject)}
        for name, described in model["operations"].items():
            key = (CLI_NAMES.get(service, service), xform_name(name, "-"))
            if returns_secret(model["shapes"], name, described, harmless):
                secrets.add(key)
            elif any(f"{shape}.{member}" in holding for shape, member, _ in judge_operations.members(model["shapes"], described.get("output"))):
                may_hold.add(key)
    return secrets, may_hold


def returns_secret(shapes: Dict[str, Any], operation: str, described: Dict[str, Any], harmless: Set[str]) -> bool:
    """Reports whether the answer of an operation has a secret or a link that grants access."""
    answer = [
        (shape, member, reference)
        for shape, member, reference in judge_operations.members(shapes, described.get("output"))
        if not NO_ACCESS.search(judge_operations.words(member)) and not shape.endswith("SourceOptions") and not REVISION.search(reference.get("documentation", ""))
    ]
    holders = {judge_operations.innermost_name(shapes, reference) for _, member, reference in answer if judge_operations.is_secret(member)}
    signs = bool(judge_operations.PRESIGNED.search(described.get("documentation", "")))
    for shape, member, reference in answer:
        if not judge_operations.is_text(shapes, reference):
            continue
        name, text = judge_operations.words(member), reference.get("documentation", "")
        is_link = bool(judge_operations.LINK.search(name))
        if is_link and judge_operations.PRESIGNED.search(member + " " + text):
            return True
        if operation in harmless or f"{shape}.{member}" in harmless:
            continue
        if is_link and (signs or SIGNED.search(text) or ADDRESS.search(operation)):
            return True
        if judge_operations.is_secret(member) or shape in holders and judge_operations.VALUE.search(name):
            return True
        if judge_operations.is_sensitive(shapes, reference) and (GRANTS_ACCESS.search(name) or name == "key" and KEY_SHAPE.search(shape)):
            return True
    return False


def shows_variables() -> Set[Tuple[str, str]]:
    """Returns the operations whose answer has variables of an environment, user data, commands of a build, or code."""
    session = botocore.session.get_session()
    found, seen = set(), set()
    for service in session.get_available_services():
        model = session.get_service_model(service)
        for name in model.operation_names:
            output = model.operation_model(name).output_shape
            if output is None:
                continue
            for shape, member in members(output, set()):
                of_shape = f"{shape}.{member.split('=')[0]}"
                if of_shape in CODE_OF_SHAPES.get(service, ()):
                    seen.add((service, of_shape))
                elif not VARIABLES.fullmatch(member) and not CODE.fullmatch(member):
                    continue
                found.add((CLI_NAMES.get(service, service), xform_name(name, "-")))
    unknown = {(service, member) for service, listed in CODE_OF_SHAPES.items() for member in listed} - seen
    if unknown:
        sys.exit(f"no answer has the members {sorted(unknown)} now; change CODE_OF_SHAPES")
    return found


def members(shape: Shape, seen: Set[str]) -> Iterator[Tuple[str, str]]:
    """Yields the names of all members of a shape with their types, and with the name of the structure that they are in.

    A member Environment without a structure has variables.
    """
    if shape.name in seen:
        return
    seen.add(shape.name)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield shape.name, f"{name}={member.type_name}"
            yield from members(member, seen)
    elif shape.type_name == "list":
        yield from members(shape.member, seen)
    elif shape.type_name == "map":
        yield from members(shape.value, seen)


def streams() -> List[str]:
    """Returns the operations whose answer is a stream, which the AWS CLI always writes to a file, and the options that are streams."""
    session = botocore.session.get_session()
    found = []
    for service in session.get_available_services():
        model = session.get_service_model(service)
        for name in model.operation_names:
            if model.operation_model(name).has_streaming_output:
                found.append(f"F {'s3api' if service == 's3' else service} {xform_name(name, '-')}\n")
            sent = model.operation_model(name).input_shape
            for member, shape in (sent.members if sent else {}).items():
                if shape.serialization.get("streaming"):
                    found.append(f"B {'s3api' if service == 's3' else service} {xform_name(name, '-')} --{xform_name(member, '-')}\n")
    return sorted(found)


if __name__ == "__main__":
    main()
