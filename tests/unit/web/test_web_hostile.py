"""The operator's HTTP side against neighbours that do not behave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, Counter

from subscriber.web import Health, HttpServer, create_app, guard

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that has half a second of patience and room for eight."""
    monkeypatch.setattr(guard, "PATIENCE", 0.5)
    monkeypatch.setattr(guard, "MOST", 8)
    registry = CollectorRegistry()
    Counter("long", "help " * 1_000_000, registry=registry)  # more than a kernel buffers

    async def ready() -> Health:
        return Health(checks={"nats": ""})

    app = create_app(registry, alive=lambda: Health(checks={}), ready=ready)
    server = HttpServer(app, "127.0.0.1:0")
    await server.start()
    yield int(server.url.rpartition(":")[2])
    await server.stop()


async def connect(port: int) -> Connection:
    return await asyncio.open_connection("127.0.0.1", port)


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await connect(port)
    with suppress(OSError):
        writer.write(request)
    answer = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


async def ended(connection: Connection, within: float = 4.0) -> bool:
    """Whether the server has ended it."""
    reader, writer = connection
    try:
        async with asyncio.timeout(within):
            with suppress(OSError):
                while await reader.read(65_536):
                    pass
            return True
    except TimeoutError:
        return False
    finally:
        writer.close()


@pytest.mark.parametrize("path", [b"/healthz", b"/readyz", b"/metrics"])
@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "NONSENSE"],
)
async def test_there_is_only_reading(port: int, path: bytes, method: str) -> None:
    answer = await ask(port, (GET % path).replace(b"GET", method.encode()))
    assert answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("path", [b"/healthz", b"/readyz", b"/metrics"])
async def test_reading_works_and_says_little(port: int, path: bytes) -> None:
    answer = await ask(port, GET % path)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"server:" not in answer.lower()
    assert (await ask(port, (GET % path).replace(b"GET", b"HEAD"))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"//",
        b"/healthz/x",
        b"/../../etc/passwd",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"//healthz/x",
        b"/metrics/../x",
    ],
)
async def test_there_is_nothing_else(port: int, path: bytes) -> None:
    assert (await ask(port, GET % path)).startswith(b"HTTP/1.1 404 ")


async def test_an_upgrade_is_not_taken(port: int) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n"
    answer = await ask(port, (GET % b"/healthz").removesuffix(b"\r\n") + upgrade)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_",
    [
        GET % (b"/" + b"a" * 2_000_000),
        (GET % b"/healthz").removesuffix(b"\r\n") + b"a: b\r\n" * 400_000,
        (GET % b"/healthz").removesuffix(b"\r\n") + b"a: " + b"b" * 2_000_000,
        b"\x16\x03\x01\x02\x00" + b"\x00" * 100_000,
        b"\r\n" * 100_000,
    ],
    ids=["target", "headers", "one header", "TLS", "line ends"],
)
async def test_what_is_no_request_of_a_sensible_size_is_not_answered(
    port: int, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(port, request_)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (await ask(port, GET % b"/healthz")).startswith(b"HTTP/1.1 200 ")


async def test_silence_and_drops_end(port: int) -> None:
    silent = await connect(port)
    dripping = await connect(port)

    async def drip() -> None:
        with suppress(OSError):
            for byte in GET % (b"/" + b"a" * 1000):
                dripping[1].write(bytes([byte]))
                await dripping[1].drain()
                await asyncio.sleep(0.02)

    dropping = asyncio.create_task(drip())
    assert await ended(silent)
    assert await ended(dripping)
    dropping.cancel()
    await asyncio.gather(dropping, return_exceptions=True)


async def test_a_body_without_end_ends(port: int) -> None:
    reader, writer = await connect(port)
    head = (GET % b"/healthz").removesuffix(b"\r\n") + b"Content-Length: 99999999\r\n\r\n"
    writer.write(head)

    async def flood() -> None:
        with suppress(OSError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()

    flooding = asyncio.create_task(flood())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    assert await ended((reader, writer))
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)


async def test_somebody_who_does_not_read_ends(port: int) -> None:
    reader, writer = await connect(port)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(50):
        writer.write(GET % b"/metrics")
    await asyncio.sleep(1.5)
    reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert await ended((reader, writer))


async def test_many_connections_do_not_shut_a_probe_out(port: int) -> None:
    many = [await connect(port) for _ in range(100)]
    for _ in range(5):
        assert (await ask(port, GET % b"/healthz")).startswith(b"HTTP/1.1 200 ")
    endings = await asyncio.gather(*(ended(one) for one in many))
    assert all(endings)


async def test_somebody_who_asks_again_and_again_is_served(port: int) -> None:
    reader, writer = await connect(port)
    for _ in range(12):
        writer.write(GET % b"/healthz")
        assert b"HTTP/1.1 200 " in await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)  # longer than the patience, all in all
    writer.close()
