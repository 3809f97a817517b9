"""Times and durations in templates.

A time is RFC 3339 text, as the `time` of a CloudEvent, or a number of seconds since 1970; a
duration is Go's text ("1h30m") or a number.

Rules: layouts are Go's ("2006-01-02 15:04:05 MST"). `now` is the time of the event, never the
machine's, so a page reads the same when it is rendered again. `date` writes UTC, unless the time
comes from `tz`, which says where to look from; a page must not depend on the machine's zone.

What differs from sprig, because sprig would write a wrong time without a word: text is read as a
time (sprig takes the current time instead), and what is no time is refused.

This module does not know how layouts are read or written.
"""

from __future__ import annotations

import math
from datetime import UTC, tzinfo

from subscriber.model.event import Json
from subscriber.model.problem import excerpt
from subscriber.template.functions.arguments import text
from subscriber.template.functions.durations import (
    SECOND,
    parse_duration,
    round_duration,
    show_duration,
    wrap_duration,
)
from subscriber.template.functions.moments import (
    RFC3339,
    Moment,
    read_rfc3339,
    zone_named,
)
from subscriber.template.functions.registry import FunctionError, Run, function, kind_of
from subscriber.template.functions.timeparse import parse

_ZERO_TIME = "0001-01-01T00:00:00Z"
_TIME_HINT = "a time is RFC 3339 text, e.g. 2024-05-06T07:08:09Z, or seconds since 1970; see toDate"
_MOST_SECONDS = 10**12
_MOST_DIGITS = 100
_LONGEST_LAYOUT = 1000
_ZONE_STEPS = 300
_UNITS_ROUNDED = (
    (365 * 24 * 3600 * SECOND, "y"),
    (30 * 24 * 3600 * SECOND, "mo"),
    (24 * 3600 * SECOND, "d"),
    (3600 * SECOND, "h"),
    (60 * SECOND, "m"),
    (SECOND, "s"),
)


class Zoned(str):
    """A time as text that remembers the zone from which it is looked at (the result of `tz`)."""

    __slots__ = ("moment",)
    moment: Moment

    def __new__(cls, moment: Moment) -> Zoned:
        """Write the moment as RFC 3339."""
        zoned = super().__new__(cls, moment.format(RFC3339))
        zoned.moment = moment
        return zoned


@function(
    "now",
    signature="now",
    doc="The time of the event (not of the clock).",
    category="dates",
    examples=[("{{now}}", None, "2024-05-06T07:08:09Z")],
    run=True,
)
def now(run: Run) -> Json:
    """In UTC."""
    return _now(run).format(RFC3339)


@function(
    "date",
    signature="date layout time",
    doc="The time in a Go layout, in UTC or in the zone that `tz` chose.",
    category="dates",
    examples=[
        ('{{date "2006-01-02 15:04" .time}}', {"time": "2024-05-06T09:08:09+02:00"},
         "2024-05-06 07:08"),
        ('{{.time | tz "Europe/Vienna" | date "15:04 MST"}}', {"time": "2024-05-06T07:08:09Z"},
         "09:08 CEST"),
        ('{{date "Jan 2, 3:04PM" 1714979289}}', None, "May 6, 7:08AM"),
    ],
)  # fmt: skip
def date(layout: Json, time: Json) -> Json:
    """Layout first, so that the time can be piped in."""
    return _for_reader(time).format(_layout(layout))


@function(
    "htmlDate",
    signature="htmlDate time",
    doc="The day of the time, as in `2006-01-02`.",
    category="dates",
    examples=[("{{htmlDate .time}}", {"time": "2024-05-06T07:08:09Z"}, "2024-05-06")],
)
def html_date(time: Json) -> Json:
    """Of UTC."""
    return _for_reader(time).format("2006-01-02")


@function(
    "htmlDateInZone",
    signature="htmlDateInZone time zone",
    doc="The day of the time in a zone.",
    category="dates",
    examples=[
        ('{{htmlDateInZone .time "Asia/Tokyo"}}', {"time": "2024-05-06T23:00:00Z"}, "2024-05-07")
    ],
    run=True,
)
def html_date_in_zone(run: Run, time: Json, zone: Json) -> Json:
    """An unknown zone is UTC, as in sprig."""
    return _in_zone(run, time, zone).format("2006-01-02")


