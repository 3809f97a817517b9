"""The pull loop survives what happens to servers, streams and consumers, and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract_worlds import until
from private_server import QUICK, Acker, configured, connected, settled

from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Held, PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import ConnectionState, FirstStart, StreamOptions
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.ports.nats.source import JetStreamSource

pytestmark = pytest.mark.live

STREAMS = StreamOptions(subjects=("ev.>",), create_as="EVENTS")
DURABLE = QUICK.durable
# Where connections break, an ack or a message may die with them; ack_wait makes up for that.
IMPATIENT = replace(QUICK, ack_wait=2.0)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    async with EmbeddedNats(tmp_path) as started:
        yield started


@pytest.fixture
async def link(server: EmbeddedNats) -> AsyncIterator[NatsConnection]:
    async with connected(server) as connection:
        yield connection


async def publish(connection: NatsConnection, first: int, last: int) -> None:
    publisher = NatsPublisher(connection)
    await publisher.publish("ev.x", b"%d" % first)  # alone: the others then keep their order
    await asyncio.gather(
        *(publisher.publish("ev.x", b"%d" % number) for number in range(first + 1, last + 1))
    )


def numbers(first: int, last: int) -> set[bytes]:
    return {b"%d" % number for number in range(first, last + 1)}


async def test_kill_9_of_the_server_loses_nothing(
    server: EmbeddedNats, link: NatsConnection
) -> None:
    source = JetStreamSource(link, STREAMS, IMPATIENT)
    acker = Acker()
    await source.start(acker, capacity=20)
    for round_ in range(3):
        await publish(link, round_ * 200 + 1, round_ * 200 + 200)
        server.kill()
        await until(lambda: not link.connected)
        with pytest.raises(PortUnavailable):
            await source.ping()
        await server.start()
        await until(lambda: link.connected)
    await until(lambda: set(acker.data) == numbers(1, 600), within=30)
    await settled(source)
    await source.ping()
    await source.stop()


async def test_an_ack_given_while_the_server_is_away_counts(
    server: EmbeddedNats, link: NatsConnection
) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=3)
    await publish(link, 1, 5)
    await until(lambda: len(held) == 3)
    await server.stop()
    await until(lambda: not link.connected)
    for message in held[:3]:
        await message.ack()  # neither waits nor raises
    await server.start()
    # at once; or after ack_wait, when they were on their way as the connection settled
    await until(lambda: len(held) == 5, within=45)
    assert sorted(message.envelope.data for message in held[3:]) == [b"4", b"5"]
    for message in held[3:]:
        await message.ack()
    await settled(source)
    assert len(held) == 5
    await source.stop()


async def test_a_deleted_consumer_is_made_again_where_it_was(link: NatsConnection) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=4)
    await publish(link, 1, 10)
    await until(lambda: len(held) == 4)
    for message in held[:2]:
        await message.ack()
    await until(lambda: len(held) == 6)
    await source._readers[0]._refresh()  # learns the acknowledged part, as it does every 10 s
    await link.api(f"CONSUMER.DELETE.EVENTS.{DURABLE}")
    # 3 to 6 are in hand and unsettled: the new consumer begins with them.
    for message in held[2:6]:
        await message.ack()  # of the consumer that is gone: must not settle anything
    await until(lambda: len(held) >= 10)
    assert {message.envelope.data for message in held[6:10]} == numbers(3, 6)
    rest = 6
    while rest < len(held) or await source.backlog():
        while rest < len(held):
            await held[rest].ack()
            rest += 1
        await asyncio.sleep(0.05)
    assert {message.envelope.data for message in held} == numbers(1, 10)
    await source.stop()


async def test_our_own_stream_is_made_again(link: NatsConnection) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    acker = Acker()
    await source.start(acker, capacity=10)
    await publish(link, 1, 3)
    await until(lambda: len(acker.held) == 3)
    await link.api("STREAM.DELETE.EVENTS")
    await until(lambda: source.bindings[0].epoch != acker.held[0].envelope.stream_epoch)
    await publish(link, 4, 6)
    await until(lambda: len(acker.held) == 6)
    assert acker.held[3].envelope.sequence == 1
    assert acker.held[3].envelope.stream_epoch > acker.held[0].envelope.stream_epoch
    await settled(source)
    await source.stop()


async def test_somebody_elses_stream_is_waited_for(link: NatsConnection) -> None:
    theirs = {"name": "keptn", "subjects": ["ev.>"], "storage": "file", "num_replicas": 1}
    await link.api("STREAM.CREATE.keptn", theirs)
    source = JetStreamSource(link, STREAMS, QUICK)
    acker = Acker()
    await source.start(acker, capacity=10)
    assert [binding.stream for binding in source.bindings] == ["keptn"]
    await publish(link, 1, 1)
    await until(lambda: len(acker.held) == 1)
    await link.api("STREAM.DELETE.keptn")
    await asyncio.sleep(1.0)
    assert (await link.api("STREAM.NAMES"))["streams"] in (None, [])
    with pytest.raises(PortUnavailable):
        await source.ping()
    await link.api("STREAM.CREATE.keptn", theirs)
    await publish(link, 2, 3)
    await until(lambda: set(acker.data) == numbers(1, 3), within=30)
    await source.ping()
    await source.stop()


async def test_an_ack_of_a_former_stream_settles_nothing_in_the_new_one(
    link: NatsConnection,
) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    await publish(link, 1, 1)
    await until(lambda: len(held) == 1)
    await link.api("STREAM.DELETE.EVENTS")
    await until(lambda: source.bindings[0].epoch != held[0].envelope.stream_epoch)
    await publish(link, 2, 2)
    await until(lambda: len(held) == 2)
    assert held[0].envelope.sequence == held[1].envelope.sequence == 1
    await held[0].ack()
    await link.ping()
    assert await source.backlog() == 1
    await held[1].ack()
    await settled(source)
    await source.stop()


async def test_a_frozen_server_is_noticed_and_its_thaw_too(
    server: EmbeddedNats, link: NatsConnection
) -> None:
    source = JetStreamSource(link, STREAMS, IMPATIENT)
    acker = Acker()
    await source.start(acker, capacity=10)
    await publish(link, 1, 3)
    await until(lambda: len(acker.held) == 3)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await until(lambda: not link.connected, within=30)
        with pytest.raises(PortUnavailable):
            await source.ping()
    finally:
        os.kill(server.pid, signal.SIGCONT)
    await until(lambda: link.connected, within=30)
    await publish(link, 4, 6)
    await until(lambda: set(acker.data) == numbers(1, 6), within=30)
    await settled(source)
    await source.stop()


async def test_what_is_under_way_at_the_stop_goes_to_another_at_once(link: NatsConnection) -> None:
    """With an ack_wait of 30 s, a message that got lost on the way would miss the deadline."""
    first, second = JetStreamSource(link, STREAMS, QUICK), JetStreamSource(link, STREAMS, QUICK)
    one, two = Acker(), Acker()
    await first.start(one, capacity=500)
    publishing = asyncio.ensure_future(publish(link, 1, 500))
    await until(lambda: one.held)
    await first.stop()
    await second.start(two, capacity=500)
    await publishing
    await until(lambda: set(one.data) | set(two.data) == numbers(1, 500), within=15)
    await settled(second, within=15)
    await second.stop()


async def test_a_connection_that_the_server_refuses_for_a_while_comes_back(
    tmp_path: Path,
) -> None:
    """Depending on timing nats-py goes on trying, or closes itself for good."""
    users = 'authorization {{ users = [{{user: "{0}", password: "p"}}] }}\n'
    server = configured(tmp_path, users.format("us"))
    told: list[ConnectionState] = []
    async with server:
        options = {"user": "us", "password": "p"}
        async with connected(server, lambda state, text: told.append(state), **options) as link:
            source = JetStreamSource(link, STREAMS, IMPATIENT)
            acker = Acker()
            await source.start(acker, capacity=10)
            await publish(link, 1, 2)
            await until(lambda: len(acker.held) == 2)
            (tmp_path / "server.conf").write_text(users.format("others"))
            os.kill(server.pid, signal.SIGHUP)
            await until(lambda: not link.connected)
            await asyncio.sleep(1.0)
            assert not link.connected
            (tmp_path / "server.conf").write_text(users.format("us"))
            os.kill(server.pid, signal.SIGHUP)
            await until(lambda: link.connected, within=30)
            await publish(link, 3, 4)
            await until(lambda: set(acker.data) == numbers(1, 4), within=30)
            await settled(source)
            await source.stop()
    assert ConnectionState.DISCONNECTED in told
    assert ConnectionState.RECONNECTED in told


@pytest.mark.parametrize("dead", ["closed", "task died"])
async def test_a_client_that_gave_up_is_replaced_and_what_is_held_can_be_ended(
    server: EmbeddedNats, link: NatsConnection, dead: str
) -> None:
    source = JetStreamSource(link, STREAMS, IMPATIENT)
    held: list[Held] = []
    await source.start(held.append, capacity=3)
    await publish(link, 1, 6)
    await until(lambda: len(held) == 3)
    former = link.client
    if dead == "closed":
        await former.close()
    else:  # a reconnecting task that ends with an exception leaves nobody trying
        server.kill()
        await until(lambda: former._reconnection_task is not None)
        former._reconnection_task.cancel()
        await server.start()
    for message in held:
        await message.ack()
    ended = 3
    await until(lambda: link.connected, within=30)
    while {message.envelope.data for message in held} != numbers(1, 6) or await source.backlog():
        for message in held[ended:]:
            await message.ack()
            ended += 1
        await asyncio.sleep(0.05)
    assert link.client is not former
    await source.stop()


async def test_messages_waiting_for_their_retry_do_not_hold_up_the_others(
    link: NatsConnection,
) -> None:
    """JetStream counts them as pending: with a limit, a key in trouble would stop every key."""
    source = JetStreamSource(link, STREAMS, replace(QUICK, first_start=FirstStart.ALL))
    held: list[Held] = []
    await source.start(held.append, capacity=50)
    await publish(link, 1, 3000)
    for number in range(3000):
        await until(lambda number=number: len(held) > number)
        await held[number].nak(600.0)
    await publish(link, 3001, 3003)
    await until(lambda: len(held) == 3003)
    for message in held[3000:]:
        await message.ack()
    await source.stop()


# -- ends given by who cannot wait ----------------------------------------------------------------


async def test_acks_of_one_turn_go_out_together_and_at_once(link: NatsConnection) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=200)
    await publish(link, 1, 150)
    await until(lambda: len(held) == 150)
    await link.ping()  # nothing of our own is left to be sent
    flushes: list[int] = []
    transport = link.client._transport
    write = transport.writelines
    transport.writelines = lambda commands: (flushes.append(len(commands)), write(commands))
    try:
        for message in held:
            message.ack_nowait()
        assert not flushes
        await until(lambda: flushes, within=1)
        assert flushes[0] >= 150  # the acks, and perhaps a request for more
        await settled(source, within=2)
    finally:
        transport.writelines = write
    await source.stop()


async def test_an_ack_just_before_the_stop_is_sent(link: NatsConnection) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    await publish(link, 1, 5)
    await until(lambda: len(held) == 5)
    for message in held[:4]:
        message.ack_nowait()
    stopping = asyncio.ensure_future(source.stop())
    await asyncio.sleep(0)
    held[4].ack_nowait()
    await stopping
    await settled(source, within=2)


async def test_an_ack_just_before_the_connection_is_closed_is_sent(
    server: EmbeddedNats, link: NatsConnection
) -> None:
    async with connected(server) as ours:
        source = JetStreamSource(ours, STREAMS, QUICK)
        held: list[Held] = []
        await source.start(held.append, capacity=10)
        await publish(link, 1, 5)
        await until(lambda: len(held) == 5)
        for message in held:
            message.ack_nowait()
    # The server reads both connections at the same time: it may not have come to the acks yet.
    state = None
    for _ in range(100):
        info = await link.api(f"CONSUMER.INFO.EVENTS.{DURABLE}")
        state = info["num_ack_pending"], info["ack_floor"]["stream_seq"]
        if state == (0, 5):
            break
        await asyncio.sleep(0.01)
    assert state == (0, 5)


async def test_acks_given_while_the_server_is_away_by_who_cannot_wait_count(
    server: EmbeddedNats, link: NatsConnection
) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=3)
    await publish(link, 1, 5)
    await until(lambda: len(held) == 3)
    await server.stop()
    await until(lambda: not link.connected)
    for message in held[:3]:
        message.ack_nowait()
    await server.start()
    await until(lambda: len(held) == 5, within=45)
    assert sorted(message.data for message in held[3:]) == [b"4", b"5"]
    for message in held[3:]:
        message.ack_nowait()
    await settled(source)
    await source.stop()


async def test_an_ack_by_who_cannot_wait_settles_nothing_in_a_new_stream(
    link: NatsConnection,
) -> None:
    source = JetStreamSource(link, STREAMS, QUICK)
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    await publish(link, 1, 1)
    await until(lambda: len(held) == 1)
    first = source.bindings[0].epoch
    await link.api("STREAM.DELETE.EVENTS")
    await until(lambda: source.bindings[0].epoch != first)
    await publish(link, 2, 2)
    await until(lambda: len(held) == 2)
    # The facts are those of the stream it came from, also when they are asked for afterwards.
    assert held[0].envelope.stream_epoch == first
    assert held[1].envelope.stream_epoch == source.bindings[0].epoch
    held[0].ack_nowait()
    await link.ping()
    assert await source.backlog() == 1
    held[1].ack_nowait()
    await settled(source)
    await source.stop()


async def test_confirmed_acks_are_confirmed_whichever_way_they_come(link: NatsConnection) -> None:
    source = JetStreamSource(link, STREAMS, replace(QUICK, confirm_acks=True))
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    await publish(link, 1, 4)
    await until(lambda: len(held) == 4)
    await asyncio.gather(held[0].ack(), held[1].ack())
    assert await source.backlog() == 2  # confirmed: no waiting for it to become true
    held[2].ack_nowait()
    held[3].ack_nowait()
    await source.stop()
    assert await source.backlog() == 0


async def test_a_message_that_is_not_jetstreams_and_a_failing_handler_stop_nothing(
    link: NatsConnection,
) -> None:
    told: list[str] = []
    source = JetStreamSource(link, STREAMS, QUICK, listener=lambda state, text: told.append(text))
    seen: list[bytes] = []

    def take(message: Held) -> None:
        seen.append(message.data)
        if not message.redelivered:
            raise ArithmeticError("a bug")
        message.ack_nowait()

    await source.start(take, capacity=10)
    inbox = source._readers[0]._inbox.decode()
    for reply in ("", "a.b", "$JS.ACK.EVENTS.d.x.1.1.1.1", "$JS.ACK.EVENTS.d.1"):
        await link.client.publish("elsewhere", b"?", reply=reply)
        await link.client.publish(f"{inbox}.nonsense", b"?", reply=reply)
    await publish(link, 1, 3)
    await until(lambda: len(seen) == 6, within=10)
    await settled(source)
    assert sum("the handler failed: ArithmeticError" in text for text in told) == 3
    await source.stop()
