"""Back-off, allowance, settlement, lanes and dead letters: small and exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.delivery import (
    Allowance,
    Lanes,
    SettlementKind,
    dead_letter_headers,
    settle,
)
from subscriber.delivery.backoff import JITTER, asked_for, backoff, spread
from subscriber.delivery.settle import SETTLEMENT_OF
from subscriber.model import (
    Action,
    AlertKey,
    Envelope,
    Intent,
    Outcome,
    OutcomeKind,
    Position,
    Problem,
    Reason,
)

# -- back-off -----------------------------------------------------------------------------------


@given(st.text(), st.integers(-5, 10_000), st.floats(0.01, 100), st.floats(0.01, 10_000))
def test_backoff_stays_within_its_bounds(
    seed: str, attempt: int, first: float, ceiling: float
) -> None:
    delay = backoff(seed=seed, attempt=attempt, first=first, ceiling=ceiling)
    assert 0 < delay <= ceiling * (1 + JITTER)
    assert delay == backoff(seed=seed, attempt=attempt, first=first, ceiling=ceiling)
    assert delay >= min(first, ceiling)


def test_backoff_doubles_until_the_ceiling() -> None:
    delays = [backoff(seed="e", attempt=n, first=5, ceiling=300) for n in range(1, 12)]
    for number, delay in enumerate(delays):
        plain = min(5 * 2**number, 300)
        assert plain <= delay < plain * (1 + JITTER)


def test_jitter_spreads_events_evenly() -> None:
    values = [spread(f"event-{n}", 1) for n in range(2_000)]
    tenths = [sum(t / 10 <= v < (t + 1) / 10 for v in values) for t in range(10)]
    assert min(tenths) > 140
    assert max(tenths) < 260


@given(st.floats(-10, 1e6), st.floats(0, 1e4))
def test_what_is_asked_for_is_only_capped(seconds: float, ceiling: float) -> None:
    delay = asked_for(seconds, seed="e", attempt=1, ceiling=ceiling)
    assert min(max(seconds, 0), ceiling) <= delay <= ceiling * (1 + JITTER)


# -- allowance ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=200))
def test_no_window_ever_holds_more_than_the_limit(asks: list[tuple[float, bool]]) -> None:
    allowance = Allowance(limit=7, window=60.0, reserve=2)
    now, granted = 0.0, []
    for step, urgent in asks:
        now += step
        wait = allowance.ask("s", now, urgent=urgent)
        assert 0 <= wait <= 60
        if wait == 0:
            granted.append(now)
            assert sum(at > now - 60 for at in granted) <= 7


def test_waiting_as_told_is_rewarded() -> None:
    allowance = Allowance(limit=3, window=60.0, reserve=0)
    for at in (0.0, 10.0, 20.0):
        assert allowance.ask("s", at) == 0
    wait = allowance.ask("s", 30.0)
    assert wait == 30.0
    assert allowance.ask("s", 30.0 + wait) == 0
    assert allowance.ask("other", 30.0) == 0


def test_the_last_calls_are_for_triggers() -> None:
    allowance = Allowance(limit=10, window=60.0)
    assert [allowance.ask("s", 0.0) for _ in range(9)] == [0.0] * 9
    assert allowance.ask("s", 0.0) == 60.0
    assert allowance.ask("s", 0.0, urgent=True) == 0.0
    assert allowance.ask("s", 0.0, urgent=True) == 60.0
    assert allowance.left("s", 0.0) == 0
    assert allowance.left("s", 61.0) == 10


def test_a_429_closes_the_service() -> None:
    allowance = Allowance()
    allowance.close("s", 100.0, 30.0)
    assert allowance.ask("s", 101.0, urgent=True) == 29.0
    assert allowance.left("s", 101.0) == 0
    assert allowance.ask("s", 130.0) == 0.0
    assert allowance.ask("other", 101.0) == 0.0


@pytest.mark.parametrize(("limit", "window"), [(0, 60.0), (1, 0.0)])
def test_an_empty_allowance_is_refused(limit: int, window: float) -> None:
    with pytest.raises(ValueError, match="allowance"):
        Allowance(limit=limit, window=window)


# -- settlement ---------------------------------------------------------------------------------


def end(kind: OutcomeKind, delay: float = 0.0) -> Outcome:
    return Outcome(kind=kind, reason=Reason.ACCEPTED, delay=delay)


def test_every_kind_has_its_answer() -> None:
    assert set(SETTLEMENT_OF) == set(OutcomeKind)


@pytest.mark.parametrize("first", OutcomeKind)
@pytest.mark.parametrize("second", OutcomeKind)
def test_the_worst_wins(first: OutcomeKind, second: OutcomeKind) -> None:
    order = [SettlementKind.ACK, SettlementKind.TERM, SettlementKind.NAK]
    settlement = settle([end(first, 3.0), end(second, 5.0)])
    worst = max(SETTLEMENT_OF[first], SETTLEMENT_OF[second], key=order.index)
    assert settlement.kind is worst
    if worst is SettlementKind.NAK:
        assert settlement.delay == (3.0 if first is OutcomeKind.DEFERRED else 5.0)


def test_nothing_to_say_is_done() -> None:
    assert settle([]).kind is SettlementKind.ACK


# -- lanes --------------------------------------------------------------------------------------

T, A, R = Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE


def key(name: str) -> AlertKey:
    return AlertKey(service="s", dedup_key=name)


def at(sequence: int) -> Position:
    return Position(epoch=1, sequence=sequence)


def test_newest_state_first_then_acknowledges() -> None:
    lanes: Lanes[str] = Lanes(width=4)
    assert lanes.offer(key("k"), at(1), T, "T1") == ["T1"]
    for sequence, action in ((2, A), (3, R), (5, A), (4, T)):
        assert lanes.offer(key("k"), at(sequence), action, f"{action.name[0]}{sequence}") == []
    order = []
    while len(lanes) > 1:
        order += lanes.done(key("k"))
    assert order == ["T4", "R3", "A5", "A2"]
    assert lanes.done(key("k")) == []
    assert len(lanes) == 0


def test_keys_take_turns() -> None:
    lanes: Lanes[str] = Lanes(width=1)
    assert lanes.offer(key("a"), at(1), T, "a1") == ["a1"]
    for n in range(2, 5):
        assert lanes.offer(key("a"), at(n), T, f"a{n}") == []
    assert lanes.offer(key("b"), at(9), T, "b9") == []
    assert lanes.done(key("a")) == ["b9"]
    assert lanes.done(key("b")) == ["a4"]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([T, A, R]))),
    st.randoms(use_true_random=False),
)
def test_lanes_lose_nothing_and_never_run_a_key_twice(
    width: int, offers: list[tuple[int, int, Action]], rng: object
) -> None:
    lanes: Lanes[tuple[int, int]] = Lanes(width=width)
    running: dict[int, int] = {}
    ran: list[int] = []

    def start(items: list[tuple[int, int]]) -> None:
        for name, number in items:
            assert name not in running
            running[name] = number
            ran.append(number)
        assert len(running) == lanes.running <= width

    for number, (name, sequence, action) in enumerate(offers):
        start(lanes.offer(key(str(name)), at(sequence), action, (name, number)))
        if running and rng.random() < 0.4:  # type: ignore[attr-defined]
            ended = rng.choice(sorted(running))  # type: ignore[attr-defined]
            del running[ended]
            start(lanes.done(key(str(ended))))
    while running:
        name = next(iter(running))
        del running[name]
        start(lanes.done(key(str(name))))
    assert sorted(ran) == list(range(len(offers)))
    assert len(lanes) == 0


def test_draining_gives_back_what_has_not_started() -> None:
    lanes: Lanes[str] = Lanes(width=1)
    lanes.offer(key("a"), at(1), T, "a1")
    lanes.offer(key("a"), at(2), T, "a2")
    lanes.offer(key("b"), at(3), T, "b3")
    assert sorted(lanes.drain()) == ["a2", "b3"]
    assert len(lanes) == 1
    assert lanes.done(key("a")) == []
    with pytest.raises(ValueError, match="running"):
        lanes.done(key("a"))
    assert lanes.offer(key("b"), at(3), T, "again") == ["again"]


def test_lanes_need_a_width() -> None:
    with pytest.raises(ValueError, match="width"):
        Lanes(width=0)


# -- dead letters -------------------------------------------------------------------------------

SECRET = "R0123456789abcdefghijklmnopqrstu"
ENVELOPE = Envelope(
    subject="sh.keptn.event",
    data=b"{}",
    stream="events",
    sequence=17,
    delivery_count=4,
    received_at=1_700_000_000.5,
)


def test_a_dead_letter_says_why() -> None:
    intent = Intent(
        action=T,
        service="shop",
        dedup_key="checkout",
        rule="keptn/evaluation",
        event_id="id-1",
        event_type="sh.keptn.event.evaluation.finished",
    )
    outcome = Outcome(
        kind=OutcomeKind.DEAD_LETTERED,
        reason=Reason.REJECTED,
        intent=intent,
        status=400,
        attempts=1,
        errors=("'payload.severity' is missing or blank",),
    )
    headers = dead_letter_headers(outcome, ENVELOPE, now=1_700_000_060.0)
    assert headers == {
        "Dead-Letter-Reason": "rejected",
        "Dead-Letter-Errors": "'payload.severity' is missing or blank",
        "Dead-Letter-Rule": "keptn/evaluation",
        "Dead-Letter-Action": "trigger",
        "Dead-Letter-Service": "shop",
        "Dead-Letter-Dedup-Key": "checkout",
        "Dead-Letter-Event-Id": "id-1",
        "Dead-Letter-Event-Type": "sh.keptn.event.evaluation.finished",
        "Dead-Letter-Status": "400",
        "Dead-Letter-Attempts": "1",
        "Dead-Letter-Deliveries": "4",
        "Dead-Letter-Subject": "sh.keptn.event",
        "Dead-Letter-Stream": "events",
        "Dead-Letter-Sequence": "17",
        "Dead-Letter-Received-At": "2023-11-14T22:13:20.500+00:00",
        "Dead-Letter-Written-At": "2023-11-14T22:14:20.000+00:00",
    }


def test_a_problem_makes_a_dead_letter_too() -> None:
    problem = Problem(Reason.NOT_JSON, "the payload is not JSON", where="data", hint="look at it")
    headers = dead_letter_headers(problem, ENVELOPE, now=0.0, event_id="id-2", rule="r")
    assert headers["Dead-Letter-Reason"] == "not-json"
    assert headers["Dead-Letter-Message"] == "data: the payload is not JSON (look at it)"
    assert headers["Dead-Letter-Event-Id"] == "id-2"
    assert "Dead-Letter-Written-At" not in headers


@given(st.text(max_size=3_000), st.text(max_size=400), st.floats(allow_nan=False))
def test_headers_are_bounded_one_line_ascii(text: str, name: str, now: float) -> None:
    problem = Problem(Reason.NOT_JSON, text)
    envelope = Envelope(subject=name, data=b"", stream=text)
    headers = dead_letter_headers(problem, envelope, now=now, event_id=text, event_source=name)
    for value in headers.values():
        assert 0 < len(value) <= 1024
        assert value == value.strip()
        assert all(" " <= c <= "~" for c in value)


def test_a_lone_surrogate_can_be_said() -> None:
    headers = dead_letter_headers(Problem(Reason.LONE_SURROGATE, "x\ud800y"), ENVELOPE, now=1.0)
    assert headers["Dead-Letter-Message"] == "x\\ud800y"


def test_a_routing_key_in_an_answer_does_not_get_through() -> None:
    outcome = Outcome(
        kind=OutcomeKind.DEAD_LETTERED,
        reason=Reason.REJECTED,
        message=f"Invalid routing key {SECRET}",
        errors=(f"routing_key={SECRET}!",),
    )
    text = " ".join(dead_letter_headers(outcome, ENVELOPE, now=1.0).values())
    assert SECRET not in text
    assert text.count("[redacted]") == 2
