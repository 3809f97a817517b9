"""Encodings and checksums of text.

Rule: text is encoded as UTF-8 first. Checksums are for short stable names (a deduplication key),
not for secrets.

This module does not know JSON or URLs.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64decode, b64encode, urlsafe_b64encode

from subscriber.model.event import Json
from subscriber.template.functions.arguments import text, text_by_letters
from subscriber.template.functions.registry import FunctionError, Run, function
from subscriber.template.semantics.values import from_bytes, to_bytes

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_LINE_ENDS = b"\r\n"
_LETTERS = re.compile(rb"[A-Za-z0-9+/\r\n]*")
_ENDS_OF_LINES = re.compile(rb"[\r\n]*")


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
    run=True,
)
def b64dec(run: Run, value: Json) -> Json:
    """Sprig returns the complaint as the result, so we do."""
    try:
        return from_bytes(_decode(to_bytes(text_by_letters(run, value))))
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
    run=True,
)
def base64_decode(run: Run, value: Json) -> Json:
    """Refuses what is not base64, as Alertmanager does."""
    source = to_bytes(text_by_letters(run, value))
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
    letters = source.translate(None, _LINE_ENDS)
    if not _BASE64.fullmatch(letters):
        raise _Corrupt(_wrong_byte(source))
    return b64decode(letters)


def _wrong_byte(source: bytes) -> int:
    """Where Go's decoder stops."""
    at = _LETTERS.match(source).end()  # type: ignore[union-attr]  # it matches emptiness
    in_group = len(source[:at].translate(None, _LINE_ENDS)) % 4
    if at == len(source):
        return at - in_group
    if source[at : at + 1] != b"=" or in_group < 2:
        return at
    after = _next(source, at + 1)
    if in_group == 2:
        if after == len(source):
            return after
        if source[after : after + 1] != b"=":
            return after - 1
        after = _next(source, after + 1)
    return after


def _next(source: bytes, at: int) -> int:
    """The first place from there on that is no line end."""
    return _ENDS_OF_LINES.match(source, at).end()  # type: ignore[union-attr]  # as above
