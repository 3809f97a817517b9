"""What a backlog is spared: events that newer ones of their key make needless before they are said.

After an outage thousands of events wait, most of them about keys whose newest state is further
back. Saying each would spend PagerDuty's allowance on history while somebody waits for the present.
So while many wait behind, triggers and resolves are held back for a moment, the newest `KEPT` of
each key; what is older than those ends as superseded, without a call and without the ledger.

Why `KEPT` is two and not one: the newest may yet be refused by PagerDuty, and then the one before
it speaks. Both stay unacknowledged until they have ended, so a crash loses neither.

Rules: pure, time is an argument; holds at most `KEPT` items a key; everything is released together,
when nothing more waits behind, when it has been quiet, after `longest` seconds, or when the room is
full.
"""

from __future__ import annotations

from bisect import insort
from typing import Generic, TypeVar

from subscriber.model import AlertKey, Position

T = TypeVar("T")

KEPT = 2


class Backlog(Generic[T]):
    """The events that are held back, by key."""

    def __init__(self, *, room: int, quiet: float = 0.25, longest: float = 5.0) -> None:
        """Set the limits.

        Args:
            room: how many items may be held; more release everything.
            quiet: seconds without a new item after which everything is released.
            longest: seconds after which everything is released in any case.
        """
        if room < 1 or quiet <= 0 or longest < quiet:
            raise ValueError("a backlog needs room >= 1 and 0 < quiet <= longest")
        self._room = room
        self._quiet = quiet
        self._longest = longest
        self._held: dict[AlertKey, list[tuple[Position, int, T]]] = {}
        self._count = 0
        self._offered = 0
        self._since = 0.0
        self._last = 0.0
        self._behind = 0

    def __len__(self) -> int:
        """Items held."""
        return self._count

    def offer(
        self, key: AlertKey, position: Position, item: T, *, now: float, behind: int
    ) -> list[T]:
        """Hold an item back; the ones (perhaps this one) that newer ones make needless.

        Args:
            key: whose alert it is about.
            position: its place in the order.
            item: whatever the caller wants back.
            now: seconds since 1970.
            behind: how many messages wait behind it.
        """
        if not self._count:
            self._since = now
        self._last, self._behind = now, behind
        self._offered += 1  # two deliveries of one message: the later one stands for it
        entries = self._held.setdefault(key, [])
        insort(entries, (position, self._offered, item))
        self._count += 1
        needless = [entry[2] for entry in entries[:-KEPT]]
        del entries[:-KEPT]
        self._count -= len(needless)
        return needless

    def due(self, now: float) -> float:
        """Seconds until everything is to be released; 0 or less: now."""
        if not self._count:
            return self._quiet
        if self._behind == 0 or self._count >= self._room:
            return 0.0
        return min(self._last + self._quiet, self._since + self._longest) - now

    def release(self) -> list[T]:
        """Everything, of each key the newest first."""
        items = [entry[2] for entries in self._held.values() for entry in reversed(entries)]
        self._held.clear()
        self._count = 0
        return items
