"""The usual cases of the functions that templates call most, without the general way's bookkeeping.

Rules: a quick way decides by the types it is given, in a time that does not grow with them, or pays
for what grows; for everything else it goes the general way, which also words all refusals. Neither
way can be told from the other by its result.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from subscriber.template.functions.jsontext import encode_float
from subscriber.template.functions.numbers import rounded
from subscriber.template.semantics import compare
from subscriber.template.semantics.builtins import BUILTINS, paid
from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.values import MAX_OUTPUT, Encoded

Call = Callable[..., Any]  # offset, run, arguments

_SHORT = 64  # a text that is read within the price of the loop around it
_TEXTS = {str}


def _to_string(call: Call) -> Call:
    def to_string(offset: int, run: Run, value: object) -> Any:
        return value if type(value) is str else call(offset, run, value)

    return to_string


def _default(_: Call) -> Call:
    def default(offset: int, run: Run, fallback: object, *value: object) -> Any:
        return value[0] if value and value[0] else fallback

    return default


def _coalesce(_: Call) -> Call:
    def coalesce(offset: int, run: Run, *values: object) -> Any:
        for value in values:
            if value:
                return value
        return None

    return coalesce


def _ternary(call: Call) -> Call:
    def ternary(offset: int, run: Run, if_true: object, if_false: object, condition: object) -> Any:
        if condition is True:
            return if_true
        return if_false if condition is False else call(offset, run, if_true, if_false, condition)

    return ternary


def _append(call: Call) -> Call:
    def append(offset: int, run: Run, values: object, *added: object) -> Any:
        if type(values) is not list or len(added) != 1:
            return call(offset, run, values, *added)
        longer = [*values, added[0]]
        run.charge_longer(longer, values)
        return longer

    return append


def _contains(call: Call) -> Call:
    def contains(offset: int, run: Run, part: object, value: object) -> Any:
        if type(value) is str and type(part) is str and len(value) <= _SHORT:
            return part in value
        return call(offset, run, part, value)

    return contains


def _has_prefix(call: Call) -> Call:
    def has_prefix(offset: int, run: Run, prefix: object, value: object) -> Any:
        if type(value) is str and type(prefix) is str and len(prefix) <= _SHORT:
            return value.startswith(prefix)
        return call(offset, run, prefix, value)

    return has_prefix


def _has_suffix(call: Call) -> Call:
    def has_suffix(offset: int, run: Run, suffix: object, value: object) -> Any:
        if type(value) is str and type(suffix) is str and len(suffix) <= _SHORT:
            return value.endswith(suffix)
        return call(offset, run, suffix, value)

    return has_suffix


def _join(call: Call) -> Call:
    def join(offset: int, run: Run, separator: object, values: object) -> Any:
        if type(values) is list and type(separator) is str and set(map(type, values)) == _TEXTS:
            run.charge(1 + len(values))
            run.charge_text(sum(map(len, values)) + len(separator) * len(values))
            return separator.join(values)
        return call(offset, run, separator, values)

    return join


def _round(call: Call) -> Call:
    def round_(offset: int, run: Run, number: object, *places: object) -> Any:
        if type(number) is float and len(places) == 1 and type(places[0]) is int:
            return rounded(number, places[0])
        return call(offset, run, number, *places)

    return round_


def _to_json(call: Call) -> Call:
    def to_json(offset: int, run: Run, value: object) -> Any:
        if type(value) is float and isfinite(value):
            written = encode_float(value)
            return Encoded(written, written)
        return call(offset, run, value)

    return to_json


QUICK: dict[str, Callable[[Call], Call]] = {
    "toString": _to_string,
    "default": _default,
    "coalesce": _coalesce,
    "ternary": _ternary,
    "append": _append,
    "contains": _contains,
    "hasPrefix": _has_prefix,
    "hasSuffix": _has_suffix,
    "join": _join,
    "round": _round,
    "toJson": _to_json,
}
"""Quick ways by the library function's name; each is given the general way."""


def eq_text(value: object, constant: str, offset: int, run: Run) -> bool:
    """``eq value "constant"``."""
    if type(value) is str:
        return value == constant
    return compare.eq(offset, run, value, constant)


_printf = BUILTINS["printf"].call


def printf_texts(pythons: str, offset: int, run: Run, template: str, *arguments: object) -> str:
    """``printf`` with nothing but ``%s`` and ``%v``, one for each argument.

    Args:
        pythons: the format in Python's own language.
        offset, run, template, arguments: as for the builtin.
    """
    size = 0
    for argument in arguments:
        if not isinstance(argument, str):
            break
        size += len(argument)
    else:
        if size <= MAX_OUTPUT:
            return paid(run, pythons % arguments)
    assert _printf is not None
    return _printf(offset, run, template, *arguments)  # type: ignore[no-any-return]


def made(value: Any, run: Run) -> Any:
    """A list or map that was just made, paid for."""
    run.charge_value(value)
    return value


def is_int(value: object) -> bool:
    """Whether a value is of Go's kind int; Python's bool is an int, too."""
    return isinstance(value, int) and not isinstance(value, bool)
