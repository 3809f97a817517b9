"""Alert state: the whole (state, action) table, and the rules around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_bodies import KEY, OTHER, encoded, event, with_value, without

from subscriber.simulator import Api, Effect, SimulatorConfig, StandIn, Status

# How to bring a fresh key into a state.
PATHS = {
    "none": [],
    "triggered": ["trigger"],
    "acknowledged": ["trigger", "acknowledge"],
    "resolved": ["trigger", "resolve"],
}
# state, action -> effect, state of the newest alert afterwards, alerts afterwards
TABLE = {
    ("none", "trigger"): (Effect.OPENED, "triggered", 1),
    ("none", "acknowledge"): (Effect.DROPPED, "none", 0),
    ("none", "resolve"): (Effect.DROPPED, "none", 0),
    ("triggered", "trigger"): (Effect.UPDATED, "triggered", 1),
    ("triggered", "acknowledge"): (Effect.ACKNOWLEDGED, "acknowledged", 1),
    ("triggered", "resolve"): (Effect.RESOLVED, "resolved", 1),
    ("acknowledged", "trigger"): (Effect.UPDATED, "acknowledged", 1),
    ("acknowledged", "acknowledge"): (Effect.ACKNOWLEDGED, "acknowledged", 1),
    ("acknowledged", "resolve"): (Effect.RESOLVED, "resolved", 1),
    ("resolved", "trigger"): (Effect.OPENED, "triggered", 2),
    ("resolved", "acknowledge"): (Effect.DROPPED, "resolved", 1),
    ("resolved", "resolve"): (Effect.DROPPED, "resolved", 1),
}
ACTIONS = ("trigger", "acknowledge", "resolve")


def send(stand_in: StandIn, action: str, now: float = 1.0, **members: object) -> Effect:
    ruling = stand_in.receive(Api.EVENTS, encoded(event(action) | members), now)
    assert ruling.answer.status == 202
    return ruling.call.effect


def test_the_table_is_whole() -> None:
    assert set(TABLE) == {(state, action) for state in PATHS for action in ACTIONS}


@pytest.mark.parametrize(("state", "action"), TABLE)
def test_every_state_and_action(state: str, action: str) -> None:
    stand_in = StandIn()
    for step in PATHS[state]:
        send(stand_in, step)
    before = stand_in.alert("web/dev")
    assert (str(before.status) if before else "none") == state
    effect, after, alerts = TABLE[state, action]

    assert send(stand_in, action, now=2.0) is effect

    newest = stand_in.alert("web/dev")
    assert (str(newest.status) if newest else "none") == after
    assert stand_in.ledger.total == len(stand_in.ledger) == alerts
    assert stand_in.effects[effect] >= 1
    if effect is Effect.OPENED and before is not None:
        assert before.status is Status.RESOLVED, "a new alert, never a reopened one"
    if effect is not Effect.DROPPED:
        assert newest is not None
        assert newest.changed_at == 2.0
        assert newest.log[-1].action == action
        assert [call.alert for call in stand_in.calls][-1] == newest.number
    elif newest is not None:
        assert newest.changed_at == 1.0


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from("ab"), st.booleans())))
def test_any_history_keeps_keys_apart_and_pages_once_per_opening(
    history: list[tuple[str, str, bool]],
) -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=None))
    model: dict[tuple[str, str], list[str]] = {}
    for action, dedup_key, foreign in history:
        key = OTHER if foreign else KEY
        send(stand_in, action, dedup_key=dedup_key, routing_key=key)
        alerts = model.setdefault((key, dedup_key), [])
        is_open = bool(alerts) and alerts[-1] != "resolved"
        if action == "trigger" and not is_open:
            alerts.append("triggered")
        elif action == "acknowledge" and is_open:
            alerts[-1] = "acknowledged"
        elif action == "resolve" and is_open:
            alerts[-1] = "resolved"
    found: dict[tuple[str, str], list[str]] = {key: [] for key in model}
    for alert in stand_in.ledger:
        found[alert.routing_key, alert.dedup_key].append(str(alert.status))
    assert found == model
    assert sum(stand_in.effects.values()) == len(history)


def test_another_keys_resolve_is_dropped_with_202() -> None:
    stand_in = StandIn()
    send(stand_in, "trigger")
    for action in ("acknowledge", "resolve"):
        assert send(stand_in, action, routing_key=OTHER) is Effect.DROPPED
    alert = stand_in.alert("web/dev", KEY)
    assert alert is not None
    assert alert.status is Status.TRIGGERED
    assert stand_in.alert("web/dev", OTHER) is None


def test_a_second_trigger_changes_the_summary_only() -> None:
    stand_in = StandIn()
    send(stand_in, "trigger", now=1.0)
    again = event(payload={"summary": "worse", "source": "elsewhere", "severity": "info"})
    assert stand_in.receive(Api.EVENTS, encoded(again), 2.0).call.effect is Effect.UPDATED
    alert = stand_in.alert("web/dev")
    assert alert is not None
    assert (alert.summary, alert.severity, alert.source) == ("worse", "critical", "keptn/web")
    assert (alert.component, alert.group, alert.class_) == ("web", "dev", "evaluation")
    assert (alert.triggers, alert.entries, alert.opened_by) == (2, 2, 1)
    assert [(entry.summary, entry.severity) for entry in alert.log] == [
        ("web failed in dev", "critical"),
        ("worse", "info"),
    ]


def test_resolve_without_payload() -> None:
    stand_in = StandIn()
    send(stand_in, "trigger")
    body = without(event("resolve"), "payload")
    assert stand_in.receive(Api.EVENTS, encoded(body), 3.0).call.effect is Effect.RESOLVED
    alert = stand_in.alert("web/dev")
    assert alert is not None
    assert (alert.open, alert.resolved_at) == (False, 3.0)


def test_what_is_kept_is_bounded_and_the_rest_is_counted() -> None:
    stand_in = StandIn(SimulatorConfig(keep=10, rate_limit=None))
    for number in range(50):
        send(stand_in, "trigger", dedup_key=f"k{number}")
        if number != 3:
            send(stand_in, "resolve", dedup_key=f"k{number}")
    kept = list(stand_in.ledger)
    assert len(kept) == len(stand_in.ledger) == 10
    assert kept[0].dedup_key == "k3", "an open alert outlives resolved ones"
    assert [alert.dedup_key for alert in kept[1:]] == [f"k{number}" for number in range(41, 50)]
    assert stand_in.ledger.total == 50
    assert (len(stand_in.calls), stand_in.calls.total) == (10, 99)
    assert stand_in.effects == {Effect.OPENED: 50, Effect.RESOLVED: 49}
    for number in range(20):
        send(stand_in, "trigger", dedup_key=f"open{number}")
    assert [alert.dedup_key for alert in stand_in.ledger] == [
        f"open{number}" for number in range(10, 20)
    ]
    assert stand_in.ledger.open == 10


def test_bodies_are_bounded_in_bytes() -> None:
    stand_in = StandIn(SimulatorConfig(keep_bytes=100_000, rate_limit=None))
    body = encoded(with_value(event(), "payload.custom_details", {"x": "y" * 9000}))
    for _ in range(100):
        stand_in.receive(Api.EVENTS, body, 1.0)
    assert 100_000 - len(body) < sum(len(call.raw or b"") for call in stand_in.calls) <= 100_000
    assert stand_in.calls.total == 100
    assert [call.number for call in stand_in.calls][-1] == 100
    assert stand_in.calls.numbered(1) is None
    last = stand_in.calls.numbered(100)
    assert last is not None
    assert last.number == 100


def test_the_log_of_an_alert_is_bounded() -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=None))
    for _ in range(500):
        send(stand_in, "trigger")
    alert = stand_in.alert("web/dev")
    assert alert is not None
    assert (alert.entries, len(alert.log)) == (500, 100)


def test_unlimited_texts_are_kept_only_in_their_beginning() -> None:
    stand_in = StandIn()
    send(stand_in, "trigger", payload={"summary": "s", "source": "x" * 99_999, "severity": "info"})
    alert = stand_in.alert("web/dev")
    assert alert is not None
    assert alert.source == "x" * 1024
