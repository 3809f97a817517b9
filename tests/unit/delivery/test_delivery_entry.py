"""An entry changes in what its change is about, and in nothing else, whatever fields it has."""

from __future__ import annotations

from dataclasses import fields

from subscriber.delivery import entry
from subscriber.delivery.policy import Policy
from subscriber.model import (
    Action,
    Alert,
    AlertKey,
    AlertState,
    Claim,
    Doubt,
    Intent,
    Position,
    Waiting,
)


def at(sequence: int) -> Position:
    return Position(epoch=7, sequence=sequence, index=1)


FULL = Alert(
    key=AlertKey(service="shop", dedup_key="cart"),
    position=at(3),
    state=AlertState.OPEN,
    acknowledged=at(2),
    claim=Claim(owner="me", position=at(4), expires_at=30.0),
    doubt=Doubt(position=at(1), until=20.0),
    waiting=Waiting(position=at(9), until=50.0),
    rule="cd/old",
    event_id="old",
    updated_at=10.0,
)


def changed(before: Alert, after: Alert) -> set[str]:
    return {f.name for f in fields(Alert) if getattr(before, f.name) != getattr(after, f.name)}


def test_the_sample_has_something_in_every_field() -> None:
    assert changed(Alert(key=AlertKey(service="", dedup_key="")), FULL) == {
        field.name for field in fields(Alert)
    }


def test_a_claim_changes_nothing_but_the_claim() -> None:
    claim = Claim(owner="me", position=at(5), expires_at=60.0)
    taken = entry.claimed(FULL, claim, now=5.0, policy=Policy())
    assert changed(FULL, taken) == {"claim"}
    assert taken.claim == claim


def test_settling_keeps_what_is_still_unknown_waiting_or_acknowledged() -> None:
    intent = Intent(
        action=Action.TRIGGER,
        service="shop",
        dedup_key="cart",
        rule="cd/new",
        event_id="new",
        position=at(4),
    )
    settled = entry.settled(
        FULL,
        intent,
        state=AlertState.RESOLVED,
        acknowledged=False,
        seen=None,
        began=11.0,
        now=12.0,
        policy=Policy(),
    )
    # All but the key, the acknowledge, the doubt that came up meanwhile and the newer that waits.
    assert changed(FULL, settled) == {
        *("position", "state", "claim", "rule", "event_id", "updated_at"),
    }
    assert (settled.position, settled.claim, settled.rule) == (at(4), None, "cd/new")
