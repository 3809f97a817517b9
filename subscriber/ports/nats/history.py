"""Events that the streams still hold, read back by their place in the order.

A place is (epoch, sequence): the epoch says which stream, and changes when a stream is deleted and
made again, so that another event with the same number is not mistaken for the old one.
"""

from __future__ import annotations

from collections.abc import Callable

from subscriber.model import Envelope
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.provision import Binding
from subscriber.ports.nats.stored import read

_SECOND = 1_000_000_000


class NatsHistory:
    """See `ports.interfaces.History`."""

    def __init__(
        self, connection: NatsConnection, bindings: Callable[[], tuple[Binding, ...]]
    ) -> None:
        """`bindings` tells the streams of now, e.g. ``lambda: source.bindings``."""
        self._connection = connection
        self._bindings = bindings

    async def read(self, sequence: int, *, epoch: int = 0) -> Envelope | None:
        """The message at a place in the order, or None when it is gone."""
        bindings = self._bindings()
        if not bindings:
            raise PortUnavailable("NATS: no stream is bound yet")
        binding = next((one for one in bindings if epoch in (0, one.epoch)), None)
        if binding is None or sequence < 1:
            return None
        stored = await read(
            self._connection, binding.stream, {"seq": sequence}, direct=binding.direct
        )
        if stored is None:
            return None
        return Envelope(
            subject=stored.subject,
            data=stored.data,
            headers=stored.headers,
            stream=binding.stream,
            stream_epoch=binding.epoch,
            sequence=stored.sequence,
            received_at=stored.stored_at / _SECOND,
        )

    async def ping(self) -> None:
        """Usable: connected, with a stream to read."""
        await self._connection.ping()
        if not self._bindings():
            raise PortUnavailable("NATS: no stream is bound yet")
