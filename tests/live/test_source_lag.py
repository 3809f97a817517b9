"""What the source tells of its lag and its loops while things happen to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contract_worlds import until
from private_server import QUICK, connected

from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Held
from subscriber.ports.nats import pull
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import StreamOptions
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.ports.nats.source import JetStreamSource

pytestmark = pytest.mark.live
STREAMS = StreamOptions(subjects=("ev.>",), create_as="EVENTS")


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    async with EmbeddedNats(tmp_path) as server, connected(server) as connection:
        yield connection


async def test_the_lag_is_refreshed_while_messages_wait(
    link: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_REFRESH_SECONDS", 0.1)  # else ten seconds
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=2)
    publisher = NatsPublisher(link)
    for number in range(7):
        await publisher.publish("ev.x", b"%d" % number)

    def seen(waiting: int, out: int) -> bool:
        return [(lag.waiting, lag.out) for lag in source.lag()] == [(waiting, out)]

    await until(lambda: seen(5, 2))
    assert [lag.stream for lag in source.lag()] == ["EVENTS"]
    for _ in range(7):
        await until(lambda: bool(held))
        await held.pop().ack()
    await until(lambda: seen(0, 0))
    await source.stop()


async def test_a_dead_or_hanging_loop_is_a_fault_and_a_server_away_is_none(
    link: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    await source.start(lambda held: None, capacity=2)
    (reader,) = source._readers
    assert source.fault() == ""
    reader._disturb()  # as when the server is away
    assert source.fault() == ""
    reader._turned_at -= 1000
    assert "hangs" in source.fault()
    assert reader._task is not None
    reader._task.cancel()
    await asyncio.gather(reader._task, return_exceptions=True)
    assert source.fault() == "nothing reads EVENTS any more"
    await source.stop()


async def test_a_connection_that_nobody_watches_is_a_fault(link: NatsConnection) -> None:
    assert link.fault() == ""
    assert link._watcher is not None
    link._watcher.cancel()
    await asyncio.gather(link._watcher, return_exceptions=True)
    assert "nothing watches" in link.fault()
