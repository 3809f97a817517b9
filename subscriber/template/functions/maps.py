"""Maps: building, looking up, choosing keys, merging.

Rules: no map is ever changed, a new one is built (so sprig's `set`, `unset` and `deepCopy` have no
place here); keys come out sorted, where the original's order changes from run to run; nothing (null
or missing) is a map without keys.

This module does not know lists.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions.arguments import mapping, shown, text
from subscriber.template.functions.registry import FunctionError, function, kind_of


@function(
    "dict",
    signature="dict key value...",
    doc="A map of the keys and values given in turn.",
    category="maps",
    examples=[('{{dict "stage" .stage "n" 1 | toJson}}', {"stage": "qa"}, '{"n":1,"stage":"qa"}')],
)
def make_dict(*pairs: Json) -> dict[str, Json]:
    """A key without a value gets empty text; keys of other types become text."""
    padded = (*pairs, "")
    return {shown(padded[at]): padded[at + 1] for at in range(0, len(pairs), 2)}


@function(
    "get",
    signature="get map key",
    doc="The value of the key; empty text if the map does not have it.",
    category="maps",
    examples=[
        ('{{get .labels "app.io/name"}}', {"labels": {"app.io/name": "carts"}}, "carts"),
    ],
)
def get(values: Json, key: Json) -> Json:
    """For keys that a dot cannot reach."""
    return mapping(values, "the map").get(text(key, "the key"), "")


@function(
    "hasKey",
    signature="hasKey map key",
    doc="Whether the map has the key, be its value empty or not.",
    category="maps",
    examples=[('{{hasKey .labels "team"}}', {"labels": {"team": None}}, "true")],
)
def has_key(values: Json, key: Json) -> bool:
    """Null counts as a value."""
    return text(key, "the key") in mapping(values, "the map")


@function(
    "keys",
    signature="keys map...",
    doc="The keys of the maps, map after map, each map's keys sorted.",
    category="maps",
    examples=[('{{keys .labels | join ","}}', {"labels": {"b": 1, "a": 2}}, "a,b")],
)
def keys(*maps: Json) -> list[Json]:
    """Sprig leaves the order open."""
    return [key for values in maps for key in sorted(mapping(values, "each value"))]


@function(
    "values",
    signature="values map",
    doc="The values of the map in the order of its sorted keys.",
    category="maps",
    examples=[('{{values .labels | join ","}}', {"labels": {"b": 1, "a": 2}}, "2,1")],
)
def values(of: Json) -> list[Json]:
    """Sprig leaves the order open."""
    found = mapping(of, "the map")
    return [found[key] for key in sorted(found)]


@function(
    "pluck",
    signature="pluck key map...",
    doc="The values that the maps have for the key, as a list.",
    category="maps",
    examples=[('{{pluck "n" .a .b | toJson}}', {"a": {"n": 1}, "b": {"x": 2}}, "[1]")],
)
def pluck(key: Json, *maps: Json) -> Json:
    """Maps without the key are skipped."""
    wanted = text(key, "the key")
    found = [mapping(values, "each map") for values in maps]
    return [values[wanted] for values in found if wanted in values]


@function(
    "pick",
    signature="pick map key...",
    doc="The map with only these keys.",
    category="maps",
    examples=[('{{pick .labels "a" "x" | toJson}}', {"labels": {"a": 1, "b": 2}}, '{"a":1}')],
)
def pick(values: Json, *wanted: Json) -> Json:
    """A new map."""
    found, names = mapping(values, "the map"), [text(key, "each key") for key in wanted]
    return {key: found[key] for key in names if key in found}


@function(
    "omit",
    signature="omit map key...",
    doc="The map without these keys.",
    category="maps",
    examples=[('{{omit .labels "a" | toJson}}', {"labels": {"a": 1, "b": 2}}, '{"b":2}')],
)
def omit(values: Json, *unwanted: Json) -> Json:
    """A new map."""
    names = {text(key, "each key") for key in unwanted}
    return {key: value for key, value in mapping(values, "the map").items() if key not in names}


@function(
    "dig",
    signature="dig key... fallback map",
    doc="The value found by following the keys from map to map, or the fallback.",
    category="maps",
    examples=[
        ('{{dig "spec" "team" "nobody" .}}', {"spec": {"team": "carts"}}, "carts"),
        ('{{dig "spec" "team" "nobody" .}}', {"spec": None}, "nobody"),
    ],
)
def dig(key: Json, second: Json, third: Json, *more: Json) -> Json:
    """A null on the way counts as missing; another value on the way that is no map is an error."""
    given: list[Json] = [key, second, third, *more]
    names, fallback, values = given[:-2], given[-2], given[-1]
    if not isinstance(values, dict):
        raise FunctionError(f"the last argument must be a map, not {kind_of(values)}")
    path = [text(name, "each key") for name in names]
    found: Json = values
    for depth, name in enumerate(path):
        if not isinstance(found, dict):
            if found is None:
                return fallback
            raise FunctionError(f"{'.'.join(path[:depth])} must be a map, not {kind_of(found)}")
        if name not in found:
            return fallback
        found = found[name]
    return found


@function(
    "merge",
    signature="merge map other...",
    doc="The map with the keys of the others added, at every depth; what it has already stays.",
    category="maps",
    examples=[
        ("{{merge .a .b | toJson}}", {"a": {"x": 1}, "b": {"x": 2, "y": 3}}, '{"x":1,"y":3}'),
    ],
)
def merge(values: Json, *others: Json) -> Json:
    """Empty values count as missing; sprig changes its first argument, here a new map is made."""
    return _merged(values, others, overwrite=False)


@function(
    "mergeOverwrite",
    signature="mergeOverwrite map other...",
    doc="Like `merge`, but the later map wins.",
    category="maps",
    examples=[
        ("{{mergeOverwrite .a .b | toJson}}", {"a": {"x": 1}, "b": {"x": 2}}, '{"x":2}'),
    ],
)
def merge_overwrite(values: Json, *others: Json) -> Json:
    """A new map."""
    return _merged(values, others, overwrite=True)


def _merged(values: Json, others: tuple[Json, ...], *, overwrite: bool) -> Json:
    merged = mapping(values, "the map")
    for other in others:
        merged = _merge(merged, mapping(other, "each map"), overwrite=overwrite)
    return merged


def _merge(into: dict[str, Json], other: dict[str, Json], *, overwrite: bool) -> dict[str, Json]:
    merged = dict(into)
    for key, value in other.items():
        present = merged.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            merged[key] = _merge(present, value, overwrite=overwrite)
        elif overwrite or (not present and value is not None):
            merged[key] = value
    return merged
