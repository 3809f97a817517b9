"""Go's builtin functions by name, with their numbers of arguments.

Rules: `and`, `or` and `not` are compiled to Python's own and only listed here for their arity;
every other one is called with the node's offset and the Run first. Arguments are JSON values; nil
is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from subscriber.template.semantics import compare, index, quote
from subscriber.template.semantics.encode import json_number, json_string
from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.printf import sprintf
from subscriber.template.semantics.show import sprint, sprint_action, sprintln
from subscriber.template.semantics.values import MAX_OUTPUT, Encoded, Fault, too_long, type_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """One builtin: how many arguments it takes, what its result always is ("" when it varies)."""

    least: int
    most: int | None
    result: str
    call: Callable[..., Any] | None


_CHARACTERS_PER_STEP = 4
_CHEAP = 64  # shorter texts are paid for by the loop around them


def paid(run: Run, text: str) -> str:
    """A text just made: bounded, and paid for by what making it costs at worst."""
    length = len(text)
    if length > _CHEAP:
        if length > MAX_OUTPUT:
            raise too_long()
        run.charge(length // _CHARACTERS_PER_STEP)
    return text


def _printf(offset: int, run: Run, template: object, *arguments: object) -> str:
    if not isinstance(template, str):
        raise Fault(f"printf needs its format as text, not {type_name(template)}", offset)
    text = paid(run, sprintf(template, arguments))
    # One verb alone keeps its meaning in a JSON template: %q is a string, %.2f a number.
    if len(arguments) == 1 and template[:1] == "%":
        if template == "%q" and isinstance(arguments[0], str):
            return Encoded(text, json_string(arguments[0]))
        if template[-1] in "dfeg" and json_number(text):
            return Encoded(text, text)
    return text


def _print(_: int, run: Run, *values: object) -> str:
    return paid(run, sprint(values))


def _println(_: int, run: Run, *values: object) -> str:
    return paid(run, sprintln(values))


def _escaper(escape: Callable[[str], str]) -> Callable[..., str]:
    def escaped(_: int, run: Run, *values: object) -> str:
        return paid(run, escape(paid(run, sprint_action(values))))

    return escaped


def _call(offset: int, run: Run, function: object, *_: object) -> Any:
    raise Fault(f"call needs a function, not {type_name(function)}", offset, "data has none")


BUILTINS: dict[str, Builtin] = {
    "and": Builtin(least=1, most=None, result="", call=None),
    "or": Builtin(least=1, most=None, result="", call=None),
    "not": Builtin(least=1, most=1, result="bool", call=None),
    "call": Builtin(least=1, most=None, result="", call=_call),
    "eq": Builtin(least=1, most=None, result="bool", call=compare.eq),
    "ne": Builtin(least=2, most=2, result="bool", call=compare.ne),
    "lt": Builtin(least=2, most=2, result="bool", call=compare.lt),
    "le": Builtin(least=2, most=2, result="bool", call=compare.le),
    "gt": Builtin(least=2, most=2, result="bool", call=compare.gt),
    "ge": Builtin(least=2, most=2, result="bool", call=compare.ge),
    "html": Builtin(
        least=0,
        most=None,
        result="str",
        call=_escaper(quote.html),
    ),
    "index": Builtin(least=1, most=None, result="", call=index.index),
    "js": Builtin(
        least=0,
        most=None,
        result="str",
        call=_escaper(quote.js),
    ),
    "len": Builtin(least=1, most=1, result="int", call=index.length),
    "print": Builtin(least=0, most=None, result="str", call=_print),
    "printf": Builtin(least=1, most=None, result="str", call=_printf),
    "println": Builtin(least=0, most=None, result="str", call=_println),
    "slice": Builtin(least=1, most=None, result="", call=index.slice_),
    "urlquery": Builtin(
        least=0,
        most=None,
        result="str",
        call=_escaper(quote.urlquery),
    ),
}
