"""Plain NATS: what waits in this process has a size."""

from __future__ import annotations

import asyncio

import pytest
from private_server import quick

from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Held
from subscriber.ports.nats import core
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.core import CoreSource

pytestmark = pytest.mark.live


async def test_messages_that_wait_for_their_retry_have_a_size(
    nats_server: EmbeddedNats, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "_MOST_BYTES", 2500)
    said: list[str] = []
    got: asyncio.Queue[Held] = asyncio.Queue()
    async with NatsConnection(quick(nats_server.url)) as connection:
        source = CoreSource(connection, (token,), listener=lambda state, text: said.append(text))
        await source.start(got.put_nowait, capacity=100)
        held = []
        for _ in range(5):
            await connection.publish(token, b"x" * 1000)
            held.append(await asyncio.wait_for(got.get(), 5))
        for one in held:
            await one.nak(0.2)
        assert said == ["a message that should be tried again is lost"] * 3
        for _ in range(2):
            await (await asyncio.wait_for(got.get(), 5)).nak(30)  # there is room again
        assert len(said) == 3
        await source.stop()
