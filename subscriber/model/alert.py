"""Alert: what we believe PagerDuty holds for one (service, dedup key); one ledger entry.

Rules: an entry changes only by compare-and-set (see `ports.interfaces.Ledger`); the position only
grows; a claim says who may be talking to PagerDuty about this key right now; a doubt says what
PagerDuty may have heard, or may still hear, without anybody having settled it. `delivery/` is the
only place that changes an entry, by the rules written there and in docs/delivery.md.
"""

from __future__ import annotations

from enum import StrEnum

from subscriber.model.intent import FIRST, Position
from subscriber.model.record import record


class AlertState(StrEnum):
    """PagerDuty's own view of an alert key, as far as we told it."""

    NONE = "none"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@record(frozen=True, slots=True, kw_only=True, order=True)
class AlertKey:
    """PagerDuty scopes a dedup key by routing key; we scope it by service name."""

    service: str
    dedup_key: str


@record(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody may be sending what `position` asks, until `expires_at` (seconds since 1970).

    `owner` names one run of one conversation, not only a process: two runs in one process differ.
    """

    owner: str
    position: Position
    expires_at: float


@record(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A request whose end nobody knows: it may have arrived, or may arrive before `until`.

    Attributes:
        position: what the request asked for; the zero position when there were several.
        until: seconds since 1970; later than this nothing of it is under way any more.
    """

    position: Position
    until: float


@record(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A newer event has been heard and waits for its turn; older ones hold back until `until`."""

    position: Position
    until: float


@record(frozen=True, slots=True, kw_only=True)
class Alert:
    """A ledger entry; `Alert(key=key)` is the entry of a key never seen.

    Attributes:
        position: place of the newest settled trigger or resolve, zero when none.
        state: what PagerDuty was last known to hold.
        acknowledged: place of the newest acknowledge heard, told to PagerDuty or (while nothing is
            open) only remembered; zero when none.
        claim: who is sending now, or None.
        doubt: what PagerDuty may have heard besides, or None.
        waiting: the newest event that was put off for lack of allowance, or None.
        rule: rule of the event PagerDuty was last told of (to render it again), empty when none.
        event_id: id of that event, empty when none.
        updated_at: when the entry was last settled, seconds since 1970.
    """

    key: AlertKey
    position: Position = FIRST
    state: AlertState = AlertState.NONE
    acknowledged: Position = FIRST
    claim: Claim | None = None
    doubt: Doubt | None = None
    waiting: Waiting | None = None
    rule: str = ""
    event_id: str = ""
    updated_at: float = 0.0
