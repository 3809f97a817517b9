"""The engine: compile a template once, render it for every event.

Rules: compiling does everything that does not need the event; what is rendered in JSON context is
JSON, proven when it is compiled or parsed once when it is rendered. A text that is known to compile
may be `postponed`: it compiles when it is first used, or when `prepare` is called. Only code is
kept; a tree is made again from the text in the rare case that somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

from jinja2 import nodes

from subscriber.model.event import Json
from subscriber.model.reason import Reason
from subscriber.template.escape import (
    BrokenPlace,
    JsonEscaper,
    calls_templates,
    plain,
    starts_json,
    traced,
)
from subscriber.template.golang import GoCondition, GoSource
from subscriber.template.jinja import JinjaCondition, JinjaSource
from subscriber.template.problem import TemplateError
from subscriber.template.program import (
    Built,
    Program,
    broken_json,
    collect,
    collect_nested,
    collect_short,
    decode_json,
)
from subscriber.template.sandbox import Environment, environment
from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.values import MISSING, Fault, clean

Dialect: TypeAlias = Literal["go", "jinja"]
Context: TypeAlias = Literal["text", "json"]
Missing: TypeAlias = Literal["error", "default", "zero"]


class Source(Protocol):
    """A dialect's front end: makes a fresh Jinja tree each time it is asked for one."""

    name: str
    source: str
    environment: Environment
    spread: bool

    def main(self) -> nodes.Template:
        """The template to render."""

    def names(self) -> tuple[str, ...]:
        """Every template there is, the main one included."""

    def define(self, name: str) -> nodes.Template | None:
        """A template by its name."""

    def typed(self) -> nodes.Template | None:
        """The only action of the template as an expression."""

    def offset_of(self, line: int, index: int, text: str) -> int:
        """The offset of a node by its `lineno`, moved by an index into its text."""


class _Whole:
    """A whole template as code.

    Attributes:
        built: the code.
        main, calls: the same, as a rendering wants them.
        collect: joins the pieces.
        parse: whether the result must be parsed to know that it is JSON.
        indexed: whether it must be when a range with two variables went through a map.
    """

    __slots__ = ("built", "calls", "collect", "indexed", "main", "parse")

    def __init__(self, source: Source, context: Context) -> None:
        self.built = built = _build(source, context, trace=False)
        self.main = built.main
        self.calls = {key: program.start for key, program in built.calls.items()}
        short = collect_short if built.main.short else collect
        self.collect = collect_nested if built.calls else short
        self.parse = not built.proven
        self.indexed = built.indexed


class Template:
    """A template, compiled or about to be; safe to share between threads and tasks."""

    def __init__(
        self, source: str, *, name: str, context: Context, front: Callable[[], Source]
    ) -> None:
        self.name = name
        self.source = source
        self._front = front
        self._context = context

    def prepare(self) -> None:
        """Compile what `value` needs, unless that is done.

        Raises:
            TemplateError: TEMPLATE_SYNTAX or TEMPLATE_LIMIT.
        """
        if self._typed is None:
            _ = self._whole

    @cached_property
    def _typed(self) -> Expression | None:
        """The only action of the template; whoever asks for it will want the whole otherwise."""
        with _deep(self.source, self.name):
            source = self._front()
            tree = source.typed()
            if tree is None:
                if "_whole" not in self.__dict__:
                    self._whole = _Whole(source, self._context)
                return None
            return Expression.of(source, tree)

    @cached_property
    def _whole(self) -> _Whole:
        with _deep(self.source, self.name):
            return _Whole(self._front(), self._context)

    def render(self, data: Json, *, now: float | None = None) -> str:
        """Render to text.

        Args:
            data: the value of `.`; for an event, `Event.document()`.
            now: what the function `now` returns, seconds since 1970; by default the `time`
                attribute of `data`.

        Raises:
            TemplateError: TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
        """
        root: Any = MISSING if data is None else data
        whole = self._whole
        run = Run(now, data.get("time") if isinstance(data, dict) else None, whole.calls)
        try:
            text = whole.collect(whole.main.start(run, root))
        except Exception as error:
            raise whole.built.explain(error) from error
        text = clean(text)
        if whole.parse or (run.keyed and whole.indexed):
            try:
                decode_json(text)
            except (ValueError, RecursionError) as error:
                built = _build(self._front(), self._context, trace=True)
                pieces = built.begin(root, now)
                raise broken_json(whole.built, built, text, pieces) from error
        return text

    def value(self, data: Json, *, now: float | None = None) -> Json:
        """Like `render`, but a template that is exactly one action keeps its type.

        ``{{.data.evaluation.score}}`` gives the number, ``{{.data.labels}}`` the map (a missing
        key None); anything else gives the rendered text.
        """
        typed = self._typed
        return self.render(data, now=now) if typed is None else typed.value(data, now=now)


