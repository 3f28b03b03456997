"""Generates the table by which package command tells reads of AWS from changes.

    python scripts/command_tables.py OUT

reads internal/broker/tables/operations.txt and writes one line per operation of the AWS CLI whose name does not tell
its effect:

    W NAME    a name that sounds like a read, but the operation changes something in at least one service
    P NAME    the operation changes permissions in at least one service

The names do not carry a service, so a name counts as a change if it is one in any service.
"""

import collections
import pathlib
import sys
from typing import Dict, Set

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
    pathlib.Path(sys.argv[1]).write_text("".join(lines))


if __name__ == "__main__":
    main()
