"""Outlines of Go templates, read from the parser's tree.

Rules: variables hold what was given to them anywhere (an assignment in a branch adds to what they
can be); dot inside of `range` is not followed; called templates are, a few levels deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from subscriber.template import nodes
from subscriber.template.outline.calls import call
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
    of_text,
    seen,
)

_DEEPEST = 4
ROOT = Value(field=())


class _Cell:
    """A variable."""

    def __init__(self, value: Value) -> None:
        self.value = value


class GoReader:
    """Reads one tree."""

    def __init__(self, tree: nodes.Tree | None = None) -> None:
        self._tree = tree
        self.reads: set[Path] = set()
        self._depth = 0

    def sketch(self) -> Sketch:
        """The outline of the main template."""
        assert self._tree is not None
        body = self._tree.templates[self._tree.main]
        pieces = tuple(self._pieces(body, ROOT, {"$": _Cell(ROOT)}))
        return Sketch(pieces=pieces, reads=seen(self.reads))

    def condition(self, pipe: nodes.Pipe) -> tuple[Sketch, tuple[Demand, ...]]:
        """The outline of a condition, and what it demands."""
        scope = {"$": _Cell(ROOT)}
        value = self._pipe(pipe, ROOT, scope)
        demands = tuple(self._demands(pipe, scope))
        return Sketch(pieces=(Show(value=value),), reads=seen(self.reads)), demands

    # -- nodes -----------------------------------------------------------------------------------

    def _pieces(
        self, body: Iterable[nodes.Node], dot: Value, scope: dict[str, _Cell]
    ) -> Iterator[Piece]:
        for node in body:
            match node:
                case nodes.Text(text=text):
                    yield Text(text=text)
                case nodes.Action(pipe=pipe):
                    value = self._pipe(pipe, dot, scope)
                    if not pipe.variables:
                        yield Show(value=value)
                case nodes.If(pipe=pipe, body=inner, orelse=orelse):
                    yield from self._branches(pipe, inner, orelse, dot, dot, scope)
                case nodes.With(pipe=pipe, body=inner, orelse=orelse):
                    yield from self._branches(pipe, inner, orelse, dot, None, scope)
                case nodes.Range(pipe=pipe, body=inner, orelse=orelse):
                    yield from self._loop(pipe, inner, orelse, dot, scope)
                case nodes.Invoke(name=name, pipe=given):
                    passed = EMPTY if given is None else self._pipe(given, dot, scope)
                    yield from self._invoked(name, passed)
                case nodes.Break() | nodes.Continue():
                    pass

    def _branches(
        self,
        pipe: nodes.Pipe,
        body: Sequence[nodes.Node],
        orelse: Sequence[nodes.Node] | None,
        dot: Value,
        inner_dot: Value | None,
        scope: dict[str, _Cell],
    ) -> Iterator[Piece]:
        """`inner_dot` None: dot becomes the pipe's value, which is then not empty."""
        scope = dict(scope)
        value = self._pipe(pipe, dot, scope)
        if inner_dot is None:
            texts = None if value.texts is None else frozenset(filter(None, value.texts))
            inner_dot = replace(value, texts=texts, filled=True)
        yes = tuple(self._pieces(body, inner_dot, dict(scope)))
        no = tuple(self._pieces(orelse or (), dot, dict(scope)))
        yield Choice(branches=(yes, no))

    def _loop(
        self,
        pipe: nodes.Pipe,
        body: Sequence[nodes.Node],
        orelse: Sequence[nodes.Node] | None,
        dot: Value,
        scope: dict[str, _Cell],
    ) -> Iterator[Piece]:
        scope = dict(scope)
        element = made_of([self._pipe(pipe, dot, scope)])
        for variable in pipe.variables:
            scope[variable.name] = _Cell(element)
        yield Loop(body=tuple(self._pieces(body, element, scope)))
        if orelse:
            yield Choice(branches=((), tuple(self._pieces(orelse, dot, scope))))

    def _invoked(self, name: str, dot: Value) -> Iterator[Piece]:
        body = self._tree.templates.get(name) if self._tree is not None else None
        if body is None or self._depth >= _DEEPEST:
            yield Show(value=made_of([dot]))
            return
        self._depth += 1
        yield from self._pieces(body, dot, {"$": _Cell(dot)})
        self._depth -= 1

    # -- expressions -----------------------------------------------------------------------------

    def _pipe(self, pipe: nodes.Pipe, dot: Value, scope: dict[str, _Cell]) -> Value:
        value: Value | None = None
        for command in pipe.commands:
            value = self._command(command, value, dot, scope)
        assert value is not None
        for variable in pipe.variables:
            if not pipe.assigns:
                scope[variable.name] = _Cell(value)
            elif variable.name in scope:
                cell = scope[variable.name]
                cell.value = either([cell.value, value])
        return value

    def _command(
        self, command: nodes.Command, piped: Value | None, dot: Value, scope: dict[str, _Cell]
    ) -> Value:
        first, *rest = command.operands
        if not isinstance(first, nodes.Identifier):
            return self._operand(first, dot, scope)
        arguments = [self._operand(operand, dot, scope) for operand in rest]
        if piped is not None:
            arguments.append(piped)
        return self._read(call(first.name, arguments))

    def _operand(self, operand: nodes.Operand, dot: Value, scope: dict[str, _Cell]) -> Value:
        match operand:
            case nodes.String(value=text):
                return of_text(text)
            case nodes.NumberLiteral(number=number):
                return of_text(number.text)
            case nodes.Bool(value=truth):
                return of_text("true" if truth else "false")
            case nodes.Nil():
                return EMPTY
            case nodes.Dot():
                return self._read(dot)
            case nodes.Field(names=names):
                return self._read(dot.below(names))
            case nodes.Variable(name=name, names=names):
                cell = scope.get(name)
                return UNKNOWN if cell is None else self._read(cell.value.below(names))
            case nodes.Chain(operand=inner, names=names):
                return self._read(self._operand(inner, dot, scope).below(names))
            case nodes.Identifier(name=name):
                return call(name, ())
            case nodes.Pipe():
                return self._pipe(operand, dot, scope)

    def _read(self, value: Value) -> Value:
        self.reads.update(path for path in value.shown if path)
        return value

    # -- demands ---------------------------------------------------------------------------------

    def _demands(self, pipe: nodes.Pipe, scope: dict[str, _Cell]) -> Iterator[Demand]:
        """What must hold whenever the condition does."""
        if len(pipe.commands) != 1:
            return
        first, *rest = pipe.commands[0].operands
        if not isinstance(first, nodes.Identifier):
            if isinstance(first, nodes.Pipe) and not rest:
                yield from self._demands(first, scope)
            return
        if first.name == "and":
            for operand in rest:
                if isinstance(operand, nodes.Pipe):
                    yield from self._demands(operand, scope)
        elif first.name in ("eq", "ne") and len(rest) >= 2:
            values = [self._operand(operand, ROOT, scope) for operand in rest]
            yield from demands_of(values, equal=first.name == "eq")


def demands_of(values: Sequence[Value], *, equal: bool) -> Iterator[Demand]:
    """The demand of ``eq FIELD TEXT...`` or ``eq TEXT FIELD``; none of any other comparison."""
    field, others = values[0], list(values[1:])
    if not field.field and len(others) == 1:
        field, others = others[0], [field]
    texts = [value.texts for value in others]
    if field.field and all(one is not None and len(one) == 1 for one in texts):
        found = frozenset(text for one in texts if one for text in one)
        yield Demand(path=field.field, values=found, equal=equal)
