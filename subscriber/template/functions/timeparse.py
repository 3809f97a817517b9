"""Reading a time that is written in a Go layout: time.Parse, piece by piece.

Rules: what Go accepts is accepted, with its indulgences (spaces in any number where the layout has
one, fractions of a second that the layout does not mention, ``5`` where it says ``05`` only for
hours); what it refuses gives None.

This module does not know zones by name: an abbreviation counts as UTC, as in Go when the machine is
in UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from subscriber.template.functions.moments import (
    MONTHS,
    WEEKDAYS,
    Moment,
    days_in,
    fixed_zone,
    is_leap,
    pieces,
    seconds_of,
)

_SPACES = re.compile(" *")
_NUMBER = re.compile("[0-9]{1,2}")
_TWO_DIGITS = re.compile("[0-9]{2}")
_YEAR = re.compile("[0-9]{4}")
_SHORT_YEAR = re.compile("[+-]?[0-9]{1,2}")
_YEARDAY = re.compile("[0-9]{1,3}")
_PADDED_YEARDAY = re.compile("[0-9]{3}")
_FRACTION = re.compile("[.,][0-9]+")
_EXACT_FRACTION = re.compile(r"[.,](?:\+?[0-9]*|-0*)")  # Go reads a sign there, too
_ABBREVIATION = re.compile(
    r"ChST|MeST|GMT(?:[+-](?:0*(?:1?[0-9]|2[0-3]))(?![0-9]))?|[+-]0*(?:1?[0-9]|2[0-3])(?![0-9])"
    r"|[A-Z]{4}T(?![A-Z])|(?:[A-Z]{3}T|WITA)(?![A-Z])|[A-Z]{3}(?![A-Z])"
)
_OFFSETS = {
    "07": re.compile("([+-])([0-9]{2})"),
    "0700": re.compile("([+-])([0-9]{2})([0-9]{2})"),
    "07:00": re.compile("([+-])([0-9]{2}):([0-9]{2})"),
    "070000": re.compile("([+-])([0-9]{2})([0-9]{2})([0-9]{2})"),
    "07:00:00": re.compile("([+-])([0-9]{2}):([0-9]{2}):([0-9]{2})"),
}


class _Refused(Exception):
    """The value is not written in the layout."""


@dataclass(slots=True)
class _Reader:
    """The value, how far it has been read, and what was found."""

    value: str
    at: int = 0
    year: int = 0
    month: int = 0
    day: int = 0
    yearday: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanos: int = 0
    afternoon: bool | None = None
    offset: int = 0
    utc: bool = False
    seen: set[str] = field(default_factory=set)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.value, self.at)
        if not found:
            raise _Refused
        self.at = found.end()
        return found

    def number(self, pattern: re.Pattern[str], least: int, most: int) -> int:
        number = int(self.take(pattern)[0])
        if not least <= number <= most:
            raise _Refused
        return number

    def literal(self, text: str) -> None:
        for run in re.findall(" +|[^ ]+", text):
            if run[0] == " ":
                if self.at < len(self.value) and self.value[self.at] != " ":
                    raise _Refused
                self.take(_SPACES)
            elif self.value.startswith(run, self.at):
                self.at += len(run)
            else:
                raise _Refused

    def name(self, names: tuple[str, ...], length: int | None) -> int:
        for index, name in enumerate(names):
            wanted = name[:length]
            given = self.value[self.at : self.at + len(wanted)]
            if given.isascii() and given.lower() == wanted.lower():
                self.at += len(wanted)
                return index
        raise _Refused


def parse(layout: str, value: str) -> Moment | None:
    """Go's time.ParseInLocation(layout, value, UTC), or None for its errors."""
    reader = _Reader(value)
    parts = pieces(layout)
    try:
        for number, part in enumerate(parts):
            if number % 2 == 0:
                reader.literal(part)
            else:
                _read(reader, part, parts[number + 2] if number + 2 < len(parts) else "")
                reader.seen.add(part)
        if reader.at != len(value):
            return None
        return _moment(reader)
    except _Refused:
        return None


