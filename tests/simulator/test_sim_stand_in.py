"""Order of judgement, rates, known keys, delays, settings."""

from __future__ import annotations

from typing import Any

import pytest
from sim_bodies import KEY, OTHER, change, encoded, event

from subscriber.model import Problem, Reason
from subscriber.simulator import Api, Effect, SimulatorConfig, StandIn, Status, parse_fault
from subscriber.simulator.mask import mask
from subscriber.simulator.rates import MOST_KEYS, Rates
from subscriber.simulator.settings import ADJUSTABLE
from subscriber.simulator.validate import parse
from subscriber.simulator.views import columns


def post(stand_in: StandIn, body: object, now: float = 0.0, api: Api = Api.EVENTS) -> Any:
    return stand_in.receive(api, encoded(body), now)


def test_an_unknown_key_gets_plain_text_whatever_else_is_wrong() -> None:
    stand_in = StandIn(SimulatorConfig(known_keys=frozenset({OTHER})))
    for api in Api:
        ruling = post(stand_in, {"routing_key": KEY}, api=api)
        assert (ruling.answer.status, ruling.answer.body) == (400, b"Invalid routing key")
        assert ruling.answer.content_type.startswith("text/plain")
        assert ruling.call.effect is Effect.REJECTED
    assert post(stand_in, event(routing_key=OTHER)).answer.status == 202
    malformed = parse(post(stand_in, event(routing_key="x")).answer.body)
    assert malformed is not None
    assert malformed["status"] == "invalid event"


def test_the_window_slides_to_the_second() -> None:
    stand_in = StandIn()
    for number in range(120):
        assert post(stand_in, event(), now=1000 + number * 0.25).answer.status == 202
    ruling = post(stand_in, event(), now=1059.99)
    assert ruling.answer.status == 429
    assert parse(ruling.answer.body) == {
        "status": "throttle exceeded",
        "message": "Requests for this service are arriving too quickly.  Please retry later.",
        "errors": ["Enhance Your Calm."],
    }
    assert ruling.answer.headers == ()
    assert ruling.call.effect is Effect.THROTTLED
    assert post(stand_in, event(), now=1060).answer.status == 202, "the first is 60 s old"
    assert post(stand_in, event(), now=1060).answer.status == 429, "the second is not"
    assert post(stand_in, event(), now=1060.25).answer.status == 202


def test_a_throttled_event_is_not_ingested_and_does_not_count() -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=1))
    post(stand_in, event(dedup_key="a"), now=0)
    for number in range(1, 60):
        assert post(stand_in, event(dedup_key="b"), now=number).answer.status == 429
    assert stand_in.alert("b") is None
    assert post(stand_in, event(dedup_key="b"), now=60).answer.status == 202
    assert stand_in.effects == {Effect.OPENED: 2, Effect.THROTTLED: 59}


def test_each_key_has_its_window_and_both_endpoints_share_it() -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=2))
    assert post(stand_in, event()).answer.status == 202
    assert post(stand_in, change(), api=Api.CHANGES).answer.status == 202
    assert post(stand_in, event()).answer.status == 429
    assert post(stand_in, change(), api=Api.CHANGES).answer.status == 429
    assert post(stand_in, event(routing_key=OTHER)).answer.status == 202


def test_an_invalid_event_counts_too_but_a_malformed_key_has_no_window() -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=1))
    assert post(stand_in, event(event_action="x")).answer.status == 400
    assert post(stand_in, event()).answer.status == 429
    for _ in range(3):
        assert post(stand_in, event(routing_key="x")).answer.status == 400


def test_headers_of_our_own_429_are_a_switch() -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=1, rate_headers=True))
    post(stand_in, event(), now=100)
    assert dict(post(stand_in, event(), now=100.5).answer.headers) == {
        "retry-after": "60",
        "ratelimit-limit": "1",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "60",
    }
    assert dict(post(stand_in, event(), now=159.9).answer.headers)["retry-after"] == "1"


def test_no_limit_and_a_limit_of_zero() -> None:
    free = StandIn(SimulatorConfig(rate_limit=None))
    assert {post(free, event()).answer.status for _ in range(500)} == {202}
    closed = StandIn(SimulatorConfig(rate_limit=0, rate_headers=True))
    ruling = post(closed, event())
    assert ruling.answer.status == 429
    assert dict(ruling.answer.headers)["retry-after"] == "60"


def test_windows_of_silent_keys_are_let_go() -> None:
    rates = Rates(1, 60)
    for number in range(MOST_KEYS):
        assert rates.admit(f"{number:032}", 0.0) is None
    assert rates.admit(f"{0:032}", 0.0) == 60, "heard again, so not the next to go"
    assert rates.admit(f"{MOST_KEYS:032}", 0.0) is None
    assert rates.admit(f"{0:032}", 0.0) == 60
    assert rates.admit(f"{1:032}", 0.0) is None, "forgotten"
    assert rates.admit(f"{MOST_KEYS:032}", 0.0) == 60


def test_delayed_effects_happen_in_order_when_their_time_has_come() -> None:
    stand_in = StandIn(SimulatorConfig(delay=5))
    calls = [
        post(stand_in, event("trigger"), now=0).call,
        post(stand_in, event("resolve"), now=1).call,
        post(stand_in, change(), now=2, api=Api.CHANGES).call,
    ]
    assert [call.effect for call in calls] == [Effect.PENDING] * 3
    assert [call.status for call in calls] == [202] * 3
    assert stand_in.effects[Effect.PENDING] == stand_in.pending == 3
    stand_in.settle(4.99)
    assert stand_in.alert("web/dev") is None
    stand_in.settle(5)
    alert = stand_in.alert("web/dev")
    assert alert is not None
    assert (alert.status, alert.opened_at) == (Status.TRIGGERED, 5)
    stand_in.settle(100)
    assert (alert.status, alert.resolved_at) == (Status.RESOLVED, 6)
    assert [call.effect for call in calls] == [Effect.OPENED, Effect.RESOLVED, Effect.RECORDED]
    assert stand_in.pending == stand_in.effects[Effect.PENDING] == 0


