"""Reads JSON so that nothing ambiguous gets through: one text, one meaning, or a `Problem`.

Rules: UTF-8 only (one byte order mark is forgiven); no NaN or Infinity, and no number whose size
turns it into one; no duplicate keys at any depth; no lone surrogates; at most `DEPTH_LIMIT` nested
containers. Whole numbers of 20 digits and more become floats, as every reader with doubles sees
them (RFC 8259 section 6), so that arithmetic and encoders behind this module cannot fail on them.

Two paths, one answer. msgspec reads the text in a few microseconds but keeps the last of duplicate
keys silently; laid out with one member per line, the text and what was understood of it have the
same number of lines exactly when no key was dropped. When that cannot be said cheaply, or msgspec
refuses the text, the standard library reads it again with hooks, finds the reason and the place.

This module does not know CloudEvents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import NoReturn, TypeAlias

import msgspec

from subscriber.model import Json, Problem, Reason, excerpt
from subscriber.model.problem import KEY_CHARACTERS

DEPTH_LIMIT = 200
"""Nested objects and arrays; deeper text is refused. Real events stay below 20."""

_LAYOUT_BUDGET = 16_000_000
"""Upper bound, in bytes, for the one-member-per-line layout of the fast path."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONG_INTEGER = 20
_TWENTY_ZEROS = b"0" * _LONG_INTEGER
_MARKS = bytes.maketrans(b"123456789[", b"0" * 9 + b"{")
_SHORT = 4096
_FEW = 100
_LARGE_EXPONENTS = tuple(b"%b000" % sign for sign in (b"e", b"e+", b"e-", b"E", b"E+", b"E-"))
# What may hide behind sound syntax: an exponent that overflows, hundreds of digits (fewer
# than 200 stay finite even with the exponent 99), an escaped half of a surrogate pair. Only texts
# with one of these are examined value by value.
_SUSPICIOUS = re.compile(r"[eE]\+?[0-9]{3}|[0-9]{200}|\\u[dD][89a-fA-F]", re.ASCII)

_Place: TypeAlias = "tuple[_Place, str | int] | None"
"""Where a value stands: the place of what it is in, and its key or index there."""

_GO_ESCAPE = rb"\u00"
_GO_ESCAPES = ((rb"\u003c", b"<"), (rb"\u003e", b">"), (rb"\u0026", b"&"))

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_json(raw: bytes, where: str = "") -> Json:
    """Read one JSON text.

    Args:
        raw: the text in UTF-8.
        where: what the text is, for the message of a Problem (``data``, or empty for a message).

    Raises:
        Problem: EMPTY_MESSAGE, INVALID_ENCODING, NOT_JSON, NOT_A_NUMBER, DUPLICATE_KEY,
            LONE_SURROGATE, CONTROL_CHARACTER or TOO_DEEP.
    """
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    # Digits as zeros and brackets as braces, so that each is looked for once.
    marks = raw.translate(_MARKS)
    # More opening brackets than the limit may still be shallow (and may stand inside strings):
    # those texts take the slow path, which measures.
    brackets = marks.count(b"{")
    shallow = brackets <= DEPTH_LIMIT and brackets * len(raw) <= _LAYOUT_BUDGET
    if shallow and _TWENTY_ZEROS not in marks and not _is_laborious(marks):
        try:
            value: Json = _decode(raw)
            encoded = _encode(value)
            # Written the way we write (or Go does), it is proven by being the same: 8 us less.
            if encoded == raw or (_GO_ESCAPE in raw and encoded == _unescaped(raw)):
                return value
            if _lines(raw) == _lines(encoded):
                return value
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            pass  # the slow path says why
    return _read_slowly(raw, where)


def _is_laborious(marks: bytes) -> bool:
    """Whether msgspec would take seconds: it needs up to 20 us for a number near 1e308.

    Args:
        marks: the text with a zero in the place of every digit.
    """
    if len(marks) <= _SHORT:
        return False
    return sum(map(marks.count, _LARGE_EXPONENTS)) > _FEW


def check_value(value: Json, where: str = "") -> None:
    """Hold a value that did not come from `read_json` to the same rules.

    Raises:
        Problem: NOT_A_NUMBER, LONE_SURROGATE or TOO_DEEP, with the path of the first offence.
    """
    for place, leaf in _leaves(value, where):
        _check_leaf(leaf, where, place)


