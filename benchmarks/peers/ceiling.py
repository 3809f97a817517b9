"""The ceiling: what Python can do here when it does nothing but carry.

Own NATS protocol and own HTTP on uvloop's bare transports; the type is looked for in the raw bytes,
the body is cut together from slices of the event, a POST's answer is its status line. No rules, no
templates, no ledger, no retries, no order: not a program to run, a limit to know.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from urllib.parse import urlsplit

import uvloop

NATS = urlsplit(os.environ["PEER_NATS"])
SINK = urlsplit(os.environ["PEER_PAGERDUTY"])
STREAM, DURABLE = os.environ["PEER_STREAM"], os.environ["PEER_DURABLE"]
MARK = b'"type":"%b"' % os.environ["PEER_TYPE"].encode()
KEY = os.environ["PEER_ROUTING_KEY"].encode()
BATCH, CONNECTIONS, INBOX = 1000, 32, "_INBOX.ceiling"
HEAD = b"POST /v2/enqueue HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n" % (
    SINK.netloc.encode()
)


def text(event: bytes, name: bytes, start: int = 0) -> bytes:
    """The JSON string after `"name":`, with its quotes (no escaped quote may end it)."""
    begin = event.index(b'"%b":"' % name, start) + len(name) + 3
    end = begin + 1
    while True:
        end = event.index(b'"', end)
        if event[end - 1] != 92:  # a backslash
            return event[begin : end + 1]
        end += 1


def body_of(event: bytes) -> bytes:
    """What has to be said, from slices."""
    data = event.index(b'"data":{')
    project, stage, service, result = (
        text(event, name, data)[1:-1] for name in (b"project", b"stage", b"service", b"result")
    )
    failed = result == b"fail"
    score_at = event.index(b'"score":', event.index(b'"evaluation":', data)) + 8
    score = event[score_at : event.index(b",", score_at)]
    return (
        b'{"routing_key":"%b","event_action":"%b","dedup_key":"%b/%b/%b","payload":{'
        b'"summary":"Evaluation of %b in %b: %b","severity":"%b","source":%b,"custom_details":{'
        b'"message":%b,"score":%b,"from":%b,"to":%b,"build":%b,"context":%b}}}'
        % (
            KEY,
            b"trigger" if failed else b"resolve",
            *(project, stage, service),
            *(service, stage, result),
            b"critical" if failed else b"info",
            text(event, b"source"),
            text(event, b"message", data),
            score,
            text(event, b"timeStart", data),
            text(event, b"timeEnd", data),
            text(event, b"build", data),
            text(event, b"shkeptncontext"),
        )
    )


class Pool:
    """Keep-alive connections to the sink, one request on each at a time."""

    def __init__(self) -> None:
        self.idle: deque[Poster] = deque()
        self.waiting: deque[tuple[bytes, bytes]] = deque()
        self.nats: Reader

    def post(self, reply: bytes, body: bytes) -> None:
        if self.idle:
            self.idle.pop().send(reply, body)
        else:
            self.waiting.append((reply, body))

    def done(self, poster: Poster, reply: bytes) -> None:
        self.nats.ack(reply)
        if self.waiting:
            poster.send(*self.waiting.popleft())
        else:
            self.idle.append(poster)


class Poster(asyncio.Protocol):
    """One of them; the sink's answer always comes in one piece."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.reply = pool, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.pool.idle.append(self)

    def send(self, reply: bytes, body: bytes) -> None:
        self.reply = reply
        self.transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (HEAD, len(body), body))

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 202"):
            raise SystemExit(f"the sink says {data[:60]!r}")
        self.pool.done(self, self.reply)


class Reader(asyncio.Protocol):
    """The NATS connection: pulls, acknowledges, hands over."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.buffer, self.asked = pool, b"", 0
        self.out: list[bytes] = []
        pool.nats = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        config = {
            "durable_name": DURABLE,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "max_ack_pending": -1,
        }
        create = json.dumps({"stream_name": STREAM, "config": config}).encode()
        subject = f"$JS.API.CONSUMER.CREATE.{STREAM}.{DURABLE}"
        transport.write(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'
            + f"SUB {INBOX} 1\r\nSUB {INBOX}.made 2\r\n".encode()
            + f"PUB {subject} {INBOX}.made {len(create)}\r\n".encode()
            + create
            + b"\r\n"
        )

    def pull(self) -> None:
        self.asked += BATCH
        request = b'{"batch":%d,"expires":30000000000}' % BATCH
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{DURABLE}"
        self.say(f"PUB {subject} {INBOX} {len(request)}\r\n".encode() + request + b"\r\n")

    def ack(self, reply: bytes) -> None:
        self.say(b"PUB %b 4\r\n+ACK\r\n" % reply)

    def say(self, text: bytes) -> None:
        if not self.out:
            asyncio.get_running_loop().call_soon(self.flush)
        self.out.append(text)

    def flush(self) -> None:
        self.transport.write(b"".join(self.out))
        self.out.clear()

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer + data if self.buffer else data
        at = 0
        while (end := buffer.find(b"\r\n", at)) >= 0:
            line = buffer[at:end]
            if line.startswith((b"MSG", b"HMSG")):
                stop = end + 2 + int(line[line.rindex(b" ") + 1 :])
                if len(buffer) < stop + 2:
                    break
                self.message(line, buffer[end + 2 : stop])
                at = stop + 2
            else:
                if line == b"PING":
                    self.say(b"PONG\r\n")
                elif line.startswith(b"-ERR"):
                    raise SystemExit(line.decode())
                at = end + 2
        self.buffer = buffer[at:]

    def message(self, line: bytes, payload: bytes) -> None:
        words = line.split(b" ")
        # A pull request ended unfilled, or the consumer was made.
        if words[0] == b"HMSG" or words[2] == b"2":
            self.asked = 0
        else:
            self.asked -= 1
            if MARK in payload:
                self.pool.post(words[3], body_of(payload))
            else:
                self.ack(words[3])
        if self.asked < BATCH // 2:
            self.pull()


async def main() -> None:
    loop = asyncio.get_running_loop()
    pool = Pool()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Poster(pool), SINK.hostname, SINK.port)
    await loop.create_connection(lambda: Reader(pool), NATS.hostname, NATS.port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
