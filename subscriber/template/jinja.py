"""The Jinja dialect's front end: Jinja's own tree, with everything that could reach out replaced.

Rules: the parser and compiler are Jinja's. In between, calls and filters are resolved against our
tables (an unknown name is an error here, not at run time), printed values are wrapped for `escape`,
loops and whatever can grow are given the run to pay to. What loads other templates is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import cast

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.parser import Parser as JinjaParser
from jinja2.visitor import NodeTransformer

from subscriber.model.reason import Reason
from subscriber.template.functions.registry import FUNCTIONS
from subscriber.template.lower import EMIT
from subscriber.template.problem import TemplateError
from subscriber.template.sandbox import JINJA_FILTERS, JINJA_TESTS, Environment
from subscriber.template.semantics.builtins import BUILTINS
from subscriber.template.semantics.jinjavalues import METHODS

RUN = "__run"
CAPTURED = "jinja.captured"

_REFUSED: dict[type[nodes.Node], str] = {
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from ... import",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_GROWING: dict[type[nodes.Node], str] = {
    nodes.Add: "jinja.add",
    nodes.Mul: "jinja.multiply",
    nodes.Pow: "jinja.power",
    nodes.Mod: "jinja.remainder",
}
_PYTHON_CALLED = frozenset(BUILTINS) - {"and", "or", "not"}


class _Resolver(NodeTransformer):
    """Rewrites one parsed template in place."""

    def __init__(self, source: str, name: str, environment: Environment) -> None:
        self.source = source
        self.name = name
        self.run = JinjaParser(environment, "").free_identifier(1)
        self.macros: set[str] = set()
        self.captures = 0

    def resolve(self, tree: nodes.Template) -> nodes.Template:
        """The tree ready to be escaped and compiled."""
        self.macros = {macro.name for macro in tree.find_all(nodes.Macro)}
        self.visit(tree)
        fetch = nodes.Assign(self.run, nodes.Name(RUN, "load", lineno=1), lineno=1)
        tree.body.insert(0, fetch)
        return tree

    def fail(self, message: str, node: nodes.Node, hint: str = "") -> TemplateError:
        return TemplateError.at(
            Reason.TEMPLATE_SYNTAX,
            message,
            name=self.name,
            source=self.source,
            offset=line_offset(self.source, node.lineno),
            hint=hint,
        )

    def filter(
        self, node: nodes.Node, value: nodes.Expr, name: str, arguments: Sequence[nodes.Expr] = ()
    ) -> nodes.Filter:
        return nodes.Filter(value, name, list(arguments), [], None, None, lineno=node.lineno)

    def const(self, value: object) -> nodes.Const:
        return nodes.Const(value)

    # -- statements ------------------------------------------------------------------------------

    def generic_visit(self, node: nodes.Node, *args: object, **kwargs: object) -> nodes.Node:
        """Refuse what loads or redirects, rewrite the operators that can grow."""
        refused = _REFUSED.get(type(node))
        if refused is not None:
            raise self.fail(f"{{% {refused} %}} is not available here", node)
        super().generic_visit(node, *args, **kwargs)
        growing = _GROWING.get(type(node))
        if growing is not None:
            assert isinstance(node, nodes.BinExpr)
            return self.filter(node, node.left, growing, [node.right, self.run])
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [self.printed(child) for child in node.nodes]
        return node

    def printed(self, child: nodes.Expr) -> nodes.Expr:
        if isinstance(child, nodes.TemplateData):
            return child
        if self.captures:
            return self.filter(child, child, CAPTURED, [self.run])
        return self.filter(child, child, EMIT)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise self.fail("a recursive loop is not available here", node)
        weight = 1 + sum(1 for _ in node.find_all((nodes.Output, nodes.Expr))) // 2
        self.generic_visit(node)
        subject = cast(nodes.Expr, node.iter)
        node.iter = self.filter(node, subject, "jinja.each", [self.run, self.const(weight)])
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        self.captures += 1
        self.generic_visit(node)
        self.captures -= 1
        length = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        charge = self.filter(node, self.run, "jinja.charge", [self.const(4 + length // 64)])
        node.body.insert(0, nodes.ExprStmt(charge, lineno=node.lineno))
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:
        if node.filter is not None:
            raise self.fail("a set block takes no filter here", node, "filter it when it is used")
        self.captures += 1
        self.generic_visit(node)
        self.captures -= 1
        return node

    # -- expressions -----------------------------------------------------------------------------

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name.startswith("__"):
            raise self.fail(f"{node.name} is not available here", node)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = self.filter(node, node.expr, "jinja.weighed", [self.run])
        for operand in node.ops:
            operand.expr = self.filter(node, operand.expr, "jinja.weighed", [self.run])
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = self.filter(node, node.node, "jinja.weighed", [self.run])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return self.filter(node, self.run, "jinja.concat", node.nodes)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        if node.ctx != "load":
            return node
        return nodes.List(node.items, lineno=node.lineno)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        if node.name not in JINJA_TESTS:
            raise self.unknown("test", node.name, node, JINJA_TESTS)
        self.generic_visit(node)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        self.generic_visit(node)
        if node.node is None:
            raise self.fail("a filter block is not available here", node)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self.fail("a filter takes no * and ** arguments here", node)
        if node.name in JINJA_FILTERS:
            node.args.insert(0, self.run)
            node.name = f"jinja.{node.name}"
            return node
        if node.name in FUNCTIONS or node.name in _PYTHON_CALLED:
            if node.kwargs:
                raise self.fail(f"{node.name} takes no named arguments", node)
            return self.call(node, node.name, [*node.args, node.node])
        known = {*JINJA_FILTERS, *FUNCTIONS, *_PYTHON_CALLED}
        raise self.unknown("filter", node.name, node, known)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        callee = node.node
        self.generic_visit(node)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self.fail("a function takes no * and ** arguments here", node)
        if isinstance(callee, nodes.Getattr):
            if isinstance(callee.node, nodes.Name) and callee.node.name == "loop":
                return node
            if callee.attr in METHODS and not node.kwargs:
                arguments = [self.run, self.const(callee.attr), *node.args]
                return self.filter(node, callee.node, "jinja.method", arguments)
            raise self.fail(
                f"{callee.attr}() cannot be called: values have no methods",
                node,
                "maps have items(), keys(), values() and get(); the rest are functions and filters",
            )
        if not isinstance(callee, nodes.Name):
            raise self.fail("only a function can be called", node)
        if callee.name in self.macros or callee.name == "namespace":
            return node
        if node.kwargs:
            raise self.fail(f"{callee.name} takes no named arguments", node)
        if callee.name == "range":
            return self.filter(node, self.run, "jinja.range", node.args)
        if callee.name not in FUNCTIONS and callee.name not in _PYTHON_CALLED:
            raise self.unknown("function", callee.name, node, {*FUNCTIONS, *_PYTHON_CALLED})
        return self.call(node, callee.name, node.args)

    def call(self, node: nodes.Node, name: str, arguments: Sequence[nodes.Expr]) -> nodes.Filter:
        count = len(arguments)
        function, builtin = FUNCTIONS.get(name), BUILTINS.get(name)
        least, most = (
            (function.least, function.most)
            if function is not None
            else (builtin.least, builtin.most)
            if builtin is not None
            else (0, None)
        )
        if count < least or (most is not None and count > most):
            written = f"it is written {function.signature}" if function is not None else ""
            raise self.fail(f"{name} does not take {count} arguments", node, written)
        target = f"fn.{name}" if function is not None else f"go.{name}"
        values = [self.filter(node, value, "jinja.argument") for value in arguments]
        offset = self.const(line_offset(self.source, node.lineno))
        return self.filter(node, offset, target, [self.run, *values])

    def unknown(
        self, what: str, name: str, node: nodes.Node, known: set[str] | frozenset[str]
    ) -> TemplateError:
        near = get_close_matches(name, known, 1)
        return self.fail(
            f'there is no {what} "{name}"', node, f"did you mean {near[0]}?" if near else ""
        )


def line_offset(source: str, line: int) -> int:
    """The offset of the first character of a line that is no space; lines count from 1."""
    offset = 0
    for _ in range(line - 1):
        found = source.find("\n", offset)
        if found < 0:
            break
        offset = found + 1
    while source[offset : offset + 1] in (" ", "\t"):
        offset += 1
    return offset


class JinjaSource:
    """A parsed Jinja template; makes a new tree each time it is asked for one.

    Attributes:
        spread: the keys of the data are names of their own.
    """

    spread = True

    def __init__(self, source: str, name: str, environment: Environment, missing: str) -> None:
        self.source = source
        self.name = name
        self.environment = environment
        self.text = self.wrapped(source)
        self.main()  # refuse now what is wrong

    def wrapped(self, source: str) -> str:
        """The template text to parse."""
        return source

    def main(self) -> nodes.Template:
        """The template to render."""
        try:
            tree = self.environment.parse(self.text, self.name)
        except TemplateSyntaxError as error:
            raise TemplateError.at(
                Reason.TEMPLATE_SYNTAX,
                error.message or "this is no Jinja",
                name=self.name,
                source=self.source,
                offset=line_offset(self.source, error.lineno),
            ) from None
        return _Resolver(self.source, self.name, self.environment).resolve(tree)

    def names(self) -> tuple[str, ...]:
        """Templates that may be called: none."""
        return ()

    def define(self, name: str) -> nodes.Template | None:
        """Jinja templates are not called by name."""
        return None

    def typed(self) -> nodes.Template | None:
        """The only expression of the template, None when there is more."""
        tree = self.main()
        outputs = tree.body[1:]
        if len(outputs) != 1 or not isinstance(outputs[0], nodes.Output):
            return None
        children = outputs[0].nodes
        if len(children) != 1 or not isinstance(children[0], nodes.Filter):
            return None
        if children[0].name != EMIT:
            return None
        children[0].name = "jinja.argument"
        return tree

    def offset_of(self, line: int, index: int, text: str) -> int:
        """The offset of a node: its line's, or where its text stands."""
        start = line_offset(self.source, line)
        if text:
            begin = self.source.rfind("\n", 0, start) + 1
            found = self.source.find(text, begin)
            return found + index if found >= 0 else start
        return start


class JinjaCondition(JinjaSource):
    """A Jinja expression without braces."""

    def wrapped(self, source: str) -> str:
        """The expression as a template that prints it."""
        return "{{ " + source + " }}"

    def typed(self) -> nodes.Template:
        """The expression."""
        tree = super().typed()
        if tree is None:
            raise TemplateError.at(
                Reason.TEMPLATE_SYNTAX,
                "this is not one expression",
                name=self.name,
                source=self.source,
                offset=0,
                hint="a condition is written without {{ and }}",
            )
        return tree
