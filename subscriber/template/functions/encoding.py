"""Encodings and checksums of text.

Rule: text is encoded as UTF-8 first. Checksums are for short stable names (a deduplication key),
not for secrets.

This module does not know JSON or URLs.
"""

from __future__ import annotations

import binascii
import hashlib
import zlib
from base64 import b64encode, urlsafe_b64encode

from subscriber.model.event import Json
from subscriber.template.functions.arguments import text
from subscriber.template.functions.registry import FunctionError, function
from subscriber.template.semantics.values import from_bytes, to_bytes

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_LINE_ENDS = b"\r\n"
_PADDING = ord("=")


class _Corrupt(Exception):
    """Not base64; carries the offset of the first wrong byte."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"illegal base64 data at input byte {offset}")


@function(
    "b64enc",
    signature="b64enc text",
    doc="The text in base64.",
    category="encoding",
    examples=[('{{b64enc "page me"}}', None, "cGFnZSBtZQ==")],
)
def b64enc(value: Json) -> Json:
    """The standard alphabet, with padding."""
    return b64encode(to_bytes(text(value))).decode()


@function(
    "b64dec",
    signature="b64dec text",
    doc="The text that base64 stands for; what is no base64 gives a text that says so.",
    category="encoding",
    examples=[
        ('{{b64dec "cGFnZSBtZQ=="}}', None, "page me"),
        ('{{b64dec "page me"}}', None, "illegal base64 data at input byte 4"),
    ],
)
def b64dec(value: Json) -> Json:
    """Sprig returns the complaint as the result, so we do."""
    try:
        return from_bytes(_decode(to_bytes(text(value))))
    except _Corrupt as error:
        return str(error)


@function(
    "base64encode",
    signature="base64encode text",
    doc="The text in the base64 for URLs (`-` and `_` instead of `+` and `/`).",
    category="alertmanager",
    examples=[('{{base64encode "a?b>c~"}}', None, "YT9iPmN-")],
)
def base64_encode(value: Json) -> Json:
    """With padding."""
    return urlsafe_b64encode(to_bytes(text(value))).decode()


@function(
    "base64decode",
    signature="base64decode text",
    doc="The text that base64 for URLs stands for.",
    category="alertmanager",
    examples=[('{{base64decode "YT9iPmN-"}}', None, "a?b>c~")],
)
def base64_decode(value: Json) -> Json:
    """Refuses what is not base64, as Alertmanager does."""
    source = to_bytes(text(value))
    # Swapping both ways makes the standard alphabet's own characters wrong here.
    swapped = source.translate(bytes.maketrans(b"-_+/", b"+/-_"))
    try:
        return from_bytes(_decode(swapped))
    except _Corrupt as error:
        raise FunctionError(str(error)) from None


def _checksum(name: str, what: str, example: str) -> None:
    @function(
        f"{name}sum",
        signature=f"{name}sum text",
        doc=f"The {what} checksum of the text in hexadecimal.",
        category="encoding",
        examples=[(f'{{{{{name}sum "page" | trunc 12}}}}', None, example)],
    )
    def checksum(value: Json) -> Json:
        return hashlib.new(name, to_bytes(text(value)), usedforsecurity=False).hexdigest()


_checksum("sha1", "SHA-1", "767013ce0ee0")
_checksum("sha256", "SHA-256", "3660315a9af3")
_checksum("sha512", "SHA-512", "a2f08d9c5b3f")


@function(
    "adler32sum",
    signature="adler32sum text",
    doc="The Adler-32 checksum of the text as a decimal number.",
    category="encoding",
    examples=[('{{adler32sum "page"}}', None, "68813214")],
)
def adler32sum(value: Json) -> Json:
    """Short, and not hard to collide with."""
    return str(zlib.adler32(to_bytes(text(value))))


def _decode(source: bytes) -> bytes:
    """Decode padded standard base64, ignoring line ends.

    Raises:
        _Corrupt: at the byte that Go names.
    """
    try:
        return binascii.a2b_base64(source.translate(None, _LINE_ENDS), strict_mode=True)
    except binascii.Error:
        raise _Corrupt(_wrong_byte(source)) from None


def _wrong_byte(source: bytes) -> int:
    places = [at for at, letter in enumerate(source) if letter not in _LINE_ENDS]
    for number, at in enumerate(places):
        if source[at] in _ALPHABET:
            continue
        in_group, after = number % 4, places[number + 1 :]
        if source[at] != _PADDING or in_group < 2:
            return at
        if in_group == 2:
            if not after:
                return len(source)
            if source[after[0]] != _PADDING:
                return after[0] - 1
            after = after[1:]
        return after[0] if after else len(source)
    return len(source) - len(places) % 4
