"""What the inside may ask of the world. Each has a real implementation and a shipped in-memory twin.

Rules: every port has `ping()`, which returns when the thing is usable and raises `PortUnavailable`
when it is not; every method may raise `PortUnavailable` (the world is away: try again later) and
nothing else that is foreign: nats-py's and httpx's exceptions stay behind this door.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from subscriber.model import Alert, AlertKey, Envelope
from subscriber.pagerduty.request import Reply, Request


class PortUnavailable(Exception):
    """The world behind a port does not answer; the text names it without secrets."""


class Held(Protocol):
    """One message in our hands: exactly one of ack, nak and term ends it."""

    @property
    def envelope(self) -> Envelope: ...
    async def ack(self) -> None: ...
    async def nak(self, delay: float) -> None:
        """Give it back; redelivered after `delay` seconds (>= 0)."""

    async def term(self, reason: str) -> None:
        """Never deliver it again; `reason` goes into the server's advisory."""

    async def in_progress(self) -> None:
        """Restart its ack_wait; the holder calls this while it keeps the message."""


class Source(Protocol):
    """Where envelopes come from."""

    async def start(self, handler: Callable[[Held], None], *, capacity: int) -> None:
        """Begin to pull; never more than `capacity` messages are in hand and not yet ended.

        `handler` is called on the event loop, must not block and must not raise.
        """

    async def stop(self) -> None:
        """Stop pulling; messages in hand stay ours and may still be ended."""

    async def ping(self) -> None: ...


class Ledger(Protocol):
    """The alerts we believe in: one entry per (service, dedup key), changed by compare-and-set."""

    async def load(self, key: AlertKey) -> tuple[Alert, int]:
        """The entry and its revision; a key never seen gives ``(Alert(key=key), 0)``."""

    async def save(self, alert: Alert, revision: int) -> int | None:
        """Write if the entry still has `revision`; the new revision, or None when it has not."""

    async def forget(self, key: AlertKey) -> None: ...
    def scan(self) -> AsyncIterator[tuple[Alert, int]]:
        """Every entry, in no order."""

    async def ping(self) -> None: ...


class DeadLetters(Protocol):
    """Messages that cannot be delivered, kept untouched with the reason beside them."""

    async def write(self, envelope: Envelope, headers: Mapping[str, str]) -> int:
        """Store and confirm; returns the letter's number. Safe to call again for one envelope."""

    def scan(self) -> AsyncIterator[tuple[int, Envelope, Mapping[str, str]]]:
        """Every letter, oldest first: number, original message, our headers."""

    async def read(self, number: int) -> tuple[Envelope, Mapping[str, str]] | None: ...
    async def remove(self, number: int) -> None: ...
    async def ping(self) -> None: ...


class History(Protocol):
    """Events that the stream still holds, by sequence."""

    async def read(self, sequence: int) -> Envelope | None: ...


class Publisher(Protocol):
    """Puts an event on NATS."""

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> None: ...


class Sender(Protocol):
    """Carries a request to PagerDuty."""

    async def send(self, request: Request) -> Reply:
        """Never raises for what the network does: that is a Reply with status 0 and a fault."""

    async def ping(self) -> None: ...


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> float:
        """Seconds since 1970."""

    async def sleep(self, seconds: float) -> None: ...
