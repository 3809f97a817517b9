"""Lists: taking parts, building, sorting, looking for items, splitting and joining text.

Rules: no list is ever changed, a new one is built; items are equal only if their types are equal
too (1, 1.0 and "1" are three different items), as in Go; an empty result is an empty list.

This module does not know maps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from subscriber.model.event import Json
from subscriber.template.functions.arguments import (
    sequence,
    shown,
    shown_items,
    text,
    weight,
    whole,
)
from subscriber.template.functions.registry import FunctionError, Run, function


@function(
    "list",
    signature="list value...",
    doc="A list of the values.",
    category="lists",
    examples=[('{{list "a" 1 true | toJson}}', None, '["a",1,true]')],
)
def make_list(*values: Json) -> list[Json]:
    """A new list."""
    return list(values)


@function(
    "first",
    signature="first list",
    doc="The first item; nothing if the list is empty.",
    category="lists",
    examples=[("{{first .items}}", {"items": ["a", "b", "c"]}, "a")],
)
def first(values: Json) -> Json:
    """Index 0, forgiving."""
    items = sequence(values)
    return items[0] if items else None


@function(
    "last",
    signature="last list",
    doc="The last item; nothing if the list is empty.",
    category="lists",
    examples=[
        ("{{last .items}}", {"items": ["a", "b", "c"]}, "c"),
        ('{{splitList "/" .image | last}}', {"image": "ghcr.io/shop/carts:1.2"}, "carts:1.2"),
    ],
)
def last(values: Json) -> Json:
    """Index -1, forgiving."""
    items = sequence(values)
    return items[-1] if items else None


@function(
    "rest",
    signature="rest list",
    doc="All items but the first.",
    category="lists",
    examples=[("{{rest .items | toJson}}", {"items": ["a", "b", "c"]}, '["b","c"]')],
)
def rest(values: Json) -> list[Json]:
    """Without the first."""
    return sequence(values)[1:]


@function(
    "initial",
    signature="initial list",
    doc="All items but the last.",
    category="lists",
    examples=[("{{initial .items | toJson}}", {"items": ["a", "b", "c"]}, '["a","b"]')],
)
def initial(values: Json) -> list[Json]:
    """Without the last."""
    return sequence(values)[:-1]


@function(
    "append",
    signature="append list value...",
    doc="The list with the values added at its end.",
    category="lists",
    examples=[('{{append .items "c" | toJson}}', {"items": ["a", "b"]}, '["a","b","c"]')],
)
def append(values: Json, *added: Json) -> list[Json]:
    """A new list; sprig takes one value, Alertmanager any number."""
    return [*sequence(values, "the list"), *added]


@function(
    "prepend",
    signature="prepend list value",
    doc="The list with one more item before its first.",
    category="lists",
    examples=[('{{prepend .items "c" | toJson}}', {"items": ["a", "b"]}, '["c","a","b"]')],
)
def prepend(values: Json, value: Json) -> list[Json]:
    """A new list."""
    return [value, *sequence(values, "the list")]


@function(
    "concat",
    signature="concat list...",
    doc="One list of all items of the lists.",
    category="lists",
    examples=[("{{concat .a .b | toJson}}", {"a": [1], "b": [2, 3]}, "[1,2,3]")],
)
def concat(*lists: Json) -> list[Json]:
    """A new list."""
    return [item for values in lists for item in sequence(values, "each value")]


@function(
    "reverse",
    signature="reverse list",
    doc="The items in the opposite order.",
    category="lists",
    examples=[("{{reverse .items | toJson}}", {"items": [1, 2, 3]}, "[3,2,1]")],
)
def reverse(values: Json) -> Json:
    """A new list."""
    return sequence(values)[::-1]


@function(
    "uniq",
    signature="uniq list",
    doc="The items without repetitions, in the order in which they first appear.",
    category="lists",
    examples=[("{{uniq .items | toJson}}", {"items": ["b", "a", "b"]}, '["b","a"]')],
    run=True,
)
def uniq(run: Run, values: Json) -> list[Json]:
    """Maps and lists are compared by content."""
    run.charge(weight(values))
    found: dict[Hashable, Json] = {}
    for item in sequence(values):
        found.setdefault(identity(item), item)
    return list(found.values())


@function(
    "without",
    signature="without list value...",
    doc="The items that are none of the values.",
    category="lists",
    examples=[('{{without .items "a" | toJson}}', {"items": ["a", "b", "a"]}, '["b"]')],
    run=True,
)
def without(run: Run, values: Json, *omitted: Json) -> list[Json]:
    """A new list."""
    run.charge(weight(values) + weight(list(omitted)))
    unwanted = set(map(identity, omitted))
    return [item for item in sequence(values, "the list") if identity(item) not in unwanted]


@function(
    "compact",
    signature="compact list",
    doc="The items that are not empty.",
    category="lists",
    examples=[("{{compact .items | toJson}}", {"items": ["a", "", None, 0, "b"]}, '["a","b"]')],
)
def compact(values: Json) -> list[Json]:
    """A new list."""
    return [item for item in sequence(values) if item]


@function(
    "has",
    signature="has value list",
    doc="Whether the value is an item of the list.",
    category="lists",
    examples=[
        ('{{has "prod" .stages}}', {"stages": ["dev", "prod"]}, "true"),
        ('{{.stages | has "qa"}}', {"stages": ["dev", "prod"]}, "false"),
    ],
    run=True,
)
def has(run: Run, value: Json, values: Json) -> bool:
    """Nothing has no items."""
    if values is None:
        return False
    run.charge(weight(value) + weight(values))
    wanted = identity(value)
    return any(identity(item) == wanted for item in sequence(values, "the list"))


@function(
    "sortAlpha",
    signature="sortAlpha list",
    doc="The items as text, sorted.",
    category="lists",
    examples=[
        ("{{sortAlpha .items | toJson}}", {"items": ["b", "a", 10, 9]}, '["10","9","a","b"]')
    ],
    run=True,
)
def sort_alpha(run: Run, values: Json) -> list[Json]:
    """Anything that is not a list becomes a list of one text."""
    if isinstance(values, list):
        return list[Json](sorted(shown_items(run, values)))
    return [shown(values)]


@function(
    "toStrings",
    signature="toStrings list",
    doc="The items as text, leaving out nothings.",
    category="lists",
    examples=[("{{toStrings .items | toJson}}", {"items": [1, None, True]}, '["1","true"]')],
    run=True,
)
def to_strings(run: Run, values: Json) -> list[Json]:
    """Anything that is not a list becomes a list of one text."""
    return list[Json](shown_items(run, values))


@function(
    "join",
    signature="join separator list",
    doc="The items as text with the separator between them, leaving out nothings.",
    category="lists",
    examples=[
        ('{{join ", " .failed}}', {"failed": ["latency", "errors"]}, "latency, errors"),
        ('{{.codes | join "/"}}', {"codes": [404, None, 503]}, "404/503"),
    ],
    run=True,
)
def join(run: Run, separator: Json, values: Json) -> str:
    """The same order of arguments in sprig and in Alertmanager."""
    between = text(separator, "the separator")
    items = shown_items(run, values)
    run.charge_text(sum(map(len, items)) + len(between) * len(items))
    return between.join(items)


@function(
    "splitList",
    signature="splitList separator text",
    doc="The parts of the text between separators, as a list.",
    category="lists",
    examples=[('{{splitList "/" .path | toJson}}', {"path": "a/b/c"}, '["a","b","c"]')],
)
def split_list(separator: Json, value: Json) -> list[Json]:
    """An empty separator splits into characters."""
    return list[Json](_split(text(value), text(separator, "the separator"), -1))


@function(
    "split",
    signature="split separator text",
    doc="The parts of the text between separators, as a map with the keys `_0`, `_1`, ...",
    category="lists",
    examples=[('{{(split ":" .image)._1}}', {"image": "carts:1.2"}, "1.2")],
)
def split(separator: Json, value: Json) -> Json:
    """Parts that a template can name without index."""
    return _numbered(_split(text(value), text(separator, "the separator"), -1))


@function(
    "splitn",
    signature="splitn separator count text",
    doc="Like `split`, into `count` parts at most.",
    category="lists",
    examples=[('{{(splitn "/" 2 .path)._1}}', {"path": "shop/carts/1"}, "carts/1")],
)
def splitn(separator: Json, count: Json, value: Json) -> Json:
    """The last part holds the rest; a count of 0 gives no part, a negative one all."""
    most = whole(count, "the count")
    return _numbered(_split(text(value), text(separator, "the separator"), most))


@function(
    "chunk",
    signature="chunk size list",
    doc="The items in lists of `size` items each; the last may be shorter.",
    category="lists",
    examples=[("{{chunk 2 .items | toJson}}", {"items": [1, 2, 3]}, "[[1,2],[3]]")],
)
def chunk(size: Json, values: Json) -> Json:
    """A new list of lists."""
    step, items = whole(size, "the size"), sequence(values, "the list")
    if step < 1:
        raise FunctionError(f"the size must be at least 1, it is {step}")
    return [items[begin : begin + step] for begin in range(0, len(items), step)]


@function(
    "stringSlice",
    signature="stringSlice text...",
    doc="A list of the texts, for `join`.",
    category="alertmanager",
    examples=[('{{stringSlice .a .b | join "-"}}', {"a": "carts", "b": "prod"}, "carts-prod")],
)
def string_slice(*values: Json) -> Json:
    """Like list, for texts only."""
    return [text(value, "each value") for value in values]


def identity(value: Json) -> Hashable:
    """Something that is equal for two values exactly if Go's reflect.DeepEqual says so.

    Whole numbers and floats differ, true differs from 1; lists and maps are compared by content.
    """
    if isinstance(value, list):
        return (list, *map(identity, value))
    if isinstance(value, dict):
        return (dict, frozenset((key, identity(item)) for key, item in value.items()))
    if isinstance(value, str):
        return str(value)
    return (type(value), value)


def _split(value: str, separator: str, most: int) -> list[str]:
    if most == 0:
        return []
    if not separator:
        parts = list(value)
        whole_parts = len(parts) <= most or most < 0
        return parts if whole_parts else [*parts[: most - 1], "".join(parts[most - 1 :])]
    return value.split(separator, most - 1 if most > 0 else -1)


def _numbered(parts: Iterable[str]) -> dict[str, Json]:
    return {f"_{number}": part for number, part in enumerate(parts)}
