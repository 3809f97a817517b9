"""`dlq` against a running service: what died is found, understood, and brought back in order."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from cli_world import SUBJECT, CliWorld, cli_world
from service_world import KEY

from subscriber.ports.nats.connect import ApiError, NatsConnection
from subscriber.ports.nats.deadletters import NatsDeadLetters
from subscriber.ports.nats.options import NatsOptions
from subscriber.service import options

pytestmark = pytest.mark.live


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CliWorld]:
    async with cli_world(tmp_path) as ready:
        yield ready


async def letters(world: CliWorld) -> dict[int, dict[str, str]]:
    config = world.setup.config
    port = NatsDeadLetters(world.service.connection, options.dead_letter_options(config))
    return {number: dict(headers) async for number, _, headers in port.scan()}


async def test_from_a_rejected_page_to_a_delivered_one(world: CliWorld) -> None:
    assert (await world.call("dlq", "list")).out == "0 dead letters.\n"
    await world.evaluate("fail", dies=True)
    assert world.held() == ""

    listed = await world.call("dlq", "list")
    assert re.search(
        r"^1 +\S+Z +rejected +evaluation +evaluation.finished +checkout$", listed.out, re.M
    )
    (found,) = (await world.call("dlq", "list", "--output", "json")).json
    assert (found["id"], found["reason"], found["service"]) == (1, "rejected", "shop")

    shown = await world.call("dlq", "show", "1")
    assert re.search(r"^HTTP status +400$", shown.out, re.M)
    assert re.search(r"^  X-Pipeline +nightly$", shown.out, re.M)
    assert '"result": "fail"' in shown.out
    whole = (await world.call("dlq", "show", "1", "-o", "json")).json
    assert json.loads(whole["data"])["id"] == "e1"

    calls = len(world.simulator.calls)
    rehearsed = await world.call("dlq", "replay", "1", "--dry-run")
    assert "evaluation: trigger checkout -> PagerDuty is told (trigger)" in rehearsed.out
    assert len(world.simulator.calls) == calls
    assert await letters(world)

    replayed = await world.call("dlq", "replay", "1")
    assert "1 message published again." in replayed.out
    await world.until(lambda: world.held() == "triggered")
    assert world.ends == ["dead-lettered: rejected", "delivered: accepted"]
    assert not await letters(world)
    again = world.reports[-1].envelope
    assert again.headers["X-Pipeline"] == "nightly"
    assert again.headers["Nats-Msg-Id"] != "e1"
    assert (again.sequence, again.subject) == (2, SUBJECT)


async def test_an_outdated_trigger_does_not_reopen_what_was_resolved(world: CliWorld) -> None:
    await world.evaluate("fail", dies=True)
    await world.evaluate("fail")
    await world.evaluate("pass")
    assert world.held() == "resolved"
    calls = len(world.simulator.calls)
    rehearsed = await world.call("dlq", "replay", "--all", "--dry-run")
    assert "evaluation: trigger checkout -> nothing is sent: superseded" in rehearsed.out
    await world.call("dlq", "replay", "--all")
    await world.until(lambda: world.ends[-1] == "superseded: superseded")
    assert world.held() == "resolved"
    assert len(world.simulator.calls) == calls
    assert not await letters(world)


async def test_several_come_back_oldest_first_and_the_newest_decides(world: CliWorld) -> None:
    for result in ("fail", "pass", "fail", "pass", "fail"):
        await world.evaluate(result, dies=True)
    await world.evaluate("pass", dies=True)
    done = await world.call("dlq", "replay", "--reason", "rejected", "--since", "1h")
    numbers = re.findall(r"^(\d+)  published", done.out, re.M)
    assert numbers == ["1", "2", "3", "4", "5", "6"]
    await world.until(lambda: len(world.ends) == 12)
    assert world.held() in ("resolved", "")
    assert (await world.believed()).value == "resolved"
    stream = [one.envelope.sequence for one in world.reports]
    assert max(stream) == 12


async def test_what_no_stream_holds_any_more_is_refused_and_kept(world: CliWorld) -> None:
    await world.evaluate("fail", dies=True)
    await world.service.connection.api("STREAM.DELETE.PAGERDUTY_EVENTS")
    # the running service makes its stream again; one that holds something else shows the refusal
    text = world.config.read_text().replace("sh.keptn.>", "sh.keptn.never.>")
    narrow = world.config.with_name("narrow.yaml")
    narrow.write_text(text)
    world.config, whole = narrow, world.config
    refused = await world.call("dlq", "replay", "1", code=1)
    assert "does not listen on 'sh.keptn.event.evaluation.finished'" in refused.err
    assert "0 messages published again; 1 message refused, see above; kept." in refused.out
    assert await letters(world)
    await world.service.stop()
    # a connection of our own: the service's readers would make their stream again on theirs
    async with NatsConnection(NatsOptions(servers=(world.server.url,))) as connection:
        with suppress(ApiError):  # they may have stopped before they made it again
            await connection.api("STREAM.DELETE.PAGERDUTY_EVENTS")
    world.config = whole
    refused = await world.call("dlq", "replay", "1", code=1)
    assert "no stream holds this subject any more" in refused.err
    kept = await world.call("dlq", "list", "--output", "json")
    assert len(kept.json) == 1


async def test_letters_are_dropped_only_when_named_and_confirmed(world: CliWorld) -> None:
    for data in (b"{", b"", b"{"):
        await world.publish(data)
    assert len(await letters(world)) == 3
    refused = await world.call("dlq", "drop", "--all", code=2)
    assert "give --yes" in refused.err
    assert len(await letters(world)) == 3
    dropped = await world.call("dlq", "drop", "--reason", "not-json", "--yes")
    assert dropped.out == "2 dead letters dropped.\n"
    assert list(await letters(world)) == [2]
    assert "no dead letter 9" in (await world.call("dlq", "drop", "2", "9", "-y", code=1)).err
    assert not await letters(world)
    assert (await world.call("dlq", "drop", "--all", "-y")).out == "0 dead letters dropped.\n"


async def test_what_dies_again_is_a_letter_again(world: CliWorld) -> None:
    await world.publish(b"{")
    rehearsed = await world.call("dlq", "replay", "--all", "--dry-run")
    assert "a dead letter again: not-json" in rehearsed.out
    await world.call("dlq", "replay", "--all")
    await world.until(lambda: world.ends == ["dead-lettered: not-json"] * 2)
    assert list(await letters(world)) == [2]


async def test_nothing_of_an_event_reaches_the_terminal_raw_and_no_secret_at_all(
    world: CliWorld,
) -> None:
    evil = "\x1b]0;owned\x07\u202e\x9b31m"
    body = {"id": evil, "routing_key": "R" * 32, "note": KEY, "x": "\u009b"}
    data = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Authorization": "Bearer abc", "X-Token": "hush", "X-Note": KEY}
    await world.publish(data, "sh.keptn.event.odd", **headers)
    for arguments in (
        ("list",),
        ("show", "1"),
        ("replay", "1", "--dry-run"),
        ("list", "-o", "json"),
    ):
        await world.call("dlq", *arguments)  # looks at every character
    shown = await world.call("dlq", "show", "1", "--output", "json")
    assert shown.json["data"].count("********") == 2
    for secret in ("R" * 32, "Bearer", "hush"):
        assert secret not in shown.out
    text = (await world.call("dlq", "show", "1")).out
    assert "R" * 32 not in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay",), "say which letters"),
        (("drop", "--yes"), "say which letters"),
        (("replay", "1", "--all"), "say which letters"),
        (("replay", "1", "--reason", "rejected"), "say which letters"),
        (("replay", "0"), "Invalid value"),
        (("list", "--since", "2x"), "30s, 15m, 2h, 7d"),
        (("list", "--reason", "rejceted"), "rejected"),
        (("list", "--output", "xml"), "Invalid value"),
        (("nonsense",), "No such command"),
    ],
)
async def test_wrong_use_is_exit_2(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from subscriber.cli.app import app

    done = CliRunner().invoke(app, ["dlq", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert says in done.output


async def test_a_letter_that_is_not_there_is_exit_1(world: CliWorld) -> None:
    assert "there is no dead letter 7" in (await world.call("dlq", "show", "7", code=1)).err
    done = await world.call("dlq", "replay", "7", code=1)
    assert "there is no dead letter 7" in done.out


async def test_plain_nats_has_no_letters_to_read(world: CliWorld) -> None:
    world.config.write_text("nats: {mode: core}\n")
    assert "mode core" in (await world.call("dlq", "list", code=2)).err


async def test_an_absent_server_is_told_within_seconds(world: CliWorld) -> None:
    done = await world.call("dlq", "list", code=2, NATS_URL="nats://127.0.0.1:1")
    assert "no NATS server could be reached within 5 s" in done.err


async def test_ctrl_c_is_heard_while_nats_is_silent(world: CliWorld) -> None:
    called = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await world.start("dlq", "list", NATS_URL=f"nats://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(30):
            await called.wait()
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in err
    finally:
        over.set()
        server.close()
        if process.returncode is None:
            process.kill()
            await process.communicate()
