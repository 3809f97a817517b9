"""Envelopes from JetStream: a durable pull consumer on every stream that holds wanted subjects.

Any number of replicas share the consumer of a stream; JetStream hands each message to one of them.
What one stream's pull loop does is in `pull`; here streams are found and the capacity is divided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from subscriber.ports.interfaces import Handler, Lag, PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import ConnectionListener, ConsumerOptions, StreamOptions
from subscriber.ports.nats.provision import Binding, bind_streams, require_jetstream
from subscriber.ports.nats.pull import StreamReader

_DELETION_SECONDS = 1.0


class JetStreamSource:
    """The durable, shared source; see `ports.interfaces.Source`."""

    def __init__(
        self,
        connection: NatsConnection,
        streams: StreamOptions,
        consumer: ConsumerOptions,
        *,
        without: Collection[str] = (),
        listener: ConnectionListener | None = None,
    ) -> None:
        """`without` names streams never to read (the dead letters)."""
        self._connection = connection
        self._streams = streams
        self._consumer = consumer
        self._without = tuple(without)
        self._tell = listener or (lambda state, text: None)
        self._readers: list[StreamReader] = []

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The streams being read; empty before the start."""
        return tuple(reader.binding for reader in self._readers)

    async def start(self, handler: Handler, *, capacity: int) -> None:
        """Find or make streams and consumers, and begin to pull.

        The capacity is divided evenly among the streams (each gets at least one).

        Raises:
            Problem: no JetStream, or a stream or consumer that cannot be used.
        """
        await require_jetstream(self._connection)
        bindings = await bind_streams(self._connection, self._streams, without=self._without)
        self._readers = [
            StreamReader(self._connection, binding, self._consumer, self._rebind, self._tell)
            for binding in bindings
        ]
        share, rest = divmod(capacity, len(self._readers))
        try:
            for index, reader in enumerate(self._readers):
                await reader.start(handler, max(1, share + (index < rest)))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop pulling; messages in hand stay ours and may still be ended."""
        for reader in self._readers:
            await reader.stop()

    async def backlog(self) -> int:
        """Messages not settled, in all streams together."""
        return sum([await reader.backlog() for reader in self._readers])

    def lag(self) -> tuple[Lag, ...]:
        """Per stream, as of the last look at its consumer."""
        return tuple(lag for reader in self._readers if (lag := reader.lag) is not None)

    def fault(self) -> str:
        """Which pull loop has died or hangs."""
        return "; ".join(fault for reader in self._readers if (fault := reader.fault()))

    async def ping(self) -> None:
        """Usable: connected, and every stream is being read."""
        await self._connection.ping()
        if not self._readers:
            raise PortUnavailable("NATS: the source is not started")
        for reader in self._readers:
            reader.check()

    async def _rebind(self, lost: Binding) -> Binding:
        """Another stream for the subjects of one that is gone.

        A stream of ours is created again. For somebody else's we wait: one of ours would hold its
        subjects and keep the owner from creating it again.
        """
        name = self._streams.stream
        if name and not lost.ours:
            raise PortUnavailable(f"NATS: the stream {name} is gone; waiting for it")
        options = replace(self._streams, subjects=lost.filters)
        if lost.ours:
            # We hear of a deletion while the server is still at it; one second keeps the new
            # stream out of the way of what is left of the old one.
            await asyncio.sleep(_DELETION_SECONDS)
        else:
            options = replace(options, create_as="")
        taken = {reader.binding.stream for reader in self._readers} - {lost.stream}
        found = await bind_streams(self._connection, options, without=self._without)
        for binding in found:
            if binding.stream not in taken:
                return binding
        raise PortUnavailable(f"NATS: the stream {lost.stream} is gone; waiting for it")
