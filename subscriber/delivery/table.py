"""What an intent means for the entry of its key: a table, and the questions asked before it.

Rules: pure. The table covers every (state, action) pair of an intent that is newer than what is
settled; the questions (is it newer? is somebody else at it? does a newer one wait?) come first and
in the order of `decide`. The diagrams of docs/delivery.md are drawn from here.

What supersedes what (older in the column, newer in the row):

    newer \\ older   trigger   acknowledge   resolve
    trigger          yes       yes           yes
    acknowledge      no        yes           no
    resolve          yes       yes           yes

An acknowledge is not a state that replaces the trigger it belongs to, so it has a register of its
own in the entry and never moves the position.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from subscriber.delivery import entry
from subscriber.delivery.backoff import backoff
from subscriber.delivery.policy import Policy
from subscriber.model import FIRST, Action, Alert, AlertState, Intent, OutcomeKind, Reason


class Place(StrEnum):
    """Where an intent stands against what is settled for its key."""

    NEWER = "newer"
    SAME = "same"
    OLDER = "older"


class Move(Enum):
    """What to do about it."""

    SEND = auto()
    """Claim, say it, settle."""
    REPEAT = auto()
    """Claim, say once more what is settled, settle."""
    PASS = auto()
    """Move the position without a call, if nothing unknown is about; else send."""
    REMEMBER = auto()
    """Note the acknowledge, send nothing, leave the position."""
    WAIT = auto()
    """Give the message back for a while."""
    END = auto()
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        move: SEND, PASS or REMEMBER.
        state: what PagerDuty holds afterwards.
        reason: why, when nothing is sent.
    """

    move: Move
    state: AlertState
    reason: Reason = Reason.ACCEPTED


_NONE, _OPEN = AlertState.NONE, AlertState.OPEN
_ACKED, _RESOLVED = AlertState.ACKNOWLEDGED, AlertState.RESOLVED

TABLE: dict[tuple[AlertState, Action], Row] = {
    # A trigger is always said: while the alert is open PagerDuty adds the new body to it.
    (_NONE, Action.TRIGGER): Row(move=Move.SEND, state=_OPEN),
    (_OPEN, Action.TRIGGER): Row(move=Move.SEND, state=_OPEN),
    (_ACKED, Action.TRIGGER): Row(move=Move.SEND, state=_OPEN),
    (_RESOLVED, Action.TRIGGER): Row(move=Move.SEND, state=_OPEN),
    # The first resolve of a key we never heard of is said: an alert may be open from before our
    # time, or from a ledger that was lost. After that we know, and the next ones cost no call.
    (_NONE, Action.RESOLVE): Row(move=Move.SEND, state=_RESOLVED),
    (_OPEN, Action.RESOLVE): Row(move=Move.SEND, state=_RESOLVED),
    (_ACKED, Action.RESOLVE): Row(move=Move.SEND, state=_RESOLVED),
    (_RESOLVED, Action.RESOLVE): Row(
        move=Move.PASS, state=_RESOLVED, reason=Reason.ALREADY_RESOLVED
    ),
    (_NONE, Action.ACKNOWLEDGE): Row(move=Move.REMEMBER, state=_NONE, reason=Reason.NOT_OPEN),
    (_OPEN, Action.ACKNOWLEDGE): Row(move=Move.SEND, state=_ACKED),
    # Said again: an incident's acknowledgement may have run out at PagerDuty.
    (_ACKED, Action.ACKNOWLEDGE): Row(move=Move.SEND, state=_ACKED),
    (_RESOLVED, Action.ACKNOWLEDGE): Row(
        move=Move.REMEMBER, state=_RESOLVED, reason=Reason.NOT_OPEN
    ),
    # A change event is a record, not a state: its entry (a key of its own) only has a position.
    (_NONE, Action.CHANGE): Row(move=Move.SEND, state=_NONE),
}

SUPERSEDES: dict[tuple[Action, Action], bool] = {
    (newer, older): newer in (Action.TRIGGER, Action.RESOLVE)
    or newer is older is Action.ACKNOWLEDGE
    for newer in (Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE)
    for older in (Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE)
}
"""(newer, older): whether the newer one, once settled, makes the older one needless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do next with an intent.

    Attributes:
        move: what.
        reason: why.
        place: where the intent stands.
        kind: how it ends; only for moves that end it (END, PASS, REMEMBER).
        state: what PagerDuty holds after SEND.
        delay: seconds; only for WAIT.
    """

    move: Move
    reason: Reason
    place: Place
    kind: OutcomeKind = OutcomeKind.DEFERRED
    state: AlertState = AlertState.NONE
    delay: float = 0.0


