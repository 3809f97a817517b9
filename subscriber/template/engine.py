"""The engine: compile a template once, render it for every event."""

from __future__ import annotations

from typing import Literal, TypeAlias

from subscriber.model.event import Json

Dialect: TypeAlias = Literal["go", "jinja"]
Context: TypeAlias = Literal["text", "json"]
Missing: TypeAlias = Literal["error", "default", "zero"]


class Template:
    """A compiled template; safe to share between threads and tasks."""

    name: str
    source: str

    def render(self, data: Json, *, now: float | None = None) -> str:
        """Render to text.

        Args:
            data: the value of `.`; for an event, `Event.document()`.
            now: what the function `now` returns, seconds since 1970; by default the `time`
                attribute of `data`.

        Raises:
            TemplateError: TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
        """
        raise NotImplementedError

    def value(self, data: Json, *, now: float | None = None) -> Json:
        """Like `render`, but a template that is exactly one action keeps its type.

        ``{{.data.evaluation.score}}`` gives the number, ``{{.data.labels}}`` the map (a missing
        key None); anything else gives the rendered text.
        """
        raise NotImplementedError


class Expression:
    """A compiled condition."""

    name: str
    source: str

    def test(self, data: Json, *, now: float | None = None) -> bool:
        """Whether the expression is true for the data, by the dialect's own idea of truth."""
        raise NotImplementedError

    def value(self, data: Json, *, now: float | None = None) -> Json:
        """The expression's value."""
        raise NotImplementedError


def compile(  # noqa: A001 - the public name, see ARCHITECTURE
    source: str,
    *,
    name: str = "template",
    dialect: Dialect = "go",
    context: Context = "text",
    missing: Missing = "error",
) -> Template:
    """Compile a template.

    Args:
        source: the template text.
        name: how errors call it, e.g. ``keptn/evaluation/body.json.tmpl``.
        dialect: Go's text/template or Jinja.
        context: ``json`` escapes every value for the place it is written to and checks the result.
        missing: what a missing key does: ``error`` refuses, ``default`` prints ``<no value>``
            (Go) or nothing (Jinja), ``zero`` is Go's missingkey=zero.

    Raises:
        TemplateError: TEMPLATE_SYNTAX.
    """
    raise NotImplementedError


def compile_expression(
    source: str,
    *,
    name: str = "when",
    dialect: Dialect = "go",
    missing: Missing = "error",
) -> Expression:
    """Compile a condition: a Go pipeline or a Jinja expression, without braces.

    Raises:
        TemplateError: TEMPLATE_SYNTAX.
    """
    raise NotImplementedError
