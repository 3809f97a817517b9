"""Points in time, and text in Go's layouts: "2006-01-02T15:04:05Z07:00" written and read.

Rules: a layout shows how Monday, 2 January 2006, 15:04:05 in the zone MST (-0700) would be written;
every piece of it that Go knows is known here and nothing else. Nanoseconds are kept. The calendar
is Gregorian without beginning or end, as Go's. Zones are those of the IANA database (zoneinfo).

This module does not know what time it is, nor what templates hand over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

RFC3339 = "2006-01-02T15:04:05.999999999Z07:00"

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_LONGEST_ZONE = 100
_DAY = 86_400
_EPOCH = 719_468  # days from 1 March of the year 0 to 1 January 1970
_ERA = 146_097  # days of 400 years
# What datetime can tell the offset of; beyond, the nearest year's is taken.
_FIRST_SECOND, _LAST_SECOND = -62_135_510_400, 253_402_214_400

# In the order in which Go tries them at each place.
_PIECE = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2(?!006)|__2|3|4|5|PM|pm"
    r"|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07"
    r"|[.,](?:0+|9+)(?![0-9])"
)
_ZONED = re.compile(
    r"(-?[0-9]{4,9})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time, seen from a zone.

    Attributes:
        seconds: whole seconds since 1970-01-01T00:00:00Z; negative before.
        nanos: nanoseconds within the second, 0 to 999999999.
        zone: where it is looked at.
    """

    seconds: int
    nanos: int = 0
    zone: tzinfo = UTC

    def seen_from(self, zone: tzinfo) -> Moment:
        """The same point in time in another zone."""
        return replace(self, zone=zone)

    def later(self, nanoseconds: int) -> Moment:
        """This much later (or earlier), in the same zone."""
        seconds, nanos = divmod(self.nanos + nanoseconds, 1_000_000_000)
        return replace(self, seconds=self.seconds + seconds, nanos=nanos)

    def since(self, earlier: Moment) -> int:
        """Nanoseconds since another moment, negative before it."""
        return (self.seconds - earlier.seconds) * 1_000_000_000 + self.nanos - earlier.nanos

    def offset(self) -> tuple[int, str]:
        """Seconds east of UTC, and the zone's abbreviation at this moment ("" if it has none)."""
        if self.zone is UTC:
            return 0, "UTC"
        within = max(_FIRST_SECOND, min(self.seconds, _LAST_SECOND))
        local = datetime.fromtimestamp(within, UTC).astimezone(self.zone)
        offset = local.utcoffset() or timedelta()
        name = "" if isinstance(self.zone, timezone) else local.tzname() or ""
        return int(offset.total_seconds()), name

    def format(self, layout: str) -> str:
        """The moment written in a Go layout, in its zone."""
        return "".join(
            piece if number % 2 == 0 else _WRITERS[_kind(piece)](view, piece)
            for view in (_view(self),)
            for number, piece in enumerate(pieces(layout))
        )


