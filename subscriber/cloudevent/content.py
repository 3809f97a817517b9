"""Media types: what a payload is, and how its bytes become a value.

Rules: one table from media type to `Kind`, one from `Kind` to a reader. Parameters are understood
as far as `charset` goes. Bytes of a type that is neither JSON nor text are kept as base64 text, so
that every value of an Event stays a JSON value and nothing is lost.

This module does not know where the bytes came from.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import Enum

from subscriber.cloudevent.strictjson import read_json
from subscriber.model import Json, Problem, Reason, excerpt

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  an RFC 9110 token, not a secret
# No two neighbouring parts can match the same blank: linear time on hostile input.
_PARAMETER = rf";[ \t]*(?:({_TOKEN})=({_TOKEN}|\"(?:[^\"\\]|\\.)*\")[ \t]*)?"
_MEDIA_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})[ \t]*((?:{_PARAMETER})*)")
_PARAMETERS = re.compile(_PARAMETER)

_CHARSETS = {
    "": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
}
"""The charsets of text payloads; a fixed list, so that input never chooses a codec."""


class Kind(Enum):
    """How a payload is understood."""

    JSON = "json"
    TEXT = "text"
    BYTES = "bytes"
    UNKNOWN = "unknown"


_TEXTS = frozenset(
    {
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/toml",
        "application/javascript",
        "application/x-www-form-urlencoded",
        "application/graphql",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A parsed media type: `name` is lower case and without parameters; empty when absent."""

    name: str = ""
    charset: str = ""

    @property
    def kind(self) -> Kind:
        """What the name says about the payload."""
        if not self.name:
            return Kind.UNKNOWN
        main, _, subtype = self.name.partition("/")
        if subtype == "json" or subtype.endswith("+json"):
            return Kind.JSON
        if main == "text" or subtype.endswith(("+xml", "+yaml")) or self.name in _TEXTS:
            return Kind.TEXT
        return Kind.BYTES


def media_type(text: str, where: str = "datacontenttype") -> MediaType:
    """Parse a media type (RFC 2046 section 1); an empty text gives the absent type.

    Raises:
        Problem: INVALID_ATTRIBUTE when it is not one.
    """
    if not text:
        return MediaType()
    if text == "application/json":  # nearly always
        return _APPLICATION_JSON
    match = _MEDIA_TYPE.fullmatch(text)
    if match is None:
        raise Problem(
            Reason.INVALID_ATTRIBUTE,
            f"not a media type: {excerpt(text, 60)}",
            where=where,
            hint="for example application/json",
        )
    charsets = [
        value.strip('"').lower()
        for name, value in _PARAMETERS.findall(match[3])
        if name.lower() == "charset"
    ]
    return MediaType(name=f"{match[1]}/{match[2]}".lower(), charset=charsets[0] if charsets else "")


_APPLICATION_JSON = MediaType(name="application/json")


def read_payload(raw: bytes, declared: MediaType, where: str = "data") -> Json:
    """The value of payload bytes.

    ===========================  ===========================================================
    declared type                value
    ===========================  ===========================================================
    (no bytes at all)            None
    ``*/json``, ``*/*+json``     the JSON value; bytes that are not JSON are refused
    ``text/*``, XML, YAML, form  text in the declared charset (UTF-8 when none is named)
    anything else                base64 text of the bytes
    none                         the JSON value if it is one, else UTF-8 text, else base64 text
    ===========================  ===========================================================

    Raises:
        Problem: as `strictjson.read_json`, or INVALID_ENCODING.
    """
    if not raw:
        return None
    match declared.kind:
        case Kind.JSON:
            return read_json(raw, where)
        case Kind.TEXT:
            return _text(raw, declared.charset, where)
        case Kind.BYTES:
            return b64encode(raw).decode()
        case Kind.UNKNOWN:
            return _guess(raw, where)


def _guess(raw: bytes, where: str) -> Json:
    try:
        return read_json(raw, where)
    except Problem as problem:
        # A text that *is* JSON but breaks a rule stays refused; one that never was may be text.
        if problem.reason not in _NEVER_WAS_JSON:
            raise
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return b64encode(raw).decode()


_NEVER_WAS_JSON = frozenset(
    {
        Reason.NOT_JSON,
        Reason.INVALID_ENCODING,
        Reason.EMPTY_MESSAGE,
        Reason.CONTROL_CHARACTER,
    }
)


def _text(raw: bytes, charset: str, where: str) -> str:
    codec = _CHARSETS.get(charset)
    if codec is None:
        raise Problem(
            Reason.INVALID_ENCODING,
            f"the charset {excerpt(charset, 40)} is not understood",
            where=where,
            hint="send UTF-8",
        )
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        raise Problem(
            Reason.INVALID_ENCODING,
            f"not {codec} from byte {error.start} on",
            where=where,
            hint="name the charset in datacontenttype, or send UTF-8",
        ) from None


def read_base64(text: Json, where: str) -> bytes:
    """The bytes of strict base64 text (RFC 4648 section 4: padded, no line breaks).

    Raises:
        Problem: INVALID_ENCODING.
    """
    try:
        if isinstance(text, str):
            return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        pass
    raise Problem(
        Reason.INVALID_ENCODING,
        "not base64 text",
        where=where,
        hint="RFC 4648 base64 with padding and without line breaks",
    )
