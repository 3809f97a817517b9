"""Binary mode: attributes in NATS message headers, both ways.

Rules (NATS protocol binding for CloudEvents, section 3.1): names begin with ``ce-`` in any case;
values are first taken out of double quotes (RFC 7230 section 3.2.6), then percent-decoded exactly
once; what is not UTF-8 then is refused. A ``%`` without two hexadecimal digits stays a ``%``, since
some producers do not encode at all. We encode what the binding asks for and no more: a slash stays
readable for the consumers that do not decode.

This module does not know which attributes exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from subscriber.model import Problem, Reason, excerpt

PREFIX = "ce-"

_ESCAPED = re.compile(r"\\(.)")
_READABLE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')


def fold(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, values without the blanks around them.

    Raises:
        Problem: DUPLICATE_KEY when two spellings of one ``ce-`` or Content-Type name disagree.
    """
    folded: dict[str, str] = {}
    for name, value in headers.items():
        key, text = name.lower(), value.strip(" \t")
        if folded.get(key, text) != text and (key.startswith(PREFIX) or key == "content-type"):
            raise Problem(
                Reason.DUPLICATE_KEY,
                "the header is given twice with different values",
                where=excerpt(key, 60).strip("'"),
                hint="header names do not depend on upper and lower case",
            )
        folded[key] = text
    return folded


def decode_value(value: str, where: str) -> str:
    """The attribute text of one header value.

    Raises:
        Problem: INVALID_ENCODING when it is not UTF-8 after decoding.
    """
    if value.isascii() and "%" not in value and '"' not in value:
        return value
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    # The NATS client puts U+FFFD where the bytes on the wire were not UTF-8.
    if "\ufffd" not in value:
        try:
            return unquote_to_bytes(value).decode()
        except UnicodeError:
            pass
    raise Problem(
        Reason.INVALID_ENCODING,
        "the header value is not UTF-8 after percent-decoding",
        where=where,
        hint="encode each character as UTF-8, each byte of it as %XX",
    )


def encode_value(value: str) -> str:
    """The header value of an attribute text: blanks, quotes, ``%`` and non-ASCII as ``%XX``."""
    return quote(value, safe=_READABLE)
