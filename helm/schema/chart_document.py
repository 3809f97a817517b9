"""The chart's values.yaml as a document: every key with its comment, its default, its chapter.

Rules: a comment directly above a key, at the key's depth, is that key's description; a line that
begins with `## ` opens a chapter. A key without a comment is a part of its parent's default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_][A-Za-z0-9_]*):(?: |$)")
_COMMENT = re.compile(r"^(?P<indent> *)# ?(?P<text>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key that is described.

    Attributes:
        path: keys from the top.
        says: its description, one line.
        default: its value.
        chapter: the heading that it stands under.
    """

    path: tuple[str, ...]
    says: str
    default: Any
    chapter: str

    @property
    def name(self) -> str:
        """The path as Helm writes it."""
        return ".".join(self.path)


@dataclass(slots=True)
class _Reader:
    chapter: str = ""
    path: list[str] = field(default_factory=list)
    comment: list[tuple[int, str]] = field(default_factory=list)


def entries(text: str) -> Iterator[Entry]:
    """Every described key of a values.yaml, in its order."""
    values = YAML(typ="safe", pure=True).load(text)
    reader = _Reader()
    for line in text.splitlines():
        if line.startswith("## "):
            reader.chapter, reader.comment = line[3:].strip(), []
        elif comment := _COMMENT.match(line):
            reader.comment.append((len(comment["indent"]), comment["text"]))
        elif key := _KEY.match(line):
            depth = len(key["indent"]) // 2
            reader.path = [*reader.path[:depth], key["key"]]
            says = [said for indent, said in reader.comment if indent == len(key["indent"])]
            reader.comment = []
            if says:
                yield Entry(
                    path=tuple(reader.path),
                    says=" ".join(says),
                    default=_at(values, reader.path),
                    chapter=reader.chapter,
                )
        else:
            reader.comment = []


def _at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values
