"""Dead letters in a JetStream stream of their own.

Rules: a letter is written, and the stream's confirmation awaited, before the caller ends the
original; the same letter written again (another replica, a lost confirmation) is one letter, as
long as both writes fall into the duplicate window. Letters go to ``<prefix>.<reason>``, so that a
person can watch one reason; the subjects must not overlap what we listen to, or letters would come
back as events. What a letter looks like is in `letters`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from subscriber.model import Envelope, Problem, Reason
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.letter import REASON, letter_id
from subscriber.ports.nats.connect import ApiError, NatsConnection
from subscriber.ports.nats.letters import pack, unpack
from subscriber.ports.nats.options import DAY, StorageKind
from subscriber.ports.nats.provision import OURS, ensure_stream
from subscriber.ports.nats.publish import MESSAGE_ID, store
from subscriber.ports.nats.stored import Stored, read_leader, scan
from subscriber.ports.subjects import overlaps, require_name

_SECOND = 1_000_000_000
_NOT_A_TOKEN = re.compile(r"[^A-Za-z0-9_-]+")
_UNKNOWN_SEQUENCE = {10037, 10043, 10057}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterOptions:
    """The stream of dead letters; of one that exists already nothing is changed.

    Attributes:
        stream: its name.
        prefix: first tokens of its subjects.
        max_age: seconds after which a letter is dropped, 0 for never.
        max_bytes: size at which the oldest letters are dropped, -1 for without limit.
        duplicate_window: seconds within which a repeated write is recognised.
        replicas, storage: as of any stream.
    """

    stream: str = "PAGERDUTY_DEAD_LETTERS"
    prefix: str = "pagerduty-subscriber.dead-letters"
    max_age: float = 30 * DAY
    max_bytes: int = -1
    duplicate_window: float = 3600.0
    replicas: int = 1
    storage: StorageKind = StorageKind.FILE


class NatsDeadLetters:
    """See `ports.interfaces.DeadLetters`."""

    def __init__(
        self,
        connection: NatsConnection,
        options: DeadLetterOptions | None = None,
        *,
        listening: Iterable[str] = (),
    ) -> None:
        """`listening` are the subjects we read events from.

        Raises:
            Problem: they overlap the subjects of the letters.
        """
        self._connection = connection
        self._options = options or DeadLetterOptions()
        require_name(self._options.stream, "stream")
        for subject in listening:
            if overlaps(subject, f"{self._options.prefix}.>"):
                raise Problem(
                    Reason.STREAM_CONFLICT,
                    f"dead letters on {self._options.prefix}.> would come back as events",
                    where=subject,
                    hint="listen on narrower subjects, or give the dead letters another prefix",
                )

    async def start(self) -> None:
        """Find the stream or create it.

        Raises:
            Problem: JetStream refuses it.
        """
        options = self._options
        window = min(options.duplicate_window, options.max_age or options.duplicate_window)
        await ensure_stream(
            self._connection,
            {
                "name": options.stream,
                "description": "Messages that pagerduty-subscriber could not deliver",
                "subjects": [f"{options.prefix}.>"],
                "retention": "limits",
                "discard": "old",
                "storage": options.storage.value,
                "num_replicas": options.replicas,
                "max_age": int(options.max_age * _SECOND),
                "max_bytes": options.max_bytes,
                "max_msgs": -1,
                "max_consumers": -1,
                "duplicate_window": int(window * _SECOND),
                "metadata": OURS,
            },
        )

    async def write(self, envelope: Envelope, headers: Mapping[str, str]) -> int:
        """Store and confirm; returns the letter's number. Safe to call again for one envelope."""
        identity = letter_id(envelope, headers)
        room = self._connection.client.max_payload - len(MESSAGE_ID) - len(identity) - 4
        data, wire = pack(envelope, headers, room)
        token = _NOT_A_TOKEN.sub("-", headers.get(REASON, "")) or "unknown"
        receipt = await store(
            self._connection,
            f"{self._options.prefix}.{token}",
            data,
            {**wire, MESSAGE_ID: identity},
        )
        if receipt is None:
            raise PortUnavailable(f"NATS: the stream {self._options.stream} is not there")
        return receipt.sequence

    async def scan(self) -> AsyncIterator[tuple[int, Envelope, Mapping[str, str]]]:
        """Every letter, oldest first: number, original message, our headers."""
        subjects = f"{self._options.prefix}.>"
        async for stored in scan(self._connection, self._options.stream, subjects):
            envelope, headers = _open(stored)
            yield stored.sequence, envelope, headers

    async def read(self, number: int) -> tuple[Envelope, Mapping[str, str]] | None:
        """One letter, or None when there is none of that number (any more)."""
        if number < 1:
            return None
        stored = await read_leader(self._connection, self._options.stream, {"seq": number})
        return None if stored is None else _open(stored)

    async def remove(self, number: int) -> None:
        """Drop a letter; nothing happens when there is none."""
        if number < 1:
            return
        try:
            await self._connection.api(f"STREAM.MSG.DELETE.{self._options.stream}", {"seq": number})
        except ApiError as error:
            if error.err_code not in _UNKNOWN_SEQUENCE:
                raise PortUnavailable(str(error)) from error

    async def ping(self) -> None:
        """Usable: the stream answers."""
        try:
            await self._connection.api(f"STREAM.INFO.{self._options.stream}", within=2.0)
        except ApiError as error:
            raise PortUnavailable(str(error)) from error


def _open(stored: Stored) -> tuple[Envelope, Mapping[str, str]]:
    try:
        return unpack(stored.data, stored.headers)
    except (KeyError, msgspec.DecodeError, ValueError, RecursionError):  # not written by us
        return Envelope(subject=stored.subject, data=stored.data, headers=stored.headers), {}
