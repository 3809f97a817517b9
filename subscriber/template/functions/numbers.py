"""Numbers: conversions, whole-number and decimal arithmetic, rounding, the kinds of values.

Rules: as in sprig, add, sub, mul, div, mod, max and min work with whole numbers (fractions are cut
off first, digits in text count) and their names with an f at the end with fractions. What cannot be
read as a number is 0. Whole numbers wrap around at 64 bits.

This module does not know how numbers are printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from operator import add as plus
from operator import mul as times
from operator import sub as minus

from subscriber.model.event import Json
from subscriber.template.functions.arguments import text, whole
from subscriber.template.functions.casts import to_float64, to_int64, wrap64
from subscriber.template.functions.registry import FunctionError, function

_MOST_INT64 = 2**63 - 1
_QUOTIENT_DECIMALS = 16


@function(
    "int",
    signature="int value",
    doc="The value as a whole number: fractions are cut off, text is read, anything else is 0.",
    category="numbers",
    examples=[("{{int .score}}", {"score": 87.9}, "87"), ('{{int "42" | add 1}}', None, "43")],
)
@function(
    "int64",
    signature="int64 value",
    doc="The same as `int`.",
    category="numbers",
    examples=[("{{int64 .score}}", {"score": 87.9}, "87")],
)
def to_int(value: Json) -> int:
    """Go's int and int64 are one here."""
    return to_int64(value)


@function(
    "float64",
    signature="float64 value",
    doc="The value as a number with fractions; what cannot be read is 0.",
    category="numbers",
    examples=[('{{printf "%.1f" (float64 .score)}}', {"score": "87.94"}, "87.9")],
)
def to_float(value: Json) -> float:
    """Whole numbers too."""
    return to_float64(value)


@function(
    "atoi",
    signature="atoi text",
    doc="The whole number that the text says in decimal digits; 0 for anything else.",
    category="numbers",
    examples=[('{{atoi "010"}}', None, "10"), ('{{atoi "4x"}}', None, "0")],
)
def atoi(value: Json) -> Json:
    """Unlike int, a leading 0 does not mean octal."""
    source = text(value)
    digits = source[1:] if source[:1] in {"+", "-"} else source
    if not (digits.isascii() and digits.isdigit()):
        return 0
    size = int(digits[-4000:]) if len(digits.lstrip("0")) <= 4000 else _MOST_INT64 + 1
    return max(-size, -_MOST_INT64 - 1) if source[0] == "-" else min(size, _MOST_INT64)


@function(
    "add",
    signature="add number...",
    doc="The sum, as a whole number.",
    category="numbers",
    examples=[("{{add 1 2 3}}", None, "6"), ("{{add .index 1}}", {"index": 4}, "5")],
)
def add(*numbers: Json) -> int:
    """Nothing added is 0."""
    return wrap64(sum(map(to_int64, numbers)))


@function(
    "add1",
    signature="add1 number",
    doc="The number plus 1.",
    category="numbers",
    examples=[("{{range $i, $x := .items}}{{add1 $i}}.{{end}}", {"items": ["a", "b"]}, "1.2.")],
)
def add1(number: Json) -> int:
    """For counting from 1."""
    return wrap64(to_int64(number) + 1)


@function(
    "sub",
    signature="sub number subtrahend",
    doc="The difference, as a whole number.",
    category="numbers",
    examples=[("{{sub .total .passed}}", {"total": 10, "passed": 8}, "2")],
)
def sub(number: Json, subtrahend: Json) -> int:
    """First minus second."""
    return wrap64(to_int64(number) - to_int64(subtrahend))


@function(
    "mul",
    signature="mul number factor...",
    doc="The product, as a whole number.",
    category="numbers",
    examples=[("{{mul 60 .minutes}}", {"minutes": 5}, "300")],
)
def mul(number: Json, *factors: Json) -> Json:
    """Fractions are cut off before multiplying."""
    product = to_int64(number)
    for factor in factors:
        product = wrap64(product * to_int64(factor))
    return product


@function(
    "div",
    signature="div number divisor",
    doc="The quotient without its fraction; dividing by 0 is an error.",
    category="numbers",
    examples=[("{{div .seconds 60}}", {"seconds": 150}, "2")],
)
def div(number: Json, divisor: Json) -> Json:
    """Rounds towards 0, as Go does."""
    return _divided(number, divisor)[0]


@function(
    "mod",
    signature="mod number divisor",
    doc="The remainder of the division; it has the sign of the number.",
    category="numbers",
    examples=[("{{mod .seconds 60}}", {"seconds": 150}, "30"), ("{{mod -7 3}}", None, "-1")],
)
def mod(number: Json, divisor: Json) -> Json:
    """As Go's %."""
    return _divided(number, divisor)[1]


@function(
    "max",
    signature="max number...",
    doc="The largest of the numbers, as a whole number.",
    category="numbers",
    examples=[("{{max 1 .score 3}}", {"score": 7.9}, "7")],
)
def most(number: Json, *numbers: Json) -> Json:
    """Fractions are cut off first."""
    return max(map(to_int64, (number, *numbers)))


@function(
    "min",
    signature="min number...",
    doc="The smallest of the numbers, as a whole number.",
    category="numbers",
    examples=[("{{min 9 .score 8}}", {"score": 7.9}, "7")],
)
def least(number: Json, *numbers: Json) -> Json:
    """Fractions are cut off first."""
    return min(map(to_int64, (number, *numbers)))


@function(
    "maxf",
    signature="maxf number...",
    doc="The largest of the numbers.",
    category="numbers",
    examples=[("{{maxf 1 .score 3}}", {"score": 7.9}, "7.9")],
)
def most_float(number: Json, *numbers: Json) -> Json:
    """NaN wins, as in Go."""
    return _extreme(max, map(to_float64, (number, *numbers)))


