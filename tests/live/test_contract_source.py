"""What every Source promises; see `ports.interfaces`."""

from __future__ import annotations

import asyncio
import time

import pytest
from contract_worlds import ACK_WAIT, World, until

from subscriber.ports.interfaces import Held, PortUnavailable, Source


async def publish(world: World, count: int, start: int = 1) -> None:
    for number in range(start, start + count):
        await world.publisher.publish(world.subject, b"%d" % number, {"X-Number": str(number)})


async def until_settled(source: Source, left: int) -> None:
    """An end goes out at once, but nobody waits for the server to have understood it."""
    deadline = time.monotonic() + 5
    while await source.backlog() != left:
        assert time.monotonic() < deadline, await source.backlog()
        await asyncio.sleep(0.01)


async def test_a_message_arrives_with_its_facts_and_in_order(world: World) -> None:
    await publish(world, 5)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 5)
    for number, message in enumerate(held, 1):
        envelope = message.envelope
        assert envelope.subject == world.subject
        assert envelope.data == b"%d" % number
        assert envelope.headers["X-Number"] == str(number)
        assert envelope.sequence == number
        assert envelope.delivery_count == 1
        assert envelope.stream
        assert envelope.stream_epoch == held[0].envelope.stream_epoch > 10**18
        assert abs(envelope.received_at - time.time()) < 60
        await message.ack()
    await source.stop()


async def test_what_is_acked_is_settled_and_stays_so(world: World) -> None:
    await publish(world, 3)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 3)
    assert await source.backlog() == 3
    for message in held:
        await message.ack()
    await asyncio.sleep(ACK_WAIT + 0.5)
    assert await source.backlog() == 0
    assert len(held) == 3
    await source.stop()


async def test_a_look_at_a_message_tells_what_its_envelope_tells(world: World) -> None:
    await publish(world, 2)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 2)
    await held[0].nak(0)
    await until(lambda: len(held) == 3)
    for message in held:
        assert message.data == message.envelope.data
        assert message.headers == message.envelope.headers
        assert message.headers["X-Number"] == message.data.decode()
        assert message.redelivered is (message.envelope.delivery_count > 1)
        await message.ack()
    assert [message.redelivered for message in held] == [False, False, True]
    await source.stop()


async def test_messages_acked_as_they_come_need_no_capacity(world: World) -> None:
    await publish(world, 40)
    seen: list[bytes] = []
    kept: list[Held] = []

    def take(message: Held) -> None:
        seen.append(message.data)
        if message.data == b"20":
            kept.append(message)
        else:
            message.ack_nowait()
            message.ack_nowait()  # a second end frees no second place

    source = world.new_source()
    await source.start(take, capacity=2)
    await until(lambda: len(seen) == 40)
    assert seen == [b"%d" % number for number in range(1, 41)]
    await until_settled(source, 1)
    await asyncio.sleep(ACK_WAIT / 2)
    assert len(seen) == 40
    kept[0].ack_nowait()
    await until_settled(source, 0)
    await source.stop()


async def test_only_the_first_end_counts_whichever_way_it_comes(world: World) -> None:
    await publish(world, 2)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 2)
    held[0].ack_nowait()
    await held[0].nak(0)
    await held[1].nak(0)
    held[1].ack_nowait()
    await until(lambda: len(held) == 3)
    await asyncio.sleep(0.3)
    assert [message.data for message in held] == [b"1", b"2", b"2"]
    held[2].ack_nowait()
    await until_settled(source, 0)
    await source.stop()


async def test_the_capacity_is_never_exceeded_and_each_end_makes_room(world: World) -> None:
    await publish(world, 12)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=4)
    await until(lambda: len(held) == 4)
    await asyncio.sleep(0.3)
    assert len(held) == 4
    await held[0].ack()
    await held[0].ack()  # a second end frees no second place
    await until(lambda: len(held) == 5)
    await asyncio.sleep(0.2)
    assert len(held) == 5
    for ended in range(1, 12):
        await until(lambda ended=ended: len(held) > ended)
        assert len(held) - ended <= 4
        await held[ended].ack()
    await source.stop()
    assert [message.envelope.data for message in held] == [b"%d" % n for n in range(1, 13)]


async def test_a_message_given_back_returns_after_the_delay(world: World) -> None:
    await publish(world, 1)
    held: list[Held] = []
    times: list[float] = []

    def take(message: Held) -> None:
        held.append(message)
        times.append(time.monotonic())

    source = world.new_source()
    await source.start(take, capacity=10)
    await until(lambda: len(held) == 1)
    given_back = time.monotonic()
    await held[0].nak(0.6)
    await until(lambda: len(held) == 2)
    assert times[1] - given_back >= 0.55
    assert held[1].envelope.delivery_count == 2
    assert held[1].envelope.sequence == 1
    await held[1].nak(0)
    await until(lambda: len(held) == 3)
    assert held[2].envelope.delivery_count == 3
    await held[2].ack()
    await source.stop()


