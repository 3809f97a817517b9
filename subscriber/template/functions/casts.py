"""Numbers out of anything: the lenient conversions behind int, float64, add, round and the like.

Rules: these never fail, they answer 0 for what they cannot read, as the library behind sprig does
(github.com/spf13/cast). A whole number is Go's int64: results outside of it wrap around.

What surprises people and is kept: ``"010"`` is octal (8), ``"0x1F"`` is hexadecimal, ``"3.0"`` is 3
but ``"3.7"`` is 0, and true is 1.

This module does not know the functions.
"""

from __future__ import annotations

import math
import re

from subscriber.model.event import Json

_LONGEST = 1000
_LEAST, _MOST = -(2**63), 2**63 - 1
_ZERO_DECIMAL = re.compile(r"\.0+\Z")
_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])+|0|[1-9](?:_?[0-9])*)",
    re.ASCII,
)
_DECIMAL = re.compile(r"[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?", re.ASCII)
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX]_?[0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?[pP][+-]?\d[\d_]*", re.ASCII
)
# An underscore stands between two digits; the prefix of a hexadecimal number counts as a digit.
_BAD_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_BAD_HEXADECIMAL_UNDERSCORE = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])")
_INFINITY = {"inf", "infinity"}


def wrap64(number: int) -> int:
    """The number as Go's int64 holds it: beyond the ends it wraps around."""
    if _LEAST <= number <= _MOST:
        return number
    return (number - _LEAST) % 2**64 + _LEAST


def to_int64(value: Json) -> int:
    """Any value as a whole number; fractions are cut off, what cannot be read is 0."""
    if isinstance(value, int):
        return wrap64(int(value))
    if isinstance(value, float):
        return _from_float(value)
    if isinstance(value, str):
        return _from_text(value)
    return 0


def to_float64(value: Json) -> float:
    """Any value as a float; what cannot be read is 0."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        number = parse_float(value)
        return 0.0 if number is None else number  # -0.0 is a number
    return 0.0


def parse_int(text: str) -> int | None:
    """What Go's ``strconv.ParseInt(text, 0, 64)`` reads, or None for its errors."""
    if len(text) > _LONGEST or not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    # Go writes octal with a leading 0 as well; Python wants 0o.
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567_"
    number = int("0o" + digits[1:].lstrip("_") if octal else digits, 0)
    number = -number if text[0] == "-" else number
    return number if _LEAST <= number <= _MOST else None


def parse_float(text: str) -> float | None:
    """What Go's ``strconv.ParseFloat(text, 64)`` reads, or None for its errors."""
    if len(text) > _LONGEST:
        return None
    plain = text.lstrip("+-").lower() if text[:2] not in {"+-", "-+", "++", "--"} else ""
    if plain in _INFINITY:
        return -math.inf if text[0] == "-" else math.inf
    if text.lower() == "nan":
        return math.nan
    try:
        if _DECIMAL.fullmatch(text) and not _BAD_UNDERSCORE.search(text):
            number = float(text.replace("_", ""))
        elif _HEXADECIMAL.fullmatch(text) and not _BAD_HEXADECIMAL_UNDERSCORE.search(text):
            number = float.fromhex(text.replace("_", ""))
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return None if math.isinf(number) else number


def _from_float(number: float) -> int:
    if math.isnan(number) or not -(2.0**63) <= number < 2.0**63:
        return _LEAST  # what the conversion gives on amd64; Go leaves it open
    return int(number)


def _from_text(text: str) -> int:
    return parse_int(_ZERO_DECIMAL.sub("", text)) or 0
