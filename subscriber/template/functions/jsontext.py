"""JSON out of values and values out of JSON, byte for byte as Go's encoding/json does it.

Rules: keys sorted, whole floats without a fraction, 1e+21 and 1e-07 as exponents; ``<``, ``>`` and
``&`` as escapes except in toRawJson. Reading makes every number a float64, as Go does.

This module does not know where in a template its text goes; `Encoded` says that it is JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring

from subscriber.model.event import Json
from subscriber.model.problem import excerpt
from subscriber.template.functions.arguments import LETTERS_PER_STEP, text_by_letters
from subscriber.template.functions.registry import Encoded, FunctionError, Run, function

_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_LINES = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})
_BROKEN = re.compile("[\ud800-\udfff]")  # bytes that are no UTF-8, see semantics.values
_PRETTY = "  "


@function(
    "toJson",
    signature="toJson value",
    doc="The value as JSON on one line; `<`, `>` and `&` are written as escapes.",
    category="json",
    examples=[
        ("{{toJson .labels}}", {"labels": {"b": [1, 2.5], "a": None}}, '{"a":null,"b":[1,2.5]}'),
        ("{{toJson .text}}", {"text": 'a <b> "c"'}, r'"a \u003cb\u003e \"c\""'),
    ],
    run=True,
)
def to_json(run: Run, value: Json) -> Encoded:
    """Go's json.Marshal; an infinite number gives empty text."""
    return _encoded(run, value, html=True)


@function(
    "toRawJson",
    signature="toRawJson value",
    doc="Like `toJson`, leaving `<`, `>` and `&` as they are.",
    category="json",
    examples=[("{{toRawJson .text}}", {"text": "a <b> & c"}, '"a <b> & c"')],
    run=True,
)
def to_raw_json(run: Run, value: Json) -> Json:
    """Go's json.Encoder without EscapeHTML."""
    encoded = _encoded(run, value, html=False)
    if not encoded:
        raise FunctionError("an infinite number or NaN has no JSON")
    return encoded


@function(
    "toPrettyJson",
    signature="toPrettyJson value",
    doc="The value as JSON on several lines, indented by two spaces.",
    category="json",
    examples=[("{{toPrettyJson .labels}}", {"labels": {"a": [1]}}, '{\n  "a": [\n    1\n  ]\n}')],
    run=True,
)
def to_pretty_json(run: Run, value: Json) -> Json:
    """Go's json.MarshalIndent."""
    compact = _encoded(run, value, html=True)
    if not compact:
        return compact
    pieces: list[str] = []
    length, pay_at = 0, len(compact)
    for piece in _pretty(value, "\n"):
        length += len(piece)
        pieces.append(piece)
        if length > pay_at:  # indenting can add far more than there was
            pay_at = 2 * length
            run.charge_text(length)
    pretty = "".join(pieces)
    return Encoded(pretty, pretty)


@function(
    "fromJson",
    signature="fromJson text",
    doc="The value that a JSON text stands for; nothing when it is not JSON.",
    category="json",
    examples=[
        ("{{(fromJson .body).code}}", {"body": '{"code": 503}'}, "503"),
        ('{{fromJson .body | default "unreadable"}}', {"body": "<html>"}, "unreadable"),
    ],
    run=True,
)
def from_json(run: Run, value: Json) -> Json:
    """Numbers become float64, as in Go."""
    try:
        return decode(text_by_letters(run, value))
    except ValueError:
        return None


@function(
    "mustFromJson",
    signature="mustFromJson text",
    doc="Like `fromJson`, but text that is not JSON is an error.",
    category="json",
    examples=[("{{index (mustFromJson .list) 1}}", {"list": "[1, true]"}, "true")],
    run=True,
)
def must_from_json(run: Run, value: Json) -> Json:
    """Numbers become float64, as in Go."""
    try:
        return decode(text_by_letters(run, value), beyond_float=_refuse)
    except ValueError as error:
        raise FunctionError(f"the value is not JSON: {error}") from None


