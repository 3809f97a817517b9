"""`alerts` beside a running service: the ledger is read, and mended so that replicas agree."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cli_world import CliWorld, cli_world

from subscriber.model import Alert, AlertKey, AlertState, Claim, Position
from subscriber.ports.nats.ledger import NatsLedger
from subscriber.service import options

pytestmark = pytest.mark.live


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CliWorld]:
    async with cli_world(tmp_path) as ready:
        yield ready


def ledger_of(world: CliWorld) -> NatsLedger:
    return NatsLedger(world.service.connection, options.ledger_options(world.setup.config))


def shop(key: str) -> AlertKey:
    return AlertKey(service="shop", dedup_key=key)


async def test_what_is_open_is_listed_and_shown(world: CliWorld) -> None:
    await world.evaluate("fail", "checkout")
    await world.evaluate("fail", "carts")
    await world.evaluate("pass", "carts")
    listed = await world.call("alerts", "list")
    assert re.search(r"^open +\d+ s ago +shop +checkout +evaluation", listed.out, re.M)
    assert re.search(r"^resolved +\d+ s ago +shop +carts +evaluation", listed.out, re.M)
    assert listed.out.endswith("2 alerts.\n")
    (found,) = (await world.call("alerts", "list", "--state", "open", "-o", "json")).json
    assert (found["dedup_key"], found["state"], found["event_id"]) == ("checkout", "open", "e1")

    shown = await world.call("alerts", "show", "checkout")
    assert re.search(r"^State +open$", shown.out, re.M)
    assert re.search(r"^Position +message 1 of the stream made \S+Z$", shown.out, re.M)
    whole = await world.call("alerts", "show", "checkout", "--service", "shop", "-o", "json")
    assert whole.json["position"]["sequence"] == 1
    unknown = await world.call("alerts", "show", "checkout", "--service", "other", code=1)
    assert "the ledger has no alert checkout of service other" in unknown.err


async def test_a_resolve_by_hand_tells_pagerduty_and_blocks_nothing_later(world: CliWorld) -> None:
    await world.evaluate("fail")
    done = await world.call("alerts", "resolve", "checkout", "--yes")
    assert "checkout (shop) is resolved: accepted by http://127.0.0.1" in done.out
    assert world.held() == "resolved"
    assert await world.believed() is AlertState.RESOLVED
    alert, _ = await ledger_of(world).load(shop("checkout"))
    assert (alert.claim, alert.doubt, alert.rule) == (None, None, "by-hand")

    calls = len(world.simulator.calls)
    await world.evaluate("pass")  # the service knows: nothing to say
    assert world.ends[-1] == "skipped: already-resolved"
    assert len(world.simulator.calls) == calls
    await world.evaluate("fail")
    assert world.ends[-1] == "delivered: accepted"
    assert world.held() == "triggered"


async def test_a_resolve_is_really_sent_even_when_the_ledger_believes_it(world: CliWorld) -> None:
    await world.evaluate("fail")
    await world.evaluate("pass")
    calls = len(world.simulator.calls)
    await world.call("alerts", "resolve", "checkout", "--yes")
    assert len(world.simulator.calls) == calls + 1
    assert await world.believed() is AlertState.RESOLVED


async def test_a_resolve_by_hand_keeps_the_order_of_a_replay(world: CliWorld) -> None:
    await world.evaluate("fail", dies=True)
    await world.evaluate("fail")
    await world.call("alerts", "resolve", "checkout", "--yes")
    await world.call("dlq", "replay", "--all")
    await world.until(lambda: world.ends[-1] == "superseded: superseded")
    assert world.held() == "resolved"


async def test_without_a_key_or_a_yes_nothing_is_sent(world: CliWorld) -> None:
    await world.evaluate("fail")
    calls = len(world.simulator.calls)
    refused = await world.call("alerts", "resolve", "checkout", code=2)
    assert "give --yes" in refused.err
    refused = await world.call("alerts", "resolve", "checkout", "--yes", code=2, SHOP_KEY="")
    assert "SHOP_KEY" in refused.err
    # without any service configured `run` would use the simulator; this must not
    world.config.write_text("nats: {subjects: [sh.keptn.>]}\npacks: []\n")
    refused = await world.call("alerts", "resolve", "checkout", "--yes", code=2)
    assert "without a routing key PagerDuty cannot be told" in refused.err
    assert len(world.simulator.calls) == calls
    assert await world.believed() is AlertState.OPEN
    # a key of another service is not taken either
    world.config.write_text("services: {default: {routing_key_env: SHOP_KEY}}\n")
    refused = await world.call("alerts", "resolve", "checkout", "--yes", code=2)
    assert "no service is called 'shop'" in refused.err
    assert len(world.simulator.calls) == calls


async def test_an_alert_the_ledger_has_lost_can_be_resolved(world: CliWorld) -> None:
    await world.evaluate("fail")
    await ledger_of(world).forget(shop("checkout"))
    refused = await world.call("alerts", "resolve", "checkout", "--yes", code=1)
    assert "--unknown" in refused.err
    await world.call("alerts", "resolve", "checkout", "--yes", "--unknown", code=2)
    await world.call("alerts", "resolve", "checkout", "-y", "--unknown", "--service", "shop")
    assert world.held() == "resolved"
    await world.evaluate("fail")
    assert world.held() == "triggered"


async def test_trouble_is_waited_for_and_a_refusal_is_said(world: CliWorld) -> None:
    await world.evaluate("fail")
    world.simulator.switch("503:next=3")
    done = await world.call("alerts", "resolve", "checkout", "--yes")
    assert "server-error; trying again in" in done.err
    assert world.held() == "resolved"
    world.simulator.switch("400-text")
    refused = await world.call("alerts", "resolve", "checkout", "--yes", code=1)
    assert "not resolved: rejected" in refused.err
    world.simulator.switch("503")
    busy = await world.call("alerts", "resolve", "checkout", "-y", "--within", "1s", code=1)
    assert "not resolved: server-error" in busy.err
    alert, _ = await ledger_of(world).load(shop("checkout"))
    assert alert.claim is None


@asynccontextmanager
async def busy_resolve(world: CliWorld) -> AsyncIterator[asyncio.subprocess.Process]:
    """`alerts resolve checkout`, from when it has said that a replica is busy."""
    process = await world.start("alerts", "resolve", "checkout", "--yes")
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            first = await process.stderr.readline()
            assert b"busy; trying again" in first, first
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_a_resolve_waits_for_a_replica_and_yields_to_a_newer_event(world: CliWorld) -> None:
    await world.evaluate("fail")
    ledger = ledger_of(world)
    alert, revision = await ledger.load(shop("checkout"))
    newer = replace(alert.position, sequence=alert.position.sequence + 5)
    claim = Claim(owner="other/1", position=newer, expires_at=time.time() + 60)
    taken = await ledger.save(replace(alert, claim=claim), revision)
    assert taken

    async with busy_resolve(world) as process:
        settled = replace(alert, position=newer, event_id="e6", updated_at=time.time())
        assert await ledger.save(settled, taken)
        _, rest = await process.communicate()
    assert b"a newer event of this key came first" in rest
    assert process.returncode == 1
    assert await world.believed() is AlertState.OPEN


async def test_ctrl_c_while_a_replica_is_busy_leaves_the_entry_alone(world: CliWorld) -> None:
    await world.evaluate("fail")
    ledger = ledger_of(world)
    alert, revision = await ledger.load(shop("checkout"))
    claim = Claim(owner="other/1", position=alert.position, expires_at=time.time() + 60)
    await ledger.save(replace(alert, claim=claim), revision)
    async with busy_resolve(world) as process:
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    found, _ = await ledger.load(shop("checkout"))
    assert found.claim == claim


async def test_forgetting_is_explained_confirmed_and_complete(world: CliWorld) -> None:
    await world.evaluate("fail")
    refused = await world.call("alerts", "forget", "checkout", code=2)
    assert "PagerDuty keeps what it has" in refused.err
    assert await world.believed() is AlertState.OPEN
    done = await world.call("alerts", "forget", "checkout", "--yes")
    assert done.out == "checkout (shop) is forgotten.\n"
    assert await world.believed() is AlertState.NONE
    assert world.held() == "triggered"
    assert "has no alert" in (await world.call("alerts", "forget", "checkout", "-y", code=1)).err
    await world.evaluate("pass")  # the first resolve of an unknown key is said
    assert world.held() == "resolved"


async def test_what_is_being_told_is_not_forgotten(world: CliWorld) -> None:
    claim = Claim(owner="other/1", position=Position(), expires_at=time.time() + 60)
    alert = Alert(key=shop("checkout"), state=AlertState.OPEN, claim=claim)
    assert await ledger_of(world).save(alert, 0)
    refused = await world.call("alerts", "forget", "checkout", "--yes", code=1)
    assert "a replica is talking to PagerDuty about it until" in refused.err
    assert await world.believed() is AlertState.OPEN
    assert "being told" in (await world.call("alerts", "list")).out


async def test_one_key_of_two_services_needs_the_service(world: CliWorld) -> None:
    for service in ("old-shop", "older-shop"):
        key = AlertKey(service=service, dedup_key="\x1b[31mred")
        assert await ledger_of(world).save(Alert(key=key, state=AlertState.OPEN), 0)
    twice = await world.call("alerts", "show", "\x1b[31mred", code=2)
    assert "'old-shop', 'older-shop'" in twice.err
    shown = await world.call("alerts", "show", "\x1b[31mred", "--service", "old-shop")
    assert "·[31mred" in shown.out
    await world.call("alerts", "list")  # looks at every character
    await world.call("alerts", "list", "--output", "json")


async def test_a_ledger_that_is_not_there_is_said(world: CliWorld) -> None:
    text = world.config.read_text()
    world.config.write_text(f"{text}delivery: {{ledger_bucket: elsewhere}}\n")
    done = await world.call("alerts", "list", code=2)
    assert "elsewhere: there is no such bucket" in done.err
