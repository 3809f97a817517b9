"""The engine: compile a template once, render it for every event.

Rules: compiling does everything that does not need the event; rendering runs the generator that
Jinja compiled, adds up what it yields and keeps the limits. Every exception of compiled code becomes
a TemplateError that names a line and a column.
"""

from __future__ import annotations

from itertools import islice
from types import CodeType, GeneratorType, TracebackType
from typing import Any, Literal, TypeAlias

from jinja2 import Template as JinjaTemplate
from jinja2 import nodes

from subscriber.model.event import Json
from subscriber.model.reason import Reason
from subscriber.template.escape import plain
from subscriber.template.functions.registry import FunctionError
from subscriber.template.limits import MAX_DEPTH, Pieces, Run
from subscriber.template.lower import callable_names, lower, lower_pipeline
from subscriber.template.nodes import Action, Tree
from subscriber.template.parser import parse, parse_pipeline
from subscriber.template.problem import TemplateError
from subscriber.template.sandbox import Environment, environment
from subscriber.template.semantics.values import MAX_OUTPUT, MISSING, Fault, clean, too_long

Dialect: TypeAlias = Literal["go", "jinja"]
Context: TypeAlias = Literal["text", "json"]
Missing: TypeAlias = Literal["error", "default", "zero"]

_AT_ONCE = 64


class _Program:
    """Jinja-compiled code of one template: starts a rendering of it."""

    __slots__ = ("code", "jinja")

    def __init__(self, tree: nodes.Template, env: Environment, filename: str) -> None:
        self.code: CodeType = env.compile(tree, name=filename, filename=filename)
        self.jinja = JinjaTemplate.from_code(env, self.code, {})

    def start(self, run: Run, data: Any) -> Pieces:
        jinja = self.jinja
        context = jinja.new_context({"data": data, "run": run})
        return jinja.root_render_func(context)  # type: ignore[return-value]

    def line(self, traceback: TracebackType | None) -> int | None:
        """The `lineno` of the node that the innermost frame of our code was working on."""
        found = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self.code.co_filename:
                found = traceback.tb_lineno
            traceback = traceback.tb_next
        return None if found is None else self.jinja.get_corresponding_lineno(found)


def _collect(pieces: Pieces) -> str:
    """Join what a template without calls yields."""
    parts: list[str] = []
    size = 0
    while chunk := list(islice(pieces, _AT_ONCE)):
        parts += chunk
        size += sum(map(len, chunk))
        if size > MAX_OUTPUT:
            raise too_long()
    return "".join(parts)


def _collect_nested(pieces: Pieces) -> str:
    """Join what a template yields; a generator among it is a called template."""
    parts: list[str] = []
    size = 0
    waiting: list[Pieces] = []
    while True:
        for piece in pieces:
            if piece.__class__ is GeneratorType:
                if len(waiting) >= MAX_DEPTH:
                    raise Fault(
                        f"templates call one another more than {MAX_DEPTH} deep",
                        reason=Reason.TEMPLATE_LIMIT,
                    )
                waiting.append(pieces)
                pieces = piece
                break
            size += len(piece)
            if size > MAX_OUTPUT:
                raise too_long()
            parts.append(piece)
        else:
            if not waiting:
                return "".join(parts)
            pieces = waiting.pop()


class Template:
    """A compiled template; safe to share between threads and tasks."""

    def __init__(
        self,
        name: str,
        source: str,
        main: _Program,
        templates: dict[str, _Program],
        typed: Expression | None,
    ) -> None:
        self.name = name
        self.source = source
        self._main = main
        self._calls = {key: program.start for key, program in templates.items()}
        self._collect = _collect_nested if len(templates) > 1 else _collect
        self._typed = typed

    def render(self, data: Json, *, now: float | None = None) -> str:
        """Render to text.

        Args:
            data: the value of `.`; for an event, `Event.document()`.
            now: what the function `now` returns, seconds since 1970; by default the `time`
                attribute of `data`.

        Raises:
            TemplateError: TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
        """
        run = Run(now, data.get("time") if isinstance(data, dict) else None, self._calls)
        try:
            return clean(self._collect(self._main.start(run, MISSING if data is None else data)))
        except Exception as error:
            raise _explain(error, self.name, self.source, self._main) from error

    def value(self, data: Json, *, now: float | None = None) -> Json:
        """Like `render`, but a template that is exactly one action keeps its type.

        ``{{.data.evaluation.score}}`` gives the number, ``{{.data.labels}}`` the map (a missing
        key None); anything else gives the rendered text.
        """
        if self._typed is None:
            return self.render(data, now=now)
        return self._typed.value(data, now=now)


class Expression:
    """A compiled condition."""

    def __init__(self, name: str, source: str, program: _Program) -> None:
        self.name = name
        self.source = source
        self._program = program

    def test(self, data: Json, *, now: float | None = None) -> bool:
        """Whether the expression is true for the data, by the dialect's own idea of truth."""
        return bool(self.value(data, now=now))

    def value(self, data: Json, *, now: float | None = None) -> Json:
        """The expression's value; None when it has none."""
        run = Run(now, data.get("time") if isinstance(data, dict) else None, {})
        try:
            value = next(self._program.start(run, MISSING if data is None else data))
        except Exception as error:
            raise _explain(error, self.name, self.source, self._program) from error
        return None if value is MISSING else value


def _explain(error: Exception, name: str, source: str, program: _Program) -> TemplateError:
    """The TemplateError for whatever compiled code raised."""
    if isinstance(error, TemplateError):
        return error
    offset: int | None = None
    reason, hint = Reason.TEMPLATE_EXECUTION, ""
    if isinstance(error, Fault):
        message, offset, hint, reason = error.message, error.offset, error.hint, error.reason
    elif isinstance(error, FunctionError):
        message, hint = error.message, error.hint
    elif isinstance(error, RecursionError | MemoryError):
        message, reason = "the value is nested too deeply", Reason.TEMPLATE_LIMIT
    else:
        message = f"{type(error).__name__}: {error}"
    if offset is None:
        line = program.line(error.__traceback__)
        offset = 0 if line is None else line - 1
    return TemplateError.at(reason, message, name=name, source=source, offset=offset, hint=hint)


def compile(
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
    env = environment(dialect, missing)
    tree = parse(source, name=name, functions=callable_names())
    programs: dict[str, _Program] = {}
    for key, body in tree.templates.items():
        lowered = lower(body, source=source, name=name, environment=env, missing=missing)
        programs[key] = _Program(plain(lowered), env, f"<{name}>")
    typed = _typed(tree, source, name, env, missing)
    return Template(name, source, programs[tree.main], programs, typed)


def _typed(tree: Tree, source: str, name: str, env: Environment, missing: str) -> Expression | None:
    body = tree.templates[tree.main]
    if len(body) != 1 or not isinstance(body[0], Action) or body[0].pipe.variables:
        return None
    lowered = lower_pipeline(
        body[0].pipe, source=source, name=name, environment=env, missing=missing
    )
    return Expression(name, source, _Program(lowered, env, f"<{name}>"))


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
    env = environment(dialect, missing)
    pipe = parse_pipeline(source, name=name, functions=callable_names())
    lowered = lower_pipeline(pipe, source=source, name=name, environment=env, missing=missing)
    return Expression(name, source, _Program(lowered, env, f"<{name}>"))
