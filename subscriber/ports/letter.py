"""What makes two dead letters one, and which headers a letter keeps; shared by port and twin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from subscriber.delivery.deadletter import PREFIX
from subscriber.model import Envelope

REASON = f"{PREFIX}Reason"
IDENTITY = (REASON, *(PREFIX + name for name in ("Rule", "Event-Id", "Dedup-Key")))
LONGEST_VALUE = 4096


def letter_id(envelope: Envelope, headers: Mapping[str, str]) -> str:
    """The same for every write of one letter: envelope, reason, rule, event and dedup key."""
    digest = hashlib.sha256()
    place = (envelope.stream, envelope.stream_epoch, envelope.sequence, envelope.subject)
    for part in (*place, *(headers.get(name, "") for name in IDENTITY)):
        digest.update(f"{part}\0".encode("utf-8", "surrogatepass"))
    if not envelope.stream:  # core NATS: the sequence is only that of a process
        digest.update(envelope.data)
    return digest.hexdigest()


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Our headers as a letter keeps them: ``Dead-Letter-...`` only, values of bounded length."""
    return {
        name: text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
        for name, text in headers.items()
        if name.startswith(PREFIX)
    }
