"""Lengths of time as people type them: 30s, 15m, 2h, 7d, and sums of these like 1h30m."""

from __future__ import annotations

import re

import typer

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST = 100 * 365 * 86_400.0


def parse_duration(text: str) -> float:
    """Seconds, more than 0.

    Raises:
        typer.BadParameter: it is not a length of time; the text says what one looks like.
    """
    written = text.strip().lower()
    if not _WHOLE.fullmatch(written):
        raise typer.BadParameter(
            f"{text[:40]!a} is not a length of time; write it like 30s, 15m, 2h, 7d or 1h30m"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(written))
    if not 0 < seconds <= _LONGEST:
        raise typer.BadParameter(f"{text[:40]!a} is not between 1s and 100 years")
    return seconds
