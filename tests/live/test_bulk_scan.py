"""Reading the ledger in batches: every entry, whatever the sizes, the server, the disturbance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest
from private_server import LeakyPipe, quick

from subscriber.model import Alert, AlertKey
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats import bulk
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.exchange import Answer
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.publish import NatsPublisher

pytestmark = pytest.mark.live

BATCH = 10
Fill = Callable[..., Awaitable[None]]


class EditingPipe(LeakyPipe):
    """A relay that may change what passes; what it writes must be as long as what it reads."""

    edit_to_server: Callable[[bytes], bytes] = staticmethod(lambda data: data)
    edit_to_client: Callable[[bytes], bytes] = staticmethod(lambda data: data)

    async def _relay(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str
    ) -> None:
        edited = asyncio.StreamReader()

        async def change() -> None:
            while data := await source.read(65536):
                edited.feed_data(getattr(self, f"edit_{direction}")(data))
            edited.feed_eof()

        changing = asyncio.ensure_future(change())
        self._tasks.add(changing)
        await super()._relay(edited, sink, direction)


@pytest.fixture
async def pipe(nats_server: EmbeddedNats) -> AsyncIterator[EditingPipe]:
    editing = EditingPipe(nats_server.url)
    async with editing:
        yield editing


@pytest.fixture
async def shaky(pipe: EditingPipe) -> AsyncIterator[NatsConnection]:
    options = quick(pipe.url, request_timeout=0.6, ping_interval=60.0)
    async with NatsConnection(options) as connection:
        yield connection


@pytest.fixture
async def filled(connection: NatsConnection, token: str) -> Fill:
    """Fills the bucket and the subjects beside it with so many messages each."""
    ledger = NatsLedger(connection, LedgerOptions(bucket=token))
    await ledger.start()
    publisher = NatsPublisher(connection)

    async def fill(count: int, beside: int = 0) -> None:
        for number in range(count):
            await publisher.publish(f"$KV.{token}.alert.{number}", b"%d" % number, HEADERS)
            if number < beside:
                await publisher.publish(f"$KV.{token}.other.{number}", b"no")
                await publisher.publish(f"$KV.{token}.alert.{number}.deeper", b"no")

    return fill


HEADERS = {"Nats-Sequence": "9", "Nats-Last-Sequence": "77", "Nats-Subject": "a.b", "Own": "1"}
"""Like the server's own, set by whoever published."""


async def read(connection: NatsConnection, token: str, **sizes: int) -> list[bytes]:
    slices = bulk.scan(
        connection, f"KV_{token}", f"$KV.{token}.alert.", **{"batch": BATCH, **sizes}
    )
    async with aclosing(slices):
        return [data async for some in slices for _, data in some]


def numbers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH, 3 * BATCH + 2])
async def test_every_message_comes_once_in_order(
    connection: NatsConnection, token: str, filled: Fill, count: int
) -> None:
    await filled(count)
    assert await read(connection, token) == numbers(count)


@pytest.mark.parametrize("batch", [1, 2, 7, bulk.SLICE, bulk.SLICE + 1, bulk.BATCH])
async def test_other_subjects_are_left_out(
    connection: NatsConnection, token: str, filled: Fill, batch: int
) -> None:
    await filled(40, beside=25)
    assert await read(connection, token, batch=batch) == numbers(40)


async def test_a_batch_of_nothing_but_other_subjects_does_not_end_it(
    connection: NatsConnection, token: str, filled: Fill
) -> None:
    publisher = NatsPublisher(connection)
    for number in range(3 * BATCH):
        await publisher.publish(f"$KV.{token}.other.{number}", b"no")
    await filled(5)
    assert await read(connection, token) == numbers(5)


async def test_messages_larger_than_a_batch_come_one_by_one(
    connection: NatsConnection, token: str, filled: Fill
) -> None:
    await filled(12)
    assert await read(connection, token, max_bytes=1) == numbers(12)
    assert await read(connection, token, max_bytes=700) == numbers(12)


async def test_what_is_written_or_removed_during_a_scan(
    connection: NatsConnection, token: str, filled: Fill
) -> None:
    await filled(3 * BATCH)
    publisher = NatsPublisher(connection)
    found: list[bytes] = []
    async for some in bulk.scan(connection, f"KV_{token}", f"$KV.{token}.alert.", batch=BATCH):
        if not found:
            await publisher.publish(f"$KV.{token}.alert.0", b"again")
            await publisher.publish(f"$KV.{token}.alert.new", b"new")
            gone = {"filter": f"$KV.{token}.alert.{BATCH}"}
            await connection.api(f"STREAM.PURGE.KV_{token}", gone)
        found += [data for _, data in some]
    expected = numbers(3 * BATCH)
    expected.remove(b"%d" % BATCH)
    assert found == [*expected, b"again", b"new"]