@function(
    "dateInZone",
    signature="dateInZone layout time zone",
    doc="The time in a Go layout, in a zone of the IANA database; an unknown zone is UTC.",
    category="dates",
    examples=[
        ('{{dateInZone "15:04 MST" .time "Europe/Vienna"}}', {"time": "2024-05-06T07:08:09Z"},
         "09:08 CEST"),
    ],
    run=True,
)  # fmt: skip
@function(
    "date_in_zone",
    signature="date_in_zone layout time zone",
    doc="The same as `dateInZone`.",
    category="dates",
    examples=[('{{date_in_zone "15:04" 0 "Asia/Tokyo"}}', None, "09:00")],
    run=True,
)
def date_in_zone(run: Run, layout: Json, time: Json, zone: Json) -> Json:
    """An unknown zone is UTC, as in sprig; tz refuses it."""
    return _in_zone(run, time, zone).format(_layout(layout))


@function(
    "tz",
    signature="tz zone time",
    doc="The time as seen from a zone; `date` then writes it so.",
    category="alertmanager",
    examples=[
        ('{{tz "America/New_York" .time}}', {"time": "2024-05-06T07:08:09Z"},
         "2024-05-06T03:08:09-04:00"),
    ],
    run=True,
)  # fmt: skip
def tz(run: Run, zone: Json, time: Json) -> Json:
    """An unknown zone is refused, as in Alertmanager."""
    name = text(zone, "the zone")
    found = _zone(run, name)
    if found is None:
        raise FunctionError(
            f"there is no zone {excerpt(name)}", hint="zones are written like Europe/Vienna"
        )
    return Zoned(_moment(time).seen_from(found))


@function(
    "dateModify",
    signature="dateModify duration time",
    doc="The time plus a duration; a duration that cannot be read changes nothing.",
    category="dates",
    examples=[
        ('{{.time | dateModify "-1.5h"}}', {"time": "2024-05-06T07:08:09Z"},
         "2024-05-06T05:38:09Z"),
    ],
)  # fmt: skip
@function(
    "date_modify",
    signature="date_modify duration time",
    doc="The same as `dateModify`.",
    category="dates",
    examples=[('{{now | date_modify "24h" | htmlDate}}', None, "2024-05-07")],
)
def date_modify(duration: Json, time: Json) -> Json:
    """Duration first, so that the time can be piped in."""
    nanoseconds = parse_duration(text(duration, "the duration"))
    return _later(time, nanoseconds or 0)


@function(
    "mustDateModify",
    signature="mustDateModify duration time",
    doc="Like `dateModify`, but a duration that cannot be read is an error.",
    category="dates",
    examples=[('{{now | mustDateModify "30s"}}', None, "2024-05-06T07:08:39Z")],
)
def must_date_modify(duration: Json, time: Json) -> Json:
    """Duration first, so that the time can be piped in."""
    written = text(duration, "the duration")
    nanoseconds = parse_duration(written)
    if nanoseconds is None:
        raise FunctionError(
            f"{excerpt(written)} is not a duration", hint='durations are written like "1h30m"'
        )
    return _later(time, nanoseconds)


@function(
    "toDate",
    signature="toDate layout text",
    doc="The time that the text names in a Go layout; year 1 if it does not.",
    category="dates",
    examples=[
        ('{{toDate "02.01.2006 15:04" .at}}', {"at": "06.05.2024 07:08"}, "2024-05-06T07:08:00Z"),
        ('{{toDate "02.01.2006" "soon" | date "2006"}}', None, "0001"),
    ],
)
def to_date(layout: Json, value: Json) -> Json:
    """A text without zone is UTC."""
    moment = parse(_layout(layout), text(value))
    return _ZERO_TIME if moment is None else moment.format(RFC3339)


@function(
    "mustToDate",
    signature="mustToDate layout text",
    doc="Like `toDate`, but a text not written in the layout is an error.",
    category="dates",
    examples=[('{{mustToDate "2006-01-02" "2024-05-06"}}', None, "2024-05-06T00:00:00Z")],
)
def must_to_date(layout: Json, value: Json) -> Json:
    """A text without zone is UTC."""
    shape, written = _layout(layout), text(value)
    moment = parse(shape, written)
    if moment is None:
        raise FunctionError(f"{excerpt(written)} is not written like {excerpt(shape)}")
    return moment.format(RFC3339)


@function(
    "unixEpoch",
    signature="unixEpoch time",
    doc="The seconds between 1970 and the time, as text.",
    category="dates",
    examples=[("{{unixEpoch .time}}", {"time": "2024-05-06T07:08:09Z"}, "1714979289")],
)
def unix_epoch(time: Json) -> Json:
    """Whole seconds."""
    return str(_moment(time).seconds)


