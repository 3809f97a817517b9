"""The conversation, effect by effect: retries, limits, age, and what the ledger says afterwards."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import pytest

from subscriber.delivery import OnStale, Policy, deliver, key_of, mend, needs_mending
from subscriber.model import (
    Action,
    Alert,
    AlertKey,
    AlertState,
    Claim,
    Doubt,
    Effect,
    Intent,
    Load,
    Now,
    Outcome,
    OutcomeKind,
    Pause,
    Permit,
    Position,
    Problem,
    Reason,
    Recall,
    Save,
    Send,
    Verdict,
    VerdictKind,
    Waiting,
)

START = 1_000_000.0
KEY = AlertKey(service="shop", dedup_key="checkout")
T, A, R, C = Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE, Action.CHANGE
OK = Verdict(kind=VerdictKind.ACCEPTED, reason=Reason.ACCEPTED, status=202)
NO = Verdict(
    kind=VerdictKind.REJECTED, reason=Reason.REJECTED, status=400, errors=("summary is missing",)
)
BUSY = Verdict(kind=VerdictKind.RETRY, reason=Reason.SERVER_ERROR, status=503)
SLOW = Verdict(kind=VerdictKind.RETRY, reason=Reason.TIMED_OUT, ambiguous=True)
LIMITED = Verdict(kind=VerdictKind.RETRY, reason=Reason.THROTTLED, status=429, retry_after=120.0)
POLICY = Policy()
AWAY = Problem(Reason.LEDGER_UNAVAILABLE, "the ledger does not answer")


def intent(action: Action, sequence: int, **changes: object) -> Intent:
    made = Intent(
        action=action,
        service="shop",
        dedup_key="" if action is C else "checkout",
        payload={"summary": "s", "severity": "critical"},
        rule="rule",
        event_id=f"e{sequence}",
        event_source="pipeline",
        occurred_at=START,
        position=Position(epoch=1, sequence=sequence),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class World:
    """Answers effects; `verdicts` are used up, then everything is accepted."""

    alert: Alert | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    permits: list[float] = field(default_factory=list)
    faults: dict[int, Problem] = field(default_factory=dict)  # by number of the effect
    recalled: Intent | None = None
    now: float = START
    revision: int = 1
    sent: list[Intent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    def run(self, flow: Generator[Effect, object, Outcome]) -> Outcome:
        answer: object = None
        try:
            while True:
                effect = flow.throw(answer) if isinstance(answer, Problem) else flow.send(answer)
                number = len(self.asked)
                self.asked.append(type(effect).__name__)
                answer = self.faults.get(number) or self.answer(effect)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome

    def answer(self, effect: Effect) -> object:
        match effect:
            case Load():
                return (self.alert, self.revision) if self.alert else (Alert(key=effect.key), 0)
            case Save():
                if effect.revision != (self.revision if self.alert else 0):
                    return None
                self.alert, self.revision = effect.alert, effect.revision + 1
                return self.revision
            case Send():
                self.sent.append(effect.intent)
                return self.verdicts.pop(0) if self.verdicts else OK
            case Permit():
                return self.permits.pop(0) if self.permits else 0.0
            case Now():
                return self.now
            case Pause():
                self.paused.append(effect.seconds)
                self.now += effect.seconds
                return None
            case Recall():
                return self.recalled

    def deliver(self, what: Intent, policy: Policy = POLICY, **facts: object) -> Outcome:
        arguments = {"owner": "me", "received_at": START, **facts}
        return self.run(deliver(what, policy=policy, **arguments))  # type: ignore[arg-type]


def entry(state: AlertState, sequence: int, **changes: object) -> Alert:
    alert = Alert(
        key=KEY,
        state=state,
        position=Position(epoch=1, sequence=sequence),
        rule="rule",
        event_id=f"e{sequence}",
        updated_at=START,
    )
    return replace(alert, **changes)  # type: ignore[arg-type]


def test_a_trigger_takes_one_claim_one_request_one_settlement() -> None:
    world = World()
    outcome = world.deliver(intent(T, 5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DELIVERED, Reason.ACCEPTED)
    assert outcome.attempts == 1
    assert outcome.status == 202
    assert world.asked == [
        *("Load", "Now", "Permit", "Now", "Save", "Now", "Send", "Now", "Save"),
    ]
    assert world.alert == entry(AlertState.OPEN, 5)


def test_a_rejected_event_leaves_the_entry_as_it_was() -> None:
    before = entry(AlertState.OPEN, 4)
    world = World(alert=before, verdicts=[NO])
    outcome = world.deliver(intent(T, 5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DEAD_LETTERED, Reason.REJECTED)
    assert outcome.errors == NO.errors
    assert world.alert == before
    # An older event that comes later is not shut out by the one that never was.
    world = World(alert=entry(AlertState.RESOLVED, 3), verdicts=[NO])
    world.deliver(intent(T, 5))
    assert world.deliver(intent(T, 4)).kind is OutcomeKind.DELIVERED


def test_short_retries_stay_in_hand_then_the_message_goes_back() -> None:
    world = World(verdicts=[BUSY] * 9)
    outcome = world.deliver(intent(T, 5), delivery_count=3, received_at=START - 60)
    assert world.paused == list(POLICY.quick_retries)
    assert outcome.kind is OutcomeKind.DEFERRED
    assert outcome.reason is Reason.SERVER_ERROR
    assert outcome.attempts == 3
    assert 20.0 <= outcome.delay <= 25.0
    assert world.alert is not None
    assert world.alert.claim is None
    assert world.alert.position == Position()


def test_a_first_failure_after_many_waits_for_a_busy_key_does_not_cost_minutes() -> None:
    outcome = World(verdicts=[BUSY] * 3).deliver(
        intent(T, 5), delivery_count=8, received_at=START - 15
    )
    assert outcome.kind is OutcomeKind.DEFERRED
    assert outcome.delay < 25


def test_a_short_retry_that_is_accepted_ends_well() -> None:
    world = World(verdicts=[BUSY])
    outcome = world.deliver(intent(T, 5))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert outcome.attempts == 2


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(120.0, 120.0, 150.0), (90_000.0, 900.0, 1125.0)]
)
def test_retry_after_is_honoured_and_capped(asked: float, least: float, most: float) -> None:
    world = World(verdicts=[replace(LIMITED, retry_after=asked)])
    outcome = world.deliver(intent(T, 5))
    assert outcome.reason is Reason.THROTTLED
    assert least <= outcome.delay <= most
    assert world.paused == []


def test_a_throttled_event_holds_older_ones_back_until_its_turn() -> None:
    world = World(verdicts=[LIMITED])
    delay = world.deliver(intent(R, 5)).delay
    assert world.alert is not None
    assert world.alert.waiting is not None
    assert world.alert.waiting.position.sequence == 5
    older = world.deliver(intent(T, 4))
    assert (older.kind, older.reason) == (OutcomeKind.DEFERRED, Reason.BUSY)
    assert older.delay > delay
    assert len(world.sent) == 1
    assert world.deliver(intent(R, 5)).kind is OutcomeKind.DELIVERED
    assert world.alert.waiting is None
    assert world.deliver(intent(T, 4)).kind is OutcomeKind.SUPERSEDED


def test_an_older_event_waits_for_a_newer_one_that_may_have_been_heard() -> None:
    doubt = Doubt(position=Position(epoch=1, sequence=3), until=START + 5)
    world = World(alert=Alert(key=KEY, doubt=doubt), verdicts=[SLOW] * 3)
    assert world.deliver(intent(R, 5)).kind is OutcomeKind.DEFERRED
    assert world.alert is not None
    assert world.alert.doubt is not None
    assert world.alert.doubt.position == Position()  # of several
    assert world.deliver(intent(T, 4)).reason is Reason.BUSY
    assert world.deliver(intent(R, 5)).reason is Reason.IN_DOUBT
    assert [one.position.sequence for one in world.sent] == [5] * 4


def test_an_older_event_does_not_wait_for_ever_for_one_that_is_gone() -> None:
    waiting = Waiting(position=Position(epoch=1, sequence=9), until=START + 10)
    world = World(alert=Alert(key=KEY, waiting=waiting), now=START + 11)
    assert world.deliver(intent(T, 4)).kind is OutcomeKind.DELIVERED


def test_an_event_in_trouble_with_its_body_does_not_hold_older_ones_back() -> None:
    world = World(verdicts=[BUSY] * 3)
    world.deliver(intent(T, 5))
    world.now += 60
    assert world.deliver(intent(T, 4)).kind is OutcomeKind.DELIVERED


def test_no_allowance_no_claim() -> None:
    world = World(permits=[12.0])
    outcome = world.deliver(intent(T, 5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DEFERRED, Reason.RATE_LIMITED)
    assert 12.0 <= outcome.delay <= 15.0
    assert "Send" not in world.asked
    assert world.alert is not None
    assert world.alert.claim is None


def test_a_message_too_old_is_given_up_after_its_try_fails() -> None:
    policy = replace(POLICY, max_age=3600.0)
    world = World(verdicts=[BUSY])
    outcome = world.deliver(intent(T, 5), policy, received_at=START - 3601)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DEAD_LETTERED, Reason.EXPIRED)
    assert outcome.status == 503
    assert "server-error" in outcome.message
    # A first try is still made, and may succeed.
    world = World()
    assert world.deliver(intent(T, 5), policy, received_at=START - 3601).kind is (
        OutcomeKind.DELIVERED
    )


@pytest.mark.parametrize("age", [0.0, 59.0, 61.0])
def test_a_stale_trigger_is_suppressed(age: float) -> None:
    policy = replace(POLICY, stale_after=60.0)
    world = World(now=START + age)
    outcome = world.deliver(intent(T, 5), policy)
    stale = age > 60
    assert outcome.kind is (OutcomeKind.SUPPRESSED_STALE if stale else OutcomeKind.DELIVERED)
    assert len(world.sent) == (0 if stale else 1)
    assert world.deliver(intent(R, 6), policy).kind is OutcomeKind.DELIVERED


def test_a_stale_trigger_is_downgraded() -> None:
    policy = replace(POLICY, stale_after=60.0, on_stale=OnStale.DOWNGRADE)
    world = World(now=START + 61)
    assert world.deliver(intent(T, 5), policy).kind is OutcomeKind.DELIVERED
    assert world.sent[0].payload == {"summary": "s", "severity": "info"}
    assert any("stale" in note for note in world.sent[0].notes)


def test_an_early_acknowledge_is_said_behind_its_trigger() -> None:
    world = World()
    early = world.deliver(intent(A, 6))
    assert (early.kind, early.reason) == (OutcomeKind.SKIPPED, Reason.NOT_OPEN)
    assert world.sent == []
    assert world.alert is not None
    assert world.alert.position == Position()
    assert world.deliver(intent(T, 5)).kind is OutcomeKind.DELIVERED
    assert [i.action for i in world.sent] == [T, A]
    assert world.alert.state is AlertState.ACKNOWLEDGED
    assert world.sent[1].payload is None


def test_a_rejected_acknowledge_does_not_cost_the_page() -> None:
    world = World(verdicts=[OK, NO])
    world.deliver(intent(A, 6))
    outcome = world.deliver(intent(T, 5))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert outcome.status == 202
    assert world.alert is not None
    assert world.alert.state is AlertState.OPEN


def test_the_first_resolve_of_an_unknown_key_is_sent_and_no_other() -> None:
    world = World()
    outcomes = [world.deliver(intent(R, n)) for n in range(1, 6)]
    assert [o.kind for o in outcomes] == [OutcomeKind.DELIVERED] + [OutcomeKind.SKIPPED] * 4
    assert {o.reason for o in outcomes[1:]} == {Reason.ALREADY_RESOLVED}
    assert len(world.sent) == 1
    assert world.alert is not None
    assert world.alert.position.sequence == 5
    assert world.deliver(intent(T, 3)).kind is OutcomeKind.SUPERSEDED
    assert world.deliver(intent(R, 5)).reason is Reason.ALREADY_RESOLVED
    assert world.deliver(intent(R, 1)).kind is OutcomeKind.SUPERSEDED


def test_a_newer_stream_starts_its_sequences_again() -> None:
    world = World(alert=entry(AlertState.RESOLVED, 900))
    newer = intent(T, 1, position=Position(epoch=2, sequence=1))
    assert world.deliver(newer).kind is OutcomeKind.DELIVERED


def test_a_change_event_is_said_once_however_often_it_comes() -> None:
    world = World()
    assert world.deliver(intent(C, 5)).kind is OutcomeKind.DELIVERED
    again = world.deliver(intent(C, 5))
    assert (again.kind, again.reason) == (OutcomeKind.DELIVERED, Reason.DUPLICATE)
    published_twice = intent(C, 9, event_id="e5")
    twice = world.deliver(published_twice)
    assert (twice.kind, twice.reason) == (OutcomeKind.SKIPPED, Reason.DUPLICATE)
    assert len(world.sent) == 1
    assert key_of(intent(C, 5)) != key_of(intent(T, 5))


def test_a_live_claim_is_left_alone_and_an_expired_one_taken_over() -> None:
    claim = Claim(owner="you", position=Position(epoch=1, sequence=4), expires_at=START + 20)
    world = World(alert=Alert(key=KEY, claim=claim))
    outcome = world.deliver(intent(R, 5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DEFERRED, Reason.BUSY)
    assert 0 < outcome.delay <= POLICY.longest_busy_delay
    world.now = claim.expires_at + POLICY.clock_skew
    taken = world.deliver(intent(R, 5))
    # Its owner may have sent, or may still: said now, and once more when that is over.
    assert (taken.kind, taken.reason) == (OutcomeKind.DEFERRED, Reason.IN_DOUBT)
    assert taken.delay == pytest.approx(POLICY.doubt + POLICY.clock_skew)
    world.now += taken.delay
    end = world.deliver(intent(R, 5))
    assert (end.kind, end.reason) == (OutcomeKind.DELIVERED, Reason.REPAIRED)
    assert [i.action for i in world.sent] == [R, R]
    assert world.alert == entry(
        AlertState.RESOLVED, 5, updated_at=world.alert.updated_at if world.alert else 0
    )


def test_a_time_out_makes_the_next_event_of_the_key_come_back() -> None:
    world = World(verdicts=[SLOW])
    assert world.deliver(intent(T, 4)).kind is OutcomeKind.DELIVERED  # by its second try
    outcome = world.deliver(intent(R, 5))
    assert outcome.reason is Reason.IN_DOUBT
    # Long after the time-out there is nothing to come back for.
    world = World(verdicts=[SLOW])
    world.deliver(intent(T, 4))
    world.now += POLICY.doubt + POLICY.clock_skew
    assert world.deliver(intent(R, 5)).kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize("deliveries", [1, 9])
def test_a_ledger_that_is_away_defers_by_seconds(deliveries: int) -> None:
    world = World(faults={0: AWAY})
    outcome = world.deliver(
        intent(T, 5), delivery_count=deliveries, received_at=START - 1000 * deliveries
    )
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DEFERRED, Reason.LEDGER_UNAVAILABLE)
    assert POLICY.first_delay <= outcome.delay <= 1.25 * POLICY.first_delay
    assert world.sent == []


def test_a_ledger_that_goes_away_after_the_send_is_asked_again() -> None:
    world = World(faults={8: AWAY})
    outcome = world.deliver(intent(T, 5))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert world.paused == [POLICY.quick_retries[0]]
    assert len(world.sent) == 1


def test_a_settlement_whose_answer_was_lost_is_found_done() -> None:
    class Deaf(World):
        def answer(self, effect: Effect) -> object:
            done = super().answer(effect)
            return AWAY if len(self.asked) == 9 else done

    world = Deaf()
    assert world.deliver(intent(T, 5)).kind is OutcomeKind.DELIVERED
    assert world.alert == entry(AlertState.OPEN, 5, updated_at=START)


def test_another_problem_is_not_swallowed() -> None:
    world = World(faults={0: Problem(Reason.INTERNAL_ERROR, "a mistake")})
    with pytest.raises(Problem, match="a mistake"):
        world.deliver(intent(T, 5))


def owing(state: AlertState) -> Alert:
    doubt = Doubt(position=Position(epoch=1, sequence=3), until=START - 100)
    return entry(state, 5, doubt=doubt)


@pytest.mark.parametrize("gone", [False, True])
def test_the_sweep_mends_an_open_alert_from_its_event(gone: bool) -> None:
    world = World(alert=owing(AlertState.OPEN), recalled=None if gone else intent(T, 5))
    assert world.alert is not None
    assert needs_mending(world.alert, now=START, policy=POLICY)
    outcome = world.run(mend(world.alert, policy=POLICY, owner="sweep"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.DELIVERED, Reason.REPAIRED)
    (said,) = world.sent
    assert said.action is T
    assert said.dedup_key == "checkout"
    assert said.payload is not None
    assert ("no longer in the stream" in str(said.payload["summary"])) is gone
    assert world.alert == entry(AlertState.OPEN, 5)
    assert not needs_mending(world.alert, now=START, policy=POLICY)


def test_the_sweep_mends_a_resolved_one_without_its_event() -> None:
    world = World(alert=owing(AlertState.RESOLVED))
    assert world.alert is not None
    world.run(mend(world.alert, policy=POLICY, owner="sweep"))
    assert [(i.action, i.payload) for i in world.sent] == [(R, None)]
    assert "Recall" not in world.asked


def test_an_older_event_repairs_on_its_way_out() -> None:
    world = World(alert=owing(AlertState.OPEN), recalled=intent(T, 5))
    outcome = world.deliver(intent(R, 4))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.REPAIRED)
    assert [i.event_id for i in world.sent] == ["e5"]


@pytest.mark.parametrize(
    "changes",
    [
        {"lease": 10.0},
        {"send_timeout": 0.0},
        {"clock_skew": -1.0},
        {"rounds": 0},
        {"max_age": 0.0},
    ],
)
def test_a_policy_that_cannot_keep_the_promises_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(POLICY, **changes)  # type: ignore[arg-type]