def encode(value: Json, *, html: bool = True) -> str:
    """A value as compact JSON in Go's spelling.

    Raises:
        ValueError: NaN or an infinite number.
        RecursionError: nested about a thousand times.
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_text(value, html=html)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return encode_float(value)
    if isinstance(value, list):
        return "[" + ",".join([encode(item, html=html) for item in value]) + "]"
    pairs = [
        encode_text(key, html=html) + ":" + encode(value[key], html=html) for key in sorted(value)
    ]
    return "{" + ",".join(pairs) + "}"


def encode_text(value: str, *, html: bool = False) -> str:
    """A text as a JSON string, with ``<``, ``>`` and ``&`` as escapes if `html`."""
    written: str = encode_basestring(value)
    if not written.isascii():
        written = _BROKEN.sub(r"\\ufffd", written.translate(_LINES))
    return written.translate(_HTML) if html else written


def encode_float(number: float) -> str:
    """A float in the spelling of Go (and of JavaScript): 1, 0.5, 1e+21, 1e-7.

    Raises:
        ValueError: NaN or infinite.
    """
    if not math.isfinite(number):
        raise ValueError("an infinite number or NaN has no JSON")
    written = repr(number)
    if "e" not in written:
        return written.removesuffix(".0")
    size = abs(number)
    if 1e-6 <= size < 1e21:
        return format_plain(written)
    mantissa, exponent = written.split("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"


def format_plain(written: str) -> str:
    """What ``repr`` wrote with an exponent, written without one."""
    mantissa, _, power = written.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    before, _, after = mantissa.lstrip("-").partition(".")
    digits = before + after
    point = len(before) + int(power)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}".rstrip("0").rstrip(".")
    digits = digits.ljust(point, "0")
    fraction = digits[point:].rstrip("0")
    return sign + digits[:point] + (f".{fraction}" if fraction else "")


def decode(source: str, *, beyond_float: Callable[[str], Json] = lambda digits: None) -> Json:
    """Read JSON as Go's json.Unmarshal into an empty interface does: every number is a float.

    Args:
        source: the text.
        beyond_float: gives the value of a number that is too large for a float64.

    Raises:
        ValueError: it is not JSON; the text says where.
    """

    def number(digits: str) -> Json:
        value = float(digits)
        return value if math.isfinite(value) else beyond_float(digits)

    try:
        value: Json = json.loads(
            source, parse_int=number, parse_float=number, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.lower()} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return _readable_all(value) if "\\u" in source else value


def _readable_all(value: Json) -> Json:
    if isinstance(value, str):
        return _readable(value)
    if isinstance(value, list):
        return [_readable_all(item) for item in value]
    if isinstance(value, dict):
        return {_readable(key): _readable_all(item) for key, item in value.items()}
    return value


def _readable(value: str) -> str:
    # Half of a surrogate pair is no character; Go puts the replacement character for it.
    return _BROKEN.sub("\ufffd", value)


def _refuse(number: str) -> Json:
    raise ValueError(f"{excerpt(number)} is no number that JSON and a float64 can hold")


def _encoded(run: Run, value: Json, *, html: bool) -> Encoded:
    try:
        written = encode(value, html=html)
    except ValueError:
        return Encoded("", "null")
    except RecursionError:
        raise FunctionError("the value is nested too deeply") from None
    run.charge(len(written) // LETTERS_PER_STEP)
    return Encoded(written, written)


def _pretty(value: Json, line: str) -> Iterator[str]:
    inner = line + _PRETTY
    if isinstance(value, list) and value:
        yield "["
        for number, item in enumerate(value):
            yield ("," if number else "") + inner
            yield from _pretty(item, inner)
        yield line + "]"
    elif isinstance(value, dict) and value:
        yield "{"
        for number, key in enumerate(sorted(value)):
            yield f"{',' if number else ''}{inner}{encode_text(key, html=True)}: "
            yield from _pretty(value[key], inner)
        yield line + "}"
    else:
        yield encode(value)
