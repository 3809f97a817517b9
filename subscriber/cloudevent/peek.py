"""The type of an event, cheaply: to pass over what no rule asks for without reading it whole.

Rules: an answer is certain or it is None; None means "decode it and see". Certain means that the
message is well-formed JSON with all four required attributes as text, or binary mode with plain
headers. The payload of a passed-over event is not examined, so its faults stay unreported.

This module does not know which types are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from subscriber.cloudevent.headers import PREFIX


class Carrier(Protocol):
    """What holds a message: an `Envelope`, or a message in hand."""

    @property
    def data(self) -> bytes:
        """The payload."""

    @property
    def headers(self) -> Mapping[str, str]:
        """NATS headers as given."""


class _Required(msgspec.Struct, gc=False):
    type: str
    id: str
    source: str
    specversion: str
    data: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Required).decode


def peek_type(message: Carrier) -> str | None:
    """The `type` of the one event in this message, or None when a full decode must tell."""
    given, data = message.headers, message.data
    if not given:
        return _structured(data)
    headers = {name.lower(): value for name, value in given.items()}
    if "content-type" in headers:
        content_type = headers["content-type"].split(";", 1)[0].strip().lower()
        if content_type.startswith("application/cloudevents-batch"):
            return None
        structured = content_type.startswith("application/cloudevents")
    else:
        structured = False
    marks = [name for name in headers if name.startswith(PREFIX)]
    if structured:
        return None if marks else _structured(data)
    if not marks:
        return _structured(data)
    required = [headers.get(f"{PREFIX}{name}", "") for name in ("type", "id", "source")]
    if len(headers) != len(given) or f"{PREFIX}specversion" not in headers:
        return None
    plain = all(v and v.isascii() and v.isprintable() and not {*'%"'} & {*v} for v in required)
    return required[0].strip(" ") if plain else None


def _structured(data: bytes) -> str | None:
    try:
        found = _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not (found.type and found.id and found.source):
        return None
    # What surrounds the payload is short; counting in all of a 2 kB message takes 1.2 us, this 0.9.
    payload = bytes(found.data)
    start = data.find(payload[:64])
    if data[start : start + len(payload)] != payload:
        return None
    around = data[:start] + data[start + len(payload) :]
    # A second "type" there is a duplicate, or an extension's value; a backslash may hide one:
    # look closer.
    if b"\\" in around or around.count(b'"type"') != 1:
        return None
    return found.type
