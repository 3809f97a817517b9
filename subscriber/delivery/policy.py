"""The times and limits a delivery goes by.

Rules: everything is in seconds unless said otherwise; a Policy that cannot keep the promises (a
lease shorter than a request) is refused at birth.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OnStale(StrEnum):
    """What becomes of a trigger that is older than `stale_after`."""

    SUPPRESS = "suppress"
    DOWNGRADE = "downgrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How deliveries are claimed, retried and given up.

    Attributes:
        lease: how long a claim on a key lasts.
        send_timeout: the longest an HTTP exchange may take; a claim with less left sends nothing.
        clock_skew: how far two replicas' clocks may differ.
        doubt: how long after its sender gave up on it a request may still reach PagerDuty.
        quick_retries: pauses between tries that keep the message in hand.
        first_delay, longest_delay: bounds of the exponential back-off between redeliveries.
        longest_retry_after: the most of a Retry-After that is honoured.
        busy_delay, longest_busy_delay: bounds of the wait for somebody else's claim.
        max_age: a message older than this whose try fails again goes to the dead letters.
        stale_after: a trigger older than this is not sent as it is; None switches this off.
        on_stale, stale_severity: what is done instead.
        rounds: how often one run starts over (conflicts, quick retries) before it gives the
            message back.
    """

    lease: float = 30.0
    send_timeout: float = 10.0
    clock_skew: float = 2.0
    doubt: float = 30.0
    quick_retries: tuple[float, ...] = (0.5, 2.0)
    first_delay: float = 5.0
    longest_delay: float = 120.0
    longest_retry_after: float = 900.0
    busy_delay: float = 0.25
    longest_busy_delay: float = 5.0
    max_age: float = 86_400.0
    stale_after: float | None = None
    on_stale: OnStale = OnStale.SUPPRESS
    stale_severity: str = "info"
    rounds: int = 12

    def __post_init__(self) -> None:
        if self.lease <= self.send_timeout:
            raise ValueError("lease must be longer than send_timeout")
        if min(self.send_timeout, self.first_delay, self.busy_delay, self.max_age) <= 0:
            raise ValueError("send_timeout, first_delay, busy_delay and max_age must be positive")
        if min(self.clock_skew, self.doubt) < 0:
            raise ValueError("clock_skew and doubt must not be negative")
        if self.rounds < 1:
            raise ValueError("rounds must be at least 1")
