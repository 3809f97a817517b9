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

from dataclasses import replace

from subscriber.delivery import entry
from subscriber.delivery.exchange import say
from subscriber.delivery.policy import OnStale, Policy
from subscriber.delivery.run import NOW, Flow, Run, ask_permit
from subscriber.delivery.table import Move, Place, Step, decide
from subscriber.model import (
    Action,
    Alert,
    AlertState,
    Intent,
    Load,
    Outcome,
    OutcomeKind,
    Pause,
    Problem,
    Reason,
    Recall,
    Save,
)

_GUARDED = (Move.SEND, Move.REMEMBER)
"""What is done about a key never seen, and begins with a compare-and-set."""


def deliver(
    intent: Intent,
    *,
    policy: Policy,
    owner: str,
    received_at: float,
    delivery_count: int = 1,
    guess: bool = True,
) -> Flow[Outcome]:
    """Bring one intent to its end, or say when to come back to it.

    Args:
        intent: what PagerDuty should know.
        policy: times and limits.
        owner: names this run in claims; unique among all runs of all replicas.
        received_at: when the message was stored, seconds since 1970.
        delivery_count: how often the message was delivered, 1 the first time.
        guess: whether the key may be one never seen; False when something was just said of it. A
            guess that proves wrong has spent a call's allowance on nothing.

    Returns:
        The outcome; DEFERRED asks for the message again after `delay` seconds. Never raises for
        what the world does: a ledger that does not answer ends in DEFERRED too.
    """
    run = Run(intent, policy, owner, received_at, delivery_count)
    try:
        return (yield from _tell(run, guess and delivery_count == 1))
    except Problem as problem:
        if problem.reason is not Reason.LEDGER_UNAVAILABLE:
            raise
        now = yield NOW
        # No exponential back-off: its message cannot come back before NATS is there again.
        delay = run.as_asked(policy.first_delay)
        return run.put_off(now, problem.reason, problem.message, delay=delay)


def mend(alert: Alert, *, policy: Policy, owner: str) -> Flow[Outcome]:
    """Say the settled state of an entry once more, with no message in hand.

    For the sweep that looks through the ledger for entries of which `entry.needs_mending` says
    so: their last holder died between writing the doubt down and acting on it. The outcome tells
    how it went (DELIVERED/REPAIRED, or DELIVERED/DUPLICATE when somebody else was first); a
    DEFERRED one needs nothing: the next sweep finds the entry again.
    """
    action = Action.RESOLVE if alert.state is AlertState.RESOLVED else Action.TRIGGER
    intent = _plain(alert, action)
    run = Run(intent, policy, owner, alert.updated_at, 1, settled=True, recalls=True)
    try:
        return (yield from _tell(run, False))
    except Problem as problem:
        if problem.reason is not Reason.LEDGER_UNAVAILABLE:
            raise
        now = yield NOW
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


def _tell(run: Run, guess: bool) -> Flow[Outcome]:
    """Rounds of: read, decide, claim, say, settle."""
    intent, policy = run.intent, run.policy
    refused = 0.0
    for _ in range(policy.rounds):
        alert, revision, now, step = yield from _look(run, guess)
        guessed, guess = guess and not revision, False
        run.settled = run.settled or step.place is not Place.NEWER
        match step.move:
            case Move.SEND:  # nearly always
                if run.is_stale(now) and policy.on_stale is OnStale.SUPPRESS:
                    return (yield from _suppress(run, alert, revision))
                content: Intent = _as_sent(run, now)
            case Move.END:
                return run.end(step.kind, step.reason)
            case Move.WAIT:
                if run.outspoken and step.place is not Place.NEWER:
                    yield Pause(seconds=max(step.delay, policy.lease / 8))
                    continue
                return run.put_off(now, step.reason, delay=step.delay)
            case Move.PASS:
                moved = entry.passed(alert, intent.position, now=now)
                if (yield Save(alert=moved, revision=revision)):
                    return run.end(step.kind, step.reason)
                continue
            case Move.REMEMBER:
                free = entry.disowned(alert, run.owner, now=now, policy=policy)
                noted = entry.remembered(free, intent.position)
                if (yield Save(alert=noted, revision=revision)):
                    return run.end(step.kind, step.reason)
                continue
            case Move.REPEAT:
                content = yield from _settled_content(run, alert)
        wait = refused or (yield from ask_permit(run, content))
        if wait > 0 and guessed:
            refused = wait
            continue  # it may have been said already: look before it waits for its turn
        if wait > 0:
            delay = run.as_asked(wait)
            yield from _hold_back(run, step, alert, revision, now + delay)
            return run.put_off(now, Reason.RATE_LIMITED, delay=delay)
        outcome = yield from say(run, step, content, alert, revision)
        if outcome is not None:
            return outcome
    now = yield NOW
    return run.put_off(now, Reason.BUSY, "the entry of this key changes too often")


def _look(run: Run, guess: bool) -> Flow[tuple[Alert, int, float, Step]]:
    """The entry, its revision, the time, and what to do.

    The entry may be a `guess` ("never seen"), which spares most first events of a key a round trip.
    That is as good as a look whenever a compare-and-set from revision 0 comes next: it fails if
    there is an entry. What would end or put off the intent without one is looked up.
    """
    alert, revision = yield Load(key=entry.key_of(run.intent), guess=guess)
    now = yield NOW
    step = decide(
        alert, run.intent, owner=run.owner, now=now, tries=run.delivery_count, policy=run.policy
    )
    if guess and not revision and (step.move not in _GUARDED or run.is_stale(now)):
        return (yield from _look(run, False))
    return alert, revision, now, step


def _suppress(run: Run, alert: Alert, revision: int) -> Flow[Outcome]:
    """End a trigger that is too old to be said; it waits no more."""
    if alert.waiting is not None and alert.waiting.position == run.intent.position:
        yield Save(alert=replace(alert, waiting=None), revision=revision)
    return run.end(OutcomeKind.SUPPRESSED_STALE, Reason.STALE)


def _as_sent(run: Run, at: float) -> Intent:
    """The intent itself, its severity lowered when it is stale (and the policy wants that)."""
    intent = run.intent
    if not run.is_stale(at) or intent.payload is None:
        return intent
    severity = run.policy.stale_severity
    note = f"stale: severity lowered to {severity}"
    payload = {**intent.payload, "severity": severity}
    return replace(intent, payload=payload, notes=(*intent.notes, note))


def _settled_content(run: Run, alert: Alert) -> Flow[Intent]:
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


def _hold_back(run: Run, step: Step, alert: Alert, revision: int, until: float) -> Flow[None]:
    """Tell older events of the key to spend nothing before us; best effort."""
    if step.move is not Move.SEND or run.intent.action not in (Action.TRIGGER, Action.RESOLVE):
        return
    held = entry.held_back(alert, run.intent.position, until + run.policy.longest_busy_delay)
    if held != alert:
        yield Save(alert=held, revision=revision)
