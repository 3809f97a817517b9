"""NATS subjects as sets: does one pattern contain, or touch, another?

Rules of NATS: a subject is tokens between dots; ``*`` stands for exactly one token, a final ``>``
for one or more. Everything here is a pure function of strings; this module knows no server.
"""

from __future__ import annotations

from collections.abc import Iterable

from subscriber.model import Problem, Reason, excerpt


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject that matches `narrow` matches `wide` too."""
    outer, inner = wide.split("."), narrow.split(".")
    for index, part in enumerate(outer):
        if part == ">":
            return len(inner) > index
        if index >= len(inner):
            return False
        other = inner[index]
        if other == ">" or part not in ("*", other):
            return False
    return len(outer) == len(inner)


def overlaps(one: str, two: str) -> bool:
    """Whether some subject matches both patterns."""
    left, right = one.split("."), two.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if "*" not in (a, b) and a != b:
            return False
    return len(left) == len(right)


def reduce(patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns without those that another one already covers; order kept, repeats dropped."""
    unique = tuple(dict.fromkeys(patterns))
    return tuple(
        pattern
        for pattern in unique
        if not any(other != pattern and covers(other, pattern) for other in unique)
    )


def valid(pattern: str) -> bool:
    """Whether NATS takes this as a subscription pattern."""
    parts = pattern.split(".")
    return all(
        part
        and not any(character.isspace() or character == "\0" for character in part)
        and (part == "*" or "*" not in part)
        and (part == ">" if ">" in part else True)
        and (part != ">" or index == len(parts) - 1)
        for index, part in enumerate(parts)
    )


def require_name(name: str, what: str) -> None:
    """Raise Problem unless JetStream takes `name` for a stream, consumer or bucket.

    Args:
        name: the name.
        what: what it is to name, for the message.
    """
    if not name or not name.isprintable() or set(name) & set(" .*>/\\"):
        raise Problem(
            Reason.INVALID_VALUE,
            f"{excerpt(name)} cannot be the name of a {what}",
            hint="use letters, digits, `-` and `_`",
        )
