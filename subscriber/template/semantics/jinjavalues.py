"""What the Jinja dialect does with values: look-up, loops, printing, arithmetic that can grow.

Rules: a dot or a bracket reaches the key of a map or the index of a list, and nothing of Python;
what is printed or handed to a function is a JSON value. Otherwise Jinja's own meaning holds: None
prints as ``None``, an undefined value prints nothing or is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from types import GeneratorType
from typing import Any

from jinja2 import Environment as JinjaEnvironment
from jinja2.runtime import LoopContext, Undefined
from jinja2.utils import Namespace

from subscriber.template.semantics.encode import inside_string, json_string, json_value
from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.values import Encoded, Fault, type_name

_LOOP = frozenset(
    [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    ]
)
_LARGEST_BITS = 4096
_CHARACTERS_PER_STEP = 16
_COMPARED_PER_STEP = 1024
_ITEMS_PER_STEP = 2


def item(environment: JinjaEnvironment, value: Any, key: Any) -> Any:
    """``value.key`` and ``value[key]``: a map's key, a list's or text's index."""
    if isinstance(value, dict):
        if isinstance(key, str) and key in value:
            return value[key]
    elif isinstance(value, list | tuple | str):
        if isinstance(key, int) and not isinstance(key, bool) and -len(value) <= key < len(value):
            return value[key]
    elif isinstance(value, LoopContext):
        if key in _LOOP:
            return getattr(value, key)
    elif isinstance(value, Namespace):
        if isinstance(key, str) and not key.startswith("_"):
            try:
                return getattr(value, key)
            except AttributeError:
                pass
    elif isinstance(value, Undefined):
        # Undefined objects decide themselves: an error, or (chainable) undefined again.
        return value.__getattr__(str(key)) if not str(key).startswith("__") else value
    return environment.undefined(obj=value, name=key)


def argument(value: Any) -> Any:
    """A JSON value for a function or the printer; undefined is None, or an error when strict."""
    if value is None or isinstance(value, str | int | float | list | dict):
        return value
    if isinstance(value, Undefined):
        str(value)  # raises when undefined values are errors
        return None
    if isinstance(value, tuple | range | GeneratorType):
        return list(value)
    raise Fault(f"this is no value but a {type(value).__name__}")


def text(value: Any) -> str:
    """A value printed as Jinja prints it."""
    if type(value) is str:
        return value
    if isinstance(value, Undefined):
        return str(value)
    return str(argument(value))


def captured(value: Any, run: Run) -> str:
    """A value printed inside a macro or a set block, which can be printed again and again."""
    printed = text(value)
    run.charge_text(len(printed))
    run.steps -= 1
    return printed


def string(value: Any) -> str:
    """A value printed inside a JSON string."""
    return inside_string(text(value))


def value_(value: Any) -> str:
    """A value as JSON."""
    return json_value(argument(value))


def key(value: Any) -> str:
    """A value as the key of a JSON object."""
    return json_string(text(value))


def tojson(value: Any) -> Encoded:
    """The filter ``tojson``: JSON text that is not escaped again."""
    encoded = value_(value)
    return Encoded(encoded, encoded)


def each(value: Any, run: Run, weight: int) -> Any:
    """What a for loop goes through."""
    if isinstance(value, Undefined):
        return list(value)  # nothing, or an error
    if isinstance(value, dict):
        return run.loop(list(value), weight)
    if isinstance(value, str | tuple | GeneratorType):
        value = list(value)
    if not isinstance(value, list | range):
        raise Fault(f"a loop cannot go through a {type_name(value)}", hint="it takes lists")
    return run.loop(value, weight)


