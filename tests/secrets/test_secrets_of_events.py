"""Every way in which an event can end, and no secret in anything that is left of it.

Each `Reason` has a case that provokes it here or in `test_secrets_of_settings`, or says in `EXEMPT`
why it needs none; a new Reason fails the last test until it has one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from secret_world import KEY, OTHER_KEY, SECRETS, everything, leaks, log, played
from service_world import RULES, SmallWorld, small_world
from test_secrets_of_settings import PROVOKED as PROVOKED_BY_SETTINGS

from subscriber.model import (
    Alert,
    AlertKey,
    Envelope,
    Event,
    Outcome,
    OutcomeKind,
    Position,
    Problem,
    Reason,
    excerpt,
)
from subscriber.model.alert import Claim
from subscriber.pagerduty import Reply, judge
from subscriber.pagerduty.request import Api
from subscriber.service.report import Report
from subscriber.simulator import SimulatorConfig, parse_fault

TYPE = "sh.keptn.event.evaluation.finished"


def event(**changes: Any) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": TYPE,
        "data": {"service": "a", "result": "fail", "note": KEY},
        **changes,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


# -- events that cannot be read, with the key where it hurts -------------------------------------

UNREADABLE: dict[Reason, tuple[bytes, dict[str, str]]] = {
    Reason.EMPTY_MESSAGE: (b"", {"X-Key": KEY}),
    Reason.TOO_LARGE: (event(data=[KEY] * 50_000), {}),
    Reason.NOT_JSON: (f'{{"{KEY}": {KEY}'.encode(), {}),
    Reason.NOT_A_NUMBER: (event().replace(f'"{KEY}"'.encode(), b"NaN"), {"X-Key": KEY}),
    Reason.DUPLICATE_KEY: (f'{{"{KEY}": 1, "{KEY}": 2}}'.encode(), {}),
    Reason.TOO_DEEP: (event(data={KEY: 1}).replace(b"1}", b"[" * 300 + b"]" * 300 + b"}"), {}),
    Reason.LONE_SURROGATE: (event(data={KEY: "\ud800"}), {}),
    Reason.CONTROL_CHARACTER: (event(source=f"{KEY}\x07"), {}),
    Reason.NOT_A_CLOUDEVENT: (json.dumps({KEY: KEY}).encode(), {}),
    Reason.MISSING_ATTRIBUTE: (event(id=..., source=KEY), {}),
    Reason.INVALID_ATTRIBUTE: (event(**{f"{KEY}!": KEY}), {}),
    Reason.INVALID_TIME: (event(time=KEY), {}),
    Reason.INVALID_ENCODING: (event(), {"Content-Type": f"application/cloudevents+{KEY}"}),
    Reason.UNSUPPORTED_SPECVERSION: (event(specversion=KEY), {}),
}


@pytest.mark.parametrize("reason", UNREADABLE)
@pytest.mark.parametrize("knows", [True, False])
async def test_an_unreadable_event(reason: Reason, knows: bool) -> None:
    data, headers = UNREADABLE[reason]

    async def play(world: SmallWorld) -> None:
        world.raw(data, **headers)
        await world.settle()

    reasons, shown = await played(play, knows=knows)
    assert reasons == {reason}
    assert {name: leaks(text) for name, text in shown.items() if leaks(text)} == {}


# -- rules ---------------------------------------------------------------------------------------


def rule(**changes: str) -> str:
    """The rule of `service_world` with some lines replaced."""
    lines = []
    for line in RULES.splitlines():
        name = line.strip().partition(":")[0]
        lines.append(f"    {name}: {changes.pop(name)}" if name in changes else line)
    return "\n".join([*lines, *(f"    {name}: {value}" for name, value in changes.items())])


RULED: dict[Reason, tuple[str, bytes]] = {
    Reason.NO_RULE_MATCHED: (RULES, event(type=f"other.{KEY}")),
    Reason.VALUE_DIFFERS: (RULES, event(data={"result": KEY, "service": KEY})),
    Reason.CONDITION_FALSE: (rule(when="'eq .data.note `x`'"), event()),
    Reason.ACTION_EMPTY: (rule(action="'{{if false}}trigger{{end}}'"), event()),
    Reason.RENDER_FAILED: (rule(dedup_key="'{{.data.note.absent}}'"), event()),
    Reason.INVALID_ACTION: (rule(action="'{{.data.note}}'"), event()),
    Reason.INVALID_BODY: (rule(body="{summary: x, links: '{{.data.note}}'}"), event()),
    Reason.UNKNOWN_SERVICE: (rule(service="'{{.data.note}}'"), event()),
    Reason.MISSING_DEDUP_KEY: (rule(dedup_key="'{{if false}}{{.data.note}}{{end}}'"), event()),
}


@pytest.mark.parametrize("reason", RULED)
async def test_a_rule_that_cannot_say_what_it_wants(reason: Reason) -> None:
    config, data = RULED[reason]

    async def play(world: SmallWorld) -> None:
        world.raw(data)
        await world.settle()

    reasons, shown = await played(play, config=config, knows=True)
    assert reason in reasons
    # an intent's payload is what PagerDuty is to hear of the event, whatever that is
    del shown["outcomes"]
    assert {name: leaks(text) for name, text in shown.items() if leaks(text)} == {}


# -- the conversation with PagerDuty -------------------------------------------------------------


@dataclass(frozen=True)
class Talk:
    """A case: what is played, by which rules, before which PagerDuty."""

    play: Callable[[SmallWorld], Awaitable[object]]
    config: str = RULES
    faults: tuple[str, ...] = ()
    known: bool = True

    @property
    def simulator(self) -> SimulatorConfig:
        keys = None if self.known else frozenset({"F" * 32})
        return SimulatorConfig(
            rate_limit=None, faults=tuple(map(parse_fault, self.faults)), known_keys=keys
        )


def publishing(*results: str, seconds: float = 0.0) -> Callable[[SmallWorld], Awaitable[object]]:
    async def play(world: SmallWorld) -> None:
        for result in results:
            world.publish(service="a", result=result)
            await world.settle(seconds)

    return play


async def again(world: SmallWorld) -> Outcome:
    """The very same event once more."""
    await publishing("fail")(world)
    report = world.reports[0]
    assert report.outcome.intent is not None
    return await world.machine.courier.deliver(report.outcome.intent, report.envelope)


async def too_late(world: SmallWorld) -> Outcome:
    """The older of two events once more."""
    await publishing("fail", "pass")(world)
    report = world.reports[0]
    assert report.outcome.intent is not None
    return await world.machine.courier.deliver(report.outcome.intent, report.envelope)


async def occupied(world: SmallWorld) -> Outcome:
    """Somebody else is talking about the key."""
    await publishing("fail")(world)
    report = world.reports[0]
    intent = report.outcome.intent
    assert intent is not None
    key = AlertKey(service=intent.service, dedup_key=intent.dedup_key)
    alert, revision = await world.ledger.load(key)
    newer = Position(epoch=intent.position.epoch, sequence=intent.position.sequence + 1)
    claim = Claim(owner="another", position=newer, expires_at=world.clock.now() + 20)
    await world.ledger.save(replace(alert, claim=claim), revision)
    later = replace(intent, position=replace(newer, sequence=newer.sequence + 1))
    return await world.machine.courier.deliver(later, report.envelope)


async def old(world: SmallWorld) -> None:
    world.raw(event(time="2001-01-01T00:00:00Z"))
    await world.settle()


async def two_keys(world: SmallWorld) -> None:
    for service in ("a", "b", "c"):
        world.publish(service=service, result="fail")
    await world.settle(1)


TALKS: dict[Reason, Talk] = {
    Reason.ACCEPTED: Talk(publishing("fail")),
    Reason.REJECTED: Talk(publishing("fail"), known=False),
    Reason.THROTTLED: Talk(
        publishing("fail", seconds=30),
        config=RULES + "pagerduty: {rate_limit: 0}\n",
        faults=("429:next=9",),
    ),
    Reason.SERVER_ERROR: Talk(publishing("fail", seconds=30), faults=("500:next=9",)),
    Reason.TIMED_OUT: Talk(publishing("fail", seconds=600), faults=("timeout-before",)),
    Reason.UNREACHABLE: Talk(publishing("fail", seconds=30), faults=("reset-before:next=9",)),
    Reason.DUPLICATE: Talk(again),
    Reason.SUPERSEDED: Talk(too_late),
    Reason.NOT_OPEN: Talk(publishing("fail"), config=rule(action="acknowledge")),
    Reason.ALREADY_RESOLVED: Talk(publishing("pass", "pass")),
    Reason.STALE: Talk(old, config=RULES + "delivery: {stale_after: 60}\n"),
    Reason.BUSY: Talk(occupied),
    Reason.RATE_LIMITED: Talk(two_keys, config=RULES + "pagerduty: {rate_limit: 1}\n"),
    Reason.EXPIRED: Talk(
        publishing("fail", seconds=3600),
        config=RULES + "delivery: {max_age: 600}\n",
        faults=("503",),
    ),
}


@pytest.mark.parametrize("reason", TALKS)
async def test_a_conversation(reason: Reason) -> None:
    talk = TALKS[reason]
    # this redactor knows no key: what would show one, shows it
    reasons, shown = await played(
        talk.play, config=talk.config, simulator=talk.simulator, knows=False
    )
    assert reason in reasons
    if reason is Reason.STALE:
        del shown["outcomes"]  # the event itself held the key
    assert {name: leaks(text) for name, text in shown.items() if leaks(text)} == {}


# -- whatever the reason: an answer or an exception that quotes a secret ---------------------------


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("kind", OutcomeKind)
async def test_whatever_ends_with_a_secret_in_its_text(reason: Reason, kind: OutcomeKind) -> None:
    """The last line of defence: a careless message, on its way into log, metrics, dead letter."""
    careless = " | ".join(SECRETS.values())
    outcome = Outcome(kind=kind, reason=reason, message=careless, errors=tuple(SECRETS.values()))
    with log(knows=True) as out:
        async with small_world() as world:
            whole = Event(id="1", source="s", type=TYPE)
            world.reports.append(
                Report(outcome=outcome, envelope=Envelope(subject="s", data=b""), event=whole)
            )
            world.meters.note(world.reports[0])
            shown = await everything(world, out)
    assert reason.value in shown["log"]
    assert "****" in shown["log"]
    for channel in ("log", "metrics"):
        assert leaks(shown[channel]) == []


@pytest.mark.parametrize("status", [0, 200, 202, 302, 400, 401, 413, 429, 500, 503])
@pytest.mark.parametrize("shape", ["text", "json", "nested", "header", "cut"])
def test_an_answer_that_quotes_our_request(status: int, shape: str) -> None:
    body = {
        "text": f"bad request: routing_key={KEY} {OTHER_KEY}",
        "json": json.dumps({"message": KEY, "errors": [f"'{KEY}' is bad", OTHER_KEY]}),
        "nested": json.dumps({"error": {"errors": {KEY: [KEY]}, "message": {"a": KEY}}}),
        "header": "",
        "cut": "x" * 290 + " " + KEY + OTHER_KEY.join("  "),
    }[shape]
    reply = Reply(
        status=status, body=body.encode(), headers={"retry-after": KEY, "location": KEY}, detail=KEY
    )
    assert leaks(repr(judge(Api.EVENTS, reply))) == []


@pytest.mark.parametrize("length", range(4, 100))
def test_no_quotation_cuts_a_key_in_two(length: int) -> None:
    for before in ("", "key=", "x" * 20 + " "):
        assert leaks(excerpt(f"{before}{KEY}", length)) == []


def test_an_entry_of_the_ledger_knows_services_by_name_only() -> None:
    shown = repr(Alert(key=AlertKey(service="shop", dedup_key="x")))
    assert leaks(shown) == []


EXEMPT: dict[Reason, str] = {
    Reason.LEDGER_UNAVAILABLE: "its text is that of a PortUnavailable: test_secrets_of_settings "
    "provokes those of NATS, and the test above shows what becomes of one that quotes a secret",
    Reason.REPAIRED: "says that a settled state was said once more; its text is a constant of "
    "delivery/, and its histories are those of tests/flow",
    Reason.IN_DOUBT: "as REPAIRED",
    Reason.INTERNAL_ERROR: "a bug of ours: its text is a constant, its trace is a line of the log, "
    "and what becomes of one that quotes a secret is in tests/service/test_service_journal.py",
    Reason.MISSING_PROGRAM: "names the nats-server that is not installed, and nothing else",
}


def test_every_reason_has_a_case() -> None:
    provoked = {*UNREADABLE, *RULED, *TALKS, *PROVOKED_BY_SETTINGS}
    assert not provoked & {*EXEMPT}, "exempt, and yet provoked"
    assert provoked | {*EXEMPT} == {*Reason}
    assert all(len(why) > 20 or why in {"as REPAIRED"} for why in EXEMPT.values())


def test_the_telltale_tells() -> None:
    """The test of the tests: whole, part, or inside of something else."""
    assert leaks(f"x{KEY}x") == ["routing key"]
    assert leaks(KEY[5:20]) == ["routing key"]
    assert leaks(repr(Problem(Reason.INTERNAL_ERROR, OTHER_KEY))) == ["other routing key"]
    assert leaks("nothing") == []
