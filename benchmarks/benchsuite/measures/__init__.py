"""The benchmarks of the suite, in the order of the results.

Each is an async function from a Bench to a section of the results: plain data, rounds of figures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from benchsuite.measures.drains import act, collapse, filtering
from benchsuite.measures.footprint import footprint
from benchsuite.measures.growth import growth
from benchsuite.measures.latency import latency
from benchsuite.measures.plan import Bench

MEASURES: dict[str, Callable[[Bench], Awaitable[dict[str, Any]]]] = {
    "filter": filtering,
    "act": act,
    "collapse": collapse,
    "latency": latency,
    "growth": growth,
    "footprint": footprint,
}
