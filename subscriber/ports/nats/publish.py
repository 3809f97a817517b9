"""Putting messages on NATS, confirmed by the stream that stores them.

Rules: the answer of a stream is awaited; when it does not come, the same message is sent again
under the same ``Nats-Msg-Id``, so that the stream keeps one. Where no stream holds the subject, the
message has gone out as plain NATS has it, and the server's receipt of it is confirmed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from subscriber.model import Problem, Reason, excerpt
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import ApiError, NatsConnection, decoded
from subscriber.ports.nats.exchange import NO_RESPONDERS

MESSAGE_ID = "Nats-Msg-Id"
_TRIES = 4
_IN_PROCESS = 10158
_TOO_LARGE = 10054
_REMEMBERED = 1000
_NOBODY_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.5)
_HELD_SECONDS, _NOT_HELD_SECONDS = 60.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A stream's confirmation; `sequence` is that of the first copy when it had one already."""

    stream: str
    sequence: int
    duplicate: bool


async def store(
    connection: NatsConnection, subject: str, data: bytes, headers: Mapping[str, str]
) -> Receipt | None:
    """Publish until a stream confirms; None when nobody takes it (no stream, or no leader).

    `headers` must carry a ``Nats-Msg-Id``: it makes the repetition safe.

    Raises:
        PortUnavailable: no confirmation in four tries; it may be stored or not.
        Problem: the message is too large, or the stream refuses it.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            reply = await connection.request(subject, data, headers=headers)
            if (reply.headers or {}).get("Status") == NO_RESPONDERS:
                return None
            answer = decoded(reply.data)
            break
        except ApiError as error:
            if error.err_code == _IN_PROCESS and attempt < _TRIES:
                await asyncio.sleep(0.1 * attempt)  # our first try is still on its way
                continue
            if error.code >= 500 or error.err_code == _IN_PROCESS:
                raise
            raise Problem(
                Reason.TOO_LARGE if error.err_code == _TOO_LARGE else Reason.STREAM_CONFLICT,
                f"the stream refuses the message: {error}",
                where=subject,
            ) from error
        except PortUnavailable:
            if attempt == _TRIES or not connection.connected:
                raise
    return Receipt(
        stream=str(answer.get("stream", "")),
        sequence=int(answer.get("seq", 0)),
        duplicate=bool(answer.get("duplicate")),
    )


class NatsPublisher:
    """Publishes events; see `ports.interfaces.Publisher`."""

    def __init__(self, connection: NatsConnection, *, stored_only: bool = False) -> None:
        """With `stored_only` a message that no stream would keep is a `Problem` and stays here."""
        self._connection = connection
        self._stored_only = stored_only
        self._held: dict[str, tuple[bool, float]] = {}

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish, and wait until a stream has stored it when one holds the subject."""
        given = dict(headers or {})
        given.setdefault(MESSAGE_ID, uuid.uuid4().hex)
        for pause in _NOBODY_PAUSES:
            if not await self._is_held(subject):
                break
            if await store(self._connection, subject, data, given) is not None:
                return
            # Nobody took it. Either the stream is gone, or it is between two leaders; only in the
            # first case may the message go out without being stored.
            self._held.pop(subject, None)
            await asyncio.sleep(pause)
        else:
            raise PortUnavailable(f"NATS: the stream that holds {subject} has no leader")
        if self._stored_only:
            raise Problem(
                Reason.STREAM_CONFLICT,
                "no stream holds this subject any more",
                where=excerpt(subject),
                hint="a message published there would be lost when nobody listens at that moment",
            )
        await self._connection.publish(subject, data, headers=headers)
        await self._connection.ping()  # the server has it

    async def ping(self) -> None:
        """Usable: connected."""
        await self._connection.ping()

    async def _is_held(self, subject: str) -> bool:
        """Whether a stream stores the subject: plain subscribers would not answer a request."""
        now = time.monotonic()
        held, until = self._held.get(subject, (False, 0.0))
        if now < until:
            return held
        try:
            answer = await self._connection.api("STREAM.NAMES", {"subject": subject})
            held = bool(answer.get("streams"))
        except ApiError:  # no JetStream for this account
            held = False
        except PortUnavailable:
            if self._connection.offers_jetstream:
                raise
            held = False
        if len(self._held) >= _REMEMBERED:
            self._held.clear()
        self._held[subject] = (held, now + (_HELD_SECONDS if held else _NOT_HELD_SECONDS))
        return held
