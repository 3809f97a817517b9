"""Values and texts as JSON: what the JSON context writes.

Rules: whatever comes in, what goes out is one JSON value, or the inside of one JSON string; numbers
look as Go prints them; maps are written in key order. Broken UTF-8 becomes U+FFFD.
"""

from __future__ import annotations

import math
import re
from json.encoder import encode_basestring
from typing import cast

import msgspec

from subscriber.template.semantics.floats import show_float
from subscriber.template.semantics.show import text
from subscriber.template.semantics.values import MAX_OUTPUT, MISSING, Encoded, clean, too_long

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")


def _plain(value: object) -> object:
    """What msgspec does not take by itself: our subclasses of str and int."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    raise TypeError(type(value).__name__)


_encode = msgspec.json.Encoder(order="sorted", enc_hook=_plain).encode


def json_number(candidate: str) -> bool:
    """Whether a text is a JSON number."""
    return _NUMBER.match(candidate) is not None


def json_string(value: str) -> str:
    """A text as a JSON string, with its quotes."""
    if not value.isascii():
        value = clean(value)
    return encode_basestring(value)


def inside_string(value: object) -> str:
    """A value printed, escaped for the inside of a JSON string."""
    if type(value) is str and value.isascii():
        return encode_basestring(value)[1:-1]
    printed = text(value)
    if not printed.isascii():
        printed = clean(printed)
    return encode_basestring(printed)[1:-1]


def json_value(value: object) -> str:
    """A value as one JSON value; no value is null."""
    if type(value) is str:
        return encode_basestring(value if value.isascii() else clean(value))
    kind = type(value)
    if kind is int:
        return str(value)
    if value is None or value is MISSING:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if kind is float:
        number = cast(float, value)
        return show_float(number) if math.isfinite(number) else "null"
    if isinstance(value, Encoded):
        return value.json
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, str):
        return json_string(value)
    encoded = _tree(value)
    if len(encoded) > MAX_OUTPUT:
        raise too_long()
    return encoded


def json_key(value: object) -> str:
    """A value as the key of an object: its text, quoted."""
    return json_string(text(value))


def _tree(value: object) -> str:
    try:
        return _encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        return _encode(_cleaned(value)).decode()


def _cleaned(value: object) -> object:
    """A copy whose texts are all valid, for the rare value that has one that is not."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