class Expression:
    """A condition, compiled or about to be."""

    def __init__(self, source: str, *, name: str, make: Callable[[], Built]) -> None:
        self.name = name
        self.source = source
        self._make = make

    @classmethod
    def of(cls, source: Source, tree: nodes.Template) -> Expression:
        """One that is compiled at once."""
        built = _single(source, tree)
        made = cls(source.source, name=source.name, make=lambda: built)
        made.prepare()
        return made

    def prepare(self) -> None:
        """Compile, unless that is done.

        Raises:
            TemplateError: TEMPLATE_SYNTAX or TEMPLATE_LIMIT.
        """
        _ = self._built

    @cached_property
    def _built(self) -> Built:
        with _deep(self.source, self.name):
            return self._make()

    def test(self, data: Json, *, now: float | None = None) -> bool:
        """Whether the expression is true for the data, by the dialect's own idea of truth.

        Raises:
            TemplateError: TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
        """
        return bool(self.value(data, now=now))

    def value(self, data: Json, *, now: float | None = None) -> Json:
        """The expression's value; None when it has none.

        Raises:
            TemplateError: TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
        """
        try:
            value = next(self._built.begin(MISSING if data is None else data, now))
        except Exception as error:
            raise self._built.explain(error) from error
        return None if value is MISSING else value


def _single(source: Source, tree: nodes.Template) -> Built:
    """The code of an expression."""
    return Built(
        name=source.name,
        source=source.source,
        main=_compiled(source, tree),
        calls={},
        proven=True,
        indexed=False,
        offset_of=source.offset_of,
    )


def _compiled(source: Source, tree: nodes.Template) -> Program:
    try:
        return Program(tree, source.environment, source.name, spread=source.spread)
    except Fault as fault:
        raise TemplateError.at(
            fault.reason, fault.message, name=source.name, source=source.source, offset=0
        ) from None


def _build(source: Source, context: Context, *, trace: bool) -> Built:
    """Compile a template and everything it calls, with every value escaped for its place."""
    main = source.main()
    proven, indexed = True, False
    if context == "json" and starts_json(main):
        escaper = JsonEscaper(source.define, source.offset_of)
        try:
            escaper.document(main, len(source.source))
        except BrokenPlace as broken:
            raise TemplateError.at(
                Reason.TEMPLATE_SYNTAX,
                broken.message,
                name=source.name,
                source=source.source,
                offset=broken.offset,
                hint=broken.hint,
            ) from None
        trees, proven, indexed = escaper.trees, escaper.proven, escaper.indexed
    else:
        trees = {}
        for name in source.names():
            tree = source.define(name)
            assert tree is not None
            trees[name] = plain(tree)
        main = plain(main)
        if not calls_templates([main]):
            trees = {}
    if trace:
        main = traced(main)
        trees = {key: traced(tree) for key, tree in trees.items()}
    return Built(
        name=source.name,
        source=source.source,
        main=_compiled(source, main),
        calls={key: _compiled(source, tree) for key, tree in trees.items()},
        proven=proven,
        indexed=indexed,
        offset_of=source.offset_of,
    )


def compile(
    source: str,
    *,
    name: str = "template",
    dialect: Dialect = "go",
    context: Context = "text",
    missing: Missing = "error",
    postponed: bool = False,
) -> Template:
    """Compile a template.

    Args:
        source: the template text.
        name: how errors call it, e.g. ``keptn/evaluation/body.json.tmpl``.
        dialect: Go's text/template or Jinja.
        context: ``json`` escapes every value for the place it is written to and checks the result.
        missing: what a missing key does: ``error`` refuses, ``default`` prints ``<no value>``
            (Go) or nothing (Jinja), ``zero`` is Go's missingkey=zero.
        postponed: compile it when it is first used; its faults come up only then.

    Raises:
        TemplateError: TEMPLATE_SYNTAX.
    """
    front: type[GoSource] | type[JinjaSource] = GoSource if dialect == "go" else JinjaSource
    template = Template(
        source,
        name=name,
        context=context,
        front=lambda: front(source, name, environment(dialect, missing), missing),
    )
    if not postponed:
        template.prepare()
    return template


def compile_expression(
    source: str,
    *,
    name: str = "when",
    dialect: Dialect = "go",
    missing: Missing = "error",
    postponed: bool = False,
) -> Expression:
    """Compile a condition: a Go pipeline or a Jinja expression, without braces.

    Args:
        source, name, dialect, missing, postponed: as for `compile`.

    Raises:
        TemplateError: TEMPLATE_SYNTAX.
    """
    front: type[GoCondition] | type[JinjaCondition]
    front = GoCondition if dialect == "go" else JinjaCondition

    def make() -> Built:
        made = front(source, name, environment(dialect, missing), missing)
        return _single(made, made.typed())

    expression = Expression(source, name=name, make=make)
    if not postponed:
        expression.prepare()
    return expression


@contextmanager
def _deep(source: str, name: str) -> Iterator[None]:
    """What is nested deeper than Python can go is a TemplateError."""
    try:
        yield
    except RecursionError:
        raise _too_deep(source, name) from None


def _too_deep(source: str, name: str) -> TemplateError:
    return TemplateError.at(
        Reason.TEMPLATE_LIMIT,
        "the template is nested too deeply",
        name=name,
        source=source,
        offset=0,
        hint="take it apart into several actions",
    )
