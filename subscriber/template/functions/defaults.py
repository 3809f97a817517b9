"""Defaults and choices: what to write when a value is missing or empty.

Rule: *empty* means nothing (null or missing), false, 0, "" and a list or map without items.

This module does not know where values come from.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions.arguments import truth_value
from subscriber.template.functions.registry import function


@function(
    "default",
    signature="default fallback value",
    doc="The value, or the fallback when the value is empty (0 and false are empty too).",
    category="defaults",
    examples=[
        ('{{.stage | default "unknown"}}', {"stage": "production"}, "production"),
        ('{{.stage | default "unknown"}}', {}, "unknown"),
        ('{{.score | default "none"}}', {"score": 0}, "none"),
    ],
)
def default(fallback: Json, *value: Json) -> Json:
    """The first value given, if it is not empty."""
    return value[0] if value and value[0] else fallback


@function(
    "empty",
    signature="empty value",
    doc='Whether the value is missing, null, false, 0, "", or a list or map without items.',
    category="defaults",
    examples=[
        ("{{empty .labels}}", {"labels": {}}, "true"),
        ("{{if not (empty .message)}}said: {{.message}}{{end}}", {"message": "oh"}, "said: oh"),
    ],
)
def empty(value: Json) -> bool:
    """Python's own idea of falsehood is the same for JSON values."""
    return not value


@function(
    "coalesce",
    signature="coalesce value...",
    doc="The first value that is not empty; nothing when all are.",
    category="defaults",
    examples=[
        ('{{coalesce .title .name "untitled"}}', {"name": "carts"}, "carts"),
        ('{{coalesce .title .name "untitled"}}', {}, "untitled"),
    ],
)
def coalesce(*values: Json) -> Json:
    """The first value that counts."""
    return next((value for value in values if value), None)


@function(
    "ternary",
    signature="ternary ifTrue ifFalse condition",
    doc="One of two values; the condition must be true or false and may be piped in.",
    category="defaults",
    examples=[
        ('{{eq .result "fail" | ternary "critical" "info"}}', {"result": "fail"}, "critical"),
        ('{{ternary "critical" "info" (eq .result "fail")}}', {"result": "pass"}, "info"),
    ],
)
def ternary(if_true: Json, if_false: Json, condition: Json) -> Json:
    """Both values are evaluated by the template; one is returned."""
    return if_true if truth_value(condition, "the condition") else if_false


@function(
    "all",
    signature="all value...",
    doc="Whether none of the values is empty.",
    category="defaults",
    examples=[("{{all .service .stage}}", {"service": "carts", "stage": ""}, "false")],
)
def every(*values: Json) -> bool:
    """True without values."""
    return all(values)


@function(
    "any",
    signature="any value...",
    doc="Whether at least one of the values is not empty.",
    category="defaults",
    examples=[("{{any .service .stage}}", {"service": "carts", "stage": ""}, "true")],
)
def some(*values: Json) -> bool:
    """False without values."""
    return any(values)
