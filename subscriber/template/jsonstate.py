"""Where in a JSON document the literal text of a template has got to.

A small machine, the way html/template follows HTML: which brackets are open, whether we are inside
a string, and which things may come next. At a branch several things may come next, so a state holds
a set of positions. Text that none of them allows is certainly broken, and refused; text that only
some allow leaves the document unproven: the rendered text is then parsed once.

This module does not know templates; offsets are offsets in the text given to `advance`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum


class Position(StrEnum):
    """What may come next; the value reads after "expected"."""

    FIRST = "the first element or a closing bracket"
    VALUE = "a value"
    KEY = "a key in double quotes"
    COLON = "a colon"
    AFTER = "a comma or a closing bracket"


class Glue(StrEnum):
    """What stands directly before, when something glued to it would be one token with it."""

    NOTHING = ""
    LITERAL = "a literal"
    ACTION = "an action"
    MAYBE = "what may stand before it"


class BrokenJson(Exception):
    """Literal text that cannot be JSON, at an index of the text."""

    def __init__(self, message: str, index: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.index = index
        self.hint = hint


FIRST, VALUE, KEY, COLON, AFTER = Position
_BETWEEN = frozenset({FIRST, KEY, AFTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One place in a JSON document.

    Attributes:
        open: the open brackets, outermost first, with the offset of each.
        string: inside a string literal; `positions` is then where that string stands.
        positions: what may come next.
        glue: what stands directly before.
        proven: whether every text so far was allowed by all positions.
    """

    open: tuple[tuple[str, int], ...] = ()
    string: bool = False
    positions: frozenset[Position] = frozenset({VALUE})
    glue: Glue = Glue.NOTHING
    proven: bool = True

    @property
    def inside(self) -> str:
        """The innermost open bracket, or nothing at the top level."""
        return self.open[-1][0] if self.open else ""

    @property
    def brackets(self) -> str:
        """The open brackets."""
        return "".join(bracket for bracket, _ in self.open)

    @property
    def is_key(self) -> bool:
        """Whether a value written here would be the key of an object."""
        return self.inside == "{" and self.positions <= _BETWEEN

    @property
    def place(self) -> str:
        """The part of the state that branches may not change, in words."""
        if self.string:
            return f"inside a string{_within(self.brackets)}"
        if self.inside == "{" and self.positions <= {VALUE}:
            return f"after a colon{_within(self.brackets)}"
        if self.inside == "{" and self.positions <= {COLON}:
            return f"after a key{_within(self.brackets)}"
        return f"between elements{_within(self.brackets)}" if self.open else "outside of brackets"

    @property
    def key(self) -> str:
        """A short name that tells states apart, for templates compiled once per state."""
        marks = "".join(sorted(position.name[0] for position in self.positions))
        return f"{self.brackets}{'s' if self.string else ''}{marks}{self.glue.name[0]}"


def _within(brackets: str) -> str:
    return f" (open: {brackets})" if brackets else ""


