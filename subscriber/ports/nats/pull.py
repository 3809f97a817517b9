"""Reading one stream through the shared durable consumer: our own pull loop.

nats-py's `fetch` stalls behind orphaned requests and costs a future and a timer per message; so the
pull requests are written here, and answers arrive in one inbox whose messages are taken straight
from the wire (`wire`). Nothing on the way of a message waits for anything; its headers and its
Envelope are made when somebody asks for them, since most messages are nobody's concern.

Rules:
- Credit before pulling: messages in hand plus messages asked for never exceed the capacity. What
  arrives beyond it all the same (after a disturbance) is given back at once.
- Every open request is watched: the server owes a frame every `heartbeat` seconds. Silence for
  twice as long, a lost connection, a changed leader, a deleted consumer or stream are one thing, a
  *disturbance*: forget what was asked for, make sure that stream and consumer are there and are
  still the ones we know, and only then ask again.
- An ack names its message by sequence. If the stream or the consumer was made again meanwhile, the
  same name is another message, so endings of an earlier incarnation are dropped; endings that come
  while the connection is away wait for that check.
- A consumer made again begins after the acknowledged part of the old one (the ledger absorbs what
  is delivered twice); in a stream made again it begins with the first message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from subscriber.model import Envelope, Problem
from subscriber.ports.interfaces import Handler, Lag, PortUnavailable
from subscriber.ports.nats.connect import API, NatsConnection
from subscriber.ports.nats.consumer import (
    Consumer,
    consumer_info,
    consumer_state,
    ensure_consumer,
    resume_after,
    start_at,
)
from subscriber.ports.nats.options import (
    ConnectionListener,
    ConnectionState,
    ConsumerOptions,
    FirstStart,
)
from subscriber.ports.nats.provision import Binding, binding_of, stream_info
from subscriber.ports.nats.wire import WireClient, header_fields, publication

_SECOND = 1_000_000_000
_REFRESH_SECONDS = 10.0
_HANGS_SECONDS = 120.0
"""A pull loop that has not turned for so long will not any more: each of its waits is shorter."""
_RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_ACK, _NAK, _TERM, _WORKING = b"+ACK", b"-NAK", b"+TERM", b"+WPI"
_NAK_SOON = b'-NAK {"delay": 200000000}'
_EBB_SECONDS, _QUIET_SECONDS = 1.0, 0.05
_V1_TOKENS = 9  # $JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending; later servers add two

Incarnation = tuple[int, int]
Rebind = Callable[[Binding], Awaitable[Binding]]


class PulledMessage:
    """One message in hand; see `ports.interfaces.Held`."""

    __slots__ = (
        "_binding",
        "_block",
        "_ended",
        "_envelope",
        "_facts",
        "_headers",
        "_incarnation",
        "_reader",
        "_reply",
        "_subject",
        "data",
        "redelivered",
    )

    def __init__(
        self,
        reader: StreamReader,
        subject: bytes,
        reply: bytes,
        data: bytes,
        block: bytes,
        incarnation: Incarnation,
    ) -> None:
        """Raises ValueError or IndexError for a reply subject that is not one of JetStream's."""
        self._facts = facts = facts_of(reply)
        self.data = data
        self.redelivered = facts[0] > 1
        self._block = block
        self._headers: Mapping[str, str] | None = None if block else {}
        self._envelope: Envelope | None = None
        self._subject = subject
        self._reader = reader
        self._binding = reader.binding
        self._reply = reply
        self._incarnation = incarnation
        self._ended = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, as in the envelope."""
        if self._headers is None:
            self._headers = header_fields(self._block)
        return self._headers

    @property
    def envelope(self) -> Envelope:
        """What arrived; made when first asked for."""
        if self._envelope is None:
            subject = self._subject.decode(errors="replace")
            self._envelope = _envelope(subject, self.data, self.headers, self._facts, self._binding)
        return self._envelope

    async def ack(self) -> None:
        """It is done; never deliver it again."""
        confirmation = self._end(_ACK)
        if confirmation is not None:
            await confirmation

    def ack_nowait(self) -> None:
        """The same, for who cannot wait."""
        self._end(_ACK)

    async def nak(self, delay: float) -> None:
        """Give it back; redelivered after `delay` seconds."""
        self.give_back(delay)

    def give_back(self, delay: float) -> None:
        """The same, for who cannot wait."""
        # A bare NAK is immediate; JetStream takes the delay as whole nanoseconds.
        wait = int(delay * _SECOND)
        self._end(_NAK + b' {"delay": %d}' % wait if wait > 0 else _NAK)

    async def term(self, reason: str) -> None:
        """Never deliver it again; `reason` goes into the server's advisory."""
        self._end(_TERM + b" " + " ".join(reason.split()).encode()[:500])

    async def in_progress(self) -> None:
        """Restart its ack_wait."""
        if not self._ended:
            self._reader.report_progress(self._reply, self._incarnation)

    def _end(self, verdict: bytes) -> asyncio.Task[None] | None:
        if self._ended:
            return None
        self._ended = True
        return self._reader.end(self._reply, verdict, self._incarnation)


