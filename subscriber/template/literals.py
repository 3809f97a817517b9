"""Go's literals to Python values: numbers, quoted and raw strings, character constants.

Rules: as strconv.Unquote, UnquoteChar, ParseInt, ParseUint and ParseFloat have them; a failure is a
ValueError with one sentence. Bytes that are no UTF-8 (``"\\xff"``) live in a str as Python's
surrogate escapes, see `semantics.text`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_OCTAL = re.compile(r"[0-7]{3}\Z")

_DECIMAL = r"(?:0|[1-9](?:_?[0-9])*)"
_INTEGER = re.compile(
    rf"(?P<sign>[+-]?)(?:0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0[bB](?P<bin>(?:_?[01])+)"
    rf"|0[oO](?P<oct>(?:_?[0-7])+)|0(?P<old>(?:_?[0-7])+)|(?P<dec>{_DECIMAL}))\Z"
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "old": 8, "dec": 10}
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_HEX_FLOAT = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+\Z"
)
# An underscore stands between two digits; a base prefix counts as a digit.
_BAD_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_BAD_HEX_UNDERSCORE = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])")

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written. `value` is an int or a float, by Go's rules for untyped constants.

    `overflow` marks an unsigned constant too large for an int: an error only when it is used.
    """

    text: str
    value: int | float
    overflow: bool = False


def number(text: str) -> Number:
    """A number token's value.

    Raises:
        ValueError: it is no number, too large, or complex (which we leave out).
    """
    if text.endswith("i"):
        raise ValueError("complex numbers are not supported")
    integer = _integer(text)
    if integer is not None and INT_MIN <= integer <= INT_MAX:
        return Number(text, integer)
    if integer is not None and 0 <= integer <= UINT_MAX and text[0] not in "+-":
        return Number(text, 0, overflow=True)
    real = _float(text)
    if real is None:
        raise ValueError(f"{text} is not a number" if integer is None else f"{text} is too large")
    if not any(c in text for c in ".eEpP"):
        what = "an octal number" if integer is None else "a whole number that fits in 64 bits"
        raise ValueError(f"{text} is not {what}")
    return Number(text, real)


def _integer(text: str) -> int | None:
    match = _INTEGER.match(text)
    if match is None:
        return None
    base = match.lastgroup or "dec"
    value = int(match[base].replace("_", ""), _BASES[base])
    return -value if match["sign"] == "-" else value


def _float(text: str) -> float | None:
    hexadecimal = "x" in text or "X" in text
    if (_BAD_HEX_UNDERSCORE if hexadecimal else _BAD_UNDERSCORE).search(text):
        return None
    plain = text.replace("_", "")
    try:
        if not hexadecimal:
            value = float(plain) if _FLOAT.match(plain) else math.nan
        else:
            value = float.fromhex(plain) if _HEX_FLOAT.match(plain) else math.nan
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def unquote(text: str) -> str:
    """The value of a string token, double-quoted or raw.

    Raises:
        ValueError: an escape is wrong.
    """
    body = text[1:-1]
    if text[0] == "`":
        return body.replace("\r", "")
    if "\\" not in body:
        return body
    pieces: list[str] = []
    raw = bytearray()
    position = 0
    while position < len(body):
        value, byte, position = _character(body, position, '"')
        if byte is not None:
            raw.append(byte)
            continue
        if raw:
            pieces.append(raw.decode("utf-8", "surrogateescape"))
            raw.clear()
        pieces.append(value)
    if raw:
        pieces.append(raw.decode("utf-8", "surrogateescape"))
    joined = "".join(pieces)
    # Bytes written one by one may, together with their neighbours, be characters.
    return joined.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def character(text: str) -> int:
    """The code point of a character constant such as ``'a'`` or ``'\\n'``.

    Raises:
        ValueError: it is not exactly one character.
    """
    body = text[1:-1]
    if not body or (body[0] == "'"):
        raise ValueError(f"{text} is not one character")
    value, byte, position = _character(body, 0, "'")
    if position != len(body):
        raise ValueError(f"{text} is not one character")
    return byte if byte is not None else ord(value)


def _character(body: str, position: int, quote: str) -> tuple[str, int | None, int]:
    """One character or one raw byte (second item), and where it ends."""
    first = body[position]
    if first != "\\":
        return first, None, position + 1
    escape = body[position + 1 : position + 2]
    position += 2
    if escape in _SIMPLE and escape:
        return _SIMPLE[escape], None, position
    if escape and escape in "'\"":
        if escape != quote:
            raise ValueError(f"\\{escape} is not an escape here")
        return escape, None, position
    if escape in _HEX_DIGITS and escape:
        width = _HEX_DIGITS[escape]
        digits = body[position : position + width]
        if len(digits) != width or not _HEX.match(digits):
            raise ValueError(f"\\{escape} needs {width} hexadecimal digits")
        value = int(digits, 16)
        position += width
        if escape == "x":
            return ("", value, position) if value >= 0x80 else (chr(value), None, position)
        if value > 0x10FFFF or 0xD800 <= value < 0xE000:
            raise ValueError(f"\\{escape}{digits} is not a character")
        return chr(value), None, position
    digits = body[position - 1 : position + 2]
    if _OCTAL.match(digits):
        value = int(digits, 8)
        if value > 255:
            raise ValueError(f"\\{digits} is larger than a byte")
        position += 2
        return ("", value, position) if value >= 0x80 else (chr(value), None, position)
    raise ValueError(f"\\{escape} is not an escape")
