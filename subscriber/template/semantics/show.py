"""How Go prints values: %v, Print and Println.

Rules: ``<nil>`` for nil inside anything, ``<no value>`` for an action without value, maps sorted by
key, floats as %g.
"""

from __future__ import annotations

from collections.abc import Iterable

from subscriber.template.semantics.floats import show_float
from subscriber.template.semantics.values import MAX_OUTPUT, MISSING, to_bytes, too_long

NO_VALUE = "<no value>"


def show(value: object) -> str:
    """Go's %v of a JSON value; nil is ``<nil>``."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    if value is None or value is MISSING:
        return "<nil>"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, dict):
        return _show_map(value)
    if isinstance(value, list):
        return _bounded("[", [show(item) for item in value], "]")
    if isinstance(value, int):
        return int.__repr__(value)
    return str(value)


def _show_map(value: dict[str, object]) -> str:
    pairs = [f"{key}:{show(value[key])}" for key in sorted_keys(value)]
    return _bounded("map[", pairs, "]")


def _bounded(left: str, pieces: list[str], right: str) -> str:
    if sum(map(len, pieces)) + len(pieces) > MAX_OUTPUT:
        raise too_long()
    return left + " ".join(pieces) + right


def sorted_keys(value: dict[str, object]) -> list[str]:
    """Keys in Go's order, which is that of their UTF-8."""
    keys = sorted(value)
    if keys and keys[-1] >= "\ud800":  # code points order as bytes do, but for surrogate escapes
        keys.sort(key=to_bytes)
    return keys


def text(value: object) -> str:
    """What an action prints: %v, but ``<no value>`` when there is none."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    if value is None or value is MISSING:
        return NO_VALUE
    return show(value)


def sprint(values: Iterable[object]) -> str:
    """fmt.Sprint: a space only between two operands that are both no text."""
    pieces: list[str] = []
    previous_is_text = True
    length = 0
    for value in values:
        is_text = isinstance(value, str)
        if not is_text and not previous_is_text:
            pieces.append(" ")
        piece = show(value)
        length += len(piece)
        if length > MAX_OUTPUT:
            raise too_long()
        pieces.append(piece)
        previous_is_text = is_text
    return "".join(pieces)


def sprintln(values: Iterable[object]) -> str:
    """fmt.Sprintln: spaces between all operands, a newline at the end."""
    pieces = [show(value) for value in values]
    if sum(map(len, pieces)) > MAX_OUTPUT:
        raise too_long()
    return " ".join(pieces) + "\n"


def sprint_action(values: tuple[object, ...]) -> str:
    """What html, js and urlquery escape: Sprint, with ``<no value>`` for nil."""
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return sprint([NO_VALUE if value is None or value is MISSING else value for value in values])
