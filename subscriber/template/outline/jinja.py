"""Outlines of Jinja templates, read from Jinja's own tree.

Rules: the keys of the event are names; what is set to a variable is followed, what happens in a
loop or a macro is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from jinja2 import nodes

from subscriber.template.outline.calls import call
from subscriber.template.outline.golang import demands_of
from subscriber.template.outline.sketch import (
    EMPTY,
    UNKNOWN,
    Choice,
    Demand,
    Loop,
    Path,
    Piece,
    Show,
    Sketch,
    Text,
    Value,
    either,
    made_of,
    of_field,
    of_text,
    seen,
)

_BINARY = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)


class JinjaReader:
    """Reads one tree, as Jinja's parser gives it."""

    def __init__(self) -> None:
        self.reads: set[Path] = set()
        self._names: dict[str, Value] = {}

    def sketch(self, tree: nodes.Template) -> Sketch:
        """The outline of a template."""
        pieces = tuple(self._pieces(tree.body))
        return Sketch(pieces=pieces, reads=seen(self.reads))

    def condition(self, tree: nodes.Template) -> tuple[Sketch, tuple[Demand, ...]]:
        """The outline of a condition, written as a template that prints it."""
        sketch = self.sketch(tree)
        (output,) = tree.body
        assert isinstance(output, nodes.Output)
        return sketch, tuple(self._demands(output.nodes[0]))

    # -- statements ------------------------------------------------------------------------------

    def _pieces(self, body: Iterable[nodes.Node]) -> Iterator[Piece]:
        for node in body:
            match node:
                case nodes.Output():
                    for child in node.nodes:
                        if isinstance(child, nodes.TemplateData):
                            yield Text(text=child.data)
                        else:
                            yield Show(value=self._value(child))
                case nodes.If():
                    yield self._branches(node)
                case nodes.For():
                    yield from self._loop(node)
                case nodes.Assign():
                    self._set(node.target, self._value(node.node))
                case nodes.AssignBlock():
                    inner = Sketch(pieces=tuple(self._pieces(node.body)))
                    self._set(node.target, made_of(inner.values()))
                case nodes.With():
                    for target, value in zip(node.targets, node.values, strict=True):
                        self._set(target, self._value(value))
                    yield from self._pieces(node.body)
                case nodes.Macro():
                    self._names[node.name] = UNKNOWN
                case _:
                    pass

    def _branches(self, node: nodes.If) -> Piece:
        branches = []
        tests = [(node.test, node.body), *((one.test, one.body) for one in node.elif_)]
        for test, body in tests:
            self._value(test)
            branches.append(tuple(self._pieces(body)))
        branches.append(tuple(self._pieces(node.else_)))
        return Choice(branches=tuple(branches))

    def _loop(self, node: nodes.For) -> Iterator[Piece]:
        element = made_of([self._value(node.iter)])
        self._set(node.target, element)
        yield Loop(body=tuple(self._pieces(node.body)))
        if node.else_:
            yield Choice(branches=((), tuple(self._pieces(node.else_))))

    def _set(self, target: nodes.Node, value: Value) -> None:
        if isinstance(target, nodes.Name):
            old = self._names.get(target.name)
            self._names[target.name] = value if old is None else either([old, value])
        elif isinstance(target, nodes.Tuple):
            for item in target.items:
                self._set(item, made_of([value]))

    # -- expressions -----------------------------------------------------------------------------

    def _value(self, node: nodes.Node) -> Value:
        match node:
            case nodes.Const():
                return EMPTY if node.value is None else of_text(_spelled(node.value))
            case nodes.Name():
                found = self._names.get(node.name)
                return self._read(of_field((node.name,)) if found is None else found)
            case nodes.Getattr():
                return self._read(self._value(node.node).below([node.attr]))
            case nodes.Getitem():
                return self._item(node)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Call():
                return self._call(node)
            case nodes.CondExpr():
                self._value(node.test)
                no = EMPTY if node.expr2 is None else self._value(node.expr2)
                return either([self._value(node.expr1), no])
            case nodes.Concat():
                return call("print", [self._value(part) for part in node.nodes])
            case nodes.Or():
                return call("or", [self._value(node.left), self._value(node.right)])
            case nodes.And():
                return call("and", [self._value(node.left), self._value(node.right)])
            case nodes.Compare() | nodes.Test() | nodes.Not():
                for child in node.iter_child_nodes():
                    self._value(child.expr if isinstance(child, nodes.Operand) else child)
                return call("not", ())
            case nodes.Dict():
                members = tuple(self._value(pair.value) for pair in node.items)
                return replace(made_of(members), members=members)
            case _:
                parts = [self._value(child) for child in node.iter_child_nodes()]
                filled = isinstance(node, _BINARY) and any(part.filled for part in parts)
                return made_of(parts, filled=filled)

    def _item(self, node: nodes.Getitem) -> Value:
        container = self._value(node.node)
        if isinstance(node.arg, nodes.Const):
            return self._read(container.below([_spelled(node.arg.value)]))
        self._value(node.arg)
        return call("get", [container, UNKNOWN]) if container.members else made_of([container])

    def _filter(self, node: nodes.Filter) -> Value:
        piped = EMPTY if node.node is None else self._value(node.node)
        arguments = [self._value(argument) for argument in node.args]
        name = {"d": "default", "truncate": "trunc", "length": "len", "count": "len"}.get(
            node.name, node.name
        )
        return self._read(call(name, [*arguments, piped]))

    def _call(self, node: nodes.Call) -> Value:
        arguments = [self._value(argument) for argument in node.args]
        callee = node.node
        if isinstance(callee, nodes.Name) and callee.name not in self._names:
            return self._read(call(callee.name, arguments))
        if isinstance(callee, nodes.Getattr) and callee.attr == "get" and arguments:
            found = self._read(call("get", [self._value(callee.node), arguments[0]]))
            return found if len(arguments) < 2 else either([found, arguments[1]])
        return made_of([self._value(callee), *arguments])

    def _read(self, value: Value) -> Value:
        self.reads.update(value.shown)
        return value

    # -- demands ---------------------------------------------------------------------------------

    def _demands(self, node: nodes.Node) -> Iterator[Demand]:
        if isinstance(node, nodes.And):
            yield from self._demands(node.left)
            yield from self._demands(node.right)
        elif isinstance(node, nodes.Compare) and len(node.ops) == 1:
            (operand,) = node.ops
            if operand.op in ("eq", "ne"):
                values = [self._value(node.expr), self._value(operand.expr)]
                yield from demands_of(values, equal=operand.op == "eq")
            elif operand.op == "in" and isinstance(operand.expr, nodes.List | nodes.Tuple):
                others = [self._value(item) for item in operand.expr.items]
                yield from demands_of([self._value(node.expr), *others], equal=True)


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
