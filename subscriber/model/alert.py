"""Alert: what we believe PagerDuty holds for one (service, dedup key); one ledger entry.

Rules: an entry changes only by compare-and-set (see `ports.interfaces.Ledger`); the position only
grows; a claim says who may be talking to PagerDuty about this key right now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from subscriber.model.intent import Position


class AlertState(StrEnum):
    """PagerDuty's own view of an alert key, as far as we told it."""

    NONE = "none"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AlertKey:
    """PagerDuty scopes a dedup key by routing key; we scope it by service name."""

    service: str
    dedup_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody may be sending for this key until `expires_at` (seconds since 1970)."""

    owner: str
    position: Position
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A ledger entry; `Alert(key=key)` is the entry of a key never seen.

    Attributes:
        position: place of the newest settled event, zero when none.
        state: what that event asked PagerDuty to hold.
        claim: who is sending now, or None.
        dirty: a claim was taken and never settled: PagerDuty may have heard something unknown.
        rule: rule of the settled event (to render it again), empty when none.
        event_id: id of the settled event, empty when none.
        updated_at: when the entry was last settled, seconds since 1970.
    """

    key: AlertKey
    position: Position = field(default_factory=Position)
    state: AlertState = AlertState.NONE
    claim: Claim | None = None
    dirty: bool = False
    rule: str = ""
    event_id: str = ""
    updated_at: float = 0.0
