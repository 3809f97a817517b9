"""A Go template's tree to jinja2.nodes, which Jinja's own compiler turns into Python.

Rules:

- What Go does is done by filters: a Jinja filter compiles to a plain call of a Python function. Their
  names start with ``go.`` (see `semantics`) or ``fn.`` (the function library), which no template can
  write itself.
- Dot, ``$`` and the variables are Python's own local variables (Jinja's internal names), so that a
  loop can change a variable of its surroundings, as in Go.
- Every printed value is wrapped in the placeholder filter ``emit``; `escape` replaces it by the
  filter for the place where the value is written.
- A node's `lineno` is its offset in the source plus one: Jinja keeps it in its table of lines, which
  is how an error finds its place.
- Each ``{{define}}`` becomes a Jinja template of its own; calling one yields a generator, so that
  templates that call themselves need no Python stack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, nodes
from jinja2.parser import Parser as JinjaParser

from subscriber.model.reason import Reason
from subscriber.template.functions.registry import FUNCTIONS
from subscriber.template.nodes import (
    Action,
    Bool,
    Break,
    Chain,
    Command,
    Continue,
    Dot,
    Field,
    Identifier,
    If,
    Invoke,
    Nil,
    Node,
    NumberLiteral,
    Operand,
    Pipe,
    Range,
    String,
    Text,
    Variable,
    With,
)
from subscriber.template.problem import TemplateError
from subscriber.template.semantics.builtins import BUILTINS

EMIT = "emit"
INVOKE = "go.invoke"
DATA, RUN = "data", "run"
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
class _Binding:
    name: str
    place: nodes.InternalName | int  # a Python variable, or the number of a slot


def lower(
    body: Sequence[Node], *, source: str, name: str, environment: Environment, missing: str
) -> nodes.Template:
    """One template's nodes as a Jinja template that reads the names ``data`` and ``run``."""
    lowering = _Lowering(source, name, environment, missing)
    return lowering.template(body)


def lower_pipeline(
    pipe: Pipe, *, source: str, name: str, environment: Environment, missing: str
) -> nodes.Template:
    """A pipeline as a Jinja template whose only output is the value itself."""
    lowering = _Lowering(source, name, environment, missing)
    return lowering.expression(pipe)


def callable_names() -> frozenset[str]:
    """The functions that a template may call."""
    return frozenset(BUILTINS) | frozenset(FUNCTIONS)


