"""What is stored in NATS cannot command the terminal of the person who looks at it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli_world import SUBJECT, CliWorld, cli_world

from subscriber.ports.nats.publish import NatsPublisher

pytestmark = pytest.mark.live
EVIL = "\x1b]0;owned\x07\x9b31m\u202e[red]x[/]\x7f"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CliWorld]:
    async with cli_world(tmp_path) as made:
        yield made


def event(number: int, service: str = EVIL) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": f"\u202e{number}",
        "source": "\u202es",
        "type": SUBJECT,
        "data": {"service": service, "result": "fail"},
    }
    return json.dumps(whole).encode()


async def test_alerts_and_backtest_and_letters(world: CliWorld) -> None:
    await world.publish(event(1))
    await world.publish(EVIL.encode(), headers=EVIL)
    for arguments in (
        ("alerts", "list"),
        ("alerts", "list", "--output", "json"),
        ("backtest",),
        ("backtest", "--output", "json"),
        ("dlq", "list"),
        ("dlq", "show", "1"),
        ("dlq", "replay", "--all", "--dry-run"),
    ):
        done = await world.call(*arguments)  # looks at every character
        assert done.out


async def test_a_letter_that_somebody_else_wrote(world: CliWorld) -> None:
    """Whoever may write the dead letters' stream cannot make an operator publish anywhere else."""
    envelope = {"subject": "$JS.API.STREAM.DELETE.PAGERDUTY_EVENTS", "headers": {EVIL: EVIL}}
    headers = {
        "Dead-Letter-Reason": "rejected",
        "Dead-Letter-Rule": "\u202e[red]",
        "Dead-Letter-Envelope": json.dumps(envelope),
    }
    for subject in ("$JS.API.STREAM.DELETE.X", "$KV.pagerduty_alerts.alert.x", "other", "a b\r\nc"):
        envelope["subject"] = subject
        headers["Dead-Letter-Envelope"] = json.dumps(envelope)
        await NatsPublisher(world.service.connection).publish(
            "pagerduty-subscriber.dead-letters.rejected", b"{}", headers
        )
    await world.call("dlq", "list")
    await world.call("dlq", "show", "1")
    refused = await world.call("dlq", "replay", "--all", code=1)
    assert refused.err.count("the service does not listen on") == 4
    assert (await world.call("dlq", "list", "--output", "json")).json


async def test_tail(world: CliWorld) -> None:
    process = await world.start("tail", "--count", "3")
    assert process.stderr is not None
    assert process.stdout is not None
    async with asyncio.timeout(40):
        while b"listening" not in await process.stderr.readline():
            pass
        for data in (event(1), EVIL.encode(), event(2, "plain")):
            await NatsPublisher(world.service.connection).publish(SUBJECT, data)
        out, err = await process.communicate()
    for text in (out.decode(), err.decode()):
        assert all(c.isprintable() or c == "\n" for c in text), ascii(text)
    assert "[red]x[/]" in out.decode()