def _unescaped(raw: bytes) -> bytes:
    r"""With the characters that Go's encoder escapes for HTML (``\u003c``) written plainly.

    It moves no bracket, quote or comma. Behind an escaped backslash it makes an escape that no
    encoder writes, so such a text is never the same as one of ours.
    """
    for escape, character in _GO_ESCAPES:
        raw = raw.replace(escape, character)
    return raw


def _lines(text: bytes) -> int:
    return msgspec.json.format(text, indent=1).count(b"\n")


def _read_slowly(raw: bytes, where: str) -> Json:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Problem(
            Reason.INVALID_ENCODING,
            f"not UTF-8 from byte {error.start} on",
            where=where,
            hint="JSON is exchanged in UTF-8",
        ) from None
    if not text.strip(" \t\r\n"):
        raise Problem(Reason.EMPTY_MESSAGE, "the text is empty", where=where)
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=lambda pairs: _object(pairs, where),
            parse_constant=lambda name: _not_a_number(name, where),
            parse_int=_integer,
        )
    except RecursionError:
        raise _too_deep(where) from None
    except json.JSONDecodeError as error:
        reason = (
            Reason.CONTROL_CHARACTER
            if error.msg.startswith("Invalid control character") or "\x00" in text
            else Reason.NOT_JSON
        )
        raise Problem(
            reason,
            f"not JSON: {error.msg.lower()} at line {error.lineno} column {error.colno}",
            where=where,
        ) from None
    _check_depth(value, where)
    if _SUSPICIOUS.search(text):
        check_value(value, where)
    return value


def _check_depth(value: Json, where: str) -> None:
    """Level by level, so that a megabyte of values costs milliseconds."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH_LIMIT):
        if not level:
            return
        level = [
            member
            for node in level
            for member in (node.values() if isinstance(node, dict) else node)
            if isinstance(member, dict | list)
        ]
    if level:
        raise _too_deep(where)


def _object(pairs: list[tuple[str, Json]], where: str) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Problem(
                    Reason.DUPLICATE_KEY,
                    f"the key {excerpt(key)} is given twice in one object",
                    where=where,
                    hint="readers disagree about which one counts; send it once",
                )
            seen.add(key)
    return result


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits.lstrip("-")) < _LONG_INTEGER else float(digits)


def _not_a_number(name: str, where: str) -> NoReturn:
    raise Problem(
        Reason.NOT_A_NUMBER,
        f"{name} is not a JSON number",
        where=where,
        hint="send null, or leave the value out",
    )


def _too_deep(where: str) -> Problem:
    return Problem(
        Reason.TOO_DEEP, f"more than {DEPTH_LIMIT} objects and arrays in one another", where=where
    )


def _leaves(value: Json, where: str) -> Iterator[tuple[_Place, Json]]:
    """Every key and every scalar with its place, without recursion."""
    stack: list[tuple[_Place, Json, int]] = [(None, value, 0)]
    while stack:
        place, node, depth = stack.pop()
        if isinstance(node, dict):
            if depth >= DEPTH_LIMIT:
                raise _too_deep(where)
            for key, member in node.items():
                yield place, key
                stack.append(((place, key), member, depth + 1))
        elif isinstance(node, list):
            if depth >= DEPTH_LIMIT:
                raise _too_deep(where)
            stack.extend(((place, i), member, depth + 1) for i, member in enumerate(node))
        else:
            yield place, node


def _path(where: str, place: _Place) -> str:
    """Written out for the one value that is refused: paths for all would cost seconds."""
    parts: list[str] = []
    while place is not None:
        place, step = place
        parts.append(f"[{step}]" if isinstance(step, int) else f".{excerpt_key(step)}")
    return (where + "".join(reversed(parts))).removeprefix(".")


def excerpt_key(key: str) -> str:
    """A key as it may stand in a path: itself when it is short and plain, else quoted."""
    plain = len(key) < KEY_CHARACTERS and key.isascii() and key.isprintable()
    return key if plain else excerpt(key, 40)


def _check_leaf(leaf: Json, where: str, place: _Place) -> None:
    if isinstance(leaf, float):
        if not isfinite(leaf):
            raise Problem(
                Reason.NOT_A_NUMBER,
                "the number is too large to be represented",
                where=_path(where, place),
                hint="64-bit floating point ends at about 1.8e308",
            )
    elif isinstance(leaf, str) and not leaf.isascii():
        try:
            leaf.encode()
        except UnicodeEncodeError:
            raise Problem(
                Reason.LONE_SURROGATE,
                "half a surrogate pair is not a character",
                where=_path(where, place),
                hint="the producer cut a string between the two halves of a character",
            ) from None
