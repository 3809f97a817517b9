"""nats-py's client with a short way for what comes and goes in great numbers.

nats-py hands every message over through a queue, a task and a `Msg`, reads all headers of it, and
checks every subject that is published to. Pulling a message of 2 kB and acknowledging it took 12.8
us that way, everything of ours included, and takes 5.4 this way (CPU time, paired runs):

- `WireParser`: finds messages without regular expressions and without a second buffer; 1.1 us.
- `take_from`: a subscription whose messages go straight from the parser to a function, as they
  came. The function runs inside the reading task: it must be quick and must not wait.
- `write`: a command for the server, put behind whatever waits to be sent. Everything written in
  one turn of the event loop goes out together at its end.
- `WideTransport`: reads twice as much at a time as nats-py asks for; 4 % of a page, 3 % of an event
  of a backlog. (Four times as much makes the server wait for us.)

Everything else (reconnecting, subscribing again, pings, buffering while the server is away) stays
nats-py's. This module does not know JetStream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import ParseResult

from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

Take = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply subject, payload and header block (both may be empty)."""

_VERSION = b"NATS/1.0"
_WIDTH = 64 * 1024
"""Bytes read at a time; asyncio buffers up to twice as many."""
_WEBSOCKETS = ("ws", "wss")
_MESSAGES = (b"MSG", b"HMSG")


class WireParser(Parser):
    """nats-py's parser, except that it reads messages itself.

    Its own cuts each message off the front of one buffer, and tries up to two regular expressions
    on it. Lines that are not messages are still read by it, one at a time.
    """

    def __init__(self, client: WireClient) -> None:
        super().__init__(client)
        self._client = client

    def reset(self) -> None:
        """Forget everything: another connection begins."""
        super().reset()
        self._least = 0  # bytes without which the message at the front of `buf` is not complete
        self._resets = getattr(self, "_resets", 0) + 1

    async def parse(self, data: bytes = b"") -> None:
        """Take what the server sent, in pieces however cut."""
        if self.buf:
            self.buf += data
            if len(self.buf) < self._least:
                return
            data = bytes(self.buf)
            self.buf.clear()
        client, resets, at, self._least = self._client, self._resets, 0, 0
        while (line_end := data.find(b"\r\n", at)) >= 0:
            words = data[at:line_end].split()
            begin = line_end + 2
            kind = words[0] if words else b""
            if kind in _MESSAGES:
                try:
                    sid, end = int(words[2]), begin + int(words[-1])
                    body = begin + int(words[-2]) if kind == b"HMSG" else begin
                    reply = words[3] if len(words) == len(kind) + 2 else b""
                except (ValueError, IndexError):
                    raise ProtocolError from None
                if not begin <= body <= end:
                    raise ProtocolError
                if len(data) < end + 2:
                    self._least = end + 2 - at
                    break
                at = end + 2
                take = client.takers.get(sid)
                try:
                    if take is not None:
                        take(words[1], reply, data[body:end], data[begin:body])
                        continue
                    await client._process_msg(
                        sid, words[1], reply, data[body:end], data[begin:body]
                    )
                except Exception as error:  # one message must not end the reading of all others
                    await client._error_cb(error)
            else:
                await super().parse(data[at:begin])
                if self.buf:
                    raise ProtocolError
                at = begin
            if self._resets != resets:  # what follows came from a connection that is gone
                return
        self.buf += data[at:]


class WideTransport(TcpTransport):
    """nats-py's transport over TCP, with room for more between two turns of the event loop."""

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """See `TcpTransport`."""
        await super().connect(uri, max(buffer_size, _WIDTH), connect_timeout)

    async def read(self, buffer_size: int) -> bytes:
        """See `TcpTransport`."""
        return cast(bytes, await super().read(max(buffer_size, _WIDTH)))


class WireClient(Client):
    """A nats-py client that also knows the short way."""

    def __init__(self) -> None:
        super().__init__()
        self.takers: dict[int, Take] = {}
        self._ps = WireParser(self)
        self._kicked = False

    async def _connect_to_server(self, s: Srv) -> None:
        if not self._transport and s.uri.scheme not in _WEBSOCKETS:
            self._transport = WideTransport()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    async def take_from(self, subject: str, take: Take) -> Subscription:
        """Subscribe; `take` gets every message at once, and must neither wait nor raise."""
        subscription = await self.subscribe(
            subject, cb=_nothing, pending_msgs_limit=0, pending_bytes_limit=0
        )
        self.takers[subscription._id] = take
        return subscription

    def write(self, command: bytes) -> None:
        """Send a command, together with all others of this turn of the event loop.

        While the server is away it waits like any publication, unless too much waits already: then
        it is dropped.
        """
        if self.is_closed:
            return
        if not self.is_connected and self._pending_data_size > self._max_pending_size:
            return
        self._pending.append(command)
        self._pending_data_size += len(command)
        if not self._kicked:
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._kick)

    def _kick(self) -> None:
        self._kicked = False
        # Somebody else's kick that still waits sends ours along.
        if self.is_connected and self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self.takers.pop(sid, None)
        super()._remove_sub(sid, max_msgs)


async def _nothing(_message: Msg) -> None:
    """Never called: what comes goes to the taker."""


def publication(subject: bytes, payload: bytes, reply: bytes = b"", block: bytes = b"") -> bytes:
    """The command that publishes, for `WireClient.write`; the subjects are not checked."""
    if block:
        sizes = b"%d %d" % (len(block), len(block) + len(payload))
        return b"HPUB %b %b %b\r\n%b%b\r\n" % (subject, reply, sizes, block, payload)
    return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(payload), payload)


def header_fields(block: bytes | None) -> dict[str, str]:
    """A header block as nats-py reads it; the status line gives ``Status`` and ``Description``."""
    if not block:
        return {}
    first, _, lines = block.partition(b"\r\n")
    fields: dict[str, str] = {}
    status, _, text = first.removeprefix(_VERSION).strip().partition(b" ")
    if status.isdigit():
        fields["Status"] = status.decode()
        if text:
            fields["Description"] = text.decode(errors="replace")
    fields.update(Client._parse_header_lines(lines))
    return fields
