"""Does an event concern a rule? Type globs, dotted paths and value patterns, compiled once.

Rules: a *No* always carries its reason down to the value that failed. A pattern that is text
matches text by glob (`*`, `?`, `[abc]`, case-sensitive) and numbers and booleans by their JSON
spelling; a pattern that is a number, boolean or null matches exactly that; a list in the event
matches when one of its elements does. A path that leads nowhere never matches.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from subscriber.model import Json, excerpt

Scalar = str | bool | int | float | None
_ABSENT = object()


def compile_glob(pattern: str) -> re.Pattern[str]:
    """A shell glob over the whole text; `*` also matches dots and slashes."""
    return re.compile(fnmatch.translate(pattern))


def split_path(path: str) -> tuple[str, ...]:
    r"""``data.labels.a\.b`` -> ``('data', 'labels', 'a.b')``; an empty part is kept as given."""
    parts = re.split(r"(?<!\\)\.", path.removeprefix("."))
    return tuple(part.replace("\\.", ".") for part in parts)


@lru_cache(maxsize=4096)
def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 7


def look_up(document: Json, parts: Sequence[str]) -> object:
    """The value at a path, or a private marker when it leads nowhere (see `is_absent`)."""
    value: object = document
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list) and _is_index(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
        if value is _ABSENT:
            return _ABSENT
    return value


def is_absent(value: object) -> bool:
    """Whether `look_up` found nothing."""
    return value is _ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One line of `match:`: a path and the patterns of which one must match."""

    path: str
    parts: tuple[str, ...]
    exact: frozenset[str]
    globs: tuple[re.Pattern[str], ...] = field(repr=False)
    typed: tuple[bool | int | float | None, ...]
    patterns: tuple[Scalar, ...]

    def holds(self, document: Json) -> bool:
        """Whether the event's value at the path matches one of the patterns."""
        value = look_up(document, self.parts)
        if isinstance(value, list):
            return any(self._fits(element) for element in value)
        return self._fits(value)

    def _fits(self, value: object) -> bool:
        if isinstance(value, str):
            return value in self.exact or any(glob.match(value) for glob in self.globs)
        if value is None or isinstance(value, bool | int | float):
            if any(_same(value, pattern) for pattern in self.typed):
                return True
            text = _spelling(value)
            return text in self.exact or any(glob.match(text) for glob in self.globs)
        return False

    def why_not(self, document: Json) -> str:
        """One sentence: what was expected and what the event has instead."""
        value = look_up(document, self.parts)
        wanted = " or ".join(
            excerpt(p) if isinstance(p, str) else _spelling(p) for p in self.patterns
        )
        found = "is absent" if is_absent(value) else f"is {excerpt(value)}"
        return f"{self.path} {found}, wanted {wanted}"


def _same(value: object, pattern: object) -> bool:
    if isinstance(value, bool) or isinstance(pattern, bool) or value is None or pattern is None:
        return value is pattern
    return value == pattern


def _spelling(value: bool | int | float | None) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def compile_condition(path: str, patterns: Sequence[Scalar]) -> Condition:
    """Prepare one line of `match:`."""
    texts = [pattern for pattern in patterns if isinstance(pattern, str)]
    plain = [text for text in texts if not any(c in text for c in "*?[")]
    return Condition(
        path=path,
        parts=split_path(path),
        exact=frozenset(plain),
        globs=tuple(compile_glob(text) for text in texts if text not in plain),
        typed=tuple(pattern for pattern in patterns if not isinstance(pattern, str)),
        patterns=tuple(patterns),
    )
