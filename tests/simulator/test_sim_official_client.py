"""PagerDuty's own client (PyPI `pagerduty`) against the stand-in, over TLS as it insists.

Two strangers who agree: what that client sends is accepted, what it is answered it understands,
and its retries see the faults as it sees the real ones.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pagerduty
import pytest
import trustme
from sim_bodies import KEY, OTHER

from subscriber.simulator import Effect, Simulator, SimulatorConfig, Status, Tls, running

Connect = Callable[[str], pagerduty.EventsApiV2Client]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder: Path = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(chain, append=number > 0)
    certificate.private_key_pem.write_to_path(key)
    return Tls(certfile=chain, keyfile=key)


@pytest.fixture
async def simulator(tls: Tls) -> AsyncIterator[Simulator]:
    config = SimulatorConfig(known_keys=frozenset({KEY, OTHER}))
    async with running(config, tls=tls) as simulator:
        assert simulator.url.startswith("https://127.0.0.1:")
        yield simulator


@pytest.fixture
async def connect(simulator: Simulator, authority: trustme.CA) -> AsyncIterator[Connect]:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    clients: list[pagerduty.EventsApiV2Client] = []

    def make(routing_key: str = KEY) -> pagerduty.EventsApiV2Client:
        client = pagerduty.EventsApiV2Client(routing_key, base_url=simulator.url, verify=trust)
        client.sleep_timer = 0.001  # it sleeps 3 s and doubles
        clients.append(client)
        return client

    yield make
    for client in clients:
        await asyncio.to_thread(client.close)


async def call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The client blocks, so it gets a thread."""
    return await asyncio.to_thread(method, *args, **kwargs)


async def test_the_life_of_an_alert(simulator: Simulator, connect: Connect) -> None:
    client = connect(KEY)
    returned = await call(
        client.trigger,
        "web failed in dev",
        "keptn/web",
        dedup_key="web/dev",
        severity="warning",
        payload={"component": "web", "timestamp": "2026-01-02T03:04:05.678Z"},
        custom_details={"score": 12.5},
        links=[{"href": "https://bridge.example/1", "text": "run"}],
        images=[{"src": "https://charts.example/1.png"}],
    )
    assert returned == "web/dev"
    [alert] = simulator.alerts
    assert (alert.status, alert.severity, alert.component) == (Status.TRIGGERED, "warning", "web")
    assert await call(client.acknowledge, "web/dev") == "web/dev"
    assert alert.status is Status.ACKNOWLEDGED
    assert await call(client.resolve, "web/dev") == "web/dev"
    assert alert.status is Status.RESOLVED
    assert await call(client.resolve, "web/dev") == "web/dev", "dropped, and still 202"
    assert [each.effect for each in simulator.calls] == [
        Effect.OPENED,
        Effect.ACKNOWLEDGED,
        Effect.RESOLVED,
        Effect.DROPPED,
    ]


async def test_a_made_up_dedup_key_comes_back_and_works(
    simulator: Simulator, connect: Connect
) -> None:
    client = connect(KEY)
    made = await call(client.trigger, "summary", "source")
    assert simulator.alert(made) is not None
    await call(client.resolve, made)
    assert [alert.status for alert in simulator.alerts] == [Status.RESOLVED]


async def test_change_events(simulator: Simulator, connect: Connect) -> None:
    client = connect(KEY)
    await call(
        client.submit,
        "web 1.2.3 went to dev",
        source="keptn/web",
        custom_details={"image": "web:1.2.3"},
        links=[{"href": "https://bridge.example/1"}],
        timestamp="2026-01-02T03:04:05Z",
    )
    await call(client.send_change_event, payload={"summary": "second"})
    assert [(each.summary, each.source) for each in simulator.changes] == [
        ("web 1.2.3 went to dev", "keptn/web"),
        ("second", ""),
    ]


async def test_another_keys_resolve_is_dropped(simulator: Simulator, connect: Connect) -> None:
    await call(connect(KEY).trigger, "summary", "source", dedup_key="k")
    await call(connect(OTHER).resolve, "k")
    assert [each.effect for each in simulator.calls] == [Effect.OPENED, Effect.DROPPED]
    assert simulator.alerts[0].open


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"severity": "fatal"}, "'payload.severity' is invalid"),
        ({"summary": "s" * 1025}, "'summary' is too long"),
        ({"source": " "}, "'payload.source' is missing or blank"),
    ],
)
async def test_refusals_reach_the_caller(
    arguments: dict[str, str], said: str, simulator: Simulator, connect: Connect
) -> None:
    with pytest.raises(pagerduty.HttpError) as caught:
        await call(connect(KEY).trigger, **({"summary": "s", "source": "s"} | arguments))
    assert caught.value.response.status_code == 400
    assert said in caught.value.response.json()["errors"][0]
    assert len(simulator.calls) == 1, "a 400 is not tried again"


async def test_an_unknown_key_is_plain_text(connect: Connect) -> None:
    with pytest.raises(pagerduty.HttpError) as caught:
        await call(connect("f" * 32).trigger, "summary", "source")
    assert caught.value.response.text == "Invalid routing key"


@pytest.mark.parametrize(
    ("fault", "calls", "triggers"),
    [
        ("500:next=2", 3, 1),
        ("502:next=4", 5, 1),
        ("503:next=6", 7, 1),
        ("429:next=5,retry-after=1", 6, 1),
        ("reset-before:next=2", 3, 1),
        ("reset-after:next=2", 3, 3),
        ("slow:seconds=0.05", 1, 1),
    ],
)
async def test_its_retries_get_through(
    fault: str, calls: int, triggers: int, simulator: Simulator, connect: Connect
) -> None:
    simulator.switch(fault)
    assert await call(connect(KEY).trigger, "summary", "source", dedup_key="k") == "k"
    assert len(simulator.calls) == calls
    [alert] = simulator.alerts
    assert alert.triggers == triggers, "what was accepted before the reset is the same alert"


async def test_its_retry_after_a_lost_answer_is_an_update(
    simulator: Simulator, connect: Connect
) -> None:
    simulator.switch("timeout-after:next=1")
    client = connect(KEY)
    client.timeout = 0.2
    assert await call(client.trigger, "summary", "source", dedup_key="k") == "k"
    assert [each.effect for each in simulator.calls] == [Effect.OPENED, Effect.UPDATED]


async def test_its_retry_without_a_dedup_key_pages_twice(
    simulator: Simulator, connect: Connect
) -> None:
    simulator.switch("reset-after:next=1")
    await call(connect(KEY).trigger, "summary", "source")
    assert len(simulator.alerts) == 2


async def test_it_gives_up_on_html_401(simulator: Simulator, connect: Connect) -> None:
    simulator.switch("401-html")
    with pytest.raises(pagerduty.HttpError) as caught:
        await call(connect(KEY).trigger, "summary", "source")
    assert caught.value.response.headers["content-type"].startswith("text/html")
    assert len(simulator.calls) == 1


async def test_stopping_does_not_wait_for_idle_tls_clients(tls: Tls, authority: trustme.CA) -> None:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with running(tls=tls) as simulator:
        client = pagerduty.EventsApiV2Client(KEY, base_url=simulator.url, verify=trust)
        await call(client.trigger, "summary", "source")
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 1
    client.close()
