"""Calls that need no call: functions compiled to Python's own expressions.

Rules: a shortcut does exactly what the function does for every value that can arrive, at a cost
that does not grow with the value; where that is not certain there is none. An argument is left
unevaluated only where nobody can tell.

This module does not know how a template is parsed, nor what a function costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce

from jinja2 import nodes

from subscriber.template.building import Builder, Value
from subscriber.template.functions.kinds import KINDS

Shortcut = Callable[[Builder, Sequence[Value]], Value | None]

_TEXTS_ONLY = re.compile(r"(?:[^%]|%[sv])*\Z")
_COMPARED = frozenset({"int", "float", "bool"})  # in constant time, by Python as by Go


def shortcut(builder: Builder, name: str, values: Sequence[Value]) -> Value | None:
    """The function's result without calling it, or None when it must be called.

    Args:
        builder: makes the nodes, at the function's own offset.
        name: the function.
        values: its arguments, the piped one last; their number is right.
    """
    make = _SHORTCUTS.get(name)
    return None if make is None else make(builder, values)


def _truth(node: nodes.Expr) -> Value:
    return Value(node, kind="bool", nil=False)


def _not(builder: Builder, values: Sequence[Value]) -> Value | None:
    return _truth(nodes.Not(values[0].node, lineno=builder.line))


def _default(builder: Builder, values: Sequence[Value]) -> Value | None:
    if len(values) != 2 or not values[0].silent:
        return None
    fallback, value = values
    node = nodes.Or(value.node, builder.as_argument(fallback), lineno=builder.line)
    kind = fallback.kind if fallback.kind == value.kind else ""
    return Value(node, kind=kind, nil=fallback.nil or fallback.missing)


def _coalesce(builder: Builder, values: Sequence[Value]) -> Value | None:
    if not values or not all(value.silent for value in values[1:]):
        return None
    found = [value.node for value in values]
    certain = bool(values[-1].constant)
    if not certain:
        found.append(builder.const(None))
    node = reduce(lambda left, right: nodes.Or(left, right, lineno=builder.line), found)
    return Value(node, nil=not certain)


def _ternary(builder: Builder, values: Sequence[Value]) -> Value | None:
    if_true, if_false, condition = values
    if condition.kind != "bool" or not (if_true.silent and if_false.silent):
        return None
    node = nodes.CondExpr(
        condition.node,
        builder.as_argument(if_true),
        builder.as_argument(if_false),
        lineno=builder.line,
    )
    kind = if_true.kind if if_true.kind == if_false.kind else ""
    nil = any(value.nil or value.missing for value in (if_true, if_false))
    return Value(node, kind=kind, nil=nil)


def _kind_is(builder: Builder, values: Sequence[Value]) -> Value | None:
    kind, value = values[0].constant, values[1]
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    node = builder.as_argument(value) if kind == "invalid" else value.node
    return _truth(builder.filter(node, f"go.is_{kind}"))


def _to_string(builder: Builder, values: Sequence[Value]) -> Value | None:
    return values[0] if values[0].kind == "str" else None


def _list(builder: Builder, values: Sequence[Value]) -> Value | None:
    items = [builder.as_argument(value) for value in values]
    return _made(builder, nodes.List(items, lineno=builder.line), "list", empty=not items)


def _dict(builder: Builder, values: Sequence[Value]) -> Value | None:
    keys = values[::2]
    if len(values) % 2 or not all(type(key.constant) is str for key in keys):
        return None
    pairs = [
        nodes.Pair(key.node, builder.as_argument(value), lineno=builder.line)
        for key, value in zip(keys, values[1::2], strict=True)
    ]
    return _made(builder, nodes.Dict(pairs, lineno=builder.line), "dict", empty=not pairs)


def _made(builder: Builder, literal: nodes.Expr, kind: str, *, empty: bool) -> Value:
    node = literal if empty else builder.filter(literal, "go.made", builder.run)
    return Value(node, kind=kind, nil=False)


def _length(builder: Builder, values: Sequence[Value]) -> Value | None:
    if values[0].kind not in ("list", "dict"):
        return None
    return Value(builder.filter(values[0].node, "go.size"), kind="int", nil=False)


def _equal(builder: Builder, values: Sequence[Value]) -> Value | None:
    if len(values) != 2:
        return None
    left, right = values
    text = type(right.constant) is str
    if left.kind == right.kind and (left.kind in _COMPARED or (left.kind == "str" and text)):
        return _compared(builder, "eq", values)
    if not text:
        return None
    return _truth(builder.filter(left.node, "go.eq_text", right.node, builder.offset, builder.run))


def _unequal(builder: Builder, values: Sequence[Value]) -> Value | None:
    equal = _equal(builder, values)
    return None if equal is None else _not(builder, [equal])


def _ordered(operator: str) -> Shortcut:
    def ordered(builder: Builder, values: Sequence[Value]) -> Value | None:
        whole = all(value.kind == "int" for value in values)
        return _compared(builder, operator, values) if whole else None

    return ordered


def _compared(builder: Builder, operator: str, values: Sequence[Value]) -> Value:
    left, right = (value.node for value in values)
    operand = nodes.Operand(operator, right, lineno=builder.line)
    return _truth(nodes.Compare(left, [operand], lineno=builder.line))


def _printf(builder: Builder, values: Sequence[Value]) -> Value | None:
    template = values[0].constant
    if not isinstance(template, str) or not _TEXTS_ONLY.match(template):
        return None
    if template.count("%") != len(values) - 1:
        return None
    arguments = [builder.as_argument(value) for value in values[1:]]
    pythons = template.replace("%v", "%s")
    node = builder.filter(
        pythons, "go.printf_texts", builder.offset, builder.run, template, *arguments
    )
    return Value(node, kind="str", nil=False)


_SHORTCUTS: dict[str, Shortcut] = {
    "not": _not,
    "empty": _not,
    "default": _default,
    "coalesce": _coalesce,
    "ternary": _ternary,
    "kindIs": _kind_is,
    "toString": _to_string,
    "list": _list,
    "dict": _dict,
    "len": _length,
    "eq": _equal,
    "ne": _unequal,
    "lt": _ordered("lt"),
    "le": _ordered("lteq"),
    "gt": _ordered("gt"),
    "ge": _ordered("gteq"),
    "printf": _printf,
}
