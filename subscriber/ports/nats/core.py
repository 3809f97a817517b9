"""Envelopes from plain NATS, where there is no JetStream: a queue group, and a weaker promise.

What it does not promise: nothing is stored, so what is published while no replica listens, or is in
our hands when the process ends, is gone; so is what waits for a retry. What it still does:

- Replicas share the messages of a queue group.
- No more than `capacity` messages are in hand; what arrives meanwhile waits in the client, up to
  `max_pending` messages and 64 MiB. What goes beyond that is dropped, and said.
- `nak` hands the message over again in this process after the delay, up to `max_delayed` at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from subscriber.model import Envelope, Problem, Reason, excerpt
from subscriber.ports.interfaces import Handler, Lag, PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.exchange import translated
from subscriber.ports.nats.options import ConnectionListener, ConnectionState
from subscriber.ports.subjects import reduce, valid

_DRAIN_SECONDS = 2.0
_MOST_BYTES = 64 * 1024 * 1024
"""Waiting for a place, per subscription; and as much again for their retry."""
_MICROSECOND = 1_000_000


class CoreMessage:
    """One message in hand; see `ports.interfaces.Held`."""

    __slots__ = ("_ended", "_source", "envelope")

    def __init__(self, source: CoreSource, envelope: Envelope) -> None:
        self.envelope = envelope
        self._source = source
        self._ended = False

    @property
    def data(self) -> bytes:
        """The payload."""
        return self.envelope.data

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        return self.envelope.headers

    @property
    def redelivered(self) -> bool:
        """Whether it was handed over before."""
        return self.envelope.delivery_count > 1

    async def ack(self) -> None:
        """It is done."""
        self._end()

    def ack_nowait(self) -> None:
        """The same, for who cannot wait."""
        self._end()

    async def nak(self, delay: float) -> None:
        """Hand it over again in this process after `delay` seconds."""
        if self._end():
            self._source.again(self.envelope, delay)

    async def term(self, reason: str) -> None:
        """It is done; plain NATS keeps no record of the reason."""
        self._end()

    async def in_progress(self) -> None:
        """Nothing: plain NATS does not redeliver."""

    def _end(self) -> bool:
        first, self._ended = not self._ended, True
        if first:
            self._source.ended()
        return first


class CoreSource:
    """See `ports.interfaces.Source`."""

    def __init__(
        self,
        connection: NatsConnection,
        subjects: Sequence[str],
        *,
        queue: str = "pagerduty-subscriber",
        max_pending: int = 65_536,
        max_delayed: int = 10_000,
        listener: ConnectionListener | None = None,
    ) -> None:
        """Raises Problem for a subject that NATS does not take."""
        for subject in subjects:
            if not valid(subject):
                raise Problem(Reason.INVALID_VALUE, f"{excerpt(subject)} is not a NATS subject")
        self._connection = connection
        self._subjects = reduce(subjects)
        self._queue = queue
        self._max_pending = max_pending
        self._max_delayed = max_delayed
        self._bytes_delayed = 0
        self._tell = listener or (lambda state, text: None)
        self._handler: Handler = lambda held: None
        self._places = asyncio.Semaphore(0)
        self._last = 0
        self._delayed: dict[int, asyncio.TimerHandle] = {}
        self._again: set[asyncio.Task[None]] = set()
        self._client: Client | None = None
        self._subscriptions: list[Subscription] = []
        self._subscribing: asyncio.Task[None] | None = None
        self._started = False
        self._stopped = False

    async def start(self, handler: Handler, *, capacity: int) -> None:
        """Subscribe."""
        self._handler = handler
        self._places = asyncio.Semaphore(capacity)
        self._connection.watch(up=self._came_up, down=_nothing)
        self._started = True
        await self._subscribe()
        await self._connection.ping()  # the server has the subscriptions

    async def stop(self) -> None:
        """Unsubscribe; what has already arrived is still handed over, within two seconds."""
        if not self._started or self._stopped:
            return
        self._connection.unwatch(up=self._came_up, down=_nothing)
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            if self._connection.connected:
                with suppress(nats.errors.Error, OSError, TimeoutError):
                    await asyncio.wait_for(
                        subscription.drain(),  # type: ignore[no-untyped-call]
                        _DRAIN_SECONDS,
                    )
        self._stopped = True
        for task in tuple(self._again):
            task.cancel()
        lost = len(self._delayed) + len(self._again)
        for timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()
        if lost:
            self._tell(ConnectionState.ERROR, f"{lost} messages waiting for a retry are lost")

    async def backlog(self) -> int:
        """Messages that wait in this process, for a place or for their retry."""
        (lag,) = self.lag()
        return lag.waiting + lag.out

    def lag(self) -> tuple[Lag, ...]:
        """What waits in this process: for a place, and (`out`) for a retry."""
        waiting = sum(subscription.pending_msgs for subscription in self._subscriptions)
        out = len(self._delayed) + len(self._again)
        return (Lag(stream="", waiting=waiting, out=out, seen_at=time.time()),)

    def fault(self) -> str:
        """Nothing: what runs inside is nats-py's, and `ping` notices when it does not."""
        return ""

    async def ping(self) -> None:
        """Usable: connected and subscribed."""
        await self._connection.ping()
        if self._stopped or not self._subscriptions:
            raise PortUnavailable("NATS: not subscribed")

    # -- what a message in hand asks ------------------------------------------------------------

    def ended(self) -> None:
        """Its place is free."""
        self._places.release()

    def again(self, envelope: Envelope, delay: float) -> None:
        """Hand it over once more after `delay` seconds."""
        waiting = len(self._delayed) + len(self._again)
        heavy = self._bytes_delayed + len(envelope.data) > _MOST_BYTES
        if self._stopped or waiting >= self._max_delayed or heavy:
            self._tell(ConnectionState.ERROR, "a message that should be tried again is lost")
            return
        later = replace(envelope, delivery_count=envelope.delivery_count + 1)
        loop = asyncio.get_running_loop()
        self._bytes_delayed += len(later.data)
        timer = loop.call_later(max(0.0, delay), self._due, later)
        self._delayed[later.sequence] = timer

    def _due(self, envelope: Envelope) -> None:
        self._bytes_delayed -= len(envelope.data)
        self._delayed.pop(envelope.sequence, None)
        task = asyncio.create_task(self._hand_over(envelope))
        self._again.add(task)
        task.add_done_callback(self._again.discard)

    async def _hand_over(self, envelope: Envelope) -> None:
        await self._places.acquire()
        held = CoreMessage(self, envelope)
        try:
            self._handler(held)
        except Exception as error:  # a bug of ours must not end the subscription
            self._tell(ConnectionState.ERROR, f"the handler failed: {type(error).__name__}")
            await held.nak(1.0)

    # -- subscribing ----------------------------------------------------------------------------

    async def _arrived(self, message: Msg) -> None:
        now = time.time()
        self._last = max(self._last + 1, int(now * _MICROSECOND))
        envelope = Envelope(
            subject=message.subject,
            data=message.data,
            headers=message.headers or {},
            sequence=self._last,
            received_at=now,
        )
        await self._hand_over(envelope)

    async def _subscribe(self) -> None:
        client = self._connection.client
        self._subscriptions = []
        with translated("subscribe"):
            for subject in self._subjects:
                subscription = await client.subscribe(
                    subject,
                    queue=self._queue,
                    cb=self._arrived,
                    pending_msgs_limit=self._max_pending,
                    pending_bytes_limit=_MOST_BYTES,
                )
                self._subscriptions.append(subscription)
        self._client = client

    def _came_up(self) -> None:
        # nats-py renews the subscriptions of a client that reconnects; a new client has none.
        if self._connection.client is not self._client:
            self._subscribing = asyncio.create_task(self._subscribe_again())

    async def _subscribe_again(self) -> None:
        try:
            await self._subscribe()
        except PortUnavailable as error:
            self._tell(ConnectionState.ERROR, str(error))


def _nothing() -> None:
    """Losing the connection needs no answer."""
