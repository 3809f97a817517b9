"""Variables that are set inside expressions, such as ``{{and .x ($y := 1)}}``.

Rules: compiled code keeps ordinary variables in Python's own; only a template that declares or sets
one inside a parenthesis keeps all of its variables in a list of slots. A slot that was never
reached is undeclared, and the next outer variable of that name counts.
"""

from __future__ import annotations

from typing import Any, Final

from subscriber.template.semantics.values import Fault

_UNDECLARED: Final = object()


def new_slots(count: int) -> list[Any]:
    """Slots of one rendering, all undeclared."""
    return [_UNDECLARED] * count


def reset(slots: list[Any], first: int, behind: int) -> None:
    """Undeclare the slots of a loop's body before it runs again."""
    slots[first:behind] = [_UNDECLARED] * (behind - first)


def declare(value: Any, slots: list[Any], slot: int) -> Any:
    """Give the slot its value; the value goes on."""
    slots[slot] = value
    return value


def assign(value: Any, slots: list[Any], offset: int, name: str, *candidates: int) -> Any:
    """Change the innermost declared variable of that name; the value goes on."""
    for slot in candidates:
        if slots[slot] is not _UNDECLARED:
            slots[slot] = value
            return value
    raise Fault(f"the variable {name} is not declared here", offset)


def read(slots: list[Any], offset: int, name: str, *candidates: int) -> Any:
    """The innermost declared variable of that name."""
    for slot in candidates:
        if slots[slot] is not _UNDECLARED:
            return slots[slot]
    raise Fault(f"the variable {name} is not declared here", offset)
