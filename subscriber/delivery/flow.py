"""Deliver: the whole conversation about one intent, from the ledger to PagerDuty and back.

`deliver` is straight-line code that asks by yielding effects (`model.effect`) and ends with an
Outcome; it performs nothing itself, so the same code runs in the service, in a dry run and under
the test scheduler that crashes it at every effect. The protocol, and why each step is there, is
docs/delivery.md; in short: read the entry, decide by the table, claim, look at the clock, send,
settle; whoever finds on settling that the claim is gone writes down what may have been heard too
late, and then the settled state is said once more.

Rules:
- Nothing is sent without a claim, nor with less of it left than a request may take.
- The position of an entry moves only for what PagerDuty accepted or is known to hold. A rejected,
  expired or suppressed event counts as if it had never been published, so the order in which the
  others arrive makes no difference to where PagerDuty ends.
- Every try is one round that starts from the ledger: between two of them the world may change.
- What must not be forgotten is in the ledger before the message is given back.

This module does not know HTTP, routing keys, NATS or rules.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from subscriber.delivery import entry
from subscriber.delivery.backoff import asked_for, backoff
from subscriber.delivery.policy import OnStale, Policy
from subscriber.delivery.table import Move, Place, Step, decide, over
from subscriber.model import (
    Action,
    Alert,
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
    Problem,
    Reason,
    Recall,
    Save,
    Send,
    Verdict,
    VerdictKind,
)

T = TypeVar("T")
Flow: TypeAlias = Generator[Effect, object, T]

HOLDS_BACK = frozenset({Reason.RATE_LIMITED, Reason.THROTTLED, Reason.UNREACHABLE})
"""Troubles that are not the body's: an older event of the key would meet them too, so it waits."""


def deliver(
    intent: Intent,
    *,
    policy: Policy,
    owner: str,
    received_at: float,
    delivery_count: int = 1,
    behind: int = 0,
) -> Flow[Outcome]:
    """Bring one intent to its end, or say when to come back to it.

    Args:
        intent: what PagerDuty should know.
        policy: times and limits.
        owner: names this run in claims; unique among all runs of all replicas.
        received_at: when the message was stored, seconds since 1970.
        delivery_count: how often the message was delivered, 1 the first time.
        behind: how many messages wait behind it (Envelope.pending).

    Returns:
        The outcome; DEFERRED asks for the message again after `delay` seconds. Never raises for
        what the world does: a ledger that does not answer ends in DEFERRED too.
    """
    run = _Run(intent, policy, owner, received_at, delivery_count, behind)
    try:
        return (yield from _tell(run))
    except Problem as problem:
        if problem.reason is not Reason.LEDGER_UNAVAILABLE:
            raise
        now = yield from _now()
        return run.put_off(now, problem.reason, problem.message)


def mend(alert: Alert, *, policy: Policy, owner: str) -> Flow[Outcome]:
    """Say the settled state of an entry once more, with no message in hand.

    For the sweep that looks through the ledger for entries of which `entry.needs_mending` says
    so: their last holder died between writing the doubt down and acting on it. The outcome tells
    how it went (DELIVERED/REPAIRED, or DELIVERED/DUPLICATE when somebody else was first); a
    DEFERRED one needs nothing: the next sweep finds the entry again.
    """
    action = Action.RESOLVE if alert.state is AlertState.RESOLVED else Action.TRIGGER
    intent = _plain(alert, action)
    run = _Run(intent, policy, owner, alert.updated_at, 1, 0, settled=True, recalls=True)
    try:
        return (yield from _tell(run))
    except Problem as problem:
        if problem.reason is not Reason.LEDGER_UNAVAILABLE:
            raise
        now = yield from _now()
        return run.put_off(now, problem.reason, problem.message)


def _plain(alert: Alert, action: Action) -> Intent:
    """What can be said of a key from its entry alone."""
    return Intent(
        action=action,
        service=alert.key.service,
        dedup_key=alert.key.dedup_key,
        rule=alert.rule,
        event_id=alert.event_id,
        position=alert.position,
    )


