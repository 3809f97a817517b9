"""How a dead letter looks on the wire: the original message plus headers of ours.

Rules:
- The payload is the original's, untouched. Its headers are kept as they were, except for those that
  would mean something to the server when stored again (``Nats-...``), that collide with ours, or
  that nats-py cannot write: these travel together as JSON in ``Pagerduty-Subscriber-Original``.
- Our headers start with ``Pagerduty-Subscriber-``. Their values are percent-encoded (UTF-8) where a
  header could not carry them, so any text comes back exactly.
- A message that was nearly as large as the server allows leaves no room for our headers. Then its
  own headers go first (largest first), and if that is not enough its data are cut; both are said in
  ``Trimmed-Headers`` and ``Cut-Data``, and ``Stream`` and ``Sequence`` tell where the whole is.

Pure functions; this module knows no connection.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

import msgspec

from subscriber.model import Envelope
from subscriber.ports.nats.exchange import header_size

PREFIX = "Pagerduty-Subscriber-"
ORIGINAL = f"{PREFIX}Original"
CUT = "Cut-Data"
TRIMMED = "Trimmed-Headers"
IDENTITY = ("Reason", "Rule", "Event-Id", "Index")
_FACTS = ("Subject", "Stream", "Stream-Epoch", "Sequence", "Delivery-Count", "Received-At")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(r"^ +| +$|[^\x20-\x24\x26-\x7e]")
_KEEP_WHEN_CUT = 64 * 1024
_LONGEST_VALUE = 4096


def letter_id(envelope: Envelope, headers: Mapping[str, str]) -> str:
    """The same for every write of one letter: envelope, reason, rule, event and index."""
    digest = hashlib.sha256()
    place = (envelope.stream, envelope.stream_epoch, envelope.sequence, envelope.subject)
    for part in (*place, *(headers.get(name, "") for name in IDENTITY)):
        digest.update(f"{part}\0".encode("utf-8", "surrogatepass"))
    if not envelope.stream:  # core NATS: the sequence is only that of a process
        digest.update(f"{envelope.received_at}\0".encode())
        digest.update(envelope.data)
    return digest.hexdigest()


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
    ours = {
        "Subject": envelope.subject,
        "Stream": envelope.stream,
        "Stream-Epoch": str(envelope.stream_epoch),
        "Sequence": str(envelope.sequence),
        "Delivery-Count": str(envelope.delivery_count),
        "Received-At": repr(envelope.received_at),
        **{name: _shortened(text) for name, text in headers.items() if name not in _FACTS},
    }
    theirs = dict(envelope.headers)
    data = envelope.data
    wire = _wire(ours, theirs)
    if header_size(wire) + len(data) > max_payload:
        for name in sorted(theirs, key=lambda name: len(name) + len(theirs[name]), reverse=True):
            del theirs[name]
            ours[TRIMMED] = str(len(envelope.headers) - len(theirs))
            wire = _wire(ours, theirs)
            if header_size(wire) + len(data) <= max_payload:
                break
    if header_size(wire) + len(data) > max_payload:
        ours[CUT] = str(len(data))
        wire = _wire(ours, theirs)
        data = data[: max(0, min(_KEEP_WHEN_CUT, max_payload - header_size(wire)))]
    return data, wire


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _wire(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    wire: dict[str, str] = {}
    odd: dict[str, str] = {}
    for name, value in theirs.items():
        (wire if _travels(name, value) else odd)[name] = value
    if odd:
        wire[ORIGINAL] = escape(msgspec.json.encode(odd).decode())
    wire.update({PREFIX + name: escape(value) for name, value in ours.items()})
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
    """The original message and our headers by their short names."""
    theirs: dict[str, str] = {}
    ours: dict[str, str] = {}
    for name, value in wire.items():
        if name == ORIGINAL:
            continue
        if name.startswith(PREFIX):
            ours[name.removeprefix(PREFIX)] = unescape(value)
        elif not name.startswith("Nats-"):
            theirs[name] = value
    if ORIGINAL in wire:
        odd = msgspec.json.decode(unescape(wire[ORIGINAL]), type=dict[str, str])
        theirs.update(odd)
    facts = {name: ours.pop(name, "") for name in _FACTS}
    envelope = Envelope(
        subject=facts["Subject"],
        data=data,
        headers=theirs,
        stream=facts["Stream"],
        stream_epoch=_number(facts["Stream-Epoch"]),
        sequence=_number(facts["Sequence"]),
        delivery_count=_number(facts["Delivery-Count"]) or 1,
    )
    try:
        received = float(facts["Received-At"])
    except ValueError:
        received = 0.0
    return replace(envelope, received_at=received), ours


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
