"""From a template's text to its outline, in either dialect."""

from __future__ import annotations

from subscriber.template.engine import Dialect
from subscriber.template.lower import callable_names
from subscriber.template.outline.golang import GoReader
from subscriber.template.outline.jinja import JinjaReader
from subscriber.template.outline.sketch import Demand, Sketch
from subscriber.template.parser import parse, parse_pipeline
from subscriber.template.sandbox import environment


def outline(source: str, *, dialect: Dialect = "go") -> Sketch:
    """The outline of a template that compiles."""
    if dialect == "jinja":
        return JinjaReader().sketch(environment(dialect, "error").parse(source))
    return GoReader(parse(source, name="outline", functions=callable_names())).sketch()


def outline_condition(source: str, *, dialect: Dialect = "go") -> tuple[Sketch, tuple[Demand, ...]]:
    """The outline of a condition that compiles, written without braces, and what it demands."""
    if dialect == "jinja":
        tree = environment(dialect, "error").parse("{{ " + source + " }}")
        return JinjaReader().condition(tree)
    pipe = parse_pipeline(source, name="outline", functions=callable_names())
    return GoReader().condition(pipe)