@dataclass(slots=True)
class _Run:
    """What one conversation knows and counts; it ends with it.

    Attributes that need a word:
        settled: the intent needs no more than its state said once more.
        outspoken: we sent without a claim. Another delivery of our message may have ended it
            since, so the repair is ours to do now, with the message in hand, and not after a
            redelivery that may never come.
        recalls: no message is in hand, its event must be read back.
        quick: pauses of the tries left in this run.
    """

    intent: Intent
    policy: Policy
    owner: str
    received_at: float
    delivery_count: int
    behind: int
    attempts: int = 0
    last: Verdict | None = None
    settled: bool = False
    outspoken: bool = False
    recalls: bool = False
    quick: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quick = list(self.policy.quick_retries)

    def end(self, kind: OutcomeKind, reason: Reason, message: str = "") -> Outcome:
        """A final outcome."""
        last = self.last
        return Outcome(
            kind=kind,
            reason=reason,
            intent=self.intent,
            message=message or (last.message if last is not None else ""),
            status=last.status if last is not None else 0,
            attempts=self.attempts,
            errors=last.errors if last is not None else (),
        )

    def put_off(
        self, now: float, reason: Reason, message: str = "", *, delay: float | None = None
    ) -> Outcome:
        """Come back later, or, when the message is too old for that and unsettled, give up."""
        if self.is_expired(now):
            age = int(now - self.received_at)
            text = f"given up after {age} s, at last because: {reason.value}"
            return self.end(OutcomeKind.DEAD_LETTERED, Reason.EXPIRED, text)
        outcome = self.end(OutcomeKind.DEFERRED, reason, message)
        return replace(outcome, delay=self.backoff(now) if delay is None else delay)

    def is_expired(self, now: float) -> bool:
        """Whether a failure now is the last one; what is settled already never expires."""
        return not self.settled and now - self.received_at > self.policy.max_age

    def backoff(self, now: float) -> float:
        """Seconds until the next delivery after a failure.

        No longer than the message is old: deliveries that only met a busy key count too, and the
        first failure after some of those must not cost minutes. For failures alone that is no
        limit, since each delay is about as long as all before it together.
        """
        policy = self.policy
        return backoff(
            seed=self.intent.event_id,
            attempt=self.delivery_count,
            first=policy.first_delay,
            ceiling=min(policy.longest_delay, max(policy.first_delay, now - self.received_at)),
        )

    def as_asked(self, seconds: float) -> float:
        """A delay that the other side named."""
        return asked_for(
            seconds,
            seed=self.intent.event_id,
            attempt=self.delivery_count,
            ceiling=self.policy.longest_retry_after,
        )

    def is_stale(self, at: float) -> bool:
        """Whether the trigger was too old at that time to be sent as it is."""
        limit = self.policy.stale_after
        if limit is None or self.intent.action is not Action.TRIGGER:
            return False
        return at - (self.intent.occurred_at or self.received_at) > limit


def _tell(run: _Run) -> Flow[Outcome]:
    """Rounds of: read, decide, claim, say, settle."""
    intent, policy = run.intent, run.policy
    for _ in range(policy.rounds):
        alert, revision = yield from _load(intent)
        now = yield from _now()
        step = decide(
            alert, intent, owner=run.owner, now=now, tries=run.delivery_count, policy=policy
        )
        run.settled = run.settled or step.place is not Place.NEWER
        match step.move:
            case Move.END:
                return run.end(step.kind, step.reason)
            case Move.WAIT:
                if run.outspoken and step.place is not Place.NEWER:
                    yield Pause(seconds=max(step.delay, policy.lease / 8))
                    continue
                return run.put_off(now, step.reason, delay=step.delay)
            case Move.PASS:
                if (yield from _save(entry.passed(alert, intent.position, now=now), revision)):
                    return run.end(step.kind, step.reason)
                continue
            case Move.REMEMBER:
                free = entry.disowned(alert, run.owner, now=now, policy=policy)
                if (yield from _save(entry.remembered(free, intent.position), revision)):
                    return run.end(step.kind, step.reason)
                continue
            case Move.SEND:
                put_off = yield from _guard(run, alert, revision, now)
                if put_off is not None:
                    return put_off
                content: Intent = _as_sent(run, now)
            case Move.REPEAT:
                content = yield from _settled_content(run, alert)
        wait = yield from _permit(run, content)
        if wait > 0:
            delay = run.as_asked(wait)
            yield from _hold_back(run, step, alert, revision, now + delay)
            return run.put_off(now, Reason.RATE_LIMITED, delay=delay)
        outcome = yield from _say(run, step, content, alert, revision)
        if outcome is not None:
            return outcome
    now = yield from _now()
    return run.put_off(now, Reason.BUSY, "the entry of this key changes too often")


def _guard(run: _Run, alert: Alert, revision: int, now: float) -> Flow[Outcome | None]:
    """Reasons not to send a newer event now, or at all; None: go ahead."""
    intent, policy = run.intent, run.policy
    if run.is_stale(now) and policy.on_stale is OnStale.SUPPRESS:
        if alert.waiting is not None and alert.waiting.position == intent.position:
            yield from _save(replace(alert, waiting=None), revision)
        return run.end(OutcomeKind.SUPPRESSED_STALE, Reason.STALE)
    behind = run.delivery_count == 1 and 0 < policy.catch_up <= run.behind
    if behind and intent.action in (Action.TRIGGER, Action.RESOLVE):
        delay = run.as_asked(policy.catch_up_delay)
        yield from _save(entry.held_back(alert, intent.position, now + 2 * delay), revision)
        return run.put_off(now, Reason.CATCHING_UP, delay=delay)
    return None


