"""The ledger in a NATS key-value bucket: one entry per (service, dedup key).

Rules:
- An entry is written with JetStream's own compare-and-set (the expected last sequence of its
  subject), so of several writers with one revision exactly one wins.
- Each write carries a mark of its own (random per ledger, then counted). When the confirmation of a
  write gets lost, the entry is read back from the leader: our mark means that it took place; the
  old revision means that it has not (yet), and the same write is tried again, as at most one of the
  two can succeed; anything else means that somebody else was first. What that does not settle is
  `PortUnavailable`: unknown.
- The key is a hash, as dedup keys may hold any character; the plain names are in the value.
- Reading goes to any replica. A reader that is behind gets an old revision, whose write then fails.

A TTL on the bucket must outlive the stream's messages, or an old event would count as new.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from subscriber.model import FIRST, Alert, AlertKey, Problem, Reason
from subscriber.model.alert import Doubt
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats import bulk
from subscriber.ports.nats.connect import ApiError, NatsConnection, decoded
from subscriber.ports.nats.exchange import NO_RESPONDERS, Answer
from subscriber.ports.nats.options import StorageKind
from subscriber.ports.nats.provision import ensure_stream
from subscriber.ports.nats.stored import Stored, read_last_direct, read_leader
from subscriber.ports.subjects import require_name

_EXPECTED = b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: %d\r\n\r\n"
_WRONG_SEQUENCE = {10071, 10164}
_SECOND = 1_000_000_000
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """The bucket; of one that exists already nothing is changed.

    Attributes:
        bucket: its name (letters, digits, ``-`` and ``_``).
        replicas: copies in a NATS cluster.
        ttl: seconds after which an untouched entry is forgotten, 0 for never; must be longer than
            the stream's max_age.
        storage: where it is kept.
    """

    bucket: str = "pagerduty-alerts"
    replicas: int = 1
    ttl: float = 0.0
    storage: StorageKind = StorageKind.FILE


class _Entry(msgspec.Struct):
    """The value of a key. `mark` tells our write from an equal one of somebody else."""

    alert: Alert
    mark: str = ""
    version: int = 1


class _Ack(msgspec.Struct):
    """What JetStream says of a write: the sequence, or (0) something else."""

    seq: int = 0


_encode = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_ack = msgspec.json.Decoder(_Ack).decode


class NatsLedger:
    """See `ports.interfaces.Ledger`."""

    def __init__(self, connection: NatsConnection, options: LedgerOptions | None = None) -> None:
        self._connection = connection
        self._options = options or LedgerOptions()
        require_name(self._options.bucket, "bucket")
        self._stream = f"KV_{self._options.bucket}"
        self._prefix = f"$KV.{self._options.bucket}.alert."
        self._maker = uuid.uuid4().hex
        self._writes = 0

    async def start(self) -> None:
        """Find the bucket or create it.

        Raises:
            Problem: JetStream refuses it.
        """
        options = self._options
        info = await ensure_stream(
            self._connection,
            {
                "name": self._stream,
                "description": "What pagerduty-subscriber believes PagerDuty holds",
                "subjects": [f"$KV.{options.bucket}.>"],
                "retention": "limits",
                "discard": "new",
                "storage": options.storage.value,
                "num_replicas": options.replicas,
                "max_msgs_per_subject": 1,
                "max_age": int(options.ttl * _SECOND),
                "max_msgs": -1,
                "max_bytes": -1,
                "max_consumers": -1,
                "duplicate_window": int(min(120.0, options.ttl or 120.0) * _SECOND),
                "allow_rollup_hdrs": True,
                "allow_direct": True,
                "deny_delete": True,
            },
        )
        if not info["config"].get("allow_direct"):
            raise Problem(
                Reason.STREAM_CONFLICT,
                "the bucket does not allow direct reads",
                where=self._options.bucket,
                hint="set allow_direct on its stream, or choose another bucket",
            )

    async def load(self, key: AlertKey) -> tuple[Alert, int]:
        """The entry and its revision; a key never seen gives ``(Alert(key=key), 0)``."""
        stored = await read_last_direct(self._connection, self._stream, self._subject(key))
        return self._read(key, stored)

    async def save(self, alert: Alert, revision: int) -> int | None:
        """Write if the entry still has `revision`; the new revision, or None when it has not."""
        self._writes += 1
        mark = f"{self._maker}/{self._writes:x}"
        value = _encode(_Entry(alert=alert, mark=mark))
        subject = self._subject(alert.key)
        for attempt in range(1, _TRIES + 1):
            try:
                new = self._written(
                    await self._connection.request_plain(
                        subject.encode(), value, _EXPECTED % revision
                    )
                )
            except PortUnavailable:
                if attempt == _TRIES or not self._connection.connected:
                    raise
            else:
                # A refusal of a repetition may be due to our own first try, still uncommitted.
                if new is not None or attempt == 1:
                    return new
            # Unknown: look.
            stored = await read_leader(self._connection, self._stream, {"last_by_subj": subject})
            found = 0 if stored is None else stored.sequence
            if found != revision:
                return found if stored is not None and _mark(stored.data) == mark else None
        raise PortUnavailable(f"NATS: it is unknown whether {self._options.bucket} was written")

    async def forget(self, key: AlertKey) -> None:
        """Remove the entry; the key counts as never seen."""
        try:
            # A purge by subject leaves no marker behind, unlike a delete through a KV client.
            await self._connection.api(
                f"STREAM.PURGE.{self._stream}", {"filter": self._subject(key)}
            )
        except ApiError as error:
            raise PortUnavailable(str(error)) from error

    async def scan(self) -> AsyncIterator[tuple[Alert, int]]:
        """Every entry, in no order, a batch of about a megabyte at a time in memory."""
        async with aclosing(bulk.scan(self._connection, self._stream, self._prefix)) as slices:
            async for some in slices:
                for sequence, data in some:
                    entry = _decode(data)
                    if entry is not None:
                        yield entry.alert, sequence

    async def ping(self) -> None:
        """Usable: the bucket answers."""
        try:
            await self._connection.api(f"STREAM.INFO.{self._stream}", within=2.0)
        except ApiError as error:
            raise PortUnavailable(str(error)) from error

    def _subject(self, key: AlertKey) -> str:
        # The length keeps ("a", "bc") and ("ab", "c") apart.
        text = f"{len(key.service)}:{key.service}{key.dedup_key}"
        return self._prefix + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _read(self, key: AlertKey, stored: Stored | None) -> tuple[Alert, int]:
        if stored is None:
            return Alert(key=key), 0
        if stored.headers.get("KV-Operation"):  # somebody deleted it with a KV client
            return Alert(key=key), stored.sequence
        entry = _decode(stored.data)
        if entry is None or entry.alert.key != key:
            # Not written by us: PagerDuty may hold anything.
            return Alert(key=key, doubt=Doubt(position=FIRST, until=0.0)), stored.sequence
        return entry.alert, stored.sequence

    def _written(self, reply: Answer) -> int | None:
        """The new revision; None when the entry had another one than we expected."""
        try:
            sequence = _decode_ack(reply.data).seq
        except msgspec.MsgspecError:
            sequence = 0
        if sequence:
            return sequence
        if reply.headers.get("Status") == NO_RESPONDERS:
            raise PortUnavailable(f"NATS: nobody answers for the bucket {self._options.bucket}")
        try:
            return int(decoded(reply.data)["seq"])
        except ApiError as error:
            if error.err_code in _WRONG_SEQUENCE:
                return None
            raise PortUnavailable(str(error)) from error


def _decode(data: bytes) -> _Entry | None:
    try:
        return _decode_entry(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _mark(data: bytes) -> str:
    entry = _decode(data)
    return "" if entry is None else entry.mark
