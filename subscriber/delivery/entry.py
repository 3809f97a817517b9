"""What may be read out of a ledger entry, and the only ways in which an entry changes.

Rules: pure functions from entry to entry; whether one was written is the ledger's compare-and-set
to say. Times are seconds since 1970 by the caller's own clock; comparing with a time that another
replica wrote allows for `Policy.clock_skew`.

    claimed     before a request: who, for what, until when; a claim that ran out becomes a doubt
    settled     PagerDuty accepted it: position and state move, the claim goes
    released    PagerDuty did not (or never heard it): the claim goes, nothing else moves
    doubted     a request may have arrived, or may still arrive, outside a claim
    passed      a resolve of what is resolved already: the position moves, nothing was sent
    remembered  an acknowledge with nothing open: kept for the trigger it overtook
    held_back   the newest event waits for its turn; older ones shall not spend a call meanwhile
"""

from __future__ import annotations

from dataclasses import replace

from subscriber.delivery.policy import Policy
from subscriber.model import (
    FIRST,
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

SEVERAL = FIRST
"""Stands in a doubt for more than one position; it is older than every real one."""


def key_of(intent: Intent) -> AlertKey:
    """The ledger key; a change event has no dedup key and is known by its event and rule.

    The unit separator keeps the two kinds apart: no dedup key that PagerDuty takes has one.
    """
    if intent.action is not Action.CHANGE:
        return AlertKey(service=intent.service, dedup_key=intent.dedup_key)
    parts = ("change", intent.event_source, intent.event_id, intent.rule)
    return AlertKey(service=intent.service, dedup_key="\x1f".join(parts))


def is_live(claim: Claim | None, *, owner: str, now: float, policy: Policy) -> bool:
    """Whether somebody else may still be sending under this claim."""
    if claim is None or claim.owner == owner:
        return False
    return now < claim.expires_at + policy.clock_skew


def is_at_rest(alert: Alert) -> bool:
    """Whether PagerDuty surely holds `alert.state`: nobody sends, nothing unknown is about."""
    return alert.claim is None and (alert.doubt is None or alert.doubt.position == alert.position)


def owes_repetition(alert: Alert) -> bool:
    """Whether an older request may have reached PagerDuty after the settled one, or still may.

    Then the settled state must be said once more, after `doubt.until`. Whoever settled it still
    holds its message for that reason.
    """
    return (
        alert.doubt is not None
        and alert.state is not AlertState.NONE
        and alert.doubt.position < alert.position
    )


def repetition_due(alert: Alert, policy: Policy) -> float:
    """When saying it once more is sure to come last, seconds since 1970."""
    return alert.doubt.until + policy.clock_skew if alert.doubt is not None else 0.0


def spoken_for_until(alert: Alert, position: Position, policy: Policy) -> float:
    """Until when an event at `position` keeps quiet: PagerDuty may have heard a newer one already.

    The newer one's claim ran out, or its end is unknown. Its message is still about and comes back
    within that time to settle it; an older trigger said meanwhile would open an incident that the
    newer resolve had closed. Afterwards the older one speaks: the newer may have been rejected.
    Seconds since 1970, 0.0 when nothing newer can have been heard.
    """
    until = 0.0
    if alert.claim is not None and alert.claim.position > position:
        until = alert.claim.expires_at + policy.clock_skew + policy.doubt
    if alert.doubt is not None and alert.doubt.position > position:
        until = max(until, alert.doubt.until + policy.clock_skew)
    return until


def needs_mending(alert: Alert, *, now: float, policy: Policy) -> bool:
    """Whether a sweep of the ledger should `mend` this entry.

    A lease later than due, so that whoever holds the message comes first.
    """
    if not owes_repetition(alert) or is_live(alert.claim, owner="", now=now, policy=policy):
        return False
    return now >= repetition_due(alert, policy) + policy.lease


def time_left(claim: Claim, now: float) -> float:
    """Seconds in which the owner of this claim may still be talking."""
    return claim.expires_at - now


def doubted(alert: Alert, position: Position, until: float) -> Alert:
    """Note a request whose end is unknown, beside what is noted already."""
    doubt = alert.doubt
    if doubt is not None:
        until = max(until, doubt.until)
        position = position if position == doubt.position else SEVERAL
    return replace(alert, doubt=Doubt(position=position, until=until))


def claimed(alert: Alert, claim: Claim, *, now: float, policy: Policy) -> Alert:
    """Take the key; a claim that ran out is ambiguous: its owner may have sent, or may still."""
    return replace(disowned(alert, claim.owner, now=now, policy=policy), claim=claim)


def disowned(alert: Alert, owner: str, *, now: float, policy: Policy) -> Alert:
    """Turn a foreign claim that ran out into a doubt; one's own (nothing sent) just goes."""
    if alert.claim is None:
        return alert
    freed = replace(alert, claim=None)
    if alert.claim.owner == owner:
        return freed
    return doubted(freed, alert.claim.position, now + policy.doubt)


def settled(
    alert: Alert,
    intent: Intent,
    *,
    state: AlertState,
    acknowledged: bool,
    seen: Doubt | None,
    began: float,
    now: float,
    policy: Policy,
) -> Alert:
    """PagerDuty accepted what `intent` asks.

    Args:
        alert: the entry, under our claim.
        intent: what was said; its position is newer than the entry's, or the same (said again).
        state: what PagerDuty holds now.
        acknowledged: an acknowledge was part of it.
        seen: the doubt in the entry when it was claimed.
        began: when the first request started.
        now: the time of settling.
        policy: for the clock skew.
    """
    doubt = alert.doubt
    if intent.action is Action.ACKNOWLEDGE:
        if doubt is not None and doubt.position == intent.position:
            doubt = None  # an earlier copy of the very same acknowledge
        return replace(
            alert,
            state=state,
            acknowledged=max(alert.acknowledged, intent.position),
            claim=None,
            doubt=doubt,
            updated_at=now,
        )
    # What was under way when we began and has surely ended since was overwritten by what we said.
    if doubt is not None and doubt == seen and began >= repetition_due(alert, policy):
        doubt = None
    if acknowledged:
        state = AlertState.ACKNOWLEDGED
    return replace(
        alert,
        position=intent.position,
        state=state,
        claim=None,
        doubt=doubt,
        waiting=_still_waiting(alert, intent.position),
        rule=intent.rule,
        event_id=intent.event_id,
        updated_at=alert.updated_at if intent.position == alert.position else now,
    )


def released(alert: Alert, position: Position) -> Alert:
    """Nothing came of it: give the key back as it was; `position` waits no more."""
    waiting = alert.waiting
    if waiting is not None and waiting.position == position:
        waiting = None
    return replace(alert, claim=None, waiting=waiting)


def passed(alert: Alert, position: Position, *, now: float) -> Alert:
    """PagerDuty holds it already: move the position, so that older events stay behind it."""
    doubt = alert.doubt
    if doubt is not None:  # at rest: a copy of the same statement, which now speaks for us
        doubt = replace(doubt, position=position)
    return replace(
        alert,
        position=position,
        doubt=doubt,
        waiting=_still_waiting(alert, position),
        updated_at=now,
    )


def remembered(alert: Alert, position: Position) -> Alert:
    """Keep an acknowledge for a trigger that it overtook; the position stays where it is."""
    return replace(alert, acknowledged=position)


def held_back(alert: Alert, position: Position, until: float) -> Alert:
    """Say that `position`, the newest heard, waits for its turn.

    A newer one takes the place, but older events do not get their turn sooner for that.
    """
    waiting = alert.waiting
    if waiting is not None:
        if waiting.position > position:
            return alert
        until = max(until, waiting.until)
    return replace(alert, waiting=Waiting(position=position, until=until))


def _still_waiting(alert: Alert, settled_at: Position) -> Waiting | None:
    waiting = alert.waiting
    return waiting if waiting is not None and waiting.position > settled_at else None
