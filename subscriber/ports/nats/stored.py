"""Reading single messages that a stream holds, by sequence or by subject.

Two ways exist: *direct* (any replica answers, fast, may lag behind by a moment) and through the
stream's leader (always current). Headers come back as they were published.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import API, ApiError, NatsConnection
from subscriber.ports.nats.exchange import NO_RESPONDERS, Answer
from subscriber.ports.nats.provision import STREAM_NOT_FOUND, nanoseconds

_NO_MESSAGE = "404"
_NO_MESSAGE_CODE = 10037
# What a direct answer adds to the headers of the message.
_ADDED = ("Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as the stream holds it; `stored_at` is nanoseconds since 1970."""

    subject: str
    sequence: int
    stored_at: int
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


async def read_direct(
    connection: NatsConnection, stream: str, request: Mapping[str, object]
) -> Stored | None:
    """One message from any replica; None when there is none."""
    body = msgspec.json.encode(request)
    return _direct(await connection.request(f"{API}.DIRECT.GET.{stream}", body), stream)


async def read_last_direct(connection: NatsConnection, stream: str, subject: str) -> Stored | None:
    """The last message on a subject of our own making, from any replica; None: there is none."""
    asked = f"{API}.DIRECT.GET.{stream}.{subject}".encode()
    return _direct(await connection.request_plain(asked), stream)


async def read_leader(
    connection: NatsConnection, stream: str, request: Mapping[str, object]
) -> Stored | None:
    """One message from the stream's leader; None when there is none."""
    try:
        answer = await connection.api(f"STREAM.MSG.GET.{stream}", request)
    except ApiError as error:
        if error.err_code in (_NO_MESSAGE_CODE, STREAM_NOT_FOUND) or error.code == 404:
            return None
        raise PortUnavailable(str(error)) from error
    message = answer["message"]
    return Stored(
        subject=message["subject"],
        sequence=int(message["seq"]),
        stored_at=nanoseconds(message["time"]),
        data=base64.b64decode(message.get("data") or ""),
        headers=parse_headers(base64.b64decode(message.get("hdrs") or "")),
    )


async def read(
    connection: NatsConnection, stream: str, request: Mapping[str, object], *, direct: bool
) -> Stored | None:
    """One message, directly where the stream allows it."""
    if direct:
        return await read_direct(connection, stream, request)
    return await read_leader(connection, stream, request)


async def scan(connection: NatsConnection, stream: str, subject: str) -> AsyncIterator[Stored]:
    """Every message on the subjects, oldest first, one at a time in memory, from the leader.

    One request per message; `bulk.scan` is for what may be many and allows direct reading.
    """
    sequence = 1
    while True:
        stored = await read_leader(connection, stream, {"seq": sequence, "next_by_subj": subject})
        if stored is None:
            return
        yield stored
        sequence = stored.sequence + 1


def parse_headers(raw: bytes) -> dict[str, str]:
    """The headers of a message in wire form; the last of duplicates wins, as in nats-py."""
    headers = {}
    for line in raw.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().decode("ascii", "replace")] = value.strip().decode(
                "utf-8", "replace"
            )
    return headers


def require_no_message(headers: Mapping[str, str], stream: str) -> None:
    """Return when a direct answer says that there is no message (404).

    Raises:
        PortUnavailable: it says anything else, for instance that nobody answers (503).
    """
    status = headers.get("Status", "")
    if status == NO_RESPONDERS:
        raise PortUnavailable(f"NATS: nobody answers for the stream {stream}")
    if status != _NO_MESSAGE:
        raise PortUnavailable(f"NATS: {stream}: {status} {headers.get('Description', '')}")


def _direct(reply: Answer, stream: str) -> Stored | None:
    headers = dict(reply.headers)
    sequence = headers.get("Nats-Sequence")
    if sequence is None:
        require_no_message(headers, stream)
        return None
    stored_at = nanoseconds(headers["Nats-Time-Stamp"])
    subject = headers["Nats-Subject"]
    for name in _ADDED:
        headers.pop(name, None)
    return Stored(
        subject=subject,
        sequence=int(sequence),
        stored_at=stored_at,
        data=reply.data,
        headers=headers,
    )