async def test_what_nobody_ends_is_delivered_again(world: World) -> None:
    await publish(world, 1)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 2)
    assert held[1].envelope.delivery_count == 2
    for message in held:
        await message.ack()
    await source.stop()


async def test_a_sign_of_life_keeps_a_message(world: World) -> None:
    await publish(world, 1)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 1)
    for _ in range(10):  # twice the ack_wait
        await asyncio.sleep(ACK_WAIT / 5)
        await held[0].in_progress()
    assert len(held) == 1
    await held[0].ack()
    await source.stop()


async def test_what_is_terminated_never_returns(world: World) -> None:
    await publish(world, 1)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 1)
    await held[0].term("not-json\r\nwith a line end")
    await asyncio.sleep(ACK_WAIT + 0.5)
    assert len(held) == 1
    assert await source.backlog() == 0
    await source.stop()


async def test_only_the_first_end_counts(world: World) -> None:
    await publish(world, 1)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 1)
    await held[0].ack()
    await held[0].nak(0)
    await held[0].term("late")
    await held[0].in_progress()
    await asyncio.sleep(0.3)
    assert len(held) == 1
    await source.stop()


async def test_after_the_stop_nothing_arrives_and_what_is_held_can_be_ended(world: World) -> None:
    await publish(world, 6)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=3)
    await until(lambda: len(held) == 3)
    await source.stop()
    await source.stop()
    for message in held:
        await message.ack()
    await asyncio.sleep(0.3)
    assert len(held) == 3
    rest: list[Held] = []
    other = world.new_source()
    await other.start(rest.append, capacity=10)
    await until(lambda: len(rest) == 3)
    assert [message.envelope.sequence for message in rest] == [4, 5, 6]
    for message in rest:
        await message.ack()
    await asyncio.sleep(0.1)
    assert await other.backlog() == 0
    await other.stop()


async def test_replicas_share_the_messages(world: World) -> None:
    seen: list[tuple[int, int]] = []
    tasks: set[asyncio.Task[None]] = set()

    def taker(replica: int):  # type: ignore[no-untyped-def]
        def take(message: Held) -> None:
            seen.append((replica, message.envelope.sequence))
            task = asyncio.ensure_future(message.ack())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return take

    replicas = [world.new_source() for _ in range(3)]
    for number, replica in enumerate(replicas):
        await replica.start(taker(number), capacity=5)
    await publish(world, 60)
    await until(lambda: len(seen) >= 60)
    await asyncio.sleep(0.2)
    assert sorted(sequence for _, sequence in seen) == list(range(1, 61))
    assert len({replica for replica, _ in seen}) > 1
    for replica in replicas:
        await replica.stop()


async def test_a_failing_holder_of_everything_does_not_stop_the_others(world: World) -> None:
    """One source takes messages and never ends them: they come to the other in the end."""
    await publish(world, 3)
    stuck: list[Held] = []
    first = world.new_source()
    await first.start(stuck.append, capacity=3)
    await until(lambda: len(stuck) == 3)
    done: list[int] = []
    second = world.new_source()
    second_held: list[Held] = []
    await second.start(second_held.append, capacity=3)
    await until(lambda: len(second_held) == 3)
    for message in second_held:
        done.append(message.envelope.sequence)
        assert message.envelope.delivery_count >= 2
        await message.ack()
    assert sorted(done) == [1, 2, 3]
    await first.stop()
    await second.stop()


async def test_ping_tells_whether_messages_can_arrive(world: World) -> None:
    source = world.new_source()
    with pytest.raises(PortUnavailable):
        await source.ping()
    await source.start(lambda held: None, capacity=1)
    await source.ping()
    await source.stop()
    with pytest.raises(PortUnavailable):
        await source.ping()


async def test_what_waits_is_known_without_asking(world: World) -> None:
    await publish(world, 3)
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    (lag,) = source.lag()  # as of the start
    assert lag.waiting + lag.out == 3
    assert abs(lag.seen_at - time.time()) < 60
    await until(lambda: len(held) == 3)
    assert held[0].envelope.stream == lag.stream
    for message in held:
        await message.ack()
    await source.stop()


async def test_a_source_that_runs_has_no_fault(world: World) -> None:
    source = world.new_source()
    assert source.fault() == ""
    await source.start(lambda held: None, capacity=10)
    assert source.fault() == ""
    await source.stop()
    assert source.fault() == ""
