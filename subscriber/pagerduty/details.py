"""custom_details: any value made fit for JSON, and made smaller without losing all of it.

Rules: what cannot be said in JSON is said in words (NaN becomes the text "NaN"); what is too deep
or too large is replaced, in its place, by a sentence that says so. Entries are shed largest first,
since the small ones are the ones that a person reads at 3 a.m.

This module does not know the rest of the payload, only how many bytes it may still have.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec

from subscriber.model import Json
from subscriber.pagerduty.limits import DETAILS_DEPTH
from subscriber.pagerduty.text import scalar_text, storable

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

TOO_DEEP = "(left out: nested too deep)"
_64_BITS = 2**63
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LARGE = b"0" * 19
"""As many digits as 2**63 has."""


def presentable(value: object) -> Json:
    """The value as JSON that every encoder and PagerDuty can take; a copy, all through."""
    if type(value) is dict:
        copy = _as_it_is(value)
        if copy is not None:
            return copy
    return _presentable(value, 0)


def _as_it_is(value: dict[str, Json]) -> dict[str, Json] | None:
    """A copy of what needs no change, None when some of it may: half the time of the long way.

    What comes back equal from JSON was JSON: NaN, dates, tuples and keys that are no text do not.
    Left are what JSON can say and PagerDuty or its readers cannot: NUL, large integers, depth.
    """
    try:
        written = encode(value)
        copy = _decode(written)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    if (
        written.count(b"{") + written.count(b"[") >= DETAILS_DEPTH
        or b"\\u0000" in written
        or _LARGE in written.translate(_DIGITS)
        or copy != value
    ):
        return None
    return copy


def _presentable(value: object, depth: int) -> Json:
    if type(value) is str:  # what most values are, told apart without a pattern
        return storable(value)
    if type(value) is dict and depth < DETAILS_DEPTH:
        return {storable(str(k)): _presentable(v, depth + 1) for k, v in value.items()}
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
            return {storable(str(k)): _presentable(v, depth + 1) for k, v in value.items()}
        case list() | tuple():
            if depth >= DETAILS_DEPTH:
                return TOO_DEEP
            return [_presentable(member, depth + 1) for member in value]
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
