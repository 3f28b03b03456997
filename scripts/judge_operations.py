"""Judges AWS operations by the shapes of their requests and answers.

    python scripts/judge_operations.py

prints a line for each property of a read for which somebody must decide whether the tool may use the operation:

    SERVICE:OPERATION  KIND  SUBJECT

SERVICE and OPERATION are botocore's names; in lines of the kind action, those of IAM. The kinds are:

    secret      a member of the answer is named like a secret: "SHAPE.MEMBER"
    sensitive   the model marks a member of the answer as sensitive: "SHAPE.MEMBER"
    documented  the documentation of a member of the answer mentions a secret: "SHAPE.MEMBER"
    person      a member of the answer is named like personal data: "SHAPE.MEMBER"
    link        a member of the answer is a link that grants access: "SHAPE.MEMBER"
    text        a member of the answer is named like content: "SHAPE.MEMBER"
    payload     the answer contains bytes that the model does not describe: "SHAPE.MEMBER"
    sibling     the operation reads the same thing as a denied operation, such as one instead of many: "OPERATION"
    action      an IAM action that no operation of botocore needs reads the same thing as a denied one: "ACTION"
    shared      the answer contains a structure that a denied operation also returns: "SHAPE"
    fetch       AWS fetches a URL that a member of the request contains: "SHAPE.MEMBER"
    store       a member of the request is a place in which AWS stores a result: "SHAPE.MEMBER"
    change      the operation's documentation says that it creates, starts, or requests something: "OPERATION"
    verb        the operation's name does not begin with the verb of a read: "OPERATION"
    content     the operation's name ends like content, not like metadata: "OPERATION"
    charge      the operation's documentation mentions a charge: "OPERATION"

Standard input is a list of IAM actions, with wildcards, one per line, that are denied. Denied operations are not
judged. A test of internal/broker compares the lines with testdata/reviewed.json. It fails if a line is not reviewed, so
a new version of botocore, or of ReadOnlyAccess, cannot add such a read unnoticed.

The judgment cannot see everything. What an operation costs is not in the models, and a secret in a member with a
harmless name, such as a map of settings, is only found if the documentation mentions it.
"""

import fnmatch
import re
import sys
from typing import Any, Dict, Iterable, Iterator, List, Pattern, Set, Tuple

import broker_tables
from botocore.loaders import Loader

Shapes = Dict[str, Any]
Line = Tuple[str, str, str]

# The names are compared as lower-case words: "HECToken" is "hec token".
SECRET = re.compile(
    r"\b(pass ?word|pass ?wd|pass ?phrase|pass ?code|secret|token|credential|jwt|otp|seed|cookie|webhook url)s?\b|"
    r"\b(private|auth|api|access|session|stream|shared|signing|license|activation|master|root|app|nwk|[a-z] key|static|decryption|int|enc) keys?( value)?\b"
)
# Names of references to secrets, of their properties, and of tokens that only select a page or prevent a second change.
NO_SECRET = re.compile(
    r"^(?:.* )?(?:arns?|ids?|names?|prefix|endpoints?|(?<!webhook )urls?|type|policy|version|algorithm|methods|scopes|audiences|domains)$|"
    r"^(?:.* )?(?:next|previous|page|pagination|continuation|backward|forward|marker) (?:page )?token$|"
    r"^(?:.* )?(?:client|request|update|lock|version|idempotency|creation|change|conditional|sequence) token$|"
    r"^(?:.* )?kms .*keys?$|^http tokens$"
)
# Names of members that many services mark as sensitive without a reason that matters here: investigations need them.
NOT_TELLING = re.compile(
    r"^(?:.* )?(?:names?|description|title|tags?|arns?|ids?|types?|status|state|next token|status message|version|comments?|country|message|error|cause|reason|ip address(?: v \d)?)$"
)
VALUE = re.compile(r"^(?:value|values|data|content|text|string|key|payload|plain ?text)$")  # the secret, in a structure named like one
SECRET_TEXT = re.compile(r"(?i)client[_ ]secret|\bpasswords?\b|passphrase|\bsecret (?:access )?keys?\b|\bapi keys?\b|\bauth(?:entication|orization)? tokens?\b|\baccess tokens?\b|private key")
PERSON = re.compile(r"\b(e ?mail|phone|telephone|mobile|fax|first name|last name|given name|surname|family name|full name|birth|street|zip code|postal code|address line)\b")
TEXT = re.compile(r"^(?:.* )?(?:transcripts?|utterances?|conversations?|body|contents?|snippets?|rows|code block|source code|activation code)$")
LINK = re.compile(r"\b(url|uri|link|location)s?\b")
LINK_TEXT = re.compile(r"(?i)pre-?signed|signed url|download|expire|temporary|valid for|you can use (?:this|the) ur[il]|to access (?:the|your)")
FILE_LINK = re.compile(r"\b(url|zip)s?$")
FILE_LINK_TEXT = re.compile(r"(?i)\b(where you can|archive|artifact|logs for|attachment)s?\b")  # such links are often signed, whether documented or not
FETCH = re.compile(r"\bur[il]s?$")
FETCH_TEXT = re.compile(r"(?i)\bhttps? (?:or https? )?ur[il]|\bur[il] (?:of|for|from|to)\b")
STORE_TEXT = re.compile(r"(?i)\bto (?:store|save|write) the (?!object\b)")
CHANGE = re.compile(
    r"(?i)^\W*(?:this (?:operation|action) )?(?:creates|generates|sends|starts|initiates|requests|tests)\b|\b(?:returns or|will) creates?\b"
)
TAG = re.compile(r"<[^>]+>")
CONTENT = re.compile(
    r"(Data|Exports?|Ur[il]s?|Content|Results?|Messages?|Transcripts?|Samples?|Records?|Item|Values?|Artifacts?|LogEvents|Uploads?|Dashboard\w*|Output|"
    r"Body|Document|Object|Thumbnails?|Token|Credentials?|Secrets?|Password|Conversations?|Ranking)$"
)
CHARGE = re.compile(r"(?i)\bbilled\b|\bincurs?\b|\bcharges?\b")
PRESIGNED = re.compile(r"(?i)pre-?signed")
VERB = re.compile(r"^(BatchGet|BatchDescribe|Get|List|Describe|Head|Search|Select|Query|Read|Scan)")
READS = ("Get", "List", "Describe", "BatchGet", "BatchDescribe", "Head")
PROPERTIES = ("Tag", "KeyValuePair", "VpcConfig")  # structures that many operations of a service return
# An operation with more structures than this, such as sagemaker:Search, returns a bit of everything. Which structures
# it shares with others tells nothing.
MANY_STRUCTURES = 60


