"""Envelope: what NATS handed over, dead bytes and facts about their delivery.

This module does not know CloudEvents; `cloudevent.decode` reads the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from subscriber.model.record import record


@record(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message as it arrived.

    Attributes:
        subject: the NATS subject it was published on.
        data: the payload, untouched.
        headers: NATS headers as given; names keep their case (of duplicates nats-py keeps one).
        stream: the JetStream stream it came from; empty for core NATS.
        stream_epoch: when that stream was created, in nanoseconds since 1970: a stream that was
            deleted and made again restarts its sequences, this tells the two apart. 0 for core.
        sequence: stream sequence, >= 1; for core NATS the time of arrival in microseconds since
            1970, always growing in one process: a counter would start again with the process, and
            its events would count as old.
        delivery_count: how often JetStream delivered it, 1 the first time.
        received_at: when the server stored it (core: when we got it), seconds since 1970.
        pending: how many more messages wait behind this one for our consumer.
    """

    subject: str
    data: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    stream: str = ""
    stream_epoch: int = 0
    sequence: int = 0
    delivery_count: int = 1
    received_at: float = 0.0
    pending: int = 0
