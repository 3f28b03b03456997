"""Judges invented operations, as if a newer botocore and a newer ReadOnlyAccess had added them.

Standard input and output are those of scripts/judge_operations.py.
"""

import pathlib
import re
import sys
from typing import Any, Dict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))

import broker_tables  # noqa: E402
import judge_operations  # noqa: E402
from botocore.loaders import Loader  # noqa: E402

TEXT = {"shape": "Text"}


def structure(**members: Any) -> Dict[str, Any]:
    return {"type": "structure", "members": members}


def operation(name: str, documentation: str = "", **shapes: Any) -> Dict[str, Any]:
    return {"name": name, "http": {"method": "POST", "requestUri": "/" + name}, "documentation": documentation, **shapes}


def answers(shape: str) -> Dict[str, Any]:
    return {"output": {"shape": shape}}


SHAPES: Dict[str, Any] = {
    "Text": {"type": "string"},
    "Choice": {"type": "string", "enum": ["a", "b"]},
    "Hidden": {"type": "string", "sensitive": True},
    "Bytes": {"type": "blob", "streaming": True},
    "Texts": {"type": "map", "key": TEXT, "value": TEXT},
    "Login": structure(user=TEXT, value=TEXT),
    "Vault": structure(name=TEXT, masterPassphrase=TEXT, passwordArn=TEXT, tokenType={"shape": "Choice"}, credentials={"shape": "Login"}, parent={"shape": "Vault"}),
    "Vaults": {"type": "list", "member": {"shape": "Vault"}},
    "DescribeVaultResponse": structure(vault={"shape": "Vault"}),
    "ListVaultsResponse": structure(vaults={"shape": "Vaults"}, nextToken=TEXT),
    "Hint": {**structure(phrase=TEXT), "sensitive": True},
    "GetGrantResponse": structure(code={"shape": "Hidden"}, name={"shape": "Hidden"}, hint={"shape": "Hint"}),
    "GetSettingsResponse": structure(options={"shape": "Texts", "documentation": "<p>The settings, such as <code>client_secret</code>.</p>"}),
    "GetArchiveResponse": structure(body={"shape": "Bytes"}),
    "ListHooksResponse": structure(webhookUrl=TEXT, homeUrl=TEXT),
    "GetCallResponse": structure(callTranscript=TEXT, bodyLength=TEXT),
    "GetPhotoResponse": structure(location={"shape": "Text", "documentation": "A presigned URL of the photo."}),
    "GetOwnerResponse": structure(homePhone=TEXT),
    "ImportFeedRequest": structure(feedUrl=TEXT, source={"shape": "Text", "documentation": "The HTTP or HTTPS URL of a file."}, limit={"shape": "Choice"}),
    "GetLayoutRequest": structure(bucket={"shape": "Text", "documentation": "The place to store the layout."}),
    "ListThingsResponse": structure(things={"shape": "Texts"}, nextToken=TEXT, clientToken=TEXT, kmsKeyId=TEXT, description={"shape": "Hidden"}, createdBy=TEXT),
    "SecretEntry": structure(payload=TEXT),
    "GetSecretValueResponse": structure(entry={"shape": "SecretEntry"}),
    "BatchGetSecretValuesResponse": structure(first={"shape": "SecretEntry"}),
}
OPERATIONS = [
    operation("DescribeVault", **answers("DescribeVaultResponse")),
    operation("ListVaults", **answers("ListVaultsResponse")),
    operation("GetGrant", **answers("GetGrantResponse")),
    operation("GetSettings", **answers("GetSettingsResponse")),
    operation("GetArchive", **answers("GetArchiveResponse")),
    operation("ListHooks", **answers("ListHooksResponse")),
    operation("GetCall", **answers("GetCallResponse")),
    operation("GetPhoto", **answers("GetPhotoResponse")),
    operation("GetOwner", **answers("GetOwnerResponse")),
    operation("ImportFeed", input={"shape": "ImportFeedRequest"}),
    operation("GetLayout", input={"shape": "GetLayoutRequest"}),
    operation("GetQuota", "<p>Requests a quota for the next orders.</p>"),
    operation("GetNumber", "<p>Gets a number. AWS will create one if there is none.</p>"),
    operation("GetShoppingData"),
    operation("GetForecastOfDemand", "You are charged for each request; it incurs costs."),
    operation("ListThings", **answers("ListThingsResponse")),  # harmless
    operation("DescribeThing", **answers("ListThingsResponse")),  # harmless
    operation("GetSecretValue", **answers("GetSecretValueResponse")),  # denied
    operation("BatchGetSecretValues", **answers("BatchGetSecretValuesResponse")),
    operation("PutVault", **answers("DescribeVaultResponse")),  # a write
    operation("GetOutside", **answers("DescribeVaultResponse")),  # not part of ReadOnlyAccess
]


def main() -> None:
    denied = sys.stdin.read().split() + ["shop:GetSecretValue"]
    sources = broker_tables.load_sources()
    level = {"Put": "Write", "Lis": "List"}
    sources.actions["shop"] = {o["name"].lower(): {"name": o["name"], "accessLevel": level.get(o["name"][:3], "Read")} for o in OPERATIONS}
    sources.actions["shop"]["listsecretvalue"] = {"name": "ListSecretValue", "accessLevel": "List"}  # of no operation
    newer = sources.read_only.pattern + r"|shop:(?!getoutside).*"
    shop = {"metadata": {"endpointPrefix": "shop", "protocol": "json"}, "operations": {o["name"]: o for o in OPERATIONS}, "shapes": SHAPES}
    # Cognito exists. The new operation is part of ReadOnlyAccess because of its wildcard.
    cognito = Loader().load_service_model("cognito-idp", "service-2")
    cognito["operations"]["GetNewCredential"] = operation("GetNewCredential", **answers("GetNewCredentialResponse"))
    cognito["shapes"].update(GetNewCredentialResponse=structure(clientSecret=TEXT), Text=SHAPES["Text"])
    sources.actions["cognito-idp"]["getnewcredential"] = {"name": "GetNewCredential", "accessLevel": "Read"}
    newer += r"|cognito-idp:get.*"
    actions = {prefix: sources.actions[prefix] for prefix in ("shop", "cognito-idp")}
    sources = sources._replace(actions=actions, read_only=re.compile(newer))
    for line in judge_operations.judge({"shop": shop, "cognito-idp": cognito}, sources, denied):
        print("\t".join(line))


main()
