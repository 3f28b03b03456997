"""Where the code of a call reads: the account and the Region of the alarm, and clients that name another account.

Code names an account with `boto3.client("ecs", account="444455556666")`, `boto3.resource`, `boto3.Session(account=...)`, or
`session(account=...)`. The account travels as a dummy access key ID, for which the broker signs with a role of that account. This
module protects nothing: the code may name any account, and the broker decides which ones it may read.
"""

import os
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

KEY_PREFIX = "BROKERID"  # accountKeyPrefix in internal/broker/members.go
_SECRET = "broker"


class Place(NamedTuple):
    """Where clients read that name no account."""

    account: str = ""  # empty: not known
    own: str = ""  # the account of the tool; empty: not known
    problem: str = ""  # why the account cannot be read; empty: it can
    others: Tuple[str, ...] = ()  # other accounts that clients may name; "*": any


_place = Place()


def enter(account: str, own: str, region: str, problem: str, others: Sequence[str] = ()) -> None:
    """Sets the place of this process, and the default Region of its clients."""
    global _place
    _place = Place(account or "", own or "", problem or "", tuple(others))
    if region:
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = region


def current() -> Place:
    """Returns the place of this process."""
    return _place


def reads(account: Optional[str]) -> bool:
    """Reports whether clients may name an account."""
    return account in (_place.account, _place.own, *_place.others) or "*" in _place.others


def session(account: Optional[str] = None, region: Optional[str] = None) -> Any:
    """Returns a boto3 session of an account and a Region. They default to those of the alarm."""
    import boto3

    return boto3.Session(region_name=region, account=account)


def naming(account: Optional[str]) -> Dict[str, str]:
    """Returns the parameters of a client that name an account; none if there is no account to name."""
    return {"account": account} if account else {}


def _keys(account: Any) -> Dict[str, str]:
    """Returns the credentials that name an account."""
    text = f"{account:012d}" if isinstance(account, int) else str(account)
    if len(text) != 12 or not text.isdigit() or not text.isascii():
        raise ValueError(f"account must be an account ID of 12 digits, not {account!r}")
    return {"aws_access_key_id": KEY_PREFIX + text, "aws_secret_access_key": _SECRET}


def _naming(method: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the parameter `account` to a method of boto3's session."""

    def naming(self: Any, *args: Any, account: Any = None, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs, **(_keys(account) if account is not None else {}))

    naming.__name__, naming.__qualname__, naming.__doc__ = method.__name__, method.__qualname__, method.__doc__
    return naming


def install() -> None:
    """Adds the parameter `account` to boto3's clients, resources, and sessions."""
    import boto3.session

    for name in ("__init__", "client", "resource"):
        setattr(boto3.session.Session, name, _naming(getattr(boto3.session.Session, name)))
