"""Can two patterns mean the same text? Type globs, NATS subjects, shapes of dedup keys.

Rules: the answer is yes when in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from subscriber.template.outline.sketch import HOLE

_LONGEST = 800  # together; what follows is recursive
_SEPARATORS = "/#:|@"


@dataclass(frozen=True, slots=True)
class Many:
    """Any number of characters, without some."""

    without: str = ""


ANY_ONE = Many("\0one")
"""Exactly one character, whichever."""

Part = str | Many


def glob(pattern: str) -> tuple[Part, ...]:
    """A type glob: ``*``, ``?``, ``[abc]``."""
    parts: list[Part] = []
    for token in re.findall(r"\[!?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if token == "*":  # noqa: S105  a token, no secret
            parts.append(Many())
        else:
            parts.append(ANY_ONE if token == "?" or len(token) > 1 else token)  # noqa: S105
    return tuple(parts)


def subject(pattern: str) -> tuple[Part, ...]:
    """A NATS subject: ``*`` is a token, ``>`` is all the rest."""
    parts: list[Part] = []
    for character in pattern:
        special = {"*": Many("."), ">": Many()}
        parts.append(special.get(character, character))
    return tuple(parts)


def shapes_meet(one: str, other: str) -> bool:
    """Whether two shapes of dedup keys can become the same text.

    Values are taken not to hold the separators that the shapes themselves use; a key that is
    nothing but a value can be anything.
    """
    if HOLE in (one, other):
        return True
    separators = "".join(c for c in _SEPARATORS if c in one or c in other)
    parts = [tuple(Many(separators) if c == HOLE else c for c in shape) for shape in (one, other)]
    return overlap(*parts)


def overlap(one: Sequence[Part], other: Sequence[Part]) -> bool:
    """Whether some text fits both."""

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(one) and j == len(other):
            return True
        left = one[i] if i < len(one) else None
        right = other[j] if j < len(other) else None
        for many, rest, skip, step in (
            (left, right, (i + 1, j), (i, j + 1)),
            (right, left, (i, j + 1), (i + 1, j)),
        ):
            if isinstance(many, Many) and many is not ANY_ONE:
                takes = rest is not None and not (isinstance(rest, str) and rest in many.without)
                return meet(*skip) or (takes and meet(*step))
        if left is None or right is None:
            return False
        same = left == right or ANY_ONE in (left, right)
        return same and meet(i + 1, j + 1)

    if len(one) + len(other) > _LONGEST:
        return True
    return meet(0, 0)


def covers(wide: str, narrow: str) -> bool:
    """Whether every text of the glob `narrow` is surely one of `wide`."""
    if wide in (narrow, "*"):
        return True
    if any(c in narrow for c in "*?["):
        return False
    return fnmatchcase(narrow, wide)