def main() -> None:
    denied = [line.strip() for line in sys.stdin if line.strip()]
    sources = broker_tables.load_sources()
    loader = Loader()
    models = {name: loader.load_service_model(name, "service-2") for name in loader.list_available_services("service-2")}
    for line in judge(models, sources, denied):
        print("\t".join(line))


def judge(models: Dict[str, Any], sources: broker_tables.Sources, denied: Iterable[str]) -> Iterator[Line]:
    """Yields the lines for all reads that are part of ReadOnlyAccess and not denied."""
    denied = list(denied)
    patterns = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in denied))
    operated: Set[str] = set()
    for name, model in models.items():
        operated |= {action.lower() for _, _, _, action in broker_tables.classified(name, model, sources)}
        yield from judge_service(name, model, sources, patterns)
    yield from judge_actions(sources, denied, patterns, operated)


def judge_actions(sources: broker_tables.Sources, denied: List[str], patterns: Pattern[str], operated: Set[str]) -> Iterator[Line]:
    """Yields the lines of the kind action. The broker refuses requests for such actions, but the role allows them."""
    nouns = {(prefix, noun(action)) for prefix, _, action in (pattern.partition(":") for pattern in denied)}
    for prefix, actions in sources.actions.items():
        for action in actions.values():
            name = action["name"]
            full = f"{prefix}:{name}".lower()
            if (prefix, noun(name)) in nouns and sources.read_only.match(full) and not patterns.match(full) and full not in operated:
                yield f"{prefix}:{name}", "action", name


def judge_service(name: str, model: Dict[str, Any], sources: broker_tables.Sources, denied: Pattern[str]) -> Iterator[Line]:
    shapes = model["shapes"]
    passing: Dict[str, Any] = {}
    shared: Set[str] = set()
    nouns: Set[str] = set()
    for operation, described, level, action in broker_tables.classified(name, model, sources):
        if denied.match(action.lower()):
            nouns |= {noun(operation), noun(action.partition(":")[2])}
            returned = structures(shapes, described)
            if len(returned) <= MANY_STRUCTURES:
                shared |= returned
        elif level in "RL":
            passing[operation] = described
    for operation, described in sorted(passing.items()):
        kinds = {("sibling", operation)} if noun(operation) in nouns else set()
        for kind, subject in sorted(kinds.union(properties(shapes, operation, described, shared))):
            yield f"{name}:{operation}", kind, subject


def noun(operation: str) -> str:
    """Returns the name of an operation without its verb, its version, and the plural."""
    name = re.sub(r"V\d$", "", VERB.sub("", operation))
    return re.sub(r"s$", "", re.sub(r"ies$", "y", name))


