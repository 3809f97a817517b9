"""The arithmetic of the results: percentiles, medians, ratios inside rounds, and how they read.

Pure; knows nothing of what the numbers are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

Rounds = Sequence[Mapping[str, float]]
"""One mapping per round: who -> figure. Who failed to take part is left out."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def medians(rounds: Rounds) -> dict[str, float]:
    """Who -> the median of his figures, in the order of the first appearance."""
    return {who: statistics.median(_of(rounds, who)) for who in contestants(rounds)}


def ranges(rounds: Rounds) -> dict[str, tuple[float, float]]:
    """Who -> the smallest and the largest of his figures."""
    return {who: (min(_of(rounds, who)), max(_of(rounds, who))) for who in contestants(rounds)}


def ratios(rounds: Rounds, base: str) -> dict[str, float]:
    """Who -> the median, over the rounds, of his figure by that of `base` in the same round."""
    found: dict[str, float] = {}
    for who in contestants(rounds):
        pairs = [one[who] / one[base] for one in rounds if who in one and one.get(base)]
        if pairs:
            found[who] = statistics.median(pairs)
    return found


def contestants(rounds: Rounds) -> list[str]:
    """Everybody who has a figure, in the order of the first appearance."""
    return list(dict.fromkeys(who for one in rounds for who in one))


def rotated(order: Sequence[str], turn: int) -> list[str]:
    """The order of round `turn`: nobody always runs first, or always after the same."""
    start = turn % len(order) if order else 0
    return [*order[start:], *order[:start]]


def number(value: float) -> str:
    """Three significant digits, with thousands separators: 48,300, 2.41, 0.072."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def _of(rounds: Rounds, who: str) -> list[float]:
    return [one[who] for one in rounds if who in one]
