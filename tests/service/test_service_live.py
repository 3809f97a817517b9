"""The service on a real nats-server and a real HTTP stand-in: nothing is lost when NATS dies."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from service_world import KEY, RULES

from subscriber.config import load_config
from subscriber.pagerduty import Accounts, account
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.http import SenderOptions
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import NatsOptions
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.service.app import Service, Setup
from subscriber.service.meters import Meters
from subscriber.service.report import Report
from subscriber.service.rulebook import load_rules, service_names
from subscriber.simulator import Simulator, SimulatorConfig, running

pytestmark = pytest.mark.live


class Reports(list[Report]):
    def note(self, report: Report) -> None:
        self.append(report)

    def ends(self) -> Counter[str]:
        return Counter(r.outcome.kind.value for r in self if r.outcome.kind.value != "deferred")


def setup_for(server: EmbeddedNats, simulator: Simulator, text: str = RULES) -> Setup:
    config, document = load_config(text)
    return Setup(
        config=config,
        rules=load_rules(config, document),
        accounts=Accounts(
            account(name, KEY, events_url=simulator.url) for name in service_names(config)
        ),
        nats=NatsOptions(servers=(server.url,), startup_timeout=10, reconnect_wait=0.05),
        sender=SenderOptions(),
    )


@asynccontextmanager
async def service_on(
    server: EmbeddedNats, simulator: Simulator, text: str = RULES
) -> AsyncIterator[tuple[Service, Reports]]:
    reports = Reports()
    setup = setup_for(server, simulator, text)
    async with Service(setup, meters=Meters(), observers=(reports,)) as service:
        yield service, reports


def evaluation(number: int, **data: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "test",
        "type": "sh.keptn.event.evaluation.finished",
        "data": {"note": number, **data},
    }
    return json.dumps(event).encode()


async def publish(server: EmbeddedNats, *bodies: bytes) -> None:
    """Publish with confirmation, trying again for as long as the server is away."""
    options = NatsOptions(servers=(server.url,), startup_timeout=20, reconnect_wait=0.05)
    async with NatsConnection(options) as connection:
        publisher = NatsPublisher(connection)
        for body in bodies:
            identity = json.loads(body)["id"]
            while True:
                try:
                    await publisher.publish(
                        "sh.keptn.event.evaluation.finished", body, {"Nats-Msg-Id": identity}
                    )
                    break
                except PortUnavailable:
                    await asyncio.sleep(0.05)


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  nothing tells us
            await asyncio.sleep(0.01)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running(SimulatorConfig(rate_limit=None)) as stand_in:
        yield stand_in


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    async with EmbeddedNats(tmp_path) as server:
        yield server


async def test_from_nats_to_pagerduty_and_back(
    own_server: EmbeddedNats, simulator: Simulator
) -> None:
    async with service_on(own_server, simulator) as (service, reports):
        await publish(own_server, evaluation(1, service="a", result="fail"))
        await until(lambda: simulator.alert("a"))
        assert not any((await service.checks()).values())
        await publish(own_server, evaluation(2, service="a", result="pass"))
        await until(lambda: len(reports) == 2)
    alert = simulator.alert("a")
    assert alert is not None
    assert str(alert.status) == "resolved"
    assert reports.ends() == {"delivered": 2}


@pytest.mark.parametrize("kill", [False, True], ids=["stopped in order", "killed"])
async def test_a_nats_server_that_goes_and_comes_back_loses_nothing(
    own_server: EmbeddedNats, simulator: Simulator, kill: bool
) -> None:
    keys, events = 20, 400
    bodies = [
        evaluation(n, service=f"s{n % keys}", result="pass" if (n // keys) % 2 else "fail")
        for n in range(events)
    ]
    # the newest event of every key asks for a resolve, but for key 0
    bodies.append(evaluation(events, service="s0", result="fail"))

    async def disturb() -> None:
        for _ in range(3):
            await asyncio.sleep(0.3)
            if kill:
                own_server.kill()
            else:
                await own_server.stop()
            await asyncio.sleep(0.3)
            await own_server.start()

    # whatever was under way with the server comes back after ack_wait: a short one
    text = RULES + "pagerduty: {timeout: 1, rate_limit: 0}\nnats: {ack_wait: 11.5}\n"
    async with service_on(own_server, simulator, text) as (_, reports):
        await asyncio.gather(publish(own_server, *bodies), disturb())
        wanted = {f"s{n}": "resolved" for n in range(keys)} | {"s0": "triggered"}

        def held() -> dict[str, str]:
            alerts = {key: simulator.alert(key) for key in wanted}
            return {key: str(alert.status) for key, alert in alerts.items() if alert}

        await until(lambda: held() == wanted, 40)
        # an event is seen again only when an ack was lost with the server, never less than once
        await until(lambda: len({r.event.id for r in reports if r.event}) == events + 1, 40)
    assert held() == wanted
    assert not reports.ends()["dead-lettered"]


async def test_what_comes_while_nobody_runs_is_waiting(
    own_server: EmbeddedNats, simulator: Simulator
) -> None:
    async with service_on(own_server, simulator):
        pass
    await publish(own_server, *(evaluation(n, service=f"s{n}", result="fail") for n in range(30)))
    async with service_on(own_server, simulator) as (_, reports):
        await until(lambda: len(reports) == 30)
    assert reports.ends() == {"delivered": 30}
    assert len(simulator.alerts) == 30


async def test_two_replicas_share_the_work_and_say_nothing_twice(
    own_server: EmbeddedNats, simulator: Simulator
) -> None:
    text = RULES + "pagerduty: {rate_limit: 0}\n"
    async with (
        service_on(own_server, simulator, text) as (_, first),
        service_on(own_server, simulator, text) as (_, second),
    ):
        bodies = (evaluation(n, service=f"s{n}", result="fail") for n in range(200))
        await publish(own_server, *bodies)
        await until(lambda: len(first) + len(second) >= 200)
    assert (first.ends() + second.ends()) == {"delivered": 200}
    assert len(simulator.calls) == 200


async def test_core_nats_works_with_its_weaker_promise(
    own_server: EmbeddedNats, simulator: Simulator
) -> None:
    text = RULES + "nats: {mode: core}\n"
    async with service_on(own_server, simulator, text) as (_, reports):
        await publish(own_server, evaluation(1, service="a", result="fail"), b'{"id": "broken"}')
        await until(lambda: len(reports) == 2)
    assert reports.ends() == {"delivered": 1, "dead-lettered": 1}
    assert simulator.alert("a") is not None


async def test_a_backlog_costs_one_call_a_key(
    own_server: EmbeddedNats, simulator: Simulator
) -> None:
    events, keys = 2000, 20
    async with service_on(own_server, simulator):
        pass  # the consumer exists from now on
    bodies = [
        evaluation(n, service=f"s{n % keys}", result="pass" if (n // keys) % 2 else "fail")
        for n in range(events)
    ]
    await publish(own_server, *bodies)
    async with service_on(own_server, simulator) as (_, reports):
        await until(lambda: sum(reports.ends().values()) == events, 40)
    # the newest of every key is a pass: nobody is woken for what is over
    assert not [alert for alert in simulator.alerts if str(alert.status) == "triggered"]
    # a key costs one call; a second one where the server paused in between
    assert len(simulator.calls) <= 3 * keys


async def flood(server: EmbeddedNats, bodies: list[bytes]) -> None:
    """Publish without waiting for each confirmation."""
    async with NatsConnection(NatsOptions(servers=(server.url,))) as connection:
        stream = connection.client.jetstream()
        for start in range(0, len(bodies), 500):
            for body in bodies[start : start + 500]:
                await stream.publish_async("sh.keptn.event.evaluation.finished", body)
            await stream.publish_async_completed()


async def test_a_backlog_of_thousands_ends_where_its_newest_events_say(
    own_server: EmbeddedNats, simulator: Simulator
) -> None:
    """Under the rate limit of one routing key: what is said too much makes the rest wait."""
    events, keys = 3000, 50
    async with service_on(own_server, simulator):
        pass  # the consumer exists from now on
    results = [("fail", "pass")[(n // keys + n) % 2] for n in range(events)]
    await flood(
        own_server,
        [evaluation(n, service=f"s{n % keys}", result=result) for n, result in enumerate(results)],
    )
    async with service_on(own_server, simulator) as (service, reports):
        await until(lambda: sum(reports.ends().values()) == events, 40)
        assert service._ports is not None
        async with asyncio.timeout(10):
            while await service._ports.source.backlog():  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.05)
    wanted = {f"s{n % keys}": results[n] for n in range(events - keys, events)}
    states = {key: simulator.alert(key) for key in wanted}
    assert {key for key, alert in states.items() if alert and str(alert.status) == "triggered"} == {
        key for key, result in wanted.items() if result == "fail"
    }
    assert len(simulator.calls) <= 2 * keys
    assert not any(report.envelope.delivery_count > 1 for report in reports)
    superseded = [r for r in reports if r.outcome.kind.value == "superseded"]
    assert len(superseded) >= events - 2 * keys
