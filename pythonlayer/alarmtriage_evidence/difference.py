"""How two versions of a configuration differ, such as two versions of a Lambda function.

The values of variables with the name of a secret are never shown. The supervisor redacts the output as well.
"""

import re
from typing import Any, List, Mapping

MAX_VALUE = 200  # characters of a value; a longer one is not shown, because the redaction may not know the beginning of a secret
MAX_VARIABLES = 8  # variables that are shown

_SECRET = re.compile(r"(?i)pass|secret|token|key|credential|auth|pwd|dsn|cookie|private|salt|pin$|cert")
_LOGIN = re.compile(r"://[^/@\s]*@|[?&;](?:pass|pwd|token|key|sig)", re.IGNORECASE)


def changed(name: str, before: Any, after: Any) -> List[str]:
    """Returns a change of a value, with its name beside the new value as AWS returns them, or nothing."""
    return [] if before == after else [f"{name} {_text(after)} (before: {_text(before)})"]


def changed_variables(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """Returns the changes of environment variables."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    found: List[str] = []
    for name in names[:MAX_VARIABLES]:
        if _SECRET.search(name) or any(_LOGIN.search(str(one.get(name))) for one in (before, after)):
            found.append(f"{name} (another value)" if name in before and name in after else f"{name} ({'new' if name in after else 'removed'})")
        else:
            found += changed(name, before.get(name), after.get(name))
    if len(names) > MAX_VARIABLES:
        found.append(f"and {len(names) - MAX_VARIABLES} more variables")
    return found


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    text = " and ".join(str(one) for one in value) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_VALUE else f"a text of {len(text)} characters"
