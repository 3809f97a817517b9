"""Holding back what a backlog brings until it has been read: `delivery.Backlog` under a clock.

Rules: called for every event of a backlog, so nothing waits and nothing is made here for one of
them (a task and two futures each had cost 60 us); what becomes needless is told at once, what is
needed in the end all together. Acknowledges and change events are never held back: they replace
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from subscriber.delivery import Backlog
from subscriber.model import Action, Envelope, Order
from subscriber.ports.interfaces import Clock

T = TypeVar("T")

BACKLOG = 100
"""From so many messages waiting behind one on, what is read is a backlog."""
_REPLACES = frozenset({Action.TRIGGER, Action.RESOLVE})


class Holdback(Generic[T]):
    """Takes in what is read of a backlog; says of each item whether it is needed."""

    def __init__(
        self,
        *,
        clock: Clock,
        room: int,
        needed: Callable[[T], None],
        needless: Callable[[T], None],
        heard_at: Callable[[], float],
    ) -> None:
        """Set the table.

        Args:
            clock: the time.
            room: how many items may be held back.
            needed: is told of an item that must be said after all.
            needless: is told of an item that newer ones have made needless.
            heard_at: when the last message came, whatever it was; seconds since 1970.
        """
        self._room = room
        self._backlog: Backlog[T] = Backlog(room=room)
        self._clock = clock
        self._needed = needed
        self._needless = needless
        self._heard_at = heard_at
        self._watch: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("holdback")
        self._superseded = 0
        self._since = 0.0

    def __len__(self) -> int:
        """Items held back."""
        return len(self._backlog)

    def divide(self, streams: int) -> None:
        """Make room for what one of so many streams may have in hand.

        Each stream has its share of the capacity. What is held back counts against it, so the room
        of all together would never be full, and everything would wait for the quiet.
        """
        self._backlog.narrow(self._room // max(1, streams))

    def concerns(self, envelope: Envelope) -> bool:
        """Whether what came in this message belongs to a backlog."""
        return envelope.pending >= BACKLOG or len(self._backlog) > 0

    def take(self, order: Order, item: T, envelope: Envelope) -> bool:
        """Take an item in; False when it is none of those that are held back."""
        if order.action not in _REPLACES:
            return False
        backlog, now = self._backlog, self._clock.now()
        if not backlog:
            self._superseded, self._since = 0, now
        for older in backlog.offer(
            order.key,
            order.position,
            item,
            now=now,
            behind=envelope.pending,
            stored_at=envelope.received_at,
            stream=envelope.stream,
        ):
            self._superseded += 1
            self._needless(older)
        if backlog.complete:
            self.release()
        elif self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._wait(), name="holdback")
        return True

    def passed(self, envelope: Envelope) -> None:
        """Look whether the present was reached with a message that is not for us."""
        self._backlog.passed(envelope.stream, envelope.pending)
        if self._backlog.complete:
            self.release()

    def release(self) -> None:
        """Hold nothing back any longer."""
        items = self.withdraw()
        self._log.info(
            "backlog-read",
            superseded=self._superseded,
            held_back=len(items),
            seconds=round(self._clock.now() - self._since, 3),
        )
        for item in items:
            self._needed(item)

    def withdraw(self) -> list[T]:
        """Give everything out that is held back, said to nobody."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        return self._backlog.release()

    async def _wait(self) -> None:
        """Release everything when it is time for that."""
        clock, backlog = self._clock, self._backlog
        while True:
            wait = backlog.due(clock.now(), heard_at=self._heard_at())
            if wait <= 0:
                break
            await clock.sleep(wait)
        self._watch = None
        self.release()