def _read(reader: _Reader, piece: str, following: str) -> None:
    match piece:
        case "2006":
            reader.year = int(reader.take(_YEAR)[0])
        case "06":
            reader.year = _short_year(reader)
        case "January":
            reader.month = reader.name(MONTHS, None) + 1
        case "Jan":
            reader.month = reader.name(MONTHS, 3) + 1
        case "1" | "01":
            reader.month = reader.number(_TWO_DIGITS if piece == "01" else _NUMBER, 1, 12)
        case "Monday":
            reader.name(WEEKDAYS, None)
        case "Mon":
            reader.name(WEEKDAYS, 3)
        case "2" | "_2" | "02":
            if piece == "_2":
                _skip_space(reader, 1)
            reader.day = reader.number(_TWO_DIGITS if piece == "02" else _NUMBER, 0, 99)
        case "__2" | "002":
            if piece == "__2":
                _skip_space(reader, 2)
            pattern = _YEARDAY if piece == "__2" else _PADDED_YEARDAY
            reader.yearday = reader.number(pattern, 0, 999)
        case "15":
            reader.hour = reader.number(_NUMBER, 0, 23)
        case "3" | "03":
            reader.hour = reader.number(_TWO_DIGITS if piece == "03" else _NUMBER, 0, 12)
        case "4" | "04":
            reader.minute = reader.number(_TWO_DIGITS if piece == "04" else _NUMBER, 0, 59)
        case "5" | "05":
            reader.second = reader.number(_TWO_DIGITS if piece == "05" else _NUMBER, 0, 59)
            if following[:1] not in {".", ","} and _FRACTION.match(reader.value, reader.at):
                reader.nanos = _nanos(reader.take(_FRACTION)[0])
        case "PM" | "pm":
            half = reader.value[reader.at : reader.at + 2]
            if half not in ({"AM", "PM"} if piece == "PM" else {"am", "pm"}):
                raise _Refused
            reader.at += 2
            reader.afternoon = half in {"PM", "pm"} or bool(reader.afternoon)
        case "MST":
            _read_abbreviation(reader)
        case _ if piece[0] in "Z-":
            _read_offset(reader, piece)
        case _:
            _read_fraction(reader, piece)


def _short_year(reader: _Reader) -> int:
    digits = reader.value[reader.at : reader.at + 2]
    if len(digits) < 2 or not _SHORT_YEAR.fullmatch(digits):
        raise _Refused
    reader.at += 2
    year = int(digits)
    return year + (1900 if year >= 69 else 2000)


def _skip_space(reader: _Reader, most: int) -> None:
    for _ in range(most):
        if reader.value[reader.at : reader.at + 1] == " ":
            reader.at += 1


def _read_abbreviation(reader: _Reader) -> None:
    if reader.value.startswith("UTC", reader.at):
        reader.at += 3
        reader.utc = True
        return
    reader.take(_ABBREVIATION)


def _read_offset(reader: _Reader, piece: str) -> None:
    if piece[0] == "Z" and reader.value.startswith("Z", reader.at):
        reader.at += 1
        reader.utc = True
        return
    found = reader.take(_OFFSETS[piece[1:]])
    hours, minutes, seconds = (*map(int, found.groups()[1:]), 0, 0)[:3]
    if hours > 24 or minutes > 60 or seconds > 60:
        raise _Refused
    offset = (hours * 60 + minutes) * 60 + seconds
    reader.offset = -offset if found[1] == "-" else offset


def _read_fraction(reader: _Reader, piece: str) -> None:
    if piece[1] == "9":
        if _FRACTION.match(reader.value, reader.at):
            reader.nanos = _nanos(reader.take(_FRACTION)[0])
        return
    digits = reader.value[reader.at : reader.at + len(piece)]
    if len(digits) < len(piece) or not _EXACT_FRACTION.fullmatch(digits):
        raise _Refused
    reader.at += len(piece)
    reader.nanos = _nanos(digits)


def _nanos(fraction: str) -> int:
    return int(fraction[1:10].ljust(9, "0"))


def _moment(reader: _Reader) -> Moment:
    hour = reader.hour
    if reader.afternoon and hour < 12:
        hour += 12
    elif reader.afternoon is False and hour == 12:
        hour = 0
    month, day = _month_and_day(reader)
    seconds = seconds_of(reader.year, month, day) + hour * 3600 + reader.minute * 60
    offset = 0 if reader.utc else reader.offset  # Z and UTC win over a number
    return Moment(
        seconds=seconds + reader.second - offset, nanos=reader.nanos, zone=fixed_zone(offset)
    )


def _month_and_day(reader: _Reader) -> tuple[int, int]:
    has_month = bool(reader.seen & {"January", "Jan", "1", "01"})
    has_day = bool(reader.seen & {"2", "_2", "02"})
    if reader.seen & {"__2", "002"}:
        if not 1 <= reader.yearday <= 365 + is_leap(reader.year):
            raise _Refused
        month, day = 1, reader.yearday
        while day > days_in(month, reader.year):
            day -= days_in(month, reader.year)
            month += 1
        if (has_month and month != reader.month) or (has_day and day != reader.day):
            raise _Refused
        return month, day
    month = reader.month if has_month else 1
    day = reader.day if has_day else 1
    if not 1 <= day <= days_in(month, reader.year):
        raise _Refused
    return month, day
