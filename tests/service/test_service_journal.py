"""The log: one line per outcome, and no secret in any of them."""

import io
import json
import logging

import pytest
import structlog
from service_world import KEY, small_world

from subscriber.service.journal import Journal, Redactor, set_up
from subscriber.simulator import SimulatorConfig, parse_fault


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    set_up(style="json", level="debug", redactor=Redactor([KEY, "s3cret-password"]), stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_a_line_says_what_somebody_who_was_paged_looks_for(log: io.StringIO) -> None:
    async with small_world() as world:
        world.publish(service="a", result="fail")
        await world.settle()
        Journal().note(world.reports[0])
    (line,) = [line for line in lines(log) if line["event"] == "delivered"]
    assert line | {"timestamp": ""} == {
        "event": "delivered",
        "level": "info",
        "reason": "accepted",
        "event_id": "e1",
        "event_type": "sh.keptn.event.evaluation.finished",
        "stream": "memory",
        "sequence": 1,
        "rule": "evaluation",
        "action": "trigger",
        "service": "default",
        "dedup_key": "a",
        "status": 202,
        "attempts": 1,
        "message": line["message"],
        "duration_seconds": 0.0,
        "timestamp": "",
    }


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        f"before {KEY} after",
        ["x", {"deep": [KEY]}],
        {"routing_key": "anything at all"},
        {"password": "short"},
        "nats://user:hunter22@nats.example:4222",
        "the password is s3cret-password",
        (KEY, "x"),
    ],
)
def test_secrets_are_masked_wherever_they_stand(log: io.StringIO, value: object) -> None:
    structlog.get_logger().info("something", value=value, message=str(value))
    text = log.getvalue()
    for secret in (KEY, "s3cret-password", "hunter22", "anything at all' }"):
        assert secret not in text
    assert "****" in text


def test_what_a_library_logs_is_a_line_of_ours_and_masked(log: io.StringIO) -> None:
    logger = logging.getLogger("nats.aio.client")
    logger.info("chatter")
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError as error:
        logger.error("nats: %s with %s", "encountered error", KEY, exc_info=error)
    # what earlier tests left to be collected may complain at any moment
    (line,) = [one for one in lines(log) if one.get("library") == "nats.aio.client"]
    assert (line["event"], line["level"]) == ("library", "error")
    assert "encountered error" in str(line["message"])
    assert "ValueError" in str(line["exception"])
    assert KEY not in log.getvalue()


def test_a_trace_is_masked_too(log: io.StringIO) -> None:
    try:
        raise ValueError(f"broken with {KEY}")
    except ValueError:
        structlog.get_logger().exception("stumbled")
    assert KEY not in log.getvalue()
    assert "ValueError" in log.getvalue()


@pytest.mark.parametrize(
    "fault",
    ["", "400-text:next=1", "500:next=1", "429:next=1", "reset-after:next=1", "401-html:next=1"],
)
async def test_no_error_path_shows_the_routing_key(log: io.StringIO, fault: str) -> None:
    faults = (parse_fault(fault),) if fault else ()
    known = frozenset({"F" * 32}) if not fault else None
    config = SimulatorConfig(rate_limit=None, faults=faults, known_keys=known)
    # this redactor knows no key: whatever would show one, shows it
    set_up(style="json", level="debug", redactor=Redactor(), stream=log)
    async with small_world(simulator=config) as world:
        world.publish(service="a", result="fail")
        world.publish(service="b", result="fail", note=None)
        await world.settle(60)
        journal = Journal()
        for report in world.reports:
            journal.note(report)
        shown = [log.getvalue(), repr(world.reports), str(await world.letters())]
        shown += [
            repr(sample) for metric in world.meters.registry.collect() for sample in metric.samples
        ]
        shown += [repr(entry) async for entry in world.ledger.scan()]
    assert log.getvalue()
    assert KEY not in "\n".join(shown)
