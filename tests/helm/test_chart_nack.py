"""NACK would make for the chart what the service would make: they do not fight over it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from chart_world import Refused, Rendered, laid, minimal, refusal, render
from nats.js.api import KeyValueConfig, StorageType

from subscriber.config import Config
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.consumer import consumer_info, ensure_consumer, start_at
from subscriber.ports.nats.deadletters import NatsDeadLetters
from subscriber.ports.nats.ledger import NatsLedger
from subscriber.ports.nats.options import NatsOptions
from subscriber.ports.nats.provision import bind_streams, stream_info
from subscriber.service import options

SECOND = 1_000_000_000
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
MINE = {"account", "servers", "creds", "preventDelete", "preventUpdate", "streamName"}
"""Words to NACK, not to JetStream."""
SPELLED = {"replicas": "num_replicas"}
DURATIONS = {"maxAge", "duplicateWindow", "ackWait"}


def nanoseconds(text: str) -> int:
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", text)
    return round(sum(float(number) * UNITS[unit] for number, unit in parts) * SECOND)


def asked(spec: dict[str, Any]) -> dict[str, Any]:
    """What NACK 0.23 asks of JetStream for a Stream or a Consumer."""
    found = {}
    for key, value in spec.items():
        if key not in MINE:
            name = SPELLED.get(key) or re.sub(r"[A-Z]", lambda one: f"_{one[0].lower()}", key)
            found[name] = nanoseconds(value) if key in DURATIONS else value
    return found


def values(token: str, **nats: Any) -> dict[str, Any]:
    """Everything by names that no other test uses."""
    own = {
        "config": {
            "nats": {"subjects": [f"{token}.>"], "stream": f"S{token}", "durable": f"d-{token}"},
            "delivery": {
                "dead_letter_stream": f"D{token}",
                "ledger_bucket": f"b{token}",
            },
        },
        "nack": {"enabled": True, "stream": {"create": True}},
    }
    return laid(minimal(**own), {"config": {"nats": nats}})


def clean(config: dict[str, Any]) -> dict[str, Any]:
    """Without the mark of who made it, and what nats-py adds to a bucket (NACK's client not)."""
    return {k: value for k, value in config.items() if k not in ("metadata", "allow_msg_ttl")}


async def made_by_the_service(connection: NatsConnection, config: Config) -> dict[str, Any]:
    """Streams and consumer as the service makes them; they are removed again."""
    bindings = await bind_streams(connection, options.stream_options(config))
    (binding,) = bindings
    consumer = options.consumer_options(config)
    await ensure_consumer(connection, binding, consumer, start_at(consumer.first_start))
    await NatsLedger(connection, options.ledger_options(config)).start()
    letters = NatsDeadLetters(
        connection, options.dead_letter_options(config), listening=config.nats.subjects
    )
    await letters.start()
    found = await present(connection, config)
    for name in streams(config):
        await connection.api(f"STREAM.DELETE.{name}")
    return found


def streams(config: Config) -> tuple[str, str, str]:
    delivery = config.delivery
    return config.nats.stream, delivery.dead_letter_stream, f"KV_{delivery.ledger_bucket}"


async def present(connection: NatsConnection, config: Config) -> dict[str, Any]:
    found = {}
    for name in streams(config):
        info = await stream_info(connection, name)
        assert info is not None, name
        found[name] = info["config"]
    consumer = await consumer_info(connection, config.nats.stream, config.nats.durable)
    assert consumer is not None
    return {**found, "consumer": consumer["config"]}


async def made_by_nack(connection: NatsConnection, rendered: Rendered) -> None:
    for one in rendered.all("Stream"):
        body = asked(one["spec"])
        await connection.api(f"STREAM.CREATE.{body['name']}", body)
    body = asked(rendered.one("Consumer")["spec"])
    stream = rendered.one("Consumer")["spec"]["streamName"]
    body["name"] = body["durable_name"]
    await connection.api(
        f"CONSUMER.CREATE.{stream}.{body['name']}", {"stream_name": stream, "config": body}
    )
    spec = rendered.one("KeyValue")["spec"]
    await connection.client.jetstream().create_key_value(
        KeyValueConfig(
            bucket=spec["bucket"],
            description=spec["description"],
            history=spec["history"],
            storage=StorageType(spec["storage"]),
            replicas=spec["replicas"],
            direct=True,
        )
    )


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    """A connection to a server of one's own: every dead letter stream has the same subjects."""
    server = EmbeddedNats(tmp_path)
    await server.start()
    async with NatsConnection(NatsOptions(servers=(server.url,))) as connected:
        yield connected
    await server.stop()


@pytest.mark.live
@pytest.mark.parametrize(
    "nats",
    [
        {},
        {"deliver": "all", "ack_wait": 61.5},
        {"subjects": ["TOKEN.a.>", "TOKEN.b.*"]},
    ],
)
async def test_nack_makes_what_the_service_would_make(
    nats: dict[str, Any], connection: NatsConnection, token: str
) -> None:
    nats = {
        key: [one.replace("TOKEN", token) for one in value] if key == "subjects" else value
        for key, value in nats.items()
    }
    rendered = render(values(token, **nats))
    config = Config.model_validate(rendered.config, strict=False)
    wanted = await made_by_the_service(connection, config)
    await made_by_nack(connection, rendered)
    found = await present(connection, config)
    for name, one in found.items():
        assert clean(one) == clean(wanted[name]), name
    # and the service finds nothing to change
    (binding,) = await bind_streams(connection, options.stream_options(config))
    consumer = options.consumer_options(config)
    await ensure_consumer(connection, binding, consumer, start_at(consumer.first_start))
    assert await present(connection, config) == found
    assert not binding.ours


def test_the_consumer_acks_each_message_and_waits_for_any_number() -> None:
    spec = render(values("x")).one("Consumer")["spec"]
    assert spec["ackPolicy"] == "explicit"
    assert (spec["maxAckPending"], spec["maxDeliver"]) == (-1, -1)
    assert spec["filterSubject"] == "x.>"
    assert "backoff" not in spec


def test_several_subjects_are_a_list() -> None:
    spec = render(values("x", subjects=["a", "b"])).one("Consumer")["spec"]
    assert spec["filterSubjects"] == ["a", "b"]
    assert "filterSubject" not in spec


def test_uninstalling_keeps_what_is_on_nats() -> None:
    rendered = render(values("x"))
    made = [one for kind in ("Stream", "Consumer", "KeyValue") for one in rendered.all(kind)]
    assert len(made) == 4
    assert all(one["spec"]["preventDelete"] is True for one in made)


def test_each_can_be_left_to_somebody_else() -> None:
    nothing = {
        "stream": {"create": False},
        "consumer": {"create": False},
        "deadLetters": {"create": False},
        "ledger": {"create": False},
    }
    rendered = render(laid(values("x"), {"nack": nothing}))
    kinds = {one["kind"] for one in rendered.objects}
    assert not kinds & {"Stream", "Consumer", "KeyValue"}


def test_by_default_the_service_makes_them() -> None:
    kinds = {one["kind"] for one in render(minimal()).objects}
    assert not kinds & {"Stream", "Consumer", "KeyValue"}


def test_a_consumer_needs_a_stream() -> None:
    with pytest.raises(Refused):
        render(minimal(nack={"enabled": True}))
    assert "config.nats.stream" in refusal(minimal(nack={"enabled": True}))
