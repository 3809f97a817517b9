"""Plain NATS: the weaker promise, kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contract_worlds import until
from private_server import Acker, connected

from subscriber.model import Problem
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Held, PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.core import CoreSource
from subscriber.ports.nats.publish import NatsPublisher

pytestmark = pytest.mark.live


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    """A server without JetStream."""
    async with (
        EmbeddedNats(tmp_path, jetstream=False) as server,
        connected(server) as connection,
    ):
        yield connection


async def test_messages_arrive_once_with_their_facts(link: NatsConnection) -> None:
    source = CoreSource(link, ["ev.>", "ev.x"])
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    await source.ping()
    publisher = NatsPublisher(link)
    before = time.time()
    for number in range(3):
        await publisher.publish("ev.x", b"%d" % number, {"ce-id": "1"})
    await until(lambda: len(held) == 3)
    envelopes = [message.envelope for message in held]
    assert [envelope.data for envelope in envelopes] == [b"0", b"1", b"2"]
    assert all(envelope.headers == {"ce-id": "1"} for envelope in envelopes)
    assert all((envelope.stream, envelope.stream_epoch) == ("", 0) for envelope in envelopes)
    sequences = [envelope.sequence for envelope in envelopes]
    assert sequences == sorted(set(sequences))
    assert before * 1e6 - 1 <= sequences[0] <= time.time() * 1e6 + 10
    for message in held:
        await message.ack()
        await message.term("x")
        await message.in_progress()
    assert await source.backlog() == 0
    await source.stop()
    await source.stop()
    with pytest.raises(PortUnavailable):
        await source.ping()


async def test_the_capacity_holds_and_the_rest_waits(link: NatsConnection) -> None:
    source = CoreSource(link, ["ev.>"])
    held: list[Held] = []
    await source.start(held.append, capacity=2)
    for number in range(5):
        await link.publish("ev.x", b"%d" % number)
    await until(lambda: len(held) == 2)
    await link.ping()
    await asyncio.sleep(0.1)
    assert len(held) == 2
    assert await source.backlog() >= 2
    for number in range(5):
        await until(lambda number=number: len(held) > number)
        await held[number].ack()
        await held[number].ack()
    assert [message.envelope.data for message in held] == [b"%d" % number for number in range(5)]
    await source.stop()


async def test_what_is_given_back_comes_again_in_this_process(link: NatsConnection) -> None:
    source = CoreSource(link, ["ev.>"])
    held: list[Held] = []
    await source.start(held.append, capacity=1)
    await link.publish("ev.x", b"first")
    await until(lambda: held)
    began = time.monotonic()
    await held[0].nak(0.4)
    await link.publish("ev.x", b"second")  # its place is free meanwhile
    await until(lambda: len(held) == 2)
    assert held[1].envelope.data == b"second"
    assert await source.backlog() == 1
    await held[1].ack()
    await until(lambda: len(held) == 3)
    assert time.monotonic() - began >= 0.39
    assert held[2].envelope.data == b"first"
    assert held[2].envelope.sequence == held[0].envelope.sequence
    assert held[2].envelope.delivery_count == 2
    await held[2].ack()
    await source.stop()


async def test_what_waits_for_a_retry_is_bounded_and_its_loss_is_said(
    link: NatsConnection,
) -> None:
    told: list[str] = []
    source = CoreSource(
        link, ["ev.>"], max_delayed=2, listener=lambda state, text: told.append(text)
    )
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    for number in range(3):
        await link.publish("ev.x", b"%d" % number)
    await until(lambda: len(held) == 3)
    for message in held:
        await message.nak(60.0)
    assert len(told) == 1
    assert await source.backlog() == 2
    await source.stop()
    assert "2 messages" in told[1]


async def test_replicas_share_the_messages(link: NatsConnection) -> None:
    sources = [CoreSource(link, ["ev.>"]) for _ in range(2)]
    ackers = [Acker() for _ in sources]
    for source, acker in zip(sources, ackers, strict=True):
        await source.start(acker, capacity=50)
    for number in range(50):
        await link.publish("ev.x", b"%d" % number)
    await until(lambda: sum(len(acker.held) for acker in ackers) == 50)
    await link.ping()
    assert sorted(int(data) for acker in ackers for data in acker.data) == list(range(50))
    for source in sources:
        await source.stop()


async def test_a_restarted_server_is_listened_to_again(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, jetstream=False) as server, connected(server) as link:
        source = CoreSource(link, ["ev.>"])
        acker = Acker()
        await source.start(acker, capacity=10)
        server.kill()
        await until(lambda: not link.connected)
        with pytest.raises(PortUnavailable):
            await source.ping()
        await server.start()
        await until(lambda: link.connected)
        await link.publish("ev.x", b"after")
        await until(lambda: acker.held)
        await link.client.close()  # as after a refusal: a new client must subscribe anew
        await until(lambda: link.connected)
        await until(lambda: source._client is link.client)
        await link.publish("ev.x", b"later")
        await until(lambda: len(acker.held) == 2)
        assert acker.data == [b"after", b"later"]
        await source.stop()


async def test_a_plain_subscriber_hears_an_event_once_although_jetstream_is_there(
    connection: NatsConnection, token: str
) -> None:
    """A publisher that waits for a stream where there is none would repeat the message."""
    source = CoreSource(connection, [f"{token}.>"])
    acker = Acker()
    await source.start(acker, capacity=10)
    publisher = NatsPublisher(connection)
    began = time.monotonic()
    await publisher.publish(f"{token}.x", b"1")
    await publisher.publish(f"{token}.x", b"2")
    assert time.monotonic() - began < 4
    await until(lambda: len(acker.held) == 2)
    await asyncio.sleep(0.1)
    assert acker.data == [b"1", b"2"]
    await source.stop()


@pytest.mark.parametrize("subject", ["", "a..b", "a b"])
async def test_what_is_no_subject_is_refused(connection: NatsConnection, subject: str) -> None:
    with pytest.raises(Problem):
        CoreSource(connection, [subject])
