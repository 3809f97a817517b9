"""What Alertmanager's templates have and sprig's have not, as far as it has no other place.

Rule: where both know a name (title, join, date, toDate, toJson, list, append, dict), sprig's
meaning holds; docs/functions.md says what differs.

This module does not know sprig's functions.
"""

from __future__ import annotations

import math

from subscriber.model.event import Json
from subscriber.model.problem import excerpt
from subscriber.template.functions.casts import parse_float
from subscriber.template.functions.durations import SECOND, parse_duration
from subscriber.template.functions.registry import FunctionError, function, kind_of

_SMALL_UNITS = ("", "m", "u", "n", "p", "f", "a", "z", "y")


@function(
    "humanizeDuration",
    signature="humanizeDuration seconds",
    doc="Seconds (a number, digits as text or a duration) for people: `1d 2h 3m 4s`, `250ms`.",
    category="alertmanager",
    examples=[
        ("{{humanizeDuration 93784}}", None, "1d 2h 3m 4s"),
        ("{{humanizeDuration .took}}", {"took": 0.25}, "250ms"),
    ],
)
def humanize_duration(seconds: Json) -> Json:
    """Four digits below a minute, whole seconds above."""
    size = _seconds(seconds)
    if not math.isfinite(size):
        return "NaN" if math.isnan(size) else f"{'+' if size > 0 else '-'}Inf"
    if abs(size) >= 1:
        return ("-" if size < 0 else "") + _long(abs(size))
    if size == 0:
        return f"{size:.4g}s"
    for prefix in _SMALL_UNITS:
        if abs(size) >= 1 or prefix == _SMALL_UNITS[-1]:
            break
        size *= 1000
    return f"{size:.4g}{prefix}s"


def _long(size: float) -> str:
    whole = int(size)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{hours}h {minutes}m {seconds}s"
    return f"{minutes}m {seconds}s" if minutes else f"{size:.4g}s"


def _seconds(value: Json) -> float:
    if isinstance(value, str):
        number = parse_float(value)
        if number is not None:
            return number
        nanoseconds = parse_duration(value)
        if nanoseconds is not None:
            return nanoseconds / SECOND
        raise FunctionError(f"{excerpt(value)} is not a number of seconds or a duration")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise FunctionError(f"the duration must be a number, not {kind_of(value)}")
