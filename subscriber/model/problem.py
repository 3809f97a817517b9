"""The one exception type: something a person or a program sent that we cannot use.

Rules: a Problem names its `Reason`, says *where* (a path, a `file:line:column`, an attribute name)
and, when we can, a *hint*: what to do about it. It never carries a secret and never the whole of
an untrusted value (quote it through `excerpt`).
"""

from __future__ import annotations

import re

from subscriber.model.reason import Reason

KEY_CHARACTERS = 32
"""Letters and digits of a routing key."""
KEY_SHAPED = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{32,}")
"""What could be one; more of them in a row too, since nobody knows where one begins."""


class Problem(Exception):
    """Bad input with a name.

    Attributes:
        reason: the name, from the shared vocabulary.
        message: one sentence for a person, without the place and the hint.
        where: where it was found, e.g. ``subscriber.yaml:12:5`` or ``data.result``; may be empty.
        hint: what the reader can do about it; may be empty.
    """

    def __init__(self, reason: Reason, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


def excerpt(value: object, limit: int = 80) -> str:
    """Quote an untrusted value for a message: ASCII-safe, one line, at most `limit` characters.

    What has the shape of a routing key is masked before it is cut: half a key is still a secret.
    """
    text = ascii(value if not isinstance(value, str) else value[: limit + KEY_CHARACTERS])
    text = KEY_SHAPED.sub("***", text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
