"""Credentials for NATS and the connections they must not travel on; no nats-server needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from subscriber.config import load_config
from subscriber.model import Problem, Reason
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.dial import GuardedClient, PlaintextRefused, check
from subscriber.ports.nats.options import NatsOptions
from subscriber.service.options import nats_options

SECRET = "s3cr3t-passw0rd"
INFO = b'INFO {"server_id":"x","version":"2.12.0","max_payload":1048576}\r\n'


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@asynccontextmanager
async def unencrypted_websocket() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A NATS server on a WebSocket without TLS; what it heard."""
    heard: list[bytes] = []

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_bytes(INFO)
        async for message in socket:
            heard.append(bytes(message.data))
        return socket

    application = web.Application()
    application.router.add_get("/", talk)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}", heard
    finally:
        await runner.cleanup()


async def test_a_websocket_without_tls_is_refused_when_tls_is_asked_for(ca_file: str) -> None:
    async with unencrypted_websocket() as (url, heard):
        with pytest.raises(Problem) as caught:
            NatsConnection(
                NatsOptions(servers=(url,), user="us", password=SECRET, tls_ca_file=ca_file)
            )
        assert caught.value.reason is Reason.TLS_FAILED
        assert not heard


@pytest.mark.parametrize(
    ("servers", "tls"),
    [
        (("tls://a:4222", "ws://b:80"), False),
        (("ws://b:80",), True),
        (("wss://a:443", "ws://b:80"), False),
    ],
)
def test_one_unencrypted_websocket_among_others_is_refused_too(
    servers: tuple[str, ...], tls: bool
) -> None:
    with pytest.raises(Problem) as caught:
        check(NatsOptions(servers=servers, tls=tls, password=SECRET))
    assert caught.value.where == "ws://b:80"


def test_a_server_that_is_learned_of_later_is_held_to_it_too() -> None:
    """A cluster tells its clients of other servers; a client never says CONNECT to a plain one."""

    class Server:
        def __init__(self, url: str) -> None:
            from urllib.parse import urlsplit

            self.uri = urlsplit(url)

    client = GuardedClient(wants_tls=True)
    client._current_server = Server("ws://c:80")  # type: ignore[assignment]
    with pytest.raises(PlaintextRefused):
        client._connect_command()


@pytest.mark.parametrize(
    ("text", "encrypted"),
    [
        ("nats: {}", False),
        ("nats: {tls: {}}", True),
        ("nats: {tls: {ca_file: ca.pem}}", True),
        ("nats: {tls: {server_name: nats}}", True),
    ],
)
def test_a_tls_section_asks_for_tls(text: str, encrypted: bool) -> None:
    config, _ = load_config(text)
    assert nats_options(config, {}, ("nats://h:4222",), Path()).wants_tls is encrypted


@pytest.mark.parametrize("way", ["password", "token"])
async def test_an_empty_tls_section_keeps_credentials_off_a_plain_connection(way: str) -> None:
    heard = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        while data := await reader.read(4096):
            heard.extend(data)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    given = {"user": "us", "password": SECRET} if way == "password" else {"token": SECRET}
    connection = NatsConnection(
        NatsOptions(servers=(url,), tls=True, startup_timeout=2, connect_timeout=1, **given)  # type: ignore[arg-type]
    )
    try:
        with pytest.raises(Problem) as caught:
            await connection.start()
    finally:
        await connection.close()
        server.close()
    assert caught.value.reason is Reason.TLS_FAILED
    assert SECRET.encode() not in heard
    assert SECRET not in repr(connection.options)
    assert SECRET not in str(caught.value)
