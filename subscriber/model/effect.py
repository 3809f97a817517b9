"""Effect: what the pure core asks of the world, and what it hears back.

`delivery.deliver` yields these frozen values and never performs one. Whoever drives it (the
service's async driver, a test scheduler, a dry run) performs the effect and answers with `send`:

    effect      answer
    Load        tuple[Alert, int]   the entry and its revision; an unseen key: (Alert(key=key), 0)
    Save        int | None          the new revision, or None when the entry has another revision
    Send        Verdict
    Recall      Intent | None       None when the event is gone or no rule asks for it any more
    Permit      float               0.0: granted and counted; else seconds until it is worth asking
    Now         float               seconds since 1970
    Pause       None                after the seconds have passed

Rules: a world that does not answer Load, Save or Recall is thrown into the generator as
`Problem(Reason.LEDGER_UNAVAILABLE, ...)` (a Save that was thrown may still have been written; the
conversation allows for that). Send never throws: what the network does is a Verdict. The routing
key enters behind Send, in the driver; nothing here knows it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from subscriber.model.alert import Alert, AlertKey
from subscriber.model.intent import Intent, Position
from subscriber.model.reason import Reason
from subscriber.model.record import record


class VerdictKind(StrEnum):
    """What an exchange with PagerDuty came to."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRY = "retry"


@record(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One exchange, judged.

    Attributes:
        kind: accepted (it counts), rejected (it never will), retry (another time).
        reason: why, from the shared vocabulary.
        ambiguous: PagerDuty may have taken it, or may still take it, although we were not told.
        retry_after: seconds PagerDuty asked us to wait; None when it did not say.
        status: HTTP status, 0 when there was no answer.
        message: one sentence for a person; never a secret.
        errors: PagerDuty's own error texts.
    """

    kind: VerdictKind
    reason: Reason
    ambiguous: bool = False
    retry_after: float | None = None
    status: int = 0
    message: str = ""
    errors: tuple[str, ...] = ()


@record(frozen=True, slots=True, kw_only=True)
class Load:
    """Read a ledger entry.

    Attributes:
        key: whose.
        guess: the entry of a key never seen will do, without a look; what follows is a
            compare-and-set that fails if the guess was wrong, or a Load that guesses no more.
    """

    key: AlertKey
    guess: bool = False


@record(frozen=True, slots=True, kw_only=True)
class Save:
    """Write a ledger entry if it still has `revision` (0: if there is none)."""

    alert: Alert
    revision: int


@record(frozen=True, slots=True, kw_only=True)
class Send:
    """Tell PagerDuty.

    Attributes:
        intent: what to say.
        deadline: the claim's end, seconds since 1970. The driver begins nothing after it and
            bounds the exchange by it: time-out = min(HTTP time-out, deadline - now). With nothing
            left it answers RETRY, not ambiguous, without sending.
    """

    intent: Intent
    deadline: float


@record(frozen=True, slots=True, kw_only=True)
class Recall:
    """Render again what an earlier event asked of this key.

    The driver reads the event at `position` back from the stream, plans it again and answers with
    the intent of the same position, key and (when rules were changed since) `rule`.
    """

    key: AlertKey
    position: Position
    rule: str = ""


@record(frozen=True, slots=True, kw_only=True)
class Permit:
    """Spend one call of a service's allowance; `urgent` (a trigger) may use the reserve."""

    service: str
    urgent: bool = False


@record(frozen=True, slots=True, kw_only=True)
class Now:
    """Ask for the time."""


@record(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait, keeping the message in hand (the driver keeps telling NATS so)."""

    seconds: float


Effect: TypeAlias = Load | Save | Send | Recall | Permit | Now | Pause
