"""Dead letters in a bounded dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from subscriber.model import Envelope
from subscriber.ports.letter import kept, letter_id


class MemoryDeadLetters:
    """See `ports.interfaces.DeadLetters`.

    Lost with the process; beyond `limit` letters or `most_bytes` of messages the oldest go.
    """

    def __init__(self, limit: int = 10_000, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._most_bytes = most_bytes
        self._bytes = 0
        self._last = 0
        self._letters: dict[int, tuple[Envelope, dict[str, str]]] = {}
        self._numbers: dict[str, int] = {}

    async def write(self, envelope: Envelope, headers: Mapping[str, str]) -> int:
        """Store; returns the letter's number. Safe to call again for one envelope."""
        identity = letter_id(envelope, headers)
        if identity in self._numbers:
            return self._numbers[identity]
        self._last += 1
        self._letters[self._last] = (envelope, kept(headers))
        self._numbers[identity] = self._last
        self._bytes += len(envelope.data)
        while len(self._letters) > self._limit or self._bytes > self._most_bytes:
            await self.remove(next(iter(self._letters)))
        if len(self._numbers) > 2 * self._limit:
            self._numbers.pop(next(iter(self._numbers)))
        return self._last

    async def scan(self) -> AsyncIterator[tuple[int, Envelope, Mapping[str, str]]]:
        """Every letter, oldest first: number, original message, our headers."""
        for number, (envelope, headers) in tuple(self._letters.items()):
            yield number, envelope, headers

    async def read(self, number: int) -> tuple[Envelope, Mapping[str, str]] | None:
        """One letter, or None when there is none of that number (any more)."""
        return self._letters.get(number)

    async def remove(self, number: int) -> None:
        """Drop a letter; nothing happens when there is none."""
        letter = self._letters.pop(number, None)
        if letter is not None:
            self._bytes -= len(letter[0].data)

    async def ping(self) -> None:
        """Always usable."""