def properties(shapes: Shapes, operation: str, described: Dict[str, Any], shared: Set[str]) -> Iterator[Tuple[str, str]]:
    documentation = described.get("documentation", "")
    if not operation.startswith(READS):
        yield "verb", operation
    if CONTENT.search(operation):
        yield "content", operation
    if CHARGE.search(documentation):
        yield "charge", operation
    if PRESIGNED.search(documentation):
        yield "link", operation
    if CHANGE.search(TAG.sub("", documentation)):
        yield "change", operation
    for shape, member, reference in members(shapes, described.get("input")):
        if is_text(shapes, reference) and (FETCH.search(words(member)) or FETCH_TEXT.search(reference.get("documentation", ""))):
            yield "fetch", f"{shape}.{member}"
        if is_text(shapes, reference) and STORE_TEXT.search(reference.get("documentation", "")):
            yield "store", f"{shape}.{member}"
    for shape in outermost(shapes, described.get("output"), shared):
        yield "shared", shape
    answer = list(members(shapes, described.get("output")))
    holders = {innermost_name(shapes, reference) for _, member, reference in answer if is_secret(member)}
    for shape, member, reference in answer:
        for kind in member_kinds(shapes, shape in holders, bool(shapes[shape].get("sensitive")), member, reference):
            yield kind, f"{shape}.{member}"


def is_secret(member: str) -> bool:
    """Reports whether a member is named like a secret."""
    name = words(member)
    return bool(SECRET.search(name)) and not NO_SECRET.search(name)


def member_kinds(shapes: Shapes, in_secret: bool, in_sensitive: bool, member: str, reference: Dict[str, Any]) -> Iterator[str]:
    """Yields the kinds that apply to one member of an answer, whose structure may be named like a secret or sensitive."""
    if not is_text(shapes, reference):
        return
    name, text = words(member), reference.get("documentation", "")
    if is_secret(member) or in_secret and VALUE.search(name):
        yield "secret"
    elif (in_sensitive or is_sensitive(shapes, reference)) and not NOT_TELLING.search(name):
        yield "sensitive"
    elif SECRET_TEXT.search(text) and not NO_SECRET.search(name):
        yield "documented"
    if PERSON.search(name):
        yield "person"
    if TEXT.search(name):
        yield "text"
    if PRESIGNED.search(text) or LINK.search(name) and LINK_TEXT.search(text) or FILE_LINK.search(name) and FILE_LINK_TEXT.search(text):
        yield "link"
    if innermost(shapes, reference)["type"] == "blob":
        yield "payload"


def words(name: str) -> str:
    """Returns a name in camel case as lower-case words."""
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()


def members(shapes: Shapes, reference: Any) -> Iterator[Tuple[str, str, Dict[str, Any]]]:
    """Yields the structure, the name, and the reference of each member below a shape."""
    seen: Set[str] = set()
    stack = [reference["shape"]] if reference else []
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        shape = shapes[name]
        if shape["type"] == "list":
            stack.append(shape["member"]["shape"])
        elif shape["type"] == "map":
            stack.append(shape["value"]["shape"])
        for member, described in shape.get("members", {}).items():
            yield name, member, described
            stack.append(described["shape"])


def structures(shapes: Shapes, described: Dict[str, Any]) -> Set[str]:
    """Returns the structures of an operation's answer."""
    return {shape for shape, _, _ in members(shapes, described.get("output"))}


def outermost(shapes: Shapes, reference: Any, wanted: Set[str]) -> Set[str]:
    """Returns the wanted structures below a shape that are not part of another wanted structure."""
    found: Set[str] = set()
    seen: Set[str] = set()
    stack = [reference["shape"]] if reference else []
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        shape = shapes[name]
        if name in wanted and name not in PROPERTIES:
            found.add(name)
            continue
        inner = [member["shape"] for member in shape.get("members", {}).values()]
        inner += [shape[part]["shape"] for part in ("member", "value") if part in shape]
        stack += inner
    return found


def innermost_name(shapes: Shapes, reference: Dict[str, Any]) -> str:
    """Returns the name of the shape of the elements of lists and of the values of maps."""
    name: str = reference["shape"]
    for _ in range(8):  # no list of botocore is nested deeper, and a recursive one must end
        shape = shapes[name]
        if shape["type"] not in ("list", "map"):
            break
        name = shape["member" if shape["type"] == "list" else "value"]["shape"]
    return name


def innermost(shapes: Shapes, reference: Dict[str, Any]) -> Dict[str, Any]:
    shape: Dict[str, Any] = shapes[innermost_name(shapes, reference)]
    return shape


def is_text(shapes: Shapes, reference: Dict[str, Any]) -> bool:
    shape = innermost(shapes, reference)
    return shape["type"] == "blob" or shape["type"] == "string" and not shape.get("enum")


def is_sensitive(shapes: Shapes, reference: Dict[str, Any]) -> bool:
    return bool(reference.get("sensitive") or shapes[reference["shape"]].get("sensitive") or innermost(shapes, reference).get("sensitive"))


if __name__ == "__main__":
    main()
