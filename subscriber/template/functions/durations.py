"""Durations as Go reads and writes them: "1h30m", "-1.5s", "250ms".

Rules: a duration is a number of nanoseconds that fits in 64 bits; hours are the largest unit.

This module does not know points in time or functions.
"""

from __future__ import annotations

import re

SECOND = 1_000_000_000
_MOST = 2**63
_LONGEST = 1000
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]+)")


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a Go duration (time.ParseDuration), or None where Go refuses."""
    if len(text) > _LONGEST:
        return None
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    total, at = 0, 0
    while at < len(rest) or not rest:
        part = _PART.match(rest, at)
        if part is None or part[3] not in _UNITS or not (part[1] or part[2]):
            return None
        at = part.end()
        unit = _UNITS[part[3]]
        total += int(part[1] or 0) * unit + _fraction(part[2] or "", unit)
        if total > _MOST:
            return None
    if negative:
        return -total
    return total if total < _MOST else None


def show_duration(nanoseconds: int) -> str:
    """A duration in Go's spelling: ``1h0m5s``, ``1.5ms``, ``0s``."""
    size = abs(nanoseconds)
    sign = "-" if nanoseconds < 0 else ""
    if size < SECOND:
        for unit, name in ((1_000_000, "ms"), (1_000, "\u00b5s"), (1, "ns")):
            if size >= unit:
                return f"{sign}{_decimal(size, unit)}{name}"
        return "0s"
    minutes, rest = divmod(size, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def round_duration(nanoseconds: int, unit: int) -> int:
    """The nearest multiple of the unit, halves away from zero."""
    size = (abs(nanoseconds) * 2 + unit) // (2 * unit) * unit
    return -size if nanoseconds < 0 else size


def wrap_duration(nanoseconds: int) -> int:
    """What is left of it in 64 bits."""
    return (nanoseconds + _MOST) % (2 * _MOST) - _MOST


def _fraction(digits: str, unit: int) -> int:
    # Go adds digits as long as they fit in 63 bits, then calculates in float64.
    count = min(len(digits), 19)
    if count == 19 and int(digits[:19]) > _MOST:
        count = 18
    return int(float(int(digits[:count])) * (float(unit) / 10.0**count)) if count else 0


def _decimal(value: int, unit: int) -> str:
    before, after = divmod(value, unit)
    digits = f"{after:0{len(str(unit)) - 1}}".rstrip("0") if after else ""
    return f"{before}.{digits}" if digits else str(before)
