"""Prints the request that botocore makes for every operation of every service, one JSON object per line.

The required parameters get values of the types that the models declare, and headers with a syntax get a value of that
syntax. A name in a path that can have slashes has some. Nothing is sent.
"""

import json
from typing import Any, Dict
from urllib.parse import urlencode

import botocore.serialize
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

DEPTH = 6
HEADERS = {"content-type": "application/octet-stream", "x-amz-content-sha256": "0" * 64}


def value(shape: Shape, depth: int = 0) -> Any:
    if isinstance(shape, StructureShape):
        if shape.is_tagged_union and shape.members:
            name, member = next(iter(shape.members.items()))
            return {name: value(member, depth + 1)}
        return required(shape, depth)
    if isinstance(shape, ListShape):
        return [value(shape.member, depth + 1)] if depth < DEPTH else []
    if isinstance(shape, MapShape):
        return {}
    if shape.type_name == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "name"
    return {"boolean": True, "timestamp": 0, "blob": b"x", "integer": 1, "long": 1, "float": 1.5, "double": 1.5}.get(shape.type_name, "x")


def required(shape: StructureShape, depth: int) -> Dict[str, Any]:
    names = set(shape.required_members) if depth < DEPTH else set()
    names |= {name for name, member in shape.members.items() if member.serialization.get("location") == "uri"}
    return {name: header(shape.members[name]) or value(shape.members[name], depth + 1) for name in names}


def slashes(model: OperationModel) -> Dict[str, Any]:
    """Returns the names in the path that can have slashes."""
    members = model.input_shape.members if model.input_shape else {}
    return {name: "name/of/it" for name, member in members.items() if "{%s+}" % member.serialization.get("name", name) in model.http["requestUri"]}


def header(member: Shape) -> str:
    """Returns the value of a header that has a syntax, or an empty string."""
    return HEADERS.get(member.serialization.get("name", "").lower(), "") if member.serialization.get("location") == "header" else ""


def text(part: Any) -> str:
    """Returns a query or form as it is sent. Bodies of bytes never name an operation."""
    if isinstance(part, dict):
        return urlencode(part)
    return part if isinstance(part, str) else ""


def main() -> None:
    loader = Loader()
    for name in loader.list_available_services("service-2"):
        service = ServiceModel(loader.load_service_model(name, "service-2"), name)
        for protocol in service.metadata.get("protocols") or [service.metadata["protocol"]]:
            serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
            for operation in service.operation_names:
                model: OperationModel = service.operation_model(operation)
                parameters = {**required(model.input_shape, 0), **slashes(model)} if model.input_shape else {}
                made = serializer.serialize_to_request(parameters, model)
                request = {
                    "service": name,
                    "signing": service.signing_name,
                    "operation": operation,
                    "protocol": protocol,
                    "method": made["method"],
                    "path": made["url_path"],
                    "query": text(made["query_string"]),
                    "headers": {key: str(entry) for key, entry in made["headers"].items()},
                    "body": text(made["body"]),
                }
                print(json.dumps(request))


main()