def _as_sent(run: _Run, at: float) -> Intent:
    """The intent itself, its severity lowered when it is stale (and the policy wants that)."""
    intent = run.intent
    if not run.is_stale(at) or intent.payload is None:
        return intent
    severity = run.policy.stale_severity
    note = f"stale: severity lowered to {severity}"
    payload = {**intent.payload, "severity": severity}
    return replace(intent, payload=payload, notes=(*intent.notes, note))


def _settled_content(run: _Run, alert: Alert) -> Flow[Intent]:
    """What says the settled state once more."""
    if run.intent.position == alert.position and not run.recalls:
        return _as_sent(run, alert.updated_at)
    if alert.state is AlertState.RESOLVED:
        return _plain(alert, Action.RESOLVE)
    recalled = yield Recall(key=alert.key, position=alert.position, rule=alert.rule)
    if isinstance(recalled, Intent) and recalled.action is Action.TRIGGER:
        return replace(recalled, position=alert.position)
    # The event is gone from the stream, yet the page must stand: a plain one in its place.
    rule = alert.rule or "alert"
    return replace(
        _plain(alert, Action.TRIGGER),
        payload={
            "summary": f"{rule}: still open (its event is no longer in the stream)"[:1024],
            "source": rule,
            "severity": "error",
            "custom_details": {"event_id": alert.event_id},
        },
    )


def _hold_back(run: _Run, step: Step, alert: Alert, revision: int, until: float) -> Flow[None]:
    """Tell older events of the key to spend nothing before us; best effort."""
    if step.move is not Move.SEND or run.intent.action not in (Action.TRIGGER, Action.RESOLVE):
        return
    held = entry.held_back(alert, run.intent.position, until + run.policy.longest_busy_delay)
    if held != alert:
        yield from _save(held, revision)


