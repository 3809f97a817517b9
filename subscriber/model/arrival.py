"""Arrival: where and when an event first came in."""

from __future__ import annotations

from subscriber.model.record import record


@record(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The first place of an event; gives its intents theirs in the order.

    That of its message (see `Envelope`), unless it is a dead letter that was published again.

    Attributes:
        epoch, sequence: see `Position`.
        received_at: seconds since 1970; stands in for an event without a time.
    """

    epoch: int = 0
    sequence: int = 0
    received_at: float = 0.0
