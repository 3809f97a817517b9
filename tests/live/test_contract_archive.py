"""What every Archive promises; see `ports.interfaces`. And what only real NATS can get wrong."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from contract_worlds import World, until
from private_server import connected

from subscriber.model import Envelope, Problem
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Archive, Held, PortUnavailable
from subscriber.ports.memory import ManualClock, MemoryArchive, MemoryStream
from subscriber.ports.nats import archive as module
from subscriber.ports.nats.archive import NatsArchive
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import StreamOptions
from subscriber.ports.nats.publish import NatsPublisher


async def numbers(archive: Archive, **bounds: float) -> list[int]:
    return [int(envelope.data) async for envelope in archive.scan(**bounds)]


async def publish(world: World, count: int, start: int = 1) -> None:
    for number in range(start, start + count):
        await world.publisher.publish(world.subject, b"%d" % number, {"X-Number": str(number)})


async def test_everything_comes_once_in_order_with_its_facts(world: World) -> None:
    await publish(world, 7)
    found: list[Envelope] = [envelope async for envelope in world.archive.scan()]
    for number, envelope in enumerate(found, 1):
        assert envelope.subject == world.subject
        assert envelope.data == b"%d" % number
        assert envelope.headers["X-Number"] == str(number)
        assert envelope.sequence == number
        assert envelope.pending == 7 - number
        assert envelope.stream_epoch == found[0].stream_epoch > 10**18
        assert abs(envelope.received_at - time.time()) < 60
    assert len(found) == 7


async def test_an_empty_stream_ends_at_once(world: World) -> None:
    assert await numbers(world.archive) == []


async def test_only_what_was_stored_in_the_time_asked_for(world: World) -> None:
    await publish(world, 3)
    await asyncio.sleep(0.05)
    middle = time.time()
    await asyncio.sleep(0.05)
    await publish(world, 3, start=4)
    assert await numbers(world.archive, since=middle) == [4, 5, 6]
    assert await numbers(world.archive, until=middle) == [1, 2, 3]
    assert await numbers(world.archive, since=time.time() + 1) == []


async def test_it_ends_with_what_was_there_when_it_began(world: World) -> None:
    await publish(world, 3)
    found = []
    async for envelope in world.archive.scan():
        found.append(int(envelope.data))
        await publish(world, 1, start=10 + len(found))
    assert found == [1, 2, 3]


async def test_nobody_else_loses_a_message(world: World) -> None:
    await publish(world, 20)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=5)
    await until(lambda: len(held) == 5)
    await held[0].ack()
    await until(lambda: len(held) == 6)
    before = await source.backlog()
    assert await numbers(world.archive) == list(range(1, 21))
    assert await source.backlog() == before == 19
    for place in range(1, 20):
        await until(lambda place=place: len(held) > place)  # type: ignore[misc]
        await held[place].ack()
    assert [one.envelope.sequence for one in held] == list(range(1, 21))
    assert {one.envelope.delivery_count for one in held} == {1}
    await source.stop()
    await world.archive.ping()


async def test_it_can_be_left_half_way(world: World) -> None:
    await publish(world, 10)
    async with aclosing(world.archive.scan()) as scan:
        async for envelope in scan:
            if envelope.sequence == 4:
                break
    assert await numbers(world.archive) == list(range(1, 11))


async def test_two_streams_are_read_as_one() -> None:
    clock = ManualClock(1000.0)
    streams = [MemoryStream(clock, name=name) for name in ("a", "b")]
    for number, which in enumerate([0, 1, 1, 0, 1, 0, 0], 1):
        await clock.advance(1)
        streams[which].publish("x", b"%d" % number)
    found = [envelope async for envelope in MemoryArchive(streams).scan()]
    assert [int(envelope.data) for envelope in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [envelope.pending for envelope in found] == [6, 5, 4, 3, 2, 1, 0]


# -- real NATS only -------------------------------------------------------------------------------

pytest_live = pytest.mark.live


async def stream(connection: NatsConnection, name: str, **changes: object) -> StreamOptions:
    config = {"name": name, "subjects": [f"{name}.>"], "storage": "memory", **changes}
    await connection.api(f"STREAM.CREATE.{name}", config)
    return StreamOptions(subjects=(f"{name}.>",))


async def fill(connection: NatsConnection, name: str, count: int, size: int = 0) -> None:
    for number in range(1, count + 1):
        await connection.publish(f"{name}.x", b"%d" % number + b" " * size)
    await NatsPublisher(connection).publish(f"{name}.x", b"%d" % (count + 1))


@pytest_live
async def test_many_messages_need_many_requests(connection: NatsConnection, token: str) -> None:
    options = await stream(connection, token)
    await fill(connection, token, 9000)
    assert await numbers(NatsArchive(connection, options)) == list(range(1, 9002))


@pytest_live
async def test_large_messages_are_asked_for_by_size(
    connection: NatsConnection, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = await stream(connection, token)
    await fill(connection, token, 60, size=200_000)
    monkeypatch.setattr(module, "_BYTES", 1)  # twice the server's limit for one message: 2 MiB
    reader = NatsArchive(connection, options)
    waiting = 0
    found = []
    original = module._Reader._heard

    async def heard(self: module._Reader, message: object) -> None:
        nonlocal waiting
        await original(self, message)  # type: ignore[arg-type]
        waiting = max(waiting, len(self._arrived))

    monkeypatch.setattr(module._Reader, "_heard", heard)
    async for envelope in reader.scan():
        found.append(int(envelope.data))
        await asyncio.sleep(0.002)
    assert found == list(range(1, 62))
    assert 1 <= waiting <= 3 * 2 * 1_048_576 // 200_000 + 1


@pytest_live
async def test_one_message_larger_than_a_request_takes(
    connection: NatsConnection, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = await stream(connection, token)
    await fill(connection, token, 5, size=5000)
    create = module._Reader.__init__

    def small(self: module._Reader, *arguments: object) -> None:
        create(self, *arguments)  # type: ignore[arg-type]
        self._max_bytes = 1000

    monkeypatch.setattr(module._Reader, "__init__", small)
    assert await numbers(NatsArchive(connection, options)) == [1, 2, 3, 4, 5, 6]


@pytest_live
async def test_only_the_wanted_subjects(connection: NatsConnection, token: str) -> None:
    options = await stream(connection, token)
    for number in range(1, 10):
        await NatsPublisher(connection).publish(f"{token}.{'abc'[number % 3]}", b"%d" % number)
    some = replace(options, subjects=(f"{token}.a", f"{token}.c", "other.>"))
    assert await numbers(NatsArchive(connection, some)) == [2, 3, 5, 6, 8, 9]
    one = replace(options, subjects=(f"{token}.b",))
    assert await numbers(NatsArchive(connection, one)) == [1, 4, 7]


@pytest_live
async def test_it_leaves_no_consumer_behind(connection: NatsConnection, token: str) -> None:
    options = await stream(connection, token)
    await fill(connection, token, 10)
    async with aclosing(NatsArchive(connection, options).scan()) as scan:
        async for _ in scan:
            names = (await connection.api(f"CONSUMER.NAMES.{token}"))["consumers"]
            assert len(names) == 1
            break
    assert not (await connection.api(f"CONSUMER.NAMES.{token}"))["consumers"]


@pytest_live
async def test_messages_that_go_while_it_reads_do_not_stop_it(
    connection: NatsConnection, token: str
) -> None:
    options = await stream(connection, token)
    await fill(connection, token, 4999)
    found = []
    async for envelope in NatsArchive(connection, options).scan():
        found.append(int(envelope.data))
        if envelope.sequence == 10:
            await connection.api(f"STREAM.PURGE.{token}")
    assert found == list(range(1, len(found) + 1))
    assert 10 <= len(found) < 5000


@pytest_live
async def test_a_work_queue_is_refused(connection: NatsConnection, token: str) -> None:
    options = await stream(connection, token, retention="workqueue")
    await fill(connection, token, 1)
    with pytest.raises(Problem, match="taking its messages away"):
        await numbers(NatsArchive(connection, options))
    with pytest.raises(Problem, match="no stream holds"):
        await numbers(NatsArchive(connection, StreamOptions(subjects=(f"no-{token}.>",))))


@pytest_live
async def test_it_goes_on_where_it_was_after_a_restart_of_the_server(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server, connected(server) as connection:
        options = await stream(connection, "s", storage="file")
        await fill(connection, "s", 5999)
        found = []
        async for envelope in NatsArchive(connection, options).scan():
            found.append(int(envelope.data))
            if envelope.sequence == 10:
                await server.stop()
                await server.start()
        assert found == list(range(1, 6001))


@pytest_live
async def test_it_says_so_when_nats_stays_away(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server, connected(server) as connection:
        options = await stream(connection, "s", storage="file")
        await fill(connection, "s", 5999)
        scan = NatsArchive(connection, options, patience=0.5).scan()
        await anext(scan)
        await server.stop()
        with pytest.raises(PortUnavailable):
            [envelope async for envelope in scan]