class _Lowering:
    def __init__(self, source: str, name: str, environment: Environment, missing: str) -> None:
        self.source = source
        self.name = name
        self.environment = environment
        self.missing = missing
        self.parser = JinjaParser(environment, "")
        self.offset = 0
        self.bindings: list[_Binding] = []
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
        return self.offset + 1

    def free(self) -> nodes.InternalName:
        return self.parser.free_identifier(1)

    def const(self, value: object) -> nodes.Const:
        return nodes.Const(value, lineno=self.line)

    def filter(self, value: nodes.Expr | object, name: str, *arguments: object) -> nodes.Filter:
        """A call of the filter function; plain values become constants."""
        first, *rest = [
            item if isinstance(item, nodes.Expr) else self.const(item)
            for item in (value, *arguments)
        ]
        return nodes.Filter(first, name, rest, [], None, None, lineno=self.line)

    def assign(self, target: nodes.Expr, value: nodes.Expr) -> nodes.Assign:
        return nodes.Assign(target, value, lineno=self.line)

    def fault(self, offset: int, message: str, hint: str = "") -> Value:
        return Value(self.filter(offset, "go.fault", message, hint))

    def error(self, message: str, offset: int, hint: str = "") -> TemplateError:
        return TemplateError.at(
            Reason.TEMPLATE_SYNTAX,
            message,
            name=self.name,
            source=self.source,
            offset=offset,
            hint=hint,
        )

    # -- whole templates -------------------------------------------------------------------------

    def template(self, body: Sequence[Node]) -> nodes.Template:
        self.slotted = any(_sets_inside(node) for node in body)
        self.begin()
        statements = self.statements(body)
        return nodes.Template([*self.preamble(), *statements], lineno=1)

    def expression(self, pipe: Pipe) -> nodes.Template:
        self.slotted = _pipe_sets_inside(pipe)
        self.begin()
        before, value = self.top_pipe(pipe)
        output = nodes.Output([value.node], lineno=self.line)
        return nodes.Template([*self.preamble(), *before, output], lineno=1)

    def begin(self) -> None:
        """Declare ``$``; it begins as dot but can be set."""
        place = self.new_slot() if self.slotted else self.root
        self.bindings = [_Binding("$", place)]

    def preamble(self) -> list[nodes.Node]:
        """Statements that fetch dot and the run; made last, when the slots are counted."""
        self.offset = 0
        statements: list[nodes.Node] = [
            self.assign(self.run, nodes.Name(RUN, "load", lineno=1)),
            self.assign(self.top, nodes.Name(DATA, "load", lineno=1)),
        ]
        if not self.slotted:
            return [*statements, self.assign(self.root, self.top)]
        return [
            *statements,
            self.assign(self.slots, self.filter(self.slot_count, "go.new_slots")),
            self.do(self.filter(self.top, "go.declare", self.slots, 0)),
        ]

    def do(self, expression: nodes.Expr) -> nodes.ExprStmt:
        return nodes.ExprStmt(expression, lineno=self.line)

    def statements(self, body: Iterable[Node]) -> list[nodes.Node]:
        statements: list[nodes.Node] = []
        for node in body:
            self.offset = node.offset
            for statement in _STATEMENTS[type(node)](self, node):
                previous = statements[-1] if statements else None
                if isinstance(statement, nodes.Output) and isinstance(previous, nodes.Output):
                    previous.nodes.extend(statement.nodes)
                else:
                    statements.append(statement)
        return statements

    def scoped(self, body: Iterable[Node]) -> list[nodes.Node]:
        mark = len(self.bindings)
        statements = self.statements(body)
        del self.bindings[mark:]
        return statements

    # -- statements ------------------------------------------------------------------------------

    def text(self, node: Text) -> list[nodes.Node]:
        return [nodes.Output([nodes.TemplateData(node.text, lineno=self.line)], lineno=self.line)]

    def action(self, node: Action) -> list[nodes.Node]:
        before, value = self.top_pipe(node.pipe)
        if node.pipe.variables:
            return before
        self.offset = node.offset
        printed = self.filter(value.node, EMIT, value.kind)
        return [*before, nodes.Output([printed], lineno=self.line)]

    def if_(self, node: If) -> list[nodes.Node]:
        mark = len(self.bindings)
        before, value = self.top_pipe(node.pipe)
        body = self.scoped(node.body)
        orelse = self.scoped(node.orelse or ())
        del self.bindings[mark:]
        self.offset = node.offset
        branch = nodes.If(value.node, body, [], orelse, lineno=self.line)
        # An "else if" that needs no statement of its own is an elif: no deeper nesting.
        if len(orelse) == 1 and isinstance(orelse[0], nodes.If) and _is_alone(node.orelse, If):
            inner = orelse[0]
            branch.elif_ = [nodes.If(inner.test, inner.body, [], [], lineno=inner.lineno)]
            branch.elif_ += inner.elif_
            branch.else_ = inner.else_
        return [*before, branch]

    def with_(self, node: With) -> list[nodes.Node]:
        mark = len(self.bindings)
        before, value = self.top_pipe(node.pipe)
        orelse = self.scoped(node.orelse or ())
        outer = self.dot, self.dot_missing
        self.dot, self.dot_missing = self.free(), False
        self.offset = node.offset
        before.append(self.assign(self.dot, value.node))
        dot = self.dot
        body = self.scoped(node.body)
        self.dot, self.dot_missing = outer
        del self.bindings[mark:]
        self.offset = node.offset
        return [*before, nodes.If(dot, body, [], orelse, lineno=self.line)]

    def range(self, node: Range) -> list[nodes.Node]:
        pipe = node.pipe
        mark = len(self.bindings)
        variables = pipe.variables
        before, value = self.top_pipe(pipe)
        # The else branch sees the variables with the whole value.
        orelse = self.scoped(node.orelse or ())
        outer = self.dot, self.dot_missing
        element = self.free()
        self.dot, self.dot_missing = element, False
        first_slot = self.slot_count
        body = self.scoped(node.body)
        self.dot, self.dot_missing = outer
        self.offset = node.offset
        pairs = len(variables) == 2
        index = self.free() if pairs else None
        head: list[nodes.Node] = []
        if self.slotted and self.slot_count > first_slot:
            head.append(self.do(self.filter(self.slots, "go.reset", first_slot, self.slot_count)))
        sources = [index, element] if index is not None else [element]
        targets = [variable.name for variable in variables]
        for name, item in zip(targets, sources[-len(targets) :] if targets else [], strict=True):
            head += self.set_variable(name, item, pipe.assigns)
        del self.bindings[mark:]
        items = self.free()
        each = self.filter(
            value.node,
            "go.each_pair" if pairs else "go.each",
            node.offset,
            self.run,
            1 + _weight(node.body),
        )
        before.append(self.assign(items, each))
        target: nodes.Expr = element
        if index is not None:
            target = nodes.Tuple([index, element], "store", lineno=self.line)
        loop = nodes.For(target, items, head + body, [], None, False, lineno=self.line)
        if not orelse:
            return [*before, loop]
        return [*before, nodes.If(items, [loop], [], orelse, lineno=self.line)]

    def set_variable(self, name: str, item: nodes.Expr | None, assigns: bool) -> list[nodes.Node]:
        """Give a loop's variable its next element."""
        assert item is not None
        if self.slotted:
            if assigns:
                return [self.do(self.assign_slots(item, name))]
            slot = next(b.place for b in reversed(self.bindings) if b.name == name)
            return [self.do(self.filter(item, "go.declare", self.slots, slot))]
        binding = self.binding(name)
        if binding is None:
            return [self.do(self.undeclared(name, self.offset))]
        assert isinstance(binding.place, nodes.InternalName)
        return [self.assign(binding.place, item)]

    def break_(self, node: Break) -> list[nodes.Node]:
        return [nodes.Break(lineno=self.line)]

    def continue_(self, node: Continue) -> list[nodes.Node]:
        return [nodes.Continue(lineno=self.line)]

    def invoke(self, node: Invoke) -> list[nodes.Node]:
        before: list[nodes.Node] = []
        argument: nodes.Expr | None = None
        if node.pipe is not None:
            before, value = self.top_pipe(node.pipe)
            argument = self.kept(value)
        self.offset = node.offset
        if argument is None:
            argument = self.filter(None, "go.elem")
        call = self.filter(node.name, INVOKE, node.offset, self.run, argument)
        return [*before, nodes.Output([call], lineno=self.line)]

    # -- variables -------------------------------------------------------------------------------

    def new_slot(self) -> int:
        self.slot_count += 1
        return self.slot_count - 1

    def binding(self, name: str) -> _Binding | None:
        return next((b for b in reversed(self.bindings) if b.name == name), None)

    def candidates(self, name: str) -> list[object]:
        return [b.place for b in reversed(self.bindings) if b.name == name]

    def undeclared(self, name: str, offset: int) -> nodes.Expr:
        return self.fault(offset, f"the variable {name} is not declared here").node

    def assign_slots(self, value: nodes.Expr, name: str) -> nodes.Expr:
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
                binding = _Binding(variable.name, self.free())
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
                self.bindings.append(_Binding(variable.name, slot))
                node = self.filter(node, "go.declare", self.slots, slot)
        return Value(node, value.kind, missing=True, nil=False)

    def read_variable(self, node: Variable) -> Value:
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
        node = value.node
        if isinstance(operand, Field) and isinstance(node, nodes.Filter):
            return nodes.Filter(
                node.node, "go.path_nil", node.args, [], None, None, lineno=node.lineno
            )
        return self.filter(node, "go.argument")

    def path(self, receiver: nodes.Expr, offset: int, names: Sequence[str]) -> Value:
        size = len(names)
        name = f"go.path{size}" if size <= _FAST_PATHS else "go.path"
        node = self.filter(receiver, name, offset, *names)
        return Value(node, missing=self.missing != "error")

    def field(self, node: Field) -> Value:
        return self.path(self.dot, node.offset, node.names)

    def variable(self, node: Variable) -> Value:
        if node.names:
            return self.path(self.read_variable(node).node, node.offset, node.names)
        return self.read_variable(node)

    def chain(self, node: Chain) -> Value:
        receiver = self.receiver(node)
        self.offset = node.offset
        return self.path(receiver, node.offset, node.names)

    def dot_value(self, node: Dot) -> Value:
        return Value(self.dot, missing=self.dot_missing)

    def number(self, node: NumberLiteral) -> Value:
        if node.number.overflow:
            return self.fault(node.offset, f"{node.number.text} does not fit in an int")
        value = node.number.value
        return Value(self.const(value), kind=type(value).__name__, nil=False)

    def literal(self, node: Bool | String) -> Value:
        return Value(self.const(node.value), kind=type(node.value).__name__, nil=False)

    def identifier(self, node: Identifier) -> Value:
        return self.call(node, [], None)

    def call(self, function: Identifier, operands: Sequence[Operand], final: Value | None) -> Value:
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
            node = self.filter(
                ordered, f"go.{name}|", function.offset, self.run, *arguments[:-1]
            )
        return Value(node, kind=builtin.result, nil=not builtin.result)

    def library_call(
        self, identifier: Identifier, operands: Sequence[Operand], final: Value | None, count: int
    ) -> Value:
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


