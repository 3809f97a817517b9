"""Several streams read as one, in the order in which their messages were stored."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from subscriber.model import Envelope


async def merged(
    streams: Sequence[AsyncGenerator[Envelope, None]],
) -> AsyncGenerator[Envelope, None]:
    """The messages of all streams, oldest first; `pending` counts what follows in all of them.

    One message of each stream is held at a time. The streams are closed when this is.
    """
    async with AsyncExitStack() as stack:
        for stream in streams:
            await stack.enter_async_context(aclosing(stream))
        if len(streams) == 1:
            async for envelope in streams[0]:
                yield envelope
            return
        heads: list[tuple[float, int, Envelope]] = []
        behind = [0] * len(streams)
        for index, stream in enumerate(streams):
            await _advance(stream, index, heads, behind)
        while heads:
            _, index, envelope = heapq.heappop(heads)
            await _advance(streams[index], index, heads, behind)
            yield replace(envelope, pending=sum(behind))


async def _advance(
    stream: AsyncGenerator[Envelope, None],
    index: int,
    heads: list[tuple[float, int, Envelope]],
    behind: list[int],
) -> None:
    """Put the next message of a stream among the heads; `behind` counts it and what follows."""
    envelope = await anext(stream, None)
    if envelope is None:
        behind[index] = 0
        return
    behind[index] = envelope.pending + 1
    heapq.heappush(heads, (envelope.received_at, index, envelope))
