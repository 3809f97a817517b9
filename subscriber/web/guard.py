"""Connections that want something else than an answer: slow ones, silent ones, too many of them.

Rules: a connection that gets no complete answer within `PATIENCE` seconds ends, whatever it does
meanwhile: says nothing, sends its request in drops, or does not read what we say. Of more than
`MOST` at a time the one that has waited longest ends, so that somebody who opens thousands shuts
neither the kubelet's probes out nor uses up the file descriptors that NATS and PagerDuty need.

uvicorn has neither: its keep-alive limit begins after the first answer, and its limit of
concurrency turns away the newest.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds for one answer, from the connection or from the answer before."""
MOST = 64
"""Connections at a time: a kubelet, a few scrapers, a person or two."""


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol with an end to patience."""

    _patience: asyncio.TimerHandle | None = None
    since = 0.0
    """When the connection began to wait for its present answer, by the loop's clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, in the place of the most idle one if need be."""
        super().connection_made(transport)
        self._begin()
        if len(self.connections) > MOST:
            others = [cast(GuardedProtocol, one) for one in self.connections if one is not self]
            min(others, key=lambda one: one.since).give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._end()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next answer may take as long again."""
        self._begin()
        super().on_response_complete()

    def give_up(self) -> None:
        """End the connection without waiting for the other side to read."""
        self._end()
        self.connections.discard(self)
        self.transport.abort()

    def _begin(self) -> None:
        self._end()
        self.since = self.loop.time()
        self._patience = self.loop.call_later(PATIENCE, self.give_up)

    def _end(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
