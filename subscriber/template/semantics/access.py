"""Fields of maps (``.data.result``) and the elements a range goes through.

Rules: only keys of maps are fields; a missing key is an error, MISSING or None as the template's
`missing` says; a field of nil is an error, a field of MISSING is MISSING (or an error). The
one-line functions at the end are the hot path: they try, and only explain when that fails.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from subscriber.model.problem import excerpt
from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.show import sorted_keys
from subscriber.template.semantics.values import MISSING, Fault, Uint8, type_name

_LISTED_KEYS = 8
_CANNOT = (KeyError, TypeError, IndexError)
Walk = Callable[[Any, int, tuple[str, ...]], Any]


def _no_key(value: dict[str, object], offset: int, names: tuple[str, ...], index: int) -> Fault:
    parent = "".join(f".{name}" for name in names[:index]) or "the event"
    near = get_close_matches(names[index], value, 1)
    if near:
        hint = f"did you mean {near[0]}?"
    else:
        keys = sorted(value)
        listed = ", ".join(excerpt(key, 40).strip("'") for key in keys[:_LISTED_KEYS])
        more = ", ..." if len(keys) > _LISTED_KEYS else ""
        hint = f"it has {listed}{more}" if keys else "it is empty"
    return Fault(f'there is no key "{names[index]}" in {parent}', offset, hint)


def walker(missing: str) -> Walk:
    """The careful look-up for one way of treating missing keys (error, default or zero)."""

    def walk(value: Any, offset: int, names: tuple[str, ...]) -> Any:
        for index, name in enumerate(names):
            if isinstance(value, dict):
                if name in value:
                    value = value[name]
                elif missing == "error":
                    raise _no_key(value, offset, names, index)
                else:
                    value = MISSING if missing == "default" else None
            elif value is MISSING:
                if missing == "error":
                    raise Fault(f"{_path(names, index)} is nil: it has no {name}", offset)
                return MISSING
            elif value is None:
                raise Fault(
                    f"{_path(names, index)} is null: it has no {name}",
                    offset,
                    "guard it with {{with}} or {{if}}",
                )
            else:
                raise Fault(
                    f"{_path(names, index)} is a {type_name(value)}: it has no field {name}",
                    offset,
                )
        return value

    return walk


def _path(names: tuple[str, ...], index: int) -> str:
    return "".join(f".{name}" for name in names[:index]) or "the value"


def field_functions(missing: str) -> dict[str, Callable[..., Any]]:
    """The look-up functions of the compiled code, by filter name.

    ``path`` gives MISSING for a missing key (when it may be missing at all), ``_nil`` None: what
    an argument of a function gets. The digit is the number of names.
    """
    walk = walker(missing)

    def path1(value: Any, offset: int, a: str) -> Any:
        try:
            return value[a]
        except _CANNOT:
            return walk(value, offset, (a,))

    def path2(value: Any, offset: int, a: str, b: str) -> Any:
        try:
            return value[a][b]
        except _CANNOT:
            return walk(value, offset, (a, b))

    def path3(value: Any, offset: int, a: str, b: str, c: str) -> Any:
        try:
            return value[a][b][c]
        except _CANNOT:
            return walk(value, offset, (a, b, c))

    def path(value: Any, offset: int, *names: str) -> Any:
        return walk(value, offset, names)

    def path1_nil(value: Any, offset: int, a: str) -> Any:
        try:
            return value[a]
        except _CANNOT:
            return path_nil(value, offset, a)

    def path2_nil(value: Any, offset: int, a: str, b: str) -> Any:
        try:
            return value[a][b]
        except _CANNOT:
            return path_nil(value, offset, a, b)

    def path3_nil(value: Any, offset: int, a: str, b: str, c: str) -> Any:
        try:
            return value[a][b][c]
        except _CANNOT:
            return path_nil(value, offset, a, b, c)

    def path_nil(value: Any, offset: int, *names: str) -> Any:
        found = walk(value, offset, names)
        return None if found is MISSING else found

    def with_arguments(value: Any, offset: int, *names: str) -> Any:
        receiver = walk(value, offset, names[:-1])
        if receiver is MISSING and missing != "error":
            return MISSING
        raise Fault(f".{names[-1]} is no function and takes no arguments", offset)

    return {
        "go.path1": path1,
        "go.path2": path2,
        "go.path3": path3,
        "go.path": path,
        "go.path1_nil": path1_nil,
        "go.path2_nil": path2_nil,
        "go.path3_nil": path3_nil,
        "go.path_nil": path_nil,
        "go.path_with_arguments": with_arguments,
    }


def each(value: Any, offset: int, run: Run, weight: int) -> Any:
    """What ``{{range}}`` goes through with one variable or none; empty is false.

    A list's items, a map's values in key order, the integers below a number.
    """
    if isinstance(value, list):
        return run.loop(value, weight)
    if isinstance(value, dict):
        run.charge(len(value) // 4)
        return run.loop([value[key] for key in sorted_keys(value)], weight)
    if isinstance(value, int) and not isinstance(value, bool):
        if isinstance(value, Uint8):
            return [Uint8(number) for number in range(value)]
        return run.loop(range(min(value, 2**62)), weight)
    if value is None or value is MISSING:
        return ()
    raise Fault(f"range cannot go through a {type_name(value)}", offset, "it takes lists and maps")


def each_pair(value: Any, offset: int, run: Run, weight: int) -> Any:
    """What ``{{range $i, $x := ...}}`` goes through: pairs of index or key and element."""
    if isinstance(value, list):
        return list(enumerate(run.loop(value, weight))) if value else ()
    if isinstance(value, dict):
        run.keyed = True
        run.charge(len(value) // 4)
        return run.loop([(key, value[key]) for key in sorted_keys(value)], weight)
    if isinstance(value, int) and not isinstance(value, bool):
        raise Fault("range over a number has only one variable", offset)
    return each(value, offset, run, weight)


def elem(value: Any) -> Any:
    """A pipeline's result as Go keeps it: nil is no value any more."""
    return MISSING if value is None else value


def argument(value: Any) -> Any:
    """A function's argument: no value is nil."""
    return None if value is MISSING else value


def fault(offset: int, message: str, hint: str = "") -> Any:
    """A place that fails whenever it is reached."""
    raise Fault(message, offset, hint)
