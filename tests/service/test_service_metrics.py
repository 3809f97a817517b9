"""The metrics: they count what happened, and no event can add a series."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable

import pytest
from prometheus_client.exposition import generate_latest
from service_world import KEY, RULES, SmallWorld, small_world

from subscriber.model import Action, AlertState, OutcomeKind, Reason
from subscriber.pagerduty import Api, Reply, is_about_the_key, judge
from subscriber.service.meters import DEAD_REASONS, Meters, status_label
from subscriber.service.metrics import LABELS, METRICS, PREFIX, Kind
from subscriber.simulator import SimulatorConfig, parse_fault

MARK = "hostile"
HOSTILE_RULES = """
packs: []
services:
  one: {routing_key_env: A}
  two: {routing_key_env: B}
rules:
  - name: page
    types: "*"
    service: '{{.data.service}}'
    action: '{{.data.action}}'
    dedup_key: '{{.data.key}}'
    body: {summary: '{{.data.summary}}', severity: '{{.data.severity}}'}
"""


def value(world: SmallWorld, name: str, **labels: str) -> float | None:
    return world.meters.registry.get_sample_value(f"{PREFIX}{name}", labels)


def exposition(meters: Meters) -> str:
    return generate_latest(meters.registry).decode()


def hostile_events() -> Iterable[bytes]:
    """Valid and broken events whose every text is an attempt to become a label."""
    words = [f"{MARK}-{number}" for number in range(20)]
    words += [f'{MARK}"}} 1\n', f"{MARK}\\", f"{MARK}\n# TYPE x gauge", f"{MARK}\x00", MARK * 500]
    for number, word in enumerate(words):
        for service in (word, "one", "two"):
            for action in (word, "trigger", "resolve", "change", ""):
                data = {"service": service, "action": action, "key": word, "summary": word}
                event = {
                    "specversion": "1.0",
                    "id": f"{word}{service}{action}{number}",
                    "source": word,
                    "type": f"{word}.type",
                    "shkeptncontext": word,
                    "data": data | {"severity": word if number % 2 else "info"},
                }
                yield json.dumps(event).encode()
        yield word.encode()
        yield json.dumps({"specversion": word, "id": word, "source": word, "type": word}).encode()
        yield json.dumps([{"id": word}, {"type": word}]).encode()
    yield b""


async def test_no_event_adds_a_series() -> None:
    # every answer that PagerDuty or somebody on the way might give
    faults = ("400-text", "500", "429", "reset-after", "401-html", "418", "599")
    known = {fault for fault in faults if _is_fault(f"{fault}:p=0.1")}
    assert len(known) >= 5
    simulator = SimulatorConfig(
        rate_limit=None, faults=tuple(parse_fault(f"{fault}:p=0.1") for fault in sorted(known))
    )
    async with small_world(HOSTILE_RULES, simulator=simulator) as world:
        before = _series(world.meters)
        for number, data in enumerate(hostile_events()):
            world.raw(data, f"{MARK}.{number}", **{f"X-{MARK}": MARK})
        await world.settle(400)
        text = exposition(world.meters)
        assert world.ends()["delivered: accepted"] > 10
        assert len(world.ends()) > 5
        allowed = {
            "action": {one.value for one in Action},
            "outcome": {one.value for one in OutcomeKind},
            "reason": {one.value for one in Reason},
            "pagerduty_service": {"one", "two"},
            "rule": {"page"},
            "state": {one.value for one in AlertState},
            "status": {status_label(status) for status in range(1000)},
            "stream": {"memory"},
            "result": {"accepted", "rejected"},
        }
        for name, labels in _series(world.meters) - before:
            for label, said in labels:
                assert label == "le" or said in allowed[label], (name, label, said)
    assert MARK not in text
    assert KEY not in text


def _is_fault(text: str) -> bool:
    from subscriber.model import Problem

    try:
        parse_fault(text)
    except Problem:
        return False
    return True


def _series(meters: Meters) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in meters.registry.collect()
        if family.name.startswith(PREFIX)
        for sample in family.samples
    }


async def test_what_happened_is_counted() -> None:
    simulator = SimulatorConfig(rate_limit=None, faults=(parse_fault("500:next=1"),))
    async with small_world(simulator=simulator) as world:
        world.publish(service="a", result="fail")
        world.publish(service="b", result="warning")
        world.publish(service="c", result="fail", note={"x": "y"})
        world.raw(b"not json")
        await world.settle(30)
        service = {"pagerduty_service": "default"}
        assert value(world, "messages_received_total") == 4
        assert value(world, "events_matched_total", rule="evaluation") == 2
        assert value(world, "pagerduty_calls_total", status="500", **service) == 1
        assert value(world, "pagerduty_calls_total", status="202", **service) == 2
        assert value(world, "retries_total", reason="server-error", **service) == 1
        assert value(world, "dead_letters_total", reason="not-json") == 1
        assert value(world, "dead_letters_total", reason="rejected") == 0
        skipped = {"outcome": "skipped", "reason": "value-differs"}
        assert value(world, "outcomes_total", **skipped) == 1
        assert value(world, "last_event_received_timestamp_seconds") == 1_700_000_000
        last = value(world, "last_delivery_timestamp_seconds", **service)
        assert last is not None
        assert last >= 1_700_000_000
        assert value(world, "messages_in_hand") == 0
        assert value(world, "oldest_message_in_hand_seconds") == 0
        assert value(world, "consumer_pending_messages", stream="memory") == 0
        left = value(world, "rate_limit_tokens", **service)
        most = value(world, "rate_limit_tokens_maximum", **service)
        assert most == 120
        assert left is not None
        assert left <= 120


async def test_what_waits_can_be_seen_while_it_waits() -> None:
    simulator = SimulatorConfig(rate_limit=None, faults=(parse_fault("slow:seconds=5,next=1"),))
    async with small_world(simulator=simulator, capacity=1) as world:
        for name in "abc":
            world.publish(service=name, result="fail")
        await world.settle(2)
        assert value(world, "messages_in_hand") == 1
        assert value(world, "oldest_message_in_hand_seconds") == 2
        assert value(world, "consumer_pending_messages", stream="memory") == 2
        assert value(world, "consumer_unacknowledged_messages", stream="memory") == 1
        await world.settle(10)
        assert value(world, "messages_in_hand") == 0


async def test_a_throttled_service_and_a_refused_key_can_be_told() -> None:
    service = {"pagerduty_service": "default"}
    throttled = SimulatorConfig(rate_limit=None, faults=(parse_fault("429:next=1"),))
    async with small_world(simulator=throttled) as world:
        assert value(world, "throttled_seconds", **service) == 0
        world.publish(service="a", result="fail")
        await world.settle()
        closed = value(world, "throttled_seconds", **service)
        assert closed is not None
        assert closed > 0
        assert value(world, "routing_key_refusals_total", **service) == 0
    async with small_world(
        simulator=SimulatorConfig(rate_limit=None, known_keys=frozenset({"F" * 32}))
    ) as world:
        world.publish(service="a", result="fail")
        await world.settle()
        assert value(world, "routing_key_refusals_total", **service) == 1
        assert value(world, "dead_letters_total", reason="rejected") == 1


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b"Invalid routing key", True),
        (b"InvalidRoutingKey", True),
        (b'{"status":"invalid event","errors":["\'routing_key\' is missing or invalid"]}', True),
        (b'{"status":"invalid event","errors":["\'summary\' is missing or blank"]}', False),
        (b"", False),
    ],
)
def test_which_refusals_are_about_the_key(body: bytes, about: bool) -> None:
    assert is_about_the_key(judge(Api.EVENTS, Reply(status=400, body=body))) is about


async def test_every_dead_letter_has_its_series_from_the_start() -> None:
    """A counter that appears with its first increment hides it from `increase()`."""
    async with small_world(RULES) as world:
        for reason in DEAD_REASONS:
            assert value(world, "dead_letters_total", reason=reason.value) == 0
        for status in ("0", "202", "400", "429", "500"):
            labels = {"pagerduty_service": "default", "status": status}
            assert value(world, "pagerduty_calls_total", **labels) == 0
        assert value(world, "render_errors_total", rule="evaluation") == 0


def test_a_reason_that_a_dead_letter_may_have_is_not_forgotten() -> None:
    """The first part of the vocabulary is all about events that cannot be read."""
    reasons = list(Reason)
    unreadable = reasons[: reasons.index(Reason.NO_RULE_MATCHED)]
    assert set(unreadable) <= set(DEAD_REASONS)


@pytest.mark.parametrize(
    ("status", "label"),
    [(202, "202"), (0, "0"), (418, "4xx"), (599, "5xx"), (999, "other"), (7, "other")],
)
def test_a_status_that_nobody_asked_for_shares_a_series(status: int, label: str) -> None:
    assert status_label(status) == label


async def test_the_table_and_the_page_are_one() -> None:
    async with small_world() as world:
        await world.machine.sweep.once()
        world.meters.configured("0123456789ab", 1.0)
        world.meters.read("event_loop_lag_seconds", lambda: {(): 0.0})
        shown = {
            family.name: (family.type, family.documentation)
            for family in world.meters.registry.collect()
            if family.name.startswith(PREFIX)
        }
    assert shown == {
        metric.full_name.removesuffix("_total" if metric.kind is Kind.COUNTER else "\0"): (
            metric.kind.value,
            metric.says,
        )
        for metric in METRICS.values()
    }
    assert {label for metric in METRICS.values() for label in metric.labels} == set(LABELS)


async def test_prometheus_would_take_it() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on this machine (Debian: apt install prometheus)")
    async with small_world() as world:
        world.publish(service="a", result="fail")
        await world.settle()
        text = exposition(world.meters)
    assert _promtool(text) == (0, "", "")


def _promtool(text: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_counter_is_looked_up_once() -> None:
    meters = Meters()
    meters.expect(services=("s",), rules=("r",))
    children = meters._matched._known
    before = dict(children)
    for _ in range(1000):
        meters.matched("r")
    assert children == before
    assert re.search(r'events_matched_total\{rule="r"\} 1000\.0', exposition(meters))