def test_a_shortened_delay_does_not_overtake() -> None:
    stand_in = StandIn(SimulatorConfig(delay=5))
    post(stand_in, event("trigger"), now=0)
    stand_in.configure({"delay": 0})
    assert post(stand_in, event("resolve"), now=1).call.effect is Effect.PENDING
    stand_in.settle(5)
    assert [call.effect for call in stand_in.calls] == [Effect.OPENED, Effect.RESOLVED]


def test_what_waits_is_bounded() -> None:
    stand_in = StandIn(SimulatorConfig(delay=60, keep=5, rate_limit=None))
    for number in range(20):
        post(stand_in, event(dedup_key=f"{number}"))
    assert stand_in.pending == 5
    assert stand_in.effects == {Effect.PENDING: 5, Effect.OPENED: 15}


def test_reset_is_the_first_day() -> None:
    config = SimulatorConfig(rate_limit=5, faults=(parse_fault("500:next=1"),))
    stand_in = StandIn(config)
    assert post(stand_in, event()).answer.status == 500
    first = post(stand_in, event(dedup_key=None)).call.dedup_key
    stand_in.configure({"rate_limit": None})
    stand_in.switch([])
    stand_in.reset()
    assert (stand_in.config, stand_in.calls.total, stand_in.ledger.total) == (config, 0, 0)
    assert stand_in.effects == {}
    assert post(stand_in, event()).answer.status == 500
    assert post(stand_in, event(dedup_key=None)).call.dedup_key == first, "a run repeats"


def test_configure_changes_what_it_names() -> None:
    stand_in = StandIn(SimulatorConfig(rate_limit=1))
    post(stand_in, event())
    stand_in.configure({"rate_headers": True})
    assert post(stand_in, event()).answer.status == 429, "the window is not forgotten"
    stand_in.configure({"rate_limit": 2, "known_keys": [KEY]})
    assert post(stand_in, event()).answer.status == 202
    assert post(stand_in, event(routing_key=OTHER)).answer.status == 400
    stand_in.configure({"known_keys": None})
    assert post(stand_in, event(routing_key=OTHER)).answer.status == 202


BAD_SETTINGS: list[tuple[str, Any]] = [
    ("known_keys", "x"),
    ("known_keys", [1]),
    ("known_keys", ["too-short"]),
    ("rate_limit", -1),
    ("rate_limit", 1.5),
    ("rate_limit", True),
    ("rate_window", 0),
    ("rate_window", float("nan")),
    ("rate_window", "60"),
    ("rate_headers", 1),
    ("size_limit", 0),
    ("size_limit", None),
    ("oversize_status", 404),
    ("delay", -0.1),
    ("delay", []),
]


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS)
def test_settings_that_do_not_fit(name: str, value: object) -> None:
    stand_in = StandIn()
    with pytest.raises(Problem) as caught:
        stand_in.configure({name: value})
    assert (caught.value.reason, caught.value.where) == (Reason.INVALID_VALUE, name)
    assert caught.value.hint
    assert stand_in.config == SimulatorConfig()


def test_every_adjustable_setting_refuses_something() -> None:
    assert {name for name, _ in BAD_SETTINGS} == set(ADJUSTABLE)


@pytest.mark.parametrize("name", ["faults", "keep", "seed", "colour"])
def test_settings_that_cannot_be_changed(name: str) -> None:
    with pytest.raises(Problem) as caught:
        StandIn().configure({name: 1})
    assert caught.value.reason is Reason.UNKNOWN_KEY
    assert "rate_limit" in caught.value.hint


def test_no_repr_shows_a_key() -> None:
    config = SimulatorConfig(
        known_keys=frozenset({KEY}), faults=(parse_fault(f"500:key={KEY},next=0"),)
    )
    stand_in = StandIn(config)
    ruling = post(stand_in, event())
    post(stand_in, change(), api=Api.CHANGES)
    shown = repr(
        [config, ruling, *stand_in.calls, *stand_in.ledger, *stand_in.changes, stand_in.ledger]
    )
    assert "web/dev" in shown
    assert KEY not in shown
    with pytest.raises(Problem) as caught:
        SimulatorConfig(known_keys=frozenset({KEY + "x"}))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "shown"),
    [(KEY, "****1111"), ("elevenchars", "****"), ("twelve-chars", "****hars"), ("", "****")],
)
def test_what_is_left_of_a_key(key: str, shown: str) -> None:
    assert mask(key) == shown
    assert mask(None) is mask(5) is None


def test_a_line_per_call_cannot_drive_the_terminal() -> None:
    stand_in = StandIn()
    call = post(stand_in, event(dedup_key="a\x1b[2J\r\nb\u202e"), now=0.25).call
    assert columns(call) == [
        "00:00:00.250",
        "202",
        "opened",
        "trigger    ",
        "****1111",
        "a\ufffd[2J\ufffd\ufffdb\ufffd",
    ]
    stand_in.switch([parse_fault("timeout-before")])
    assert columns(post(stand_in, event(routing_key=5)).call) == [
        "00:00:00.000",
        "---",
        "fault",
        "events     ",
        "no key  ",
        "-",
        "fault timeout-before",
    ]
