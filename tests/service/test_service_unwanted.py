"""Messages that no rule asks for: acknowledged and counted on the spot, reported where minded."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from prometheus_client import generate_latest
from service_world import SmallWorld, small_world

from subscriber.model import OutcomeKind, Reason
from subscriber.ports.memory import MemorySource
from subscriber.rules import RuleSet
from subscriber.service import pump as pump_module
from subscriber.service.hand import MOST
from subscriber.service.journal import Journal, set_up
from subscriber.service.meters import Meters
from subscriber.service.report import Observers, Report

UNWANTED = {"specversion": "1.0", "id": "u", "source": "test", "type": "com.example.unwanted"}


def unwanted(**more: object) -> bytes:
    return json.dumps({**UNWANTED, **more}).encode()


def metric(meters: Meters, name: str) -> float:
    text = generate_latest(meters.registry).decode()
    found = [line for line in text.splitlines() if line.startswith(f"pagerduty_subscriber_{name} ")]
    return float(found[0].split()[1])


SKIPPED = 'outcomes_total{outcome="skipped",reason="no-rule-matched"}'


def only_counting(world: SmallWorld) -> None:
    """As in production at the level info: nobody minds skipped messages."""
    world.pump._observer = Observers((world.meters,))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    out = io.StringIO()
    yield out
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def journalled(world: SmallWorld, log: io.StringIO, level: str) -> None:
    set_up(style="json", level=level, stream=log)
    world.pump._observer = Observers((world.meters, Journal()))


async def test_they_are_acknowledged_and_counted_without_a_task() -> None:
    async with small_world(capacity=2) as world:
        only_counting(world)
        for _ in range(50):
            world.raw(unwanted(data={"type": "sh.keptn.event.evaluation.finished"}))
        await asyncio.sleep(0)  # delivery
        assert world.stream.unsettled == 0
        assert world.pump.in_hand == 0
        await asyncio.sleep(0)  # the end of the turn
        assert metric(world.meters, "messages_received_total") == 50
        assert metric(world.meters, "messages_redelivered_total") == 0
        assert metric(world.meters, SKIPPED) == 50
        assert world.meters.received_at == world.clock.now()
        assert not any("Pump._handle" in repr(task) for task in asyncio.all_tasks())
        assert await world.letters() == []


@pytest.mark.parametrize("minded", [False, True])
async def test_both_ways_of_counting_give_the_same_numbers(minded: bool) -> None:
    async with small_world(capacity=8) as world:
        if not minded:
            only_counting(world)
        for number in range(30):
            if number % 10 == 3:
                world.publish(service=f"s{number}", result="fail")
            elif number % 10 == 7:
                world.raw(b'{"type": broken')
            else:
                world.raw(unwanted())
            await world.settle()
        await world.settle()
        assert metric(world.meters, "messages_received_total") == 30
        assert metric(world.meters, SKIPPED) == 24
        assert world.meters.total("skipped") == 24
        assert world.meters.total("delivered") == 3
        assert world.meters.total("dead-lettered") == 3
        assert world.stream.unsettled == 0
        if minded:
            assert world.ends()["skipped: no-rule-matched"] == 24


@pytest.mark.parametrize("before", [0, 1, 7, 8, 9, 20])
@pytest.mark.parametrize(
    "odd",
    [
        unwanted(),
        unwanted(data="x" * 3000),
        # a fault in the payload of what nobody wants is nobody's concern, however it is found
        b'{"specversion":"1.0","id":"u","source":"t","type":"com.example.x","data":{"a":1,"a":2}}',
    ],
    ids=["plain", "large", "faulty"],
)
async def test_they_end_alike_however_many_wanted_ones_came_before(before: int, odd: bytes) -> None:
    async with small_world(capacity=64) as world:
        only_counting(world)
        for number in range(before):
            world.publish(service=f"s{number}", result="fail")
        for _ in range(3):
            world.raw(odd)
        world.publish(service="last", result="fail")
        world.raw(b'{"type": broken')
        await world.settle()
        assert metric(world.meters, SKIPPED) == 3
        assert world.meters.total("delivered") == before + 1
        assert world.meters.total("dead-lettered") == 1
        assert [facts["Dead-Letter-Reason"] for _, facts in await world.letters()] == [
            Reason.NOT_JSON
        ]
        assert metric(world.meters, "messages_received_total") == before + 5
        assert world.stream.unsettled == 0
        assert world.pump.in_hand == 0


async def test_no_room_in_hand_keeps_none_of_them() -> None:
    async with small_world(capacity=64) as world:
        only_counting(world)
        for number in range(20):
            world.publish(service=f"s{number}", result="fail")
        world.pump._in_hand.weight += MOST
        world.raw(unwanted())
        await world.settle()
        world.pump._in_hand.weight -= MOST
        assert metric(world.meters, SKIPPED) == 1


async def test_a_redelivered_one_counts_as_such() -> None:
    async with small_world() as world:
        only_counting(world)
        take = world.pump._take
        world.pump._source._handler = lambda held: None  # type: ignore[attr-defined]
        world.raw(unwanted())
        await world.settle()
        world.pump._source._handler = take  # type: ignore[attr-defined]
        world.pump._source.free()  # type: ignore[attr-defined]
        await world.settle(61.0)  # ack_wait
        assert metric(world.meters, "messages_received_total") == 1
        assert metric(world.meters, "messages_redelivered_total") == 1
        assert metric(world.meters, SKIPPED) == 1
        assert world.stream.unsettled == 0


async def test_an_observer_that_minds_gets_a_report_of_each() -> None:
    async with small_world() as world:
        world.raw(unwanted(), subject="sh.keptn.event.y")
        await world.settle()
        (report,) = world.reports
        assert report.outcome.kind is OutcomeKind.SKIPPED
        assert report.outcome.reason is Reason.NO_RULE_MATCHED
        assert report.envelope.subject == "sh.keptn.event.y"
        assert report.envelope.sequence == 1
        assert (report.event, report.rule) == (None, "")
        assert report.now == world.clock.now()
        assert world.meters.total("skipped") == 1


async def test_below_debug_none_has_a_line(log: io.StringIO) -> None:
    async with small_world() as world:
        journalled(world, log, "info")
        world.raw(unwanted())
        await world.settle()
        assert log.getvalue() == ""
        assert world.meters.total("skipped") == 1


async def test_at_debug_each_has_its_line(log: io.StringIO) -> None:
    async with small_world() as world:
        journalled(world, log, "debug")
        world.raw(unwanted(), subject="sh.keptn.event.y")
        world.raw(unwanted(), subject="sh.keptn.event.z")
        await world.settle()
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        for line in lines:
            del line["timestamp"]
        expected = {
            "event": "skipped",
            "level": "debug",
            "reason": "no-rule-matched",
            "stream": "memory",
            "duration_seconds": 0.0,
        }
        assert lines == [
            {**expected, "subject": "sh.keptn.event.y", "sequence": 1},
            {**expected, "subject": "sh.keptn.event.z", "sequence": 2},
        ]
        assert world.meters.total("skipped") == 2


async def test_what_cannot_be_told_at_a_look_is_read_whole() -> None:
    bodies = [
        b'{"specversion":"1.0","id":"1","source":"s","type":"a","type":"b"}',  # a duplicate
        b'{"specversion":"1.0","id":"1","source":"s","type":"a","\\u0074ype":"b"}',
        b'{"specversion":"1.0","id":"1","source":"s","type":"a","data":{}',  # cut off
        b"\xff",
        b"",
    ]
    async with small_world() as world:
        only_counting(world)
        for body in bodies:
            world.raw(body)
        await world.settle()
        assert len(await world.letters()) == len(bodies)
        assert world.meters.total("skipped") == 0


async def test_a_message_over_the_limit_is_refused_whatever_its_type() -> None:
    async with small_world() as world:
        only_counting(world)
        limit = world.pump._size_limit
        world.raw(unwanted(data="x" * limit))
        await world.settle()
        ((_, headers),) = await world.letters()
        assert headers["Dead-Letter-Reason"] == "too-large"


async def test_other_rules_count_from_the_next_message_on() -> None:
    async with small_world() as world:
        only_counting(world)
        world.publish(service="a", result="fail")
        await world.settle()
        book = world.pump._book
        world.pump.switch(replace(book, rules=RuleSet((), ())))
        world.publish(service="b", result="fail")
        await world.settle()
        assert world.meters.total("delivered") == 1
        assert metric(world.meters, SKIPPED) == 1


async def test_a_fault_in_the_look_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(_message: object) -> str:
        raise ArithmeticError("a bug")

    async with small_world() as world:
        monkeypatch.setattr(pump_module, "peek_type", trip)
        world.publish(service="a", result="fail")
        world.raw(unwanted())
        await world.settle()
        assert world.ends() == {"delivered: accepted": 1, "skipped: no-rule-matched": 1}
        assert world.stream.unsettled == 0


async def test_the_source_is_read_on_while_wanted_messages_fill_their_place() -> None:
    """One place is enough for any number of messages nobody wants, as long as it is free."""
    async with small_world(capacity=1) as world:
        only_counting(world)
        for _ in range(10):
            world.raw(unwanted())
        world.publish(service="a", result="fail")
        for _ in range(10):
            world.raw(unwanted())
        await world.settle()
        assert world.meters.total("delivered") == 1
        assert metric(world.meters, SKIPPED) == 20
        assert isinstance(world.pump._source, MemorySource)
        assert world.pump._source.has_place


def test_who_says_nothing_about_it_minds() -> None:
    class Plain:
        def note(self, report: Report) -> None:
            """Nothing."""

    class Choosy(Plain):
        def __init__(self, minds: bool) -> None:
            self.minds = minds

        def minds_skipped(self) -> bool:
            return self.minds

    assert not Observers(()).minds_skipped()
    assert not Observers((Meters(),)).minds_skipped()
    assert Observers((Meters(), Plain())).minds_skipped()
    assert not Observers((Choosy(False), Choosy(False))).minds_skipped()
    assert Observers((Choosy(False), Choosy(True))).minds_skipped()
    assert Observers((Choosy(False), Plain())).minds_skipped()
