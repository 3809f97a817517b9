"""Load for the sink alone: `python sinkload.py URL COUNT CONNECTIONS`, to know that it is no limit.

Bare protocols on uvloop, one request on each connection at a time, bodies of the size that the
contestants send.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

import uvloop

_BODY = b"x" * 600
_REQUEST = b"POST /v2/enqueue HTTP/1.1\r\nHost: sink\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class _Poster(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self.load = load

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        if self.load.left:
            self.load.left -= 1
            self.transport.write(_REQUEST)
        else:
            self.load.ended += 1
            if self.load.ended == self.load.connections:
                self.load.over.set()


class _Load:
    def __init__(self, count: int, connections: int) -> None:
        self.left, self.connections, self.ended = count, connections, 0
        self.over = asyncio.Event()


async def main(url: str, count: int, connections: int) -> None:
    loop, load, target = asyncio.get_running_loop(), _Load(count, connections), urlsplit(url)
    for _ in range(connections):
        await loop.create_connection(lambda: _Poster(load), target.hostname, target.port)
    await load.over.wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