class StreamReader:
    """The pull loop of one stream."""

    def __init__(
        self,
        connection: NatsConnection,
        binding: Binding,
        options: ConsumerOptions,
        rebind: Rebind,
        tell: ConnectionListener,
    ) -> None:
        self.binding = binding
        self._connection = connection
        self._options = options
        self._rebind = rebind
        self._tell = tell
        self._handler: Handler = lambda held: None
        self._capacity = 0
        self._in_hand = 0
        self._asked = 0
        self._arrivals = 0
        self._generation = 0
        self._max_batch = options.max_batch
        self._expires = max(options.pull_expires, 2 * options.heartbeat)
        self._incarnation: Incarnation = (0, 0)
        self._ack_floor = 0
        self._ready = False
        self._stopping = False
        self._last_frame = 0.0
        self._disturbed = asyncio.Event()
        self._waiting_ends: list[tuple[bytes, bytes, Incarnation]] = []
        self._confirming: set[asyncio.Task[None]] = set()
        self._client: WireClient | None = None
        self._subscription: Subscription | None = None
        self._inbox = b""
        self._task: asyncio.Task[None] | None = None
        self._turned_at = 0.0
        self.lag: Lag | None = None
        """What waits, as of the last look at the consumer."""

    # -- life ---------------------------------------------------------------------------------

    async def start(self, handler: Handler, capacity: int) -> None:
        """Make sure of the consumer and begin to pull."""
        self._handler, self._capacity = handler, capacity
        self._connection.watch(up=self._disturb, down=self._disturb)
        first = start_at(FirstStart.ALL if self.binding.fresh else self._options.first_start)
        try:
            await self._verify(first)
            await self._resume()
        except BaseException:
            self._connection.unwatch(up=self._disturb, down=self._disturb)
            raise
        self._turned_at = time.monotonic()
        self._task = asyncio.create_task(self._run(), name=f"pull-{self.binding.stream}")

    async def stop(self) -> None:
        """Stop pulling; what the server still hands over is given back at once."""
        if self._stopping:
            return
        self._stopping = True
        await self._let_flow_ebb()
        subscription, self._subscription = self._subscription, None
        if subscription is not None and self._connection.connected:
            # Draining instead of unsubscribing: what the server has already sent still comes to us
            # and is given back, instead of waiting out its ack_wait in nobody's hands.
            with suppress(nats.errors.Error, OSError, TimeoutError):
                await asyncio.wait_for(subscription.drain(), 2.0)  # type: ignore[no-untyped-call]
        if self._confirming:  # each ends within the limit of a request
            await asyncio.wait(self._confirming)
        self._disturbed.set()  # let the loop notice

    async def _let_flow_ebb(self) -> None:
        """Wait until nothing is asked for any more, or nothing comes.

        A message that the server is just sending when it hears of our leaving is lost for the time
        of its ack_wait; so we leave in a quiet moment. Under load the open requests are soon used
        up, without load there is nothing to lose.
        """
        deadline = time.monotonic() + _EBB_SECONDS
        while self._asked and self._ready and time.monotonic() < deadline:
            arrived = self._arrivals
            await asyncio.sleep(_QUIET_SECONDS)
            if self._arrivals == arrived:
                return

    async def backlog(self) -> int:
        """Messages that the consumer has not settled."""
        info = await consumer_info(self._connection, self.binding.stream, self._options.durable)
        if info is None:
            raise PortUnavailable(f"NATS: no consumer on {self.binding.stream}")
        state = consumer_state(info)
        return state.waiting + state.out

    def check(self) -> None:
        """Raise `PortUnavailable` unless messages can arrive."""
        if self._task is None or self._task.done() or self._stopping:
            raise PortUnavailable(f"NATS: {self.binding.stream} is not being read")
        if not self._ready:
            raise PortUnavailable(f"NATS: the consumer on {self.binding.stream} is not there")

    def fault(self) -> str:
        """Empty while the loop turns; else that it has died or hangs."""
        if self._task is None or self._stopping or self._connection.closed:
            return ""
        if self._task.done():
            return f"nothing reads {self.binding.stream} any more"
        silent = time.monotonic() - self._turned_at
        if silent > _HANGS_SECONDS:
            return f"the reading of {self.binding.stream} hangs for {silent:.0f} s"
        return ""

    # -- what a message in hand asks ------------------------------------------------------------

    def end(
        self, reply: bytes, verdict: bytes, incarnation: Incarnation
    ) -> asyncio.Task[None] | None:
        """Settle a message and use the place that it frees; a task where a confirmation comes."""
        self._in_hand -= 1
        if not self._ready or not self._connection.connected:
            self._waiting_ends.append((reply, verdict, incarnation))
            return None
        confirmation = self._say(reply, verdict, incarnation)
        self._refill()
        return confirmation

    def report_progress(self, reply: bytes, incarnation: Incarnation) -> None:
        """Restart the ack_wait of a message."""
        if self._ready:
            self._say(reply, _WORKING, incarnation)

    def _say(
        self, reply: bytes, verdict: bytes, incarnation: Incarnation
    ) -> asyncio.Task[None] | None:
        # What gets lost here comes back as a redelivery.
        if incarnation != self._incarnation:
            return None
        if verdict is _ACK and self._options.confirm_acks:
            task = asyncio.get_running_loop().create_task(self._confirm(reply.decode()))
            self._confirming.add(task)
            task.add_done_callback(self._confirming.discard)
            return task
        if self._client is not None:
            self._client.write(publication(reply, verdict))
        return None

    async def _confirm(self, reply: str) -> None:
        with suppress(PortUnavailable, nats.errors.Error, OSError, TimeoutError):
            await self._connection.request(reply, _ACK)

    # -- pulling --------------------------------------------------------------------------------

    def _refill(self) -> None:
        free = self._capacity - self._in_hand - self._asked
        # Asked for half of what there is room for while the other half is under way, the server
        # need not wait for us, and we need not ask for every single message.
        if free < (max(1, (self._capacity - self._in_hand) // 2) if self._asked else 1):
            return
        if not self._ready or self._stopping or self._client is None:
            return
        if not self._asked:
            self._last_frame = time.monotonic()
        batch = min(free, self._max_batch)
        self._asked += batch
        request = {
            "batch": batch,
            "expires": int(self._expires * _SECOND),
            "idle_heartbeat": int(self._options.heartbeat * _SECOND),
        }
        subject = f"{API}.CONSUMER.MSG.NEXT.{self.binding.stream}.{self._options.durable}"
        inbox = b"%b.%d-%d" % (self._inbox, self._generation, batch)
        self._client.write(publication(subject.encode(), msgspec.json.encode(request), inbox))

    def _arrived(self, subject: bytes, reply: bytes, data: bytes, block: bytes) -> None:
        self._last_frame = time.monotonic()
        if subject.startswith(self._inbox):
            self._status(subject, block)
            return
        if self._asked:
            self._asked -= 1
        self._arrivals += 1
        if self._stopping or self._in_hand >= self._capacity:
            # Soon, but not at once: it would only come back to us.
            self._say(reply, _NAK_SOON, self._incarnation)
            return
        try:
            held = PulledMessage(self, subject, reply, data, block, self._incarnation)
        except (ValueError, IndexError):  # published to our inbox by somebody else
            self._tell(ConnectionState.ERROR, "a message in our inbox is not from JetStream")
            return
        self._in_hand += 1
        try:
            self._handler(held)
        except Exception as error:  # a bug of ours must neither stop the loop nor lose the message
            self._tell(ConnectionState.ERROR, f"the handler failed: {type(error).__name__}")
            held.give_back(1.0)
        if not self._asked:
            self._refill()

    def _status(self, subject: bytes, block: bytes) -> None:
        """A frame about a pull request (its generation and size are in the reply subject)."""
        headers = header_fields(block)
        status, text = headers.get("Status", ""), headers.get("Description", "").lower()
        generation, _, size = subject.decode().rpartition(".")[2].partition("-")
        if status == "100" or generation != str(self._generation):
            return
        unfilled = headers.get("Nats-Pending-Messages", "")
        if status in ("404", "408") or text == "batch completed":
            over = int(unfilled) if unfilled.isdigit() else int(size)
        elif text.startswith("exceeded maxrequestbatch of "):
            limit = text.rpartition(" ")[2]
            self._max_batch = int(limit) if limit.isdigit() else max(1, int(size) // 2)
            over = int(size)
        else:
            # Consumer Deleted, Leadership Change, Server Shutdown, Exceeded MaxWaiting, no
            # responders, a bad request: all end in the same check.
            if status != "503":
                self._tell(ConnectionState.ERROR, f"{self.binding.stream}: {status} {text}")
            self._disturb()
            return
        self._asked = max(0, self._asked - over)
        self._refill()

    # -- disturbances ---------------------------------------------------------------------------

    def _disturb(self) -> None:
        self._ready = False
        self._disturbed.set()

    async def _run(self) -> None:
        failures = 0
        refresh_at = time.monotonic() + _REFRESH_SECONDS
        try:
            while not self._finished():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._disturbed.wait(), self._options.heartbeat)
                self._disturbed.clear()
                now = self._turned_at = time.monotonic()
                silent = now - self._last_frame > 2 * self._options.heartbeat
                if self._ready and self._asked and silent and not self._stopping:
                    self._disturb()
                try:
                    if not self._ready and self._connection.connected:
                        await self._verify(None)
                        await self._resume()
                    elif self._ready and now > refresh_at:
                        await self._refresh()
                        refresh_at = now + _REFRESH_SECONDS
                    failures = 0
                except (PortUnavailable, Problem) as error:
                    self._tell(ConnectionState.ERROR, f"{self.binding.stream}: {error}")
                    await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                    failures += 1
                    self._disturb()
        finally:
            self._ready = False
            self._connection.unwatch(up=self._disturb, down=self._disturb)

    def _finished(self) -> bool:
        nothing_left = self._stopping and not self._in_hand and not self._waiting_ends
        return self._connection.closed or nothing_left

    async def _verify(self, first: dict[str, object] | None) -> None:
        """Stream and consumer are there and known; `first` is where a consumer never seen begins.

        Raises:
            PortUnavailable: NATS does not answer.
            Problem: the stream is gone, the consumer cannot be made.
        """
        self._disturbed.clear()
        self._generation += 1
        self._asked = 0
        info = await stream_info(self._connection, self.binding.stream)
        if info is None:
            self.binding = await self._rebind(self.binding)
        else:
            self.binding = binding_of(info, self.binding.filters)
        start = first
        if start is None:
            same = self.binding.epoch == self._incarnation[0]
            start = resume_after(self._ack_floor) if same else start_at(FirstStart.ALL)
        consumer = await ensure_consumer(self._connection, self.binding, self._options, start)
        self._incarnation = (self.binding.epoch, consumer.created)
        self._saw(consumer)

    async def _resume(self) -> None:
        """Listen on the client of now, settle what waited, pull."""
        client = self._connection.client
        if client is not self._client and not self._stopping:
            inbox = client.new_inbox()
            self._inbox = inbox.encode()
            try:
                self._subscription = await client.take_from(f"{inbox}.*", self._arrived)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                raise PortUnavailable(f"NATS: subscribe: {error}") from error
        self._client = client
        if self._disturbed.is_set():  # again, while we were asking
            return
        waiting, self._waiting_ends = self._waiting_ends, []
        self._last_frame = time.monotonic()
        self._ready = True
        for reply, verdict, incarnation in waiting:
            self._say(reply, verdict, incarnation)
        self._refill()

    async def _refresh(self) -> None:
        info = await consumer_info(self._connection, self.binding.stream, self._options.durable)
        consumer = None if info is None else consumer_state(info)
        if consumer is None or consumer.created != self._incarnation[1]:
            self._disturb()
        else:
            self._saw(consumer)

    def _saw(self, consumer: Consumer) -> None:
        self._ack_floor = consumer.ack_floor
        self.lag = Lag(
            stream=self.binding.stream,
            waiting=consumer.waiting,
            out=consumer.out,
            seen_at=time.time(),
        )


def envelope_of(message: Msg, binding: Binding) -> Envelope:
    """A JetStream delivery as an Envelope; its facts are in the tokens of the reply subject.

    Raises:
        ValueError, IndexError: the reply subject is not one of JetStream's.
    """
    facts = facts_of(message.reply.encode())
    return _envelope(message.subject, message.data, message.headers or {}, facts, binding)


Facts = tuple[int, int, int, int]
"""Delivery count, stream sequence, time of storing in nanoseconds, how many more wait."""


def facts_of(reply: bytes) -> Facts:
    """What the reply subject of a delivery says.

    Raises:
        ValueError, IndexError: it is not one of JetStream's.
    """
    tokens = reply.split(b".")
    first = 4 if len(tokens) == _V1_TOKENS else 6
    return (
        int(tokens[first]),
        int(tokens[first + 1]),
        int(tokens[first + 3]),
        int(tokens[first + 4]),
    )


def _envelope(
    subject: str, data: bytes, headers: Mapping[str, str], facts: Facts, binding: Binding
) -> Envelope:
    deliveries, sequence, stored_at, pending = facts
    return Envelope(
        subject=subject,
        data=data,
        headers=headers,
        stream=binding.stream,
        stream_epoch=binding.epoch,
        sequence=sequence,
        delivery_count=deliveries,
        received_at=stored_at / _SECOND,
        pending=pending,
    )
