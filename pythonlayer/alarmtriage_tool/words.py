"""Shortens texts before they are printed. It does not protect secrets alone: the supervisor redacts the output."""

import re

_BORDER = re.compile(r"[\s\"']|[^\x00-\x7f]")  # between words; few secrets contain it


def beginning(text: str, most: int) -> str:
    """Returns at most `most` characters of a text, without a part of a word at the end.

    The redaction may not recognize a part of a secret. A text that is one word is cut anyway.
    """
    if len(text) <= most:
        return text
    if _BORDER.match(text[most]):
        return text[:most]
    ends = [found.end() for found in _BORDER.finditer(text[:most])]
    return text[:ends[-1]].rstrip() if ends else text[:most]
