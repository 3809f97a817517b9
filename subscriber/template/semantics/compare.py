"""eq, ne, lt, le, gt and ge: Go's comparisons.

Rules: two values are compared only when they are of one kind (an int is no float), an int and a
byte excepted; nil equals nil and nothing else; maps and lists can only be compared with nil; only
numbers and text have an order.
"""

from __future__ import annotations

from enum import StrEnum

from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.values import (
    Fault,
    Missing,
    Uint8,
    to_bytes,
    type_name,
)


class Kind(StrEnum):
    """Go's basic kinds, and what has none."""

    NIL = "nil"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    UINT = "uint"
    LIST = "list"
    MAP = "map"


_KINDS: dict[type, Kind] = {
    type(None): Kind.NIL,
    Missing: Kind.NIL,
    bool: Kind.BOOL,
    int: Kind.INT,
    Uint8: Kind.UINT,
    float: Kind.FLOAT,
    str: Kind.STRING,
    list: Kind.LIST,
    dict: Kind.MAP,
}
_LONG = 4096  # a text so long is worth a step per piece of this size
_ENCODED = 256  # and when its bytes are needed
_SAME_TYPE = frozenset({str, int, float, bool})
_ORDERED = frozenset({Kind.INT, Kind.UINT, Kind.FLOAT, Kind.STRING})
_INTEGERS = frozenset({Kind.INT, Kind.UINT})
_CONTAINERS = frozenset({Kind.LIST, Kind.MAP})


def kind(value: object) -> Kind:
    """The kind of a value; subclasses count as what they are made from."""
    found = _KINDS.get(type(value))
    if found is None:
        found = next(_KINDS[base] for base in type(value).__mro__ if base in _KINDS)
    return found


def _incompatible(offset: int, left: object, right: object) -> Fault:
    a, b = type_name(left), type_name(right)
    hint = "convert one of them"
    if {a, b} == {"int", "float64"}:
        hint = "a number with a point is a float64: write e.g. 80.0, or use float64 or int"
    return Fault(f"{a} and {b} cannot be compared", offset, hint)


def eq(offset: int, run: Run, first: object, *others: object) -> bool:
    """Whether the first value equals any of the others."""
    if not others:
        raise Fault("eq needs something to compare with", offset)
    for other in others:
        if type(first) is type(other) and type(first) in _SAME_TYPE:
            if type(first) is str and len(first) > _LONG:
                run.charge(len(first) // _LONG)
            if first == other:
                return True
        elif _equal(offset, first, other):
            return True
    return False


def _equal(offset: int, left: object, right: object) -> bool:
    a, b = kind(left), kind(right)
    if Kind.NIL in (a, b):
        return a is b
    if a in _CONTAINERS or b in _CONTAINERS:
        if a is b:
            raise Fault(f"two {a}s cannot be compared", offset, "compare their fields")
        raise _incompatible(offset, left, right)
    if a is not b and not (a in _INTEGERS and b in _INTEGERS):
        raise _incompatible(offset, left, right)
    return left == right


def ne(offset: int, run: Run, left: object, right: object) -> bool:
    """Whether two values differ."""
    return not eq(offset, run, left, right)


def _ordered(offset: int, run: Run, left: object, right: object) -> bool:
    """Whether left < right, after Go's checks."""
    a, b = kind(left), kind(right)
    for value, what in ((left, a), (right, b)):
        if what is Kind.NIL or what in _CONTAINERS:
            raise Fault(f"{type_name(value)} has no order", offset, "compare numbers or text")
    if a is not b and not (a in _INTEGERS and b in _INTEGERS):
        raise _incompatible(offset, left, right)
    if a not in _ORDERED:
        raise Fault(f"{type_name(left)} has no order", offset, "use eq or ne")
    if isinstance(left, str) and isinstance(right, str):
        run.charge(min(len(left), len(right)) // _LONG)
        if not left.isascii():
            run.charge((len(left) + len(right)) // _ENCODED)
            return to_bytes(left) < to_bytes(right)
    return left < right  # type: ignore[operator,no-any-return]


def lt(offset: int, run: Run, left: object, right: object) -> bool:
    """Whether left < right."""
    return _ordered(offset, run, left, right)


def le(offset: int, run: Run, left: object, right: object) -> bool:
    """Whether left <= right, in Go's way: less or equal."""
    return _ordered(offset, run, left, right) or eq(offset, run, left, right)


def gt(offset: int, run: Run, left: object, right: object) -> bool:
    """Whether left > right: the opposite of le."""
    return not le(offset, run, left, right)


def ge(offset: int, run: Run, left: object, right: object) -> bool:
    """Whether left >= right: the opposite of lt."""
    return not _ordered(offset, run, left, right)
