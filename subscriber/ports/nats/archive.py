"""Reading whole streams, fast, through a consumer of our own that leaves no trace.

Rules:
- The consumer is ephemeral, in the server's memory, without acks, and deleted at the end. The
  durable one of the running service is never asked for anything.
- Order is checked: the deliveries of the consumer are numbered without gaps. A gap, silence, or a
  lost connection make a new consumer behind the last message that was handed on, so nothing is
  left out and nothing comes twice.
- Credit before pulling, in messages and in bytes: what is asked for and not yet handed on stays
  below `_CREDIT` messages and about three times `_BYTES`.
- A stream with work-queue retention is refused: a consumer without acks is not allowed there, and
  one with acks would eat the messages.

This module does not know what the messages mean.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from subscriber.model import Envelope, Problem, Reason
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.merged import merged
from subscriber.ports.nats import survey
from subscriber.ports.nats.connect import API, ApiError, NatsConnection
from subscriber.ports.nats.exchange import translated
from subscriber.ports.nats.options import StreamOptions
from subscriber.ports.nats.provision import Binding, binding_of, stream_info
from subscriber.ports.nats.pull import envelope_of
from subscriber.ports.subjects import covers, overlaps, reduce

_CREDIT = 2000
_BYTES = 16 * 1024 * 1024
_SECOND = 1_000_000_000
_IDLE_SECONDS = 60.0
_SILENCE = 5.0
_PATIENCE = 30.0
_RETRY = 0.25
_BREATHE = 64  # messages between two looks at the socket


class NatsArchive:
    """See `ports.interfaces.Archive`."""

    def __init__(
        self,
        connection: NatsConnection,
        options: StreamOptions,
        *,
        without: Collection[str] = (),
        patience: float = _PATIENCE,
    ) -> None:
        """Read the streams that the service with these options would read.

        Args:
            connection: started.
            options: subjects, and the stream's name if one is given.
            without: streams never to read (the dead letters).
            patience: seconds for which a lost connection is waited for.
        """
        self._connection = connection
        self._options = options
        self._without = tuple(without)
        self._patience = patience

    async def scan(
        self, *, since: float = 0.0, until: float | None = None
    ) -> AsyncGenerator[Envelope, None]:
        """Every message stored from `since` to `until`, oldest first."""
        try:
            found = await survey.standing(self._connection, self._options, without=self._without)
            infos = [await stream_info(self._connection, one.stream) for one in found]
        except ApiError as error:
            raise PortUnavailable(str(error)) from error
        readers = [
            _Reader(self._connection, info, self._options.subjects, self._patience)
            for info in infos
            if info is not None
        ]
        if not readers:
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"no stream holds {', '.join(self._options.subjects)}",
                where=self._connection.where,
                hint="is this the right NATS server, and are nats.subjects and nats.stream right?",
            )
        async with aclosing(merged([one.messages(since, until) for one in readers])) as messages:
            async for envelope in messages:
                yield envelope

    async def ping(self) -> None:
        """Usable: connected."""
        await self._connection.ping()


class _Reader:
    """Reads one stream once."""

    def __init__(
        self,
        connection: NatsConnection,
        info: dict[str, Any],
        wanted: Collection[str],
        patience: float,
    ) -> None:
        config = info["config"]
        if config.get("retention") == "workqueue":
            raise Problem(
                Reason.STREAM_CONFLICT,
                "a work-queue stream cannot be read without taking its messages away",
                where=config["name"],
                hint="read a mirror of it: nats.stream names another stream",
            )
        self._connection = connection
        self._binding: Binding = binding_of(info, _filters(config.get("subjects") or (), wanted))
        self._last = int(info["state"]["last_seq"])
        self._patience = patience
        self._next = 0
        self._name = ""
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._arrived: deque[Msg] = deque()
        self._bytes = 0
        self._asked = 0
        self._batch = _CREDIT // 2
        self._max_bytes = max(_BYTES, 2 * connection.client.max_payload)
        self._delivered = 0
        self._told = 0
        self._over = False
        self._broken = False
        self._wake = asyncio.Event()

    async def messages(self, since: float, until: float | None) -> AsyncGenerator[Envelope, None]:
        """The messages of the stream."""
        self._connection.watch(up=self._break, down=self._break)
        try:
            if not await self._open(since):
                return
            while (message := await self._take()) is not None:
                envelope = envelope_of(message, self._binding)
                if envelope.sequence > self._last:
                    return
                if until is not None and envelope.received_at > until:
                    return
                self._next = envelope.sequence + 1
                yield envelope
                if envelope.sequence == self._last or envelope.pending == 0:
                    return
                if self._delivered % _BREATHE == 0:
                    await asyncio.sleep(0)
        finally:
            self._connection.unwatch(up=self._break, down=self._break)
            await self._close()

    async def _take(self) -> Msg | None:
        """The next message in order, None when there is none left."""
        while True:
            if self._broken and not await self._again():
                return None
            if self._arrived:
                message = self._arrived.popleft()
                self._bytes -= len(message.data)
                if _number(message) != self._delivered + 1:
                    self._break()
                    continue
                self._delivered += 1
                if self._has_room():
                    await self._ask()
                return message
            if not self._asked:
                if self._over and not await self._waiting():
                    return None
                await self._ask()
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), _SILENCE)
            except TimeoutError:
                self._break()

    # -- the consumer ---------------------------------------------------------------------------

    async def _open(self, since: float) -> bool:
        """Make a consumer that begins where we stand; False when nothing waits for it."""
        self._broken = self._over = False
        self._asked = self._delivered = self._told = self._bytes = 0
        self._arrived.clear()
        client = self._connection.client
        self._inbox = client.new_inbox()
        with translated("subscribe"):
            self._subscription = await client.subscribe(
                f"{self._inbox}.*", cb=self._heard, pending_msgs_limit=0, pending_bytes_limit=0
            )
        self._name = f"pagerduty-archive-{uuid.uuid4().hex[:12]}"
        config: dict[str, object] = {
            "name": self._name,
            "description": "pagerduty-subscriber, reading only",
            "ack_policy": "none",
            "replay_policy": "instant",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(_IDLE_SECONDS * _SECOND),
            **_start(self._next, since),
        }
        if len(self._binding.filters) == 1:
            config["filter_subject"] = self._binding.filters[0]
        elif self._binding.filters:
            config["filter_subjects"] = list(self._binding.filters)
        info = await self._connection.api(
            f"CONSUMER.CREATE.{self._binding.stream}.{self._name}",
            {"stream_name": self._binding.stream, "config": config, "action": "create"},
        )
        return int(info.get("num_pending", 0)) > 0

    async def _again(self) -> bool:
        """Begin behind the last message that was handed on, as soon as NATS is there."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while True:
            try:
                await self._close()
                info = await stream_info(self._connection, self._binding.stream)
                if info is None or binding_of(info, ()).epoch != self._binding.epoch:
                    raise Problem(
                        Reason.STREAM_CONFLICT,
                        "the stream was deleted while it was read",
                        where=self._binding.stream,
                    )
                return await self._open(0.0)
            except PortUnavailable:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(_RETRY)

    async def _waiting(self) -> bool:
        """Whether the consumer still has something for us."""
        try:
            info = await self._connection.api(f"CONSUMER.INFO.{self._binding.stream}.{self._name}")
        except PortUnavailable:
            self._break()
            return True
        return int(info.get("num_pending", 0)) > 0

    async def _close(self) -> None:
        subscription, self._subscription = self._subscription, None
        name, self._name = self._name, ""
        if subscription is not None:
            with suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()
        if name and self._connection.connected:
            with suppress(PortUnavailable, Problem):  # it ends by itself when nobody asks it
                await self._connection.api(f"CONSUMER.DELETE.{self._binding.stream}.{name}")

    # -- pulling --------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        """Whether to ask for more while some is still here."""
        few = self._asked + len(self._arrived) <= _CREDIT // 2
        return few and self._bytes < self._max_bytes

    async def _ask(self) -> None:
        self._over = False
        self._asked += self._batch
        request: dict[str, object] = {"batch": self._batch, "no_wait": True}
        if self._max_bytes:
            request["max_bytes"] = self._max_bytes
        try:
            await self._connection.publish(
                f"{API}.CONSUMER.MSG.NEXT.{self._binding.stream}.{self._name}",
                msgspec.json.encode(request),
                reply=f"{self._inbox}.{self._batch}",
            )
        except PortUnavailable:
            self._break()

    async def _heard(self, message: Msg) -> None:
        if message.reply:
            if self._name not in message.reply:
                return  # from the consumer before this one
            self._asked = max(0, self._asked - 1)
            self._told += 1
            self._bytes += len(message.data)
            self._arrived.append(message)
        elif message.subject.startswith(self._inbox):
            self._status(message)
        self._wake.set()

    def _status(self, message: Msg) -> None:
        """A request has ended unfilled, or the consumer is gone."""
        headers = message.headers or {}
        status, text = headers.get("Status", ""), headers.get("Description", "").lower()
        unfilled = headers.get("Nats-Pending-Messages", "")
        size = message.subject.rpartition(".")[2]
        left = int(unfilled) if unfilled.isdigit() else int(size) if size.isdigit() else 0
        self._asked = max(0, self._asked - left)
        if status in ("404", "408") or text == "batch completed":
            self._over = True
        elif "maxbytes" in text:
            if not self._told:  # one message larger than all we would take at once
                self._max_bytes, self._batch = 0, 1
            self._told = 0
        elif text.startswith("exceeded maxrequestbatch of "):
            limit = text.rpartition(" ")[2]
            self._batch = int(limit) if limit.isdigit() else max(1, self._batch // 2)
        elif text.startswith("exceeded maxrequestmaxbytes of "):
            limit = text.rpartition(" ")[2]
            self._max_bytes = int(limit) if limit.isdigit() else 0
        else:
            self._break()

    def _break(self) -> None:
        self._broken = True
        self._wake.set()


def _filters(held: Collection[str], wanted: Collection[str]) -> tuple[str, ...]:
    """What to ask for of a stream; nothing in particular when we want all that it holds."""
    patterns = reduce(wanted)
    if held and all(any(covers(one, subject) for one in patterns) for subject in held):
        return ()
    return tuple(
        one for one in patterns if not held or any(overlaps(one, subject) for subject in held)
    )


def _start(sequence: int, since: float) -> dict[str, object]:
    if sequence:
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence}
    if since > 0:
        moment = datetime.fromtimestamp(since, UTC).isoformat().replace("+00:00", "Z")
        return {"deliver_policy": "by_start_time", "opt_start_time": moment}
    return {"deliver_policy": "all"}


def _number(message: Msg) -> int:
    """Which delivery of the consumer this is, from 1 on; see `pull.envelope_of` for the tokens."""
    tokens = message.reply.split(".")
    return int(tokens[6 if len(tokens) == 9 else 8])
