"""The log's lines: what they say of replays and redeliveries, and a log that cannot be written."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from service_world import KEY, SmallWorld, small_world

from subscriber.delivery import replay_headers
from subscriber.model import Action, Envelope, Event, Intent, Outcome, OutcomeKind, Position, Reason
from subscriber.service.journal import Journal, Redactor, set_up
from subscriber.service.report import Report
from subscriber.simulator import SimulatorConfig, parse_fault


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    set_up(style="json", level="debug", redactor=Redactor([KEY]), stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def told(world: SmallWorld, log: io.StringIO) -> list[dict[str, object]]:
    for report in world.reports:
        Journal().note(report)
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_a_redelivery_says_so(log: io.StringIO) -> None:
    faults = (parse_fault("500:next=4"),)
    async with small_world(simulator=SimulatorConfig(rate_limit=None, faults=faults)) as world:
        world.publish(service="a", result="fail")
        await world.settle(60)
        lines = [line for line in told(world, log) if line["event"] in ("deferred", "delivered")]
    first, last = lines[0], lines[-1]
    assert (first["event"], first.get("delivery")) == ("deferred", None)
    assert (last["event"], last["delivery"]) == ("delivered", 2)
    assert "replay_of" not in last


async def test_a_replay_says_whose(log: io.StringIO) -> None:
    async with small_world() as world:
        world.publish(service="a", result="fail")
        await world.settle()
        (first,) = world.stream.messages()
        world.raw(first.data, first.subject, **replay_headers(first, letter="7"))
        await world.settle()
        lines = [line for line in told(world, log) if "event_id" in line]
    assert [line.get("replay_of") for line in lines] == [None, 1]
    assert [line["sequence"] for line in lines] == [1, 2]


async def test_a_line_has_the_context_the_key_and_the_duration(log: io.StringIO) -> None:
    faults = (parse_fault("slow:seconds=3,next=1"),)
    async with small_world(simulator=SimulatorConfig(rate_limit=None, faults=faults)) as world:
        event = {
            "specversion": "1.0",
            "id": "e",
            "source": "s",
            "type": "sh.keptn.event.evaluation.finished",
            "shkeptncontext": "1f0c2bbc",
            "data": {"service": "shop", "result": "fail", "note": 1},
        }
        world.raw(json.dumps(event).encode())
        await world.settle(5)
        (line,) = [line for line in told(world, log) if line["event"] == "delivered"]
    assert line["event_id"] == "e"
    assert line["event_type"] == "sh.keptn.event.evaluation.finished"
    assert line["dedup_key"] == "shop"
    assert line["rule"] == "evaluation"
    assert line["keptn_context"] == "1f0c2bbc"
    assert line["duration_seconds"] == 3.0


def test_a_key_in_every_field_stays_inside(log: io.StringIO) -> None:
    """Whatever part of an outcome a key could get into."""
    intent = Intent(
        action=Action.TRIGGER,
        service=KEY,
        rule=KEY,
        event_id=KEY,
        dedup_key=KEY,
        position=Position(),
        payload={"summary": KEY},
        notes=(KEY,),
    )
    outcome = Outcome(
        kind=OutcomeKind.DEAD_LETTERED,
        reason=Reason.REJECTED,
        intent=intent,
        message=f"refused {KEY}",
        errors=(KEY, f"x{KEY}y"),
    )
    envelope = Envelope(subject=KEY, data=KEY.encode(), headers={KEY: KEY}, stream=KEY)
    event = Event(id=KEY, source=KEY, type=KEY, extensions={"shkeptncontext": KEY})
    report = Report(outcome=outcome, envelope=envelope, event=event, rule=KEY, trace_id=KEY)
    Journal().note(report)
    Journal().note(replace(report, event=None))
    for style in ("json", "text"):
        set_up(style=style, level="debug", redactor=Redactor([KEY]), stream=log)
        Journal().note(report)
        structlog.get_logger().warning(KEY, message=KEY, deep={KEY: [KEY, {"x": KEY.encode()}]})
        structlog.get_logger().warning("x", error=ValueError(KEY), routing_key=KEY)
    assert log.getvalue().count("\n") >= 8
    assert KEY not in log.getvalue()


class _Full(io.StringIO):
    """A file whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


async def test_a_log_that_cannot_be_written_keeps_no_page_from_going_out() -> None:
    set_up(style="json", level="debug", redactor=Redactor(), stream=_Full())
    try:
        async with small_world() as world:
            journal = Journal()
            note = world.note
            world.note = lambda report: (note(report), journal.note(report))  # type: ignore
            world.publish(service="a", result="fail")
            world.raw(b"not json")
            await world.settle()
            assert world.ends() == {"delivered: accepted": 1, "dead-lettered: not-json": 1}
            assert not world.pump.in_hand
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()


async def test_a_level_that_nobody_reads_costs_no_line() -> None:
    stream = io.StringIO()
    set_up(style="json", level="warning", redactor=Redactor(), stream=stream)
    try:
        async with small_world() as world:
            world.publish(service="a", result="fail")
            await world.settle()
            Journal().note(world.reports[0])
        assert stream.getvalue() == ""
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()


@pytest.mark.live
def test_a_reader_that_leaves_ends_the_timeline_in_order(tmp_path: Path) -> None:
    """`run --embedded --sample | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "subscriber", "run", "--embedded", "--sample"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "PAGERDUTY_"))}
        | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("NATS")
    process.stdout.close()
    try:
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait(30) == 0
        assert errors == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
