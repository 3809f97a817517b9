"""growth: what more rules, more keys in the ledger and more processes cost per event."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import aiohttp

from benchsuite.contestants import EVERYBODY, OURS
from benchsuite.events import WANTED, all_wanted, stream_past
from benchsuite.figures import rotated
from benchsuite.ledgerfill import fill_ledger
from benchsuite.measures.plan import Bench
from benchsuite.processes import cpu_seconds, memory
from benchsuite.trial import Runner

_SWEPT = re.compile(r"ledger_scan_timestamp_seconds [1-9]")
_SWEEP_LIMIT = 60.0
"""Seconds; a sweep that takes longer is shown as unfinished, with what it has cost so far."""


async def growth(bench: Bench) -> dict[str, Any]:
    """Ours only, each count against the smallest in the same round."""
    return {
        "rules": await _rules(bench),
        "keys": await _keys(bench),
        "processes": await _processes(bench),
    }


def _turned(values: Sequence[int], turn: int) -> list[int]:
    return [int(value) for value in rotated([str(value) for value in values], turn)]


async def _rules(bench: Bench) -> dict[str, Any]:
    sizes, ours = bench.sizes, EVERYBODY[OURS]
    past, wanted = stream_past(sizes.rules_filter_events), all_wanted(sizes.rules_act_events)
    found: dict[str, list[dict[str, Any]]] = {"filter": [], "act": []}
    for turn in range(sizes.rounds):
        async with bench.stage() as runner:
            for kind, specs in (("filter", past), ("act", wanted)):
                await runner.prepare((kind,), specs)
                matching = [spec for spec in specs if spec.type == WANTED]
                row: dict[str, Any] = {}
                for rules in _turned(sizes.rules, turn):
                    drained = await runner.drain(ours, specs, wanted=matching, rules=rules)
                    row[str(rules)] = asdict(drained)
                    bench.tell(
                        f"growth {turn + 1}/{sizes.rounds}  {rules:,} rules, {kind}:"
                        f" {drained.cpu_us:.1f} us/event, {drained.rate:,.0f} events/s"
                    )
                found[kind].append({str(rules): row[str(rules)] for rules in sizes.rules})
    return {"counts": list(sizes.rules), **found}


async def _keys(bench: Bench) -> dict[str, Any]:
    """Events of new keys beside those that the ledger holds; the ledgers are filled once."""
    sizes, ours = bench.sizes, EVERYBODY[OURS]
    rounds: list[dict[str, Any]] = []
    sweep: dict[str, Any] = {}
    async with bench.stage() as runner:
        stage = runner.stage
        for keys in sizes.ledger_keys:
            began = time.monotonic()
            await fill_ledger(stage.client, stage.nats.url, f"filled-{keys}", keys)
            bench.tell(f"a ledger of {keys:,} keys, in {time.monotonic() - began:.1f} s")
        for turn in range(sizes.rounds):
            first = turn * sizes.ledger_events
            specs = all_wanted(sizes.ledger_events, first)
            await runner.prepare(("keys", turn), specs)
            row: dict[str, Any] = {}
            for keys in _turned(sizes.ledger_keys, turn):
                drained = await runner.drain(ours, specs, bucket=f"filled-{keys}")
                row[str(keys)] = asdict(drained)
                bench.tell(
                    f"growth {turn + 1}/{sizes.rounds}  {keys:,} keys in the ledger:"
                    f" {drained.cpu_us:.1f} us/event, {drained.peak_mb:.0f} MB at most"
                )
            rounds.append({str(keys): row[str(keys)] for keys in sizes.ledger_keys})
        if sizes.sweep:
            await stage.fill(())  # a service that has nothing else to do
            for keys in (sizes.ledger_keys[0], sizes.ledger_keys[-1]):
                sweep[str(keys)] = found = await _sweep(runner, f"filled-{keys}")
                bench.tell(f"growth  the first sweep of {keys:,} keys: {found}")
    return {"counts": list(sizes.ledger_keys), "rounds": rounds, "sweep": sweep}


async def _sweep(runner: Runner, bucket: str) -> dict[str, Any]:
    """CPU time and memory of an idle service until its first look through the ledger is over."""
    job = runner.job(bucket)
    child = runner.launch(EVERYBODY[OURS], job)
    try:
        await asyncio.sleep(4.0)  # started; the sweep comes 5 to 10 s after the start
        idle, before = memory(child.pid)[0], cpu_seconds(child.pid)
        finished, deadline = False, time.monotonic() + _SWEEP_LIMIT
        async with aiohttp.ClientSession() as client:
            while not finished and time.monotonic() < deadline:
                await asyncio.sleep(1.0)
                child.check()
                async with client.get(f"http://127.0.0.1:{job.port}/metrics") as answer:
                    finished = _SWEPT.search(await answer.text()) is not None
        spent = cpu_seconds(child.pid) - before
        after, peak = memory(child.pid)
    finally:
        child.end()
    return {
        "finished": finished,
        "cpu_seconds": round(spent, 2),
        "before_mb": round(idle, 1),
        "after_mb": round(after, 1),
        "peak_mb": round(peak, 1),
    }


async def _processes(bench: Bench) -> dict[str, Any]:
    sizes, ours = bench.sizes, EVERYBODY[OURS]
    specs = all_wanted(sizes.processes_events)
    rounds: list[dict[str, Any]] = []
    for turn in range(sizes.rounds):
        row: dict[str, Any] = {}
        async with bench.stage() as runner:
            await runner.prepare(("processes",), specs)
            for count in _turned(sizes.processes, turn):
                drained = await runner.drain(ours, specs, processes=count)
                row[str(count)] = asdict(drained)
                bench.tell(
                    f"growth {turn + 1}/{sizes.rounds}  {count} processes on one core:"
                    f" {drained.cpu_us:.1f} us/event, {drained.rate:,.0f} events/s"
                )
        rounds.append({str(count): row[str(count)] for count in sizes.processes})
    return {"counts": list(sizes.processes), "rounds": rounds}
