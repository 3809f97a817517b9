"""A service's allowance: at most so many calls in any window, counted exactly.

PagerDuty takes about 120 calls a minute per integration key over a sliding window and answers 429
beyond it. Spending the same allowance here means that what we spend it on is ours to choose: the
newest state of each key.

Rules: a sliding window, not a bucket: no 60 seconds ever hold more than the limit. A share is
kept for triggers, so that a burst of resolves and change events never makes a page wait for a full
window. After a 429, nothing goes before the time PagerDuty named. Pure: time is an argument; one
object per process (with N replicas give each an N-th of the limit); memory is bounded by
services x limit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Calls:
    """The calls of one service that still count, oldest first, and a closing time."""

    calls: deque[float] = field(default_factory=deque)
    closed_until: float = 0.0


class Allowance:
    """The calls each service may still make."""

    def __init__(self, *, limit: int = 120, window: float = 60.0, reserve: int | None = None):
        """Allow `limit` calls per `window` seconds, the last `reserve` of them to triggers only.

        `reserve` is a tenth of the limit unless given; it is always smaller than the limit.
        """
        if limit < 1 or window <= 0:
            raise ValueError("an allowance needs limit >= 1 and window > 0")
        self._limit = limit
        self._window = window
        self._reserve = min(limit // 10 if reserve is None else reserve, limit - 1)
        self._services: dict[str, _Calls] = {}

    @property
    def limit(self) -> int:
        """Calls per window."""
        return self._limit

    def ask(self, service: str, now: float, *, urgent: bool = False) -> float:
        """0.0 when a call is granted, which is then counted; else seconds until one may be."""
        counted = self._services.setdefault(service, _Calls())
        calls = counted.calls
        while calls and calls[0] <= now - self._window:
            calls.popleft()
        if now < counted.closed_until:
            return counted.closed_until - now
        limit = self._limit if urgent else self._limit - self._reserve
        if len(calls) < limit:
            calls.append(now)
            return 0.0
        return max(calls[len(calls) - limit] + self._window - now, 0.001)

    def close(self, service: str, now: float, seconds: float) -> None:
        """PagerDuty answered 429: nothing goes to this service for `seconds`."""
        counted = self._services.setdefault(service, _Calls())
        counted.closed_until = max(counted.closed_until, now + seconds)

    def closed_for(self, service: str, now: float) -> float:
        """Seconds until a 429 of PagerDuty's is over; 0 when none is open (for the metrics)."""
        counted = self._services.get(service)
        return max(0.0, counted.closed_until - now) if counted else 0.0

    def left(self, service: str, now: float) -> int:
        """Calls that a trigger could still make at once (for the metrics)."""
        counted = self._services.get(service)
        if counted is None:
            return self._limit
        if now < counted.closed_until:
            return 0
        return self._limit - sum(1 for at in counted.calls if at > now - self._window)
