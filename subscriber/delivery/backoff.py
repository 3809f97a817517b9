"""How long to wait before another try: exponential, with jitter derived from the event's id.

Rules: no randomness of our own, so that the same event, try and policy always give the same delay
(a test, a dry run and a replay agree); different events spread out. A delay PagerDuty asks for is
never shortened, only capped, and jitter only adds to it.
"""

from __future__ import annotations

from hashlib import blake2b

JITTER = 0.25
"""The largest share of a delay that jitter adds."""


def spread(seed: str, attempt: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = blake2b(f"{attempt}/{seed}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def backoff(*, seed: str, attempt: int, first: float, ceiling: float) -> float:
    """Seconds before try number `attempt + 1`: ``first * 2 ** (attempt - 1)``, capped, jittered.

    Args:
        seed: the event's id.
        attempt: how often it was tried, 1 after the first time; smaller counts as 1.
        first: seconds after the first try, > 0.
        ceiling: the longest delay before jitter, seconds.
    """
    exponent = min(max(attempt, 1) - 1, 62)  # beyond it every ceiling is reached
    delay = min(first * 2.0**exponent, ceiling)
    return delay * (1.0 + JITTER * spread(seed, attempt))


def asked_for(seconds: float, *, seed: str, attempt: int, ceiling: float) -> float:
    """A delay that PagerDuty or the allowance named: capped at `ceiling`, jitter only on top."""
    delay = min(max(seconds, 0.0), ceiling)
    return delay * (1.0 + JITTER * spread(seed, attempt))
