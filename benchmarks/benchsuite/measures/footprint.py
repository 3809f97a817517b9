"""footprint: time to be ready, memory, `--help`, imports, wheel and image.

The image is not built here: `make image-check` writes its size in bytes to build/image-size, or
IMAGE_SIZE_FILE names another file. Without that file the line says so.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from benchsuite.contestants import EVERYBODY, OURS, our_program
from benchsuite.events import all_wanted
from benchsuite.measures.plan import Bench
from benchsuite.processes import Broken, cores, memory
from benchsuite.trial import START_LIMIT, Runner

ROOT = Path(__file__).resolve().parents[3]


async def footprint(bench: Bench) -> dict[str, Any]:
    """Ours; what is known of the peers comes from `act` and `latency`."""
    sizes = bench.sizes
    rounds: list[dict[str, float]] = []
    for turn in range(sizes.rounds):
        async with bench.stage() as runner:
            row = await _started(runner, sizes.idle_seconds)
            specs = all_wanted(sizes.rules_act_events)
            await runner.prepare(("act",), specs)
            row["loaded_mb"] = (await runner.drain(EVERYBODY[OURS], specs)).peak_mb
        row["help"] = timed([str(our_program()), "--help"])
        row["version"] = timed([str(our_program()), "--version"])
        bare = timed([sys.executable, "-c", "pass"])
        row["import"] = timed([sys.executable, "-c", "import subscriber.service.app"]) - bare
        rounds.append(row)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in row.items())
        bench.tell(f"footprint {turn + 1}/{sizes.rounds}  {shown}")
    return {"rounds": rounds, "wheel": wheel(bench), "image": image(bench)}


async def _started(runner: Runner, idle: float) -> dict[str, float]:
    await runner.stage.fill(())
    job = runner.job(runner.stage.fresh("ledger"))
    child = runner.launch(EVERYBODY[OURS], job)
    try:
        async with aiohttp.ClientSession() as session:
            while True:
                child.check()
                with suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{job.port}/readyz") as answer:
                        if answer.status == 200:
                            break
                if time.monotonic() > child.started + START_LIMIT:
                    raise Broken("it does not become ready")
                await asyncio.sleep(0.002)
        ready = time.monotonic() - child.started
        await asyncio.sleep(idle)
        found = {"ready": ready, "idle_mb": memory(child.pid)[0]}
        before = time.monotonic()
        child.process.terminate()
        child.process.wait(START_LIMIT)
        found["stop"] = time.monotonic() - before
    finally:
        child.end()
    return found


def timed(command: Sequence[str], times: int = 3) -> float:
    """Seconds of a command that must succeed, the best of a few, on the program's core."""
    core = cores()[1]
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        taken.append(time.perf_counter() - began)
        if done.returncode:
            raise Broken(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    return min(taken)


def wheel(bench: Bench) -> dict[str, Any]:
    """Bytes of the wheel, built now with the installed hatchling."""
    with tempfile.TemporaryDirectory(prefix="bench-wheel-") as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        files = list(Path(folder).glob("*.whl"))
        if done.returncode or not files:
            reason = (done.stderr.strip().splitlines() or ["hatchling built nothing"])[-1]
            bench.tell(f"SKIPPED: the wheel's size: {reason}")
            return {"skipped": reason}
        return {"bytes": files[0].stat().st_size}


def image(bench: Bench) -> dict[str, Any]:
    """Bytes of the image, when whoever built it wrote them down."""
    file = Path(os.environ.get("IMAGE_SIZE_FILE") or ROOT / "build" / "image-size")
    try:
        return {"bytes": int(file.read_text().split()[0])}
    except (OSError, ValueError, IndexError):
        reason = f"no image was built here ({file.name} is not there)"
        bench.tell(f"SKIPPED: the image's size: {reason}")
        return {"skipped": reason}
