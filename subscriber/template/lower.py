"""A Go template's tree to jinja2.nodes, which Jinja's own compiler turns into Python.

Rules:

- What Go does is done by filters: a Jinja filter compiles to a plain call of a Python function.
  Their names start with ``go.`` (see `semantics`) or ``fn.`` (the function library), which no
  template can write itself.
- Dot, ``$`` and the variables are Python's own local variables (Jinja's internal names), so that a
  loop can change a variable of its surroundings, as in Go.
- Every printed value is wrapped in the placeholder filter ``emit``; `escape` replaces it by the
  filter for the place where the value is written.
- A node's `lineno` is its offset in the source plus one: Jinja keeps it in its table of lines,
  which is how an error finds its place.
- Each ``{{define}}`` becomes a Jinja template of its own; calling one yields a generator, so that
  templates that call themselves need no Python stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jinja2 import Environment, nodes

from subscriber.template.building import Known
from subscriber.template.expressions import Binding, Expressions, sets_inside
from subscriber.template.functions.registry import FUNCTIONS
from subscriber.template.nodes import (
    Action,
    Break,
    Continue,
    If,
    Invoke,
    Node,
    Pipe,
    Range,
    Text,
    With,
)
from subscriber.template.semantics.builtins import BUILTINS

EMIT = "emit"
INVOKE = "go.invoke"
DATA, RUN = "data", "run"


def lower(
    body: Sequence[Node], *, source: str, name: str, environment: Environment, missing: str
) -> nodes.Template:
    """One template's nodes as a Jinja template that reads the names ``data`` and ``run``.

    It is made twice: the first time tells what is ever assigned to each variable.
    """
    draft = _Lowering(source, name, environment, missing, {})
    draft.template(body)
    return _Lowering(source, name, environment, missing, draft.learnt).template(body)


def lower_pipeline(
    pipe: Pipe, *, source: str, name: str, environment: Environment, missing: str
) -> nodes.Template:
    """A pipeline as a Jinja template whose only output is the value itself."""
    return _Lowering(source, name, environment, missing, {}).expression(pipe)


def callable_names() -> frozenset[str]:
    """The functions that a template may call."""
    return frozenset(BUILTINS) | frozenset(FUNCTIONS)


class _Lowering(Expressions):
    # -- whole templates -------------------------------------------------------------------------

    def template(self, body: Sequence[Node]) -> nodes.Template:
        self.slotted = any(_sets_inside(node) for node in body)
        self.begin()
        statements = self.statements(body)
        return nodes.Template([*self.preamble(), *statements], lineno=1)

    def expression(self, pipe: Pipe) -> nodes.Template:
        self.slotted = sets_inside(pipe)
        self.begin()
        before, value = self.top_pipe(pipe)
        output = nodes.Output([value.node], lineno=self.line)
        return nodes.Template([*self.preamble(), *before, output], lineno=1)

    def begin(self) -> None:
        """Declare ``$``; it begins as dot but can be set."""
        place = self.new_slot() if self.slotted else self.root
        root = Binding("$", place)
        self.bindings = [root]
        self.learn(root, Known(missing=True, nil=False))

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
        self.bind_elements(pipe)
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

    def bind_elements(self, pipe: Pipe) -> None:
        """From here on, a loop's variables stand for its elements: never missing, but may be nil.

        The first of two is an index or a key.
        """
        if self.slotted:
            return
        for number, variable in enumerate(pipe.variables, len(self.bindings) - len(pipe.variables)):
            binding = self.binding(variable.name) if pipe.assigns else self.bindings[number]
            if binding is None:
                continue
            if not pipe.assigns:
                binding = Binding(binding.name, binding.place, (variable.offset, True))
                self.bindings[number] = binding
            self.learn(binding, Known(nil=variable is pipe.variables[-1]))

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
    if pipe is not None and sets_inside(pipe):
        return True
    return any(
        _sets_inside(child)
        for child in (*getattr(node, "body", ()), *(getattr(node, "orelse", None) or ()))
    )


_STATEMENTS: dict[type, Callable[[_Lowering, Any], list[nodes.Node]]] = {
    Text: _Lowering.text,
    Action: _Lowering.action,
    If: _Lowering.if_,
    With: _Lowering.with_,
    Range: _Lowering.range,
    Break: _Lowering.break_,
    Continue: _Lowering.continue_,
    Invoke: _Lowering.invoke,
}
