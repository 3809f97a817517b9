"""A replay keeps its place: how a message published again says where in the order it belongs.

A dead letter that is replayed gets a new, newer stream sequence. Taken at that, a trigger from
02:00 replayed at 10:00 would open an alert that a resolve settled at 03:00. So a replay carries its
first place in a header, and its intents stand there: the ledger's fence (`delivery.table`) then
calls them superseded, duplicate or new exactly as if they had only been late.

Rules:
- The header is ``Dead-Letter-Replay: <epoch>-<sequence>-<microseconds>-<mark>``: stream's creation
  time, stream sequence, time of storing, and 128 bits of SHA-256 over those three, the subject, the
  payload and the event's ``ce-id`` and ``ce-source``. Anything else in it counts as no header.
- The mark ties the header to this one event: a tool that copies the headers of what it consumed
  into what it publishes does not pass on an old place.
- A place is only honoured when it is older than the message's own, and so is a time.
- ``Nats-`` headers are orders to the server for the first storing (identity, expectations, expiry,
  roll-up): a replay leaves them out and brings an identity of its own, so that the stream's
  duplicate window neither swallows a replay nor stores the same one twice.

The mark is no signature: whoever may publish can compute one. What it gets them is a place in the
past for an event of their own, which at worst ends as superseded; not publishing it does the same.
No other event is held up or overtaken by it, since the position of an alert only moves forward for
what is newer, and nothing makes an event newer than it is.

Pure; this module does not know where letters are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from subscriber.delivery.deadletter import PREFIX
from subscriber.model import Arrival, Envelope

HEADER = f"{PREFIX}Replay"
MESSAGE_ID = "Nats-Msg-Id"

_FORM = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})-([1-9][0-9]{0,17})-([0-9a-f]{32})")
_MICROSECOND = 1_000_000


def origin_of(envelope: Envelope) -> Arrival:
    """The first place of a replayed message; of any other message its own."""
    own = Arrival(
        epoch=envelope.stream_epoch,
        sequence=envelope.sequence,
        received_at=envelope.received_at,
    )
    given = envelope.headers.get(HEADER)
    form = _FORM.fullmatch(given) if given else None
    if form is None:
        return own
    epoch, sequence, microseconds = (int(text) for text in form.groups()[:3])
    if (epoch, sequence) >= (own.epoch, own.sequence):
        return own
    if form[4] != _mark(envelope, epoch, sequence, microseconds):
        return own
    return Arrival(
        epoch=epoch,
        sequence=sequence,
        received_at=min(microseconds / _MICROSECOND, own.received_at),
    )


def replay_headers(envelope: Envelope, *, letter: str) -> dict[str, str]:
    """The headers to publish a dead letter's message with.

    Args:
        envelope: the message as it was when it died; perhaps a replay itself, then its first
            place stays the one.
        letter: names the letter, the same however often its replay is tried.
    """
    origin = origin_of(envelope)
    kept = {
        name: value
        for name, value in envelope.headers.items()
        if not name.lower().startswith("nats-") and name != HEADER
    }
    microseconds = round(origin.received_at * _MICROSECOND)
    if origin.epoch > 0 and origin.sequence > 0 and microseconds > 0:
        mark = _mark(envelope, origin.epoch, origin.sequence, microseconds)
        kept[HEADER] = f"{origin.epoch}-{origin.sequence}-{microseconds}-{mark}"
    identity = sha256(f"{letter}/{kept.get(HEADER, '')}".encode("utf-8", "surrogatepass"))
    kept[MESSAGE_ID] = f"replay-{identity.hexdigest()[:32]}"
    return kept


def _mark(envelope: Envelope, epoch: int, sequence: int, microseconds: int) -> str:
    """What ties a place to one event."""
    digest = sha256(f"{epoch}-{sequence}-{microseconds}".encode())
    for part in (envelope.subject, *_identity(envelope.headers)):
        digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
    digest.update(b"\0" + envelope.data)
    return digest.hexdigest()[:32]


def _identity(headers: Mapping[str, str]) -> tuple[str, str]:
    """Id and source of a binary-mode event; empty for others, whose payload holds them."""
    found = {name.lower(): value.strip() for name, value in headers.items()}
    return found.get("ce-id", ""), found.get("ce-source", "")