def _is_alone(body: Sequence[Node] | None, kind: type) -> bool:
    return body is not None and len(body) == 1 and isinstance(body[0], kind)


def _weight(body: Iterable[Node]) -> int:
    """How many steps one pass through a loop's body costs: its nodes, but for inner loops."""
    total = 0
    for node in body:
        total += 1
        if isinstance(node, If | With):
            total += _weight(node.body) + _weight(node.orelse or ())
        if isinstance(node, Action | If | With | Range):
            total += sum(len(command.operands) for command in node.pipe.commands) - 1
    return total


def _sets_inside(node: Node) -> bool:
    """Whether a variable is declared or set inside a parenthesis anywhere below."""
    pipe = getattr(node, "pipe", None)
    if pipe is not None and _pipe_sets_inside(pipe):
        return True
    return any(
        _sets_inside(child)
        for child in (*getattr(node, "body", ()), *(getattr(node, "orelse", None) or ()))
    )


def _pipe_sets_inside(pipe: Pipe) -> bool:
    for command in pipe.commands:
        for operand in command.operands:
            inner = operand.operand if isinstance(operand, Chain) else operand
            if isinstance(inner, Pipe) and (inner.variables or _pipe_sets_inside(inner)):
                return True
    return False


_STATEMENTS = {
    Text: _Lowering.text,
    Action: _Lowering.action,
    If: _Lowering.if_,
    With: _Lowering.with_,
    Range: _Lowering.range,
    Break: _Lowering.break_,
    Continue: _Lowering.continue_,
    Invoke: _Lowering.invoke,
}

_OPERANDS = {
    Bool: _Lowering.literal,
    String: _Lowering.literal,
    NumberLiteral: _Lowering.number,
    Nil: lambda lowering, node: Value(lowering.const(None)),
    Dot: _Lowering.dot_value,
    Field: _Lowering.field,
    Variable: _Lowering.variable,
    Chain: _Lowering.chain,
    Identifier: _Lowering.identifier,
    Pipe: _Lowering.pipe,
}
