"""Servers of a test's own, to be killed, frozen, reconfigured or talked to through a leaky pipe."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Held, PortUnavailable, Source
from subscriber.ports.nats.connect import ApiError, NatsConnection
from subscriber.ports.nats.options import (
    ConnectionListener,
    ConsumerOptions,
    FirstStart,
    NatsOptions,
)

QUICK = ConsumerOptions(ack_wait=30.0, heartbeat=0.5, pull_expires=2.0, first_start=FirstStart.ALL)


def quick(url: str, **changes: object) -> NatsOptions:
    """Options with which nothing takes long."""
    values: dict[str, object] = {
        "servers": (url,),
        "connect_timeout": 2.0,
        "startup_timeout": 10.0,
        "reconnect_wait": 0.05,
        "reconnect_max_wait": 0.3,
        "ping_interval": 0.5,
        "request_timeout": 2.0,
    }
    return NatsOptions(**{**values, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def connected(
    server: EmbeddedNats, listener: ConnectionListener | None = None, **changes: object
) -> AsyncIterator[NatsConnection]:
    """A connection with quick options."""
    async with NatsConnection(quick(server.url, **changes), listener) as connection:
        yield connection


def configured(folder: Path, config: str, **changes: object) -> EmbeddedNats:
    """A server that reads a configuration file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "server.conf"
    file.write_text(config)
    return EmbeddedNats(folder, arguments=("-c", str(file)), **changes)  # type: ignore[arg-type]


class Acker:
    """A handler that remembers and acks."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, held: Held) -> None:
        self.held.append(held)
        task = asyncio.ensure_future(held.ack())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def data(self) -> list[bytes]:
        return [held.envelope.data for held in self.held]


async def settled(source: Source, within: float = 15.0) -> None:
    """Wait until nothing is unsettled."""
    deadline = asyncio.get_running_loop().time() + within
    while await source.backlog():
        assert asyncio.get_running_loop().time() < deadline, await source.backlog()
        await asyncio.sleep(0.05)


class LeakyPipe:
    """A TCP relay that can swallow what passes in one direction, or both.

    Attributes:
        to_server, to_client: whether bytes in this direction arrive.
    """

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.to_server = True
        self.to_client = True
        self.url = ""

    async def __aenter__(self) -> LeakyPipe:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Close every connection that passes."""
        for writer in tuple(self._writers):
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, far_writer}
        for source, sink, direction in (
            (reader, far_writer, "to_server"),
            (far_reader, writer, "to_client"),
        ):
            task = asyncio.ensure_future(self._relay(source, sink, direction))
            self._tasks.add(task)

    async def _relay(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if getattr(self, direction):
                    sink.write(data)
                    await sink.drain()
        sink.close()
        self._writers.discard(sink)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago (cluster routes must be known before the start)."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@asynccontextmanager
async def cluster(folder: Path, size: int = 3) -> AsyncIterator[list[EmbeddedNats]]:
    """Servers that keep JetStream together; ready when they have a leader."""
    ports = free_ports(size)
    routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
    servers = [
        EmbeddedNats(
            folder / f"n{index}",
            arguments=(
                *("--server_name", f"n{index}", "--cluster_name", "c"),
                *("--cluster", f"nats://127.0.0.1:{port}", "--routes", routes),
            ),
        )
        for index, port in enumerate(ports)
    ]
    try:
        for server in servers:
            await server.start()
        async with NatsConnection(quick(servers[0].url)) as connection:
            deadline = asyncio.get_running_loop().time() + 30
            while True:
                with suppress(PortUnavailable, ApiError):
                    await connection.api("INFO")
                    break
                assert asyncio.get_running_loop().time() < deadline, "no leader"
                await asyncio.sleep(0.1)
        yield servers
    finally:
        for server in servers:
            server.kill()
