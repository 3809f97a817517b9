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


async def test_tail_tells_what_passes_by_and_takes_nothing(world: CliWorld) -> None:
    process = await world.start("tail", "--output", "json", "--count", "4")
    assert process.stderr is not None
    while b"listening on sh.keptn.>" not in await process.stderr.readline():
        pass
    await world.evaluate("fail")
    await world.evaluate("pass")
    await world.evaluate("unknown")
    await world.publish(b'{"specversion": "1.0"')
    out, err = await process.communicate()
    told = [json.loads(line) for line in out.decode().splitlines()]
    assert process.returncode == 0, err
    assert [(one["decision"], one["reason"]) for one in told] == [
        ("page", "accepted"),
        ("resolve", "accepted"),
        ("skip", "value-differs"),
        ("dead-letter", "not-json"),
    ]
    assert told[0]["summary"] == "checkout fail"
    assert told[2]["detail"] == "data.result is 'unknown', wanted 'pass' or 'fail'"
    assert len(world.simulator.calls) == 2  # the service's own
    assert world.held() == "resolved"


async def test_tail_ends_at_once_and_in_order(world: CliWorld) -> None:
    process = await world.start("tail", "--said")
    assert process.stderr is not None
    while b"listening" not in await process.stderr.readline():
        pass
    await world.evaluate("unknown")
    await world.evaluate("fail", "car\x1bts")
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert f"  {SUBJECT}  evaluation  page critical  shop [car" in line
    assert "\x1b" not in line
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"")
    assert b"Traceback" not in err


async def test_a_sample_can_be_sent(world: CliWorld, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    from typer.testing import CliRunner

    from subscriber.cli.app import app

    printed = CliRunner().invoke(app, ["sample", "evaluation.finished", "--pass"])
    event.write_text(printed.stdout)
    await world.call("send", str(event))
    await world.until(lambda: world.ends == ["delivered: accepted"])


async def test_a_storm_is_said_to_hit_the_rate_limit(world: CliWorld, tmp_path: Path) -> None:
    for number in range(1, 5):
        await world.evaluate("fail", f"s{number}")
    config = tmp_path / "narrow.yaml"
    config.write_text(CONFIG.replace("URL", "http://x").replace("rate_limit: 0", "rate_limit: 3"))
    done = await world.call("backtest", "--against", str(config))
    ours, theirs = done.out.split(f"== {config}", 1)
    assert "at most 4 calls in 60 s" in ours
    assert "; 120 are allowed" in ours
    assert "where 3 are allowed: 1 call would hit the rate limit and wait" in theirs
    assert "No difference in anything that PagerDuty would hear." in theirs
