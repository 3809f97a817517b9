"""Go pipelines to Jinja expressions: the half of `lower` that is about values.

Rules: an expression is compiled to calls of filters (see `lower` for the names); what is known
about its result is kept beside it, so that a check is only made where it can matter. Evaluation
order is Go's wherever it can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, nodes
from jinja2.parser import Parser as JinjaParser

from subscriber.model.reason import Reason
from subscriber.template.functions.registry import FUNCTIONS
from subscriber.template.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    NumberLiteral,
    Operand,
    Pipe,
    String,
    Variable,
)
from subscriber.template.problem import TemplateError
from subscriber.template.semantics.builtins import BUILTINS

_FAST_PATHS = 3


@dataclass(frozen=True, slots=True)
class Value:
    """A lowered expression and what is known about its result.

    Attributes:
        node: the expression.
        kind: ``str``, ``bool``, ``int`` ... when it is always that, else empty.
        missing: whether it can be MISSING.
        nil: whether it can be None.
    """

    node: nodes.Expr
    kind: str = ""
    missing: bool = False
    nil: bool = True


@dataclass(slots=True)
class Binding:
    """A declared variable and where its value is kept."""

    name: str
    place: nodes.InternalName | int  # a Python variable, or the number of a slot


class Expressions:
    """Lowers the pipelines of one template; `lower` adds the statements."""

    def __init__(self, source: str, name: str, environment: Environment, missing: str) -> None:
        self.source = source
        self.name = name
        self.environment = environment
        self.missing = missing
        self.parser = JinjaParser(environment, "")
        self.offset = 0
        self.bindings: list[Binding] = []
        self.slotted = False
        self.slot_count = 0
        self.run = self.free()
        self.slots = self.free()
        self.top = self.free()
        self.root = self.free()
        self.dot: nodes.Expr = self.top
        self.dot_missing = True

    # -- making Jinja nodes ----------------------------------------------------------------------

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

    def do(self, expression: nodes.Expr) -> nodes.ExprStmt:
        """An expression evaluated for its effect."""
        return nodes.ExprStmt(expression, lineno=self.line)

    # -- variables -------------------------------------------------------------------------------

    def new_slot(self) -> int:
        """The number of a new slot."""
        self.slot_count += 1
        return self.slot_count - 1

    def binding(self, name: str) -> Binding | None:
        """The innermost declaration of a variable."""
        return next((b for b in reversed(self.bindings) if b.name == name), None)

    def candidates(self, name: str) -> list[object]:
        """The slots of all declarations of a variable, innermost first."""
        return [b.place for b in reversed(self.bindings) if b.name == name]

    def undeclared(self, name: str, offset: int) -> nodes.Expr:
        """A use of a variable that the text declares but no evaluation did."""
        return self.fault(offset, f"the variable {name} is not declared here").node

    def assign_slots(self, value: nodes.Expr, name: str) -> nodes.Expr:
        """``$x = value`` within an expression."""
        return self.filter(
            value, "go.assign", self.slots, self.offset, name, *self.candidates(name)
        )

    def kept(self, value: Value) -> nodes.Expr:
        """A pipeline's result where it is kept: nil has become no value."""
        return value.node if not value.nil else self.filter(value.node, "go.elem")

    def top_pipe(self, pipe: Pipe) -> tuple[list[nodes.Node], Value]:
        """A pipeline that stands by itself: statements before it, and its value."""
        value = self.commands(pipe)
        if not pipe.variables:
            return [], value
        self.offset = pipe.offset
        if self.slotted:
            value = self.set_inside(pipe, value)
            holder = self.free()
            return [self.assign(holder, value.node)], Value(holder, value.kind, missing=True)
        statements: list[nodes.Node] = []
        kept = self.kept(value)
        holder = self.free()
        statements.append(self.assign(holder, kept))
        # Both variables of a range start as the whole value.
        for variable in pipe.variables:
            if pipe.assigns:
                binding = self.binding(variable.name)
                if binding is None:
                    statements.append(self.do(self.undeclared(variable.name, variable.offset)))
                    continue
            else:
                binding = Binding(variable.name, self.free())
                self.bindings.append(binding)
            assert isinstance(binding.place, nodes.InternalName)
            statements.append(self.assign(binding.place, holder))
        return statements, Value(holder, value.kind, missing=True, nil=False)

    def set_inside(self, pipe: Pipe, value: Value) -> Value:
        """Declare or assign within an expression, by slots."""
        node = self.kept(value)
        for variable in pipe.variables:
            if pipe.assigns:
                self.offset = variable.offset
                node = self.assign_slots(node, variable.name)
            else:
                slot = self.new_slot()
                self.bindings.append(Binding(variable.name, slot))
                node = self.filter(node, "go.declare", self.slots, slot)
        return Value(node, value.kind, missing=True, nil=False)

    def read_variable(self, node: Variable) -> Value:
        """The value of a variable."""
        if self.slotted:
            places = self.candidates(node.name)
            return Value(
                self.filter(self.slots, "go.read", node.offset, node.name, *places), missing=True
            )
        binding = self.binding(node.name)
        if binding is None:
            return Value(self.undeclared(node.name, node.offset))
        assert isinstance(binding.place, nodes.InternalName)
        return Value(binding.place, missing=True)

    # -- expressions -----------------------------------------------------------------------------

    def commands(self, pipe: Pipe) -> Value:
        """The commands of a pipeline, each given the value of the one before."""
        value: Value | None = None
        for command in pipe.commands:
            value = self.command(command, value)
        assert value is not None
        return value

    def pipe(self, pipe: Pipe) -> Value:
        """A parenthesized pipeline."""
        value = self.commands(pipe)
        self.offset = pipe.offset
        return self.set_inside(pipe, value) if pipe.variables else value

    def command(self, command: Command, final: Value | None) -> Value:
        """One command; `final` is the value piped into it."""
        first, *rest = command.operands
        self.offset = first.offset
        if isinstance(first, Identifier):
            return self.call(first, rest, final)
        if not rest and final is None:
            if isinstance(first, Nil):
                return self.fault(first.offset, "nil alone is no value", "nil is an argument only")
            return self.operand(first)
        names = getattr(first, "names", ())
        if names:
            # A field with arguments fails, unless there is nothing to take the field of.
            receiver = self.receiver(first)
            if final is not None:
                receiver = self.filter(receiver, "go.after", final.node)
            return Value(
                self.filter(receiver, "go.path_with_arguments", first.offset, *names), missing=True
            )
        what = self.source[first.offset : first.offset + 20].split()[0]
        refusal = self.fault(first.offset, f"{what} is no function and takes no arguments")
        if final is not None:
            refusal = Value(self.filter(refusal.node, "go.after", final.node))
        return refusal

    def receiver(self, operand: Operand) -> nodes.Expr:
        """What the names of a field, variable or chain are looked up in."""
        if isinstance(operand, Field):
            return self.dot
        if isinstance(operand, Variable):
            return self.read_variable(operand).node
        assert isinstance(operand, Chain)
        if isinstance(operand.operand, Nil):
            return self.fault(operand.offset, "nil has no fields").node
        return self.kept(self.operand(operand.operand))

    def operand(self, operand: Operand, *, argument: bool = False) -> Value:
        """An operand's value; as an argument, no value is nil."""
        self.offset = operand.offset
        value = _OPERANDS[type(operand)](self, operand)
        if argument and value.missing:
            return Value(self.as_argument(operand, value), value.kind)
        return value

    def as_argument(self, operand: Operand, value: Value) -> nodes.Expr:
        """A value that may be missing, as a function's argument."""
        node = value.node
        if isinstance(operand, Field) and isinstance(node, nodes.Filter):
            return nodes.Filter(
                node.node, "go.path_nil", node.args, [], None, None, lineno=node.lineno
            )
        return self.filter(node, "go.argument")

    def path(self, receiver: nodes.Expr, offset: int, names: Sequence[str]) -> Value:
        """Names looked up in a value."""
        size = len(names)
        name = f"go.path{size}" if size <= _FAST_PATHS else "go.path"
        node = self.filter(receiver, name, offset, *names)
        return Value(node, missing=self.missing != "error")

    def field(self, node: Field) -> Value:
        """``.a.b``"""
        return self.path(self.dot, node.offset, node.names)

    def variable(self, node: Variable) -> Value:
        """``$x`` or ``$x.a``"""
        if node.names:
            return self.path(self.read_variable(node).node, node.offset, node.names)
        return self.read_variable(node)

    def chain(self, node: Chain) -> Value:
        """``(pipeline).a``"""
        receiver = self.receiver(node)
        self.offset = node.offset
        return self.path(receiver, node.offset, node.names)

    def dot_value(self, node: Dot) -> Value:
        """``.``"""
        return Value(self.dot, missing=self.dot_missing)

    def number(self, node: NumberLiteral) -> Value:
        """A number."""
        if node.number.overflow:
            return self.fault(node.offset, f"{node.number.text} does not fit in an int")
        value = node.number.value
        return Value(self.const(value), kind=type(value).__name__, nil=False)

    def literal(self, node: Bool | String) -> Value:
        """A text or a truth value."""
        return Value(self.const(node.value), kind=type(node.value).__name__, nil=False)

    def identifier(self, node: Identifier) -> Value:
        """A function without arguments, as an argument itself."""
        return self.call(node, [], None)

    def call(self, function: Identifier, operands: Sequence[Operand], final: Value | None) -> Value:
        """A function call, checked for its number of arguments."""
        name = function.name
        count = len(operands) + (final is not None)
        builtin = BUILTINS.get(name)
        if builtin is None:
            return self.library_call(function, operands, final, count)
        if count < builtin.least or (builtin.most is not None and count > builtin.most):
            wanted = f"{builtin.least}" if builtin.most is not None else f"at least {builtin.least}"
            return self.fault(
                function.offset, f"{name} takes {wanted} argument{_s(wanted)}, not {count}"
            )
        if name in ("and", "or"):
            return self.logic(name, operands, final)
        arguments, ordered = self.arguments(operands, final)
        self.offset = function.offset
        if name == "not":
            return Value(nodes.Not(arguments[0], lineno=self.line), kind="bool", nil=False)
        node = self.filter(function.offset, f"go.{name}", self.run, *arguments)
        if ordered:
            node = self.filter(ordered, f"go.{name}|", function.offset, self.run, *arguments[:-1])
        return Value(node, kind=builtin.result, nil=not builtin.result)

    def library_call(
        self, identifier: Identifier, operands: Sequence[Operand], final: Value | None, count: int
    ) -> Value:
        """A call of the function library."""
        function = FUNCTIONS[identifier.name]
        if count < function.least or (function.most is not None and count > function.most):
            raise self.error(
                f"{identifier.name} does not take {count} argument{_s(count)}",
                identifier.offset,
                f"it is written {function.signature}",
            )
        arguments, ordered = self.arguments(operands, final)
        self.offset = identifier.offset
        name = f"fn.{identifier.name}"
        node = self.filter(identifier.offset, name, self.run, *arguments)
        if ordered:
            node = self.filter(ordered, f"{name}|", identifier.offset, self.run, *arguments[:-1])
        return Value(node)

    def arguments(
        self, operands: Sequence[Operand], final: Value | None
    ) -> tuple[list[nodes.Expr], nodes.Expr | None]:
        """Lowered arguments, the piped one last; that one again when it must be evaluated first.

        Python evaluates arguments from left to right, Go the piped value first. The difference can
        be seen only where an expression sets variables.
        """
        piped: list[nodes.Expr] = []
        if final is not None:
            node = self.filter(final.node, "go.argument") if final.missing else final.node
            piped = [node]
        arguments = [self.operand(operand, argument=True).node for operand in operands]
        ordered = piped[0] if piped and self.slotted and operands else None
        return [*arguments, *piped], ordered

    def logic(self, name: str, operands: Sequence[Operand], final: Value | None) -> Value:
        """`and` and `or`: the first argument that decides, else the last one."""
        offset = self.offset
        values = [self.operand(operand, argument=True) for operand in operands]
        self.offset = offset
        join = nodes.And if name == "and" else nodes.Or
        node: nodes.Expr | None = None
        for value in reversed(values):
            node = value.node if node is None else join(value.node, node, lineno=self.line)
        missing = any(value.missing for value in values)
        if final is not None:
            missing = missing or final.missing
            # The piped value is last but was computed first.
            node = final.node if node is None else self.filter(final.node, f"go.{name}_final", node)
        assert node is not None
        kinds = {value.kind for value in [*values, *([final] if final else [])]}
        return Value(node, kind=kinds.pop() if len(kinds) == 1 else "", missing=missing)


def _s(count: int | str) -> str:
    return "" if str(count).endswith("1") else "s"


def sets_inside(pipe: Pipe) -> bool:
    """Whether a variable is declared or set inside a parenthesis of the pipeline."""
    for command in pipe.commands:
        for operand in command.operands:
            inner = operand.operand if isinstance(operand, Chain) else operand
            if isinstance(inner, Pipe) and (inner.variables or sets_inside(inner)):
                return True
    return False


_OPERANDS: dict[type, Callable[[Expressions, Any], Value]] = {
    Bool: Expressions.literal,
    String: Expressions.literal,
    NumberLiteral: Expressions.number,
    Nil: lambda lowering, node: Value(lowering.const(None)),
    Dot: Expressions.dot_value,
    Field: Expressions.field,
    Variable: Expressions.variable,
    Chain: Expressions.chain,
    Identifier: Expressions.identifier,
    Pipe: Expressions.pipe,
}
