"""The type of an event, cheaply: to pass over what no rule asks for without reading it whole.

Rules: an answer is certain or it is None; None means "decode it and see". Certain means that the
message is well-formed JSON with all four required attributes as text, or binary mode with plain
headers. The payload of a passed-over event is not examined, so its faults stay unreported.

This module does not know which types are wanted.
"""

from __future__ import annotations

import msgspec

from subscriber.cloudevent.headers import PREFIX
from subscriber.model import Envelope


class _Required(msgspec.Struct):
    type: str
    id: str
    source: str
    specversion: str
    data: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Required).decode


def peek_type(envelope: Envelope) -> str | None:
    """The `type` of the one event in this message, or None when a full decode must tell."""
    if not envelope.headers:
        return _structured(envelope.data)
    headers = {name.lower(): value for name, value in envelope.headers.items()}
    if "content-type" in headers:
        content_type = headers["content-type"].split(";", 1)[0].strip().lower()
        if content_type.startswith("application/cloudevents-batch"):
            return None
        structured = content_type.startswith("application/cloudevents")
    else:
        structured = False
    marks = [name for name in headers if name.startswith(PREFIX)]
    if structured:
        return None if marks else _structured(envelope.data)
    if not marks:
        return _structured(envelope.data)
    required = [headers.get(f"{PREFIX}{name}", "") for name in ("type", "id", "source")]
    if len(headers) != len(envelope.headers) or f"{PREFIX}specversion" not in headers:
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
    # A second "type" outside of the payload is a duplicate, or an extension's value: look closer.
    if data.count(b'"type"') - bytes(found.data).count(b'"type"') != 1:
        return None
    return found.type
