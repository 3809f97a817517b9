"""A backlog ends where its newest events say, whatever is in it and whenever the process dies."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_world import RULES, SmallWorld, small_world

from subscriber.service.journal import Journal, set_up
from subscriber.service.report import Observers, Report
from subscriber.simulator import SimulatorConfig, parse_fault

NOBODYS = {"specversion": "1.0", "source": "test", "type": "sh.keptn.event.get-sli.triggered"}
STATE = {"fail": "triggered", "pass": "resolved"}


async def read_all(world: SmallWorld) -> None:
    for _ in range(8):
        await world.settle(20)
        if not world.stream.unsettled:
            return


def wrong(world: SmallWorld, newest: dict[str, str]) -> dict[str, str]:
    """Keys whose state is not what their newest event asks for; one never opened is as resolved."""
    return {
        key: world.state(key)
        for key, result in newest.items()
        if world.state(key) != STATE[result] and (world.state(key), result) != ("", "pass")
    }


async def test_only_the_newest_of_each_key_is_said() -> None:
    async with small_world(capacity=40) as world:
        for number in range(600):
            world.publish(service=f"s{number % 5}", result="pass" if (number // 5) % 2 else "fail")
        await world.settle()
        assert world.stand_in.calls.total == 5
        assert world.ends() == {"superseded: superseded": 595, "delivered: accepted": 5}
        assert {world.state(f"s{n}") for n in range(5)} <= {"resolved", ""}
        assert world.stream.unsettled == 0
        assert (
            world.meters.registry.get_sample_value(
                "pagerduty_subscriber_events_matched_total", {"rule": "evaluation"}
            )
            == 600
        )


async def test_a_superseded_event_tells_what_it_would_have_said() -> None:
    async with small_world(capacity=40) as world:
        for _ in range(150):
            world.publish(service="a", result="fail")
        await world.settle()
        old = next(r for r in world.reports if r.outcome.kind.value == "superseded")
        assert old.rule == "evaluation"
        assert old.event is not None
        intent = old.outcome.intent
        assert intent is not None
        assert (intent.action.value, intent.dedup_key, intent.payload) == ("trigger", "a", None)


async def test_the_body_of_a_superseded_event_is_never_rendered() -> None:
    """Its fault is nobody's concern any more; the fault of the newest still pages plainly."""
    broken: dict[str, Any] = {"note": {"deep": ["the summary cannot be rendered", None]}}
    rules = RULES.replace("{{.data.note}}", "{{.data.note.missing}}")
    async with small_world(rules, capacity=40) as world:
        for _ in range(200):
            world.publish(service="a", result="fail", **broken)
        await world.settle()
        assert world.state("a") == "triggered"
        assert world.ends() == {"superseded: superseded": 199, "delivered: accepted": 1}
        errors = world.meters.registry.get_sample_value(
            "pagerduty_subscriber_render_errors_total", {"rule": "evaluation"}
        )
        assert errors == 2  # the newest, and the one before it that was kept in case
        assert {h["Dead-Letter-Reason"] for _, h in await world.letters()} == {"render-failed"}


async def test_faults_that_the_order_needs_are_told_of_also_in_a_backlog() -> None:
    async with small_world(capacity=40) as world:
        for number in range(200):
            world.publish(service="a", result="fail")
            if number % 50 == 0:
                world.raw(b"{")
                world.publish(service="", result="fail")  # no key
        await world.settle()
        ends = world.ends()
        assert ends["dead-lettered: not-json"] == 4
        letters = [h["Dead-Letter-Reason"] for _, h in await world.letters()]
        assert letters.count("missing-dedup-key") == 4
        assert world.state("evaluation/test") == "triggered"  # their fallback page
        assert world.state("a") == "triggered"
        assert world.stream.unsettled == 0


async def test_when_pagerduty_refuses_the_newest_the_one_before_it_speaks() -> None:
    config = SimulatorConfig(rate_limit=None, faults=(parse_fault("400-text:next=1"),))
    async with small_world(simulator=config, capacity=40) as world:
        for _ in range(200):
            world.publish(service="a", result="fail")
        await world.settle()
        assert world.state("a") == "triggered"
        assert world.ends() == {
            "superseded: superseded": 198,
            "dead-lettered: rejected": 1,
            "delivered: accepted": 1,
        }


BOTH = f"""{RULES}
  - name: other
    types: sh.keptn.event.evaluation.finished
    action: trigger
    dedup_key: 'other/{{{{.data.service}}}}'
    body: {{summary: other, severity: info}}
pagerduty: {{rate_limit: 0}}
"""


async def test_a_message_that_asks_for_several_things_ends_when_all_have_ended() -> None:
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    async with small_world(BOTH, capacity=40) as world:
        for number in range(150):
            event = {
                "specversion": "1.0",
                "source": "test",
                "type": "sh.keptn.event.evaluation.finished",
            }
            members = [
                {**event, "id": f"{number}-{n}", "data": {"service": s, "result": r, "note": 1}}
                for n, (s, r) in enumerate([("a", "fail"), (f"b{number}", "pass"), ("c", "skip")])
            ]
            world.raw(json.dumps(members).encode(), **batch)
        await read_all(world)
        assert world.stream.unsettled == 0
        assert world.pump.in_hand == 0
        assert world.state("a") == "triggered"
        assert world.state("other/a") == world.state("other/b0") == "triggered"
        ends = world.ends()
        assert ends.total() == 150 * 6
        assert ends["skipped: value-differs"] == 150


