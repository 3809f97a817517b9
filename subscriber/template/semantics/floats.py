"""Floats as Go's strconv.FormatFloat writes them.

Rules: precision -1 means the fewest digits that read back as the same number; exponents have at
least two digits. Python's own ``e`` and ``f`` round the same way; ``g`` without precision, ``b``
and ``x`` are done here.
"""

from __future__ import annotations

import math

_INTEGRAL_BELOW = 1e6  # a whole float below it has no exponent
_PLAIN_FROM = 1e-4  # and a smaller one has


def show_float(value: float) -> str:
    """Go's %v of a float64: ``85``, ``0.5``, ``1e+06``."""
    if -_INTEGRAL_BELOW < value < _INTEGRAL_BELOW:
        if value == (whole := int(value)):
            return str(whole) if whole or math.copysign(1.0, value) > 0 else "-0"
        if not -_PLAIN_FROM < value < _PLAIN_FROM:
            return repr(value)
    return format_float(value, "g", -1)


def format_float(value: float, verb: str, precision: int) -> str:
    """strconv.FormatFloat for 64 bits; `verb` is one of ``b e E f g G x X``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if verb == "b":
        return _binary(value)
    if verb in "xX":
        text = _hexadecimal(value, precision)
        return text.upper() if verb == "X" else text
    if precision >= 0:
        return f"{value:.{precision}{verb}}"
    text = _shortest(value)
    return text.upper() if verb in "EG" else text


def _shortest(value: float) -> str:
    """Format ``g`` with the fewest digits; an exponent is written below -4 and from 6 on."""
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return f"{sign}0"
    if not -4 <= point - 1 < 6:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{point - 1:+03d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _binary(value: float) -> str:
    """``mantissa p exponent`` with a whole 53-bit mantissa."""
    mantissa, exponent = math.frexp(abs(value))
    whole = int(mantissa * (1 << 53))
    exponent -= 53
    if exponent < -1074:
        whole, exponent = whole >> (-1074 - exponent), -1074
    if not whole:
        exponent = -1074
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    return f"{sign}{whole}p{exponent:+d}"


def _hexadecimal(value: float, precision: int) -> str:
    """``0x1.8p+01``: one digit before the point, a decimal exponent of at least two digits."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    mantissa, exponent = math.frexp(abs(value))
    if mantissa:
        # 1.fraction with 52 bits behind the point, after the one in front.
        bits, exponent = int(mantissa * (1 << 53)), exponent - 1
    else:
        bits, exponent = 0, 0
    if 0 <= precision < 13:
        drop = 52 - 4 * precision
        rest, bits = bits & ((1 << drop) - 1), bits >> drop
        half = 1 << (drop - 1)
        bits += rest > half or (rest == half and bits & 1)
        bits <<= drop
        if bits >> 53:
            bits, exponent = bits >> 1, exponent + 1
    fraction = f"{bits & ((1 << 52) - 1):013x}"
    fraction = fraction.rstrip("0") if precision < 0 else fraction[:precision].ljust(precision, "0")
    point = f".{fraction}" if fraction else ""
    return f"{sign}0x{bits >> 52}{point}p{exponent:+03d}"
