"""Rates: how many calls one routing key may make within a sliding window.

Rules: a call at time t counts for everything in [t, t + window); one that is exactly `window`
seconds old is forgotten. A refused call does not count, so a client that waits gets through. Alert
events and change events of a key share one window, as "per integration key" says.

This module does not know clocks: `now` arrives as an argument, in seconds, never going back.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque

from subscriber.simulator.answer import Headers

# The windows of keys that fell silent are let go beyond this many keys.
MOST_KEYS = 10_000


class Rates:
    """Sliding windows, one per routing key; at most `MOST_KEYS` x `limit` time stamps."""

    def __init__(self, limit: int | None, window: float) -> None:
        """`limit` calls per `window` seconds; None for no limit."""
        self._limit = limit
        self._window = window
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, key: str, now: float) -> float | None:
        """Count a call, or say how many seconds until one will be admitted (> 0)."""
        if self._limit is None:
            return None
        calls = self._recent(key, now)
        if len(calls) >= self._limit:
            # With a limit of zero nothing ever leaves the window: a whole window is the best word.
            return calls[0] + self._window - now if calls else self._window
        calls.append(now)
        return None

    def _recent(self, key: str, now: float) -> deque[float]:
        calls = self._calls.get(key)
        if calls is None:
            if len(self._calls) >= MOST_KEYS:
                self._calls.popitem(last=False)
            calls = self._calls[key] = deque()
        else:
            self._calls.move_to_end(key)
        while calls and now - calls[0] >= self._window:
            calls.popleft()
        return calls


def rate_headers(limit: int, seconds: float) -> Headers:
    """Headers as PagerDuty's REST API sends them, and Retry-After; whole seconds, rounded up."""
    whole = str(max(1, math.ceil(seconds)))
    return (
        ("retry-after", whole),
        ("ratelimit-limit", str(limit)),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", whole),
    )
