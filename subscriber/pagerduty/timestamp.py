"""Timestamps in the one form that PagerDuty documents: 2015-07-17T08:42:58.315+0000.

Rules: what people and programs write is understood (ISO 8601 with blanks, short hours or without a
zone, which is taken as UTC; seconds, milli-, micro- or nanoseconds since 1970); what is sent is
always UTC with three fraction digits. PagerDuty answers 400 to a timestamp it does not like, and
the page is lost, so anything doubtful gives None and the field is left out.

This module does not know the clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from subscriber.model import Json

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?"
    r" ?(Z|z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{9,19}(?:\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0.0, 1.0))
"""A number from the left on is counted in 1/right seconds; the ranges are 1973 to 5138."""


def pagerduty_time(value: Json) -> str | None:
    """The instant in PagerDuty's form, or None when it is none (or before 1970)."""
    moment: datetime | None = None
    if isinstance(value, str):
        text = value.strip()
        quick = _usual(text)
        if quick:
            return quick
        moment = _since_1970(float(text)) if _NUMBER.fullmatch(text) else _iso(text)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 1e8 <= value < 1e19:
        moment = _since_1970(float(value))
    if moment is None or not _EPOCH <= moment <= _LAST:
        return None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "+0000"


def _usual(text: str) -> str:
    """The same for ``2024-03-11T02:57:04.123Z``, as nearly all are, in a third of the time.

    Empty for what looks different, or is no time: the long way decides about that.
    """
    if (
        text[-1:] != "Z"
        or text[4:5] + text[7:8] + text[10:11] + text[13:14] + text[16:17] != "--T::"
    ):
        return ""
    whole, fraction = text[:19], text[20:-1]
    digits = fraction.isdigit() and text[19] == "." if fraction else text[19:] == "Z"
    if not (digits and text.isascii() and "1970" <= whole[:4] < "9999" and whole[11:13] != "24"):
        return ""
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        return ""
    return f"{whole}.{fraction[:3]:0<3}+0000"


def _since_1970(number: float) -> datetime | None:
    scale = next(scale for start, scale in _UNITS if number >= start)
    try:
        return _EPOCH + timedelta(seconds=number / scale)
    except OverflowError:
        return None


def _iso(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute, second = (int(match[i] or 0) for i in (4, 5, 6))
    micros = int((match[7] or "")[:6].ljust(6, "0"))
    try:
        # A leap second is shown as the last second before it.
        local = datetime(year, month, day, hour, minute, min(second, 59), micros, tzinfo=UTC)
        return local - _offset(match[8] or "Z") if second <= 60 else None
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta:
    if zone[0] not in "+-":
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    if minutes > 14 * 60 or int(digits[2:] or 0) > 59:
        raise ValueError("no such zone")
    return timedelta(minutes=-minutes if zone[0] == "-" else minutes)
