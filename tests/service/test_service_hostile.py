"""What hostile input must not cost the service: storage, memory, a page of somebody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from service_world import RULES, small_world

from subscriber.cloudevent.decode import BATCH, BATCH_LIMIT
from subscriber.ports.nats.ledger import _decode
from subscriber.ports.nats.letters import unpack
from subscriber.service import hand
from subscriber.service.hand import weight_of
from subscriber.simulator import SimulatorConfig, parse_fault

TYPE = "sh.keptn.event.evaluation.finished"


def member(number: int, **data: Any) -> dict[str, Any]:
    data = {"note": number, "service": f"s{number}", "result": "fail", **data}
    return {"specversion": "1.0", "id": f"b{number}", "source": "t", "type": TYPE, "data": data}


def batch(members: list[Any]) -> bytes:
    return json.dumps(members).encode()


FAILING = RULES.replace("dedup_key:", "on_render_error: dead-letter\n    dedup_key:").replace(
    "{{.data.note}}", "{{.data.absent}}"
)


async def test_a_batch_of_bad_events_does_not_fill_the_dead_letters() -> None:
    data = batch([member(number, note="x" * 80) for number in range(BATCH_LIMIT)])
    assert 900_000 < len(data) < 1_048_576
    async with small_world(FAILING) as world:
        world.raw(data, **{"content-type": BATCH})
        await world.settle()
        assert world.ends() == {"dead-lettered: render-failed": BATCH_LIMIT}, "all are counted"
        letters = await world.letters()
    assert len(letters) <= 18
    assert sum(len(body) for body, _ in letters) <= 16 * 1024 * 1024
    assert f"and {BATCH_LIMIT - len(letters)} more" in letters[-1][1]["Dead-Letter-Message"]


async def test_a_small_batch_has_a_letter_for_each() -> None:
    async with small_world(FAILING) as world:
        world.raw(batch([member(number) for number in range(40)]), **{"content-type": BATCH})
        await world.settle()
        letters = await world.letters()
    assert {headers["Dead-Letter-Event-Id"] for _, headers in letters} == {
        f"b{number}" for number in range(40)
    }


async def test_bad_members_do_not_take_the_good_ones_along() -> None:
    bad: list[Any] = [{}, None, [], "x", 1, {"specversion": "1.0"}]
    async with small_world() as world:
        world.raw(batch([*bad, member(1), *bad]), **{"content-type": BATCH})
        await world.settle()
        assert world.state("s1") == "triggered"


async def test_a_template_that_nests_without_end_still_pages() -> None:
    config = RULES.replace(
        "summary: '{{.data.service}} {{.data.result}} {{.data.note}}'",
        'summary: "{{fromJson .data.note}}"',
    )
    async with small_world(config) as world:
        world.publish(service="checkout", result="fail", note="[" * 50_000)
        await world.settle()
        assert world.state("checkout") == "triggered"


def test_garbage_in_the_ledger_and_the_dead_letters_is_no_entry_of_ours() -> None:
    for garbage in (
        b"",
        b"\x00\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"alert":' + b"[" * 100_000,
        b'{"unknown":' + b"[" * 100_000,
        b'{"alert":{"key":{"service":1}}}',
        b'{"alert":{"key":{"service":"\\ud800","dedup_key":"x"}}}',
        b'{"alert":1e999}',
    ):
        assert _decode(garbage) is None
    for headers in ({}, {"Dead-Letter-Envelope": '{"unknown":' + "[" * 100_000}):
        try:
            unpack(b"", headers)
        except (KeyError, ValueError, RecursionError):
            continue
        raise AssertionError("not refused")


async def test_heavy_messages_wait_their_turn_and_all_of_them_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filler = [{}] * 50_000
    weight = weight_of(json.dumps(member(1, filler=filler)).encode())
    monkeypatch.setattr(hand, "MOST", 3 * weight + 1)
    slow = SimulatorConfig(rate_limit=None, faults=(parse_fault("slow:seconds=3"),))
    async with small_world(simulator=slow) as world:
        for number in range(9):
            world.publish(service=f"s{number}", result="fail", filler=filler)
        await world.settle()
        assert 1 <= world.pump.in_hand <= 3
        most = 0
        for _ in range(40):
            await world.settle(1)
            most = max(most, world.pump.in_hand)
        assert most <= 3
        assert [world.state(f"s{number}") for number in range(9)] == ["triggered"] * 9
        assert world.ends() == {"delivered: accepted": 9}
        assert world.stream.unsettled == 0
