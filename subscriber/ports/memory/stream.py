"""A stream with one durable consumer, in memory: source, publisher and history around it.

It redelivers as JetStream does: what is not ended within `ack_wait` of its last sign of life, and
what is given back, comes again (to any started source, before newer messages) with a higher
delivery count. Waiting goes through the clock it is given.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from subscriber.model import Envelope
from subscriber.ports.interfaces import Clock, Handler, Lag, PortUnavailable

_NANOSECOND = 1_000_000_000


class MemoryStream:
    """Messages in order, and which of them are settled.

    Attributes:
        name: as in `Envelope.stream`.
        epoch: as in `Envelope.stream_epoch`.
        terminated: sequence and reason of messages that were terminated.
    """

    def __init__(self, clock: Clock, *, name: str = "memory", ack_wait: float = 60.0) -> None:
        self.name = name
        self.epoch = int(clock.now() * _NANOSECOND)
        self.terminated: list[tuple[int, str]] = []
        self._clock = clock
        self._ack_wait = ack_wait
        self._messages: dict[int, Envelope] = {}
        self._ids: dict[str, int] = {}
        self._last = 0
        self._ready: deque[int] = deque()
        self._deliveries: dict[int, int] = {}
        self._deadlines: dict[int, float] = {}
        self._due: list[tuple[float, int, int]] = []
        self._order = count()
        self._sources: deque[MemorySource] = deque()
        self._dispatching = False
        self._timer: asyncio.Task[None] | None = None

    # -- the stream ---------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Store a message; its sequence (of the first copy, for a known ``Nats-Msg-Id``)."""
        kept = dict(headers or {})
        identity = kept.get("Nats-Msg-Id", "")
        if identity and identity in self._ids:
            return self._ids[identity]
        self._last += 1
        if identity:
            self._ids[identity] = self._last
        self._messages[self._last] = Envelope(
            subject=subject,
            data=data,
            headers=kept,
            stream=self.name,
            stream_epoch=self.epoch,
            sequence=self._last,
            received_at=self._clock.now(),
        )
        self._ready.append(self._last)
        self._wake()
        return self._last

    def get(self, sequence: int) -> Envelope | None:
        """A message by its sequence."""
        return self._messages.get(sequence)

    def messages(self) -> list[Envelope]:
        """Everything that is still held, in order."""
        return [self._messages[sequence] for sequence in sorted(self._messages)]

    def delete(self, sequence: int) -> None:
        """Forget a message, as a stream's limits would."""
        self._messages.pop(sequence, None)

    @property
    def unsettled(self) -> int:
        """Messages waiting or out."""
        return len(self._ready) + len(self._deadlines)

    def lag(self) -> Lag:
        """What waits and what is out, right now."""
        return Lag(
            stream=self.name,
            waiting=len(self._ready),
            out=len(self._deadlines),
            seen_at=self._clock.now(),
        )

    # -- its consumer -------------------------------------------------------------------------

    def attach(self, source: MemorySource) -> None:
        """A source begins to take messages."""
        self._sources.append(source)
        self._wake()

    def detach(self, source: MemorySource) -> None:
        """A source takes no more messages."""
        self._sources.remove(source)

    def settle(self, sequence: int) -> None:
        """Acknowledged: never again."""
        if self._deadlines.pop(sequence, None) is None and sequence in self._ready:
            self._ready.remove(sequence)  # its ack_wait was over, but it has not gone out again
        self._wake()

    def give_back(self, sequence: int, delay: float) -> None:
        """Deliver it again after `delay` seconds, unless it has been settled."""
        if sequence in self._deadlines:
            self._wait_for(sequence, delay)
        self._wake()

    def touch(self, sequence: int) -> None:
        """Its holder is alive."""
        if sequence in self._deadlines:
            self._wait_for(sequence, self._ack_wait)

    def _wake(self) -> None:
        """Deliver soon, not inside the caller."""
        if not self._dispatching:
            self._dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        while self._ready:
            source = self._free_source()
            if source is None:
                return
            sequence = self._ready.popleft()
            message = self._messages.get(sequence)
            if message is None:  # deleted while it waited
                continue
            self._deliveries[sequence] = self._deliveries.get(sequence, 0) + 1
            self._wait_for(sequence, self._ack_wait)
            source.take(
                replace(
                    message,
                    delivery_count=self._deliveries[sequence],
                    pending=len(self._ready),
                )
            )

    def _free_source(self) -> MemorySource | None:
        for _ in range(len(self._sources)):
            self._sources.rotate(-1)
            if self._sources[-1].has_place:
                return self._sources[-1]
        return None

    def _wait_for(self, sequence: int, seconds: float) -> None:
        due = self._clock.now() + max(0.0, seconds)
        self._deadlines[sequence] = due
        heapq.heappush(self._due, (due, next(self._order), sequence))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().create_task(self._redeliver())

    async def _redeliver(self) -> None:
        while self._due:
            due, _, sequence = self._due[0]
            # An entry counts only while it is the newest word about its message.
            if self._deadlines.get(sequence) != due:
                heapq.heappop(self._due)
                continue
            wait = due - self._clock.now()
            if wait > 0:
                await self._clock.sleep(wait)
                continue
            heapq.heappop(self._due)
            del self._deadlines[sequence]
            self._ready.appendleft(sequence)
            self._wake()


