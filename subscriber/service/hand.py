"""What is in hand, and how heavy it is: a limit in bytes beside the one in messages.

Rules: weight is what a message takes in memory while it is worked on, estimated from its bytes
without reading it. A megabyte of text is a megabyte, a megabyte of ``{}`` is twenty: 25 of these at
once would end a container of 512 MiB, come again to the next one, and end it too. One message alone
is never too heavy; the next waits in its stream until there is room.
"""

from __future__ import annotations

from typing import TypeVar

MOST = 192 * 1024 * 1024
"""Bytes in hand at a time; a container of 512 MiB has room for that and for the rest of us."""

_SMALL = 2048
_PER_BYTE = 3
"""The message, its text in the event, and what of it goes to PagerDuty."""
_PER_MARK = ((b"{", 64), (b"[", 64), (b":", 180), (b",", 60))
"""What Python takes for the value that begins behind each of them."""

K = TypeVar("K")


def weight_of(data: bytes) -> int:
    """Bytes that a message may take in memory; more rather than less."""
    if len(data) <= _SMALL:
        return 40 * len(data)
    return _PER_BYTE * len(data) + sum(data.count(mark) * size for mark, size in _PER_MARK)


class Hand(dict[K, int]):
    """What is in hand, in the order of its arrival, each with its weight; `weight` is the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = 0

    def has_room(self, weight: int) -> bool:
        """Whether something of this weight may be taken too."""
        return not self or self.weight + weight <= MOST

    def __setitem__(self, key: K, weight: int) -> None:
        self.weight += weight - self.get(key, 0)
        super().__setitem__(key, weight)

    def __delitem__(self, key: K) -> None:
        self.weight -= self[key]
        super().__delitem__(key)

    def clear(self) -> None:
        """Take out everything."""
        super().clear()
        self.weight = 0

    def drop(self, key: K) -> None:
        """Take it out, if it is there."""
        self.weight -= self.pop(key, 0)
