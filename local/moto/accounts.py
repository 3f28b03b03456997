"""Several accounts in one server, and sts:AssumeRole as AWS decides it.

A request belongs to the account of its access key. These keys exist without being created; their secret keys are arbitrary:

    AKIAROOT444455556666   the account 444455556666 itself, whose permissions are not limited
    AKIASERVICE000LAMBDA   the service lambda.amazonaws.com, which may assume the roles that trust it
    any other              the account 123456789012, as in moto, unless AssumeRole has returned the key

moto lets everybody assume every role, also roles that do not exist. Here, as in AWS, the role must exist, its trust policy must
allow the caller, and the policies of a caller that is a role or a user must allow it too, unless the trust policy of a role in the
same account names the caller. A request with the key of a role needs the session token of that key, and the header
x-amz-expected-bucket-owner of S3 must name the owner. A condition that this module does not know is an error, not a guess.
"""

import fnmatch
import json
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import unquote
from xml.sax.saxutils import escape

import moto.iam.models as iam_models
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import ServiceException
from moto.iam.models import iam_backends
from moto.organizations.models import organizations_backends
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse
from moto.utilities.utils import PARTITION_NAMES
from werkzeug.wrappers import Response

DEFAULT = "123456789012"
ROOT = re.compile(r"AKIAROOT(\d{12})")
SERVICE = re.compile(r"AKIASERVICE0*([A-Z]+)")
TEMPORARY = "ASIA"
HOSTED = "ASIAHOSTEDFUNCTION00"  # the key of a function of lambdahost that has no role
ROLE = re.compile(r"arn:(aws[\w-]*):iam::(\d{12}):role/(.+)")
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}")
CHAINED = 3600  # seconds: the longest session of a role that another role assumes
KEY = re.compile(r"Credential=([^/,\s]+)/")

_assume_role = TokenResponse.assume_role


class Invalid(ServiceException):
    code = "ValidationError"


class NotSimulated(ServiceException):
    """The stand-in cannot decide what AWS decides."""

    code = "NotSimulated"


class Caller(NamedTuple):
    """Who signed a request."""

    account: str
    arn: str  # of the session, the user, or the account
    principal: str  # of the role, the user, or the account
    policies: Optional[List[Dict[str, Any]]] = None  # None: not limited
    service: str = ""

    @property
    def is_session(self) -> bool:
        return ":assumed-role/" in self.arn


def account_of(key: str) -> str:
    """Takes the place of moto's function. It returns the account of an access key.

    moto's own function creates a backend for each partition, and loads all managed policies into each.
    """
    root = ROOT.fullmatch(key)
    if root:
        return root[1]
    for account, backends in list(iam_backends.items()):
        if any(key in backend.access_keys for backend in list(backends.values())):
            return account
    return DEFAULT_ACCOUNT_ID


def caller_of(key: str, account: str) -> Caller:
    service = SERVICE.fullmatch(key)
    if service:
        name = service[1].lower() + ".amazonaws.com"
        return Caller("", name, name, service=name)
    for partition in PARTITION_NAMES:
        session = next((s for s in _sessions(account, partition) if s.access_key_id == key), None)
        if session is not None:
            role = _role(session.role_arn)
            return Caller(account, session.arn, session.role_arn, list(_documents(role, iam_backends[account][partition])) if role else [])
        backend = iam_backends[account].get(partition)  # None if no request has used the partition
        user = backend.get_user_from_access_key_id(key) if backend else None
        if user is not None:
            return Caller(account, user.arn, user.arn, list(_documents(user, backend)))
    root = f"arn:aws:iam::{account}:root"
    return Caller(account, root, root)


def _sessions(account: str, partition: str) -> List[Any]:
    return list(sts_backends[account][partition].assumed_roles)


def _role(arn: str) -> Any:
    """Returns a role, or None if it does not exist."""
    parts = ROLE.fullmatch(arn)
    if not parts:
        return None
    return next((role for role in iam_backends[parts[2]][parts[1]].roles.values() if role.arn == arn), None)


def _documents(owner: Any, backend: Any) -> Iterator[Dict[str, Any]]:
    """Yields the policies of a role or a user."""
    inline = owner.policies.values() if isinstance(owner.policies, dict) else (p["policy_document"] for p in owner.policies)
    for text in inline:
        yield _parsed(text)
    for policy in owner.managed_policies.values():
        yield from (_parsed(version.document) for version in policy.versions if version.version_id == policy.default_version_id)


