"""What a backlog is spared: events that newer ones of their key make needless before they are said.

After an outage thousands of events wait, most of them about keys whose newest state is further
back. Saying each would spend PagerDuty's allowance on history while somebody waits for the present.
So while many wait behind, triggers and resolves are held back for a moment, the newest `KEPT` of
each key; what is older than those ends as superseded, without a call and without the ledger.

Why `KEPT` is two and not one: the newest may yet be refused by PagerDuty, and then the one before
it speaks. Both stay unacknowledged until they have ended, so a crash loses neither.

How long is right for who is on call? To be told of a state that is long over wakes somebody for
nothing, or calls off what has broken again, and it spends a call of each key, so that the right
state may then have to wait for the allowance; to be told late costs the time. So everything waits
until the present is reached, as long as that is soon. An event that came in time is not held back
for longer than `longest`; one that is late already for no longer than it is late, and in no case
for longer than `patience`, the allowance's minute. Only where the present is in sight then, at the
speed of the reading so far, may it take `longest` more. So a stream that never ceases withholds
nothing for ever.

Rules: pure, time is an argument; holds at most `KEPT` items a key; everything is released together,
when nothing more waits behind, when it has been quiet, when an event has been held for as long as
it may be, or when the room is full.
"""

from __future__ import annotations

from bisect import insort
from typing import Generic, TypeVar

from subscriber.model import AlertKey, Position

T = TypeVar("T")

KEPT = 2
FAR = 100
"""From so many messages waiting behind on, silence is more likely a pause than the end."""
_PAUSE = 4

_Rank = tuple[int, int, int, int]


class Backlog(Generic[T]):
    """The events that are held back, by key."""

    def __init__(
        self, *, room: int, quiet: float = 0.25, longest: float = 5.0, patience: float = 60.0
    ) -> None:
        """Set the limits.

        Args:
            room: how many items may be held; more release everything.
            quiet: seconds without a message after which everything is released; four times that
                while `FAR` or more messages waited behind the last one.
            longest: seconds for which an event may be held that came in time, and for which all
                may be held on when the present is in sight.
            patience: seconds for which an event may be held that is late already.
        """
        if room < 1 or quiet <= 0 or longest < quiet or patience < longest:
            raise ValueError("a backlog needs room >= 1 and 0 < quiet <= longest <= patience")
        self._room = room
        self._quiet = quiet
        self._longest = longest
        self._patience = patience
        self._held: dict[AlertKey, list[tuple[_Rank, T]]] = {}
        self._count = 0
        self._offered = 0
        self._until = 0.0
        self._last = 0.0
        self._behind: dict[str, int] = {}
        self._begun: dict[str, tuple[float, int]] = {}  # by stream: when, and how many were behind

    def __len__(self) -> int:
        """Items held."""
        return self._count

    def narrow(self, room: int) -> None:
        """Hold no more than so many items from now on; a larger number changes nothing."""
        self._room = max(1, min(self._room, room))

    @property
    def complete(self) -> bool:
        """Whether nothing is worth waiting for: the present is reached, or the room is full."""
        return self._count >= self._room or not any(self._behind.values())

    def offer(
        self,
        key: AlertKey,
        position: Position,
        item: T,
        *,
        now: float,
        behind: int,
        stored_at: float | None = None,
        stream: str = "",
    ) -> list[T]:
        """Hold an item back; the ones (perhaps this one) that newer ones make needless.

        Args:
            key: whose alert it is about.
            position: its place in the order.
            item: whatever the caller wants back.
            now: seconds since 1970.
            behind: how many messages wait behind it.
            stored_at: when NATS stored it, seconds since 1970; None: just now.
            stream: where those messages wait; all streams that were read must come to their end.
        """
        late = 0.0 if stored_at is None else now - stored_at
        until = now + min(max(self._longest, late), self._patience)
        if not self._count or until < self._until:
            self._until = until
        self._last, self._behind[stream] = now, behind
        if stream not in self._begun:
            self._begun[stream] = (now, behind)
        self._offered += 1  # two deliveries of one message: the later one stands for it
        rank = (position.epoch, position.sequence, position.index, self._offered)
        entries = self._held.get(key)
        if entries is None:
            entries = self._held[key] = []
        insort(entries, (rank, item))
        self._count += 1
        if len(entries) <= KEPT:
            return []
        self._count -= 1
        return [entries.pop(0)[1]]

    def passed(self, stream: str, behind: int) -> None:
        """A message that is not for us was read, with so many waiting behind it."""
        if stream in self._behind:
            self._behind[stream] = behind

    def due(self, now: float, *, heard_at: float = 0.0) -> float:
        """Seconds until everything is to be released; 0 or less: now.

        Args:
            now: seconds since 1970.
            heard_at: when a message last came, also one that is not for us.
        """
        if not self._count:
            return self._quiet
        if self.complete:
            return 0.0
        far = max(self._behind.values()) >= FAR
        quiet = self._quiet * _PAUSE if far else self._quiet
        until = self._until if now < self._until else now + self._in_sight(now)
        return min(max(self._last, heard_at) + quiet, until) - now

    def _in_sight(self, now: float) -> float:
        """Seconds in which the present will be reached; 0 when that would take too long."""
        left = 0.0
        for stream, behind in self._behind.items():
            began, at_first = self._begun[stream]
            if behind >= at_first:
                if behind:
                    return 0.0
                continue
            left = max(left, behind * (now - began) / (at_first - behind))
        return left if now + left <= self._until + self._longest else 0.0

    def release(self) -> list[T]:
        """Everything, of each key the newest first."""
        items = [entry[1] for entries in self._held.values() for entry in reversed(entries)]
        self._held.clear()
        self._behind.clear()
        self._begun.clear()
        self._count = 0
        return items