@function(
    "ago",
    signature="ago time",
    doc="The duration between the time and the event, in whole seconds.",
    category="dates",
    examples=[("{{ago .started}}", {"started": "2024-05-06T06:00:00Z"}, "1h8m9s")],
    run=True,
)
def ago(run: Run, time: Json) -> Json:
    """Negative for a time after the event."""
    return show_duration(round_duration(_now(run).since(_moment(time)), SECOND))


@function(
    "since",
    signature="since time",
    doc="The duration between the time and the event, exactly.",
    category="alertmanager",
    examples=[
        ("{{since .started}}", {"started": "2024-05-06T07:08:07.5Z"}, "1.5s"),
        ("{{since .started | humanizeDuration}}", {"started": "2024-05-05T07:08:09Z"},
         "1d 0h 0m 0s"),
    ],
    run=True,
)  # fmt: skip
def since(run: Run, time: Json) -> Json:
    """As duration text, which humanizeDuration reads."""
    return show_duration(_now(run).since(_moment(time)))


@function(
    "duration",
    signature="duration seconds",
    doc="Seconds (a number or digits as text) as a duration; anything else is `0s`.",
    category="dates",
    examples=[("{{duration 5400}}", None, "1h30m0s"), ('{{duration "95"}}', None, "1m35s")],
)
def duration(seconds: Json) -> Json:
    """Whole seconds."""
    if isinstance(seconds, str):
        digits = seconds[1:] if seconds[:1] in {"+", "-"} else seconds
        plain = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
        # Go ignores that the number is too large, and counts with the largest there is.
        number = max(-(2**63), min(int(seconds), 2**63 - 1)) if plain else 0
    else:
        number = seconds if isinstance(seconds, int) and not isinstance(seconds, bool) else 0
    return show_duration(wrap_duration(number * SECOND))


@function(
    "durationRound",
    signature="durationRound duration",
    doc="A duration (text, nanoseconds, or the time since when) in its largest unit: "
    "`y`, `mo`, `d`, `h`, `m` or `s`.",
    category="dates",
    examples=[
        ('{{durationRound "2h30m"}}', None, "2h"),
        ("{{durationRound .started}}", {"started": "2024-05-04T06:00:00Z"}, "2d"),
    ],
    run=True,
)
def duration_round(run: Run, value: Json) -> Json:
    """What cannot be read is 0s, as in sprig."""
    size = abs(_duration(run, value))
    for unit, name in _UNITS_ROUNDED:
        if size > unit:
            return f"{size // unit}{name}"
    return "0s"


def _layout(value: Json) -> str:
    layout = text(value, "the layout")
    if len(layout) > _LONGEST_LAYOUT:
        raise FunctionError(f"a layout of more than {_LONGEST_LAYOUT} characters is refused")
    return layout


def _duration(run: Run, value: Json) -> int:
    if isinstance(value, str):
        moment = value.moment if isinstance(value, Zoned) else read_rfc3339(value)
        return (parse_duration(value) or 0) if moment is None else _now(run).since(moment)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _now(run: Run) -> Moment:
    # A float holds today's seconds to less than a microsecond.
    seconds, micros = divmod(round(run.now * 1_000_000), 1_000_000)
    return Moment(seconds=seconds, nanos=micros * 1_000)


def _moment(time: Json) -> Moment:
    if isinstance(time, Zoned):
        return time.moment
    if isinstance(time, str):
        moment = read_rfc3339(time)
        if moment is None:
            raise FunctionError(f"{excerpt(time)} is not a time", hint=_TIME_HINT)
        return moment
    if isinstance(time, int | float) and not isinstance(time, bool):
        if not math.isfinite(time) or abs(time) > _MOST_SECONDS:
            raise FunctionError(
                f"{excerpt(time)} is too far from 1970",
                hint="are these milliseconds? Divide by 1000: (div .ms 1000)",
            )
        whole = math.floor(time)
        return Moment(seconds=whole, nanos=round((time - whole) * 1_000_000) * 1_000 % SECOND)
    raise FunctionError(f"the time must be a time, not {kind_of(time)}", hint=_TIME_HINT)


def _for_reader(time: Json) -> Moment:
    """The moment in the zone to write it in: that of `tz`, else UTC."""
    moment = _moment(time)
    return moment if isinstance(time, Zoned) else moment.seen_from(UTC)


def _in_zone(run: Run, time: Json, zone: Json) -> Moment:
    return _moment(time).seen_from(_zone(run, text(zone, "the zone")) or UTC)


def _zone(run: Run, name: str) -> tzinfo | None:
    run.charge(_ZONE_STEPS)
    return zone_named(name)


def _later(time: Json, nanoseconds: int) -> Json:
    moment = _moment(time).later(nanoseconds)
    return Zoned(moment) if isinstance(time, Zoned) else moment.format(RFC3339)