def _say(
    run: _Run, step: Step, content: Intent, alert: Alert, revision: int
) -> Flow[Outcome | None]:
    """Claim, say, settle; None: start over."""
    policy = run.policy
    now = yield from _now()
    claim = Claim(owner=run.owner, position=content.position, expires_at=now + policy.lease)
    taken = entry.claimed(alert, claim, now=now, policy=policy)
    saved = yield from _save(taken, revision)
    if not saved:
        return None
    heard = yield from _exchange(run, content, taken, claim)
    run.settled = run.settled or heard.accepted
    now = yield from _now()
    closing = _closing(run, step, content, heard, taken.doubt, now)
    after = yield from _close(run, claim, taken, saved, closing.change)
    if after is None:
        if not heard.nothing:
            until = now + policy.doubt if heard.ambiguous else now
            yield from _note_doubt(content, until)
            run.outspoken = True
        if heard.accepted or heard.ambiguous:
            return None  # see what the key has come to
    elif heard.accepted:
        return _told(run, step, after, now)
    if closing.outcome is None:
        yield Pause(seconds=closing.pause)
    return closing.outcome


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What an exchange (one request, or a trigger and its acknowledge) came to.

    Attributes:
        verdict: of the last request; None when the lease left no time for any.
        accepted: all of it was accepted.
        acknowledged: the acknowledge that followed a trigger was accepted.
        ambiguous: some of it may still be under way.
        nothing: PagerDuty surely heard none of it.
        began: when the first request started.
    """

    verdict: Verdict | None = None
    accepted: bool = False
    acknowledged: bool = False
    ambiguous: bool = False
    nothing: bool = True
    began: float = 0.0


def _exchange(run: _Run, content: Intent, taken: Alert, claim: Claim) -> Flow[_Heard]:
    """Say it, and behind a trigger the acknowledge that overtook it."""
    heard = _Heard()
    statements = [content]
    if content.action is Action.TRIGGER and taken.acknowledged > content.position:
        statements.append(replace(content, action=Action.ACKNOWLEDGE, payload=None))
    for number, statement in enumerate(statements):
        now = yield from _now()
        if entry.time_left(claim, now) < run.policy.send_timeout:
            heard.accepted = False
            return heard
        if number == 0:
            heard.began = now
        first = run.last
        run.attempts += 1
        verdict = yield Send(intent=statement, deadline=claim.expires_at)
        assert isinstance(verdict, Verdict)
        run.last = heard.verdict = verdict
        heard.ambiguous = heard.ambiguous or verdict.ambiguous
        if verdict.kind is VerdictKind.ACCEPTED or verdict.ambiguous:
            heard.nothing = False
        if number > 0 and verdict.kind is VerdictKind.REJECTED:
            run.last = first  # the page stands; only its acknowledge was not wanted
            return heard
        heard.accepted = verdict.kind is VerdictKind.ACCEPTED
        if not heard.accepted:
            return heard
        heard.acknowledged = number > 0
    return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closing:
    """How a claim is given back, and what follows: an outcome, or a pause and another round."""

    change: Callable[[Alert], Alert]
    outcome: Outcome | None = None
    pause: float = 0.0


def _closing(
    run: _Run, step: Step, content: Intent, heard: _Heard, seen: Doubt | None, now: float
) -> _Closing:
    """Choose it by the verdict."""
    policy, verdict = run.policy, heard.verdict
    position = content.position

    def settle(alert: Alert) -> Alert:
        return entry.settled(
            alert,
            content,
            state=step.state,
            acknowledged=heard.acknowledged,
            seen=seen,
            began=heard.began,
            now=now,
            policy=policy,
        )

    def release(alert: Alert) -> Alert:
        free = entry.released(alert, position)
        return free if heard.nothing else entry.doubted(free, position, now + policy.doubt)

    if heard.accepted:
        return _Closing(change=settle)
    if verdict is None or verdict.kind is VerdictKind.ACCEPTED:  # the lease ran short
        return _Closing(change=release)
    if verdict.kind is VerdictKind.REJECTED:
        return _Closing(change=release, outcome=run.end(OutcomeKind.DEAD_LETTERED, Reason.REJECTED))
    asked = verdict.retry_after
    quick = run.quick[0] if run.quick else None
    if quick is not None and (asked is None or asked <= quick) and not run.is_expired(now):
        run.quick.pop(0)
        delay, outcome = quick, None
    else:
        delay = run.backoff(now)
        delay = delay if asked is None else max(run.as_asked(asked), delay)
        outcome = run.put_off(now, verdict.reason, delay=delay)
        if outcome.kind is not OutcomeKind.DEFERRED:
            return _Closing(change=release, outcome=outcome)
    holds = step.move is Move.SEND and run.intent.action in (Action.TRIGGER, Action.RESOLVE)
    if holds and (outcome is None or verdict.reason in HOLDS_BACK):
        until = now + delay + policy.longest_busy_delay

        def release_and_wait(alert: Alert) -> Alert:
            return entry.held_back(release(alert), position, until)

        return _Closing(change=release_and_wait, outcome=outcome, pause=delay)
    return _Closing(change=release, outcome=outcome, pause=delay)


def _close(
    run: _Run, claim: Claim, taken: Alert, revision: int, change: Callable[[Alert], Alert]
) -> Flow[Alert | None]:
    """Give the claim back; the entry as written, or None when the claim is not ours any more.

    Others may write beside a live claim (a doubt), so a lost compare-and-set is not yet a lost
    claim; and a write whose answer was lost may be found done.
    """
    alert = taken
    pauses = list(run.policy.quick_retries)
    while True:
        wanted = change(alert)
        try:
            if (yield from _save(wanted, revision)):
                return wanted
            alert, revision = yield from _load(run.intent)
        except Problem:
            if not pauses:
                raise
            yield Pause(seconds=pauses.pop(0))
            alert, revision = yield from _load(run.intent)
        if alert == wanted:
            return wanted
        if alert.claim != claim:
            return None


def _note_doubt(content: Intent, until: float) -> Flow[None]:
    """We spoke without a claim: write down what may have been heard after its successor."""
    while True:
        alert, revision = yield from _load(content)
        if (yield from _save(entry.doubted(alert, content.position, until), revision)):
            return


def _told(run: _Run, step: Step, after: Alert, now: float) -> Outcome:
    """Accepted and settled; whoever overwrote something unknown comes back to say it once more."""
    run.settled = True
    action = run.intent.action
    if action in (Action.TRIGGER, Action.RESOLVE) and entry.owes_repetition(after):
        delay = max(entry.repetition_due(after, run.policy) - now, 0.001)
        return run.put_off(now, Reason.IN_DOUBT, delay=delay)
    if step.move is Move.SEND:
        return run.end(OutcomeKind.DELIVERED, Reason.ACCEPTED)
    return run.end(over(after, run.intent, step.place).kind, Reason.REPAIRED)


# -- asking -------------------------------------------------------------------------------------


def _now() -> Flow[float]:
    answer = yield Now()
    assert isinstance(answer, float)
    return answer


def _load(intent: Intent) -> Flow[tuple[Alert, int]]:
    answer = yield Load(key=entry.key_of(intent))
    assert isinstance(answer, tuple)
    alert, revision = answer
    return alert, revision


def _save(alert: Alert, revision: int) -> Flow[int]:
    """The new revision, or 0 when somebody else was first."""
    answer = yield Save(alert=alert, revision=revision)
    assert answer is None or isinstance(answer, int)
    return answer or 0


def _permit(run: _Run, content: Intent) -> Flow[float]:
    urgent = content.action is Action.TRIGGER
    answer = yield Permit(service=run.intent.service, urgent=urgent)
    assert isinstance(answer, (int, float))
    return float(answer)
