"""RFC 3339 timestamps, strictly: text to seconds since 1970.

Rules: the grammar of RFC 3339 section 5.6 with its notes (``t`` and ``z`` may be lower case), any
number of fraction digits, a real calendar date, a leap second only where one can be. Go prints an
unset time as year 1; that is understood as *no* instant, not as two thousand years ago.

This module does not know the clock.
"""

from __future__ import annotations

import re
from datetime import datetime

from subscriber.model import Problem, Reason, excerpt

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt](?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)
_GO_ZERO = -62_135_596_800.0
"""0001-01-01T00:00:00Z, Go's `time.Time{}`: what Keptn's SDK sends when nobody set the time."""


def instant(text: str, where: str = "time") -> float | None:
    """Seconds since 1970 (UTC) of an RFC 3339 text; None for Go's zero time.

    Raises:
        Problem: INVALID_TIME.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise _invalid(text, where, "not an RFC 3339 date and time")
    _, second, fraction, sign, hours, minutes = match.groups()
    leap = second == "60"
    try:
        # The grammar leaves nothing but the calendar to check, and that is quick in one piece.
        local = datetime.fromisoformat(f"{text[:17]}59" if leap else text[:19])
    except ValueError:
        raise _invalid(text, where, "no such date in the calendar") from None
    # Plain arithmetic: the offset applied to `local` would leave the years 1 to 9999.
    seconds = (local - _EPOCH).total_seconds()
    if sign:
        offset = int(hours) * 3600.0 + int(minutes) * 60.0
        seconds += offset if sign == "-" else -offset
    if leap:
        if seconds % 86400 != 86399:
            raise _invalid(text, where, "a leap second ends a day in UTC")
        seconds += 1
    if fraction:
        return seconds + float(f"0{fraction}")
    return None if seconds == _GO_ZERO else seconds


def _invalid(text: str, where: str, message: str) -> Problem:
    return Problem(
        Reason.INVALID_TIME,
        f"{message}: {excerpt(text, 50)}",
        where=where,
        hint="for example 2024-05-01T10:00:00Z",
    )
