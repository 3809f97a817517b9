"""Every message ends exactly once, in a named way, and PagerDuty holds what the newest one asks."""

import json

import pytest
from service_world import KEY, RULES, small_world

from subscriber.simulator import SimulatorConfig, parse_fault


async def test_a_failure_opens_and_a_pass_resolves() -> None:
    async with small_world() as world:
        world.publish(service="a", result="fail")
        await world.settle()
        assert world.state("a") == "triggered"
        world.publish(service="a", result="pass")
        await world.settle()
        assert world.state("a") == "resolved"
        assert world.ends() == {"delivered: accepted": 2}
        assert world.stream.unsettled == 0


async def test_what_no_rule_wants_is_skipped_with_its_reason() -> None:
    async with small_world() as world:
        world.publish(service="a", result="warning")
        world.raw(b'{"specversion":"1.0","id":"1","source":"s","type":"other"}')
        await world.settle()
        assert world.ends() == {"skipped: value-differs": 1, "skipped: no-rule-matched": 1}
        assert world.stand_in.calls.total == 0


def event(**changes: object) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "sh.keptn.event.evaluation.finished",
        "data": {"service": "a", "result": "fail", "note": 1},
    }
    whole.update(changes)
    return json.dumps({k: v for k, v in whole.items() if v is not ...}).encode()


