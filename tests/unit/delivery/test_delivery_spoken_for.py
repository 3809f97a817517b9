"""An older event keeps quiet while PagerDuty may have heard a newer one of its key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from subscriber.delivery import Policy
from subscriber.delivery.entry import held_back, spoken_for_until
from subscriber.delivery.table import Move, decide
from subscriber.model import (
    Action,
    Alert,
    AlertKey,
    AlertState,
    Claim,
    Doubt,
    Intent,
    Position,
    Reason,
    Waiting,
)

POLICY = Policy(lease=20.0, send_timeout=10.0, clock_skew=2.0, doubt=30.0)
KEY = AlertKey(service="s", dedup_key="k")
NOW = 1_000.0


def at(sequence: int) -> Position:
    return Position(epoch=1, sequence=sequence)


def move(alert: Alert, sequence: int, action: Action = Action.TRIGGER) -> Move:
    intent = Intent(action=action, service="s", dedup_key="k", event_id="e", position=at(sequence))
    step = decide(alert, intent, owner="me", now=NOW, tries=1, policy=POLICY)
    if step.move is Move.WAIT:
        assert step.reason is Reason.BUSY
        assert step.delay > 0
    return step.move


OPEN = Alert(key=KEY, position=at(1), state=AlertState.OPEN)


def claimed(sequence: int, expires_at: float) -> Alert:
    return replace(
        OPEN, claim=Claim(owner="the dead", position=at(sequence), expires_at=expires_at)
    )


def in_doubt(sequence: int, until: float) -> Alert:
    return replace(OPEN, doubt=Doubt(position=at(sequence), until=until))


@pytest.mark.parametrize("action", [Action.TRIGGER, Action.RESOLVE])
@pytest.mark.parametrize("alert", [claimed(5, NOW - 3), in_doubt(5, NOW - 1)])
def test_an_older_event_waits_and_the_newer_one_speaks(alert: Alert, action: Action) -> None:
    assert move(alert, 4, action) is Move.WAIT
    assert move(alert, 5, action) is Move.SEND
    assert move(alert, 6, action) is Move.SEND


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        (claimed(5, NOW - 31.9), Move.WAIT),
        (claimed(5, NOW - 32.0), Move.SEND),
        (in_doubt(5, NOW - 1.9), Move.WAIT),
        (in_doubt(5, NOW - 2.0), Move.SEND),
    ],
)
def test_it_waits_no_longer_than_the_newer_one_can_take_to_come_back(
    alert: Alert, expected: Move
) -> None:
    assert move(alert, 4) is expected


def owing(**more: object) -> Alert:
    """The settled state owes a repetition that is due."""
    doubt = Doubt(position=Position(), until=NOW - 3)
    return replace(OPEN, doubt=doubt, **more)  # type: ignore[arg-type]


def test_what_is_settled_is_not_repeated_on_top_of_something_newer() -> None:
    assert move(owing(), 1) is Move.REPEAT
    dead = Claim(owner="the dead", position=at(5), expires_at=NOW - 3)
    assert move(owing(claim=dead), 1) is Move.WAIT
    assert move(owing(claim=replace(dead, expires_at=NOW - 32)), 1) is Move.REPEAT
    assert move(owing(claim=replace(dead, position=at(1))), 1) is Move.REPEAT
    waiting = Waiting(position=at(5), until=NOW + 1)
    assert move(owing(waiting=waiting), 1) is Move.WAIT
    assert move(owing(waiting=replace(waiting, until=NOW)), 1) is Move.REPEAT


def test_a_newer_one_that_waits_shorter_does_not_shorten_the_wait() -> None:
    held = held_back(held_back(OPEN, at(5), NOW + 9), at(6), NOW + 1)
    assert held.waiting == Waiting(position=at(6), until=NOW + 9)
    assert held_back(held, at(5), NOW + 99) == held


def test_a_doubt_about_something_older_stops_nobody() -> None:
    assert spoken_for_until(in_doubt(3, NOW), at(4), POLICY) == 0.0
    assert spoken_for_until(replace(OPEN, doubt=Doubt(position=Position(), until=NOW)), at(4),
                            POLICY) == 0.0  # fmt: skip
    assert spoken_for_until(OPEN, at(4), POLICY) == 0.0
