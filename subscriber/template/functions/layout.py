"""Text laid out: shortened, cut, wrapped, indented, quoted.

Rules: lengths and positions count bytes of UTF-8, as in Go, because that is what limits elsewhere
count. Go may cut through a character and leave rubbish; here the part of a character is dropped.

This module does not know how long a text is allowed to be.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions.arguments import LETTERS_PER_STEP, shown_items, text, whole
from subscriber.template.functions.jsontext import encode_text
from subscriber.template.functions.registry import Encoded, FunctionError, Run, function
from subscriber.template.functions.strings import not_negative
from subscriber.template.semantics.quote import quote as go_quoted
from subscriber.template.semantics.values import from_bytes, to_bytes

_ELLIPSIS = "..."
_LEAST_ABBREVIATION = 4
_LEAST_WITH_OFFSET = 7


@function(
    "trunc",
    signature="trunc length text",
    doc="The first `length` bytes of the text; the last ones when the length is negative.",
    category="strings",
    examples=[
        ("{{trunc 8 .commit}}", {"commit": "0123456789abcdef"}, "01234567"),
        ("{{trunc -4 .commit}}", {"commit": "0123456789abcdef"}, "cdef"),
        ("{{trunc 4 .name}}", {"name": "café"}, "caf"),
    ],
)
def trunc(length: Json, value: Json) -> str:
    """A character that does not fit whole is left out."""
    size, whole_text = whole(length, "the length"), text(value)
    source = to_bytes(whole_text)
    if size < 0:
        return _tail(source, len(source) + size) if len(source) + size > 0 else whole_text
    return _head(source, size) if len(source) > size else whole_text


@function(
    "abbrev",
    signature="abbrev width text",
    doc="The text cut to `width` bytes, the last three of which say `...`; width at least 4.",
    category="strings",
    examples=[("{{abbrev 10 .message}}", {"message": "connection refused"}, "connect...")],
)
def abbrev(width: Json, value: Json) -> str:
    """A width below 4 leaves the text alone."""
    size, source = whole(width, "the width"), text(value)
    if size < _LEAST_ABBREVIATION:
        return source
    return _abbreviate(to_bytes(source), 0, size)


@function(
    "abbrevboth",
    signature="abbrevboth left width text",
    doc="Like `abbrev`, also leaving out bytes at the left, from the offset `left`.",
    category="strings",
    examples=[("{{abbrevboth 5 10 .m}}", {"m": "1234 5678 9123"}, "...5678...")],
)
def abbrevboth(left: Json, width: Json, value: Json) -> Json:
    """A width too small for the dots leaves the text alone."""
    offset, size = whole(left, "the offset"), whole(width, "the width")
    if size < _LEAST_ABBREVIATION or (offset > 0 and size < _LEAST_WITH_OFFSET):
        return text(value)
    return _abbreviate(to_bytes(text(value)), offset, size)


@function(
    "substr",
    signature="substr start end text",
    doc="The bytes from `start` up to `end`; a negative start means 0, a negative end the rest.",
    category="strings",
    examples=[
        ("{{substr 0 4 .sha}}", {"sha": "0123456789"}, "0123"),
        ("{{substr 4 -1 .sha}}", {"sha": "0123456789"}, "456789"),
    ],
)
def substr(start: Json, end: Json, value: Json) -> Json:
    """Refuses a start beyond the end, as Go does."""
    first, last = whole(start, "the start"), whole(end, "the end")
    source = to_bytes(text(value))
    if first < 0:
        first = 0
        outside = not 0 <= last <= len(source)
    else:
        last = len(source) if last < 0 else min(last, len(source))
        outside = first > last
    if outside:
        raise FunctionError(
            f"cannot cut from {first} to {last} out of {len(source)} bytes",
            hint="trunc shortens a text and accepts one that is short already",
        )
    first = _character_after(source, first)
    return from_bytes(source[first : max(first, _character_before(source, last))])


@function(
    "wrap",
    signature="wrap width text",
    doc="The text with line breaks at spaces so that lines have at most `width` bytes; "
    "longer words stay whole.",
    category="strings",
    examples=[("{{wrap 9 .m}}", {"m": "too many failed requests"}, "too many\nfailed\nrequests")],
    run=True,
)
def wrap(run: Run, width: Json, value: Json) -> Json:
    """Breaks at single spaces."""
    return _wrap(run, text(value), whole(width, "the width"), "\n", break_words=False)


@function(
    "wrapWith",
    signature="wrapWith width separator text",
    doc="Like `wrap` with another separator than a line break; breaks words that are longer.",
    category="strings",
    examples=[('{{wrapWith 4 "/" .m}}', {"m": "abcdefgh"}, "abcd/efgh")],
    run=True,
)
def wrap_with(run: Run, width: Json, separator: Json, value: Json) -> Json:
    """An empty separator is a line break."""
    between = text(separator, "the separator") or "\n"
    return _wrap(run, text(value), whole(width, "the width"), between, break_words=True)


@function(
    "indent",
    signature="indent spaces text",
    doc="The text with spaces before each line.",
    category="strings",
    examples=[("{{indent 2 .log}}", {"log": "a\nb"}, "  a\n  b")],
    run=True,
)
def indent(run: Run, spaces: Json, value: Json) -> Json:
    """JSON stays JSON: between its lines, spaces mean nothing."""
    return _indent(run, spaces, value, "")


@function(
    "nindent",
    signature="nindent spaces text",
    doc="Like `indent`, after a line break.",
    category="strings",
    examples=[("log:{{nindent 2 .log}}", {"log": "a\nb"}, "log:\n  a\n  b")],
    run=True,
)
def nindent(run: Run, spaces: Json, value: Json) -> Json:
    """JSON stays JSON: between its lines, spaces mean nothing."""
    return _indent(run, spaces, value, "\n")


@function(
    "quote",
    signature="quote value...",
    doc="The values as text in double quotes, escaped; in a JSON template it is a JSON string.",
    category="strings",
    examples=[
        ("{{quote .message}}", {"message": 'said "no"'}, r'"said \"no\""'),
        ("{{quote .a .missing .b}}", {"a": 1, "b": True}, '"1" "true"'),
    ],
    run=True,
)
def quote(run: Run, *values: Json) -> Json:
    """Go's %q; nothings are left out."""
    present = shown_items(run, list(values))
    run.charge(sum(map(len, present)) // LETTERS_PER_STEP)
    quoted = " ".join(map(go_quoted, present))
    if len(present) > 1:
        return quoted
    return Encoded(quoted, encode_text(present[0]) if present else "null")


@function(
    "squote",
    signature="squote value...",
    doc="The values as text in single quotes, without any escaping.",
    category="strings",
    examples=[("{{squote .name}}", {"name": "carts"}, "'carts'")],
    run=True,
)
def squote(run: Run, *values: Json) -> Json:
    """Nothings are left out."""
    return " ".join(f"'{value}'" for value in shown_items(run, list(values)))


def _head(source: bytes, end: int) -> str:
    """The first bytes, without a character that is cut through."""
    return from_bytes(source[: _character_before(source, end)])


def _tail(source: bytes, begin: int) -> str:
    """The bytes from there on, without a character that is cut through."""
    return from_bytes(source[_character_after(source, begin) :])


def _character_before(source: bytes, place: int) -> int:
    while 0 < place < len(source) and source[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _character_after(source: bytes, place: int) -> int:
    while 0 < place < len(source) and source[place] & 0xC0 == 0x80:
        place += 1
    return place


def _abbreviate(source: bytes, offset: int, width: int) -> str:
    size = len(source)
    if size <= width:
        return from_bytes(source)
    room = width - len(_ELLIPSIS)
    offset = min(offset, size)
    if size - offset < room:
        offset = size - room
    if offset <= _LEAST_ABBREVIATION:
        return _head(source, room) + _ELLIPSIS
    if offset + room < size:
        if room < _LEAST_ABBREVIATION:
            return _ELLIPSIS
        return _ELLIPSIS + _abbreviate(source[_character_after(source, offset) :], 0, room)
    return _ELLIPSIS + _tail(source, size - room)


def _indent(run: Run, spaces: Json, value: Json, before: str) -> Json:
    count = not_negative(spaces, "the number of spaces")
    source = text(value)
    run.charge_text(len(source) + (source.count("\n") + 1) * count + 1)
    pad = " " * count
    laid_out = before + pad + source.replace("\n", "\n" + pad)
    if isinstance(value, Encoded) and value.json == value:
        return Encoded(laid_out, laid_out)
    return laid_out


def _wrap(run: Run, value: str, width: int, separator: str, *, break_words: bool) -> str:
    source, width = to_bytes(value), max(width, 1)
    size, offset = len(source), 0
    most_lines = source.count(b" ") + size // width
    run.charge(most_lines)
    run.charge_text(size + most_lines * len(separator))
    lines: list[bytes] = []
    while size - offset > width:
        if source[offset : offset + 1] == b" ":
            offset += 1
            continue
        space = source.rfind(b" ", offset, offset + width + 1)
        if space < 0 and not break_words:
            space = source.find(b" ", offset + width)
            if space < 0:
                break
        if space < 0:
            cut = _character_before(source, offset + width)
            cut = cut if cut > offset else _character_after(source, offset + width)
            lines.append(source[offset:cut])
            offset = cut
        else:
            lines.append(source[offset:space])
            offset = space + 1
    lines.append(source[offset:])
    return separator.join(map(from_bytes, lines))