@pytest.mark.parametrize("when", ["before", "during"])
async def test_a_deleted_bucket_is_unavailable(
    connection: NatsConnection, token: str, filled: Fill, when: str
) -> None:
    await filled(3 * BATCH)
    if when == "before":
        await connection.api(f"STREAM.DELETE.KV_{token}")
    slices = bulk.scan(connection, f"KV_{token}", f"$KV.{token}.alert.", batch=BATCH)
    if when == "during":
        assert len(await anext(slices)) == BATCH
        await connection.api(f"STREAM.DELETE.KV_{token}")
    with pytest.raises(PortUnavailable, match="nobody answers"):
        await anext(slices)


@pytest.mark.parametrize("how", ["cut", "silent"])
async def test_a_connection_lost_in_the_middle_of_a_batch_is_unavailable_and_leaves_nothing(
    shaky: NatsConnection,
    pipe: EditingPipe,
    token: str,
    filled: Fill,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await filled(40)
    arrived: list[int] = []
    whole = bulk._Replies.add

    def add(self: bulk._Replies, answer: Answer) -> bool:
        last = whole(self, answer)
        if len(self.messages) == 5 and not arrived:
            arrived.append(5)
            if how == "cut":
                pipe.cut()
            pipe.to_client = False
            return False
        return last and len(arrived) == 0  # the rest of this batch got lost with the connection

    monkeypatch.setattr(bulk._Replies, "add", add)
    with pytest.raises(PortUnavailable):
        await asyncio.wait_for(read(shaky, token, batch=20), 5)
    monkeypatch.undo()
    assert arrived == [5]
    assert shaky._exchange is not None
    assert shaky._exchange._open == {}
    pipe.to_client = True
    pipe.cut()
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        try:
            assert await read(shaky, token) == numbers(40)
            break
        except PortUnavailable:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)


def without_batches(data: bytes) -> bytes:
    """A request in which the server finds no `batch`: it answers as one that never knew it."""
    return data.replace(b'"batch":', b'"bxxxx":')


async def test_a_server_that_knows_no_batches_is_read_one_by_one(
    shaky: NatsConnection, pipe: EditingPipe, token: str, filled: Fill
) -> None:
    await filled(25, beside=3)
    pipe.edit_to_server = without_batches
    slices = bulk.scan(shaky, f"KV_{token}", f"$KV.{token}.alert.")
    found = [[data for _, data in some] async for some in slices]
    assert found == [[data] for data in numbers(25)]


async def test_the_server_may_become_an_old_one_in_the_middle(
    shaky: NatsConnection, pipe: EditingPipe, token: str, filled: Fill
) -> None:
    await filled(25)
    found: list[list[bytes]] = []
    async for some in bulk.scan(shaky, f"KV_{token}", f"$KV.{token}.alert.", batch=BATCH):
        found.append([data for _, data in some])
        pipe.edit_to_server = without_batches
    assert found == [numbers(BATCH), *([data] for data in numbers(25)[BATCH:])]


@pytest.mark.parametrize("lost", [0, 4, BATCH - 1])
async def test_a_message_lost_between_the_servers_is_asked_for_again(
    connection: NatsConnection,
    token: str,
    filled: Fill,
    lost: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await filled(25)
    dropped: list[Answer] = []
    seen = 0
    whole = bulk._Replies.add

    def add(self: bulk._Replies, answer: Answer) -> bool:
        nonlocal seen
        seen += 1
        if seen == lost + 1:
            dropped.append(answer)
            return False
        return whole(self, answer)

    monkeypatch.setattr(bulk._Replies, "add", add)
    assert await read(connection, token) == numbers(25)
    assert len(dropped) == 1


async def test_batches_that_never_fit_end(
    connection: NatsConnection,
    token: str,
    filled: Fill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await filled(25)
    whole = bulk._Replies.none_left

    def none_left(self: bulk._Replies, stream: str) -> bool:
        del self.messages[:1]
        return whole(self, stream)

    monkeypatch.setattr(bulk._Replies, "none_left", none_left)
    with pytest.raises(PortUnavailable, match="without their beginning"):
        await read(connection, token)


async def test_everybody_else_has_a_turn_between_slices(
    connection: NatsConnection, token: str, filled: Fill
) -> None:
    await filled(3 * bulk.SLICE)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(others())
    seen: list[int] = []
    try:
        async for some in bulk.scan(connection, f"KV_{token}", f"$KV.{token}.alert."):
            assert len(some) <= bulk.SLICE
            seen.append(turns)
    finally:
        other.cancel()
    assert len(seen) == 3
    assert seen[0] < seen[1] < seen[2]


async def test_a_ledger_of_several_batches_is_scanned_whole(
    connection: NatsConnection, token: str
) -> None:
    ledger = NatsLedger(connection, LedgerOptions(bucket=token))
    await ledger.start()
    keys = [AlertKey(service="s", dedup_key=str(n)) for n in range(2 * bulk.BATCH + 1)]
    await asyncio.gather(*(ledger.save(Alert(key=key), 0) for key in keys))
    found = [alert.key async for alert, _ in ledger.scan()]
    assert len(found) == len(keys)
    assert set(found) == set(keys)
