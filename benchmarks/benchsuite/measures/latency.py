"""latency: from just before the publication to the arrival of the POST."""

from __future__ import annotations

from typing import Any

from benchsuite.contestants import OURS
from benchsuite.figures import percentile
from benchsuite.measures.plan import Bench

PER_SECOND = 50.0


async def latency(bench: Bench) -> dict[str, Any]:
    """50 events/s to an idle program; and the first one after its start."""
    sizes = bench.sizes
    rounds: list[dict[str, dict[str, Any]]] = []
    for turn in range(sizes.rounds):
        row: dict[str, dict[str, Any]] = {}
        for one in bench.order(bench.who, turn):
            seconds = sizes.latency_seconds if one.name == OURS else sizes.peers_latency_seconds
            async with bench.stage() as runner:
                paced = await runner.pace(
                    one, seconds=seconds, per_second=PER_SECOND, idle=sizes.idle_seconds
                )
            row[one.name] = {
                "ready_after": paced.ready_after,
                "idle_mb": paced.idle_mb,
                "cold": paced.cold,
                "steady": [round(value, 4) for value in paced.steady],
            }
            middle, high = percentile(paced.steady, 50), percentile(paced.steady, 99)
            bench.tell(
                f"latency {turn + 1}/{sizes.rounds}  {one.name:<20}"
                f" p50 {middle:6.2f} ms  p99 {high:6.2f} ms  first {paced.cold:6.2f} ms"
                f"  ready after {paced.ready_after:.2f} s"
            )
        rounds.append({one.name: row[one.name] for one in bench.who})
    return {"per_second": PER_SECOND, "rounds": rounds}
