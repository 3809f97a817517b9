"""PagerDuty's stand-in as a process of its own, with a journal of every call on disk.

    python chaos_pagerduty.py JOURNAL SEED [FAULT ...]

Prints its URL. Each line of the journal is one call in order of arrival, written before the call is
answered: whatever the caller believes afterwards, this is what PagerDuty took.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from subscriber.simulator import Call, SimulatorConfig, parse_fault, running


async def serve(journal: Path, seed: int, faults: list[str]) -> None:
    config = SimulatorConfig(
        rate_limit=None,
        faults=tuple(map(parse_fault, faults)),
        seed=seed,
        keep=1_000_000,
        keep_bytes=1_000_000,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with journal.open("w", encoding="utf-8", buffering=1) as file:

        def note(call: Call) -> None:
            body = call.body or {}
            line = {
                "at": call.at,
                "effect": call.effect.value,
                "fault": call.fault.value if call.fault else "",
                "action": body.get("event_action", ""),
                "key": body.get("dedup_key", ""),
                "event": (body.get("payload") or {}).get("summary", ""),
                "alert": call.alert or 0,
            }
            file.write(json.dumps(line) + "\n")

        async with running(config, observers=(note,)) as simulator:
            print(simulator.url, flush=True)
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
