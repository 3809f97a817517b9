"""Outcome: how one intent, or an event without one, ended, and why.

Every event ends in exactly one final kind; `DEFERRED` is the only kind that comes back.
"""

from __future__ import annotations

from enum import StrEnum

from subscriber.model.intent import Intent
from subscriber.model.reason import Reason
from subscriber.model.record import record


class OutcomeKind(StrEnum):
    """The exact list of ends; the value is the log event and the metric label."""

    DELIVERED = "delivered"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    SUPPRESSED_STALE = "suppressed-stale"
    DEAD_LETTERED = "dead-lettered"
    DEFERRED = "deferred"


@record(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One end.

    Attributes:
        kind: which end.
        reason: why, from the shared vocabulary.
        intent: what was to be said; None when the event never became an intent.
        message: one sentence for a person; never a secret.
        status: HTTP status of PagerDuty's last answer, 0 when there was none.
        attempts: how many requests were sent.
        delay: seconds until the next try; only for DEFERRED.
        errors: PagerDuty's own error texts.
    """

    kind: OutcomeKind
    reason: Reason
    intent: Intent | None = None
    message: str = ""
    status: int = 0
    attempts: int = 0
    delay: float = 0.0
    errors: tuple[str, ...] = ()