_SEND = {
    state: Step(move=Move.SEND, reason=Reason.ACCEPTED, place=Place.NEWER, state=state)
    for state in AlertState
}
"""What nearly every page is, made once."""


def place_of(alert: Alert, intent: Intent) -> Place:
    """The fence: compare the intent with what is settled; each action looks at its register."""
    mark = alert.position
    if intent.action is Action.ACKNOWLEDGE:
        mark = max(alert.position, alert.acknowledged)
    elif intent.action is Action.CHANGE:
        return Place.NEWER if alert.position == FIRST else Place.SAME
    if intent.position > mark:
        return Place.NEWER
    return Place.SAME if intent.position == mark else Place.OLDER


def decide(
    alert: Alert, intent: Intent, *, owner: str, now: float, tries: int, policy: Policy
) -> Step:
    """The next step for an intent, given the entry of its key.

    Args:
        alert: the entry as just read.
        intent: what is to be said.
        owner: who asks; its own claim does not stand in its way.
        now: seconds since 1970.
        tries: how often the message was delivered, for the length of a wait.
        policy: times and limits.
    """
    place = place_of(alert, intent)
    live = entry.is_live(alert.claim, owner=owner, now=now, policy=policy)
    claim_ends = alert.claim.expires_at + policy.clock_skew if alert.claim is not None else now

    def busy(until: float) -> Step:
        delay = backoff(
            seed=intent.event_id,
            attempt=tries,
            first=policy.busy_delay,
            ceiling=policy.longest_busy_delay,
        )
        delay = min(delay, max(until - now, policy.busy_delay))
        return Step(move=Move.WAIT, reason=Reason.BUSY, place=place, delay=delay)

    if place is not Place.NEWER:
        if entry.owes_repetition(alert):
            if live:
                return busy(claim_ends)
            due = entry.repetition_due(alert, policy)
            if now < due:
                return Step(
                    move=Move.WAIT, reason=Reason.IN_DOUBT, place=place, delay=max(due - now, 0.001)
                )
            # What is settled is not said again on top of something newer; that will be settled.
            quiet_until = entry.spoken_for_until(alert, alert.position, policy)
            waiting = alert.waiting
            if waiting is not None and waiting.position > alert.position:
                quiet_until = max(quiet_until, waiting.until)
            if now < quiet_until:
                return busy(quiet_until)
            return Step(move=Move.REPEAT, reason=Reason.REPAIRED, place=place, state=alert.state)
        return over(alert, intent, place)
    if live:
        return busy(claim_ends)
    quiet_until = entry.spoken_for_until(alert, intent.position, policy)
    if now < quiet_until:
        return busy(quiet_until)
    waiting = alert.waiting
    if waiting is not None and waiting.position > intent.position and now < waiting.until:
        delay = waiting.until - now + policy.busy_delay
        return Step(move=Move.WAIT, reason=Reason.BUSY, place=place, delay=delay)
    row = TABLE[(alert.state, intent.action)]
    match row.move:
        case Move.SEND:
            return _SEND[row.state]
        case Move.PASS if not entry.is_at_rest(alert):
            return _SEND[row.state]
        case move:  # PASS or REMEMBER
            return Step(move=move, reason=row.reason, place=place, kind=OutcomeKind.SKIPPED)


def over(alert: Alert, intent: Intent, place: Place) -> Step:
    """The end of an intent that is not newer than what is settled."""
    if place is Place.OLDER:
        kind, reason = OutcomeKind.SUPERSEDED, Reason.SUPERSEDED
    elif intent.action is Action.ACKNOWLEDGE:
        told = alert.state is AlertState.ACKNOWLEDGED
        kind = OutcomeKind.DELIVERED if told else OutcomeKind.SKIPPED
        reason = Reason.DUPLICATE if told else Reason.NOT_OPEN
    elif alert.position == intent.position and alert.event_id == intent.event_id:
        # An earlier delivery of this message said it and could not say so to NATS.
        kind, reason = OutcomeKind.DELIVERED, Reason.DUPLICATE
    elif intent.action is Action.CHANGE:
        kind, reason = OutcomeKind.SKIPPED, Reason.DUPLICATE
    else:
        kind, reason = OutcomeKind.SKIPPED, Reason.ALREADY_RESOLVED
    return Step(move=Move.END, reason=reason, place=place, kind=kind)
