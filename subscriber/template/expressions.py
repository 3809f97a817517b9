"""Go pipelines to Jinja expressions: the half of `lower` that is about values.

Rules: an expression is compiled to calls of filters (see `lower` for the names); what is known
about its result is kept beside it, so that a check is only made where it can matter. Evaluation
order is Go's wherever it can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from jinja2 import Environment, nodes

from subscriber.template.building import UNKNOWN, Builder, Known, Value
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
from subscriber.template.semantics.builtins import BUILTINS
from subscriber.template.shortcuts import shortcut

_FAST_PATHS = 3

Key: TypeAlias = tuple[int, bool]
"""A declared variable: its offset, and whether it is a loop's and seen from within the loop."""

ROOT: Key = (-1, False)
"""The variable ``$``."""


@dataclass(slots=True)
class Binding:
    """A declared variable and where its value is kept."""

    name: str
    place: nodes.InternalName | int  # a Python variable, or the number of a slot
    key: Key = ROOT  # which declaration this is


class Expressions(Builder):
    """Lowers the pipelines of one template; `lower` adds the statements.

    Attributes:
        known: what is certain about variables, whatever is assigned to them where.
        learnt: what lowering this template said about them, to be `known` the next time.
    """

    def __init__(
        self,
        source: str,
        name: str,
        environment: Environment,
        missing: str,
        known: Mapping[Key, Known],
    ) -> None:
        super().__init__(source, name, environment)
        self.missing = missing
        self.known = known
        self.learnt: dict[Key, Known] = {}
        self.bindings: list[Binding] = []
        self.slotted = False
        self.slot_count = 0
        self.slots = self.free()
        self.top = self.free()
        self.root = self.free()
        self.dot: nodes.Expr = self.top
        self.dot_missing = True

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

    def learn(self, binding: Binding, known: Known) -> None:
        """Remember what may be assigned to a variable."""
        before = self.learnt.get(binding.key)
        self.learnt[binding.key] = known if before is None else before.either(known)

    def undeclared(self, name: str, offset: int) -> nodes.Expr:
        """A use of a variable that the text declares but no evaluation did."""
        return self.fault(offset, f"the variable {name} is not declared here").node

    def assign_slots(self, value: nodes.Expr, name: str) -> nodes.Expr:
        """``$x = value`` within an expression."""
        return self.filter(
            value, "go.assign", self.slots, self.offset, name, *self.candidates(name)
        )

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
        known = Known(kind=value.kind, missing=value.missing or value.nil, nil=False)
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
                binding = Binding(variable.name, self.free(), (variable.offset, False))
                self.bindings.append(binding)
            assert isinstance(binding.place, nodes.InternalName)
            self.learn(binding, known)
            statements.append(self.assign(binding.place, holder))
        return statements, Value(holder, known.kind, known.missing, nil=False)

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
        known = self.known.get(binding.key, UNKNOWN)
        return Value(binding.place, known.kind, known.missing, known.nil)

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

    def operand(self, operand: Operand) -> Value:
        """An operand's value."""
        self.offset = operand.offset
        return _OPERANDS[type(operand)](self, operand)

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
        values = self.values(operands, final)
        self.offset = function.offset
        if name in ("and", "or"):
            return self.logic(name, values, final)
        short = self.short(name, values)
        if short is not None:
            return short
        node = self.called(f"go.{name}", values, final)
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
        values = self.values(operands, final)
        self.offset = identifier.offset
        short = self.short(identifier.name, values)
        if short is not None:
            return short
        node = self.called(f"fn.{identifier.name}", values, final)
        return Value(node, kind=function.result, nil=not function.result)

    def values(self, operands: Sequence[Operand], final: Value | None) -> list[Value]:
        """A function's arguments, the piped one last."""
        values = [self.operand(operand) for operand in operands]
        return values if final is None else [*values, final]

    def short(self, name: str, values: Sequence[Value]) -> Value | None:
        """The function's result without a call; never where evaluation order can be seen."""
        return None if self.slotted and name != "not" else shortcut(self, name, values)

    def called(self, name: str, values: Sequence[Value], final: Value | None) -> nodes.Expr:
        """A call of a filter with offset, run and arguments.

        Python evaluates arguments from left to right, Go the piped value first. The difference can
        be seen only where an expression sets variables.
        """
        arguments = [self.as_argument(value) for value in values]
        if final is not None and self.slotted and len(values) > 1:
            *others, piped = arguments
            return self.filter(piped, f"{name}|", self.offset, self.run, *others)
        return self.filter(self.offset, name, self.run, *arguments)

    def logic(self, name: str, values: Sequence[Value], final: Value | None) -> Value:
        """`and` and `or`: the first argument that decides, else the last one."""
        join = nodes.And if name == "and" else nodes.Or
        operands = values if final is None else values[:-1]
        node: nodes.Expr | None = None
        for value in reversed(operands):
            left = self.as_argument(value)
            node = left if node is None else join(left, node, lineno=self.line)
        if final is not None:
            # The piped value is last but was computed first.
            node = final.node if node is None else self.filter(final.node, f"go.{name}_final", node)
        assert node is not None
        kinds = {value.kind for value in values}
        return Value(
            node,
            kind=kinds.pop() if len(kinds) == 1 else "",
            missing=final is not None and final.missing,
            nil=any(value.nil or value.missing for value in values),
        )


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
