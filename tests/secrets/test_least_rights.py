"""The rights on NATS that docs/operations.md names are enough, and they are all there are."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from cli_world import CONFIG, SUBJECT
from private_server import configured, quick
from service_world import KEY

from subscriber.config import load_config
from subscriber.pagerduty import Accounts, account
from subscriber.ports.http import SenderOptions
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.service.app import Service, Setup
from subscriber.service.meters import Meters
from subscriber.service.rulebook import load_rules
from subscriber.simulator import SimulatorConfig, running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
pytestmark = pytest.mark.live


def named() -> tuple[list[str], list[str]]:
    """What the page says: subjects to publish to, and to subscribe to."""
    text = PAGE.read_text("utf-8")
    sentence = " ".join(text.partition("The user on NATS needs the right")[2][:400].split())
    publish, _, rest = sentence.partition("and to subscribe to")
    return re.findall(r"`([^`]+)`", publish), re.findall(r"`([^`]+)`", rest.partition(";")[0])


async def test_a_page_and_a_dead_letter_with_no_more_rights_than_the_page_names(
    tmp_path: Path,
) -> None:
    publish, subscribe = named()
    assert len(publish) == 4
    assert subscribe == ["_INBOX.>"]
    rights = json.dumps({"publish": publish, "subscribe": subscribe})
    users = f"{{user: ours, password: x, permissions: {rights}}}, {{user: pipeline, password: y}}"
    async with (
        configured(tmp_path, f"authorization {{ users: [{users}] }}") as server,
        running(SimulatorConfig(rate_limit=None)) as simulator,
    ):
        config, document = load_config(CONFIG.replace("URL", simulator.url))
        setup = Setup(
            config=config,
            rules=load_rules(config, document),
            accounts=Accounts([account("shop", KEY, events_url=simulator.url)]),
            nats=quick(server.url, user="ours", password="x"),
            sender=SenderOptions(),
        )
        meters = Meters()
        async with (
            Service(setup, meters=meters, observers=()) as service,
            NatsConnection(quick(server.url, user="pipeline", password="y")) as pipeline,
        ):
            whole = {
                "specversion": "1.0",
                "id": "1",
                "source": "t",
                "type": SUBJECT,
                "data": {"service": "checkout", "result": "fail"},
            }
            for data in (json.dumps(whole).encode(), b"{"):
                await NatsPublisher(pipeline).publish(SUBJECT, data)
            async with asyncio.timeout(30):
                while meters.total("delivered") < 1 or meters.total("dead-lettered") < 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert not any((await service.checks()).values())
            alert = simulator.alert("checkout")
            assert alert is not None
            assert str(alert.status) == "triggered"
