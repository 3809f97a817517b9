"""Where a value is printed: text."""

from __future__ import annotations

from jinja2 import nodes

from subscriber.template.lower import EMIT


def plain(tree: nodes.Template) -> nodes.Template:
    """Print every value as text."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [_text(child) for child in output.nodes]
    return tree


def _text(child: nodes.Expr) -> nodes.Expr:
    if isinstance(child, nodes.Filter) and child.name == EMIT:
        if child.args[0].as_const() == "str":
            return child.node  # type: ignore[return-value]
        child.name = "go.text"
        child.args = []
    return child
