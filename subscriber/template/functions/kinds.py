"""What kind of value something is, for templates over data of which little is known.

Rule: the names are Go's kinds. Whole numbers are always ``int`` (sprig's own functions return
``int64``), other numbers ``float64``, nothing is ``invalid``.

This module does not convert anything.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions.arguments import text
from subscriber.template.functions.registry import function

KINDS: dict[str, type] = {
    "bool": bool,
    "int": int,
    "float64": float,
    "string": str,
    "slice": list,
    "map": dict,
    "invalid": type(None),
}
"""What values of a kind are made of; beware that Python's bool is an int."""

_NAMES = {kind: name for name, kind in KINDS.items()}


@function(
    "kindOf",
    signature="kindOf value",
    doc="`string`, `int`, `float64`, `bool`, `slice` (a list), `map` or `invalid` (nothing).",
    category="kinds",
    examples=[("{{kindOf .labels}} {{kindOf .missing}}", {"labels": {}}, "map invalid")],
)
def kind_of_value(value: Json) -> str:
    """Go's reflect.Kind."""
    return _kind(value)


@function(
    "kindIs",
    signature="kindIs kind value",
    doc="Whether the value is of this kind (see `kindOf`).",
    category="kinds",
    examples=[
        ('{{if kindIs "slice" .x}}{{join "," .x}}{{else}}{{.x}}{{end}}', {"x": ["a", "b"]}, "a,b")
    ],
)
def kind_is(kind: Json, value: Json) -> bool:
    """Kind first, as in sprig."""
    return _kind(value) == text(kind, "the kind")


def _kind(value: Json) -> str:
    name = _NAMES.get(type(value))
    if name is None:  # a subclass, as Encoded is of str
        name = next(_NAMES[base] for base in type(value).__mro__ if base in _NAMES)
    return name