def _parsed(text: Any) -> Dict[str, Any]:
    return json.loads(unquote(text)) if isinstance(text, str) else dict(text or {})


def _list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _like(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _statements(documents: Iterable[Dict[str, Any]], effect: str) -> Iterator[Dict[str, Any]]:
    for document in documents:
        for statement in _list(document.get("Statement")):
            if statement.get("Effect") == effect:
                yield statement


def _has_action(statement: Dict[str, Any]) -> bool:
    patterns, negated = _list(statement.get("Action")), _list(statement.get("NotAction"))
    fits = any(_like(str(p).lower(), "sts:assumerole") for p in patterns or negated)
    return fits if patterns else bool(negated) and not fits


def _has_resource(statement: Dict[str, Any], arn: str) -> bool:
    patterns, negated = _list(statement.get("Resource")), _list(statement.get("NotResource"))
    fits = any(_like(str(p), arn) for p in patterns or negated)
    return fits if patterns else bool(negated) and not fits


def _trusts(statement: Dict[str, Any], caller: Caller) -> str:
    """Returns how a statement of a trust policy names the caller: "caller", "account", or "" if it does not."""
    if "NotPrincipal" in statement:
        raise NotSimulated("the stand-in does not know NotPrincipal in a trust policy")
    principal = statement.get("Principal")
    if principal == "*":
        return "account" if not caller.service else ""
    named = principal or {}
    if caller.service:
        return "caller" if caller.service in _list(named.get("Service")) else ""
    for one in map(str, _list(named.get("AWS"))):
        if one in (caller.principal, caller.arn):
            return "caller"
        if one in ("*", caller.account) or re.fullmatch(rf"arn:aws[\w-]*:iam::{caller.account}:root", one):
            return "account"
    return ""


def _organization(account: str) -> Dict[str, str]:
    """Returns the id and the path of an account's organization, as far as moto's Organizations knows them."""
    for of_account in list(organizations_backends.values()):
        for backend in list(of_account.values()):
            if backend.org is None or account not in [a.id for a in backend.accounts]:
                continue
            path, node = "", next(a for a in backend.accounts if a.id == account)
            while node is not None:
                parent = getattr(node, "parent_id", None)
                path = f"{parent}/{path}" if parent else path
                node = next((o for o in backend.ou if o.id == parent), None)
            return {"id": backend.org.id, "path": f"{backend.org.id}/{path}"}
    return {}


def _context(caller: Caller, role: str, external_id: Optional[str]) -> Dict[str, List[str]]:
    """Returns the condition keys of a request to assume a role, in lower case."""
    found: Dict[str, List[str]] = {"aws:resourceaccount": [role.split(":")[4]]}
    if not caller.service:
        found |= {"aws:principalarn": [caller.principal], "aws:principalaccount": [caller.account], "aws:principalisawsservice": ["false"]}
    else:
        found |= {"aws:principalisawsservice": ["true"]}
    if external_id:
        found["sts:externalid"] = [external_id]
    for side, account in (("principal", caller.account), ("resource", role.split(":")[4])):
        organization = _organization(account) if account else {}
        if organization:
            found |= {f"aws:{side}orgid": [organization["id"]], f"aws:{side}orgpaths": [organization["path"]]}
    return found


KNOWN_KEYS = ("aws:resourceaccount", "aws:principalarn", "aws:principalaccount", "aws:principalisawsservice", "sts:externalid", "aws:principalorgid",
              "aws:principalorgpaths", "aws:resourceorgid", "aws:resourceorgpaths", "aws:sourceaccount", "aws:sourcearn")
_LIKE = ("stringlike", "arnlike", "arnequals")


def _holds(conditions: Dict[str, Any], context: Dict[str, List[str]]) -> bool:
    for operator, keys in (conditions or {}).items():
        name = operator.lower().removeprefix("foranyvalue:").removesuffix("ifexists")
        negated = "not" in name
        plain = name.replace("not", "")
        if operator.lower().startswith("forallvalues:") or plain not in (*_LIKE, "stringequals", "bool", "null"):
            raise NotSimulated(f"the stand-in does not know the condition operator {operator}")
        for key, wanted in keys.items():
            if key.lower() not in KNOWN_KEYS:
                raise NotSimulated(f"the stand-in does not know the condition key {key}")
            have = context.get(key.lower())
            wanted = [str(w).lower() if isinstance(w, bool) else str(w) for w in _list(wanted)]
            if plain == "null":
                if (have is None) != (wanted == ["true"]):
                    return False
            elif have is None:
                if not operator.lower().endswith("ifexists") and not negated:
                    return False
            elif any(_like(w, h) if plain in _LIKE else w == h for w in wanted for h in have) == negated:
                return False
    return True


def may_assume(caller: Caller, role: Any, external_id: Optional[str]) -> bool:
    """Decides as IAM does whether a caller may assume a role."""
    context = _context(caller, role.arn, external_id)
    trust = [_parsed(role.assume_role_policy_document)]

    def named(effect: str) -> List[str]:
        return [how for s in _statements(trust, effect) if _has_action(s) and (how := _trusts(s, caller)) and _holds(s.get("Condition"), context)]

    def allowed(effect: str) -> bool:
        return any(_has_action(s) and _has_resource(s, role.arn) and _holds(s.get("Condition"), context)
                   for s in _statements(caller.policies or [], effect))

    trusted = named("Allow")
    if named("Deny") or not trusted or caller.policies is not None and allowed("Deny"):
        return False
    if caller.service or caller.policies is None:
        return True
    return "caller" in trusted and role.arn.split(":")[4] == caller.account or allowed("Allow")


def _denied(message: str) -> Tuple[int, Dict[str, Any], str]:
    """Returns STS's answer to a caller who may not assume a role, also if the role does not exist."""
    return 403, {"status": 403, "Content-Type": "text/xml"}, (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>denied</RequestId></ErrorResponse>")


def assume_role(self: TokenResponse) -> Any:
    arn, name, external_id = (self._get_param(key) or "" for key in ("RoleArn", "RoleSessionName", "ExternalId"))
    seconds = self._get_int_param("DurationSeconds", 3600)
    if not SESSION_NAME.fullmatch(name) or external_id and not EXTERNAL_ID.fullmatch(external_id):
        raise Invalid("1 validation error detected: RoleSessionName or ExternalId failed to satisfy constraint")
    caller, role = caller_of(self.get_access_key(), self.current_account), _role(arn)
    if role is None or not may_assume(caller, role, external_id or None):
        return _denied(f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}")
    if caller.is_session and seconds > CHAINED:
        raise Invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
    if not 900 <= seconds <= int(role.max_session_duration or 3600):
        raise Invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return _assume_role(self)


def _rejected(environ: Dict[str, Any]) -> str:
    """Returns why AWS does not accept the temporary key of a request, or an empty text."""
    signed = KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not signed or not signed[1].startswith(TEMPORARY) or signed[1] == HOSTED:
        return ""
    for account in list(sts_backends.values()):
        for partition in list(account.values()):
            for session in list(partition.assumed_roles):
                if session.access_key_id == signed[1]:
                    known = session.session_token == environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
                    return "" if known else "The security token included in the request is invalid."
    return "The security token included in the request is invalid."


def _is_other_owner(environ: Mapping[str, Any]) -> bool:
    """Reports whether a request expects another owner of its bucket than the real one."""
    expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    in_host = re.fullmatch(r"(.+)\.(?:localhost|s3[\w.-]*\.amazonaws\.com)(?::\d+)?", environ.get("HTTP_HOST", ""))
    bucket = in_host[1] if in_host else str(environ.get("PATH_INFO", "")).lstrip("/").partition("/")[0]
    owner = s3_backends.bucket_accounts.get(bucket)
    return bool(expected and owner and owner[1] != expected)


def around(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Returns an application that refuses temporary keys that AssumeRole did not return, keys without their token, and buckets of
    another owner than the expected one."""

    def serve(*arguments: Any) -> Iterable[bytes]:
        environ, start_response = arguments[-2:]
        reason = _rejected(environ)
        if not reason and not _is_other_owner(environ):
            return application(*arguments)
        if not reason:
            return Response("<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", 403,
                            {"Content-Type": "application/xml"})(environ, start_response)
        if environ.get("HTTP_X_AMZ_TARGET") or "json" in environ.get("CONTENT_TYPE", ""):
            body = json.dumps({"__type": "UnrecognizedClientException", "message": reason})
            return Response(body, 400, {"Content-Type": "application/x-amz-json-1.1"})(environ, start_response)
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>{reason}</Message></Error></ErrorResponse>"
        return Response(body, 403, {"Content-Type": "text/xml"})(environ, start_response)

    return serve


def of(environ: Mapping[str, Any]) -> str:
    """Returns the account of a request to the server."""
    signed = KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    return account_of(signed[1] if signed else "")


iam_models.get_account_id_from = account_of
TokenResponse.assume_role = assume_role  # type: ignore[method-assign]
