"""The sink: answers every POST with PagerDuty's 202 and keeps what it heard, with the time.

    python benchmarks/benchsuite/sink.py     prints its port, serves until its standard input ends

A raw protocol on uvloop: no HTTP library, nothing is parsed but where a request ends. Each POST is
kept as it came; `GET /heard` gives them away, `GET /count` their number, `GET /reset` forgets.
Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from http.client import HTTPConnection

RECORD = struct.Struct("<dI")
_ACCEPTED = b'{"status":"success","message":"Event processed"}'
_ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_ACCEPTED), _ACCEPTED)
)


class _Connection(asyncio.Protocol):
    """One connection: requests are answered in their order, several at a time if they come so."""

    def __init__(self, heard: list[tuple[float, bytes]]) -> None:
        self._heard = heard
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        answers = []
        while (taken := _request(buffer)) is not None:
            head, body, size = taken
            buffer = buffer[size:]
            if head.startswith(b"POST"):
                self._heard.append((time.monotonic(), body))
                answers.append(_ANSWER)
            else:
                answers.append(self._control(head))
        self._buffer = buffer
        if answers:
            self._transport.write(b"".join(answers))

    def _control(self, head: bytes) -> bytes:
        body = b""
        if head.startswith(b"GET /count"):
            body = b"%d" % len(self._heard)
        elif head.startswith(b"GET /heard"):
            body = b"".join(RECORD.pack(at, len(one)) + one for at, one in self._heard)
        elif head.startswith(b"GET /reset"):
            self._heard.clear()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _request(buffer: bytes) -> tuple[bytes, bytes, int] | None:
    """Head, body and length of the first request in the buffer; None when it is not complete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end]
    lower = head.lower()
    start = end + 4
    at = lower.find(b"\r\ncontent-length:")
    if at >= 0:
        stop = start + int(lower[at + 17 :].split(b"\r\n", 1)[0])
        return (head, buffer[start:stop], stop) if len(buffer) >= stop else None
    if b"\r\ntransfer-encoding:" in lower:
        return _chunked(head, buffer, start)
    return head, b"", start


def _chunked(head: bytes, buffer: bytes, at: int) -> tuple[bytes, bytes, int] | None:
    parts = []
    while True:
        line = buffer.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(buffer[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if len(buffer) < at:
            return None
        if not size:
            return head, b"".join(parts), at
        parts.append(buffer[line + 2 : line + 2 + size])


class SinkDoor:
    """The harness's side of a running sink."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def count(self) -> int:
        """How many POSTs came."""
        return int(self._get("/count"))

    def reset(self) -> None:
        """Forget them."""
        self._get("/reset")

    def heard(self) -> list[tuple[float, bytes]]:
        """When and what, in the order of arrival."""
        raw = self._get("/heard")
        found, at = [], 0
        while at < len(raw):
            when, size = RECORD.unpack_from(raw, at)
            at += RECORD.size
            found.append((when, raw[at : at + size]))
            at += size
        return found

    def _get(self, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


async def _serve() -> None:
    heard: list[tuple[float, bytes]] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(heard), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
