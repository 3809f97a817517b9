"""`backtest`, `tail` and `sample` as processes beside a running service."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli_world import CONFIG, SUBJECT, CliWorld, cli_world

from subscriber.ports.nats.consumer import consumer_info

pytestmark = pytest.mark.live


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CliWorld]:
    async with cli_world(tmp_path) as ready:
        yield ready


async def durable(world: CliWorld) -> dict[str, object]:
    """Everything about the durable consumer that a reader could have changed."""
    name = world.setup.config.nats.durable
    stream = "PAGERDUTY_EVENTS"
    info = await consumer_info(world.service.connection, stream, name)
    assert info is not None
    known = ("created", "config", "delivered", "ack_floor", "num_pending", "num_ack_pending")
    listed = await world.service.connection.api(f"CONSUMER.NAMES.{stream}")
    return {**{key: info[key] for key in known}, "consumers": listed["consumers"]}


def without_times(state: dict[str, object]) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if key != "last_active"}
        return value

    return {key: plain(value) for key, value in state.items()}


async def test_it_says_what_happened_and_touches_nothing(world: CliWorld, tmp_path: Path) -> None:
    for result in ("fail", "fail", "pass", "pass", "fail"):
        await world.evaluate(result)
    await world.evaluate("fail", "carts")
    ends, calls, before = list(world.ends), len(world.simulator.calls), await durable(world)

    export = tmp_path / "decisions.jsonl"
    done = await world.call("backtest", "--export", str(export), "--output", "json")
    found = done.json
    (only,) = found["configurations"]
    assert (found["messages"], found["interrupted"]) == (6, False)
    (day,) = only["days"]
    assert {key: day[key] for key in ("service", "page", "update", "resolve", "change")} == {
        "service": "shop",
        "page": 3,
        "update": 1,
        "resolve": 1,
        "change": 0,
    }
    assert [one["dedup_key"] for one in only["never_closed"]["shown"]] == ["checkout", "carts"]
    rows = [json.loads(line) for line in export.read_text().splitlines()]
    assert [row["decision"] for row in rows] == [
        *("page", "update", "resolve", "skip", "page", "page"),
    ]
    # what it says is what the service did
    delivered = sum(row["decision"] != "skip" for row in rows)
    assert delivered == calls == ends.count("delivered: accepted")

    assert without_times(await durable(world)) == without_times(before)
    assert len(world.simulator.calls) == calls
    await world.evaluate("pass")  # and the service goes on as before
    assert world.held() == "resolved"


async def test_the_difference_to_another_configuration(world: CliWorld, tmp_path: Path) -> None:
    for result in ("fail", "pass", "fail"):
        await world.evaluate(result)
    other = tmp_path / "other.yaml"
    other.write_text(CONFIG.replace("URL", "http://x").replace("[pass, fail]", "[fail]"))
    done = await world.call("backtest", "--against", str(other), "--show", "1")
    assert "2 events would be handled differently" in done.out
    assert "resolve -> nothing" in done.out
    assert "page critical -> " not in done.out
    assert "- resolve (evaluation): checkout pass\n    + nothing" in done.out
    assert "page -> update" in done.out
    assert "... and 1 more (--export has all of them)" in done.out

    other.write_text("rules: [{name: x, typos: 1}]")
    refused = await world.call("backtest", "--against", str(other), code=2)
    assert "unknown key 'typos'" in refused.err
    refused = await world.call("backtest", "--export", "x.xls", code=2)
    assert "must end in .csv or .jsonl" in refused.err.replace("\n", " ")


async def test_only_the_time_asked_for(world: CliWorld) -> None:
    await world.evaluate("fail")
    done = await world.call("backtest", "--until", "1h")
    assert done.out.startswith("0 messages")
    assert "PagerDuty would have heard nothing." in done.out


async def test_ctrl_c_gives_the_result_so_far(world: CliWorld, tmp_path: Path) -> None:
    await world.evaluate("fail")
    event = {"specversion": "1.0", "id": "e", "source": "s", "type": SUBJECT, "data": {}}
    data = json.dumps(event).encode()
    await world.service.stop()
    from subscriber.ports.nats.connect import NatsConnection

    async with NatsConnection(world.setup.nats) as connection:
        for _ in range(60_000):
            await connection.publish(SUBJECT, data)
        await connection.ping()
    export = tmp_path / "decisions.csv"
    process = await world.start("backtest", "--output", "json", "--export", str(export))
    await world.until(lambda: export.exists() and export.stat().st_size > 50_000)
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    found = json.loads(out)
    assert process.returncode == 130
    assert found["interrupted"]
    assert 0 < found["messages"] < found["of"] == 60_001