BAD = {
    "empty": (b"", "empty-message"),
    "not JSON": (b"{", "not-json"),
    "plain text": (b"deployment finished", "not-json"),
    "not an object": (b"[1]", "not-a-cloudevent"),
    "no CloudEvent": (b'{"a": 1}', "not-a-cloudevent"),
    "no id": (event(id=...), "missing-attribute"),
    "no source": (event(source=...), "missing-attribute"),
    "no type": (event(type=...), "missing-attribute"),
    "no specversion": (event(specversion=...), "missing-attribute"),
    "empty id": (event(id=""), "invalid-attribute"),
    "number as id": (event(id=5), "invalid-attribute"),
    "unknown version": (event(specversion="7.0"), "unsupported-specversion"),
    "wrong time": (event(time="yesterday"), "invalid-time"),
    "NaN": (event().replace(b'"note": 1', b'"note": NaN'), "not-a-number"),
    "duplicate keys": (event().replace(b'"note": 1', b'"note": 1, "note": 2'), "duplicate-key"),
    "10 000 deep": (event().replace(b"1}}", b"[" * 10_000 + b"]" * 10_000 + b"}}"), "too-deep"),
    "lone surrogate": (event().replace(b'"a"', b'"\\ud800"'), "lone-surrogate"),
    "NUL in the id": (event(id="a\0b"), "control-character"),
    "invalid UTF-8": (event().replace(b'"a"', b'"\xff"'), "invalid-encoding"),
    "over 1 MiB": (event(data={"x": "y" * 1_100_000}), "too-large"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_named_and_kept_and_stops_nothing(name: str) -> None:
    data, reason = BAD[name]
    async with small_world() as world:
        world.raw(data)
        world.publish(service="after", result="fail")
        await world.settle()
        assert world.ends() == {f"dead-lettered: {reason}": 1, "delivered: accepted": 1}
        assert world.state("after") == "triggered"
        ((kept, headers),) = await world.letters()
        assert kept == data
        assert headers["Dead-Letter-Reason"] == reason
        assert world.meters.total("dead-lettered") == 1


@pytest.mark.parametrize(
    "data",
    [None, [], "text", 7, {"service": None, "result": "fail"}, {"result": "fail"},
     {"service": ["x"], "result": "fail", "note": None}],
)  # fmt: skip
async def test_wrong_typed_data_ends_in_a_skip_or_a_page(data: object) -> None:
    async with small_world() as world:
        world.raw(event(data=data))
        await world.settle()
        assert sum(world.ends().values()) == 1
        assert world.stream.unsettled == 0


async def test_a_broken_template_still_pages_and_leaves_a_copy() -> None:
    async with small_world() as world:
        world.raw(event(data={"service": "a", "result": "fail"}))  # no note: the summary fails
        await world.settle()
        assert world.state("a") == "triggered"
        assert world.ends() == {"delivered: accepted": 1}
        ((_, headers),) = await world.letters()
        assert headers["Dead-Letter-Reason"] == "render-failed"
        assert "note" in headers["Dead-Letter-Message"]


async def test_a_good_event_of_a_batch_survives_a_bad_one() -> None:
    good = json.loads(event())
    async with small_world() as world:
        world.raw(
            json.dumps([good, {"specversion": "1.0"}]).encode(),
            **{"Content-Type": "application/cloudevents-batch+json"},
        )
        await world.settle()
        assert world.state("a") == "triggered"
        assert world.ends() == {
            "delivered: accepted": 1,
            "dead-lettered: missing-attribute": 1,
        }


async def test_a_rejected_event_becomes_a_dead_letter_with_pagerdutys_own_words() -> None:
    config = SimulatorConfig(rate_limit=None, known_keys=frozenset({"F" * 32}))
    async with small_world(simulator=config) as world:
        world.publish(service="a", result="fail")
        await world.settle()
        assert world.ends() == {"dead-lettered: rejected": 1}
        ((_, headers),) = await world.letters()
        assert "Invalid routing key" in headers["Dead-Letter-Errors"]
        assert KEY not in str(headers)


@pytest.mark.parametrize(
    "fault", ["500:next=2", "503:next=2", "429:next=2", "reset-before:next=2", "reset-after:next=2"]
)
async def test_trouble_that_passes_delays_but_loses_nothing(fault: str) -> None:
    config = SimulatorConfig(rate_limit=None, faults=(parse_fault(fault),))
    async with small_world(simulator=config) as world:
        world.publish(service="a", result="fail")
        world.publish(service="b", result="fail")
        await world.settle(900)
        assert (world.state("a"), world.state("b")) == ("triggered", "triggered")
        assert world.ends() == {"delivered: accepted": 2}
        assert world.stream.unsettled == 0


async def test_an_event_that_never_gets_through_expires_into_the_dead_letters() -> None:
    config = SimulatorConfig(rate_limit=None, faults=(parse_fault("503"),))
    text = RULES + "delivery: {max_age: 600}\n"
    async with small_world(text, simulator=config) as world:
        world.publish(service="a", result="fail")
        await world.settle(3600)
        assert world.ends() == {"dead-lettered: expired": 1}


async def test_a_backlog_of_one_key_collapses_to_its_newest_state() -> None:
    async with small_world(capacity=1000) as world:
        for number in range(500):
            world.publish(service="a", result="pass" if number % 2 else "fail")
        world.publish(service="a", result="fail")
        for _ in range(20):
            await world.settle(5)
        assert world.state("a") == "triggered"
        assert sum(world.ends().values()) == 501
        assert world.stand_in.calls.total < 10


async def test_redelivery_says_nothing_twice() -> None:
    async with small_world() as world:
        sequence = world.publish(service="a", result="fail")
        await world.settle()
        again = world.stream.get(sequence)
        assert again is not None
        outcome = await world.pump._deliver(
            world.reports[0].outcome.intent,  # type: ignore[arg-type]
            again,
            world.pump._book,
        )
        assert outcome.reason.value == "duplicate"
        assert world.stand_in.calls.total == 1


async def test_a_stop_gives_back_what_cannot_be_finished() -> None:
    config = SimulatorConfig(rate_limit=None, faults=(parse_fault("slow:seconds=30"),))
    async with small_world(simulator=config) as world:
        world.publish(service="a", result="fail")
        await world.settle()
        assert await world.pump.drain(0.05) == 1
        assert world.stream.unsettled == 1
        assert world.ends() == {}