class MemoryMessage:
    """One message in hand; see `ports.interfaces.Held`."""

    __slots__ = ("_ended", "_source", "envelope")

    def __init__(self, source: MemorySource, envelope: Envelope) -> None:
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
        """Whether it was delivered before."""
        return self.envelope.delivery_count > 1

    async def ack(self) -> None:
        """It is done; never deliver it again."""
        self.ack_nowait()

    def ack_nowait(self) -> None:
        """The same, for who cannot wait."""
        if self._end():
            self._source.stream.settle(self.envelope.sequence)

    async def nak(self, delay: float) -> None:
        """Give it back; redelivered after `delay` seconds."""
        if self._end():
            self._source.stream.give_back(self.envelope.sequence, delay)

    async def term(self, reason: str) -> None:
        """Never deliver it again."""
        if self._end():
            self._source.stream.terminated.append((self.envelope.sequence, reason))
            self._source.stream.settle(self.envelope.sequence)

    async def in_progress(self) -> None:
        """Restart its ack_wait."""
        if not self._ended:
            self._source.stream.touch(self.envelope.sequence)

    def _end(self) -> bool:
        first, self._ended = not self._ended, True
        if first:
            self._source.free()
        return first


class MemorySource:
    """See `ports.interfaces.Source`; several may share a stream, as replicas do."""

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self._handler: Handler = lambda held: None
        self._capacity = 0
        self._in_hand = 0
        self._running = False

    @property
    def has_place(self) -> bool:
        """Whether one more message may be handed over."""
        return self._in_hand < self._capacity

    async def start(self, handler: Handler, *, capacity: int) -> None:
        """Begin to take messages."""
        self._handler, self._capacity, self._running = handler, capacity, True
        self.stream.attach(self)

    async def stop(self) -> None:
        """Take no more; messages in hand stay ours."""
        if self._running:
            self._running = False
            self.stream.detach(self)

    async def backlog(self) -> int:
        """Messages that are not settled."""
        return self.stream.unsettled

    def lag(self) -> tuple[Lag, ...]:
        """What the stream holds, right now."""
        return (self.stream.lag(),)

    def fault(self) -> str:
        """Nothing runs inside."""
        return ""

    async def ping(self) -> None:
        """Usable: started."""
        if not self._running:
            raise PortUnavailable("the source is not started")

    def take(self, envelope: Envelope) -> None:
        """A message arrives."""
        self._in_hand += 1
        self._handler(MemoryMessage(self, envelope))

    def free(self) -> None:
        """A message has ended."""
        self._in_hand -= 1


class MemoryPublisher:
    """See `ports.interfaces.Publisher`."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Store it in the stream."""
        self._stream.publish(subject, data, headers)

    async def ping(self) -> None:
        """Always usable."""


class MemoryHistory:
    """See `ports.interfaces.History`."""

    def __init__(self, streams: Sequence[MemoryStream] = ()) -> None:
        """Without streams nothing is ever found (plain NATS)."""
        self._streams = tuple(streams)

    async def read(self, sequence: int, *, epoch: int = 0) -> Envelope | None:
        """The message at a place in the order, or None when it is gone."""
        stream = next((one for one in self._streams if epoch in (0, one.epoch)), None)
        return None if stream is None else stream.get(sequence)

    async def ping(self) -> None:
        """Always usable."""