def range_(run: Run, *bounds: Any) -> range:
    """The function ``range``."""
    if not 1 <= len(bounds) <= 3 or not all(isinstance(bound, int) for bound in bounds):
        raise Fault("range takes one to three whole numbers")
    try:
        made = range(*bounds)
        run.charge(len(made) // _CHARACTERS_PER_STEP)
    except (ValueError, OverflowError) as error:
        raise Fault(f"range: {error}") from None
    return made


def method(value: Any, run: Run, name: str, *arguments: Any) -> Any:
    """``value.items()`` and its like, for maps."""
    if not isinstance(value, dict):
        raise Fault(f"only a map has {name}(), this is a {type_name(argument(value))}")
    run.charge(len(value) // 4)
    return _METHODS[name](value, *arguments)


_METHODS: dict[str, Callable[..., Any]] = {
    "items": lambda value: [[key, item] for key, item in value.items()],
    "keys": list,
    "values": lambda value: list(value.values()),
    "get": lambda value, key, default=None: value.get(key, default),
}
METHODS = frozenset(_METHODS)


def _size(value: Any) -> int:
    if isinstance(value, str | list | tuple | dict):
        return len(value)
    return value.bit_length() if isinstance(value, int) else 1


def weighed(value: Any, run: Run) -> Any:
    """A value about to be compared, searched or cut: paid for when it is large."""
    if isinstance(value, list | dict):
        run.charge(run.measure(value) // _CHARACTERS_PER_STEP)
    elif isinstance(value, str):
        run.charge(len(value) // _COMPARED_PER_STEP)
    return value


def add(left: Any, right: Any, run: Run) -> Any:
    """``left + right``."""
    if not isinstance(left, int | float):
        run.charge_text(_size(left) + _size(right))
    return left + right


def multiply(left: Any, right: Any, run: Run) -> Any:
    """``left * right``, of numbers only, or a text and a number."""
    if isinstance(left, int) and isinstance(right, int):
        if _size(left) + _size(right) > _LARGEST_BITS:
            raise Fault("the number is too large")
    elif isinstance(left, str) and isinstance(right, int):
        run.charge_text(len(left) * max(right, 0))
    elif isinstance(right, str) and isinstance(left, int):
        run.charge_text(len(right) * max(left, 0))
    elif not (isinstance(left, int | float) and isinstance(right, int | float)):
        raise Fault(f"{_name(left)} and {_name(right)} cannot be multiplied")
    return left * right


def power(left: Any, right: Any, run: Run) -> Any:
    """``left ** right``."""
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        raise Fault(f"{_name(left)} has no power {_name(right)}")
    if isinstance(left, int) and _size(left) * abs(right) > _LARGEST_BITS:
        raise Fault("the number is too large")
    return left**right


def remainder(left: Any, right: Any, run: Run) -> Any:
    """``left % right``; text is formatted with printf instead."""
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        raise Fault("% takes numbers", hint="text is formatted with printf")
    return left % right


def concat(run: Run, *pieces: Any) -> str:
    """``left ~ right``."""
    texts = [text(piece) for piece in pieces]
    run.charge_text(sum(map(len, texts)))
    return "".join(texts)


def join(value: Any, run: Run, separator: Any = "", attribute: Any = None) -> str:
    """The filter ``join``."""
    items = argument(value)
    if not isinstance(items, list | str):
        raise Fault(f"join takes a list, not {_name(items)}")
    if attribute is not None:
        items = [entry.get(attribute) if isinstance(entry, dict) else None for entry in items]
    texts = [text(entry) for entry in items]
    between = text(separator)
    run.charge_text(sum(map(len, texts)) + len(between) * len(texts))
    run.charge(len(texts) // 4)
    return between.join(texts)


def replace(value: Any, run: Run, old: Any, new: Any, count: Any = None) -> str:
    """The filter ``replace``."""
    source, before, after = text(value), text(old), text(new)
    limit = count if isinstance(count, int) else -1
    found = source.count(before)
    run.charge_text(len(source) + (found if limit < 0 else min(limit, found)) * len(after))
    return source.replace(before, after, limit)


def _name(value: Any) -> str:
    return type_name(argument(value))


def paid(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja that pays for the size of what it takes and gives."""

    def call(context: Any, value: Any, run: Run, *arguments: Any, **options: Any) -> Any:
        per_step = _CHARACTERS_PER_STEP if isinstance(value, str) else _ITEMS_PER_STEP
        run.charge(3 + _size(value) // per_step)
        result = function(context, value, *arguments, **options)
        if isinstance(result, GeneratorType):
            result = list(result)
        if isinstance(result, str):
            run.charge_text(len(result))
        elif isinstance(result, list | dict):
            run.charge_value(result)
        return result

    return call