async def test_a_stop_in_the_middle_says_nothing_old_and_gives_back_the_rest() -> None:
    async with small_world(capacity=2) as world:
        for _ in range(300):
            world.publish(service="a", result="fail")
        await world.settle()
        assert world.pump.in_hand == 2  # they fill the capacity, and 298 wait behind them
        assert await world.pump.drain(5) == 2
        assert world.stand_in.calls.total == 0
        assert world.pump.in_hand == 0
        assert world.stream.unsettled == 300


async def test_silence_in_the_middle_releases_what_is_held_back() -> None:
    async with small_world(capacity=2) as world:
        for _ in range(300):
            world.publish(service="a", result="fail")
        await world.settle(0.9)
        assert world.stand_in.calls.total == 0
        await world.settle(0.2)
        assert world.stand_in.calls.total == 1


async def test_what_is_held_back_waits_for_nothing_when_the_rest_is_not_for_us() -> None:
    async with small_world(capacity=8) as world:
        for number in range(300):
            if number < 150:
                world.publish(service="a", result="fail")
            else:
                world.raw(json.dumps({**NOBODYS, "id": str(number)}).encode())
        await world.settle(0.0)
        assert world.stand_in.calls.total == 1
        assert world.stream.unsettled == 0


class Unminding(list[Report]):
    """An observer that can do without the reports of what comes by the ten thousand."""

    def minds_skipped(self) -> bool:
        return False

    def note(self, report: Report) -> None:
        self.append(report)


async def test_what_nobody_minds_is_counted_and_summed_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the level info the log has one line for all that a backlog was spared."""
    try:
        set_up(style="json", level="info", stream=sys.stderr)
        async with small_world(capacity=40) as world:
            told = Unminding()
            world.pump._observer = Observers((world.meters, Journal(), told))
            world.pump._ending._observer = world.pump._observer
            for number in range(300):
                world.publish(service=f"s{number % 2}", result="fail")
            await world.settle()
            assert world.meters.total("superseded") == 298
            assert world.meters.total("delivered") == 2
            assert (
                world.meters.registry.get_sample_value(
                    "pagerduty_subscriber_events_matched_total", {"rule": "evaluation"}
                )
                == 300
            )
            assert world.stream.unsettled == 0
            assert world.pump.in_hand == 0
    finally:
        structlog.reset_defaults()
    assert {r.outcome.kind.value for r in told if not r.held_back} == {"delivered", "superseded"}
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (summary,) = [line for line in lines if line["event"] == "backlog-read"]
    assert (summary["superseded"], summary["held_back"]) == (296, 4)
    assert [line["event"] for line in lines].count("superseded") == 2  # after the newer one


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    keys=st.integers(1, 30),
    events=st.integers(101, 500),
    capacity=st.sampled_from([8, 40, 200, 1000]),
)
def test_random_histories_end_where_their_newest_events_say(
    seed: int, keys: int, events: int, capacity: int
) -> None:
    chance = random.Random(seed)

    async def play() -> None:
        async with small_world(capacity=capacity) as world:
            newest: dict[str, str] = {}
            for _ in range(events):
                key, result = f"s{chance.randrange(keys)}", chance.choice(["pass", "fail"])
                newest[key] = result
                world.publish(service=key, result=result)
                if chance.random() < 0.01:
                    await world.settle(chance.choice([0, 0.3, 6]))
            await read_all(world)
            assert world.stream.unsettled == 0
            assert wrong(world, newest) == {}
            assert world.ends().total() == events
            assert set(world.ends()) <= {
                "superseded: superseded",
                "delivered: accepted",
                "skipped: already-resolved",
            }

    asyncio.run(play())


@pytest.mark.parametrize("seed", range(12))
async def test_a_crash_in_the_middle_of_a_backlog_loses_nothing(seed: int) -> None:
    chance = random.Random(seed)
    slow = parse_fault("slow:seconds=3")
    config = SimulatorConfig(rate_limit=None, faults=(slow,) if seed % 2 else ())
    async with small_world(capacity=60, simulator=config) as world:
        newest: dict[str, str] = {}
        for number in range(900):
            key, result = f"s{chance.randrange(20)}", chance.choice(["pass", "fail"])
            newest[key] = result
            world.publish(service=key, result=result)
            if number % 300 == 299:
                for _ in range(chance.randrange(1, 12)):
                    await asyncio.sleep(0)
                held = len(world.pump._holdback)
                await world.replace_killed(capacity=60)
                assert world.stream.unsettled >= held
        for _ in range(8):
            await world.settle(60)
        assert world.stream.unsettled == 0
        assert wrong(world, newest) == {}
