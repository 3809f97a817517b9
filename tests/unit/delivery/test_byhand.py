"""A resolve by hand: behind what is settled, before everything that comes later, really sent."""

from __future__ import annotations

import pytest

from subscriber.delivery import Policy, distrusted, resolve_by_hand
from subscriber.delivery.entry import needs_mending
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
    Waiting,
)

KEY = AlertKey(service="shop", dedup_key="checkout")
AT = Position(epoch=5, sequence=10, index=1)
NOW = 1_000_000.0
POLICY = Policy()


def entry(state: AlertState, **changes: object) -> Alert:
    return Alert(key=KEY, state=state, **({"position": AT} | changes))  # type: ignore[arg-type]


def by_hand(alert: Alert) -> Intent:
    return resolve_by_hand(alert, event_id="by-hand-1", now=NOW)


def move(alert: Alert, intent: Intent) -> Move:
    return decide(alert, intent, owner="me", now=NOW, tries=1, policy=POLICY).move


@pytest.mark.parametrize("state", AlertState)
def test_it_is_sent_whatever_the_ledger_believes(state: AlertState) -> None:
    alert = entry(state)
    assert move(distrusted(alert), by_hand(alert)) is Move.SEND


@pytest.mark.parametrize("state", AlertState)
@pytest.mark.parametrize("action", [Action.TRIGGER, Action.RESOLVE])
@pytest.mark.parametrize(
    "later", [Position(epoch=5, sequence=11), Position(epoch=6, sequence=1)], ids=str
)
def test_every_later_event_counts_as_newer(
    state: AlertState, action: Action, later: Position
) -> None:
    intent = by_hand(entry(state))
    after = entry(AlertState.RESOLVED, position=intent.position)
    event = Intent(action=action, service="shop", dedup_key="checkout", position=later)
    assert event.position > intent.position > AT
    assert move(after, event) in (Move.SEND, Move.PASS)


def test_the_event_it_ends_and_older_ones_are_over() -> None:
    after = entry(AlertState.RESOLVED, position=by_hand(entry(AlertState.OPEN)).position)
    for at in (AT, Position(epoch=5, sequence=9), Position(epoch=4, sequence=99)):
        late = Intent(action=Action.TRIGGER, service="shop", dedup_key="checkout", position=at)
        assert move(after, late) is Move.END


def test_for_a_key_never_seen_every_event_is_newer() -> None:
    intent = by_hand(Alert(key=KEY))
    assert Position() < intent.position < Position(epoch=1, sequence=1)


def test_it_waits_for_a_replica_that_is_talking_and_for_a_newer_event() -> None:
    newer = Position(epoch=5, sequence=12)
    claim = Claim(owner="other", position=newer, expires_at=NOW + 5)
    assert move(entry(AlertState.OPEN, claim=claim), by_hand(entry(AlertState.OPEN))) is Move.WAIT
    waiting = Waiting(position=newer, until=NOW + 5)
    alert = entry(AlertState.OPEN, waiting=waiting)
    assert move(alert, by_hand(alert)) is Move.WAIT


def test_distrust_is_only_for_what_is_resolved_and_at_rest() -> None:
    for state in (AlertState.NONE, AlertState.OPEN, AlertState.ACKNOWLEDGED):
        assert distrusted(entry(state)) == entry(state)
    claim = Claim(owner="other", position=AT, expires_at=NOW)
    busy = entry(AlertState.RESOLVED, claim=claim)
    assert distrusted(busy) == busy


def test_distrust_forgets_no_request_that_may_still_arrive() -> None:
    alert = entry(AlertState.RESOLVED, doubt=Doubt(position=AT, until=NOW + 20))
    noted = distrusted(alert).doubt
    assert noted is not None
    assert noted.until == NOW + 20
    assert noted.position < AT


def test_distrust_left_behind_by_a_crash_is_mended_by_the_sweep() -> None:
    assert needs_mending(distrusted(entry(AlertState.RESOLVED)), now=NOW, policy=POLICY)
