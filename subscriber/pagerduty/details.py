"""custom_details: any value made fit for JSON, and made smaller without losing all of it.

Rules: what cannot be said in JSON is said in words (NaN becomes the text "NaN"); what is too deep
or too large is replaced, in its place, by a sentence that says so. Entries are shed largest first,
since the small ones are the ones that a person reads at 3 a.m.

This module does not know the rest of the payload, only how many bytes it may still have.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import msgspec

from subscriber.model import Json
from subscriber.pagerduty.limits import DETAILS_DEPTH
from subscriber.pagerduty.text import scalar_text, storable

encode = msgspec.json.Encoder().encode

TOO_DEEP = "(left out: nested too deep)"
_64_BITS = 2**63


def presentable(value: object, depth: int = 0) -> Json:
    """The value as JSON that every encoder and PagerDuty can take."""
    if type(value) is str:  # what most values are, told apart without a pattern
        return storable(value)
    if type(value) is dict and depth < DETAILS_DEPTH:
        return {storable(str(k)): presentable(v, depth + 1) for k, v in value.items()}
    match value:
        case None | bool():
            return value
        case str():
            return storable(value)
        case int():
            # Larger ones lose digits in most readers; as text they stay what they are.
            return value if -_64_BITS <= value < _64_BITS else scalar_text(value)
        case float():
            return value if isfinite(value) else str(value)
        case Mapping():
            if depth >= DETAILS_DEPTH:
                return TOO_DEEP
            return {storable(str(k)): presentable(v, depth + 1) for k, v in value.items()}
        case list() | tuple():
            if depth >= DETAILS_DEPTH:
                return TOO_DEEP
            return [presentable(member, depth + 1) for member in value]
        case _:
            return storable(str(value))


def shed(details: dict[str, Json], excess: int) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Make `details` at least `excess` bytes smaller.

    Returns:
        The smaller object and one note; all entries go only when even their names are too many.
    """
    if excess <= 0:
        return details, ()
    sizes = sorted(((len(encode(v)), k) for k, v in details.items()), reverse=True)
    smaller = dict(details)
    left_out: list[str] = []
    for size, key in sizes:
        if excess <= 0:
            break
        notice = f"(left out: {size} bytes, more than PagerDuty takes in one event)"
        gain = size - len(encode(notice))
        if gain <= 0:
            break
        smaller[key] = notice
        left_out.append(key)
        excess -= gain
    if excess > 0:
        notice = f"{len(details)} entries, more than PagerDuty takes in one event"
        return {"left_out": notice}, (f"custom_details left out: {notice}",)
    names = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
    return smaller, (f"shed {len(left_out)} of {len(details)} custom_details: {names}",)
