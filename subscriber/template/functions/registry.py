"""The contract of the function library: how a template function is written, found and called.

A function is an ordinary Python callable with a `Function` record beside it, made by the decorator:

    @function(
        "trunc",
        signature="trunc length text",
        doc="The first `length` characters of the text; the last ones when it is negative.",
        category="strings",
        examples=[
            ('{{trunc 3 "template"}}', None, "tem"),
            ("{{.name | trunc 2}}", {"name": "carts"}, "ca"),
        ],
    )
    def trunc(length: Json, text: Json) -> Json: ...

Rules:

- Arguments are positional and arrive as plain JSON values: None (Go's nil, and a missing key),
  bool, int (Go's int), float (float64), str, list and dict. A str may be an `Encoded`, an int may
  be a subclass: test with isinstance (bool before int). Arguments are shared with the event: never
  change one, build a new value.
- A piped value arrives as the *last* argument, as in Go: ``{{.name | trunc 2}}`` calls
  ``trunc(2, name)``; in the Jinja dialect ``{{ name | trunc(2) }}`` calls the same.
- Results are JSON values too; never another type. A callable that always returns one type says so
  in its annotation (``-> bool``, ``-> list[Json]``): what is known need not be asked each time.
- The number of arguments is read from the callable's own signature (defaults and ``*args`` count)
  and checked when the template is compiled.
- A bad argument raises `FunctionError`; build the usual text with `wrong_type`. The engine adds the
  function's name and the place in the template.
- A function that needs the time or makes work that grows with a *number* in the template (repeat,
  until, indent, a regular expression) is declared with ``run=True`` and gets a `Run` before its
  arguments: `run.now`, `run.charge(steps)`. Charge *before* doing the work: one step is about a
  microsecond of Python, or a few hundred characters of text handled in C; for text about to be made
  call `run.charge_text(length)`. The engine itself charges for every call, for the size of each
  returned string, list or map, and refuses a string longer than the output limit.
- No clock, environment, file, network or random number.

This module does not know the functions, the template language or the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Protocol, TypeVar

from subscriber.model.event import Json
from subscriber.template.semantics.values import Encoded, FunctionError

__all__ = [
    "EXAMPLE_NOW",
    "FUNCTIONS",
    "Encoded",
    "Example",
    "Function",
    "FunctionError",
    "Run",
    "function",
    "kind_of",
    "wrong_type",
]

Example = tuple[str, Json, str]
"""A template in the Go dialect (text context, missing="default"), its data, the text it renders to.

Examples see the fixed time 2024-05-06T07:08:09Z (`EXAMPLE_NOW`) as `now`.
"""

EXAMPLE_NOW = 1714979289.0


class Run(Protocol):
    """What one rendering offers to functions declared with ``run=True``."""

    @property
    def now(self) -> float:
        """The event's time, seconds since 1970; raises FunctionError when the event has none."""

    def charge(self, steps: int) -> None:
        """Pay for work about to be done (one step: about a microsecond); raises when used up."""

    def charge_text(self, length: int) -> None:
        """Pay for a text of `length` characters about to be made; raises when it is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One documented function.

    Attributes:
        name: as templates write it.
        callable: takes ([run,] *arguments), returns a JSON value.
        signature: name and argument names, ``[x]`` optional, ``x...`` any number.
        doc: one line, Markdown.
        category: heading in the list of functions, lower case, e.g. ``strings``.
        examples: its tests and its documentation.
        run: whether the callable takes a `Run` first.
        least, most: how many arguments it takes (`most` None: any number), without the run.
        result: ``str``, ``bool``, ``int``, ``float``, ``list`` or ``dict`` when it always returns
            that, else empty.
    """

    name: str
    callable: Callable[..., Any]
    signature: str
    doc: str
    category: str
    examples: tuple[Example, ...]
    run: bool = False
    least: int = 0
    most: int | None = None
    result: str = ""


FUNCTIONS: dict[str, Function] = {}
"""Every registered function by name; filled while the modules of this package are imported."""

F = TypeVar("F", bound=Callable[..., Any])


def function(
    name: str,
    *,
    signature: str,
    doc: str,
    category: str,
    examples: Iterable[Example],
    run: bool = False,
) -> Callable[[F], F]:
    """Register the decorated callable as template function `name`; it is returned unchanged.

    The decorator can be stacked to give one callable two names. A name can be taken only once.
    """

    def register(callable: F) -> F:
        if name in FUNCTIONS:
            raise ValueError(f"template function {name!r} is defined twice")
        least, most = _arity(callable, run)
        FUNCTIONS[name] = Function(
            name=name,
            callable=callable,
            signature=signature,
            doc=doc,
            category=category,
            examples=tuple(examples),
            run=run,
            least=least,
            most=most,
            result=_result(callable),
        )
        return callable

    return register


def _arity(callable: Callable[..., Any], run: bool) -> tuple[int, int | None]:
    least, most = 0, 0
    unbounded = False
    for parameter in signature(callable).parameters.values():
        if parameter.kind is Parameter.VAR_POSITIONAL:
            unbounded = True
        elif parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += parameter.default is Parameter.empty
    if run:
        least, most = least - 1, most - 1
    return least, None if unbounded else most


_RESULTS = frozenset({"str", "bool", "int", "float", "list", "dict"})


def _result(callable: Callable[..., Any]) -> str:
    """The type that the callable's annotation promises, "" for any."""
    annotation = str(signature(callable).return_annotation).partition("[")[0]
    annotation = "str" if annotation == Encoded.__name__ else annotation
    return annotation if annotation in _RESULTS else ""


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a map"),
)


def kind_of(value: Json) -> str:
    """What a value is, in words for an error message: "text", "a list", "nothing" ..."""
    if value is None:
        return "nothing (null or missing)"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "a value")


def wrong_type(argument: str, wanted: str, value: Json) -> FunctionError:
    """The usual refusal, e.g. ``wrong_type("length", "a whole number", "x")``.

    Reads: ``length must be a whole number, not text``; the engine puts ``trunc:`` in front.
    """
    return FunctionError(f"{argument} must be {wanted}, not {kind_of(value)}")
