"""The table is complete, and what supersedes what is what the entry does."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from subscriber.delivery import Policy
from subscriber.delivery.table import SUPERSEDES, TABLE, Move, Place, decide, place_of
from subscriber.model import (
    Action,
    Alert,
    AlertKey,
    AlertState,
    Claim,
    Doubt,
    Intent,
    OutcomeKind,
    Position,
)

KEY = AlertKey(service="s", dedup_key="k")
TALKS = (Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE)


def at(sequence: int) -> Position:
    return Position(epoch=1, sequence=sequence)


def intent(action: Action, sequence: int) -> Intent:
    return Intent(action=action, service="s", dedup_key="k", event_id="e", position=at(sequence))


def test_every_state_and_action_has_a_row() -> None:
    pairs = set(itertools.product(AlertState, TALKS)) | {(AlertState.NONE, Action.CHANGE)}
    assert set(TABLE) == pairs


@pytest.mark.parametrize(("state", "action"), TABLE)
def test_rows_lead_where_they_say(state: AlertState, action: Action) -> None:
    row = TABLE[(state, action)]
    position = Position() if state is AlertState.NONE else at(3)
    alert = Alert(key=KEY, state=state, position=position)
    step = decide(alert, intent(action, 5), owner="me", now=0.0, tries=1, policy=Policy())
    assert step.move is row.move
    assert step.place is Place.NEWER
    if row.move is Move.SEND:
        assert step.state is row.state
    else:
        assert step.kind is OutcomeKind.SKIPPED
        assert step.reason is row.reason
        assert row.state is state


@pytest.mark.parametrize("action", TALKS)
@pytest.mark.parametrize("state", [s for s in AlertState if s is not AlertState.NONE])
@pytest.mark.parametrize("claimed", ["free", "live", "expired"])
@pytest.mark.parametrize("doubtful", ["sure", "older", "same", "newer"])
@pytest.mark.parametrize("sequence", [4, 5, 6])
def test_every_situation_has_one_step(
    action: Action, state: AlertState, claimed: str, doubtful: str, sequence: int
) -> None:
    now, policy = 1000.0, Policy()
    ends = {"free": None, "live": now + 1, "expired": now - 100}[claimed]
    claim = None if ends is None else Claim(owner="you", position=at(7), expires_at=ends)
    places = {"sure": None, "older": at(3), "same": at(5), "newer": at(8)}[doubtful]
    doubt = None if places is None else Doubt(position=places, until=now - 100)
    alert = Alert(key=KEY, state=state, position=at(5), event_id="e", claim=claim, doubt=doubt)
    step = decide(alert, intent(action, sequence), owner="me", now=now, tries=1, policy=policy)
    if sequence > 5:
        assert step.move is not Move.END
        if claimed == "live":
            assert step.move is Move.WAIT
        elif action is Action.TRIGGER:
            assert step.move is Move.SEND
        elif (state, action) == (AlertState.RESOLVED, Action.RESOLVE):
            at_rest = claimed == "free" and doubtful in ("sure", "same")
            assert step.move is (Move.PASS if at_rest else Move.SEND)
    elif doubtful == "older":
        assert step.move is (Move.WAIT if claimed == "live" else Move.REPEAT)
    else:
        assert step.move is Move.END
    if step.move is Move.WAIT:
        assert step.delay > 0


@pytest.mark.parametrize(("newer", "older"), SUPERSEDES)
def test_what_is_settled_supersedes_as_the_table_says(newer: Action, older: Action) -> None:
    """An alert is open; the newer one is settled; does the older one still have to be said?"""
    if newer is Action.ACKNOWLEDGE:
        alert = Alert(key=KEY, state=AlertState.ACKNOWLEDGED, position=at(1), acknowledged=at(5))
    else:
        state = TABLE[(AlertState.OPEN, newer)].state
        alert = Alert(key=KEY, state=state, position=at(5))
    place = place_of(alert, intent(older, 4))
    assert (place is Place.OLDER) is SUPERSEDES[(newer, older)]


def test_the_documented_table_is_the_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "delivery.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for state in AlertState:
        cells = [state.value]
        for action in TALKS:
            row = TABLE[(state, action)]
            name = row.move.name.lower()
            sends = row.move is Move.SEND
            cells.append(f"{name} -> {row.state}" if sends else f"{name} ({row.reason})")
        assert "| " + " | ".join(cells) + " |" in lines
