"""Journal: what happened, newest last, within a bound of entries and bytes; the rest is counted.

`Call` is one POST to the Events API: who, what, how it was answered, and what it did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from subscriber.simulator.faults import FaultKind
from subscriber.simulator.validate import parse


class Api(StrEnum):
    """The two endpoints."""

    EVENTS = "events"
    CHANGES = "changes"


class Effect(StrEnum):
    """What a call did."""

    PENDING = "pending"
    OPENED = "opened"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    RECORDED = "recorded"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    FAULT = "fault"


@dataclass(slots=True, kw_only=True)
class Call:
    """One POST; `effect` and `alert` change once when effects are delayed.

    Attributes:
        number: 1 for the first call since the start or the last reset.
        at: when it was read, seconds since 1970.
        api: which endpoint.
        size: bytes of the body; when it was too large, how much of it had arrived.
        effect: what it did.
        status: of the answer; 0 when there was none.
        fault: the switch that struck, or None.
        routing_key: as sent, well-formed or not; None when there was none.
        raw: the body when it was a JSON object, else None.
        action: `event_action` when accepted; empty otherwise and for change events.
        dedup_key: of an accepted alert event, the made-up one included.
        errors: the texts the client was given.
        alert: number of the alert it opened or touched.
    """

    number: int
    at: float
    api: Api
    size: int
    effect: Effect
    status: int = 0
    fault: FaultKind | None = None
    routing_key: str | None = field(default=None, repr=False)
    raw: bytes | None = field(default=None, repr=False)
    action: str = ""
    dedup_key: str = ""
    errors: tuple[str, ...] = ()
    alert: int | None = None

    @property
    def body(self) -> dict[str, Any] | None:
        """The body as sent, routing key included (so never print it); None when unreadable."""
        return parse(self.raw) if self.raw is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One accepted change event; its whole body is the call's.

    Attributes:
        number: 1 for the first.
        at: when it took effect, seconds since 1970.
        call: number of the call that brought it.
        summary: at most 1024 characters.
        source: its beginning, empty when absent.
        routing_key: whose it is.
    """

    number: int
    at: float
    call: int
    summary: str
    source: str
    routing_key: str = field(repr=False)


Entry = TypeVar("Entry")


class Journal(Generic[Entry]):
    """The newest entries; `total` counts all there ever were."""

    def __init__(self, keep: int, keep_bytes: int = 0) -> None:
        """At most `keep` entries that weigh at most `keep_bytes` together."""
        self.total = 0
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self._entries: deque[tuple[int, Entry]] = deque()

    def add(self, entry: Entry, weight: int = 0) -> None:
        """Append, and let go of the oldest while there is too much."""
        self.total += 1
        self._entries.append((weight, entry))
        self._bytes += weight
        while len(self._entries) > self._keep or (
            self._bytes > self._keep_bytes and len(self._entries) > 1
        ):
            self._bytes -= self._entries.popleft()[0]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for _, entry in self._entries)

    def numbered(self, number: int) -> Entry | None:
        """The entry that was added as the `number`-th, unless it was let go."""
        index = number - 1 - (self.total - len(self._entries))
        return self._entries[index][1] if 0 <= index < len(self._entries) else None
