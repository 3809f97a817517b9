"""Lost requests and lost replies: what is known about a write afterwards is the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from private_server import LeakyPipe, connected, quick

from subscriber.model import Alert, AlertKey, Envelope, Problem, Reason
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.deadletters import DeadLetterOptions, NatsDeadLetters
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.provision import stream_info
from subscriber.ports.nats.publish import NatsPublisher

pytestmark = pytest.mark.live

KEY = AlertKey(service="s", dedup_key="k")
TIMEOUT = 0.6


@pytest.fixture
async def pipe(nats_server: EmbeddedNats) -> AsyncIterator[LeakyPipe]:
    async with LeakyPipe(nats_server.url) as leaky:
        yield leaky


@pytest.fixture
async def shaky(pipe: LeakyPipe) -> AsyncIterator[NatsConnection]:
    """A connection through the pipe that does not notice the leaks by itself."""
    options = quick(pipe.url, request_timeout=TIMEOUT, ping_interval=60.0)
    async with NatsConnection(options) as connection:
        yield connection


@pytest.fixture
async def ledgers(
    shaky: NatsConnection, connection: NatsConnection, token: str
) -> tuple[NatsLedger, NatsLedger]:
    """One through the pipe, one without."""
    made = tuple(NatsLedger(link, LedgerOptions(bucket=token)) for link in (shaky, connection))
    for ledger in made:
        await ledger.start()
    return made[0], made[1]


async def leak(pipe: LeakyPipe, direction: str, seconds: float) -> None:
    setattr(pipe, direction, False)
    await asyncio.sleep(seconds)
    setattr(pipe, direction, True)


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
async def test_a_lost_reply_and_a_lost_request_both_end_as_one_write(
    pipe: LeakyPipe, ledgers: tuple[NatsLedger, NatsLedger], direction: str
) -> None:
    shaky, sure = ledgers
    first = await shaky.save(Alert(key=KEY, rule="first"), 0)
    assert first is not None
    leaking = asyncio.ensure_future(leak(pipe, direction, TIMEOUT / 2))
    await asyncio.sleep(0.01)
    revision = await shaky.save(Alert(key=KEY, rule="second"), first)
    await leaking
    assert revision == first + 1
    assert await sure.load(KEY) == (Alert(key=KEY, rule="second"), revision)


async def test_an_equal_write_of_somebody_else_is_not_taken_for_ours(
    pipe: LeakyPipe, ledgers: tuple[NatsLedger, NatsLedger]
) -> None:
    shaky, sure = ledgers
    alert = Alert(key=KEY, rule="the same")
    pipe.to_server = False
    saving = asyncio.ensure_future(shaky.save(alert, 0))
    await asyncio.sleep(TIMEOUT / 3)
    assert await sure.save(alert, 0) is not None
    pipe.to_server = True
    assert await saving is None


async def test_what_cannot_be_known_is_said(
    pipe: LeakyPipe, ledgers: tuple[NatsLedger, NatsLedger]
) -> None:
    shaky, sure = ledgers
    pipe.to_client = False
    with pytest.raises(PortUnavailable):
        await shaky.save(Alert(key=KEY), 0)
    pipe.to_client = True
    assert (await sure.load(KEY))[1] > 0  # it had taken place after all


async def test_a_broken_connection_is_not_waited_out(
    pipe: LeakyPipe, shaky: NatsConnection, token: str
) -> None:
    ledger = NatsLedger(shaky, LedgerOptions(bucket=token))
    await ledger.start()
    pipe.to_client = False
    saving = asyncio.ensure_future(ledger.save(Alert(key=KEY), 0))
    await asyncio.sleep(0.05)
    pipe.cut()
    with pytest.raises(PortUnavailable):
        await asyncio.wait_for(saving, 5)


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
async def test_an_event_is_stored_once_whatever_got_lost(
    pipe: LeakyPipe,
    shaky: NatsConnection,
    connection: NatsConnection,
    token: str,
    direction: str,
) -> None:
    config = {"name": token, "subjects": [f"{token}.>"], "storage": "memory", "num_replicas": 1}
    await connection.api(f"STREAM.CREATE.{token}", config)
    publisher = NatsPublisher(shaky)
    await publisher.publish(f"{token}.x", b"1")
    leaking = asyncio.ensure_future(leak(pipe, direction, TIMEOUT / 2))
    await asyncio.sleep(0.01)
    await publisher.publish(f"{token}.x", b"2")
    await leaking
    info = await stream_info(connection, token)
    assert info is not None
    assert info["state"]["messages"] == 2


async def test_a_letter_is_stored_once_when_its_confirmation_gets_lost(
    pipe: LeakyPipe, shaky: NatsConnection, token: str
) -> None:
    letters = NatsDeadLetters(shaky, DeadLetterOptions(stream=token, prefix=f"dead-{token}"))
    await letters.start()
    leaking = asyncio.ensure_future(leak(pipe, "to_client", TIMEOUT / 2))
    await asyncio.sleep(0.01)
    envelope = Envelope(subject="a", data=b"x", stream="S", sequence=1)
    number = await letters.write(envelope, {"Dead-Letter-Reason": "expired"})
    await leaking
    assert [found async for found, _, _ in letters.scan()] == [number]


# -- dead letters at the limits ---------------------------------------------------------------


async def test_a_message_as_large_as_the_server_allows_becomes_a_letter(
    connection: NatsConnection, token: str
) -> None:
    letters = NatsDeadLetters(connection, DeadLetterOptions(stream=token, prefix=f"d-{token}"))
    await letters.start()
    limit = connection.client.max_payload
    ours = {"Dead-Letter-Reason": "too-large"}
    whole = Envelope(
        subject="a", data=b"x" * (limit - 5000), headers={"Big": "y" * 4900}, stream="S", sequence=1
    )
    number = await letters.write(whole, ours)
    letter = await letters.read(number)
    assert letter is not None
    assert letter[0].data == whole.data
    assert letter[0].headers == {}
    assert letter[1] == {**ours, "Dead-Letter-Trimmed-Headers": "1"}

    full = Envelope(subject="a", data=bytes(range(256)) * (limit // 256), stream="S", sequence=2)
    number = await letters.write(full, ours)
    assert await letters.write(full, ours) == number
    letter = await letters.read(number)
    assert letter is not None
    assert letter[0].data == full.data[: 64 * 1024]
    assert (letter[0].stream, letter[0].sequence) == ("S", 2)
    assert letter[1] == {**ours, "Dead-Letter-Cut-Data": str(limit)}
    await connection.ping()


async def test_letters_lie_under_their_reason(connection: NatsConnection, token: str) -> None:
    letters = NatsDeadLetters(connection, DeadLetterOptions(stream=token, prefix=f"d-{token}"))
    await letters.start()
    envelope = Envelope(subject="a", data=b"x", stream="S", sequence=1)
    for reason in ("not-json", "expired", "", "odd.*> one"):
        await letters.write(envelope, {"Dead-Letter-Reason": reason})
    state = (await connection.api(f"STREAM.INFO.{token}", {"subjects_filter": ">"}))["state"]
    assert set(state["subjects"]) == {
        f"d-{token}.{name}" for name in ("not-json", "expired", "unknown", "odd-one")
    }


async def test_a_foreign_message_in_the_stream_does_not_stop_a_scan(
    connection: NatsConnection, token: str
) -> None:
    letters = NatsDeadLetters(connection, DeadLetterOptions(stream=token, prefix=f"d-{token}"))
    await letters.start()
    publisher = NatsPublisher(connection)
    await publisher.publish(f"d-{token}.x", b"foreign", {"A": "b"})
    await publisher.publish(f"d-{token}.x", b"fake", {"Dead-Letter-Envelope": "%%%{"})
    await letters.write(Envelope(subject="a", data=b"ours"), {"Dead-Letter-Reason": "expired"})
    found = [(envelope.data, dict(headers)) async for _, envelope, headers in letters.scan()]
    assert found == [
        (b"foreign", {}),
        (b"fake", {}),
        (b"ours", {"Dead-Letter-Reason": "expired"}),
    ]


@pytest.mark.parametrize("listening", [">", "pagerduty-subscriber.>", "*.dead-letters.*"])
async def test_letters_never_come_back_as_events(nats_server: EmbeddedNats, listening: str) -> None:
    async with connected(nats_server) as link:
        with pytest.raises(Problem) as caught:
            NatsDeadLetters(link, listening=["fine.>", listening])
        assert caught.value.reason is Reason.STREAM_CONFLICT
        assert caught.value.where == listening


# -- a ledger that others wrote to --------------------------------------------------------------


@pytest.mark.parametrize("value", [b"garbage", b"{}", b'{"alert":{"key":{"service":"x"}}}', b""])
async def test_an_entry_that_is_not_ours_counts_as_doubtful(
    connection: NatsConnection, token: str, value: bytes
) -> None:
    ledger = NatsLedger(connection, LedgerOptions(bucket=token))
    await ledger.start()
    await NatsPublisher(connection).publish(ledger._subject(KEY), value)
    alert, revision = await ledger.load(KEY)
    assert revision == 1
    assert alert.key == KEY
    assert alert.doubt is not None
    assert [entry async for entry in ledger.scan()] == []
    assert await ledger.save(Alert(key=KEY), revision) == 2


async def test_a_key_deleted_with_a_kv_client_counts_as_never_seen(
    connection: NatsConnection, token: str
) -> None:
    ledger = NatsLedger(connection, LedgerOptions(bucket=token))
    await ledger.start()
    assert await ledger.save(Alert(key=KEY, rule="r"), 0)
    await NatsPublisher(connection).publish(ledger._subject(KEY), b"", {"KV-Operation": "DEL"})
    alert, revision = await ledger.load(KEY)
    assert alert == Alert(key=KEY)
    assert await ledger.save(Alert(key=KEY, rule="new"), revision)
    assert (await ledger.load(KEY))[0].rule == "new"


async def test_a_bucket_that_cannot_be_read_directly_is_refused(
    connection: NatsConnection, token: str
) -> None:
    config = {"name": f"KV_{token}", "subjects": [f"$KV.{token}.>"], "num_replicas": 1}
    await connection.api(f"STREAM.CREATE.KV_{token}", {**config, "storage": "memory"})
    with pytest.raises(Problem) as caught:
        await NatsLedger(connection, LedgerOptions(bucket=token)).start()
    assert caught.value.reason is Reason.STREAM_CONFLICT


async def test_what_a_stream_refuses_is_a_problem(connection: NatsConnection, token: str) -> None:
    config = {"name": token, "subjects": [f"{token}.>"], "storage": "memory", "max_msg_size": 500}
    await connection.api(f"STREAM.CREATE.{token}", {**config, "num_replicas": 1})
    publisher = NatsPublisher(connection)
    with pytest.raises(Problem) as caught:
        await publisher.publish(f"{token}.x", b"x" * 501)
    assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(Problem) as caught:
        await publisher.publish(f"{token}.x", b"x", {"Nats-Expected-Stream": "another"})
    assert caught.value.reason is Reason.STREAM_CONFLICT
