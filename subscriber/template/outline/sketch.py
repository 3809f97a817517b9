"""The nouns of an outline: values that expressions can have, pieces that templates print.

Rules: `texts` None means "not known"; a value that is neither a field nor known text is a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Names from the top of the event's document: ``("data", "result")``."""

_MOST_TEXTS = 64
_NO_TEXT = frozenset({""})
_MOST_SHAPES = 32
HOLE = "\0"
"""Stands in a shape for text that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What an expression can be.

    Attributes:
        field: this field of the event, or nothing at all; None when it is anything else.
        texts: every text that it can print, None when not known.
        shown: fields of the event that can end up in the printed text.
        always: those of them that do, unless they are absent.
        cut: whether what is shown has a bounded length (a hash, a number, the first characters).
        filled: whether it is never empty.
        members: for a map that is written out, its values.
    """

    field: Path | None = None
    texts: frozenset[str] | None = None
    shown: frozenset[Path] = frozenset()
    always: frozenset[Path] = frozenset()
    cut: bool = False
    filled: bool = False
    members: tuple[Value, ...] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether it is known to be empty: no text, or a map without members."""
        return self.texts == _NO_TEXT or self.members == ()

    def below(self, names: Iterable[str]) -> Value:
        """The value behind further names."""
        names = tuple(names)
        if not names:
            return self
        if self.field is not None:
            return of_field((*self.field, *names))
        if self.members is not None:
            return either([*self.members, EMPTY])
        return Value(shown=self.shown, always=self.always)


UNKNOWN = Value()
"""Anything."""

EMPTY = Value(texts=frozenset({""}))
"""No text."""


def of_field(path: Path) -> Value:
    """A field of the event."""
    return Value(field=path, shown=frozenset({path}), always=frozenset({path}))


def of_text(*texts: str) -> Value:
    """One of these texts."""
    return Value(texts=frozenset(texts), filled=all(text.strip() for text in texts), cut=True)


def either(values: Iterable[Value]) -> Value:
    """One of several values."""
    listed = list(values)
    fields = {value.field for value in listed if not value.is_nothing}
    texts: frozenset[str] | None = frozenset()
    for value in listed:
        texts = None if texts is None or value.texts is None else texts | value.texts
    return Value(
        field=fields.pop() if len(fields) == 1 else None,
        texts=texts,
        shown=frozenset().union(*(value.shown for value in listed)),
        always=_common(value.always for value in listed if not value.is_nothing),
        cut=all(value.cut or not value.shown for value in listed),
        filled=bool(listed) and all(value.filled for value in listed),
    )


def made_of(values: Iterable[Value], *, cut: bool = False, filled: bool = False) -> Value:
    """Something computed from values, with text that is not known."""
    listed = list(values)
    return Value(
        shown=frozenset().union(*(value.shown for value in listed)),
        always=frozenset().union(*(value.always for value in listed)),
        cut=cut,
        filled=filled,
    )


def _common(sets: Iterable[frozenset[Path]]) -> frozenset[Path]:
    """What is in all of them."""
    listed = list(sets)
    return frozenset.intersection(*listed) if listed else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Literal text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """A printed expression."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several branches."""

    branches: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Something printed any number of times, also never."""

    body: tuple[Piece, ...]


Piece: TypeAlias = Text | Show | Choice | Loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """The outline of a template.

    Attributes:
        pieces: what it prints, in order.
        reads: every field of the event that it looks at, printed or not.
    """

    pieces: tuple[Piece, ...]
    reads: frozenset[Path] = field(default=frozenset())

    def texts(self) -> frozenset[str] | None:
        """Every text that it can print, without white space around it; None when not known."""
        found = _texts(self.pieces)
        return None if found is None else frozenset(text.strip() for text in found)

    def values(self) -> Iterator[Value]:
        """Every expression that it may print."""
        return _values(self.pieces)

    def may_be_empty(self, filled: frozenset[Path] = frozenset()) -> bool:
        """Whether events are known for which it prints white space only.

        Args:
            filled: fields that are never empty.
        """
        return _may_be_empty(self.pieces, filled)

    def always(self) -> frozenset[Path]:
        """The fields that are printed whichever branches are taken."""
        return _always(self.pieces)

    def shapes(self) -> frozenset[str]:
        """The forms that the text can have: literal text, with a HOLE for what is not known."""
        return frozenset(_closed(shape.strip()) for shape in _shapes(self.pieces))


def seen(reads: Iterable[Path]) -> frozenset[Path]:
    """Fields that are looked at, without those that only lead to others."""
    listed = set(reads)
    inner = {path[:size] for path in listed for size in range(len(path))}
    return frozenset(listed - inner)


def _texts(pieces: Iterable[Piece]) -> frozenset[str] | None:
    found = frozenset({""})
    for piece in pieces:
        here: frozenset[str] | None
        match piece:
            case Text(text=text):
                here = frozenset({text})
            case Show(value=value):
                here = value.texts
            case Choice(branches=branches):
                here = frozenset()
                for branch in branches:
                    inner = _texts(branch)
                    here = None if here is None or inner is None else here | inner
            case Loop(body=body):
                here = _NO_TEXT if _texts(body) == _NO_TEXT else None
        if here is None or len(found) * len(here) > _MOST_TEXTS:
            return None
        found = frozenset(left + right for left in found for right in here)
    return found


def _values(pieces: Iterable[Piece]) -> Iterator[Value]:
    for piece in pieces:
        match piece:
            case Show(value=value):
                yield value
            case Choice(branches=branches):
                for branch in branches:
                    yield from _values(branch)
            case Loop(body=body):
                yield from _values(body)
            case Text():
                pass


def _always(pieces: Iterable[Piece]) -> frozenset[Path]:
    found: frozenset[Path] = frozenset()
    for piece in pieces:
        if isinstance(piece, Show):
            found |= piece.value.always
        elif isinstance(piece, Choice):
            found |= _common(_always(branch) for branch in piece.branches)
    return found


def _shapes(pieces: Iterable[Piece]) -> frozenset[str]:
    found = frozenset({""})
    for piece in pieces:
        here = frozenset({HOLE})
        match piece:
            case Text(text=text):
                here = frozenset({text})
            case Show(value=value) if value.texts is not None:
                here = value.texts
            case Choice(branches=branches):
                here = frozenset().union(*map(_shapes, branches))
            case _:
                pass
        if len(found) * len(here) > _MOST_SHAPES:
            here = frozenset({HOLE})
        found = frozenset(left + right for left in found for right in here)
    return found


def _closed(shape: str) -> str:
    """The shape with holes side by side made one."""
    while HOLE * 2 in shape:
        shape = shape.replace(HOLE * 2, HOLE)
    return shape


def _may_be_empty(pieces: Iterable[Piece], filled: frozenset[Path]) -> bool:
    for piece in pieces:
        match piece:
            case Text(text=text):
                empty = not text.strip()
            case Show(value=value):
                blank = value.texts is not None and any(not text.strip() for text in value.texts)
                plain = value.field is not None and value.field not in filled
                empty = not value.filled and (blank or plain)
            case Choice(branches=branches):
                empty = any(_may_be_empty(branch, filled) for branch in branches)
            case Loop():
                empty = True
        if not empty:
            return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a condition asks of one field, whatever else it asks.

    Attributes:
        path: the field.
        values: texts, one of which it must equal (or, when not `equal`, none of which it may).
    """

    path: Path
    values: frozenset[str]
    equal: bool = True
