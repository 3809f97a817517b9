"""Making jinja2 nodes for a Go template, and what is known about the values they stand for.

Rules: what is known is true for every event, so that a check is compiled only where it can matter;
a node's `lineno` is its offset in the source plus one (see `lower`).

This module does not know the tree of a Go template.
"""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, nodes
from jinja2.parser import Parser as JinjaParser

from subscriber.model.reason import Reason
from subscriber.template.problem import TemplateError

PATHS = frozenset({"go.path1", "go.path2", "go.path3", "go.path"})
"""Filters that look up names in a value; each has a second one, ``_nil``, for arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about a value.

    Attributes:
        kind: ``str``, ``bool``, ``int``, ``float``, ``list`` or ``dict`` when it is always that,
            else empty.
        missing: whether it can be MISSING.
        nil: whether it can be None.
    """

    kind: str = ""
    missing: bool = False
    nil: bool = True

    def either(self, other: Known) -> Known:
        """What is known about a value that is one of the two."""
        return Known(
            kind=self.kind if self.kind == other.kind else "",
            missing=self.missing or other.missing,
            nil=self.nil or other.nil,
        )


UNKNOWN = Known(missing=True)
"""Nothing is known."""


@dataclass(frozen=True, slots=True)
class Value:
    """A lowered expression and what is known about its result; see `Known`."""

    node: nodes.Expr
    kind: str = ""
    missing: bool = False
    nil: bool = True

    @property
    def silent(self) -> bool:
        """Whether nobody can tell if it was evaluated: a constant or a variable."""
        return isinstance(self.node, nodes.Const | nodes.InternalName)

    @property
    def constant(self) -> object:
        """The value of a constant, None for everything else."""
        return self.node.value if isinstance(self.node, nodes.Const) else None


class Builder:
    """Makes nodes that stand at the current offset."""

    def __init__(self, source: str, name: str, environment: Environment) -> None:
        self.source = source
        self.name = name
        self.parser = JinjaParser(environment, "")
        self.offset = 0
        self.run = self.free()

    @property
    def line(self) -> int:
        """The `lineno` of nodes made now: the offset plus one."""
        return self.offset + 1

    def free(self) -> nodes.InternalName:
        """A Python variable that no template can name."""
        return self.parser.free_identifier(1)

    def const(self, value: object) -> nodes.Const:
        """A constant."""
        return nodes.Const(value, lineno=self.line)

    def filter(self, value: nodes.Expr | object, name: str, *arguments: object) -> nodes.Filter:
        """A call of the filter function; plain values become constants."""
        first, *rest = [
            item if isinstance(item, nodes.Expr) else self.const(item)
            for item in (value, *arguments)
        ]
        return nodes.Filter(first, name, rest, [], None, None, lineno=self.line)

    def assign(self, target: nodes.Expr, value: nodes.Expr) -> nodes.Assign:
        """``target = value``."""
        return nodes.Assign(target, value, lineno=self.line)

    def do(self, expression: nodes.Expr) -> nodes.ExprStmt:
        """An expression evaluated for its effect."""
        return nodes.ExprStmt(expression, lineno=self.line)

    def fault(self, offset: int, message: str, hint: str = "") -> Value:
        """An expression that fails when it is reached."""
        return Value(self.filter(offset, "go.fault", message, hint))

    def error(self, message: str, offset: int, hint: str = "") -> TemplateError:
        """A refusal at compile time."""
        return TemplateError.at(
            Reason.TEMPLATE_SYNTAX,
            message,
            name=self.name,
            source=self.source,
            offset=offset,
            hint=hint,
        )

    def as_argument(self, value: Value) -> nodes.Expr:
        """A value as a function's argument: no value is nil."""
        node = value.node
        if not value.missing:
            return node
        if isinstance(node, nodes.Filter) and node.name in PATHS:
            return nodes.Filter(
                node.node, f"{node.name}_nil", node.args, [], None, None, lineno=node.lineno
            )
        return self.filter(node, "go.argument")

    def kept(self, value: Value) -> nodes.Expr:
        """A pipeline's result where it is kept: nil has become no value."""
        return self.filter(value.node, "go.elem") if value.nil else value.node
