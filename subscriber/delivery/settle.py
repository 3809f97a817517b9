"""How a message ends when all its intents have ended: ack, nak(delay) or term; the worst wins.

Rules: one intent that comes back brings the whole message back, at the earliest of the delays (an
intent that ended already ends again at once when it does: the ledger knows it). A dead letter is
written, and confirmed, by the caller before it performs the `term`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from subscriber.model import Outcome, OutcomeKind


class SettlementKind(StrEnum):
    """What the NATS message is answered with, best first."""

    ACK = "ack"
    TERM = "term"
    NAK = "nak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One answer to NATS.

    Attributes:
        kind: ack, term (after a dead letter) or nak.
        delay: seconds until redelivery, only for nak.
        outcome: the outcome that decided, None when there was none (no rule wanted the event).
    """

    kind: SettlementKind
    delay: float = 0.0
    outcome: Outcome | None = None


SETTLEMENT_OF = {
    OutcomeKind.DELIVERED: SettlementKind.ACK,
    OutcomeKind.SKIPPED: SettlementKind.ACK,
    OutcomeKind.SUPERSEDED: SettlementKind.ACK,
    OutcomeKind.SUPPRESSED_STALE: SettlementKind.ACK,
    OutcomeKind.DEAD_LETTERED: SettlementKind.TERM,
    OutcomeKind.DEFERRED: SettlementKind.NAK,
}
"""Every kind of end and its answer."""

_SEVERITY = {SettlementKind.ACK: 0, SettlementKind.TERM: 1, SettlementKind.NAK: 2}


def settle(outcomes: Sequence[Outcome]) -> Settlement:
    """The answer for a message whose intents ended like this; no outcomes: ack."""
    worst: Outcome | None = None
    rank = (-1, 0.0)
    for outcome in outcomes:
        # Among several that come back the shortest delay decides, so that one intent in trouble
        # does not hold up another of the same message.
        this = (_SEVERITY[SETTLEMENT_OF[outcome.kind]], -outcome.delay)
        if this > rank:
            worst, rank = outcome, this
    if worst is None:
        return Settlement(kind=SettlementKind.ACK)
    return Settlement(kind=SETTLEMENT_OF[worst.kind], delay=worst.delay, outcome=worst)
