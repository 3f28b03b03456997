"""Prints names in botocore's models, one per line: operations with their methods, headers, and operations without a signature.

Nothing is sent.
"""

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel


def main() -> None:
    loader = Loader()
    for name in loader.list_available_services("service-2"):
        service = ServiceModel(loader.load_service_model(name, "service-2"), name)
        for operation in service.operation_names:
            print("operation", operation, xform_name(operation), sep="\t")
            if service.operation_model(operation).auth_type in ("none", "bearer"):
                print("unsigned", name, operation, sep="\t")
            shape = service.operation_model(operation).input_shape
            for member in shape.members.values() if shape else []:
                if member.serialization.get("location") == "header":
                    print("header", member.serialization["name"], f"{name}:{operation}", sep="\t")


main()
