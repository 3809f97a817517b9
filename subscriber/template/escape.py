"""What each action of a template prints: text, or JSON for the place it is written to.

Rules: this works on Jinja's nodes, so both dialects share it. Every printed expression is wrapped
in the placeholder filter ``emit``; here it becomes the filter for its place: plain text, the inside
of a JSON string, a JSON value or the key of an object. Branches must end where they began, loops
too, and a called template is compiled once for every place that it is called in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from jinja2 import nodes

from subscriber.template.jsonstate import (
    BrokenJson,
    Glue,
    State,
    advance,
    finish,
    join,
    needs_space,
    print_value,
    widened,
)
from subscriber.template.lower import EMIT, INVOKE

TRACE = "go.trace"
_TEXT, _INSIDE, _VALUE, _KEY = "go.text", "go.inside_string", "go.json_value", "go.json_key"
_EMITTERS = frozenset({EMIT, _TEXT, _INSIDE, _VALUE, _KEY})
_JSON_START = re.compile(r'[\[{"]|(?:true|false|null|-?[0-9][-+.eE0-9]*)\s*\Z')

_CAPTURES = (nodes.AssignBlock, nodes.Macro)

Locate = Callable[[int, int, str], int]
Define = Callable[[str], nodes.Template | None]


class BrokenPlace(Exception):
    """A BrokenJson with its offset in the template's source."""

    def __init__(self, cause: BrokenJson, offset: int) -> None:
        super().__init__(cause.message)
        self.message = cause.message
        self.hint = cause.hint
        self.offset = offset


def starts_json(tree: nodes.Template) -> bool:
    """Whether the first literal text could begin a JSON document.

    A body such as ``payload={...}`` or a URL is text, whatever it was declared to be.
    """
    for data in _literals(tree):
        text = data.data.strip()
        if text:
            return _JSON_START.match(text) is not None
    return True


