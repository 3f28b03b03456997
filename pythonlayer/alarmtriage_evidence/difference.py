"""How two versions of a configuration differ, such as two versions of a Lambda function.

The values of variables with the name of a secret are never shown. The supervisor redacts the output as well.
"""

import json
import re
from typing import Any, Container, List, Mapping

MAX_VALUE = 200  # characters of a value; a longer one is not shown, because the redaction may not know the beginning of a secret
MAX_VARIABLES = 8  # variables that are shown

# The names of secrets that internal/redact knows, and others.
_SECRET = re.compile(
    r"(?i)pass|secret|token|key|cred|auth|ps?wd|dsn|cookie|private|salt|pin$|cert|kennwort|senha|contrase[nñ]a|pepper|unseal|wachtwoord|parola|haslo|heslo|losenord|hmac|bearer"
    r"|conn(?:ection)?_?str|(?:(?:^|(?<=_))sk|pw|psw|psk|pat|jwt|sig|signature|sid|sess|session|otp|webhook(?:s?_?(?:ur[il]|endpoint))?|login|licen[cs]e|sasl?|code|assertion|pem|mnemonic|seed|phrase|clave|mdp)s?"
    # What can follow the name. No part of it can match a text in two ways.
    r"(?:[0-9_]*(?:value|string|text|plain|base|binary|hash|old|new|current|previous|prev|backup|primary|secondary|production|prod|live|staging|dev|test"
    r"|confirmation|confirm|repeat|encrypted|encoded|b64|data|content|default))*[0-9_]*$")
_COMMANDS = ("command", "entryPoint")  # of a container
_LOGIN = re.compile(r"://[^/@\s]*@|[?&;](?:pass|pwd|token|key|sig)", re.IGNORECASE)


def changed(name: str, before: Any, after: Any) -> List[str]:
    """Returns a change of a value, with its name beside the new value as AWS returns them, or nothing."""
    return [] if before == after else [f"{name} {_text(name, after)} (before: {_text(name, before)})"]


def changed_others(before: Mapping[str, Any], after: Mapping[str, Any], known: Container[str]) -> List[str]:
    """Returns the names of settings with other values, without those that are known. A setting without a value is one that is not set."""
    names = [name for name in {**before, **after} if name not in known and (before.get(name) or None) != (after.get(name) or None)]
    return [_named(name, before, after) for name in names]


def changed_variables(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """Returns the changes of environment variables."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    found: List[str] = []
    for name in names[:MAX_VARIABLES]:
        if _SECRET.search(name) or any(_LOGIN.search(str(one.get(name))) for one in (before, after)):
            found.append(_named(name, before, after))
        else:
            found += changed(name, before.get(name), after.get(name))
    if len(names) > MAX_VARIABLES:
        found.append(f"and {len(names) - MAX_VARIABLES} more variables")
    return found


def _named(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Returns a change without the values."""
    return f"{name} (another value)" if name in before and name in after else f"{name} ({'new' if name in after else 'removed'})"


def _text(name: str, value: Any) -> str:
    if value is None:
        return "not set"
    if name in _COMMANDS:  # as AWS returns it, so that the redaction sees which option a value belongs to
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = " and ".join(str(one) for one in value) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_VALUE else f"a text of {len(text)} characters"
