"""Generates the table by which package command tells reads of AWS from changes.

    python scripts/command_tables.py OUT

reads internal/broker/tables/operations.txt and writes one line per operation of the AWS CLI whose name does not tell
its effect:

    W NAME    a name that sounds like a read, but the operation changes something in at least one service
    P NAME    the operation changes permissions in at least one service
    F SERVICE NAME    the AWS CLI writes the answer to the file that its last argument names

The names of the first two kinds do not carry a service, so a name counts as a change if it is one in any service. The last
kind comes from the models of botocore.
"""

import collections
import pathlib
import sys
from typing import Dict, List, Set

import botocore.session
from botocore import xform_name

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The verbs that internal/command/aws.go takes for reads.
READS = ("describe-", "list-", "get-", "batch-get-", "batch-describe-", "search-", "query", "count-", "scan", "lookup-",
         "check-", "select-", "simulate-", "preview-", "head-", "filter-", "estimate-", "view-")


def main() -> None:
    levels: Dict[str, Set[str]] = collections.defaultdict(set)
    for line in (ROOT / "internal" / "broker" / "tables" / "operations.txt").read_text().splitlines():
        if line and not line.startswith("@"):
            name, level = line.split("\t")[:2]
            levels[xform_name(name, "-")].add(level)
    lines = []
    for name, found in sorted(levels.items()):
        if name.startswith(READS):
            # IAM counts some reads of policies as permissions management.
            if "W" in found:
                lines.append(f"W {name}\n")
        elif "P" in found:
            lines.append(f"P {name}\n")
    pathlib.Path(sys.argv[1]).write_text("".join(lines + streams()))


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
