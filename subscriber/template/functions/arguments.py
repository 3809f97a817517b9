"""Reading arguments: what a template handed over, or a refusal that says what to do.

Rules: the types are as strict as in Go (text where the original wants a string, a whole number
where it wants an int), with two kindnesses: Go's int and int64 are one type, and nothing (null or
missing) is an empty map or an empty list where the original takes a nil map or slice.

This module does not know the functions.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions.registry import FunctionError, Run, kind_of
from subscriber.template.semantics.show import show

LETTERS_PER_STEP = 4
"""How many characters of a text one step pays for, where Python looks at each."""

_TEXT_HINT = "convert it with toString"
_MISSING_HINT = 'give it a value with default, e.g. {{.name | default "unknown"}}'


def text(value: Json, name: str = "the value") -> str:
    """The argument as text.

    Raises:
        FunctionError: it is not text; the originals refuse it too.
    """
    if isinstance(value, str):
        return value
    hint = _MISSING_HINT if value is None else _TEXT_HINT
    raise FunctionError(f"{name} must be text, not {kind_of(value)}", hint=hint)


def text_by_letters(run: Run, value: Json) -> str:
    """The argument as text, of which each character is about to be looked at in Python.

    Raises:
        FunctionError: it is not text; or the rendering's steps are used up.
    """
    source = text(value)
    run.charge(len(source) // LETTERS_PER_STEP)
    return source


def whole(value: Json, name: str) -> int:
    """The argument as a whole number (never a bool, a float or digits in quotes).

    Raises:
        FunctionError: it is something else; the originals refuse it too.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    hint = _MISSING_HINT if value is None else "convert it with int"
    raise FunctionError(f"{name} must be a whole number, not {kind_of(value)}", hint=hint)


def truth_value(value: Json, name: str) -> bool:
    """The argument as true or false, nothing else.

    Raises:
        FunctionError: it is not a bool.
    """
    if isinstance(value, bool):
        return value
    raise FunctionError(
        f"{name} must be true or false, not {kind_of(value)}",
        hint='compare it first, e.g. (eq .result "fail") or (not (empty .result))',
    )


def mapping(value: Json, name: str = "the value") -> dict[str, Json]:
    """The argument as a map; nothing is an empty map, as Go's nil map is.

    Raises:
        FunctionError: it is something else.
    """
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise FunctionError(f"{name} must be a map, not {kind_of(value)}")


def sequence(value: Json, name: str = "the value") -> list[Json]:
    """The argument as a list.

    Raises:
        FunctionError: it is something else, nothing included (the originals fail on nil too).
    """
    if isinstance(value, list):
        return value
    hint = "give it a value with default, e.g. (.items | default list)" if value is None else ""
    raise FunctionError(f"{name} must be a list, not {kind_of(value)}", hint=hint)


def shown(value: Json) -> str:
    """Any value as text the way the originals do: text as it is, the rest as Go's ``%v``."""
    return value if isinstance(value, str) else show(value)


def weight(value: Json) -> int:
    """How many values there are in a value, itself included."""
    if isinstance(value, list):
        return 1 + sum(map(weight, value))
    return 1 + sum(map(weight, value.values())) if isinstance(value, dict) else 1


def shown_items(run: Run, value: Json) -> list[str]:
    """A list as a list of texts, leaving out nothings; anything else is a list of one.

    Raises:
        Fault of the engine: the rendering's steps are used up.
    """
    run.charge(weight(value))
    if isinstance(value, list):
        return [shown(item) for item in value if item is not None]
    return [] if value is None else [shown(value)]
