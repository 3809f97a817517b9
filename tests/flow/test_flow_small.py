"""Small cases, every history of them."""

from __future__ import annotations

import pytest
from flow_small import Bounds, explore, triples

from subscriber.model import Action

T, R = Action.TRIGGER, Action.RESOLVE


def names(actions: tuple[Action, ...]) -> str:
    return "-".join(action.value for action in actions)


@pytest.mark.parametrize("actions", list(triples()), ids=names)
def test_three_events_two_replicas_one_crash_anywhere(actions: tuple[Action, ...]) -> None:
    found = explore(actions, Bounds(crashes=1))
    assert not found.bad, found.example
    assert found.states > 200
    assert found.holes == 0


@pytest.mark.parametrize("actions", list(triples()), ids=names)
def test_three_events_two_replicas_one_lost_reply_anywhere(actions: tuple[Action, ...]) -> None:
    found = explore(actions, Bounds(losses=1, deliveries=1))
    assert not found.bad, found.example
    assert found.histories > 3


@pytest.mark.parametrize("actions", [(T, R, T), (R, T, R)], ids=names)
def test_the_same_without_a_guess(actions: tuple[Action, ...]) -> None:
    assert not explore(actions, Bounds(crashes=1, guesses=False)).bad


@pytest.mark.parametrize(
    "actions", [a for a in triples() if Action.ACKNOWLEDGE not in a], ids=names
)
def test_three_events_two_replicas_a_lease_passes_anywhere(actions: tuple[Action, ...]) -> None:
    found = explore(actions, Bounds(ticks=1, deliveries=1))
    assert not found.bad, found.example
    assert found.states > 1_000


@pytest.mark.parametrize("actions", [(T, R), (R, T)], ids=names)
def test_two_events_two_replicas_two_leases_pass_anywhere(actions: tuple[Action, ...]) -> None:
    """Long enough for a take-over, its repetition, and the frozen one's request after both."""
    found = explore(actions, Bounds(ticks=2))
    assert not found.bad, found.example
    assert found.states > 5_000
