"""One try: claim the key, say it, settle; and what to do when the claim was lost meanwhile.

Rules: nothing is sent without a claim, nor with less of it left than a request may take. A claim
is given back in one compare-and-set together with what came of it. Whoever finds its claim gone
has spoken out of turn, and writes down what may have been heard before anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from subscriber.delivery import entry
from subscriber.delivery.run import NOW, Flow, Run
from subscriber.delivery.table import Move, Step, over
from subscriber.model import (
    Action,
    Alert,
    Claim,
    Doubt,
    Intent,
    Load,
    Outcome,
    OutcomeKind,
    Pause,
    Problem,
    Reason,
    Save,
    Send,
    Verdict,
    VerdictKind,
)

_OVERWRITES = (Action.TRIGGER, Action.RESOLVE)

HOLDS_BACK = frozenset({Reason.RATE_LIMITED, Reason.THROTTLED, Reason.UNREACHABLE})
"""Troubles that are not the body's: an older event of the key would meet them too, so it waits."""


def say(run: Run, step: Step, content: Intent, alert: Alert, revision: int) -> Flow[Outcome | None]:
    """Claim, say, settle; None: start over."""
    policy = run.policy
    now = yield NOW
    claim = Claim(owner=run.owner, position=content.position, expires_at=now + policy.lease)
    taken = entry.claimed(alert, claim, now=now, policy=policy)
    saved: int | None = yield Save(alert=taken, revision=revision)
    if not saved:
        return None
    heard = yield from _exchange(run, content, taken, claim)
    run.settled = run.settled or heard.accepted
    now = yield NOW
    closing = _closing(run, step, content, heard, taken.doubt, now)
    after = yield from _close(run, claim, taken, saved, closing.change)
    if after is None:
        if not heard.nothing:
            until = now + policy.doubt if heard.ambiguous else now
            yield from note_doubt(content, until)
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


def _exchange(run: Run, content: Intent, taken: Alert, claim: Claim) -> Flow[_Heard]:
    """Say it, and behind a trigger the acknowledge that overtook it."""
    heard = _Heard()
    statements = [content]
    if content.action is Action.TRIGGER and taken.acknowledged > content.position:
        statements.append(replace(content, action=Action.ACKNOWLEDGE, payload=None))
    for number, statement in enumerate(statements):
        now = yield NOW
        if entry.time_left(claim, now) < run.policy.send_timeout:
            heard.accepted = False
            return heard
        if number == 0:
            heard.began = now
        first = run.last
        run.attempts += 1
        run.permitted = False
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


@dataclass(slots=True, kw_only=True)
class _Closing:
    """How a claim is given back, and what follows: an outcome, or a pause and another round."""

    change: Callable[[Alert], Alert]
    outcome: Outcome | None = None
    pause: float = 0.0


def _closing(
    run: Run, step: Step, content: Intent, heard: _Heard, seen: Doubt | None, now: float
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

    if heard.accepted:
        return _Closing(change=settle)
    holds = step.move is Move.SEND and run.intent.action in _OVERWRITES

    def release(alert: Alert) -> Alert:
        free = entry.released(alert, position)
        if heard.nothing:
            return free
        free = entry.doubted(free, position, now + policy.doubt)
        if not holds:
            return free
        # Of several doubts the entry names none; older events must know of this one all the same.
        return entry.held_back(free, position, now + policy.doubt + policy.clock_skew)

    if verdict is None or verdict.kind is VerdictKind.ACCEPTED:  # the lease ran short
        return _Closing(change=release)
    if verdict.kind is VerdictKind.REJECTED:
        return _Closing(change=release, outcome=run.end(OutcomeKind.DEAD_LETTERED, Reason.REJECTED))
    asked = verdict.retry_after
    quick = run.next_quick()
    if quick is not None and (asked is None or asked <= quick) and not run.is_expired(now):
        run.quick_tries += 1
        delay, outcome = quick, None
    else:
        delay = run.backoff(now)
        delay = delay if asked is None else max(run.as_asked(asked), delay)
        outcome = run.put_off(now, verdict.reason, delay=delay)
        if outcome.kind is not OutcomeKind.DEFERRED:
            return _Closing(change=release, outcome=outcome)
    if holds and (outcome is None or verdict.reason in HOLDS_BACK):
        until = now + delay + policy.longest_busy_delay

        def release_and_wait(alert: Alert) -> Alert:
            return entry.held_back(release(alert), position, until)

        return _Closing(change=release_and_wait, outcome=outcome, pause=delay)
    return _Closing(change=release, outcome=outcome, pause=delay)


def _close(
    run: Run, claim: Claim, taken: Alert, revision: int, change: Callable[[Alert], Alert]
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
            if (yield Save(alert=wanted, revision=revision)):
                return wanted
            alert, revision = yield Load(key=taken.key)
        except Problem:
            if not pauses:
                raise
            yield Pause(seconds=pauses.pop(0))
            alert, revision = yield Load(key=taken.key)
        if alert == wanted:
            return wanted
        if alert.claim != claim:
            return None


def note_doubt(content: Intent, until: float) -> Flow[None]:
    """We spoke without a claim: write down what may have been heard after its successor."""
    while True:
        alert, revision = yield Load(key=entry.key_of(content))
        doubted = entry.doubted(alert, content.position, until)
        if (yield Save(alert=doubted, revision=revision)):
            return


def _told(run: Run, step: Step, after: Alert, now: float) -> Outcome:
    """Accepted and settled; whoever overwrote something unknown comes back to say it once more."""
    run.settled = True
    if run.intent.action in _OVERWRITES and entry.owes_repetition(after):
        delay = max(entry.repetition_due(after, run.policy) - now, 0.001)
        return run.put_off(now, Reason.IN_DOUBT, delay=delay)
    if step.move is Move.SEND:
        return run.end(OutcomeKind.DELIVERED, Reason.ACCEPTED)
    return run.end(over(after, run.intent, step.place).kind, Reason.REPAIRED)
