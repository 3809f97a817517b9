"""What the inside may ask of the world; each port has a real implementation and a shipped twin.

Rules:
- `ping()` returns when the thing is usable and raises `PortUnavailable` when it is not.
- Every method may raise `PortUnavailable` (the world is away: try again later) and `Problem` (what
  is asked cannot be done as configured), and nothing else that is foreign: nats-py's and httpx's
  exceptions stay behind this door.
- A real port and its twin in `ports.memory` pass the same contract tests.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from subscriber.model import Alert, AlertKey, Envelope
from subscriber.pagerduty.request import Reply, Request


class PortUnavailable(Exception):
    """The world behind a port does not answer; the text names it without secrets."""


class Held(Protocol):
    """One message in our hands: the first of ack, nak and term ends it, later ones do nothing.

    Ending a message gives its place in the source's capacity back at once. None of the three waits
    for the server or raises because it is away: an ending that gets lost means that the message
    is delivered again, which the ledger absorbs.
    """

    @property
    def envelope(self) -> Envelope:
        """What arrived; may be made when first asked for, which is dear: look at the others first.

        The three below are the same as in it.
        """

    @property
    def data(self) -> bytes:
        """The payload, untouched."""

    @property
    def headers(self) -> Mapping[str, str]:
        """NATS headers as given."""

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before."""

    def ack_nowait(self) -> None:
        """`ack` for who is called by the source and cannot wait; nobody waits for it either."""

    async def ack(self) -> None:
        """It is done; never deliver it again."""

    async def nak(self, delay: float) -> None:
        """Give it back; redelivered (to any replica) after `delay` seconds (>= 0)."""

    async def term(self, reason: str) -> None:
        """Never deliver it again; `reason` goes into the server's advisory."""

    async def in_progress(self) -> None:
        """Restart its ack_wait; the holder calls this while it keeps the message."""


Handler = Callable[[Held], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """What one stream still holds for us.

    Attributes:
        stream: its name; empty for plain NATS.
        waiting: messages not delivered to any replica yet.
        out: messages delivered and not settled, at any replica.
        seen_at: when that was so, seconds since 1970.
    """

    stream: str
    waiting: int
    out: int
    seen_at: float


class Source(Protocol):
    """Where envelopes come from."""

    async def start(self, handler: Handler, *, capacity: int) -> None:
        """Begin to pull; never more than `capacity` messages are in hand and not yet ended.

        `handler` is called on the event loop, must not block and must not raise. Returns when the
        stream and the consumer exist. A source is started once.
        """

    async def stop(self) -> None:
        """Stop pulling; messages in hand stay ours and may still be ended. Safe to call twice."""

    async def backlog(self) -> int:
        """Messages that are not settled: waiting for us plus out at any replica."""

    def lag(self) -> tuple[Lag, ...]:
        """The same per stream, as of the last look (every 10 s); asks nobody, never raises."""

    def fault(self) -> str:
        """Empty while what must run inside runs; else what has died or hangs, for a person.

        A server that is away is no fault. Asks nobody, never raises.
        """

    async def ping(self) -> None:
        """Usable: connected, and the pull loop runs."""


class Ledger(Protocol):
    """The alerts we believe in: one entry per (service, dedup key), changed by compare-and-set."""

    async def load(self, key: AlertKey) -> tuple[Alert, int]:
        """The entry and its revision; a key never seen gives ``(Alert(key=key), 0)``."""

    async def save(self, alert: Alert, revision: int) -> int | None:
        """Write if the entry still has `revision`; the new revision, or None when it has not.

        Raises `PortUnavailable` when it cannot be known whether the write took place.
        """

    async def forget(self, key: AlertKey) -> None:
        """Remove the entry; the key counts as never seen. Nothing happens when there is none."""

    def scan(self) -> AsyncIterator[tuple[Alert, int]]:
        """Every entry, in no order; one that changes meanwhile may come twice."""

    async def ping(self) -> None:
        """Usable."""


class DeadLetters(Protocol):
    """Messages that cannot be delivered, kept untouched with the reason beside them.

    Our headers are those of `delivery.dead_letter_headers`: names begin with ``Dead-Letter-``
    (others are not kept), values are any text. Written again with the same envelope, reason, rule,
    event id and dedup key, a letter stays one letter.
    """

    async def write(self, envelope: Envelope, headers: Mapping[str, str]) -> int:
        """Store and confirm; returns the letter's number. Safe to call again for one envelope."""

    def scan(self) -> AsyncIterator[tuple[int, Envelope, Mapping[str, str]]]:
        """Every letter, oldest first: number, original message, our headers."""

    async def read(self, number: int) -> tuple[Envelope, Mapping[str, str]] | None:
        """One letter, or None when there is none of that number (any more)."""

    async def remove(self, number: int) -> None:
        """Drop a letter; nothing happens when there is none."""

    async def ping(self) -> None:
        """Usable."""


class History(Protocol):
    """Events that the streams still hold."""

    async def read(self, sequence: int, *, epoch: int = 0) -> Envelope | None:
        """The message at a place in the order, or None when it is gone.

        `epoch` says which stream (`Envelope.stream_epoch`); a stream that was deleted and made
        again has another one, so its messages are not mistaken for the old ones. 0: the first
        stream we read.
        """

    async def ping(self) -> None:
        """Usable."""


class Archive(Protocol):
    """Everything the streams still hold, read from end to end without touching anybody's place."""

    def scan(
        self, *, since: float = 0.0, until: float | None = None
    ) -> AsyncGenerator[Envelope, None]:
        """Every message stored from `since` to `until` (seconds since 1970), oldest first.

        Ends with the last message that was stored when the scan began. `Envelope.pending` is how
        many more are to come, at most. Memory stays bounded however large the streams are; close
        the generator when it is not read to its end.

        Raises:
            Problem: no stream holds the subjects, or one must not be read this way.
            PortUnavailable: NATS stayed away.
        """

    async def ping(self) -> None:
        """Usable."""


class Publisher(Protocol):
    """Puts an event on NATS."""

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish, and wait until a stream has stored it when one holds the subject."""

    async def ping(self) -> None:
        """Usable."""


class Sender(Protocol):
    """Carries a request to PagerDuty."""

    async def send(self, request: Request, *, within: float = math.inf) -> Reply:
        """Never raises for what the network does: that is a Reply with status 0 and a fault.

        `within`: seconds after which to give up at the latest; the sender's own limit may be less.
        """

    async def ping(self) -> None:
        """Usable; says nothing about PagerDuty."""


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> float:
        """Seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 or less only lets others run."""
