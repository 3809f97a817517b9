"""Text as PagerDuty can store it: whole characters, no NUL, no longer than allowed.

Rules: a value is never silently another one; what is replaced or cut shows a mark in the text.

This module does not know fields.
"""

from __future__ import annotations

import re

from subscriber.model import Json

MARK = "…"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with NUL and halves of surrogate pairs shown as U+FFFD."""
    return text if text.isascii() and "\x00" not in text else _UNSTORABLE.sub("\ufffd", text)


def cut(text: str, characters: int) -> str:
    """The text in at most that many characters; what is cut ends in an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + MARK


def scalar_text(value: Json) -> str | None:
    """A scalar as text (null is empty), or None for an object or an array."""
    if type(value) is str:
        return storable(value)
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return storable(value)
        case int() | float():
            return repr(value) if isinstance(value, float) else _integer_text(value)
        case _:
            return None


def _integer_text(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than Python prints
        return "a number of thousands of digits"