_CERTAIN = frozenset({Glue.LITERAL, Glue.ACTION})
_SPACE = re.compile(r"[ \t\r\n]+")
_STRING = re.compile(r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_SCALAR_RUN = re.compile(r'[^\s{}\[\]:,"]+')
_SCALAR = re.compile(r"(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\Z")
_CLOSING = {"}": "{", "]": "["}

# What each character does to a position, inside an object, a list or at the top level.
_STRING_STARTS = {"{": {FIRST, KEY, VALUE}, "[": {FIRST, VALUE}, "": {VALUE}}
_VALUE_STARTS = {"{": {VALUE}, "[": {FIRST, VALUE}, "": {VALUE}}
_WIDE = {
    "{": _BETWEEN,
    "[": frozenset({FIRST, VALUE, AFTER}),
    "": frozenset({VALUE, AFTER}),
}
_COMMA_LEADS = {"{": KEY, "[": VALUE}


def _only(state: State, allowed: set[Position], what: str, index: int, hint: str = "") -> State:
    """The state with the positions that allow what comes; refuse when there is none."""
    kept = state.positions & allowed
    if not kept:
        expected = " or ".join(sorted(state.positions))
        raise BrokenJson(f"{what} cannot stand here: expected {expected}", index, hint)
    if kept == state.positions:
        return state
    return replace(state, positions=kept, proven=False)


def _after_string(state: State) -> State:
    is_key = state.is_key
    position = COLON if is_key else AFTER
    return replace(state, string=False, positions=frozenset({position}), glue=Glue.NOTHING)


def advance(state: State, text: str, offset: int) -> State:
    """The state behind a literal text.

    Args:
        state: where the text begins.
        text: the literal text of the template.
        offset: where the text stands in the template; kept for the brackets it opens.

    Raises:
        BrokenJson: whatever is rendered around it, this is no JSON.
    """
    index = 0
    while index < len(text):
        if state.string:
            state, index = _in_string(state, text, index)
            continue
        space = _SPACE.match(text, index)
        if space:
            state = replace(state, glue=Glue.NOTHING)
            index = space.end()
            continue
        character = text[index]
        if state.glue in _CERTAIN and character not in ",:]}":
            raise BrokenJson(
                f"this is glued to {state.glue}, so that what it means depends on the event",
                index,
                'put both into one string: "...{{.a}}..."',
            )
        state, index = _step(state, text, index, character, offset)
    return state


def _in_string(state: State, text: str, index: int) -> tuple[State, int]:
    match = _STRING.match(text, index)
    assert match is not None
    end = match.end()
    if end == len(text):
        return state, end
    if text[end] == '"':
        return _after_string(state), end + 1
    if text[end] == "\\":
        escape = text[end : end + 2]
        raise BrokenJson(f"{escape} is not an escape of JSON", end, "a backslash is written \\\\")
    raise BrokenJson(f"a string cannot contain {text[end]!a}", end, "a line break is written \\n")


def _step(state: State, text: str, index: int, character: str, offset: int) -> tuple[State, int]:
    inside = state.inside
    if character == '"':
        state = _only(state, _STRING_STARTS[inside], "a string", index, _COMMA_HINT)
        return replace(state, string=True, glue=Glue.NOTHING), index + 1
    if character in "{[":
        state = _only(state, _VALUE_STARTS[inside], character, index, _COMMA_HINT)
        opened = (*state.open, (character, offset + index))
        return (
            replace(state, open=opened, positions=frozenset({FIRST}), glue=Glue.NOTHING),
            index + 1,
        )
    if character in "}]":
        if inside != _CLOSING[character]:
            raise BrokenJson(f"{character} closes nothing that is open here", index)
        state = _only(state, {FIRST, AFTER}, character, index, _TRAILING_HINT)
        closed = replace(
            state, open=state.open[:-1], positions=frozenset({AFTER}), glue=Glue.NOTHING
        )
        return closed, index + 1
    if character == ",":
        if not inside:
            raise BrokenJson("the document has ended before this comma", index)
        state = _only(state, {AFTER}, "a comma", index)
        leads = frozenset({_COMMA_LEADS[inside]})
        return replace(state, positions=leads, glue=Glue.NOTHING), index + 1
    if character == ":":
        state = _only(state, {COLON}, "a colon", index)
        return replace(state, positions=frozenset({VALUE}), glue=Glue.NOTHING), index + 1
    match = _SCALAR_RUN.match(text, index)
    if match is None:
        raise BrokenJson(f"{character!a} cannot stand here", index)
    if not _SCALAR.match(match.group()):
        raise BrokenJson(
            f"{match.group()[:40]} is not JSON", index, "text needs double quotes around it"
        )
    state = _only(state, _VALUE_STARTS[inside], match.group(), index, _COMMA_HINT)
    after = replace(state, positions=frozenset({AFTER}), glue=Glue.LITERAL)
    return after, match.end()


_COMMA_HINT = "is a comma missing before it?"
_TRAILING_HINT = "is there a comma too many before it?"


def needs_space(state: State, text: str | None) -> bool:
    """Whether a space must be put between what may stand before and this text or (None) value.

    Only some ways lead here with something directly before. With a space between, the others stay
    as they are, and these become two values beside one another, which the parser refuses.
    """
    if state.glue is not Glue.MAYBE or state.string:
        return False
    return text is None or text[:1] not in tuple(" \t\r\n,:]}")


def print_value(state: State) -> State:
    """The state behind an action that prints outside of a string.

    Raises:
        BrokenJson: no value can stand here (index 0: the action itself).
    """
    if state.glue in _CERTAIN:
        raise BrokenJson(
            f"this value is glued to {state.glue}, so that what it means depends on the event",
            0,
            'put both into one string: "...{{.a}}..."',
        )
    is_key = state.is_key
    allowed = _STRING_STARTS if is_key else _VALUE_STARTS
    state = _only(state, allowed[state.inside], "a value", 0, _COMMA_HINT)
    position = COLON if is_key else AFTER
    return replace(state, positions=frozenset({position}), glue=Glue.ACTION)


def join(left: State | None, right: State | None) -> State | None:
    """The state behind two branches; None is a branch that is never left (break, continue).

    Raises:
        BrokenJson: the branches end in different places.
    """
    if left is None or right is None:
        return left or right
    if left.place != right.place:
        raise BrokenJson(f"one way ends {left.place}, another {right.place}", 0)
    glue = left.glue
    if left.glue != right.glue:
        certain = left.glue in _CERTAIN and right.glue in _CERTAIN
        glue = Glue.ACTION if certain else Glue.MAYBE
    return replace(
        left,
        positions=left.positions | right.positions,
        glue=glue,
        proven=left.proven and right.proven,
    )


def widened(state: State) -> State:
    """The state with every position that has the same place."""
    if state.string or (state.inside == "{" and not state.positions <= _BETWEEN):
        return state
    return replace(state, positions=_WIDE[state.inside])


def finish(state: State, offset: int) -> State:
    """Check the end of the document.

    Raises:
        BrokenJson: something is still open or missing (index: offset in the template).
    """
    if state.string:
        raise BrokenJson("a string is never closed", offset, "add a double quote")
    if state.open:
        bracket, opened = state.open[-1]
        raise BrokenJson(f"this {bracket} is never closed", opened)
    if AFTER not in state.positions:
        raise BrokenJson("the document has no value", offset)
    return replace(state, proven=state.proven and state.positions == {AFTER})
