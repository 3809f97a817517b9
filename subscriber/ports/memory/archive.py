"""The twin of `ports.nats.archive`: the messages that memory streams hold, read from end to end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from subscriber.model import Envelope
from subscriber.ports.memory.stream import MemoryStream
from subscriber.ports.merged import merged


class MemoryArchive:
    """See `ports.interfaces.Archive`."""

    def __init__(self, streams: Sequence[MemoryStream]) -> None:
        self._streams = tuple(streams)

    def scan(
        self, *, since: float = 0.0, until: float | None = None
    ) -> AsyncGenerator[Envelope, None]:
        """Every message stored from `since` to `until`, oldest first."""
        return merged([_messages(stream, since, until) for stream in self._streams])

    async def ping(self) -> None:
        """Always usable."""


async def _messages(
    stream: MemoryStream, since: float, until: float | None
) -> AsyncGenerator[Envelope, None]:
    found = [
        message
        for message in stream.messages()
        if message.received_at >= since and (until is None or message.received_at <= until)
    ]
    for index, message in enumerate(found):
        yield replace(message, pending=len(found) - index - 1)