def _literals(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    """Literal text in order, without what a macro or a set block only captures."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield child
        elif not isinstance(child, _CAPTURES):
            yield from _literals(child)


def plain(tree: nodes.Template) -> nodes.Template:
    """Print every value as text."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [_as_text(child) for child in output.nodes]
    return tree


def _as_text(child: nodes.Expr) -> nodes.Expr:
    if isinstance(child, nodes.Filter) and child.name == EMIT:
        assert child.node is not None
        if child.args and child.args[0].as_const() == "str":
            return child.node
        child.name = _TEXT
        child.args = []
    return child


def traced(tree: nodes.Template) -> nodes.Template:
    """Make every printed piece remember the node it came from; used to explain broken JSON."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [
            child
            if isinstance(child, nodes.Filter) and child.name == INVOKE
            else nodes.Filter(
                nodes.Const(child.data) if isinstance(child, nodes.TemplateData) else child,
                TRACE,
                [
                    nodes.Const(child.lineno),
                    nodes.Const(isinstance(child, nodes.TemplateData)),
                ],
                [],
                None,
                None,
                lineno=child.lineno,
            )
            for child in output.nodes
        ]
    return tree


class JsonEscaper:
    """Follows a template, and the templates it calls, through one JSON document.

    Attributes:
        trees: every tree that was compiled for a place, by the key that calls it.
        proven: whether every rendering is valid JSON, so that none needs to be parsed.
        indexed: whether that relies on ranges with two variables going through lists, where the
            first one counts from zero.
    """

    def __init__(self, define: Define, locate: Locate) -> None:
        self._define = define
        self._locate = locate
        self.trees: dict[str, nodes.Template] = {}
        self.proven = True
        self.indexed = False
        self._taken: dict[int, bool] = {}  # whether a separator is printed in this pass
        self._ends: dict[str, State] = {}
        self._assumed: set[str] = set()
        self._loops: list[tuple[State, list[State]]] = []  # start, and how jumps leave

    def document(self, tree: nodes.Template, length: int) -> nodes.Template:
        """Escape a whole document.

        Raises:
            BrokenPlace: the literal text can never be JSON, or a branch changes the place.
        """
        end = self._body(tree.body, State())
        if end is None:
            self.proven = False
            return tree
        try:
            self.proven = self.proven and finish(end, length).proven
        except BrokenJson as error:
            raise BrokenPlace(error, error.index) from None
        return tree

    def _body(self, body: Sequence[nodes.Node], state: State | None) -> State | None:
        for node in body:
            if state is None:  # behind a break: never reached, but still compiled
                self._node(node, self._loops[-1][0])
            else:
                state = self._node(node, state)
        return state

    def _node(self, node: nodes.Node, state: State) -> State | None:
        if isinstance(node, nodes.Output):
            return self._output(node, state)
        if isinstance(node, nodes.If):
            return self._branch(node, state)
        if isinstance(node, nodes.For):
            return self._loop(node, state)
        if isinstance(node, nodes.Break | nodes.Continue):
            self._loops[-1][1].append(state)
            return None
        if isinstance(node, nodes.With | nodes.Scope):
            return self._body(node.body, state)
        if isinstance(node, _CAPTURES):
            # What is captured is a text; it is escaped where it is printed.
            for output in node.find_all(nodes.Output):
                output.nodes = [_as_text(child) for child in output.nodes]
        return state

    def _output(self, node: nodes.Output, state: State) -> State:
        printed: list[nodes.Expr] = []
        for child in node.nodes:
            literal = child.data if isinstance(child, nodes.TemplateData) else None
            if needs_space(state, literal) and not _calls(child):
                printed.append(nodes.TemplateData(" ", lineno=child.lineno))
                state = replace(state, glue=Glue.NOTHING, proven=False)
            state = self._printed(child, state)
            printed.append(child)
        node.nodes = printed
        return state

    def _broken(self, error: BrokenJson, node: nodes.Node) -> BrokenPlace:
        return BrokenPlace(error, self._place(node, error.index))

    def _place(self, node: nodes.Node, index: int) -> int:
        text = node.data if isinstance(node, nodes.TemplateData) else ""
        return self._locate(node.lineno, index, text)

    def _printed(self, child: nodes.Expr, state: State) -> State:
        try:
            if isinstance(child, nodes.TemplateData):
                return advance(state, child.data, self._place(child, 0))
            assert isinstance(child, nodes.Filter)
            if child.name == INVOKE:
                return self._call(child, state)
            if state.string:
                self._emit(child, _INSIDE)
                return replace(state, glue=Glue.NOTHING)
            self._emit(child, _KEY if state.is_key else _VALUE)
            return print_value(state)
        except BrokenJson as error:
            raise self._broken(error, child) from None

    def _emit(self, child: nodes.Filter, name: str) -> None:
        assert child.name in _EMITTERS
        child.name = name
        child.args = []

    def _joined(self, node: nodes.Node, left: State | None, right: State | None) -> State | None:
        try:
            return join(left, right)
        except BrokenJson as error:
            error.hint = "every branch, and a loop's body, must end where it began"
            raise self._broken(error, node) from None

    def _branch(self, node: nodes.If, state: State) -> State | None:
        taken = self._taken.get(id(node))
        if taken is not None:
            return self._body(node.body, state) if taken else state
        end = self._body(node.body, state)
        for elif_ in node.elif_:
            end = self._joined(elif_, end, self._body(elif_.body, state))
        return self._joined(node, end, self._body(node.else_, state))

    def _loop(self, node: nodes.For, state: State) -> State | None:
        if node.find(nodes.Output) is None:
            return state  # it only calculates
        separator = _separator(node)
        begins: list[State | None] = [state]
        if separator is not None:
            # "{{if $i}},{{end}}": not in the first pass, always in the others.
            self.indexed = self.indexed or isinstance(separator.test, nodes.InternalName)
            self._taken[id(separator)] = False
            begins = self._passed(node, state)
            self._taken[id(separator)] = True
        # Twice: first from every position that a pass could begin at here, to learn how a pass can
        # end, then from exactly those.
        begin = self._all_joined(node, begins)
        learnt = self._passed(node, widened(begin))
        start = replace(self._all_joined(node, [begin, *learnt]), proven=begin.proven)
        end = self._all_joined(node, [state, *begins, *self._passed(node, start)])
        if node.else_:
            return self._joined(node, end, self._body(node.else_, state))
        return end

    def _all_joined(self, node: nodes.Node, states: Sequence[State | None]) -> State:
        joined: State | None = None
        for state in states:
            joined = self._joined(node, joined, state)
        assert joined is not None
        return joined

    def _passed(self, node: nodes.For, start: State) -> list[State | None]:
        """How one pass through a loop's body can end: at its end or by a jump."""
        self._loops.append((start, []))
        end = self._body(node.body, start)
        return [end, *self._loops.pop()[1]]

    def _call(self, child: nodes.Filter, state: State) -> State:
        """A called template: compiled for this place, named by it."""
        assert isinstance(child.node, nodes.Const)
        name = child.node.value.partition("\0")[0]
        # It sees the innermost bracket only, so that it can call itself inside of another.
        start = replace(state, open=state.open[-1:], proven=True)
        key = f"{name}\0{start.key}"
        if key not in self._ends:
            tree = self._define(name)
            if tree is None:  # undefined: fails when it is reached
                return state
            self._ends[key] = replace(start, proven=False)  # what a recursive call may assume
            loops, self._loops = self._loops, []
            end = self._body(tree.body, start)
            self._loops = loops
            assert end is not None
            if end.brackets != start.brackets or key in self._assumed:
                self._joined(child, start, end)
            if key in self._assumed:
                end = replace(end, positions=end.positions | start.positions, proven=False)
            self.trees[key] = tree
            self._ends[key] = end
        elif key not in self.trees:
            self._assumed.add(key)
        child.node.value = key
        end = self._ends[key]
        return replace(end, open=state.open, proven=state.proven and end.proven)


def _separator(loop: nodes.For) -> nodes.If | None:
    """The branch of a loop's body that is taken in every pass but the first, if there is one."""
    index = loop.target.items[0] if isinstance(loop.target, nodes.Tuple) else None
    counters: set[str] = set()
    for statement in loop.body:
        if isinstance(statement, nodes.Assign) and statement.node is index and index is not None:
            assert isinstance(statement.target, nodes.InternalName)
            counters.add(statement.target.name)
        elif isinstance(statement, nodes.If) and not (statement.elif_ or statement.else_):
            test = statement.test
            if isinstance(test, nodes.InternalName) and test.name in counters:
                return statement if _assigned(loop, test.name) == 1 else None
            if isinstance(test, nodes.Not) and _is_loop_first(test.node):
                return statement
    return None


def _assigned(loop: nodes.For, name: str) -> int:
    return sum(
        isinstance(assign.target, nodes.InternalName) and assign.target.name == name
        for assign in loop.find_all(nodes.Assign)
    )


def _is_loop_first(test: nodes.Expr) -> bool:
    return (
        isinstance(test, nodes.Getattr)
        and test.attr == "first"
        and isinstance(test.node, nodes.Name)
        and test.node.name == "loop"
    )


def _calls(child: nodes.Expr) -> bool:
    return isinstance(child, nodes.Filter) and child.name == INVOKE


def calls_templates(trees: Iterable[nodes.Template]) -> bool:
    """Whether any of the trees calls a template."""
    return any(f.name == INVOKE for tree in trees for f in tree.find_all(nodes.Filter))
