"""The order in which one process works on what it has in hand: a lane per key.

Two intents of one key never run at the same time in one process (they would only fight over the
claim), and of several that wait, the newest trigger or resolve runs first: once it is settled the
older ones end as superseded, each with one look at the ledger and no call to PagerDuty. That is
how a backlog collapses. Acknowledges go last: an acknowledge replaces nothing, and the trigger it
belongs to must be said before it.

Nothing is dropped here. An older event only ends as superseded after the newer one was *settled*;
when the newer one is rejected instead, the next in line is the newest that PagerDuty may accept.
(While a long backlog is read, `backlog` lets go of what is older than the newest two, before.)

Rules: pure; at most `width` items run, keys take turns (a key that has run goes to the back of the
queue); memory is what the caller offers, which is bounded by the caller's capacity.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Generic, TypeVar

from subscriber.model import Action, AlertKey, Position

T = TypeVar("T")


class _Lane(Generic[T]):
    """What waits for one key, best first, and whether something of it runs."""

    __slots__ = ("queued", "running", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[tuple[int, int, int, int, int], T]] = []
        self.running = False
        self.queued = False


class Lanes(Generic[T]):
    """Says what to run next; the caller runs it and calls `done`."""

    def __init__(self, *, width: int) -> None:
        """Let at most `width` items run at once."""
        if width < 1:
            raise ValueError("lanes need a width of at least 1")
        self._width = width
        self._lanes: dict[AlertKey, _Lane[T]] = {}
        self._turns: deque[AlertKey] = deque()
        self._running = 0
        self._held = 0
        self._offered = 0

    def __len__(self) -> int:
        """Items in hand, running or waiting."""
        return self._held

    def __contains__(self, key: AlertKey) -> bool:
        """Whether something of this key is in hand."""
        return key in self._lanes

    @property
    def running(self) -> int:
        """Items that run now."""
        return self._running

    def offer(self, key: AlertKey, position: Position, action: Action, item: T) -> list[T]:
        """Take an item in; what may start now (this one, or none)."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            if self._running < self._width:  # nearly always; a third of the time of the long way
                lane.running = True
                self._running += 1
                self._held += 1
                return [item]
        self._offered += 1
        # The counter keeps two deliveries of one message in the order they came.
        last = 1 if action is Action.ACKNOWLEDGE else 0
        rank = (last, -position.epoch, -position.sequence, -position.index, self._offered)
        heappush(lane.waiting, (rank, item))
        self._held += 1
        self._queue(key, lane)
        return self._start()

    def done(self, key: AlertKey) -> list[T]:
        """The running item of this key has ended; what may start now."""
        lane = self._lanes.get(key)
        if lane is None or not lane.running:
            raise ValueError("nothing of this key is running")
        lane.running = False
        self._running -= 1
        self._held -= 1
        if lane.waiting:
            self._queue(key, lane)
        else:
            del self._lanes[key]
        return self._start() if self._turns else []

    def drain(self) -> list[T]:
        """Give back everything that has not started (at shutdown); what runs stays."""
        items: list[T] = []
        for key in list(self._lanes):
            lane = self._lanes[key]
            items.extend(item for _, item in sorted(lane.waiting, key=lambda entry: entry[0]))
            lane.waiting.clear()
            lane.queued = False
            if not lane.running:
                del self._lanes[key]
        self._turns.clear()
        self._held -= len(items)
        return items

    def _queue(self, key: AlertKey, lane: _Lane[T]) -> None:
        if not lane.running and not lane.queued:
            lane.queued = True
            self._turns.append(key)

    def _start(self) -> list[T]:
        started: list[T] = []
        while self._turns and self._running < self._width:
            lane = self._lanes[self._turns.popleft()]
            lane.queued = False
            lane.running = True
            self._running += 1
            started.append(heappop(lane.waiting)[1])
        return started
