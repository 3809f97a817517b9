"""From an Event to what is published on NATS: structured or binary mode.

Rules: what `decode` accepts from us is the same Event again. The JSON document is written by the
cloudevents SDK's format. Its event class is bypassed on the way: it would add a time that nobody
gave and cut the one that was given to microseconds, while an Event here is already checked. The
SDK has no NATS binding, so the headers of binary mode are ours (see `headers`).

This module does not know NATS clients.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from subscriber.cloudevent.attributes import OPTIONAL, REQUIRED
from subscriber.cloudevent.content import Kind, media_type, read_base64
from subscriber.cloudevent.headers import PREFIX, encode_value
from subscriber.cloudevent.strictjson import check_value
from subscriber.model import Event, Json, Problem, Reason


class Mode(Enum):
    """CloudEvents content modes that the NATS binding knows."""

    STRUCTURED = "structured"
    BINARY = "binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A message to publish: its headers and its payload."""

    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


def encode(event: Event, mode: Mode = Mode.STRUCTURED) -> Encoded:
    """Write an event.

    Raises:
        Problem: when its data cannot be written: NOT_A_NUMBER, LONE_SURROGATE or TOO_DEEP; or
            INVALID_ENCODING when the data does not fit its `datacontenttype`.
    """
    check_value(event.data, "data")
    attributes = _attributes(event)
    if mode is Mode.STRUCTURED:
        from subscriber.cloudevent.jsonformat import CONTENT_TYPE, write  # noqa: PLC0415

        data = write(attributes, _runtime_data(event))
        return Encoded(data=data, headers={"Content-Type": CONTENT_TYPE})
    headers = {PREFIX + name: encode_value(_canonical(v)) for name, v in attributes.items()}
    return Encoded(data=_payload(event), headers=headers)


def _attributes(event: Event) -> dict[str, Any]:
    names = (*REQUIRED, *OPTIONAL)
    attributes = {name: getattr(event, name) for name in names if getattr(event, name)}
    return attributes | dict(event.extensions)


def _runtime_data(event: Event) -> Json | bytes:
    """The data as the SDK tells text, bytes and JSON apart: by its Python type."""
    kind = media_type(event.datacontenttype).kind
    if event.data is None or kind in (Kind.JSON, Kind.UNKNOWN):
        return event.data
    if kind is Kind.BYTES:
        return read_base64(event.data, "data")
    return _as_text(event)


def _payload(event: Event) -> bytes:
    data = _runtime_data(event)
    if data is None:
        return b""
    if isinstance(data, bytes):
        return data
    if media_type(event.datacontenttype).kind is Kind.TEXT:
        return _as_text(event).encode()
    return msgspec.json.encode(data)


def _as_text(event: Event) -> str:
    if isinstance(event.data, str):
        return event.data
    raise Problem(
        Reason.INVALID_ENCODING,
        "the data of a text type must be text",
        where="data",
        hint="declare application/json in datacontenttype",
    )


def _canonical(value: str | int | bool) -> str:
    """The string encoding of the CloudEvents type system."""
    return str(value).lower() if isinstance(value, bool) else str(value)