@dataclass(frozen=True, slots=True)
class _View:
    """A moment taken apart in its zone."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanos: int
    weekday: int
    yearday: int
    offset: int
    zone: str


@lru_cache(maxsize=256)
def zone_named(name: str) -> tzinfo | None:
    """The zone of that name in the IANA database; None if there is none.

    The empty name and ``Local`` are UTC: where a page is written must not depend on the machine.
    """
    if name in {"", "UTC", "Local"}:
        return UTC
    if len(name) > _LONGEST_ZONE:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a folder of the database, no name at all
        return None


def fixed_zone(offset: int) -> tzinfo:
    """The zone that is always so many seconds east of UTC.

    It is UTC if RFC 3339 cannot write the offset (it has seconds, or a day and more).
    """
    if offset == 0 or offset % 60 or abs(offset) >= _DAY:
        return UTC
    return timezone(timedelta(seconds=offset))


def read_rfc3339(source: str) -> Moment | None:
    """The moment that a text names in RFC 3339 (the `time` of a CloudEvent), or None.

    More than RFC 3339 is understood: a missing offset is UTC, a missing time is midnight.
    """
    found = _ZONED.fullmatch(source)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(found[group] or 0) for group in range(1, 7))
    sign, hours, minutes = found[8], int(found[9] or 0), int(found[10] or 0)
    if not (1 <= month <= 12 and 1 <= day <= days_in(month, year)):
        return None
    if hour > 23 or minute > 59 or second > 60 or hours > 23 or minutes > 59:
        return None
    offset = (hours * 60 + minutes) * 60
    offset = -offset if sign == "-" else offset
    nanos = int((found[7] or "")[:9].ljust(9, "0"))
    seconds = seconds_of(year, month, day) + hour * 3600 + minute * 60 + second - offset
    return Moment(seconds=seconds, nanos=nanos, zone=fixed_zone(offset))


@lru_cache(maxsize=256)
def pieces(layout: str) -> tuple[str, ...]:
    """The layout in turns: literal text, a piece with a meaning, literal text, ..."""
    parts: list[str] = []
    end = 0
    for found in _PIECE.finditer(layout):
        parts += (layout[end : found.start()], found[0])
        end = found.end()
    return (*parts, layout[end:])


def seconds_of(year: int, month: int, day: int) -> int:
    """Seconds from 1970 to the beginning of a day, in UTC."""
    # Years that begin in March end with the leap day.
    year -= month <= 2
    in_era = year % 400
    yearday = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    era_day = in_era * 365 + in_era // 4 - in_era // 100 + yearday
    return (year // 400 * _ERA + era_day - _EPOCH) * _DAY


def date_of(days: int) -> tuple[int, int, int]:
    """Year, month and day, so many days after 1 January 1970."""
    era, era_day = divmod(days + _EPOCH, _ERA)
    in_era = (era_day - era_day // 1460 + era_day // 36524 - era_day // 146096) // 365
    yearday = era_day - (365 * in_era + in_era // 4 - in_era // 100)
    march_month = (5 * yearday + 2) // 153
    day = yearday - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    return era * 400 + in_era + (month <= 2), month, day


def days_in(month: int, year: int) -> int:
    """Days of a month."""
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def is_leap(year: int) -> bool:
    """Whether the year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _view(moment: Moment) -> _View:
    offset, zone = moment.offset()
    days, clock = divmod(moment.seconds + offset, _DAY)
    year, month, day = date_of(days)
    return _View(
        year=year,
        month=month,
        day=day,
        hour=clock // 3600,
        minute=clock // 60 % 60,
        second=clock % 60,
        nanos=moment.nanos,
        weekday=(days + 4) % 7,
        yearday=days - seconds_of(year, 1, 1) // _DAY + 1,
        offset=offset,
        zone=zone,
    )


def _kind(piece: str) -> str:
    """Offsets and fractions come in many lengths; their first character decides."""
    return piece[0] if piece[0] in "-Z.," else piece


def _padded(number: int, width: int) -> str:
    return f"-{-number:0{width}}" if number < 0 else f"{number:0{width}}"


def _write_offset(view: _View, piece: str) -> str:
    if piece[0] == "Z" and view.offset == 0:
        return "Z"
    # Go decides about the sign after cutting the offset to whole minutes.
    minutes = abs(view.offset) // 60
    sign = "-" if view.offset <= -60 else "+"
    shape = piece[1:].replace(":", "")
    parts = (minutes // 60, minutes % 60, abs(view.offset) % 60)[: len(shape) // 2]
    between = ":" if ":" in piece else ""
    return sign + between.join(f"{part:02}" for part in parts)


def _write_fraction(view: _View, piece: str) -> str:
    digits = f"{view.nanos:09}"[: len(piece) - 1]
    if piece[1] == "0":
        return piece[0] + digits.ljust(min(len(piece) - 1, 9), "0")
    digits = digits.rstrip("0")
    return piece[0] + digits if digits else ""


def _write_zone(view: _View, _: str) -> str:
    return view.zone or _write_offset(view, "-0700")


_WRITERS = {
    "January": lambda view, _: MONTHS[view.month - 1],
    "Jan": lambda view, _: MONTHS[view.month - 1][:3],
    "1": lambda view, _: str(view.month),
    "01": lambda view, _: f"{view.month:02}",
    "Monday": lambda view, _: WEEKDAYS[view.weekday],
    "Mon": lambda view, _: WEEKDAYS[view.weekday][:3],
    "2": lambda view, _: str(view.day),
    "_2": lambda view, _: f"{view.day:2}",
    "02": lambda view, _: f"{view.day:02}",
    "__2": lambda view, _: f"{view.yearday:3}",
    "002": lambda view, _: f"{view.yearday:03}",
    "15": lambda view, _: f"{view.hour:02}",
    "3": lambda view, _: str(view.hour % 12 or 12),
    "03": lambda view, _: f"{view.hour % 12 or 12:02}",
    "4": lambda view, _: str(view.minute),
    "04": lambda view, _: f"{view.minute:02}",
    "5": lambda view, _: str(view.second),
    "05": lambda view, _: f"{view.second:02}",
    "2006": lambda view, _: _padded(view.year, 4),
    "06": lambda view, _: f"{abs(view.year) % 100:02}",
    "PM": lambda view, _: "PM" if view.hour >= 12 else "AM",
    "pm": lambda view, _: "pm" if view.hour >= 12 else "am",
    "MST": _write_zone,
    "-": _write_offset,
    "Z": _write_offset,
    ".": _write_fraction,
    ",": _write_fraction,
}
