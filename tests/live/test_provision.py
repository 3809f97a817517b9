"""Finding and making streams and consumers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from contract_worlds import until
from private_server import QUICK, Acker, connected

from subscriber.model import Problem, Reason
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.consumer import ensure_consumer, start_at
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.options import ConsumerOptions, FirstStart, StreamOptions
from subscriber.ports.nats.provision import Binding, bind_streams, nanoseconds, stream_info
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.ports.nats.source import JetStreamSource

pytestmark = pytest.mark.live


async def create(connection: NatsConnection, name: str, *subjects: str) -> None:
    config = {"name": name, "subjects": subjects, "storage": "memory", "num_replicas": 1}
    await connection.api(f"STREAM.CREATE.{name}", config)


async def consumer(connection: NatsConnection, stream: str, **config: object) -> None:
    body = {"durable_name": "us", "name": "us", "ack_policy": "explicit", **config}
    await connection.api(
        f"CONSUMER.CREATE.{stream}.us",
        {"stream_name": stream, "config": body, "action": "create"},
    )


async def consumer_config(connection: NatsConnection, stream: str) -> dict[str, Any]:
    config: dict[str, Any] = (await connection.api(f"CONSUMER.INFO.{stream}.us"))["config"]
    return config


def options(token: str, **changes: object) -> StreamOptions:
    values: dict[str, object] = {"subjects": (f"{token}.>",), "create_as": f"OURS_{token}"}
    return StreamOptions(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("2026-11-21T11:18:29.11809584Z", 1_795_259_909_118_095_840),
        ("2026-11-21T11:18:29.123378466Z", 1_795_259_909_123_378_466),
        ("2026-11-21T11:18:29.5Z", 1_795_259_909_500_000_000),
    ],
)
def test_times_keep_their_nanoseconds(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


# -- streams ----------------------------------------------------------------------------------


async def test_the_stream_that_holds_the_subjects_is_bound_unchanged(
    connection: NatsConnection, token: str
) -> None:
    await create(connection, f"keptn_{token}", f"{token}.keptn.>", f"{token}.other")
    before = await stream_info(connection, f"keptn_{token}")
    for wanted in (f"{token}.keptn.>", f"{token}.keptn.event.*.finished", f"{token}.>"):
        (binding,) = await bind_streams(connection, options(token, subjects=(wanted,)))
        assert binding.stream == f"keptn_{token}"
        assert binding.filters == (wanted,)
        assert not binding.ours
    after = await stream_info(connection, f"keptn_{token}")
    assert before is not None
    assert after is not None
    assert before["config"] == after["config"]
    assert await stream_info(connection, f"OURS_{token}") is None


async def test_a_stream_is_created_for_subjects_that_nobody_holds(
    connection: NatsConnection, token: str
) -> None:
    wanted = options(
        token, subjects=(f"{token}.a.>", f"{token}.a.b", f"{token}.c"), max_age=3600, replicas=1
    )
    (first,) = await bind_streams(connection, wanted)
    (second,) = await bind_streams(connection, wanted)
    assert first.fresh
    assert not second.fresh
    assert first.ours
    assert second.ours
    assert first.epoch == second.epoch
    info = await stream_info(connection, f"OURS_{token}")
    assert info is not None
    config = info["config"]
    assert config["subjects"] == [f"{token}.a.>", f"{token}.c"]
    assert config["max_age"] == 3600 * 10**9
    assert config["storage"] == "file"
    assert config["retention"] == "limits"
    assert config["allow_direct"]


async def test_our_stream_grows_with_the_subjects(connection: NatsConnection, token: str) -> None:
    await bind_streams(connection, options(token, subjects=(f"{token}.a",)))
    wanted = options(token, subjects=(f"{token}.a", f"{token}.b"))
    (binding,) = await bind_streams(connection, wanted)
    assert binding.filters == (f"{token}.a", f"{token}.b")
    info = await stream_info(connection, f"OURS_{token}")
    assert info is not None
    assert info["config"]["subjects"] == [f"{token}.a", f"{token}.b"]


async def test_several_streams_may_hold_the_subjects(
    connection: NatsConnection, token: str
) -> None:
    await create(connection, f"A_{token}", f"{token}.a.>")
    await create(connection, f"B_{token}", f"{token}.b.>")
    wanted = options(token, subjects=(f"{token}.a.x", f"{token}.b.>", f"{token}.c"))
    source = JetStreamSource(connection, wanted, QUICK)
    acker = Acker()
    await source.start(acker, capacity=3)
    filters = {binding.stream: binding.filters for binding in source.bindings}
    assert filters == {
        f"A_{token}": (f"{token}.a.x",),
        f"B_{token}": (f"{token}.b.>",),
        f"OURS_{token}": (f"{token}.c",),
    }
    publisher = NatsPublisher(connection)
    for subject in ("a.x", "a.y", "b.q", "c"):
        await publisher.publish(f"{token}.{subject}", subject.encode())
    await until(lambda: len(acker.held) == 3)
    assert set(acker.data) == {b"a.x", b"b.q", b"c"}
    assert len({held.envelope.stream_epoch for held in acker.held}) == 3
    await source.ping()
    await source.stop()


async def test_a_bucket_is_never_a_source_of_events(
    nats_server: EmbeddedNats, tmp_path: Any
) -> None:
    async with EmbeddedNats(tmp_path) as server, connected(server) as connection:
        await NatsLedger(connection, LedgerOptions()).start()
        await create(connection, "DEAD", "dead.>")
        await create(connection, "A", "a.>")
        wanted = StreamOptions(subjects=(">",))
        bindings = await bind_streams(connection, wanted, without=["DEAD"])
        assert [binding.stream for binding in bindings] == ["A"]


async def test_a_named_stream(connection: NatsConnection, token: str) -> None:
    await create(connection, f"A_{token}", f"{token}.a.>")
    named = options(token, subjects=(f"{token}.a.x",), stream=f"A_{token}")
    (binding,) = await bind_streams(connection, named)
    assert binding.stream == f"A_{token}"
    with pytest.raises(Problem) as caught:
        await bind_streams(connection, options(token, subjects=("zz.x",), stream=f"A_{token}"))
    assert caught.value.reason is Reason.STREAM_CONFLICT
    assert "zz.x" in str(caught.value)
    made = options(token, subjects=(f"{token}.new",), stream=f"NEW_{token}")
    (binding,) = await bind_streams(connection, made)
    assert binding.stream == f"NEW_{token}"
    assert binding.fresh


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subjects": ()}, Reason.INVALID_VALUE),
        ({"subjects": ("a..b",)}, Reason.INVALID_VALUE),
        ({"subjects": ("a b",)}, Reason.INVALID_VALUE),
        ({"subjects": ("nobody.holds.this",), "create_as": ""}, Reason.STREAM_CONFLICT),
        ({"subjects": ("three.replicas",), "replicas": 3}, Reason.STREAM_CONFLICT),
        ({"subjects": ("bad.name",), "stream": "a.b"}, Reason.INVALID_VALUE),
        ({"subjects": ("bad.name",), "create_as": "not a name"}, Reason.INVALID_VALUE),
    ],
)
async def test_what_cannot_be_bound_is_a_problem(
    connection: NatsConnection, token: str, changes: dict[str, object], reason: Reason
) -> None:
    with pytest.raises(Problem) as caught:
        await bind_streams(connection, options(token, **changes))
    assert caught.value.reason is reason


async def test_a_foreign_stream_of_our_name_is_not_touched(
    connection: NatsConnection, token: str
) -> None:
    await create(connection, f"OURS_{token}", "elsewhere." + token)
    with pytest.raises(Problem) as caught:
        await bind_streams(connection, options(token))
    assert caught.value.reason is Reason.STREAM_CONFLICT


async def test_replicas_that_start_together_agree(nats_server: EmbeddedNats, token: str) -> None:
    async def start() -> tuple[Binding, ...]:
        async with connected(nats_server) as connection:
            source = JetStreamSource(connection, options(token), QUICK)
            await source.start(lambda held: None, capacity=1)
            bindings = source.bindings
            await source.stop()
            return bindings

    found = await asyncio.gather(*(start() for _ in range(6)))
    assert len({(binding.stream, binding.epoch) for (binding,) in found}) == 1


# -- consumers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_start", "expected"), [(FirstStart.NEW, [b"3"]), (FirstStart.ALL, [b"1", b"2", b"3"])]
)
async def test_where_a_first_start_begins(
    connection: NatsConnection, token: str, first_start: FirstStart, expected: list[bytes]
) -> None:
    await create(connection, f"A_{token}", f"{token}.>")
    publisher = NatsPublisher(connection)
    await publisher.publish(f"{token}.x", b"1")
    await publisher.publish(f"{token}.x", b"2")
    source = JetStreamSource(
        connection, options(token), ConsumerOptions(durable="us", first_start=first_start)
    )
    acker = Acker()
    await source.start(acker, capacity=10)
    await publisher.publish(f"{token}.x", b"3")
    await until(lambda: len(acker.held) == len(expected))
    assert acker.data == expected
    await source.stop()


async def test_a_new_consumer_that_is_deleted_does_not_replay_history(
    connection: NatsConnection, token: str
) -> None:
    await create(connection, f"A_{token}", f"{token}.>")
    publisher = NatsPublisher(connection)
    await publisher.publish(f"{token}.x", b"old")
    quick = ConsumerOptions(durable="us", heartbeat=0.5, pull_expires=2.0)
    source = JetStreamSource(connection, options(token), quick)
    acker = Acker()
    await source.start(acker, capacity=10)
    await connection.api(f"CONSUMER.DELETE.A_{token}.us")
    await publisher.publish(f"{token}.x", b"new")
    await until(lambda: acker.held)
    assert acker.data == [b"new"]
    await source.stop()


async def test_an_existing_consumer_is_brought_to_our_options(
    connection: NatsConnection, token: str
) -> None:
    await create(connection, f"A_{token}", f"{token}.>")
    await consumer(
        connection,
        f"A_{token}",
        deliver_policy="all",
        ack_wait=10**9,
        max_ack_pending=7,
        max_deliver=5,
        backoff=[10**9, 2 * 10**9],
        filter_subject=f"{token}.old",
        metadata={"team": "theirs"},
    )
    wanted = ConsumerOptions(durable="us", ack_wait=33.0, max_ack_pending=99)
    subjects = (f"{token}.a", f"{token}.b")
    (binding,) = await bind_streams(connection, options(token, subjects=subjects))
    state = await ensure_consumer(connection, binding, wanted, start_at(FirstStart.NEW))
    config = await consumer_config(connection, f"A_{token}")
    assert config["ack_wait"] == 33 * 10**9
    assert config["max_ack_pending"] == 99
    assert config["max_deliver"] == -1
    assert config["filter_subjects"] == list(subjects)
    assert config["deliver_policy"] == "all"
    assert config["metadata"]["team"] == "theirs"
    assert "backoff" not in config
    assert "filter_subject" not in config
    # ... and back to one subject, without making it again
    (binding,) = await bind_streams(connection, options(token, subjects=(f"{token}.a",)))
    again = await ensure_consumer(connection, binding, wanted, start_at(FirstStart.NEW))
    assert again.created == state.created
    config = await consumer_config(connection, f"A_{token}")
    assert config["filter_subject"] == f"{token}.a"
    assert "filter_subjects" not in config


@pytest.mark.parametrize(
    "config", [{"deliver_subject": "push.here"}, {"ack_policy": "none"}, {"ack_policy": "all"}]
)
async def test_a_consumer_that_is_not_for_us_is_a_problem(
    connection: NatsConnection, token: str, config: dict[str, object]
) -> None:
    await create(connection, f"A_{token}", f"{token}.>")
    await consumer(connection, f"A_{token}", **config)
    source = JetStreamSource(connection, options(token), ConsumerOptions(durable="us"))
    with pytest.raises(Problem) as caught:
        await source.start(lambda held: None, capacity=1)
    assert caught.value.reason is Reason.STREAM_CONFLICT
    assert f"A_{token}.us" in caught.value.where
