"""How a dead letter looks on the wire: the original message plus headers of ours.

Rules:
- The payload is the original's, untouched. Its headers are kept as they were, except for those that
  would mean something to the server when stored again (``Nats-...``), that collide with ours, or
  that nats-py cannot write: these travel inside ``Dead-Letter-Envelope``, a JSON object that also
  holds the facts of the original delivery (subject, stream, sequence, times).
- Our headers are ``Dead-Letter-...`` (see `delivery.deadletter`). Values are percent-encoded where
  a header could not carry them, so any text comes back exactly.
- A message that was nearly as large as the server allows leaves no room for our headers. Then its
  own headers go first (largest first), and if that is not enough its data are cut. Both is said, in
  ``Dead-Letter-Trimmed-Headers`` (how many) and ``Dead-Letter-Cut-Data`` (the full size in bytes);
  stream and sequence tell where the whole message is.

Pure functions; this module knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from subscriber.delivery.deadletter import PREFIX
from subscriber.model import Envelope
from subscriber.ports.letter import kept
from subscriber.ports.nats.exchange import header_size

ENVELOPE = f"{PREFIX}Envelope"
CUT_DATA = f"{PREFIX}Cut-Data"
TRIMMED_HEADERS = f"{PREFIX}Trimmed-Headers"

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(r"^ +| +$|[^\x20-\x24\x26-\x7e]")
_KEEP_WHEN_CUT = 64 * 1024


class _Facts(msgspec.Struct, omit_defaults=True):
    """What of an Envelope is neither payload nor an ordinary header."""

    subject: str
    stream: str = ""
    stream_epoch: int = 0
    sequence: int = 0
    delivery_count: int = 1
    received_at: float = 0.0
    headers: dict[str, str] = {}


def escape(text: str) -> str:
    """Percent-encode what a header value cannot carry; ASCII stays readable."""
    return _UNSAFE.sub(_percent, text)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def unescape(text: str) -> str:
    """Undo `escape`."""
    return unquote(text, errors="surrogatepass") if "%" in text else text


def pack(
    envelope: Envelope, headers: Mapping[str, str], max_payload: int
) -> tuple[bytes, dict[str, str]]:
    """Payload and headers of the letter, together at most `max_payload` bytes."""
    ours = kept(headers)
    theirs = dict(envelope.headers)
    data = envelope.data
    wire = _wire(envelope, ours, theirs)
    if header_size(wire) + len(data) > max_payload:
        for name in sorted(theirs, key=lambda name: len(name) + len(theirs[name]), reverse=True):
            del theirs[name]
            ours[TRIMMED_HEADERS] = str(len(envelope.headers) - len(theirs))
            wire = _wire(envelope, ours, theirs)
            if header_size(wire) + len(data) <= max_payload:
                break
    if header_size(wire) + len(data) > max_payload:
        ours[CUT_DATA] = str(len(data))
        wire = _wire(envelope, ours, theirs)
        data = data[: max(0, min(_KEEP_WHEN_CUT, max_payload - header_size(wire)))]
    return data, wire


def _wire(envelope: Envelope, ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    wire = {name: value for name, value in theirs.items() if _travels(name, value)}
    facts = _Facts(
        subject=envelope.subject,
        stream=envelope.stream,
        stream_epoch=envelope.stream_epoch,
        sequence=envelope.sequence,
        delivery_count=envelope.delivery_count,
        received_at=envelope.received_at,
        headers={name: value for name, value in theirs.items() if name not in wire},
    )
    wire[ENVELOPE] = escape(msgspec.json.encode(facts).decode())
    wire.update({name: escape(value) for name, value in ours.items()})
    return wire


def _travels(name: str, value: str) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and not name.lower().startswith(("nats-", PREFIX.lower()))
        and value == value.strip()
        and "\r" not in value
        and "\n" not in value
    )


def unpack(data: bytes, wire: Mapping[str, str]) -> tuple[Envelope, dict[str, str]]:
    """The original message, and our headers.

    Raises:
        KeyError, msgspec.DecodeError, RecursionError: this is not a letter of ours.
    """
    facts = msgspec.json.decode(unescape(wire[ENVELOPE]), type=_Facts)
    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}
    for name, value in wire.items():
        if name.startswith(PREFIX):
            ours[name] = unescape(value)
        elif not name.startswith("Nats-"):
            theirs[name] = value
    del ours[ENVELOPE]
    envelope = Envelope(
        subject=facts.subject,
        data=data,
        headers={**theirs, **facts.headers},
        stream=facts.stream,
        stream_epoch=facts.stream_epoch,
        sequence=facts.sequence,
        delivery_count=facts.delivery_count,
        received_at=facts.received_at,
    )
    return envelope, ours