@function(
    "minf",
    signature="minf number...",
    doc="The smallest of the numbers.",
    category="numbers",
    examples=[("{{minf 9 .score 8}}", {"score": 7.9}, "7.9")],
)
def least_float(number: Json, *numbers: Json) -> Json:
    """NaN wins, as in Go."""
    return _extreme(min, map(to_float64, (number, *numbers)))


@function(
    "addf",
    signature="addf number...",
    doc="The sum, with fractions, calculated in decimal.",
    category="numbers",
    examples=[("{{addf 0.1 0.2}}", None, "0.3")],
)
def addf(*numbers: Json) -> Json:
    """Exact before the result is rounded to a float64."""
    return _decimal(plus, 0, numbers)


@function(
    "subf",
    signature="subf number subtrahend...",
    doc="The difference, with fractions, calculated in decimal.",
    category="numbers",
    examples=[("{{subf 1 .score}}", {"score": 0.9}, "0.1")],
)
def subf(number: Json, *subtrahends: Json) -> Json:
    """Exact before the result is rounded to a float64."""
    return _decimal(minus, number, subtrahends)


@function(
    "mulf",
    signature="mulf number factor...",
    doc="The product, with fractions, calculated in decimal.",
    category="numbers",
    examples=[("{{mulf .ratio 100}}%", {"ratio": 0.07}, "7%")],
)
def mulf(number: Json, *factors: Json) -> Json:
    """Exact before the result is rounded to a float64."""
    return _decimal(times, number, factors)


@function(
    "divf",
    signature="divf number divisor...",
    doc="The quotient, with fractions, calculated in decimal; dividing by 0 is an error.",
    category="numbers",
    examples=[("{{divf .ms 1000}}s", {"ms": 1250}, "1.25s")],
)
def divf(number: Json, *divisors: Json) -> Json:
    """Rounded to 16 places after the point, as sprig's decimals are."""
    return _decimal(_quotient, number, divisors)


@function(
    "round",
    signature="round number places [threshold]",
    doc="The number rounded to so many places after the point; fractions of at least the "
    "threshold (0.5) go up. Negative numbers always go down, as in sprig.",
    category="numbers",
    examples=[("{{round .score 1}}", {"score": 87.25}, "87.3"), ("{{round 87.6 0}}", None, "88")],
)
def rounded(number: Json, places: Json, *thresholds: Json) -> float:
    """Sprig's formula, with its quirks; thresholds after the first mean nothing."""
    threshold = thresholds[0] if thresholds else 0.5
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise FunctionError("the threshold must be a number")
    power = _power_of_ten(whole(places, "the places"))
    scaled = power * (number if type(number) is float else to_float64(number))
    up = math.modf(scaled)[0] >= threshold
    result = _ceil(scaled) if up else _floor(scaled)
    if power == 0:
        return math.nan if result == 0 or math.isnan(result) else math.copysign(math.inf, result)
    return result / power


@function(
    "floor",
    signature="floor number",
    doc="The nearest whole number that is not larger.",
    category="numbers",
    examples=[("{{floor .score}}", {"score": 87.9}, "87")],
)
def floor(number: Json) -> Json:
    """A float64, as in sprig."""
    return _floor(to_float64(number))


@function(
    "ceil",
    signature="ceil number",
    doc="The nearest whole number that is not smaller.",
    category="numbers",
    examples=[("{{ceil .score}}", {"score": 87.1}, "88")],
)
def ceil(number: Json) -> Json:
    """A float64, as in sprig."""
    return _ceil(to_float64(number))


def _divided(number: Json, divisor: Json) -> tuple[int, int]:
    numerator, denominator = to_int64(number), to_int64(divisor)
    if denominator == 0:
        raise FunctionError(
            "cannot divide by 0",
            hint="text that is not a number counts as 0, and 0.5 is cut off to 0; see divf",
        )
    quotient = abs(numerator) // abs(denominator)
    quotient = quotient if (numerator < 0) == (denominator < 0) else -quotient
    return wrap64(quotient), numerator - quotient * denominator


def _extreme(choose: Callable[[Iterable[float]], float], numbers: Iterable[float]) -> float:
    present = list(numbers)
    return math.nan if any(map(math.isnan, present)) else choose(present)


def _decimal(
    operation: Callable[[Fraction, Fraction], Fraction], start: Json, numbers: tuple[Json, ...]
) -> float:
    result = _exact(start)
    for number in numbers:
        result = operation(result, _exact(number))
    try:
        return float(result)
    except OverflowError:
        return math.inf if result > 0 else -math.inf


def _exact(value: Json) -> Fraction:
    number = to_float64(value)
    if not math.isfinite(number):
        raise FunctionError("cannot calculate with an infinite number or NaN")
    return Fraction(repr(number))  # the decimal number as it is written


def _quotient(number: Fraction, divisor: Fraction) -> Fraction:
    if divisor == 0:
        raise FunctionError("cannot divide by 0", hint="text that is not a number counts as 0")
    scale = 10**_QUOTIENT_DECIMALS
    exact = number / divisor * scale
    size = math.floor(abs(exact) + Fraction(1, 2))
    return Fraction(size if exact >= 0 else -size, scale)


@lru_cache(maxsize=64)
def _power_of_ten(places: int) -> float:
    try:
        return math.pow(10, places)
    except OverflowError:
        return math.inf if places > 0 else 0.0


def _floor(number: float) -> float:
    return math.copysign(math.floor(number), number) if math.isfinite(number) else number


def _ceil(number: float) -> float:
    return math.copysign(math.ceil(number), number) if math.isfinite(number) else number
