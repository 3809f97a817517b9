"""The Jinja environments that templates are compiled in: one per way of treating missing keys.

Rules: everything a template can call is in the tables here; no attribute of a Python object and no
method is reachable; nothing is loaded from anywhere. The names ``go.*`` and ``fn.*`` contain a dot,
so that no Jinja-dialect template can write them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace

from subscriber.template import quick
from subscriber.template.functions import FUNCTIONS
from subscriber.template.functions.kinds import KINDS
from subscriber.template.functions.registry import Function, FunctionError
from subscriber.template.quick import QUICK
from subscriber.template.semantics import access, jinjavalues, variables
from subscriber.template.semantics.builtins import BUILTINS
from subscriber.template.semantics.encode import inside_string, json_key, json_value
from subscriber.template.semantics.limits import Pieces, Run
from subscriber.template.semantics.show import text
from subscriber.template.semantics.values import Fault


class _Generator(CodeGenerator):
    """Jinja's code generator without the ``str()`` around each printed expression.

    Our filters return text already, and a called template is yielded as a generator.
    """

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None: ...

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        # Evaluates in place: the base class closes the parenthesis that it opened.
        ...


class Environment(ImmutableSandboxedEnvironment):
    """A sandbox with our code generator, where a dot reaches JSON and nothing else."""

    code_generator_class = _Generator

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``obj.attribute``: a key of a map."""
        return jinjavalues.item(self, obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``obj[argument]``: a key of a map, an index of a list."""
        return jinjavalues.item(self, obj, argument)

    def call_filter(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A filter named by a text, as ``map`` does; ours cannot be reached like this."""
        if name not in JINJA_FILTERS:
            raise Fault(f'there is no filter "{name}" to use by name')
        return super().call_filter(f"by-name.{name}", *args, **kwargs)

    def call_test(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A test named by a text, as ``select`` does."""
        if name not in JINJA_TESTS:
            raise Fault(f'there is no test "{name}"')
        return super().call_test(name, *args, **kwargs)


_CHEAP = 64  # a shorter result is paid for with the call
_CALL = 4  # what a call costs
_SCALARS = frozenset({"bool", "int", "float"})  # results that cannot be large
_CONTAINERS = frozenset({list, dict})
_START = 8  # what starting a called template costs
_SHORT = 512  # and so is a shorter argument


def _library(function: Function) -> Callable[..., Any]:
    """The filter that calls a library function: offset, run, arguments."""
    target, name, takes_run = function.callable, function.name, function.run
    grows = function.result not in _SCALARS

    def call(offset: int, run: Run, *arguments: Any) -> Any:
        run.steps -= 1
        for argument in arguments:  # reading a long text takes time, too
            if isinstance(argument, str) and len(argument) > _CHEAP:
                run.charge(len(argument) // _CHEAP)
        try:
            result = target(run, *arguments) if takes_run else target(*arguments)
        except FunctionError as error:
            hint = error.hint or f"it is written {function.signature}"
            raise Fault(f"{name}: {error.message}", offset, hint) from None
        except RecursionError:
            raise Fault(f"{name}: the value is nested too deeply", offset) from None
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
            # A case that the function did not think of is still an error of this template only.
            raise Fault(
                f"{name} cannot use these arguments ({type(error).__name__})",
                offset,
                f"it is written {function.signature}",
            ) from error
        if grows:
            if isinstance(result, str):
                if len(result) > _CHEAP:
                    run.charge_text(len(result))
            elif type(result) in _CONTAINERS and not _is_among(result, arguments):
                run.charge_value(result)
        return result

    return call


def _is_among(result: object, arguments: tuple[object, ...]) -> bool:
    for given in arguments:  # noqa: SIM110 - a generator takes twice as long
        if given is result:
            return True
    return False


def _piped(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call with the piped value first, so that it is evaluated first."""

    def piped(final: Any, offset: int, run: Run, *arguments: Any) -> Any:
        return call(offset, run, *arguments, final)

    return piped


def _invoke(name: str, offset: int, run: Run, dot: Any) -> Pieces:
    """Start a template called by another; the engine runs it."""
    template = run.templates.get(name)
    if template is None:
        raise Fault(f'there is no template "{name}"', offset, "add {{define ...}}")
    run.charge(_START)
    return template(run, dot)


class Traced(str):
    """A printed piece that knows the `lineno` of its node, and whether it is literal text."""

    __slots__ = ("line", "literal")
    line: int
    literal: bool


@pass_context  # keeps Jinja from evaluating it when it compiles
def _trace(_: Any, piece: str, line: int, literal: bool) -> Traced:
    traced = Traced(piece)
    traced.line, traced.literal = line, literal
    return traced


def _and_final(final: Any, others: Any) -> Any:
    return others and final


def _or_final(final: Any, others: Any) -> Any:
    return others or final


def _after(value: Any, _: Any) -> Any:
    return value


def _filters(missing: str) -> dict[str, Callable[..., Any]]:
    filters: dict[str, Callable[..., Any]] = {
        "go.text": text,
        "go.inside_string": inside_string,
        "go.json_value": json_value,
        "go.json_key": json_key,
        "go.each": access.each,
        "go.each_pair": access.each_pair,
        "go.elem": access.elem,
        "go.argument": access.argument,
        "go.fault": access.fault,
        "go.after": _after,
        "go.and_final": _and_final,
        "go.or_final": _or_final,
        "go.invoke": _invoke,
        "go.trace": _trace,
        "go.new_slots": variables.new_slots,
        "go.reset": variables.reset,
        "go.declare": variables.declare,
        "go.assign": variables.assign,
        "go.read": variables.read,
        "go.eq_text": quick.eq_text,
        "go.printf_texts": quick.printf_texts,
        "go.made": quick.made,
        "go.size": len,
        **{f"go.is_{name}": kind.__instancecheck__ for name, kind in KINDS.items()},
        "go.is_int": quick.is_int,
        **access.field_functions(missing),
    }
    for name, builtin in BUILTINS.items():
        if builtin.call is not None:
            filters[f"go.{name}"] = builtin.call
            filters[f"go.{name}|"] = _piped(builtin.call)
    for name, function in FUNCTIONS.items():
        call = _library(function)
        if name in QUICK:
            call = QUICK[name](call)
        filters[f"fn.{name}"] = call
        filters[f"fn.{name}|"] = _piped(call)
    return filters


# Jinja's filters that cannot grow what they are given.
_JINJAS = [
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "string",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
]
_OURS: dict[str, Callable[..., Any]] = {
    "join": jinjavalues.join,
    "replace": jinjavalues.replace,
    "items": lambda value, run: jinjavalues.method(value, run, "items"),
    "tojson": lambda value, run: jinjavalues.tojson(value),
}
JINJA_FILTERS = frozenset([*_JINJAS, *_OURS])
"""Filters of the Jinja dialect that are Jinja's own; they win over functions of the same name."""

JINJA_TESTS = frozenset(TESTS) - {"callable", "escaped", "filter", "test", "sameas"}
"""Tests of the Jinja dialect."""


def _jinja_filters() -> dict[str, Callable[..., Any]]:
    """The Jinja dialect's own filters: with the run first, and again for use by name."""
    filters: dict[str, Callable[..., Any]] = {}
    for name in _JINJAS:
        function = jinjavalues.paid(_with_context(FILTERS[name]))
        filters[f"jinja.{name}"] = pass_context(function)
        filters[f"by-name.{name}"] = pass_context(_by_name(function))
    for name, function in _OURS.items():
        filters[f"jinja.{name}"] = function
        filters[f"by-name.{name}"] = pass_context(_by_name(_without_run(function)))
    return filters | {
        "go.text": jinjavalues.text,
        "go.inside_string": jinjavalues.string,
        "go.json_value": jinjavalues.value_,
        "go.json_key": jinjavalues.key,
        "jinja.captured": jinjavalues.captured,
        "jinja.each": jinjavalues.each,
        "jinja.argument": jinjavalues.argument,
        "jinja.method": jinjavalues.method,
        "jinja.range": jinjavalues.range_,
        "jinja.add": jinjavalues.add,
        "jinja.multiply": jinjavalues.multiply,
        "jinja.power": jinjavalues.power,
        "jinja.remainder": jinjavalues.remainder,
        "jinja.weighed": jinjavalues.weighed,
        "jinja.concat": jinjavalues.concat,
        "jinja.charge": lambda run, steps: run.charge(steps),
    }


_FIRST: dict[str, Callable[[Any], Any]] = {
    "context": lambda context: context,
    "eval_context": lambda context: context.eval_ctx,
    "environment": lambda context: context.environment,
}


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja that takes the context first, whatever it wants first itself."""
    wanted = getattr(function, "jinja_pass_arg", None)
    if wanted is None:
        return lambda _, value, *args, **kwargs: function(value, *args, **kwargs)
    pick = _FIRST[wanted.name]
    return lambda context, value, *args, **kwargs: function(pick(context), value, *args, **kwargs)


def _without_run(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, value, run, *args, **kwargs: function(value, run, *args, **kwargs)


def _by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda context, value, *args, **kwargs: function(
        context, value, context.parent["__run"], *args, **kwargs
    )


_UNDEFINED: dict[str, type[Undefined]] = {
    "error": StrictUndefined,
    "default": Undefined,
    "zero": ChainableUndefined,
}


@lru_cache(maxsize=8)
def environment(dialect: str, missing: str) -> Environment:
    """The environment of a dialect and a way of treating missing keys."""
    made = Environment(
        autoescape=False,
        optimized=False,
        cache_size=0,
        undefined=_UNDEFINED[missing],
        extensions=["jinja2.ext.loopcontrols"],
    )
    for table in (made.filters, made.tests, made.globals):
        table.clear()
    made.filters.update(_filters(missing))
    if dialect == "jinja":
        made.filters.update(_jinja_filters())
        made.tests.update({name: TESTS[name] for name in JINJA_TESTS})
        made.globals["namespace"] = Namespace
    return made
